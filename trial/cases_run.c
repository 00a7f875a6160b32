/* How it works: a test's records are staged in a new scratch store, its rows put into their tables,
 * and the engine runs over what is staged, with only the transform at hand if the test is of one.
 * What the tables then hold is walked together with what the test expects. Decoding alone needs no
 * store: the source's decoder is asked. */
#include <string.h>

#include "base/clock.h"
#include "trial/cases_internal.h"

#define PARTITION "tests"

static const char *column_text(const struct running *x, struct store_statement *st, int column) {
    const struct str text = store_column_str(st, column);
    return arena_strndup(x->arena, text.ptr != NULL ? text.ptr : "", text.len);
}

static enum err_code read_groups(const struct running *x, struct store *store,
                                 struct reject_groups *groups, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        store,
        "SELECT p.source, r.transform, r.reason, coalesce(r.column_name, ''), min(r.message), "
        "count(*) FROM _plumb_rejects r JOIN _plumb_batches b ON b.id = r.batch JOIN "
        "_plumb_partitions p ON p.id = b.partition GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        &st, err);
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            struct reject_group g = {.source = column_text(x, st, 0),
                                     .transform = column_text(x, st, 1),
                                     .reason = column_text(x, st, 2),
                                     .column = column_text(x, st, 3),
                                     .message = column_text(x, st, 4)};
            g.count = store_column_i64(st, 5);
            case_groups_add(groups, g);
        }
    }
    store_statement_free(st);
    return code;
}

/* ---- given ---- */

static bool is_sum_target(const struct flow *flow, const struct flow_table *t) {
    for (size_t i = 0; i < flow->transform_count; i++) {
        if (flow->transforms[i].kind == TRANSFORM_SUM && flow->transforms[i].into == t) {
            return true;
        }
    }
    return false;
}

static void insert_rows(const struct flow *flow, const struct case_rows *rows, struct buf *sql) {
    const struct flow_table *t = rows->table;
    for (size_t r = 0; r < rows->count; r++) {
        buf_addf(sql, "INSERT INTO \"%s\"(", t->name);
        for (size_t i = 0; i < t->schema.count; i++) {
            buf_addf(sql, "%s\"%s\"", i > 0 ? ", " : "", t->schema.columns[i].name);
        }
        buf_adds(sql, t->key_auto ? ", \"_partition\", \"_record\"" : "");
        buf_adds(sql, is_sum_target(flow, t) ? ", \"_n\"" : "");
        buf_adds(sql, ") VALUES (");
        for (size_t i = 0; i < t->schema.count; i++) {
            const struct str value = rows->rows[r].sql[i];
            buf_addf(sql, "%s%s", i > 0 ? ", " : "", value.ptr != NULL ? value.ptr : "NULL");
        }
        if (t->key_auto) {
            buf_addf(sql, ", 0, %zu", r);
        }
        buf_adds(sql, is_sum_target(flow, t) ? ", 1" : "");
        buf_adds(sql, ");\n");
    }
}

static enum err_code add_batch(const struct flow_source *source, const struct node *n,
                               struct sample *sample, struct err *err) {
    const struct node *meta = n->kind == NODE_MAP ? node_get(n, "meta") : NULL;
    const struct node *text = n->kind == NODE_MAP ? node_get(n, "text") : n;
    const enum err_code code =
        sample_add_text(sample, source, PARTITION,
                        meta != NULL ? meta->text : (struct str){.len = 0}, text->text, err);
    if (code != ERR_NONE) {
        err_where(err, "%s:%d:%d", text->file, text->line, text->column);
    }
    return code;
}

static enum err_code add_records(const struct running *x, struct sample *sample, struct err *err) {
    for (size_t i = 0; i < x->test->records_count; i++) {
        const struct case_records *records = &x->test->records[i];
        const struct node *n = records->batches;
        for (const struct node *batch = n->kind == NODE_LIST ? n->first : n; batch != NULL;
             batch = n->kind == NODE_LIST ? batch->next : NULL) {
            const enum err_code code = add_batch(records->source, batch, sample, err);
            if (code != ERR_NONE) {
                return code;
            }
        }
    }
    return ERR_NONE;
}

/* ---- the run ---- */

static enum err_code read_failed_keys(struct running *x, struct store *store, struct err *err) {
    const struct flow *flow = &x->run->scratch.flow;
    for (size_t i = 0; i < flow->transform_count; i++) {
        if (flow->transforms[i].kind != TRANSFORM_DERIVE) {
            continue;
        }
        AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
        struct store_statement *st = NULL;
        bool has_row = false;
        buf_addf(&sql, "SELECT \"_error\" FROM \"_plumb_q_%s\" WHERE \"_failed\" = 1 LIMIT 1",
                 flow->transforms[i].name);
        enum err_code code = store_prepare(store, buf_c(&sql), &st, err);
        if (code == ERR_NONE) {
            code = store_step(st, &has_row, err);
        }
        if (code == ERR_NONE && has_row) {
            buf_addf(&x->trouble, "%stransform '%s' fails on a key: %s",
                     x->trouble.len > 0 ? "; " : "", flow->transforms[i].name,
                     column_text(x, st, 0));
        }
        store_statement_free(st);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

static void compare_trouble(struct running *x) {
    const char *wanted = x->test->error;
    const char *got = x->trouble.len > 0 ? buf_c(&x->trouble) : NULL;
    if (wanted != NULL && (got == NULL || strstr(got, wanted) == NULL)) {
        struct failure *f = case_fail(x, node_get(x->test->node, "error")->line,
                                      "error: not the one that is expected");
        case_add_cell(f, "error", wanted,
                      got != NULL ? arena_strdup(x->arena, got) : "everything worked");
    } else if (wanted == NULL && got != NULL) {
        (void)case_fail(x, x->test->node->key_line,
                        arena_printf(x->arena, "the run fails: %s", got));
    }
}

/* Which transforms gave rows, and whose tables the test looks at. */
static enum err_code cover(const struct running *x, struct store *store, struct err *err) {
    const struct flow *flow = &x->run->scratch.flow;
    for (size_t i = 0; i < flow->transform_count; i++) {
        const struct flow_transform *t = &flow->transforms[i];
        const struct flow_transform *own = flow_find_transform(x->run->flow, t->name);
        struct covered *c = &x->run->covered[own - x->run->flow->transforms];
        AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
        int64_t rows = 0;
        bool found = false;
        buf_addf(&sql,
                 t->kind == TRANSFORM_MAP
                     ? "SELECT coalesce(sum(rows_out), 0) FROM _plumb_ledger WHERE transform = '%s'"
                     : "SELECT count(*) FROM \"%s\"",
                 t->kind == TRANSFORM_MAP ? t->name : t->into->name);
        const enum err_code code = store_get_i64(store, buf_c(&sql), &rows, &found, err);
        if (code != ERR_NONE) {
            return code;
        }
        c->tests += rows > 0;
        c->rows += rows;
        for (size_t k = 0; k < x->test->expect_count; k++) {
            c->looked_at += x->test->expect[k].table == t->into;
        }
    }
    return ERR_NONE;
}

static enum err_code look(struct running *x, struct err *err) {
    struct store *store = NULL;
    CLEANUP(case_groups_release) struct reject_groups groups = {.count = 0};
    enum err_code code = store_open(&x->run->scratch.flow, STORE_READ, &store, err);
    for (size_t i = 0; code == ERR_NONE && i < x->test->expect_count; i++) {
        const struct case_rows *rows = &x->test->expect[i];
        AUTO_CELLS got;
        cells_init(&got, rows->schema, rows->table->key, rows->table->key_count, x->arena);
        code = cells_read(&got, store, rows->table, err);
        if (code == ERR_NONE) {
            cells_sort(&got);
            case_compare(x, rows, &got);
        }
    }
    if (code == ERR_NONE) {
        code = read_groups(x, store, &groups, err);
    }
    if (code == ERR_NONE) {
        case_compare_rejects(x, &groups);
        code = read_failed_keys(x, store, err);
    }
    if (code == ERR_NONE) {
        code = cover(x, store, err);
    }
    store_close(store);
    return code;
}

/* The flow as the test wants it: whole, or one transform. */
static void narrow(struct running *x, struct flow_transform *alone) {
    struct flow *flow = &x->run->scratch.flow;
    flow->transforms = x->run->flow->transforms;
    flow->transform_count = x->run->flow->transform_count;
    if (x->test->transform != NULL) {
        *alone = *x->test->transform;
        flow->transforms = alone;
        flow->transform_count = 1;
    }
}

/* The same once more with SQL that counts, which way it went; what comes of it was looked at above. */
static enum err_code run_counting(struct running *x, const struct sample *sample,
                                  const struct deliveries *d, struct err *err) {
    struct scratch *s = &x->run->scratch;
    struct cover *cover = &x->run->cover;
    if (cover->count == 0) {
        return ERR_NONE;
    }
    s->flow.transforms = cover->marked;
    if (x->test->transform != NULL) {
        s->flow.transforms += x->test->transform - x->run->flow->transforms;
        s->flow.transform_count = 1;
    }
    s->flow.ways = cover->counts;
    s->flow.way_count = cover->count;
    scratch_use(s, "counting");
    scratch_clear(s);
    struct err why = ERR_INIT;
    enum err_code code = scratch_stage(s, sample, d, &why);
    const struct scratch_run each = {.turn_rows = 1};
    if (code == ERR_NONE) {
        code = scratch_run(s, &each, NULL, &why);
    }
    s->flow.ways = NULL;
    s->flow.way_count = 0;
    s->flow.transforms = x->run->flow->transforms;
    s->flow.transform_count = x->run->flow->transform_count;
    if (code == ERR_CANCELLED) {
        *err = why;
        return code;
    }
    return ERR_NONE;
}

static enum err_code run_store(struct running *x, struct err *err) {
    struct scratch *s = &x->run->scratch;
    struct flow_transform alone;
    narrow(x, &alone);
    scratch_use(s, "test");
    scratch_clear(s);
    CLEANUP(sample_release) struct sample sample;
    AUTO_DELIVERIES d = {.count = 0};
    sample_init(&sample);
    enum err_code code = add_records(x, &sample, err);
    for (size_t i = 0; i < x->test->given_count; i++) {
        insert_rows(&s->flow, &x->test->given[i], &sample.references);
    }
    for (size_t i = 0; i < sample.count; i++) {
        deliveries_add(&d, &sample.batches[i], 0, sample.batches[i].count);
    }
    if (code == ERR_NONE) {
        code = scratch_stage(s, &sample, &d, err);
        if (code == ERR_INPUT) { /* a given row that the table does not take */
            (void)case_fail(x, x->test->node->key_line, arena_strdup(x->arena, err->message));
            err_clear(err);
            return ERR_NONE;
        }
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct err why = ERR_INIT;
    const struct scratch_run each = {.turn_rows = 1};
    code = scratch_run(s, &each, NULL, &why);
    if (code == ERR_CANCELLED) {
        *err = why;
        return code;
    }
    if (code != ERR_NONE) {
        buf_adds(&x->trouble, why.message);
    }
    code = why.code == ERR_CONFIG ? ERR_NONE : look(x, err); /* nothing ran: nothing to look at */
    compare_trouble(x);
    s->flow.transforms = x->run->flow->transforms;
    s->flow.transform_count = x->run->flow->transform_count;
    return code == ERR_NONE ? run_counting(x, &sample, &d, err) : code;
}

/* ---- decoding alone ---- */

static const char *reason_name(enum reject_reason reason) {
    static const char *const names[] = {
#define X(name, text) text,
        REJECT_REASONS(X)
#undef X
    };
    return names[reason];
}

static enum err_code decode_batch(struct running *x, struct decoder *decoder,
                                  const struct sample_batch *b, struct decoded *out,
                                  struct batch *raw, struct err *err) {
    enum err_code code = batch_begin(raw, b->meta, err);
    for (size_t i = 0; code == ERR_NONE && i < b->count; i++) {
        code = batch_add(raw, b->records[i].bytes, b->records[i].kind, err);
    }
    if (code == ERR_NONE) {
        code = batch_seal(raw, 1, err);
    }
    return code == ERR_NONE ? decoder_run(decoder, raw, x->arena, out, err) : code;
}

static enum err_code collect(struct running *x, const struct decoded *decoded,
                             struct cell_table *tables, struct reject_groups *groups,
                             struct err *err) {
    for (size_t i = 0; i < x->test->decode->stream_count; i++) {
        const enum err_code code = cells_add_rows(&tables[i], &decoded->streams[i], err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    for (size_t i = 0; i < decoded->rejects.count; i++) {
        const struct reject *r = &decoded->rejects.items[i];
        case_groups_add(groups, (struct reject_group){.source = x->test->decode->name,
                                                      .transform = "",
                                                      .reason = reason_name(r->reason),
                                                      .column = r->column != NULL ? r->column : "",
                                                      .message = arena_strndup(
                                                          x->arena, r->message.ptr, r->message.len),
                                                      .count = 1});
    }
    return ERR_NONE;
}

static enum err_code run_decode(struct running *x, struct err *err) {
    const struct flow_source *source = x->test->decode;
    CLEANUP(sample_release) struct sample sample;
    CLEANUP(case_groups_release) struct reject_groups groups = {.count = 0};
    CLEANUP(batch_release) struct batch raw;
    struct cell_table *tables = mem_alloc_array(source->stream_count + 1, sizeof *tables);
    struct decoder *decoder = NULL;
    batch_init(&raw);
    sample_init(&sample);
    for (size_t i = 0; i < source->stream_count; i++) {
        cells_init(&tables[i], &source->streams[i].spec->schema, NULL, 0, x->arena);
    }
    enum err_code code = add_records(x, &sample, err);
    if (code == ERR_NONE) {
        code = flow_decoder(source, &decoder, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < sample.count; i++) {
        struct decoded decoded;
        code = decode_batch(x, decoder, &sample.batches[i], &decoded, &raw, err);
        if (code == ERR_NONE) {
            code = collect(x, &decoded, tables, &groups, err);
        }
    }
    if (code == ERR_NONE) {
        for (size_t i = 0; i < x->test->expect_count; i++) {
            case_compare(x, &x->test->expect[i], &tables[x->test->expect[i].stream->index]);
        }
        case_compare_rejects(x, &groups);
        compare_trouble(x);
    }
    decoder_free(decoder);
    for (size_t i = 0; i < source->stream_count; i++) {
        cells_release(&tables[i]);
    }
    mem_free(tables);
    return code;
}

/* ---- one test ---- */

enum err_code case_run_open(struct case_run *r, const struct flow *flow, struct arena *arena,
                            struct err *err) {
    *r = (struct case_run){.flow = flow, .arena = arena};
    r->covered = mem_alloc_array(flow->transform_count + 1, sizeof *r->covered);
    cover_open(&r->cover, flow, arena);
    return scratch_open(&r->scratch, flow, err);
}

void case_run_close(struct case_run *r) {
    scratch_close(&r->scratch);
    cover_close(&r->cover);
    mem_free(r->covered);
    r->covered = NULL;
}

static int64_t test_now(void *context) {
    const int64_t *us = context;
    return *us;
}

enum err_code case_run_one(struct case_run *r, const struct test_case *test,
                           struct case_result *out, struct err *err) {
    *out = (struct case_result){.test = test};
    int64_t at = test->at_us;
    const int64_t started = clock_monotonic_us();
    const struct clock_source fixed = {.now_us = test_now, .context = &at};
    struct running x = {.run = r, .test = test, .result = out, .arena = r->arena};
    buf_init(&x.trouble, BUF_TEXT_MAX);
    if (test->has_at) {
        clock_install(&fixed);
    }
    enum err_code code = test->decode != NULL ? run_decode(&x, err) : run_store(&x, err);
    if (test->has_at) {
        clock_install(NULL);
    }
    buf_release(&x.trouble);
    out->duration_us = clock_monotonic_us() - started;
    return code != ERR_NONE ? err_wrap(err, "test '%s'", test->name) : ERR_NONE;
}

void case_result_release(struct case_result *r) {
    mem_free(r->failures);
    r->failures = NULL;
    r->failure_count = 0;
}
