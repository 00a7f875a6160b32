/* How it works: rows are copied one by one, so that their columns become JSON under their names, and
 * then deleted by the same condition. */
#include "store/quarantine.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

static void add_hex(struct buf *out, struct str bytes) {
    buf_adds(out, "0x");
    for (size_t i = 0; i < bytes.len; i++) {
        buf_addf(out, "%02x", (unsigned)(uint8_t)bytes.ptr[i]);
    }
}

/* Every value as text; what is no text, in hexadecimal digits. The frame goes beside it. */
static void write_row(struct store_statement *st, struct buf *out, struct str *content) {
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    for (int i = 0; i < store_column_count(st); i++) {
        const char *name = store_column_name(st, i);
        const struct str value = store_column_str(st, i);
        if (strcmp(name, "frame") == 0) {
            *content = value;
            continue;
        }
        json_key(&w, name);
        if (store_column_is_null(st, i)) {
            json_null(&w);
        } else if (value.len == 0 ||
                   (str_is_utf8(value) && memchr(value.ptr, 0, value.len) == NULL)) {
            json_str(&w, value);
        } else {
            AUTO_BUF hex = BUF_INIT(BUF_TEXT_MAX);
            add_hex(&hex, value);
            json_str(&w, buf_str(&hex));
        }
    }
    json_end_object(&w);
}

static enum err_code keep_row(struct quarantine *q, const char *table, const char *reason,
                              struct store_statement *row, struct store_statement *put,
                              struct err *err) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    struct str content = {NULL, 0};
    write_row(row, &text, &content);
    store_bind_i64(put, 1, q->at_us);
    store_bind_i64(put, 2, q->number++);
    store_bind_str(put, 3, str_of(reason));
    store_bind_str(put, 4, str_of(table));
    store_bind_str(put, 5, buf_str(&text));
    if (content.ptr != NULL) {
        store_bind_blob(put, 6, content);
    } else {
        store_bind_null(put, 6);
    }
    return store_run(put, NULL, err);
}

enum err_code quarantine_move(struct quarantine *q, const char *table, const char *where,
                              const char *reason, int64_t *moved, struct err *err) {
    char *select = mem_printf("SELECT * FROM \"%s\" WHERE %s", table, where);
    char *gone = mem_printf("DELETE FROM \"%s\" WHERE %s", table, where);
    struct store_statement *row = NULL;
    struct store_statement *put = NULL;
    enum err_code code = store_prepare(q->store, select, &row, err);
    if (code == ERR_NONE) {
        code = store_prepare(q->store,
                             "INSERT INTO _plumb_quarantine(at_us, number, reason, of_table, "
                             "\"row\", content) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                             &put, err);
    }
    bool has_row = code == ERR_NONE;
    while (has_row && code == ERR_NONE) {
        code = store_step(row, &has_row, err);
        if (code == ERR_NONE && has_row) {
            code = keep_row(q, table, reason, row, put, err);
            (*moved)++;
        }
    }
    store_statement_free(row);
    store_statement_free(put);
    if (code == ERR_NONE) {
        code = store_execute(q->store, gone, err);
    }
    mem_free(select);
    mem_free(gone);
    return code == ERR_NONE ? ERR_NONE : err_wrap(err, "quarantine of '%s'", table);
}
