/* SIGTERM and SIGINT: the first asks for an end after the present turn; a second one ends the
 * process at once, which is as safe as a crash. */
#ifndef PLUMB_CLI_STOP_H
#define PLUMB_CLI_STOP_H

#include <stdbool.h>

void stop_catch_signals(void);
bool stop_is_asked(void);

#endif
