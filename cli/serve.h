/* `run --listen`: the HTTP server, as options of the command ask for it. */
#ifndef PLUMB_CLI_SERVE_H
#define PLUMB_CLI_SERVE_H

#include "cli/command.h"
#include "server/server.h"

/* Starts the server when --listen was given; *out is NULL otherwise. The tokens are the first lines of
 * --token-file and --write-token-file, or $PLUMB_TOKEN and $PLUMB_WRITE_TOKEN; on the command line everybody on
 * the machine would see them. Logs
 * where it listens. */
MUST_CHECK enum err_code serve_start(const struct invocation *call, const struct flow *flow,
                                     struct server **out, struct err *err);

#endif
