/* Exact signed integers with up to 256 bits of magnitude: -(2^256-1) .. 2^256-1.
 *
 * Stored form ("encoded"): 1 to 33 bytes whose bytewise order is the numeric order, so that <,
 * ORDER BY, min() and max() on a BLOB column are right.
 *
 *   value      first byte     then
 *   0          0x80           nothing
 *   v > 0      0x80 + n       the n bytes of v, big-endian, no leading zero byte      (n = 1..32)
 *   v < 0      0x80 - n       the n bytes of |v|, big-endian, each complemented
 *
 * Decoding refuses anything else, so equal numbers have equal bytes. No allocation; thread-safe. */
#ifndef PLUMB_ROWS_INT256_H
#define PLUMB_ROWS_INT256_H

#include "base/str.h"

struct int256 {
    uint64_t limb[4]; /* magnitude, least significant first */
    bool negative;    /* never with magnitude 0 */
};

#define INT256_ENCODED_MAX 33
#define INT256_TEXT_BYTES  80 /* sign, 78 digits, NUL */

struct int256 int256_from_i64(int64_t v);
MUST_CHECK bool int256_to_i64(const struct int256 *v, int64_t *out);
/* [-]digits or [-]0x<hex>; leading zeros allowed; false when malformed or out of range. */
MUST_CHECK bool int256_parse(struct str text, struct int256 *out);
/* Big-endian two's complement (Solidity int<N>) or unsigned (uint<N>) word of 1..32 bytes. */
MUST_CHECK bool int256_from_be(const uint8_t *bytes, size_t len, bool is_signed,
                               struct int256 *out);
/* Decimal text, NUL-terminated; returns its length. */
size_t int256_format(const struct int256 *v, char out[INT256_TEXT_BYTES]);
size_t int256_encode(const struct int256 *v, uint8_t out[INT256_ENCODED_MAX]); /* returns length */
MUST_CHECK bool int256_decode(struct str encoded, struct int256 *out);

int int256_compare(const struct int256 *a, const struct int256 *b);
bool int256_is_zero(const struct int256 *v);
struct int256 int256_negate(const struct int256 *v);
/* False on overflow (magnitude over 256 bits) or division by zero; *out untouched then. out may
 * alias a or b. */
MUST_CHECK bool int256_add(const struct int256 *a, const struct int256 *b, struct int256 *out);
MUST_CHECK bool int256_sub(const struct int256 *a, const struct int256 *b, struct int256 *out);
MUST_CHECK bool int256_mul(const struct int256 *a, const struct int256 *b, struct int256 *out);
/* Truncates toward zero, remainder has the sign of the dividend (like SQL and C). */
MUST_CHECK bool int256_div(const struct int256 *a, const struct int256 *b, struct int256 *quotient,
                           struct int256 *remainder);
/* Nearest double, ties to even. */
double int256_to_double(const struct int256 *v);

/* Sums of many: exact while the true running sum stays within 319 bits (2^63 addends), so the order
 * of addends cannot make it overflow; only the final value must fit. */
struct int256_sum {
    uint64_t limb[5]; /* two's complement */
};
void int256_sum_init(struct int256_sum *s);
void int256_sum_add(struct int256_sum *s, const struct int256 *v);
void int256_sum_sub(struct int256_sum *s, const struct int256 *v);
MUST_CHECK bool int256_sum_get(const struct int256_sum *s,
                               struct int256 *out); /* false on overflow */

#endif
