/* What is known of each endpoint of a chain, and which one to ask next.
 *
 * Learned and kept: its head, the longest span, batch and address list it takes, how fast it may be asked
 * (halved when it says slow down, growing slowly again), how quick it is, how often it contradicted another,
 * its last error. Caps only tighten, until ENDPOINT_PROBE_US went by without a new refusal; then they
 * double. A rate that was refused is come near again quickly and passed slowly, and a second's half may be
 * sent at once, so that who asks little does not feel it. Calls of a batch that fail while most others are
 * answered are no failure of the endpoint. An endpoint of another chain is out of use for good. Pure: the
 * time is an argument. */
#ifndef PLUMB_SOURCE_EVM_ENDPOINT_H
#define PLUMB_SOURCE_EVM_ENDPOINT_H

#include "base/json.h"
#include "source/evm/rpc_error.h"

#define ENDPOINTS_MAX        32
#define ENDPOINT_BATCH_START 100 /* calls in one request */
#define ENDPOINT_PROBE_US    ((int64_t)600 * 1000000)
#define ENDPOINT_BACKOFF_US                                                                        \
    ((int64_t)100 * 1000) /* after the second failure in a row, doubled with each more */
#define ENDPOINT_BACKOFF_US_MAX ((int64_t)30 * 1000000)
#define ENDPOINT_PARK_US        ((int64_t)300 * 1000000) /* quota used up, key refused */
#define ENDPOINT_RATE_MIN                                                                          \
    10.0 /* requests a second; slower only by backing off after each refusal */
#define ENDPOINT_RATE_STEP 0.5  /* more with each answer */
#define ENDPOINT_RATE_LEAP 8.0  /* a part of itself more, below what was refused or long after it */
#define ENDPOINT_RATE_NEAR 0.75 /* of the refused rate: from there on by steps */
#define ENDPOINT_RATE_MAX  200.0                   /* above: not limited any more */
#define ENDPOINT_CALM_US   ((int64_t)10 * 1000000) /* without a refusal: long after it */
#define ENDPOINT_BURST_US                                                                          \
    ((int64_t)500 * 1000) /* what was not sent in this time may be sent at once */
#define ENDPOINT_SERVED                                                                            \
    0.5 /* of a batch's calls: with fewer answered, it is the endpoint that failed */

enum endpoint_state { ENDPOINT_NEW, ENDPOINT_READY, ENDPOINT_OUT };

struct endpoint {
    const char *url; /* borrowed; a secret */
    char host[HTTP_URL_SHOW_BYTES];
    enum endpoint_state state;
    bool has_answered; /* or failed: it had its chance to say its head */
    int64_t head;      /* as it said last; -1: nothing */
    int64_t span_cap;  /* to - from at most; -1: none known */
    int64_t result_cap;
    int64_t address_cap;
    int64_t batch_cap;
    int64_t batch_now;   /* calls at once while it tells us to slow down; grows with each answer */
    int64_t capped_us;   /* when a cap was tightened last */
    bool no_receipts;    /* does not know eth_getBlockReceipts ... */
    bool no_tx_receipts; /* ... nor eth_getTransactionReceipt */
    bool no_finalized;
    unsigned in_flight;
    unsigned failures; /* in a row */
    int64_t blocked_until_us;
    double rate;         /* requests a second; 0: not limited */
    double rate_refused; /* what was too much when it was said last */
    int64_t next_send_us;
    int64_t slowed_us; /* when the rate was halved last */
    int64_t second_us; /* the second that sends are counted in */
    unsigned sent_in_second, sent_before;
    int64_t latency_us;
    int64_t polled_us;
    int64_t requests, errors, slowed, disagreements;
    char last_error[256];
};

struct pool {
    struct endpoint items[ENDPOINTS_MAX];
    size_t count;
    unsigned parallel; /* requests in flight at one endpoint */
};

void pool_init(struct pool *p, unsigned parallel);
void pool_add(struct pool *p, const char *url);

/* What a question needs of an endpoint. */
struct pool_need {
    int64_t head;     /* it has this block; -1: no matter */
    uint64_t avoid;   /* bits of endpoints not to ask */
    bool receipts;    /* of a block at once */
    bool tx_receipts; /* of single transactions */
};
/* The endpoint to ask now, or -1; then *ready_us is when one may be there at the earliest (INT64_MAX:
 * none will without news). */
int pool_choose(const struct pool *p, int64_t now_us, const struct pool_need *need,
                int64_t *ready_us);
/* Endpoints that are not out of use, as bits. */
uint64_t pool_in_use(const struct pool *p);
/* The highest head any endpoint in use has; -1. */
int64_t pool_head(const struct pool *p);
/* The widest range (to - from) that some endpoint in use takes; INT64_MAX: not limited. */
int64_t pool_span(const struct pool *p);

void endpoint_sent(struct endpoint *e, int64_t now_us);
void endpoint_answered(struct endpoint *e, int64_t now_us, int64_t elapsed_us);
/* The calls that may be put in one request now. */
size_t endpoint_batch(const struct endpoint *e);
/* A question of which `served` (0 .. 1) was answered, about `asked` items (blocks beyond the first, addresses or calls, as the kind has it). */
void endpoint_failed(struct endpoint *e, int64_t now_us, const struct rpc_verdict *v, int64_t asked,
                     double served, const char *text);
void endpoint_out(struct endpoint *e, const char *why);
/* One object for each endpoint in the array that is open in w. */
void pool_write_facts(const struct pool *p, int64_t now_us, struct json_writer *w);

#endif
