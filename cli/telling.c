/* A store that is not there yet or is busy is tried again in a second, and told when it is the third
 * time in a row. */
#include "cli/telling.h"

#include "base/clock.h"
#include "base/log.h"
#include "cli/beat.h"
#include "notify/notify.h"

#define FAILURES_TOLD 3

struct telling {
    const struct flow *flow;
    struct beat *beat;
    struct notify *notify;
    int failures;
};

static enum err_code round_now(struct telling *t, struct err *err) {
    struct notify_summary summary;
    enum err_code code = ERR_NONE;
    if (t->notify == NULL) {
        code = notify_open(t->flow, &t->notify, err);
    }
    return code == ERR_NONE ? notify_round(t->notify, clock_now_us(), &summary, err) : code;
}

static void tell(void *context) {
    struct telling *t = context;
    struct err err = ERR_INIT;
    if (round_now(t, &err) == ERR_NONE) {
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
    beat_stop(t->beat);
    notify_close(t->notify);
    mem_free(t);
}

void telling_once(const struct flow *flow) {
    struct telling t = {.flow = flow};
    struct err err = ERR_INIT;
    if (notify_is_needed(flow) && round_now(&t, &err) != ERR_NONE) {
        log_error("notify", &err);
    }
    notify_close(t.notify);
}
