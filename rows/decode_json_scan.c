/* How the scanner works: strings are searched 16 or 8 bytes at a time for the next byte that is
 * not plain ASCII text (json_special); escapes and UTF-8 are checked byte by byte in
 * json_scan_special. Nested values are walked with one bit per open level, set for an object, so
 * depth is bounded and there is no recursion. */
#include "rows/decode_json_scan.h"

#include "base/parse.h"

const char *json_scan_fault(struct json_scan *s, const char *at, const char *what) {
    s->fault = what;
    s->fault_at = at;
    return NULL;
}

unsigned json_special_before_end(const struct json_scan *s, const char *p) {
    char step[JSON_STEP];
    memset(step, '"', sizeof(step));
    memcpy(step, p, (size_t)(s->end - p));
    return json_special(step);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The four hex digits at p, or -1. */
static int32_t hex_unit(const char *p, const char *end) {
    if (end - p < 4) {
        return -1;
    }
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

static bool is_high_surrogate(int32_t unit) {
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low_surrogate(int32_t unit) {
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* p at the backslash. */
static const char *scan_escape(struct json_scan *s, const char *p) {
    if (s->end - p < 2) {
        return json_scan_fault(s, s->end, "a string is not closed");
    }
    if (p[1] != 'u') {
        if (p[1] == '\0' || strchr("\"\\/bfnrt", p[1]) == NULL) {
            return json_scan_fault(s, p, "an unknown escape in a string");
        }
        return p + 2;
    }
    int32_t unit = hex_unit(p + 2, s->end);
    if (unit < 0) {
        return json_scan_fault(s, p, "\\u without four hex digits");
    }
    if (is_low_surrogate(unit)) {
        return json_scan_fault(s, p, "a lone surrogate in a string");
    }
    if (!is_high_surrogate(unit)) {
        return p + 6;
    }
    bool is_pair = s->end - p >= 12 && p[6] == '\\' && p[7] == 'u' &&
                   is_low_surrogate(hex_unit(p + 8, s->end));
    return is_pair ? p + 12 : json_scan_fault(s, p, "a lone surrogate in a string");
}

/* Length of the well-formed UTF-8 sequence at p (first byte not ASCII), or 0. */
static size_t utf8_length(const char *text, const char *end) {
    const unsigned char *p = (const unsigned char *)text;
    size_t room = (size_t)(end - text);
    size_t len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || room < len) {
        return 0;
    }
    /* The second byte's range excludes overlong forms, surrogates and what is above U+10FFFF. */
    unsigned char low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return len;
}

const char *json_scan_special(struct json_scan *s, const char *p, bool *has_escape) {
    if (*p == '\\') {
        *has_escape = true;
        return scan_escape(s, p);
    }
    if ((unsigned char)*p < 0x20) {
        return json_scan_fault(s, p, "an unescaped control character in a string");
    }
    while (p < s->end && (unsigned char)*p >= 0x80) {
        size_t len = utf8_length(p, s->end);
        if (len == 0) {
            return json_scan_fault(s, p, "not UTF-8");
        }
        p += len;
    }
    return p;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static const char *scan_digits(struct json_scan *s, const char *p) {
    if (!is_digit(json_peek(s, p))) {
        return json_scan_fault(s, p, "a digit is missing in a number");
    }
    while (p < s->end && is_digit(*p)) {
        p++;
    }
    return p;
}

/* p behind the integer part. */
static const char *scan_number_tail(struct json_scan *s, const char *p, struct json_number *out) {
    if (json_peek(s, p) == '.') {
        out->has_fraction = true;
        p = scan_digits(s, p + 1);
        if (p == NULL) {
            return NULL;
        }
    }
    if ((json_peek(s, p) | 0x20) == 'e') {
        out->has_exponent = true;
        p++;
        if (json_peek(s, p) == '+' || json_peek(s, p) == '-') {
            p++;
        }
        p = scan_digits(s, p);
    }
    return p;
}

/* How many of the eight bytes at p are digits, and their value. */
static inline unsigned leading_digits(const char *p, uint64_t *value) {
    uint64_t word = json_load(p) ^ (JSON_ONES * '0'); /* digits become 0 .. 9 */
    /* What is above 9 reaches 0x80 by adding 0x76; a carry out of a byte only disturbs those behind
     * the first that is no digit. */
    uint64_t others = ((word + JSON_ONES * 0x76) | word) & JSON_HIGH;
    unsigned count = others == 0 ? 8 : (unsigned)__builtin_ctzll(others) / 8;
    if (count == 0) {
        *value = 0;
        return 0;
    }
    word <<= 8 * (8 - count); /* zeros in front; the first digit is the lowest byte that is left */
    word = word * 10 + (word >> 8);
    word =
        (word & UINT64_C(0x00FF00FF00FF00FF)) * 100 + ((word & UINT64_C(0x00FF00FF00FF00FF)) >> 16);
    word = (word & UINT64_C(0x0000FFFF0000FFFF)) * 10000 +
           ((word & UINT64_C(0x0000FFFF0000FFFF)) >> 32);
    *value = word & UINT64_C(0xFFFFFFFF);
    return count;
}

const char *json_scan_number(struct json_scan *s, const char *p, struct json_number *out) {
    bool negative = *p == '-';
    p += negative;
    const char *digits = p;
    uint64_t magnitude = 0;
    if (LIKELY(s->end - p >= 8)) {
        unsigned count = leading_digits(p, &magnitude);
        p += count;
    }
    while (p < s->end && is_digit(*p)) {
        magnitude = magnitude * 10 + (uint64_t)(*p - '0');
        p++;
    }
    size_t count = (size_t)(p - digits);
    if (UNLIKELY(count == 0)) {
        return json_scan_fault(s, p, "a digit is missing in a number");
    }
    if (UNLIKELY(*digits == '0' && count > 1)) {
        return json_scan_fault(s, digits, "a number with a leading zero");
    }
    /* Up to 19 digits the magnitude has not wrapped. */
    out->fits = count <= 19 && magnitude <= (uint64_t)INT64_MAX + (negative ? 1 : 0);
    out->integer = (int64_t)(negative ? 0 - magnitude : magnitude);
    out->has_fraction = false;
    out->has_exponent = false;
    char next = json_peek(s, p);
    if (next == '.' || (next | 0x20) == 'e') {
        return scan_number_tail(s, p, out);
    }
    return p;
}

const char *json_scan_literal(struct json_scan *s, const char *p) {
    size_t room = (size_t)(s->end - p);
    if (room >= 4 && (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0)) {
        return p + 4;
    }
    if (room >= 5 && memcmp(p, "false", 5) == 0) {
        return p + 5;
    }
    return json_scan_fault(
        s, p, room == 0 ? "the record ends where a value should be" : "not a JSON value");
}

static const char *scan_scalar(struct json_scan *s, const char *p) {
    char c = json_peek(s, p);
    if (c == '"') {
        bool has_escape = false;
        return json_scan_string(s, p + 1, &has_escape);
    }
    if (c == '-' || is_digit(c)) {
        struct json_number number;
        return json_scan_number(s, p, &number);
    }
    return json_scan_literal(s, p);
}

/* p where a key should be; returns the first byte of its value. */
static const char *scan_key(struct json_scan *s, const char *p) {
    if (json_peek(s, p) != '"') {
        return json_scan_fault(s, p, "a key in double quotes is missing");
    }
    bool has_escape = false;
    p = json_scan_string(s, p + 1, &has_escape);
    if (p == NULL) {
        return NULL;
    }
    p = json_skip_space(s, p);
    if (json_peek(s, p) != ':') {
        return json_scan_fault(s, p, "':' is missing after a key");
    }
    return json_skip_space(s, p + 1);
}

/* Behind a value inside `level` open containers (bit 0 of *objects is the innermost): closes what
 * closes here. Returns the first byte of the next value, or with *level 0 the end of all. */
static const char *scan_after(struct json_scan *s, const char *p, uint64_t *objects,
                              unsigned *level) {
    while (*level > 0) {
        bool in_object = *objects & 1;
        p = json_skip_space(s, p);
        char c = json_peek(s, p);
        if (c == ',') {
            p = json_skip_space(s, p + 1);
            return in_object ? scan_key(s, p) : p;
        }
        if (c != (in_object ? '}' : ']')) {
            return json_scan_fault(s, p,
                                   in_object ? "',' or '}' is missing" : "',' or ']' is missing");
        }
        p++;
        *objects >>= 1;
        (*level)--;
    }
    return p;
}

const char *json_scan_value(struct json_scan *s, const char *p, unsigned depth) {
    uint64_t objects = 0;
    unsigned level = 0;
    do {
        char c = json_peek(s, p);
        if (c != '{' && c != '[') {
            p = scan_scalar(s, p);
        } else if (depth + level >= JSON_RECORD_DEPTH_MAX) {
            return json_scan_fault(s, p, "nested deeper than 64 levels");
        } else {
            bool is_object = c == '{';
            p = json_skip_space(s, p + 1);
            if (json_peek(s, p) != (is_object ? '}' : ']')) {
                objects = objects << 1 | is_object;
                level++;
                p = is_object ? scan_key(s, p) : p;
                if (p == NULL) {
                    return NULL;
                }
                continue;
            }
            p++;
        }
        if (p == NULL) {
            return NULL;
        }
        p = scan_after(s, p, &objects, &level);
        if (p == NULL) {
            return NULL;
        }
    } while (level > 0);
    return p;
}

/* ---- what was scanned, to bytes ---- */

static size_t put_utf8(uint32_t point, char *out) {
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xC0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xE0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3F));
        out[2] = (char)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3F));
    out[2] = (char)(0x80 | (point >> 6 & 0x3F));
    out[3] = (char)(0x80 | (point & 0x3F));
    return 4;
}

/* One escape at p to out; returns how long it is in the source. */
static size_t unescape_one(const char *p, const char *end, char *out, size_t *written) {
    if (p[1] != 'u') {
        static const char from[] = "bfnrt";
        static const char to[] = "\b\f\n\r\t";
        const char *found = strchr(from, p[1]);
        out[0] = found != NULL ? to[found - from] : p[1];
        *written = 1;
        return 2;
    }
    int32_t unit = hex_unit(p + 2, end);
    ASSERT(unit >= 0);
    if (!is_high_surrogate(unit)) {
        *written = put_utf8((uint32_t)unit, out);
        return 6;
    }
    int32_t low = hex_unit(p + 8, end);
    ASSERT(is_low_surrogate(low));
    uint32_t point = 0x10000 + (((uint32_t)unit - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
    *written = put_utf8(point, out);
    return 12;
}

size_t json_unescape(struct str raw, char *out) {
    const char *p = raw.ptr;
    const char *end = raw.ptr + raw.len;
    size_t len = 0;
    while (p < end) {
        if (*p != '\\') {
            out[len++] = *p++;
            continue;
        }
        size_t written = 0;
        p += unescape_one(p, end, out + len, &written);
        len += written;
    }
    return len;
}

size_t json_minify(struct str raw, char *out) {
    size_t len = 0;
    bool in_string = false;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (in_string && c == '\\') {
            out[len++] = c;
            i++;
            out[len++] = raw.ptr[i];
            continue;
        }
        if (c == '"') {
            in_string = !in_string;
        }
        if (in_string || (unsigned char)c > ' ') {
            out[len++] = c;
        }
    }
    return len;
}

/* The digits and the power of ten of a short number; false when it is not short. */
static bool short_decimal(struct str raw, uint64_t *mantissa, int *power) {
    size_t digits = 0;
    bool in_fraction = false;
    *mantissa = 0;
    *power = 0;
    for (size_t i = raw.ptr[0] == '-' ? 1 : 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '.') {
            in_fraction = true;
            continue;
        }
        if (!is_digit(c)) {
            return false; /* an exponent: rare enough for the general way */
        }
        *mantissa = *mantissa * 10 + (uint64_t)(c - '0');
        digits++;
        *power -= in_fraction;
    }
    return digits <= 15;
}

bool json_number_to_double(struct str raw, double *out) {
    static const double tens[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    uint64_t mantissa = 0;
    int power = 0;
    double v = 0;
    if (raw.len <= 17 && short_decimal(raw, &mantissa, &power)) {
        /* Both are exact doubles, so one division rounds once: the nearest double. */
        v = (double)mantissa / tens[-power];
        v = raw.ptr[0] == '-' ? -v : v;
    } else if (!parse_f64(raw, &v)) {
        return false;
    }
    *out = v + 0.0; /* -0.0 becomes 0.0 */
    return true;
}
