/* How it works: engine/deep.h recomputes and compares; here its verdicts become two checks, and what
 * each table's difference means becomes words. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/audit.h"
#include "cli/stop.h"
#include "engine/deep.h"

static bool should_stop(void *context) {
    (void)context;
    return stop_is_asked();
}

static void progress(void *context, const struct run_summary *s) {
    (void)context;
    (void)fprintf(stderr, "\r\x1b[K  %" PRId64 " of %" PRId64 " batches applied aside",
                  s->replayed_batches, s->replay_total);
    (void)fflush(stderr);
}

static void add_part(struct buf *out, int64_t n, const char *what) {
    if (n > 0) {
        char text[OUTPUT_NUMBER_BYTES];
        output_number(n, text);
        buf_addf(out, "%s%s %s", out->len > 0 ? ", " : "", text, what);
    }
}

/* "1 missing, 2 too much, 3 differ (id 7: spent is 1200, should be 1300)" */
static void add_difference(struct buf *out, const struct table_difference *d) {
    AUTO_BUF parts = BUF_INIT(BUF_TEXT_MAX);
    add_part(&parts, d->missing, "missing");
    add_part(&parts, d->extra, "too much");
    add_part(&parts, d->differing, "different");
    buf_addf(out, "%s", buf_c(&parts));
    for (size_t i = 0; i < d->sample_count; i++) {
        buf_addf(out, "%s%s", i == 0 ? " (" : "; ", d->samples[i]);
    }
    buf_adds(out, d->sample_count > 0 ? ")" : "");
}

static void find_other(struct audit *a, const struct deep_table *t) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    add_difference(&text, &t->staged);
    audit_find(a, str_of(t->table->name),
               "is not what '%s' makes of the staged batches: %s. Changed by hand, or a table it "
               "joins was: `plumb replay --transform %s` makes it anew",
               t->made_by->name, buf_c(&text), t->made_by->name);
}

static void find_unsteady(struct audit *a, const struct deep_table *t) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    add_difference(&text, &t->staged);
    audit_find(a, str_of(t->table->name),
               "comes out otherwise when '%s' follows the batches one by one: %s. What it gives "
               "depends on how changes come together; `plumb prove` narrows it down",
               t->made_by->name, buf_c(&text));
}

static void find_whole(struct audit *a, const struct deep_table *t) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    add_difference(&text, &t->whole);
    if (t->verdict == DEEP_CHANGED && !t->replayed) {
        audit_find(a, str_of(t->table->name),
                   "is not what '%s' gives for its input: %s. Changed by hand, or its `on` forgets "
                   "keys; it could not be run afresh to tell: %s",
                   t->made_by->name, buf_c(&text), t->why);
    } else if (t->verdict == DEEP_CHANGED) {
        audit_find(a, str_of(t->table->name),
                   "is not what '%s' gives for its input: %s. Run afresh, the transform gives the "
                   "right rows: changed by hand? `plumb replay --transform %s` makes it anew",
                   t->made_by->name, buf_c(&text), t->made_by->name);
    } else if (t->blind[0] != '\0') {
        audit_find(a, str_of(t->table->name),
                   "'%s' forgets keys: its `on` does not map a change of %s to every key it "
                   "concerns: %s. Mend `on`, then `plumb replay --transform %s`",
                   t->made_by->name, t->blind, buf_c(&text), t->made_by->name);
    } else {
        audit_find(a, str_of(t->table->name),
                   "'%s' does not keep its table up to date, also when it is run afresh: %s. Its "
                   "SELECT reads what `on` does not map to keys, or depends on other keys; `plumb "
                   "prove` narrows it down",
                   t->made_by->name, buf_c(&text));
    }
}

static void report_staged(struct audit *a, const struct deep_report *r) {
    audit_begin(a, "recomputed",
                "tables are what their transforms make of the staged batches, run afresh aside");
    for (size_t i = 0; i < r->count; i++) {
        const struct deep_table *t = &r->tables[i];
        a->examined += t->replayed ? t->rows : 0;
        if (t->verdict == DEEP_OTHER) {
            find_other(a, t);
        } else if (t->verdict == DEEP_UNSTEADY) {
            find_unsteady(a, t);
        }
    }
    audit_end(a);
}

static void report_whole(struct audit *a, const struct deep_report *r) {
    audit_begin(a, "evaluated",
                "sums and derives are what their SQL gives over the whole input at once");
    for (size_t i = 0; i < r->count; i++) {
        const struct deep_table *t = &r->tables[i];
        a->examined += t->evaluated ? t->rows : 0;
        if (t->verdict == DEEP_FORGETS || t->verdict == DEEP_CHANGED) {
            find_whole(a, t);
        }
    }
    audit_end(a);
}

static void add_words(struct facts *f, const struct deep_table *t) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    enum style style = STYLE_BAD;
    switch (t->verdict) {
    case DEEP_SAME:
        buf_addf(&text, "the same%s%s", t->why[0] != '\0' ? "; " : "", t->why);
        style = STYLE_GOOD;
        break;
    case DEEP_NOT_COMPARED:
        buf_addf(&text, "not compared: %s", t->why);
        style = STYLE_WARN;
        break;
    case DEEP_OTHER:
        buf_adds(&text, "not what the staged batches give");
        break;
    case DEEP_FORGETS:
        buf_adds(&text, "not kept up to date");
        break;
    case DEEP_CHANGED:
        buf_adds(&text, "not what its input gives");
        break;
    case DEEP_FOLLOWS:
        buf_addf(&text, "right for '%s', which differs", t->root->name);
        style = STYLE_WARN;
        break;
    case DEEP_UNSTEADY:
        buf_adds(&text, "comes out otherwise");
        break;
    }
    facts_text(f, buf_str(&text));
    facts_style(f, style);
}

static void list_tables(struct audit *a, const struct deep_report *r) {
    for (size_t i = 0; i < r->count; i++) {
        const struct deep_table *t = &r->tables[i];
        const bool by_whole = t->evaluated && table_difference_rows(&t->whole) > 0;
        const struct table_difference *d = by_whole ? &t->whole : &t->staged;
        facts_c(&a->deep, t->table->name);
        facts_number(&a->deep, t->rows);
        facts_number(&a->deep, d->missing);
        facts_number(&a->deep, d->extra);
        facts_number(&a->deep, d->differing);
        add_words(&a->deep, t);
    }
}

enum err_code audit_deep(struct audit *a, bool quiet, struct err *err) {
    const bool shows = !quiet && isatty(STDERR_FILENO) == 1;
    const struct run_options options = {.stop = should_stop, .progress = shows ? progress : NULL};
    struct deep_report report = {.count = 0};
    a->check = NULL;
    stop_catch_signals();
    const enum err_code code =
        engine_deep(a->opened->flow, a->opened->store, &options, &report, err);
    if (shows) {
        (void)fputs("\r\x1b[K", stderr);
    }
    if (code == ERR_NONE) {
        report_staged(a, &report);
        report_whole(a, &report);
        list_tables(a, &report);
    }
    deep_report_release(&report);
    return code;
}
