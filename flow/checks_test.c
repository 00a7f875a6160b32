/* The checks of a flow file: what they become, and each mistake at its place. */
#include "flow/checks.h"
#include "flow/test_support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define FLOW                                                                                       \
    "flow: f\n"                                                                                    \
    "sources:\n"                                                                                   \
    "  orders: {type: file, path: x, columns: {id: int64, at: timestamp}}\n"                       \
    "  web: {type: http, url: http://x, columns: {id: int64}}\n"                                   \
    "tables:\n"                                                                                    \
    "  orders: {key: [id], columns: {id: int64, at: timestamp, name: text, big: int256}}\n"        \
    "  sums: {key: [name], columns: {name: text, n: int64}}\n"                                     \
    "transforms:\n"                                                                                \
    "  load: {from: sources.orders, into: orders, sql: 'SELECT 1'}\n"                              \
    "  orders: {from: sources.web, into: orders, sql: 'SELECT 1'}\n"                               \
    "  sums: {from: tables.orders, into: sums, sum: 'SELECT 1'}\n"                                 \
    "checks:\n"

static enum err_code load(const char *checks, struct flow **out, struct err *err) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&text, "%s%s", FLOW, checks);
    return flow_load_text(buf_str(&text), "flow.yaml", &test_registry, test_lookup, out, err);
}

static struct flow *loaded(const char *checks) {
    struct flow *f = NULL;
    struct err err = ERR_INIT;
    if (load(checks, &f, &err) != ERR_NONE) {
        print_message("%s: %s\n", err.where, err.message);
        fail();
    }
    return f;
}

/* column: of the mistake; all cases have one check on line 13. */
static void refused(const char *checks, int column, const char *words) {
    struct flow *f = NULL;
    struct err err = ERR_INIT;
    char where[64];
    (void)snprintf(where, sizeof where, "flow.yaml:13:%d", column);
    const enum err_code code = load(checks, &f, &err);
    if (code != ERR_CONFIG || strstr(err.message, words) == NULL || strcmp(err.where, where) != 0) {
        print_message("%s got %s: %s\n expected %s: %s\n", checks, err.where, err.message, where,
                      words);
        fail();
    }
}

static void near(double a, double b) {
    assert_true(fabs(a - b) < 1e-9);
}

static void a_check_knows_what_it_is_about(void **state) {
    (void)state;
    struct flow *f = loaded("  a: {heartbeat: orders, within: 1h}\n"
                            "  b: {rejects: transforms.orders, warn: 1%, error: 0.05}\n"
                            "  c: {freshness: tables.orders.at, severity: warn, within: 2d}\n"
                            "  d: {range: orders.big, min: 0, max: '123'}\n"
                            "  e: {unique: orders, columns: [name, at]}\n");
    assert_int_equal(f->check_count, 5);
    assert_int_equal(f->checks_every_us, CHECKS_EVERY_US);
    const struct flow_check *c = flow_find_check(f, "a");
    assert_ptr_equal(c->source, &f->sources[0]);
    near(c->error, 3600e6);
    assert_true(isnan(c->warn));
    assert_int_equal(c->conf.keep_us, 300000000);
    c = flow_find_check(f, "b");
    assert_null(c->source);
    assert_string_equal(c->transform->name, "orders");
    near(c->warn, 0.01);
    near(c->error, 0.05);
    near(c->clear, 0.01);
    c = flow_find_check(f, "c");
    assert_int_equal(c->severity, LEVEL_WARN);
    near(c->warn, 2 * 86400e6);
    assert_true(isnan(c->error));
    c = flow_find_check(f, "d");
    assert_string_equal(c->low_sql, "i256('0')");
    near(c->error, 0);
    assert_int_equal(flow_find_check(f, "e")->column_count, 2);
    flow_free(f);
}

static void every_is_how_often_unless_it_is_a_check(void **state) {
    (void)state;
    struct flow *f = loaded("  every: 30s\n");
    assert_int_equal(f->checks_every_us, 30000000);
    assert_int_equal(f->check_count, 0);
    flow_free(f);
    f = loaded("  every: {heartbeat: web, within: 1h}\n");
    assert_int_equal(f->check_count, 1);
    flow_free(f);
    refused("  every: 10\n", 10, "must be a duration");
    refused("  every: 999ms\n", 10, "from 1s to 1h");
}

static void a_name_that_is_none_is_refused_at_its_place(void **state) {
    (void)state;
    refused("  c: {heartbeat: ordrs, within: 1h}\n", 18,
            "unknown source 'ordrs'; did you mean 'orders'?");
    refused("  c: {heartbeat: sums, within: 1h}\n", 18,
            "'sums' is a transform; heartbeat is about");
    refused("  c: {rejects: orders, max: 1%}\n", 16, "'orders' is a source and a transform");
    refused("  c: {duplicates: sums, max: 1%}\n", 19, "'sums' is a sum; duplicates is about a map");
    refused("  c: {nulls: orders.nme}\n", 14,
            "table 'orders' has no column 'nme'; did you mean 'name'");
    refused("  c: {nulls: order.name}\n", 14, "unknown table 'order'; did you mean 'orders'?");
    refused("  c: {nulls: orders}\n", 14, "nulls is about TABLE.COLUMN");
    refused("  c: {freshness: orders.name, within: 1h}\n", 18, "freshness needs a timestamp");
    refused("  c: {range: orders.name, min: 1}\n", 14, "is text, which has no range");
    refused("  c: {range: orders.id, min: x}\n", 30,
            "'min' must be int64 as the column is, not 'x'");
    refused("  c: {gap: orders}\n", 12, "does not say what it has covered");
    refused("  c: {http_status: orders, max: 1%}\n", 20, "does not ask by HTTP");
    refused("  c: {schema_change: orders, events: [new_feld]}\n", 39, "did you mean 'new_field'?");
    refused("  c: {latency: load, stage: extract, max: 1s}\n", 16,
            "stage extract is about a source");
    refused("  c: {unique: orders, columns: [nme]}\n", 33, "did you mean 'name'");
}

static void a_kind_and_its_options_are_strict(void **state) {
    (void)state;
    refused("  c: {hartbeat: orders, within: 1h}\n", 7, "did you mean 'heartbeat'?");
    refused("  c: {}\n", 3, "needs its kind");
    refused("  c: heartbeat\n", 6, "a check is a map");
    refused("  c: {gap: web, nulls: orders.id}\n", 17, "it looks at one thing only");
    refused("  c: {heartbeat: web, within: 1h, percentile: 5}\n", 35, "unknown key 'percentile'");
    refused("  c: {heartbeat: web}\n", 3, "has no limit; give within: 1h");
    refused("  c: {latency: web}\n", 3, "has no limit; give max: 10s");
    refused("  c: {heartbeat: web, within: 5}\n", 31, "a duration such as 10s");
    refused("  c: {rejects: web, max: 101%}\n", 26, "a share from 0% to 100%");
    refused("  c: {rejects: web, max: 1%, warn: 2%}\n", 21, "give either");
    refused("  c: {rejects: web, warn: 3%, error: 2%}\n", 27, "'warn' is above 'error'");
    refused("  c: {rejects: web, max: 3%, resolve_at: 4%}\n", 42, "above the lowest limit");
    refused("  c: {volume: web, days: 3, min_days: 4}\n", 39, "would learn for ever");
    refused("  _plumbx: {gap: web}\n", 3, "plumb's own");
}

static void values_are_told_with_their_unit(void **state) {
    (void)state;
    static const struct {
        enum check_unit unit;
        double value;
        const char *text;
    } cases[] = {{UNIT_SHARE, 0.0123, "1.23 %"},   {UNIT_SHARE, 1, "100 %"},
                 {UNIT_TIME, 200e6, "3 m 20 s"},   {UNIT_TIME, 5e3, "5 ms"},
                 {UNIT_TIME, 3600e6, "1 h"},       {UNIT_TIME, 90061e6, "1 d 1 h"},
                 {UNIT_COUNT, 1234567, "1234567"}, {UNIT_SCORE, 4.26, "4.3"},
                 {UNIT_COUNT, (double)NAN, "?"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[CHECK_VALUE_BYTES];
        check_value_text(cases[i].unit, cases[i].value, text);
        assert_string_equal(text, cases[i].text);
    }
}

/* Each kind's own example passes, is in the schema, and has a chapter of the reference. */
static void every_kind_is_described(void **state) {
    (void)state;
    AUTO_BUF schema = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF page = BUF_INIT(BUF_TEXT_MAX);
    flow_json_schema(&test_registry, &schema);
    checks_reference(&page);
    for (size_t i = 0; i < CHECK_KINDS; i++) {
        const struct check_kind_facts *k = &check_kinds[i];
        AUTO_BUF needle = BUF_INIT(BUF_TEXT_MAX);
        buf_addf(&needle, "\"title\": \"%s\"", k->name);
        assert_non_null(strstr(buf_c(&schema), buf_c(&needle)));
        buf_clear(&needle);
        buf_addf(&needle, "\n## %s\n", k->name);
        assert_non_null(strstr(buf_c(&page), buf_c(&needle)));
        assert_non_null(strstr(k->example, k->name));
    }
}

static void a_limit_may_change_without_another_definition(void **state) {
    (void)state;
    struct flow *a = loaded("  c: {heartbeat: web, within: 1h}\n");
    struct flow *b = loaded("  c: {heartbeat: web, within: 2h, for: 1m}\n");
    struct flow *c = loaded("  c: {heartbeat: sources.orders, within: 1h}\n");
    assert_true(hash128_equal(a->checks[0].definition, b->checks[0].definition));
    assert_false(hash128_equal(a->checks[0].definition, c->checks[0].definition));
    flow_free(a);
    flow_free(b);
    flow_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_knows_what_it_is_about),
        cmocka_unit_test(every_is_how_often_unless_it_is_a_check),
        cmocka_unit_test(a_name_that_is_none_is_refused_at_its_place),
        cmocka_unit_test(a_kind_and_its_options_are_strict),
        cmocka_unit_test(values_are_told_with_their_unit),
        cmocka_unit_test(every_kind_is_described),
        cmocka_unit_test(a_limit_may_change_without_another_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
