/* Recomputing everything beside a store and comparing: `plumb audit --deep`.
 *
 * Two computations, neither of which changes the store. (1) The transforms are run again over the
 * staged batches, batch by batch, in a database aside, as a replay does. (2) Every sum and derive is
 * evaluated once over the whole of its present input, in the store and in the database aside. What
 * differs, and where the two agree, tells who is at fault.
 *
 * The store is seen as of one moment, that of the reader's transaction, however much a run adds
 * meanwhile; what that moment's maps had not applied or queues had not worked off is not compared.
 * Space: the database aside is as large as the tables; (2) needs memory for one table at a time. */
#ifndef PLUMB_ENGINE_DEEP_H
#define PLUMB_ENGINE_DEEP_H

#include "engine/engine.h"
#include "store/difference.h"

enum deep_verdict {
    DEEP_SAME,         /* as recomputed */
    DEEP_NOT_COMPARED, /* `why` */
    DEEP_OTHER,        /* a map's table is not what the staged batches give */
    DEEP_FORGETS,      /* a transform does not keep its table up to date, even when run afresh */
    DEEP_CHANGED, /* a sum's or derive's rows are not what its input gives; run afresh they are */
    DEEP_FOLLOWS, /* right for its input; the input's table differs (`root`) */
    DEEP_UNSTEADY /* its input is right, and so is it; run afresh it comes out otherwise */
};

#define DEEP_WHY_BYTES 320

struct deep_table {
    const struct flow_table *table;
    const struct flow_transform *made_by; /* the first of those that write it */
    enum deep_verdict verdict;
    int64_t rows;
    bool replayed; /* compared with the database aside: `staged` */
    struct table_difference staged;
    bool evaluated; /* compared with one evaluation: `whole` */
    struct table_difference whole;
    const struct flow_table *root;
    char why[DEEP_WHY_BYTES];   /* what kept it from being compared */
    char blind[DEEP_WHY_BYTES]; /* FORGETS: tables whose changes `on` does not map to their keys */
};

struct deep_report {
    struct deep_table *tables; /* owned; those that transforms write, inputs first */
    size_t count;
    int64_t batches; /* applied aside */
};
void deep_report_release(struct deep_report *r);

/* reader: a store opened for reading, in a transaction. options: stop, progress and context count.
 * CONFLICT when another deep audit of the store is at work. */
MUST_CHECK enum err_code engine_deep(const struct flow *flow, struct store *reader,
                                     const struct run_options *options, struct deep_report *out,
                                     struct err *err);

#endif
