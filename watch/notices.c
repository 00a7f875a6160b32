/* How it works: a notice is owed when an alert has none of its kind for a route yet, so a round that
 * is done twice adds nothing. It is `held` while a silence or quiet hours are on or another alert
 * stands for this one, and let go when that is over and the alert is still wrong. What was never let
 * go is not followed by the notice of its end. */
#include "watch/book.h"

#include <string.h>

#define MINUTES_PER_DAY 1440

bool notices_are_quiet(const struct flow_quiet *q, enum check_level level, int64_t now_us) {
    if (q->from == q->to || (q->except != LEVEL_FINE && level >= q->except)) {
        return false;
    }
    const int64_t minutes = (now_us + q->zone_us) / 60000000;
    const int at = (int)(minutes % MINUTES_PER_DAY);
    return q->from < q->to ? at >= q->from && at < q->to : at >= q->from || at < q->to;
}

bool watch_matches(const char *pattern, const char *name) {
    const char *star = NULL;
    const char *mark = NULL;
    while (*name != '\0') {
        if (*pattern == '?' || (*pattern == *name && *pattern != '*')) {
            pattern++;
            name++;
        } else if (*pattern == '*') {
            star = pattern++;
            mark = name;
        } else if (star != NULL) {
            pattern = star + 1;
            name = ++mark;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

enum err_code notices_are_silenced(struct store *s, const char *check, int64_t now_us, bool *out,
                                   struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = true;
    *out = false;
    enum err_code code = store_prepare(s,
                                       "SELECT matcher FROM _plumb_silences WHERE since_us <= ?1 "
                                       "AND until_us > ?1 AND ended_us IS NULL",
                                       &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, now_us);
    }
    while (code == ERR_NONE && has_row && !*out) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            const struct str text = store_column_str(st, 0);
            char *matcher = mem_strndup(text.ptr, text.len);
            *out = watch_matches(matcher, check);
            mem_free(matcher);
        }
    }
    store_statement_free(st);
    return code;
}

static enum err_code add(const struct book *b, int64_t alert, const char *route, const char *event,
                         bool held, struct err *err) {
    int64_t last = 0;
    bool found = false;
    enum err_code code =
        book_number(b->store, "SELECT max(id) FROM _plumb_deliveries", NULL, 0, &last, &found, err);
    b->summary->notices += !held;
    return code != ERR_NONE
               ? code
               : BOOK_RUN(b->store,
                          "INSERT INTO _plumb_deliveries(id, alert, route, event, state, attempts, "
                          "next_us, created_us) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?6)",
                          err, V_NUMBER(found ? last + 1 : 1), V_NUMBER(alert), V_C(route),
                          V_C(event), V_C(held ? "held" : "pending"), V_NUMBER(b->now_us));
}

/* How many notices of that sort the route has of the alert. */
static enum err_code count(const struct book *b, int64_t alert, const char *route, const char *what,
                           int64_t *out, struct err *err) {
    char *sql = mem_printf(
        "SELECT count(*) FROM _plumb_deliveries WHERE alert = ?1 AND route = ?2 AND %s", what);
    const struct binding values[] = {V_NUMBER(alert), V_C(route)};
    bool found = false;
    const enum err_code code =
        book_number(b->store, sql, values, ARRAY_COUNT(values), out, &found, err);
    mem_free(sql);
    return code;
}

/* Of an open alert and one route: the first notice, letting go, that it became worse. */
static enum err_code tell_route(const struct book *b, const struct round_check *r,
                                const struct flow_route *route, bool held, struct err *err) {
    int64_t begun = 0;
    int64_t holding = 0;
    enum err_code code =
        count(b, r->alert, route->name, "event IN ('firing', 'worse')", &begun, err);
    if (code != ERR_NONE || r->is.open < route->level) {
        return code;
    }
    if (begun == 0) {
        return add(b, r->alert, route->name, "firing", held, err);
    }
    code = count(b, r->alert, route->name, "state = 'held'", &holding, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (holding > 0 && !held && r->is.bad_us == b->now_us) {
        b->summary->notices++;
        return BOOK_RUN(b->store,
                        "UPDATE _plumb_deliveries SET state = 'pending', next_us = ?3 WHERE alert "
                        "= ?1 AND route = ?2 AND state = 'held'",
                        err, V_NUMBER(r->alert), V_C(route->name), V_NUMBER(b->now_us));
    }
    /* What is held will tell how it is when it is let go. */
    return r->verdict == VERDICT_WORSE && holding == 0
               ? add(b, r->alert, route->name, "worse", held, err)
               : ERR_NONE;
}

static enum err_code tell_open(const struct book *b, const struct round_check *r, struct err *err) {
    bool silenced = false;
    enum err_code code = notices_are_silenced(b->store, r->check->name, b->now_us, &silenced, err);
    const bool held =
        silenced || r->parent != 0 || notices_are_quiet(&b->alerts->quiet, r->is.open, b->now_us);
    for (size_t i = 0; code == ERR_NONE && i < b->alerts->route_count; i++) {
        code = tell_route(b, r, &b->alerts->routes[i], held, err);
    }
    if (code != ERR_NONE || held || b->alerts->remind_us <= 0 || r->is.bad_us != b->now_us) {
        return code;
    }
    int64_t due = 0;
    bool found = false;
    const struct binding values[] = {V_NUMBER(r->alert),
                                     V_NUMBER(b->now_us - b->alerts->remind_us)};
    code = book_number(b->store,
                       "SELECT 1 FROM _plumb_alerts WHERE id = ?1 AND state = 'firing' AND "
                       "coalesce(reminded_us, changed_us) <= ?2",
                       values, ARRAY_COUNT(values), &due, &found, err);
    for (size_t i = 0; code == ERR_NONE && found && i < b->alerts->route_count; i++) {
        if (r->is.open >= b->alerts->routes[i].level) {
            code = add(b, r->alert, b->alerts->routes[i].name, "reminder", false, err);
        }
    }
    return code != ERR_NONE || !found
               ? code
               : BOOK_RUN(b->store,
                          "UPDATE _plumb_alerts SET reminded_us = ?2, reminders = reminders + 1 "
                          "WHERE id = ?1",
                          err, V_NUMBER(r->alert), V_NUMBER(b->now_us));
}

/* ---- ends ---- */

struct ended {
    int64_t alert;
    enum check_level level;
    char *check;
};

/* Alerts that are over, of which somebody was told and not that they are over. */
static enum err_code find_ended(const struct book *b, struct ended *out, size_t *count,
                                size_t capacity, struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = true;
    enum err_code code = store_prepare(
        b->store,
        "SELECT a.id, a.severity, a.check_name FROM _plumb_alerts a WHERE a.state = 'resolved' AND "
        "EXISTS (SELECT 1 FROM _plumb_deliveries d WHERE d.alert = a.id AND d.event IN ('firing', "
        "'worse') AND d.state <> 'held' AND NOT EXISTS (SELECT 1 FROM _plumb_deliveries r WHERE "
        "r.alert = a.id AND r.route = d.route AND r.event = 'resolved' AND r.state <> 'held')) AND "
        "(a.resolved_us > ?1 OR EXISTS (SELECT 1 FROM _plumb_deliveries h WHERE h.alert = a.id AND "
        "h.event = 'resolved' AND h.state = 'held')) ORDER BY a.id",
        &st, err);
    if (code == ERR_NONE) { /* older ones were told, are held, or their routes are gone */
        store_bind_i64(st, 1, b->now_us - CHECK_DAY_US);
    }
    while (code == ERR_NONE && has_row && *count < capacity) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            const struct str name = store_column_str(st, 2);
            out[(*count)++] = (struct ended){
                store_column_i64(st, 0),
                str_equal_c(store_column_str(st, 1), "error") ? LEVEL_ERROR : LEVEL_WARN,
                mem_strndup(name.ptr, name.len)};
        }
    }
    store_statement_free(st);
    return code;
}

static enum err_code tell_end(const struct book *b, const struct ended *e, struct err *err) {
    bool silenced = false;
    enum err_code code = notices_are_silenced(b->store, e->check, b->now_us, &silenced, err);
    const bool held = silenced || notices_are_quiet(&b->alerts->quiet, e->level, b->now_us);
    for (size_t i = 0; code == ERR_NONE && i < b->alerts->route_count; i++) {
        const char *route = b->alerts->routes[i].name;
        int64_t told = 0;
        int64_t ends = 0;
        code = count(b, e->alert, route, "event IN ('firing', 'worse') AND state <> 'held'", &told,
                     err);
        if (code == ERR_NONE) {
            code = count(b, e->alert, route, "event = 'resolved'", &ends, err);
        }
        if (code == ERR_NONE && told > 0 && ends == 0) {
            code = add(b, e->alert, route, "resolved", held, err);
        } else if (code == ERR_NONE && ends > 0 && !held) {
            b->summary->notices++;
            code = BOOK_RUN(b->store,
                            "UPDATE _plumb_deliveries SET state = 'pending', next_us = ?3 WHERE "
                            "alert = ?1 AND route = ?2 AND event = 'resolved' AND state = 'held'",
                            err, V_NUMBER(e->alert), V_C(route), V_NUMBER(b->now_us));
        }
    }
    return code;
}

#define ENDED_MAX 1000 /* told in one round */

enum err_code notices_write(const struct book *b, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < b->flow->check_count; i++) {
        if (b->checks[i].is.open > LEVEL_FINE) {
            code = tell_open(b, &b->checks[i], err);
        }
    }
    struct ended *ended = mem_alloc_array(ENDED_MAX, sizeof(*ended));
    size_t found = 0;
    if (code == ERR_NONE) {
        code = find_ended(b, ended, &found, ENDED_MAX, err);
    }
    for (size_t i = 0; i < found; i++) {
        code = code == ERR_NONE ? tell_end(b, &ended[i], err) : code;
        mem_free(ended[i].check);
    }
    mem_free(ended);
    return code;
}
