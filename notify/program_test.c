/* Programs that read, do not read, fail, hang, and are not there. */
#include "notify/program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#define SECOND INT64_C(1000000)

static enum err_code shell(const char *script, struct str input, int64_t deadline_us,
                           struct err *err) {
    const char *const words[] = {"sh", "-c", script};
    return program_run(words, ARRAY_COUNT(words), input, deadline_us, err);
}

static void a_program_gets_the_whole_text(void **state) {
    (void)state;
    char directory[] = "/tmp/plumb-command-XXXXXX";
    struct err err = ERR_INIT;
    assert_non_null(mkdtemp(directory));
    char *path = mem_printf("%s/out", directory);
    char *script = mem_printf("cat > '%s'", path);
    const size_t len = (size_t)1 << 20; /* more than a pipe holds */
    char *text = mem_alloc(len);
    memset(text, 'x', len);
    assert_int_equal(shell(script, (struct str){text, len}, 20 * SECOND, &err), ERR_NONE);
    AUTO_BUF got = BUF_INIT(2 << 20);
    assert_int_equal(file_read_all(path, &got, &err), ERR_NONE);
    assert_int_equal(got.len, len);
    (void)unlink(path);
    (void)rmdir(directory);
    mem_free(text);
    mem_free(script);
    mem_free(path);
}

static void one_that_does_not_read_has_not_failed(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    const size_t len = (size_t)1 << 20;
    char *text = mem_alloc(len);
    memset(text, 'x', len);
    assert_int_equal(shell("exit 0", (struct str){text, len}, 20 * SECOND, &err), ERR_NONE);
    mem_free(text);
}

static void what_went_wrong_is_said(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    assert_int_equal(shell("exit 3", STR("x"), 20 * SECOND, &err), ERR_UNAVAILABLE);
    assert_string_equal(err.message, "'sh' ended with 3");
    err_clear(&err);
    assert_int_equal(shell("kill -9 $$", STR("x"), 20 * SECOND, &err), ERR_UNAVAILABLE);
    assert_string_equal(err.message, "'sh' was ended by signal 9");
    err_clear(&err);
    const char *const none[] = {"/no/such/program"};
    assert_int_equal(program_run(none, 1, STR(""), SECOND, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "cannot run '/no/such/program'"));
}

static void one_that_hangs_is_killed_with_all_it_started(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    const int64_t begun = clock_monotonic_us();
    assert_int_equal(shell("sleep 60 & sleep 60", STR("x"), SECOND / 5, &err), ERR_UNAVAILABLE);
    assert_true(clock_monotonic_us() - begun < 20 * SECOND);
    assert_non_null(strstr(err.message, "took longer than 200 ms and was killed"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_gets_the_whole_text),
        cmocka_unit_test(one_that_does_not_read_has_not_failed),
        cmocka_unit_test(what_went_wrong_is_said),
        cmocka_unit_test(one_that_hangs_is_killed_with_all_it_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
