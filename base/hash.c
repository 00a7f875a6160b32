/* XXH3 from libxxhash, with our own names and a canonical form that does not depend on the machine.
 */
#include "base/hash.h"

#include <xxhash.h>

struct hash128 hash128_of(const void *bytes, size_t len) {
    XXH128_hash_t h = XXH3_128bits(bytes, len);
    return (struct hash128){.high = h.high64, .low = h.low64};
}

uint64_t hash64_of(const void *bytes, size_t len) {
    return XXH3_64bits(bytes, len);
}

bool hash128_equal(struct hash128 a, struct hash128 b) {
    return a.high == b.high && a.low == b.low;
}

void hash128_to_bytes(struct hash128 h, uint8_t out[16]) {
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(h.high >> (56U - 8U * i));
        out[8 + i] = (uint8_t)(h.low >> (56U - 8U * i));
    }
}

struct hash128 hash128_from_bytes(const uint8_t in[16]) {
    struct hash128 h = {0, 0};
    for (unsigned i = 0; i < 8; i++) {
        h.high = (h.high << 8) | in[i];
        h.low = (h.low << 8) | in[8 + i];
    }
    return h;
}

void hash128_to_hex(struct hash128 h, char out[HASH128_HEX_BYTES]) {
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[16];
    hash128_to_bytes(h, bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15U];
    }
    out[32] = '\0';
}
