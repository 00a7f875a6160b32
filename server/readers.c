/* How it works: a slot is taken under the lock and opened outside it, because opening reads the disk. */
#include "server/readers.h"

#include <time.h>

#include "base/clock.h"
#include "server/server.h"

void readers_init(struct readers *r, const struct flow *flow) {
    *r = (struct readers){.flow = flow};
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->returned, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

void readers_use(struct readers *r, const struct flow *flow) {
    for (size_t i = 0; i < READERS_MAX; i++) {
        ASSERT(!r->lent[i]);
        store_close(r->stores[i]);
        r->stores[i] = NULL;
    }
    r->flow = flow;
}

void readers_release(struct readers *r) {
    readers_use(r, NULL);
    (void)pthread_cond_destroy(&r->returned);
    (void)pthread_mutex_destroy(&r->lock);
}

/* One of the first `count` slots that is free, an open one first; READERS_MAX: none. */
static size_t free_slot(const struct readers *r, size_t count) {
    size_t found = READERS_MAX;
    for (size_t i = 0; i < count; i++) {
        if (!r->lent[i] &&
            (found == READERS_MAX || (r->stores[found] == NULL && r->stores[i] != NULL))) {
            found = i;
        }
    }
    return found;
}

static size_t take_slot(struct readers *r, size_t count) {
    const int64_t until_us = clock_monotonic_us() + SERVER_READER_WAIT_US;
    const struct timespec until = {.tv_sec = until_us / 1000000,
                                   .tv_nsec = until_us % 1000000 * 1000};
    (void)pthread_mutex_lock(&r->lock);
    size_t slot = free_slot(r, count);
    while (slot == READERS_MAX && pthread_cond_timedwait(&r->returned, &r->lock, &until) == 0) {
        slot = free_slot(r, count);
    }
    if (slot < READERS_MAX) {
        r->lent[slot] = true;
    }
    (void)pthread_mutex_unlock(&r->lock);
    return slot;
}

static void give_slot(struct readers *r, size_t slot) {
    (void)pthread_mutex_lock(&r->lock);
    r->lent[slot] = false;
    (void)pthread_cond_broadcast(&r->returned); /* not all who wait may have this one */
    (void)pthread_mutex_unlock(&r->lock);
}

static enum err_code open_slot(struct readers *r, size_t slot, struct err *err) {
    enum err_code code = store_open(r->flow, STORE_READ, &r->stores[slot], err);
    if (code != ERR_NONE) {
        return code;
    }
    if (store_dialect(r->stores[slot]) != STORE_SQLITE) {
        return ERR_NONE; /* the cache is the server's */
    }
    char *sql = mem_printf("PRAGMA cache_size = -%d", READERS_CACHE_KIB);
    code = store_execute(r->stores[slot], sql, err);
    mem_free(sql);
    return code;
}

static enum err_code lend(struct readers *r, size_t count, int64_t query_us, struct reader *out,
                          struct err *err) {
    const size_t slot = take_slot(r, count);
    if (slot == READERS_MAX) {
        return err_set(err, ERR_LIMIT, "%d requests read the store already; try again",
                       READERS_MAX - READERS_KEPT);
    }
    enum err_code code = r->stores[slot] == NULL ? open_slot(r, slot, err) : ERR_NONE;
    if (code == ERR_NONE) {
        store_deadline(r->stores[slot], clock_monotonic_us() + query_us);
        code = store_begin_read(r->stores[slot], err);
    }
    if (code != ERR_NONE) {
        give_slot(r, slot);
        return code;
    }
    *out = (struct reader){r->stores[slot], slot};
    return ERR_NONE;
}

enum err_code readers_lend(struct readers *r, int64_t query_us, struct reader *out,
                           struct err *err) {
    return lend(r, READERS_MAX - READERS_KEPT, query_us, out, err);
}

enum err_code readers_lend_kept(struct readers *r, int64_t query_us, struct reader *out,
                                struct err *err) {
    return lend(r, READERS_MAX, query_us, out, err);
}

void readers_return(struct readers *r, struct reader *reader) {
    if (reader->store != NULL) {
        store_rollback(reader->store);
        give_slot(r, reader->slot);
        *reader = (struct reader){NULL, 0};
    }
}
