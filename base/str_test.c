/* Views, UTF-8 and buffers. */
#include "base/fault.h"
#include "base/str.h"
#include "base/test_support.h"

#define VIEW(literal) ((struct str){(literal), sizeof(literal) - 1})

static void views_compare_by_bytes_then_length(void **state) {
    (void)state;
    assert_true(str_compare(VIEW("a"), VIEW("b")) < 0);
    assert_true(str_compare(VIEW("a"), VIEW("ab")) < 0);
    assert_true(str_compare(VIEW("\xFF"), VIEW("a")) > 0);
    assert_int_equal(str_compare(VIEW("a\0b"), VIEW("a\0b")), 0);
    assert_true(str_compare(VIEW("a\0b"), VIEW("a\0a")) > 0);
    assert_int_equal(str_compare((struct str){NULL, 0}, VIEW("")), 0);
    assert_true(str_equal(VIEW("a\0b"), VIEW("a\0b")));
    assert_false(str_equal(VIEW("a"), VIEW("A")));
    assert_true(str_equal_c(VIEW("ab"), "ab"));
    assert_false(str_equal_c(VIEW("ab\0"), "ab"));
    assert_int_equal(str_of(NULL).len, 0);
}

static void prefixes_and_suffixes(void **state) {
    (void)state;
    assert_true(str_starts_with(VIEW("abc"), VIEW("ab")));
    assert_true(str_starts_with(VIEW("abc"), VIEW("")));
    assert_false(str_starts_with(VIEW("a"), VIEW("ab")));
    assert_true(str_ends_with(VIEW("abc"), VIEW("bc")));
    assert_true(str_ends_with(VIEW(""), VIEW("")));
    assert_false(str_ends_with(VIEW("c"), VIEW("bc")));
}

static void trimming_and_finding(void **state) {
    (void)state;
    assert_true(str_equal_c(str_trim(VIEW(" \t\r\n a b \v\f")), "a b"));
    assert_int_equal(str_trim(VIEW("   ")).len, 0);
    assert_int_equal(str_find(VIEW("abcb"), 'b'), 1);
    assert_int_equal(str_find(VIEW("abcb"), 'x'), 4);
    assert_int_equal(str_find((struct str){NULL, 0}, 'x'), 0);
}

static void utf8_is_judged_by_the_unicode_table(void **state) {
    (void)state;
    static const struct str good[] = {
        {"", 0},
        {"a\0b", 3},
        {"\x7F", 1},
        {"\xC2\x80", 2},
        {"\xDF\xBF", 2},
        {"\xE0\xA0\x80", 3},
        {"\xED\x9F\xBF", 3},
        {"\xEE\x80\x80", 3},
        {"\xEF\xBF\xBF", 3},
        {"\xF0\x90\x80\x80", 4},
        {"\xF4\x8F\xBF\xBF", 4},
        {"12345678\xC3\xA9"
         "1234567",
         17},
    };
    static const struct str bad[] = {
        {"\x80", 1},
        {"\xBF", 1},
        {"\xC0\x80", 2},
        {"\xC1\xBF", 2},
        {"\xC2", 1},
        {"\xC2\x41", 2},
        {"\xE0\x9F\xBF", 3},
        {"\xED\xA0\x80", 3},
        {"\xED\xBF\xBF", 3},
        {"\xE2\x82", 2},
        {"\xF0\x8F\xBF\xBF", 4},
        {"\xF4\x90\x80\x80", 4},
        {"\xF5\x80\x80\x80", 4},
        {"\xFE", 1},
        {"\xFF", 1},
        {"\xF0\x9F\x98", 3},
        {"12345678\xC3", 9},
        {"1234567\xFF", 8},
    };
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        assert_true(str_is_utf8(good[i]));
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_false(str_is_utf8(bad[i]));
    }
}

static size_t encode(uint32_t code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size; i-- > 1;) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)((0xF00U >> size) | code);
    return size;
}

static void every_code_point_is_read_back(void **state) {
    (void)state;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        char text[4];
        size_t size = encode(code, text);
        uint32_t got = 0;
        size_t took = str_utf8_size((struct str){text, size}, &got);
        if (code >= 0xD800 && code <= 0xDFFF) {
            assert_int_equal(took, 0);
        } else {
            assert_int_equal(took, size);
            assert_int_equal(got, code);
        }
    }
}

static void printing_hides_what_a_terminal_must_not_see(void **state) {
    (void)state;
    char out[64];
    str_printable(VIEW("a\x1b[31mb\n\x7F\xFF\xC3\xA9"), out, sizeof out);
    assert_string_equal(out, "a?[31mb???\xC3\xA9");
    str_printable(VIEW("\xC2\x9B"
                       "1m \xE2\x80\xAE"
                       "x"),
                  out, sizeof out); /* CSI, right-to-left */
    assert_string_equal(out, "?1m ?x");
}

static void printing_caps_at_whole_characters(void **state) {
    (void)state;
    char out[9];
    str_printable(VIEW("12345678"), out, sizeof out);
    assert_string_equal(out, "12345678");
    str_printable(VIEW("123456789"), out, sizeof out);
    assert_string_equal(out, "12345...");
    str_printable(VIEW("1234\xC3\xA9"
                       "6789"),
                  out, sizeof out);
    assert_string_equal(out, "1234...");
    char tiny[3];
    str_printable(VIEW("12345"), tiny, sizeof tiny);
    assert_string_equal(tiny, "..");
    char one[1] = {'x'};
    str_printable(VIEW("12345"), one, sizeof one);
    assert_string_equal(one, "");
}

static void a_buffer_ends_with_nul_and_grows_to_its_maximum(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    AUTO_BUF b = BUF_INIT(100);
    assert_string_equal(buf_c(&b), "");
    assert_int_equal(buf_str(&b).len, 0);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(buf_add(&b, "x", 1, &err), ERR_NONE);
        assert_int_equal(b.data[b.len], '\0');
    }
    char *before = b.data;
    assert_int_equal(buf_add(&b, "y", 1, &err), ERR_LIMIT);
    assert_int_equal(b.len, 100);
    assert_ptr_equal(b.data, before);
    assert_non_null(strstr(err.message, "100"));
    assert_int_equal(buf_reserve(&b, SIZE_MAX, &err), ERR_LIMIT);
    buf_clear(&b);
    assert_string_equal(buf_c(&b), "");
    assert_int_equal(buf_add(&b, NULL, 0, &err), ERR_NONE);
    buf_release(&b);
    assert_int_equal(b.max, 100);
    assert_int_equal(buf_add(&b, "again", 5, &err), ERR_NONE);
    assert_string_equal(buf_c(&b), "again");
}

static void formatting_grows_the_buffer(void **state) {
    (void)state;
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    size_t total = 0;
    for (int i = 0; i < 300; i++) {
        buf_addf(&b, "%0*d,", i, 7);
        total += (size_t)(i < 1 ? 1 : i) + 1;
        assert_int_equal(b.len, total);
        assert_int_equal(b.data[total], '\0');
    }
    buf_clear(&b);
    buf_adds(&b, "a");
    buf_addc(&b, 'b');
    buf_addstr(&b, VIEW("c\0d"));
    assert_true(str_equal(buf_str(&b), VIEW("abc\0d")));
}

static void pass_the_maximum(void) {
    AUTO_BUF b = BUF_INIT(3);
    buf_adds(&b, "abc");
    buf_addc(&b, 'd');
}

static void program_text_past_the_maximum_aborts(void **state) {
    (void)state;
    char output[CHILD_OUTPUT_BYTES];
    assert_true(WIFSIGNALED(run_child(pass_the_maximum, output)));
    assert_non_null(strstr(output, "internal error"));
}

static void the_alloc_fault_gives_limit_and_changes_nothing(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    AUTO_BUF b = BUF_INIT(100);
    assert_int_equal(fault_arm("alloc:2", &err), ERR_NONE);
    assert_int_equal(buf_add(&b, "a", 1, &err), ERR_NONE);
    assert_int_equal(buf_add(&b, "b", 1, &err), ERR_LIMIT);
    assert_int_equal(buf_add(&b, "c", 1, &err), ERR_NONE);
    assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
    assert_string_equal(buf_c(&b), "ac");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare_by_bytes_then_length),
        cmocka_unit_test(prefixes_and_suffixes),
        cmocka_unit_test(trimming_and_finding),
        cmocka_unit_test(utf8_is_judged_by_the_unicode_table),
        cmocka_unit_test(every_code_point_is_read_back),
        cmocka_unit_test(printing_hides_what_a_terminal_must_not_see),
        cmocka_unit_test(printing_caps_at_whole_characters),
        cmocka_unit_test(a_buffer_ends_with_nul_and_grows_to_its_maximum),
        cmocka_unit_test(formatting_grows_the_buffer),
        cmocka_unit_test(program_text_past_the_maximum_aborts),
        cmocka_unit_test(the_alloc_fault_gives_limit_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
