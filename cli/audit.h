/* The checks of `plumb audit`. Each has a name, a claim, a count of what was looked at, and a
 * finding for every place where the claim does not hold. */
#ifndef PLUMB_CLI_AUDIT_H
#define PLUMB_CLI_AUDIT_H

#include "cli/facts.h"
#include "cli/opened.h"

#define AUDIT_FINDINGS_MAX 100 /* kept per check; "and more" is said */

struct audit {
    const struct opened *opened;
    struct facts checks;   /* check, claim, looked at, findings */
    struct facts findings; /* check, where, message */
    struct facts tables;   /* table, made by, rows, digest */
    struct facts deep;     /* table, rows, missing, too much, different, in words */
    const char *check;     /* the one at work */
    const char *claim;
    int64_t examined;
    size_t found; /* by the check at work, also those not kept */
};

void audit_init(struct audit *a, const struct opened *opened);
void audit_release(struct audit *a); /* for CLEANUP */

/* A check's frame: begin, findings, end. Between them `examined` is counted up by hand. */
void audit_begin(struct audit *a, const char *check, const char *claim);
void audit_end(struct audit *a);
void audit_find(struct audit *a, struct str where, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Every row of a SELECT (where, message) is a finding. */
MUST_CHECK enum err_code audit_find_rows(struct audit *a, const char *sql, struct err *err);
/* Adds what a SELECT of one number counts to `examined`. */
MUST_CHECK enum err_code audit_examine(struct audit *a, const char *sql, struct err *err);

/* Batches, rejects and ledger against each other: SQL alone (audit_ledger.c). */
MUST_CHECK enum err_code audit_ledger(struct audit *a, struct err *err);
/* Every staged frame opened and counted (audit_staging.c). */
MUST_CHECK enum err_code audit_staging(struct audit *a, struct err *err);
/* Marks, queues and states of the flow's transforms (audit_progress.c). */
MUST_CHECK enum err_code audit_progress(struct audit *a, struct err *err);
/* The tables themselves (audit_tables.c). */
MUST_CHECK enum err_code audit_tables(struct audit *a, struct err *err);
/* All checks; with --deep, those too. */
MUST_CHECK enum err_code audit_all(struct audit *a, const struct invocation *call, struct err *err);
/* How many findings all checks have. */
int64_t audit_findings(const struct audit *a);
/* `--repair` (audit_repair.c). */
int audit_repair_run(const struct invocation *call);
/* Everything recomputed and compared (audit_deep.c). quiet: no progress on a terminal. */
MUST_CHECK enum err_code audit_deep(struct audit *a, bool quiet, struct err *err);

#endif
