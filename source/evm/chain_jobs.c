/* Runs of blocks: which are begun, and what each does when everything it asked for has come. */
#include <inttypes.h>
#include <string.h>

#include "source/evm/chain.h"

/* ---- the list ---- */

static void append_job(struct chain *c, struct job *j) {
    struct job **at = &c->jobs;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = j;
    c->job_count++;
    c->planned = j->kind == JOB_FORK ? c->planned : j->high + 1;
}

static void drop_tasks(struct job *j) {
    while (j->tasks != NULL) {
        task_remove(&j->tasks, j->tasks);
    }
}

void chain_pop_job(struct chain *c) {
    struct job *j = c->jobs;
    c->jobs = j->next;
    c->job_count--;
    drop_tasks(j);
    job_free(j);
}

/* Answers that are still under way find no task and are left. */
void chain_drop_jobs(struct chain *c) {
    while (c->jobs != NULL) {
        for (struct task *t = c->jobs->tasks; t != NULL; t = t->next) {
            c->pool.items[t->endpoint].in_flight -= t->tag != 0 ? 1 : 0;
        }
        chain_pop_job(c);
    }
    c->planned = cursor_next(&c->cursor);
    c->poll_due_us = 0;
}

void chain_shorten(struct chain *c, struct job *j, int64_t high) {
    ASSERT(j->kind == JOB_RANGE && j->blocks == NULL && high >= j->low && high < j->high);
    struct job *rest = job_new(JOB_RANGE, high + 1, j->high);
    rest->has_anchor = j->has_anchor;
    memcpy(rest->anchor, j->anchor, sizeof rest->anchor);
    j->has_anchor = false;
    rest->next = j->next;
    j->next = rest;
    j->high = high;
    c->job_count++;
}

void chain_blame(struct chain *c, uint64_t endpoints) {
    c->disagreements++;
    for (size_t i = 0; i < c->pool.count; i++) {
        c->pool.items[i].disagreements += (int64_t)(endpoints >> i & 1);
    }
}

void chain_restart(struct chain *c, struct job *j, const struct err *why, int64_t now_us) {
    chain_blame(c, j->log_origins);
    const uint64_t blamed = j->log_origins;
    j->restarts++;
    if (j->restarts > 1) {
        chain_complain(c, false, ERR_UNAVAILABLE,
                       "blocks %" PRId64 " to %" PRId64
                       ": the answers do not fit together (%s); asked again, from other endpoints "
                       "where there are any",
                       j->low, j->high, why->message);
    }
    if (j->kind != JOB_RANGE || j->restarts > JOB_RESTARTS_MAX) {
        chain_drop_jobs(c);
        c->poll_due_us = now_us + c->settings->poll_us;
        return;
    }
    drop_tasks(j);
    job_reset(j);
    chain_ask_logs(c, j, 0);
    for (struct task *t = j->tasks; t != NULL; t = t->next) {
        t->avoid = (pool_in_use(&c->pool) & ~blamed) != 0 ? blamed : 0;
        t->not_before_us = j->restarts > 1 ? now_us + CHAIN_ROUND_US : 0;
    }
    j->phase = PHASE_LOGS;
}

int64_t chain_end(const struct chain *c) {
    const int64_t once = c->settings->once ? c->once_head : INT64_MAX;
    return once < c->to ? once : c->to;
}

/* ---- planning ---- */

static size_t bytes_held(const struct chain *c) {
    size_t bytes = 0;
    for (const struct job *j = c->jobs; j != NULL; j = j->next) {
        bytes += j->bytes;
    }
    return bytes;
}

static void plan_range(struct chain *c, int64_t end) {
    const int64_t cap = pool_span(&c->pool);
    int64_t blocks = c->span.blocks;
    blocks = cap < blocks - 1 ? cap + 1 : blocks;
    const int64_t rest = end - c->planned + 1;
    blocks = blocks < rest ? blocks : rest;
    struct job *j = job_new(JOB_RANGE, c->planned, c->planned + blocks - 1);
    j->has_anchor = c->has_final_hash && j->high == c->final;
    memcpy(j->anchor, c->final_hash, sizeof j->anchor);
    append_job(c, j);
}

void chain_plan(struct chain *c, int64_t now_us) {
    (void)now_us;
    if (c->chain_id < 0 || (c->settings->once && c->once_head < 0)) {
        return;
    }
    const int64_t end = chain_end(c);
    const int64_t final = c->final < end ? c->final : end;
    const size_t jobs_max = (size_t)c->settings->parallel + CHAIN_JOBS_AHEAD;
    const bool is_apart = c->jobs != NULL && c->jobs->kind != JOB_RANGE;
    while (!is_apart && c->planned <= final && c->job_count < jobs_max &&
           bytes_held(c) < CHAIN_BYTES_MAX) {
        plan_range(c, final);
    }
    const int64_t head = pool_head(&c->pool) < end ? pool_head(&c->pool) : end;
    if (c->jobs == NULL && c->planned > final && c->planned <= head) {
        const int64_t high = c->planned + c->head_blocks - 1;
        append_job(c, job_new(JOB_HEAD, c->planned, high < head ? high : head));
    }
}

/* ---- headers ---- */

static void add_headers(struct job *j, const int64_t *numbers, size_t count) {
    for (size_t first = 0; first < count; first += CHAIN_HEADERS) {
        const size_t rest = count - first;
        const size_t n = rest < CHAIN_HEADERS ? rest : CHAIN_HEADERS;
        struct task *t = task_new(TASK_HEADERS, j, CHAIN_HEADERS); /* room for others' */
        memcpy(t->numbers, numbers + first, n * sizeof numbers[0]);
        t->count = n;
        task_add(&j->tasks, t);
    }
}

/* All of them; with `verify: none` of blocks with logs, and the last, which the next run is joined to. */
static void ask_headers(struct chain *c, struct job *j) {
    job_make_blocks(j);
    int64_t *numbers = mem_alloc_array(j->block_count, sizeof numbers[0]);
    size_t count = 0;
    const bool all =
        j->kind != JOB_RANGE || c->settings->verify != VERIFY_NONE || c->settings->blocks_all;
    for (size_t i = 0; i < j->log_count && !all; i++) {
        job_block(j, j->logs[i].block)->log_count = 1;
    }
    for (int64_t n = j->low; n <= j->high; n++) {
        if (n == c->latest_number && j->kind == JOB_HEAD && j->low == j->high) {
            struct block *b = job_block(j, n); /* the poll brought it */
            *b = c->latest;
            b->text_at = j->text.len;
            buf_addstr(&j->text, buf_str(&c->latest_text));
        } else if (all || n == j->high || job_block(j, n)->log_count > 0) {
            numbers[count++] = n;
        }
    }
    add_headers(j, numbers, count);
    mem_free(numbers);
    j->phase = PHASE_HEADERS;
}

/* ---- learning ---- */

static size_t count_known(const struct chain *c) {
    size_t count = 0;
    for (size_t s = 0; s < c->plan->set_count; s++) {
        count += c->known[s].count;
    }
    return count;
}

static void learn(struct chain *c, const struct job *j) {
    for (size_t i = 0; i < j->log_count; i++) {
        struct evm_log log;
        struct evm_fault fault;
        if (j->logs[i].match.teaches == 0 || !evm_log_parse(j->logs[i].text, &log, &fault)) {
            continue;
        }
        for (size_t s = 0; s < c->plan->set_count; s++) {
            uint8_t address[EVM_ADDRESS_BYTES];
            bool is_new = false;
            struct err err = ERR_INIT;
            if ((j->logs[i].match.teaches >> s & 1) != 0 &&
                plan_taught(&c->plan->sets[s], &log, address) &&
                learned_add(&c->known[s], address, log.block_number, &is_new, &err) != ERR_NONE) {
                chain_complain(c, false, err.code, "%s", err.message);
            }
        }
    }
}

static bool is_gate_open(const struct chain *c, const struct job *j) {
    for (const struct job *before = c->jobs; before != j; before = before->next) {
        if (!before->is_past_gate) {
            return false;
        }
    }
    return true;
}

static void ask_learned(struct chain *c, struct job *j) {
    const size_t count = count_known(c);
    j->phase = PHASE_LEARNED;
    if (count == 0) {
        return;
    }
    if (count <= PLAN_FILTER_MAX) {
        j->addresses = mem_alloc_array(count, sizeof *j->addresses);
        for (size_t s = 0; s < c->plan->set_count; s++) {
            for (size_t i = 0; i < c->known[s].count; i++) {
                memcpy(j->addresses[j->address_count++], c->known[s].items[i].address,
                       EVM_ADDRESS_BYTES);
            }
        }
    }
    chain_ask_logs(c, j, 1);
}

static bool pass_gate(struct chain *c, struct job *j) {
    if (!is_gate_open(c, j)) {
        return false;
    }
    job_cut_logs(j);
    learn(c, j);
    j->is_past_gate = true;
    ask_learned(c, j);
    return true;
}

/* ---- checking ---- */

static void check(struct chain *c, struct job *j, int64_t now_us) {
    struct err err = ERR_INIT;
    size_t suspects = 0;
    if (job_check(j, &suspects, &err) != ERR_NONE) {
        chain_restart(c, j, &err, now_us);
        return;
    }
    if (suspects > 0) {
        chain_blame(c, j->log_origins);
    }
    if (chain_find_unknown(j, &err)) {
        chain_restart(c, j, &err, now_us);
        return;
    }
    if (chain_ask_proof(c, j, now_us)) {
        j->phase = PHASE_SETTLE;
        return;
    }
    /* The proof of a block may have brought a log that teaches. Runs past the gate did not ask for what
     * it taught, and neither did this one: all begin anew, now that it is known. */
    const size_t known = count_known(c);
    learn(c, j);
    if (count_known(c) > known) {
        chain_drop_jobs(c);
        return;
    }
    j->phase = PHASE_READY;
}

/* ---- advancing ---- */

static void start(struct chain *c, struct job *j) {
    if (j->kind != JOB_RANGE) {
        ask_headers(c, j);
        return;
    }
    if (j->high - j->low + 1 > 2 * c->span.blocks) {
        chain_shorten(c, j, j->low + c->span.blocks - 1);
    }
    chain_ask_logs(c, j, 0);
    j->phase = PHASE_LOGS;
}

static void end_headers(struct chain *c, struct job *j, int64_t now_us) {
    struct err err = ERR_INIT;
    if (j->kind == JOB_RANGE) {
        j->phase = PHASE_CHECK;
    } else if (job_check_chain(j, &err) != ERR_NONE) {
        chain_restart(c, j, &err, now_us);
    } else if (j->kind == JOB_FORK) {
        chain_end_fork(c, j);
    } else {
        chain_ask_logs(c, j, 0);
        j->phase = PHASE_LOGS;
    }
}

/* False: it waits, or is gone. */
static bool advance(struct chain *c, struct job *j, int64_t now_us) {
    if (j->tasks != NULL) {
        return false;
    }
    switch (j->phase) {
    case PHASE_START:
        start(c, j);
        return true;
    case PHASE_LOGS:
        j->phase = PHASE_GATE;
        return true;
    case PHASE_GATE:
        return pass_gate(c, j);
    case PHASE_LEARNED:
        if (j->kind == JOB_RANGE) {
            job_cut_logs(j);
            span_answered(&c->span, j->high - j->low + 1, j->log_count, j->logs_bytes);
            ask_headers(c, j);
        } else {
            j->phase = PHASE_CHECK;
        }
        return true;
    case PHASE_HEADERS:
        end_headers(c, j, now_us);
        return false; /* the run may be gone */
    case PHASE_CHECK:
        check(c, j, now_us);
        return false;
    case PHASE_SETTLE:
        j->phase = PHASE_CHECK;
        return true;
    case PHASE_READY:
        return false;
    }
    return false;
}

static bool advance_one(struct chain *c, int64_t now_us) {
    for (struct job *j = c->jobs; j != NULL; j = j->next) {
        const enum job_phase before = j->phase;
        if (j->tasks == NULL && before != PHASE_READY && before != PHASE_GATE) {
            while (advance(c, j, now_us)) {
            }
            return true; /* the list may be another now */
        }
        if (before == PHASE_GATE && advance(c, j, now_us)) {
            return true;
        }
    }
    return false;
}

#define ADVANCES_MAX                                                                               \
    100000 /* each ends with questions asked or a run done: a bound against mistakes */

void chain_advance(struct chain *c, int64_t now_us) {
    for (int i = 0; i < ADVANCES_MAX && advance_one(c, now_us); i++) {
    }
}
