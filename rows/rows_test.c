#include "rows/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* after the three above */
#include <cmocka.h>

static const struct column columns[] = {{"a", TYPE_INT64}, {"b", TYPE_FLOAT64},   {"c", TYPE_BOOL},
                                        {"d", TYPE_TEXT},  {"e", TYPE_TIMESTAMP}, {"f", TYPE_BYTES},
                                        {"g", TYPE_JSON},  {"h", TYPE_INT256}};
static const struct schema schema = {columns, ARRAY_COUNT(columns)};

static void set_row(struct rows *r, int64_t n) {
    for (size_t i = 0; i < schema.count; i++) {
        struct value v = {.type = columns[i].type};
        if (type_is_integer(v.type)) {
            v.integer = n + (int64_t)i;
        } else if (v.type == TYPE_FLOAT64) {
            v.real = (double)n / 2;
        } else {
            v.bytes = (struct str){"abcdefgh", (size_t)n % 8};
        }
        rows_set_value(r, i, &v);
    }
}

static void values_come_back_as_they_were_set(void **state) {
    (void)state;
    struct arena arena;
    struct err err = ERR_INIT;
    struct rows r;
    arena_init(&arena, 1 << 20);
    assert_int_equal(rows_init(&r, &schema, &arena, 100, &err), ERR_NONE);
    for (uint32_t n = 0; n < 100; n++) {
        set_row(&r, n);
        rows_commit(&r, n * 2);
    }
    assert_int_equal(r.count, 100);
    for (uint32_t n = 0; n < 100; n++) {
        assert_int_equal(r.pos[n], n * 2);
        for (size_t i = 0; i < schema.count; i++) {
            struct value v;
            rows_get(&r, n, i, &v);
            assert_int_equal(v.type, columns[i].type);
            assert_false(v.is_null);
            if (type_is_integer(v.type)) {
                assert_int_equal(v.integer, n + i);
            } else if (v.type == TYPE_FLOAT64) {
                assert_true(v.real >= n / 2.0 && v.real <= n / 2.0);
            } else {
                assert_true(str_equal(v.bytes, (struct str){"abcdefgh", n % 8}));
            }
        }
    }
    arena_release(&arena);
}

static void the_inline_setters_reach_the_same_cells(void **state) {
    (void)state;
    struct arena arena;
    struct err err = ERR_INIT;
    struct rows r;
    struct value v;
    arena_init(&arena, 1 << 20);
    assert_int_equal(rows_init(&r, &schema, &arena, 1, &err), ERR_NONE);
    rows_set_i64(&r, 0, INT64_MIN);
    rows_set_f64(&r, 1, 0.25);
    rows_set_bytes(&r, 3, STR("text"));
    rows_set_i64(&r, 4, 5);
    rows_set_null(&r, 4);
    rows_commit(&r, 7);
    rows_get(&r, 0, 0, &v);
    assert_true(v.integer == INT64_MIN);
    rows_get(&r, 0, 1, &v);
    assert_true(v.real > 0.2 && v.real < 0.3);
    rows_get(&r, 0, 3, &v);
    assert_true(str_equal_c(v.bytes, "text"));
    rows_get(&r, 0, 4, &v);
    assert_true(v.is_null);
    arena_release(&arena);
}

static void a_row_that_is_not_committed_leaves_nothing_behind(void **state) {
    (void)state;
    struct arena arena;
    struct err err = ERR_INIT;
    struct rows r;
    struct value v;
    const struct value null = {.type = TYPE_INT64, .is_null = true};
    arena_init(&arena, 1 << 20);
    assert_int_equal(rows_init(&r, &schema, &arena, 2, &err), ERR_NONE);
    set_row(&r, 1);
    assert_int_equal(r.count, 0);
    set_row(&r, 30);
    rows_set_value(&r, 0, &null);
    rows_commit(&r, 5);
    assert_int_equal(r.count, 1);
    rows_get(&r, 0, 0, &v);
    assert_true(v.is_null);
    rows_get(&r, 0, 2, &v);
    assert_int_equal(v.integer, 32);
    arena_release(&arena);
}

static void a_cell_nobody_set_is_null(void **state) {
    (void)state;
    struct arena arena;
    struct err err = ERR_INIT;
    struct rows r;
    struct value v;
    arena_init(&arena, 1 << 20);
    assert_int_equal(rows_init(&r, &schema, &arena, 1, &err), ERR_NONE);
    rows_commit(&r, 0);
    for (size_t i = 0; i < schema.count; i++) {
        rows_get(&r, 0, i, &v);
        assert_true(v.is_null);
    }
    arena_release(&arena);
}

static void no_columns_and_no_rows_are_fine(void **state) {
    (void)state;
    struct arena arena;
    struct err err = ERR_INIT;
    struct rows r;
    const struct schema none = {NULL, 0};
    arena_init(&arena, 1 << 20);
    assert_int_equal(rows_init(&r, &none, &arena, 1, &err), ERR_NONE);
    rows_commit(&r, 3);
    assert_int_equal(r.count, 1);
    assert_int_equal(rows_init(&r, &schema, &arena, 0, &err), ERR_NONE);
    assert_int_equal(r.count, 0);
    arena_release(&arena);
}

static void more_than_the_arena_holds_is_a_limit(void **state) {
    (void)state;
    struct arena arena;
    struct err err = ERR_INIT;
    struct rows r = {.count = 77};
    arena_init(&arena, 100000);
    assert_int_equal(rows_init(&r, &schema, &arena, 100000, &err), ERR_LIMIT);
    assert_int_equal(rows_init(&r, &schema, &arena, (size_t)UINT32_MAX + 1, &err), ERR_LIMIT);
    assert_int_equal(r.count, 77);
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_as_they_were_set),
        cmocka_unit_test(the_inline_setters_reach_the_same_cells),
        cmocka_unit_test(a_row_that_is_not_committed_leaves_nothing_behind),
        cmocka_unit_test(a_cell_nobody_set_is_null),
        cmocka_unit_test(no_columns_and_no_rows_are_fine),
        cmocka_unit_test(more_than_the_arena_holds_is_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
