/* `plumb plan`: what a changed flow would do to its store, before anything is done.
 *
 * How it works: the flow is checked as `plumb check` does, on an empty store in memory; then
 * changes.c compares it with the real one, which is only read. */
#include "cli/changes.h"
#include "cli/commands.h"
#include "transform/transform.h"

static const struct command_option options[] = {{"json", NULL, "As JSON."}, {NULL, NULL, NULL}};

static enum err_code check(const struct flow *flow, struct err *err) {
    struct store *scratch = NULL;
    struct plan *plan = NULL;
    enum err_code code = store_open(flow, STORE_SCRATCH, &scratch, err);
    if (code == ERR_NONE) {
        code = plan_open(scratch, flow, &plan, err);
    }
    plan_close(plan);
    store_close(scratch);
    return code;
}

static void json_lines(const struct changes *c, const struct flow *flow, bool exists,
                       struct json_writer *w) {
    json_begin_object(w);
    json_kv_c(w, "flow", flow->name);
    json_kv_bool(w, "store_exists", exists);
    json_kv_bool(w, "refused", changes_refused(c));
    json_key(w, "effects");
    json_begin_object(w);
    for (size_t i = 0; i < EFFECTS; i++) {
        json_kv_i64(w, effect_names[i], c->count[i]);
    }
    json_end_object(w);
    json_key(w, "rebuild");
    if (c->count[EFFECT_REBUILD] > 0) {
        json_begin_object(w);
        json_kv_c(w, "transform", c->scope);
        json_kv_i64(w, "batches", c->batches);
        json_kv_i64(w, "records", c->records);
        json_kv_i64(w, "rows", c->rows);
        json_key(w, "estimate_us");
        if (c->estimate_us >= 0) {
            json_i64(w, c->estimate_us);
        } else {
            json_null(w);
        }
        json_end_object(w);
    } else {
        json_null(w);
    }
    json_key(w, "changes");
    facts_json(&c->lines, w);
    json_end_object(w);
}

static int print(const struct invocation *call, const struct changes *c, const struct flow *flow,
                 bool exists) {
    const int code = changes_refused(c) ? EXIT_FINDINGS : EXIT_DONE;
    if (invocation_has(call, "json")) {
        struct json_output o;
        json_output_begin(&o);
        json_lines(c, flow, exists, &o.json);
        return json_output_end(&o, code);
    }
    AUTO_OUTPUT out;
    output_init(&out);
    output_styled(&out, STYLE_STRONG, "%s", flow->name);
    if (!exists) {
        AUTO_BUF tables = BUF_INIT(BUF_TEXT_MAX);
        output_count(&tables, flow->table_count, "table");
        output_add(&out, ": there is no store yet; the first run makes it, with %s\n",
                   buf_c(&tables));
    } else if (facts_rows(&c->lines) == 0) {
        output_add(&out, ": ");
        output_styled(&out, STYLE_GOOD, "nothing to do");
        output_add(&out, ", the store is as the flow says\n");
    } else {
        output_add(&out, "\n\n");
        changes_show(c, flow, &out);
    }
    return output_flush(&out, code);
}

static int plan_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    AUTO_OPENED opened = {.flow = NULL};
    CLEANUP(changes_release) struct changes changes;
    changes_init(&changes);
    struct flow *flow = NULL;
    bool exists = false;
    enum err_code code = flow_load(call->arguments[0], call->registry, &flow, &err);
    if (code == ERR_NONE) {
        code = check(flow, &err);
    }
    if (code == ERR_NONE) {
        code = store_exists(flow, &exists, &err);
    }
    flow_free(flow);
    if (code == ERR_NONE && exists) {
        code = opened_open(&opened, call, call->arguments[0], STORE_READ, &err);
    } else if (code == ERR_NONE) {
        code = flow_load(call->arguments[0], call->registry, &opened.flow, &err);
    }
    if (code == ERR_NONE && exists) {
        code = changes_find(&changes, &opened, &err);
    }
    return code == ERR_NONE ? print(call, &changes, opened.flow, exists) : command_failed(&err);
}

const struct command command_plan = {
    .name = "plan",
    .usage = "FLOW [--json]",
    .summary = "what a changed flow would do to its store",
    .doc = "Tables, indexes and transforms that are new, changed or gone; what has to be rebuilt,\n"
           "with everything below it, from how many staged batches and how long that takes at\n"
           "least; what could not be rebuilt. Only looks. Ends with 0 when there is nothing to do\n"
           "or `plumb run` does it by itself, with 3 when something would be rebuilt or lost.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = plan_run,
};
