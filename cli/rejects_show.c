/* How it works: the batch is loaded and checked as for a replay, the record taken out of it, and a
 * window around the fault made visible. Every character of the window remembers nothing: the caret's
 * column is where the text stood when the faulty byte was reached. */
#include "cli/rejects.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define VISIBLE_BYTES 16

/* One character of the record as text; the bytes it took. */
static size_t visible(struct str rest, char out[VISIBLE_BYTES]) {
    static const char escaped[] = "\n\r\t\\";
    static const char letters[] = "nrt\\";
    const unsigned char c = (unsigned char)rest.ptr[0];
    const char *at = c != 0 ? strchr(escaped, c) : NULL;
    if (at != NULL && c != '\\') {
        (void)snprintf(out, VISIBLE_BYTES, "\\%c", letters[at - escaped]);
        return 1;
    }
    uint32_t code = 0;
    const size_t size = str_utf8_size(rest, &code);
    str_printable((struct str){rest.ptr, size > 0 ? size : 1}, out, VISIBLE_BYTES);
    if (size > 0 && (out[0] != '?' || c == '?')) {
        return size;
    }
    if (size > 1) { /* a character that would change how the line looks */
        (void)snprintf(out, VISIBLE_BYTES, "\\u{%" PRIX32 "}", code);
        return size;
    }
    (void)snprintf(out, VISIBLE_BYTES, "\\x%02x", c);
    return 1;
}

/* Where the window begins: a whole character at most `before` bytes in front of offset. */
static size_t window_start(struct str record, size_t offset, size_t before) {
    if (offset <= before) {
        return 0;
    }
    size_t at = offset - before;
    while (at < offset && ((unsigned char)record.ptr[at] & 0xC0U) == 0x80U) {
        at++;
    }
    return at;
}

void excerpt_of(struct str record, int64_t offset, size_t columns, struct buf *out,
                int64_t *caret) {
    static const size_t dots = 3;
    const bool marked = offset >= 0 && (uint64_t)offset <= record.len;
    const size_t target = marked ? (size_t)offset : 0;
    /* The fault stands in the first two thirds; a short record is shown from its start. */
    size_t at = record.len <= columns ? 0 : window_start(record, target, columns * 2 / 3 - dots);
    size_t used = 0;
    *caret = -1;
    if (at > 0) {
        buf_adds(out, "...");
        used = dots;
    }
    while (at < record.len) {
        char text[VISIBLE_BYTES];
        const size_t size = visible((struct str){record.ptr + at, record.len - at}, text);
        const size_t width = output_width(text);
        const bool is_last = at + size >= record.len;
        if (used + width + (is_last ? 0 : dots) > columns) {
            buf_adds(out, "...");
            break;
        }
        if (marked && *caret < 0 && at + size > target) {
            *caret = (int64_t)used;
        }
        buf_adds(out, text);
        used += width;
        at += size;
    }
    if (marked && *caret < 0) {
        *caret = (int64_t)used; /* behind the last byte: something is missing there */
    }
}

/* What the store says about a reject. */
struct found {
    int64_t partition, seq, pos, record, offset;
    char *source, *partition_name, *transform, *reason, *column, *message, *version;
    int64_t created_us;
    int64_t discarded_us; /* 0: it was not */
    char *discarded_by, *because;
};

static void found_release(struct found *f) {
    mem_free(f->source);
    mem_free(f->partition_name);
    mem_free(f->transform);
    mem_free(f->reason);
    mem_free(f->column);
    mem_free(f->message);
    mem_free(f->version);
    mem_free(f->discarded_by);
    mem_free(f->because);
}

static char *text_of(struct store_statement *st, int column) {
    if (store_column_is_null(st, column)) {
        return NULL;
    }
    const struct str text = store_column_str(st, column);
    return mem_strndup(text.ptr != NULL ? text.ptr : "", text.len);
}

static enum err_code find(struct store *s, int64_t id, struct found *f, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        s,
        "SELECT b.partition, b.seq, r.pos, b.first_record + r.pos, coalesce(r.byte_offset, -1), "
        "p.source, p.name, r.transform, r.reason, r.column_name, r.message, r.version, "
        "r.created_us, coalesce(r.discarded_us, 0), r.discarded_by, r.discarded_because FROM "
        "_plumb_rejects r JOIN _plumb_batches b ON b.id = r.batch JOIN "
        "_plumb_partitions p ON p.id = b.partition WHERE r.id = ?1",
        &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_i64(st, 1, id);
    bool exists = false;
    code = store_step(st, &exists, err);
    if (code == ERR_NONE && exists) {
        *f = (struct found){.partition = store_column_i64(st, 0),
                            .seq = store_column_i64(st, 1),
                            .pos = store_column_i64(st, 2),
                            .record = store_column_i64(st, 3),
                            .offset = store_column_i64(st, 4),
                            .source = text_of(st, 5),
                            .partition_name = text_of(st, 6),
                            .transform = text_of(st, 7),
                            .reason = text_of(st, 8),
                            .column = text_of(st, 9),
                            .message = text_of(st, 10),
                            .version = text_of(st, 11),
                            .created_us = store_column_i64(st, 12),
                            .discarded_us = store_column_i64(st, 13),
                            .discarded_by = text_of(st, 14),
                            .because = text_of(st, 15)};
    }
    store_statement_free(st);
    if (code == ERR_NONE && !exists) {
        return err_set(err, ERR_INPUT,
                       "there is no reject %" PRId64 "; `plumb rejects list` has "
                       "the numbers",
                       id);
    }
    return code;
}

static void line(struct output *o, const char *name, const char *value) {
    if (value != NULL && value[0] != '\0') {
        output_styled(o, STYLE_DIM, "  %-10s", name);
        output_data(o, str_of(value));
        output_add(o, "\n");
    }
}

static int print_text(const struct found *f, int64_t id, const struct batch *b) {
    const struct record record = batch_record(b, (uint32_t)f->pos);
    AUTO_OUTPUT o;
    output_init(&o);
    char number[OUTPUT_NUMBER_BYTES];
    char when[CLOCK_TEXT_BYTES];
    clock_format_us(f->created_us, when);
    output_styled(&o, STYLE_STRONG, "Reject %" PRId64 ": ", id);
    output_styled(&o, STYLE_BAD, "%s\n", f->reason);
    line(&o, "source", f->source);
    line(&o, "partition", f->partition_name);
    output_number(f->record, number);
    char *record_number = mem_printf("%s, counted from 0", number);
    line(&o, "record", record_number);
    mem_free(record_number);
    output_number(f->seq, number);
    line(&o, "batch", number);
    line(&o, "transform", f->transform);
    line(&o, "column", f->column);
    line(&o, "at", when);
    line(&o, "flow", f->version);
    line(&o, "message", f->message);
    if (f->discarded_us > 0) {
        clock_format_us(f->discarded_us, when);
        line(&o, "discarded", when);
        line(&o, "by", f->discarded_by);
        line(&o, "because", f->because);
    }
    char *header = mem_strndup(batch_meta(b).ptr, batch_meta(b).len); /* of CSV: its first line */
    line(&o, "header", header);
    mem_free(header);
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    int64_t caret = -1;
    const size_t room = o.columns > 4 ? (size_t)o.columns - 2 : EXCERPT_COLUMNS;
    excerpt_of(record.bytes, f->offset, room, &text, &caret);
    output_add(&o, "\n  %s\n", buf_c(&text));
    if (caret >= 0) {
        output_add(&o, "  %*s", (int)caret, "");
        output_styled(&o, STYLE_BAD, "^\n");
    }
    if (record.kind == RECORD_TOO_LARGE) {
        output_add(&o, "  (only the beginning is kept, and where the rest is)\n");
    }
    return output_flush(&o, EXIT_DONE);
}

static void json_text(struct json_writer *w, const char *key, const char *value) {
    json_key(w, key);
    json_c(w, value != NULL && value[0] != '\0' ? value : NULL);
}

static int print_json(const struct found *f, int64_t id, struct record record) {
    char when[CLOCK_TEXT_BYTES];
    clock_format_us(f->created_us, when);
    struct json_output o;
    json_output_begin(&o);
    struct json_writer *w = &o.json;
    json_begin_object(w);
    json_kv_i64(w, "id", id);
    json_kv_c(w, "source", f->source);
    json_kv_c(w, "partition", f->partition_name);
    json_kv_i64(w, "record", f->record);
    json_kv_i64(w, "batch", f->seq);
    json_text(w, "transform", f->transform);
    json_kv_c(w, "reason", f->reason);
    json_text(w, "column", f->column);
    json_key(w, "byte_offset");
    if (f->offset >= 0) {
        json_i64(w, f->offset);
    } else {
        json_null(w);
    }
    json_kv_c(w, "message", f->message);
    json_kv_c(w, "version", f->version);
    json_kv_c(w, "at", when);
    if (f->discarded_us > 0) {
        clock_format_us(f->discarded_us, when);
    }
    json_text(w, "discarded_at", f->discarded_us > 0 ? when : NULL);
    json_text(w, "discarded_by", f->discarded_by);
    json_text(w, "discarded_because", f->because);
    json_kv_bool(w, "whole", record.kind != RECORD_TOO_LARGE);
    json_kv_str(w, "raw", record.bytes);
    json_end_object(w);
    return json_output_end(&o, EXIT_DONE);
}

static int print_raw(struct record record) {
    const size_t written = fwrite(record.bytes.ptr, 1, record.bytes.len, stdout);
    return written == record.bytes.len && fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int show(const struct invocation *call, const struct found *f, int64_t id,
                const struct batch *b) {
    struct err err = ERR_INIT;
    if (f->pos < 0 || f->pos >= b->count) {
        err_set(&err, ERR_CORRUPT,
                "reject %" PRId64 " points to record %" PRId64 " of a batch of "
                "%" PRIu32,
                id, f->pos, b->count);
        return command_failed(&err);
    }
    const struct record record = batch_record(b, (uint32_t)f->pos);
    if (invocation_has(call, "raw")) {
        return print_raw(record);
    }
    return invocation_has(call, "json") ? print_json(f, id, record) : print_text(f, id, b);
}

int rejects_show(const struct invocation *call, const struct opened *opened, int64_t id) {
    struct err err = ERR_INIT;
    CLEANUP(found_release) struct found f = {0};
    CLEANUP(batch_release) struct batch b;
    batch_init(&b);
    struct store_batch info;
    enum err_code code = find(opened->store, id, &f, &err);
    if (code == ERR_NONE) {
        code = store_load(opened->store, f.partition, f.seq, &b, &info, &err);
    }
    return code == ERR_NONE ? show(call, &f, id, &b) : command_failed(&err);
}
