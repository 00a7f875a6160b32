/* `plumb rejects discard`: a small write beside whatever runs. SQLite lets one writer at a time in:
 * this one waits for the turn at work (STORE_BUSY_TIMEOUT_MS), and holds up the next for a moment. */
#include <inttypes.h>

#include "base/parse.h"
#include "cli/rejects.h"

static enum err_code understand(const struct invocation *call, struct store_discard *d,
                                struct err *err) {
    *d = (struct store_discard){.reason = invocation_option(call, "reason"),
                                .transform = invocation_option(call, "transform"),
                                .because = invocation_option(call, "because")};
    const bool by_id = call->argument_count == 3;
    if (call->argument_count < 2) {
        return err_set(err, ERR_CONFIG, "say of which flow");
    }
    if (by_id && (!parse_i64(str_of(call->arguments[2]), &d->id) || d->id < 1)) {
        return err_set(err, ERR_CONFIG, "'%s' is no number of a reject", call->arguments[2]);
    }
    if (by_id == (d->reason != NULL || d->transform != NULL)) {
        return err_set(err, ERR_CONFIG,
                       "say which rejects: either an ID, or --reason or --transform");
    }
    if (d->because == NULL || d->because[0] == '\0') {
        return err_set(err, ERR_CONFIG, "say why with --because TEXT");
    }
    return ERR_NONE;
}

static int print(bool json, int64_t count) {
    if (json) {
        struct json_output o;
        json_output_begin(&o);
        json_begin_object(&o.json);
        json_kv_i64(&o.json, "discarded", count);
        json_end_object(&o.json);
        return json_output_end(&o, EXIT_DONE);
    }
    AUTO_OUTPUT o;
    output_init(&o);
    char text[OUTPUT_NUMBER_BYTES];
    output_number(count, text);
    output_add(&o, "%s discarded.\n", text);
    return output_flush(&o, EXIT_DONE);
}

int rejects_discard_run(const struct invocation *call, const char *path) {
    struct err err = ERR_INIT;
    struct store_discard d;
    if (understand(call, &d, &err) != ERR_NONE) {
        return command_misused(call, &err);
    }
    AUTO_OPENED opened = {.flow = NULL};
    if (opened_open(&opened, call, path, STORE_NOTE, &err) != ERR_NONE) {
        return command_failed(&err);
    }
    const struct rejects_filter filter = {.reason = d.reason, .transform = d.transform};
    if (rejects_filter_check(&opened, &filter, &err) != ERR_NONE) {
        return command_misused(call, &err);
    }
    int64_t count = 0;
    if (store_rejects_discard(opened.store, &d, &count, &err) != ERR_NONE) {
        return command_failed(&err);
    }
    return print(invocation_has(call, "json"), count);
}
