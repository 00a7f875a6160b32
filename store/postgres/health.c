/* One statement; each kind of finding is a part of its UNION and brings its own sentence. */
#include "store/postgres/health.h"

#include <string.h>

#define US_PER_MINUTE INT64_C(60000000)

const struct pg_health_limits pg_health_defaults = {
    .transaction_us = 5 * US_PER_MINUTE,
    .dead_rows = 10000,
    .dead_percent = 50,
    .wraparound = 1000000000,
};

/* Parts are joined here, not in the file, so that each stays readable. Parameters: ?1 schema, ?2 age
 * of transactions, ?3 dead rows, ?4 percent, ?5 age for wraparound. */
static const char transactions[] =
    "SELECT 1 AS place, 'transaction' AS kind, 'backend ' || pid || ' of ' || usename || "
    "coalesce(' (' || nullif(application_name, '') || ')', '') AS subject, CAST(extract(epoch FROM "
    "clock_timestamp() - xact_start) * 1000000 AS bigint) AS number, state || ' with a transaction "
    "open: while it is, vacuum cleans nothing that was deleted since; end it with SELECT "
    "pg_terminate_backend(' || pid || ')' AS advice FROM pg_stat_activity WHERE datname = "
    "current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND "
    "xact_start < clock_timestamp() - ?2 * interval '1 microsecond'";
static const char prepared[] =
    "SELECT 2, 'prepared', gid, CAST(extract(epoch FROM clock_timestamp() - prepared) * 1000000 AS "
    "bigint), 'prepared and not ended: it holds its locks and stops vacuum, also after a restart; "
    "COMMIT "
    "PREPARED or ROLLBACK PREPARED it' FROM pg_prepared_xacts WHERE database = current_database() "
    "AND prepared < clock_timestamp() - ?2 * interval '1 microsecond'";
static const char slots[] =
    "SELECT 3, 'slot', slot_name, CAST(age(coalesce(xmin, catalog_xmin)) AS bigint), 'nobody reads "
    "from this replication slot, and what it holds back is not cleaned away; start its reader or "
    "SELECT "
    "pg_drop_replication_slot(''' || slot_name || ''')' FROM pg_replication_slots WHERE NOT active "
    "AND coalesce(xmin, catalog_xmin) IS NOT NULL";
static const char dead[] =
    "SELECT 4, 'dead', relname, n_dead_tup, n_dead_tup || ' dead rows beside ' || n_live_tup || ' "
    "live ones, ' || coalesce('vacuumed ' || to_char(greatest(last_vacuum, last_autovacuum) AT "
    "TIME "
    "ZONE 'UTC', 'YYYY-MM-DD HH24:MI \"UTC\"'), 'never vacuumed') || ': VACUUM it, and see "
    "what keeps autovacuum from it' FROM pg_stat_user_tables WHERE schemaname = ?1 AND n_dead_tup "
    ">= "
    "?3 AND n_dead_tup * 100 >= n_live_tup * ?4";
static const char autovacuum[] =
    "SELECT 5, 'autovacuum', 'server', 0, 'autovacuum is off for the whole server: tables and "
    "queues "
    "only grow; set autovacuum = on' WHERE current_setting('autovacuum') = 'off' UNION ALL SELECT "
    "5, "
    "'autovacuum', c.relname, 0, 'autovacuum is off for this table: ALTER TABLE ... RESET "
    "(autovacuum_enabled)' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
    "n.nspname = ?1 AND c.reloptions && ARRAY['autovacuum_enabled=false', "
    "'autovacuum_enabled=off', "
    "'autovacuum_enabled=0']";
static const char wraparound[] =
    "SELECT 6, 'wraparound', datname, CAST(age(datfrozenxid) AS bigint), 'transactions since the "
    "oldest "
    "that is not frozen; at 2 billion PostgreSQL stops writing: VACUUM FREEZE, and see what holds "
    "it "
    "back' FROM pg_database WHERE datname = current_database() AND age(datfrozenxid) >= ?5";

static void text_take(struct pg_statement *st, int column, char *out, size_t bytes) {
    const struct str text = pg_column_str(st, column);
    str_printable(text, out, bytes);
}

static enum err_code findings_read(struct pg_statement *st, struct pg_finding *out, size_t *count,
                                   struct err *err) {
    size_t found = 0;
    bool has_row = true;
    enum err_code code = ERR_NONE;
    while ((code = pg_step(st, &has_row, err)) == ERR_NONE && has_row) {
        ASSERT(found < PG_HEALTH_FINDINGS_MAX); /* the statement has a LIMIT */
        struct pg_finding *f = &out[found++];
        text_take(st, 0, f->kind, sizeof(f->kind));
        text_take(st, 1, f->subject, sizeof(f->subject));
        f->number = pg_column_i64(st, 2);
        text_take(st, 3, f->advice, sizeof(f->advice));
    }
    if (code == ERR_NONE) {
        *count = found;
    }
    return code;
}

enum err_code pg_health(struct pg *pg, const char *schema, const struct pg_health_limits *limits,
                        struct pg_finding out[PG_HEALTH_FINDINGS_MAX], size_t *count,
                        struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(
        &sql,
        "SELECT kind, subject::text, number, advice FROM (%s UNION ALL %s UNION ALL %s UNION ALL "
        "%s UNION ALL %s UNION ALL %s) f ORDER BY place, number DESC, subject LIMIT %d",
        transactions, prepared, slots, dead, autovacuum, wraparound, PG_HEALTH_FINDINGS_MAX);
    struct pg_statement *st = NULL;
    enum err_code code = pg_prepare(pg, buf_c(&sql), &st, err);
    if (code == ERR_NONE) {
        pg_bind_str(st, 1, str_of(schema));
        pg_bind_i64(st, 2, limits->transaction_us);
        pg_bind_i64(st, 3, limits->dead_rows);
        pg_bind_i64(st, 4, limits->dead_percent);
        pg_bind_i64(st, 5, limits->wraparound);
        code = findings_read(st, out, count, err);
    }
    pg_statement_free(st);
    return code != ERR_NONE ? err_wrap(err, "health of the database") : ERR_NONE;
}
