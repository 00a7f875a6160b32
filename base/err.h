/* Errors as values.
 *
 * A function that can fail returns enum err_code and takes struct err * last. The class says what
 * happens next (see engine/policy.h); the message says what, where and what to do, from the outer
 * layer to the inner one. The caller owns the struct; it is fixed in size and setting it never
 * allocates, so it works when memory is out.
 *
 *     if (sys_open(path, &fd, err) != ERR_NONE) {
 *         return err_wrap(err, "source '%s'", name);
 *     }
 */
#ifndef PLUMB_BASE_ERR_H
#define PLUMB_BASE_ERR_H

#include "base/defs.h"

#define ERR_CLASSES(X)                                                                             \
    X(NONE, "ok")                                                                                  \
    X(CONFIG, "config")           /* the flow is wrong: tell the user, do not start */             \
    X(INPUT, "input")             /* this row or batch is wrong: reject it, go on */               \
    X(UNAVAILABLE, "unavailable") /* something outside is away: retry with backoff */              \
    X(LIMIT, "limit")             /* a named limit was reached: retry later or smaller */          \
    X(CONFLICT, "conflict")       /* somebody else changed it: read back, then retry */            \
    X(CORRUPT, "corrupt")         /* stored bytes are not what was written: stop, alert */         \
    X(CANCELLED, "cancelled")     /* asked to stop */                                              \
    X(INTERNAL, "internal")       /* our mistake */

enum err_code {
#define X(name, text) ERR_##name,
    ERR_CLASSES(X)
#undef X
};

#define ERR_WHERE_BYTES   256
#define ERR_MESSAGE_BYTES 768

struct err {
    enum err_code code;
    int origin;                  /* errno, HTTP status or SQLite code; 0 if none */
    char where[ERR_WHERE_BYTES]; /* "flow.yaml:12:5", "orders.jsonl:88"; empty if none */
    char message[ERR_MESSAGE_BYTES];
};

#define ERR_INIT                                                                                   \
    { .code = ERR_NONE }

/* Sets class and message and returns the class. Replaces what was there. */
enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* As err_set with errno-like origin; appends its text (strerror). */
enum err_code err_set_errno(struct err *err, enum err_code code, int origin, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Puts "prefix: " before the message; the class stays. Returns the class. */
enum err_code err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Sets where the problem is. */
void err_where(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
void err_clear(struct err *err);
/* "config", "input", ... */
const char *err_class(enum err_code code);

#endif
