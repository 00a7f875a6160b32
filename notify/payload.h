/* What the services read: pure functions from a notice to the body of a request, or a mail.
 *
 * Sources of the formats: Prometheus Alertmanager, webhook_config (version 4) and API v2; Slack,
 * incoming webhooks and formatting text; PagerDuty, Events API v2; RFC 5322, 2045 and 2047 for mail. */
#ifndef PLUMB_NOTIFY_PAYLOAD_H
#define PLUMB_NOTIFY_PAYLOAD_H

#include "notify/notice.h"

/* An Alertmanager that hears nothing more holds an alert for so long. */
#define ALERTMANAGER_HOLD_US  CHECK_DAY_US
#define PAGERDUTY_SUMMARY_MAX 1024 /* bytes; their limit */

void payload_webhook(const struct notice *n, struct buf *out);
void payload_alertmanager(const struct notice *items, size_t count, int64_t now_us,
                          struct buf *out);
void payload_slack(const struct notice *n, struct buf *out);
void payload_pagerduty(const struct notice *n, const char *key, struct buf *out);
/* "[plumb shop] ERROR orders-arrive: ..." */
void payload_title(const struct notice *n, struct buf *out);
/* A whole mail, CRLF lines, from header to text (mail_text.c). */
void payload_mail(const struct notice *n, const struct route_conf *conf, int64_t now_us,
                  struct buf *out);

#endif
