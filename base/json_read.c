/* The reader: one loop over the text with a stack of the open containers (no recursion). After each
 * value the loop closes what ends there and asks for a comma. Values are linked into their
 * container as they are read. Keys of an object are checked for duplicates at its end: by sorting,
 * so that a large object costs n log n. */
#include "base/json.h"
#include "base/parse.h"

#include <stdlib.h>
#include <string.h>

struct open_container {
    struct json_value *value;
    struct json_value *last; /* newest child */
    size_t count;
};

struct reader {
    struct str text;
    size_t at;
    struct arena *arena;
    struct err *err;
    struct open_container open[JSON_DEPTH_MAX];
    size_t depth;
    struct json_value *root;
};

static enum err_code broken(struct reader *r, const char *what) {
    return err_set(r->err, ERR_INPUT, "JSON: %s at byte %zu", what, r->at);
}

static bool peek(const struct reader *r, char c) {
    return r->at < r->text.len && r->text.ptr[r->at] == c;
}

static void skip_space(struct reader *r) {
    while (peek(r, ' ') || peek(r, '\t') || peek(r, '\n') || peek(r, '\r')) {
        r->at++;
    }
}

static bool skip_word(struct reader *r, struct str word) {
    struct str rest = {r->text.ptr + r->at, r->text.len - r->at};
    if (!str_starts_with(rest, word)) {
        return false;
    }
    r->at += word.len;
    return true;
}

static bool hex4(struct str s, size_t at, uint32_t *out) {
    if (s.len - at < 4) {
        return false;
    }
    uint32_t value = 0;
    for (size_t i = at; i < at + 4; i++) {
        char c = s.ptr[i];
        if (c >= '0' && c <= '9') {
            value = value * 16 + (uint32_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = value * 16 + (uint32_t)(c - 'a' + 10);
        } else if (c >= 'A' && c <= 'F') {
            value = value * 16 + (uint32_t)(c - 'A' + 10);
        } else {
            return false;
        }
    }
    *out = value;
    return true;
}

static size_t put_utf8(char *out, uint32_t code) {
    if (code < 0x80U) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800U) {
        out[0] = (char)(0xC0U | (code >> 6));
        out[1] = (char)(0x80U | (code & 0x3FU));
        return 2;
    }
    if (code < 0x10000U) {
        out[0] = (char)(0xE0U | (code >> 12));
        out[1] = (char)(0x80U | ((code >> 6) & 0x3FU));
        out[2] = (char)(0x80U | (code & 0x3FU));
        return 3;
    }
    out[0] = (char)(0xF0U | (code >> 18));
    out[1] = (char)(0x80U | ((code >> 12) & 0x3FU));
    out[2] = (char)(0x80U | ((code >> 6) & 0x3FU));
    out[3] = (char)(0x80U | (code & 0x3FU));
    return 4;
}

/* Behind "\u": one code point, of two escapes when it is a surrogate pair. */
static enum err_code read_unicode(struct reader *r, char *out, size_t *used) {
    uint32_t code = 0;
    if (!hex4(r->text, r->at, &code)) {
        return broken(r, "a \\u escape needs four hexadecimal digits");
    }
    r->at += 4;
    if (code >= 0xD800U && code <= 0xDFFFU) {
        uint32_t low = 0;
        if (code > 0xDBFFU || !skip_word(r, STR("\\u")) || !hex4(r->text, r->at, &low) ||
            low < 0xDC00U || low > 0xDFFFU) {
            return broken(r, "half a surrogate pair");
        }
        r->at += 4;
        code = 0x10000U + ((code - 0xD800U) << 10) + (low - 0xDC00U);
    }
    *used += put_utf8(out + *used, code);
    return ERR_NONE;
}

/* Behind the backslash. */
static enum err_code read_escape(struct reader *r, char *out, size_t *used) {
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    char c = r->at < r->text.len ? r->text.ptr[r->at] : '\0';
    if (c == 'u') {
        r->at++;
        return read_unicode(r, out, used);
    }
    const char *found = c == '\0' ? NULL : strchr(letters, c);
    if (found == NULL) {
        return broken(r, "unknown escape");
    }
    out[*used] = meanings[found - letters];
    (*used)++;
    r->at++;
    return ERR_NONE;
}

/* Where the string ends whose first character is at `start`, and no control character inside. */
static enum err_code find_end(struct reader *r, size_t start, size_t *out_end) {
    for (size_t i = start; i < r->text.len; i++) {
        char c = r->text.ptr[i];
        if (c == '"') {
            *out_end = i;
            return ERR_NONE;
        }
        if ((unsigned char)c < 0x20U) {
            r->at = i;
            return broken(r, "a control character must be escaped");
        }
        i += c == '\\' ? 1 : 0;
    }
    return broken(r, "a string without its end");
}

static enum err_code read_string(struct reader *r, struct str *out) {
    size_t end = 0;
    void *space = NULL;
    if (find_end(r, r->at + 1, &end) != ERR_NONE ||
        arena_alloc(r->arena, end - r->at, &space, r->err) != ERR_NONE) {
        return r->err->code;
    }
    r->at++;
    char *text = space; /* an escape is never shorter than what it stands for */
    size_t used = 0;
    while (r->at < end) {
        char c = r->text.ptr[r->at];
        r->at++;
        if (c != '\\') {
            text[used] = c;
            used++;
        } else if (read_escape(r, text, &used) != ERR_NONE) {
            return r->err->code;
        }
    }
    text[used] = '\0';
    r->at = end + 1;
    *out = (struct str){text, used};
    return ERR_NONE;
}

static size_t skip_digits(struct reader *r) {
    size_t start = r->at;
    while (r->at < r->text.len && r->text.ptr[r->at] >= '0' && r->text.ptr[r->at] <= '9') {
        r->at++;
    }
    return r->at - start;
}

static enum err_code read_number(struct reader *r, struct str *out) {
    size_t start = r->at;
    r->at += peek(r, '-') ? 1 : 0;
    bool zero = peek(r, '0');
    size_t digits = skip_digits(r);
    if (digits == 0 || (zero && digits > 1)) {
        return broken(r, "not a value");
    }
    if (peek(r, '.')) {
        r->at++;
        if (skip_digits(r) == 0) {
            return broken(r, "digits are missing");
        }
    }
    if (peek(r, 'e') || peek(r, 'E')) {
        r->at++;
        r->at += peek(r, '+') || peek(r, '-') ? 1 : 0;
        if (skip_digits(r) == 0) {
            return broken(r, "digits are missing");
        }
    }
    struct str text = {r->text.ptr + start, r->at - start};
    return arena_copy(r->arena, text, out, r->err);
}

static int compare_keys(const void *a, const void *b) {
    const struct json_value *const *x = a;
    const struct json_value *const *y = b;
    return str_compare((*x)->key, (*y)->key);
}

static enum err_code check_keys(struct reader *r, const struct open_container *object) {
    size_t bytes = 0;
    void *space = NULL;
    if (object->count < 2) {
        return ERR_NONE;
    }
    if (!size_mul(object->count, sizeof(struct json_value *), &bytes)) {
        return err_set(r->err, ERR_LIMIT, "JSON: an object of %zu members", object->count);
    }
    if (mem_alloc_data(bytes, &space, r->err) != ERR_NONE) {
        return r->err->code;
    }
    const struct json_value **members = space;
    size_t count = 0;
    for (const struct json_value *v = object->value->first; v != NULL; v = v->next) {
        members[count] = v;
        count++;
    }
    qsort(members, count, sizeof *members, compare_keys);
    enum err_code code = ERR_NONE;
    for (size_t i = 1; i < count && code == ERR_NONE; i++) {
        if (str_equal(members[i - 1]->key, members[i]->key)) {
            char shown[64];
            str_printable(members[i]->key, shown, sizeof shown);
            code = err_set(r->err, ERR_INPUT,
                           "JSON: '%s' is twice in the object that ends at byte %zu", shown, r->at);
        }
    }
    mem_free(space);
    return code;
}

/* A new value, linked into the innermost open container. */
static enum err_code add_value(struct reader *r, struct str key, struct json_value **out) {
    void *space = NULL;
    enum err_code code = arena_alloc(r->arena, sizeof **out, &space, r->err);
    if (code != ERR_NONE) {
        return code;
    }
    struct json_value *value = space;
    *value = (struct json_value){.kind = JSON_NULL, .text = STR(""), .key = key};
    if (r->depth == 0) {
        r->root = value;
    } else {
        struct open_container *in = &r->open[r->depth - 1];
        if (in->last == NULL) {
            in->value->first = value;
        } else {
            in->last->next = value;
        }
        in->last = value;
        in->count++;
    }
    *out = value;
    return ERR_NONE;
}

static enum err_code open_value(struct reader *r, struct json_value *value) {
    if (r->depth == JSON_DEPTH_MAX) {
        return err_set(r->err, ERR_INPUT, "JSON: nested deeper than %d at byte %zu", JSON_DEPTH_MAX,
                       r->at);
    }
    value->kind = peek(r, '{') ? JSON_OBJECT : JSON_ARRAY;
    r->at++;
    r->open[r->depth] = (struct open_container){.value = value};
    r->depth++;
    return ERR_NONE;
}

/* "key" : of a member; nothing inside an array or at the top. */
static enum err_code read_key(struct reader *r, struct str *out) {
    if (r->depth == 0 || r->open[r->depth - 1].value->kind != JSON_OBJECT) {
        return ERR_NONE;
    }
    if (!peek(r, '"')) {
        return broken(r, "a member's name in quotes is expected");
    }
    enum err_code code = read_string(r, out);
    if (code != ERR_NONE) {
        return code;
    }
    skip_space(r);
    if (!peek(r, ':')) {
        return broken(r, "':' is expected");
    }
    r->at++;
    skip_space(r);
    return ERR_NONE;
}

static enum err_code read_value(struct reader *r) {
    struct str key = STR("");
    struct json_value *value = NULL;
    if (read_key(r, &key) != ERR_NONE || add_value(r, key, &value) != ERR_NONE) {
        return r->err->code;
    }
    if (peek(r, '{') || peek(r, '[')) {
        return open_value(r, value);
    }
    if (peek(r, '"')) {
        value->kind = JSON_STRING;
        return read_string(r, &value->text);
    }
    if (skip_word(r, STR("true"))) {
        value->kind = JSON_BOOL;
        value->boolean = true;
        return ERR_NONE;
    }
    if (skip_word(r, STR("false"))) {
        value->kind = JSON_BOOL;
        return ERR_NONE;
    }
    if (skip_word(r, STR("null"))) {
        return ERR_NONE;
    }
    value->kind = JSON_NUMBER;
    return read_number(r, &value->text);
}

/* Closes every container that ends here; then either all is read or a comma was. */
static enum err_code after_value(struct reader *r, bool just_opened) {
    bool opened = just_opened;
    skip_space(r);
    while (r->depth > 0) {
        struct open_container *in = &r->open[r->depth - 1];
        bool object = in->value->kind == JSON_OBJECT;
        if (peek(r, object ? '}' : ']')) {
            r->at++;
            if (object && check_keys(r, in) != ERR_NONE) {
                return r->err->code;
            }
            r->depth--;
            opened = false;
            skip_space(r);
            continue;
        }
        if (opened) {
            return ERR_NONE;
        }
        if (!peek(r, ',')) {
            return broken(r, object ? "',' or '}' is expected" : "',' or ']' is expected");
        }
        r->at++;
        skip_space(r);
        return ERR_NONE;
    }
    return ERR_NONE;
}

enum err_code json_parse(struct str text, struct arena *a, const struct json_value **out,
                         struct err *err) {
    if (!str_is_utf8(text)) {
        return err_set(err, ERR_INPUT, "JSON: not UTF-8");
    }
    struct reader r = {.text = text, .arena = a, .err = err};
    skip_space(&r);
    do {
        size_t depth = r.depth;
        if (read_value(&r) != ERR_NONE || after_value(&r, r.depth > depth) != ERR_NONE) {
            return err->code;
        }
    } while (r.depth > 0);
    if (r.at < r.text.len) {
        return broken(&r, "something follows the value");
    }
    *out = r.root;
    return ERR_NONE;
}

const struct json_value *json_get(const struct json_value *object, const char *key) {
    if (object == NULL || object->kind != JSON_OBJECT) {
        return NULL;
    }
    for (const struct json_value *v = object->first; v != NULL; v = v->next) {
        if (str_equal_c(v->key, key)) {
            return v;
        }
    }
    return NULL;
}

bool json_get_i64(const struct json_value *object, const char *key, int64_t *out) {
    const struct json_value *value = json_get(object, key);
    return value != NULL && value->kind == JSON_NUMBER && parse_i64(value->text, out);
}

bool json_get_str(const struct json_value *object, const char *key, struct str *out) {
    const struct json_value *value = json_get(object, key);
    if (value == NULL || value->kind != JSON_STRING) {
        return false;
    }
    *out = value->text;
    return true;
}
