/* Reorganisations: where our branch and the node's part.
 *
 * The headers of our unfinalized blocks' numbers are asked of the one endpoint that showed another branch:
 * of the newest few first, then of all down to the last final block. The highest whose hash is ours is the
 * fork point; a head run from there takes back what was given above it. When not even the final block is
 * ours, nothing is changed: another endpoint is asked, and if none agrees with us, that is said. It is an error
 * that stops the source once all endpoints have said so several times: one of them may only be confused. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "source/evm/chain.h"

static void look_from(struct chain *c, size_t endpoint, int64_t low) {
    const struct window *w = &c->cursor.window;
    chain_drop_jobs(c);
    const int64_t tip = window_tip(w)->number;
    int64_t floor = w->base.has_hash ? w->base.number : w->base.number + 1;
    low = low > floor ? low : floor;
    if (low < 0 || low > tip) {
        return;
    }
    c->fork_endpoint = endpoint;
    struct job *j = job_new(JOB_FORK, low, tip);
    j->only = UINT64_C(1) << endpoint;
    c->jobs = j;
    c->job_count = 1;
}

void chain_start_fork(struct chain *c, size_t endpoint) {
    if (c->jobs != NULL && (c->jobs->kind == JOB_FORK || c->jobs->takes_back)) {
        return;
    }
    c->equal_seen = 0;
    if (c->pool.items[endpoint].head < window_tip(&c->cursor.window)->number) {
        return; /* it is behind */
    }
    look_from(c, endpoint, window_tip(&c->cursor.window)->number - CHAIN_FORK_FIRST + 1);
}

static void add_hash(char *out, size_t room, const uint8_t hash[EVM_HASH_BYTES]) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    plan_write_hex(hash, EVM_HASH_BYTES, &text);
    const size_t len = text.len - 2 < room - 1 ? text.len - 2 : room - 1;
    memcpy(out, buf_c(&text) + 1, len); /* without the quotes */
    out[len] = '\0';
}

static int other_endpoint(const struct chain *c) {
    for (size_t i = 0; i < c->pool.count; i++) {
        const struct endpoint *e = &c->pool.items[i];
        if (e->state == ENDPOINT_READY && (c->fork_votes >> i & 1) == 0 &&
            e->head >= c->cursor.window.base.number) {
            return (int)i;
        }
    }
    return -1;
}

/* The block that was final is another one there. */
static void conflict(struct chain *c, const struct block *theirs) {
    const struct window_block *base = &c->cursor.window.base;
    const struct endpoint *e = &c->pool.items[c->fork_endpoint];
    char ours_text[80];
    char theirs_text[80];
    add_hash(ours_text, sizeof ours_text, base->hash);
    add_hash(theirs_text, sizeof theirs_text, theirs->hash);
    c->fork_votes |= UINT64_C(1) << c->fork_endpoint;
    const int64_t number = base->number;
    (void)snprintf(c->fork_text, sizeof c->fork_text, "block %" PRId64 " is %s here, but %s at %s",
                   number, ours_text, theirs_text, e->host);
    const int other = other_endpoint(c);
    chain_drop_jobs(c);
    if (other >= 0) {
        look_from(c, (size_t)other, number);
        return;
    }
    const bool all_agree = (pool_in_use(&c->pool) & ~c->fork_votes) == 0;
    c->conflicts += all_agree ? 1 : 0;
    c->poll_due_us = clock_monotonic_us() + CHAIN_CONFLICT_US;
    chain_complain(
        c, false, c->conflicts >= CHAIN_CONFLICT_LOOKS ? ERR_CONFLICT : ERR_UNAVAILABLE,
        "the chain was reorganised below its last final block: %s, and no endpoint has ours. "
        "Nothing was changed. If an endpoint is wrong, take it out of rpc; if the chain "
        "really changed, take back what was read with `plumb rewind FLOW SOURCE --to %" PRId64
        "`, with a lower block if need be",
        c->fork_text, number > 0 ? number - 1 : 0);
    c->fork_votes = 0;
}

/* Whoever called our final block wrong is alone with that, or has come back to it. */
static void acquit(struct chain *c, size_t endpoint) {
    for (size_t i = 0; i < c->pool.count; i++) {
        if ((c->fork_votes >> i & 1) != 0 && i != endpoint) {
            struct endpoint *e = &c->pool.items[i];
            e->disagreements++;
            e->failures++;
            e->blocked_until_us = clock_monotonic_us() + ENDPOINT_PARK_US;
            (void)snprintf(e->last_error, sizeof e->last_error,
                           "left out: another chain than the others': %.200s", c->fork_text);
            (void)err_set(&c->news, ERR_CONFLICT,
                          "%s is left out: %s, and other endpoints have ours", e->host,
                          c->fork_text);
        }
    }
    c->fork_votes = 0;
    c->conflicts = 0;
}

static void take_back_from(struct chain *c, size_t endpoint, int64_t ancestor) {
    const struct endpoint *e = &c->pool.items[endpoint];
    const int64_t end = chain_end(c);
    int64_t high = ancestor + CHAIN_HEAD_BLOCKS;
    high = high < e->head ? high : e->head;
    high = high < end ? high : end;
    chain_drop_jobs(c);
    const int64_t tip = window_tip(&c->cursor.window)->number;
    if (high <= ancestor || ancestor >= tip) { /* no fork after all */
        window_settle(&c->cursor.window, ancestor == tip && tip <= c->final ? tip : -1);
        return;
    }
    struct job *j = job_new(JOB_HEAD, ancestor + 1, high);
    j->takes_back = true;
    j->only = UINT64_C(1) << endpoint;
    c->jobs = j;
    c->job_count = 1;
    c->planned = high + 1;
}

void chain_end_fork(struct chain *c, struct job *j) {
    const struct window *w = &c->cursor.window;
    const size_t endpoint = c->fork_endpoint;
    for (int64_t n = j->high; n >= j->low; n--) {
        const struct window_block *ours = window_at(w, n);
        if (ours != NULL && ours->has_hash &&
            memcmp(ours->hash, job_block(j, n)->hash, EVM_HASH_BYTES) == 0) {
            acquit(c, endpoint);
            take_back_from(c, endpoint, n);
            return;
        }
    }
    if (!w->base.has_hash && j->low == w->base.number + 1) {
        take_back_from(c, endpoint, w->base.number);
    } else if (j->low > w->base.number) {
        look_from(c, endpoint, w->base.number);
    } else {
        const struct block theirs = *job_block(j, j->low);
        conflict(c, &theirs);
    }
}
