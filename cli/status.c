/* `plumb status`: how far everything is, as the store tells it. Nothing is asked of the process
 * that runs the flow, so a dead one cannot say it is well. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/alerts.h"
#include "cli/commands.h"
#include "cli/database.h"
#include "cli/limits.h"
#include "cli/queues.h"
#include "cli/status.h"

#define WATCH_US       INT64_C(2000000)
#define PARTITIONS_MAX 20 /* shown; --json has all */
#define EVENTS_MAX     10

static const struct command_option options[] = {
    {"json", NULL, "As JSON, with everything."},
    {"watch", NULL, "Show it again every two seconds until interrupted."},
    {NULL, NULL, NULL}};

static const struct fact_column source_columns[] = {
    {"source", "source", FACT_TEXT},        {"type", "type", FACT_TEXT},
    {"partitions", "parts", FACT_COUNT},    {"batches", "batches", FACT_COUNT},
    {"records", "records", FACT_COUNT},     {"decoded", "decoded", FACT_COUNT},
    {"rejected", "rejected", FACT_COUNT},   {"raw_bytes", "raw", FACT_BYTES},
    {"kept_bytes", "kept", FACT_BYTES},     {"batches_behind", "behind", FACT_COUNT},
    {"last_batch", "last batch", FACT_TIME}};

static const struct fact_column partition_columns[] = {
    {"source", "source", FACT_TEXT},      {"partition", "partition", FACT_TEXT},
    {"batches", "batches", FACT_COUNT},   {"records", "records", FACT_COUNT},
    {"rejected", "rejected", FACT_COUNT}, {"batches_behind", "behind", FACT_COUNT},
    {"records_behind", NULL, FACT_COUNT}, {"cursor", NULL, FACT_TEXT},
    {"updated", "moved", FACT_TIME}};

static const struct fact_column mark_columns[] = {
    {"transform", "transform", FACT_TEXT}, {"source", "source", FACT_TEXT},
    {"partition", "partition", FACT_TEXT}, {"batch", "batch", FACT_COUNT},
    {"last_batch", "of", FACT_COUNT},      {"updated", "moved", FACT_TIME}};

static const struct fact_column transform_columns[] = {
    {"transform", "transform", FACT_TEXT}, {"kind", "kind", FACT_TEXT},
    {"into", "table", FACT_TEXT},          {"rows", "rows", FACT_COUNT},
    {"rejected", "rejected", FACT_COUNT},  {"batches_behind", "behind", FACT_COUNT},
    {"waiting", "queued", FACT_COUNT},     {"failed_keys", "failed", FACT_COUNT},
    {"attempts", NULL, FACT_COUNT},        {"since", NULL, FACT_TIME},
    {"message", NULL, FACT_TEXT},          {"state", "state", FACT_TEXT}};

static const struct fact_column reject_columns[] = {{"source", "source", FACT_TEXT},
                                                    {"transform", "transform", FACT_TEXT},
                                                    {"reason", "reason", FACT_TEXT},
                                                    {"rows", "rows", FACT_COUNT},
                                                    {"newest", "newest", FACT_TIME}};

static const struct fact_column trouble_columns[] = {
    {"source", "source", FACT_TEXT}, {"partition", "partition", FACT_TEXT},
    {"class", "class", FACT_TEXT},   {"attempts", "attempts", FACT_COUNT},
    {"since", "since", FACT_TIME},   {"last", NULL, FACT_TIME},
    {"where", NULL, FACT_TEXT},      {"message", "message", FACT_TEXT}};

static const struct fact_column event_columns[] = {
    {"source", "source", FACT_TEXT}, {"event", "event", FACT_TEXT},
    {"path", "field", FACT_TEXT},    {"at", "when", FACT_TIME},
    {"batch", NULL, FACT_COUNT},     {"detail", "detail", FACT_TEXT}};

static const struct fact_column coverage_columns[] = {
    {"source", "source", FACT_TEXT},    {"partition", "partition", FACT_TEXT},
    {"low", "from", FACT_PLACE},        {"high", "to", FACT_PLACE},
    {"records", "records", FACT_COUNT}, {"gaps", "gaps", FACT_COUNT},
    {"missing", "missing", FACT_COUNT}, {"how", "checked by", FACT_TEXT},
    {"origin", "last from", FACT_TEXT}, {"updated", "moved", FACT_TIME}};

/* Everything status knows, in the order it is shown. */
struct status {
    struct facts sources, partitions, marks, transforms, rejects, troubles, events, failed,
        coverage, limits, checks, database;
    struct buf learned; /* what sources say of themselves: a JSON array */
};

#define STATUS_INIT                                                                                \
    {                                                                                              \
        FACTS_INIT(source_columns), FACTS_INIT(partition_columns), FACTS_INIT(mark_columns),       \
            FACTS_INIT(transform_columns), FACTS_INIT(reject_columns),                             \
            FACTS_INIT(trouble_columns), FACTS_INIT(event_columns),                                \
            FACTS_INIT(queue_failed_columns), FACTS_INIT(coverage_columns),                        \
            FACTS_INIT(limit_columns), FACTS_INIT(alerts_check_columns),                           \
            FACTS_INIT(database_columns), BUF_INIT(BUF_TEXT_MAX)                                   \
    }

static void status_release(struct status *s) {
    facts_release(&s->sources);
    facts_release(&s->partitions);
    facts_release(&s->marks);
    facts_release(&s->transforms);
    facts_release(&s->rejects);
    facts_release(&s->troubles);
    facts_release(&s->events);
    facts_release(&s->failed);
    facts_release(&s->coverage);
    facts_release(&s->limits);
    facts_release(&s->checks);
    facts_release(&s->database);
    buf_release(&s->learned);
}

/* Common table expression `slow`: each partition of the source with the mark of its slowest map. */
static void slow_sql(const struct opened *o, const struct flow_source *source, struct buf *sql) {
    const struct flow *flow = o->flow;
    buf_addf(sql, "WITH slow AS (SELECT p.id, %s(p.last_seq, p.last_seq", store_least(o->store));
    for (size_t i = 0; i < flow->transform_count; i++) {
        if (flow->transforms[i].source == source) {
            buf_addf(sql,
                     ", coalesce((SELECT m.seq FROM _plumb_marks m WHERE m.transform = '%s' AND "
                     "m.partition = p.id), 0)",
                     flow->transforms[i].name);
        }
    }
    buf_addf(sql, ") AS seq FROM _plumb_partitions p WHERE p.source = '%s') ", source->name);
}

static enum err_code query_source(const struct opened *o, const struct flow_source *source,
                                  const char *rest, struct facts *out, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    slow_sql(o, source, &sql);
    buf_adds(&sql, rest);
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(o->store, buf_c(&sql), &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(source->name));
        store_bind_str(st, 2, str_of(source->component->name));
        code = facts_from(out, st, err);
    }
    store_statement_free(st);
    return code;
}

static enum err_code collect_sources(const struct opened *o, struct status *s, struct err *err) {
    static const char of_source[] =
        "SELECT ?1, ?2, (SELECT count(*) FROM slow), count(b.id), coalesce(sum(b.records), 0), "
        "coalesce(sum(b.decoded), 0), coalesce(sum(b.rejected), 0), coalesce(sum(b.raw_bytes), 0), "
        "(SELECT coalesce(sum(length(f.frame)), 0) FROM _plumb_frames f JOIN _plumb_batches k ON "
        "k.id = f.batch JOIN slow ON slow.id = k.partition), count(*) FILTER (WHERE b.seq > "
        "slow.seq), "
        "max(b.staged_us) FROM slow JOIN _plumb_batches b ON b.partition = slow.id";
    static const char of_partitions[] =
        "SELECT p.source, p.name, p.last_seq, p.records, coalesce(sum(b.rejected), 0), "
        "p.last_seq - slow.seq, coalesce(sum(iif(b.seq > slow.seq, b.records, 0)), 0), p.cursor, "
        "p.updated_us FROM slow JOIN _plumb_partitions p ON p.id = slow.id LEFT JOIN "
        "_plumb_batches b ON b.partition = p.id GROUP BY p.id, slow.seq ORDER BY "
        "p.updated_us DESC, p.id DESC";
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < o->flow->source_count; i++) {
        code = query_source(o, &o->flow->sources[i], of_source, &s->sources, err);
        if (code == ERR_NONE) {
            code = query_source(o, &o->flow->sources[i], of_partitions, &s->partitions, err);
        }
    }
    return code;
}

/* Batches a map has not applied, over all partitions of its source. */
static enum err_code map_behind(const struct opened *o, const struct flow_transform *t,
                                int64_t *out, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql,
             "SELECT coalesce(sum(p.last_seq - coalesce(m.seq, 0)), 0) FROM _plumb_partitions p "
             "LEFT JOIN _plumb_marks m ON m.partition = p.id AND m.transform = '%s' "
             "WHERE p.source = '%s'",
             t->name, t->source->name);
    bool found = false;
    return store_get_i64(o->store, buf_c(&sql), out, &found, err);
}

static enum err_code rejected_by(const struct opened *o, const struct flow_transform *t,
                                 int64_t *out, struct err *err) {
    char *where = mem_printf(
        " WHERE transform = '%s' AND taken_back_by IS NULL AND discarded_us IS NULL", t->name);
    enum err_code code = opened_count(o, "_plumb_rejects", where, out, err);
    mem_free(where);
    return code;
}

static const char *const kinds[] = {
    [TRANSFORM_MAP] = "map", [TRANSFORM_SUM] = "sum", [TRANSFORM_DERIVE] = "derive"};

/* True when the store's rows were made by another definition than the flow now has: `run` refuses
 * such a transform. */
static bool is_changed(const struct flow_transform *t, struct store_statement *st) {
    uint8_t definition[16];
    hash128_to_bytes(t->definition, definition);
    return !str_equal(store_column_str(st, 3),
                      (struct str){(const char *)definition, sizeof(definition)});
}

static enum err_code is_stopped(const struct opened *o, const struct flow_transform *t, bool *out,
                                struct err *err) {
    int64_t open = 0;
    enum err_code code =
        t->rejects.max > 0 ? limits_count_open(o, t->source, t, &open, err) : ERR_NONE;
    *out = code == ERR_NONE && t->rejects.max > 0 && open >= t->rejects.max;
    return code;
}

/* One word for a transform that does not fail; st is at what the store knows of it, or NULL. */
static enum err_code add_word(const struct opened *o, const struct flow_transform *t,
                              struct store_statement *st, struct facts *out, bool failed,
                              struct err *err) {
    const bool changed = st != NULL && is_changed(t, st);
    bool stopped = false;
    enum err_code code = is_stopped(o, t, &stopped, err);
    facts_c(out, st == NULL ? "has not run"
                 : changed  ? "changed: plumb replay"
                 : stopped  ? "stopped by rejects"
                 : failed   ? "some keys failed"
                            : "ok");
    facts_style(out, stopped                           ? STYLE_BAD
                     : st == NULL || changed || failed ? STYLE_WARN
                                                       : STYLE_GOOD);
    return code;
}

static enum err_code state_of(const struct opened *o, const struct flow_transform *t,
                              struct facts *out, bool failed, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        o->store,
        "SELECT attempts, since_us, message, definition FROM _plumb_transforms WHERE name = ?1",
        &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(t->name));
    bool known = false;
    code = store_step(st, &known, err);
    if (code == ERR_NONE) {
        const int64_t attempts = known ? store_column_i64(st, 0) : 0;
        facts_number(out, attempts);
        if (attempts > 0) {
            facts_number(out, store_column_i64(st, 1));
            facts_text(out, store_column_str(st, 2));
            facts_c(out, "waits");
            facts_style(out, STYLE_BAD);
        } else {
            facts_null(out);
            facts_null(out);
            code = add_word(o, t, known ? st : NULL, out, failed, err);
        }
    }
    store_statement_free(st);
    return code;
}

static enum err_code collect_transform(const struct opened *o, const struct flow_transform *t,
                                       struct facts *out, struct err *err) {
    int64_t rows = 0;
    int64_t rejected = 0;
    int64_t behind = 0;
    struct queue_state queue = {0};
    enum err_code code = opened_count(o, t->into->name, "", &rows, err);
    if (code == ERR_NONE && t->kind == TRANSFORM_MAP) {
        code = map_behind(o, t, &behind, err);
    }
    if (code == ERR_NONE) {
        code = rejected_by(o, t, &rejected, err);
    }
    if (code == ERR_NONE) {
        code = queue_state_get(o, t, &queue, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    facts_c(out, t->name);
    facts_style(out, STYLE_STRONG);
    facts_c(out, kinds[t->kind]);
    facts_c(out, t->into->name);
    facts_number(out, rows);
    facts_number(out, rejected);
    facts_number(out, behind);
    facts_style(out, behind > 0 ? STYLE_WARN : STYLE_PLAIN);
    facts_number(out, queue.waiting);
    facts_style(out, queue.waiting > 0 ? STYLE_WARN : STYLE_PLAIN);
    facts_number(out, queue.failed);
    facts_style(out, queue.failed > 0 ? STYLE_BAD : STYLE_PLAIN);
    return state_of(o, t, out, queue.failed > 0, err);
}

static enum err_code collect_rest(const struct opened *o, struct status *s, struct err *err) {
    enum err_code code = facts_query(
        &s->marks, o->store,
        "SELECT m.transform, p.source, p.name, m.seq, p.last_seq, m.updated_us FROM _plumb_marks m "
        "JOIN _plumb_partitions p ON p.id = m.partition ORDER BY m.transform, p.source, p.id",
        err);
    if (code == ERR_NONE) {
        code = facts_query(
            &s->rejects, o->store,
            "SELECT p.source, nullif(r.transform, ''), r.reason, count(*), max(r.created_us) "
            "FROM _plumb_rejects r JOIN _plumb_batches b ON b.id = r.batch JOIN _plumb_partitions "
            "p ON p.id = b.partition WHERE r.taken_back_by IS NULL AND r.discarded_us IS NULL "
            "GROUP BY 1, r.transform, 3 "
            "ORDER BY 4 DESC, 1, 2, 3",
            err);
    }
    if (code == ERR_NONE) {
        code = facts_query(&s->troubles, o->store,
                           "SELECT source, nullif(partition, ''), class, attempts, since_us, "
                           "last_us, nullif(place, ''), message FROM _plumb_troubles ORDER BY "
                           "source, partition",
                           err);
    }
    if (code == ERR_NONE) {
        code = facts_query(&s->events, o->store,
                           "SELECT source, event, path, at_us, batch, detail FROM "
                           "_plumb_schema_events ORDER BY id DESC",
                           err);
    }
    if (code == ERR_NONE) {
        char *sql = mem_printf(
            "SELECT p.source, p.name, min(c.low), max(c.high), sum(c.records), count(*) FILTER "
            "(WHERE c.low > c.before + 1), sum(c.low - c.before - 1), %s, (SELECT l.origin FROM "
            "_plumb_coverage l WHERE l.partition = p.id ORDER BY l.low DESC LIMIT 1), "
            "max(c.updated_us) FROM (SELECT *, lag(high, 1, low - 1) OVER (PARTITION BY partition "
            "ORDER BY low) AS before FROM _plumb_coverage) c JOIN _plumb_partitions p ON p.id = "
            "c.partition GROUP BY p.id ORDER BY p.source, p.id",
            store_dialect(o->store) == STORE_SQLITE ? "group_concat(DISTINCT c.how)"
                                                    : "string_agg(DISTINCT c.how, ',')");
        code = facts_query(&s->coverage, o->store, sql, err);
        mem_free(sql);
    }
    return code == ERR_NONE ? queues_failed(o, NULL, FACTS_ROWS_MAX, &s->failed, err) : code;
}

/* Each source's own JSON, as it stands in the store. */
static enum err_code collect_learned(const struct opened *o, struct buf *out, struct err *err) {
    struct store_statement *st = NULL;
    struct json_writer w;
    bool has_row = true;
    enum err_code code = store_prepare(
        o->store, "SELECT source, updated_us, facts FROM _plumb_facts ORDER BY source", &st, err);
    json_writer_init(&w, out);
    json_begin_array(&w);
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            char at[CLOCK_TEXT_BYTES];
            clock_format_us(store_column_i64(st, 1), at);
            json_begin_object(&w);
            json_kv_str(&w, "source", store_column_str(st, 0));
            json_kv_c(&w, "at", at);
            json_key(&w, "facts");
            json_raw(&w, store_column_str(st, 2));
            json_end_object(&w);
        }
    }
    json_end_array(&w);
    store_statement_free(st);
    return code;
}

static enum err_code collect(const struct opened *o, struct status *s, struct err *err) {
    enum err_code code = collect_sources(o, s, err);
    if (code == ERR_NONE) {
        code = collect_learned(o, &s->learned, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < o->flow->transform_count; i++) {
        code = collect_transform(o, &o->flow->transforms[i], &s->transforms, err);
    }
    if (code == ERR_NONE) {
        code = limits_collect(o, &s->limits, err);
    }
    if (code == ERR_NONE) {
        code = alerts_checks(o, &s->checks, err);
    }
    if (code == ERR_NONE) {
        code = database_collect(o, &s->database, err);
    }
    return code == ERR_NONE ? collect_rest(o, s, err) : code;
}

static void section(struct output *o, const char *title, const struct facts *f, size_t rows_max) {
    if (facts_rows(f) > 0) {
        output_add(o, "\n");
        output_styled(o, STYLE_STRONG, "%s\n", title);
        facts_show(f, o, rows_max);
    }
}

/* Why transforms wait: one line each below their table. */
static void show_waiting(struct output *o, const struct facts *transforms) {
    static const size_t since_at = 9;
    for (size_t row = 0; row < facts_rows(transforms); row++) {
        const struct fact *cells = &transforms->cells[row * transforms->column_count];
        const struct fact *message = &cells[since_at + 1];
        if (!message->is_null) {
            char ago[OUTPUT_NUMBER_BYTES];
            output_ago(cells[since_at].number, clock_now_us(), ago);
            output_add(o, "  ");
            output_styled(o, STYLE_BAD, "%s waits", cells[0].text);
            output_add(o, " since %s, its input is kept: ", ago);
            output_data(o, (struct str){message->text, message->len});
            output_add(o, "\n");
        }
    }
}

static void show(const struct opened *opened, const struct status *s, struct output *o) {
    output_styled(o, STYLE_STRONG, "%s", opened->flow->name);
    output_add(o, "  ");
    output_data(o, str_of(store_path(opened->store)));
    output_add(o, "\n");
    section(o, "Sources", &s->sources, FACTS_ROWS_MAX);
    if (facts_rows(&s->partitions) > facts_rows(&s->sources)) {
        section(o, "Partitions, the ones that moved last first", &s->partitions, PARTITIONS_MAX);
    }
    section(o, "Coverage", &s->coverage, PARTITIONS_MAX);
    section(o, "Transforms", &s->transforms, FACTS_ROWS_MAX);
    show_waiting(o, &s->transforms);
    limits_show(&s->limits, o);
    section(o, "Checks", &s->checks, FACTS_ROWS_MAX);
    section(o, "Rejected rows", &s->rejects, FACTS_ROWS_MAX);
    section(o, "Keys that failed", &s->failed, EVENTS_MAX);
    section(o, "Troubles", &s->troubles, FACTS_ROWS_MAX);
    database_show(&s->database, o);
    section(o, "The data's own schema, last changes", &s->events, EVENTS_MAX);
}

static void write_json(const struct opened *opened, const struct status *s, struct json_writer *w) {
    json_begin_object(w);
    json_kv_c(w, "flow", opened->flow->name);
    json_kv_c(w, "store", store_path(opened->store));
    const struct {
        const char *key;
        const struct facts *facts;
    } parts[] = {
        {"sources", &s->sources},       {"partitions", &s->partitions}, {"marks", &s->marks},
        {"transforms", &s->transforms}, {"rejects", &s->rejects},       {"failed_keys", &s->failed},
        {"coverage", &s->coverage},     {"troubles", &s->troubles},     {"limits", &s->limits},
        {"schema_events", &s->events},  {"checks", &s->checks},         {"database", &s->database}};
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        json_key(w, parts[i].key);
        facts_json(parts[i].facts, w);
    }
    json_key(w, "facts");
    json_raw(w, buf_str(&s->learned));
    json_end_object(w);
}

static int print_json(const struct opened *opened, const struct status *s) {
    struct json_output o;
    json_output_begin(&o);
    write_json(opened, s, &o.json);
    return json_output_end(&o, EXIT_DONE);
}

enum err_code status_document(const struct flow *flow, struct store *store, struct buf *out,
                              struct err *err) {
    union {
        const struct flow *given;
        struct flow *borrowed; /* collecting reads it */
    } both = {.given = flow};
    const struct opened opened = {both.borrowed, store};
    CLEANUP(status_release) struct status s = STATUS_INIT;
    enum err_code code = collect(&opened, &s, err);
    if (code == ERR_NONE) {
        struct json_writer w;
        json_writer_init(&w, out);
        w.pretty = true;
        write_json(&opened, &s, &w);
        buf_addc(out, '\n');
    }
    return code;
}

static int status_once(const struct invocation *call, struct output *o, bool *failed) {
    struct err err = ERR_INIT;
    AUTO_OPENED opened = {.flow = NULL};
    CLEANUP(status_release) struct status s = STATUS_INIT;
    enum err_code code = opened_open(&opened, call, call->arguments[0], STORE_READ, &err);
    if (code == ERR_NONE) {
        code = collect(&opened, &s, &err);
    }
    *failed = code != ERR_NONE;
    if (code != ERR_NONE) {
        return command_failed(&err);
    }
    if (invocation_has(call, "json")) {
        return print_json(&opened, &s);
    }
    show(&opened, &s, o);
    return output_flush(o, EXIT_DONE);
}

static int status_run(const struct invocation *call) {
    AUTO_OUTPUT out;
    output_init(&out);
    bool failed = false;
    int code = status_once(call, &out, &failed);
    while (code == EXIT_DONE && !failed && invocation_has(call, "watch")) {
        clock_sleep_us(WATCH_US);
        if (!invocation_has(call, "json")) {
            output_add(&out, out.columns > 0 ? "\x1b[H\x1b[2J" : "\n");
        }
        code = status_once(call, &out, &failed);
    }
    return code;
}

const struct command command_status = {
    .name = "status",
    .usage = "FLOW [--json] [--watch]",
    .summary = "show how far everything is, and what is wrong",
    .doc = "Reads the store beside a running flow. 'behind' counts staged batches that a map has\n"
           "not applied, 'queued' changes that a sum or derive has not taken yet.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = status_run,
};
