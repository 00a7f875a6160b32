/* A program that gets a text on its standard input, and a time limit. */
#ifndef PLUMB_NOTIFY_PROGRAM_H
#define PLUMB_NOTIFY_PROGRAM_H

#include "base/str.h"

/* Runs words[0] (looked up in PATH) with the words, without a shell. What it writes is plumb's own
 * output. Blocks; any thread. UNAVAILABLE: it cannot be started, ended otherwise than with 0, or
 * took longer than deadline_us and was killed. */
MUST_CHECK enum err_code program_run(const char *const *words, size_t count, struct str input,
                                     int64_t deadline_us, struct err *err);

#endif
