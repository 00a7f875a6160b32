/* Checks: what a flow says must hold of its sources, transforms and tables, and from when on that is
 * worth a warning or an alert. watch/ judges them; here they are read.
 *
 *     checks:
 *       every: 10s
 *       orders-arrive: {heartbeat: orders, within: 1h}
 *       few-rejects: {rejects: sources.orders, warn: 1%, error: 5%, over: 1h, for: 10m}
 *
 * The first key of a check is its kind, and stands for what it is about. Limits are in the kind's own
 * unit: a share (`1%`), a time (`10s`) or a number. A value above a limit is bad. Const after
 * loading. */
#ifndef PLUMB_FLOW_CHECKS_H
#define PLUMB_FLOW_CHECKS_H

#include "flow/flow.h"

#define CHECKS_EVERY_US_MIN INT64_C(1000000)
#define CHECKS_EVERY_US_MAX INT64_C(3600000000)
#define CHECK_COLUMNS_MAX   8
#define CHECK_HOUR_US       INT64_C(3600000000)
#define CHECK_DAY_US        (24 * CHECK_HOUR_US)

enum check_kind {
    CHECK_HEARTBEAT,
    CHECK_LATENCY,
    CHECK_ERRORS,
    CHECK_REJECTS,
    CHECK_DUPLICATES,
    CHECK_ROWS,
    CHECK_NULLS,
    CHECK_RANGE,
    CHECK_UNIQUE,
    CHECK_FRESHNESS,
    CHECK_GAP,
    CHECK_SCHEMA_CHANGE,
    CHECK_HTTP_STATUS,
    CHECK_VOLUME,
    CHECK_SQL
};
#define CHECK_KINDS ((size_t)CHECK_SQL + 1)

enum check_unit { UNIT_SHARE, UNIT_TIME, UNIT_COUNT, UNIT_SCORE };
/* Ordered: a larger one is worse. */
enum check_level { LEVEL_FINE, LEVEL_WARN, LEVEL_ERROR };

enum check_stage { STAGE_EXTRACT, STAGE_LOAD };
enum check_answers { ANSWERS_4XX, ANSWERS_429, ANSWERS_5XX, ANSWERS_NONE, ANSWERS_BAD };
enum check_direction { VOLUME_BOTH, VOLUME_DROP, VOLUME_RISE };
enum check_counts { COUNTS_VALUE, COUNTS_ROWS };

/* What the option tables fill; limits are texts until the kind gives them a unit. */
struct check_conf {
    const char *description;
    int64_t severity; /* 0 warn, 1 error: of `max`, `within`, `min`, and of what cannot be told */
    int64_t for_us;
    int64_t keep_us;
    const char *warn, *error, *max, *within, *resolve_at;
    const char *low, *high; /* range: bounds of the column's values; sql: low is `min` */
    int64_t max_runtime_us;
    int64_t stage; /* enum check_stage */
    int64_t percentile;
    int64_t over_us;
    int64_t grace_us;
    int64_t min_rows;
    int64_t answers; /* enum check_answers */
    int64_t days, min_days;
    int64_t direction; /* enum check_direction */
    bool zero_ok;
    int64_t counts; /* enum check_counts */
    struct option_list columns;
    struct option_list events;
};

struct check_kind_facts {
    const char *name;
    const char *summary; /* one sentence */
    const char *doc;     /* a paragraph: what is measured, from what */
    const char *subject; /* what the kind's key names: "a source", "TABLE.COLUMN" */
    const char *example; /* one line of YAML, as a member of `checks` */
    const char *limit;   /* the `error` limit when none is given; NULL: one must be given */
    const struct option *options;
    size_t option_count;
    enum check_unit unit;
    bool in_history; /* `plumb alerts test` can tell how it was */
};
extern const struct check_kind_facts check_kinds[CHECK_KINDS];

struct flow_check {
    const char *name;
    enum check_kind kind;
    const char *subject; /* as written, without "sources." and the like; "" for SQL */
    struct check_conf conf;
    enum check_level severity; /* of the worst limit */
    double warn, error;        /* NAN: none */
    double floor;              /* bad below; NAN: none */
    double clear;              /* an alert ends at or below this */
    const struct flow_source *source;
    const struct flow_stream *stream; /* of several; NULL: all */
    const struct flow_transform *transform;
    const struct flow_table *table;
    size_t columns[CHECK_COLUMNS_MAX]; /* of the table */
    size_t column_count;
    const char *low_sql, *high_sql; /* range: literals of the column's type; NULL: none */
    const char *sql;
    const struct node *sql_node;
    const struct node *node;
    struct hash128 definition; /* of what is measured; not of limits */
};

const struct flow_check *flow_find_check(const struct flow *f, const char *name);
/* The check's first sentence about itself: its description, or made from kind and subject. */
void check_describe(const struct flow_check *c, struct buf *out);
/* A value in the unit of the kind: "1.2 %", "3 m 20 s", "17". NAN: "?". */
#define CHECK_VALUE_BYTES 48
void check_value_text(enum check_unit unit, double value, char out[CHECK_VALUE_BYTES]);
/* `checks:` as JSON Schema, into w, after its key; and docs/reference/checks.md. */
struct json_writer;
void checks_json_schema(struct json_writer *w);
void checks_reference(struct buf *out);

#endif
