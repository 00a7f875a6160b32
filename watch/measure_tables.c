/* Kinds about what tables hold now: nulls, range, unique, freshness, and a SELECT of the flow's. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "watch/measure.h"

static const char *column_of(const struct flow_check *c) {
    return c->table->schema.columns[c->columns[0]].name;
}

enum err_code measure_nulls(const struct measure_input *in, struct measurement *m,
                            struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "SELECT count(*) - count(\"%s\"), count(*) FROM \"%s\"", column_of(in->check),
             in->check->table->name);
    double n[2] = {0};
    const struct measure_query q = {.sql = buf_c(&sql)};
    const enum err_code code = measure_row(in->store, &q, n, 2, err);
    if (code == ERR_NONE) {
        measure_share(in, m, n[0], n[1]);
    }
    return code;
}

enum err_code measure_range(const struct measure_input *in, struct measurement *m,
                            struct err *err) {
    const struct flow_check *c = in->check;
    const char *column = column_of(c);
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "SELECT count(*) FROM \"%s\" WHERE ", c->table->name);
    if (c->low_sql != NULL) {
        buf_addf(&sql, "\"%s\" < %s", column, c->low_sql);
    }
    if (c->high_sql != NULL) {
        buf_addf(&sql, "%s\"%s\" > %s", c->low_sql != NULL ? " OR " : "", column, c->high_sql);
    }
    double count = 0;
    const struct measure_query q = {.sql = buf_c(&sql)};
    const enum err_code code = measure_row(in->store, &q, &count, 1, err);
    if (code == ERR_NONE) {
        measure_value(m, UNIT_COUNT, count);
        measure_tell(m,
                     count > 1   ? "%.0f rows are outside"
                     : count > 0 ? "%.0f row is outside"
                                 : "all rows are inside",
                     count);
    }
    return code;
}

enum err_code measure_unique(const struct measure_input *in, struct measurement *m,
                             struct err *err) {
    const struct flow_check *c = in->check;
    AUTO_BUF columns = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "SELECT count(*), max(n) FROM (SELECT count(*) AS n FROM \"%s\" WHERE ",
             c->table->name);
    for (size_t i = 0; i < c->column_count; i++) {
        const char *name = c->table->schema.columns[c->columns[i]].name;
        buf_addf(&columns, "%s\"%s\"", i > 0 ? ", " : "", name);
        buf_addf(&sql, "%s\"%s\" IS NOT NULL", i > 0 ? " AND " : "", name);
    }
    buf_addf(&sql, " GROUP BY %s HAVING count(*) > 1) d", buf_c(&columns));
    double n[2] = {0};
    const struct measure_query q = {.sql = buf_c(&sql)};
    const enum err_code code = measure_row(in->store, &q, n, 2, err);
    if (code != ERR_NONE) {
        return code;
    }
    measure_value(m, UNIT_COUNT, n[0]);
    if (n[0] > 0) {
        measure_tell(m,
                     n[0] > 1 ? "%.0f values more than once, one of them %.0f times"
                              : "%.0f value more than once, %.0f times",
                     n[0], n[1]);
    } else {
        measure_tell(m, "each value once");
    }
    return ERR_NONE;
}

enum err_code measure_freshness(const struct measure_input *in, struct measurement *m,
                                struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "SELECT max(\"%s\"), (SELECT 1 FROM \"%s\" LIMIT 1) FROM \"%s\"",
             column_of(in->check), in->check->table->name, in->check->table->name);
    double n[2] = {0};
    const struct measure_query q = {.sql = buf_c(&sql)};
    const enum err_code code = measure_row(in->store, &q, n, 2, err);
    if (code != ERR_NONE) {
        return code;
    }
    const bool has_rows = !isnan(n[1]);
    if (has_rows && isnan(n[0])) {
        measure_say(m, MEASURED_UNKNOWN, "cannot tell: the column is NULL in every row");
        return ERR_NONE;
    }
    char time[CHECK_VALUE_BYTES];
    const double age = (double)in->now_us - (has_rows ? n[0] : (double)in->first_us);
    check_value_text(UNIT_TIME, age, time);
    measure_value(m, UNIT_TIME, age);
    measure_tell(m, has_rows ? "the newest is %s old" : "no row ever came, for %s", time);
    return ERR_NONE;
}

/* ---- sql ---- */

void measure_sql_text(const struct flow_check *c, int64_t now_us, struct buf *out) {
    static const char word[] = "$now";
    const char *at = c->sql;
    for (const char *found = strstr(at, word); found != NULL; found = strstr(at, word)) {
        buf_addstr(out, (struct str){at, (size_t)(found - at)});
        buf_addf(out, "%" PRId64, now_us);
        at = found + strlen(word);
    }
    buf_adds(out, at);
}

static void show_row(struct store_statement *st, struct buf *out) {
    for (int i = 0; i < store_column_count(st) && out->len < 120; i++) {
        char shown[48];
        str_printable(store_column_str(st, i), shown, sizeof(shown));
        buf_addf(out, "%s%s %s", i > 0 ? ", " : "", store_column_name(st, i),
                 store_column_is_null(st, i) ? "NULL" : shown);
    }
}

static enum err_code count_rows(struct store_statement *st, struct measurement *m,
                                struct err *err) {
    AUTO_BUF first = BUF_INIT(BUF_TEXT_MAX);
    int64_t count = 0;
    bool has_row = true;
    while (has_row && count <= WATCH_OFFENDERS) {
        const enum err_code code = store_step(st, &has_row, err);
        if (code != ERR_NONE) {
            return code;
        }
        if (has_row && count == 0) {
            show_row(st, &first);
        }
        count += has_row;
    }
    measure_value(m, UNIT_COUNT, (double)count);
    if (count > 0) {
        measure_tell(
            m, count == 1 ? "%s%" PRId64 " row: %.200s" : "%s%" PRId64 " rows, such as %.200s",
            count > WATCH_OFFENDERS ? "more than " : "",
            count > WATCH_OFFENDERS ? (int64_t)WATCH_OFFENDERS : count, buf_c(&first));
    } else {
        measure_tell(m, "no such row");
    }
    return ERR_NONE;
}

static enum err_code one_value(struct store_statement *st, struct measurement *m, struct err *err) {
    bool has_row = false;
    bool has_more = false;
    enum err_code code = store_step(st, &has_row, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (!has_row || store_column_is_null(st, 0)) {
        measure_say(m, MEASURED_UNKNOWN, "cannot tell: the SELECT gives %s",
                    has_row ? "NULL" : "no row");
        return ERR_NONE;
    }
    const double value = store_column_f64(st, 0);
    code = store_step(st, &has_more, err);
    if (code == ERR_NONE && has_more) {
        measure_say(m, MEASURED_UNKNOWN,
                    "cannot tell: the SELECT gives several rows; for offending rows write counts: "
                    "rows");
        return ERR_NONE;
    }
    measure_value(m, UNIT_COUNT, value);
    measure_tell(m, "it is %s", m->value_text);
    return code;
}

enum err_code measure_sql(const struct measure_input *in, struct measurement *m, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    measure_sql_text(in->check, in->now_us, &sql);
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(in->store, buf_c(&sql), &st, err);
    if (code == ERR_NONE) {
        code =
            in->check->conf.counts == COUNTS_ROWS ? count_rows(st, m, err) : one_value(st, m, err);
    }
    store_statement_free(st);
    return code;
}
