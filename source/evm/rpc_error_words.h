/* The wordings of errors seen in the wild, and how a text is compared with them. Private to rpc_error.c. */
#ifndef PLUMB_SOURCE_EVM_RPC_ERROR_WORDS_H
#define PLUMB_SOURCE_EVM_RPC_ERROR_WORDS_H

#include "source/evm/rpc_error.h"

/* What the number in a wording counts. */
enum rpc_number { RPC_NO_NUMBER, RPC_BLOCKS, RPC_LOGS, RPC_CALLS };

struct rpc_wording {
    const char *pattern;
    enum rpc_kind kind;
    enum rpc_number number;
    int64_t usual[2]; /* to - from of who says it without a number, largest first; 0: none */
};

struct rpc_words {
    char text[RPC_ERROR_TEXT_BYTES];
    size_t len;
};

/* text in small letters, with single spaces, and numbers without commas; cut at its room. */
void rpc_words_init(struct rpc_words *words, struct str text);
/* The first wording of the table that is found in the words; NULL: none. *number is what '#' stood for,
 * or -1. */
const struct rpc_wording *rpc_words_find(const struct rpc_words *words, int64_t *number);
/* One pattern. In it, '#' is a decimal number (of which the last is kept; "10k" is 10000), '%' one that
 * nobody asks for, '*' up to RPC_GAP_BYTES of anything, '^' and '$' the text's ends. */
#define RPC_GAP_BYTES 240
MUST_CHECK bool rpc_words_match(const struct rpc_words *words, const char *pattern,
                                int64_t *number);
/* A suggested range, "[0x1, 0x2]" or "1-2" behind words that announce one. */
MUST_CHECK bool rpc_words_range(const struct rpc_words *words, uint64_t *from, uint64_t *to);

#endif
