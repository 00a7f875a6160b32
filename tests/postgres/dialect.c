/* For tests/postgres: what the test asks of our own code.
 *
 *   dialect [FLOW] < requests > answers
 *
 * A request is a letter and a text, an answer `+` or `-` (then a message) and a text; both end with a NUL.
 *
 *   Fflow.yaml   what the flow says, in lines of fields between tabs: table NAME; key NAME COLUMN;
 *                relation NAME; column OWNER NAME TYPE; transform NAME KIND FROM INTO SQL-in-hex;
 *                changed TRANSFORM COLUMN TYPE; on TRANSFORM TABLE SQL-in-hex
 *   Tsql         sql as PostgreSQL gets it
 *   Esql         SQLite runs sql, in memory and with our functions: a row a line, cells between tabs, each
 *                N (NULL), I12, R1.5, T or B and hexadecimal digits */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/registry.h"
#include "store/postgres/sqltext.h"
#include "store/sqlite/sql_functions.h"
#include "transform/postgres_sql.h"

static void add_hex(struct buf *out, const void *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        buf_addf(out, "%02x", ((const unsigned char *)bytes)[i]);
    }
}

/* ---- F ---- */

static void add_schema(struct buf *out, const char *owner, const struct schema *s) {
    for (size_t i = 0; i < s->count; i++) {
        buf_addf(out, "column\t%s\t%s\t%s\n", owner, s->columns[i].name,
                 type_name(s->columns[i].type));
    }
}

static void add_transform(struct buf *out, const struct flow_transform *t) {
    static const char *const kinds[] = {"map", "sum", "derive"};
    const char *from = t->stream != NULL ? t->stream->relation
                       : t->from != NULL ? t->from->name
                                         : "";
    buf_addf(out, "transform\t%s\t%s\t%s\t%s\t", t->name, kinds[t->kind], from, t->into->name);
    add_hex(out, t->sql, strlen(t->sql));
    buf_adds(out, "\n");
    for (size_t i = 0; i < t->changed_count; i++) {
        const struct column *c = &t->into->schema.columns[t->changed[i]];
        buf_addf(out, "changed\t%s\t%s\t%s\n", t->name, c->name, type_name(c->type));
    }
    for (size_t i = 0; i < t->on_count; i++) {
        if (t->on[i].sql != NULL) {
            buf_addf(out, "on\t%s\t%s\t", t->name, t->on[i].table->name);
            add_hex(out, t->on[i].sql, strlen(t->on[i].sql));
            buf_adds(out, "\n");
        }
    }
}

static enum err_code tell_flow(const char *path, struct flow **flow, struct buf *out,
                               struct err *err) {
    flow_free(*flow);
    *flow = NULL;
    enum err_code code = flow_load(path, &plumb_registry, flow, err);
    if (code != ERR_NONE) {
        return code;
    }
    const struct flow *f = *flow;
    for (size_t i = 0; i < f->table_count; i++) {
        const struct flow_table *t = &f->tables[i];
        buf_addf(out, "table\t%s\n", t->name);
        add_schema(out, t->name, &t->schema);
        for (size_t k = 0; k < t->key_count; k++) {
            buf_addf(out, "key\t%s\t%s\n", t->name, t->schema.columns[t->key[k]].name);
        }
    }
    for (size_t i = 0; i < f->transform_count; i++) {
        if (f->transforms[i].stream != NULL) {
            buf_addf(out, "relation\t%s\n", f->transforms[i].stream->relation);
            add_schema(out, f->transforms[i].stream->relation,
                       &f->transforms[i].stream->spec->schema);
        }
        add_transform(out, &f->transforms[i]);
    }
    return ERR_NONE;
}

/* ---- T ---- */

static enum err_code translate(const struct flow *flow, const char *sql, struct buf *out,
                               struct err *err) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    size_t unused = 0;
    enum err_code code = postgres_sql(flow, sql, &text, &unused, err);
    return code == ERR_NONE ? pg_sql_translate(str_of(buf_c(&text)), out, &unused, err) : code;
}

/* ---- E ---- */

static void add_cell(struct buf *out, sqlite3_stmt *st, int column) {
    switch (sqlite3_column_type(st, column)) {
    case SQLITE_INTEGER:
        buf_addf(out, "I%lld", (long long)sqlite3_column_int64(st, column));
        break;
    case SQLITE_FLOAT:
        buf_addf(out, "R%.17g", sqlite3_column_double(st, column));
        break;
    case SQLITE_NULL:
        buf_adds(out, "N");
        break;
    default:
        buf_adds(out, sqlite3_column_type(st, column) == SQLITE_TEXT ? "T" : "B");
        add_hex(out, sqlite3_column_blob(st, column), (size_t)sqlite3_column_bytes(st, column));
    }
}

static enum err_code evaluate(sqlite3 *db, const char *sql, struct buf *out, struct err *err) {
    const char *rest = sql;
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && rest[strspn(rest, " \n;")] != '\0') {
        sqlite3_stmt *st = NULL;
        rc = sqlite3_prepare_v2(db, rest, -1, &st, &rest);
        for (rc = rc == SQLITE_OK ? sqlite3_step(st) : rc; rc == SQLITE_ROW;
             rc = sqlite3_step(st)) {
            for (int i = 0; i < sqlite3_column_count(st); i++) {
                buf_adds(out, i > 0 ? "\t" : "");
                add_cell(out, st, i);
            }
            buf_adds(out, "\n");
        }
        const int end = sqlite3_finalize(st);
        rc = rc == SQLITE_DONE ? end : rc;
    }
    return rc == SQLITE_OK ? ERR_NONE : err_set(err, ERR_INPUT, "%s", sqlite3_errmsg(db));
}

/* ---- the rest ---- */

static void answer(const char *request, struct flow **flow, sqlite3 *db) {
    struct err err = ERR_INIT;
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    const enum err_code code = request[0] == 'F'   ? tell_flow(request + 1, flow, &out, &err)
                               : request[0] == 'T' ? translate(*flow, request + 1, &out, &err)
                                                   : evaluate(db, request + 1, &out, &err);
    (void)printf("%c%s", code == ERR_NONE ? '+' : '-',
                 code == ERR_NONE ? buf_c(&out) : err.message);
    (void)putchar('\0');
    (void)fflush(stdout);
}

int main(void) {
    sqlite3 *db = NULL;
    struct err err = ERR_INIT;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
        sql_functions_register(db, &err) != ERR_NONE) {
        (void)fprintf(stderr, "dialect: %s\n", err.message);
        return 1;
    }
    struct flow *flow = NULL;
    char *request = NULL;
    size_t size = 0;
    while (getdelim(&request, &size, '\0', stdin) > 0) {
        answer(request, &flow, db);
    }
    free(request);
    flow_free(flow);
    (void)sqlite3_close(db);
    return 0;
}
