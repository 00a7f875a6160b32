/* `plumb schema`: the JSON Schema of a flow file, for editors. */
#include "cli/commands.h"
#include "cli/output.h"
#include "flow/flow.h"

static int schema_run(const struct invocation *call) {
    AUTO_OUTPUT out;
    output_init(&out);
    flow_json_schema(call->registry, &out.text);
    if (!str_ends_with(buf_str(&out.text), STR("\n"))) {
        output_add(&out, "\n");
    }
    return output_flush(&out, EXIT_DONE);
}

const struct command command_schema = {
    .name = "schema",
    .usage = "",
    .summary = "print the JSON Schema of a flow file",
    .doc = "Editors that know JSON Schema complete and check flow.yaml with it. Put this line "
           "first in the flow file, for yaml-language-server:\n\n"
           "  # yaml-language-server: $schema=flow.schema.json",
    .run = schema_run,
};
