/* For the tests of this folder: a world in which time is a number: a flow with checks, its store,
 * whose system tables a test fills by hand, and a watch. */
#ifndef PLUMB_WATCH_TEST_SUPPORT_H
#define PLUMB_WATCH_TEST_SUPPORT_H

#include <inttypes.h>

#define TEST_SOURCE_CAPS (CAP_RESUMABLE | CAP_COVERS | CAP_HTTP)
#include "flow/test_source.h"
#include "watch/watch.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define BEGIN  (INT64_C(20000) * DAY) /* midnight */

/* orders -> load -> orders -> sums -> sums -> tops -> tops; people is another branch. */
#define TEST_FLOW                                                                                  \
    "flow: t\n"                                                                                    \
    "store: sqlite:t.db\n"                                                                         \
    "sources:\n"                                                                                   \
    "  orders: {type: test, columns: {id: int64}}\n"                                               \
    "  people: {type: test, columns: {id: int64}}\n"                                               \
    "tables:\n"                                                                                    \
    "  orders: {key: [id], columns: {id: int64, at: timestamp, name: text}}\n"                     \
    "  sums: {key: [name], columns: {name: text, n: int64}}\n"                                     \
    "  tops: {key: [name], columns: {name: text, n: int64}}\n"                                     \
    "  people: {key: [id], columns: {id: int64}}\n"                                                \
    "transforms:\n"                                                                                \
    "  load: {from: sources.orders, into: orders, sql: 'SELECT id, 0 AS at, id AS name FROM "      \
    "batch'}\n"                                                                                    \
    "  sums: {from: tables.orders, into: sums, sum: 'SELECT name, 1 AS n FROM change'}\n"          \
    "  tops: {on: [sums], into: tops, derive: 'SELECT s.name, s.n FROM changed k JOIN sums s ON "  \
    "s.name = k.name'}\n"                                                                          \
    "  people: {from: sources.people, into: people, sql: 'SELECT id FROM batch'}\n"                \
    "checks:\n"

struct world {
    char directory[64];
    struct flow *flow;
    struct store *store;
    struct watch *watch;
    struct flow_alerts alerts;
    struct watch_summary summary; /* of the last round */
    int64_t now;
    int64_t batch; /* the last one */
};

static const struct flow_route test_routes[] = {{.name = "all", .level = LEVEL_WARN},
                                                {.name = "pager", .level = LEVEL_ERROR}};

static inline void world_close(struct world *w) {
    watch_close(w->watch);
    store_close(w->store);
    flow_free(w->flow);
    w->watch = NULL;
    w->store = NULL;
    w->flow = NULL;
}

/* The same store with these checks, as after a restart. */
static inline void world_use(struct world *w, const char *checks) {
    struct err err = ERR_INIT;
    world_close(w);
    char *text = mem_printf("%s%s", TEST_FLOW, checks);
    w->flow = test_flow_in(w->directory, text);
    if (store_open(w->flow, STORE_WRITE, &w->store, &err) != ERR_NONE ||
        watch_open(w->flow, &w->alerts, &w->watch, &err) != ERR_NONE) {
        fail_msg("%s: %s", err.where, err.message);
    }
    mem_free(text);
}

static inline struct world *world_of(const char *checks) {
    struct world *w = mem_alloc(sizeof(*w));
    (void)snprintf(w->directory, sizeof(w->directory), "/tmp/plumb-watch-XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    w->now = BEGIN;
    w->alerts = (struct flow_alerts){.routes = test_routes, .route_count = 2};
    world_use(w, checks);
    return w;
}

static inline void world_end(struct world *w) {
    static const char *const names[] = {"flow.yaml", "t.db", "t.db-wal", "t.db-shm", "t.db-lock"};
    world_close(w);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char *path = mem_printf("%s/%s", w->directory, names[i]);
        (void)unlink(path);
        mem_free(path);
    }
    assert_int_equal(rmdir(w->directory), 0);
    mem_free(w);
}

static inline void sql(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
static inline void sql(struct world *w, const char *fmt, ...) {
    struct err err = ERR_INIT;
    char text[2048];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (store_execute(w->store, text, &err) != ERR_NONE) {
        fail_msg("%s: %s", text, err.message);
    }
}

static inline int64_t number(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
static inline int64_t number(struct world *w, const char *fmt, ...) {
    struct err err = ERR_INIT;
    char text[2048];
    int64_t out = 0;
    bool found = false;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (store_get_i64(w->store, text, &out, &found, &err) != ERR_NONE) {
        fail_msg("%s: %s", text, err.message);
    }
    return found ? out : -1;
}

/* A batch of orders staged now; asked: how long the source took. */
static inline void stage(struct world *w, int64_t records, int64_t rejected, int64_t asked) {
    sql(w,
        "INSERT INTO _plumb_partitions(id, source, name, last_seq, records, updated_us) VALUES (1, "
        "'orders', 'p', 0, 0, 0) ON CONFLICT DO NOTHING");
    w->batch++;
    sql(w,
        "INSERT INTO _plumb_batches(id, partition, seq, first_record, records, decoded, rejected, "
        "raw_bytes, hash, cursor, staged_us) VALUES (%" PRId64 ", 1, %" PRId64 ", 0, %" PRId64
        ", %" PRId64 ", %" PRId64 ", 1, x'00', '', %" PRId64 ")",
        w->batch, w->batch, records, records - rejected, rejected, w->now);
    sql(w, "INSERT INTO _plumb_extractions VALUES (%" PRId64 ", %" PRId64 ")", w->batch,
        w->now - asked);
}

/* The map has applied the last batch, so much later; removed: rows that were there already. */
static inline void load(struct world *w, int64_t rows, int64_t rejected, int64_t removed,
                        int64_t later) {
    sql(w,
        "INSERT INTO _plumb_ledger(batch, transform, rows_in, records_out, rows_out, filtered, "
        "rejected, inserted, updated, unchanged, deleted, superseded, duration_us, version, "
        "applied_us) VALUES (%" PRId64 ", 'load', %" PRId64 ", %" PRId64 ", %" PRId64
        ", 0, %" PRId64 ", %" PRId64 ", 0, %" PRId64 ", 0, 0, 1, '', %" PRId64 ")",
        w->batch, rows, rows - rejected, rows - rejected, rejected, rows - rejected - removed,
        removed, w->now + later);
    sql(w,
        "INSERT INTO _plumb_marks VALUES ('load', 1, %" PRId64 ", 0) ON CONFLICT DO UPDATE SET seq "
        "= excluded.seq",
        w->batch);
}

static inline void bring(struct world *w, int64_t records) {
    stage(w, records, 0, SECOND);
    load(w, records, 0, 0, SECOND / 10);
}

static inline void round_now(struct world *w) {
    struct err err = ERR_INIT;
    if (watch_round(w->watch, w->now, true, &w->summary, &err) != ERR_NONE) {
        fail_msg("round: %s", err.message);
    }
}

static inline void later(struct world *w, int64_t us) {
    w->now += us;
    round_now(w);
}

/* The state of a check must be this, its message hold that word. */
static inline void expect(struct world *w, const char *check, const char *state, const char *word) {
    struct err err = ERR_INIT;
    struct store_statement *st = NULL;
    bool has_row = false;
    assert_int_equal(store_prepare(w->store,
                                   "SELECT state, message FROM _plumb_checks WHERE name = ?1", &st,
                                   &err),
                     ERR_NONE);
    store_bind_str(st, 1, str_of(check));
    assert_int_equal(store_step(st, &has_row, &err), ERR_NONE);
    if (!has_row) {
        fail_msg("there is no check '%s'", check);
    }
    const struct str found = store_column_str(st, 0);
    const struct str message = store_column_str(st, 1);
    if (!str_equal_c(found, state) ||
        memmem(message.ptr, message.len, word, strlen(word)) == NULL) {
        fail_msg("check '%s' is %.*s (%.*s), not %s (%s)", check, STR_FMT(found), STR_FMT(message),
                 state, word);
    }
    store_statement_free(st);
}

static inline int64_t open_alerts(struct world *w) {
    return number(w, "SELECT count(*) FROM _plumb_alerts WHERE state <> 'resolved'");
}
static inline int64_t notices(struct world *w, const char *event, const char *state) {
    return number(w,
                  "SELECT count(*) FROM _plumb_deliveries WHERE event = '%s' AND state = '%s' AND "
                  "route = 'all'",
                  event, state);
}

#endif
