/* A configuration tree with positions: what a YAML file says, before anybody knows what it means.
 *
 * Built by flow/yaml.c, read by component/option.c and flow/. Scalars are text; what they mean is
 * decided by the option that reads them, so `no`, `1.0` and `0x10` never change on the way. Lives
 * in an arena; const after it is built. */
#ifndef PLUMB_COMPONENT_NODE_H
#define PLUMB_COMPONENT_NODE_H

#include "base/mem.h"

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    const char *file;         /* as given on the command line or in the flow, for messages */
    int line, column;         /* 1-based: where the value starts */
    int key_line, key_column; /* where its key starts; 0 if it has none */
    const char *key;          /* member of a map: its key; else NULL */
    struct str text;          /* scalar, after ${VAR} replacement; NUL-terminated */
    bool is_null;             /* scalar: empty plain, or ~, or null (plain) */
    bool is_quoted;           /* scalar was quoted or a block: text for sure */
    bool has_secret;          /* a ${VAR} was replaced in it: never print the text */
    int text_line;            /* scalar: line of the first character of the text */
    int text_column;          /* its column; for blocks the indent + 1 of every line */
    bool is_rewritten;        /* scalar: the text is not the file's (folded lines, escapes, ${VAR}):
                                 only its start has a position */
    const struct node *first; /* children of a list or map, in order */
    const struct node *next;
    size_t count; /* children */
};

const struct node *node_get(const struct node *map, const char *key); /* NULL if absent */
/* Sets where ("file:line:column" of the value) and message, class CONFIG. */
enum err_code node_error(const struct node *n, struct err *err, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* As node_error, at the key. */
enum err_code node_key_error(const struct node *n, struct err *err, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* Position of byte `offset` of a scalar's text (for SQL and patterns). */
void node_text_position(const struct node *n, size_t offset, int *line, int *column);
/* "unknown key 'x'; did you mean 'y'?" at the key of n, with all known names when none is near. */
enum err_code node_unknown_key(const struct node *n, const char *where, const char *const *known,
                               size_t count, struct err *err);
/* "a single value", "a list", "a map" or "nothing", for messages of the form "must be X, not Y". */
const char *node_kind_name(const struct node *n);
/* The scalar's text for a message: printable and cut, or "***" when it may hold a secret. */
#define NODE_SHOW_BYTES 64
void node_show(const struct node *n, bool secret, char *out, size_t out_bytes);

#endif
