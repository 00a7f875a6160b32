/* How sources did: how long a batch took to be had, and what the other side answered.
 *
 * A source counts its answers since it was opened, in its facts, with when that was; what came since
 * is the difference to the facts kept last, or all of it when they are of another opening. So nothing
 * is counted twice or lost by a restart, and the counts commit with the facts they come from. */

#include "base/clock.h"
#include "base/json.h"
#include "store/store.h"

#define MINUTE_US   INT64_C(60000000)
#define KEPT_US     (INT64_C(31) * 86400 * 1000000)
#define FACTS_BYTES ((size_t)64 << 20)

enum err_code store_extraction_set(struct store *s, int64_t batch, int64_t asked_us,
                                   struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code =
        store_prepare(s,
                      "INSERT INTO _plumb_extractions(batch, asked_us) VALUES (?1, ?2) ON "
                      "CONFLICT(batch) DO UPDATE SET asked_us = excluded.asked_us",
                      &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, batch);
        store_bind_i64(st, 2, asked_us);
        code = store_run(st, NULL, err);
    }
    store_statement_free(st);
    return code;
}

/* The object "http" of the facts; NULL when there is none. */
static const struct json_value *answers_of(struct str facts, struct arena *arena) {
    struct err ignored = ERR_INIT;
    const struct json_value *root = NULL;
    if (facts.len == 0 || json_parse(facts, arena, &root, &ignored) != ERR_NONE) {
        return NULL;
    }
    const struct json_value *http = json_get(root, "http");
    return http != NULL && http->kind == JSON_OBJECT ? http : NULL;
}

static enum err_code add_answers(struct store *s, const char *source, struct str status,
                                 int64_t minute, int64_t answers, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code =
        store_prepare(s,
                      "INSERT INTO _plumb_http(source, at_us, status, answers) VALUES (?1, ?2, ?3, "
                      "?4) ON CONFLICT(source, at_us, status) DO UPDATE SET answers = "
                      "_plumb_http.answers + excluded.answers",
                      &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(source));
        store_bind_i64(st, 2, minute);
        store_bind_str(st, 3, status);
        store_bind_i64(st, 4, answers);
        code = store_run(st, NULL, err);
    }
    store_statement_free(st);
    return code;
}

static enum err_code forget_old(struct store *s, const char *source, int64_t before_us,
                                struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code =
        store_prepare(s, "DELETE FROM _plumb_http WHERE source = ?1 AND at_us < ?2", &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(source));
        store_bind_i64(st, 2, before_us);
        code = store_run(st, NULL, err);
    }
    store_statement_free(st);
    return code;
}

static int64_t number_of(const struct json_value *object, const char *key) {
    int64_t n = 0;
    return object != NULL && json_get_i64(object, key, &n) ? n : 0;
}

static enum err_code add_difference(struct store *s, const char *source,
                                    const struct json_value *now, const struct json_value *before,
                                    struct err *err) {
    static const char *const statuses[] = {"2xx", "3xx", "429", "4xx", "5xx", "none"};
    const bool same = before != NULL && number_of(now, "since") == number_of(before, "since");
    const int64_t minute = clock_now_us() / MINUTE_US * MINUTE_US;
    enum err_code code = ERR_NONE;
    bool added = false;
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(statuses); i++) {
        const int64_t more =
            number_of(now, statuses[i]) - (same ? number_of(before, statuses[i]) : 0);
        if (more > 0) {
            code = add_answers(s, source, str_of(statuses[i]), minute, more, err);
            added = true;
        }
    }
    return code == ERR_NONE && added ? forget_old(s, source, minute - KEPT_US, err) : code;
}

static enum err_code read_facts(struct store *s, const char *source, struct buf *out,
                                struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = false;
    enum err_code code =
        store_prepare(s, "SELECT facts FROM _plumb_facts WHERE source = ?1", &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(source));
        code = store_step(st, &has_row, err);
    }
    if (code == ERR_NONE && has_row) {
        const struct str facts = store_column_str(st, 0);
        code = buf_add(out, facts.ptr, facts.len, err);
    }
    store_statement_free(st);
    return code;
}

enum err_code store_facts_take(struct store *s, const char *source, struct str json,
                               struct err *err) {
    struct arena arena;
    arena_init(&arena, FACTS_BYTES);
    const struct json_value *now = answers_of(json, &arena);
    enum err_code code = ERR_NONE;
    if (now != NULL) {
        AUTO_BUF kept = BUF_INIT(FACTS_BYTES);
        code = read_facts(s, source, &kept, err);
        if (code == ERR_NONE) {
            code = add_difference(s, source, now, answers_of(buf_str(&kept), &arena), err);
        }
    }
    arena_release(&arena);
    return code == ERR_NONE ? store_facts_set(s, source, json, err) : code;
}
