/* Checks beside a run: a thread that does a round every `checks: every`, or one round at the end of
 * `run --once`. It reads and writes over connections of its own. */
#ifndef PLUMB_CLI_WATCHING_H
#define PLUMB_CLI_WATCHING_H

#include "flow/flow.h"

struct watching;
/* NULL when there is nothing to watch. The flow is borrowed until watching_stop. */
struct watching *watching_start(const struct flow *flow);
void watching_stop(struct watching *w); /* NULL is fine; waits for the round at work */
/* One round, now; logs what kept it from being done. firing: checks that fire or cannot be told. */
void watching_once(const struct flow *flow, int64_t *firing);

#endif
