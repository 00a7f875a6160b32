/* How it works: a sum has one queue of images, _plumb_q_<name>; a derive has one of keys, and one
 * of rows, _plumb_q_<name>.<table>, for each mapping given as SQL. */
#include "cli/queues.h"

#include "rows/type.h"

const struct fact_column queue_failed_columns[3] = {{"transform", "transform", FACT_TEXT},
                                                    {"key", "key", FACT_TEXT},
                                                    {"message", "message", FACT_TEXT}};

enum err_code queue_state_get(const struct opened *o, const struct flow_transform *t,
                              struct queue_state *out, struct err *err) {
    *out = (struct queue_state){0};
    if (t->kind == TRANSFORM_MAP) {
        return ERR_NONE;
    }
    const bool derive = t->kind == TRANSFORM_DERIVE;
    char *queue = mem_printf("_plumb_q_%s", t->name);
    enum err_code code =
        opened_count(o, queue, derive ? " WHERE \"_failed\" = 0" : "", &out->waiting, err);
    if (code == ERR_NONE && derive) {
        code = opened_count(o, queue, " WHERE \"_failed\" <> 0", &out->failed, err);
    }
    mem_free(queue);
    for (size_t i = 0; code == ERR_NONE && i < t->on_count; i++) {
        if (t->on[i].sql != NULL) {
            int64_t rows = 0;
            queue = mem_printf("_plumb_q_%s.%s", t->name, t->on[i].table->name);
            code = opened_count(o, queue, "", &rows, err);
            mem_free(queue);
            out->waiting += rows;
        }
    }
    return code;
}

static void value_of(struct store_statement *st, int column, enum column_type type,
                     struct value *out) {
    *out = (struct value){.type = type, .is_null = store_column_is_null(st, column)};
    if (type_is_integer(type)) {
        out->integer = store_column_i64(st, column);
    } else if (type == TYPE_FLOAT64) {
        out->real = store_column_f64(st, column);
    } else {
        out->bytes = store_column_str(st, column);
    }
}

static void add_failed(const struct flow_transform *t, struct store_statement *st,
                       struct facts *out) {
    AUTO_BUF key = BUF_INIT(BUF_TEXT_MAX);
    struct json_writer w;
    json_writer_init(&w, &key);
    json_begin_object(&w);
    for (size_t i = 0; i < t->changed_count; i++) {
        const struct column *c = &t->into->schema.columns[t->changed[i]];
        struct value v;
        value_of(st, (int)i + 1, c->type, &v);
        json_key(&w, c->name);
        value_write_json(&w, &v);
    }
    json_end_object(&w);
    facts_c(out, t->name);
    facts_text(out, buf_str(&key));
    facts_text(out, store_column_str(st, 0));
}

static enum err_code failed_of(const struct opened *o, const struct flow_transform *t,
                               int64_t limit, struct facts *out, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql, "SELECT \"_error\"");
    for (size_t i = 0; i < t->changed_count; i++) {
        buf_addf(&sql, ", \"%s\"", t->into->schema.columns[t->changed[i]].name);
    }
    buf_addf(&sql, " FROM \"_plumb_q_%s\" WHERE \"_failed\" <> 0 LIMIT ?1", t->name);
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(o->store, buf_c(&sql), &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_i64(st, 1, limit);
    bool has_row = true;
    while ((code = store_step(st, &has_row, err)) == ERR_NONE && has_row) {
        add_failed(t, st, out);
    }
    store_statement_free(st);
    return code;
}

enum err_code queues_failed(const struct opened *o, const char *transform, int64_t limit,
                            struct facts *out, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < o->flow->transform_count; i++) {
        const struct flow_transform *t = &o->flow->transforms[i];
        bool exists = false;
        if (t->kind != TRANSFORM_DERIVE ||
            (transform != NULL && !str_equal_c(str_of(t->name), transform))) {
            continue;
        }
        char *queue = mem_printf("_plumb_q_%s", t->name);
        code = store_has_table(o->store, queue, &exists, err);
        mem_free(queue);
        if (code == ERR_NONE && exists) {
            code = failed_of(o, t, limit, out, err);
        }
    }
    return code;
}
