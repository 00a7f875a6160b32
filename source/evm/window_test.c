/* The unfinalized blocks: pushed, cut at a fork point, settled; never more than there is room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "source/evm/window.h"

static struct window_block block(int64_t number, int64_t records) {
    struct window_block b = {.number = number, .records = records, .has_hash = true};
    memcpy(b.hash, &number, sizeof number);
    return b;
}

static struct window *window_of(int64_t base, int64_t count) {
    struct window *w = mem_alloc(sizeof *w);
    const struct window_block b = block(base, 100);
    window_init(w, &b);
    for (int64_t i = 1; i <= count; i++) {
        const struct window_block next = block(base + i, 100 + 2 * i);
        window_push(w, &next);
    }
    return w;
}

static void blocks_are_found_by_number(void **state) {
    (void)state;
    struct window *w = window_of(50, 10);
    assert_int_equal(window_tip(w)->number, 60);
    assert_int_equal(window_at(w, 50)->records, 100);
    assert_int_equal(window_at(w, 53)->records, 106);
    assert_null(window_at(w, 49));
    assert_null(window_at(w, 61));
    mem_free(w);
}

static void a_cut_leaves_the_fork_point_on_top(void **state) {
    (void)state;
    struct window *w = window_of(50, 10);
    window_cut(w, 55);
    assert_int_equal(window_tip(w)->number, 55);
    assert_int_equal(window_tip(w)->records, 110);
    window_cut(w, 50);
    assert_int_equal(w->count, 0);
    assert_ptr_equal(window_tip(w), &w->base);
    mem_free(w);
}

static void settled_blocks_become_the_base_and_never_come_back(void **state) {
    (void)state;
    struct window *w = window_of(50, 10);
    window_settle(w, 54);
    assert_int_equal(w->base.number, 54);
    assert_int_equal(w->base.records, 108);
    assert_int_equal(w->count, 6);
    window_settle(w, 40);
    assert_int_equal(w->base.number, 54);
    window_settle(w, 1000); /* beyond the tip: the tip */
    assert_int_equal(w->base.number, 60);
    assert_int_equal(w->count, 0);
    mem_free(w);
}

static void a_full_window_settles_its_lowest_block(void **state) {
    (void)state;
    struct window *w = window_of(0, WINDOW_BLOCKS_MAX + 5);
    assert_int_equal(w->count, WINDOW_BLOCKS_MAX);
    assert_int_equal(w->base.number, 5);
    assert_int_equal(window_tip(w)->number, WINDOW_BLOCKS_MAX + 5);
    mem_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_found_by_number),
        cmocka_unit_test(a_cut_leaves_the_fork_point_on_top),
        cmocka_unit_test(settled_blocks_become_the_base_and_never_come_back),
        cmocka_unit_test(a_full_window_settles_its_lowest_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
