/* Small objects: calloc and friends that end the process when there is no memory. */
#include "base/mem.h"
#include "base/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static NORETURN void out_of_memory(size_t bytes) {
    (void)fprintf(
        stderr, "plumb: out of memory (%zu bytes); the next start goes on from the marks\n", bytes);
    abort();
}

void *mem_alloc(size_t bytes) {
    void *p = calloc(1, bytes == 0 ? 1 : bytes);
    if (p == NULL) {
        out_of_memory(bytes);
    }
    return p;
}

void *mem_alloc_array(size_t count, size_t bytes) {
    size_t total = 0;
    if (!size_mul(count, bytes, &total)) {
        out_of_memory(SIZE_MAX);
    }
    return mem_alloc(total);
}

void *mem_realloc(void *p, size_t bytes) {
    void *moved = realloc(p, bytes == 0 ? 1 : bytes);
    if (moved == NULL) {
        out_of_memory(bytes);
    }
    return moved;
}

char *mem_strndup(const char *s, size_t len) {
    size_t bytes = 0;
    if (!size_add(len, 1, &bytes)) {
        out_of_memory(len);
    }
    char *copy = mem_alloc(bytes);
    if (len > 0) {
        memcpy(copy, s, len);
    }
    return copy;
}

char *mem_strdup(const char *s) {
    return mem_strndup(s, strlen(s));
}

char *mem_printf(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    ASSERT(wanted >= 0);
    char *text = mem_alloc((size_t)wanted + 1);
    va_start(args, fmt);
    int written = vsnprintf(text, (size_t)wanted + 1, fmt, args);
    va_end(args);
    ASSERT(written == wanted);
    return text;
}

void mem_free(void *p) {
    free(p);
}

enum err_code mem_alloc_data(size_t bytes, void **out, struct err *err) {
    void *p = fault_fails(FAULT_ALLOC) ? NULL : calloc(1, bytes == 0 ? 1 : bytes);
    if (p == NULL) {
        return err_set(err, ERR_LIMIT, "out of memory for %zu bytes", bytes);
    }
    *out = p;
    return ERR_NONE;
}
