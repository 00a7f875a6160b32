/* The definition in docs/digest.md, checked against bytes written by hand and against its own
 * Python example run on a real SQLite file. */
#include "store/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "rows/int256.h"

static struct value of_int(enum column_type type, int64_t v) {
    return (struct value){.type = type, .integer = v};
}
static struct value of_bytes(enum column_type type, struct str v) {
    return (struct value){.type = type, .bytes = v};
}
static struct value of_real(double v) {
    return (struct value){.type = TYPE_FLOAT64, .real = v};
}

static void add(struct digest *d, struct value v) {
    struct err err = ERR_INIT;
    assert_int_equal(digest_value(d, &v, &err), ERR_NONE);
}

/* The bytes of the row being built must be exactly these. */
static void assert_row(const struct digest *d, struct str expected) {
    assert_int_equal(d->row.len, expected.len);
    assert_memory_equal(d->row.data, expected.ptr, expected.len);
}

static void assert_value_bytes(struct value v, struct str expected) {
    struct digest d;
    digest_init(&d);
    add(&d, v);
    assert_row(&d, expected);
    digest_release(&d);
}

static void an_empty_table_has_the_documented_digest(void **state) {
    (void)state;
    struct digest d;
    digest_init(&d);
    char text[DIGEST_TEXT_BYTES];
    digest_text(&d, text);
    assert_string_equal(text, "0-00000000000000000000000000000000");
    digest_release(&d);
}

static void every_type_gives_the_documented_bytes(void **state) {
    (void)state;
    struct value null_text = {.type = TYPE_TEXT, .is_null = true};
    assert_value_bytes(null_text, STR("n"));
    assert_value_bytes(of_int(TYPE_INT64, -2), STR("i\xff\xff\xff\xff\xff\xff\xff\xfe"));
    assert_value_bytes(of_int(TYPE_INT64, INT64_MIN), STR("i\x80\0\0\0\0\0\0\0"));
    assert_value_bytes(of_int(TYPE_TIMESTAMP, 258), STR("T\0\0\0\0\0\0\x01\x02"));
    assert_value_bytes(of_int(TYPE_BOOL, 1), STR("b\x01"));
    assert_value_bytes(of_int(TYPE_BOOL, 0), STR("b\0"));
    assert_value_bytes(of_real(1.5), STR("f\x3f\xf8\0\0\0\0\0\0"));
    assert_value_bytes(of_real(-0.0), STR("f\0\0\0\0\0\0\0\0"));
    assert_value_bytes(of_real(-(double)NAN), STR("f\x7f\xf8\0\0\0\0\0\0"));
    assert_value_bytes(of_bytes(TYPE_TEXT, STR("ab")), STR("t\0\0\0\x02"
                                                           "ab"));
    assert_value_bytes(of_bytes(TYPE_TEXT, (struct str){NULL, 0}), STR("t\0\0\0\0"));
    assert_value_bytes(of_bytes(TYPE_JSON, STR("{}")), STR("j\0\0\0\x02{}"));
    assert_value_bytes(of_bytes(TYPE_BYTES, STR("\0\xff")), STR("x\0\0\0\x02\0\xff"));
    assert_value_bytes(of_bytes(TYPE_INT256, STR("\x80")), STR("I\0\0\0\x01"
                                                               "0"));
    assert_value_bytes(of_bytes(TYPE_INT256, STR("\x82\x01\0")), STR("I\0\0\0\x03"
                                                                     "256"));
    assert_value_bytes(of_bytes(TYPE_INT256, STR("\x7f\xfb")), STR("I\0\0\0\x02-4"));
}

static void a_row_is_hashed_whole(void **state) {
    (void)state;
    struct digest d;
    digest_init(&d);
    add(&d, of_int(TYPE_INT64, 1));
    add(&d, of_bytes(TYPE_TEXT, STR("a")));
    digest_end_row(&d);
    struct str bytes = STR("i\0\0\0\0\0\0\0\x01t\0\0\0\x01"
                           "a");
    assert_true(hash128_equal(d.sum, hash128_of(bytes.ptr, bytes.len)));
    assert_int_equal(d.rows, 1);
    assert_int_equal(d.row.len, 0);
    digest_release(&d);
}

static void a_row_without_columns_counts(void **state) {
    (void)state;
    struct digest d;
    digest_init(&d);
    digest_end_row(&d);
    assert_true(hash128_equal(d.sum, hash128_of("", 0)));
    assert_int_equal(d.rows, 1);
    digest_release(&d);
}

static void digest_of(const struct value *first, size_t columns, size_t rows, bool backwards,
                      char out[DIGEST_TEXT_BYTES]) {
    struct digest d;
    digest_init(&d);
    for (size_t i = 0; i < rows; i++) {
        size_t row = backwards ? rows - 1 - i : i;
        for (size_t c = 0; c < columns; c++) {
            add(&d, first[row * columns + c]);
        }
        digest_end_row(&d);
    }
    digest_text(&d, out);
    digest_release(&d);
}

static void the_order_of_rows_does_not_matter_and_that_of_columns_does(void **state) {
    (void)state;
    struct value v[] = {of_int(TYPE_INT64, 1), of_int(TYPE_INT64, 2), of_int(TYPE_INT64, 3),
                        of_int(TYPE_INT64, 4), of_int(TYPE_INT64, 5), of_int(TYPE_INT64, 6)};
    struct value turned[] = {v[1], v[0], v[2], v[3], v[4], v[5]};
    char forwards[DIGEST_TEXT_BYTES];
    char backwards[DIGEST_TEXT_BYTES];
    char other[DIGEST_TEXT_BYTES];
    digest_of(v, 2, 3, false, forwards);
    digest_of(v, 2, 3, true, backwards);
    digest_of(turned, 2, 3, false, other);
    assert_string_equal(forwards, backwards);
    assert_string_not_equal(forwards, other);
}

static void equal_rows_do_not_cancel_each_other(void **state) {
    (void)state;
    struct value v[] = {of_int(TYPE_INT64, 1), of_int(TYPE_INT64, 1), of_int(TYPE_INT64, 2),
                        of_int(TYPE_INT64, 2)};
    struct value w[] = {of_int(TYPE_INT64, 1), of_int(TYPE_INT64, 1), of_int(TYPE_INT64, 3),
                        of_int(TYPE_INT64, 3)};
    char a[DIGEST_TEXT_BYTES];
    char b[DIGEST_TEXT_BYTES];
    digest_of(v, 1, 4, false, a);
    digest_of(w, 1, 4, false, b);
    assert_string_not_equal(a, b);
}

static void the_border_between_two_texts_matters(void **state) {
    (void)state;
    struct value v[] = {of_bytes(TYPE_TEXT, STR("ab")), of_bytes(TYPE_TEXT, STR("c"))};
    struct value w[] = {of_bytes(TYPE_TEXT, STR("a")), of_bytes(TYPE_TEXT, STR("bc"))};
    char a[DIGEST_TEXT_BYTES];
    char b[DIGEST_TEXT_BYTES];
    digest_of(v, 2, 1, false, a);
    digest_of(w, 2, 1, false, b);
    assert_string_not_equal(a, b);
}

static void the_sum_carries_over_128_bits(void **state) {
    (void)state;
    __extension__ typedef unsigned __int128 wide; /* independent of the code's two halves */
    wide sum = 0;
    struct digest d;
    digest_init(&d);
    for (int64_t i = 0; i < 1000; i++) {
        add(&d, of_int(TYPE_INT64, i));
        struct hash128 h = hash128_of(d.row.data, d.row.len);
        sum += (wide)h.high << 64 | h.low;
        digest_end_row(&d);
    }
    assert_int_equal(d.sum.high, (uint64_t)(sum >> 64));
    assert_int_equal(d.sum.low, (uint64_t)sum);
    digest_release(&d);
}

static void the_longest_text_of_a_digest_fits(void **state) {
    (void)state;
    struct digest d;
    digest_init(&d);
    d.rows = INT64_MAX;
    d.sum = (struct hash128){UINT64_MAX, UINT64_C(0x123)};
    char text[DIGEST_TEXT_BYTES];
    digest_text(&d, text);
    assert_string_equal(text, "9223372036854775807-ffffffffffffffff0000000000000123");
    digest_release(&d);
}

static void broken_int256_bytes_are_corrupt_and_add_nothing(void **state) {
    (void)state;
    struct digest d;
    digest_init(&d);
    struct err err = ERR_INIT;
    struct value v = of_bytes(TYPE_INT256, STR("\x82\0\x01"));
    assert_int_equal(digest_value(&d, &v, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.message, "int256"));
    assert_int_equal(d.row.len, 0);
    digest_release(&d);
}

static void a_row_over_the_limit_is_refused_and_adds_nothing(void **state) {
    (void)state;
    struct digest d;
    digest_init(&d);
    struct err err = ERR_INIT;
    /* The content is never read: both limits are checked before. */
    struct value v = of_bytes(TYPE_BYTES, (struct str){"x", DIGEST_ROW_BYTES_MAX});
    assert_int_equal(digest_value(&d, &v, &err), ERR_LIMIT);
    v.bytes.len = (size_t)UINT32_MAX + 1;
    assert_int_equal(digest_value(&d, &v, &err), ERR_LIMIT);
    assert_int_equal(d.row.len, 0);
    digest_release(&d);
}

static void a_giant_row_does_not_keep_its_memory(void **state) {
    (void)state;
    struct digest d;
    digest_init(&d);
    size_t len = DIGEST_ROW_BYTES_KEPT + 1;
    char *content = calloc(1, len);
    assert_non_null(content);
    add(&d, of_bytes(TYPE_BYTES, (struct str){content, len}));
    digest_end_row(&d);
    assert_true(d.row.capacity <= DIGEST_ROW_BYTES_KEPT);
    add(&d, of_int(TYPE_INT64, 1));
    size_t kept = d.row.capacity;
    digest_end_row(&d);
    assert_int_equal(d.row.capacity, kept);
    free(content);
    digest_release(&d);
}

/* ---- the example of docs/digest.md ---- */

#define PYTHON         "/usr/bin/python3"
#define EXAMPLE_ROWS   2000
#define EXAMPLE_FIELDS 9
static const struct column example_columns[EXAMPLE_FIELDS] = {
    {"id", TYPE_INT64},   {"amount", TYPE_INT256}, {"name", TYPE_TEXT},
    {"ok", TYPE_BOOL},    {"at", TYPE_TIMESTAMP},  {"score", TYPE_FLOAT64},
    {"extra", TYPE_JSON}, {"raw", TYPE_BYTES},     {"odd \xc3\xa9", TYPE_INT64},
};

/* Runs a program with its standard output in a file; its exit status, or -1. */
static int run(char *const argv[], const char *out_path) {
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out_path,
                                                      O_WRONLY | O_CREAT | O_TRUNC, 0600),
                     0);
    assert_int_equal(
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0), 0);
    pid_t pid = 0;
    int rc = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    int status = -1;
    if (rc != 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        return -1;
    }
    return WEXITSTATUS(status);
}

static void path_in(char *out, size_t bytes, const char *dir, const char *name) {
    int len = snprintf(out, bytes, "%s/%s", dir, name);
    assert_true(len > 0 && (size_t)len < bytes);
}

/* Writes the first ```python block of docs/digest.md to path. */
static void example_extract(const char *path) {
    AUTO_BUF page = BUF_INIT((size_t)1 << 20);
    struct err err = ERR_INIT;
    assert_int_equal(file_read_all(PLUMB_SOURCE_DIR "/docs/digest.md", &page, &err), ERR_NONE);
    const char *fence = "```python\n";
    const char *start = strstr(buf_c(&page), fence);
    assert_non_null(start);
    start += strlen(fence);
    const char *end = strstr(start, "```");
    assert_non_null(end);
    struct str code = {start, (size_t)(end - start)};
    assert_int_equal(file_write_atomic(path, code, &err), ERR_NONE);
}

static uint64_t random_next(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 16;
}

static void cell_bind(sqlite3_stmt *insert, int column, const struct value *v) {
    if (v->is_null) {
        assert_int_equal(sqlite3_bind_null(insert, column), SQLITE_OK);
    } else if (type_is_integer(v->type)) {
        assert_int_equal(sqlite3_bind_int64(insert, column, v->integer), SQLITE_OK);
    } else if (v->type == TYPE_FLOAT64) {
        assert_int_equal(sqlite3_bind_double(insert, column, v->real), SQLITE_OK);
    } else if (v->type == TYPE_TEXT || v->type == TYPE_JSON) {
        assert_int_equal(
            sqlite3_bind_text(insert, column, v->bytes.ptr, (int)v->bytes.len, SQLITE_TRANSIENT),
            SQLITE_OK);
    } else {
        assert_int_equal(
            sqlite3_bind_blob(insert, column, v->bytes.ptr, (int)v->bytes.len, SQLITE_TRANSIENT),
            SQLITE_OK);
    }
}

#define SCRATCH_BYTES 64
static struct value cell_make(size_t column, int64_t row, uint64_t *random,
                              uint8_t scratch[SCRATCH_BYTES]) {
    enum column_type type = example_columns[column].type;
    int64_t number = (int64_t)(random_next(random) << 16) ^ (int64_t)random_next(random);
    if (column > 0 && random_next(random) % 8 == 0) {
        return (struct value){.type = type, .is_null = true};
    }
    switch (type) {
    case TYPE_INT64:
        return of_int(type, column == 0 ? row : number);
    case TYPE_TIMESTAMP:
        return of_int(type, number);
    case TYPE_BOOL:
        return of_int(type, number & 1);
    case TYPE_FLOAT64:
        return of_real(row % 16 == 0 ? -0.0 : (double)number / 3.0);
    case TYPE_INT256: {
        struct int256 a = int256_from_i64(row % 16 == 0 ? 0 : number);
        struct int256 product = a;
        assert_true(int256_mul(&a, &a, &product) && int256_mul(&product, &a, &product));
        return of_bytes(type, (struct str){(char *)scratch, int256_encode(&product, scratch)});
    }
    case TYPE_TEXT:
    case TYPE_JSON: {
        int len = snprintf((char *)scratch, SCRATCH_BYTES, "{\"\xc3\xa9%" PRId64 "\"}", number);
        return of_bytes(type, (struct str){(char *)scratch, row % 9 == 0 ? 0 : (size_t)len});
    }
    case TYPE_BYTES:
        memcpy(scratch, &number, sizeof(number));
        return of_bytes(type, (struct str){(char *)scratch, (size_t)(row % 9)});
    }
    fail();
    return of_int(TYPE_INT64, 0);
}

/* A file as the store makes them, and the digest we give it. */
static void example_store_make(const char *path, char out[DIGEST_TEXT_BYTES]) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    const char *sql = "CREATE TABLE \"my orders\"(id INTEGER PRIMARY KEY, amount BLOB, name TEXT, "
                      "ok INTEGER, at INTEGER, score REAL, extra TEXT, raw BLOB, \"odd \xc3\xa9\" "
                      "INTEGER) STRICT, WITHOUT ROWID; BEGIN";
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_stmt *insert = NULL;
    sql = "INSERT INTO \"my orders\" VALUES(?,?,?,?,?,?,?,?,?)";
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &insert, NULL), SQLITE_OK);
    struct digest d;
    digest_init(&d);
    uint64_t random = 7;
    for (int64_t row = 0; row < EXAMPLE_ROWS; row++) {
        for (size_t c = 0; c < EXAMPLE_FIELDS; c++) {
            uint8_t scratch[SCRATCH_BYTES];
            struct value v = cell_make(c, row, &random, scratch);
            cell_bind(insert, (int)c + 1, &v);
            add(&d, v);
        }
        digest_end_row(&d);
        assert_int_equal(sqlite3_step(insert), SQLITE_DONE);
        assert_int_equal(sqlite3_reset(insert), SQLITE_OK);
    }
    assert_int_equal(sqlite3_finalize(insert), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    digest_text(&d, out);
    digest_release(&d);
}

static void the_python_example_of_the_documentation_agrees(void **state) {
    (void)state;
    char python[] = PYTHON;
    char dash_c[] = "-c";
    char import[] = "import xxhash";
    char *const probe[] = {python, dash_c, import, NULL};
    if (run(probe, "/dev/null") != 0) {
        print_message("skipped: " PYTHON " has no module xxhash (python3-xxhash)\n");
        skip();
    }
    char dir[] = "/tmp/plumb-digest-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char script[100];
    char store[100];
    char output[100];
    path_in(script, sizeof(script), dir, "digest.py");
    path_in(store, sizeof(store), dir, "shop.db");
    path_in(output, sizeof(output), dir, "output");
    example_extract(script);
    char expected[DIGEST_TEXT_BYTES];
    example_store_make(store, expected);

    char columns[EXAMPLE_FIELDS][40];
    char table[] = "my orders";
    char *argv[4 + EXAMPLE_FIELDS + 1] = {python, script, store, table};
    for (size_t c = 0; c < EXAMPLE_FIELDS; c++) {
        (void)snprintf(columns[c], sizeof(columns[c]), "%s:%s", example_columns[c].name,
                       type_name(example_columns[c].type));
        argv[4 + c] = columns[c];
    }
    assert_int_equal(run(argv, output), 0);
    AUTO_BUF printed = BUF_INIT(1000);
    struct err err = ERR_INIT;
    assert_int_equal(file_read_all(output, &printed, &err), ERR_NONE);
    assert_int_equal(printed.len, strlen(expected) + 1); /* and the end of the line */
    assert_memory_equal(printed.data, expected, strlen(expected));
    assert_memory_equal(expected, "2000-", 5);
    assert_int_equal(unlink(script) + unlink(store) + unlink(output) + rmdir(dir), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_has_the_documented_digest),
        cmocka_unit_test(every_type_gives_the_documented_bytes),
        cmocka_unit_test(a_row_is_hashed_whole),
        cmocka_unit_test(a_row_without_columns_counts),
        cmocka_unit_test(the_order_of_rows_does_not_matter_and_that_of_columns_does),
        cmocka_unit_test(equal_rows_do_not_cancel_each_other),
        cmocka_unit_test(the_border_between_two_texts_matters),
        cmocka_unit_test(the_sum_carries_over_128_bits),
        cmocka_unit_test(the_longest_text_of_a_digest_fits),
        cmocka_unit_test(broken_int256_bytes_are_corrupt_and_add_nothing),
        cmocka_unit_test(a_row_over_the_limit_is_refused_and_adds_nothing),
        cmocka_unit_test(a_giant_row_does_not_keep_its_memory),
        cmocka_unit_test(the_python_example_of_the_documentation_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
