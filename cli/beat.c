/* How it works: the thread sleeps on a condition, so that it ends at once when it is told to. */
#include "cli/beat.h"

#include <pthread.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"

struct beat {
    int64_t every_us;
    void (*do_it)(void *context);
    void *context;
    pthread_t thread;
    pthread_mutex_t lock; /* guards stopping */
    pthread_cond_t changed;
    bool stopping;
};

/* False when told to end. */
static bool wait_for(struct beat *b) {
    struct timespec until = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    const int64_t nanoseconds = (int64_t)until.tv_nsec + b->every_us % 1000000 * 1000;
    until.tv_sec += (time_t)(b->every_us / 1000000 + nanoseconds / 1000000000);
    until.tv_nsec = (long)(nanoseconds % 1000000000);
    (void)pthread_mutex_lock(&b->lock);
    int rc = 0;
    while (!b->stopping && rc == 0) {
        rc = pthread_cond_timedwait(&b->changed, &b->lock, &until);
    }
    const bool goes_on = !b->stopping;
    (void)pthread_mutex_unlock(&b->lock);
    return goes_on;
}

static void *beat_main(void *argument) {
    struct beat *b = argument;
    while (wait_for(b)) {
        b->do_it(b->context);
    }
    return NULL;
}

static void release(struct beat *b) {
    (void)pthread_cond_destroy(&b->changed);
    (void)pthread_mutex_destroy(&b->lock);
    mem_free(b);
}

struct beat *beat_start(const char *name, int64_t every_us, void (*do_it)(void *context),
                        void *context) {
    struct beat *b = mem_alloc(sizeof(*b));
    pthread_condattr_t attributes;
    *b = (struct beat){.every_us = every_us, .do_it = do_it, .context = context};
    (void)pthread_mutex_init(&b->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&b->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (pthread_create(&b->thread, NULL, beat_main, b) != 0) {
        log_warn(name, "error=\"no thread to have; it is not done\"");
        release(b);
        return NULL;
    }
    return b;
}

void beat_stop(struct beat *b) {
    if (b == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&b->lock);
    b->stopping = true;
    (void)pthread_cond_broadcast(&b->changed);
    (void)pthread_mutex_unlock(&b->lock);
    (void)pthread_join(b->thread, NULL);
    release(b);
}
