/* Errors: classes, prefixes, cutting, and the end of a broken invariant. */
#include "base/err.h"
#include "base/str.h"
#include "base/test_support.h"

#include <errno.h>
#include <signal.h>

static void setting_replaces_everything(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    assert_int_equal(err_set_errno(&err, ERR_UNAVAILABLE, ENOENT, "first"), ERR_UNAVAILABLE);
    err_where(&err, "flow.yaml:%d:%d", 3, 4);
    assert_int_equal(err_set(&err, ERR_INPUT, "row %d", 7), ERR_INPUT);
    assert_int_equal(err.code, ERR_INPUT);
    assert_int_equal(err.origin, 0);
    assert_string_equal(err.where, "");
    assert_string_equal(err.message, "row 7");
}

static void errno_text_follows_the_message(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    assert_int_equal(err_set_errno(&err, ERR_CONFIG, ENOENT, "'%s'", "a.txt"), ERR_CONFIG);
    assert_string_equal(err.message, "'a.txt': No such file or directory");
    assert_int_equal(err.origin, ENOENT);
}

static void wrapping_puts_the_outer_text_first_and_keeps_the_class(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    (void)err_set(&err, ERR_LIMIT, "inner");
    err_where(&err, "x:1");
    err.origin = 5;
    assert_int_equal(err_wrap(&err, "batch %d", 9), ERR_LIMIT);
    assert_int_equal(err_wrap(&err, "source '%s'", "s"), ERR_LIMIT);
    assert_string_equal(err.message, "source 's': batch 9: inner");
    assert_string_equal(err.where, "x:1");
    assert_int_equal(err.origin, 5);
}

static void the_message_may_be_an_argument_of_itself(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    (void)err_set(&err, ERR_LIMIT, "inner");
    (void)err_set(&err, ERR_INTERNAL, "outer <%s>", err.message);
    assert_string_equal(err.message, "outer <inner>");
}

static void long_texts_are_cut_at_whole_characters(void **state) {
    (void)state;
    char text[ERR_MESSAGE_BYTES * 2];
    for (size_t shift = 0; shift < 4; shift++) {
        size_t len = shift;
        memset(text, 'a', shift);
        while (len + 4 < sizeof text) {
            memcpy(text + len, "\xF0\x9F\x98\x80", 4);
            len += 4;
        }
        text[len] = '\0';
        struct err err = ERR_INIT;
        (void)err_set(&err, ERR_INPUT, "%s", text);
        assert_true(str_is_utf8(str_of(err.message)));
        assert_true(strlen(err.message) > ERR_MESSAGE_BYTES - 5);
        (void)err_wrap(&err, "b");
        assert_true(str_is_utf8(str_of(err.message)));
        assert_true(strlen(err.message) > ERR_MESSAGE_BYTES - 5);
        err_where(&err, "%s", text);
        assert_true(str_is_utf8(str_of(err.where)));
        (void)err_set_errno(&err, ERR_INPUT, ENOENT, "%s", text);
        assert_true(str_is_utf8(str_of(err.message)));
    }
}

static void a_text_that_just_fits_is_whole(void **state) {
    (void)state;
    char text[ERR_MESSAGE_BYTES];
    memset(text, 'a', sizeof text - 1);
    memcpy(text + sizeof text - 3, "\xC3\xA9", 2);
    text[sizeof text - 1] = '\0';
    struct err err = ERR_INIT;
    (void)err_set(&err, ERR_INPUT, "%s", text);
    assert_string_equal(err.message, text);
}

static void clearing_leaves_nothing(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    (void)err_set_errno(&err, ERR_LIMIT, EIO, "x");
    err_where(&err, "y");
    err_clear(&err);
    assert_int_equal(err.code, ERR_NONE);
    assert_int_equal(err.origin, 0);
    assert_string_equal(err.message, "");
    assert_string_equal(err.where, "");
}

static void each_class_has_its_name(void **state) {
    (void)state;
    assert_string_equal(err_class(ERR_NONE), "ok");
    assert_string_equal(err_class(ERR_CONFIG), "config");
    assert_string_equal(err_class(ERR_CANCELLED), "cancelled");
    assert_string_equal(err_class(ERR_INTERNAL), "internal");
}

static void break_an_invariant(void) {
    ASSERT(1 + 1 == 3);
}

static void a_broken_invariant_is_told_and_ends_the_process(void **state) {
    (void)state;
    char output[CHILD_OUTPUT_BYTES];
    int status = run_child(break_an_invariant, output);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(output, "plumb: internal error: "));
    assert_non_null(strstr(output, "err_test.c:"));
    assert_non_null(strstr(output, ": 1 + 1 == 3 (please report)\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_replaces_everything),
        cmocka_unit_test(errno_text_follows_the_message),
        cmocka_unit_test(wrapping_puts_the_outer_text_first_and_keeps_the_class),
        cmocka_unit_test(the_message_may_be_an_argument_of_itself),
        cmocka_unit_test(long_texts_are_cut_at_whole_characters),
        cmocka_unit_test(a_text_that_just_fits_is_whole),
        cmocka_unit_test(clearing_leaves_nothing),
        cmocka_unit_test(each_class_has_its_name),
        cmocka_unit_test(a_broken_invariant_is_told_and_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
