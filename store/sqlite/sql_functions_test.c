/* The SQL functions: against Python's integers (sql_functions_vectors.h), at their limits, and in
 * every wrong use. */
#include "store/sqlite/sql_functions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "store/sqlite/sql_functions_vectors.h"

#define SQL_BYTES 2000

#define MAX_TEXT                                                                                   \
    "115792089237316195423570985008687907853269984665640564039457584007913129639935" /* 2^256-1 */

static int setup(void **state) {
    sqlite3 *db = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sql_functions_register(db, &err), ERR_NONE);
    *state = db;
    return 0;
}

static int teardown(void **state) {
    assert_int_equal(sqlite3_close(*state), SQLITE_OK);
    return 0;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    return stmt;
}

/* The first column of the first row as text ("NULL" for NULL), for a query that must work. */
static void assert_gives(sqlite3 *db, const char *expression, const char *expected) {
    char sql[SQL_BYTES];
    assert_non_null(sqlite3_snprintf(sizeof(sql), sql, "SELECT %s", expression));
    sqlite3_stmt *stmt = prepare(db, sql);
    if (sqlite3_step(stmt) != SQLITE_ROW) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    assert_string_equal(text == NULL ? "NULL" : text, expected);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
}

/* Fails while it runs, with exactly this message. */
static void assert_fails(sqlite3 *db, const char *expression, const char *message) {
    char sql[SQL_BYTES];
    assert_non_null(sqlite3_snprintf(sizeof(sql), sql, "SELECT %s", expression));
    sqlite3_stmt *stmt = prepare(db, sql);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ERROR);
    assert_string_equal(sqlite3_errmsg(db), message);
    (void)sqlite3_finalize(stmt); /* gives the error again */
}

static void run(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
}

static void arithmetic_agrees_with_python(void **state) {
    sqlite3 *db = *state;
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        bool is_cmp = strcmp(v->operation, "cmp") == 0;
        char sql[SQL_BYTES];
        sqlite3_snprintf(sizeof(sql), sql,
                         is_cmp ? "SELECT i256_%s(i256(?1), i256(?2))"
                                : "SELECT i256_text(i256_%s(i256(?1), i256(?2)))",
                         v->operation);
        sqlite3_stmt *stmt = prepare(db, sql);
        assert_int_equal(sqlite3_bind_text(stmt, 1, v->a, -1, SQLITE_STATIC), SQLITE_OK);
        assert_int_equal(sqlite3_bind_text(stmt, 2, v->b, -1, SQLITE_STATIC), SQLITE_OK);
        int rc = sqlite3_step(stmt);
        if (v->expected == NULL) {
            assert_int_equal(rc, SQLITE_ERROR);
        } else {
            assert_int_equal(rc, SQLITE_ROW);
            assert_string_equal((const char *)sqlite3_column_text(stmt, 0), v->expected);
        }
        (void)sqlite3_finalize(stmt); /* gives the error again */
    }
}

static void order_of_blobs_is_order_of_numbers(void **state) {
    sqlite3 *db = *state;
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        if (strcmp(v->operation, "cmp") != 0) {
            continue;
        }
        sqlite3_stmt *stmt = prepare(db, "SELECT (a > b) - (a < b), max(a, b) = CASE WHEN "
                                         "i256_cmp(a, b) > 0 THEN a ELSE b END FROM (SELECT "
                                         "i256(?1) AS a, i256(?2) AS b)");
        assert_int_equal(sqlite3_bind_text(stmt, 1, v->a, -1, SQLITE_STATIC), SQLITE_OK);
        assert_int_equal(sqlite3_bind_text(stmt, 2, v->b, -1, SQLITE_STATIC), SQLITE_OK);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        assert_string_equal((const char *)sqlite3_column_text(stmt, 0), v->expected);
        assert_int_equal(sqlite3_column_int(stmt, 1), 1);
        assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    }
}

static void to_real_agrees_with_python(void **state) {
    sqlite3 *db = *state;
    sqlite3_stmt *stmt = prepare(db, "SELECT i256_to_real(i256(?1))");
    for (size_t i = 0; i < ARRAY_COUNT(reals); i++) {
        assert_int_equal(sqlite3_bind_text(stmt, 1, reals[i].number, -1, SQLITE_STATIC), SQLITE_OK);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        double got = sqlite3_column_double(stmt, 0);
        assert_memory_equal(&got, &reals[i].expected, sizeof(got));
        assert_int_equal(sqlite3_reset(stmt), SQLITE_OK);
    }
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
}

static void i256_takes_text_integers_and_itself(void **state) {
    sqlite3 *db = *state;
    assert_gives(db, "hex(i256('0'))", "80");
    assert_gives(db, "hex(i256(0))", "80");
    assert_gives(db, "hex(i256('-0'))", "80");
    assert_gives(db, "hex(i256('0x0100'))", "820100");
    assert_gives(db, "hex(i256(-1))", "7FFE");
    assert_gives(db, "hex(i256(i256('007')))", "8107");
    assert_gives(db, "typeof(i256('1'))", "blob");
    assert_gives(db, "i256_text(i256(-9223372036854775808))", "-9223372036854775808");
    assert_gives(db, "i256_text(i256('-" MAX_TEXT "'))", "-" MAX_TEXT);
    assert_gives(db, "i256('5') = i256(5)", "1");
}

static void i256_refuses_what_is_no_number(void **state) {
    sqlite3 *db = *state;
    assert_fails(db, "i256('12a')", "i256(): '12a' is no decimal or 0x number of up to 256 bits");
    assert_fails(db, "i256('')", "i256(): '' is no decimal or 0x number of up to 256 bits");
    assert_fails(db, "i256('1' || char(10))",
                 "i256(): '1?' is no decimal or 0x number of up to 256 bits");
    assert_fails(db, "i256(1.5)",
                 "i256(): argument 1 is REAL, wanted an int256 (see i256()) or an INTEGER");
    assert_fails(db, "i256(x'00')",
                 "i256(): argument 1 is BLOB, wanted an int256: these bytes are none");
    assert_fails(db, "i256(x'')",
                 "i256(): argument 1 is BLOB, wanted an int256: these bytes are none");
    static const char *const bad[] = {
        "i256('1' || '" MAX_TEXT "')",
        "i256('0x1' || printf('%064d', 0))",
        "i256('0x')",
        "i256('1 ')",
        "i256('+1')",
        "i256('1.0')",
        "i256('1e3')",
        "i256(char(0))",
        "i256(x'820001')",
        "i256(replace(hex(zeroblob(5000)), '0', 'z'))",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        char sql[SQL_BYTES];
        sqlite3_snprintf(sizeof(sql), sql, "SELECT %s", bad[i]);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_ERROR);
        assert_memory_equal(sqlite3_errmsg(db), "i256(): ", 8);
        assert_true(strlen(sqlite3_errmsg(db)) < 250);
    }
}

static void hex_is_minimal_and_signed(void **state) {
    sqlite3 *db = *state;
    assert_gives(db, "i256_hex(0)", "0x0");
    assert_gives(db, "i256_hex(255)", "0xff");
    assert_gives(db, "i256_hex(-256)", "-0x100");
    assert_gives(db, "i256_hex(i256('18446744073709551616'))", "0x10000000000000000");
    assert_gives(db, "i256_hex(i256('-" MAX_TEXT "'))",
                 "-0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
    assert_gives(db, "i256_text(i256(i256_hex(i256('-123456789012345678901234567890'))))",
                 "-123456789012345678901234567890");
}

static void unary_functions_keep_the_number(void **state) {
    sqlite3 *db = *state;
    assert_gives(db, "i256_text(i256_neg(5))", "-5");
    assert_gives(db, "i256_text(i256_neg(-5))", "5");
    assert_gives(db, "hex(i256_neg(0))", "80");
    assert_gives(db, "i256_text(i256_abs(-5))", "5");
    assert_gives(db, "i256_text(i256_abs(5))", "5");
    assert_gives(db, "i256_text(i256_neg(i256('" MAX_TEXT "')))", "-" MAX_TEXT);
    assert_gives(db, "i256_text(i256_abs(-9223372036854775808))", "9223372036854775808");
}

static void to_int_takes_what_fits_64_bits(void **state) {
    sqlite3 *db = *state;
    assert_gives(db, "i256_to_int(i256('9223372036854775807'))", "9223372036854775807");
    assert_gives(db, "i256_to_int(i256('-9223372036854775808'))", "-9223372036854775808");
    assert_gives(db, "typeof(i256_to_int(i256(1)))", "integer");
    assert_fails(db, "i256_to_int(i256('9223372036854775808'))",
                 "i256_to_int(): the number does not fit 64 bits");
    assert_fails(db, "i256_to_int(i256('-9223372036854775809'))",
                 "i256_to_int(): the number does not fit 64 bits");
}

static void null_in_null_out(void **state) {
    sqlite3 *db = *state;
    static const char *const null[] = {
        "i256(NULL)",         "i256_text(NULL)",   "i256_hex(NULL)",    "i256_to_real(NULL)",
        "i256_to_int(NULL)",  "i256_neg(NULL)",    "i256_abs(NULL)",    "i256_add(NULL, 1)",
        "i256_add(1, NULL)",  "i256_sub(NULL, 1)", "i256_mul(1, NULL)", "i256_div(NULL, 0)",
        "i256_mod(NULL, 1)",  "i256_cmp(1, NULL)", "i256_cmp(NULL, 1)", "i256_div(1, NULL)",
        "i256_add('x', NULL)"};
    for (size_t i = 0; i < ARRAY_COUNT(null); i++) {
        assert_gives(db, null[i], "NULL");
    }
}

static void integers_and_int256_mix(void **state) {
    sqlite3 *db = *state;
    assert_gives(db, "i256_text(i256_add(9223372036854775807, 1))", "9223372036854775808");
    assert_gives(db, "i256_text(i256_mul(i256('100000000000000000000'), -3))",
                 "-300000000000000000000");
    assert_gives(db, "i256_cmp(i256('100000000000000000000'), 5)", "1");
    assert_gives(db, "i256_cmp(5, i256(5))", "0");
    assert_gives(db, "i256_cmp(-5, i256(5))", "-1");
    assert_gives(db, "i256_text(i256_div(-7, 2)) || ' ' || i256_text(i256_mod(-7, 2))", "-3 -1");
}

static void errors_name_the_function_and_the_argument(void **state) {
    sqlite3 *db = *state;
    assert_fails(db, "i256_add(1, '2')",
                 "i256_add(): argument 2 is TEXT, wanted an int256 (see i256()) or an INTEGER");
    assert_fails(db, "i256_sub(1.0, 2)",
                 "i256_sub(): argument 1 is REAL, wanted an int256 (see i256()) or an INTEGER");
    assert_fails(db, "i256_mul(x'8000', 2)",
                 "i256_mul(): argument 1 is BLOB, wanted an int256: these bytes are none");
    assert_fails(db, "i256_div(1, 0)", "i256_div(): division by zero");
    assert_fails(db, "i256_mod(1, i256('0'))", "i256_mod(): division by zero");
    assert_fails(db, "i256_add(i256('" MAX_TEXT "'), 1)",
                 "i256_add(): the result does not fit 256 bits");
    assert_fails(db, "i256_sub(i256('-" MAX_TEXT "'), 1)",
                 "i256_sub(): the result does not fit 256 bits");
    assert_fails(db, "i256_text('1')",
                 "i256_text(): argument 1 is TEXT, wanted an int256 (see i256()) or an INTEGER");
    static const char *const text_refused[] = {
        "i256_hex('1')", "i256_to_real('1')", "i256_to_int('1')", "i256_neg('1')",
        "i256_abs('1')", "i256_cmp('1', 1)",  "i256_mod(1, '1')", "i256_sum('1')"};
    for (size_t i = 0; i < ARRAY_COUNT(text_refused); i++) {
        char sql[SQL_BYTES];
        sqlite3_snprintf(sizeof(sql), sql, "SELECT %s", text_refused[i]);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_ERROR);
        size_t name_len = strcspn(text_refused[i], "(");
        assert_memory_equal(sqlite3_errmsg(db), text_refused[i], name_len);
        assert_non_null(strstr(sqlite3_errmsg(db), "is TEXT"));
    }
}

static void a_wrong_number_of_arguments_does_not_compile(void **state) {
    sqlite3 *db = *state;
    static const char *const bad[] = {"SELECT i256()", "SELECT i256(1, 2)", "SELECT i256_add(1)",
                                      "SELECT i256_sum()", "SELECT _plumb_iadd(1)"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        sqlite3_stmt *stmt = NULL;
        assert_int_equal(sqlite3_prepare_v2(db, bad[i], -1, &stmt, NULL), SQLITE_ERROR);
    }
}

static void sum_skips_null_and_is_zero_without_rows(void **state) {
    sqlite3 *db = *state;
    assert_gives(db, "i256_text(i256_sum(column1)) FROM (VALUES (i256(7)), (NULL), (-2))", "5");
    assert_gives(db, "hex(i256_sum(column1)) FROM (VALUES (NULL), (NULL))", "80");
    assert_gives(db, "hex(i256_sum(1)) WHERE false", "80");
    assert_gives(
        db, "count(*) FROM (SELECT i256_sum(a) FROM (SELECT 1 AS a WHERE false) GROUP BY a)", "0");
}

static void sum_does_not_overflow_on_the_way(void **state) {
    sqlite3 *db = *state;
    run(db, "CREATE TABLE t(n BLOB); INSERT INTO t SELECT i256('" MAX_TEXT
            "') FROM (VALUES (1), (2), (3)); INSERT INTO t SELECT i256('-" MAX_TEXT
            "') FROM (VALUES (1), (2), (3)); INSERT INTO t VALUES (i256(42))");
    assert_gives(db, "i256_text(i256_sum(n)) FROM t", "42");
    assert_gives(db, "i256_text(i256_sum(n)) FROM (SELECT n FROM t ORDER BY n)", "42");
    assert_gives(db, "i256_text(i256_sum(n)) FROM (SELECT n FROM t ORDER BY n DESC)", "42");
    assert_fails(db, "i256_sum(n) FROM t WHERE n > x'80'",
                 "i256_sum(): the sum does not fit 256 bits");
    assert_fails(db, "i256_sum(n) FROM t WHERE n < x'80'",
                 "i256_sum(): the sum does not fit 256 bits");
    assert_gives(db, "i256_text(i256_sum(DISTINCT n)) FROM t WHERE n > x'8200'", MAX_TEXT);
}

static void sum_works_in_groups_and_filters(void **state) {
    sqlite3 *db = *state;
    assert_gives(db,
                 "group_concat(g || ':' || s, ' ') FROM (SELECT i % 3 AS g, i256_text(i256_sum(i) "
                 "FILTER (WHERE i > 2)) AS s FROM (WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL "
                 "SELECT i + 1 FROM c WHERE i < 9) SELECT i FROM c) GROUP BY g ORDER BY g)",
                 "0:18 1:11 2:13");
}

/* Frames that move make SQLite call the inverse. */
#define FRAME " OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)"

static void sums_work_as_window_functions(void **state) {
    sqlite3 *db = *state;
    run(db,
        "CREATE TABLE t(i INTEGER, n INTEGER); INSERT INTO t VALUES (1, 5), (2, -9), (3, NULL), "
        "(4, 9223372036854775807), (5, -1), (6, -9223372036854775808)");
    assert_gives(db,
                 "group_concat(s, ' ') FROM (SELECT i256_text(i256_sum(n)" FRAME ") AS s FROM t)",
                 "-4 -4 9223372036854775798 9223372036854775806 -2 -9223372036854775809");
    assert_gives(db,
                 "group_concat(s, ' ') FROM (SELECT _plumb_isum(n)" FRAME " AS s FROM t WHERE i "
                 "< 6)",
                 "-4 -4 9223372036854775798 9223372036854775806 9223372036854775806");
    assert_gives(db,
                 "group_concat(s, ' ') FROM (SELECT _plumb_isum(n) OVER (ORDER BY i ROWS "
                 "BETWEEN 2 FOLLOWING AND 2 FOLLOWING) AS s FROM t)",
                 "0 9223372036854775807 -1 -9223372036854775808 0 0");
    assert_fails(db, "group_concat(s) FROM (SELECT _plumb_isum(n)" FRAME " AS s FROM t)",
                 "_plumb_isum(): the sum does not fit 64 bits");
    assert_gives(db,
                 "group_concat(s, ' ') FROM (SELECT i256_text(i256_sum(i256(n)) OVER (ORDER BY i)) "
                 "AS s FROM t)",
                 "5 -4 -4 9223372036854775803 9223372036854775802 -6");
}

static void signed_amounts_are_what_i256_takes(void **state) {
    sqlite3 *db = *state;
    assert_gives(db,
                 "i256_text(_plumb_i256_sum(column1, column2)) FROM (VALUES ('0x10', 1), (7, -1), "
                 "(i256('1000000000000000000000'), 1), (NULL, 1), (NULL, -1), ('1', -1))",
                 "1000000000000000000008");
    assert_gives(db, "i256_text(_plumb_i256_sum(1, 1)) WHERE false", "0");
    assert_gives(
        db,
        "group_concat(s, ' ') FROM (SELECT i256_text(_plumb_i256_sum(i, 2 - i) OVER (ORDER "
        "BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)) AS s FROM (SELECT column1 AS i FROM "
        "(VALUES (1), (2), (3), (4))))",
        "1 3 -1 -7");
    assert_fails(db, "_plumb_i256_sum('ten', 1)",
                 "_plumb_i256_sum(): 'ten' is no decimal or 0x number of up to 256 bits");
    assert_fails(
        db, "_plumb_i256_sum(1.5, -1)",
        "_plumb_i256_sum(): argument 1 is REAL, wanted an int256 (see i256()) or an INTEGER");
}

static void isum_is_exact_between_the_limits(void **state) {
    sqlite3 *db = *state;
    assert_gives(db, "_plumb_isum(1) WHERE false", "0");
    assert_gives(db, "_plumb_isum(column1) FROM (VALUES (NULL))", "0");
    assert_gives(db, "typeof(_plumb_isum(1))", "integer");
    assert_gives(db,
                 "_plumb_isum(column1) FROM (VALUES (9223372036854775807), (9223372036854775807), "
                 "(-9223372036854775808), (-9223372036854775808), (3))",
                 "1");
    assert_gives(db,
                 "_plumb_isum(column1) FROM (VALUES (-9223372036854775808), "
                 "(-9223372036854775808), (9223372036854775807), (NULL), (1))",
                 "-9223372036854775808");
    assert_fails(db, "_plumb_isum(column1) FROM (VALUES (9223372036854775807), (1))",
                 "_plumb_isum(): the sum does not fit 64 bits");
    assert_fails(db, "_plumb_isum(column1) FROM (VALUES (-9223372036854775808), (-1))",
                 "_plumb_isum(): the sum does not fit 64 bits");
    assert_fails(db,
                 "_plumb_isum(column1) FROM (VALUES (9223372036854775807), (9223372036854775807), "
                 "(2))", /* 2^64: the low half alone would look like 0 */
                 "_plumb_isum(): the sum does not fit 64 bits");
}

static void isum_with_a_sign_takes_away(void **state) {
    sqlite3 *db = *state;
    assert_gives(db, "_plumb_isum(column1, column2) FROM (VALUES (5, 1), (7, -1), (NULL, -1))",
                 "-2");
    assert_gives(db,
                 "_plumb_isum(column1, column2) FROM (VALUES (-1, 1), (-9223372036854775808, -1))",
                 "9223372036854775807"); /* whose negative does not fit 64 bits */
    assert_fails(db, "_plumb_isum(-9223372036854775808, -1)",
                 "_plumb_isum(): the sum does not fit 64 bits");
    assert_fails(db, "_plumb_isum('1', -1)",
                 "_plumb_isum(): argument 1 is TEXT, wanted an INTEGER");
    assert_gives(db,
                 "group_concat(s, ' ') FROM (SELECT _plumb_isum(column1, column2) OVER (ROWS 1 "
                 "PRECEDING) AS s FROM (VALUES (5, 1), (7, -1), (-3, -1)))",
                 "5 -2 -4");
}

static void isum_refuses_everything_but_integers(void **state) {
    sqlite3 *db = *state;
    assert_fails(db, "_plumb_isum(1.0)", "_plumb_isum(): argument 1 is REAL, wanted an INTEGER");
    assert_fails(db, "_plumb_isum('1')", "_plumb_isum(): argument 1 is TEXT, wanted an INTEGER");
    assert_fails(db, "_plumb_isum(i256(1))",
                 "_plumb_isum(): argument 1 is BLOB, wanted an INTEGER");
}

static void iadd_adds_and_counts_null_as_zero(void **state) {
    sqlite3 *db = *state;
    assert_gives(db, "_plumb_iadd(2, -5)", "-3");
    assert_gives(db, "_plumb_iadd(NULL, 5)", "5");
    assert_gives(db, "_plumb_iadd(5, NULL)", "5");
    assert_gives(db, "_plumb_iadd(NULL, NULL)", "0");
    assert_gives(db, "_plumb_iadd(9223372036854775807, -9223372036854775808)", "-1");
    assert_fails(db, "_plumb_iadd(9223372036854775807, 1)",
                 "_plumb_iadd(): the result does not fit 64 bits");
    assert_fails(db, "_plumb_iadd(-1, -9223372036854775808)",
                 "_plumb_iadd(): the result does not fit 64 bits");
    assert_fails(db, "_plumb_iadd(1, 1.0)", "_plumb_iadd(): argument 2 is REAL, wanted an INTEGER");
    assert_fails(db, "_plumb_iadd('1', 1)", "_plumb_iadd(): argument 1 is TEXT, wanted an INTEGER");
}

static void columns_of_int256_sort_and_index_as_numbers(void **state) {
    sqlite3 *db = *state;
    run(db, "CREATE TABLE t(n BLOB PRIMARY KEY) STRICT, WITHOUT ROWID");
    run(db,
        "INSERT INTO t SELECT i256(column1) FROM (VALUES ('10'), ('9'), ('-10'), ('-9'), ('0'), "
        "('256'), ('-256'), ('-1'), ('" MAX_TEXT "'), ('-" MAX_TEXT "'))");
    assert_gives(db, "group_concat(i256_text(n), ' ') FROM t",
                 "-" MAX_TEXT " -256 -10 -9 -1 0 9 10 256 " MAX_TEXT);
    assert_gives(db, "i256_text(min(n)) || ' ' || i256_text(max(n)) FROM t",
                 "-" MAX_TEXT " " MAX_TEXT);
    assert_gives(db, "count(*) FROM t WHERE n > i256(-10) AND n <= i256('256')", "6");
}

static void the_functions_are_deterministic(void **state) {
    sqlite3 *db = *state;
    /* SQLite refuses functions that are not in an index. */
    run(db,
        "CREATE TABLE t(a INTEGER); CREATE INDEX i ON t(i256(a), i256_text(a), i256_hex(a), "
        "i256_to_real(a), i256_to_int(a), i256_neg(a), i256_abs(a), i256_add(a, a), i256_sub(a, "
        "a), i256_mul(a, a), i256_div(a, 1), i256_mod(a, 1), i256_cmp(a, a), _plumb_iadd(a, "
        "a)); INSERT INTO t VALUES (3), (NULL)");
}

static void registering_twice_is_harmless(void **state) {
    sqlite3 *db = *state;
    struct err err = ERR_INIT;
    assert_int_equal(sql_functions_register(db, &err), ERR_NONE);
    assert_gives(db, "i256_text(i256_sum(3))", "3");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(arithmetic_agrees_with_python),
        TEST(order_of_blobs_is_order_of_numbers),
        TEST(to_real_agrees_with_python),
        TEST(i256_takes_text_integers_and_itself),
        TEST(i256_refuses_what_is_no_number),
        TEST(hex_is_minimal_and_signed),
        TEST(unary_functions_keep_the_number),
        TEST(to_int_takes_what_fits_64_bits),
        TEST(null_in_null_out),
        TEST(integers_and_int256_mix),
        TEST(errors_name_the_function_and_the_argument),
        TEST(a_wrong_number_of_arguments_does_not_compile),
        TEST(sum_skips_null_and_is_zero_without_rows),
        TEST(sum_does_not_overflow_on_the_way),
        TEST(sum_works_in_groups_and_filters),
        TEST(sums_work_as_window_functions),
        TEST(signed_amounts_are_what_i256_takes),
        TEST(isum_is_exact_between_the_limits),
        TEST(isum_with_a_sign_takes_away),
        TEST(isum_refuses_everything_but_integers),
        TEST(iadd_adds_and_counts_null_as_zero),
        TEST(columns_of_int256_sort_and_index_as_numbers),
        TEST(the_functions_are_deterministic),
        TEST(registering_twice_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
