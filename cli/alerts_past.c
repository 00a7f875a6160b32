/* `plumb alerts test`: the checks of the flow over what the store knows of its past. */
#include "base/clock.h"
#include "cli/alerts.h"
#include "watch/watch.h"

static const struct fact_column columns[] = {{"check", "check", FACT_TEXT},
                                             {"severity", "severity", FACT_TEXT},
                                             {"from", "from", FACT_TEXT},
                                             {"to", "to", FACT_TEXT},
                                             {"value", "value", FACT_TEXT}};

static void add_time(struct facts *f, int64_t us) {
    char text[CLOCK_TEXT_BYTES];
    if (us == 0) {
        facts_null(f);
        return;
    }
    clock_format_us(us / 1000000 * 1000000, text);
    facts_c(f, text);
}

static void collect(const struct flow *flow, const struct watch_history *h, struct facts *out) {
    for (size_t i = 0; i < h->count; i++) {
        const struct watch_episode *e = &h->episodes[i];
        facts_c(out, flow->checks[e->check].name);
        facts_style(out, STYLE_STRONG);
        facts_c(out, e->level == LEVEL_ERROR ? "error" : "warn");
        add_time(out, e->from_us);
        add_time(out, e->to_us);
        facts_c(out, e->value_text);
    }
    alerts_style(out, 1);
}

static size_t times_of(const struct watch_history *h, size_t check) {
    size_t count = 0;
    for (size_t i = 0; i < h->count; i++) {
        count += h->episodes[i].check == check;
    }
    return count;
}

static void print_check(const struct flow *flow, const struct watch_history *h, size_t check,
                        struct output *o) {
    const struct flow_check *c = &flow->checks[check];
    const size_t times = times_of(h, check);
    output_add(o, "  ");
    output_styled(o, STYLE_STRONG, "%s", c->name);
    if (!check_kinds[c->kind].in_history) {
        output_styled(o, STYLE_DIM, " cannot tell: %s looks at what is there now\n",
                      check_kinds[c->kind].name);
    } else if (times == 0) {
        output_styled(o, STYLE_GOOD, " would not have fired\n");
    } else {
        output_styled(o, STYLE_WARN, " would have fired %zu time%s\n", times,
                      times == 1 ? "" : "s");
    }
}

static int print_text(const struct flow *flow, const struct watch_history *h,
                      const struct flow_check *only, int code) {
    AUTO_OUTPUT o;
    output_init(&o);
    AUTO_FACTS episodes = FACTS_INIT(columns);
    collect(flow, h, &episodes);
    char from[CLOCK_TEXT_BYTES];
    char to[CLOCK_TEXT_BYTES];
    char step[CHECK_VALUE_BYTES];
    clock_format_us(h->from_us / 1000000 * 1000000, from);
    clock_format_us(h->to_us / 1000000 * 1000000, to);
    check_value_text(UNIT_TIME, (double)h->step_us, step);
    output_styled(&o, STYLE_STRONG, "%s", flow->name);
    output_add(&o, "  %s to %s, a look every %s\n", from, to, step);
    for (size_t i = 0; i < flow->check_count; i++) {
        if (only == NULL || only == &flow->checks[i]) {
            print_check(flow, h, i, &o);
        }
    }
    if (facts_rows(&episodes) > 0) {
        output_add(&o, "\n");
        facts_show(&episodes, &o, FACTS_ROWS_MAX);
    }
    return output_flush(&o, code);
}

static int print_json(const struct flow *flow, const struct watch_history *h,
                      const struct flow_check *only, int code) {
    AUTO_FACTS episodes = FACTS_INIT(columns);
    collect(flow, h, &episodes);
    char text[CLOCK_TEXT_BYTES];
    struct json_output o;
    json_output_begin(&o);
    json_begin_object(&o.json);
    clock_format_us(h->from_us, text);
    json_kv_c(&o.json, "from", text);
    clock_format_us(h->to_us, text);
    json_kv_c(&o.json, "to", text);
    json_kv_i64(&o.json, "step_us", h->step_us);
    json_key(&o.json, "checks");
    json_begin_array(&o.json);
    for (size_t i = 0; i < flow->check_count; i++) {
        const struct flow_check *c = &flow->checks[i];
        if (only != NULL && only != c) {
            continue;
        }
        json_begin_object(&o.json);
        json_kv_c(&o.json, "check", c->name);
        json_kv_bool(&o.json, "can_tell", check_kinds[c->kind].in_history);
        json_kv_i64(&o.json, "times", (int64_t)times_of(h, i));
        json_end_object(&o.json);
    }
    json_end_array(&o.json);
    json_key(&o.json, "episodes");
    facts_json(&episodes, &o.json);
    json_end_object(&o.json);
    return json_output_end(&o, code);
}

int alerts_test_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    struct watch_history h = {0};
    if (call->argument_count < 2 ||
        invocation_time(call, "to", clock_now_us(), &h.to_us, &err) != ERR_NONE ||
        invocation_time(call, "from", 0, &h.from_us, &err) != ERR_NONE) {
        if (err.code == ERR_NONE) {
            err_set(&err, ERR_CONFIG, "say of which flow");
        }
        return command_misused(call, &err);
    }
    AUTO_OPENED opened = {.flow = NULL};
    if (opened_open(&opened, call, call->arguments[1], STORE_READ, &err) != ERR_NONE) {
        return command_failed(&err);
    }
    const char *name = call->argument_count > 2 ? call->arguments[2] : NULL;
    const struct flow_check *only = name != NULL ? flow_find_check(opened.flow, name) : NULL;
    if (name != NULL && only == NULL) {
        err_set(&err, ERR_CONFIG, "the flow has no check '%s'", name);
        return command_misused(call, &err);
    }
    if (watch_replay(opened.flow, opened.store, only, &h, &err) != ERR_NONE) {
        watch_history_release(&h);
        return command_failed(&err);
    }
    const int code = h.count > 0 ? EXIT_FINDINGS : EXIT_DONE;
    const int printed = invocation_has(call, "json") ? print_json(opened.flow, &h, only, code)
                                                     : print_text(opened.flow, &h, only, code);
    watch_history_release(&h);
    return printed;
}
