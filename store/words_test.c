/* Words put into texts, and what both databases make of the system's tables. */
#include "store/words.h"

#include <string.h>

#include "base/test_support.h"

static const struct store_word words[] = {{"int", "INTEGER"}, {"table", ""}, {"long", "{int}"}};

static void expect(const char *text, const char *wanted) {
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&out, "> ");
    store_words(words, ARRAY_COUNT(words), text, &out);
    assert_string_equal(buf_c(&out) + 2, wanted);
    assert_memory_equal(buf_c(&out), "> ", 2);
}

static void words_are_put_in(void **state) {
    (void)state;
    expect("", "");
    expect("no words", "no words");
    expect("{int}", "INTEGER");
    expect("{int}{int}", "INTEGERINTEGER");
    expect("a {int} NOT NULL) {table};", "a INTEGER NOT NULL) ;");
    expect("}", "}");
    expect("{long}", "{int}"); /* what was put in is not looked at again */
}

/* Every brace is one of the documented words, and no statement says itself what differs. */
static void the_system_tables_use_the_words(void **state) {
    (void)state;
    static const struct store_word known[] = {
        {"id", "<id>"},     {"int", "<int>"},     {"real", "<real>"},  {"text", "<text>"},
        {"blob", "<blob>"}, {"table", "<table>"}, {"keyed", "<keyed>"}};
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    store_system_tables(known, ARRAY_COUNT(known), &out);
    assert_null(strpbrk(buf_c(&out), "{}"));
    static const char *const foreign[] = {"INTEGER", "TEXT",   "BLOB",  "REAL",
                                          "STRICT",  "bigint", "bytea", "ROWID"};
    for (size_t i = 0; i < ARRAY_COUNT(foreign); i++) {
        assert_null(strstr(buf_c(&out), foreign[i]));
    }
    size_t tables = 0;
    for (const char *at = buf_c(&out); (at = strstr(at, "CREATE TABLE ")) != NULL; at++) {
        tables++;
        assert_memory_equal(at, "CREATE TABLE IF NOT EXISTS _plumb_", 34);
        const char *end = strchr(at, ';');
        assert_non_null(end);
        assert_true(strncmp(end - 7, "<table>", 7) == 0 || strncmp(end - 7, "<keyed>", 7) == 0);
    }
    assert_true(tables >= 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_put_in),
        cmocka_unit_test(the_system_tables_use_the_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
