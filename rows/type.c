/* Text to values and values to text, one small function for each type.
 *
 * Nothing is guessed: text that is not exactly of the type is refused, so that a value means the
 * same in every store. */
#include "rows/type.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "rows/int256.h"

#include <string.h>
#include <strings.h>

const char *const type_names[COLUMN_TYPE_COUNT + 1] = {
#define X(name, text) [TYPE_##name] = (text),
    COLUMN_TYPES(X)
#undef X
};

const char *type_name(enum column_type type) {
    ASSERT((size_t)type < COLUMN_TYPE_COUNT);
    return type_names[type];
}

bool type_parse(struct str name, enum column_type *out) {
    for (size_t i = 0; i < COLUMN_TYPE_COUNT; i++) {
        if (str_equal_c(name, type_names[i])) {
            *out = (enum column_type)i;
            return true;
        }
    }
    return false;
}

bool type_is_integer(enum column_type type) {
    return type == TYPE_INT64 || type == TYPE_BOOL || type == TYPE_TIMESTAMP;
}

static bool parse_bool(struct str text, int64_t *out) {
    static const struct {
        const char *text;
        int64_t value;
    } words[] = {{"true", 1}, {"false", 0}, {"1", 1},   {"0", 0},
                 {"t", 1},    {"f", 0},     {"yes", 1}, {"no", 0}};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (text.len == strlen(words[i].text) &&
            strncasecmp(text.ptr, words[i].text, text.len) == 0) {
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

static bool parse_hex(struct str text, char *scratch, struct str *out) {
    struct str digits = text;
    if (str_starts_with(text, STR("0x"))) {
        digits = (struct str){text.ptr + 2, text.len - 2};
    }
    if (digits.len % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i += 2) {
        int high = hex_digit(digits.ptr[i]);
        int low = hex_digit(digits.ptr[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        scratch[i / 2] = (char)(high * 16 + low);
    }
    *out = (struct str){scratch, digits.len / 2};
    return true;
}

/* The digits after the point of a number of units, in microseconds. Digits finer than that are
 * refused unless zero: rounding would make two different times equal. */
static bool parse_fraction(struct str digits, int64_t unit, int64_t *out) {
    int64_t us = 0;
    int64_t weight = unit;
    if (digits.len == 0) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9') {
            return false;
        }
        int64_t digit = digits.ptr[i] - '0';
        if (digit != 0 && weight % 10 != 0) {
            return false;
        }
        weight = weight % 10 == 0 ? weight / 10 : 1;
        us += digit * weight;
    }
    *out = us;
    return true;
}

static bool parse_unit_timestamp(struct str text, int64_t unit, int64_t *out) {
    size_t point = str_find(text, '.');
    int64_t units = 0;
    int64_t fraction = 0;
    int64_t us = 0;
    if (!parse_i64((struct str){text.ptr, point}, &units)) {
        return false;
    }
    if (point < text.len &&
        !parse_fraction((struct str){text.ptr + point + 1, text.len - point - 1}, unit,
                        &fraction)) {
        return false;
    }
    if (text.ptr[0] == '-') {
        fraction = -fraction;
    }
    if (__builtin_mul_overflow(units, unit, &us) || __builtin_add_overflow(us, fraction, &us) ||
        us < TIMESTAMP_US_MIN || us > TIMESTAMP_US_MAX) {
        return false;
    }
    *out = us;
    return true;
}

static bool parse_timestamp(struct str text, int64_t unit, int64_t *out) {
    if (unit > 0 && parse_unit_timestamp(text, unit, out)) {
        return true;
    }
    return clock_parse(text, out);
}

static bool parse_int256(struct str text, char *scratch, struct str *out) {
    struct int256 v;
    uint8_t encoded[INT256_ENCODED_MAX];
    if (!int256_parse(text, &v)) {
        return false;
    }
    size_t len = int256_encode(&v, encoded);
    memcpy(scratch, encoded, len);
    *out = (struct str){scratch, len};
    return true;
}

static bool is_text(struct str text) {
    return str_find(text, '\0') == text.len && str_is_utf8(text);
}

bool value_parse(enum column_type type, struct str text, int64_t timestamp_unit, char *scratch,
                 struct value *out) {
    struct value v = {.type = type};
    bool good = false;
    switch (type) {
    case TYPE_INT64:
        good = parse_i64(text, &v.integer);
        break;
    case TYPE_FLOAT64:
        good = parse_f64(text, &v.real);
        v.real += 0.0; /* -0.0 + 0.0 is 0.0: one zero, so that equal numbers have equal bits */
        break;
    case TYPE_BOOL:
        good = parse_bool(text, &v.integer);
        break;
    case TYPE_TEXT:
        v.bytes = text;
        good = is_text(text);
        break;
    case TYPE_BYTES:
        good = parse_hex(text, scratch, &v.bytes);
        break;
    case TYPE_TIMESTAMP:
        good = parse_timestamp(text, timestamp_unit, &v.integer);
        break;
    case TYPE_JSON:
        v.bytes = text;
        good = text.len > 0 && is_text(text);
        break;
    case TYPE_INT256:
        good = parse_int256(text, scratch, &v.bytes);
        break;
    }
    if (good) {
        *out = v;
    }
    return good;
}

int value_compare(const struct value *a, const struct value *b) {
    ASSERT(a->type == b->type && !a->is_null && !b->is_null);
    if (type_is_integer(a->type)) {
        return (a->integer > b->integer) - (a->integer < b->integer);
    }
    if (a->type == TYPE_FLOAT64) {
        return (a->real > b->real) - (a->real < b->real);
    }
    return str_compare(a->bytes, b->bytes);
}

static void write_hex(struct json_writer *w, struct str bytes) {
    static const char digits[] = "0123456789abcdef";
    json_raw(w, STR("\"0x"));
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        buf_addc(w->out, digits[c >> 4]);
        buf_addc(w->out, digits[c & 15u]);
    }
    buf_addc(w->out, '"');
}

static void write_int256(struct json_writer *w, struct str encoded) {
    struct int256 v;
    char text[INT256_TEXT_BYTES];
    if (!int256_decode(encoded, &v)) {
        write_hex(w, encoded); /* somebody put a foreign blob into the table: show it as it is */
        return;
    }
    size_t len = int256_format(&v, text);
    json_str(w, (struct str){text, len});
}

void value_write_json(struct json_writer *w, const struct value *v) {
    if (v->is_null) {
        json_null(w);
        return;
    }
    char time[CLOCK_TEXT_BYTES];
    switch (v->type) {
    case TYPE_INT64:
        json_i64(w, v->integer);
        break;
    case TYPE_FLOAT64:
        json_f64(w, v->real);
        break;
    case TYPE_BOOL:
        json_bool(w, v->integer != 0);
        break;
    case TYPE_TEXT:
        json_str(w, v->bytes);
        break;
    case TYPE_BYTES:
        write_hex(w, v->bytes);
        break;
    case TYPE_TIMESTAMP:
        clock_format_us(v->integer, time);
        json_c(w, time);
        break;
    case TYPE_JSON:
        json_raw(w, v->bytes);
        break;
    case TYPE_INT256:
        write_int256(w, v->bytes);
        break;
    }
}
