/* The batch as a virtual table: what SQL sees, which plan SQLite makes, and what it counts. */
#include "store/sqlite/batch_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define MEMORY_MAX ((size_t)16 << 20)

static const struct column order_columns[] = {
    {"id", TYPE_INT64},  {"name", TYPE_TEXT},     {"price", TYPE_FLOAT64},
    {"open", TYPE_BOOL}, {"at", TYPE_TIMESTAMP},  {"tags", TYPE_JSON},
    {"raw", TYPE_BYTES}, {"amount", TYPE_INT256}, {"we\"ird name", TYPE_INT64},
};
static const struct schema order_schema = {order_columns, ARRAY_COUNT(order_columns)};

static const struct column pair_columns[] = {{"k", TYPE_INT64}, {"v", TYPE_INT64}};
static const struct schema pair_schema = {pair_columns, ARRAY_COUNT(pair_columns)};

struct fixture {
    sqlite3 *db;
    struct batch_tables *tables;
    struct arena arena;
    struct rows pairs; /* k = 0..9, v = k * k */
};

static int setup(void **state) {
    struct fixture *f = mem_alloc(sizeof(*f));
    struct err err = ERR_INIT;
    assert_int_equal(sqlite3_open(":memory:", &f->db), SQLITE_OK);
    assert_int_equal(batch_tables_new(f->db, &f->tables, &err), ERR_NONE);
    arena_init(&f->arena, MEMORY_MAX);
    assert_int_equal(rows_init(&f->pairs, &pair_schema, &f->arena, 10, &err), ERR_NONE);
    for (uint32_t i = 0; i < 10; i++) {
        rows_set_i64(&f->pairs, 0, i);
        rows_set_i64(&f->pairs, 1, (int64_t)i * i);
        rows_commit(&f->pairs, i);
    }
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    assert_int_equal(sqlite3_close(f->db), SQLITE_OK);
    batch_tables_free(f->tables);
    arena_release(&f->arena);
    mem_free(f);
    return 0;
}

static struct batch_table *create(struct fixture *f, const char *name, const struct schema *s) {
    struct batch_table *table = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(batch_table_create(f->tables, name, s, &table, &err), ERR_NONE);
    return table;
}

static void run(struct fixture *f, const char *sql) {
    char *message = NULL;
    if (sqlite3_exec(f->db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s: %s", sql, message);
    }
}

static sqlite3_stmt *prepare(struct fixture *f, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(f->db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(f->db));
    }
    return stmt;
}

static int64_t integer_of(struct fixture *f, const char *sql) {
    sqlite3_stmt *stmt = prepare(f, sql);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t result = sqlite3_column_int64(stmt, 0);
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    return result;
}

static void assert_text(struct fixture *f, const char *sql, const char *expected) {
    sqlite3_stmt *stmt = prepare(f, sql);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0), expected);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
}

static void every_type_arrives_as_documented(void **state) {
    struct fixture *f = *state;
    struct rows rows;
    struct err err = ERR_INIT;
    assert_int_equal(rows_init(&rows, &order_schema, &f->arena, 2, &err), ERR_NONE);
    rows_set_i64(&rows, 0, INT64_MIN);
    rows_set_bytes(&rows, 1, STR("gr\xc3\xbc\xc3\x9f"));
    rows_set_f64(&rows, 2, 0.25);
    rows_set_i64(&rows, 3, 1);
    rows_set_i64(&rows, 4, 1700000000000000);
    rows_set_bytes(&rows, 5, STR("[1]"));
    rows_set_bytes(&rows, 6, STR("\0\1\xff"));
    rows_set_bytes(&rows, 7, STR("\x81\x07"));
    rows_set_i64(&rows, 8, 9);
    rows_commit(&rows, 0);
    batch_table_present(create(f, "orders", &order_schema), &rows, 0, 1);
    assert_text(
        f,
        "SELECT group_concat(quote(value), ' ') FROM (SELECT id AS value FROM orders UNION "
        "ALL SELECT name FROM orders UNION ALL SELECT price FROM orders UNION ALL SELECT "
        "open FROM orders UNION ALL SELECT at FROM orders UNION ALL SELECT tags FROM orders "
        "UNION ALL SELECT raw FROM orders UNION ALL SELECT amount FROM orders UNION ALL "
        "SELECT \"we\"\"ird name\" FROM orders)",
        "-9223372036854775808 'gr\xc3\xbc\xc3\x9f' 0.25 1 1700000000000000 '[1]' X'0001FF' "
        "X'8107' 9");
}

static void null_is_null_and_empty_is_empty(void **state) {
    struct fixture *f = *state;
    struct rows rows;
    struct err err = ERR_INIT;
    assert_int_equal(rows_init(&rows, &order_schema, &f->arena, 2, &err), ERR_NONE);
    for (size_t row = 0; row < 2; row++) {
        for (size_t c = 0; c < order_schema.count; c++) {
            rows_set_null(&rows, c);
        }
        if (row == 1) { /* views without bytes may have no pointer */
            rows_set_bytes(&rows, 1, (struct str){NULL, 0});
            rows_set_bytes(&rows, 6, (struct str){NULL, 0});
        }
        rows_commit(&rows, (uint32_t)row);
    }
    batch_table_present(create(f, "orders", &order_schema), &rows, 0, 2);
    assert_int_equal(integer_of(f, "SELECT count(*) FROM orders WHERE coalesce(id, name, price, "
                                   "open, at, tags, raw, amount) IS NULL"),
                     1);
    assert_int_equal(
        integer_of(f, "SELECT count(*) FROM orders WHERE name = '' AND raw = x'' AND id IS NULL"),
        1);
}

static void a_cell_too_large_for_sqlite_is_an_error_of_the_statement(void **state) {
    struct fixture *f = *state;
    static const struct column columns[] = {{"a", TYPE_TEXT}, {"b", TYPE_BYTES}};
    static const struct schema schema = {columns, 2};
    struct rows rows;
    struct err err = ERR_INIT;
    assert_int_equal(rows_init(&rows, &schema, &f->arena, 1, &err), ERR_NONE);
    /* The content is never read. */
    rows_set_bytes(&rows, 0, (struct str){"x", (size_t)INT32_MAX + 1});
    rows_set_bytes(&rows, 1, (struct str){"x", 1000000001}); /* SQLITE_LIMIT_LENGTH and one more */
    rows_commit(&rows, 0);
    batch_table_present(create(f, "t", &schema), &rows, 0, 1);
    assert_int_equal(sqlite3_exec(f->db, "SELECT a FROM t", NULL, NULL, NULL), SQLITE_TOOBIG);
    assert_int_equal(sqlite3_exec(f->db, "SELECT b FROM t", NULL, NULL, NULL), SQLITE_TOOBIG);
    assert_int_equal(integer_of(f, "SELECT count(*) FROM t"), 1);
}

static void comparisons_mean_what_they_mean_in_a_table(void **state) {
    struct fixture *f = *state;
    static const struct column columns[] = {
        {"t", TYPE_TEXT}, {"i", TYPE_INT64}, {"b", TYPE_INT256}};
    static const struct schema schema = {columns, 3};
    struct rows rows;
    struct err err = ERR_INIT;
    assert_int_equal(rows_init(&rows, &schema, &f->arena, 1, &err), ERR_NONE);
    rows_set_bytes(&rows, 0, STR("12"));
    rows_set_i64(&rows, 1, 12);
    rows_set_bytes(&rows, 2, STR("\x81\x0c"));
    rows_commit(&rows, 0);
    batch_table_present(create(f, "b", &schema), &rows, 0, 1);
    assert_text(f, "SELECT typeof(t) || typeof(i) || typeof(b) FROM b", "textintegerblob");
    assert_int_equal(integer_of(f, "SELECT count(*) FROM b WHERE t = 12 AND i = '12'"), 1);
    assert_int_equal(integer_of(f, "SELECT count(*) FROM b WHERE t = 12.0 OR i = '12x'"), 0);
    assert_text(f, "SELECT group_concat(type, ' ') FROM pragma_table_xinfo('b') WHERE hidden = 0",
                "TEXT INTEGER BLOB");
}

static void only_the_presented_range_is_seen_in_order(void **state) {
    struct fixture *f = *state;
    struct batch_table *t = create(f, "b", &pair_schema);
    batch_table_present(t, &f->pairs, 3, 7);
    assert_text(f, "SELECT group_concat(k) FROM b", "3,4,5,6");
    assert_text(f, "SELECT group_concat(rowid) FROM b", "3,4,5,6");
    batch_table_present(t, &f->pairs, 9, 10);
    assert_text(f, "SELECT group_concat(v) FROM b", "81");
    batch_table_present(t, &f->pairs, 5, 5);
    assert_int_equal(integer_of(f, "SELECT count(*) FROM b"), 0);
}

static void without_rows_the_table_is_empty(void **state) {
    struct fixture *f = *state;
    struct batch_table *t = create(f, "b", &pair_schema);
    assert_int_equal(integer_of(f, "SELECT count(*) FROM b"), 0);
    batch_table_present(t, &f->pairs, 0, 10);
    assert_int_equal(integer_of(f, "SELECT count(*) FROM b"), 10);
    batch_table_present(t, NULL, 0, 0);
    assert_int_equal(integer_of(f, "SELECT count(*) FROM b"), 0);
    assert_int_equal(batch_table_at(t), 0);
}

static void one_prepared_statement_reads_batch_after_batch(void **state) {
    struct fixture *f = *state;
    struct batch_table *t = create(f, "b", &pair_schema);
    sqlite3_stmt *stmt = prepare(f, "SELECT sum(v) FROM b WHERE k >= 2");
    static const int64_t expected[] = {0, 4, 13, 29};
    for (size_t high = 2; high <= 5; high++) {
        batch_table_present(t, &f->pairs, 0, high);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int64(stmt, 0), expected[high - 2]);
        assert_int_equal(sqlite3_reset(stmt), SQLITE_OK);
    }
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
}

static void at_follows_the_scan_and_ends_at_high(void **state) {
    struct fixture *f = *state;
    struct batch_table *t = create(f, "b", &pair_schema);
    batch_table_present(t, &f->pairs, 2, 5);
    assert_int_equal(batch_table_at(t), 2);
    sqlite3_stmt *stmt = prepare(f, "SELECT k FROM b");
    for (size_t i = 2; i < 5; i++) {
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        assert_int_equal(batch_table_at(t), i);
    }
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
    assert_int_equal(batch_table_at(t), 5);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
}

static void at_names_the_row_that_a_statement_failed_on(void **state) {
    struct fixture *f = *state;
    struct batch_table *t = create(f, "b", &pair_schema);
    run(f,
        "CREATE TABLE t(k INTEGER PRIMARY KEY, v INTEGER CHECK (v <> 36)) STRICT, WITHOUT ROWID");
    batch_table_present(t, &f->pairs, 0, 10);
    const char *insert = "INSERT INTO t SELECT k, v FROM b";
    assert_int_equal(sqlite3_exec(f->db, insert, NULL, NULL, NULL), SQLITE_CONSTRAINT);
    assert_int_equal(batch_table_at(t), 6);
}

/* True when the program of a statement has an instruction of that name. */
static bool program_has(struct fixture *f, const char *sql, const char *opcode) {
    char text[1000];
    assert_non_null(sqlite3_snprintf(sizeof(text), text, "EXPLAIN %s", sql));
    sqlite3_stmt *stmt = prepare(f, text);
    bool found = false;
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        found = found || strcmp((const char *)sqlite3_column_text(stmt, 1), opcode) == 0;
    }
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    return found;
}

static void assert_plan_is_flat(struct fixture *f, const char *sql) {
    assert_true(program_has(f, sql, "VFilter"));
    assert_false(program_has(f, sql, "OpenEphemeral"));
    assert_false(program_has(f, sql, "OpenAutoindex"));
    assert_false(program_has(f, sql, "InitCoroutine"));
    assert_false(program_has(f, sql, "SorterOpen"));
}

static void at_is_high_when_triggers_make_sqlite_copy_the_rows_aside_first(void **state) {
    struct fixture *f = *state;
    struct batch_table *t = create(f, "b", &pair_schema);
    run(f, "CREATE TABLE t(k INTEGER PRIMARY KEY, v INTEGER CHECK (v <> 36)) STRICT, WITHOUT ROWID;"
           "CREATE TABLE q(k INTEGER PRIMARY KEY);"
           "CREATE TRIGGER i AFTER INSERT ON t BEGIN INSERT INTO q VALUES (new.k); END");
    const char *insert = "INSERT INTO t SELECT k, v FROM b";
    assert_true(program_has(f, insert, "OpenEphemeral"));
    batch_table_present(t, &f->pairs, 0, 10);
    assert_int_equal(sqlite3_exec(f->db, insert, NULL, NULL, NULL), SQLITE_CONSTRAINT);
    assert_int_equal(batch_table_at(t), 10);
}

static void a_nested_with_is_flattened(void **state) {
    struct fixture *f = *state;
    (void)create(f, "_plumb_batch_orders", &pair_schema);
    run(f, "CREATE TABLE x(k INTEGER PRIMARY KEY, w INTEGER) STRICT, WITHOUT ROWID");
    assert_plan_is_flat(f, "WITH batch AS (SELECT * FROM temp.\"_plumb_batch_orders\") SELECT k, v "
                           "+ 1 FROM batch WHERE v > 3");
    assert_plan_is_flat(f, "WITH batch AS (SELECT * FROM temp.\"_plumb_batch_orders\") SELECT * "
                           "FROM (SELECT b.k, x.w FROM batch b JOIN x ON x.k = b.k)");
    /* The counter-example: what these checks would see if it were not flattened. */
    assert_true(program_has(f,
                            "WITH batch AS MATERIALIZED (SELECT * FROM "
                            "temp.\"_plumb_batch_orders\") SELECT k FROM batch a JOIN batch b "
                            "USING (k)",
                            "OpenEphemeral"));
}

static void an_upsert_from_the_batch_needs_no_temporary_table(void **state) {
    struct fixture *f = *state;
    struct batch_table *t = create(f, "_plumb_batch_orders", &pair_schema);
    run(f, "CREATE TABLE t(k INTEGER PRIMARY KEY, v INTEGER) STRICT, WITHOUT ROWID");
    const char *upsert =
        "WITH batch AS (SELECT * FROM temp.\"_plumb_batch_orders\") INSERT INTO t(k, v) SELECT k % "
        "3, v FROM batch WHERE true ON CONFLICT(k) DO UPDATE SET v = excluded.v";
    assert_false(program_has(f, upsert, "OpenEphemeral"));
    batch_table_present(t, &f->pairs, 0, 10);
    run(f, upsert);
    assert_text(f, "SELECT group_concat(k || '=' || v, ' ') FROM t", "0=81 1=49 2=64");
}

static void the_batch_is_the_outer_loop(void **state) {
    struct fixture *f = *state;
    struct batch_table *t = create(f, "batch", &pair_schema);
    run(f, "CREATE TABLE x(k INTEGER PRIMARY KEY, w INTEGER) STRICT, WITHOUT ROWID;"
           "INSERT INTO x VALUES (7, 70), (2, 20), (9, 90)");
    batch_table_present(t, &f->pairs, 0, 10);
    static const char *const joins[] = {
        "SELECT group_concat(w) FROM batch CROSS JOIN x WHERE x.k = batch.k",
        "SELECT group_concat(w) FROM batch JOIN x ON x.k = batch.k",
        "SELECT group_concat(w) FROM x JOIN batch ON x.k = batch.k",
    };
    for (size_t i = 0; i < ARRAY_COUNT(joins); i++) {
        char plan[200];
        assert_non_null(sqlite3_snprintf(sizeof(plan), plan, "EXPLAIN QUERY PLAN %s", joins[i]));
        sqlite3_stmt *stmt = prepare(f, plan);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        assert_string_equal((const char *)sqlite3_column_text(stmt, 3),
                            "SCAN batch " BATCH_TABLE_PLAN);
        assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
        assert_text(f, joins[i], "20,70,90");
    }
    assert_int_equal(integer_of(f, "SELECT count(*) FROM batch CROSS JOIN x"), 30);
}

static void constraints_are_checked_by_sqlite_itself(void **state) {
    struct fixture *f = *state;
    batch_table_present(create(f, "b", &pair_schema), &f->pairs, 0, 10);
    assert_int_equal(integer_of(f, "SELECT v FROM b WHERE k = 4"), 16);
    assert_int_equal(integer_of(f, "SELECT k FROM b WHERE rowid = 8"), 8);
    assert_int_equal(integer_of(f, "SELECT count(*) FROM b WHERE k IN (1, 2, 30)"), 2);
    assert_text(f, "SELECT group_concat(k) FROM (SELECT k FROM b WHERE v > 40 ORDER BY k DESC)",
                "9,8,7");
}

static void the_batch_can_be_read_twice_in_one_statement(void **state) {
    struct fixture *f = *state;
    batch_table_present(create(f, "b", &pair_schema), &f->pairs, 0, 10);
    assert_int_equal(integer_of(f, "SELECT count(*) FROM b x, b y WHERE x.k < y.k"), 45);
}

static void two_tables_show_their_own_rows(void **state) {
    struct fixture *f = *state;
    struct batch_table *a = create(f, "a", &pair_schema);
    struct batch_table *b = create(f, "b", &pair_schema);
    batch_table_present(a, &f->pairs, 0, 3);
    batch_table_present(b, &f->pairs, 8, 10);
    assert_text(f, "SELECT group_concat(k) FROM a", "0,1,2");
    assert_text(f, "SELECT group_concat(k) FROM b", "8,9");
}

static void a_batch_table_cannot_be_written(void **state) {
    struct fixture *f = *state;
    (void)create(f, "b", &pair_schema);
    assert_int_equal(sqlite3_exec(f->db, "INSERT INTO b VALUES (1, 2)", NULL, NULL, NULL),
                     SQLITE_ERROR);
    assert_int_equal(sqlite3_exec(f->db, "DELETE FROM b", NULL, NULL, NULL), SQLITE_ERROR);
}

static void nobody_else_can_make_batch_tables(void **state) {
    struct fixture *f = *state;
    static const char *const attempts[] = {
        "CREATE VIRTUAL TABLE mine USING plumb_batch",
        "CREATE VIRTUAL TABLE mine USING plumb_batch(a, b)",
        "SELECT * FROM plumb_batch",
    };
    for (size_t i = 0; i < ARRAY_COUNT(attempts); i++) {
        assert_int_equal(sqlite3_exec(f->db, attempts[i], NULL, NULL, NULL), SQLITE_ERROR);
    }
}

static void a_name_that_is_taken_is_an_error_and_the_first_table_stays(void **state) {
    struct fixture *f = *state;
    struct batch_table *first = create(f, "b", &pair_schema);
    struct batch_table *second = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(batch_table_create(f->tables, "b", &pair_schema, &second, &err), ERR_INTERNAL);
    assert_non_null(strstr(err.message, "batch table 'b'"));
    assert_non_null(strstr(err.message, "already exists"));
    assert_null(second);
    batch_table_present(first, &f->pairs, 0, 4);
    assert_int_equal(integer_of(f, "SELECT count(*) FROM b"), 4);
}

static void columns_of_one_name_are_an_error(void **state) {
    struct fixture *f = *state;
    static const struct column columns[] = {{"a", TYPE_INT64}, {"a", TYPE_TEXT}};
    static const struct schema schema = {columns, 2};
    struct batch_table *table = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(batch_table_create(f->tables, "b", &schema, &table, &err), ERR_INTERNAL);
    assert_non_null(strstr(err.message, "duplicate column name"));
}

static void strange_table_names_work(void **state) {
    struct fixture *f = *state;
    struct batch_table *t = create(f, "a \"b\" 'c'", &pair_schema);
    batch_table_present(t, &f->pairs, 0, 2);
    assert_int_equal(integer_of(f, "SELECT count(*) FROM temp.\"a \"\"b\"\" 'c'\""), 2);
}

static void the_widest_schema_works(void **state) {
    struct fixture *f = *state;
    static struct column columns[SCHEMA_COLUMNS_MAX];
    static char names[SCHEMA_COLUMNS_MAX][16];
    for (int i = 0; i < SCHEMA_COLUMNS_MAX; i++) {
        sqlite3_snprintf(sizeof(names[i]), names[i], "c%d", i);
        columns[i] = (struct column){names[i], TYPE_INT64};
    }
    static const struct schema schema = {columns, SCHEMA_COLUMNS_MAX};
    struct rows rows;
    struct err err = ERR_INIT;
    assert_int_equal(rows_init(&rows, &schema, &f->arena, 1, &err), ERR_NONE);
    for (size_t i = 0; i < SCHEMA_COLUMNS_MAX; i++) {
        rows_set_i64(&rows, i, (int64_t)i);
    }
    rows_commit(&rows, 0);
    batch_table_present(create(f, "b", &schema), &rows, 0, 1);
    assert_int_equal(integer_of(f, "SELECT c0 + c511 FROM b"), 511);
}

static void the_table_survives_a_reload_of_the_schema(void **state) {
    struct fixture *f = *state;
    struct batch_table *t = create(f, "b", &pair_schema);
    batch_table_present(t, &f->pairs, 0, 10);
    run(f, "BEGIN; CREATE TEMP TABLE x(a); ROLLBACK;"
           "CREATE TEMP TABLE y(a); ALTER TABLE y RENAME TO z; VACUUM");
    assert_int_equal(integer_of(f, "SELECT count(*) FROM b"), 10);
    /* A new object on the SQLite side still leads to the same rows. */
    batch_table_present(t, &f->pairs, 0, 5);
    assert_int_equal(integer_of(f, "SELECT count(*) FROM b"), 5);
}

static void a_dropped_table_can_be_made_again(void **state) {
    struct fixture *f = *state;
    (void)create(f, "b", &pair_schema);
    run(f, "DROP TABLE temp.b");
    struct batch_table *t = create(f, "b", &pair_schema);
    batch_table_present(t, &f->pairs, 0, 3);
    assert_int_equal(integer_of(f, "SELECT count(*) FROM b"), 3);
}

static void ticks_count_every_call(void **state) {
    struct fixture *f = *state;
    batch_table_present(create(f, "b", &pair_schema), &f->pairs, 0, 10);
    assert_int_equal(integer_of(f, "SELECT count(*) FROM b WHERE _plumb_tick(0, k) >= 5 AND "
                                   "_plumb_tick(7, 'x') = 'x'"),
                     5);
    const int64_t *ticks = batch_tables_ticks(f->tables);
    assert_int_equal(ticks[0], 10);
    assert_int_equal(ticks[7], 5);
    assert_int_equal(ticks[1], 0);
    batch_tables_reset_ticks(f->tables);
    assert_int_equal(ticks[0] + ticks[7], 0);
}

static void a_tick_of_no_slot_is_an_error(void **state) {
    struct fixture *f = *state;
    static const char *const bad[] = {"SELECT _plumb_tick(8, 1)", "SELECT _plumb_tick(-1, 1)",
                                      "SELECT _plumb_tick('a', 1)", "SELECT _plumb_tick(NULL, 1)",
                                      "SELECT _plumb_tick(4294967296, 1)"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(sqlite3_exec(f->db, bad[i], NULL, NULL, NULL), SQLITE_ERROR);
    }
    assert_non_null(strstr(sqlite3_errmsg(f->db), "_plumb_tick()"));
}

static void rows_and_records_out_are_counted_apart(void **state) {
    struct fixture *f = *state;
    struct batch_table *t = create(f, "b", &pair_schema);
    run(f, "CREATE TABLE n(i INTEGER); INSERT INTO n VALUES (1), (2), (3);"
           "CREATE TABLE t(k INTEGER, i INTEGER, PRIMARY KEY (k, i)) STRICT, WITHOUT ROWID");
    const int64_t *ticks = batch_tables_ticks(f->tables);
    for (int turn = 0; turn < 2; turn++) {
        batch_table_present(t, &f->pairs, 0, 10);
        batch_tables_reset_ticks(f->tables);
        run(f,
            "INSERT INTO t SELECT _plumb_row(k), i FROM b CROSS JOIN n WHERE k < 4 AND i <= k ON "
            "CONFLICT DO NOTHING");
        assert_int_equal(ticks[BATCH_TICK_ROWS], 1 + 2 + 3);
        assert_int_equal(ticks[BATCH_TICK_RECORDS], 3);
    }
}

static void a_batch_of_one_row_is_a_record_each_time_it_is_presented(void **state) {
    struct fixture *f = *state;
    struct batch_table *t = create(f, "b", &pair_schema);
    for (int turn = 0; turn < 3; turn++) {
        batch_table_present(t, &f->pairs, 0, 1);
        assert_int_equal(integer_of(f, "SELECT _plumb_row(k) FROM b"), 0);
    }
    assert_int_equal(batch_tables_ticks(f->tables)[BATCH_TICK_RECORDS], 3);
}

static void records_of_two_presented_tables_are_not_mixed_up(void **state) {
    struct fixture *f = *state;
    struct batch_table *a = create(f, "a", &pair_schema);
    struct batch_table *b = create(f, "b", &pair_schema);
    batch_table_present(a, &f->pairs, 0, 4);
    batch_table_present(b, &f->pairs, 3, 10);
    assert_int_equal(integer_of(f, "SELECT sum(_plumb_row(1)) FROM a"), 4);
    assert_int_equal(integer_of(f, "SELECT sum(_plumb_row(1)) FROM b"), 7);
    assert_int_equal(batch_tables_ticks(f->tables)[BATCH_TICK_RECORDS], 11);
}

static void releasing_nothing_is_fine(void **state) {
    (void)state;
    batch_tables_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_type_arrives_as_documented),
        TEST(null_is_null_and_empty_is_empty),
        TEST(a_cell_too_large_for_sqlite_is_an_error_of_the_statement),
        TEST(comparisons_mean_what_they_mean_in_a_table),
        TEST(only_the_presented_range_is_seen_in_order),
        TEST(without_rows_the_table_is_empty),
        TEST(one_prepared_statement_reads_batch_after_batch),
        TEST(at_follows_the_scan_and_ends_at_high),
        TEST(at_names_the_row_that_a_statement_failed_on),
        TEST(at_is_high_when_triggers_make_sqlite_copy_the_rows_aside_first),
        TEST(a_nested_with_is_flattened),
        TEST(an_upsert_from_the_batch_needs_no_temporary_table),
        TEST(the_batch_is_the_outer_loop),
        TEST(constraints_are_checked_by_sqlite_itself),
        TEST(the_batch_can_be_read_twice_in_one_statement),
        TEST(two_tables_show_their_own_rows),
        TEST(a_batch_table_cannot_be_written),
        TEST(nobody_else_can_make_batch_tables),
        TEST(a_name_that_is_taken_is_an_error_and_the_first_table_stays),
        TEST(columns_of_one_name_are_an_error),
        TEST(strange_table_names_work),
        TEST(the_widest_schema_works),
        TEST(the_table_survives_a_reload_of_the_schema),
        TEST(a_dropped_table_can_be_made_again),
        TEST(ticks_count_every_call),
        TEST(a_tick_of_no_slot_is_an_error),
        TEST(rows_and_records_out_are_counted_apart),
        TEST(a_batch_of_one_row_is_a_record_each_time_it_is_presented),
        TEST(records_of_two_presented_tables_are_not_mixed_up),
        TEST(releasing_nothing_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
