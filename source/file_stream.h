/* The bytes of one file from its start, decompressed on the way: plain, gzip or zstd.
 *
 * The stream borrows the descriptor and reads it with file_read_at, so several streams may share
 * one. Damage in compressed data is a state, not an error: everything before it has been given, and
 * file_stream_explain says what is wrong. Memory: FILE_STREAM_INPUT_BYTES and the decompressor's
 * own (zlib about 64 KiB, zstd its window, at most 128 MiB). */
#ifndef PLUMB_SOURCE_FILE_STREAM_H
#define PLUMB_SOURCE_FILE_STREAM_H

#include "base/err.h"

#define FILE_STREAM_INPUT_BYTES ((size_t)64 << 10) /* compressed bytes read at once */

/* The order is that of the option's choices. */
enum file_compression { COMPRESSION_AUTO, COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };
const char *file_compression_name(enum file_compression c);

enum file_stream_state {
    STREAM_OPEN, /* more may come */
    STREAM_END,  /* the file ends here (for now), and compressed data is complete */
    STREAM_CUT,  /* compressed data ends in the middle */
    STREAM_BAD   /* compressed data is damaged */
};

struct file_stream; /* opaque */

/* What the file's first bytes say: gzip, zstd or none. */
MUST_CHECK enum err_code file_compression_detect(int fd, enum file_compression *out,
                                                 struct err *err);
/* Plain files start at offset; compressed ones always at 0. */
MUST_CHECK enum err_code file_stream_open(int fd, enum file_compression compression, int64_t offset,
                                          struct file_stream **out, struct err *err);
void file_stream_close(struct file_stream *s); /* NULL is fine; the descriptor stays open */
/* Up to len bytes. *got is 0 only when *state is not STREAM_OPEN; reading on after STREAM_END asks
 * a plain file again. */
MUST_CHECK enum err_code file_stream_read(struct file_stream *s, void *out, size_t len, size_t *got,
                                          enum file_stream_state *state, struct err *err);
/* Bytes of the file itself taken so far. */
int64_t file_stream_raw_offset(const struct file_stream *s);
/* For STREAM_CUT and STREAM_BAD: "gzip data ends early after 123 bytes". */
void file_stream_explain(const struct file_stream *s, char *out, size_t out_bytes);

#endif
