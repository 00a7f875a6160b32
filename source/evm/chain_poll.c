/* Heads: saying hello to each endpoint, asking how far it is, and what is final. */
#include <inttypes.h>
#include <string.h>

#include "source/evm/chain.h"
#include "source/evm/rpc_json.h"

enum { ASK_ID, ASK_LATEST, ASK_FINALIZED };

static void add_poll(struct chain *c, enum task_kind kind, size_t endpoint) {
    for (const struct task *t = c->tasks; t != NULL; t = t->next) {
        if (t->endpoint == endpoint) {
            return; /* under way */
        }
    }
    struct task *t = task_new(kind, NULL, 3);
    t->endpoint = endpoint;
    if (kind == TASK_HELLO) {
        t->numbers[t->count++] = ASK_ID;
    }
    t->numbers[t->count++] = ASK_LATEST;
    if (c->conf->finality < 0 && !c->pool.items[endpoint].no_finalized) {
        t->numbers[t->count++] = ASK_FINALIZED;
    }
    task_add(&c->tasks, t);
}

/* run --once ends at the head that was seen first: of all endpoints that answer, or soon. */
static void settle_once_head(struct chain *c, int64_t now_us) {
    if (!c->settings->once || c->once_head >= 0) {
        return;
    }
    bool all = true;
    for (size_t i = 0; i < c->pool.count; i++) {
        all = all && c->pool.items[i].has_answered;
    }
    if (all || now_us - c->opened_us >= CHAIN_CLOSED_FIRST_US) {
        c->once_head = pool_head(&c->pool);
    }
}

/* The one to watch: furthest, then quickest. */
static int primary(const struct chain *c, int64_t now_us) {
    int best = -1;
    for (size_t i = 0; i < c->pool.count; i++) {
        const struct endpoint *e = &c->pool.items[i];
        if (e->state != ENDPOINT_READY || e->blocked_until_us > now_us) {
            continue;
        }
        const struct endpoint *b = best >= 0 ? &c->pool.items[best] : NULL;
        if (b == NULL || e->head > b->head ||
            (e->head == b->head && e->latency_us < b->latency_us)) {
            best = (int)i;
        }
    }
    return best;
}

/* An endpoint that limits us has more to do than to say its head. */
static int64_t poll_every_us(const struct chain *c, int endpoint) {
    const double rate = endpoint >= 0 ? c->pool.items[endpoint].rate : 0;
    const double share = c->jobs != NULL ? CHAIN_POLL_SHARE : 1.0;
    const int64_t least = rate > 0 ? (int64_t)(share * 1000000.0 / rate) : 0;
    return least > c->settings->poll_us ? least : c->settings->poll_us;
}

void chain_poll(struct chain *c, int64_t now_us) {
    const bool is_due = now_us >= c->poll_due_us;
    const int first = is_due ? primary(c, now_us) : -1;
    size_t out = 0;
    for (size_t i = 0; i < c->pool.count; i++) {
        struct endpoint *e = &c->pool.items[i];
        const bool is_missed = c->jobs != NULL && e->head < pool_head(&c->pool);
        const int64_t every_us = is_missed ? CHAIN_POLL_LAGGING_US : CHAIN_POLL_OTHERS_US;
        out += e->state == ENDPOINT_OUT ? 1 : 0;
        if (e->state == ENDPOINT_NEW && e->blocked_until_us <= now_us) {
            add_poll(c, TASK_HELLO, i);
        } else if (e->state == ENDPOINT_READY && is_due &&
                   ((int)i == first || now_us - e->polled_us >= every_us)) {
            e->polled_us = now_us;
            add_poll(c, TASK_POLL, i);
        }
    }
    if (is_due) {
        c->poll_due_us = now_us + poll_every_us(c, first);
    }
    if (out == c->pool.count) {
        chain_complain(c, true, ERR_CONFIG, "no endpoint can be used: %s",
                       c->pool.items[0].last_error);
    }
    settle_once_head(c, now_us);
}

static bool take_id(struct chain *c, struct endpoint *e, struct str raw, struct err *err) {
    uint64_t id = 0;
    if (!rpc_quantity(raw, INT64_MAX, &id)) {
        (void)err_set(err, ERR_INPUT, "eth_chainId was answered with no number");
        return false;
    }
    if (c->chain_id < 0) {
        c->chain_id = (int64_t)id;
        c->cursor.chain_id = c->chain_id;
    }
    if ((int64_t)id != c->chain_id) {
        struct err why = ERR_INIT;
        (void)err_set(&why, ERR_CONFIG,
                      "%s is of chain %" PRIu64 ", not %" PRId64
                      "; take it out of rpc, or correct chain_id",
                      e->host, id, c->chain_id);
        endpoint_out(e, why.message);
        c->news = why;
        return true;
    }
    e->state = ENDPOINT_READY;
    return true;
}

/* Another block at our height: one of the two will not stay. The node's wins when it is still there at the
 * next look. */
static void compare_tip(struct chain *c, size_t endpoint) {
    const struct window_block *tip = window_tip(&c->cursor.window);
    if (c->latest_number != tip->number || !tip->has_hash || c->cursor.window.count == 0) {
        return;
    }
    if (memcmp(c->latest.hash, tip->hash, EVM_HASH_BYTES) == 0) {
        c->equal_seen = 0;
        return;
    }
    c->equal_seen++;
    if (c->equal_seen >= 2) {
        chain_start_fork(c, endpoint);
    }
}

static bool take_latest(struct chain *c, size_t endpoint, struct str raw, struct err *err) {
    struct endpoint *e = &c->pool.items[endpoint];
    struct block b;
    int64_t number = -1;
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    if (header_read(raw, &number, &b, &text, err) != ERR_NONE) {
        return false;
    }
    e->head = number;
    if (number < pool_head(&c->pool)) {
        return true; /* behind: what it says about the newest block is old */
    }
    c->latest = b;
    c->latest_number = number;
    c->latest_from = (int)endpoint;
    buf_clear(&c->latest_text);
    buf_addstr(&c->latest_text, buf_str(&text));
    if (c->conf->finality >= 0 || e->no_finalized) {
        chain_no_finalized(c, endpoint);
    }
    compare_tip(c, endpoint);
    return true;
}

void chain_no_finalized(struct chain *c, size_t endpoint) {
    const int64_t depth = c->conf->finality >= 0 ? c->conf->finality : CHAIN_FINALITY_DEPTH;
    const int64_t final = c->pool.items[endpoint].head - depth;
    /* A depth is a guess: what another endpoint says is final cannot be contradicted by it. */
    if (final > c->final) {
        c->final = final;
        c->has_final_hash = false;
    }
}

static bool take_finalized(struct chain *c, size_t endpoint, struct str raw, struct err *err) {
    struct endpoint *e = &c->pool.items[endpoint];
    if (rpc_is_null(raw)) {
        chain_no_finalized(c, endpoint);
        return true;
    }
    struct block b;
    int64_t number = -1;
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    if (header_read(raw, &number, &b, &text, err) != ERR_NONE) {
        return false;
    }
    const int64_t said = number;
    if (e->head >= 0 && number > e->head) {
        number = e->head;
    } else {
        const struct window_block *ours = window_at(&c->cursor.window, number);
        if (ours != NULL && ours->has_hash && memcmp(ours->hash, b.hash, EVM_HASH_BYTES) != 0) {
            chain_start_fork(c, endpoint); /* what it calls final is not what we have */
            return true;
        }
    }
    if (number > c->final) {
        c->final = number;
        c->has_final_hash = number <= e->head && said == number;
        memcpy(c->final_hash, b.hash, sizeof c->final_hash);
    }
    return true;
}

bool chain_take_poll(struct chain *c, size_t endpoint, int64_t what, struct str raw,
                     struct err *err) {
    if (what != ASK_ID && c->pool.items[endpoint].state != ENDPOINT_READY) {
        return true; /* of another chain, or of who knows which */
    }
    switch (what) {
    case ASK_ID:
        return take_id(c, &c->pool.items[endpoint], raw, err);
    case ASK_LATEST:
        return take_latest(c, endpoint, raw, err);
    default:
        return take_finalized(c, endpoint, raw, err);
    }
}
