/* Law 3 on a user's own flow: the same records, run in every way that must not matter, give the
 * same tables. What does not is cut down to the smallest part of the sample that shows it.
 *
 * The first of the transforms, in the order in which they feed each other, whose table differs is
 * the one at fault: what it read was the same. */
#ifndef PLUMB_TRIAL_PROVE_H
#define PLUMB_TRIAL_PROVE_H

#include "trial/cells.h"
#include "trial/scratch.h"

#define PROVE_BATCHES_DEFAULT 20
#define PROVE_BATCHES_MAX     10000
#define PROVE_KILLS_MAX       12  /* durable steps at which a run is killed, evenly spread */
#define PROVE_TURNS_MAX       500 /* transactions of one run, about: small batches share them */
#define PROVE_TRIALS_MAX      24
#define PROVE_CELLS_MAX       64
#define SHRINK_RUNS_MAX       400
#define SHRINK_US_MAX         20000000
#define PROVE_ARENA_BYTES     ((size_t)1 << 30)

/* ---- one difference ---- */
struct difference {
    bool found;
    const struct flow_transform *transform; /* NULL: decoding, or the run itself */
    const char *table;                      /* "_plumb_rejects" for rejects; NULL: error */
    int64_t rows;                           /* that differ */
    const char *key;                        /* of the first of them */
    bool in_a, in_b;
    struct {
        const char *column;
        const char *a, *b;
    } cells[PROVE_CELLS_MAX]; /* its cells that differ; all of them when a side has none */
    size_t cell_count;
    const char *error; /* the run failed with this */
};
/* Compares the stores of those names in s; text goes to the arena. */
MUST_CHECK enum err_code compare_stores(struct scratch *s, const char *a, const char *b,
                                        bool with_rejects, struct arena *arena,
                                        struct difference *out, struct err *err);

/* ---- one trial ---- */
enum trial_kind {
    TRIAL_AGAIN,
    TRIAL_APART,
    TRIAL_JOINED,
    TRIAL_SPLIT,
    TRIAL_TWICE,
    TRIAL_ALL_TWICE,
    TRIAL_PARTITIONS,
    TRIAL_ALTERNATE,
    TRIAL_LATE,
    TRIAL_KILL,
    TRIAL_REPLAY,
    TRIAL_RECOMPUTE,
    TRIAL_RETRACT,
    TRIAL_REVERSED,
    TRIAL_ZONE
};

struct trial {
    enum trial_kind kind;
    const char *name;
    const char *title; /* what is done to the run: "each batch delivered twice" */
    size_t rows;       /* TRIAL_SPLIT: records in a batch */
    int64_t kill_at;   /* TRIAL_KILL */
};
extern const struct trial trials[];
extern const size_t trial_count;
/* Why the trial says nothing about this sample; NULL: it does. */
const char *trial_skips(const struct trial *t, const struct flow *flow, const struct sample *sample,
                        bool late);
/* The undisturbed run, into the store of that name. */
MUST_CHECK enum err_code trial_baseline(struct scratch *s, const char *name,
                                        const struct sample *sample, struct err *err);
/* The trial's run into `name`, compared with the undisturbed one in `base`. Err is about us: a run
 * that fails is a difference. */
MUST_CHECK enum err_code trial_do(const struct trial *t, struct scratch *s,
                                  const struct sample *sample, const char *base, const char *name,
                                  struct arena *arena, struct difference *out, struct err *err);

/* ---- smallest counter-example (shrink.c) ---- */
/* The smallest part found of the sample on which the trial still finds that transform's table
 * different; *out gets what differs on it. The part's batches are owned, all else is the sample's. */
MUST_CHECK enum err_code shrink(const struct trial *t, struct scratch *s,
                                const struct sample *sample, struct arena *arena,
                                struct sample *part, struct difference *out, struct err *err);

/* ---- all of it ---- */
struct finding {
    struct trial trial;
    struct difference difference; /* on the part */
    struct sample part;           /* of it only batches are owned */
    const char *what;             /* "`people` keeps ...": one sentence */
    const char *advice;
    const char *also; /* titles of other trials that found the same transform; "" */
    size_t also_count;
};

enum trial_state { TRIAL_PASSED, TRIAL_FOUND, TRIAL_SKIPPED };
struct trial_result {
    const struct trial *trial;
    enum trial_state state;
    int64_t runs;
    const char *why; /* skipped, or the transform found */
};

struct proof {
    struct arena arena;
    struct trial_result results[PROVE_TRIALS_MAX];
    size_t result_count;
    struct finding *findings; /* owned */
    size_t finding_count;
    const char **notes; /* owned: worth a look, no finding */
    size_t note_count;
    int64_t runs;
    int64_t rows; /* in all tables of the undisturbed run */
    size_t tables;
    int64_t duration_us;
};
struct prove_options {
    bool late;
    bool (*stop)(void); /* may be NULL; true ends it with CANCELLED */
    void (*progress)(void *context, const char *title); /* may be NULL */
    void *context;
};
/* Errors: what keeps the undisturbed run from finishing, or us from working. */
MUST_CHECK enum err_code prove(const struct flow *flow, const struct sample *sample,
                               const struct prove_options *options, struct proof *out,
                               struct err *err);
void proof_release(struct proof *p); /* for CLEANUP */

/* What a difference means, in words (words.c). */
void words_for(const struct trial *t, const struct difference *d, struct arena *arena,
               const char **what, const char **advice);

#endif
