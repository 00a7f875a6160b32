/* Kinds about sources and transforms, from batches, ledger, marks and troubles.
 *
 * Batches are numbered in the order they were staged, so a look at the last hour begins at the newest
 * and stops at the first that is older: LOW is that one's number, 0 if there is none. */
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "watch/measure.h"

#define LOW                                                                                        \
    "coalesce((SELECT k.id FROM _plumb_batches k WHERE k.staged_us <= ?2 ORDER BY k.id DESC "      \
    "LIMIT "                                                                                       \
    "1), 0)"
#define OF_SOURCE                                                                                  \
    "FROM _plumb_batches b JOIN _plumb_partitions p ON p.id = b.partition WHERE p.source = ?1 "
#define IN_WINDOW OF_SOURCE "AND b.id > " LOW " AND b.staged_us <= ?3 "
#define OF_MAP                                                                                     \
    "FROM _plumb_ledger l JOIN _plumb_batches b ON b.id = l.batch WHERE l.transform = ?1 AND "     \
    "l.batch > " LOW " AND b.staged_us <= ?3 "

static struct measure_query window(const struct measure_input *in, const char *sql,
                                   const char *name) {
    return (struct measure_query){.sql = sql,
                                  .name = name,
                                  .numbers = {in->now_us - in->check->conf.over_us, in->now_us},
                                  .number_count = 2};
}

static void ago(int64_t us, char out[CHECK_VALUE_BYTES]) {
    check_value_text(UNIT_TIME, (double)us, out);
}

/* ---- heartbeat ---- */

/* The oldest batch that a map of the source has not applied; 0: there is none. */
static enum err_code oldest_waiting(const struct measure_input *in,
                                    const struct flow_source *source,
                                    const struct flow_transform *only, int64_t *out,
                                    struct err *err) {
    static const char by_mark[] =
        "SELECT min(b.staged_us) FROM _plumb_partitions p LEFT JOIN _plumb_marks m ON m.partition "
        "= p.id AND m.transform = ?1 JOIN _plumb_batches b ON b.partition = p.id AND b.seq > "
        "coalesce(m.seq, 0) WHERE p.source = ?2";
    static const char by_ledger[] =
        "SELECT min(b.staged_us) FROM _plumb_batches b JOIN _plumb_partitions p ON p.id = "
        "b.partition WHERE p.source = ?2 AND b.staged_us <= ?3 AND NOT EXISTS (SELECT 1 FROM "
        "_plumb_ledger l WHERE l.batch = b.id AND l.transform = ?1 AND l.applied_us <= ?3)";
    *out = 0;
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < in->flow->transform_count; i++) {
        const struct flow_transform *t = &in->flow->transforms[i];
        if (t->source != source || (only != NULL && t != only)) {
            continue;
        }
        struct store_statement *st = NULL;
        bool has_row = false;
        code = store_prepare(in->store, in->in_past ? by_ledger : by_mark, &st, err);
        if (code == ERR_NONE) {
            store_bind_str(st, 1, str_of(t->name));
            store_bind_str(st, 2, str_of(source->name));
            if (in->in_past) {
                store_bind_i64(st, 3, in->now_us);
            }
            code = store_step(st, &has_row, err);
        }
        if (code == ERR_NONE && has_row && !store_column_is_null(st, 0)) {
            const int64_t staged = store_column_i64(st, 0);
            *out = *out == 0 || staged < *out ? staged : *out;
        }
        store_statement_free(st);
    }
    return code;
}

static enum err_code last_batch(const struct measure_input *in, double *out, struct err *err) {
    static const char of_source[] =
        "SELECT b.staged_us " OF_SOURCE
        "AND b.records > 0 AND b.staged_us <= ?2 ORDER BY b.id DESC LIMIT 1";
    struct measure_query q = {.sql = of_source,
                              .name = in->check->source->name,
                              .numbers = {in->now_us},
                              .number_count = 1};
    if (in->check->stream == NULL) {
        return measure_row(in->store, &q, out, 1, err);
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(
        &sql,
        "SELECT b.staged_us FROM _plumb_streams t JOIN _plumb_batches b ON b.id = t.batch JOIN "
        "_plumb_partitions p ON p.id = b.partition WHERE p.source = ?1 AND t.stream = '%s' "
        "AND t.records > 0 AND b.staged_us <= ?2 ORDER BY b.id DESC LIMIT 1",
        in->check->stream->name);
    q.sql = buf_c(&sql);
    return measure_row(in->store, &q, out, 1, err);
}

enum err_code measure_heartbeat(const struct measure_input *in, struct measurement *m,
                                struct err *err) {
    double last = 0;
    enum err_code code = last_batch(in, &last, err);
    int64_t waiting = 0;
    const int64_t runtime = in->check->conf.max_runtime_us;
    if (code == ERR_NONE && runtime > 0) {
        code = oldest_waiting(in, in->check->source, NULL, &waiting, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    const bool ever = !isnan(last);
    char time[CHECK_VALUE_BYTES];
    const int64_t since = in->now_us - (ever ? (int64_t)last : in->first_us);
    measure_value(m, UNIT_TIME, (double)since);
    ago(since, time);
    if (ever) {
        measure_tell(m, "the last records came %s ago", time);
    } else {
        measure_tell(m, "nothing ever came, for %s", time);
    }
    if (waiting > 0 && in->now_us - waiting > runtime) {
        m->is_wrong = true;
        m->wrong = in->check->severity;
        ago(in->now_us - waiting, time);
        measure_tell(m, "too long running: a batch is not in all tables after %s", time);
    }
    return ERR_NONE;
}

/* ---- latency ---- */

/* The percentile by nearest rank over sql's one column, which counts rows as its first statement. */
static enum err_code percentile(const struct measure_input *in, const char *name, const char *value,
                                const char *from, double *out, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "SELECT count(*) %s", from);
    struct measure_query q = window(in, buf_c(&sql), name);
    double count = 0;
    enum err_code code = measure_row(in->store, &q, &count, 1, err);
    if (code != ERR_NONE || count < 1) {
        *out = (double)NAN;
        return code;
    }
    const int64_t rank = ((int64_t)count * in->check->conf.percentile + 99) / 100;
    buf_clear(&sql);
    buf_addf(&sql, "SELECT %s %s ORDER BY 1 LIMIT 1 OFFSET %lld", value, from,
             (long long)(rank - 1));
    q.sql = buf_c(&sql);
    return measure_row(in->store, &q, out, 1, err);
}

static enum err_code latency_extract(const struct measure_input *in, double *value, int64_t *waits,
                                     struct err *err) {
    enum err_code code =
        percentile(in, in->check->source->name, "b.staged_us - e.asked_us",
                   "FROM _plumb_batches b JOIN _plumb_partitions p ON p.id = b.partition JOIN "
                   "_plumb_extractions e ON e.batch = b.id WHERE p.source = ?1 AND b.id > " LOW
                   " AND b.staged_us <= ?3",
                   value, err);
    double since = (double)NAN;
    if (code == ERR_NONE && !in->in_past) {
        const struct measure_query q = {
            .sql = "SELECT min(since_us) FROM _plumb_troubles WHERE source = ?1",
            .name = in->check->source->name};
        code = measure_row(in->store, &q, &since, 1, err);
    }
    *waits = isnan(since) ? 0 : (int64_t)since;
    return code;
}

static enum err_code latency_load(const struct measure_input *in, double *value, int64_t *waits,
                                  struct err *err) {
    const struct flow_check *c = in->check;
    const struct flow_source *source = c->source != NULL ? c->source : c->transform->source;
    enum err_code code = c->transform != NULL
                             ? percentile(in, c->transform->name, "l.applied_us - b.staged_us",
                                          OF_MAP "AND l.applied_us <= ?3", value, err)
                             : percentile(in, source->name, "l.applied_us - b.staged_us",
                                          "FROM _plumb_batches b JOIN _plumb_partitions p ON p.id "
                                          "= b.partition JOIN _plumb_ledger l ON l.batch = b.id "
                                          "WHERE p.source = ?1 AND b.id > " LOW
                                          " AND b.staged_us <= ?3 AND l.applied_us <= ?3",
                                          value, err);
    return code == ERR_NONE ? oldest_waiting(in, source, c->transform, waits, err) : code;
}

enum err_code measure_latency(const struct measure_input *in, struct measurement *m,
                              struct err *err) {
    double value = (double)NAN;
    int64_t waits = 0;
    const bool extract = in->check->conf.stage == STAGE_EXTRACT;
    enum err_code code =
        extract ? latency_extract(in, &value, &waits, err) : latency_load(in, &value, &waits, err);
    if (code != ERR_NONE) {
        return code;
    }
    const double waiting = waits > 0 ? (double)(in->now_us - waits) : (double)NAN;
    char text[CHECK_VALUE_BYTES];
    if (isnan(value) && isnan(waiting)) {
        measure_say(m, MEASURED_NOTHING, "no batch in that time, and none waits");
        return ERR_NONE;
    }
    if (!isnan(waiting) && !(waiting <= value)) {
        measure_value(m, UNIT_TIME, waiting);
        check_value_text(UNIT_TIME, waiting, text);
        measure_tell(m, "%s for %s",
                     extract ? "the source has been in trouble"
                             : "a batch has been waiting for its map",
                     text);
        return ERR_NONE;
    }
    measure_value(m, UNIT_TIME, value);
    check_value_text(UNIT_TIME, value, text);
    measure_tell(m, "%lld %% of batches took at most %s", (long long)in->check->conf.percentile,
                 text);
    return ERR_NONE;
}

/* ---- errors ---- */

static enum err_code source_errors(const struct measure_input *in, struct measurement *m,
                                   struct err *err) {
    static const char sql[] =
        "SELECT (SELECT count(*) FROM _plumb_troubles WHERE source = ?1), (SELECT count(*) FROM "
        "_plumb_troubles WHERE source = ?1 AND partition = ''), (SELECT count(*) FROM "
        "_plumb_partitions WHERE source = ?1)";
    double n[3] = {0};
    const struct measure_query q = {.sql = sql, .name = in->check->source->name};
    const enum err_code code = measure_row(in->store, &q, n, 3, err);
    if (code != ERR_NONE) {
        return code;
    }
    const double whole = n[2] > n[0] ? n[2] : n[0];
    measure_value(m, UNIT_SHARE, n[1] > 0 ? 1 : whole > 0 ? n[0] / whole : 0);
    if (n[0] > 0) {
        measure_tell(m,
                     n[1] > 0 ? "the source as a whole is in trouble"
                              : "%.0f of %.0f partitions are in trouble",
                     n[0], whole);
    } else {
        measure_tell(m, "no trouble");
    }
    return ERR_NONE;
}

/* Whether it waits as a whole, and why. */
static enum err_code transform_waits(const struct measure_input *in, struct measurement *m,
                                     bool *waits, struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = false;
    enum err_code code = store_prepare(
        in->store, "SELECT message FROM _plumb_transforms WHERE name = ?1 AND attempts > 0", &st,
        err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(in->check->transform->name));
        code = store_step(st, &has_row, err);
    }
    *waits = code == ERR_NONE && has_row;
    if (*waits) {
        const struct str why = store_column_str(st, 0);
        measure_value(m, UNIT_SHARE, 1);
        measure_tell(m, "it waits with its input kept: %.*s", why.len > 300 ? 300 : (int)why.len,
                     why.ptr != NULL ? why.ptr : "");
    }
    store_statement_free(st);
    return code;
}

static enum err_code failed_keys(const struct measure_input *in, struct measurement *m,
                                 struct err *err) {
    const struct flow_transform *t = in->check->transform;
    double n[2] = {0};
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql,
             "SELECT (SELECT count(*) FROM \"_plumb_q_%s\" WHERE _failed > 0), (SELECT count(*) "
             "FROM \"%s\")",
             t->name, t->into->name);
    const struct measure_query q = {.sql = buf_c(&sql)};
    const enum err_code code = measure_row(in->store, &q, n, 2, err);
    if (code != ERR_NONE) {
        return code;
    }
    const double whole = n[0] + n[1];
    measure_value(m, UNIT_SHARE, whole > 0 ? n[0] / whole : 0);
    measure_tell(m, "%.0f of %.0f keys failed", n[0], whole);
    return ERR_NONE;
}

enum err_code measure_errors(const struct measure_input *in, struct measurement *m,
                             struct err *err) {
    if (in->check->source != NULL) {
        return source_errors(in, m, err);
    }
    bool waits = false;
    enum err_code code = transform_waits(in, m, &waits, err);
    if (code != ERR_NONE || waits) {
        return code;
    }
    if (in->check->transform->kind == TRANSFORM_DERIVE) {
        return failed_keys(in, m, err);
    }
    measure_value(m, UNIT_SHARE, 0);
    measure_tell(m, "it works");
    return ERR_NONE;
}

/* ---- shares of rows ---- */

enum err_code measure_rejects(const struct measure_input *in, struct measurement *m,
                              struct err *err) {
    double n[2] = {0};
    struct measure_query q =
        in->check->source != NULL
            ? window(in,
                     "SELECT sum(b.rejected + coalesce((SELECT sum(l.rejected) FROM _plumb_ledger "
                     "l WHERE l.batch = b.id), 0)), sum(b.records) " IN_WINDOW,
                     in->check->source->name)
            : window(in, "SELECT sum(l.rejected), sum(l.rows_in) " OF_MAP,
                     in->check->transform->name);
    const enum err_code code = measure_row(in->store, &q, n, 2, err);
    if (code == ERR_NONE) {
        measure_share(in, m, n[0], n[1]);
    }
    return code;
}

enum err_code measure_duplicates(const struct measure_input *in, struct measurement *m,
                                 struct err *err) {
    double n[2] = {0};
    const struct measure_query q =
        window(in, "SELECT sum(l.unchanged + l.superseded), sum(l.rows_out) " OF_MAP,
               in->check->transform->name);
    const enum err_code code = measure_row(in->store, &q, n, 2, err);
    if (code == ERR_NONE) {
        measure_share(in, m, n[0], n[1]);
    }
    return code;
}

/* Records of the window and those of them that a map let through. */
static enum err_code map_rows(const struct measure_input *in, const struct flow_transform *t,
                              double n[2], struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    const bool streams = t->source->stream_count > 1 || t->stream->name[0] != '\0';
    buf_addf(&sql,
             "SELECT sum(%s), sum(coalesce(l.records_out + l.filtered, 0)) FROM _plumb_batches b "
             "JOIN _plumb_partitions p ON p.id = b.partition %s%s%s LEFT JOIN _plumb_ledger l ON "
             "l.batch = b.id AND l.transform = ?1 AND l.applied_us <= ?4 WHERE p.source = '%s' AND "
             "b.id > " LOW " AND b.staged_us <= ?3",
             streams ? "t.records" : "b.records",
             streams ? "JOIN _plumb_streams t ON t.batch = b.id AND t.stream = '" : "",
             streams ? t->stream->name : "", streams ? "'" : "", t->source->name);
    struct measure_query q = window(in, buf_c(&sql), t->name);
    q.numbers[1] = in->now_us - in->check->conf.grace_us;
    q.numbers[2] = in->now_us;
    q.number_count = 3;
    return measure_row(in->store, &q, n, 2, err);
}

enum err_code measure_rows(const struct measure_input *in, struct measurement *m, struct err *err) {
    const struct flow_check *c = in->check;
    double worst[2] = {(double)NAN, (double)NAN};
    const char *name = "";
    for (size_t i = 0; i < in->flow->transform_count; i++) {
        const struct flow_transform *t = &in->flow->transforms[i];
        if (t->source == NULL || (c->source != NULL ? t->source != c->source : t != c->transform)) {
            continue;
        }
        double n[2] = {0};
        const enum err_code code = map_rows(in, t, n, err);
        if (code != ERR_NONE) {
            return code;
        }
        const bool is_worse =
            !isnan(n[0]) && (isnan(worst[0]) || n[1] * worst[0] < worst[1] * n[0]);
        if (is_worse) {
            worst[0] = n[0];
            worst[1] = n[1];
            name = t->name;
        }
    }
    measure_share(in, m, worst[0] - worst[1], worst[0]);
    if (m->what == MEASURED_VALUE) {
        measure_tell(m, "%.0f of %.0f records came through '%s'", worst[1], worst[0], name);
    }
    return ERR_NONE;
}
