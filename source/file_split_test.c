/* Whatever the batches, the compression and the restarts: the same records. An independent reader
 * in this file, byte by byte over the whole text, says which. */
#include "source/file_test_support.h"

#define RECORD_MAX 300
#define TEXT_MAX   ((size_t)4 << 20)

/* ---- the independent reader ---- */

static void tell(struct buf *out, const char *partition, int kind, struct str record,
                 size_t offset) {
    buf_addf(out, "%s|%d|", partition, kind);
    if (record.len > RECORD_MAX) {
        size_t n = record.len < BATCH_PREFIX_BYTES ? record.len : BATCH_PREFIX_BYTES;
        buf_addstr(out, (struct str){record.ptr, n});
        buf_addf(out, " offset=%zu length=%zu", offset, record.len);
    } else {
        buf_addstr(out, record);
    }
    buf_addc(out, '\n');
}

static void read_independently(const char *text, size_t len, bool csv, const char *partition,
                               struct buf *out) {
    size_t start = len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    bool header = csv;
    while (start < len) {
        size_t end = start;
        bool inside = false;
        bool field = true; /* at the start of a cell */
        size_t opened = 0;
        for (; end < len && (inside || text[end] != '\n'); end++) {
            if (inside && text[end] == '"' && end + 1 < len && text[end + 1] == '"') {
                end++;
            } else if (inside) {
                inside = text[end] != '"';
            } else if (csv) {
                inside = field && text[end] == '"';
                opened = inside ? end : opened;
                field = text[end] == ',';
            }
        }
        const char *cut = inside && len - start <= RECORD_MAX
                              ? memchr(text + opened, '\n', len - opened)
                              : NULL; /* a quote never closed: up to the end of its line */
        end = cut != NULL ? (size_t)(cut - text) : end;
        size_t n = end - start;
        n -= n > 0 && text[end - 1] == '\r' && (!inside || cut != NULL) ? 1 : 0;
        if (n > 0 && !header) {
            int kind = inside ? RECORD_UNFRAMED : n > RECORD_MAX ? RECORD_TOO_LARGE : RECORD_WHOLE;
            tell(out, partition, kind, (struct str){text + start, n}, start);
        }
        header = header && n == 0;
        start = end + 1;
    }
}

/* ---- texts ---- */

static size_t random_length(uint64_t *seed) {
    switch (next_random(seed) % 16) {
    case 0:
        return 0;
    case 1:
        return RECORD_MAX - 2 + next_random(seed) % 5;
    case 2:
        return next_random(seed) % 64 == 0 ? 700000 : 4090 + next_random(seed) % 12;
    default:
        return 1 + next_random(seed) % 60;
    }
}

static void add_line_end(struct buf *b, uint64_t *seed) {
    buf_adds(b, next_random(seed) % 3 == 0 ? "\r\n" : "\n");
}

static void make_lines(struct buf *b, uint64_t *seed, size_t records) {
    buf_clear(b);
    buf_adds(b, next_random(seed) % 2 == 0 ? "\xEF\xBB\xBF" : "");
    for (size_t i = 0; i < records; i++) {
        for (size_t n = random_length(seed); n > 0; n--) {
            buf_addc(b, (char)('a' + (int)(next_random(seed) % 26)));
        }
        if (i + 1 < records || next_random(seed) % 2 == 0) {
            add_line_end(b, seed);
        }
    }
}

static void make_csv(struct buf *b, uint64_t *seed, size_t records) {
    static const char *const cells[] = {
        "", "1", "\"\"", "\"a\nb\"", "\"\"\"\"", "\"x,\r\n\"\"y\"", "word", "\"\n\n\""};
    buf_clear(b);
    buf_adds(b, "\n\"a\nb\",c\r\n");
    for (size_t i = 0; i < records; i++) {
        if (next_random(seed) % 8 == 0) {
            for (size_t n = random_length(seed); n > 0; n--) {
                buf_addc(b, 'x');
            }
        }
        buf_adds(b, next_random(seed) % 2 == 0 ? "p," : "");
        buf_adds(b, cells[next_random(seed) % ARRAY_COUNT(cells)]);
        if (next_random(seed) % 64 == 0) {
            buf_adds(b, ",\"");
            for (size_t n = random_length(seed); n > 0; n--) {
                buf_adds(b, "\n\"\"");
            }
            buf_adds(b, "\"");
        }
        add_line_end(b, seed);
    }
    static const char *const ends[] = {"", "last", "\"never\nclosed",
                                       "a,\"x\"\r\nb,\"y\n,\"z\r\nc\n\nd", "\"never closed\n"};
    buf_adds(b, ends[next_random(seed) % ARRAY_COUNT(ends)]);
}

/* ---- the property ---- */

static void write_packed(const char *name, const struct buf *text, enum file_compression c) {
    static char packed[2 * TEXT_MAX];
    if (c == COMPRESSION_NONE) {
        put_bytes(name, O_TRUNC, text->data, text->len);
        return;
    }
    size_t n = c == COMPRESSION_GZIP ? pack_gzip(text->data, text->len, 3, packed, sizeof(packed))
                                     : pack_zstd(text->data, text->len, 3, packed, sizeof(packed));
    put_bytes(name, O_TRUNC, packed, n);
}

/* reopen_one_in: 0 never, 1 after every batch, n by chance. */
static void read_split(const struct buf *expected, const char *pattern, uint32_t rows_max,
                       unsigned reopen_one_in, uint64_t *seed) {
    struct test_run r;
    run_init(&r, pattern);
    r.limit.rows_max = rows_max;
    r.env.record_bytes_max = RECORD_MAX;
    struct err err = ERR_INIT;
    do {
        assert_int_equal(run_step(&r, &err), ERR_NONE);
        if (r.state == SOURCE_BATCH && reopen_one_in > 0 &&
            next_random(seed) % reopen_one_in == 0) {
            run_reopen(&r);
        }
    } while (r.state != SOURCE_END);
    assert_int_equal(r.troubles, 0);
    if (r.told.len != expected->len || memcmp(r.told.data, expected->data, r.told.len) != 0) {
        size_t i = 0;
        while (i < r.told.len && i < expected->len && r.told.data[i] == expected->data[i]) {
            i++;
        }
        print_error("differs at byte %zu of %zu, rows_max %u: '%.60s' instead of '%.60s'\n", i,
                    expected->len, rows_max, buf_c(&r.told) + i, buf_c(expected) + i);
        fail();
    }
    run_release(&r);
}

static void check_all_splits(bool csv, enum file_compression c, size_t records) {
    static const uint32_t rows[] = {1, 2, 7, 1000};
    static const unsigned reopen[] = {0, 1, 5};
    const char *ending = csv ? "csv" : "jsonl";
    uint64_t seed = 7;
    AUTO_BUF text = BUF_INIT(TEXT_MAX);
    AUTO_BUF expected = BUF_INIT(TEXT_MAX);
    for (int round = 0; round < 3; round++) {
        buf_clear(&expected);
        for (int file = 0; file < 3; file++) {
            char name[64];
            (void)snprintf(name, sizeof(name), "f%d.%s", file, ending);
            csv ? make_csv(&text, &seed, records) : make_lines(&text, &seed, records);
            write_packed(name, &text, c);
            read_independently(text.data, text.len, csv, name, &expected);
        }
        for (size_t i = 0; i < ARRAY_COUNT(rows) * ARRAY_COUNT(reopen); i++) {
            read_split(&expected, csv ? "*.csv" : "*.jsonl", rows[i / ARRAY_COUNT(reopen)],
                       reopen[i % ARRAY_COUNT(reopen)], &seed);
        }
    }
}

static void any_split_of_plain_lines_gives_the_same_records(void **state) {
    (void)state;
    check_all_splits(false, COMPRESSION_NONE, 500);
}

static void any_split_of_plain_csv_gives_the_same_records(void **state) {
    (void)state;
    check_all_splits(true, COMPRESSION_NONE, 500);
}

static void any_split_of_gzip_gives_the_same_records(void **state) {
    (void)state;
    check_all_splits(false, COMPRESSION_GZIP, 100);
    check_all_splits(true, COMPRESSION_GZIP, 100);
}

static void any_split_of_zstd_gives_the_same_records(void **state) {
    (void)state;
    check_all_splits(false, COMPRESSION_ZSTD, 100);
    check_all_splits(true, COMPRESSION_ZSTD, 100);
}

/* ---- compressed files that are not whole ---- */

static void truncated_gzip_gives_what_is_whole_then_trouble(void **state) {
    (void)state;
    AUTO_BUF text = BUF_INIT(TEXT_MAX);
    static char packed[1 << 20];
    for (int i = 0; i < 20000; i++) {
        buf_addf(&text, "{\"n\":%d}\n", i);
    }
    size_t len = pack_gzip(text.data, text.len, 1, packed, sizeof(packed));
    struct test_run r;
    run_init(&r, "*.jsonl*");
    r.conf.format = FORMAT_JSONL;
    put_bytes("a.jsonl.gz", 0, packed, len - 100);
    put_file("b.jsonl", "1\n");
    run_drain(&r);
    run_expect_trouble(&r, "a.jsonl.gz", "gzip data ends early after");
    assert_non_null(strstr(buf_c(&r.told), "a.jsonl.gz|0|{\"n\":15000}\n"));
    assert_non_null(strstr(buf_c(&r.told), "b.jsonl|0|1\n"));
    /* The rest arrives. */
    put_bytes("a.jsonl.gz", O_TRUNC, packed, len);
    run_reopen(&r);
    run_drain(&r);
    assert_int_equal(r.troubles, 0);
    assert_int_equal(run_partition(&r, "a.jsonl.gz")->records, 20000);
    /* Read to its end: not even opened again. */
    size_t batches = r.batches;
    run_reopen(&r);
    run_drain(&r);
    assert_int_equal(r.batches, batches);
    run_release(&r);
}

static void damaged_data_is_trouble_and_others_go_on(void **state) {
    (void)state;
    for (int zstd = 0; zstd < 2; zstd++) {
        AUTO_BUF text = BUF_INIT(TEXT_MAX);
        static char packed[1 << 20];
        uint64_t seed = 3;
        for (int i = 0; i < 50000; i++) {
            buf_addf(&text, "%llu\n", (unsigned long long)next_random(&seed));
        }
        size_t len = zstd == 1 ? pack_zstd(text.data, text.len, 1, packed, sizeof(packed))
                               : pack_gzip(text.data, text.len, 1, packed, sizeof(packed));
        memset(packed + len / 2, 0x55, 200);
        struct test_run r;
        run_init(&r, "*.jsonl");
        put_bytes("a.jsonl", O_TRUNC, packed, len);
        put_file("b.jsonl", "1\n");
        run_drain(&r);
        run_expect_trouble(&r, "a.jsonl",
                           zstd == 1 ? "zstd data is damaged" : "gzip data is damaged");
        assert_true(run_partition(&r, "a.jsonl")->records > 100);
        assert_int_equal(run_partition(&r, "b.jsonl")->records, 1);
        run_release(&r);
    }
}

/* One wrong byte in stored data is noticed by the checksum alone, after all records were seen. */
static void nothing_is_taken_from_a_damaged_file_that_is_verified(void **state) {
    (void)state;
    static char packed[4096];
    for (int verify = 0; verify < 2; verify++) {
        size_t len = pack_gzip("1\n2\n3\n", 6, 1, packed, sizeof(packed));
        packed[len - 8] ^= 1; /* of the checksum */
        struct test_run r;
        run_init(&r, "a.jsonl.gz");
        r.conf.verify = verify == 1;
        put_bytes("a.jsonl.gz", O_TRUNC, packed, len);
        run_drain(&r);
        run_expect_trouble(&r, "a.jsonl.gz",
                           verify == 1 ? "(incorrect data check); nothing is taken"
                                       : "(incorrect data check); the records before");
        run_expect(&r, verify == 1 ? "" : "a.jsonl.gz|0|1\na.jsonl.gz|0|2\na.jsonl.gz|0|3\n");
        packed[len - 8] ^= 1;
        put_bytes("a.jsonl.gz", O_TRUNC, packed, len);
        run_reopen(&r);
        run_drain(&r);
        assert_int_equal(r.troubles, 0); /* of its bytes, decompressed, none has changed */
        assert_int_equal(run_partition(&r, "a.jsonl.gz")->records, 3);
        run_release(&r);
    }
}

static void a_compressed_file_still_being_written_is_waited_for(void **state) {
    (void)state;
    static char packed[4096];
    size_t len = pack_gzip("1\n2\n3\n", 6, 1, packed, sizeof(packed));
    struct test_run r;
    run_init(&r, "a.jsonl.gz");
    r.env.once = false;
    put_bytes("a.jsonl.gz", 0, packed, len - 4);
    run_drain(&r);
    assert_int_equal(r.troubles, 0);
    put_bytes("a.jsonl.gz", O_APPEND, packed + len - 4, 4);
    run_drain(&r);
    run_expect(&r, "a.jsonl.gz|0|1\na.jsonl.gz|0|2\na.jsonl.gz|0|3\n");
    put_bytes("a.jsonl.gz", O_APPEND, packed, len - 4);
    run_drain(&r);
    test_now_us += FILE_SETTLE_US;
    run_drain(&r);
    run_expect_trouble(&r, "a.jsonl.gz", "ends early");
    run_release(&r);
}

/* ---- CSV headers ---- */

static void the_header_is_the_meta_of_every_batch(void **state) {
    (void)state;
    struct test_run r;
    struct err err = ERR_INIT;
    run_init(&r, "a.csv");
    r.limit.rows_max = 1;
    put_file("a.csv", "id,\"na\nme\"\r\n1,a\r\n2,b\r\n");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(run_step(&r, &err), ERR_NONE);
        assert_string_equal(buf_c(&r.meta), "id,\"na\nme\"");
        run_reopen(&r);
    }
    run_expect(&r, "a.csv|0|1,a\na.csv|0|2,b\n");
    run_release(&r);
}

static void a_header_alone_is_nothing_and_may_grow(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "a.csv");
    r.env.once = false;
    put_file("a.csv", "id,na");
    run_drain(&r);
    test_now_us += FILE_SETTLE_US;
    run_drain(&r);
    append_file("a.csv", "me\n1,x\n");
    run_drain(&r);
    assert_string_equal(buf_c(&r.meta), "id,name");
    run_expect(&r, "a.csv|0|1,x\n");
    assert_int_equal(r.troubles, 0);
    run_release(&r);
}

static void an_impossible_header_is_trouble(void **state) {
    (void)state;
    struct test_run r;
    run_init(&r, "*.csv");
    put_file("a.csv", "id,\"name\n1,x\n");
    run_drain(&r);
    run_expect_trouble(&r, "a.csv", "a quote in the CSV header is never closed");
    run_close(&r);
    AUTO_BUF text = BUF_INIT(TEXT_MAX);
    for (size_t i = 0; i <= FILE_HEADER_BYTES_MAX; i++) {
        buf_addc(&text, 'x');
    }
    buf_adds(&text, "\n1\n");
    assert_int_equal(remove(in_home("a.csv")), 0);
    put_file("b.csv", buf_c(&text));
    put_file("c.csv", buf_c(&text) + 1);
    run_drain(&r);
    run_expect_trouble(&r, "b.csv", "the CSV header is longer than 65536 bytes");
    run_expect(&r, "c.csv|0|1\n");
    run_release(&r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_enter, test_leave)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(any_split_of_plain_lines_gives_the_same_records),
        TEST(any_split_of_plain_csv_gives_the_same_records),
        TEST(any_split_of_gzip_gives_the_same_records),
        TEST(any_split_of_zstd_gives_the_same_records),
        TEST(truncated_gzip_gives_what_is_whole_then_trouble),
        TEST(damaged_data_is_trouble_and_others_go_on),
        TEST(nothing_is_taken_from_a_damaged_file_that_is_verified),
        TEST(a_compressed_file_still_being_written_is_waited_for),
        TEST(the_header_is_the_meta_of_every_batch),
        TEST(a_header_alone_is_nothing_and_may_grow),
        TEST(an_impossible_header_is_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
