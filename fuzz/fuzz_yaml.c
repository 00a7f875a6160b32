/* Flow files: any bytes as YAML, and what is YAML as a flow.
 *
 * A refusal has a class, a message and a place; a tree has only places inside the file; a flow that
 * loads, loads again to the same version and definitions. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "flow/read.h"
#include "flow/yaml.h"

struct fuzz_conf {
    const char *path;
    int64_t every_us;
    struct option_list names;
};

static const struct option options[] = {
    OPTION_STR(struct fuzz_conf, path, .flags = OPTION_REQUIRED, .doc = "A path."),
    OPTION_DURATION(struct fuzz_conf, every_us, .name = "every", .def = "1s", .min = 1,
                    .max = 60000000, .doc = "A time."),
    OPTION_LIST(struct fuzz_conf, names, .doc = "Names."),
};
static const struct component source = {
    .kind = COMPONENT_SOURCE,
    .name = "file",
    .since = "0.1",
    .summary = "Exists for fuzzing.",
    COMPONENT_OPTIONS(options),
    .conf_size = sizeof(struct fuzz_conf),
};
static const struct component *const components[] = {&source};
static const struct registry registry = {components, 1};

static const char *lookup(void *context, const char *name) {
    (void)context;
    return name[0] == 'A' ? "value: [" : NULL;
}

static void check_error(enum err_code code, const struct err *err) {
    ASSERT(code == ERR_CONFIG || code == ERR_LIMIT);
    ASSERT(err->message[0] != '\0');
    ASSERT(code != ERR_CONFIG || err->where[0] != '\0');
}

static int count_lines(struct str text) {
    int lines = 1;
    for (size_t i = 0; i < text.len; i++) {
        /* every byte that may begin a line break of YAML: an upper bound */
        const unsigned char c = (unsigned char)text.ptr[i];
        lines += c == '\n' || c == '\r' || c == 0xC2 || c == 0xE2;
    }
    return lines;
}

static void check_node(const struct node *n, int lines) {
    ASSERT(n->line >= 1 && n->line <= lines + 1 && n->column >= 1);
    ASSERT(n->key == NULL || (n->key_line >= 1 && n->key_line <= lines && n->key_column >= 1));
    if (n->kind != NODE_SCALAR) {
        return;
    }
    ASSERT(n->text.ptr[n->text.len] == '\0' && memchr(n->text.ptr, '\0', n->text.len) == NULL);
    ASSERT(str_is_utf8(n->text));
    int line = 0;
    int column = 0;
    node_text_position(n, n->text.len, &line, &column);
    ASSERT(line >= n->line && line <= lines + 1 && column >= 1);
}

/* Depth first, without recursion: the trail of open nodes is as deep as YAML may be. */
static void check_tree(const struct node *root, int lines) {
    const struct node *trail[YAML_DEPTH_MAX + 1];
    size_t depth = 0;
    const struct node *n = root;
    while (n != NULL) {
        check_node(n, lines);
        if (n->first != NULL) {
            ASSERT(depth < ARRAY_COUNT(trail));
            trail[depth++] = n;
            n = n->first;
            continue;
        }
        while (n != NULL && n->next == NULL) {
            n = depth > 0 ? trail[--depth] : NULL;
        }
        n = n != NULL ? n->next : NULL;
    }
}

static void check_yaml(struct str text) {
    struct arena arena;
    struct err err = ERR_INIT;
    const struct node *root = NULL;
    arena_init(&arena, (size_t)256 << 20);
    const enum err_code code = yaml_parse(text, "f.yaml", &arena, lookup, NULL, &root, &err);
    if (code == ERR_NONE) {
        check_tree(root, count_lines(text));
    } else {
        ASSERT(root == NULL);
        check_error(code, &err);
    }
    arena_release(&arena);
}

static void check_transform(const struct flow_transform *t, const struct flow_transform *again) {
    ASSERT(hash128_equal(t->definition, again->definition));
    ASSERT(t->into != NULL && t->sql != NULL && t->sql_node != NULL);
    ASSERT((t->kind == TRANSFORM_MAP) == (t->source != NULL));
    ASSERT((t->kind == TRANSFORM_SUM) == (t->from != NULL));
    ASSERT((t->kind == TRANSFORM_DERIVE) == (t->on_count > 0 && t->changed_count > 0));
    ASSERT(t->changed_count <= t->into->key_count);
    for (size_t i = 0; i < t->on_count; i++) {
        ASSERT((t->on[i].sql == NULL) == (t->on[i].columns != NULL));
        ASSERT(t->on[i].sql != NULL || t->on[i].column_count == t->changed_count);
    }
}

static void check_flow(struct str text) {
    struct flow *f = NULL;
    struct flow *again = NULL;
    struct err err = ERR_INIT;
    const char *path = "/nonexistent/flow.yaml";
    const enum err_code code = flow_load_text(text, path, &registry, lookup, &f, &err);
    if (code != ERR_NONE) {
        ASSERT(f == NULL);
        check_error(code, &err);
        return;
    }
    ASSERT(flow_load_text(text, path, &registry, lookup, &again, &err) == ERR_NONE);
    ASSERT(hash128_equal(f->version, again->version));
    ASSERT(f->transform_count == again->transform_count);
    for (size_t i = 0; i < f->transform_count; i++) {
        check_transform(&f->transforms[i], &again->transforms[i]);
    }
    flow_free(f);
    flow_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* A heap copy of the exact size, so that a read past the end is seen. */
    char *copy = mem_alloc(size > 0 ? size : 1);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    const struct str text = {copy, size};
    check_yaml(text);
    check_flow(text);
    mem_free(copy);
    return 0;
}
