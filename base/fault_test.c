/* Fault points: which operation fails, counting, killing, threads. */
#include "base/fault.h"
#include "base/test_support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

static void arm(const char *spec) {
    struct err err = ERR_INIT;
    assert_int_equal(fault_arm(spec, &err), ERR_NONE);
}

static int disarm(void **state) {
    (void)state;
    arm(NULL);
    return 0;
}

static void unarmed_nothing_fails_and_nothing_counts(void **state) {
    (void)state;
    arm("store:1+");
    arm(NULL);
    assert_false(fault_fails(FAULT_STORE));
    assert_int_equal(fault_count(FAULT_STORE), 0);
    assert_false(fault_step_is_next());
}

static void a_transient_fault_fails_once(void **state) {
    (void)state;
    arm("store:3");
    for (int i = 1; i <= 10; i++) {
        assert_int_equal(fault_fails(FAULT_STORE), i == 3);
        assert_false(fault_fails(FAULT_FILE));
    }
    assert_int_equal(fault_count(FAULT_STORE), 10);
    assert_int_equal(fault_count(FAULT_FILE), 10);
}

static void a_persistent_fault_goes_on(void **state) {
    (void)state;
    arm("net:3+,file:1");
    for (int i = 1; i <= 10; i++) {
        assert_int_equal(fault_fails(FAULT_NET), i >= 3);
        assert_int_equal(fault_fails(FAULT_FILE), i == 1);
    }
}

static void arming_starts_the_count_again(void **state) {
    (void)state;
    arm("alloc:2");
    assert_false(fault_fails(FAULT_ALLOC));
    arm("alloc:2");
    assert_false(fault_fails(FAULT_ALLOC));
    assert_true(fault_fails(FAULT_ALLOC));
}

static void nonsense_is_refused_and_changes_nothing(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",         "store",    "store:",  "store:0",
        "store:-1", "store:x",  "disk:1",  "store:1++",
        "kill:3+",  "store:1,", ",",       "count,x",
        "step:1",   "store:1 ", "store:+", "store:99999999999999999999"};
    arm("store:2");
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct err err = ERR_INIT;
        assert_int_equal(fault_arm(bad[i], &err), ERR_CONFIG);
        assert_non_null(strstr(err.message, "kill:N"));
    }
    assert_false(fault_fails(FAULT_STORE));
    assert_true(fault_fails(FAULT_STORE));
}

static void three_steps(void) {
    for (int i = 1; i <= 3; i++) {
        (void)fprintf(stderr, "%d%c", i, fault_step_is_next() ? '!' : '.');
        fault_step("test");
    }
}

static void armed_to_kill(void) {
    arm("kill:2");
    three_steps();
}

static void armed_to_count(void) {
    arm("count,file:2");
    arm("count,file:1");
    assert_true(fault_fails(FAULT_FILE));
    fault_step("test");
    fault_step("test");
    (void)fault_fails(FAULT_NET);
}

static void the_step_named_kills_and_is_announced(void **state) {
    (void)state;
    char output[CHILD_OUTPUT_BYTES];
    int status = run_child(armed_to_kill, output);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_string_equal(output, "1.2!");
}

static void the_counts_are_printed_once_at_exit(void **state) {
    (void)state;
    char output[CHILD_OUTPUT_BYTES];
    assert_int_equal(run_child(armed_to_count, output), 0);
    assert_string_equal(output, "fault: alloc=0 file=1 store=0 net=1 step=2\n");
}

static void the_environment_arms(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    assert_int_equal(setenv("PLUMB_FAULT", "file:1", 1), 0);
    assert_int_equal(fault_arm_from_environment(&err), ERR_NONE);
    assert_true(fault_fails(FAULT_FILE));
    assert_int_equal(setenv("PLUMB_FAULT", "nonsense", 1), 0);
    assert_int_equal(fault_arm_from_environment(&err), ERR_CONFIG);
    assert_memory_equal(err.message, "PLUMB_FAULT: ", 13);
    arm(NULL);
    assert_int_equal(unsetenv("PLUMB_FAULT"), 0);
    assert_int_equal(fault_arm_from_environment(&err), ERR_NONE);
    assert_false(fault_armed);
}

#define THREADS 4
#define ROUNDS  20000
static _Atomic int failures;

static void *many_operations(void *unused) {
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        if (fault_fails(FAULT_STORE)) {
            atomic_fetch_add(&failures, 1);
        }
    }
    return NULL;
}

static void exactly_one_operation_of_all_threads_fails(void **state) {
    (void)state;
    arm("store:54321");
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, many_operations, NULL), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&failures), 1);
    assert_int_equal(fault_count(FAULT_STORE), THREADS * ROUNDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(unarmed_nothing_fails_and_nothing_counts, disarm),
        cmocka_unit_test_teardown(a_transient_fault_fails_once, disarm),
        cmocka_unit_test_teardown(a_persistent_fault_goes_on, disarm),
        cmocka_unit_test_teardown(arming_starts_the_count_again, disarm),
        cmocka_unit_test_teardown(nonsense_is_refused_and_changes_nothing, disarm),
        cmocka_unit_test_teardown(the_step_named_kills_and_is_announced, disarm),
        cmocka_unit_test_teardown(the_counts_are_printed_once_at_exit, disarm),
        cmocka_unit_test_teardown(the_environment_arms, disarm),
        cmocka_unit_test_teardown(exactly_one_operation_of_all_threads_fails, disarm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
