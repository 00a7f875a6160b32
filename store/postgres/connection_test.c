/* Connections, transactions and statements against a real server. */
#include "base/clock.h"
#include "base/fault.h"
#include "store/postgres/test_support.h"

static void values_come_back(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    struct pg_statement *st = NULL;
    assert_ok(
        pg_prepare(pg,
                   "SELECT ?1 AS i, ?2 AS f, ?3 AS t, ?4 AS x, ?5 AS n, ?6 AS b, CAST(?7 AS text) "
                   "AS nothing, "
                   "X'c0de' AS literal, 7::smallint, 8::integer, 'a'::varchar, '{\"a\":1}'::jsonb",
                   &st, &err),
        err);
    struct int256 big;
    assert_true(int256_parse(
        STR("-115792089237316195423570985008687907853269984665640564039457584007913129639935"),
        &big));
    pg_bind_i64(st, 1, INT64_MIN);
    pg_bind_f64(st, 2, 0.1);
    pg_bind_str(st, 3, STR("h\xc3\xa4?1"));
    pg_bind_blob(st, 4, STR("\0\377"));
    pg_bind_int256(st, 5, &big);
    pg_bind_bool(st, 6, true);
    pg_bind_null(st, 7);
    for (int again = 0; again < 2; again++) {
        bool has_row = false;
        assert_ok(pg_step(st, &has_row, &err), err);
        assert_true(has_row);
        assert_int_equal(pg_column_count(st), 12);
        assert_string_equal(pg_column_name(st, 0), "i");
        assert_true(pg_column_i64(st, 0) == INT64_MIN);
        assert_true(str_equal_c(pg_column_str(st, 0), "-9223372036854775808"));
        assert_true(pg_column_f64(st, 1) > 0.0999 && pg_column_f64(st, 1) < 0.1001);
        assert_true(str_equal_c(pg_column_str(st, 1), "0.1"));
        assert_true(str_equal_c(pg_column_str(st, 2), "h\xc3\xa4?1"));
        assert_true(str_equal(pg_column_str(st, 3), STR("\0\377")));
        struct int256 back;
        assert_true(int256_decode(pg_column_str(st, 4), &back));
        assert_int_equal(int256_compare(&back, &big), 0);
        assert_true(pg_column_i64(st, 4) == INT64_MIN); /* the nearest */
        assert_true(pg_column_i64(st, 5) == 1);
        assert_true(pg_column_is_null(st, 6) && !pg_column_is_null(st, 5));
        assert_true(str_equal(pg_column_str(st, 7), STR("\xc0\xde")));
        assert_true(pg_column_i64(st, 8) == 7 && pg_column_i64(st, 9) == 8);
        assert_true(str_equal_c(pg_column_str(st, 10), "a"));
        assert_true(str_equal_c(pg_column_str(st, 11), "{\"a\": 1}"));
        assert_ok(pg_step(st, &has_row, &err), err);
        assert_false(has_row);
    }
    pg_statement_free(st);
    pg_close(pg);
}

static enum err_code query(struct pg *pg, const char *sql, int64_t *out, struct err *err) {
    struct pg_statement *st = NULL;
    enum err_code code = pg_prepare(pg, sql, &st, err);
    bool has_row = false;
    if (code == ERR_NONE) {
        code = pg_step(st, &has_row, err);
    }
    if (code == ERR_NONE && has_row) {
        *out = pg_column_i64(st, 0);
    }
    pg_statement_free(st);
    return code;
}

static int64_t ask(struct pg *pg, const char *sql) {
    struct err err = ERR_INIT;
    int64_t out = -1;
    assert_ok(query(pg, sql, &out, &err), err);
    return out;
}

static void errors_say_class_and_place(void **state) {
    (void)state;
    struct pg *pg = test_open();
    static const struct {
        const char *sql;
        enum err_code code;
        const char *word;
    } cases[] = {
        {"SELECT 1 / 0", ERR_INPUT, "division by zero"},
        {"SELECT\n  nothing", ERR_CONFIG, "(SQL line 2, column 3)"},
        {"SELECT X'00', nothing", ERR_CONFIG, "(SQL line 1, column 15)"},
        {"SELEC 1", ERR_CONFIG, "syntax error"},
        {"SELECT 1.5", ERR_INPUT, "column '?column?': a numeric that is no whole number"},
        {"SELECT 'NaN'::numeric", ERR_INPUT, "no int256"},
        {"SELECT now()", ERR_INPUT, "oid 1184"},
        {"INSERT INTO pg_temp.e VALUES (1)", ERR_INPUT, "Key (a)=(1) already exists"},
        {"COPY pg_temp.e FROM STDIN", ERR_INTERNAL, ""},
    };
    test_execute(pg, "CREATE TEMP TABLE e(a int PRIMARY KEY); INSERT INTO e VALUES (1)");
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct err err = ERR_INIT;
        int64_t unused = 0;
        if (query(pg, cases[i].sql, &unused, &err) != cases[i].code ||
            strstr(err.message, cases[i].word) == NULL) {
            fail_msg("%s: %s: %s", cases[i].sql, err_class(err.code), err.message);
        }
        assert_int_equal(ask(pg, "SELECT 5"), 5); /* and the connection goes on */
    }
    pg_close(pg);
}

static void chunks_give_every_row_once(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    static const int64_t counts[] = {0, 1, 9, 10, 11, 20, 25};
    assert_ok(pg_begin(pg, &err), err);
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        struct pg_statement *st = NULL;
        assert_ok(pg_prepare(pg, "SELECT n FROM generate_series(1, ?1) AS n", &st, &err), err);
        pg_statement_chunks(st, 10);
        pg_bind_i64(st, 1, counts[i]);
        for (int again = 0; again < 2; again++) {
            int64_t n = 0;
            bool has_row = true;
            while (pg_step(st, &has_row, &err) == ERR_NONE && has_row) {
                assert_true(pg_column_i64(st, 0) == ++n);
                assert_int_equal(ask(pg, "SELECT 5"), 5); /* others may run meanwhile */
            }
            assert_int_equal(err.code, ERR_NONE);
            assert_true(n == counts[i]);
        }
        pg_statement_free(st);
    }
    assert_int_equal(ask(pg, "SELECT count(*) FROM pg_cursors WHERE name LIKE '_plumb%'"), 0);
    pg_rollback(pg);
    pg_close(pg);
}

static void chunks_need_a_transaction(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    struct pg_statement *st = NULL;
    assert_ok(pg_prepare(pg, "SELECT 1", &st, &err), err);
    pg_statement_chunks(st, 10);
    bool has_row = false;
    assert_int_equal(pg_step(st, &has_row, &err), ERR_INTERNAL);
    pg_statement_free(st);
    pg_close(pg);
}

static void a_statement_is_described_without_running(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    struct pg_statement *st = NULL;
    assert_ok(pg_prepare(pg, "SELECT 1/0 AS a, CAST(?1 AS numeric) AS b", &st, &err), err);
    assert_ok(pg_describe(st, &err), err);
    assert_int_equal(pg_column_count(st), 2);
    assert_string_equal(pg_column_name(st, 1), "b");
    assert_int_equal(pg_column_oid(st, 1), 1700);
    pg_statement_free(st);
    assert_ok(pg_prepare(pg, "SELECT\nnothing", &st, &err), err);
    assert_int_equal(pg_describe(st, &err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "line 2, column 1"));
    pg_statement_free(st);
    pg_close(pg);
}

static void transactions_commit_and_roll_back(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    bool unknown = true;
    test_execute(pg, "CREATE TEMP TABLE c(a int)");
    assert_false(pg_in_transaction(pg));
    assert_ok(pg_begin(pg, &err), err);
    assert_true(pg_in_transaction(pg));
    struct pg_statement *st = NULL;
    assert_ok(pg_prepare(pg, "INSERT INTO pg_temp.c SELECT generate_series(1, ?1)", &st, &err),
              err);
    pg_bind_i64(st, 1, 3);
    int64_t changes = 0;
    assert_ok(pg_run(st, &changes, &err), err);
    assert_true(changes == 3);
    assert_ok(pg_commit(pg, &unknown, &err), err);
    assert_false(unknown || pg_in_transaction(pg));
    assert_ok(pg_begin(pg, &err), err);
    assert_ok(pg_run(st, &changes, &err), err);
    pg_rollback(pg);
    assert_false(pg_in_transaction(pg));
    assert_int_equal(ask(pg, "SELECT count(*) FROM pg_temp.c"), 3);
    pg_statement_free(st);
    pg_close(pg);
}

static void a_failed_transaction_does_not_commit(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    bool unknown = true;
    assert_ok(pg_begin(pg, &err), err);
    assert_int_equal(pg_execute(pg, "SELECT 1/0", &err), ERR_INPUT);
    assert_int_equal(pg_execute(pg, "SELECT 1", &err), ERR_INTERNAL); /* 25P02 */
    assert_int_equal(pg_commit(pg, &unknown, &err), ERR_INTERNAL);
    assert_false(unknown || pg_in_transaction(pg));
    pg_close(pg);
}

static void settings_are_of_the_transaction(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    bool unknown = false;
    pg_use_schema(pg, "shop");
    const int64_t before = ask(pg, "SELECT length(current_setting('search_path'))");
    test_execute(pg, "SET synchronous_commit = off");
    assert_ok(pg_begin(pg, &err), err);
    assert_int_equal(ask(pg, "SELECT (current_setting('search_path') = 'shop, plumb')::int"), 1);
    assert_int_equal(ask(pg, "SELECT (current_setting('synchronous_commit') = 'on')::int"), 1);
    assert_int_equal(
        ask(pg, "SELECT (current_setting('idle_in_transaction_session_timeout') = '1min')::int"),
        1);
    assert_ok(pg_commit(pg, &unknown, &err), err);
    assert_int_equal(ask(pg, "SELECT length(current_setting('search_path'))"), before);
    test_execute(pg, "SET synchronous_commit = remote_apply"); /* more is left as it is */
    assert_ok(pg_begin_read(pg, &err), err);
    assert_int_equal(
        ask(pg, "SELECT (current_setting('synchronous_commit') = 'remote_apply')::int"), 1);
    assert_int_equal(pg_execute(pg, "CREATE TABLE never(a int)", &err),
                     ERR_UNAVAILABLE); /* 25006 */
    pg_rollback(pg);
    pg_close(pg);
}

static void a_deadline_cancels(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    assert_ok(pg_begin(pg, &err), err);
    pg_deadline(pg, clock_monotonic_us() + 50000);
    assert_int_equal(pg_execute(pg, "SELECT pg_sleep(600)", &err), ERR_CANCELLED);
    pg_rollback(pg); /* the deadline is over, and it works all the same */
    assert_false(pg_is_broken(pg));
    pg_deadline(pg, 0);
    assert_int_equal(ask(pg, "SELECT 5"), 5);
    pg_close(pg);
}

static bool after_some(void *context) {
    int *left = context;
    return (*left)-- <= 0;
}

static void whoever_asks_stops_a_wait(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    int left = 2;
    pg_stop_when(pg, after_some, &left);
    assert_int_equal(pg_execute(pg, "SELECT pg_sleep(600)", &err), ERR_CANCELLED);
    pg_stop_when(pg, NULL, NULL);
    assert_int_equal(ask(pg, "SELECT 5"), 5);
    pg_close(pg);
}

static void end_backend(struct pg *who, int backend) {
    char sql[100];
    (void)snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 5000)", backend);
    test_execute(who, sql);
}

static void a_lost_connection_is_unavailable_until_reopened(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct pg *other = test_open();
    struct err err = ERR_INIT;
    assert_ok(pg_begin(pg, &err), err);
    end_backend(other, pg_backend(pg));
    assert_int_equal(pg_execute(pg, "SELECT 1", &err), ERR_UNAVAILABLE);
    assert_true(pg_is_broken(pg));
    assert_int_equal(pg_execute(pg, "SELECT 1", &err), ERR_UNAVAILABLE);
    pg_rollback(pg);
    assert_ok(pg_reopen(pg, &err), err);
    assert_false(pg_in_transaction(pg));
    assert_int_equal(ask(pg, "SELECT 5"), 5);
    pg_close(other);
    pg_close(pg);
}

static void a_commit_without_an_answer_is_unknown(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct pg *other = test_open();
    struct err err = ERR_INIT;
    bool unknown = false;
    assert_ok(pg_begin(pg, &err), err);
    end_backend(other, pg_backend(pg));
    assert_int_equal(pg_commit(pg, &unknown, &err), ERR_UNAVAILABLE);
    assert_true(unknown);
    assert_memory_equal(err.message, "commit: outcome unknown", 23);
    pg_close(other);
    pg_close(pg);
}

static void injected_faults_are_unavailable(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct err err = ERR_INIT;
    assert_int_equal(fault_arm("store:1", &err), ERR_NONE);
    assert_int_equal(pg_execute(pg, "SELECT 1", &err), ERR_UNAVAILABLE);
    assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
    assert_int_equal(ask(pg, "SELECT 5"), 5);
    pg_close(pg);
}

static void refusals_have_their_class(void **state) {
    (void)state;
    struct pg *pg = test_open();
    pg_close(pg);
    struct err err = ERR_INIT;
    char *base = mem_strndup(test_url(), (size_t)(strrchr(test_url(), '/') - test_url()));
    char *url = mem_printf("%s/no_such_database", base);
    assert_int_equal(pg_open(url, "plumb test", &pg, &err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "no_such_database"));
    mem_free(url);
    url = mem_printf("postgres://nobody_here:hunter2@%s", strchr(test_url(), '@') + 1);
    assert_int_equal(pg_open(url, "plumb test", &pg, &err), ERR_CONFIG);
    assert_null(strstr(err.message, "hunter2"));
    mem_free(url);
    mem_free(base);
    assert_int_equal(pg_open("postgres://127.0.0.1:1/x", "plumb test", &pg, &err), ERR_UNAVAILABLE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back),
        cmocka_unit_test(errors_say_class_and_place),
        cmocka_unit_test(chunks_give_every_row_once),
        cmocka_unit_test(chunks_need_a_transaction),
        cmocka_unit_test(a_statement_is_described_without_running),
        cmocka_unit_test(transactions_commit_and_roll_back),
        cmocka_unit_test(a_failed_transaction_does_not_commit),
        cmocka_unit_test(settings_are_of_the_transaction),
        cmocka_unit_test(a_deadline_cancels),
        cmocka_unit_test(whoever_asks_stops_a_wait),
        cmocka_unit_test(a_lost_connection_is_unavailable_until_reopened),
        cmocka_unit_test(a_commit_without_an_answer_is_unknown),
        cmocka_unit_test(injected_faults_are_unavailable),
        cmocka_unit_test(refusals_have_their_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
