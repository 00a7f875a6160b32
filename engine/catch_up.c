/* Staged batches for transforms that are behind: after a failure, when new, and for a replay.
 *
 * Batches are taken in the order in which they were staged, so that a rebuild sees what the first
 * run saw. */
#include "base/clock.h"
#include "engine/policy.h"
#include "engine/run_state.h"

struct pending {
    const struct flow_source *source;
    int64_t partition, seq, batch;
};

/* The oldest staged batch that map t has not applied. */
static enum err_code next_batch(struct run *r, const struct flow_transform *t, struct pending *out,
                                bool *found, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code =
        store_prepare(r->store,
                      "SELECT b.partition, b.seq, b.id FROM _plumb_partitions p LEFT "
                      "JOIN _plumb_marks m ON m.partition = p.id AND "
                      "m.transform = ?1 JOIN _plumb_batches b ON b.partition = "
                      "p.id AND b.seq = coalesce(m.seq, 0) + 1 "
                      "WHERE p.source = ?2 ORDER BY b.id LIMIT 1",
                      &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(t->name));
    store_bind_str(st, 2, str_of(t->source->name));
    code = store_step(st, found, err);
    if (code == ERR_NONE && *found) {
        *out = (struct pending){t->source, store_column_i64(st, 0), store_column_i64(st, 1),
                                store_column_i64(st, 2)};
    }
    store_statement_free(st);
    return code;
}

/* After the contract changed, decoding gives other rows and rejects than were written down. */
static enum err_code note_decoding(struct run *r, const struct turn_input *in, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql,
             "UPDATE _plumb_rejects SET version = '' WHERE batch = %lld AND transform = '';"
             "UPDATE _plumb_batches SET decoded = %zu, rejected = %zu WHERE id = %lld",
             (long long)in->batch->id, decoded_rows(in->decoded), in->decoded->rejects.count,
             (long long)in->batch->id);
    enum err_code code = store_execute(r->store, buf_c(&sql), err);
    if (code == ERR_NONE) {
        code = store_streams_set(r->store, in->source, in->batch->id, in->decoded, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < in->decoded->rejects.count; i++) {
        code = store_reject_add(r->store, in->batch->id, "", &in->decoded->rejects.items[i], err);
    }
    if (code == ERR_NONE) {
        code = limits_count(r, in->source, NULL, (int64_t)in->decoded->rejects.count, err);
    }
    /* Those that were not rejected again. The others stay, with what a person noted on them. */
    buf_clear(&sql);
    buf_addf(&sql,
             "DELETE FROM _plumb_rejects WHERE batch = %lld AND transform = '' AND version = ''",
             (long long)in->batch->id);
    return code == ERR_NONE ? store_execute(r->store, buf_c(&sql), err) : code;
}

static enum err_code load(struct run *r, const struct pending *next, struct store_batch *info,
                          struct decoded *decoded, struct err *err) {
    enum err_code code = store_load(r->store, next->partition, next->seq, &r->batch, info, err);
    if (code == ERR_NONE) {
        arena_reset(&r->arena);
        code = run_decode(r, next->source, &r->batch, &r->arena, decoded, err);
    }
    return code;
}

static enum err_code apply_staged(struct run *r, const struct turn_input *in, struct err *err) {
    bool same = in->batch->decoded == (int64_t)decoded_rows(in->decoded) &&
                in->batch->rejected == (int64_t)in->decoded->rejects.count;
    enum err_code code = ERR_NONE;
    /* Always when there are rejects: an interrupted replay may have left those of another contract. */
    if (r->replays || !same || in->batch->rejected > 0) {
        code = note_decoding(r, in, err);
    }
    if (code == ERR_NONE && in->batch->taken_back > 0) {
        code = turn_take_rejects_back(r, in, err); /* they may just have been written again */
    }
    return code == ERR_NONE ? turn_maps(r, in, err) : code;
}

static bool may_try(const struct run *r, size_t index) {
    const struct stage *stage = &r->stages[index];
    return !stage->hold.held &&
           (stage->attempts == 0 || (clock_monotonic_us() >= stage->next_try_us &&
                                     !(r->options.once && stage->attempts >= ATTEMPTS_ONCE)));
}

enum err_code catch_up_begin(struct run *r, struct err *err) {
    int64_t one = 0;
    bool noted = false;
    enum err_code code = store_get_i64(
        r->store, "SELECT 1 FROM _plumb_transforms WHERE attempts > 0 LIMIT 1", &one, &noted, err);
    for (size_t i = 0; code == ERR_NONE && i < r->flow->transform_count; i++) {
        struct pending next;
        r->stages[i].noted = noted;
        if (r->flow->transforms[i].kind == TRANSFORM_MAP) {
            code = next_batch(r, &r->flow->transforms[i], &next, &r->stages[i].behind, err);
        }
    }
    return code;
}

bool catch_up_is_due(const struct run *r) {
    for (size_t i = 0; i < r->flow->transform_count; i++) {
        if (r->stages[i].behind && may_try(r, i)) {
            return true;
        }
    }
    return false;
}

/* Of all batches that maps wait for, the one staged first; out->source NULL when there is none. */
static enum err_code oldest_batch(struct run *r, struct pending *out, struct err *err) {
    *out = (struct pending){.batch = INT64_MAX};
    for (size_t i = 0; i < r->flow->transform_count; i++) {
        if (!r->stages[i].behind || !may_try(r, i)) {
            continue;
        }
        struct pending next = {.batch = INT64_MAX};
        bool found = false;
        enum err_code code = next_batch(r, &r->flow->transforms[i], &next, &found, err);
        if (code != ERR_NONE) {
            return code;
        }
        r->stages[i].behind = found;
        r->stages[i].next_batch = found ? next.batch : 0;
        *out = found && next.batch < out->batch ? next : *out;
    }
    return ERR_NONE;
}

/* Within a transaction: batches from `next` on, until TURN_ROWS_MAX rows have come together. A batch that cannot be read
 * ends it; what came before is committed, and the error comes when that batch is the first. */
static enum err_code apply_batches(struct run *r, struct pending next, int64_t *batches,
                                   struct err *err) {
    enum err_code code = ERR_NONE;
    const int64_t most = r->options.turn_rows > 0 ? r->options.turn_rows : TURN_ROWS_MAX;
    for (int64_t rows = 0; code == ERR_NONE && next.source != NULL && rows < most;) {
        bool got = false;
        code = turn_claim_source(r, next.source, false, &got, err);
        if (code != ERR_NONE || !got) {
            return code; /* another worker is at it */
        }
        struct store_batch info;
        struct decoded decoded;
        code = load(r, &next, &info, &decoded, err);
        if (code == ERR_CONFIG && r->options.lose) {
            info = (struct store_batch){
                .id = next.batch, .partition = next.partition, .seq = next.seq};
            code = lost_pass_by(r, next.source, &info, err);
            if (code == ERR_NONE) {
                rows++;
                (*batches)++;
                code = oldest_batch(r, &next, err);
                continue;
            }
        }
        if (code != ERR_NONE && *batches > 0) {
            err_clear(err);
            return ERR_NONE;
        }
        if (code != ERR_NONE) {
            return code;
        }
        struct turn_input in = {next.source, &info, &decoded, r->batch.hash};
        code = apply_staged(r, &in, err);
        if (code == ERR_NONE) {
            rows += info.count > 0 ? info.count : 1;
            (*batches)++;
            code = oldest_batch(r, &next, err);
        }
    }
    return code;
}

enum err_code catch_up(struct run *r, bool *worked, struct err *err) {
    struct pending next;
    enum err_code code = oldest_batch(r, &next, err);
    *worked = code == ERR_NONE && next.source != NULL;
    if (!*worked) {
        return code;
    }
    code = turn_begin(r, err);
    if (code != ERR_NONE) {
        return code;
    }
    facts_begin(r);
    r->turn_rejected = 0;
    int64_t batches = 0;
    const int64_t lost[] = {r->summary->lost_batches, r->summary->lost_rows};
    code = apply_batches(r, next, &batches, err);
    if (code == ERR_NONE) {
        code = turn_followers(r, err);
    }
    if (code != ERR_NONE) {
        store_rollback(r->store);
        facts_end(r, code);
        r->summary->lost_batches = lost[0];
        r->summary->lost_rows = lost[1];
        return code;
    }
    code = store_commit(r->store, err);
    facts_end(r, code);
    if (code == ERR_NONE) {
        r->summary->replayed_batches += batches;
        r->summary->turns++;
        r->summary->rejected += r->turn_rejected;
    }
    return code;
}
