/* How values are read: a stack of open containers, each with where its next head stands and what its
 * offsets count from. A step writes one value: a static one stands in the head itself, a dynamic one
 * where the head's offset says. All positions are checked against the data before they are used.
 *
 * Offsets may point anywhere, also many to one place, so that a few kilobytes could describe more values
 * than there is memory. Honest data spends a word on each value and a byte on each byte of text; what is
 * read is counted and may be ABI_OVERLAP_MAX times that. */
#include "source/evm/abi_type.h"

#include "rows/int256.h"

#include <inttypes.h>
#include <string.h>

#define FRAMES_MAX     (ABI_DEPTH_MAX + 1)
#define ESCAPED_MAX    6 /* a byte of text in JSON: \u001f */
#define REPLACED_BYTES 3 /* U+FFFD in UTF-8 */
#define REPLACEMENT    "\xEF\xBF\xBD"

struct frame {
    const struct abi_type *type;
    uint64_t base; /* what offsets in the heads count from */
    uint64_t head; /* of the next item */
    uint64_t index;
    uint64_t count;
};

struct walk {
    struct abi_data *budget;
    struct str data; /* budget->bytes */
    struct buf *out;
    size_t start; /* of this value in out */
    struct err *err;
    struct frame frames[FRAMES_MAX];
    size_t depth;
};

/* ---- words ---- */

static const uint8_t *word_at(struct str data, uint64_t at) {
    return (const uint8_t *)data.ptr + at;
}

static bool has_bytes(struct str data, uint64_t at, uint64_t count) {
    return at <= data.len && data.len - at >= count;
}

static bool all_are(const uint8_t *bytes, size_t count, uint8_t value) {
    uint8_t other = 0;
    for (size_t i = 0; i < count; i++) {
        other |= bytes[i] ^ value;
    }
    return other == 0;
}

/* An offset or a length; false when it is beyond 2^64, which no data reaches. */
static bool read_count(struct str data, uint64_t at, uint64_t *out) {
    const uint8_t *word = word_at(data, at);
    uint64_t v = 0;
    for (size_t i = ABI_WORD_BYTES - 8; i < ABI_WORD_BYTES; i++) {
        v = v << 8 | word[i];
    }
    *out = v;
    return all_are(word, ABI_WORD_BYTES - 8, 0);
}

const char *abi_word_fault(const struct abi_type *type, const uint8_t word[ABI_WORD_BYTES]) {
    size_t above = ABI_WORD_BYTES - type->bits / 8;
    switch (type->kind) {
    case ABI_UINT:
        return all_are(word, above, 0) ? NULL : "is beyond the bits of its unsigned integer";
    case ABI_INT: {
        uint8_t sign = above < ABI_WORD_BYTES && word[above] >= 0x80 ? 0xFF : 0;
        return all_are(word, above, sign) ? NULL : "is beyond the bits of its signed integer";
    }
    case ABI_ADDRESS:
        return all_are(word, 12, 0) ? NULL : "is no address: its first 12 bytes are not zero";
    case ABI_BOOL:
        return all_are(word, ABI_WORD_BYTES - 1, 0) && word[ABI_WORD_BYTES - 1] <= 1
                   ? NULL
                   : "is no bool: neither 0 nor 1";
    case ABI_BYTES_N:
        return all_are(word + type->bytes, ABI_WORD_BYTES - type->bytes, 0)
                   ? NULL
                   : "is longer than its bytes type";
    case ABI_BYTES:
    case ABI_STRING:
    case ABI_ARRAY:
    case ABI_LIST:
    case ABI_TUPLE:
        break; /* they are more than a word */
    }
    ASSERT(false);
}

/* ---- places ---- */

static enum err_code cut_off(struct str data, uint64_t at, struct err *err) {
    return err_set(err, ERR_INPUT, "the data ends after %zu bytes, a value is at byte %" PRIu64,
                   data.len, at);
}

/* Follows the offset in the head at *at. */
static enum err_code follow(struct str data, uint64_t base, uint64_t *at, struct err *err) {
    uint64_t offset = 0;
    if (!has_bytes(data, *at, ABI_WORD_BYTES)) {
        return cut_off(data, *at, err);
    }
    if (!read_count(data, *at, &offset) || offset > data.len - base) {
        return err_set(err, ERR_INPUT,
                       "the offset at byte %" PRIu64 " points behind the %zu bytes of data", *at,
                       data.len);
    }
    *at = base + offset;
    return ERR_NONE;
}

/* The length at *at, which moves behind it; each item takes item_bytes. */
static enum err_code read_length(struct str data, uint64_t *at, uint64_t item_bytes, uint64_t *out,
                                 struct err *err) {
    if (!has_bytes(data, *at, ABI_WORD_BYTES)) {
        return cut_off(data, *at, err);
    }
    bool is_small = read_count(data, *at, out);
    *at += ABI_WORD_BYTES;
    if (!is_small || *out > (data.len - *at) / item_bytes) {
        return err_set(err, ERR_INPUT,
                       "the length at byte %" PRIu64 " is more than the %zu bytes of data hold",
                       *at - ABI_WORD_BYTES, data.len);
    }
    return ERR_NONE;
}

static enum err_code too_much(const struct abi_data *data, struct err *err) {
    return err_set(err, ERR_INPUT,
                   "the offsets in the data point to the same places over and over: more than %d "
                   "times what %zu bytes hold",
                   ABI_OVERLAP_MAX, data->bytes.len);
}

void abi_data_init(struct abi_data *data, struct str bytes) {
    *data = (struct abi_data){.bytes = bytes,
                              .values_left =
                                  ABI_OVERLAP_MAX * ((uint64_t)bytes.len / ABI_WORD_BYTES + 1),
                              .bytes_left = ABI_OVERLAP_MAX * (uint64_t)bytes.len};
}

/* bytes or string whose length stands at `at`. */
static enum err_code take_bytes(struct abi_data *data, uint64_t at, struct str *out,
                                struct err *err) {
    uint64_t length = 0;
    enum err_code code = read_length(data->bytes, &at, 1, &length, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (length > data->bytes_left) {
        return too_much(data, err);
    }
    data->bytes_left -= length;
    *out = (struct str){data->bytes.ptr + at, length};
    return ERR_NONE;
}

enum err_code abi_read_bytes(struct abi_data *data, uint64_t at, struct str *out, struct err *err) {
    enum err_code code = follow(data->bytes, 0, &at, err);
    return code == ERR_NONE ? take_bytes(data, at, out, err) : code;
}

/* ---- text ---- */

bool abi_text_is_clean(struct str text) {
    return text.len == 0 || (memchr(text.ptr, '\0', text.len) == NULL && str_is_utf8(text));
}

/* The next character of text: its size there, or 0 for one byte that is to be replaced. */
static size_t good_size(struct str text) {
    uint32_t code = 0;
    size_t size = str_utf8_size(text, &code);
    return code == 0 ? 0 : size;
}

/* Room for count bytes, and where they go. */
static enum err_code make_room(struct buf *out, size_t start, uint64_t count, struct err *err) {
    if (count > ABI_JSON_BYTES_MAX || out->len - start > ABI_JSON_BYTES_MAX - count) {
        return err_set(err, ERR_INPUT, "the value is longer than %zu bytes as text",
                       ABI_JSON_BYTES_MAX);
    }
    return buf_reserve(out, count, err);
}

/* Without looking whether there is room. */
static void put(struct buf *out, const char *bytes, size_t len) {
    memcpy(out->data + out->len, bytes, len);
    out->len += len;
    out->data[out->len] = '\0';
}

enum err_code abi_add_text(struct str text, struct buf *out, struct err *err) {
    enum err_code code = make_room(out, out->len, (uint64_t)text.len * REPLACED_BYTES, err);
    if (code != ERR_NONE) {
        return code;
    }
    for (size_t at = 0; at < text.len;) {
        size_t size = good_size((struct str){text.ptr + at, text.len - at});
        put(out, size > 0 ? text.ptr + at : REPLACEMENT, size > 0 ? size : REPLACED_BYTES);
        at += size > 0 ? size : 1;
    }
    return ERR_NONE;
}

static void put_escaped(struct buf *out, unsigned char c) {
    static const char digits[] = "0123456789abcdef";
    char text[ESCAPED_MAX] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    if (c == '"' || c == '\\') {
        text[1] = (char)c;
        put(out, text, 2);
    } else {
        put(out, text, sizeof(text));
    }
}

static enum err_code write_string(struct walk *w, struct str text) {
    enum err_code code = make_room(w->out, w->start, (uint64_t)text.len * ESCAPED_MAX + 2, w->err);
    if (code != ERR_NONE) {
        return code;
    }
    put(w->out, "\"", 1);
    for (size_t at = 0; at < text.len;) {
        size_t size = good_size((struct str){text.ptr + at, text.len - at});
        unsigned char c = (unsigned char)text.ptr[at];
        if (size == 0) {
            put(w->out, REPLACEMENT, REPLACED_BYTES);
        } else if (c < 0x20 || c == '"' || c == '\\') {
            put_escaped(w->out, c);
        } else {
            put(w->out, text.ptr + at, size);
        }
        at += size > 0 ? size : 1;
    }
    put(w->out, "\"", 1);
    return ERR_NONE;
}

static enum err_code write_hex(struct walk *w, const uint8_t *bytes, size_t count) {
    static const char digits[] = "0123456789abcdef";
    enum err_code code = make_room(w->out, w->start, (uint64_t)count * 2 + 4, w->err);
    if (code != ERR_NONE) {
        return code;
    }
    put(w->out, "\"0x", 3);
    for (size_t i = 0; i < count; i++) {
        char pair[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};
        put(w->out, pair, sizeof(pair));
    }
    put(w->out, "\"", 1);
    return ERR_NONE;
}

static enum err_code write_raw(struct walk *w, struct str text) {
    enum err_code code = make_room(w->out, w->start, text.len, w->err);
    if (code == ERR_NONE) {
        put(w->out, text.ptr, text.len);
    }
    return code;
}

static enum err_code write_integer(struct walk *w, const uint8_t *word, bool is_signed) {
    struct int256 v;
    int64_t small = 0;
    char text[INT256_TEXT_BYTES + 2];
    bool is_read = int256_from_be(word, ABI_WORD_BYTES, is_signed, &v);
    ASSERT(is_read);
    size_t len = int256_format(&v, text + 1);
    if (int256_to_i64(&v, &small)) {
        return write_raw(w, (struct str){text + 1, len});
    }
    text[0] = '"';
    text[1 + len] = '"';
    return write_raw(w, (struct str){text, len + 2});
}

/* ---- values ---- */

static enum err_code write_word(struct walk *w, const struct abi_type *type, uint64_t at) {
    const uint8_t *word = word_at(w->data, at);
    const char *fault = abi_word_fault(type, word);
    if (fault != NULL) {
        return err_set(w->err, ERR_INPUT, "the word at byte %" PRIu64 " %s", at, fault);
    }
    switch (type->kind) {
    case ABI_UINT:
    case ABI_INT:
        return write_integer(w, word, type->kind == ABI_INT);
    case ABI_ADDRESS:
        return write_hex(w, word + 12, 20);
    case ABI_BOOL:
        return write_raw(w, word[ABI_WORD_BYTES - 1] != 0 ? STR("true") : STR("false"));
    case ABI_BYTES_N:
        return write_hex(w, word, type->bytes);
    case ABI_BYTES:
    case ABI_STRING:
    case ABI_ARRAY:
    case ABI_LIST:
    case ABI_TUPLE:
        break;
    }
    ASSERT(false);
}

/* bytes or string whose length stands at `at`. */
static enum err_code write_bytes(struct walk *w, const struct abi_type *type, uint64_t at) {
    struct str bytes;
    enum err_code code = take_bytes(w->budget, at, &bytes, w->err);
    if (code != ERR_NONE) {
        return code;
    }
    if (type->kind == ABI_BYTES) {
        return write_hex(w, (const uint8_t *)bytes.ptr, bytes.len);
    }
    return write_string(w, bytes);
}

/* Opens a container whose heads stand at `at`. */
static enum err_code open_container(struct walk *w, const struct abi_type *type, uint64_t at,
                                    uint64_t count) {
    ASSERT(w->depth < FRAMES_MAX);
    w->frames[w->depth++] =
        (struct frame){.type = type, .base = at, .head = at, .index = 0, .count = count};
    return write_raw(w, type->kind == ABI_TUPLE && type->has_names ? STR("{") : STR("["));
}

static enum err_code write_value(struct walk *w, const struct abi_type *type, uint64_t base,
                                 uint64_t at) {
    bool is_container = type->kind >= ABI_ARRAY;
    if (type->is_dynamic || !is_container) { /* what takes a word of its own */
        if (w->budget->values_left == 0) {
            return too_much(w->budget, w->err);
        }
        w->budget->values_left--;
    }
    if (type->is_dynamic) {
        enum err_code code = follow(w->data, base, &at, w->err);
        if (code != ERR_NONE) {
            return code;
        }
    } else if (!has_bytes(w->data, at, type->head_bytes)) {
        return cut_off(w->data, at, w->err);
    }
    if (type->kind == ABI_LIST) {
        uint64_t count = 0;
        enum err_code code = read_length(w->data, &at, type->items->head_bytes, &count, w->err);
        return code == ERR_NONE ? open_container(w, type, at, count) : code;
    }
    if (is_container) {
        return open_container(w, type, at, type->length);
    }
    return type->is_dynamic ? write_bytes(w, type, at) : write_word(w, type, at);
}

static enum err_code close_container(struct walk *w, const struct frame *f) {
    w->depth--;
    return write_raw(w, f->type->kind == ABI_TUPLE && f->type->has_names ? STR("}") : STR("]"));
}

/* The next item of the innermost container, or its end. */
static enum err_code step(struct walk *w) {
    struct frame *f = &w->frames[w->depth - 1];
    if (f->index == f->count) {
        return close_container(w, f);
    }
    bool is_tuple = f->type->kind == ABI_TUPLE;
    const struct abi_type *item = is_tuple ? &f->type->items[f->index] : f->type->items;
    uint64_t head = f->head;
    enum err_code code = f->index > 0 ? write_raw(w, STR(",")) : ERR_NONE;
    if (code == ERR_NONE && is_tuple && f->type->has_names) {
        code = write_string(w, str_of(f->type->names[f->index]));
        if (code == ERR_NONE) {
            code = write_raw(w, STR(":"));
        }
    }
    f->head += item->head_bytes;
    f->index++;
    return code == ERR_NONE ? write_value(w, item, f->base, head) : code;
}

static void walk_init(struct walk *w, struct abi_data *data, struct buf *out, struct err *err) {
    w->budget = data;
    w->data = data->bytes;
    w->out = out;
    w->start = out->len;
    w->err = err;
    w->depth = 0;
}

/* After the first value was written or opened. */
static enum err_code walk_on(struct walk *w, enum err_code code) {
    while (code == ERR_NONE && w->depth > 0) {
        code = step(w);
    }
    if (code != ERR_NONE) {
        w->out->len = w->start;
        if (w->out->data != NULL) {
            w->out->data[w->start] = '\0';
        }
    }
    return code;
}

enum err_code abi_write_json(const struct abi_type *type, struct abi_data *data, uint64_t at,
                             struct buf *out, struct err *err) {
    struct walk w;
    walk_init(&w, data, out, err);
    return walk_on(&w, write_value(&w, type, 0, at));
}

enum err_code abi_decode_json(const struct abi_type *tuple, struct str data, struct buf *out,
                              struct err *err) {
    struct walk w;
    struct abi_data whole;
    ASSERT(tuple->kind == ABI_TUPLE);
    abi_data_init(&whole, data);
    walk_init(&w, &whole, out, err);
    return walk_on(&w, open_container(&w, tuple, 0, tuple->length));
}
