/* Tables read back as text, and what differs between two of them.
 *
 * A cell's text is its value as JSON (rows/type.h): exact, and the same for equal values of a type.
 * Rows are sorted by the texts of their key; a table without one (key: auto) by all of its cells. */
#ifndef PLUMB_TRIAL_CELLS_H
#define PLUMB_TRIAL_CELLS_H

#include "store/store.h"

#define CELLS_ROWS_MAX 1000000

struct cell_row {
    const struct str *cells; /* [schema->count] */
    struct str key;          /* texts of the key columns, what rows are sorted by */
    int64_t place;           /* whoever made it may say where it comes from: a line */
};

struct cell_table {
    const struct schema *schema;
    const size_t *key; /* indexes into schema; none: all columns */
    size_t key_count;
    struct cell_row *rows; /* owned */
    size_t count, capacity;
    struct arena *arena; /* borrowed */
};

void cells_init(struct cell_table *t, const struct schema *schema, const size_t *key,
                size_t key_count, struct arena *arena);
void cells_release(struct cell_table *t); /* for CLEANUP */
#define AUTO_CELLS CLEANUP(cells_release) struct cell_table
/* A value as text, in the arena. */
struct str cell_text(const struct value *v, struct arena *arena);
/* Adds a row; cells are borrowed. */
void cells_add(struct cell_table *t, const struct str *cells, int64_t place);
MUST_CHECK enum err_code cells_add_rows(struct cell_table *t, const struct rows *rows,
                                        struct err *err);
/* All rows of a table of the store. LIMIT above CELLS_ROWS_MAX. */
MUST_CHECK enum err_code cells_read(struct cell_table *t, struct store *store,
                                    const struct flow_table *table, struct err *err);
/* The rows of a SELECT whose columns are those of the schema. */
MUST_CHECK enum err_code cells_query(struct cell_table *t, struct store *store, const char *sql,
                                     struct err *err);
void cells_sort(struct cell_table *t);
/* Is the column part of the key? */
bool cells_is_key(const struct cell_table *t, size_t column);

/* Walks two sorted tables of one schema together: pairs of rows with one key, either side NULL when
 * it has none. False at the end. */
struct cell_walk {
    const struct cell_table *a, *b;
    size_t at_a, at_b;
};
bool cells_next(struct cell_walk *w, const struct cell_row **a, const struct cell_row **b);
bool cells_same(const struct cell_table *t, const struct cell_row *a, const struct cell_row *b);

/* Text of a cell for a terminal: without the quotes JSON has, cut; NULL is "null". */
void cell_show(const struct column *c, struct str text, struct buf *out);
/* "id 17, day 2026-01-05": the key of a row (all of it when the table has none). */
void cells_show_key(const struct cell_table *t, const struct cell_row *row, struct buf *out);

#endif
