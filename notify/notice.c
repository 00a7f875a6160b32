/* Notices as rows: the alert they are about is read as it is now, so that a notice that waited long
 * tells how it stands and not how it stood. */
#include "notify/notice.h"

#include <string.h>

void notices_release(struct notices *n) {
    arena_release(&n->arena);
    mem_free(n->items);
    n->items = NULL;
    n->count = 0;
}

static const char *text_of(struct arena *arena, struct store_statement *st, int column) {
    const struct str s = store_column_str(st, column);
    return arena_strndup(arena, s.len > 0 ? s.ptr : "", s.len);
}

static void read_one(struct store_statement *st, const struct flow *flow, struct arena *arena,
                     struct notice *n) {
    *n = (struct notice){.id = store_column_i64(st, 0),
                         .alert = store_column_i64(st, 1),
                         .route = text_of(arena, st, 2),
                         .event = text_of(arena, st, 3),
                         .attempts = store_column_i64(st, 4),
                         .created_us = store_column_i64(st, 5),
                         .next_us = store_column_i64(st, 6),
                         .check = text_of(arena, st, 7),
                         .severity = text_of(arena, st, 8),
                         .root = text_of(arena, st, 9),
                         .summary = text_of(arena, st, 10),
                         .detail = text_of(arena, st, 11),
                         .value = text_of(arena, st, 12),
                         .note = text_of(arena, st, 13),
                         .opened_us = store_column_i64(st, 14),
                         .resolved_us = store_column_i64(st, 15),
                         .kind = text_of(arena, st, 16),
                         .subject = text_of(arena, st, 17),
                         .flow = flow->name,
                         .description = ""};
    n->is_end = strcmp(n->event, "resolved") == 0;
    const struct flow_check *c = flow_find_check(flow, n->check);
    if (c != NULL && c->conf.description != NULL) {
        n->description = c->conf.description;
    }
}

/* Runs the SELECT; ?1 is the route and ?2 the time, unless there is none. */
struct about {
    const char *route;
    int64_t since_us;
};
static enum err_code read_all(struct store *s, const struct flow *flow, const char *sql,
                              const struct about *about, struct notices *out, struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = true;
    *out = (struct notices){.items = mem_alloc_array(NOTICES_MAX, sizeof(*out->items))};
    arena_init(&out->arena, NOTICES_BYTES_MAX);
    enum err_code code = store_prepare(s, sql, &st, err);
    if (code == ERR_NONE && about != NULL) {
        store_bind_str(st, 1, str_of(about->route));
        store_bind_i64(st, 2, about->since_us);
    }
    while (code == ERR_NONE && has_row && out->count < NOTICES_MAX) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            read_one(st, flow, &out->arena, &out->items[out->count++]);
        }
    }
    store_statement_free(st);
    if (code != ERR_NONE) {
        notices_release(out);
    }
    return code;
}

#define ALERT_COLUMNS                                                                              \
    "a.check_name, a.severity, coalesce(a.root, ''), a.summary, coalesce(a.detail, ''), "          \
    "coalesce(a.value_text, ''), coalesce(a.note, ''), a.opened_us, coalesce(a.resolved_us, 0), "  \
    "coalesce(c.kind, ''), coalesce(c.subject, '') "
#define ITS_CHECK "LEFT JOIN _plumb_checks c ON c.name = a.check_name "

enum err_code notices_first(struct store *s, const struct flow *flow, struct notices *out,
                            struct err *err) {
    return read_all(s, flow,
                    "SELECT d.id, d.alert, d.route, d.event, d.attempts, d.created_us, d.next_us, "
                    "" ALERT_COLUMNS
                    "FROM (SELECT min(id) AS id FROM _plumb_deliveries WHERE state = 'pending' "
                    "GROUP BY route) AS f JOIN _plumb_deliveries d ON d.id = f.id "
                    "JOIN _plumb_alerts a ON a.id = d.alert " ITS_CHECK "ORDER BY d.id",
                    NULL, out, err);
}

enum err_code notices_standing(struct store *s, const struct flow *flow, const char *route,
                               int64_t since_us, struct notices *out, struct err *err) {
    const struct about about = {route, since_us};
    return read_all(
        s, flow,
        "SELECT 0, a.id, ?1, CASE WHEN a.state = 'resolved' THEN 'resolved' ELSE 'firing' END, "
        "0, 0, 0, " ALERT_COLUMNS "FROM _plumb_alerts a " ITS_CHECK
        "WHERE (a.state <> 'resolved' OR "
        "a.resolved_us > ?2) AND EXISTS (SELECT 1 FROM _plumb_deliveries d "
        "WHERE d.alert = a.id AND d.route = ?1 AND d.state = 'sent') ORDER BY a.id",
        &about, out, err);
}

enum err_code notice_record(struct store *s, const struct notice *n, const struct notice_result *r,
                            int64_t now_us, struct err *err) {
    static const char *const states[] = {
        [OUTCOME_SENT] = "sent", [OUTCOME_LATER] = "pending", [OUTCOME_FAILED] = "failed"};
    struct store_statement *st = NULL;
    enum err_code code =
        store_prepare(s,
                      "UPDATE _plumb_deliveries SET state = ?2, attempts = attempts + 1, next_us = "
                      "?3, last_error = ?4, sent_us = ?5 WHERE id = ?1",
                      &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_i64(st, 1, n->id);
    store_bind_str(st, 2, str_of(states[r->outcome]));
    store_bind_i64(st, 3, r->outcome == OUTCOME_LATER ? r->next_us : n->next_us);
    if (r->outcome == OUTCOME_SENT) {
        store_bind_null(st, 4);
        store_bind_i64(st, 5, now_us);
    } else {
        store_bind_str(st, 4, str_of(r->error));
        store_bind_null(st, 5);
    }
    code = store_run(st, NULL, err);
    store_statement_free(st);
    return code;
}
