/* Volume against the same hour of past days, over weeks that pass in a moment. */
#include "watch/test_support.h"

/* One batch an hour, from the world's hour on: `usual` of them, with a little noise that is always
 * the same. */
static void hours(struct world *w, int count, int64_t usual) {
    for (int i = 0; i < count; i++) {
        stage(w, usual + (w->batch * 7) % 11, 0, 0);
        w->now += HOUR;
    }
}

static struct world *after_a_week(const char *checks) {
    struct world *w = world_of(checks);
    hours(w, 7 * 24, 1000);
    return w;
}

static void it_learns_first_and_says_so(void **state) {
    (void)state;
    struct world *w = world_of("  v: {volume: orders, min_days: 5}\n");
    round_now(w);
    expect(w, "v", "learning", "no whole hour");
    hours(w, 3 * 24, 1000);
    round_now(w);
    expect(w, "v", "learning", "learning: 2 of 5 days known");
    assert_int_equal(open_alerts(w), 0);
    hours(w, 4 * 24, 1000);
    round_now(w);
    expect(w, "v", "ok", "usually 100");
    world_end(w);
}

/* Lesson 29: a quarter more passed, because the tested value was in its own average. */
static void a_rise_by_a_quarter_is_seen(void **state) {
    (void)state;
    struct world *w = after_a_week("  v: {volume: orders, max: 4, keep: 0s}\n");
    round_now(w);
    expect(w, "v", "ok", "usually");
    stage(w, 1250, 0, 0);
    later(w, HOUR);
    expect(w, "v", "error", "1250 records");
    hours(w, 1, 1000);
    round_now(w);
    expect(w, "v", "ok", "usually");
    world_end(w);
}

/* Lesson 29: a spread of nothing gave NULL, and NULL read as healthy. */
static void a_spread_of_nothing_is_floored(void **state) {
    (void)state;
    struct world *w = world_of("  v: {volume: orders, max: 4, keep: 0s}\n");
    for (int i = 0; i < 7 * 24; i++) {
        stage(w, 1000, 0, 0);
        w->now += HOUR;
    }
    stage(w, 1100, 0, 0); /* two twentieths: two deviations */
    later(w, HOUR);
    expect(w, "v", "ok", "1100 records");
    assert_int_equal(number(w, "SELECT value > 1.9 AND value < 2.1 FROM _plumb_checks"), 1);
    stage(w, 700, 0, 0);
    later(w, HOUR);
    expect(w, "v", "error", "700 records");
    world_end(w);
}

/* Lesson 29: nothing at all lay inside "mean less three deviations". */
static void zero_is_never_normal(void **state) {
    (void)state;
    struct world *w = world_of("  v: {volume: orders, max: 1000, keep: 0s}\n"
                               "  z: {volume: orders, max: 1000, zero_ok: true, keep: 0s}\n");
    hours(w, 7 * 24, 1);
    later(w, HOUR); /* an hour in which nothing came */
    expect(w, "v", "error", "0 records");
    expect(w, "z", "ok", "0 records"); /* only who says so takes it for normal */
    world_end(w);
}

/* Lesson 29: an outage became the new normal. */
static void an_outage_does_not_become_normal(void **state) {
    (void)state;
    struct world *w = after_a_week("  v: {volume: orders, max: 4, days: 7, keep: 0s}\n");
    for (int i = 0; i < 6 * 24; i++) { /* six days at a tenth, looked at every hour */
        stage(w, 100, 0, 0);
        later(w, HOUR);
        expect(w, "v", "error", "100 records");
    }
    hours(w, 1, 1000);
    round_now(w);
    expect(w, "v", "ok", "usually 100"); /* 1000 and some, not 100 */
    assert_int_equal(number(w, "SELECT message LIKE '%%usually 100_' FROM _plumb_checks"), 1);
    world_end(w);
}

static void direction_chooses_what_is_wrong(void **state) {
    (void)state;
    struct world *w = after_a_week("  d: {volume: orders, direction: drop, keep: 0s}\n"
                                   "  r: {volume: orders, direction: rise, keep: 0s}\n");
    stage(w, 3000, 0, 0);
    later(w, HOUR);
    expect(w, "d", "ok", "3000");
    expect(w, "r", "error", "3000");
    stage(w, 100, 0, 0);
    later(w, HOUR);
    expect(w, "d", "error", "100 records");
    expect(w, "r", "ok", "100 records");
    world_end(w);
}

/* Another hour of the day has another normal. */
static void each_hour_is_held_against_its_own(void **state) {
    (void)state;
    struct world *w = world_of("  v: {volume: orders, keep: 0s}\n");
    for (int i = 0; i < 7 * 24; i++) {
        stage(w, i % 24 == 3 ? 100 : 1000, 0, 0);
        w->now += HOUR;
    }
    for (int i = 0; i < 24; i++) {
        stage(w, i % 24 == 3 ? 100 : 1000, 0, 0);
        later(w, HOUR);
        expect(w, "v", "ok", "usually");
    }
    stage(w, 100, 0, 0); /* the hour after midnight, with what is normal at three */
    later(w, HOUR);
    expect(w, "v", "error", "100 records");
    world_end(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns_first_and_says_so),
        cmocka_unit_test(a_rise_by_a_quarter_is_seen),
        cmocka_unit_test(a_spread_of_nothing_is_floored),
        cmocka_unit_test(zero_is_never_normal),
        cmocka_unit_test(an_outage_does_not_become_normal),
        cmocka_unit_test(direction_chooses_what_is_wrong),
        cmocka_unit_test(each_hour_is_held_against_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
