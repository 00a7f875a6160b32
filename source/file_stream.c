/* How it works: plain bytes are read straight into the caller's memory. Compressed input is read 64
 * KiB at a time and handed to zlib or zstd until the caller's memory is full. Files made of several
 * gzip members or zstd frames, one after the other, are one stream; zero bytes after the last gzip
 * member (tape padding) are passed over. */
#include "source/file_stream.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/file.h"

#define GZIP_WINDOW_BITS (15 + 16) /* 32 KiB window, gzip header expected */

struct file_stream {
    int fd; /* borrowed */
    enum file_compression compression;
    enum file_stream_state state;
    int64_t read_offset; /* where the next read of the file starts */
    char *input;
    size_t input_pos, input_len;
    bool input_end;   /* the file had no more bytes */
    bool in_member;   /* inside a gzip member or zstd frame */
    bool any_member;  /* at least one is complete */
    const char *flaw; /* the decompressor's own words, static */
    z_stream zlib;
    bool zlib_ready;
    ZSTD_DStream *zstd;
};

const char *file_compression_name(enum file_compression c) {
    switch (c) {
    case COMPRESSION_AUTO:
        return "auto";
    case COMPRESSION_NONE:
        return "none";
    case COMPRESSION_GZIP:
        return "gzip";
    case COMPRESSION_ZSTD:
        return "zstd";
    }
    return "none";
}

enum err_code file_compression_detect(int fd, enum file_compression *out, struct err *err) {
    unsigned char head[4] = {0};
    size_t got = 0;
    enum err_code code = file_read_at(fd, 0, head, sizeof(head), &got, err);
    if (code != ERR_NONE) {
        return code;
    }
    static const unsigned char zstd_frame[4] = {0x28, 0xb5, 0x2f, 0xfd};
    static const unsigned char zstd_skippable[3] = {0x2a, 0x4d, 0x18}; /* after 0x50..0x5f */
    *out = COMPRESSION_NONE;
    if (got >= 2 && head[0] == 0x1f && head[1] == 0x8b) {
        *out = COMPRESSION_GZIP;
    } else if (got == 4 &&
               (memcmp(head, zstd_frame, 4) == 0 ||
                ((head[0] & 0xf0) == 0x50 && memcmp(head + 1, zstd_skippable, 3) == 0))) {
        *out = COMPRESSION_ZSTD;
    }
    return ERR_NONE;
}

enum err_code file_stream_open(int fd, enum file_compression compression, int64_t offset,
                               struct file_stream **out, struct err *err) {
    ASSERT(compression != COMPRESSION_AUTO && offset >= 0);
    struct file_stream *s = mem_alloc(sizeof(*s));
    s->fd = fd;
    s->compression = compression;
    s->read_offset = compression == COMPRESSION_NONE ? offset : 0;
    if (compression != COMPRESSION_NONE) {
        s->input = mem_alloc(FILE_STREAM_INPUT_BYTES);
    }
    if (compression == COMPRESSION_GZIP) {
        s->zlib_ready = inflateInit2(&s->zlib, GZIP_WINDOW_BITS) == Z_OK;
        if (!s->zlib_ready) {
            file_stream_close(s);
            return err_set(err, ERR_LIMIT, "no memory to decompress gzip data");
        }
    }
    if (compression == COMPRESSION_ZSTD) {
        s->zstd = ZSTD_createDStream();
        if (s->zstd == NULL) {
            file_stream_close(s);
            return err_set(err, ERR_LIMIT, "no memory to decompress zstd data");
        }
    }
    *out = s;
    return ERR_NONE;
}

void file_stream_close(struct file_stream *s) {
    if (s == NULL) {
        return;
    }
    if (s->zlib_ready) {
        (void)inflateEnd(&s->zlib); /* only tells of misuse */
    }
    (void)ZSTD_freeDStream(s->zstd); /* never fails; NULL is fine */
    mem_free(s->input);
    mem_free(s);
}

int64_t file_stream_raw_offset(const struct file_stream *s) {
    return s->read_offset - (int64_t)(s->input_len - s->input_pos);
}

static enum err_code refill(struct file_stream *s, struct err *err) {
    if (s->input_pos < s->input_len || s->input_end) {
        return ERR_NONE;
    }
    size_t got = 0;
    enum err_code code =
        file_read_at(s->fd, s->read_offset, s->input, FILE_STREAM_INPUT_BYTES, &got, err);
    if (code != ERR_NONE) {
        return code;
    }
    s->input_pos = 0;
    s->input_len = got;
    s->read_offset += (int64_t)got;
    s->input_end = got == 0;
    return ERR_NONE;
}

static enum file_stream_state fail_stream(struct file_stream *s, const char *flaw) {
    s->flaw = flaw;
    return STREAM_BAD;
}

/* Between gzip members: starts the next one, or passes over zero padding. */
static enum file_stream_state gzip_between(struct file_stream *s) {
    while (s->any_member && s->input_pos < s->input_len && s->input[s->input_pos] == 0) {
        s->input_pos++;
    }
    if (s->input_pos == s->input_len) {
        return STREAM_OPEN;
    }
    if ((unsigned char)s->input[s->input_pos] != 0x1f) {
        return fail_stream(s, s->any_member ? "other bytes follow the end" : "no gzip header");
    }
    if (inflateReset(&s->zlib) != Z_OK) {
        return fail_stream(s, "decompressor out of order");
    }
    s->in_member = true;
    return STREAM_OPEN;
}

static enum file_stream_state gzip_step(struct file_stream *s, char *out, size_t len, size_t *got) {
    if (!s->in_member) {
        return gzip_between(s);
    }
    s->zlib.next_in = (Bytef *)s->input + s->input_pos;
    s->zlib.avail_in = (uInt)(s->input_len - s->input_pos);
    s->zlib.next_out = (Bytef *)out;
    s->zlib.avail_out = (uInt)len;
    int result = inflate(&s->zlib, Z_NO_FLUSH);
    s->input_pos = s->input_len - s->zlib.avail_in;
    *got = len - s->zlib.avail_out;
    if (result == Z_STREAM_END) {
        s->in_member = false;
        s->any_member = true;
        return STREAM_OPEN;
    }
    if (result != Z_OK && result != Z_BUF_ERROR) {
        return fail_stream(s, s->zlib.msg != NULL ? s->zlib.msg : "damaged data");
    }
    return STREAM_OPEN;
}

static enum file_stream_state zstd_step(struct file_stream *s, char *out, size_t len, size_t *got) {
    ZSTD_inBuffer in = {.src = s->input, .size = s->input_len, .pos = s->input_pos};
    ZSTD_outBuffer o = {.dst = out, .size = len, .pos = 0};
    size_t result = ZSTD_decompressStream(s->zstd, &o, &in);
    s->input_pos = in.pos;
    *got = o.pos;
    if (ZSTD_isError(result) != 0) {
        return fail_stream(s, ZSTD_getErrorName(result));
    }
    s->in_member = result != 0;
    s->any_member = s->any_member || result == 0;
    return STREAM_OPEN;
}

/* One round of the decompressor. At the end of the input it is asked once more with none, because
 * it may still hold decompressed bytes. */
static enum err_code decompress(struct file_stream *s, char *out, size_t len, size_t *got,
                                struct err *err) {
    enum err_code code = refill(s, err);
    if (code != ERR_NONE) {
        return code;
    }
    bool ended = s->input_end && s->input_pos == s->input_len;
    if (ended && !s->in_member) {
        s->state = STREAM_END;
        return ERR_NONE;
    }
    s->state = s->compression == COMPRESSION_GZIP ? gzip_step(s, out, len, got)
                                                  : zstd_step(s, out, len, got);
    if (ended && s->state == STREAM_OPEN && *got == 0 && s->in_member) {
        s->state = STREAM_CUT;
    }
    return ERR_NONE;
}

enum err_code file_stream_read(struct file_stream *s, void *out, size_t len, size_t *got,
                               enum file_stream_state *state, struct err *err) {
    ASSERT(len > 0 && len <= ((size_t)1 << 30));
    size_t count = 0;
    if (s->compression == COMPRESSION_NONE) {
        enum err_code code = file_read_at(s->fd, s->read_offset, out, len, &count, err);
        if (code != ERR_NONE) {
            return code;
        }
        s->read_offset += (int64_t)count;
        s->state = count < len ? STREAM_END : STREAM_OPEN;
    } else {
        while (count == 0 && s->state == STREAM_OPEN) {
            enum err_code code = decompress(s, out, len, &count, err);
            if (code != ERR_NONE) {
                return code;
            }
        }
    }
    *got = count;
    *state = s->state;
    return ERR_NONE;
}

void file_stream_explain(const struct file_stream *s, char *out, size_t out_bytes) {
    const char *name = file_compression_name(s->compression);
    long long at = (long long)file_stream_raw_offset(s);
    if (s->state == STREAM_CUT) {
        (void)snprintf(out, out_bytes, "%s data ends early after %lld bytes", name, at);
    } else {
        (void)snprintf(out, out_bytes, "%s data is damaged near byte %lld (%s)", name, at,
                       s->flaw != NULL ? s->flaw : "unknown");
    }
}
