/* How many blocks to ask for at once.
 *
 * Answers should be large enough to be worth a question and small enough to hold: about
 * SPAN_LOGS_TARGET logs or SPAN_BYTES_TARGET bytes. The number grows slowly while answers are small and
 * shrinks at once when one is large or refused, so that it follows a chain whose blocks fill up. What one
 * endpoint refuses on principle (its span cap) is kept with the endpoint, not here. Pure. */
#ifndef PLUMB_SOURCE_EVM_SPAN_H
#define PLUMB_SOURCE_EVM_SPAN_H

#include "base/defs.h"

#define SPAN_LOGS_TARGET  10000
#define SPAN_BYTES_TARGET ((size_t)3 << 19)

struct span {
    int64_t blocks; /* 1 .. max */
    int64_t max;
};

void span_init(struct span *s, int64_t start, int64_t max);
/* A question about `blocks` blocks was answered with this much. */
void span_answered(struct span *s, int64_t blocks, size_t logs, size_t bytes);
/* A question about `blocks` blocks was too much to answer. */
void span_refused(struct span *s, int64_t blocks);
/* The last block to ask for after a refusal of [from, to], from < to: `suggested` when it may be
 * followed, else what max_span (to - from, -1: not known) leaves, else half; always below to. */
int64_t span_less(int64_t from, int64_t to, int64_t suggested, int64_t max_span);

#endif
