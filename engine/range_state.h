/* What the files of a replay of a range share. */
#ifndef PLUMB_ENGINE_RANGE_STATE_H
#define PLUMB_ENGINE_RANGE_STATE_H

#include "engine/range.h"
#include "engine/run_state.h"

#define RANGE_SCHEMA "plumb_range" /* the database aside, seen from the store */

/* Within a transaction of the store, with the database aside attached: its rows, rejects and ledger
 * lines take their place (range_swap.c). built: the maps. */
MUST_CHECK enum err_code range_swap(struct store *s, const struct flow *built,
                                    struct swap_report *report, struct err *err);

#endif
