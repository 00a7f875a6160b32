/* `plumb alerts ack`, `silence`, `unsilence`: small writes beside whatever runs. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/parse.h"
#include "cli/alerts.h"
#include "watch/watch.h"

static const char *author(const struct invocation *call) {
    const char *by = invocation_option(call, "by");
    const char *user = getenv("USER"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    return by != NULL ? by : user != NULL && user[0] != '\0' ? user : "somebody";
}

static int done(const struct invocation *call, const char *key, int64_t id, const char *fmt,
                const char *what) {
    if (invocation_has(call, "json")) {
        struct json_output o;
        json_output_begin(&o);
        json_begin_object(&o.json);
        json_kv_i64(&o.json, key, id);
        json_end_object(&o.json);
        return json_output_end(&o, EXIT_DONE);
    }
    AUTO_OUTPUT o;
    output_init(&o);
    output_data(&o, str_of(what));
    output_add(&o, " %s\n", fmt);
    return output_flush(&o, EXIT_DONE);
}

static int finish(const struct err *err) {
    return command_failed(err);
}

static int acknowledge(const struct invocation *call, struct store *s, int64_t id) {
    struct err err = ERR_INIT;
    if (watch_acknowledge(s, id, author(call), invocation_option(call, "note"), clock_now_us(),
                          &err) != ERR_NONE) {
        return finish(&err);
    }
    return done(call, "acknowledged", id, "has taken it on; it is reminded of no more.",
                author(call));
}

static int unsilence(const struct invocation *call, struct store *s, int64_t id) {
    struct err err = ERR_INIT;
    if (watch_unsilence(s, id, clock_now_us(), &err) != ERR_NONE) {
        return finish(&err);
    }
    return done(call, "unsilenced", id, "is over; what is still wrong is told in the next round.",
                "The silence");
}

static enum err_code understand(const struct invocation *call, const struct flow *flow,
                                struct watch_silence *out, struct err *err) {
    const char *time = invocation_option(call, "for");
    *out = (struct watch_silence){.matcher = call->arguments[2],
                                  .author = author(call),
                                  .reason = invocation_option(call, "because")};
    if (time == NULL || !clock_parse_duration(str_of(time), &out->for_us) || out->for_us <= 0 ||
        out->for_us > WATCH_SILENCE_US_MAX) {
        return err_set(err, ERR_CONFIG,
                       "say how long with --for, such as 2h; a year is the longest");
    }
    if (out->reason == NULL || out->reason[0] == '\0') {
        return err_set(err, ERR_CONFIG, "say why with --because TEXT");
    }
    return watch_matcher_check(flow, out->matcher, err);
}

static int silence(const struct invocation *call, const struct opened *o) {
    struct err err = ERR_INIT;
    struct watch_silence what;
    int64_t id = 0;
    if (understand(call, o->flow, &what, &err) != ERR_NONE) {
        return command_misused(call, &err);
    }
    if (watch_silence(o->store, &what, clock_now_us(), &id, &err) != ERR_NONE) {
        return finish(&err);
    }
    char *words =
        mem_printf("is silent for %s; 'plumb alerts unsilence FLOW %" PRId64 "' ends it early.",
                   invocation_option(call, "for"), id);
    const int code = done(call, "silence", id, words, what.matcher);
    mem_free(words);
    return code;
}

int alerts_change_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    const struct str verb = str_of(call->arguments[0]);
    int64_t id = 0;
    const bool by_id = !str_equal_c(verb, "silence");
    if (by_id && (!parse_i64(str_of(call->arguments[2]), &id) || id < 1)) {
        err_set(&err, ERR_CONFIG, "'%s' is no number of %s", call->arguments[2],
                str_equal_c(verb, "ack") ? "an alert" : "a silence");
        return command_misused(call, &err);
    }
    AUTO_OPENED opened = {.flow = NULL};
    if (opened_open(&opened, call, call->arguments[1], STORE_NOTE, &err) != ERR_NONE) {
        return command_failed(&err);
    }
    return !by_id                     ? silence(call, &opened)
           : str_equal_c(verb, "ack") ? acknowledge(call, opened.store, id)
                                      : unsilence(call, opened.store, id);
}
