/* Alerts: who is told when a check fires, and when not.
 *
 *     alerts:
 *       routes:
 *         oncall: {type: pagerduty, key: "${PAGER_KEY}", severity: error}
 *         team: {type: slack, url: "${SLACK_URL}"}
 *       remind: 4h
 *       quiet: {from: "22:00", to: "07:00", except: error}
 *       ping: {url: "${PING_URL}", every: 1m}
 *
 * watch/ decides what is told, notify/ tells it. Const after loading. */
#ifndef PLUMB_FLOW_ALERTS_H
#define PLUMB_FLOW_ALERTS_H

#include "flow/checks.h"

#define ROUTE_TARGETS_MAX 32 /* receivers of a mail; words of a command */
#define ALERTS_REMIND_US  (4 * CHECK_HOUR_US)
#define ROUTE_TIMEOUT_US  INT64_C(10000000)
#define PING_EVERY_US_MIN INT64_C(5000000)
#define ZONE_MINUTES_MAX  (14 * 60)

enum route_kind {
    ROUTE_WEBHOOK,
    ROUTE_ALERTMANAGER,
    ROUTE_SLACK,
    ROUTE_PAGERDUTY,
    ROUTE_EMAIL,
    ROUTE_COMMAND
};
#define ROUTE_KINDS ((size_t)ROUTE_COMMAND + 1)

/* What the option tables fill. */
struct route_conf {
    int64_t severity; /* 0: warnings as well, 1: errors only */
    int64_t timeout_us;
    const char *url;
    const struct node *headers;
    const char *key;
    const char *smtp, *from, *user, *password;
    struct option_list to;
    struct option_list run;
};

struct route_kind_facts {
    const char *name;
    const char *summary; /* one sentence */
    const char *doc;
    const char *example;
    const struct option *options;
    size_t option_count;
};
extern const struct route_kind_facts route_kinds[ROUTE_KINDS];

struct route_header {
    const char *name, *value;
};

struct flow_route {
    const char *name;
    enum route_kind kind;
    struct route_conf conf;
    enum check_level level; /* alerts below are not for it */
    const struct route_header *headers;
    size_t header_count;
    const struct node *node;
};

struct flow_quiet { /* minutes of the day; from == to: never */
    int from, to;
    int64_t zone_us;         /* east of UTC */
    enum check_level except; /* alerts of this level are told all the same; FINE: none */
};

struct flow_ping {
    const char *url; /* NULL: none */
    int64_t every_us;
};

struct flow_alerts {
    const struct flow_route *routes;
    size_t route_count;
    int64_t remind_us; /* 0: never */
    struct flow_quiet quiet;
    struct flow_ping ping;
};

const struct flow_route *flow_find_route(const struct flow *f, struct str name);
/* `alerts:` as JSON Schema, into w, after its key; and docs/reference/alerts.md. */
struct json_writer;
void alerts_json_schema(struct json_writer *w);
void alerts_reference(struct buf *out);

#endif
