/* From "key=value" to JSON: one walk over the text. What does not look like a field goes into
 * "message", so that nothing that was said is lost, however it was said. */
#include "base/json.h"
#include "base/log.h"

#include <string.h>

#define NUMBER_DIGITS_MAX 15 /* exact in every reader of JSON */

struct fields {
    struct str names[LOG_FIELDS_MAX];
    size_t count;
    struct json_writer *w;
};

static bool is_key_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* False when the name has been there, or there are too many. */
static bool take_name(struct fields *f, struct str name) {
    static const char *const reserved[] = {"ts", "level", "at", "message"};
    for (size_t i = 0; i < ARRAY_COUNT(reserved); i++) {
        if (str_equal_c(name, reserved[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < f->count; i++) {
        if (str_equal(f->names[i], name)) {
            return false;
        }
    }
    if (f->count == LOG_FIELDS_MAX) {
        return false;
    }
    f->names[f->count++] = name;
    return true;
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the escape at the start of s means; *used: its length. */
static char unescape(struct str s, size_t *used) {
    const char c = s.len > 1 ? s.ptr[1] : '\\';
    *used = s.len > 1 ? 2 : 1;
    if (c == 'x' && s.len > 3 && hex_digit(s.ptr[2]) >= 0 && hex_digit(s.ptr[3]) >= 0) {
        *used = 4;
        return (char)(hex_digit(s.ptr[2]) * 16 + hex_digit(s.ptr[3]));
    }
    return c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
}

/* The value that starts s, quotes undone, into out; returns how much of s it is. */
static size_t read_value(struct str s, struct str *value, char out[LOG_LINE_BYTES]) {
    const bool quoted = s.len > 0 && s.ptr[0] == '"';
    size_t at = quoted ? 1 : 0;
    size_t len = 0;
    while (at < s.len && s.ptr[at] != (quoted ? '"' : ' ') && len < LOG_LINE_BYTES) {
        size_t used = 1;
        out[len++] = quoted && s.ptr[at] == '\\'
                         ? unescape((struct str){s.ptr + at, s.len - at}, &used)
                         : s.ptr[at];
        at += used;
    }
    *value = (struct str){out, len};
    return quoted && at < s.len ? at + 1 : at;
}

static bool is_number(struct str s) {
    const size_t sign = s.len > 0 && s.ptr[0] == '-' ? 1 : 0;
    const size_t digits = s.len - sign;
    if (digits == 0 || digits > NUMBER_DIGITS_MAX || (s.ptr[sign] == '0' && s.len > 1)) {
        return false;
    }
    for (size_t i = sign; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
    }
    return true;
}

static void add_field(struct fields *f, struct str name, struct str value, bool quoted) {
    char key[LOG_LINE_BYTES];
    memcpy(key, name.ptr, name.len);
    key[name.len] = '\0';
    json_key(f->w, key);
    if (!quoted &&
        (is_number(value) || str_equal_c(value, "true") || str_equal_c(value, "false"))) {
        json_raw(f->w, value);
    } else {
        json_str(f->w, value);
    }
}

void log_json_fields(struct str line, struct json_writer *w) {
    struct fields f = {.w = w};
    char value_bytes[LOG_LINE_BYTES];
    char message[LOG_LINE_BYTES];
    size_t message_len = 0;
    ASSERT(line.len < LOG_LINE_BYTES);
    for (size_t at = 0; at < line.len;) {
        size_t end = at;
        while (end < line.len && is_key_byte(line.ptr[end])) {
            end++;
        }
        if (end > at && end < line.len && line.ptr[end] == '=') {
            const struct str name = {line.ptr + at, end - at};
            const struct str rest = {line.ptr + end + 1, line.len - end - 1};
            struct str value = {value_bytes, 0};
            at = end + 1 + read_value(rest, &value, value_bytes);
            if (take_name(&f, name)) {
                add_field(&f, name, value, rest.len > 0 && rest.ptr[0] == '"');
            }
        } else { /* a word, up to the next space */
            message_len += message_len > 0 && line.ptr[at] != ' ' ? 1 : 0;
            if (message_len > 0 && line.ptr[at] != ' ') {
                message[message_len - 1] = ' ';
            }
            while (at < line.len && line.ptr[at] != ' ') {
                message[message_len++] = line.ptr[at++];
            }
        }
        at += at < line.len && line.ptr[at] == ' ' ? 1 : 0;
    }
    if (message_len > 0) {
        json_kv_str(w, "message", (struct str){message, message_len});
    }
}
