/* Transforms: what a flow says, turned into SQL for its store and run.
 *
 * plan_open checks every SQL text of the flow against the real schema, makes the queues and
 * triggers that capture changes, and prepares all statements. A map reads one batch; sums and
 * derives read their queue. Each apply is one unit: the caller puts a savepoint around it and, on
 * error, takes its effects back (the queue then still holds its input).
 *
 * A plan belongs to the store's thread and is closed before the store. */
#ifndef PLUMB_TRANSFORM_TRANSFORM_H
#define PLUMB_TRANSFORM_TRANSFORM_H

#include "store/store.h"

#define SUM_ROWS_MAX    200000 /* changed rows one pass of a sum takes */
#define DERIVE_KEYS_MAX 50000  /* keys one pass of a derive takes; more wait for the next pass */

struct transform;

struct plan {
    struct store *store;
    const struct flow *flow;
    struct transform **items; /* [flow->transform_count], same order */
};

/* On a scratch store this is `plumb check`: CONFIG with file:line:column of the first mistake.
 * Begins and ends its own transaction. */
MUST_CHECK enum err_code plan_open(struct store *s, const struct flow *flow, struct plan **out,
                                   struct err *err);
void plan_close(struct plan *p);

struct map_input {
    const struct rows *rows;
    int64_t batch;
    int64_t partition;
    int64_t first_record;
};
/* Applies a map to all rows. Rows on which its SQL or the table's rules fail are found by
 * bisection, left out, and added to rejects. Any other error means nothing was applied.
 * line->duration_us is the caller's. */
MUST_CHECK enum err_code map_apply(struct plan *p, size_t index, const struct map_input *in,
                                   struct ledger_line *line, struct reject_list *rejects,
                                   struct err *err);

/* Deletes the rows that records [low, high) of an earlier batch, by their place in it, have in the
 * map's table. in is that batch. */
MUST_CHECK enum err_code map_take_back(struct plan *p, size_t index, const struct map_input *in,
                                       int64_t low, int64_t high, int64_t *deleted,
                                       struct err *err);

/* The keys of a derive are divided into buckets by hash, so that several workers may share it. */
#define DERIVE_BUCKETS     16
#define DERIVE_BUCKETS_ALL ((UINT64_C(1) << DERIVE_BUCKETS) - 1)

/* Applies a sum or derive to what its queue holds, up to SUM_ROWS_MAX or DERIVE_KEYS_MAX; a derive to
 * keys of these buckets only. */
MUST_CHECK enum err_code cascade_apply(struct plan *p, size_t index, uint64_t buckets,
                                       struct err *err);
/* True when the queue holds something that has not failed before, in whatever bucket. */
MUST_CHECK enum err_code cascade_waits(struct plan *p, size_t index, bool *waits, struct err *err);
/* Lets keys that failed be tried again (at start, after the SQL was mended). */
MUST_CHECK enum err_code cascade_retry_failed(struct plan *p, size_t index, struct err *err);

/* Whether rows of both maps into one table come to the same in whatever order they are applied. */
bool transform_in_any_order(const struct flow_transform *a, const struct flow_transform *b);

#endif
