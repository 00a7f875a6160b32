/* What a repair takes out of the store is kept, with the reason: rows of plumb's own tables, as JSON,
 * and the bytes of a raw batch as they were found. Nothing reads it but people. */
#ifndef PLUMB_STORE_QUARANTINE_H
#define PLUMB_STORE_QUARANTINE_H

#include "store/store.h"

struct quarantine {
    struct store *store;
    int64_t at_us;  /* of all that one repair moves */
    int64_t number; /* of the row moved last; from 0 */
};

/* Moves the rows of a table that `where` (SQL without parameters) means. *moved is added to. Within a
 * transaction. */
MUST_CHECK enum err_code quarantine_move(struct quarantine *q, const char *table, const char *where,
                                         const char *reason, int64_t *moved, struct err *err);

#endif
