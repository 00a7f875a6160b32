/* `plumb version`: of the program and of what stores it reads. */
#include "cli/commands.h"
#include "cli/output.h"
#include "store/store.h"

static const struct command_option options[] = {{"json", NULL, "As JSON."}, {NULL, NULL, NULL}};

static int version_run(const struct invocation *call) {
    if (invocation_has(call, "json")) {
        struct json_output o;
        json_output_begin(&o);
        json_begin_object(&o.json);
        json_kv_c(&o.json, "version", PLUMB_VERSION);
        json_kv_i64(&o.json, "store_version", STORE_VERSION);
        json_end_object(&o.json);
        return json_output_end(&o, EXIT_DONE);
    }
    AUTO_OUTPUT out;
    output_init(&out);
    output_add(&out, "plumb %s (store version %d)\n", PLUMB_VERSION, STORE_VERSION);
    return output_flush(&out, EXIT_DONE);
}

const struct command command_version = {
    .name = "version",
    .usage = "[--json]",
    .summary = "print the version",
    .options = options,
    .run = version_run,
};
