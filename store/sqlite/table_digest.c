/* Reads a table and adds its rows to a digest. */
#include "store/digest.h"
#include "store/sqlite/sqlite_store.h"

static enum err_code read_value(sqlite3_stmt *stmt, int column, const struct column *c,
                                struct value *v, struct err *err) {
    *v = (struct value){.type = c->type,
                        .is_null = sqlite3_column_type(stmt, column) == SQLITE_NULL};
    if (v->is_null) {
        return ERR_NONE;
    }
    switch (c->type) {
    case TYPE_INT64:
    case TYPE_BOOL:
    case TYPE_TIMESTAMP:
        v->integer = sqlite3_column_int64(stmt, column);
        return ERR_NONE;
    case TYPE_FLOAT64:
        v->real = sqlite3_column_double(stmt, column);
        return ERR_NONE;
    case TYPE_TEXT:
    case TYPE_JSON:
    case TYPE_BYTES:
    case TYPE_INT256:
        v->bytes = sqlite_text(stmt, column);
        return ERR_NONE;
    }
    return err_set(err, ERR_INTERNAL, "column '%s' has no type", c->name);
}

static enum err_code add_row(sqlite3_stmt *stmt, const struct flow_table *t, struct digest *d,
                             struct err *err) {
    for (size_t i = 0; i < t->schema.count; i++) {
        struct value v;
        enum err_code code = read_value(stmt, (int)i, &t->schema.columns[i], &v, err);
        if (code == ERR_NONE) {
            code = digest_value(d, &v, err);
        }
        if (code != ERR_NONE) {
            return err_wrap(err, "table '%s', column '%s'", t->name, t->schema.columns[i].name);
        }
    }
    digest_end_row(d);
    return ERR_NONE;
}

enum err_code sqlite_table_digest(struct store *s, const struct flow_table *t, char *out,
                                  struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql, "SELECT ");
    for (size_t i = 0; i < t->schema.count; i++) {
        buf_addf(&sql, "%s\"%s\"", i > 0 ? ", " : "", t->schema.columns[i].name);
    }
    buf_addf(&sql, " FROM \"%s\"", t->name);
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_prepare(s, buf_c(&sql), &stmt, err);
    if (code != ERR_NONE) {
        return err_wrap(err, "table '%s'", t->name);
    }
    struct digest d;
    digest_init(&d);
    bool has_row = false;
    while ((code = sqlite_row(s, stmt, "read table", &has_row, err)) == ERR_NONE && has_row) {
        code = add_row(stmt, t, &d, err);
        if (code != ERR_NONE) {
            break;
        }
    }
    if (code == ERR_NONE) {
        digest_text(&d, out);
    }
    digest_release(&d);
    sqlite3_finalize(stmt);
    return code;
}
