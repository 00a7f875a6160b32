#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/evm/abi_type.h"

#include <stdio.h>
#include <string.h>

#define ARENA_MAX ((size_t)4 << 20)

/* Words of a small number each, big-endian; ~0 makes a word of 0xFF bytes. */
struct data {
    uint8_t bytes[8192];
    size_t len;
};

static void add_word(struct data *d, uint64_t v) {
    assert_true(d->len + ABI_WORD_BYTES <= sizeof(d->bytes));
    memset(d->bytes + d->len, v == UINT64_MAX ? 0xFF : 0, ABI_WORD_BYTES);
    for (size_t i = 0; i < sizeof(v); i++) {
        d->bytes[d->len + ABI_WORD_BYTES - 1 - i] = (uint8_t)(v >> (8 * i));
    }
    d->len += ABI_WORD_BYTES;
}

static struct data words(const uint64_t *values, size_t count) {
    struct data d = {.len = 0};
    for (size_t i = 0; i < count; i++) {
        add_word(&d, values[i]);
    }
    return d;
}
#define WORDS(...)                                                                                 \
    words((const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / 8)

/* A word whose bytes are text, padded with zeros. */
static void add_text(struct data *d, const char *text, size_t len) {
    size_t padded = (len + ABI_WORD_BYTES - 1) / ABI_WORD_BYTES * ABI_WORD_BYTES;
    assert_true(d->len + padded <= sizeof(d->bytes));
    memset(d->bytes + d->len, 0, padded);
    memcpy(d->bytes + d->len, text, len);
    d->len += padded;
}

static enum err_code decode(const char *types, const struct data *d, struct buf *out,
                            struct err *err) {
    struct arena arena;
    const struct abi_type *type = NULL;
    arena_init(&arena, ARENA_MAX);
    assert_int_equal(abi_type_parse(str_of(types), &arena, &type, err), ERR_NONE);
    /* a copy that ends where the data does, so that sanitizers see what reads too far */
    uint8_t *copy = mem_alloc(d->len + 1);
    memcpy(copy, d->bytes, d->len);
    copy = mem_realloc(copy, d->len > 0 ? d->len : 1);
    enum err_code code = abi_decode_json(type, (struct str){(const char *)copy, d->len}, out, err);
    mem_free(copy);
    arena_release(&arena);
    return code;
}

static void expect_json(const char *types, struct data d, const char *expected) {
    struct buf out = BUF_INIT(ABI_JSON_BYTES_MAX);
    struct err err = ERR_INIT;
    enum err_code code = decode(types, &d, &out, &err);
    if (code != ERR_NONE) {
        print_message("%s: %s\n", types, err.message);
    }
    assert_int_equal(code, ERR_NONE);
    assert_string_equal(buf_c(&out), expected);
    buf_release(&out);
}

static void expect_fault(const char *types, struct data d, const char *message) {
    struct buf out = BUF_INIT(ABI_JSON_BYTES_MAX);
    struct err err = ERR_INIT;
    buf_adds(&out, "kept");
    assert_int_equal(decode(types, &d, &out, &err), ERR_INPUT);
    if (strstr(err.message, message) == NULL) {
        print_message("%s: %s\n", types, err.message);
    }
    assert_non_null(strstr(err.message, message));
    assert_string_equal(buf_c(&out), "kept");
    buf_release(&out);
}

static void words_of_every_kind_become_json(void **state) {
    (void)state;
    expect_json("(uint8,int8,bool,bool)", WORDS(255, UINT64_MAX, 0, 1), "[255,-1,false,true]");
    expect_json("(uint256,int256)", WORDS(INT64_MAX, UINT64_MAX), "[9223372036854775807,-1]");
    expect_json("(uint256)", WORDS((uint64_t)1 << 63), "[\"9223372036854775808\"]");
    expect_json("(uint256)", WORDS(UINT64_MAX),
                "[\"115792089237316195423570985008687907853269984665640564039457584007913129639935"
                "\"]");
    expect_json("(address)", WORDS(0xAB), "[\"0x00000000000000000000000000000000000000ab\"]");
    struct data d = {.len = 0};
    add_text(&d, "abcd", 4);
    expect_json("(bytes4)", d, "[\"0x61626364\"]");
    expect_json("(uint8 a,bool b)", WORDS(1, 1), "{\"a\":1,\"b\":true}");
}

static void lists_and_tuples_nest(void **state) {
    (void)state;
    expect_json("(uint8[])", WORDS(32, 0), "[[]]");
    expect_json("(uint8[2][])", WORDS(32, 2, 1, 2, 3, 4), "[[[1,2],[3,4]]]");
    expect_json("(uint8[][2])", WORDS(32, 64, 128, 1, 7, 2, 8, 9), "[[[7],[8,9]]]");
    expect_json("(((uint8)))", WORDS(3), "[[[3]]]");
    expect_json("((uint8 x,uint8[] y) t,bool)", WORDS(64, 1, 5, 64, 1, 6),
                "[{\"x\":5,\"y\":[6]},true]");
}

static void bytes_and_text_are_taken_whole(void **state) {
    (void)state;
    struct data d = WORDS(32, 3);
    add_text(&d, "abc", 3);
    expect_json("(string)", d, "[\"abc\"]");
    expect_json("(bytes)", d, "[\"0x616263\"]");
    d.len -= 29; /* nothing pads it: the bytes are there all the same */
    expect_json("(string)", d, "[\"abc\"]");
    expect_json("(string)", WORDS(32, 0), "[\"\"]");
    expect_json("(bytes)", WORDS(32, 0), "[\"0x\"]");
}

static void hostile_text_stays_text(void **state) {
    (void)state;
    struct data d = WORDS(32, 15);
    add_text(&d, "\"\\\n\x01<\0\xC3\xA9\xFF\xED\xA0\x80\xF0\x9F\x9A", 15);
    expect_json("(string)", d,
                "[\"\\\"\\\\\\u000a\\u0001<\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
                "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"]");
}

static void dirty_padding_is_not_of_the_type(void **state) {
    (void)state;
    expect_fault("(uint8)", WORDS(256), "the word at byte 0 is beyond the bits of its unsigned");
    expect_fault("(uint248)", WORDS(UINT64_MAX), "unsigned integer");
    expect_fault("(int8)", WORDS(128), "signed integer");
    expect_fault("(int8)", WORDS(255), "signed integer");
    expect_fault("(bool)", WORDS(2), "is no bool");
    expect_fault("(bool)", WORDS(UINT64_MAX), "is no bool");
    expect_fault("(address)", WORDS(UINT64_MAX), "is no address");
    expect_fault("(bool,bytes4)", WORDS(0, 1), "the word at byte 32 is longer than its bytes type");
    expect_json("(int8,int8)", WORDS(127, UINT64_MAX - 0), "[127,-1]");
}

static void offsets_and_lengths_stay_inside(void **state) {
    (void)state;
    expect_fault("(uint8)", (struct data){.len = 31},
                 "the data ends after 31 bytes, a value is at byte 0");
    expect_fault("(uint8,uint8)", WORDS(1), "a value is at byte 32");
    expect_fault("(string)", WORDS(33), "the offset at byte 0 points behind the 32 bytes");
    expect_fault("(string)", WORDS(32), "the data ends after 32 bytes, a value is at byte 32");
    expect_fault("(string)", WORDS(UINT64_MAX), "the offset at byte 0 points behind");
    expect_fault("(string)", WORDS(UINT64_MAX - 1), "the offset at byte 0 points behind");
    expect_fault("(string)", WORDS(32, 1), "the length at byte 32 is more than the 64 bytes");
    expect_fault("(string)", WORDS(32, UINT64_MAX - 1), "the length at byte 32");
    expect_fault("(uint8[])", WORDS(32, 2, 1), "the length at byte 32 is more");
    expect_fault("(uint8[])", WORDS(32, (uint64_t)1 << 59), "the length at byte 32 is more");
    expect_fault("(uint8[][])", WORDS(32, 1, 64), "the offset at byte 64 points behind");
    expect_fault("(uint8[2])", WORDS(1), "the data ends after 32 bytes");
}

/* Four levels of ten items each that all point to the same next level: 10,000 values from 45 words. */
static void overlapping_offsets_cannot_multiply(void **state) {
    (void)state;
    struct data d = WORDS(32);
    for (int level = 0; level < 4; level++) {
        add_word(&d, 10);
        for (int i = 0; i < 10; i++) {
            add_word(&d, level < 3 ? 320 : 1);
        }
    }
    expect_fault("(uint8[][][][])", d, "point to the same places over and over");
    d = WORDS(32, 100);
    for (int i = 0; i < 100; i++) {
        add_word(&d, 100 * 32); /* all of them are one text */
    }
    add_word(&d, 1000);
    char text[1000];
    memset(text, 'x', sizeof(text));
    add_text(&d, text, sizeof(text));
    expect_fault("(string[])", d, "point to the same places over and over");
    /* a few that share are fine: an encoder may do that */
    d = WORDS(64, 64, 1);
    add_text(&d, "x", 1);
    expect_json("(string,string)", d, "[\"x\",\"x\"]");
}

static void dirty_text_is_repaired(void **state) {
    (void)state;
    struct buf out = BUF_INIT(1024);
    struct err err = ERR_INIT;
    assert_true(abi_text_is_clean(STR("caf\xC3\xA9")));
    assert_true(abi_text_is_clean((struct str){NULL, 0}));
    assert_false(abi_text_is_clean((struct str){"a\0b", 3}));
    assert_false(abi_text_is_clean(STR("\xC3")));
    assert_int_equal(abi_add_text((struct str){"a\0\xC3\xA9\x80z", 6}, &out, &err), ERR_NONE);
    assert_string_equal(buf_c(&out), "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBDz");
    buf_release(&out);
}

static void a_full_buffer_is_a_limit_and_changes_nothing(void **state) {
    (void)state;
    struct buf out = BUF_INIT(8);
    struct err err = ERR_INIT;
    struct data d = WORDS(32, 3, 1, 2, 3);
    buf_adds(&out, "ab");
    assert_int_equal(decode("(uint8[])", &d, &out, &err), ERR_LIMIT);
    assert_string_equal(buf_c(&out), "ab");
    buf_release(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_every_kind_become_json),
        cmocka_unit_test(lists_and_tuples_nest),
        cmocka_unit_test(bytes_and_text_are_taken_whole),
        cmocka_unit_test(hostile_text_stays_text),
        cmocka_unit_test(dirty_padding_is_not_of_the_type),
        cmocka_unit_test(offsets_and_lengths_stay_inside),
        cmocka_unit_test(overlapping_offsets_cannot_multiply),
        cmocka_unit_test(dirty_text_is_repaired),
        cmocka_unit_test(a_full_buffer_is_a_limit_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
