/* How it works: a few numbers an endpoint. Choosing takes the one whose answer is expected soonest: its
 * latency times the questions it would then have. After failures an endpoint gets one question at a time
 * until it answers. The rate is a bucket of tokens, kept as the time at which the next one is there. */
#include "source/evm/endpoint.h"

#include <stdio.h>
#include <string.h>

#include "base/fault.h"

#define LATENCY_START_US 20000
#define SECOND_US        1000000

void pool_init(struct pool *p, unsigned parallel) {
    memset(p, 0, sizeof *p);
    p->parallel = parallel > 0 ? parallel : 1;
}

void pool_add(struct pool *p, const char *url) {
    ASSERT(p->count < ENDPOINTS_MAX);
    struct endpoint *e = &p->items[p->count++];
    memset(e, 0, sizeof *e);
    e->url = url;
    (void)http_url_host(url, e->host);
    e->head = -1;
    e->span_cap = -1;
    e->result_cap = -1;
    e->address_cap = -1;
    e->batch_cap = ENDPOINT_BATCH_START;
    e->batch_now = ENDPOINT_BATCH_START;
    e->latency_us = LATENCY_START_US;
}

uint64_t pool_in_use(const struct pool *p) {
    uint64_t bits = 0;
    for (size_t i = 0; i < p->count; i++) {
        bits |= p->items[i].state != ENDPOINT_OUT ? UINT64_C(1) << i : 0;
    }
    return bits;
}

int64_t pool_head(const struct pool *p) {
    int64_t head = -1;
    for (size_t i = 0; i < p->count; i++) {
        if (p->items[i].state == ENDPOINT_READY && p->items[i].head > head) {
            head = p->items[i].head;
        }
    }
    return head;
}

int64_t pool_span(const struct pool *p) {
    int64_t span = -1;
    for (size_t i = 0; i < p->count; i++) {
        const struct endpoint *e = &p->items[i];
        if (e->state != ENDPOINT_OUT) {
            const int64_t own = e->span_cap < 0 ? INT64_MAX : e->span_cap;
            span = own > span ? own : span;
        }
    }
    return span < 0 ? INT64_MAX : span;
}

int pool_choose(const struct pool *p, int64_t now_us, const struct pool_need *need,
                int64_t *ready_us) {
    int best = -1;
    int64_t best_cost = INT64_MAX;
    *ready_us = INT64_MAX;
    for (size_t i = 0; i < p->count; i++) {
        const struct endpoint *e = &p->items[i];
        if (e->state != ENDPOINT_READY || (need->avoid >> i & 1) != 0 || e->head < need->head ||
            (need->receipts && e->no_receipts) || (need->tx_receipts && e->no_tx_receipts)) {
            continue;
        }
        const int64_t at =
            e->blocked_until_us > e->next_send_us ? e->blocked_until_us : e->next_send_us;
        if (at > now_us) {
            *ready_us = at < *ready_us ? at : *ready_us;
            continue;
        }
        const unsigned limit = e->failures > 0 ? 1 : p->parallel;
        if (e->in_flight >= limit) {
            continue;
        }
        const int64_t cost = (e->latency_us + 1) * (e->in_flight + 1);
        if (cost < best_cost) {
            best_cost = cost;
            best = (int)i;
        }
    }
    return best;
}

void endpoint_sent(struct endpoint *e, int64_t now_us) {
    e->in_flight++;
    e->requests++;
    if (now_us - e->second_us >= SECOND_US) {
        e->sent_before = now_us - e->second_us < 2 * SECOND_US ? e->sent_in_second : 0;
        e->sent_in_second = 0;
        e->second_us = now_us;
    }
    e->sent_in_second++;
    if (e->rate > 0) {
        const int64_t oldest = now_us - ENDPOINT_BURST_US;
        const int64_t from = e->next_send_us > oldest ? e->next_send_us : oldest;
        e->next_send_us = from + (int64_t)(SECOND_US / e->rate);
    }
}

/* Caps are tried again after a while: plans change, and so do nodes behind one address. */
static void loosen(struct endpoint *e, int64_t now_us) {
    if (e->capped_us == 0 || now_us - e->capped_us < ENDPOINT_PROBE_US) {
        return;
    }
    e->capped_us = now_us;
    e->span_cap = e->span_cap >= 0 ? e->span_cap * 2 + 1 : -1;
    e->address_cap = e->address_cap > 0 ? e->address_cap * 2 : -1;
    e->batch_cap =
        e->batch_cap * 2 < ENDPOINT_BATCH_START ? e->batch_cap * 2 : ENDPOINT_BATCH_START;
}

static void quicken(struct endpoint *e, int64_t now_us) {
    const bool is_far =
        e->rate < ENDPOINT_RATE_NEAR * e->rate_refused || now_us - e->slowed_us >= ENDPOINT_CALM_US;
    e->rate += ENDPOINT_RATE_STEP + (is_far ? e->rate / ENDPOINT_RATE_LEAP : 0);
    e->rate = e->rate > ENDPOINT_RATE_MAX ? 0 : e->rate;
}

void endpoint_answered(struct endpoint *e, int64_t now_us, int64_t elapsed_us) {
    e->failures = 0;
    e->has_answered = true;
    e->latency_us += (elapsed_us - e->latency_us) / 8;
    if (e->rate > 0) {
        quicken(e, now_us);
    }
    const int64_t batch = e->batch_now + e->batch_now / 8 + 1;
    e->batch_now = batch < ENDPOINT_BATCH_START ? batch : ENDPOINT_BATCH_START;
    loosen(e, now_us);
}

size_t endpoint_batch(const struct endpoint *e) {
    return (size_t)(e->batch_now < e->batch_cap ? e->batch_now : e->batch_cap);
}

static void tighten(int64_t *cap, int64_t value, int64_t least) {
    value = value > least ? value : least;
    if (*cap < 0 || value < *cap) {
        *cap = value;
    }
}

static int64_t backoff_us(unsigned failures) {
    int64_t us = ENDPOINT_BACKOFF_US;
    for (unsigned i = 1; i < failures && us < ENDPOINT_BACKOFF_US_MAX; i++) {
        us *= 2;
    }
    us = us < ENDPOINT_BACKOFF_US_MAX ? us : ENDPOINT_BACKOFF_US_MAX;
    return fault_hurry ? us / 100 : us;
}

static void block(struct endpoint *e, int64_t now_us, int64_t us) {
    const int64_t until = now_us + us;
    e->blocked_until_us = until > e->blocked_until_us ? until : e->blocked_until_us;
}

/* Requests a second just now. A second that has only begun says little. */
static double rate_now(const struct endpoint *e, int64_t now_us) {
    const int64_t begun = now_us - e->second_us;
    const int64_t least = SECOND_US / 4;
    const double now =
        (double)e->sent_in_second * SECOND_US / (double)(begun > least ? begun : least);
    return now > (double)e->sent_before ? now : (double)e->sent_before;
}

/* served: how much of the question was answered all the same; the rate falls in proportion, and so does
 * the pause. */
static void slow_down(struct endpoint *e, int64_t now_us, int64_t retry_after_us, int64_t asked,
                      double served) {
    e->slowed++;
    const int64_t backoff = backoff_us(e->failures);
    const int64_t pause = backoff - (int64_t)(served * (double)backoff);
    block(e, now_us, retry_after_us >= 0 ? retry_after_us : pause);
    if (served < ENDPOINT_SERVED && asked > 1 && asked / 2 < e->batch_now) {
        e->batch_now = asked / 2;
    }
    if (e->slowed_us > 0 && now_us - e->slowed_us < SECOND_US) {
        return; /* all that was under way is told the same */
    }
    e->slowed_us = now_us;
    e->rate_refused = e->rate > 0 ? e->rate : rate_now(e, now_us);
    const double next = e->rate_refused * (served > 0.5 ? served : 0.5);
    e->rate = next > ENDPOINT_RATE_MIN ? next : ENDPOINT_RATE_MIN;
    e->next_send_us = now_us > e->next_send_us ? now_us : e->next_send_us; /* no burst now */
}

static void take_cap(struct endpoint *e, int64_t now_us, const struct rpc_verdict *v,
                     int64_t asked) {
    switch (v->kind) {
    case RPC_KIND_SPAN_CAP:
        if (v->max_span >= 0) {
            tighten(&e->span_cap, v->max_span, 0);
        } else if (v->suggested_to < 0 && asked > 0) {
            tighten(&e->span_cap, asked / 2, 0);
        }
        e->capped_us = now_us;
        return;
    case RPC_KIND_RESULT_CAP:
        if (v->max_results > 0) {
            e->result_cap = v->max_results;
        }
        return;
    case RPC_KIND_SPLIT_ADDRESSES:
        tighten(&e->address_cap, asked / 2, 1);
        e->capped_us = now_us;
        return;
    case RPC_KIND_BATCH_CAP:
        tighten(&e->batch_cap, v->max_batch > 0 ? v->max_batch : asked / 2, 1);
        e->capped_us = now_us;
        return;
    case RPC_KIND_RATE_LIMIT:
    case RPC_KIND_QUOTA:
    case RPC_KIND_AUTH:
    case RPC_KIND_ARCHIVE_GATED:
    case RPC_KIND_HEAD_BEHIND:
    case RPC_KIND_PRUNED:
    case RPC_KIND_REORGED:
    case RPC_KIND_UNSUPPORTED:
    case RPC_KIND_BAD_REQUEST:
    case RPC_KIND_TIMEOUT:
    case RPC_KIND_RETRYABLE:
    case RPC_KIND_UNKNOWN:
        return;
    }
}

void endpoint_failed(struct endpoint *e, int64_t now_us, const struct rpc_verdict *v, int64_t asked,
                     double served, const char *text) {
    e->errors++;
    e->has_answered = true;
    (void)snprintf(e->last_error, sizeof e->last_error, "%s: %s", rpc_kind_name(v->kind), text);
    take_cap(e, now_us, v, asked);
    switch (v->action) {
    case RPC_SLOW_DOWN:
        e->failures += served < ENDPOINT_SERVED ? 1 : 0;
        slow_down(e, now_us, v->retry_after_us, asked, served);
        return;
    case RPC_PARK:
        block(e, now_us, v->retry_after_us >= 0 ? v->retry_after_us : ENDPOINT_PARK_US);
        return;
    case RPC_TRY_AGAIN:
        if (served >= ENDPOINT_SERVED) {
            return;
        }
        e->failures++;
        if (v->retry_after_us >= 0 || e->failures > 1) { /* one may be chance */
            block(e, now_us,
                  v->retry_after_us >= 0 ? v->retry_after_us : backoff_us(e->failures - 1));
        }
        return;
    case RPC_ASK_LESS:
    case RPC_ASK_FEWER_ADDRESSES:
    case RPC_ASK_SMALLER_BATCH:
    case RPC_ASK_OTHER:
    case RPC_WAIT_FOR_HEAD:
    case RPC_LOOK_AGAIN:
        return;
    }
}

void endpoint_out(struct endpoint *e, const char *why) {
    e->state = ENDPOINT_OUT;
    e->has_answered = true;
    (void)snprintf(e->last_error, sizeof e->last_error, "%s", why);
}

static void write_cap(struct json_writer *w, const char *name, int64_t value) {
    if (value >= 0) {
        json_kv_i64(w, name, value);
    }
}

void pool_write_facts(const struct pool *p, int64_t now_us, struct json_writer *w) {
    static const char *const states[] = {"new", "in use", "out of use"};
    const int64_t best = pool_head(p);
    for (size_t i = 0; i < p->count; i++) {
        const struct endpoint *e = &p->items[i];
        json_begin_object(w);
        json_kv_c(w, "host", e->host);
        json_kv_c(w, "state",
                  e->state == ENDPOINT_READY && e->blocked_until_us > now_us ? "waiting"
                                                                             : states[e->state]);
        write_cap(w, "head", e->head);
        write_cap(w, "lag_blocks", e->head >= 0 && best >= e->head ? best - e->head : -1);
        json_kv_i64(w, "latency_us", e->latency_us);
        write_cap(w, "blocks_max", e->span_cap >= 0 ? e->span_cap + 1 : -1);
        write_cap(w, "results_max", e->result_cap);
        write_cap(w, "addresses_max", e->address_cap);
        json_kv_i64(w, "batch_max", e->batch_cap);
        json_kv_c(w, "receipts",
                  !e->no_receipts      ? "by block"
                  : !e->no_tx_receipts ? "by transaction"
                                       : "none");
        if (e->rate > 0) {
            json_key(w, "requests_per_second");
            json_f64(w, e->rate);
        }
        json_kv_i64(w, "requests", e->requests);
        json_kv_i64(w, "errors", e->errors);
        json_kv_i64(w, "told_to_slow_down", e->slowed);
        json_kv_i64(w, "disagreements", e->disagreements);
        if (e->last_error[0] != '\0') {
            json_kv_str(w, "last_error", str_of(e->last_error));
        }
        json_end_object(w);
    }
}
