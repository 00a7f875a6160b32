/* Arithmetic of int256 on sign and magnitude.
 *
 * Magnitudes are four 64-bit limbs; products of two limbs go through unsigned __int128. Division by
 * one limb is short division; by more it is Knuth's algorithm D (TAOCP 2, 4.3.1) in base 2^32,
 * where every step is a native 64-bit division. */
#include "rows/int256.h"

#include <string.h>

#define LIMBS  4
#define DIGITS 8 /* of 32 bits */

__extension__ typedef unsigned __int128 uint128;

static bool fits_limb(const struct int256 *v) {
    return (v->limb[1] | v->limb[2] | v->limb[3]) == 0;
}

static int compare_magnitude(const struct int256 *a, const struct int256 *b) {
    for (size_t i = LIMBS; i > 0; i--) {
        if (a->limb[i - 1] != b->limb[i - 1]) {
            return a->limb[i - 1] < b->limb[i - 1] ? -1 : 1;
        }
    }
    return 0;
}

int int256_compare(const struct int256 *a, const struct int256 *b) {
    if (a->negative != b->negative) {
        return a->negative ? -1 : 1;
    }
    int order = compare_magnitude(a, b);
    return a->negative ? -order : order;
}

struct int256 int256_negate(const struct int256 *v) {
    struct int256 r = *v;
    r.negative = !v->negative && !int256_is_zero(v);
    return r;
}

/* |a| + |b|; false when it needs more than 256 bits. */
static bool add_magnitude(const struct int256 *a, const struct int256 *b, struct int256 *out) {
    uint64_t carry = 0;
    for (size_t i = 0; i < LIMBS; i++) {
        uint128 sum = (uint128)a->limb[i] + b->limb[i] + carry;
        out->limb[i] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
    return carry == 0;
}

/* |a| - |b| where |a| >= |b|. */
static void sub_magnitude(const struct int256 *a, const struct int256 *b, struct int256 *out) {
    uint64_t borrow = 0;
    for (size_t i = 0; i < LIMBS; i++) {
        uint128 difference = (uint128)a->limb[i] - b->limb[i] - borrow;
        out->limb[i] = (uint64_t)difference;
        borrow = (uint64_t)(difference >> 64) & 1;
    }
}

/* a + (b with the given sign) */
static bool add_signed(const struct int256 *a, const struct int256 *b, bool b_negative,
                       struct int256 *out) {
    struct int256 r = {.negative = a->negative};
    if (a->negative == b_negative) {
        if (!add_magnitude(a, b, &r)) {
            return false;
        }
    } else {
        int order = compare_magnitude(a, b);
        if (order > 0) {
            sub_magnitude(a, b, &r);
        } else {
            sub_magnitude(b, a, &r);
            r.negative = order < 0 && b_negative;
        }
    }
    *out = r;
    return true;
}

bool int256_add(const struct int256 *a, const struct int256 *b, struct int256 *out) {
    return add_signed(a, b, b->negative, out);
}

bool int256_sub(const struct int256 *a, const struct int256 *b, struct int256 *out) {
    return add_signed(a, b, !b->negative && !int256_is_zero(b), out);
}

static bool mul_magnitude(const struct int256 *a, const struct int256 *b, struct int256 *out) {
    uint64_t product[2 * LIMBS] = {0};
    for (size_t i = 0; i < LIMBS; i++) {
        uint64_t carry = 0;
        for (size_t k = 0; k < LIMBS; k++) {
            uint128 part = (uint128)a->limb[i] * b->limb[k] + product[i + k] + carry;
            product[i + k] = (uint64_t)part;
            carry = (uint64_t)(part >> 64);
        }
        product[i + LIMBS] = carry;
    }
    memcpy(out->limb, product, sizeof(out->limb));
    return (product[4] | product[5] | product[6] | product[7]) == 0;
}

bool int256_mul(const struct int256 *a, const struct int256 *b, struct int256 *out) {
    struct int256 r = {.negative = false};
    if (fits_limb(a) && fits_limb(b)) {
        uint128 product = (uint128)a->limb[0] * b->limb[0];
        r.limb[0] = (uint64_t)product;
        r.limb[1] = (uint64_t)(product >> 64);
    } else if (!mul_magnitude(a, b, &r)) {
        return false;
    }
    r.negative = a->negative != b->negative && !int256_is_zero(&r);
    *out = r;
    return true;
}

/* quotient = v / divisor; returns the remainder. */
static uint64_t div_limb(const struct int256 *v, uint64_t divisor, struct int256 *quotient) {
    uint64_t remainder = 0;
    for (size_t i = LIMBS; i > 0; i--) {
        if (remainder == 0) { /* a native division: the rule for small numbers */
            quotient->limb[i - 1] = v->limb[i - 1] / divisor;
            remainder = v->limb[i - 1] % divisor;
        } else {
            uint128 part = (uint128)remainder << 64 | v->limb[i - 1];
            quotient->limb[i - 1] = (uint64_t)(part / divisor);
            remainder = (uint64_t)(part % divisor);
        }
    }
    return remainder;
}

/* out[0..count] = v << shift in digits of 32 bits; shift < 32. */
static void to_digits(const struct int256 *v, unsigned shift, uint32_t *out, size_t count) {
    uint64_t carry = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t digit = i < DIGITS ? (uint32_t)(v->limb[i / 2] >> (i % 2 * 32)) : 0;
        uint64_t shifted = digit << shift | carry;
        out[i] = (uint32_t)shifted;
        carry = shifted >> 32;
    }
}

static void from_digits(const uint32_t *digits, size_t count, unsigned shift, struct int256 *out) {
    memset(out->limb, 0, sizeof(out->limb));
    for (size_t i = 0; i < count; i++) {
        uint64_t above = i + 1 < count ? digits[i + 1] : 0;
        uint64_t digit = (uint32_t)((above << 32 | digits[i]) >> shift);
        out->limb[i / 2] |= digit << (i % 2 * 32);
    }
}

/* The digit q with which u[0..n] - q*v[0..n-1] lies in 0 .. v-1, and u reduced by that. */
static uint32_t div_step(uint32_t *u, const uint32_t *v, size_t n) {
    uint64_t high = (uint64_t)u[n] << 32 | u[n - 1];
    uint64_t q = high / v[n - 1];
    uint64_t r = high % v[n - 1];
    while (q > UINT32_MAX || q * v[n - 2] > (r << 32 | u[n - 2])) {
        q--;
        r += v[n - 1];
        if (r > UINT32_MAX) {
            break;
        }
    }
    uint64_t carry = 0; /* of the product and of the borrow together */
    for (size_t i = 0; i < n; i++) {
        uint64_t product = q * v[i] + carry;
        carry = (product >> 32) + (u[i] < (uint32_t)product ? 1 : 0);
        u[i] -= (uint32_t)product;
    }
    bool negative = u[n] < carry;
    u[n] -= (uint32_t)carry;
    if (negative) { /* q was one too large: give one v back */
        q--;
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++) {
            sum += (uint64_t)u[i] + v[i];
            u[i] = (uint32_t)sum;
            sum >>= 32;
        }
        u[n] += (uint32_t)sum;
    }
    return (uint32_t)q;
}

/* |a| / |b| where |a| >= |b| and b has at least two limbs. */
static void div_long(const struct int256 *a, const struct int256 *b, struct int256 *quotient,
                     struct int256 *remainder) {
    uint32_t u[DIGITS + 1];
    uint32_t v[DIGITS];
    uint32_t q[DIGITS] = {0};
    size_t n = DIGITS;
    while ((uint32_t)(b->limb[(n - 1) / 2] >> ((n - 1) % 2 * 32)) == 0) {
        n--;
    }
    uint32_t lead = (uint32_t)(b->limb[(n - 1) / 2] >> ((n - 1) % 2 * 32));
    unsigned shift = (unsigned)__builtin_clz(lead);
    to_digits(a, shift, u, DIGITS + 1);
    to_digits(b, shift, v, DIGITS);
    for (size_t k = DIGITS - n + 1; k > 0; k--) {
        q[k - 1] = div_step(u + k - 1, v, n);
    }
    from_digits(q, DIGITS, 0, quotient);
    from_digits(u, DIGITS, shift, remainder);
}

bool int256_div(const struct int256 *a, const struct int256 *b, struct int256 *quotient,
                struct int256 *remainder) {
    struct int256 q = {.negative = false};
    struct int256 r = {.negative = false};
    if (int256_is_zero(b)) {
        return false;
    }
    if (fits_limb(b)) {
        r.limb[0] = div_limb(a, b->limb[0], &q);
    } else if (compare_magnitude(a, b) < 0) {
        r = *a;
    } else {
        div_long(a, b, &q, &r);
    }
    q.negative = a->negative != b->negative && !int256_is_zero(&q);
    r.negative = a->negative && !int256_is_zero(&r);
    *quotient = q;
    *remainder = r;
    return true;
}

void int256_sum_init(struct int256_sum *s) {
    *s = (struct int256_sum){0};
}

static void sum_change(struct int256_sum *s, const struct int256 *v, bool subtract) {
    uint64_t carry = subtract ? 1 : 0; /* -v is ~v + 1 */
    uint64_t mask = subtract ? UINT64_MAX : 0;
    for (size_t i = 0; i < ARRAY_COUNT(s->limb); i++) {
        uint64_t limb = (i < LIMBS ? v->limb[i] : 0) ^ mask;
        uint128 sum = (uint128)s->limb[i] + limb + carry;
        s->limb[i] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
}

void int256_sum_add(struct int256_sum *s, const struct int256 *v) {
    sum_change(s, v, v->negative);
}

void int256_sum_sub(struct int256_sum *s, const struct int256 *v) {
    sum_change(s, v, !v->negative);
}

bool int256_sum_get(const struct int256_sum *s, struct int256 *out) {
    struct int256_sum magnitude = *s;
    bool negative = s->limb[LIMBS] >> 63 != 0;
    if (negative) {
        uint64_t carry = 1;
        for (size_t i = 0; i < ARRAY_COUNT(magnitude.limb); i++) {
            magnitude.limb[i] = ~magnitude.limb[i] + carry;
            carry = carry != 0 && magnitude.limb[i] == 0 ? 1 : 0;
        }
    }
    if (magnitude.limb[LIMBS] != 0) {
        return false;
    }
    struct int256 r = {.negative = negative};
    memcpy(r.limb, magnitude.limb, sizeof(r.limb));
    *out = r;
    return true;
}
