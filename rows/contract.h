/* What a source promises about its records: the declared columns, and what to do with what was not
 * declared.
 *
 * Decoding turns one raw record into one row, or into one reject that says which column broke which
 * rule. It also notes how the records differ from what was declared and seen before (drift). */
#ifndef PLUMB_ROWS_CONTRACT_H
#define PLUMB_ROWS_CONTRACT_H

#include "rows/rows.h"

#define CONTRACT_PATH_DEPTH_MAX 16

enum unknown_policy {
    UNKNOWN_NOTE,   /* keep going, record the new field (default) */
    UNKNOWN_REJECT, /* a record with an undeclared field is rejected */
    UNKNOWN_IGNORE  /* neither */
};

struct contract_column {
    const char *name;
    enum column_type type;
    bool required; /* absent, null or (CSV) empty is a reject */
    const char *const
        *path; /* JSON: unescaped pointer segments; CSV, regex: one segment = header/group name */
    size_t path_depth; /* >= 1; default is {name} */
    struct value min,
        max; /* is_null: no bound. Numbers, timestamps, int256: value; text, bytes: length */
    const char *const *one_of; /* NULL or list of texts; compared with the value's text form */
    size_t one_of_count;
    int64_t timestamp_unit_us; /* TIMESTAMP: 0 = RFC 3339 only; 1, 1000, 1000000: numbers are us,
                                  ms, s */
};

struct contract {
    struct schema schema; /* name and type of each column, same order */
    const struct contract_column *columns;
    enum unknown_policy unknown;
};

/* Why a record was rejected. */
#define REJECT_REASONS(X)                                                                          \
    X(MALFORMED, "malformed") /* not JSON / not CSV / regex does not match / not UTF-8 */          \
    X(TOO_LARGE, "too_large") /* longer than the source's record limit; kept by pointer */         \
    X(DUPLICATE_KEY, "duplicate_key")                                                              \
    X(MISSING, "missing")         /* required column absent or null */                             \
    X(TYPE, "type")               /* the value is not of the declared type */                      \
    X(RANGE, "range")             /* below min, above max, or beyond what the type can hold */     \
    X(NOT_ALLOWED, "not_allowed") /* not in one_of */                                              \
    X(UNKNOWN_FIELD, "unknown_field")                                                              \
    X(TRANSFORM, "transform") /* SQL of a transform failed on this row */

enum reject_reason {
#define X(name, text) REJECT_##name,
    REJECT_REASONS(X)
#undef X
};
const char *reject_reason_name(enum reject_reason reason);

struct reject {
    uint32_t pos; /* raw record number in its batch */
    enum reject_reason reason;
    const char *column; /* declared column, or NULL */
    int64_t offset;     /* byte in the raw record where the fault is, or -1 */
    struct str message; /* in the arena: what is wrong, with the offending value quoted and cut */
};

#define REJECT_MESSAGE_BYTES 400
struct reject_list {
    struct arena *arena; /* borrowed */
    struct reject *items;
    size_t count;
    size_t capacity;
};
void reject_list_init(struct reject_list *l, struct arena *arena);
MUST_CHECK enum err_code reject_list_add(struct reject_list *l, uint32_t pos,
                                         enum reject_reason reason, const char *column,
                                         int64_t offset, struct err *err, const char *fmt, ...)
    PRINTF_LIKE(7, 8);

/* What the records of one batch looked like. Kinds of JSON value seen per field; CSV and regex
 * fields are strings. */
enum field_kind {
    FIELD_STRING = 1,
    FIELD_INTEGER = 2,
    FIELD_NUMBER = 4,
    FIELD_BOOL = 8,
    FIELD_OBJECT = 16,
    FIELD_ARRAY = 32,
    FIELD_NULL = 64
};
#define DRIFT_FIELDS_MAX     64 /* undeclared fields noted per batch; more are counted in overflow */
#define DRIFT_NAME_BYTES_MAX 128 /* longer names are cut */
struct drift_field {
    struct str path; /* JSON pointer of an undeclared field ("/meta/source"), or header name */
    unsigned kinds;  /* OR of enum field_kind */
    int64_t records;
};
struct drift {
    struct drift_field fields[DRIFT_FIELDS_MAX];
    size_t field_count;
    int64_t overflow;
    unsigned
        *column_kinds; /* [contract columns] kinds seen for declared columns; 0 = never present */
    int64_t *column_present; /* [contract columns] records in which it was present (null counts as
                                present) */
    int64_t records;         /* well-formed records looked at */
};
MUST_CHECK enum err_code drift_init(struct drift *d, const struct contract *c, struct arena *arena,
                                    struct err *err);

#endif
