/* What people do: take an alert on, keep a check quiet for a while, end that. Each is one statement
 * beside whatever runs. */
#include <inttypes.h>

#include "base/parse.h"
#include "watch/book.h"

/* Runs an UPDATE that must change a row. */
static enum err_code change_one(struct store *s, const char *sql, const struct binding *values,
                                size_t count, bool *changed, struct err *err) {
    struct store_statement *st = NULL;
    int64_t changes = 0;
    enum err_code code = store_prepare(s, sql, &st, err);
    for (size_t i = 0; i < count && code == ERR_NONE; i++) {
        if (values[i].kind == VALUE_NUMBER) {
            store_bind_i64(st, (int)i + 1, values[i].number);
        } else if (values[i].kind == VALUE_TEXT) {
            store_bind_str(st, (int)i + 1, values[i].text);
        } else {
            store_bind_null(st, (int)i + 1);
        }
    }
    if (code == ERR_NONE) {
        code = store_run(st, &changes, err);
    }
    store_statement_free(st);
    *changed = changes > 0;
    return code;
}

enum err_code watch_acknowledge(struct store *s, int64_t alert, const char *by, const char *note,
                                int64_t now_us, struct err *err) {
    const struct binding values[] = {V_NUMBER(alert), V_NUMBER(now_us), V_C(by),
                                     note != NULL ? V_C(note) : V_NULL};
    bool changed = false;
    const enum err_code code = change_one(
        s,
        "UPDATE _plumb_alerts SET state = 'acknowledged', acknowledged_us = ?2, acknowledged_by = "
        "?3, note = coalesce(?4, note), changed_us = ?2 WHERE id = ?1 AND state <> 'resolved'",
        values, ARRAY_COUNT(values), &changed, err);
    return code == ERR_NONE && !changed
               ? err_set(err, ERR_INPUT, "there is no open alert %" PRId64, alert)
               : code;
}

enum err_code watch_silence(struct store *s, const struct watch_silence *what, int64_t now_us,
                            int64_t *id, struct err *err) {
    int64_t last = 0;
    bool found = false;
    enum err_code code = store_begin(s, err);
    if (code != ERR_NONE) {
        return code;
    }
    code = book_number(s, "SELECT max(id) FROM _plumb_silences", NULL, 0, &last, &found, err);
    *id = found ? last + 1 : 1;
    if (code == ERR_NONE) {
        code = BOOK_RUN(s,
                        "INSERT INTO _plumb_silences(id, matcher, since_us, until_us, author, "
                        "reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        err, V_NUMBER(*id), V_C(what->matcher), V_NUMBER(now_us),
                        V_NUMBER(now_us + what->for_us), V_C(what->author), V_C(what->reason));
    }
    if (code == ERR_NONE) {
        return store_commit(s, err);
    }
    store_rollback(s);
    return code;
}

enum err_code watch_matcher_check(const struct flow *flow, const char *matcher, struct err *err) {
    const char **names = mem_alloc_array(flow->check_count + 1, sizeof(*names));
    bool found = false;
    for (size_t i = 0; i < flow->check_count; i++) {
        names[i] = flow->checks[i].name;
        found = found || watch_matches(matcher, names[i]);
    }
    const char *near = parse_nearest(str_of(matcher), names, flow->check_count);
    if (!found) {
        err_set(err, ERR_CONFIG, "no check is called '%s'%s%s%s", matcher,
                near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                near != NULL ? "'?" : "");
    }
    mem_free(names);
    return err->code;
}

enum err_code watch_unsilence(struct store *s, int64_t id, int64_t now_us, struct err *err) {
    const struct binding values[] = {V_NUMBER(id), V_NUMBER(now_us)};
    bool changed = false;
    const enum err_code code = change_one(s,
                                          "UPDATE _plumb_silences SET ended_us = ?2 WHERE id = ?1 "
                                          "AND ended_us IS NULL AND until_us > ?2",
                                          values, ARRAY_COUNT(values), &changed, err);
    return code == ERR_NONE && !changed
               ? err_set(err, ERR_INPUT, "no silence with the number %" PRId64 " is on", id)
               : code;
}
