/* Queue tables and triggers: made to measure, compared by their text, dropped with the transform
 * they serve. */
#include <string.h>

#include "store/sqlite/sqlite_store.h"

/* A queue that is made otherwise now is replaced, but never with changes in it. */
static enum err_code refuse_full_queue(struct store *s, const char *name, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "SELECT 1 FROM \"%s\" LIMIT 1", name);
    int64_t one = 0;
    bool found = false;
    enum err_code code = store_get_i64(s, buf_c(&sql), &one, &found, err);
    if (code == ERR_NONE && found) {
        return err_set(
            err, ERR_CONFIG,
            "'%s' was made by another version of plumb and still holds changes; let that version "
            "finish its work (`plumb run --once`), or rebuild with `plumb replay`",
            name);
    }
    return code;
}

enum err_code sqlite_object_ensure(struct store *s, const char *name, const char *ddl,
                                   struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code =
        sqlite_prepare(s, "SELECT type, sql FROM sqlite_schema WHERE name = ?1", &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(name));
    bool exists = false;
    code = sqlite_row(s, stmt, "read schema", &exists, err);
    bool same = code == ERR_NONE && exists && str_equal_c(sqlite_text(stmt, 1), ddl);
    bool is_trigger = code == ERR_NONE && exists && str_equal_c(sqlite_text(stmt, 0), "trigger");
    sqlite3_finalize(stmt);
    if (code == ERR_NONE && exists && !same && !is_trigger) {
        code = refuse_full_queue(s, name, err);
    }
    if (code == ERR_NONE && exists && !same) {
        AUTO_BUF drop = BUF_INIT(BUF_TEXT_MAX);
        buf_addf(&drop, "DROP %s \"%s\"", is_trigger ? "TRIGGER" : "TABLE", name);
        code = store_execute(s, buf_c(&drop), err);
    }
    if (code == ERR_NONE && !same) {
        code = store_execute(s, ddl, err);
    }
    return code != ERR_NONE ? err_wrap(err, "make '%s'", name) : ERR_NONE;
}

static enum err_code collect_absent(struct store *s, struct buf *sql, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code =
        sqlite_prepare(s,
                       "SELECT type, name FROM sqlite_schema WHERE "
                       "type IN ('trigger', 'table') AND (name GLOB '_plumb_q_*' OR "
                       "name GLOB '_plumb_t_*') AND name <> '_plumb_transforms' AND "
                       "name <> '_plumb_troubles'",
                       &stmt, err);
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = sqlite_row(s, stmt, "read schema", &has_row, err);
        if (code != ERR_NONE || !has_row) {
            break;
        }
        const char *type = (const char *)sqlite3_column_text(stmt, 0);
        const char *name = (const char *)sqlite3_column_text(stmt, 1);
        if (!store_object_is_of(s->flow, name)) {
            buf_addf(sql, "DROP %s \"%s\";", strcmp(type, "trigger") == 0 ? "TRIGGER" : "TABLE",
                     name);
        }
    }
    sqlite3_finalize(stmt);
    return code;
}

enum err_code sqlite_objects_forget(struct store *s, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = collect_absent(s, &sql, err);
    return code == ERR_NONE ? store_execute(s, buf_c(&sql), err) : code;
}
