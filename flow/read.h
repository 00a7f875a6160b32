/* Strict reading of a node tree: what every part of a flow file needs. All errors are CONFIG with
 * the place of the key or value. */
#ifndef PLUMB_FLOW_READ_H
#define PLUMB_FLOW_READ_H

#include "flow/flow.h"

/* What the parts of flow_load share while a flow is being made. */
struct loader {
    struct flow *flow;
    struct arena *arena; /* flow->arena */
    const struct registry *registry;
    struct buf version; /* hashes of the files read so far */
};

/* n must be a map with known keys only; what: "table 'x'", for messages. */
MUST_CHECK enum err_code read_map(const struct node *n, const char *what, const char *const *known,
                                  size_t known_count, struct err *err);
/* n must be a list with at least one item. */
MUST_CHECK enum err_code read_list(const struct node *n, struct err *err);
/* A text that is not empty; belongs to the tree. n's key names it in messages. */
MUST_CHECK enum err_code read_text(const struct node *n, const char **out, struct err *err);
MUST_CHECK enum err_code read_bool(const struct node *n, bool *out, struct err *err);
/* The key of n as a name; a name with '-' is fine where SQL never sees it bare. */
MUST_CHECK enum err_code read_name(const struct node *n, const char *kind, bool allow_dash,
                                   struct err *err);
/* The key of n as the name of a column. */
MUST_CHECK enum err_code read_column_name(const struct node *n, struct err *err);
/* No two keys of the map may differ in case only: SQL does not tell them apart. */
MUST_CHECK enum err_code read_distinct_names(const struct node *map, const char *kind,
                                             struct err *err);
MUST_CHECK enum err_code read_type(const struct node *n, enum column_type *out, struct err *err);
/* "unknown KIND 'x'"; did you mean, or the list of those there are. */
enum err_code read_unknown(const struct node *n, const char *kind, struct str text,
                           const char *const *names, size_t count, struct err *err);
/* A column of schema by the text of n; what: "table 'x'". */
MUST_CHECK enum err_code read_column(const struct node *n, const char *what,
                                     const struct schema *schema, size_t *out, struct err *err);
/* A list of different columns of schema, in the order given. */
MUST_CHECK enum err_code read_columns(const struct node *n, const char *what,
                                      const struct schema *schema, struct arena *arena,
                                      const size_t **out, size_t *out_count, struct err *err);

/* The sections of a flow file, in the order they are read. */
MUST_CHECK enum err_code sources_load(struct loader *l, const struct node *section,
                                      struct err *err);
MUST_CHECK enum err_code tables_load(struct loader *l, const struct node *section, struct err *err);
MUST_CHECK enum err_code transforms_load(struct loader *l, const struct node *section,
                                         struct err *err);
/* After graph_check (flow/checks.c). */
MUST_CHECK enum err_code checks_load(struct loader *l, const struct node *section, struct err *err);
/* section NULL: nobody is told (flow/alerts.c). */
MUST_CHECK enum err_code alerts_load(struct loader *l, const struct node *section, struct err *err);
/* An address of HTTP; url NULL is fine. Header lines of a map (NULL: none), of which there were *count
 * before: 0. */
struct route_header;
MUST_CHECK enum err_code alerts_check_url(const struct node *n, const char *url, struct err *err);
MUST_CHECK enum err_code alerts_read_headers(struct loader *l, const struct node *map,
                                             const struct route_header **out, size_t *count,
                                             struct err *err);
/* section NULL: nothing is sent unless the command line says so (flow/telemetry.c). */
MUST_CHECK enum err_code telemetry_load(struct loader *l, const struct node *section,
                                        struct err *err);
/* on: of a derive (flow/on.c). */
MUST_CHECK enum err_code on_load(struct loader *l, struct flow_transform *t, const struct node *n,
                                 struct err *err);
/* rejects: of a source or a map (flow/limits.c). */
MUST_CHECK enum err_code limit_load(const struct node *n, struct flow_limit *out, struct err *err);
/* SQL where n stands: the text itself, or the file it names (flow/sql_file.c). */
MUST_CHECK enum err_code sql_load(struct loader *l, const struct node *n, const char **out,
                                  const struct node **out_node, struct err *err);
/* Names in from, into, on (flow/graph.c). */
MUST_CHECK enum err_code graph_find_stream(const struct loader *l, const struct node *n,
                                           const struct flow_stream **out, struct err *err);
MUST_CHECK enum err_code graph_find_table(const struct loader *l, const struct node *n,
                                          struct str name, const struct flow_table **out,
                                          struct err *err);
/* Writers of tables, cycles, order of transforms. */
MUST_CHECK enum err_code graph_check(struct loader *l, struct err *err);
/* The definition hash of a transform (flow/definition.c). */
struct hash128 definition_of(const struct flow_transform *t);
/* sql with white space and comments outside quotes folded, added to out. */
void definition_fold_sql(struct str sql, struct buf *out);

/* As flow_load, of a text in memory. path is what messages call it; SQL files are looked for in its
 * directory. lookup: variables, NULL for the environment. */
typedef const char *(*flow_lookup)(void *context, const char *name);
MUST_CHECK enum err_code flow_load_text(struct str text, const char *path,
                                        const struct registry *registry, flow_lookup lookup,
                                        struct flow **out, struct err *err);

#endif
