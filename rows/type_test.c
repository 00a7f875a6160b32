#include "rows/type.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "rows/int256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* after the four above */
#include <cmocka.h>

#define SECOND INT64_C(1000000)

static char scratch[4096];

static bool parse(enum column_type type, const char *text, int64_t unit, struct value *out) {
    return value_parse(type, str_of(text), unit, scratch, out);
}

static void assert_integer(enum column_type type, const char *text, int64_t unit, int64_t want) {
    struct value v = {.is_null = true};
    if (!parse(type, text, unit, &v) || v.integer != want || v.is_null || v.type != type) {
        fail_msg("'%s' as %s is %lld", text, type_name(type), (long long)want);
    }
}

static void assert_refused(enum column_type type, const char *text, int64_t unit) {
    struct value v = {.type = TYPE_JSON, .integer = 7};
    if (parse(type, text, unit, &v)) {
        fail_msg("'%s' was taken as %s", text, type_name(type));
    }
    assert_int_equal(v.type, TYPE_JSON);
    assert_int_equal(v.integer, 7);
}

static void assert_json(const struct value *v, const char *expected) {
    struct buf b;
    struct json_writer w;
    buf_init(&b, 1 << 16);
    json_writer_init(&w, &b);
    value_write_json(&w, v);
    assert_string_equal(buf_c(&b), expected);
    buf_release(&b);
}

static void assert_text_as_json(enum column_type type, const char *text, const char *expected) {
    struct value v;
    assert_true(parse(type, text, 0, &v));
    assert_json(&v, expected);
}

static void names_and_types_map_both_ways(void **state) {
    (void)state;
    size_t count = 0;
    while (type_names[count] != NULL) {
        enum column_type t = TYPE_JSON;
        assert_true(type_parse(str_of(type_names[count]), &t));
        assert_int_equal(t, count);
        assert_string_equal(type_name(t), type_names[count]);
        count++;
    }
    assert_int_equal(count, COLUMN_TYPE_COUNT);
    enum column_type untouched = TYPE_BOOL;
    assert_false(type_parse(STR("int"), &untouched));
    assert_false(type_parse(STR("INT64"), &untouched));
    assert_false(type_parse(STR(""), &untouched));
    assert_int_equal(untouched, TYPE_BOOL);
}

static void the_integer_types_are_the_three(void **state) {
    (void)state;
    for (int t = 0; t < COLUMN_TYPE_COUNT; t++) {
        assert_int_equal(type_is_integer((enum column_type)t),
                         t == TYPE_INT64 || t == TYPE_BOOL || t == TYPE_TIMESTAMP);
    }
}

static void int64_text_is_digits_within_64_bits(void **state) {
    (void)state;
    assert_integer(TYPE_INT64, "0", 0, 0);
    assert_integer(TYPE_INT64, "-9223372036854775808", 0, INT64_MIN);
    assert_integer(TYPE_INT64, "9223372036854775807", 0, INT64_MAX);
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "1e3",
                                      "0x10",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "1,000"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_refused(TYPE_INT64, bad[i], 0);
    }
}

static void float64_has_one_zero_and_no_infinity(void **state) {
    (void)state;
    struct value v;
    uint64_t bits = 1;
    assert_true(parse(TYPE_FLOAT64, "-0.0", 0, &v));
    memcpy(&bits, &v.real, sizeof(bits));
    assert_true(bits == 0);
    assert_true(parse(TYPE_FLOAT64, "-1.5e-3", 0, &v));
    assert_true(v.real > -0.00150001 && v.real < -0.00149999);
    static const char *const bad[] = {"", "nan", "inf", "-inf", "1e999", "0x1p3", ".5", "1,5"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_refused(TYPE_FLOAT64, bad[i], 0);
    }
}

static void bool_text_is_one_of_eight_words_in_any_case(void **state) {
    (void)state;
    static const char *const yes[] = {"true", "1", "t", "yes", "TRUE", "Yes", "T"};
    static const char *const no[] = {"false", "0", "f", "no", "False", "NO", "F"};
    static const char *const bad[] = {"",  "y",   "n",     "on",    "off",
                                      "2", "tru", "truee", " true", "00"};
    for (size_t i = 0; i < ARRAY_COUNT(yes); i++) {
        assert_integer(TYPE_BOOL, yes[i], 0, 1);
        assert_integer(TYPE_BOOL, no[i], 0, 0);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_refused(TYPE_BOOL, bad[i], 0);
    }
}

static void text_is_utf8_without_nul(void **state) {
    (void)state;
    struct value v;
    assert_true(parse(TYPE_TEXT, "", 0, &v));
    assert_int_equal(v.bytes.len, 0);
    assert_true(parse(TYPE_TEXT, "gr\xC3\xBC\xC3\x9F", 0, &v));
    assert_true(str_equal_c(v.bytes, "gr\xC3\xBC\xC3\x9F"));
    assert_refused(TYPE_TEXT, "\xFF", 0);
    assert_refused(TYPE_TEXT, "\xED\xA0\x80", 0);
    assert_false(value_parse(TYPE_TEXT, STR("a\0b"), 0, scratch, &v));
    assert_false(value_parse(TYPE_TEXT, STR("a\0"), 0, scratch, &v));
}

static void bytes_are_hex_with_or_without_prefix(void **state) {
    (void)state;
    struct value v;
    assert_true(parse(TYPE_BYTES, "0xDeadbeef00", 0, &v));
    assert_int_equal(v.bytes.len, 5);
    assert_memory_equal(v.bytes.ptr, "\xDE\xAD\xBE\xEF\x00", 5);
    assert_true(parse(TYPE_BYTES, "0a", 0, &v));
    assert_int_equal(v.bytes.len, 1);
    assert_memory_equal(v.bytes.ptr, "\x0A", 1);
    assert_true(parse(TYPE_BYTES, "0x", 0, &v));
    assert_int_equal(v.bytes.len, 0);
    assert_true(parse(TYPE_BYTES, "", 0, &v));
    assert_int_equal(v.bytes.len, 0);
    static const char *const bad[] = {"0", "0x0", "0xg0", "zz", "0X00", "00 0", "0x0x"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_refused(TYPE_BYTES, bad[i], 0);
    }
}

static void timestamps_are_rfc_3339(void **state) {
    (void)state;
    assert_integer(TYPE_TIMESTAMP, "1970-01-01T00:00:00Z", 0, 0);
    assert_integer(TYPE_TIMESTAMP, "2026-01-31T12:00:00.000001Z", 0, INT64_C(1769860800000001));
    assert_integer(TYPE_TIMESTAMP, "2026-01-31T13:00:00+01:00", SECOND, INT64_C(1769860800000000));
    assert_integer(TYPE_TIMESTAMP, "0001-01-01T00:00:00Z", 0, TIMESTAMP_US_MIN);
    assert_integer(TYPE_TIMESTAMP, "9999-12-31T23:59:59.999999Z", 0, TIMESTAMP_US_MAX);
    assert_refused(TYPE_TIMESTAMP, "yesterday", 0);
    assert_refused(TYPE_TIMESTAMP, "", SECOND);
    assert_refused(TYPE_TIMESTAMP, "1769860800", 0); /* no unit, no number */
}

static void timestamps_are_numbers_in_the_unit_of_the_contract(void **state) {
    (void)state;
    assert_integer(TYPE_TIMESTAMP, "1769860800", SECOND, INT64_C(1769860800000000));
    assert_integer(TYPE_TIMESTAMP, "1769860800123", 1000, INT64_C(1769860800123000));
    assert_integer(TYPE_TIMESTAMP, "1769860800123456", 1, INT64_C(1769860800123456));
    assert_integer(TYPE_TIMESTAMP, "-1", SECOND, -SECOND);
    assert_integer(TYPE_TIMESTAMP, "1.5", SECOND, 1500000);
    assert_integer(TYPE_TIMESTAMP, "-1.5", SECOND, -1500000);
    assert_integer(TYPE_TIMESTAMP, "-0.000001", SECOND, -1);
    assert_integer(TYPE_TIMESTAMP, "0.12345600", SECOND, 123456);
    assert_integer(TYPE_TIMESTAMP, "7.25", 1000, 7250);
    assert_integer(TYPE_TIMESTAMP, "7.0", 1, 7);
    assert_integer(TYPE_TIMESTAMP, "7.00000000000000000000000000", 1, 7);
    assert_integer(TYPE_TIMESTAMP, "253402300799.999999", SECOND, TIMESTAMP_US_MAX);
    assert_integer(TYPE_TIMESTAMP, "-62135596800", SECOND, TIMESTAMP_US_MIN);
}

static void timestamps_finer_or_farther_than_they_can_be_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"0.0000001",
                                      "0.1234567",
                                      "1.",
                                      ".5",
                                      "1.5.5",
                                      "1e3",
                                      "253402300800",
                                      "-62135596801",
                                      "-62135596800.000001",
                                      "9223372036854775807",
                                      "-9223372036854775808",
                                      "1.-5",
                                      "+1",
                                      "-.5",
                                      "1 ",
                                      "nan"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_refused(TYPE_TIMESTAMP, bad[i], SECOND);
    }
    assert_refused(TYPE_TIMESTAMP, "7.1", 1);
    assert_refused(TYPE_TIMESTAMP, "7.1234", 1000);
}

static void int256_is_encoded_into_scratch(void **state) {
    (void)state;
    struct value v;
    assert_true(parse(TYPE_INT256, "-256", 0, &v));
    assert_int_equal(v.bytes.len, 3);
    assert_memory_equal(v.bytes.ptr, "\x7E\xFE\xFF", 3);
    assert_true(v.bytes.ptr == scratch);
    assert_true(parse(TYPE_INT256, "0xff", 0, &v));
    assert_memory_equal(v.bytes.ptr, "\x81\xFF", 2);
    assert_refused(TYPE_INT256, "", 0);
    assert_refused(TYPE_INT256, "1.0", 0);
}

static void json_text_is_taken_unless_it_cannot_be_json(void **state) {
    (void)state;
    struct value v;
    assert_true(parse(TYPE_JSON, "{\"a\":1}", 0, &v));
    assert_true(str_equal_c(v.bytes, "{\"a\":1}"));
    assert_refused(TYPE_JSON, "", 0);
    assert_refused(TYPE_JSON, "\"\xFF\"", 0);
}

static void assert_order(enum column_type type, const char *low, const char *high) {
    static char other[64];
    struct value a;
    struct value b;
    assert_true(value_parse(type, str_of(low), 0, scratch, &a));
    assert_true(value_parse(type, str_of(high), 0, other, &b));
    assert_true(value_compare(&a, &b) < 0);
    assert_true(value_compare(&b, &a) > 0);
    assert_int_equal(value_compare(&a, &a), 0);
}

static void values_of_every_type_have_their_order(void **state) {
    (void)state;
    assert_order(TYPE_INT64, "-9223372036854775808", "9223372036854775807");
    assert_order(TYPE_FLOAT64, "-1e300", "1e-300");
    assert_order(TYPE_BOOL, "no", "yes");
    assert_order(TYPE_TEXT, "a", "a ");
    assert_order(TYPE_TEXT, "z", "\xC3\xA4");
    assert_order(TYPE_BYTES, "7f", "80");
    assert_order(TYPE_TIMESTAMP, "1969-12-31", "1970-01-01");
    assert_order(TYPE_INT256, "-1000000000000000000000000", "-999999999999999999999999");
    assert_order(TYPE_INT256, "9", "10");
}

static void values_are_written_as_json(void **state) {
    (void)state;
    const struct value null = {.type = TYPE_INT64, .is_null = true, .integer = 5};
    const struct value foreign = {.type = TYPE_INT256, .bytes = {"\x81\x00", 2}};
    assert_json(&null, "null");
    assert_text_as_json(TYPE_INT64, "-42", "-42");
    assert_text_as_json(TYPE_FLOAT64, "0.1", "0.1");
    assert_text_as_json(TYPE_BOOL, "yes", "true");
    assert_text_as_json(TYPE_BOOL, "0", "false");
    assert_text_as_json(TYPE_TEXT, "a\"b\n", "\"a\\\"b\\n\"");
    assert_text_as_json(TYPE_BYTES, "00FFa1", "\"0x00ffa1\"");
    assert_text_as_json(TYPE_BYTES, "", "\"0x\"");
    assert_text_as_json(TYPE_TIMESTAMP, "2026-01-31 12:00:00.5", "\"2026-01-31T12:00:00.500000Z\"");
    assert_text_as_json(TYPE_JSON, "{\"a\":[1]}", "{\"a\":[1]}");
    assert_text_as_json(TYPE_INT256, "-123456789012345678901234567890",
                        "\"-123456789012345678901234567890\"");
    assert_json(&foreign, "\"0x8100\"");
}

static void values_in_a_list_are_separated(void **state) {
    (void)state;
    struct buf b;
    struct json_writer w;
    struct value v;
    buf_init(&b, 1 << 16);
    json_writer_init(&w, &b);
    json_begin_array(&w);
    for (int i = 0; i < 2; i++) {
        assert_true(parse(TYPE_BYTES, "0a0b", 0, &v));
        value_write_json(&w, &v);
        assert_true(parse(TYPE_INT64, "5", 0, &v));
        value_write_json(&w, &v);
    }
    json_end_array(&w);
    assert_string_equal(buf_c(&b), "[\"0x0a0b\",5,\"0x0a0b\",5]");
    buf_release(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_types_map_both_ways),
        cmocka_unit_test(the_integer_types_are_the_three),
        cmocka_unit_test(int64_text_is_digits_within_64_bits),
        cmocka_unit_test(float64_has_one_zero_and_no_infinity),
        cmocka_unit_test(bool_text_is_one_of_eight_words_in_any_case),
        cmocka_unit_test(text_is_utf8_without_nul),
        cmocka_unit_test(bytes_are_hex_with_or_without_prefix),
        cmocka_unit_test(timestamps_are_rfc_3339),
        cmocka_unit_test(timestamps_are_numbers_in_the_unit_of_the_contract),
        cmocka_unit_test(timestamps_finer_or_farther_than_they_can_be_are_refused),
        cmocka_unit_test(int256_is_encoded_into_scratch),
        cmocka_unit_test(json_text_is_taken_unless_it_cannot_be_json),
        cmocka_unit_test(values_of_every_type_have_their_order),
        cmocka_unit_test(values_are_written_as_json),
        cmocka_unit_test(values_in_a_list_are_separated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
