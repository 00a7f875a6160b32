/* Questions: the list of tasks, which endpoint gets which, and their text.
 *
 * A task is a question that may take several requests: an endpoint's caps cut it, what was not answered is
 * asked again. Tasks of earlier runs go first. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "source/evm/chain.h"

#define BODY_BYTES_MAX ((size_t)4 << 20)

struct task *task_new(enum task_kind kind, struct job *job, size_t numbers) {
    struct task *t = mem_alloc(sizeof *t);
    t->kind = kind;
    t->job = job;
    t->numbers = mem_alloc_array(numbers > 0 ? numbers : 1, sizeof t->numbers[0]);
    return t;
}

void task_add(struct task **list, struct task *t) {
    while (*list != NULL) {
        list = &(*list)->next;
    }
    *list = t;
}

void task_remove(struct task **list, struct task *t) {
    while (*list != NULL && *list != t) {
        list = &(*list)->next;
    }
    ASSERT(*list == t);
    *list = t->next;
    buf_release(&t->receipts);
    mem_free(t->txs);
    mem_free(t->numbers);
    mem_free(t);
}

struct task **task_list(struct chain *c, const struct task *t) {
    return t->job != NULL ? &t->job->tasks : &c->tasks;
}

/* ---- text ---- */

struct body {
    struct buf text;
    size_t calls;
};

static void begin_call(struct body *b, const char *method) {
    buf_addf(&b->text, "%s{\"jsonrpc\":\"2.0\",\"id\":%zu,\"method\":\"%s\",\"params\":[",
             b->calls > 0 ? "," : "", b->calls + 1, method);
    b->calls++;
}

static void end_call(struct body *b) {
    buf_adds(&b->text, "]}");
}

static void ask_nothing(struct body *b, const char *method) {
    begin_call(b, method);
    end_call(b);
}

static void ask_block(struct body *b, const char *tag) {
    begin_call(b, "eth_getBlockByNumber");
    buf_addf(&b->text, "\"%s\",false", tag);
    end_call(b);
}

static void ask_poll(struct body *b, int64_t what) {
    if (what == 0) {
        ask_nothing(b, "eth_chainId");
    } else {
        ask_block(b, what == 1 ? "latest" : "finalized");
    }
}

static void ask_header(struct body *b, int64_t number) {
    begin_call(b, "eth_getBlockByNumber");
    buf_addf(&b->text, "\"0x%" PRIx64 "\",false", (uint64_t)number);
    end_call(b);
}

static void ask_range(struct body *b, const struct chain *c, const struct task *t, bool with_head) {
    if (with_head) {
        ask_nothing(b, "eth_blockNumber");
    }
    begin_call(b, "eth_getLogs");
    buf_addf(&b->text, "{\"fromBlock\":\"0x%" PRIx64 "\",\"toBlock\":\"0x%" PRIx64 "\"",
             (uint64_t)t->low, (uint64_t)t->high);
    plan_write_filter(&c->plan->groups[t->group], t->addresses, t->address_count, &b->text);
    buf_addc(&b->text, '}');
    end_call(b);
}

static void ask_hash_logs(struct body *b, const struct chain *c, const struct task *t,
                          int64_t number) {
    begin_call(b, "eth_getLogs");
    buf_adds(&b->text, "{\"blockHash\":");
    plan_write_hex(job_block(t->job, number)->hash, EVM_HASH_BYTES, &b->text);
    plan_write_filter(&c->plan->groups[t->group], t->addresses, t->address_count, &b->text);
    buf_addc(&b->text, '}');
    end_call(b);
}

static void ask_transactions(struct body *b, const struct task *t, int64_t number) {
    begin_call(b, "eth_getBlockByHash");
    plan_write_hex(job_block(t->job, number)->hash, EVM_HASH_BYTES, &b->text);
    buf_adds(&b->text, ",false");
    end_call(b);
}

static void ask_tx_receipt(struct body *b, const struct task *t, int64_t which) {
    begin_call(b, "eth_getTransactionReceipt");
    plan_write_hex(t->txs[which], EVM_HASH_BYTES, &b->text);
    end_call(b);
}

static void ask_receipts(struct body *b, const struct task *t, int64_t number) {
    begin_call(b, "eth_getBlockReceipts");
    plan_write_hex(job_block(t->job, number)->hash, EVM_HASH_BYTES, &b->text);
    end_call(b);
}

static void ask_number(struct body *b, const struct chain *c, const struct task *t,
                       int64_t number) {
    switch (t->kind) {
    case TASK_HELLO:
    case TASK_POLL:
        ask_poll(b, number);
        return;
    case TASK_HEADERS:
        ask_header(b, number);
        return;
    case TASK_HASH_LOGS:
    case TASK_SECOND:
        ask_hash_logs(b, c, t, number);
        return;
    case TASK_RECEIPTS:
        ask_receipts(b, t, number);
        return;
    case TASK_TXS:
        ask_transactions(b, t, number);
        return;
    case TASK_TX_RECEIPTS:
        ask_tx_receipt(b, t, number);
        return;
    case TASK_RANGE:
        return;
    }
}

/* ---- sending ---- */

/* Headers that are still to be asked for, of later tasks of the run: what was left over of a batch goes with
 * the next one instead of making a request of its own. */
static void fill_headers(struct task *t, size_t endpoint, int64_t head, size_t count_max) {
    const size_t max = count_max < CHAIN_HEADERS ? count_max : CHAIN_HEADERS;
    struct task *next = t->next;
    while (next != NULL && t->count < max) {
        struct task *from = next;
        next = from->next;
        if (from->kind != TASK_HEADERS || from->tag != 0 || from->not_before_us > 0 ||
            ((from->avoid | from->never) >> endpoint & 1) != 0) {
            continue;
        }
        while (from->count > 0 && t->count < max && from->numbers[from->count - 1] <= head) {
            t->numbers[t->count++] = from->numbers[--from->count];
        }
        if (from->count == 0) {
            task_remove(&t->job->tasks, from);
        }
    }
}

/* What an endpoint's caps leave of a task; the rest becomes one of its own. */
static void fit_task(struct chain *c, struct task *t, const struct endpoint *e) {
    const size_t addresses_max = e->address_cap > 0 ? (size_t)e->address_cap : SIZE_MAX;
    if (t->address_count > addresses_max) {
        struct task *rest = task_new(t->kind, t->job, t->count);
        rest->group = t->group;
        rest->never = t->never;
        rest->addresses = t->addresses + addresses_max;
        rest->address_count = t->address_count - addresses_max;
        rest->count = t->count;
        memcpy(rest->numbers, t->numbers, t->count * sizeof t->numbers[0]);
        t->address_count = addresses_max;
        task_add(task_list(c, t), rest);
    }
    if (t->kind != TASK_RANGE) {
        const size_t calls = endpoint_batch(e);
        if (t->kind == TASK_HEADERS) {
            fill_headers(t, (size_t)(e - c->pool.items), e->head, calls);
        }
        t->sent = t->count < calls ? t->count : calls;
        return;
    }
    ASSERT(t->job != NULL);
    if (e->span_cap >= 0 && t->job->high - t->job->low > e->span_cap) {
        chain_shorten(c, t->job, t->job->low + e->span_cap);
    }
    t->low = t->job->low;
    t->high = t->job->high;
}

static int64_t timeout_of(const struct chain *c, const struct task *t, const struct endpoint *e) {
    int64_t us = CHAIN_HEAD_TIMEOUT_US;
    if (t->job != NULL && t->job->kind == JOB_RANGE) {
        return c->settings->timeout_us;
    }
    for (unsigned i = 0; i < e->failures && us < c->settings->timeout_us; i++) {
        us *= 2;
    }
    return us < c->settings->timeout_us ? us : c->settings->timeout_us;
}

static bool send_task(struct chain *c, struct task *t, size_t endpoint, int64_t now_us) {
    struct endpoint *e = &c->pool.items[endpoint];
    fit_task(c, t, e);
    struct body b = {.text = BUF_INIT(BODY_BYTES_MAX)};
    const size_t calls = t->kind == TASK_RANGE ? (e->batch_cap > 1 ? 2 : 1) : t->sent;
    buf_adds(&b.text, calls > 1 ? "[" : "");
    if (t->kind == TASK_RANGE) {
        ask_range(&b, c, t, calls > 1);
    }
    for (size_t i = 0; t->kind != TASK_RANGE && i < t->sent; i++) {
        ask_number(&b, c, t, t->numbers[i]);
    }
    buf_adds(&b.text, calls > 1 ? "]" : "");
    struct err err = ERR_INIT;
    const uint64_t tag = c->tag_next;
    const bool sent = c->wire->send(c->wire->context, e->url, &b.text, timeout_of(c, t, e), tag,
                                    &err) == ERR_NONE;
    buf_release(&b.text);
    if (!sent) {
        if (err.code == ERR_CONFIG) {
            endpoint_out(e, err.message);
        }
        return false;
    }
    c->tag_next++;
    t->tag = tag;
    t->calls = b.calls;
    t->endpoint = endpoint;
    endpoint_sent(e, now_us);
    return true;
}

static int64_t head_needed(const struct task *t) {
    if (t->kind == TASK_RANGE || t->kind == TASK_TX_RECEIPTS) {
        return t->kind == TASK_RANGE ? t->job->high : t->block;
    }
    int64_t highest = -1;
    for (size_t i = 0; i < t->count; i++) {
        highest = t->numbers[i] > highest ? t->numbers[i] : highest;
    }
    return highest;
}

static void pause_task(struct task *t, int64_t now_us) {
    int64_t wait = CHAIN_ROUND_US;
    for (unsigned i = 0; i < t->rounds && wait < CHAIN_ROUND_US_MAX; i++) {
        wait *= 2;
    }
    t->rounds++;
    t->avoid = 0;
    t->not_before_us = now_us + (wait < CHAIN_ROUND_US_MAX ? wait : CHAIN_ROUND_US_MAX);
}

/* New blocks may be of another branch by now, so their questions are not asked for ever. */
static bool is_hopeless(const struct task *t) {
    const unsigned stale_max = chain_is_proof(t) ? 1 : CHAIN_STALE_ROUNDS;
    return t->job->kind != JOB_RANGE && t->rounds >= (t->is_stale ? stale_max : CHAIN_HEAD_ROUNDS);
}

/* The head is looked at again, and what is there then is asked for; less of it, so that calls that now and
 * then fail do not keep all of many blocks from coming. */
static void drop_new_blocks(struct chain *c, const struct job *j) {
    c->head_drops++;
    c->head_blocks = c->head_blocks > 1 ? c->head_blocks / 2 : 1;
    if (c->head_drops >= CHAIN_HEAD_DROPS) {
        chain_complain(c, false, ERR_UNAVAILABLE,
                       "no endpoint of chain %" PRId64 " has all of the new blocks %" PRId64
                       " to %" PRId64 " yet, after %u looks; the last said: %s",
                       c->chain_id, j->low, j->high, c->head_drops, c->last_failure);
    }
    chain_drop_jobs(c);
    c->poll_due_us = clock_monotonic_us() + CHAIN_ROUND_US;
}

/* Every endpoint that could answer has failed: once more from the start, a little later. Proof that nobody can
 * give, as no endpoint knows the method, is given up instead, and the run looks for another way. */
static void next_round(struct chain *c, struct task *t, bool is_known_nowhere, int64_t now_us) {
    struct job *j = t->job;
    t->is_refused = t->is_refused || is_known_nowhere;
    if (t->rounds > 0) {
        chain_complain(c, false, ERR_UNAVAILABLE,
                       "no endpoint of chain %" PRId64 " answers for blocks %" PRId64 " to %" PRId64
                       "; the last said: %s",
                       c->chain_id, j->low, j->high, c->last_failure);
    }
    if (is_hopeless(t)) {
        drop_new_blocks(c, j);
        return;
    }
    /* Proof that nobody can give is looked for in another way; proof that is not there yet is waited for. */
    if (chain_is_proof(t) && (t->is_refused || t->rounds >= CHAIN_PROOF_ROUNDS)) {
        chain_count_asks(j, t);
        task_remove(&j->tasks, t);
        return;
    }
    pause_task(t, now_us);
}

/* Endpoints that do not know the method. */
static uint64_t without_receipts(const struct pool *p, const struct pool_need *need) {
    uint64_t bits = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct endpoint *e = &p->items[i];
        const bool cannot =
            (need->receipts && e->no_receipts) || (need->tx_receipts && e->no_tx_receipts);
        bits |= cannot ? UINT64_C(1) << i : 0;
    }
    return bits;
}

static bool has_head(const struct pool *p, uint64_t which, int64_t head) {
    for (size_t i = 0; i < p->count; i++) {
        if ((which >> i & 1) != 0 && p->items[i].head >= head) {
            return true;
        }
    }
    return false;
}

/* False when the list was changed under us. */
static bool try_task(struct chain *c, struct task *t, int64_t now_us) {
    if (t->tag != 0 || t->not_before_us > now_us) {
        return true;
    }
    if (t->job == NULL) {
        const struct endpoint *e = &c->pool.items[t->endpoint];
        if (e->blocked_until_us <= now_us && e->next_send_us <= now_us) {
            (void)send_task(c, t, t->endpoint, now_us);
        }
        return true;
    }
    struct pool_need need = {.head = head_needed(t),
                             .avoid = t->avoid | t->never,
                             .receipts = t->kind == TASK_RECEIPTS,
                             .tx_receipts = t->kind == TASK_TXS || t->kind == TASK_TX_RECEIPTS};
    need.avoid |= t->job->only != 0 ? ~t->job->only : 0;
    const uint64_t unknowing = without_receipts(&c->pool, &need);
    const uint64_t cannot = need.avoid | unknowing;
    if ((pool_in_use(&c->pool) & ~cannot) == 0) {
        const uint64_t in_use = pool_in_use(&c->pool);
        next_round(c, t, in_use != 0 && (in_use & ~unknowing) == 0, now_us);
        return false;
    }
    if (t->avoid != 0 && !has_head(&c->pool, pool_in_use(&c->pool) & ~cannot, need.head)) {
        if (is_hopeless(t)) {
            drop_new_blocks(c, t->job);
            return false;
        }
        pause_task(t, now_us); /* who is left is behind; who failed may do better now */
        return true;
    }
    int64_t ready_us = 0;
    const int chosen = pool_choose(&c->pool, now_us, &need, &ready_us);
    if (chosen >= 0) {
        (void)send_task(c, t, (size_t)chosen, now_us);
        return true;
    }
    if (t->job->only != 0 && !has_head(&c->pool, t->job->only, need.head)) {
        chain_drop_jobs(c); /* the only one that may be asked went back */
        return false;
    }
    return true;
}

void chain_send_tasks(struct chain *c, int64_t now_us) {
    for (struct task *t = c->tasks; t != NULL; t = t->next) {
        (void)try_task(c, t, now_us);
    }
    for (struct job *j = c->jobs; j != NULL; j = j->next) {
        for (struct task *t = j->tasks; t != NULL; t = t->next) {
            if (!try_task(c, t, now_us)) {
                return; /* the next pump goes on */
            }
        }
    }
}

/* ---- logs of a run ---- */

static void add_log_task(struct job *j, unsigned group,
                         const uint8_t (*addresses)[EVM_ADDRESS_BYTES], size_t count) {
    const bool by_hash = j->kind == JOB_HEAD;
    struct task *t =
        task_new(by_hash ? TASK_HASH_LOGS : TASK_RANGE, j, by_hash ? j->block_count : 0);
    t->group = group;
    t->addresses = addresses;
    t->address_count = count;
    for (int64_t n = j->low; by_hash && n <= j->high; n++) {
        t->numbers[t->count++] = n;
    }
    task_add(&j->tasks, t);
}

void chain_ask_logs(struct chain *c, struct job *j, unsigned group) {
    const struct plan_group *g = &c->plan->groups[group];
    if (!g->is_used) {
        return;
    }
    const uint8_t(*addresses)[EVM_ADDRESS_BYTES] = NULL;
    size_t count = 0;
    if (group == 0 && g->has_addresses) {
        addresses = (const uint8_t(*)[EVM_ADDRESS_BYTES])g->addresses;
        count = g->address_count;
    } else if (group == 1) {
        addresses = (const uint8_t(*)[EVM_ADDRESS_BYTES])j->addresses;
        count = j->address_count;
    }
    if (count == 0 || count > PLAN_FILTER_MAX) {
        add_log_task(j, group, NULL, 0);
        return;
    }
    for (size_t first = 0; first < count; first += PLAN_FILTER_ADDRESSES) {
        const size_t rest = count - first;
        add_log_task(j, group, addresses + first,
                     rest < PLAN_FILTER_ADDRESSES ? rest : PLAN_FILTER_ADDRESSES);
    }
}
