/* The store is there only after the engine has made it, and busy while a long turn is at work: such a
 * round is left out, and told only when it is the third in a row. */
#include "cli/watching.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/beat.h"
#include "watch/watch.h"

#define FAILURES_TOLD 3

struct watching {
    const struct flow *flow;
    struct beat *beat;
    struct watch *watch;
    int failures;
};

static void log_round(const struct watch_summary *s) {
    if (s->opened > 0 || s->resolved > 0) {
        log_info("checks",
                 "opened=%" PRId64 " resolved=%" PRId64 " firing=%" PRId64 " unknown=%" PRId64,
                 s->opened, s->resolved, s->firing, s->unknown);
    }
}

static void look(void *context) {
    struct watching *w = context;
    struct watch_summary summary;
    struct err err = ERR_INIT;
    enum err_code code = ERR_NONE;
    if (w->watch == NULL) {
        code = watch_open(w->flow, w->flow->alerts, &w->watch, &err);
    }
    if (code == ERR_NONE) {
        code = watch_round(w->watch, clock_now_us(), false, &summary, &err);
    }
    if (code == ERR_NONE) {
        w->failures = 0;
        log_round(&summary);
    } else if (++w->failures == FAILURES_TOLD) {
        log_error("checks", &err);
    }
}

static bool is_needed(const struct flow *flow) {
    if (flow->check_count > 0) {
        return true;
    }
    struct store *s = NULL;
    bool exists = false;
    struct err ignored = ERR_INIT;
    if (store_exists(flow, &exists, &ignored) != ERR_NONE || !exists) {
        return false; /* no store yet: nothing from before */
    }
    /* Not to read: one that only reads and is the last to close leaves the log behind. */
    const bool needed =
        store_open(flow, STORE_NOTE, &s, &ignored) == ERR_NONE && watch_is_needed(flow, s);
    store_close(s);
    return needed;
}

struct watching *watching_start(const struct flow *flow) {
    if (!is_needed(flow)) {
        return NULL;
    }
    struct watching *w = mem_alloc(sizeof(*w));
    *w = (struct watching){.flow = flow};
    w->beat = beat_start("checks", flow->checks_every_us, look, w);
    return w;
}

void watching_stop(struct watching *w) {
    if (w == NULL) {
        return;
    }
    beat_stop(w->beat);
    watch_close(w->watch);
    mem_free(w);
}

void watching_once(const struct flow *flow, int64_t *firing) {
    struct watch *watch = NULL;
    struct err err = ERR_INIT;
    struct watch_summary summary = {0};
    bool exists = false;
    *firing = 0;
    if (store_exists(flow, &exists, &err) != ERR_NONE || !exists || !is_needed(flow)) {
        return;
    }
    enum err_code code = watch_open(flow, flow->alerts, &watch, &err);
    if (code == ERR_NONE) {
        code = watch_round(watch, clock_now_us(), true, &summary, &err);
    }
    watch_close(watch);
    if (code != ERR_NONE) {
        (void)err_wrap(&err, "checks");
        log_error("checks", &err);
        return;
    }
    *firing = summary.firing + summary.unknown;
}
