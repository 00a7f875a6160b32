/* `telemetry:` of a flow file: what it becomes, and each mistake at its place. */
#include "flow/telemetry.h"
#include "flow/test_support.h"

#include <stdio.h>
#include <string.h>

#define FLOW                                                                                       \
    "flow: f\n"                                                                                    \
    "sources:\n"                                                                                   \
    "  r: {type: file, path: x, columns: {id: int64}}\n"                                           \
    "tables:\n"                                                                                    \
    "  t: {key: [id], columns: {id: int64}}\n"

static const char *variables(void *context, const char *name) {
    (void)context;
    return strcmp(name, "TOKEN") == 0 ? "secret" : NULL;
}

static enum err_code load(const char *section, struct flow **out, struct err *err) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&text, "%s%s", FLOW, section);
    return flow_load_text(buf_str(&text), "flow.yaml", &test_registry, variables, out, err);
}

static struct flow *loaded(const char *section) {
    struct flow *f = NULL;
    struct err err = ERR_INIT;
    if (load(section, &f, &err) != ERR_NONE) {
        print_message("%s: %s\n", err.where, err.message);
        fail();
    }
    return f;
}

static void without_a_section_there_is_none(void **state) {
    (void)state;
    struct flow *f = loaded("");
    assert_null(f->telemetry);
    flow_free(f);
}

static void an_address_is_enough(void **state) {
    (void)state;
    struct flow *f = loaded("telemetry: {endpoint: 'http://127.0.0.1:4318'}\n");
    const struct flow_telemetry *t = f->telemetry;
    assert_string_equal(t->endpoint, "http://127.0.0.1:4318");
    assert_int_equal(t->interval_us, TELEMETRY_INTERVAL_US);
    assert_int_equal(t->timeout_us, TELEMETRY_TIMEOUT_US);
    assert_int_equal(t->compression, 0);
    assert_int_equal(t->header_count + t->resource_count, 0);
    flow_free(f);
}

static void everything_is_read(void **state) {
    (void)state;
    struct flow *f =
        loaded("telemetry:\n"
               "  endpoint: https://otel.example/in\n"
               "  headers: {Authorization: 'Bearer ${TOKEN}', X-Tenant: a}\n"
               "  interval: 100ms\n"
               "  timeout: 60s\n"
               "  compression: gzip\n"
               "  resource: {service.name: orders, deployment.environment.name: test}\n");
    const struct flow_telemetry *t = f->telemetry;
    assert_int_equal(t->header_count, 2);
    assert_string_equal(t->headers[0].value, "Bearer secret");
    assert_string_equal(t->headers[1].name, "X-Tenant");
    assert_int_equal(t->interval_us, TELEMETRY_INTERVAL_US_MIN);
    assert_int_equal(t->timeout_us, TELEMETRY_TIMEOUT_US_MAX);
    assert_int_equal(t->compression, 1);
    assert_int_equal(t->resource_count, 2);
    assert_string_equal(t->resource[1].key, "deployment.environment.name");
    assert_string_equal(t->resource[1].value, "test");
    flow_free(f);
}

static void an_empty_address_sends_nothing(void **state) {
    (void)state;
    struct flow *f = loaded("telemetry: {endpoint: '${NONE:-}'}\n");
    assert_string_equal(f->telemetry->endpoint, "");
    flow_free(f);
}

static void each_mistake_is_told(void **state) {
    (void)state;
    static const struct {
        const char *section, *words;
    } wrong[] = {
        {"telemetry: x\n", "'telemetry' is a map"},
        {"telemetry: {interval: 5s}\n", "'endpoint' is missing"},
        {"telemetry: {endpoint: 'http://x', intervall: 5s}\n", "did you mean 'interval'"},
        {"telemetry: {endpoint: 'ftp://x'}\n", "'endpoint' must be an address"},
        {"telemetry: {endpoint: 'http://x/?key=1'}\n", "without '?' and '#'"},
        {"telemetry: {endpoint: 'http://x', interval: 99ms}\n", "'interval' must be"},
        {"telemetry: {endpoint: 'http://x', interval: 61m}\n", "'interval' must be"},
        {"telemetry: {endpoint: 'http://x', timeout: 61s}\n", "'timeout' must be"},
        {"telemetry: {endpoint: 'http://x', compression: zstd}\n", "'compression' must be"},
        {"telemetry: {endpoint: 'http://x', headers: {'a b': c}}\n", "is no header line"},
        {"telemetry: {endpoint: 'http://x', headers: {a: \"b\\r\\nc: d\"}}\n", "is no header line"},
        {"telemetry: {endpoint: 'http://x', headers: [a]}\n", "'headers' must be a map"},
        {"telemetry: {endpoint: 'http://x', resource: {'a b': c}}\n", "resource attribute"},
        {"telemetry: {endpoint: 'http://x', resource: [a]}\n", "'resource' must be a map"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct flow *f = NULL;
        struct err err = ERR_INIT;
        if (load(wrong[i].section, &f, &err) != ERR_CONFIG ||
            strstr(err.message, wrong[i].words) == NULL ||
            strncmp(err.where, "flow.yaml:6:", 12) != 0) {
            print_message("%s got %s: %s\n", wrong[i].section, err.where, err.message);
            fail();
        }
    }
}

static void as_many_attributes_as_the_limit_and_no_more(void **state) {
    (void)state;
    for (int more = 0; more < 2; more++) {
        AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
        buf_adds(&text, "telemetry: {endpoint: 'http://x', resource: {");
        for (int i = 0; i < TELEMETRY_RESOURCE_MAX + more; i++) {
            buf_addf(&text, "%sa%d: b", i > 0 ? ", " : "", i);
        }
        buf_adds(&text, "}}\n");
        struct flow *f = NULL;
        struct err err = ERR_INIT;
        assert_int_equal(load(buf_c(&text), &f, &err), more == 0 ? ERR_NONE : ERR_CONFIG);
        flow_free(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_section_there_is_none),
        cmocka_unit_test(an_address_is_enough),
        cmocka_unit_test(everything_is_read),
        cmocka_unit_test(an_empty_address_sends_nothing),
        cmocka_unit_test(each_mistake_is_told),
        cmocka_unit_test(as_many_attributes_as_the_limit_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
