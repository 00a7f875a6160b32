/* How it works: the sponge of Keccak-f[1600]. 136 bytes at a time are xored into the state of 25 lanes
 * (little-endian), which 24 rounds then mix. The last block has 0x01 behind the data and 0x80 in its last
 * byte. Step names (theta, rho, pi, chi, iota) and constants are the reference's. */
#include "source/evm/keccak.h"

#include <string.h>

#define LANES      25
#define RATE_BYTES 136
#define ROUNDS     24

static const uint64_t round_constants[ROUNDS] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};

/* rho and pi in one walk over the lanes 1 .. 24: lane walk[i - 1] goes to walk[i], turned by turns[i]. */
static const uint8_t walk[LANES - 1] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                        15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};
static const uint8_t turns[LANES - 1] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                         27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};

static uint64_t turn(uint64_t v, unsigned by) {
    return v << by | v >> (64 - by); /* by is 1 .. 63 */
}

static void theta(uint64_t a[LANES]) {
    uint64_t column[5];
    for (size_t x = 0; x < 5; x++) {
        column[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    }
    for (size_t x = 0; x < 5; x++) {
        uint64_t mix = column[(x + 4) % 5] ^ turn(column[(x + 1) % 5], 1);
        for (size_t y = 0; y < LANES; y += 5) {
            a[x + y] ^= mix;
        }
    }
}

static void rho_pi(uint64_t a[LANES]) {
    uint64_t moving = a[1];
    for (size_t i = 0; i < LANES - 1; i++) {
        uint64_t next = a[walk[i]];
        a[walk[i]] = turn(moving, turns[i]);
        moving = next;
    }
}

static void chi(uint64_t a[LANES]) {
    for (size_t y = 0; y < LANES; y += 5) {
        uint64_t row[5];
        memcpy(row, a + y, sizeof(row));
        for (size_t x = 0; x < 5; x++) {
            a[x + y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
        }
    }
}

static void absorb(uint64_t a[LANES], const uint8_t block[RATE_BYTES]) {
    for (size_t i = 0; i < RATE_BYTES; i++) {
        a[i / 8] ^= (uint64_t)block[i] << (i % 8 * 8);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        theta(a);
        rho_pi(a);
        chi(a);
        a[0] ^= round_constants[round]; /* iota */
    }
}

void keccak256(struct str data, uint8_t out[KECCAK256_BYTES]) {
    uint64_t a[LANES] = {0};
    uint8_t block[RATE_BYTES];
    size_t at = 0;
    for (; data.len - at >= RATE_BYTES; at += RATE_BYTES) {
        memcpy(block, data.ptr + at, RATE_BYTES);
        absorb(a, block);
    }
    size_t rest = data.len - at;
    memset(block, 0, sizeof(block));
    if (rest > 0) {
        memcpy(block, data.ptr + at, rest);
    }
    block[rest] = 0x01;
    block[RATE_BYTES - 1] |= 0x80;
    absorb(a, block);
    for (size_t i = 0; i < KECCAK256_BYTES; i++) {
        out[i] = (uint8_t)(a[i / 8] >> (i % 8 * 8));
    }
}
