/* Measuring one check in the store, as of a time. */
#ifndef PLUMB_WATCH_MEASURE_H
#define PLUMB_WATCH_MEASURE_H

#include "watch/watch.h"

#define MEASURE_MESSAGE_BYTES 384

enum measured {
    MEASURED_VALUE,
    MEASURED_NOTHING,  /* nothing came that could be judged: what was, stays */
    MEASURED_LEARNING, /* not enough is known yet */
    MEASURED_UNKNOWN   /* it could not be told, which is as bad as wrong */
};

struct measurement {
    enum measured what;
    double value;
    bool is_wrong;          /* a hard rule says so, whatever the value */
    enum check_level wrong; /* then: how much */
    char value_text[CHECK_VALUE_BYTES];
    char message[MEASURE_MESSAGE_BYTES];
    struct buf memory; /* what the kind wants to remember, JSON; empty: as before */
};
void measurement_init(struct measurement *m);
void measurement_release(struct measurement *m);

struct measure_input {
    struct store *store;
    const struct flow *flow;
    const struct flow_check *check;
    int64_t now_us;
    int64_t first_us;  /* since when the check is looked at */
    struct str memory; /* of the last time; empty: none */
    bool in_past;      /* now_us is long ago: only what has a time of its own counts */
};
/* Never fails: what cannot be told is MEASURED_UNKNOWN with why. */
void measure(const struct measure_input *in, struct measurement *out);

/* ---- what the files of measuring share ---- */
/* A statement with its text bound to names and times: ?1 is a name, ?2 and ?3 numbers. One row, whose
 * columns become numbers; NULL is NAN. */
#define MEASURE_COLUMNS_MAX 6
struct measure_query {
    const char *sql;
    const char *name; /* NULL: nothing is bound */
    int64_t numbers[3];
    int number_count;
};
MUST_CHECK enum err_code measure_row(struct store *s, const struct measure_query *q, double *out,
                                     int count, struct err *err);
void measure_value(struct measurement *m, enum check_unit unit, double value);
void measure_say(struct measurement *m, enum measured what, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* What is so, in words; the rest is as it is. */
void measure_tell(struct measurement *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A share of a whole, with what is too few to tell. */
void measure_share(const struct measure_input *in, struct measurement *m, double part,
                   double whole);

typedef enum err_code (*measure_fn)(const struct measure_input *in, struct measurement *m,
                                    struct err *err);
enum err_code measure_heartbeat(const struct measure_input *in, struct measurement *m,
                                struct err *err);
enum err_code measure_latency(const struct measure_input *in, struct measurement *m,
                              struct err *err);
enum err_code measure_errors(const struct measure_input *in, struct measurement *m,
                             struct err *err);
enum err_code measure_rejects(const struct measure_input *in, struct measurement *m,
                              struct err *err);
enum err_code measure_duplicates(const struct measure_input *in, struct measurement *m,
                                 struct err *err);
enum err_code measure_rows(const struct measure_input *in, struct measurement *m, struct err *err);
enum err_code measure_nulls(const struct measure_input *in, struct measurement *m, struct err *err);
enum err_code measure_range(const struct measure_input *in, struct measurement *m, struct err *err);
enum err_code measure_unique(const struct measure_input *in, struct measurement *m,
                             struct err *err);
enum err_code measure_freshness(const struct measure_input *in, struct measurement *m,
                                struct err *err);
enum err_code measure_gap(const struct measure_input *in, struct measurement *m, struct err *err);
enum err_code measure_schema_change(const struct measure_input *in, struct measurement *m,
                                    struct err *err);
enum err_code measure_http_status(const struct measure_input *in, struct measurement *m,
                                  struct err *err);
enum err_code measure_volume(const struct measure_input *in, struct measurement *m,
                             struct err *err);
enum err_code measure_sql(const struct measure_input *in, struct measurement *m, struct err *err);
/* The SELECT of a sql check with $now replaced. */
void measure_sql_text(const struct flow_check *c, int64_t now_us, struct buf *out);

#endif
