/* The logs bloom filter of a block header (Ethereum yellow paper, 4.3.1, M3:2048): 2048 bits, of which
 * every address and every topic of every log sets three. A bit that is not set proves that there is no
 * such log; bits that are set prove nothing. Pure functions. */
#ifndef PLUMB_SOURCE_EVM_BLOOM_H
#define PLUMB_SOURCE_EVM_BLOOM_H

#include "base/str.h"

#define BLOOM_BYTES 256

/* Where an address or topic has its three bits. */
struct bloom_key {
    uint16_t bits[3]; /* counted as they lie in the bytes: bit 0 is 0x80 of byte 0 */
};

struct bloom_key bloom_key_of(struct str bytes);
void bloom_add(uint8_t bloom[BLOOM_BYTES], const struct bloom_key *key);

static inline bool bloom_has(const uint8_t bloom[BLOOM_BYTES], const struct bloom_key *key) {
    for (unsigned i = 0; i < 3; i++) {
        if ((bloom[key->bits[i] >> 3] & (0x80u >> (key->bits[i] & 7u))) == 0) {
            return false;
        }
    }
    return true;
}

#endif
