/* Hashes: published values, the canonical form, every length class. */
#include "base/hash.h"
#include "base/test_support.h"

static void check(const char *text, const char *expected, uint64_t expected_64) {
    char hex[HASH128_HEX_BYTES];
    hash128_to_hex(hash128_of(text, strlen(text)), hex);
    assert_string_equal(hex, expected);
    assert_true(hash64_of(text, strlen(text)) == expected_64);
}

static void known_values(void **state) {
    (void)state;
    check("", "99aa06d3014798d86001c324468d497f", UINT64_C(0x2d06800538d394c2));
    check("a", "a96faf705af16834e6c632b61e964e1f", UINT64_C(0xe6c632b61e964e1f));
    check("abc", "06b05ab6733a618578af5f94892f3950", UINT64_C(0x78af5f94892f3950));
}

static void bytes_are_high_first_and_read_back(void **state) {
    (void)state;
    struct hash128 h = {UINT64_C(0x0102030405060708), UINT64_C(0x090A0B0C0D0E0F10)};
    uint8_t bytes[16];
    hash128_to_bytes(h, bytes);
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal(bytes[i], i + 1);
    }
    assert_true(hash128_equal(hash128_from_bytes(bytes), h));
    assert_false(hash128_equal(h, (struct hash128){h.high, h.low + 1}));
    assert_false(hash128_equal(h, (struct hash128){h.high + 1, h.low}));
}

static void one_bit_changes_the_hash_at_every_length(void **state) {
    (void)state;
    char bytes[2000] = {0};
    for (size_t len = 1; len < sizeof bytes; len++) {
        struct hash128 before = hash128_of(bytes, len);
        assert_true(hash128_equal(before, hash128_of(bytes, len)));
        bytes[len / 2] = (char)(bytes[len / 2] ^ 1);
        assert_false(hash128_equal(before, hash128_of(bytes, len)));
        bytes[len / 2] = (char)(bytes[len / 2] ^ 1);
        assert_false(hash128_equal(before, hash128_of(bytes, len - 1)));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(bytes_are_high_first_and_read_back),
        cmocka_unit_test(one_bit_changes_the_hash_at_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
