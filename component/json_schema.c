/* How it works: one member of "properties" per option. What is not a string in YAML may also be
 * written as "${NAME}", so those types are anyOf their own type and a string with a variable. */
#include "component/component.h"

#include "base/json.h"
#include "base/parse.h"
#include "component/describe.h"

#define VARIABLE_PATTERN "\\$\\{"
#define DURATION_PATTERN "^[0-9]+(us|ms|s|m|h|d)$|\\$\\{"
#define SIZE_PATTERN     "^[0-9]+([KMG]i?B|B)?$|\\$\\{"

static void add_string(struct json_writer *w, const char *pattern) {
    json_kv_c(w, "type", "string");
    if (pattern != NULL) {
        json_kv_c(w, "pattern", pattern);
    }
}

static void begin_or_variable(struct json_writer *w) {
    json_key(w, "anyOf");
    json_begin_array(w);
    json_begin_object(w);
}

static void end_or_variable(struct json_writer *w) {
    json_end_object(w);
    json_begin_object(w);
    add_string(w, VARIABLE_PATTERN);
    json_end_object(w);
    json_end_array(w);
}

static void add_integer(struct json_writer *w, const struct option *o) {
    begin_or_variable(w);
    json_kv_c(w, "type", "integer");
    if (option_has_bounds(o)) {
        json_kv_i64(w, "minimum", o->min);
    }
    if (option_has_upper_bound(o)) {
        json_kv_i64(w, "maximum", o->max);
    }
    end_or_variable(w);
}

static void add_size(struct json_writer *w) {
    json_key(w, "anyOf"); /* a bare number of bytes is an integer in YAML */
    json_begin_array(w);
    json_begin_object(w);
    json_kv_c(w, "type", "integer");
    json_kv_i64(w, "minimum", 0);
    json_end_object(w);
    json_begin_object(w);
    add_string(w, SIZE_PATTERN);
    json_end_object(w);
    json_end_array(w);
}

static void add_choices(struct json_writer *w, const struct option *o) {
    begin_or_variable(w);
    json_key(w, "enum");
    json_begin_array(w);
    for (size_t i = 0; o->choices[i] != NULL; i++) {
        json_c(w, o->choices[i]);
    }
    json_end_array(w);
    end_or_variable(w);
}

static void add_type(struct json_writer *w, const struct option *o) {
    switch (o->type) {
    case OPTION_TYPE_STRING:
        json_key(w, "type"); /* a plain 17 or true is text where text is asked for */
        json_begin_array(w);
        json_c(w, "string");
        json_c(w, "number");
        json_c(w, "boolean");
        json_end_array(w);
        return;
    case OPTION_TYPE_BOOL:
        begin_or_variable(w);
        json_kv_c(w, "type", "boolean");
        end_or_variable(w);
        return;
    case OPTION_TYPE_INT:
        add_integer(w, o);
        return;
    case OPTION_TYPE_FLOAT:
        begin_or_variable(w);
        json_kv_c(w, "type", "number");
        end_or_variable(w);
        return;
    case OPTION_TYPE_DURATION:
        add_string(w, DURATION_PATTERN);
        return;
    case OPTION_TYPE_SIZE:
        add_size(w);
        return;
    case OPTION_TYPE_ENUM:
        add_choices(w, o);
        return;
    case OPTION_TYPE_CHAR:
        json_kv_c(w, "type", "string");
        json_kv_i64(w, "minLength", 1);
        return;
    case OPTION_TYPE_LIST:
        json_kv_c(w, "type", "array");
        json_key(w, "items");
        json_begin_object(w);
        json_key(w, "type");
        json_begin_array(w);
        json_c(w, "string");
        json_c(w, "number");
        json_c(w, "boolean");
        json_end_array(w);
        json_end_object(w);
        return;
    case OPTION_TYPE_NODE:
        json_key(w, "type");
        json_begin_array(w);
        json_c(w, "object");
        json_c(w, "array");
        json_end_array(w);
        return;
    }
}

static void add_default(struct json_writer *w, const struct option *o) {
    int64_t integer = 0;
    double real = 0;
    const struct str text = str_of(o->def);
    json_key(w, "default");
    if (o->type == OPTION_TYPE_INT && parse_i64(text, &integer)) {
        json_i64(w, integer);
    } else if (o->type == OPTION_TYPE_FLOAT && parse_f64(text, &real)) {
        json_f64(w, real);
    } else if (o->type == OPTION_TYPE_BOOL) {
        json_bool(w, str_equal_c(text, "true"));
    } else {
        json_str(w, text);
    }
}

static void add_option(const struct option *o, void *context) {
    struct json_writer *w = context;
    json_key(w, option_name(o));
    json_begin_object(w);
    if (o->doc != NULL) {
        json_kv_c(w, "description", o->doc);
    }
    add_type(w, o);
    if (o->def != NULL && o->type != OPTION_TYPE_LIST) {
        add_default(w, o);
    }
    if (o->example != NULL && o->type != OPTION_TYPE_LIST && o->type != OPTION_TYPE_NODE) {
        json_key(w, "examples");
        json_begin_array(w);
        json_c(w, o->example);
        json_end_array(w);
    }
    if ((o->flags & OPTION_DEPRECATED) != 0) {
        json_kv_bool(w, "deprecated", true);
    }
    json_end_object(w);
}

void options_json_schema(const struct option *options, size_t count, struct json_writer *w) {
    describe_each(options, count, add_option, w);
}

static void add_required(const struct option *o, void *context) {
    if ((o->flags & OPTION_REQUIRED) != 0) {
        json_c(context, option_name(o));
    }
}

static void add_scalar_property(struct json_writer *w, const char *name, const char *doc) {
    json_key(w, name);
    json_begin_object(w);
    json_kv_c(w, "description", doc);
    json_key(w, "type");
    json_begin_array(w);
    json_c(w, "string");
    json_c(w, "number");
    json_end_array(w);
    json_end_object(w);
}

static void add_names(struct json_writer *w, const char *const *names) {
    json_key(w, "enum");
    json_begin_array(w);
    for (size_t i = 0; names[i] != NULL; i++) {
        json_c(w, names[i]);
    }
    json_end_array(w);
}

/* One column with rules; the order of describe_column_keys. */
static void add_column_map(struct json_writer *w) {
    static const char *const units[] = {"us", "ms", "s", NULL};
    const struct described_key *keys = describe_column_keys;
    json_kv_c(w, "type", "object");
    json_kv_bool(w, "additionalProperties", false);
    json_key(w, "required");
    json_begin_array(w);
    json_c(w, "type");
    json_end_array(w);
    json_key(w, "properties");
    json_begin_object(w);
    json_key(w, keys[0].name);
    json_begin_object(w);
    add_names(w, type_names);
    json_end_object(w);
    json_key(w, keys[1].name);
    json_begin_object(w);
    json_kv_c(w, "description", keys[1].doc);
    json_kv_c(w, "type", "boolean");
    json_end_object(w);
    for (size_t i = 2; i < 5; i++) {
        add_scalar_property(w, keys[i].name, keys[i].doc);
    }
    json_key(w, keys[5].name);
    json_begin_object(w);
    json_kv_c(w, "description", keys[5].doc);
    json_kv_c(w, "type", "array");
    json_kv_i64(w, "minItems", 1);
    json_end_object(w);
    json_key(w, keys[6].name);
    json_begin_object(w);
    json_kv_c(w, "description", keys[6].doc);
    add_names(w, units);
    json_end_object(w);
    json_end_object(w);
}

static void add_columns(struct json_writer *w) {
    json_key(w, "columns");
    json_begin_object(w);
    json_kv_c(w, "description", describe_source_keys[1].doc);
    json_kv_c(w, "type", "object");
    json_kv_i64(w, "minProperties", 1);
    json_key(w, "additionalProperties");
    json_begin_object(w);
    json_key(w, "anyOf");
    json_begin_array(w);
    json_begin_object(w);
    add_names(w, type_names);
    json_end_object(w);
    json_begin_object(w);
    add_column_map(w);
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
    json_end_object(w);
}

void component_rejects_schema(const char *doc, struct json_writer *w) {
    json_key(w, "rejects");
    json_begin_object(w);
    json_kv_c(w, "description", doc);
    json_kv_c(w, "type", "object");
    json_kv_bool(w, "additionalProperties", false);
    json_key(w, "required");
    json_begin_array(w);
    json_c(w, "max");
    json_end_array(w);
    json_key(w, "properties");
    json_begin_object(w);
    json_key(w, "max");
    json_begin_object(w);
    json_kv_c(w, "description", "A number of rejects, or a share of the last records: 1%.");
    json_key(w, "type");
    json_begin_array(w);
    json_c(w, "integer");
    json_c(w, "string");
    json_end_array(w);
    json_end_object(w);
    json_key(w, "of");
    json_begin_object(w);
    json_kv_c(w, "description", "Count among the last so many records; of a share 10000.");
    json_kv_c(w, "type", "integer");
    json_kv_i64(w, "minimum", 1);
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
}

void component_json_schema(const struct component *c, struct json_writer *w) {
    const bool is_source = c->kind == COMPONENT_SOURCE;
    json_begin_object(w);
    json_kv_c(w, "description", c->summary);
    json_kv_c(w, "type", "object");
    json_kv_bool(w, "additionalProperties", false);
    json_key(w, "required");
    json_begin_array(w);
    json_c(w, "type");
    if (is_source) {
        json_c(w, "columns");
    }
    describe_each(c->options, c->option_count, add_required, w);
    json_end_array(w);
    json_key(w, "properties");
    json_begin_object(w);
    json_key(w, "type");
    json_begin_object(w);
    json_kv_c(w, "const", c->name);
    json_end_object(w);
    describe_each(c->options, c->option_count, add_option, w);
    if (is_source) {
        add_columns(w);
        describe_each(source_common_options, source_common_option_count, add_option, w);
        component_rejects_schema(describe_source_keys[2].doc, w);
    }
    json_end_object(w);
    json_end_object(w);
}
