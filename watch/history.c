/* How it works: the same measuring and judging as in a round, with a time that goes from step to step
 * and standings kept here instead of in the store. Only kinds whose every fact has a time of its own
 * can be asked how they were. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "watch/judge.h"

void watch_history_release(struct watch_history *h) {
    mem_free(h->episodes);
    h->episodes = NULL;
    h->count = 0;
    h->capacity = 0;
}

static struct watch_episode *add_episode(struct watch_history *h) {
    if (h->count == h->capacity) {
        h->capacity = h->capacity > 0 ? 2 * h->capacity : 16;
        h->episodes = mem_realloc(h->episodes, h->capacity * sizeof(*h->episodes));
    }
    return &h->episodes[h->count++];
}

static enum err_code find_begin(struct store *s, struct watch_history *h, struct err *err) {
    int64_t first = 0;
    bool found = false;
    if (h->from_us != 0) {
        return ERR_NONE;
    }
    const enum err_code code =
        store_get_i64(s, "SELECT min(staged_us) FROM _plumb_batches", &first, &found, err);
    h->from_us = found && first > 0 ? first : h->to_us;
    return code;
}

/* A check from step to step; the episode that is open is the last one. */
struct walk {
    const struct flow_check *check;
    size_t index;
    struct standing standing;
    struct buf memory;
    bool is_open;
};

static void take_step(struct watch_history *h, struct walk *w, const struct measurement *m,
                      int64_t now_us) {
    const enum verdict verdict = judge(w->check, m, now_us, &w->standing);
    if (verdict == VERDICT_OPEN && h->count < WATCH_HISTORY_EPISODES) {
        struct watch_episode *e = add_episode(h);
        *e = (struct watch_episode){w->index, w->standing.open, now_us, 0, ""};
        memcpy(e->value_text, m->value_text, sizeof(e->value_text));
        w->is_open = true;
    } else if (verdict == VERDICT_WORSE && w->is_open) {
        h->episodes[h->count - 1].level = w->standing.open;
        memcpy(h->episodes[h->count - 1].value_text, m->value_text, sizeof(m->value_text));
    } else if (verdict == VERDICT_RESOLVE && w->is_open) {
        h->episodes[h->count - 1].to_us = now_us;
        w->is_open = false;
    }
}

static enum err_code walk_check(const struct flow *flow, struct store *s, struct watch_history *h,
                                size_t index, struct err *err) {
    struct walk w = {.check = &flow->checks[index],
                     .index = index,
                     .standing = {.state = STATE_LEARNING, .first_us = h->from_us}};
    enum err_code code = ERR_NONE;
    buf_init(&w.memory, BUF_TEXT_MAX);
    for (int64_t now = h->from_us; code == ERR_NONE && now <= h->to_us; now += h->step_us) {
        struct measurement m;
        const struct measure_input in = {.store = s,
                                         .flow = flow,
                                         .check = w.check,
                                         .now_us = now,
                                         .first_us = h->from_us,
                                         .memory = buf_str(&w.memory),
                                         .in_past = true};
        measure(&in, &m);
        take_step(h, &w, &m, now);
        if (m.memory.len > 0) {
            buf_clear(&w.memory);
            code = buf_add(&w.memory, m.memory.data, m.memory.len, err);
        }
        measurement_release(&m);
    }
    buf_release(&w.memory);
    return code;
}

enum err_code watch_replay(const struct flow *flow, struct store *s, const struct flow_check *only,
                           struct watch_history *h, struct err *err) {
    enum err_code code = find_begin(s, h, err);
    const int64_t span = h->to_us - h->from_us;
    h->step_us = span / WATCH_HISTORY_STEPS;
    h->step_us = h->step_us < flow->checks_every_us ? flow->checks_every_us : h->step_us;
    for (size_t i = 0; code == ERR_NONE && i < flow->check_count; i++) {
        const struct flow_check *c = &flow->checks[i];
        if (check_kinds[c->kind].in_history && (only == NULL || only == c)) {
            code = walk_check(flow, s, h, i, err);
        }
    }
    return code;
}
