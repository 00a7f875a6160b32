/* How it works: rows are looked at one after the other, as they were found; looking at one adds
 * its steps, and these add the rows they list, unless they are there already. Above the row that
 * was asked for everything goes up, below it everything goes down; tables form no cycle, so it
 * ends. What a step counts comes from the same statement as what it lists. */
#include "cli/trace.h"

#include <inttypes.h>
#include <stdlib.h>

#include "transform/lineage.h"

void trace_init(struct trace *t, const struct opened *opened) {
    *t = (struct trace){.opened = opened,
                        .limit = TRACE_LISTED,
                        .batches_max = TRACE_BATCHES,
                        .batch_bytes_max = TRACE_ARENA_BYTES};
    arena_init(&t->arena, TRACE_ARENA_BYTES);
    t->rows = mem_alloc_array(TRACE_ROWS_MAX, sizeof *t->rows);
}

void trace_bound(struct trace *t, size_t bytes_max, size_t batch_bytes_max) {
    arena_release(&t->arena);
    t->batch_bytes_max = batch_bytes_max;
    arena_init(&t->arena, bytes_max);
}

void trace_release(struct trace *t) {
    mem_free(t->rows);
    mem_free(t->steps);
    arena_release(&t->arena);
}

void trace_identity_sql(const struct trace_row *row, const char *prefix, struct buf *out) {
    const struct flow_table *t = row->table;
    if (t->key_auto) {
        buf_addf(out, "%s\"_partition\" = %" PRId64 " AND %s\"_record\" = %" PRId64, prefix,
                 row->partition, prefix, row->record);
    }
    for (size_t k = 0; k < t->key_count; k++) {
        buf_addf(out, "%s%s\"%s\" = ", k > 0 ? " AND " : "", prefix,
                 t->schema.columns[t->key[k]].name);
        lineage_literal(out, &row->values[t->key[k]]);
    }
}

/* ---- reading rows ---- */

/* Columns of a row in the order read_row takes them. */
static void row_columns(const struct flow_table *t, const char *prefix, struct buf *out) {
    if (t->key_auto) {
        lineage_identity(out, t, prefix);
    } else {
        buf_adds(out, "-1, -1");
    }
    if (t->lineage) {
        buf_addf(out, ", %s\"_batch\", %s\"_pos\"", prefix, prefix);
    } else {
        buf_adds(out, ", -1, -1");
    }
    for (size_t i = 0; i < t->schema.count; i++) {
        buf_addf(out, ", %s\"%s\"", prefix, t->schema.columns[i].name);
    }
}
#define ROW_FIXED 4 /* columns before those of the schema */

static enum err_code read_value(struct trace *t, struct store_statement *st, int column,
                                enum column_type type, struct value *out, struct err *err) {
    *out = (struct value){.type = type, .is_null = store_column_is_null(st, column)};
    if (out->is_null) {
        return ERR_NONE;
    }
    if (type_is_integer(type)) {
        out->integer = store_column_i64(st, column);
    } else if (type == TYPE_FLOAT64) {
        out->real = store_column_f64(st, column);
    } else {
        return arena_copy(&t->arena, store_column_str(st, column), &out->bytes, err);
    }
    return ERR_NONE;
}

static enum err_code read_row(struct trace *t, const struct flow_table *table,
                              struct store_statement *st, struct trace_row *out, struct err *err) {
    *out = (struct trace_row){.table = table,
                              .partition = store_column_i64(st, 0),
                              .record = store_column_i64(st, 1),
                              .batch = store_column_is_null(st, 2) ? -1 : store_column_i64(st, 2),
                              .pos = store_column_is_null(st, 3) ? -1 : store_column_i64(st, 3)};
    void *room = NULL;
    enum err_code code =
        arena_alloc(&t->arena, (table->schema.count + 1) * sizeof(struct value), &room, err);
    out->values = room;
    for (size_t i = 0; code == ERR_NONE && i < table->schema.count; i++) {
        code = read_value(t, st, ROW_FIXED + (int)i, table->schema.columns[i].type, &out->values[i],
                          err);
    }
    return code;
}

static bool same_row(const struct trace_row *a, const struct trace_row *b) {
    if (a->table != b->table || a->partition != b->partition || a->record != b->record) {
        return false;
    }
    for (size_t k = 0; k < a->table->key_count; k++) {
        const size_t c = a->table->key[k];
        if (a->values[c].is_null != b->values[c].is_null ||
            (!a->values[c].is_null && value_compare(&a->values[c], &b->values[c]) != 0)) {
            return false;
        }
    }
    return true;
}

/* Index of the row, which is added if it is new; false when there is no room for it. */
static bool keep_row(struct trace *t, const struct trace_row *row, size_t *index) {
    for (size_t i = 0; i < t->row_count; i++) {
        if (same_row(&t->rows[i], row)) {
            *index = i;
            return true;
        }
    }
    if (t->row_count == TRACE_ROWS_MAX) {
        return false;
    }
    t->rows[t->row_count] = *row;
    *index = t->row_count++;
    return true;
}

enum err_code trace_find(struct trace *t, const struct flow_table *table, const char *condition,
                         bool *found, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    struct store_statement *st = NULL;
    struct trace_row row;
    size_t index = 0;
    buf_adds(&sql, "SELECT ");
    row_columns(table, "", &sql);
    buf_addf(&sql, " FROM \"%s\" WHERE %s", table->name, condition);
    enum err_code code = store_prepare(t->opened->store, buf_c(&sql), &st, err);
    if (code == ERR_NONE) {
        code = store_step(st, found, err);
    }
    if (code == ERR_NONE && *found) {
        code = read_row(t, table, st, &row, err);
    }
    store_statement_free(st);
    if (code == ERR_NONE && *found) {
        *found = keep_row(t, &row, &index);
    }
    return code;
}

/* ---- steps ---- */

static struct trace_step *add_step(struct trace *t) {
    if (t->step_count == t->step_capacity) {
        t->step_capacity = t->step_capacity > 0 ? t->step_capacity * 2 : 16;
        t->steps = mem_realloc(t->steps, t->step_capacity * sizeof *t->steps);
    }
    return &t->steps[t->step_count++];
}

/* Rows of step->other; `rest` is FROM and WHERE with the table AS "_plumb_t". */
static enum err_code list_rows(struct trace *t, struct trace_step *step, const char *rest,
                               struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql, "SELECT ");
    row_columns(step->other, "\"_plumb_t\".", &sql);
    buf_addf(&sql, ", count(*) OVER ()%s ORDER BY ", rest);
    lineage_identity(&sql, step->other, "\"_plumb_t\".");
    buf_addf(&sql, " LIMIT %" PRId64, t->limit);
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(t->opened->store, buf_c(&sql), &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    void *room = NULL;
    code = arena_alloc(&t->arena, (size_t)t->limit * sizeof(struct trace_link), &room, err);
    step->links = room;
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code != ERR_NONE || !has_row) {
            break;
        }
        struct trace_row row;
        size_t index = 0;
        step->total = store_column_i64(st, ROW_FIXED + (int)step->other->schema.count);
        code = read_row(t, step->other, st, &row, err);
        if (code == ERR_NONE && keep_row(t, &row, &index)) {
            step->links[step->link_count++] = (struct trace_link){.row = index};
        }
    }
    store_statement_free(st);
    return code;
}

/* "s.key = literal AND ..." of the row's columns at the indexes. */
static void columns_sql(const struct trace_row *row, const size_t *indexes, size_t count,
                        struct buf *out) {
    for (size_t i = 0; i < count; i++) {
        buf_addf(out, "%ss.\"%s\" = ", i > 0 ? " AND " : "",
                 row->table->schema.columns[indexes[i]].name);
        lineage_literal(out, &row->values[indexes[i]]);
    }
}

/* What the rows of `where` give to the sum's row: *count and the amounts. */
static enum err_code amounts_of(struct trace *t, const struct flow_transform *sum,
                                const char *where, const char *keys, struct trace_link *out,
                                struct err *err) {
    const struct flow_table *into = sum->into;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql, "SELECT ");
    lineage_amounts(&sql, into);
    buf_adds(&sql, " FROM (");
    lineage_over(&sql, sum->from, where, sum->sql);
    buf_addf(&sql, ") AS s WHERE %s", keys);
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(t->opened->store, buf_c(&sql), &st, err);
    bool has_row = false;
    if (code == ERR_NONE) {
        code = store_step(st, &has_row, err);
    }
    void *room = NULL;
    if (code == ERR_NONE) {
        code = arena_alloc(&t->arena, (into->schema.count + 1) * sizeof(struct value), &room, err);
        out->gives = room;
        out->contributions = code == ERR_NONE ? store_column_i64(st, 0) : 0;
    }
    int column = 1;
    for (size_t i = 0; code == ERR_NONE && i < into->schema.count; i++) {
        bool in_key = false;
        for (size_t k = 0; k < into->key_count; k++) {
            in_key = in_key || into->key[k] == i;
        }
        out->gives[i] = (struct value){.is_null = true, .type = into->schema.columns[i].type};
        if (!in_key) {
            code = read_value(t, st, column++, into->schema.columns[i].type, &out->gives[i], err);
        }
    }
    store_statement_free(st);
    return code;
}

/* Conditions that let an index find the rows of a key, when its columns are copies. */
static enum err_code narrow(struct trace *t, const struct trace_row *row,
                            const struct flow_transform *sum, struct buf *inner, struct buf *outer,
                            struct err *err) {
    size_t columns[SCHEMA_COLUMNS_MAX];
    bool plain = false;
    enum err_code code = lineage_plain_keys(t->opened->store, sum, columns, &plain, err);
    for (size_t k = 0; code == ERR_NONE && plain && k < sum->into->key_count; k++) {
        const char *name = sum->from->schema.columns[columns[k]].name;
        buf_addf(inner, "%s\"_plumb_u\".\"%s\" = ", k > 0 ? " AND " : "", name);
        buf_addf(outer, "%s\"_plumb_t\".\"%s\" = ", k > 0 ? " AND " : "", name);
        lineage_literal(inner, &row->values[sum->into->key[k]]);
        lineage_literal(outer, &row->values[sum->into->key[k]]);
    }
    return code;
}

static bool amounts_equal(const struct trace_row *row, const struct value *sums) {
    for (size_t i = 0; i < row->table->schema.count; i++) {
        bool in_key = false;
        for (size_t k = 0; k < row->table->key_count; k++) {
            in_key = in_key || row->table->key[k] == i;
        }
        const struct value *have = &row->values[i];
        if (!in_key && (sums[i].is_null != have->is_null ||
                        (!have->is_null && value_compare(&sums[i], have) != 0))) {
            return false;
        }
    }
    return true;
}

static enum err_code up_sum(struct trace *t, size_t index, const struct flow_transform *sum,
                            struct err *err) {
    const struct trace_row row = t->rows[index];
    struct trace_step step = {
        .row = index, .up = true, .via = sum, .other = sum->from, .is_sum = true};
    AUTO_BUF keys = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF inner = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF outer = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF rest = BUF_INIT(BUF_TEXT_MAX);
    struct trace_link all = {0};
    columns_sql(&row, row.table->key, row.table->key_count, &keys);
    enum err_code code = narrow(t, &row, sum, &inner, &outer, err);
    lineage_givers(&rest, sum->from, sum->sql, buf_c(&keys), buf_c(&outer));
    if (code == ERR_NONE) {
        code = list_rows(t, &step, buf_c(&rest), err);
    }
    if (code == ERR_NONE) {
        code = amounts_of(t, sum, buf_c(&inner), buf_c(&keys), &all, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < step.link_count; i++) {
        AUTO_BUF one = BUF_INIT(BUF_TEXT_MAX);
        struct trace_link *link = &step.links[i];
        trace_identity_sql(&t->rows[link->row], "\"_plumb_u\".", &one);
        code = amounts_of(t, sum, buf_c(&one), buf_c(&keys), link, err);
    }
    if (code == ERR_NONE) {
        step.sums = all.gives;
        step.adds_up = amounts_equal(&row, all.gives);
        *add_step(t) = step;
    }
    return code;
}

static enum err_code up_derive(struct trace *t, size_t index, const struct flow_transform *derive,
                               const struct flow_on *on, struct err *err) {
    const struct trace_row row = t->rows[index];
    struct trace_step step = {.row = index, .up = true, .via = derive, .other = on->table};
    AUTO_BUF keys = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF rest = BUF_INIT(BUF_TEXT_MAX);
    if (on->sql != NULL) {
        columns_sql(&row, derive->changed, derive->changed_count, &keys);
        lineage_givers(&rest, on->table, on->sql, buf_c(&keys), "");
    } else {
        buf_addf(&rest, " FROM \"%s\" AS \"_plumb_t\" WHERE ", on->table->name);
        for (size_t i = 0; i < on->column_count; i++) {
            buf_addf(&rest, "%s\"_plumb_t\".\"%s\" = ", i > 0 ? " AND " : "", on->columns[i]);
            lineage_literal(&rest, &row.values[derive->changed[i]]);
        }
    }
    enum err_code code = list_rows(t, &step, buf_c(&rest), err);
    if (code == ERR_NONE) {
        *add_step(t) = step;
    }
    return code;
}

/* Rows of the table the transform writes whose columns at the indexes the SELECT gives for the row. */
static enum err_code down_by_sql(struct trace *t, struct trace_step *step,
                                 const struct flow_table *from, const char *user_sql,
                                 const size_t *indexes, size_t count, struct err *err) {
    AUTO_BUF one = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF rest = BUF_INIT(BUF_TEXT_MAX);
    trace_identity_sql(&t->rows[step->row], "\"_plumb_u\".", &one);
    buf_addf(&rest, " FROM \"%s\" AS \"_plumb_t\" WHERE (", step->other->name);
    for (size_t i = 0; i < count; i++) {
        buf_addf(&rest, "%s\"_plumb_t\".\"%s\"", i > 0 ? ", " : "",
                 step->other->schema.columns[indexes[i]].name);
    }
    buf_adds(&rest, ") IN (SELECT ");
    for (size_t i = 0; i < count; i++) {
        buf_addf(&rest, "%ss.\"%s\"", i > 0 ? ", " : "",
                 step->other->schema.columns[indexes[i]].name);
    }
    buf_adds(&rest, " FROM (");
    lineage_over(&rest, from, buf_c(&one), user_sql);
    buf_adds(&rest, ") AS s)");
    return list_rows(t, step, buf_c(&rest), err);
}

static enum err_code down_derive(struct trace *t, struct trace_step *step, const struct flow_on *on,
                                 struct err *err) {
    const struct flow_transform *derive = step->via;
    if (on->sql != NULL) {
        return down_by_sql(t, step, on->table, on->sql, derive->changed, derive->changed_count,
                           err);
    }
    const struct trace_row *row = &t->rows[step->row];
    AUTO_BUF rest = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&rest, " FROM \"%s\" AS \"_plumb_t\" WHERE ", step->other->name);
    for (size_t i = 0; i < on->column_count; i++) {
        const int column = schema_find(&on->table->schema, str_of(on->columns[i]));
        ASSERT(column >= 0);
        buf_addf(&rest, "%s\"_plumb_t\".\"%s\" = ", i > 0 ? " AND " : "",
                 step->other->schema.columns[derive->changed[i]].name);
        lineage_literal(&rest, &row->values[column]);
    }
    return list_rows(t, step, buf_c(&rest), err);
}

static enum err_code go_up(struct trace *t, size_t index, struct err *err) {
    const struct flow *flow = t->opened->flow;
    const struct flow_table *table = t->rows[index].table;
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < flow->transform_count; i++) {
        const struct flow_transform *f = &flow->transforms[i];
        if (f->into != table) {
            continue;
        }
        if (f->kind == TRANSFORM_MAP) {
            t->rows[index].from_map = true;
        } else if (f->kind == TRANSFORM_SUM) {
            code = up_sum(t, index, f, err);
        }
        for (size_t k = 0; code == ERR_NONE && k < f->on_count; k++) {
            code = up_derive(t, index, f, &f->on[k], err);
        }
    }
    return code;
}

static enum err_code go_down(struct trace *t, size_t index, struct err *err) {
    const struct flow *flow = t->opened->flow;
    const struct flow_table *table = t->rows[index].table;
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < flow->transform_count; i++) {
        const struct flow_transform *f = &flow->transforms[i];
        struct trace_step step = {.row = index, .via = f, .other = f->into};
        bool takes = f->from == table;
        if (takes) {
            code = down_by_sql(t, &step, f->from, f->sql, f->into->key, f->into->key_count, err);
        }
        for (size_t k = 0; code == ERR_NONE && !takes && k < f->on_count; k++) {
            takes = f->on[k].table == table;
            code = takes ? down_derive(t, &step, &f->on[k], err) : ERR_NONE;
        }
        if (code == ERR_NONE && takes) {
            *add_step(t) = step;
        }
    }
    return code;
}

enum err_code trace_walk(struct trace *t, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < t->row_count; i++) {
        code = go_up(t, i, err);
    }
    const size_t above = t->row_count;
    if (code == ERR_NONE) {
        code = go_down(t, 0, err);
    }
    for (size_t i = above; code == ERR_NONE && i < t->row_count; i++) {
        code = go_down(t, i, err);
    }
    return code;
}
