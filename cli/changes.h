/* What a flow would change in its store: a line for each thing that is not as the flow says.
 *
 * Found by looking only: tables against their declarations, transforms against the definitions
 * that made their rows, sources against what was staged. The effect of a line says who does it:
 * `plumb run` by itself, `plumb replay`, a person, or nobody, because raw records are gone. */
#ifndef PLUMB_CLI_CHANGES_H
#define PLUMB_CLI_CHANGES_H

#include "cli/facts.h"
#include "cli/opened.h"

enum effect {
    EFFECT_STAYS,   /* nothing is done to it */
    EFFECT_RUN,     /* additive: the next run does it */
    EFFECT_REBUILD, /* `plumb replay` */
    EFFECT_HAND,    /* only a person can know what is meant */
    EFFECT_LOST     /* rows that nothing can make again */
};
#define EFFECTS 5
/* As --json names them: "stays", "run", "rebuild", "by_hand", "lost". */
extern const char *const effect_names[EFFECTS];

struct changes {
    struct facts lines;
    int64_t count[EFFECTS];
    /* what a rebuild costs, when there is one */
    const char *scope; /* the transform to replay, of the flow; NULL: all */
    int64_t batches, records, rows;
    int64_t estimate_us; /* of the maps, by what the ledger measured; -1: nothing was measured */
};

void changes_init(struct changes *c);
void changes_release(struct changes *c); /* for CLEANUP */
MUST_CHECK enum err_code changes_find(struct changes *c, const struct opened *o, struct err *err);
/* Something `plumb run` refuses. */
bool changes_refused(const struct changes *c);
/* After `run` refused the flow: the lines on standard error, when they are why. */
void changes_explain(struct flow *flow);
/* Lines, and what to do next. */
void changes_show(const struct changes *c, const struct flow *flow, struct output *o);

#endif
