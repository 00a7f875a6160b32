/* `plumb rejects replay`: what the transforms with rejects make, made anew.
 *
 * A single late record cannot simply be applied: a later record of the same key may have been applied
 * since, and would be overwritten. So the transforms that have rejects are rebuilt with all below
 * them, and every record comes in its own place. A reject of decoding belongs to every map of its
 * source. */
#include <inttypes.h>

#include "cli/queues.h"
#include "cli/rejects.h"
#include "cli/replay.h"

struct mending {
    struct rejects_filter filter;
    int64_t before, after; /* rejects and failed keys that the filter means */
    const char **names;    /* [flow->transform_count] */
    size_t count;
    struct run_summary summary;
    struct swap_report report;
};

static void mending_release(struct mending *m) {
    mem_free(m->names);
    swap_report_release(&m->report);
}

static enum err_code count_of(const struct opened *o, const struct rejects_filter *f,
                              const struct flow_transform *t, int64_t *out, struct err *err) {
    struct store_statement *st = NULL;
    *out = 0;
    enum err_code code = store_prepare(
        o->store,
        "SELECT count(*) FROM _plumb_rejects r JOIN _plumb_batches b ON b.id = r.batch JOIN "
        "_plumb_partitions p ON p.id = b.partition WHERE r.taken_back_by IS NULL AND "
        "r.discarded_us IS NULL AND (CAST(?1 AS TEXT) IS NULL "
        "OR r.reason = ?1) AND (CAST(?2 AS TEXT) IS NULL OR r.transform = ?2) AND (CAST(?3 AS "
        "TEXT) IS NULL OR r.transform = "
        "?3 OR (r.transform = '' AND p.source = ?4)) AND (CAST(?5 AS TEXT) IS NULL OR p.source = "
        "?5)",
        &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    const char *const texts[] = {f->reason, f->transform, t != NULL ? t->name : NULL,
                                 t != NULL && t->source != NULL ? t->source->name : NULL,
                                 f->source};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        if (texts[i] != NULL) {
            store_bind_str(st, (int)i + 1, str_of(texts[i]));
        } else {
            store_bind_null(st, (int)i + 1);
        }
    }
    bool found = false;
    code = store_step(st, &found, err);
    *out = code == ERR_NONE && found ? store_column_i64(st, 0) : 0;
    store_statement_free(st);
    return code;
}

/* Keys on which a derive failed are listed with the rejects, and mended like them. */
static enum err_code failed_of(const struct opened *o, const struct rejects_filter *f,
                               const struct flow_transform *t, int64_t *out, struct err *err) {
    struct queue_state queue = {0};
    const bool meant = f->reason == NULL && f->source == NULL &&
                       (f->transform == NULL || str_equal_c(str_of(t->name), f->transform));
    enum err_code code = meant ? queue_state_get(o, t, &queue, err) : ERR_NONE;
    *out = queue.failed;
    return code;
}

static enum err_code count_all(const struct opened *o, struct mending *m, int64_t *total,
                               struct err *err) {
    enum err_code code = count_of(o, &m->filter, NULL, total, err);
    for (size_t i = 0; code == ERR_NONE && i < o->flow->transform_count; i++) {
        int64_t failed = 0;
        code = failed_of(o, &m->filter, &o->flow->transforms[i], &failed, err);
        *total += failed;
    }
    return code;
}

static enum err_code choose(const struct opened *o, struct mending *m, struct err *err) {
    enum err_code code = count_all(o, m, &m->before, err);
    m->names = mem_alloc_array(o->flow->transform_count + 1, sizeof(*m->names));
    for (size_t i = 0; code == ERR_NONE && i < o->flow->transform_count; i++) {
        const struct flow_transform *t = &o->flow->transforms[i];
        int64_t rejected = 0;
        int64_t failed = 0;
        code = count_of(o, &m->filter, t, &rejected, err);
        if (code == ERR_NONE) {
            code = failed_of(o, &m->filter, t, &failed, err);
        }
        if (code == ERR_NONE && rejected + failed > 0) {
            m->names[m->count++] = t->name;
        }
    }
    return code;
}

static int print_json(const struct flow *flow, const struct mending *m) {
    struct json_output o;
    json_output_begin(&o);
    json_begin_object(&o.json);
    json_kv_c(&o.json, "flow", flow->name);
    json_kv_i64(&o.json, "rejects_before", m->before);
    json_kv_i64(&o.json, "rejects_left", m->after);
    json_key(&o.json, "replayed");
    json_begin_array(&o.json);
    for (size_t i = 0; i < m->count; i++) {
        json_c(&o.json, m->names[i]);
    }
    json_end_array(&o.json);
    json_kv_i64(&o.json, "replayed_batches", m->summary.replayed_batches);
    json_kv_i64(&o.json, "duration_us", m->summary.duration_us);
    replay_write_tables(&o.json, &m->report);
    json_end_object(&o.json);
    return json_output_end(&o, EXIT_DONE);
}

static int print_text(const struct flow *flow, const char *path, const struct mending *m) {
    AUTO_OUTPUT o;
    output_init(&o);
    if (m->count == 0) {
        output_add(&o, "Nothing to replay.\n");
        return output_flush(&o, EXIT_DONE);
    }
    char before[OUTPUT_NUMBER_BYTES];
    char after[OUTPUT_NUMBER_BYTES];
    output_number(m->before, before);
    output_number(m->after, after);
    output_styled(&o, STYLE_STRONG, "%s", flow->name);
    output_add(&o, ": %s rejected, ", before);
    output_styled(&o, m->after > 0 ? STYLE_WARN : STYLE_GOOD, "%s left\n", after);
    replay_show_tables(&o, &m->report);
    if (m->after > 0) {
        output_add(&o, "  'plumb rejects ");
        output_data(&o, str_of(path));
        output_add(&o, "' shows what and why\n");
    }
    return output_flush(&o, EXIT_DONE);
}

/* The store is opened for reading before and after: the replay itself takes its lock. */
static enum err_code count_left(const struct invocation *call, const char *path, struct mending *m,
                                struct err *err) {
    AUTO_OPENED after = {.flow = NULL};
    enum err_code code = opened_open(&after, call, path, STORE_READ, err);
    return code == ERR_NONE ? count_all(&after, m, &m->after, err) : code;
}

int rejects_replay_run(const struct invocation *call, const char *path) {
    struct err err = ERR_INIT;
    CLEANUP(mending_release)
    struct mending m = {.filter = {.source = invocation_option(call, "source"),
                                   .reason = invocation_option(call, "reason"),
                                   .transform = invocation_option(call, "transform")}};
    AUTO_OPENED opened = {.flow = NULL};
    if (opened_open(&opened, call, path, STORE_READ, &err) != ERR_NONE) {
        return command_failed(&err);
    }
    if (rejects_filter_check(&opened, &m.filter, &err) != ERR_NONE) {
        return command_misused(call, &err);
    }
    const bool json = invocation_has(call, "json");
    enum err_code code = choose(&opened, &m, &err);
    store_rollback(opened.store);
    store_close(opened.store);
    opened.store = NULL;
    m.after = m.before;
    if (code == ERR_NONE && m.count > 0) {
        code = replay_make(opened.flow, m.names, m.count, &(struct replay_how){.quiet = json},
                           &m.summary, &m.report, &err);
        if (code == ERR_NONE) {
            code = count_left(call, path, &m, &err);
        }
    }
    if (code != ERR_NONE) {
        return command_failed(&err);
    }
    return json ? print_json(opened.flow, &m) : print_text(opened.flow, path, &m);
}
