/* The blocks a reorganisation may still take back, with what was given of each.
 *
 * The window is a run of blocks without gaps on top of a base: the last block that is final. Each block
 * has its hash and the number of records given up to and with it, so that a fork point names the first
 * record to take back. At most WINDOW_BLOCKS_MAX blocks; when one more comes, the lowest becomes the base
 * as if it were final. Pure. */
#ifndef PLUMB_SOURCE_EVM_WINDOW_H
#define PLUMB_SOURCE_EVM_WINDOW_H

#include "base/defs.h"
#include "source/evm/keccak.h"

#define WINDOW_BLOCKS_MAX 1024

struct window_block {
    int64_t number;
    int64_t records; /* given up to the end of this block */
    uint8_t hash[KECCAK256_BYTES];
    bool has_hash; /* false only for a base nobody has seen: what is before the first block */
};

struct window {
    struct window_block base;
    struct window_block blocks[WINDOW_BLOCKS_MAX]; /* ascending, base.number + 1 on */
    size_t count;
};

void window_init(struct window *w, const struct window_block *base);
/* The highest block: the base when there is no other. */
const struct window_block *window_tip(const struct window *w);
/* The block of this number, the base included; NULL when it is not in the window. */
const struct window_block *window_at(const struct window *w, int64_t number);
/* number must be tip + 1, records at least the tip's. */
void window_push(struct window *w, const struct window_block *block);
/* Forgets all blocks above `number`, which is the base's or in the window. */
void window_cut(struct window *w, int64_t number);
/* Blocks up to `number` are final: the highest of them becomes the base. */
void window_settle(struct window *w, int64_t number);

#endif
