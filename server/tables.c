/* How it works: /tables lists what the flow declares; /tables/NAME/rows answers a table_query.
 *
 * Rows are written into the answer's buffer while the statement runs; a cell is only written when
 * even its escaped text has room, so an answer has a limit that no row can pass. */
#include <inttypes.h>
#include <stdio.h>

#include "server/state.h"

#define QUERY_ARENA_BYTES ((size_t)4 << 20)
#define CELL_GROWTH       6 /* the most JSON makes of a byte: \u001f */
#define CELL_EXTRA        128
#define JSON_CELL_BYTES   ((size_t)16 << 20)

static void write_table(const struct flow *flow, const struct flow_table *t,
                        struct json_writer *w) {
    struct table_columns *columns = mem_alloc(sizeof(*columns));
    table_columns_of(t, columns);
    json_begin_object(w);
    json_kv_c(w, "table", t->name);
    json_kv_bool(w, "reference", t->is_reference);
    json_key(w, "transforms");
    json_begin_array(w);
    for (size_t i = 0; i < flow->transform_count; i++) {
        if (flow->transforms[i].into == t) {
            json_c(w, flow->transforms[i].name);
        }
    }
    json_end_array(w);
    json_key(w, "key");
    json_begin_array(w);
    for (size_t i = 0; i < columns->key_count; i++) {
        json_c(w, columns->items[columns->key[i]].name);
    }
    json_end_array(w);
    json_key(w, "columns");
    json_begin_array(w);
    for (size_t i = 0; i < columns->count; i++) {
        json_begin_object(w);
        json_kv_c(w, "name", columns->items[i].name);
        json_kv_c(w, "type", type_name(columns->items[i].type));
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
    mem_free(columns);
}

enum err_code route_tables(struct request *r, struct reply *reply, struct err *err) {
    (void)err;
    const struct flow *flow = r->server->flow;
    struct json_writer w;
    json_writer_init(&w, &reply->body);
    json_begin_array(&w);
    for (size_t i = 0; i < flow->table_count; i++) {
        write_table(flow, &flow->tables[i], &w);
    }
    json_end_array(&w);
    buf_addc(&reply->body, '\n');
    return ERR_NONE;
}

/* ---- rows ---- */

/* A cell of type json was made by SQL or by hand, and is only JSON when it reads as such. */
static void write_json_cell(struct json_writer *w, struct str text) {
    struct arena arena;
    struct err err = ERR_INIT;
    const struct json_value *value = NULL;
    arena_init(&arena, JSON_CELL_BYTES);
    if (json_parse(text, &arena, &value, &err) == ERR_NONE) {
        json_raw(w, text);
    } else {
        json_str(w, text);
    }
    arena_release(&arena);
}

static void write_cell(const struct request *r, struct json_writer *w, enum column_type type,
                       struct store_statement *st, int column) {
    struct value v = {.type = type, .is_null = store_column_is_null(st, column)};
    if (type_is_integer(type)) {
        v.integer = store_column_i64(st, column);
    } else if (type == TYPE_FLOAT64) {
        v.real = store_column_f64(st, column);
    } else if (!v.is_null) {
        v.bytes = store_column_str(st, column);
    }
    if (type == TYPE_INT64 && r->int64_text && !v.is_null) {
        char text[32];
        (void)snprintf(text, sizeof(text), "%" PRId64, v.integer);
        json_c(w, text);
    } else if (type == TYPE_JSON && !v.is_null) {
        write_json_cell(w, v.bytes);
    } else {
        value_write_json(w, &v);
    }
}

static enum err_code write_row(const struct request *r, const struct table_query *q,
                               struct store_statement *st, struct reply *reply,
                               struct json_writer *w, struct err *err) {
    json_begin_object(w);
    for (size_t i = 0; i < q->selected_count; i++) {
        const struct column *c = &q->columns.items[q->selected[i]];
        const bool has_bytes = !type_is_integer(c->type) && c->type != TYPE_FLOAT64;
        const size_t len = has_bytes ? store_column_str(st, (int)i).len : 0;
        size_t wanted = 0;
        enum err_code code = ERR_NONE;
        if (!size_mul(len, CELL_GROWTH, &wanted) || !size_add(wanted, CELL_EXTRA, &wanted)) {
            wanted = SERVER_RESPONSE_BYTES + 1;
        }
        code = reply_room(reply, wanted, err);
        if (code != ERR_NONE) {
            return code;
        }
        json_key(w, c->name);
        write_cell(r, w, c->type, st, (int)i);
    }
    json_end_object(w);
    return ERR_NONE;
}

static enum err_code write_rows(const struct request *r, const struct table_query *q,
                                struct store_statement *st, struct reply *reply, int64_t *count,
                                struct err *err) {
    struct json_writer w;
    json_writer_init(&w, &reply->body);
    if (!q->is_one) {
        json_begin_array(&w);
    }
    bool has_row = true;
    enum err_code code = ERR_NONE;
    while (code == ERR_NONE) {
        code = store_step(st, &has_row, err);
        if (code != ERR_NONE || !has_row) {
            break;
        }
        code = write_row(r, q, st, reply, &w, err);
        ++*count;
    }
    if (code == ERR_NONE && !q->is_one) {
        json_end_array(&w);
    }
    buf_addc(&reply->body, '\n');
    return code;
}

static enum err_code count_rows(const struct table_query *q, struct store *s, int64_t *out,
                                struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    struct store_statement *st = NULL;
    bool has_row = false;
    table_query_sql(q, true, &sql);
    enum err_code code = store_prepare(s, buf_c(&sql), &st, err);
    if (code == ERR_NONE) {
        table_query_bind(q, true, st);
        code = store_step(st, &has_row, err);
    }
    if (code == ERR_NONE && has_row) {
        *out = store_column_i64(st, 0);
    }
    store_statement_free(st);
    return code;
}

static void write_range(const struct table_query *q, int64_t rows, int64_t total, char out[96]) {
    char all[32] = "*";
    if (total >= 0) {
        (void)snprintf(all, sizeof(all), "%" PRId64, total);
    }
    if (rows > 0) {
        (void)snprintf(out, 96, "%" PRId64 "-%" PRId64 "/%s", q->offset, q->offset + rows - 1, all);
    } else {
        (void)snprintf(out, 96, "*/%s", all);
    }
}

static enum err_code run_query(struct request *r, struct table_query *q, struct reply *reply,
                               struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    struct reader reader = {NULL, 0};
    struct store_statement *st = NULL;
    int64_t rows = 0;
    int64_t total = -1;
    enum err_code code = readers_lend(&r->server->readers, SERVER_QUERY_US, &reader, err);
    if (code == ERR_NONE) {
        q->dialect = store_dialect(reader.store);
        table_query_sql(q, false, &sql);
        code = store_prepare(reader.store, buf_c(&sql), &st, err);
    }
    if (code == ERR_NONE) {
        table_query_bind(q, false, st);
        code = write_rows(r, q, st, reply, &rows, err);
    } else if (code == ERR_INPUT) { /* only the table can be missing: all else is the flow's */
        reply->status = 503;
    }
    store_statement_free(st);
    if (code == ERR_NONE && r->counts && !q->is_one) {
        code = count_rows(q, reader.store, &total, err);
    }
    readers_return(&r->server->readers, &reader);
    if (code == ERR_NONE && q->is_one && rows == 0) {
        return reply_refuse(reply, 404, err, "table '%s' has no row with that key", q->table->name);
    }
    if (code == ERR_NONE && !q->is_one) {
        write_range(q, rows, total, reply->range);
    }
    return code;
}

static enum err_code rows_of(struct request *r, const struct flow_table *t, struct reply *reply,
                             struct err *err) {
    struct arena arena;
    arena_init(&arena, QUERY_ARENA_BYTES);
    struct table_query *q = mem_alloc(sizeof(*q));
    enum err_code code = table_query_parse(t, r->parameters, r->parameter_count, &arena, q, err);
    if (code == ERR_NONE) {
        code = run_query(r, q, reply, err);
    }
    mem_free(q);
    arena_release(&arena);
    return code;
}

enum err_code route_table(struct request *r, struct reply *reply, struct err *err) {
    static const struct str before = {"/api/v1/tables/", 15};
    const struct flow *flow = r->server->flow;
    const struct str rest = {r->path.ptr + before.len, r->path.len - before.len};
    const struct str name = {rest.ptr, str_find(rest, '/')};
    const struct str what = {name.ptr + name.len, rest.len - name.len};
    for (size_t i = 0; i < flow->table_count; i++) {
        const struct flow_table *t = &flow->tables[i];
        if (!str_equal_c(name, t->name)) {
            continue;
        }
        if (str_equal_c(what, "/rows")) {
            return rows_of(r, t, reply, err);
        }
        if (str_equal_c(what, "/trace")) {
            return reply_trace(r, t, reply, err);
        }
        if (what.len == 0) {
            struct json_writer w;
            json_writer_init(&w, &reply->body);
            write_table(flow, t, &w);
            buf_addc(&reply->body, '\n');
            return ERR_NONE;
        }
    }
    return reply_refuse(reply, 404, err,
                        "there is no such table; /api/v1/tables lists them, and "
                        "/api/v1/tables/NAME/rows gives rows, .../trace where one came from");
}

/* ---- the flow ---- */

static void write_source(const struct flow_source *s, struct json_writer *w) {
    json_begin_object(w);
    json_kv_c(w, "source", s->name);
    json_kv_c(w, "type", s->component->name);
    json_key(w, "streams");
    json_begin_array(w);
    for (size_t i = 0; i < s->stream_count; i++) {
        json_begin_object(w);
        json_kv_c(w, "stream", s->streams[i].full_name);
        json_key(w, "columns");
        json_begin_array(w);
        const struct schema *schema = &s->streams[i].spec->schema;
        for (size_t k = 0; k < schema->count; k++) {
            json_begin_object(w);
            json_kv_c(w, "name", schema->columns[k].name);
            json_kv_c(w, "type", type_name(schema->columns[k].type));
            json_end_object(w);
        }
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void write_transform(const struct flow_transform *t, struct json_writer *w) {
    json_begin_object(w);
    json_kv_c(w, "transform", t->name);
    json_kv_c(w, "kind", transform_kind_name(t->kind));
    json_kv_c(w, "source", t->source != NULL ? t->source->name : NULL);
    json_kv_c(w, "stream", t->stream != NULL ? t->stream->full_name : NULL);
    json_key(w, "tables"); /* whose changes it follows */
    json_begin_array(w);
    if (t->from != NULL) {
        json_c(w, t->from->name);
    }
    for (size_t i = 0; i < t->on_count; i++) {
        json_c(w, t->on[i].table->name);
    }
    json_end_array(w);
    json_kv_c(w, "into", t->into->name);
    json_kv_c(w, "sql", t->sql);
    json_kv_c(w, "delete_when", t->delete_when);
    json_end_object(w);
}

enum err_code route_flow(struct request *r, struct reply *reply, struct err *err) {
    (void)err;
    const struct flow *flow = r->server->flow;
    char version[HASH128_HEX_BYTES];
    hash128_to_hex(flow->version, version);
    struct json_writer w;
    json_writer_init(&w, &reply->body);
    json_begin_object(&w);
    json_kv_c(&w, "flow", flow->name);
    json_kv_c(&w, "version", version);
    json_kv_c(&w, "program", r->server->version);
    json_kv_bool(&w, "writes", r->server->write_token != NULL);
    json_key(&w, "sources");
    json_begin_array(&w);
    for (size_t i = 0; i < flow->source_count; i++) {
        write_source(&flow->sources[i], &w);
    }
    json_end_array(&w);
    json_key(&w, "tables");
    json_begin_array(&w);
    for (size_t i = 0; i < flow->table_count; i++) {
        write_table(flow, &flow->tables[i], &w);
    }
    json_end_array(&w);
    json_key(&w, "transforms");
    json_begin_array(&w);
    for (size_t i = 0; i < flow->transform_count; i++) {
        write_transform(&flow->transforms[i], &w);
    }
    json_end_array(&w);
    json_end_object(&w);
    buf_addc(&reply->body, '\n');
    return ERR_NONE;
}
