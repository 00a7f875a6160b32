#include "base/test_support.h"

#include "base/mem.h"
#include "source/evm/rpc_json.h"

static struct rpc_answer answers[4];
static struct rpc_reading reading;

static void read_ok(const char *body, int64_t first_id, size_t count) {
    struct err err = ERR_INIT;
    if (rpc_read(str_of(body), first_id, answers, count, &reading, &err) != ERR_NONE) {
        fail_msg("%s", err.message);
    }
}

static void assert_result(size_t index, const char *raw) {
    assert_int_equal(answers[index].kind, RPC_RESULT);
    assert_true(str_equal_c(answers[index].raw, raw));
}

static void assert_error(size_t index, const char *message) {
    struct rpc_error_text text;
    assert_int_equal(answers[index].kind, RPC_ERROR);
    rpc_read_error(answers[index].raw, &text);
    assert_true(str_equal_c(text.message, message));
}

static void a_single_answer_is_found_in_any_order_of_members(void **state) {
    (void)state;
    read_ok("{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":\"0x1\"}", 7, 1);
    assert_result(0, "\"0x1\"");
    assert_false(reading.is_batch);
    read_ok(" \n{ \"result\" : [1, {\"id\":9}] , \"x\":{}, \"id\" : \"7\" } \r\n", 7, 1);
    assert_result(0, "[1, {\"id\":9}]");
    read_ok("{\"result\":null,\"error\":null,\"id\":7}", 7, 1);
    assert_result(0, "null");
}

static void a_single_answer_without_an_id_is_that_of_the_single_call(void **state) {
    (void)state;
    read_ok("{\"result\":1}", 7, 1);
    assert_result(0, "1");
    read_ok("{\"result\":1,\"id\":null}", 7, 1);
    assert_result(0, "1");
    read_ok("[{\"result\":1,\"id\":7}]", 7, 1);
    assert_result(0, "1");
    read_ok("{\"result\":1,\"id\":8}", 7, 1);
    assert_int_equal(answers[0].kind, RPC_MISSING);
    assert_int_equal(reading.extras, 1);
    read_ok("{\"error\":{\"message\":\"no\"},\"id\":99}", 7, 1);
    assert_error(0, "no");
    assert_false(reading.is_refused);
}

static void a_batch_is_sorted_by_ids(void **state) {
    (void)state;
    read_ok("[{\"id\":9,\"result\":\"c\"},{\"id\":7,\"result\":\"a\"},{\"id\":8,\"error\":{"
            "\"code\":429,"
            "\"message\":\"slow\"}}]",
            7, 3);
    assert_result(0, "\"a\"");
    assert_error(1, "slow");
    assert_result(2, "\"c\"");
    assert_true(reading.is_batch && !reading.is_refused);
    assert_int_equal(reading.extras + reading.duplicates, 0);
}

static void missing_duplicate_and_foreign_items_are_told(void **state) {
    (void)state;
    read_ok("[{\"id\":7,\"result\":1},{\"id\":7,\"result\":2},{\"id\":6,\"result\":3},{\"id\":11,"
            "\"result\":3},null,5,{\"result\":6},{\"id\":1.5,\"result\":7},{\"id\":9,\"x\":8}]",
            7, 4);
    assert_result(0, "1");
    assert_int_equal(answers[1].kind, RPC_MISSING);
    assert_int_equal(answers[2].kind, RPC_NEITHER);
    assert_true(str_equal_c(answers[2].raw, "{\"id\":9,\"x\":8}"));
    assert_int_equal(answers[3].kind, RPC_MISSING);
    assert_int_equal(reading.duplicates, 1);
    assert_int_equal(reading.extras, 6);
}

static void a_refused_batch_is_an_error_of_every_call(void **state) {
    (void)state;
    static const char *const refusals[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":\"no batches\"}}",
        "{\"jsonrpc\":\"2.0\",\"error\":\"no batches\"}",
        "{\"id\":7,\"error\":{\"message\":\"no batches\"}}",
        "[{\"id\":null,\"error\":{\"message\":\"no batches\"}}]",
        "{\"code\":429,\"message\":\"no batches\"}",
    };
    for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
        read_ok(refusals[i], 7, 3);
        assert_true(reading.is_refused);
        for (size_t k = 0; k < 3; k++) {
            assert_error(k, "no batches");
        }
    }
    read_ok("[{\"id\":8,\"result\":1},{\"id\":null,\"error\":\"too many\"}]", 7, 2);
    assert_error(0, "too many");
    assert_result(1, "1");
}

static void an_empty_batch_answers_nothing(void **state) {
    (void)state;
    read_ok("[ ]", 7, 2);
    assert_int_equal(answers[0].kind, RPC_MISSING);
    assert_int_equal(answers[1].kind, RPC_MISSING);
    read_ok("{}", 7, 1);
    assert_int_equal(answers[0].kind, RPC_NEITHER);
}

static void every_cut_of_an_answer_is_an_error(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":[{\"data\":\"0x\\\"\",\"topics\":[]},{}]}",
        "[{\"id\":7,\"result\":\"x\"},{\"id\":8,\"error\":{\"message\":\"}\"}}]",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bodies); i++) {
        for (size_t len = 0; len < strlen(bodies[i]); len++) {
            char *exact = malloc(len + 1);
            memcpy(exact, bodies[i], len);
            struct err err = ERR_INIT;
            assert_int_equal(rpc_read((struct str){exact, len}, 7, answers, 2, &reading, &err),
                             ERR_UNAVAILABLE);
            assert_int_equal(answers[0].kind, RPC_MISSING);
            free(exact);
        }
    }
}

static void what_is_no_json_rpc_is_shown(void **state) {
    (void)state;
    static const struct {
        const char *body, *words;
    } cases[] = {
        {"<html><head><title>502 Bad Gateway", "begins '<html><head>"},
        {"", "it is empty"},
        {" \n ", "it is empty"},
        {"Too Many Requests", "'Too Many Requests'"},
        {"{\"id\":7,\"result\":1}}", "something follows it"},
        {"{\"id\":7,\"result\":1}{\"id\":7,\"result\":1}", "something follows it"},
        {"{\"id\":7 \"result\":1}", "is missing"},
        {"{\"id\":7,}", "name is missing"},
        {"[{\"id\":7,\"result\":1},]", "value is missing"},
        {"{\"id\":7,\"result\":[1}", "other kind"},
        {"{'id':7}", "name is missing"},
        {"null", "not JSON"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct err err = ERR_INIT;
        assert_int_equal(rpc_read(str_of(cases[i].body), 7, answers, 1, &reading, &err),
                         ERR_UNAVAILABLE);
        if (strstr(err.message, cases[i].words) == NULL) {
            fail_msg("'%s' should say '%s'", err.message, cases[i].words);
        }
    }
}

static void an_answer_nested_too_deep_is_an_error(void **state) {
    (void)state;
    char body[1000] = "{\"id\":7,\"result\":";
    size_t len = strlen(body);
    memset(body + len, '[', 400);
    memset(body + len + 400, ']', 400);
    struct err err = ERR_INIT;
    assert_int_equal(rpc_read((struct str){body, len + 800}, 7, answers, 1, &reading, &err),
                     ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "deeper"));
}

static void errors_are_read_in_every_shape(void **state) {
    (void)state;
    static const struct {
        const char *raw, *message, *data;
        bool has_code;
        int64_t code;
    } cases[] = {
        {"{\"code\":-32005,\"message\":\"a \\\"b\\\"\",\"data\":{\"from\":\"0x1\"}}", "a \"b\"",
         "{\"from\":\"0x1\"}", true, -32005},
        {"\"Missed `to` address\"", "Missed `to` address", "", false, 0},
        {"{\"code\":\"-32000\",\"message\":\"x\",\"data\":null}", "x", "", true, -32000},
        {"{\"message\":{\"a\":1}}", "", "", false, 0},
        {"{\"error\":\"quota\",\"code\":1.5}", "quota", "", false, 0},
        {"{\"data\":\"text\"}", "", "\"text\"", false, 0},
        {"17", "", "", false, 0},
        {"[]", "", "", false, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct rpc_error_text text;
        rpc_read_error(str_of(cases[i].raw), &text);
        assert_true(str_equal_c(text.message, cases[i].message));
        assert_true(str_equal_c(text.data, cases[i].data));
        assert_int_equal(text.has_code, cases[i].has_code);
        assert_int_equal(text.code, cases[i].code);
    }
}

static void logs_come_as_they_were_written(void **state) {
    (void)state;
    struct rpc_items items;
    struct str item;
    rpc_items_init(&items, STR("[ {\"a\":[]} ,\n{\"b\":\"]},{\"},\"x\",null ]"));
    static const char *const expected[] = {"{\"a\":[]}", "{\"b\":\"]},{\"}", "\"x\"", "null"};
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        assert_true(rpc_items_next(&items, &item));
        assert_true(str_equal_c(item, expected[i]));
    }
    assert_false(rpc_items_next(&items, &item));
    assert_true(items.is_well_formed);
    rpc_items_init(&items, STR("[ ]"));
    assert_false(rpc_items_next(&items, &item));
    assert_true(items.is_well_formed);
}

static void what_is_no_array_has_no_items(void **state) {
    (void)state;
    static const char *const wrong[] = {"",    "null", "{}",    "[",   "[1",   "[1,",
                                        "[,]", "[1,]", "[1 2]", "[{]", "\"\"", "[\"a]"};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct rpc_items items;
        struct str item;
        rpc_items_init(&items, str_of(wrong[i]));
        while (rpc_items_next(&items, &item)) {
            assert_true(item.len > 0);
        }
        assert_false(items.is_well_formed);
    }
}

static void members_are_found_by_name(void **state) {
    (void)state;
    static const char *const names[] = {"number", "hash", "gone"};
    struct str found[3];
    assert_true(
        rpc_members(STR("{\"hash\":\"0xa\",\"transactions\":[{\"hash\":1}],\"number\":\"0x2\","
                        "\"hash\":\"0xb\"}"),
                    names, 3, found));
    assert_true(str_equal_c(found[0], "\"0x2\""));
    assert_true(str_equal_c(found[1], "\"0xa\""));
    assert_int_equal(found[2].len, 0);
    assert_false(rpc_members(STR("null"), names, 3, found));
    assert_false(rpc_members(STR("{\"number\":1"), names, 3, found));
    assert_false(rpc_members(STR("[]"), names, 3, found));
    assert_true(rpc_members(STR("{ }"), names, 3, found));
}

static void quantities_are_hexadecimal_and_bounded(void **state) {
    (void)state;
    static const struct {
        const char *raw;
        uint64_t value;
    } right[] = {{"\"0x1f\"", 31},
                 {"\"0X1F\"", 31},
                 {"\"0x\"", 0},
                 {"\"0x0\"", 0},
                 {"\"0x00000000000000000000ff\"", 255},
                 {"\"0xffffffffffffffff\"", UINT64_MAX}};
    for (size_t i = 0; i < ARRAY_COUNT(right); i++) {
        uint64_t value = 1;
        assert_true(rpc_quantity(str_of(right[i].raw), UINT64_MAX, &value));
        assert_true(value == right[i].value);
    }
    static const char *const wrong[] = {"",         "31",   "null",  "\"31\"",
                                        "\"0x1g\"", "\"0x", "0x1f",  "\"0x-1\"",
                                        "\"0x1 \"", "\"\"", "\"x\"", "\"0x10000000000000000\""};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        uint64_t value = 77;
        assert_false(rpc_quantity(str_of(wrong[i]), UINT64_MAX, &value));
        assert_true(value == 77);
    }
    uint64_t value = 0;
    assert_true(rpc_quantity(STR("\"0xff\""), 255, &value));
    assert_false(rpc_quantity(STR("\"0x100\""), 255, &value));
}

static void bytes_have_exactly_their_length(void **state) {
    (void)state;
    uint8_t out[4] = {9, 9, 9, 9};
    assert_true(rpc_bytes(STR("\"0x01aBFf\""), out, 3));
    assert_memory_equal(out, "\x01\xab\xff\x09", 4);
    assert_true(rpc_bytes(STR("\"0x\""), out, 0));
    static const char *const wrong[] = {"\"0x01ab\"", "\"0x01abff0\"", "\"0x01abff00\"",
                                        "\"01abff\"", "\"0x01abfg\"",  "null",
                                        "\"0x01ab"};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        assert_false(rpc_bytes(str_of(wrong[i]), out, 3));
    }
    assert_memory_equal(out, "\x01\xab\xff\x09", 4);
}

static void text_is_unescaped_and_cut_at_its_room(void **state) {
    (void)state;
    static const struct {
        const char *raw, *text;
    } cases[] = {
        {"\"a\\n\\\"\\\\\\/\"", "a\n\"\\/"},
        {"\"\\u00e9\\u20ac\\ud83d\\ude00\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\"\\ud83d\"", "\xef\xbf\xbd"},
        {"\"\\ud83dx\\udc00\"", "\xef\xbf\xbdx\xef\xbf\xbd"},
        {"\"\\q\\u12\"", "\\q\\u12"},
        {"\"\"", ""},
    };
    char room[16];
    struct str text;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_true(rpc_text(str_of(cases[i].raw), room, sizeof room, &text));
        assert_true(str_equal_c(text, cases[i].text));
    }
    assert_true(rpc_text(STR("\"abc\\u20ac\""), room, 5, &text));
    assert_true(str_equal_c(text, "abc")); /* never half a character of an escape */
    assert_false(rpc_text(STR("abc"), room, sizeof room, &text));
    assert_false(rpc_text(STR("\""), room, sizeof room, &text));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_answer_is_found_in_any_order_of_members),
        cmocka_unit_test(a_single_answer_without_an_id_is_that_of_the_single_call),
        cmocka_unit_test(a_batch_is_sorted_by_ids),
        cmocka_unit_test(missing_duplicate_and_foreign_items_are_told),
        cmocka_unit_test(a_refused_batch_is_an_error_of_every_call),
        cmocka_unit_test(an_empty_batch_answers_nothing),
        cmocka_unit_test(every_cut_of_an_answer_is_an_error),
        cmocka_unit_test(what_is_no_json_rpc_is_shown),
        cmocka_unit_test(an_answer_nested_too_deep_is_an_error),
        cmocka_unit_test(errors_are_read_in_every_shape),
        cmocka_unit_test(logs_come_as_they_were_written),
        cmocka_unit_test(what_is_no_array_has_no_items),
        cmocka_unit_test(members_are_found_by_name),
        cmocka_unit_test(quantities_are_hexadecimal_and_bounded),
        cmocka_unit_test(bytes_have_exactly_their_length),
        cmocka_unit_test(text_is_unescaped_and_cut_at_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
