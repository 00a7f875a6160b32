/* What the files of the SQLite store share; nobody else includes it. */
#ifndef PLUMB_STORE_SQLITE_SQLITE_STORE_H
#define PLUMB_STORE_SQLITE_SQLITE_STORE_H

#include <sqlite3.h>

#include "store/sqlite/batch_table.h"
#include "store/store.h"

/* Statements the store itself uses often, prepared once. */
enum fixed_statement {
    FIXED_BEGIN,
    FIXED_COMMIT,
    FIXED_ROLLBACK,
    FIXED_SAVEPOINT,
    FIXED_RELEASE,
    FIXED_UNDO,
    FIXED_PARTITION_GET,
    FIXED_PARTITION_ADD,
    FIXED_PARTITION_MOVE,
    FIXED_LIVE_BEFORE,
    FIXED_COVERAGE_CUT,
    FIXED_COVERAGE_TRIM,
    FIXED_COVERAGE_EXTEND,
    FIXED_COVERAGE_ADD,
    FIXED_NOTES_CUT,
    FIXED_NOTE_ADD,
    FIXED_FACTS_SET,
    FIXED_STREAM_SET,
    FIXED_REJECTS_TAKE_BACK,
    FIXED_BATCH_ADD,
    FIXED_FRAME_ADD,
    FIXED_BATCH_GET,
    FIXED_MARK_GET,
    FIXED_MARK_SET,
    FIXED_LEDGER_ADD,
    FIXED_REJECT_ADD,
    FIXED_FIELD_GET,
    FIXED_FIELD_SET,
    FIXED_EVENT_ADD,
    FIXED_TROUBLE_SET,
    FIXED_TROUBLE_CLEAR,
    FIXED_STATE_OK,
    FIXED_STATE_FAILED,
    FIXED_COUNT
};

struct presented {
    const struct flow_stream *stream;
    struct batch_table *table;
    const struct rows *rows;
    int64_t first_record;
};

struct store {
    sqlite3 *db;
    const struct flow *flow;
    enum store_mode mode;
    char *path;
    int lock_fd;
    int64_t deadline_us; /* monotonic; 0: none */
    struct batch_tables *batch_tables;
    struct presented *presented; /* [flow->stream_count] */
    struct presented *current;   /* the one _plumb_pos() and _plumb_record() speak of */
    sqlite3_stmt *fixed[FIXED_COUNT];
    struct sql_facts *analysing; /* where the authorizer writes; NULL otherwise */
    const char *refused;         /* what the authorizer refused */
    char refused_name[FLOW_NAME_BYTES_MAX + 1];
};

struct store_statement {
    struct store *store;
    sqlite3_stmt *stmt;
};

/* Class and message of the last SQLite error, with context "doing what" (NULL: the statement is the
 * user's, and the message says enough). */
enum err_code sqlite_error(struct store *s, struct err *err, const char *what);
MUST_CHECK enum err_code sqlite_prepare(struct store *s, const char *sql, sqlite3_stmt **out,
                                        struct err *err);
/* The prepared fixed statement, reset and with bindings cleared. */
MUST_CHECK enum err_code sqlite_fixed(struct store *s, enum fixed_statement which,
                                      sqlite3_stmt **out, struct err *err);
/* Steps to the end and resets. */
MUST_CHECK enum err_code sqlite_finish(struct store *s, sqlite3_stmt *stmt, const char *what,
                                       struct err *err);
/* Steps once: *has_row. The caller resets. */
MUST_CHECK enum err_code sqlite_row(struct store *s, sqlite3_stmt *stmt, const char *what,
                                    bool *has_row, struct err *err);
struct str sqlite_text(sqlite3_stmt *stmt, int column);
void sqlite_bind(sqlite3_stmt *stmt, int index, struct str text);

/* System tables, user tables, indexes (catalog.c). */
MUST_CHECK enum err_code catalog_prepare(struct store *s, struct err *err);
MUST_CHECK enum err_code catalog_indexes(struct store *s, const struct flow_table *t,
                                         struct err *err);
/* The schema under which a store aside sees the one it is built for. */
#define STORE_ORIGIN "plumb_origin"
bool store_is_aside(enum store_mode mode);
/* Attaches the database at path. */
MUST_CHECK enum err_code store_attach(struct store *s, const char *path, const char *schema,
                                      struct err *err);
/* What stands in the parentheses of CREATE TABLE, and what an index of the flow is called. */
void catalog_table_columns(const struct flow *flow, const struct flow_table *t, struct buf *out);
void catalog_index_name(const struct flow_table *t, size_t index, struct buf *out);
/* _plumb_pos(), _plumb_record() and the authorizer (analyse.c). */
MUST_CHECK enum err_code analyse_install(struct store *s, struct err *err);
/* plumb_reached() and plumb_decided(), if the flow has ways to count (cover.c). */
MUST_CHECK enum err_code cover_register(struct store *s, struct err *err);
/* How the SELECT will run: has_* , is_mixed and batch_* of sql_facts (query_plan.c). */
MUST_CHECK enum err_code query_plan_note(struct store *s, const char *sql, struct sql_facts *out,
                                         struct err *err);

#endif
