/* Numbers. Integers by checked arithmetic. Doubles: the grammar is checked first; up to 19 digits
 * whose value is below 2^53, scaled by at most 10^22, are one exact operation; everything else is
 * written out as digits and an exponent for strtod_l in the C locale. 768 digits decide every
 * double, so of longer texts only PARSE_DIGITS_MAX are kept, and a last '1' when something other
 * than zero was left out. */
#include "base/parse.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARSE_DIGITS_MAX   800
#define PARSE_EXPONENT_MAX INT64_C(1000000000000)

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool parse_u64(struct str s, uint64_t *out) {
    if (s.len == 0) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.ptr[i]) || __builtin_mul_overflow(value, 10U, &value) ||
            __builtin_add_overflow(value, (unsigned)(s.ptr[i] - '0'), &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

bool parse_i64(struct str s, int64_t *out) {
    bool negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t size = 0;
    if (!parse_u64(negative ? (struct str){s.ptr + 1, s.len - 1} : s, &size)) {
        return false;
    }
    if (size > (uint64_t)INT64_MAX + (negative ? 1U : 0U)) {
        return false;
    }
    if (!negative) {
        *out = (int64_t)size;
    } else {
        *out = size == 0 ? 0 : -(int64_t)(size - 1) - 1;
    }
    return true;
}

/* A number's parts: value = 0.DIGITS * 10^point. */
struct decimal {
    bool negative;
    bool truncated; /* a digit other than zero was left out */
    size_t count;
    int64_t point;
    char digits[PARSE_DIGITS_MAX + 2];
};

static void add_digit(struct decimal *d, char c, bool after_point) {
    if (d->count == 0 && c == '0') {
        d->point -= after_point ? 1 : 0;
        return;
    }
    d->point += after_point ? 0 : 1;
    if (d->count < PARSE_DIGITS_MAX) {
        d->digits[d->count] = c;
        d->count++;
    } else if (c != '0') {
        d->truncated = true;
    }
}

/* [eE][+-]?digits at the end of s; true when it is that or nothing. */
static bool read_exponent(struct str s, int64_t *out) {
    *out = 0;
    if (s.len == 0) {
        return true;
    }
    if (s.ptr[0] != 'e' && s.ptr[0] != 'E') {
        return false;
    }
    size_t at = 1;
    bool negative = at < s.len && s.ptr[at] == '-';
    if (at < s.len && (s.ptr[at] == '-' || s.ptr[at] == '+')) {
        at++;
    }
    if (at == s.len) {
        return false;
    }
    int64_t value = 0;
    for (; at < s.len; at++) {
        if (!is_digit(s.ptr[at])) {
            return false;
        }
        value = value * 10 + (s.ptr[at] - '0');
        value = value > PARSE_EXPONENT_MAX ? PARSE_EXPONENT_MAX : value;
    }
    *out = negative ? -value : value;
    return true;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool read_decimal(struct str s, struct decimal *d) {
    size_t at = 0;
    d->negative = s.len > 0 && s.ptr[0] == '-';
    at += d->negative ? 1 : 0;
    size_t start = at;
    while (at < s.len && is_digit(s.ptr[at])) {
        add_digit(d, s.ptr[at], false);
        at++;
    }
    if (at == start || (at - start > 1 && s.ptr[start] == '0')) {
        return false;
    }
    if (at < s.len && s.ptr[at] == '.') {
        at++;
        start = at;
        while (at < s.len && is_digit(s.ptr[at])) {
            add_digit(d, s.ptr[at], true);
            at++;
        }
        if (at == start) {
            return false;
        }
    }
    int64_t exponent = 0;
    if (!read_exponent((struct str){s.ptr + at, s.len - at}, &exponent)) {
        return false;
    }
    d->point += exponent;
    return true;
}

static bool fast_value(const struct decimal *d, double *out) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d->count > 19) {
        return false;
    }
    uint64_t mantissa = 0;
    for (size_t i = 0; i < d->count; i++) {
        mantissa = mantissa * 10 + (unsigned)(d->digits[i] - '0');
    }
    int64_t scale = mantissa == 0 ? 0 : d->point - (int64_t)d->count;
    if (mantissa > (UINT64_C(1) << 53) || scale < -22 || scale > 22) {
        return false;
    }
    double value = (double)mantissa;
    value = scale < 0 ? value / powers[-scale] : value * powers[scale];
    *out = d->negative ? -value : value;
    return true;
}

/* glibc gives the same static object each time: nothing to free. */
static locale_t c_locale(void) {
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    ASSERT(c != (locale_t)0);
    return c;
}

static bool slow_value(struct decimal *d, double *out) {
    if (d->truncated) {
        d->digits[d->count] = '1';
        d->count++;
    }
    d->digits[d->count] = '\0';
    /* Beyond this range the value is zero or too large, whatever the digits. */
    int64_t point = d->point < -100000 ? -100000 : d->point > 100000 ? 100000 : d->point;
    char text[PARSE_DIGITS_MAX + 32];
    int written =
        snprintf(text, sizeof text, "%s0.%se%d", d->negative ? "-" : "", d->digits, (int)point);
    ASSERT(written > 0 && (size_t)written < sizeof text);
    char *end = NULL;
    /* strtod_l needs "." and no grouping: the C locale's. */
    double value = strtod_l(text, &end, c_locale());
    ASSERT(end == text + written);
    if (isinf(value)) {
        return false;
    }
    *out = value;
    return true;
}

bool parse_f64(struct str s, double *out) {
    struct decimal d;
    d.truncated = false;
    d.count = 0;
    d.point = 0;
    return read_decimal(s, &d) && (fast_value(&d, out) || slow_value(&d, out));
}

/* Equal to the last bit: 0 and -0 are not the same. */
static bool same_bits(double a, double b) {
    uint64_t bits_a = 0;
    uint64_t bits_b = 0;
    memcpy(&bits_a, &a, sizeof bits_a);
    memcpy(&bits_b, &b, sizeof bits_b);
    return bits_a == bits_b;
}

void parse_print_f64(double v, char out[PARSE_F64_TEXT_BYTES]) {
    ASSERT(isfinite(v));
    locale_t before = uselocale(c_locale());
    for (int digits = 15; digits <= 17; digits++) {
        int written = snprintf(out, PARSE_F64_TEXT_BYTES, "%.*g", digits, v);
        ASSERT(written > 0 && written < PARSE_F64_TEXT_BYTES);
        double back = 0;
        if (digits < 17 && parse_f64(str_of(out), &back) && same_bits(back, v)) {
            break;
        }
    }
    (void)uselocale(before);
}

bool parse_size(struct str s, int64_t *out) {
    static const struct {
        const char *name;
        int64_t bytes;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"kB", INT64_C(1000)},
        {"KB", INT64_C(1000)},
        {"MB", INT64_C(1000000)},
        {"GB", INT64_C(1000000000)},
        {"TB", INT64_C(1000000000000)},
        {"KiB", INT64_C(1) << 10},
        {"MiB", INT64_C(1) << 20},
        {"GiB", INT64_C(1) << 30},
        {"TiB", INT64_C(1) << 40},
    };
    size_t digits = 0;
    while (digits < s.len && is_digit(s.ptr[digits])) {
        digits++;
    }
    int64_t number = 0;
    if (!parse_i64((struct str){s.ptr, digits}, &number)) {
        return false;
    }
    struct str unit = {s.ptr + digits, s.len - digits};
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        int64_t bytes = 0;
        if (str_equal_c(unit, units[i].name) &&
            !__builtin_mul_overflow(number, units[i].bytes, &bytes)) {
            *out = bytes;
            return true;
        }
    }
    return false;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Edits from a to b, by rows of the usual table; a swap of neighbours looks two rows back. */
static size_t distance(struct str a, struct str b) {
    size_t rows[3][PARSE_NEAREST_MAX + 1];
    for (size_t j = 0; j <= b.len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            char x = lower(a.ptr[i - 1]);
            char y = lower(b.ptr[j - 1]);
            size_t best = min_size(min_size(row[j - 1], above[j]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b.ptr[j - 2]) && y == lower(a.ptr[i - 2])) {
                best = min_size(best, two_above[j - 2] + 1);
            }
            row[j] = best;
        }
    }
    return rows[a.len % 3][b.len];
}

const char *parse_nearest(struct str word, const char *const *candidates, size_t count) {
    if (word.len == 0 || word.len > PARSE_NEAREST_MAX) {
        return NULL;
    }
    size_t limit = word.len / 3 > 1 ? word.len / 3 : 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        struct str candidate = str_of(candidates[i]);
        if (candidate.len == 0 || candidate.len > PARSE_NEAREST_MAX) {
            continue;
        }
        size_t edits = distance(word, candidate);
        if (edits <= limit && (nearest == NULL || edits < limit)) {
            nearest = candidates[i];
            limit = edits;
        }
    }
    return nearest;
}
