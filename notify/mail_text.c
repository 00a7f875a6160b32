/* A mail: a header whose texts cannot end their line, and a body in base64, so that no word of it is
 * taken for anything else on the way. */
#include "notify/payload.h"

#include <string.h>

#include "base/clock.h"

#define BASE64_LINE  57 /* bytes that give a line of 76 characters */
#define SUBJECT_PART 42 /* bytes that give an encoded word of at most 75 */

static void add_base64(struct buf *out, const unsigned char *bytes, size_t len) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        const size_t have = len - i < 3 ? len - i : 3;
        const unsigned long group = ((unsigned long)bytes[i] << 16) |
                                    (have > 1 ? (unsigned long)bytes[i + 1] << 8 : 0) |
                                    (have > 2 ? (unsigned long)bytes[i + 2] : 0);
        buf_addf(out, "%c%c%c%c", digits[group >> 18 & 63], digits[group >> 12 & 63],
                 have > 1 ? digits[group >> 6 & 63] : '=', have > 2 ? digits[group & 63] : '=');
    }
}

/* RFC 2047: parts that end between characters, each a word of its own. */
static void add_subject(struct buf *out, struct str text) {
    size_t from = 0;
    while (from < text.len) {
        size_t to = text.len - from < SUBJECT_PART ? text.len : from + SUBJECT_PART;
        while (to < text.len && to > from + 1 && ((unsigned char)text.ptr[to] & 0xc0u) == 0x80u) {
            to--;
        }
        buf_adds(out, from > 0 ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
        add_base64(out, (const unsigned char *)text.ptr + from, to - from);
        buf_adds(out, "?=");
        from = to;
    }
}

static void add_line(struct buf *out, const char *name, const char *value) {
    if (value[0] != '\0') {
        buf_addf(out, "%-10s%s\r\n", name, value);
    }
}

static void add_text(const struct notice *n, struct buf *out) {
    char since[CLOCK_TEXT_BYTES];
    char until[CLOCK_TEXT_BYTES] = "";
    AUTO_BUF title = BUF_INIT(BUF_TEXT_MAX);
    payload_title(n, &title);
    clock_format_us(n->opened_us, since);
    if (n->is_end) {
        clock_format_us(n->resolved_us, until);
    }
    buf_addf(out, "%s\r\n\r\n", buf_c(&title));
    add_line(out, "value", n->value);
    add_line(out, "since", since);
    add_line(out, "until", until);
    add_line(out, "of", n->root);
    add_line(out, "note", n->note);
    if (n->detail[0] != '\0') {
        buf_addf(out, "\r\n%s\r\n", n->detail);
    }
    if (n->description[0] != '\0') {
        buf_addf(out, "\r\n%s\r\n", n->description);
    }
    buf_addf(out, "\r\nalert %lld, notice %lld\r\n", (long long)n->alert, (long long)n->id);
}

static void add_date(struct buf *out, int64_t us) {
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char t[CLOCK_TEXT_BYTES]; /* 2026-01-31T12:00:00 */
    clock_format_us(us, t);
    const int month = (t[5] - '0') * 10 + (t[6] - '0');
    buf_addf(out, "Date: %s, %.2s %s %.4s %.8s +0000\r\n",
             days[us / CHECK_DAY_US % (int64_t)ARRAY_COUNT(days)], t + 8, months[month - 1], t,
             t + 11);
}

void payload_mail(const struct notice *n, const struct route_conf *conf, int64_t now_us,
                  struct buf *out) {
    AUTO_BUF title = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    payload_title(n, &title);
    add_text(n, &text);
    add_date(out, now_us);
    buf_addf(out, "From: <%s>\r\nTo: ", conf->from);
    for (size_t i = 0; i < conf->to.count; i++) {
        buf_addf(out, "%s<%s>", i > 0 ? ",\r\n " : "", conf->to.items[i]);
    }
    buf_addf(out, "\r\nMessage-ID: <plumb.%s.%lld.%lld%s>\r\n", n->flow, (long long)n->alert,
             (long long)n->id, strchr(conf->from, '@'));
    buf_addf(out, "References: <plumb.%s.%lld%s>\r\nSubject: ", n->flow, (long long)n->alert,
             strchr(conf->from, '@'));
    add_subject(out, buf_str(&title));
    buf_adds(out, "\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: "
                  "text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    for (size_t i = 0; i < text.len; i += BASE64_LINE) {
        add_base64(out, (const unsigned char *)text.data + i,
                   text.len - i < BASE64_LINE ? text.len - i : BASE64_LINE);
        buf_adds(out, "\r\n");
    }
}
