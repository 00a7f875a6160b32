/* How it works: snapshots are counted references. Who finds the kept one too old makes the next one
 * outside the lock; who comes meanwhile takes the old one, or waits when there is none. */
#include "server/snapshot.h"

#include "base/clock.h"

void snapshot_cache_init(struct snapshot_cache *c, snapshot_make make, void *context,
                         bool with_tree) {
    *c = (struct snapshot_cache){.make = make, .context = context, .with_tree = with_tree};
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_cond_init(&c->made, NULL);
}

static void snapshot_free(struct snapshot *s) {
    buf_release(&s->text);
    arena_release(&s->arena);
    mem_free(s);
}

/* Under the lock. */
static void drop(struct snapshot *s) {
    if (s != NULL && --s->users == 0) {
        snapshot_free(s);
    }
}

void snapshot_cache_clear(struct snapshot_cache *c) {
    (void)pthread_mutex_lock(&c->lock);
    drop(c->current);
    c->current = NULL;
    (void)pthread_mutex_unlock(&c->lock);
}

void snapshot_cache_release(struct snapshot_cache *c) {
    snapshot_cache_clear(c);
    (void)pthread_cond_destroy(&c->made);
    (void)pthread_mutex_destroy(&c->lock);
}

static bool is_fresh(const struct snapshot *s, int64_t now_us) {
    int64_t age_max = s->cost_us * SNAPSHOT_COST;
    age_max = age_max < s->took_us ? s->took_us : age_max;
    age_max = age_max < SNAPSHOT_AGE_US ? SNAPSHOT_AGE_US : age_max;
    age_max = age_max > SNAPSHOT_AGE_MAX_US ? SNAPSHOT_AGE_MAX_US : age_max;
    return now_us - s->made_monotonic_us < age_max;
}

static enum err_code make(struct snapshot_cache *c, struct snapshot **out, struct err *err) {
    const int64_t started = clock_monotonic_us();
    const int64_t worked = clock_thread_cpu_us();
    struct snapshot *s = mem_alloc(sizeof(*s));
    buf_init(&s->text, BUF_TEXT_MAX);
    arena_init(&s->arena, SNAPSHOT_TREE_BYTES);
    enum err_code code = c->make(c->context, &s->text, err);
    if (code == ERR_NONE && c->with_tree) {
        code = json_parse(buf_str(&s->text), &s->arena, &s->tree, err);
    }
    if (code != ERR_NONE) {
        snapshot_free(s);
        return code;
    }
    s->users = 1;
    s->made_us = clock_now_us();
    s->made_monotonic_us = clock_monotonic_us();
    s->took_us = s->made_monotonic_us - started;
    s->cost_us = clock_thread_cpu_us() - worked;
    *out = s;
    return ERR_NONE;
}

enum err_code snapshot_take(struct snapshot_cache *c, const struct snapshot **out,
                            struct err *err) {
    enum err_code code = ERR_NONE;
    (void)pthread_mutex_lock(&c->lock);
    while (c->current == NULL && c->is_making) {
        (void)pthread_cond_wait(&c->made, &c->lock);
    }
    const bool fresh = c->current != NULL && is_fresh(c->current, clock_monotonic_us());
    if (!fresh && !c->is_making) {
        c->is_making = true;
        (void)pthread_mutex_unlock(&c->lock);
        struct snapshot *next = NULL;
        code = make(c, &next, err);
        (void)pthread_mutex_lock(&c->lock);
        c->is_making = false;
        if (code == ERR_NONE) {
            drop(c->current);
            c->current = next;
        }
        (void)pthread_cond_broadcast(&c->made);
    }
    if (code == ERR_NONE) {
        c->current->users++;
        *out = c->current;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return code;
}

void snapshot_return(struct snapshot_cache *c, const struct snapshot *s) {
    if (s == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&c->lock);
    /* Only const to those who read it. */
    union {
        const struct snapshot *read;
        struct snapshot *owned;
    } both = {.read = s};
    drop(both.owned);
    (void)pthread_mutex_unlock(&c->lock);
}
