/* From a measurement to a state: pure, so that tests and `plumb alerts test` use what `run` uses. */
#ifndef PLUMB_WATCH_JUDGE_H
#define PLUMB_WATCH_JUDGE_H

#include "watch/measure.h"

#define CHECK_STATES(X)                                                                            \
    X(OK, "ok")                                                                                    \
    X(LEARNING, "learning")                                                                        \
    X(PENDING, "pending")                                                                          \
    X(WARN, "warn")                                                                                \
    X(ERROR, "error")                                                                              \
    X(UNKNOWN, "unknown")

enum check_state {
#define X(name, text) STATE_##name,
    CHECK_STATES(X)
#undef X
};
const char *check_state_name(enum check_state state);
bool check_state_parse(struct str text, enum check_state *out);
const char *check_level_name(enum check_level level); /* "warn" or "error" */

/* What is kept of a check from one round to the next. */
struct standing {
    enum check_state state;
    int64_t state_since_us;
    int64_t pending_since_us; /* 0: it is as it should be */
    int64_t bad_us;           /* when it was last wrong; 0: never */
    int64_t first_us;         /* when it was first looked at */
    enum check_level open;    /* of its alert that is open; FINE: none is */
};

enum verdict { VERDICT_NOTHING, VERDICT_OPEN, VERDICT_WORSE, VERDICT_RESOLVE };

/* How bad a measurement is by itself. */
enum check_level judge_level(const struct flow_check *c, const struct measurement *m);
/* Brings s forward to now_us (not before the last time). s->open changes with the verdict. */
enum verdict judge(const struct flow_check *c, const struct measurement *m, int64_t now_us,
                   struct standing *s);

#endif
