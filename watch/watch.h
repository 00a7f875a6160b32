/* Watching a flow: checks are measured in its store, judged, and what fires becomes alerts and
 * notices, all as rows (docs/store.md), so that nothing is forgotten when a process dies.
 *
 *     struct watch *w = NULL;
 *     watch_open(flow, flow->alerts, &w, err);
 *     watch_round(w, clock_now_us(), &summary, err);      every flow->checks_every_us
 *     watch_close(w);
 *
 * A round reads everything as of one moment over a connection of its own, and writes its results in
 * one small transaction beside the engine's. Everything is judged from what the store says and from
 * the time given; nothing from what a process says of itself, and not from how long this one has
 * been running. One watch at a time may do rounds on a store: `plumb run` has it.
 *
 * A watch belongs to one thread. Errors: as the store; a check that cannot be measured is no error
 * but a check in state `unknown`. */
#ifndef PLUMB_WATCH_WATCH_H
#define PLUMB_WATCH_WATCH_H

#include "flow/alerts.h"
#include "store/store.h"

#define WATCH_CHECK_US_MAX INT64_C(30000000) /* one check's SQL; longer cannot be told */
/* A check that took long is looked at again only after so many times as long, times the number of
 * checks, so that all together take at most two per cent of one processor; once an hour in any case. */
#define WATCH_COST        50
#define WATCH_REST_US_MAX CHECK_HOUR_US
#define WATCH_OFFENDERS   10000 /* rows of `counts: rows` that are counted */

struct watch_summary {
    int64_t fine, learning, pending, firing, unknown; /* checks */
    int64_t opened, resolved, notices;                /* of this round */
};

struct watch;
/* Takes nothing of the store yet. flow and alerts (the flow's, or a test's) are borrowed until
 * watch_close. */
MUST_CHECK enum err_code watch_open(const struct flow *flow, const struct flow_alerts *alerts,
                                    struct watch **out, struct err *err);
void watch_close(struct watch *w);
/* all: also checks that a costly look lately would let rest. */
MUST_CHECK enum err_code watch_round(struct watch *w, int64_t now_us, bool all,
                                     struct watch_summary *out, struct err *err);
/* The checks' SQL compiled against the store's schema, and their columns: part of `plumb check`.
 * CONFIG with its place. */
MUST_CHECK enum err_code watch_compile(const struct flow *flow, struct store *s, struct err *err);
/* Whether a round would do anything: the flow has checks, or the store has some from
 * before, or an end that was held and is still to be told. */
bool watch_is_needed(const struct flow *flow, struct store *s);

/* ---- people's part, over a store opened with STORE_NOTE ---- */
/* INPUT: no open alert has that number. */
MUST_CHECK enum err_code watch_acknowledge(struct store *s, int64_t alert, const char *by,
                                           const char *note, int64_t now_us, struct err *err);
#define WATCH_SILENCE_US_MAX (366 * CHECK_DAY_US)
struct watch_silence {
    const char *matcher; /* a check's name, or a pattern with * and ? */
    int64_t for_us;
    const char *author;
    const char *reason;
};
MUST_CHECK enum err_code watch_silence(struct store *s, const struct watch_silence *what,
                                       int64_t now_us, int64_t *id, struct err *err);
/* CONFIG when a name or pattern means no check of the flow, with the nearest name. */
MUST_CHECK enum err_code watch_matcher_check(const struct flow *flow, const char *matcher,
                                             struct err *err);
/* INPUT: no silence with that number is on. */
MUST_CHECK enum err_code watch_unsilence(struct store *s, int64_t id, int64_t now_us,
                                         struct err *err);
/* Whether the pattern, with * and ?, is the whole name's. */
bool watch_matches(const char *pattern, const char *name);

/* ---- over history ---- */
struct watch_episode {
    size_t check; /* in flow->checks */
    enum check_level level;
    int64_t from_us;
    int64_t to_us; /* 0: still so at the end */
    char value_text[CHECK_VALUE_BYTES];
};
struct watch_history {
    int64_t from_us, to_us, step_us;
    struct watch_episode *episodes; /* owned */
    size_t count, capacity;
};
#define WATCH_HISTORY_STEPS    2000 /* looks at each check, at most */
#define WATCH_HISTORY_EPISODES 10000
/* What the checks that can tell (in_history) would have done from from_us to to_us; only: one check,
 * or NULL. from_us 0: since the first batch. */
MUST_CHECK enum err_code watch_replay(const struct flow *flow, struct store *s,
                                      const struct flow_check *only, struct watch_history *h,
                                      struct err *err);
void watch_history_release(struct watch_history *h);

#endif
