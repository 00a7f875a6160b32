/* functions.sql, cells.sql and dialect.sql, which cmake/text.cmake makes into bytes, are run whole in one transaction. The version
 * is a function of its own, made last: whoever finds it finds all. Several processes may come at once,
 * so they take turns behind an advisory lock of the transaction. A newer version stays: functions are
 * only ever added or mended. */
#include "store/postgres/functions_sql.h"
#include "store/postgres/postgres.h"

/* "plumbfn" in the hall of advisory locks. */
#define LOCK INT64_C(31647264212770414)
/* The number stands in the comment, too: it can be asked for where the function is not there. */
#define STAMP                                                                                      \
    "CREATE OR REPLACE FUNCTION plumb._plumb_version() RETURNS bigint LANGUAGE plpgsql IMMUTABLE " \
    "AS $f$ BEGIN RETURN %d; END $f$; COMMENT ON FUNCTION plumb._plumb_version() IS '%d'"

static enum err_code version_get(struct pg *pg, int64_t *out, struct err *err) {
    struct pg_statement *st = NULL;
    *out = 0;
    enum err_code code = pg_prepare(
        pg,
        "SELECT CAST(obj_description(p.oid, 'pg_proc') AS bigint) FROM pg_proc p WHERE p.oid = "
        "to_regprocedure('plumb._plumb_version()')",
        &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    bool has_row = false;
    code = pg_step(st, &has_row, err);
    if (code == ERR_NONE && has_row) {
        *out = pg_column_i64(st, 0);
    }
    pg_statement_free(st);
    return code;
}

static enum err_code install(struct pg *pg, struct err *err) {
    int64_t version = 0;
    enum err_code code = pg_lock(pg, LOCK, err);
    if (code == ERR_NONE) {
        code = version_get(pg, &version, err); /* somebody may have been faster */
    }
    if (code != ERR_NONE || version >= PG_FUNCTIONS_VERSION) {
        return code;
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addstr(&sql, (struct str){(const char *)pg_functions_sql, pg_functions_sql_size});
    buf_addf(&sql, STAMP, PG_FUNCTIONS_VERSION, PG_FUNCTIONS_VERSION);
    code = pg_execute(pg, buf_c(&sql), err);
    if (code == ERR_CONFIG) {
        return err_wrap(
            err, "schema 'plumb' with plumb's SQL functions cannot be made by this user: let the "
                 "owner of the database run plumb once, or GRANT CREATE ON DATABASE ...");
    }
    return code;
}

enum err_code pg_functions_install(struct pg *pg, struct err *err) {
    int64_t version = 0;
    enum err_code code = version_get(pg, &version, err);
    if (code != ERR_NONE || version >= PG_FUNCTIONS_VERSION) {
        return code;
    }
    code = pg_begin(pg, err);
    if (code != ERR_NONE) {
        return code;
    }
    code = install(pg, err);
    if (code != ERR_NONE) {
        pg_rollback(pg);
        return err_wrap(err, "store %s", pg_address_of(pg)->shown);
    }
    bool unknown = false; /* the next one looks again */
    return pg_commit(pg, &unknown, err);
}
