/* `plumb rewind`: a person takes back what a source gave, from some place on. */
#include <inttypes.h>

#include "base/parse.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "engine/engine.h"

static const struct command_option options[] = {
    {"to", "N", "The last place that is kept, on the source's own axis: a block number."},
    {"partition", "NAME", "Which partition (a chain's id), when the source has several."},
    {"json", NULL, "As JSON."},
    {NULL, NULL, NULL}};

static int print_json(const struct rewind *what, const struct rewound *done) {
    struct json_output o;
    json_output_begin(&o);
    json_begin_object(&o.json);
    json_kv_c(&o.json, "source", what->source);
    json_kv_c(&o.json, "partition", done->partition);
    json_kv_i64(&o.json, "next", done->from);
    json_kv_i64(&o.json, "records_taken_back", done->records);
    json_kv_i64(&o.json, "rows_taken_back", done->rows);
    json_end_object(&o.json);
    return json_output_end(&o, EXIT_DONE);
}

static int print_text(const struct rewind *what, const struct rewound *done) {
    AUTO_OUTPUT o;
    output_init(&o);
    char records[OUTPUT_NUMBER_BYTES];
    char rows[OUTPUT_NUMBER_BYTES];
    output_number(done->records, records);
    output_number(done->rows, rows);
    output_styled(&o, STYLE_STRONG, "%s", what->source);
    output_add(&o, " ");
    output_data(&o, str_of(done->partition));
    if (done->records == 0) {
        output_add(&o, ": nothing to take back, it stands at %" PRId64 "\n", done->from);
    } else {
        output_add(&o, ": %s records taken back, %s rows left the tables of maps\n", records, rows);
        output_add(&o, "  the next run goes on from %" PRId64 "\n", done->from);
    }
    return output_flush(&o, EXIT_DONE);
}

static int rewind_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    struct rewind what = {.source = call->arguments[1],
                          .partition = invocation_option(call, "partition")};
    static const struct range_i64 places = {0, INT64_MAX - 1};
    if (!invocation_has(call, "to")) {
        (void)err_set(&err, ERR_CONFIG, "say with --to N what the last place to keep is");
        return command_misused(call, &err);
    }
    if (invocation_number(call, "to", places, 0, &what.to, &err) != ERR_NONE) {
        return command_misused(call, &err);
    }
    struct flow *flow = NULL;
    struct rewound done;
    enum err_code code = flow_load(call->arguments[0], call->registry, &flow, &err);
    if (code == ERR_NONE) {
        code = engine_rewind(flow, &what, &done, &err);
    }
    flow_free(flow);
    if (code != ERR_NONE) {
        return command_failed(&err);
    }
    return invocation_has(call, "json") ? print_json(&what, &done) : print_text(&what, &done);
}

const struct command command_rewind = {
    .name = "rewind",
    .usage = "FLOW SOURCE --to N [--partition NAME] [--json]",
    .summary = "take back what a source gave after some place, to extract it again",
    .doc =
        "For sources that take records back (evm): everything after block N, or a little\n"
        "earlier, leaves the tables in one transaction, and the next run extracts it again.\n"
        "Needed when a chain went another way below what its node had called final, or when a\n"
        "node gave wrong data. Nothing is asked from the source; the staged raw records of what\n"
        "is taken back must still be there (staging: keep).",
    .options = options,
    .arguments_min = 2,
    .arguments_max = 2,
    .run = rewind_run,
};
