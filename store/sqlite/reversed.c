/* Reading the other way round: SQLite's own switch turns scans around where no ORDER BY forbids it,
 * but not under GROUP BY. There it is addition that shows the order, and only that of floats; so
 * sum, total and avg keep what they are given and add it up from the last to the first. */
#include "store/sqlite/sqlite_store.h"

#define KEPT_FIRST 16

struct kept {
    double *values; /* owned */
    size_t first, count, capacity;
    int64_t whole; /* sum of the integers */
    int64_t reals; /* how many are none */
    bool overflows;
};

enum which { REVERSED_SUM, REVERSED_TOTAL, REVERSED_AVG };
static const enum which kinds[] = {REVERSED_SUM, REVERSED_TOTAL, REVERSED_AVG};
static const char *const names[] = {"sum", "total", "avg"};

static void keep_step(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct kept *k = sqlite3_aggregate_context(context, sizeof *k);
    if (k == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    const int type = sqlite3_value_numeric_type(argv[0]);
    if (type == SQLITE_NULL) {
        return;
    }
    if (k->first + k->count == k->capacity) {
        k->capacity = k->capacity > 0 ? k->capacity * 2 : KEPT_FIRST;
        k->values = mem_realloc(k->values, k->capacity * sizeof *k->values);
    }
    k->values[k->first + k->count++] = sqlite3_value_double(argv[0]);
    if (type == SQLITE_INTEGER) {
        k->overflows = k->overflows ||
                       __builtin_add_overflow(k->whole, sqlite3_value_int64(argv[0]), &k->whole);
    } else {
        k->reals++;
    }
}

static void keep_inverse(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct kept *k = sqlite3_aggregate_context(context, sizeof *k);
    const int type = sqlite3_value_numeric_type(argv[0]);
    if (k == NULL || type == SQLITE_NULL) {
        return;
    }
    k->first++;
    k->count--;
    if (type == SQLITE_INTEGER) {
        k->overflows = __builtin_sub_overflow(k->whole, sqlite3_value_int64(argv[0]), &k->whole) ||
                       k->overflows;
    } else {
        k->reals--;
    }
}

static void keep_value(sqlite3_context *context) {
    const enum which *which = sqlite3_user_data(context);
    const struct kept *k = sqlite3_aggregate_context(context, 0);
    double sum = 0.0;
    for (size_t i = k != NULL ? k->count : 0; i > 0; i--) {
        sum += k->values[k->first + i - 1];
    }
    const bool none = k == NULL || k->count == 0;
    if (none && *which != REVERSED_TOTAL) {
        sqlite3_result_null(context);
    } else if (*which == REVERSED_AVG) {
        sqlite3_result_double(context, sum / (double)k->count);
    } else if (none || *which == REVERSED_TOTAL || k->reals > 0) {
        sqlite3_result_double(context, sum);
    } else if (k->overflows) {
        sqlite3_result_error(context, "integer overflow", -1);
    } else {
        sqlite3_result_int64(context, k->whole);
    }
}

static void keep_final(sqlite3_context *context) {
    keep_value(context);
    struct kept *k = sqlite3_aggregate_context(context, 0);
    if (k != NULL) {
        mem_free(k->values);
        k->values = NULL;
    }
}

enum err_code sqlite_read_reversed(struct store *s, struct err *err) {
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        const int rc = sqlite3_create_window_function(
            sqlite_of(s)->db, names[i], 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
            (void *)(uintptr_t)&kinds[i], keep_step, keep_final, keep_value, keep_inverse, NULL);
        if (rc != SQLITE_OK) {
            return sqlite_error(s, err, "reversed functions");
        }
    }
    return store_execute(s, "PRAGMA reverse_unordered_selects = ON", err);
}
