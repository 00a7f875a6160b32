/* The loop: packages first, then what is behind, then wait. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/policy.h"
#include "engine/run_state.h"

#define CATCH_UP_ARENA_BYTES_MAX ((size_t)1 << 30)
#define TURN_ARENA_BYTES_MAX     ((size_t)1 << 30)
#define PROGRESS_EVERY_US        100000

static bool asks_sources(const struct run *r) {
    return !r->replays && !r->options.staged;
}

/* What was wrong in an earlier run is found again if it still is. */
static enum err_code forget_troubles(struct run *r, struct err *err) {
    return r->replays || r->options.staged
               ? ERR_NONE
               : store_execute(r->store, "DELETE FROM _plumb_troubles", err);
}

static bool is_stopping(void *context) {
    return channel_is_stopping(context);
}

static enum err_code open_sources(struct run *r, struct err *err) {
    for (size_t i = 0; i < r->flow->source_count && asks_sources(r); i++) {
        struct extractor *x = &r->extractors[i];
        const struct flow_source *source = &r->flow->sources[i];
        if (!r->workers.held[i]) {
            continue;
        }
        struct source_cursor *cursors = NULL;
        size_t count = 0;
        enum err_code code =
            store_cursors(r->store, source->name, &r->source_arena, &cursors, &count, err);
        if (code != ERR_NONE) {
            return code;
        }
        struct source_note *notes = NULL;
        size_t note_count = 0;
        code = store_notes(r->store, source->name, &r->source_arena, &notes, &note_count, err);
        if (code != ERR_NONE) {
            return code;
        }
        x->source = source;
        x->channel = &r->channel;
        x->rows_fixed = r->options.batch_rows;
        x->env = (struct source_env){.name = source->name,
                                     .directory = r->flow->directory,
                                     .once = r->options.once,
                                     .record_bytes_max = source->common.record_bytes_max,
                                     .cursors = cursors,
                                     .cursor_count = count,
                                     .notes = notes,
                                     .note_count = note_count,
                                     .is_stopping = is_stopping,
                                     .stop_context = &r->channel};
    }
    for (size_t i = 0; i < r->flow->source_count && asks_sources(r); i++) {
        enum err_code code =
            r->workers.held[i] ? extractor_start(&r->extractors[i], err) : ERR_NONE;
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

/* Maps of several sources fill a table, and what comes last wins: turns then go one by one, in the
 * order of the batches, so that a replay gives the same. */
static bool order_matters(const struct flow *flow) {
    for (size_t i = 0; i < flow->transform_count; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct flow_transform *a = &flow->transforms[i];
            const struct flow_transform *b = &flow->transforms[k];
            if (a->kind == TRANSFORM_MAP && b->kind == TRANSFORM_MAP && a->into == b->into &&
                a->source != b->source && !transform_in_any_order(a, b)) {
                return true;
            }
        }
    }
    return false;
}

enum err_code run_open(struct run *r, struct err *err) {
    enum err_code code = ERR_NONE;
    if (r->store == NULL) {
        code = store_open(r->flow, STORE_WRITE, &r->store, err);
    }
    if (code == ERR_NONE) {
        code = plan_open(r->store, r->flow, &r->plan, err);
    }
    r->alone = code == ERR_NONE && order_matters(r->flow);
    if (code == ERR_NONE && r->options.reversed) { /* now: what a SELECT does was judged as it is */
        code = store_read_reversed(r->store, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < r->flow->transform_count; i++) {
        code = cascade_retry_failed(r->plan, i, err);
    }
    if (code == ERR_NONE) {
        code = catch_up_begin(r, err);
    }
    if (code == ERR_NONE) {
        code = limits_begin(r, err);
    }
    if (code == ERR_NONE) {
        code = forget_troubles(r, err);
    }
    bool found = false;
    if (code == ERR_NONE && !r->replays) {
        code = store_get_i64(r->store, "SELECT max(id) FROM _plumb_batches", &r->batch_before,
                             &found, err);
    }
    return code;
}

static struct extractor *extractor_of(struct run *r, const struct package *p) {
    return &r->extractors[p->source - r->flow->sources];
}

static void give_back(struct run *r, struct package *p) {
    channel_give_back(&r->channel, &extractor_of(r, p)->free, p);
}

static enum err_code handle_batches(struct run *r, struct package *first, struct err *err) {
    struct turn_group group = {{first}, 1, first->out.batch.count};
    enum err_code code = turn_packages(r, &group, err);
    for (size_t i = 0; i < group.count; i++) {
        give_back(r, group.packages[i]);
    }
    return code;
}

static enum err_code handle(struct run *r, struct package *p, struct err *err) {
    struct extractor *x = extractor_of(r, p);
    switch (p->kind) {
    case PACKAGE_BATCH:
        return handle_batches(r, p, err);
    case PACKAGE_FAILED:
    case PACKAGE_ERROR:
    case PACKAGE_TROUBLE:
        err_wrap(&p->out.trouble, "source '%s'", p->source->name);
        if (!r->options.once) { /* the end of such a run tells it */
            char partition[LOG_VALUE_BYTES];
            log_error_with("source", &p->out.trouble, "source=%s partition=%s", p->source->name,
                           log_value(str_of(p->out.partition), partition));
        }
        x->has_ended = p->kind == PACKAGE_FAILED;
        break;
    case PACKAGE_WELL:
    case PACKAGE_END:
        p->out.trouble = (struct err)ERR_INIT;
        x->has_ended = p->kind == PACKAGE_END;
        break;
    }
    enum err_code code = turn_trouble(r, p, err);
    give_back(r, p);
    return code;
}

/* Or have stopped at their limit. */
static bool sources_ended(const struct run *r) {
    if (asks_sources(r) && workers_may_inherit(&r->workers, r->started_us)) {
        return false;
    }
    for (size_t i = 0; i < r->flow->source_count && asks_sources(r); i++) {
        if (r->workers.held[i] && !r->extractors[i].has_ended && !r->extractors[i].hold.held) {
            return false;
        }
    }
    return true;
}

/* The wait before a failed stage may be tried again, or ENGINE_IDLE_US; 0 with *over when none will
 * be tried any more. */
static int64_t next_wait(const struct run *r, bool *over) {
    int64_t wait = ENGINE_IDLE_US;
    int64_t now = clock_monotonic_us();
    *over = true;
    for (size_t i = 0; i < r->flow->transform_count; i++) {
        const struct stage *stage = &r->stages[i];
        if (stage->attempts == 0 || (r->options.once && stage->attempts >= ATTEMPTS_ONCE)) {
            continue;
        }
        *over = false;
        int64_t left = stage->next_try_us - now;
        wait = left < wait ? left : wait;
    }
    return wait > 0 ? wait : 0;
}

/* One round of work that is not a package. */
static enum err_code background(struct run *r, bool *worked, struct err *err) {
    for (int64_t attempt = 1;; attempt++) {
        err_clear(err);
        enum err_code code = catch_up(r, worked, err);
        if (code == ERR_NONE && !*worked) {
            code = turn_cascade(r, worked, err);
        }
        if (code == ERR_NONE) {
            return ERR_NONE;
        }
        if (policy_turn(code) != ACTION_RETRY) {
            return code;
        }
        if (!r->options.once) {
            log_error("catch_up", err);
        }
        if (!turn_may_retry(r, attempt)) {
            return code;
        }
    }
}

static enum err_code retain(struct run *r, struct err *err) {
    if (r->replays || r->flow->keep == KEEP_FOREVER ||
        r->summary->turns % RETAIN_EVERY_TURNS != 0) {
        return ERR_NONE;
    }
    int64_t dropped = 0;
    enum err_code code = store_begin(r->store, err);
    if (code == ERR_NONE) {
        code = store_retain(r->store, RETAIN_BATCHES, &dropped, err);
        if (code == ERR_NONE) {
            code = store_commit(r->store, err);
        } else {
            store_rollback(r->store);
        }
    }
    if (code != ERR_NONE && policy_turn(code) == ACTION_RETRY) {
        log_error("retention", err);
        return ERR_NONE; /* nothing depends on it now; the next round tries again */
    }
    return code;
}

void run_report(struct run *r, bool last) {
    int64_t now = clock_monotonic_us();
    if (r->options.progress != NULL && (last || now - r->progress_us >= PROGRESS_EVERY_US)) {
        r->progress_us = now;
        r->summary->duration_us = now - r->started_us;
        r->options.progress(r->options.context, r->summary);
    }
}

/* What other workers do, and what may go on that had stopped. */
static enum err_code look_around(struct run *r, struct err *err) {
    enum err_code code = asks_sources(r) ? workers_look(&r->workers, r->store, err) : ERR_NONE;
    if (code == ERR_UNAVAILABLE) { /* the next turn tells, and tries again */
        code = ERR_NONE;
        err_clear(err);
    }
    return code == ERR_NONE ? limits_look(r, err) : code;
}

enum err_code run_loop(struct run *r, struct err *err) {
    while (!run_should_stop(r) && !r->workers.changed) {
        bool over = false;
        int64_t wait = next_wait(r, &over);
        bool worked = false;
        enum err_code code = look_around(r, err);
        struct package *p = code == ERR_NONE ? limits_next_package(r, 0) : NULL;
        if (code == ERR_NONE && p == NULL) {
            code = background(r, &worked, err);
            if (code == ERR_NONE && !worked && r->options.once && over && sources_ended(r)) {
                return ERR_NONE;
            }
            p = code == ERR_NONE && !worked ? limits_next_package(r, wait) : NULL;
        }
        if (code == ERR_NONE && p != NULL) {
            code = handle(r, p, err);
            worked = true;
        }
        if (code == ERR_NONE && p != NULL && catch_up_is_due(r)) {
            /* In turns with the packages: a source that never rests must not starve it. */
            bool caught_up = false;
            code = background(r, &caught_up, err);
        }
        if (code == ERR_NONE && worked) {
            code = retain(r, err);
        }
        if (code != ERR_NONE) {
            return code;
        }
        run_report(r, false);
    }
    return ERR_NONE;
}

/* One more thing that kept the run from finishing: alone it is the run's error, several are logged
 * and counted. */
static void tell_trouble(const struct run *r, int64_t *count, const struct err *one,
                         struct err *err) {
    if (++*count == 1) {
        *err = *one;
        return;
    }
    if (r->options.once && *count == 2) {
        log_error("trouble", err);
    }
    if (r->options.once) {
        log_error("trouble", one);
    }
}

static void trouble_of(struct store_statement *st, struct err *out) {
    struct str partition = store_column_str(st, 1);
    char *name = mem_strndup(partition.ptr != NULL ? partition.ptr : "", partition.len);
    struct str message = store_column_str(st, 3);
    err_set(out, ERR_UNAVAILABLE, "%.*s", STR_FMT(message));
    struct str place = store_column_str(st, 2);
    err_where(out, "%.*s", STR_FMT(place));
    /* No file is named twice. */
    if (strstr(out->message, out->where) != NULL) {
        err_where(out, "%s", "");
    }
    if (strstr(out->message, name) == NULL && strstr(out->where, name) == NULL) {
        err_wrap(out, "%s", name);
    }
    mem_free(name);
}

static enum err_code read_troubles(struct run *r, int64_t *count, struct err *err) {
    struct store_statement *st = NULL;
    struct err query = ERR_INIT;
    enum err_code code = store_prepare(
        r->store, "SELECT source, partition, place, message FROM _plumb_troubles ORDER BY since_us",
        &st, &query);
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, &query);
        if (code == ERR_NONE && has_row) {
            struct err one = ERR_INIT;
            trouble_of(st, &one);
            r->summary->troubles++;
            tell_trouble(r, count, &one, err);
        }
    }
    store_statement_free(st);
    if (code != ERR_NONE) {
        *err = query;
    }
    return code;
}

/* What stopped at its limit of rejects. */
static void tell_stopped_one(struct run *r, const struct flow_source *source,
                             const struct flow_transform *t, int64_t *count, struct err *err) {
    struct err one = ERR_INIT;
    limits_explain(r->flow, source, t, &one);
    r->summary->stopped++;
    tell_trouble(r, count, &one, err);
}

static void tell_stopped(struct run *r, int64_t *count, struct err *err) {
    for (size_t i = 0; i < r->flow->source_count; i++) {
        if (r->extractors[i].hold.held) {
            tell_stopped_one(r, &r->flow->sources[i], NULL, count, err);
        }
    }
    for (size_t i = 0; i < r->flow->transform_count; i++) {
        if (r->stages[i].hold.held) {
            tell_stopped_one(r, r->flow->transforms[i].source, &r->flow->transforms[i], count, err);
        }
    }
}

/* A flow whose map rejects nearly all is most often a flow with a mistake. */
static enum err_code note_mostly_rejected(struct run *r, struct err *err) {
    struct store_statement *st = NULL;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(
        &sql,
        "SELECT l.transform, sum(l.rejected), sum(l.rows_in), (SELECT r.reason || coalesce(': ' || "
        "r.message, '') FROM _plumb_rejects r WHERE r.batch > ?1 AND r.transform = l.transform "
        "GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1) FROM _plumb_ledger l WHERE l.batch > "
        "?1 GROUP BY 1 HAVING sum(l.rows_in) >= %d AND 2 * sum(l.rejected) > sum(l.rows_in) "
        "ORDER BY 2 DESC, 1 LIMIT 1",
        MOSTLY_ROWS_MIN);
    enum err_code code = store_prepare(r->store, buf_c(&sql), &st, err);
    bool has_row = false;
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, r->batch_before);
        code = store_step(st, &has_row, err);
    }
    if (code == ERR_NONE && has_row) {
        struct run_summary *s = r->summary;
        str_printable(store_column_str(st, 0), s->mostly_rejects, sizeof(s->mostly_rejects));
        str_printable(store_column_str(st, 3), s->mostly_reason, sizeof(s->mostly_reason));
        s->mostly_rejected = store_column_i64(st, 1);
        s->mostly_rows = store_column_i64(st, 2);
    }
    store_statement_free(st);
    return code;
}

/* With once, what kept the run from finishing is the run's error. */
enum err_code run_verdict(struct run *r, struct err *err) {
    int64_t count = 0;
    for (size_t i = 0; i < r->flow->transform_count; i++) {
        if (r->stages[i].attempts > 0) {
            r->summary->failing_stages++;
            tell_trouble(r, &count, &r->stages[i].last, err);
        }
    }
    tell_stopped(r, &count, err);
    enum err_code code = read_troubles(r, &count, err);
    if (code == ERR_NONE) {
        struct err query = ERR_INIT; /* err may hold the run's trouble */
        code = note_mostly_rejected(r, &query);
        *err = code != ERR_NONE ? query : *err;
    }
    if (code == ERR_NONE && count > 1) {
        err_set(err, err->code, "%lld troubles, told above; `plumb status %s` tells them again",
                (long long)count, r->flow->path);
        err_where(err, "%s", "");
    }
    return r->options.once ? err->code : ERR_NONE;
}

void run_close(struct run *r) {
    channel_stop(&r->channel);
    for (size_t i = 0; i < r->flow->source_count; i++) {
        if (r->extractors[i].source != NULL) {
            extractor_stop(&r->extractors[i]);
        }
        decoder_free(r->decoders[i]);
    }
    workers_release(&r->workers);
    plan_close(r->plan);
    store_close(r->store);
    channel_release(&r->channel);
    batch_release(&r->batch);
    undo_release(&r->undo);
    arena_release(&r->arena);
    arena_release(&r->turn_arena);
    arena_release(&r->source_arena);
    mem_free(r->stages);
    mem_free(r->extractors);
    mem_free(r->decoders);
}

void run_init(struct run *r, const struct flow *flow, const struct run_options *options,
              struct run_summary *summary) {
    *summary = (struct run_summary){.first_commit_us = -1};
    *r = (struct run){
        .flow = flow, .options = *options, .summary = summary, .started_us = clock_monotonic_us()};
    r->stages = mem_alloc_array(flow->transform_count + 1, sizeof(*r->stages));
    r->extractors = mem_alloc_array(flow->source_count + 1, sizeof(*r->extractors));
    r->decoders = mem_alloc_array(flow->source_count + 1, sizeof(struct decoder *));
    r->options.once = options->once || options->staged;
    channel_init(&r->channel);
    batch_init(&r->batch);
    undo_init(&r->undo);
    arena_init(&r->arena, CATCH_UP_ARENA_BYTES_MAX);
    arena_init(&r->turn_arena, TURN_ARENA_BYTES_MAX);
    arena_init(&r->source_arena, TURN_ARENA_BYTES_MAX);
}

/* Keys that failed are tried again by a run that begins. Where their number has a limit that comes
 * first, and alone: with what sources bring, a derive that had stopped would take that in as well. */
static enum err_code try_failed_keys(struct run *r, struct err *err) {
    bool worked = false;
    for (size_t i = 0; i < r->flow->transform_count; i++) {
        const struct flow_transform *t = &r->flow->transforms[i];
        if (t->kind == TRANSFORM_DERIVE && t->rejects.max > 0) {
            return background(r, &worked, err);
        }
    }
    return ERR_NONE;
}

/* A run that ends by itself did not read them: that is no mistake, but not nothing either. */
static void tell_left(const struct run *r) {
    for (size_t i = 0; i < r->flow->source_count; i++) {
        if (r->options.once && asks_sources(r) && !r->workers.held[i]) {
            log_warn("workers", "flow=%s source=%s is left to another worker, which reads it now",
                     r->flow->name, r->flow->sources[i].name);
        }
    }
}

/* Until it ends, or what is ours to do has changed. */
static enum err_code run_share(struct run *r, const char *name, struct err *err) {
    enum err_code code = run_open(r, err);
    if (code == ERR_NONE) {
        code = try_failed_keys(r, err);
    }
    if (code == ERR_NONE && asks_sources(r)) {
        code = workers_begin(&r->workers, r->store, r->flow, name, err);
    }
    if (code == ERR_NONE) {
        code = open_sources(r, err);
    }
    if (code == ERR_NONE) {
        code = run_loop(r, err);
    }
    if (code == ERR_CONFLICT && r->outrun && r->workers.name[0] != '\0') {
        log_info("workers", "flow=%s another worker went on with a source of ours: beginning again",
                 r->flow->name);
        err_clear(err);
        r->workers.changed = true;
        code = ERR_NONE;
    }
    return code;
}

/* A server that is away comes back; who starts with it does not give up before it. */
static bool waits_for_server(const struct run *r, enum err_code code) {
    return code == ERR_UNAVAILABLE && !r->options.once && store_is_remote(r->flow);
}

enum err_code engine_run(const struct flow *flow, const struct run_options *options,
                         struct run_summary *summary, struct err *err) {
    struct run r;
    enum err_code code = ERR_NONE;
    *summary = (struct run_summary){.first_commit_us = -1};
    const int64_t started_us = clock_monotonic_us();
    int64_t attempts = 0;
    char name[WORKER_NAME_BYTES];
    workers_name(name);
    for (bool again = true; again;) {
        const struct run_summary so_far = *summary;
        err_clear(err);
        run_init(&r, flow, options, summary);
        *summary = so_far;
        r.started_us = started_us;
        code = run_share(&r, name, err);
        again = code == ERR_NONE && r.workers.changed && !run_should_stop(&r);
        if (waits_for_server(&r, code)) {
            log_error("store", err);
            attempts = r.summary->turns > so_far.turns ? 1 : attempts + 1;
            again = turn_may_retry(&r, attempts);
            code = again ? ERR_NONE : code;
        }
        if (code == ERR_NONE && !again) {
            tell_left(&r);
            code = run_verdict(&r, err);
        }
        run_report(&r, !again);
        summary->duration_us = clock_monotonic_us() - started_us;
        if (!again) {
            workers_leave(&r.workers, r.store);
        }
        run_close(&r);
    }
    return code;
}
