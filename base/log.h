/* Log lines for people and machines: one "key=value" line each on stderr.
 *
 *     log_info("turn", "source=orders batch=%lld rows=%zu", seq, rows);
 *     ts=2026-01-31T12:00:00Z level=info at=turn source=orders batch=7 rows=1000
 *
 * Only engine, server and cli log, once, where an error stops. Thread-safe (one write per line). */
#ifndef PLUMB_BASE_LOG_H
#define PLUMB_BASE_LOG_H

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

extern enum log_level log_level_min;
void log_set_level(enum log_level level);
void log_line(enum log_level level, const char *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* level=... at=... class=... where=... error="message" */
void log_error(const char *at, const struct err *err);

#define LOG_LINE_BYTES  4096 /* longer lines are cut, with "..." at the end */
#define LOG_VALUE_BYTES 512
/* text as a value of a line: as it is, or "quoted" with escapes when it has spaces, quotes, '=' or
 * anything not printable. For text from outside. Returns out. */
const char *log_value(struct str text, char out[LOG_VALUE_BYTES]);

#define log_debug(at, ...)                                                                         \
    do {                                                                                           \
        if (log_level_min <= LOG_DEBUG) {                                                          \
            log_line(LOG_DEBUG, at, __VA_ARGS__);                                                  \
        }                                                                                          \
    } while (0)
#define log_info(at, ...) log_line(LOG_INFO, at, __VA_ARGS__)
#define log_warn(at, ...) log_line(LOG_WARN, at, __VA_ARGS__)

#endif
