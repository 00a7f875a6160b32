/* How it works: the fixed paths come from a table; those of a flow's tables, with a schema of their
 * rows and a parameter for each column, from the flow. */
#include <string.h>

#include "server/state.h"

struct fixed_path {
    const char *path, *summary;
    const char *parameters[6]; /* "name: what it does" */
};
static const struct fixed_path paths[] = {
    {"/health", "Judged by progress: 200, or 503 with what is wrong.", {NULL}},
    {"/ready", "200 once the engine turns and the store can be read.", {NULL}},
    {"/version", "Of the program, its stores and the flow.", {NULL}},
    {"/metrics", "Prometheus text format 0.0.4.", {NULL}},
    {"/api/v1/status", "What `plumb status --json` says.", {NULL}},
    {"/api/v1/flow", "Sources, tables and transforms with their SQL.", {NULL}},
    {"/api/v1/tables", "Tables with their columns and keys.", {NULL}},
    {"/api/v1/rejects",
     "Rows set aside, newest first.",
     {"source", "transform", "reason", "state", "limit", "before"}},
    {"/api/v1/rejects/{id}", "One of them with its raw record, cut at the fault.", {NULL}},
    {"/api/v1/batches",
     "Staged batches, newest first.",
     {"source", "partition", "limit", "before"}},
    {"/api/v1/ledger",
     "What each map did with each batch, newest first.",
     {"transform", "limit", "before"}},
    {"/api/v1/history", "Records, rejects and durations over time.", {"minutes"}},
    {"/api/v1/coverage", "Ranges of history that sources have read.", {NULL}},
    {"/api/v1/alerts",
     "Alerts, newest first; state=open gives those that are not over.",
     {"state", "check", "limit", "before"}},
    {"/api/v1/checks", "How each check stands.", {"state"}},
    {"/api/v1/silences", "Silences, newest first.", {NULL}},
    {"/api/v1/notices",
     "What was or is to be told, to whom, and why it was not; newest first.",
     {"route", "state", "limit", "before"}},
    {"/api/v1/changes",
     "Server-sent events: which tables changed. Resumes at Last-Event-ID.",
     {"table", "since"}},
    {"/api/v1/openapi.json", "This document.", {NULL}},
};

/* Those that change something; the members of a body with a star must be there. */
static const struct fixed_change {
    const char *path, *method, *summary;
    const char *members[4];
} changes[] = {
    {"/api/v1/alerts/{id}/ack",
     "post",
     "Take an alert on: it is reminded of no more.",
     {"*by", "note"}},
    {"/api/v1/silences",
     "post",
     "Keep the notices of a check, or of all that a pattern means, until `for` is over.",
     {"*check", "*for", "*because", "*by"}},
    {"/api/v1/silences/{id}", "delete", "End a silence.", {NULL}},
};

/* How value_write_json writes a type. */
static void write_type(enum column_type type, struct json_writer *w) {
    static const struct {
        const char *type, *format, *pattern;
    } types[COLUMN_TYPE_COUNT] = {[TYPE_INT64] = {"integer", "int64", NULL},
                                  [TYPE_FLOAT64] = {"number", "double", NULL},
                                  [TYPE_BOOL] = {"boolean", NULL, NULL},
                                  [TYPE_TEXT] = {"string", NULL, NULL},
                                  [TYPE_BYTES] = {"string", NULL, "^0x([0-9a-f]{2})*$"},
                                  [TYPE_TIMESTAMP] = {"string", "date-time", NULL},
                                  [TYPE_JSON] = {NULL, NULL, NULL},
                                  [TYPE_INT256] = {"string", NULL, "^-?[0-9]+$"}};
    json_begin_object(w);
    if (types[type].type != NULL) {
        json_key(w, "type");
        json_begin_array(w);
        json_c(w, types[type].type);
        json_c(w, "null");
        json_end_array(w);
    }
    if (types[type].format != NULL) {
        json_kv_c(w, "format", types[type].format);
    }
    if (types[type].pattern != NULL) {
        json_kv_c(w, "pattern", types[type].pattern);
    }
    json_end_object(w);
}

static void write_parameter(const char *name, const char *in, const char *about,
                            struct json_writer *w) {
    json_begin_object(w);
    json_kv_c(w, "name", name);
    json_kv_c(w, "in", in);
    json_kv_bool(w, "required", in[0] == 'p');
    if (about != NULL) {
        json_kv_c(w, "description", about);
    }
    json_key(w, "schema");
    json_begin_object(w);
    json_kv_c(w, "type", "string");
    json_end_object(w);
    json_end_object(w);
}

/* "responses": 200 with that schema (NULL: anything), and errors. */
static void write_responses(const char *media, const char *table, struct json_writer *w) {
    json_key(w, "responses");
    json_begin_object(w);
    json_key(w, "200");
    json_begin_object(w);
    json_kv_c(w, "description", "What was asked for");
    json_key(w, "content");
    json_begin_object(w);
    json_key(w, media);
    json_begin_object(w);
    json_key(w, "schema");
    json_begin_object(w);
    if (table != NULL) {
        char *reference = mem_printf("#/components/schemas/%s", table);
        json_kv_c(w, "type", "array");
        json_key(w, "items");
        json_begin_object(w);
        json_kv_c(w, "$ref", reference);
        json_end_object(w);
        mem_free(reference);
    }
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
    json_key(w, "default");
    json_begin_object(w);
    json_kv_c(w, "description", "An error: {\"error\": {\"class\", \"message\"}}");
    json_end_object(w);
    json_end_object(w);
}

static const char *media_of(const char *path) {
    if (str_equal_c(str_of(path), "/metrics")) {
        return "text/plain";
    }
    return str_equal_c(str_of(path), "/api/v1/changes") ? "text/event-stream" : "application/json";
}

static bool has_id(const char *path) {
    return str_find(str_of(path), '{') < strlen(path);
}

static void write_body(const struct fixed_change *c, struct json_writer *w) {
    json_key(w, "requestBody");
    json_begin_object(w);
    json_kv_bool(w, "required", true);
    json_key(w, "content");
    json_begin_object(w);
    json_key(w, "application/json");
    json_begin_object(w);
    json_key(w, "schema");
    json_begin_object(w);
    json_kv_c(w, "type", "object");
    json_kv_bool(w, "additionalProperties", false);
    json_key(w, "required");
    json_begin_array(w);
    for (size_t i = 0; i < ARRAY_COUNT(c->members) && c->members[i] != NULL; i++) {
        if (c->members[i][0] == '*') {
            json_c(w, c->members[i] + 1);
        }
    }
    json_end_array(w);
    json_key(w, "properties");
    json_begin_object(w);
    for (size_t i = 0; i < ARRAY_COUNT(c->members) && c->members[i] != NULL; i++) {
        json_key(w, c->members[i] + (c->members[i][0] == '*' ? 1 : 0));
        json_begin_object(w);
        json_kv_c(w, "type", "string");
        json_end_object(w);
    }
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
}

static void write_change(const struct fixed_change *c, struct json_writer *w) {
    json_key(w, c->method);
    json_begin_object(w);
    json_kv_c(w, "summary", c->summary);
    json_key(w, "parameters");
    json_begin_array(w);
    if (has_id(c->path)) {
        write_parameter("id", "path", NULL, w);
    }
    json_end_array(w);
    if (c->members[0] != NULL) {
        write_body(c, w);
    }
    json_key(w, "security");
    json_begin_array(w);
    json_begin_object(w);
    json_key(w, "write");
    json_begin_array(w);
    json_end_array(w);
    json_end_object(w);
    json_end_array(w);
    write_responses("application/json", NULL, w);
    json_end_object(w);
}

/* What changes something at that path. */
static void write_changes(const char *path, struct json_writer *w) {
    for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
        if (strcmp(changes[i].path, path) == 0) {
            write_change(&changes[i], w);
        }
    }
}

static void write_path(const struct fixed_path *p, struct json_writer *w) {
    json_key(w, p->path);
    json_begin_object(w);
    json_key(w, "get");
    json_begin_object(w);
    json_kv_c(w, "summary", p->summary);
    json_key(w, "parameters");
    json_begin_array(w);
    if (has_id(p->path)) {
        write_parameter("id", "path", NULL, w);
    }
    for (size_t i = 0; i < ARRAY_COUNT(p->parameters) && p->parameters[i] != NULL; i++) {
        write_parameter(p->parameters[i], "query", NULL, w);
    }
    json_end_array(w);
    write_responses(media_of(p->path), NULL, w);
    json_end_object(w);
    write_changes(p->path, w);
    json_end_object(w);
}

/* Paths that can only be written to. */
static void write_other_changes(struct json_writer *w) {
    for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
        bool known = false;
        for (size_t k = 0; k < ARRAY_COUNT(paths) && !known; k++) {
            known = strcmp(paths[k].path, changes[i].path) == 0;
        }
        if (!known) {
            json_key(w, changes[i].path);
            json_begin_object(w);
            write_change(&changes[i], w);
            json_end_object(w);
        }
    }
}

static void write_rows_path(const struct flow_table *t, const struct table_columns *columns,
                            struct json_writer *w) {
    static const char *const reserved[][2] = {
        {"select", "columns, with commas; all otherwise"},
        {"order", "column.asc or column.desc, with commas; by the key otherwise"},
        {"limit", "rows, 100 otherwise"},
        {"offset", "rows to skip"},
        {"key", "once for each column of the key: that one row, or 404"}};
    char *path = mem_printf("/api/v1/tables/%s/rows", t->name);
    json_key(w, path);
    mem_free(path);
    json_begin_object(w);
    json_key(w, "get");
    json_begin_object(w);
    char *summary = mem_printf("Rows of %s.", t->name);
    json_kv_c(w, "summary", summary);
    mem_free(summary);
    json_key(w, "parameters");
    json_begin_array(w);
    for (size_t i = 0; i < ARRAY_COUNT(reserved); i++) {
        write_parameter(reserved[i][0], "query", reserved[i][1], w);
    }
    write_parameter("Prefer", "header", "count=exact, int64=text", w);
    for (size_t i = 0; i < columns->count; i++) {
        char *name = mem_printf("filter.%s", columns->items[i].name);
        write_parameter(name, "query",
                        "OP.VALUE: eq neq gt gte lt lte like ilike in is, not.OP.VALUE", w);
        mem_free(name);
    }
    json_end_array(w);
    write_responses("application/json", t->name, w);
    json_end_object(w);
    json_end_object(w);
}

static void write_trace_path(const struct flow_table *t, struct json_writer *w) {
    char *path = mem_printf("/api/v1/tables/%s/trace", t->name);
    char *summary = mem_printf(
        "Where a row of %s came from, and what depends on it: `plumb trace --json`.", t->name);
    json_key(w, path);
    json_begin_object(w);
    json_key(w, "get");
    json_begin_object(w);
    json_kv_c(w, "summary", summary);
    json_key(w, "parameters");
    json_begin_array(w);
    write_parameter("key", "query", "once for each column of the key, in its order", w);
    json_end_array(w);
    write_responses("application/json", NULL, w);
    json_end_object(w);
    json_end_object(w);
    mem_free(summary);
    mem_free(path);
}

static void write_schema(const struct flow_table *t, const struct table_columns *columns,
                         struct json_writer *w) {
    json_key(w, t->name);
    json_begin_object(w);
    json_kv_c(w, "type", "object");
    json_key(w, "properties");
    json_begin_object(w);
    for (size_t i = 0; i < columns->count; i++) {
        json_key(w, columns->items[i].name);
        write_type(columns->items[i].type, w);
    }
    json_end_object(w);
    json_end_object(w);
}

static void write_security(struct json_writer *w) {
    json_key(w, "securitySchemes");
    json_begin_object(w);
    json_key(w, "write");
    json_begin_object(w);
    json_kv_c(w, "type", "http");
    json_kv_c(w, "scheme", "bearer");
    json_kv_c(w, "description", "The token of --write-token-file or PLUMB_WRITE_TOKEN.");
    json_end_object(w);
    json_end_object(w);
}

enum err_code route_openapi(struct request *r, struct reply *reply, struct err *err) {
    (void)err;
    const struct flow *flow = r->server->flow;
    struct table_columns *columns = mem_alloc(sizeof(*columns));
    struct json_writer w;
    json_writer_init(&w, &reply->body);
    json_begin_object(&w);
    json_kv_c(&w, "openapi", "3.1.0");
    json_key(&w, "info");
    json_begin_object(&w);
    json_kv_c(&w, "title", flow->name);
    json_kv_c(&w, "version", r->server->version);
    json_kv_c(&w, "description",
              "Reads; alerts and silences can be changed by who knows the write token. int256 are "
              "decimal strings, bytes 0x hex, times RFC 3339.");
    json_end_object(&w);
    json_key(&w, "paths");
    json_begin_object(&w);
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        write_path(&paths[i], &w);
    }
    write_other_changes(&w);
    for (size_t i = 0; i < flow->table_count; i++) {
        table_columns_of(&flow->tables[i], columns);
        write_rows_path(&flow->tables[i], columns, &w);
        write_trace_path(&flow->tables[i], &w);
    }
    json_end_object(&w);
    json_key(&w, "components");
    json_begin_object(&w);
    json_key(&w, "schemas");
    json_begin_object(&w);
    for (size_t i = 0; i < flow->table_count; i++) {
        table_columns_of(&flow->tables[i], columns);
        write_schema(&flow->tables[i], columns, &w);
    }
    json_end_object(&w);
    write_security(&w);
    json_end_object(&w);
    json_end_object(&w);
    buf_addc(&reply->body, '\n');
    mem_free(columns);
    return ERR_NONE;
}
