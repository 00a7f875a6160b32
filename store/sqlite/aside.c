/* A store aside: a database of its own beside the flow's, in which tables are made anew while the old
 * ones serve.
 *
 * It has tables of its own for what the rebuild writes (the flow's affected tables, queues, marks,
 * ledger, rejects, definitions) and copies of what is small (partitions, batches). Everything else,
 * raw records above all, is read from the attached origin: SQLite finds an unqualified name there
 * when the database itself has none. */
#include "store/sqlite/sqlite_store.h"

enum err_code sqlite_aside_continues(struct store *s, const char *purpose, bool *out,
                                     struct err *err) {
    sqlite3_stmt *stmt = NULL;
    *out = false;
    enum err_code code = sqlite_prepare(
        s, "SELECT 1 FROM main._plumb_meta WHERE key = 'purpose' AND value = ?1", &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(purpose));
    code = sqlite_row(s, stmt, "read purpose", out, err);
    sqlite3_finalize(stmt);
    return code;
}

enum err_code sqlite_aside_keep_rejects(struct store *s, int64_t batch, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    static const char columns[] =
        "batch, pos, transform, reason, column_name, byte_offset, message, version, created_us, "
        "taken_back_by, discarded_us, discarded_because, discarded_by";
    buf_addf(&sql,
             "DELETE FROM main._plumb_rejects WHERE batch = %lld AND transform = '';"
             "INSERT INTO main._plumb_rejects(%s) SELECT %s FROM " STORE_ORIGIN
             "._plumb_rejects WHERE batch = %lld AND transform = ''",
             (long long)batch, columns, columns, (long long)batch);
    return store_execute(s, buf_c(&sql), err);
}

enum err_code sqlite_aside_begin(struct store *s, const char *purpose, struct err *err) {
    static const char copies[] =
        "INSERT INTO main._plumb_partitions SELECT * FROM " STORE_ORIGIN "._plumb_partitions;"
        "INSERT INTO main._plumb_batches SELECT * FROM " STORE_ORIGIN "._plumb_batches;"
        "INSERT INTO main._plumb_streams SELECT * FROM " STORE_ORIGIN "._plumb_streams;";
    enum err_code code = store_execute(s, copies, err);
    sqlite3_stmt *stmt = NULL;
    if (code == ERR_NONE) {
        code = sqlite_prepare(s, "INSERT INTO main._plumb_meta VALUES ('purpose', ?1)", &stmt, err);
    }
    if (code == ERR_NONE) {
        sqlite_bind(stmt, 1, str_of(purpose));
        code = sqlite_finish(s, stmt, "note purpose", err);
    }
    sqlite3_finalize(stmt);
    return code;
}
