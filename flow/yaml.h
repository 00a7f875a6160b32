/* YAML (libyaml) to a tree of nodes, strictly: one document, no duplicate keys, no tags, no anchors
 * or aliases (each is an error with its position), depth at most YAML_DEPTH_MAX, at most
 * YAML_NODES_MAX nodes.
 *
 * ${NAME}, ${NAME:-default}, ${NAME:?message} are replaced after parsing, inside scalar values only
 * (never in keys);
 * $$ is a dollar sign; a variable that is not set and has no default is an error. `file` is kept
 * for messages. */
#ifndef PLUMB_FLOW_YAML_H
#define PLUMB_FLOW_YAML_H

#include "component/node.h"

#define YAML_DEPTH_MAX 32
#define YAML_NODES_MAX 100000

typedef const char *(*yaml_lookup)(void *context, const char *name); /* NULL: not set */

/* lookup NULL: the environment. */
MUST_CHECK enum err_code yaml_parse(struct str text, const char *file, struct arena *arena,
                                    yaml_lookup lookup, void *context, const struct node **out,
                                    struct err *err);

#endif
