/* How it works: the low 11 bits of each of the first three byte pairs of the keccak hash number a bit
 * from the filter's end; they are kept as numbers from its beginning. */
#include "source/evm/bloom.h"

#include "source/evm/keccak.h"

struct bloom_key bloom_key_of(struct str bytes) {
    uint8_t hash[KECCAK256_BYTES];
    keccak256(bytes, hash);
    struct bloom_key key = {{0, 0, 0}};
    for (unsigned i = 0; i < 3; i++) {
        const unsigned from_end = ((unsigned)hash[2 * i] << 8 | hash[2 * i + 1]) & 2047u;
        key.bits[i] = (uint16_t)(2047u - from_end);
    }
    return key;
}

void bloom_add(uint8_t bloom[BLOOM_BYTES], const struct bloom_key *key) {
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *byte = &bloom[key->bits[i] >> 3];
        *byte = (uint8_t)(*byte | 0x80u >> (key->bits[i] & 7u));
    }
}
