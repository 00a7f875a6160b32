/* Opening, restoring, pumping. */
#include "source/evm/chain.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define TAG_SHIFT 48

enum err_code chain_open(struct chain *c, const struct chain_settings *settings,
                         const struct chain_conf *conf, struct wire *wire, unsigned index,
                         struct err *err) {
    memset(c, 0, sizeof *c);
    c->settings = settings;
    c->plan = settings->plan;
    c->conf = conf;
    c->wire = wire;
    c->tag_next = ((uint64_t)index << TAG_SHIFT) + 1;
    c->chain_id = conf->chain_id;
    c->from = conf->from;
    c->to = conf->to;
    c->final = -1;
    c->once_head = -1;
    c->latest_number = -1;
    c->latest_from = -1;
    c->head_blocks = CHAIN_HEAD_BLOCKS;
    c->planned = c->from;
    c->opened_us = clock_monotonic_us();
    buf_init(&c->latest_text, BUF_TEXT_MAX);
    for (size_t s = 0; s < PLAN_SETS_MAX; s++) {
        learned_init(&c->known[s]);
        learned_init(&c->learned[s]);
    }
    pool_init(&c->pool, settings->parallel);
    for (size_t i = 0; i < conf->url_count; i++) {
        if (http_url_check(conf->urls[i], err) != ERR_NONE) {
            return err_wrap(err, "rpc");
        }
        pool_add(&c->pool, conf->urls[i]);
    }
    span_init(&c->span, settings->span, settings->span_max);
    const struct window_block base = {.number = c->from - 1};
    window_init(&c->cursor.window, &base);
    c->cursor.chain_id = c->chain_id;
    c->cursor.from = c->from;
    c->cursor.finalized = -1;
    c->cursor.set_count = c->plan->set_count;
    memcpy(c->cursor.filter, c->plan->fingerprint, sizeof c->cursor.filter);
    return ERR_NONE;
}

enum err_code chain_restore(struct chain *c, const struct cursor *cursor, struct err *err) {
    if (memcmp(cursor->filter, c->plan->fingerprint, sizeof cursor->filter) != 0 ||
        cursor->set_count != c->plan->set_count) {
        return err_set(err, ERR_CONFIG,
                       "other events or addresses are asked for than the blocks up to %" PRId64
                       " were read with, and of those blocks the new ones are missing; give the "
                       "source another "
                       "name, so that it reads from its beginning",
                       cursor_next(cursor) - 1);
    }
    if (c->chain_id >= 0 && cursor->chain_id != c->chain_id) {
        return err_set(err, ERR_CONFIG,
                       "chain_id is %" PRId64 ", but what was read so far is of chain %" PRId64
                       "; correct chain_id, or give the source another name",
                       c->chain_id, cursor->chain_id);
    }
    c->cursor = *cursor;
    c->chain_id = cursor->chain_id;
    c->from = cursor->from;
    c->final = cursor->finalized;
    c->planned = cursor_next(cursor);
    return ERR_NONE;
}

enum err_code chain_note(struct chain *c, struct str text, struct err *err) {
    struct str set;
    uint8_t address[EVM_ADDRESS_BYTES];
    int64_t block = 0;
    enum err_code code = learned_note_read(text, &set, address, &block, err);
    for (size_t s = 0; code == ERR_NONE && s < c->plan->set_count; s++) {
        bool is_new = false;
        if (!str_equal_c(set, c->plan->sets[s].name)) {
            continue;
        }
        code = learned_add(&c->learned[s], address, block, &is_new, err);
        if (code == ERR_NONE) {
            code = learned_add(&c->known[s], address, block, &is_new, err);
        }
    }
    return code;
}

void chain_close(struct chain *c) {
    chain_drop_jobs(c);
    while (c->tasks != NULL) {
        task_remove(&c->tasks, c->tasks);
    }
    for (size_t s = 0; s < PLAN_SETS_MAX; s++) {
        learned_release(&c->known[s]);
        learned_release(&c->learned[s]);
    }
    buf_release(&c->latest_text);
}

void chain_complain(struct chain *c, bool of_poll, enum err_code code, const char *fmt, ...) {
    char text[ERR_MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)err_set(&c->complaint, code, "%s", text);
    c->complaint_of_poll = of_poll;
    c->complaint_is_new = true;
}

void chain_went_on(struct chain *c, bool of_poll) {
    if (c->complaint_of_poll == of_poll) {
        err_clear(&c->complaint);
        c->complaint_is_new = false;
    }
}

static const struct block *tip_of_head(const struct chain *c) {
    return c->latest_number == window_tip(&c->cursor.window)->number ? &c->latest : NULL;
}

bool chain_is_done(const struct chain *c) {
    if (c->chain_id < 0 || c->jobs != NULL || (c->settings->once && c->once_head < 0)) {
        return false;
    }
    const struct window_block *tip = window_tip(&c->cursor.window);
    if (tip->number < chain_end(c)) {
        return false;
    }
    if (!c->settings->once) {
        return c->cursor.window.count == 0; /* to_block is final */
    }
    const struct block *latest = tip_of_head(c);
    return latest == NULL || !tip->has_hash || c->cursor.window.count == 0 ||
           memcmp(latest->hash, tip->hash, EVM_HASH_BYTES) == 0;
}

/* A number alone says nothing about our branch: a block of the window is final when it is the one that a
 * node called final, or, where finality is a depth, when it is that deep below our own tip. */
void chain_settle(struct chain *c) {
    struct window *w = &c->cursor.window;
    const struct window_block *b = window_at(w, c->final);
    if (c->has_final_hash) {
        if (b != NULL && b->has_hash && memcmp(b->hash, c->final_hash, EVM_HASH_BYTES) == 0) {
            window_settle(w, c->final);
        }
        return;
    }
    const int64_t depth = c->conf->finality >= 0 ? c->conf->finality : CHAIN_FINALITY_DEPTH;
    const int64_t deep = window_tip(w)->number - depth;
    window_settle(w, deep < c->final ? deep : c->final);
}

/* All is given up to to_block, but not all of it was final then: is it still there? */
static void look_at_end(struct chain *c) {
    const struct window *w = &c->cursor.window;
    if (!c->settings->once && c->jobs == NULL && w->count > 0 && c->to <= c->final &&
        cursor_next(&c->cursor) > c->to && c->latest_from >= 0) {
        chain_start_fork(c, (size_t)c->latest_from);
    }
}

void chain_pump(struct chain *c, int64_t now_us) {
    chain_poll(c, now_us);
    look_at_end(c);
    chain_plan(c, now_us);
    chain_advance(c, now_us);
    chain_send_tasks(c, now_us);
}

static int64_t soonest(int64_t a, int64_t b) {
    return a < b ? a : b;
}

int64_t chain_wake_us(const struct chain *c, int64_t now_us) {
    int64_t at = c->poll_due_us;
    for (size_t i = 0; i < c->pool.count; i++) {
        const struct endpoint *e = &c->pool.items[i];
        if (e->state == ENDPOINT_OUT) {
            continue;
        }
        if (e->blocked_until_us > now_us) {
            at = soonest(at, e->blocked_until_us);
        }
        if (e->next_send_us > now_us) {
            at = soonest(at, e->next_send_us);
        }
    }
    for (const struct job *j = c->jobs; j != NULL; j = j->next) {
        for (const struct task *t = j->tasks; t != NULL; t = t->next) {
            if (t->tag == 0 && t->not_before_us > now_us) {
                at = soonest(at, t->not_before_us);
            }
        }
    }
    return at > now_us ? at : now_us + 1000;
}

void chain_write_facts(const struct chain *c, int64_t now_us, struct json_writer *w) {
    json_begin_object(w);
    json_kv_str(w, "partition", str_of(c->partition));
    json_kv_i64(w, "next_block", cursor_next(&c->cursor));
    json_kv_i64(w, "head", pool_head(&c->pool));
    json_kv_i64(w, "finalized", c->final);
    json_kv_i64(w, "blocks_a_question", c->span.blocks);
    json_kv_i64(w, "reorgs", c->reorgs);
    json_kv_i64(w, "deepest_reorg", c->deepest_reorg);
    json_kv_i64(w, "disagreements", c->disagreements);
    json_kv_i64(w, "outside_blooms", c->outside_blooms);
    for (size_t s = 0; s < c->plan->set_count; s++) {
        json_kv_i64(w, c->plan->sets[s].name, (int64_t)c->learned[s].count);
    }
    json_key(w, "endpoints");
    json_begin_array(w);
    pool_write_facts(&c->pool, now_us, w);
    json_end_array(w);
    json_end_object(w);
}
