/* Fault points: places where tests make the world go wrong.
 *
 * Each operation that can fail for outside reasons asks fault_fails(kind) first. Each place where
 * something has just become, or is just about to become, durable calls fault_step(name). Armed by
 * the environment variable PLUMB_FAULT or by fault_arm() in tests; unarmed, a point costs one
 * predictable branch.
 *
 *     PLUMB_FAULT=store:7          the 7th store operation fails, later ones work     (transient)
 *     PLUMB_FAULT=store:7+         the 7th and every later one fail                   (persistent)
 *     PLUMB_FAULT=kill:12          SIGKILL ourselves at the 12th durable step
 *     PLUMB_FAULT=store:7+,hurry   and waits before another try are a hundredth as long
 *     PLUMB_FAULT=count            at exit print how often each kind was reached to stderr, as
 *                                  "fault: alloc=5 file=3 store=9 net=0 step=12"
 *
 * Kinds: alloc file store net kill. Several, comma-separated. Counters are process-wide and thread-safe. */
#ifndef PLUMB_BASE_FAULT_H
#define PLUMB_BASE_FAULT_H

#include "base/err.h"

enum fault_kind { FAULT_ALLOC, FAULT_FILE, FAULT_STORE, FAULT_NET, FAULT_STEP, FAULT_KIND_COUNT };

extern bool fault_armed; /* private to the inline functions below */
extern bool fault_hurry; /* set while armed; read by whoever computes a backoff */

bool fault_fails_armed(enum fault_kind kind);
void fault_step_armed(const char *name);

static inline bool fault_fails(enum fault_kind kind) {
    return UNLIKELY(fault_armed) && fault_fails_armed(kind);
}
static inline void fault_step(const char *name) {
    if (UNLIKELY(fault_armed)) {
        fault_step_armed(name);
    }
}

/* Parses a specification as above; CONFIG when it is not understood. NULL disarms. */
MUST_CHECK enum err_code fault_arm(const char *spec, struct err *err);
/* Arms what PLUMB_FAULT says, if it is set. The CLI's main calls it before any thread starts. */
MUST_CHECK enum err_code fault_arm_from_environment(struct err *err);
/* True when the next fault_step will kill us: who writes just before it may tear that write. */
bool fault_step_is_next(void);
/* How often a kind was reached since fault_arm. */
int64_t fault_count(enum fault_kind kind);

#endif
