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
/* "512", "64KiB", "10MB", "2GiB" -> bytes */
MUST_CHECK bool parse_size(struct str s, int64_t *out);
/* The candidate nearest to word by edit distance (at most a third of its length, at least 1), or
 * NULL. */
const char *parse_nearest(struct str word, const char *const *candidates, size_t count);

#endif
