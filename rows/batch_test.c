#include "rows/batch.h"

#include "base/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>
/* after the five above */
#include <cmocka.h>

static uint64_t seed = UINT64_C(0x2545F4914F6CDD1D);

static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void add(struct batch *b, const char *text) {
    struct err err = ERR_INIT;
    assert_int_equal(batch_add(b, str_of(text), RECORD_WHOLE, &err), ERR_NONE);
}

static void begin(struct batch *b, const char *meta) {
    struct err err = ERR_INIT;
    assert_int_equal(batch_begin(b, str_of(meta), &err), ERR_NONE);
}

static void seal(struct batch *b) {
    struct err err = ERR_INIT;
    assert_int_equal(batch_seal(b, 1, &err), ERR_NONE);
}

/* Opens what b was sealed to. */
static enum err_code open_of(struct batch *opened, const struct batch *b, struct err *err) {
    return batch_open(opened, buf_str(&b->sealed), (int64_t)b->raw.len, b->hash, err);
}

static void assert_record(const struct batch *b, uint32_t pos, struct str bytes,
                          enum record_kind kind) {
    struct record r = batch_record(b, pos);
    assert_true(str_equal(r.bytes, bytes));
    assert_int_equal(r.kind, kind);
}

static void records_come_back_in_order_with_their_kinds(void **state) {
    (void)state;
    struct batch b;
    struct batch o;
    struct err err = ERR_INIT;
    batch_init(&b);
    batch_init(&o);
    begin(&b, "id,name");
    add(&b, "first");
    add(&b, "");
    assert_int_equal(batch_add(&b, STR("cut offset=1 length=2"), RECORD_TOO_LARGE, &err), ERR_NONE);
    assert_int_equal(batch_add(&b, STR("\"open"), RECORD_UNFRAMED, &err), ERR_NONE);
    assert_int_equal(batch_add(&b, STR("a\0b\n"), RECORD_WHOLE, &err), ERR_NONE);
    seal(&b);
    assert_int_equal(open_of(&o, &b, &err), ERR_NONE);
    const struct batch *both[] = {&b, &o};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(both[i]->count, 5);
        assert_true(str_equal_c(batch_meta(both[i]), "id,name"));
        assert_record(both[i], 0, STR("first"), RECORD_WHOLE);
        assert_record(both[i], 1, STR(""), RECORD_WHOLE);
        assert_record(both[i], 2, STR("cut offset=1 length=2"), RECORD_TOO_LARGE);
        assert_record(both[i], 3, STR("\"open"), RECORD_UNFRAMED);
        assert_record(both[i], 4, STR("a\0b\n"), RECORD_WHOLE);
    }
    assert_true(hash128_equal(b.hash, o.hash));
    batch_release(&b);
    batch_release(&o);
}

static void the_bytes_are_laid_out_as_documented(void **state) {
    (void)state;
    static const char expected[] = "PLB1\x02\0\0\0\x01\0\0\0m\x0D\0\0\0abc\x00\0\0\0";
    static const char zeros[BATCH_PADDING];
    struct batch b;
    struct err err = ERR_INIT;
    batch_init(&b);
    begin(&b, "m");
    assert_int_equal(batch_add(&b, STR("abc"), RECORD_TOO_LARGE, &err), ERR_NONE);
    add(&b, "");
    seal(&b);
    assert_int_equal(b.raw.len, sizeof(expected) - 1 + BATCH_PADDING);
    assert_memory_equal(b.raw.data, expected, sizeof(expected) - 1);
    assert_memory_equal(b.raw.data + sizeof(expected) - 1, zeros, BATCH_PADDING);
    assert_true(hash128_equal(b.hash, hash128_of(b.raw.data, b.raw.len)));
    batch_release(&b);
}

static void an_empty_batch_is_a_batch(void **state) {
    (void)state;
    struct batch b;
    struct batch o;
    struct err err = ERR_INIT;
    batch_init(&b);
    batch_init(&o);
    assert_int_equal(batch_begin(&b, (struct str){NULL, 0}, &err), ERR_NONE);
    seal(&b);
    assert_int_equal(b.raw.len, 12 + BATCH_PADDING);
    assert_int_equal(open_of(&o, &b, &err), ERR_NONE);
    assert_int_equal(o.count, 0);
    assert_int_equal(batch_meta(&o).len, 0);
    batch_release(&b);
    batch_release(&o);
}

static void space_given_out_is_filled_by_the_caller(void **state) {
    (void)state;
    struct batch b;
    struct err err = ERR_INIT;
    char *at = NULL;
    batch_init(&b);
    begin(&b, "");
    assert_int_equal(batch_add_space(&b, 3, &at, &err), ERR_NONE);
    memcpy(at, "xyz", 3);
    assert_int_equal(batch_add_space(&b, 0, &at, &err), ERR_NONE);
    add(&b, "next");
    seal(&b);
    assert_record(&b, 0, STR("xyz"), RECORD_WHOLE);
    assert_record(&b, 1, STR(""), RECORD_WHOLE);
    assert_record(&b, 2, STR("next"), RECORD_WHOLE);
    batch_release(&b);
}

static void a_batch_is_used_again_without_traces_of_the_last(void **state) {
    (void)state;
    struct batch b;
    struct batch fresh;
    batch_init(&b);
    batch_init(&fresh);
    begin(&b, "long meta of the first");
    for (int i = 0; i < 5000; i++) {
        add(&b, "a record of the first batch");
    }
    seal(&b);
    for (int level = 1; level <= 19; level += 9) {
        struct err err = ERR_INIT;
        begin(&b, "m");
        add(&b, "x");
        assert_int_equal(batch_seal(&b, level, &err), ERR_NONE);
        begin(&fresh, "m");
        add(&fresh, "x");
        assert_int_equal(batch_seal(&fresh, level, &err), ERR_NONE);
        assert_true(str_equal(buf_str(&b.sealed), buf_str(&fresh.sealed)));
        assert_true(hash128_equal(b.hash, fresh.hash));
        assert_int_equal(b.count, 1);
    }
    batch_release(&b);
    batch_release(&fresh);
}

static void many_random_records_come_back(void **state) {
    (void)state;
    struct batch b;
    struct batch o;
    struct err err = ERR_INIT;
    batch_init(&b);
    batch_init(&o);
    for (int round = 0; round < 20; round++) {
        char content[600];
        uint64_t start = seed;
        size_t count = next_random() % 3000;
        begin(&b, "meta");
        for (size_t i = 0; i < count; i++) {
            size_t len = next_random() % sizeof(content);
            memset(content, (int)(next_random() % 256), sizeof(content));
            assert_int_equal(batch_add(&b, (struct str){content, len},
                                       (enum record_kind)(next_random() % 3), &err),
                             ERR_NONE);
        }
        seal(&b);
        assert_int_equal(open_of(&o, &b, &err), ERR_NONE);
        assert_int_equal(o.count, count);
        seed = start;
        (void)next_random();
        for (uint32_t i = 0; i < count; i++) {
            size_t len = next_random() % sizeof(content);
            memset(content, (int)(next_random() % 256), sizeof(content));
            assert_record(&o, i, (struct str){content, len}, (enum record_kind)(next_random() % 3));
        }
    }
    batch_release(&b);
    batch_release(&o);
}

static void fill_sample(struct batch *b) {
    begin(b, "id,name,total");
    for (int i = 0; i < 40; i++) {
        char text[64];
        snprintf(text, sizeof(text), "{\"id\":%d,\"total\":%llu}", i,
                 (unsigned long long)next_random() % 100000);
        add(b, text);
    }
    seal(b);
}

/* A changed byte may leave a frame of the same content (bits that zstd ignores). That is harmless;
 * everything else must be CORRUPT. */
static void every_changed_byte_of_a_frame_is_found_or_harmless(void **state) {
    (void)state;
    struct batch b;
    struct batch o;
    size_t harmless = 0;
    batch_init(&b);
    batch_init(&o);
    fill_sample(&b);
    char *frame = b.sealed.data;
    for (size_t i = 0; i < b.sealed.len; i++) {
        char old = frame[i];
        for (int change = 1; change < 256; change++) {
            struct err err = ERR_INIT;
            frame[i] = (char)(old ^ change);
            enum err_code code = open_of(&o, &b, &err);
            if (code == ERR_NONE) {
                assert_true(str_equal(buf_str(&o.raw), buf_str(&b.raw)));
                assert_int_equal(o.count, b.count);
                harmless++;
            } else {
                assert_int_equal(code, ERR_CORRUPT);
                assert_true(strlen(err.message) > 10);
                assert_int_equal(o.count, 0);
            }
        }
        frame[i] = old;
    }
    assert_true(harmless <= b.sealed.len); /* of 255 times as many */
    batch_release(&b);
    batch_release(&o);
}

static void a_frame_cut_or_extended_is_corrupt(void **state) {
    (void)state;
    struct batch b;
    struct batch o;
    struct err err = ERR_INIT;
    batch_init(&b);
    batch_init(&o);
    fill_sample(&b);
    for (size_t len = 0; len < b.sealed.len; len++) {
        char *copy = mem_alloc(len > 0 ? len : 1); /* of its own, so that ASan sees an overrun */
        memcpy(copy, b.sealed.data, len);
        assert_int_equal(batch_open(&o, (struct str){copy, len}, (int64_t)b.raw.len, b.hash, &err),
                         ERR_CORRUPT);
        mem_free(copy);
    }
    struct buf longer;
    buf_init(&longer, 1 << 20);
    for (int twice = 0; twice < 2; twice++) {
        buf_clear(&longer);
        buf_addstr(&longer, buf_str(&b.sealed));
        buf_addstr(&longer, twice ? buf_str(&b.sealed) : STR("x"));
        assert_int_equal(batch_open(&o, buf_str(&longer), (int64_t)b.raw.len, b.hash, &err),
                         ERR_CORRUPT);
    }
    buf_release(&longer);
    batch_release(&b);
    batch_release(&o);
}

static void a_wrong_hash_or_size_is_corrupt(void **state) {
    (void)state;
    struct batch b;
    struct batch o;
    struct err err = ERR_INIT;
    batch_init(&b);
    batch_init(&o);
    fill_sample(&b);
    struct str frame = buf_str(&b.sealed);
    int64_t size = (int64_t)b.raw.len;
    const int64_t sizes[] = {size - 1, size + 1,  0,         -1,
                             75,       INT64_MIN, INT64_MAX, size + (1LL << 32)};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        assert_int_equal(batch_open(&o, frame, sizes[i], b.hash, &err), ERR_CORRUPT);
    }
    for (int bit = 0; bit < 64; bit++) {
        struct hash128 wrong = b.hash;
        wrong.low ^= UINT64_C(1) << bit;
        assert_int_equal(batch_open(&o, frame, size, wrong, &err), ERR_CORRUPT);
        wrong = b.hash;
        wrong.high ^= UINT64_C(1) << bit;
        assert_int_equal(batch_open(&o, frame, size, wrong, &err), ERR_CORRUPT);
    }
    assert_int_equal(batch_open(&o, frame, size, b.hash, &err), ERR_NONE);
    batch_release(&b);
    batch_release(&o);
}

/* Compresses raw as it is, with its true hash, and opens that. */
static enum err_code open_raw(const char *raw, size_t len, struct err *err) {
    struct batch o;
    size_t bound = ZSTD_compressBound(len);
    char *frame = mem_alloc(bound);
    size_t frame_len = ZSTD_compress(frame, bound, raw, len, 1);
    assert_false(ZSTD_isError(frame_len));
    batch_init(&o);
    enum err_code code =
        batch_open(&o, (struct str){frame, frame_len}, (int64_t)len, hash128_of(raw, len), err);
    batch_release(&o);
    mem_free(frame);
    return code;
}

static void a_layout_that_is_not_ours_is_corrupt_even_with_the_right_hash(void **state) {
    (void)state;
    static const struct {
        size_t at;
        unsigned char value;
        const char *message;
    } changes[] = {
        {0, 'Q', "magic"},
        {4, 3, "more records"},
        {13, 28, "end too early"},     /* the first record swallows the second */
        {4, 1, "belong to no record"}, /* a record less */
        {7, 0x80, "more records"},
        {8, 200, "meta"},
        {11, 0xFF, "meta"},
        {13, 0x0F, "kind"},
        {13, 0xFC, "beyond the end"},
        {16, 0xFF, "beyond the end"},
        {30, 1, "padding"},
        {24 + BATCH_PADDING - 1, 1, "padding"},
    };
    struct batch b;
    batch_init(&b);
    begin(&b, "m");
    add(&b, "abc");
    add(&b, "");
    seal(&b);
    assert_int_equal(b.raw.len, 24 + BATCH_PADDING);
    for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
        struct err err = ERR_INIT;
        char old = b.raw.data[changes[i].at];
        b.raw.data[changes[i].at] = (char)changes[i].value;
        assert_int_equal(open_raw(b.raw.data, b.raw.len, &err), ERR_CORRUPT);
        if (strstr(err.message, changes[i].message) == NULL) {
            fail_msg("case %zu: '%s' does not say '%s'", i, err.message, changes[i].message);
        }
        b.raw.data[changes[i].at] = old;
    }
    struct err err = ERR_INIT;
    assert_int_equal(open_raw(b.raw.data, b.raw.len, &err), ERR_NONE);
    assert_int_equal(open_raw(b.raw.data, b.raw.len - 1, &err), ERR_CORRUPT);
    batch_release(&b);
}

/* A frame of len zero bytes, made without having that many. */
static size_t compress_zeros(size_t len, char *frame, size_t frame_bytes) {
    static const char zeros[1 << 20];
    ZSTD_CCtx *context = ZSTD_createCCtx();
    assert_false(ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(context, len)));
    ZSTD_outBuffer out = {frame, frame_bytes, 0};
    size_t left = 1;
    while (left > 0) {
        size_t part = len < sizeof(zeros) ? len : sizeof(zeros);
        ZSTD_inBuffer in = {zeros, part, 0};
        len -= part;
        left = ZSTD_compressStream2(context, &out, &in, len > 0 ? ZSTD_e_continue : ZSTD_e_end);
        assert_false(ZSTD_isError(left));
        assert_int_equal(in.pos, part);
        left = len > 0 ? 1 : left;
    }
    (void)ZSTD_freeCCtx(context);
    return out.pos;
}

static void a_frame_that_swells_is_refused_before_it_does(void **state) {
    (void)state;
    static char frame[64 << 10];
    struct err err = ERR_INIT;
    struct batch o;
    size_t len = BATCH_RAW_BYTES_MAX + 1;
    const struct str bomb = {frame, compress_zeros(len, frame, sizeof(frame))};
    const struct hash128 hash = {0, 0};
    batch_init(&o);
    assert_int_equal(batch_open(&o, bomb, (int64_t)len, hash, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.message, "outside"));
    assert_int_equal(batch_open(&o, bomb, (int64_t)len - 1, hash, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.message, "were stored")); /* the maximum itself is no fault */
    assert_int_equal(batch_open(&o, bomb, 1000, hash, &err), ERR_CORRUPT);
    assert_int_equal(o.raw.capacity, 0); /* no memory was taken for it */
    batch_release(&o);
}

/* The size that the frame promises is a lie: what comes out is cut off there. */
static void a_frame_that_lies_about_its_size_is_corrupt(void **state) {
    (void)state;
    static char frame[64 << 10];
    struct err err = ERR_INIT;
    struct batch o;
    size_t len = 1000000;
    size_t frame_len = compress_zeros(len, frame, sizeof(frame));
    const struct hash128 hash = {0, 0};
    uint32_t promised = 0;
    size_t at = 4; /* the content size stands in 4 bytes behind magic, descriptor and window */
    while (promised != len && at < 10) {
        at++;
        memcpy(&promised, frame + at, sizeof(promised));
    }
    assert_int_equal(promised, len);
    batch_init(&o);
    const uint32_t lies[] = {1000, 999999, 1000001, 100000000};
    for (size_t i = 0; i < ARRAY_COUNT(lies); i++) {
        memcpy(frame + at, &lies[i], sizeof(lies[i]));
        assert_int_equal(batch_open(&o, (struct str){frame, frame_len}, lies[i], hash, &err),
                         ERR_CORRUPT);
    }
    batch_release(&o);
}

static void a_frame_without_a_size_is_refused(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct batch b;
    struct batch o;
    char frame[4096];
    batch_init(&b);
    batch_init(&o);
    fill_sample(&b);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0)));
    size_t len = ZSTD_compress2(context, frame, sizeof(frame), b.raw.data, b.raw.len);
    assert_false(ZSTD_isError(len));
    assert_int_equal(batch_open(&o, (struct str){frame, len}, (int64_t)b.raw.len, b.hash, &err),
                     ERR_CORRUPT);
    (void)ZSTD_freeCCtx(context);
    batch_release(&b);
    batch_release(&o);
}

static void after_a_corrupt_frame_the_batch_opens_a_good_one(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct batch b;
    struct batch o;
    batch_init(&b);
    batch_init(&o);
    fill_sample(&b);
    b.sealed.data[b.sealed.len / 2] ^= 0x55;
    assert_int_equal(open_of(&o, &b, &err), ERR_CORRUPT);
    b.sealed.data[b.sealed.len / 2] ^= 0x55;
    assert_int_equal(open_of(&o, &b, &err), ERR_NONE);
    assert_int_equal(o.count, 40);
    batch_release(&b);
    batch_release(&o);
}

static void the_record_beyond_the_maximum_is_a_limit(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct batch b;
    struct batch o;
    batch_init(&b);
    batch_init(&o);
    begin(&b, "");
    for (uint32_t i = 0; i < BATCH_RECORDS_MAX; i++) {
        add(&b, "");
    }
    assert_int_equal(batch_add(&b, STR(""), RECORD_WHOLE, &err), ERR_LIMIT);
    assert_int_equal(b.count, BATCH_RECORDS_MAX);
    seal(&b);
    assert_int_equal(open_of(&o, &b, &err), ERR_NONE);
    assert_int_equal(o.count, BATCH_RECORDS_MAX);
    batch_release(&b);
    batch_release(&o);
}

static void the_byte_beyond_the_maximum_is_a_limit(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct batch b;
    char *at = NULL;
    batch_init(&b);
    begin(&b, "");
    size_t room = BATCH_BYTES_MAX - 12 - 4;
    assert_int_equal(batch_add_space(&b, room + 1, &at, &err), ERR_LIMIT);
    assert_int_equal(batch_add_space(&b, SIZE_MAX, &at, &err), ERR_LIMIT);
    assert_int_equal(b.count, 0);
    assert_int_equal(b.raw.len, 12);
    assert_int_equal(batch_add_space(&b, room, &at, &err), ERR_NONE);
    assert_int_equal(batch_record(&b, 0).bytes.len, room);
    assert_int_equal(batch_add(&b, STR(""), RECORD_WHOLE, &err), ERR_LIMIT);
    assert_int_equal(b.count, 1);
    assert_int_equal(batch_begin(&b, (struct str){"", BATCH_BYTES_MAX}, &err), ERR_LIMIT);
    batch_release(&b);
}

static enum err_code life_of_a_batch(struct batch *b, struct batch *o, struct err *err) {
    if (batch_begin(b, STR("meta"), err) != ERR_NONE) {
        return err->code;
    }
    for (uint32_t i = 0; i < 3000; i++) {
        if (batch_add(b, STR("some record"), RECORD_WHOLE, err) != ERR_NONE) {
            assert_int_equal(b->count, i);
            return err->code;
        }
    }
    if (batch_seal(b, 1, err) != ERR_NONE) {
        assert_int_equal(b->sealed.len, 0);
        enum err_code code = err->code;
        struct err none = ERR_INIT;
        assert_int_equal(fault_arm(NULL, &none), ERR_NONE);
        assert_int_equal(batch_seal(b, 1, &none), ERR_NONE); /* sealing is tried again */
        assert_int_equal(open_of(o, b, &none), ERR_NONE);
        return code;
    }
    return open_of(o, b, err);
}

static void each_failing_allocation_is_a_limit_and_leaves_a_usable_batch(void **state) {
    (void)state;
    int failures = 0;
    enum err_code code = ERR_LIMIT;
    while (code != ERR_NONE && failures < 100) {
        char spec[32];
        struct err err = ERR_INIT;
        struct err none = ERR_INIT;
        struct batch b;
        struct batch o;
        batch_init(&b);
        batch_init(&o);
        snprintf(spec, sizeof(spec), "alloc:%d", failures + 1);
        assert_int_equal(fault_arm(spec, &none), ERR_NONE);
        code = life_of_a_batch(&b, &o, &err);
        assert_int_equal(fault_arm(NULL, &none), ERR_NONE);
        if (code != ERR_NONE) {
            assert_int_equal(code, ERR_LIMIT);
            assert_int_equal(life_of_a_batch(&b, &o, &none), ERR_NONE);
            failures++;
        }
        assert_int_equal(o.count, 3000);
        batch_release(&b);
        batch_release(&o);
    }
    assert_true(failures >= 3 && failures < 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_in_order_with_their_kinds),
        cmocka_unit_test(the_bytes_are_laid_out_as_documented),
        cmocka_unit_test(an_empty_batch_is_a_batch),
        cmocka_unit_test(space_given_out_is_filled_by_the_caller),
        cmocka_unit_test(a_batch_is_used_again_without_traces_of_the_last),
        cmocka_unit_test(many_random_records_come_back),
        cmocka_unit_test(every_changed_byte_of_a_frame_is_found_or_harmless),
        cmocka_unit_test(a_frame_cut_or_extended_is_corrupt),
        cmocka_unit_test(a_wrong_hash_or_size_is_corrupt),
        cmocka_unit_test(a_layout_that_is_not_ours_is_corrupt_even_with_the_right_hash),
        cmocka_unit_test(a_frame_that_swells_is_refused_before_it_does),
        cmocka_unit_test(a_frame_that_lies_about_its_size_is_corrupt),
        cmocka_unit_test(a_frame_without_a_size_is_refused),
        cmocka_unit_test(after_a_corrupt_frame_the_batch_opens_a_good_one),
        cmocka_unit_test(the_record_beyond_the_maximum_is_a_limit),
        cmocka_unit_test(the_byte_beyond_the_maximum_is_a_limit),
        cmocka_unit_test(each_failing_allocation_is_a_limit_and_leaves_a_usable_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
