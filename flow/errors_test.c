/* Flows that are wrong: the message and the place of each mistake, word for word. A "@" in a text
 * marks the place that the error must point at, and is taken out before the text is loaded. */
#include "flow/test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the cases below begin with, so that each shows its own part only. */
#define HEAD   "flow: f\n"
#define SOURCE "sources: {s: {type: file, path: x, columns: {k: int64, v: text}}}\n"
#define TABLES                                                                                     \
    "tables:\n"                                                                                    \
    "  a: {key: [k], columns: {k: int64, v: text, n: int64, x: float64, j: json}}\n"               \
    "  b: {key: [k], columns: {k: int64, n: int64}}\n"                                             \
    "  c: {key: [k], columns: {k: int64, n: int64}}\n"                                             \
    "  d: {key: [t], columns: {t: text}}\n"                                                        \
    "  log: {key: auto, columns: {v: text}}\n"
#define ALL HEAD SOURCE TABLES "transforms:\n  l: {from: s, into: log, sql: S}\n"

struct wrong {
    const char *text;
    const char *message;
};

static void place_of_mark(const char *text, char *without, size_t *line, size_t *column) {
    *line = 0;
    size_t at_line = 1;
    size_t at_column = 1;
    size_t len = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '@') {
            *line = at_line;
            *column = at_column;
            continue;
        }
        without[len++] = *c;
        at_column = *c == '\n' ? 1 : at_column + 1;
        at_line += *c == '\n';
    }
    without[len] = '\0';
    assert_true(*line > 0);
}

static void expect(const struct wrong *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char text[4096];
        char where[64];
        size_t line = 0;
        size_t column = 0;
        assert_true(strlen(cases[i].text) < sizeof text);
        place_of_mark(cases[i].text, text, &line, &column);
        (void)snprintf(where, sizeof where, "flow.yaml:%zu:%zu", line, column);
        struct flow *f = NULL;
        struct err err = ERR_INIT;
        const enum err_code code =
            flow_load_text(str_of(text), "flow.yaml", &test_registry, test_lookup, &f, &err);
        if (code != ERR_CONFIG || strcmp(err.message, cases[i].message) != 0 ||
            strcmp(err.where, where) != 0) {
            print_message("case %zu:\n%s\n got      %s: %s\n expected %s: %s\n", i, cases[i].text,
                          err.where, err.message, where, cases[i].message);
        }
        assert_int_equal(code, ERR_CONFIG);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.where, where);
        assert_null(f);
    }
}

#define EXPECT(...)                                                                                \
    const struct wrong cases[] = {__VA_ARGS__};                                                    \
    (void)state;                                                                                   \
    expect(cases, ARRAY_COUNT(cases))

static void the_top_of_the_file_is_strict(void **state) {
    EXPECT(
        {"@store: sqlite:x.db\n", "the flow has no name; begin the file with flow: NAME"},
        {"@[a, b]\n", "the flow must be a map, not a list"},
        {HEAD "@sorces: {}\n", "unknown key 'sorces' in the flow; did you mean 'sources'?"},
        {HEAD "@zzzzzz: 1\n", "unknown key 'zzzzzz' in the flow; known keys are flow, store, "
                              "staging, sources, tables, transforms, checks, alerts, telemetry"},
        {HEAD "store: sqlite:a\n@store: sqlite:b\n", "the key 'store' was already given in line 2"},
        {"flow: @my flow\n", "'my flow' is no name for a flow: letters, digits, '-' and '_' "
                             "only, and no digit first"},
        {"flow: @[x]\n", "'flow' must be a text, not a list"},
        {HEAD "store: @mysql:x\n",
         "'store' must be sqlite:FILE or postgres://..., such as sqlite:f.db"},
        {HEAD "store: @'sqlite:'\n",
         "'store' must be sqlite:FILE or postgres://..., such as sqlite:f.db"},
        {HEAD "sources: @[]\n", "'sources' must be a map of names, not a list"},
        {HEAD "sources:@\n", "'sources' must be a map of names, not nothing"},
        {HEAD "staging: {@kep: 1}\n", "unknown key 'kep' in staging; did you mean 'keep'?"},
        {HEAD "staging: {keep: @500}\n", "'keep' must be forever, a time such as 30d or a size "
                                         "such as 20GB, not '500'"});
}

static void sources_are_strict(void **state) {
    EXPECT(
        {HEAD "sources: {@1s: {type: file}}\n", "'1s' is no name for a source: letters, digits, "
                                                "'-' and '_' only, and no digit first"},
        {HEAD "sources: {@_plumb_x: {type: file}}\n",
         "'_plumb_x' is no name for a source: names with _plumb are plumb's own"},
        {HEAD "sources: {s: @file}\n", "source 's' must be a map, not a single value"},
        {HEAD "sources: {@s: {path: x}}\n",
         "source 's' has no type; `plumb list` shows which there are"},
        {HEAD "sources: {s: {type: @htp}}\n", "unknown type of source 'htp'; did you mean 'http'?"},
        {HEAD "sources: {s: {type: @kafka}}\n",
         "unknown type of source 'kafka'; there are file, http"},
        {HEAD "sources:\n  s:\n    type: http\n    @ulr: x\n",
         "unknown key 'ulr'; did you mean 'url'?"},
        {HEAD "sources:\n  s:\n    type: http\n    url: x\n    @batch_row_max: 1\n",
         "unknown key 'batch_row_max'; did you mean 'batch_rows_max'?"},
        {HEAD "sources:\n  @s:\n    type: http\n    columns: {k: int64}\n",
         "'url' is missing: Address that gives the records. For example, url: "
         "https://api.example.com/x"},
        {HEAD "sources: {s: {type: http, url: x, every: @5}}\n",
         "'every' must be a duration such as 250ms, 5s, 10m, 1h or 7d, not '5'"},
        {HEAD "sources: {s: {type: http, url: x, every: @10ms}}\n",
         "'every' must be from 1s to 1d, not '10ms'"},
        {HEAD "sources: {s: {type: http, url: x, token: @[a]}}\n",
         "'token' must be a string, not a list"},
        {HEAD "sources: {s: {type: http, url: @}}\n", "'url' must be a string, not nothing"},
        {HEAD "sources: {s: {type: file, path: x, unknown: @rejct, columns: {k: int64}}}\n",
         "'unknown' must be one of note, reject, ignore, not 'rejct'; did you mean 'reject'?"},
        {HEAD "sources: {s: {type: file, path: x, batch_rows_max: @0, columns: {k: int64}}}\n",
         "'batch_rows_max' must be from 1 to 1000000, not '0'"},
        {HEAD
         "sources: {s: {type: file, path: x, record_bytes_max: @65MiB, columns: {k: int64}}}\n",
         "'record_bytes_max' must be from 1KiB to 64MiB, not '65MiB'"},
        {HEAD "sources: {@s: {type: file, path: forbidden, columns: {k: int64}}}\n",
         "this file with 1 columns is forbidden"},
        {HEAD "sources:\n  s: {type: file, path: x, columns: {k: text}}\n"
              "  @S: {type: file, path: x, columns: {k: text}}\n",
         "sources 's' and 'S' differ only in case, which SQL does not tell apart"});
}

static void a_secret_is_not_printed(void **state) {
    EXPECT({HEAD "sources: {s: {type: http, url: x, every: @'${TOKEN}'}}\n",
            "'every' must be a duration such as 250ms, 5s, 10m, 1h or 7d, not '***'"},
           {HEAD "staging: {keep: @'${TOKEN}'}\n",
            "'keep' must be forever, a time such as 30d or a size such as 20GB, not '***'"},
           {HEAD "sources: {s: {type: @'${TOKEN}'}}\n",
            "unknown type of source '***'; there are file, http"});
}

#define CONTRACT(columns) HEAD "sources:\n  s:\n    type: file\n    path: x\n    " columns

static void contracts_are_strict(void **state) {
    EXPECT(
        {HEAD "sources: {@s: {type: file, path: x}}\n",
         "source 's' has no columns: say what its records hold, for example columns: {id: int64, "
         "name: text}"},
        {CONTRACT("columns: @{}\n"),
         "'columns' must be a map of columns, such as {id: int64}, not an empty one"},
        {CONTRACT("columns: @[a]\n"),
         "'columns' must be a map of columns, such as {id: int64}, not a list"},
        {CONTRACT("columns: {k: @int}\n"), "unknown type 'int'; did you mean 'int64'?"},
        {CONTRACT("columns: {k: @money}\n"),
         "unknown type 'money'; there are int64, float64, bool, text, bytes, timestamp, json, "
         "int256"},
        {CONTRACT("columns: {k: @}\n"), "'k' must be a text, not nothing"},
        {CONTRACT("columns: {@k: {required: true}}\n"),
         "column 'k' has no type; write k: {type: text}"},
        {CONTRACT("columns: {k: {type: text, @requird: true}}\n"),
         "unknown key 'requird' in column 'k'; did you mean 'required'?"},
        {CONTRACT("columns: {k: {type: text, required: @yes}}\n"),
         "'required' must be true or false"},
        {CONTRACT("columns: {k: {type: int64, min: @a}}\n"),
         "'min' of column 'k' must be a value of type int64, not 'a'"},
        {CONTRACT("columns: {k: {type: int64, min: 5, max: @4}}\n"),
         "'max' of column 'k' is less than its 'min'"},
        {CONTRACT("columns: {k: {type: text, max: @-1}}\n"),
         "'max' of column 'k' is a length: an integer of 0 or more, not '-1'"},
        {CONTRACT("columns: {k: {type: json, @min: 1}}\n"),
         "'min' means nothing for column 'k', which is json"},
        {CONTRACT("columns: {k: {type: bool, @max: 1}}\n"),
         "'max' means nothing for column 'k', which is bool"},
        {CONTRACT("columns: {k: {type: int64, one_of: [1, @x]}}\n"),
         "'x' is not of type int64, so column 'k' can never be it"},
        {CONTRACT("columns: {k: {type: text, one_of: @a}}\n"),
         "'one_of' must be a list, not a single value"},
        {CONTRACT("columns: {k: {type: text, one_of: @[]}}\n"), "'one_of' is an empty list"},
        {CONTRACT("columns: {k: {type: text, @unit: ms}}\n"),
         "'unit' is for timestamps; column 'k' is text"},
        {CONTRACT("columns: {k: {type: timestamp, unit: @h}}\n"),
         "unknown unit 'h'; did you mean 's'?"},
        {CONTRACT("columns: {k: {type: text, path: @/a~2}}\n"),
         "in a JSON pointer '~' is written ~0 and a '/' in a name ~1"},
        {CONTRACT(
             "columns: {k: {type: text, path: @/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17}}\n"),
         "the path has more than 16 parts"},
        {CONTRACT("columns: {@a-b: text}\n"),
         "'a-b' is no name for a column: letters, digits and '_' only, and no digit first"},
        {CONTRACT("columns: {@_Batch: text}\n"),
         "'_batch' is a column that plumb adds itself; choose another"},
        {CONTRACT("columns: {ab: text, @AB: text}\n"),
         "columns 'ab' and 'AB' differ only in case, which SQL does not tell apart"},
        {CONTRACT("columns: {@a23456789012345678901234567890123456789012345678901234567890123x: "
                  "text}\n"),
         "the name of the column "
         "'a23456789012345678901234567890123456789012345678901234567890...' is longer than 63 "
         "bytes"});
}

#define LIMIT(text)                                                                                \
    HEAD "sources: {s: {type: file, path: x, columns: {k: text}, rejects: " text "}}\n"
static void limits_are_strict(void **state) {
    EXPECT(
        {LIMIT("@5"), "'rejects' must be a map, not a single value"},
        {LIMIT("{@mx: 5}"), "unknown key 'mx' in 'rejects'; did you mean 'max'?"},
        {HEAD "sources: {s: {type: file, path: x, columns: {k: text}, @rejects: {of: 5}}}\n",
         "'rejects' needs 'max': as many as may be open before it stops, such as 100 or 1%"},
        {LIMIT("{max: @0}"), "'max' is a number of rejects from 1 to 1000000000, or a share such "
                             "as 1%, not '0'"},
        {LIMIT("{max: @0%}"), "'max' is a number of rejects from 1 to 1000000000, or a share such "
                              "as 1%, not '0%'"},
        {LIMIT("{max: @101%}"), "'max' is a number of rejects from 1 to 1000000000, or a share "
                                "such as 1%, not '101%'"},
        {LIMIT("{max: @nan%}"), "'max' is a number of rejects from 1 to 1000000000, or a share "
                                "such as 1%, not 'nan%'"},
        {LIMIT("{max: @'%'}"), "'max' is a number of rejects from 1 to 1000000000, or a share "
                               "such as 1%, not '%'"},
        {HEAD "tables: {t: {key: [k], columns: {k: int64}}, u: {key: [k], columns: {k: int64}}}\n"
              "transforms: {u: {on: [t], into: u, rejects: @{max: 1%}, derive: SELECT k FROM "
              "changed}}\n",
         "keys on which a derive fails are counted, not a share of them: write rejects: {max: "
         "100}"},
        {HEAD "tables: {t: {key: [k], columns: {k: int64}}, u: {key: [k], columns: {k: int64}}}\n"
              "transforms: {u: {from: tables.t, into: u, @rejects: {max: 1}, sum: SELECT k FROM "
              "change}}\n",
         "'rejects' has no meaning in a sum"},
        {LIMIT("{max: 1%, of: @0}"), "'of' is a number of records from 1 to 1000000000, not '0'"},
        {LIMIT("{max: @6, of: 5}"), "'max' can never be reached: 6 rejects of the last 5 records"});
}

static void tables_are_strict(void **state) {
    EXPECT(
        {HEAD "tables: {@Batch: {key: [k], columns: {k: int64}}}\n",
         "'batch' is no name for a table: it is what a transform's SQL reads from"},
        {HEAD "tables: {@changed: {key: [k], columns: {k: int64}}}\n",
         "'changed' is no name for a table: it is what a transform's SQL reads from"},
        {HEAD "tables: {@sqlite_x: {key: [k], columns: {k: int64}}}\n",
         "'sqlite_x' is no name for a table: names with sqlite_ and pg_ are the store's own"},
        {HEAD "tables: {@a-b: {key: [k], columns: {k: int64}}}\n",
         "'a-b' is no name for a table: letters, digits and '_' only, and no digit first"},
        {HEAD "tables: {t: @[k]}\n", "table 't' must be a map, not a list"},
        {HEAD "tables: {t: {key: [k], columns: {k: int64, @_id: int64}}}\n",
         "'_id' is no name for a column of a table: plumb keeps something of its own under it; "
         "choose another (a source may have it: SELECT _id AS ...)"},
        {HEAD "tables: {t: {key: [k], columns: {k: int64, @_N: int64}}}\n",
         "'_n' is no name for a column of a table: plumb keeps something of its own under it; "
         "choose another (a source may have it: SELECT _n AS ...)"},
        {HEAD "tables: {t: {key: [k], columns: {k: int64, @_failed: int64}}}\n",
         "'_failed' is no name for a column of a table: plumb keeps something of its own under it; "
         "choose another (a source may have it: SELECT _failed AS ...)"},
        {HEAD "tables: {t: {key: [k], columns: {k: int64, @_sign: int64}}}\n",
         "'_sign' is no name for a column of a table: plumb keeps something of its own under it; "
         "choose another (a source may have it: SELECT _sign AS ...)"},
        {HEAD "tables: {@t: {columns: {k: int64}}}\n",
         "table 't' has no key: name the columns that tell its rows apart, such as key: [id], or "
         "write key: auto for a log"},
        {HEAD "tables: {@t: {key: [k]}}\n",
         "table 't' has no columns; write columns: {id: int64, name: text}"},
        {HEAD "tables: {t: {key: @k, columns: {k: int64}}}\n",
         "'key' must be a list of columns such as [id], or auto"},
        {HEAD "tables: {t: {key: [@kk], columns: {k: int64, k1: int64}}}\n",
         "table 't' has no column 'kk'; did you mean 'k'?"},
        {HEAD "tables: {t: {key: [k, @k], columns: {k: int64}}}\n",
         "the column 'k' is named twice"},
        {HEAD "tables: {t: {key: @[], columns: {k: int64}}}\n", "'key' is an empty list"},
        {HEAD "tables: {t: {key: [k, @x], columns: {k: int64, x: float64}}}\n",
         "the column 'x' is float64 and cannot be in a key: equal values may be written "
         "differently"},
        {HEAD "tables: {t: {key: [@x], columns: {x: json}}}\n",
         "the column 'x' is json and cannot be in a key: equal values may be written differently"},
        {HEAD "tables: {t: {key: [k], columns: {k: @{type: int64}}}}\n",
         "a column of a table is a name and a type: k: int64"},
        {HEAD "tables: {t: {key: [k], columns: {k: int64}, indexes: [@k]}}\n",
         "each index is a list of columns: indexes: [[k]]"},
        {HEAD "tables: {t: {key: [k], columns: {k: int64}, indexes: [[k], [@zzz]]}}\n",
         "table 't' has no column 'zzz'; its columns are k"},
        {HEAD "tables: {t: {key: [k], columns: {k: int64}, @lineag: true}}\n",
         "unknown key 'lineag' in table 't'; did you mean 'lineage'?"},
        {HEAD "tables: {t: {key: [k], columns: {k: int64}, @lineage: true}}\n",
         "only a table that maps write can have lineage; 't' is written by no transform"},
        {HEAD "tables: {t: {key: @auto, columns: {k: int64}}}\n",
         "no transform writes the table 't', and key: auto is the place of a row in a source"},
        {HEAD "tables:\n  t: {key: [k], columns: {k: int64}}\n"
              "  @T: {key: [k], columns: {k: int64}}\n",
         "tables 't' and 'T' differ only in case, which SQL does not tell apart"});
}

static void a_transform_does_one_thing(void **state) {
    EXPECT(
        {ALL "  @t: {from: s, into: a}\n",
         "transform 't' needs one of 'sql' (a map), 'sum' and 'derive'"},
        {ALL "  t: {from: s, into: a, sql: S, @sum: S}\n",
         "transform 't' has 'sql' and 'sum'; it does one thing only"},
        {ALL "  t: {from: a, into: b, sum: S, @many: true}\n", "'many' has no meaning in a sum"},
        {ALL "  t: {@on: [a], from: s, into: b, sql: S}\n", "'on' has no meaning in a map (sql:)"},
        {ALL "  t: {on: [a], @from: a, into: b, derive: S}\n", "'from' has no meaning in a derive"},
        {ALL "  t: {from: s, @int: a, sql: S}\n",
         "unknown key 'int' in transform 't'; did you mean 'into'?"},
        {ALL "  @t: {from: s, sql: S}\n", "transform 't' needs 'into': the table that it writes"},
        {ALL "  @t: {into: a, sql: S}\n", "transform 't' needs 'from': the source that it maps"},
        {ALL "  @t: {into: b, sum: S}\n",
         "transform 't' needs 'from': the table whose rows it adds up"},
        {ALL "  @t: {into: b, derive: S}\n",
         "transform 't' needs 'on': the tables whose changes it follows, such as on: [orders]"},
        {ALL "  t: {from: s, into: a, sql: @'  '}\n", "'sql' is empty"},
        {ALL "  t: {from: s, into: a, sql: @../x.sql}\n",
         "SQL files lie in the flow's directory or below it"},
        {ALL "  L: {from: s, into: a, sql: S}\n  t: {from: s, into: @aa, sql: S}\n",
         "unknown table 'aa'; did you mean 'a'?"});
}

static void names_lead_to_what_the_kind_needs(void **state) {
    EXPECT(
        {ALL "  t: {from: @a, into: b, sql: S}\n",
         "a map (sql:) reads a source, and 'a' is a table; what follows a table's changes is a "
         "sum or a derive"},
        {ALL "  t: {from: @tables.a, into: b, sql: S}\n",
         "a map (sql:) reads a source, and 'a' is a table; what follows a table's changes is a "
         "sum or a derive"},
        {ALL "  t: {from: @s, into: b, sum: S}\n",
         "'s' is a source, and a table is needed here; a map (sql:) brings a source into a "
         "table"},
        {ALL "  t: {from: @sources.s, into: b, sum: S}\n",
         "'s' is a source, and a table is needed here; a map (sql:) brings a source into a "
         "table"},
        {ALL "  t: {from: s, into: @s, sql: S}\n",
         "'s' is a source, and a table is needed here; a map (sql:) brings a source into a "
         "table"},
        {ALL "  t: {from: @sources.a, into: b, sql: S}\n",
         "there is no source 'a', only a table of that name; a map (sql:) reads a source"},
        {ALL "  t: {from: @sources.a, into: b, sum: S}\n",
         "there is no source 'a', only a table of that name, which is what is needed here; write "
         "tables.a"},
        {ALL "  t: {from: @tables.s, into: b, sql: S}\n",
         "there is no table 's', only a source of that name, which is what is needed here; write "
         "sources.s"},
        {ALL "  t: {from: @tables.s, into: b, sum: S}\n",
         "there is no table 's', only a source of that name; a map (sql:) brings a source into a "
         "table"},
        {ALL "  t: {from: @nothing, into: b, sql: S}\n", "unknown source 'nothing'; there are s"},
        {ALL "  t: {from: @nothing, into: b, sum: S}\n",
         "unknown table 'nothing'; there are a, b, c, d, log"},
        {ALL "  t: {on: [@bb], into: b, derive: S}\n", "unknown table 'bb'; did you mean 'b'?"},
        {HEAD "tables: {b: {key: [k], columns: {k: int64}}}\n"
              "transforms: {t: {from: @q, into: b, sql: S}}\n",
         "unknown source 'q'; there are none"});
}

static void what_a_map_writes_is_checked(void **state) {
    EXPECT({ALL "  t: {from: s, into: a, sql: S, latest_by: @nn}\n",
            "table 'a' has no column 'nn'; did you mean 'n'?"},
           {ALL "  t: {from: s, into: a, sql: S, latest_by: @k}\n",
            "the column 'k' is in the key of table 'a': rows of one key all have the same"},
           {ALL "  t: {from: s, into: a, sql: S, latest_by: [n, @n]}\n",
            "the column 'n' is named twice"},
           {ALL "  t: {from: s, into: a, sql: S, latest_by: @j}\n",
            "the column 'j' is json, which has no order of time"},
           {ALL "  t: {from: s, into: log, sql: S, @latest_by: v}\n",
            "'latest_by' needs a key of columns; the table 'log' has key: auto"},
           {ALL "  t: {from: s, into: log, sql: S, @delete_when: v}\n",
            "'delete_when' needs a key of columns; the table 'log' has key: auto"},
           {ALL "  t: {from: s, into: log, sql: S, @many: true}\n",
            "'many' needs a key of columns; the table 'log' has key: auto"},
           {ALL "  t: {from: s, into: a, sql: S, many: @1}\n", "'many' must be true or false"});
}

static void a_sum_adds_integers(void **state) {
    EXPECT({HEAD TABLES "  e: {key: [k], columns: {k: int64, spent: float64}}\n"
                        "transforms: {t: {from: a, into: @e, sum: S}}\n",
            "a sum cannot fill the column 'spent' of 'e', which is float64: floats added in "
            "another order give another result; use int64 or int256 (cents instead of dollars)"},
           {HEAD TABLES "  e: {key: [k], columns: {k: int64, name: text}}\n"
                        "transforms: {t: {from: a, into: @e, sum: S}}\n",
            "a sum cannot fill the column 'name' of 'e', which is text: columns outside the key "
            "are amounts, int64 or int256"},
           {ALL "  t: {from: a, into: @log, sum: S}\n",
            "a sum writes by key; the table 'log' has key: auto"});
}

static void on_leads_to_keys(void **state) {
    EXPECT(
        {ALL "  t: {on: @a, into: b, derive: S}\n",
         "'on' must be a list of tables such as [orders], or a map of tables, not a single value"},
        {ALL "  t: {on: @[], into: b, derive: S}\n",
         "'on' must be a list of tables such as [orders], or a map of tables, not an empty one"},
        {ALL "  t: {on: [@d], into: b, derive: S}\n",
         "the table 'd' has no column 'k', which is in the key of 'b'; say how its rows lead to "
         "keys: on: {d: [column]} or {d: SELECT ...}"},
        {ALL "  t: {on: [a, @tables.a], into: b, derive: S}\n",
         "the table 'a' is named twice in 'on'"},
        {ALL "  t: {on: {a: [@q]}, into: b, derive: S}\n",
         "table 'a' has no column 'q'; did you mean 'k'?"},
        {ALL "  t: {on: {a: @[v]}, into: b, derive: S}\n",
         "'v' of 'a' is text, but 'k' in the key of 'b' is int64"},
        {ALL "  t: {on: {a: @[k, n]}, into: b, derive: S}\n",
         "there are 2 columns, but the key of 'b' has only 1"},
        {ALL "  t: {on: {a: @k}, into: b, derive: S}\n",
         "for 'a' write a list of its columns, or SQL over change that starts with SELECT or "
         "WITH"},
        {ALL "  t: {on: {a: @}, into: b, derive: S}\n",
         "for 'a' write a list of its columns, or SQL over change that starts with SELECT or "
         "WITH"},
        {HEAD "tables:\n  p: {key: [x, y], columns: {x: text, y: text}}\n"
              "  q: {key: [x, y], columns: {x: text, y: text}}\n"
              "  r: {key: [x, y], columns: {x: text, y: text}}\n"
              "transforms: {t: {on: {p: [x, y], q: @[x]}, into: r, derive: S}}\n",
         "there are 1 columns here and 2 for another table of 'on'"});
}

static void a_circle_is_named(void **state) {
    EXPECT({ALL "  one: {@on: [c], into: a, derive: S}\n  two: {from: a, into: b, sum: S}\n"
                "  three: {from: b, into: c, sum: S}\n",
            "these tables are made from each other in a circle: a -> b -> c -> a"},
           {ALL "  t: {@on: [a], into: a, derive: S}\n",
            "these tables are made from each other in a circle: a -> a"},
           {ALL "  first: {on: [c], into: a, derive: S}\n  two: {@from: c, into: b, sum: S}\n"
                "  three: {from: b, into: c, sum: S}\n",
            "these tables are made from each other in a circle: b -> c -> b"});
}

static void a_table_has_one_writer_or_maps(void **state) {
    EXPECT({ALL "  one: {from: s, into: b, sql: S}\n  two: {from: a, into: @b, sum: S}\n",
            "the table 'b' is already written by the map 'one'; only maps may share a table"},
           {ALL "  one: {from: a, into: b, sum: S}\n  two: {from: s, into: @b, sql: S}\n",
            "the table 'b' is already written by the sum 'one'; only maps may share a table"},
           {ALL "  one: {on: [a], into: b, derive: S}\n  two: {on: [a], into: @b, derive: S}\n",
            "the table 'b' is already written by the derive 'one'; only maps may share a table"},
           {HEAD "tables:\n  p: {key: [k], columns: {k: int64}}\n"
                 "  e: {key: [k], @lineage: true, columns: {k: int64}}\n"
                 "transforms:\n  t: {from: p, into: e, sum: S}\n",
            "only a table that maps write can have lineage; 'e' is written by a sum"});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_top_of_the_file_is_strict),
        cmocka_unit_test(sources_are_strict),
        cmocka_unit_test(a_secret_is_not_printed),
        cmocka_unit_test(contracts_are_strict),
        cmocka_unit_test(limits_are_strict),
        cmocka_unit_test(tables_are_strict),
        cmocka_unit_test(a_transform_does_one_thing),
        cmocka_unit_test(names_lead_to_what_the_kind_needs),
        cmocka_unit_test(what_a_map_writes_is_checked),
        cmocka_unit_test(a_sum_adds_integers),
        cmocka_unit_test(on_leads_to_keys),
        cmocka_unit_test(a_circle_is_named),
        cmocka_unit_test(a_table_has_one_writer_or_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
