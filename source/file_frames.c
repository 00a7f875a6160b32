/* How it works: bytes stand in data[pos..len); the record being looked for starts at pos and was
 * looked at up to pos + scanned. A line ends at the next newline, found with memchr. So does a CSV
 * record as long as no quote comes before that newline, which a second memchr tells once for a
 * whole window; only records with quotes are walked byte by byte. When the window holds no end,
 * more is read behind it; when the record outgrows the limit, its beginning is put aside and the
 * window is emptied again and again until the end is found ("skipping"). */
#include "source/file_frames.h"

#include <stdio.h>
#include <string.h>

#define LARGE_TEXT_BYTES 80 /* " offset=<n> length=<n>" */

void file_frames_init(struct file_frames *f, int64_t record_bytes_max) {
    ASSERT(record_bytes_max > 0);
    *f = (struct file_frames){.record_max = (size_t)record_bytes_max};
}

void file_frames_set_csv(struct file_frames *f, char delimiter, char quote) {
    f->csv = true;
    f->delimiter = delimiter;
    f->quote = quote;
}

void file_frames_release(struct file_frames *f) {
    file_stream_close(f->stream);
    mem_free(f->data);
    mem_free(f->large);
    f->stream = NULL;
    f->data = NULL;
    f->large = NULL;
    f->pos = f->len = f->capacity = 0;
}

static void forget_record(struct file_frames *f) {
    f->scanned = 0;
    f->quoting = QUOTE_FIELD_START;
    f->inner_lines = 0;
    f->skipping = false;
    f->skipped = 0;
    f->skipped_cr = false;
}

void file_frames_start(struct file_frames *f, struct file_stream *stream,
                       const struct file_position *position) {
    file_stream_close(f->stream);
    f->stream = stream;
    f->stream_state = STREAM_OPEN;
    f->pos = f->len = 0;
    f->next_quote_known = false;
    f->at = *position;
    forget_record(f);
}

void file_frames_look_again(struct file_frames *f) {
    if (f->stream_state == STREAM_END) {
        f->stream_state = STREAM_OPEN;
    }
}

bool file_frames_has_more(const struct file_frames *f) {
    return f->pos + f->scanned < f->len;
}

/* Room behind the window for at least half a chunk. */
static enum err_code make_room(struct file_frames *f, struct err *err) {
    size_t pending = f->len - f->pos;
    if (f->pos > 0) {
        memmove(f->data, f->data + f->pos, pending);
        f->pos = 0;
        f->len = pending;
        f->next_quote_known = false;
    }
    if (f->capacity - pending >= FILE_CHUNK_BYTES / 2) {
        return ERR_NONE;
    }
    size_t growth = pending < f->record_max ? pending : f->record_max;
    size_t capacity = pending + growth + FILE_CHUNK_BYTES;
    void *data = NULL;
    enum err_code code = mem_alloc_data(capacity, &data, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (pending > 0) {
        memcpy(data, f->data, pending);
    }
    mem_free(f->data);
    f->data = data;
    f->capacity = capacity;
    return ERR_NONE;
}

static enum err_code fill(struct file_frames *f, struct err *err) {
    if (f->skipping && f->len > f->pos) {
        f->skipped += (int64_t)(f->len - f->pos);
        f->skipped_cr = f->data[f->len - 1] == '\r';
        f->pos = f->len = 0;
        f->scanned = 0;
    }
    enum err_code code = make_room(f, err);
    if (code != ERR_NONE) {
        return code;
    }
    size_t got = 0;
    code = file_stream_read(f->stream, f->data + f->len, f->capacity - f->len, &got,
                            &f->stream_state, err);
    if (code == ERR_NONE && got > 0) {
        f->len += got;
        f->next_quote_known = false;
    }
    return code;
}

enum err_code file_frames_skip_to(struct file_frames *f, const struct file_position *position,
                                  bool *reached, struct err *err) {
    ASSERT(position->offset >= f->at.offset && !f->skipping);
    int64_t left = position->offset - f->at.offset;
    while (left > 0) {
        size_t here = f->len - f->pos;
        if (here == 0) {
            if (f->stream_state != STREAM_OPEN) {
                *reached = false;
                return ERR_NONE;
            }
            enum err_code code = fill(f, err);
            if (code != ERR_NONE) {
                return code;
            }
            continue;
        }
        size_t step = (int64_t)here < left ? here : (size_t)left;
        f->pos += step;
        left -= (int64_t)step;
    }
    f->at = *position;
    forget_record(f);
    *reached = true;
    return ERR_NONE;
}

static bool find_line_end(struct file_frames *f, size_t *end) {
    size_t from = f->pos + f->scanned;
    const char *nl = from < f->len ? memchr(f->data + from, '\n', f->len - from) : NULL;
    if (nl == NULL) {
        f->scanned = f->len - f->pos;
        return false;
    }
    *end = (size_t)(nl - f->data);
    return true;
}

static int64_t count_newlines(const char *p, const char *end) {
    int64_t n = 0;
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        n++;
        p++;
    }
    return n;
}

/* The record from its quotes on, byte by byte; *i stands at the end of the window or at the newline
 * that ends the record. */
static bool walk_csv(struct file_frames *f, size_t *i) {
    for (; *i < f->len; ++*i) {
        const char c = f->data[*i];
        if (f->quoting == QUOTE_INSIDE) {
            const char *from = f->data + *i;
            const char *stop = memchr(from, f->quote, f->len - *i);
            const char *until = stop != NULL ? stop : f->data + f->len;
            f->inner_lines += count_newlines(from, until);
            *i = (size_t)(until - f->data);
            if (stop == NULL) {
                return false;
            }
            f->quoting = QUOTE_CLOSED;
        } else if (c == '\n') {
            return true;
        } else if (c == f->delimiter) {
            f->quoting = QUOTE_FIELD_START;
        } else if (c == f->quote && f->quoting != QUOTE_NONE) {
            f->quoting = QUOTE_INSIDE;
            f->quote_at = *i - f->pos;
        } else {
            f->quoting = QUOTE_NONE;
        }
    }
    return false;
}

static bool find_csv_end(struct file_frames *f, size_t *end) {
    size_t i = f->pos + f->scanned;
    if (f->scanned == 0 && !f->skipping) {
        if (!f->next_quote_known || f->next_quote < i) {
            const char *q = i < f->len ? memchr(f->data + i, f->quote, f->len - i) : NULL;
            f->next_quote = q != NULL ? (size_t)(q - f->data) : f->len;
            f->next_quote_known = true;
        }
        const char *nl = i < f->len ? memchr(f->data + i, '\n', f->len - i) : NULL;
        if (nl != NULL && (size_t)(nl - f->data) < f->next_quote) {
            *end = (size_t)(nl - f->data);
            return true;
        }
    }
    if (walk_csv(f, &i)) {
        *end = i;
        return true;
    }
    f->scanned = f->len - f->pos;
    return false;
}

/* Puts the beginning of a record that is too long aside. */
static void start_skipping(struct file_frames *f) {
    if (f->large == NULL) {
        f->large = mem_alloc(BATCH_PREFIX_BYTES + LARGE_TEXT_BYTES);
    }
    memcpy(f->large, f->data + f->pos, BATCH_PREFIX_BYTES);
    f->skipping = true;
}

/* The kept beginning and where the whole is. */
static struct str large_text(struct file_frames *f, const char *bytes, int64_t length) {
    size_t prefix = length < BATCH_PREFIX_BYTES ? (size_t)length : BATCH_PREFIX_BYTES;
    if (f->large == NULL) {
        f->large = mem_alloc(BATCH_PREFIX_BYTES + LARGE_TEXT_BYTES);
    }
    if (!f->skipping) {
        memcpy(f->large, bytes, prefix);
    }
    int n = snprintf(f->large + prefix, LARGE_TEXT_BYTES, " offset=%lld length=%lld",
                     (long long)f->at.offset, (long long)length);
    ASSERT(n > 0 && n < LARGE_TEXT_BYTES);
    return (struct str){f->large, prefix + (size_t)n};
}

/* At the end of the file a quote is open. It was most likely never meant as one, or the cell lost its
 * end: only the lines up to its own are given up, and the ones below it are read for what they are.
 * No quote stands in them, so this happens once a file. What is longer than a record may be stays
 * whole, because its beginning may have left the window. */
static size_t unclosed_end(const struct file_frames *f, bool *newline) {
    const char *from = f->data + f->pos + f->quote_at;
    const char *nl = NULL;
    if (!f->skipping && f->len - f->pos <= f->record_max) {
        nl = memchr(from, '\n', (size_t)(f->data + f->len - from));
    }
    *newline = nl != NULL;
    return nl != NULL ? (size_t)(nl - f->data) : f->len;
}

/* The record ends before data[end]; newline says whether one stands there. False for an empty line.
 */
static bool take_record(struct file_frames *f, size_t end, bool newline, struct frame *out) {
    bool unframed = !newline && f->csv && f->quoting == QUOTE_INSIDE;
    if (unframed) {
        end = unclosed_end(f, &newline);
        f->next_quote_known = false;
    }
    size_t here = end - f->pos;
    int64_t length = f->skipped + (int64_t)here;
    int64_t inner_lines =
        unframed && newline ? count_newlines(f->data + f->pos, f->data + end) : f->inner_lines;
    bool cr = here > 0 ? f->data[end - 1] == '\r' : f->skipped_cr;
    struct file_position next = {.offset = f->at.offset + length + (newline ? 1 : 0),
                                 .line = f->at.line + inner_lines + 1,
                                 .open = !newline};
    if (cr && (!unframed || newline)) {
        length--;
    }
    *out = (struct frame){.kind = unframed ? RECORD_UNFRAMED : RECORD_WHOLE,
                          .line = f->at.line + 1,
                          .open = !newline};
    if (length > (int64_t)f->record_max) {
        out->bytes = large_text(f, f->data + f->pos, length);
        out->kind = unframed ? RECORD_UNFRAMED : RECORD_TOO_LARGE;
    } else {
        out->bytes = (struct str){f->data + f->pos, (size_t)length};
    }
    f->pos = end + (newline ? 1 : 0);
    f->at = next;
    forget_record(f);
    return length > 0;
}

/* The data ends here without a newline. */
static enum frame_result at_end(struct file_frames *f, bool last, struct frame *out) {
    if (f->stream_state == STREAM_CUT) {
        return FRAME_CUT;
    }
    if (f->stream_state == STREAM_BAD) {
        return FRAME_BAD;
    }
    size_t here = f->len - f->pos;
    bool only_cr = !f->skipping && here == 1 && f->data[f->pos] == '\r';
    if ((here == 0 && !f->skipping) || only_cr) {
        return FRAME_NONE;
    }
    if (!last) {
        return FRAME_WAIT;
    }
    bool some = take_record(f, f->len, false, out);
    ASSERT(some);
    return FRAME_RECORD;
}

/* What has to be passed over before a record: the byte order mark at the start of the file, the
 * newline that a record given at the end of the file did not have yet. False: more bytes are needed
 * to tell. */
static bool pass_start(struct file_frames *f, bool *joined) {
    size_t here = f->len - f->pos;
    bool ended = f->stream_state != STREAM_OPEN;
    const char *p = here > 0 ? f->data + f->pos : "";
    if (f->at.open) {
        size_t newline = here > 0 && p[0] == '\n'                   ? 1
                         : here > 1 && p[0] == '\r' && p[1] == '\n' ? 2
                                                                    : 0;
        if (newline == 0) {
            *joined = here > 1 || (here == 1 && p[0] != '\r');
            return *joined;
        }
        f->pos += newline;
        f->at.offset += (int64_t)newline;
        f->at.open = false;
        return true;
    }
    if (f->at.offset == 0 && f->scanned == 0 && !f->skipping) {
        if (here < 3 && !ended) {
            return false;
        }
        if (here >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) {
            f->pos += 3;
            f->at.offset = 3;
        }
    }
    return true;
}

enum err_code file_frames_next(struct file_frames *f, bool last, struct frame *out,
                               enum frame_result *result, struct err *err) {
    for (;;) {
        bool joined = false;
        bool ready = pass_start(f, &joined);
        if (joined) {
            *result = FRAME_JOINED;
            return ERR_NONE;
        }
        size_t end = 0;
        if (ready && (f->csv ? find_csv_end(f, &end) : find_line_end(f, &end))) {
            if (take_record(f, end, true, out)) {
                *result = FRAME_RECORD;
                return ERR_NONE;
            }
            continue;
        }
        if (f->stream_state != STREAM_OPEN) {
            *result = ready                           ? at_end(f, last, out)
                      : f->stream_state == STREAM_CUT ? FRAME_CUT
                      : f->stream_state == STREAM_BAD ? FRAME_BAD
                                                      : FRAME_NONE;
            return ERR_NONE;
        }
        size_t pending = f->len - f->pos;
        if (ready && !f->skipping && pending > f->record_max + 1 &&
            pending > BATCH_PREFIX_BYTES + 1) {
            start_skipping(f);
        }
        enum err_code code = fill(f, err);
        if (code != ERR_NONE) {
            return code;
        }
    }
}
