/* How it works: a source's map is read three times, each reader skipping what belongs to the
 * others: the component's option table, the options of every source, and `columns`, the contract.
 * The first pass knows all names, so an unknown key is found there with every known name to
 * suggest. */
#include "flow/read.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"

#define VALUE_SCRATCH_EXTRA 40 /* what value_parse asks for besides the text's length */

static const char *const column_keys[] = {"type", "required", "path", "min",
                                          "max",  "one_of",   "unit"};

/* One of the columns while it is read. */
struct column_reader {
    struct loader *l;
    struct contract_column *column;
    const char *what; /* "column 'x'" */
};

/* ---- path ---- */

/* A segment of a JSON pointer, with ~0 and ~1 undone. */
static const char *unescape(struct arena *arena, struct str segment) {
    char *out = arena_strndup(arena, segment.ptr, segment.len);
    size_t len = 0;
    for (size_t i = 0; i < segment.len; i++) {
        if (out[i] == '~' && (out[i + 1] == '0' || out[i + 1] == '1')) {
            out[len++] = out[i + 1] == '0' ? '~' : '/';
            i++;
        } else {
            out[len++] = out[i];
        }
    }
    out[len] = '\0';
    return out;
}

static enum err_code check_escapes(const struct node *n, struct err *err) {
    for (size_t i = 0; i < n->text.len; i++) {
        const char next = i + 1 < n->text.len ? n->text.ptr[i + 1] : '\0';
        if (n->text.ptr[i] == '~' && next != '0' && next != '1') {
            return node_error(n, err, "in a JSON pointer '~' is written ~0 and a '/' in a name ~1");
        }
    }
    return ERR_NONE;
}

static enum err_code read_path(const struct column_reader *c, const struct node *n,
                               struct err *err) {
    const char *text = NULL;
    enum err_code code = read_text(n, &text, err);
    if (code != ERR_NONE) {
        return code;
    }
    const char **segments =
        arena_new(c->l->arena, (CONTRACT_PATH_DEPTH_MAX + 1) * sizeof *segments);
    size_t depth = 0;
    if (text[0] != '/') {
        segments[depth++] = text;
    } else {
        code = check_escapes(n, err);
        struct str rest = {n->text.ptr + 1, n->text.len - 1};
        bool more = code == ERR_NONE;
        while (more) {
            if (depth == CONTRACT_PATH_DEPTH_MAX) {
                return node_error(n, err, "the path has more than %d parts",
                                  CONTRACT_PATH_DEPTH_MAX);
            }
            const size_t len = str_find(rest, '/');
            segments[depth++] = unescape(c->l->arena, (struct str){rest.ptr, len});
            more = len < rest.len;
            rest = more ? (struct str){rest.ptr + len + 1, rest.len - len - 1} : rest;
        }
    }
    c->column->path = segments;
    c->column->path_depth = depth;
    return code;
}

/* ---- bounds and choices ---- */

static enum err_code read_unit(const struct column_reader *c, const struct node *n,
                               struct err *err) {
    static const char *const names[] = {"us", "ms", "s"};
    static const int64_t units[] = {1, 1000, 1000000};
    const char *text = NULL;
    const enum err_code code = read_text(n, &text, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (c->column->type != TYPE_TIMESTAMP) {
        return node_key_error(n, err, "'unit' is for timestamps; %s is %s", c->what,
                              type_name(c->column->type));
    }
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            c->column->timestamp_unit_us = units[i];
            return ERR_NONE;
        }
    }
    return read_unknown(n, "unit", n->text, names, ARRAY_COUNT(names), err);
}

static bool is_length_bound(enum column_type type) {
    return type == TYPE_TEXT || type == TYPE_BYTES;
}

static enum err_code read_bound(const struct column_reader *c, const struct node *n,
                                struct value *out, struct err *err) {
    const enum column_type type = c->column->type;
    const char *text = NULL;
    const enum err_code code = read_text(n, &text, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (type == TYPE_BOOL || type == TYPE_JSON) {
        return node_key_error(n, err, "'%s' means nothing for %s, which is %s", n->key, c->what,
                              type_name(type));
    }
    char shown[NODE_SHOW_BYTES];
    node_show(n, false, shown, sizeof shown);
    if (is_length_bound(type)) {
        int64_t length = 0;
        if (!parse_i64(n->text, &length) || length < 0) {
            return node_error(n, err, "'%s' of %s is a length: an integer of 0 or more, not '%s'",
                              n->key, c->what, shown);
        }
        *out = (struct value){.type = TYPE_INT64, .integer = length};
        return ERR_NONE;
    }
    char *scratch = arena_new(c->l->arena, n->text.len + VALUE_SCRATCH_EXTRA);
    struct value value = {.is_null = true};
    if (!value_parse(type, n->text, c->column->timestamp_unit_us, scratch, &value)) {
        return node_error(n, err, "'%s' of %s must be a value of type %s, not '%s'", n->key,
                          c->what, type_name(type), shown);
    }
    *out = value;
    return ERR_NONE;
}

static enum err_code read_bounds(const struct column_reader *c, const struct node *n,
                                 struct err *err) {
    const struct node *min = node_get(n, "min");
    const struct node *max = node_get(n, "max");
    enum err_code code = ERR_NONE;
    if (min != NULL) {
        code = read_bound(c, min, &c->column->min, err);
    }
    if (max != NULL && code == ERR_NONE) {
        code = read_bound(c, max, &c->column->max, err);
    }
    if (code == ERR_NONE && min != NULL && max != NULL &&
        value_compare(&c->column->min, &c->column->max) > 0) {
        return node_error(max, err, "'max' of %s is less than its 'min'", c->what);
    }
    return code;
}

static enum err_code read_choices(const struct column_reader *c, const struct node *n,
                                  struct err *err) {
    const enum column_type type = c->column->type;
    enum err_code code = read_list(n, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (type == TYPE_JSON) {
        return node_key_error(n, err, "'one_of' means nothing for %s, which is json", c->what);
    }
    const char **choices = arena_new(c->l->arena, n->count * sizeof *choices);
    size_t count = 0;
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        if (item->kind != NODE_SCALAR || item->is_null) {
            return node_error(item, err, "each item of 'one_of' must be a value, not %s",
                              node_kind_name(item));
        }
        char *scratch = arena_new(c->l->arena, item->text.len + VALUE_SCRATCH_EXTRA);
        struct value value = {.is_null = true};
        if (!value_parse(type, item->text, c->column->timestamp_unit_us, scratch, &value)) {
            char shown[NODE_SHOW_BYTES];
            node_show(item, false, shown, sizeof shown);
            return node_error(item, err, "'%s' is not of type %s, so %s can never be it", shown,
                              type_name(type), c->what);
        }
        choices[count++] = item->text.ptr;
    }
    c->column->one_of = choices;
    c->column->one_of_count = count;
    return code;
}

/* ---- columns ---- */

static enum err_code read_rules(const struct column_reader *c, const struct node *n,
                                struct err *err) {
    enum err_code code = read_map(n, c->what, column_keys, ARRAY_COUNT(column_keys), err);
    if (code != ERR_NONE) {
        return code;
    }
    const struct node *type = node_get(n, "type");
    if (type == NULL) {
        return node_key_error(n, err, "%s has no type; write %s: {type: text}", c->what, n->key);
    }
    code = read_type(type, &c->column->type, err);
    const struct node *required = node_get(n, "required");
    if (code == ERR_NONE && required != NULL) {
        code = read_bool(required, &c->column->required, err);
    }
    const struct node *path = node_get(n, "path");
    if (code == ERR_NONE && path != NULL) {
        code = read_path(c, path, err);
    }
    const struct node *unit = node_get(n, "unit"); /* before the bounds, which it gives meaning */
    if (code == ERR_NONE && unit != NULL) {
        code = read_unit(c, unit, err);
    }
    if (code == ERR_NONE) {
        code = read_bounds(c, n, err);
    }
    const struct node *one_of = node_get(n, "one_of");
    if (code == ERR_NONE && one_of != NULL) {
        code = read_choices(c, one_of, err);
    }
    return code;
}

static enum err_code read_contract_column(struct loader *l, const struct node *n,
                                          struct contract_column *out, struct err *err) {
    enum err_code code = read_column_name(n, err);
    if (code != ERR_NONE) {
        return code;
    }
    const char **own_name = arena_new(l->arena, sizeof *own_name);
    own_name[0] = n->key;
    *out = (struct contract_column){.name = n->key,
                                    .path = own_name,
                                    .path_depth = 1,
                                    .min = {.is_null = true},
                                    .max = {.is_null = true}};
    if (n->kind == NODE_SCALAR) {
        return read_type(n, &out->type, err);
    }
    char what[FLOW_NAME_BYTES_MAX + 16];
    (void)snprintf(what, sizeof what, "column '%s'", n->key);
    const struct column_reader c = {l, out, what};
    return read_rules(&c, n, err);
}

static enum err_code read_contract(struct loader *l, const struct node *n, struct flow_source *s,
                                   struct err *err) {
    if (n->kind != NODE_MAP || n->count == 0) {
        return node_error(n, err, "'columns' must be a map of columns, such as {id: int64}, not %s",
                          n->kind == NODE_MAP ? "an empty one" : node_kind_name(n));
    }
    if (n->count > SCHEMA_COLUMNS_MAX) {
        return node_error(n, err, "there are more than %d columns", SCHEMA_COLUMNS_MAX);
    }
    struct contract_column *rules = arena_new(l->arena, n->count * sizeof *rules);
    struct column *columns = arena_new(l->arena, n->count * sizeof *columns);
    size_t count = 0;
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        const enum err_code code = read_contract_column(l, item, &rules[count], err);
        if (code != ERR_NONE) {
            return code;
        }
        columns[count] = (struct column){rules[count].name, rules[count].type};
        count++;
    }
    s->contract = (struct contract){
        .schema = {columns, count},
        .columns = rules,
        .unknown = (enum unknown_policy)s->common.unknown,
    };
    return read_distinct_names(n, "columns", err);
}

/* ---- a source ---- */

static enum err_code find_component(const struct loader *l, const struct node *n,
                                    const struct component **out, struct err *err) {
    const struct node *type = node_get(n, "type");
    if (type == NULL) {
        return node_key_error(n, err, "source '%s' has no type; `plumb list` shows which there are",
                              n->key);
    }
    const char *text = NULL;
    const enum err_code code = read_text(type, &text, err);
    if (code != ERR_NONE) {
        return code;
    }
    *out = registry_find(l->registry, COMPONENT_SOURCE, type->text);
    if (*out != NULL) {
        return ERR_NONE;
    }
    const char **names = arena_new(l->arena, (l->registry->count + 1) * sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < l->registry->count; i++) {
        if (l->registry->components[i]->kind == COMPONENT_SOURCE) {
            names[count++] = l->registry->components[i]->name;
        }
    }
    return read_unknown(type, "type of source", type->text, names, count, err);
}

/* type, columns, rejects and the names of a table's options, NULL-terminated. */
static const char *const *handled_names(struct arena *arena, const struct option *options,
                                        size_t count) {
    const char **names = arena_new(arena, (count + 4) * sizeof *names);
    names[0] = "type";
    names[1] = "columns";
    names[2] = "rejects";
    for (size_t i = 0; i < count; i++) {
        names[i + 3] = option_name(&options[i]);
    }
    return names;
}

static enum err_code read_options(struct loader *l, const struct node *n, struct flow_source *s,
                                  struct err *err) {
    const struct component *c = s->component;
    void *conf = arena_new(l->arena, c->conf_size > 0 ? c->conf_size : 1);
    enum err_code code =
        options_parse(c->options, c->option_count, n,
                      handled_names(l->arena, source_common_options, source_common_option_count),
                      l->arena, conf, err);
    if (code == ERR_NONE) {
        s->conf = conf;
        code = options_parse(source_common_options, source_common_option_count, n,
                             handled_names(l->arena, c->options, c->option_count), l->arena,
                             &s->common, err);
    }
    return code;
}

/* Those the component names, or the only one: the columns. */
static enum err_code read_streams(struct loader *l, const struct node *n, struct flow_source *s,
                                  struct err *err) {
    struct stream *specs = NULL;
    size_t count = 1;
    if (s->component->streams != NULL) {
        const enum err_code code = s->component->streams(s->conf, n, l->arena, &specs, &count, err);
        if (code != ERR_NONE) {
            return code;
        }
    } else {
        specs = arena_new(l->arena, sizeof *specs);
        *specs = (struct stream){.name = "", .schema = s->contract.schema};
    }
    ASSERT(count > 0 && count <= STREAMS_MAX);
    struct flow_stream *streams = arena_new(l->arena, count * sizeof *streams);
    for (size_t i = 0; i < count; i++) {
        const bool only = specs[i].name[0] == '\0';
        AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
        buf_addf(&name, "%s%s%s", s->name, only ? "" : ".", specs[i].name);
        streams[i] = (struct flow_stream){.name = specs[i].name,
                                          .full_name = arena_strdup(l->arena, buf_c(&name)),
                                          .spec = &specs[i],
                                          .source = s,
                                          .index = i,
                                          .number = l->flow->stream_count++};
        buf_clear(&name);
        buf_addf(&name, "_plumb_batch_%zu", streams[i].number);
        streams[i].relation = arena_strdup(l->arena, buf_c(&name));
    }
    s->specs = specs;
    s->streams = streams;
    s->stream_count = count;
    return ERR_NONE;
}

static enum err_code read_source(struct loader *l, const struct node *n, struct flow_source *s,
                                 struct err *err) {
    enum err_code code = read_name(n, "source", true, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (n->kind != NODE_MAP) {
        return node_error(n, err, "source '%s' must be a map, not %s", n->key, node_kind_name(n));
    }
    s->name = n->key;
    s->node = n;
    code = find_component(l, n, &s->component, err);
    if (code == ERR_NONE) {
        code = read_options(l, n, s, err);
    }
    const struct node *rejects = node_get(n, "rejects");
    if (code == ERR_NONE && rejects != NULL) {
        code = limit_load(rejects, &s->rejects, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    const struct node *columns = node_get(n, "columns");
    bool named = s->component->streams != NULL;
    if (columns == NULL && !named) {
        return node_key_error(n, err,
                              "source '%s' has no columns: say what its records hold, for example "
                              "columns: {id: int64, name: text}",
                              n->key);
    }
    if (columns != NULL && named) {
        return node_key_error(columns, err,
                              "a source of type %s has no 'columns': what its records hold follows "
                              "from its other options",
                              s->component->name);
    }
    code = named ? ERR_NONE : read_contract(l, columns, s, err);
    if (code == ERR_NONE && s->component->check != NULL) {
        code = s->component->check(s->conf, &s->contract, n, err);
    }
    if (code == ERR_NONE) {
        code = read_streams(l, n, s, err);
    }
    if (code != ERR_NONE && err->where[0] == '\0') {
        err_where(err, "%s:%d:%d", n->file, n->key_line, n->key_column);
    }
    return code;
}

enum err_code flow_decoder(const struct flow_source *s, struct decoder **out, struct err *err) {
    return s->component->source->decoder(s->conf, &s->contract, s->specs, s->stream_count, out,
                                         err);
}

enum err_code sources_load(struct loader *l, const struct node *section, struct err *err) {
    struct flow_source *sources = arena_new(l->arena, (section->count + 1) * sizeof *sources);
    size_t count = 0;
    for (const struct node *n = section->first; n != NULL; n = n->next) {
        const enum err_code code = read_source(l, n, &sources[count], err);
        if (code != ERR_NONE) {
            return code;
        }
        count++;
    }
    l->flow->sources = sources;
    l->flow->source_count = count;
    return read_distinct_names(section, "sources", err);
}
