/* Checks in words: values with their units, the JSON Schema of `checks:`, and its reference page,
 * all from the tables of check_kinds.c. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "component/describe.h"
#include "flow/checks.h"

/* The two largest units that say something. */
static void time_text(int64_t us, char out[CHECK_VALUE_BYTES]) {
    static const struct {
        int64_t us;
        const char *name;
    } units[] = {{86400000000, "d"}, {3600000000, "h"}, {60000000, "m"}, {1000000, "s"}};
    if (us < 1000000) {
        (void)snprintf(out, CHECK_VALUE_BYTES, "%" PRId64 " ms", us / 1000);
        return;
    }
    size_t i = 0;
    while (us < units[i].us) {
        i++;
    }
    const int64_t rest = us % units[i].us;
    const bool has_rest = i + 1 < ARRAY_COUNT(units) && rest >= units[i + 1].us;
    if (has_rest) {
        (void)snprintf(out, CHECK_VALUE_BYTES, "%" PRId64 " %s %" PRId64 " %s", us / units[i].us,
                       units[i].name, rest / units[i + 1].us, units[i + 1].name);
    } else {
        (void)snprintf(out, CHECK_VALUE_BYTES, "%" PRId64 " %s", us / units[i].us, units[i].name);
    }
}

void check_value_text(enum check_unit unit, double value, char out[CHECK_VALUE_BYTES]) {
    if (isnan(value) || isinf(value)) {
        (void)snprintf(out, CHECK_VALUE_BYTES, "?");
        return;
    }
    switch (unit) {
    case UNIT_SHARE:
        (void)snprintf(out, CHECK_VALUE_BYTES, "%.3g %%", value * 100);
        return;
    case UNIT_TIME:
        time_text(value < 0 ? 0 : (int64_t)value, out);
        return;
    case UNIT_COUNT:
        (void)snprintf(out, CHECK_VALUE_BYTES, "%.15g", value);
        return;
    case UNIT_SCORE:
        (void)snprintf(out, CHECK_VALUE_BYTES, fabs(value) < 100 ? "%.2g" : "%.4g", value);
        return;
    }
}

void check_describe(const struct flow_check *c, struct buf *out) {
    if (c->conf.description != NULL) {
        buf_adds(out, c->conf.description);
        return;
    }
    const struct check_kind_facts *k = &check_kinds[c->kind];
    buf_addf(out, "%s%s%s", k->name, c->subject[0] != '\0' ? " of " : "", c->subject);
}

/* ---- JSON Schema ---- */

static void add_subject(struct json_writer *w, const struct check_kind_facts *k) {
    json_key(w, k->name);
    json_begin_object(w);
    char *doc = mem_printf("%s %s: %s.", k->summary, k->name, k->subject);
    json_kv_c(w, "description", doc);
    mem_free(doc);
    json_kv_c(w, "type", "string");
    json_kv_i64(w, "minLength", 1);
    json_end_object(w);
}

static void add_kind(struct json_writer *w, const struct check_kind_facts *k) {
    json_begin_object(w);
    json_kv_c(w, "title", k->name);
    json_kv_c(w, "description", k->doc);
    json_kv_c(w, "type", "object");
    json_kv_bool(w, "additionalProperties", false);
    json_key(w, "required");
    json_begin_array(w);
    json_c(w, k->name);
    json_end_array(w);
    json_key(w, "properties");
    json_begin_object(w);
    add_subject(w, k);
    options_json_schema(k->options, k->option_count, w);
    json_end_object(w);
    json_end_object(w);
}

void checks_json_schema(struct json_writer *w) {
    json_begin_object(w);
    json_kv_c(w, "description", "What must hold, and from when on it is worth an alert.");
    json_kv_c(w, "type", "object");
    json_key(w, "properties");
    json_begin_object(w);
    json_key(w, "every");
    json_begin_object(w);
    json_kv_c(w, "description", "How often checks are looked at; or a check of that name.");
    json_key(w, "type");
    json_begin_array(w);
    json_c(w, "string");
    json_c(w, "object");
    json_end_array(w);
    json_kv_c(w, "default", "10s");
    json_end_object(w);
    json_end_object(w);
    json_key(w, "additionalProperties");
    json_begin_object(w);
    json_key(w, "oneOf");
    json_begin_array(w);
    for (size_t i = 0; i < CHECK_KINDS; i++) {
        add_kind(w, &check_kinds[i]);
    }
    json_end_array(w);
    json_end_object(w);
    json_end_object(w);
}

/* ---- the reference ---- */

static const char *unit_words(enum check_unit unit) {
    switch (unit) {
    case UNIT_SHARE:
        return "a share, such as `1%`";
    case UNIT_TIME:
        return "a time, such as `10s`";
    case UNIT_COUNT:
        return "a number";
    case UNIT_SCORE:
        return "typical deviations";
    }
    return "";
}

static void add_page_kind(const struct check_kind_facts *k, struct buf *out) {
    buf_addf(out, "\n## %s\n\n%s %s\n\n", k->name, k->summary, k->doc);
    buf_addf(out, "It names %s. Its value is %s%s%s%s. %s\n\n", k->subject, unit_words(k->unit),
             k->limit != NULL ? "; without a limit, more than " : "; a limit must be given",
             k->limit != NULL ? k->limit : "", k->limit != NULL ? " is bad" : "",
             k->in_history ? "`plumb alerts test` can tell what it would have done."
                           : "It looks at what is there now, so that `plumb alerts test` cannot "
                             "tell how it was.");
    buf_addf(out, "```yaml\n%s\n```\n\n", k->example);
    options_reference_rows(k->options, k->option_count, out);
}

void checks_reference(struct buf *out) {
    buf_adds(out,
             "<!-- Generated by `plumb docs` from the tables of checks. -->\n# Checks\n\n"
             "What stands under `checks:` in a flow file; docs/checks.md tells how they are judged "
             "and what becomes of alerts.\n\n| kind | |\n| --- | --- |\n");
    for (size_t i = 0; i < CHECK_KINDS; i++) {
        buf_addf(out, "| [%s](#%s) | %s |\n", check_kinds[i].name, check_kinds[i].name,
                 check_kinds[i].summary);
    }
    for (size_t i = 0; i < CHECK_KINDS; i++) {
        add_page_kind(&check_kinds[i], out);
    }
}
