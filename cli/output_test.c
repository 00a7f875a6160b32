/* Texts for people: numbers, spans, tables, JSON, and the excerpt of a record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/facts.h"
#include "cli/rejects.h"

static void numbers_have_a_comma_every_three_digits(void **state) {
    (void)state;
    static const struct {
        int64_t n;
        const char *text;
    } cases[] = {{0, "0"},
                 {7, "7"},
                 {999, "999"},
                 {1000, "1,000"},
                 {-1000, "-1,000"},
                 {123456, "123,456"},
                 {INT64_MAX, "9,223,372,036,854,775,807"},
                 {INT64_MIN, "-9,223,372,036,854,775,808"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char out[OUTPUT_NUMBER_BYTES];
        output_number(cases[i].n, out);
        assert_string_equal(out, cases[i].text);
    }
}

static void bytes_are_shown_in_the_largest_unit_that_leaves_three_digits(void **state) {
    (void)state;
    static const struct {
        int64_t n;
        const char *text;
    } cases[] = {{0, "0 B"},
                 {1023, "1023 B"},
                 {1024, "1.0 KiB"},
                 {1536, "1.5 KiB"},
                 {INT64_C(999) << 10, "999.0 KiB"},
                 {INT64_C(1000) << 10, "1.0 MiB"},
                 {(INT64_C(1) << 30) - 1, "1.0 GiB"},
                 {INT64_C(5) << 40, "5.0 TiB"},
                 {INT64_MAX, "8388608.0 TiB"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char out[OUTPUT_NUMBER_BYTES];
        output_bytes(cases[i].n, out);
        assert_string_equal(out, cases[i].text);
    }
}

static void durations_are_rounded_to_what_matters(void **state) {
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {{0, "0 us"},
                 {999, "999 us"},
                 {1000, "1.0 ms"},
                 {1951, "2.0 ms"},
                 {12340, "12.3 ms"},
                 {59900000, "59.9 s"},
                 {61000000, "1 m 1 s"},
                 {INT64_C(3600000000), "1 h 0 m"},
                 {INT64_C(90060000000), "25 h 1 m"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char out[OUTPUT_NUMBER_BYTES];
        output_duration(cases[i].us, out);
        assert_string_equal(out, cases[i].text);
    }
}

static void ago_uses_a_unit_once_two_of_it_have_passed(void **state) {
    (void)state;
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {{0, "just now"},     {1, "1 s ago"},    {119, "119 s ago"},   {120, "2 m ago"},
                 {7199, "119 m ago"}, {7200, "2 h ago"}, {172799, "47 h ago"}, {172800, "2 d ago"},
                 {-1, "just now"},    {-2, "in 2 s"},    {-7200, "in 2 h"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char out[OUTPUT_NUMBER_BYTES];
        output_ago(1000000000, 1000000000 + cases[i].seconds * 1000000, out);
        assert_string_equal(out, cases[i].text);
    }
    char out[OUTPUT_NUMBER_BYTES];
    output_ago(INT64_MIN, INT64_MAX, out);
    assert_string_equal(out, "long ago or to come");
}

static void counts_have_a_plural(void **state) {
    (void)state;
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    output_count(&b, 0, "source");
    output_count(&b, 1, "source");
    output_count(&b, 1200, "source");
    output_count(&b, 2, "batch");
    assert_string_equal(buf_c(&b), "0 sources1 source1,200 sources2 batches");
}

static const struct fact_column columns[] = {{"name", "name", FACT_TEXT},
                                             {"rows", "rows", FACT_COUNT},
                                             {"hidden", NULL, FACT_COUNT},
                                             {"text", "text", FACT_TEXT}};

static void add_row(struct facts *f, const char *name, int64_t rows, const char *text) {
    facts_c(f, name);
    facts_number(f, rows);
    facts_number(f, 5);
    facts_c(f, text);
}

static void columns_are_as_wide_as_their_widest_text(void **state) {
    (void)state;
    AUTO_FACTS f = FACTS_INIT(columns);
    add_row(&f, "a", 1, "x");
    add_row(&f, "größe", 12345, NULL);
    struct output o = {.columns = 0};
    buf_init(&o.text, BUF_TEXT_MAX);
    facts_show(&f, &o, 10);
    assert_string_equal(buf_c(&o.text), "  name     rows  text\n"
                                        "  a           1  x\n"
                                        "  größe  12,345  -\n");
    output_release(&o);
}

static void rows_past_the_limit_are_counted(void **state) {
    (void)state;
    AUTO_FACTS f = FACTS_INIT(columns);
    for (int i = 0; i < 5; i++) {
        add_row(&f, "n", i, "x");
    }
    struct output o = {.columns = 0};
    buf_init(&o.text, BUF_TEXT_MAX);
    facts_show(&f, &o, 1);
    assert_string_equal(buf_c(&o.text), "  name  rows  text\n"
                                        "  n        0  x\n"
                                        "  ... and 4 more\n");
    output_release(&o);
}

static void a_narrow_terminal_takes_from_the_widest_text(void **state) {
    (void)state;
    AUTO_FACTS f = FACTS_INIT(columns);
    add_row(&f, "name", 1, "a text that is much longer than the line");
    struct output o = {.columns = 30};
    buf_init(&o.text, BUF_TEXT_MAX);
    facts_show(&f, &o, 10);
    assert_string_equal(buf_c(&o.text), "  name  rows  text\n"
                                        "  name     1  a text that i...\n");
    output_release(&o);
}

static void what_a_terminal_would_act_on_is_not_shown(void **state) {
    (void)state;
    AUTO_FACTS f = FACTS_INIT(columns);
    add_row(&f, "\x1b[31m", 1, "a\nb\xff");
    struct output o = {.columns = 0};
    buf_init(&o.text, BUF_TEXT_MAX);
    facts_show(&f, &o, 10);
    assert_string_equal(buf_c(&o.text), "  name   rows  text\n"
                                        "  ?[31m     1  a?b?\n");
    output_release(&o);
}

static void json_has_all_columns_and_times_as_text(void **state) {
    (void)state;
    static const struct fact_column kinds[] = {{"t", "t", FACT_TIME},
                                               {"f", "f", FACT_FLAG},
                                               {"b", NULL, FACT_BYTES},
                                               {"n", "n", FACT_TEXT}};
    AUTO_FACTS f = FACTS_INIT(kinds);
    facts_number(&f, 1);
    facts_number(&f, 1);
    facts_number(&f, 2048);
    facts_null(&f);
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    struct json_writer w;
    json_writer_init(&w, &out);
    facts_json(&f, &w);
    assert_string_equal(buf_c(&out), "[{\"t\":\"1970-01-01T00:00:00.000001Z\",\"f\":true,"
                                     "\"b\":2048,\"n\":null}]");
}

struct excerpt_case {
    const char *record;
    int64_t offset;
    size_t columns;
    const char *text;
    int64_t caret;
};

static void check_excerpts(const struct excerpt_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
        int64_t caret = -9;
        excerpt_of(str_of(cases[i].record), cases[i].offset, cases[i].columns, &out, &caret);
        assert_string_equal(buf_c(&out), cases[i].text);
        assert_int_equal(caret, cases[i].caret);
        assert_true(output_width(buf_c(&out)) <= cases[i].columns);
    }
}

static void the_caret_stands_under_the_byte(void **state) {
    (void)state;
    static const struct excerpt_case cases[] = {{"abcdef", 0, 20, "abcdef", 0},
                                                {"abcdef", 5, 20, "abcdef", 5},
                                                {"abcdef", 6, 20, "abcdef", 6},
                                                {"abcdef", 7, 20, "abcdef", -1},
                                                {"abcdef", -1, 20, "abcdef", -1},
                                                {"\taé\nb", 1, 20, "\\taé\\nb", 2},
                                                {"\taé\nb", 3, 20, "\\taé\\nb", 3},
                                                {"\taé\nb", 5, 20, "\\taé\\nb", 6},
                                                {"", 0, 20, "", 0}};
    check_excerpts(cases, ARRAY_COUNT(cases));
}

static void a_long_record_is_cut_on_both_sides_of_the_fault(void **state) {
    (void)state;
    static const struct excerpt_case cases[] = {
        {"0123456789abcdefghijklmnopqrstuvwxyz", 0, 20, "0123456789abcdefg...", 0},
        {"0123456789abcdefghijklmnopqrstuvwxyz", 18, 20, "...89abcdefghijkl...", 13},
        {"0123456789abcdefghijklmnopqrstuvwxyz", 35, 20, "...pqrstuvwxyz", 13},
        {"0123456789abcdefghijklmnopqrstuvwxyz", 36, 20, "...qrstuvwxyz", 13},
        {"ééééééééééééééé", 20, 12, "...ééééééé", 5},
        {"ééééééééééééééé", 10, 12, "...éééééé...", 5}};
    check_excerpts(cases, ARRAY_COUNT(cases));
}

static void every_byte_that_is_not_text_becomes_visible(void **state) {
    (void)state;
    static const struct excerpt_case cases[] = {{"\x01\x7f\xff?\\", 2, 40, "\\x01\\x7f\\xff?\\", 8},
                                                {"\xe2\x80\xae", 0, 40, "\\u{202E}", 0},
                                                {"a\xc3", 1, 40, "a\\xc3", 1}};
    check_excerpts(cases, ARRAY_COUNT(cases));
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    int64_t caret = 0;
    excerpt_of((struct str){"a\0b", 3}, 1, 40, &out, &caret);
    assert_string_equal(buf_c(&out), "a\\x00b");
    assert_int_equal(caret, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_a_comma_every_three_digits),
        cmocka_unit_test(bytes_are_shown_in_the_largest_unit_that_leaves_three_digits),
        cmocka_unit_test(durations_are_rounded_to_what_matters),
        cmocka_unit_test(ago_uses_a_unit_once_two_of_it_have_passed),
        cmocka_unit_test(counts_have_a_plural),
        cmocka_unit_test(columns_are_as_wide_as_their_widest_text),
        cmocka_unit_test(rows_past_the_limit_are_counted),
        cmocka_unit_test(a_narrow_terminal_takes_from_the_widest_text),
        cmocka_unit_test(what_a_terminal_would_act_on_is_not_shown),
        cmocka_unit_test(json_has_all_columns_and_times_as_text),
        cmocka_unit_test(the_caret_stands_under_the_byte),
        cmocka_unit_test(a_long_record_is_cut_on_both_sides_of_the_fault),
        cmocka_unit_test(every_byte_that_is_not_text_becomes_visible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
