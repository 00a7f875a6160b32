/* How it works: activating a partition opens its file, finds out about compression, reads the CSV
 * header (it is every batch's meta) and goes to the offset of the cursor; then frames become
 * records until the batch is full or the file has no more. What the partition may say afterwards
 * (its mark) is handed back and only put in place when the caller has everything it needs. */
#include "source/file_reader.h"

#include <errno.h>
#include <string.h>

#define EXPLAIN_BYTES 160

void file_reader_init(struct file_reader *r, struct file_set *set, int64_t record_bytes_max,
                      char delimiter, char quote) {
    *r = (struct file_reader){.set = set, .csv = delimiter != 0};
    file_frames_init(&r->frames, record_bytes_max);
    if (r->csv) {
        file_frames_set_csv(&r->frames, delimiter, quote);
    }
    buf_init(&r->header, FILE_HEADER_BYTES_MAX + 1);
}

void file_reader_release(struct file_reader *r) {
    file_frames_release(&r->frames);
    buf_release(&r->header);
}

static bool is_packed(const struct file_part *p) {
    return p->compression == COMPRESSION_GZIP || p->compression == COMPRESSION_ZSTD;
}

/* Whether an end without a newline is the end: nobody is still writing. */
static bool is_last(const struct file_reader *r, const struct file_part *p) {
    bool still = !r->set->follow || !p->present;
    return is_packed(p) || (still && (r->set->once || p->settled));
}

static void tell_damage(struct file_reader *r, struct file_part *p) {
    char text[EXPLAIN_BYTES];
    file_stream_explain(r->frames.stream, text, sizeof(text));
    file_part_set_trouble(p, ERR_INPUT,
                          "%s; the records before that were read. Put the whole file in its place "
                          "to read the rest",
                          text);
}

/* The compressed data ended too early: final, or still being written. */
static void note_cut(struct file_reader *r, struct file_part *p) {
    p->news = false;
    p->tail = true;
    if (r->set->once || p->settled) {
        tell_damage(r, p);
    }
}

static enum err_code start_stream(struct file_reader *r, struct file_part *p,
                                  const struct file_position *position, struct err *err) {
    struct file_stream *stream = NULL;
    enum err_code code = file_stream_open(p->fd, p->compression, position->offset, &stream, err);
    if (code == ERR_NONE) {
        file_frames_start(&r->frames, stream, position);
    }
    return code;
}

/* Leaves the frames behind the header and *found true; otherwise p says why there is none. */
static enum err_code read_header(struct file_reader *r, struct file_part *p, bool *found,
                                 struct err *err) {
    struct frame frame = {0};
    enum frame_result result = FRAME_NONE;
    enum err_code code = file_frames_next(&r->frames, is_last(r, p), &frame, &result, err);
    if (code != ERR_NONE) {
        return code;
    }
    p->news = false;
    switch (result) {
    case FRAME_RECORD:
        if (frame.kind == RECORD_UNFRAMED) {
            file_part_set_trouble(
                p, ERR_INPUT,
                "a quote in the CSV header is never closed; correct line 1 or the "
                "quote option");
        } else if (frame.kind != RECORD_WHOLE || frame.bytes.len > FILE_HEADER_BYTES_MAX) {
            file_part_set_trouble(
                p, ERR_INPUT,
                "the CSV header is longer than %zu bytes; is this a CSV file with a "
                "header line?",
                FILE_HEADER_BYTES_MAX);
        } else if (memchr(frame.bytes.ptr, '\0', frame.bytes.len) != NULL ||
                   !str_is_utf8(frame.bytes)) {
            file_part_set_trouble(p, ERR_INPUT,
                                  "the CSV header is not UTF-8 text; is this a CSV file? If it is, "
                                  "convert it to UTF-8");
        } else {
            buf_clear(&r->header);
            p->news = true;
            *found = true;
            return buf_add(&r->header, frame.bytes.ptr, frame.bytes.len, err);
        }
        break;
    case FRAME_CUT:
        note_cut(r, p);
        break;
    case FRAME_BAD:
        tell_damage(r, p);
        break;
    case FRAME_WAIT:
        p->tail = true;
        break;
    case FRAME_NONE:
    case FRAME_JOINED:
        break;
    }
    return ERR_NONE;
}

/* Goes to where the cursor stands. */
static enum err_code go_to_mark(struct file_reader *r, struct file_part *p, bool *there,
                                struct err *err) {
    if (!is_packed(p)) {
        if (r->frames.at.offset != p->mark.at.offset || p->mark.at.open) {
            enum err_code code = start_stream(r, p, &p->mark.at, err);
            if (code != ERR_NONE) {
                return code;
            }
        }
        *there = true;
        return ERR_NONE;
    }
    bool reached = p->mark.at.offset >= r->frames.at.offset;
    enum err_code code =
        reached ? file_frames_skip_to(&r->frames, &p->mark.at, &reached, err) : ERR_NONE;
    if (code != ERR_NONE) {
        return code;
    }
    if (!reached && r->frames.stream_state == STREAM_CUT) {
        note_cut(r, p);
    } else if (!reached && r->frames.stream_state == STREAM_BAD) {
        tell_damage(r, p);
    } else if (!reached) {
        file_part_set_trouble(p, ERR_INPUT,
                              "holds fewer than the %lld bytes that were read of it before; put "
                              "the old file back, or "
                              "give the new one another name",
                              (long long)p->mark.at.offset);
    }
    *there = reached;
    return ERR_NONE;
}

/* Reads compressed data to its end for its checksums alone: damage in the middle gives wrong bytes
 * long before it is noticed, and what was staged cannot be taken back. */
static enum err_code verify(struct file_part *p, bool *sound, struct err *err) {
    struct file_stream *stream = NULL;
    enum err_code code = file_stream_open(p->fd, p->compression, 0, &stream, err);
    enum file_stream_state state = STREAM_OPEN;
    char *scratch = mem_alloc(FILE_CHUNK_BYTES);
    while (code == ERR_NONE && state == STREAM_OPEN) {
        size_t got = 0;
        code = file_stream_read(stream, scratch, FILE_CHUNK_BYTES, &got, &state, err);
    }
    if (code == ERR_NONE && state == STREAM_BAD) {
        char text[EXPLAIN_BYTES];
        file_stream_explain(stream, text, sizeof(text));
        file_part_set_trouble(p, ERR_INPUT,
                              "%s; nothing is taken from a damaged file, as what comes before the "
                              "damage may be wrong already. Put the whole file in its place, or "
                              "set verify: false to take it nevertheless",
                              text);
    }
    *sound = code == ERR_NONE && state != STREAM_BAD;
    mem_free(scratch);
    file_stream_close(stream);
    return code;
}

/* Opens p's file and makes sure that it is the one the scan saw. */
static enum err_code open_part(struct file_reader *r, struct file_part *p, bool *opened,
                               struct err *err) {
    enum err_code code = file_set_open(r->set, p, err);
    if (code == ERR_CONFIG) {
        const struct err cause = *err;
        err_clear(err);
        p->seen = false; /* tried again by every scan */
        if (cause.origin == ENOENT) {
            file_part_set_trouble(p, ERR_INPUT, "%s; the other files go on", cause.message);
        } else {
            file_part_set_unreadable(p, &cause);
        }
        return ERR_NONE;
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct file_info info = {0};
    code = file_info_of_fd(p->fd, &info, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (info.device != p->device || info.inode != p->inode) {
        file_set_close(r->set, p);
        p->news = false; /* replaced this moment: the next scan sees what it is */
        r->set->stale = true;
        return ERR_NONE;
    }
    if (p->compression == COMPRESSION_AUTO ||
        (p->mark.at.offset == 0 && r->set->compression == COMPRESSION_AUTO)) {
        p->compression = r->set->compression;
        if (r->set->compression == COMPRESSION_AUTO) {
            code = file_compression_detect(p->fd, &p->compression, err);
        }
    }
    *opened = code == ERR_NONE;
    return code;
}

/* Sets r->active when p can be read from its mark on. */
static enum err_code activate(struct file_reader *r, struct file_part *p, struct err *err) {
    r->active = NULL;
    bool opened = false;
    enum err_code code = open_part(r, p, &opened, err);
    if (code != ERR_NONE || !opened) {
        return code;
    }
    if (r->verify && is_packed(p)) {
        code = verify(p, &opened, err);
        if (code != ERR_NONE || !opened) {
            return code;
        }
    }
    static const struct file_position start = {0};
    bool from_start = r->csv || is_packed(p);
    code = start_stream(r, p, from_start ? &start : &p->mark.at, err);
    if (code != ERR_NONE) {
        return code;
    }
    bool ready = true;
    if (r->csv) {
        ready = false;
        code = read_header(r, p, &ready, err);
    }
    if (code == ERR_NONE && ready && p->mark.at.offset > 0 && from_start) {
        ready = false;
        code = go_to_mark(r, p, &ready, err);
    }
    if (code == ERR_NONE && ready) {
        r->active = p;
    }
    return code;
}

/* The file has no more records at present, for one reason or another. */
static void note_end(struct file_reader *r, struct file_part *p, enum frame_result result,
                     struct file_mark *mark) {
    p->news = false;
    p->tail = false;
    switch (result) {
    case FRAME_RECORD:
        ASSERT(false);
        break;
    case FRAME_NONE:
        if (is_packed(p)) {
            mark->raw_size = file_stream_raw_offset(r->frames.stream);
            r->active = NULL; /* if it grows it is read from its beginning */
        }
        break;
    case FRAME_WAIT:
        p->tail = true;
        break;
    case FRAME_JOINED:
        if (mark->at.offset == 0) {
            r->active = NULL; /* only the header was read, nothing given: read it again */
            p->news = true;
            break;
        }
        file_part_set_trouble(p, ERR_INPUT,
                              "line %lld, ending at byte %lld, was read while it was still "
                              "being written: the file has grown behind it without a newline. The "
                              "file is left alone; copy it to another name and remove this one to "
                              "read it from its start",
                              (long long)mark->at.line, (long long)mark->at.offset);
        break;
    case FRAME_CUT:
        note_cut(r, p);
        r->active = NULL;
        break;
    case FRAME_BAD:
        tell_damage(r, p);
        r->active = NULL;
        break;
    }
}

/* Notes the fingerprint of what was taken. */
static enum err_code take_fingerprint(const struct file_part *p, struct file_mark *mark,
                                      struct err *err) {
    size_t want =
        mark->at.offset < FILE_FINGERPRINT_BYTES ? (size_t)mark->at.offset : FILE_FINGERPRINT_BYTES;
    if (want == mark->fingerprint_len) {
        return ERR_NONE;
    }
    uint64_t fingerprint = 0;
    size_t got = 0;
    enum err_code code = file_fingerprint(p->fd, p->compression, want, &fingerprint, &got, err);
    if (code == ERR_NONE) {
        mark->fingerprint = fingerprint;
        mark->fingerprint_len = got;
    }
    return code;
}

static bool is_full(const struct batch *b, const struct source_limit *limit) {
    return b->count >= limit->rows_max || (b->count > 0 && b->raw.len >= limit->bytes_max);
}

static enum err_code add_records(struct file_reader *r, struct file_part *p,
                                 const struct source_limit *limit, struct batch *batch,
                                 struct file_mark *mark, struct err *err) {
    const bool last = is_last(r, p);
    /* Once means: what was there when we looked; a file that grows all the time must not keep us.
     */
    const int64_t stop_at = r->set->once && !is_packed(p) ? p->size : INT64_MAX;
    struct frame frame = {0};
    while (!is_full(batch, limit)) {
        if (r->frames.at.offset >= stop_at) {
            p->news = false;
            break;
        }
        enum frame_result result = FRAME_NONE;
        enum err_code code = file_frames_next(&r->frames, last, &frame, &result, err);
        if (code != ERR_NONE) {
            return code;
        }
        if (result != FRAME_RECORD) {
            note_end(r, p, result, mark);
            break;
        }
        code = batch_add(batch, frame.bytes, frame.kind, err);
        if (code == ERR_LIMIT && batch->count > 0) {
            err_clear(err);
            r->active = NULL; /* the record is read again for the next batch */
            break;
        }
        if (code != ERR_NONE) {
            return code;
        }
        mark->at = r->frames.at;
        mark->records++;
    }
    return ERR_NONE;
}

enum err_code file_reader_read(struct file_reader *r, struct file_part *p,
                               const struct source_limit *limit, struct batch *batch,
                               struct file_mark *mark, struct err *err) {
    *mark = p->mark;
    enum err_code code = ERR_NONE;
    if (r->active != p || p->fd < 0) {
        code = activate(r, p, err);
    } else {
        file_frames_look_again(&r->frames);
    }
    if (code == ERR_NONE) {
        code = batch_begin(batch, r->csv && r->active == p ? buf_str(&r->header) : STR(""), err);
    }
    if (code == ERR_NONE && r->active == p) {
        code = add_records(r, p, limit, batch, mark, err);
    }
    if (code == ERR_NONE && batch->count > 0) {
        code = take_fingerprint(p, mark, err);
    }
    if (code != ERR_NONE) {
        r->active = NULL;
        p->news = true;
    }
    return code;
}

int64_t file_reader_taken(const struct file_reader *r, const struct file_part *p) {
    if (is_packed(p)) {
        return r->active == p ? file_stream_raw_offset(r->frames.stream) : 0;
    }
    return p->mark.at.offset;
}

bool file_reader_has_more(const struct file_reader *r) {
    const struct file_part *p = r->active;
    if (p == NULL || !p->news) {
        return false;
    }
    return file_frames_has_more(&r->frames) || r->frames.at.offset < p->size || is_packed(p);
}
