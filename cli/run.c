/* `plumb run`: the engine, with what a terminal wants around it. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/changes.h"
#include "cli/commands.h"
#include "cli/logging.h"
#include "cli/otlp.h"
#include "cli/output.h"
#include "cli/reload.h"
#include "cli/serve.h"
#include "cli/stop.h"
#include "cli/telling.h"
#include "cli/watching.h"
#include "engine/engine.h"

static const struct command_option run_options[] = {
    {"once", NULL, "Take what is there, bring every table up to date, and end."},
    {"batch-rows", "N", "Give every batch exactly N records (for tests); adaptive otherwise."},
    {"listen", "HOST:PORT", "Serve health, metrics, API and dashboard there, as 127.0.0.1:8080."},
    {"token-file", "FILE", "Who asks must know this file's first line (or $PLUMB_TOKEN)."},
    {"write-token-file", "FILE",
     "Who takes alerts on and silences checks over HTTP must know this file's first line (or "
     "$PLUMB_WRITE_TOKEN); nobody can otherwise."},
    {"log-format", "FORMAT", "Log lines as logfmt or json."},
    {"log-level", "LEVEL", "The least that is logged: debug, info, warn, error or off."},
    {"otlp", "URL", "Send traces and metrics there, not where `telemetry:` says; off: nowhere."},
    {"json", NULL, "At the end, a summary as JSON."},
    {NULL, NULL, NULL}};

static volatile sig_atomic_t reload_asked;

/* The flow that runs, and the one that is to take over after SIGHUP. */
struct live {
    const struct invocation *call;
    struct flow *flow;
    struct flow *next;
    struct server *server; /* NULL without --listen */
    struct otlp *otlp;     /* NULL: no telemetry */
    int64_t firing;        /* checks that are not as they should be, after --once */
};

static void on_hangup(int number) {
    (void)number;
    reload_asked = 1;
}

static void catch_signals(void) {
    stop_catch_signals();
    struct sigaction action = {.sa_handler = on_hangup};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGHUP, &action, NULL);
}

static void reload(struct live *live) {
    struct err err = ERR_INIT;
    if (reload_load(live->call->arguments[0], live->call->registry, &live->next, &err) !=
        ERR_NONE) {
        (void)err_wrap(&err, "reload refused, the old flow goes on");
        log_error("reload", &err);
    }
}

static bool should_stop(void *context) {
    struct live *live = context;
    if (live->server != NULL) {
        server_beat(live->server);
    }
    if (reload_asked != 0 && live->next == NULL) {
        reload_asked = 0;
        reload(live);
    }
    return stop_is_asked() || live->next != NULL;
}

static void turned(void *context, int64_t duration_us) {
    const struct live *live = context;
    if (live->server != NULL) {
        server_turned(live->server, duration_us);
    }
}

static void traced(void *context, const struct turn_facts *facts) {
    const struct live *live = context;
    if (live->otlp != NULL) {
        otlp_turn(live->otlp, facts);
    }
}

static void serve(struct live *live) {
    log_set_flow(live->flow->name);
    if (live->server != NULL) {
        server_use(live->server, live->flow);
    }
    otlp_use(&live->otlp, live->call, live->flow);
}

static void tell_reloaded(const struct flow *flow) {
    char version[HASH128_HEX_BYTES];
    hash128_to_hex(flow->version, version);
    log_info("reload", "flow=%s version=%s", flow->name, version);
}

/* The engine with the flow's checks beside it or, with --once, after it. */
static enum err_code run_watched(struct live *live, const struct run_options *options,
                                 struct run_summary *summary, struct err *err) {
    struct watching *watching = options->once ? NULL : watching_start(live->flow);
    struct telling *telling = options->once ? NULL : telling_start(live->flow);
    const enum err_code code = engine_run(live->flow, options, summary, err);
    watching_stop(watching);
    telling_stop(telling);
    const bool has_store = code != ERR_CONFIG && code != ERR_CORRUPT;
    if (options->once && has_store) {
        watching_once(live->flow, &live->firing);
        telling_once(live->flow);
    }
    return code;
}

/* Runs the flow, and after each SIGHUP the one that takes over. */
static enum err_code run_live(struct live *live, const struct run_options *options,
                              struct run_summary *summary, struct err *err) {
    enum err_code code = run_watched(live, options, summary, err);
    while (live->next != NULL && code == ERR_NONE) {
        struct flow *old = live->flow;
        live->flow = live->next;
        live->next = NULL;
        serve(live);
        tell_reloaded(live->flow);
        code = run_watched(live, options, summary, err);
        if (code == ERR_CONFIG && summary->turns == 0) {
            (void)err_wrap(err, "reload refused, the old flow goes on");
            log_error("reload", err);
            struct flow *refused = live->flow;
            live->flow = old;
            serve(live);
            flow_free(refused);
            err_clear(err);
            code = run_watched(live, options, summary, err);
        } else {
            flow_free(old);
        }
    }
    flow_free(live->next);
    live->next = NULL;
    return code;
}

/* One line on standard error that writes over itself. */
static void progress(void *context, const struct run_summary *s) {
    (void)context;
    char records[OUTPUT_NUMBER_BYTES];
    char batches[OUTPUT_NUMBER_BYTES];
    output_number(s->records, records);
    output_number(s->replayed_batches > 0 ? s->replayed_batches : s->batches, batches);
    (void)fprintf(stderr, "\r\x1b[K  %s records, %s batches%s", records, batches,
                  s->failing_stages > 0 ? ", a transform waits" : "");
    (void)fflush(stderr);
}

static void add_field(struct output *o, const char *name, int64_t n, enum style style) {
    char text[OUTPUT_NUMBER_BYTES];
    output_number(n, text);
    output_styled(o, n > 0 ? style : STYLE_PLAIN, "%s %s", text, name);
}

static void show_summary(const struct flow *flow, const struct run_summary *s, int64_t firing,
                         struct output *o) {
    char duration[OUTPUT_NUMBER_BYTES];
    output_duration(s->duration_us, duration);
    output_styled(o, STYLE_STRONG, "%s", flow->name);
    output_add(o, ": ");
    if (s->replayed_batches > 0) {
        add_field(o, s->replayed_batches == 1 ? "staged batch applied" : "staged batches applied",
                  s->replayed_batches, STYLE_PLAIN);
        output_add(o, ", ");
    }
    add_field(o, s->records == 1 ? "record" : "records", s->records, STYLE_PLAIN);
    output_add(o, " in ");
    add_field(o, s->batches == 1 ? "batch" : "batches", s->batches, STYLE_PLAIN);
    output_add(o, ", ");
    add_field(o, "rejected", s->rejected, STYLE_WARN);
    output_add(o, ", %s\n", duration);
    if (s->mostly_rejects[0] != '\0') {
        char rejected[OUTPUT_NUMBER_BYTES];
        char rows[OUTPUT_NUMBER_BYTES];
        output_number(s->mostly_rejected, rejected);
        output_number(s->mostly_rows, rows);
        output_styled(o, STYLE_WARN, "  warning: transform '%s' rejected %s of %s rows",
                      s->mostly_rejects, rejected, rows);
        output_add(o, ", most often for: %s\n", s->mostly_reason);
    }
    if (s->rejected > 0) {
        output_add(o, "  'plumb rejects %s' shows what was set aside and why\n", flow->path);
    }
    if (s->troubles > 0) {
        add_field(o, s->troubles == 1 ? "trouble with a source" : "troubles with sources",
                  s->troubles, STYLE_BAD);
        output_add(o, "; 'plumb status %s' tells which\n", flow->path);
    }
    if (s->failing_stages > 0) {
        add_field(o, s->failing_stages == 1 ? "transform waits" : "transforms wait",
                  s->failing_stages, STYLE_BAD);
        output_add(o, " with the input kept; 'plumb status %s' tells why\n", flow->path);
    }
    if (s->stopped > 0) {
        add_field(o, "stopped at a limit of rejects", s->stopped, STYLE_BAD);
        output_add(o, "; 'plumb status %s' tells what to do\n", flow->path);
    }
    if (firing > 0) {
        add_field(o, firing == 1 ? "check fires" : "checks fire", firing, STYLE_BAD);
        output_add(o, "; 'plumb alerts %s' tells which\n", flow->path);
    }
}

static int print_json(const char *flow, const struct run_summary *s, int64_t firing,
                      const struct err *err) {
    struct json_output o;
    json_output_begin(&o);
    json_begin_object(&o.json);
    json_kv_c(&o.json, "flow", flow);
    json_kv_bool(&o.json, "ok", err->code == ERR_NONE);
    json_kv_i64(&o.json, "turns", s->turns);
    json_kv_i64(&o.json, "batches", s->batches);
    json_kv_i64(&o.json, "records", s->records);
    json_kv_i64(&o.json, "decoded", s->decoded);
    json_kv_i64(&o.json, "rejected", s->rejected);
    json_kv_i64(&o.json, "replayed_batches", s->replayed_batches);
    json_kv_i64(&o.json, "troubles", s->troubles);
    json_kv_i64(&o.json, "failing_stages", s->failing_stages);
    json_kv_i64(&o.json, "stopped", s->stopped);
    json_kv_i64(&o.json, "firing_checks", firing);
    json_kv_i64(&o.json, "duration_us", s->duration_us);
    json_kv_i64(&o.json, "first_commit_us", s->first_commit_us);
    if (err->code != ERR_NONE) {
        json_output_error(&o, err);
    }
    json_end_object(&o.json);
    return json_output_end(&o, EXIT_DONE);
}

static void free_live(struct live *live) {
    server_stop(live->server);
    otlp_stop(live->otlp);
    flow_free(live->flow);
}

/* What a service's log wants to know of it: which flow this is, and how it ended. */
static void log_begin(const struct flow *flow) {
    char version[HASH128_HEX_BYTES];
    char store[LOG_VALUE_BYTES];
    AUTO_BUF sources = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < flow->source_count; i++) {
        buf_addf(&sources, "%s%s", i > 0 ? "," : "", flow->sources[i].name);
    }
    hash128_to_hex(flow->version, version);
    log_info("run", "flow=%s store=%s sources=%s version=%s", flow->name,
             log_value(str_of(flow->store), store), buf_c(&sources), version);
}

static void log_end(const struct flow *flow, const struct run_summary *s, const struct err *err) {
    log_info("end",
             "flow=%s ok=%s batches=%" PRId64 " records=%" PRId64 " rejected=%" PRId64
             " troubles=%" PRId64 " failing=%" PRId64,
             flow->name, err->code == ERR_NONE ? "true" : "false", s->batches, s->records,
             s->rejected, s->troubles, s->failing_stages);
}

static int run_flow(const struct invocation *call, const struct run_options *given) {
    struct run_options options = *given;
    struct err err = ERR_INIT;
    CLEANUP(free_live) struct live live = {.call = call};
    const bool json = invocation_has(call, "json");
    struct run_summary summary = {.first_commit_us = -1};
    if (flow_load(call->arguments[0], call->registry, &live.flow, &err) != ERR_NONE) {
        if (json) {
            (void)print_json(NULL, &summary, 0, &err);
        }
        return command_failed(&err);
    }
    log_set_flow(live.flow->name);
    if (serve_start(call, live.flow, &live.server, &err) != ERR_NONE) {
        return command_failed(&err);
    }
    if (otlp_start(call, live.flow, &live.otlp, &err) != ERR_NONE) {
        return command_failed(&err);
    }
    options.traced = traced; /* a reload may ask for telemetry */
    AUTO_OUTPUT out;
    output_init(&out);
    const bool shows_progress = !json && out.columns > 0 && isatty(STDERR_FILENO) == 1;
    catch_signals();
    options.stop = should_stop;
    options.progress = shows_progress ? progress : NULL;
    options.turned = turned;
    options.context = &live;
    const bool logs = !options.once && isatty(STDERR_FILENO) != 1;
    if (logs) {
        log_begin(live.flow);
    }
    enum err_code code = run_live(&live, &options, &summary, &err);
    if (logs) {
        log_end(live.flow, &summary, &err);
    }
    if (shows_progress) {
        (void)fputs("\r\x1b[K", stderr);
    }
    if (json) {
        (void)print_json(live.flow->name, &summary, live.firing, &err);
    } else if (code == ERR_NONE || summary.turns > 0) {
        show_summary(live.flow, &summary, live.firing, &out);
    }
    const int printed = output_flush(&out, EXIT_DONE);
    if (code == ERR_NONE) {
        return printed;
    }
    const int failed = command_failed(&err);
    if (code == ERR_CONFIG && summary.turns == 0) {
        changes_explain(live.flow);
    }
    return failed;
}

static int run_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    struct run_options options = {.once = invocation_has(call, "once")};
    static const struct range_i64 rows = {1, BATCH_RECORDS_MAX};
    if (invocation_number(call, "batch-rows", rows, 0, &options.batch_rows, &err) != ERR_NONE) {
        return command_misused(call, &err);
    }
    if (logging_set(call, &err) != ERR_NONE) {
        return command_misused(call, &err);
    }
    return run_flow(call, &options);
}

const struct command command_run = {
    .name = "run",
    .usage = "FLOW [--once] [--listen HOST:PORT] [--token-file FILE] [--log-format FORMAT]\n"
             "                   [--log-level LEVEL] [--otlp URL] [--json]",
    .summary = "extract, transform and load; until stopped, or --once",
    .doc =
        "Goes on where the last run ended, whatever ended it. SIGTERM or Ctrl-C ends it after\n"
        "the turn at hand. SIGHUP reads the flow file again and goes on with it, or says why\n"
        "not and keeps the old one. With --once it ends with 1 when a source or transform could\n"
        "not finish; everything else is done by then.",
    .options = run_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_run,
};
