/* `plumb list`: the connectors this program knows. */
#include "cli/commands.h"
#include "cli/facts.h"
#include "component/describe.h"

static const struct command_option options[] = {{"json", NULL, "As JSON."}, {NULL, NULL, NULL}};

static const struct fact_column columns[] = {{"name", "name", FACT_TEXT},
                                             {"kind", "kind", FACT_TEXT},
                                             {"status", "status", FACT_TEXT},
                                             {"since", "since", FACT_TEXT},
                                             {"summary", "summary", FACT_TEXT}};

static bool wanted(const struct component *c, const char *kind) {
    return kind == NULL || (c->kind == COMPONENT_SOURCE && str_equal_c(STR("sources"), kind)) ||
           (c->kind == COMPONENT_SINK && str_equal_c(STR("sinks"), kind));
}

static int list_run(const struct invocation *call) {
    const char *kind = call->argument_count > 0 ? call->arguments[0] : NULL;
    struct err err = ERR_INIT;
    if (kind != NULL && !str_equal_c(STR("sources"), kind) && !str_equal_c(STR("sinks"), kind)) {
        err_set(&err, ERR_CONFIG, "'plumb list' knows 'sources' and 'sinks'");
        return command_misused(call, &err);
    }
    AUTO_FACTS facts = FACTS_INIT(columns);
    for (size_t i = 0; i < call->registry->count; i++) {
        const struct component *c = call->registry->components[i];
        if (wanted(c, kind)) {
            facts_c(&facts, c->name);
            facts_style(&facts, STYLE_STRONG);
            facts_c(&facts, describe_kind(c));
            facts_c(&facts, describe_status(c));
            facts_c(&facts, c->since);
            facts_c(&facts, c->summary);
        }
    }
    if (invocation_has(call, "json")) {
        struct json_output o;
        json_output_begin(&o);
        facts_json(&facts, &o.json);
        return json_output_end(&o, EXIT_DONE);
    }
    AUTO_OUTPUT out;
    output_init(&out);
    if (facts_rows(&facts) > 0) {
        facts_show(&facts, &out, FACTS_ROWS_MAX);
        output_add(&out, "\n'plumb help NAME' describes one of them.\n");
    } else {
        output_add(&out, "This plumb has no %s.\n", kind);
    }
    return output_flush(&out, EXIT_DONE);
}

const struct command command_list = {
    .name = "list",
    .usage = "[sources|sinks] [--json]",
    .summary = "list what a flow can read from and write to",
    .options = options,
    .arguments_max = 1,
    .run = list_run,
};
