/* How it works: each is one query over the tables that watch/ keeps; nothing is judged here. Silences
 * are few and their patterns ours to understand: which alerts they mean is found while these are
 * written. */
#include "server/listing.h"

#include "base/clock.h"
#include "watch/watch.h"

#define SILENCES_MAX 1000 /* that are on; more are not looked at */

struct quiet {
    char *matchers[SILENCES_MAX]; /* owned */
    size_t count;
};

static enum err_code quiet_read(struct quiet *q, struct store *s, struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = true;
    enum err_code code = store_prepare(s,
                                       "SELECT matcher FROM _plumb_silences WHERE ended_us IS NULL "
                                       "AND until_us > ?1 ORDER BY id DESC LIMIT ?2",
                                       &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, clock_now_us());
        store_bind_i64(st, 2, SILENCES_MAX);
    }
    while (code == ERR_NONE && has_row && q->count < SILENCES_MAX) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            const struct str text = store_column_str(st, 0);
            q->matchers[q->count++] = mem_strndup(text.ptr, text.len);
        }
    }
    store_statement_free(st);
    return code;
}

static void quiet_free(struct quiet *q) {
    for (size_t i = 0; i < q->count; i++) {
        mem_free(q->matchers[i]);
    }
    mem_free(q);
}

static bool is_quiet(const void *context, const char *check) {
    const struct quiet *q = context;
    for (size_t i = 0; i < q->count; i++) {
        if (watch_matches(q->matchers[i], check)) {
            return true;
        }
    }
    return false;
}

static enum err_code reply_alerts(struct listing *l, struct request *r, struct reply *reply,
                                  struct err *err) {
    struct reader reader = {NULL, 0};
    struct json_writer w;
    struct quiet *quiet = mem_alloc(sizeof(*quiet));
    quiet->count = 0;
    l->judge = is_quiet;
    l->context = quiet;
    json_writer_init(&w, &reply->body);
    enum err_code code = readers_lend(&r->server->readers, SERVER_QUERY_US, &reader, err);
    if (code == ERR_NONE) {
        code = quiet_read(quiet, reader.store, err);
    }
    if (code == ERR_NONE) {
        code = listing_write(l, reader.store, reply, &w, err);
    }
    readers_return(&r->server->readers, &reader);
    buf_addc(&reply->body, '\n');
    quiet_free(quiet);
    return code;
}

enum err_code route_alerts(struct request *r, struct reply *reply, struct err *err) {
    static const struct listing_column columns[] = {
        {"id", LISTING_NUMBER},          {"check", LISTING_TEXT},
        {"severity", LISTING_TEXT},      {"state", LISTING_TEXT},
        {"root", LISTING_TEXT},          {"parent", LISTING_NUMBER},
        {"summary", LISTING_TEXT},       {"detail", LISTING_TEXT},
        {"value", LISTING_TEXT},         {"opened", LISTING_TIME},
        {"changed", LISTING_TIME},       {"resolved", LISTING_TIME},
        {"acknowledged", LISTING_TIME},  {"acknowledged_by", LISTING_TEXT},
        {"note", LISTING_TEXT},          {"reminders", LISTING_NUMBER},
        {"undelivered", LISTING_NUMBER}, {"silenced", LISTING_JUDGED}};
    struct listing l = {
        "SELECT a.id, a.check_name, a.severity, a.state, a.root, a.parent, a.summary, a.detail, "
        "a.value_text, a.opened_us, a.changed_us, a.resolved_us, a.acknowledged_us, "
        "a.acknowledged_by, a.note, a.reminders, (SELECT count(*) FROM _plumb_deliveries d WHERE "
        "d.alert = a.id AND (d.state = 'failed' OR (d.state = 'pending' AND d.attempts > 0))), "
        "a.check_name "
        "FROM _plumb_alerts a WHERE a.id < ?1 AND (CAST(?2 AS TEXT) IS NULL OR a.check_name = ?2) "
        "AND (CAST(?3 AS TEXT) IS "
        "NULL OR a.state = ?3 OR (?3 = 'open' AND a.state <> 'resolved')) ORDER BY a.id DESC LIMIT "
        "?4",
        columns,
        ARRAY_COUNT(columns),
        {{0}},
        0,
        NULL,
        NULL};
    int64_t limit = 0;
    int64_t before = 0;
    enum err_code code = listing_page(r, &limit, &before, err);
    if (code != ERR_NONE) {
        return code;
    }
    listing_bind_number(&l, before);
    listing_bind_text(&l, request_get(r, "check"));
    listing_bind_text(&l, request_get(r, "state"));
    listing_bind_number(&l, limit);
    return reply_alerts(&l, r, reply, err);
}

enum err_code route_checks(struct request *r, struct reply *reply, struct err *err) {
    static const struct listing_column columns[] = {
        {"check", LISTING_TEXT},    {"kind", LISTING_TEXT},  {"subject", LISTING_TEXT},
        {"severity", LISTING_TEXT}, {"state", LISTING_TEXT}, {"value", LISTING_TEXT},
        {"message", LISTING_TEXT},  {"since", LISTING_TIME}, {"evaluated", LISTING_TIME}};
    struct listing l = {
        "SELECT name, kind, subject, severity, state, value_text, message, state_since_us, "
        "evaluated_us FROM _plumb_checks WHERE (CAST(?1 AS TEXT) IS NULL OR state = ?1) ORDER BY "
        "name",
        columns,
        ARRAY_COUNT(columns),
        {{0}},
        0,
        NULL,
        NULL};
    listing_bind_text(&l, request_get(r, "state"));
    return listing_reply(&l, r, reply, err);
}

enum err_code route_silences(struct request *r, struct reply *reply, struct err *err) {
    static const struct listing_column columns[] = {
        {"id", LISTING_NUMBER},  {"matcher", LISTING_TEXT}, {"since", LISTING_TIME},
        {"until", LISTING_TIME}, {"author", LISTING_TEXT},  {"reason", LISTING_TEXT},
        {"ended", LISTING_TIME}};
    struct listing l = {"SELECT id, matcher, since_us, until_us, author, reason, ended_us FROM "
                        "_plumb_silences ORDER BY id DESC LIMIT ?1",
                        columns,
                        ARRAY_COUNT(columns),
                        {{0}},
                        0,
                        NULL,
                        NULL};
    listing_bind_number(&l, LISTING_ROWS_MAX);
    return listing_reply(&l, r, reply, err);
}

enum err_code route_notices(struct request *r, struct reply *reply, struct err *err) {
    static const struct listing_column columns[] = {
        {"id", LISTING_NUMBER},  {"alert", LISTING_NUMBER}, {"route", LISTING_TEXT},
        {"event", LISTING_TEXT}, {"state", LISTING_TEXT},   {"attempts", LISTING_NUMBER},
        {"next", LISTING_TIME},  {"error", LISTING_TEXT},   {"created", LISTING_TIME},
        {"sent", LISTING_TIME}};
    struct listing l = {
        "SELECT id, alert, route, event, state, attempts, next_us, last_error, "
        "created_us, sent_us FROM _plumb_deliveries WHERE id < ?1 AND (CAST(?2 AS TEXT) IS NULL "
        "OR route = ?2) AND (CAST(?3 AS TEXT) IS NULL OR state = ?3) ORDER BY id DESC LIMIT ?4",
        columns,
        ARRAY_COUNT(columns),
        {{0}},
        0,
        NULL,
        NULL};
    int64_t limit = 0;
    int64_t before = 0;
    enum err_code code = listing_page(r, &limit, &before, err);
    if (code != ERR_NONE) {
        return code;
    }
    listing_bind_number(&l, before);
    listing_bind_text(&l, request_get(r, "route"));
    listing_bind_text(&l, request_get(r, "state"));
    listing_bind_number(&l, limit);
    return listing_reply(&l, r, reply, err);
}
