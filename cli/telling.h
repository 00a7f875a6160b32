/* Notices beside a run: a thread that sends what waits, or one round at the end of `run --once`. */
#ifndef PLUMB_CLI_TELLING_H
#define PLUMB_CLI_TELLING_H

#include "flow/flow.h"

struct telling;
/* NULL when the flow tells nobody anything. The flow is borrowed until telling_stop. */
struct telling *telling_start(const struct flow *flow);
void telling_stop(struct telling *t); /* NULL is fine; waits for the round at work */
/* One round, now; logs what kept it from being done. */
void telling_once(const struct flow *flow);

#endif
