/* How it works: the lines as a table, and one sentence for the worst that is among them, with the
 * command that goes on from there. */
#include <stdio.h>

#include "cli/changes.h"

static void show_verdict(const struct changes *c, const struct flow *flow, struct output *o) {
    char batches[OUTPUT_NUMBER_BYTES];
    char rows[OUTPUT_NUMBER_BYTES];
    char time[OUTPUT_NUMBER_BYTES];
    if (c->count[EFFECT_LOST] > 0) {
        output_styled(o, STYLE_BAD, "Rows would be lost");
        output_add(o,
                   ": put the old definition back, begin again with a new store, or go on "
                   "without them\n  plumb replay %s%s%s --lose\n",
                   flow->path, c->scope != NULL ? " --transform " : "",
                   c->scope != NULL ? c->scope : "");
    } else if (c->count[EFFECT_HAND] > 0) {
        output_styled(o, STYLE_BAD, "Your turn");
        output_add(o,
                   ": change those tables by hand, or put the declaration back; then plan again\n");
    } else if (c->count[EFFECT_REBUILD] > 0) {
        output_number(c->batches, batches);
        output_number(c->rows, rows);
        output_styled(o, STYLE_WARN, "A rebuild is needed");
        if (c->batches > 0) {
            output_add(o, ": %s staged %s applied again,", batches,
                       c->batches == 1 ? "batch is" : "batches are");
        } else {
            output_add(o, ": from the rows of its inputs,");
        }
        output_add(o, " %s rows made anew", rows);
        if (c->estimate_us >= 0) {
            output_duration(c->estimate_us, time);
            output_add(o, ", %s at least", time);
        }
        output_add(o, "\n  plumb replay %s%s%s\n", flow->path,
                   c->scope != NULL ? " --transform " : "", c->scope != NULL ? c->scope : "");
    } else if (c->count[EFFECT_RUN] > 0) {
        output_styled(o, STYLE_GOOD, "Additive");
        output_add(o, ": the next run does it\n  plumb run %s\n", flow->path);
    }
}

void changes_show(const struct changes *c, const struct flow *flow, struct output *o) {
    if (facts_rows(&c->lines) > 0) {
        facts_show(&c->lines, o, FACTS_ROWS_MAX);
        output_add(o, "\n");
    }
    show_verdict(c, flow, o);
}

void changes_explain(struct flow *flow) {
    struct opened o = {.flow = flow};
    struct err err = ERR_INIT; /* whatever hinders this, the refusal itself was told */
    bool exists = false;
    CLEANUP(changes_release) struct changes c;
    AUTO_OUTPUT out;
    changes_init(&c);
    output_init(&out);
    out.colour = false;
    if (store_exists(flow, &exists, &err) != ERR_NONE || !exists ||
        store_open(flow, STORE_READ, &o.store, &err) != ERR_NONE) {
        return;
    }
    if (changes_find(&c, &o, &err) == ERR_NONE && changes_refused(&c)) {
        changes_show(&c, flow, &out);
        (void)fprintf(stderr, "\n%s", buf_c(&out.text));
    }
    store_close(o.store);
}
