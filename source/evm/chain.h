/* One chain: decides what to ask whom, puts answers together, and gives blocks in order.
 *
 *     chain_pump      plans runs of blocks (job.h), sends what may be sent
 *     chain_answer    an answer came
 *     chain_take      the next blocks, once all of a run is there and proved
 *
 * Up to the finalized block, several ranges are under way at once and given in order. Above it one run at a
 * time is asked by block hash, and its first block must be the child of the last one given. When it is not,
 * the two branches' fork point is looked for among the unfinalized blocks, and what was given above it is
 * taken back together with the new branch's blocks. Only a branch that is longer than ours gets that far
 * (or as long, seen twice); a node with less is behind, and waited for.
 *
 * Nothing waits here and nothing sleeps. Every failure leads to a smaller question, another endpoint, a later
 * try, or a complaint that `next` returns. One thread. */
#ifndef PLUMB_SOURCE_EVM_CHAIN_H
#define PLUMB_SOURCE_EVM_CHAIN_H

#include "component/source.h"
#include "source/evm/cursor.h"
#include "source/evm/endpoint.h"
#include "source/evm/job.h"
#include "source/evm/span.h"
#include "source/evm/wire.h"

#define CHAIN_JOBS_AHEAD      4                  /* more runs than questions in flight */
#define CHAIN_BYTES_MAX       ((size_t)24 << 20) /* held by runs; no new one is begun above */
#define CHAIN_HEAD_BLOCKS     64                 /* of one run above the finalized block */
#define CHAIN_HEADERS         100                /* in one question */
#define CHAIN_RECEIPTS        8                  /* blocks in one question */
#define CHAIN_TX_RECEIPTS_MAX ((size_t)64 << 20) /* bytes of one block's, asked for one by one */
#define CHAIN_FINALITY_DEPTH  64                 /* when a node knows no finalized block */
#define CHAIN_POLL_SHARE      4.0 /* at most one in so many questions asks for the head, when limited */
#define CHAIN_POLL_LAGGING_US ((int64_t)1000 * 1000) /* heads of those that could help */
#define CHAIN_POLL_OTHERS_US  ((int64_t)5 * 1000000) /* heads of endpoints that are not in use */
#define CHAIN_ROUND_US        ((int64_t)50 * 1000)   /* after all endpoints failed; doubled */
/* How long an answer about the head may take at first, within the option `timeout`: it is small, and one that
 * got lost must not hold up what comes. Doubled with each failure in a row, for endpoints that are slow. */
#define CHAIN_HEAD_TIMEOUT_US ((int64_t)4 * 1000000)
#define CHAIN_STALE_ROUNDS    2  /* when it is said not to be there any more */
#define CHAIN_HEAD_DROPS      10 /* times that new blocks could not be had, before it is a trouble */
#define CHAIN_PROOF_ROUNDS                                                                         \
    12 /* of asking for receipts that never come (about a minute), before another proof is looked for */
#define CHAIN_HEAD_ROUNDS  5 /* of a question about new blocks, before the head is looked at again */
#define CHAIN_ROUND_US_MAX ((int64_t)10 * 1000000)
#define CHAIN_CONFLICT_LOOKS                                                                       \
    3 /* at all endpoints, that find another final block, before it is believed */
#define CHAIN_CONFLICT_US ((int64_t)500 * 1000) /* between them */
#define CHAIN_FORK_FIRST  16 /* blocks looked at first for a fork point; then the whole window */
#define CHAIN_CLOSED_FIRST_US                                                                      \
    ((int64_t)2 * 1000000) /* run --once: how long endpoints may take to say
                                                        their head */

struct chain_settings {
    const struct evm_plan *plan;
    enum verify verify;
    bool blocks_all;
    bool once;
    int64_t poll_us;
    int64_t span, span_max;
    int64_t timeout_us;
    unsigned parallel;
};

struct chain_conf {
    int64_t chain_id; /* -1: ask */
    const char *const *urls;
    size_t url_count;
    int64_t from, to; /* to: INT64_MAX for none */
    int64_t finality; /* blocks; -1: as the node says */
};

enum task_kind {
    TASK_HELLO,       /* is it this chain; head; finalized */
    TASK_POLL,        /* head; finalized */
    TASK_RANGE,       /* logs of the run */
    TASK_HEADERS,     /* by number */
    TASK_HASH_LOGS,   /* of blocks by hash */
    TASK_RECEIPTS,    /* of blocks by hash */
    TASK_TXS,         /* hashes of blocks' transactions, by hash; each block then becomes a ... */
    TASK_TX_RECEIPTS, /* receipts of one block's transactions, where nobody gives them by block */
    TASK_SECOND       /* as HASH_LOGS, for doubtful blocks: at another endpoint if there is one */
};

struct task {
    enum task_kind kind;
    struct job *job;       /* NULL: HELLO, POLL */
    uint64_t tag;          /* under way; 0: waiting */
    size_t endpoint;       /* where it is, or (HELLO, POLL) must go */
    uint64_t never, avoid; /* endpoints not to ask: at all, in this round */
    unsigned rounds;       /* how often all endpoints had failed, since something came of it */
    bool is_refused;       /* an endpoint will never answer it */
    bool is_stale;         /* an endpoint does not know the block it is about */
    int64_t not_before_us;
    unsigned group;
    const uint8_t (*addresses)[EVM_ADDRESS_BYTES]; /* borrowed from plan or job */
    size_t address_count;
    int64_t block;                  /* TX_RECEIPTS: whose */
    uint8_t (*txs)[EVM_HASH_BYTES]; /* its transactions, owned */
    struct buf receipts;            /* what came of it: an array without its end */
    int64_t
        *numbers; /* blocks (HELLO, POLL: what is asked; TX_RECEIPTS: which of txs); RANGE: none */
    size_t count;
    size_t sent;       /* of numbers, in the question under way */
    size_t calls;      /* in it */
    int64_t low, high; /* RANGE: as asked */
    struct task *next;
};

struct chain {
    const struct chain_settings *settings;
    const struct evm_plan *plan;
    const struct chain_conf *conf;
    struct wire *wire;
    uint64_t tag_next; /* the upper 16 bits say which chain */
    char partition[64];
    int64_t chain_id; /* -1: not known yet */
    int64_t from, to;
    struct pool pool;
    struct cursor cursor;                  /* up to what was given */
    struct learned known[PLAN_SETS_MAX];   /* asked for: may hold what is not given yet */
    struct learned learned[PLAN_SETS_MAX]; /* given */
    int64_t final;                         /* highest block said to be final; never goes back */
    bool has_final_hash;
    uint8_t final_hash[EVM_HASH_BYTES];
    int64_t once_head; /* run --once: where to end; -1: not known yet */
    struct span span;
    struct job *jobs;
    size_t job_count;
    int64_t planned; /* first block no run covers */
    struct task *tasks;
    struct block latest; /* the newest header */
    struct buf latest_text;
    int64_t latest_number; /* -1: none */
    int latest_from;       /* which endpoint said it; -1 */
    unsigned head_drops;   /* since blocks were given */
    int64_t head_blocks; /* of the next run of new ones: half after a drop, twice after a success */
    unsigned equal_seen; /* polls in a row that gave our height another hash */
    int64_t poll_due_us;
    int64_t opened_us;
    size_t fork_endpoint;
    uint64_t fork_votes;  /* endpoints whose finalized chain is not ours */
    unsigned conflicts;   /* looks in a row at which no endpoint had our final block */
    char fork_text[400];  /* what they said */
    struct err complaint; /* something does not go on because of it, until blocks are given again */
    bool complaint_of_poll;
    bool complaint_is_new;  /* since `next` last returned it */
    char last_failure[320]; /* host: what it said */
    struct err news;        /* to be told once */
    int64_t disagreements;
    int64_t outside_blooms; /* blocks with logs that their bloom does not show */
    int64_t reorgs, deepest_reorg;
};

MUST_CHECK enum err_code chain_open(struct chain *c, const struct chain_settings *settings,
                                    const struct chain_conf *conf, struct wire *wire,
                                    unsigned index, struct err *err);
/* Goes on where a cursor says. CONFIG when it is of something else than what is asked for now. */
MUST_CHECK enum err_code chain_restore(struct chain *c, const struct cursor *cursor,
                                       struct err *err);
MUST_CHECK enum err_code chain_note(struct chain *c, struct str text, struct err *err);
void chain_close(struct chain *c);

void chain_pump(struct chain *c, int64_t now_us);
/* Takes the answer's body or leaves it. */
void chain_answer(struct chain *c, struct wire_answer *answer, int64_t now_us);
/* True: *out is a batch. */
MUST_CHECK enum err_code chain_take(struct chain *c, const struct source_limit *limit,
                                    struct source_output *out, bool *gave, struct err *err);
/* Everything that will ever be (or that there was, for run --once) has been given. */
bool chain_is_done(const struct chain *c);
/* True: chain_take may have something. */
bool chain_is_ready(const struct chain *c);
/* When to pump again if no answer comes. */
int64_t chain_wake_us(const struct chain *c, int64_t now_us);
void chain_write_facts(const struct chain *c, int64_t now_us, struct json_writer *w);

/* ---- between the files of the chain ---- */
/* Makes final what is known to be. */
void chain_settle(struct chain *c);
void chain_complain(struct chain *c, bool of_poll, enum err_code code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Blocks were given, or (of_poll) an endpoint said its head. */
void chain_went_on(struct chain *c, bool of_poll);
/* chain_ask.c */
struct task *task_new(enum task_kind kind, struct job *job, size_t numbers);
void task_add(struct task **list, struct task *t);
void task_remove(struct task **list, struct task *t);
struct task **task_list(struct chain *c, const struct task *t);
void chain_send_tasks(struct chain *c, int64_t now_us);
/* Puts all logs questions of a run (blocks NULL: as a range) in its list. */
void chain_ask_logs(struct chain *c, struct job *j, unsigned group);
/* chain_jobs.c */
void chain_plan(struct chain *c, int64_t now_us);
void chain_advance(struct chain *c, int64_t now_us);
void chain_drop_jobs(struct chain *c);
void chain_shorten(struct chain *c, struct job *j, int64_t high);
void chain_restart(struct chain *c, struct job *j, const struct err *why, int64_t now_us);
/* Answers of these endpoints were contradicted. */
void chain_blame(struct chain *c, uint64_t endpoints);
void chain_pop_job(struct chain *c);
/* Up to where blocks are given: the option, or the head of run --once. */
int64_t chain_end(const struct chain *c);
/* chain_proof.c */
/* Asks for proof of the blocks that need it; true when there was something to ask. */
MUST_CHECK bool chain_ask_proof(struct chain *c, struct job *j, int64_t now_us);
/* Logs came for a block that cannot be its own, and nobody says what its own are: *why. */
MUST_CHECK bool chain_find_unknown(const struct job *j, struct err *why);
/* Is it a question whose answer is a proof? */
bool chain_is_proof(const struct task *t);
/* The receipts of this block's transactions, one by one. Takes txs. */
void chain_ask_tx_receipts(struct job *j, int64_t block, uint8_t (*txs)[EVM_HASH_BYTES],
                           size_t count);
/* Of TX_RECEIPTS: one came. LIMIT when all are too much. */
MUST_CHECK enum err_code chain_take_tx_receipt(struct task *t, struct str raw, struct err *err);
/* A proof nobody gave: the blocks were asked about once more. */
void chain_count_asks(struct job *j, const struct task *t);
/* A block has logs that its bloom does not show, so that blooms prove nothing. */
void chain_outside_bloom(struct chain *c, struct job *j, int64_t number);
/* chain_poll.c */
void chain_poll(struct chain *c, int64_t now_us);
/* A result of a HELLO or POLL; what: 0 chain id, 1 latest, 2 finalized. */
MUST_CHECK bool chain_take_poll(struct chain *c, size_t endpoint, int64_t what, struct str raw,
                                struct err *err);
void chain_no_finalized(struct chain *c, size_t endpoint);
/* chain_fork.c */
void chain_start_fork(struct chain *c, size_t endpoint);
void chain_end_fork(struct chain *c, struct job *j);

#endif
