/* Files and patterns, in a temporary directory made for each test. */
#include "base/fault.h"
#include "base/file.h"
#include "base/test_support.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

static char home[64];

static int enter(void **state) {
    (void)state;
    (void)snprintf(home, sizeof home, "/tmp/plumb-file-XXXXXX");
    return mkdtemp(home) == NULL || chdir(home) != 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static int leave(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    int code = fault_arm(NULL, &err) == ERR_NONE && chdir("/") == 0 ? 0 : -1;
    return nftw(home, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? code : -1;
}

static void write_file(const char *path, const char *text) {
    struct err err = ERR_INIT;
    assert_int_equal(file_write_atomic(path, str_of(text), &err), ERR_NONE);
}

static void make_directory(const char *path) {
    struct err err = ERR_INIT;
    assert_int_equal(file_make_directory(path, &err), ERR_NONE);
}

static void check_content(const char *path, const char *expected) {
    struct err err = ERR_INIT;
    AUTO_BUF b = BUF_INIT(1 << 20);
    assert_int_equal(file_read_all(path, &b, &err), ERR_NONE);
    assert_string_equal(buf_c(&b), expected);
}

static void what_is_written_is_read(void **state) {
    (void)state;
    write_file("a", "one");
    check_content("a", "one");
    write_file("a", "");
    check_content("a", "");
    assert_false(file_exists("a.tmp"));
    struct err err = ERR_INIT;
    struct file_info info;
    write_file("a", "12345");
    assert_int_equal(file_info_of("a", &info, &err), ERR_NONE);
    assert_int_equal(info.size, 5);
    assert_true(info.is_regular);
    assert_false(info.is_directory);
    assert_true(info.modified_us > INT64_C(1500000000000000));
    AUTO_FD fd = -1;
    struct file_info again;
    assert_int_equal(file_open_read("a", &fd, &err), ERR_NONE);
    assert_int_equal(file_info_of_fd(fd, &again, &err), ERR_NONE);
    assert_true(again.inode == info.inode && again.device == info.device);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(file_info_of(".", &info, &err), ERR_NONE);
    assert_true(info.is_directory);
}

static void reading_at_an_offset_is_short_only_at_the_end(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    AUTO_FD fd = -1;
    char out[10] = {0};
    size_t got = 99;
    write_file("a", "0123456789");
    assert_int_equal(file_open_read("a", &fd, &err), ERR_NONE);
    assert_int_equal(file_read_at(fd, 3, out, 4, &got, &err), ERR_NONE);
    assert_int_equal(got, 4);
    assert_memory_equal(out, "3456", 4);
    assert_int_equal(file_read_at(fd, 8, out, 10, &got, &err), ERR_NONE);
    assert_int_equal(got, 2);
    assert_int_equal(file_read_at(fd, 10, out, 10, &got, &err), ERR_NONE);
    assert_int_equal(got, 0);
    assert_int_equal(file_read_at(fd, 0, out, 0, &got, &err), ERR_NONE);
    assert_int_equal(got, 0);
}

static void a_file_larger_than_the_buffer_is_a_limit(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    write_file("a", "0123456789");
    AUTO_BUF exact = BUF_INIT(10);
    assert_int_equal(file_read_all("a", &exact, &err), ERR_NONE);
    assert_string_equal(buf_c(&exact), "0123456789");
    AUTO_BUF small = BUF_INIT(9);
    assert_int_equal(file_read_all("a", &small, &err), ERR_LIMIT);
    assert_int_equal(small.len, 0);
    assert_non_null(strstr(err.message, "'a'"));
}

static void a_large_file_is_read_whole(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    AUTO_BUF b = BUF_INIT(1 << 20);
    for (int i = 0; b.len < 300000; i++) {
        buf_addf(&b, "%d ", i);
    }
    assert_int_equal(file_write_atomic("a", buf_str(&b), &err), ERR_NONE);
    AUTO_BUF back = BUF_INIT(1 << 20);
    assert_int_equal(file_read_all("a", &back, &err), ERR_NONE);
    assert_true(str_equal(buf_str(&b), buf_str(&back)));
}

static void the_class_says_who_can_help(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    int fd = 77;
    struct file_info info;
    assert_int_equal(file_open_read("missing", &fd, &err), ERR_CONFIG);
    assert_int_equal(fd, 77);
    assert_int_equal(err.origin, ENOENT);
    assert_string_equal(err.message, "'missing': No such file or directory");
    assert_int_equal(file_info_of("missing", &info, &err), ERR_CONFIG);
    assert_int_equal(file_write_atomic("missing/a", STR("x"), &err), ERR_CONFIG);
    assert_int_equal(file_make_directory("missing/a", &err), ERR_CONFIG);
    make_directory("d");
    make_directory("d");
    AUTO_BUF b = BUF_INIT(10);
    assert_int_equal(file_read_all("d", &b, &err), ERR_CONFIG);
    write_file("f", "");
    assert_int_equal(file_make_directory("f", &err), ERR_CONFIG);
    assert_false(file_exists("missing"));
    assert_true(file_exists("d"));
}

static void closing_twice_is_fine(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    int fd = -1;
    write_file("a", "");
    assert_int_equal(file_open_read("a", &fd, &err), ERR_NONE);
    file_close(&fd);
    assert_int_equal(fd, -1);
    file_close(&fd);
}

/* At every fault point: a clean error, and the old content or the new one, never something else. */
static void an_atomic_write_leaves_old_or_new(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    enum err_code code = ERR_UNAVAILABLE;
    int n = 0;
    int kept = 0;
    while (code != ERR_NONE) {
        char spec[32];
        n++;
        write_file("a", "old");
        (void)snprintf(spec, sizeof spec, "file:%d", n);
        assert_int_equal(fault_arm(spec, &err), ERR_NONE);
        code = file_write_atomic("a", STR("new"), &err);
        assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
        assert_true(code == ERR_NONE || code == ERR_UNAVAILABLE);
        assert_false(file_exists("a.tmp"));
        AUTO_BUF b = BUF_INIT(10);
        assert_int_equal(file_read_all("a", &b, &err), ERR_NONE);
        bool old = str_equal_c(buf_str(&b), "old");
        assert_true(code == ERR_NONE ? !old : old || str_equal_c(buf_str(&b), "new"));
        kept += old ? 1 : 0;
    }
    assert_int_equal(kept, 4); /* open, write, fsync, rename */
    assert_int_equal(n, 7);    /* and the directory's open and fsync */
}

static const char *kill_spec;

static void write_and_die(void) {
    struct err err = ERR_INIT;
    assert_int_equal(fault_arm(kill_spec, &err), ERR_NONE);
    assert_int_equal(file_write_atomic("a", STR("new"), &err), ERR_NONE);
}

static void killed_while_writing_leaves_old_or_new(void **state) {
    (void)state;
    char output[CHILD_OUTPUT_BYTES];
    write_file("a", "old");
    kill_spec = "kill:1";
    assert_true(WIFSIGNALED(run_child(write_and_die, output)));
    check_content("a", "old");
    kill_spec = "kill:2";
    assert_true(WIFSIGNALED(run_child(write_and_die, output)));
    check_content("a", "new");
}

static void each_operation_has_its_fault_point(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct file_info info;
    struct file_list list = {NULL, 0};
    char out[4];
    size_t got = 99;
    AUTO_FD fd = -1;
    AUTO_BUF b = BUF_INIT(10);
    write_file("a", "abc");
    assert_int_equal(file_open_read("a", &fd, &err), ERR_NONE);
    assert_int_equal(fault_arm("file:1+", &err), ERR_NONE);
    assert_int_equal(file_info_of("a", &info, &err), ERR_UNAVAILABLE);
    assert_int_equal(file_info_of_fd(fd, &info, &err), ERR_UNAVAILABLE);
    assert_int_equal(file_read_at(fd, 0, out, 3, &got, &err), ERR_UNAVAILABLE);
    assert_int_equal(got, 99);
    assert_int_equal(file_read_all("a", &b, &err), ERR_UNAVAILABLE);
    assert_int_equal(file_make_directory("d", &err), ERR_UNAVAILABLE);
    assert_int_equal(file_glob("*", &list, &err), ERR_UNAVAILABLE);
    assert_int_equal(fault_arm("file:2", &err), ERR_NONE);
    assert_int_equal(file_read_all("a", &b, &err), ERR_UNAVAILABLE);
    assert_int_equal(b.len, 0);
    assert_int_equal(fault_arm("file:2", &err), ERR_NONE);
    assert_int_equal(file_glob("*", &list, &err), ERR_UNAVAILABLE);
    assert_null(list.paths);
}

static void check_glob(const char *pattern, const char *expected) {
    struct err err = ERR_INIT;
    struct file_list list = {NULL, 0};
    AUTO_BUF b = BUF_INIT(1 << 20);
    assert_int_equal(file_glob(pattern, &list, &err), ERR_NONE);
    for (size_t i = 0; i < list.count; i++) {
        buf_addf(&b, "%s%s", i == 0 ? "" : " ", list.paths[i]);
    }
    file_list_release(&list);
    if (strcmp(buf_c(&b), expected) != 0) {
        fail_msg("'%s' gave '%s' instead of '%s'", pattern, buf_c(&b), expected);
    }
}

static void make_tree(void) {
    make_directory("d");
    make_directory("d/e");
    make_directory("d/e/f");
    make_directory(".h");
    write_file("a1.log", "");
    write_file("a2.log", "");
    write_file("a10.log", "");
    write_file("b.txt", "");
    write_file("x[1].log", "");
    write_file(".hidden.log", "");
    write_file(".h/z.log", "");
    write_file("d/c.log", "");
    write_file("d/e/c.log", "");
    write_file("d/e/f/c.log", "");
    write_file("d/e/f/c.txt", "");
    assert_int_equal(symlink("..", "d/loop"), 0);
    assert_int_equal(symlink("nowhere", "broken.log"), 0);
}

static void patterns_match_names(void **state) {
    (void)state;
    make_tree();
    check_glob("*.log", "a1.log a10.log a2.log x[1].log");
    check_glob("a?.log", "a1.log a2.log");
    check_glob("a[0-9].log", "a1.log a2.log");
    check_glob("a[!1].log", "a2.log");
    check_glob("a[^1].log", "a2.log");
    check_glob("[ab]*", "a1.log a10.log a2.log b.txt");
    check_glob("*1*.l*g*", "a1.log a10.log x[1].log");
    check_glob("x[[]1].log", "x[1].log");
    check_glob("x[1].log", "x[1].log");
    check_glob("x[1.log", "");
    check_glob(".*.log", ".hidden.log");
    check_glob("?hidden.log", "");
    check_glob("*/c.log", "d/c.log");
    check_glob("d/*/c.log", "d/e/c.log");
    check_glob("*/", "");
    check_glob("", "");
    check_glob("zzz*", "");
    check_glob("none/*", "");
    check_glob("b.txt/*", "");
    check_glob("b.txt", "b.txt");
    check_glob("missing", "");
    check_glob("d", "");
    check_glob("d/loop/b.t*", "d/loop/b.txt");
    check_glob("./*.txt", "./b.txt");
}

static void two_stars_match_any_depth(void **state) {
    (void)state;
    make_tree();
    check_glob("**/c.log", "d/c.log d/e/c.log d/e/f/c.log");
    check_glob("d/**/c.log", "d/c.log d/e/c.log d/e/f/c.log");
    check_glob("d/**", "d/c.log d/e/c.log d/e/f/c.log d/e/f/c.txt");
    check_glob("**/e/**/c.*", "d/e/c.log d/e/f/c.log d/e/f/c.txt");
    check_glob("**/**/c.txt", "d/e/f/c.txt");
    check_glob("**/*.txt", "b.txt d/e/f/c.txt");
    check_glob("d/**e/c.log", "d/e/c.log"); /* not a whole part: as one star */
}

static void absolute_patterns_give_absolute_paths(void **state) {
    (void)state;
    make_tree();
    char *pattern = mem_printf("%s//d/*.log", home);
    char *expected = mem_printf("%s/d/c.log", home);
    check_glob(pattern, expected);
    mem_free(pattern);
    mem_free(expected);
}

static void a_hostile_pattern_takes_no_long_time(void **state) {
    (void)state;
    char name[200];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    write_file(name, "");
    check_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", "");
}

static void paths_are_joined_and_cut(void **state) {
    (void)state;
    static const char *const joins[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"},
                                           {"/", "b", "/b"},  {"a", "/b", "/b"},
                                           {"", "b", "b"},    {".", "b", "./b"}};
    static const char *const cuts[][2] = {{"a/b", "a"},  {"/a", "/"},   {"a", "."},
                                          {"a/b/", "a"}, {"", "."},     {"/", "/"},
                                          {"//a", "/"},  {"a//b", "a"}, {"/a/b/c", "/a/b"}};
    for (size_t i = 0; i < ARRAY_COUNT(joins); i++) {
        char *joined = file_join(joins[i][0], joins[i][1]);
        assert_string_equal(joined, joins[i][2]);
        mem_free(joined);
    }
    for (size_t i = 0; i < ARRAY_COUNT(cuts); i++) {
        char *cut = file_directory_of(cuts[i][0]);
        assert_string_equal(cut, cuts[i][1]);
        mem_free(cut);
    }
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void) {
    const struct CMUnitTest tests[] = {
        FILE_TEST(what_is_written_is_read),
        FILE_TEST(reading_at_an_offset_is_short_only_at_the_end),
        FILE_TEST(a_file_larger_than_the_buffer_is_a_limit),
        FILE_TEST(a_large_file_is_read_whole),
        FILE_TEST(the_class_says_who_can_help),
        FILE_TEST(closing_twice_is_fine),
        FILE_TEST(an_atomic_write_leaves_old_or_new),
        FILE_TEST(killed_while_writing_leaves_old_or_new),
        FILE_TEST(each_operation_has_its_fault_point),
        FILE_TEST(patterns_match_names),
        FILE_TEST(two_stars_match_any_depth),
        FILE_TEST(absolute_patterns_give_absolute_paths),
        FILE_TEST(a_hostile_pattern_takes_no_long_time),
        FILE_TEST(paths_are_joined_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
