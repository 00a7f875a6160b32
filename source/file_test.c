/* The file source: which records it gives, what it says about files that are not as they should be,
 * and how it goes on after a restart. */
#include "source/file_test_support.h"

static void each_line_is_a_record_and_files_come_in_order(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "*.jsonl");
    put_file("b.jsonl", "{\"n\":3}\n");
    put_file("a.jsonl", "{\"n\":1}\n{\"n\":2}\n");
    put_file("c.txt", "no\n");
    run_drain(&r);
    assert_int_equal(r.state, SOURCE_END);
    run_expect(&r, "a.jsonl|0|{\"n\":1}\na.jsonl|0|{\"n\":2}\nb.jsonl|0|{\"n\":3}\n");
    run_release(&r);
}

static void a_second_run_gives_only_what_was_appended(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "a.jsonl");
    put_file("a.jsonl", "1\n2\n");
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|1\na.jsonl|0|2\n");
    run_reopen(&r);
    run_drain(&r);
    run_expect(&r, "");
    append_file("a.jsonl", "3\n");
    run_reopen(&r);
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|3\n");
    assert_int_equal(r.partitions[0].records, 3);
    run_release(&r);
}

static void crlf_empty_lines_and_the_byte_order_mark_are_passed_over(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "a.jsonl");
    put_file("a.jsonl", "\xEF\xBB\xBF"
                        "1\r\n\r\n\n2\r\n3");
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|1\na.jsonl|0|2\na.jsonl|0|3\n");
    assert_non_null(strstr(r.partitions[0].cursor, "\"line\":5,"));
    assert_non_null(strstr(r.partitions[0].cursor, "\"open\":true"));
    run_release(&r);
}

static void an_empty_file_is_nothing_and_no_error(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "*.jsonl");
    put_file("a.jsonl", "");
    put_file("b.jsonl", "\n\r\n");
    run_drain(&r);
    assert_int_equal(r.batches, 0);
    assert_int_equal(r.troubles, 0);
    run_release(&r);
}

static void no_file_is_an_error_that_names_pattern_and_directory(void **state) {
    (void)state;
    struct test_run r;
    struct err err = ERR_INIT;
    run_init(&r, "data/*.jsonl");
    assert_int_equal(run_step(&r, &err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "data/*.jsonl"));
    assert_non_null(strstr(err.message, test_home));
    run_release(&r);
}

static void without_once_no_file_is_a_reason_to_wait(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "*.jsonl");
    r.env.once = false;
    run_drain(&r);
    assert_int_equal(r.state, SOURCE_IDLE);
    assert_int_equal(r.out.wait_us, 250000);
    put_file("a.jsonl", "1\n");
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|1\n");
    append_file("a.jsonl", "2\n");
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|2\n");
    run_release(&r);
}

static void a_growing_last_line_waits_until_the_file_rests(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "a.jsonl");
    r.env.once = false;
    put_file("a.jsonl", "1\n2");
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|1\n");
    append_file("a.jsonl", "2\n3");
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|22\n");
    test_now_us += FILE_SETTLE_US - 1;
    run_drain(&r);
    run_expect(&r, "");
    test_now_us += 1;
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|3\n");
    append_file("a.jsonl", "\n4\n");
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|4\n");
    assert_int_equal(r.troubles, 0);
    run_release(&r);
}

static void following_never_takes_an_unfinished_line(void **state) {
    (void)state;
    for (int once = 0; once < 2; once++) {
        struct test_run r;
        run_init(&r, "a.jsonl");
        r.env.once = once == 1;
        r.conf.follow = true;
        put_file("a.jsonl", "1\n2");
        run_drain(&r);
        test_now_us += 2 * FILE_SETTLE_US;
        run_drain(&r);
        run_expect(&r, "a.jsonl|0|1\n");
        run_release(&r);
    }
}

static void a_line_read_while_it_was_written_is_trouble(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "*.jsonl");
    put_file("a.jsonl", "1\n{\"n\":");
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|1\na.jsonl|0|{\"n\":\n");
    append_file("a.jsonl", "2}\n");
    put_file("b.jsonl", "7\n");
    run_reopen(&r);
    run_drain(&r);
    run_expect(&r, "b.jsonl|0|7\n");
    run_expect_trouble(&r, "a.jsonl",
                       "line 2, ending at byte 7, was read while it was still being");
    run_release(&r);
}

static void a_newline_added_later_ends_the_line_read_without_it(void **state) {
    (void)state;
    static const char *const ends[] = {"\n2\n", "\r\n2\n", "\n\n2\r\n"};
    for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
        struct test_run r;
        run_init(&r, "a.jsonl");
        put_file("a.jsonl", "0\n1");
        run_drain(&r);
        append_file("a.jsonl", ends[i]);
        run_reopen(&r);
        run_drain(&r);
        run_expect(&r, "a.jsonl|0|0\na.jsonl|0|1\na.jsonl|0|2\n");
        assert_int_equal(r.troubles, 0);
        run_release(&r);
    }
}

static void a_file_that_shrank_is_trouble_and_others_go_on(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "*.jsonl");
    put_file("a.jsonl", "1\n2\n");
    put_file("b.jsonl", "1\n");
    run_drain(&r);
    put_file("a.jsonl", "1\n");
    append_file("b.jsonl", "2\n");
    run_expect(&r, "a.jsonl|0|1\na.jsonl|0|2\nb.jsonl|0|1\n");
    run_reopen(&r);
    run_drain(&r);
    run_expect(&r, "b.jsonl|0|2\n");
    run_expect_trouble(&r, "a.jsonl", "has 2 bytes, but 4 were read");
    run_release(&r);
}

static void a_file_whose_read_beginning_changed_is_trouble(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "a.jsonl");
    r.env.once = false;
    put_file("a.jsonl", "1\n2\n");
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|1\na.jsonl|0|2\n");
    put_file("a.jsonl", "1\n7\n8\n");
    run_drain(&r);
    run_drain(&r);
    run_expect_trouble(&r, "a.jsonl", "the beginning of file 'a.jsonl', which was read before");
    run_expect(&r, "");
    put_file("a.jsonl", "1\n2\n3\n");
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|3\n");
    run_release(&r);
}

static void following_a_truncated_file_starts_a_new_generation(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "a.log");
    r.conf.format = FORMAT_LINES;
    r.conf.follow = true;
    r.env.once = false;
    put_file("a.log", "one\ntwo\n");
    run_drain(&r);
    put_file("a.log", "six\n");
    run_drain(&r);
    run_expect(&r, "a.log|0|one\na.log|0|two\na.log@2|0|six\n");
    run_expect_trouble(&r, "a.log@2", "was truncated after 8 bytes");
    append_file("a.log", "seven\n");
    run_reopen(&r);
    run_drain(&r);
    run_expect(&r, "a.log@2|0|seven\n");
    assert_int_equal(r.troubles, 0);
    put_file("a.log", "x\n");
    run_drain(&r);
    run_expect(&r, "a.log@3|0|x\n");
    run_release(&r);
}

static void a_renamed_file_goes_on_under_its_old_partition(void **state) {
    (void)state;
    for (int restart = 0; restart < 2; restart++) {
        struct test_run r;
        run_init(&r, "app.log*");
        r.conf.format = FORMAT_LINES;
        r.conf.follow = true;
        r.env.once = false;
        put_file("app.log", "a1\na2\n");
        run_drain(&r);
        append_file("app.log", "a3\n");
        rename_file("app.log", "app.log.1");
        put_file("app.log", "b1\n");
        if (restart == 1) {
            run_reopen(&r);
        }
        run_drain(&r);
        run_expect(&r, "app.log|0|a1\napp.log|0|a2\napp.log@2|0|b1\napp.log|0|a3\n");
        rename_file("app.log.1", "app.log.2");
        rename_file("app.log", "app.log.1");
        put_file("app.log", "c1\n");
        if (restart == 1) {
            run_reopen(&r);
        }
        run_drain(&r);
        run_expect(&r, "app.log@3|0|c1\n");
        assert_int_equal(r.troubles, 0);
        assert_int_equal(remove(in_home("app.log.1")), 0);
        assert_int_equal(remove(in_home("app.log.2")), 0);
        assert_int_equal(remove(in_home("app.log")), 0);
        run_release(&r);
    }
}

static void a_rotated_file_outside_of_the_pattern_is_read_to_its_end(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "app.log");
    r.conf.format = FORMAT_LINES;
    r.conf.follow = true;
    r.env.once = false;
    put_file("app.log", "a1\n");
    run_drain(&r);
    append_file("app.log", "a2\n");
    rename_file("app.log", "old");
    put_file("app.log", "b1\n");
    run_drain(&r);
    append_file("old", "a3\na4");
    run_drain(&r);
    run_expect(&r, "app.log|0|a1\napp.log|0|a2\napp.log@2|0|b1\napp.log|0|a3\n");
    test_now_us += FILE_SETTLE_US;
    run_drain(&r);
    run_expect(&r, "app.log|0|a4\n");
    assert_int_equal(r.troubles, 0);
    run_release(&r);
}

static void a_file_restored_under_its_name_with_another_inode_goes_on(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "a.jsonl");
    put_file("a.jsonl", "1\n2\n");
    run_drain(&r);
    put_file("new", "1\n2\n3\n");
    rename_file("new", "a.jsonl");
    run_reopen(&r);
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|1\na.jsonl|0|2\na.jsonl|0|3\n");
    run_release(&r);
}

static void another_file_under_the_same_name_is_a_new_generation(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "a.jsonl");
    put_file("a.jsonl", "1\n2\n");
    run_drain(&r);
    put_file("new", "5\n6\n7\n");
    rename_file("new", "a.jsonl");
    run_reopen(&r);
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|1\na.jsonl|0|2\na.jsonl@2|0|5\na.jsonl@2|0|6\na.jsonl@2|0|7\n");
    assert_int_equal(r.troubles, 0);
    run_release(&r);
}

static void a_file_with_two_names_is_read_once(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "*.jsonl");
    put_file("a.jsonl", "1\n");
    assert_int_equal(link(in_home("a.jsonl"), in_home("b.jsonl")), 0);
    run_drain(&r);
    run_reopen(&r);
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|1\n");
    run_release(&r);
}

static void a_file_that_vanishes_is_trouble_only_when_unread(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "*.jsonl");
    r.env.once = false;
    r.limit.rows_max = 1;
    put_file("a.jsonl", "1\n");
    put_file("b.jsonl.gz", "");
    run_drain(&r);
    assert_int_equal(remove(in_home("a.jsonl")), 0);
    run_drain(&r);
    assert_int_equal(r.troubles, 0);
    put_file("b.jsonl", "1\n");
    put_file("c.jsonl", "1\n2\n");
    struct err err = ERR_INIT;
    assert_int_equal(run_step(&r, &err), ERR_NONE); /* b; c has not been opened */
    assert_int_equal(remove(in_home("c.jsonl")), 0);
    test_now_us += 250000;
    run_drain(&r);
    run_expect_trouble(&r, "c.jsonl", "vanished before all of it was read (0 of 4 bytes were)");
    run_release(&r);
}

static void a_moved_directory_does_not_matter(void **state) {
    (void)state;
    struct test_run r;
    char inner[128];
    (void)snprintf(inner, sizeof(inner), "%s/x[1]*", test_home);
    assert_int_equal(mkdir(inner, 0700), 0);
    put_file("x[1]*/a.jsonl", "1\n");
    run_init(&r, "./a.jsonl");
    r.env.directory = inner;
    run_drain(&r);
    rename_file("x[1]*", "y");
    (void)snprintf(inner, sizeof(inner), "%s/y", test_home);
    append_file("y/a.jsonl", "2\n");
    run_reopen(&r);
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|1\na.jsonl|0|2\n");
    run_release(&r);
}

static void a_damaged_cursor_is_refused(void **state) {
    (void)state;
    static const char *const cursors[] = {
        "",
        "{}",
        "[1]",
        "{\"v\":2}",
        "{\"v\":1,\"dev\":1,\"ino\":1,\"fp\":\"00000000000000zz\",\"fp_len\":1,\"offset\":1,"
        "\"line\":1,\"records\":1,\"open\":false}",
        "{\"v\":1,\"dev\":1,\"ino\":1,\"fp\":\"0000000000000000\",\"fp_len\":1025,\"offset\":1,"
        "\"line\":1,\"records\":1,\"open\":false}",
        "{\"v\":1,\"dev\":1,\"ino\":1,\"fp\":\"0000000000000000\",\"fp_len\":1,\"offset\":-1,"
        "\"line\":1,\"records\":1,\"open\":false}"};
    for (size_t i = 0; i < ARRAY_COUNT(cursors); i++) {
        struct test_run r;
        struct err err = ERR_INIT;
        run_init(&r, "a.jsonl");
        struct source_cursor c = {"a.jsonl", str_of(cursors[i])};
        r.env.cursors = &c;
        r.env.cursor_count = 1;
        void *source = NULL;
        assert_int_equal(source_file.source->open(&r.conf, &r.env, &source, &err), ERR_CORRUPT);
        assert_non_null(strstr(err.message, "a.jsonl"));
        run_release(&r);
    }
}

static void batches_hold_to_their_limits_and_say_what_waits(void **state) {
    (void)state;
    struct test_run r;
    struct err err = ERR_INIT;
    run_init(&r, "*.jsonl");
    r.limit.rows_max = 2;
    put_file("a.jsonl", "1\n2\n3\n4\n");
    put_file("b.jsonl", "5\n");
    static const size_t counts[] = {2, 2, 1};
    static const bool behind[] = {true, true, false};
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        assert_int_equal(run_step(&r, &err), ERR_NONE);
        assert_int_equal(r.state, SOURCE_BATCH);
        assert_int_equal(r.out.batch.count, counts[i]);
        assert_int_equal(r.out.behind, behind[i]);
    }
    assert_int_equal(r.out.lag_bytes, 0);
    assert_int_equal(run_step(&r, &err), ERR_NONE);
    assert_int_equal(r.state, SOURCE_END);
    run_release(&r);
    run_init(&r, "a.jsonl");
    r.limit.bytes_max = 1;
    run_drain(&r);
    assert_int_equal(r.batches, 4);
    run_release(&r);
}

static void following_reads_files_in_turns(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "*.jsonl");
    r.conf.follow = true;
    r.env.once = false;
    r.limit.rows_max = 1;
    put_file("a.jsonl", "1\n2\n");
    put_file("b.jsonl", "3\n4\n");
    run_drain(&r);
    run_expect(&r, "a.jsonl|0|1\nb.jsonl|0|3\na.jsonl|0|2\nb.jsonl|0|4\n");
    run_release(&r);
}

static void an_unreadable_file_is_trouble_and_others_go_on(void **state) {
    (void)state;
    if (geteuid() == 0) {
        skip(); /* root reads everything */
    }
    struct test_run r;
    run_init(&r, "*.jsonl");
    put_file("a.jsonl", "1\n");
    put_file("b.jsonl", "2\n");
    assert_int_equal(chmod(in_home("a.jsonl"), 0), 0);
    run_drain(&r);
    run_expect(&r, "b.jsonl|0|2\n");
    assert_int_equal(r.troubles, 1);
    run_release(&r);
}

/* Fails the n-th access to a file, once, for every n; every record must still come once. */
static void a_failing_read_loses_and_repeats_nothing(void **state) {
    (void)state;
    put_file("a.csv", "h\n1\n2\n");
    put_file("b.csv", "h\n3\n");
    for (int n = 1; n < 100; n++) {
        struct test_run r;
        struct err err = ERR_INIT;
        char spec[32];
        run_init(&r, "*.csv");
        r.limit.rows_max = 1;
        run_reopen(&r);
        (void)snprintf(spec, sizeof(spec), "file:%d", n);
        assert_int_equal(fault_arm(spec, &err), ERR_NONE);
        size_t failures = 0;
        do {
            enum err_code code = run_step(&r, &err);
            failures += code != ERR_NONE ? 1 : 0;
            assert_true(code == ERR_NONE || code == ERR_UNAVAILABLE);
            assert_true(failures <= 1);
            err_clear(&err);
        } while (r.state != SOURCE_END);
        int64_t reached = fault_count(FAULT_FILE);
        assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
        run_expect(&r, "a.csv|0|1\na.csv|0|2\nb.csv|0|3\n");
        assert_int_equal(r.troubles, 0);
        run_release(&r);
        if (reached < n) {
            assert_true(n > 5);
            return;
        }
    }
    fail_msg("the fault point is never passed by");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_enter, test_leave)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_line_is_a_record_and_files_come_in_order),
        TEST(a_second_run_gives_only_what_was_appended),
        TEST(crlf_empty_lines_and_the_byte_order_mark_are_passed_over),
        TEST(an_empty_file_is_nothing_and_no_error),
        TEST(no_file_is_an_error_that_names_pattern_and_directory),
        TEST(without_once_no_file_is_a_reason_to_wait),
        TEST(a_growing_last_line_waits_until_the_file_rests),
        TEST(following_never_takes_an_unfinished_line),
        TEST(a_line_read_while_it_was_written_is_trouble),
        TEST(a_newline_added_later_ends_the_line_read_without_it),
        TEST(a_file_that_shrank_is_trouble_and_others_go_on),
        TEST(a_file_whose_read_beginning_changed_is_trouble),
        TEST(following_a_truncated_file_starts_a_new_generation),
        TEST(a_renamed_file_goes_on_under_its_old_partition),
        TEST(a_rotated_file_outside_of_the_pattern_is_read_to_its_end),
        TEST(a_file_restored_under_its_name_with_another_inode_goes_on),
        TEST(another_file_under_the_same_name_is_a_new_generation),
        TEST(a_file_with_two_names_is_read_once),
        TEST(a_file_that_vanishes_is_trouble_only_when_unread),
        TEST(a_moved_directory_does_not_matter),
        TEST(a_damaged_cursor_is_refused),
        TEST(batches_hold_to_their_limits_and_say_what_waits),
        TEST(following_reads_files_in_turns),
        TEST(an_unreadable_file_is_trouble_and_others_go_on),
        TEST(a_failing_read_loses_and_repeats_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
