/* Staged batches in memory, and the ways to stage them once more.
 *
 * A sample is a copy of some batches of a store, or of texts a user gives, with the rows of the
 * flow's reference tables. A delivery is a part of one batch; a list of them is what a scratch
 * store gets staged, in that order. Nothing is asked of a source.
 *
 * Limits: SAMPLE_RECORDS_MAX records and SAMPLE_BYTES_MAX bytes of them; a batch that does not fit
 * any more is left out, and is_cut says so. */
#ifndef PLUMB_TRIAL_SAMPLE_H
#define PLUMB_TRIAL_SAMPLE_H

#include "store/store.h"

#define SAMPLE_RECORDS_MAX   20000
#define SAMPLE_BYTES_MAX     ((size_t)64 << 20)
#define SAMPLE_ARENA_BYTES   ((size_t)512 << 20)
#define REFERENCE_BYTES_MAX  ((size_t)64 << 20) /* of all reference tables, as SQL text */
#define SAMPLE_BATCHES_CHUNK 64

struct sample_record {
    struct str bytes;
    enum record_kind kind;
    int64_t number; /* in its partition */
    bool is_tied;   /* needs the one before it in its batch: they are never parted (sample_tie) */
};

struct sample_batch {
    const struct flow_source *source;
    const char *partition;
    struct str meta;
    int64_t id;  /* in the store it came from; of given texts 1, 2, ... */
    int64_t seq; /* within its partition */
    int64_t first_record;
    int64_t taken_back; /* records of earlier batches it takes back */
    const struct sample_record *records;
    size_t count;
    size_t group; /* number of its partition among those of the sample (sample_group) */
};

struct sample {
    struct arena arena;
    struct sample_batch *batches; /* in the order they were staged; owned */
    size_t count, capacity;
    int64_t records;
    size_t bytes;
    bool is_cut;
    struct buf references; /* INSERT statements */
};

void sample_init(struct sample *s);
void sample_release(struct sample *s); /* for CLEANUP */
/* The newest `most` staged batches of the store, or the oldest, and all reference rows. Batches
 * whose raw records retention dropped are left out. */
MUST_CHECK enum err_code sample_read(struct sample *s, struct store *store, const struct flow *flow,
                                     int64_t most, bool oldest, struct err *err);
/* The reference rows alone; nothing for tables the store does not have yet. */
MUST_CHECK enum err_code sample_read_references(struct sample *s, struct store *store,
                                                const struct flow *flow, struct err *err);
/* A batch of the text's records: lines, or for a CSV source RFC 4180 records, whose header is the
 * first unless it is given as meta. meta: what the source keeps with its batches (a chain's id);
 * ptr NULL: nothing. Both are copied. */
MUST_CHECK enum err_code sample_add_text(struct sample *s, const struct flow_source *source,
                                         const char *partition, struct str meta, struct str text,
                                         struct err *err);
/* Cuts the texts added into batches of so many records. */
void sample_cut(struct sample *s, size_t rows);

/* Finds the records that need what comes before them in their batch. */
MUST_CHECK enum err_code sample_tie(struct sample *s, struct err *err);
/* Numbers the partitions, in the order in which they appear; how many there are. */
size_t sample_group(struct sample *s);

/* ---- frame.c ---- */
bool frame_is_csv(const struct flow_source *source);
/* The next record at *at, without its end of line; false at the end. In CSV a quoted line feed is
 * none. */
bool frame_next(struct str text, bool csv, size_t *at, struct str *out);

/* ---- deliveries ---- */
struct delivery {
    const struct sample_batch *batch;
    size_t low, high; /* its records [low, high) */
};

struct deliveries {
    struct delivery *items; /* owned */
    size_t count, capacity;
};

void deliveries_add(struct deliveries *d, const struct sample_batch *b, size_t low, size_t high);
void deliveries_release(struct deliveries *d); /* for CLEANUP */
#define AUTO_DELIVERIES CLEANUP(deliveries_release) struct deliveries
/* Stages them into the store, sealed and numbered anew. A delivery that begins its batch takes back
 * what the batch takes back, as far as it is there. */
MUST_CHECK enum err_code deliveries_stage(const struct deliveries *d, struct store *store,
                                          struct err *err);

#endif
