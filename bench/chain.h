/* A chain that is computed and never stored: block n and its logs follow from n and the fork it is
 * on, so that any range can be served at once and twice alike. Not thread-safe but for reading. */
#ifndef PLUMB_BENCH_CHAIN_H
#define PLUMB_BENCH_CHAIN_H

#include "base/str.h"

#define CHAIN_FORKS_MAX 256
#define CHAIN_POOLS     40 /* pools, each with a token of its own; made in block 1 */

struct chain {
    int64_t head;
    int64_t logs; /* of a block */
    int64_t finality;
    struct {
        int64_t from; /* blocks from here on are on this fork, until a later one says otherwise */
        uint64_t id;
    } forks[CHAIN_FORKS_MAX];
    size_t fork_count;
};

/* Which logs are asked for: a bit for each kind of event and for each address of it. */
enum chain_kind { CHAIN_TRANSFER, CHAIN_SYNC, CHAIN_SWAP, CHAIN_PAIR_CREATED };
#define CHAIN_KINDS 4
struct chain_filter {
    bool kinds[CHAIN_KINDS];
    bool tokens[CHAIN_POOLS];
    bool pools[CHAIN_POOLS];
    bool factory;
};

void chain_init(struct chain *c, int64_t blocks, int64_t logs, int64_t finality);
/* Replaces the last `depth` blocks and adds one. */
void chain_fork(struct chain *c, int64_t depth);
/* All of it, or what these names (hexadecimal, with 0x) leave. */
void chain_filter_all(struct chain_filter *f);
void chain_filter_topics(struct chain_filter *f, const struct str *names, size_t count);
void chain_filter_addresses(struct chain_filter *f, const struct str *names, size_t count);
/* JSON of a block's header, and of its logs, each after a comma when *any is set. */
void chain_add_block(const struct chain *c, int64_t number, struct buf *out);
void chain_add_logs(const struct chain *c, int64_t number, const struct chain_filter *f, bool *any,
                    struct buf *out);
/* The number of the block with this hash, or -1. */
int64_t chain_find(const struct chain *c, struct str hash);

#endif
