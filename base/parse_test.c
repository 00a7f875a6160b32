/* Numbers: exact vectors, random doubles against the C library, strictness. */
#include "base/parse.h"
#include "base/parse_vectors.h"
#include "base/test_support.h"

#include <locale.h>
#include <math.h>

static uint64_t bits_of(double v) {
    uint64_t bits = 0;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static void doubles_are_rounded_correctly(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(parse_vectors); i++) {
        double v = 0;
        if (!parse_f64(str_of(parse_vectors[i].text), &v)) {
            fail_msg("'%s' was refused", parse_vectors[i].text);
        }
        if (bits_of(v) != parse_vectors[i].bits) {
            fail_msg("'%s' became %a", parse_vectors[i].text, v);
        }
    }
}

static void random_texts_agree_with_the_library(void **state) {
    (void)state;
    uint64_t random = 3;
    for (int i = 0; i < 300000; i++) {
        char text[64];
        unsigned long long digits = next_random(&random) >> (next_random(&random) % 64);
        int exponent = (int)(next_random(&random) % 60) - 30;
        (void)snprintf(text, sizeof text, i % 2 == 0 ? "%llue%d" : "-%llu.5e%d", digits, exponent);
        double mine = 0;
        assert_true(parse_f64(str_of(text), &mine));
        assert_int_equal(bits_of(mine), bits_of(strtod(text, NULL)));
    }
}

static void every_finite_double_is_read_back_from_its_text(void **state) {
    (void)state;
    uint64_t random = 4;
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = next_random(&random);
        double v = 0;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v)) {
            continue;
        }
        char text[PARSE_F64_TEXT_BYTES];
        parse_print_f64(v, text);
        double back = 0;
        assert_true(parse_f64(str_of(text), &back));
        assert_int_equal(bits_of(back), bits);
    }
}

static void texts_of_doubles_are_short(void **state) {
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {{0, "0"},
                 {-0.0, "-0"},
                 {0.1, "0.1"},
                 {1e22, "1e+22"},
                 {5, "5"},
                 {-2.5, "-2.5"},
                 {1.0 / 3, "0.3333333333333333"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {1e-7, "1e-07"},
                 {123456789, "123456789"},
                 {1.7976931348623157e308, "1.7976931348623157e+308"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[PARSE_F64_TEXT_BYTES];
        parse_print_f64(cases[i].v, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void what_is_no_json_number_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",       "-",
        "+1",     ".5",
        "5.",     "-.5",
        "01",     "-01",
        "00",     "1e",
        "1e+",    "1e-",
        "e5",     "1.e5",
        "1 ",     " 1",
        "1,5",    "inf",
        "-inf",   "nan",
        "NaN",    "Infinity",
        "0x10",   "1e309",
        "-1e309", "1e99999999999999999999",
        "1_000",  "1f",
        "--1",    "1e5.5",
        "1.2.3",  "1.7976931348623159e308",
        "1e+-5",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        double v = 7;
        if (parse_f64(str_of(bad[i]), &v)) {
            fail_msg("'%s' was taken for a number", bad[i]);
        }
        assert_int_equal(bits_of(v), bits_of(7));
    }
    double v = 0;
    assert_false(parse_f64((struct str){"1\0", 2}, &v));
    assert_false(parse_f64((struct str){NULL, 0}, &v));
}

static void a_view_need_not_end_with_nul(void **state) {
    (void)state;
    double v = 0;
    int64_t i = 0;
    assert_true(parse_f64((struct str){"1.25678", 4}, &v));
    assert_int_equal(bits_of(v), bits_of(1.25));
    assert_true(parse_i64((struct str){"12345", 2}, &i));
    assert_int_equal(i, 12);
}

static void a_locale_with_a_comma_changes_nothing(void **state) {
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8"};
    const char *set = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(names) && set == NULL; i++) {
        set = setlocale(LC_ALL, names[i]);
    }
    if (set == NULL) {
        skip(); /* no such locale is installed */
    }
    double v = 0;
    bool parsed = parse_f64(STR("1.234567890123456789012345"), &v);
    char text[PARSE_F64_TEXT_BYTES];
    parse_print_f64(0.5, text);
    (void)setlocale(LC_ALL, "C");
    assert_true(parsed);
    assert_int_equal(bits_of(v), bits_of(1.234567890123456789012345));
    assert_string_equal(text, "0.5");
}

static void integers_reach_their_ends_and_no_further(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"007", 7},
                {"-12", -12},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN},
                {"00000000000000000000000000009223372036854775807", INT64_MAX}};
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "1e3",
                                      "--1",
                                      "0x1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999"};
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        int64_t v = 1;
        assert_true(parse_i64(str_of(good[i].text), &v));
        assert_int_equal(v, good[i].value);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        int64_t v = 77;
        assert_false(parse_i64(str_of(bad[i]), &v));
        assert_int_equal(v, 77);
    }
    uint64_t u = 0;
    assert_true(parse_u64(STR("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_false(parse_u64(STR("18446744073709551616"), &u));
    assert_false(parse_u64(STR("-1"), &u));
    assert_false(parse_u64(STR(""), &u));
    assert_true(u == UINT64_MAX);
}

static void sizes_have_binary_and_decimal_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {{"512", 512},
                {"0", 0},
                {"7B", 7},
                {"64KiB", 65536},
                {"10MB", 10000000},
                {"2GiB", INT64_C(2147483648)},
                {"20GB", INT64_C(20000000000)},
                {"3kB", 3000},
                {"1TiB", INT64_C(1099511627776)},
                {"8388607TiB", INT64_C(8388607) << 40}};
    static const char *const bad[] = {"",   "KiB", "1 KiB", "-1",         "1.5GB",
                                      "1K", "1gb", "1Ki",   "8388608TiB", "1MBx"};
    int64_t v = 0;
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        assert_true(parse_size(str_of(good[i].text), &v));
        assert_int_equal(v, good[i].bytes);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        if (parse_size(str_of(bad[i]), &v)) {
            fail_msg("'%s' was taken for a size", bad[i]);
        }
    }
}

static const char *nearest(const char *word) {
    static const char *const names[] = {"url", "every", "records", "columns", "max_bytes", "a"};
    return parse_nearest(str_of(word), names, ARRAY_COUNT(names));
}

static void the_nearest_name_is_offered(void **state) {
    (void)state;
    assert_string_equal(nearest("ulr"), "url");
    assert_string_equal(nearest("URL"), "url");
    assert_string_equal(nearest("evry"), "every");
    assert_string_equal(nearest("colums"), "columns");
    assert_string_equal(nearest("collumn"), "columns");
    assert_string_equal(nearest("max_byte"), "max_bytes");
    assert_string_equal(nearest("records"), "records");
    assert_null(nearest("something"));
    assert_null(nearest(""));
    assert_null(nearest("xyz"));
    char longest[PARSE_NEAREST_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_null(nearest(longest));
    const char *const same[] = {longest};
    assert_ptr_equal(parse_nearest((struct str){longest, PARSE_NEAREST_MAX}, same, 1), NULL);
    longest[PARSE_NEAREST_MAX] = '\0';
    assert_ptr_equal(parse_nearest(str_of(longest), same, 1), longest);
    assert_null(parse_nearest(STR("x"), NULL, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_rounded_correctly),
        cmocka_unit_test(random_texts_agree_with_the_library),
        cmocka_unit_test(every_finite_double_is_read_back_from_its_text),
        cmocka_unit_test(texts_of_doubles_are_short),
        cmocka_unit_test(what_is_no_json_number_is_refused),
        cmocka_unit_test(a_view_need_not_end_with_nul),
        cmocka_unit_test(a_locale_with_a_comma_changes_nothing),
        cmocka_unit_test(integers_reach_their_ends_and_no_further),
        cmocka_unit_test(sizes_have_binary_and_decimal_units),
        cmocka_unit_test(the_nearest_name_is_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
