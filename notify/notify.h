/* Telling people: notices that wait in the store go out by their routes.
 *
 *     struct notify *n = NULL;
 *     notify_open(flow, NULL, &n, err);
 *     notify_round(n, clock_now_us(), &summary, err);      every second
 *     notify_close(n);
 *
 * A round sends the oldest notice of each route that is due, all routes at once, and again until none
 * is due; an Alertmanager hears of open alerts every minute, and the address of `ping:` is called.
 *
 * Belongs to one thread; the store is opened beside the engine's when it is first needed. Errors: as
 * the store. That somebody cannot be reached is no error but a row of _plumb_deliveries. */
#ifndef PLUMB_NOTIFY_NOTIFY_H
#define PLUMB_NOTIFY_NOTIFY_H

#include <stdatomic.h>

#include "notify/notice.h"

#define NOTIFY_EVERY_US    INT64_C(1000000)
#define NOTIFY_WAIT_US_MIN INT64_C(1000000) /* before a second try; doubles, with jitter */
#define NOTIFY_WAIT_US_MAX INT64_C(300000000)
#define NOTIFY_GIVE_UP_US  CHECK_DAY_US      /* tried for so long */
#define NOTIFY_TRIES_MIN   16                /* and so often: one that was held for days, too */
#define NOTIFY_ROUND_US    INT64_C(10000000) /* no further pass when a round took so long */
#define NOTIFY_AGAIN_US    INT64_C(60000000) /* open alerts, to an Alertmanager */
#define NOTIFY_ENDS_US                                                                             \
    INT64_C(900000000)         /* ends are said again for so long: its clock may be behind */
#define NOTIFY_PASSES_MAX  64  /* of one round */
#define NOTIFY_ERROR_BYTES 256 /* of last_error */

struct notify_summary {
    int64_t sent, failed, waiting; /* waiting: tried, and to be tried again */
    bool is_cut;                   /* the round ended though there was more to send */
};

struct notify;
/* Whether the flow tells anybody anything. */
bool notify_is_needed(const struct flow *flow);
/* stop: NULL, or when it becomes true a round ends after what it is sending then; borrowed. */
MUST_CHECK enum err_code notify_open(const struct flow *flow, const atomic_bool *stop,
                                     struct notify **out, struct err *err);
void notify_close(struct notify *n);
MUST_CHECK enum err_code notify_round(struct notify *n, int64_t now_us, struct notify_summary *out,
                                      struct err *err);
/* The next notice goes out no sooner than this after a try that failed; attempts: tries so far. */
int64_t notify_wait_us(int64_t attempts, uint64_t random);
/* Whether an answer means that the notice is wrong and not the moment. */
bool notify_is_final(int http_status);

#endif
