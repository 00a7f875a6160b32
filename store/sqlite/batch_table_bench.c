/* How fast the batch table is: INSERT ... SELECT from it against a C loop that binds the same rows
 * to a prepared upsert. Both into a fresh file with one durable commit for every 10,000 rows; the
 * two take turns, and the best time of each counts.
 *
 *     batch_table_bench DIRECTORY [ROWS] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"
#include "rows/int256.h"
#include "store/sqlite/batch_table.h"

#define ROWS_DEFAULT 1000000
#define BATCH_ROWS   10000
#define ROUNDS       3
#define MEMORY_MAX   ((size_t)2 << 30)
#define CELL_BYTES   48
/* Of a hundred rows, this many have the key of an earlier one. */
#define REPEATED_PERCENT 5

static const struct column columns[] = {
    {"block", TYPE_INT64}, {"position", TYPE_INT64}, {"token", TYPE_TEXT},
    {"sender", TYPE_TEXT}, {"receiver", TYPE_TEXT},  {"amount", TYPE_INT256},
};
static const struct schema schema = {columns, ARRAY_COUNT(columns)};

#define TABLE                                                                                      \
    "CREATE TABLE transfers(block INTEGER, position INTEGER, token TEXT, sender TEXT, receiver "   \
    "TEXT, amount BLOB, PRIMARY KEY (block, position)) STRICT, WITHOUT ROWID"
#define ON_CONFLICT                                                                                \
    " ON CONFLICT(block, position) DO UPDATE SET token = excluded.token, sender = "                \
    "excluded.sender, receiver = excluded.receiver, amount = excluded.amount"

/* What a table with one consumer has. */
#define QUEUE                                                                                      \
    "CREATE TABLE queue(block INTEGER, position INTEGER, PRIMARY KEY (block, position)) STRICT, "  \
    "WITHOUT ROWID;"                                                                               \
    "CREATE TRIGGER queue_i AFTER INSERT ON transfers BEGIN INSERT INTO queue VALUES "             \
    "(new.block, new.position) ON CONFLICT DO NOTHING; END;"                                       \
    "CREATE TRIGGER queue_u AFTER UPDATE ON transfers BEGIN INSERT INTO queue VALUES "             \
    "(new.block, new.position) ON CONFLICT DO NOTHING; END;"

static void check(bool ok, const char *what) {
    if (!ok) {
        (void)fprintf(stderr, "bench: %s\n", what);
        _Exit(EXIT_FAILURE);
    }
}

static struct str address_make(struct arena *arena, uint64_t seed) {
    char text[CELL_BYTES];
    int len = snprintf(text, sizeof(text), "0x%016" PRIx64 "%016" PRIx64 "%08" PRIx64,
                       seed * UINT64_C(0x9E3779B97F4A7C15), seed * UINT64_C(0xBF58476D1CE4E5B9),
                       seed & UINT64_C(0xffffffff));
    struct str out = {NULL, 0};
    struct err err = ERR_INIT;
    check(arena_copy(arena, (struct str){text, (size_t)len}, &out, &err) == ERR_NONE, err.message);
    return out;
}

static void rows_make(struct rows *rows, struct arena *arena, size_t count) {
    struct err err = ERR_INIT;
    check(rows_init(rows, &schema, arena, count, &err) == ERR_NONE, err.message);
    uint64_t random = 1;
    for (size_t i = 0; i < count; i++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        bool repeated = i > 1000 && (random >> 33) % 100 < REPEATED_PERCENT;
        int64_t key = (int64_t)(repeated ? i - (random >> 40) % 1000 : i);
        rows_set_i64(rows, 0, 18000000 + key / 150);
        rows_set_i64(rows, 1, key % 150);
        rows_set_bytes(rows, 2, address_make(arena, (random >> 50) % 100));
        rows_set_bytes(rows, 3, address_make(arena, (random >> 20) % 50000));
        rows_set_bytes(rows, 4, address_make(arena, (random >> 30) % 50000));
        struct int256 amount = int256_from_i64((int64_t)(random >> 10));
        check(int256_mul(&amount, &amount, &amount), "int256_mul");
        uint8_t encoded[INT256_ENCODED_MAX];
        struct str cell = {(const char *)encoded, int256_encode(&amount, encoded)};
        struct str kept = {NULL, 0};
        check(arena_copy(arena, cell, &kept, &err) == ERR_NONE, err.message);
        rows_set_bytes(rows, 5, kept);
        rows_commit(rows, (uint32_t)i);
    }
}

static void run(sqlite3 *db, const char *sql) {
    check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
}

static sqlite3 *store_open(const char *path, bool with_queue) {
    (void)unlink(path); /* of an earlier run, if any */
    sqlite3 *db = NULL;
    check(sqlite3_open(path, &db) == SQLITE_OK, path);
    run(db, "PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA cache_size = -65536;");
    run(db, TABLE);
    if (with_queue) {
        run(db, QUEUE);
    }
    return db;
}

static void bind_row(sqlite3_stmt *insert, const struct rows *rows, size_t row) {
    for (size_t c = 0; c < schema.count; c++) {
        const struct rows_column *column = &rows->columns[c];
        int rc = SQLITE_OK;
        if (type_is_integer(column->type)) {
            rc = sqlite3_bind_int64(insert, (int)c + 1, column->integer[row]);
        } else if (column->type == TYPE_TEXT) {
            rc = sqlite3_bind_text(insert, (int)c + 1, column->bytes[row].ptr,
                                   (int)column->bytes[row].len, SQLITE_STATIC);
        } else {
            rc = sqlite3_bind_blob(insert, (int)c + 1, column->bytes[row].ptr,
                                   (int)column->bytes[row].len, SQLITE_STATIC);
        }
        check(rc == SQLITE_OK, "bind");
    }
}

static int64_t by_binding(const char *path, bool with_queue, const struct rows *rows) {
    sqlite3 *db = store_open(path, with_queue);
    sqlite3_stmt *insert = NULL;
    check(sqlite3_prepare_v3(db, "INSERT INTO transfers VALUES (?,?,?,?,?,?)" ON_CONFLICT, -1,
                             SQLITE_PREPARE_PERSISTENT, &insert, NULL) == SQLITE_OK,
          "prepare");
    int64_t start = clock_monotonic_us();
    for (size_t low = 0; low < rows->count; low += BATCH_ROWS) {
        run(db, "BEGIN IMMEDIATE");
        for (size_t row = low; row < rows->count && row < low + BATCH_ROWS; row++) {
            bind_row(insert, rows, row);
            check(sqlite3_step(insert) == SQLITE_DONE, "step");
            check(sqlite3_reset(insert) == SQLITE_OK, "reset");
        }
        run(db, "COMMIT");
    }
    int64_t took = clock_monotonic_us() - start;
    (void)sqlite3_finalize(insert); /* did its work */
    check(sqlite3_close(db) == SQLITE_OK, "close");
    return took;
}

static int64_t by_batch_table(const char *path, bool with_queue, const struct rows *rows) {
    sqlite3 *db = store_open(path, with_queue);
    struct batch_tables *tables = NULL;
    struct batch_table *table = NULL;
    struct err err = ERR_INIT;
    check(batch_tables_new(db, &tables, &err) == ERR_NONE, err.message);
    check(batch_table_create(tables, "_plumb_batch_x", &schema, &table, &err) == ERR_NONE,
          err.message);
    sqlite3_stmt *insert = NULL;
    check(sqlite3_prepare_v3(db,
                             "WITH batch AS (SELECT * FROM temp._plumb_batch_x) INSERT INTO "
                             "transfers SELECT block, position, token, sender, receiver, amount "
                             "FROM batch WHERE true" ON_CONFLICT,
                             -1, SQLITE_PREPARE_PERSISTENT, &insert, NULL) == SQLITE_OK,
          "prepare");
    int64_t start = clock_monotonic_us();
    for (size_t low = 0; low < rows->count; low += BATCH_ROWS) {
        size_t high = low + BATCH_ROWS < rows->count ? low + BATCH_ROWS : rows->count;
        run(db, "BEGIN IMMEDIATE");
        batch_table_present(table, rows, low, high);
        check(sqlite3_step(insert) == SQLITE_DONE, "step");
        check(sqlite3_reset(insert) == SQLITE_OK, "reset");
        run(db, "COMMIT");
    }
    int64_t took = clock_monotonic_us() - start;
    (void)sqlite3_finalize(insert); /* did its work */
    check(sqlite3_close(db) == SQLITE_OK, "close");
    batch_tables_free(tables);
    return took;
}

static void compare(const char *path, bool with_queue, const struct rows *rows) {
    int64_t best_bind = INT64_MAX;
    int64_t best_table = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t bind = by_binding(path, with_queue, rows);
        int64_t table = by_batch_table(path, with_queue, rows);
        best_bind = bind < best_bind ? bind : best_bind;
        best_table = table < best_table ? table : best_table;
    }
    double scaled = (double)rows->count * 1e6;
    (void)printf("%s: bind %.0f rows/s, batch table %.0f rows/s, ratio %.2f\n",
                 with_queue ? "upsert, one queue" : "upsert", scaled / (double)best_bind,
                 scaled / (double)best_table, (double)best_bind / (double)best_table);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        (void)fprintf(stderr, "usage: batch_table_bench DIRECTORY [ROWS]\n");
        return 2;
    }
    int64_t count = ROWS_DEFAULT;
    check(argc < 3 || (parse_i64(str_of(argv[2]), &count) && count > 0), "ROWS is no number");
    char *path = mem_printf("%s/batch_table_bench.db", argv[1]);
    struct arena arena;
    arena_init(&arena, MEMORY_MAX);
    struct rows rows;
    rows_make(&rows, &arena, (size_t)count);
    compare(path, false, &rows);
    compare(path, true, &rows);
    (void)unlink(path); /* nothing to do about it */
    arena_release(&arena);
    mem_free(path);
    return 0;
}
