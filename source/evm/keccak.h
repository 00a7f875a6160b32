/* Keccak-256 as Ethereum uses it: the Keccak submission (https://keccak.team/keccak.html; rate 1088,
 * capacity 512) with the padding of before FIPS 202, so it is not SHA3-256. No state; thread-safe. */
#ifndef PLUMB_SOURCE_EVM_KECCAK_H
#define PLUMB_SOURCE_EVM_KECCAK_H

#include "base/str.h"

#define KECCAK256_BYTES 32

void keccak256(struct str data, uint8_t out[KECCAK256_BYTES]);

#endif
