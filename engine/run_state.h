/* What changes while a flow runs; shared by the files of engine/ on the store's thread. */
#ifndef PLUMB_ENGINE_RUN_STATE_H
#define PLUMB_ENGINE_RUN_STATE_H

#include "engine/engine.h"
#include "engine/extract.h"
#include "engine/workers.h"
#include "transform/transform.h"

/* A transform that failed waits until next_try_us (monotonic); its input is kept. */
struct stage {
    int64_t attempts;
    int64_t next_try_us;
    struct err last; /* of the last failure */
    bool noted;      /* the store may say that it fails */
    /* Maps only. While behind, a map takes batches in the order they were staged, over all
     * partitions: next_batch is the id of the one that is its turn, 0 when that is not known now. */
    bool behind;
    int64_t next_batch;
    struct hold hold;
};

/* The batch last read to take its records back. */
#define UNDO_ARENA_BYTES_MAX ((size_t)1 << 30)
struct undo {
    const struct flow_source *source; /* NULL: none is at hand */
    struct batch batch;
    struct store_batch info;
    struct arena arena;
    struct decoded decoded;
};

struct run {
    const struct flow *flow;
    struct run_options options;
    bool replays; /* builds aside from staged batches; sources are not asked */
    struct run_summary *summary;
    struct store *store;
    struct plan *plan;
    struct workers workers;
    bool outrun;          /* somebody else went on with a partition of ours */
    bool alone;           /* turns of several sources may not overlap */
    struct stage *stages; /* [flow->transform_count] */
    struct channel channel;
    struct extractor *extractors; /* [flow->source_count] */
    struct decoder **decoders;    /* [flow->source_count], made when first needed */
    struct batch batch;
    struct arena arena;
    struct undo undo;
    struct arena turn_arena;   /* rejects of the present turn */
    struct arena source_arena; /* cursors the sources were opened with */
    int64_t turn_rejected;     /* rows maps rejected in the present turn */
    struct package *aside;     /* taken while a turn was open, and not a batch: comes next */
    bool followed;             /* the last turn had a sum or derive to do, and did it */
    uint64_t buckets;          /* of the derive that is at work */
    int64_t asked_for_buckets; /* how often: each time others come first */
    int64_t started_us;
    int64_t progress_us;
    int64_t batch_before;    /* the newest staged batch when the run began */
    struct turn_facts facts; /* of the present turn */
    struct turn_step steps[TURN_STEPS_MAX];
    int64_t facts_began_us; /* monotonic */
    int64_t limits_us;      /* when the store was last asked about limits that are reached */
};

/* ---- run.c ---- */
void run_init(struct run *r, const struct flow *flow, const struct run_options *options,
              struct run_summary *summary);
/* Store and plan, for a run that asks sources or one that does not. */
MUST_CHECK enum err_code run_open(struct run *r, struct err *err);
/* Until sources have ended and nothing is left to do, or it is told to stop. */
MUST_CHECK enum err_code run_loop(struct run *r, struct err *err);
/* What kept it from finishing. */
MUST_CHECK enum err_code run_verdict(struct run *r, struct err *err);
void run_report(struct run *r, bool last);
void run_close(struct run *r);

/* ---- turn_facts.c ---- */
void facts_begin(struct run *r);
void facts_step(struct run *r, const struct turn_step *step);
void facts_end(struct run *r, enum err_code code);

/* ---- turn.c ---- */
/* Begins a transaction that works on batches, beside other workers where the flow allows it. */
MUST_CHECK enum err_code turn_begin(struct run *r, struct err *err);
/* Within it: what is done to the source's batches is done by us alone. */
MUST_CHECK enum err_code turn_claim_source(struct run *r, const struct flow_source *source,
                                           bool wait, bool *got, struct err *err);
/* Packages that commit together. They are held until then: a turn that fails is done again from
 * them. One package of a source stays free, so that it can be filled meanwhile. */
#define TURN_PACKAGES_MAX (PACKAGES_PER_SOURCE - 1)
#define TURN_WAIT_US      20000 /* for the next package, while its source is behind */
struct turn_group {
    struct package *packages[TURN_PACKAGES_MAX];
    size_t count;
    int64_t rows;
};
/* Stages and applies the group's first package and those that come meanwhile, in one transaction,
 * retrying as policy says. */
MUST_CHECK enum err_code turn_packages(struct run *r, struct turn_group *g, struct err *err);
/* Records a source's trouble, or that it is over. */
MUST_CHECK enum err_code turn_trouble(struct run *r, const struct package *p, struct err *err);
/* Sums and derives alone; *worked when a queue held something. */
MUST_CHECK enum err_code turn_cascade(struct run *r, bool *worked, struct err *err);

/* A batch with its decoded rows, as a turn applies it. */
struct turn_input {
    const struct flow_source *source;
    const struct store_batch *batch;
    const struct decoded *decoded;
    struct hash128 hash; /* of its raw bytes */
};
/* Within a transaction: every map of the source whose mark is the batch before this one. */
MUST_CHECK enum err_code turn_maps(struct run *r, const struct turn_input *in, struct err *err);
MUST_CHECK enum err_code turn_followers(struct run *r, struct err *err);
MUST_CHECK enum err_code turn_rejects(struct run *r, const struct turn_input *in, struct err *err);
/* Waits a backoff; false when asked to stop or, with once, when attempts are used up. */
bool turn_may_retry(struct run *r, int64_t attempts);
bool run_should_stop(const struct run *r);

/* ---- take_back.c ---- */
/* Decodes with the store's thread's own decoder of the source. */
MUST_CHECK enum err_code run_decode(struct run *r, const struct flow_source *source,
                                    const struct batch *b, struct arena *arena, struct decoded *out,
                                    struct err *err);
/* Within a transaction, before the batch is applied: the rows a map made of the records that it takes
 * back. */
MUST_CHECK enum err_code turn_take_back(struct run *r, size_t index, const struct turn_input *in,
                                        int64_t *deleted, struct err *err);
MUST_CHECK enum err_code turn_take_rejects_back(struct run *r, const struct turn_input *in,
                                                struct err *err);
void undo_init(struct undo *u);
void undo_release(struct undo *u);

/* ---- limits.c ---- */
#define LIMITS_LOOK_US 500000 /* between two looks whether what has stopped may go on */
/* At start: what has stopped already. */
MUST_CHECK enum err_code limits_begin(struct run *r, struct err *err);
/* Within a turn: so many rows more were rejected while decoding (t NULL) or by the transform (of a
 * derive, which has no source: so many keys at most failed). */
MUST_CHECK enum err_code limits_count(struct run *r, const struct flow_source *source,
                                      const struct flow_transform *t, int64_t rejected,
                                      struct err *err);
/* Between turns: lets go on what may, at most every LIMITS_LOOK_US. */
MUST_CHECK enum err_code limits_look(struct run *r, struct err *err);
/* Why it stopped, and what to do. */
void limits_explain(const struct flow *flow, const struct flow_source *source,
                    const struct flow_transform *t, struct err *out);
/* The next package of a source that has not stopped; NULL after wait_us. */
struct package *limits_next_package(struct run *r, int64_t wait_us);

/* ---- lost.c ---- */
/* Whether its raw records are gone: what cannot be read may be wrong in other ways. */
MUST_CHECK enum err_code lost_is_gone(struct run *r, int64_t partition, int64_t seq, bool *out,
                                      struct err *err);
/* In a replay that may lose rows, of a batch that could not be read, with why in err: when its raw
 * records are gone, every map that waits for it passes it by. Any other error stays. */
MUST_CHECK enum err_code lost_pass_by(struct run *r, const struct flow_source *source,
                                      const struct store_batch *batch, struct err *err);

/* ---- catch_up.c ---- */
/* Some map is behind and may be tried now. */
bool catch_up_is_due(const struct run *r);
/* At start: which maps are behind, and which transforms the store calls failing. */
MUST_CHECK enum err_code catch_up_begin(struct run *r, struct err *err);
/* Staged batches, up to TURN_ROWS_MAX rows of them, for transforms that are behind and not waiting;
 * *worked when there were any. */
MUST_CHECK enum err_code catch_up(struct run *r, bool *worked, struct err *err);

#endif
