/* How it works: libyaml's events drive a stack of open lists and maps; each event makes one node
 * and hangs it behind the last child of the open one. In a map, events alternate between key and
 * value: a key is remembered in the frame until its value comes. When a map closes its keys are
 * sorted to find duplicates. libyaml gives places in characters, so the text of a block scalar is
 * found by walking the file's lines once, forward, as events come in file order.
 *
 * What libyaml says about bad text is short; syntax_error turns it into a sentence and adds advice
 * for the mistakes people make (tabs, unquoted ${} in { }). */
#include "flow/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "flow/variables.h"

#define YAML_TEXT_BYTES_MAX ((size_t)32 << 20) /* of all scalars after replacement */

struct frame {
    struct node *node;
    const struct node **tail; /* where the next child is hung */
    char *key;                /* map: the key whose value comes next, or NULL */
    int key_line, key_column;
};

struct reader {
    struct str text;
    const char *file;
    struct arena *arena;
    struct variables variables;
    yaml_parser_t parser;
    struct frame stack[YAML_DEPTH_MAX];
    size_t depth;
    size_t nodes;
    size_t text_bytes;
    struct node *root;
    int line;           /* of line_offset, 1-based */
    size_t line_offset; /* where that line starts in text */
};

static void set_where(const struct reader *r, size_t line, size_t column, struct err *err) {
    err_where(err, "%s:%zu:%zu", r->file, line + 1, column + 1);
}

static enum err_code refuse(const struct reader *r, yaml_mark_t mark, struct err *err,
                            const char *message) {
    (void)err_set(err, ERR_CONFIG, "%s", message);
    set_where(r, mark.line, mark.column, err);
    return ERR_CONFIG;
}

/* ---- lines of the file ---- */

/* Bytes of the line break at offset as libyaml counts them, 0 if there is none. */
static size_t break_length(struct str text, size_t at) {
    const char *p = text.ptr + at;
    const size_t left = text.len - at;
    if (p[0] == '\r') {
        return left > 1 && p[1] == '\n' ? 2 : 1;
    }
    if (p[0] == '\n') {
        return 1;
    }
    if (left >= 2 && memcmp(p, "\xC2\x85", 2) == 0) {
        return 2;
    }
    if (left >= 3 && (memcmp(p, "\xE2\x80\xA8", 3) == 0 || memcmp(p, "\xE2\x80\xA9", 3) == 0)) {
        return 3;
    }
    return 0;
}

/* The 1-based line, without its break; empty past the end. Lines are asked for in rising order;
 * an earlier one starts the walk again. */
static struct str file_line(struct reader *r, int line) {
    if (line < r->line) {
        r->line = 1;
        r->line_offset = 0;
    }
    size_t at = r->line_offset;
    while (r->line < line && at < r->text.len) {
        const size_t len = break_length(r->text, at);
        at += len > 0 ? len : 1;
        if (len > 0) {
            r->line++;
            r->line_offset = at;
        }
    }
    if (r->line < line) {
        return (struct str){r->text.ptr + r->text.len, 0};
    }
    size_t end = r->line_offset;
    while (end < r->text.len && break_length(r->text, end) == 0) {
        end++;
    }
    return (struct str){r->text.ptr + r->line_offset, end - r->line_offset};
}

static size_t leading_spaces(struct str s) {
    size_t n = 0;
    while (n < s.len && s.ptr[n] == ' ') {
        n++;
    }
    return n;
}

/* Where the text of a literal block starts: the line below its '|', at its indent. The first line
 * that is not blank stands `indent` deeper in the file than in the text. */
static void place_block(struct reader *r, struct node *n, int last_line) {
    n->text_line = n->line + 1;
    n->text_column = 1;
    struct str rest = n->text;
    for (int line = n->text_line; line <= last_line && rest.len > 0; line++) {
        const size_t len = str_find(rest, '\n');
        const struct str in_text = {rest.ptr, len};
        const struct str in_file = file_line(r, line);
        if (leading_spaces(in_text) < in_text.len) {
            const size_t deeper = leading_spaces(in_file);
            const size_t own = leading_spaces(in_text);
            n->text_column = deeper >= own ? (int)(deeper - own) + 1 : 1;
            return;
        }
        const size_t skip = len < rest.len ? len + 1 : len;
        rest = (struct str){rest.ptr + skip, rest.len - skip};
    }
}

/* ---- errors of libyaml ---- */

static const char *advice(struct reader *r, int line) {
    const struct str text = file_line(r, line);
    const size_t spaces = leading_spaces(text);
    if (spaces < text.len && text.ptr[spaces] == '\t') {
        return "; indent with spaces, not with tabs";
    }
    if (memmem(text.ptr, text.len, "${", 2) != NULL) {
        return "; inside { } and [ ] a value with ${...} needs quotes";
    }
    if (memmem(text.ptr, text.len, ": ", 2) != NULL || str_find(text, '\t') < text.len) {
        return "; a text with ': ' or a tab needs quotes, and keys of a map one indent";
    }
    return "";
}

static enum err_code syntax_error(struct reader *r, struct err *err) {
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) {
        return err_set(err, ERR_LIMIT, "out of memory while reading %s", r->file);
    }
    if (p->error == YAML_READER_ERROR) {
        int line = 1;
        size_t column = 0;
        size_t at = 0;
        while (at < p->problem_offset && at < r->text.len) {
            const size_t len = break_length(r->text, at);
            line += len > 0;
            column = len > 0 ? 0 : column + ((r->text.ptr[at] & 0xC0) != 0x80);
            at += len > 0 ? len : 1;
        }
        (void)err_set(err, ERR_CONFIG, "not UTF-8 text: %s", p->problem);
        set_where(r, (size_t)line - 1, column, err);
        return ERR_CONFIG;
    }
    const char *hint = advice(r, (int)p->problem_mark.line + 1);
    const char *problem = p->problem != NULL ? p->problem : "it cannot be read";
    if (p->context != NULL) {
        (void)err_set(err, ERR_CONFIG, "not valid YAML: %s (%s at line %zu)%s", problem, p->context,
                      p->context_mark.line + 1, hint);
    } else {
        (void)err_set(err, ERR_CONFIG, "not valid YAML: %s%s", problem, hint);
    }
    set_where(r, p->problem_mark.line, p->problem_mark.column, err);
    return ERR_CONFIG;
}

/* ---- nodes ---- */

static enum err_code node_new(struct reader *r, enum node_kind kind, yaml_mark_t mark,
                              struct node **out, struct err *err) {
    if (r->nodes == YAML_NODES_MAX) {
        return refuse(r, mark, err, "the file has more than 100000 values");
    }
    r->nodes++;
    struct node *n = arena_new(r->arena, sizeof *n);
    n->kind = kind;
    n->file = r->file;
    n->line = (int)mark.line + 1;
    n->column = (int)mark.column + 1;
    if (r->depth == 0) {
        r->root = n;
        *out = n;
        return ERR_NONE;
    }
    struct frame *f = &r->stack[r->depth - 1];
    n->key = f->key;
    n->key_line = f->key != NULL ? f->key_line : 0;
    n->key_column = f->key != NULL ? f->key_column : 0;
    f->key = NULL;
    *f->tail = n;
    f->tail = &n->next;
    f->node->count++;
    *out = n;
    return ERR_NONE;
}

static bool key_is_next(const struct reader *r) {
    return r->depth > 0 && r->stack[r->depth - 1].node->kind == NODE_MAP &&
           r->stack[r->depth - 1].key == NULL;
}

static enum err_code open_node(struct reader *r, enum node_kind kind, const yaml_event_t *e,
                               struct err *err) {
    if (key_is_next(r)) {
        return refuse(r, e->start_mark, err, "a key must be a text, not a list or a map");
    }
    if (r->depth == YAML_DEPTH_MAX) {
        return refuse(r, e->start_mark, err, "lists and maps are nested more than 32 deep");
    }
    struct node *n = NULL;
    const enum err_code code = node_new(r, kind, e->start_mark, &n, err);
    if (code == ERR_NONE) {
        r->stack[r->depth++] = (struct frame){.node = n, .tail = &n->first};
    }
    return code;
}

static int compare_keys(const void *a, const void *b) {
    const struct node *const *x = a;
    const struct node *const *y = b;
    const int order = strcmp((*x)->key, (*y)->key);
    if (order != 0) {
        return order;
    }
    if ((*x)->key_line != (*y)->key_line) {
        return (*x)->key_line < (*y)->key_line ? -1 : 1;
    }
    return (*x)->key_column < (*y)->key_column ? -1 : (*x)->key_column > (*y)->key_column;
}

static enum err_code check_duplicates(const struct node *map, struct err *err) {
    if (map->count < 2) {
        return ERR_NONE;
    }
    const struct node **sorted = mem_alloc_array(map->count, sizeof(const struct node *));
    size_t count = 0;
    for (const struct node *n = map->first; n != NULL; n = n->next) {
        sorted[count++] = n;
    }
    qsort(sorted, count, sizeof(const struct node *), compare_keys);
    enum err_code code = ERR_NONE;
    for (size_t i = 1; i < count && code == ERR_NONE; i++) {
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0) {
            char key[NODE_SHOW_BYTES];
            str_printable(str_of(sorted[i]->key), key, sizeof key);
            code = node_key_error(sorted[i], err, "the key '%s' was already given in line %d", key,
                                  sorted[i - 1]->key_line);
        }
    }
    mem_free(sorted);
    return code;
}

static enum err_code close_node(struct reader *r, struct err *err) {
    r->depth--;
    const struct node *n = r->stack[r->depth].node;
    return n->kind == NODE_MAP ? check_duplicates(n, err) : ERR_NONE;
}

static enum err_code take_key(struct reader *r, const yaml_event_t *e, struct str text,
                              struct err *err) {
    if (text.len == 0) {
        return refuse(r, e->start_mark, err, "a key is empty");
    }
    struct frame *f = &r->stack[r->depth - 1];
    f->key = arena_strndup(r->arena, text.ptr, text.len);
    f->key_line = (int)e->start_mark.line + 1;
    f->key_column = (int)e->start_mark.column + 1;
    return ERR_NONE;
}

static enum err_code replace_variables(struct reader *r, struct node *n, struct str text,
                                       struct err *err) {
    enum err_code code = ERR_NONE;
    AUTO_BUF replaced = BUF_INIT(VARIABLES_TEXT_BYTES_MAX);
    if (str_find(text, '$') < text.len) {
        size_t offset = 0;
        code = variables_replace(&r->variables, text, &replaced, &n->has_secret, &offset, err);
        if (code != ERR_NONE) {
            int line = 0;
            int column = 0;
            node_text_position(n, offset, &line, &column);
            err_where(err, "%s:%d:%d", r->file, line, column);
            return code;
        }
        n->is_rewritten = n->is_rewritten || !str_equal(text, buf_str(&replaced));
        text = buf_str(&replaced);
    }
    r->text_bytes += text.len;
    if (r->text_bytes > YAML_TEXT_BYTES_MAX) {
        return node_error(n, err, "the texts of the file are longer than 32 MiB");
    }
    return arena_copy(r->arena, text, &n->text, err);
}

static enum err_code take_scalar(struct reader *r, const yaml_event_t *e, struct err *err) {
    const yaml_scalar_style_t style = e->data.scalar.style;
    const struct str text = {(const char *)e->data.scalar.value, e->data.scalar.length};
    if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL) {
        return refuse(r, e->start_mark, err, "a text holds a NUL character");
    }
    if (key_is_next(r)) {
        return take_key(r, e, text, err);
    }
    struct node *n = NULL;
    const enum err_code code = node_new(r, NODE_SCALAR, e->start_mark, &n, err);
    if (code != ERR_NONE) {
        return code;
    }
    const bool is_plain = style == YAML_PLAIN_SCALAR_STYLE;
    const bool is_quote =
        style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    n->is_quoted = !is_plain;
    n->is_null = is_plain && (text.len == 0 || str_equal_c(text, "~") || str_equal_c(text, "null"));
    n->text = text; /* for positions, until it is copied below */
    n->text_line = n->line;
    n->text_column = n->column + is_quote;
    if (style == YAML_LITERAL_SCALAR_STYLE) {
        place_block(r, n, (int)e->end_mark.line + 1);
    } else if (style == YAML_FOLDED_SCALAR_STYLE) {
        place_block(r, n, (int)e->end_mark.line + 1);
        n->is_rewritten = true;
    } else {
        /* Folded over lines, or with escapes: then the text is shorter or longer than its place. */
        const size_t chars = e->end_mark.column - e->start_mark.column;
        size_t own = is_quote ? 2 : 0;
        for (size_t i = 0; i < text.len; i++) {
            own += (text.ptr[i] & 0xC0) != 0x80;
        }
        n->is_rewritten = e->end_mark.line != e->start_mark.line || chars != own;
    }
    return replace_variables(r, n, text, err);
}

/* ---- events ---- */

static enum err_code check_plain(const struct reader *r, const yaml_event_t *e,
                                 const yaml_char_t *tag, const yaml_char_t *anchor,
                                 struct err *err) {
    if (anchor != NULL) {
        return refuse(r, e->start_mark, err,
                      "anchors (&name) are not supported: write the value where it is needed");
    }
    if (tag != NULL) {
        return refuse(r, e->start_mark, err,
                      "tags (!name) are not supported: what a value means is decided by its key");
    }
    return ERR_NONE;
}

static enum err_code take_event(struct reader *r, const yaml_event_t *e, struct err *err) {
    enum err_code code = ERR_NONE;
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        return r->root == NULL ? ERR_NONE
                               : refuse(r, e->start_mark, err,
                                        "a second document starts: one file is one flow");
    case YAML_ALIAS_EVENT:
        return refuse(r, e->start_mark, err,
                      "aliases (*name) are not supported: write the value where it is needed");
    case YAML_SCALAR_EVENT:
        code = check_plain(r, e, e->data.scalar.tag, e->data.scalar.anchor, err);
        return code != ERR_NONE ? code : take_scalar(r, e, err);
    case YAML_SEQUENCE_START_EVENT:
        code = check_plain(r, e, e->data.sequence_start.tag, e->data.sequence_start.anchor, err);
        return code != ERR_NONE ? code : open_node(r, NODE_LIST, e, err);
    case YAML_MAPPING_START_EVENT:
        code = check_plain(r, e, e->data.mapping_start.tag, e->data.mapping_start.anchor, err);
        return code != ERR_NONE ? code : open_node(r, NODE_MAP, e, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_node(r, err);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return ERR_NONE;
    }
    return ERR_NONE;
}

static enum err_code read_events(struct reader *r, struct err *err) {
    bool is_end = false;
    while (!is_end) {
        yaml_event_t event;
        if (yaml_parser_parse(&r->parser, &event) == 0) {
            return syntax_error(r, err);
        }
        is_end = event.type == YAML_STREAM_END_EVENT;
        const enum err_code code = take_event(r, &event, err);
        yaml_event_delete(&event);
        if (code != ERR_NONE) {
            return code;
        }
    }
    if (r->root == NULL) {
        const yaml_mark_t start = {0};
        return refuse(r, start, err, "the file is empty");
    }
    return ERR_NONE;
}

enum err_code yaml_parse(struct str text, const char *file, struct arena *arena, yaml_lookup lookup,
                         void *context, const struct node **out, struct err *err) {
    ASSERT(file != NULL && arena != NULL && out != NULL);
    if (str_starts_with(text, STR("\xEF\xBB\xBF"))) {
        text = (struct str){text.ptr + 3, text.len - 3}; /* a byte order mark is no column */
    }
    struct reader *r = mem_alloc(sizeof *r);
    *r = (struct reader){.text = text,
                         .file = arena_strdup(arena, file),
                         .arena = arena,
                         .variables = {lookup, context},
                         .line = 1};
    enum err_code code = ERR_NONE;
    if (yaml_parser_initialize(&r->parser) == 0) {
        code = err_set(err, ERR_LIMIT, "out of memory while reading %s", file);
    } else {
        yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&r->parser, (const unsigned char *)text.ptr, text.len);
        code = read_events(r, err);
        yaml_parser_delete(&r->parser);
    }
    if (code == ERR_NONE) {
        *out = r->root;
    }
    mem_free(r);
    return code;
}
