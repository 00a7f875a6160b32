/* The translation of SQL, and places in it. */
#include "store/postgres/sqltext.h"

#include "base/mem.h"
#include "base/test_support.h"

static void assert_becomes(const char *sql, const char *expected, size_t parameters) {
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    struct err err = ERR_INIT;
    size_t count = 99;
    assert_int_equal(pg_sql_translate(str_of(sql), &out, &count, &err), ERR_NONE);
    assert_string_equal(buf_c(&out), expected);
    assert_int_equal(count, parameters);
}

static void parameters_get_a_dollar(void **state) {
    (void)state;
    assert_becomes("SELECT ?1, ?2 + ?1", "SELECT $1, $2 + $1", 2);
    assert_becomes("?4096", "$4096", 4096);
    assert_becomes("", "", 0);
    assert_becomes("SELECT 1", "SELECT 1", 0);
}

static void bytes_become_bytea(void **state) {
    (void)state;
    assert_becomes("x = X'C0de'", "x = '\\xC0de'::bytea", 0);
    assert_becomes("x=x''", "x='\\x'::bytea", 0);
    assert_becomes("max'00'", "max'00'", 0); /* the end of a word is no prefix */
    assert_becomes("a$x'00'", "a$x'00'", 0);
}

static void what_is_quoted_stays(void **state) {
    (void)state;
    static const char *const same[] = {"'?1'",           "'it''s ?1'",    "\"?1\"",
                                       "\"a\"\"?1\"",    "-- ?1",         "/* ?1 /* ?2 */ ?3 */",
                                       "$$ ?1 $$",       "$a$ ?1 $$ $a$", "E'\\' ?1'",
                                       "e'?1'",          "'X''00'''",     "'unclosed ?1",
                                       "/* unclosed ?1", "$q$ ?1",        "a$1",
                                       "j ?| k",         "j ? 'k'",       "j ?& k"};
    for (size_t i = 0; i < ARRAY_COUNT(same); i++) {
        assert_becomes(same[i], same[i], 0);
    }
    assert_becomes("-- ?1\n?1", "-- ?1\n$1", 1);
    assert_becomes("'\\' || ?1", "'\\' || $1", 1); /* a backslash is nothing special without E */
    assert_becomes("'a' ?1 'b'", "'a' $1 'b'", 1);
    assert_becomes("a - ?1 / ?2", "a - $1 / $2", 2);
}

#define TEN "0123456789"

static void names_that_are_too_long_get_a_short_one(void **state) {
    (void)state;
    char a[PG_IDENTIFIER_BYTES];
    char b[PG_IDENTIFIER_BYTES];
    static const char fits[] = TEN TEN TEN TEN TEN TEN "012";
    pg_short_name(str_of(fits), a);
    assert_string_equal(a, fits);
    assert_becomes("\"" TEN TEN TEN TEN TEN TEN "012\"", "\"" TEN TEN TEN TEN TEN TEN "012\"", 0);
    pg_short_name(STR(TEN TEN TEN TEN TEN TEN "0123"), a);
    pg_short_name(STR(TEN TEN TEN TEN TEN TEN "0124"), b);
    assert_int_equal(strlen(a), 63);
    assert_memory_equal(a, TEN TEN TEN TEN "012345~", 47);
    assert_memory_equal(a, b, 47);
    assert_string_not_equal(a, b);
    pg_short_name(STR(TEN TEN TEN TEN "01234\xc3\xa4" TEN TEN), b); /* no half of a character */
    assert_memory_equal(b, TEN TEN TEN TEN "01234~", 46);
    assert_int_equal(strlen(b), 62);
    pg_short_name(STR(""), b);
    assert_string_equal(b, "");
    char *wanted = mem_printf("SELECT \"%s\".x, '\"" TEN TEN TEN TEN TEN TEN "0123\"' FROM $1", a);
    assert_becomes("SELECT \"" TEN TEN TEN TEN TEN TEN "0123\".x, '\"" TEN TEN TEN TEN TEN TEN
                   "0123\"' FROM ?1",
                   wanted, 1);
    mem_free(wanted);
    assert_becomes("\"" TEN TEN TEN TEN TEN TEN "0\"\"123\"",
                   "\"" TEN TEN TEN TEN TEN TEN "0\"\"123\"", 0);
    assert_becomes("\"" TEN TEN TEN TEN TEN TEN TEN, "\"" TEN TEN TEN TEN TEN TEN TEN, 0);
}

static void what_is_malformed_is_input(void **state) {
    (void)state;
    static const char *const bad[] = {"?0",   "?4097", "?99999999999999999999",
                                      "X'0'", "X'0g'", "X'00"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
        struct err err = ERR_INIT;
        size_t count = 0;
        assert_int_equal(pg_sql_translate(str_of(bad[i]), &out, &count, &err), ERR_INPUT);
    }
    AUTO_BUF small = BUF_INIT(4);
    struct err err = ERR_INIT;
    size_t count = 0;
    assert_int_equal(pg_sql_translate(STR("SELECT 1"), &small, &count, &err), ERR_LIMIT);
}

static void assert_place(const char *sql, size_t character, size_t line, size_t column) {
    size_t got_line = 99;
    size_t got_column = 99;
    pg_sql_place(str_of(sql), character, &got_line, &got_column);
    assert_int_equal(got_line, line);
    assert_int_equal(got_column, column);
}

static void a_place_is_one_of_the_original(void **state) {
    (void)state;
    assert_place("abc", 1, 1, 1);
    assert_place("abc", 3, 1, 3);
    assert_place("abc", 4, 0, 0);
    assert_place("abc", 0, 0, 0);
    assert_place("a\nbc", 4, 2, 2);
    assert_place("'\xc3\xa4' b", 5, 1, 5); /* characters, not bytes */
    /* X'00' is '\x00'::bytea, 13 characters: what follows is 8 further on */
    assert_place("X'00' b", 15, 1, 7);
    assert_place("X'00' b", 5, 1, 1);
    assert_place("?1 b", 4, 1, 4);
    /* 70 characters and the quotes become 65 */
    assert_place("\"" TEN TEN TEN TEN TEN TEN TEN "\" b", 1, 1, 1);
    assert_place("\"" TEN TEN TEN TEN TEN TEN TEN "\" b", 65, 1, 1);
    assert_place("\"" TEN TEN TEN TEN TEN TEN TEN "\" b", 67, 1, 74);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_get_a_dollar),
        cmocka_unit_test(bytes_become_bytea),
        cmocka_unit_test(what_is_quoted_stays),
        cmocka_unit_test(names_that_are_too_long_get_a_short_one),
        cmocka_unit_test(what_is_malformed_is_input),
        cmocka_unit_test(a_place_is_one_of_the_original),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
