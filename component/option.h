/* Option tables: the one declaration of a component's settings.
 *
 * From the table come parsing into the conf struct, defaults, limits, unknown-key errors with
 * positions and the nearest name, redaction, JSON Schema, `plumb help`, `plumb list` and
 * docs/reference/.
 *
 *     struct file_conf { const char *path; int64_t poll_us; };
 *     static const struct option options[] = {
 *         OPTION_STR(struct file_conf, path, .flags = OPTION_REQUIRED, .doc = "Glob of files to read.",
 *                    .example = "data/orders-?.jsonl"),
 *         OPTION_DURATION(struct file_conf, poll_us, .name = "poll", .def = "250ms", .doc = "..."),
 *     };
 *
 * The macros prove at compile time that the member has the option's C type. */
#ifndef PLUMB_COMPONENT_OPTION_H
#define PLUMB_COMPONENT_OPTION_H

#include "component/node.h"

enum option_type {
    OPTION_TYPE_STRING,   /* const char * */
    OPTION_TYPE_BOOL,     /* bool; true or false only */
    OPTION_TYPE_INT,      /* int64_t */
    OPTION_TYPE_FLOAT,    /* double */
    OPTION_TYPE_DURATION, /* int64_t microseconds; text "5s" */
    OPTION_TYPE_SIZE,     /* int64_t bytes; text "16MiB" */
    OPTION_TYPE_ENUM,     /* int64_t: index into choices */
    OPTION_TYPE_CHAR,     /* char: one ASCII character; "\t" is written \t */
    OPTION_TYPE_LIST,     /* struct option_list: list of scalars */
    OPTION_TYPE_NODE      /* const struct node *: a map or a list that the component reads itself */
};

#define OPTION_REQUIRED   1u
#define OPTION_SECRET     2u /* masked everywhere */
#define OPTION_ADVANCED   4u /* listed last in help */
#define OPTION_DEPRECATED 8u
#define OPTION_SHAPES     16u /* changes what records decode to: part of a map's definition */

struct option_list {
    const char *const *items;
    size_t count;
};

struct option {
    const char *name;   /* NULL: the member's name; ask option_name() */
    const char *member; /* filled by the macros */
    enum option_type type;
    unsigned flags;
    const char *def;  /* text, parsed like user text; NULL: absent (NULL, 0, false, empty) */
    int64_t min, max; /* INT, DURATION (us), SIZE (bytes); both 0: no bounds */
    const char *const *choices; /* ENUM: NULL-terminated */
    const char *doc;            /* one or two sentences */
    const char *example;
    size_t offset;
};

#define OPTION_CHECKED_OFFSET(S, m, T)                                                             \
    (offsetof(S, m) + 0 * sizeof(struct {                                                          \
                          _Static_assert(__builtin_types_compatible_p(__typeof__(((S *)0)->m), T), \
                                         "option " #m " needs a member of type " #T);              \
                          int unused_member;                                                       \
                      }))
#define OPTION_OF(S, m, T, kind, ...)                                                              \
    { .member = #m, .type = (kind), .offset = OPTION_CHECKED_OFFSET(S, m, T), __VA_ARGS__ }
#define OPTION_STR(S, m, ...)      OPTION_OF(S, m, const char *, OPTION_TYPE_STRING, __VA_ARGS__)
#define OPTION_BOOL(S, m, ...)     OPTION_OF(S, m, bool, OPTION_TYPE_BOOL, __VA_ARGS__)
#define OPTION_INT(S, m, ...)      OPTION_OF(S, m, int64_t, OPTION_TYPE_INT, __VA_ARGS__)
#define OPTION_FLOAT(S, m, ...)    OPTION_OF(S, m, double, OPTION_TYPE_FLOAT, __VA_ARGS__)
#define OPTION_DURATION(S, m, ...) OPTION_OF(S, m, int64_t, OPTION_TYPE_DURATION, __VA_ARGS__)
#define OPTION_SIZE(S, m, ...)     OPTION_OF(S, m, int64_t, OPTION_TYPE_SIZE, __VA_ARGS__)
#define OPTION_ENUM(S, m, ...)     OPTION_OF(S, m, int64_t, OPTION_TYPE_ENUM, __VA_ARGS__)
#define OPTION_CHAR(S, m, ...)     OPTION_OF(S, m, char, OPTION_TYPE_CHAR, __VA_ARGS__)
#define OPTION_LIST(S, m, ...)     OPTION_OF(S, m, struct option_list, OPTION_TYPE_LIST, __VA_ARGS__)

#define OPTION_NODE(S, m, ...) OPTION_OF(S, m, const struct node *, OPTION_TYPE_NODE, __VA_ARGS__)

/* What the option is called in a flow file. */
static inline const char *option_name(const struct option *o) {
    return o->name != NULL ? o->name : o->member;
}

/* Adds "name value" of every option with OPTION_SHAPES in conf to out, given or default, in the
 * table's order; unambiguous, for hashing. */
void options_shape(const struct option *options, size_t count, const void *conf, struct buf *out);

/* Reads map into conf (zeroed, of the descriptor's size): defaults, then given values, bounds,
 * required ones. Keys in `handled` (NULL-terminated, may be NULL) belong to somebody else and are
 * skipped. Strings live in the arena. */
MUST_CHECK enum err_code options_parse(const struct option *options, size_t count,
                                       const struct node *map, const char *const *handled,
                                       struct arena *arena, void *conf, struct err *err);

#endif
