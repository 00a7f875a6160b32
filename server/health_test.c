/* Health as a function of the status document and the engine's pulse. */
#include "server/health.h"

#include <string.h>

#include "base/test_support.h"

/* 2026-01-31T12:10:00Z */
#define NOW_US INT64_C(1769861400000000)

static const struct pulse beating = {
    .beat_us = 900000000, .started_us = 0, .monotonic_us = 900000000, .now_us = NOW_US};

static void judge(const char *text, const struct pulse *pulse, struct health *out) {
    struct arena arena;
    struct err err = ERR_INIT;
    const struct json_value *tree = NULL;
    arena_init(&arena, (size_t)1 << 20);
    assert_int_equal(json_parse(str_of(text), &arena, &tree, &err), ERR_NONE);
    health_judge(tree, pulse, out);
    arena_release(&arena);
}

static void says(const char *text, const struct pulse *pulse, const char *subject,
                 const char *word) {
    static struct health h;
    judge(text, pulse, &h);
    assert_int_equal(h.total, 1);
    assert_string_equal(h.findings[0].subject, subject);
    if (strstr(h.findings[0].text, word) == NULL) {
        fail_msg("'%s' does not say '%s'", h.findings[0].text, word);
    }
}

static void is_well(const char *text, const struct pulse *pulse) {
    static struct health h;
    judge(text, pulse, &h);
    if (h.total != 0) {
        fail_msg("%s: %s", h.findings[0].subject, h.findings[0].text);
    }
}

static void test_an_engine_that_stands_still_is_not_well(void **state) {
    (void)state;
    struct pulse p = beating;
    is_well("{}", &p);
    p.monotonic_us = p.beat_us + HEALTH_SILENCE_US;
    is_well("{}", &p);
    p.monotonic_us++;
    says("{}", &p, "engine", "no round");
    p.beat_us = 0; /* it never began */
    says("{}", &p, "engine", "no round");
}

static void test_a_trouble_counts_when_it_lasts(void **state) {
    (void)state;
    is_well("{\"troubles\":[{\"source\":\"s\",\"since\":\"2026-01-31T12:09:00.000001Z\","
            "\"message\":\"away\"}]}",
            &beating);
    says("{\"troubles\":[{\"source\":\"s\",\"since\":\"2026-01-31T12:09:00Z\","
         "\"message\":\"away\"}]}",
         &beating, "source s", "away");
}

static void test_a_transform_that_waits_is_told(void **state) {
    (void)state;
    is_well("{\"transforms\":[{\"transform\":\"t\",\"attempts\":3,\"failed_keys\":0,\"since\":"
            "\"2026-01-31T12:09:30Z\",\"message\":\"no\"}]}",
            &beating);
    says("{\"transforms\":[{\"transform\":\"t\",\"attempts\":3,\"failed_keys\":0,\"since\":"
         "\"2026-01-31T12:00:00Z\",\"message\":\"no\"}]}",
         &beating, "transform t", "for 600 s, its input is kept: no");
    says("{\"transforms\":[{\"transform\":\"t\",\"attempts\":0,\"failed_keys\":2,\"since\":null}]}",
         &beating, "transform t", "2 keys");
}

static void test_a_mark_must_move_only_while_batches_wait(void **state) {
    (void)state;
    is_well("{\"marks\":[{\"transform\":\"t\",\"partition\":\"p\",\"batch\":7,\"last_batch\":7,"
            "\"updated\":\"2020-01-01T00:00:00Z\"}]}",
            &beating);
    is_well("{\"marks\":[{\"transform\":\"t\",\"partition\":\"p\",\"batch\":1,\"last_batch\":7,"
            "\"updated\":\"2026-01-31T12:09:59Z\"}]}",
            &beating);
    says("{\"marks\":[{\"transform\":\"t\",\"partition\":\"p\",\"batch\":1,\"last_batch\":7,"
         "\"updated\":\"2026-01-31T12:00:00Z\"}]}",
         &beating, "transform t", "6 batches behind on 'p'");
}

static void test_what_stopped_at_its_limit_is_told_at_once(void **state) {
    (void)state;
    is_well("{\"limits\":[{\"stage\":\"s\",\"kind\":\"source\",\"open\":4,\"max\":5,"
            "\"stopped\":false,\"way\":null}]}",
            &beating);
    says("{\"limits\":[{\"stage\":\"s\",\"kind\":\"source\",\"open\":5,\"max\":5,\"stopped\":"
         "true,\"way\":\"mend it\"}]}",
         &beating, "source s", "limit of 5 rejects: mend it");
    says("{\"limits\":[{\"stage\":\"t\",\"kind\":\"map\",\"open\":5,\"max\":5,\"stopped\":true,"
         "\"way\":\"mend it\"}]}",
         &beating, "transform t", "limit of 5 rejects: mend it");
}

static void test_findings_have_a_limit(void **state) {
    (void)state;
    static struct health h;
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&text, "{\"troubles\":[");
    for (int i = 0; i < HEALTH_FINDINGS + 5; i++) {
        buf_addf(&text, "%s{\"source\":\"%d\",\"since\":\"2026-01-01T00:00:00Z\"}",
                 i > 0 ? "," : "", i);
    }
    buf_adds(&text, "]}");
    judge(buf_c(&text), &beating, &h);
    assert_int_equal(h.count, HEALTH_FINDINGS);
    assert_int_equal(h.total, HEALTH_FINDINGS + 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_engine_that_stands_still_is_not_well),
        cmocka_unit_test(test_a_trouble_counts_when_it_lasts),
        cmocka_unit_test(test_a_transform_that_waits_is_told),
        cmocka_unit_test(test_a_mark_must_move_only_while_batches_wait),
        cmocka_unit_test(test_what_stopped_at_its_limit_is_told_at_once),
        cmocka_unit_test(test_findings_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
