/* How it works: text is put together line by line. Seconds are written from microseconds digit by
 * digit, so that no rounding and no locale touches them. */
#include "server/exposition.h"

#include <inttypes.h>

static const char *const type_words[] = {
    [METRIC_GAUGE] = "gauge", [METRIC_COUNTER] = "counter", [METRIC_HISTOGRAM] = "histogram"};

void metric_family(struct buf *out, const char *name, enum metric_type type, const char *help) {
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type_words[type]);
}

/* Cut at LABEL_BYTES_MAX between characters; what is not UTF-8 becomes '?'. */
static void add_value(struct buf *out, struct str value) {
    size_t at = 0;
    while (at < value.len) {
        uint32_t code = 0;
        const struct str rest = {value.ptr + at, value.len - at};
        const size_t size = str_utf8_size(rest, &code);
        if (at + (size > 0 ? size : 1) > LABEL_BYTES_MAX) {
            buf_adds(out, "...");
            return;
        }
        if (size == 0 || code == 0) {
            buf_addc(out, '?');
        } else if (code == '\n') {
            buf_adds(out, "\\n");
        } else if (code == '"' || code == '\\') {
            buf_addf(out, "\\%c", (char)code);
        } else {
            buf_addstr(out, (struct str){rest.ptr, size});
        }
        at += size > 0 ? size : 1;
    }
}

static void add_name(struct buf *out, const char *name, const struct label *labels, size_t count) {
    buf_adds(out, name);
    for (size_t i = 0; i < count; i++) {
        buf_addf(out, "%s%s=\"", i == 0 ? "{" : ",", labels[i].name);
        add_value(out, labels[i].value);
        buf_addc(out, '"');
    }
    buf_adds(out, count > 0 ? "} " : " ");
}

void metric_i64(struct buf *out, const char *name, const struct label *labels, size_t count,
                int64_t value) {
    ASSERT(count <= LABELS_MAX);
    add_name(out, name, labels, count);
    buf_addf(out, "%" PRId64 "\n", value);
}

void metric_seconds(struct buf *out, const char *name, const struct label *labels, size_t count,
                    int64_t us) {
    add_name(out, name, labels, count);
    const uint64_t size = us < 0 ? (uint64_t)0 - (uint64_t)us : (uint64_t)us;
    buf_addf(out, "%s%" PRIu64 ".%06" PRIu64 "\n", us < 0 ? "-" : "", size / 1000000,
             size % 1000000);
}

void metric_single(struct buf *out, const char *name, enum metric_type type, const char *help,
                   int64_t value) {
    metric_family(out, name, type, help);
    metric_i64(out, name, NULL, 0, value);
}
