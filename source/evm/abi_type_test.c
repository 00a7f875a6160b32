#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/evm/abi_type.h"

#include <string.h>

#define ARENA_MAX ((size_t)4 << 20)

static void expect_type(const char *text, enum abi_kind kind, bool is_dynamic, uint64_t head) {
    struct arena arena;
    struct err err = ERR_INIT;
    const struct abi_type *type = NULL;
    arena_init(&arena, ARENA_MAX);
    enum err_code code = abi_type_parse(str_of(text), &arena, &type, &err);
    if (code != ERR_NONE) {
        print_message("%s: %s\n", text, err.message);
    }
    assert_int_equal(code, ERR_NONE);
    assert_int_equal(type->kind, kind);
    assert_int_equal(type->is_dynamic, is_dynamic);
    assert_int_equal(type->head_bytes, head);
    arena_release(&arena);
}

static void expect_refused(struct str text, const char *message) {
    struct arena arena;
    struct err err = ERR_INIT;
    const struct abi_type *type = NULL;
    arena_init(&arena, ARENA_MAX);
    assert_int_equal(abi_type_parse(text, &arena, &type, &err), ERR_CONFIG);
    if (strstr(err.message, message) == NULL) {
        print_message("'%.*s': %s\n", STR_FMT(text), err.message);
    }
    assert_non_null(strstr(err.message, message));
    assert_null(type);
    arena_release(&arena);
}

static void every_elementary_type_is_read(void **state) {
    (void)state;
    expect_type("address", ABI_ADDRESS, false, 32);
    expect_type("address payable", ABI_ADDRESS, false, 32);
    expect_type("bool", ABI_BOOL, false, 32);
    expect_type("uint", ABI_UINT, false, 32);
    expect_type("int", ABI_INT, false, 32);
    expect_type("uint8", ABI_UINT, false, 32);
    expect_type("int256", ABI_INT, false, 32);
    expect_type("bytes1", ABI_BYTES_N, false, 32);
    expect_type("bytes32", ABI_BYTES_N, false, 32);
    expect_type("bytes", ABI_BYTES, true, 32);
    expect_type("string", ABI_STRING, true, 32);
}

static void arrays_and_tuples_know_what_they_take(void **state) {
    (void)state;
    expect_type("uint256[3]", ABI_ARRAY, false, 96);
    expect_type("uint256[3][2]", ABI_ARRAY, false, 192);
    expect_type("uint256[3][]", ABI_LIST, true, 32);
    expect_type("string[2]", ABI_ARRAY, true, 32);
    expect_type("(uint8,address)", ABI_TUPLE, false, 64);
    expect_type("tuple(uint8 a, (bool, bool)[2] b)", ABI_TUPLE, false, 160);
    expect_type(" tuple ( uint8 , string ) [ 2 ] ", ABI_ARRAY, true, 32);
}

static void components_have_names_when_all_do_and_none_twice(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool has_names;
    } cases[] = {{"(uint8 a, uint8 b)", true},
                 {"(uint8 a, uint8)", false},
                 {"(uint8 a, uint8 a)", false},
                 {"(uint8 a, uint8 A)", true}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct arena arena;
        struct err err = ERR_INIT;
        const struct abi_type *type = NULL;
        arena_init(&arena, ARENA_MAX);
        assert_int_equal(abi_type_parse(str_of(cases[i].text), &arena, &type, &err), ERR_NONE);
        assert_int_equal(type->has_names, cases[i].has_names);
        assert_string_equal(type->names[0], "a");
        arena_release(&arena);
    }
}

static void what_is_no_type_is_refused_with_what_to_write(void **state) {
    (void)state;
    expect_refused(STR("addres"), "at byte 0 of the signature ('addres'): 'addres' is no type; did "
                                  "you mean address?");
    expect_refused(STR("uint7"), "integers have 8, 16, 24 ... 256 bits");
    expect_refused(STR("uint264"), "integers have");
    expect_refused(STR("uint08"), "integers have");
    expect_refused(STR("int0"), "integers have");
    expect_refused(STR("bytes33"), "bytes1 to bytes32");
    expect_refused(STR("bytes0"), "bytes1 to bytes32");
    expect_refused(STR("fixed128x18"), "fixed-point numbers are not read");
    expect_refused(STR("ufixed"), "fixed-point numbers are not read");
    expect_refused(STR("function"), "a function in an event is not read");
    expect_refused(STR("mapping(address)"), "a mapping in an event is not read");
    expect_refused(STR("IERC20Metadata"), "write address for a contract");
    expect_refused(STR("uint256x"), "integers have");
    expect_refused(STR("interval"), "is no type");
}

static void what_is_no_list_is_refused_with_its_place(void **state) {
    (void)state;
    expect_refused(STR(""), "at the end of the signature: a type is missing");
    expect_refused(STR("()"), "an empty tuple");
    expect_refused(STR("(uint8,)"), "at byte 7 of the signature (')'): a type is missing");
    expect_refused(STR("(uint8"), "at the end of the signature: ',' or ')' is missing");
    expect_refused(STR("(uint8;bool)"), "',' or ')' is missing");
    expect_refused(STR("tuple uint8"), "'(' is missing after tuple");
    expect_refused(STR("uint8[0]"), "the length of an array is a number from 1");
    expect_refused(STR("uint8[01]"), "the length of an array is a number from 1");
    expect_refused(STR("uint8[x]"), "the length of an array is a number from 1");
    expect_refused(STR("uint8[99999999999999999999]"), "the length of an array");
    expect_refused(STR("uint8[3"), "']' is missing");
    expect_refused(STR("uint8 a b"), "more text behind the type");
    expect_refused(STR("uint8 1a"), "a name begins with a letter");
    expect_refused(STR("(uint8 indexed a)"), "only whole parameters of an event are indexed");
    expect_refused(STR("string memory"), "leave 'memory' out");
    expect_refused(STR("uint8\0"), "more text behind the type");
}

/* Text that repeats `part` count times between begin and end. */
static void repeat(struct buf *out, const char *begin, const char *part, size_t count,
                   const char *end) {
    buf_clear(out);
    buf_adds(out, begin);
    for (size_t i = 0; i < count; i++) {
        buf_adds(out, part);
    }
    buf_adds(out, end);
}

static void limits_hold_at_their_edges(void **state) {
    (void)state;
    struct buf text = BUF_INIT(BUF_TEXT_MAX);
    repeat(&text, "uint8", "[]", ABI_DEPTH_MAX, "");
    expect_type(buf_c(&text), ABI_LIST, true, 32);
    repeat(&text, "uint8", "[]", ABI_DEPTH_MAX + 1, "");
    expect_refused(buf_str(&text), "more than 16 levels inside each other");
    repeat(&text, "", "(", ABI_DEPTH_MAX, "uint8))))))))))))))))");
    expect_type(buf_c(&text), ABI_TUPLE, false, 32);
    repeat(&text, "", "(", ABI_DEPTH_MAX + 1, "uint8)))))))))))))))))");
    expect_refused(buf_str(&text), "more than 16 levels inside each other");
    repeat(&text, "", "(", 4000, "");
    expect_refused(buf_str(&text), "parentheses more than 16 levels inside each other");
    repeat(&text, "(", "uint8,", ABI_TYPES_MAX - 2, "bool)");
    expect_type(buf_c(&text), ABI_TUPLE, false, (ABI_TYPES_MAX - 1) * 32);
    repeat(&text, "(", "uint8,", ABI_TYPES_MAX - 1, "bool)");
    expect_refused(buf_str(&text), "more than 256 types");
    expect_type("uint8[2048]", ABI_ARRAY, false, ABI_STATIC_MAX);
    expect_refused(STR("uint8[2049]"), "an array that takes more than 65536 bytes");
    expect_refused(STR("string[4294967295]"), "an array that takes more than 65536 bytes");
    expect_refused(STR("(uint8[2048],bool)"), "a tuple that takes more than 65536 bytes");
    repeat(&text, "(uint8 ", "n", ABI_NAME_BYTES_MAX, ")");
    expect_type(buf_c(&text), ABI_TUPLE, false, 32);
    repeat(&text, "(uint8 ", "n", ABI_NAME_BYTES_MAX + 1, ")");
    expect_refused(buf_str(&text), "a name of 65 bytes; 64 is the most");
    repeat(&text, "uint8", " ", ABI_TEXT_BYTES_MAX - 5, "");
    expect_type(buf_c(&text), ABI_UINT, false, 32);
    repeat(&text, "uint8", " ", ABI_TEXT_BYTES_MAX - 4, "");
    expect_refused(buf_str(&text), "a signature of 4097 bytes; 4096 is the most");
    buf_release(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_elementary_type_is_read),
        cmocka_unit_test(arrays_and_tuples_know_what_they_take),
        cmocka_unit_test(components_have_names_when_all_do_and_none_twice),
        cmocka_unit_test(what_is_no_type_is_refused_with_what_to_write),
        cmocka_unit_test(what_is_no_list_is_refused_with_its_place),
        cmocka_unit_test(limits_hold_at_their_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
