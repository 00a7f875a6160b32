/* Kinds about a source's history: gaps, changes of its schema, answers by HTTP, volume.
 *
 * Volume: the same hour of past days gives points; from them come the median and the median of their
 * distances to it (MAD), times 1.4826 a deviation as a bell curve's. Left out: the hour that is
 * judged, hours that were flagged before (kept in the check's memory, so that an outage never
 * becomes normal), and hours without a record. The deviation has a floor, a twentieth of the
 * median and one record, as a spread of nothing would make everything a wonder or, worse, NULL. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/parse.h"
#include "watch/measure.h"

#define MAD_TO_DEVIATION 1.4826
#define SPREAD_FLOOR     0.05
#define DAYS_MAX         366
#define DAYS_BACK        4 /* times `days`, for as many that were not flagged */
#define FLAGGED_MAX      ((size_t)DAYS_MAX * 24)

/* ---- gap ---- */

enum err_code measure_gap(const struct measure_input *in, struct measurement *m, struct err *err) {
    static const char sql[] =
        "SELECT count(*), sum(CASE WHEN c.low > c.before + 1 THEN c.low - c.before - 1 ELSE 0 "
        "END), "
        "sum(CASE WHEN c.low > c.before + 1 THEN 1 ELSE 0 END) FROM (SELECT v.low, lag(v.high, 1, "
        "v.low - 1) OVER (PARTITION BY v.partition ORDER BY v.low) AS before FROM _plumb_coverage "
        "v "
        "JOIN _plumb_partitions p ON p.id = v.partition WHERE p.source = ?1) c";
    double n[3] = {0};
    const struct measure_query q = {.sql = sql, .name = in->check->source->name};
    const enum err_code code = measure_row(in->store, &q, n, 3, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (n[0] < 1) {
        measure_say(m, MEASURED_LEARNING, "nothing is covered yet");
        return ERR_NONE;
    }
    measure_value(m, UNIT_COUNT, n[1]);
    measure_tell(m, n[2] > 0 ? "%.0f missing, gaps: %.0f" : "no gap", n[1], n[2]);
    return ERR_NONE;
}

/* ---- schema_change ---- */

enum err_code measure_schema_change(const struct measure_input *in, struct measurement *m,
                                    struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql,
             "SELECT count(*) FROM _plumb_schema_events e JOIN _plumb_batches b ON b.id = e.batch "
             "WHERE e.source = ?1 AND e.at_us > ?2 AND e.at_us <= ?3 AND b.seq > 1");
    const struct option_list *events = &in->check->conf.events;
    for (size_t i = 0; i < events->count; i++) { /* known words only, see flow/check_subjects.c */
        buf_addf(&sql, "%s'%s'", i == 0 ? " AND e.event IN (" : ", ", events->items[i]);
    }
    buf_adds(&sql, events->count > 0 ? ")" : "");
    double count = 0;
    const struct measure_query q = {.sql = buf_c(&sql),
                                    .name = in->check->source->name,
                                    .numbers = {in->now_us - in->check->conf.over_us, in->now_us},
                                    .number_count = 2};
    const enum err_code code = measure_row(in->store, &q, &count, 1, err);
    if (code == ERR_NONE) {
        measure_value(m, UNIT_COUNT, count);
        measure_tell(m,
                     count > 1   ? "%.0f changes of fields"
                     : count > 0 ? "%.0f change of fields"
                                 : "the fields are as they were",
                     count);
    }
    return code;
}

/* ---- http_status ---- */

enum err_code measure_http_status(const struct measure_input *in, struct measurement *m,
                                  struct err *err) {
    static const char *const which[] = {[ANSWERS_4XX] = "'4xx', '429'",
                                        [ANSWERS_429] = "'429'",
                                        [ANSWERS_5XX] = "'5xx'",
                                        [ANSWERS_NONE] = "'none'",
                                        [ANSWERS_BAD] = "'4xx', '429', '5xx', 'none'"};
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(
        &sql,
        "SELECT sum(CASE WHEN h.status IN (%s) THEN h.answers ELSE 0 END), sum(h.answers) FROM "
        "_plumb_http h WHERE h.source = ?1 AND h.at_us > ?2 AND h.at_us <= ?3",
        which[in->check->conf.answers]);
    double n[2] = {0};
    const struct measure_query q = {.sql = buf_c(&sql),
                                    .name = in->check->source->name,
                                    .numbers = {in->now_us - in->check->conf.over_us, in->now_us},
                                    .number_count = 2};
    const enum err_code code = measure_row(in->store, &q, n, 2, err);
    if (code == ERR_NONE) {
        measure_share(in, m, n[0], n[1]);
    }
    return code;
}

/* ---- volume ---- */

struct volume {
    int64_t hour;  /* the one that is judged, in hours since 1970 */
    double count;  /* its records */
    int64_t first; /* hour of the source's first batch */
    double points[DAYS_MAX];
    size_t point_count;
    int64_t flagged[FLAGGED_MAX];
    size_t flagged_count;
};

static int by_size(const void *a, const void *b) {
    double x = 0;
    double y = 0;
    x = *(const double *)a;
    y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof(*values), by_size);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void recall(struct volume *v, struct str memory, int64_t oldest) {
    struct arena arena;
    struct err ignored = ERR_INIT;
    const struct json_value *root = NULL;
    arena_init(&arena, (size_t)4 << 20);
    if (memory.len > 0 && json_parse(memory, &arena, &root, &ignored) == ERR_NONE) {
        const struct json_value *list = json_get(root, "flagged");
        const struct json_value *item = list != NULL ? list->first : NULL;
        for (; item != NULL && v->flagged_count < FLAGGED_MAX; item = item->next) {
            int64_t hour = 0;
            if (parse_i64(item->text, &hour) && hour >= oldest) {
                v->flagged[v->flagged_count++] = hour;
            }
        }
    }
    arena_release(&arena);
}

static bool is_flagged(const struct volume *v, int64_t hour) {
    for (size_t i = 0; i < v->flagged_count; i++) {
        if (v->flagged[i] == hour) {
            return true;
        }
    }
    return false;
}

static void remember(const struct volume *v, struct buf *out) {
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "flagged");
    json_begin_array(&w);
    for (size_t i = 0; i < v->flagged_count; i++) {
        json_i64(&w, v->flagged[i]);
    }
    json_end_array(&w);
    json_end_object(&w);
}

/* A longer outage than `days` must not leave nothing to compare with. */
static int64_t days_back(const struct measure_input *in) {
    const int64_t days = DAYS_BACK * in->check->conf.days;
    return days < DAYS_MAX ? days : DAYS_MAX;
}

/* The hour that is judged, and the same hour of the days before. */
static enum err_code read_hours(const struct measure_input *in, struct volume *v, struct err *err) {
    static const char sql[] =
        "SELECT b.staged_us / 3600000000, sum(b.records) FROM _plumb_batches b JOIN "
        "_plumb_partitions p ON p.id = b.partition WHERE p.source = ?1 AND b.staged_us >= ?2 AND "
        "b.staged_us < ?3 AND (?4 - b.staged_us / 3600000000) % 24 = 0 GROUP BY 1 ORDER BY 1 DESC";
    struct store_statement *st = NULL;
    bool has_row = true;
    enum err_code code = store_prepare(in->store, sql, &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(in->check->source->name));
        store_bind_i64(st, 2, (v->hour - 24 * days_back(in)) * CHECK_HOUR_US);
        store_bind_i64(st, 3, (v->hour + 1) * CHECK_HOUR_US);
        store_bind_i64(st, 4, v->hour);
    }
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code != ERR_NONE || !has_row) {
            break;
        }
        const int64_t hour = store_column_i64(st, 0);
        const double records = store_column_f64(st, 1);
        if (hour == v->hour) {
            v->count = records;
        } else if ((int64_t)v->point_count < in->check->conf.days &&
                   (records > 0 || in->check->conf.zero_ok) && !is_flagged(v, hour)) {
            v->points[v->point_count++] = records;
        }
    }
    store_statement_free(st);
    return code;
}

/* Hours without a row are hours without a record; with zero_ok they are points, too. */
static void add_empty_hours(const struct measure_input *in, struct volume *v) {
    size_t known = 0;
    for (int64_t day = 1; day <= in->check->conf.days; day++) {
        const int64_t hour = v->hour - 24 * day;
        known += hour >= v->first && !is_flagged(v, hour);
    }
    while (in->check->conf.zero_ok && v->point_count < known && v->point_count < DAYS_MAX) {
        v->points[v->point_count++] = 0;
    }
}

static void judge_volume(const struct measure_input *in, struct volume *v, struct measurement *m) {
    const double middle = median(v->points, v->point_count);
    for (size_t i = 0; i < v->point_count; i++) {
        v->points[i] = fabs(v->points[i] - middle);
    }
    double spread = MAD_TO_DEVIATION * median(v->points, v->point_count);
    spread = fmax(spread, fmax(SPREAD_FLOOR * middle, 1));
    double score = (v->count - middle) / spread;
    const int64_t direction = in->check->conf.direction;
    score = direction == VOLUME_DROP ? -score : direction == VOLUME_BOTH ? fabs(score) : score;
    measure_value(m, UNIT_SCORE, score > 0 ? score : 0);
    measure_tell(m, "%.0f records in the last whole hour, usually %.0f", v->count, middle);
}

static void flag(struct volume *v, int64_t hour) {
    if (!is_flagged(v, hour) && v->flagged_count < FLAGGED_MAX) {
        v->flagged[v->flagged_count++] = hour;
    }
}

static enum err_code volume_of(const struct measure_input *in, struct volume *v,
                               struct measurement *m, struct err *err) {
    double first = 0;
    const struct measure_query q = {
        .sql = "SELECT b.staged_us FROM _plumb_batches b JOIN _plumb_partitions p ON p.id = "
               "b.partition WHERE p.source = ?1 ORDER BY b.id LIMIT 1",
        .name = in->check->source->name};
    enum err_code code = measure_row(in->store, &q, &first, 1, err);
    if (code != ERR_NONE) {
        return code;
    }
    v->hour = in->now_us / CHECK_HOUR_US - 1;
    v->first = isnan(first) ? INT64_MAX : (int64_t)first / CHECK_HOUR_US;
    if (v->hour <= v->first) {
        measure_say(m, MEASURED_LEARNING, "no whole hour is known yet");
        return ERR_NONE;
    }
    recall(v, in->memory, v->hour - 24 * days_back(in));
    code = read_hours(in, v, err);
    if (code != ERR_NONE) {
        return code;
    }
    add_empty_hours(in, v);
    const bool is_zero =
        v->count <= 0 && !in->check->conf.zero_ok && in->check->conf.direction != VOLUME_RISE;
    if ((int64_t)v->point_count < in->check->conf.min_days) {
        measure_say(m, MEASURED_LEARNING, "learning: %zu of %" PRId64 " days known", v->point_count,
                    in->check->conf.min_days);
        return ERR_NONE;
    }
    judge_volume(in, v, m);
    if (is_zero) {
        m->is_wrong = true;
        m->wrong = in->check->severity;
    }
    const double lowest = !isnan(in->check->warn) ? in->check->warn : in->check->error;
    if (m->is_wrong || m->value > lowest) {
        flag(v, v->hour);
    }
    remember(v, &m->memory);
    return ERR_NONE;
}

enum err_code measure_volume(const struct measure_input *in, struct measurement *m,
                             struct err *err) {
    struct volume *v = mem_alloc(sizeof(*v));
    const enum err_code code = volume_of(in, v, m, err);
    mem_free(v);
    return code;
}
