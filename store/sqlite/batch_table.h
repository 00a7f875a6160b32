/* The decoded rows of a batch as an SQLite table, without copying them.
 *
 * Each source stream has one virtual table (module plumb_batch, schema temp) with the columns of
 * its contract, scanned in row order and in no other way: xBestIndex takes no constraints and
 * claims a large size, so the planner puts it in the outer loop. Before a statement runs, rows
 * [low, high) are presented; the rows must stay until the statement is reset. int256 cells are
 * their encoded BLOB, json is TEXT, bool and timestamp are INTEGER.
 *
 * One connection, one thread. */
#ifndef PLUMB_STORE_SQLITE_BATCH_TABLE_H
#define PLUMB_STORE_SQLITE_BATCH_TABLE_H

#include <sqlite3.h>

#include "rows/rows.h"

/* How EXPLAIN QUERY PLAN shows a scan of a batch table. */
#define BATCH_TABLE_PLAN "VIRTUAL TABLE INDEX 0:batch"

struct batch_tables; /* all of one connection */
struct batch_table;

MUST_CHECK enum err_code batch_tables_new(sqlite3 *db, struct batch_tables **out, struct err *err);
void batch_tables_free(struct batch_tables *t); /* after sqlite3_close */
/* CREATE VIRTUAL TABLE temp."<table_name>". schema is borrowed for the life of the connection. */
MUST_CHECK enum err_code batch_table_create(struct batch_tables *t, const char *table_name,
                                            const struct schema *schema, struct batch_table **out,
                                            struct err *err);
/* rows NULL: the table is empty. */
void batch_table_present(struct batch_table *t, const struct rows *rows, size_t low, size_t high);
/* Index into rows of the row a cursor stands on now or stood on last; high when a scan has ended.
 * A failed INSERT ... SELECT so names its row, unless SQLite had to copy the selected rows aside
 * before the first insert: it does when the target table has triggers or the SELECT sorts, and then
 * at is high. */
size_t batch_table_at(const struct batch_table *t);

/* Counters SQL can bump. The SQL function _plumb_tick(slot, result) adds one to slot 0..7 and gives
 * result. _plumb_row(x) gives x; it adds one to slot 6 for every call and to slot 7 when the
 * presented table's current row differs from the one at the previous call (rows out and records out
 * of a map). Not deterministic, so never optimised away. */
#define BATCH_TICKS        8
#define BATCH_TICK_ROWS    6
#define BATCH_TICK_RECORDS 7
int64_t *batch_tables_ticks(struct batch_tables *t); /* [BATCH_TICKS] */
void batch_tables_reset_ticks(struct batch_tables *t);
/* What a column's type is called in SQLite's SQL. */
const char *sqlite_sql_type(enum column_type type);

#endif
