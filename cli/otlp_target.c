/* Where telemetry goes, put together from the command line, the flow and OpenTelemetry's environment
 * variables, in this order; each name of a header or attribute is taken from the first that has it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/otlp.h"
#include "net/http.h"

#define TARGET_ARENA_BYTES ((size_t)4 << 20)
#define RESOURCE_ALL       (TELEMETRY_RESOURCE_MAX + 8) /* and what we add */

static const char *variable(const char *name) {
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    return value != NULL ? value : "";
}

static const char *endpoint_of(const struct invocation *call, const struct flow *flow) {
    const char *given = invocation_option(call, "otlp");
    if (given == NULL && flow->telemetry != NULL) {
        given = flow->telemetry->endpoint;
    }
    if (given == NULL) {
        given = variable("OTEL_EXPORTER_OTLP_ENDPOINT");
    }
    return strcmp(given, "off") == 0 ? "" : given;
}

static int hex_digit(char c) {
    const char *at = c != '\0' ? strchr("0123456789abcdefABCDEF", c) : NULL;
    if (at == NULL) {
        return -1;
    }
    const int n = (int)(at - "0123456789abcdefABCDEF");
    return n < 16 ? n : n - 6;
}

/* %20 is a space, as W3C Baggage has it; anything else stays. */
static const char *unescaped(struct arena *a, struct str text) {
    char *out = arena_strndup(a, text.ptr, text.len);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const int high = i + 2 < text.len && text.ptr[i] == '%' ? hex_digit(text.ptr[i + 1]) : -1;
        const int low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;
        out[len++] = low >= 0 ? (char)(high * 16 + low) : text.ptr[i];
        i += low >= 0 ? 2 : 0;
    }
    out[len] = '\0';
    return out;
}

typedef void (*add_pair)(struct otlp_target *t, void *list, const char *key, const char *value);

/* "key=value,key=value"; what has no '=' is passed over. */
static void add_pairs(struct otlp_target *t, const char *text, add_pair add, void *list) {
    struct str rest = str_of(text);
    while (rest.len > 0) {
        const size_t len = str_find(rest, ',');
        const struct str pair = {rest.ptr, len};
        const size_t key = str_find(pair, '=');
        if (key < len) {
            const struct str name = str_trim((struct str){pair.ptr, key});
            const struct str value = str_trim((struct str){pair.ptr + key + 1, len - key - 1});
            add(t, list, arena_strndup(&t->arena, name.ptr, name.len), unescaped(&t->arena, value));
        }
        const size_t skip = len < rest.len ? len + 1 : len;
        rest = (struct str){rest.ptr + skip, rest.len - skip};
    }
}

static void add_header(struct otlp_target *t, void *list, const char *name, const char *value) {
    struct route_header *headers = list;
    for (size_t i = 0; i < t->header_count; i++) {
        if (strcasecmp(headers[i].name, name) == 0) {
            return;
        }
    }
    if (t->header_count < TELEMETRY_HEADERS_MAX && name[0] != '\0') {
        headers[t->header_count++] =
            (struct route_header){arena_strdup(&t->arena, name), arena_strdup(&t->arena, value)};
    }
}

static void add_attribute(struct otlp_target *t, void *list, const char *key, const char *value) {
    struct telemetry_attribute *attributes = list;
    for (size_t i = 0; i < t->resource_count; i++) {
        if (strcmp(attributes[i].key, key) == 0) {
            return;
        }
    }
    if (t->resource_count < RESOURCE_ALL && key[0] != '\0' && value[0] != '\0') {
        attributes[t->resource_count++] = (struct telemetry_attribute){
            arena_strdup(&t->arena, key), arena_strdup(&t->arena, value)};
    }
}

static void fill(struct otlp_target *t, const struct flow *flow, const char *instance) {
    const struct flow_telemetry *f = flow->telemetry;
    struct route_header *headers =
        arena_new(&t->arena, TELEMETRY_HEADERS_MAX * sizeof(struct route_header));
    struct telemetry_attribute *resource = arena_new(&t->arena, RESOURCE_ALL * sizeof *resource);
    for (size_t i = 0; f != NULL && i < f->header_count; i++) {
        add_header(t, headers, f->headers[i].name, f->headers[i].value);
    }
    add_pairs(t, variable("OTEL_EXPORTER_OTLP_HEADERS"), add_header, headers);
    for (size_t i = 0; f != NULL && i < f->resource_count; i++) {
        add_attribute(t, resource, f->resource[i].key, f->resource[i].value);
    }
    add_attribute(t, resource, "service.name", variable("OTEL_SERVICE_NAME"));
    const size_t own = t->resource_count;
    add_pairs(t, variable("OTEL_RESOURCE_ATTRIBUTES"), add_attribute, resource);
    t->resource_count = t->resource_count < TELEMETRY_RESOURCE_MAX || own > TELEMETRY_RESOURCE_MAX
                            ? t->resource_count
                            : TELEMETRY_RESOURCE_MAX; /* room for those below */
    add_attribute(t, resource, "service.name", "plumb");
    add_attribute(t, resource, "service.version", PLUMB_VERSION);
    add_attribute(t, resource, "service.instance.id", instance);
    add_attribute(t, resource, "plumb.flow", flow->name);
    t->headers = headers;
    t->resource = resource;
}

enum err_code otlp_target_of(const struct invocation *call, const struct flow *flow,
                             const char *instance, struct otlp_target **out, struct err *err) {
    const char *url = endpoint_of(call, flow);
    *out = NULL;
    if (url[0] == '\0') {
        return ERR_NONE;
    }
    if (http_url_check(url, err) != ERR_NONE) {
        return err_wrap(err, invocation_option(call, "otlp") != NULL ? "--otlp" : "telemetry");
    }
    struct otlp_target *t = mem_alloc(sizeof *t);
    *t = (struct otlp_target){.interval_us = TELEMETRY_INTERVAL_US,
                              .timeout_us = TELEMETRY_TIMEOUT_US};
    arena_init(&t->arena, TARGET_ARENA_BYTES);
    const size_t len = strlen(url) - (url[strlen(url) - 1] == '/' ? 1 : 0);
    t->traces_url = arena_printf(&t->arena, "%.*s/v1/traces", (int)len, url);
    t->metrics_url = arena_printf(&t->arena, "%.*s/v1/metrics", (int)len, url);
    if (flow->telemetry != NULL) {
        t->interval_us = flow->telemetry->interval_us;
        t->timeout_us = flow->telemetry->timeout_us;
        t->gzip = flow->telemetry->compression != 0;
    }
    fill(t, flow, instance);
    *out = t;
    return ERR_NONE;
}

void otlp_target_free(struct otlp_target *t) {
    if (t != NULL) {
        arena_release(&t->arena);
        mem_free(t);
    }
}
