/* Holding together what came: order, twins, hashes, blooms. Pure. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/evm/job.h"

static int compare_logs(const void *a, const void *b) {
    const struct job_log *x = a;
    const struct job_log *y = b;
    if (x->block != y->block) {
        return x->block < y->block ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index ? 1 : 0;
}

static void sort_logs(struct job *j) {
    for (size_t i = 1; i < j->log_count; i++) {
        if (compare_logs(&j->logs[i - 1], &j->logs[i]) > 0) {
            qsort(j->logs, j->log_count, sizeof j->logs[0], compare_logs);
            return;
        }
    }
}

/* The same event, however the node wrote it. */
static bool is_same(const struct job_log *a, const struct job_log *b) {
    if (str_equal(a->text, b->text)) {
        return true;
    }
    struct evm_log x;
    struct evm_log y;
    struct evm_fault fault;
    if (!evm_log_parse(a->text, &x, &fault) || !evm_log_parse(b->text, &y, &fault)) {
        return false;
    }
    return x.topic_count == y.topic_count && str_equal(x.data_hex, y.data_hex) &&
           memcmp(x.address, y.address, sizeof x.address) == 0 &&
           memcmp(x.topics, y.topics, x.topic_count * sizeof x.topics[0]) == 0 &&
           memcmp(x.tx_hash, y.tx_hash, sizeof x.tx_hash) == 0;
}

/* Once in a check, however many of its logs are wrong: `asks` is how often it was asked about. */
static void suspect(struct job *j, int64_t number, size_t *suspects) {
    struct block *b = job_block(j, number);
    if (b->is_caught) {
        return;
    }
    b->is_caught = true;
    (*suspects)++;
    b->asks = b->asks < UINT8_MAX ? (uint8_t)(b->asks + 1) : UINT8_MAX;
    b->is_suspect = true;
    b->is_settled = false;
}

/* Of two logs with one index in one block, the same twice is one; two different ones cannot be. */
static void drop_twins(struct job *j, size_t *suspects) {
    size_t kept = 0;
    for (size_t i = 0; i < j->log_count; i++) {
        const struct job_log *last = kept > 0 ? &j->logs[kept - 1] : NULL;
        if (last == NULL || compare_logs(last, &j->logs[i]) != 0) {
            j->logs[kept++] = j->logs[i];
        } else if (!is_same(last, &j->logs[i])) {
            if (job_block(j, last->block)->asks >= JOB_TWINS_ASKS_MAX) {
                j->logs[kept++] = j->logs[i]; /* so the chain is, whatever it should be */
            } else {
                suspect(j, last->block, suspects);
            }
        }
    }
    j->log_count = kept;
}

static void check_hashes(struct job *j, size_t *suspects) {
    for (size_t i = 0; i < j->log_count; i++) {
        const struct job_log *log = &j->logs[i];
        const struct block *b = job_block(j, log->block);
        if (b->has_header && log->has_hash && memcmp(log->hash, b->hash, EVM_HASH_BYTES) != 0) {
            suspect(j, log->block, suspects);
        }
    }
}

/* What a suspect block has is nobody's word any more, unless it is settled. */
static void drop_suspects(struct job *j) {
    size_t kept = 0;
    for (size_t i = 0; i < j->log_count; i++) {
        const struct block *b = job_block(j, j->logs[i].block);
        if (!b->is_suspect || b->is_settled) {
            j->logs[kept++] = j->logs[i];
        }
    }
    j->log_count = kept;
}

static void index_logs(struct job *j) {
    for (int64_t n = j->low; n <= j->high; n++) {
        job_block(j, n)->log_count = 0;
    }
    for (size_t i = 0; i < j->log_count; i++) {
        struct block *b = job_block(j, j->logs[i].block);
        b->log_first = b->log_count == 0 ? i : b->log_first;
        b->log_count++;
    }
}

enum err_code job_check_chain(const struct job *j, struct err *err) {
    for (int64_t n = j->low + 1; n <= j->high; n++) {
        const struct block *before = job_block(j, n - 1);
        const struct block *b = job_block(j, n);
        if (before->has_header && b->has_header &&
            memcmp(before->hash, b->parent, EVM_HASH_BYTES) != 0) {
            return err_set(err, ERR_CONFLICT,
                           "block %" PRId64 " does not follow block %" PRId64
                           ": their headers are of different branches",
                           n, n - 1);
        }
    }
    return ERR_NONE;
}

enum err_code job_check(struct job *j, size_t *suspects, struct err *err) {
    *suspects = 0;
    const enum err_code code = job_check_chain(j, err);
    if (code != ERR_NONE) {
        return code;
    }
    for (int64_t n = j->low; n <= j->high; n++) {
        job_block(j, n)->is_caught = false;
    }
    sort_logs(j);
    drop_twins(j, suspects);
    check_hashes(j, suspects);
    if (*suspects > 0) {
        drop_suspects(j);
    }
    index_logs(j);
    return ERR_NONE;
}

struct job_doubt job_doubt(const struct job *j, const struct block *b, enum verify verify,
                           const struct evm_plan *plan, const struct learned *known) {
    struct job_doubt doubt = {false, false};
    if (b->is_settled || !b->has_header) {
        return doubt;
    }
    if (b->is_suspect || verify == VERIFY_NONE || verify == VERIFY_RECEIPTS) {
        doubt.is_doubtful = b->is_suspect || verify == VERIFY_RECEIPTS;
        return doubt;
    }
    /* Each group is a question of its own, whose answer may lack the block. */
    bool has[PLAN_GROUPS] = {false, false};
    for (size_t i = 0; i < b->log_count; i++) {
        const struct plan_match *m = &j->logs[b->log_first + i].match;
        has[0] = has[0] || m->is_wanted;
        has[PLAN_GROUP_LEARNED] = has[PLAN_GROUP_LEARNED] || m->sets != 0;
    }
    for (size_t g = 0; g < PLAN_GROUPS; g++) {
        const bool may = b->has_bloom && plan_group_may_match(plan, g, known, b->bloom);
        const bool is_doubtful = verify == VERIFY_BLOOM ? may && !has[g] : may || has[g];
        doubt.is_doubtful = doubt.is_doubtful || is_doubtful;
        doubt.is_outside = doubt.is_outside || (has[g] && !may);
    }
    return doubt;
}
