/* Every column is two arrays of the arena, null flags and cells, taken once for the whole batch, or
 * anew with twice the room when it is not known how many rows there will be.
 *
 * Flags start as 1, so that a cell nobody set reads as NULL and not as whatever the memory held. */
#include "rows/rows.h"

#include <string.h>

static size_t cell_bytes(enum column_type type) {
    switch (type) {
    case TYPE_INT64:
    case TYPE_BOOL:
    case TYPE_TIMESTAMP:
        return sizeof(int64_t);
    case TYPE_FLOAT64:
        return sizeof(double);
    case TYPE_TEXT:
    case TYPE_BYTES:
    case TYPE_JSON:
    case TYPE_INT256:
        return sizeof(struct str);
    }
    return 0; /* not reached: the switch is complete */
}

static enum err_code column_init(struct rows_column *c, enum column_type type, size_t capacity,
                                 struct arena *arena, struct err *err) {
    c->type = type;
    void *flags = NULL;
    void *cells = NULL;
    size_t bytes = 0;
    if (!size_mul(capacity, cell_bytes(type), &bytes)) {
        return err_set(err, ERR_LIMIT, "%zu rows are more than memory can address", capacity);
    }
    if (arena_alloc(arena, capacity, &flags, err) != ERR_NONE ||
        arena_alloc(arena, bytes, &cells, err) != ERR_NONE) {
        return err->code;
    }
    memset(flags, 1, capacity);
    c->is_null = flags;
    if (type_is_integer(type)) {
        c->integer = cells;
    } else if (type == TYPE_FLOAT64) {
        c->real = cells;
    } else {
        c->bytes = cells;
    }
    return ERR_NONE;
}

enum err_code rows_init(struct rows *r, const struct schema *schema, struct arena *arena,
                        size_t capacity, struct err *err) {
    ASSERT(schema->count <= SCHEMA_COLUMNS_MAX);
    if (capacity > UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "%zu rows in one batch, at most %u are possible", capacity,
                       UINT32_MAX);
    }
    size_t room = capacity > 0 ? capacity : 1;
    void *columns = NULL;
    void *pos = NULL;
    if (arena_alloc(arena, (schema->count + 1) * sizeof(struct rows_column), &columns, err) !=
            ERR_NONE ||
        arena_alloc(arena, room * sizeof(uint32_t), &pos, err) != ERR_NONE) {
        return err_wrap(err, "rows");
    }
    struct rows made = {.schema = schema,
                        .arena = arena,
                        .columns = columns,
                        .pos = pos,
                        .count = 0,
                        .capacity = capacity};
    for (size_t i = 0; i < schema->count; i++) {
        if (column_init(&made.columns[i], schema->columns[i].type, room, arena, err) != ERR_NONE) {
            return err_wrap(err, "rows, column '%s'", schema->columns[i].name);
        }
    }
    *r = made;
    return ERR_NONE;
}

static void column_copy(struct rows_column *to, const struct rows_column *from, size_t count) {
    memcpy(to->is_null, from->is_null, count);
    if (type_is_integer(to->type)) {
        memcpy(to->integer, from->integer, count * sizeof(*to->integer));
    } else if (to->type == TYPE_FLOAT64) {
        memcpy(to->real, from->real, count * sizeof(*to->real));
    } else {
        memcpy(to->bytes, from->bytes, count * sizeof(*to->bytes));
    }
}

enum err_code rows_grow(struct rows *r, size_t capacity, struct err *err) {
    if (capacity <= r->capacity) {
        return ERR_NONE;
    }
    struct rows larger = {.count = 0};
    if (rows_init(&larger, r->schema, r->arena, capacity, err) != ERR_NONE) {
        return err->code;
    }
    ASSERT(larger.columns != NULL);
    for (size_t i = 0; i < r->schema->count; i++) {
        column_copy(&larger.columns[i], &r->columns[i], r->count);
    }
    memcpy(larger.pos, r->pos, r->count * sizeof(*r->pos));
    larger.count = r->count;
    *r = larger;
    return ERR_NONE;
}

void rows_set_value(struct rows *r, size_t column, const struct value *v) {
    ASSERT(column < r->schema->count && r->count < r->capacity);
    struct rows_column *c = &r->columns[column];
    if (v->is_null) {
        c->is_null[r->count] = 1;
        return;
    }
    ASSERT(v->type == c->type);
    c->is_null[r->count] = 0;
    if (type_is_integer(c->type)) {
        c->integer[r->count] = v->integer;
    } else if (c->type == TYPE_FLOAT64) {
        c->real[r->count] = v->real;
    } else {
        c->bytes[r->count] = v->bytes;
    }
}

void rows_get(const struct rows *r, size_t row, size_t column, struct value *out) {
    ASSERT(column < r->schema->count && row < r->count);
    const struct rows_column *c = &r->columns[column];
    *out = (struct value){.type = c->type, .is_null = c->is_null[row] != 0};
    if (out->is_null) {
        return;
    }
    if (type_is_integer(c->type)) {
        out->integer = c->integer[row];
    } else if (c->type == TYPE_FLOAT64) {
        out->real = c->real[row];
    } else {
        out->bytes = c->bytes[row];
    }
}
