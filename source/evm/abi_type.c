/* How types are read: one pass with a stack of open parentheses. A finished item (type, name) is put
 * behind the items before it; a closing parenthesis takes the items since its opening one and makes them
 * one tuple, to which array suffixes and a name may follow as to any other type. The canonical text is
 * written along the way, so it needs no second walk. */
#include "source/evm/abi_parse.h"

#include "base/parse.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CANONICAL_MAX                                                                              \
    ((size_t)4 * ABI_TEXT_BYTES_MAX) /* "int," becomes "int256,": less than double */

/* ---- text ---- */

enum err_code abi_parse_init(struct abi_parse *p, struct str text, struct arena *arena,
                             struct err *err) {
    memset(p, 0, sizeof(*p));
    buf_init(&p->canonical, CANONICAL_MAX);
    p->text = text.ptr != NULL ? text : STR("");
    p->arena = arena;
    p->err = err;
    if (text.len > ABI_TEXT_BYTES_MAX) {
        return err_set(err, ERR_CONFIG, "a signature of %zu bytes; %d is the most", text.len,
                       ABI_TEXT_BYTES_MAX);
    }
    return ERR_NONE;
}

void abi_parse_release(struct abi_parse *p) {
    buf_release(&p->canonical);
}

enum err_code abi_parse_fail(struct abi_parse *p, size_t at, const char *fmt, ...) {
    char what[256];
    char shown[ABI_SHOWN_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args); /* cut is fine */
    va_end(args);
    if (at >= p->text.len) {
        return err_set(p->err, ERR_CONFIG, "at the end of the signature: %s", what);
    }
    str_printable((struct str){p->text.ptr + at, p->text.len - at}, shown, sizeof(shown));
    return err_set(p->err, ERR_CONFIG, "at byte %zu of the signature ('%s'): %s", at, shown, what);
}

char abi_peek(const struct abi_parse *p) {
    return p->at < p->text.len ? p->text.ptr[p->at] : '\0';
}

void abi_skip_space(struct abi_parse *p) {
    while (abi_peek(p) == ' ' || abi_peek(p) == '\t' || abi_peek(p) == '\n' ||
           abi_peek(p) == '\r') {
        p->at++;
    }
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_word_byte(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

struct str abi_take_word(struct abi_parse *p) {
    size_t from = p->at;
    while (is_word_byte(abi_peek(p))) {
        p->at++;
    }
    return (struct str){p->text.ptr + from, p->at - from};
}

enum err_code abi_copy_name(struct abi_parse *p, struct str word, const char **out) {
    size_t at = (size_t)(word.ptr - p->text.ptr);
    if (is_digit(word.ptr[0])) {
        return abi_parse_fail(p, at, "a name begins with a letter, _ or $");
    }
    if (word.len > ABI_NAME_BYTES_MAX) {
        return abi_parse_fail(p, at, "a name of %zu bytes; %d is the most", word.len,
                              ABI_NAME_BYTES_MAX);
    }
    *out = arena_strndup(p->arena, word.ptr, word.len);
    return ERR_NONE;
}

static void add_canonical(struct abi_parse *p, const char *text) {
    buf_adds(&p->canonical, text);
}

/* ---- making types ---- */

static enum err_code new_type(struct abi_parse *p, const struct abi_type *made, size_t at,
                              const struct abi_type **out) {
    if (p->type_count == ABI_TYPES_MAX) {
        return abi_parse_fail(p, at, "more than %d types in one signature", ABI_TYPES_MAX);
    }
    if (made->depth > ABI_DEPTH_MAX) {
        return abi_parse_fail(p, at, "arrays and tuples more than %d levels inside each other",
                              ABI_DEPTH_MAX);
    }
    if (made->head_bytes > ABI_STATIC_MAX) {
        return abi_parse_fail(p, at, "this takes more than %" PRIu64 " bytes", ABI_STATIC_MAX);
    }
    struct abi_type *copy = arena_new(p->arena, sizeof(*copy));
    *copy = *made;
    p->type_count++;
    *out = copy;
    return ERR_NONE;
}

static enum err_code new_array(struct abi_parse *p, const struct abi_type *item, uint64_t length,
                               size_t at, const struct abi_type **out) {
    ASSERT(item != NULL && item->head_bytes > 0);
    struct abi_type made = {.kind = length > 0 ? ABI_ARRAY : ABI_LIST,
                            .depth = item->depth + 1,
                            .length = length,
                            .items = item};
    made.is_dynamic = length == 0 || item->is_dynamic;
    /* A length near 2^64 must not wrap; items of dynamic arrays have heads too. */
    if (length > ABI_STATIC_MAX / item->head_bytes) {
        return abi_parse_fail(p, at, "an array that takes more than %" PRIu64 " bytes",
                              ABI_STATIC_MAX);
    }
    made.head_bytes = made.is_dynamic ? ABI_WORD_BYTES : length * item->head_bytes;
    return new_type(p, &made, at, out);
}

static bool have_names(const struct abi_item *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (items[i].name[0] == '\0') {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(items[i].name, items[j].name) == 0) {
                return false;
            }
        }
    }
    return true;
}

/* Of the items from first on. */
static enum err_code new_tuple(struct abi_parse *p, size_t first, size_t at,
                               const struct abi_type **out) {
    size_t count = p->item_count - first;
    const struct abi_item *items = p->items + first;
    struct abi_type *parts = arena_new(p->arena, count * sizeof(*parts));
    const char **names = arena_new(p->arena, count * sizeof(*names));
    struct abi_type made = {.kind = ABI_TUPLE, .length = count, .items = parts, .names = names};
    for (size_t i = 0; i < count; i++) {
        parts[i] = *items[i].type;
        names[i] = items[i].name;
        made.is_dynamic = made.is_dynamic || parts[i].is_dynamic;
        made.head_bytes += parts[i].head_bytes; /* at most ABI_TYPES_MAX times ABI_STATIC_MAX */
        made.depth = parts[i].depth > made.depth ? parts[i].depth : made.depth;
    }
    made.depth++;
    made.has_names = have_names(items, count);
    uint64_t heads = made.head_bytes;
    if (heads > ABI_STATIC_MAX) {
        return abi_parse_fail(p, at, "a tuple that takes more than %" PRIu64 " bytes",
                              ABI_STATIC_MAX);
    }
    made.head_bytes = made.is_dynamic ? ABI_WORD_BYTES : heads;
    return new_type(p, &made, at, out);
}

/* ---- elementary types ---- */

/* Digits without a leading zero; false when there are others or the number is above max. */
static bool read_size(struct str digits, uint64_t max, uint64_t *out) {
    return digits.len > 0 && digits.ptr[0] != '0' && is_digit(digits.ptr[0]) &&
           parse_u64(digits, out) && *out <= max;
}

static enum err_code no_type(struct abi_parse *p, struct str word) {
    static const char *const names[] = {"address", "bool",    "string",  "bytes", "bytes32",
                                        "uint256", "uint128", "uint112", "uint8", "int256",
                                        "int24",   "uint",    "int",     "tuple"};
    size_t at = (size_t)(word.ptr - p->text.ptr);
    struct str shown = {word.ptr, word.len < ABI_SHOWN_BYTES ? word.len : ABI_SHOWN_BYTES};
    if (str_starts_with(word, STR("fixed")) || str_starts_with(word, STR("ufixed"))) {
        return abi_parse_fail(p, at,
                              "fixed-point numbers are not read: no compiler ever encoded them; "
                              "write the integer type the contract uses");
    }
    if (str_equal_c(word, "function") || str_equal_c(word, "mapping")) {
        return abi_parse_fail(p, at, "a %.*s in an event is not read", STR_FMT(shown));
    }
    const char *nearest = parse_nearest(word, names, ARRAY_COUNT(names));
    if (nearest != NULL) {
        return abi_parse_fail(p, at, "'%.*s' is no type; did you mean %s?", STR_FMT(shown),
                              nearest);
    }
    return abi_parse_fail(p, at,
                          "'%.*s' is no type: write address for a contract, uint8 for an enum, "
                          "(type, type ...) for a struct",
                          STR_FMT(shown));
}

static enum err_code sized_type(struct abi_parse *p, struct str word, struct abi_type *made) {
    bool is_signed = str_starts_with(word, STR("int"));
    size_t at = (size_t)(word.ptr - p->text.ptr);
    size_t prefix = is_signed ? 3 : str_starts_with(word, STR("uint")) ? 4 : 5; /* bytes */
    struct str digits = {word.ptr + prefix, word.len - prefix};
    uint64_t size = 0;
    if (digits.len > 0 && !is_digit(digits.ptr[0])) {
        return no_type(p, word);
    }
    if (prefix == 5) {
        if (!read_size(digits, ABI_WORD_BYTES, &size)) {
            return abi_parse_fail(p, at, "there are bytes1 to bytes32, and bytes");
        }
        made->kind = ABI_BYTES_N;
        made->bytes = (unsigned)size;
        buf_addf(&p->canonical, "bytes%u", made->bytes);
        return ERR_NONE;
    }
    if (digits.len > 0 && (!read_size(digits, 256, &size) || size % 8 != 0)) {
        return abi_parse_fail(p, at, "integers have 8, 16, 24 ... 256 bits");
    }
    made->kind = is_signed ? ABI_INT : ABI_UINT;
    made->bits = digits.len > 0 ? (unsigned)size : 256;
    buf_addf(&p->canonical, "%s%u", is_signed ? "int" : "uint", made->bits);
    return ERR_NONE;
}

/* "address payable" is an address. */
static void skip_payable(struct abi_parse *p) {
    size_t before = p->at;
    abi_skip_space(p);
    if (!str_equal_c(abi_take_word(p), "payable")) {
        p->at = before;
    }
}

static enum err_code elementary(struct abi_parse *p, struct str word, const struct abi_type **out) {
    static const struct {
        const char *name;
        enum abi_kind kind;
        bool is_dynamic;
    } plain[] = {{"address", ABI_ADDRESS, false},
                 {"bool", ABI_BOOL, false},
                 {"bytes", ABI_BYTES, true},
                 {"string", ABI_STRING, true}};
    size_t at = (size_t)(word.ptr - p->text.ptr);
    struct abi_type made = {.head_bytes = ABI_WORD_BYTES};
    for (size_t i = 0; i < ARRAY_COUNT(plain); i++) {
        if (str_equal_c(word, plain[i].name)) {
            made.kind = plain[i].kind;
            made.is_dynamic = plain[i].is_dynamic;
            add_canonical(p, plain[i].name);
            if (made.kind == ABI_ADDRESS) {
                skip_payable(p);
            }
            return new_type(p, &made, at, out);
        }
    }
    if (!str_starts_with(word, STR("int")) && !str_starts_with(word, STR("uint")) &&
        !str_starts_with(word, STR("bytes"))) {
        return no_type(p, word);
    }
    enum err_code code = sized_type(p, word, &made);
    return code == ERR_NONE ? new_type(p, &made, at, out) : code;
}

/* ---- what follows a type ---- */

/* "[]" and "[3]", any number of them. */
static enum err_code suffixes(struct abi_parse *p, const struct abi_type **type) {
    for (abi_skip_space(p); abi_peek(p) == '['; abi_skip_space(p)) {
        size_t at = p->at++;
        abi_skip_space(p);
        struct str digits = abi_take_word(p);
        uint64_t length = 0;
        if (digits.len > 0 && !read_size(digits, UINT32_MAX, &length)) {
            return abi_parse_fail(p, at, "the length of an array is a number from 1, or nothing");
        }
        abi_skip_space(p);
        if (abi_peek(p) != ']') {
            return abi_parse_fail(p, p->at, "']' is missing");
        }
        p->at++;
        enum err_code code = new_array(p, *type, length, at, type);
        if (code != ERR_NONE) {
            return code;
        }
        add_canonical(p, "[");
        if (length > 0) {
            buf_addf(&p->canonical, "%" PRIu64, length);
        }
        add_canonical(p, "]");
    }
    return ERR_NONE;
}

static bool is_location(struct str word) {
    return str_equal_c(word, "memory") || str_equal_c(word, "calldata") ||
           str_equal_c(word, "storage");
}

/* "indexed" and a name, both optional; the item is done. */
static enum err_code finish_item(struct abi_parse *p, const struct abi_type *type, size_t from) {
    struct abi_item item = {
        .type = type, .name = "", .canonical_from = from, .canonical_to = p->canonical.len};
    abi_skip_space(p);
    size_t at = p->at;
    struct str word = abi_take_word(p);
    if (str_equal_c(word, "indexed")) {
        if (!p->is_event || p->open_count != 1) {
            return abi_parse_fail(p, at, "only whole parameters of an event are indexed");
        }
        item.is_indexed = true;
        abi_skip_space(p);
        at = p->at;
        word = abi_take_word(p);
    }
    if (is_location(word) || str_equal_c(word, "indexed")) {
        return abi_parse_fail(p, at, "leave '%.*s' out", STR_FMT(word));
    }
    if (word.len > 0 && abi_copy_name(p, word, &item.name) != ERR_NONE) {
        return p->err->code;
    }
    if (p->item_count == ABI_TYPES_MAX) {
        return abi_parse_fail(p, at, "more than %d types in one signature", ABI_TYPES_MAX);
    }
    p->items[p->item_count++] = item;
    return ERR_NONE;
}

/* ---- the stack ---- */

static enum err_code open_list(struct abi_parse *p) {
    if (p->open_count == ARRAY_COUNT(p->open)) {
        return abi_parse_fail(p, p->at, "parentheses more than %d levels inside each other",
                              ABI_DEPTH_MAX);
    }
    p->open[p->open_count++] = (struct abi_open){p->item_count, p->canonical.len};
    p->at++;
    add_canonical(p, "(");
    return ERR_NONE;
}

/* At the beginning of an item: opens tuples until there is an elementary type. */
static enum err_code begin_item(struct abi_parse *p, const struct abi_type **out, size_t *from) {
    for (;;) {
        abi_skip_space(p);
        size_t at = p->at;
        struct str word = abi_take_word(p);
        if (word.len > 0 && !str_equal_c(word, "tuple")) {
            *from = p->canonical.len;
            return elementary(p, word, out);
        }
        abi_skip_space(p);
        if (abi_peek(p) == ')') {
            bool is_empty = p->canonical.len > 0 && p->canonical.data[p->canonical.len - 1] == '(';
            return abi_parse_fail(p, at, is_empty ? "an empty tuple" : "a type is missing");
        }
        if (abi_peek(p) != '(') {
            return abi_parse_fail(
                p, p->at, word.len > 0 ? "'(' is missing after tuple" : "a type is missing");
        }
        enum err_code code = open_list(p);
        if (code != ERR_NONE) {
            return code;
        }
    }
}

/* A type is done: its suffixes and name, and the parentheses that close behind it. *is_done when the
 * outermost did. */
static enum err_code end_item(struct abi_parse *p, const struct abi_type *type, size_t from,
                              bool *is_done) {
    for (;;) {
        enum err_code code = suffixes(p, &type);
        if (code == ERR_NONE) {
            code = finish_item(p, type, from);
        }
        if (code != ERR_NONE || p->open_count == 0) {
            *is_done = true;
            return code;
        }
        abi_skip_space(p);
        if (abi_peek(p) == ',') {
            p->at++;
            add_canonical(p, ",");
            return ERR_NONE;
        }
        if (abi_peek(p) != ')') {
            return abi_parse_fail(p, p->at, "',' or ')' is missing");
        }
        size_t at = p->at++;
        add_canonical(p, ")");
        const struct abi_open *open = &p->open[--p->open_count];
        if (p->is_event && p->open_count == 0) {
            *is_done = true;
            return ERR_NONE;
        }
        code = new_tuple(p, open->first_item, at, &type);
        if (code != ERR_NONE) {
            return code;
        }
        p->item_count = open->first_item;
        from = open->canonical_from;
    }
}

enum err_code abi_parse_items(struct abi_parse *p) {
    enum err_code code = ERR_NONE;
    if (p->is_event) {
        code = open_list(p);
        abi_skip_space(p);
        if (code == ERR_NONE && abi_peek(p) == ')') {
            p->at++;
            add_canonical(p, ")");
            p->open_count = 0;
            return ERR_NONE;
        }
    }
    for (bool is_done = false; code == ERR_NONE && !is_done;) {
        const struct abi_type *type = NULL;
        size_t from = 0;
        code = begin_item(p, &type, &from);
        if (code == ERR_NONE) {
            code = end_item(p, type, from, &is_done);
        }
    }
    return code;
}

enum err_code abi_type_parse(struct str text, struct arena *arena, const struct abi_type **out,
                             struct err *err) {
    struct abi_parse p;
    enum err_code code = abi_parse_init(&p, text, arena, err);
    if (code == ERR_NONE) {
        code = abi_parse_items(&p);
    }
    abi_skip_space(&p);
    if (code == ERR_NONE && p.at < p.text.len) {
        code = abi_parse_fail(&p, p.at, "more text behind the type");
    }
    if (code == ERR_NONE) {
        *out = p.items[0].type;
    }
    abi_parse_release(&p);
    return code;
}
