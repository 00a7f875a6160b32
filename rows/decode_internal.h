/* What the three decoders share: the batch loop's state, the fault of the present record, and the
 * setters that put a value into a cell after checking the column's bounds. For rows/ and for sources
 * that decode their own records.
 *
 * A decoder implements struct decoder_ops. Its record() sets cells of the row being built and
 * decoder.kinds, and calls decode_fault() or decode_malformed() for what is wrong. The first fault
 * of a record is kept, but a malformed record is malformed whatever else was wrong before. Not
 * thread-safe. */
#ifndef PLUMB_ROWS_DECODE_INTERNAL_H
#define PLUMB_ROWS_DECODE_INTERNAL_H

#include "rows/decode.h"

#define DECODE_SHOWN_BYTES 64 /* an offending value in a message: 60 bytes, "...", NUL */
#define DECODE_OWN_MAX     ((size_t)64 << 20) /* what a decoder keeps between batches */

/* A contract column made ready for checking cells. */
struct column_rule {
    const struct contract_column *column;
    enum column_type type;
    bool has_checks; /* min, max or one_of */
    bool has_min;
    bool has_max;
    struct value *one_of; /* parsed, of the column's type */
    size_t one_of_count;
    const char *path; /* for messages: JSON pointer, or header or group name */
};

/* Where a value stands in its record, for messages. */
struct cell_origin {
    struct str raw;
    int64_t offset;
};

struct decode_fault {
    bool is_set;
    enum reject_reason reason;
    const char *column;
    int64_t offset;
    char message[REJECT_MESSAGE_BYTES];
};

struct decoder_ops {
    /* Before the records of a batch; may be NULL. */
    enum err_code (*begin)(struct decoder *d, const struct batch *b, struct err *err);
    enum err_code (*record)(struct decoder *d, struct str record, struct err *err);
    /* After a record that was not malformed: note undeclared fields; may be NULL. */
    enum err_code (*note)(struct decoder *d, struct err *err);
    void (*release)(struct decoder *d);
};

struct decoder {
    const struct decoder_ops *ops;
    const struct contract *contract; /* without columns when there are several streams */
    const struct stream *streams_of; /* [stream_count] */
    size_t stream_count;
    struct stream only;        /* of a decoder with a contract */
    struct column_rule *rules; /* [column_count] */
    size_t column_count;
    bool is_json;     /* values are shown as they are written; else in double quotes */
    struct arena own; /* lives as long as the decoder */

    /* the present batch */
    struct arena *arena;
    struct rows *streams;
    struct rows *rows; /* of the present record's stream */
    struct reject_list *rejects;
    struct drift *drift;

    /* the present record */
    uint8_t *kinds; /* [column_count] enum field_kind seen; 0 = absent, and before each record */
    struct decode_fault fault;
};

/* Fills the common part; CONFIG when a bound or one_of does not fit its column. On error the caller
 * still calls decoder_free. */
MUST_CHECK enum err_code decode_base_init(struct decoder *d, const struct decoder_ops *ops,
                                          const struct contract *c, bool is_json, struct err *err);

/* The common part of a decoder for several streams: no contract, no drift. Its record() chooses a
 * stream and sets every cell of the row. The streams are borrowed. */
void decode_base_init_streams(struct decoder *d, const struct decoder_ops *ops,
                              const struct stream *streams, size_t count);
/* The present record is one of streams[index]: d->rows has room for its row. */
MUST_CHECK enum err_code decode_choose(struct decoder *d, size_t index, struct err *err);

/* column: index or -1. Only the first fault of a record is kept. */
void decode_fault(struct decoder *d, enum reject_reason reason, int column, int64_t offset,
                  const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Replaces any other fault. */
void decode_malformed(struct decoder *d, int64_t offset, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* "column 'total' (/total_cents): <value> <what>", what being a format of its own. */
void decode_cell_fault(struct decoder *d, enum reject_reason reason, size_t column,
                       const struct cell_origin *o, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Notes an undeclared field of a well-formed record. *index is -1 before the field was noted in
 * this batch, and its place in drift afterwards. */
MUST_CHECK enum err_code decode_note_field(struct decoder *d, struct str path, unsigned kinds,
                                           int *index, struct err *err);

/* ---- decode_cell.c: value into the row being built, or a fault ---- */
/* min, max, one_of. */
MUST_CHECK bool cell_is_allowed(struct decoder *d, size_t column, const struct value *v,
                                const struct cell_origin *o);
void cell_set_integer(struct decoder *d, size_t column, int64_t v, const struct cell_origin *o);
void cell_set_real(struct decoder *d, size_t column, double v, const struct cell_origin *o);
void cell_set_bytes(struct decoder *d, size_t column, struct str v, const struct cell_origin *o);
/* Plain number in the contract's unit to a timestamp. */
void cell_set_instant(struct decoder *d, size_t column, int64_t number,
                      const struct cell_origin *o);
/* Text as it is, after checking that it holds no NUL; the text must be UTF-8. */
void cell_set_text(struct decoder *d, size_t column, struct str v, const struct cell_origin *o);
/* Text form of types other than TEXT and JSON. Errors are LIMIT. */
MUST_CHECK enum err_code cell_set_int256(struct decoder *d, size_t column, struct str text,
                                         const struct cell_origin *o, struct err *err);
MUST_CHECK enum err_code cell_set_hex(struct decoder *d, size_t column, struct str text,
                                      const struct cell_origin *o, struct err *err);
/* A cell of CSV or a regex group, any type. */
MUST_CHECK enum err_code cell_set_from_text(struct decoder *d, size_t column, struct str text,
                                            const struct cell_origin *o, struct err *err);
/* Bytes before the first fault in UTF-8; the whole length when there is none. */
size_t text_utf8_prefix(struct str s);
/* -?digits, nothing else: tells "too large" from "not a number". */
bool text_is_integer(struct str s);

#endif
