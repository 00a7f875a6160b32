/* Strict text to number: the whole view must be the number, no white space, no locale. False
 * otherwise. */
#ifndef PLUMB_BASE_PARSE_H
#define PLUMB_BASE_PARSE_H

#include "base/str.h"

MUST_CHECK bool parse_i64(struct str s,
                          int64_t *out); /* [-]digits; no '+', leading zeros allowed */
MUST_CHECK bool parse_u64(struct str s, uint64_t *out);
/* JSON number grammar plus leading '+' and missing integer part refused; inf and nan refused;
 * overflow refused. */
MUST_CHECK bool parse_f64(struct str s, double *out);
/* A text that parse_f64 reads back as the same double, of 15, 16 or 17 digits, whatever the locale.
 * v is finite. */
#define PARSE_F64_TEXT_BYTES 32
void parse_print_f64(double v, char out[PARSE_F64_TEXT_BYTES]);
/* "512", "64KiB", "10MB", "2GiB" -> bytes */
MUST_CHECK bool parse_size(struct str s, int64_t *out);
/* The candidate nearest to word by edit distance, swapped neighbours counting once and case not at
 * all (at most a third of its length, at least 1), or NULL. Words above PARSE_NEAREST_MAX bytes are
 * like nothing. */
#define PARSE_NEAREST_MAX 64
const char *parse_nearest(struct str word, const char *const *candidates, size_t count);

#endif
