/* How it works: one pass from dollar to dollar; what lies between is copied. A reference ends at
 * the first '}', so a default cannot hold one, and references do not nest. */
#include "flow/variables.h"

#include <stdlib.h>
#include <string.h>

static bool is_name_start(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_name_byte(char c) {
    return is_name_start(c) || (c >= '0' && c <= '9');
}

struct reference {
    char name[VARIABLES_NAME_BYTES_MAX + 1];
    char kind; /* '\0', '-' or '?' */
    struct str word;
};

/* inside: what stands between "${" and "}". */
static enum err_code reference_parse(struct str inside, struct reference *out, struct err *err) {
    size_t len = 0;
    while (len < inside.len && is_name_byte(inside.ptr[len])) {
        len++;
    }
    if (len == 0 || !is_name_start(inside.ptr[0]) || len > VARIABLES_NAME_BYTES_MAX) {
        return err_set(err, ERR_CONFIG,
                       "'${' needs the name of a variable and '}'; a dollar sign is written $$");
    }
    memcpy(out->name, inside.ptr, len);
    out->name[len] = '\0';
    const struct str rest = {inside.ptr + len, inside.len - len};
    out->kind = '\0';
    out->word = (struct str){rest.ptr, 0};
    if (rest.len == 0) {
        return ERR_NONE;
    }
    if (rest.len < 2 || rest.ptr[0] != ':' || (rest.ptr[1] != '-' && rest.ptr[1] != '?')) {
        return err_set(err, ERR_CONFIG,
                       "after ${%s only '}', ':-default}' or ':?message}' can follow", out->name);
    }
    out->kind = rest.ptr[1];
    out->word = (struct str){rest.ptr + 2, rest.len - 2};
    if (memmem(out->word.ptr, out->word.len, "${", 2) != NULL) {
        return err_set(err, ERR_CONFIG, "variables do not nest: the default of ${%s} has a '${'",
                       out->name);
    }
    return ERR_NONE;
}

static enum err_code add(struct buf *out, struct str text, struct err *err) {
    if (text.len == 0) {
        return ERR_NONE;
    }
    if (buf_add(out, text.ptr, text.len, err) != ERR_NONE) {
        return err_set(err, ERR_CONFIG, "the text is longer than %zu bytes with its variables",
                       VARIABLES_TEXT_BYTES_MAX);
    }
    return ERR_NONE;
}

static enum err_code reference_add(const struct variables *v, const struct reference *r,
                                   struct buf *out, bool *used_variable, struct err *err) {
    /* getenv: a flow is loaded before threads start, and nobody here calls setenv */
    const char *value = v->lookup != NULL ? v->lookup(v->context, r->name) : getenv(r->name);
    const bool is_absent = value == NULL || (value[0] == '\0' && r->kind != '\0');
    if (!is_absent) {
        if (!str_is_utf8(str_of(value))) {
            return err_set(err, ERR_CONFIG, "the value of ${%s} is not UTF-8", r->name);
        }
        *used_variable = true;
        return add(out, str_of(value), err);
    }
    if (r->kind == '-') {
        return add(out, r->word, err);
    }
    if (r->kind == '?' && r->word.len > 0) {
        char message[ERR_MESSAGE_BYTES / 2];
        str_printable(r->word, message, sizeof message);
        return err_set(err, ERR_CONFIG, "%s: %s", r->name, message);
    }
    return err_set(err, ERR_CONFIG, "the variable %s is not set; set it, or write ${%s:-default}",
                   r->name, r->name);
}

enum err_code variables_replace(const struct variables *v, struct str text, struct buf *out,
                                bool *used_variable, size_t *error_offset, struct err *err) {
    size_t at = 0;
    *error_offset = 0;
    while (at < text.len) {
        const struct str rest = {text.ptr + at, text.len - at};
        const size_t plain = str_find(rest, '$');
        enum err_code code = add(out, (struct str){rest.ptr, plain}, err);
        if (code != ERR_NONE) {
            return code;
        }
        at += plain;
        if (at == text.len) {
            break;
        }
        *error_offset = at;
        const char next = at + 1 < text.len ? text.ptr[at + 1] : '\0';
        if (next != '{') {
            code = add(out, STR("$"), err);
            at += next == '$' ? 2 : 1;
        } else {
            const struct str inside = {text.ptr + at + 2, text.len - at - 2};
            const size_t len = str_find(inside, '}');
            struct reference r = {.kind = '\0'};
            code = len == inside.len
                       ? err_set(err, ERR_CONFIG, "'${' without '}'; a dollar sign is written $$")
                       : reference_parse((struct str){inside.ptr, len}, &r, err);
            if (code == ERR_NONE) {
                code = reference_add(v, &r, out, used_variable, err);
            }
            at += len + 3;
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}
