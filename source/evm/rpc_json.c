/* How a body is read: the outer levels (the array of a batch, the members of its items, the members of an
 * error) are walked by the grammar; the values inside are skipped whole by rpc_scan.c. What a caller wants
 * of a result he gets from it the same way: elements of an array, members of an object. */
#include "source/evm/rpc_json.h"

#include "base/parse.h"
#include "source/evm/rpc_scan.h"

#include <string.h>

/* A view of nothing may have no pointer, which nothing can be added to. */
static struct str some(struct str s) {
    return s.ptr == NULL ? STR("") : s;
}

/* ---- the outer levels ---- */

struct item {
    bool has_id; /* a number, or one in a string */
    int64_t id;
    struct str result;
    struct str error;
    struct str whole;
};

/* After an element or a member: past a ',' (*more true), or past `close`. NULL: neither. */
static const char *after_element(const char *p, const char *end, char close, bool *more,
                                 const char **fault) {
    p = rpc_skip_space(p, end);
    if (p == end) {
        *fault = "it is cut off";
        return NULL;
    }
    *more = *p == ',';
    if (*p != ',' && *p != close) {
        *fault = "',' or a closing bracket is missing";
        return NULL;
    }
    return p + 1;
}

/* p behind '{' or '['. True when the container is empty; then *p is behind its end. */
static bool is_empty(const char **p, const char *end, char close) {
    const char *at = rpc_skip_space(*p, end);
    if (at < end && *at == close) {
        *p = at + 1;
        return true;
    }
    return false;
}

static void read_id(struct str raw, struct item *out) {
    if (raw.len >= 2 && raw.ptr[0] == '"') {
        raw = (struct str){raw.ptr + 1, raw.len - 2};
    }
    out->has_id = parse_i64(raw, &out->id);
}

static void take_member(struct str key, struct str value, struct item *out) {
    if (str_equal_c(key, "id") && !out->has_id) {
        read_id(value, out);
    } else if (str_equal_c(key, "result") && out->result.len == 0) {
        out->result = value;
    } else if (str_equal_c(key, "error") && out->error.len == 0 && !rpc_is_null(value)) {
        out->error = value;
    }
}

/* p at '{'. */
static const char *read_item(const char *p, const char *end, unsigned depth, struct item *out,
                             const char **fault) {
    *out = (struct item){.has_id = false};
    const char *start = p;
    p++;
    bool more = !is_empty(&p, end, '}');
    while (more) {
        struct str key;
        struct str value;
        p = rpc_scan_member(p, end, depth + 1, &key, &value, fault);
        p = p == NULL ? NULL : after_element(p, end, '}', &more, fault);
        if (p == NULL) {
            return NULL;
        }
        take_member(key, value, out);
    }
    out->whole = (struct str){start, (size_t)(p - start)};
    return p;
}

/* ---- which answer is whose ---- */

struct sorting {
    int64_t first_id;
    struct rpc_answer *answers;
    size_t count;
    struct rpc_reading reading;
    struct str refusal; /* an error that names no call */
};

static struct rpc_answer answer_of(const struct item *item) {
    if (item->error.len > 0) {
        return (struct rpc_answer){RPC_ERROR, item->error};
    }
    if (item->result.len > 0) {
        return (struct rpc_answer){RPC_RESULT, item->result};
    }
    return (struct rpc_answer){RPC_NEITHER, item->whole};
}

static void sort_in(struct sorting *s, const struct item *item) {
    struct rpc_answer answer = answer_of(item);
    uint64_t index = (uint64_t)item->id - (uint64_t)s->first_id;
    bool is_alone = !s->reading.is_batch && s->count == 1;
    if (is_alone && (!item->has_id || answer.kind != RPC_RESULT)) {
        index = 0; /* an error is ours, whatever it calls us */
    } else if (!item->has_id && answer.kind == RPC_RESULT) {
        s->reading.extras++; /* nobody knows whose */
        return;
    } else if (!item->has_id || (!s->reading.is_batch && answer.kind != RPC_RESULT)) {
        /* A batch refused as a whole says so in one object, with any id. */
        s->refusal = s->refusal.len == 0 ? answer.raw : s->refusal;
        s->reading.is_refused = true;
        return;
    }
    if (index >= s->count) {
        s->reading.extras++;
        return;
    }
    if (s->answers[index].kind != RPC_MISSING) {
        s->reading.duplicates++;
        return;
    }
    s->answers[index] = answer;
}

static const char *read_batch(const char *p, const char *end, struct sorting *s,
                              const char **fault) {
    p++;
    bool more = !is_empty(&p, end, ']');
    while (more) {
        struct item item = {.has_id = false};
        p = rpc_skip_space(p, end);
        bool is_object = p < end && *p == '{';
        p = is_object ? read_item(p, end, 1, &item, fault) : rpc_scan_value(p, end, 1, fault);
        p = p == NULL ? NULL : after_element(p, end, ']', &more, fault);
        if (p == NULL) {
            return NULL;
        }
        if (is_object) {
            sort_in(s, &item);
        } else {
            s->reading.extras++;
        }
    }
    return p;
}

static const char *read_body(struct str body, struct sorting *s, const char **fault) {
    const char *end = body.ptr + body.len;
    const char *p = rpc_skip_space(body.ptr, end);
    *fault = "it is empty";
    if (p == end) {
        return NULL;
    }
    *fault = "it is not JSON";
    s->reading.is_batch = *p == '[';
    if (*p == '[') {
        p = read_batch(p, end, s, fault);
    } else if (*p == '{') {
        struct item item;
        p = read_item(p, end, 0, &item, fault);
        if (p != NULL) {
            sort_in(s, &item);
        }
    } else {
        return NULL;
    }
    if (p != NULL && rpc_skip_space(p, end) != end) {
        *fault = "something follows it";
        return NULL;
    }
    return p;
}

enum err_code rpc_read(struct str body, int64_t first_id, struct rpc_answer *answers, size_t count,
                       struct rpc_reading *out, struct err *err) {
    for (size_t i = 0; i < count; i++) {
        answers[i] = (struct rpc_answer){RPC_MISSING, STR("")};
    }
    struct sorting s = {.first_id = first_id, .answers = answers, .count = count};
    const char *fault = NULL;
    body = some(body);
    if (read_body(body, &s, &fault) == NULL) {
        char shown[RPC_SHOWN_BYTES];
        str_printable(body, shown, sizeof shown);
        for (size_t i = 0; i < count; i++) {
            answers[i] = (struct rpc_answer){RPC_MISSING, STR("")};
        }
        return err_set(err, ERR_UNAVAILABLE,
                       "no JSON-RPC answer: %s; it has %zu bytes and begins '%s'", fault, body.len,
                       shown);
    }
    for (size_t i = 0; i < count && s.reading.is_refused; i++) {
        if (answers[i].kind == RPC_MISSING) {
            answers[i] = (struct rpc_answer){RPC_ERROR, s.refusal};
        }
    }
    *out = s.reading;
    return ERR_NONE;
}

/* ---- errors ---- */

void rpc_read_error(struct str raw, struct rpc_error_text *out) {
    *out = (struct rpc_error_text){.message = STR(""), .data = STR("")};
    if (rpc_text(raw, out->text, sizeof out->text, &out->message)) {
        return;
    }
    static const char *const names[] = {"code", "message", "data", "error"};
    struct str found[ARRAY_COUNT(names)];
    if (!rpc_members(raw, names, ARRAY_COUNT(names), found)) {
        return;
    }
    struct str code = found[0];
    if (code.len >= 2 && code.ptr[0] == '"') {
        code = (struct str){code.ptr + 1, code.len - 2};
    }
    out->has_code = parse_i64(code, &out->code);
    if (!rpc_text(found[1], out->text, sizeof out->text, &out->message) &&
        !rpc_text(found[3], out->text, sizeof out->text, &out->message)) {
        out->message = STR("");
    }
    out->data = rpc_is_null(found[2]) ? STR("") : found[2];
}

/* ---- parts of a result ---- */

void rpc_items_init(struct rpc_items *items, struct str raw) {
    raw = some(raw);
    const char *end = raw.ptr + raw.len;
    const char *p = rpc_skip_space(raw.ptr, end);
    *items = (struct rpc_items){.at = end, .end = end, .is_well_formed = false};
    if (p < end && *p == '[') {
        p++;
        bool is_done = is_empty(&p, end, ']');
        items->is_well_formed = is_done || p < end;
        items->at = is_done ? end : p;
    }
}

bool rpc_items_next(struct rpc_items *items, struct str *out) {
    if (!items->is_well_formed || items->at == items->end) {
        return false;
    }
    const char *fault = NULL;
    bool more = false;
    const char *start = rpc_skip_space(items->at, items->end);
    const char *p = rpc_scan_value(start, items->end, 1, &fault);
    struct str item = {start, p == NULL ? 0 : (size_t)(p - start)};
    p = p == NULL ? NULL : after_element(p, items->end, ']', &more, &fault);
    if (p == NULL || (more && p == items->end)) {
        items->is_well_formed = false;
        return false;
    }
    items->at = more ? p : items->end;
    *out = item;
    return true;
}

bool rpc_members(struct str raw, const char *const *names, size_t count, struct str *out) {
    ASSERT(count <= RPC_MEMBERS_MAX);
    raw = some(raw);
    const char *end = raw.ptr + raw.len;
    const char *p = rpc_skip_space(raw.ptr, end);
    for (size_t i = 0; i < count; i++) {
        out[i] = STR("");
    }
    if (p == end || *p != '{') {
        return false;
    }
    p++;
    bool more = !is_empty(&p, end, '}');
    while (more) {
        struct str key;
        struct str value;
        const char *fault = NULL;
        p = rpc_scan_member(p, end, 1, &key, &value, &fault);
        p = p == NULL ? NULL : after_element(p, end, '}', &more, &fault);
        if (p == NULL) {
            return false;
        }
        for (size_t i = 0; i < count; i++) {
            if (out[i].len == 0 && str_equal_c(key, names[i])) {
                out[i] = value;
                break;
            }
        }
    }
    return true;
}

bool rpc_is_null(struct str raw) {
    return str_equal(raw, STR("null"));
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The digits of "0x...". */
static bool hex_of(struct str raw, struct str *out) {
    if (raw.len < 4 || raw.ptr[0] != '"' || raw.ptr[raw.len - 1] != '"' || raw.ptr[1] != '0' ||
        (raw.ptr[2] | 0x20) != 'x') {
        return false;
    }
    *out = (struct str){raw.ptr + 3, raw.len - 4};
    return true;
}

bool rpc_quantity(struct str raw, uint64_t max, uint64_t *out) {
    struct str digits;
    uint64_t value = 0;
    if (!hex_of(raw, &digits)) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        int digit = hex_digit(digits.ptr[i]);
        if (digit < 0 || value >> 60 != 0) {
            return false;
        }
        value = value << 4 | (uint64_t)digit;
    }
    if (value > max) {
        return false;
    }
    *out = value;
    return true;
}

bool rpc_bytes(struct str raw, uint8_t *out, size_t bytes) {
    struct str digits;
    if (!hex_of(raw, &digits) || digits.len % 2 != 0 || digits.len / 2 != bytes) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (hex_digit(digits.ptr[i]) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < bytes; i++) {
        unsigned high = (unsigned)hex_digit(digits.ptr[2 * i]);
        unsigned low = (unsigned)hex_digit(digits.ptr[2 * i + 1]);
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* ---- text ---- */

static size_t put_utf8(uint32_t code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(leads[len] | code);
    return len;
}

/* Four hex digits behind "\u" at p, or -1. */
static int32_t unit_at(const char *p, const char *end) {
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u') {
        return -1;
    }
    int32_t unit = 0;
    for (size_t i = 2; i < 6; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

/* What begins at p, one to four bytes to out; returns how much of p it was. */
static size_t unescape(const char *p, const char *end, char out[4], size_t *written) {
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    *written = 1;
    out[0] = *p;
    if (*p != '\\' || end - p < 2) {
        return 1;
    }
    const char *found = p[1] == '\0' ? NULL : strchr(from, p[1]);
    if (found != NULL) {
        out[0] = to[found - from];
        return 2;
    }
    int32_t unit = unit_at(p, end);
    if (unit < 0) {
        return 1;
    }
    if (unit < 0xD800 || unit > 0xDFFF) {
        *written = put_utf8((uint32_t)unit, out);
        return 6;
    }
    int32_t low = unit < 0xDC00 ? unit_at(p + 6, end) : -1;
    if (low < 0xDC00 || low > 0xDFFF) {
        *written = put_utf8(0xFFFD, out); /* half a pair */
        return 6;
    }
    uint32_t code = 0x10000 + (((uint32_t)unit - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
    *written = put_utf8(code, out);
    return 12;
}

bool rpc_text(struct str raw, char *room, size_t room_bytes, struct str *out) {
    if (raw.len < 2 || raw.ptr[0] != '"' || raw.ptr[raw.len - 1] != '"') {
        return false;
    }
    const char *p = raw.ptr + 1;
    const char *end = raw.ptr + raw.len - 1;
    size_t used = 0;
    while (p < end) {
        char bytes[4];
        size_t written = 0;
        p += unescape(p, end, bytes, &written);
        if (written > room_bytes - used) {
            break;
        }
        memcpy(room + used, bytes, written);
        used += written;
    }
    *out = (struct str){room, used};
    return true;
}
