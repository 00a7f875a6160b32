/* The number of blocks asked for at once: grows slowly, shrinks fast, always ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/evm/span.h"

static void small_answers_let_it_grow_to_its_maximum(void **state) {
    (void)state;
    struct span s;
    span_init(&s, 10, 1000);
    for (int i = 0; i < 100; i++) {
        const int64_t before = s.blocks;
        span_answered(&s, s.blocks, 0, 100);
        assert_true(s.blocks <= 2 * before);
    }
    assert_int_equal(s.blocks, 1000);
}

static void an_answer_to_a_shorter_question_says_nothing_about_longer_ones(void **state) {
    (void)state;
    struct span s;
    span_init(&s, 100, 1000);
    span_answered(&s, 50, 0, 100);
    assert_int_equal(s.blocks, 100);
}

static void a_large_answer_shrinks_it_in_proportion(void **state) {
    (void)state;
    struct span s;
    span_init(&s, 1000, 1000);
    span_answered(&s, 1000, 2 * SPAN_LOGS_TARGET, 0);
    assert_int_equal(s.blocks, 500);
    span_answered(&s, 500, 0, 100 * SPAN_BYTES_TARGET);
    assert_int_equal(s.blocks, 62); /* an eighth at most */
}

static void refusals_halve_it_down_to_one_block(void **state) {
    (void)state;
    struct span s;
    span_init(&s, 1 << 20, 1 << 20);
    int rounds = 0;
    while (s.blocks > 1) {
        span_refused(&s, s.blocks);
        rounds++;
    }
    assert_int_equal(rounds, 20);
    span_refused(&s, 1);
    assert_int_equal(s.blocks, 1);
}

static void less_is_always_less_and_never_nothing(void **state) {
    (void)state;
    assert_int_equal(span_less(10, 20, 15, -1), 15);
    assert_int_equal(span_less(10, 20, 20, -1), 15); /* the same range is no suggestion */
    assert_int_equal(span_less(10, 20, 9, -1), 15);  /* nor one that ends before it begins */
    assert_int_equal(span_less(10, 20, -1, 4), 14);
    assert_int_equal(span_less(10, 20, -1, 10), 15); /* a cap that allows what failed */
    assert_int_equal(span_less(10, 20, -1, 0), 10);
    assert_int_equal(span_less(10, 11, -1, -1), 10);
    for (int64_t to = 11; to < 200; to++) {
        const int64_t less = span_less(10, to, -1, -1);
        assert_true(less >= 10 && less < to);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_answers_let_it_grow_to_its_maximum),
        cmocka_unit_test(an_answer_to_a_shorter_question_says_nothing_about_longer_ones),
        cmocka_unit_test(a_large_answer_shrinks_it_in_proportion),
        cmocka_unit_test(refusals_halve_it_down_to_one_block),
        cmocka_unit_test(less_is_always_less_and_never_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
