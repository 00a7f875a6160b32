/* How it works: a store aside is filled by the same code that catches up, from the staged batches of
 * the store itself, with a flow that has the affected transforms only. When nothing is left to do,
 * the store takes over what differs, in one transaction. Killed on the way, the next replay of the
 * same flow goes on where this one stood; anything that changed meanwhile makes it begin anew. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "engine/run_state.h"

#define PURPOSE_BYTES 256

struct replay {
    const struct flow *flow;
    struct flow built; /* the affected transforms only; shares everything else with flow */
    bool *affected;    /* [flow->transform_count] */
    struct store *store;
    char purpose[PURPOSE_BYTES];
};

static void choose(struct replay *p) {
    p->built = *p->flow;
    p->built.transforms =
        mem_alloc_array(p->flow->transform_count + 1, sizeof(struct flow_transform));
    p->built.transform_count = 0;
    for (size_t i = 0; i < p->flow->transform_count; i++) {
        if (p->affected[i]) {
            p->built.transforms[p->built.transform_count++] = p->flow->transforms[i];
        }
    }
}

/* Rows whose raw records are gone cannot be made again. */
static enum err_code refuse_without_raw(struct replay *p, struct err *err) {
    AUTO_BUF sources = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < p->built.transform_count; i++) {
        if (p->built.transforms[i].kind == TRANSFORM_MAP) {
            buf_addf(&sources, "%s'%s'", sources.len > 0 ? ", " : "",
                     p->built.transforms[i].source->name);
        }
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql,
             "SELECT count(*), coalesce(sum(b.records), 0) FROM _plumb_batches b JOIN "
             "_plumb_partitions p ON p.id = b.partition WHERE p.source IN (%s) AND NOT EXISTS "
             "(SELECT 1 FROM _plumb_frames f WHERE f.batch = b.id)",
             buf_c(&sources));
    struct store_statement *st = NULL;
    bool found = false;
    enum err_code code = store_prepare(p->store, buf_c(&sql), &st, err);
    if (code == ERR_NONE) {
        code = store_step(st, &found, err);
    }
    if (code == ERR_NONE && found && store_column_i64(st, 0) > 0) {
        code = err_set(err, ERR_CONFIG,
                       "the raw records of %lld batches are no longer kept (staging: keep), so a "
                       "rebuild would lose the rows of %lld records; nothing was changed. `plumb "
                       "replay --lose` goes on without them; to begin again from the sources, name "
                       "a new store",
                       (long long)store_column_i64(st, 0), (long long)store_column_i64(st, 1));
    }
    store_statement_free(st);
    return code;
}

/* What stays must be what the flow says it is. */
static enum err_code refuse_other_changes(struct replay *p, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        p->store, "SELECT definition FROM _plumb_transforms WHERE name = ?1", &st, err);
    for (size_t i = 0; code == ERR_NONE && i < p->flow->transform_count; i++) {
        const struct flow_transform *t = &p->flow->transforms[i];
        uint8_t definition[16];
        hash128_to_bytes(t->definition, definition);
        bool known = false;
        store_bind_str(st, 1, str_of(t->name));
        code = store_step(st, &known, err);
        bool same = code == ERR_NONE && known &&
                    str_equal(store_column_str(st, 0),
                              (struct str){(const char *)definition, sizeof(definition)});
        store_reset(st);
        if (code == ERR_NONE && known && !same && !p->affected[i]) {
            code = node_error(t->node, err,
                              "transform '%s' changed as well, and is not below what is to be "
                              "replayed; name it too, or replay everything",
                              t->name);
        }
    }
    store_statement_free(st);
    return code;
}

/* The same words for the same work on the same data. */
static enum err_code name_purpose(struct replay *p, bool loses, struct err *err) {
    int64_t last = 0;
    bool found = false;
    enum err_code code =
        store_get_i64(p->store, "SELECT max(id) FROM _plumb_batches", &last, &found, err);
    char version[HASH128_HEX_BYTES];
    hash128_to_hex(p->flow->version, version);
    AUTO_BUF names = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < p->built.transform_count; i++) {
        buf_addf(&names, "%s ", p->built.transforms[i].name);
    }
    char hash[HASH128_HEX_BYTES];
    hash128_to_hex(hash128_of(names.data, names.len), hash);
    (void)snprintf(p->purpose, sizeof(p->purpose), "flow %s, transforms %s, batch %lld%s", version,
                   hash, (long long)last, loses ? ", without what is gone" : "");
    return code;
}

static enum err_code open_aside(struct replay *p, struct run *r, struct err *err) {
    bool continues = false;
    enum err_code code = store_open(&p->built, STORE_ASIDE, &r->store, err);
    if (code == ERR_NONE) {
        code = store_aside_continues(r->store, p->purpose, &continues, err);
    }
    if (code == ERR_NONE && continues) {
        return ERR_NONE;
    }
    /* Of another flow, or half a store: its tables may not even fit. */
    store_close(r->store);
    r->store = NULL;
    err_clear(err);
    store_aside_remove(p->flow, STORE_ASIDE);
    code = store_open(&p->built, STORE_ASIDE, &r->store, err);
    if (code == ERR_NONE) {
        code = store_begin(r->store, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = store_aside_begin(r->store, p->purpose, err);
    if (code == ERR_NONE) {
        return store_commit(r->store, err);
    }
    store_rollback(r->store);
    return code;
}

static enum err_code build(struct replay *p, const struct run_options *options,
                           struct run_summary *summary, struct err *err) {
    struct run r;
    run_init(&r, &p->built, options, summary);
    r.options.once = true;
    r.replays = true;
    enum err_code code = open_aside(p, &r, err);
    if (code == ERR_NONE) {
        code = run_open(&r, err);
    }
    bool found = false;
    if (code == ERR_NONE) {
        code = store_get_i64(r.store,
                             "SELECT count(*) FROM _plumb_batches WHERE id > (SELECT "
                             "coalesce(max(batch), 0) FROM _plumb_ledger)",
                             &summary->replay_total, &found, err);
    }
    if (code == ERR_NONE) {
        code = run_loop(&r, err);
    }
    if (code == ERR_NONE && run_should_stop(&r)) {
        code = err_set(err, ERR_CANCELLED,
                       "stopped before it was done; nothing was changed, and the next `plumb "
                       "replay` goes on from here");
    }
    if (code == ERR_NONE) {
        code = run_verdict(&r, err);
    }
    run_report(&r, true);
    run_close(&r);
    return code;
}

static enum err_code replay_run(struct replay *p, const struct run_options *options,
                                struct run_summary *summary, struct swap_report *report,
                                struct err *err) {
    enum err_code code = store_open(p->flow, STORE_REBUILD, &p->store, err);
    if (code == ERR_NONE && !options->lose) {
        code = refuse_without_raw(p, err);
    }
    if (code == ERR_NONE) {
        code = refuse_other_changes(p, err);
    }
    if (code == ERR_NONE) {
        code = name_purpose(p, options->lose, err);
    }
    if (code == ERR_NONE) {
        code = build(p, options, summary, err);
    }
    fault_step("replay.built");
    if (code == ERR_NONE) {
        code = store_swap(p->store, &p->built, report, err);
    }
    fault_step("replay.swapped");
    if (code == ERR_NONE) {
        store_aside_remove(p->flow, STORE_ASIDE);
    }
    return code;
}

/* Triggers on tables that were not rebuilt, indexes, what the flow no longer has. */
static enum err_code settle(const struct flow *flow, struct err *err) {
    struct store *store = NULL;
    struct plan *plan = NULL;
    enum err_code code = store_open(flow, STORE_WRITE, &store, err);
    if (code == ERR_NONE) {
        code = plan_open(store, flow, &plan, err);
    }
    plan_close(plan);
    store_close(store);
    return code;
}

enum err_code engine_replay(const struct flow *flow, const char *const *names, size_t count,
                            const struct run_options *options, struct run_summary *summary,
                            struct swap_report *report, struct err *err) {
    *summary = (struct run_summary){.first_commit_us = -1};
    *report = (struct swap_report){.count = 0};
    const int64_t started = clock_monotonic_us();
    struct replay p = {.flow = flow};
    p.affected = mem_alloc_array(flow->transform_count + 1, sizeof(*p.affected));
    enum err_code code = flow_affected(flow, names, count, p.affected, err);
    if (code == ERR_NONE) {
        choose(&p);
        code = replay_run(&p, options, summary, report, err);
    }
    store_close(p.store);
    if (code == ERR_NONE) {
        code = settle(flow, err);
    }
    summary->duration_us = clock_monotonic_us() - started;
    mem_free(p.built.transforms);
    mem_free(p.affected);
    return code;
}
