/* SQLite as a driver of the store: statements, work tables, and the table of it all. */
#include <string.h>

#include "store/sqlite/sqlite_store.h"

static sqlite3_stmt *stmt_of(const struct store_statement *st) {
    return ((const struct sqlite_statement *)st)->stmt;
}

static enum err_code sqlite_statement_make(struct store *s, const char *sql,
                                           struct store_statement **out, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_prepare(s, sql, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    struct sqlite_statement *st = mem_alloc(sizeof(*st));
    st->base.store = s;
    st->stmt = stmt;
    *out = &st->base;
    return ERR_NONE;
}

static void sqlite_statement_free(struct store_statement *st) {
    sqlite3_finalize(stmt_of(st));
    mem_free(st);
}

static void sqlite_bind_i64(struct store_statement *st, int index, int64_t v) {
    sqlite3_bind_int64(stmt_of(st), index, v);
}

static void sqlite_bind_str(struct store_statement *st, int index, struct str v) {
    sqlite_bind(stmt_of(st), index, v);
}

static void sqlite_bind_blob(struct store_statement *st, int index, struct str v) {
    sqlite3_bind_blob64(stmt_of(st), index, v.ptr != NULL ? v.ptr : "", v.len, SQLITE_STATIC);
}

static void sqlite_bind_f64(struct store_statement *st, int index, double v) {
    sqlite3_bind_double(stmt_of(st), index, v);
}

static void sqlite_bind_null(struct store_statement *st, int index) {
    sqlite3_bind_null(stmt_of(st), index);
}

static enum err_code sqlite_run(struct store_statement *st, int64_t *changes, struct err *err) {
    enum err_code code = sqlite_finish(st->store, stmt_of(st), NULL, err);
    if (code == ERR_NONE && changes != NULL) {
        *changes = sqlite3_changes64(sqlite_of(st->store)->db);
    }
    return code;
}

static enum err_code sqlite_step(struct store_statement *st, bool *has_row, struct err *err) {
    enum err_code code = sqlite_row(st->store, stmt_of(st), NULL, has_row, err);
    if (code != ERR_NONE || !*has_row) {
        sqlite3_reset(stmt_of(st));
    }
    return code;
}

static void sqlite_clear(struct store_statement *st) {
    sqlite3_clear_bindings(stmt_of(st));
}

static void sqlite_reset(struct store_statement *st) {
    sqlite3_reset(stmt_of(st));
}

static int sqlite_column_count(const struct store_statement *st) {
    return sqlite3_column_count(stmt_of(st));
}

static const char *sqlite_column_name(const struct store_statement *st, int column) {
    return sqlite3_column_name(stmt_of(st), column);
}

static int64_t sqlite_column_i64(struct store_statement *st, int column) {
    return sqlite3_column_int64(stmt_of(st), column);
}

static double sqlite_column_f64(struct store_statement *st, int column) {
    return sqlite3_column_double(stmt_of(st), column);
}

static struct str sqlite_column_str(struct store_statement *st, int column) {
    return sqlite_text(stmt_of(st), column);
}

static bool sqlite_column_is_null(struct store_statement *st, int column) {
    return sqlite3_column_type(stmt_of(st), column) == SQLITE_NULL;
}

static enum err_code sqlite_execute(struct store *s, const char *sql, struct err *err) {
    const char *rest = sql;
    while (rest != NULL && rest[strspn(rest, " \t\r\n;")] != '\0') {
        sqlite3_stmt *stmt = NULL;
        if (sqlite3_prepare_v2(sqlite_of(s)->db, rest, -1, &stmt, &rest) != SQLITE_OK) {
            return sqlite_error(s, err, "prepare");
        }
        enum err_code code = stmt != NULL ? sqlite_finish(s, stmt, "execute", err) : ERR_NONE;
        sqlite3_finalize(stmt);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

static enum err_code begin_read(struct store *s, struct err *err) {
    return store_execute(s, "BEGIN", err);
}

static enum err_code claim(struct store *s, const char *unit, bool wait, bool *got,
                           struct err *err) {
    (void)s;
    (void)unit;
    (void)wait;
    (void)err;
    *got = true;
    return ERR_NONE;
}

static enum err_code claim_parts(struct store *s, const char *unit, struct store_parts wanted,
                                 uint64_t *parts, struct err *err) {
    (void)s;
    (void)unit;
    (void)err;
    *parts = UINT64_MAX >> (64 - wanted.count);
    return ERR_NONE;
}

/* One row is in memory, always. */
static void chunks(struct store_statement *st, int rows) {
    (void)st;
    (void)rows;
}

static enum err_code work_make(struct store *s, const char *name, const char *columns, bool keyed,
                               struct err *err) {
    char *sql = mem_printf("CREATE TEMP TABLE \"%s\"(%s) STRICT%s", name, columns,
                           keyed ? ", WITHOUT ROWID" : "");
    enum err_code code = store_execute(s, sql, err);
    mem_free(sql);
    return code;
}

static enum err_code work_empty(struct store *s, const char *name, struct err *err) {
    char *sql = mem_printf("DELETE FROM temp.\"%s\"", name);
    enum err_code code = store_execute(s, sql, err);
    mem_free(sql);
    return code;
}

const struct store_driver sqlite_driver = {
    .name = "sqlite",
    .scheme = "sqlite:",
    .dialect = STORE_SQLITE,
    .open = sqlite_store_open,
    .close = sqlite_store_close,
    .exists = sqlite_exists,
    .aside_remove = sqlite_aside_remove,
    .begin = sqlite_begin,
    .begin_read = begin_read,
    .begin_shared = sqlite_begin,
    .claim = claim,
    .claim_parts = claim_parts,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .savepoint = sqlite_savepoint,
    .release = sqlite_release,
    .undo = sqlite_undo,
    .deadline = sqlite_deadline,
    .read_reversed = sqlite_read_reversed,
    .prepare = sqlite_statement_make,
    .statement_free = sqlite_statement_free,
    .bind_i64 = sqlite_bind_i64,
    .bind_str = sqlite_bind_str,
    .bind_blob = sqlite_bind_blob,
    .bind_f64 = sqlite_bind_f64,
    .bind_null = sqlite_bind_null,
    .clear = sqlite_clear,
    .run = sqlite_run,
    .step = sqlite_step,
    .reset = sqlite_reset,
    .chunks = chunks,
    .column_count = sqlite_column_count,
    .column_name = sqlite_column_name,
    .column_i64 = sqlite_column_i64,
    .column_f64 = sqlite_column_f64,
    .column_str = sqlite_column_str,
    .column_is_null = sqlite_column_is_null,
    .execute = sqlite_execute,
    .present = sqlite_present,
    .present_at = sqlite_present_at,
    .ticks = sqlite_ticks,
    .ticks_reset = sqlite_ticks_reset,
    .work_make = work_make,
    .work_empty = work_empty,
    .object_ensure = sqlite_object_ensure,
    .objects_forget = sqlite_objects_forget,
    .table_compare = sqlite_table_compare,
    .index_exists = sqlite_index_exists,
    .table_digest = sqlite_table_digest,
    .sql_type = sqlite_sql_type,
    .analyse = sqlite_analyse,
    .aside_continues = sqlite_aside_continues,
    .aside_begin = sqlite_aside_begin,
    .aside_keep_rejects = sqlite_aside_keep_rejects,
    .swap = sqlite_swap,
};
