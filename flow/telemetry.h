/* Telemetry: where traces and metrics of a run go.
 *
 *     telemetry:
 *       endpoint: "${OTLP_URL:-http://127.0.0.1:4318}"
 *       headers: {Authorization: "Bearer ${OTLP_TOKEN:?the collector's token}"}
 *       interval: 10s
 *       resource: {deployment.environment.name: production}
 *
 * cli/otlp.h sends it. Const after loading. */
#ifndef PLUMB_FLOW_TELEMETRY_H
#define PLUMB_FLOW_TELEMETRY_H

#include "flow/alerts.h"

#define TELEMETRY_INTERVAL_US     INT64_C(5000000)
#define TELEMETRY_INTERVAL_US_MIN INT64_C(100000)
#define TELEMETRY_INTERVAL_US_MAX INT64_C(3600000000)
#define TELEMETRY_TIMEOUT_US      INT64_C(3000000)
#define TELEMETRY_TIMEOUT_US_MIN  INT64_C(100000)
#define TELEMETRY_TIMEOUT_US_MAX  INT64_C(60000000)
#define TELEMETRY_HEADERS_MAX     ROUTE_TARGETS_MAX
#define TELEMETRY_RESOURCE_MAX    64 /* attributes */

struct telemetry_attribute {
    const char *key, *value;
};

/* The first four are filled by the option table. */
struct flow_telemetry {
    const char
        *endpoint; /* http or https, /v1/traces and /v1/metrics are added; "": nothing is sent */
    int64_t interval_us, timeout_us;
    int64_t compression; /* 0: none, 1: gzip */
    const struct node *headers_node, *resource_node;
    const struct route_header *headers;
    size_t header_count;
    const struct telemetry_attribute *resource;
    size_t resource_count;
};

/* `telemetry:` as JSON Schema, into w, after its key; and docs/reference/telemetry.md. */
struct json_writer;
void telemetry_json_schema(struct json_writer *w);
void telemetry_reference(struct buf *out);

#endif
