/* ExportTraceServiceRequest and ExportMetricsServiceRequest as JSON: 64-bit numbers are texts, ids
 * hex, enums numbers, as the protocol's JSON mapping has them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/otlp.h"

#define SPAN_KIND_INTERNAL     1
#define STATUS_ERROR           2
#define TEMPORALITY_CUMULATIVE 2

const double otlp_bounds[OTLP_BOUNDS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                         0.1,   0.5,    1,     5,    30};

static void hex(const uint8_t *bytes, size_t len, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

struct otlp_context otlp_batch_context(const char *flow, int64_t batch, struct hash128 hash) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    char hash_hex[HASH128_HEX_BYTES];
    struct otlp_context c = {{0}, {0}};
    hash128_to_hex(hash, hash_hex);
    buf_addf(&text, "plumb batch %" PRId64 " %s %s", batch, hash_hex, flow);
    hash128_to_bytes(hash128_of(text.data, text.len), c.trace);
    uint8_t span[16];
    buf_adds(&text, " span");
    hash128_to_bytes(hash128_of(text.data, text.len), span);
    memcpy(c.span, span, sizeof c.span);
    return c;
}

void otlp_trace_hex(const struct otlp_context *c, char out[OTLP_TRACE_HEX_BYTES]) {
    hex(c->trace, sizeof c->trace, out);
}

static void number_text(struct json_writer *w, const char *key, int64_t n, const char *end) {
    char text[40];
    (void)snprintf(text, sizeof text, "%" PRId64 "%s", n, end);
    json_kv_c(w, key, text);
}

static void nanoseconds(struct json_writer *w, const char *key, int64_t us) {
    number_text(w, key, us, us == 0 ? "" : "000");
}

static void attribute(struct json_writer *w, const char *key, const char *value) {
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
static void begin_all(struct json_writer *w, const struct otlp_target *t, const char *resources,
                      const char *scopes, const char *items) {
    json_begin_object(w);
    json_key(w, resources);
    json_begin_array(w);
    json_begin_object(w);
    json_key(w, "resource");
    json_begin_object(w);
    json_key(w, "attributes");
    json_begin_array(w);
    for (size_t i = 0; i < t->resource_count; i++) {
        attribute(w, t->resource[i].key, t->resource[i].value);
    }
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

/* ---- traces ---- */

static void add_ids(struct json_writer *w, const struct otlp_context *c) {
    char trace[OTLP_TRACE_HEX_BYTES];
    char span[17];
    otlp_trace_hex(c, trace);
    hex(c->span, sizeof c->span, span);
    json_kv_c(w, "traceId", trace);
    json_kv_c(w, "spanId", span);
}

static void add_attributes(struct json_writer *w, const struct otlp_span *s) {
    json_begin_array(w);
    if (s->name[0] != '\0') {
        attribute(w, s->kind == OTLP_TRANSFORM ? "plumb.stage" : "plumb.source", s->name);
    }
    if (s->batch > 0) {
        attribute_number(w, "plumb.batch", s->batch);
    }
    if (s->kind == OTLP_BATCH) {
        attribute_number(w, "plumb.records", s->records);
        attribute_number(w, "plumb.records.rejected", s->rejected);
    }
    if (s->code != ERR_NONE) {
        attribute(w, "error.type", err_class(s->code));
    }
    json_end_array(w);
}

static void add_links(struct json_writer *w, const struct otlp_span *s) {
    json_key(w, "links");
    json_begin_array(w);
    for (size_t i = 0; i < s->link_count; i++) {
        json_begin_object(w);
        add_ids(w, &s->links[i]);
        json_end_object(w);
    }
    json_end_array(w);
    if (s->links_left_out > 0) {
        json_kv_i64(w, "droppedLinksCount", (int64_t)s->links_left_out);
    }
}

static void add_span(struct json_writer *w, const struct otlp_span *s) {
    static const char *const kinds[] = {"turn", "batch ", "extract ", "transform "};
    char name[FLOW_NAME_BYTES_MAX + 16];
    (void)snprintf(name, sizeof name, "%s%s", kinds[s->kind], s->name);
    json_begin_object(w);
    add_ids(w, &s->self);
    if (s->has_parent) {
        char parent[17];
        hex(s->parent, sizeof s->parent, parent);
        json_kv_c(w, "parentSpanId", parent);
    }
    json_kv_c(w, "name", name);
    json_kv_i64(w, "kind", SPAN_KIND_INTERNAL);
    nanoseconds(w, "startTimeUnixNano", s->started_us);
    nanoseconds(w, "endTimeUnixNano", s->ended_us);
    json_key(w, "attributes");
    add_attributes(w, s);
    if (s->link_count > 0) {
        add_links(w, s);
    }
    if (s->code != ERR_NONE) {
        json_key(w, "status");
        json_begin_object(w);
        json_kv_i64(w, "code", STATUS_ERROR);
        json_end_object(w);
    }
    json_end_object(w);
}

void otlp_traces(const struct otlp_target *t, const struct otlp_span *spans, size_t count,
                 struct buf *out) {
    struct json_writer w;
    json_writer_init(&w, out);
    begin_all(&w, t, "resourceSpans", "scopeSpans", "spans");
    for (size_t i = 0; i < count; i++) {
        add_span(&w, &spans[i]);
    }
    end_all(&w);
}

/* ---- metrics ---- */

struct point {
    const char *keys[2], *values[2]; /* attributes; NULL: none */
};

static void begin_metric(struct json_writer *w, const char *name, const char *unit,
                         const char *kind) {
    json_begin_object(w);
    json_kv_c(w, "name", name);
    json_kv_c(w, "unit", unit);
    json_key(w, kind);
    json_begin_object(w);
    if (kind[0] != 'g') { /* a gauge is as of now */
        json_kv_i64(w, "aggregationTemporality", TEMPORALITY_CUMULATIVE);
    }
    if (kind[0] == 's') {
        json_kv_bool(w, "isMonotonic", true);
    }
    json_key(w, "dataPoints");
    json_begin_array(w);
}

static void end_metric(struct json_writer *w) {
    json_end_array(w);
    json_end_object(w);
    json_end_object(w);
}

static void begin_point(struct json_writer *w, const struct otlp_counts *c, const struct point *p) {
    json_begin_object(w);
    if (p->keys[0] != NULL) {
        json_key(w, "attributes");
        json_begin_array(w);
        for (size_t i = 0; i < ARRAY_COUNT(p->keys) && p->keys[i] != NULL; i++) {
            attribute(w, p->keys[i], p->values[i]);
        }
        json_end_array(w);
    }
    nanoseconds(w, "startTimeUnixNano", c->since_us);
    nanoseconds(w, "timeUnixNano", c->now_us);
}

static void add_point(struct json_writer *w, const struct otlp_counts *c, const struct point *p,
                      int64_t value) {
    begin_point(w, c, p);
    number_text(w, "asInt", value, "");
    json_end_object(w);
}

static void add_seconds(struct json_writer *w, const struct otlp_counts *c, const struct point *p,
                        int64_t us) {
    begin_point(w, c, p);
    json_key(w, "asDouble");
    json_f64(w, (double)us / 1e6);
    json_end_object(w);
}

static void add_turns(struct json_writer *w, const struct otlp_counts *c) {
    begin_metric(w, "plumb.turns", "{turn}", "sum");
    add_point(w, c, &(struct point){{"plumb.outcome"}, {"committed"}}, c->committed);
    add_point(w, c, &(struct point){{"plumb.outcome"}, {"failed"}}, c->failed);
    end_metric(w);
    begin_metric(w, "plumb.turn.duration", "s", "histogram");
    begin_point(w, c, &(struct point){{NULL}, {NULL}});
    number_text(w, "count", c->committed + c->failed, "");
    json_key(w, "sum");
    json_f64(w, (double)c->turn_us / 1e6);
    json_key(w, "bucketCounts");
    json_begin_array(w);
    for (size_t i = 0; i <= OTLP_BOUNDS; i++) {
        char text[24];
        (void)snprintf(text, sizeof text, "%" PRId64, c->turn_buckets[i]);
        json_c(w, text);
    }
    json_end_array(w);
    json_key(w, "explicitBounds");
    json_begin_array(w);
    for (size_t i = 0; i < OTLP_BOUNDS; i++) {
        json_f64(w, otlp_bounds[i]);
    }
    json_end_array(w);
    json_end_object(w);
    end_metric(w);
}

static bool has_series(const struct otlp_counts *c, bool stages) {
    for (size_t i = 0; i < c->series_count; i++) {
        if (c->series[i].is_stage == stages) {
            return true;
        }
    }
    return false;
}

static void add_sources(struct json_writer *w, const struct otlp_counts *c) {
    begin_metric(w, "plumb.batches", "{batch}", "sum");
    for (size_t i = 0; i < c->series_count; i++) {
        const struct otlp_series *s = &c->series[i];
        if (!s->is_stage) {
            add_point(w, c, &(struct point){{"plumb.source"}, {s->name}}, s->batches);
        }
    }
    end_metric(w);
    begin_metric(w, "plumb.records", "{record}", "sum");
    for (size_t i = 0; i < c->series_count; i++) {
        const struct otlp_series *s = &c->series[i];
        if (!s->is_stage) {
            struct point p = {{"plumb.source", "plumb.outcome"}, {s->name, "decoded"}};
            add_point(w, c, &p, s->decoded);
            p.values[1] = "rejected";
            add_point(w, c, &p, s->rejected);
        }
    }
    end_metric(w);
}

static void add_stages(struct json_writer *w, const struct otlp_counts *c) {
    begin_metric(w, "plumb.stage.runs", "{run}", "sum");
    for (size_t i = 0; i < c->series_count; i++) {
        const struct otlp_series *s = &c->series[i];
        if (s->is_stage) {
            struct point p = {{"plumb.stage", "plumb.outcome"}, {s->name, "done"}};
            add_point(w, c, &p, s->done);
            p.values[1] = "failed";
            add_point(w, c, &p, s->failed);
        }
    }
    end_metric(w);
    begin_metric(w, "plumb.stage.time", "s", "sum");
    for (size_t i = 0; i < c->series_count; i++) {
        const struct otlp_series *s = &c->series[i];
        if (s->is_stage) {
            add_seconds(w, c, &(struct point){{"plumb.stage"}, {s->name}}, s->busy_us);
        }
    }
    end_metric(w);
}

/* What became of telemetry itself. */
static void add_own(struct json_writer *w, const struct otlp_counts *c) {
    static const char *const losses[OTLP_LOSSES] = {"queue_full", "refused", "not_taken", "at_end"};
    static const char *const ends[OTLP_ENDS] = {"accepted", "partly", "to_retry", "turned_down"};
    static const char *const signals[2] = {"traces", "metrics"};
    begin_metric(w, "plumb.spans.sent", "{span}", "sum");
    add_point(w, c, &(struct point){{NULL}, {NULL}}, c->sent);
    end_metric(w);
    begin_metric(w, "plumb.spans.dropped", "{span}", "sum");
    for (size_t i = 0; i < OTLP_LOSSES; i++) {
        add_point(w, c, &(struct point){{"plumb.reason"}, {losses[i]}}, c->dropped[i]);
    }
    end_metric(w);
    begin_metric(w, "plumb.spans.queued", "{span}", "gauge");
    add_point(w, c, &(struct point){{NULL}, {NULL}}, c->queued);
    end_metric(w);
    begin_metric(w, "plumb.telemetry.requests", "{request}", "sum");
    for (size_t i = 0; i < 2 * OTLP_ENDS; i++) {
        const int64_t n = c->requests[i / OTLP_ENDS][i % OTLP_ENDS];
        if (n > 0) {
            add_point(w, c,
                      &(struct point){{"plumb.signal", "plumb.outcome"},
                                      {signals[i / OTLP_ENDS], ends[i % OTLP_ENDS]}},
                      n);
        }
    }
    end_metric(w);
}

void otlp_metrics(const struct otlp_target *t, const struct otlp_counts *c, struct buf *out) {
    struct json_writer w;
    json_writer_init(&w, out);
    begin_all(&w, t, "resourceMetrics", "scopeMetrics", "metrics");
    add_turns(&w, c);
    if (has_series(c, false)) {
        add_sources(&w, c);
    }
    if (has_series(c, true)) {
        add_stages(&w, c);
    }
    add_own(&w, c);
    end_all(&w);
}
