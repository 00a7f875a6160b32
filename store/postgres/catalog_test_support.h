/* For tests of the tables of a store: a flow with some of every kind, and questions to the server. */
#ifndef PLUMB_STORE_POSTGRES_CATALOG_TEST_SUPPORT_H
#define PLUMB_STORE_POSTGRES_CATALOG_TEST_SUPPORT_H

#include "flow/test_source.h"
#include "store/postgres/catalog.h"
#include "store/postgres/test_support.h"

#define SOURCES "sources: {s: {type: test, columns: {id: int64, v: int64, w: int256}}}\n"
#define HEAD    "flow: shop\nstore: sqlite:t.db\n" SOURCES
#define TABLES                                                                                     \
    "tables:\n"                                                                                    \
    "  all: {key: [b, a], columns: {a: int64, b: text, c: float64, d: bool, e: timestamp, f: "     \
    "json, "                                                                                       \
    "g: bytes, h: int256}, indexes: [[h, a]], lineage: true}\n"                                    \
    "  log: {key: auto, columns: {id: int64}}\n"                                                   \
    "  sums: {key: [a], columns: {a: int64, n: int64}}\n"                                          \
    "  ref: {key: [id], columns: {id: int64, name: text}}\n"
#define TRANSFORMS                                                                                 \
    "transforms:\n"                                                                                \
    "  all: {from: sources.s, into: all, sql: 'SELECT 1'}\n"                                       \
    "  log: {from: sources.s, into: log, sql: 'SELECT 1'}\n"                                       \
    "  sums: {from: tables.all, into: sums, sum: 'SELECT a, 1 AS n FROM change'}\n"

static inline struct pg *open_in(const char *schema) {
    struct pg *pg = test_open();
    pg_use_schema(pg, schema);
    return pg;
}

static inline int64_t number(struct pg *pg, const char *sql) {
    struct err err = ERR_INIT;
    struct pg_statement *st = NULL;
    bool has_row = false;
    assert_ok(pg_prepare(pg, sql, &st, &err), err);
    if (pg_step(st, &has_row, &err) != ERR_NONE || !has_row) {
        fail_msg("%s: %s", sql, err.message);
    }
    const int64_t v = pg_column_i64(st, 0);
    pg_statement_free(st);
    return v;
}

static inline void prepare(struct pg *pg, const struct flow *flow, enum store_mode mode) {
    struct err err = ERR_INIT;
    assert_ok(pg_catalog_prepare(pg, flow, mode, &err), err);
    assert_false(pg_in_transaction(pg));
}

static inline void refused(struct pg *pg, const struct flow *flow, enum store_mode mode,
                           const char *words) {
    struct err err = ERR_INIT;
    assert_int_equal(pg_catalog_prepare(pg, flow, mode, &err), ERR_CONFIG);
    if (strstr(err.message, words) == NULL) {
        fail_msg("'%s' does not say '%s'", err.message, words);
    }
    assert_false(pg_in_transaction(pg));
}

static inline void begin(struct pg *pg) {
    struct err err = ERR_INIT;
    assert_ok(pg_begin(pg, &err), err);
}

static inline void commit(struct pg *pg) {
    struct err err = ERR_INIT;
    bool unknown = false;
    assert_ok(pg_commit(pg, &unknown, &err), err);
}

/* All columns of a table as "name type not-null key;", sorted by name. */
static inline void assert_columns(struct pg *pg, const char *schema, const char *table,
                                  const char *wanted) {
    struct err err = ERR_INIT;
    struct pg_statement *st = NULL;
    bool has_row = false;
    assert_ok(
        pg_prepare(pg,
                   "SELECT string_agg(c.column_name || ' ' || c.data_type || CASE WHEN "
                   "c.collation_name = 'C' THEN ' C' ELSE '' END || CASE c.is_nullable WHEN 'NO' "
                   "THEN '!' ELSE '' END || coalesce(' ' || k.ordinal_position, ''), '; ' ORDER BY "
                   "c.column_name COLLATE \"C\") FROM information_schema.columns c LEFT JOIN "
                   "information_schema.key_column_usage k ON (k.table_schema, k.table_name, "
                   "k.column_name) = (c.table_schema, c.table_name, c.column_name) WHERE "
                   "c.table_schema = ?1 AND c.table_name = ?2",
                   &st, &err),
        err);
    pg_bind_str(st, 1, str_of(schema));
    pg_bind_str(st, 2, str_of(table));
    assert_ok(pg_step(st, &has_row, &err), err);
    assert_true(has_row);
    const struct str text = pg_column_str(st, 0);
    char *found = mem_strndup(text.ptr, text.len);
    assert_string_equal(found, wanted);
    mem_free(found);
    pg_statement_free(st);
}

#endif
