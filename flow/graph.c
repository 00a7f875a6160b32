/* How it works: names resolve by what the place needs: a map's `from` is a source, everything else
 * is a table, and `sources.x`, `tables.x` say so in so many words. Then each table learns its
 * writers. Transforms are put into an order by taking, again and again, the first in the file whose
 * input tables nobody still unplaced writes; when none is left to take, following inputs back from
 * any of them must come to a table twice, and that walk is the cycle shown. */
#include "flow/read.h"

#include <string.h>

/* ---- names ---- */

enum name_prefix { PREFIX_NONE, PREFIX_SOURCES, PREFIX_TABLES };

static enum name_prefix split_prefix(struct str *name) {
    static const struct {
        struct str text;
        enum name_prefix prefix;
    } prefixes[] = {{{"sources.", 8}, PREFIX_SOURCES}, {{"tables.", 7}, PREFIX_TABLES}};
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
        if (str_starts_with(*name, prefixes[i].text)) {
            *name =
                (struct str){name->ptr + prefixes[i].text.len, name->len - prefixes[i].text.len};
            return prefixes[i].prefix;
        }
    }
    return PREFIX_NONE;
}

static const struct flow_source *source_named(const struct flow *f, struct str name) {
    for (size_t i = 0; i < f->source_count; i++) {
        if (str_equal_c(name, f->sources[i].name)) {
            return &f->sources[i];
        }
    }
    return NULL;
}

static const struct flow_table *table_named(const struct flow *f, struct str name) {
    for (size_t i = 0; i < f->table_count; i++) {
        if (str_equal_c(name, f->tables[i].name)) {
            return &f->tables[i];
        }
    }
    return NULL;
}

/* "source.stream": *name becomes the source's. */
static struct str split_stream(struct str *name) {
    const size_t dot = str_find(*name, '.');
    if (dot == name->len) {
        return STR("");
    }
    const struct str stream = {name->ptr + dot + 1, name->len - dot - 1};
    name->len = dot;
    return stream;
}

static enum err_code find_stream(const struct loader *l, const struct node *n,
                                 const struct flow_source *s, struct str name,
                                 const struct flow_stream **out, struct err *err) {
    const char **names = arena_new(l->arena, s->stream_count * sizeof *names);
    for (size_t i = 0; i < s->stream_count; i++) {
        names[i] = s->streams[i].name;
        if (str_equal_c(name, names[i])) {
            *out = &s->streams[i];
            return ERR_NONE;
        }
    }
    if (s->stream_count == 1 && names[0][0] == '\0') {
        return node_error(n, err, "source '%s' has one stream only; write from: %s", s->name,
                          s->name);
    }
    if (name.len == 0) {
        return node_error(n, err,
                          "source '%s' has several streams; say which one, for example from: %s",
                          s->name, s->streams[0].full_name);
    }
    return read_unknown(n, "stream", name, names, s->stream_count, err);
}

static enum err_code no_such_source(const struct loader *l, const struct node *n, struct str name,
                                    struct err *err) {
    const struct flow *f = l->flow;
    const char **names = arena_new(l->arena, (f->source_count + 1) * sizeof *names);
    for (size_t i = 0; i < f->source_count; i++) {
        names[i] = f->sources[i].name;
    }
    return read_unknown(n, "source", name, names, f->source_count, err);
}

enum err_code graph_find_stream(const struct loader *l, const struct node *n,
                                const struct flow_stream **out, struct err *err) {
    const char *text = NULL;
    const enum err_code code = read_text(n, &text, err);
    if (code != ERR_NONE) {
        return code;
    }
    const struct flow *f = l->flow;
    struct str name = n->text;
    const enum name_prefix prefix = split_prefix(&name);
    const struct str stream = split_stream(&name);
    const struct flow_source *found = source_named(f, name);
    if (prefix != PREFIX_TABLES && found != NULL) {
        return find_stream(l, n, found, stream, out, err);
    }
    if (prefix != PREFIX_SOURCES && table_named(f, name) != NULL) {
        return node_error(n, err,
                          "a map (sql:) reads a source, and '%.*s' is a table; what follows a "
                          "table's changes is a sum or a derive",
                          STR_FMT(name));
    }
    if (found != NULL) {
        return node_error(n, err,
                          "there is no table '%.*s', only a source of that name, which is what is "
                          "needed here; write sources.%.*s",
                          STR_FMT(name), STR_FMT(name));
    }
    if (table_named(f, name) != NULL) {
        return node_error(n, err,
                          "there is no source '%.*s', only a table of that name; a map (sql:) "
                          "reads a source",
                          STR_FMT(name));
    }
    return no_such_source(l, n, name, err);
}

enum err_code graph_find_table(const struct loader *l, const struct node *n, struct str name,
                               const struct flow_table **out, struct err *err) {
    const struct flow *f = l->flow;
    const enum name_prefix prefix = split_prefix(&name);
    const struct flow_table *found = table_named(f, name);
    if (prefix != PREFIX_SOURCES && found != NULL) {
        *out = found;
        return ERR_NONE;
    }
    if (prefix != PREFIX_TABLES && source_named(f, name) != NULL) {
        return node_error(n, err,
                          "'%.*s' is a source, and a table is needed here; a map (sql:) brings a "
                          "source into a table",
                          STR_FMT(name));
    }
    if (found != NULL) {
        return node_error(n, err,
                          "there is no source '%.*s', only a table of that name, which is what is "
                          "needed here; write tables.%.*s",
                          STR_FMT(name), STR_FMT(name));
    }
    if (source_named(f, name) != NULL) {
        return node_error(n, err,
                          "there is no table '%.*s', only a source of that name; a map (sql:) "
                          "brings a source into a table",
                          STR_FMT(name));
    }
    const char **names = arena_new(l->arena, (f->table_count + 1) * sizeof *names);
    for (size_t i = 0; i < f->table_count; i++) {
        names[i] = f->tables[i].name;
    }
    return read_unknown(n, "table", name, names, f->table_count, err);
}

/* ---- writers ---- */

static const char *verb_of(enum transform_kind kind) {
    switch (kind) {
    case TRANSFORM_MAP:
        return "map";
    case TRANSFORM_SUM:
        return "sum";
    case TRANSFORM_DERIVE:
        return "derive";
    }
    return "?";
}

static enum err_code check_writers(const struct flow *f, struct err *err) {
    for (size_t i = 0; i < f->transform_count; i++) {
        const struct flow_transform *t = &f->transforms[i];
        for (size_t j = 0; j < i; j++) {
            const struct flow_transform *other = &f->transforms[j];
            const bool both_map = t->kind == TRANSFORM_MAP && other->kind == TRANSFORM_MAP;
            if (other->into == t->into && !both_map) {
                return node_error(node_get(t->node, "into"), err,
                                  "the table '%s' is already written by the %s '%s'; only maps may "
                                  "share a table",
                                  t->into->name, verb_of(other->kind), other->name);
            }
        }
    }
    return ERR_NONE;
}

static enum err_code check_tables(struct flow *f, struct err *err) {
    for (size_t i = 0; i < f->table_count; i++) {
        struct flow_table *table = &f->tables[i];
        const struct flow_transform *writer = NULL;
        for (size_t j = 0; j < f->transform_count && writer == NULL; j++) {
            writer = f->transforms[j].into == table ? &f->transforms[j] : NULL;
        }
        table->is_reference = writer == NULL;
        if (table->key_auto && writer == NULL) {
            return node_error(node_get(table->node, "key"), err,
                              "no transform writes the table '%s', and key: auto is the place of a "
                              "row in a source",
                              table->name);
        }
        if (table->lineage && (writer == NULL || writer->kind != TRANSFORM_MAP)) {
            return node_key_error(node_get(table->node, "lineage"), err,
                                  "only a table that maps write can have lineage; '%s' is written "
                                  "by %s%s",
                                  table->name, writer == NULL ? "no transform" : "a ",
                                  writer == NULL ? "" : verb_of(writer->kind));
        }
    }
    return ERR_NONE;
}

/* ---- order ---- */

static size_t input_count(const struct flow_transform *t) {
    return t->kind == TRANSFORM_SUM ? 1 : t->on_count;
}

static const struct flow_table *input(const struct flow_transform *t, size_t i) {
    return t->kind == TRANSFORM_SUM ? t->from : t->on[i].table;
}

/* A transform that still waits to be placed and writes an input of t, or NULL. */
static const struct flow_transform *blocker(const struct flow *f, const struct flow_transform *t,
                                            const bool *placed) {
    for (size_t i = 0; i < input_count(t); i++) {
        for (size_t j = 0; j < f->transform_count; j++) {
            if (!placed[j] && f->transforms[j].into == input(t, i)) {
                return &f->transforms[j];
            }
        }
    }
    return NULL;
}

/* The blocker of a transform that cannot be placed: it has one, or it would have been placed. */
static const struct flow_transform *upstream(const struct flow *f, const struct flow_transform *t,
                                             const bool *placed) {
    const struct flow_transform *found = blocker(f, t, placed);
    ASSERT(found != NULL);
    return found;
}

static enum err_code report_cycle(const struct flow *f, const bool *placed, struct err *err) {
    size_t start = 0;
    while (placed[start]) {
        start++;
    }
    const struct flow_transform *t = &f->transforms[start];
    /* After as many steps as there are transforms, t is on a cycle. */
    for (size_t i = 0; i < f->transform_count; i++) {
        t = upstream(f, t, placed);
    }
    /* Begin with the transform that the file names first. */
    const struct flow_transform *first = t;
    for (const struct flow_transform *at = upstream(f, t, placed); at != t;
         at = upstream(f, at, placed)) {
        first = at < first ? at : first;
    }
    /* This goes upstream, so names are put in front. */
    AUTO_BUF path = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&path, first->into->name);
    const struct flow_transform *at = first;
    do {
        at = upstream(f, at, placed);
        AUTO_BUF longer = BUF_INIT(BUF_TEXT_MAX);
        buf_addf(&longer, "%s -> %s", at->into->name, buf_c(&path));
        buf_clear(&path);
        buf_addstr(&path, buf_str(&longer));
    } while (at != first && path.len < ERR_MESSAGE_BYTES);
    const struct node *from = node_get(first->node, "from");
    return node_key_error(from != NULL ? from : node_get(first->node, "on"), err,
                          "these tables are made from each other in a circle: %s", buf_c(&path));
}

static enum err_code order_transforms(struct loader *l, struct err *err) {
    struct flow *f = l->flow;
    struct flow_transform *ordered =
        arena_new(l->arena, (f->transform_count + 1) * sizeof *ordered);
    bool *placed = arena_new(l->arena, f->transform_count + 1);
    for (size_t count = 0; count < f->transform_count; count++) {
        size_t next = 0;
        while (next < f->transform_count &&
               (placed[next] || blocker(f, &f->transforms[next], placed) != NULL)) {
            next++;
        }
        if (next == f->transform_count) {
            return report_cycle(f, placed, err);
        }
        ordered[count] = f->transforms[next];
        placed[next] = true;
    }
    f->transforms = ordered;
    return ERR_NONE;
}

enum err_code graph_check(struct loader *l, struct err *err) {
    enum err_code code = check_writers(l->flow, err);
    if (code == ERR_NONE) {
        code = check_tables(l->flow, err);
    }
    if (code == ERR_NONE) {
        code = order_transforms(l, err);
    }
    return code;
}
