/* ExportTraceServiceRequest and ExportMetricsServiceRequest as JSON: 64-bit numbers are strings, ids
 * hex, enums numbers, as the protocol's JSON mapping has them. */
#include "cli/otlp.h"

#include <inttypes.h>
#include <stdio.h>

#define SPAN_KIND_INTERNAL     1
#define STATUS_UNSET           0
#define STATUS_ERROR           2
#define TEMPORALITY_CUMULATIVE 2

static void number_text(struct json_writer *w, const char *key, int64_t n, const char *end) {
    char text[40];
    (void)snprintf(text, sizeof text, "%" PRId64 "%s", n, end);
    json_kv_c(w, key, text);
}

static void nanoseconds(struct json_writer *w, const char *key, int64_t us) {
    number_text(w, key, us, us == 0 ? "" : "000");
}

static void attribute(struct json_writer *w, const char *key, const char *value) {
    if (value[0] == '\0') {
        return;
    }
    json_begin_object(w);
    json_kv_c(w, "key", key);
    json_key(w, "value");
    json_begin_object(w);
    json_kv_c(w, "stringValue", value);
    json_end_object(w);
    json_end_object(w);
}

static void attribute_number(struct json_writer *w, const char *key, int64_t value) {
    json_begin_object(w);
    json_kv_c(w, "key", key);
    json_key(w, "value");
    json_begin_object(w);
    number_text(w, "intValue", value, "");
    json_end_object(w);
    json_end_object(w);
}

/* From the outermost object to the list of spans or metrics; end_all closes it. */
static void begin_all(struct json_writer *w, const char *resources, const char *scopes,
                      const char *items) {
    json_begin_object(w);
    json_key(w, resources);
    json_begin_array(w);
    json_begin_object(w);
    json_key(w, "resource");
    json_begin_object(w);
    json_key(w, "attributes");
    json_begin_array(w);
    attribute(w, "service.name", "plumb");
    attribute(w, "service.version", PLUMB_VERSION);
    json_end_array(w);
    json_end_object(w);
    json_key(w, scopes);
    json_begin_array(w);
    json_begin_object(w);
    json_key(w, "scope");
    json_begin_object(w);
    json_kv_c(w, "name", "plumb");
    json_kv_c(w, "version", PLUMB_VERSION);
    json_end_object(w);
    json_key(w, items);
    json_begin_array(w);
}

static void end_all(struct json_writer *w) {
    json_end_array(w);
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
}

static void add_span(struct json_writer *w, const struct otlp_span *s) {
    json_begin_object(w);
    json_kv_c(w, "traceId", s->trace);
    json_kv_c(w, "spanId", s->id);
    if (s->parent[0] != '\0') {
        json_kv_c(w, "parentSpanId", s->parent);
    }
    json_kv_c(w, "name", s->name);
    json_kv_i64(w, "kind", SPAN_KIND_INTERNAL);
    nanoseconds(w, "startTimeUnixNano", s->started_us);
    nanoseconds(w, "endTimeUnixNano", s->ended_us);
    json_key(w, "attributes");
    json_begin_array(w);
    attribute(w, "plumb.flow", s->flow);
    attribute(w, "plumb.source", s->source);
    attribute(w, "plumb.stage", s->stage);
    if (s->batch > 0) {
        attribute_number(w, "plumb.batch", s->batch);
    }
    if (s->source[0] != '\0') {
        attribute_number(w, "plumb.records", s->records);
        attribute_number(w, "plumb.rejected", s->rejected);
    }
    if (s->code != ERR_NONE) {
        attribute(w, "error.type", err_class(s->code));
    }
    json_end_array(w);
    json_key(w, "status");
    json_begin_object(w);
    json_kv_i64(w, "code", s->code == ERR_NONE ? STATUS_UNSET : STATUS_ERROR);
    json_end_object(w);
    json_end_object(w);
}

void otlp_traces(const struct otlp_span *spans, size_t count, struct buf *out) {
    struct json_writer w;
    json_writer_init(&w, out);
    begin_all(&w, "resourceSpans", "scopeSpans", "spans");
    for (size_t i = 0; i < count; i++) {
        add_span(&w, &spans[i]);
    }
    end_all(&w);
}

static void add_sum(struct json_writer *w, const struct otlp_counts *c, const char *name,
                    const char *unit, int64_t value) {
    json_begin_object(w);
    json_kv_c(w, "name", name);
    json_kv_c(w, "unit", unit);
    json_key(w, "sum");
    json_begin_object(w);
    json_kv_i64(w, "aggregationTemporality", TEMPORALITY_CUMULATIVE);
    json_kv_bool(w, "isMonotonic", true);
    json_key(w, "dataPoints");
    json_begin_array(w);
    json_begin_object(w);
    nanoseconds(w, "startTimeUnixNano", c->since_us);
    nanoseconds(w, "timeUnixNano", c->now_us);
    number_text(w, "asInt", value, "");
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
    json_end_object(w);
}

void otlp_metrics(const struct otlp_counts *c, struct buf *out) {
    struct json_writer w;
    json_writer_init(&w, out);
    begin_all(&w, "resourceMetrics", "scopeMetrics", "metrics");
    add_sum(&w, c, "plumb.turns", "{turn}", c->turns);
    add_sum(&w, c, "plumb.turns.failed", "{turn}", c->failed_turns);
    add_sum(&w, c, "plumb.batches", "{batch}", c->batches);
    add_sum(&w, c, "plumb.records", "{record}", c->records);
    add_sum(&w, c, "plumb.records.rejected", "{record}", c->rejected);
    add_sum(&w, c, "plumb.stage.failures", "{failure}", c->stage_failures);
    add_sum(&w, c, "plumb.spans.dropped", "{span}", c->dropped);
    end_all(&w);
}
