/* Decoders: a whole raw batch to typed rows, by a contract.
 *
 * All three share the rules of type.h and contract.h and the same wording of rejects. Records of
 * kind TOO_LARGE and UNFRAMED become rejects (TOO_LARGE, MALFORMED) without being looked into. For
 * every record either one row of one stream is committed (rows->pos = its number) or one reject is
 * added; never both, never neither.
 *
 * A decoder is made once per source and thread, and reused for every batch. */
#ifndef PLUMB_ROWS_DECODE_H
#define PLUMB_ROWS_DECODE_H

#include "rows/batch.h"
#include "rows/contract.h"
#include "rows/stream.h"

struct decoder; /* opaque */

enum csv_header { CSV_HEADER_META /* batch meta is the header record */ };

struct csv_options {
    char delimiter;       /* ',' */
    char quote;           /* '"' */
    struct str null_text; /* a cell equal to this, unquoted, is NULL; default "" */
};

/* JSON: one value per record, an object. Contract paths are pointers into it. */
MUST_CHECK enum err_code decoder_new_json(const struct contract *c, struct decoder **out,
                                          struct err *err);
/* CSV (RFC 4180, CR LF or LF): the batch's meta is the header record. Extra or missing cells reject
 * the record. */
MUST_CHECK enum err_code decoder_new_csv(const struct contract *c,
                                         const struct csv_options *options, struct decoder **out,
                                         struct err *err);
/* Lines with a PCRE2 pattern whose named groups are the fields. CONFIG when the pattern does not
 * compile or lacks a group that a column's path names. Match limits are set, so a hostile line
 * cannot stall it. */
MUST_CHECK enum err_code decoder_new_regex(const struct contract *c, const char *pattern,
                                           struct decoder **out, struct err *err);
void decoder_free(struct decoder *d);

struct decoded {
    struct rows *streams; /* in the arena; rows->pos ascends within each */
    size_t stream_count;
    struct reject_list rejects;
    struct drift drift;
};
/* Initialises *out in arena and decodes every record. Errors are about us (LIMIT), never about the
 * data. */
MUST_CHECK enum err_code decoder_run(struct decoder *d, const struct batch *b, struct arena *arena,
                                     struct decoded *out, struct err *err);
/* Rows of all streams together. */
size_t decoded_rows(const struct decoded *d);

#endif
