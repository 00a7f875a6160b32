/* Maps: one SELECT over the batch, upserted by the table's key.
 *
 * Direct form, for maps without delete_when: a single INSERT ... SELECT ... ON CONFLICT DO UPDATE
 * over the batch's virtual table. Rows arrive in source order, so the last one of a key wins; the
 * conflict clause's WHERE decides per row whether it is older (superseded), the same (unchanged) or
 * an update, and counts that.
 *
 * Staged form, for maps with delete_when: the SELECT's rows go to a temporary table, the winner of
 * each key is taken, then deletes and upserts follow as sets. With latest_by a deleted key leaves a
 * tombstone, so that an older record that comes later does not bring the row back, whichever map it
 * comes by: all maps into the table look at the same tombstones.
 *
 * A statement that fails on a row has no effect at all; the range is then cut at the row it stood
 * on, and that row alone is tried and, if it fails, rejected. */
#include <string.h>

#include "transform/internal.h"

enum slot {
    MAP_ROWS,
    MAP_CLEAR,
    MAP_WINNERS,
    MAP_WINNERS_CLEAR,
    MAP_TOMBED,
    MAP_OLDER,
    MAP_DELETE,
    MAP_DELETES,
    MAP_TOMB,
    MAP_UNTOMB,
    MAP_UPSERT
};

/* Lexicographic "left is older than right" over latest_by; NULL is older than anything. */
static void sql_older(struct buf *out, const struct flow_transform *def, const char *left,
                      const char *right) {
    for (size_t i = 0; i < def->latest_by_count; i++) {
        const char *name = def->into->schema.columns[def->latest_by[i]].name;
        buf_addf(out, "(%s.\"%s\" < %s.\"%s\" OR (%s.\"%s\" IS NULL AND %s.\"%s\" IS NOT NULL)",
                 left, name, right, name, left, name, right, name);
        if (i + 1 < def->latest_by_count) {
            buf_addf(out, " OR (%s.\"%s\" IS %s.\"%s\" AND ", left, name, right, name);
        }
    }
    for (size_t i = 0; i < def->latest_by_count; i++) {
        buf_adds(out, i == 0 ? ")" : "))");
    }
}

static void sql_key_equal(struct buf *out, const struct flow_table *t, const char *left,
                          const char *right) {
    for (size_t i = 0; i < t->key_count; i++) {
        const char *name = t->schema.columns[t->key[i]].name;
        buf_addf(out, "%s%s.\"%s\" = %s.\"%s\"", i > 0 ? " AND " : "", left, name, right, name);
    }
}

static void insert_head(struct buf *out, const struct flow_table *t) {
    buf_addf(out, "INSERT INTO \"%s\" AS t (", t->name);
    if (t->key_auto) {
        buf_adds(out, "\"_partition\", \"_record\", ");
    }
    sql_all_names(out, &t->schema, "");
    buf_addf(out, "%s) SELECT ", t->lineage ? ", \"_batch\", \"_pos\"" : "");
}

/* Columns of the SELECT; the first goes through _plumb_row() when rows have to be counted per
 * record. */
static void select_columns(struct buf *out, const struct transform *t) {
    const struct schema *schema = &t->def->into->schema;
    for (size_t i = 0; i < schema->count; i++) {
        bool counted = t->tracked && i == 0;
        buf_addf(out, "%s%s", i > 0 ? ", " : "", counted ? "_plumb_row(" : "");
        sql_cell(out, t, i);
        buf_adds(out, counted ? ")" : "");
    }
}

static void user_select(struct buf *out, const struct transform *t) {
    AUTO_BUF body = BUF_INIT(BUF_TEXT_MAX);
    size_t prefix = 0;
    buf_addf(&body, "SELECT * FROM temp.\"%s\"", t->def->stream->relation);
    buf_adds(out, "(");
    sql_wrap(out, "batch", buf_c(&body), t->def->sql, &prefix);
    buf_adds(out, ") AS s");
}

static void verdict(struct buf *out, const struct flow_transform *def, bool older) {
    buf_adds(out, " WHERE CASE ");
    if (older && def->latest_by_count > 0) {
        buf_adds(out, "WHEN ");
        sql_older(out, def, "excluded", "t");
        buf_addf(out, " THEN _plumb_tick(%d, 0) ", TICK_SUPERSEDED);
    }
    buf_adds(out, "WHEN ");
    sql_same(out, def->into, "t", "excluded");
    buf_addf(out, " THEN _plumb_tick(%d, 0) ELSE _plumb_tick(%d, 1) END", TICK_UNCHANGED,
             TICK_UPDATED);
}

static enum err_code direct_prepare(struct store *s, struct transform *t, struct err *err) {
    const struct flow_table *into = t->def->into;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    insert_head(&sql, into);
    buf_adds(&sql, into->key_auto ? "?2, _plumb_record(), " : "");
    select_columns(&sql, t);
    buf_addf(&sql, "%s FROM ", into->lineage ? ", ?1, _plumb_pos()" : "");
    user_select(&sql, t);
    buf_adds(&sql, " WHERE true");
    sql_conflict(&sql, into);
    sql_set_excluded(&sql, into);
    verdict(&sql, t->def, true);
    return transform_prepare(s, t, MAP_ROWS, buf_c(&sql), err);
}

/* ---- staged form ---- */

static enum err_code temp_tables(struct store *s, const struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    const struct schema *schema = &def->into->schema;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "CREATE TEMP TABLE \"_plumb_out_%s\"(", def->name);
    for (size_t i = 0; i < schema->count; i++) {
        buf_addf(&sql, "\"%s\" %s%s, ", schema->columns[i].name,
                 store_sql_type(s, schema->columns[i].type),
                 sql_is_in(def->into->key, def->into->key_count, i) ? " NOT NULL" : "");
    }
    buf_adds(&sql, "\"_batch\" INTEGER, \"_pos\" INTEGER, \"_gone\" INTEGER NOT NULL) STRICT;");
    buf_addf(&sql, "CREATE TEMP TABLE \"_plumb_win_%s\"(", def->name);
    sql_column_types(&sql, s, schema);
    buf_adds(&sql,
             ", \"_batch\" INTEGER, \"_pos\" INTEGER, \"_gone\" INTEGER NOT NULL, PRIMARY KEY(");
    sql_names(&sql, schema, def->into->key, def->into->key_count, "");
    buf_adds(&sql, ")) STRICT, WITHOUT ROWID;");
    return store_execute(s, buf_c(&sql), err);
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
    buf_adds(&ddl, ")) STRICT, WITHOUT ROWID");
    return store_object_ensure(s, buf_c(&name), buf_c(&ddl), err);
}

static enum err_code staged_fill(struct store *s, struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "INSERT INTO temp.\"_plumb_out_%s\" SELECT ", def->name);
    select_columns(&sql, t);
    buf_addf(&sql, ", ?1, _plumb_pos(), coalesce((%s\n), 0) <> 0 FROM ",
             def->delete_when != NULL ? def->delete_when : "0");
    user_select(&sql, t);
    enum err_code code = transform_prepare(s, t, MAP_ROWS, buf_c(&sql), err);
    buf_clear(&sql);
    buf_addf(&sql, "DELETE FROM temp.\"_plumb_out_%s\"", def->name);
    if (code == ERR_NONE) {
        code = transform_prepare(s, t, MAP_CLEAR, buf_c(&sql), err);
    }
    buf_clear(&sql);
    buf_addf(&sql, "DELETE FROM temp.\"_plumb_win_%s\"", def->name);
    if (code == ERR_NONE) {
        code = transform_prepare(s, t, MAP_WINNERS_CLEAR, buf_c(&sql), err);
    }
    buf_clear(&sql);
    buf_addf(&sql, "INSERT INTO temp.\"_plumb_win_%s\" SELECT ", def->name);
    sql_all_names(&sql, &def->into->schema, "");
    buf_adds(&sql,
             ", \"_batch\", \"_pos\", \"_gone\" FROM (SELECT *, row_number() OVER (PARTITION BY ");
    sql_names(&sql, &def->into->schema, def->into->key, def->into->key_count, "");
    buf_adds(&sql, " ORDER BY ");
    for (size_t i = 0; i < def->latest_by_count; i++) {
        buf_addf(&sql, "\"%s\" DESC, ", def->into->schema.columns[def->latest_by[i]].name);
    }
    buf_addf(&sql, "rowid DESC) AS \"_rank\" FROM temp.\"_plumb_out_%s\") WHERE \"_rank\" = 1",
             def->name);
    return code == ERR_NONE ? transform_prepare(s, t, MAP_WINNERS, buf_c(&sql), err) : code;
}

/* Winners that an existing row or tombstone outdoes. */
static enum err_code staged_older(struct store *s, struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    for (int pass = 0; pass < 2; pass++) {
        AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
        buf_addf(&sql,
                 "DELETE FROM temp.\"_plumb_win_%s\" AS w WHERE EXISTS (SELECT 1 FROM main.\"",
                 def->name);
        if (pass == 0) {
            buf_adds(&sql, def->into->name);
        } else {
            buf_addf(&sql, "_plumb_q_%s.gone", t->graves->name);
        }
        buf_adds(&sql, "\" AS t WHERE ");
        sql_key_equal(&sql, def->into, "t", "w");
        buf_adds(&sql, " AND ");
        sql_older(&sql, def, "w", "t");
        buf_adds(&sql, ")");
        enum err_code code =
            transform_prepare(s, t, pass == 0 ? MAP_OLDER : MAP_TOMBED, buf_c(&sql), err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "INSERT OR REPLACE INTO main.\"_plumb_q_%s.gone\" SELECT ", t->graves->name);
    const char *comma = "";
    for (size_t i = 0; i < def->into->schema.count; i++) {
        if (sql_is_in(def->into->key, def->into->key_count, i) ||
            sql_is_in(def->latest_by, def->latest_by_count, i)) {
            buf_addf(&sql, "%s\"%s\"", comma, def->into->schema.columns[i].name);
            comma = ", ";
        }
    }
    buf_addf(&sql, " FROM temp.\"_plumb_win_%s\" WHERE \"_gone\"", def->name);
    enum err_code code = transform_prepare(s, t, MAP_TOMB, buf_c(&sql), err);
    buf_clear(&sql);
    buf_addf(&sql, "DELETE FROM main.\"_plumb_q_%s.gone\" WHERE (", t->graves->name);
    sql_names(&sql, &def->into->schema, def->into->key, def->into->key_count, "");
    buf_adds(&sql, ") IN (SELECT ");
    sql_names(&sql, &def->into->schema, def->into->key, def->into->key_count, "");
    buf_addf(&sql, " FROM temp.\"_plumb_win_%s\" WHERE NOT \"_gone\")", def->name);
    return code == ERR_NONE ? transform_prepare(s, t, MAP_UNTOMB, buf_c(&sql), err) : code;
}

static enum err_code staged_prepare(struct store *s, struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    const struct flow_table *into = def->into;
    enum err_code code = temp_tables(s, t, err);
    if (code == ERR_NONE && t->graves != NULL) {
        code = tombstones(s, t, err);
    }
    if (code == ERR_NONE) {
        code = staged_fill(s, t, err);
    }
    if (code == ERR_NONE && t->graves != NULL) {
        code = staged_older(s, t, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "DELETE FROM \"%s\" WHERE (", into->name);
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    buf_adds(&sql, ") IN (SELECT ");
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    buf_addf(&sql, " FROM temp.\"_plumb_win_%s\" WHERE \"_gone\")", def->name);
    code = transform_prepare(s, t, MAP_DELETE, buf_c(&sql), err);
    buf_clear(&sql);
    buf_addf(&sql, "DELETE FROM temp.\"_plumb_win_%s\" WHERE \"_gone\"", def->name);
    if (code == ERR_NONE) {
        code = transform_prepare(s, t, MAP_DELETES, buf_c(&sql), err);
    }
    buf_clear(&sql);
    insert_head(&sql, into);
    sql_all_names(&sql, &into->schema, "s.");
    buf_addf(&sql, "%s FROM temp.\"_plumb_win_%s\" AS s WHERE true",
             into->lineage ? ", s.\"_batch\", s.\"_pos\"" : "", def->name);
    sql_conflict(&sql, into);
    sql_set_excluded(&sql, into);
    verdict(&sql, def, false);
    return code == ERR_NONE ? transform_prepare(s, t, MAP_UPSERT, buf_c(&sql), err) : code;
}

enum err_code map_prepare(struct store *s, struct transform *t, struct err *err) {
    t->staged = t->def->delete_when != NULL || t->graves != NULL;
    enum err_code code = t->staged ? staged_prepare(s, t, err) : direct_prepare(s, t, err);
    return code == ERR_NONE && t->identity != NULL ? take_back_prepare(s, t, err) : code;
}

/* ---- applying ---- */

struct range {
    size_t low, high;
};

struct job {
    struct store *store;
    struct transform *t;
    const struct map_input *in;
    struct ledger_line *line;
    struct reject_list *rejects;
};

/* One statement over rows [low, high): all of it or nothing. */
static enum err_code try_range(struct job *j, struct range r, struct err *err) {
    struct store_statement *st = j->t->statements[MAP_ROWS];
    enum err_code code = store_present(
        j->store, j->t->def->stream,
        &(struct store_rows){j->in->rows, r.low, r.high, j->in->batch, j->in->first_record}, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_ticks_reset(j->store);
    store_bind_i64(st, 1, j->in->batch);
    if (j->t->def->into->key_auto) {
        store_bind_i64(st, 2, j->in->partition);
    }
    int64_t changes = 0;
    code = store_run(st, &changes, err);
    if (code != ERR_NONE) {
        return code;
    }
    const int64_t *ticks = store_ticks(j->store);
    int64_t rows = changes + ticks[TICK_SUPERSEDED] + ticks[TICK_UNCHANGED];
    int64_t records = j->t->tracked ? ticks[TICK_RECORDS] : rows;
    if (rows > records && !j->t->def->many) {
        return err_set(
            err, ERR_INPUT,
            "one record gives several rows; say `many: true`, or join on a key that is unique");
    }
    j->line->rows_out += rows;
    j->line->records_out += records;
    j->line->filtered += (int64_t)(r.high - r.low) - records;
    if (!j->t->staged) {
        j->line->updated += ticks[TICK_UPDATED];
        j->line->unchanged += ticks[TICK_UNCHANGED];
        j->line->superseded += ticks[TICK_SUPERSEDED];
        j->line->inserted += changes - ticks[TICK_UPDATED];
    }
    return ERR_NONE;
}

/* try_range, taken back when a tracked map turns out to multiply rows after its statement
 * succeeded. */
static enum err_code try_range_safely(struct job *j, struct range r, struct err *err) {
    if (!j->t->tracked || j->t->def->many) {
        return try_range(j, r, err);
    }
    enum err_code code = store_savepoint(j->store, err);
    if (code != ERR_NONE) {
        return code;
    }
    code = try_range(j, r, err);
    if (code == ERR_NONE) {
        return store_release(j->store, err);
    }
    struct err undo = ERR_INIT;
    if (store_undo(j->store, &undo) != ERR_NONE) {
        *err = undo;
    }
    return err->code;
}

/* The staged form fails in its temporary table; the user knows the table by its own name. */
static struct str without_prefix(const char *message, struct buf *out) {
    const char *at = strstr(message, "_plumb_out_");
    if (at == NULL) {
        return str_of(message);
    }
    buf_addstr(out, (struct str){message, (size_t)(at - message)});
    buf_adds(out, at + strlen("_plumb_out_"));
    return buf_str(out);
}

static enum err_code reject_row(struct job *j, size_t row, const struct err *why, struct err *err) {
    j->line->rejected++;
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    struct str message = without_prefix(why->message, &text);
    return reject_list_add(j->rejects, j->in->rows->pos[row], REJECT_TRANSFORM, NULL, -1, err,
                           "%.*s", STR_FMT(message));
}

/* Cutting where the statement stood ends at once, as a rule; past RANGES_TRUSTED ranges in hand it
 * is not believed any more and ranges are halved, which BATCH_RECORDS_MAX rows need 20 times,
 * leaving at most three each time. */
#define RANGES_TRUSTED 32
#define RANGES_MAX     128

static enum err_code apply_ranges(struct job *j, struct err *err) {
    struct range stack[RANGES_MAX];
    size_t depth = 0;
    stack[depth++] = (struct range){0, j->in->rows->count};
    while (depth > 0) {
        struct range r = stack[--depth];
        if (r.low == r.high) {
            continue;
        }
        struct err why = ERR_INIT;
        enum err_code code = try_range_safely(j, r, &why);
        if (code == ERR_NONE) {
            continue;
        }
        if (code != ERR_INPUT) {
            *err = why;
            return code;
        }
        if (r.high - r.low == 1) {
            code = reject_row(j, r.low, &why, err);
            if (code != ERR_NONE) {
                return code;
            }
            continue;
        }
        size_t at = store_present_at(j->store, j->t->def->stream);
        if (at < r.low || at >= r.high || depth > RANGES_TRUSTED) {
            at = r.low + (r.high - r.low) / 2;
        }
        /* Pushed last to first, so that rows are applied in source order. A cut at the first or
         * last row gives an empty range, which costs nothing. */
        ASSERT(depth + 3 <= RANGES_MAX);
        stack[depth++] = (struct range){at + 1, r.high};
        stack[depth++] = (struct range){at, at + 1};
        stack[depth++] = (struct range){r.low, at};
    }
    return ERR_NONE;
}

static enum err_code run_slot(struct job *j, enum slot slot, int64_t *changes, struct err *err) {
    return store_run(j->t->statements[slot], changes, err);
}

static enum err_code staged_merge(struct job *j, struct err *err) {
    int64_t winners = 0;
    int64_t older = 0;
    int64_t tombed = 0;
    int64_t gone = 0;
    int64_t changes = 0;
    bool ordered = j->t->graves != NULL;
    enum err_code code = run_slot(j, MAP_WINNERS_CLEAR, NULL, err);
    if (code == ERR_NONE) {
        code = run_slot(j, MAP_WINNERS, &winners, err);
    }
    if (code == ERR_NONE && ordered) {
        code = run_slot(j, MAP_OLDER, &older, err);
    }
    if (code == ERR_NONE && ordered) {
        code = run_slot(j, MAP_TOMBED, &tombed, err);
    }
    if (code == ERR_NONE && ordered) {
        code = run_slot(j, MAP_TOMB, NULL, err);
    }
    if (code == ERR_NONE && ordered) {
        code = run_slot(j, MAP_UNTOMB, NULL, err);
    }
    if (code == ERR_NONE) {
        code = run_slot(j, MAP_DELETE, &j->line->deleted, err);
    }
    if (code == ERR_NONE) {
        code = run_slot(j, MAP_DELETES, &gone, err);
    }
    store_ticks_reset(j->store);
    if (code == ERR_NONE) {
        code = run_slot(j, MAP_UPSERT, &changes, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    const int64_t *ticks = store_ticks(j->store);
    j->line->superseded += j->line->rows_out - winners + older + tombed;
    j->line->updated += ticks[TICK_UPDATED];
    j->line->unchanged += ticks[TICK_UNCHANGED] + gone - j->line->deleted;
    j->line->inserted += changes - ticks[TICK_UPDATED];
    return ERR_NONE;
}

enum err_code map_apply(struct plan *p, size_t index, const struct map_input *in,
                        struct ledger_line *line, struct reject_list *rejects, struct err *err) {
    struct job j = {p->store, p->items[index], in, line, rejects};
    *line = (struct ledger_line){.rows_in = (int64_t)in->rows->count};
    enum err_code code = ERR_NONE;
    if (j.t->staged) {
        code = run_slot(&j, MAP_CLEAR, NULL, err);
    }
    if (code == ERR_NONE) {
        code = apply_ranges(&j, err);
    }
    if (code == ERR_NONE && j.t->staged) {
        code = staged_merge(&j, err);
    }
    store_present_nothing(p->store, j.t->def->stream);
    return code;
}
