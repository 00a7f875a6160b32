/* Rounds over a store whose notices a test writes by hand; routes are commands, so that what was sent
 * is in a file. Other receivers are in tests/notify. */
#include "notify/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "flow/read.h"

#define NOW    INT64_C(1769860800000000)
#define SECOND INT64_C(1000000)

static const struct registry no_components = {NULL, 0};

struct world {
    char directory[64];
    struct flow *flow;
    struct store *store;
    struct notify *notify;
    struct notify_summary sum;
};

#define FLOW                                                                                       \
    "flow: t\nstore: 'sqlite:%s/t.db'\ntables:\n  a: {key: [id], columns: {id: int64}}\n"          \
    "alerts:\n  routes:\n"                                                                         \
    "    good: {type: command, run: [sh, -c, 'cat >> %s/good; echo >> %s/good']}\n"                \
    "    bad: {type: command, run: [sh, -c, 'test -e %s/up && cat >> %s/bad']}\n"

static void execute(struct world *w, const char *sql) {
    struct err err = ERR_INIT;
    if (store_execute(w->store, sql, &err) != ERR_NONE) {
        fail_msg("%s: %s", sql, err.message);
    }
}

static int64_t number(struct world *w, const char *sql) {
    struct err err = ERR_INIT;
    int64_t out = -1;
    bool found = false;
    assert_int_equal(store_get_i64(w->store, sql, &out, &found, &err), ERR_NONE);
    return out;
}

static int setup(void **state) {
    struct world *w = mem_alloc(sizeof(*w));
    struct err err = ERR_INIT;
    (void)snprintf(w->directory, sizeof w->directory, "/tmp/plumb-notify-XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    const char *d = w->directory;
    char *text = mem_printf(FLOW, d, d, d, d, d);
    if (flow_load_text(str_of(text), "flow.yaml", &no_components, NULL, &w->flow, &err) !=
            ERR_NONE ||
        store_open(w->flow, STORE_WRITE, &w->store, &err) != ERR_NONE ||
        notify_open(w->flow, NULL, &w->notify, &err) != ERR_NONE) {
        fail_msg("%s: %s", err.where, err.message);
    }
    mem_free(text);
    execute(w, "INSERT INTO _plumb_alerts(id, check_name, severity, state, root, summary, detail, "
               "value_text, opened_us, changed_us, reminders) VALUES (1, 'c', 'error', 'firing', "
               "'source s', 'it is so', '', '1', 1, 1, 0)");
    *state = w;
    return 0;
}

static int teardown(void **state) {
    struct world *w = *state;
    static const char *const names[] = {"t.db", "t.db-wal", "t.db-shm", "t.db-lock",
                                        "good", "bad",      "up"};
    notify_close(w->notify);
    store_close(w->store);
    flow_free(w->flow);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char *path = mem_printf("%s/%s", w->directory, names[i]);
        (void)unlink(path);
        mem_free(path);
    }
    assert_int_equal(rmdir(w->directory), 0);
    mem_free(w);
    return 0;
}

static void owe(struct world *w, int64_t id, const char *route, const char *event) {
    char *sql =
        mem_printf("INSERT INTO _plumb_deliveries(id, alert, route, event, state, attempts, "
                   "next_us, created_us) VALUES (%lld, 1, '%s', '%s', 'pending', 0, %lld, "
                   "%lld)",
                   (long long)id, route, event, (long long)NOW, (long long)NOW);
    execute(w, sql);
    mem_free(sql);
}

static void round_at(struct world *w, int64_t now_us) {
    struct err err = ERR_INIT;
    if (notify_round(w->notify, now_us, &w->sum, &err) != ERR_NONE) {
        fail_msg("%s", err.message);
    }
}

/* How often word stands in what a route got. */
static int said(struct world *w, const char *route, const char *word) {
    struct err err = ERR_INIT;
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    char *path = mem_printf("%s/%s", w->directory, route);
    int count = 0;
    if (file_exists(path)) {
        assert_int_equal(file_read_all(path, &text, &err), ERR_NONE);
    }
    for (const char *p = buf_c(&text); (p = strstr(p, word)) != NULL; p++) {
        count++;
    }
    mem_free(path);
    return count;
}

static void what_waits_goes_out_once_in_order(void **state) {
    struct world *w = *state;
    owe(w, 1, "good", "firing");
    owe(w, 2, "good", "worse");
    owe(w, 3, "good", "resolved");
    round_at(w, NOW);
    assert_int_equal(w->sum.sent, 3);
    round_at(w, NOW + SECOND);
    assert_int_equal(w->sum.sent, 0);
    assert_int_equal(said(w, "good", "\"event\":\"firing\""), 1);
    assert_int_equal(said(w, "good", "\"event\":\"resolved\""), 1);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_deliveries WHERE state = 'sent' AND "
                               "attempts = 1 AND sent_us IS NOT NULL AND last_error IS NULL"),
                     3);
}

static void trouble_of_one_route_holds_up_no_other_and_keeps_its_order(void **state) {
    struct world *w = *state;
    owe(w, 1, "bad", "firing");
    owe(w, 2, "bad", "resolved");
    owe(w, 3, "good", "firing");
    round_at(w, NOW);
    assert_int_equal(w->sum.sent, 1);
    assert_int_equal(w->sum.waiting, 1);
    assert_int_equal(said(w, "good", "\"event\":\"firing\""), 1);
    assert_int_equal(number(w, "SELECT attempts FROM _plumb_deliveries WHERE id = 2"), 0);
    assert_int_equal(
        number(w, "SELECT count(*) FROM _plumb_deliveries WHERE id = 1 AND state = 'pending' AND "
                  "last_error = '''sh'' ended with 1' AND next_us > 1769860800000000"),
        1);
    round_at(w, NOW); /* not due yet */
    assert_int_equal(w->sum.waiting, 0);
    char *up = mem_printf("%s/up", w->directory);
    struct err err = ERR_INIT;
    assert_int_equal(file_write_atomic(up, STR(""), &err), ERR_NONE);
    mem_free(up);
    round_at(w, NOW + 10 * SECOND);
    assert_int_equal(w->sum.sent, 2);
    assert_int_equal(number(w, "SELECT attempts FROM _plumb_deliveries WHERE id = 1"), 2);
}

static void after_a_day_it_is_given_up(void **state) {
    struct world *w = *state;
    owe(w, 1, "bad", "firing");
    round_at(w, NOW + NOTIFY_GIVE_UP_US - SECOND);
    assert_int_equal(w->sum.waiting, 1);
    execute(w, "UPDATE _plumb_deliveries SET attempts = 15");
    round_at(w, NOW + NOTIFY_GIVE_UP_US + 10 * SECOND);
    assert_int_equal(w->sum.failed, 1);
    round_at(w, NOW + 3 * NOTIFY_GIVE_UP_US);
    assert_int_equal(w->sum.failed, 0);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_deliveries WHERE state = 'failed' AND "
                               "last_error IS NOT NULL"),
                     1);
}

/* A silence, or a machine that was off, may have kept it for longer than it is tried. */
static void what_was_held_for_days_is_tried_more_than_once(void **state) {
    struct world *w = *state;
    owe(w, 1, "bad", "firing");
    for (int i = 1; i < NOTIFY_TRIES_MIN; i++) {
        round_at(w, NOW + 2 * NOTIFY_GIVE_UP_US + i * NOTIFY_WAIT_US_MAX);
        assert_int_equal(w->sum.waiting, 1);
        assert_int_equal(w->sum.failed, 0);
    }
    round_at(w, NOW + 2 * NOTIFY_GIVE_UP_US + NOTIFY_TRIES_MIN * NOTIFY_WAIT_US_MAX);
    assert_int_equal(w->sum.failed, 1);
}

static void when_told_to_stop_a_round_sends_no_more(void **state) {
    struct world *w = *state;
    struct err err = ERR_INIT;
    atomic_bool stop = true;
    notify_close(w->notify);
    assert_int_equal(notify_open(w->flow, &stop, &w->notify, &err), ERR_NONE);
    owe(w, 1, "good", "firing");
    round_at(w, NOW);
    assert_int_equal(w->sum.sent, 0);
    assert_true(w->sum.is_cut);
    atomic_store(&stop, false);
    round_at(w, NOW);
    assert_int_equal(w->sum.sent, 1);
    assert_false(w->sum.is_cut);
}

static void a_route_that_is_gone_is_said_to_be(void **state) {
    struct world *w = *state;
    owe(w, 1, "old", "firing");
    owe(w, 2, "good", "firing");
    round_at(w, NOW);
    assert_int_equal(w->sum.failed, 1);
    assert_int_equal(w->sum.sent, 1);
}

static void what_is_held_is_not_sent(void **state) {
    struct world *w = *state;
    owe(w, 1, "good", "firing");
    execute(w, "UPDATE _plumb_deliveries SET state = 'held'");
    round_at(w, NOW);
    assert_int_equal(w->sum.sent, 0);
}

static void waits_double_up_to_five_minutes(void **state) {
    (void)state;
    for (int64_t attempts = 0; attempts < 40; attempts++) {
        int64_t most = NOTIFY_WAIT_US_MAX;
        if (attempts < 9) {
            most = NOTIFY_WAIT_US_MIN * (INT64_C(1) << attempts);
        }
        assert_in_range(notify_wait_us(attempts, 0), most / 2, most);
        assert_in_range(notify_wait_us(attempts, UINT64_MAX), most / 2, most);
        assert_true(notify_wait_us(attempts, 1) > notify_wait_us(attempts, 0));
    }
}

static void only_a_wrong_notice_is_given_up_at_once(void **state) {
    (void)state;
    static const int later[] = {300, 301, 401, 403, 404, 408, 429, 500, 502, 503};
    static const int never[] = {400, 405, 410, 413, 422};
    for (size_t i = 0; i < ARRAY_COUNT(later); i++) {
        assert_false(notify_is_final(later[i]));
    }
    for (size_t i = 0; i < ARRAY_COUNT(never); i++) {
        assert_true(notify_is_final(never[i]));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_waits_goes_out_once_in_order),
        TEST(trouble_of_one_route_holds_up_no_other_and_keeps_its_order),
        TEST(after_a_day_it_is_given_up),
        TEST(what_was_held_for_days_is_tried_more_than_once),
        TEST(when_told_to_stop_a_round_sends_no_more),
        TEST(a_route_that_is_gone_is_said_to_be),
        TEST(what_is_held_is_not_sent),
        cmocka_unit_test(waits_double_up_to_five_minutes),
        cmocka_unit_test(only_a_wrong_notice_is_given_up_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
