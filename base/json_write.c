/* The writer: a stack of "has this container items yet" decides about commas and line ends. Using
 * it wrongly (a value without its key, an end without a begin) is our mistake and aborts. */
#include "base/json.h"
#include "base/parse.h"

#include <math.h>
#include <string.h>

void json_writer_init(struct json_writer *w, struct buf *out) {
    *w = (struct json_writer){.out = out};
}

static void new_line(struct json_writer *w) {
    if (!w->pretty) {
        return;
    }
    buf_addc(w->out, '\n');
    for (int i = 0; i < w->depth; i++) {
        buf_adds(w->out, "  ");
    }
}

/* Before a value or a key: the comma and the line it stands on. */
static void separate(struct json_writer *w) {
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0) {
        return;
    }
    if (w->has_items[w->depth - 1]) {
        buf_addc(w->out, ',');
    }
    w->has_items[w->depth - 1] = true;
    new_line(w);
}

static void begin(struct json_writer *w, char c) {
    separate(w);
    ASSERT(w->depth < JSON_DEPTH_MAX);
    buf_addc(w->out, c);
    w->has_items[w->depth] = false;
    w->depth++;
}

static void end(struct json_writer *w, char c) {
    ASSERT(w->depth > 0 && !w->after_key);
    w->depth--;
    if (w->has_items[w->depth]) {
        new_line(w);
    }
    buf_addc(w->out, c);
}

void json_begin_object(struct json_writer *w) {
    begin(w, '{');
}

void json_end_object(struct json_writer *w) {
    end(w, '}');
}

void json_begin_array(struct json_writer *w) {
    begin(w, '[');
}

void json_end_array(struct json_writer *w) {
    end(w, ']');
}

static void escape_byte(struct buf *out, unsigned char c) {
    static const char named[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *found = c == 0 ? NULL : strchr(named, c);
    if (found != NULL) {
        buf_addc(out, '\\');
        buf_addc(out, letters[found - named]);
    } else {
        buf_addf(out, "\\u%04x", (unsigned)c);
    }
}

void json_escape(struct buf *out, struct str s) {
    size_t plain = 0; /* start of what can be copied as it is */
    size_t at = 0;
    while (at < s.len) {
        uint32_t code = 0;
        size_t size = str_utf8_size((struct str){s.ptr + at, s.len - at}, &code);
        if (size > 0 && code >= 0x20U && code != '"' && code != '\\') {
            at += size;
            continue;
        }
        buf_addstr(out, (struct str){s.ptr + plain, at - plain});
        if (size == 0) {
            buf_adds(out, "\xEF\xBF\xBD");
        } else {
            escape_byte(out, (unsigned char)code);
        }
        at++;
        plain = at;
    }
    if (at > plain) {
        buf_addstr(out, (struct str){s.ptr + plain, at - plain});
    }
}

static void quoted(struct buf *out, struct str s) {
    buf_addc(out, '"');
    json_escape(out, s);
    buf_addc(out, '"');
}

void json_key(struct json_writer *w, const char *key) {
    ASSERT(w->depth > 0 && !w->after_key);
    separate(w);
    quoted(w->out, str_of(key));
    buf_adds(w->out, w->pretty ? ": " : ":");
    w->after_key = true;
}

void json_str(struct json_writer *w, struct str s) {
    separate(w);
    quoted(w->out, s);
}

void json_c(struct json_writer *w, const char *c_string) {
    if (c_string == NULL) {
        json_null(w);
    } else {
        json_str(w, str_of(c_string));
    }
}

void json_i64(struct json_writer *w, int64_t v) {
    separate(w);
    buf_addf(w->out, "%lld", (long long)v);
}

void json_f64(struct json_writer *w, double v) {
    separate(w);
    if (!isfinite(v)) {
        buf_adds(w->out, "null");
        return;
    }
    char text[PARSE_F64_TEXT_BYTES];
    parse_print_f64(v, text);
    buf_adds(w->out, text);
}

void json_bool(struct json_writer *w, bool v) {
    separate(w);
    buf_adds(w->out, v ? "true" : "false");
}

void json_null(struct json_writer *w) {
    separate(w);
    buf_adds(w->out, "null");
}

void json_raw(struct json_writer *w, struct str text) {
    separate(w);
    buf_addstr(w->out, text);
}

void json_kv_c(struct json_writer *w, const char *key, const char *value) {
    json_key(w, key);
    json_c(w, value);
}

void json_kv_str(struct json_writer *w, const char *key, struct str value) {
    json_key(w, key);
    json_str(w, value);
}

void json_kv_i64(struct json_writer *w, const char *key, int64_t value) {
    json_key(w, key);
    json_i64(w, value);
}

void json_kv_bool(struct json_writer *w, const char *key, bool value) {
    json_key(w, key);
    json_bool(w, value);
}
