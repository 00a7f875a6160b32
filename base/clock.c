/* Time. Dates are computed by counting days in a year that starts in March, so that the leap day is
 * the last of it and a month's first day is a linear formula; eras of 400 years repeat exactly. */
#include "base/clock.h"
#include "base/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define US_PER_SECOND     INT64_C(1000000)
#define US_PER_DAY        (INT64_C(86400) * US_PER_SECOND)
#define DAYS_PER_ERA      INT64_C(146097)    /* 400 years */
#define DAYS_TO_1970      INT64_C(719468)    /* from 0000-03-01 */
#define DAY_OF_YEAR_1     (-INT64_C(719162)) /* 0001-01-01 */
#define DAY_OF_YEAR_10000 INT64_C(2932897)

static struct clock_source installed;
static bool is_installed = false;
static int64_t fixed_now_us = 0;

static int64_t read_clock(clockid_t id) {
    struct timespec t = {0, 0};
    int result = clock_gettime(id, &t);
    ASSERT(result == 0);
    return (int64_t)t.tv_sec * US_PER_SECOND + t.tv_nsec / 1000;
}

int64_t clock_now_us(void) {
    if (is_installed && installed.now_us != NULL) {
        return installed.now_us(installed.context);
    }
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void) {
    if (is_installed && installed.monotonic_us != NULL) {
        return installed.monotonic_us(installed.context);
    }
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_thread_cpu_us(void) {
    struct timespec at = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (int64_t)at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

void clock_sleep_us(int64_t us) {
    if (us <= 0) {
        return;
    }
    if (is_installed && installed.sleep_us != NULL) {
        installed.sleep_us(installed.context, us);
        return;
    }
    struct timespec t = {.tv_sec = (time_t)(us / US_PER_SECOND),
                         .tv_nsec = (long)(us % US_PER_SECOND) * 1000};
    (void)nanosleep(&t, NULL); /* early on a signal, as promised */
}

void clock_install(const struct clock_source *source) {
    is_installed = source != NULL;
    installed = is_installed ? *source : (struct clock_source){NULL, NULL, NULL, NULL};
}

static int64_t fixed_now(void *context) {
    const int64_t *us = context;
    return *us;
}

enum err_code clock_install_from_environment(struct err *err) {
    const char *text = getenv("PLUMB_CLOCK");
    if (text == NULL || text[0] == '\0') {
        return ERR_NONE;
    }
    int64_t us = 0;
    if (!parse_i64(str_of(text), &us)) {
        char shown[64];
        str_printable(str_of(text), shown, sizeof shown);
        return err_set(err, ERR_CONFIG,
                       "PLUMB_CLOCK: '%s' is not a number of microseconds since 1970", shown);
    }
    fixed_now_us = us;
    const struct clock_source fixed = {.now_us = fixed_now, .context = &fixed_now_us};
    clock_install(&fixed);
    return ERR_NONE;
}

static char *put_digits(char *out, int64_t value, int width) {
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + width;
}

static int64_t floor_div(int64_t a, int64_t b) {
    int64_t quotient = a / b;
    return a % b < 0 ? quotient - 1 : quotient;
}

static void date_of_day(int64_t day, int64_t *year, int64_t *month, int64_t *day_of_month) {
    int64_t from_march = day + DAYS_TO_1970;
    int64_t era = floor_div(from_march, DAYS_PER_ERA);
    int64_t in_era = from_march - era * DAYS_PER_ERA;
    /* Take the leap days out (one in 1461, not in 36524, in 146096), then years are of 365 days. */
    int64_t year_in_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * year_in_era + year_in_era / 4 - year_in_era / 100);
    int64_t march_month = (5 * in_year + 2) / 153; /* 153 days in five months of 31 30 31 30 31 */
    *day_of_month = in_year - (153 * march_month + 2) / 5 + 1;
    *month = march_month < 10 ? march_month + 3 : march_month - 9;
    *year = era * 400 + year_in_era + (*month <= 2 ? 1 : 0);
}

/* Of years from 1 on: the year that starts in March is not negative. */
static int64_t day_of_date(int64_t year, int64_t month, int64_t day_of_month) {
    uint32_t march_year = (uint32_t)(month <= 2 ? year - 1 : year);
    uint32_t march_month = (uint32_t)(month <= 2 ? month + 9 : month - 3);
    uint32_t leap_days = march_year / 4 - march_year / 100 + march_year / 400;
    uint32_t in_year = (153 * march_month + 2) / 5 + (uint32_t)day_of_month - 1;
    return (int64_t)(365 * march_year + leap_days + in_year) - DAYS_TO_1970;
}

void clock_format_us(int64_t us, char out[CLOCK_TEXT_BYTES]) {
    int64_t day = floor_div(us, US_PER_DAY);
    int64_t in_day = us % US_PER_DAY; /* day * US_PER_DAY may not fit */
    in_day += in_day < 0 ? US_PER_DAY : 0;
    int64_t year = 0;
    int64_t month = 0;
    int64_t day_of_month = 0;
    date_of_day(day, &year, &month, &day_of_month);
    char *at = out;
    if (year < 0) {
        *at++ = '-';
        year = -year;
    }
    at = put_digits(at, year, year > 99999 ? 6 : year > 9999 ? 5 : 4);
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, day_of_month, 2);
    *at++ = 'T';
    int64_t second = in_day / US_PER_SECOND;
    at = put_digits(at, second / 3600, 2);
    *at++ = ':';
    at = put_digits(at, second / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, second % 60, 2);
    if (in_day % US_PER_SECOND != 0) {
        *at++ = '.';
        at = put_digits(at, in_day % US_PER_SECOND, 6);
    }
    *at++ = 'Z';
    *at = '\0';
}

/* Takes exactly width digits off the front. */
static bool take_digits(struct str *s, size_t width, int64_t *out) {
    if (s->len < width) {
        return false;
    }
    int64_t value = 0;
    for (size_t i = 0; i < width; i++) {
        if (s->ptr[i] < '0' || s->ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (s->ptr[i] - '0');
    }
    s->ptr += width;
    s->len -= width;
    *out = value;
    return true;
}

static bool take_char(struct str *s, char c) {
    if (s->len == 0 || s->ptr[0] != c) {
        return false;
    }
    s->ptr++;
    s->len--;
    return true;
}

static bool date_to_day(int64_t year, int64_t month, int64_t day, int64_t *out_day) {
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || month < 1 || month > 12 || day < 1) {
        return false;
    }
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > days[month - 1] + (leap && month == 2 ? 1 : 0)) {
        return false;
    }
    *out_day = day_of_date(year, month, day);
    return true;
}

static bool take_date(struct str *s, int64_t *out_day) {
    int64_t year = 0;
    int64_t month = 0;
    int64_t day = 0;
    return take_digits(s, 4, &year) && take_char(s, '-') && take_digits(s, 2, &month) &&
           take_char(s, '-') && take_digits(s, 2, &day) && date_to_day(year, month, day, out_day);
}

static bool time_to_us(int64_t hour, int64_t minute, int64_t second, int64_t *out_us) {
    *out_us = ((hour * 60 + minute) * 60 + second) * US_PER_SECOND;
    return hour <= 23 && minute <= 59 && second <= 59;
}

#define HEAD_BYTES 19 /* "2026-01-31T12:00:00" */

static int64_t two_digits(const char *p) {
    return (p[0] - '0') * 10 + (p[1] - '0');
}

/* True when the eight bytes at p differ from form by 0 to 9 where limit is 0x76, and not at all where
 * it is 0x7F: adding it reaches the high bit otherwise. Bytes above 0x7F may disturb others, but
 * fail themselves. */
static bool has_form(const char *p, const char *form, const char *limit) {
    uint64_t bytes = 0;
    uint64_t zeros = 0;
    uint64_t limits = 0;
    memcpy(&bytes, p, sizeof(bytes));
    memcpy(&zeros, form, sizeof(zeros));
    memcpy(&limits, limit, sizeof(limits));
    bytes ^= zeros;
    return (((bytes + limits) | bytes) & UINT64_C(0x8080808080808080)) == 0;
}

/* Date and time in their usual form, at once. False also when it is another form. */
static bool take_head(struct str *s, int64_t *out_day, int64_t *out_us) {
    const char *p = s->ptr;
    if (s->len < HEAD_BYTES || !has_form(p, "0000-00-", "\x76\x76\x76\x76\x7F\x76\x76\x7F") ||
        !has_form(p + 8, "00T00:00", "\x76\x76\x7F\x76\x76\x7F\x76\x76") ||
        !has_form(p + 11, "00:00:00", "\x76\x76\x7F\x76\x76\x7F\x76\x76") ||
        !date_to_day(two_digits(p) * 100 + two_digits(p + 2), two_digits(p + 5), two_digits(p + 8),
                     out_day) ||
        !time_to_us(two_digits(p + 11), two_digits(p + 14), two_digits(p + 17), out_us)) {
        return false;
    }
    *s = (struct str){p + HEAD_BYTES, s->len - HEAD_BYTES};
    return true;
}

/* ".5", ".123456", ".123456000": microseconds; finer ones are refused, not rounded. */
static bool take_fraction(struct str *s, int64_t *out_us) {
    int64_t us = 0;
    size_t digits = 0;
    while (s->len > 0 && s->ptr[0] >= '0' && s->ptr[0] <= '9') {
        if (digits < 6) {
            us = us * 10 + (s->ptr[0] - '0');
        } else if (s->ptr[0] != '0') {
            return false;
        }
        digits++;
        s->ptr++;
        s->len--;
    }
    if (digits == 0) {
        return false;
    }
    for (size_t i = digits; i < 6; i++) {
        us *= 10;
    }
    *out_us = us;
    return true;
}

static bool take_time(struct str *s, int64_t *out_us) {
    int64_t hour = 0;
    int64_t minute = 0;
    int64_t second = 0;
    return take_digits(s, 2, &hour) && take_char(s, ':') && take_digits(s, 2, &minute) &&
           take_char(s, ':') && take_digits(s, 2, &second) &&
           time_to_us(hour, minute, second, out_us);
}

/* "", "Z", "+02:00", "+0200", "+02" (as PostgreSQL prints it). */
static bool take_zone(struct str *s, int64_t *out_us) {
    if (s->len == 0 || take_char(s, 'Z') || take_char(s, 'z')) {
        *out_us = 0;
        return true;
    }
    bool east = take_char(s, '+');
    int64_t hour = 0;
    int64_t minute = 0;
    if ((!east && !take_char(s, '-')) || !take_digits(s, 2, &hour)) {
        return false;
    }
    bool colon = take_char(s, ':');
    if ((colon || s->len > 0) && !take_digits(s, 2, &minute)) {
        return false;
    }
    if (hour > 23 || minute > 59) {
        return false;
    }
    int64_t us = (hour * 60 + minute) * 60 * US_PER_SECOND;
    *out_us = east ? us : -us;
    return true;
}

bool clock_parse(struct str text, int64_t *out_us) {
    int64_t day = 0;
    int64_t in_day = 0;
    int64_t fraction = 0;
    int64_t zone = 0;
    bool has_time = take_head(&text, &day, &in_day);
    if (!has_time) {
        if (!take_date(&text, &day)) {
            return false;
        }
        has_time = text.len > 0;
        if (has_time &&
            ((!take_char(&text, 'T') && !take_char(&text, 't') && !take_char(&text, ' ')) ||
             !take_time(&text, &in_day))) {
            return false;
        }
    }
    if (has_time &&
        ((take_char(&text, '.') && !take_fraction(&text, &fraction)) || !take_zone(&text, &zone))) {
        return false;
    }
    int64_t us = day * US_PER_DAY + in_day + fraction - zone;
    /* A zone may lead out of the years. */
    if (text.len > 0 || us < DAY_OF_YEAR_1 * US_PER_DAY || us >= DAY_OF_YEAR_10000 * US_PER_DAY) {
        return false;
    }
    *out_us = us;
    return true;
}

bool clock_parse_duration(struct str text, int64_t *out_us) {
    static const struct {
        struct str name;
        int64_t us;
    } units[] = {
        {{"us", 2}, 1},
        {{"ms", 2}, 1000},
        {{"s", 1}, US_PER_SECOND},
        {{"m", 1}, 60 * US_PER_SECOND},
        {{"h", 1}, 3600 * US_PER_SECOND},
        {{"d", 1}, US_PER_DAY},
    };
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9') {
        digits++;
    }
    int64_t number = 0;
    if (!parse_i64((struct str){text.ptr, digits}, &number)) {
        return false;
    }
    struct str unit = {text.ptr + digits, text.len - digits};
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        int64_t us = 0;
        if (str_equal(unit, units[i].name) && !__builtin_mul_overflow(number, units[i].us, &us)) {
            *out_us = us;
            return true;
        }
    }
    return false;
}
