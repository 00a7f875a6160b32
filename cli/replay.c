/* `plumb replay`: tables made anew from the staged raw records, and what changed by it. */
#include "cli/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/stop.h"
#include "engine/range.h"

static const struct command_option options[] = {
    {"transform", "NAME", "Only what this transform makes, and everything below it."},
    {"source", "NAME", "Only what the maps of this source make, and everything below it."},
    {"from", "BATCH", "Only what these batches make: from this one on (`_batch`, `trace`)."},
    {"to", "BATCH", "And to this one."},
    {"since", "TIME", "Only batches staged since then: 2026-01-31T12:00:00Z, or 7d for days ago."},
    {"until", "TIME", "And until then."},
    {"turn-rows", "N", "Commit aside after so many rows, 50,000 unless given: what a kill costs."},
    {"lose", NULL, "Go on without batches whose raw records are gone; their rows are lost."},
    {"json", NULL, "At the end, a summary as JSON."},
    {NULL, NULL, NULL}};

static bool should_stop(void *context) {
    (void)context;
    return stop_is_asked();
}

/* One line on standard error that writes over itself. */
static void progress(void *context, const struct run_summary *s) {
    (void)context;
    char batches[OUTPUT_NUMBER_BYTES];
    output_number(s->replayed_batches, batches);
    (void)fprintf(stderr, "\r\x1b[K  %s batches", batches);
    if (s->replay_total > 0 && s->replayed_batches > 0) {
        char left[OUTPUT_NUMBER_BYTES];
        int64_t todo = s->replay_total - s->replayed_batches;
        todo = todo > 0 ? todo : 0;
        output_duration(s->duration_us / s->replayed_batches * todo, left);
        (void)fprintf(stderr, " of %" PRId64 ", about %s left", s->replay_total, left);
    }
    (void)fflush(stderr);
}

static void add_count(struct output *o, int64_t n, const char *what, bool *first) {
    if (n > 0) {
        char text[OUTPUT_NUMBER_BYTES];
        output_number(n, text);
        output_add(o, "%s%s %s", *first ? "" : ", ", text, what);
        *first = false;
    }
}

static void show_table(struct output *o, const struct swap_table *t) {
    bool first = true;
    char rows[OUTPUT_NUMBER_BYTES];
    output_number(t->rows, rows);
    output_add(o, "  ");
    output_styled(o, STYLE_STRONG, "%s", t->name);
    output_add(o, ": ");
    if (t->made_anew) {
        output_add(o, "made anew, ");
    } else {
        add_count(o, t->updated, "changed", &first);
        add_count(o, t->inserted, "new", &first);
        add_count(o, t->deleted, "gone", &first);
        output_add(o, first ? "the same, " : ", ");
    }
    output_add(o, "%s rows\n", rows);
    for (size_t i = 0; i < t->sample_count; i++) {
        output_add(o, "    ");
        output_data(o, str_of(t->samples[i]));
        output_add(o, "\n");
    }
    if (t->sample_count > 0 && t->updated > (int64_t)t->sample_count) {
        output_add(o, "    ...\n");
    }
}

void replay_show_tables(struct output *o, const struct swap_report *report) {
    for (size_t i = 0; i < report->count; i++) {
        show_table(o, &report->tables[i]);
    }
}

static int print_text(const struct flow *flow, const struct run_summary *s,
                      const struct swap_report *report) {
    AUTO_OUTPUT o;
    output_init(&o);
    char batches[OUTPUT_NUMBER_BYTES];
    char duration[OUTPUT_NUMBER_BYTES];
    output_number(s->replayed_batches, batches);
    output_duration(s->duration_us, duration);
    output_styled(&o, STYLE_STRONG, "%s", flow->name);
    output_add(&o, ": %s staged %s applied, %s\n", batches,
               s->replayed_batches == 1 ? "batch" : "batches", duration);
    replay_show_tables(&o, report);
    if (s->lost_batches > 0) {
        char lost[OUTPUT_NUMBER_BYTES];
        output_number(s->lost_batches, batches);
        output_number(s->lost_rows, lost);
        output_styled(&o, STYLE_WARN, "  lost: %s rows", lost);
        output_add(&o, ", of %s %s whose raw records are no longer kept\n", batches,
                   s->lost_batches == 1 ? "batch" : "batches");
    }
    if (s->rejected > 0) {
        char rejected[OUTPUT_NUMBER_BYTES];
        output_number(s->rejected, rejected);
        output_styled(&o, STYLE_WARN, "  %s rejected", rejected);
        output_add(&o, "; 'plumb rejects %s' shows what and why\n", flow->path);
    }
    return output_flush(&o, EXIT_DONE);
}

void replay_write_tables(struct json_writer *w, const struct swap_report *report) {
    json_key(w, "tables");
    json_begin_array(w);
    for (size_t i = 0; i < report->count; i++) {
        const struct swap_table *t = &report->tables[i];
        json_begin_object(w);
        json_kv_c(w, "table", t->name);
        json_kv_bool(w, "made_anew", t->made_anew);
        json_kv_i64(w, "rows", t->rows);
        json_kv_i64(w, "updated", t->updated);
        json_kv_i64(w, "inserted", t->inserted);
        json_kv_i64(w, "deleted", t->deleted);
        json_key(w, "samples");
        json_begin_array(w);
        for (size_t k = 0; k < t->sample_count; k++) {
            json_c(w, t->samples[k]);
        }
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
}

static int print_json(const struct flow *flow, const struct run_summary *s,
                      const struct swap_report *report, const struct err *err) {
    struct json_output o;
    json_output_begin(&o);
    json_begin_object(&o.json);
    json_kv_c(&o.json, "flow", flow != NULL ? flow->name : NULL);
    json_kv_bool(&o.json, "ok", err->code == ERR_NONE);
    json_kv_i64(&o.json, "replayed_batches", s->replayed_batches);
    json_kv_i64(&o.json, "rejected", s->rejected);
    json_kv_i64(&o.json, "lost_batches", s->lost_batches);
    json_kv_i64(&o.json, "lost_rows", s->lost_rows);
    json_kv_i64(&o.json, "failing_stages", s->failing_stages);
    json_kv_i64(&o.json, "duration_us", s->duration_us);
    replay_write_tables(&o.json, report);
    if (err->code != ERR_NONE) {
        json_output_error(&o, err);
    }
    json_end_object(&o.json);
    return json_output_end(&o, EXIT_DONE);
}

enum err_code replay_make(const struct flow *flow, const char *const *names, size_t count,
                          const struct replay_how *how, struct run_summary *summary,
                          struct swap_report *report, struct err *err) {
    const bool shows = !how->quiet && isatty(STDERR_FILENO) == 1;
    const struct run_options run = {.stop = should_stop,
                                    .progress = shows ? progress : NULL,
                                    .turn_rows = how->turn_rows,
                                    .lose = how->lose};
    stop_catch_signals();
    enum err_code code = engine_replay(flow, names, count, &run, summary, report, err);
    if (shows) {
        (void)fputs("\r\x1b[K", stderr);
    }
    return code;
}

/* What was meant: a range of batches, or (is_range false) all of a transform or source. */
struct replay_what {
    struct replay_range range;
    bool is_range;
    const char **names; /* [transform_count], of the transforms; owned */
    size_t count;
};

static enum err_code read_what(const struct invocation *call, struct replay_what *out,
                               struct replay_how *how, struct err *err) {
    static const struct range_i64 ids = {1, INT64_MAX - 1};
    static const struct range_i64 rows = {1, BATCH_RECORDS_MAX};
    struct replay_range *range = &out->range;
    range->source = invocation_option(call, "source");
    range->transform = invocation_option(call, "transform");
    out->is_range = invocation_has(call, "from") || invocation_has(call, "to") ||
                    invocation_has(call, "since") || invocation_has(call, "until");
    enum err_code code = invocation_number(call, "from", ids, 0, &range->from, err);
    if (code == ERR_NONE) {
        code = invocation_number(call, "to", ids, 0, &range->to, err);
    }
    if (code == ERR_NONE) {
        code = invocation_time(call, "since", INT64_MIN, &range->since_us, err);
    }
    if (code == ERR_NONE) {
        code = invocation_time(call, "until", INT64_MAX, &range->until_us, err);
    }
    if (code == ERR_NONE) {
        code = invocation_number(call, "turn-rows", rows, 0, &how->turn_rows, err);
    }
    if (code == ERR_NONE && out->is_range && how->lose) {
        code = err_set(err, ERR_CONFIG, "--lose goes with a whole replay, not with a range");
    }
    return code;
}

/* The maps of the source, or the transform that was named. */
static enum err_code name_transforms(const struct flow *flow, struct replay_what *what,
                                     struct err *err) {
    const char *source = what->range.source;
    what->names = mem_alloc_array(flow->transform_count + 1, sizeof(*what->names));
    if (what->range.transform != NULL) {
        what->names[what->count++] = what->range.transform;
    }
    if (source == NULL) {
        return ERR_NONE;
    }
    if (flow_find_source(flow, source) == NULL) {
        return err_set(err, ERR_CONFIG, "the flow has no source '%s'", source);
    }
    for (size_t i = 0; i < flow->transform_count && what->range.transform == NULL; i++) {
        const struct flow_transform *t = &flow->transforms[i];
        if (t->kind == TRANSFORM_MAP && str_equal_c(str_of(t->source->name), source)) {
            what->names[what->count++] = t->name;
        }
    }
    return what->count > 0
               ? ERR_NONE
               : err_set(err, ERR_CONFIG, "no map reads source '%s'", what->range.source);
}

static enum err_code replay_what(const struct flow *flow, struct replay_what *what,
                                 const struct replay_how *how, struct run_summary *summary,
                                 struct swap_report *report, struct err *err) {
    if (!what->is_range) {
        const enum err_code code = name_transforms(flow, what, err);
        return code == ERR_NONE
                   ? replay_make(flow, what->names, what->count, how, summary, report, err)
                   : code;
    }
    const bool shows = !how->quiet && isatty(STDERR_FILENO) == 1;
    const struct run_options run = {
        .stop = should_stop, .progress = shows ? progress : NULL, .turn_rows = how->turn_rows};
    stop_catch_signals();
    const enum err_code code = engine_replay_range(flow, &what->range, &run, summary, report, err);
    if (shows) {
        (void)fputs("\r\x1b[K", stderr);
    }
    return code;
}

static int replay_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    struct flow *flow = NULL;
    struct run_summary summary = {.first_commit_us = -1};
    struct swap_report report = {.count = 0};
    struct replay_what what = {.is_range = false};
    const bool json = invocation_has(call, "json");
    struct replay_how how = {.quiet = json, .lose = invocation_has(call, "lose")};
    if (read_what(call, &what, &how, &err) != ERR_NONE) {
        return command_misused(call, &err);
    }
    enum err_code code = flow_load(call->arguments[0], call->registry, &flow, &err);
    if (code == ERR_NONE) {
        code = replay_what(flow, &what, &how, &summary, &report, &err);
    }
    int printed = EXIT_DONE;
    if (json) {
        printed = print_json(flow, &summary, &report, &err);
    } else if (code == ERR_NONE) {
        printed = print_text(flow, &summary, &report);
    }
    swap_report_release(&report);
    mem_free(what.names);
    flow_free(flow);
    return code != ERR_NONE ? command_failed(&err) : printed;
}

const struct command command_replay = {
    .name = "replay",
    .usage = "FLOW [--transform NAME] [--source NAME] [--from BATCH] [--to BATCH] [--since TIME] "
             "[--until TIME] [--turn-rows N] [--lose] [--json]",
    .summary = "rebuild tables from the staged raw records",
    .doc = "Makes again what the transforms made, with the flow as it is now, aside: the tables\n"
           "that are there serve until it is done, and then change in one transaction. Only rows\n"
           "that differ are written, and counted. Sources are not asked. Interrupted, the next\n"
           "replay of the same flow goes on. When raw records it needs are no longer kept, it\n"
           "says how many and changes nothing, unless --lose is given.\n\n"
           "Of a range of batches only these are read: the tables become what they would be had\n"
           "these been applied with the reference tables as they are now, and all others as they\n"
           "were. A changed flow, and what cannot be told from the range alone, is refused, with\n"
           "the reason.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = replay_run,
};
