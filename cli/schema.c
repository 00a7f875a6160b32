/* `plumb schema`: the JSON Schema of a flow file, for editors. */
#include "cli/commands.h"
#include "cli/output.h"
#include "flow/flow.h"
#include "trial/cases.h"

static const struct command_option options[] = {{"tests", NULL, "Of a file of tests instead."},
                                                {NULL, NULL, NULL}};

static int schema_run(const struct invocation *call) {
    AUTO_OUTPUT out;
    output_init(&out);
    if (invocation_has(call, "tests")) {
        cases_json_schema(&out.text);
    } else {
        flow_json_schema(call->registry, &out.text);
    }
    if (!str_ends_with(buf_str(&out.text), STR("\n"))) {
        output_add(&out, "\n");
    }
    return output_flush(&out, EXIT_DONE);
}

const struct command command_schema = {
    .name = "schema",
    .usage = "[--tests]",
    .summary = "print the JSON Schema of a flow file",
    .doc = "Editors that know JSON Schema complete and check flow.yaml with it. Put this line "
           "first in the flow file, for yaml-language-server:\n\n"
           "  # yaml-language-server: $schema=flow.schema.json",
    .options = options,
    .run = schema_run,
};
