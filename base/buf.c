/* Buffers: capacity counts usable bytes, one more is allocated for the NUL. Grows by doubling,
 * never past max. The functions that return a class pass the ALLOC fault point; those that abort do
 * not, since a test could learn nothing from the abort. */
#include "base/fault.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST_BYTES ((size_t)64)

enum grown { GROWN, GROWN_PAST_MAX, GROWN_NO_MEMORY };

void buf_init(struct buf *b, size_t max) {
    *b = (struct buf){.max = max};
}

void buf_release(struct buf *b) {
    free(b->data);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b) {
    b->len = 0;
    if (b->data != NULL) {
        b->data[0] = '\0';
    }
}

static enum grown grow(struct buf *b, size_t extra) {
    size_t need = 0;
    if (!size_add(b->len, extra, &need) || need > b->max || need == SIZE_MAX) {
        return GROWN_PAST_MAX;
    }
    if (need <= b->capacity && b->data != NULL) {
        return GROWN;
    }
    size_t capacity = b->capacity < BUF_FIRST_BYTES ? BUF_FIRST_BYTES : b->capacity;
    while (capacity < need) {
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    }
    if (capacity > b->max) {
        capacity = b->max;
    }
    char *data = capacity == SIZE_MAX ? NULL : realloc(b->data, capacity + 1);
    if (data == NULL) {
        return GROWN_NO_MEMORY;
    }
    b->data = data;
    b->capacity = capacity;
    b->data[b->len] = '\0';
    return GROWN;
}

enum err_code buf_reserve(struct buf *b, size_t extra, struct err *err) {
    enum grown grown = fault_fails(FAULT_ALLOC) ? GROWN_NO_MEMORY : grow(b, extra);
    switch (grown) {
    case GROWN:
        return ERR_NONE;
    case GROWN_PAST_MAX:
        return err_set(err, ERR_LIMIT, "%zu bytes and %zu more pass the limit of %zu bytes", b->len,
                       extra, b->max);
    case GROWN_NO_MEMORY:
        break;
    }
    return err_set(err, ERR_LIMIT, "out of memory for a buffer of %zu bytes and %zu more", b->len,
                   extra);
}

enum err_code buf_add(struct buf *b, const void *bytes, size_t len, struct err *err) {
    enum err_code code = buf_reserve(b, len, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (len > 0) {
        memcpy(b->data + b->len, bytes, len);
    }
    b->len += len;
    b->data[b->len] = '\0';
    return ERR_NONE;
}

/* Room for program text, or the end. */
static void must_grow(struct buf *b, size_t extra) {
    bool text_fits_its_buffer = grow(b, extra) == GROWN;
    ASSERT(text_fits_its_buffer);
}

void buf_addstr(struct buf *b, struct str s) {
    must_grow(b, s.len);
    if (s.len > 0) {
        memcpy(b->data + b->len, s.ptr, s.len);
    }
    b->len += s.len;
    b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *c_string) {
    buf_addstr(b, str_of(c_string));
}

void buf_addc(struct buf *b, char c) {
    must_grow(b, 1);
    b->data[b->len] = c;
    b->len++;
    b->data[b->len] = '\0';
}

void buf_addf(struct buf *b, const char *fmt, ...) {
    must_grow(b, 0);
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(b->data + b->len, b->capacity - b->len + 1, fmt, args);
    va_end(args);
    ASSERT(wanted >= 0);
    size_t len = (size_t)wanted;
    if (len > b->capacity - b->len) {
        b->data[b->len] = '\0';
        must_grow(b, len);
        va_start(args, fmt);
        int again = vsnprintf(b->data + b->len, len + 1, fmt, args);
        va_end(args);
        ASSERT(again == wanted);
    }
    b->len += len;
}

struct str buf_str(const struct buf *b) {
    return b->data == NULL ? (struct str){"", 0} : (struct str){b->data, b->len};
}

const char *buf_c(const struct buf *b) {
    return b->data == NULL ? "" : b->data;
}
