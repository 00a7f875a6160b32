/* Where a row came from and what depends on it: a graph of rows, steps between them, and records.
 *
 * A step is one transform at one row: up, the rows of one input it was made from; down, the rows
 * it takes part in. trace_walk finds rows and steps by asking the store; trace_records finds the
 * raw records of rows that maps wrote. Everything lives in the trace's arena. Reads as of one
 * moment and writes nothing, so it may run beside `plumb run`. */
#ifndef PLUMB_CLI_TRACE_H
#define PLUMB_CLI_TRACE_H

#include "cli/opened.h"
#include "cli/output.h"
#include "server/server.h"

#define TRACE_ROWS_MAX    1000 /* rows named in all; steps beyond are counted, not listed */
#define TRACE_LISTED      20   /* rows a step lists unless --limit says otherwise */
#define TRACE_BATCHES     1000 /* staged batches searched unless --batches says otherwise */
#define TRACE_BATCHES_MAX 1000000
#define TRACE_ARENA_BYTES ((size_t)1 << 30)
#define TRACE_SHOWN_BYTES 4096 /* of a raw record; --json has all */

/* The raw record a row was made from. */
struct trace_record {
    bool found;
    const char *source, *partition, *transform; /* transform NULL: one of several */
    int64_t batch, seq, pos, number, staged_us;
    struct hash128 hash; /* of the batch: the trace of OpenTelemetry follows from it */
    bool kept;           /* its batch has not been dropped */
    bool whole;
    struct str raw;
};

struct trace_row {
    const struct flow_table *table;
    struct value *values;      /* [table->schema.count] */
    int64_t partition, record; /* key: auto */
    int64_t batch, pos;        /* lineage: true; -1 without */
    bool from_map;
    struct trace_record origin;
};

struct trace_link {
    size_t row;
    int64_t contributions; /* of a sum: rows its SELECT gave */
    struct value *gives;   /* of a sum: what they add up to, in the columns of its table; or NULL */
};

struct trace_step {
    size_t row; /* the one it is about */
    bool up;
    const struct flow_transform *via;
    const struct flow_table *other; /* whose rows it lists */
    int64_t total;                  /* exact, however few are listed */
    struct trace_link *links;
    size_t link_count;
    bool is_sum; /* up through a sum: */
    bool adds_up;
    struct value *sums; /* what all rows together add up to */
};

struct trace {
    const struct opened *opened;
    struct arena arena;
    int64_t limit;
    int64_t batches_max;
    int64_t until_us; /* monotonic; a search for records that takes longer stops there. 0: none */
    size_t batch_bytes_max; /* of a decoded batch */
    struct trace_row *rows; /* [0] is the one asked for */
    size_t row_count;
    struct trace_step *steps;
    size_t step_count, step_capacity;
    /* how the search for records went */
    int64_t searched, dropped, unread;
    int64_t oldest_us; /* the oldest batch searched was staged then */
    bool stopped;      /* at batches_max, or late */
    int64_t wanted, missing;
};

void trace_init(struct trace *t, const struct opened *opened);
/* Less memory than TRACE_ARENA_BYTES; before anything is found. */
void trace_bound(struct trace *t, size_t bytes_max, size_t batch_bytes_max);
void trace_release(struct trace *t); /* for CLEANUP */

/* "key columns = literals" of the row, each column with the prefix. */
void trace_identity_sql(const struct trace_row *row, const char *prefix, struct buf *out);

/* ---- trace_key.c ---- */
/* The condition that finds a row by the values of its key, count of them; what was given becomes a
 * value first and is nothing else ever. CONFIG with what the key is. */
MUST_CHECK enum err_code trace_key_condition(const struct flow_table *t, const char *const *texts,
                                             size_t count, struct buf *condition, struct err *err);
/* Names of the columns of the key, the n-th of them; NULL behind the last. */
const char *trace_key_name(const struct flow_table *t, size_t n);
/* ---- trace_serve.c: for the API, a server_trace ---- */
#define TRACE_SERVED_BATCHES     200
#define TRACE_SERVED_BYTES       ((size_t)4 << 20) /* of rows and records; JSON makes up to 6 of one */
#define TRACE_SERVED_BATCH_BYTES ((size_t)64 << 20) /* of one decoded batch */
MUST_CHECK enum err_code trace_document(const struct server_traced *what, struct store *store,
                                        struct buf *out, struct err *err);

/* ---- trace_walk.c: the row whose condition is given, then everything around it ---- */
MUST_CHECK enum err_code trace_find(struct trace *t, const struct flow_table *table,
                                    const char *condition, bool *found, struct err *err);
MUST_CHECK enum err_code trace_walk(struct trace *t, struct err *err);
/* ---- trace_records.c ---- */
MUST_CHECK enum err_code trace_records(struct trace *t, struct err *err);
/* ---- trace_show.c, trace_graph.c ---- */
void trace_text(const struct trace *t, struct output *o);
void trace_json(const struct trace *t, struct json_writer *w);
/* as: "mermaid" or "dot" */
void trace_graph(const struct trace *t, const char *as, struct buf *out);
/* "key 1, key 2" with values as --json writes them, cut for people. */
void trace_key_text(const struct trace_row *row, struct buf *out);
/* At most `most` bytes of it. */
void trace_value_text(const struct value *v, size_t most, struct buf *out);

#endif
