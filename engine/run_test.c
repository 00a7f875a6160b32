/* Runs over a source that follows a script: what it gives is committed, acknowledged after the
 * commit and never before, tried again when it fails, and given up when that makes no sense. */
#include "engine/engine.h"

#include <sqlite3.h>

#include "base/fault.h"
#include "base/log.h"
#include "engine/test_support.h"

struct fixture {
    char directory[64];
    struct flow *flow;
    struct run_summary summary;
    struct err err;
    int64_t turns_left; /* stop the run after so many looks; < 0: never */
};

static int setup(void **state) {
    struct fixture *f = mem_alloc(sizeof(*f));
    f->flow = script_flow(f->directory);
    f->turns_left = -1;
    script = (struct script){.steps = ""};
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
    flow_free(f->flow);
    script_remove(f->directory);
    mem_free(f);
    return 0;
}

/* By a connection of its own: what others can see is what is committed. */
static int64_t number(const struct fixture *f, const char *sql) {
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    char *path = mem_printf("%s/t.db", f->directory);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(db, 10000), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    mem_free(path);
    return n;
}

static int64_t committed(void *context) {
    return number(context, "SELECT coalesce(sum(records), 0) FROM _plumb_partitions");
}

static bool stop_when_told(void *context) {
    struct fixture *f = context;
    return f->turns_left >= 0 && f->turns_left-- == 0;
}

static enum err_code run(struct fixture *f, const char *steps) {
    const struct run_options options = {.once = true, .stop = stop_when_told, .context = f};
    script.steps = steps;
    script.at = 0;
    f->err = (struct err)ERR_INIT;
    return engine_run(f->flow, &options, &f->summary, &f->err);
}

static void assert_rows(const struct fixture *f, int64_t rows) {
    assert_int_equal(number(f, "SELECT count(*) FROM rows"), rows);
    assert_int_equal(number(f, "SELECT coalesce(sum(n), 0) FROM counts"), rows);
    assert_int_equal(number(f, "SELECT coalesce(max(seq), 0) FROM _plumb_marks"), rows);
    assert_int_equal(number(f, "SELECT count(*) FROM _plumb_batches"), rows);
}

static void test_what_a_source_gives_is_committed(void **state) {
    struct fixture *f = *state;
    assert_int_equal(run(f, "bbbbb"), ERR_NONE);
    assert_rows(f, 5);
    assert_int_equal(f->summary.batches, 5);
    assert_int_equal(f->summary.records, 5);
}

static void test_a_source_is_told_after_the_commit_and_of_everything_in_order(void **state) {
    struct fixture *f = *state;
    script.committed = committed;
    script.context = f;
    assert_int_equal(run(f, "bbbbbbbbbbbbbbbbbbbb"), ERR_NONE);
    assert_int_equal(script.acks, 20);
    assert_int_equal(script.acked, 20);
    assert_false(script.too_early);
    assert_false(script.out_of_order);
}

static void test_what_is_not_committed_is_never_acknowledged(void **state) {
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    script.committed = committed;
    script.context = f;
    assert_int_equal(run(f, "bb"), ERR_NONE);
    assert_int_equal(fault_arm("store:40+", &err), ERR_NONE);
    assert_int_not_equal(run(f, "bbbbbb"), ERR_NONE);
    assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
    assert_false(script.too_early);
    assert_int_equal(script.acked, committed(f));
}

static void test_a_second_run_goes_on_at_the_cursor(void **state) {
    struct fixture *f = *state;
    assert_int_equal(run(f, "bbb"), ERR_NONE);
    script = (struct script){.steps = ""};
    assert_int_equal(run(f, "bb"), ERR_NONE);
    assert_int_equal(script.given, 5);
    assert_rows(f, 5);
}

static void test_an_idle_source_is_asked_again(void **state) {
    struct fixture *f = *state;
    assert_int_equal(run(f, "biiibib"), ERR_NONE);
    assert_rows(f, 3);
    assert_int_equal(script.acks, 3);
}

static void test_an_error_that_passes_is_tried_again_without_losing_anything(void **state) {
    struct fixture *f = *state;
    assert_int_equal(run(f, "bubuub"), ERR_NONE);
    assert_rows(f, 3);
    assert_int_equal(script.opened, 1);
}

static void test_a_source_that_works_again_has_no_trouble_left(void **state) {
    struct fixture *f = *state;
    assert_int_equal(run(f, "bu"), ERR_NONE);
    assert_int_equal(run(f, "ui"), ERR_NONE);
    assert_int_equal(number(f, "SELECT count(*) FROM _plumb_troubles"), 0);
    assert_rows(f, 1);
}

static void test_a_source_that_never_works_is_given_up_with_once(void **state) {
    struct fixture *f = *state;
    assert_int_not_equal(run(f, "buuuuuuuuuuuuuuuuuuub"), ERR_NONE);
    assert_non_null(strstr(f->err.message, "not now"));
    assert_int_equal(f->summary.troubles, 1);
    assert_rows(f, 1);
}

static void test_an_error_of_configuration_ends_the_source_at_once(void **state) {
    struct fixture *f = *state;
    assert_int_not_equal(run(f, "bcb"), ERR_NONE);
    assert_non_null(strstr(f->err.message, "never"));
    assert_rows(f, 1);
    assert_int_equal(number(f, "SELECT count(*) FROM _plumb_troubles"), 1);
}

static void test_trouble_of_a_partition_is_written_down_until_it_goes_on(void **state) {
    struct fixture *f = *state;
    assert_int_not_equal(run(f, "bt"), ERR_NONE);
    assert_int_equal(number(f, "SELECT count(*) FROM _plumb_troubles WHERE partition = 'p'"), 1);
    assert_int_equal(run(f, "tb"), ERR_NONE);
    assert_int_equal(number(f, "SELECT count(*) FROM _plumb_troubles"), 0);
}

static void test_a_run_that_is_stopped_leaves_whole_turns_and_the_next_goes_on(void **state) {
    struct fixture *f = *state;
    f->turns_left = 3;
    assert_int_equal(run(f, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"), ERR_NONE);
    int64_t rows = number(f, "SELECT count(*) FROM rows");
    assert_true(rows < 30);
    assert_rows(f, rows);
    assert_int_equal(script.acked, rows);
    script = (struct script){.steps = ""};
    f->turns_left = -1;
    assert_int_equal(run(f, "bbbbb"), ERR_NONE);
    assert_rows(f, rows + 5);
}

/* Every store fault once: the run ends well or with a class, and nothing is lost or done twice. */
static void test_any_store_fault_leaves_what_a_clean_run_leaves(void **state) {
    struct fixture *f = *state;
    assert_int_equal(run(f, "b"), ERR_NONE);
    int64_t rows = 1;
    int64_t failed = 0;
    for (int64_t at = 1; at < 400; at += 3) {
        struct err err = ERR_INIT;
        char spec[32];
        (void)snprintf(spec, sizeof(spec), "store:%lld", (long long)at);
        assert_int_equal(fault_arm(spec, &err), ERR_NONE);
        failed += run(f, "bb") != ERR_NONE;
        assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
        assert_int_equal(run(f, "b"), ERR_NONE);
        int64_t now = number(f, "SELECT count(*) FROM rows");
        assert_in_range(now, rows + 1, rows + 3);
        rows = now;
        assert_rows(f, rows);
        assert_int_equal(script.given, rows);
    }
    assert_true(failed > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_what_a_source_gives_is_committed),
        TEST(test_a_source_is_told_after_the_commit_and_of_everything_in_order),
        TEST(test_what_is_not_committed_is_never_acknowledged),
        TEST(test_a_second_run_goes_on_at_the_cursor),
        TEST(test_an_idle_source_is_asked_again),
        TEST(test_an_error_that_passes_is_tried_again_without_losing_anything),
        TEST(test_a_source_that_works_again_has_no_trouble_left),
        TEST(test_a_source_that_never_works_is_given_up_with_once),
        TEST(test_an_error_of_configuration_ends_the_source_at_once),
        TEST(test_trouble_of_a_partition_is_written_down_until_it_goes_on),
        TEST(test_a_run_that_is_stopped_leaves_whole_turns_and_the_next_goes_on),
        TEST(test_any_store_fault_leaves_what_a_clean_run_leaves),
    };
    return cmocka_run_group_tests_name("engine_run", tests, NULL, NULL);
}
