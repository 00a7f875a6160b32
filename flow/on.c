/* How it works: `on` says for each changing table how its rows lead to keys of the derive's table.
 *
 *   on: [a, b]           the key columns of into, found by name in a and b
 *   on: {a: [x, y]}      the first columns of into's key, in that order, from x and y
 *   on: {a: SELECT ...}  the same from SQL over `change`; its columns are counted by transform/
 *
 * All entries give the same number of columns; it is taken from the first list, and is the whole
 * key if there is only SQL. */
#include "flow/read.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ON_TABLES_MAX 32

static enum err_code add_table(struct loader *l, const struct node *n, struct str name,
                               struct flow_transform *t, struct flow_on *on, struct err *err) {
    const enum err_code code = graph_find_table(l, n, name, &on->table, err);
    if (code != ERR_NONE) {
        return code;
    }
    for (size_t i = 0; i < t->on_count; i++) {
        if (t->on[i].table == on->table) {
            return node_error(n, err, "the table '%s' is named twice in 'on'", on->table->name);
        }
    }
    on->node = n;
    return ERR_NONE;
}

/* columns[i] of on->table must be able to hold into's i-th key column. */
static enum err_code check_types(const struct flow_transform *t, const struct flow_on *on,
                                 const struct node *n, const size_t *columns, size_t count,
                                 struct err *err) {
    for (size_t i = 0; i < count; i++) {
        const struct column *key = &t->into->schema.columns[t->into->key[i]];
        const struct column *own = &on->table->schema.columns[columns[i]];
        if (key->type != own->type) {
            return node_error(n, err, "'%s' of '%s' is %s, but '%s' in the key of '%s' is %s",
                              own->name, on->table->name, type_name(own->type), key->name,
                              t->into->name, type_name(key->type));
        }
    }
    return ERR_NONE;
}

static void set_columns(struct loader *l, struct flow_on *on, const size_t *columns, size_t count) {
    const char **names = arena_new(l->arena, (count + 1) * sizeof *names);
    for (size_t i = 0; i < count; i++) {
        names[i] = on->table->schema.columns[columns[i]].name;
    }
    on->columns = names;
    on->column_count = count;
}

/* One item of the list form. */
static enum err_code add_by_name(struct loader *l, const struct node *item,
                                 struct flow_transform *t, struct flow_on *on, struct err *err) {
    const char *text = NULL;
    enum err_code code = read_text(item, &text, err);
    if (code == ERR_NONE) {
        code = add_table(l, item, item->text, t, on, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    size_t *columns = arena_new(l->arena, t->into->key_count * sizeof *columns);
    for (size_t i = 0; i < t->into->key_count; i++) {
        const char *name = t->into->schema.columns[t->into->key[i]].name;
        const int found = schema_find(&on->table->schema, str_of(name));
        if (found < 0) {
            return node_error(item, err,
                              "the table '%s' has no column '%s', which is in the key of '%s'; say "
                              "how its rows lead to keys: on: {%s: [column]} or {%s: SELECT ...}",
                              on->table->name, name, t->into->name, on->table->name,
                              on->table->name);
        }
        columns[i] = (size_t)found;
    }
    set_columns(l, on, columns, t->into->key_count);
    return check_types(t, on, item, columns, t->into->key_count, err);
}

static bool is_select(struct str text) {
    const struct str s = str_trim(text);
    const bool is_file = str_ends_with(s, STR(".sql"));
    return is_file || (s.len > 6 && strncasecmp(s.ptr, "select", 6) == 0) ||
           (s.len > 4 && strncasecmp(s.ptr, "with", 4) == 0);
}

static enum err_code add_list(struct loader *l, const struct node *item, struct flow_transform *t,
                              struct flow_on *on, struct err *err) {
    char what[FLOW_NAME_BYTES_MAX + 16];
    (void)snprintf(what, sizeof what, "table '%s'", on->table->name);
    const size_t *columns = NULL;
    size_t count = 0;
    const enum err_code code =
        read_columns(item, what, &on->table->schema, l->arena, &columns, &count, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (count > t->into->key_count) {
        return node_error(item, err, "there are %zu columns, but the key of '%s' has only %zu",
                          count, t->into->name, t->into->key_count);
    }
    if (t->changed_count != 0 && t->changed_count != count) {
        return node_error(item, err, "there are %zu columns here and %zu for another table of 'on'",
                          count, t->changed_count);
    }
    t->changed_count = count;
    set_columns(l, on, columns, count);
    return check_types(t, on, item, columns, count, err);
}

/* One member of the map form. */
static enum err_code add_mapped(struct loader *l, const struct node *item, struct flow_transform *t,
                                struct flow_on *on, struct err *err) {
    const enum err_code code = add_table(l, item, str_of(item->key), t, on, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (item->kind == NODE_LIST) {
        return add_list(l, item, t, on, err);
    }
    if (item->kind != NODE_SCALAR || item->is_null || !is_select(item->text)) {
        return node_error(item, err,
                          "for '%s' write a list of its columns, or SQL over change that starts "
                          "with SELECT or WITH",
                          item->key);
    }
    return sql_load(l, item, &on->sql, &on->node, err);
}

enum err_code on_load(struct loader *l, struct flow_transform *t, const struct node *n,
                      struct err *err) {
    if (n->kind == NODE_SCALAR || n->count == 0) {
        return node_error(n, err,
                          "'on' must be a list of tables such as [orders], or a map of tables, not "
                          "%s",
                          n->kind == NODE_SCALAR ? node_kind_name(n) : "an empty one");
    }
    if (n->count > ON_TABLES_MAX) {
        return node_error(n, err, "'on' names more than %d tables", ON_TABLES_MAX);
    }
    struct flow_on *on = arena_new(l->arena, n->count * sizeof *on);
    t->on = on;
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        const enum err_code code = n->kind == NODE_LIST
                                       ? add_by_name(l, item, t, &on[t->on_count], err)
                                       : add_mapped(l, item, t, &on[t->on_count], err);
        if (code != ERR_NONE) {
            return code;
        }
        t->on_count++;
    }
    if (t->changed_count == 0) {
        t->changed_count = t->into->key_count;
    }
    t->changed = t->into->key; /* the first columns of the key, in its order */
    return ERR_NONE;
}
