/* Mending a store whose own tables are damaged: `plumb audit --repair`.
 *
 * First it is planned, as a list of steps, for which damaged batches are asked of their sources again;
 * applied, the same steps are found again under the store's lock and taken in one transaction, and
 * then tables are rebuilt as a replay does. What is taken out goes to `_plumb_quarantine`. Killed
 * between the two, the store says so (`_plumb_meta`, key 'repair') and the next repair goes on.
 *
 * A batch that nobody can give again is left as it is, with the rows that were made of it, unless it
 * is written off: then records that are rejected as lost stand in its place. */
#ifndef PLUMB_ENGINE_REPAIR_H
#define PLUMB_ENGINE_REPAIR_H

#include "engine/engine.h"

enum repair_way {
    REPAIR_MOVE,      /* rows that point nowhere: to quarantine */
    REPAIR_RECOUNT,   /* a number is set to what is counted */
    REPAIR_AGAIN,     /* the source gave the batch again */
    REPAIR_REWIND,    /* this batch and all behind it: to quarantine; the next run extracts anew */
    REPAIR_WRITE_OFF, /* records that are rejected as lost stand in its place */
    REPAIR_LOST       /* left as it is */
};
const char *repair_way_name(enum repair_way way);

#define REPAIR_STEPS_MAX  10000 /* in one repair; the next one goes on */
#define REPAIR_TEXT_BYTES 400

struct repair_step {
    enum repair_way way;
    char where[REPAIR_TEXT_BYTES]; /* "orders a.jsonl, batch 2" */
    char text[REPAIR_TEXT_BYTES];  /* what is wrong, and what is done */
    int64_t first_record, records; /* which records are lost or extracted anew; 0, 0: none */
};

struct repair_options {
    bool apply;     /* else only planned: a reader's view, nothing changes */
    bool write_off; /* batches that no source can give again */
    bool rebuild;   /* tables are rebuilt in any case: somebody found them wrong */
    const struct run_options *run;
};

struct repair_report {
    struct repair_step *steps; /* owned */
    size_t count, capacity;
    size_t lost;    /* of them LOST */
    bool rebuilds;  /* tables are rebuilt, or would be */
    bool is_unable; /* they should be, and cannot: batches are lost */
    bool extracts;  /* the next run extracts again what went */
    bool goes_on;   /* an interrupted repair had them to rebuild */
    struct run_summary summary;
    struct swap_report swapped; /* of the rebuild */
};
void repair_report_release(struct repair_report *r);

/* Errors as engine_replay; UNAVAILABLE and the like of a source are a step, not an error. */
MUST_CHECK enum err_code engine_repair(const struct flow *flow,
                                       const struct repair_options *options,
                                       struct repair_report *out, struct err *err);

#endif
