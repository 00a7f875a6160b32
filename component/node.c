/* How it works: nodes are linked lists in declaration order, so looking a key up walks the list;
 * maps in flow files are short. Error functions format "file:line:column" into err->where and the
 * sentence into err->message, always with class CONFIG: a tree is only ever the user's text. */
#include "component/node.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

#define UNKNOWN_KEY_TEXT_BYTES 64 /* of the user's key that are quoted in a message */

const struct node *node_get(const struct node *map, const char *key) {
    ASSERT(map != NULL && key != NULL);
    if (map->kind != NODE_MAP) {
        return NULL;
    }
    for (const struct node *n = map->first; n != NULL; n = n->next) {
        if (strcmp(n->key, key) == 0) {
            return n;
        }
    }
    return NULL;
}

static enum err_code error_at(const char *file, int line, int column, struct err *err,
                              const char *fmt, va_list args) PRINTF_LIKE(5, 0);

static enum err_code error_at(const char *file, int line, int column, struct err *err,
                              const char *fmt, va_list args) {
    char message[ERR_MESSAGE_BYTES];
    (void)vsnprintf(message, sizeof message, fmt, args); /* a long message is cut */
    (void)err_set(err, ERR_CONFIG, "%s", message);
    err_where(err, "%s:%d:%d", file != NULL ? file : "?", line, column);
    return ERR_CONFIG;
}

enum err_code node_error(const struct node *n, struct err *err, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)error_at(n->file, n->line, n->column, err, fmt, args);
    va_end(args);
    return ERR_CONFIG;
}

enum err_code node_key_error(const struct node *n, struct err *err, const char *fmt, ...) {
    const bool has_key = n->key_line > 0;
    va_list args;
    va_start(args, fmt);
    (void)error_at(n->file, has_key ? n->key_line : n->line, has_key ? n->key_column : n->column,
                   err, fmt, args);
    va_end(args);
    return ERR_CONFIG;
}

void node_text_position(const struct node *n, size_t offset, int *line, int *column) {
    *line = n->text_line;
    *column = n->text_column;
    if (n->is_rewritten) {
        return;
    }
    const size_t end = offset < n->text.len ? offset : n->text.len;
    for (size_t i = 0; i < end; i++) {
        const unsigned char c = (unsigned char)n->text.ptr[i];
        if (c == '\n') {
            *line += 1;
            *column = n->text_column;
        } else if ((c & 0xC0u) != 0x80u) { /* columns count characters, as editors do */
            *column += 1;
        }
    }
}

enum err_code node_unknown_key(const struct node *n, const char *where, const char *const *known,
                               size_t count, struct err *err) {
    char key[UNKNOWN_KEY_TEXT_BYTES];
    str_printable(str_of(n->key), key, sizeof key);
    const char *in = where != NULL ? " in " : "";
    const char *place = where != NULL ? where : "";
    const char *nearest = parse_nearest(str_of(n->key), known, count);
    if (nearest != NULL) {
        return node_key_error(n, err, "unknown key '%s'%s%s; did you mean '%s'?", key, in, place,
                              nearest);
    }
    AUTO_BUF names = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_addf(&names, "%s%s", i == 0 ? "" : ", ", known[i]);
    }
    return node_key_error(n, err, "unknown key '%s'%s%s; known keys are %s", key, in, place,
                          buf_c(&names));
}

const char *node_kind_name(const struct node *n) {
    switch (n->kind) {
    case NODE_SCALAR:
        return n->is_null ? "nothing" : "a single value";
    case NODE_LIST:
        return "a list";
    case NODE_MAP:
        return "a map";
    }
    return "?";
}

void node_show(const struct node *n, bool secret, char *out, size_t out_bytes) {
    if (secret || n->has_secret) {
        (void)snprintf(out, out_bytes, "***");
    } else {
        str_printable(n->text, out, out_bytes);
    }
}
