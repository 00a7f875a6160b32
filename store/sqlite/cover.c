/* Functions that count which way SQL went, for a flow that has counters (trial/ gives it some).
 *
 * Not deterministic as SQLite understands it: it would work out a constant THEN once, whether the
 * CASE came to it or not. */
#include "store/sqlite/sqlite_store.h"

static int64_t *way_of(sqlite3_context *context, int64_t way) {
    const struct flow *flow = sqlite3_user_data(context);
    return way >= 0 && (uint64_t)way < flow->way_count ? &flow->ways[way] : NULL;
}

static void count_one(sqlite3_context *context, int64_t *way) {
    if (way == NULL) {
        sqlite3_result_error(context, "plumb: no such way", -1);
    } else {
        (*way)++;
    }
}

/* plumb_reached(way, value) -> value */
static void reached_call(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    sqlite3_result_value(context, values[1]);
    count_one(context, way_of(context, sqlite3_value_int64(values[0])));
}

static bool is_true(sqlite3_value *v) {
    const int type = sqlite3_value_type(v);
    return type == SQLITE_INTEGER ? sqlite3_value_int64(v) != 0
                                  : type != SQLITE_NULL && !(sqlite3_value_double(v) >= 0 &&
                                                             sqlite3_value_double(v) <= 0);
}

/* plumb_decided(condition, way) -> condition; counts way when it is true, the next one when not */
static void decided_call(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    sqlite3_result_value(context, values[0]);
    const int64_t way = sqlite3_value_int64(values[1]);
    count_one(context, way_of(context, is_true(values[0]) ? way : way + 1));
}

enum err_code cover_register(struct store *s, struct err *err) {
    if (s->flow->ways == NULL) {
        return ERR_NONE;
    }
    void *flow = (void *)(uintptr_t)s->flow; /* SQLite hands it back and never writes through it */
    int rc = sqlite3_create_function_v2(sqlite_of(s)->db, "plumb_reached", 2,
                                        SQLITE_UTF8 | SQLITE_INNOCUOUS, flow, reached_call, NULL,
                                        NULL, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_create_function_v2(sqlite_of(s)->db, "plumb_decided", 2,
                                        SQLITE_UTF8 | SQLITE_INNOCUOUS, flow, decided_call, NULL,
                                        NULL, NULL);
    }
    return rc == SQLITE_OK ? ERR_NONE : sqlite_error(s, err, "install functions");
}
