/* Proof: which blocks need it, and how it is asked for.
 *
 * A block is doubtful when its header's bloom says that there may be logs where none came, when what came
 * contradicts itself, or, with `verify: receipts`, always. Receipts of the whole block are the best proof;
 * where no endpoint gives them, those of its transactions one by one, whose hashes are asked for first. Where
 * there are none at all, the block's logs are asked for again by its hash: of an endpoint that has not been
 * asked, or several times. */
#include <inttypes.h>
#include <string.h>

#include "source/evm/chain.h"

#define READABLE_BEHIND 32 /* of text that rpc_json reads */

static bool has_endpoint(const struct chain *c, bool by_block) {
    for (size_t i = 0; i < c->pool.count; i++) {
        const struct endpoint *e = &c->pool.items[i];
        if (e->state == ENDPOINT_READY && !(by_block ? e->no_receipts : e->no_tx_receipts)) {
            return true;
        }
    }
    return false;
}

bool chain_is_proof(const struct task *t) {
    return t->kind == TASK_RECEIPTS || t->kind == TASK_TXS || t->kind == TASK_TX_RECEIPTS ||
           t->kind == TASK_SECOND;
}

/* ---- questions ---- */

static void add_question(struct chain *c, struct job *j, int64_t number, enum task_kind kind,
                         unsigned group) {
    struct task *t = j->tasks;
    while (t != NULL && !(t->kind == kind && t->group == group && t->count < CHAIN_RECEIPTS)) {
        t = t->next;
    }
    if (t == NULL) {
        t = task_new(kind, j, CHAIN_RECEIPTS);
        t->group = group;
        const struct plan_group *g = &c->plan->groups[0];
        const uint64_t others = pool_in_use(&c->pool) & ~j->log_origins;
        t->never = kind == TASK_SECOND && others != 0 ? j->log_origins : 0;
        if (kind == TASK_SECOND && group == 0 && g->has_addresses &&
            g->address_count <= PLAN_FILTER_ADDRESSES) {
            t->addresses = (const uint8_t(*)[EVM_ADDRESS_BYTES])g->addresses;
            t->address_count = g->address_count;
        }
        task_add(&j->tasks, t);
    }
    t->numbers[t->count++] = number;
}

static void ask_about(struct chain *c, struct job *j, int64_t number) {
    const bool by_receipts = job_block(j, number)->asks < JOB_ASKS_MAX;
    if (by_receipts && has_endpoint(c, true)) {
        add_question(c, j, number, TASK_RECEIPTS, 0);
        return;
    }
    if (by_receipts && has_endpoint(c, false)) {
        add_question(c, j, number, TASK_TXS, 0);
        return;
    }
    for (unsigned group = 0; group < PLAN_GROUPS; group++) {
        if (c->plan->groups[group].is_used) {
            add_question(c, j, number, TASK_SECOND, group);
        }
    }
}

/* ---- doubt ---- */

/* It is not given as if it had none. */
static bool is_unknown(const struct block *b) {
    return b->is_suspect && !b->is_settled && b->log_count == 0 && b->asks >= 2 * JOB_ASKS_MAX;
}

bool chain_find_unknown(const struct job *j, struct err *why) {
    for (int64_t n = j->low; n <= j->high; n++) {
        if (is_unknown(job_block(j, n))) {
            (void)err_set(why, ERR_CONFLICT, "logs said to be of block %" PRId64 " are of another",
                          n);
            return true;
        }
    }
    return false;
}

void chain_outside_bloom(struct chain *c, struct job *j, int64_t number) {
    job_block(j, number)->is_outside = true;
    c->outside_blooms++;
    j->is_unproved = c->settings->verify == VERIFY_BLOOM;
}

static enum verify how_to_verify(const struct chain *c, struct job *j) {
    const enum verify verify = c->settings->verify;
    if (verify == VERIFY_BLOOM && j->is_distrusted) {
        return VERIFY_LIKELY;
    }
    if (verify == VERIFY_RECEIPTS && !has_endpoint(c, true) && !has_endpoint(c, false)) {
        j->is_weak = true; /* there are no receipts: what blooms tell is all there is */
        return VERIFY_LIKELY;
    }
    return verify;
}

bool chain_ask_proof(struct chain *c, struct job *j, int64_t now_us) {
    const enum verify verify = how_to_verify(c, j);
    for (int64_t n = j->low; n <= j->high; n++) {
        struct block *b = job_block(j, n);
        const struct job_doubt doubt = job_doubt(j, b, verify, c->plan, c->known);
        if (doubt.is_outside && !b->is_outside) {
            chain_outside_bloom(c, j, n);
        }
        if (!doubt.is_doubtful) {
            continue;
        }
        if (b->asks >= 2 * JOB_ASKS_MAX) { /* nobody has a proof: at least it was asked often */
            b->is_settled = true;
            j->is_weak = true;
            continue;
        }
        ask_about(c, j, n);
    }
    for (struct task *t = j->tasks; t != NULL; t = t->next) {
        t->not_before_us = t->kind == TASK_SECOND && t->never == 0 ? now_us + CHAIN_ROUND_US : 0;
    }
    return j->tasks != NULL;
}

static void count_ask(struct job *j, int64_t number) {
    struct block *b = job_block(j, number);
    b->asks = b->asks < UINT8_MAX ? (uint8_t)(b->asks + 1) : UINT8_MAX;
}

void chain_count_asks(struct job *j, const struct task *t) {
    if (t->kind == TASK_TX_RECEIPTS) {
        count_ask(j, t->block);
        return;
    }
    for (size_t i = 0; i < t->count; i++) {
        count_ask(j, t->numbers[i]);
    }
}

/* ---- receipts one by one ---- */

void chain_ask_tx_receipts(struct job *j, int64_t block, uint8_t (*txs)[EVM_HASH_BYTES],
                           size_t count) {
    struct task *t = task_new(TASK_TX_RECEIPTS, j, count);
    t->block = block;
    t->txs = txs;
    buf_init(&t->receipts, CHAIN_TX_RECEIPTS_MAX);
    for (size_t i = 0; i < count; i++) {
        t->numbers[t->count++] = (int64_t)i;
    }
    task_add(&j->tasks, t);
}

enum err_code chain_take_tx_receipt(struct task *t, struct str raw, struct err *err) {
    enum err_code code = buf_reserve(&t->receipts, raw.len + READABLE_BEHIND + 2, err);
    if (code == ERR_NONE) {
        buf_addc(&t->receipts, t->receipts.len == 0 ? '[' : ',');
        buf_addstr(&t->receipts, raw);
    }
    return code;
}
