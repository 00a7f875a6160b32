/* `plumb check`: everything that can be known without running. The flow is loaded, and its SQL is
 * compiled against an empty store in memory that has the real tables. */
#include "cli/commands.h"
#include "cli/facts.h"
#include "cli/opened.h"
#include "flow/checks.h"
#include "transform/transform.h"
#include "watch/watch.h"

static const struct command_option options[] = {{"json", NULL, "As JSON."}, {NULL, NULL, NULL}};

static const struct fact_column source_columns[] = {{"name", "source", FACT_TEXT},
                                                    {"type", "type", FACT_TEXT},
                                                    {"guarantee", "guarantee", FACT_TEXT}};
static const struct fact_column transform_columns[] = {{"name", "transform", FACT_TEXT},
                                                       {"kind", "kind", FACT_TEXT},
                                                       {"from", "reads", FACT_TEXT},
                                                       {"into", "writes", FACT_TEXT}};

static const char *kind_name(enum transform_kind kind) {
    switch (kind) {
    case TRANSFORM_MAP:
        return "map";
    case TRANSFORM_SUM:
        return "sum";
    case TRANSFORM_DERIVE:
        return "derive";
    }
    return "";
}

static void add_reads(const struct flow_transform *t, struct buf *out) {
    if (t->source != NULL) {
        buf_addf(out, "source %s", t->source->name);
    } else if (t->from != NULL) {
        buf_adds(out, t->from->name);
    }
    for (size_t i = 0; i < t->on_count; i++) {
        buf_addf(out, "%s%s", i > 0 ? ", " : "", t->on[i].table->name);
    }
}

static void collect(const struct flow *flow, struct facts *sources, struct facts *transforms) {
    for (size_t i = 0; i < flow->source_count; i++) {
        facts_c(sources, flow->sources[i].name);
        facts_c(sources, flow->sources[i].component->name);
        facts_c(sources, source_guarantee(&flow->sources[i]));
    }
    for (size_t i = 0; i < flow->transform_count; i++) {
        const struct flow_transform *t = &flow->transforms[i];
        AUTO_BUF reads = BUF_INIT(BUF_TEXT_MAX);
        add_reads(t, &reads);
        facts_c(transforms, t->name);
        facts_c(transforms, kind_name(t->kind));
        facts_c(transforms, buf_c(&reads));
        facts_c(transforms, t->into->name);
    }
}

static int print_text(const struct flow *flow) {
    AUTO_FACTS sources = FACTS_INIT(source_columns);
    AUTO_FACTS transforms = FACTS_INIT(transform_columns);
    collect(flow, &sources, &transforms);
    AUTO_OUTPUT out;
    output_init(&out);
    AUTO_BUF line = BUF_INIT(BUF_TEXT_MAX);
    output_count(&line, flow->source_count, "source");
    buf_adds(&line, ", ");
    output_count(&line, flow->table_count, "table");
    buf_adds(&line, ", ");
    output_count(&line, flow->transform_count, "transform");
    if (flow->check_count > 0) {
        buf_adds(&line, ", ");
        output_count(&line, flow->check_count, "check");
    }
    output_data(&out, str_of(flow->path));
    output_add(&out, ": ");
    output_styled(&out, STYLE_GOOD, "ok");
    output_add(&out, " — %s\n", buf_c(&line));
    if (flow->source_count > 0) {
        output_add(&out, "\n");
        facts_show(&sources, &out, FACTS_ROWS_MAX);
    }
    if (flow->transform_count > 0) {
        output_add(&out, "\n");
        facts_show(&transforms, &out, FACTS_ROWS_MAX);
    }
    return output_flush(&out, EXIT_DONE);
}

static int print_json(const struct flow *flow) {
    AUTO_FACTS sources = FACTS_INIT(source_columns);
    AUTO_FACTS transforms = FACTS_INIT(transform_columns);
    collect(flow, &sources, &transforms);
    char version[HASH128_HEX_BYTES];
    hash128_to_hex(flow->version, version);
    struct json_output o;
    json_output_begin(&o);
    json_begin_object(&o.json);
    json_kv_bool(&o.json, "ok", true);
    json_kv_c(&o.json, "flow", flow->name);
    json_kv_c(&o.json, "path", flow->path);
    json_kv_c(&o.json, "version", version);
    json_key(&o.json, "sources");
    facts_json(&sources, &o.json);
    json_key(&o.json, "tables");
    json_begin_array(&o.json);
    for (size_t i = 0; i < flow->table_count; i++) {
        json_c(&o.json, flow->tables[i].name);
    }
    json_end_array(&o.json);
    json_key(&o.json, "transforms");
    facts_json(&transforms, &o.json);
    json_key(&o.json, "checks");
    json_begin_array(&o.json);
    for (size_t i = 0; i < flow->check_count; i++) {
        json_c(&o.json, flow->checks[i].name);
    }
    json_end_array(&o.json);
    json_end_object(&o.json);
    return json_output_end(&o, EXIT_DONE);
}

static int print_problem(const struct err *err, bool json) {
    if (json) {
        struct json_output o;
        json_output_begin(&o);
        json_begin_object(&o.json);
        json_kv_bool(&o.json, "ok", false);
        json_output_error(&o, err);
        json_end_object(&o.json);
        (void)json_output_end(&o, EXIT_DONE);
    }
    return command_failed(err);
}

static int check_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    const bool json = invocation_has(call, "json");
    AUTO_OPENED opened = {.flow = NULL};
    struct plan *plan = NULL;
    enum err_code code = opened_open(&opened, call, call->arguments[0], STORE_SCRATCH, &err);
    if (code == ERR_NONE) {
        code = plan_open(opened.store, opened.flow, &plan, &err);
    }
    if (code == ERR_NONE) {
        code = watch_compile(opened.flow, opened.store, &err);
    }
    plan_close(plan);
    if (code != ERR_NONE) {
        return print_problem(&err, json);
    }
    return json ? print_json(opened.flow) : print_text(opened.flow);
}

const struct command command_check = {
    .name = "check",
    .usage = "FLOW [--json]",
    .summary = "find every mistake that shows without running",
    .doc = "Reads the flow file strictly, checks names, types and the graph, and compiles every\n"
           "SQL text against the tables it will meet. Touches neither sources nor the store.\n"
           "Ends with 78 and FILE:LINE:COLUMN at the first mistake.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = check_run,
};
