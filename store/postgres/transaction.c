/* Transactions. One message begins one and makes its settings, so it costs one round trip; SET LOCAL
 * ends with it, so that a pool in between never hands them to somebody else.
 *
 * A COMMIT whose answer did not come is the one thing that cannot be decided here: it may have
 * happened. Of a transaction that had failed, COMMIT makes a ROLLBACK and says so in its tag. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "store/postgres/internal.h"

enum err_code pg_execute(struct pg *pg, const char *sql, struct err *err) {
    enum err_code code = pg_ready(pg, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (PQsendQuery(pg->conn, sql) == 0) {
        return pg_connection_error(pg, "send", err);
    }
    AUTO_PGRESULT r = NULL;
    code = pg_last_result(pg, &r, err);
    if (code != ERR_NONE) {
        return code;
    }
    switch (PQresultStatus(r)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        return ERR_NONE;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        pg_drain(pg);
        return err_set(err, ERR_INPUT, "COPY needs somebody to copy from");
    case PGRES_FATAL_ERROR:
    case PGRES_BAD_RESPONSE:
    case PGRES_NONFATAL_ERROR:
    case PGRES_SINGLE_TUPLE:
    case PGRES_PIPELINE_SYNC:
    case PGRES_PIPELINE_ABORTED:
        break;
    }
    return pg_result_error(pg, r, &(struct pg_text){sql, 0}, err);
}

static enum err_code begin(struct pg *pg, const char *how, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "BEGIN ISOLATION LEVEL %s;", how);
    if (pg->schema != NULL) {
        buf_addf(&sql, "SET LOCAL search_path = \"%s\"", pg->schema);
        if (pg->behind != NULL) {
            buf_addf(&sql, ", \"%s\"", pg->behind);
        }
        buf_adds(&sql, ", plumb;");
    }
    buf_addf(&sql, "SET LOCAL idle_in_transaction_session_timeout = %d;",
             fault_hurry ? PG_IDLE_MS / 30 : PG_IDLE_MS);
    /* Whoever gave up durability for this database did not mean what plumb acknowledges. */
    buf_adds(&sql, "SELECT set_config('synchronous_commit', 'on', true) WHERE "
                   "current_setting('synchronous_commit') = 'off'");
    return pg_execute(pg, buf_c(&sql), err);
}

enum err_code pg_begin(struct pg *pg, struct err *err) {
    return begin(pg, "READ COMMITTED READ WRITE", err);
}

enum err_code pg_begin_read(struct pg *pg, struct err *err) {
    return begin(pg, "REPEATABLE READ READ ONLY", err);
}

bool pg_in_transaction(const struct pg *pg) {
    const PGTransactionStatusType status = PQtransactionStatus(pg->conn);
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR || status == PQTRANS_ACTIVE;
}

/* Sends COMMIT; from then on a lost connection means that nobody knows. */
static enum err_code commit(struct pg *pg, bool *unknown, struct err *err) {
    if (PQsendQuery(pg->conn, "COMMIT") == 0) {
        return pg_connection_error(pg, "commit", err);
    }
    AUTO_PGRESULT r = NULL;
    enum err_code code = pg_last_result(pg, &r, err);
    if (code == ERR_NONE && PQresultStatus(r) != PGRES_COMMAND_OK) {
        code = pg_result_error(pg, r, NULL, err);
        /* 08007 and 40003 say it themselves; without any code the connection broke. */
        *unknown = err->origin == 0 || err->origin == pg_sqlstate_number("08007") ||
                   err->origin == pg_sqlstate_number("40003") || pg_is_broken(pg);
        return code;
    }
    if (code != ERR_NONE) {
        *unknown = true;
        return code;
    }
    if (strcmp(PQcmdStatus(r), "COMMIT") != 0) {
        return err_set(err, ERR_INTERNAL, "store %s: commit of a transaction that had failed",
                       pg->address.shown);
    }
    return ERR_NONE;
}

enum err_code pg_commit(struct pg *pg, bool *unknown, struct err *err) {
    *unknown = false;
    fault_step("turn.commit.before");
    enum err_code code = pg_ready(pg, err);
    if (code == ERR_NONE) {
        code = commit(pg, unknown, err);
    }
    if (code != ERR_NONE) {
        pg_rollback(pg);
        return *unknown ? err_wrap(err, "commit: outcome unknown") : code;
    }
    fault_step("turn.commit.after");
    if (fault_fails(FAULT_STORE)) { /* the answer got lost; the commit did not */
        *unknown = true;
        return err_set(err, ERR_UNAVAILABLE, "commit: outcome unknown (injected store fault)");
    }
    return ERR_NONE;
}

void pg_rollback(struct pg *pg) {
    if (pg_is_broken(pg) || PQtransactionStatus(pg->conn) == PQTRANS_IDLE) {
        return; /* it went with the connection, or there is none */
    }
    pg_drain(pg);
    /* Also when the deadline is the reason. */
    const int64_t deadline_us = pg->deadline_us;
    bool (*const is_stopping)(void *context) = pg->is_stopping;
    pg->deadline_us = clock_monotonic_us() + PG_CANCEL_WAIT_US;
    pg->is_stopping = NULL;
    struct err unused = ERR_INIT;
    AUTO_PGRESULT r = NULL;
    const bool done = !pg_is_broken(pg) && PQsendQuery(pg->conn, "ROLLBACK") != 0 &&
                      pg_last_result(pg, &r, &unused) == ERR_NONE;
    pg->deadline_us = deadline_us;
    pg->is_stopping = is_stopping;
    pg->given_up = pg->given_up || !done; /* nobody shall write into what is left of it */
}

/* ---- locks ---- */

static enum err_code lock_by(struct pg *pg, const char *function, int64_t key, struct err *err) {
    char *sql = mem_printf("SELECT %s(%" PRId64 ")", function, key);
    enum err_code code = pg_execute(pg, sql, err);
    mem_free(sql);
    return code;
}

enum err_code pg_lock(struct pg *pg, int64_t key, struct err *err) {
    return lock_by(pg, "pg_advisory_xact_lock", key, err);
}

enum err_code pg_lock_shared(struct pg *pg, int64_t key, struct err *err) {
    return lock_by(pg, "pg_advisory_xact_lock_shared", key, err);
}

enum err_code pg_try_lock(struct pg *pg, int64_t key, bool *got, struct err *err) {
    struct pg_statement *st = NULL;
    bool has_row = false;
    enum err_code code = pg_prepare(pg, "SELECT pg_try_advisory_xact_lock(?1)", &st, err);
    if (code == ERR_NONE) {
        pg_bind_i64(st, 1, key);
        code = pg_step(st, &has_row, err);
    }
    *got = code == ERR_NONE && has_row && pg_column_i64(st, 0) != 0;
    pg_statement_free(st);
    return code;
}

/* The parts stand in their order before a lock is tried, and none is tried after enough were got. */
#define TRY_LOCKS                                                                                  \
    "WITH w AS MATERIALIZED (SELECT part FROM generate_series(0, ?2 - 1) AS part "                 \
    "ORDER BY (part - ?4 + ?2) % ?2), got AS MATERIALIZED (SELECT part FROM w WHERE "              \
    "pg_try_advisory_xact_lock(?1 # part) LIMIT ?3) "                                              \
    "SELECT coalesce(bit_or(CAST(1 AS bigint) << CAST(part AS int)), 0) FROM got"

enum err_code pg_try_locks(struct pg *pg, int64_t key, struct store_parts wanted, uint64_t *parts,
                           struct err *err) {
    struct pg_statement *st = NULL;
    bool has_row = false;
    enum err_code code = pg_prepare(pg, TRY_LOCKS, &st, err);
    if (code == ERR_NONE) {
        pg_bind_i64(st, 1, key);
        pg_bind_i64(st, 2, wanted.count);
        pg_bind_i64(st, 3, wanted.most);
        pg_bind_i64(st, 4, wanted.from);
        code = pg_step(st, &has_row, err);
    }
    *parts = code == ERR_NONE && has_row ? (uint64_t)pg_column_i64(st, 0) : 0;
    pg_statement_free(st);
    return code;
}
