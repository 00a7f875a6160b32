/* How it works: the file becomes a tree (yaml.c), then its sections are read in the order in which
 * they name each other: sources, tables, transforms; graph.c looks at the whole last. The flow owns
 * the arena everything lives in, so a failure anywhere frees all by freeing the flow. Names in
 * messages are paths as the user gave them. */
#include "flow/flow.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/parse.h"
#include "flow/read.h"
#include "flow/yaml.h"

#define FLOW_ARENA_BYTES_MAX ((size_t)512 << 20) /* a bound against mistakes, not a need */

static const char *const flow_keys[] = {"flow",       "store",  "staging", "sources",  "tables",
                                        "transforms", "checks", "alerts",  "telemetry"};

/* ---- staging ---- */

static enum err_code read_staging(struct flow *f, const struct node *n, struct err *err) {
    static const char *const known[] = {"keep"};
    enum err_code code = read_map(n, "staging", known, ARRAY_COUNT(known), err);
    const struct node *keep = code == ERR_NONE ? node_get(n, "keep") : NULL;
    if (keep == NULL) {
        return code;
    }
    const char *text = NULL;
    code = read_text(keep, &text, err);
    if (code != ERR_NONE) {
        return code;
    }
    int64_t amount = 0;
    const char last = keep->text.ptr[keep->text.len - 1];
    const bool has_unit = last < '0' || last > '9';
    if (strcmp(text, "forever") == 0) {
        f->keep = KEEP_FOREVER;
    } else if (clock_parse_duration(keep->text, &amount) && amount > 0) {
        f->keep = KEEP_AGE;
    } else if (has_unit && parse_size(keep->text, &amount) && amount > 0) {
        f->keep = KEEP_BYTES;
    } else {
        char shown[NODE_SHOW_BYTES];
        node_show(keep, false, shown, sizeof shown);
        return node_error(keep, err,
                          "'keep' must be forever, a time such as 30d or a size such as "
                          "20GB, not '%s'",
                          shown);
    }
    f->keep_amount = amount;
    return ERR_NONE;
}

/* ---- top level ---- */

static enum err_code read_flow_name(struct flow *f, const struct node *root, struct err *err) {
    const struct node *n = node_get(root, "flow");
    if (n == NULL) {
        return node_error(root, err, "the flow has no name; begin the file with flow: NAME");
    }
    const char *text = NULL;
    const enum err_code code = read_text(n, &text, err);
    if (code != ERR_NONE) {
        return code;
    }
    struct node as_key = *n; /* names are checked at keys; this one is a value */
    as_key.key = text;
    as_key.key_line = n->line;
    as_key.key_column = n->column;
    f->name = text;
    return read_name(&as_key, "flow", true, err);
}

static enum err_code read_store(struct flow *f, const struct node *root, struct err *err) {
    static const struct str schemes[] = {
        {"sqlite:", 7}, {"postgres://", 11}, {"postgresql://", 13}};
    const struct node *n = node_get(root, "store");
    f->store_node = n != NULL ? n : root;
    if (n == NULL) {
        f->store = arena_printf(&f->arena, "sqlite:%s.db", f->name);
        return ERR_NONE;
    }
    const enum err_code code = read_text(n, &f->store, err);
    if (code != ERR_NONE) {
        return code;
    }
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
        if (str_starts_with(n->text, schemes[i]) && n->text.len > schemes[i].len) {
            return ERR_NONE;
        }
    }
    return node_error(n, err, "'store' must be sqlite:FILE or postgres://..., such as sqlite:%s.db",
                      f->name);
}

typedef enum err_code (*section_reader)(struct loader *l, const struct node *section,
                                        struct err *err);

static enum err_code read_section(struct loader *l, const struct node *root, const char *name,
                                  section_reader read, struct err *err) {
    const struct node *n = node_get(root, name);
    if (n == NULL) {
        return ERR_NONE;
    }
    if (n->kind != NODE_MAP) {
        return node_error(n, err, "'%s' must be a map of names, not %s", name, node_kind_name(n));
    }
    if (n->count > FLOW_ITEMS_MAX) {
        return node_error(n, err, "'%s' has more than %d entries", name, FLOW_ITEMS_MAX);
    }
    return read(l, n, err);
}

static enum err_code read_tree(struct loader *l, const struct node *root, struct err *err) {
    enum err_code code = read_map(root, "the flow", flow_keys, ARRAY_COUNT(flow_keys), err);
    if (code == ERR_NONE) {
        code = read_flow_name(l->flow, root, err);
    }
    if (code == ERR_NONE) {
        code = read_store(l->flow, root, err);
    }
    const struct node *staging = node_get(root, "staging");
    if (code == ERR_NONE && staging != NULL) {
        code = read_staging(l->flow, staging, err);
    }
    if (code == ERR_NONE) {
        code = read_section(l, root, "sources", sources_load, err);
    }
    if (code == ERR_NONE) {
        code = read_section(l, root, "tables", tables_load, err);
    }
    if (code == ERR_NONE) {
        code = read_section(l, root, "transforms", transforms_load, err);
    }
    if (code == ERR_NONE) {
        code = graph_check(l, err);
    }
    if (code == ERR_NONE) { /* transforms stay where they are from now on */
        code = read_section(l, root, "checks", checks_load, err);
    }
    if (code == ERR_NONE) {
        code = alerts_load(l, node_get(root, "alerts"), err);
    }
    if (code == ERR_NONE) {
        code = telemetry_load(l, node_get(root, "telemetry"), err);
    }
    return code;
}

static enum err_code load_into(struct flow *f, struct str text, const struct registry *registry,
                               flow_lookup lookup, struct err *err) {
    struct loader l = {.flow = f, .arena = &f->arena, .registry = registry};
    buf_init(&l.version, BUF_TEXT_MAX);
    uint8_t bytes[16];
    hash128_to_bytes(hash128_of(text.ptr, text.len), bytes);
    const struct node *root = NULL;
    enum err_code code = buf_add(&l.version, bytes, sizeof bytes, err);
    if (code == ERR_NONE) {
        code = yaml_parse(text, f->path, &f->arena, lookup, NULL, &root, err);
    }
    if (code == ERR_NONE) {
        code = read_tree(&l, root, err);
    }
    if (code == ERR_NONE) {
        f->version = hash128_of(l.version.data, l.version.len);
    }
    buf_release(&l.version);
    return code;
}

enum err_code flow_load_text(struct str text, const char *path, const struct registry *registry,
                             flow_lookup lookup, struct flow **out, struct err *err) {
    ASSERT(path != NULL && registry != NULL && out != NULL);
    struct flow *f = mem_alloc(sizeof *f);
    arena_init(&f->arena, FLOW_ARENA_BYTES_MAX);
    f->path = arena_strdup(&f->arena, path);
    char *directory = file_directory_of(path);
    f->directory = arena_strdup(&f->arena, directory);
    f->checks_every_us = CHECKS_EVERY_US;
    mem_free(directory);
    const enum err_code code = load_into(f, text, registry, lookup, err);
    if (code != ERR_NONE) {
        flow_free(f);
        return code;
    }
    *out = f;
    return ERR_NONE;
}

enum err_code flow_load(const char *path, const struct registry *registry, struct flow **out,
                        struct err *err) {
    struct file_info info;
    enum err_code code = file_info_of(path, &info, err);
    if (code != ERR_NONE) {
        return code;
    }
    char *file = info.is_directory ? file_join(path, "flow.yaml") : mem_strdup(path);
    AUTO_BUF text = BUF_INIT(FLOW_FILE_BYTES_MAX);
    code = file_read_all(file, &text, err);
    if (code == ERR_NONE) {
        code = flow_load_text(buf_str(&text), file, registry, NULL, out, err);
    }
    mem_free(file);
    return code;
}

void flow_free(struct flow *flow) {
    if (flow == NULL) {
        return;
    }
    struct arena arena = flow->arena;
    arena_release(&arena);
    mem_free(flow);
}

/* ---- finding ---- */

const struct flow_source *flow_find_source(const struct flow *f, const char *name) {
    for (size_t i = 0; i < f->source_count; i++) {
        if (strcmp(f->sources[i].name, name) == 0) {
            return &f->sources[i];
        }
    }
    return NULL;
}

const struct flow_table *flow_find_table(const struct flow *f, const char *name) {
    for (size_t i = 0; i < f->table_count; i++) {
        if (strcmp(f->tables[i].name, name) == 0) {
            return &f->tables[i];
        }
    }
    return NULL;
}

const struct flow_transform *flow_find_transform(const struct flow *f, const char *name) {
    for (size_t i = 0; i < f->transform_count; i++) {
        if (strcmp(f->transforms[i].name, name) == 0) {
            return &f->transforms[i];
        }
    }
    return NULL;
}
