/* `plumb copy-store`: a flow's whole state into another store, to go on from there.
 *
 * How it works: the target is opened as a run would, which makes its tables, queues and triggers; then
 * everything is copied and compared in one transaction of it (store/copy.h). */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/facts.h"
#include "store/copy.h"
#include "transform/transform.h"

static const struct command_option options[] = {
    {"to", "STORE", "Where to: postgres://USER@HOST/DATABASE[?schema=NAME] or sqlite:FILE."},
    {"json", NULL, "As JSON."},
    {NULL, NULL, NULL}};

static const struct fact_column columns[] = {
    {"table", "table", FACT_TEXT},
    {"rows", "rows", FACT_COUNT},
    {"digest", "digest", FACT_TEXT},
    {"differs", NULL, FACT_FLAG},
};

struct moving {
    const struct flow *flow;
    struct flow target_flow; /* the same with another store; shares everything with flow */
    struct store *from, *to;
    struct plan *plan;
    struct store_copy_report report;
};

static void moving_release(struct moving *m) {
    store_copy_report_release(&m->report);
    plan_close(m->plan);
    store_close(m->to);
    store_close(m->from);
}

/* A store that is not there would be made by opening it. */
static enum err_code open_both(struct moving *m, struct err *err) {
    bool exists = false;
    enum err_code code = store_exists(m->flow, &exists, err);
    if (code == ERR_NONE && !exists) {
        return err_set(err, ERR_CONFIG, "flow '%s' has no store yet: there is nothing to copy",
                       m->flow->name);
    }
    if (code == ERR_NONE) {
        code = store_open(m->flow, STORE_REBUILD, &m->from, err);
    }
    if (code == ERR_NONE) {
        code = store_open(&m->target_flow, STORE_WRITE, &m->to, err);
        if (code == ERR_CONFLICT) {
            return err_wrap(err, "--to");
        }
    }
    if (code == ERR_NONE && str_equal_c(str_of(store_path(m->from)), store_path(m->to))) {
        return err_set(err, ERR_CONFIG, "--to names the store that the flow has: %s",
                       store_path(m->to));
    }
    return code == ERR_NONE ? plan_open(m->to, &m->target_flow, &m->plan, err) : code;
}

static void add_tables(const struct store_copy_report *report, struct facts *out) {
    for (size_t i = 0; i < report->count; i++) {
        const struct store_copied *t = &report->tables[i];
        facts_c(out, t->name);
        facts_number(out, t->rows);
        facts_c(out, t->digest);
        facts_number(out, t->differs ? 1 : 0);
    }
}

static int print_json(const struct moving *m, const struct facts *tables) {
    struct json_output o;
    json_output_begin(&o);
    json_begin_object(&o.json);
    json_kv_c(&o.json, "flow", m->flow->name);
    json_kv_c(&o.json, "from", store_path(m->from));
    json_kv_c(&o.json, "to", store_path(m->to));
    json_kv_bool(&o.json, "was_there", m->report.was_there);
    json_key(&o.json, "tables");
    facts_json(tables, &o.json);
    json_end_object(&o.json);
    return json_output_end(&o, EXIT_DONE);
}

static int print_text(const struct moving *m, const struct facts *tables) {
    AUTO_OUTPUT o;
    output_init(&o);
    output_styled(&o, STYLE_STRONG, "%s", m->flow->name);
    output_add(&o, "  %s\n  -> %s\n\n", store_path(m->from), store_path(m->to));
    facts_show(tables, &o, FACTS_ROWS_MAX);
    output_add(&o,
               m->report.was_there
                   ? "\nIt is there already: every table is the same.\n"
                   : "\nCopied: every table reads back the same. Now name it as `store:` in %s; "
                     "the old one is as it was.\n",
               m->flow->path);
    return output_flush(&o, EXIT_DONE);
}

/* Which tables differ helps whoever is refused. */
static void tell_differences(const struct store_copy_report *report) {
    for (size_t i = 0; i < report->count; i++) {
        if (report->tables[i].differs) {
            (void)fprintf(stderr, "  %s differs\n", report->tables[i].name);
        }
    }
}

static int copy_with(const struct invocation *call, const struct flow *flow, const char *to) {
    struct err err = ERR_INIT;
    CLEANUP(moving_release) struct moving m = {.flow = flow, .target_flow = *flow};
    m.target_flow.store = to;
    enum err_code code = open_both(&m, &err);
    if (code == ERR_NONE) {
        code = store_copy(m.from, m.to, &m.report, &err);
    }
    if (code != ERR_NONE) {
        const int exit_code = command_failed(&err);
        tell_differences(&m.report);
        return exit_code;
    }
    AUTO_FACTS tables = FACTS_INIT(columns);
    add_tables(&m.report, &tables);
    return invocation_has(call, "json") ? print_json(&m, &tables) : print_text(&m, &tables);
}

static int copy_store_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    const char *to = invocation_option(call, "to");
    if (to == NULL) {
        (void)err_set(&err, ERR_CONFIG, "say with --to STORE where it shall go");
        return command_misused(call, &err);
    }
    struct flow *flow = NULL;
    if (flow_load(call->arguments[0], call->registry, &flow, &err) != ERR_NONE) {
        flow_free(flow);
        return command_failed(&err);
    }
    const int exit_code = copy_with(call, flow, to);
    flow_free(flow);
    return exit_code;
}

const struct command command_copy_store = {
    .name = "copy-store",
    .usage = "FLOW --to STORE [--json]",
    .summary = "copy everything a flow knows into another store, to go on there",
    .doc = "From SQLite to PostgreSQL, or back, or from file to file: tables, raw records, marks,\n"
           "ledger, rejects, alerts, and what waits in queues, under the numbers they have. The\n"
           "target must be empty, and nothing may run on either store meanwhile. A digest of each\n"
           "table is taken on both sides; the copy is kept, in one transaction, only if all are\n"
           "equal. Then name the new store in the flow file, and `plumb run` goes on from there.\n"
           "Nothing is written to the old one. A second copy says that it is there already.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = copy_store_run,
};
