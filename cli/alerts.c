/* `plumb alerts`: what fires, what is silenced, and what people say to it. */
#include "cli/alerts.h"

#include "base/clock.h"
#include "cli/commands.h"
#include "watch/watch.h"

static const struct command_option options[] = {
    {"all", NULL, "Also alerts that are over."},
    {"by", "NAME", "With ack and silence: who says so; $USER unless given."},
    {"note", "TEXT", "With ack: what to say to it."},
    {"for", "TIME", "With silence: how long, such as 2h."},
    {"because", "TEXT", "With silence: why."},
    {"from", "TIME", "With test: since then, as 2026-01-31T12:00:00Z, or 7d for days ago."},
    {"to", "TIME", "With test: until then; now unless given."},
    {"json", NULL, "As JSON."},
    {NULL, NULL, NULL}};

static const struct fact_column alert_columns[] = {{"id", "id", FACT_PLACE},
                                                   {"state", "state", FACT_TEXT},
                                                   {"severity", "severity", FACT_TEXT},
                                                   {"check", "check", FACT_TEXT},
                                                   {"root", NULL, FACT_TEXT},
                                                   {"parent", "under", FACT_PLACE},
                                                   {"opened", "since", FACT_TIME},
                                                   {"resolved", NULL, FACT_TIME},
                                                   {"value", NULL, FACT_TEXT},
                                                   {"acknowledged_by", "by", FACT_TEXT},
                                                   {"acknowledged", NULL, FACT_TIME},
                                                   {"note", NULL, FACT_TEXT},
                                                   {"reminders", NULL, FACT_COUNT},
                                                   {"detail", NULL, FACT_TEXT},
                                                   {"silenced", NULL, FACT_FLAG},
                                                   {"summary", "summary", FACT_TEXT}};

static const struct fact_column silence_columns[] = {
    {"id", "id", FACT_PLACE},      {"matcher", "checks", FACT_TEXT}, {"since", "since", FACT_TIME},
    {"until", "until", FACT_TIME}, {"author", "by", FACT_TEXT},      {"reason", "why", FACT_TEXT}};

static const struct fact_column notice_columns[] = {
    {"id", "id", FACT_PLACE},        {"route", "route", FACT_TEXT},
    {"event", "event", FACT_TEXT},   {"alert", "alert", FACT_PLACE},
    {"state", "state", FACT_TEXT},   {"attempts", "tries", FACT_COUNT},
    {"next", "next try", FACT_TIME}, {"error", "why", FACT_TEXT}};

const struct fact_column alerts_check_columns[9] = {
    {"check", "check", FACT_TEXT},     {"kind", "kind", FACT_TEXT},
    {"subject", "of", FACT_TEXT},      {"severity", NULL, FACT_TEXT},
    {"state", "state", FACT_TEXT},     {"value", "value", FACT_TEXT},
    {"since", "since", FACT_TIME},     {"evaluated", "looked at", FACT_TIME},
    {"message", "message", FACT_TEXT},
};

void alerts_style(struct facts *f, size_t column) {
    static const struct {
        const char *word;
        enum style style;
    } styles[] = {{"ok", STYLE_GOOD},           {"learning", STYLE_DIM}, {"pending", STYLE_WARN},
                  {"warn", STYLE_WARN},         {"error", STYLE_BAD},    {"unknown", STYLE_BAD},
                  {"firing", STYLE_BAD},        {"failed", STYLE_BAD},   {"resolved", STYLE_GOOD},
                  {"acknowledged", STYLE_WARN}, {"not yet", STYLE_DIM}};
    for (size_t row = 0; row < facts_rows(f); row++) {
        struct fact *cell = &f->cells[row * f->column_count + column];
        for (size_t i = 0; i < ARRAY_COUNT(styles); i++) {
            if (cell->text != NULL && str_equal_c(str_of(cell->text), styles[i].word)) {
                cell->style = styles[i].style;
            }
        }
    }
}

/* Every check of the flow, in its order; one that was never looked at says so. */
enum err_code alerts_checks(const struct opened *o, struct facts *out, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < o->flow->check_count; i++) {
        const struct flow_check *c = &o->flow->checks[i];
        struct store_statement *st = NULL;
        code = store_prepare(
            o->store,
            "SELECT ?1, ?2, ?3, coalesce(c.severity, ?4), coalesce(c.state, 'not yet'), "
            "c.value_text, c.state_since_us, c.evaluated_us, coalesce(c.message, '') FROM (SELECT "
            "1 AS one) o LEFT JOIN _plumb_checks c ON c.name = ?1",
            &st, err);
        if (code == ERR_NONE) {
            store_bind_str(st, 1, str_of(c->name));
            store_bind_str(st, 2, str_of(check_kinds[c->kind].name));
            store_bind_str(st, 3, str_of(c->subject));
            store_bind_str(st, 4, str_of(c->severity == LEVEL_ERROR ? "error" : "warn"));
            code = facts_from(out, st, err);
        }
        store_statement_free(st);
    }
    alerts_style(out, 4);
    return code;
}

struct listing {
    struct facts alerts, silences, notices, checks;
};

static void listing_release(struct listing *l) {
    facts_release(&l->alerts);
    facts_release(&l->silences);
    facts_release(&l->notices);
    facts_release(&l->checks);
}

/* Notices that somebody should have got: tried in vain, and of those given up the last day's. */
static enum err_code collect_notices(const struct opened *o, struct listing *l, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        o->store,
        "SELECT id, route, event, alert, state, attempts, CASE WHEN state = 'pending' THEN next_us "
        "END, last_error FROM _plumb_deliveries WHERE (state = 'pending' AND attempts > 0) OR "
        "(state = 'failed' AND created_us > ?1) ORDER BY id",
        &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, clock_now_us() - 2 * CHECK_DAY_US);
        code = facts_from(&l->notices, st, err);
    }
    store_statement_free(st);
    alerts_style(&l->notices, 4);
    return code;
}

/* Silences are few and patterns are ours to understand: which alerts they mean is found here. */
static void mark_silenced(struct listing *l) {
    static const size_t check_at = 3;
    static const size_t silenced_at = 14;
    for (size_t row = 0; row < facts_rows(&l->alerts); row++) {
        struct fact *cells = &l->alerts.cells[row * ARRAY_COUNT(alert_columns)];
        for (size_t i = 0; i < facts_rows(&l->silences); i++) {
            const char *matcher = l->silences.cells[i * ARRAY_COUNT(silence_columns) + 1].text;
            if (matcher != NULL && watch_matches(matcher, cells[check_at].text)) {
                cells[silenced_at].number = 1;
            }
        }
    }
}

static enum err_code collect(const struct opened *o, bool all, struct listing *l, struct err *err) {
    enum err_code code = facts_query(
        &l->alerts, o->store,
        all ? "SELECT id, state, severity, check_name, root, parent, opened_us, resolved_us, "
              "value_text, acknowledged_by, acknowledged_us, note, reminders, detail, 0, summary "
              "FROM _plumb_alerts ORDER BY id DESC"
            : "SELECT id, state, severity, check_name, root, parent, opened_us, resolved_us, "
              "value_text, acknowledged_by, acknowledged_us, note, reminders, detail, 0, summary "
              "FROM _plumb_alerts WHERE state <> 'resolved' ORDER BY coalesce(parent, id), parent "
              "IS NOT NULL, id",
        err);
    struct store_statement *st = NULL;
    if (code == ERR_NONE) {
        code = store_prepare(o->store,
                             "SELECT id, matcher, since_us, until_us, author, reason FROM "
                             "_plumb_silences WHERE ended_us IS NULL AND until_us > ?1 ORDER BY id",
                             &st, err);
    }
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, clock_now_us());
        code = facts_from(&l->silences, st, err);
    }
    store_statement_free(st);
    mark_silenced(l);
    alerts_style(&l->alerts, 1);
    alerts_style(&l->alerts, 2);
    if (code == ERR_NONE) {
        code = collect_notices(o, l, err);
    }
    return code == ERR_NONE ? alerts_checks(o, &l->checks, err) : code;
}

static int print_json(const struct listing *l) {
    struct json_output o;
    json_output_begin(&o);
    json_begin_object(&o.json);
    json_key(&o.json, "alerts");
    facts_json(&l->alerts, &o.json);
    json_key(&o.json, "silences");
    facts_json(&l->silences, &o.json);
    json_key(&o.json, "undelivered");
    facts_json(&l->notices, &o.json);
    json_key(&o.json, "checks");
    facts_json(&l->checks, &o.json);
    json_end_object(&o.json);
    return json_output_end(&o, EXIT_DONE);
}

static int print_text(const struct listing *l, bool all) {
    AUTO_OUTPUT out;
    output_init(&out);
    if (facts_rows(&l->alerts) == 0) {
        AUTO_BUF checks = BUF_INIT(BUF_TEXT_MAX);
        output_count(&checks, facts_rows(&l->checks), "check");
        output_add(&out, "No alert %s. ", all ? "was ever opened" : "is open");
        output_styled(&out, STYLE_DIM, "The flow has %s; 'plumb status' shows how they stand.\n",
                      buf_c(&checks));
    } else {
        facts_show(&l->alerts, &out, FACTS_ROWS_MAX);
    }
    if (facts_rows(&l->silences) > 0) {
        output_add(&out, "\n");
        output_styled(&out, STYLE_STRONG, "Silences\n");
        facts_show(&l->silences, &out, FACTS_ROWS_MAX);
    }
    if (facts_rows(&l->notices) > 0) {
        output_add(&out, "\n");
        output_styled(&out, STYLE_STRONG, "Not delivered\n");
        facts_show(&l->notices, &out, FACTS_ROWS_MAX);
    }
    return output_flush(&out, EXIT_DONE);
}

static int list_run(const struct invocation *call, const char *path) {
    struct err err = ERR_INIT;
    AUTO_OPENED opened = {.flow = NULL};
    CLEANUP(listing_release)
    struct listing l = {FACTS_INIT(alert_columns), FACTS_INIT(silence_columns),
                        FACTS_INIT(notice_columns), FACTS_INIT(alerts_check_columns)};
    if (opened_open(&opened, call, path, STORE_READ, &err) != ERR_NONE ||
        collect(&opened, invocation_has(call, "all"), &l, &err) != ERR_NONE) {
        return command_failed(&err);
    }
    return invocation_has(call, "json") ? print_json(&l)
                                        : print_text(&l, invocation_has(call, "all"));
}

static int alerts_run(const struct invocation *call) {
    const struct str verb = str_of(call->arguments[0]);
    if (call->argument_count == 1) {
        return list_run(call, call->arguments[0]); /* `plumb alerts FLOW` */
    }
    if (str_equal_c(verb, "list") && call->argument_count == 2) {
        return list_run(call, call->arguments[1]);
    }
    if (str_equal_c(verb, "test")) {
        return alerts_test_run(call);
    }
    if (call->argument_count == 3 && (str_equal_c(verb, "ack") || str_equal_c(verb, "silence") ||
                                      str_equal_c(verb, "unsilence"))) {
        return alerts_change_run(call);
    }
    struct err err = ERR_INIT;
    err_set(&err, ERR_CONFIG,
            "'plumb alerts' takes: list FLOW, ack FLOW ID, silence FLOW CHECK, unsilence FLOW ID, "
            "or test FLOW [CHECK]");
    return command_misused(call, &err);
}

const struct command command_alerts = {
    .name = "alerts",
    .usage = "list FLOW | ack FLOW ID | silence FLOW CHECK --for TIME --because TEXT | unsilence "
             "FLOW ID | test FLOW [CHECK]  [--json]",
    .summary = "list what fires, take it on, keep it quiet, and try checks over history",
    .doc =
        "list shows open alerts, those that another one explains below it, silences, and notices "
        "that\n"
        "could not be delivered.\n\n"
        "ack says that somebody has taken an alert on: it is reminded of no more. silence keeps\n"
        "the notices of a check, or of all that a pattern with * and ? means, until the time is\n"
        "over; a changed check stays silenced. Both may be used beside `plumb run`.\n\n"
        "test looks at the stored history with the checks as the flow has them now and says when\n"
        "each would have fired; 3 when one would have. Checks of what tables hold now cannot tell\n"
        "how it was, and are named.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 3,
    .run = alerts_run,
};
