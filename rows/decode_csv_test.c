/* The CSV decoder, rule by rule. */
#include "rows/decode_test.h"

#include "base/json.h"

static const struct csv_options plain = {.delimiter = ',', .quote = '"'};

static struct decoder *csv_decoder(const struct contract *c, const struct csv_options *options) {
    struct decoder *d = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(decoder_new_csv(c, options, &d, &err), ERR_NONE);
    return d;
}

static const char *const header_name[] = {"Full Name"};

static const struct contract *people(struct test_contract *t) {
    const struct contract_column columns[] = {
        COLUMN("id", INT64, .required = true),
        COLUMN("name", TEXT, .path = header_name, .path_depth = 1),
        PLAIN("rate", FLOAT64),
    };
    return test_contract_of(t, columns, 3);
}

struct cells_case {
    const char *record;
    const char *name; /* NULL: NULL cell */
};

static void cells_are_split_and_unquoted(void **state) {
    (void)state;
    static const struct cells_case cases[] = {
        {"1,plain,", "plain"},
        {"1,,0.5", NULL},
        {"1,\"\",0.5", ""},
        {"1,\"a,b\",0.5", "a,b"},
        {"1,\"a\"\"b\",0.5", "a\"b"},
        {"1,\"\"\"\",0.5", "\""},
        {"1,\"two\nlines\r\n\",0.5", "two\nlines\r\n"},
        {"1, padded ,0.5", " padded "},
        {"\"1\",x,\"0.5\"", "x"},
        {"1,x,0.5\r\n", "x"},
        {"1,x,0.5\n", "x"},
        {"1,x,0.5\r", "x"},
        {"1,x,\"0.5\"\r\n", "x"},
        {"1,\xC3\xA9\xE2\x82\xAC,", "\xC3\xA9\xE2\x82\xAC"},
    };
    struct test_contract t;
    struct decoder *d = csv_decoder(people(&t), &plain);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct run r;
        print_message("%s\n", cases[i].record);
        run_one(&r, d, STR("id,Full Name,rate\r\n"), str_of(cases[i].record));
        assert_int_equal(r.out.streams[0].count, 1);
        assert_int_equal(r.out.streams[0].columns[0].integer[0], 1);
        assert_int_equal(r.out.streams[0].columns[1].is_null[0], cases[i].name == NULL);
        if (cases[i].name != NULL) {
            assert_true(str_equal_c(r.out.streams[0].columns[1].bytes[0], cases[i].name));
        }
        run_release(&r);
    }
    decoder_free(d);
}

static void what_is_not_csv_is_malformed(void **state) {
    (void)state;
    static const struct {
        struct str record;
        int64_t offset;
        const char *message;
    } cases[] = {
        {{"1,x", 3}, -1, "the record has 2 cells, the header has 3"},
        {{"1,x,,", 5}, -1, "the record has 4 cells, the header has 3"},
        {{"", 0}, -1, "the record has 1 cells"},
        {{"1,\"x,2", 6}, 2, "a quoted cell is not closed"},
        {{"1,\"x\"y,2", 8}, 5, "text behind a closing quote"},
        {{"1,x\"y,2", 7}, 3, "a quote in a cell that is not quoted"},
        {{"1,x\ny,2", 7}, 3, "a line end outside quotes"},
        {{"1,x,2\n\n", 7}, 5, "a line end outside quotes"},
        {{"1,ab\xFF,2", 7}, 4, "not UTF-8"},
        {{"1,\xC3", 3}, 2, "not UTF-8"},
        {{"x,\"", 3}, 2, "a quoted cell is not closed"},
    };
    struct test_contract t;
    struct decoder *d = csv_decoder(people(&t), &plain);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct run r;
        print_message("%.*s\n", STR_FMT(cases[i].record));
        run_one(&r, d, STR("id,Full Name,rate"), cases[i].record);
        expect_reject(&r, REJECT_MALFORMED, cases[i].offset, cases[i].message);
        assert_int_equal(r.out.drift.records, 0);
        run_release(&r);
    }
    decoder_free(d);
}

static void cells_that_break_the_contract_are_rejected(void **state) {
    (void)state;
    static const struct {
        struct str record;
        enum reject_reason reason;
        int64_t offset;
        const char *message;
    } cases[] = {
        {{"12x,a,1", 7}, REJECT_TYPE, 0, "column 'id' (id): \"12x\" is not an int64"},
        {{"1.0,a,1", 7}, REJECT_TYPE, 0, "is not an int64"},
        {{"9223372036854775808,a,1", 23}, REJECT_RANGE, 0, "beyond what an int64 holds"},
        {{",a,1", 4}, REJECT_MISSING, -1, "column 'id' (id): required, but null"},
        {{"\"\",a,1", 6}, REJECT_TYPE, 0, "\"\" is not an int64"},
        {{"1,a\0b,1", 7}, REJECT_TYPE, 2, "(Full Name): \"a?b\" holds a NUL"},
        {{"1,a,x", 5}, REJECT_TYPE, 4, "is not a float64"},
        {{"1,a,1e999", 9}, REJECT_RANGE, 4, "beyond what a float64 holds"},
        {{"1,a,nan", 7}, REJECT_TYPE, 4, "is not a float64"},
    };
    struct test_contract t;
    struct decoder *d = csv_decoder(people(&t), &plain);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct run r;
        print_message("%.*s\n", STR_FMT(cases[i].record));
        run_one(&r, d, STR("id,Full Name,rate"), cases[i].record);
        expect_reject(&r, cases[i].reason, cases[i].offset, cases[i].message);
        run_release(&r);
    }
    decoder_free(d);
}

static void every_type_is_read_from_text(void **state) {
    (void)state;
    static const struct {
        enum column_type type;
        int64_t unit;
        const char *text;
        const char *want; /* NULL: rejected for reason */
        enum reject_reason reason;
    } cases[] = {
        {TYPE_BOOL, 0, "YES", "true", REJECT_TYPE},
        {TYPE_BOOL, 0, "maybe", NULL, REJECT_TYPE},
        {TYPE_BYTES, 0, "0xABcd", "\"0xabcd\"", REJECT_TYPE},
        {TYPE_BYTES, 0, "abcd", "\"0xabcd\"", REJECT_TYPE},
        {TYPE_BYTES, 0, "abc", NULL, REJECT_TYPE},
        {TYPE_TIMESTAMP, 0, "2026-01-31T12:00:00Z", "\"2026-01-31T12:00:00Z\"", REJECT_TYPE},
        {TYPE_TIMESTAMP, 0, "1769860800", NULL, REJECT_TYPE},
        {TYPE_TIMESTAMP, 1000, "1769860800000", "\"2026-01-31T12:00:00Z\"", REJECT_TYPE},
        {TYPE_TIMESTAMP, 1000000, "253402300800", NULL, REJECT_RANGE},
        {TYPE_INT256, 0, "-0x10", "\"-16\"", REJECT_TYPE},
        {TYPE_INT256, 0, "ten", NULL, REJECT_TYPE},
        {TYPE_JSON, 0, "\"{ \"\"a\"\" : [1, 2.50] }\"", "{\"a\":[1,2.50]}", REJECT_TYPE},
        {TYPE_JSON, 0, "{]", NULL, REJECT_TYPE},
        {TYPE_FLOAT64, 0, "-0.0", "0", REJECT_TYPE},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct contract_column columns[] = {{.name = "v",
                                                   .type = cases[i].type,
                                                   .min = NO_BOUND,
                                                   .max = NO_BOUND,
                                                   .timestamp_unit_us = cases[i].unit}};
        struct test_contract t;
        struct decoder *d = csv_decoder(test_contract_of(&t, columns, 1), &plain);
        struct run r;
        print_message("%s %s\n", type_name(cases[i].type), cases[i].text);
        run_one(&r, d, STR("v"), str_of(cases[i].text));
        if (cases[i].want != NULL) {
            assert_int_equal(r.out.streams[0].count, 1);
            struct value v;
            rows_get(&r.out.streams[0], 0, 0, &v);
            struct buf shown = BUF_INIT(BUF_TEXT_MAX);
            struct json_writer w;
            json_writer_init(&w, &shown);
            value_write_json(&w, &v);
            assert_string_equal(buf_c(&shown), cases[i].want);
            buf_release(&shown);
        } else {
            expect_reject(&r, cases[i].reason, 0, "column 'v' (v): ");
        }
        run_release(&r);
        decoder_free(d);
    }
}

static void the_header_names_the_cells(void **state) {
    (void)state;
    struct test_contract t;
    struct decoder *d = csv_decoder(people(&t), &plain);
    struct run r;
    run_one(&r, d, STR("\xEF\xBB\xBF\"Full Name\",id\r\n"), STR("n,7"));
    assert_int_equal(r.out.streams[0].count, 1);
    assert_int_equal(r.out.streams[0].columns[0].integer[0], 7);
    assert_true(str_equal(r.out.streams[0].columns[1].bytes[0], STR("n")));
    assert_int_equal(r.out.streams[0].columns[2].is_null[0], 1); /* no such header: absent */
    assert_int_equal(r.out.drift.column_present[2], 0);
    run_release(&r);
    run_one(&r, d, STR("Full Name,rate"), STR("n,1"));
    expect_reject(&r, REJECT_MISSING, -1, "column 'id' (id): required, but absent");
    run_release(&r);
    run_one(&r, d, STR("id,rate,id"), STR("1,2,3"));
    expect_reject(&r, REJECT_MALFORMED, -1, "two cells have the same name: 'id'");
    run_release(&r);
    run_one(&r, d, STR("id,\"rate"), STR("1,2"));
    expect_reject(&r, REJECT_MALFORMED, -1, "a quoted cell is not closed");
    run_release(&r);
    run_one(&r, d, STR("id,\xFF"), STR("1,2"));
    expect_reject(&r, REJECT_MALFORMED, -1, "not UTF-8");
    run_release(&r);
    decoder_free(d);
}

static void undeclared_headers_are_noted_or_rejected(void **state) {
    (void)state;
    struct test_contract t;
    const struct contract *c = people(&t);
    struct decoder *d = csv_decoder(c, &plain);
    const struct str records[] = {STR("1,x"), STR("2,"), STR("3,y,z")};
    for (int again = 0; again < 2; again++) {
        struct run r;
        run_records(&r, d, STR("id,extra"), records, 3);
        assert_int_equal(r.out.streams[0].count, 2);
        assert_int_equal(r.out.drift.field_count, 1);
        assert_true(str_equal(r.out.drift.fields[0].path, STR("extra")));
        assert_int_equal(r.out.drift.fields[0].kinds, FIELD_STRING | FIELD_NULL);
        assert_int_equal(r.out.drift.fields[0].records, 2);
        run_release(&r);
    }
    t.contract.unknown = UNKNOWN_REJECT;
    struct run r;
    run_one(&r, d, STR("id,extra"), STR("1,x"));
    expect_reject(&r, REJECT_UNKNOWN_FIELD, 2, "'extra' is not declared");
    run_release(&r);
    decoder_free(d);
}

static void delimiter_quote_and_null_text_can_be_chosen(void **state) {
    (void)state;
    struct test_contract t;
    const struct contract *c = people(&t);
    struct csv_options options = {.delimiter = ';', .quote = '\'', .null_text = STR("NULL")};
    struct decoder *d = csv_decoder(c, &options);
    const struct str records[] = {STR("1;NULL;1.5"), STR("2;'NULL';NULL"), STR("3;;NULL"),
                                  STR("4;'it''s; \"so\"';0")};
    struct run r;
    run_records(&r, d, STR("id;Full Name;rate"), records, 4);
    assert_int_equal(r.out.streams[0].count, 4);
    const struct rows_column *name = &r.out.streams[0].columns[1];
    assert_int_equal(name->is_null[0], 1);
    assert_true(str_equal(name->bytes[1], STR("NULL")));
    assert_int_equal(name->is_null[2], 0);
    assert_int_equal(name->bytes[2].len, 0);
    assert_true(str_equal(name->bytes[3], STR("it's; \"so\"")));
    run_release(&r);
    decoder_free(d);
    struct err err = ERR_INIT;
    options.quote = ';';
    assert_int_equal(decoder_new_csv(c, &options, &d, &err), ERR_CONFIG);
    options.quote = '\n';
    assert_int_equal(decoder_new_csv(c, &options, &d, &err), ERR_CONFIG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_split_and_unquoted),
        cmocka_unit_test(what_is_not_csv_is_malformed),
        cmocka_unit_test(cells_that_break_the_contract_are_rejected),
        cmocka_unit_test(every_type_is_read_from_text),
        cmocka_unit_test(the_header_names_the_cells),
        cmocka_unit_test(undeclared_headers_are_noted_or_rejected),
        cmocka_unit_test(delimiter_quote_and_null_text_can_be_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
