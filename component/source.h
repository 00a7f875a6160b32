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

struct json_writer;

/* A source may take records back (CAP_TAKES_BACK), as a chain does after a reorganisation: records
 * of a partition are numbered from 0, and a batch that takes back begins with a number that was
 * given before. All records from there on are undone in the same transaction that brings the
 * batch's own, which get the numbers from there on: as if the others had never been. */

struct source_cursor {
    const char *partition;
    struct str cursor;
};

/* What a source asked to be remembered besides its cursor, in the order in which it was told. */
struct source_note {
    const char *partition;
    struct str text;
};

/* What the engine tells a source when it opens it; borrowed for the source's life. */
struct source_env {
    const char *name;      /* the source's name in the flow */
    const char *directory; /* the flow's directory: relative paths start here */
    bool once;             /* drain what is there and end (run --once) */
    int64_t record_bytes_max;
    const struct source_cursor *cursors; /* of every partition that ever committed a batch */
    size_t cursor_count;
    const struct source_note *notes;
    size_t note_count;
    /* True once the run is to end: a long wait asks at least every 100 ms and then returns
     * SOURCE_IDLE. */
    bool (*is_stopping)(void *context);
    void *stop_context;
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

/* On an axis of the source's own (block numbers): what a batch covers completely. */
struct source_coverage {
    bool is_set;
    int64_t low, high; /* inclusive */
    char how[16];      /* how completeness was checked */
    char origin[128];  /* who gave it; no secrets */
};

#define SOURCE_NOTES_BYTES_MAX ((size_t)64 << 20)

struct source_output {
    struct batch batch; /* begun and filled by the source, sealed by the engine */
    char partition[BATCH_PARTITION_BYTES_MAX];
    struct buf cursor;    /* after this batch */
    int64_t first_record; /* number of the batch's first record within its partition, from 0: the
                             same however the records were split into batches */
    bool takes_back;      /* records from first_record on are taken back first */
    int64_t settled;      /* records numbered below will never be taken back; -1: not known */
    struct source_coverage coverage;
    struct buf notes; /* source_output_note */
    bool behind;      /* more is waiting right now: the engine may enlarge batches */
    int64_t wait_us;
    int64_t lag_bytes; /* known backlog, or -1 */
    struct err
        trouble; /* SOURCE_TROUBLE: recorded in the store under the partition until it goes on */
};
/* To be remembered with this batch and given back in source_env.notes, until the record of this
 * number is taken back. */
void source_output_note(struct source_output *o, int64_t record, struct str text);
/* The note at *offset of the output's notes, and the offset of the next; false at the end. */
bool source_note_next(const struct buf *notes, size_t *offset, int64_t *record, struct str *text);
void source_output_init(struct source_output *o);
/* What the last batch left in it. */
void source_output_clear(struct source_output *o);
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
    /* A decoder for this source's batches. A source that names its own streams gets them, as `streams`
     * of its descriptor gave them, and no contract. */
    MUST_CHECK enum err_code (*decoder)(const void *conf, const struct contract *contract,
                                        const struct stream *streams, size_t stream_count,
                                        struct decoder **out, struct err *err);
    /* Optional: what the source has learned about where its data comes from, as members of a JSON
     * object that is open in w. Shown by `plumb status`; asked about once a second, at batches and when something
     * went wrong. A source with CAP_HTTP has the member "http": how many answers came since it was
     * opened, by status ("2xx", "3xx", "429", "4xx", "5xx", "none"), and when that was ("since", us). */
    void (*facts)(void *source, struct json_writer *w);
};

#endif
