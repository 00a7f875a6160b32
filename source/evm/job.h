/* A run of blocks on its way: what has been asked and what has come, until it may be given.
 *
 * Three kinds. A range is final and is asked by number: logs of all its blocks at once, then headers. A head
 * run is not final: headers first, then logs by block hash. A fork run is headers only, to find where two
 * branches part. This file holds what came and judges it; asking is chain.c's. No I/O. */
#ifndef PLUMB_SOURCE_EVM_JOB_H
#define PLUMB_SOURCE_EVM_JOB_H

#include "source/evm/plan.h"

#define JOB_RESTARTS_MAX   6
#define JOB_TWINS_ASKS_MAX 5 /* then two different logs with one index are both believed */
#define JOB_ASKS_MAX       3 /* of one doubtful block, before a weaker proof is taken */

enum verify {
    VERIFY_BLOOM,
    VERIFY_RECEIPTS, /* of every block: some chains have logs that blooms do not show */
    VERIFY_NONE,
    VERIFY_LIKELY /* receipts of blocks that may have logs or have; no option, but what follows from doubt */
};

enum job_kind { JOB_RANGE, JOB_HEAD, JOB_FORK };
/* In the order a range passes them; a head run goes START HEADERS LOGS GATE LEARNED CHECK ... */
enum job_phase {
    PHASE_START,
    PHASE_LOGS,    /* the first group */
    PHASE_GATE,    /* until earlier jobs have learned all they can */
    PHASE_LEARNED, /* logs of learned addresses */
    PHASE_HEADERS,
    PHASE_CHECK,
    PHASE_SETTLE, /* blocks that seem to lack logs are asked about again */
    PHASE_READY
};

struct block {
    bool has_header;
    bool has_bloom;
    bool is_suspect; /* what came for it contradicts itself: proof is needed in any case */
    bool is_caught;  /* in the present check, whose many reasons count once */
    bool is_outside; /* has logs that its bloom does not show */
    bool is_settled; /* its logs are proved, or as good as they get */
    uint8_t asks;
    uint8_t hash[EVM_HASH_BYTES];
    uint8_t parent[EVM_HASH_BYTES];
    uint8_t bloom[BLOOM_BYTES];
    int64_t tx_count; /* -1: not said */
    size_t text_at;   /* its record without the end, in the job's text */
    size_t text_len;
    size_t log_first; /* set by job_check */
    size_t log_count;
};

struct job_log {
    int64_t block;
    int64_t index;
    struct str text; /* in one of the job's bodies */
    uint8_t hash[EVM_HASH_BYTES];
    uint8_t address[EVM_ADDRESS_BYTES];
    bool has_hash;
    struct plan_match match;
};

struct task;

struct job {
    enum job_kind kind;
    enum job_phase phase;
    int64_t low, high;
    bool takes_back; /* a head run on another branch: what was given from low on goes */
    bool has_anchor; /* a range that ends at the final block a node named */
    uint8_t anchor[EVM_HASH_BYTES];
    uint64_t only;        /* endpoints to ask; 0: any */
    struct block *blocks; /* high - low + 1; NULL until headers are asked for */
    size_t block_count;   /* allocated */
    struct job_log *logs;
    size_t log_count, log_capacity;
    struct buf text;
    struct buf *bodies; /* answers that logs point into */
    size_t body_count, body_capacity;
    size_t bytes;                            /* held */
    size_t logs_bytes;                       /* of answers with logs, for the span */
    uint8_t (*addresses)[EVM_ADDRESS_BYTES]; /* learned ones to ask for */
    size_t address_count;
    bool is_past_gate;
    uint64_t log_origins; /* endpoints its logs came from */
    int origin;           /* the last of them; -1 */
    bool is_distrusted;   /* logs were missing from its answers: receipts decide on every block */
    bool is_weak;         /* a block of it was accepted without proof */
    bool is_unproved;     /* a block of it has logs outside its bloom: blooms prove nothing here */
    unsigned restarts;
    size_t given; /* blocks already given */
    struct task *tasks;
    struct job *next;
};

struct job *job_new(enum job_kind kind, int64_t low, int64_t high);
/* Tasks must be gone. */
void job_free(struct job *j);
/* Forgets all that came; it starts over. */
void job_reset(struct job *j);
void job_make_blocks(struct job *j);
struct block *job_block(const struct job *j, int64_t number);

/* A header as eth_getBlockBy... answers it (raw). INPUT when it is none; *number as it says. Adds its record
 * without the end to text. */
MUST_CHECK enum err_code header_read(struct str raw, int64_t *number, struct block *out,
                                     struct buf *text, struct err *err);
/* INPUT when it is no header of that block. */
MUST_CHECK enum err_code job_take_header(struct job *j, int64_t number, struct str raw,
                                         struct err *err);
/* An array of logs; those outside low .. high or removed are left out and counted in *strange. The text
 * must stay: give the body to job_keep. INPUT when it is something else. */
MUST_CHECK enum err_code job_take_logs(struct job *j, const struct evm_plan *plan, struct str raw,
                                       size_t *strange, struct err *err);
/* As job_take_logs, for logs that were asked for by the block's hash: all must be of it. */
MUST_CHECK enum err_code job_take_block_logs(struct job *j, const struct evm_plan *plan,
                                             int64_t number, struct str raw, struct err *err);
/* The hashes of a block's transactions (raw: the block), for the caller to free; NULL for none. INPUT when it
 * is another block, or does not name them. */
MUST_CHECK enum err_code job_read_transactions(const struct job *j, int64_t number, struct str raw,
                                               uint8_t (**out)[EVM_HASH_BYTES], size_t *count,
                                               struct err *err);
/* All receipts of a block: its logs are replaced by those in them. INPUT: not receipts; UNAVAILABLE: not
 * all are there. *missed: wanted logs that had not come before. */
MUST_CHECK enum err_code job_take_receipts(struct job *j, const struct evm_plan *plan,
                                           int64_t number, struct str raw, size_t *missed,
                                           struct err *err);
/* The body is taken and kept as long as the job's logs. */
void job_keep(struct job *j, struct buf *body);
/* Forgets the logs of a block. */
void job_drop_logs(struct job *j, int64_t number);
/* Forgets logs above the job's end, after it was made shorter. */
void job_cut_logs(struct job *j);

/* Puts logs in order, drops what is there twice, and holds them against the headers. Blocks whose logs
 * contradict each other or the header lose them and become suspect; *suspects counts those. CONFLICT with a
 * message when the headers do not fit together: ask again. */
MUST_CHECK enum err_code job_check(struct job *j, size_t *suspects, struct err *err);
/* The headers follow one another. CONFLICT when not. */
MUST_CHECK enum err_code job_check_chain(const struct job *j, struct err *err);
struct job_doubt {
    bool is_doubtful; /* the block's logs need proof before they may be given */
    bool is_outside;  /* it has logs that its bloom does not show */
};
struct job_doubt job_doubt(const struct job *j, const struct block *b, enum verify verify,
                           const struct evm_plan *plan, const struct learned *known);

#endif
