/* How it works: each kind needs one sort of thing. A plain name is looked for among those; where two
 * sorts would do and both have the name, the flow must say `sources.x` or `transforms.x`. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "flow/checks_read.h"
#include "rows/int256.h"

#define WHAT_BYTES (FLOW_NAME_BYTES_MAX + 16)

/* "tables.x" -> "x": true and the prefix is off. */
static bool take_prefix(struct str *name, struct str prefix) {
    if (!str_starts_with(*name, prefix)) {
        return false;
    }
    *name = (struct str){name->ptr + prefix.len, name->len - prefix.len};
    return true;
}

static const struct flow_source *source_of(const struct flow *f, struct str name) {
    for (size_t i = 0; i < f->source_count; i++) {
        if (str_equal_c(name, f->sources[i].name)) {
            return &f->sources[i];
        }
    }
    return NULL;
}

static const struct flow_transform *transform_of(const struct flow *f, struct str name) {
    for (size_t i = 0; i < f->transform_count; i++) {
        if (str_equal_c(name, f->transforms[i].name)) {
            return &f->transforms[i];
        }
    }
    return NULL;
}

static const struct flow_table *table_of(const struct flow *f, struct str name) {
    for (size_t i = 0; i < f->table_count; i++) {
        if (str_equal_c(name, f->tables[i].name)) {
            return &f->tables[i];
        }
    }
    return NULL;
}

#define WANT_SOURCE    1u
#define WANT_TRANSFORM 2u

/* Another sort of thing has the name. */
static const char *other_sort(const struct flow *f, struct str name) {
    return source_of(f, name) != NULL      ? "a source"
           : transform_of(f, name) != NULL ? "a transform"
           : table_of(f, name) != NULL     ? "a table"
                                           : NULL;
}

static enum err_code no_such(struct loader *l, const struct flow_check *c, const struct node *n,
                             struct str name, unsigned wants, struct err *err) {
    const struct flow *f = l->flow;
    const char *other = other_sort(f, name);
    if (other != NULL) {
        return node_error(n, err, "'%.*s' is %s; %s is about %s", STR_FMT(name), other,
                          check_kinds[c->kind].name, check_kinds[c->kind].subject);
    }
    const char **names =
        arena_new(l->arena, (f->source_count + f->transform_count + 1) * sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < f->source_count && (wants & WANT_SOURCE) != 0; i++) {
        names[count++] = f->sources[i].name;
    }
    for (size_t i = 0; i < f->transform_count && (wants & WANT_TRANSFORM) != 0; i++) {
        names[count++] = f->transforms[i].name;
    }
    const char *kind = wants == WANT_SOURCE      ? "source"
                       : wants == WANT_TRANSFORM ? "transform"
                                                 : "source or transform";
    return read_unknown(n, kind, name, names, count, err);
}

static enum err_code find_stream(struct loader *l, const struct node *n, struct flow_check *c,
                                 struct str stream, struct err *err) {
    const struct flow_source *s = c->source;
    const char **names = arena_new(l->arena, s->stream_count * sizeof *names);
    for (size_t i = 0; i < s->stream_count; i++) {
        names[i] = s->streams[i].name;
        if (str_equal_c(stream, names[i])) {
            c->stream = &s->streams[i];
            return ERR_NONE;
        }
    }
    return read_unknown(n, "stream", stream, names, s->stream_count, err);
}

/* A source (with ".stream" where only sources are asked for) or a transform. */
static enum err_code find_stage(struct loader *l, struct flow_check *c, const struct node *n,
                                unsigned wants, struct err *err) {
    struct str name = n->text;
    const bool says_source = take_prefix(&name, STR("sources."));
    const bool says_transform = !says_source && take_prefix(&name, STR("transforms."));
    const size_t dot = wants == WANT_SOURCE ? str_find(name, '.') : name.len;
    const struct str stream = {name.ptr + dot + 1, dot < name.len ? name.len - dot - 1 : 0};
    name.len = dot;
    const struct flow_source *source =
        (wants & WANT_SOURCE) != 0 && !says_transform ? source_of(l->flow, name) : NULL;
    const struct flow_transform *transform =
        (wants & WANT_TRANSFORM) != 0 && !says_source ? transform_of(l->flow, name) : NULL;
    if (source != NULL && transform != NULL) {
        return node_error(n, err,
                          "'%.*s' is a source and a transform; write sources.%.*s or "
                          "transforms.%.*s",
                          STR_FMT(name), STR_FMT(name), STR_FMT(name));
    }
    if (source == NULL && transform == NULL) {
        return no_such(l, c, n, name, wants, err);
    }
    c->source = source;
    c->transform = transform;
    c->subject = source != NULL ? source->name : transform->name;
    if (stream.len == 0) {
        return ERR_NONE;
    }
    c->subject = arena_printf(l->arena, "%.*s.%.*s", STR_FMT(name), STR_FMT(stream));
    return find_stream(l, n, c, stream, err);
}

static enum err_code need_map(const struct flow_check *c, const struct node *n, struct err *err) {
    if (c->transform == NULL || c->transform->kind == TRANSFORM_MAP) {
        return ERR_NONE;
    }
    return node_error(n, err, "'%s' is a %s; %s is about %s", c->transform->name,
                      c->transform->kind == TRANSFORM_SUM ? "sum" : "derive",
                      check_kinds[c->kind].name, check_kinds[c->kind].subject);
}

static enum err_code need_cap(const struct flow_check *c, const struct node *n, unsigned cap,
                              const char *what, struct err *err) {
    if ((c->source->component->caps & cap) != 0) {
        return ERR_NONE;
    }
    return node_error(n, err, "source '%s' is of type %s, which %s", c->source->name,
                      c->source->component->name, what);
}

/* ---- tables ---- */

static enum err_code find_table(struct loader *l, struct flow_check *c, const struct node *n,
                                struct str name, struct err *err) {
    const struct flow *f = l->flow;
    c->table = table_of(f, name);
    if (c->table != NULL) {
        return ERR_NONE;
    }
    const char **names = arena_new(l->arena, (f->table_count + 1) * sizeof *names);
    for (size_t i = 0; i < f->table_count; i++) {
        names[i] = f->tables[i].name;
    }
    return read_unknown(n, "table", name, names, f->table_count, err);
}

static enum err_code find_columns(struct loader *l, struct flow_check *c, const struct node *n,
                                  struct err *err) {
    struct str name = n->text;
    (void)take_prefix(&name, STR("tables."));
    const size_t dot = str_find(name, '.');
    const bool lists = c->conf.columns.count > 0;
    const struct str table = {name.ptr, dot};
    c->subject = arena_strndup(l->arena, name.ptr, name.len);
    const enum err_code code = find_table(l, c, n, table, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (lists == (dot < name.len)) {
        return node_error(n, err, "%s is about %s", check_kinds[c->kind].name,
                          check_kinds[c->kind].subject);
    }
    char what[WHAT_BYTES];
    (void)snprintf(what, sizeof what, "table '%s'", c->table->name);
    if (lists) {
        const size_t *found = NULL;
        const struct node *list = node_get(c->node, "columns");
        const enum err_code read =
            read_columns(list, what, &c->table->schema, l->arena, &found, &c->column_count, err);
        if (read == ERR_NONE && c->column_count > CHECK_COLUMNS_MAX) {
            return node_error(list, err, "there are more than %d columns", CHECK_COLUMNS_MAX);
        }
        for (size_t i = 0; read == ERR_NONE && i < c->column_count; i++) {
            c->columns[i] = found[i];
        }
        return read;
    }
    struct node column = *n;
    column.text = (struct str){name.ptr + dot + 1, name.len - dot - 1};
    c->column_count = 1;
    return read_column(&column, what, &c->table->schema, &c->columns[0], err);
}

static enum err_code need_timestamp(const struct flow_check *c, const struct node *n,
                                    struct err *err) {
    const struct column *column = &c->table->schema.columns[c->columns[0]];
    if (column->type == TYPE_TIMESTAMP) {
        return ERR_NONE;
    }
    return node_error(n, err, "the column '%s' is %s; freshness needs a timestamp", column->name,
                      type_name(column->type));
}

/* A bound as SQL, in the column's type. NULL text gives NULL. */
static bool bound_sql(struct loader *l, enum column_type type, const char *text, const char **out) {
    int64_t integer = 0;
    double real = 0;
    struct int256 big;
    char number[PARSE_F64_TEXT_BYTES];
    switch (type) {
    case TYPE_INT64:
        *out =
            parse_i64(str_of(text), &integer) ? arena_printf(l->arena, "%" PRId64, integer) : NULL;
        return *out != NULL;
    case TYPE_FLOAT64:
        if (!parse_f64(str_of(text), &real)) {
            return false;
        }
        parse_print_f64(real, number);
        *out = arena_strdup(l->arena, number);
        return true;
    case TYPE_TIMESTAMP:
        *out = clock_parse(str_of(text), &integer) ? arena_printf(l->arena, "%" PRId64, integer)
                                                   : NULL;
        return *out != NULL;
    case TYPE_INT256:
        *out = int256_parse(str_of(text), &big) ? arena_printf(l->arena, "i256('%s')", text) : NULL;
        return *out != NULL;
    case TYPE_BOOL:
    case TYPE_TEXT:
    case TYPE_BYTES:
    case TYPE_JSON:
        return false;
    }
    return false;
}

static enum err_code read_range(struct loader *l, struct flow_check *c, const struct node *n,
                                struct err *err) {
    const struct column *column = &c->table->schema.columns[c->columns[0]];
    if (c->conf.low == NULL && c->conf.high == NULL) {
        return node_key_error(c->node, err, "check '%s' has no bound; give min, max or both",
                              c->name);
    }
    if (column->type != TYPE_INT64 && column->type != TYPE_FLOAT64 &&
        column->type != TYPE_TIMESTAMP && column->type != TYPE_INT256) {
        return node_error(n, err, "the column '%s' is %s, which has no range", column->name,
                          type_name(column->type));
    }
    const struct {
        const char *key;
        const char *text;
        const char **out;
    } bounds[] = {{"min", c->conf.low, &c->low_sql}, {"max", c->conf.high, &c->high_sql}};
    for (size_t i = 0; i < ARRAY_COUNT(bounds); i++) {
        if (bounds[i].text != NULL && !bound_sql(l, column->type, bounds[i].text, bounds[i].out)) {
            const struct node *bound = node_get(c->node, bounds[i].key);
            char shown[NODE_SHOW_BYTES];
            node_show(bound, false, shown, sizeof shown);
            return node_error(bound, err, "'%s' must be %s as the column is, not '%s'",
                              bounds[i].key, type_name(column->type), shown);
        }
    }
    return ERR_NONE;
}

static enum err_code check_events(const struct flow_check *c, struct err *err) {
    static const char *const known[] = {"new_field", "missing_field", "changed_type"};
    const struct node *list = node_get(c->node, "events");
    const struct node *item = list != NULL ? list->first : NULL;
    for (; item != NULL; item = item->next) {
        bool is_known = false;
        for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
            is_known = is_known || str_equal_c(item->text, known[i]);
        }
        if (!is_known) {
            return read_unknown(item, "event", item->text, known, ARRAY_COUNT(known), err);
        }
    }
    return ERR_NONE;
}

static enum err_code check_volume_days(const struct flow_check *c, struct err *err) {
    if (c->conf.min_days <= c->conf.days) {
        return ERR_NONE;
    }
    const struct node *n = node_get(c->node, "min_days");
    return node_error(n != NULL ? n : c->node, err,
                      "'min_days' is more than 'days': it would learn for ever");
}

static enum err_code find_source(struct loader *l, struct flow_check *c, const struct node *n,
                                 struct err *err) {
    enum err_code code = find_stage(l, c, n, WANT_SOURCE, err);
    if (code == ERR_NONE && c->stream != NULL && c->kind != CHECK_HEARTBEAT) {
        code = node_error(n, err, "%s is about a source as a whole; write %s",
                          check_kinds[c->kind].name, c->source->name);
    }
    if (code == ERR_NONE && c->kind == CHECK_GAP) {
        code = need_cap(c, n, CAP_COVERS, "does not say what it has covered", err);
    }
    if (code == ERR_NONE && c->kind == CHECK_HTTP_STATUS) {
        code = need_cap(c, n, CAP_HTTP, "does not ask by HTTP", err);
    }
    if (code == ERR_NONE && c->kind == CHECK_SCHEMA_CHANGE) {
        code = check_events(c, err);
    }
    return code == ERR_NONE && c->kind == CHECK_VOLUME ? check_volume_days(c, err) : code;
}

static enum err_code find_table_part(struct loader *l, struct flow_check *c, const struct node *n,
                                     struct err *err) {
    enum err_code code = find_columns(l, c, n, err);
    if (code == ERR_NONE && c->kind == CHECK_FRESHNESS) {
        code = need_timestamp(c, n, err);
    }
    return code == ERR_NONE && c->kind == CHECK_RANGE ? read_range(l, c, n, err) : code;
}

static enum err_code find_either(struct loader *l, struct flow_check *c, const struct node *n,
                                 struct err *err) {
    const enum err_code code = find_stage(l, c, n, WANT_SOURCE | WANT_TRANSFORM, err);
    if (code == ERR_NONE && c->kind == CHECK_LATENCY && c->transform != NULL &&
        c->conf.stage == STAGE_EXTRACT) {
        return node_error(n, err, "'%s' is a transform; stage extract is about a source",
                          c->transform->name);
    }
    return code == ERR_NONE && c->kind != CHECK_ERRORS ? need_map(c, n, err) : code;
}

enum err_code check_find_subject(struct loader *l, struct flow_check *c, const struct node *n,
                                 struct err *err) {
    const char *text = NULL;
    enum err_code code = read_text(n, &text, err);
    if (code != ERR_NONE) {
        return code;
    }
    switch (c->kind) {
    case CHECK_HEARTBEAT:
    case CHECK_GAP:
    case CHECK_SCHEMA_CHANGE:
    case CHECK_HTTP_STATUS:
    case CHECK_VOLUME:
        return find_source(l, c, n, err);
    case CHECK_LATENCY:
    case CHECK_ERRORS:
    case CHECK_REJECTS:
    case CHECK_ROWS:
        return find_either(l, c, n, err);
    case CHECK_DUPLICATES:
        code = find_stage(l, c, n, WANT_TRANSFORM, err);
        return code == ERR_NONE ? need_map(c, n, err) : code;
    case CHECK_NULLS:
    case CHECK_RANGE:
    case CHECK_UNIQUE:
    case CHECK_FRESHNESS:
        return find_table_part(l, c, n, err);
    case CHECK_SQL:
        return sql_load(l, n, &c->sql, &c->sql_node, err);
    }
    return ERR_NONE;
}
