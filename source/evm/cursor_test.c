/* The cursor: what is written is read back, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "source/evm/cursor.h"

static struct cursor *cursor_of(int64_t base, int64_t blocks, bool has_hash) {
    struct cursor *c = mem_alloc(sizeof *c);
    c->chain_id = 31337;
    c->from = 7;
    c->finalized = base;
    c->set_count = 2;
    c->learned[1] = 5;
    memset(c->filter, 'a', sizeof c->filter - 1);
    struct window_block b = {.number = base, .records = 3, .has_hash = has_hash};
    if (has_hash) {
        memset(b.hash, 0x5A, sizeof b.hash);
    }
    window_init(&c->window, &b);
    for (int64_t i = 1; i <= blocks; i++) {
        struct window_block next = {.number = base + i, .records = 3 + i / 2, .has_hash = true};
        memset(next.hash, (int)i, sizeof next.hash);
        window_push(&c->window, &next);
    }
    return c;
}

static void same_after_reading(int64_t base, int64_t blocks, bool has_hash) {
    struct cursor *c = cursor_of(base, blocks, has_hash);
    struct cursor *back = mem_alloc(sizeof *back);
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF again = BUF_INIT(BUF_TEXT_MAX);
    struct err err = ERR_INIT;
    cursor_write(c, &text);
    assert_int_equal(cursor_read(buf_str(&text), back, &err), ERR_NONE);
    cursor_write(back, &again);
    assert_true(str_equal(buf_str(&text), buf_str(&again)));
    assert_int_equal(cursor_next(back), base + blocks + 1);
    assert_int_equal(back->window.count, blocks);
    assert_int_equal(back->window.base.has_hash, has_hash);
    assert_int_equal(back->learned[1], 5);
    mem_free(c);
    mem_free(back);
}

static void it_reads_back(void **state) {
    (void)state;
    same_after_reading(100, 0, true);
    same_after_reading(100, 64, true);
    same_after_reading(6, 0, false);
    same_after_reading(100, WINDOW_BLOCKS_MAX, true);
}

static void a_full_one_fits_into_its_room(void **state) {
    (void)state;
    struct cursor *c = cursor_of(INT64_C(1) << 40, WINDOW_BLOCKS_MAX, true);
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    cursor_write(c, &text);
    assert_true(text.len < BATCH_CURSOR_BYTES_MAX);
    mem_free(c);
}

/* Every byte changed, every length: read as something valid or refused, never a crash; and a cut text is always
 * refused. */
static void damage_is_found_or_harmless(void **state) {
    (void)state;
    struct cursor *c = cursor_of(100, 3, true);
    struct cursor *back = mem_alloc(sizeof *back);
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    cursor_write(c, &text);
    for (size_t len = 0; len < text.len; len++) {
        struct err err = ERR_INIT;
        assert_int_equal(cursor_read((struct str){text.data, len}, back, &err), ERR_CORRUPT);
    }
    for (size_t i = 0; i < text.len; i++) {
        struct err err = ERR_INIT;
        const char kept = text.data[i];
        text.data[i] = 'z';
        const enum err_code code = cursor_read(buf_str(&text), back, &err);
        assert_true(code == ERR_NONE || code == ERR_CORRUPT);
        text.data[i] = kept;
    }
    mem_free(c);
    mem_free(back);
}

static void what_does_not_add_up_is_corrupt(void **state) {
    (void)state;
    static const char *const changes[][2] = {
        {"\"version\":1", "\"version\":2"},   {"\"next\":103", "\"next\":104"},
        {"\"records\":4,", "\"records\":5,"}, {"\"chain\":31337", "\"chain\":-1"},
        {"\"from\":7", "\"from\":104"},       {"\"filter\":\"a", "\"filter\":\""},
    };
    struct cursor *c = cursor_of(100, 2, true);
    struct cursor *back = mem_alloc(sizeof *back);
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    cursor_write(c, &text);
    for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
        const char *at = strstr(buf_c(&text), changes[i][0]);
        assert_non_null(at);
        AUTO_BUF changed = BUF_INIT(BUF_TEXT_MAX);
        buf_addstr(&changed, (struct str){text.data, (size_t)(at - text.data)});
        buf_adds(&changed, changes[i][1]);
        buf_adds(&changed, at + strlen(changes[i][0]));
        struct err err = ERR_INIT;
        assert_int_equal(cursor_read(buf_str(&changed), back, &err), ERR_CORRUPT);
    }
    mem_free(c);
    mem_free(back);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_reads_back),
        cmocka_unit_test(a_full_one_fits_into_its_room),
        cmocka_unit_test(damage_is_found_or_harmless),
        cmocka_unit_test(what_does_not_add_up_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
