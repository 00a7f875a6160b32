/* The functions of `plumb` give what those of SQLite give: the same vectors (Python's integers), the
 * same expressions at the limits, the same errors where the types let them be made. */
#include "store/postgres/test_support.h"
#include "store/sqlite/sql_functions_vectors.h"

#define SQL_BYTES 2000
#define MAX_TEXT                                                                                   \
    "115792089237316195423570985008687907853269984665640564039457584007913129639935" /* 2^256-1 */

static int setup(void **state) {
    struct err err = ERR_INIT;
    struct pg *pg = NULL;
    *state = NULL;
    if (test_url() == NULL) {
        return 0; /* each test skips */
    }
    assert_ok(pg_open(test_url(), "plumb test", &pg, &err), err);
    assert_ok(pg_functions_install(pg, &err), err);
    *state = pg;
    return 0;
}

static int teardown(void **state) {
    pg_close(*state);
    return 0;
}

static struct pg *begun(void **state) {
    if (*state == NULL) {
        pg_close(test_open()); /* skips */
    }
    struct pg *pg = *state;
    struct err err = ERR_INIT;
    pg_rollback(pg);
    pg_use_schema(pg, "pg_temp");
    assert_ok(pg_begin(pg, &err), err);
    return pg;
}

/* As text; "NULL" for NULL; a failure gives its class, and the transaction goes on. */
static enum err_code give(struct pg *pg, const char *expression, char out[SQL_BYTES],
                          struct err *err) {
    char sql[SQL_BYTES];
    (void)snprintf(sql, sizeof(sql), "SELECT CAST((%s) AS text)", expression);
    struct pg_statement *st = NULL;
    test_execute(pg, "SAVEPOINT s");
    bool has_row = false;
    enum err_code code = pg_prepare(pg, sql, &st, err);
    if (code == ERR_NONE) {
        code = pg_step(st, &has_row, err);
    }
    if (code == ERR_NONE) {
        assert_true(has_row);
        const struct str text = pg_column_is_null(st, 0) ? STR("NULL") : pg_column_str(st, 0);
        assert_true(text.len < SQL_BYTES);
        memcpy(out, text.ptr, text.len);
        out[text.len] = '\0';
    }
    pg_statement_free(st);
    test_execute(pg, code == ERR_NONE ? "RELEASE s" : "ROLLBACK TO s");
    return code;
}

static void assert_gives(struct pg *pg, const char *expression, const char *expected) {
    char text[SQL_BYTES];
    struct err err = ERR_INIT;
    if (give(pg, expression, text, &err) != ERR_NONE) {
        fail_msg("%s: %s", expression, err.message);
    }
    if (strcmp(text, expected) != 0) {
        fail_msg("%s: %s, expected %s", expression, text, expected);
    }
}

static void assert_fails(struct pg *pg, const char *expression, const char *word) {
    char text[SQL_BYTES];
    struct err err = ERR_INIT;
    const enum err_code code = give(pg, expression, text, &err);
    if (code != ERR_INPUT || strstr(err.message, word) == NULL) {
        fail_msg("%s: %s %s", expression, err_class(code), code == ERR_NONE ? text : err.message);
    }
}

static void arithmetic_agrees_with_python(void **state) {
    struct pg *pg = begun(state);
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        char sql[SQL_BYTES];
        (void)snprintf(sql, sizeof(sql), "i256_%s(i256('%s'), i256('%s'))", v->operation, v->a,
                       v->b);
        if (v->expected == NULL) {
            assert_fails(pg, sql, "i256_");
        } else {
            assert_gives(pg, sql, v->expected);
        }
    }
}

static void to_real_agrees_with_python(void **state) {
    struct pg *pg = begun(state);
    for (size_t i = 0; i < ARRAY_COUNT(reals); i++) {
        char sql[SQL_BYTES];
        (void)snprintf(sql, sizeof(sql), "i256_to_real(i256('%s')) = %.17g::float8",
                       reals[i].number, reals[i].expected);
        assert_gives(pg, sql, "true");
    }
}

static void conversions_agree_with_sqlite(void **state) {
    struct pg *pg = begun(state);
    static const struct {
        const char *expression, *expected;
    } cases[] = {
        {"i256('0x0')", "0"},
        {"i256('-0')", "0"},
        {"i256('-0x0')", "0"},
        {"i256('"
         "000000000000000000000000000000000000000000000000000000000000000000000000000000000000007'"
         ")",
         "7"},
        {"i256('-"
         "0x000000000000000000000000000000000000000000000000000000000000000000000000000000ff')",
         "-255"},
        {"i256('0xABCdef')", "11259375"},
        {"i256('0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff')", MAX_TEXT},
        {"i256('" MAX_TEXT "')", MAX_TEXT},
        {"i256(5)", "5"},
        {"i256(i256('5'))", "5"},
        {"i256(CAST(-9223372036854775808 AS bigint))", "-9223372036854775808"},
        {"i256_text(i256('-12'))", "-12"},
        {"i256_hex(0)", "0x0"},
        {"i256_hex(255)", "0xff"},
        {"i256_hex(-256)", "-0x100"},
        {"i256_hex(i256('18446744073709551616'))", "0x10000000000000000"},
        {"i256_hex(i256('-" MAX_TEXT "'))",
         "-0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
        {"i256_neg(5)", "-5"},
        {"i256_neg(i256('" MAX_TEXT "'))", "-" MAX_TEXT},
        {"i256_abs(CAST(-9223372036854775808 AS bigint))", "9223372036854775808"},
        {"i256_to_int(i256('9223372036854775807'))", "9223372036854775807"},
        {"i256_to_int(i256('-9223372036854775808'))", "-9223372036854775808"},
        {"i256_add(9223372036854775807, 1)", "9223372036854775808"},
        {"i256_mul(i256('100000000000000000000'), -3)", "-300000000000000000000"},
        {"i256_cmp(i256('100000000000000000000'), 5)", "1"},
        {"i256_cmp(5, i256(5))", "0"},
        {"i256_cmp(-5, i256(5))", "-1"},
        {"i256_text(i256_div(-7, 2)) || ' ' || i256_text(i256_mod(-7, 2))", "-3 -1"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_gives(pg, cases[i].expression, cases[i].expected);
    }
}

static void null_gives_null(void **state) {
    struct pg *pg = begun(state);
    static const char *const null[] = {"i256(CAST(NULL AS text))",
                                       "i256(CAST(NULL AS bigint))",
                                       "i256_text(NULL)",
                                       "i256_hex(NULL)",
                                       "i256_to_real(NULL)",
                                       "i256_to_int(NULL)",
                                       "i256_neg(NULL)",
                                       "i256_abs(NULL)",
                                       "i256_add(NULL, 1)",
                                       "i256_add(1, NULL)",
                                       "i256_sub(NULL, 1)",
                                       "i256_mul(1, NULL)",
                                       "i256_div(NULL, 0)",
                                       "i256_mod(NULL, 1)",
                                       "i256_mod(NULL, 0)",
                                       "i256_cmp(1, NULL)",
                                       "i256_cmp(NULL, 1)",
                                       "i256_div(1, NULL)",
                                       "_plumb_bool(CAST(NULL AS bigint), 'c')",
                                       "_plumb_int256(NULL, 'c')"};
    for (size_t i = 0; i < ARRAY_COUNT(null); i++) {
        assert_gives(pg, null[i], "NULL");
    }
}

static void what_is_wrong_is_an_error(void **state) {
    struct pg *pg = begun(state);
    static const struct {
        const char *expression, *word;
    } cases[] = {
        {"i256('')", "i256(): ''"},
        {"i256('-')", "i256(): "},
        {"i256('+1')", "i256(): "},
        {"i256(' 1')", "i256(): "},
        {"i256('1e3')", "i256(): "},
        {"i256('0x')", "i256(): "},
        {"i256('0X1')", "i256(): "},
        {"i256('1' || chr(10))", "i256(): "},
        {"i256('0x1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff')", "i256(): "},
        {"i256('115792089237316195423570985008687907853269984665640564039457584007913129639936')",
         "up to 256 bits"},
        {"i256(repeat('z', 5000))", "i256(): 'zzz"},
        {"i256(repeat('9', 5000))", "i256(): '999"},
        {"i256(1.5)", "i256(): an argument has a fraction"},
        {"i256('NaN'::numeric)", "i256(): "},
        {"i256_add(1.5, 2)", "i256_add(): an argument has a fraction"},
        {"i256_div(1.5, 2)", "i256_div(): an argument has a fraction"},
        {"i256_add(i256('" MAX_TEXT "'), 1)", "i256_add(): the result does not fit 256 bits"},
        {"i256_sub(i256('-" MAX_TEXT "'), 1)", "i256_sub(): the result does not fit 256 bits"},
        {"i256_mul(i256('" MAX_TEXT "'), 2)", "i256_mul(): the result does not fit 256 bits"},
        {"i256_div(1, 0)", "i256_div(): division by zero"},
        {"i256_mod(1, i256('0'))", "i256_mod(): division by zero"},
        {"i256_to_int(i256('9223372036854775808'))",
         "i256_to_int(): the number does not fit 64 bits"},
        {"i256_to_int(i256('-9223372036854775809'))",
         "i256_to_int(): the number does not fit 64 bits"},
        {"_plumb_bool(2, 'paid')", "column 'paid' is a bool: 0, 1 or NULL"},
        {"_plumb_int256(1.5, 'wei')", "column 'wei' is an int256"},
        {"_plumb_iadd(9223372036854775807, 1)", "out of range"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_fails(pg, cases[i].expression, cases[i].word);
    }
}

/* A failure that is planned for and never reached must not be raised while planning. */
static void nothing_fails_that_is_not_reached(void **state) {
    struct pg *pg = begun(state);
    static const char *const zero[] = {
        "SELECT count(i256_div(n, 0)) FROM generate_series(1, 0) n",
        "SELECT count(i256_mod(n, 0)) FROM generate_series(1, 0) n",
        "SELECT count(i256_to_int(n)) FROM generate_series(1::numeric, 0) n",
        "SELECT count(i256_add(n, i256('" MAX_TEXT "'))) FROM generate_series(1, 0) n",
        "SELECT count(_plumb_bool(n::bigint, 'c')) FROM generate_series(5, 1) n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(zero); i++) {
        assert_gives(pg, zero[i], "0");
    }
    assert_fails(pg, "SELECT count(i256_div(n, 0)) FROM generate_series(1, 1) n",
                 "division by zero");
}

static void sums_are_exact_and_checked_at_the_end(void **state) {
    struct pg *pg = begun(state);
    static const struct {
        const char *expression, *expected;
    } cases[] = {
        {"SELECT i256_sum(v) FROM (VALUES (i256(7)), (NULL), (-2)) t(v)", "5"},
        {"SELECT i256_sum(v) FROM (VALUES (NULL::numeric)) t(v)", "0"},
        {"SELECT i256_sum(1) WHERE false", "0"},
        {"SELECT i256_sum(v) FROM (VALUES (i256('" MAX_TEXT "')), (i256('" MAX_TEXT
         "')), (i256('-" MAX_TEXT "')), (i256('-" MAX_TEXT "')), (42)) t(v)",
         "42"},
        {"SELECT string_agg(s::text, ' ' ORDER BY i) FROM (SELECT i, i256_sum(v) OVER (ORDER BY i "
         "ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS s "
         "FROM (VALUES (1, 5), (2, -9), (3, NULL), (4, 9223372036854775807), (5, -1)) t(i, v)) w",
         "-4 -4 9223372036854775798 9223372036854775806 9223372036854775806"},
        {"SELECT _plumb_isum(1) WHERE false", "0"},
        {"SELECT _plumb_isum(v) FROM (VALUES (NULL::bigint)) t(v)", "0"},
        {"SELECT _plumb_isum(v) FROM (VALUES (9223372036854775807), (9223372036854775807), "
         "(-9223372036854775808), (-9223372036854775808), "
         "(3)) t(v)",
         "1"},
        {"SELECT _plumb_isum(v, s) FROM (VALUES (5, 1), (7, -1), (NULL, -1)) t(v, s)", "-2"},
        {"SELECT _plumb_isum(v, s) FROM (VALUES (-1, 1), (-9223372036854775808, -1)) t(v, s)",
         "9223372036854775807"},
        {"_plumb_iadd(2, -5)", "-3"},
        {"_plumb_iadd(NULL, 5)", "5"},
        {"_plumb_iadd(NULL, NULL)", "0"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_gives(pg, cases[i].expression, cases[i].expected);
    }
    assert_fails(pg, "SELECT i256_sum(v) FROM (VALUES (i256('" MAX_TEXT "')), (1)) t(v)",
                 "i256_sum(): the sum does not fit 256 bits");
    assert_fails(pg, "SELECT _plumb_isum(v) FROM (VALUES (9223372036854775807), (1)) t(v)",
                 "_plumb_isum(): the sum does not fit 64 bits");
    assert_fails(pg, "SELECT _plumb_isum(-9223372036854775808, -1)",
                 "_plumb_isum(): the sum does not fit 64 bits");
}

static void words_of_sqlite_are_there(void **state) {
    struct pg *pg = begun(state);
    static const struct {
        const char *expression, *expected;
    } cases[] = {
        {"ifnull(NULL, 5)", "5"},
        {"iif(1 < 2, 'a', 'b')", "a"},
        {"iif(NULL, 'a', 'b')", "b"},
        {"instr('abc', 'c')", "3"},
        {"instr('abc', 'x')", "0"},
        {"hex(X'c0de')", "C0DE"},
        {"max(1, 2)", "2"},
        {"min(1, 2)", "1"},
        {"max(1, NULL)", "NULL"},
        {"max('a'::text, 'B'::text)", "a"},
        {"min('a'::text, 'B'::text)", "B"},
        {"SELECT max(v) FROM (VALUES (1), (3)) t(v)", "3"}, /* still the aggregate */
        {"_plumb_bool(1, 'c')", "true"},
        {"_plumb_bool(true, 'c')", "true"},
        {"_plumb_text('a', 'c')", "a"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_gives(pg, cases[i].expression, cases[i].expected);
    }
}

static void installing_again_is_harmless_and_a_newer_version_stays(void **state) {
    struct pg *pg = begun(state);
    struct err err = ERR_INIT;
    pg_rollback(pg);
    assert_ok(pg_functions_install(pg, &err), err);
    test_execute(pg, "COMMENT ON FUNCTION plumb._plumb_version() IS '0'");
    assert_ok(pg_functions_install(pg, &err), err); /* over an older one */
    test_execute(pg, "COMMENT ON FUNCTION plumb._plumb_version() IS '999'");
    assert_ok(pg_functions_install(pg, &err), err);
    pg = begun(state);
    assert_gives(pg, "obj_description('plumb._plumb_version()'::regprocedure, 'pg_proc')", "999");
    pg_rollback(pg);
    test_execute(pg, "COMMENT ON FUNCTION plumb._plumb_version() IS '3'");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_agrees_with_python),
        cmocka_unit_test(to_real_agrees_with_python),
        cmocka_unit_test(conversions_agree_with_sqlite),
        cmocka_unit_test(null_gives_null),
        cmocka_unit_test(what_is_wrong_is_an_error),
        cmocka_unit_test(nothing_fails_that_is_not_reached),
        cmocka_unit_test(sums_are_exact_and_checked_at_the_end),
        cmocka_unit_test(words_of_sqlite_are_there),
        cmocka_unit_test(installing_again_is_harmless_and_a_newer_version_stays),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
