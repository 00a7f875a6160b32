/* What the files of the SQLite store share; nobody else includes it. */
#ifndef PLUMB_STORE_SQLITE_SQLITE_STORE_H
#define PLUMB_STORE_SQLITE_SQLITE_STORE_H

#include <sqlite3.h>

#include "store/driver.h"
#include "store/sqlite/batch_table.h"

/* Transactions, prepared once. */
enum control {
    CONTROL_BEGIN,
    CONTROL_COMMIT,
    CONTROL_SAVEPOINT,
    CONTROL_RELEASE,
    CONTROL_UNDO,
    CONTROL_COUNT
};

struct presented {
    const struct flow_stream *stream;
    struct batch_table *table;
    const struct rows *rows;
    int64_t first_record;
};

struct sqlite_store {
    struct store base; /* first */
    sqlite3 *db;
    int lock_fd;
    int64_t deadline_us; /* monotonic; 0: none */
    struct batch_tables *batch_tables;
    struct presented *presented; /* [flow->stream_count] */
    struct presented *current;   /* the one _plumb_pos() and _plumb_record() speak of */
    sqlite3_stmt *control[CONTROL_COUNT];
    struct sql_facts *analysing; /* where the authorizer writes; NULL otherwise */
    const char *refused;         /* what the authorizer refused */
    char refused_name[FLOW_NAME_BYTES_MAX + 1];
};

static inline struct sqlite_store *sqlite_of(struct store *s) {
    return (struct sqlite_store *)s;
}

struct sqlite_statement {
    struct store_statement base; /* first */
    sqlite3_stmt *stmt;
};

/* Class and message of the last SQLite error, with context "doing what" (NULL: the statement is the
 * user's, and the message says enough). */
enum err_code sqlite_error(struct store *s, struct err *err, const char *what);
MUST_CHECK enum err_code sqlite_prepare(struct store *s, const char *sql, sqlite3_stmt **out,
                                        struct err *err);
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
/* Attaches the database at path. */
MUST_CHECK enum err_code store_attach(struct store *s, const char *path, const char *schema,
                                      struct err *err);
/* What stands in the parentheses of CREATE TABLE. */
void catalog_table_columns(const struct flow *flow, const struct flow_table *t, struct buf *out);
/* _plumb_pos(), _plumb_record() and the authorizer (analyse.c). */
MUST_CHECK enum err_code analyse_install(struct store *s, struct err *err);
/* plumb_reached() and plumb_decided(), if the flow has ways to count (cover.c). */
MUST_CHECK enum err_code cover_register(struct store *s, struct err *err);
/* How the SELECT will run: has_* , is_mixed and batch_* of sql_facts (query_plan.c). */
MUST_CHECK enum err_code query_plan_note(struct store *s, const char *sql, struct sql_facts *out,
                                         struct err *err);

/* ---- what driver.c puts into the table ---- */
MUST_CHECK enum err_code sqlite_store_open(const struct flow *flow, enum store_mode mode,
                                           struct store **out, struct err *err);
void sqlite_store_close(struct store *s);
MUST_CHECK enum err_code sqlite_exists(const struct flow *flow, bool *exists, struct err *err);
void sqlite_aside_remove(const struct flow *flow, enum store_mode mode);
MUST_CHECK enum err_code sqlite_begin(struct store *s, struct err *err);
MUST_CHECK enum err_code sqlite_commit(struct store *s, struct err *err);
void sqlite_rollback(struct store *s);
MUST_CHECK enum err_code sqlite_savepoint(struct store *s, struct err *err);
MUST_CHECK enum err_code sqlite_release(struct store *s, struct err *err);
MUST_CHECK enum err_code sqlite_undo(struct store *s, struct err *err);
void sqlite_deadline(struct store *s, int64_t monotonic_us);
MUST_CHECK enum err_code sqlite_read_reversed(struct store *s, struct err *err);
MUST_CHECK enum err_code sqlite_present(struct store *s, const struct flow_stream *stream,
                                        const struct store_rows *rows, struct err *err);
size_t sqlite_present_at(const struct store *s, const struct flow_stream *stream);
int64_t *sqlite_ticks(struct store *s);
void sqlite_ticks_reset(struct store *s);
MUST_CHECK enum err_code sqlite_object_ensure(struct store *s, const char *name, const char *ddl,
                                              struct err *err);
MUST_CHECK enum err_code sqlite_objects_forget(struct store *s, struct err *err);
MUST_CHECK enum err_code sqlite_table_compare(struct store *s, const struct flow_table *t,
                                              bool *exists, struct buf *out, struct err *err);
MUST_CHECK enum err_code sqlite_index_exists(struct store *s, const struct flow_table *t,
                                             size_t index, bool *exists, struct err *err);
MUST_CHECK enum err_code sqlite_table_digest(struct store *s, const struct flow_table *t, char *out,
                                             struct err *err);
MUST_CHECK enum err_code sqlite_analyse(struct store *s, const char *sql, struct sql_facts *out,
                                        int64_t *offset, struct err *err);
MUST_CHECK enum err_code sqlite_aside_continues(struct store *s, const char *purpose, bool *out,
                                                struct err *err);
MUST_CHECK enum err_code sqlite_aside_begin(struct store *s, const char *purpose, struct err *err);
MUST_CHECK enum err_code sqlite_aside_keep_rejects(struct store *s, int64_t batch, struct err *err);
MUST_CHECK enum err_code sqlite_swap(struct store *s, const struct flow *built,
                                     struct swap_report *report, struct err *err);

#endif
