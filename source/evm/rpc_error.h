/* What an error of an Ethereum node means, and what to do about it.
 *
 * Nodes and providers agree on nothing here: the same limit comes with a dozen codes and a hundred
 * texts, and codes mean different things. So the text decides, by a table of wordings seen in the wild
 * (rpc_error.c), then the code and the HTTP status, where they are beyond doubt. A text that is not
 * known is RPC_UNKNOWN, never a guess.
 *
 * Numbers in texts only tighten: one that would allow the range that just failed is dropped. A suggested
 * range is given only when it starts where ours does and is shorter. So whoever follows the action always
 * asks for less, asks somebody else or waits. Pure functions; no allocation. */
#ifndef PLUMB_SOURCE_EVM_RPC_ERROR_H
#define PLUMB_SOURCE_EVM_RPC_ERROR_H

#include "base/str.h"
#include "net/http.h"

#define RPC_KINDS(X)                                                                               \
    X(SPAN_CAP, "span_cap")     /* too many blocks in one question */                              \
    X(RESULT_CAP, "result_cap") /* too many logs, too many bytes, or the query took too long */    \
    X(SPLIT_ADDRESSES, "split_addresses") /* too many addresses or topics in the filter */         \
    X(BATCH_CAP, "batch_cap")             /* too many calls in a batch, or no batches at all */    \
    X(RATE_LIMIT, "rate_limit")           /* too many requests a second */                         \
    X(QUOTA, "quota")                     /* the day's or month's share is used up */              \
    X(AUTH, "auth")                       /* the key is wrong, missing or not for this */          \
    X(ARCHIVE_GATED, "archive_gated")     /* old blocks are not in this plan */                    \
    X(HEAD_BEHIND, "head_behind")         /* this node does not have that block yet */             \
    X(PRUNED, "pruned")                   /* this node has that block no more */                   \
    X(REORGED, "reorged")         /* the block of this hash is on no canonical branch here */      \
    X(UNSUPPORTED, "unsupported") /* this endpoint does not know the method */                     \
    X(BAD_REQUEST, "bad_request") /* it says that we asked nonsense */                             \
    X(TIMEOUT, "timeout")         /* no answer in time, from the transport */                      \
    X(RETRYABLE, "retryable")     /* something there is down: the same again may work */           \
    X(UNKNOWN, "unknown")

enum rpc_kind {
#define X(name, text) RPC_KIND_##name,
    RPC_KINDS(X)
#undef X
};

enum rpc_action {
    RPC_ASK_LESS, /* fewer blocks: suggested_to, else max_span, else half */
    RPC_ASK_FEWER_ADDRESSES,
    RPC_ASK_SMALLER_BATCH, /* max_batch calls at once; -1: half, at last one by one */
    RPC_SLOW_DOWN,         /* the same, here, after retry_after_us or a backoff, at a lower rate */
    RPC_PARK,              /* not this endpoint for retry_after_us or minutes */
    RPC_ASK_OTHER,         /* this question at another endpoint; it may serve others */
    RPC_WAIT_FOR_HEAD,     /* until this endpoint's head is there, or another's */
    RPC_LOOK_AGAIN,        /* the hash is stale: ask for the head and its branch again */
    RPC_TRY_AGAIN          /* the same after a backoff, rather elsewhere */
};

struct rpc_failure {
    int http_status; /* 0: not known */
    bool has_code;
    int64_t code;           /* of the error object */
    struct str message;     /* of the error, unescaped; or what a body without JSON says */
    struct str data;        /* raw JSON of the error's data; empty: none */
    bool has_range;         /* the question was about blocks from .. to */
    int64_t from, to;       /* inclusive */
    int64_t retry_after_us; /* as the header said; -1: it did not */
};

struct rpc_verdict {
    enum rpc_kind kind;
    enum rpc_action action;
    int64_t max_span;       /* to - from may be this at most (one block: 0); -1: not known */
    int64_t max_results;    /* logs in one answer; never a number of blocks; -1: not known */
    int64_t max_batch;      /* calls in one batch; -1: not known */
    int64_t suggested_to;   /* from .. suggested_to should work; -1: not suggested */
    int64_t retry_after_us; /* -1: not said */
};

#define RPC_ERROR_TEXT_BYTES 2048 /* looked at, of message and data each */

struct rpc_verdict rpc_error_classify(const struct rpc_failure *failure);
/* Of a call that ended without an answer (not HTTP_ANSWERED, not HTTP_CANCELLED). */
struct rpc_verdict rpc_error_of_end(enum http_end end, bool has_range, int64_t from, int64_t to);
const char *rpc_kind_name(enum rpc_kind kind);

#endif
