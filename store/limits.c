/* How it works: where a limit is of the last records, batches are walked from the newest back until
 * so many have come together, which gives a place (batch, record) from which on rejects count. Of a
 * map, those batches it has applied. */
#include "store/store.h"

/* Rejects count from this record on. */
struct window {
    int64_t batch, pos;
};

static enum err_code find_window(struct store *s, const struct flow_source *source,
                                 const struct flow_transform *t, int64_t of, struct window *out,
                                 struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        s,
        t == NULL
            ? "SELECT b.id, b.records FROM _plumb_batches b JOIN _plumb_partitions p ON p.id = "
              "b.partition WHERE p.source = ?1 ORDER BY b.id DESC"
            : "SELECT b.id, b.records FROM _plumb_batches b JOIN _plumb_partitions p ON p.id = "
              "b.partition JOIN _plumb_marks m ON m.partition = p.id AND m.transform = ?2 "
              "WHERE p.source = ?1 AND b.seq <= m.seq ORDER BY b.id DESC",
        &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(source->name));
    if (t != NULL) {
        store_bind_str(st, 2, str_of(t->name));
    }
    *out = (struct window){0, 0};
    bool has_row = true;
    for (int64_t left = of; code == ERR_NONE && has_row && left > 0;) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            const int64_t records = store_column_i64(st, 1);
            *out = (struct window){store_column_i64(st, 0), records > left ? records - left : 0};
            left -= records;
        }
    }
    store_statement_free(st);
    return code;
}

/* Keys on which a derive fails stand in its queue. */
static enum err_code count_keys(struct store *s, const struct flow_transform *t, int64_t *out,
                                struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    bool found = false;
    buf_addf(&sql,
             "SELECT count(*) FROM (SELECT 1 AS one FROM \"_plumb_q_%s\" WHERE \"_failed\" = 1 "
             "LIMIT %lld) AS counted",
             t->name, (long long)t->rejects.max);
    return store_get_i64(s, buf_c(&sql), out, &found, err);
}

enum err_code store_limit_count(struct store *s, const struct flow_source *source,
                                const struct flow_transform *transform, int64_t *out,
                                struct err *err) {
    if (transform != NULL && transform->kind == TRANSFORM_DERIVE) {
        return count_keys(s, transform, out, err);
    }
    const struct flow_limit *limit = transform != NULL ? &transform->rejects : &source->rejects;
    struct window from = {0, 0};
    enum err_code code = ERR_NONE;
    if (limit->of > 0) {
        code = find_window(s, source, transform, limit->of, &from, err);
    }
    struct store_statement *st = NULL;
    if (code == ERR_NONE) {
        code = store_prepare(
            s,
            "SELECT count(*) FROM (SELECT r.id FROM _plumb_rejects r JOIN _plumb_batches b ON b.id "
            "= "
            "r.batch JOIN _plumb_partitions p ON p.id = b.partition WHERE p.source = ?1 AND "
            "r.transform = ?2 AND r.taken_back_by IS NULL AND r.discarded_us IS NULL AND r.batch "
            ">= "
            "?3 AND (r.batch > ?3 OR r.pos >= ?4) LIMIT ?5) AS counted",
            &st, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(source->name));
    store_bind_str(st, 2, str_of(transform != NULL ? transform->name : ""));
    store_bind_i64(st, 3, from.batch);
    store_bind_i64(st, 4, from.pos);
    store_bind_i64(st, 5, limit->max);
    bool found = false;
    code = store_step(st, &found, err);
    *out = code == ERR_NONE && found ? store_column_i64(st, 0) : 0;
    store_statement_free(st);
    return code;
}
