/* A store aside: a schema of its own beside the flow's, "<schema>_aside" or "<schema>_audit", in which
 * tables are made anew while the old ones serve. Unqualified names that it has not are found in the
 * origin, raw records above all.
 *
 * Nothing is kept by a session, so that one process builds aside at a time is seen to by a transaction
 * that does nothing else, on a connection of its own: it holds an advisory lock until it is closed or
 * its process dies. It has no snapshot, so vacuum is not in its way. */
#include <inttypes.h>

#include "store/postgres/catalog.h"
#include "store/postgres/driver.h"
#include "store/postgres/internal.h"

/* ---- one at a time ---- */

enum err_code postgres_guard_take(struct postgres_store *s, const char *schema, struct err *err) {
    const char *unit = s->base.mode == STORE_AUDIT ? "audit" : "rebuild";
    bool is_ours = false;
    enum err_code code = pg_open(s->base.flow->store, "plumb guard", &s->guard, err);
    if (code == ERR_NONE) {
        code = pg_begin(s->guard, err);
    }
    if (code == ERR_NONE) {
        code = pg_execute(s->guard, "SET LOCAL idle_in_transaction_session_timeout = 0", err);
    }
    if (code == ERR_NONE) {
        code = pg_try_lock(s->guard, pg_lock_key(schema, unit), &is_ours, err);
    }
    if (code == ERR_NONE && !is_ours) {
        return err_set(err, ERR_CONFLICT, "store %s: another plumb %s it; wait for it, or stop it",
                       s->base.path,
                       s->base.mode == STORE_AUDIT ? "audits or replays a range of"
                                                   : "replays or repairs");
    }
    return code;
}

/* ---- beginning ---- */

enum err_code postgres_aside_continues(struct store *base, const char *purpose, bool *out,
                                       struct err *err) {
    struct store_statement *st = NULL;
    *out = false;
    char *sql = mem_printf("SELECT 1 FROM \"%s\"._plumb_meta WHERE key = 'purpose' AND value = ?1",
                           postgres_of(base)->pg->schema);
    enum err_code code = store_prepare(base, sql, &st, err);
    mem_free(sql);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(purpose));
        code = store_step(st, out, err);
    }
    store_statement_free(st);
    return code;
}

enum err_code postgres_aside_begin(struct store *base, const char *purpose, struct err *err) {
    static const char *const copied[] = {"_plumb_partitions", "_plumb_batches", "_plumb_streams"};
    const struct pg *pg = postgres_of(base)->pg;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < ARRAY_COUNT(copied); i++) {
        buf_addf(&sql, "INSERT INTO \"%s\".%s SELECT * FROM \"%s\".%s;", pg->schema, copied[i],
                 pg->behind, copied[i]);
    }
    struct store_statement *st = NULL;
    enum err_code code = store_execute(base, buf_c(&sql), err);
    buf_clear(&sql);
    buf_addf(&sql, "INSERT INTO \"%s\"._plumb_meta(key, value) VALUES ('purpose', ?1)", pg->schema);
    if (code == ERR_NONE) {
        code = store_prepare(base, buf_c(&sql), &st, err);
    }
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(purpose));
        code = store_run(st, NULL, err);
    }
    store_statement_free(st);
    return code;
}

enum err_code postgres_aside_keep_rejects(struct store *base, int64_t batch, struct err *err) {
    const struct pg *pg = postgres_of(base)->pg;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql,
             "DELETE FROM \"%s\"._plumb_rejects WHERE batch = %" PRId64 " AND transform = '';"
             "INSERT INTO \"%s\"._plumb_rejects(" POSTGRES_REJECT_COLUMNS
             ") SELECT " POSTGRES_REJECT_COLUMNS
             " FROM \"%s\"._plumb_rejects WHERE batch = %" PRId64 " AND transform = ''",
             pg->schema, batch, pg->schema, pg->behind, batch);
    return store_execute(base, buf_c(&sql), err);
}
