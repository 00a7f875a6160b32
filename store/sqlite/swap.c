/* What was built aside takes the place of what is there, in one transaction.
 *
 * Rows are compared by key and only those that differ are written, so that readers, triggers of
 * others and the disk see no more than what really changed, and so that it can be told. A table whose
 * columns are others now is made anew. The triggers of the affected transforms are dropped first and
 * come back last: what they would catch has been followed aside already. */
#include <stdio.h>
#include <string.h>

#include "store/shape.h"
#include "store/sqlite/sqlite_store.h"

#define ASIDE "plumb_aside"

struct swap {
    struct store *store;
    const struct flow *built;
    char *names; /* 'a', 'b': the transforms, for IN (...) */
};

/* sql: given. */
static enum err_code execute_given(struct store *s, char *sql, struct err *err) {
    enum err_code code = store_execute(s, sql, err);
    mem_free(sql);
    return code;
}

/* ---- a table's SQL ---- */

/* All columns the table has in the store, plumb's own among them, and which make its key. */
static enum err_code shape_read(struct store *s, const char *table, struct shape *out,
                                struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_prepare(
        s, "SELECT name, pk FROM pragma_table_xinfo(?1, '" ASIDE "') ORDER BY cid", &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(table));
    bool has_row = true;
    while ((code = sqlite_row(s, stmt, "read columns", &has_row, err)) == ERR_NONE && has_row) {
        struct str name = sqlite_text(stmt, 0);
        shape_add(out, name, sqlite3_column_int64(stmt, 1) > 0);
    }
    sqlite3_finalize(stmt);
    return code;
}

/* ---- samples ---- */

/* SQL that shows a value of the column as people write it. */
static void shown(struct buf *out, const struct column *c, char alias) {
    switch (c->type) {
    case TYPE_INT256:
        buf_addf(out, "coalesce(i256_text(%c.\"%s\"), 'null')", alias, c->name);
        break;
    case TYPE_BYTES:
        buf_addf(out, "coalesce('0x' || lower(hex(%c.\"%s\")), 'null')", alias, c->name);
        break;
    case TYPE_TIMESTAMP:
        buf_addf(out,
                 "coalesce(strftime('%%Y-%%m-%%dT%%H:%%M:%%SZ', %c.\"%s\" / 1000000, 'unixepoch'), "
                 "'null')",
                 alias, c->name);
        break;
    case TYPE_INT64:
    case TYPE_FLOAT64:
    case TYPE_BOOL:
    case TYPE_TEXT:
    case TYPE_JSON:
        buf_addf(out, "coalesce(substr(%c.\"%s\", 1, 60), 'null')", alias, c->name);
        break;
    }
}

/* "id=7: spent 1200 -> 1300" of a few rows that change. */
static void sample_sql(struct buf *sql, const struct flow_table *t, const struct shape *p) {
    buf_adds(sql, "SELECT ''");
    for (size_t i = 0; i < t->schema.count; i++) {
        const struct column *c = &t->schema.columns[i];
        bool is_key = false;
        for (size_t k = 0; k < t->key_count; k++) {
            is_key = is_key || t->key[k] == i;
        }
        if (is_key) {
            buf_addf(sql, " || '%s=' || ", c->name);
            shown(sql, c, 'a');
            buf_adds(sql, " || ' '");
        }
    }
    for (size_t i = 0; i < t->schema.count; i++) {
        const struct column *c = &t->schema.columns[i];
        bool is_key = false;
        for (size_t k = 0; k < t->key_count; k++) {
            is_key = is_key || t->key[k] == i;
        }
        if (!is_key) {
            buf_addf(sql, " || CASE WHEN m.\"%s\" IS NOT a.\"%s\" THEN ' %s: ' || ", c->name,
                     c->name, c->name);
            shown(sql, c, 'm');
            buf_adds(sql, " || ' -> ' || ");
            shown(sql, c, 'a');
            buf_adds(sql, " ELSE '' END");
        }
    }
    buf_addf(sql, " FROM " ASIDE ".\"%s\" a JOIN main.\"%s\" m ON ", t->name, t->name);
    shape_compare(sql, p, true);
    buf_adds(sql, " WHERE ");
    shape_compare(sql, p, false);
    buf_addf(sql, " LIMIT %d", SWAP_SAMPLES_MAX);
}

static enum err_code take_samples(struct swap *w, const struct flow_table *t, const struct shape *p,
                                  struct swap_table *out, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    sample_sql(&sql, t, p);
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_prepare(w->store, buf_c(&sql), &stmt, err);
    bool has_row = code == ERR_NONE;
    while (has_row && code == ERR_NONE && out->sample_count < SWAP_SAMPLES_MAX) {
        code = sqlite_row(w->store, stmt, "sample", &has_row, err);
        if (code == ERR_NONE && has_row) {
            struct str text = sqlite_text(stmt, 0);
            out->samples[out->sample_count++] = mem_strndup(text.ptr, text.len);
        }
    }
    sqlite3_finalize(stmt);
    return code;
}

/* ---- a table ---- */

static enum err_code same_shape(struct swap *w, const char *table, bool *same, char **ddl,
                                struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_prepare(
        w->store,
        "SELECT a.sql, a.sql IS m.sql FROM " ASIDE
        ".sqlite_schema a LEFT JOIN main.sqlite_schema m ON m.type = 'table' AND m.name = a.name "
        "WHERE a.type = 'table' AND a.name = ?1",
        &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(table));
    bool found = false;
    code = sqlite_row(w->store, stmt, "read schema", &found, err);
    ASSERT(code != ERR_NONE || found);
    if (code == ERR_NONE) {
        struct str sql = sqlite_text(stmt, 0);
        *ddl = mem_strndup(sql.ptr, sql.len);
        *same = sqlite3_column_int64(stmt, 1) != 0;
    }
    sqlite3_finalize(stmt);
    return code;
}

static enum err_code make_anew(struct swap *w, const char *table, const char *ddl,
                               struct swap_table *out, struct err *err) {
    out->made_anew = true;
    enum err_code code =
        execute_given(w->store, mem_printf("DROP TABLE IF EXISTS main.\"%s\"", table), err);
    if (code == ERR_NONE) {
        code = store_execute(w->store, ddl, err);
    }
    return code == ERR_NONE
               ? shape_run(w->store,
                           mem_printf("INSERT INTO main.\"%s\" SELECT * FROM " ASIDE ".\"%s\"",
                                      table, table),
                           &out->inserted, err)
               : code;
}

static enum err_code swap_table(struct swap *w, const struct flow_table *t, struct swap_table *out,
                                struct err *err) {
    struct shape *p = mem_alloc(sizeof(*p));
    char *ddl = NULL;
    bool same = false;
    *out = (struct swap_table){.name = t->name};
    enum err_code code = same_shape(w, t->name, &same, &ddl, err);
    if (code == ERR_NONE) {
        code = shape_read(w->store, t->name, p, err);
    }
    if (code == ERR_NONE && same) {
        code = take_samples(w, t, p, out, err);
    }
    if (code == ERR_NONE) {
        const struct shape_place at = {t->name, "main", ASIDE};
        code =
            same ? shape_write(w->store, p, &at, out, err) : make_anew(w, t->name, ddl, out, err);
    }
    if (code == ERR_NONE) {
        code = catalog_indexes(w->store, t, err);
    }
    char *count = mem_printf("SELECT count(*) FROM main.\"%s\"", t->name);
    bool found = false;
    if (code == ERR_NONE) {
        code = store_get_i64(w->store, count, &out->rows, &found, err);
    }
    mem_free(count);
    mem_free(ddl);
    shape_release(p);
    mem_free(p);
    return code == ERR_NONE ? ERR_NONE : err_wrap(err, "table '%s'", t->name);
}

/* ---- queues and triggers ---- */

/* Collects statements made by `sql`, which selects them as text, and runs them. */
static enum err_code run_all(struct store *s, const char *sql, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    AUTO_BUF all = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = sqlite_prepare(s, sql, &stmt, err);
    bool has_row = code == ERR_NONE;
    while (has_row && code == ERR_NONE) {
        code = sqlite_row(s, stmt, "read schema", &has_row, err);
        if (code == ERR_NONE && has_row) {
            buf_addstr(&all, sqlite_text(stmt, 0));
            buf_addc(&all, ';');
        }
    }
    sqlite3_finalize(stmt);
    return code == ERR_NONE ? store_execute(s, buf_c(&all), err) : code;
}

/* Names of queues and triggers go "_plumb_q_TRANSFORM" or "_plumb_q_TRANSFORM.rest". */
#define OBJECT_OF                                                                                  \
    "CASE instr(substr(name, 10), '.') WHEN 0 THEN substr(name, 10) ELSE substr(name, 10, "        \
    "instr(substr(name, 10), '.') - 1) END"

static enum err_code drop_objects(struct swap *w, struct err *err) {
    char *sql = mem_printf("SELECT 'DROP ' || type || ' main.\"' || name || '\"' FROM "
                           "main.sqlite_schema WHERE type IN ('trigger', 'table') AND (name GLOB "
                           "'_plumb_q_*' OR name GLOB '_plumb_t_*') AND name NOT IN "
                           "('_plumb_transforms', '_plumb_troubles') AND " OBJECT_OF
                           " IN (%s) ORDER BY type DESC",
                           w->names);
    enum err_code code = run_all(w->store, sql, err);
    mem_free(sql);
    return code;
}

/* Queues with what waits in them (keys that failed, tombstones), then triggers. */
static enum err_code make_objects(struct swap *w, struct err *err) {
    static const char *const steps[] = {
        "SELECT sql FROM " ASIDE ".sqlite_schema WHERE type = 'table' AND name GLOB '_plumb_q_*'",
        "SELECT 'INSERT INTO main.\"' || name || '\" SELECT * FROM " ASIDE
        ".\"' || name || '\"' FROM " ASIDE
        ".sqlite_schema WHERE type = 'table' AND name GLOB '_plumb_q_*'",
        "SELECT sql FROM " ASIDE ".sqlite_schema WHERE type = 'trigger' AND name GLOB "
        "'_plumb_t_*'"};
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(steps); i++) {
        code = run_all(w->store, steps[i], err);
    }
    return code;
}

/* ---- accounts ---- */

/* Transforms that the flow no longer has, whose rows went with the tables that were made anew. */
static enum err_code forget_gone(struct swap *w, struct err *err) {
#define GONE                                                                                       \
    "(SELECT m.name FROM main._plumb_transforms m WHERE m.name NOT IN (%s) AND m.into_table IN "   \
    "(SELECT a.into_table FROM " ASIDE "._plumb_transforms a))"
    return execute_given(w->store,
                         mem_printf("DELETE FROM main._plumb_marks WHERE transform IN " GONE ";"
                                    "DELETE FROM main._plumb_ledger WHERE transform IN " GONE ";"
                                    "DELETE FROM main._plumb_rejects WHERE transform IN " GONE ";"
                                    "DELETE FROM main._plumb_transforms WHERE name IN " GONE,
                                    w->names, w->names, w->names, w->names),
                         err);
}

static enum err_code swap_accounts(struct swap *w, struct err *err) {
    static const char *const keyed[][2] = {{"_plumb_marks", "transform"},
                                           {"_plumb_ledger", "transform"},
                                           {"_plumb_transforms", "name"}};
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(keyed); i++) {
        code = execute_given(w->store,
                             mem_printf("DELETE FROM main.%s WHERE %s IN (%s);"
                                        "INSERT INTO main.%s SELECT * FROM " ASIDE
                                        ".%s WHERE %s IN (%s)",
                                        keyed[i][0], keyed[i][1], w->names, keyed[i][0],
                                        keyed[i][0], keyed[i][1], w->names),
                             err);
    }
    return code;
}

/* Rejects of the transforms; those of decoding for batches that were decoded again. */
static enum err_code swap_rejects(struct swap *w, struct err *err) {
#define REJECT_COLUMNS                                                                             \
    "batch, pos, transform, reason, column_name, byte_offset, message, version, created_us, "      \
    "taken_back_by, discarded_us, discarded_because, discarded_by"
    AUTO_BUF sources = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < w->built->transform_count; i++) {
        const struct flow_source *source = w->built->transforms[i].source;
        if (source != NULL) {
            buf_addf(&sources, "%s'%s'", sources.len > 0 ? ", " : "", source->name);
        }
    }
    return execute_given(
        w->store,
        mem_printf(
            /* What a person discarded stays so while it is rejected again for the same reason. */
            "UPDATE " ASIDE "._plumb_rejects AS a SET discarded_us = m.discarded_us, "
            "discarded_because = m.discarded_because, discarded_by = m.discarded_by FROM "
            "main._plumb_rejects m WHERE m.batch = "
            "a.batch AND m.pos = a.pos AND m.transform = a.transform AND m.reason = a.reason AND "
            "m.discarded_us IS NOT NULL;"
            "DELETE FROM main._plumb_rejects WHERE transform IN (%s) OR (transform = '' AND batch "
            "IN "
            "(SELECT b.id FROM main._plumb_batches b JOIN main._plumb_partitions p ON p.id = "
            "b.partition WHERE p.source IN (%s)));"
            "INSERT INTO main._plumb_rejects(" REJECT_COLUMNS ") SELECT " REJECT_COLUMNS
            " FROM " ASIDE "._plumb_rejects ORDER BY batch, pos;"
            "UPDATE main._plumb_batches AS m SET decoded = a.decoded, rejected = a.rejected "
            "FROM " ASIDE
            "._plumb_batches a WHERE a.id = m.id AND (a.decoded <> m.decoded OR a.rejected <> "
            "m.rejected);"
            "INSERT OR REPLACE INTO main._plumb_streams SELECT * FROM " ASIDE
            "._plumb_streams EXCEPT SELECT * FROM main._plumb_streams",
            w->names, buf_c(&sources)),
        err);
}

static enum err_code swap_all(struct swap *w, struct swap_report *report, struct err *err) {
    enum err_code code = drop_objects(w, err);
    for (size_t i = 0; code == ERR_NONE && i < w->built->table_count; i++) {
        const struct flow_table *t = &w->built->tables[i];
        if (flow_writes(w->built, t)) {
            code = swap_table(w, t, &report->tables[report->count], err);
            report->count++;
        }
    }
    if (code == ERR_NONE) {
        code = forget_gone(w, err);
    }
    if (code == ERR_NONE) {
        code = swap_accounts(w, err);
    }
    if (code == ERR_NONE) {
        code = swap_rejects(w, err);
    }
    return code == ERR_NONE ? make_objects(w, err) : code;
}

enum err_code sqlite_swap(struct store *s, const struct flow *built, struct swap_report *report,
                          struct err *err) {
    *report = (struct swap_report){
        .tables = mem_alloc_array(built->table_count + 1, sizeof(struct swap_table))};
    AUTO_BUF names = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < built->transform_count; i++) {
        buf_addf(&names, "%s'%s'", i > 0 ? ", " : "", built->transforms[i].name);
    }
    char *path = mem_printf("%s-aside", s->path);
    struct swap w = {s, built, names.data};
    enum err_code code = store_attach(s, path, ASIDE, err);
    mem_free(path);
    if (code != ERR_NONE) {
        return code;
    }
    code = store_begin(s, err);
    if (code == ERR_NONE) {
        code = swap_all(&w, report, err);
        if (code == ERR_NONE) {
            code = store_commit(s, err);
        } else {
            store_rollback(s);
        }
    }
    struct err ignored = ERR_INIT; /* closing lets go of it as well */
    (void)!store_execute(s, "DETACH " ASIDE, &ignored);
    return code;
}
