/* JSON: what is written is read back; the reader takes RFC 8259 and nothing else. */
#include "base/fault.h"
#include "base/json.h"
#include "base/test_support.h"

#include <math.h>

#define ARENA_BYTES ((size_t)64 << 20)

static enum err_code parse(struct str text, struct arena *a, const struct json_value **out,
                           struct err *err) {
    return json_parse(text, a, out, err);
}

static void objects_and_arrays_get_their_commas(void **state) {
    (void)state;
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    struct json_writer w;
    json_writer_init(&w, &b);
    json_begin_object(&w);
    json_kv_c(&w, "a", "x");
    json_kv_i64(&w, "b", INT64_MIN);
    json_kv_bool(&w, "c", true);
    json_kv_c(&w, "d", NULL);
    json_kv_str(&w, "e\"", STR("\n"));
    json_key(&w, "f");
    json_begin_array(&w);
    json_end_array(&w);
    json_key(&w, "g");
    json_begin_array(&w);
    json_f64(&w, 0.5);
    json_f64(&w, (double)NAN);
    json_f64(&w, (double)INFINITY);
    json_begin_object(&w);
    json_end_object(&w);
    json_null(&w);
    json_raw(&w, STR("[1]"));
    json_bool(&w, false);
    json_end_array(&w);
    json_end_object(&w);
    assert_string_equal(buf_c(&b), "{\"a\":\"x\",\"b\":-9223372036854775808,\"c\":true,\"d\":null,"
                                   "\"e\\\"\":\"\\n\",\"f\":[],"
                                   "\"g\":[0.5,null,null,{},null,[1],false]}");
}

static void pretty_output_has_a_member_a_line(void **state) {
    (void)state;
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    struct json_writer w;
    json_writer_init(&w, &b);
    w.pretty = true;
    json_begin_object(&w);
    json_kv_i64(&w, "a", 1);
    json_key(&w, "b");
    json_begin_array(&w);
    json_i64(&w, 1);
    json_begin_object(&w);
    json_end_object(&w);
    json_end_array(&w);
    json_end_object(&w);
    assert_string_equal(buf_c(&b), "{\n  \"a\": 1,\n  \"b\": [\n    1,\n    {}\n  ]\n}");
}

static void strings_are_escaped_and_repaired(void **state) {
    (void)state;
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    json_escape(&b, (struct str){"\"\\/\b\f\n\r\t\0\x1f\x7f\xC3\xA9\xFF\xE2\x82z", 17});
    assert_string_equal(buf_c(&b), "\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\xC3\xA9"
                                   "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz");
}

static void all_bytes_come_back(void **state) {
    (void)state;
    char bytes[128];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)i;
    }
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    struct json_writer w;
    json_writer_init(&w, &b);
    json_str(&w, (struct str){bytes, sizeof bytes});
    struct err err = ERR_INIT;
    struct arena a;
    arena_init(&a, ARENA_BYTES);
    const struct json_value *v = NULL;
    assert_int_equal(parse(buf_str(&b), &a, &v, &err), ERR_NONE);
    assert_true(str_equal(v->text, (struct str){bytes, sizeof bytes}));
    arena_release(&a);
}

static void members_are_found_by_name_and_kind(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct arena a;
    arena_init(&a, ARENA_BYTES);
    const struct json_value *v = NULL;
    assert_int_equal(
        parse(STR(" { \"n\" : -12 , \"s\":\"x\\u00e9\\ud83d\\ude00\\/\", \"l\":[1,[],{}],"
                  "\"f\":1.5e3,\"t\":true, \"z\":null ,\"o\":{\"n\":3}}\r\n\t"),
              &a, &v, &err),
        ERR_NONE);
    int64_t n = 0;
    struct str s = STR("");
    assert_true(json_get_i64(v, "n", &n));
    assert_int_equal(n, -12);
    assert_true(json_get_str(v, "s", &s));
    assert_true(str_equal_c(s, "x\xC3\xA9\xF0\x9F\x98\x80/"));
    assert_false(json_get_i64(v, "s", &n));
    assert_false(json_get_str(v, "n", &s));
    assert_false(json_get_i64(v, "f", &n));
    assert_false(json_get_i64(v, "missing", &n));
    assert_null(json_get(v, "missing"));
    assert_null(json_get(NULL, "n"));
    assert_null(json_get(json_get(v, "l"), "n"));
    assert_true(json_get_i64(json_get(v, "o"), "n", &n));
    assert_int_equal(n, 3);
    assert_true(str_equal_c(json_get(v, "f")->text, "1.5e3"));
    assert_int_equal(json_get(v, "t")->kind, JSON_BOOL);
    assert_true(json_get(v, "t")->boolean);
    assert_int_equal(json_get(v, "z")->kind, JSON_NULL);
    const struct json_value *item = json_get(v, "l")->first;
    assert_int_equal(item->kind, JSON_NUMBER);
    assert_int_equal(item->next->kind, JSON_ARRAY);
    assert_null(item->next->first);
    assert_int_equal(item->next->next->kind, JSON_OBJECT);
    assert_null(item->next->next->next);
    arena_release(&a);
}

static void what_is_not_json_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1]",
        "[1}",
        "[1 2]",
        "1 2",
        "{} {}",
        "nul",
        "True",
        "truex",
        "+1",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "-01",
        "0x1",
        "NaN",
        "Infinity",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800x\"",
        "\"\\ud800\\ud800\"",
        "\"a\nb\"",
        "\"\t\"",
        "\xEF\xBB\xBF{}",
        "\"\xFF\"",
        "\"\xED\xA0\x80\"",
        "{\"a\":1,\"a\":2}",
        "[{\"b\":1,\"a\":1,\"\\u0062\":2}]",
        "/**/1",
        "{\"a\":{\"b\":[}}",
        "[\"\\",
        "\"\\u",
        "{\"a\" 1}",
        "{,}",
        "[]]",
        "1,",
        ",",
        ":",
        "tru",
    };
    struct arena a;
    arena_init(&a, ARENA_BYTES);
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct err err = ERR_INIT;
        const struct json_value *v = NULL;
        if (parse(str_of(bad[i]), &a, &v, &err) != ERR_INPUT) {
            fail_msg("%s was taken for JSON", bad[i]);
        }
        assert_null(v);
        assert_memory_equal(err.message, "JSON: ", 6);
    }
    struct err err = ERR_INIT;
    const struct json_value *v = NULL;
    assert_int_equal(parse((struct str){"1\0", 2}, &a, &v, &err), ERR_INPUT);
    assert_int_equal(parse((struct str){"\"\0\"", 3}, &a, &v, &err), ERR_INPUT);
    assert_int_equal(parse((struct str){NULL, 0}, &a, &v, &err), ERR_INPUT);
    arena_release(&a);
}

static void every_beginning_of_a_text_is_refused(void **state) {
    (void)state;
    static const char text[] =
        "{\"k\\u00e9\\ud83d\\ude00\":[1.5e+3,\"\\n\",true,{\"a\":null}],\"b\":{}}";
    struct arena a;
    arena_init(&a, ARENA_BYTES);
    for (size_t len = 0; len < sizeof text; len++) {
        struct err err = ERR_INIT;
        const struct json_value *v = NULL;
        char *exact = mem_alloc(len + 1); /* so that a sanitizer sees reading past the end */
        memcpy(exact, text, len);
        exact = mem_realloc(exact, len == 0 ? 1 : len);
        bool whole = len == sizeof text - 1;
        assert_int_equal(parse((struct str){exact, len}, &a, &v, &err),
                         whole ? ERR_NONE : ERR_INPUT);
        mem_free(exact);
    }
    arena_release(&a);
}

static void depth_is_bounded(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a, ARENA_BYTES);
    for (size_t depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        char text[2 * (JSON_DEPTH_MAX + 2)];
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        struct err err = ERR_INIT;
        const struct json_value *v = NULL;
        enum err_code expected = depth <= JSON_DEPTH_MAX ? ERR_NONE : ERR_INPUT;
        assert_int_equal(parse((struct str){text, 2 * depth}, &a, &v, &err), expected);
    }
    arena_release(&a);
}

static void a_broken_text_is_told_with_its_place(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct arena a;
    arena_init(&a, ARENA_BYTES);
    const struct json_value *v = NULL;
    assert_int_equal(parse(STR("{\"a\": 1; }"), &a, &v, &err), ERR_INPUT);
    assert_string_equal(err.message, "JSON: ',' or '}' is expected at byte 7");
    assert_int_equal(parse(STR("{\"a\":1,\"a\":2}"), &a, &v, &err), ERR_INPUT);
    assert_non_null(strstr(err.message, "'a' is twice"));
    arena_release(&a);
}

static void a_large_object_is_checked_for_duplicates(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    struct arena a;
    arena_init(&a, ARENA_BYTES);
    buf_addc(&b, '{');
    for (int i = 0; i < 50000; i++) {
        buf_addf(&b, "\"k%d\":%d,", i, i);
    }
    size_t len = b.len;
    buf_adds(&b, "\"last\":0}");
    const struct json_value *v = NULL;
    assert_int_equal(parse(buf_str(&b), &a, &v, &err), ERR_NONE);
    int64_t n = 0;
    assert_true(json_get_i64(v, "k49999", &n));
    assert_int_equal(n, 49999);
    b.len = len;
    buf_adds(&b, "\"k25000\":0}");
    arena_reset(&a);
    assert_int_equal(parse(buf_str(&b), &a, &v, &err), ERR_INPUT);
    arena_release(&a);
}

static void each_failing_allocation_is_a_clean_limit(void **state) {
    (void)state;
    const struct str text = STR("{\"a\":[1,\"x\",{\"b\":true,\"c\":null}],\"d\":\"y\"}");
    struct err err = ERR_INIT;
    enum err_code code = ERR_LIMIT;
    int n = 0;
    while (code != ERR_NONE) {
        char spec[32];
        n++;
        (void)snprintf(spec, sizeof spec, "alloc:%d", n);
        assert_int_equal(fault_arm(spec, &err), ERR_NONE);
        struct arena a;
        arena_init(&a, ARENA_BYTES);
        const struct json_value *v = NULL;
        code = parse(text, &a, &v, &err);
        assert_true(code == ERR_NONE ? v != NULL : code == ERR_LIMIT && v == NULL);
        arena_release(&a);
    }
    assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
    assert_true(n > 15);
    struct arena tiny;
    arena_init(&tiny, 100);
    const struct json_value *v = NULL;
    assert_int_equal(parse(text, &tiny, &v, &err), ERR_LIMIT);
    arena_release(&tiny);
}

/* Random documents of the writer's are read, and damaged ones never do harm. */
static void random_documents(void **state) {
    (void)state;
    uint64_t random = 5;
    struct arena a;
    arena_init(&a, ARENA_BYTES);
    for (int round = 0; round < 3000; round++) {
        AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
        struct json_writer w;
        json_writer_init(&w, &b);
        w.pretty = round % 2 == 0;
        json_begin_array(&w);
        for (int i = 0; i < 30; i++) {
            uint64_t r = next_random(&random);
            if (r % 7 == 0 && w.depth < 10) {
                json_begin_array(&w);
            } else if (r % 7 == 1 && w.depth > 1) {
                json_end_array(&w);
            } else if (r % 7 == 2) {
                json_str(&w, (struct str){(const char *)&r, sizeof r});
            } else if (r % 7 == 3) {
                json_f64(&w, (double)(int64_t)r / 1000);
            } else {
                json_i64(&w, (int64_t)r);
            }
        }
        while (w.depth > 0) {
            json_end_array(&w);
        }
        struct err err = ERR_INIT;
        const struct json_value *v = NULL;
        assert_int_equal(parse(buf_str(&b), &a, &v, &err), ERR_NONE);
        b.data[next_random(&random) % b.len] = (char)next_random(&random);
        enum err_code code = parse(buf_str(&b), &a, &v, &err);
        assert_true(code == ERR_NONE || code == ERR_INPUT);
        arena_reset(&a);
    }
    arena_release(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_and_arrays_get_their_commas),
        cmocka_unit_test(pretty_output_has_a_member_a_line),
        cmocka_unit_test(strings_are_escaped_and_repaired),
        cmocka_unit_test(all_bytes_come_back),
        cmocka_unit_test(members_are_found_by_name_and_kind),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(every_beginning_of_a_text_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(a_broken_text_is_told_with_its_place),
        cmocka_unit_test(a_large_object_is_checked_for_duplicates),
        cmocka_unit_test(each_failing_allocation_is_a_clean_limit),
        cmocka_unit_test(random_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
