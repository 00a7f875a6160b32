/* Prometheus text format 0.0.4, and nothing that format forbids: each family once, its help before
 * its samples, label values escaped. */
#ifndef PLUMB_SERVER_EXPOSITION_H
#define PLUMB_SERVER_EXPOSITION_H

#include "base/str.h"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };

struct label {
    const char *name;
    struct str value;
};
#define LABELS_MAX        4
#define LABEL_BYTES_MAX   200 /* longer values are cut: a hostile name must not fill a monitor */
#define METRIC_SERIES_MAX 500 /* of one family with names from data; the rest is added up */

/* "# HELP" and "# TYPE". */
void metric_family(struct buf *out, const char *name, enum metric_type type, const char *help);
/* One sample of the family; labels may be NULL. */
void metric_i64(struct buf *out, const char *name, const struct label *labels, size_t count,
                int64_t value);
/* Microseconds as seconds. */
void metric_seconds(struct buf *out, const char *name, const struct label *labels, size_t count,
                    int64_t us);
/* A family without labels. */
void metric_single(struct buf *out, const char *name, enum metric_type type, const char *help,
                   int64_t value);

#endif
