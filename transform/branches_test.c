/* SQL that counts: what is put around what, and what is left alone. The ways are compared by the text
 * of the SQL they stand at. */
#include "transform/branches.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

struct expected {
    const char *kind, *text;
};

static void check(const char *sql, bool with_where, const char *wanted, const struct expected *ways,
                  size_t count) {
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    CLEANUP(branches_release) struct branches found = {.items = NULL};
    assert_true(branches_mark(sql, with_where, 7, &out, &found));
    assert_string_equal(buf_c(&out), wanted);
    assert_int_equal(found.count, count);
    for (size_t i = 0; i < count; i++) {
        const struct branch *b = &found.items[i];
        const struct str text = {sql + b->offset, b->end - b->offset};
        assert_string_equal(branch_kind_name(b->kind), ways[i].kind);
        assert_true(str_equal_c(text, ways[i].text));
    }
}

#define CHECK(sql, with_where, wanted, ...)                                                        \
    do {                                                                                           \
        const struct expected ways[] = {__VA_ARGS__};                                              \
        check(sql, with_where, wanted, ways, ARRAY_COUNT(ways));                                   \
    } while (0)

static void each_then_and_else_is_a_way(void **state) {
    (void)state;
    CHECK("SELECT CASE WHEN a > 1 THEN 'x' WHEN b THEN 2 ELSE c END AS d FROM t", true,
          "SELECT CASE WHEN a > 1 THEN plumb_reached(7, ( 'x')) WHEN b THEN plumb_reached(8, ( 2)) "
          "ELSE plumb_reached(9, ( c)) END AS d FROM t",
          {"when", "WHEN a > 1"}, {"when", "WHEN b"}, {"else", "ELSE"});
}

static void a_case_without_an_else_has_one_more_way(void **state) {
    (void)state;
    CHECK("SELECT CASE k WHEN 1 THEN max(x) END FROM t", true,
          "SELECT CASE k WHEN 1 THEN plumb_reached(7, ( max(x))) ELSE plumb_reached(8, NULL)  END "
          "FROM t",
          {"when", "WHEN 1"}, {"no else", "CASE k WHEN 1 THEN max(x) END"});
}

static void cases_stand_within_cases(void **state) {
    (void)state;
    CHECK("SELECT CASE WHEN a THEN CASE WHEN b THEN 1 ELSE 2 END ELSE (CASE WHEN c THEN 3 ELSE 4 "
          "END) END",
          true,
          "SELECT CASE WHEN a THEN plumb_reached(7, ( CASE WHEN b THEN plumb_reached(8, ( 1)) ELSE "
          "plumb_reached(9, ( 2)) END)) ELSE plumb_reached(10, ( (CASE WHEN c THEN "
          "plumb_reached(11, ( 3)) ELSE plumb_reached(12, ( 4)) END))) END",
          {"when", "WHEN a"}, {"when", "WHEN b"}, {"else", "ELSE"}, {"else", "ELSE"},
          {"when", "WHEN c"}, {"else", "ELSE"});
}

static void the_outermost_where_keeps_and_leaves_out(void **state) {
    (void)state;
    CHECK("WITH q AS (SELECT 1 WHERE 2) SELECT a FROM t WHERE b = (SELECT 1 WHERE 0) -- why\nGROUP "
          "BY a;",
          true,
          "WITH q AS (SELECT 1 WHERE 2) SELECT a FROM t WHERE plumb_decided(( b = (SELECT 1 WHERE "
          "0)), 7) -- why\nGROUP BY a;",
          {"where keeps", "WHERE b = (SELECT 1 WHERE 0)"},
          {"where leaves out", "WHERE b = (SELECT 1 WHERE 0)"});
    CHECK("SELECT 1 WHERE a UNION ALL SELECT 2 WHERE b", true,
          "SELECT 1 WHERE plumb_decided(( a), 7) UNION ALL SELECT 2 WHERE plumb_decided(( b), 9)",
          {"where keeps", "WHERE a"}, {"where leaves out", "WHERE a"}, {"where keeps", "WHERE b"},
          {"where leaves out", "WHERE b"});
    check("SELECT 1 WHERE a", false, "SELECT 1 WHERE a", NULL, 0);
}

static void ways_of_a_where_come_behind_those_of_cases_in_it(void **state) {
    (void)state;
    CHECK("SELECT 1 WHERE CASE WHEN a THEN 1 ELSE 0 END", true,
          "SELECT 1 WHERE plumb_decided(( CASE WHEN a THEN plumb_reached(7, ( 1)) ELSE "
          "plumb_reached(8, ( 0)) END), 9)",
          {"when", "WHEN a"}, {"else", "ELSE"},
          {"where keeps", "WHERE CASE WHEN a THEN 1 ELSE 0 END"},
          {"where leaves out", "WHERE CASE WHEN a THEN 1 ELSE 0 END"});
}

static void names_and_texts_are_no_keywords(void **state) {
    (void)state;
    static const char sql[] =
        "SELECT t.case, \"case\", 'CASE WHEN', [when], `then` /* CASE */ FROM "
        "t -- WHERE CASE\n";
    check(sql, true, sql, NULL, 0);
}

static void a_comment_behind_a_branch_stays_one(void **state) {
    (void)state;
    CHECK("SELECT CASE WHEN a THEN 1 -- one\n ELSE 2 /* two */ END", true,
          "SELECT CASE WHEN a THEN plumb_reached(7, ( 1)) -- one\n ELSE plumb_reached(8, ( 2)) /* "
          "two */ END",
          {"when", "WHEN a"}, {"else", "ELSE"});
}

static void what_is_not_followed_is_left_alone(void **state) {
    (void)state;
    static const char *const texts[] = {"SELECT CASE WHEN a THEN 1",
                                        "SELECT (1",
                                        "SELECT 1)",
                                        "SELECT CASE THEN 1 END",
                                        "SELECT CASE END",
                                        "SELECT (CASE WHEN a) THEN 1 END",
                                        "SELECT CASE WHEN a THEN 1 ELSE 2 ELSE 3 END",
                                        "SELECT CASE WHEN a THEN 1 ELSE 2 WHEN b THEN 3 END"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
        CLEANUP(branches_release) struct branches found = {.items = NULL};
        assert_false(branches_mark(texts[i], true, 0, &out, &found));
        assert_int_equal(out.len, 0);
        assert_int_equal(found.count, 0);
    }
}

static void too_deep_is_not_followed(void **state) {
    (void)state;
    for (int deep = BRANCHES_NESTED_MAX; deep <= BRANCHES_NESTED_MAX + 1; deep++) {
        AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
        AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
        CLEANUP(branches_release) struct branches found = {.items = NULL};
        buf_adds(&sql, "SELECT ");
        for (int i = 0; i < deep; i++) {
            buf_adds(&sql, "CASE WHEN a THEN ");
        }
        buf_adds(&sql, "1");
        for (int i = 0; i < deep; i++) {
            buf_adds(&sql, " END");
        }
        assert_int_equal(branches_mark(buf_c(&sql), true, 0, &out, &found),
                         deep == BRANCHES_NESTED_MAX);
    }
}

static void a_condition_alone_has_two_ways(void **state) {
    (void)state;
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    CLEANUP(branches_release) struct branches found = {.items = NULL};
    branches_mark_condition("a = 1 -- void", 3, &out, &found);
    assert_string_equal(buf_c(&out), "plumb_decided((a = 1 -- void\n), 3)");
    assert_int_equal(found.count, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_then_and_else_is_a_way),
        cmocka_unit_test(a_case_without_an_else_has_one_more_way),
        cmocka_unit_test(cases_stand_within_cases),
        cmocka_unit_test(the_outermost_where_keeps_and_leaves_out),
        cmocka_unit_test(ways_of_a_where_come_behind_those_of_cases_in_it),
        cmocka_unit_test(names_and_texts_are_no_keywords),
        cmocka_unit_test(a_comment_behind_a_branch_stays_one),
        cmocka_unit_test(what_is_not_followed_is_left_alone),
        cmocka_unit_test(too_deep_is_not_followed),
        cmocka_unit_test(a_condition_alone_has_two_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
