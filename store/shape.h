/* A table's columns, and what it takes to make one table what another of the same columns is: rows are
 * told by key, and only those that differ are written. For the swaps of both drivers. */
#ifndef PLUMB_STORE_SHAPE_H
#define PLUMB_STORE_SHAPE_H

#include "store/store.h"

#define SHAPE_COLUMNS_MAX (SCHEMA_COLUMNS_MAX + 5) /* with plumb's own */

struct shape {
    char *columns[SHAPE_COLUMNS_MAX]; /* owned */
    bool is_key[SHAPE_COLUMNS_MAX];
    size_t count;
};
void shape_add(struct shape *p, struct str name, bool is_key);
void shape_release(struct shape *p);

/* "a", "b" of all columns. */
void shape_names(struct buf *out, const struct shape *p);
/* Of rows m and a: that all columns of the key are equal, or that any of the others differs; "false"
 * if there is none. */
void shape_compare(struct buf *out, const struct shape *p, bool key);

struct shape_place {
    const char *table;
    const char *here, *aside; /* schemas: what is to become what */
};
/* Within a transaction: deletes, updates and inserts, counted in out. */
MUST_CHECK enum err_code shape_write(struct store *s, const struct shape *p,
                                     const struct shape_place *at, struct swap_table *out,
                                     struct err *err);

/* Runs sql, which is given, and counts the rows it changed. */
MUST_CHECK enum err_code shape_run(struct store *s, char *sql, int64_t *changes, struct err *err);

#endif
