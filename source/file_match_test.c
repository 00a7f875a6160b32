/* Which file is which: compressed and decompressed after it was read, and files that cannot be
 * read at all. What must come is written down while the files are written. */
#include "source/file_test_support.h"

#include <time.h>

#define NOBODY    65534
#define TEXT_MAX  ((size_t)1 << 20)
#define PACK_MAX  (2 * TEXT_MAX)
#define LOG_LINES 300

/* ---- a log, written and read independently ---- */

struct log {
    struct buf expected; /* as test_run tells it */
    uint64_t seed;
    int lines;
};

static void log_init(struct log *l, uint64_t seed) {
    *l = (struct log){.seed = seed};
    buf_init(&l->expected, TEXT_MAX);
}

static void log_write(struct log *l, const char *name, int lines) {
    AUTO_BUF text = BUF_INIT(TEXT_MAX);
    for (int i = 0; i < lines; i++) {
        AUTO_BUF line = BUF_INIT(TEXT_MAX);
        buf_addf(&line, "line %d ", l->lines++);
        for (size_t n = next_random(&l->seed) % 40; n > 0; n--) {
            buf_addc(&line, (char)('a' + (int)(next_random(&l->seed) % 26)));
        }
        buf_addf(&l->expected, "app.log|0|%s\n", buf_c(&line));
        buf_addf(&text, "%s\n", buf_c(&line));
    }
    put_bytes(name, O_APPEND, text.data, text.len);
}

static void log_expect(struct log *l, struct test_run *r) {
    if (r->troubles > 0) {
        print_error("%s\n", buf_c(&r->trouble));
        fail();
    }
    assert_string_equal(buf_c(&r->told), buf_c(&l->expected));
}

/* ---- gzip and gunzip ---- */

static void read_whole(const char *name, struct buf *text) {
    struct err err = ERR_INIT;
    buf_clear(text);
    assert_int_equal(file_read_all(in_home(name), text, &err), ERR_NONE);
}

static void write_packed(const char *from, const char *to, bool zstd) {
    static char packed[PACK_MAX];
    AUTO_BUF text = BUF_INIT(TEXT_MAX);
    read_whole(from, &text);
    size_t n = zstd ? pack_zstd(text.data, text.len, 2, packed, sizeof(packed))
                    : pack_gzip(text.data, text.len, 2, packed, sizeof(packed));
    put_bytes(to, O_TRUNC, packed, n);
}

static void remove_file(const char *name) {
    assert_int_equal(remove(in_home(name)), 0);
}

static void pack(const char *from, const char *to, bool zstd) {
    write_packed(from, to, zstd);
    remove_file(from);
}

static void steps(struct test_run *r, int count) {
    struct err err = ERR_INIT;
    for (int i = 0; i < count; i++) {
        assert_int_equal(run_step(r, &err), ERR_NONE);
    }
}

/* Everything there is, also what only an open descriptor shows, and what rests. */
static void drain_until_settled(struct test_run *r) {
    for (int i = 0; i < 4; i++) {
        run_drain(r);
        test_now_us += FILE_SETTLE_US;
    }
}

struct stage {
    const char *ending;
    int steps;   /* batches read before the file is renamed */
    int between; /* calls between renaming and compressing: the first one sees the new name */
    bool zstd, added, killed, once;
};

static void rotate(const struct stage *stage, uint64_t seed) {
    struct test_run r;
    struct log log;
    char packed[32];
    (void)snprintf(packed, sizeof(packed), "app.log.1%s", stage->ending);
    log_init(&log, seed);
    run_init(&r, "app.log*");
    r.conf.format = FORMAT_LINES;
    r.env.once = stage->once;
    r.limit.rows_max = 50;
    log_write(&log, "app.log", LOG_LINES);
    steps(&r, stage->steps);
    if (stage->added) {
        log_write(&log, "app.log", 70);
    }
    rename_file("app.log", "app.log.1");
    test_now_us += r.conf.poll;
    if (stage->once) {
        run_reopen(&r);
    }
    steps(&r, stage->between);
    pack("app.log.1", packed, stage->zstd);
    if (stage->killed) {
        run_reopen(&r);
    }
    drain_until_settled(&r);
    log_expect(&log, &r);
    assert_int_equal(r.partition_count, 1);
    /* Read to its end: known after a restart, too. */
    const size_t batches = r.batches;
    run_reopen(&r);
    run_drain(&r);
    assert_int_equal(r.batches, batches);
    /* And back again. */
    remove_file(packed);
    AUTO_BUF text = BUF_INIT(TEXT_MAX);
    const char *p = buf_c(&log.expected);
    for (const char *end = strchr(p, '\n'); end != NULL; p = end + 1, end = strchr(p, '\n')) {
        p += strlen("app.log|0|");
        buf_addstr(&text, (struct str){p, (size_t)(end + 1 - p)});
    }
    put_bytes("app.log.1", O_TRUNC, text.data, text.len);
    log_write(&log, "app.log.1", 10);
    run_reopen(&r);
    drain_until_settled(&r);
    log_expect(&log, &r);
    assert_int_equal(r.partition_count, 1);
    remove_file("app.log.1");
    buf_release(&log.expected);
    run_release(&r);
}

static void a_rotated_file_that_is_compressed_goes_on_at_every_stage(void **state) {
    (void)state;
    static const char *const endings[] = {".gz", ".zst", ".gzip", ".zstd"};
    static const int reads[] = {1, 3, 6, 20};
    uint64_t seed = 1;
    for (unsigned bits = 0; bits < 4 * 4 * 4 * 4; bits++) {
        const unsigned n = bits % 4;
        struct stage stage = {.ending = endings[n],
                              .steps = reads[bits / 4 % 4],
                              .between = 1 + (int)(bits / 16 % 4) * 3,
                              .zstd = n % 2 == 1,
                              .added = bits / 64 % 2 == 1,
                              .killed = bits / 128 % 2 == 1};
        rotate(&stage, seed++);
        stage.once = true;
        stage.killed = true; /* one look per run */
        rotate(&stage, seed++);
    }
}

static void a_csv_file_that_is_compressed_goes_on(void **state) {
    (void)state;
    for (int zstd = 0; zstd < 2; zstd++) {
        struct test_run r;
        run_init(&r, "a.csv*");
        r.conf.format = FORMAT_CSV;
        r.limit.rows_max = 1;
        put_file("a.csv", "h\n1\n2\n3\n");
        steps(&r, 2);
        pack("a.csv", "a.csv.gz", zstd == 1); /* the name does not say how */
        run_reopen(&r);
        run_drain(&r);
        run_expect(&r, "a.csv|0|1\na.csv|0|2\na.csv|0|3\n");
        assert_int_equal(r.troubles, 0);
        remove_file("a.csv.gz");
        run_release(&r);
    }
}

static void a_compressed_file_that_is_compressed_anew_goes_on(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "a.jsonl.gz");
    put_file("text", "1\n2\n");
    pack("text", "a.jsonl.gz", false);
    run_drain(&r);
    put_file("text", "1\n2\n3\n");
    pack("text", "a.jsonl.gz", false);
    run_reopen(&r);
    run_drain(&r);
    run_expect(&r, "a.jsonl.gz|0|1\na.jsonl.gz|0|2\na.jsonl.gz|0|3\n");
    assert_int_equal(r.troubles, 0);
    run_release(&r);
}

static void another_file_with_such_a_name_is_a_new_partition(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "a*");
    r.conf.format = FORMAT_LINES;
    put_file("a", "1\n2\n");
    run_drain(&r);
    put_file("text", "1\n7\n8\n");
    pack("text", "a.gz", false);
    put_file("new", "1\n7\n"); /* before its inode can be one that was deleted */
    remove_file("a");
    run_reopen(&r);
    run_drain(&r);
    run_expect(&r, "a|0|1\na|0|2\na.gz|0|1\na.gz|0|7\na.gz|0|8\n");
    /* The other way round: less than was read is another file. */
    rename_file("new", "a");
    remove_file("a.gz");
    run_reopen(&r);
    run_drain(&r);
    run_expect(&r, "a@2|0|1\na@2|0|7\n");
    assert_int_equal(r.troubles, 0);
    run_release(&r);
}

static void a_new_file_with_the_inode_of_a_compressed_one_is_read_at_once(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "a*");
    r.conf.format = FORMAT_LINES;
    put_file("a", "1\n");
    run_drain(&r);
    write_packed("a", "a.gz", false);
    put_file("a", "5\n6\n"); /* in place: as if its inode had been used again */
    rename_file("a", "a-new");
    run_reopen(&r);
    run_drain(&r);
    run_expect(&r, "a|0|1\na-new|0|5\na-new|0|6\n");
    assert_int_equal(r.troubles, 0);
    run_release(&r);
}

static void a_shorter_file_with_such_a_name_is_told(void **state) {
    (void)state;
    struct test_run r;
    AUTO_BUF text = BUF_INIT(TEXT_MAX);
    run_init(&r, "a*");
    r.conf.format = FORMAT_LINES;
    for (int i = 0; i < 1000; i++) {
        buf_addf(&text, "%d\n", i);
    }
    put_file("a", buf_c(&text));
    run_drain(&r);
    text.data[1234] = '\0';
    put_file("a", buf_c(&text));
    pack("a", "a.gz", false);
    run_reopen(&r);
    run_drain(&r);
    assert_int_equal(r.partition_count, 1);
    assert_int_equal(r.partitions[0].records, 1000);
    run_expect_trouble(&r, "a", "holds fewer than the 3890 bytes that were read of it before");
    run_release(&r);
}

static void a_copy_beside_the_file_is_a_new_partition_once_it_rests(void **state) {
    (void)state;
    for (int gone = 0; gone < 2; gone++) {
        struct timespec real;
        assert_int_equal(clock_gettime(CLOCK_REALTIME, &real), 0);
        test_now_us = (int64_t)real.tv_sec * 1000000;
        static char packed[4096];
        const size_t len = pack_gzip("1\n2\n", 4, 1, packed, sizeof(packed));
        struct test_run r;
        run_init(&r, "a*");
        r.conf.format = FORMAT_LINES;
        r.env.once = false;
        put_file("a", "1\n2\n");
        run_drain(&r);
        for (size_t n = 0; n <= len; n += len / 4) { /* the compressor is at work */
            put_bytes("a.gz", O_TRUNC, packed, n);
            run_drain(&r);
            run_reopen(&r);
            run_drain(&r);
        }
        put_bytes("a.gz", O_TRUNC, packed, len);
        run_drain(&r);
        run_expect(&r, "a|0|1\na|0|2\n");
        if (gone == 1) {
            remove_file("a");
        }
        test_now_us += 2 * FILE_SETTLE_US;
        run_drain(&r);
        run_expect(&r, gone == 1 ? "" : "a.gz|0|1\na.gz|0|2\n");
        assert_int_equal(r.troubles, 0);
        run_release(&r);
        remove_file("a.gz");
    }
}

static void lines_written_to_an_open_file_after_it_was_compressed_are_not_lost(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "a*");
    r.conf.format = FORMAT_LINES;
    r.env.once = false;
    put_file("a", "1\n");
    run_drain(&r);
    int writer = open(in_home("a"), O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_true(writer >= 0);
    pack("a", "a.gz", false);
    run_drain(&r);
    assert_int_equal(write(writer, "2\n", 2), 2);
    assert_int_equal(close(writer), 0);
    run_drain(&r);
    run_expect(&r, "a|0|1\na|0|2\n");
    run_release(&r);
}

/* Fails the n-th access to a file while a compressed one is recognised, for every n. */
static void a_failing_access_loses_and_repeats_nothing(void **state) {
    (void)state;
    for (int n = 1; n < 100; n++) {
        struct test_run r;
        struct err err = ERR_INIT;
        char spec[32];
        run_init(&r, "a*");
        r.conf.format = FORMAT_LINES;
        r.limit.rows_max = 1;
        put_file("a", "1\n2\n3\n");
        steps(&r, 2);
        pack("a", "a.gz", false);
        put_file("a-new", "7\n");
        run_reopen(&r);
        (void)snprintf(spec, sizeof(spec), "file:%d", n);
        assert_int_equal(fault_arm(spec, &err), ERR_NONE);
        do {
            enum err_code code = run_step(&r, &err);
            assert_true(code == ERR_NONE || code == ERR_UNAVAILABLE);
            err_clear(&err);
        } while (r.state != SOURCE_END);
        const int64_t reached = fault_count(FAULT_FILE);
        assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
        run_expect(&r, "a|0|1\na|0|2\na-new|0|7\na|0|3\n");
        assert_int_equal(r.troubles, 0);
        run_release(&r);
        remove_file("a.gz");
        remove_file("a-new");
        if (reached < n) {
            assert_true(n > 8);
            return;
        }
    }
    fail_msg("the fault point is never passed by");
}

/* ---- files that cannot be read ---- */

static bool as_nobody;

static void become_nobody(void) {
    as_nobody = geteuid() == 0;
    assert_int_equal(chmod(test_home, 0755), 0);
    if (as_nobody) {
        assert_int_equal(seteuid(NOBODY), 0);
    }
}

static void become_root(void) {
    if (as_nobody) {
        assert_int_equal(seteuid(0), 0);
        as_nobody = false;
    }
}

static int leave_as_root(void **state) {
    become_root();
    return test_leave(state);
}

static void set_mode(const char *name, mode_t mode) {
    assert_int_equal(chmod(in_home(name), mode), 0);
}

static void drain_as_nobody(struct test_run *r) {
    become_nobody();
    run_drain(r);
    become_root();
}

/* The cursor of the only partition, as if it had been read under this file's inode. */
static void give_inode(struct test_run *r, const char *name) {
    struct stat info;
    struct test_partition *p = &r->partitions[0];
    assert_int_equal(stat(in_home(name), &info), 0);
    p->cursor[p->cursor_len] = '\0';
    const char *at = strstr(p->cursor, "\"ino\":");
    const char *end = strchr(at, ',');
    AUTO_BUF cursor = BUF_INIT(BATCH_CURSOR_BYTES_MAX);
    buf_addf(&cursor, "%.*s\"ino\":%llu%s", (int)(at - p->cursor), p->cursor,
             (unsigned long long)info.st_ino, end);
    memcpy(p->cursor, cursor.data, cursor.len);
    p->cursor_len = cursor.len;
}

static void an_unreadable_file_with_the_inode_of_a_deleted_one_is_trouble(void **state) {
    (void)state;
    for (int live = 0; live < 2; live++) {
        struct test_run r;
        run_init(&r, "*.jsonl");
        r.env.once = live == 0;
        put_file("a.jsonl", "1\n");
        run_drain(&r);
        run_expect(&r, "a.jsonl|0|1\n");
        remove_file("a.jsonl");
        put_file("b.jsonl", "5\n6\n");
        put_file("c.jsonl", "7\n");
        set_mode("b.jsonl", 0);
        set_mode("c.jsonl", 0644);
        give_inode(&r, "b.jsonl");
        run_reopen(&r);
        drain_as_nobody(&r);
        run_expect(&r, "c.jsonl|0|7\n");
        run_expect_trouble(&r, "b.jsonl",
                           "cannot be read: permission denied; give permission and it is taken up");
        if (live == 0) {
            run_reopen(&r);
        }
        drain_as_nobody(&r); /* told once by a run, and again by the next one */
        assert_int_equal(r.troubles, live == 0 ? 1 : 0);
        r.troubles = 0;
        set_mode("b.jsonl", 0644);
        if (live == 0) {
            run_reopen(&r);
        }
        drain_as_nobody(&r);
        run_expect(&r, "b.jsonl|0|5\nb.jsonl|0|6\n");
        assert_int_equal(r.troubles, 0);
        run_release(&r);
        remove_file("b.jsonl");
        remove_file("c.jsonl");
    }
}

static void a_known_file_that_cannot_be_read_goes_on_once_it_can(void **state) {
    (void)state;
    for (int live = 0; live < 2; live++) {
        struct test_run r;
        run_init(&r, "*.jsonl");
        r.env.once = live == 0;
        put_file("a.jsonl", "1\n");
        run_drain(&r);
        append_file("a.jsonl", "2\n");
        set_mode("a.jsonl", 0);
        run_reopen(&r);
        drain_as_nobody(&r);
        run_expect_trouble(&r, "a.jsonl", "cannot be read: permission denied");
        set_mode("a.jsonl", 0644);
        if (live == 0) {
            run_reopen(&r);
        }
        drain_as_nobody(&r);
        run_expect(&r, "a.jsonl|0|1\na.jsonl|0|2\n");
        assert_int_equal(r.troubles, 0);
        remove_file("a.jsonl");
        run_release(&r);
    }
}

static void a_compressed_file_that_cannot_be_read_is_not_made_a_new_one(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "a*");
    r.conf.format = FORMAT_LINES;
    r.env.once = false;
    put_file("a", "1\n2\n");
    run_drain(&r);
    pack("a", "a.gz", false);
    set_mode("a.gz", 0);
    run_reopen(&r);
    drain_as_nobody(&r);
    run_expect_trouble(&r, "a.gz", "cannot be read: permission denied");
    set_mode("a.gz", 0644);
    drain_as_nobody(&r);
    run_expect(&r, "a|0|1\na|0|2\n");
    assert_int_equal(r.troubles, 0);
    assert_int_equal(r.partition_count, 1);
    run_release(&r);
}

static void a_file_in_a_directory_that_may_not_be_entered_is_trouble(void **state) {
    (void)state;
    struct test_run r;
    assert_int_equal(mkdir(in_home("in"), 0700), 0);
    put_file("in/a.jsonl", "1\n");
    set_mode("in/a.jsonl", 0644);
    set_mode("in", 0744); /* may be listed, not entered */
    run_init(&r, "in/a*.jsonl");
    drain_as_nobody(&r);
    run_expect_trouble(&r, "in/a.jsonl", "cannot be read: permission denied");
    set_mode("in", 0755);
    run_reopen(&r);
    drain_as_nobody(&r);
    run_expect(&r, "in/a.jsonl|0|1\n");
    run_release(&r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_enter, leave_as_root)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_rotated_file_that_is_compressed_goes_on_at_every_stage),
        TEST(a_csv_file_that_is_compressed_goes_on),
        TEST(a_compressed_file_that_is_compressed_anew_goes_on),
        TEST(another_file_with_such_a_name_is_a_new_partition),
        TEST(a_new_file_with_the_inode_of_a_compressed_one_is_read_at_once),
        TEST(a_shorter_file_with_such_a_name_is_told),
        TEST(a_copy_beside_the_file_is_a_new_partition_once_it_rests),
        TEST(lines_written_to_an_open_file_after_it_was_compressed_are_not_lost),
        TEST(a_failing_access_loses_and_repeats_nothing),
        TEST(an_unreadable_file_with_the_inode_of_a_deleted_one_is_trouble),
        TEST(a_known_file_that_cannot_be_read_goes_on_once_it_can),
        TEST(a_compressed_file_that_cannot_be_read_is_not_made_a_new_one),
        TEST(a_file_in_a_directory_that_may_not_be_entered_is_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
