/* The scanner against one that goes byte by byte, on random texts and at every cut. */
#include "base/test_support.h"

#include "source/evm/rpc_scan.h"

#define TEXT_MAX 700

/* The plain way: where the container at text[0] ends, or 0. */
static size_t plain_end(const char *text, size_t len) {
    char open[RPC_DEPTH_MAX];
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            i += c == '\\' ? 1 : 0;
            in_string = c != '"';
            continue;
        }
        if (c == '\\' && i + 1 < len && (text[i + 1] == '"' || text[i + 1] == '\\')) {
            i++; /* no JSON, but the scanner's way */
        }
        in_string = c == '"';
        if (c == '{' || c == '[') {
            if (depth == RPC_DEPTH_MAX) {
                return 0;
            }
            open[depth] = c == '{' ? '}' : ']';
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
            if (open[depth] != c) {
                return 0;
            }
            if (depth == 0) {
                return i + 1;
            }
        }
    }
    return 0;
}

/* Checked in memory that ends where the text ends, so that a sanitizer sees what is read behind it. */
static void check(const char *text, size_t len) {
    char *exact = malloc(len);
    memcpy(exact, text, len);
    const char *fault = NULL;
    const char *end = rpc_scan_container(exact, exact + len, 0, &fault);
    size_t expected = plain_end(text, len);
    if (expected != (end == NULL ? 0 : (size_t)(end - exact)) || (end == NULL) != (fault != NULL)) {
        fail_msg("'%.*s': %zu is right", (int)len, text, expected);
    }
    free(exact);
}

static void random_texts_end_where_the_plain_scanner_says(void **state) {
    (void)state;
    static const char bytes[] = "{}[]\"\\\"\"\\{[a ,:";
    uint64_t seed = 1;
    for (size_t round = 0; round < 60000; round++) {
        char text[TEXT_MAX];
        size_t len = 1 + next_random(&seed) % (round % 10 == 0 ? TEXT_MAX : 140);
        text[0] = next_random(&seed) % 2 == 0 ? '{' : '[';
        bool is_calm = next_random(&seed) % 2 == 0; /* mostly plain bytes, to get far */
        for (size_t i = 1; i < len; i++) {
            uint64_t r = next_random(&seed);
            text[i] = is_calm && r % 8 != 0 ? 'x' : bytes[(r >> 8) % (sizeof bytes - 1)];
        }
        check(text, len);
    }
}

static void a_backslash_at_any_place_of_a_block_escapes_what_follows(void **state) {
    (void)state;
    for (size_t before = 0; before < 200; before++) {
        for (size_t backslashes = 0; backslashes < 5; backslashes++) {
            char text[TEXT_MAX];
            size_t len = 0;
            text[len++] = '[';
            text[len++] = '"';
            memset(text + len, 'a', before);
            len += before;
            memset(text + len, '\\', backslashes);
            len += backslashes;
            memcpy(text + len, "\"]\"]", 4);
            check(text, len + 4);
        }
    }
}

static void depth_is_bounded_and_counts_what_is_open_already(void **state) {
    (void)state;
    char text[2 * RPC_DEPTH_MAX + 2] = "";
    const char *fault = NULL;
    memset(text, '[', RPC_DEPTH_MAX);
    memset(text + RPC_DEPTH_MAX, ']', RPC_DEPTH_MAX);
    const char *end = text + 2 * (size_t)RPC_DEPTH_MAX;
    assert_ptr_equal(rpc_scan_container(text, end, 0, &fault), end);
    assert_null(rpc_scan_container(text, end, 1, &fault));
    assert_non_null(strstr(fault, "deeper"));
    memset(text, '[', RPC_DEPTH_MAX + 1);
    assert_null(rpc_scan_container(text, end, 0, &fault));
    assert_null(rpc_scan_container(text, end, RPC_DEPTH_MAX + 5, &fault));
}

static void a_string_ends_at_its_first_unescaped_quote(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int end; /* -1: none */
    } cases[] = {{"\"", 1}, {"abc\"d\"", 4}, {"a\\\"b\"", 5}, {"\\\\\"x\"", 3}, {"\\\\\\\"x\"", 6},
                 {"", -1},  {"abc", -1},     {"abc\\\"", -1}, {"\\", -1}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const char *text = cases[i].text;
        const char *end = rpc_scan_string(text, text + strlen(text));
        assert_int_equal(end == NULL ? -1 : (int)(end - text), cases[i].end);
    }
}

static void scalars_end_where_no_scalar_goes_on(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int end;
    } cases[] = {{"null,", 4}, {"-1.5e+3]", 7}, {"true", 4}, {",", -1},
                 {"", -1},     {"\"a\"b", 3},   {"}", -1}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const char *fault = NULL;
        const char *text = cases[i].text;
        const char *end = rpc_scan_value(text, text + strlen(text), 0, &fault);
        assert_int_equal(end == NULL ? -1 : (int)(end - text), cases[i].end);
        assert_true((end == NULL) == (fault != NULL));
    }
}

static void a_member_is_a_name_a_colon_and_a_value(void **state) {
    (void)state;
    static const char *const wrong[] = {"",        "a:1",    "\"a",     "\"a\"",
                                        "\"a\" 1", "\"a\":", "\"a\":}", "1:2"};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct str key = STR("-");
        struct str value = STR("-");
        const char *fault = NULL;
        assert_null(
            rpc_scan_member(wrong[i], wrong[i] + strlen(wrong[i]), 0, &key, &value, &fault));
        assert_non_null(fault);
    }
    const char *text = " \"a\\\"b\" :\n[1, 2] ,";
    struct str key;
    struct str value;
    const char *fault = NULL;
    const char *end = rpc_scan_member(text, text + strlen(text), 0, &key, &value, &fault);
    assert_string_equal(end, " ,");
    assert_true(str_equal_c(key, "a\\\"b") && str_equal_c(value, "[1, 2]"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_texts_end_where_the_plain_scanner_says),
        cmocka_unit_test(a_backslash_at_any_place_of_a_block_escapes_what_follows),
        cmocka_unit_test(depth_is_bounded_and_counts_what_is_open_already),
        cmocka_unit_test(a_string_ends_at_its_first_unescaped_quote),
        cmocka_unit_test(scalars_end_where_no_scalar_goes_on),
        cmocka_unit_test(a_member_is_a_name_a_colon_and_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
