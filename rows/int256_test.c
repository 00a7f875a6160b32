/* int256 against Python's integers (int256_vectors.h), at its boundaries, and by properties on
 * pseudo-random numbers of a fixed seed. */
#include "rows/int256.h"

#include "rows/int256_vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* after the four above */
#include <cmocka.h>

#define LARGEST "115792089237316195423570985008687907853269984665640564039457584007913129639935"
#define ABOVE_LARGEST                                                                              \
    "115792089237316195423570985008687907853269984665640564039457584007913129639936"

static uint64_t seed = UINT64_C(0x9E3779B97F4A7C15);

static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Any number of limbs, any sign, and often limbs of all ones or zeros. */
static struct int256 random_number(void) {
    struct int256 v = {.negative = false};
    size_t limbs = next_random() % 5;
    for (size_t i = 0; i < limbs; i++) {
        uint64_t kind = next_random() % 8;
        v.limb[i] = kind == 0 ? UINT64_MAX : kind == 1 ? 0 : next_random() >> next_random() % 64;
    }
    v.negative = next_random() % 2 == 0 && !int256_is_zero(&v);
    return v;
}

static struct int256 number(const char *text) {
    struct int256 v;
    if (!int256_parse(str_of(text), &v)) {
        fail_msg("'%s' is a number", text);
    }
    return v;
}

static void assert_number(const struct int256 *v, const char *expected) {
    char text[INT256_TEXT_BYTES];
    assert_int_equal(int256_format(v, text), strlen(expected));
    assert_string_equal(text, expected);
    assert_false(v->negative && int256_is_zero(v));
}

static bool parses(const char *text) {
    struct int256 v;
    return int256_parse(str_of(text), &v);
}

static void python_agrees_on_text_and_bytes_and_doubles(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(value_vectors); i++) {
        const struct value_vector *t = &value_vectors[i];
        struct int256 v = number(t->decimal);
        struct int256 w = number(t->hex);
        assert_number(&v, t->decimal);
        assert_number(&w, t->decimal);
        uint8_t encoded[INT256_ENCODED_MAX];
        size_t len = int256_encode(&v, encoded);
        assert_int_equal(strlen(t->encoded), len * 2);
        char hex[2 * INT256_ENCODED_MAX + 1];
        for (size_t k = 0; k < len; k++) {
            snprintf(hex + 2 * k, 3, "%02x", encoded[k]);
        }
        assert_string_equal(hex, t->encoded);
        assert_true(int256_decode((struct str){(const char *)encoded, len}, &w));
        assert_number(&w, t->decimal);
        double real = int256_to_double(&v);
        uint64_t bits = 0;
        memcpy(&bits, &real, sizeof(bits));
        if (bits != t->double_bits) {
            fail_msg("%s as double is %a", t->decimal, real);
        }
    }
}

static void check_result(const char *what, const struct pair_vector *t, bool done,
                         const struct int256 *result, const char *expected) {
    char text[INT256_TEXT_BYTES];
    int256_format(result, text);
    if (done != (expected != NULL) || (done && strcmp(text, expected) != 0)) {
        fail_msg("%s of %s and %s is %s, not %s", what, t->a, t->b, done ? text : "impossible",
                 expected != NULL ? expected : "impossible");
    }
    assert_false(result->negative && int256_is_zero(result));
}

static void python_agrees_on_arithmetic(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(pair_vectors); i++) {
        const struct pair_vector *t = &pair_vectors[i];
        struct int256 a = number(t->a);
        struct int256 b = number(t->b);
        struct int256 r = a;
        struct int256 q = b;
        assert_int_equal(int256_compare(&a, &b), t->order);
        bool done = int256_add(&a, &b, &r);
        check_result("sum", t, done, &r, t->sum);
        done = int256_sub(&a, &b, &r);
        check_result("difference", t, done, &r, t->difference);
        done = int256_mul(&a, &b, &r);
        check_result("product", t, done, &r, t->product);
        done = int256_div(&a, &b, &q, &r);
        check_result("quotient", t, done, &q, t->quotient);
        check_result("remainder", t, done, &r, t->remainder);
    }
}

static void text_that_is_no_number_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "--1",
                                      "0x",
                                      "-0x",
                                      "0X1",
                                      "0xg",
                                      "1e5",
                                      "1.0",
                                      "12a",
                                      "0x-1",
                                      "-0x-1",
                                      "x1",
                                      "1x",
                                      "\xD9\xA1",
                                      "1_000",
                                      "1,000",
                                      "nan",
                                      "00x1",
                                      "0x1 ",
                                      "/",
                                      ":",
                                      ABOVE_LARGEST,
                                      "-" ABOVE_LARGEST,
                                      LARGEST "00000000000000000000"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        if (parses(bad[i])) {
            fail_msg("'%s' was taken for a number", bad[i]);
        }
    }
    struct int256 untouched = int256_from_i64(7);
    assert_false(int256_parse(STR("12x"), &untouched));
    assert_false(int256_parse(STR("1\0"), &untouched));
    assert_number(&untouched, "7");
}

static void the_largest_and_the_smallest_number_are_read(void **state) {
    (void)state;
    struct int256 v = number(LARGEST);
    assert_number(&v, LARGEST);
    v = number("-" LARGEST);
    assert_number(&v, "-" LARGEST);
    v = number("0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
    assert_number(&v, LARGEST);
    assert_false(parses("0x10000000000000000000000000000000000000000000000000000000000000000"));
}

static void leading_zeros_and_a_negative_zero_do_not_change_the_number(void **state) {
    (void)state;
    struct int256 v = number("-0");
    assert_number(&v, "0");
    v = number("-0x0");
    assert_number(&v, "0");
    v = number("000000000000000000000000000000000000000000000000000000000000000000000000000000000"
               "000000000000000000000000000000000000000000000000000000000000000000042");
    assert_number(&v, "42");
    v = number("-0000000000000000000" LARGEST);
    assert_number(&v, "-" LARGEST);
    /* zeros in whole groups of 19 digits before, between and behind */
    v = number("0000000000000000000100000000000000000000000000000000000001");
    assert_number(&v, "100000000000000000000000000000000000001");
}

static void int64_is_kept_both_ways_and_refused_beyond(void **state) {
    (void)state;
    static const int64_t good[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT64_MIN + 1, 1234567890123};
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        struct int256 v = int256_from_i64(good[i]);
        char expected[32];
        snprintf(expected, sizeof(expected), "%lld", (long long)good[i]);
        assert_number(&v, expected);
        int64_t back = 99;
        assert_true(int256_to_i64(&v, &back));
        assert_true(back == good[i]);
    }
    static const char *const bad[] = {"9223372036854775808", "-9223372036854775809",
                                      "18446744073709551616", "-18446744073709551616", LARGEST};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct int256 v = number(bad[i]);
        int64_t back = 99;
        assert_false(int256_to_i64(&v, &back));
        assert_int_equal(back, 99);
    }
}

static void words_of_chains_are_read_signed_and_unsigned(void **state) {
    (void)state;
    uint8_t word[33];
    struct int256 v;
    memset(word, 0xFF, sizeof(word));
    assert_true(int256_from_be(word, 32, true, &v));
    assert_number(&v, "-1");
    assert_true(int256_from_be(word, 32, false, &v));
    assert_number(&v, LARGEST);
    assert_true(int256_from_be(word, 1, true, &v));
    assert_number(&v, "-1");
    assert_true(int256_from_be(word, 1, false, &v));
    assert_number(&v, "255");
    memset(word, 0, sizeof(word));
    assert_true(int256_from_be(word, 32, true, &v));
    assert_number(&v, "0");
    word[0] = 0x80;
    assert_true(int256_from_be(word, 32, true, &v));
    assert_number(&v,
                  "-57896044618658097711785492504343953926634992332820282019728792003956564819968");
    assert_true(int256_from_be(word, 32, false, &v));
    assert_number(&v,
                  "57896044618658097711785492504343953926634992332820282019728792003956564819968");
    assert_true(int256_from_be(word, 9, true, &v)); /* -2^71: ones carry over a limb */
    assert_number(&v, "-2361183241434822606848");
    word[0] = 0x01;
    word[1] = 0x02;
    assert_true(int256_from_be(word, 3, true, &v));
    assert_number(&v, "66048");
    assert_false(int256_from_be(word, 0, true, &v));
    assert_false(int256_from_be(word, 33, true, &v));
    assert_number(&v, "66048");
}

static void bytes_that_no_number_encodes_to_are_refused(void **state) {
    (void)state;
    static const struct str bad[] = {
        {"", 0},
        {"\x80\x00", 2},     /* bytes behind zero */
        {"\x81", 1},         /* too short */
        {"\x82\x01", 2},     /* too short */
        {"\x81\x01\x01", 3}, /* too long */
        {"\x81\x00", 2},     /* zero with a length */
        {"\x82\x00\x01", 3}, /* a leading zero */
        {"\x7F", 1},         /* negative and too short */
        {"\x7F\xFF", 2},     /* negative zero */
        {"\x7E\xFF\x01", 3}, /* a complemented leading zero */
        {"\x00", 1},
        {"\xFF", 1},
        {"\xA1\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"
         "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01",
         34}};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct int256 v = int256_from_i64(5);
        if (int256_decode(bad[i], &v)) {
            fail_msg("case %zu was taken for a number", i);
        }
        assert_number(&v, "5");
    }
}

static void equal_numbers_have_equal_bytes_and_others_keep_their_order(void **state) {
    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct int256 a = random_number();
        struct int256 b = random_number();
        if (i % 3 == 0) { /* neighbours */
            struct int256 one = int256_from_i64((int64_t)(next_random() % 3) - 1);
            if (!int256_add(&a, &one, &b)) {
                continue;
            }
        }
        uint8_t x[INT256_ENCODED_MAX];
        uint8_t y[INT256_ENCODED_MAX];
        struct str ex = {(const char *)x, int256_encode(&a, x)};
        struct str ey = {(const char *)y, int256_encode(&b, y)};
        int by_bytes = str_compare(ex, ey);
        assert_int_equal((by_bytes > 0) - (by_bytes < 0), int256_compare(&a, &b));
    }
}

static void order_agrees_with_the_sign_of_the_difference(void **state) {
    (void)state;
    for (int i = 0; i < 100000; i++) {
        struct int256 a = random_number();
        struct int256 b = random_number();
        struct int256 d;
        if (int256_sub(&a, &b, &d)) {
            int sign = d.negative ? -1 : int256_is_zero(&d) ? 0 : 1;
            assert_int_equal(int256_compare(&a, &b), sign);
        }
    }
}

static void division_undoes_multiplication(void **state) {
    (void)state;
    for (int i = 0; i < 300000; i++) {
        struct int256 a = random_number();
        struct int256 b = random_number();
        struct int256 q;
        struct int256 r;
        if (int256_is_zero(&b)) {
            assert_false(int256_div(&a, &b, &q, &r));
            continue;
        }
        assert_true(int256_div(&a, &b, &q, &r));
        struct int256 back;
        assert_true(int256_mul(&q, &b, &back));
        assert_true(int256_add(&back, &r, &back));
        assert_int_equal(int256_compare(&back, &a), 0);
        struct int256 size_r = r.negative ? int256_negate(&r) : r;
        struct int256 size_b = b.negative ? int256_negate(&b) : b;
        assert_true(int256_compare(&size_r, &size_b) < 0);
        assert_true(int256_is_zero(&r) || r.negative == a.negative);
    }
}

static void results_may_stand_where_the_operands_stood(void **state) {
    (void)state;
    struct int256 a = number("-100000000000000000000000000000000000000000");
    struct int256 b = number("30000000000000000000000000000000000000007");
    assert_true(int256_div(&a, &b, &a, &b));
    assert_number(&a, "-3");
    assert_number(&b, "-9999999999999999999999999999999999999979");
    a = number("-5");
    assert_true(int256_add(&a, &a, &a));
    assert_number(&a, "-10");
    assert_true(int256_mul(&a, &a, &a));
    assert_number(&a, "100");
    assert_true(int256_sub(&a, &a, &a));
    assert_number(&a, "0");
}

static void an_overflow_leaves_the_result_untouched(void **state) {
    (void)state;
    struct int256 largest = number(LARGEST);
    struct int256 one = int256_from_i64(1);
    struct int256 two = int256_from_i64(2);
    struct int256 zero = int256_from_i64(0);
    struct int256 smallest = int256_negate(&largest);
    struct int256 r = int256_from_i64(77);
    struct int256 q = int256_from_i64(78);
    assert_false(int256_add(&largest, &one, &r));
    assert_false(int256_sub(&smallest, &one, &r));
    assert_false(int256_mul(&largest, &two, &r));
    assert_false(int256_div(&largest, &zero, &q, &r));
    assert_number(&r, "77");
    assert_number(&q, "78");
    assert_true(int256_sub(&smallest, &smallest, &r));
    assert_number(&r, "0");
}

static void negating_zero_gives_zero(void **state) {
    (void)state;
    struct int256 v = int256_from_i64(0);
    v = int256_negate(&v);
    assert_number(&v, "0");
    v = int256_from_i64(-3);
    v = int256_negate(&v);
    assert_number(&v, "3");
    v = int256_negate(&v);
    assert_number(&v, "-3");
}

static void a_sum_passes_the_limit_and_comes_back(void **state) {
    (void)state;
    struct int256 largest = number(LARGEST);
    struct int256 smallest = int256_negate(&largest);
    struct int256_sum s;
    struct int256 r = int256_from_i64(5);
    int256_sum_init(&s);
    for (int i = 0; i < 1000; i++) {
        int256_sum_add(&s, &largest);
    }
    assert_false(int256_sum_get(&s, &r));
    assert_number(&r, "5");
    for (int i = 0; i < 999; i++) {
        int256_sum_sub(&s, &largest);
    }
    assert_true(int256_sum_get(&s, &r));
    assert_number(&r, LARGEST);
    int256_sum_add(&s, &smallest);
    int256_sum_add(&s, &smallest);
    assert_true(int256_sum_get(&s, &r));
    assert_number(&r, "-" LARGEST);
    struct int256 one = int256_from_i64(1);
    int256_sum_sub(&s, &one);
    assert_false(int256_sum_get(&s, &r));
    int256_sum_add(&s, &one);
    int256_sum_sub(&s, &smallest);
    assert_true(int256_sum_get(&s, &r));
    assert_number(&r, "0");
}

static void a_sum_equals_the_additions_in_any_order(void **state) {
    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct int256 v[16];
        struct int256_sum forward;
        struct int256_sum backward;
        struct int256 plain = int256_from_i64(0);
        bool fits = true;
        int256_sum_init(&forward);
        int256_sum_init(&backward);
        for (size_t i = 0; i < ARRAY_COUNT(v); i++) {
            v[i] = random_number();
            v[i].limb[3] >>= 8; /* so that plain additions rarely overflow */
            v[i].negative = v[i].negative && !int256_is_zero(&v[i]);
            bool add = i % 2 == 0;
            fits = fits &&
                   (add ? int256_add(&plain, &v[i], &plain) : int256_sub(&plain, &v[i], &plain));
            (add ? int256_sum_add : int256_sum_sub)(&forward, &v[i]);
        }
        for (size_t i = ARRAY_COUNT(v); i > 0; i--) {
            ((i - 1) % 2 == 0 ? int256_sum_add : int256_sum_sub)(&backward, &v[i - 1]);
        }
        assert_true(fits);
        struct int256 a;
        struct int256 b;
        assert_true(int256_sum_get(&forward, &a));
        assert_true(int256_sum_get(&backward, &b));
        assert_int_equal(int256_compare(&a, &plain), 0);
        assert_int_equal(int256_compare(&b, &plain), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python_agrees_on_text_and_bytes_and_doubles),
        cmocka_unit_test(python_agrees_on_arithmetic),
        cmocka_unit_test(text_that_is_no_number_is_refused),
        cmocka_unit_test(the_largest_and_the_smallest_number_are_read),
        cmocka_unit_test(leading_zeros_and_a_negative_zero_do_not_change_the_number),
        cmocka_unit_test(int64_is_kept_both_ways_and_refused_beyond),
        cmocka_unit_test(words_of_chains_are_read_signed_and_unsigned),
        cmocka_unit_test(bytes_that_no_number_encodes_to_are_refused),
        cmocka_unit_test(equal_numbers_have_equal_bytes_and_others_keep_their_order),
        cmocka_unit_test(order_agrees_with_the_sign_of_the_difference),
        cmocka_unit_test(division_undoes_multiplication),
        cmocka_unit_test(results_may_stand_where_the_operands_stood),
        cmocka_unit_test(an_overflow_leaves_the_result_untouched),
        cmocka_unit_test(negating_zero_gives_zero),
        cmocka_unit_test(a_sum_passes_the_limit_and_comes_back),
        cmocka_unit_test(a_sum_equals_the_additions_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
