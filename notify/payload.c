/* Labels name an alert and stay the same while it is open, so that a receiver knows it again;
 * what changes (the value, words) is in annotations. */
#include "notify/payload.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"

static void add_time(struct json_writer *w, const char *key, int64_t us) {
    char text[CLOCK_TEXT_BYTES];
    clock_format_us(us, text);
    json_kv_c(w, key, text);
}

static void add_labels(struct json_writer *w, const struct notice *n) {
    json_begin_object(w);
    json_kv_c(w, "alertname", n->check);
    json_kv_c(w, "flow", n->flow);
    json_kv_c(w, "severity", strcmp(n->severity, "error") == 0 ? "critical" : "warning");
    if (n->kind[0] != '\0') {
        json_kv_c(w, "kind", n->kind);
    }
    if (n->root[0] != '\0') {
        json_kv_c(w, "root", n->root);
    }
    json_end_object(w);
}

static void add_annotations(struct json_writer *w, const struct notice *n) {
    json_begin_object(w);
    json_kv_c(w, "summary", n->summary);
    if (n->detail[0] != '\0') {
        json_kv_c(w, "detail", n->detail);
    }
    if (n->description[0] != '\0') {
        json_kv_c(w, "description", n->description);
    }
    if (n->value[0] != '\0') {
        json_kv_c(w, "value", n->value);
    }
    json_end_object(w);
}

/* One that is the same for every notice of the alert. */
static void dedup_key(const struct notice *n, struct buf *out) {
    buf_addf(out, "plumb/%s/%s/%lld", n->flow, n->check, (long long)n->alert);
}

#define NEVER "0001-01-01T00:00:00Z" /* what Alertmanager calls an end that is not known */

static void add_alert(struct json_writer *w, const struct notice *n) {
    AUTO_BUF key = BUF_INIT(BUF_TEXT_MAX);
    char print[2 * sizeof(uint64_t) + 1];
    dedup_key(n, &key);
    (void)snprintf(print, sizeof print, "%016llx",
                   (unsigned long long)hash64_of(key.data, key.len));
    json_begin_object(w);
    json_kv_c(w, "status", n->is_end ? "resolved" : "firing");
    json_key(w, "labels");
    add_labels(w, n);
    json_key(w, "annotations");
    add_annotations(w, n);
    add_time(w, "startsAt", n->opened_us);
    if (n->is_end) {
        add_time(w, "endsAt", n->resolved_us);
    } else {
        json_kv_c(w, "endsAt", NEVER);
    }
    json_kv_c(w, "generatorURL", "");
    json_kv_c(w, "fingerprint", print);
    json_end_object(w);
}

static void add_notice(struct json_writer *w, const struct notice *n) {
    json_begin_object(w);
    json_kv_i64(w, "id", n->id);
    json_kv_i64(w, "alert", n->alert);
    json_kv_c(w, "event", n->event);
    json_kv_c(w, "check", n->check);
    json_kv_c(w, "subject", n->subject);
    json_kv_c(w, "severity", n->severity);
    json_end_object(w);
}

void payload_webhook(const struct notice *n, struct buf *out) {
    struct json_writer w;
    json_writer_init(&w, out);
    AUTO_BUF group = BUF_INIT(BUF_TEXT_MAX);
    dedup_key(n, &group);
    json_begin_object(&w);
    json_kv_c(&w, "version", "4");
    json_kv_str(&w, "groupKey", buf_str(&group));
    json_kv_i64(&w, "truncatedAlerts", 0);
    json_kv_c(&w, "status", n->is_end ? "resolved" : "firing");
    json_kv_c(&w, "receiver", n->route);
    json_key(&w, "groupLabels");
    json_begin_object(&w);
    json_kv_c(&w, "alertname", n->check);
    json_kv_c(&w, "flow", n->flow);
    json_end_object(&w);
    json_key(&w, "commonLabels");
    add_labels(&w, n);
    json_key(&w, "commonAnnotations");
    add_annotations(&w, n);
    json_kv_c(&w, "externalURL", "");
    json_key(&w, "alerts");
    json_begin_array(&w);
    add_alert(&w, n);
    json_end_array(&w);
    json_key(&w, "plumb");
    add_notice(&w, n);
    json_end_object(&w);
}

void payload_alertmanager(const struct notice *items, size_t count, int64_t now_us,
                          struct buf *out) {
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++) {
        const struct notice *n = &items[i];
        json_begin_object(&w);
        json_key(&w, "labels");
        add_labels(&w, n);
        json_key(&w, "annotations");
        add_annotations(&w, n);
        add_time(&w, "startsAt", n->opened_us);
        add_time(&w, "endsAt", n->is_end ? n->resolved_us : now_us + ALERTMANAGER_HOLD_US);
        json_end_object(&w);
    }
    json_end_array(&w);
}

/* ---- for people ---- */

static void add_upper(struct buf *out, const char *text) {
    for (const char *p = text; *p != '\0'; p++) {
        buf_addc(out, (char)toupper((unsigned char)*p));
    }
}

void payload_title(const struct notice *n, struct buf *out) {
    buf_addf(out, "[plumb %s] ", n->flow);
    if (n->is_end) {
        buf_adds(out, "RESOLVED");
    } else {
        add_upper(out, n->severity);
    }
    buf_addf(out, " %s", n->summary); /* begins with the name of the check */
    if (strcmp(n->event, "reminder") == 0) {
        buf_adds(out, " (still so)");
    } else if (strcmp(n->event, "worse") == 0) {
        buf_adds(out, " (worse than before)");
    }
}

/* Slack's own three; its marks for bold and the like are left as they are, they cannot do harm. */
static void add_slack_escaped(struct buf *out, const char *text) {
    for (const char *p = text; *p != '\0'; p++) {
        switch (*p) {
        case '&':
            buf_adds(out, "&amp;");
            break;
        case '<':
            buf_adds(out, "&lt;");
            break;
        case '>':
            buf_adds(out, "&gt;");
            break;
        default:
            buf_addc(out, *p);
        }
    }
}

static void add_slack_field(struct json_writer *w, const char *title, const char *value) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    if (value[0] == '\0') {
        return;
    }
    add_slack_escaped(&text, value);
    json_begin_object(w);
    json_kv_c(w, "title", title);
    json_kv_str(w, "value", buf_str(&text));
    json_kv_bool(w, "short", true);
    json_end_object(w);
}

void payload_slack(const struct notice *n, struct buf *out) {
    AUTO_BUF plain = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF title = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    char since[CLOCK_TEXT_BYTES];
    const bool is_error = strcmp(n->severity, "error") == 0;
    payload_title(n, &plain);
    add_slack_escaped(&title, buf_c(&plain));
    add_slack_escaped(&text, n->detail);
    if (n->description[0] != '\0') {
        buf_adds(&text, text.len > 0 ? "\n" : "");
        add_slack_escaped(&text, n->description);
    }
    clock_format_us(n->opened_us, since);
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_kv_str(&w, "text", buf_str(&title));
    json_key(&w, "attachments");
    json_begin_array(&w);
    json_begin_object(&w);
    json_kv_c(&w, "color", n->is_end ? "good" : is_error ? "danger" : "warning");
    json_kv_str(&w, "fallback", buf_str(&title));
    json_kv_str(&w, "text", buf_str(&text));
    json_key(&w, "fields");
    json_begin_array(&w);
    add_slack_field(&w, "value", n->value);
    add_slack_field(&w, "since", since);
    add_slack_field(&w, "of", n->root);
    json_end_array(&w);
    json_end_object(&w);
    json_end_array(&w);
    json_end_object(&w);
}

/* At most max bytes of text, not within a character. */
static struct str cut(struct str text, size_t max) {
    if (text.len <= max) {
        return text;
    }
    while (max > 0 && ((unsigned char)text.ptr[max] & 0xc0u) == 0x80u) {
        max--;
    }
    return (struct str){text.ptr, max};
}

void payload_pagerduty(const struct notice *n, const char *key, struct buf *out) {
    AUTO_BUF title = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF dedup = BUF_INIT(BUF_TEXT_MAX);
    struct json_writer w;
    payload_title(n, &title);
    dedup_key(n, &dedup);
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_kv_c(&w, "routing_key", key);
    json_kv_c(&w, "event_action", n->is_end ? "resolve" : "trigger");
    json_kv_str(&w, "dedup_key", buf_str(&dedup));
    if (!n->is_end) {
        json_key(&w, "payload");
        json_begin_object(&w);
        json_kv_str(&w, "summary", cut(buf_str(&title), PAGERDUTY_SUMMARY_MAX));
        json_kv_c(&w, "source", n->flow);
        json_kv_c(&w, "severity", strcmp(n->severity, "error") == 0 ? "error" : "warning");
        add_time(&w, "timestamp", n->opened_us);
        json_kv_c(&w, "component", n->root);
        json_kv_c(&w, "group", n->flow);
        json_kv_c(&w, "class", n->kind);
        json_key(&w, "custom_details");
        add_annotations(&w, n);
        json_end_object(&w);
    }
    json_end_object(&w);
}
