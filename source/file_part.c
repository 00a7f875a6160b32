/* How it works: a cursor is small JSON, written with the writer and read with the strict reader of
 * base/json; every number is checked for its range before it is believed. */
#include "source/file_part.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"

#define CURSOR_VERSION     2
#define FINGERPRINT_DIGITS 16

struct file_part *file_part_new(const char *name, const char *path) {
    struct file_part *p = mem_alloc(sizeof(*p));
    p->name = mem_strdup(name);
    p->path = mem_strdup(path);
    p->mark.raw_size = -1;
    p->fd = -1;
    return p;
}

void file_part_free(struct file_part *p) {
    if (p == NULL) {
        return;
    }
    file_close(&p->fd);
    mem_free(p->name);
    mem_free(p->path);
    mem_free(p->trouble);
    mem_free(p);
}

static bool parse_hex(struct str s, uint64_t *out) {
    if (s.len != FINGERPRINT_DIGITS) {
        return false;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];
        unsigned digit = 0;
        if (c >= '0' && c <= '9') {
            digit = (unsigned)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (unsigned)(c - 'a') + 10;
        } else {
            return false;
        }
        v = v << 4 | digit;
    }
    *out = v;
    return true;
}

static bool get_count(const struct json_value *o, const char *key, int64_t *out) {
    return json_get_i64(o, key, out) && *out >= 0;
}

static bool read_cursor(const struct json_value *o, struct file_part *p) {
    int64_t version = 0;
    int64_t device = 0;
    int64_t inode = 0;
    int64_t length = 0;
    struct str text = {0};
    if (!json_get_i64(o, "v", &version) || version != CURSOR_VERSION ||
        !json_get_i64(o, "dev", &device) || !json_get_i64(o, "ino", &inode) ||
        !get_count(o, "offset", &p->mark.at.offset) || !get_count(o, "line", &p->mark.at.line) ||
        !get_count(o, "records", &p->mark.records) || !get_count(o, "fp_len", &length) ||
        length > FILE_FINGERPRINT_BYTES || !json_get_str(o, "fp", &text) ||
        !parse_hex(text, &p->mark.fingerprint)) {
        return false;
    }
    p->device = (uint64_t)device;
    p->inode = (uint64_t)inode;
    p->mark.fingerprint_len = (size_t)length;
    const struct json_value *open = json_get(o, "open");
    if (open == NULL || open->kind != JSON_BOOL) {
        return false;
    }
    p->mark.at.open = open->boolean;
    p->compression = COMPRESSION_NONE;
    if (json_get_str(o, "compression", &text)) {
        p->compression = str_equal_c(text, "gzip")   ? COMPRESSION_GZIP
                         : str_equal_c(text, "zstd") ? COMPRESSION_ZSTD
                                                     : COMPRESSION_AUTO;
    }
    if (json_get(o, "raw_size") != NULL && !get_count(o, "raw_size", &p->mark.raw_size)) {
        return false;
    }
    if (json_get_str(o, "path", &text)) {
        mem_free(p->path);
        p->path = mem_strndup(text.ptr, text.len);
    }
    return p->compression != COMPRESSION_AUTO;
}

enum err_code file_part_from_cursor(const struct source_cursor *c, struct file_part **out,
                                    struct err *err) {
    struct arena arena;
    arena_init(&arena, FILE_CURSOR_ARENA);
    const struct json_value *o = NULL;
    struct file_part *p = file_part_new(c->partition, c->partition);
    enum err_code code = json_parse(c->cursor, &arena, &o, err);
    if (code != ERR_NONE || o->kind != JSON_OBJECT || !read_cursor(o, p)) {
        file_part_free(p);
        arena_release(&arena);
        return err_set(err, ERR_CORRUPT,
                       "the stored cursor of file '%s' is not understood: %.*s; it was written by "
                       "another version of plumb or changed by hand",
                       c->partition, (int)(c->cursor.len < 200 ? c->cursor.len : 200),
                       c->cursor.len > 0 ? c->cursor.ptr : "");
    }
    arena_release(&arena);
    p->has_cursor = true;
    *out = p;
    return ERR_NONE;
}

void file_part_write_cursor(const struct file_part *p, const struct file_mark *mark,
                            struct buf *out) {
    char hex[FINGERPRINT_DIGITS + 1];
    (void)snprintf(hex, sizeof(hex), "%016" PRIx64, mark->fingerprint);
    struct json_writer w;
    buf_clear(out);
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_kv_i64(&w, "v", CURSOR_VERSION);
    if (strcmp(p->path, p->name) != 0) {
        json_kv_c(&w, "path", p->path);
    }
    json_kv_i64(&w, "dev", (int64_t)p->device);
    json_kv_i64(&w, "ino", (int64_t)p->inode);
    json_kv_c(&w, "fp", hex);
    json_kv_i64(&w, "fp_len", (int64_t)mark->fingerprint_len);
    json_kv_i64(&w, "offset", mark->at.offset);
    json_kv_i64(&w, "line", mark->at.line);
    json_kv_i64(&w, "records", mark->records);
    json_kv_bool(&w, "open", mark->at.open);
    if (p->compression == COMPRESSION_GZIP || p->compression == COMPRESSION_ZSTD) {
        json_kv_c(&w, "compression", file_compression_name(p->compression));
    }
    if (mark->raw_size >= 0) {
        json_kv_i64(&w, "raw_size", mark->raw_size);
    }
    json_end_object(&w);
}

enum err_code file_head(int fd, enum file_compression compression, char *out, size_t len,
                        size_t *got, struct err *err) {
    struct file_stream *stream = NULL;
    enum file_stream_state state = STREAM_OPEN;
    size_t have = 0;
    enum err_code code = file_stream_open(fd, compression, 0, &stream, err);
    while (code == ERR_NONE && have < len && state == STREAM_OPEN) {
        size_t step = 0;
        code = file_stream_read(stream, out + have, len - have, &step, &state, err);
        have += code == ERR_NONE ? step : 0;
    }
    file_stream_close(stream);
    if (code == ERR_NONE) {
        *got = have;
    }
    return code;
}

enum err_code file_fingerprint(int fd, enum file_compression compression, size_t len, uint64_t *out,
                               size_t *got, struct err *err) {
    char head[FILE_FINGERPRINT_BYTES];
    ASSERT(len <= sizeof(head));
    enum err_code code = file_head(fd, compression, head, len, got, err);
    if (code == ERR_NONE) {
        *out = hash64_of(head, *got);
    }
    return code;
}

const char *const file_endings[] = {".gz", ".gzip", ".zst", ".zstd", NULL};

struct str file_name_stem(const char *path) {
    struct str s = str_of(path);
    for (size_t i = 0; file_endings[i] != NULL; i++) {
        struct str ending = str_of(file_endings[i]);
        if (str_ends_with(s, ending)) {
            s.len -= ending.len;
            break;
        }
    }
    return s;
}

bool file_part_has_unread(const struct file_part *p) {
    if (p->compression == COMPRESSION_GZIP || p->compression == COMPRESSION_ZSTD) {
        return p->mark.raw_size != p->size;
    }
    return p->size > p->mark.at.offset;
}

void file_part_set_trouble(struct file_part *p, enum err_code code, const char *fmt, ...) {
    char text[ERR_MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    p->news = false;
    uint64_t hash = hash64_of(text, strlen(text)) | 1;
    if (hash == p->told) {
        return;
    }
    p->told = hash;
    if (p->trouble == NULL) {
        p->trouble = mem_alloc(sizeof(*p->trouble));
    }
    (void)err_set(p->trouble, code, "%s", text); /* the class is told, not returned */
    err_where(p->trouble, "%s", p->path);
}

void file_part_set_unreadable(struct file_part *p, const struct err *cause) {
    const bool denied = cause->origin == EACCES || cause->origin == EPERM;
    char reason[ERR_MESSAGE_BYTES];
    (void)snprintf(reason, sizeof(reason), "%s",
                   denied ? "permission denied; give permission and it is taken up"
                          : cause->message);
    file_part_set_trouble(p, ERR_INPUT, "cannot be read: %s. The other files go on", reason);
}

int file_part_compare_age(const struct file_part *a, const struct file_part *b) {
    size_t a_len = strlen(a->name);
    size_t b_len = strlen(b->name);
    if (a_len != b_len) {
        return a_len < b_len ? -1 : 1;
    }
    return strcmp(a->name, b->name);
}
