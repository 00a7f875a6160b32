/* For the tests of this folder: a notice with hostile texts. */
#ifndef PLUMB_NOTIFY_TEST_NOTICE_H
#define PLUMB_NOTIFY_TEST_NOTICE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "notify/payload.h"

#define OPENED_US   INT64_C(1769860800000000) /* 2026-01-31T12:00:00Z */
#define RESOLVED_US (OPENED_US + INT64_C(3725000000))

static inline struct notice test_notice(const char *event, const char *severity) {
    return (struct notice){.id = 7,
                           .alert = 3,
                           .route = "team",
                           .event = event,
                           .is_end = event[0] == 'r' && event[2] == 's',
                           .opened_us = OPENED_US,
                           .resolved_us = RESOLVED_US,
                           .check = "orders-arrive",
                           .severity = severity,
                           .root = "source orders",
                           .summary = "nothing of \"orders\" for 2 h <!channel> & more\r\nBcc: x@y",
                           .detail = "the last batch came at 10:00 \xc3\xa4",
                           .value = "2 h",
                           .note = "",
                           .kind = "heartbeat",
                           .subject = "orders",
                           .flow = "shop",
                           .description = "Look at the API's page."};
}

#endif
