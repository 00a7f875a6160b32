/* Scratch stores: a flow run over staged batches in a directory of its own.
 *
 * The flow is a copy whose store is another file, under $TMPDIR, or in memory where the system has
 * a file system for it; everything else is shared with the flow, which must outlive it. No source
 * is opened, no network is used, and waits after a failure are a hundredth as long. */
#ifndef PLUMB_TRIAL_SCRATCH_H
#define PLUMB_TRIAL_SCRATCH_H

#include "engine/engine.h"
#include "trial/sample.h"

#define SCRATCH_NAME_BYTES 64

struct scratch {
    struct flow flow;   /* its store is the scratch store at hand */
    char *directory;    /* owned */
    char *store;        /* owned: flow.store */
    bool (*stop)(void); /* NULL, or asked: true ends the run at hand, with CANCELLED */
    int64_t runs;       /* how often the engine ran */
    int64_t last_steps; /* durable steps of the last run */
};

MUST_CHECK enum err_code scratch_open(struct scratch *s, const struct flow *flow, struct err *err);
/* Removes the directory. For CLEANUP; a zeroed one is fine. */
void scratch_close(struct scratch *s);
/* Goes to the store of that name; a new one is empty. Several may stand side by side. */
void scratch_use(struct scratch *s, const char *name);
/* Deletes the store at hand. */
void scratch_clear(struct scratch *s);
/* Fills the store at hand: the sample's reference rows, then the deliveries. */
MUST_CHECK enum err_code scratch_stage(struct scratch *s, const struct sample *sample,
                                       const struct deliveries *d, struct err *err);
/* Runs SQL in the store at hand: several statements; triggers fire. */
MUST_CHECK enum err_code scratch_execute(struct scratch *s, const char *sql, struct err *err);

bool scratch_is_stopping(const struct scratch *s);

struct scratch_run {
    int64_t turn_rows; /* as in run_options */
    bool reversed;
    bool replay;
    const char *zone; /* TZ; NULL: as it is */
    int64_t kill_at;  /* > 0: a child process does it, and is killed at this durable step */
};
/* Applies what is staged. With kill_at: *killed tells whether it came to it. */
MUST_CHECK enum err_code scratch_run(struct scratch *s, const struct scratch_run *how, bool *killed,
                                     struct err *err);

#endif
