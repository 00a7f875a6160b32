/* Running a flow: sources' threads fill packages, this thread turns them into committed tables.
 *
 *     source thread: extract -> seal -> decode --package--> this thread: one transaction per turn
 *
 * A turn stages the batch with its cursor, applies the maps that are up to date, lets sums and
 * derives follow, writes ledger, rejects and marks, and commits once. Transforms that are behind
 * (they failed, or are new) catch up from the staged batches between turns. */
#ifndef PLUMB_ENGINE_ENGINE_H
#define PLUMB_ENGINE_ENGINE_H

#include "flow/flow.h"
#include "store/store.h"

#define ENGINE_IDLE_US 200000 /* longest wait between looks at the queues and at `stop` */
/* Batches that wait share a turn, and its one fsync, until so many rows have come together. */
#define TURN_ROWS_MAX        50000
#define RETAIN_EVERY_TURNS   50
#define RETAIN_BATCHES       500
#define MOSTLY_ROWS_MIN      100 /* of one map, before a warning that most are rejected */
#define SUMMARY_REASON_BYTES 160

struct run_summary {
    int64_t turns;
    int64_t batches, records, decoded; /* of this run */
    int64_t rejected;                  /* while decoding or by a transform */
    int64_t replayed_batches;
    int64_t lost_batches, lost_rows; /* passed over by a replay: their decoded rows are lost */
    int64_t replay_total;            /* batches a replay has to apply; 0: not known */
    int64_t troubles;                /* partitions or sources with a problem at the end */
    int64_t failing_stages;          /* transforms that wait with their input kept */
    int64_t stopped;                 /* sources and maps that have reached their limit of rejects */
    int64_t duration_us;
    int64_t first_commit_us; /* from the call to the first commit; -1 if none */
    /* A map that rejected more than half of its rows (MOSTLY_ROWS_MIN at least), with the reason it
     * gave most often; "" if none. */
    char mostly_rejects[FLOW_NAME_BYTES_MAX + 1];
    char mostly_reason[SUMMARY_REASON_BYTES];
    int64_t mostly_rejected, mostly_rows;
};

/* What a turn did, for telemetry. Times: started_us wall clock. */
#define TURN_STEPS_MAX 256
struct turn_step {
    const char *source;  /* a batch was taken from it, or NULL */
    const char *stage;   /* a transform was at work, or NULL */
    int64_t batch;       /* of the store; 0: of no one batch, or none was staged */
    struct hash128 hash; /* of that batch's raw bytes */
    int64_t started_us, duration_us;
    int64_t records, rejected; /* of a source's batch */
    enum err_code code;        /* of a stage that failed alone */
};
struct turn_facts {
    int64_t started_us, duration_us;
    enum err_code code; /* not ERR_NONE: nothing was committed */
    const struct turn_step *steps;
    size_t step_count, steps_left_out;
};

struct run_options {
    bool once;          /* drain what is there and return */
    bool staged;        /* apply what is staged, as it is: sources are not asked (with `once`) */
    int64_t batch_rows; /* > 0: every batch has this many records; 0: adaptive */
    int64_t
        turn_rows; /* > 0: staged batches share a turn up to so many rows (1: each has its own) */
    /* A replay passes over batches whose raw records are gone, and their rows are lost; else it is
     * refused (CONFIG) and nothing is changed. */
    bool lose;
    bool reversed; /* SQL that names no order reads rows the other way round (trial/) */
    /* Asked between turns; true ends the run after the present one. */
    bool (*stop)(void *context);
    /* Called after each turn, at most every 100 ms; for progress on a terminal. May be NULL. */
    void (*progress)(void *context, const struct run_summary *so_far);
    /* Called after each commit of batches with what their turn took. May be NULL. */
    void (*turned)(void *context, int64_t duration_us);
    /* Called after each turn, committed or not, with what was done in it; the facts are good until
     * it returns. On the engine's thread: it must not wait. May be NULL. */
    void (*traced)(void *context, const struct turn_facts *facts);
    void *context;
};

/* Errors: CONFIG (the flow, or the store does not fit it), CONFLICT (another plumb runs on the
 * store), CORRUPT, or with `once` what kept a source or transform from finishing. *summary is set
 * in every case. */
MUST_CHECK enum err_code engine_run(const struct flow *flow, const struct run_options *options,
                                    struct run_summary *summary, struct err *err);

/* Rebuilds what the named transforms (none: all) and those below them make, from the staged batches,
 * aside, and lets it take the place of what is there in one transaction: readers see the old tables
 * until then, and never a mix. Sources are not asked. Interrupted in any way, the next replay of the
 * same flow goes on. options: stop, progress and context count. The report is the caller's to
 * release. */
MUST_CHECK enum err_code engine_replay(const struct flow *flow, const char *const *names,
                                       size_t count, const struct run_options *options,
                                       struct run_summary *summary, struct swap_report *report,
                                       struct err *err);

/* Takes back what a source gave from some place on, as the source itself does after a
 * reorganisation: for one that stands on something which is no more, such as a chain that went
 * another way below what its node had called final. */
struct rewind {
    const char *source;
    const char *partition; /* NULL: the only one */
    int64_t to;            /* on the source's own axis (a block): the last that is kept */
};
struct rewound {
    char partition[BATCH_PARTITION_BYTES_MAX];
    int64_t from;    /* on the axis: what the next run begins with */
    int64_t records; /* taken back */
    int64_t rows;    /* that left tables of maps */
    struct run_summary run;
};
/* All or nothing. Errors as engine_run; CONFIG when the source cannot be rewound, or not there. */
MUST_CHECK enum err_code engine_rewind(const struct flow *flow, const struct rewind *what,
                                       struct rewound *out, struct err *err);

#endif
