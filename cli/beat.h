/* A thread that does something again and again beside a run, and ends at once when told. */
#ifndef PLUMB_CLI_BEAT_H
#define PLUMB_CLI_BEAT_H

#include "base/err.h"

struct beat;
/* do_it is called on the thread, first after every_us, and then every_us after it returned; name is
 * for the log. NULL when there is no thread to have, which is logged. */
struct beat *beat_start(const char *name, int64_t every_us, void (*do_it)(void *context),
                        void *context);
/* Waits for what is being done. NULL is fine. */
void beat_stop(struct beat *b);

#endif
