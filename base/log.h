/* Log lines for people and machines: one "key=value" line each on stderr.
 *
 *     log_info("turn", "source=orders batch=%lld rows=%zu", seq, rows);
 *     ts=2026-01-31T12:00:00Z level=info at=turn source=orders batch=7 rows=1000
 *
 * or, after log_set_format(LOG_JSON), one JSON object each with the same fields:
 *
 *     {"ts":"2026-01-31T12:00:00Z","level":"info","at":"turn","source":"orders","batch":7,"rows":1000}
 *
 * Only engine, server and cli log, once, where an error stops. Thread-safe (one write per line);
 * level and format are set before other threads run. */
#ifndef PLUMB_BASE_LOG_H
#define PLUMB_BASE_LOG_H

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

extern enum log_level log_level_min;
void log_set_level(enum log_level level);
enum log_format { LOG_LOGFMT, LOG_JSON };
void log_set_format(enum log_format format);
/* Every line from now on says flow=NAME, unless its values begin with another; "": none again.
 * Longer names than LOG_FLOW_BYTES are cut. Any thread. */
#define LOG_FLOW_BYTES 128
void log_set_flow(const char *name);
void log_line(enum log_level level, const char *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* level=... at=... class=... where=... error="message" */
void log_error(const char *at, const struct err *err);
/* As log_error, with values of the caller's before class=. */
void log_error_with(const char *at, const struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define LOG_LINE_BYTES  4096 /* longer lines are cut, with "..." at the end */
#define LOG_VALUE_BYTES 512
#define LOG_FIELDS_MAX  32 /* of a JSON line; more are left out */
/* The fields of a line as members of the object w is in (log_json.c): whole numbers as numbers, true and
 * false as such, other values as strings with their quotes and escapes undone, words without a "=" together
 * as "message". ts, level, at and names that came before are left out. */
struct json_writer;
void log_json_fields(struct str line, struct json_writer *w);
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
