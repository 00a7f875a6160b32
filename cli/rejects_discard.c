/* `plumb rejects discard`: a small write beside whatever runs. SQLite lets one writer at a time in:
 * this one waits for the turn at work (STORE_BUSY_TIMEOUT_MS), and holds up the next for a moment. */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "base/parse.h"
#include "cli/rejects.h"

#define IDS_MAX        (COMMAND_ARGUMENTS_MAX - 2)
#define BY_BYTES       256
#define PASSWORD_BYTES 4096 /* room for the user's line of the password file */

struct discard {
    struct store_discard what;
    int64_t ids[IDS_MAX];
    char by[BY_BYTES];
};

/* The user's name, or the number where it has none (in a container, say). */
static void name_user(char *out, size_t size) {
    struct passwd entry = {.pw_name = NULL};
    struct passwd *found = NULL;
    char room[PASSWORD_BYTES];
    if (getpwuid_r(geteuid(), &entry, room, sizeof(room), &found) == 0 && found != NULL) {
        (void)snprintf(out, size, "%s", found->pw_name);
    } else {
        (void)snprintf(out, size, "user %ld", (long)geteuid());
    }
}

static enum err_code read_ids(const struct invocation *call, struct discard *d, struct err *err) {
    for (size_t i = 2; i < call->argument_count; i++) {
        if (!parse_i64(str_of(call->arguments[i]), &d->ids[i - 2]) || d->ids[i - 2] < 1) {
            return err_set(err, ERR_CONFIG, "'%s' is no number of a reject", call->arguments[i]);
        }
        for (size_t k = 0; k < i - 2; k++) {
            if (d->ids[k] == d->ids[i - 2]) {
                return err_set(err, ERR_CONFIG, "%s is given twice", call->arguments[i]);
            }
        }
        d->what.id_count++;
    }
    return ERR_NONE;
}

static enum err_code understand(const struct invocation *call, struct discard *d, struct err *err) {
    d->what = (struct store_discard){.ids = d->ids,
                                     .source = invocation_option(call, "source"),
                                     .reason = invocation_option(call, "reason"),
                                     .transform = invocation_option(call, "transform"),
                                     .because = invocation_option(call, "because"),
                                     .by = invocation_option(call, "by")};
    if (call->argument_count < 2) {
        return err_set(err, ERR_CONFIG, "say of which flow");
    }
    if (read_ids(call, d, err) != ERR_NONE) {
        return err->code;
    }
    const bool by_rule =
        d->what.source != NULL || d->what.reason != NULL || d->what.transform != NULL;
    if ((d->what.id_count > 0) == by_rule) {
        return err_set(err, ERR_CONFIG,
                       "say which rejects: either their IDs, or --source, --reason or --transform");
    }
    if (d->what.because == NULL || d->what.because[0] == '\0') {
        return err_set(err, ERR_CONFIG, "say why with --because TEXT");
    }
    if (d->what.by == NULL) {
        name_user(d->by, sizeof(d->by));
        d->what.by = d->by;
    }
    return d->what.by[0] != '\0' ? ERR_NONE : err_set(err, ERR_CONFIG, "say who with --by NAME");
}

static int print(bool json, int64_t count, const char *by) {
    if (json) {
        struct json_output o;
        json_output_begin(&o);
        json_begin_object(&o.json);
        json_kv_i64(&o.json, "discarded", count);
        json_kv_c(&o.json, "by", by);
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
    struct discard d = {.by = ""};
    if (understand(call, &d, &err) != ERR_NONE) {
        return command_misused(call, &err);
    }
    AUTO_OPENED opened = {.flow = NULL};
    if (opened_open(&opened, call, path, STORE_NOTE, &err) != ERR_NONE) {
        return command_failed(&err);
    }
    const struct rejects_filter filter = {
        .source = d.what.source, .reason = d.what.reason, .transform = d.what.transform};
    if (rejects_filter_check(&opened, &filter, &err) != ERR_NONE) {
        return command_misused(call, &err);
    }
    int64_t count = 0;
    if (store_rejects_discard(opened.store, &d.what, &count, &err) != ERR_NONE) {
        return command_failed(&err);
    }
    return print(invocation_has(call, "json"), count, d.what.by);
}
