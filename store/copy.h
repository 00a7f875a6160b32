/* A store's whole state moved into another store, of the same or of another kind.
 *
 * Everything the engine keeps is taken over under the numbers it has (batches, rejects, alerts), with
 * the raw records byte by byte, the flow's tables with where their rows came from, and what waits in
 * queues. A digest of each table is taken while it is read, and again from what was written; they are
 * compared before the target commits. So the flow goes on from the copy as it would have from the
 * original.
 *
 *     struct store_copy_report report;
 *     store_copy(from, to, &report, err);      both opened for writing, `to` with its queues made
 *
 * Memory holds a few rows. Both stores are locked for as long as it takes; nothing is written to
 * `from`. Killed on the way, the target is as it was. */
#ifndef PLUMB_STORE_COPY_H
#define PLUMB_STORE_COPY_H

#include "store/digest.h"
#include "store/store.h"

#define STORE_COPY_CHUNK_ROWS   1000
#define STORE_COPY_CHUNK_FRAMES 4                   /* raw batches in memory */
#define STORE_COPY_WAIT_US      ((int64_t)10000000) /* for others to let go of the target */

struct store_copied {
    char *name; /* owned */
    int64_t rows;
    char digest[DIGEST_TEXT_BYTES]; /* over all its columns, plumb's own among them */
    bool differs;                   /* the target holds other rows */
};

struct store_copy_report {
    struct store_copied *tables; /* owned; those that neither side has rows in are left out */
    size_t count;
    bool was_there; /* the target held the same already, and nothing was written */
};
void store_copy_report_release(struct store_copy_report *r);

/* CONFIG when the target holds something else (the report says which tables differ), or a table of
 * `from` is not as the flow declares it; CORRUPT when what was written reads back otherwise. */
MUST_CHECK enum err_code store_copy(struct store *from, struct store *to,
                                    struct store_copy_report *out, struct err *err);

#endif
