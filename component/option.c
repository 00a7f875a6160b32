/* How it works: options_parse first looks at every key of the map (unknown ones end it, before
 * anything is believed), then fills the conf option by option. A default is made into a scalar node
 * and takes the same way as the user's text, so the two can never differ in meaning. The member is
 * reached through its offset with memcpy; the macros of option.h have proved its type. */
#include "component/option.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "component/describe.h"

#define KNOWN_KEYS_MAX 256 /* options and handled keys together */

struct target {
    const struct option *option;
    struct arena *arena;
    char *member;
};

static enum err_code wrong_kind(const struct target *t, const struct node *n, struct err *err) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    const enum option_type type = t->option->type;
    if (type != OPTION_TYPE_BOOL && type != OPTION_TYPE_ENUM && type != OPTION_TYPE_CHAR) {
        buf_adds(&text, type == OPTION_TYPE_INT ? "an " : "a ");
    }
    describe_type(t->option, &text);
    return node_error(n, err, "'%s' must be %s, not %s", option_name(t->option), buf_c(&text),
                      node_kind_name(n));
}

static enum err_code wrong_value(const struct target *t, const struct node *n, const char *what,
                                 struct err *err) {
    char shown[NODE_SHOW_BYTES];
    node_show(n, (t->option->flags & OPTION_SECRET) != 0, shown, sizeof shown);
    return node_error(n, err, "'%s' must be %s, not '%s'", option_name(t->option), what, shown);
}

static enum err_code check_bounds(const struct target *t, const struct node *n, int64_t value,
                                  struct err *err) {
    const struct option *o = t->option;
    const bool below = option_has_bounds(o) && value < o->min;
    const bool above = option_has_upper_bound(o) && value > o->max;
    if (!below && !above) {
        return ERR_NONE;
    }
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    describe_bounds(o, &text);
    return wrong_value(t, n, buf_c(&text), err);
}

static enum err_code parse_integer(const struct target *t, const struct node *n, struct err *err) {
    int64_t value = 0;
    bool ok = false;
    const char *what = "";
    if (t->option->type == OPTION_TYPE_DURATION) {
        what = "a duration such as 250ms, 5s, 10m, 1h or 7d";
        ok = clock_parse_duration(n->text, &value) && value >= 0;
    } else if (t->option->type == OPTION_TYPE_SIZE) {
        what = "a size such as 512, 64KiB, 10MB or 2GiB";
        ok = parse_size(n->text, &value) && value >= 0;
    } else {
        what = "an integer";
        ok = parse_i64(n->text, &value);
    }
    if (!ok) {
        return wrong_value(t, n, what, err);
    }
    const enum err_code code = check_bounds(t, n, value, err);
    if (code == ERR_NONE) {
        memcpy(t->member, &value, sizeof value);
    }
    return code;
}

static enum err_code parse_float(const struct target *t, const struct node *n, struct err *err) {
    double value = 0;
    if (!parse_f64(n->text, &value)) {
        return wrong_value(t, n, "a number", err);
    }
    memcpy(t->member, &value, sizeof value);
    return ERR_NONE;
}

static enum err_code parse_bool(const struct target *t, const struct node *n, struct err *err) {
    const bool value = str_equal_c(n->text, "true");
    if (!value && !str_equal_c(n->text, "false")) {
        return wrong_value(t, n, "true or false", err);
    }
    memcpy(t->member, &value, sizeof value);
    return ERR_NONE;
}

static enum err_code parse_enum(const struct target *t, const struct node *n, struct err *err) {
    size_t count = 0;
    for (; t->option->choices[count] != NULL; count++) {
        if (str_equal_c(n->text, t->option->choices[count])) {
            const int64_t value = (int64_t)count;
            memcpy(t->member, &value, sizeof value);
            return ERR_NONE;
        }
    }
    AUTO_BUF what = BUF_INIT(BUF_TEXT_MAX);
    describe_type(t->option, &what);
    const enum err_code code = wrong_value(t, n, buf_c(&what), err);
    const char *nearest = parse_nearest(n->text, t->option->choices, count);
    if (nearest != NULL && !n->has_secret) {
        const size_t used = strlen(err->message);
        AUTO_BUF hint = BUF_INIT(BUF_TEXT_MAX);
        buf_addf(&hint, "; did you mean '%s'?", nearest);
        if (used + hint.len < sizeof err->message) {
            memcpy(err->message + used, buf_c(&hint), hint.len + 1);
        }
    }
    return code;
}

static enum err_code parse_char(const struct target *t, const struct node *n, struct err *err) {
    char value = '\0';
    if (n->text.len == 1 && (unsigned char)n->text.ptr[0] < 0x80) {
        value = n->text.ptr[0];
    } else if (str_equal_c(n->text, "\\t")) {
        value = '\t';
    }
    if (value == '\0') {
        return wrong_value(t, n, "one ASCII character (a tab is written \\t)", err);
    }
    memcpy(t->member, &value, sizeof value);
    return ERR_NONE;
}

static enum err_code copy_string(const struct target *t, struct str text, const char **out,
                                 struct err *err) {
    struct str copy = {NULL, 0};
    const enum err_code code = arena_copy(t->arena, text, &copy, err);
    if (code == ERR_NONE) {
        *out = copy.ptr;
    }
    return code;
}

static enum err_code parse_list(const struct target *t, const struct node *n, struct err *err) {
    if (n->kind != NODE_LIST) {
        return wrong_kind(t, n, err);
    }
    const char **items = arena_new(t->arena, (n->count + 1) * sizeof *items);
    size_t count = 0;
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        if (item->kind != NODE_SCALAR || item->is_null) {
            return node_error(item, err, "each item of '%s' must be a string, not %s",
                              option_name(t->option), node_kind_name(item));
        }
        const enum err_code code = copy_string(t, item->text, &items[count], err);
        if (code != ERR_NONE) {
            return code;
        }
        count++;
    }
    const struct option_list list = {items, count};
    memcpy(t->member, &list, sizeof list);
    return ERR_NONE;
}

static enum err_code parse_value(const struct target *t, const struct node *n, struct err *err) {
    if (t->option->type == OPTION_TYPE_LIST) {
        return parse_list(t, n, err);
    }
    if (t->option->type == OPTION_TYPE_NODE) {
        if (n->kind == NODE_SCALAR) {
            return wrong_kind(t, n, err);
        }
        memcpy(t->member, &n, sizeof n);
        return ERR_NONE;
    }
    if (n->kind != NODE_SCALAR || n->is_null) {
        return wrong_kind(t, n, err);
    }
    switch (t->option->type) {
    case OPTION_TYPE_STRING: {
        const char *value = NULL;
        const enum err_code code = copy_string(t, n->text, &value, err);
        if (code == ERR_NONE) {
            memcpy(t->member, &value, sizeof value);
        }
        return code;
    }
    case OPTION_TYPE_BOOL:
        return parse_bool(t, n, err);
    case OPTION_TYPE_INT:
    case OPTION_TYPE_DURATION:
    case OPTION_TYPE_SIZE:
        return parse_integer(t, n, err);
    case OPTION_TYPE_FLOAT:
        return parse_float(t, n, err);
    case OPTION_TYPE_ENUM:
        return parse_enum(t, n, err);
    case OPTION_TYPE_CHAR:
        return parse_char(t, n, err);
    case OPTION_TYPE_LIST:
    case OPTION_TYPE_NODE:
        break; /* above */
    }
    return err_set(err, ERR_INTERNAL, "option '%s' has no type", option_name(t->option));
}

/* A default as the node its text would be: a list default is "a,b". */
static struct node *default_node(const struct option *o, struct arena *arena) {
    struct node *n = arena_new(arena, sizeof *n);
    n->file = "(default)";
    n->kind = NODE_SCALAR;
    n->key = option_name(o);
    n->text = str_of(o->def);
    if (o->type != OPTION_TYPE_LIST) {
        return n;
    }
    n->kind = NODE_LIST;
    struct str rest = n->text;
    const struct node **tail = &n->first;
    while (rest.len > 0) {
        const size_t len = str_find(rest, ',');
        struct node *item = arena_new(arena, sizeof *item);
        item->file = n->file;
        item->text = str_trim((struct str){rest.ptr, len});
        *tail = item;
        tail = &item->next;
        n->count++;
        const size_t skip = len < rest.len ? len + 1 : len;
        rest = (struct str){rest.ptr + skip, rest.len - skip};
    }
    return n;
}

static enum err_code parse_default(const struct target *t, struct err *err) {
    const struct option *o = t->option;
    if (o->def == NULL) {
        return ERR_NONE;
    }
    const enum err_code code = parse_value(t, default_node(o, t->arena), err);
    if (code != ERR_CONFIG) {
        return code;
    }
    AUTO_BUF why = BUF_INIT(BUF_TEXT_MAX); /* the table is ours, so the mistake is too */
    buf_adds(&why, err->message);
    return err_set(err, ERR_INTERNAL, "default of option '%s': %s", option_name(o), buf_c(&why));
}

static enum err_code missing(const struct option *o, const struct node *map, struct err *err) {
    if (o->example != NULL) {
        return node_key_error(map, err, "'%s' is missing: %s For example, %s: %s", option_name(o),
                              o->doc != NULL ? o->doc : "it must be given.", option_name(o),
                              o->example);
    }
    return node_key_error(map, err, "'%s' is missing: %s", option_name(o),
                          o->doc != NULL ? o->doc : "it must be given.");
}

static bool is_handled(const char *key, const char *const *handled) {
    for (size_t i = 0; handled != NULL && handled[i] != NULL; i++) {
        if (strcmp(handled[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static enum err_code check_keys(const struct option *options, size_t count, const struct node *map,
                                const char *const *handled, struct err *err) {
    const char *known[KNOWN_KEYS_MAX];
    size_t known_count = 0;
    for (size_t i = 0; i < count && known_count < KNOWN_KEYS_MAX; i++) {
        known[known_count++] = option_name(&options[i]);
    }
    for (size_t i = 0; handled != NULL && handled[i] != NULL && known_count < KNOWN_KEYS_MAX; i++) {
        known[known_count++] = handled[i];
    }
    for (const struct node *n = map->first; n != NULL; n = n->next) {
        bool is_known = is_handled(n->key, handled);
        for (size_t i = 0; i < count && !is_known; i++) {
            is_known = strcmp(option_name(&options[i]), n->key) == 0;
        }
        if (!is_known) {
            return node_unknown_key(n, NULL, known, known_count, err);
        }
    }
    return ERR_NONE;
}

enum err_code options_parse(const struct option *options, size_t count, const struct node *map,
                            const char *const *handled, struct arena *arena, void *conf,
                            struct err *err) {
    ASSERT(map != NULL && arena != NULL && conf != NULL);
    if (map->kind != NODE_MAP) {
        return node_error(map, err, "this must be a map of options, not %s", node_kind_name(map));
    }
    enum err_code code = check_keys(options, count, map, handled, err);
    for (size_t i = 0; i < count && code == ERR_NONE; i++) {
        const struct option *o = &options[i];
        const struct target target = {o, arena, (char *)conf + o->offset};
        const struct node *n = node_get(map, option_name(o));
        if (n != NULL) {
            code = parse_value(&target, n, err);
        } else if ((o->flags & OPTION_REQUIRED) != 0) {
            code = missing(o, map, err);
        } else {
            code = parse_default(&target, err);
        }
    }
    return code;
}

/* ---- what shapes records ---- */

static void add_shape_text(const char *name, struct str text, struct buf *out) {
    buf_addf(out, "option %s %zu:", name, text.len);
    buf_addstr(out, text);
    buf_addc(out, '\n');
}

#define SHAPE_NODES_MAX 1000000
#define SHAPE_DEPTH_MAX 64

/* The next node in the order of the file; depth-first, without recursion: `open` holds the way back. */
static void add_shape_node(const char *name, const struct node *root, struct buf *out) {
    const struct node *open[SHAPE_DEPTH_MAX];
    size_t depth = 0;
    const struct node *n = root;
    for (size_t count = 0; n != NULL && count < SHAPE_NODES_MAX; count++) {
        add_shape_text(n->key != NULL ? n->key : name, n->kind == NODE_SCALAR ? n->text : STR(""),
                       out);
        if (n->first != NULL && depth < ARRAY_COUNT(open)) {
            open[depth++] = n;
            n = n->first;
            continue;
        }
        while (depth > 0 && n->next == NULL) {
            n = open[--depth];
            buf_addf(out, "end %s\n", n->key != NULL ? n->key : name);
        }
        n = depth > 0 ? n->next : NULL;
    }
}

/* Every value is written as its member holds it: text that means the same (64KiB, 65536) shapes
 * the same records. */
static void add_shape(const struct option *o, const char *member, struct buf *out) {
    const char *name = option_name(o);
    switch (o->type) {
    case OPTION_TYPE_STRING: {
        const char *value = NULL;
        memcpy(&value, member, sizeof value);
        if (value != NULL) {
            add_shape_text(name, str_of(value), out);
        }
        return;
    }
    case OPTION_TYPE_BOOL:
        buf_addf(out, "option %s %d\n", name, *(const bool *)member);
        return;
    case OPTION_TYPE_INT:
    case OPTION_TYPE_DURATION:
    case OPTION_TYPE_SIZE: {
        int64_t value = 0;
        memcpy(&value, member, sizeof value);
        buf_addf(out, "option %s %" PRId64 "\n", name, value);
        return;
    }
    case OPTION_TYPE_ENUM: { /* the word: choices may be added before others */
        int64_t value = 0;
        memcpy(&value, member, sizeof value);
        add_shape_text(name, str_of(o->choices[value]), out);
        return;
    }
    case OPTION_TYPE_FLOAT: {
        double value = 0;
        memcpy(&value, member, sizeof value);
        buf_addf(out, "option %s %.17g\n", name, value);
        return;
    }
    case OPTION_TYPE_CHAR:
        buf_addf(out, "option %s %d\n", name, (unsigned char)*member);
        return;
    case OPTION_TYPE_LIST: {
        struct option_list list = {NULL, 0};
        memcpy(&list, member, sizeof list);
        buf_addf(out, "option %s %zu items\n", name, list.count);
        for (size_t i = 0; i < list.count; i++) {
            add_shape_text(name, str_of(list.items[i]), out);
        }
        return;
    }
    case OPTION_TYPE_NODE: {
        const struct node *value = NULL;
        memcpy(&value, member, sizeof value);
        if (value != NULL) {
            add_shape_node(name, value, out);
        }
        return;
    }
    }
}

void options_shape(const struct option *options, size_t count, const void *conf, struct buf *out) {
    for (size_t i = 0; i < count; i++) {
        if ((options[i].flags & OPTION_SHAPES) != 0) {
            add_shape(&options[i], (const char *)conf + options[i].offset, out);
        }
    }
}
