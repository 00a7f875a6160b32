/* Values of a JSON record and the bounds of their columns: tables of what a cell holds, or why it is
 * rejected. */
#include "rows/decode_test.h"

#include "base/json.h"

#include <stdio.h>

static struct decoder *json_decoder(const struct contract *c) {
    struct decoder *d = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(decoder_new_json(c, &d, &err), ERR_NONE);
    return d;
}

/* ---- values ---- */

struct value_case {
    enum column_type type;
    int64_t unit;
    struct str value; /* JSON text of the member "v" */
    const char *want; /* value_write_json of the cell; NULL: rejected */
    enum reject_reason reason;
    const char *message; /* must be part of the message */
};

#define GOOD(t, v, w)                                                                              \
    { TYPE_##t, 0, {v, sizeof(v) - 1}, w, REJECT_TYPE, NULL }
#define BAD(t, v, r, m)                                                                            \
    { TYPE_##t, 0, {v, sizeof(v) - 1}, NULL, REJECT_##r, m }
#define GOOD_UNIT(u, v, w)                                                                         \
    { TYPE_TIMESTAMP, u, {v, sizeof(v) - 1}, w, REJECT_TYPE, NULL }
#define BAD_UNIT(u, v, r, m)                                                                       \
    { TYPE_TIMESTAMP, u, {v, sizeof(v) - 1}, NULL, REJECT_##r, m }
#define NINES_20 "99999999999999999999"
#define TWO_256  "115792089237316195423570985008687907853269984665640564039457584007913129639936"
#define MAX_256  "115792089237316195423570985008687907853269984665640564039457584007913129639935"

static const struct value_case value_cases[] = {
    GOOD(INT64, "0", "0"),
    GOOD(INT64, "-0", "0"),
    GOOD(INT64, "9223372036854775807", "9223372036854775807"),
    GOOD(INT64, "-9223372036854775808", "-9223372036854775808"),
    BAD(INT64, "9223372036854775808", RANGE, "beyond what an int64 holds"),
    BAD(INT64, "-9223372036854775809", RANGE, "beyond"),
    BAD(INT64, "18446744073709551617", RANGE, "beyond"),
    BAD(INT64, NINES_20, RANGE, "beyond"),
    BAD(INT64, "184467440737095516170", RANGE, "beyond"),
    BAD(INT64, "1.0", TYPE, "column 'v' (/v): 1.0 is not an int64: it has a fraction"),
    BAD(INT64, "1e3", TYPE, "1e3 is not an int64: it is written with an exponent"),
    BAD(INT64, "1E+3", TYPE, "exponent"),
    BAD(INT64, "\"12x\"", TYPE, "column 'v' (/v): \"12x\" is not an int64"),
    BAD(INT64, "\"12\"", TYPE, "\"12\" is not an int64"),
    BAD(INT64, "true", TYPE, "true is not an int64"),
    BAD(INT64, "[1]", TYPE, "[1] is not an int64"),
    BAD(INT64, "{\"a\":1}", TYPE, "is not an int64"),
    GOOD(FLOAT64, "1", "1"),
    GOOD(FLOAT64, "0.1", "0.1"),
    GOOD(FLOAT64, "-0.0", "0"),
    GOOD(FLOAT64, "-0", "0"),
    GOOD(FLOAT64, "-1.5e3", "-1500"),
    GOOD(FLOAT64, "123456789012345.6", "123456789012345.6"),
    GOOD(FLOAT64, "0.30000000000000004", "0.30000000000000004"),
    GOOD(FLOAT64, "1.7976931348623157e308", "1.7976931348623157e+308"),
    BAD(FLOAT64, "1e309", RANGE, "1e309 is beyond what a float64 holds"),
    BAD(FLOAT64, "-1e400", RANGE, "beyond"),
    BAD(FLOAT64, "\"1.5\"", TYPE, "is not a float64"),
    GOOD(BOOL, "true", "true"),
    GOOD(BOOL, "false", "false"),
    BAD(BOOL, "1", TYPE, "1 is not a bool"),
    BAD(BOOL, "\"true\"", TYPE, "is not a bool"),
    GOOD(TEXT, "\"\"", "\"\""),
    GOOD(TEXT, "\"plain\"", "\"plain\""),
    GOOD(TEXT, "\"a\\n\\u00e9\\\\\\\"\\/\"", "\"a\\n\xC3\xA9\\\\\\\"/\""),
    GOOD(TEXT, "\"\\ud83d\\ude00!\"", "\"\xF0\x9F\x98\x80!\""),
    GOOD(TEXT, "\"\xF0\x9F\x98\x80\xE2\x82\xAC\xC3\xA9\"",
         "\"\xF0\x9F\x98\x80\xE2\x82\xAC\xC3\xA9\""),
    BAD(TEXT, "12", TYPE, "12 is not text (a string)"),
    BAD(TEXT, "\"a\\u0000b\"", TYPE, "holds a NUL, which text cannot store"),
    GOOD(BYTES, "\"0x\"", "\"0x\""),
    GOOD(BYTES, "\"0x00fF\"", "\"0x00ff\""),
    BAD(BYTES, "\"0x0\"", TYPE, "even number of hex digits"),
    BAD(BYTES, "\"00ff\"", TYPE, "is not bytes"),
    BAD(BYTES, "\"0xgg\"", TYPE, "is not bytes"),
    BAD(BYTES, "17", TYPE, "is not bytes"),
    GOOD(TIMESTAMP, "\"2026-01-31T12:00:00Z\"", "\"2026-01-31T12:00:00Z\""),
    GOOD(TIMESTAMP, "\"2026-01-31T14:00:00.25+02:00\"", "\"2026-01-31T12:00:00.250000Z\""),
    GOOD(TIMESTAMP, "\"2026-01-31T12:00:00\\u005A\"", "\"2026-01-31T12:00:00Z\""),
    BAD(TIMESTAMP, "\"yesterday\"", TYPE, "is not a timestamp"),
    BAD(TIMESTAMP, "1769860800", TYPE, "is not a timestamp"),
    GOOD_UNIT(1000000, "1769860800", "\"2026-01-31T12:00:00Z\""),
    GOOD_UNIT(1000, "1769860800250", "\"2026-01-31T12:00:00.250000Z\""),
    GOOD_UNIT(1, "-1", "\"1969-12-31T23:59:59.999999Z\""),
    GOOD_UNIT(1000000, "\"2026-01-31T12:00:00Z\"", "\"2026-01-31T12:00:00Z\""),
    BAD_UNIT(1000000, "1769860800.5", TYPE, "is not a whole number"),
    BAD_UNIT(1000000, "253402300800", RANGE, "outside the years 0001 to 9999"),
    BAD_UNIT(1000000, "9223372036854775807", RANGE, "outside the years"),
    BAD_UNIT(1, NINES_20, RANGE, "outside the years"),
    BAD_UNIT(1000000, "\"1769860800\"", TYPE, "is not a timestamp"),
    GOOD(INT256, "0", "\"0\""),
    GOOD(INT256, "-17", "\"-17\""),
    GOOD(INT256, NINES_20, "\"" NINES_20 "\""),
    GOOD(INT256, "\"0xff\"", "\"255\""),
    GOOD(INT256, "\"" MAX_256 "\"", "\"" MAX_256 "\""),
    GOOD(INT256, "-" MAX_256, "\"-" MAX_256 "\""),
    BAD(INT256, TWO_256, RANGE, "beyond 256 bits"),
    BAD(INT256, "\"" TWO_256 "\"", RANGE, "beyond 256 bits"),
    BAD(INT256, "1.0", TYPE, "it has a fraction"),
    BAD(INT256, "1e3", TYPE, "it is written with an exponent"),
    BAD(INT256, "\"\"", TYPE, "is not an int256"),
    BAD(INT256, "\"12x\"", TYPE, "is not an int256"),
    BAD(INT256, "true", TYPE, "is not an int256"),
    GOOD(JSON, "{\"b\":1.50,\"a\":[1,2]}", "{\"b\":1.50,\"a\":[1,2]}"),
    GOOD(JSON, "{ \"b\" : 1e2 ,\n\"a b\" : [ \" x\\\" y\" , true ] }",
         "{\"b\":1e2,\"a b\":[\" x\\\" y\",true]}"),
    GOOD(JSON, "\"text\\u0041\"", "\"text\\u0041\""),
    GOOD(JSON, "12", "12"),
    GOOD(JSON, "[ ]", "[]"),
};

static void decode_value(const struct value_case *v) {
    struct test_contract t;
    const struct contract_column columns[] = {{.name = "v",
                                               .type = v->type,
                                               .min = NO_BOUND,
                                               .max = NO_BOUND,
                                               .timestamp_unit_us = v->unit}};
    struct decoder *d = json_decoder(test_contract_of(&t, columns, 1));
    struct buf record = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&record, "{\"v\": %.*s }", STR_FMT(v->value));
    struct run r;
    run_one(&r, d, STR(""), buf_str(&record));
    if (v->want != NULL) {
        assert_int_equal(r.out.streams[0].count, 1);
        struct value cell;
        rows_get(&r.out.streams[0], 0, 0, &cell);
        struct buf shown = BUF_INIT(BUF_TEXT_MAX);
        struct json_writer w;
        json_writer_init(&w, &shown);
        value_write_json(&w, &cell);
        assert_string_equal(buf_c(&shown), v->want);
        buf_release(&shown);
    } else {
        assert_int_equal(r.out.rejects.count, 1);
        const struct reject *reject = &r.out.rejects.items[0];
        assert_int_equal(reject->reason, v->reason);
        assert_string_equal(reject->column, "v");
        assert_int_equal(reject->offset, 6);
        char message[REJECT_MESSAGE_BYTES + 1] = "";
        memcpy(message, reject->message.ptr, reject->message.len);
        assert_non_null(strstr(message, v->message));
    }
    run_release(&r);
    buf_release(&record);
    decoder_free(d);
}

static void values_follow_the_table_of_types(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(value_cases); i++) {
        const struct value_case *v = &value_cases[i];
        print_message("%s %.*s\n", type_name(v->type), STR_FMT(v->value));
        decode_value(v);
    }
}

/* ---- bounds ---- */

static const char *const statuses[] = {"open", "paid", "void"};
static const char *const levels[] = {"1", "2", "30"};

static void bounds_are_inclusive(void **state) {
    (void)state;
    const struct contract_column columns[] = {
        {.name = "total", .type = TYPE_INT64, .min = INT_BOUND(-5), .max = INT_BOUND(10)},
        {.name = "name", .type = TYPE_TEXT, .min = INT_BOUND(2), .max = INT_BOUND(3)},
        {.name = "rate",
         .type = TYPE_FLOAT64,
         .min = {.type = TYPE_FLOAT64, .real = 0.5},
         .max = NO_BOUND},
        {.name = "at",
         .type = TYPE_TIMESTAMP,
         .min = {.type = TYPE_TIMESTAMP, .integer = 0},
         .max = NO_BOUND},
        {.name = "big",
         .type = TYPE_INT256,
         .min = NO_BOUND,
         .max = {.type = TYPE_INT256, .bytes = {"\x81\x64", 2}}},
        COLUMN("status", TEXT, .one_of = statuses, .one_of_count = 3),
        COLUMN("level", INT64, .one_of = levels, .one_of_count = 3),
        {.name = "hash", .type = TYPE_BYTES, .min = INT_BOUND(2), .max = INT_BOUND(2)},
    };
    static const struct {
        const char *record;
        const char *message; /* NULL: good */
        enum reject_reason reason;
    } cases[] = {
        {"{\"total\":-5}", NULL, REJECT_RANGE},
        {"{\"total\":10}", NULL, REJECT_RANGE},
        {"{\"total\":-6}", "column 'total' (/total): -6 is below the minimum -5", REJECT_RANGE},
        {"{\"total\":11}", "11 is above the maximum 10", REJECT_RANGE},
        {"{\"name\":\"\xC3\xA9\xC3\xA9\"}", NULL, REJECT_RANGE},
        {"{\"name\":\"abc\"}", NULL, REJECT_RANGE},
        {"{\"name\":\"\xC3\xA9\"}", "has 1 characters, least allowed are 2", REJECT_RANGE},
        {"{\"name\":\"abcd\"}", "has 4 characters, most allowed are 3", REJECT_RANGE},
        {"{\"rate\":0.5}", NULL, REJECT_RANGE},
        {"{\"rate\":0.49}", "0.49 is below the minimum 0.5", REJECT_RANGE},
        {"{\"at\":\"1970-01-01T00:00:00Z\"}", NULL, REJECT_RANGE},
        {"{\"at\":\"1969-12-31T23:59:59Z\"}", "is below the minimum 1970-01-01", REJECT_RANGE},
        {"{\"big\":100}", NULL, REJECT_RANGE},
        {"{\"big\":\"0x65\"}", "\"0x65\" is above the maximum 100", REJECT_RANGE},
        {"{\"status\":\"paid\"}", NULL, REJECT_RANGE},
        {"{\"status\":\"Paid\"}", "\"Paid\" is none of: open, paid, void", REJECT_NOT_ALLOWED},
        {"{\"status\":\"\"}", "is none of", REJECT_NOT_ALLOWED},
        {"{\"level\":30}", NULL, REJECT_RANGE},
        {"{\"level\":3}", "3 is none of: 1, 2, 30", REJECT_NOT_ALLOWED},
        {"{\"hash\":\"0xabcd\"}", NULL, REJECT_RANGE},
        {"{\"hash\":\"0xab\"}", "has 1 bytes, least allowed are 2", REJECT_RANGE},
    };
    struct test_contract t;
    const struct contract *c = test_contract_of(&t, columns, 8);
    struct decoder *d = json_decoder(c);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct run r;
        print_message("%s\n", cases[i].record);
        run_one(&r, d, STR(""), str_of(cases[i].record));
        assert_int_equal(r.out.streams[0].count, cases[i].message == NULL);
        if (cases[i].message != NULL) {
            int64_t offset = strchr(cases[i].record, ':') + 1 - cases[i].record;
            expect_reject(&r, cases[i].reason, offset, cases[i].message);
        }
        run_release(&r);
    }
    decoder_free(d);
}

static void bounds_that_do_not_fit_the_column_are_refused(void **state) {
    (void)state;
    const struct contract_column bad[] = {
        {.name = "a", .type = TYPE_INT64, .min = {.type = TYPE_FLOAT64}, .max = NO_BOUND},
        {.name = "a", .type = TYPE_JSON, .min = NO_BOUND, .max = INT_BOUND(1)},
        COLUMN("a", INT64, .one_of = statuses, .one_of_count = 3),
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct test_contract t;
        struct err err = ERR_INIT;
        struct decoder *d = NULL;
        assert_int_equal(decoder_new_json(test_contract_of(&t, &bad[i], 1), &d, &err), ERR_CONFIG);
        assert_null(d);
    }
}

static void a_long_value_is_cut_in_the_message(void **state) {
    (void)state;
    struct test_contract t;
    struct buf b = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&b, "{\"id\":\"");
    for (int i = 0; i < 1000; i++) {
        buf_adds(&b, "x");
    }
    buf_adds(&b, "\"}");
    const struct contract_column columns[] = {PLAIN("id", INT64)};
    struct decoder *d = json_decoder(test_contract_of(&t, columns, 1));
    struct run r;
    run_one(&r, d, STR(""), buf_str(&b));
    expect_reject(&r, REJECT_TYPE, 6, "xxx... is not an int64");
    assert_true(r.out.rejects.items[0].message.len < 120);
    run_release(&r);
    decoder_free(d);
    buf_release(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_follow_the_table_of_types),
        cmocka_unit_test(bounds_are_inclusive),
        cmocka_unit_test(bounds_that_do_not_fit_the_column_are_refused),
        cmocka_unit_test(a_long_value_is_cut_in_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
