/* A replay without batches whose raw records are gone: they are passed by, with a ledger line that
 * says their rows were left out, so that everything still adds up. */
#include "engine/run_state.h"

/* Decoded rows of the batch that the map would be given. */
static enum err_code rows_of(struct run *r, const struct flow_transform *t, int64_t batch,
                             int64_t *out, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        r->store,
        "SELECT coalesce(s.records, b.decoded) FROM _plumb_batches b LEFT JOIN _plumb_streams s ON "
        "s.batch = b.id AND s.stream = ?2 WHERE b.id = ?1",
        &st, err);
    bool found = false;
    *out = 0;
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, batch);
        store_bind_str(st, 2, str_of(t->stream->name));
        code = store_step(st, &found, err);
    }
    if (code == ERR_NONE && found) {
        *out = store_column_i64(st, 0);
    }
    store_statement_free(st);
    return code;
}

/* Whether its raw records are gone: what cannot be read may be wrong in other ways. */
static enum err_code is_gone(struct run *r, int64_t batch, bool *out, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    int64_t one = 0;
    bool kept = false;
    buf_addf(&sql, "SELECT 1 FROM _plumb_frames WHERE batch = %lld", (long long)batch);
    enum err_code code = store_get_i64(r->store, buf_c(&sql), &one, &kept, err);
    *out = !kept;
    return code;
}

static enum err_code pass_by(struct run *r, size_t index, const struct store_batch *batch,
                             struct err *err) {
    const struct flow_transform *t = &r->flow->transforms[index];
    int64_t mark = 0;
    enum err_code code = store_mark_get(r->store, t->name, batch->partition, &mark, err);
    if (code != ERR_NONE || mark != batch->seq - 1) {
        return code;
    }
    struct ledger_line line = {.rows_in = 0};
    code = rows_of(r, t, batch->id, &line.rows_in, err);
    line.filtered = line.rows_in;
    if (code == ERR_NONE) {
        code = store_ledger_add(r->store, batch->id, t->name, &line, err);
    }
    if (code == ERR_NONE) {
        code = store_mark_set(r->store, t->name, batch->partition, batch->seq, err);
    }
    r->stages[index].next_batch = 0;
    r->summary->lost_rows += line.rows_in;
    return code;
}

enum err_code lost_pass_by(struct run *r, const struct flow_source *source,
                           const struct store_batch *batch, struct err *err) {
    const struct err why = *err;
    bool gone = false;
    err_clear(err);
    enum err_code code = is_gone(r, batch->id, &gone, err);
    if (code == ERR_NONE && !gone) {
        *err = why;
        return why.code;
    }
    if (code == ERR_NONE) {
        code = store_aside_keep_rejects(r->store, batch->id, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < r->flow->transform_count; i++) {
        const struct flow_transform *t = &r->flow->transforms[i];
        if (t->kind == TRANSFORM_MAP && t->source == source) {
            code = pass_by(r, i, batch, err);
        }
    }
    r->summary->lost_batches += code == ERR_NONE;
    return code;
}
