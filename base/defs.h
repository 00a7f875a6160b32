/* Compiler attributes and checked size arithmetic used everywhere.
 *
 * Everything that is not plain C17 is spelled here once, so that gcc and clang see the same code.
 */
#ifndef PLUMB_BASE_DEFS_H
#define PLUMB_BASE_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN               __attribute__((noreturn))
#define UNUSED                 __attribute__((unused))
#define CLEANUP(fn)            __attribute__((cleanup(fn)))
#define LIKELY(x)              __builtin_expect(!!(x), 1)
#define UNLIKELY(x)            __builtin_expect(!!(x), 0)

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* True and *out set when a+b (a*b) fits; false and *out untouched otherwise. */
static inline MUST_CHECK bool size_add(size_t a, size_t b, size_t *out) {
    size_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) {
        return false;
    }
    *out = sum;
    return true;
}

static inline MUST_CHECK bool size_mul(size_t a, size_t b, size_t *out) {
    size_t product = 0;
    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *out = product;
    return true;
}

/* An assertion about our own code. Stays on in release: a broken invariant must not reach the
 * store. */
NORETURN void invariant_broken(const char *file, int line, const char *text);
#define ASSERT(cond)                                                                               \
    do {                                                                                           \
        if (UNLIKELY(!(cond))) {                                                                   \
            invariant_broken(__FILE__, __LINE__, #cond);                                           \
        }                                                                                          \
    } while (0)

#endif
