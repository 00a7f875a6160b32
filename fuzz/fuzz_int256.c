/* int256: any text and any bytes in; what comes out must obey arithmetic.
 *
 * The input is used three times: as decimal or hex text, as an encoded number, and as two words of
 * up to 32 bytes for the operators. */
#include "fuzz/fuzz.h"

#include "rows/int256.h"

#include <string.h>

static bool equal(const struct int256 *a, const struct int256 *b) {
    return int256_compare(a, b) == 0 && a->negative == b->negative &&
           memcmp(a->limb, b->limb, sizeof(a->limb)) == 0;
}

static struct int256 magnitude(const struct int256 *v) {
    return v->negative ? int256_negate(v) : *v;
}

static void check_forms(const struct int256 *v) {
    char text[INT256_TEXT_BYTES];
    uint8_t encoded[INT256_ENCODED_MAX];
    struct int256 back;
    size_t len = int256_format(v, text);
    ASSERT(len < INT256_TEXT_BYTES && text[len] == '\0');
    ASSERT(int256_parse((struct str){text, len}, &back) && equal(&back, v));
    len = int256_encode(v, encoded);
    ASSERT(len >= 1 && len <= INT256_ENCODED_MAX);
    ASSERT(int256_decode((struct str){(const char *)encoded, len}, &back) && equal(&back, v));
    int64_t small = 0;
    if (int256_to_i64(v, &small)) {
        back = int256_from_i64(small);
        ASSERT(equal(&back, v));
    }
    double real = int256_to_double(v);
    ASSERT(v->negative ? real < 0 : real >= 0);
}

static void check_order(const struct int256 *a, const struct int256 *b) {
    uint8_t x[INT256_ENCODED_MAX];
    uint8_t y[INT256_ENCODED_MAX];
    struct str ex = {(const char *)x, int256_encode(a, x)};
    struct str ey = {(const char *)y, int256_encode(b, y)};
    int bytes = str_compare(ex, ey);
    int order = int256_compare(a, b);
    ASSERT((bytes > 0) - (bytes < 0) == order);
    ASSERT(int256_compare(b, a) == -order);
    double real_a = int256_to_double(a);
    double real_b = int256_to_double(b);
    ASSERT(order < 0 ? real_a <= real_b : real_a >= real_b);
}

static void check_sums(const struct int256 *a, const struct int256 *b) {
    struct int256 sum;
    struct int256 back;
    struct int256_sum wide;
    int256_sum_init(&wide);
    int256_sum_add(&wide, a);
    int256_sum_add(&wide, b);
    struct int256 wide_value;
    bool fits = int256_add(a, b, &sum);
    ASSERT(int256_sum_get(&wide, &wide_value) == fits);
    if (fits) {
        ASSERT(equal(&wide_value, &sum));
        ASSERT(int256_sub(&sum, b, &back) && equal(&back, a));
        ASSERT(int256_sub(&sum, a, &back) && equal(&back, b));
    } else {
        ASSERT(a->negative == b->negative);
    }
    int256_sum_sub(&wide, b);
    ASSERT(int256_sum_get(&wide, &wide_value) && equal(&wide_value, a));
}

static void check_division(const struct int256 *a, const struct int256 *b) {
    struct int256 quotient;
    struct int256 remainder;
    struct int256 back;
    ASSERT(int256_div(a, b, &quotient, &remainder) == !int256_is_zero(b));
    if (int256_is_zero(b)) {
        return;
    }
    ASSERT(int256_mul(&quotient, b, &back) && int256_add(&back, &remainder, &back));
    ASSERT(equal(&back, a));
    struct int256 small = magnitude(&remainder);
    struct int256 large = magnitude(b);
    ASSERT(int256_compare(&small, &large) < 0);
    ASSERT(int256_is_zero(&remainder) || remainder.negative == a->negative);
}

static void check_product(const struct int256 *a, const struct int256 *b) {
    struct int256 product;
    struct int256 swapped;
    struct int256 quotient;
    struct int256 remainder;
    bool fits = int256_mul(a, b, &product);
    ASSERT(int256_mul(b, a, &swapped) == fits);
    if (fits) {
        ASSERT(equal(&product, &swapped));
        if (!int256_is_zero(b)) {
            ASSERT(int256_div(&product, b, &quotient, &remainder));
            ASSERT(equal(&quotient, a) && int256_is_zero(&remainder));
        }
    } else {
        /* it does not fit: then |a| > (2^256-1) / |b| */
        struct int256 limit = {.limb = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
        struct int256 size_a = magnitude(a);
        struct int256 size_b = magnitude(b);
        ASSERT(int256_div(&limit, &size_b, &quotient, &remainder));
        ASSERT(int256_compare(&size_a, &quotient) > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct str input = {(const char *)data, size};
    struct int256 a;
    struct int256 b;
    if (int256_parse(input, &a)) {
        check_forms(&a);
    }
    if (int256_decode(input, &a)) {
        uint8_t again[INT256_ENCODED_MAX];
        ASSERT(int256_encode(&a, again) == size && memcmp(again, data, size) == 0);
        check_forms(&a);
    }
    if (size < 3) {
        return 0;
    }
    /* Byte 0: signs; byte 1: where the first word ends. */
    size_t split = 1 + data[1] % 32u;
    split = split < size - 2 ? split : size - 2;
    size_t rest = size - 2 - split;
    if (!int256_from_be(data + 2, split, (data[0] & 1u) != 0, &a) ||
        !int256_from_be(data + 2 + split, rest < 32 ? rest : 32, (data[0] & 2u) != 0, &b)) {
        return 0;
    }
    if ((data[0] & 4u) != 0) {
        a = int256_negate(&a);
    }
    if ((data[0] & 8u) != 0) {
        b = int256_negate(&b);
    }
    check_forms(&a);
    check_forms(&b);
    check_order(&a, &b);
    check_sums(&a, &b);
    check_product(&a, &b);
    check_division(&a, &b);
    return 0;
}
