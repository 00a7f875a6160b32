/* Which declared event takes a log. Private to decoder.c. */
#ifndef PLUMB_SOURCE_EVM_DECODER_MATCH_H
#define PLUMB_SOURCE_EVM_DECODER_MATCH_H

#include "source/evm/decoder.h"
#include "source/evm/log.h"

struct variant {
    const struct abi_event *abi;
    uint64_t key; /* the first bytes of topic0 */
    size_t stream;
    const uint8_t (*addresses)[EVM_ADDRESS_BYTES]; /* sorted */
    size_t address_count;
    size_t int256_count; /* parameters that are one */
};

struct matcher {
    struct variant *variants; /* those restricted to addresses first */
    size_t count;
};

/* Lives in the arena; the events are borrowed. */
void matcher_init(struct matcher *m, const struct evm_event *events, size_t count,
                  struct arena *arena);
/* The event that takes the log, or NULL; *is_known: some event has its topic0. */
const struct variant *matcher_find(const struct matcher *m, const struct evm_log *log,
                                   bool *is_known);
/* For a message, the declared events that come nearest: "; T(address) (1 topics, 32 bytes)". */
void matcher_add_shapes(const struct matcher *m, const struct evm_log *log, bool is_known,
                        struct buf *out);

#endif
