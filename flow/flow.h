/* A flow: what flow.yaml says, checked and const.
 *
 * flow_load reads the file, replaces ${VAR}, parses strictly and resolves every name. What needs
 * the store's SQL (columns of a SELECT, determinism) is checked by transform/ afterwards. All of it
 * lives in the flow's arena; positions stay reachable through the nodes for errors. Const after
 * loading; may be shared between threads.
 *
 * Limits: flow file FLOW_FILE_BYTES_MAX, FLOW_ITEMS_MAX sources, tables, transforms each. */
#ifndef PLUMB_FLOW_FLOW_H
#define PLUMB_FLOW_FLOW_H

#include "base/hash.h"
#include "component/component.h"

#define FLOW_FILE_BYTES_MAX ((size_t)4 << 20)
#define FLOW_ITEMS_MAX      1000
#define FLOW_NAME_BYTES_MAX                                                                        \
    64 /* names match [A-Za-z_][A-Za-z0-9_-]*, tables and columns without '-'; '_plumb' is ours */

/* How many rejects may be open before the stage stops; `max` 0: there is no limit. */
#define FLOW_LIMIT_MAX    INT64_C(1000000000)
#define FLOW_LIMIT_OF     INT64_C(10000) /* records a share is a share of, unless told */
#define FLOW_LIMIT_OF_MAX INT64_C(1000000000)
struct flow_limit {
    int64_t max;         /* reached when so many are open ... */
    int64_t of;          /* ... among the last `of` records; 0: among all */
    const char *percent; /* as it was written; NULL: max was a number */
    const struct node *node;
};

struct flow_source {
    const char *name;
    const struct component *component;
    const void *conf;
    struct source_common common;
    struct contract contract; /* no columns when the component names its streams */
    const struct flow_stream *streams;
    size_t stream_count;
    const struct stream *specs; /* [stream_count], as the component gave them */
    struct flow_limit rejects;  /* of decoding */
    const struct node *node;
};

/* One of a source's streams; of the only one the name is "". */
struct flow_stream {
    const char *name;
    const char *full_name; /* "chain.Transfer"; the source's name when it is the only one */
    const struct stream *spec;
    const struct flow_source *source;
    size_t index;         /* within the source */
    size_t number;        /* within the flow */
    const char *relation; /* what its batch is called in the store's SQL */
};

struct flow_table {
    const char *name;
    struct schema schema; /* the user's columns; for key: auto without _partition and _record */
    bool key_auto;
    const size_t *key; /* indexes into schema; empty for key: auto */
    size_t key_count;
    const struct flow_index *indexes;
    size_t index_count;
    bool lineage;      /* keep _batch and _pos (only tables that maps write) */
    bool is_reference; /* no transform writes it */
    const struct node *node;
};

struct flow_index {
    const size_t *columns; /* indexes into the table's schema */
    size_t count;
};

enum transform_kind { TRANSFORM_MAP, TRANSFORM_SUM, TRANSFORM_DERIVE };

/* One entry of `on:` of a derive: which changing table, and how its rows give keys. */
struct flow_on {
    const struct flow_table *table;
    const char *const
        *columns; /* columns of that table, one per changed-key column; NULL when sql is given */
    size_t column_count;
    const char *sql; /* SELECT over change giving the key columns; NULL when columns are given */
    const struct node *node;
};

struct flow_transform {
    const char *name;
    enum transform_kind kind;
    const struct flow_source *source; /* map: where its batches come from */
    const struct flow_stream *stream; /* map: which rows of them */
    const struct flow_table *from;    /* sum: the table whose changes it adds up */
    const struct flow_table *into;
    const char *sql;
    const struct node *sql_node; /* where the SQL stands; node_text_position gives places in it */
    size_t latest_by[8];         /* map: columns of into, most significant first */
    size_t latest_by_count;
    const char *delete_when; /* map: predicate over the SELECT's columns, or NULL */
    const struct node *delete_when_node;
    bool many;                 /* map: one record may give several rows */
    struct flow_limit rejects; /* map, and derive: of keys on which it fails */
    const struct flow_on *on;  /* derive */
    size_t on_count;
    /* derive: the columns of `changed`, as indexes into into->schema. All are key columns of into;
     * every on[i] gives that many columns, in this order. */
    const size_t *changed;
    size_t changed_count;
    const struct node *node;
    struct hash128 definition; /* of kind, sql, from, into, key, types, options: state made by
                                  another one is stale */
};

struct flow_alerts;                       /* flow/alerts.h */
struct flow_telemetry;                    /* flow/telemetry.h */
struct flow_check;                        /* flow/checks.h */
#define CHECKS_EVERY_US INT64_C(10000000) /* unless checks: every: says otherwise */

enum keep_kind { KEEP_FOREVER, KEEP_AGE, KEEP_BYTES };

struct flow {
    struct arena arena;
    const char *name;
    const char *path;      /* of the flow file as given */
    const char *directory; /* where it lies */
    const char *store;     /* "sqlite:shop.db" (relative to the current directory of the flow) or
                              "postgres://..." */
    const struct node *store_node;
    enum keep_kind keep;
    int64_t keep_amount; /* us or bytes */
    struct flow_source *sources;
    size_t source_count;
    size_t stream_count; /* of all sources */
    struct flow_table *tables;
    size_t table_count;
    struct flow_transform *transforms; /* in an order in which inputs come before consumers */
    size_t transform_count;
    const struct flow_check *checks;
    size_t check_count;
    int64_t checks_every_us;
    const struct flow_alerts *alerts;       /* never NULL */
    const struct flow_telemetry *telemetry; /* NULL without the section */
    struct hash128 version;                 /* of the flow file and the SQL files as read */
    /* Counters that SQL may bump by plumb_reached and plumb_decided (transform/branches.h); NULL:
     * there are no such functions. Those who count own them (trial/). */
    int64_t *ways;
    size_t way_count;
};

/* path: a directory (flow.yaml in it) or a flow file. On success the caller owns *out. */
MUST_CHECK enum err_code flow_load(const char *path, const struct registry *registry,
                                   struct flow **out, struct err *err);
void flow_free(struct flow *flow);

/* A new decoder for the source's batches. */
MUST_CHECK enum err_code flow_decoder(const struct flow_source *s, struct decoder **out,
                                      struct err *err);
const struct flow_source *flow_find_source(const struct flow *f, const char *name);
const struct flow_table *flow_find_table(const struct flow *f, const char *name);
const struct flow_transform *flow_find_transform(const struct flow *f, const char *name);

/* Marks in affected[transform_count] what a rebuild of the named transforms (none: all) takes along:
 * those that write the same tables, and all below. CONFIG when a name is no transform's. */
MUST_CHECK enum err_code flow_affected(const struct flow *f, const char *const *names, size_t count,
                                       bool *affected, struct err *err);
/* Whether a transform of the flow writes the table. Of a flow with fewer transforms than its tables
 * know of, this is the truth, and is_reference is not. */
bool flow_writes(const struct flow *f, const struct flow_table *t);
/* Whether a sum does: such a table counts contributions in a column of its own, `_n`. */
bool flow_sums_into(const struct flow *f, const struct flow_table *t);
/* What an index of the table is called: "TABLE_COLUMN_COLUMN_index". */
void flow_index_name(const struct flow_table *t, size_t index, struct buf *out);

/* The JSON Schema of a whole flow file. */
void flow_json_schema(const struct registry *r, struct buf *out);

#endif
