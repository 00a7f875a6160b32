/* Each kind under a simulated clock: it stays quiet, fires, and resolves; and what it does when there is
 * nothing to judge. */
#include "watch/test_support.h"

static void a_source_that_falls_silent_is_late(void **state) {
    (void)state;
    struct world *w = world_of("  c: {heartbeat: orders, within: 1h, keep: 5m}\n");
    bring(w, 10);
    later(w, 59 * MINUTE);
    expect(w, "c", "ok", "59 m ago");
    later(w, 2 * MINUTE);
    expect(w, "c", "error", "the last records came 1 h 1 m ago");
    bring(w, 10);
    later(w, MINUTE);
    expect(w, "c", "error", "1 m ago"); /* fine, but not for long enough */
    later(w, 5 * MINUTE);
    expect(w, "c", "ok", "6 m ago");
    assert_int_equal(open_alerts(w), 0);
    world_end(w);
}

/* Lesson: who never came is missing all the same; the expected set is the flow's. */
static void a_source_that_never_brought_anything_is_late(void **state) {
    (void)state;
    struct world *w = world_of("  c: {heartbeat: people, within: 1h}\n");
    round_now(w);
    expect(w, "c", "ok", "nothing ever came");
    later(w, HOUR + SECOND);
    expect(w, "c", "error", "nothing ever came, for 1 h");
    world_end(w);
}

/* An empty batch is no sign of life. */
static void only_records_are_a_heartbeat(void **state) {
    (void)state;
    struct world *w = world_of("  c: {heartbeat: orders, within: 1h}\n");
    bring(w, 1);
    w->now += 50 * MINUTE;
    bring(w, 0);
    later(w, 20 * MINUTE);
    expect(w, "c", "error", "1 h 10 m");
    world_end(w);
}

/* Lesson: late and never finished are two limits. */
static void late_and_too_long_running_are_told_apart(void **state) {
    (void)state;
    struct world *w =
        world_of("  c: {heartbeat: orders, within: 1h, max_runtime: 10m, keep: 0s}\n");
    stage(w, 10, 0, 0); /* and no map applies it */
    later(w, 9 * MINUTE);
    expect(w, "c", "ok", "9 m ago");
    later(w, 2 * MINUTE);
    expect(w, "c", "error", "too long running");
    load(w, 10, 0, 0, 0);
    later(w, MINUTE);
    expect(w, "c", "ok", "12 m ago");
    world_end(w);
}

static void latency_is_a_percentile_of_batches(void **state) {
    (void)state;
    struct world *w = world_of("  e: {latency: orders, stage: extract, percentile: 90, max: 60s, "
                               "over: 1h, keep: 0s}\n"
                               "  l: {latency: load, percentile: 100, max: 10s, over: 1h, keep: "
                               "0s}\n");
    for (int i = 0; i < 10; i++) { /* one of ten is slow: not the 90th percentile */
        stage(w, 1, 0, i == 4 ? 100 * SECOND : SECOND);
        load(w, 1, 0, 0, SECOND);
    }
    later(w, MINUTE);
    expect(w, "e", "ok", "90 % of batches took at most 1 s");
    expect(w, "l", "ok", "100 % of batches took at most 1 s");
    stage(w, 1, 0, 61 * SECOND);
    load(w, 1, 0, 0, 11 * SECOND);
    later(w, MINUTE);
    expect(w, "e", "error", "at most 1 m 1 s");
    expect(w, "l", "error", "at most 11 s");
    w->now += 2 * HOUR; /* the slow ones are out of the window */
    bring(w, 1);
    later(w, MINUTE);
    expect(w, "e", "ok", "1 s");
    expect(w, "l", "ok", "0 ms");
    world_end(w);
}

/* What has not arrived is counted by how long it has been on its way. */
static void what_waits_counts_with_its_age(void **state) {
    (void)state;
    struct world *w = world_of("  e: {latency: orders, stage: extract, max: 60s}\n"
                               "  l: {latency: orders, stage: load, max: 60s}\n");
    stage(w, 1, 0, SECOND);
    sql(w,
        "INSERT INTO _plumb_troubles VALUES ('orders', '', 'unavailable', '', 'away', 1, %" PRId64
        ", 0)",
        w->now);
    later(w, 2 * MINUTE);
    expect(w, "e", "error", "in trouble for 2 m");
    expect(w, "l", "error", "waiting for its map for 2 m");
    world_end(w);
}

/* Lesson: a silent sender must not resolve its own alert. */
static void an_alert_does_not_end_because_nothing_comes_any_more(void **state) {
    (void)state;
    struct world *w = world_of("  r: {rejects: orders, max: 1%, over: 10m, keep: 1m}\n"
                               "  l: {latency: orders, max: 1s, over: 10m, keep: 1m}\n");
    stage(w, 100, 50, 0);
    load(w, 50, 0, 0, 5 * SECOND);
    later(w, MINUTE);
    expect(w, "r", "error", "50 of 100");
    expect(w, "l", "error", "5 s");
    later(w, 3 * DAY);
    expect(w, "r", "error", "50 of 100");
    expect(w, "l", "error", "5 s");
    assert_int_equal(open_alerts(w), 2);
    bring(w, 100); /* and something that is fine ends it */
    later(w, 10 * SECOND);
    expect(w, "r", "error", "0 of 100"); /* not for long enough */
    later(w, MINUTE);
    expect(w, "r", "ok", "0 of 100");
    world_end(w);
}

static void errors_are_a_share_of_what_should_work(void **state) {
    (void)state;
    struct world *w = world_of("  s: {errors: sources.orders, max: 60%, keep: 0s}\n"
                               "  t: {errors: transforms.sums, keep: 0s}\n"
                               "  k: {errors: tops, max: 1%, keep: 0s}\n");
    bring(w, 1);
    sql(w, "CREATE TABLE IF NOT EXISTS \"_plumb_q_tops\"(name TEXT, _failed INTEGER, _error TEXT)");
    sql(w, "INSERT INTO tops VALUES ('a', 1), ('b', 2)");
    round_now(w);
    expect(w, "s", "ok", "no trouble");
    expect(w, "t", "ok", "works");
    expect(w, "k", "ok", "0 of 2 keys");
    sql(w, "INSERT INTO _plumb_troubles VALUES ('orders', 'q', 'input', '', 'x', 1, 0, 0)");
    sql(w, "INSERT INTO \"_plumb_q_tops\" VALUES ('c', 1, 'no')");
    sql(w, "INSERT INTO _plumb_transforms VALUES ('sums', 'sum', 'sums', x'00', '', 0, 3, 'input', "
           "'overflow', 0)");
    later(w, MINUTE);
    expect(w, "s", "error", "1 of 1 partitions");
    expect(w, "t", "error", "overflow");
    expect(w, "k", "error", "1 of 3 keys failed");
    sql(w, "DELETE FROM _plumb_troubles");
    sql(w, "DELETE FROM \"_plumb_q_tops\"");
    sql(w, "UPDATE _plumb_transforms SET attempts = 0");
    later(w, MINUTE);
    expect(w, "s", "ok", "no trouble");
    expect(w, "t", "ok", "works");
    expect(w, "k", "ok", "0 of 2");
    world_end(w);
}

static void shares_of_rows_follow_the_ledger(void **state) {
    (void)state;
    struct world *w = world_of("  r: {rejects: orders, warn: 1%, error: 10%, over: 1h, keep: 0s}\n"
                               "  m: {rejects: load, max: 2%, over: 1h, keep: 0s}\n"
                               "  d: {duplicates: load, max: 5%, over: 1h, keep: 0s}\n"
                               "  x: {rows: orders, max: 5%, over: 1h, grace: 1m, keep: 0s}\n");
    stage(w, 1000, 10, 0); /* 1 %: not above */
    load(w, 990, 0, 49, 0);
    later(w, 2 * MINUTE);
    expect(w, "r", "ok", "10 of 1000");
    expect(w, "m", "ok", "0 of 990");
    expect(w, "d", "ok", "49 of 990");
    expect(w, "x", "ok", "990 of 1000 records came through 'load'");
    stage(w, 1000, 100, 0);
    load(w, 900, 90, 200, 0);
    later(w, 2 * MINUTE);
    expect(w, "r", "warn", "200 of 2000");
    expect(w, "m", "error", "90 of 1890");
    expect(w, "d", "error", "249 of 1800");
    expect(w, "x", "error", "1800 of 2000");
    w->now += 2 * HOUR;
    stage(w, 100, 0, 0);
    load(w, 100, 0, 0, 0);
    later(w, 2 * MINUTE);
    expect(w, "r", "ok", "0 of 100");
    expect(w, "x", "ok", "100 of 100");
    stage(w, 1000, 0, 0); /* and the map does not take it */
    later(w, 30 * SECOND);
    expect(w, "x", "ok", "100 of 100"); /* too young */
    later(w, 31 * SECOND);
    expect(w, "x", "error", "100 of 1100");
    world_end(w);
}

static void too_few_rows_say_nothing(void **state) {
    (void)state;
    struct world *w = world_of("  r: {rejects: orders, max: 1%, min_rows: 100}\n");
    stage(w, 3, 3, 0);
    later(w, MINUTE);
    expect(w, "r", "learning", "too few to tell");
    assert_int_equal(open_alerts(w), 0);
    world_end(w);
}

static void columns_are_looked_at_as_they_are(void **state) {
    (void)state;
    struct world *w = world_of("  n: {nulls: orders.name, max: 25%, keep: 0s}\n"
                               "  r: {range: orders.id, min: 1, max: 10, keep: 0s}\n"
                               "  u: {unique: orders.name, keep: 0s}\n"
                               "  f: {freshness: orders.at, within: 1h, keep: 0s}\n");
    sql(w,
        "INSERT INTO orders VALUES (1, %" PRId64 ", 'a'), (2, NULL, 'b'), (10, 0, 'c'), (3, 0, "
        "NULL)",
        w->now);
    later(w, HOUR);
    expect(w, "n", "ok", "1 of 4");
    expect(w, "r", "ok", "inside");
    expect(w, "u", "ok", "once");
    expect(w, "f", "ok", "1 h");
    sql(w, "INSERT INTO orders VALUES (0, NULL, NULL), (11, NULL, 'a')");
    later(w, SECOND);
    expect(w, "n", "error", "2 of 6");
    expect(w, "r", "error", "2 rows are outside");
    expect(w, "u", "error", "1 value more than once, 2 times");
    expect(w, "f", "error", "1 h");
    sql(w, "DELETE FROM orders WHERE id IN (0, 11)");
    sql(w, "UPDATE orders SET at = %" PRId64, w->now);
    later(w, SECOND);
    expect(w, "n", "ok", "1 of 4");
    expect(w, "r", "ok", "inside");
    expect(w, "u", "ok", "once");
    expect(w, "f", "ok", "1 s");
    world_end(w);
}

static void a_table_without_rows_becomes_stale_too(void **state) {
    (void)state;
    struct world *w = world_of("  f: {freshness: orders.at, within: 1h, keep: 0s}\n");
    round_now(w);
    expect(w, "f", "ok", "no row ever came");
    later(w, HOUR + SECOND);
    expect(w, "f", "error", "no row ever came");
    sql(w, "INSERT INTO orders VALUES (1, NULL, NULL)");
    later(w, SECOND);
    expect(w, "f", "unknown", "NULL in every row"); /* NULL is never fine */
    world_end(w);
}

static void gaps_in_what_is_covered_are_counted(void **state) {
    (void)state;
    struct world *w = world_of("  g: {gap: orders, keep: 0s}\n");
    bring(w, 1);
    round_now(w);
    expect(w, "g", "learning", "nothing is covered yet");
    sql(w, "INSERT INTO _plumb_coverage VALUES (1, 0, 99, 0, 1, 'x', 'y', 1, 0), (1, 105, 199, 0, "
           "1, 'x', 'y', 1, 0)");
    later(w, SECOND);
    expect(w, "g", "error", "5 missing");
    sql(w, "INSERT INTO _plumb_coverage VALUES (1, 100, 104, 0, 1, 'x', 'y', 1, 0)");
    later(w, SECOND);
    expect(w, "g", "ok", "no gap");
    world_end(w);
}

static void a_changed_schema_fires_once_the_first_batch_is_past(void **state) {
    (void)state;
    struct world *w = world_of("  f: {schema_change: orders, over: 1d, keep: 0s}\n"
                               "  g: {schema_change: orders, over: 1d, events: [missing_field], "
                               "keep: 0s}\n");
    bring(w, 1);
    sql(w,
        "INSERT INTO _plumb_schema_events VALUES (1, 'orders', '/x', 'new_field', 'string', 1, "
        "%" PRId64 ")",
        w->now);
    later(w, SECOND);
    expect(w, "f", "ok", "as they were");
    bring(w, 1);
    sql(w,
        "INSERT INTO _plumb_schema_events VALUES (2, 'orders', '/y', 'new_field', 'string', 2, "
        "%" PRId64 ")",
        w->now);
    later(w, SECOND);
    expect(w, "f", "error", "1 change of fields");
    expect(w, "g", "ok", "as they were");
    later(w, DAY);
    expect(w, "f", "ok", "as they were");
    world_end(w);
}

static void refused_requests_are_a_share_of_answers(void **state) {
    (void)state;
    struct world *w = world_of("  h: {http_status: orders, max: 10%, over: 5m, keep: 0s}\n");
    round_now(w);
    expect(w, "h", "learning", "too few");
    sql(w,
        "INSERT INTO _plumb_http VALUES ('orders', %" PRId64 ", '2xx', 90), ('orders', %" PRId64
        ", '429', 4), ('orders', %" PRId64 ", '4xx', 6)",
        w->now, w->now, w->now);
    later(w, SECOND);
    expect(w, "h", "ok", "10 of 100");
    sql(w, "UPDATE _plumb_http SET answers = 40 WHERE status = '429'");
    later(w, SECOND);
    expect(w, "h", "error", "46 of 136");
    w->now += HOUR;
    sql(w, "INSERT INTO _plumb_http VALUES ('orders', %" PRId64 ", '2xx', 9)", w->now);
    later(w, SECOND);
    expect(w, "h", "ok", "0 of 9");
    world_end(w);
}

static void a_select_gives_a_number_or_rows(void **state) {
    (void)state;
    struct world *w =
        world_of("  v: {sql: SELECT count(*) FROM orders, min: 1, max: 2, keep: 0s}\n"
                 "  r: {sql: 'SELECT id, name FROM orders WHERE at < $now - 60000000', counts: "
                 "rows, keep: 0s}\n"
                 "  n: {sql: SELECT max(id) FROM orders, max: 5, keep: 0s}\n"
                 "  m: {sql: SELECT id FROM orders, max: 5, keep: 0s}\n");
    round_now(w);
    expect(w, "v", "error", "it is 0");
    expect(w, "n", "unknown", "gives NULL");
    expect(w, "m", "unknown", "gives no row");
    expect(w, "r", "ok", "no such row");
    sql(w, "INSERT INTO orders VALUES (1, %" PRId64 ", 'x'), (2, %" PRId64 ", 'y')", w->now,
        w->now);
    later(w, MINUTE);
    expect(w, "v", "ok", "it is 2");
    expect(w, "n", "ok", "it is 2");
    expect(w, "m", "unknown", "several rows");
    expect(w, "r", "ok", "no such row");
    sql(w, "INSERT INTO orders VALUES (3, %" PRId64 ", 'z')", w->now);
    later(w, SECOND);
    expect(w, "v", "error", "it is 3");
    expect(w, "r", "error", "2 rows, such as id 1, name x");
    world_end(w);
}

/* Lesson: an evaluation that fails is not a healthy one. */
static void what_cannot_be_told_fires(void **state) {
    (void)state;
    struct world *w = world_of("  n: {nulls: orders.name}\n  s: {sql: SELECT 1 FROM orders}\n");
    sql(w, "ALTER TABLE orders RENAME TO gone");
    later(w, SECOND);
    expect(w, "n", "unknown", "cannot tell: ");
    expect(w, "s", "unknown", "no such table");
    assert_int_equal(open_alerts(w), 2);
    world_end(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_that_falls_silent_is_late),
        cmocka_unit_test(a_source_that_never_brought_anything_is_late),
        cmocka_unit_test(only_records_are_a_heartbeat),
        cmocka_unit_test(late_and_too_long_running_are_told_apart),
        cmocka_unit_test(latency_is_a_percentile_of_batches),
        cmocka_unit_test(what_waits_counts_with_its_age),
        cmocka_unit_test(an_alert_does_not_end_because_nothing_comes_any_more),
        cmocka_unit_test(errors_are_a_share_of_what_should_work),
        cmocka_unit_test(shares_of_rows_follow_the_ledger),
        cmocka_unit_test(too_few_rows_say_nothing),
        cmocka_unit_test(columns_are_looked_at_as_they_are),
        cmocka_unit_test(a_table_without_rows_becomes_stale_too),
        cmocka_unit_test(gaps_in_what_is_covered_are_counted),
        cmocka_unit_test(a_changed_schema_fires_once_the_first_batch_is_past),
        cmocka_unit_test(refused_requests_are_a_share_of_answers),
        cmocka_unit_test(a_select_gives_a_number_or_rows),
        cmocka_unit_test(what_cannot_be_told_fires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
