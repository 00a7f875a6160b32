/* From values to states, and what the lessons of others ask of that: one test for each promise. */
#include "watch/judge.h"
#include "watch/test_support.h"

#include <math.h>

static struct flow_check check_of(double warn, double error) {
    return (struct flow_check){.kind = CHECK_REJECTS,
                               .severity = isnan(error) ? LEVEL_WARN : LEVEL_ERROR,
                               .warn = warn,
                               .error = error,
                               .floor = (double)NAN,
                               .clear = isnan(warn) ? error : warn,
                               .conf = {.severity = 1}};
}

static enum verdict at(const struct flow_check *c, struct standing *s, int64_t second,
                       double value) {
    struct measurement m;
    measurement_init(&m);
    measure_value(&m, UNIT_SHARE, value);
    const enum verdict v = judge(c, &m, BEGIN + second * SECOND, s);
    measurement_release(&m);
    return v;
}

static enum verdict at_other(const struct flow_check *c, struct standing *s, int64_t second,
                             enum measured what) {
    struct measurement m;
    measurement_init(&m);
    m.what = what;
    const enum verdict v = judge(c, &m, BEGIN + second * SECOND, s);
    measurement_release(&m);
    return v;
}

static void a_value_at_the_limit_is_fine_and_above_it_is_not(void **state) {
    (void)state;
    const struct flow_check c = check_of((double)NAN, 0.5);
    struct standing s = {0};
    assert_int_equal(at(&c, &s, 0, 0.5), VERDICT_NOTHING);
    assert_int_equal(s.state, STATE_OK);
    assert_int_equal(at(&c, &s, 1, 0.500001), VERDICT_OPEN);
    assert_int_equal(s.state, STATE_ERROR);
}

static void for_holds_back_what_does_not_last(void **state) {
    (void)state;
    struct flow_check c = check_of((double)NAN, 0.5);
    c.conf.for_us = 60 * SECOND;
    struct standing s = {0};
    assert_int_equal(at(&c, &s, 0, 1), VERDICT_NOTHING);
    assert_int_equal(s.state, STATE_PENDING);
    assert_int_equal(at(&c, &s, 50, 0), VERDICT_NOTHING);
    assert_int_equal(s.state, STATE_OK);
    assert_int_equal(at(&c, &s, 60, 1), VERDICT_NOTHING); /* counts anew */
    assert_int_equal(at(&c, &s, 119, 1), VERDICT_NOTHING);
    assert_int_equal(at(&c, &s, 120, 1), VERDICT_OPEN);
}

/* Lesson 28: what flaps is one alert. */
static void a_value_that_comes_and_goes_is_one_alert(void **state) {
    (void)state;
    struct flow_check c = check_of((double)NAN, 0.5);
    c.conf.keep_us = 60 * SECOND;
    struct standing s = {0};
    int opened = 0;
    int resolved = 0;
    for (int i = 0; i < 100; i++) {
        const enum verdict v = at(&c, &s, i * 30, i % 2 == 0 ? 0.6 : 0.4);
        opened += v == VERDICT_OPEN;
        resolved += v == VERDICT_RESOLVE;
    }
    assert_int_equal(opened, 1);
    assert_int_equal(resolved, 0);
    assert_int_equal(at(&c, &s, 2940 + 59, 0), VERDICT_NOTHING);
    assert_int_equal(at(&c, &s, 2940 + 61, 0), VERDICT_RESOLVE);
}

static void without_keep_the_same_values_are_fifty_alerts(void **state) {
    (void)state;
    const struct flow_check c = check_of((double)NAN, 0.5);
    struct standing s = {0};
    int opened = 0;
    for (int i = 0; i < 100; i++) {
        opened += at(&c, &s, i * 30, i % 2 == 0 ? 0.6 : 0.4) == VERDICT_OPEN;
    }
    assert_int_equal(opened, 50); /* so keep is what makes them one */
}

static void an_alert_ends_only_below_resolve_at(void **state) {
    (void)state;
    struct flow_check c = check_of((double)NAN, 0.5);
    c.clear = 0.3;
    struct standing s = {0};
    assert_int_equal(at(&c, &s, 0, 0.6), VERDICT_OPEN);
    assert_int_equal(at(&c, &s, 10, 0.4), VERDICT_NOTHING);
    assert_int_equal(s.state, STATE_ERROR);
    assert_int_equal(at(&c, &s, 20, 0.3), VERDICT_RESOLVE);
    assert_int_equal(at(&c, &s, 30, 0.4), VERDICT_NOTHING); /* does not open at that */
    assert_int_equal(s.state, STATE_OK);
}

static void severity_grows_and_never_shrinks_while_open(void **state) {
    (void)state;
    const struct flow_check c = check_of(0.1, 0.5);
    struct standing s = {0};
    assert_int_equal(at(&c, &s, 0, 0.2), VERDICT_OPEN);
    assert_int_equal(s.state, STATE_WARN);
    assert_int_equal(at(&c, &s, 1, 0.6), VERDICT_WORSE);
    assert_int_equal(s.state, STATE_ERROR);
    assert_int_equal(at(&c, &s, 2, 0.2), VERDICT_NOTHING);
    assert_int_equal(s.state, STATE_ERROR);
    assert_int_equal(at(&c, &s, 3, 0.1), VERDICT_RESOLVE);
}

/* Lessons 29, 31. */
static void what_cannot_be_told_is_wrong_and_nothing_changes_nothing(void **state) {
    (void)state;
    const struct flow_check c = check_of((double)NAN, 0.5);
    struct standing s = {0};
    assert_int_equal(at_other(&c, &s, 0, MEASURED_NOTHING), VERDICT_NOTHING);
    assert_int_equal(s.state, STATE_LEARNING);
    assert_int_equal(at_other(&c, &s, 1, MEASURED_UNKNOWN), VERDICT_OPEN);
    assert_int_equal(s.state, STATE_UNKNOWN);
    for (int i = 2; i < 1000; i++) {
        assert_int_equal(
            at_other(&c, &s, i * 3600, i % 2 == 0 ? MEASURED_NOTHING : MEASURED_LEARNING),
            VERDICT_NOTHING);
    }
    assert_int_equal(s.open, LEVEL_ERROR);
    struct measurement m;
    measurement_init(&m);
    measure_value(&m, UNIT_SCORE, (double)NAN); /* 0 / 0 somewhere */
    assert_int_equal(m.what, MEASURED_UNKNOWN);
    measurement_release(&m);
}

static void learning_is_shown_as_learning(void **state) {
    (void)state;
    const struct flow_check c = check_of((double)NAN, 0.5);
    struct standing s = {0};
    (void)at(&c, &s, 0, 0.1);
    assert_int_equal(at_other(&c, &s, 1, MEASURED_LEARNING), VERDICT_NOTHING);
    assert_int_equal(s.state, STATE_LEARNING);
    assert_int_equal(at_other(&c, &s, 2, MEASURED_NOTHING), VERDICT_NOTHING);
    assert_int_equal(s.state, STATE_LEARNING);
}

static void a_clock_that_goes_back_neither_opens_nor_ends(void **state) {
    (void)state;
    struct flow_check c = check_of((double)NAN, 0.5);
    c.conf.for_us = 10 * SECOND;
    c.conf.keep_us = 10 * SECOND;
    struct standing s = {0};
    (void)at(&c, &s, 100, 1);
    assert_int_equal(at(&c, &s, 0, 1), VERDICT_NOTHING);
    assert_int_equal(at(&c, &s, 110, 1), VERDICT_OPEN);
    assert_int_equal(at(&c, &s, 50, 0), VERDICT_NOTHING);
    assert_int_equal(s.open, LEVEL_ERROR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_at_the_limit_is_fine_and_above_it_is_not),
        cmocka_unit_test(for_holds_back_what_does_not_last),
        cmocka_unit_test(a_value_that_comes_and_goes_is_one_alert),
        cmocka_unit_test(without_keep_the_same_values_are_fifty_alerts),
        cmocka_unit_test(an_alert_ends_only_below_resolve_at),
        cmocka_unit_test(severity_grows_and_never_shrinks_while_open),
        cmocka_unit_test(what_cannot_be_told_is_wrong_and_nothing_changes_nothing),
        cmocka_unit_test(learning_is_shown_as_learning),
        cmocka_unit_test(a_clock_that_goes_back_neither_opens_nor_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
