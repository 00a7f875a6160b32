/* The limit plumb is held against: a C loop that binds decoded rows to a prepared upsert, and does
 * nothing else. No staging, no cursor, no accounting, nothing to go on from after a crash.
 *
 *     limit_sqlite FILE DATABASE [rowid]
 *
 * Reads JSON lines of transfers with the project's own decoder, CHUNK_ROWS at a time, and binds
 * them with one durable commit for every COMMIT_ROWS. Decoding and binding are timed apart. The
 * table and the connection's settings are the ones plumb uses; "rowid" gives the table as one would
 * write it without much thought: PRIMARY KEY and nothing after it.
 *
 * Prints one line of JSON: rows, decode_us, bind_us, checkpoint included, and bind_us of each
 * million. */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "bench/limit_decode.h"

#define COMMIT_ROWS 1000
#define MARK_ROWS   1000000

static const char pragmas[] =
    "PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY; PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;"
    "PRAGMA journal_size_limit = 67108864;";
#define TABLE                                                                                      \
    "CREATE TABLE transfers(block INTEGER, log_index INTEGER, token TEXT, sender TEXT, receiver "  \
    "TEXT, amount BLOB, PRIMARY KEY(block, log_index))"
static const char upsert[] =
    "INSERT INTO transfers AS t VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
    "ON CONFLICT(block, log_index) DO UPDATE SET token = excluded.token, sender = excluded.sender, "
    "receiver = excluded.receiver, amount = excluded.amount WHERE t.token IS NOT excluded.token OR "
    "t.sender IS NOT excluded.sender OR t.receiver IS NOT excluded.receiver OR t.amount IS NOT "
    "excluded.amount";

struct limit {
    sqlite3 *db;
    sqlite3_stmt *insert;
    struct limit_input input;
    int64_t rows, bind_us;
    int64_t marks[64];
    size_t mark_count;
};

static void run(sqlite3 *db, const char *sql) {
    limit_check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(db));
}

static void bind_row(sqlite3_stmt *insert, const struct rows *rows, size_t row) {
    for (size_t c = 0; c < rows->schema->count; c++) {
        const struct rows_column *column = &rows->columns[c];
        const struct str *cell = type_is_integer(column->type) ? NULL : &column->bytes[row];
        int rc = SQLITE_OK;
        if (cell == NULL) {
            rc = sqlite3_bind_int64(insert, (int)c + 1, column->integer[row]);
        } else if (column->type == TYPE_TEXT) {
            rc = sqlite3_bind_text(insert, (int)c + 1, cell->ptr, (int)cell->len, SQLITE_STATIC);
        } else {
            rc = sqlite3_bind_blob(insert, (int)c + 1, cell->ptr, (int)cell->len, SQLITE_STATIC);
        }
        limit_check(rc == SQLITE_OK, "bind");
    }
}

static void chunk_bind(struct limit *l, const struct rows *rows) {
    for (size_t low = 0; low < rows->count; low += COMMIT_ROWS) {
        run(l->db, "BEGIN IMMEDIATE");
        for (size_t row = low; row < rows->count && row < low + COMMIT_ROWS; row++) {
            bind_row(l->insert, rows, row);
            limit_check(sqlite3_step(l->insert) == SQLITE_DONE, sqlite3_errmsg(l->db));
            limit_check(sqlite3_reset(l->insert) == SQLITE_OK, "reset");
        }
        run(l->db, "COMMIT");
    }
}

static void load(struct limit *l) {
    for (const struct rows *rows = NULL; (rows = limit_next(&l->input)) != NULL;) {
        const int64_t started = clock_monotonic_us();
        chunk_bind(l, rows);
        l->bind_us += clock_monotonic_us() - started;
        l->rows += (int64_t)rows->count;
        if (l->rows / MARK_ROWS > (int64_t)l->mark_count && l->mark_count < ARRAY_COUNT(l->marks)) {
            l->marks[l->mark_count++] = l->bind_us;
        }
    }
}

static void report(const struct limit *l) {
    (void)printf("{\"rows\":%" PRId64 ",\"decode_us\":%" PRId64 ",\"bind_us\":%" PRId64
                 ",\"millions_us\":[",
                 l->rows, l->input.decode_us, l->bind_us);
    for (size_t i = 0; i < l->mark_count; i++) {
        (void)printf("%s%" PRId64, i > 0 ? "," : "", l->marks[i]);
    }
    (void)printf("]}\n");
}

int main(int argc, char **argv) {
    limit_check(argc >= 3, "usage: limit_sqlite FILE DATABASE [rowid]");
    bool rowid = argc > 3 && strcmp(argv[3], "rowid") == 0;
    struct limit l = {.db = NULL};
    limit_open(&l.input, argv[1]);
    limit_check(sqlite3_open(argv[2], &l.db) == SQLITE_OK, argv[2]);
    run(l.db, pragmas);
    run(l.db, rowid ? TABLE : TABLE " STRICT, WITHOUT ROWID");
    limit_check(sqlite3_prepare_v3(l.db, upsert, -1, SQLITE_PREPARE_PERSISTENT, &l.insert, NULL) ==
                    SQLITE_OK,
                sqlite3_errmsg(l.db));
    load(&l);
    int64_t started = clock_monotonic_us();
    (void)sqlite3_finalize(l.insert); /* did its work */
    limit_check(sqlite3_close(l.db) == SQLITE_OK, "close");
    l.bind_us += clock_monotonic_us() - started;
    report(&l);
    limit_close(&l.input);
    return 0;
}
