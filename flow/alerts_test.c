/* `alerts:` of a flow file: what it becomes, and each mistake at its place. */
#include "flow/alerts.h"
#include "flow/test_support.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define FLOW                                                                                       \
    "flow: f\n"                                                                                    \
    "sources:\n"                                                                                   \
    "  orders: {type: file, path: x, columns: {id: int64}}\n"                                      \
    "tables:\n"                                                                                    \
    "  orders: {key: [id], columns: {id: int64}}\n"

static const char *any_address(void *context, const char *name) {
    (void)context;
    (void)name;
    return "http://x";
}

static enum err_code load(const char *alerts, struct flow **out, struct err *err) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&text, "%s%s", FLOW, alerts);
    return flow_load_text(buf_str(&text), "flow.yaml", &test_registry, any_address, out, err);
}

static struct flow *loaded(const char *alerts) {
    struct flow *f = NULL;
    struct err err = ERR_INIT;
    if (load(alerts, &f, &err) != ERR_NONE) {
        print_message("%s: %s\n", err.where, err.message);
        fail();
    }
    return f;
}

/* The mistake is on the last line. */
static void refused(const char *alerts, int column, const char *words) {
    struct flow *f = NULL;
    struct err err = ERR_INIT;
    char where[64];
    int line = 6;
    for (const char *p = alerts; *p != '\0'; p++) {
        line += *p == '\n' && p[1] != '\0';
    }
    (void)snprintf(where, sizeof where, "flow.yaml:%d:%d", line, column);
    const enum err_code code = load(alerts, &f, &err);
    if (code != ERR_CONFIG || strstr(err.message, words) == NULL || strcmp(err.where, where) != 0) {
        print_message("%s got %s: %s\n expected %s: %s\n", alerts, err.where, err.message, where,
                      words);
        fail();
    }
}

#define ROUTE(text) "alerts:\n  routes:\n    one: " text "\n"

static void without_a_section_nobody_is_told(void **state) {
    (void)state;
    struct flow *f = loaded("");
    assert_int_equal(f->alerts->route_count, 0);
    assert_int_equal(f->alerts->remind_us, ALERTS_REMIND_US);
    assert_null(f->alerts->ping.url);
    assert_int_equal(f->alerts->quiet.from, f->alerts->quiet.to);
    flow_free(f);
}

static void a_route_knows_how_to_reach_its_people(void **state) {
    (void)state;
    struct flow *f =
        loaded("alerts:\n"
               "  routes:\n"
               "    hook: {type: webhook, url: 'http://x/y', headers: {Authorization: Bearer z}}\n"
               "    am: {type: alertmanager, url: 'http://x:9093', timeout: 2s}\n"
               "    team: {type: slack, url: 'https://x/y'}\n"
               "    pager: {type: pagerduty, key: k, severity: error}\n"
               "    mail: {type: email, smtp: 'smtp://m:25', from: a@b, to: [c@d, e@f]}\n"
               "    mine: {type: command, run: [cat, '-']}\n");
    assert_int_equal(f->alerts->route_count, 6);
    const struct flow_route *r = flow_find_route(f, STR("hook"));
    assert_int_equal(r->header_count, 1);
    assert_string_equal(r->headers[0].name, "Authorization");
    assert_string_equal(r->headers[0].value, "Bearer z");
    assert_int_equal(r->conf.timeout_us, ROUTE_TIMEOUT_US);
    assert_int_equal(r->level, LEVEL_WARN);
    assert_int_equal(flow_find_route(f, STR("am"))->conf.timeout_us, 2000000);
    r = flow_find_route(f, STR("pager"));
    assert_int_equal(r->level, LEVEL_ERROR);
    assert_string_equal(r->conf.url, "https://events.pagerduty.com/v2/enqueue");
    r = flow_find_route(f, STR("mail"));
    assert_int_equal(r->kind, ROUTE_EMAIL);
    assert_string_equal(r->conf.to.items[1], "e@f");
    assert_string_equal(flow_find_route(f, STR("mine"))->conf.run.items[0], "cat");
    assert_null(flow_find_route(f, STR("min")));
    flow_free(f);
}

static void hours_reminders_and_the_ping_are_read(void **state) {
    (void)state;
    struct flow *f = loaded("alerts:\n"
                            "  remind: 1h\n"
                            "  quiet: {from: '22:30', to: '07:00', zone: '-03:30', except: error}\n"
                            "  ping: {url: 'https://hc/x', every: 30s}\n");
    assert_int_equal(f->alerts->remind_us, CHECK_HOUR_US);
    assert_int_equal(f->alerts->quiet.from, 22 * 60 + 30);
    assert_int_equal(f->alerts->quiet.to, 7 * 60);
    assert_int_equal(f->alerts->quiet.zone_us, -210 * INT64_C(60000000));
    assert_int_equal(f->alerts->quiet.except, LEVEL_ERROR);
    assert_int_equal(f->alerts->ping.every_us, 30000000);
    flow_free(f);
    f = loaded(
        "alerts: {remind: never, quiet: {from: '00:00', to: '23:59'}, ping: {url: 'http://x'}}\n");
    assert_int_equal(f->alerts->remind_us, 0);
    assert_int_equal(f->alerts->quiet.except, LEVEL_FINE);
    assert_int_equal(f->alerts->ping.every_us, 60000000);
    flow_free(f);
}

static void mistakes_have_a_place(void **state) {
    (void)state;
    refused("alerts: [a]", 9, "'alerts' must be");
    refused("alerts: {rotes: {}}", 10, "did you mean 'routes'");
    refused(ROUTE("{url: 'http://x'}"), 5, "needs its type");
    refused(ROUTE("{type: slak, url: 'http://x'}"), 17, "slack");
    refused(ROUTE("{type: slack}"), 5, "url");
    refused(ROUTE("{type: slack, url: example.com}"), 29, "must be an address");
    refused(ROUTE("{type: slack, url: 'http://'}"), 29, "must be an address");
    refused(ROUTE("{type: slack, url: 'http://x', header: {a: b}}"), 41, "unknown");
    refused(ROUTE("{type: webhook, url: 'http://x', headers: {'a b': c}}"), 53, "no header line");
    refused(ROUTE("{type: webhook, url: 'http://x', headers: {a: \"b\\r\\nc: d\"}}"), 53,
            "no header line");
    refused(ROUTE("{type: webhook, url: 'http://x', severity: bad}"), 53, "severity");
    refused(ROUTE("{type: email, smtp: 'mail', from: a@b, to: [c@d]}"), 30,
            "must be a mail server");
    refused(ROUTE("{type: email, smtp: 'smtp://m', from: a, to: [c@d]}"), 48, "must be an address");
    refused(ROUTE("{type: email, smtp: 'smtp://m', from: a@b, to: [c]}"), 57, "list of addresses");
    refused(ROUTE("{type: email, smtp: 'smtp://m', from: a@b, to: [\"c@d\\nBcc: e@f\"]}"), 57,
            "list of addresses");
    refused(ROUTE("{type: email, smtp: 'smtp://m', from: a@b, to: [c@d], user: u}"), 5,
            "give both or none");
    refused(ROUTE("{type: command, run: []}"), 31, "run");
    refused("alerts: {remind: soon}", 18, "must be a duration");
    refused("alerts: {quiet: {from: '24:00', to: '07:00'}}", 24, "such as \"22:00\"");
    refused("alerts: {quiet: {from: '22:00'}}", 17, "needs 'to'");
    refused("alerts: {quiet: {from: '22:00', to: '7:00'}}", 37, "such as");
    refused("alerts: {quiet: {from: '22:00', to: '07:00', zone: Europe/Vienna}}", 52, "'zone'");
    refused("alerts: {quiet: {from: '22:00', to: '07:00', except: warn}}", 54, "level");
    refused("alerts: {ping: {every: 1m}}", 10, "needs 'url'");
    refused("alerts: {ping: {url: 'http://x', every: 1s}}", 41, "at least 5 s");
}

static void schema_and_reference_know_every_type(void **state) {
    (void)state;
    AUTO_BUF schema = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF page = BUF_INIT(BUF_TEXT_MAX);
    struct json_writer w;
    struct arena arena;
    const struct json_value *root = NULL;
    struct err err = ERR_INIT;
    json_writer_init(&w, &schema);
    alerts_json_schema(&w);
    alerts_reference(&page);
    arena_init(&arena, 1 << 20);
    assert_int_equal(json_parse(buf_str(&schema), &arena, &root, &err), ERR_NONE);
    for (size_t i = 0; i < ROUTE_KINDS; i++) {
        assert_non_null(strstr(buf_c(&schema), route_kinds[i].name));
        assert_non_null(strstr(buf_c(&page), route_kinds[i].example));
        char *text = mem_printf("alerts:\n  routes:\n    %s\n", route_kinds[i].example);
        flow_free(loaded(text)); /* the examples are right */
        mem_free(text);
    }
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_section_nobody_is_told),
        cmocka_unit_test(a_route_knows_how_to_reach_its_people),
        cmocka_unit_test(hours_reminders_and_the_ping_are_read),
        cmocka_unit_test(mistakes_have_a_place),
        cmocka_unit_test(schema_and_reference_know_every_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
