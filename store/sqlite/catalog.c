/* The tables of a store: the system's (documented in docs/store.md) and the flow's.
 *
 * The flow's tables are STRICT, so that a value of the wrong type is an error and never a silent
 * conversion, and WITHOUT ROWID, so that a row is found by its key in one tree and a scan has one
 * order: the key's. */
#include <string.h>

#include "base/clock.h"
#include "store/sqlite/sqlite_store.h"
#include "store/words.h"

static const struct store_word words[] = {
    {"id", "INTEGER PRIMARY KEY"},
    {"int", "INTEGER"},
    {"real", "REAL"},
    {"text", "TEXT"},
    {"blob", "BLOB"},
    {"table", "STRICT"},
    {"keyed", "STRICT, WITHOUT ROWID"},
};

/* "name TYPE, name TYPE, ..., PRIMARY KEY(...)": also what an existing table is compared with. */
void catalog_table_columns(const struct flow *flow, const struct flow_table *t, struct buf *out) {
    if (t->key_auto) {
        buf_adds(out, "\"_partition\" INTEGER NOT NULL, \"_record\" INTEGER NOT NULL, ");
    }
    for (size_t i = 0; i < t->schema.count; i++) {
        const struct column *c = &t->schema.columns[i];
        buf_addf(out, "%s\"%s\" %s", i > 0 ? ", " : "", c->name, sqlite_sql_type(c->type));
    }
    if (t->lineage) {
        buf_adds(out, ", \"_batch\" INTEGER, \"_pos\" INTEGER");
    }
    if (flow_sums_into(flow, t)) {
        buf_adds(out, ", \"_n\" INTEGER NOT NULL");
    }
    buf_adds(out, ", PRIMARY KEY(");
    if (t->key_auto) {
        buf_adds(out, "\"_partition\", \"_record\"");
    }
    for (size_t i = 0; i < t->key_count; i++) {
        buf_addf(out, "%s\"%s\"", i > 0 ? ", " : "", t->schema.columns[t->key[i]].name);
    }
    buf_adds(out, ")");
}

/* Whether the table has the same columns, types and key; ALTER TABLE may have left another text and order. */
static enum err_code same_columns(struct store *s, const struct flow_table *t, bool *same,
                                  struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql, "CREATE TEMP TABLE _plumb_expected(");
    catalog_table_columns(s->flow, t, &sql);
    buf_adds(&sql, ") STRICT, WITHOUT ROWID");
    enum err_code code = store_execute(s, buf_c(&sql), err);
    if (code != ERR_NONE) {
        return code;
    }
    static const char *const sides[][2] = {{"_plumb_expected', 'temp", NULL},
                                           {NULL, "_plumb_expected', 'temp"}};
    *same = true;
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(sides); i++) {
        int64_t differing = 0;
        bool found = false;
        char *table = mem_printf("%s', 'main", t->name);
        buf_clear(&sql);
        buf_addf(&sql,
                 "SELECT count(*) FROM (SELECT name, type, \"notnull\", pk FROM "
                 "pragma_table_xinfo('%s') EXCEPT "
                 "SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo('%s'))",
                 sides[i][0] != NULL ? sides[i][0] : table,
                 sides[i][1] != NULL ? sides[i][1] : table);
        code = store_get_i64(s, buf_c(&sql), &differing, &found, err);
        *same = *same && differing == 0;
        mem_free(table);
    }
    return code == ERR_NONE ? store_execute(s, "DROP TABLE temp._plumb_expected", err) : code;
}

static enum err_code refuse_other_columns(struct store *s, const struct flow_table *t,
                                          const char *found, struct err *err) {
    bool same = false;
    enum err_code code = same_columns(s, t, &same, err);
    if (code != ERR_NONE || same) {
        return code;
    }
    const char *way = t->is_reference
                          ? "change the table with ALTER TABLE, or put the declaration back"
                          : "rebuild it from the staged raw data with `plumb replay`, or put the "
                            "declaration back";
    return node_error(t->node, err,
                      "table '%s' is declared otherwise than it was made: %s. The store has %s",
                      t->name, way, found);
}

static enum err_code table_matches(struct store *s, const struct flow_table *t, const char *ddl,
                                   bool *exists, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_prepare(
        s, "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE", &stmt,
        err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(t->name));
    code = sqlite_row(s, stmt, "read schema", exists, err);
    char *found = NULL;
    if (code == ERR_NONE && *exists && !str_equal_c(sqlite_text(stmt, 0), ddl)) {
        struct str text = sqlite_text(stmt, 0);
        found = mem_strndup(text.ptr, text.len);
    }
    sqlite3_finalize(stmt);
    if (found != NULL) {
        code = refuse_other_columns(s, t, found, err);
        mem_free(found);
    }
    return code;
}

enum err_code catalog_indexes(struct store *s, const struct flow_table *t, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < t->index_count; i++) {
        AUTO_BUF index = BUF_INIT(BUF_TEXT_MAX);
        AUTO_BUF columns = BUF_INIT(BUF_TEXT_MAX);
        for (size_t k = 0; k < t->indexes[i].count; k++) {
            buf_addf(&columns, "%s\"%s\"", k > 0 ? ", " : "",
                     t->schema.columns[t->indexes[i].columns[k]].name);
        }
        buf_adds(&index, "CREATE INDEX IF NOT EXISTS \"");
        flow_index_name(t, i, &index);
        buf_addf(&index, "\" ON \"%s\"(%s)", t->name, buf_c(&columns));
        code = store_execute(s, buf_c(&index), err);
    }
    return code;
}

static enum err_code table_create(struct store *s, const struct flow_table *t, struct err *err) {
    AUTO_BUF ddl = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&ddl, "CREATE TABLE \"%s\"(", t->name);
    catalog_table_columns(s->flow, t, &ddl);
    buf_adds(&ddl, ") STRICT, WITHOUT ROWID");
    bool exists = false;
    enum err_code code = table_matches(s, t, buf_c(&ddl), &exists, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (!exists) {
        code = store_execute(s, buf_c(&ddl), err);
    }
    if (code == ERR_NONE) {
        code = catalog_indexes(s, t, err);
    }
    return code != ERR_NONE ? err_wrap(err, "table '%s'", t->name) : ERR_NONE;
}

static enum err_code version_check(struct store *s, struct err *err) {
    int64_t version = 0;
    bool found = false;
    enum err_code code =
        store_get_i64(s, "SELECT CAST(value AS INTEGER) FROM _plumb_meta WHERE key = 'version'",
                      &version, &found, err);
    if (code != ERR_NONE && s->mode == STORE_READ && err->code == ERR_INPUT) {
        return err_set(err, ERR_CONFIG, "'%s' is not a plumb store (no table _plumb_meta)",
                       s->path);
    }
    if (code != ERR_NONE) {
        return code;
    }
    if (found && version != STORE_VERSION) {
        return err_set(err, ERR_CONFIG,
                       "store '%s' has version %lld, this plumb reads version %d: use the plumb "
                       "that made it, or a "
                       "new store",
                       s->path, (long long)version, STORE_VERSION);
    }
    return ERR_NONE;
}

/* Aside, what no transform writes is read where it is; unless it is new, and nowhere yet. */
static enum err_code is_elsewhere(struct store *s, const struct flow_table *t, bool *out,
                                  struct err *err) {
    *out = false;
    if (!store_table_is_elsewhere(s, t)) {
        return ERR_NONE;
    }
    sqlite3_stmt *stmt = NULL;
    enum err_code code =
        sqlite_prepare(s,
                       "SELECT 1 FROM " STORE_ORIGIN
                       ".sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
                       &stmt, err);
    if (code == ERR_NONE) {
        sqlite_bind(stmt, 1, str_of(t->name));
        code = sqlite_row(s, stmt, "read schema", out, err);
    }
    sqlite3_finalize(stmt);
    return code;
}

static enum err_code catalog_create(struct store *s, struct err *err) {
    AUTO_BUF tables = BUF_INIT(BUF_TEXT_MAX);
    store_system_tables(words, ARRAY_COUNT(words), &tables);
    enum err_code code = store_execute(s, buf_c(&tables), err);
    if (code == ERR_NONE) {
        code = version_check(s, err);
    }
    if (code == ERR_NONE) {
        AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
        buf_addf(&sql, "INSERT OR IGNORE INTO _plumb_meta VALUES ('version', '%d'), ('flow', '%s')",
                 STORE_VERSION, s->flow->name);
        code = store_execute(s, buf_c(&sql), err);
    }
    bool with_tables = s->mode != STORE_REBUILD;
    for (size_t i = 0; with_tables && code == ERR_NONE && i < s->flow->table_count; i++) {
        bool elsewhere = false;
        code = is_elsewhere(s, &s->flow->tables[i], &elsewhere, err);
        if (code == ERR_NONE && !elsewhere) {
            code = table_create(s, &s->flow->tables[i], err);
        }
    }
    if (code == ERR_NONE && store_is_aside(s->mode)) {
        /* Raw records are read where they are: the name means the origin's table then. */
        code = store_execute(s, "DROP TABLE IF EXISTS main._plumb_frames", err);
    }
    return code;
}

enum err_code catalog_prepare(struct store *s, struct err *err) {
    if (s->mode == STORE_READ || s->mode == STORE_NOTE) {
        return version_check(s, err);
    }
    enum err_code code = store_begin(s, err);
    if (code != ERR_NONE) {
        return code;
    }
    code = catalog_create(s, err);
    if (code != ERR_NONE) {
        store_rollback(s);
        return code;
    }
    return store_commit(s, err);
}
