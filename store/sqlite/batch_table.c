/* How it works: a batch_table holds pointers to the rows presented last; a cursor copies what it
 * needs when a scan starts, so the cost of a cell is two loads, a switch and SQLite's own result
 * call. Text and blobs go in as SQLITE_STATIC: nothing is copied until SQLite writes a record.
 *
 * SQLite may disconnect and connect a virtual table again whenever it reloads its schema, so the
 * SQLite-side object (batch_vtab) only points to ours, found again by the table's name. */
#include "store/sqlite/batch_table.h"

#include <limits.h>
#include <string.h>

#include "rows/schema.h"
#include "store/store.h"

#define MODULE_NAME "plumb_batch"

/* What the planner is told. Larger than any real table, so that the batch is the outer loop. */
#define CLAIMED_ROWS 1000000000
#define CLAIMED_COST 1e12

#define NO_ROW SIZE_MAX

struct batch_table {
    struct batch_tables *owner;
    char *name;
    const struct schema *schema; /* borrowed */
    const struct rows *rows;     /* borrowed while presented */
    size_t low;
    size_t high;
    size_t at;
    struct batch_table *next;
};

struct batch_tables {
    sqlite3 *db;
    struct batch_table *first;   /* the newest first */
    struct batch_table *current; /* scanned last: whose rows _plumb_row looks at */
    size_t row_before;           /* where the previous _plumb_row stood */
    int64_t ticks[BATCH_TICKS];
};

struct batch_vtab {
    sqlite3_vtab base; /* must be first */
    struct batch_table *table;
};

struct batch_cursor {
    sqlite3_vtab_cursor base; /* must be first */
    struct batch_table *table;
    const struct rows_column *columns;
    size_t row;
    size_t end;
};

const char *sqlite_sql_type(enum column_type type) {
    switch (type) {
    case TYPE_INT64:
    case TYPE_BOOL:
    case TYPE_TIMESTAMP:
        return "INTEGER";
    case TYPE_FLOAT64:
        return "REAL";
    case TYPE_TEXT:
    case TYPE_JSON:
        return "TEXT";
    case TYPE_BYTES:
    case TYPE_INT256:
        return "BLOB";
    }
    return "BLOB";
}

static enum err_code sqlite_failed(struct err *err, sqlite3 *db, int rc, const char *what) {
    enum err_code code = (rc & 0xff) == SQLITE_NOMEM ? ERR_LIMIT : ERR_INTERNAL;
    enum err_code result = err_set(err, code, "SQLite: %s: %s", what, sqlite3_errmsg(db));
    err->origin = rc;
    return result;
}

/* ---- the virtual table ---- */

/* "name" with its quotes doubled. */
static void identifier_add(struct buf *b, const char *name) {
    buf_addc(b, '"');
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '"') {
            buf_addc(b, '"');
        }
        buf_addc(b, *c);
    }
    buf_addc(b, '"');
}

/* The types a table of the flow would have, so that a comparison in a map means what it means
 * there. Cells are of these types already; affinity changes none. */
static void declaration_make(struct buf *b, const struct schema *schema) {
    buf_adds(b, "CREATE TABLE batch(");
    for (size_t i = 0; i < schema->count; i++) {
        buf_adds(b, i == 0 ? "" : ", ");
        identifier_add(b, schema->columns[i].name);
        buf_addf(b, " %s", sqlite_sql_type(schema->columns[i].type));
    }
    buf_addc(b, ')');
}

static int vtab_connect(sqlite3 *db, void *context, int argc, const char *const *argv,
                        sqlite3_vtab **out, char **message) {
    const struct batch_tables *tables = context;
    struct batch_table *table = tables->first;
    while (table != NULL && (argc < 3 || strcmp(table->name, argv[2]) != 0)) {
        table = table->next;
    }
    if (table == NULL) {
        *message = sqlite3_mprintf("%s tables are made by plumb only", MODULE_NAME);
        return SQLITE_ERROR;
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    declaration_make(&sql, table->schema);
    int rc = sqlite3_declare_vtab(db, buf_c(&sql));
    if (rc != SQLITE_OK) {
        *message = sqlite3_mprintf("%s", sqlite3_errmsg(db));
        return rc;
    }
    struct batch_vtab *vtab = sqlite3_malloc64(sizeof(*vtab));
    if (vtab == NULL) {
        return SQLITE_NOMEM;
    }
    *vtab = (struct batch_vtab){.table = table};
    *out = &vtab->base;
    return sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
}

/* A function of its own: with xCreate == xConnect SQLite would offer the module's own name as a
 * table as well. */
static int vtab_create(sqlite3 *db, void *context, int argc, const char *const *argv,
                       sqlite3_vtab **out, char **message) {
    return vtab_connect(db, context, argc, argv, out, message);
}

static int vtab_disconnect(sqlite3_vtab *vtab) {
    sqlite3_free(vtab);
    return SQLITE_OK;
}

static char plan_name[] = "batch";

static int vtab_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info) {
    static char name[] = "batch"; /* not const: SQLite's field is not */
    (void)vtab;
    info->idxNum = 0;
    info->idxStr = name; /* see BATCH_TABLE_PLAN */
    info->estimatedCost = CLAIMED_COST;
    info->estimatedRows = CLAIMED_ROWS;
    info->idxStr = plan_name; /* shown by EXPLAIN QUERY PLAN, see BATCH_TABLE_PLAN */
    return SQLITE_OK;
}

static int vtab_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out) {
    struct batch_cursor *cursor = sqlite3_malloc64(sizeof(*cursor));
    if (cursor == NULL) {
        return SQLITE_NOMEM;
    }
    *cursor = (struct batch_cursor){.table = ((struct batch_vtab *)(void *)vtab)->table};
    *out = &cursor->base;
    return SQLITE_OK;
}

static int vtab_close(sqlite3_vtab_cursor *cursor) {
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static int vtab_filter(sqlite3_vtab_cursor *base, int index, const char *index_text, int argc,
                       sqlite3_value **argv) {
    (void)index;
    (void)index_text;
    (void)argc;
    (void)argv;
    struct batch_cursor *cursor = (struct batch_cursor *)(void *)base;
    struct batch_table *table = cursor->table;
    cursor->columns = table->rows == NULL ? NULL : table->rows->columns;
    cursor->row = table->low;
    cursor->end = table->high;
    table->at = table->low;
    if (table->owner->current != table) {
        table->owner->current = table;
        table->owner->row_before = NO_ROW;
    }
    return SQLITE_OK;
}

static int vtab_next(sqlite3_vtab_cursor *base) {
    struct batch_cursor *cursor = (struct batch_cursor *)(void *)base;
    cursor->row++;
    cursor->table->at = cursor->row;
    return SQLITE_OK;
}

static int vtab_eof(sqlite3_vtab_cursor *base) {
    const struct batch_cursor *cursor = (struct batch_cursor *)(void *)base;
    return cursor->row >= cursor->end;
}

static void bytes_result(sqlite3_context *context, const struct rows_column *column, size_t row) {
    struct str cell = column->bytes[row];
    if (UNLIKELY(cell.len > INT_MAX)) {
        sqlite3_result_error_toobig(context);
        return;
    }
    /* SQLite takes a NULL pointer for NULL, and an empty view may have one. */
    const char *ptr = cell.len == 0 ? "" : cell.ptr;
    if (column->type == TYPE_TEXT || column->type == TYPE_JSON) {
        sqlite3_result_text(context, ptr, (int)cell.len, SQLITE_STATIC);
    } else {
        sqlite3_result_blob(context, ptr, (int)cell.len, SQLITE_STATIC);
    }
}

static int vtab_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int index) {
    const struct batch_cursor *cursor = (struct batch_cursor *)(void *)base;
    const struct rows_column *column = &cursor->columns[index];
    size_t row = cursor->row;
    if (column->is_null[row] != 0) {
        return SQLITE_OK; /* SQLite has set NULL already */
    }
    switch (column->type) {
    case TYPE_INT64:
    case TYPE_BOOL:
    case TYPE_TIMESTAMP:
        sqlite3_result_int64(context, column->integer[row]);
        break;
    case TYPE_FLOAT64:
        sqlite3_result_double(context, column->real[row]);
        break;
    case TYPE_TEXT:
    case TYPE_JSON:
    case TYPE_BYTES:
    case TYPE_INT256:
        bytes_result(context, column, row);
        break;
    }
    return SQLITE_OK;
}

static int vtab_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
    *out = (sqlite3_int64)((struct batch_cursor *)(void *)base)->row;
    return SQLITE_OK;
}

static const sqlite3_module module = {
    .iVersion = 0,
    .xCreate = vtab_create,
    .xConnect = vtab_connect,
    .xBestIndex = vtab_best_index,
    .xDisconnect = vtab_disconnect,
    .xDestroy = vtab_disconnect,
    .xOpen = vtab_open,
    .xClose = vtab_close,
    .xFilter = vtab_filter,
    .xNext = vtab_next,
    .xEof = vtab_eof,
    .xColumn = vtab_column,
    .xRowid = vtab_rowid,
};

/* ---- counting ---- */

static void tick_call(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct batch_tables *tables = sqlite3_user_data(context);
    sqlite3_int64 slot = sqlite3_value_int64(argv[0]);
    if (sqlite3_value_type(argv[0]) != SQLITE_INTEGER || slot < 0 || slot >= BATCH_TICKS) {
        sqlite3_result_error(context, "_plumb_tick(): no such slot", -1);
        return;
    }
    tables->ticks[slot]++;
    sqlite3_result_value(context, argv[1]);
}

static void row_call(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    struct batch_tables *tables = sqlite3_user_data(context);
    tables->ticks[BATCH_TICK_ROWS]++;
    if (tables->current != NULL && tables->current->at != tables->row_before) {
        tables->row_before = tables->current->at;
        tables->ticks[BATCH_TICK_RECORDS]++;
    }
    sqlite3_result_value(context, argv[0]);
}

int64_t *batch_tables_ticks(struct batch_tables *t) {
    return t->ticks;
}

void batch_tables_reset_ticks(struct batch_tables *t) {
    memset(t->ticks, 0, sizeof(t->ticks));
    t->row_before = NO_ROW;
}

/* ---- tables of a connection ---- */

enum err_code batch_tables_new(sqlite3 *db, struct batch_tables **out, struct err *err) {
    struct batch_tables *tables = mem_alloc(sizeof(*tables));
    tables->db = db;
    tables->row_before = NO_ROW;
    const int flags = SQLITE_UTF8 | SQLITE_INNOCUOUS;
    int rc = sqlite3_create_module_v2(db, MODULE_NAME, &module, tables, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_create_function_v2(db, "_plumb_tick", 2, flags, tables, tick_call, NULL, NULL,
                                        NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_create_function_v2(db, "_plumb_row", 1, flags, tables, row_call, NULL, NULL,
                                        NULL);
    }
    if (rc != SQLITE_OK) {
        enum err_code code = sqlite_failed(err, db, rc, "cannot register the batch tables");
        (void)sqlite3_create_module_v2(db, MODULE_NAME, NULL, NULL, NULL); /* it may not be there */
        mem_free(tables);
        return code;
    }
    *out = tables;
    return ERR_NONE;
}

static void table_free(struct batch_table *table) {
    mem_free(table->name);
    mem_free(table);
}

void batch_tables_free(struct batch_tables *t) {
    if (t == NULL) {
        return;
    }
    while (t->first != NULL) {
        struct batch_table *table = t->first;
        t->first = table->next;
        table_free(table);
    }
    mem_free(t);
}

enum err_code batch_table_create(struct batch_tables *t, const char *table_name,
                                 const struct schema *schema, struct batch_table **out,
                                 struct err *err) {
    ASSERT(schema->count > 0 && schema->count <= SCHEMA_COLUMNS_MAX);
    struct batch_table *table = mem_alloc(sizeof(*table));
    table->owner = t;
    table->name = mem_strdup(table_name);
    table->schema = schema;
    table->next = t->first;
    t->first = table; /* vtab_connect looks for it there */

    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql, "CREATE VIRTUAL TABLE temp.");
    identifier_add(&sql, table_name);
    buf_adds(&sql, " USING " MODULE_NAME);
    int rc = sqlite3_exec(t->db, buf_c(&sql), NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        t->first = table->next;
        table_free(table);
        (void)sqlite_failed(err, t->db, rc, "CREATE VIRTUAL TABLE");
        return err_wrap(err, "batch table '%s'", table_name);
    }
    *out = table;
    return ERR_NONE;
}

void batch_table_present(struct batch_table *t, const struct rows *rows, size_t low, size_t high) {
    ASSERT(rows == NULL || (low <= high && high <= rows->count));
    ASSERT(rows == NULL || rows->schema->count == t->schema->count);
    t->rows = rows;
    t->low = rows == NULL ? 0 : low;
    t->high = rows == NULL ? 0 : high;
    t->at = t->low;
    t->owner->row_before = NO_ROW;
}

size_t batch_table_at(const struct batch_table *t) {
    return t->at;
}
