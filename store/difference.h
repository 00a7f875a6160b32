/* What differs between a table of the store and another relation that should hold the same rows.
 *
 * Both are compared by the table's key, in SQL, so that memory does not depend on how many rows there
 * are. Compared are the user's columns, the record's number of a table with key: auto, and the hidden
 * count of a sum; not where a row came from (_batch, _pos). A reader may ask. */
#ifndef PLUMB_STORE_DIFFERENCE_H
#define PLUMB_STORE_DIFFERENCE_H

#include "store/store.h"

#define DIFFERENCE_SAMPLES_MAX 3
#define DIFFERENCE_CELL_BYTES  60 /* of a value in a sample */

struct difference_of {
    const struct flow_table *table;
    bool counted;       /* it has `_n`, the hidden count of a sum */
    const char *schema; /* where the table is compared in: "main" */
    bool part; /* the other relation is only a part: what the table has besides is not looked at */
    bool past; /* samples tell what changes: "spent 1200 -> 1300" */
    const char *wanted; /* the other relation, as SQL names it: plumb_built."orders" */
};

struct table_difference {
    int64_t missing;                       /* rows that only the wanted relation has */
    int64_t extra;                         /* rows that only the table has */
    int64_t differing;                     /* rows of both with other values */
    char *samples[DIFFERENCE_SAMPLES_MAX]; /* owned: "id 7: spent is 1200, should be 1300" */
    size_t sample_count;
};

MUST_CHECK enum err_code table_difference_find(struct store *s, const struct difference_of *what,
                                               struct table_difference *out, struct err *err);
void table_difference_release(struct table_difference *d);
int64_t table_difference_rows(const struct table_difference *d);
/* " m.k = a.k AND ..." over the table's key, for other questions about the same rows. */
void table_difference_keys(const struct flow_table *t, const char *left, const char *right,
                           struct buf *out);

#endif
