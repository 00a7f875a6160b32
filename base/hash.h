/* XXH3 (Yann Collet, xxHash 0.8): 128 bits over bytes, and 64 bits for tables. Not cryptographic.
 */
#ifndef PLUMB_BASE_HASH_H
#define PLUMB_BASE_HASH_H

#include "base/str.h"

struct hash128 {
    uint64_t high;
    uint64_t low;
};
#define HASH128_HEX_BYTES 33

struct hash128 hash128_of(const void *bytes, size_t len);
uint64_t hash64_of(const void *bytes, size_t len);
bool hash128_equal(struct hash128 a, struct hash128 b);
/* Canonical big-endian form (high first), as XXH128_canonicalFromHash writes it. */
void hash128_to_bytes(struct hash128 h, uint8_t out[16]);
struct hash128 hash128_from_bytes(const uint8_t in[16]);
void hash128_to_hex(struct hash128 h, char out[HASH128_HEX_BYTES]);

#endif
