/* The limit a store in PostgreSQL is held against: decoded rows by binary COPY into a temporary
 * table, from there with one INSERT ... ON CONFLICT into the table, one durable commit each, and
 * nothing else. No staging, no cursor, no accounting.
 *
 *     limit_postgres FILE URL [COMMIT_ROWS]
 *
 * COMMIT_ROWS 17000 is about what plumb's batches hold. The server's settings are as they are: for a
 * fair figure it is the one plumb is measured on, with fsync on. Makes the table bench_transfers
 * anew, and leaves it.
 *
 * Prints one line of JSON: rows, decode_us, load_us, and of the latter copy_us. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "bench/limit_decode.h"
#include "store/postgres/postgres.h"

#define COMMIT_ROWS 17000

#define COLUMNS "block, log_index, token, sender, receiver, amount"
static const char table[] =
    "DROP TABLE IF EXISTS bench_transfers; CREATE TABLE bench_transfers(block bigint, log_index "
    "bigint, token text COLLATE \"C\", sender text COLLATE \"C\", receiver text COLLATE \"C\", "
    "amount "
    "numeric, PRIMARY KEY(block, log_index))";
static const char staged[] = "CREATE TEMP TABLE staged(_pos bigint, block bigint, log_index "
                             "bigint, token text, sender text, "
                             "receiver text, amount numeric) ON COMMIT DROP";
static const char copy[] = "COPY pg_temp.staged FROM STDIN (FORMAT binary)";
/* A key twice in one statement would be refused: the last one wins. */
static const char upsert[] =
    "INSERT INTO bench_transfers AS t (" COLUMNS ") SELECT DISTINCT ON (block, log_index) " COLUMNS
    " FROM pg_temp.staged ORDER BY block, log_index, _pos DESC ON CONFLICT (block, log_index) DO "
    "UPDATE SET token = "
    "excluded.token, sender = excluded.sender, receiver = excluded.receiver, amount = "
    "excluded.amount WHERE (t.token, t.sender, t.receiver, t.amount) IS DISTINCT FROM "
    "(excluded.token, excluded.sender, excluded.receiver, excluded.amount)";

struct limit {
    struct pg *pg;
    int64_t commit_rows;
    int64_t rows, load_us, copy_us;
};

static void load(struct limit *l, const struct rows *rows) {
    struct err err = ERR_INIT;
    const size_t step = (size_t)l->commit_rows;
    for (size_t low = 0; low < rows->count; low += step) {
        const size_t high = low + step < rows->count ? low + step : rows->count;
        const int64_t place = 0;
        bool unknown = false;
        limit_check(pg_begin(l->pg, &err) == ERR_NONE, err.message);
        limit_check(pg_execute(l->pg, staged, &err) == ERR_NONE, err.message);
        const int64_t started = clock_monotonic_us();
        limit_check(pg_copy_table(l->pg, copy, rows, low, high, &place, &err) == ERR_NONE,
                    err.message);
        l->copy_us += clock_monotonic_us() - started;
        limit_check(pg_execute(l->pg, upsert, &err) == ERR_NONE, err.message);
        limit_check(pg_commit(l->pg, &unknown, &err) == ERR_NONE, err.message);
    }
}

int main(int argc, char **argv) {
    struct err err = ERR_INIT;
    limit_check(argc >= 3, "usage: limit_postgres FILE URL [COMMIT_ROWS]");
    struct limit l = {.commit_rows = COMMIT_ROWS};
    limit_check(argc < 4 || (parse_i64(str_of(argv[3]), &l.commit_rows) && l.commit_rows > 0),
                "COMMIT_ROWS is a number");
    struct limit_input input;
    limit_open(&input, argv[1]);
    limit_check(pg_open(argv[2], "limit_postgres", &l.pg, &err) == ERR_NONE, err.message);
    limit_check(pg_execute(l.pg, table, &err) == ERR_NONE, err.message);
    for (const struct rows *rows = NULL; (rows = limit_next(&input)) != NULL;) {
        const int64_t started = clock_monotonic_us();
        load(&l, rows);
        l.load_us += clock_monotonic_us() - started;
        l.rows += (int64_t)rows->count;
    }
    (void)printf("{\"rows\":%" PRId64 ",\"decode_us\":%" PRId64 ",\"load_us\":%" PRId64
                 ",\"copy_us\":%" PRId64 "}\n",
                 l.rows, input.decode_us, l.load_us, l.copy_us);
    pg_close(l.pg);
    limit_close(&input);
    return 0;
}
