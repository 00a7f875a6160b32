/* The digest of a table: equal tables have equal digests, in any row order, on any store.
 * docs/digest.md is the definition; this is the only implementation.
 *
 * Row bytes: for each user column in declared order, one tag byte and its content:
 *   NULL      'n'
 *   int64     'i' + 8 bytes two's complement big-endian      bool: 'b' + 1 byte 0/1
 *   timestamp 'T' + 8 bytes as int64 (microseconds)
 *   float64   'f' + 8 bytes IEEE 754 big-endian (-0.0 as 0.0)
 *   text      't' + u32 big-endian length + UTF-8 bytes      json: 'j' likewise     bytes: 'x' likewise
 *   int256    'I' + u32 big-endian length + decimal text
 *
 * Row hash: XXH3-128 of the row bytes. Table: the sum of the row hashes modulo 2^128, and the number of rows.
 * Text: "<rows>-<32 hex digits of the sum>". */
#ifndef PLUMB_STORE_DIGEST_H
#define PLUMB_STORE_DIGEST_H

#include "base/hash.h"
#include "rows/schema.h"

struct digest {
    struct hash128 sum;
    int64_t rows;
    struct buf row; /* bytes of the row being added */
};
#define DIGEST_TEXT_BYTES     64
#define DIGEST_ROW_BYTES_MAX  ((size_t)2 << 30) /* a longer row is LIMIT */
#define DIGEST_ROW_BYTES_KEPT ((size_t)1 << 20) /* memory kept from row to row */

void digest_init(struct digest *d);
void digest_release(struct digest *d);
MUST_CHECK enum err_code digest_value(struct digest *d, const struct value *v, struct err *err);
void digest_end_row(struct digest *d);
void digest_text(const struct digest *d, char out[DIGEST_TEXT_BYTES]);

#endif
