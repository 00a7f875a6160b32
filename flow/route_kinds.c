/* The kinds of routes as tables: where a notice can go and what that takes. Parsing, the JSON Schema
 * and the reference are made from them. */
#include "flow/alerts.h"

#define CONF struct route_conf

static const char *const severities[] = {"warn", "error", NULL};

#define COMMON                                                                                     \
    OPTION_ENUM(CONF, severity, .def = "warn", .choices = severities,                              \
                .doc = "Alerts below this are not for this route."),                               \
        OPTION_DURATION(CONF, timeout_us, .name = "timeout", .def = "10s", .min = 100000,          \
                        .max = 60000000, .flags = OPTION_ADVANCED,                                 \
                        .doc = "A notice that took longer was not delivered, and is tried again.")
#define URL(text, sample)                                                                          \
    OPTION_STR(CONF, url, .flags = OPTION_REQUIRED | OPTION_SECRET, .doc = (text),                 \
               .example = (sample))
#define HEADERS                                                                                    \
    OPTION_NODE(CONF, headers, .doc = "A map of header lines to send along, such as Authorization.")

static const struct option webhook[] = {URL("Where to POST to.", "https://example.com/alerts"),
                                        HEADERS, COMMON};
static const struct option alertmanager[] = {
    URL("Of the Alertmanager; /api/v2/alerts is added.", "http://127.0.0.1:9093"), HEADERS, COMMON};
static const struct option slack[] = {
    URL("Of an incoming webhook.", "https://hooks.slack.com/services/T/B/X"), COMMON};
static const struct option pagerduty[] = {
    OPTION_STR(CONF, key, .flags = OPTION_REQUIRED | OPTION_SECRET,
               .doc = "The integration key of the service (Events API v2)."),
    OPTION_STR(CONF, url, .def = "https://events.pagerduty.com/v2/enqueue",
               .flags = OPTION_ADVANCED, .doc = "Another address that speaks Events API v2."),
    COMMON};
static const struct option email[] = {
    OPTION_STR(CONF, smtp, .flags = OPTION_REQUIRED, .example = "smtp://mail.example.com:587",
               .doc = "The mail server: smtp:// asks for TLS and goes on without where there is "
                      "none, unless a password is given; smtps:// is TLS from the start."),
    OPTION_STR(CONF, from, .flags = OPTION_REQUIRED, .doc = "The sender's address."),
    OPTION_LIST(CONF, to, .flags = OPTION_REQUIRED, .doc = "Addresses of those who are told."),
    OPTION_STR(CONF, user, .doc = "For the mail server, with `password`."),
    OPTION_STR(CONF, password, .flags = OPTION_SECRET, .doc = "For the mail server, with `user`."),
    COMMON};
static const struct option command[] = {
    OPTION_LIST(CONF, run, .flags = OPTION_REQUIRED, .example = "[/usr/local/bin/page, \"--loud\"]",
                .doc = "A program and its arguments; no shell. It gets what a webhook gets on its "
                       "standard input; exit status 0 means delivered."),
    COMMON};

#define OPTIONS(table) .options = (table), .option_count = ARRAY_COUNT(table)

const struct route_kind_facts route_kinds[ROUTE_KINDS] = {
    [ROUTE_WEBHOOK] =
        {.name = "webhook",
         .summary = "A POST of JSON, as Alertmanager's webhook receivers get it (version 4).",
         .doc = "An answer from 200 to 299 means delivered. The member `plumb` says which notice "
                "it is; its `id` is the same when a notice comes twice.",
         .example = "oncall: {type: webhook, url: \"${ALERT_URL}\"}",
         OPTIONS(webhook)},
    [ROUTE_ALERTMANAGER] =
        {.name = "alertmanager",
         .summary = "A Prometheus Alertmanager, over its API v2.",
         .doc = "An open alert is sent again every minute, to end only when it is over here: the "
                "silence of a dead plumb does not resolve it.",
         .example = "am: {type: alertmanager, url: \"http://127.0.0.1:9093\"}",
         OPTIONS(alertmanager)},
    [ROUTE_SLACK] = {.name = "slack",
                     .summary = "A channel of Slack, or of what takes Slack's incoming webhooks "
                                "(Mattermost, Rocket.Chat, Discord with /slack).",
                     .doc = "One message a notice, with the value, since when, and what to do.",
                     .example = "team: {type: slack, url: \"${SLACK_URL}\"}",
                     OPTIONS(slack)},
    [ROUTE_PAGERDUTY] =
        {.name = "pagerduty",
         .summary = "PagerDuty, by its Events API v2.",
         .doc = "All notices of an alert carry one dedup_key, so that they are one incident, which "
                "is resolved with the alert. Reminders are left to PagerDuty.",
         .example = "pager: {type: pagerduty, key: \"${PAGER_KEY}\", severity: error}",
         OPTIONS(pagerduty)},
    [ROUTE_EMAIL] = {.name = "email",
                     .summary = "A mail, by SMTP.",
                     .doc = "Plain text. The Message-ID is the notice's, so that a mail that was "
                            "sent twice is known for what it is.",
                     .example = "mail: {type: email, smtp: \"smtp://127.0.0.1\", from: "
                                "plumb@example.com, to: [me@example.com]}",
                     OPTIONS(email)},
    [ROUTE_COMMAND] = {.name = "command",
                       .summary = "A program of yours.",
                       .doc = "It runs as plumb's user, with plumb's environment, and is killed "
                              "when it takes longer than `timeout`.",
                       .example = "local: {type: command, run: [notify-send, plumb]}",
                       OPTIONS(command)},
};
