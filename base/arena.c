/* Arenas: a list of blocks, newest first; the newest is filled from its start. Blocks double from
 * ARENA_BLOCK_FIRST to ARENA_BLOCK_LARGE; what is larger gets a block of its own, put behind the
 * newest so that the rest of that one is still used. `used` counts the bytes handed out, rounded up to
 * the alignment, and is what max bounds.
 *
 * A reset moves the blocks to `spare`, from where they are taken by size, the smallest that will do:
 * the same allocations after a reset get the same sizes again, and no new block.
 *
 * Under AddressSanitizer each allocation is a block of its own, so that an overrun is seen. */
#include "base/fault.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_SEPARATE true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_SEPARATE true
#endif
#endif
#ifndef ARENA_SEPARATE
#define ARENA_SEPARATE false
#endif

#define ARENA_ALIGN       _Alignof(max_align_t)
#define ARENA_BLOCK_FIRST ((size_t)4096)
#define ARENA_BLOCK_LARGE ((size_t)1 << 20)

struct arena_block {
    struct arena_block *next;
    size_t size; /* of data */
    size_t used;
    _Alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t bytes_max) {
    *a = (struct arena){.max = bytes_max};
}

static void free_blocks(struct arena_block *block) {
    while (block != NULL) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_release(struct arena *a) {
    free_blocks(a->blocks);
    free_blocks(a->spare);
    *a = (struct arena){.max = a->max};
}

void arena_reset(struct arena *a) {
    if (ARENA_SEPARATE) {
        arena_release(a);
        return;
    }
    /* Blocks of this turn come first: spare ones it had no use for are the first to go. */
    struct arena_block *lists[] = {a->blocks, a->spare};
    size_t kept = 0;
    a->blocks = NULL;
    a->spare = NULL;
    a->used = 0;
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        struct arena_block *block = lists[i];
        while (block != NULL) {
            struct arena_block *next = block->next;
            if (block->size <= ARENA_KEEP_BYTES_MAX - kept) {
                kept += block->size;
                block->used = 0;
                block->next = a->spare;
                a->spare = block;
            } else {
                free(block);
            }
            block = next;
        }
    }
}

/* The smallest spare block of at least size bytes, unlinked; NULL when there is none. */
static struct arena_block *take_spare(struct arena *a, size_t size) {
    struct arena_block **best = NULL;
    for (struct arena_block **at = &a->spare; *at != NULL; at = &(*at)->next) {
        if ((*at)->size >= size && (best == NULL || (*at)->size < (*best)->size)) {
            best = at;
        }
    }
    if (best == NULL) {
        return NULL;
    }
    struct arena_block *block = *best;
    *best = block->next;
    return block;
}

static struct arena_block *block_new(size_t size) {
    size_t bytes = 0;
    if (!size_add(sizeof(struct arena_block), size, &bytes)) {
        return NULL;
    }
    struct arena_block *block = malloc(bytes);
    if (block != NULL) {
        *block = (struct arena_block){.size = size};
    }
    return block;
}

/* A block with room for bytes, linked in; NULL when the system has no memory. */
static struct arena_block *block_for(struct arena *a, size_t bytes) {
    struct arena_block *newest = a->blocks;
    if (newest != NULL && newest->size - newest->used >= bytes) {
        return newest;
    }
    size_t size = newest == NULL ? ARENA_BLOCK_FIRST : newest->size * 2;
    size = size > ARENA_BLOCK_LARGE ? ARENA_BLOCK_LARGE : size;
    bool alone = ARENA_SEPARATE || bytes > size;
    size = alone ? bytes : size;
    struct arena_block *block = take_spare(a, size);
    block = block != NULL ? block : block_new(size);
    if (block == NULL) {
        return NULL;
    }
    if (alone && newest != NULL) {
        block->next = newest->next;
        newest->next = block;
    } else {
        block->next = newest;
        a->blocks = block;
    }
    return block;
}

/* NULL when bytes do not fit any more or the system has no memory. */
static void *take(struct arena *a, size_t bytes) {
    if (bytes > a->max - a->used) {
        return NULL;
    }
    size_t wanted = bytes == 0 ? 1 : bytes; /* each allocation has an address of its own */
    size_t padded = 0;
    if (!size_add(wanted, ARENA_ALIGN - 1, &padded)) {
        return NULL;
    }
    padded -= padded % ARENA_ALIGN;
    size_t size = ARENA_SEPARATE ? wanted : padded;
    struct arena_block *block = block_for(a, size);
    if (block == NULL) {
        return NULL;
    }
    void *p = block->data + block->used;
    block->used += size;
    a->used = padded > a->max - a->used ? a->max : a->used + padded;
    return p;
}

enum err_code arena_alloc(struct arena *a, size_t bytes, void **out, struct err *err) {
    void *p = fault_fails(FAULT_ALLOC) ? NULL : take(a, bytes);
    if (p != NULL) {
        *out = p;
        return ERR_NONE;
    }
    if (bytes > a->max - a->used) {
        return err_set(err, ERR_LIMIT, "%zu bytes and %zu more pass the limit of %zu bytes",
                       a->used, bytes, a->max);
    }
    return err_set(err, ERR_LIMIT, "out of memory for %zu bytes", bytes);
}

enum err_code arena_copy(struct arena *a, struct str s, struct str *out, struct err *err) {
    size_t bytes = 0;
    if (!size_add(s.len, 1, &bytes)) {
        return err_set(err, ERR_LIMIT, "a text of %zu bytes is too long", s.len);
    }
    void *space = NULL;
    enum err_code code = arena_alloc(a, bytes, &space, err);
    if (code != ERR_NONE) {
        return code;
    }
    char *text = space;
    ASSERT(text != NULL);
    if (s.len > 0) {
        memcpy(text, s.ptr, s.len);
    }
    text[s.len] = '\0';
    *out = (struct str){text, s.len};
    return ERR_NONE;
}

void *arena_new(struct arena *a, size_t bytes) {
    void *object_of_program_size = take(a, bytes);
    ASSERT(object_of_program_size != NULL);
    memset(object_of_program_size, 0, bytes);
    return object_of_program_size;
}

char *arena_strndup(struct arena *a, const char *s, size_t len) {
    size_t bytes = 0;
    bool fits = size_add(len, 1, &bytes);
    ASSERT(fits);
    char *copy = arena_new(a, bytes);
    if (len > 0) {
        memcpy(copy, s, len);
    }
    return copy;
}

char *arena_strdup(struct arena *a, const char *s) {
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    ASSERT(wanted >= 0);
    char *text = arena_new(a, (size_t)wanted + 1);
    va_start(args, fmt);
    int written = vsnprintf(text, (size_t)wanted + 1, fmt, args);
    va_end(args);
    ASSERT(written == wanted);
    return text;
}
