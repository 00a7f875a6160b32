/* Records out of the bytes of one file: lines, or CSV records with newlines inside quotes.
 *
 * A window of the file is kept in memory: FILE_CHUNK_BYTES, or as much as one record needs, never
 * more than record_bytes_max and a chunk. Of a longer record only its beginning is kept and the
 * rest is streamed past. Offsets are those of the decompressed bytes. */
#ifndef PLUMB_SOURCE_FILE_FRAMES_H
#define PLUMB_SOURCE_FILE_FRAMES_H

#include "rows/batch.h"
#include "source/file_stream.h"

#define FILE_CHUNK_BYTES ((size_t)256 << 10)

/* Where a reader stands between two records. */
struct file_position {
    int64_t offset; /* of the next byte not yet taken */
    int64_t line;   /* physical lines taken */
    bool open;      /* the record before ended with the file, not with a newline */
};

enum frame_result {
    FRAME_RECORD, /* a record */
    FRAME_NONE,   /* nothing more at present */
    FRAME_WAIT,   /* the file ends in a record without its newline (given when last is true) */
    FRAME_JOINED, /* position.open, but the file goes on with something else than a newline */
    FRAME_CUT,    /* STREAM_CUT and nothing complete before it */
    FRAME_BAD     /* STREAM_BAD, the same */
};

struct frame {
    struct str bytes; /* valid until the next call */
    enum record_kind kind;
    int64_t line; /* of its first byte, from 1 */
    bool open;    /* ended by the end of the file */
};

enum quote_state { QUOTE_FIELD_START, QUOTE_NONE, QUOTE_INSIDE, QUOTE_CLOSED };

struct file_frames {
    struct file_stream *stream; /* owned */
    enum file_stream_state stream_state;
    bool csv;
    char delimiter, quote;
    size_t record_max;
    char *data; /* the window */
    size_t pos, len, capacity;
    struct file_position at; /* of data[pos] */
    /* The record being looked for. */
    size_t scanned; /* bytes after pos looked at */
    enum quote_state quoting;
    size_t quote_at;     /* where its last quote was opened, from pos */
    int64_t inner_lines; /* newlines inside its quotes */
    size_t next_quote;   /* index in data of the first quote at or after pos + scanned; or len */
    bool next_quote_known;
    bool skipping;   /* it is longer than record_max */
    int64_t skipped; /* bytes of it that have left the window */
    bool skipped_cr; /* the last of them was a CR */
    char *large;     /* its beginning and the text about it */
};

/* Lines; after file_frames_set_csv, CSV records. */
void file_frames_init(struct file_frames *f, int64_t record_bytes_max);
void file_frames_set_csv(struct file_frames *f, char delimiter, char quote);
void file_frames_release(struct file_frames *f);
/* Takes the stream (given), whose next byte is the one at position. The memory is used again. */
void file_frames_start(struct file_frames *f, struct file_stream *stream,
                       const struct file_position *position);
/* Passes over the bytes before position without looking at them. *reached is false when the data
 * ends before. */
MUST_CHECK enum err_code file_frames_skip_to(struct file_frames *f,
                                             const struct file_position *position, bool *reached,
                                             struct err *err);
/* A plain file may have grown: ask it again. */
void file_frames_look_again(struct file_frames *f);
/* The next record. last: an unterminated one at the end of the file counts. On an error the
 * position is undefined: release the frames. */
MUST_CHECK enum err_code file_frames_next(struct file_frames *f, bool last, struct frame *out,
                                          enum frame_result *result, struct err *err);
/* Whether bytes wait behind the position, as far as is known without reading. */
bool file_frames_has_more(const struct file_frames *f);

#endif
