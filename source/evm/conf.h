/* The options of the source, and the chains they name. */
#ifndef PLUMB_SOURCE_EVM_CONF_H
#define PLUMB_SOURCE_EVM_CONF_H

#include "component/option.h"
#include "source/evm/chain.h"

#define CONF_CHAINS_MAX 32

struct evm_conf {
    struct option_list rpc;
    int64_t chain_id;
    int64_t from_block;
    int64_t to_block;
    const char *finality;
    const struct node *chains;
    const struct node *events;
    int64_t blocks;
    int64_t verify;
    int64_t poll;
    int64_t span;
    int64_t span_max;
    int64_t parallel;
    int64_t timeout;
};

/* Of one chain: of the source, or of an item of `chains`. */
#define CONF_CHAIN_OPTIONS                                                                         \
    OPTION_LIST(struct evm_conf, rpc, .flags = OPTION_SECRET,                                      \
                .doc = "HTTP(S) addresses of JSON-RPC nodes of the chain, one or more; they take " \
                       "each other's place and check each other.",                                 \
                .example = "[https://rpc.example.com/KEY]"),                                       \
        OPTION_INT(struct evm_conf, chain_id, .def = "-1", .min = -1, .max = INT64_MAX,            \
                   .doc = "The chain's id. Every endpoint is checked against it; without it the "  \
                          "first endpoint that answers decides.",                                  \
                   .example = "1"),                                                                \
        OPTION_INT(struct evm_conf, from_block, .def = "0", .min = 0, .max = INT64_MAX - 1,        \
                   .doc = "The first block to read. When it is lowered later, the blocks before "  \
                          "are read too.",                                                         \
                   .example = "18000000"),                                                         \
        OPTION_INT(struct evm_conf, to_block, .def = "-1", .min = -1, .max = INT64_MAX - 1,        \
                   .doc = "The last block to read; without it the head is followed.",              \
                   .example = "19000000"),                                                         \
        OPTION_STR(struct evm_conf, finality, .def = "auto",                                       \
                   .doc = "Which blocks are never taken back: `auto` asks the node for its "       \
                          "finalized block; a number is how many blocks below the head.",          \
                   .example = "64")

/* Every chain the options name. n: the source's map, for positions; NULL once it has been checked. Texts are
 * borrowed from conf or live in the arena. */
MUST_CHECK enum err_code conf_read_chains(const struct evm_conf *conf, const struct node *n,
                                          struct arena *arena,
                                          struct chain_conf out[CONF_CHAINS_MAX], size_t *count,
                                          struct err *err);

#endif
