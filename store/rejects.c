/* What people decide about rejects. */
#include "base/clock.h"
#include "store/store.h"

static void bind_text(struct store_statement *st, int index, const char *text) {
    if (text != NULL) {
        store_bind_str(st, index, str_of(text));
    } else {
        store_bind_null(st, index);
    }
}

static enum err_code discard_each(struct store *s, const struct store_discard *d, int64_t now_us,
                                  int64_t *count, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        s,
        "UPDATE _plumb_rejects SET discarded_us = ?1, discarded_because = ?2, discarded_by = ?3 "
        "WHERE discarded_us IS NULL AND taken_back_by IS NULL AND id = ?4",
        &st, err);
    for (size_t i = 0; code == ERR_NONE && i < d->id_count; i++) {
        int64_t one = 0;
        store_bind_i64(st, 1, now_us);
        bind_text(st, 2, d->because);
        bind_text(st, 3, d->by);
        store_bind_i64(st, 4, d->ids[i]);
        code = store_run(st, &one, err);
        *count += one;
        if (code == ERR_NONE && one == 0) {
            code = err_set(err, ERR_INPUT,
                           "there is no open reject %lld; `plumb rejects list` has the numbers. "
                           "None was discarded",
                           (long long)d->ids[i]);
        }
    }
    store_statement_free(st);
    return code;
}

static enum err_code discard_meant(struct store *s, const struct store_discard *d, int64_t now_us,
                                   int64_t *count, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        s,
        "UPDATE _plumb_rejects SET discarded_us = ?1, discarded_because = ?2, discarded_by = ?3 "
        "WHERE discarded_us IS NULL AND taken_back_by IS NULL AND (CAST(?4 AS TEXT) IS NULL OR "
        "reason = ?4) AND "
        "(CAST(?5 AS TEXT) IS NULL OR transform = ?5) AND (CAST(?6 AS TEXT) IS NULL OR batch IN "
        "(SELECT b.id FROM "
        "_plumb_batches b JOIN _plumb_partitions p ON p.id = b.partition WHERE p.source = ?6))",
        &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, now_us);
        bind_text(st, 2, d->because);
        bind_text(st, 3, d->by);
        bind_text(st, 4, d->reason);
        bind_text(st, 5, d->transform);
        bind_text(st, 6, d->source);
        code = store_run(st, count, err);
    }
    store_statement_free(st);
    return code;
}

enum err_code store_rejects_discard(struct store *s, const struct store_discard *d, int64_t *count,
                                    struct err *err) {
    const int64_t now_us = clock_now_us();
    enum err_code code = store_begin(s, err);
    if (code != ERR_NONE) {
        return code;
    }
    *count = 0;
    code = d->id_count > 0 ? discard_each(s, d, now_us, count, err)
                           : discard_meant(s, d, now_us, count, err);
    if (code == ERR_NONE) {
        return store_commit(s, err);
    }
    store_rollback(s);
    return code;
}
