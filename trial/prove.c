/* How it works: one undisturbed run, then each trial in a store of its own, compared with it. A
 * transform that was found once is named again, not shrunk again. */
#include "trial/prove.h"

#include <string.h>

#include "base/clock.h"

#define BASE      "a"
#define OTHER     "b"
#define NOTES_MAX 64

struct proving {
    const struct flow *flow;
    const struct sample *sample;
    const struct prove_options *options;
    struct proof *proof;
    struct scratch scratch;
};

static void close_proving(struct proving *p) {
    scratch_close(&p->scratch);
}

static void note(struct proof *p, const char *text) {
    if (p->note_count < NOTES_MAX) {
        p->notes = mem_realloc(p->notes, (p->note_count + 1) * sizeof *p->notes);
        p->notes[p->note_count++] = text;
    }
}

/* ---- what the undisturbed run tells ---- */

static enum err_code count_rows(struct proving *p, struct store *store, struct err *err) {
    for (size_t i = 0; i < p->flow->table_count; i++) {
        AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
        int64_t n = 0;
        bool found = false;
        buf_addf(&sql, "SELECT count(*) FROM \"%s\"", p->flow->tables[i].name);
        enum err_code code = store_get_i64(store, buf_c(&sql), &n, &found, err);
        if (code != ERR_NONE) {
            return code;
        }
        if (!p->flow->tables[i].is_reference) {
            p->proof->tables++;
            p->proof->rows += n;
        }
    }
    return ERR_NONE;
}

/* Records that wrote over another record's row without anything that orders them. */
static enum err_code note_overwritten(struct proving *p, struct store *store,
                                      const struct flow_transform *t, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    int64_t n = 0;
    bool found = false;
    buf_addf(&sql,
             "SELECT coalesce(sum(updated + superseded), 0) FROM _plumb_ledger WHERE transform = "
             "'%s'",
             t->name);
    enum err_code code = store_get_i64(store, buf_c(&sql), &n, &found, err);
    if (code == ERR_NONE && n > 0) {
        note(p->proof,
             arena_printf(&p->proof->arena,
                          "`%s` has no latest_by, and %lld of its rows were written over by a "
                          "later record with the same key: right if these are states of one "
                          "thing in the order of their file, wrong if the key is too short",
                          t->name, (long long)n));
    }
    return code;
}

static enum err_code note_failed_keys(struct proving *p, struct store *store,
                                      const struct flow_transform *t, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "SELECT count(*), max(\"_error\") FROM \"_plumb_q_%s\" WHERE \"_failed\" = 1",
             t->name);
    struct store_statement *st = NULL;
    bool has_row = false;
    enum err_code code = store_prepare(store, buf_c(&sql), &st, err);
    if (code == ERR_NONE) {
        code = store_step(st, &has_row, err);
    }
    if (code == ERR_NONE && has_row && store_column_i64(st, 0) > 0) {
        const struct str why = store_column_str(st, 1);
        note(p->proof,
             arena_printf(&p->proof->arena, "`%s` fails on %lld keys, which have no rows: %.*s",
                          t->name, (long long)store_column_i64(st, 0), STR_FMT(why)));
    }
    store_statement_free(st);
    return code;
}

static enum err_code look_at_baseline(struct proving *p, struct err *err) {
    struct store *store = NULL;
    scratch_use(&p->scratch, BASE);
    enum err_code code = store_open(&p->scratch.flow, STORE_READ, &store, err);
    if (code == ERR_NONE) {
        code = count_rows(p, store, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < p->flow->transform_count; i++) {
        const struct flow_transform *t = &p->flow->transforms[i];
        if (t->kind == TRANSFORM_MAP && t->latest_by_count == 0 && !t->into->key_auto) {
            code = note_overwritten(p, store, t, err);
        } else if (t->kind == TRANSFORM_DERIVE) {
            code = note_failed_keys(p, store, t, err);
        }
    }
    store_close(store);
    return code;
}

/* ---- trials ---- */

static struct finding *known(struct proof *p, const struct difference *d) {
    for (size_t i = 0; i < p->finding_count; i++) {
        if (p->findings[i].difference.transform == d->transform) {
            return &p->findings[i];
        }
    }
    return NULL;
}

static enum err_code keep(struct proving *p, const struct trial *t, struct difference *d,
                          struct err *err) {
    struct proof *proof = p->proof;
    struct finding *before = known(proof, d);
    if (before != NULL) {
        before->also = arena_printf(&proof->arena, "%s%s%s", before->also,
                                    before->also[0] != '\0' ? "; " : "", t->title);
        before->also_count++;
        return ERR_NONE;
    }
    if (p->options->progress != NULL) {
        p->options->progress(p->options->context, "looking for the smallest counter-example");
    }
    struct finding f = {.trial = *t, .difference = *d, .also = ""};
    enum err_code code =
        shrink(t, &p->scratch, p->sample, &proof->arena, &f.part, &f.difference, err);
    words_for(t, &f.difference, &proof->arena, &f.what, &f.advice);
    proof->findings =
        mem_realloc(proof->findings, (proof->finding_count + 1) * sizeof *proof->findings);
    proof->findings[proof->finding_count++] = f;
    return code;
}

static enum err_code try_once(struct proving *p, const struct trial *t, struct trial_result *result,
                              struct err *err) {
    struct difference d;
    result->runs++;
    enum err_code code =
        trial_do(t, &p->scratch, p->sample, BASE, OTHER, &p->proof->arena, &d, err);
    if (code != ERR_NONE || !d.found) {
        return code;
    }
    result->state = TRIAL_FOUND;
    result->why = d.transform != NULL ? d.transform->name : NULL;
    return keep(p, t, &d, err);
}

/* At up to PROVE_KILLS_MAX durable steps of the run, evenly spread over it. */
static enum err_code try_kills(struct proving *p, const struct trial *t,
                               struct trial_result *result, struct err *err) {
    struct difference d;
    const struct trial apart = {.kind = TRIAL_APART, .name = t->name, .title = t->title};
    enum err_code code =
        trial_do(&apart, &p->scratch, p->sample, BASE, OTHER, &p->proof->arena, &d, err);
    const int64_t steps = p->scratch.last_steps;
    const int64_t kills = steps < PROVE_KILLS_MAX ? steps : PROVE_KILLS_MAX;
    for (int64_t i = 0; code == ERR_NONE && i < kills && result->state == TRIAL_PASSED; i++) {
        struct trial at = *t;
        at.kill_at = 1 + (kills > 1 ? (steps - 1) * i / (kills - 1) : 0);
        code = try_once(p, &at, result, err);
    }
    return code;
}

static enum err_code try_all(struct proving *p, struct err *err) {
    for (size_t i = 0; i < trial_count; i++) {
        const struct trial *t = &trials[i];
        struct trial_result *result = &p->proof->results[p->proof->result_count++];
        *result = (struct trial_result){.trial = t};
        result->why = trial_skips(t, p->flow, p->sample, p->options->late);
        if (result->why != NULL) {
            result->state = TRIAL_SKIPPED;
            continue;
        }
        if (p->options->progress != NULL) {
            p->options->progress(p->options->context, t->title);
        }
        if (scratch_is_stopping(&p->scratch)) {
            return err_set(err, ERR_CANCELLED, "stopped as asked");
        }
        enum err_code code =
            t->kind == TRIAL_KILL ? try_kills(p, t, result, err) : try_once(p, t, result, err);
        if (code != ERR_NONE) {
            return err_wrap(err, "%s", t->title);
        }
    }
    return ERR_NONE;
}

enum err_code prove(const struct flow *flow, const struct sample *sample,
                    const struct prove_options *options, struct proof *out, struct err *err) {
    *out = (struct proof){.runs = 0};
    arena_init(&out->arena, PROVE_ARENA_BYTES);
    const int64_t started = clock_monotonic_us();
    CLEANUP(close_proving)
    struct proving p = {.flow = flow, .sample = sample, .options = options, .proof = out};
    enum err_code code = scratch_open(&p.scratch, flow, err);
    p.scratch.stop = options->stop;
    if (code == ERR_NONE) {
        code = trial_baseline(&p.scratch, BASE, sample, err);
    }
    if (code == ERR_NONE) {
        code = look_at_baseline(&p, err);
    }
    if (code == ERR_NONE) {
        code = try_all(&p, err);
    }
    out->runs = p.scratch.runs;
    out->duration_us = clock_monotonic_us() - started;
    return code;
}

void proof_release(struct proof *p) {
    for (size_t i = 0; i < p->finding_count; i++) {
        mem_free(p->findings[i].part.batches);
    }
    mem_free(p->findings);
    mem_free(p->notes);
    arena_release(&p->arena);
    *p = (struct proof){.runs = 0};
}
