/* The table of what errors lead to, and the backoff's limits. */
#include "engine/policy.h"

#include "engine/test_support.h"

static const enum err_code classes[] = {ERR_CONFIG,   ERR_INPUT,   ERR_UNAVAILABLE, ERR_LIMIT,
                                        ERR_CONFLICT, ERR_CORRUPT, ERR_CANCELLED,   ERR_INTERNAL};

static void test_no_error_goes_on(void **state) {
    (void)state;
    assert_int_equal(policy_source(ERR_NONE), ACTION_GO_ON);
    assert_int_equal(policy_transform(ERR_NONE), ACTION_GO_ON);
    assert_int_equal(policy_turn(ERR_NONE), ACTION_GO_ON);
}

static void test_no_error_is_passed_over(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(classes); i++) {
        assert_int_not_equal(policy_source(classes[i]), ACTION_GO_ON);
        assert_int_not_equal(policy_transform(classes[i]), ACTION_GO_ON);
        assert_int_not_equal(policy_turn(classes[i]), ACTION_GO_ON);
    }
}

static void test_what_passes_by_itself_is_tried_again(void **state) {
    (void)state;
    static const enum err_code passing[] = {ERR_UNAVAILABLE, ERR_LIMIT};
    for (size_t i = 0; i < ARRAY_COUNT(passing); i++) {
        assert_int_equal(policy_source(passing[i]), ACTION_RETRY);
        assert_int_equal(policy_transform(passing[i]), ACTION_RETRY);
        assert_int_equal(policy_turn(passing[i]), ACTION_RETRY);
    }
}

static void test_damage_stops_everything(void **state) {
    (void)state;
    assert_int_equal(policy_source(ERR_CORRUPT), ACTION_STOP);
    assert_int_equal(policy_transform(ERR_CORRUPT), ACTION_STOP);
    assert_int_equal(policy_turn(ERR_CORRUPT), ACTION_STOP);
}

static void test_a_source_that_contradicts_what_is_stored_waits_for_a_person(void **state) {
    (void)state;
    assert_int_equal(policy_source(ERR_CONFLICT), ACTION_STOP);
    assert_int_equal(policy_source(ERR_CONFIG), ACTION_STOP);
    assert_int_equal(policy_source(ERR_INPUT), ACTION_RETRY);
}

static void test_a_transform_at_fault_waits_alone(void **state) {
    (void)state;
    static const enum err_code own[] = {ERR_INPUT, ERR_CONFIG, ERR_CONFLICT, ERR_INTERNAL};
    for (size_t i = 0; i < ARRAY_COUNT(own); i++) {
        assert_int_equal(policy_transform(own[i]), ACTION_HOLD_STAGE);
    }
}

static void test_only_a_transform_is_ever_held(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(classes); i++) {
        assert_int_not_equal(policy_source(classes[i]), ACTION_HOLD_STAGE);
        assert_int_not_equal(policy_turn(classes[i]), ACTION_HOLD_STAGE);
    }
}

static void test_the_backoff_doubles_within_a_fifth_up_to_its_limit(void **state) {
    (void)state;
    for (int64_t attempts = 1; attempts < 100; attempts++) {
        int64_t middle = BACKOFF_FIRST_US;
        for (int64_t i = 1; i < attempts && middle < BACKOFF_MAX_US; i++) {
            middle *= 2;
        }
        middle = middle < BACKOFF_MAX_US ? middle : BACKOFF_MAX_US;
        for (int again = 0; again < 20; again++) {
            assert_in_range(policy_backoff_us(attempts), middle - middle / 5, middle + middle / 5);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_error_goes_on),
        cmocka_unit_test(test_no_error_is_passed_over),
        cmocka_unit_test(test_what_passes_by_itself_is_tried_again),
        cmocka_unit_test(test_damage_stops_everything),
        cmocka_unit_test(test_a_source_that_contradicts_what_is_stored_waits_for_a_person),
        cmocka_unit_test(test_a_transform_at_fault_waits_alone),
        cmocka_unit_test(test_only_a_transform_is_ever_held),
        cmocka_unit_test(test_the_backoff_doubles_within_a_fifth_up_to_its_limit),
    };
    return cmocka_run_group_tests_name("engine_policy", tests, NULL, NULL);
}
