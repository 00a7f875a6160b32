/* The tables of a store, with their columns: what store/copy.c copies. */
#ifndef PLUMB_STORE_COPY_TABLES_H
#define PLUMB_STORE_COPY_TABLES_H

#include "store/store.h"

struct copy_column {
    char *name; /* owned */
    enum column_type type;
};

struct copy_table {
    char *name; /* owned */
    struct copy_column *columns;
    size_t count;
    const char *where;       /* "" or " WHERE ...": of it only these rows */
    const char *rest;        /* where, and in which order rows are read */
    bool has_id;             /* the database gives `id` */
    bool holds_frames;       /* a row is big */
    bool is_users;           /* one of the flow's */
    bool is_queue;           /* comes after all that fills it */
    bool is_made_by_opening; /* has rows in a store that holds nothing */
};

struct copy_tables {
    struct copy_table *list;
    size_t count;
};

/* Within a transaction of the store. CONFIG when a table is not as the flow declares it. */
MUST_CHECK enum err_code copy_tables_list(struct store *s, struct copy_tables *out,
                                          struct err *err);
void copy_tables_release(struct copy_tables *t);

#endif
