/* Answers: to which question, what is in them, and what follows from a failure.
 *
 * An answer may hold results for some of its calls and errors for others; what has a result leaves the
 * task, the rest stays and is asked again. The first error decides what is changed before. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "source/evm/chain.h"
#include "source/evm/rpc_json.h"

#define CALLS_MAX ENDPOINT_BATCH_START
/* Of a block without transactions; more may be read behind its end. */
#define NO_RECEIPTS "[]                                "

struct reply {
    struct chain *chain;
    struct task *task;
    struct endpoint *endpoint;
    struct wire_answer *wire;
    int64_t now_us;
    struct rpc_answer answers[CALLS_MAX];
    bool done[CALLS_MAX]; /* of the task's numbers */
    bool keep_body;       /* logs point into it */
    bool failed;
    struct rpc_failure failure; /* the first */
    struct rpc_verdict verdict;
    char text[RPC_TEXT_BYTES_MAX];
};

static struct task *find_task(struct chain *c, uint64_t tag) {
    for (struct task *t = c->tasks; t != NULL; t = t->next) {
        if (t->tag == tag) {
            return t;
        }
    }
    for (struct job *j = c->jobs; j != NULL; j = j->next) {
        for (struct task *t = j->tasks; t != NULL; t = t->next) {
            if (t->tag == tag) {
                return t;
            }
        }
    }
    return NULL;
}

/* ---- failures ---- */

static void set_range(const struct task *t, struct rpc_failure *f) {
    f->has_range = t->kind == TASK_RANGE;
    f->from = t->low;
    f->to = t->high;
}

static void fail_with(struct reply *r, const struct rpc_verdict *v, struct str text) {
    if (r->failed) {
        return;
    }
    r->failed = true;
    r->verdict = *v;
    str_printable(text, r->text, sizeof r->text);
}

static void fail_said(struct reply *r, struct str raw) {
    if (r->failed) {
        return;
    }
    struct rpc_error_text e;
    rpc_read_error(raw, &e);
    struct rpc_failure f = {
        .http_status = r->wire->status,
        .has_code = e.has_code,
        .code = e.code,
        .message = e.message,
        .data = e.data,
        .retry_after_us = r->wire->retry_after_us,
    };
    set_range(r->task, &f);
    const struct rpc_verdict v = rpc_error_classify(&f);
    fail_with(r, &v, e.message);
}

/* A result that is not what was asked for: some other endpoint may do better. */
static void fail_odd(struct reply *r, const char *text) {
    const struct rpc_verdict v = {.kind = RPC_KIND_UNKNOWN,
                                  .action = RPC_ASK_OTHER,
                                  .max_span = -1,
                                  .max_results = -1,
                                  .max_batch = -1,
                                  .suggested_to = -1,
                                  .retry_after_us = -1};
    fail_with(r, &v, str_of(text));
}

static void fail_behind(struct reply *r, const char *text) {
    fail_odd(r, text);
    r->verdict.kind = RPC_KIND_HEAD_BEHIND;
    r->verdict.action = RPC_WAIT_FOR_HEAD;
}

static void remember_failure(struct reply *r) {
    (void)snprintf(r->chain->last_failure, sizeof r->chain->last_failure, "%.64s: %.240s",
                   r->endpoint->host, r->text);
}

/* ---- results ---- */

static void take_latest_number(struct reply *r, struct str raw) {
    uint64_t head = 0;
    if (rpc_quantity(raw, INT64_MAX, &head)) {
        r->endpoint->head = (int64_t)head;
    }
}

/* number: of the one block they were asked for by hash; -1: a range. */
static void take_logs(struct reply *r, int64_t number, struct str raw) {
    struct job *j = r->task->job;
    struct err err = ERR_INIT;
    size_t strange = 0;
    ASSERT(j != NULL);
    const enum err_code code = number < 0
                                   ? job_take_logs(j, r->chain->plan, raw, &strange, &err)
                                   : job_take_block_logs(j, r->chain->plan, number, raw, &err);
    if (code != ERR_NONE) {
        fail_odd(r, err.message);
        return;
    }
    r->endpoint->disagreements += strange > 0 ? 1 : 0;
    j->log_origins |= UINT64_C(1) << r->task->endpoint;
    j->origin = (int)r->task->endpoint;
    j->logs_bytes += raw.len;
    r->keep_body = true;
}

static void take_range(struct reply *r) {
    const size_t last = r->task->calls - 1;
    struct job *j = r->task->job;
    if (r->answers[last].kind == RPC_ERROR) {
        fail_said(r, r->answers[last].raw);
        return;
    }
    if (last > 0 && r->answers[0].kind == RPC_RESULT) {
        take_latest_number(r, r->answers[0].raw);
    }
    if (r->endpoint->head < r->task->high && r->endpoint->head < j->high) {
        fail_behind(r, "its head is below the range that was asked for");
        return;
    }
    if (r->answers[last].kind != RPC_RESULT) {
        fail_odd(r, "no answer to one of the calls");
        return;
    }
    take_logs(r, -1, r->answers[last].raw);
    r->done[0] = !r->failed;
}

/* A doubtful block was asked about again. At another endpoint an answer settles it; at the same one, the
 * same answer often enough does (JOB_ASKS_MAX). */
static void take_second(struct reply *r, int64_t number, struct str raw) {
    struct job *j = r->task->job;
    ASSERT(j != NULL);
    struct block *b = job_block(j, number);
    const uint64_t before = j->log_origins;
    const size_t count = j->log_count;
    take_logs(r, number, raw);
    if (r->failed) {
        return;
    }
    if (j->log_count > count && !b->is_suspect) {
        chain_blame(r->chain, before);
        j->is_distrusted = true;
    } else if (b->is_suspect || (before >> r->task->endpoint & 1) == 0) {
        b->is_settled = true; /* by hash, every log of this block; or by another endpoint */
    }
    b->asks = b->asks < UINT8_MAX ? (uint8_t)(b->asks + 1) : UINT8_MAX;
}

static void take_receipts(struct reply *r, int64_t number, struct str raw) {
    struct job *j = r->task->job;
    ASSERT(j != NULL);
    struct err err = ERR_INIT;
    size_t missed = 0;
    const enum err_code code = job_take_receipts(j, r->chain->plan, number, raw, &missed, &err);
    if (code == ERR_UNAVAILABLE) {
        fail_behind(r, err.message);
        return;
    }
    if (code != ERR_NONE) {
        fail_odd(r, err.message);
        return;
    }
    if (missed > 0 && !job_block(j, number)->is_suspect) {
        j->is_distrusted = true;
        chain_blame(r->chain, j->log_origins);
    }
    job_block(j, number)->is_settled = true;
    if (job_block(j, number)->is_outside) {
        chain_outside_bloom(r->chain, j, number);
    }
    r->keep_body = true;
}

static void take_transactions(struct reply *r, int64_t number, struct str raw) {
    struct job *j = r->task->job;
    ASSERT(j != NULL);
    struct err err = ERR_INIT;
    uint8_t(*txs)[EVM_HASH_BYTES] = NULL;
    size_t count = 0;
    if (rpc_is_null(raw)) {
        fail_behind(r, "a block that it does not have");
    } else if (job_read_transactions(j, number, raw, &txs, &count, &err) != ERR_NONE) {
        fail_odd(r, err.message);
    } else if (count == 0) {
        mem_free(txs);
        take_receipts(r, number, (struct str){NO_RECEIPTS, 2});
    } else {
        chain_ask_tx_receipts(j, number, txs, count);
    }
}

static void take_tx_receipt(struct reply *r, struct str raw) {
    struct err err = ERR_INIT;
    if (rpc_is_null(raw)) {
        fail_behind(r, "a receipt that it does not have yet");
    } else if (chain_take_tx_receipt(r->task, raw, &err) != ERR_NONE) {
        fail_odd(r, err.message);
    }
}

/* All are there: they are read as if they had come at once. */
static void end_tx_receipts(struct reply *r) {
    struct task *t = r->task;
    buf_addc(&t->receipts, ']');
    const size_t bytes = t->receipts.len;
    r->keep_body = false;
    take_receipts(r, t->block, (struct str){t->receipts.data, bytes});
    if (r->failed) {
        chain_count_asks(t->job, t);
        remember_failure(r);
    } else {
        job_keep(t->job, &t->receipts);
    }
}

static void take_header(struct reply *r, int64_t number, struct str raw) {
    ASSERT(r->task->job != NULL);
    struct err err = ERR_INIT;
    if (rpc_is_null(raw)) {
        if (r->task->job->kind != JOB_RANGE) {
            fail_behind(r, "a block up to its head that it does not have");
        } else {
            fail_odd(r, "a block that it does not have");
        }
        return;
    }
    if (job_take_header(r->task->job, number, raw, &err) != ERR_NONE) {
        fail_odd(r, err.message);
    }
}

static void take_result(struct reply *r, size_t i) {
    const int64_t number = r->task->numbers[i];
    const struct str raw = r->answers[i].raw;
    const bool failed_before = r->failed;
    r->failed = false;
    struct err err = ERR_INIT;
    const struct rpc_verdict verdict = r->verdict;
    char text[sizeof r->text];
    memcpy(text, r->text, sizeof text);
    switch (r->task->kind) {
    case TASK_HELLO:
    case TASK_POLL:
        if (!chain_take_poll(r->chain, r->task->endpoint, number, raw, &err)) {
            fail_odd(r, err.message);
        }
        break;
    case TASK_HEADERS:
        take_header(r, number, raw);
        break;
    case TASK_HASH_LOGS:
        take_logs(r, number, raw);
        break;
    case TASK_SECOND:
        take_second(r, number, raw);
        break;
    case TASK_RECEIPTS:
        take_receipts(r, number, raw);
        break;
    case TASK_TXS:
        take_transactions(r, number, raw);
        break;
    case TASK_TX_RECEIPTS:
        take_tx_receipt(r, raw);
        break;
    case TASK_RANGE:
        break;
    }
    r->done[i] = !r->failed;
    if (failed_before) { /* the first failure is the one that counts */
        r->failed = true;
        r->verdict = verdict;
        memcpy(r->text, text, sizeof text);
    }
}

/* A node that does not know the tag `finalized` says so with an error. */
static bool is_no_finalized(struct reply *r, size_t i) {
    const bool asked = r->task->job == NULL && r->task->numbers[i] == 2;
    if (!asked) {
        return false;
    }
    const bool failed = r->failed;
    r->failed = false;
    fail_said(r, r->answers[i].raw);
    const enum rpc_action action = r->verdict.action;
    r->failed = failed;
    if (action == RPC_SLOW_DOWN || action == RPC_PARK || action == RPC_TRY_AGAIN) {
        return false;
    }
    r->endpoint->no_finalized = true;
    chain_no_finalized(r->chain, r->task->endpoint);
    return true;
}

static void take_numbers(struct reply *r) {
    for (size_t i = 0; i < r->task->sent; i++) {
        switch (r->answers[i].kind) {
        case RPC_RESULT:
            take_result(r, i);
            break;
        case RPC_ERROR:
            if (is_no_finalized(r, i)) {
                r->done[i] = true;
            } else {
                fail_said(r, r->answers[i].raw);
            }
            break;
        case RPC_MISSING:
        case RPC_NEITHER:
            fail_odd(r, "no answer to one of the calls");
            break;
        }
        if (r->chain->jobs == NULL && r->task->job != NULL) {
            return; /* dropped meanwhile */
        }
    }
}

static void read_answer(struct reply *r) {
    struct wire_answer *w = r->wire;
    if (w->end != HTTP_ANSWERED) {
        const struct task *t = r->task;
        const struct rpc_verdict v =
            rpc_error_of_end(w->end, t->kind == TASK_RANGE, t->low, t->high);
        fail_with(r, &v, str_of(w->err.message));
        return;
    }
    struct rpc_reading reading;
    struct err err = ERR_INIT;
    if (rpc_read(buf_str(&w->body), 1, r->answers, r->task->calls, &reading, &err) != ERR_NONE) {
        struct rpc_failure f = {.http_status = w->status,
                                .message = str_of(err.message),
                                .retry_after_us = w->retry_after_us};
        set_range(r->task, &f);
        struct rpc_verdict v = rpc_error_classify(&f);
        if (w->status == 200) { /* half an answer, a proxy's page: the same again may work */
            v.kind = RPC_KIND_RETRYABLE;
            v.action = RPC_TRY_AGAIN;
        }
        fail_with(r, &v, str_of(err.message));
        return;
    }
    if (r->task->kind == TASK_RANGE) {
        take_range(r);
    } else {
        take_numbers(r);
    }
}

/* ---- what follows ---- */

static int64_t asked_of(const struct task *t, enum rpc_kind kind) {
    if (kind == RPC_KIND_SPLIT_ADDRESSES) {
        return (int64_t)t->address_count;
    }
    const bool is_of_calls = kind == RPC_KIND_BATCH_CAP || kind == RPC_KIND_RATE_LIMIT;
    return t->kind == TASK_RANGE && !is_of_calls ? t->high - t->low : (int64_t)t->calls;
}

static void ask_less(struct reply *r) {
    struct task *t = r->task;
    struct chain *c = r->chain;
    if (t->kind != TASK_RANGE) {
        /* Too large an answer to many calls at once. */
        if (t->sent > 1) {
            r->endpoint->batch_cap = (int64_t)(t->sent / 2);
            r->endpoint->capped_us = r->now_us;
        } else {
            t->avoid |= UINT64_C(1) << t->endpoint;
        }
        return;
    }
    if (t->low >= t->high) {
        t->avoid |= UINT64_C(1) << t->endpoint;
        return;
    }
    const int64_t high = span_less(t->low, t->high, r->verdict.suggested_to, r->verdict.max_span);
    if (r->verdict.kind != RPC_KIND_SPAN_CAP) {
        span_refused(&c->span, t->high - t->low + 1);
    }
    if (high < t->job->high) {
        chain_shorten(c, t->job, high);
    }
}

/* The same question will not be answered by this endpoint later either. */
static bool is_for_good(enum rpc_kind kind) {
    return kind == RPC_KIND_UNSUPPORTED || kind == RPC_KIND_AUTH ||
           kind == RPC_KIND_ARCHIVE_GATED || kind == RPC_KIND_PRUNED ||
           kind == RPC_KIND_BAD_REQUEST;
}

static void after_failure(struct reply *r) {
    struct task *t = r->task;
    const uint64_t bit = UINT64_C(1) << t->endpoint;
    switch (r->verdict.action) {
    case RPC_ASK_LESS:
        ask_less(r);
        return;
    case RPC_ASK_FEWER_ADDRESSES:
        t->avoid |= t->address_count > 1 ? 0 : bit;
        return;
    case RPC_ASK_SMALLER_BATCH:
        t->avoid |= t->calls > 1 ? 0 : bit;
        return;
    case RPC_SLOW_DOWN:
        return;
    case RPC_PARK:
    case RPC_ASK_OTHER:
        if (r->verdict.kind == RPC_KIND_UNSUPPORTED) {
            r->endpoint->no_receipts |= t->kind == TASK_RECEIPTS;
            r->endpoint->no_tx_receipts |= t->kind == TASK_TXS || t->kind == TASK_TX_RECEIPTS;
        }
        t->is_refused = t->is_refused || is_for_good(r->verdict.kind);
        t->avoid |= bit;
        return;
    case RPC_WAIT_FOR_HEAD:
        if (t->kind == TASK_RANGE && r->endpoint->head >= t->high) {
            r->endpoint->head = t->high - 1;
        }
        t->not_before_us = r->now_us + CHAIN_ROUND_US;
        t->is_stale = t->kind != TASK_RANGE;
        t->avoid |= t->kind != TASK_RANGE ? bit : 0;
        return;
    case RPC_LOOK_AGAIN:
        t->is_stale = true;
        t->avoid |= bit;
        return;
    case RPC_TRY_AGAIN:
        t->avoid |= bit;
        return;
    }
}

#define POLL_FAILURES 3 /* in a row, before it is a trouble */

static bool all_fail(const struct pool *p) {
    for (size_t i = 0; i < p->count; i++) {
        const struct endpoint *e = &p->items[i];
        if (e->state != ENDPOINT_OUT && e->failures < POLL_FAILURES) {
            return false;
        }
    }
    return true;
}

/* A poll that failed is forgotten: the next one asks anew. */
static void after_poll(struct reply *r) {
    struct chain *c = r->chain;
    if (!r->failed) {
        chain_went_on(c, true);
        return;
    }
    if (r->verdict.action == RPC_ASK_SMALLER_BATCH) {
        c->poll_due_us = r->now_us;
    }
    if (r->verdict.action != RPC_SLOW_DOWN && r->verdict.action != RPC_ASK_SMALLER_BATCH &&
        r->verdict.action != RPC_TRY_AGAIN) {
        r->endpoint->failures++;
        r->endpoint->blocked_until_us = r->now_us + CHAIN_ROUND_US;
    }
    if (all_fail(&c->pool)) {
        chain_complain(c, true, ERR_UNAVAILABLE, "no endpoint answers; the last said: %s",
                       c->last_failure);
    }
}

static size_t count_done(const struct reply *r) {
    size_t count = 0;
    const size_t of = r->task->kind == TASK_RANGE ? 1 : r->task->sent;
    for (size_t i = 0; i < of; i++) {
        count += r->done[i] ? 1 : 0;
    }
    return count;
}

static void drop_done(struct reply *r) {
    struct task *t = r->task;
    size_t kept = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (i >= t->sent || !r->done[i]) {
            t->numbers[kept++] = t->numbers[i];
        }
    }
    if (kept < t->count) {
        t->rounds = 0;
        t->avoid = 0;
    }
    t->count = kept;
}

/* Some calls of many had bad luck: they are asked again, together with what else there is to ask. */
static bool is_passing(const struct reply *r) {
    return r->verdict.action == RPC_TRY_AGAIN && count_done(r) > 0;
}

static void finish(struct reply *r) {
    struct chain *c = r->chain;
    struct task *t = r->task;
    if (!r->failed || count_done(r) > 0) { /* part of an answer is an answer */
        endpoint_answered(r->endpoint, r->now_us, r->wire->elapsed_us);
    }
    if (r->failed) {
        remember_failure(r);
        const size_t done = count_done(r);
        const double served = t->sent > 0 ? (double)done / (double)t->sent : 0;
        endpoint_failed(r->endpoint, r->now_us, &r->verdict, asked_of(t, r->verdict.kind), served,
                        r->text);
    }
    if (t->job != NULL && r->keep_body) {
        job_keep(t->job, &r->wire->body);
    }
    if (t->kind != TASK_RANGE) {
        drop_done(r);
    }
    const bool is_done = t->kind == TASK_RANGE ? r->done[0] : t->count == 0;
    if (t->job == NULL) {
        const bool again = !is_done && !r->failed;
        after_poll(r);
        if (!again) {
            task_remove(&c->tasks, t);
        }
    } else if (is_done) {
        if (t->kind == TASK_TX_RECEIPTS) {
            end_tx_receipts(r);
        }
        task_remove(&t->job->tasks, t);
    } else if (r->failed && !is_passing(r)) {
        after_failure(r);
    }
}

void chain_answer(struct chain *c, struct wire_answer *answer, int64_t now_us) {
    struct task *t = find_task(c, answer->tag);
    if (t == NULL) {
        return;
    }
    struct reply *r = mem_alloc(sizeof *r);
    r->chain = c;
    r->task = t;
    r->endpoint = &c->pool.items[t->endpoint];
    r->wire = answer;
    r->now_us = now_us;
    t->tag = 0;
    r->endpoint->in_flight--;
    const struct job *job = t->job;
    read_answer(r);
    bool is_there = job == NULL; /* a poll may find a fork and drop all runs, not polls */
    for (const struct job *j = c->jobs; j != NULL && !is_there; j = j->next) {
        is_there = j == job;
    }
    if (is_there) {
        finish(r);
    }
    mem_free(r);
}
