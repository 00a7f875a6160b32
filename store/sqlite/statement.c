/* Statements, transactions and what SQLite's result codes mean for the engine. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "store/sqlite/sqlite_store.h"

static const char *const fixed_sql[FIXED_COUNT] = {
    [FIXED_BEGIN] = "BEGIN IMMEDIATE",
    [FIXED_COMMIT] = "COMMIT",
    [FIXED_ROLLBACK] = "ROLLBACK",
    [FIXED_SAVEPOINT] = "SAVEPOINT stage",
    [FIXED_RELEASE] = "RELEASE stage",
    [FIXED_UNDO] = "ROLLBACK TO stage",
    [FIXED_PARTITION_GET] = "SELECT id, last_seq, records, settled FROM _plumb_partitions WHERE "
                            "source = ?1 AND name = ?2",
    [FIXED_PARTITION_ADD] =
        "INSERT INTO _plumb_partitions(source, name, last_seq, records, updated_us) "
        "VALUES (?1, ?2, 0, 0, ?3)",
    [FIXED_PARTITION_MOVE] =
        "UPDATE _plumb_partitions SET cursor = ?2, last_seq = ?3, records = ?4, "
        "settled = coalesce(?6, settled), updated_us = ?5 WHERE id = ?1",
    [FIXED_BATCH_ADD] =
        "INSERT INTO _plumb_batches(partition, seq, first_record, records, decoded, rejected, "
        "raw_bytes, hash, cursor, staged_us, taken_back) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
        "?9, "
        "?10, ?11)",
    [FIXED_FRAME_ADD] = "INSERT INTO _plumb_frames(batch, frame) VALUES (?1, ?2)",
    [FIXED_BATCH_GET] = "SELECT b.id, b.first_record, b.decoded, b.rejected, b.raw_bytes, b.hash, "
                        "f.frame, b.records, "
                        "b.taken_back "
                        "FROM _plumb_batches b LEFT JOIN _plumb_frames f ON f.batch = b.id "
                        "WHERE b.partition = ?1 AND b.seq = ?2",
    [FIXED_LIVE_BEFORE] =
        "SELECT seq, first_record, records, taken_back FROM _plumb_batches WHERE partition = ?1 "
        "AND seq = ?2",
    [FIXED_COVERAGE_CUT] = "DELETE FROM _plumb_coverage WHERE partition = ?1 AND low >= ?2",
    [FIXED_COVERAGE_TRIM] = "UPDATE _plumb_coverage SET high = ?2 - 1, records = ?3 - first_record "
                            "WHERE partition = ?1 AND low = (SELECT max(low) "
                            "FROM _plumb_coverage WHERE partition = ?1) AND high >= ?2",
    [FIXED_COVERAGE_EXTEND] =
        "UPDATE _plumb_coverage SET high = ?3, records = records + ?4, batch_seq = ?7, updated_us "
        "= ?8 WHERE partition = ?1 AND low = (SELECT max(low) FROM _plumb_coverage WHERE partition "
        "= ?1) AND high = ?2 - 1 AND how = ?5 AND origin = ?6 AND ?3 - low < ?9",
    [FIXED_COVERAGE_ADD] =
        "INSERT INTO _plumb_coverage(partition, low, high, records, how, origin, batch_seq, "
        "updated_us, first_record) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO "
        "UPDATE SET high = "
        "excluded.high, records = excluded.records, how = excluded.how, origin = excluded.origin, "
        "batch_seq = excluded.batch_seq, updated_us = excluded.updated_us, first_record = "
        "excluded.first_record",
    [FIXED_NOTES_CUT] = "DELETE FROM _plumb_notes WHERE partition = ?1 AND record >= ?2",
    [FIXED_NOTE_ADD] = "INSERT INTO _plumb_notes(partition, record, note) VALUES (?1, ?2, ?3)",
    [FIXED_FACTS_SET] = "INSERT INTO _plumb_facts(source, facts, updated_us) VALUES (?1, ?2, ?3) "
                        "ON CONFLICT DO UPDATE SET facts = excluded.facts, updated_us = "
                        "excluded.updated_us",
    [FIXED_STREAM_SET] =
        "INSERT INTO _plumb_streams(batch, stream, records) VALUES (?1, ?2, ?3) ON CONFLICT DO "
        "UPDATE SET records = excluded.records",
    [FIXED_REJECTS_TAKE_BACK] =
        "UPDATE _plumb_rejects AS r SET taken_back_by = ?5 FROM (SELECT id, first_record FROM "
        "_plumb_batches WHERE partition = ?1 AND seq = ?2) AS b WHERE r.batch = b.id AND r.pos >= "
        "?3 - b.first_record AND r.pos < ?4 - b.first_record",
    [FIXED_MARK_GET] = "SELECT seq FROM _plumb_marks WHERE transform = ?1 AND partition = ?2",
    [FIXED_MARK_SET] =
        "INSERT INTO _plumb_marks(transform, partition, seq, updated_us) VALUES (?1, ?2, ?3, ?4) "
        "ON CONFLICT DO UPDATE SET seq = excluded.seq, updated_us = excluded.updated_us",
    [FIXED_LEDGER_ADD] =
        "INSERT INTO _plumb_ledger(batch, transform, rows_in, records_out, rows_out, filtered, "
        "rejected, "
        "inserted, updated, unchanged, deleted, superseded, taken_back, duration_us, version, "
        "applied_us) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    [FIXED_REJECT_ADD] =
        "INSERT INTO _plumb_rejects(batch, pos, transform, reason, column_name, byte_offset, "
        "message, version, "
        "created_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) "
        "ON CONFLICT(batch, pos, transform) DO UPDATE SET reason = excluded.reason, "
        "column_name = excluded.column_name, byte_offset = excluded.byte_offset, message = "
        "excluded.message, "
        "version = excluded.version, "
        /* what a person decided holds for this reason only */
        "discarded_us = CASE WHEN reason = excluded.reason THEN discarded_us END, "
        "discarded_because = CASE WHEN reason = excluded.reason THEN discarded_because END, "
        "discarded_by = CASE WHEN reason = excluded.reason THEN discarded_by END",
    [FIXED_FIELD_GET] = "SELECT kinds FROM _plumb_fields WHERE source = ?1 AND path = ?2",
    [FIXED_FIELD_SET] = "INSERT INTO _plumb_fields(source, path, declared, kinds, records, "
                        "first_batch, last_batch) "
                        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT DO UPDATE SET kinds = "
                        "(CASE WHEN excluded.records > 0 THEN kinds & ~128 ELSE kinds END) | "
                        "excluded.kinds, " /* 128: FIELD_MISSING of ledger.c */
                        "records = records + excluded.records, last_batch = excluded.last_batch",
    [FIXED_EVENT_ADD] =
        "INSERT INTO _plumb_schema_events(source, path, event, detail, batch, at_us) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [FIXED_TROUBLE_SET] =
        "INSERT INTO _plumb_troubles(source, partition, class, place, message, attempts, since_us, "
        "last_us) "
        "VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6) ON CONFLICT DO UPDATE SET class = excluded.class, "
        "place = excluded.place, message = excluded.message, attempts = attempts + 1, last_us = "
        "excluded.last_us",
    [FIXED_TROUBLE_CLEAR] = "DELETE FROM _plumb_troubles WHERE source = ?1 AND partition = ?2",
    [FIXED_STATE_OK] =
        "UPDATE _plumb_transforms SET attempts = 0, class = NULL, message = NULL, since_us = NULL "
        "WHERE name = ?1 AND attempts > 0",
    [FIXED_STATE_FAILED] =
        "UPDATE _plumb_transforms SET attempts = attempts + 1, class = ?2, message = ?3, "
        "since_us = coalesce(since_us, ?4) WHERE name = ?1",
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
static void tell_store(const struct store *s, struct err *err, enum err_code class, int rc,
                       const char *said) {
    const char *path = s->path != NULL && s->path[0] != '\0' ? s->path : "in memory";
    const bool is_system = s->db != NULL && (rc & 0xff) == SQLITE_IOERR;
    const int system = is_system ? sqlite3_system_errno(s->db) : 0;
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
    const int rc = s->db != NULL ? sqlite3_extended_errcode(s->db) : SQLITE_NOMEM;
    const enum err_code class = class_of(rc);
    const char *message = s->db != NULL ? sqlite3_errmsg(s->db) : "out of memory";
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
    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK) {
        return sqlite_error(s, err, "prepare");
    }
    return ERR_NONE;
}

enum err_code sqlite_fixed(struct store *s, enum fixed_statement which, sqlite3_stmt **out,
                           struct err *err) {
    if (s->fixed[which] == NULL) {
        enum err_code code = sqlite_prepare(s, fixed_sql[which], &s->fixed[which], err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    *out = s->fixed[which];
    sqlite3_reset(*out);
    sqlite3_clear_bindings(*out);
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

static enum err_code run_fixed(struct store *s, enum fixed_statement which, const char *what,
                               struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, which, &stmt, err);
    return code != ERR_NONE ? code : sqlite_finish(s, stmt, what, err);
}

enum err_code store_begin(struct store *s, struct err *err) {
    return run_fixed(s, FIXED_BEGIN, "begin", err);
}

enum err_code store_commit(struct store *s, struct err *err) {
    fault_step("turn.commit.before");
    enum err_code code = run_fixed(s, FIXED_COMMIT, "commit", err);
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

void store_rollback(struct store *s) {
    if (sqlite3_get_autocommit(s->db) == 0) {
        /* If even this fails the transaction ends with the connection; nothing of it is durable. */
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    }
}

enum err_code store_savepoint(struct store *s, struct err *err) {
    return run_fixed(s, FIXED_SAVEPOINT, "savepoint", err);
}

enum err_code store_release(struct store *s, struct err *err) {
    return run_fixed(s, FIXED_RELEASE, "release savepoint", err);
}

enum err_code store_undo(struct store *s, struct err *err) {
    if (sqlite3_get_autocommit(s->db) != 0) {
        /* With it went the savepoint; whatever ran now would commit by itself. */
        return err_set(err, ERR_UNAVAILABLE,
                       "store: SQLite rolled the whole transaction back after an error");
    }
    enum err_code code = run_fixed(s, FIXED_UNDO, "roll back to savepoint", err);
    return code != ERR_NONE ? code : store_release(s, err);
}

enum err_code store_prepare(struct store *s, const char *sql, struct store_statement **out,
                            struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_prepare(s, sql, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    struct store_statement *st = mem_alloc(sizeof(*st));
    st->store = s;
    st->stmt = stmt;
    *out = st;
    return ERR_NONE;
}

void store_statement_free(struct store_statement *st) {
    if (st != NULL) {
        sqlite3_finalize(st->stmt);
        mem_free(st);
    }
}

void store_bind_i64(struct store_statement *st, int index, int64_t v) {
    sqlite3_bind_int64(st->stmt, index, v);
}

void store_bind_str(struct store_statement *st, int index, struct str v) {
    sqlite_bind(st->stmt, index, v);
}

void store_bind_blob(struct store_statement *st, int index, struct str v) {
    sqlite3_bind_blob64(st->stmt, index, v.ptr != NULL ? v.ptr : "", v.len, SQLITE_STATIC);
}

void store_bind_f64(struct store_statement *st, int index, double v) {
    sqlite3_bind_double(st->stmt, index, v);
}

void store_bind_null(struct store_statement *st, int index) {
    sqlite3_bind_null(st->stmt, index);
}

enum err_code store_run(struct store_statement *st, int64_t *changes, struct err *err) {
    enum err_code code = sqlite_finish(st->store, st->stmt, NULL, err);
    if (code == ERR_NONE && changes != NULL) {
        *changes = sqlite3_changes64(st->store->db);
    }
    return code;
}

enum err_code store_step(struct store_statement *st, bool *has_row, struct err *err) {
    enum err_code code = sqlite_row(st->store, st->stmt, NULL, has_row, err);
    if (code != ERR_NONE || !*has_row) {
        sqlite3_reset(st->stmt);
    }
    return code;
}

void store_reset(struct store_statement *st) {
    sqlite3_reset(st->stmt);
}

int store_column_count(const struct store_statement *st) {
    return sqlite3_column_count(st->stmt);
}

const char *store_column_name(const struct store_statement *st, int column) {
    return sqlite3_column_name(st->stmt, column);
}

int64_t store_column_i64(struct store_statement *st, int column) {
    return sqlite3_column_int64(st->stmt, column);
}

double store_column_f64(struct store_statement *st, int column) {
    return sqlite3_column_double(st->stmt, column);
}

struct str store_column_str(struct store_statement *st, int column) {
    return sqlite_text(st->stmt, column);
}

bool store_column_is_null(struct store_statement *st, int column) {
    return sqlite3_column_type(st->stmt, column) == SQLITE_NULL;
}

enum err_code store_execute(struct store *s, const char *sql, struct err *err) {
    const char *rest = sql;
    while (rest != NULL && rest[strspn(rest, " \t\r\n;")] != '\0') {
        sqlite3_stmt *stmt = NULL;
        if (sqlite3_prepare_v2(s->db, rest, -1, &stmt, &rest) != SQLITE_OK) {
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

enum err_code store_get_i64(struct store *s, const char *sql, int64_t *out, bool *found,
                            struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_prepare(s, sql, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    code = sqlite_row(s, stmt, "query", found, err);
    if (code == ERR_NONE && *found) {
        *found = sqlite3_column_type(stmt, 0) != SQLITE_NULL;
        *out = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    return code;
}
