/* Errors: every text is first formatted into a buffer of our own, so that a caller may pass
 * err->message as an argument of the new message, and is cut at a whole UTF-8 character. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void invariant_broken(const char *file, int line, const char *text) {
    (void)fprintf(stderr, "plumb: internal error: %s:%d: %s (please report)\n", file, line, text);
    (void)fflush(stderr);
    abort();
}

/* Adds len bytes at *used, as many as fit with a NUL; never leaves half a UTF-8 character. */
static void append(char *out, size_t out_bytes, size_t *used, const char *text, size_t len) {
    size_t room = out_bytes - 1 - *used;
    size_t take = len;
    if (take > room) {
        take = room;
        while (take > 0 && ((unsigned char)text[take] & 0xC0U) == 0x80U) {
            take--;
        }
    }
    memcpy(out + *used, text, take);
    *used += take;
    out[*used] = '\0';
}

static void append_c(char *out, size_t out_bytes, size_t *used, const char *text) {
    append(out, out_bytes, used, text, strlen(text));
}

/* Formats into out and cuts a half UTF-8 character off a text that did not fit. */
static PRINTF_LIKE(3, 0) void format(char *out, size_t out_bytes, const char *fmt, va_list args) {
    int wanted = vsnprintf(out, out_bytes, fmt, args);
    if (wanted < 0) {
        out[0] = '\0';
        return;
    }
    if ((size_t)wanted < out_bytes) {
        return;
    }
    size_t end = out_bytes - 1;
    size_t lead = end;
    while (lead > 0 && ((unsigned char)out[lead - 1] & 0xC0U) == 0x80U) {
        lead--;
    }
    if (lead == 0) {
        return;
    }
    unsigned char first = (unsigned char)out[lead - 1];
    size_t need = first >= 0xF0U ? 4 : first >= 0xE0U ? 3 : first >= 0xC0U ? 2 : 1;
    if (need > end - (lead - 1)) {
        out[lead - 1] = '\0';
    }
}

enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...) {
    char text[ERR_MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    format(text, sizeof text, fmt, args);
    va_end(args);
    err->code = code;
    err->origin = 0;
    err->where[0] = '\0';
    memcpy(err->message, text, sizeof text);
    return code;
}

enum err_code err_set_errno(struct err *err, enum err_code code, int origin, const char *fmt, ...) {
    char text[ERR_MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    format(text, sizeof text, fmt, args);
    va_end(args);
    char space[128];
    const char *reason = strerror_r(origin, space, sizeof space);
    size_t used = strlen(text);
    append_c(text, sizeof text, &used, ": ");
    append_c(text, sizeof text, &used, reason);
    err->code = code;
    err->origin = origin;
    err->where[0] = '\0';
    memcpy(err->message, text, used + 1);
    return code;
}

enum err_code err_wrap(struct err *err, const char *fmt, ...) {
    char text[ERR_MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    format(text, sizeof text, fmt, args);
    va_end(args);
    size_t used = strlen(text);
    append_c(text, sizeof text, &used, ": ");
    append_c(text, sizeof text, &used, err->message);
    memcpy(err->message, text, used + 1);
    return err->code;
}

void err_where(struct err *err, const char *fmt, ...) {
    char text[ERR_WHERE_BYTES];
    va_list args;
    va_start(args, fmt);
    format(text, sizeof text, fmt, args);
    va_end(args);
    memcpy(err->where, text, sizeof text);
}

void err_clear(struct err *err) {
    err->code = ERR_NONE;
    err->origin = 0;
    err->where[0] = '\0';
    err->message[0] = '\0';
}

const char *err_class(enum err_code code) {
    static const char *const names[] = {
#define X(name, text) [ERR_##name] = (text),
        ERR_CLASSES(X)
#undef X
    };
    ASSERT((size_t)code < ARRAY_COUNT(names));
    return names[code];
}
