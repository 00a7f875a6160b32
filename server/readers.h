/* A few read-only connections to the store, lent to one request at a time.
 *
 * Opened when first needed and closed when the flow changes. A reader is inside one read transaction
 * while it is lent, so all that a request says is of one moment, and it is given back at its end,
 * never held while a client is slow to read: SQLite cannot recycle its log behind a reader. */
#ifndef PLUMB_SERVER_READERS_H
#define PLUMB_SERVER_READERS_H

#include <pthread.h>

#include "store/store.h"

#define READERS_MAX       5
#define READERS_KEPT      1 /* of them, for what must be told however much is asked: readiness, status */
#define READERS_CACHE_KIB 4096 /* pages each keeps in memory */

struct readers {
    pthread_mutex_t lock; /* guards `lent`; a slot's store is its borrower's */
    pthread_cond_t returned;
    const struct flow *flow;
    struct store *stores[READERS_MAX]; /* NULL: not open */
    bool lent[READERS_MAX];
};

struct reader {
    struct store *store;
    size_t slot;
};

void readers_init(struct readers *r, const struct flow *flow);
/* All must have been returned. */
void readers_release(struct readers *r);
/* Closes all connections and opens the next ones for this flow. All must have been returned. */
void readers_use(struct readers *r, const struct flow *flow);

/* Waits for one at most SERVER_READER_WAIT_US (then LIMIT). Its statements end with CANCELLED when
 * `query_us` have passed. CONFIG: there is no store yet. */
MUST_CHECK enum err_code readers_lend(struct readers *r, int64_t query_us, struct reader *out,
                                      struct err *err);
/* As readers_lend, and the ones that are kept may be taken, too. */
MUST_CHECK enum err_code readers_lend_kept(struct readers *r, int64_t query_us, struct reader *out,
                                           struct err *err);
void readers_return(struct readers *r, struct reader *reader); /* an empty one is fine */

#endif
