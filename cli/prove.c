/* `plumb prove`: law 3 on the user's own flow. The work is done by trial/; here its result is told.
 *
 * The store is read, never written; every run happens in scratch stores that are gone afterwards. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/opened.h"
#include "cli/output.h"
#include "cli/stop.h"
#include "trial/prove.h"

#define RECORDS_SHOWN   6
#define RECORD_COLUMNS  150
#define FILE_BYTES_MAX  SAMPLE_BYTES_MAX
#define FILE_BATCH_ROWS 500
#define TITLE_COLUMNS   48

static const struct command_option options[] = {
    {"batches", "N", "Take the newest N staged batches (20)."},
    {"oldest", NULL, "Take the oldest ones instead."},
    {"file", "F", "Take the records of this file: F, or SOURCE=F when there are several."},
    {"late", NULL, "Also deliver old batches again after newer ones, as some sources do."},
    {"json", NULL, "As JSON."},
    {NULL, NULL, NULL}};

struct proving {
    const struct invocation *call;
    struct opened opened;
    struct sample sample;
    struct proof proof;
    const char *from; /* what the sample was taken from */
};

static void release(struct proving *p) {
    proof_release(&p->proof);
    sample_release(&p->sample);
    opened_close(&p->opened);
}

/* ---- the sample ---- */

static enum err_code find_source(const struct flow *flow, struct str given,
                                 const struct flow_source **source, const char **path,
                                 struct err *err) {
    const size_t equals = str_find(given, '=');
    *path = given.ptr;
    *source = flow->source_count == 1 ? &flow->sources[0] : NULL;
    for (size_t i = 0; equals < given.len && i < flow->source_count; i++) {
        if (str_equal_c((struct str){given.ptr, equals}, flow->sources[i].name)) {
            *source = &flow->sources[i];
            *path = given.ptr + equals + 1;
        }
    }
    return *source != NULL
               ? ERR_NONE
               : err_set(err, ERR_CONFIG,
                         "--file '%.*s': say which source it is of, as in --file %s=PATH",
                         STR_FMT(given), flow->sources != NULL ? flow->sources[0].name : "NAME");
}

static enum err_code sample_of_file(struct proving *p, const char *given, struct err *err) {
    const struct flow_source *source = NULL;
    const char *path = NULL;
    enum err_code code = find_source(p->opened.flow, str_of(given), &source, &path, err);
    AUTO_BUF text = BUF_INIT(FILE_BYTES_MAX);
    if (code == ERR_NONE) {
        code = file_read_all(path, &text, err);
    }
    if (code == ERR_NONE) {
        code =
            sample_add_text(&p->sample, source, path, (struct str){.len = 0}, buf_str(&text), err);
    }
    if (code == ERR_NONE) {
        sample_cut(&p->sample, FILE_BATCH_ROWS);
        p->from = path;
    }
    return code;
}

/* Of a flow that has not run there is no store, and no reference rows. */
static enum err_code open_flow(struct proving *p, bool needs_store, struct err *err) {
    enum err_code code = flow_load(p->call->arguments[0], p->call->registry, &p->opened.flow, err);
    if (code != ERR_NONE) {
        return code;
    }
    struct err why = ERR_INIT;
    code = store_open(p->opened.flow, STORE_READ, &p->opened.store, &why);
    if (code == ERR_NONE) {
        return store_begin_read(p->opened.store, err);
    }
    if (needs_store || why.code != ERR_CONFIG) {
        *err = why;
        return code;
    }
    return ERR_NONE;
}

static enum err_code take_sample(struct proving *p, int64_t batches, struct err *err) {
    const char *file = invocation_option(p->call, "file");
    enum err_code code = open_flow(p, file == NULL, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (file == NULL) {
        p->from = store_path(p->opened.store);
        code = sample_read(&p->sample, p->opened.store, p->opened.flow, batches,
                           invocation_has(p->call, "oldest"), err);
    } else {
        code = sample_of_file(p, file, err);
        if (code == ERR_NONE && p->opened.store != NULL) {
            code = sample_read_references(&p->sample, p->opened.store, p->opened.flow, err);
        }
    }
    if (code == ERR_NONE && p->sample.records == 0) {
        return err_set(err, ERR_CONFIG,
                       "there are no records to prove it on; `plumb run` stages some, and --file "
                       "takes them from a file");
    }
    (void)sample_group(&p->sample);
    return code == ERR_NONE ? sample_tie(&p->sample, err) : code;
}

/* ---- text ---- */

static const char *state_name(const struct trial_result *r) {
    static const char *const names[] = {"same", "differs", "not tried"};
    return names[r->state];
}

static void show_results(const struct proof *proof, struct output *o) {
    static const enum style styles[] = {STYLE_GOOD, STYLE_BAD, STYLE_DIM};
    for (size_t i = 0; i < proof->result_count; i++) {
        const struct trial_result *r = &proof->results[i];
        output_add(o, "  %-*s ", TITLE_COLUMNS, r->trial->title);
        output_styled(o, styles[r->state], "%s", state_name(r));
        if (r->state == TRIAL_FOUND && r->why != NULL) {
            output_add(o, ": %s", r->why);
        } else if (r->state == TRIAL_SKIPPED) {
            output_styled(o, STYLE_DIM, ": %s", r->why);
        } else if (r->runs > 1) {
            output_styled(o, STYLE_DIM, ", %" PRId64 " times", r->runs);
        }
        output_add(o, "\n");
    }
}

static const char *side(const char *text) {
    return text != NULL ? text : "(no row)";
}

static void show_row(const struct finding *f, struct output *o) {
    const struct difference *d = &f->difference;
    if (d->error != NULL) {
        output_add(o, "  It says: ");
        output_data(o, str_of(d->error));
        output_add(o, "\n");
        return;
    }
    size_t name = strlen("column");
    size_t left = strlen("undisturbed");
    for (size_t i = 0; i < d->cell_count; i++) {
        const size_t n = output_width(d->cells[i].column);
        const size_t a = output_width(side(d->cells[i].a));
        name = n > name ? n : name;
        left = a > left ? a : left;
    }
    output_add(o, "  In %s, the row ", d->table);
    output_data(o, str_of(d->key));
    const int64_t more = d->rows - 1;
    output_add(o, more > 0 ? " (and %" PRId64 " more):\n" : ":\n", more);
    if (d->cell_count == 0) {
        output_add(o, "    is there %s\n", d->in_a ? "only when undisturbed" : "only then");
        return;
    }
    output_styled(o, STYLE_DIM, "    %-*s  %-*s  %s\n", (int)name, "column", (int)left,
                  "undisturbed", f->trial.title);
    for (size_t i = 0; i < d->cell_count; i++) {
        const char *a = side(d->cells[i].a);
        output_add(o, "    %-*s  ", (int)name, d->cells[i].column);
        output_data(o, str_of(a));
        output_add(o, "%*s  ", (int)(left - output_width(a)), "");
        output_styled(o, STYLE_BAD, "%s\n", side(d->cells[i].b));
    }
}

static void show_record(const struct sample_batch *b, size_t index, struct output *o) {
    char text[RECORD_COLUMNS + 1];
    str_printable(b->records[index].bytes, text, sizeof text);
    output_add(o, "      %s\n", text);
}

static void show_part(const struct finding *f, struct output *o) {
    AUTO_BUF records = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF batches = BUF_INIT(BUF_TEXT_MAX);
    output_count(&records, (size_t)f->part.records, "record");
    output_count(&batches, f->part.count, "batch");
    if (f->part.count != 1) {
        buf_clear(&batches);
        buf_addf(&batches, "%zu batches", f->part.count);
    }
    output_add(o, "  %s in %s %s enough to show it:\n", buf_c(&records), buf_c(&batches),
               f->part.records == 1 ? "is" : "are");
    size_t shown = 0;
    for (size_t i = 0; i < f->part.count && shown < RECORDS_SHOWN; i++) {
        const struct sample_batch *b = &f->part.batches[i];
        output_styled(o, STYLE_DIM, "    batch %" PRId64 ", %s ", b->id, b->source->name);
        output_data(o, str_of(b->partition));
        output_add(o, "\n");
        for (size_t k = 0; k < b->count && shown < RECORDS_SHOWN; k++, shown++) {
            show_record(b, k, o);
        }
    }
    if ((int64_t)shown < f->part.records) {
        output_add(o, "      and %" PRId64 " more; --json has all\n",
                   f->part.records - (int64_t)shown);
    }
}

static void show_finding(const struct finding *f, struct output *o) {
    output_add(o, "\n");
    output_styled(o, STYLE_BAD, "FOUND");
    output_styled(o, STYLE_STRONG, "  %s.\n", f->what);
    output_add(o, "  Seen when: %s", f->trial.title);
    if (f->also_count > 1) {
        output_add(o, ", and in %zu other ways\n", f->also_count);
    } else {
        output_add(o, f->also_count == 1 ? "; %s\n" : "%s\n", f->also);
    }
    show_row(f, o);
    show_part(f, o);
    output_add(o, "  What to do: %s.\n", f->advice);
}

static void count_states(const struct proof *proof, size_t counts[3]) {
    for (size_t i = 0; i < proof->result_count; i++) {
        counts[proof->results[i].state]++;
    }
}

static int print_text(const struct proving *p, int exit_code) {
    const struct proof *proof = &p->proof;
    AUTO_OUTPUT out;
    output_init(&out);
    AUTO_BUF records = BUF_INIT(BUF_TEXT_MAX);
    output_count(&records, (size_t)p->sample.records, "record");
    output_styled(&out, STYLE_STRONG, "%s", p->opened.flow->name);
    output_add(&out, ": %s in %zu %s of ", buf_c(&records), p->sample.count,
               p->sample.count == 1 ? "batch" : "batches");
    output_data(&out, str_of(p->from));
    output_add(&out, p->sample.is_cut ? ", which is as much as fits\n\n" : "\n\n");
    show_results(proof, &out);
    for (size_t i = 0; i < proof->finding_count; i++) {
        show_finding(&proof->findings[i], &out);
    }
    for (size_t i = 0; i < proof->note_count; i++) {
        output_add(&out, "\n");
        output_styled(&out, STYLE_WARN, "Worth a look: ");
        output_data(&out, str_of(proof->notes[i]));
        output_add(&out, ".\n");
    }
    size_t counts[3] = {0, 0, 0};
    char duration[OUTPUT_NUMBER_BYTES];
    char rows[OUTPUT_NUMBER_BYTES];
    count_states(proof, counts);
    output_duration(proof->duration_us, duration);
    output_number(proof->rows, rows);
    if (exit_code == EXIT_DONE) {
        output_add(&out, "\n");
        output_styled(&out, STYLE_GOOD, "PASS");
        output_add(&out,
                   "  %zu ways to run it, %" PRId64 " runs, and %zu tables with %s rows are the "
                   "same each time (%s).\n",
                   counts[TRIAL_PASSED], proof->runs, proof->tables, rows, duration);
    } else {
        output_add(
            &out, "\n%zu of %zu ways to run it give something else (%" PRId64 " runs, %s).\n",
            counts[TRIAL_FOUND], counts[TRIAL_PASSED] + counts[TRIAL_FOUND], proof->runs, duration);
    }
    return output_flush(&out, exit_code);
}

/* ---- JSON ---- */

static void write_part(const struct finding *f, struct json_writer *w) {
    json_key(w, "smallest");
    json_begin_array(w);
    for (size_t i = 0; i < f->part.count; i++) {
        const struct sample_batch *b = &f->part.batches[i];
        json_begin_object(w);
        json_kv_i64(w, "batch", b->id);
        json_kv_c(w, "source", b->source->name);
        json_kv_c(w, "partition", b->partition);
        json_key(w, "records");
        json_begin_array(w);
        for (size_t k = 0; k < b->count; k++) {
            json_str(w, b->records[k].bytes);
        }
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_finding(const struct finding *f, struct json_writer *w) {
    const struct difference *d = &f->difference;
    json_begin_object(w);
    json_kv_c(w, "transform", d->transform != NULL ? d->transform->name : NULL);
    json_kv_c(w, "trial", f->trial.name);
    json_kv_c(w, "what", f->what);
    json_kv_c(w, "advice", f->advice);
    json_kv_c(w, "also", f->also);
    json_kv_c(w, "table", d->table);
    json_kv_c(w, "error", d->error);
    json_kv_i64(w, "rows", d->rows);
    json_kv_c(w, "key", d->key);
    json_key(w, "cells");
    json_begin_array(w);
    for (size_t i = 0; i < d->cell_count; i++) {
        json_begin_object(w);
        json_kv_c(w, "column", d->cells[i].column);
        json_kv_c(w, "undisturbed", d->cells[i].a);
        json_kv_c(w, "trial", d->cells[i].b);
        json_end_object(w);
    }
    json_end_array(w);
    write_part(f, w);
    json_end_object(w);
}

static void write_trials(const struct proof *proof, struct json_writer *w) {
    json_key(w, "trials");
    json_begin_array(w);
    for (size_t i = 0; i < proof->result_count; i++) {
        const struct trial_result *r = &proof->results[i];
        json_begin_object(w);
        json_kv_c(w, "trial", r->trial->name);
        json_kv_c(w, "title", r->trial->title);
        json_kv_c(w, "result", state_name(r));
        json_kv_i64(w, "runs", r->runs);
        json_kv_c(w, r->state == TRIAL_FOUND ? "transform" : "why", r->why);
        json_end_object(w);
    }
    json_end_array(w);
}

static int print_json(const struct proving *p, int exit_code) {
    const struct proof *proof = &p->proof;
    struct json_output o;
    json_output_begin(&o);
    json_begin_object(&o.json);
    json_kv_bool(&o.json, "ok", exit_code == EXIT_DONE);
    json_kv_c(&o.json, "flow", p->opened.flow->name);
    json_kv_c(&o.json, "from", p->from);
    json_kv_i64(&o.json, "batches", (int64_t)p->sample.count);
    json_kv_i64(&o.json, "records", p->sample.records);
    json_kv_bool(&o.json, "cut", p->sample.is_cut);
    json_kv_i64(&o.json, "runs", proof->runs);
    json_kv_i64(&o.json, "tables", (int64_t)proof->tables);
    json_kv_i64(&o.json, "rows", proof->rows);
    json_kv_i64(&o.json, "duration_us", proof->duration_us);
    write_trials(proof, &o.json);
    json_key(&o.json, "findings");
    json_begin_array(&o.json);
    for (size_t i = 0; i < proof->finding_count; i++) {
        write_finding(&proof->findings[i], &o.json);
    }
    json_end_array(&o.json);
    json_key(&o.json, "notes");
    json_begin_array(&o.json);
    for (size_t i = 0; i < proof->note_count; i++) {
        json_c(&o.json, proof->notes[i]);
    }
    json_end_array(&o.json);
    json_end_object(&o.json);
    return json_output_end(&o, exit_code);
}

/* ---- the command ---- */

static void progress(void *context, const char *title) {
    (void)context;
    (void)fprintf(stderr, "\r\x1b[K  %s", title);
    (void)fflush(stderr);
}

static int prove_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    CLEANUP(release) struct proving p = {.call = call};
    sample_init(&p.sample);
    static const struct range_i64 range = {1, PROVE_BATCHES_MAX};
    int64_t batches = 0;
    if (invocation_number(call, "batches", range, PROVE_BATCHES_DEFAULT, &batches, &err) !=
        ERR_NONE) {
        return command_misused(call, &err);
    }
    stop_catch_signals();
    enum err_code code = take_sample(&p, batches, &err);
    const bool json = invocation_has(call, "json");
    const bool tells = !json && isatty(STDERR_FILENO) == 1;
    const struct prove_options how = {.late = invocation_has(call, "late"),
                                      .stop = stop_is_asked,
                                      .progress = tells ? progress : NULL};
    if (code == ERR_NONE) {
        code = prove(p.opened.flow, &p.sample, &how, &p.proof, &err);
    }
    if (tells) {
        (void)fputs("\r\x1b[K", stderr);
    }
    if (code != ERR_NONE) {
        return command_failed(&err);
    }
    const int exit_code = p.proof.finding_count > 0 ? EXIT_FINDINGS : EXIT_DONE;
    return json ? print_json(&p, exit_code) : print_text(&p, exit_code);
}

const struct command command_prove = {
    .name = "prove",
    .usage = "FLOW [--batches N] [--oldest] [--file F] [--late] [--json]",
    .summary = "show that the flow gives the same tables however its records come",
    .doc = "Takes staged batches and runs the flow over them again and again in scratch stores:\n"
           "twice, split otherwise, delivered twice, in another order, killed and resumed,\n"
           "replayed, computed from scratch, with rows taken out and put back. Every table must\n"
           "come out the same. Otherwise it names the transform at fault and the fewest records\n"
           "that show it, and ends with 3.\n\n"
           "The store is only read; sources are not asked.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = prove_run,
};
