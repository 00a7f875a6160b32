/* How it works: what the store knows comes from the status document (so that metrics and `plumb
 * status` never disagree) and from the ledger's sums, and is kept for a moment like the status; what
 * the process knows is added at each scrape. A partition's name comes from data and so may be many:
 * the METRIC_SERIES_MAX that moved last have series of their own. */
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/parse.h"
#include "server/exposition.h"
#include "server/state.h"

const int64_t turn_bucket_us[TURN_BUCKETS] = {500,     1000,    2500,    5000,    10000,
                                              25000,   50000,   100000,  250000,  500000,
                                              1000000, 2500000, 5000000, 10000000};
/* The same in seconds, as Prometheus wants a bound written: without zeros that say nothing. */
static const char *const turn_bucket_text[TURN_BUCKETS] = {
    "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05",
    "0.1",    "0.25",  "0.5",    "1",     "2.5",  "5",     "10"};

/* A family made of one member of each object of a list. */
struct family {
    const char *list; /* in the status document */
    const char *key;  /* the value */
    const char *name, *help;
    const char *labels[LABELS_MAX][2]; /* label, key */
    enum metric_type type;
    bool is_time;
};

static const struct family families[] = {
    {"sources",
     "batches",
     "plumb_source_batches_total",
     "Batches staged.",
     {{"source", "source"}},
     METRIC_COUNTER,
     false},
    {"sources",
     "records",
     "plumb_source_records_total",
     "Raw records staged.",
     {{"source", "source"}},
     METRIC_COUNTER,
     false},
    {"sources",
     "decoded",
     "plumb_source_decoded_total",
     "Records that met the contract.",
     {{"source", "source"}},
     METRIC_COUNTER,
     false},
    {"sources",
     "rejected",
     "plumb_source_rejected_total",
     "Records that broke the contract.",
     {{"source", "source"}},
     METRIC_COUNTER,
     false},
    {"sources",
     "raw_bytes",
     "plumb_source_raw_bytes_total",
     "Bytes of raw records before compression.",
     {{"source", "source"}},
     METRIC_COUNTER,
     false},
    {"sources",
     "kept_bytes",
     "plumb_source_kept_bytes",
     "Bytes of staged raw records in the store.",
     {{"source", "source"}},
     METRIC_GAUGE,
     false},
    {"sources",
     "partitions",
     "plumb_source_partitions",
     "Partitions known.",
     {{"source", "source"}},
     METRIC_GAUGE,
     false},
    {"sources",
     "batches_behind",
     "plumb_source_behind_batches",
     "Staged batches that some map has not applied.",
     {{"source", "source"}},
     METRIC_GAUGE,
     false},
    {"sources",
     "last_batch",
     "plumb_source_last_batch_timestamp_seconds",
     "When the last batch was staged.",
     {{"source", "source"}},
     METRIC_GAUGE,
     true},
    {"partitions",
     "records",
     "plumb_partition_records_total",
     "Raw records staged, for the partitions that moved last.",
     {{"source", "source"}, {"partition", "partition"}},
     METRIC_COUNTER,
     false},
    {"partitions",
     "batches_behind",
     "plumb_partition_behind_batches",
     "Batches before the slowest map, for the partitions that moved last.",
     {{"source", "source"}, {"partition", "partition"}},
     METRIC_GAUGE,
     false},
    {"partitions",
     "updated",
     "plumb_partition_moved_timestamp_seconds",
     "When the cursor moved, for the partitions that moved last.",
     {{"source", "source"}, {"partition", "partition"}},
     METRIC_GAUGE,
     true},
    {"transforms",
     "rows",
     "plumb_table_rows",
     "Rows of the table a transform writes.",
     {{"transform", "transform"}, {"table", "into"}},
     METRIC_GAUGE,
     false},
    {"transforms",
     "batches_behind",
     "plumb_transform_behind_batches",
     "Batches a map has not applied.",
     {{"transform", "transform"}, {"table", "into"}},
     METRIC_GAUGE,
     false},
    {"transforms",
     "waiting",
     "plumb_transform_queue",
     "Changes that wait before a sum or derive.",
     {{"transform", "transform"}, {"table", "into"}},
     METRIC_GAUGE,
     false},
    {"transforms",
     "failed_keys",
     "plumb_transform_failed_keys",
     "Keys on which a derive failed.",
     {{"transform", "transform"}, {"table", "into"}},
     METRIC_GAUGE,
     false},
    {"transforms",
     "attempts",
     "plumb_transform_failed_attempts",
     "Failures in a row; 0 when it works.",
     {{"transform", "transform"}, {"table", "into"}},
     METRIC_GAUGE,
     false},
    {"rejects",
     "rows",
     "plumb_rejects",
     "Rows set aside, by reason.",
     {{"source", "source"}, {"transform", "transform"}, {"reason", "reason"}},
     METRIC_GAUGE,
     false},
    {"limits",
     "open",
     "plumb_limit_rejects",
     "Open rejects that count towards a limit.",
     {{"stage", "stage"}, {"kind", "kind"}},
     METRIC_GAUGE,
     false},
    {"limits",
     "max",
     "plumb_limit_rejects_max",
     "Open rejects with which a source or map stops.",
     {{"stage", "stage"}, {"kind", "kind"}},
     METRIC_GAUGE,
     false},
    {"troubles",
     "attempts",
     "plumb_trouble_attempts",
     "Tries since a source or partition could not go on.",
     {{"source", "source"}, {"partition", "partition"}, {"class", "class"}},
     METRIC_GAUGE,
     false},
    {"troubles",
     "since",
     "plumb_trouble_since_timestamp_seconds",
     "Since when a source or partition cannot go on.",
     {{"source", "source"}, {"partition", "partition"}, {"class", "class"}},
     METRIC_GAUGE,
     true},
};

static void add_sample(const struct family *f, const struct json_value *item, struct buf *out) {
    struct label labels[LABELS_MAX];
    size_t count = 0;
    for (; count < LABELS_MAX && f->labels[count][0] != NULL; count++) {
        labels[count].name = f->labels[count][0];
        if (!json_get_str(item, f->labels[count][1], &labels[count].value)) {
            labels[count].value = STR(""); /* null: a trouble of the whole source, say */
        }
    }
    struct str text = {"", 0};
    int64_t value = 0;
    if (f->is_time) {
        if (json_get_str(item, f->key, &text) && clock_parse(text, &value)) {
            metric_seconds(out, f->name, labels, count, value);
        }
    } else if (json_get_i64(item, f->key, &value)) {
        metric_i64(out, f->name, labels, count, value);
    }
}

static void add_family(const struct family *f, const struct json_value *status, struct buf *out) {
    const struct json_value *list = json_get(status, f->list);
    metric_family(out, f->name, f->type, f->help);
    size_t series = 0;
    for (const struct json_value *item = list != NULL ? list->first : NULL;
         item != NULL && series < METRIC_SERIES_MAX; item = item->next) {
        add_sample(f, item, out);
        series++;
    }
}

/* ---- the ledger ---- */

static const struct {
    const char *column, *name, *help;
} ledger_sums[] = {
    {"rows_in", "plumb_map_rows_in_total", "Rows given to a map."},
    {"records_out", "plumb_map_records_out_total", "Rows that gave at least one row."},
    {"rows_out", "plumb_map_rows_out_total", "Rows a map gave."},
    {"filtered", "plumb_map_filtered_total", "Rows the SQL left out."},
    {"rejected", "plumb_map_rejected_total", "Rows on which the SQL or the table's rules failed."},
    {"inserted", "plumb_map_inserted_total", "Rows new in the table."},
    {"updated", "plumb_map_updated_total", "Rows that changed one."},
    {"unchanged", "plumb_map_unchanged_total", "Rows that were there already."},
    {"deleted", "plumb_map_deleted_total", "Rows taken out."},
    {"superseded", "plumb_map_superseded_total", "Rows that lost to a newer one."},
    {"taken_back", "plumb_map_taken_back_total", "Rows that went because their records did."},
    {"duration_us", "plumb_map_duration_seconds_total", "Time maps took."},
};
#define LEDGER_SUMS ARRAY_COUNT(ledger_sums)

struct ledger_totals {
    struct str transform;
    int64_t sums[LEDGER_SUMS];
    int64_t batches;
};

static enum err_code read_ledger(struct store *s, struct arena *a, struct ledger_totals *out,
                                 size_t *count, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql, "SELECT transform, count(*)");
    for (size_t i = 0; i < LEDGER_SUMS; i++) {
        buf_addf(&sql, ", sum(%s)", ledger_sums[i].column);
    }
    buf_adds(&sql, " FROM _plumb_ledger GROUP BY transform ORDER BY transform");
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(s, buf_c(&sql), &st, err);
    bool has_row = true;
    while (code == ERR_NONE && *count < FLOW_ITEMS_MAX) {
        code = store_step(st, &has_row, err);
        if (code != ERR_NONE || !has_row) {
            break;
        }
        struct ledger_totals *t = &out[(*count)++];
        code = arena_copy(a, store_column_str(st, 0), &t->transform, err);
        t->batches = store_column_i64(st, 1);
        for (size_t i = 0; i < LEDGER_SUMS; i++) {
            t->sums[i] = store_column_i64(st, (int)i + 2);
        }
    }
    store_statement_free(st);
    return code;
}

static struct str table_of(const struct server *s, struct str transform) {
    for (size_t i = 0; i < s->flow->transform_count; i++) {
        if (str_equal_c(transform, s->flow->transforms[i].name)) {
            return str_of(s->flow->transforms[i].into->name);
        }
    }
    return STR("");
}

static void add_ledger(const struct server *s, const struct ledger_totals *totals, size_t count,
                       struct buf *out) {
    for (size_t i = 0; i < LEDGER_SUMS; i++) {
        metric_family(out, ledger_sums[i].name, METRIC_COUNTER, ledger_sums[i].help);
        for (size_t k = 0; k < count; k++) {
            const struct label labels[] = {{"transform", totals[k].transform},
                                           {"table", table_of(s, totals[k].transform)}};
            const bool is_time = i == LEDGER_SUMS - 1;
            (is_time ? metric_seconds : metric_i64)(out, ledger_sums[i].name, labels, 2,
                                                    totals[k].sums[i]);
        }
    }
    metric_family(out, "plumb_map_batches_total", METRIC_COUNTER, "Batches a map has applied.");
    for (size_t k = 0; k < count; k++) {
        const struct label labels[] = {{"transform", totals[k].transform},
                                       {"table", table_of(s, totals[k].transform)}};
        metric_i64(out, "plumb_map_batches_total", labels, 2, totals[k].batches);
    }
}

enum err_code metrics_make(void *context, struct buf *out, struct err *err) {
    struct server *s = context;
    const struct snapshot *status = NULL;
    struct reader reader = {NULL, 0};
    size_t count = 0;
    struct arena arena;
    arena_init(&arena, SNAPSHOT_TREE_BYTES);
    AUTO_BUF alerts = BUF_INIT(BUF_TEXT_MAX);
    struct ledger_totals *totals = mem_alloc_array(FLOW_ITEMS_MAX, sizeof(*totals));
    enum err_code code = snapshot_take(&s->status_cache, &status, err);
    if (code == ERR_NONE) {
        code = readers_lend(&s->readers, SNAPSHOT_AGE_MAX_US / 2, &reader, err);
    }
    if (code == ERR_NONE) {
        code = read_ledger(reader.store, &arena, totals, &count, err);
    }
    if (code == ERR_NONE) {
        code = metrics_add_alerts(s->flow, reader.store, &alerts, err);
    }
    readers_return(&s->readers, &reader);
    if (code == ERR_NONE) {
        for (size_t i = 0; i < ARRAY_COUNT(families); i++) {
            add_family(&families[i], status->tree, out);
        }
        add_ledger(s, totals, count, out);
        buf_addstr(out, buf_str(&alerts));
    }
    snapshot_return(&s->status_cache, status);
    mem_free(totals);
    arena_release(&arena);
    return code;
}

/* ---- the process ---- */

static void add_turns(const struct server *s, struct buf *out) {
    static const char name[] = "plumb_turn_duration_seconds";
    metric_family(out, name, METRIC_HISTOGRAM, "From BEGIN to COMMIT of a turn, in this process.");
    int64_t total = 0;
    for (size_t i = 0; i <= TURN_BUCKETS; i++) {
        total += atomic_load(&s->turns[i]);
        const struct label bound = {"le", str_of(i < TURN_BUCKETS ? turn_bucket_text[i] : "+Inf")};
        metric_i64(out, "plumb_turn_duration_seconds_bucket", &bound, 1, total);
    }
    metric_seconds(out, "plumb_turn_duration_seconds_sum", NULL, 0, atomic_load(&s->turn_sum_us));
    metric_i64(out, "plumb_turn_duration_seconds_count", NULL, 0, total);
}

/* Pages of memory the process has now, from /proc; 0 when that cannot be read. */
static int64_t resident_bytes(void) {
    AUTO_BUF text = BUF_INIT(4096);
    struct err err = ERR_INIT;
    if (file_read_all("/proc/self/statm", &text, &err) != ERR_NONE) {
        return 0;
    }
    const struct str all = buf_str(&text);
    const size_t space = str_find(all, ' ');
    struct str rest = {all.ptr + space, all.len - space};
    rest = str_trim(rest);
    int64_t pages = 0;
    rest.len = str_find(rest, ' ');
    return parse_i64(rest, &pages) ? pages * sysconf(_SC_PAGESIZE) : 0;
}

static void add_process(const struct server *s, struct buf *out) {
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    const int64_t cpu_us = ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    metric_family(out, "process_cpu_seconds_total", METRIC_COUNTER, "CPU time of this process.");
    metric_seconds(out, "process_cpu_seconds_total", NULL, 0, cpu_us);
    metric_single(out, "process_resident_memory_bytes", METRIC_GAUGE, "Resident memory.",
                  resident_bytes());
    metric_family(out, "process_start_time_seconds", METRIC_GAUGE, "When the server started.");
    metric_seconds(out, "process_start_time_seconds", NULL, 0,
                   clock_now_us() - (clock_monotonic_us() - s->started_us));
    const int64_t beat = atomic_load(&s->beat_us);
    metric_family(out, "plumb_engine_idle_seconds", METRIC_GAUGE,
                  "Since the engine's loop last came round.");
    metric_seconds(out, "plumb_engine_idle_seconds", NULL, 0,
                   clock_monotonic_us() - (beat > 0 ? beat : s->started_us));
    metric_family(out, "plumb_last_commit_timestamp_seconds", METRIC_GAUGE,
                  "When a turn last committed in this process; 0 if none has.");
    metric_seconds(out, "plumb_last_commit_timestamp_seconds", NULL, 0,
                   atomic_load(&s->turn_end_us));
    metric_single(out, "plumb_http_requests_total", METRIC_COUNTER, "Requests answered.",
                  atomic_load(&s->requests));
    metric_single(out, "plumb_http_failures_total", METRIC_COUNTER,
                  "Requests answered with a status of 500 or above.",
                  atomic_load(&s->requests_failed));
    metric_single(out, "plumb_http_streams", METRIC_GAUGE, "Open event streams.",
                  atomic_load(&s->streams));
}

enum err_code route_metrics(struct request *r, struct reply *reply, struct err *err) {
    struct server *s = r->server;
    const struct snapshot *from_store = NULL;
    reply->type = "text/plain; version=0.0.4; charset=utf-8";
    char version[HASH128_HEX_BYTES];
    hash128_to_hex(s->flow->version, version);
    const struct label labels[] = {{"version", str_of(s->version)},
                                   {"flow", str_of(s->flow->name)},
                                   {"flow_version", str_of(version)}};
    metric_family(&reply->body, "plumb_build_info", METRIC_GAUGE, "Which program runs which flow.");
    metric_i64(&reply->body, "plumb_build_info", labels, ARRAY_COUNT(labels), 1);
    const enum err_code code = snapshot_take(&s->metrics_cache, &from_store, err);
    metric_single(&reply->body, "plumb_store_up", METRIC_GAUGE, "1 if the store could be read.",
                  code == ERR_NONE ? 1 : 0);
    if (code == ERR_NONE) {
        buf_addstr(&reply->body, buf_str(&from_store->text));
    }
    snapshot_return(&s->metrics_cache, from_store);
    add_turns(s, &reply->body);
    add_process(s, &reply->body);
    err_clear(err);
    return ERR_NONE; /* a scrape during a trouble still tells of the process */
}
