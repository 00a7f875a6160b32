/* What the database under a store says of itself, for `plumb status`. */
#ifndef PLUMB_CLI_DATABASE_H
#define PLUMB_CLI_DATABASE_H

#include "cli/facts.h"
#include "cli/opened.h"

/* One row a finding: kind, subject, number, since, advice. */
#define DATABASE_COLUMNS 5
extern const struct fact_column database_columns[DATABASE_COLUMNS];
MUST_CHECK enum err_code database_collect(const struct opened *o, struct facts *out,
                                          struct err *err);
/* A line for each; nothing when there are none. */
void database_show(const struct facts *f, struct output *o);

#endif
