/* The JSON decoder, rule by rule: records with the reason, column and offset expected. Values and
 * bounds: decode_json_value_test.c. */
#include "rows/decode_test.h"

#include "rows/json_vectors.h"

#include <stdio.h>

static struct decoder *json_decoder(const struct contract *c) {
    struct decoder *d = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(decoder_new_json(c, &d, &err), ERR_NONE);
    return d;
}

/* ---- what is not JSON ---- */

struct malformed_case {
    struct str record;
    int64_t offset;
    const char *message;
};

#define MALFORMED(r, at, m)                                                                        \
    { {r, sizeof(r) - 1}, at, m }

static const struct malformed_case malformed_cases[] = {
    MALFORMED("", 0, "where the record ends"),
    MALFORMED("   ", 3, "where the record ends"),
    MALFORMED("[1]", 0, "the record is not an object"),
    MALFORMED(" 12", 1, "the record is not an object"),
    MALFORMED("null", 0, "the record is not an object"),
    MALFORMED("[1,]", 3, "not a JSON value"),
    MALFORMED("{\"id\":1}x", 8, "more text behind the object"),
    MALFORMED("{\"id\":1}{\"id\":2}", 8, "more text behind the object"),
    MALFORMED("{\"id\":1", 7, "',' or '}' is missing"),
    MALFORMED("{\"id\":1,}", 8, "a key in double quotes is missing"),
    MALFORMED("{,\"id\":1}", 1, "a key in double quotes is missing"),
    MALFORMED("{id:1}", 1, "a key in double quotes is missing"),
    MALFORMED("{'id':1}", 1, "a key in double quotes is missing"),
    MALFORMED("{\"id\" 1}", 6, "':' is missing"),
    MALFORMED("{\"id\":}", 6, "not a JSON value"),
    MALFORMED("{\"id\":1 \"b\":2}", 8, "',' or '}' is missing"),
    MALFORMED("{\"id\":12x}", 8, "',' or '}' is missing"),
    MALFORMED("{\"id\":01}", 6, "leading zero"),
    MALFORMED("{\"id\":-}", 7, "a digit is missing"),
    MALFORMED("{\"id\":+1}", 6, "not a JSON value"),
    MALFORMED("{\"id\":1.}", 8, "a digit is missing"),
    MALFORMED("{\"id\":1.e3}", 8, "a digit is missing"),
    MALFORMED("{\"id\":1e}", 8, "a digit is missing"),
    MALFORMED("{\"id\":.5}", 6, "not a JSON value"),
    MALFORMED("{\"id\":NaN}", 6, "not a JSON value"),
    MALFORMED("{\"id\":nul}", 6, "not a JSON value"),
    MALFORMED("{\"id\":True}", 6, "not a JSON value"),
    MALFORMED("{\"id\":truee}", 10, "',' or '}' is missing"),
    MALFORMED("{\"id\":\"a\nb\"}", 8, "an unescaped control character"),
    MALFORMED("{\"a\0b\":1}", 3, "an unescaped control character"),
    MALFORMED("{\"x\":\"a\tb\"}", 7, "an unescaped control character"),
    MALFORMED("{\"x\":\"abc", 9, "a string is not closed"),
    MALFORMED("{\"x\":\"abc\\", 10, "a string is not closed"),
    MALFORMED("{\"x\":\"\\x41\"}", 6, "an unknown escape"),
    MALFORMED("{\"x\":\"\\u12G4\"}", 6, "\\u without four hex digits"),
    MALFORMED("{\"x\":\"\\u12\"}", 6, "\\u without four hex digits"),
    MALFORMED("{\"x\":\"\\ud800\"}", 6, "a lone surrogate"),
    MALFORMED("{\"x\":\"ab\\udc00\"}", 8, "a lone surrogate"),
    MALFORMED("{\"x\":\"\\ud800\\u0041\"}", 6, "a lone surrogate"),
    MALFORMED("{\"x\":\"\\ud800\\ud800\"}", 6, "a lone surrogate"),
    MALFORMED("{\"\\ud800\":1}", 2, "a lone surrogate"),
    MALFORMED("{\"x\":\"\x80\"}", 6, "not UTF-8"),
    MALFORMED("{\"x\":\"ab\xC0\xAF\"}", 8, "not UTF-8"),
    MALFORMED("{\"x\":\"\xED\xA0\x80\"}", 6, "not UTF-8"),
    MALFORMED("{\"x\":\"\xF4\x90\x80\x80\"}", 6, "not UTF-8"),
    MALFORMED("{\"x\":\"\xE2\x82\"}", 6, "not UTF-8"),
    MALFORMED("{\"x\":\"\xC3\xA9\xFF\"}", 8, "not UTF-8"),
    MALFORMED("{\"x\xFF\":1}", 3, "not UTF-8"),
    MALFORMED("\xEF\xBB\xBF{\"id\":1}", 0, "not a JSON value"),
    MALFORMED("{\"x\":[1,2}}", 9, "',' or ']' is missing"),
    MALFORMED("{\"x\":[1 2]}", 8, "',' or ']' is missing"),
    MALFORMED("{\"x\":{\"a\":1]}", 11, "',' or '}' is missing"),
    MALFORMED("{\"x\":{\"a\":tru}}", 10, "not a JSON value"),
    MALFORMED("{\"x\":[[[]]}", 10, "',' or ']' is missing"),
    MALFORMED("{\"x\":{\"a\" 1}}", 10, "':' is missing"),
    MALFORMED("{\"x\":{\"a\":1,}}", 12, "a key in double quotes"),
    MALFORMED("{\"id\":1}\0", 8, "more text"),
    MALFORMED("{\"customer\":{\"id\":\"a\"}", 22, "',' or '}' is missing"),
    MALFORMED("{\"customer\":{\"id\":\"a\"]}", 21, "',' or '}' is missing"),
    MALFORMED("{\"id\":\"bad type\",\"x\":tru}", 21, "not a JSON value"),
};

static const char *const customer_id[] = {"customer", "id"};
static const char *const customer_name[] = {"customer", "name"};
static const char *const customer[] = {"customer"};

/* id int64 required, customer text /customer/id, name text /customer/name. */
static const struct contract *shop(struct test_contract *t) {
    const struct contract_column columns[] = {
        COLUMN("id", INT64, .required = true),
        COLUMN("customer", TEXT, .path = customer_id, .path_depth = 2),
        COLUMN("name", TEXT, .path = customer_name, .path_depth = 2),
    };
    return test_contract_of(t, columns, 3);
}

static void what_is_not_json_is_malformed_where_the_fault_is(void **state) {
    (void)state;
    struct test_contract t;
    struct decoder *d = json_decoder(shop(&t));
    for (size_t i = 0; i < ARRAY_COUNT(malformed_cases); i++) {
        struct run r;
        print_message("%.*s\n", STR_FMT(malformed_cases[i].record));
        run_one(&r, d, STR(""), malformed_cases[i].record);
        expect_reject(&r, REJECT_MALFORMED, malformed_cases[i].offset, malformed_cases[i].message);
        assert_null(r.out.rejects.items[0].column);
        assert_int_equal(r.out.drift.records, 0);
        assert_int_equal(r.out.drift.column_present[0], 0);
        run_release(&r);
    }
    decoder_free(d);
}

static void every_cut_of_a_record_is_malformed(void **state) {
    (void)state;
    static const char record[] =
        "{ \"id\":-12.5e+3,\"customer\":{\"id\":\"\\ud83d\\ude00\xE2\x82\xAC\"},"
        "\"x\":[true,{\"a\":null}],\"y\":\"\"}";
    struct test_contract t;
    struct decoder *d = json_decoder(shop(&t));
    for (size_t len = 0; len + 1 < sizeof(record); len++) {
        /* What follows in the batch would complete the record, if it were looked at. */
        struct str records[] = {{record, len}, {record + len, sizeof(record) - 1 - len}};
        struct run r;
        run_records(&r, d, STR(""), records, 2);
        assert_int_equal(r.out.rejects.count, 2);
        assert_int_equal(r.out.rejects.items[0].reason, REJECT_MALFORMED);
        assert_true(r.out.rejects.items[0].offset <= (int64_t)len);
        run_release(&r);
    }
    decoder_free(d);
}

static void nesting_is_allowed_to_64_and_not_to_65(void **state) {
    (void)state;
    struct test_contract t;
    struct decoder *d = json_decoder(shop(&t));
    for (int depth = 64; depth <= 65; depth++) {
        struct buf b = BUF_INIT(BUF_TEXT_MAX);
        buf_adds(&b, "{\"id\":1,\"x\":");
        for (int i = 1; i < depth; i++) {
            buf_adds(&b, i % 2 ? "[" : "{\"a\":");
        }
        buf_adds(&b, "0");
        for (int i = depth - 1; i >= 1; i--) {
            buf_adds(&b, i % 2 ? "]" : "}");
        }
        buf_adds(&b, "}");
        struct run r;
        run_one(&r, d, STR(""), buf_str(&b));
        assert_int_equal(r.out.streams[0].count, depth == 64);
        if (depth == 65) {
            expect_reject(&r, REJECT_MALFORMED, 12 + 32 + 31 * 5, "nested deeper than 64");
        }
        run_release(&r);
        buf_release(&b);
    }
    decoder_free(d);
}

static void expect_one(const struct contract *c, struct str record, enum reject_reason reason,
                       int64_t offset, const char *text) {
    struct decoder *d = json_decoder(c);
    struct run r;
    run_one(&r, d, STR(""), record);
    expect_reject(&r, reason, offset, text);
    run_release(&r);
    decoder_free(d);
}

static void duplicate_keys_are_found_on_declared_paths(void **state) {
    (void)state;
    struct test_contract t;
    const struct contract *c = shop(&t);
    expect_one(c, STR("{\"id\":1,\"id\":1}"), REJECT_DUPLICATE_KEY, 8, "'/id' comes twice");
    expect_one(c, STR("{\"id\":1,\"x\":1,\"x\":2}"), REJECT_DUPLICATE_KEY, 14, "'/x' comes twice");
    expect_one(c, STR("{\"id\":1,\"\\u0069d\":2}"), REJECT_DUPLICATE_KEY, 8, "'/id' comes twice");
    expect_one(c, STR("{\"id\":1,\"customer\":{\"id\":\"a\",\"id\":\"b\"}}"), REJECT_DUPLICATE_KEY,
               29, "'/customer/id' comes twice");
    expect_one(c, STR("{\"customer\":{\"id\":\"a\"},\"id\":1,\"customer\":{\"id\":\"b\"}}"),
               REJECT_DUPLICATE_KEY, 30, "'/customer' comes twice");
    /* malformed goes before */
    expect_one(c, STR("{\"id\":1,\"id\":1"), REJECT_MALFORMED, 14, "missing");
    struct decoder *d = json_decoder(c);
    struct run r;
    run_one(&r, d, STR(""), STR("{\"id\":1,\"x\":{\"a\":1,\"a\":2}}"));
    assert_int_equal(r.out.streams[0].count, 1); /* skipped values are not searched */
    run_release(&r);
    decoder_free(d);
}

static void duplicates_are_found_among_keys_that_are_not_learned(void **state) {
    (void)state;
    struct test_contract t;
    struct decoder *d = json_decoder(shop(&t));
    for (int twice = 0; twice < 2; twice++) {
        struct buf b = BUF_INIT(BUF_TEXT_MAX);
        buf_adds(&b, "{\"id\":1");
        for (int i = 0; i < 3000; i++) {
            buf_addf(&b, ",\"key %d\":%d", i, i);
        }
        if (twice) {
            buf_adds(&b, ",\"key 2\\u0035\\u00300\":0");
        }
        buf_adds(&b, "}");
        struct run r;
        run_one(&r, d, STR(""), buf_str(&b));
        assert_int_equal(r.out.streams[0].count, !twice);
        if (twice) {
            expect_reject(&r, REJECT_DUPLICATE_KEY, (int64_t)b.len - 23, "'/key 2500' comes twice");
        } else {
            assert_int_equal(r.out.drift.field_count, DRIFT_FIELDS_MAX);
            assert_int_equal(r.out.drift.overflow, 3000 - DRIFT_FIELDS_MAX);
        }
        run_release(&r);
        buf_release(&b);
    }
    decoder_free(d);
}

static void a_long_key_is_compared_whole(void **state) {
    (void)state;
    const struct contract_column columns[] = {PLAIN("a_name_of_many_letters", INT64),
                                              PLAIN("a_name_of_many_lettert", INT64),
                                              PLAIN("sevenab", INT64), PLAIN("eightabc", INT64)};
    struct test_contract t;
    struct decoder *d = json_decoder(test_contract_of(&t, columns, 4));
    const struct str records[] = {
        STR("{\"a_name_of_many_letters\":1,\"a_name_of_many_lettert\":2,\"sevenab\":3,\"eightabc\":"
            "4}"),
        STR("{\"a_name_of_many_lettert\":2,\"a_name_of_many_letters\":1,\"eightabc\":4,\"sevenab\":"
            "3}"),
        STR("{\"a_name_of_many_letters\":1,\"a_name_of_many_lettert\":2,\"sevenab\":3,\"eightabc\":"
            "4}"),
        STR("{\"a_name_of_many_letters2\":5,\"a_name_of_many_letter\":6,\"sevena\":7,\"eightab\":8,"
            "\"sevenabc\":8,\"eightabcd\":9}"),
    };
    struct run r;
    run_records(&r, d, STR(""), records, ARRAY_COUNT(records));
    assert_int_equal(r.out.streams[0].count, 4);
    for (size_t row = 0; row < 4; row++) {
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(r.out.streams[0].columns[i].is_null[row], row == 3);
            if (row < 3) {
                assert_int_equal(r.out.streams[0].columns[i].integer[row], i + 1);
            }
        }
    }
    assert_int_equal(r.out.drift.field_count, 6);
    run_release(&r);
    decoder_free(d);
}

static void absent_and_null_are_missing_when_required(void **state) {
    (void)state;
    struct test_contract t;
    const struct contract *c = shop(&t);
    expect_one(c, STR("{}"), REJECT_MISSING, -1, "column 'id' (/id): required, but absent");
    expect_one(c, STR(" { \"x\" : 1 } "), REJECT_MISSING, -1, "absent");
    expect_one(c, STR("{\"id\":null}"), REJECT_MISSING, -1, "required, but null");
    t.columns[1].required = true;
    expect_one(c, STR("{\"id\":1,\"customer\":\"c\"}"), REJECT_MISSING, -1,
               "column 'customer' (/customer/id): required, but absent");
    expect_one(c, STR("{\"id\":1,\"customer\":[{\"id\":\"c\"}]}"), REJECT_MISSING, -1, "absent");
    expect_one(c, STR("{\"id\":1,\"customer\":{\"ID\":\"c\"}}"), REJECT_MISSING, -1, "absent");
}

static void paths_lead_into_objects_and_nulls_are_null(void **state) {
    (void)state;
    struct test_contract t;
    struct decoder *d = json_decoder(shop(&t));
    const struct str records[] = {
        STR("{\"id\":1,\"customer\":{\"id\":\"c1\",\"name\":\"n1\"}}"),
        STR("{\"customer\":{\"name\":\"n2\",\"id\":\"c2\"},\"id\":2}"),
        STR("{\"id\":3,\"customer\":{}}"),
        STR("{\"id\":4,\"customer\":null}"),
        STR("{\"id\":5,\"customer\":{\"id\":null,\"name\":\"n5\"}}"),
    };
    struct run r;
    run_records(&r, d, STR(""), records, ARRAY_COUNT(records));
    assert_int_equal(r.out.streams[0].count, 5);
    const struct rows_column *columns = r.out.streams[0].columns;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(columns[0].integer[i], i + 1);
        assert_int_equal(r.out.streams[0].pos[i], i);
        assert_int_equal(columns[1].is_null[i], i >= 2);
    }
    assert_true(str_equal(columns[1].bytes[1], STR("c2")));
    assert_true(str_equal(columns[2].bytes[1], STR("n2")));
    assert_true(str_equal(columns[2].bytes[4], STR("n5")));
    /* text without escapes is not copied */
    assert_true(columns[1].bytes[0].ptr > r.batch.raw.data &&
                columns[1].bytes[0].ptr < r.batch.raw.data + r.batch.raw.len);
    assert_int_equal(r.out.drift.column_present[1], 3);
    assert_int_equal(r.out.drift.column_kinds[1], FIELD_STRING | FIELD_NULL);
    assert_int_equal(r.out.drift.column_kinds[0], FIELD_INTEGER);
    assert_int_equal(r.out.drift.records, 5);
    run_release(&r);
    decoder_free(d);
}

static void one_path_may_feed_several_columns_and_an_object_may_be_kept_as_json(void **state) {
    (void)state;
    const struct contract_column columns[] = {
        COLUMN("all", JSON, .path = customer, .path_depth = 1),
        COLUMN("id", INT64, .path = customer_id, .path_depth = 2),
        COLUMN("big", INT256, .path = customer_id, .path_depth = 2),
        PLAIN("odd/name~", TEXT),
    };
    struct test_contract t;
    struct decoder *d = json_decoder(test_contract_of(&t, columns, 4));
    struct run r;
    run_one(&r, d, STR(""),
            STR("{ \"customer\" : { \"id\" : 7, \"x\":[ 1 ] } ,\"odd/name~\":\"y\"}"));
    assert_int_equal(r.out.streams[0].count, 1);
    const struct rows_column *got = r.out.streams[0].columns;
    assert_true(str_equal(got[0].bytes[0], STR("{\"id\":7,\"x\":[1]}")));
    assert_int_equal(got[1].integer[0], 7);
    assert_true(str_equal(got[2].bytes[0], STR("\x81\x07")));
    assert_true(str_equal(got[3].bytes[0], STR("y")));
    assert_int_equal(r.out.drift.field_count, 1);
    assert_true(str_equal(r.out.drift.fields[0].path, STR("/customer/x")));
    run_release(&r);
    run_one(&r, d, STR(""), STR("{\"odd/name~\":1}"));
    expect_reject(&r, REJECT_TYPE, 13, "(/odd~1name~0): 1 is not text");
    run_release(&r);
    decoder_free(d);
}

static void undeclared_fields_are_noted_rejected_or_ignored(void **state) {
    (void)state;
    const struct str records[] = {
        STR("{\"id\":1,\"new\":1,\"customer\":{\"age\":1.5,\"deep\":{\"er\":1}}}"),
        STR("{\"id\":2,\"new\":\"a\",\"a/b~\":null}"),
        STR("{\"id\":3,\"new\":true"),    /* malformed: not noted */
        STR("{\"id\":\"x\",\"new\":[]}"), /* wrong type: noted all the same */
    };
    struct test_contract t;
    const struct contract *c = shop(&t);
    for (int policy = UNKNOWN_NOTE; policy <= UNKNOWN_IGNORE; policy++) {
        t.contract.unknown = (enum unknown_policy)policy;
        struct decoder *d = json_decoder(c);
        for (int again = 0; again < 2; again++) {
            struct run r;
            run_records(&r, d, STR(""), records, ARRAY_COUNT(records));
            const struct drift *drift = &r.out.drift;
            assert_int_equal(r.out.streams[0].count, policy == UNKNOWN_REJECT ? 0 : 2);
            assert_int_equal(drift->field_count, policy == UNKNOWN_NOTE ? 4 : 0);
            if (policy == UNKNOWN_NOTE) {
                assert_true(str_equal(drift->fields[0].path, STR("/new")));
                assert_int_equal(drift->fields[0].kinds,
                                 FIELD_INTEGER | FIELD_STRING | FIELD_ARRAY);
                assert_int_equal(drift->fields[0].records, 3);
                assert_true(str_equal(drift->fields[1].path, STR("/customer/age")));
                assert_int_equal(drift->fields[1].kinds, FIELD_NUMBER);
                assert_true(str_equal(drift->fields[2].path, STR("/customer/deep")));
                assert_int_equal(drift->fields[2].kinds, FIELD_OBJECT);
                assert_true(str_equal(drift->fields[3].path, STR("/a~1b~0")));
                assert_int_equal(drift->records, 3);
            } else if (policy == UNKNOWN_REJECT) {
                assert_int_equal(r.out.rejects.items[0].reason, REJECT_UNKNOWN_FIELD);
                assert_int_equal(r.out.rejects.items[0].offset, 8);
                assert_int_equal(r.out.rejects.items[2].reason, REJECT_MALFORMED);
                assert_int_equal(r.out.rejects.items[3].reason, REJECT_TYPE);
            }
            run_release(&r);
        }
        decoder_free(d);
    }
}

static void learned_keys_are_forgotten_when_they_are_too_many(void **state) {
    (void)state;
    struct test_contract t;
    struct decoder *d = json_decoder(shop(&t));
    for (int batch = 0; batch < 5; batch++) {
        struct buf b = BUF_INIT(BUF_TEXT_MAX);
        buf_adds(&b, "{\"id\":1");
        for (int i = 0; i < 600; i++) {
            buf_addf(&b, ",\"k%d\":0", batch * 600 + i);
        }
        buf_adds(&b, "}");
        const struct str records[] = {buf_str(&b), buf_str(&b)};
        struct run r;
        run_records(&r, d, STR(""), records, 2);
        assert_int_equal(r.out.streams[0].count, 2);
        run_release(&r);
        buf_release(&b);
    }
    decoder_free(d);
}

static void records_that_were_not_cut_out_whole_are_not_looked_into(void **state) {
    (void)state;
    struct test_contract t;
    struct decoder *d = json_decoder(shop(&t));
    static char prefix[BATCH_PREFIX_BYTES + 32];
    memset(prefix, ' ', sizeof(prefix));
    memcpy(prefix + BATCH_PREFIX_BYTES, " offset=7 length=5000", 21);
    struct run r;
    struct err err = ERR_INIT;
    batch_init(&r.batch);
    arena_init(&r.arena, TEST_ARENA_MAX);
    assert_int_equal(batch_begin(&r.batch, STR(""), &err), ERR_NONE);
    assert_int_equal(
        batch_add(&r.batch, (struct str){prefix, BATCH_PREFIX_BYTES + 21}, RECORD_TOO_LARGE, &err),
        ERR_NONE);
    assert_int_equal(batch_add(&r.batch, STR("{\"id\":1}"), RECORD_WHOLE, &err), ERR_NONE);
    assert_int_equal(batch_add(&r.batch, STR("{\"id\":2}"), RECORD_UNFRAMED, &err), ERR_NONE);
    assert_int_equal(batch_seal(&r.batch, 1, &err), ERR_NONE);
    assert_int_equal(decoder_run(d, &r.batch, &r.arena, &r.out, &err), ERR_NONE);
    assert_int_equal(r.out.streams[0].count, 1);
    assert_int_equal(r.out.streams[0].pos[0], 1);
    assert_int_equal(r.out.rejects.count, 2);
    assert_int_equal(r.out.rejects.items[0].reason, REJECT_TOO_LARGE);
    assert_true(str_ends_with(r.out.rejects.items[0].message, STR("offset=7 length=5000")));
    assert_int_equal(r.out.rejects.items[1].reason, REJECT_MALFORMED);
    assert_int_equal(r.out.rejects.items[1].pos, 2);
    run_release(&r);
    decoder_free(d);
}

static void an_empty_batch_has_no_rows(void **state) {
    (void)state;
    struct test_contract t;
    struct decoder *d = json_decoder(shop(&t));
    struct run r;
    run_records(&r, d, STR(""), NULL, 0);
    assert_int_equal(r.out.streams[0].count, 0);
    run_release(&r);
    decoder_free(d);
}

static void a_full_arena_is_a_limit(void **state) {
    (void)state;
    struct test_contract t;
    struct decoder *d = json_decoder(shop(&t));
    struct run r;
    run_one(&r, d, STR(""), STR("{\"id\":1,\"customer\":{\"id\":\"a\\nb\"}}"));
    size_t need = r.arena.used;
    assert_int_equal(r.out.streams[0].count, 1);
    for (size_t max = 0; max < need; max += 16) {
        struct arena small;
        struct decoded out;
        struct err err = ERR_INIT;
        arena_init(&small, max);
        assert_int_equal(decoder_run(d, &r.batch, &small, &out, &err), ERR_LIMIT);
        arena_release(&small);
    }
    run_release(&r);
    decoder_free(d);
}

/* json_vectors.py names the intended differences. */
static void verdicts_agree_with_another_reader(void **state) {
    (void)state;
    struct test_contract t;
    const struct contract_column columns[] = {PLAIN("id", JSON)};
    struct decoder *d = json_decoder(test_contract_of(&t, columns, 1));
    for (size_t i = 0; i < ARRAY_COUNT(json_vectors); i++) {
        const char *hex = json_vectors[i].hex;
        struct value record;
        char scratch[512];
        assert_true(strlen(hex) / 2 + 40 <= sizeof(scratch));
        assert_true(value_parse(TYPE_BYTES, str_of(hex), 0, scratch, &record));
        struct run r;
        run_one(&r, d, STR(""), record.bytes);
        int verdict = 1;
        if (r.out.rejects.count > 0) {
            verdict = r.out.rejects.items[0].reason == REJECT_DUPLICATE_KEY ? 2 : 0;
            assert_true(verdict == 2 || r.out.rejects.items[0].reason == REJECT_MALFORMED);
        }
        if (verdict != json_vectors[i].verdict) {
            print_message("%zu: %.*s\n", i, STR_FMT(record.bytes));
        }
        assert_int_equal(verdict, json_vectors[i].verdict);
        run_release(&r);
    }
    decoder_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_json_is_malformed_where_the_fault_is),
        cmocka_unit_test(every_cut_of_a_record_is_malformed),
        cmocka_unit_test(nesting_is_allowed_to_64_and_not_to_65),
        cmocka_unit_test(duplicate_keys_are_found_on_declared_paths),
        cmocka_unit_test(duplicates_are_found_among_keys_that_are_not_learned),
        cmocka_unit_test(a_long_key_is_compared_whole),
        cmocka_unit_test(absent_and_null_are_missing_when_required),
        cmocka_unit_test(paths_lead_into_objects_and_nulls_are_null),
        cmocka_unit_test(one_path_may_feed_several_columns_and_an_object_may_be_kept_as_json),
        cmocka_unit_test(undeclared_fields_are_noted_rejected_or_ignored),
        cmocka_unit_test(learned_keys_are_forgotten_when_they_are_too_many),
        cmocka_unit_test(records_that_were_not_cut_out_whole_are_not_looked_into),
        cmocka_unit_test(an_empty_batch_has_no_rows),
        cmocka_unit_test(a_full_arena_is_a_limit),
        cmocka_unit_test(verdicts_agree_with_another_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
