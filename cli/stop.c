/* A flag that a signal sets. */
#include "cli/stop.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t asked;

static void on_signal(int number) {
    if (asked != 0) {
        _exit(128 + number);
    }
    asked = 1;
}

void stop_catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
}

bool stop_is_asked(void) {
    return asked != 0;
}
