/* A replay without batches whose raw records are gone: they are passed by, with a ledger line that
 * says their rows were left out, so that everything still adds up. What such a batch took back of others
 * is taken back all the same; what others take back of it was never there (take_back.c). */
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

/* What the store says of it; rows that are in no batch at hand. */
static enum err_code describe(struct run *r, struct store_batch *batch, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        r->store, "SELECT first_record, records, taken_back FROM _plumb_batches WHERE id = ?1", &st,
        err);
    bool found = false;
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, batch->id);
        code = store_step(st, &found, err);
    }
    if (code == ERR_NONE && found) {
        batch->first_record = store_column_i64(st, 0);
        batch->count = store_column_i64(st, 1);
        batch->taken_back = store_column_i64(st, 2);
    }
    store_statement_free(st);
    return code;
}

enum err_code lost_is_gone(struct run *r, int64_t partition, int64_t seq, bool *out,
                           struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    int64_t one = 0;
    bool kept = false;
    buf_addf(&sql,
             "SELECT 1 FROM _plumb_batches b JOIN _plumb_frames f ON f.batch = b.id WHERE "
             "b.partition = %lld AND b.seq = %lld",
             (long long)partition, (long long)seq);
    enum err_code code = store_get_i64(r->store, buf_c(&sql), &one, &kept, err);
    *out = !kept;
    return code;
}

static enum err_code pass_by(struct run *r, size_t index, const struct turn_input *in,
                             struct err *err) {
    const struct flow_transform *t = &r->flow->transforms[index];
    const struct store_batch *batch = in->batch;
    int64_t mark = 0;
    enum err_code code = store_mark_get(r->store, t->name, batch->partition, &mark, err);
    if (code != ERR_NONE || mark != batch->seq - 1) {
        return code;
    }
    struct ledger_line line = {.rows_in = 0};
    code = rows_of(r, t, batch->id, &line.rows_in, err);
    line.filtered = line.rows_in;
    if (code == ERR_NONE && batch->taken_back > 0) { /* what it took back is gone all the same */
        code = turn_take_back(r, index, in, &line.taken_back, err);
    }
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
    struct store_batch info = *batch;
    const struct turn_input in = {.source = source, .batch = &info};
    err_clear(err);
    enum err_code code = lost_is_gone(r, batch->partition, batch->seq, &gone, err);
    if (code == ERR_NONE && !gone) {
        *err = why;
        return why.code;
    }
    if (code == ERR_NONE) {
        code = store_aside_keep_rejects(r->store, batch->id, err);
    }
    if (code == ERR_NONE) {
        code = describe(r, &info, err);
    }
    if (code == ERR_NONE && info.taken_back > 0) {
        code = turn_take_rejects_back(r, &in, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < r->flow->transform_count; i++) {
        const struct flow_transform *t = &r->flow->transforms[i];
        if (t->kind == TRANSFORM_MAP && t->source == source) {
            code = pass_by(r, i, &in, err);
        }
    }
    r->summary->lost_batches += code == ERR_NONE;
    return code;
}
