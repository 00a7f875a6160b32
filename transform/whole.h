/* What a sum or derive gives when its SELECT is evaluated once over the whole of its input: an
 * independent computation of the table that is kept up to date change by change.
 *
 * The result is a temporary table, which a reader may have; it is as large as the transform's table,
 * and where temporary tables are kept is the store's choice (memory, for a reader). */
#ifndef PLUMB_TRANSFORM_WHOLE_H
#define PLUMB_TRANSFORM_WHOLE_H

#include "transform/transform.h"

/* Makes the table whole_name names, from the store's present tables. INPUT or CONFIG when the SELECT
 * fails, such as for a row that the transform keeps failing on. */
MUST_CHECK enum err_code whole_evaluate(struct store *s, const struct flow_transform *t,
                                        struct err *err);
MUST_CHECK enum err_code whole_forget(struct store *s, const struct flow_transform *t,
                                      struct err *err);
void whole_name(const struct flow_transform *t, struct buf *out);
/* The keys that the present rows of the table on[on] lead to, for a derive. */
void whole_keys_name(const struct flow_transform *t, size_t on, struct buf *out);
/* After an evaluation: true when some row of the derive's table that is not as evaluated has a key
 * that no present row of on[index] leads to, so that a change of that table would not be noticed. */
MUST_CHECK enum err_code whole_is_blind(struct store *s, const struct flow_transform *t,
                                        size_t index, bool *blind, struct err *err);

#endif
