/* How it works: one option table gives parsing, JSON Schema and the page of the reference. What only a
 * receiver would find wrong, a header line or the name of an attribute, is looked at here, where the
 * mistake has a place. */
#include "flow/telemetry.h"

#include <string.h>

#include "base/json.h"
#include "component/describe.h"
#include "flow/read.h"

static const char *const compressions[] = {"none", "gzip", NULL};

static const struct option options[] = {
    OPTION_STR(struct flow_telemetry, endpoint, .flags = OPTION_REQUIRED,
               .doc = "A receiver of OTLP over HTTP; /v1/traces and /v1/metrics are added. Empty: "
                      "nothing is sent.",
               .example = "http://127.0.0.1:4318"),
    OPTION_NODE(struct flow_telemetry, headers_node, .name = "headers",
                .doc = "A map of header lines to send along, such as Authorization."),
    OPTION_DURATION(struct flow_telemetry, interval_us, .name = "interval", .def = "5s",
                    .min = TELEMETRY_INTERVAL_US_MIN, .max = TELEMETRY_INTERVAL_US_MAX,
                    .doc = "How often metrics are sent, and spans unless many wait."),
    OPTION_DURATION(struct flow_telemetry, timeout_us, .name = "timeout", .def = "3s",
                    .min = TELEMETRY_TIMEOUT_US_MIN, .max = TELEMETRY_TIMEOUT_US_MAX,
                    .doc = "A request that took longer was not taken."),
    OPTION_ENUM(struct flow_telemetry, compression, .def = "none", .choices = compressions,
                .doc = "gzip makes requests some eight times smaller."),
    OPTION_NODE(struct flow_telemetry, resource_node, .name = "resource",
                .doc = "A map of resource attributes, such as deployment.environment.name; "
                       "service.name is plumb unless it says otherwise."),
};

/* Of attributes of OpenTelemetry: words, digits, '.', '_', '-' and '/'. */
static bool is_attribute_name(const char *name) {
    return name[0] != '\0' && name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
                                                "YZ0123456789._-/")] == '\0';
}

static enum err_code read_resource(struct loader *l, struct flow_telemetry *t, struct err *err) {
    const struct node *map = t->resource_node;
    if (map == NULL) {
        return ERR_NONE;
    }
    if (map->kind != NODE_MAP || map->count > TELEMETRY_RESOURCE_MAX) {
        return node_error(map, err, "'resource' must be a map of at most %d names and texts",
                          TELEMETRY_RESOURCE_MAX);
    }
    struct telemetry_attribute *list = arena_new(l->arena, (map->count + 1) * sizeof *list);
    for (const struct node *n = map->first; n != NULL; n = n->next) {
        const char *value = NULL;
        const enum err_code code = read_text(n, &value, err);
        if (code != ERR_NONE) {
            return code;
        }
        if (!is_attribute_name(n->key)) {
            return node_key_error(n, err,
                                  "'%s' is no name of a resource attribute, such as "
                                  "deployment.environment.name",
                                  n->key);
        }
        list[t->resource_count++] = (struct telemetry_attribute){n->key, value};
    }
    t->resource = list;
    return ERR_NONE;
}

static enum err_code check_endpoint(const struct node *n, const char *url, struct err *err) {
    if (url[0] == '\0') {
        return ERR_NONE;
    }
    const enum err_code code = alerts_check_url(n, url, err);
    return code == ERR_NONE && strpbrk(url, "?#") != NULL
               ? node_error(n, err,
                            "'endpoint' must be an address without '?' and '#': /v1/traces "
                            "and /v1/metrics are added to it")
               : code;
}

enum err_code telemetry_load(struct loader *l, const struct node *section, struct err *err) {
    if (section == NULL) {
        return ERR_NONE;
    }
    if (section->kind != NODE_MAP) {
        return node_error(section, err,
                          "'telemetry' is a map such as {endpoint: "
                          "\"http://127.0.0.1:4318\"}, not %s",
                          node_kind_name(section));
    }
    struct flow_telemetry *t = arena_new(l->arena, sizeof *t);
    enum err_code code =
        options_parse(options, ARRAY_COUNT(options), section, NULL, l->arena, t, err);
    if (code == ERR_NONE) {
        code = check_endpoint(node_get(section, "endpoint"), t->endpoint, err);
    }
    if (code == ERR_NONE) {
        code = alerts_read_headers(l, t->headers_node, &t->headers, &t->header_count, err);
    }
    if (code == ERR_NONE) {
        code = read_resource(l, t, err);
    }
    l->flow->telemetry = t;
    return code;
}

void telemetry_json_schema(struct json_writer *w) {
    json_begin_object(w);
    json_kv_c(w, "description", "Where traces and metrics of a run go, over OTLP/HTTP.");
    json_kv_c(w, "type", "object");
    json_kv_bool(w, "additionalProperties", false);
    json_key(w, "required");
    json_begin_array(w);
    json_c(w, "endpoint");
    json_end_array(w);
    json_key(w, "properties");
    json_begin_object(w);
    options_json_schema(options, ARRAY_COUNT(options), w);
    json_end_object(w);
    json_end_object(w);
}

void telemetry_reference(struct buf *out) {
    buf_adds(out,
             "<!-- Generated by `plumb docs` from its table of options. -->\n# Telemetry\n\n"
             "What stands under `telemetry:` in a flow file; docs/telemetry.md tells what is "
             "sent, and what happens when nobody takes it.\n\n```yaml\ntelemetry:\n  endpoint: "
             "\"${OTLP_URL:-http://127.0.0.1:4318}\"\n  headers: {Authorization: \"Bearer "
             "${OTLP_TOKEN:?the token of the receiver}\"}\n  resource: "
             "{deployment.environment.name: production}\n```\n\n");
    options_reference_rows(options, ARRAY_COUNT(options), out);
}
