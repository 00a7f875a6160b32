/* Pieces of SQL that several kinds of transform need. Names come from the checked flow and are
 * always quoted. */
#include <stdio.h>
#include <string.h>

#include "transform/internal.h"

bool sql_is_in(const size_t *indexes, size_t count, size_t index) {
    for (size_t i = 0; i < count; i++) {
        if (indexes[i] == index) {
            return true;
        }
    }
    return false;
}

void sql_names(struct buf *out, const struct schema *s, const size_t *indexes, size_t count,
               const char *prefix) {
    for (size_t i = 0; i < count; i++) {
        buf_addf(out, "%s%s\"%s\"", i > 0 ? ", " : "", prefix, s->columns[indexes[i]].name);
    }
}

void sql_all_names(struct buf *out, const struct schema *s, const char *prefix) {
    for (size_t i = 0; i < s->count; i++) {
        buf_addf(out, "%s%s\"%s\"", i > 0 ? ", " : "", prefix, s->columns[i].name);
    }
}

/* What a cell of the type is checked with; NULL: nothing. SQLite's STRICT tables know the others. */
static const char *cell_check(enum column_type type, enum store_dialect dialect) {
    const bool is_sqlite = dialect == STORE_SQLITE;
    switch (type) {
    case TYPE_BOOL:
        return "_plumb_bool";
    case TYPE_INT256:
        return "_plumb_int256";
    case TYPE_TEXT:
    case TYPE_JSON:
        return "_plumb_text";
    case TYPE_INT64:
    case TYPE_TIMESTAMP:
        return is_sqlite ? NULL : "_plumb_int";
    case TYPE_FLOAT64:
        return is_sqlite ? NULL : "_plumb_float";
    case TYPE_BYTES:
        return is_sqlite ? NULL : "_plumb_bytes";
    }
    return NULL;
}

void sql_cell(struct buf *out, const struct transform *t, size_t column) {
    const struct column *c = &t->def->into->schema.columns[column];
    const char *check = cell_check(c->type, t->dialect);
    if (check != NULL && t->computed[column]) {
        buf_addf(out, "%s(s.\"%s\", '%s')", check, c->name, c->name);
    } else {
        buf_addf(out, "s.\"%s\"", c->name);
    }
}

void sql_column_types(struct buf *out, const struct store *store, const struct schema *s) {
    for (size_t i = 0; i < s->count; i++) {
        buf_addf(out, "%s\"%s\" %s", i > 0 ? ", " : "", s->columns[i].name,
                 store_sql_type(store, s->columns[i].type));
    }
}

/* Past a quoted name or text that starts at `at`. */
static size_t quoted_end(const char *sql, size_t at) {
    char quote = sql[at] == '[' ? ']' : sql[at];
    const char *close = strchr(sql + at + 1, quote);
    return close != NULL ? (size_t)(close - sql) + 1 : strlen(sql);
}

/* Length without the semicolons, blanks and comments at the end. A doubled quote inside quotes
 * counts as two quoted pieces, which changes nothing here. */
static size_t statement_length(const char *sql) {
    size_t end = 0;
    size_t at = 0;
    while (sql[at] != '\0') {
        if (sql[at] == '-' && sql[at + 1] == '-') {
            at += strcspn(sql + at, "\n");
        } else if (sql[at] == '/' && sql[at + 1] == '*') {
            const char *close = strstr(sql + at + 2, "*/");
            at = close != NULL ? (size_t)(close - sql) + 2 : strlen(sql);
        } else if (strchr("'\"`[", sql[at]) != NULL) {
            at = quoted_end(sql, at);
            end = at;
        } else {
            bool empty = strchr("; \t\r\n", sql[at]) != NULL;
            at++;
            end = empty ? end : at;
        }
    }
    return end;
}

void sql_wrap_bare(struct buf *out, const char *relation, const char *body, const char *user_sql,
                   size_t *prefix) {
    buf_addf(out, "WITH %s AS NOT MATERIALIZED (%s) SELECT * FROM (", relation, body);
    *prefix = out->len;
    buf_addstr(out, (struct str){user_sql, statement_length(user_sql)});
    buf_adds(out, "\n)");
}

void sql_wrap(struct buf *out, const char *relation, const char *body, const char *user_sql) {
    size_t prefix = 0;
    sql_wrap_bare(out, relation, body, user_sql, &prefix);
    buf_adds(out, " AS \"_plumb_rows\"");
}

void sql_same(struct buf *out, const struct flow_table *t, const char *left, const char *right) {
    size_t terms = 0;
    for (size_t i = 0; i < t->schema.count; i++) {
        if (!sql_is_in(t->key, t->key_count, i)) {
            const char *name = t->schema.columns[i].name;
            buf_addf(out, "%s%s.\"%s\" IS NOT DISTINCT FROM %s.\"%s\"", terms > 0 ? " AND " : "",
                     left, name, right, name);
            terms++;
        }
    }
    if (terms == 0) {
        buf_adds(out, "true");
    }
}

void sql_conflict(struct buf *out, const struct flow_table *t) {
    buf_adds(out, " ON CONFLICT(");
    if (t->key_auto) {
        buf_adds(out, "\"_partition\", \"_record\"");
    }
    sql_names(out, &t->schema, t->key, t->key_count, "");
    buf_adds(out, ") DO UPDATE SET ");
}

void sql_set_excluded(struct buf *out, const struct flow_table *t) {
    size_t terms = 0;
    for (size_t i = 0; i < t->schema.count; i++) {
        if (!sql_is_in(t->key, t->key_count, i)) {
            const char *name = t->schema.columns[i].name;
            buf_addf(out, "%s\"%s\" = excluded.\"%s\"", terms > 0 ? ", " : "", name, name);
            terms++;
        }
    }
    if (t->lineage) {
        buf_addf(out, "%s\"_batch\" = excluded.\"_batch\", \"_pos\" = excluded.\"_pos\"",
                 terms > 0 ? ", " : "");
        terms++;
    }
    if (terms == 0) {
        const char *name = t->schema.columns[t->key[0]].name;
        buf_addf(out, "\"%s\" = excluded.\"%s\"", name, name);
    }
}

/* The constraint that failed is one of a temporary table of ours; the user knows the key. */
void sql_explain(const struct flow_transform *def, struct err *err) {
    static const char null_key[] = "NOT NULL constraint failed: ";
    static const char same_key[] = "UNIQUE constraint failed: _plumb_";
    const char *null = strstr(err->message, null_key);
    const char *table = null != NULL ? null + strlen(null_key) : "";
    const size_t len = strlen(def->into->name);
    const bool is_target = strncmp(table, def->into->name, len) == 0 && table[len] == '.';
    if (is_target || strncmp(table, "_plumb_", strlen("_plumb_")) == 0) {
        const char *dot = strrchr(table, '.');
        char column[FLOW_NAME_BYTES_MAX + 1];
        (void)snprintf(column, sizeof(column), "%s", dot != NULL ? dot + 1 : "a column");
        err_set(
            err, ERR_INPUT,
            "'%s' is NULL, and it is in the key of table '%s': leave such rows out (WHERE ... IS "
            "NOT NULL) or give them a value (coalesce)",
            column, def->into->name);
    } else if (strstr(err->message, same_key) != NULL) {
        err_set(err, ERR_INPUT,
                "the SELECT gives several rows of the same key of table '%s'; group them, or join "
                "on what is unique",
                def->into->name);
    }
}
