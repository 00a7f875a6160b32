/* The kinds of checks as tables: what each measures, in words, its unit and its options. Parsing, the JSON
 * Schema and the reference are made from them. */
#include "flow/checks.h"

#define CONF struct check_conf

static const char *const severities[] = {"warn", "error", NULL};
static const char *const stages[] = {"extract", "load", NULL};
static const char *const answers[] = {"4xx", "429", "5xx", "none", "bad", NULL};
static const char *const directions[] = {"both", "drop", "rise", NULL};
static const char *const counted[] = {"value", "rows", NULL};

#define COMMON                                                                                     \
    OPTION_STR(CONF, description, .doc = "What it means when this fires, and what to do."),        \
        OPTION_ENUM(CONF, severity, .def = "error", .choices = severities,                         \
                    .doc = "How bad it is when the one limit is passed, or when it cannot be "     \
                           "told. With `warn` and `error` each limit says it itself."),            \
        OPTION_DURATION(CONF, for_us, .name = "for", .def = "0s",                                  \
                        .doc = "Fire only when it has been so for this long."),                    \
        OPTION_DURATION(CONF, keep_us, .name = "keep", .def = "5m",                                \
                        .doc = "An alert is over when it has been fine for this long: what "       \
                               "flaps is one alert.")
#define LEVELS                                                                                     \
    OPTION_STR(CONF, warn, .doc = "A value above this is a warning."),                             \
        OPTION_STR(CONF, error, .doc = "A value above this is an error."),                         \
        OPTION_STR(CONF, resolve_at, .flags = OPTION_ADVANCED,                                     \
                   .doc = "An alert ends only when the value is not above this; the lowest limit " \
                          "unless given.")
#define LIMITS LEVELS, OPTION_STR(CONF, max, .doc = "One limit, of `severity`.")
#define WITHIN                                                                                     \
    LEVELS, OPTION_STR(CONF, within, .doc = "One limit, of `severity`: later than this is late.",  \
                       .example = "1h")
#define OVER(time)                                                                                 \
    OPTION_DURATION(CONF, over_us, .name = "over", .def = (time), .min = 1000000,                  \
                    .max = 31536000000000, .doc = "The time before now that is looked at.")
#define MIN_ROWS(rows)                                                                             \
    OPTION_INT(CONF, min_rows, .def = (rows), .min = 1, .max = INT64_C(1000000000000),             \
               .doc = "Fewer than this in that time say nothing: the state stays as it was.")

static const struct option heartbeat[] = {
    WITHIN,
    OPTION_DURATION(CONF, max_runtime_us, .name = "max_runtime", .min = 1000000,
                    .max = 31536000000000,
                    .doc = "A batch that came must be in the tables of all its maps after this; a "
                           "limit of its own, as late and never finished are not the same."),
    COMMON};
static const struct option latency[] = {
    LIMITS,
    OPTION_ENUM(CONF, stage, .def = "load", .choices = stages,
                .doc = "extract: from when the source was first asked for a batch until it was "
                       "staged. load: from staged until a map had applied it."),
    OPTION_INT(CONF, percentile, .def = "99", .min = 1, .max = 100,
               .doc = "Of the batches of that time, by nearest rank; 100 is the slowest."),
    OVER("15m"), COMMON};
static const struct option errors[] = {LIMITS, COMMON};
static const struct option shares[] = {LIMITS, OVER("1h"), MIN_ROWS("1"), COMMON};
static const struct option rows[] = {
    LIMITS, OVER("1h"), MIN_ROWS("1"),
    OPTION_DURATION(CONF, grace_us, .name = "grace", .def = "1m",
                    .doc = "Batches younger than this are not counted yet."),
    COMMON};
static const struct option nulls[] = {LIMITS, MIN_ROWS("1"), COMMON};
static const struct option range[] = {
    LEVELS, OPTION_STR(CONF, low, .name = "min", .doc = "No value may be below."),
    OPTION_STR(CONF, high, .name = "max", .doc = "No value may be above."), COMMON};
static const struct option unique[] = {
    LIMITS,
    OPTION_LIST(CONF, columns,
                .doc = "Columns that must be unique together, when the key names a "
                       "table only.",
                .example = "[customer, day]"),
    COMMON};
static const struct option freshness[] = {WITHIN, COMMON};
static const struct option gap[] = {LIMITS, COMMON};
static const struct option schema_change[] = {
    LIMITS, OVER("1d"),
    OPTION_LIST(CONF, events, .doc = "Of these only: new_field, missing_field, changed_type.",
                .example = "[missing_field, changed_type]"),
    COMMON};
static const struct option http_status[] = {
    LIMITS, OVER("5m"), MIN_ROWS("1"),
    OPTION_ENUM(CONF, answers, .name = "status", .def = "4xx", .choices = answers,
                .doc =
                    "Which answers count: 4xx with 429, 429 alone, 5xx, none (no answer came), or "
                    "bad: all of them."),
    COMMON};
static const struct option volume[] = {
    LIMITS,
    OPTION_INT(CONF, days, .def = "14", .min = 2, .max = 366,
               .doc = "The same hour of so many days before is what it is held against."),
    OPTION_INT(CONF, min_days, .def = "5", .min = 2, .max = 366,
               .doc = "With fewer days known it learns, and says so."),
    OPTION_ENUM(CONF, direction, .def = "both", .choices = directions,
                .doc = "Whether too few, too many or both are wrong."),
    OPTION_BOOL(CONF, zero_ok, .def = "false",
                .doc = "An hour without any record is as good as another. Otherwise it is always "
                       "an error, and never part of what is normal."),
    COMMON};
static const struct option sql[] = {
    LIMITS, OPTION_STR(CONF, low, .name = "min", .doc = "A value below this is of `severity`."),
    OPTION_ENUM(CONF, counts, .def = "value", .choices = counted,
                .doc = "value: the SELECT gives one number. rows: it gives the rows that are "
                       "wrong, and their number counts."),
    COMMON};

#define OPTIONS(table) .options = (table), .option_count = ARRAY_COUNT(table)

const struct check_kind_facts check_kinds[CHECK_KINDS] = {
    [CHECK_HEARTBEAT] =
        {.name = "heartbeat",
         .summary = "Did this source bring anything?",
         .doc = "The time since the last batch with records was staged. A source that never "
                "brought any is late from when the check was first looked at.",
         .subject = "a source, or SOURCE.STREAM",
         .example = "orders-arrive: {heartbeat: orders, within: 1h, max_runtime: 10m}",
         .unit = UNIT_TIME,
         .in_history = true,
         OPTIONS(heartbeat)},
    [CHECK_LATENCY] =
        {.name = "latency",
         .summary = "How long do batches take?",
         .doc = "A percentile over the batches of the last while. What is still on its way counts "
                "with the time it has been so: a batch that a map has not applied, a source that "
                "is in trouble.",
         .subject = "a source; for stage load also a map",
         .example =
             "slow: {latency: sources.orders, stage: load, percentile: 99, warn: 10s, error: 60s, "
             "for: 5m}",
         .unit = UNIT_TIME,
         .in_history = true,
         OPTIONS(latency)},
    [CHECK_ERRORS] =
        {.name = "errors",
         .summary = "Does this source or transform work?",
         .doc = "Of a source: the share of its partitions that are in trouble. Of a sum or derive: "
                "the share of keys on which it failed. Anything that waits as a whole is 100 %.",
         .subject = "a source or a transform",
         .example = "scoring: {errors: transforms.scores, max: 1%}",
         .unit = UNIT_SHARE,
         .limit = "0",
         OPTIONS(errors)},
    [CHECK_REJECTS] =
        {.name = "rejects",
         .summary = "How many rows are set aside?",
         .doc = "Rejected rows by all rows, of the batches staged in that time: of a source, while "
                "decoding and by its maps; of a map, by it alone.",
         .subject = "a source or a map",
         .example = "few-rejects: {rejects: sources.orders, max: 1%, over: 1h}",
         .unit = UNIT_SHARE,
         .in_history = true,
         OPTIONS(shares)},
    [CHECK_DUPLICATES] =
        {.name = "duplicates",
         .summary = "How much does deduplication remove?",
         .doc = "Rows of a map that were there already just so, or lost against a newer one, by "
                "all rows it made, of the batches staged in that time.",
         .subject = "a map",
         .example = "few-repeats: {duplicates: orders, max: 5%}",
         .unit = UNIT_SHARE,
         .in_history = true,
         OPTIONS(shares)},
    [CHECK_ROWS] =
        {.name = "rows",
         .summary = "Is what was extracted also loaded?",
         .doc = "The share of records staged in that time that did not come through: rejected, or "
                "in a batch that the map has not applied. What its SQL leaves out came through. "
                "Of a source, its worst map counts.",
         .subject = "a source or a map",
         .example = "all-loaded: {rows: sources.orders, max: 2%}",
         .unit = UNIT_SHARE,
         .in_history = true,
         OPTIONS(rows)},
    [CHECK_NULLS] = {.name = "nulls",
                     .summary = "How often has this column no value?",
                     .doc = "Rows where it is NULL by all rows of the table.",
                     .subject = "TABLE.COLUMN",
                     .example = "names-known: {nulls: people.name, max: 1%}",
                     .unit = UNIT_SHARE,
                     .limit = "0",
                     OPTIONS(nulls)},
    [CHECK_RANGE] = {.name = "range",
                     .summary = "Are the values of this column where they should be?",
                     .doc = "The number of rows outside. NULL is neither in nor out.",
                     .subject = "TABLE.COLUMN",
                     .example = "totals: {range: orders.total, min: 0, max: 100000000}",
                     .unit = UNIT_COUNT,
                     .limit = "0",
                     OPTIONS(range)},
    [CHECK_UNIQUE] = {.name = "unique",
                      .summary = "Is each value there once only?",
                      .doc = "The number of values that more than one row has. NULL is none.",
                      .subject = "TABLE.COLUMN, or a table with `columns`",
                      .example = "one-name: {unique: people.name, severity: warn}",
                      .unit = UNIT_COUNT,
                      .limit = "0",
                      OPTIONS(unique)},
    [CHECK_FRESHNESS] =
        {.name = "freshness",
         .summary = "How old is the newest row?",
         .doc = "The time since the latest timestamp of the column. A table that never had a row "
                "is late from when the check was first looked at.",
         .subject = "TABLE.COLUMN, a timestamp",
         .example = "fresh: {freshness: orders.updated, warn: 1h, error: 6h}",
         .unit = UNIT_TIME,
         OPTIONS(freshness)},
    [CHECK_GAP] = {.name = "gap",
                   .summary = "Is the history whole?",
                   .doc = "Places (blocks) between the first and the last that are not covered.",
                   .subject = "a source that knows what it covered, such as evm",
                   .example = "whole: {gap: chain}",
                   .unit = UNIT_COUNT,
                   .limit = "0",
                   OPTIONS(gap)},
    [CHECK_SCHEMA_CHANGE] =
        {.name = "schema_change",
         .summary = "Did the data's own schema change?",
         .doc = "Fields that are new, stopped coming or changed their type, in that time; what the "
                "first batch of a partition brought is no change.",
         .subject = "a source",
         .example = "same-fields: {schema_change: orders, events: [missing_field, changed_type]}",
         .unit = UNIT_COUNT,
         .limit = "0",
         .in_history = true,
         OPTIONS(schema_change)},
    [CHECK_HTTP_STATUS] = {.name = "http_status",
                           .summary = "Does the other side refuse us?",
                           .doc = "Answers of that kind by all answers a source got in that time.",
                           .subject = "a source that asks by HTTP, such as evm",
                           .example =
                               "refused: {http_status: chain, status: 4xx, max: 10%, over: 5m}",
                           .unit = UNIT_SHARE,
                           .in_history = true,
                           OPTIONS(http_status)},
    [CHECK_VOLUME] =
        {.name = "volume",
         .summary = "Does as much come as usual?",
         .doc = "The records of the last whole hour against the same hour of past days: how many "
                "typical deviations (from the median, by the median of deviations) they are away. "
                "The hour that is judged, hours that were flagged and hours without records are "
                "not part of what is normal; as many days before take their place.",
         .subject = "a source",
         .example = "usual: {volume: orders, warn: 4, error: 8, direction: drop}",
         .unit = UNIT_SCORE,
         .limit = "5",
         .in_history = true,
         OPTIONS(volume)},
    [CHECK_SQL] =
        {.name = "sql",
         .summary = "Whatever one SELECT can tell.",
         .doc = "`$now` in it is the time, in microseconds since 1970. NULL, or no row where a "
                "value is asked for, cannot be told and fires.",
         .subject = "a SELECT, or the name of a .sql file",
         .example = "no-ghosts: {sql: \"SELECT id FROM orders WHERE customer IS NULL\", "
                    "counts: rows}",
         .unit = UNIT_COUNT,
         .limit = "0",
         OPTIONS(sql)},
};
