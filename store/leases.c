/* Leases: who works on what, among several processes on one store.
 *
 * They only keep two from doing the same work: that nothing is done twice is seen to by
 * transactions. The clock is the database's, so those of the machines need not agree. A store in
 * SQLite has one writer, who has every lease. */
#include <string.h>

#include "store/driver.h"

#define NOW "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"

static enum err_code run_for(struct store *s, const char *sql, const struct store_lease *l,
                             int64_t *changes, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(s, sql, &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(l->unit));
        store_bind_str(st, 2, str_of(l->holder));
        if (l->us > 0) {
            store_bind_i64(st, 3, l->us);
        }
        code = store_run(st, changes, err);
    }
    store_statement_free(st);
    return code;
}

enum err_code store_lease_take(struct store *s, const struct store_lease *l, bool *got,
                               struct err *err) {
    ASSERT(l->us > 0);
    *got = true;
    if (store_dialect(s) == STORE_SQLITE) {
        return ERR_NONE;
    }
    int64_t changes = 0;
    enum err_code code =
        run_for(s,
                "INSERT INTO _plumb_leases(unit, holder, until_us) VALUES (?1, ?2, " NOW
                " + ?3) ON CONFLICT(unit) DO UPDATE SET holder = excluded.holder, until_us = "
                "excluded.until_us WHERE _plumb_leases.holder = excluded.holder OR "
                "_plumb_leases.until_us < " NOW,
                l, &changes, err);
    *got = code == ERR_NONE && changes > 0;
    return code;
}

enum err_code store_lease_leave(struct store *s, const struct store_lease *l, struct err *err) {
    if (store_dialect(s) == STORE_SQLITE) {
        return ERR_NONE;
    }
    const struct store_lease plain = {l->unit, l->holder, 0};
    return run_for(s, "DELETE FROM _plumb_leases WHERE unit = ?1 AND holder = ?2", &plain, NULL,
                   err);
}

enum err_code store_lease_count(struct store *s, const char *prefix, int64_t *out,
                                struct err *err) {
    *out = 1;
    if (store_dialect(s) == STORE_SQLITE) {
        return ERR_NONE;
    }
    struct store_statement *st = NULL;
    bool has_row = false;
    enum err_code code = store_prepare(
        s, "SELECT count(*) FROM _plumb_leases WHERE starts_with(unit, ?1) AND until_us >= " NOW,
        &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(prefix));
        code = store_step(st, &has_row, err);
    }
    if (code == ERR_NONE && has_row) {
        *out = store_column_i64(st, 0);
    }
    store_statement_free(st);
    return code;
}

enum err_code store_leases_drop(struct store *s, bool (*is_gone)(const char *holder),
                                struct err *err) {
    if (store_dialect(s) == STORE_SQLITE) {
        return ERR_NONE;
    }
    struct store_statement *list = NULL;
    struct store_statement *drop = NULL;
    bool has_row = true;
    enum err_code code = store_execute(s, "DELETE FROM _plumb_leases WHERE until_us < " NOW, err);
    if (code == ERR_NONE) {
        code = store_prepare(s, "SELECT DISTINCT holder FROM _plumb_leases", &list, err);
    }
    if (code == ERR_NONE) {
        code = store_prepare(s, "DELETE FROM _plumb_leases WHERE holder = ?1", &drop, err);
    }
    while (code == ERR_NONE && has_row) {
        code = store_step(list, &has_row, err);
        if (code == ERR_NONE && has_row) {
            const struct str text = store_column_str(list, 0);
            char *holder = mem_strndup(text.ptr, text.len);
            if (is_gone(holder)) {
                store_bind_str(drop, 1, text);
                code = store_run(drop, NULL, err);
            }
            mem_free(holder);
        }
    }
    store_statement_free(list);
    store_statement_free(drop);
    return code;
}
