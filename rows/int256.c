/* Conversions of int256: text, bytes, int64 and double. Arithmetic is in int256_math.c.
 *
 * Decimal text is taken and given 19 digits at a time (10^19 is the largest power of ten in 64
 * bits), one multiplication or short division of the four limbs for each group. Numbers of one
 * limb, nearly all there are, never reach those loops. */
#include "rows/int256.h"

#include <string.h>

#define GROUP_DIGITS 19
#define GROUP_BASE   UINT64_C(10000000000000000000) /* 10^19 */
#define LIMBS        4
#define WORD_BYTES   32

__extension__ typedef unsigned __int128 uint128;

static const struct int256 zero;

bool int256_is_zero(const struct int256 *v) {
    return (v->limb[0] | v->limb[1] | v->limb[2] | v->limb[3]) == 0;
}

struct int256 int256_from_i64(int64_t v) {
    struct int256 r = zero;
    r.negative = v < 0;
    r.limb[0] = v < 0 ? UINT64_C(0) - (uint64_t)v : (uint64_t)v;
    return r;
}

bool int256_to_i64(const struct int256 *v, int64_t *out) {
    uint64_t limit = (uint64_t)INT64_MAX + (v->negative ? 1 : 0);
    if ((v->limb[1] | v->limb[2] | v->limb[3]) != 0 || v->limb[0] > limit) {
        return false;
    }
    /* Conversion from uint64_t wraps in gcc and clang, so -2^63 comes out right. */
    *out = (int64_t)(v->negative ? UINT64_C(0) - v->limb[0] : v->limb[0]);
    return true;
}

/* v = v * factor + addend; false when it does not fit. */
static bool scale(struct int256 *v, uint64_t factor, uint64_t addend) {
    uint128 carry = addend;
    for (size_t i = 0; i < LIMBS; i++) {
        carry += (uint128)v->limb[i] * factor;
        v->limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return carry == 0;
}

static bool parse_decimal(struct str digits, struct int256 *out) {
    struct int256 v = zero;
    uint64_t group = 0;
    uint64_t base = 1;
    bool grouped = false; /* v holds something that is not just zero groups */
    for (size_t i = 0; i < digits.len; i++) {
        unsigned digit = (unsigned)(unsigned char)digits.ptr[i] - '0';
        if (digit > 9) {
            return false;
        }
        group = group * 10 + digit;
        base *= 10;
        if (base == GROUP_BASE) {
            if ((grouped || group != 0) && !scale(&v, base, group)) {
                return false;
            }
            grouped = grouped || group != 0;
            group = 0;
            base = 1;
        }
    }
    if (!grouped) {
        v.limb[0] = group;
    } else if (base > 1 && !scale(&v, base, group)) {
        return false;
    }
    *out = v;
    return true;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

static bool parse_hex(struct str digits, struct int256 *out) {
    struct int256 v = zero;
    for (size_t i = 0; i < digits.len; i++) {
        int digit = hex_value(digits.ptr[i]);
        if (digit < 0 || v.limb[3] >> 60 != 0) {
            return false;
        }
        for (size_t k = LIMBS - 1; k > 0; k--) {
            v.limb[k] = v.limb[k] << 4 | v.limb[k - 1] >> 60;
        }
        v.limb[0] = v.limb[0] << 4 | (uint64_t)digit;
    }
    *out = v;
    return true;
}

bool int256_parse(struct str text, struct int256 *out) {
    bool negative = text.len > 0 && text.ptr[0] == '-';
    struct str digits = {text.ptr + (negative ? 1 : 0), text.len - (negative ? 1 : 0)};
    bool hex = digits.len > 2 && digits.ptr[0] == '0' && digits.ptr[1] == 'x';
    struct int256 v = zero;
    if (digits.len == 0) {
        return false;
    }
    if (hex) {
        digits = (struct str){digits.ptr + 2, digits.len - 2};
    }
    if (!(hex ? parse_hex(digits, &v) : parse_decimal(digits, &v))) {
        return false;
    }
    v.negative = negative && !int256_is_zero(&v);
    *out = v;
    return true;
}

/* v = v / 10^19, returning the remainder. */
static uint64_t split_group(struct int256 *v) {
    uint64_t remainder = 0;
    for (size_t i = LIMBS; i > 0; i--) {
        uint128 part = (uint128)remainder << 64 | v->limb[i - 1];
        v->limb[i - 1] = (uint64_t)(part / GROUP_BASE);
        remainder = (uint64_t)(part % GROUP_BASE);
    }
    return remainder;
}

/* Writes the decimal digits of v, at least `width`, so that they end before `end`; returns where
 * they start. */
static char *digits_before(char *end, uint64_t v, size_t width) {
    char *p = end;
    while (v != 0 || (size_t)(end - p) < width) {
        p--;
        *p = (char)('0' + v % 10);
        v /= 10;
    }
    return p;
}

size_t int256_format(const struct int256 *v, char out[INT256_TEXT_BYTES]) {
    char text[INT256_TEXT_BYTES];
    char *end = text + sizeof(text);
    char *p = end;
    struct int256 rest = *v;
    while ((rest.limb[1] | rest.limb[2] | rest.limb[3]) != 0) {
        p = digits_before(p, split_group(&rest), GROUP_DIGITS);
    }
    /* Above 10^19 the last limb has a digit more than a group; it is the front, so it may. */
    if (rest.limb[0] != 0 || p == end) {
        p = digits_before(p, rest.limb[0], 1);
    }
    if (v->negative) {
        p--;
        *p = '-';
    }
    size_t len = (size_t)(end - p);
    ASSERT(len < INT256_TEXT_BYTES);
    memcpy(out, p, len);
    out[len] = '\0';
    return len;
}

/* Bytes of the magnitude without leading zeros. */
static size_t magnitude_bytes(const struct int256 *v) {
    for (size_t i = LIMBS; i > 0; i--) {
        if (v->limb[i - 1] != 0) {
            return i * 8 - (size_t)__builtin_clzll(v->limb[i - 1]) / 8;
        }
    }
    return 0;
}

/* Big-endian bytes, each xor mask, to a magnitude. */
static struct int256 load_be(const uint8_t *bytes, size_t len, uint8_t mask) {
    struct int256 v = zero;
    for (size_t i = 0; i < len; i++) {
        size_t place = len - 1 - i;
        v.limb[place / 8] |= (uint64_t)(uint8_t)(bytes[i] ^ mask) << (place % 8 * 8);
    }
    return v;
}

bool int256_from_be(const uint8_t *bytes, size_t len, bool is_signed, struct int256 *out) {
    if (len < 1 || len > WORD_BYTES) {
        return false;
    }
    if (!is_signed || bytes[0] < 0x80) {
        *out = load_be(bytes, len, 0);
        return true;
    }
    /* A negative word w is -(~w + 1); ~w has its highest bit clear, so adding 1 cannot overflow. */
    struct int256 v = load_be(bytes, len, 0xFF);
    for (size_t i = 0; i < LIMBS; i++) {
        v.limb[i]++;
        if (v.limb[i] != 0) {
            break;
        }
    }
    v.negative = true;
    *out = v;
    return true;
}

size_t int256_encode(const struct int256 *v, uint8_t out[INT256_ENCODED_MAX]) {
    size_t len = magnitude_bytes(v);
    uint8_t mask = v->negative ? 0xFF : 0;
    out[0] = (uint8_t)(v->negative ? 0x80 - len : 0x80 + len);
    for (size_t i = 0; i < len; i++) {
        size_t place = len - 1 - i;
        out[1 + i] = (uint8_t)(v->limb[place / 8] >> (place % 8 * 8)) ^ mask;
    }
    return 1 + len;
}

bool int256_decode(struct str encoded, struct int256 *out) {
    if (encoded.len < 1 || encoded.len > INT256_ENCODED_MAX) {
        return false;
    }
    uint8_t bytes[INT256_ENCODED_MAX];
    memcpy(bytes, encoded.ptr, encoded.len);
    size_t len = encoded.len - 1;
    bool negative = bytes[0] < 0x80;
    uint8_t mask = negative ? 0xFF : 0;
    if (bytes[0] != (negative ? 0x80 - len : 0x80 + len) || (len > 0 && bytes[1] == mask)) {
        return false;
    }
    *out = load_be(bytes + 1, len, mask);
    out->negative = negative;
    return true;
}

double int256_to_double(const struct int256 *v) {
    size_t top = LIMBS - 1;
    while (top > 0 && v->limb[top] == 0) {
        top--;
    }
    uint64_t high = v->limb[top];
    size_t shift = 0;
    if (top > 0) {
        /* The highest 64 bits, and whether anything below them is set as their lowest bit: enough
         * to round the 53 that stay, as 11 bits are between. */
        size_t lead = (size_t)__builtin_clzll(high);
        uint64_t below = v->limb[top - 1];
        uint64_t rest = lead == 0 ? below : below << lead;
        high = lead == 0 ? high : high << lead | below >> (64 - lead);
        for (size_t i = 0; i + 1 < top; i++) {
            rest |= v->limb[i];
        }
        high |= rest != 0 ? 1 : 0;
        shift = top * 64 - lead;
    }
    uint64_t power_bits = (UINT64_C(1023) + shift) << 52; /* 2^shift: multiplying is exact */
    double power = 0;
    memcpy(&power, &power_bits, sizeof(power));
    double result = (double)high * power;
    return v->negative ? -result : result;
}
