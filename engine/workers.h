/* Several processes on one store: which sources are ours to read.
 *
 * Each process is a worker. It says so every WORKERS_LOOK_US, in leases that end by themselves, and
 * takes its fair share of the sources: no more than the number of sources divided by that of workers,
 * rounded up. Whoever finds that its share has changed, or that it lost a source, ends its turn, stops
 * its sources and begins again with what is its own then. Leases only spare work (docs/adr/0010): a
 * worker that is late commits nothing, because it finds that the partition has moved.
 *
 * The leases of a worker that died where we run are dropped at once. A run that is to end by itself waits
 * for those of others to be renewed or to end, so that what a dead one was at is not left undone.
 *
 * With a store that has one writer there is one worker, and every source is its own. One thread. */
#ifndef PLUMB_ENGINE_WORKERS_H
#define PLUMB_ENGINE_WORKERS_H

#include "flow/flow.h"
#include "store/store.h"

#define WORKERS_LOOK_US   1000000
#define WORKERS_LEASE_US  10000000 /* after this long without a word a worker counts as dead */
#define WORKER_NAME_BYTES 192      /* "host pid:[4026531836] 1234 5f3a..." */

struct workers {
    const struct flow *flow;
    char name[WORKER_NAME_BYTES]; /* "": alone */
    bool *held;                   /* [flow->source_count] */
    int64_t count;                /* alive, this one among them */
    int64_t looked_us;            /* monotonic */
    bool changed;                 /* what is held is not what should be: begin again */
};

/* Unlike any other's: where, which process, and when it was asked for. A process keeps its name when it
 * begins again, and with it the leases it has. */
void workers_name(char name[WORKER_NAME_BYTES]);
/* True of a worker that ran here, and whose process is no more. Of one elsewhere only its leases tell. */
bool workers_is_gone(const char *name);
/* Takes what is ours, and leaves what is no more. The store stays the caller's. */
MUST_CHECK enum err_code workers_begin(struct workers *w, struct store *s, const struct flow *flow,
                                       const char *name, struct err *err);
/* Renews, at most every WORKERS_LOOK_US; sets changed. */
MUST_CHECK enum err_code workers_look(struct workers *w, struct store *s, struct err *err);
/* Somebody else reads a source, but may be dead: since so short a time that its lease would still hold. */
bool workers_may_inherit(const struct workers *w, int64_t since_us);
/* Leaves everything, so that others need not wait; s may be NULL. */
void workers_leave(const struct workers *w, struct store *s);
void workers_release(struct workers *w);
/* Of so many parts, those that are one worker's: rounded up. */
int workers_share(const struct workers *w, int parts);
/* Some workers have no source of their own, and do what follows from the maps. */
bool workers_are_many(const struct workers *w);

#endif
