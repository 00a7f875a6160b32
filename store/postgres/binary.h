/* PostgreSQL's binary forms of our types, and rows in the format of COPY ... (FORMAT binary).
 *
 *   type                  PostgreSQL column     bytes (all big-endian)
 *   int64, timestamp      bigint                8, two's complement
 *   float64               double precision      8, IEEE 754
 *   bool                  boolean               1, 0 or 1
 *   text, json            text                  as they are
 *   bytes                 bytea                 as they are
 *   int256                numeric               digits u16, weight i16, sign u16, scale u16, then
 *                                               the digits, base 10000, u16 each, most significant
 *                                               first; the value is the sum of digit[i] *
 *                                               10000^(weight - i)
 *
 * A stream of COPY is a header (signature, flags, extension), then for each row a u16 count of
 * fields and for each field an i32 length (-1: NULL) and its bytes, then the trailer: a count of -1.
 *
 * No connection is needed: encoder and decoder work on bytes. What is decoded is not trusted:
 * CORRUPT when it is malformed, INPUT when it is well-formed but no value of ours. Thread-safe.
 * Limits: PG_FIELD_BYTES_MAX for a cell; the buffer's maximum for what is encoded. */
#ifndef PLUMB_STORE_POSTGRES_BINARY_H
#define PLUMB_STORE_POSTGRES_BINARY_H

#include "rows/int256.h"
#include "rows/rows.h"

#define PG_NUMERIC_DIGITS_MAX 20 /* of base 10000: 2^256 has 78 decimal ones */
#define PG_NUMERIC_BYTES_MAX  (8 + 2 * PG_NUMERIC_DIGITS_MAX)
#define PG_FIELD_BYTES_MAX    ((size_t)1 << 30) /* PostgreSQL's own limit of a value */

/* Writes v as a numeric; returns its length. */
size_t pg_numeric_encode(const struct int256 *v, uint8_t out[PG_NUMERIC_BYTES_MAX]);
/* A numeric without a fraction, of at most 256 bits of magnitude. INPUT for any other number, NaN
 * and infinity; CORRUPT for what is no numeric. */
MUST_CHECK enum err_code pg_numeric_decode(struct str bytes, struct int256 *out, struct err *err);

/* The column type a table of the store has for one of ours: "bigint", "numeric", ... */
const char *pg_type_name(enum column_type type);

/* ---- COPY FROM: rows to bytes ---- */
void pg_copy_begin(struct buf *out);
/* Rows [low, high), each with a bigint before its cells when place is not NULL: *place + pos of the
 * row. On failure (LIMIT) out may hold some of them. */
MUST_CHECK enum err_code pg_copy_rows(struct buf *out, const struct rows *rows, size_t low,
                                      size_t high, const int64_t *place, struct err *err);
void pg_copy_end(struct buf *out);

/* ---- COPY TO: bytes to rows ---- */
/* Takes the header off the front of bytes. */
MUST_CHECK enum err_code pg_copy_read_begin(struct str *bytes, struct err *err);
/* Takes one row off the front: values[schema->count] of the schema's types. Text, bytes and json are
 * views into bytes; int256 cells are written to scratch, INT256_ENCODED_MAX bytes for each column.
 * *end: it was the trailer. */
MUST_CHECK enum err_code pg_copy_read_row(struct str *bytes, const struct schema *schema,
                                          uint8_t *scratch, struct value *values, bool *end,
                                          struct err *err);

/* Big-endian numbers. */
static inline uint16_t pg_get_u16(const char *p) {
    const uint8_t *b = (const uint8_t *)p;
    return (uint16_t)((unsigned)b[0] << 8 | b[1]);
}
static inline uint32_t pg_get_u32(const char *p) {
    return (uint32_t)pg_get_u16(p) << 16 | pg_get_u16(p + 2);
}
static inline uint64_t pg_get_u64(const char *p) {
    return (uint64_t)pg_get_u32(p) << 32 | pg_get_u32(p + 4);
}
static inline char *pg_put_u16(char *p, uint16_t v) {
    p[0] = (char)(v >> 8);
    p[1] = (char)v;
    return p + 2;
}
static inline char *pg_put_u32(char *p, uint32_t v) {
    return pg_put_u16(pg_put_u16(p, (uint16_t)(v >> 16)), (uint16_t)v);
}
static inline char *pg_put_u64(char *p, uint64_t v) {
    return pg_put_u32(pg_put_u32(p, (uint32_t)(v >> 32)), (uint32_t)v);
}
double pg_get_f64(const char *p);

#endif
