/* How cells are set: the value is made from its text (exactly, or a fault says why not), compared
 * with min, max and one_of, and put into the row being built. A number that is spelled well but
 * does not fit its type is RANGE; everything else that does not parse is TYPE. */
#include "rows/decode_internal.h"

#include "base/clock.h"
#include "base/parse.h"
#include "rows/decode_json_scan.h"
#include "rows/int256.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- bounds ---- */

#define BOUND_TEXT_BYTES 96
_Static_assert(BOUND_TEXT_BYTES >= INT256_TEXT_BYTES && BOUND_TEXT_BYTES >= CLOCK_TEXT_BYTES,
               "every bound has room");

static void bound_text(const struct value *v, char out[BOUND_TEXT_BYTES]) {
    struct int256 big;
    switch (v->type) {
    case TYPE_FLOAT64:
        (void)snprintf(out, BOUND_TEXT_BYTES, "%.17g", v->real);
        return;
    case TYPE_TIMESTAMP:
        clock_format_us(v->integer, out);
        return;
    case TYPE_INT256:
        if (int256_decode(v->bytes, &big)) {
            (void)int256_format(&big, out);
        } else {
            (void)snprintf(out, BOUND_TEXT_BYTES, "?");
        }
        return;
    case TYPE_INT64:
    case TYPE_BOOL:
    case TYPE_TEXT:
    case TYPE_BYTES:
    case TYPE_JSON:
        (void)snprintf(out, BOUND_TEXT_BYTES, "%" PRId64, v->integer);
        return;
    }
}

static int64_t text_length(struct str s) {
    int64_t count = 0;
    for (size_t i = 0; i < s.len; i++) {
        count += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
    }
    return count;
}

static bool length_is_allowed(struct decoder *d, size_t column, const struct value *v,
                              const struct cell_origin *o) {
    const struct column_rule *rule = &d->rules[column];
    bool is_text = rule->type == TYPE_TEXT;
    int64_t length = is_text ? text_length(v->bytes) : (int64_t)v->bytes.len;
    bool too_short = rule->has_min && length < rule->column->min.integer;
    bool too_long = rule->has_max && length > rule->column->max.integer;
    if (too_short || too_long) {
        int64_t bound = too_short ? rule->column->min.integer : rule->column->max.integer;
        decode_cell_fault(d, REJECT_RANGE, column, o, "has %" PRId64 " %s, %s allowed are %" PRId64,
                          length, is_text ? "characters" : "bytes", too_short ? "least" : "most",
                          bound);
        return false;
    }
    return true;
}

static bool size_is_allowed(struct decoder *d, size_t column, const struct value *v,
                            const struct cell_origin *o) {
    const struct column_rule *rule = &d->rules[column];
    char bound[BOUND_TEXT_BYTES];
    if (rule->has_min && value_compare(v, &rule->column->min) < 0) {
        bound_text(&rule->column->min, bound);
        decode_cell_fault(d, REJECT_RANGE, column, o, "is below the minimum %s", bound);
        return false;
    }
    if (rule->has_max && value_compare(v, &rule->column->max) > 0) {
        bound_text(&rule->column->max, bound);
        decode_cell_fault(d, REJECT_RANGE, column, o, "is above the maximum %s", bound);
        return false;
    }
    return true;
}

static bool is_one_of(const struct column_rule *rule, const struct value *v) {
    for (size_t i = 0; i < rule->one_of_count; i++) {
        if (value_compare(v, &rule->one_of[i]) == 0) {
            return true;
        }
    }
    return false;
}

#define ONE_OF_SHOWN_BYTES 128

/* "open, paid, void", cut. */
static void one_of_text(const struct column_rule *rule, char out[ONE_OF_SHOWN_BYTES]) {
    struct buf list = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < rule->one_of_count && list.len < ONE_OF_SHOWN_BYTES; i++) {
        buf_adds(&list, i == 0 ? "" : ", ");
        buf_adds(&list, rule->column->one_of[i]);
    }
    str_printable(buf_str(&list), out, ONE_OF_SHOWN_BYTES);
    buf_release(&list);
}

bool cell_is_allowed(struct decoder *d, size_t column, const struct value *v,
                     const struct cell_origin *o) {
    const struct column_rule *rule = &d->rules[column];
    if (rule->has_min || rule->has_max) {
        bool is_length = rule->type == TYPE_TEXT || rule->type == TYPE_BYTES;
        if (!(is_length ? length_is_allowed(d, column, v, o) : size_is_allowed(d, column, v, o))) {
            return false;
        }
    }
    if (rule->one_of == NULL || is_one_of(rule, v)) {
        return true;
    }
    char list[ONE_OF_SHOWN_BYTES];
    one_of_text(rule, list);
    decode_cell_fault(d, REJECT_NOT_ALLOWED, column, o, "is none of: %s", list);
    return false;
}

/* ---- setters ---- */

void cell_set_integer(struct decoder *d, size_t column, int64_t v, const struct cell_origin *o) {
    if (d->rules[column].has_checks) {
        struct value value = {.type = d->rules[column].type, .integer = v};
        if (!cell_is_allowed(d, column, &value, o)) {
            return;
        }
    }
    rows_set_i64(d->rows, column, v);
}

void cell_set_real(struct decoder *d, size_t column, double v, const struct cell_origin *o) {
    if (d->rules[column].has_checks) {
        struct value value = {.type = TYPE_FLOAT64, .real = v};
        if (!cell_is_allowed(d, column, &value, o)) {
            return;
        }
    }
    rows_set_f64(d->rows, column, v);
}

void cell_set_bytes(struct decoder *d, size_t column, struct str v, const struct cell_origin *o) {
    if (d->rules[column].has_checks) {
        struct value value = {.type = d->rules[column].type, .bytes = v};
        if (!cell_is_allowed(d, column, &value, o)) {
            return;
        }
    }
    rows_set_bytes(d->rows, column, v);
}

void cell_set_text(struct decoder *d, size_t column, struct str v, const struct cell_origin *o) {
    if (UNLIKELY(v.len > 0 && memchr(v.ptr, '\0', v.len) != NULL)) {
        decode_cell_fault(d, REJECT_TYPE, column, o, "holds a NUL, which text cannot store");
        return;
    }
    cell_set_bytes(d, column, v, o);
}

void cell_set_instant(struct decoder *d, size_t column, int64_t number,
                      const struct cell_origin *o) {
    int64_t us = 0;
    if (__builtin_mul_overflow(number, d->rules[column].column->timestamp_unit_us, &us) ||
        us < TIMESTAMP_US_MIN || us > TIMESTAMP_US_MAX) {
        decode_cell_fault(d, REJECT_RANGE, column, o, "is outside the years 0001 to 9999");
        return;
    }
    cell_set_integer(d, column, us, o);
}

size_t text_utf8_prefix(struct str s) {
    struct json_scan scan = {.begin = s.ptr, .end = s.ptr + s.len};
    const char *p = s.ptr;
    while (p < scan.end) {
        bool has_escape = false;
        const char *next =
            (unsigned char)*p < 0x80 ? p + 1 : json_scan_special(&scan, p, &has_escape);
        if (next == NULL) {
            break;
        }
        p = next;
    }
    return p == scan.end ? s.len : (size_t)((scan.fault != NULL ? scan.fault_at : p) - s.ptr);
}

bool text_is_integer(struct str s) {
    size_t i = s.len > 0 && s.ptr[0] == '-' ? 1 : 0;
    if (i == s.len) {
        return false;
    }
    for (; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
    }
    return true;
}

static bool text_is_hex(struct str s) {
    for (size_t i = 0; i < s.len; i++) {
        char lower = (char)(s.ptr[i] | 0x20);
        bool is_digit = s.ptr[i] >= '0' && s.ptr[i] <= '9';
        if (!is_digit && !(lower >= 'a' && lower <= 'f')) {
            return false;
        }
    }
    return true;
}

/* [-]0x<hex>, at least one digit. */
static bool text_is_hex_integer(struct str s) {
    size_t sign = s.len > 0 && s.ptr[0] == '-' ? 1 : 0;
    struct str rest = {s.ptr + sign, s.len - sign};
    return rest.len > 2 && rest.ptr[0] == '0' && (rest.ptr[1] | 0x20) == 'x' &&
           text_is_hex((struct str){rest.ptr + 2, rest.len - 2});
}

enum err_code cell_set_int256(struct decoder *d, size_t column, struct str text,
                              const struct cell_origin *o, struct err *err) {
    struct int256 v;
    if (!int256_parse(text, &v)) {
        if (text_is_integer(text) || text_is_hex_integer(text)) {
            decode_cell_fault(d, REJECT_RANGE, column, o, "is beyond 256 bits");
        } else {
            decode_cell_fault(d, REJECT_TYPE, column, o,
                              "is not an int256 (decimal, or 0x and hex digits)");
        }
        return ERR_NONE;
    }
    uint8_t encoded[INT256_ENCODED_MAX];
    size_t len = int256_encode(&v, encoded);
    void *copy = NULL;
    enum err_code code = arena_alloc(d->arena, len, &copy, err);
    if (code == ERR_NONE) {
        memcpy(copy, encoded, len);
        cell_set_bytes(d, column, (struct str){copy, len}, o);
    }
    return code;
}

enum err_code cell_set_hex(struct decoder *d, size_t column, struct str text,
                           const struct cell_origin *o, struct err *err) {
    bool has_prefix = text.len >= 2 && text.ptr[0] == '0' && text.ptr[1] == 'x';
    if (d->is_json && !has_prefix) {
        decode_cell_fault(d, REJECT_TYPE, column, o, "is not bytes: \"0x\" and hex digits");
        return ERR_NONE;
    }
    void *scratch = NULL;
    enum err_code code = arena_alloc(d->arena, text.len + 40, &scratch, err);
    if (code != ERR_NONE) {
        return code;
    }
    struct value v;
    if (!value_parse(TYPE_BYTES, text, 0, scratch, &v)) {
        decode_cell_fault(d, REJECT_TYPE, column, o,
                          "is not bytes: 0x and an even number of hex digits");
        return ERR_NONE;
    }
    cell_set_bytes(d, column, v.bytes, o);
    return ERR_NONE;
}

/* ---- text cells of CSV and regex ---- */

static enum err_code set_json_text(struct decoder *d, size_t column, struct str text,
                                   const struct cell_origin *o, struct err *err) {
    /* The scanner loads steps past the end, so it gets a copy with room behind it, minified in place. */
    void *memory = NULL;
    enum err_code code = arena_alloc(d->arena, text.len + JSON_LOAD_PAST, &memory, err);
    if (code != ERR_NONE) {
        return code;
    }
    char *copy = memory;
    memcpy(copy, text.ptr, text.len);
    memset(copy + text.len, 0, JSON_LOAD_PAST);
    struct json_scan s = {.begin = copy, .end = copy + text.len};
    const char *p = json_skip_space(&s, s.begin);
    p = json_scan_value(&s, p, 0);
    if (p != NULL && json_skip_space(&s, p) != s.end) {
        p = json_scan_fault(&s, p, "more text after the value");
    }
    if (p == NULL) {
        decode_cell_fault(d, REJECT_TYPE, column, o, "is not JSON: %s", s.fault);
        return ERR_NONE;
    }
    size_t len = json_minify((struct str){copy, text.len}, copy);
    cell_set_bytes(d, column, (struct str){copy, len}, o);
    return ERR_NONE;
}

static void set_real_text(struct decoder *d, size_t column, struct str text,
                          const struct cell_origin *o) {
    double v = 0;
    if (parse_f64(text, &v)) {
        cell_set_real(d, column, v + 0.0, o); /* -0.0 becomes 0.0 */
        return;
    }
    struct json_scan s = {.begin = text.ptr, .end = text.ptr + text.len};
    struct json_number number;
    bool is_number = text.len > 0 && json_scan_number(&s, s.begin, &number) == s.end;
    if (is_number) {
        decode_cell_fault(d, REJECT_RANGE, column, o, "is beyond what a float64 holds");
    } else {
        decode_cell_fault(d, REJECT_TYPE, column, o, "is not a float64");
    }
}

static void set_integer_text(struct decoder *d, size_t column, struct str text,
                             const struct cell_origin *o) {
    int64_t v = 0;
    if (parse_i64(text, &v)) {
        cell_set_integer(d, column, v, o);
    } else if (text_is_integer(text)) {
        decode_cell_fault(d, REJECT_RANGE, column, o, "is beyond what an int64 holds");
    } else {
        decode_cell_fault(d, REJECT_TYPE, column, o, "is not an int64");
    }
}

static void set_instant_text(struct decoder *d, size_t column, struct str text,
                             const struct cell_origin *o) {
    int64_t unit = d->rules[column].column->timestamp_unit_us;
    int64_t number = 0;
    if (unit != 0 && parse_i64(text, &number)) {
        cell_set_instant(d, column, number, o);
        return;
    }
    struct value v;
    if (!value_parse(TYPE_TIMESTAMP, text, unit, NULL, &v)) {
        decode_cell_fault(d, REJECT_TYPE, column, o, "is not a timestamp (2026-01-31T12:00:00Z)%s",
                          unit == 0 ? "" : " and not a number");
        return;
    }
    cell_set_integer(d, column, v.integer, o);
}

enum err_code cell_set_from_text(struct decoder *d, size_t column, struct str text,
                                 const struct cell_origin *o, struct err *err) {
    struct value v;
    switch (d->rules[column].type) {
    case TYPE_INT64:
        set_integer_text(d, column, text, o);
        return ERR_NONE;
    case TYPE_FLOAT64:
        set_real_text(d, column, text, o);
        return ERR_NONE;
    case TYPE_BOOL:
        if (value_parse(TYPE_BOOL, text, 0, NULL, &v)) {
            cell_set_integer(d, column, v.integer, o);
        } else {
            decode_cell_fault(d, REJECT_TYPE, column, o, "is not a bool (true or false)");
        }
        return ERR_NONE;
    case TYPE_TEXT:
        cell_set_text(d, column, text, o);
        return ERR_NONE;
    case TYPE_BYTES:
        return cell_set_hex(d, column, text, o, err);
    case TYPE_TIMESTAMP:
        set_instant_text(d, column, text, o);
        return ERR_NONE;
    case TYPE_JSON:
        return set_json_text(d, column, text, o, err);
    case TYPE_INT256:
        return cell_set_int256(d, column, text, o, err);
    }
    ASSERT(false);
}
