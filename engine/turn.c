/* One turn: BEGIN, stage and map each waiting batch, followers, COMMIT.
 *
 * Every transform runs under a savepoint of its own. One that fails is taken back, its failure is
 * written down, and it waits out a backoff with its input kept, while the rest of the turn commits.
 * A failure of the store itself rolls the whole turn back and the turn is tried again; after a
 * commit with unknown outcome the partition's last batch number is read back. */
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/policy.h"
#include "engine/run_state.h"

enum err_code turn_begin(struct run *r, struct err *err) {
    return r->alone ? store_begin(r->store, err) : store_begin_shared(r->store, err);
}

static enum err_code claim(struct run *r, const char *kind, const char *name, bool wait, bool *got,
                           struct err *err) {
    char *unit = mem_printf("%s:%s", kind, name);
    enum err_code code = store_claim(r->store, unit, wait, got, err);
    mem_free(unit);
    return code;
}

enum err_code turn_claim_source(struct run *r, const struct flow_source *source, bool wait,
                                bool *got, struct err *err) {
    return claim(r, "source", source->name, wait, got, err);
}

bool run_should_stop(const struct run *r) {
    return r->options.stop != NULL && r->options.stop(r->options.context);
}

bool turn_may_retry(struct run *r, int64_t attempts) {
    if ((r->options.once && attempts >= ATTEMPTS_ONCE) || run_should_stop(r)) {
        return false;
    }
    clock_sleep_us(policy_backoff_us(attempts));
    return true;
}

/* ---- one transform under its savepoint ---- */

static enum err_code stage_failed(struct run *r, size_t index, const struct err *why,
                                  struct err *err) {
    struct stage *stage = &r->stages[index];
    const char *name = r->flow->transforms[index].name;
    stage->attempts++;
    stage->behind = r->flow->transforms[index].kind == TRANSFORM_MAP;
    stage->noted = true;
    stage->last = *why;
    stage->next_try_us = clock_monotonic_us() + policy_backoff_us(stage->attempts);
    if (!r->options.once) { /* the end of such a run tells it */
        char message[LOG_VALUE_BYTES];
        log_warn("transform", "flow=%s stage=%s attempt=%lld class=%s error=%s", r->flow->name,
                 name, (long long)stage->attempts, err_class(why->code),
                 log_value(str_of(why->message), message));
    }
    return store_transform_state(r->store, name, why, err);
}

static enum err_code stage_worked(struct run *r, size_t index, struct err *err) {
    struct stage *stage = &r->stages[index];
    if (!stage->noted) {
        return ERR_NONE;
    }
    /* Stays noted: this turn may yet be rolled back, and saying it again costs next to nothing. */
    stage->attempts = 0;
    stage->next_try_us = 0;
    return store_transform_state(r->store, r->flow->transforms[index].name, NULL, err);
}

static bool stage_waits(const struct run *r, size_t index) {
    const struct stage *stage = &r->stages[index];
    if (stage->attempts == 0) {
        return false;
    }
    return (r->options.once && stage->attempts >= ATTEMPTS_ONCE) ||
           clock_monotonic_us() < stage->next_try_us;
}

typedef enum err_code (*stage_work)(struct run *r, size_t index, const void *input,
                                    struct err *err);

/* ERR_NONE when the work is done or the stage was put aside; anything else fails the turn. */
static enum err_code stage_try(struct run *r, size_t index, stage_work work, const void *input,
                               enum err_code *outcome, struct err *err) {
    enum err_code code = store_savepoint(r->store, err);
    if (code != ERR_NONE) {
        return code;
    }
    struct err why = ERR_INIT;
    code = work(r, index, input, &why);
    *outcome = code;
    if (code == ERR_NONE) {
        code = store_release(r->store, err);
        return code == ERR_NONE ? stage_worked(r, index, err) : code;
    }
    err_wrap(&why, "transform '%s'", r->flow->transforms[index].name);
    if (policy_transform(code) != ACTION_HOLD_STAGE) {
        *err = why;
        return code;
    }
    code = store_undo(r->store, err);
    return code == ERR_NONE ? stage_failed(r, index, &why, err) : code;
}

static enum err_code stage_run(struct run *r, size_t index, stage_work work, const void *input,
                               struct err *err) {
    const struct turn_input *in = input;
    struct turn_step step = {.stage = r->flow->transforms[index].name,
                             .batch = in != NULL ? in->batch->id : 0,
                             .hash = in != NULL ? in->hash : (struct hash128){0, 0},
                             .started_us = clock_now_us()};
    const int64_t began = clock_monotonic_us();
    const enum err_code code = stage_try(r, index, work, input, &step.code, err);
    step.duration_us = clock_monotonic_us() - began;
    facts_step(r, &step);
    return code;
}

static enum err_code apply_map(struct run *r, size_t index, const void *input, struct err *err) {
    const struct turn_input *in = input;
    const char *name = r->flow->transforms[index].name;
    const struct flow_stream *stream = r->flow->transforms[index].stream;
    struct map_input map = {&in->decoded->streams[stream->index], in->batch->id,
                            in->batch->partition, in->batch->first_record};
    struct ledger_line line = {.rows_in = 0};
    struct reject_list rejects;
    arena_reset(&r->turn_arena);
    reject_list_init(&rejects, &r->turn_arena);
    int64_t started = clock_monotonic_us();
    int64_t taken_back = 0;
    enum err_code code = ERR_NONE;
    if (in->batch->taken_back > 0) {
        code = turn_take_back(r, index, in, &taken_back, err);
    }
    if (code == ERR_NONE) {
        code = map_apply(r->plan, index, &map, &line, &rejects, err);
    }
    line.taken_back = taken_back;
    line.duration_us = clock_monotonic_us() - started;
    for (size_t i = 0; code == ERR_NONE && i < rejects.count; i++) {
        code = store_reject_add(r->store, in->batch->id, name, &rejects.items[i], err);
    }
    if (code == ERR_NONE) {
        code = store_ledger_add(r->store, in->batch->id, name, &line, err);
    }
    if (code == ERR_NONE) {
        r->turn_rejected += line.rejected;
    }
    if (code == ERR_NONE) {
        code = store_mark_set(r->store, name, in->batch->partition, in->batch->seq, err);
    }
    return code == ERR_NONE
               ? limits_count(r, in->source, &r->flow->transforms[index], line.rejected, err)
               : code;
}

static enum err_code apply_follower(struct run *r, size_t index, const void *input,
                                    struct err *err) {
    (void)input;
    enum err_code code = cascade_apply(r->plan, index, r->buckets, err);
    /* How many keys failed is not told, so its count is asked for, if there is a limit. */
    const struct flow_transform *t = &r->flow->transforms[index];
    return code == ERR_NONE ? limits_count(r, NULL, t, t->rejects.max, err) : code;
}

enum err_code turn_maps(struct run *r, const struct turn_input *in, struct err *err) {
    for (size_t i = 0; i < r->flow->transform_count; i++) {
        const struct flow_transform *t = &r->flow->transforms[i];
        if (t->kind != TRANSFORM_MAP || t->source != in->source) {
            continue;
        }
        struct stage *stage = &r->stages[i];
        if (stage_waits(r, i) || stage->hold.held ||
            (stage->behind && stage->next_batch != in->batch->id)) {
            stage->behind = true;
            continue;
        }
        int64_t mark = 0;
        enum err_code code = store_mark_get(r->store, t->name, in->batch->partition, &mark, err);
        if (code == ERR_NONE && mark == in->batch->seq - 1) {
            stage->next_batch = 0;
            code = stage_run(r, i, apply_map, in, err);
            fault_step("turn.map");
        } else {
            stage->behind = true;
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

/* One worker at a time adds to a sum, and evaluates keys of one bucket of a derive; to whom it is denied
 * leaves the queue to the other, or to the next turn. */
static enum err_code claim_follower(struct run *r, size_t index, bool *got, struct err *err) {
    const struct flow_transform *t = &r->flow->transforms[index];
    if (t->kind != TRANSFORM_DERIVE) {
        return claim(r, "transform", t->name, false, got, err);
    }
    const int share = workers_share(&r->workers, DERIVE_BUCKETS);
    const struct store_parts wanted = {DERIVE_BUCKETS, share,
                                       (int)(r->asked_for_buckets++ * share % DERIVE_BUCKETS)};
    char *unit = mem_printf("transform:%s", t->name);
    enum err_code code = store_claim_parts(r->store, unit, wanted, &r->buckets, err);
    mem_free(unit);
    *got = code == ERR_NONE && r->buckets != 0;
    return code;
}

enum err_code turn_followers(struct run *r, struct err *err) {
    r->followed = false;
    for (size_t i = 0; i < r->flow->transform_count; i++) {
        if (r->flow->transforms[i].kind == TRANSFORM_MAP || stage_waits(r, i) ||
            r->stages[i].hold.held) {
            continue;
        }
        bool waits = false;
        bool got = false;
        enum err_code code = cascade_waits(r->plan, i, &waits, err);
        if (code == ERR_NONE && waits) {
            code = claim_follower(r, i, &got, err);
        }
        if (code == ERR_NONE && got) {
            r->followed = true;
            code = stage_run(r, i, apply_follower, NULL, err);
            fault_step("turn.follower");
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

enum err_code turn_rejects(struct run *r, const struct turn_input *in, struct err *err) {
    enum err_code code = ERR_NONE;
    const struct reject_list *rejects = &in->decoded->rejects;
    if (in->batch->taken_back > 0) {
        code = turn_take_rejects_back(r, in, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < rejects->count; i++) {
        code = store_reject_add(r->store, in->batch->id, "", &rejects->items[i], err);
    }
    if (code == ERR_NONE) {
        code = limits_count(r, in->source, NULL, (int64_t)rejects->count, err);
    }
    return code == ERR_NONE
               ? store_drift_add(r->store, in->source, in->batch->id, &in->decoded->drift, err)
               : code;
}

/* ---- a package ---- */

/* A batch goes on where the last one ended, or before that when it takes records back. */
static enum err_code check_numbers(struct run *r, const struct package *p,
                                   const struct store_partition *at, struct err *err) {
    const int64_t first = p->out.first_record;
    if (p->out.takes_back && first < at->settled && !p->rewinds) {
        return err_set(err, ERR_CONFLICT,
                       "the source takes back record %lld, but those before %lld were settled",
                       (long long)first, (long long)at->settled);
    }
    if (first == at->records || (p->out.takes_back && first < at->records)) {
        return ERR_NONE;
    }
    r->outrun = true;
    return err_set(err, ERR_CONFLICT,
                   "another plumb is writing to this store (record %lld follows record %lld)",
                   (long long)first, (long long)at->records);
}

/* The commit that was reported as failed did happen, unless another worker's came instead. */
static enum err_code is_ours(struct run *r, const struct package *p,
                             const struct store_partition *at, bool *ours, struct err *err) {
    struct hash128 hash = {0, 0};
    bool found = false;
    enum err_code code = store_batch_hash(r->store, at->id, p->attempted_seq, &hash, &found, err);
    *ours = code == ERR_NONE && found && hash128_equal(hash, p->out.batch.hash);
    return code;
}

static enum err_code stage_batch(struct run *r, struct package *p, struct store_batch *info,
                                 bool *done, struct err *err) {
    struct store_partition partition;
    bool got = false;
    enum err_code code = turn_claim_source(r, p->source, true, &got, err);
    if (code == ERR_NONE) {
        code = store_partition_get(r->store, p->source->name, p->out.partition, &partition, err);
    }
    if (code == ERR_NONE && p->attempted_seq > 0 && partition.last_batch_seq >= p->attempted_seq) {
        code = is_ours(r, p, &partition, done, err);
    }
    if (code != ERR_NONE || *done) {
        return code;
    }
    *info = (struct store_batch){.partition = partition.id,
                                 .seq = partition.last_batch_seq + 1,
                                 .first_record = p->out.first_record,
                                 .taken_back = partition.records - p->out.first_record,
                                 .decoded = (int64_t)decoded_rows(&p->decoded),
                                 .rejected = (int64_t)p->decoded.rejects.count};
    code = check_numbers(r, p, &partition, err);
    if (code != ERR_NONE) {
        return code;
    }
    ASSERT(info->decoded + info->rejected == (int64_t)p->out.batch.count);
    p->attempted_seq = p->out.batch.count > 0 || info->taken_back > 0 ? info->seq : 0;
    const struct store_extras extras = {buf_str(&p->out.cursor), p->out.settled, &p->out.coverage,
                                        &p->out.notes};
    return store_stage(r->store, &p->out.batch, &extras, info, err);
}

static enum err_code apply_package(struct run *r, struct package *p, struct err *err) {
    struct store_batch info = {.id = 0};
    bool done = false;
    const int64_t now = clock_now_us();
    enum err_code code = stage_batch(r, p, &info, &done, err);
    p->batch_id = info.id;
    if (code == ERR_NONE && !done && info.id > 0) {
        facts_step(r, &(struct turn_step){.source = p->source->name,
                                          .batch = info.id,
                                          .hash = p->out.batch.hash,
                                          .started_us = p->asked_us,
                                          .duration_us = now > p->asked_us ? now - p->asked_us : 0,
                                          .records = (int64_t)p->out.batch.count,
                                          .rejected = (int64_t)p->decoded.rejects.count});
    }
    if (code == ERR_NONE && !done && info.id > 0) {
        struct turn_input in = {p->source, &info, &p->decoded, p->out.batch.hash};
        code = store_streams_set(r->store, p->source, info.id, &p->decoded, err);
        if (code == ERR_NONE) {
            code = store_extraction_set(r->store, info.id, p->asked_us, err);
        }
        if (code == ERR_NONE) {
            code = turn_rejects(r, &in, err);
        }
        if (code == ERR_NONE) {
            code = turn_maps(r, &in, err);
        }
    }
    if (code == ERR_NONE && p->facts.len > 0) {
        code = store_facts_take(r->store, p->source->name, buf_str(&p->facts), err);
    }
    if (code == ERR_NONE && !done) {
        struct err fine = ERR_INIT;
        code = store_trouble_set(r->store, p->source->name, p->out.partition, &fine, err);
        if (code == ERR_NONE) { /* and of the source as a whole, which gave this */
            code = store_trouble_set(r->store, p->source->name, "", &fine, err);
        }
    }
    return code == ERR_NONE
               ? ERR_NONE
               : err_wrap(err, "source '%s', partition '%s'", p->source->name, p->out.partition);
}

/* The next batch that may join the turn, if there is one soon. */
static bool group_grow(struct run *r, struct turn_group *g) {
    const struct package *last = g->packages[g->count - 1];
    if (g->count == TURN_PACKAGES_MAX || g->rows >= TURN_ROWS_MAX) {
        return false;
    }
    struct package *next = limits_next_package(r, last->out.behind ? TURN_WAIT_US : 0);
    if (next == NULL) {
        return false;
    }
    if (next->kind != PACKAGE_BATCH) {
        r->aside = next;
        return false;
    }
    g->packages[g->count++] = next;
    g->rows += next->out.batch.count;
    return true;
}

static enum err_code turn_once(struct run *r, struct turn_group *g, bool grows, struct err *err) {
    enum err_code code = turn_begin(r, err);
    if (code != ERR_NONE) {
        return code;
    }
    r->turn_rejected = 0;
    size_t applied = 0;
    do {
        code = apply_package(r, g->packages[applied++], err);
    } while (code == ERR_NONE && (applied < g->count || (grows && group_grow(r, g))));
    if (code == ERR_NONE && !workers_are_many(&r->workers)) {
        code = turn_followers(r, err);
    }
    if (code == ERR_NONE) {
        return store_commit(r->store, err);
    }
    store_rollback(r->store);
    return code;
}

static void count_group(struct run *r, struct turn_group *g) {
    struct run_summary *s = r->summary;
    s->turns++;
    s->rejected += r->turn_rejected;
    for (size_t i = 0; i < g->count; i++) {
        struct package *p = g->packages[i];
        p->committed = true;
        log_debug("batch", "source=%s batch=%lld records=%lld rejected=%lld", p->source->name,
                  (long long)p->batch_id, (long long)p->out.batch.count,
                  (long long)p->decoded.rejects.count);
        s->batches += p->out.batch.count > 0;
        s->records += p->out.batch.count;
        s->decoded += (int64_t)decoded_rows(&p->decoded);
        s->rejected += (int64_t)p->decoded.rejects.count;
    }
    if (s->first_commit_us < 0) {
        s->first_commit_us = clock_monotonic_us() - r->started_us;
    }
}

enum err_code turn_packages(struct run *r, struct turn_group *g, struct err *err) {
    for (int64_t attempt = 1;; attempt++) {
        err_clear(err);
        const int64_t started = clock_monotonic_us();
        facts_begin(r);
        enum err_code code = turn_once(r, g, attempt == 1, err);
        facts_end(r, code);
        if (code == ERR_NONE) {
            if (r->options.turned != NULL) {
                r->options.turned(r->options.context, clock_monotonic_us() - started);
            }
            count_group(r, g);
            return ERR_NONE;
        }
        if (policy_turn(code) != ACTION_RETRY) {
            return code;
        }
        if (!r->options.once) {
            const struct package *p = g->packages[0];
            char partition[LOG_VALUE_BYTES];
            log_error_with("turn", err, "source=%s partition=%s attempt=%lld", p->source->name,
                           log_value(str_of(p->out.partition), partition), (long long)attempt);
        }
        if (!turn_may_retry(r, attempt)) {
            return code;
        }
    }
}

enum err_code turn_trouble(struct run *r, const struct package *p, struct err *err) {
    for (int64_t attempt = 1;; attempt++) {
        enum err_code code = turn_begin(r, err);
        if (code == ERR_NONE) {
            code = store_trouble_set(r->store, p->source->name,
                                     p->kind == PACKAGE_TROUBLE ? p->out.partition : "",
                                     &p->out.trouble, err);
            if (code == ERR_NONE && p->facts.len > 0) {
                code = store_facts_take(r->store, p->source->name, buf_str(&p->facts), err);
            }
            if (code == ERR_NONE) {
                code = store_commit(r->store, err);
            } else {
                store_rollback(r->store);
            }
        }
        if (code == ERR_NONE || policy_turn(code) != ACTION_RETRY || !turn_may_retry(r, attempt)) {
            return code;
        }
    }
}

/* One transaction for all that waits and nobody else is at. */
static enum err_code cascade_once(struct run *r, struct err *err) {
    enum err_code code = turn_begin(r, err);
    if (code != ERR_NONE) {
        return code;
    }
    facts_begin(r);
    code = turn_followers(r, err);
    if (code == ERR_NONE) {
        r->summary->turns++;
        code = store_commit(r->store, err);
    } else {
        store_rollback(r->store);
    }
    facts_end(r, code);
    return code;
}

enum err_code turn_cascade(struct run *r, bool *worked, struct err *err) {
    *worked = false;
    for (size_t i = 0; i < r->flow->transform_count && !*worked; i++) {
        if (!stage_waits(r, i) && !r->stages[i].hold.held) {
            enum err_code code = cascade_waits(r->plan, i, worked, err);
            if (code != ERR_NONE) {
                return code;
            }
        }
    }
    enum err_code code = *worked ? cascade_once(r, err) : ERR_NONE;
    if (code == ERR_NONE && *worked && !r->followed) {
        clock_sleep_us(TURN_WAIT_US); /* others are at all of it */
    }
    return code;
}
