/* How it works: three questions that join both sides by key: what one has and the other has not, the
 * other way round, and what both have with other values. Each is counted, and a few of its rows are
 * told in words. */
#include "store/difference.h"

#include "base/json.h"

enum side { SIDE_MISSING, SIDE_EXTRA, SIDE_DIFFERING, SIDE_COUNT };

void table_difference_release(struct table_difference *d) {
    for (size_t i = 0; i < d->sample_count; i++) {
        mem_free(d->samples[i]);
    }
    *d = (struct table_difference){.missing = 0};
}

int64_t table_difference_rows(const struct table_difference *d) {
    return d->missing + d->extra + d->differing;
}

static bool is_key(const struct flow_table *t, size_t column) {
    for (size_t i = 0; i < t->key_count; i++) {
        if (t->key[i] == column) {
            return true;
        }
    }
    return false;
}

void table_difference_keys(const struct flow_table *t, const char *left, const char *right,
                           struct buf *out) {
    if (t->key_auto) {
        buf_addf(out, "%s.\"_partition\" = %s.\"_partition\" AND %s.\"_record\" = %s.\"_record\"",
                 left, right, left, right);
    }
    for (size_t i = 0; i < t->key_count; i++) {
        const char *name = t->schema.columns[t->key[i]].name;
        buf_addf(out, "%s%s.\"%s\" = %s.\"%s\"", i > 0 ? " AND " : "", left, name, right, name);
    }
}

/* FROM ... WHERE ... of one question; h is what the store has, w what is wanted. */
static void add_question(struct buf *sql, const struct difference_of *what, enum side side) {
    const struct flow_table *t = what->table;
    AUTO_BUF keys = BUF_INIT(BUF_TEXT_MAX);
    table_difference_keys(t, "h", "w", &keys);
    if (side == SIDE_MISSING) {
        buf_addf(sql, " FROM %s w WHERE NOT EXISTS (SELECT 1 FROM %s.\"%s\" h WHERE %s)",
                 what->wanted, what->schema, t->name, buf_c(&keys));
        return;
    }
    if (side == SIDE_EXTRA) {
        buf_addf(sql, " FROM %s.\"%s\" h WHERE NOT EXISTS (SELECT 1 FROM %s w WHERE %s)",
                 what->schema, t->name, what->wanted, buf_c(&keys));
        return;
    }
    buf_addf(sql, " FROM %s.\"%s\" h JOIN %s w ON %s WHERE (", what->schema, t->name, what->wanted,
             buf_c(&keys));
    size_t terms = 0;
    for (size_t i = 0; i < t->schema.count; i++) {
        if (!is_key(t, i)) {
            buf_addf(sql, "%sh.\"%s\" IS NOT w.\"%s\"", terms++ > 0 ? " OR " : "",
                     t->schema.columns[i].name, t->schema.columns[i].name);
        }
    }
    if (what->counted) {
        buf_addf(sql, "%sh.\"_n\" IS NOT w.\"_n\"", terms++ > 0 ? " OR " : "");
    }
    buf_adds(sql, terms > 0 ? ")" : "1 = 0)");
}

static enum err_code count_side(struct store *s, const struct difference_of *what, enum side side,
                                int64_t *out, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    bool found = false;
    buf_adds(&sql, "SELECT count(*)");
    add_question(&sql, what, side);
    return store_get_i64(s, buf_c(&sql), out, &found, err);
}

/* ---- samples ---- */

static struct value value_at(struct store_statement *st, int column, enum column_type type) {
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

static void add_value(struct buf *out, const struct value *v) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    struct json_writer w;
    json_writer_init(&w, &text);
    value_write_json(&w, v);
    struct str shown = buf_str(&text);
    if (shown.len > 2 && shown.ptr[0] == '"') {
        shown = (struct str){shown.ptr + 1, shown.len - 2};
    }
    char cell[DIFFERENCE_CELL_BYTES + 1];
    str_printable(shown, cell, sizeof(cell));
    buf_adds(out, cell);
}

static const char *const names_auto[] = {"_partition", "_record"};

/* The columns of a sample: the key once, then the rest from the sides that have it. */
static void add_columns(struct buf *sql, const struct difference_of *what, enum side side) {
    const struct flow_table *t = what->table;
    const char one = side == SIDE_MISSING ? 'w' : 'h';
    const char *comma = "";
    for (size_t i = 0; t->key_auto && i < ARRAY_COUNT(names_auto); i++) {
        buf_addf(sql, "%s%c.\"%s\"", comma, one, names_auto[i]);
        comma = ", ";
    }
    for (size_t i = 0; i < t->schema.count; i++) {
        buf_addf(sql, "%s%c.\"%s\"", comma, one, t->schema.columns[i].name);
        comma = ", ";
        if (side == SIDE_DIFFERING) {
            buf_addf(sql, ", w.\"%s\"", t->schema.columns[i].name);
        }
    }
    if (side == SIDE_DIFFERING && what->counted) {
        buf_adds(sql, ", h.\"_n\", w.\"_n\"");
    }
}

static bool same_value(const struct value *a, const struct value *b) {
    return (a->is_null && b->is_null) || (!a->is_null && !b->is_null && value_compare(a, b) == 0);
}

static void add_pair(struct buf *rest, const char *name, const struct value *have,
                     const struct value *want, bool past) {
    buf_addf(rest, "%s%s %s", rest->len > 0 ? ", " : "", name, past ? "" : "is ");
    add_value(rest, have);
    buf_adds(rest, past ? " -> " : ", should be ");
    add_value(rest, want);
}

static int tell_number(struct buf *out, const struct flow_table *t, struct store_statement *st) {
    int at = 0;
    for (size_t i = 0; t->key_auto && i < ARRAY_COUNT(names_auto); i++) {
        buf_addf(out, "%s%s %lld", i > 0 ? ", " : "", names_auto[i] + 1,
                 (long long)store_column_i64(st, at++));
    }
    return at;
}

static void add_cell(struct buf *out, const char *name, const struct value *v) {
    buf_addf(out, "%s%s ", out->len > 0 ? ", " : "", name);
    add_value(out, v);
}

/* "id 7: spent is 1200, should be 1300" */
static void tell_both(struct buf *out, const struct difference_of *what,
                      struct store_statement *st) {
    const struct flow_table *t = what->table;
    AUTO_BUF rest = BUF_INIT(BUF_TEXT_MAX);
    int at = tell_number(out, t, st);
    for (size_t i = 0; i < t->schema.count; i++, at += 2) {
        const struct column *c = &t->schema.columns[i];
        const struct value have = value_at(st, at, c->type);
        const struct value want = value_at(st, at + 1, c->type);
        if (is_key(t, i)) {
            add_cell(out, c->name, &have);
        } else if (!same_value(&have, &want)) {
            add_pair(&rest, c->name, &have, &want, what->past);
        }
    }
    if (what->counted && store_column_i64(st, at) != store_column_i64(st, at + 1)) {
        buf_addf(&rest, "%s_n is %lld, should be %lld", rest.len > 0 ? ", " : "",
                 (long long)store_column_i64(st, at), (long long)store_column_i64(st, at + 1));
    }
    buf_addf(out, ": %s", buf_c(&rest));
}

/* "id 7 (spent 1300) is missing" */
static void tell_one(struct buf *out, const struct difference_of *what, const char *word,
                     struct store_statement *st) {
    const struct flow_table *t = what->table;
    AUTO_BUF rest = BUF_INIT(BUF_TEXT_MAX);
    int at = tell_number(out, t, st);
    for (size_t i = 0; i < t->schema.count; i++, at++) {
        const struct column *c = &t->schema.columns[i];
        const struct value v = value_at(st, at, c->type);
        add_cell(is_key(t, i) ? out : &rest, c->name, &v);
    }
    if (rest.len > 0) {
        buf_addf(out, " (%s)", buf_c(&rest));
    }
    buf_addf(out, " %s", word);
}

static void tell(struct buf *out, const struct difference_of *what, enum side side,
                 struct store_statement *st) {
    if (side == SIDE_DIFFERING) {
        tell_both(out, what, st);
    } else if (what->past) {
        tell_one(out, what, "is new", st);
    } else {
        tell_one(out, what, side == SIDE_EXTRA ? "is too much" : "is missing", st);
    }
}

static enum err_code take_sample(struct store *s, const struct difference_of *what, enum side side,
                                 struct table_difference *out, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql, "SELECT ");
    add_columns(&sql, what, side);
    add_question(&sql, what, side);
    buf_adds(&sql, " LIMIT 1");
    struct store_statement *st = NULL;
    bool has_row = false;
    enum err_code code = store_prepare(s, buf_c(&sql), &st, err);
    if (code == ERR_NONE) {
        code = store_step(st, &has_row, err);
    }
    if (code == ERR_NONE && has_row && out->sample_count < DIFFERENCE_SAMPLES_MAX) {
        AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
        tell(&text, what, side, st);
        out->samples[out->sample_count++] = mem_strndup(buf_c(&text), text.len);
    }
    store_statement_free(st);
    return code;
}

enum err_code table_difference_find(struct store *s, const struct difference_of *what,
                                    struct table_difference *out, struct err *err) {
    *out = (struct table_difference){.missing = 0};
    int64_t *const counts[SIDE_COUNT] = {&out->missing, &out->extra, &out->differing};
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < SIDE_COUNT; i++) {
        if (i == SIDE_EXTRA && what->part) {
            continue;
        }
        code = count_side(s, what, (enum side)i, counts[i], err);
        if (code == ERR_NONE && *counts[i] > 0) {
            code = take_sample(s, what, (enum side)i, out, err);
        }
    }
    return code == ERR_NONE ? ERR_NONE : err_wrap(err, "table '%s'", what->table->name);
}
