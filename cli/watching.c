/* How it works: the thread sleeps on a condition, so that it ends at once when it is told to. The
 * store is there only after the engine has made it, and busy while a long turn is at work: such a
 * round is left out, and told only when it is the third in a row. */
#include "cli/watching.h"

#include <inttypes.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "watch/watch.h"

#define FAILURES_TOLD 3

struct watching {
    const struct flow *flow;
    struct watch_options options;
    pthread_t thread;
    pthread_mutex_t lock; /* guards stopping */
    pthread_cond_t changed;
    bool stopping;
};

static void log_round(const struct watch_summary *s) {
    if (s->opened > 0 || s->resolved > 0) {
        log_info("checks",
                 "opened=%" PRId64 " resolved=%" PRId64 " firing=%" PRId64 " unknown=%" PRId64,
                 s->opened, s->resolved, s->firing, s->unknown);
    }
}

/* False when told to end. */
static bool wait_for(struct watching *w, int64_t us) {
    struct timespec until = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    const int64_t nanoseconds = (int64_t)until.tv_nsec + us % 1000000 * 1000;
    until.tv_sec += (time_t)(us / 1000000 + nanoseconds / 1000000000);
    until.tv_nsec = (long)(nanoseconds % 1000000000);
    (void)pthread_mutex_lock(&w->lock);
    int rc = 0;
    while (!w->stopping && rc == 0) {
        rc = pthread_cond_timedwait(&w->changed, &w->lock, &until);
    }
    const bool goes_on = !w->stopping;
    (void)pthread_mutex_unlock(&w->lock);
    return goes_on;
}

static void *watch_main(void *argument) {
    struct watching *w = argument;
    struct watch *watch = NULL;
    struct err err = ERR_INIT;
    int failures = 0;
    if (watch_open(w->flow, &w->options, &watch, &err) != ERR_NONE) {
        log_error("checks", &err);
        return NULL;
    }
    while (wait_for(w, w->flow->checks_every_us)) {
        struct watch_summary summary;
        err_clear(&err);
        if (watch_round(watch, clock_now_us(), false, &summary, &err) == ERR_NONE) {
            failures = 0;
            log_round(&summary);
        } else if (++failures == FAILURES_TOLD) {
            log_error("checks", &err);
        }
    }
    watch_close(watch);
    return NULL;
}

static bool is_needed(const struct flow *flow) {
    if (flow->check_count > 0) {
        return true;
    }
    struct store *s = NULL;
    struct err ignored = ERR_INIT; /* no store yet: nothing to look at */
    const bool needed =
        store_open(flow, STORE_READ, &s, &ignored) == ERR_NONE && watch_is_needed(flow, s);
    store_close(s);
    return needed;
}

struct watching *watching_start(const struct flow *flow) {
    if (!is_needed(flow)) {
        return NULL;
    }
    struct watching *w = mem_alloc(sizeof(*w));
    pthread_condattr_t attributes;
    w->flow = flow;
    watch_options_of(flow, &w->options);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (pthread_create(&w->thread, NULL, watch_main, w) != 0) {
        log_warn("checks", "error=\"no thread for checks: they are not looked at\"");
        (void)pthread_cond_destroy(&w->changed);
        (void)pthread_mutex_destroy(&w->lock);
        mem_free(w);
        return NULL;
    }
    return w;
}

void watching_stop(struct watching *w) {
    if (w == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&w->lock);
    w->stopping = true;
    (void)pthread_cond_broadcast(&w->changed);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    (void)pthread_cond_destroy(&w->changed);
    (void)pthread_mutex_destroy(&w->lock);
    mem_free(w);
}

void watching_once(const struct flow *flow, int64_t *firing) {
    struct watch *watch = NULL;
    struct err err = ERR_INIT;
    struct watch_options options;
    struct watch_summary summary = {0};
    bool exists = false;
    *firing = 0;
    if (store_exists(flow, &exists, &err) != ERR_NONE || !exists || !is_needed(flow)) {
        return;
    }
    watch_options_of(flow, &options);
    enum err_code code = watch_open(flow, &options, &watch, &err);
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
