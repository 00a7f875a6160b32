/* Alerts and notices: who is told what, how often, and what keeps still. Time is a number. */
#include "watch/book.h"
#include "watch/test_support.h"

/* A source that stands still, and what is below it. */
#define DEAD_SOURCE                                                                                \
    "  arrive: {heartbeat: orders, within: 1h}\n"                                                  \
    "  fresh: {freshness: orders.at, within: 1h}\n"                                                \
    "  names: {sql: SELECT count(*) FROM sums, min: 1}\n"                                          \
    "  tops: {sql: SELECT count(*) FROM tops, min: 1}\n"                                           \
    "  orders: {volume: orders}\n"                                                                 \
    "  slow: {latency: orders, max: 1h}\n"

/* Lesson 27: one fault in bronze, silver and gold is one alert. */
static void a_dead_source_is_one_alert_and_not_ten(void **state) {
    (void)state;
    struct world *w = world_of(DEAD_SOURCE);
    sql(w, "INSERT INTO sums VALUES ('a', 1, 1)");
    sql(w, "INSERT INTO tops VALUES ('a', 1)");
    sql(w, "INSERT INTO orders VALUES (1, %" PRId64 ", 'a')", w->now);
    bring(w, 1);
    round_now(w);
    assert_int_equal(open_alerts(w), 0);
    sql(w, "DELETE FROM sums");
    sql(w, "DELETE FROM tops");
    later(w, 2 * HOUR);
    assert_int_equal(open_alerts(w), 4);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_alerts WHERE parent IS NULL"), 1);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_alerts WHERE root = 'source orders'"),
                     4);
    assert_int_equal(notices(w, "firing", "pending"), 1);
    assert_int_equal(notices(w, "firing", "held"), 3);
    world_end(w);
}

static void what_is_still_wrong_when_its_cause_is_over_is_told(void **state) {
    (void)state;
    struct world *w = world_of("  arrive: {heartbeat: orders, within: 1h, keep: 1m}\n"
                               "  fresh: {freshness: orders.at, within: 1h, keep: 1m}\n");
    sql(w, "INSERT INTO orders VALUES (1, %" PRId64 ", 'a')", w->now);
    bring(w, 1);
    later(w, 2 * HOUR);
    assert_int_equal(notices(w, "firing", "pending"), 1);
    bring(w, 1); /* batches come again, but what is in them is old */
    later(w, 2 * MINUTE);
    assert_int_equal(open_alerts(w), 1);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_alerts WHERE state <> 'resolved' AND "
                               "parent IS NULL AND check_name = 'fresh'"),
                     1);
    assert_int_equal(notices(w, "firing", "pending"), 2);
    assert_int_equal(notices(w, "resolved", "pending"), 1);
    sql(w, "UPDATE orders SET at = %" PRId64, w->now);
    later(w, 2 * MINUTE);
    assert_int_equal(open_alerts(w), 0);
    assert_int_equal(notices(w, "resolved", "pending"), 2);
    world_end(w);
}

static void an_explained_alert_that_ends_says_nothing(void **state) {
    (void)state;
    struct world *w = world_of("  arrive: {heartbeat: orders, within: 1h}\n"
                               "  fresh: {freshness: orders.at, within: 1h, keep: 0s}\n");
    sql(w, "INSERT INTO orders VALUES (1, %" PRId64 ", 'a')", w->now);
    bring(w, 1);
    later(w, 2 * HOUR);
    sql(w, "UPDATE orders SET at = %" PRId64, w->now);
    later(w, MINUTE);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_alerts a JOIN _plumb_deliveries d ON "
                               "d.alert = a.id WHERE a.check_name = 'fresh' AND d.state <> 'held'"),
                     0);
    world_end(w);
}

/* A warning does not hide an error, and another branch is another matter. */
static void only_a_cause_at_least_as_bad_stands_for_another(void **state) {
    (void)state;
    struct world *w = world_of("  arrive: {heartbeat: orders, within: 1h, severity: warn}\n"
                               "  fresh: {freshness: orders.at, within: 1h}\n"
                               "  people: {heartbeat: people, within: 1h, severity: warn}\n");
    round_now(w);
    later(w, 2 * HOUR);
    assert_int_equal(open_alerts(w), 3);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_alerts WHERE parent IS NULL"), 3);
    world_end(w);
}

static void bad_content_does_not_explain_a_standstill(void **state) {
    (void)state;
    struct world *w = world_of("  rejects: {rejects: orders, max: 1%}\n"
                               "  names: {nulls: orders.name, max: 1%}\n"
                               "  works: {errors: transforms.sums}\n");
    stage(w, 10, 5, 0);
    sql(w, "INSERT INTO orders VALUES (1, 0, NULL)");
    sql(w, "INSERT INTO _plumb_transforms VALUES ('sums', 'sum', 'sums', x'00', '', 0, 3, 'input', "
           "'no', 0)");
    later(w, MINUTE);
    assert_int_equal(open_alerts(w), 3);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_alerts WHERE parent IS NOT NULL AND "
                               "check_name = 'names'"),
                     1);
    assert_int_equal(
        number(w,
               "SELECT count(*) FROM _plumb_alerts WHERE check_name = 'works' AND parent IS NULL"),
        1);
    world_end(w);
}

/* Lesson 27: an alert every half hour until people muted the channel. */
static void a_state_is_told_when_it_changes_and_not_each_time(void **state) {
    (void)state;
    struct world *w = world_of("  c: {heartbeat: orders, within: 1h, keep: 0s}\n");
    bring(w, 1);
    for (int i = 0; i < 48; i++) {
        later(w, 30 * MINUTE);
    }
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_alerts"), 1);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_deliveries WHERE route = 'all'"), 1);
    bring(w, 1);
    later(w, MINUTE);
    assert_int_equal(notices(w, "resolved", "pending"), 1);
    later(w, MINUTE);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_deliveries WHERE route = 'all'"), 2);
    world_end(w);
}

static void a_round_that_is_done_twice_adds_nothing(void **state) {
    (void)state;
    struct world *w = world_of(DEAD_SOURCE);
    w->alerts.remind_us = HOUR;
    bring(w, 1);
    later(w, 5 * HOUR);
    later(w, HOUR);
    char before[3][64];
    static const char *const tables[] = {"alerts", "deliveries", "checks"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(before[i], sizeof(before[i]), "%" PRId64,
                       number(w, "SELECT count(*) FROM _plumb_%s", tables[i]));
    }
    const int64_t reminders = number(w, "SELECT sum(reminders) FROM _plumb_alerts");
    round_now(w);
    round_now(w);
    for (size_t i = 0; i < 3; i++) {
        char after[64];
        (void)snprintf(after, sizeof(after), "%" PRId64,
                       number(w, "SELECT count(*) FROM _plumb_%s", tables[i]));
        assert_string_equal(before[i], after);
    }
    assert_int_equal(number(w, "SELECT sum(reminders) FROM _plumb_alerts"), reminders);
    assert_int_equal(w->summary.opened + w->summary.resolved + w->summary.notices, 0);
    world_end(w);
}

static void reminders_come_until_somebody_takes_it_on(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct world *w = world_of("  c: {heartbeat: orders, within: 1h}\n");
    w->alerts.remind_us = 4 * HOUR;
    bring(w, 1);
    later(w, 2 * HOUR);
    for (int i = 0; i < 8; i++) {
        later(w, HOUR);
    }
    assert_int_equal(notices(w, "reminder", "pending"), 2);
    assert_int_equal(watch_acknowledge(w->store, 99, "ada", NULL, w->now, &err), ERR_INPUT);
    err_clear(&err);
    assert_int_equal(watch_acknowledge(w->store, 1, "ada", "on it", w->now, &err), ERR_NONE);
    for (int i = 0; i < 8; i++) {
        later(w, HOUR);
    }
    assert_int_equal(notices(w, "reminder", "pending"), 2);
    assert_int_equal(number(w,
                            "SELECT count(*) FROM _plumb_alerts WHERE state = 'acknowledged' AND "
                            "acknowledged_by = 'ada' AND note = 'on it'"),
                     1);
    world_end(w);
}

static void an_acknowledged_warning_that_becomes_an_error_is_told_again(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct world *w = world_of("  c: {heartbeat: orders, warn: 1h, error: 3h}\n");
    bring(w, 1);
    later(w, 2 * HOUR);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_deliveries"), 1); /* not the pager */
    assert_int_equal(watch_acknowledge(w->store, 1, "ada", NULL, w->now, &err), ERR_NONE);
    later(w, 2 * HOUR);
    assert_int_equal(notices(w, "worse", "pending"), 1);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_deliveries WHERE route = 'pager' AND "
                               "event = 'firing'"),
                     1);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_alerts WHERE state = 'firing' AND "
                               "severity = 'error'"),
                     1);
    world_end(w);
}

/* Lesson 30: silence is a thing of its own, and changing a check does not end it. */
static void a_silence_outlives_a_change_of_the_check(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    int64_t id = 0;
    struct world *w = world_of("  arrive: {heartbeat: orders, within: 1h, keep: 0s}\n");
    bring(w, 1);
    const struct watch_silence what = {"arr*", DAY, "ada", "moving house"};
    assert_int_equal(watch_silence(w->store, &what, w->now, &id, &err), ERR_NONE);
    later(w, 2 * HOUR);
    assert_int_equal(open_alerts(w), 1);
    assert_int_equal(notices(w, "firing", "held"), 1);
    world_use(w, "  arrive: {heartbeat: orders, within: 30m, keep: 0s, description: other}\n");
    later(w, HOUR);
    world_use(w, "  arrive: {latency: orders, max: 1s, keep: 0s}\n");
    stage(w, 1, 0, 0);
    later(w, HOUR);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_deliveries WHERE state <> 'held'"), 0);
    later(w, DAY); /* it is over, and what is still wrong is told */
    assert_true(notices(w, "firing", "pending") == 1);
    world_end(w);
}

static void a_silence_that_is_ended_lets_go_what_is_still_wrong(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    int64_t id = 0;
    struct world *w = world_of("  a: {heartbeat: orders, within: 1h, keep: 0s}\n"
                               "  b: {heartbeat: people, within: 1h, keep: 0s}\n");
    const struct watch_silence what = {"?", DAY, "ada", "x"};
    assert_int_equal(watch_silence(w->store, &what, w->now, &id, &err), ERR_NONE);
    round_now(w);
    later(w, 2 * HOUR);
    assert_int_equal(notices(w, "firing", "held"), 2);
    bring(w, 1); /* a is fine again, and nobody was told that it was not */
    later(w, MINUTE);
    assert_int_equal(watch_unsilence(w->store, id, w->now, &err), ERR_NONE);
    assert_int_equal(watch_unsilence(w->store, id, w->now, &err), ERR_INPUT);
    later(w, MINUTE);
    assert_int_equal(notices(w, "firing", "pending"), 1);
    assert_int_equal(notices(w, "firing", "held"), 1);
    assert_int_equal(notices(w, "resolved", "pending") + notices(w, "resolved", "held"), 0);
    world_end(w);
}

static void quiet_hours_hold_warnings_until_the_morning(void **state) {
    (void)state;
    struct world *w = world_of("  a: {heartbeat: orders, within: 1h, severity: warn}\n"
                               "  b: {heartbeat: people, within: 1h}\n");
    w->alerts.quiet = (struct flow_quiet){22 * 60, 7 * 60, 0, LEVEL_ERROR};
    w->now = BEGIN + 22 * HOUR;
    round_now(w);
    later(w, 2 * HOUR);
    assert_int_equal(notices(w, "firing", "held"), 1);
    assert_int_equal(notices(w, "firing", "pending"), 1); /* errors are told all the same */
    later(w, 6 * HOUR + 59 * MINUTE);
    assert_int_equal(notices(w, "firing", "held"), 1);
    later(w, MINUTE); /* seven */
    assert_int_equal(notices(w, "firing", "held"), 0);
    assert_int_equal(notices(w, "firing", "pending"), 2);
    world_end(w);
}

/* Told as a warning, it becomes an error in the night: that is told in the morning, once. */
static void what_became_worse_while_it_was_held_is_told_afterwards(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    int64_t id = 0;
    struct world *w = world_of("  a: {heartbeat: orders, warn: 1h, error: 3h, keep: 0s}\n");
    round_now(w);
    later(w, 2 * HOUR);
    assert_int_equal(notices(w, "firing", "pending"), 1);
    const struct watch_silence what = {"a", 4 * HOUR, "ada", "x"};
    assert_int_equal(watch_silence(w->store, &what, w->now, &id, &err), ERR_NONE);
    later(w, 2 * HOUR);
    assert_int_equal(notices(w, "worse", "held"), 1);
    later(w, 2 * HOUR + MINUTE);
    assert_int_equal(notices(w, "worse", "held"), 0);
    assert_int_equal(notices(w, "worse", "pending"), 1);
    later(w, MINUTE);
    assert_int_equal(notices(w, "worse", "pending"), 1);
    world_end(w);
}

/* An incident of somebody who was told must end, however long the silence over its end was. */
static void an_end_that_was_held_for_days_is_told(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    int64_t id = 0;
    struct world *w = world_of("  a: {heartbeat: orders, within: 1h, keep: 0s}\n");
    round_now(w);
    later(w, 2 * HOUR);
    assert_int_equal(notices(w, "firing", "pending"), 1);
    const struct watch_silence what = {"a", 3 * DAY, "ada", "x"};
    assert_int_equal(watch_silence(w->store, &what, w->now, &id, &err), ERR_NONE);
    bring(w, 1);
    later(w, MINUTE);
    assert_int_equal(notices(w, "resolved", "held"), 1);
    world_use(w, "  every: 10s\n"); /* not even that nothing is checked any more forgets it */
    later(w, 2 * DAY);
    assert_int_equal(notices(w, "resolved", "held"), 1);
    assert_true(watch_is_needed(w->flow, w->store));
    later(w, DAY + HOUR);
    assert_int_equal(notices(w, "resolved", "held"), 0);
    assert_int_equal(notices(w, "resolved", "pending"), 1);
    assert_false(watch_is_needed(w->flow, w->store));
    world_end(w);
}

static void quiet_hours_know_their_zone(void **state) {
    (void)state;
    const struct flow_quiet night = {22 * 60, 7 * 60, 2 * HOUR, LEVEL_FINE};
    assert_false(notices_are_quiet(&night, LEVEL_ERROR, BEGIN + 19 * HOUR + 59 * MINUTE));
    assert_true(notices_are_quiet(&night, LEVEL_ERROR, BEGIN + 20 * HOUR));
    assert_true(notices_are_quiet(&night, LEVEL_WARN, BEGIN + 28 * HOUR + 59 * MINUTE));
    assert_false(notices_are_quiet(&night, LEVEL_WARN, BEGIN + 5 * HOUR));
    const struct flow_quiet never = {0, 0, 0, LEVEL_FINE};
    assert_false(notices_are_quiet(&never, LEVEL_WARN, BEGIN));
}

static void a_check_that_is_removed_ends_its_alert_and_says_why(void **state) {
    (void)state;
    struct world *w = world_of("  a: {heartbeat: orders, within: 1h}\n");
    round_now(w);
    later(w, 2 * HOUR);
    assert_int_equal(open_alerts(w), 1);
    world_use(w, "  b: {heartbeat: people, within: 1h}\n");
    later(w, MINUTE);
    assert_int_equal(open_alerts(w), 0);
    assert_int_equal(
        number(w,
               "SELECT count(*) FROM _plumb_alerts WHERE detail LIKE '%%removed from the flow%%'"),
        1);
    assert_int_equal(notices(w, "resolved", "pending"), 1);
    assert_int_equal(number(w, "SELECT count(*) FROM _plumb_checks WHERE name = 'a'"), 0);
    world_end(w);
}

/* Nothing depends on how long a process has been running. */
static void every_look_by_another_process_comes_to_the_same(void **state) {
    (void)state;
    struct world *one = world_of(DEAD_SOURCE);
    struct world *many = world_of(DEAD_SOURCE);
    for (int i = 0; i < 40; i++) {
        if (i < 3 || (i > 20 && i < 30)) {
            bring(one, 10);
            bring(many, 10);
        }
        later(one, 10 * MINUTE);
        world_use(many, DEAD_SOURCE);
        later(many, 10 * MINUTE);
        static const char state_of[] =
            "SELECT sum(length(state) * state_since_us % 1000003) + sum(coalesce(bad_us, 0) % "
            "1000003) + (SELECT count(*) * 7 FROM _plumb_deliveries) FROM _plumb_checks";
        assert_int_equal(number(one, "%s", state_of), number(many, "%s", state_of));
    }
    assert_true(number(one, "SELECT count(*) FROM _plumb_alerts WHERE state = 'resolved'") > 0);
    world_end(one);
    world_end(many);
}

static void patterns_mean_whole_names(void **state) {
    (void)state;
    static const struct {
        const char *pattern;
        const char *name;
        bool matches;
    } cases[] = {{"a", "a", true},      {"a", "ab", false},     {"a*", "ab", true},
                 {"*", "", true},       {"?", "", false},       {"*b", "aab", true},
                 {"a*c", "abbc", true}, {"a*c", "abbd", false}, {"*a*b*", "xaxbx", true},
                 {"a?c", "abc", true},  {"", "a", false},       {"**", "a", true},
                 {"*a", "ab", false}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(watch_matches(cases[i].pattern, cases[i].name), cases[i].matches);
    }
}

/* Lesson 32: a rule about a column that does not exist passed review. */
static void sql_is_compiled_against_the_real_tables(void **state) {
    (void)state;
    static const struct {
        const char *checks;
        const char *words;
        const char *where;
    } cases[] = {
        {"  c: {sql: SELECT count(*) FROM oders}\n", "no such table: oders", ":17:"},
        {"  c: {sql: SELECT max(nme) FROM orders}\n", "no such column: nme", ":17:23"},
        {"  c: {sql: 'SELECT id, at FROM orders'}\n", "2 columns and one number", ":17:12"},
        {"  c: {sql: DELETE FROM orders}\n", "only one SELECT", ":17:"},
        {"  c: {sql: 'SELECT random()'}\n", "random", ":17:"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct err err = ERR_INIT;
        struct world *w = world_of("  c: {gap: orders}\n");
        world_use(w, cases[i].checks);
        if (watch_compile(w->flow, w->store, &err) != ERR_CONFIG ||
            strstr(err.message, cases[i].words) == NULL ||
            strstr(err.where, cases[i].where) == NULL) {
            fail_msg("%s: %s %s", cases[i].checks, err.where, err.message);
        }
        world_end(w);
    }
    struct err err = ERR_INIT;
    struct world *w =
        world_of("  c: {sql: 'SELECT id FROM orders WHERE at < $now', counts: rows}\n");
    assert_int_equal(watch_compile(w->flow, w->store, &err), ERR_NONE);
    world_end(w);
}

/* What `plumb alerts test` says is what rounds did. */
static void history_tells_what_rounds_did(void **state) {
    (void)state;
    static const char checks[] = "  arrive: {heartbeat: orders, within: 1h, keep: 10m}\n"
                                 "  rejects: {rejects: orders, max: 10%, over: 1h, keep: 10m}\n"
                                 "  slow: {latency: orders, max: 1h, over: 1h, keep: 10m}\n"
                                 "  names: {nulls: orders.name}\n";
    struct world *w = world_of(checks);
    struct watch_history h = {.from_us = w->now};
    for (int i = 0; i < 12 * 24; i++) {
        const bool silent = (i > 30 && i < 60) || i > 270;
        if (!silent) {
            stage(w, 10, i > 100 && i < 120 ? 5 : 0, SECOND);
            load(w, 10, 0, 0, 0);
        }
        round_now(w);
        w->now += 5 * MINUTE;
    }
    h.to_us = w->now - 5 * MINUTE;
    struct err err = ERR_INIT;
    w->flow->checks_every_us = 5 * MINUTE;
    assert_int_equal(watch_replay(w->flow, w->store, NULL, &h, &err), ERR_NONE);
    assert_int_equal(h.count, number(w, "SELECT count(*) FROM _plumb_alerts"));
    assert_true(h.count >= 3);
    for (size_t i = 0; i < h.count; i++) {
        const struct watch_episode *e = &h.episodes[i];
        assert_int_equal(number(w,
                                "SELECT count(*) FROM _plumb_alerts WHERE check_name = '%s' AND "
                                "opened_us = %" PRId64 " AND coalesce(resolved_us, 0) = %" PRId64,
                                w->flow->checks[e->check].name, e->from_us, e->to_us),
                         1);
    }
    watch_history_release(&h);
    world_end(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_source_is_one_alert_and_not_ten),
        cmocka_unit_test(what_is_still_wrong_when_its_cause_is_over_is_told),
        cmocka_unit_test(an_explained_alert_that_ends_says_nothing),
        cmocka_unit_test(only_a_cause_at_least_as_bad_stands_for_another),
        cmocka_unit_test(bad_content_does_not_explain_a_standstill),
        cmocka_unit_test(a_state_is_told_when_it_changes_and_not_each_time),
        cmocka_unit_test(a_round_that_is_done_twice_adds_nothing),
        cmocka_unit_test(reminders_come_until_somebody_takes_it_on),
        cmocka_unit_test(an_acknowledged_warning_that_becomes_an_error_is_told_again),
        cmocka_unit_test(a_silence_outlives_a_change_of_the_check),
        cmocka_unit_test(a_silence_that_is_ended_lets_go_what_is_still_wrong),
        cmocka_unit_test(quiet_hours_hold_warnings_until_the_morning),
        cmocka_unit_test(what_became_worse_while_it_was_held_is_told_afterwards),
        cmocka_unit_test(an_end_that_was_held_for_days_is_told),
        cmocka_unit_test(quiet_hours_know_their_zone),
        cmocka_unit_test(a_check_that_is_removed_ends_its_alert_and_says_why),
        cmocka_unit_test(every_look_by_another_process_comes_to_the_same),
        cmocka_unit_test(patterns_mean_whole_names),
        cmocka_unit_test(sql_is_compiled_against_the_real_tables),
        cmocka_unit_test(history_tells_what_rounds_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
