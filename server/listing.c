/* How it works: each row of the statement becomes an object; the columns say how a cell is written. */
#include "server/listing.h"

void listing_bind_number(struct listing *l, int64_t number) {
    ASSERT(l->binding_count < LISTING_BINDINGS_MAX);
    l->bindings[l->binding_count++] = (struct listing_binding){.is_number = true, .number = number};
}

void listing_bind_text(struct listing *l, struct str text) {
    ASSERT(l->binding_count < LISTING_BINDINGS_MAX);
    l->bindings[l->binding_count++] = (struct listing_binding){.text = text};
}

enum err_code listing_page(const struct request *r, int64_t *limit, int64_t *before,
                           struct err *err) {
    *limit = LISTING_ROWS;
    *before = INT64_MAX;
    enum err_code code = request_number(r, "limit", 0, LISTING_ROWS_MAX, limit, err);
    return code == ERR_NONE ? request_number(r, "before", 0, INT64_MAX, before, err) : code;
}

static void bind_all(const struct listing *l, struct store_statement *st) {
    for (size_t i = 0; i < l->binding_count; i++) {
        const struct listing_binding *b = &l->bindings[i];
        if (b->is_number) {
            store_bind_i64(st, (int)i + 1, b->number);
        } else if (b->text.ptr != NULL) {
            store_bind_str(st, (int)i + 1, b->text);
        } else {
            store_bind_null(st, (int)i + 1);
        }
    }
}

static void write_judged(const struct listing *l, const char *key, struct str text,
                         struct json_writer *w) {
    char *copy = mem_strndup(text.ptr, text.len);
    json_kv_bool(w, key, l->judge(l->context, copy));
    mem_free(copy);
}

static void write_cell(const struct listing *l, int column, struct store_statement *st,
                       struct json_writer *w) {
    const struct listing_column *c = &l->columns[column];
    if (store_column_is_null(st, column)) {
        json_key(w, c->key);
        json_null(w);
        return;
    }
    switch (c->kind) {
    case LISTING_TEXT:
        json_kv_str(w, c->key, store_column_str(st, column));
        break;
    case LISTING_NUMBER:
        json_kv_i64(w, c->key, store_column_i64(st, column));
        break;
    case LISTING_TIME:
        json_kv_time(w, c->key, store_column_i64(st, column));
        break;
    case LISTING_JUDGED:
        write_judged(l, c->key, store_column_str(st, column), w);
        break;
    }
}

enum err_code listing_write(const struct listing *l, struct store *s, struct reply *reply,
                            struct json_writer *w, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(s, l->sql, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    bind_all(l, st);
    json_begin_array(w);
    bool has_row = true;
    while ((code = store_step(st, &has_row, err)) == ERR_NONE && has_row) {
        ASSERT((size_t)store_column_count(st) == l->column_count);
        json_begin_object(w);
        for (size_t i = 0; i < l->column_count; i++) {
            write_cell(l, (int)i, st, w);
        }
        json_end_object(w);
        code = reply_room(reply, 0, err);
        if (code != ERR_NONE) {
            break;
        }
    }
    json_end_array(w);
    store_statement_free(st);
    return code;
}

enum err_code listing_reply(const struct listing *l, struct request *r, struct reply *reply,
                            struct err *err) {
    struct reader reader = {NULL, 0};
    struct json_writer w;
    json_writer_init(&w, &reply->body);
    enum err_code code = readers_lend(&r->server->readers, SERVER_QUERY_US, &reader, err);
    if (code == ERR_NONE) {
        code = listing_write(l, reader.store, reply, &w, err);
    }
    readers_return(&r->server->readers, &reader);
    buf_addc(&reply->body, '\n');
    return code;
}
