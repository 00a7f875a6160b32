/* What makes the database under a store rot without anything failing, as it says itself.
 *
 * SQLite has nothing of the kind. PostgreSQL has: transactions left open, rows that nobody cleans
 * away, autovacuum switched off; store/postgres/health.h says which, and from when on. */
#ifndef PLUMB_STORE_HEALTH_H
#define PLUMB_STORE_HEALTH_H

#include "store/store.h"

#define STORE_FINDINGS_MAX       20 /* the worst of each kind come first; more are not told */
#define STORE_FINDING_BYTES      256
#define STORE_FINDING_KIND_BYTES 16

struct store_finding {
    char kind[STORE_FINDING_KIND_BYTES];
    char subject[STORE_FINDING_BYTES];
    int64_t number;                   /* of what the kind counts */
    int64_t since_us;                 /* since 1970; 0: it has no beginning */
    char advice[STORE_FINDING_BYTES]; /* what it is and what to do */
};

/* *count is 0 where all is well. Readers may ask. Errors: as any statement. */
MUST_CHECK enum err_code store_health(struct store *s, struct store_finding out[STORE_FINDINGS_MAX],
                                      size_t *count, struct err *err);

#endif
