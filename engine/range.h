/* Replay of a range of batches: `plumb replay --from BATCH --to BATCH`.
 *
 * Afterwards the tables are what they would be had these batches been applied with the reference tables
 * as they are now, and all others as they were; what a hand changed in rows of the range is undone. Only the batches of
 * the range are read, so it costs what they cost. That is exact or it is refused (CONFIG, nothing
 * changed): which row a key has in the end may depend on batches that are not read. So each table
 * keeps lineage, or has key: auto, and is written by one map, without delete_when, over a source that
 * takes nothing back; its definition is what made the table; and no row of the range goes or gets
 * older, for then an earlier batch would have to say what stands there instead. */
#ifndef PLUMB_ENGINE_RANGE_H
#define PLUMB_ENGINE_RANGE_H

#include "engine/engine.h"

struct replay_range {
    const char *source;    /* NULL: every source */
    const char *transform; /* NULL: every map */
    int64_t from, to;      /* ids of batches; 0: from the first, to the last */
    int64_t since_us;      /* staged since then; INT64_MIN: ever */
    int64_t until_us;      /* staged until then; INT64_MAX: ever */
};

/* One transaction for the maps' tables, rejects and ledger, and what is below follows in it. Errors as
 * engine_replay. options: stop, progress and context count. The report has the maps' tables. */
MUST_CHECK enum err_code engine_replay_range(const struct flow *flow,
                                             const struct replay_range *range,
                                             const struct run_options *options,
                                             struct run_summary *summary,
                                             struct swap_report *report, struct err *err);

#endif
