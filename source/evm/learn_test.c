/* Learned addresses: from which block they count, what a reorganisation forgets, and their notes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "source/evm/learn.h"

static void address_of(uint32_t n, uint8_t out[EVM_ADDRESS_BYTES]) {
    memset(out, 7, EVM_ADDRESS_BYTES);
    memcpy(out, &n, sizeof n);
}

static bool add(struct learned *l, uint32_t n, int64_t block) {
    struct err err = ERR_INIT;
    uint8_t address[EVM_ADDRESS_BYTES];
    bool is_new = false;
    address_of(n, address);
    assert_int_equal(learned_add(l, address, block, &is_new, &err), ERR_NONE);
    return is_new;
}

static bool has(const struct learned *l, uint32_t n, int64_t block) {
    uint8_t address[EVM_ADDRESS_BYTES];
    address_of(n, address);
    return learned_has(l, address, block);
}

static void an_address_counts_from_its_block_on(void **state) {
    (void)state;
    struct learned l;
    learned_init(&l);
    assert_false(has(&l, 1, 100));
    assert_true(add(&l, 1, 10));
    assert_false(add(&l, 1, 12));
    assert_false(has(&l, 1, 9));
    assert_true(has(&l, 1, 10));
    assert_true(has(&l, 1, 11));
    assert_true(add(&l, 1, 5)); /* seen earlier than thought */
    assert_true(has(&l, 1, 5));
    assert_int_equal(l.count, 1);
    learned_release(&l);
}

static void many_are_kept_apart_and_what_is_taken_back_is_forgotten(void **state) {
    (void)state;
    struct learned l;
    learned_init(&l);
    for (uint32_t i = 0; i < 20000; i++) {
        assert_true(add(&l, i, (int64_t)i));
    }
    learned_forget(&l, 15000);
    assert_int_equal(l.count, 15000);
    for (uint32_t i = 0; i < 20000; i++) {
        assert_int_equal(has(&l, i, INT64_MAX), i < 15000);
    }
    assert_true(add(&l, 19999, 15001));
    learned_release(&l);
}

static void a_note_reads_back(void **state) {
    (void)state;
    char note[LEARNED_NOTE_BYTES];
    uint8_t address[EVM_ADDRESS_BYTES];
    uint8_t back[EVM_ADDRESS_BYTES] = {0};
    struct err err = ERR_INIT;
    struct str set;
    int64_t block = 0;
    address_of(0xABCDEF01, address);
    const size_t len = learned_note_write("Created.pair", address, 1234567, note);
    const struct str text = {note, len};
    assert_int_equal(learned_note_read(text, &set, back, &block, &err), ERR_NONE);
    assert_true(str_equal_c(set, "Created.pair"));
    assert_memory_equal(address, back, sizeof back);
    assert_int_equal(block, 1234567);
}

static void what_is_no_note_is_corrupt(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        "{}",
        "{\"learned\":\"a.b\",\"address\":\"0x00\",\"block\":1}",
        "{\"learned\":\"a.b\",\"address\":\"0x0707070707070707070707070707070707070707\",\"block\":"
        "-1}",
        "{\"learned\":\"a.b\",\"address\":\"0x0707070707070707070707070707070707070707\",\"block\":"
        "1",
        "{\"learned\":\"a.b\",\"address\":\"0x070707070707070707070707070707070707070g\",\"block\":"
        "1}",
        "{\"learned\":\"a.b\",\"address\":\"0x0707070707070707070707070707070707070707\",\"block\":"
        "1}}",
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        uint8_t address[EVM_ADDRESS_BYTES];
        struct err err = ERR_INIT;
        struct str set;
        int64_t block = 0;
        assert_int_equal(learned_note_read(str_of(wrong[i]), &set, address, &block, &err),
                         ERR_CORRUPT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_counts_from_its_block_on),
        cmocka_unit_test(many_are_kept_apart_and_what_is_taken_back_is_forgotten),
        cmocka_unit_test(a_note_reads_back),
        cmocka_unit_test(what_is_no_note_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
