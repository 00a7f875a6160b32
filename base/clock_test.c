/* Time: the texts against the C library's calendar, the strictness of the reader, the installed
 * clock. */
#include "base/clock.h"
#include "base/test_support.h"

#include <time.h>

#define DAY_US INT64_C(86400000000)

static void check_text(int64_t us, const char *expected) {
    char text[CLOCK_TEXT_BYTES];
    clock_format_us(us, text);
    assert_string_equal(text, expected);
}

static void times_are_printed_as_rfc_3339(void **state) {
    (void)state;
    check_text(0, "1970-01-01T00:00:00Z");
    check_text(-1, "1969-12-31T23:59:59.999999Z");
    check_text(1, "1970-01-01T00:00:00.000001Z");
    check_text(INT64_C(951782400000000), "2000-02-29T00:00:00Z");
    check_text(INT64_C(1769860800123456), "2026-01-31T12:00:00.123456Z");
    check_text(INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z");
    check_text(INT64_C(253402300800000000), "10000-01-01T00:00:00Z");
    check_text(INT64_C(-62135596800000000), "0001-01-01T00:00:00Z");
    check_text(INT64_MAX, "294247-01-10T04:00:54.775807Z");
    check_text(INT64_MIN, "-290308-12-21T19:59:05.224192Z");
}

/* gmtime_r is the independent computation; each text is read back as well. */
static void texts_agree_with_the_library_and_are_read_back(void **state) {
    (void)state;
    uint64_t random = 2;
    for (int i = 0; i < 200000; i++) {
        int64_t span = INT64_C(253402300800) + INT64_C(62135596800);
        int64_t second = (int64_t)(next_random(&random) % (uint64_t)span) - INT64_C(62135596800);
        int64_t fraction = i % 2 == 0 ? 0 : (int64_t)(next_random(&random) % 1000000);
        time_t t = (time_t)second;
        struct tm parts;
        assert_non_null(gmtime_r(&t, &parts));
        char expected[128];
        int len = snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d",
                           parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                           parts.tm_min, parts.tm_sec);
        if (fraction != 0) {
            len += snprintf(expected + len, sizeof expected - (size_t)len, ".%06d", (int)fraction);
        }
        (void)snprintf(expected + len, sizeof expected - (size_t)len, "Z");
        check_text(second * 1000000 + fraction, expected);
        int64_t back = 0;
        assert_true(clock_parse(str_of(expected), &back));
        assert_int_equal(back, second * 1000000 + fraction);
    }
}

static void every_day_of_the_years_follows_the_one_before(void **state) {
    (void)state;
    int64_t day = 0;
    assert_true(clock_parse(STR("0001-01-01"), &day));
    for (; day < INT64_C(253402300800000000); day += DAY_US) {
        char text[CLOCK_TEXT_BYTES];
        clock_format_us(day, text);
        int64_t back = 0;
        assert_true(clock_parse((struct str){text, 10}, &back));
        assert_int_equal(back, day);
    }
}

static void check_reads(const char *text, const char *same_as) {
    int64_t a = 1;
    int64_t b = 2;
    assert_true(clock_parse(str_of(text), &a));
    assert_true(clock_parse(str_of(same_as), &b));
    assert_int_equal(a, b);
}

static void the_forms_of_a_time_are_understood(void **state) {
    (void)state;
    check_reads("2026-01-31", "2026-01-31T00:00:00Z");
    check_reads("2026-01-31 12:00:00", "2026-01-31T12:00:00Z");
    check_reads("2026-01-31t12:00:00z", "2026-01-31T12:00:00Z");
    check_reads("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z");
    check_reads("2026-01-31T12:00:00-02:30", "2026-01-31T14:30:00Z");
    check_reads("2026-01-31 12:00:00+02", "2026-01-31T10:00:00Z");
    check_reads("2026-01-31 12:00:00+0230", "2026-01-31T09:30:00Z");
    check_reads("2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500000Z");
    check_reads("2026-01-31T12:00:00.123456000Z", "2026-01-31T12:00:00.123456Z");
    check_reads("2024-02-29", "2024-02-29T00:00:00");
    check_reads("2000-02-29", "2000-02-29T00:00:00");
    check_reads("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00Z");
}

static void what_is_not_a_time_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "2026",
        "2026-01",
        "2026-1-31",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-01-32",
        "2026-04-31",
        "2025-02-29",
        "1900-02-29",
        "0000-01-01",
        "10000-01-01",
        "-2026-01-01",
        "2026-01-31T",
        "2026-01-31T12",
        "2026-01-31T12:00",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00.1234567Z",
        "2026-01-31T12:00:00,5Z",
        "2026-01-31T12:00:00 Z",
        "2026-01-31T12:00:00+2",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+02:60",
        "2026-01-31T12:00:00+02:",
        "2026-01-31T12:00:00Zx",
        " 2026-01-31",
        "2026-01-31 ",
        "2026-01-31Z",
        "2026-01-31  12:00:00",
        "2026/01/31",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2026-01-31T12:00:00+-1:00",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        int64_t us = 77;
        if (clock_parse(str_of(bad[i]), &us)) {
            fail_msg("'%s' was taken for a time", bad[i]);
        }
        assert_int_equal(us, 77);
    }
    int64_t us = 0;
    assert_false(clock_parse((struct str){"2026-01-31\0", 11}, &us));
    assert_false(clock_parse((struct str){NULL, 0}, &us));
}

static void durations_have_a_unit(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {{"150us", 150},
                {"20ms", 20000},
                {"5s", 5000000},
                {"3m", 180000000},
                {"1h", INT64_C(3600000000)},
                {"7d", 7 * DAY_US},
                {"0s", 0},
                {"007s", 7000000},
                {"9223372036854775807us", INT64_MAX},
                {"106751991d", 106751991 * DAY_US}};
    static const char *const bad[] = {"",    "5",    "s",    "5 s",        "-5s",
                                      "+5s", "1.5s", "5sec", "5S",         "1h5m",
                                      "5s ", " 5s",  "5M",   "106751992d", "9223372036854775808us"};
    int64_t us = 0;
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        assert_true(clock_parse_duration(str_of(good[i].text), &us));
        assert_int_equal(us, good[i].us);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        if (clock_parse_duration(str_of(bad[i]), &us)) {
            fail_msg("'%s' was taken for a duration", bad[i]);
        }
    }
}

static int64_t simulated_us = 0;

static int64_t simulated_now(void *context) {
    return *(int64_t *)context;
}

static void simulated_sleep(void *context, int64_t us) {
    *(int64_t *)context += us;
}

static void a_simulated_clock_takes_the_place_of_the_real_one(void **state) {
    (void)state;
    struct clock_source source = {simulated_now, simulated_now, simulated_sleep, &simulated_us};
    clock_install(&source);
    simulated_us = 1000;
    assert_int_equal(clock_now_us(), 1000);
    clock_sleep_us(DAY_US);
    assert_int_equal(clock_monotonic_us(), 1000 + DAY_US);
    clock_install(NULL);
    assert_true(clock_now_us() > INT64_C(1700000000000000));
}

static void the_monotonic_clock_never_goes_back(void **state) {
    (void)state;
    int64_t before = clock_monotonic_us();
    clock_sleep_us(0);
    clock_sleep_us(-1);
    clock_sleep_us(1000);
    assert_true(clock_monotonic_us() - before >= 1000);
}

static void the_environment_fixes_the_wall_clock(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    assert_int_equal(setenv("PLUMB_CLOCK", "1769860800000000", 1), 0);
    assert_int_equal(clock_install_from_environment(&err), ERR_NONE);
    assert_int_equal(clock_now_us(), INT64_C(1769860800000000));
    int64_t before = clock_monotonic_us();
    clock_sleep_us(100);
    assert_true(clock_monotonic_us() > before);
    assert_int_equal(clock_now_us(), INT64_C(1769860800000000));
    clock_install(NULL);
    assert_int_equal(setenv("PLUMB_CLOCK", "noon", 1), 0);
    assert_int_equal(clock_install_from_environment(&err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "PLUMB_CLOCK: 'noon'"));
    assert_int_equal(unsetenv("PLUMB_CLOCK"), 0);
    assert_int_equal(clock_install_from_environment(&err), ERR_NONE);
}

/* 't' instead of 'T' is read digit by digit. */
static void the_usual_form_is_read_as_strictly_as_any(void **state) {
    (void)state;
    static const char *const forms[] = {"2024-02-29T23:59:59Z", "1999-12-31T00:00:00.250Z",
                                        "0001-01-01T00:00:00", "2026-01-31T12:00:00+02:00"};
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        size_t len = strlen(forms[i]);
        for (size_t at = 0; at < len; at++) {
            for (int byte = 0; byte < 256 && at != 10; byte++) {
                char usual[40];
                char other[40];
                int64_t a = 0;
                int64_t b = 0;
                memcpy(usual, forms[i], len);
                usual[at] = (char)byte;
                memcpy(other, usual, len);
                other[10] = 't';
                bool is_time = clock_parse((struct str){usual, len}, &a);
                assert_int_equal(is_time, clock_parse((struct str){other, len}, &b));
                assert_int_equal(a, b);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_form_is_read_as_strictly_as_any),
        cmocka_unit_test(times_are_printed_as_rfc_3339),
        cmocka_unit_test(texts_agree_with_the_library_and_are_read_back),
        cmocka_unit_test(every_day_of_the_years_follows_the_one_before),
        cmocka_unit_test(the_forms_of_a_time_are_understood),
        cmocka_unit_test(what_is_not_a_time_is_refused),
        cmocka_unit_test(durations_have_a_unit),
        cmocka_unit_test(a_simulated_clock_takes_the_place_of_the_real_one),
        cmocka_unit_test(the_monotonic_clock_never_goes_back),
        cmocka_unit_test(the_environment_fixes_the_wall_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
