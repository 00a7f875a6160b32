/* Limits of rejects, as the store has them: what has stopped, and the way to go on. */
#ifndef PLUMB_CLI_LIMITS_H
#define PLUMB_CLI_LIMITS_H

#include "cli/facts.h"
#include "cli/opened.h"

/* One row a limit: stage, kind ("source", "map", "derive"), open, max, of, share, stopped, way. */
#define LIMIT_COLUMNS 8
extern const struct fact_column limit_columns[LIMIT_COLUMNS];
/* What counts towards the limit of the source's decoding (t NULL) or of the transform, at most it. */
MUST_CHECK enum err_code limits_count_open(const struct opened *o, const struct flow_source *source,
                                           const struct flow_transform *t, int64_t *open,
                                           struct err *err);
MUST_CHECK enum err_code limits_collect(const struct opened *o, struct facts *out, struct err *err);
/* Those that are reached, with what to do; nothing when there are none. */
void limits_show(const struct facts *f, struct output *o);

#endif
