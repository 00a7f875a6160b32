/* Typed rows, column by column.
 *
 * One struct rows holds the decoded rows of one stream of one batch. Text, bytes, json and int256
 * cells are views into the raw batch or the arena; both must outlive the rows. Cells of the row
 * being built are set by column and count only after rows_commit, so a row that turns out bad is
 * simply not committed.
 *
 *     rows_set_i64(&r, 0, 17); rows_set_null(&r, 1); rows_commit(&r, pos)
 *
 * Not thread-safe; may be handed to another thread whole. Limits: SCHEMA_COLUMNS_MAX columns,
 * UINT32_MAX rows. */
#ifndef PLUMB_ROWS_ROWS_H
#define PLUMB_ROWS_ROWS_H

#include "base/mem.h"
#include "rows/schema.h"

struct rows_column {
    enum column_type type;
    uint8_t *is_null; /* [capacity] 0 or 1 */
    union {
        int64_t *integer;
        double *real;
        struct str *bytes;
    };
};

struct rows {
    const struct schema *schema; /* borrowed */
    struct arena *arena;         /* borrowed: cells and cell contents */
    struct rows_column *columns; /* [schema->count] */
    uint32_t *pos;               /* [capacity] number of the raw record in its batch, ascending */
    size_t count;
    size_t capacity;
};

/* Room for capacity rows, taken from the arena. LIMIT when the arena is full. */
MUST_CHECK enum err_code rows_init(struct rows *r, const struct schema *schema, struct arena *arena,
                                   size_t capacity, struct err *err);

/* Room for at least capacity rows in all; the cells of the row being built are lost. */
MUST_CHECK enum err_code rows_grow(struct rows *r, size_t capacity, struct err *err);

/* Setters for the row being built (index r->count). Room must be there: count < capacity. */
static inline void rows_set_null(struct rows *r, size_t column) {
    r->columns[column].is_null[r->count] = 1;
}
static inline void rows_set_i64(struct rows *r, size_t column, int64_t v) {
    r->columns[column].is_null[r->count] = 0;
    r->columns[column].integer[r->count] = v;
}
static inline void rows_set_f64(struct rows *r, size_t column, double v) {
    r->columns[column].is_null[r->count] = 0;
    r->columns[column].real[r->count] = v;
}
static inline void rows_set_bytes(struct rows *r, size_t column, struct str v) {
    r->columns[column].is_null[r->count] = 0;
    r->columns[column].bytes[r->count] = v;
}
void rows_set_value(struct rows *r, size_t column, const struct value *v);
static inline void rows_commit(struct rows *r, uint32_t pos) {
    ASSERT(r->count < r->capacity);
    ASSERT(r->count == 0 || r->pos[r->count - 1] <= pos);
    r->pos[r->count] = pos;
    r->count++;
}
void rows_get(const struct rows *r, size_t row, size_t column, struct value *out);

#endif
