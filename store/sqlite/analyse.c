/* What a SELECT reads and does, asked of SQLite itself.
 *
 * The authorizer sees every table, column and function a statement names while it is compiled;
 * query_plan.c asks how it will run. Nothing here interprets SQL text. */
#include <stdio.h>
#include <string.h>

#include "store/sqlite/sqlite_store.h"

/* Functions whose result may differ between two runs over the same rows, or that depend on the
 * order rows come in. */
static const char *const refused_functions[][2] = {
    {"random", "gives another value in every run"},
    {"randomblob", "gives another value in every run"},
    {"current_time", "depends on when it runs"},
    {"current_date", "depends on when it runs"},
    {"current_timestamp", "depends on when it runs"},
    {"changes", "depends on what ran before"},
    {"total_changes", "depends on what ran before"},
    {"last_insert_rowid", "depends on what ran before"},
    {"sqlite_version", "depends on the program, not on the data"},
    {"sqlite_source_id", "depends on the program, not on the data"},
    {"group_concat", "joins in an order SQL does not define"},
    {"json_group_array", "collects in an order SQL does not define"},
    {"json_group_object", "collects in an order SQL does not define"},
    {"load_extension", "is not allowed in a flow"},
    {"readfile", "is not allowed in a flow"},
    {"writefile", "is not allowed in a flow"},
};

/* False when there is no room for it: what is not noted could not be checked. */
static bool note_read(struct sql_facts *facts, const char *table, const char *column) {
    for (size_t i = 0; i < facts->read_count; i++) {
        if (strcmp(facts->reads[i].table, table) == 0 &&
            strcmp(facts->reads[i].column, column) == 0) {
            return true;
        }
    }
    if (facts->read_count == ARRAY_COUNT(facts->reads)) {
        return false;
    }
    (void)snprintf(facts->reads[facts->read_count].table, SQL_RELATION_BYTES_MAX + 1, "%s", table);
    (void)snprintf(facts->reads[facts->read_count].column, FLOW_NAME_BYTES_MAX + 1, "%s", column);
    facts->read_count++;
    return true;
}

static int refuse(struct store *s, const char *name, const char *why) {
    if (sqlite_of(s)->refused == NULL) {
        sqlite_of(s)->refused = why;
        (void)snprintf(sqlite_of(s)->refused_name, sizeof(sqlite_of(s)->refused_name), "%s", name);
    }
    return SQLITE_DENY;
}

static int authorize(void *context, int action, const char *a, const char *b, const char *database,
                     const char *trigger) {
    struct store *s = context;
    (void)database;
    (void)trigger;
    if (sqlite_of(s)->analysing == NULL) {
        return SQLITE_OK;
    }
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_READ:
        return note_read(sqlite_of(s)->analysing, a, b)
                   ? SQLITE_OK
                   : refuse(s, a, "too many columns are read by one statement");
    case SQLITE_FUNCTION:
        for (size_t i = 0; i < ARRAY_COUNT(refused_functions); i++) {
            if (sqlite3_stricmp(b, refused_functions[i][0]) == 0) {
                return refuse(s, b, refused_functions[i][1]);
            }
        }
        return strncmp(b, "_plumb_", 7) == 0 ? refuse(s, b, "belongs to the engine") : SQLITE_OK;
    default:
        return refuse(s, "statement", "only one SELECT is allowed here");
    }
}

/* The position among the batch's rows, for lineage and key: auto. */
static void sql_pos(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    (void)values;
    struct store *s = sqlite3_user_data(context);
    if (sqlite_of(s)->current == NULL) {
        sqlite3_result_null(context);
        return;
    }
    size_t at = batch_table_at(sqlite_of(s)->current->table);
    sqlite3_result_int64(context, at < sqlite_of(s)->current->rows->count
                                      ? (int64_t)sqlite_of(s)->current->rows->pos[at]
                                      : -1);
}

static void sql_record(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    (void)values;
    struct store *s = sqlite3_user_data(context);
    if (sqlite_of(s)->current == NULL) {
        sqlite3_result_null(context);
        return;
    }
    size_t at = batch_table_at(sqlite_of(s)->current->table);
    int64_t pos = at < sqlite_of(s)->current->rows->count
                      ? (int64_t)sqlite_of(s)->current->rows->pos[at]
                      : -1;
    sqlite3_result_int64(context, sqlite_of(s)->current->first_record + pos);
}

enum err_code analyse_install(struct store *s, struct err *err) {
    int rc = sqlite3_create_function(sqlite_of(s)->db, "_plumb_pos", 0, SQLITE_UTF8, s, sql_pos,
                                     NULL, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_create_function(sqlite_of(s)->db, "_plumb_record", 0, SQLITE_UTF8, s,
                                     sql_record, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        /* The first use of a table-valued function declares its columns with a CREATE TABLE, which
         * the authorizer would refuse while it analyses. */
        rc = sqlite3_exec(sqlite_of(s)->db, "SELECT 1 FROM json_each('[]'), json_tree('[]')", NULL,
                          NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_set_authorizer(sqlite_of(s)->db, authorize, s);
    }
    return rc == SQLITE_OK ? ERR_NONE : sqlite_error(s, err, "install functions");
}

static enum err_code compile(struct store *s, const char *sql, struct sql_facts *out,
                             int64_t *offset, sqlite3_stmt **stmt, struct err *err) {
    const char *rest = NULL;
    sqlite_of(s)->analysing = out;
    sqlite_of(s)->refused = NULL;
    int rc = sqlite3_prepare_v2(sqlite_of(s)->db, sql, -1, stmt, &rest);
    sqlite_of(s)->analysing = NULL;
    *offset = rc == SQLITE_OK ? -1 : sqlite3_error_offset(sqlite_of(s)->db);
    if (sqlite_of(s)->refused != NULL) {
        return err_set(err, ERR_CONFIG, "%s: %s", sqlite_of(s)->refused_name,
                       sqlite_of(s)->refused);
    }
    if (rc != SQLITE_OK) {
        return err_set(err, ERR_CONFIG, "SQL: %s", sqlite3_errmsg(sqlite_of(s)->db));
    }
    if (*stmt == NULL || sqlite3_column_count(*stmt) == 0) {
        return err_set(err, ERR_CONFIG, "SQL: a SELECT is expected");
    }
    if (sqlite3_bind_parameter_count(*stmt) > 0) {
        return err_set(err, ERR_CONFIG, "SQL: '%s' is a parameter, and nothing is bound to it here",
                       sqlite3_bind_parameter_name(*stmt, sqlite3_bind_parameter_count(*stmt)) !=
                               NULL
                           ? sqlite3_bind_parameter_name(*stmt, sqlite3_bind_parameter_count(*stmt))
                           : "?");
    }
    sqlite3_stmt *next = NULL; /* of comments and semicolons SQLite makes none */
    rest += strspn(rest, " \t\r\n;");
    rc = sqlite3_prepare_v2(sqlite_of(s)->db, rest, -1, &next, NULL);
    sqlite3_finalize(next);
    if (rc != SQLITE_OK || next != NULL) {
        *offset = rest - sql;
        return err_set(err, ERR_CONFIG, "SQL: one SELECT is expected, something follows it");
    }
    return ERR_NONE;
}

static enum err_code note_columns(sqlite3_stmt *stmt, struct sql_facts *out, struct err *err) {
    out->column_count = (size_t)sqlite3_column_count(stmt);
    if (out->column_count > SCHEMA_COLUMNS_MAX) {
        return err_set(err, ERR_CONFIG, "SQL: more than %d columns", SCHEMA_COLUMNS_MAX);
    }
    for (size_t i = 0; i < out->column_count; i++) {
        const char *type = sqlite3_column_decltype(stmt, (int)i);
        (void)snprintf(out->columns[i], sizeof(out->columns[i]), "%s",
                       sqlite3_column_name(stmt, (int)i));
        (void)snprintf(out->decltypes[i], sizeof(out->decltypes[i]), "%s",
                       type != NULL ? type : "");
        const char *table = sqlite3_column_table_name(stmt, (int)i);
        const char *column = sqlite3_column_origin_name(stmt, (int)i);
        (void)snprintf(out->origins[i].table, sizeof(out->origins[i].table), "%s",
                       table != NULL ? table : "");
        (void)snprintf(out->origins[i].column, sizeof(out->origins[i].column), "%s",
                       column != NULL ? column : "");
    }
    return ERR_NONE;
}

enum err_code sqlite_analyse(struct store *s, const char *sql, struct sql_facts *out,
                             int64_t *offset, struct err *err) {
    memset(out, 0, sizeof(*out));
    sqlite3_stmt *stmt = NULL;
    enum err_code code = compile(s, sql, out, offset, &stmt, err);
    if (code == ERR_NONE) {
        code = note_columns(stmt, out, err);
    }
    sqlite3_finalize(stmt);
    return code == ERR_NONE ? query_plan_note(s, sql, out, err) : code;
}
