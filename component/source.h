/* What a source implements.
 *
 * A source extracts raw records and fills batches. It never sees the store, never sleeps, never
 * retries: it returns an error class and the engine decides. Each partition (a file, a chain, a
 * queue) has a cursor: text the source chooses (JSON by custom), which the engine commits together
 * with the batch and gives back at the next start. One thread calls one source. */
#ifndef PLUMB_COMPONENT_SOURCE_H
#define PLUMB_COMPONENT_SOURCE_H

#include "rows/batch.h"
#include "rows/contract.h"
#include "rows/decode.h"

struct source_cursor {
    const char *partition;
    struct str cursor;
};

/* What the engine tells a source when it opens it; borrowed for the source's life. */
struct source_env {
    const char *name;      /* the source's name in the flow */
    const char *directory; /* the flow's directory: relative paths start here */
    bool once;             /* drain what is there and end (run --once) */
    int64_t record_bytes_max;
    const struct source_cursor *cursors; /* of every partition that ever committed a batch */
    size_t cursor_count;
};

struct source_limit {
    uint32_t rows_max; /* records in this batch, at least 1 */
    size_t bytes_max;  /* stop adding once the batch holds this much */
};

enum source_state {
    SOURCE_BATCH,  /* *out holds records (perhaps zero: only the cursor moved) */
    SOURCE_IDLE,   /* caught up: ask again after out->wait_us */
    SOURCE_END,    /* nothing will ever come (once mode: everything there was, was given) */
    SOURCE_TROUBLE /* a partition has a problem that others do not share: out->partition,
                      out->trouble; go on asking */
};

struct source_output {
    struct batch batch; /* begun and filled by the source, sealed by the engine */
    char partition[BATCH_PARTITION_BYTES_MAX];
    struct buf cursor;    /* after this batch */
    int64_t first_record; /* number of the batch's first record within its partition, from 0: the
                             same however the records were split into batches */
    bool behind;          /* more is waiting right now: the engine may enlarge batches */
    int64_t wait_us;
    int64_t lag_bytes; /* known backlog, or -1 */
    struct err
        trouble; /* SOURCE_TROUBLE: recorded in the store under the partition until it goes on */
};
void source_output_init(struct source_output *o);
void source_output_release(struct source_output *o);

struct source_ops {
    MUST_CHECK enum err_code (*open)(const void *conf, const struct source_env *env, void **out,
                                     struct err *err);
    void (*close)(void *source);
    /* The next batch of whichever partition the source picks. An error means the source as a whole
     * cannot go on now. */
    MUST_CHECK enum err_code (*next)(void *source, const struct source_limit *limit,
                                     struct source_output *out, enum source_state *state,
                                     struct err *err);
    /* The batch given last for this partition is durable up to cursor. Optional (NULL). */
    MUST_CHECK enum err_code (*ack)(void *source, const char *partition, struct str cursor,
                                    struct err *err);
    /* A decoder for this source's batches. */
    MUST_CHECK enum err_code (*decoder)(const void *conf, const struct contract *contract,
                                        struct decoder **out, struct err *err);
};

#endif
