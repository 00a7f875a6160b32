/* How it works: an array kept in order; blocks that became final move it down. At most a thousand small
 * structs, moved once a block. */
#include "source/evm/window.h"

#include <string.h>

void window_init(struct window *w, const struct window_block *base) {
    w->base = *base;
    w->count = 0;
}

const struct window_block *window_tip(const struct window *w) {
    return w->count > 0 ? &w->blocks[w->count - 1] : &w->base;
}

const struct window_block *window_at(const struct window *w, int64_t number) {
    if (number == w->base.number) {
        return &w->base;
    }
    if (number < w->base.number || number - w->base.number > (int64_t)w->count) {
        return NULL;
    }
    return &w->blocks[number - w->base.number - 1];
}

void window_push(struct window *w, const struct window_block *block) {
    const struct window_block *tip = window_tip(w);
    ASSERT(block->number == tip->number + 1 && block->records >= tip->records && block->has_hash);
    if (w->count == WINDOW_BLOCKS_MAX) {
        window_settle(w, w->blocks[0].number);
    }
    w->blocks[w->count++] = *block;
}

void window_cut(struct window *w, int64_t number) {
    ASSERT(window_at(w, number) != NULL);
    w->count = (size_t)(number - w->base.number);
}

void window_settle(struct window *w, int64_t number) {
    const int64_t tip = window_tip(w)->number;
    const int64_t to = number < tip ? number : tip;
    if (to <= w->base.number) {
        return;
    }
    const size_t gone = (size_t)(to - w->base.number);
    w->base = w->blocks[gone - 1];
    w->count -= gone;
    memmove(w->blocks, w->blocks + gone, w->count * sizeof(w->blocks[0]));
}
