/* Giving: the first run's blocks become records of a batch, with the cursor behind them.
 *
 * Where a run joins what was given before is checked here: its first block must be the child of the last
 * one. A block is never split over two batches, so numbers of records do not depend on how batches are
 * cut. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "source/evm/chain.h"

bool chain_is_ready(const struct chain *c) {
    return c->jobs != NULL && c->jobs->phase == PHASE_READY && c->jobs->kind != JOB_FORK;
}

/* Of a log that came: does it become a record? */
static bool is_given(const struct chain *c, const struct job_log *log) {
    if (log->match.is_wanted) {
        return true;
    }
    for (size_t s = 0; s < c->plan->set_count; s++) {
        if ((log->match.sets >> s & 1) != 0 &&
            learned_has(&c->learned[s], log->address, log->block)) {
            return true;
        }
    }
    return false;
}

static enum err_code learn_log(struct chain *c, const struct job_log *log, int64_t record,
                               struct source_output *out, struct err *err) {
    struct evm_log read;
    struct evm_fault fault;
    if (!evm_log_parse(log->text, &read, &fault)) {
        return ERR_NONE;
    }
    for (size_t s = 0; s < c->plan->set_count; s++) {
        uint8_t address[EVM_ADDRESS_BYTES];
        bool is_new = false;
        if ((log->match.teaches >> s & 1) == 0 || !plan_taught(&c->plan->sets[s], &read, address)) {
            continue;
        }
        const enum err_code code =
            learned_add(&c->learned[s], address, read.block_number, &is_new, err);
        if (code != ERR_NONE) {
            return code;
        }
        if (is_new) {
            char note[LEARNED_NOTE_BYTES];
            const size_t len =
                learned_note_write(c->plan->sets[s].name, address, read.block_number, note);
            source_output_note(out, record, (struct str){note, len});
            c->cursor.learned[s]++;
        }
    }
    return ERR_NONE;
}

/* First what the block teaches, then what it gives: an address counts from its block on, whole. The number
 * of the note's record is the teaching log's own. */
static enum err_code learn_block(struct chain *c, const struct job *j, const struct block *b,
                                 struct source_output *out, struct err *err) {
    int64_t record = window_tip(&c->cursor.window)->records;
    for (size_t i = 0; i < b->log_count; i++) {
        const struct job_log *log = &j->logs[b->log_first + i];
        if (log->match.teaches == 0) {
            continue;
        }
        const enum err_code code = learn_log(c, log, record, out, err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

static enum err_code give_block(struct chain *c, struct job *j, int64_t number,
                                struct source_output *out, struct err *err) {
    const struct block *b = job_block(j, number);
    enum err_code code = c->plan->set_count > 0 ? learn_block(c, j, b, out, err) : ERR_NONE;
    size_t count = 0;
    for (size_t i = 0; i < b->log_count; i++) {
        count += is_given(c, &j->logs[b->log_first + i]) ? 1 : 0;
    }
    int64_t records = window_tip(&c->cursor.window)->records;
    if (code == ERR_NONE && b->has_header && (count > 0 || c->settings->blocks_all)) {
        char tail[48];
        const int tail_len = snprintf(tail, sizeof tail, ",\"logs\":%zu}}", count);
        char *space = NULL;
        code = batch_add_space(&out->batch, b->text_len + (size_t)tail_len, &space, err);
        if (code != ERR_NONE) {
            return code;
        }
        memcpy(space, j->text.data + b->text_at, b->text_len);
        memcpy(space + b->text_len, tail, (size_t)tail_len);
        records++;
    }
    for (size_t i = 0; i < b->log_count && code == ERR_NONE; i++) {
        const struct job_log *log = &j->logs[b->log_first + i];
        if (is_given(c, log)) {
            code = batch_add(&out->batch, log->text, RECORD_WHOLE, err);
            records++;
        }
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct window_block w = {.number = number, .records = records, .has_hash = b->has_header};
    memcpy(w.hash, b->hash, sizeof w.hash);
    if (j->kind == JOB_RANGE) { /* confirmed, so all below it is as well */
        window_init(&c->cursor.window, &w);
    } else {
        window_push(&c->cursor.window, &w);
    }
    return ERR_NONE;
}

static void take_back(struct chain *c, const struct job *j, struct source_output *out) {
    const int64_t ancestor = j->low - 1;
    const int64_t depth = window_tip(&c->cursor.window)->number - ancestor;
    window_cut(&c->cursor.window, ancestor);
    for (size_t s = 0; s < c->plan->set_count; s++) {
        learned_forget(&c->learned[s], j->low);
        c->cursor.learned[s] = (int64_t)c->learned[s].count;
    }
    out->takes_back = true;
    c->reorgs++;
    c->deepest_reorg = depth > c->deepest_reorg ? depth : c->deepest_reorg;
}

/* The first block of the first run is the child of the last block given, or a fork is looked for. */
static bool joins(struct chain *c, struct job *j) {
    const struct window_block *before =
        j->takes_back ? window_at(&c->cursor.window, j->low - 1) : window_tip(&c->cursor.window);
    const struct block *first = job_block(j, j->low);
    if (before == NULL) {
        chain_drop_jobs(c); /* settled meanwhile */
        return false;
    }
    if (j->given > 0 || !before->has_hash || !first->has_header ||
        memcmp(before->hash, first->parent, EVM_HASH_BYTES) == 0) {
        return true;
    }
    const size_t endpoint = j->origin >= 0 ? (size_t)j->origin : 0;
    const bool takes_back = j->takes_back;
    chain_drop_jobs(c);
    if (!takes_back) {
        chain_start_fork(c, endpoint);
    }
    return false;
}

static bool is_child(const struct block *last, const struct block *next) {
    return !next->has_header || memcmp(last->hash, next->parent, EVM_HASH_BYTES) == 0;
}

/* Final blocks cannot be taken back, so a range is held against what lies above it before it is given: the
 * next range, or the final block a node named. A backend that has stayed on a dead branch is found out by
 * that. */
static bool is_confirmed(struct chain *c, struct job *j) {
    const struct block *last = job_block(j, j->high);
    if (j->kind != JOB_RANGE || j->given > 0 || !last->has_header) {
        return true;
    }
    struct err why = ERR_INIT;
    if (j->has_anchor && memcmp(last->hash, j->anchor, EVM_HASH_BYTES) != 0) {
        (void)err_set(&why, ERR_CONFLICT, "block %" PRId64 " is not the one that was called final",
                      j->high);
        chain_restart(c, j, &why, clock_monotonic_us());
        return false;
    }
    struct job *next = j->next;
    if (j->has_anchor || next == NULL) {
        return true;
    }
    if (next->phase < PHASE_CHECK) {
        return false;
    }
    if (is_child(last, job_block(next, next->low))) {
        return true;
    }
    (void)err_set(&why, ERR_CONFLICT, "block %" PRId64 " does not follow block %" PRId64, next->low,
                  j->high);
    chain_restart(c, next, &why, clock_monotonic_us());
    if (c->jobs == j) {
        chain_restart(c, j, &why, clock_monotonic_us());
    }
    return false;
}

static void describe(const struct chain *c, const struct job *j, struct source_output *out,
                     int64_t low) {
    static const char *const how[] = {"bloom", "receipts", "none"};
    out->coverage.is_set = true;
    out->coverage.low = low;
    out->coverage.high = cursor_next(&c->cursor) - 1;
    const char *name = j->is_unproved ? "unproved"
                       : j->is_weak   ? "repeated"
                                      : how[c->settings->verify];
    (void)snprintf(out->coverage.how, sizeof out->coverage.how, "%s", name);
    const size_t origin = j->origin >= 0 ? (size_t)j->origin : 0;
    (void)snprintf(out->coverage.origin, sizeof out->coverage.origin, "%.120s",
                   c->pool.items[origin].host);
    (void)snprintf(out->partition, sizeof out->partition, "%s", c->partition);
}

static bool is_full(const struct source_limit *limit, const struct source_output *out,
                    const struct job *j) {
    const struct block *next = &j->blocks[j->given];
    return out->batch.count + next->log_count + 1 > limit->rows_max ||
           out->batch.raw.len >= limit->bytes_max;
}

/* At the tip every block is a batch of its own; catching up, as many as fit. */
static enum err_code give_blocks(struct chain *c, struct job *j, const struct source_limit *limit,
                                 struct source_output *out, struct err *err) {
    enum err_code code = ERR_NONE;
    const size_t total = (size_t)(j->high - j->low + 1);
    const bool is_tip = j->kind == JOB_HEAD && !j->takes_back && total <= 2;
    size_t given = 0;
    while (code == ERR_NONE && j->given < total && (given == 0 || !is_full(limit, out, j))) {
        code = give_block(c, j, j->low + (int64_t)j->given, out, err);
        j->given++;
        given++;
        if (is_tip) {
            break;
        }
    }
    return code;
}

enum err_code chain_take(struct chain *c, const struct source_limit *limit,
                         struct source_output *out, bool *gave, struct err *err) {
    *gave = false;
    struct job *j = c->jobs;
    if (!chain_is_ready(c) || !is_confirmed(c, j) || !joins(c, j)) {
        return ERR_NONE;
    }
    char meta[EVM_META_BYTES];
    evm_meta_format(c->chain_id, meta);
    enum err_code code = batch_begin(&out->batch, str_of(meta), err);
    if (code != ERR_NONE) {
        return code;
    }
    if (j->takes_back) {
        take_back(c, j, out);
    }
    const int64_t low = cursor_next(&c->cursor);
    out->first_record = window_tip(&c->cursor.window)->records;
    code = give_blocks(c, j, limit, out, err);
    if (code != ERR_NONE) {
        return code;
    }
    j->takes_back = false;
    describe(c, j, out, low);
    c->cursor.finalized = c->final > c->cursor.finalized ? c->final : c->cursor.finalized;
    chain_settle(c);
    out->settled = c->cursor.window.base.records;
    cursor_write(&c->cursor, &out->cursor);
    out->behind = cursor_next(&c->cursor) + CHAIN_HEAD_BLOCKS < pool_head(&c->pool);
    if (j->given == (size_t)(j->high - j->low + 1)) {
        const int64_t more = j->kind == JOB_HEAD ? c->head_blocks * 2 : c->head_blocks;
        c->head_blocks = more < CHAIN_HEAD_BLOCKS ? more : CHAIN_HEAD_BLOCKS;
        chain_pop_job(c);
    }
    c->head_drops = 0;
    chain_went_on(c, false);
    *gave = true;
    return ERR_NONE;
}
