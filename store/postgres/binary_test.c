/* Numeric and COPY forms: numbers there and back, bytes against what the format says, and everything
 * malformed. copy_test.c shows that a server agrees. */
#include "store/postgres/binary.h"

#include "base/test_support.h"

static struct int256 number(const char *text) {
    struct int256 v;
    assert_true(int256_parse(str_of(text), &v));
    return v;
}

static struct str encoded(const char *text, uint8_t out[PG_NUMERIC_BYTES_MAX]) {
    struct int256 v = number(text);
    return (struct str){(const char *)out, pg_numeric_encode(&v, out)};
}

#define MAX_TEXT                                                                                   \
    "115792089237316195423570985008687907853269984665640564039457584007913129639935" /* 2^256-1 */

static void a_number_comes_back(void **state) {
    (void)state;
    static const char *const texts[] = {
        "0",
        "1",
        "-1",
        "9999",
        "10000",
        "-10000",
        "99990000",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "340282366920938463463374607431768211456",
        "100000000000000000000000000000000000000000000000000000000000",
        MAX_TEXT,
        ("-" MAX_TEXT)};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        uint8_t bytes[PG_NUMERIC_BYTES_MAX];
        struct err err = ERR_INIT;
        struct int256 back;
        assert_int_equal(pg_numeric_decode(encoded(texts[i], bytes), &back, &err), ERR_NONE);
        char text[INT256_TEXT_BYTES];
        (void)int256_format(&back, text);
        assert_string_equal(text, texts[i]);
    }
}

static void the_bytes_are_those_of_the_format(void **state) {
    (void)state;
    uint8_t bytes[PG_NUMERIC_BYTES_MAX];
    /* 12345678 = 1234 * 10000 + 5678 */
    struct str s = encoded("-12345678", bytes);
    static const char expected[] = "\0\2\0\1\x40\0\0\0\x04\xd2\x16\x2e";
    assert_int_equal(s.len, sizeof(expected) - 1);
    assert_memory_equal(s.ptr, expected, s.len);
    s = encoded("50000", bytes); /* zeros at the end are left out: 5 * 10000^1 */
    static const char short_one[] = "\0\1\0\1\0\0\0\0\0\5";
    assert_int_equal(s.len, sizeof(short_one) - 1);
    assert_memory_equal(s.ptr, short_one, s.len);
    assert_int_equal(encoded("0", bytes).len, 8);
}

static void random_numbers_come_back(void **state) {
    (void)state;
    uint64_t seed = 7;
    for (int i = 0; i < 20000; i++) {
        struct int256 v = {{0}, false};
        const size_t limbs = next_random(&seed) % 5;
        for (size_t k = 0; k < limbs; k++) {
            v.limb[k] = next_random(&seed) >> (next_random(&seed) % 64);
        }
        v.negative = !int256_is_zero(&v) && (next_random(&seed) & 1) != 0;
        uint8_t bytes[PG_NUMERIC_BYTES_MAX];
        struct int256 back;
        struct err err = ERR_INIT;
        const size_t len = pg_numeric_encode(&v, bytes);
        assert_int_equal(pg_numeric_decode((struct str){(char *)bytes, len}, &back, &err),
                         ERR_NONE);
        assert_int_equal(int256_compare(&v, &back), 0);
    }
}

static enum err_code decode(const char *bytes, size_t len, struct int256 *out) {
    struct err err = ERR_INIT;
    const enum err_code code = pg_numeric_decode((struct str){bytes, len}, out, &err);
    assert_true(code == ERR_NONE || err.message[0] != '\0');
    return code;
}
#define DECODE(bytes, out) decode(bytes, sizeof(bytes) - 1, out)

static void what_is_no_whole_number_is_input(void **state) {
    (void)state;
    struct int256 v;
    assert_int_equal(DECODE("\0\0\0\0\xC0\0\0\0", &v), ERR_INPUT); /* NaN */
    assert_int_equal(DECODE("\0\0\0\0\xD0\0\0\0", &v), ERR_INPUT); /* infinity */
    assert_int_equal(DECODE("\0\0\0\0\xF0\0\0\0", &v), ERR_INPUT);
    assert_int_equal(DECODE("\0\1\377\377\0\0\0\1\x13\x88", &v), ERR_INPUT); /* 0.5 */
    assert_int_equal(DECODE("\0\2\0\0\0\0\0\1\0\1\x13\x88", &v), ERR_INPUT); /* 1.5 */
    assert_int_equal(DECODE("\0\1\0\x14\0\0\0\0\0\1", &v), ERR_INPUT);       /* 10^80 */
    assert_int_equal(DECODE("\0\1\x7f\377\0\0\0\0\0\1", &v), ERR_INPUT);
    assert_int_equal(DECODE("\0\1\0\x13\0\0\0\0\x0b\xb8", &v), ERR_INPUT); /* 3000 * 10^76 */
}

static void zeros_that_mean_nothing_are_taken(void **state) {
    (void)state;
    struct int256 v;
    assert_int_equal(DECODE("\0\2\0\0\0\0\0\4\0\5\0\0", &v), ERR_NONE); /* 5.0000 */
    struct int256 five = int256_from_i64(5);
    assert_int_equal(int256_compare(&v, &five), 0);
    assert_int_equal(DECODE("\0\2\0\1\0\0\0\0\0\0\0\5", &v), ERR_NONE); /* 00005 */
    assert_int_equal(int256_compare(&v, &five), 0);
    assert_int_equal(DECODE("\0\2\0\1\x40\0\0\0\0\0\0\0", &v), ERR_NONE); /* -0 */
    assert_true(int256_is_zero(&v) && !v.negative);
}

static void malformed_numerics_are_corrupt(void **state) {
    (void)state;
    struct int256 v;
    assert_int_equal(DECODE("", &v), ERR_CORRUPT);
    assert_int_equal(DECODE("\0\0\0\0\0\0\0", &v), ERR_CORRUPT);
    assert_int_equal(DECODE("\0\1\0\0\0\0\0\0", &v), ERR_CORRUPT);
    assert_int_equal(DECODE("\0\0\0\0\0\0\0\0\0\1", &v), ERR_CORRUPT);
    assert_int_equal(DECODE("\0\1\0\0\x12\x34\0\0\0\1", &v), ERR_CORRUPT);
    assert_int_equal(DECODE("\0\1\0\0\0\0\0\0\x27\x10", &v), ERR_CORRUPT); /* 10000 */
}

/* ---- rows ---- */

static const struct column columns[] = {
    {"i", TYPE_INT64}, {"f", TYPE_FLOAT64},    {"b", TYPE_BOOL}, {"t", TYPE_TEXT},
    {"x", TYPE_BYTES}, {"at", TYPE_TIMESTAMP}, {"j", TYPE_JSON}, {"n", TYPE_INT256}};
static const struct schema schema = {columns, ARRAY_COUNT(columns)};

static void rows_make(struct rows *r, struct arena *arena) {
    struct err err = ERR_INIT;
    arena_init(arena, 1 << 20);
    assert_int_equal(rows_init(r, &schema, arena, 4, &err), ERR_NONE);
    static uint8_t wei[INT256_ENCODED_MAX];
    struct int256 v = number("-12345678901234567890123");
    rows_set_i64(r, 0, INT64_MIN);
    rows_set_f64(r, 1, -2.5);
    rows_set_i64(r, 2, 1);
    rows_set_bytes(r, 3, STR("h\xc3\xa4"));
    rows_set_bytes(r, 4, STR("\0\377"));
    rows_set_i64(r, 5, 1234567);
    rows_set_bytes(r, 6, STR("{}"));
    rows_set_bytes(r, 7, (struct str){(char *)wei, int256_encode(&v, wei)});
    rows_commit(r, 3);
    for (size_t c = 0; c < schema.count; c++) {
        rows_set_null(r, c);
    }
    rows_commit(r, 9);
}

static void rows_come_back(void **state) {
    (void)state;
    struct rows r;
    struct arena arena;
    rows_make(&r, &arena);
    AUTO_BUF out = BUF_INIT(4096);
    struct err err = ERR_INIT;
    pg_copy_begin(&out);
    assert_int_equal(pg_copy_rows(&out, &r, 0, 2, NULL, &err), ERR_NONE);
    pg_copy_end(&out);
    struct str bytes = buf_str(&out);
    assert_int_equal(pg_copy_read_begin(&bytes, &err), ERR_NONE);
    uint8_t scratch[ARRAY_COUNT(columns) * INT256_ENCODED_MAX];
    struct value values[ARRAY_COUNT(columns)];
    for (size_t row = 0; row < 2; row++) {
        bool end = true;
        assert_int_equal(pg_copy_read_row(&bytes, &schema, scratch, values, &end, &err), ERR_NONE);
        assert_false(end);
        for (size_t c = 0; c < schema.count; c++) {
            struct value expected;
            rows_get(&r, row, c, &expected);
            assert_int_equal(values[c].is_null, expected.is_null);
            assert_true(expected.is_null || value_compare(&values[c], &expected) == 0);
        }
    }
    bool end = false;
    assert_int_equal(pg_copy_read_row(&bytes, &schema, scratch, values, &end, &err), ERR_NONE);
    assert_true(end && bytes.len == 0);
    arena_release(&arena);
}

static void a_place_stands_before_the_cells(void **state) {
    (void)state;
    struct rows r;
    struct arena arena;
    rows_make(&r, &arena);
    AUTO_BUF out = BUF_INIT(4096);
    struct err err = ERR_INIT;
    const int64_t place = 1000;
    assert_int_equal(pg_copy_rows(&out, &r, 1, 2, &place, &err), ERR_NONE);
    assert_int_equal(pg_get_u16(out.data), schema.count + 1);
    assert_int_equal(pg_get_u32(out.data + 2), 8);
    assert_true(pg_get_u64(out.data + 6) == 1009);
    assert_int_equal(out.len, 2 + 12 + 4 * schema.count); /* all NULL */
    arena_release(&arena);
}

static void a_full_buffer_is_a_limit(void **state) {
    (void)state;
    struct rows r;
    struct arena arena;
    rows_make(&r, &arena);
    AUTO_BUF out = BUF_INIT(64);
    struct err err = ERR_INIT;
    assert_int_equal(pg_copy_rows(&out, &r, 0, 2, NULL, &err), ERR_LIMIT);
    arena_release(&arena);
}

/* Every prefix of what is right, and every byte of it changed, is refused or read, and never more. */
static void malformed_rows_are_refused(void **state) {
    (void)state;
    struct rows r;
    struct arena arena;
    rows_make(&r, &arena);
    AUTO_BUF out = BUF_INIT(4096);
    struct err err = ERR_INIT;
    assert_int_equal(pg_copy_rows(&out, &r, 0, 1, NULL, &err), ERR_NONE);
    uint8_t scratch[ARRAY_COUNT(columns) * INT256_ENCODED_MAX];
    struct value values[ARRAY_COUNT(columns)];
    for (size_t len = 0; len < out.len; len++) {
        char *copy = mem_strndup(out.data, len);
        struct str bytes = {copy, len};
        bool end = false;
        assert_int_equal(pg_copy_read_row(&bytes, &schema, scratch, values, &end, &err),
                         ERR_CORRUPT);
        mem_free(copy);
    }
    size_t refused = 0;
    for (size_t i = 0; i < out.len * 8; i++) {
        char *copy = mem_strndup(out.data, out.len);
        copy[i / 8] = (char)(copy[i / 8] ^ (1 << i % 8));
        struct str bytes = {copy, out.len};
        bool end = false;
        refused +=
            pg_copy_read_row(&bytes, &schema, scratch, values, &end, &err) != ERR_NONE ? 1 : 0;
        mem_free(copy);
    }
    assert_true(refused > 100);
    arena_release(&arena);
}

static void a_header_must_be_ours(void **state) {
    (void)state;
    AUTO_BUF out = BUF_INIT(4096);
    struct err err = ERR_INIT;
    pg_copy_begin(&out);
    assert_int_equal(out.len, 19);
    for (size_t len = 0; len < out.len; len++) {
        struct str bytes = {out.data, len};
        assert_int_equal(pg_copy_read_begin(&bytes, &err), ERR_CORRUPT);
    }
    struct str bytes = buf_str(&out);
    out.data[11] = 1; /* a critical flag */
    assert_int_equal(pg_copy_read_begin(&bytes, &err), ERR_CORRUPT);
    out.data[11] = 0;
    out.data[18] = 1; /* an extension that is not there */
    assert_int_equal(pg_copy_read_begin(&bytes, &err), ERR_CORRUPT);
    out.data[18] = 0;
    assert_int_equal(pg_copy_read_begin(&bytes, &err), ERR_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_comes_back),
        cmocka_unit_test(the_bytes_are_those_of_the_format),
        cmocka_unit_test(random_numbers_come_back),
        cmocka_unit_test(what_is_no_whole_number_is_input),
        cmocka_unit_test(zeros_that_mean_nothing_are_taken),
        cmocka_unit_test(malformed_numerics_are_corrupt),
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(a_place_stands_before_the_cells),
        cmocka_unit_test(a_full_buffer_is_a_limit),
        cmocka_unit_test(malformed_rows_are_refused),
        cmocka_unit_test(a_header_must_be_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
