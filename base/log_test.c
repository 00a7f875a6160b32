/* Log lines: levels, escapes, length, lines of threads. */
#include "base/clock.h"
#include "base/log.h"
#include "base/test_support.h"

#include <pthread.h>

static int64_t noon(void *context) {
    (void)context;
    return INT64_C(1769860800000000);
}

static void fix_the_clock(void) {
    const struct clock_source source = {.now_us = noon};
    clock_install(&source);
}

static void check_output(void (*body)(void), const char *expected) {
    char output[CHILD_OUTPUT_BYTES];
    fix_the_clock();
    assert_int_equal(run_child(body, output), 0);
    assert_string_equal(output, expected);
}

static void log_some(void) {
    log_debug("turn", "not=%d", 1);
    log_info("turn", "source=orders batch=%d", 7);
    log_set_level(LOG_DEBUG);
    log_debug("turn", "seen=%d", 1);
    log_set_level(LOG_ERROR);
    log_warn("turn", "not=%d", 2);
    log_set_level(LOG_OFF);
    log_line(LOG_ERROR, "turn", "not=%d", 3);
    log_line(LOG_OFF, "turn", "not=%d", 4);
}

static void a_line_has_time_level_place_and_values(void **state) {
    (void)state;
    check_output(log_some, "ts=2026-01-31T12:00:00Z level=info at=turn source=orders batch=7\n"
                           "ts=2026-01-31T12:00:00Z level=debug at=turn seen=1\n");
}

static void log_ugly(void) {
    log_info("a\nb", "x=%s", "1\nlevel=error\r\t\x1b[0m\xFF \xC3\xA9");
}

static void a_value_cannot_begin_a_new_line(void **state) {
    (void)state;
    check_output(log_ugly, "ts=2026-01-31T12:00:00Z level=info at=a\\nb "
                           "x=1\\nlevel=error\\r\\t\\x1b[0m\\xff \xC3\xA9\n");
}

static void log_an_error(void) {
    struct err err = ERR_INIT;
    (void)err_set(&err, ERR_INPUT, "value \"a\\b\"\nis wrong");
    log_error("decode", &err);
    err_where(&err, "my file.jsonl:3");
    log_error("decode", &err);
    log_set_level(LOG_OFF);
    log_error("decode", &err);
}

static void an_error_line_quotes_its_message(void **state) {
    (void)state;
    check_output(log_an_error,
                 "ts=2026-01-31T12:00:00Z level=error at=decode class=input "
                 "error=\"value \\\"a\\\\b\\\"\\nis wrong\"\n"
                 "ts=2026-01-31T12:00:00Z level=error at=decode class=input "
                 "where=\"my file.jsonl:3\" error=\"value \\\"a\\\\b\\\"\\nis wrong\"\n");
}

static void log_long(void) {
    char text[LOG_LINE_BYTES * 2];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_info("long", "v=%s", text);
}

static void a_long_line_is_cut(void **state) {
    (void)state;
    char output[CHILD_OUTPUT_BYTES];
    assert_int_equal(run_child(log_long, output), 0);
    size_t len = strlen(output);
    assert_true(len <= LOG_LINE_BYTES);
    assert_true(len > LOG_LINE_BYTES - 10);
    assert_string_equal(output + len - 4, "...\n");
}

static void values_are_quoted_when_they_must_be(void **state) {
    (void)state;
    char out[LOG_VALUE_BYTES];
    assert_string_equal(log_value(STR("plain-1"), out), "plain-1");
    assert_string_equal(log_value(STR(""), out), "\"\"");
    assert_string_equal(log_value(STR("a b"), out), "\"a b\"");
    assert_string_equal(log_value(STR("a=\"\\"), out), "\"a=\\\"\\\\\"");
    assert_string_equal(log_value(STR("a\nb"), out), "\"a\\nb\"");
    assert_string_equal(log_value((struct str){"a\0b", 3}, out), "\"a\\x00b\"");
    for (size_t len = LOG_VALUE_BYTES - 20; len < LOG_VALUE_BYTES + 20; len++) {
        char text[LOG_VALUE_BYTES + 20];
        memset(text, '"', len);
        (void)log_value((struct str){text, len}, out);
        assert_string_equal(out + strlen(out) - 4, "...\"");
        memset(text, 'x', len);
        assert_true(strlen(log_value((struct str){text, len}, out)) < LOG_VALUE_BYTES);
    }
}

static void log_json(void) {
    log_set_format(LOG_JSON);
    log_set_flow("shop");
    log_info("turn", "source=orders batch=%d rows=-%d ok=true", 7, 3);
    log_info("turn", "flow=other batch=007 hash=1234567890123456 id=\"12\" goes on  now");
    log_info("a\"b", "x=%s ts=1 level=2 at=3 x=4", "\"q\\\"u\\\\o\\n\\x1b\"");
    log_info("open", "x=\"never ends");
    log_info("empty", "%s", "");
    log_set_flow("");
    log_info("none", "= =x a-b=c");
}

static void json_has_the_same_fields(void **state) {
    (void)state;
    check_output(
        log_json,
        "{\"ts\":\"2026-01-31T12:00:00Z\",\"level\":\"info\",\"at\":\"turn\",\"flow\":\"shop\","
        "\"source\":\"orders\",\"batch\":7,\"rows\":-3,\"ok\":true}\n"
        "{\"ts\":\"2026-01-31T12:00:00Z\",\"level\":\"info\",\"at\":\"turn\",\"flow\":\"other\","
        "\"batch\":\"007\",\"hash\":\"1234567890123456\",\"id\":\"12\",\"message\":\"goes on "
        "now\"}\n"
        "{\"ts\":\"2026-01-31T12:00:00Z\",\"level\":\"info\",\"at\":\"a\\\"b\",\"flow\":\"shop\","
        "\"x\":\"q\\\"u\\\\o\\n\\u001b\"}\n"
        "{\"ts\":\"2026-01-31T12:00:00Z\",\"level\":\"info\",\"at\":\"open\",\"flow\":\"shop\","
        "\"x\":\"never ends\"}\n"
        "{\"ts\":\"2026-01-31T12:00:00Z\",\"level\":\"info\",\"at\":\"empty\",\"flow\":\"shop\"}\n"
        "{\"ts\":\"2026-01-31T12:00:00Z\",\"level\":\"info\",\"at\":\"none\","
        "\"message\":\"= =x a-b=c\"}\n");
}

static void log_flow(void) {
    struct err err = ERR_INIT;
    (void)err_set(&err, ERR_INPUT, "no");
    log_set_flow("my shop");
    log_info("turn", "n=1");
    log_info("turn", "flow=x n=2");
    log_error_with("source", &err, "source=%s", "a\nb");
}

static void every_line_names_the_flow_once(void **state) {
    (void)state;
    check_output(log_flow, "ts=2026-01-31T12:00:00Z level=info at=turn flow=\"my shop\" n=1\n"
                           "ts=2026-01-31T12:00:00Z level=info at=turn flow=x n=2\n"
                           "ts=2026-01-31T12:00:00Z level=error at=source flow=\"my shop\" "
                           "source=a\\nb class=input error=\"no\"\n");
}

static void log_long_json(void) {
    char text[LOG_LINE_BYTES * 2];
    memset(text, 1, sizeof text - 1); /* the longest escapes */
    text[sizeof text - 1] = '\0';
    log_set_format(LOG_JSON);
    log_info("long", "v=%s", text);
}

static void a_long_json_line_stays_json(void **state) {
    (void)state;
    char output[CHILD_OUTPUT_BYTES];
    assert_int_equal(run_child(log_long_json, output), 0);
    size_t len = strlen(output);
    assert_true(len > LOG_LINE_BYTES / 2);
    assert_string_equal(output + len - 6, "...\"}\n");
}

#define THREADS 4
#define LINES   50

static void *log_many(void *unused) {
    (void)unused;
    for (int i = 0; i < LINES; i++) {
        log_info("thread", "v=%d", i);
    }
    return NULL;
}

static void log_from_threads(void) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, NULL), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

static void lines_of_threads_do_not_mix(void **state) {
    (void)state;
    static const char start[] = "ts=2026-01-31T12:00:00Z level=info at=thread v=";
    char output[CHILD_OUTPUT_BYTES];
    fix_the_clock();
    assert_int_equal(run_child(log_from_threads, output), 0);
    size_t lines = 0;
    for (const char *at = output; *at != '\0'; at = strchr(at, '\n') + 1) {
        assert_memory_equal(at, start, sizeof start - 1);
        lines++;
    }
    assert_int_equal(lines, THREADS * LINES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_place_and_values),
        cmocka_unit_test(a_value_cannot_begin_a_new_line),
        cmocka_unit_test(an_error_line_quotes_its_message),
        cmocka_unit_test(a_long_line_is_cut),
        cmocka_unit_test(values_are_quoted_when_they_must_be),
        cmocka_unit_test(json_has_the_same_fields),
        cmocka_unit_test(every_line_names_the_flow_once),
        cmocka_unit_test(a_long_json_line_stays_json),
        cmocka_unit_test(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
