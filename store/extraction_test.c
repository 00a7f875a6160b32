/* Answers by HTTP as minutes, from facts that count since a source was opened. */
#include "base/clock.h"
#include "store/sqlite/test_support.h"

static const char flow_text[] = "flow: t\n"
                                "store: sqlite:t.db\n"
                                "sources:\n"
                                "  s: {type: test, columns: {id: int64}}\n"
                                "tables:\n"
                                "  a: {key: [id], columns: {id: int64}}\n"
                                "transforms:\n"
                                "  a: {from: s, into: a, sql: SELECT id FROM batch}\n";

static int64_t now_us;

static int64_t told(void *context) {
    (void)context;
    return now_us;
}

static void take(struct store *s, const char *facts) {
    struct err err = ERR_INIT;
    if (store_facts_take(s, "s", str_of(facts), &err) != ERR_NONE) {
        fail_msg("%s", err.message);
    }
}

static void only_what_came_since_is_added(void **state) {
    const struct clock_source clock = {.now_us = told};
    clock_install(&clock);
    now_us = INT64_C(600000000);
    struct flow *flow = place_flow(*state, flow_text);
    struct store *s = store_of(flow, STORE_WRITE);
    take(s, "{\"http\": {\"since\": 1, \"2xx\": 10, \"429\": 2}}");
    take(s, "{\"http\": {\"since\": 1, \"2xx\": 15, \"429\": 2, \"none\": 1}}");
    assert_int_equal(number(s, "SELECT answers FROM _plumb_http WHERE status = '2xx'"), 15);
    assert_int_equal(number(s, "SELECT answers FROM _plumb_http WHERE status = '429'"), 2);
    assert_int_equal(number(s, "SELECT answers FROM _plumb_http WHERE status = 'none'"), 1);
    now_us += 60000000; /* opened again, and faster than before */
    take(s, "{\"http\": {\"since\": 2, \"2xx\": 20}}");
    assert_int_equal(number(s, "SELECT sum(answers) FROM _plumb_http WHERE status = '2xx'"), 35);
    assert_int_equal(number(s, "SELECT count(*) FROM _plumb_http WHERE status = '2xx'"), 2);
    store_close(s);
    flow_free(flow);
    clock_install(NULL);
}

static void facts_without_answers_count_nothing(void **state) {
    struct flow *flow = place_flow(*state, flow_text);
    struct store *s = store_of(flow, STORE_WRITE);
    take(s, "{\"chains\": []}");
    take(s, "{\"http\": [1]}");
    take(s, "{\"http\": {\"since\": \"x\", \"2xx\": -5, \"other\": 3}}");
    assert_int_equal(number(s, "SELECT count(*) FROM _plumb_http"), 0);
    assert_int_equal(number(s, "SELECT count(*) FROM _plumb_facts"), 1);
    store_close(s);
    flow_free(flow);
}

static void minutes_are_kept_for_a_month(void **state) {
    const struct clock_source clock = {.now_us = told};
    clock_install(&clock);
    now_us = INT64_C(600000000);
    struct flow *flow = place_flow(*state, flow_text);
    struct store *s = store_of(flow, STORE_WRITE);
    take(s, "{\"http\": {\"since\": 1, \"2xx\": 1}}");
    now_us += INT64_C(30) * 86400 * 1000000;
    take(s, "{\"http\": {\"since\": 1, \"2xx\": 2}}");
    assert_int_equal(number(s, "SELECT count(*) FROM _plumb_http"), 2);
    now_us += INT64_C(2) * 86400 * 1000000;
    take(s, "{\"http\": {\"since\": 1, \"2xx\": 3}}");
    assert_int_equal(number(s, "SELECT count(*) FROM _plumb_http"), 2);
    store_close(s);
    flow_free(flow);
    clock_install(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_what_came_since_is_added, place_make, place_remove),
        cmocka_unit_test_setup_teardown(facts_without_answers_count_nothing, place_make,
                                        place_remove),
        cmocka_unit_test_setup_teardown(minutes_are_kept_for_a_month, place_make, place_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
