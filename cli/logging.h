/* --log-format and --log-level, of commands that stay. */
#ifndef PLUMB_CLI_LOGGING_H
#define PLUMB_CLI_LOGGING_H

#include "cli/command.h"

/* Before other threads run. INPUT: a word that is none of them. */
MUST_CHECK enum err_code logging_set(const struct invocation *call, struct err *err);

#endif
