/* How it works: the fixed parts of a flow file are written out here, key by key; what may stand
 * under sources comes from the registry: one if/then per component, chosen by `type`, so that an
 * editor shows the options of the component at hand and not those of all. */
#include "flow/flow.h"

#include "base/json.h"
#include "flow/telemetry.h"

#define NAME_PATTERN   "^[A-Za-z_][A-Za-z0-9_-]*$"
#define COLUMN_PATTERN "^[A-Za-z_][A-Za-z0-9_]*$"

static void begin(struct json_writer *w, const char *key) {
    json_key(w, key);
    json_begin_object(w);
}

static void add_text(struct json_writer *w, const char *key, const char *doc) {
    begin(w, key);
    json_kv_c(w, "description", doc);
    json_kv_c(w, "type", "string");
    json_kv_i64(w, "minLength", 1);
    json_end_object(w);
}

static void add_bool(struct json_writer *w, const char *key, const char *doc) {
    begin(w, key);
    json_kv_c(w, "description", doc);
    json_kv_c(w, "type", "boolean");
    json_end_object(w);
}

/* "type": "array" of texts, inside the object that is open. */
static void add_text_list(struct json_writer *w) {
    json_kv_c(w, "type", "array");
    json_kv_i64(w, "minItems", 1);
    begin(w, "items");
    json_kv_c(w, "type", "string");
    json_end_object(w);
}

static void add_one_text_list(struct json_writer *w) { /* as a member of anyOf */
    json_begin_object(w);
    add_text_list(w);
    json_end_object(w);
}

static void begin_map(struct json_writer *w, const char *key, const char *doc,
                      const char *name_pattern) {
    begin(w, key);
    json_kv_c(w, "description", doc);
    json_kv_c(w, "type", "object");
    begin(w, "propertyNames");
    json_kv_c(w, "pattern", name_pattern);
    json_end_object(w);
    begin(w, "additionalProperties");
}

static void end_map(struct json_writer *w) {
    json_end_object(w);
    json_end_object(w);
}

static void begin_required(struct json_writer *w, const char *first, const char *second) {
    json_kv_c(w, "type", "object");
    json_kv_bool(w, "additionalProperties", false);
    json_key(w, "required");
    json_begin_array(w);
    json_c(w, first);
    if (second != NULL) {
        json_c(w, second);
    }
    json_end_array(w);
}

/* ---- sources ---- */

static void add_source(struct json_writer *w, const struct component *c) {
    json_begin_object(w);
    begin(w, "if");
    begin(w, "properties");
    begin(w, "type");
    json_kv_c(w, "const", c->name);
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
    json_key(w, "then");
    component_json_schema(c, w);
    json_end_object(w);
}

static void add_sources(struct json_writer *w, const struct registry *r) {
    begin_map(w, "sources", "Where raw records come from.", NAME_PATTERN);
    json_kv_c(w, "type", "object");
    json_key(w, "required");
    json_begin_array(w);
    json_c(w, "type");
    json_c(w, "columns");
    json_end_array(w);
    begin(w, "properties");
    begin(w, "type");
    json_key(w, "enum");
    json_begin_array(w);
    for (size_t i = 0; i < r->count; i++) {
        if (r->components[i]->kind == COMPONENT_SOURCE) {
            json_c(w, r->components[i]->name);
        }
    }
    json_end_array(w);
    json_end_object(w);
    json_end_object(w);
    json_key(w, "allOf");
    json_begin_array(w);
    for (size_t i = 0; i < r->count; i++) {
        if (r->components[i]->kind == COMPONENT_SOURCE) {
            add_source(w, r->components[i]);
        }
    }
    json_end_array(w);
    end_map(w);
}

/* ---- tables ---- */

static void add_tables(struct json_writer *w) {
    begin_map(w, "tables", "The tables of the store, with their keys.", COLUMN_PATTERN);
    begin_required(w, "key", "columns");
    begin(w, "properties");
    begin(w, "key");
    json_kv_c(w, "description",
              "The columns that tell rows apart, or auto: the row's place in its source.");
    json_key(w, "anyOf");
    json_begin_array(w);
    json_begin_object(w);
    json_kv_c(w, "const", "auto");
    json_end_object(w);
    add_one_text_list(w);
    json_end_array(w);
    json_end_object(w);
    begin_map(w, "columns", "Name and type of each column.", COLUMN_PATTERN);
    json_key(w, "enum");
    json_begin_array(w);
    for (size_t i = 0; i < COLUMN_TYPE_COUNT; i++) {
        json_c(w, type_names[i]);
    }
    json_end_array(w);
    end_map(w);
    begin(w, "indexes");
    json_kv_c(w, "description", "Lists of columns to look rows up by, besides the key.");
    json_kv_c(w, "type", "array");
    begin(w, "items");
    add_text_list(w);
    json_end_object(w);
    json_end_object(w);
    add_bool(w, "lineage", "Keep for each row which batch and record it came from.");
    json_end_object(w);
    end_map(w);
}

/* ---- transforms ---- */

static void add_latest_by(struct json_writer *w) {
    begin(w, "latest_by");
    json_kv_c(w, "description",
              "Columns by which a row is newer: an older one loses even when it comes later.");
    json_key(w, "anyOf");
    json_begin_array(w);
    json_begin_object(w);
    json_kv_c(w, "type", "string");
    json_end_object(w);
    add_one_text_list(w);
    json_end_array(w);
    json_end_object(w);
}

static void add_on(struct json_writer *w) {
    begin(w, "on");
    json_kv_c(w, "description",
              "The tables whose changes a derive follows; as a map, with the columns or the SQL "
              "over change that give the keys.");
    json_key(w, "anyOf");
    json_begin_array(w);
    add_one_text_list(w);
    json_begin_object(w);
    json_kv_c(w, "type", "object");
    json_kv_i64(w, "minProperties", 1);
    begin(w, "additionalProperties");
    json_key(w, "anyOf");
    json_begin_array(w);
    json_begin_object(w);
    json_kv_c(w, "type", "string");
    json_end_object(w);
    add_one_text_list(w);
    json_end_array(w);
    json_end_object(w);
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
}

/* One of the three kinds: what it needs besides `into`. */
static void add_kind(struct json_writer *w, const char *sql, const char *input) {
    json_begin_object(w);
    json_key(w, "required");
    json_begin_array(w);
    json_c(w, sql);
    json_c(w, input);
    json_end_array(w);
    json_end_object(w);
}

static void add_transforms(struct json_writer *w) {
    begin_map(w, "transforms", "What makes tables: a map (sql), a sum or a derive each.",
              NAME_PATTERN);
    begin_required(w, "into", NULL);
    begin(w, "properties");
    add_text(w, "from", "map: a source; sum: a table.");
    add_text(w, "into", "The table that is written.");
    add_text(w, "sql", "A map: SELECT over batch, or the name of a .sql file.");
    add_text(w, "sum", "A sum: SELECT over change giving key columns and amounts.");
    add_text(w, "derive", "A derive: SELECT over changed, joined with tables.");
    add_on(w);
    add_latest_by(w);
    add_text(w, "delete_when", "map: rows for which this is true are deleted instead of written.");
    add_bool(w, "many", "map: one record may give several rows.");
    component_rejects_schema(
        "map, derive: stops, with its input kept, when so many rejects or failed keys are open.",
        w);
    json_end_object(w);
    json_key(w, "oneOf");
    json_begin_array(w);
    add_kind(w, "sql", "from");
    add_kind(w, "sum", "from");
    add_kind(w, "derive", "on");
    json_end_array(w);
    end_map(w);
}

/* ---- the file ---- */

static void add_staging(struct json_writer *w) {
    begin(w, "staging");
    json_kv_c(w, "description", "How long raw batches are kept.");
    json_kv_c(w, "type", "object");
    json_kv_bool(w, "additionalProperties", false);
    begin(w, "properties");
    begin(w, "keep");
    json_kv_c(w, "description", "forever, a time such as 30d, or a size such as 20GB.");
    json_kv_c(w, "type", "string");
    json_kv_c(w, "default", "forever");
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
}

void flow_json_schema(const struct registry *r, struct buf *out) {
    struct json_writer w;
    json_writer_init(&w, out);
    w.pretty = true;
    json_begin_object(&w);
    json_kv_c(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_kv_c(&w, "title", "plumb flow");
    begin_required(&w, "flow", NULL);
    begin(&w, "properties");
    begin(&w, "flow");
    json_kv_c(&w, "description", "The name of the flow.");
    json_kv_c(&w, "type", "string");
    json_kv_c(&w, "pattern", NAME_PATTERN "|\\$\\{");
    json_end_object(&w);
    begin(&w, "store");
    json_kv_c(&w, "description",
              "The database that holds everything; by default sqlite:NAME.db beside the flow.");
    json_kv_c(&w, "type", "string");
    json_kv_c(&w, "pattern", "^(sqlite:|postgres(ql)?://).|\\$\\{");
    json_end_object(&w);
    add_staging(&w);
    add_sources(&w, r);
    add_tables(&w);
    add_transforms(&w);
    json_key(&w, "checks");
    checks_json_schema(&w);
    json_key(&w, "alerts");
    alerts_json_schema(&w);
    json_key(&w, "telemetry");
    telemetry_json_schema(&w);
    json_end_object(&w);
    json_end_object(&w);
    buf_addc(out, '\n');
}
