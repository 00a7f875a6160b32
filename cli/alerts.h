/* What the files of `plumb alerts` share. */
#ifndef PLUMB_CLI_ALERTS_H
#define PLUMB_CLI_ALERTS_H

#include "cli/facts.h"
#include "cli/opened.h"

/* `alerts ack`, `silence` and `unsilence`, by the verb among the arguments. */
int alerts_change_run(const struct invocation *call);
/* `alerts test FLOW [CHECK]`. */
int alerts_test_run(const struct invocation *call);

/* The checks with their states, for `alerts` and `status`. */
extern const struct fact_column alerts_check_columns[9];
MUST_CHECK enum err_code alerts_checks(const struct opened *o, struct facts *out, struct err *err);
/* Colours states and severities in a column. */
void alerts_style(struct facts *f, size_t column);

#endif
