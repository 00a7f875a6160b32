#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/evm/keccak.h"

#include <stdio.h>
#include <string.h>

static void expect_hash(struct str data, const char *expected) {
    uint8_t hash[KECCAK256_BYTES];
    char text[2 * KECCAK256_BYTES + 1];
    keccak256(data, hash);
    for (size_t i = 0; i < sizeof(hash); i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", hash[i]);
    }
    assert_string_equal(text, expected);
}

/* The empty text is in the reference's own test vectors (ShortMsgKAT_256, Len = 0). */
static void the_hash_of_nothing_is_the_published_one(void **state) {
    (void)state;
    expect_hash((struct str){NULL, 0},
                "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
}

static void short_messages_hash_as_in_the_reference_vectors(void **state) {
    (void)state;
    /* ShortMsgKAT_256: Len = 8 and Len = 16 */
    expect_hash(STR("\xCC"), "eead6dbfc7340a56caedc044696a168870549a6a7f6f56961e84a54bd9970b8a");
    expect_hash(STR("\x41\xFB"),
                "a8eaceda4d47b3281a795ad9e1ea2122b407baf9aabcb9e18b5717b7873537d2");
    expect_hash(STR("abc"), "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
}

static void known_events_have_their_known_topics(void **state) {
    (void)state;
    expect_hash(STR("Transfer(address,address,uint256)"),
                "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
    expect_hash(STR("Approval(address,address,uint256)"),
                "8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925");
    expect_hash(STR("Sync(uint112,uint112)"),
                "1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1");
}

/* Computed with the reference's Python code: n bytes 'a', around the rate of 136 bytes. */
static void lengths_around_a_block_are_padded_right(void **state) {
    (void)state;
    static const struct {
        size_t len;
        const char *hash;
    } cases[] = {
        {135, "34367dc248bbd832f4e3e69dfaac2f92638bd0bbd18f2912ba4ef454919cf446"},
        {136, "a6c4d403279fe3e0af03729caada8374b5ca54d8065329a3ebcaeb4b60aa386e"},
        {137, "d869f639c7046b4929fc92a4d988a8b22c55fbadb802c0c66ebcd484f1915f39"},
        {272, "cf7fcd4f705ee749930d19ca84561a9bf62516bd90a471545fa2f49fdc7e63c8"},
    };
    char text[512];
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_hash((struct str){text, cases[i].len}, cases[i].hash);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_of_nothing_is_the_published_one),
        cmocka_unit_test(short_messages_hash_as_in_the_reference_vectors),
        cmocka_unit_test(known_events_have_their_known_topics),
        cmocka_unit_test(lengths_around_a_block_are_padded_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
