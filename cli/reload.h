/* SIGHUP: the flow file read again while it runs.
 *
 * A flow that does not load or check is refused with its reason, and the old one goes on. One that does takes over between
 * two turns; when the store refuses it then (a transform changed), the old one comes back. */
#ifndef PLUMB_CLI_RELOAD_H
#define PLUMB_CLI_RELOAD_H

#include "flow/flow.h"

/* Loads path and checks it against an empty store in memory. */
MUST_CHECK enum err_code reload_load(const char *path, const struct registry *registry,
                                     struct flow **out, struct err *err);

#endif
