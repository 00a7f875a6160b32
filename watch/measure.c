/* How it works: one function a kind, each a query or two. What a function cannot tell becomes
 * MEASURED_UNKNOWN here, once, so that no kind can forget it: an error of the store, a NULL where a
 * number is needed, SQL that ran into its time limit. */
#include "watch/measure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

void measurement_init(struct measurement *m) {
    *m = (struct measurement){.what = MEASURED_UNKNOWN, .value = (double)NAN};
    buf_init(&m->memory, BUF_TEXT_MAX);
}

void measurement_release(struct measurement *m) {
    buf_release(&m->memory);
}

static void bind_query(struct store_statement *st, const struct measure_query *q) {
    int at = 1;
    if (q->name != NULL) {
        store_bind_str(st, at++, str_of(q->name));
    }
    for (int i = 0; i < q->number_count; i++) {
        store_bind_i64(st, at++, q->numbers[i]);
    }
}

enum err_code measure_row(struct store *s, const struct measure_query *q, double *out, int count,
                          struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(s, q->sql, &st, err);
    bool has_row = false;
    if (code == ERR_NONE) {
        bind_query(st, q);
        code = store_step(st, &has_row, err);
    }
    for (int i = 0; i < count && code == ERR_NONE; i++) {
        const bool is_null = !has_row || store_column_is_null(st, i);
        out[i] = is_null ? (double)NAN : store_column_f64(st, i);
    }
    store_statement_free(st);
    return code;
}

void measure_value(struct measurement *m, enum check_unit unit, double value) {
    m->what = isnan(value) ? MEASURED_UNKNOWN : MEASURED_VALUE;
    m->value = value;
    check_value_text(unit, value, m->value_text);
}

void measure_say(struct measurement *m, enum measured what, const char *fmt, ...) {
    m->what = what;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(m->message, sizeof(m->message), fmt, args);
    va_end(args);
}

void measure_tell(struct measurement *m, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(m->message, sizeof(m->message), fmt, args);
    va_end(args);
}

void measure_share(const struct measure_input *in, struct measurement *m, double part,
                   double whole) {
    if (isnan(whole) || whole < (double)in->check->conf.min_rows) {
        measure_say(m, MEASURED_NOTHING, "%.0f rows in that time, too few to tell",
                    isnan(whole) ? 0 : whole);
        return;
    }
    const double share = isnan(part) ? 0 : part / whole;
    measure_value(m, UNIT_SHARE, share > 1 ? 1 : share);
    measure_tell(m, "%.15g of %.15g", isnan(part) ? 0 : part, whole);
}

static const measure_fn kinds[CHECK_KINDS] = {
    [CHECK_HEARTBEAT] = measure_heartbeat,
    [CHECK_LATENCY] = measure_latency,
    [CHECK_ERRORS] = measure_errors,
    [CHECK_REJECTS] = measure_rejects,
    [CHECK_DUPLICATES] = measure_duplicates,
    [CHECK_ROWS] = measure_rows,
    [CHECK_NULLS] = measure_nulls,
    [CHECK_RANGE] = measure_range,
    [CHECK_UNIQUE] = measure_unique,
    [CHECK_FRESHNESS] = measure_freshness,
    [CHECK_GAP] = measure_gap,
    [CHECK_SCHEMA_CHANGE] = measure_schema_change,
    [CHECK_HTTP_STATUS] = measure_http_status,
    [CHECK_VOLUME] = measure_volume,
    [CHECK_SQL] = measure_sql,
};

void measure(const struct measure_input *in, struct measurement *out) {
    struct err err = ERR_INIT;
    measurement_init(out);
    store_deadline(in->store, clock_monotonic_us() + WATCH_CHECK_US_MAX);
    const enum err_code code = kinds[in->check->kind](in, out, &err);
    store_deadline(in->store, 0);
    if (code == ERR_CANCELLED) {
        measure_say(out, MEASURED_UNKNOWN, "cannot tell: it takes longer than %d s",
                    (int)(WATCH_CHECK_US_MAX / 1000000));
    } else if (code != ERR_NONE) {
        measure_say(out, MEASURED_UNKNOWN, "cannot tell: %.300s", err.message);
    } else if (out->what == MEASURED_UNKNOWN && out->message[0] == '\0') {
        measure_say(out, MEASURED_UNKNOWN, "cannot tell: there is no value");
    }
    if (out->what != MEASURED_VALUE) {
        out->value = (double)NAN;
        out->value_text[0] = '\0';
    }
}
