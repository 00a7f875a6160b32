/* How it works: what the store has not finished is left out first, with all below it. The rest is
 * built aside by the code that catches up, from the batches that the reader sees, each in a turn of
 * its own so that what depends on how changes come together shows. Then both databases are asked. */
#include "engine/deep.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/run_state.h"
#include "transform/whole.h"

#define SCHEMA_BUILT "plumb_built"

/* Why a transform is not looked at; "" when it is. */
struct doubt {
    char replay[DEEP_WHY_BYTES]; /* not run again from the staged batches */
    char whole[DEEP_WHY_BYTES];  /* not evaluated, and its table not compared at all */
    bool forgets;                /* aside, its table is not what one evaluation gives */
};

struct deep {
    const struct flow *flow;
    struct flow built;
    struct store *reader;
    struct doubt *doubts; /* [flow->transform_count] */
    struct deep_report *report;
    int64_t last_batch;
    struct run run; /* over the database aside; open, and with its lock, to the end */
    struct run_summary summary;
    bool holds; /* the database aside is ours */
};

void deep_report_release(struct deep_report *r) {
    for (size_t i = 0; i < r->count; i++) {
        table_difference_release(&r->tables[i].staged);
        table_difference_release(&r->tables[i].whole);
    }
    mem_free(r->tables);
    *r = (struct deep_report){.count = 0};
}

/* ---- what is not finished ---- */

static void note(char *why, const char *text) {
    if (why[0] == '\0') {
        (void)snprintf(why, DEEP_WHY_BYTES, "%s", text);
    }
}

static enum err_code count_of(struct deep *d, const char *sql, int64_t *out, struct err *err) {
    bool found = false;
    *out = 0;
    return store_get_i64(d->reader, sql, out, &found, err);
}

static enum err_code doubt_map(struct deep *d, const struct flow_transform *t, struct doubt *doubt,
                               struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    int64_t behind = 0;
    int64_t gone = 0;
    buf_addf(&sql,
             "SELECT count(*) FROM _plumb_partitions p LEFT JOIN _plumb_marks m ON m.partition = "
             "p.id AND m.transform = '%s' WHERE p.source = '%s' AND coalesce(m.seq, 0) <> "
             "p.last_seq",
             t->name, t->source->name);
    enum err_code code = count_of(d, buf_c(&sql), &behind, err);
    if (code == ERR_NONE && behind > 0) {
        note(doubt->whole, "not every staged batch is applied to it; `plumb run --once` first");
    }
    buf_clear(&sql);
    buf_addf(&sql,
             "SELECT count(*) FROM _plumb_batches b JOIN _plumb_partitions p ON p.id = b.partition "
             "WHERE p.source = '%s' AND NOT EXISTS (SELECT 1 FROM _plumb_frames f WHERE f.batch = "
             "b.id)",
             t->source->name);
    if (code == ERR_NONE) {
        code = count_of(d, buf_c(&sql), &gone, err);
    }
    if (code == ERR_NONE && gone > 0) {
        note(doubt->replay, "raw records are no longer kept");
    }
    return code;
}

static enum err_code doubt_queue(struct deep *d, const struct flow_transform *t,
                                 struct doubt *doubt, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    int64_t waiting = 0;
    buf_addf(&sql, "SELECT EXISTS (SELECT 1 FROM \"_plumb_q_%s\"%s)", t->name,
             t->kind == TRANSFORM_DERIVE ? " WHERE \"_failed\" = 0" : "");
    enum err_code code = count_of(d, buf_c(&sql), &waiting, err);
    for (size_t i = 0; code == ERR_NONE && waiting == 0 && i < t->on_count; i++) {
        if (t->on[i].sql != NULL) {
            buf_clear(&sql);
            buf_addf(&sql, "SELECT EXISTS (SELECT 1 FROM \"_plumb_q_%s.%s\")", t->name,
                     t->on[i].table->name);
            code = count_of(d, buf_c(&sql), &waiting, err);
        }
    }
    if (code == ERR_NONE && waiting > 0) {
        note(doubt->whole, "changes wait before it; `plumb run --once` applies them");
    }
    return code;
}

/* *known: it has run on this store, as it is now, and does not wait for something. */
static enum err_code doubt_state(struct deep *d, const struct flow_transform *t,
                                 struct doubt *doubt, bool *known, struct err *err) {
    struct store_statement *st = NULL;
    uint8_t definition[16];
    hash128_to_bytes(t->definition, definition);
    enum err_code code = store_prepare(
        d->reader, "SELECT definition, attempts FROM _plumb_transforms WHERE name = ?1", &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(t->name));
        code = store_step(st, known, err);
    }
    if (code == ERR_NONE && !*known) {
        note(doubt->whole, "its transform has never run on this store");
    } else if (code == ERR_NONE &&
               !str_equal(store_column_str(st, 0),
                          (struct str){(const char *)definition, sizeof(definition)})) {
        note(doubt->whole, "another transform made it; `plumb replay` makes it anew");
        *known = false;
    } else if (code == ERR_NONE && store_column_i64(st, 1) > 0) {
        note(doubt->whole, "its transform waits with its input kept; see `plumb status`");
    }
    store_statement_free(st);
    return code;
}

static bool reads(const struct flow_transform *t, const struct flow_table *table) {
    bool found = t->from == table;
    for (size_t i = 0; i < t->on_count; i++) {
        found = found || t->on[i].table == table;
    }
    return found;
}

/* Transforms of one table share what is known of it; those below cannot be right without it.
 * Transforms come with inputs first, so that one round is enough. */
static void spread(struct deep *d) {
    const struct flow_transform *all = d->flow->transforms;
    for (size_t i = 0; i < d->flow->transform_count; i++) {
        for (size_t k = 0; k < d->flow->transform_count; k++) {
            const bool shares = all[i].into == all[k].into;
            if (!shares && !reads(&all[k], all[i].into)) {
                continue;
            }
            if (d->doubts[i].whole[0] != '\0') {
                char text[DEEP_WHY_BYTES];
                (void)snprintf(text, sizeof(text), "it is made from '%s', which is not up to date",
                               all[i].into->name);
                note(d->doubts[k].whole, shares ? d->doubts[i].whole : text);
            }
            if (d->doubts[i].replay[0] != '\0') {
                note(d->doubts[k].replay, d->doubts[i].replay);
            }
        }
    }
}

static enum err_code find_doubts(struct deep *d, struct err *err) {
    enum err_code code =
        count_of(d, "SELECT coalesce(max(id), 0) FROM _plumb_batches", &d->last_batch, err);
    for (size_t i = 0; code == ERR_NONE && i < d->flow->transform_count; i++) {
        const struct flow_transform *t = &d->flow->transforms[i];
        bool known = false;
        code = doubt_state(d, t, &d->doubts[i], &known, err);
        if (code == ERR_NONE && known) {
            code = t->kind == TRANSFORM_MAP ? doubt_map(d, t, &d->doubts[i], err)
                                            : doubt_queue(d, t, &d->doubts[i], err);
        }
    }
    spread(d);
    return code;
}

/* ---- the database aside ---- */

static void choose(struct deep *d) {
    d->built = *d->flow;
    d->built.transforms =
        mem_alloc_array(d->flow->transform_count + 1, sizeof(struct flow_transform));
    d->built.transform_count = 0;
    for (size_t i = 0; i < d->flow->transform_count; i++) {
        if (d->doubts[i].replay[0] == '\0' && d->doubts[i].whole[0] == '\0') {
            d->built.transforms[d->built.transform_count++] = d->flow->transforms[i];
        }
    }
}

/* The reader's moment: what was staged since is not seen. */
static enum err_code begin_aside(struct deep *d, struct store *s, struct err *err) {
    enum err_code code = store_begin(s, err);
    if (code != ERR_NONE) {
        return code;
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql,
             "DELETE FROM main._plumb_batches WHERE id > %lld;"
             "DELETE FROM main._plumb_streams WHERE batch > %lld;",
             (long long)d->last_batch, (long long)d->last_batch);
    code = store_aside_begin(s, "audit", err);
    if (code == ERR_NONE) {
        code = store_execute(s, buf_c(&sql), err);
    }
    if (code == ERR_NONE) {
        return store_commit(s, err);
    }
    store_rollback(s);
    return code;
}

static struct doubt *doubt_of(struct deep *d, const struct flow_transform *built) {
    const struct flow_transform *t = flow_find_transform(d->flow, built->name);
    return &d->doubts[t - d->flow->transforms];
}

/* A transform that cannot be run again says nothing about its table. */
static void note_failures(struct deep *d, const struct run *r) {
    for (size_t i = 0; i < d->built.transform_count; i++) {
        if (r->stages[i].attempts > 0) {
            char text[DEEP_WHY_BYTES];
            (void)snprintf(text, sizeof(text), "it cannot be made again: %.240s",
                           r->stages[i].last.message);
            note(doubt_of(d, &d->built.transforms[i])->replay, text);
        }
    }
    spread(d);
}

static struct difference_of against(const struct flow_transform *t, const char *wanted) {
    return (struct difference_of){
        .table = t->into, .counted = t->kind == TRANSFORM_SUM, .schema = "main", .wanted = wanted};
}

/* Compares the store's table with one evaluation over its present inputs. A SELECT that fails so is
 * noted in why. */
static enum err_code evaluate(struct store *s, const struct flow_transform *t,
                              struct table_difference *out, char *why, struct err *err) {
    struct err failed = ERR_INIT;
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    whole_name(t, &name);
    enum err_code code = whole_evaluate(s, t, &failed);
    if (code == ERR_INPUT || code == ERR_CONFIG || code == ERR_LIMIT) {
        (void)snprintf(why, DEEP_WHY_BYTES, "its SELECT fails over the whole input: %.240s",
                       failed.message);
        return whole_forget(s, t, err);
    }
    if (code != ERR_NONE) {
        *err = failed;
        return code;
    }
    const struct difference_of what = against(t, buf_c(&name));
    return table_difference_find(s, &what, out, err);
}

/* Run afresh, does each sum and derive keep its table as it should? */
static enum err_code try_transforms(struct deep *d, struct store *aside, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < d->built.transform_count; i++) {
        const struct flow_transform *t = &d->built.transforms[i];
        struct doubt *doubt = doubt_of(d, t);
        if (t->kind == TRANSFORM_MAP || doubt->replay[0] != '\0') {
            continue;
        }
        struct table_difference found = {.missing = 0};
        char why[DEEP_WHY_BYTES] = "";
        code = evaluate(aside, t, &found, why, err);
        doubt->forgets = code == ERR_NONE && table_difference_rows(&found) > 0;
        table_difference_release(&found);
        if (code == ERR_NONE) {
            code = whole_forget(aside, t, err);
        }
    }
    return code;
}

static enum err_code run_aside(struct deep *d, struct run *r, struct err *err) {
    enum err_code code = begin_aside(d, r->store, err);
    if (code == ERR_NONE) {
        code = run_open(r, err);
    }
    if (code == ERR_NONE) {
        code = store_get_i64(r->store, "SELECT count(*) FROM _plumb_batches",
                             &r->summary->replay_total, &(bool){false}, err);
    }
    if (code == ERR_NONE) {
        code = run_loop(r, err);
    }
    if (code == ERR_NONE && run_should_stop(r)) {
        code = err_set(err, ERR_CANCELLED, "stopped before it was done; nothing was changed");
    }
    if (code == ERR_CORRUPT) {
        /* Which batch cannot be read is what another check tells. */
        for (size_t i = 0; i < d->flow->transform_count; i++) {
            note(d->doubts[i].replay, "the staged batches cannot all be read");
        }
        err_clear(err);
        code = ERR_NONE;
    } else if (code == ERR_NONE) {
        note_failures(d, r);
        code = try_transforms(d, r->store, err);
    }
    return code;
}

/* What one that was killed has left is of no use. */
static enum err_code open_aside(struct deep *d, struct err *err) {
    bool left_over = false;
    enum err_code code = store_open(&d->built, STORE_AUDIT, &d->run.store, err);
    if (code == ERR_CONFLICT) {
        return err_wrap(err, "another deep audit");
    }
    if (code == ERR_NONE) {
        code = store_aside_continues(d->run.store, "audit", &left_over, err);
    }
    if (code == ERR_NONE && !left_over) {
        return ERR_NONE;
    }
    store_close(d->run.store);
    d->run.store = NULL;
    err_clear(err);
    store_aside_remove(d->flow, STORE_AUDIT);
    return store_open(&d->built, STORE_AUDIT, &d->run.store, err);
}

static enum err_code build(struct deep *d, struct err *err) {
    enum err_code code = open_aside(d, err);
    d->holds = code == ERR_NONE;
    if (code == ERR_NONE) {
        code = run_aside(d, &d->run, err);
        d->report->batches = d->summary.replayed_batches;
    }
    run_report(&d->run, true);
    return code;
}

/* ---- the store against both ---- */

static enum err_code compare_staged(struct deep *d, const struct flow_transform *t,
                                    struct deep_table *out, struct err *err) {
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&name, SCHEMA_BUILT ".\"%s\"", t->into->name);
    const struct difference_of what = against(t, buf_c(&name));
    out->replayed = true;
    return table_difference_find(d->reader, &what, &out->staged, err);
}

static enum err_code find_blind(struct deep *d, const struct flow_transform *t,
                                struct deep_table *out, struct err *err) {
    AUTO_BUF names = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < t->on_count; i++) {
        bool blind = false;
        code = whole_is_blind(d->reader, t, i, &blind, err);
        if (code == ERR_NONE && blind) {
            buf_addf(&names, "%s%s", names.len > 0 ? ", " : "", t->on[i].table->name);
        }
    }
    (void)snprintf(out->blind, sizeof(out->blind), "%s", buf_c(&names));
    return code;
}

static enum err_code compare_whole(struct deep *d, const struct flow_transform *t,
                                   struct deep_table *out, struct err *err) {
    enum err_code code = evaluate(d->reader, t, &out->whole, out->why, err);
    out->evaluated = out->why[0] == '\0';
    if (code == ERR_NONE && out->evaluated && out->whole.differing + out->whole.extra > 0) {
        code = find_blind(d, t, out, err);
    }
    return code == ERR_NONE ? whole_forget(d->reader, t, err) : code;
}

/* The first table among the transform's inputs, and theirs, that differs by itself. */
static const struct flow_table *root_of(const struct deep *d, const struct flow_transform *t) {
    for (size_t i = 0; i < d->report->count; i++) {
        const struct deep_table *above = &d->report->tables[i];
        if (reads(t, above->table) && above->verdict != DEEP_SAME &&
            above->verdict != DEEP_NOT_COMPARED) {
            return above->verdict == DEEP_FOLLOWS ? above->root : above->table;
        }
    }
    return NULL;
}

static void judge(const struct deep *d, const struct doubt *doubt, struct deep_table *t) {
    const bool other = t->replayed && table_difference_rows(&t->staged) > 0;
    t->root = root_of(d, t->made_by);
    if (t->evaluated && table_difference_rows(&t->whole) > 0) {
        t->verdict = doubt->forgets || t->blind[0] != '\0' ? DEEP_FORGETS : DEEP_CHANGED;
    } else if (!t->replayed && !t->evaluated) {
        t->verdict = DEEP_NOT_COMPARED;
    } else if (!other) {
        t->verdict = DEEP_SAME;
    } else if (t->made_by->kind == TRANSFORM_MAP) {
        t->verdict = DEEP_OTHER;
    } else {
        t->verdict = t->root != NULL ? DEEP_FOLLOWS : DEEP_UNSTEADY;
    }
}

static enum err_code compare_table(struct deep *d, size_t index, struct deep_table *out,
                                   struct err *err) {
    const struct flow_transform *t = &d->flow->transforms[index];
    const struct doubt *doubt = &d->doubts[index];
    *out = (struct deep_table){.table = t->into, .made_by = t};
    if (doubt->whole[0] != '\0') {
        out->verdict = DEEP_NOT_COMPARED;
        note(out->why, doubt->whole);
        return ERR_NONE;
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "SELECT count(*) FROM main.\"%s\"", t->into->name);
    enum err_code code = count_of(d, buf_c(&sql), &out->rows, err);
    if (code == ERR_NONE && doubt->replay[0] == '\0') {
        code = compare_staged(d, t, out, err);
    }
    if (code == ERR_NONE && t->kind != TRANSFORM_MAP) {
        code = compare_whole(d, t, out, err);
    }
    if (code == ERR_NONE && !out->replayed) {
        note(out->why, doubt->replay);
    }
    judge(d, doubt, out);
    return code;
}

static bool is_listed(const struct deep_report *r, const struct flow_table *table) {
    for (size_t i = 0; i < r->count; i++) {
        if (r->tables[i].table == table) {
            return true;
        }
    }
    return false;
}

static enum err_code compare(struct deep *d, struct err *err) {
    AUTO_BUF path = BUF_INIT(BUF_TEXT_MAX);
    struct store_statement *st = NULL;
    buf_addf(&path, "%s-audit", store_path(d->reader));
    enum err_code code = store_prepare(d->reader, "ATTACH ?1 AS " SCHEMA_BUILT, &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, buf_str(&path));
        code = store_run(st, NULL, err);
    }
    store_statement_free(st);
    for (size_t i = 0; code == ERR_NONE && i < d->flow->transform_count; i++) {
        if (!is_listed(d->report, d->flow->transforms[i].into)) {
            struct deep_table *out = &d->report->tables[d->report->count];
            code = compare_table(d, i, out, err);
            d->report->count++;
        }
    }
    return code;
}

enum err_code engine_deep(const struct flow *flow, struct store *reader,
                          const struct run_options *options, struct deep_report *out,
                          struct err *err) {
    *out = (struct deep_report){
        .tables = mem_alloc_array(flow->transform_count + 1, sizeof(struct deep_table))};
    if (store_dialect(reader) == STORE_POSTGRES) {
        return err_set(err, ERR_CONFIG,
                       "a deep audit needs a store in SQLite so far: `plumb copy-store %s --to "
                       "sqlite:FILE` makes one to look at",
                       flow->path);
    }
    struct deep d = {.flow = flow, .reader = reader, .report = out};
    d.doubts = mem_alloc_array(flow->transform_count + 1, sizeof(struct doubt));
    enum err_code code = find_doubts(&d, err);
    choose(&d);
    struct run_options run = *options;
    run.once = true;
    run.turn_rows = 1;
    run_init(&d.run, &d.built, &run, &d.summary);
    d.run.replays = true;
    if (code == ERR_NONE) {
        code = build(&d, err);
    }
    if (code == ERR_NONE) {
        code = compare(&d, err);
    }
    if (d.holds) {
        store_aside_remove(flow, STORE_AUDIT);
    }
    run_close(&d.run);
    mem_free(d.built.transforms);
    mem_free(d.doubts);
    return code;
}
