/* Traces and metrics of a run for OpenTelemetry: OTLP 1.x over HTTP, in JSON (docs/telemetry.md).
 *
 * A turn is a trace: a span for the turn and one for every transform that was at work. A batch is a
 * trace of its own, whose id follows from the batch (otlp_batch_context), so that `plumb trace` can
 * name it: a span from the first question to the source until the batch is committed, and one for its
 * extraction. Links lead from turn to batch and back, and from a map's span to the batch it read.
 *
 * A thread of its own sends. The engine only copies into a queue of OTLP_SPANS_MAX and never waits;
 * what does not fit, is refused, or is not taken in OTLP_TRIES, is dropped and counted
 * (plumb.spans.dropped). Metrics are cumulative: one that was not taken comes with the next. */
#ifndef PLUMB_CLI_OTLP_H
#define PLUMB_CLI_OTLP_H

#include "base/hash.h"
#include "base/json.h"
#include "cli/command.h"
#include "engine/engine.h"
#include "flow/telemetry.h"

#define OTLP_SPANS_MAX    2048
#define OTLP_SPANS_SENT   512 /* in one request at most */
#define OTLP_LINKS_MAX    16  /* of one span; those left out are counted in it */
#define OTLP_SERIES_MAX   256 /* sources and transforms metrics tell apart; the rest is "(other)" */
#define OTLP_TRIES        6   /* of one request that may be repeated */
#define OTLP_BACKOFF      4 /* waits are those of engine/policy.h from its fifth on: 0.8 s, 1.6 s, ... */
#define OTLP_PAUSE_US_MAX INT64_C(3600000000) /* the longest Retry-After that is followed */
#define OTLP_FLUSH_US     INT64_C(5000000)    /* at the end, for everything */
#define OTLP_BODY_BYTES   ((size_t)8 << 20)
#define OTLP_ANSWER_BYTES ((size_t)4 << 20)
#define OTLP_HEADERS_ALL  (TELEMETRY_HEADERS_MAX + 1) /* and Content-Encoding */
#define OTLP_BOUNDS       11

struct otlp;
/* The address is --otlp, or `telemetry:` of the flow, or $OTEL_EXPORTER_OTLP_ENDPOINT; *out is NULL
 * when none is given, or it is empty or "off". CONFIG: it is no URL. */
MUST_CHECK enum err_code otlp_start(const struct invocation *call, const struct flow *flow,
                                    struct otlp **out, struct err *err);
/* Another flow runs from now on: its `telemetry:` holds. Starts and stops *o as that needs. An address
 * that is none is logged, and all stays as it was. On the engine's thread, between two flows. */
void otlp_use(struct otlp **o, const struct invocation *call, const struct flow *flow);
/* Sends what is there, for at most OTLP_FLUSH_US, and ends. NULL is fine. */
void otlp_stop(struct otlp *o);
/* On the engine's thread. */
void otlp_turn(struct otlp *o, const struct turn_facts *facts);

/* ---- what is sent ---- */
struct otlp_context {
    uint8_t trace[16];
    uint8_t span[8];
};
#define OTLP_TRACE_HEX_BYTES 33
/* The trace of a batch and its first span: the same wherever and whenever it is asked for. */
struct otlp_context otlp_batch_context(const char *flow, int64_t batch, struct hash128 hash);
void otlp_trace_hex(const struct otlp_context *c, char out[OTLP_TRACE_HEX_BYTES]);

enum otlp_kind { OTLP_TURN, OTLP_BATCH, OTLP_EXTRACT, OTLP_TRANSFORM };
struct otlp_span {
    struct otlp_context self;
    bool has_parent;
    uint8_t parent[8]; /* in the same trace */
    enum otlp_kind kind;
    char name[FLOW_NAME_BYTES_MAX + 1]; /* of the source or transform */
    int64_t batch;                      /* 0: none */
    int64_t started_us, ended_us;
    int64_t records, rejected; /* OTLP_BATCH */
    enum err_code code;
    struct otlp_context links[OTLP_LINKS_MAX];
    size_t link_count, links_left_out;
};

enum otlp_loss { OTLP_QUEUE_FULL, OTLP_REFUSED, OTLP_NOT_TAKEN, OTLP_AT_END };
#define OTLP_LOSSES ((size_t)OTLP_AT_END + 1)
enum otlp_end { OTLP_ACCEPTED, OTLP_PARTLY, OTLP_TO_RETRY, OTLP_TURNED_DOWN };
#define OTLP_ENDS ((size_t)OTLP_TURNED_DOWN + 1)

/* Of a source: batches, records (decoded, rejected). Of a transform: runs, failures, time. */
struct otlp_series {
    char name[FLOW_NAME_BYTES_MAX + 1];
    bool is_stage;
    int64_t batches, decoded, rejected;
    int64_t done, failed, busy_us;
};
struct otlp_counts {
    int64_t committed, failed; /* turns */
    int64_t turn_us;
    int64_t turn_buckets[OTLP_BOUNDS + 1];
    struct otlp_series series[OTLP_SERIES_MAX + 2]; /* the last two: "(other)" */
    size_t series_count;
    int64_t sent, queued;
    int64_t dropped[OTLP_LOSSES];
    int64_t requests[2][OTLP_ENDS]; /* of traces, of metrics */
    int64_t since_us, now_us;
};
extern const double otlp_bounds[OTLP_BOUNDS]; /* of turn_buckets, in seconds */

/* Where it goes, as strings of its own: flows come and go. */
struct otlp_target {
    struct arena arena;
    const char *traces_url, *metrics_url;
    int64_t interval_us, timeout_us;
    bool gzip;
    const struct route_header *headers;
    size_t header_count;
    const struct telemetry_attribute *resource;
    size_t resource_count;
};
/* ---- otlp_target.c ---- */
/* *out NULL: nothing is to be sent. instance: tells this process from others. */
MUST_CHECK enum err_code otlp_target_of(const struct invocation *call, const struct flow *flow,
                                        const char *instance, struct otlp_target **out,
                                        struct err *err);
void otlp_target_free(struct otlp_target *t);

/* ---- otlp_payload.c: pure ---- */
void otlp_traces(const struct otlp_target *t, const struct otlp_span *spans, size_t count,
                 struct buf *out);
void otlp_metrics(const struct otlp_target *t, const struct otlp_counts *counts, struct buf *out);

/* ---- otlp_post.c ---- */
struct http_client;
struct otlp_post {
    const char *url;
    bool of_metrics;
    int64_t until_us;                                /* monotonic: nothing waits longer */
    bool (*hurry)(void *context, int64_t *until_us); /* asked meanwhile: it is to end, by then */
    void *context;
};
struct otlp_answer {
    enum otlp_end end;
    int64_t rejected; /* spans or points of OTLP_PARTLY */
    int64_t pause_us; /* that the receiver asked for; -1: none */
};
/* One request and its answer. What is wrong with it is in err. body is taken. */
struct otlp_answer otlp_send(struct http_client *client, const struct otlp_target *t,
                             const struct otlp_post *post, struct buf *body, struct err *err);

#endif
