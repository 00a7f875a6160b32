/* SQLite's statements as this folder uses them, transactions, and what its result codes mean for the
 * engine. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "store/sqlite/sqlite_store.h"

static const char *const control_sql[CONTROL_COUNT] = {
    [CONTROL_BEGIN] = "BEGIN IMMEDIATE",     [CONTROL_COMMIT] = "COMMIT",
    [CONTROL_SAVEPOINT] = "SAVEPOINT stage", [CONTROL_RELEASE] = "RELEASE stage",
    [CONTROL_UNDO] = "ROLLBACK TO stage",
};

static enum err_code class_of(int rc) {
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
        return ERR_UNAVAILABLE;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
        return ERR_LIMIT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return ERR_CORRUPT;
    case SQLITE_INTERRUPT:
        return ERR_CANCELLED;
    case SQLITE_MISUSE:
        return ERR_INTERNAL;
    default:
        return ERR_INPUT; /* constraint, type, a function's error, too big */
    }
}

/* Everything that ends a command tells which file it is about and what to do about it. */
static void tell_store(struct store *s, struct err *err, enum err_code class, int rc,
                       const char *said) {
    const char *path = s->path != NULL && s->path[0] != '\0' ? s->path : "in memory";
    const bool is_system = sqlite_of(s)->db != NULL && (rc & 0xff) == SQLITE_IOERR;
    const int system = is_system ? sqlite3_system_errno(sqlite_of(s)->db) : 0;
    if ((rc & 0xff) == SQLITE_FULL || system == ENOSPC || system == EDQUOT) {
        err_set(err, ERR_LIMIT,
                "store '%s': its disk is full (%s): free space and run again; nothing is lost",
                path, said);
    } else if ((rc & 0xff) == SQLITE_NOTADB) {
        err_set(err, class,
                "store '%s' is not a SQLite database, or its beginning is destroyed (%s): name "
                "another file under `store`, or put a backup of this one back",
                path, said);
    } else if (class == ERR_CORRUPT) {
        err_set(err, class,
                "store '%s' is damaged (%s): put a backup back, or move it away and run again from "
                "the sources; `sqlite3 FILE .recover` saves what can still be read",
                path, said);
    } else if ((rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_PERM ||
               (rc & 0xff) == SQLITE_READONLY || system == EACCES) {
        err_set(err, class,
                "store '%s' (%s): is its directory there, and may this user write to both?", path,
                said);
    } else {
        err_set(err, class, "store '%s' (SQLite code %d): %s", path, rc, said);
    }
}

enum err_code sqlite_error(struct store *s, struct err *err, const char *what) {
    const int rc =
        sqlite_of(s)->db != NULL ? sqlite3_extended_errcode(sqlite_of(s)->db) : SQLITE_NOMEM;
    const enum err_code class = class_of(rc);
    const char *message =
        sqlite_of(s)->db != NULL ? sqlite3_errmsg(sqlite_of(s)->db) : "out of memory";
    char said[ERR_MESSAGE_BYTES];
    (void)snprintf(said, sizeof(said), "%s%s%s", what != NULL ? what : "", what != NULL ? ": " : "",
                   message);
    if (class == ERR_UNAVAILABLE || class == ERR_LIMIT || class == ERR_CORRUPT) {
        tell_store(s, err, class, rc, said);
    } else {
        err_set(err, class, "%s", said);
    }
    err->origin = rc;
    return err->code;
}

enum err_code sqlite_prepare(struct store *s, const char *sql, sqlite3_stmt **out,
                             struct err *err) {
    if (sqlite3_prepare_v3(sqlite_of(s)->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) !=
        SQLITE_OK) {
        return sqlite_error(s, err, "prepare");
    }
    return ERR_NONE;
}

enum err_code sqlite_row(struct store *s, sqlite3_stmt *stmt, const char *what, bool *has_row,
                         struct err *err) {
    bool injected = fault_fails(FAULT_STORE);
    int rc = injected ? SQLITE_IOERR : sqlite3_step(stmt);
    *has_row = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        return ERR_NONE;
    }
    if (injected) { /* SQLite knows nothing of it and would tell of an earlier call */
        err_set(err, ERR_UNAVAILABLE, "%s: injected store fault", what != NULL ? what : "SQL");
    } else {
        sqlite_error(s, err, what);
    }
    sqlite3_reset(stmt);
    return err->code != ERR_NONE
               ? err->code
               : err_set(err, ERR_UNAVAILABLE, "%s: store fault", what != NULL ? what : "SQL");
}

enum err_code sqlite_finish(struct store *s, sqlite3_stmt *stmt, const char *what,
                            struct err *err) {
    bool has_row = true;
    enum err_code code = ERR_NONE;
    while (code == ERR_NONE && has_row) {
        code = sqlite_row(s, stmt, what, &has_row, err);
    }
    sqlite3_reset(stmt);
    return code;
}

struct str sqlite_text(sqlite3_stmt *stmt, int column) {
    const void *bytes = sqlite3_column_blob(stmt, column);
    return (struct str){bytes, (size_t)sqlite3_column_bytes(stmt, column)};
}

void sqlite_bind(sqlite3_stmt *stmt, int index, struct str text) {
    sqlite3_bind_text64(stmt, index, text.ptr != NULL ? text.ptr : "", text.len, SQLITE_STATIC,
                        SQLITE_UTF8);
}

static enum err_code run_control(struct store *s, enum control which, const char *what,
                                 struct err *err) {
    sqlite3_stmt **stmt = &sqlite_of(s)->control[which];
    enum err_code code =
        *stmt == NULL ? sqlite_prepare(s, control_sql[which], stmt, err) : ERR_NONE;
    return code != ERR_NONE ? code : sqlite_finish(s, *stmt, what, err);
}

enum err_code sqlite_begin(struct store *s, struct err *err) {
    return run_control(s, CONTROL_BEGIN, "begin", err);
}

enum err_code sqlite_commit(struct store *s, struct err *err) {
    fault_step("turn.commit.before");
    enum err_code code = run_control(s, CONTROL_COMMIT, "commit", err);
    if (code != ERR_NONE) {
        store_rollback(s);
        return code;
    }
    fault_step("turn.commit.after");
    if (fault_fails(FAULT_STORE)) { /* the answer got lost; the commit did not */
        return err_set(err, ERR_UNAVAILABLE, "commit: outcome unknown (injected store fault)");
    }
    return ERR_NONE;
}

void sqlite_rollback(struct store *s) {
    if (sqlite3_get_autocommit(sqlite_of(s)->db) == 0) {
        /* If even this fails the transaction ends with the connection; nothing of it is durable. */
        (void)sqlite3_exec(sqlite_of(s)->db, "ROLLBACK", NULL, NULL, NULL);
    }
}

enum err_code sqlite_savepoint(struct store *s, struct err *err) {
    return run_control(s, CONTROL_SAVEPOINT, "savepoint", err);
}

enum err_code sqlite_release(struct store *s, struct err *err) {
    return run_control(s, CONTROL_RELEASE, "release savepoint", err);
}

enum err_code sqlite_undo(struct store *s, struct err *err) {
    if (sqlite3_get_autocommit(sqlite_of(s)->db) != 0) {
        /* With it went the savepoint; whatever ran now would commit by itself. */
        return err_set(err, ERR_UNAVAILABLE,
                       "store: SQLite rolled the whole transaction back after an error");
    }
    enum err_code code = run_control(s, CONTROL_UNDO, "roll back to savepoint", err);
    return code != ERR_NONE ? code : store_release(s, err);
}
