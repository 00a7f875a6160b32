/* Traces and metrics of a run for OpenTelemetry: OTLP 1.x over HTTP, in JSON.
 *
 * A trace is a turn, with a span for every batch it took (from the first question to the source until
 * staged) and every transform that was at work. Metrics are counted from the same facts. A thread of
 * its own sends them; the engine only copies into a queue of OTLP_SPANS_MAX and never waits: what does
 * not fit, or nobody took in OTLP_TRIES, is dropped and counted (plumb.spans.dropped). */
#ifndef PLUMB_CLI_OTLP_H
#define PLUMB_CLI_OTLP_H

#include "base/json.h"
#include "cli/command.h"
#include "engine/engine.h"

#define OTLP_SPANS_MAX   2048
#define OTLP_SPANS_SENT  512 /* in one request at most */
#define OTLP_EVERY_US    INT64_C(5000000)
#define OTLP_DEADLINE_US INT64_C(3000000) /* of one request */
#define OTLP_TRIES       3
#define OTLP_NAME_BYTES  160
#define OTLP_BODY_BYTES  ((size_t)8 << 20)

struct otlp;
/* *out NULL when neither --otlp nor $OTEL_EXPORTER_OTLP_ENDPOINT says where. CONFIG: it is no URL. */
MUST_CHECK enum err_code otlp_start(const struct invocation *call, struct otlp **out,
                                    struct err *err);
/* Sends what is there, once, and ends. NULL is fine. */
void otlp_stop(struct otlp *o);
/* On the engine's thread. */
void otlp_turn(struct otlp *o, const struct flow *flow, const struct turn_facts *facts);

/* ---- otlp_payload.c: pure ---- */
struct otlp_span {
    char trace[33], id[17], parent[17]; /* lower-case hex; parent "": a root */
    char name[OTLP_NAME_BYTES];
    char flow[OTLP_NAME_BYTES], source[OTLP_NAME_BYTES], stage[OTLP_NAME_BYTES]; /* "": none */
    int64_t batch;                                                               /* 0: none */
    int64_t started_us, ended_us;
    int64_t records, rejected; /* of a source's batch */
    enum err_code code;
};
struct otlp_counts {
    int64_t turns, failed_turns, batches, records, rejected, stage_failures, dropped;
    int64_t since_us, now_us;
};
void otlp_traces(const struct otlp_span *spans, size_t count, struct buf *out);
void otlp_metrics(const struct otlp_counts *counts, struct buf *out);

#endif
