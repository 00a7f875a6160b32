/* ${NAME}, ${NAME:-default} and ${NAME:?message} in a text; $$ is a dollar sign; any other dollar
 * is itself. A variable that is set but empty counts as not set for :- and :?, as in a shell. */
#ifndef PLUMB_FLOW_VARIABLES_H
#define PLUMB_FLOW_VARIABLES_H

#include "base/str.h"
#include "flow/yaml.h"

#define VARIABLES_NAME_BYTES_MAX 128
#define VARIABLES_TEXT_BYTES_MAX ((size_t)4 << 20) /* of one text after replacement */

struct variables {
    yaml_lookup lookup; /* NULL: the environment */
    void *context;
};

/* Adds text with its variables replaced to out. *used_variable: a value came from outside, so the
 * text may hold a secret. On failure *error_offset is the byte of text where the trouble starts and
 * err has no place yet. */
MUST_CHECK enum err_code variables_replace(const struct variables *v, struct str text,
                                           struct buf *out, bool *used_variable,
                                           size_t *error_offset, struct err *err);

#endif
