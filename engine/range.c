/* How it works: a database aside gets the batches of the range alone, with marks that stand just
 * before them, and the maps run over them as in any replay. Then the store, under its lock, takes over
 * the rows that win against those it has, and the triggers of its tables make everything below
 * follow. */
#include "engine/range.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/fault.h"
#include "engine/range_state.h"

struct range {
    const struct flow *flow;
    const struct replay_range *what;
    struct flow built; /* the maps alone */
    int64_t low, high; /* ids of batches */
    struct run aside;  /* open, and with its lock, to the end */
    struct run_summary aside_summary;
    bool holds;
};

/* ---- what is refused ---- */

static enum err_code refuse_map(const struct flow *flow, const struct flow_transform *t,
                                struct err *err) {
    size_t writers = 0;
    for (size_t i = 0; i < flow->transform_count; i++) {
        writers += flow->transforms[i].into == t->into;
    }
    const char *why = NULL;
    if ((t->source->component->caps & CAP_TAKES_BACK) != 0) {
        why = "its source takes records back, also those of other batches; `plumb rewind` extracts "
              "them anew";
    } else if (t->delete_when != NULL) {
        why = "delete_when leaves nothing behind that would tell what was deleted";
    } else if (writers > 1) {
        why = "another transform writes its table as well";
    } else if (!t->into->lineage && !t->into->key_auto) {
        why = "its table does not know which batch a row came from (lineage: true)";
    }
    return why == NULL ? ERR_NONE
                       : node_error(t->node, err,
                                    "'%s' cannot be replayed for a range of batches: %s. A whole "
                                    "`plumb replay --transform %s` can",
                                    t->name, why, t->name);
}

static enum err_code choose(struct range *r, struct err *err) {
    const struct flow *flow = r->flow;
    const struct replay_range *what = r->what;
    if (what->source != NULL && flow_find_source(flow, what->source) == NULL) {
        return err_set(err, ERR_CONFIG, "the flow has no source '%s'", what->source);
    }
    bool found = what->transform == NULL;
    r->built = *flow;
    r->built.transforms = mem_alloc_array(flow->transform_count + 1, sizeof(*flow->transforms));
    r->built.transform_count = 0;
    for (size_t i = 0; i < flow->transform_count; i++) {
        const struct flow_transform *t = &flow->transforms[i];
        const bool named = what->transform == NULL || str_equal_c(str_of(t->name), what->transform);
        found = found || named;
        if (named && t->kind == TRANSFORM_MAP &&
            (what->source == NULL || str_equal_c(str_of(t->source->name), what->source))) {
            r->built.transforms[r->built.transform_count++] = *t;
        }
    }
    if (r->built.transform_count == 0) {
        return err_set(err, ERR_CONFIG,
                       found ? "a range of batches is replayed through maps, and none is meant; "
                               "what is below a map follows it"
                             : "the flow has no transform '%s'",
                       what->transform != NULL ? what->transform : "");
    }
    return ERR_NONE;
}

/* ---- which batches ---- */

static enum err_code find_bounds(struct range *r, struct store *s, struct err *err) {
    struct store_statement *st = NULL;
    bool found = false;
    enum err_code code = store_prepare(
        s,
        "SELECT coalesce(min(b.id), 0), coalesce(max(b.id), 0) FROM _plumb_batches b JOIN "
        "_plumb_partitions p ON p.id = b.partition WHERE b.id >= ?1 AND b.id <= ?2 AND b.staged_us "
        ">= ?3 AND b.staged_us <= ?4 AND (CAST(?5 AS TEXT) IS NULL OR p.source = ?5)",
        &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_i64(st, 1, r->what->from);
    store_bind_i64(st, 2, r->what->to > 0 ? r->what->to : INT64_MAX);
    store_bind_i64(st, 3, r->what->since_us);
    store_bind_i64(st, 4, r->what->until_us);
    if (r->what->source != NULL) {
        store_bind_str(st, 5, str_of(r->what->source));
    } else {
        store_bind_null(st, 5);
    }
    code = store_step(st, &found, err);
    r->low = code == ERR_NONE && found ? store_column_i64(st, 0) : 0;
    r->high = code == ERR_NONE && found ? store_column_i64(st, 1) : 0;
    store_statement_free(st);
    if (code == ERR_NONE && r->high == 0) {
        return err_set(err, ERR_CONFIG, "no staged batch is in that range");
    }
    return code;
}

static enum err_code refuse_count(struct store *s, const char *sql, const char *message,
                                  struct err *err) {
    int64_t count = 0;
    bool found = false;
    const enum err_code code = store_get_i64(s, sql, &count, &found, err);
    return code == ERR_NONE && count > 0
               ? err_set(err, ERR_CONFIG, "%lld %s", (long long)count, message)
               : code;
}

/* Maps whose sources gave nothing in the range have no part in it. */
static enum err_code drop_others(struct range *r, struct store *s, struct err *err) {
    enum err_code code = ERR_NONE;
    size_t kept = 0;
    for (size_t i = 0; code == ERR_NONE && i < r->built.transform_count; i++) {
        const struct flow_transform *t = &r->built.transforms[i];
        AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
        int64_t one = 0;
        bool found = false;
        buf_addf(&sql,
                 "SELECT 1 FROM _plumb_batches b JOIN _plumb_partitions p ON p.id = b.partition "
                 "WHERE p.source = '%s' AND b.id BETWEEN %lld AND %lld LIMIT 1",
                 t->source->name, (long long)r->low, (long long)r->high);
        code = store_get_i64(s, buf_c(&sql), &one, &found, err);
        if (code == ERR_NONE && found) {
            code = refuse_map(r->flow, t, err);
            r->built.transforms[kept++] = *t;
        }
    }
    r->built.transform_count = kept;
    return code == ERR_NONE && kept == 0
               ? err_set(err, ERR_CONFIG, "no staged batch of its source is in that range")
               : code;
}

/* Every map has applied all of them, and their records are there. */
static enum err_code refuse_batches(struct range *r, struct store *s, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < r->built.transform_count; i++) {
        const struct flow_transform *t = &r->built.transforms[i];
        AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
        AUTO_BUF of = BUF_INIT(BUF_TEXT_MAX);
        buf_addf(&of,
                 "FROM _plumb_batches b JOIN _plumb_partitions p ON p.id = b.partition WHERE "
                 "p.source = '%s' AND b.id BETWEEN %lld AND %lld",
                 t->source->name, (long long)r->low, (long long)r->high);
        buf_addf(&sql,
                 "SELECT count(*) %s AND coalesce((SELECT m.seq FROM _plumb_marks m WHERE "
                 "m.transform = '%s' AND m.partition = p.id), 0) < b.seq",
                 buf_c(&of), t->name);
        code =
            refuse_count(s, buf_c(&sql),
                         "batches of the range are not applied yet; `plumb run --once` first", err);
        buf_clear(&sql);
        buf_addf(&sql,
                 "SELECT count(*) %s AND NOT EXISTS (SELECT 1 FROM _plumb_frames f WHERE f.batch = "
                 "b.id)",
                 buf_c(&of));
        if (code == ERR_NONE) {
            code = refuse_count(s, buf_c(&sql),
                                "batches of the range have no raw records any more (staging: "
                                "keep); begin behind them",
                                err);
        }
    }
    return code;
}

/* ---- aside ---- */

static enum err_code begin_aside(struct range *r, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql,
             "DELETE FROM main._plumb_batches WHERE id < %lld OR id > %lld;"
             "DELETE FROM main._plumb_streams WHERE batch < %lld OR batch > %lld;",
             (long long)r->low, (long long)r->high, (long long)r->low, (long long)r->high);
    if (r->what->source != NULL) {
        buf_addf(&sql,
                 "DELETE FROM main._plumb_batches WHERE partition NOT IN (SELECT id FROM "
                 "main._plumb_partitions WHERE source = '%s');",
                 r->what->source);
    }
    for (size_t i = 0; i < r->built.transform_count; i++) {
        buf_addf(&sql,
                 "INSERT INTO main._plumb_marks(transform, partition, seq, updated_us) SELECT "
                 "'%s', b.partition, min(b.seq) - 1, 0 FROM main._plumb_batches b JOIN "
                 "main._plumb_partitions p ON p.id = b.partition WHERE p.source = '%s' GROUP BY "
                 "b.partition;",
                 r->built.transforms[i].name, r->built.transforms[i].source->name);
    }
    struct store *s = r->aside.store;
    enum err_code code = store_begin(s, err);
    if (code == ERR_NONE) {
        code = store_aside_begin(s, "range", err);
        if (code == ERR_NONE) {
            code = store_execute(s, buf_c(&sql), err);
        }
        if (code == ERR_NONE) {
            return store_commit(s, err);
        }
        store_rollback(s);
    }
    return code;
}

static enum err_code build(struct range *r, struct err *err) {
    enum err_code code = store_open(&r->built, STORE_AUDIT, &r->aside.store, err);
    bool left_over = false;
    if (code == ERR_CONFLICT) {
        return code;
    }
    if (code == ERR_NONE) {
        code = store_get_i64(r->aside.store, "SELECT 1 FROM main._plumb_meta WHERE key = 'purpose'",
                             &(int64_t){0}, &left_over, err);
    }
    if (code != ERR_NONE || left_over) { /* of one that was killed */
        store_close(r->aside.store);
        r->aside.store = NULL;
        err_clear(err);
        store_aside_remove(r->flow, STORE_AUDIT);
        code = store_open(&r->built, STORE_AUDIT, &r->aside.store, err);
    }
    r->holds = code == ERR_NONE;
    if (code == ERR_NONE) {
        code = begin_aside(r, err);
    }
    if (code == ERR_NONE) {
        code = run_open(&r->aside, err);
    }
    if (code == ERR_NONE) {
        code = run_loop(&r->aside, err);
    }
    if (code == ERR_NONE && run_should_stop(&r->aside)) {
        code = err_set(err, ERR_CANCELLED, "stopped before it was done; nothing was changed");
    }
    if (code == ERR_NONE) {
        code = run_verdict(&r->aside, err);
    }
    run_report(&r->aside, true);
    return code;
}

/* ---- into the store ---- */

static enum err_code take_over(struct range *r, struct run *main, struct swap_report *report,
                               struct err *err) {
    AUTO_BUF path = BUF_INIT(BUF_TEXT_MAX);
    struct store_statement *st = NULL;
    buf_addf(&path, "%s-audit", store_path(main->store));
    enum err_code code = store_prepare(main->store, "ATTACH ?1 AS " RANGE_SCHEMA, &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, buf_str(&path));
        code = store_run(st, NULL, err);
    }
    store_statement_free(st);
    if (code == ERR_NONE) {
        code = store_begin(main->store, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = range_swap(main->store, &r->built, report, err);
    if (code == ERR_NONE) {
        code = turn_followers(main, err);
    }
    fault_step("range.swapped");
    if (code == ERR_NONE) {
        code = store_commit(main->store, err);
    } else {
        store_rollback(main->store);
    }
    bool more = code == ERR_NONE;
    while (more && code == ERR_NONE) {
        code = turn_cascade(main, &more, err);
    }
    return code;
}

static enum err_code range_run(struct range *r, struct run *main, struct swap_report *report,
                               struct err *err) {
    enum err_code code = choose(r, err);
    if (code == ERR_NONE) {
        code = run_open(main, err);
    }
    if (code == ERR_NONE && store_dialect(main->store) == STORE_POSTGRES) {
        code = err_set(err, ERR_CONFIG,
                       "a range of batches is replayed in a store in SQLite only, so far; a whole "
                       "`plumb replay` (--transform, --source) works in PostgreSQL");
    }
    if (code == ERR_NONE) {
        code = find_bounds(r, main->store, err);
    }
    if (code == ERR_NONE) {
        code = drop_others(r, main->store, err);
    }
    run_init(&r->aside, &r->built, &main->options, &r->aside_summary);
    r->aside.replays = true;
    if (code == ERR_NONE) {
        code = refuse_batches(r, main->store, err);
    }
    if (code == ERR_NONE) {
        code = build(r, err);
    }
    fault_step("range.built");
    return code == ERR_NONE ? take_over(r, main, report, err) : code;
}

enum err_code engine_replay_range(const struct flow *flow, const struct replay_range *range,
                                  const struct run_options *options, struct run_summary *summary,
                                  struct swap_report *report, struct err *err) {
    const int64_t started = clock_monotonic_us();
    struct range r = {.flow = flow, .what = range};
    struct run main;
    struct run_options staged = *options;
    staged.once = true;
    staged.staged = true;
    *report = (struct swap_report){.count = 0};
    run_init(&main, flow, &staged, summary);
    enum err_code code = range_run(&r, &main, report, err);
    if (code == ERR_NONE) {
        code = run_verdict(&main, err);
    }
    summary->replayed_batches = r.aside_summary.replayed_batches;
    summary->rejected = r.aside_summary.rejected;
    run_close(&main);
    if (r.holds) {
        store_aside_remove(flow, STORE_AUDIT);
    }
    run_close(&r.aside);
    mem_free(r.built.transforms);
    summary->duration_us = clock_monotonic_us() - started;
    return code;
}
