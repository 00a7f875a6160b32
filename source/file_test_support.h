/* For the tests of the file source: a temporary flow directory, and a small engine that asks a
 * source for batches, keeps every cursor and writes down every record. */
#ifndef PLUMB_SOURCE_FILE_TEST_SUPPORT_H
#define PLUMB_SOURCE_FILE_TEST_SUPPORT_H

#include "source/file.c" /* the descriptor and its conf */

#include "base/fault.h"
#include "base/test_support.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#define TEST_PARTITIONS_MAX 64

static char test_home[64];
static int64_t test_now_us;

static int64_t test_monotonic(void *context) {
    (void)context;
    return test_now_us;
}

static const struct clock_source test_clock = {.now_us = test_monotonic,
                                               .monotonic_us = test_monotonic};

static int test_enter(void **state) {
    (void)state;
    (void)snprintf(test_home, sizeof(test_home), "/tmp/plumb-source-XXXXXX");
    test_now_us = 1000000000;
    clock_install(&test_clock);
    return mkdtemp(test_home) != NULL ? 0 : -1;
}

static int test_remove(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static int test_leave(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    int code = fault_arm(NULL, &err) == ERR_NONE ? 0 : -1;
    clock_install(NULL);
    return nftw(test_home, test_remove, 16, FTW_DEPTH | FTW_PHYS) == 0 ? code : -1;
}

static const char *in_home(const char *name) {
    static char path[4][256];
    static size_t turn;
    turn = (turn + 1) % 4;
    (void)snprintf(path[turn], sizeof(path[turn]), "%s/%s", test_home, name);
    return path[turn];
}

static void put_bytes(const char *name, int flags, const void *bytes, size_t len) {
    int fd = open(in_home(name), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(close(fd), 0);
}

/* Truncates and writes, in place: the inode stays. */
static void UNUSED put_file(const char *name, const char *text) {
    put_bytes(name, O_TRUNC, text, strlen(text));
}

static void UNUSED append_file(const char *name, const char *text) {
    put_bytes(name, O_APPEND, text, strlen(text));
}

static void UNUSED rename_file(const char *from, const char *to) {
    assert_int_equal(rename(in_home(from), in_home(to)), 0);
}

/* Writes len bytes as `parts` gzip members, one after the other. */
static size_t UNUSED pack_gzip(const char *bytes, size_t len, size_t parts, char *out, size_t max) {
    size_t used = 0;
    for (size_t i = 0; i < parts; i++) {
        size_t from = len * i / parts;
        size_t to = len * (i + 1) / parts;
        z_stream z = {0};
        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_in = (Bytef *)(uintptr_t)(bytes + from);
        z.avail_in = (uInt)(to - from);
        z.next_out = (Bytef *)out + used;
        z.avail_out = (uInt)(max - used);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        used = max - z.avail_out;
        assert_int_equal(deflateEnd(&z), Z_OK);
    }
    return used;
}

static size_t UNUSED pack_zstd(const char *bytes, size_t len, size_t parts, char *out, size_t max) {
    size_t used = 0;
    for (size_t i = 0; i < parts; i++) {
        size_t from = len * i / parts;
        size_t to = len * (i + 1) / parts;
        size_t n = ZSTD_compress(out + used, max - used, bytes + from, to - from, 3);
        assert_false(ZSTD_isError(n));
        used += n;
    }
    return used;
}

/* ---- the small engine ---- */

struct test_partition {
    char name[BATCH_PARTITION_BYTES_MAX];
    char cursor[4096];
    size_t cursor_len;
    int64_t records;
};

struct test_run {
    struct file_conf conf;
    struct source_env env;
    struct source_limit limit;
    struct test_partition partitions[TEST_PARTITIONS_MAX];
    size_t partition_count;
    struct source_cursor cursors[TEST_PARTITIONS_MAX];
    void *source;
    struct source_output out;
    enum source_state state;
    size_t batches, troubles;
    struct buf told;    /* "partition|kind|bytes\n" of every record */
    struct buf trouble; /* "partition: message\n" of every trouble */
    struct buf meta;    /* of the last batch */
};

static void run_init(struct test_run *r, const char *path) {
    memset(r, 0, sizeof(*r));
    r->conf = (struct file_conf){.path = path, .quote = '"', .null = "", .poll = 250000};
    r->env = (struct source_env){
        .name = "test", .directory = test_home, .once = true, .record_bytes_max = 1 << 20};
    r->limit = (struct source_limit){.rows_max = 1000, .bytes_max = 1 << 24};
    source_output_init(&r->out);
    buf_init(&r->told, (size_t)1 << 30);
    buf_init(&r->trouble, (size_t)1 << 20);
    buf_init(&r->meta, (size_t)1 << 20);
}

static void run_close(struct test_run *r) {
    if (r->source != NULL) {
        source_file.source->close(r->source);
        r->source = NULL;
    }
}

static void run_release(struct test_run *r) {
    run_close(r);
    source_output_release(&r->out);
    buf_release(&r->told);
    buf_release(&r->trouble);
    buf_release(&r->meta);
}

static struct test_partition *run_partition(struct test_run *r, const char *name) {
    for (size_t i = 0; i < r->partition_count; i++) {
        if (strcmp(r->partitions[i].name, name) == 0) {
            return &r->partitions[i];
        }
    }
    assert_true(r->partition_count < TEST_PARTITIONS_MAX);
    struct test_partition *p = &r->partitions[r->partition_count++];
    (void)snprintf(p->name, sizeof(p->name), "%s", name);
    return p;
}

/* As after a crash: a new source that knows nothing but the cursors. */
static void run_reopen(struct test_run *r) {
    struct err err = ERR_INIT;
    run_close(r);
    for (size_t i = 0; i < r->partition_count; i++) {
        struct test_partition *p = &r->partitions[i];
        r->cursors[i] = (struct source_cursor){p->name, {p->cursor, p->cursor_len}};
    }
    r->env.cursors = r->cursors;
    r->env.cursor_count = r->partition_count;
    assert_int_equal(source_file.source->open(&r->conf, &r->env, &r->source, &err), ERR_NONE);
}

static void run_keep_batch(struct test_run *r) {
    struct source_output *o = &r->out;
    struct test_partition *p = run_partition(r, o->partition);
    assert_int_equal(o->first_record, p->records);
    assert_true(o->batch.count <= r->limit.rows_max);
    assert_true(o->cursor.len > 0 && o->cursor.len < sizeof(p->cursor));
    memcpy(p->cursor, o->cursor.data, o->cursor.len);
    p->cursor_len = o->cursor.len;
    p->records += o->batch.count;
    struct str meta = batch_meta(&o->batch);
    buf_clear(&r->meta);
    buf_addstr(&r->meta, meta);
    for (uint32_t i = 0; i < o->batch.count; i++) {
        struct record record = batch_record(&o->batch, i);
        buf_addf(&r->told, "%s|%d|", o->partition, (int)record.kind);
        buf_addstr(&r->told, record.bytes);
        buf_addc(&r->told, '\n');
    }
    r->batches++;
}

/* One call. Returns the class of an error. */
static enum err_code run_step(struct test_run *r, struct err *err) {
    if (r->source == NULL) {
        run_reopen(r);
    }
    enum err_code code = source_file.source->next(r->source, &r->limit, &r->out, &r->state, err);
    if (code == ERR_NONE && r->state == SOURCE_BATCH) {
        run_keep_batch(r);
    } else if (code == ERR_NONE && r->state == SOURCE_TROUBLE) {
        buf_addf(&r->trouble, "%s: %s\n", r->out.partition, r->out.trouble.message);
        r->troubles++;
    }
    return code;
}

/* Until there is nothing more for now. */
static void run_drain(struct test_run *r) {
    struct err err = ERR_INIT;
    for (size_t i = 0; i < 1000000; i++) {
        if (run_step(r, &err) != ERR_NONE) {
            print_error("%s\n", err.message);
            fail();
        }
        if (r->state == SOURCE_END || r->state == SOURCE_IDLE) {
            return;
        }
    }
    fail_msg("the source never ends");
}

/* Everything told since the last call must be this. */
static void UNUSED run_expect(struct test_run *r, const char *told) {
    assert_string_equal(buf_c(&r->told), told);
    buf_clear(&r->told);
    if (r->told.data != NULL) {
        r->told.data[0] = '\0';
    }
}

/* One trouble was told since the last call, of this partition, with this text in it. */
static void UNUSED run_expect_trouble(struct test_run *r, const char *partition, const char *text) {
    char start[300];
    (void)snprintf(start, sizeof(start), "%s: ", partition);
    if (r->troubles != 1 || strncmp(buf_c(&r->trouble), start, strlen(start)) != 0 ||
        strstr(buf_c(&r->trouble), text) == NULL) {
        print_error("%zu troubles: %s\n", r->troubles, buf_c(&r->trouble));
        fail();
    }
    r->troubles = 0;
    buf_clear(&r->trouble);
}

#endif
