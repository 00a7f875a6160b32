/* Addresses learned from an event ("PairCreated.pair"), each with the block it counts from.
 *
 * One set for each parameter that teaches. An address counts from the block it was first seen in. What was
 * learned in blocks that are taken back is forgotten. One owner; at most LEARNED_MAX addresses in a set. */
#ifndef PLUMB_SOURCE_EVM_LEARN_H
#define PLUMB_SOURCE_EVM_LEARN_H

#include "base/mem.h"
#include "source/evm/abi_event.h"
#include "source/evm/bloom.h"

#define LEARNED_MAX 20000000

struct learned_address {
    uint8_t address[EVM_ADDRESS_BYTES];
    struct bloom_key key;
    int64_t block;
};

struct learned {
    struct learned_address *items; /* in the order of learning, owned */
    size_t count;
    size_t capacity;
    uint32_t *slots; /* open addressing: index + 1 into items; owned */
    size_t slot_count;
};

void learned_init(struct learned *l);
void learned_release(struct learned *l);
/* False when it was known from this block or an earlier one. An address known from a later block now
 * counts from this one. LIMIT: LEARNED_MAX. */
MUST_CHECK enum err_code learned_add(struct learned *l, const uint8_t address[EVM_ADDRESS_BYTES],
                                     int64_t block, bool *out_is_new, struct err *err);
/* Known and counting in this block. */
bool learned_has(const struct learned *l, const uint8_t address[EVM_ADDRESS_BYTES], int64_t block);
/* Forgets all that counts from `block` on. */
void learned_forget(struct learned *l, int64_t block);

#define LEARNED_NOTE_BYTES 256
/* A note about one address, as JSON text; returns its length. */
size_t learned_note_write(const char *set, const uint8_t address[EVM_ADDRESS_BYTES], int64_t block,
                          char out[LEARNED_NOTE_BYTES]);
/* CORRUPT when the text is no note. set is a view into text. */
MUST_CHECK enum err_code learned_note_read(struct str text, struct str *set,
                                           uint8_t address[EVM_ADDRESS_BYTES], int64_t *block,
                                           struct err *err);

#endif
