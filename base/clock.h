/* Time. The only door to the system's clocks; tests put a simulated clock behind it.
 *
 * Wall time is microseconds since 1970-01-01 UTC. Monotonic time has no epoch. */
#ifndef PLUMB_BASE_CLOCK_H
#define PLUMB_BASE_CLOCK_H

#include "base/str.h"

int64_t clock_now_us(void);
int64_t clock_monotonic_us(void);
int64_t clock_thread_cpu_us(void); /* this thread has worked so long; never simulated */
void clock_sleep_us(int64_t us);   /* may return early on a signal */

struct clock_source {
    int64_t (*now_us)(void *context);
    int64_t (*monotonic_us)(void *context);
    void (*sleep_us)(void *context, int64_t us);
    void *context;
};
/* Installs a simulated clock (the struct is copied); NULL brings the real one back. Not while other
 * threads run. */
void clock_install(const struct clock_source *source);
/* PLUMB_CLOCK=<us> in the environment fixes the wall clock of a process (for golden tests); the
 * monotonic clock goes on. CONFIG when it is not a number. The CLI's main calls it. */
MUST_CHECK enum err_code clock_install_from_environment(struct err *err);

/* "2026-01-31T12:00:00Z", with ".123456" only when there are microseconds. out >= 32 bytes. */
#define CLOCK_TEXT_BYTES 40
void clock_format_us(int64_t us, char out[CLOCK_TEXT_BYTES]);
/* RFC 3339 / ISO 8601: "2026-01-31", "2026-01-31T12:00:00Z", " " for "T", fractions to microseconds
 * (more digits are refused unless zero), "+02:00". Without a zone UTC is meant. Years 0001-9999.
 * False if it is none of these. */
MUST_CHECK bool clock_parse(struct str text, int64_t *out_us);
/* "150us", "20ms", "5s", "3m", "1h", "7d"; a bare number is refused. */
MUST_CHECK bool clock_parse_duration(struct str text, int64_t *out_us);

#endif
