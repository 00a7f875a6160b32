/* The channel between a source's thread and the store's: order, waiting, and the end of waiting. */
#include "engine/package.h"

#include "base/clock.h"
#include "engine/test_support.h"

#define LONG_US ((int64_t)20000000) /* a wait that only a wake-up ends */

static struct channel channel;
static struct package *free_list;
static struct package packages[3];

static int setup(void **state) {
    (void)state;
    channel_init(&channel);
    free_list = NULL;
    memset(packages, 0, sizeof(packages));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    channel_release(&channel);
    return 0;
}

static void test_packages_are_taken_in_the_order_they_were_put(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        channel_put(&channel, &packages[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(channel_take(&channel, 0), &packages[i]);
    }
    assert_null(channel_take(&channel, 0));
    channel_put(&channel, &packages[1]);
    assert_ptr_equal(channel_take(&channel, 0), &packages[1]);
}

static void test_free_packages_come_back_in_the_order_they_were_given(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        channel_give_back(&channel, &free_list, &packages[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(channel_take_free(&channel, &free_list), &packages[i]);
    }
}

static void test_taking_from_an_empty_channel_ends_after_its_time(void **state) {
    (void)state;
    int64_t started = clock_monotonic_us();
    assert_null(channel_take(&channel, 2000));
    assert_true(clock_monotonic_us() - started >= 2000);
}

static void test_pausing_ends_after_its_time_and_goes_on(void **state) {
    (void)state;
    assert_true(channel_pause(&channel, 1000));
}

static void test_after_a_stop_nothing_waits(void **state) {
    (void)state;
    channel_give_back(&channel, &free_list, &packages[0]);
    channel_stop(&channel);
    assert_true(channel_is_stopping(&channel));
    assert_null(channel_take_free(&channel, &free_list));
    assert_false(channel_pause(&channel, LONG_US));
}

static void test_what_was_put_before_a_stop_can_still_be_taken(void **state) {
    (void)state;
    channel_put(&channel, &packages[0]);
    channel_stop(&channel);
    assert_ptr_equal(channel_take(&channel, 0), &packages[0]);
}

static void *wait_for_free(void *argument) {
    (void)argument;
    return channel_take_free(&channel, &free_list);
}

static void test_a_thread_that_waits_for_a_free_package_gets_it(void **state) {
    (void)state;
    pthread_t thread;
    void *got = NULL;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_free, NULL), 0);
    channel_give_back(&channel, &free_list, &packages[2]);
    assert_int_equal(pthread_join(thread, &got), 0);
    assert_ptr_equal(got, &packages[2]);
}

static void test_a_stop_wakes_a_thread_that_waits_for_a_free_package(void **state) {
    (void)state;
    pthread_t thread;
    void *got = &packages[0];
    assert_int_equal(pthread_create(&thread, NULL, wait_for_free, NULL), 0);
    channel_stop(&channel);
    assert_int_equal(pthread_join(thread, &got), 0);
    assert_null(got);
}

static void *wait_for_ready(void *argument) {
    (void)argument;
    return channel_take(&channel, LONG_US);
}

static void test_a_put_wakes_a_thread_that_waits_to_take(void **state) {
    (void)state;
    pthread_t thread;
    void *got = NULL;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_ready, NULL), 0);
    channel_put(&channel, &packages[1]);
    assert_int_equal(pthread_join(thread, &got), 0);
    assert_ptr_equal(got, &packages[1]);
}

#define ROUNDS 20000

static void *produce(void *argument) {
    (void)argument;
    for (int64_t i = 0; i < ROUNDS; i++) {
        struct package *p = channel_take_free(&channel, &free_list);
        p->attempted_seq = i;
        channel_put(&channel, p);
    }
    return NULL;
}

static void test_everything_a_thread_puts_arrives_once_and_in_order(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        channel_give_back(&channel, &free_list, &packages[i]);
    }
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, produce, NULL), 0);
    for (int64_t i = 0; i < ROUNDS; i++) {
        struct package *p = channel_take(&channel, LONG_US);
        assert_non_null(p);
        assert_int_equal(p->attempted_seq, i);
        channel_give_back(&channel, &free_list, p);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_packages_are_taken_in_the_order_they_were_put),
        TEST(test_free_packages_come_back_in_the_order_they_were_given),
        TEST(test_taking_from_an_empty_channel_ends_after_its_time),
        TEST(test_pausing_ends_after_its_time_and_goes_on),
        TEST(test_after_a_stop_nothing_waits),
        TEST(test_what_was_put_before_a_stop_can_still_be_taken),
        TEST(test_a_thread_that_waits_for_a_free_package_gets_it),
        TEST(test_a_stop_wakes_a_thread_that_waits_for_a_free_package),
        TEST(test_a_put_wakes_a_thread_that_waits_to_take),
        TEST(test_everything_a_thread_puts_arrives_once_and_in_order),
    };
    return cmocka_run_group_tests_name("engine_package", tests, NULL, NULL);
}
