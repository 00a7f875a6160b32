/* The staged form of a map: the SELECT's rows go to a temporary table, the winner of each key is taken,
 * then deletes and upserts follow as sets.
 *
 * With latest_by a deleted key leaves a tombstone, so that an older record that comes later does not
 * bring the row back, whichever map it comes by: all maps into the table look at the same tombstones. */
#include "transform/map.h"

static void sql_key_equal(struct buf *out, const struct flow_table *t, const char *left,
                          const char *right) {
    for (size_t i = 0; i < t->key_count; i++) {
        const char *name = t->schema.columns[t->key[i]].name;
        buf_addf(out, "%s%s.\"%s\" = %s.\"%s\"", i > 0 ? " AND " : "", left, name, right, name);
    }
}

/* Winners of keys have a table of their own; with key: auto every row has a key of its own. */
static bool has_winners(const struct transform *t) {
    return !t->def->into->key_auto;
}

static enum err_code temp_tables(struct store *s, const struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    const struct schema *schema = &def->into->schema;
    const bool is_sqlite = t->dialect == STORE_SQLITE;
    const char *lineage = is_sqlite
                              ? "\"_batch\" INTEGER, \"_pos\" INTEGER, \"_gone\" INTEGER NOT NULL"
                              : "\"_batch\" bigint, \"_pos\" bigint, \"_gone\" boolean NOT NULL";
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < schema->count; i++) {
        buf_addf(&sql, "\"%s\" %s%s, ", schema->columns[i].name,
                 store_sql_type(s, schema->columns[i].type),
                 sql_is_in(def->into->key, def->into->key_count, i) ? " NOT NULL" : "");
    }
    /* SQLite's rows have a rowid. */
    buf_addf(&sql, "%s%s", lineage,
             is_sqlite ? "" : ", \"_record\" bigint, \"_seq\" bigint GENERATED ALWAYS AS IDENTITY");
    enum err_code code = transform_work_make(s, t, "out", buf_c(&sql), false, err);
    if (code != ERR_NONE || !has_winners(t)) {
        return code;
    }
    buf_clear(&sql);
    sql_column_types(&sql, s, schema);
    buf_addf(&sql, ", %s, PRIMARY KEY(", lineage);
    sql_names(&sql, schema, def->into->key, def->into->key_count, "");
    buf_adds(&sql, ")");
    return transform_work_make(s, t, "win", buf_c(&sql), true, err);
}

static enum err_code tombstones(struct store *s, const struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    const struct schema *schema = &def->into->schema;
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF ddl = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&name, "_plumb_q_%s.gone", t->graves->name);
    buf_addf(&ddl, "CREATE TABLE \"%s\"(", buf_c(&name));
    for (size_t i = 0; i < schema->count; i++) {
        if (sql_is_in(def->into->key, def->into->key_count, i) ||
            sql_is_in(def->latest_by, def->latest_by_count, i)) {
            buf_addf(&ddl, "\"%s\" %s, ", schema->columns[i].name,
                     store_sql_type(s, schema->columns[i].type));
        }
    }
    buf_adds(&ddl, "PRIMARY KEY(");
    sql_names(&ddl, schema, def->into->key, def->into->key_count, "");
    buf_adds(&ddl, t->dialect == STORE_SQLITE ? ")) STRICT, WITHOUT ROWID" : "))");
    return store_object_ensure(s, buf_c(&name), buf_c(&ddl), err);
}

static enum err_code sqlite_fill(struct store *s, struct transform *t, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "INSERT INTO \"_plumb_out_%s\" SELECT ", t->def->name);
    map_columns(&sql, t);
    buf_addf(&sql, ", ?1, _plumb_pos(), coalesce((%s\n), 0) <> 0 FROM ",
             t->delete_when != NULL ? t->delete_when : "0");
    map_user_select(&sql, t);
    return transform_prepare(s, t, MAP_ROWS, buf_c(&sql), err);
}

/* Of each key the newest, by latest_by and then as the rows came. */
static enum err_code prepare_winners(struct store *s, struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    const struct schema *schema = &def->into->schema;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "INSERT INTO \"_plumb_win_%s\" SELECT ", def->name);
    sql_all_names(&sql, schema, "");
    buf_adds(&sql,
             ", \"_batch\", \"_pos\", \"_gone\" FROM (SELECT *, row_number() OVER (PARTITION BY ");
    sql_names(&sql, schema, def->into->key, def->into->key_count, "");
    buf_adds(&sql, " ORDER BY ");
    for (size_t i = 0; i < def->latest_by_count; i++) {
        buf_addf(&sql, "\"%s\" DESC NULLS LAST, ", schema->columns[def->latest_by[i]].name);
    }
    buf_addf(&sql, "%s DESC) AS \"_rank\" FROM \"_plumb_out_%s\") AS r WHERE \"_rank\" = 1",
             t->dialect == STORE_SQLITE ? "rowid" : "\"_seq\"", def->name);
    return transform_prepare(s, t, MAP_WINNERS, buf_c(&sql), err);
}

/* Winners that an existing row outdoes, or a tombstone. */
static enum err_code prepare_older(struct store *s, struct transform *t, enum map_slot slot,
                                   const char *table, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql,
             "DELETE FROM \"_plumb_win_%s\" AS w WHERE EXISTS (SELECT 1 FROM \"%s\" AS t WHERE ",
             t->def->name, table);
    sql_key_equal(&sql, t->def->into, "t", "w");
    buf_adds(&sql, " AND ");
    map_older(&sql, t->def, "w", "t");
    buf_adds(&sql, ")");
    return transform_prepare(s, t, slot, buf_c(&sql), err);
}

/* "a", "b" of the columns a tombstone has, or "a" = excluded."a", ... */
static void tomb_names(struct buf *out, const struct flow_transform *def, bool excluded) {
    const char *comma = "";
    for (size_t i = 0; i < def->into->schema.count; i++) {
        if (sql_is_in(def->into->key, def->into->key_count, i) ||
            sql_is_in(def->latest_by, def->latest_by_count, i)) {
            const char *name = def->into->schema.columns[i].name;
            buf_addf(out, "%s\"%s\"", comma, name);
            if (excluded) {
                buf_addf(out, " = excluded.\"%s\"", name);
            }
            comma = ", ";
        }
    }
}

static enum err_code prepare_tombs(struct store *s, struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    char *table = mem_printf("_plumb_q_%s.gone", t->graves->name);
    enum err_code code = prepare_older(s, t, MAP_TOMBED, table, err);
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "INSERT INTO \"%s\"(", table);
    tomb_names(&sql, def, false);
    buf_adds(&sql, ") SELECT ");
    tomb_names(&sql, def, false);
    buf_addf(&sql, " FROM \"_plumb_win_%s\" WHERE \"_gone\"", def->name);
    sql_conflict(&sql, def->into);
    tomb_names(&sql, def, true);
    if (code == ERR_NONE) {
        code = transform_prepare(s, t, MAP_TOMB, buf_c(&sql), err);
    }
    buf_clear(&sql);
    buf_addf(&sql, "DELETE FROM \"%s\" WHERE (", table);
    sql_names(&sql, &def->into->schema, def->into->key, def->into->key_count, "");
    buf_adds(&sql, ") IN (SELECT ");
    sql_names(&sql, &def->into->schema, def->into->key, def->into->key_count, "");
    buf_addf(&sql, " FROM \"_plumb_win_%s\" WHERE NOT \"_gone\")", def->name);
    mem_free(table);
    return code == ERR_NONE ? transform_prepare(s, t, MAP_UNTOMB, buf_c(&sql), err) : code;
}

static enum err_code prepare_deletes(struct store *s, struct transform *t, struct err *err) {
    const struct flow_table *into = t->def->into;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "DELETE FROM \"%s\" WHERE (", into->name);
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    buf_adds(&sql, ") IN (SELECT ");
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    buf_addf(&sql, " FROM \"_plumb_win_%s\" WHERE \"_gone\")", t->def->name);
    enum err_code code = transform_prepare(s, t, MAP_DELETE, buf_c(&sql), err);
    buf_clear(&sql);
    buf_addf(&sql, "DELETE FROM \"_plumb_win_%s\" WHERE \"_gone\"", t->def->name);
    return code == ERR_NONE ? transform_prepare(s, t, MAP_DELETES, buf_c(&sql), err) : code;
}

/* In PostgreSQL the rows that come back say what became of them: xmax is 0 in one that is new. */
static enum err_code prepare_upsert(struct store *s, struct transform *t, struct err *err) {
    const struct flow_table *into = t->def->into;
    const bool is_sqlite = t->dialect == STORE_SQLITE;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql, is_sqlite ? "" : "WITH up AS (");
    map_insert_head(&sql, into);
    buf_adds(&sql, into->key_auto ? "?1, s.\"_record\", " : "");
    sql_all_names(&sql, &into->schema, "s.");
    buf_addf(&sql, "%s FROM \"_plumb_%s_%s\" AS s WHERE true",
             into->lineage ? ", s.\"_batch\", s.\"_pos\"" : "", has_winners(t) ? "win" : "out",
             t->def->name);
    if (!is_sqlite && has_winners(t)) { /* everybody locks rows in the same order */
        buf_adds(&sql, " ORDER BY ");
        sql_names(&sql, &into->schema, into->key, into->key_count, "s.");
    }
    sql_conflict(&sql, into);
    sql_set_excluded(&sql, into);
    if (is_sqlite) {
        map_verdict(&sql, t->def, false);
    } else {
        buf_adds(&sql, " WHERE NOT (");
        sql_same(&sql, into, "t", "excluded");
        buf_adds(&sql, ") RETURNING t.xmax = 0 AS fresh) SELECT count(*), count(*) FILTER (WHERE "
                       "NOT fresh) FROM up");
    }
    return transform_prepare(s, t, MAP_UPSERT, buf_c(&sql), err);
}

enum err_code map_staged_prepare(struct store *s, struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    enum err_code code = temp_tables(s, t, err);
    if (code == ERR_NONE) {
        code = t->dialect == STORE_SQLITE ? sqlite_fill(s, t, err) : map_postgres_fill(s, t, err);
    }
    if (code == ERR_NONE && has_winners(t)) {
        code = prepare_winners(s, t, err);
    }
    if (code == ERR_NONE && def->latest_by_count > 0) {
        code = prepare_older(s, t, MAP_OLDER, def->into->name, err);
    }
    if (code == ERR_NONE && t->graves != NULL) {
        code = tombstones(s, t, err);
    }
    if (code == ERR_NONE && t->graves != NULL) {
        code = prepare_tombs(s, t, err);
    }
    if (code == ERR_NONE && def->delete_when != NULL) {
        code = prepare_deletes(s, t, err);
    }
    return code == ERR_NONE ? prepare_upsert(s, t, err) : code;
}

/* ---- merging ---- */

/* A statement the map may not have; *changes is 0 then. */
static enum err_code run_slot(struct job *j, enum map_slot slot, int64_t *changes,
                              struct err *err) {
    *changes = 0;
    struct store_statement *st = j->t->statements[slot];
    return st != NULL ? store_run(st, changes, err) : ERR_NONE;
}

/* *written: rows inserted or updated. */
static enum err_code upsert(struct job *j, int64_t *written, int64_t *updated, struct err *err) {
    struct store_statement *st = j->t->statements[MAP_UPSERT];
    if (j->t->def->into->key_auto) {
        store_bind_i64(st, 1, j->in->partition);
    }
    if (j->t->dialect == STORE_SQLITE) {
        store_ticks_reset(j->store);
        enum err_code code = store_run(st, written, err);
        *updated = store_ticks(j->store)[TICK_UPDATED];
        return code;
    }
    bool has_row = false;
    enum err_code code = store_step(st, &has_row, err);
    if (code == ERR_NONE && has_row) {
        *written = store_column_i64(st, 0);
        *updated = store_column_i64(st, 1);
    }
    store_reset(st);
    return code;
}

enum err_code map_staged_merge(struct job *j, struct err *err) {
    static const enum map_slot slots[] = {MAP_WINNERS, MAP_OLDER,  MAP_TOMBED, MAP_TOMB,
                                          MAP_UNTOMB,  MAP_DELETE, MAP_DELETES};
    int64_t changes[MAP_UPSERT] = {0};
    changes[MAP_WINNERS] = j->line->rows_out;
    enum err_code code =
        has_winners(j->t) ? transform_work_empty(j->store, j->t, "win", err) : ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && has_winners(j->t) && i < ARRAY_COUNT(slots); i++) {
        code = run_slot(j, slots[i], &changes[slots[i]], err);
    }
    int64_t written = 0;
    int64_t updated = 0;
    if (code == ERR_NONE) {
        code = upsert(j, &written, &updated, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    const int64_t lost = changes[MAP_OLDER] + changes[MAP_TOMBED];
    const int64_t left = changes[MAP_WINNERS] - lost - changes[MAP_DELETES];
    j->line->superseded += j->line->rows_out - changes[MAP_WINNERS] + lost;
    j->line->deleted += changes[MAP_DELETE];
    j->line->inserted += written - updated;
    j->line->updated += updated;
    j->line->unchanged += left - written + changes[MAP_DELETES] - changes[MAP_DELETE];
    return ERR_NONE;
}
