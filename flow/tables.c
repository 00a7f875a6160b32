/* How it works: the columns come first, as everything else in a table names them. What depends on
 * who writes the table is checked in graph.c. */
#include "flow/read.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define INDEXES_MAX 64

static const char *const table_keys[] = {"key", "columns", "indexes", "lineage"};

static enum err_code check_table_name(const struct node *n, struct err *err) {
    static const char *const reserved[] = {"batch", "change", "changed"};
    for (size_t i = 0; i < ARRAY_COUNT(reserved); i++) {
        if (strcasecmp(n->key, reserved[i]) == 0) {
            return node_key_error(
                n, err, "'%s' is no name for a table: it is what a transform's SQL reads from",
                reserved[i]);
        }
    }
    if (strncasecmp(n->key, "sqlite_", 7) == 0 || strncasecmp(n->key, "pg_", 3) == 0) {
        return node_key_error(
            n, err, "'%s' is no name for a table: names with sqlite_ and pg_ are the store's own",
            n->key);
    }
    return read_name(n, "table", false, err);
}

/* What queues and work tables made of this one have beside its columns. */
static enum err_code check_column_name(const struct node *n, struct err *err) {
    static const char *const reserved[] = {"_n", "_sign", "_id", "_ids", "_failed", "_error"};
    for (size_t i = 0; i < ARRAY_COUNT(reserved); i++) {
        if (strcasecmp(n->key, reserved[i]) == 0) {
            return node_key_error(n, err,
                                  "'%s' is no name for a column of a table: plumb keeps something "
                                  "of its own under it; choose another (a source may have it: "
                                  "SELECT %s AS ...)",
                                  reserved[i], reserved[i]);
        }
    }
    return read_column_name(n, err);
}

static enum err_code read_table_columns(struct loader *l, const struct node *n,
                                        struct flow_table *t, struct err *err) {
    if (n->kind != NODE_MAP || n->count == 0) {
        return node_error(n, err, "'columns' must be a map of columns, such as {id: int64}, not %s",
                          n->kind == NODE_MAP ? "an empty one" : node_kind_name(n));
    }
    if (n->count > SCHEMA_COLUMNS_MAX) {
        return node_error(n, err, "there are more than %d columns", SCHEMA_COLUMNS_MAX);
    }
    struct column *columns = arena_new(l->arena, n->count * sizeof *columns);
    size_t count = 0;
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        enum err_code code = check_column_name(item, err);
        if (code == ERR_NONE && item->kind != NODE_SCALAR) {
            code = node_error(item, err, "a column of a table is a name and a type: %s: int64",
                              item->key);
        }
        if (code == ERR_NONE) {
            code = read_type(item, &columns[count].type, err);
        }
        if (code != ERR_NONE) {
            return code;
        }
        columns[count++].name = item->key;
    }
    t->schema = (struct schema){columns, count};
    return read_distinct_names(n, "columns", err);
}

static enum err_code read_key(struct loader *l, const struct node *n, const char *what,
                              struct flow_table *t, struct err *err) {
    if (n->kind == NODE_SCALAR) {
        if (str_equal_c(n->text, "auto") && !n->is_quoted) {
            t->key_auto = true;
            return ERR_NONE;
        }
        return node_error(n, err, "'key' must be a list of columns such as [id], or auto");
    }
    const enum err_code code =
        read_columns(n, what, &t->schema, l->arena, &t->key, &t->key_count, err);
    if (code != ERR_NONE) {
        return code;
    }
    const struct node *item = n->first;
    for (size_t i = 0; i < t->key_count; i++, item = item->next) {
        const struct column *c = &t->schema.columns[t->key[i]];
        if (c->type == TYPE_FLOAT64 || c->type == TYPE_JSON) {
            return node_error(item, err,
                              "the column '%s' is %s and cannot be in a key: equal values may be "
                              "written differently",
                              c->name, type_name(c->type));
        }
    }
    return ERR_NONE;
}

static enum err_code read_indexes(struct loader *l, const struct node *n, const char *what,
                                  struct flow_table *t, struct err *err) {
    enum err_code code = read_list(n, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (n->count > INDEXES_MAX) {
        return node_error(n, err, "there are more than %d indexes", INDEXES_MAX);
    }
    struct flow_index *indexes = arena_new(l->arena, n->count * sizeof *indexes);
    size_t count = 0;
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        if (item->kind != NODE_LIST || item->count == 0) {
            return node_error(item, err, "each index is a list of columns: indexes: [[%s]]",
                              t->schema.columns[0].name);
        }
        struct flow_index *index = &indexes[count++];
        code = read_columns(item, what, &t->schema, l->arena, &index->columns, &index->count, err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    t->indexes = indexes;
    t->index_count = count;
    return ERR_NONE;
}

static enum err_code read_table(struct loader *l, const struct node *n, struct flow_table *t,
                                struct err *err) {
    enum err_code code = check_table_name(n, err);
    if (code != ERR_NONE) {
        return code;
    }
    char what[FLOW_NAME_BYTES_MAX + 16];
    (void)snprintf(what, sizeof what, "table '%s'", n->key);
    code = read_map(n, what, table_keys, ARRAY_COUNT(table_keys), err);
    if (code != ERR_NONE) {
        return code;
    }
    t->name = n->key;
    t->node = n;
    const struct node *columns = node_get(n, "columns");
    const struct node *key = node_get(n, "key");
    if (columns == NULL) {
        return node_key_error(n, err, "%s has no columns; write columns: {id: int64, name: text}",
                              what);
    }
    if (key == NULL) {
        return node_key_error(n, err,
                              "%s has no key: name the columns that tell its rows apart, such as "
                              "key: [id], or write key: auto for a log",
                              what);
    }
    code = read_table_columns(l, columns, t, err);
    if (code == ERR_NONE) {
        code = read_key(l, key, what, t, err);
    }
    const struct node *indexes = node_get(n, "indexes");
    if (code == ERR_NONE && indexes != NULL) {
        code = read_indexes(l, indexes, what, t, err);
    }
    const struct node *lineage = node_get(n, "lineage");
    if (code == ERR_NONE && lineage != NULL) {
        code = read_bool(lineage, &t->lineage, err);
    }
    return code;
}

enum err_code tables_load(struct loader *l, const struct node *section, struct err *err) {
    struct flow_table *tables = arena_new(l->arena, (section->count + 1) * sizeof *tables);
    size_t count = 0;
    for (const struct node *n = section->first; n != NULL; n = n->next) {
        const enum err_code code = read_table(l, n, &tables[count], err);
        if (code != ERR_NONE) {
            return code;
        }
        count++;
    }
    l->flow->tables = tables;
    l->flow->table_count = count;
    return read_distinct_names(section, "tables", err);
}

void flow_index_name(const struct flow_table *t, size_t index, struct buf *out) {
    buf_adds(out, t->name);
    for (size_t k = 0; k < t->indexes[index].count; k++) {
        buf_addf(out, "_%s", t->schema.columns[t->indexes[index].columns[k]].name);
    }
    buf_adds(out, "_index");
}
