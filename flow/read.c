/* How it works: small checks over nodes. Names are checked at their key, so that a message points
 * at the name and not at what it stands for. */
#include "flow/read.h"

#include <string.h>
#include <strings.h>

#include "base/parse.h"

enum err_code read_map(const struct node *n, const char *what, const char *const *known,
                       size_t known_count, struct err *err) {
    if (n->kind != NODE_MAP) {
        return node_error(n, err, "%s must be a map, not %s", what, node_kind_name(n));
    }
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        bool is_known = false;
        for (size_t i = 0; i < known_count && !is_known; i++) {
            is_known = strcmp(known[i], item->key) == 0;
        }
        if (!is_known) {
            return node_unknown_key(item, what, known, known_count, err);
        }
    }
    return ERR_NONE;
}

enum err_code read_list(const struct node *n, struct err *err) {
    const char *name = n->key != NULL ? n->key : "this";
    if (n->kind != NODE_LIST) {
        return node_error(n, err, "'%s' must be a list, not %s", name, node_kind_name(n));
    }
    if (n->count == 0) {
        return node_error(n, err, "'%s' is an empty list", name);
    }
    return ERR_NONE;
}

enum err_code read_text(const struct node *n, const char **out, struct err *err) {
    const char *name = n->key != NULL ? n->key : "each item";
    if (n->kind != NODE_SCALAR || n->is_null) {
        return node_error(n, err, "'%s' must be a text, not %s", name, node_kind_name(n));
    }
    if (str_trim(n->text).len == 0) {
        return node_error(n, err, "'%s' is empty", name);
    }
    *out = n->text.ptr;
    return ERR_NONE;
}

enum err_code read_bool(const struct node *n, bool *out, struct err *err) {
    if (n->kind == NODE_SCALAR && str_equal_c(n->text, "true")) {
        *out = true;
        return ERR_NONE;
    }
    if (n->kind == NODE_SCALAR && str_equal_c(n->text, "false")) {
        *out = false;
        return ERR_NONE;
    }
    return node_error(n, err, "'%s' must be true or false", n->key);
}

static bool is_name_start(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

enum err_code read_name(const struct node *n, const char *kind, bool allow_dash, struct err *err) {
    char shown[NODE_SHOW_BYTES];
    str_printable(str_of(n->key), shown, sizeof shown);
    bool is_name = is_name_start(n->key[0]);
    for (const char *c = n->key; *c != '\0' && is_name; c++) {
        is_name = is_name_start(*c) || (*c >= '0' && *c <= '9') || (allow_dash && *c == '-');
    }
    if (!is_name) {
        return node_key_error(n, err,
                              "'%s' is no name for a %s: letters, digits%s '_' only, and no digit "
                              "first",
                              shown, kind, allow_dash ? ", '-' and" : " and");
    }
    if (strlen(n->key) >= FLOW_NAME_BYTES_MAX) {
        return node_key_error(n, err, "the name of the %s '%s' is longer than %d bytes", kind,
                              shown, FLOW_NAME_BYTES_MAX - 1);
    }
    if (strncasecmp(n->key, "_plumb", 6) == 0) {
        return node_key_error(n, err, "'%s' is no name for a %s: names with _plumb are plumb's own",
                              shown, kind);
    }
    return ERR_NONE;
}

enum err_code read_column_name(const struct node *n, struct err *err) {
    static const char *const reserved[] = {"_batch", "_pos", "_partition", "_record"};
    for (size_t i = 0; i < ARRAY_COUNT(reserved); i++) {
        if (strcasecmp(n->key, reserved[i]) == 0) {
            return node_key_error(n, err, "'%s' is a column that plumb adds itself; choose another",
                                  reserved[i]);
        }
    }
    return read_name(n, "column", false, err);
}

enum err_code read_distinct_names(const struct node *map, const char *kind, struct err *err) {
    for (const struct node *a = map->first; a != NULL; a = a->next) {
        for (const struct node *b = map->first; b != a; b = b->next) {
            if (strcasecmp(a->key, b->key) == 0) {
                return node_key_error(
                    a, err, "%s '%s' and '%s' differ only in case, which SQL does not tell apart",
                    kind, b->key, a->key);
            }
        }
    }
    return ERR_NONE;
}

enum err_code read_unknown(const struct node *n, const char *kind, struct str text,
                           const char *const *names, size_t count, struct err *err) {
    char shown[NODE_SHOW_BYTES];
    if (n->has_secret) {
        node_show(n, true, shown, sizeof shown);
    } else {
        str_printable(text, shown, sizeof shown);
    }
    const char *nearest = parse_nearest(text, names, count);
    if (nearest != NULL && !n->has_secret) {
        return node_error(n, err, "unknown %s '%s'; did you mean '%s'?", kind, shown, nearest);
    }
    if (count == 0) {
        return node_error(n, err, "unknown %s '%s'; there are none", kind, shown);
    }
    AUTO_BUF list = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < count && list.len < ERR_MESSAGE_BYTES; i++) {
        buf_addf(&list, "%s%s", i == 0 ? "" : ", ", names[i]);
    }
    return node_error(n, err, "unknown %s '%s'; there are %s", kind, shown, buf_c(&list));
}

/* What other databases and languages call our types. */
static const char *type_of_alias(struct str name) {
    static const struct {
        const char *alias;
        const char *type;
    } aliases[] = {
        {"int", "int64"},
        {"integer", "int64"},
        {"bigint", "int64"},
        {"string", "text"},
        {"varchar", "text"},
        {"boolean", "bool"},
        {"float", "float64"},
        {"double", "float64"},
        {"real", "float64"},
        {"number", "float64"},
        {"date", "timestamp"},
        {"datetime", "timestamp"},
        {"object", "json"},
        {"jsonb", "json"},
        {"blob", "bytes"},
        {"bytea", "bytes"},
        {"uint256", "int256"},
        {"numeric", "int256"},
        {"timestamptz", "timestamp"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(aliases); i++) {
        if (str_equal_c(name, aliases[i].alias)) {
            return aliases[i].type;
        }
    }
    return NULL;
}

enum err_code read_type(const struct node *n, enum column_type *out, struct err *err) {
    const char *text = NULL;
    const enum err_code code = read_text(n, &text, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (type_parse(n->text, out)) {
        return ERR_NONE;
    }
    const char *meant = type_of_alias(n->text);
    if (meant != NULL && !n->has_secret) {
        return node_error(n, err, "unknown type '%s'; did you mean '%s'?", text, meant);
    }
    return read_unknown(n, "type", n->text, type_names, COLUMN_TYPE_COUNT, err);
}

static enum err_code no_column(const struct node *n, const char *what, const struct schema *schema,
                               struct err *err) {
    char shown[NODE_SHOW_BYTES];
    node_show(n, false, shown, sizeof shown);
    const char *names[SCHEMA_COLUMNS_MAX];
    AUTO_BUF list = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < schema->count; i++) {
        names[i] = schema->columns[i].name;
        buf_addf(&list, "%s%s", i == 0 ? "" : ", ", names[i]);
    }
    const char *nearest = parse_nearest(n->text, names, schema->count);
    if (nearest != NULL && !n->has_secret) {
        return node_error(n, err, "%s has no column '%s'; did you mean '%s'?", what, shown,
                          nearest);
    }
    return node_error(n, err, "%s has no column '%s'; its columns are %s", what, shown,
                      buf_c(&list));
}

enum err_code read_column(const struct node *n, const char *what, const struct schema *schema,
                          size_t *out, struct err *err) {
    const char *text = NULL;
    const enum err_code code = read_text(n, &text, err);
    if (code != ERR_NONE) {
        return code;
    }
    const int found = schema_find(schema, n->text);
    if (found < 0) {
        return no_column(n, what, schema, err);
    }
    *out = (size_t)found;
    return ERR_NONE;
}

enum err_code read_columns(const struct node *n, const char *what, const struct schema *schema,
                           struct arena *arena, const size_t **out, size_t *out_count,
                           struct err *err) {
    enum err_code code = read_list(n, err);
    if (code != ERR_NONE) {
        return code;
    }
    size_t *columns = arena_new(arena, n->count * sizeof *columns);
    size_t count = 0;
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        code = read_column(item, what, schema, &columns[count], err);
        if (code != ERR_NONE) {
            return code;
        }
        for (size_t i = 0; i < count; i++) {
            if (columns[i] == columns[count]) {
                return node_error(item, err, "the column '%s' is named twice", item->text.ptr);
            }
        }
        count++;
    }
    *out = columns;
    *out_count = count;
    return ERR_NONE;
}
