/* The eight column types, and a value of one of them.
 *
 *   type       in memory              in SQLite  in JSON          accepted text (CSV, regex)
 *   int64      int64_t                INTEGER    number           -?digits
 *   float64    double, never nan or   REAL       number           JSON number grammar
 *              inf; -0.0 becomes 0.0
 *   bool       0 or 1                 INTEGER    true/false       true false 1 0 t f yes no, any
 *                                                                 case
 *   text       UTF-8 without NUL      TEXT       string           as it is
 *   bytes      any                    BLOB       "0x<hex>"        0x<hex>, or hex
 *   timestamp  int64_t, us since      INTEGER    RFC 3339 string  RFC 3339, or a number in the
 *              epoch, years 1-9999                                contract's unit, 1.5 too
 *   json       minified JSON text     TEXT       the value        JSON
 *   int256     order-preserving       BLOB       decimal string   decimal or 0x<hex>
 *              bytes
 */
#ifndef PLUMB_ROWS_TYPE_H
#define PLUMB_ROWS_TYPE_H

#include "base/str.h"

/* 0001-01-01T00:00:00Z .. 9999-12-31T23:59:59.999999Z */
#define TIMESTAMP_US_MIN INT64_C(-62135596800000000)
#define TIMESTAMP_US_MAX INT64_C(253402300799999999)

#define COLUMN_TYPES(X)                                                                            \
    X(INT64, "int64")                                                                              \
    X(FLOAT64, "float64")                                                                          \
    X(BOOL, "bool")                                                                                \
    X(TEXT, "text")                                                                                \
    X(BYTES, "bytes")                                                                              \
    X(TIMESTAMP, "timestamp")                                                                      \
    X(JSON, "json")                                                                                \
    X(INT256, "int256")

enum column_type {
#define X(name, text) TYPE_##name,
    COLUMN_TYPES(X)
#undef X
};
#define COLUMN_TYPE_COUNT 8

const char *type_name(enum column_type type);
MUST_CHECK bool type_parse(struct str name, enum column_type *out);
/* NULL-terminated list of names, for choices and suggestions. */
extern const char *const type_names[COLUMN_TYPE_COUNT + 1];

/* True for types held in integer (INT64, BOOL, TIMESTAMP). */
bool type_is_integer(enum column_type type);

struct value {
    enum column_type type;
    bool is_null;
    union {
        int64_t integer;  /* INT64, BOOL, TIMESTAMP */
        double real;      /* FLOAT64 */
        struct str bytes; /* TEXT, BYTES, JSON, INT256 (encoded) */
    };
};

/* Text as a user writes it in CSV or in a flow (min: 0) to a value. Text and json views point into
 * `text`; encoded int256 and decoded hex go to scratch (at least text.len + 40 bytes).
 * timestamp_unit: 0 = RFC 3339 text only, else microseconds per unit of a plain number. False when
 * the text is not of that type (json: is not checked here). */
MUST_CHECK bool value_parse(enum column_type type, struct str text, int64_t timestamp_unit,
                            char *scratch, struct value *out);
/* Orders two non-null values of one type: <0, 0, >0. */
int value_compare(const struct value *a, const struct value *b);
/* Adds the value as JSON (table above). */
struct json_writer;
void value_write_json(struct json_writer *w, const struct value *v);

#endif
