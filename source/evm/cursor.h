/* Where a chain is: the text the engine keeps with each batch.
 *
 *     {"version":1,"chain":1,"from":100,"next":161,"records":12,"finalized":150,"filter":"<hex>",
 *      "learned":[3],"base":{"number":150,"hash":"0x..","records":9},"window":["0x..",9,"0x..",12]}
 *
 * window: hash and records of each block after the base, without gaps up to next - 1. base.hash is null
 * when nobody has seen the block before the first one. Read back strictly: anything else is CORRUPT. */
#ifndef PLUMB_SOURCE_EVM_CURSOR_H
#define PLUMB_SOURCE_EVM_CURSOR_H

#include "base/mem.h"
#include "source/evm/plan.h"
#include "source/evm/window.h"

#define CURSOR_VERSION 1

struct cursor {
    int64_t chain_id;
    int64_t from;                   /* lowest block covered */
    int64_t finalized;              /* highest block known to be final; -1: none */
    int64_t learned[PLAN_SETS_MAX]; /* addresses in each set */
    size_t set_count;
    char filter[HASH128_HEX_BYTES];
    struct window window; /* its tip is next - 1 */
};

/* The next block to give. */
int64_t cursor_next(const struct cursor *c);
void cursor_write(const struct cursor *c, struct buf *out);
MUST_CHECK enum err_code cursor_read(struct str text, struct cursor *out, struct err *err);

#endif
