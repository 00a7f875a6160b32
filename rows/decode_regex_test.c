/* The regex decoder, rule by rule. */
#include "rows/decode_test.h"

static const char *const status_group[] = {"code"};

static const struct contract *log_lines(struct test_contract *t) {
    const struct contract_column columns[] = {
        COLUMN("host", TEXT, .required = true),
        COLUMN("status", INT64, .path = status_group, .path_depth = 1),
        PLAIN("bytes", INT64),
    };
    return test_contract_of(t, columns, 3);
}

#define LINE "^(?<host>\\S*) (?:(?<code>\\w+) )?(?<bytes>\\d+|-(?<none>))$"

static void groups_become_cells_and_unset_groups_are_absent(void **state) {
    (void)state;
    struct test_contract t;
    struct err err = ERR_INIT;
    struct decoder *d = NULL;
    assert_int_equal(decoder_new_regex(log_lines(&t), LINE, &d, &err), ERR_NONE);
    const struct str records[] = {STR("a.example 200 17"), STR("b\xC3\xA9 5")};
    struct run r;
    run_records(&r, d, STR(""), records, 2);
    assert_int_equal(r.out.streams[0].count, 2);
    assert_true(str_equal(r.out.streams[0].columns[0].bytes[0], STR("a.example")));
    assert_int_equal(r.out.streams[0].columns[1].integer[0], 200);
    assert_int_equal(r.out.streams[0].columns[2].integer[0], 17);
    assert_int_equal(r.out.streams[0].columns[1].is_null[1], 1);
    assert_int_equal(r.out.drift.column_present[1], 1);
    assert_int_equal(r.out.drift.field_count, 0);
    run_release(&r);
    run_one(&r, d, STR(""), STR("nothing like it"));
    expect_reject(&r, REJECT_MALFORMED, 0, "does not match the pattern: nothing like it");
    run_release(&r);
    run_one(&r, d, STR(""), STR("h\xFF 200 17"));
    expect_reject(&r, REJECT_MALFORMED, 1, "not UTF-8");
    run_release(&r);
    run_one(&r, d, STR(""), STR("h 2x 17"));
    expect_reject(&r, REJECT_TYPE, 2, "column 'status' (code): \"2x\" is not an int64");
    run_release(&r);
    decoder_free(d);
}

static void a_required_group_that_is_unset_is_missing(void **state) {
    (void)state;
    struct test_contract t;
    struct err err = ERR_INIT;
    struct decoder *d = NULL;
    const struct contract *c = log_lines(&t);
    assert_int_equal(decoder_new_regex(c, "(?<bytes>\\d+)|(?<host>[a-z]+)(?<code>)", &d, &err),
                     ERR_NONE);
    struct run r;
    run_one(&r, d, STR(""), STR("17"));
    expect_reject(&r, REJECT_MISSING, -1, "column 'host' (host): required, but absent");
    run_release(&r);
    decoder_free(d);
}

static void patterns_that_cannot_work_are_refused(void **state) {
    (void)state;
    static const char *const patterns[] = {"(?<host>", "(?<host>a)(?<code>b)", "host",
                                           "(?<host>\\C)(?<code>b)(?<bytes>c)"};
    struct test_contract t;
    for (size_t i = 0; i < ARRAY_COUNT(patterns); i++) {
        struct err err = ERR_INIT;
        struct decoder *d = NULL;
        assert_int_equal(decoder_new_regex(log_lines(&t), patterns[i], &d, &err), ERR_CONFIG);
        assert_null(d);
    }
}

static void a_hostile_line_is_given_up(void **state) {
    (void)state;
    const struct contract_column columns[] = {PLAIN("all", TEXT)};
    struct test_contract t;
    struct err err = ERR_INIT;
    struct decoder *d = NULL;
    assert_int_equal(
        decoder_new_regex(test_contract_of(&t, columns, 1), "^(?<all>(a|aa)+)+$", &d, &err),
        ERR_NONE);
    char line[2000];
    memset(line, 'a', sizeof(line));
    line[sizeof(line) - 1] = 'b';
    struct run r;
    run_one(&r, d, STR(""), (struct str){line, sizeof(line)});
    expect_reject(&r, REJECT_MALFORMED, 0, "given up at a limit");
    run_release(&r);
    decoder_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_become_cells_and_unset_groups_are_absent),
        cmocka_unit_test(a_required_group_that_is_unset_is_missing),
        cmocka_unit_test(patterns_that_cannot_work_are_refused),
        cmocka_unit_test(a_hostile_line_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
