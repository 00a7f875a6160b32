/* What every fuzz target exports, and how it says that a property does not hold.
 *
 * A target is one file fuzz_NAME.c that defines LLVMFuzzerTestOneInput; it takes any bytes, uses
 * ASSERT for its properties and returns 0. No state survives a call, so that each input reproduces
 * alone. */
#ifndef PLUMB_FUZZ_FUZZ_H
#define PLUMB_FUZZ_FUZZ_H

#include "base/defs.h"

#define FUZZ_INPUT_BYTES_MAX ((size_t)16 << 20) /* of a replayed file */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
