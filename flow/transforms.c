/* How it works: which of sql, sum and derive is there decides the kind, and the kind decides which
 * other keys make sense. Names are resolved here; who writes what and in which order is graph.c's
 * business. */
#include "flow/read.h"

#include <stdio.h>
#include <string.h>

#define MAP    1u
#define SUM    2u
#define DERIVE 4u

struct key_use {
    const char *key;
    unsigned kinds;
};

static const struct key_use uses[] = {
    {"from", MAP | SUM},
    {"into", MAP | SUM | DERIVE},
    {"on", DERIVE},
    {"latest_by", MAP},
    {"delete_when", MAP},
    {"many", MAP},
    {"rejects", MAP | DERIVE},
    {"sql", MAP},
    {"sum", SUM},
    {"derive", DERIVE},
};

static const char *const kind_names[] = {
    [TRANSFORM_MAP] = "map (sql:)", [TRANSFORM_SUM] = "sum", [TRANSFORM_DERIVE] = "derive"};
static const char *const kind_keys[] = {
    [TRANSFORM_MAP] = "sql", [TRANSFORM_SUM] = "sum", [TRANSFORM_DERIVE] = "derive"};

static enum err_code find_kind(const struct node *n, enum transform_kind *out, struct err *err) {
    const struct node *found = NULL;
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        for (size_t kind = 0; kind < ARRAY_COUNT(kind_keys); kind++) {
            if (strcmp(item->key, kind_keys[kind]) != 0) {
                continue;
            }
            if (found != NULL) {
                return node_key_error(item, err,
                                      "transform '%s' has '%s' and '%s'; it does one thing only",
                                      n->key, found->key, item->key);
            }
            found = item;
            *out = (enum transform_kind)kind;
        }
    }
    if (found == NULL) {
        return node_key_error(
            n, err, "transform '%s' needs one of 'sql' (a map), 'sum' and 'derive'", n->key);
    }
    return ERR_NONE;
}

static enum err_code check_uses(const struct node *n, enum transform_kind kind, struct err *err) {
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        for (size_t i = 0; i < ARRAY_COUNT(uses); i++) {
            if (strcmp(uses[i].key, item->key) == 0 && (uses[i].kinds & (1u << kind)) == 0) {
                return node_key_error(item, err, "'%s' has no meaning in a %s", item->key,
                                      kind_names[kind]);
            }
        }
    }
    return ERR_NONE;
}

/* ---- map ---- */

static enum err_code add_latest_by(struct flow_transform *t, const char *what, const struct node *n,
                                   struct err *err) {
    size_t column = 0;
    const enum err_code code = read_column(n, what, &t->into->schema, &column, err);
    if (code != ERR_NONE) {
        return code;
    }
    const struct column *c = &t->into->schema.columns[column];
    if (c->type == TYPE_JSON || c->type == TYPE_BOOL) {
        return node_error(n, err, "the column '%s' is %s, which has no order of time", c->name,
                          type_name(c->type));
    }
    for (size_t i = 0; i < t->into->key_count; i++) {
        if (t->into->key[i] == column) {
            return node_error(n, err,
                              "the column '%s' is in the key of %s: rows of one key all have the "
                              "same",
                              c->name, what);
        }
    }
    for (size_t i = 0; i < t->latest_by_count; i++) {
        if (t->latest_by[i] == column) {
            return node_error(n, err, "the column '%s' is named twice", c->name);
        }
    }
    if (t->latest_by_count == ARRAY_COUNT(t->latest_by)) {
        return node_error(n, err, "'latest_by' takes at most %zu columns",
                          ARRAY_COUNT(t->latest_by));
    }
    t->latest_by[t->latest_by_count++] = column;
    return ERR_NONE;
}

static enum err_code read_latest_by(struct flow_transform *t, const struct node *n,
                                    struct err *err) {
    char what[FLOW_NAME_BYTES_MAX + 16];
    (void)snprintf(what, sizeof what, "table '%s'", t->into->name);
    if (n->kind == NODE_SCALAR) {
        return add_latest_by(t, what, n, err);
    }
    enum err_code code = read_list(n, err);
    for (const struct node *item = n->first; code == ERR_NONE && item != NULL; item = item->next) {
        code = add_latest_by(t, what, item, err);
    }
    return code;
}

/* What needs rows that can be found again: a log's rows have no key but their place. */
static enum err_code check_auto_key(const struct flow_transform *t, const struct node *n,
                                    struct err *err) {
    if (n != NULL && t->into->key_auto) {
        return node_key_error(n, err, "'%s' needs a key of columns; the table '%s' has key: auto",
                              n->key, t->into->name);
    }
    return ERR_NONE;
}

static enum err_code read_map_keys(struct loader *l, const struct node *n, struct flow_transform *t,
                                   struct err *err) {
    const struct node *from = node_get(n, "from");
    if (from == NULL) {
        return node_key_error(n, err, "transform '%s' needs 'from': the source that it maps",
                              n->key);
    }
    const struct node *latest_by = node_get(n, "latest_by");
    const struct node *delete_when = node_get(n, "delete_when");
    const struct node *many = node_get(n, "many");
    enum err_code code = graph_find_stream(l, from, &t->stream, err);
    if (code == ERR_NONE) {
        t->source = t->stream->source;
    }
    if (code == ERR_NONE) {
        code = check_auto_key(t, latest_by, err);
    }
    if (code == ERR_NONE && latest_by != NULL) {
        code = read_latest_by(t, latest_by, err);
    }
    if (code == ERR_NONE) {
        code = check_auto_key(t, delete_when, err);
    }
    if (code == ERR_NONE && delete_when != NULL) {
        t->delete_when_node = delete_when;
        code = read_text(delete_when, &t->delete_when, err);
    }
    if (code == ERR_NONE && many != NULL) {
        code = read_bool(many, &t->many, err);
    }
    if (code == ERR_NONE && t->many) {
        code = check_auto_key(t, many, err);
    }
    return code;
}

/* ---- sum and derive ---- */

static bool is_key_column(const struct flow_table *table, size_t column) {
    for (size_t i = 0; i < table->key_count; i++) {
        if (table->key[i] == column) {
            return true;
        }
    }
    return false;
}

static enum err_code check_amounts(const struct flow_transform *t, const struct node *into,
                                   struct err *err) {
    for (size_t i = 0; i < t->into->schema.count; i++) {
        const struct column *c = &t->into->schema.columns[i];
        if (is_key_column(t->into, i) || c->type == TYPE_INT64 || c->type == TYPE_INT256) {
            continue;
        }
        if (c->type == TYPE_FLOAT64) {
            return node_error(into, err,
                              "a sum cannot fill the column '%s' of '%s', which is float64: floats "
                              "added in another order give another result; use int64 or int256 "
                              "(cents instead of dollars)",
                              c->name, t->into->name);
        }
        return node_error(into, err,
                          "a sum cannot fill the column '%s' of '%s', which is %s: columns outside "
                          "the key are amounts, int64 or int256",
                          c->name, t->into->name, type_name(c->type));
    }
    return ERR_NONE;
}

static enum err_code read_sum_keys(struct loader *l, const struct node *n, struct flow_transform *t,
                                   struct err *err) {
    const struct node *from = node_get(n, "from");
    if (from == NULL) {
        return node_key_error(
            n, err, "transform '%s' needs 'from': the table whose rows it adds up", n->key);
    }
    const char *text = NULL;
    enum err_code code = read_text(from, &text, err);
    if (code == ERR_NONE) {
        code = graph_find_table(l, from, from->text, &t->from, err);
    }
    return code != ERR_NONE ? code : check_amounts(t, node_get(n, "into"), err);
}

static enum err_code read_derive_keys(struct loader *l, const struct node *n,
                                      struct flow_transform *t, struct err *err) {
    const struct node *on = node_get(n, "on");
    if (on == NULL) {
        return node_key_error(n, err,
                              "transform '%s' needs 'on': the tables whose changes it follows, "
                              "such as on: [orders]",
                              n->key);
    }
    return on_load(l, t, on, err);
}

/* ---- a transform ---- */

static enum err_code read_into(struct loader *l, const struct node *n, struct flow_transform *t,
                               struct err *err) {
    const struct node *into = node_get(n, "into");
    if (into == NULL) {
        return node_key_error(n, err, "transform '%s' needs 'into': the table that it writes",
                              n->key);
    }
    const char *text = NULL;
    enum err_code code = read_text(into, &text, err);
    if (code == ERR_NONE) {
        code = graph_find_table(l, into, into->text, &t->into, err);
    }
    if (code == ERR_NONE && t->kind != TRANSFORM_MAP && t->into->key_auto) {
        return node_error(into, err, "a %s writes by key; the table '%s' has key: auto",
                          kind_names[t->kind], t->into->name);
    }
    return code;
}

static enum err_code read_transform(struct loader *l, const struct node *n,
                                    struct flow_transform *t, struct err *err) {
    char what[FLOW_NAME_BYTES_MAX + 16];
    const char *known[ARRAY_COUNT(uses)];
    for (size_t i = 0; i < ARRAY_COUNT(uses); i++) {
        known[i] = uses[i].key;
    }
    enum err_code code = read_name(n, "transform", true, err);
    if (code == ERR_NONE) {
        (void)snprintf(what, sizeof what, "transform '%s'", n->key);
        code = read_map(n, what, known, ARRAY_COUNT(known), err);
    }
    if (code == ERR_NONE) {
        code = find_kind(n, &t->kind, err);
    }
    if (code == ERR_NONE) {
        code = check_uses(n, t->kind, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    t->name = n->key;
    t->node = n;
    code = read_into(l, n, t, err);
    const struct node *rejects = node_get(n, "rejects");
    if (code == ERR_NONE && rejects != NULL) {
        code = limit_load(rejects, &t->rejects, err);
    }
    if (code == ERR_NONE && t->kind == TRANSFORM_DERIVE && t->rejects.of > 0) {
        return node_error(rejects, err,
                          "keys on which a derive fails are counted, not a share of them: write "
                          "rejects: {max: 100}");
    }
    if (code == ERR_NONE) {
        code = sql_load(l, node_get(n, kind_keys[t->kind]), &t->sql, &t->sql_node, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    switch (t->kind) {
    case TRANSFORM_MAP:
        return read_map_keys(l, n, t, err);
    case TRANSFORM_SUM:
        return read_sum_keys(l, n, t, err);
    case TRANSFORM_DERIVE:
        return read_derive_keys(l, n, t, err);
    }
    return ERR_NONE;
}

enum err_code transforms_load(struct loader *l, const struct node *section, struct err *err) {
    struct flow_transform *transforms =
        arena_new(l->arena, (section->count + 1) * sizeof *transforms);
    size_t count = 0;
    for (const struct node *n = section->first; n != NULL; n = n->next) {
        const enum err_code code = read_transform(l, n, &transforms[count], err);
        if (code != ERR_NONE) {
            return code;
        }
        transforms[count].definition = definition_of(&transforms[count]);
        count++;
    }
    l->flow->transforms = transforms;
    l->flow->transform_count = count;
    return read_distinct_names(section, "transforms", err);
}
