/* How it works: the audit's checks say whether tables have to be rebuilt, engine/repair.h finds what is
 * to be done in the store's own tables and, with --yes, does it; then the checks are run once more, and
 * what they still find is what is left. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/audit.h"
#include "cli/replay.h"
#include "cli/stop.h"
#include "engine/repair.h"

static const struct fact_column step_columns[] = {{"way", "what", FACT_TEXT},
                                                  {"where", "where", FACT_TEXT},
                                                  {"text", "why", FACT_TEXT},
                                                  {"first_record", NULL, FACT_PLACE},
                                                  {"records", NULL, FACT_COUNT}};

struct mending {
    const struct invocation *call;
    struct flow *flow;    /* as it was first read: the report names its tables */
    struct opened opened; /* for what comes after; the repair opens the store itself */
    struct audit audit;
    struct facts steps;
    struct repair_report report;
    bool applies;
    int64_t left; /* findings: applied, those after it */
};

static void mending_release(struct mending *m) {
    audit_release(&m->audit);
    opened_close(&m->opened);
    facts_release(&m->steps);
    repair_report_release(&m->report);
    flow_free(m->flow);
}

static bool should_stop(void *context) {
    (void)context;
    return stop_is_asked();
}

/* Checks whose findings a rebuild of the tables mends. */
static bool wants_rebuild(const struct audit *a) {
    static const char *const checks[] = {"decoding", "rejects",    "ledger",   "marks",
                                         "tables",   "recomputed", "evaluated"};
    for (size_t i = 0; i < facts_rows(&a->findings); i++) {
        const char *check = a->findings.cells[i * a->findings.column_count].text;
        for (size_t k = 0; k < ARRAY_COUNT(checks); k++) {
            if (str_equal_c(str_of(check), checks[k])) {
                return true;
            }
        }
    }
    return false;
}

static enum err_code look(struct mending *m, struct err *err) {
    audit_release(&m->audit);
    if (m->flow == NULL) {
        m->flow = m->opened.flow;
        m->opened.flow = NULL;
    }
    opened_close(&m->opened);
    enum err_code code = opened_open(&m->opened, m->call, m->call->arguments[0], STORE_READ, err);
    audit_init(&m->audit, &m->opened);
    if (code == ERR_NONE) {
        code = audit_all(&m->audit, m->call, err);
    }
    if (m->opened.store != NULL) { /* the flow stays */
        store_rollback(m->opened.store);
        store_close(m->opened.store);
        m->opened.store = NULL;
    }
    return code;
}

static void list_steps(struct mending *m) {
    for (size_t i = 0; i < m->report.count; i++) {
        const struct repair_step *step = &m->report.steps[i];
        facts_c(&m->steps, repair_way_name(step->way));
        facts_style(&m->steps, step->way == REPAIR_LOST ? STYLE_BAD : STYLE_PLAIN);
        facts_c(&m->steps, step->where);
        facts_c(&m->steps, step->text);
        facts_number(&m->steps, step->first_record);
        facts_number(&m->steps, step->records);
    }
}

static int exit_code_of(const struct mending *m) {
    const bool todo = m->left > 0 || (!m->applies && (m->report.count > 0 || m->report.rebuilds));
    return todo || m->report.lost > 0 ? EXIT_FINDINGS : EXIT_DONE;
}

static int print_json(const struct mending *m, const char *path) {
    struct json_output o;
    const int exit_code = exit_code_of(m);
    json_output_begin(&o);
    json_begin_object(&o.json);
    json_kv_bool(&o.json, "ok", exit_code == EXIT_DONE);
    json_kv_c(&o.json, "flow", m->opened.flow->name);
    json_kv_c(&o.json, "path", path);
    json_kv_bool(&o.json, "applied", m->applies);
    json_key(&o.json, "steps");
    facts_json(&m->steps, &o.json);
    json_kv_bool(&o.json, "rebuilds", m->report.rebuilds);
    json_kv_bool(&o.json, "unable", m->report.is_unable);
    json_kv_bool(&o.json, "extracts", m->report.extracts);
    json_kv_i64(&o.json, "lost", (int64_t)m->report.lost);
    if (m->applies) {
        replay_write_tables(&o.json, &m->report.swapped);
    }
    json_key(&o.json, "findings"); /* applied, those that are left */
    facts_json(&m->audit.findings, &o.json);
    json_end_object(&o.json);
    return json_output_end(&o, exit_code);
}

/* Which records are lost, and what can be done about it. */
static void tell_lost(const struct mending *m, struct output *out, const char *path) {
    for (size_t i = 0; i < m->report.count; i++) {
        const struct repair_step *step = &m->report.steps[i];
        if (step->way == REPAIR_LOST || step->way == REPAIR_WRITE_OFF) {
            output_add(out, "  ");
            output_styled(out, STYLE_BAD, "records %" PRId64 " to %" PRId64, step->first_record,
                          step->first_record + step->records - 1);
            output_add(out, " of ");
            output_data(out, str_of(step->where));
            output_add(out, "\n");
        }
    }
    if (m->report.lost > 0) {
        output_add(out,
                   "  Nobody has these records any more; the rows made of them stay in the tables. "
                   "Bring back what the\n  source had (the file, under its name) and repair again, "
                   "or write them off: then rejects stand in their\n  place, and the tables are "
                   "rebuilt without them.\n\n    plumb audit ");
        output_data(out, str_of(path));
        output_add(out, " --repair --write-off --yes\n\n");
    }
}

static void tell_end(const struct mending *m, struct output *out, const char *path) {
    const bool none = m->report.count == 0 && !m->report.rebuilds;
    if (none && m->left == 0) {
        output_styled(out, STYLE_GOOD, "Nothing to repair.\n");
        return;
    }
    if (none) {
        facts_show(&m->audit.findings, out, FACTS_ROWS_MAX);
        output_add(out, "\n");
        output_styled(out, STYLE_WARN, "None of this is for a repair to mend.\n");
        return;
    }
    const bool rebuilds = m->report.rebuilds && !m->report.is_unable;
    if (!m->applies && m->report.count == m->report.lost && !rebuilds) {
        output_styled(out, STYLE_WARN, "Nothing was changed, and there is nothing else to do.\n");
        return;
    }
    if (!m->applies) {
        output_styled(out, STYLE_WARN, "Nothing was changed.");
        output_add(out, " `plumb audit ");
        output_data(out, str_of(path));
        output_add(out, " --repair --yes` does it%s.\n",
                   rebuilds ? ", and rebuilds the tables from the staged batches" : "");
        return;
    }
    if (m->report.extracts) {
        output_add(out, "`plumb run ");
        output_data(out, str_of(path));
        output_add(out, "` extracts again what went.\n");
    }
    if (m->left > 0) {
        facts_show(&m->audit.findings, out, FACTS_ROWS_MAX);
        output_add(out, "\n");
        output_styled(out, STYLE_BAD, "%" PRId64 " findings are left.\n", m->left);
    } else if (m->report.lost == 0) {
        output_styled(out, STYLE_GOOD, "Every row is accounted for.\n");
    }
}

static int print_text(const struct mending *m, const char *path) {
    AUTO_OUTPUT out;
    output_init(&out);
    out.columns = 0; /* why is never cut */
    output_styled(&out, STYLE_STRONG, "%s\n\n", m->opened.flow->name);
    if (m->report.goes_on) {
        output_add(&out, "  A repair was begun: its tables are to be rebuilt.\n\n");
    }
    if (facts_rows(&m->steps) > 0) {
        facts_show(&m->steps, &out, FACTS_ROWS_MAX);
        output_add(&out, "\n");
    }
    tell_lost(m, &out, path);
    if (m->report.is_unable) {
        output_styled(&out, STYLE_WARN, "The tables cannot be rebuilt before that.\n");
    }
    if (m->applies && m->report.rebuilds && !m->report.is_unable) {
        replay_show_tables(&out, &m->report.swapped);
        output_add(&out, "\n");
    }
    tell_end(m, &out, path);
    return output_flush(&out, exit_code_of(m));
}

int audit_repair_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    CLEANUP(mending_release)
    struct mending m = {
        .call = call, .steps = FACTS_INIT(step_columns), .applies = invocation_has(call, "yes")};
    audit_init(&m.audit, &m.opened);
    stop_catch_signals();
    enum err_code code = look(&m, &err);
    const struct run_options run = {.stop = should_stop};
    const struct repair_options options = {.apply = m.applies,
                                           .write_off = invocation_has(call, "write-off"),
                                           .rebuild = wants_rebuild(&m.audit),
                                           .run = &run};
    if (code == ERR_NONE) {
        code = engine_repair(m.opened.flow, &options, &m.report, &err);
    }
    if (code == ERR_NONE) {
        list_steps(&m);
    }
    if (code == ERR_NONE && m.applies) {
        code = look(&m, &err);
    }
    m.left = audit_findings(&m.audit);
    if (code != ERR_NONE) {
        return command_failed(&err);
    }
    return invocation_has(call, "json") ? print_json(&m, call->arguments[0])
                                        : print_text(&m, call->arguments[0]);
}
