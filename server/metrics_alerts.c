/* Metrics of checks and alerts: counts of the store, by names that stand in the flow, so there are few
 * series. They are asked of the store and not of the thread that looks at checks, as that may be what
 * does not work. */
#include "flow/alerts.h"
#include "server/exposition.h"
#include "server/state.h"

/* Each route of the flow has a sample, also when it has no such notice. */
struct by_route {
    const char *name, *help;
    const char *sql; /* ?1: the route */
    bool is_time;    /* microseconds, which become seconds */
};

static const struct by_route by_route[] = {
    {"plumb_notices_undelivered", "Notices that wait to be sent.",
     "SELECT count(*) FROM _plumb_deliveries WHERE state = 'pending' AND route = ?1", false},
    {"plumb_notices_oldest_timestamp_seconds",
     "When the oldest notice that waits was made; 0 if none does.",
     "SELECT coalesce(min(created_us), 0) FROM _plumb_deliveries WHERE state = 'pending' AND route "
     "= ?1",
     true},
    {"plumb_notices_held", "Notices held back by silences, quiet hours or another alert.",
     "SELECT count(*) FROM _plumb_deliveries d WHERE d.state = 'held' AND d.route = ?1 AND "
     "(d.event "
     "= 'resolved' OR EXISTS (SELECT 1 FROM _plumb_alerts a WHERE a.id = d.alert AND a.state <> "
     "'resolved'))",
     false},
    {"plumb_notices_failed", "Notices that were given up.",
     "SELECT count(*) FROM _plumb_deliveries WHERE state = 'failed' AND route = ?1", false},
    {"plumb_notices_sent", "Notices that were sent.",
     "SELECT count(*) FROM _plumb_deliveries WHERE state = 'sent' AND route = ?1", false},
};

static enum err_code count(struct store *s, const char *sql, const char *name, int64_t *out,
                           struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = false;
    *out = 0;
    enum err_code code = store_prepare(s, sql, &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(name));
        code = store_step(st, &has_row, err);
    }
    if (code == ERR_NONE && has_row && !store_column_is_null(st, 0)) {
        *out = store_column_i64(st, 0);
    }
    store_statement_free(st);
    return code;
}

static enum err_code add_alerts(struct store *s, struct buf *out, struct err *err) {
    static const char *const severities[] = {"warn", "error"};
    static const char name[] = "plumb_alerts_firing";
    enum err_code code = ERR_NONE;
    metric_family(out, name, METRIC_GAUGE, "Alerts that are open, acknowledged ones too.");
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(severities); i++) {
        const struct label severity = {"severity", str_of(severities[i])};
        int64_t firing = 0;
        code = count(s,
                     "SELECT count(*) FROM _plumb_alerts WHERE state <> 'resolved' AND severity = "
                     "?1",
                     severities[i], &firing, err);
        metric_i64(out, name, &severity, 1, firing);
    }
    return code;
}

enum err_code metrics_add_alerts(const struct flow *flow, struct store *s, struct buf *out,
                                 struct err *err) {
    int64_t watched_us = 0;
    enum err_code code = count(s, "SELECT CAST(value AS BIGINT) FROM _plumb_meta WHERE key = ?1",
                               "watched", &watched_us, err);
    metric_family(out, "plumb_watch_round_timestamp_seconds", METRIC_GAUGE,
                  "When a round of checks was last done; 0 if none was.");
    metric_seconds(out, "plumb_watch_round_timestamp_seconds", NULL, 0, watched_us);
    metric_single(out, "plumb_checks", METRIC_GAUGE, "Checks of the flow.",
                  (int64_t)flow->check_count);
    if (code == ERR_NONE) {
        code = add_alerts(s, out, err);
    }
    for (size_t i = 0; i < ARRAY_COUNT(by_route) && flow->alerts->route_count > 0; i++) {
        const struct by_route *m = &by_route[i];
        metric_family(out, m->name, METRIC_GAUGE, m->help);
        for (size_t k = 0; code == ERR_NONE && k < flow->alerts->route_count; k++) {
            const char *route = flow->alerts->routes[k].name;
            const struct label label = {"route", str_of(route)};
            int64_t value = 0;
            code = count(s, m->sql, route, &value, err);
            if (m->is_time) {
                metric_seconds(out, m->name, &label, 1, value);
            } else {
                metric_i64(out, m->name, &label, 1, value);
            }
        }
    }
    return code;
}
