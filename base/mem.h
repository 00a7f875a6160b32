/* Memory by lifetime.
 *
 * mem_*: small objects of program size. Out of memory aborts: the engine restarts from its marks by
 * design. arena: everything of one flow or one turn, freed at once. Takes its maximum at init;
 * growing past it, or the system having no memory, or the ALLOC fault point, gives LIMIT. Under
 * AddressSanitizer every allocation is its own malloc, so overruns are seen. Not thread-safe; one
 * owner. */
#ifndef PLUMB_BASE_MEM_H
#define PLUMB_BASE_MEM_H

#include "base/str.h"

void *mem_alloc(size_t bytes); /* zeroed; never NULL */
void *mem_alloc_array(size_t count, size_t bytes);
void *mem_realloc(void *p, size_t bytes);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t len);
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
void mem_free(void *p); /* NULL is fine */

/* Data-sized memory outside arenas, zeroed. LIMIT on failure. Free with mem_free. */
MUST_CHECK enum err_code mem_alloc_data(size_t bytes, void **out, struct err *err);

#define ARENA_KEEP_BYTES_MAX ((size_t)64 << 20) /* what a reset keeps for reuse */
struct arena {
    struct arena_block *blocks;
    struct arena_block *spare; /* kept by resets, free */
    size_t used;
    size_t max;
};

void arena_init(struct arena *a, size_t bytes_max);
/* All memory handed out is gone; its blocks are kept for reuse, up to ARENA_KEEP_BYTES_MAX, so that an
 * arena that is reset after each batch asks the system for nothing. */
void arena_reset(struct arena *a);
void arena_release(struct arena *a); /* frees everything */
/* Aligned for any type, not zeroed. */
MUST_CHECK enum err_code arena_alloc(struct arena *a, size_t bytes, void **out, struct err *err);
/* A copy of s, NUL-terminated. */
MUST_CHECK enum err_code arena_copy(struct arena *a, struct str s, struct str *out,
                                    struct err *err);
/* For flow-sized objects (never data): zeroed, aborts when out of memory. */
void *arena_new(struct arena *a, size_t bytes);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
