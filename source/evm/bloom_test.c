/* Bloom filters against one of the chain, and against bits worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "source/evm/bloom.h"

static void what_was_added_is_found_and_nothing_is_missed(void **state) {
    (void)state;
    uint8_t bloom[BLOOM_BYTES] = {0};
    for (unsigned i = 0; i < 50; i++) {
        const uint8_t bytes[4] = {(uint8_t)i, 1, 2, 3};
        const struct bloom_key key = bloom_key_of((struct str){(const char *)bytes, sizeof bytes});
        bloom_add(bloom, &key);
        assert_true(bloom_has(bloom, &key));
    }
    for (unsigned i = 0; i < 50; i++) {
        const uint8_t bytes[4] = {(uint8_t)i, 1, 2, 3};
        const struct bloom_key key = bloom_key_of((struct str){(const char *)bytes, sizeof bytes});
        assert_true(bloom_has(bloom, &key));
    }
}

static void an_empty_filter_has_nothing(void **state) {
    (void)state;
    const uint8_t bloom[BLOOM_BYTES] = {0};
    const struct bloom_key key = bloom_key_of(STR("anything"));
    assert_false(bloom_has(bloom, &key));
}

/* keccak256("") = c5d2 4601 86f7 ...: bits 0x5d2, 0x601, 0x6f7 of 2048, counted from the end. */
static void bits_lie_where_the_yellow_paper_says(void **state) {
    (void)state;
    uint8_t bloom[BLOOM_BYTES] = {0};
    const struct bloom_key key = bloom_key_of(STR(""));
    bloom_add(bloom, &key);
    uint8_t expected[BLOOM_BYTES] = {0};
    const unsigned bits[] = {0x5d2, 0x601, 0x6f7};
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *byte = &expected[BLOOM_BYTES - 1 - bits[i] / 8];
        *byte = (uint8_t)(*byte | 1u << bits[i] % 8);
    }
    assert_memory_equal(bloom, expected, BLOOM_BYTES);
    expected[BLOOM_BYTES - 1 - 0x601 / 8] = 0;
    assert_false(bloom_has(expected, &key));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found_and_nothing_is_missed),
        cmocka_unit_test(an_empty_filter_has_nothing),
        cmocka_unit_test(bits_lie_where_the_yellow_paper_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
