/* How it works: additive-multiplicative. One step up is an eighth and one block, or as much again while
 * answers are far too small, and only after an answer to a question of full size; one step down is in
 * proportion to how much too large the answer was, at most to an eighth. */
#include "source/evm/span.h"

#define SHRINK_MAX 8

static void set(struct span *s, int64_t blocks) {
    blocks = blocks < s->max ? blocks : s->max;
    s->blocks = blocks > 1 ? blocks : 1;
}

void span_init(struct span *s, int64_t start, int64_t max) {
    s->max = max > 1 ? max : 1;
    set(s, start);
}

void span_answered(struct span *s, int64_t blocks, size_t logs, size_t bytes) {
    const size_t by_logs = logs * 100 / SPAN_LOGS_TARGET;
    const size_t by_bytes = bytes / (SPAN_BYTES_TARGET / 100);
    const size_t percent = by_logs > by_bytes ? by_logs : by_bytes;
    if (percent > 150) {
        const int64_t shrunk = (int64_t)((uint64_t)blocks * 100 / percent);
        const int64_t least = blocks / SHRINK_MAX;
        const int64_t next = shrunk > least ? shrunk : least;
        set(s, next < s->blocks ? next : s->blocks);
    } else if (percent < 90 && blocks >= s->blocks) {
        set(s, percent < 25 ? s->blocks * 2 : s->blocks + s->blocks / 8 + 1);
    }
}

void span_refused(struct span *s, int64_t blocks) {
    if (blocks / 2 < s->blocks) {
        set(s, blocks / 2);
    }
}

int64_t span_less(int64_t from, int64_t to, int64_t suggested, int64_t max_span) {
    ASSERT(from < to);
    if (suggested >= from && suggested < to) {
        return suggested;
    }
    if (max_span >= 0 && max_span < to - from) {
        return from + max_span;
    }
    return from + (to - from) / 2;
}
