/* What is asked often and costs a scan, kept for a moment and shared by all who ask.
 *
 * A cache holds one snapshot: a JSON text and, when it wants one, the tree of it. It is made anew
 * when it is older than SNAPSHOT_AGE_US and than SNAPSHOT_COST times the processor time it took, so that
 * however large a store is and however many ask, at most 1/SNAPSHOT_COST of one core goes there.
 * One thread makes it while the others are given the one before. */
#ifndef PLUMB_SERVER_SNAPSHOT_H
#define PLUMB_SERVER_SNAPSHOT_H

#include <pthread.h>

#include "base/json.h"

#define SNAPSHOT_AGE_US     500000
#define SNAPSHOT_AGE_MAX_US INT64_C(120000000)
#define SNAPSHOT_COST       50
#define SNAPSHOT_TREE_BYTES ((size_t)256 << 20)

struct snapshot {
    struct buf text;
    struct arena arena;
    const struct json_value *tree; /* NULL: not wanted */
    int64_t made_us;               /* wall clock */
    int64_t made_monotonic_us;
    int64_t took_us;
    int64_t cost_us; /* of processor time */
    int64_t users;   /* the cache counts as one */
};

/* Writes the text; called without any lock. */
typedef enum err_code (*snapshot_make)(void *context, struct buf *out, struct err *err);

struct snapshot_cache {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t made;
    bool is_making;
    struct snapshot *current; /* NULL: none yet */
    snapshot_make make;
    void *context;
    bool with_tree;
};

void snapshot_cache_init(struct snapshot_cache *c, snapshot_make make, void *context,
                         bool with_tree);
void snapshot_cache_release(struct snapshot_cache *c);
/* Forgets what is kept (the flow changed). */
void snapshot_cache_clear(struct snapshot_cache *c);
/* The present snapshot, given back with snapshot_return. */
MUST_CHECK enum err_code snapshot_take(struct snapshot_cache *c, const struct snapshot **out,
                                       struct err *err);
void snapshot_return(struct snapshot_cache *c, const struct snapshot *s); /* NULL is fine */

#endif
