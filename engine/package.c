/* A mutex, a condition variable and two kinds of list. No lock is held across I/O. */
#include "engine/package.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"

void channel_init(struct channel *c) {
    *c = (struct channel){.stopping = false};
    pthread_condattr_t attributes;
    int rc = pthread_condattr_init(&attributes);
    rc |= pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    rc |= pthread_mutex_init(&c->lock, NULL);
    rc |= pthread_cond_init(&c->changed, &attributes);
    rc |= pthread_condattr_destroy(&attributes);
    ASSERT(rc == 0);
}

void channel_release(struct channel *c) {
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
}

void channel_stop(struct channel *c) {
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

bool channel_is_stopping(struct channel *c) {
    pthread_mutex_lock(&c->lock);
    bool stopping = c->stopping;
    pthread_mutex_unlock(&c->lock);
    return stopping;
}

void channel_put(struct channel *c, struct package *p) {
    pthread_mutex_lock(&c->lock);
    p->next = NULL;
    if (c->ready_last != NULL) {
        c->ready_last->next = p;
    } else {
        c->ready_first = p;
    }
    c->ready_last = p;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static struct timespec deadline_after(int64_t us) {
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += us / 1000000;
    at.tv_nsec += us % 1000000 * 1000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

struct package *channel_take(struct channel *c, int64_t timeout_us) {
    struct timespec deadline = deadline_after(timeout_us);
    pthread_mutex_lock(&c->lock);
    int rc = 0;
    while (c->ready_first == NULL && timeout_us > 0 && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&c->changed, &c->lock, &deadline);
    }
    struct package *p = c->ready_first;
    if (p != NULL) {
        c->ready_first = p->next;
        if (c->ready_first == NULL) {
            c->ready_last = NULL;
        }
        p->next = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    return p;
}

struct package *channel_take_free(struct channel *c, struct package **list) {
    pthread_mutex_lock(&c->lock);
    while (*list == NULL && !c->stopping) {
        pthread_cond_wait(&c->changed, &c->lock);
    }
    struct package *p = c->stopping ? NULL : *list;
    if (p != NULL) {
        *list = p->next;
        p->next = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    return p;
}

void channel_give_back(struct channel *c, struct package **list, struct package *p) {
    pthread_mutex_lock(&c->lock);
    struct package **end = list;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    p->next = NULL;
    *end = p;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

bool channel_pause(struct channel *c, int64_t us) {
    struct timespec deadline = deadline_after(us);
    pthread_mutex_lock(&c->lock);
    int rc = 0;
    while (!c->stopping && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&c->changed, &c->lock, &deadline);
    }
    bool go_on = !c->stopping;
    pthread_mutex_unlock(&c->lock);
    return go_on;
}
