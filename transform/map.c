/* Maps: one SELECT over the batch, upserted by the table's key.
 *
 * Direct form, in SQLite for maps without delete_when: a single INSERT ... SELECT ... ON CONFLICT DO
 * UPDATE over the batch's virtual table. Rows arrive in source order, so the last one of a key wins;
 * the conflict clause's WHERE decides per row whether it is older (superseded), the same (unchanged)
 * or an update, and counts that. All others have the staged form (map_staged.c).
 *
 * A statement that fails on a row has no effect at all; the range is then cut at the row it stood
 * on, or halved where that is not known, until that row alone fails, and is rejected. */
#include <string.h>

#include "transform/map.h"

void map_older(struct buf *out, const struct flow_transform *def, const char *left,
               const char *right) {
    for (size_t i = 0; i < def->latest_by_count; i++) {
        const char *name = def->into->schema.columns[def->latest_by[i]].name;
        buf_addf(out, "(%s.\"%s\" < %s.\"%s\" OR (%s.\"%s\" IS NULL AND %s.\"%s\" IS NOT NULL)",
                 left, name, right, name, left, name, right, name);
        if (i + 1 < def->latest_by_count) {
            buf_addf(out, " OR (%s.\"%s\" IS NOT DISTINCT FROM %s.\"%s\" AND ", left, name, right,
                     name);
        }
    }
    for (size_t i = 0; i < def->latest_by_count; i++) {
        buf_adds(out, i == 0 ? ")" : "))");
    }
}

void map_insert_head(struct buf *out, const struct flow_table *t) {
    buf_addf(out, "INSERT INTO \"%s\" AS t (", t->name);
    if (t->key_auto) {
        buf_adds(out, "\"_partition\", \"_record\", ");
    }
    sql_all_names(out, &t->schema, "");
    buf_addf(out, "%s) SELECT ", t->lineage ? ", \"_batch\", \"_pos\"" : "");
}

/* The first goes through _plumb_row() when rows have to be counted per
 * record. */
void map_columns(struct buf *out, const struct transform *t) {
    const struct schema *schema = &t->def->into->schema;
    for (size_t i = 0; i < schema->count; i++) {
        bool counted = t->tracked && i == 0 && t->dialect == STORE_SQLITE;
        buf_addf(out, "%s%s", i > 0 ? ", " : "", counted ? "_plumb_row(" : "");
        sql_cell(out, t, i);
        buf_adds(out, counted ? ")" : "");
    }
}

void map_user_select(struct buf *out, const struct transform *t) {
    AUTO_BUF body = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&body, "SELECT * FROM \"%s\"", t->def->stream->relation);
    buf_adds(out, "(");
    sql_wrap(out, "batch", buf_c(&body), t->sql);
    buf_adds(out, ") AS s");
}

void map_verdict(struct buf *out, const struct flow_transform *def, bool older) {
    buf_adds(out, " WHERE CASE ");
    if (older && def->latest_by_count > 0) {
        buf_adds(out, "WHEN ");
        map_older(out, def, "excluded", "t");
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
    map_insert_head(&sql, into);
    buf_adds(&sql, into->key_auto ? "?2, _plumb_record(), " : "");
    map_columns(&sql, t);
    buf_addf(&sql, "%s FROM ", into->lineage ? ", ?1, _plumb_pos()" : "");
    map_user_select(&sql, t);
    buf_adds(&sql, " WHERE true");
    sql_conflict(&sql, into);
    sql_set_excluded(&sql, into);
    map_verdict(&sql, t->def, true);
    return transform_prepare(s, t, MAP_ROWS, buf_c(&sql), err);
}

enum err_code map_prepare(struct store *s, struct transform *t, struct err *err) {
    t->staged = t->def->delete_when != NULL || t->graves != NULL || t->dialect == STORE_POSTGRES;
    enum err_code code = t->staged ? map_staged_prepare(s, t, err) : direct_prepare(s, t, err);
    return code == ERR_NONE && t->identity != NULL ? take_back_prepare(s, t, err) : code;
}

/* ---- applying ---- */

/* rows and records out, as the virtual table's statement counts them. */
static enum err_code sqlite_rows(struct job *j, struct range r, int64_t *rows, int64_t *records,
                                 struct err *err) {
    struct store_statement *st = j->t->statements[MAP_ROWS];
    const struct store_rows part = {j->in->rows, r.low, r.high, j->in->batch, j->in->first_record};
    enum err_code code = store_present(j->store, j->t->def->stream, &part, err);
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
    *rows = changes + ticks[TICK_SUPERSEDED] + ticks[TICK_UNCHANGED];
    *records = j->t->tracked ? ticks[TICK_RECORDS] : *rows;
    if (!j->t->staged && (*rows <= *records || j->t->def->many)) {
        j->line->updated += ticks[TICK_UPDATED];
        j->line->unchanged += ticks[TICK_UNCHANGED];
        j->line->superseded += ticks[TICK_SUPERSEDED];
        j->line->inserted += changes - ticks[TICK_UPDATED];
    }
    return ERR_NONE;
}

/* One statement over rows [low, high): all of it or nothing. */
static enum err_code try_range(struct job *j, struct range r, struct err *err) {
    int64_t rows = 0;
    int64_t records = 0;
    enum err_code code = j->t->dialect == STORE_POSTGRES
                             ? map_postgres_rows(j, r, &rows, &records, err)
                             : sqlite_rows(j, r, &rows, &records, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (rows > records && !j->t->def->many) {
        return err_set(
            err, ERR_INPUT,
            "one record gives several rows; say `many: true`, or join on a key that is unique");
    }
    j->line->rows_out += rows;
    j->line->records_out += records;
    j->line->filtered += (int64_t)(r.high - r.low) - records;
    return ERR_NONE;
}

/* In a savepoint where a failure leaves more than nothing: in PostgreSQL a spoilt transaction, with a
 * tracked map rows that turn out to be too many. */
static enum err_code try_range_safely(struct job *j, struct range r, struct err *err) {
    const bool needs = j->t->dialect == STORE_POSTGRES || (j->t->tracked && !j->t->def->many);
    if (!needs) {
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

enum err_code map_apply(struct plan *p, size_t index, const struct map_input *in,
                        struct ledger_line *line, struct reject_list *rejects, struct err *err) {
    struct job j = {p->store, p->items[index], in, line, rejects};
    *line = (struct ledger_line){.rows_in = (int64_t)in->rows->count};
    enum err_code code = ERR_NONE;
    if (j.t->staged) {
        code = transform_work_empty(p->store, j.t, "out", err);
    }
    if (code == ERR_NONE) {
        code = apply_ranges(&j, err);
    }
    if (code == ERR_NONE && j.t->staged) {
        code = map_staged_merge(&j, err);
    }
    store_present_nothing(p->store, j.t->def->stream);
    return code;
}
