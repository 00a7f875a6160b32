/* What the services read, taken apart again. */
#include "notify/test_notice.h"

#include <string.h>

#include "base/json.h"

struct parsed {
    struct arena arena;
    struct buf text;
    const struct json_value *root;
};

static void parse(struct parsed *p) {
    struct err err = ERR_INIT;
    arena_init(&p->arena, 1 << 20);
    if (json_parse(buf_str(&p->text), &p->arena, &p->root, &err) != ERR_NONE) {
        fail_msg("%s in %s", err.message, buf_c(&p->text));
    }
}

static void release(struct parsed *p) {
    arena_release(&p->arena);
    buf_release(&p->text);
}

static void assert_text(const struct json_value *object, const char *key, const char *expected) {
    struct str got;
    if (object == NULL || !json_get_str(object, key, &got) || !str_equal_c(got, expected)) {
        fail_msg("%s is not '%s'", key, expected);
    }
}

static void a_webhook_gets_what_alertmanager_sends(void **state) {
    (void)state;
    struct parsed p;
    buf_init(&p.text, BUF_TEXT_MAX);
    const struct notice n = test_notice("firing", "error");
    payload_webhook(&n, &p.text);
    parse(&p);
    assert_text(p.root, "version", "4");
    assert_text(p.root, "status", "firing");
    assert_text(p.root, "receiver", "team");
    assert_text(p.root, "groupKey", "plumb/shop/orders-arrive/3");
    assert_text(json_get(p.root, "commonLabels"), "alertname", "orders-arrive");
    assert_text(json_get(p.root, "commonLabels"), "severity", "critical");
    const struct json_value *alert = json_get(p.root, "alerts")->first;
    assert_null(alert->next);
    assert_text(alert, "startsAt", "2026-01-31T12:00:00Z");
    assert_text(alert, "endsAt", "0001-01-01T00:00:00Z");
    assert_text(json_get(alert, "labels"), "flow", "shop");
    assert_text(json_get(alert, "annotations"), "summary", n.summary);
    assert_text(json_get(alert, "annotations"), "description", n.description);
    struct str print;
    assert_true(json_get_str(alert, "fingerprint", &print));
    assert_int_equal(print.len, 16);
    int64_t id = 0;
    assert_true(json_get_i64(json_get(p.root, "plumb"), "id", &id));
    assert_int_equal(id, 7);
    release(&p);
}

static void an_end_says_when_and_keeps_its_labels(void **state) {
    (void)state;
    struct parsed first;
    struct parsed last;
    const struct notice firing = test_notice("firing", "warn");
    const struct notice over = test_notice("resolved", "warn");
    buf_init(&first.text, BUF_TEXT_MAX);
    buf_init(&last.text, BUF_TEXT_MAX);
    payload_alertmanager(&firing, 1, OPENED_US, &first.text);
    payload_alertmanager(&over, 1, RESOLVED_US, &last.text);
    parse(&first);
    parse(&last);
    assert_text(first.root->first, "endsAt", "2026-02-01T12:00:00Z");
    assert_text(last.root->first, "endsAt", "2026-01-31T13:02:05Z");
    assert_text(last.root->first, "startsAt", "2026-01-31T12:00:00Z");
    const struct json_value *a = json_get(first.root->first, "labels")->first;
    const struct json_value *b = json_get(last.root->first, "labels")->first;
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        assert_int_equal(a->text.len, b->text.len);
        assert_memory_equal(a->text.ptr, b->text.ptr, a->text.len);
    }
    assert_null(a);
    assert_null(b);
    release(&first);
    release(&last);
}

static void slack_cannot_be_made_to_call_everybody(void **state) {
    (void)state;
    struct parsed p;
    buf_init(&p.text, BUF_TEXT_MAX);
    const struct notice n = test_notice("worse", "error");
    payload_slack(&n, &p.text);
    parse(&p);
    struct str text;
    assert_true(json_get_str(p.root, "text", &text));
    assert_null(memmem(text.ptr, text.len, "<!channel>", 10));
    assert_non_null(memmem(text.ptr, text.len, "&lt;!channel&gt; &amp; more", 27));
    assert_non_null(memmem(text.ptr, text.len, "(worse than before)", 19));
    const struct json_value *attachment = json_get(p.root, "attachments")->first;
    assert_text(attachment, "color", "danger");
    assert_text(json_get(attachment, "fields")->first, "value", "2 h");
    release(&p);
}

static void pagerduty_knows_one_incident_from_begin_to_end(void **state) {
    (void)state;
    static const struct {
        const char *event;
        const char *action;
    } cases[] = {{"firing", "trigger"}, {"worse", "trigger"}, {"resolved", "resolve"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct parsed p;
        buf_init(&p.text, BUF_TEXT_MAX);
        const struct notice n = test_notice(cases[i].event, "warn");
        payload_pagerduty(&n, "k\"ey", &p.text);
        parse(&p);
        assert_text(p.root, "routing_key", "k\"ey");
        assert_text(p.root, "event_action", cases[i].action);
        assert_text(p.root, "dedup_key", "plumb/shop/orders-arrive/3");
        if (!n.is_end) {
            assert_text(json_get(p.root, "payload"), "severity", "warning");
            assert_text(json_get(p.root, "payload"), "source", "shop");
        } else {
            assert_null(json_get(p.root, "payload"));
        }
        release(&p);
    }
}

static void a_long_summary_is_cut_between_characters(void **state) {
    (void)state;
    struct parsed p;
    char summary[3000];
    struct str cut;
    for (size_t i = 0; i + 2 < sizeof summary; i += 2) {
        memcpy(summary + i, "\xc3\xa4", 3);
    }
    struct notice n = test_notice("firing", "error");
    n.summary = summary;
    buf_init(&p.text, BUF_TEXT_MAX);
    payload_pagerduty(&n, "k", &p.text);
    parse(&p);
    assert_true(json_get_str(json_get(p.root, "payload"), "summary", &cut));
    assert_true(cut.len <= PAGERDUTY_SUMMARY_MAX && cut.len >= PAGERDUTY_SUMMARY_MAX - 1);
    assert_null(memmem(cut.ptr, cut.len, "\xef\xbf\xbd", 3)); /* no half character */
    release(&p);
}

/* Only the mail's own lines are header lines, whatever the texts hold. */
static void a_mail_has_no_line_but_its_own(void **state) {
    (void)state;
    static const char *const to[] = {"a@b.example", "c@d.example"};
    const struct route_conf conf = {.from = "plumb@b.example", .to = {to, 2}};
    const struct notice n = test_notice("firing", "error");
    AUTO_BUF mail = BUF_INIT(BUF_TEXT_MAX);
    payload_mail(&n, &conf, OPENED_US, &mail);
    const char *text = buf_c(&mail);
    const char *body = strstr(text, "\r\n\r\n");
    assert_non_null(body);
    assert_non_null(strstr(text, "Date: Sat, 31 Jan 2026 12:00:00 +0000\r\n"));
    assert_non_null(strstr(text, "To: <a@b.example>,\r\n <c@d.example>\r\n"));
    assert_non_null(strstr(text, "Message-ID: <plumb.shop.3.7@b.example>\r\n"));
    assert_null(strstr(text, "Bcc"));
    for (const char *line = text; line < body; line = strstr(line, "\r\n") + 2) {
        const char *end = strstr(line, "\r\n");
        assert_true(end - line <= 78);
    }
    for (const char *p = text; *p != '\0'; p++) {
        assert_true(*p != '\n' || p[-1] == '\r');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_webhook_gets_what_alertmanager_sends),
        cmocka_unit_test(an_end_says_when_and_keeps_its_labels),
        cmocka_unit_test(slack_cannot_be_made_to_call_everybody),
        cmocka_unit_test(pagerduty_knows_one_incident_from_begin_to_end),
        cmocka_unit_test(a_long_summary_is_cut_between_characters),
        cmocka_unit_test(a_mail_has_no_line_but_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
