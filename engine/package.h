/* Packages: batches on their way from a source's thread to the store's thread.
 *
 * Each source has PACKAGES_PER_SOURCE of them; a thread that finds none free waits. That is all the
 * memory there is between extraction and the store: the backlog stays where it was, in the source.
 */
#ifndef PLUMB_ENGINE_PACKAGE_H
#define PLUMB_ENGINE_PACKAGE_H

#include <pthread.h>

#include "flow/flow.h"
#include "rows/decode.h"

#define PACKAGES_PER_SOURCE     4
#define PACKAGE_ARENA_BYTES_MAX ((size_t)1 << 30)

enum package_kind {
    PACKAGE_BATCH,
    PACKAGE_TROUBLE, /* of one partition: out.trouble */
    PACKAGE_ERROR,   /* of the source as a whole: out.trouble; its thread tries again */
    PACKAGE_FAILED,  /* as ERROR, and its thread has given up */
    PACKAGE_WELL,    /* the source works again after an ERROR, and has nothing to give just now */
    PACKAGE_END      /* the source has given everything there was */
};

struct package {
    enum package_kind kind;
    const struct flow_source *source;
    struct source_output out;
    struct arena arena; /* holds decoded */
    struct decoded decoded;
    struct buf facts;      /* what the source says of itself, JSON; empty: nothing new */
    int64_t asked_us;      /* wall clock: when the source was first asked for it */
    int64_t batch_id;      /* of the store, in the present turn; 0: it staged none */
    int64_t attempted_seq; /* the batch number a commit was tried with; 0: none yet */
    bool committed;
    bool rewinds; /* takes back what was settled, because somebody said so */
    struct package *next;
};

struct channel {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct package *ready_first;
    struct package *ready_last;
    bool stopping;
};

void channel_init(struct channel *c);
void channel_release(struct channel *c);
/* Wakes everybody; waits return NULL (or false) from now on. */
void channel_stop(struct channel *c);
bool channel_is_stopping(struct channel *c);
void channel_put(struct channel *c, struct package *p);
/* The oldest ready package; NULL after timeout_us. */
struct package *channel_take(struct channel *c, int64_t timeout_us);
/* Takes from / gives back to a list of free packages, guarded by the channel's lock. Blocks until
 * there is one; NULL when stopping. First in, first out: what is committed first is acknowledged
 * first. */
struct package *channel_take_free(struct channel *c, struct package **list);
void channel_give_back(struct channel *c, struct package **list, struct package *p);
/* Waits up to us; false when stopping. */
bool channel_pause(struct channel *c, int64_t us);

#endif
