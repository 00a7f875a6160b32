/* A store that is not there yet or is busy is tried again in a second, and told when it is the third
 * time in a row. */
#include "cli/telling.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/beat.h"
#include "notify/notify.h"

#define FAILURES_TOLD 3
#define ROUNDS_AT_END 6 /* of --once, while there is more to send: about a minute */

struct telling {
    const struct flow *flow;
    struct beat *beat;
    struct notify *notify;
    atomic_bool stopping; /* read by the thread's rounds */
    int failures;
};

static enum err_code round_now(struct telling *t, struct notify_summary *summary, struct err *err) {
    *summary = (struct notify_summary){.sent = 0};
    enum err_code code = ERR_NONE;
    if (t->notify == NULL) {
        code = notify_open(t->flow, &t->stopping, &t->notify, err);
    }
    return code == ERR_NONE ? notify_round(t->notify, clock_now_us(), summary, err) : code;
}

static void tell(void *context) {
    struct telling *t = context;
    struct notify_summary summary;
    struct err err = ERR_INIT;
    if (round_now(t, &summary, &err) == ERR_NONE) {
        t->failures = 0;
    } else if (++t->failures == FAILURES_TOLD) {
        log_error("notify", &err);
    }
}

struct telling *telling_start(const struct flow *flow) {
    if (!notify_is_needed(flow)) {
        return NULL;
    }
    struct telling *t = mem_alloc(sizeof(*t));
    *t = (struct telling){.flow = flow};
    t->beat = beat_start("notify", NOTIFY_EVERY_US, tell, t);
    return t;
}

void telling_stop(struct telling *t) {
    if (t == NULL) {
        return;
    }
    atomic_store(&t->stopping, true);
    beat_stop(t->beat);
    notify_close(t->notify);
    mem_free(t);
}

void telling_once(const struct flow *flow) {
    struct telling t = {.flow = flow};
    struct notify_summary summary = {.is_cut = notify_is_needed(flow)};
    for (int i = 0; i < ROUNDS_AT_END && summary.is_cut; i++) {
        struct err err = ERR_INIT;
        if (round_now(&t, &summary, &err) != ERR_NONE) {
            log_error("notify", &err);
            break;
        }
    }
    notify_close(t.notify);
}
