#include "rows/contract.h"

#include "base/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* after the four above */
#include <cmocka.h>

static void every_reason_has_its_name(void **state) {
    (void)state;
    assert_string_equal(reject_reason_name(REJECT_MALFORMED), "malformed");
    assert_string_equal(reject_reason_name(REJECT_TOO_LARGE), "too_large");
    assert_string_equal(reject_reason_name(REJECT_DUPLICATE_KEY), "duplicate_key");
    assert_string_equal(reject_reason_name(REJECT_UNKNOWN_FIELD), "unknown_field");
    assert_string_equal(reject_reason_name(REJECT_TRANSFORM), "transform");
}

static void rejects_are_kept_in_order_with_their_messages(void **state) {
    (void)state;
    struct arena arena;
    struct err err = ERR_INIT;
    struct reject_list l;
    arena_init(&arena, 1 << 20);
    reject_list_init(&l, &arena);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(
            reject_list_add(&l, i * 3, REJECT_RANGE, "total", i, &err, "value %u of %s", i, "x"),
            ERR_NONE);
    }
    assert_int_equal(l.count, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        char expected[40];
        snprintf(expected, sizeof(expected), "value %u of x", i);
        assert_int_equal(l.items[i].pos, i * 3);
        assert_int_equal(l.items[i].reason, REJECT_RANGE);
        assert_string_equal(l.items[i].column, "total");
        assert_int_equal(l.items[i].offset, i);
        assert_true(str_equal_c(l.items[i].message, expected));
    }
    arena_release(&arena);
}

static void a_long_message_is_cut_between_characters(void **state) {
    (void)state;
    static const char *const characters[] = {"x", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    struct arena arena;
    struct err err = ERR_INIT;
    struct reject_list l;
    arena_init(&arena, 1 << 20);
    reject_list_init(&l, &arena);
    for (size_t c = 0; c < ARRAY_COUNT(characters); c++) {
        for (size_t shift = 0; shift < 4; shift++) {
            char text[2000] = "....";
            size_t len = shift;
            while (len + 5 < sizeof(text)) {
                memcpy(text + len, characters[c], strlen(characters[c]));
                len += strlen(characters[c]);
            }
            text[len] = '\0';
            assert_int_equal(reject_list_add(&l, 1, REJECT_TYPE, NULL, -1, &err, "%s", text),
                             ERR_NONE);
            struct str message = l.items[l.count - 1].message;
            assert_true(message.len < REJECT_MESSAGE_BYTES);
            assert_true(message.len + strlen(characters[c]) >= REJECT_MESSAGE_BYTES);
            assert_true(str_is_utf8(message));
            assert_memory_equal(message.ptr, text, message.len);
        }
    }
    arena_release(&arena);
}

static void a_message_of_broken_text_is_cut_all_the_same(void **state) {
    (void)state;
    struct arena arena;
    struct err err = ERR_INIT;
    struct reject_list l;
    char text[1000];
    memset(text, 0x80, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    arena_init(&arena, 1 << 20);
    reject_list_init(&l, &arena);
    assert_int_equal(reject_list_add(&l, 1, REJECT_TYPE, NULL, -1, &err, "%s", text), ERR_NONE);
    assert_int_equal(l.items[0].message.len, REJECT_MESSAGE_BYTES - 1);
    arena_release(&arena);
}

static void a_full_arena_is_a_limit_and_adds_nothing(void **state) {
    (void)state;
    struct arena arena;
    struct err err = ERR_INIT;
    struct reject_list l;
    arena_init(&arena, 200000);
    reject_list_init(&l, &arena);
    enum err_code code = ERR_NONE;
    size_t added = 0;
    while (code == ERR_NONE && added < 100000) {
        code = reject_list_add(&l, (uint32_t)added, REJECT_MISSING, "id", -1, &err, "missing");
        added += code == ERR_NONE ? 1 : 0;
    }
    assert_int_equal(code, ERR_LIMIT);
    assert_int_equal(l.count, added);
    for (size_t i = 0; i < l.count; i++) {
        assert_int_equal(l.items[i].pos, i);
    }
    arena_release(&arena);
}

static void each_failing_allocation_is_a_limit(void **state) {
    (void)state;
    const struct contract c = {.schema = {NULL, 3}};
    struct err err = ERR_INIT;
    int failures = 0;
    for (int n = 1; n < 50; n++) {
        char spec[32];
        struct arena arena;
        struct reject_list l;
        struct drift d;
        snprintf(spec, sizeof(spec), "alloc:%d", n);
        arena_init(&arena, 1 << 20);
        reject_list_init(&l, &arena);
        assert_int_equal(fault_arm(spec, &err), ERR_NONE);
        enum err_code code = reject_list_add(&l, 1, REJECT_TYPE, NULL, -1, &err, "x");
        assert_int_equal(l.count, code == ERR_NONE ? 1 : 0);
        if (code == ERR_NONE) {
            code = drift_init(&d, &c, &arena, &err);
        }
        assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
        arena_release(&arena);
        if (code == ERR_NONE) {
            break;
        }
        assert_int_equal(code, ERR_LIMIT);
        failures++;
    }
    assert_true(failures >= 1 && failures < 40);
}

static void drift_starts_with_nothing_seen(void **state) {
    (void)state;
    const struct contract c = {.schema = {NULL, 5}};
    struct arena arena;
    struct err err = ERR_INIT;
    struct drift d;
    memset(&d, 0xAA, sizeof(d));
    arena_init(&arena, 1 << 20);
    assert_int_equal(drift_init(&d, &c, &arena, &err), ERR_NONE);
    assert_int_equal(d.field_count, 0);
    assert_int_equal(d.overflow, 0);
    assert_int_equal(d.records, 0);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(d.column_kinds[i], 0);
        assert_int_equal(d.column_present[i], 0);
    }
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_its_name),
        cmocka_unit_test(rejects_are_kept_in_order_with_their_messages),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(a_message_of_broken_text_is_cut_all_the_same),
        cmocka_unit_test(a_full_arena_is_a_limit_and_adds_nothing),
        cmocka_unit_test(each_failing_allocation_is_a_limit),
        cmocka_unit_test(drift_starts_with_nothing_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
