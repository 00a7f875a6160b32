/* How it works: key texts are joined with a byte that JSON text never holds, so that comparing the
 * joined text compares the key; then it is a merge of two sorted lists. */
#include "trial/cells.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define CELL_SHOW_BYTES 60
#define KEY_SEPARATOR   '\x01'

void cells_init(struct cell_table *t, const struct schema *schema, const size_t *key,
                size_t key_count, struct arena *arena) {
    *t = (struct cell_table){.schema = schema, .key = key, .key_count = key_count, .arena = arena};
}

void cells_release(struct cell_table *t) {
    mem_free(t->rows);
    t->rows = NULL;
    t->count = 0;
}

struct str cell_text(const struct value *v, struct arena *arena) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    struct json_writer w;
    json_writer_init(&w, &text);
    value_write_json(&w, v);
    return (struct str){arena_strndup(arena, buf_c(&text), text.len), text.len};
}

bool cells_is_key(const struct cell_table *t, size_t column) {
    for (size_t i = 0; i < t->key_count; i++) {
        if (t->key[i] == column) {
            return true;
        }
    }
    return t->key_count == 0;
}

void cells_add(struct cell_table *t, const struct str *cells, int64_t place) {
    AUTO_BUF key = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < t->schema->count; i++) {
        if (cells_is_key(t, i)) {
            buf_addstr(&key, cells[i]);
            buf_addc(&key, KEY_SEPARATOR);
        }
    }
    if (t->count == t->capacity) {
        t->capacity = t->capacity > 0 ? t->capacity * 2 : 64;
        t->rows = mem_realloc(t->rows, t->capacity * sizeof *t->rows);
    }
    t->rows[t->count++] =
        (struct cell_row){cells, {arena_strndup(t->arena, buf_c(&key), key.len), key.len}, place};
}

enum err_code cells_add_rows(struct cell_table *t, const struct rows *rows, struct err *err) {
    for (size_t r = 0; r < rows->count; r++) {
        void *room = NULL;
        enum err_code code =
            arena_alloc(t->arena, (t->schema->count + 1) * sizeof(struct str), &room, err);
        if (code != ERR_NONE) {
            return code;
        }
        struct str *cells = room;
        for (size_t i = 0; i < t->schema->count; i++) {
            struct value v;
            rows_get(rows, r, i, &v);
            cells[i] = cell_text(&v, t->arena);
        }
        cells_add(t, cells, rows->pos[r]);
    }
    return ERR_NONE;
}

static struct value read_value(struct store_statement *st, int column, enum column_type type) {
    struct value v = {.type = type, .is_null = store_column_is_null(st, column)};
    if (v.is_null) {
        return v;
    }
    if (type_is_integer(type)) {
        v.integer = store_column_i64(st, column);
    } else if (type == TYPE_FLOAT64) {
        v.real = store_column_f64(st, column);
    } else {
        v.bytes = store_column_str(st, column);
    }
    return v;
}

static enum err_code read_row(struct cell_table *t, struct store_statement *st, struct err *err) {
    void *room = NULL;
    if (t->count == CELLS_ROWS_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d rows", CELLS_ROWS_MAX);
    }
    enum err_code code =
        arena_alloc(t->arena, (t->schema->count + 1) * sizeof(struct str), &room, err);
    if (code != ERR_NONE) {
        return code;
    }
    struct str *cells = room;
    for (size_t i = 0; i < t->schema->count; i++) {
        const struct value v = read_value(st, (int)i, t->schema->columns[i].type);
        cells[i] = cell_text(&v, t->arena);
    }
    cells_add(t, cells, 0);
    return ERR_NONE;
}

enum err_code cells_query(struct cell_table *t, struct store *store, const char *sql,
                          struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(store, sql, &st, err);
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            code = read_row(t, st, err);
        }
    }
    store_statement_free(st);
    return code;
}

enum err_code cells_read(struct cell_table *t, struct store *store, const struct flow_table *table,
                         struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql, "SELECT ");
    for (size_t i = 0; i < t->schema->count; i++) {
        buf_addf(&sql, "%s\"%s\"", i > 0 ? ", " : "", t->schema->columns[i].name);
    }
    buf_addf(&sql, " FROM \"%s\"", table->name);
    enum err_code code = cells_query(t, store, buf_c(&sql), err);
    return code == ERR_NONE ? ERR_NONE : err_wrap(err, "table '%s'", table->name);
}

static int compare_rows(const void *a, const void *b) {
    const struct cell_row *left = a;
    const struct cell_row *right = b;
    return str_compare(left->key, right->key);
}

void cells_sort(struct cell_table *t) {
    if (t->count > 1) {
        qsort(t->rows, t->count, sizeof *t->rows, compare_rows);
    }
}

bool cells_next(struct cell_walk *w, const struct cell_row **a, const struct cell_row **b) {
    *a = w->at_a < w->a->count ? &w->a->rows[w->at_a] : NULL;
    *b = w->at_b < w->b->count ? &w->b->rows[w->at_b] : NULL;
    if (*a != NULL && *b != NULL) {
        const int order = str_compare((*a)->key, (*b)->key);
        *b = order < 0 ? NULL : *b;
        *a = order > 0 ? NULL : *a;
    }
    w->at_a += *a != NULL;
    w->at_b += *b != NULL;
    return *a != NULL || *b != NULL;
}

bool cells_same(const struct cell_table *t, const struct cell_row *a, const struct cell_row *b) {
    for (size_t i = 0; i < t->schema->count; i++) {
        if (!str_equal(a->cells[i], b->cells[i])) {
            return false;
        }
    }
    return true;
}

void cell_show(const struct column *c, struct str text, struct buf *out) {
    if (text.len >= 2 && text.ptr[0] == '"' && c->type != TYPE_JSON) {
        text = (struct str){text.ptr + 1, text.len - 2};
        if (text.len == 0) {
            text = STR("''");
        }
    }
    char shown[CELL_SHOW_BYTES + 1];
    str_printable(text, shown, sizeof shown);
    buf_adds(out, shown);
}

void cells_show_key(const struct cell_table *t, const struct cell_row *row, struct buf *out) {
    const size_t start = out->len;
    for (size_t k = 0; k < (t->key_count > 0 ? t->key_count : t->schema->count); k++) {
        const size_t i = t->key_count > 0 ? t->key[k] : k;
        buf_addf(out, "%s%s ", out->len > start ? ", " : "", t->schema->columns[i].name);
        cell_show(&t->schema->columns[i], row->cells[i], out);
    }
}
