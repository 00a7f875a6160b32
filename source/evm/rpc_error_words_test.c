#include "base/test_support.h"

#include "source/evm/rpc_error_words.h"

static struct rpc_words words_of(const char *text) {
    struct rpc_words words;
    rpc_words_init(&words, str_of(text));
    return words;
}

static void assert_words(const char *text, const char *expected) {
    struct rpc_words words = words_of(text);
    struct str got = {words.text, words.len};
    if (!str_equal_c(got, expected)) {
        fail_msg("'%.*s' should be '%s'", STR_FMT(got), expected);
    }
}

static void words_are_small_single_spaced_and_without_commas_in_numbers(void **state) {
    (void)state;
    assert_words(" A  b\t\nC ", "a b c");
    assert_words("1,000 and 10,000,000", "1000 and 10000000");
    assert_words("a 1,00 1,0000 x,000 1, 000 ,000", "a 1,00 1,0000 x,000 1, 000 ,000");
    assert_words("", "");
    assert_words("   ", "");
}

static void long_texts_are_cut(void **state) {
    (void)state;
    static char text[3 * RPC_ERROR_TEXT_BYTES];
    memset(text, 'x', sizeof text);
    struct rpc_words words;
    rpc_words_init(&words, (struct str){text, sizeof text});
    assert_int_equal(words.len, RPC_ERROR_TEXT_BYTES);
    int64_t number = 0;
    assert_false(rpc_words_match(&words, "x*y", &number));
}

static void patterns_match_where_they_should(void **state) {
    (void)state;
    static const struct {
        const char *text, *pattern;
        bool is_match;
        int64_t number;
    } cases[] = {
        {"at most 100 blocks", "most # blocks", true, 100},
        {"at most 10k blocks", "most # blocks", true, 10000},
        {"at most 10kb", "most #", true, 10},
        {"10k.", "#", true, 10000},
        {"from 5 to 7 of 9", "from % to # of %", true, 7},
        {"a 12", "2", true, -1},
        {"a 12 3", "# 3", true, 12},
        {"no number", "#", false, 0},
        {"99999999999999999999 x", "# x", false, 0},
        {"abc", "^abc$", true, -1},
        {"abcd", "^abc$", false, 0},
        {"xabc", "^abc", false, 0},
        {"xabc", "abc$", true, -1},
        {"aab", "ab", true, -1},
        {"a one b two b three", "a*b three", true, -1},
        {"a one b two b three", "a*c", false, 0},
        {"cap of x, cap of 7 logs", "cap*of # logs", true, 7},
        {"", "", true, -1},
        {"", "a", false, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct rpc_words words = words_of(cases[i].text);
        int64_t number = -5;
        bool is_match = rpc_words_match(&words, cases[i].pattern, &number);
        if (is_match != cases[i].is_match || (is_match && number != cases[i].number)) {
            fail_msg("'%s' in '%s': %d %lld", cases[i].pattern, cases[i].text, is_match,
                     (long long)number);
        }
    }
}

static void a_gap_is_bounded(void **state) {
    (void)state;
    char text[600] = "a";
    memset(text + 1, '-', RPC_GAP_BYTES);
    text[1 + RPC_GAP_BYTES] = 'b';
    int64_t number = 0;
    struct rpc_words words = words_of(text);
    assert_true(rpc_words_match(&words, "a*b", &number));
    text[1 + RPC_GAP_BYTES] = '-';
    text[2 + RPC_GAP_BYTES] = 'b';
    words = words_of(text);
    assert_false(rpc_words_match(&words, "a*b", &number));
}

static void ranges_are_read_only_behind_their_announcement(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool is_range;
        uint64_t from, to;
    } cases[] = {
        {"this block range should work: [0x100, 0x1FF]", true, 0x100, 0x1FF},
        {"Try with this block range [0x1,0x2].", true, 1, 2},
        {"retry with the range 6000000-6000509", true, 6000000, 6000509},
        {"retry with the range 9-3", true, 9, 3},
        {"expected one of [0x1, 0x2]", false, 0, 0},
        {"this block range should work: [0x100, 0x1ff", false, 0, 0},
        {"this block range should work: [0x100]", false, 0, 0},
        {"this block range should work: [0x, 0x1]", false, 0, 0},
        {"this block range should work: [0x1234567890abcdef, 0x1]", false, 0, 0},
        {"this block range should work: ", false, 0, 0},
        {"retry with the range", false, 0, 0},
        {"retry with the range 5-", false, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct rpc_words words = words_of(cases[i].text);
        uint64_t from = 0;
        uint64_t to = 0;
        bool is_range = rpc_words_range(&words, &from, &to);
        if (is_range != cases[i].is_range ||
            (is_range && (from != cases[i].from || to != cases[i].to))) {
            fail_msg("'%s'", cases[i].text);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_small_single_spaced_and_without_commas_in_numbers),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(patterns_match_where_they_should),
        cmocka_unit_test(a_gap_is_bounded),
        cmocka_unit_test(ranges_are_read_only_behind_their_announcement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
