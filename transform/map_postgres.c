/* A batch's rows through the flow's SELECT, in PostgreSQL.
 *
 * The batch is a temporary table. The SELECT is joined to it LATERAL, with a relation `batch` of one
 * row: so each record is asked about alone, as a map promises, and the number of the record is known
 * beside what it gave, whatever the SELECT is like. PostgreSQL's planner dissolves both where it can,
 * so a plain SELECT costs one scan. A statement that fails spoils its transaction, hence the
 * savepoint. */
#include <inttypes.h>

#include "transform/map.h"

static void batch_body(struct buf *out, const struct transform *t) {
    buf_adds(out, "SELECT ");
    const struct schema *schema = &t->def->stream->spec->schema;
    for (size_t i = 0; i < schema->count; i++) {
        const char *name = schema->columns[i].name;
        buf_addf(out, "%s\"_plumb_b\".\"%s\" AS \"%s\"", i > 0 ? ", " : "", name, name);
    }
}

static void lateral(struct buf *out, const struct transform *t) {
    AUTO_BUF body = BUF_INIT(BUF_TEXT_MAX);
    batch_body(&body, t);
    buf_addf(out,
             "(SELECT \"_plumb_b\".\"_record\", \"_plumb_u\".* FROM \"%s\" AS \"_plumb_b\" CROSS "
             "JOIN LATERAL (",
             t->def->stream->relation);
    sql_wrap(out, "batch", buf_c(&body), t->sql);
    buf_adds(out, ") AS \"_plumb_u\" WHERE \"_plumb_b\".\"_record\" >= ?3 AND "
                  "\"_plumb_b\".\"_record\" < ?4) AS s");
}

enum err_code map_postgres_fill(struct store *s, struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "INSERT INTO \"_plumb_out_%s\"(", def->name);
    sql_all_names(&sql, &def->into->schema, "");
    buf_adds(&sql, ", \"_batch\", \"_pos\", \"_record\", \"_gone\") SELECT ");
    map_columns(&sql, t);
    buf_adds(&sql, ", ?1, s.\"_record\" - ?2, s.\"_record\", ");
    if (t->delete_when != NULL) {
        buf_addf(&sql, "coalesce(_plumb_bool((%s\n), 'delete_when'), false)", t->delete_when);
    } else {
        buf_adds(&sql, "false");
    }
    buf_adds(&sql, " FROM ");
    lateral(&sql, t);
    buf_adds(&sql, " ORDER BY s.\"_record\"");
    enum err_code code = transform_prepare(s, t, MAP_ROWS, buf_c(&sql), err);
    if (code != ERR_NONE || !t->tracked) {
        return code;
    }
    buf_clear(&sql);
    buf_addf(
        &sql,
        "SELECT count(DISTINCT \"_record\") FROM \"_plumb_out_%s\" WHERE \"_record\" >= ?1 AND "
        "\"_record\" < ?2",
        def->name);
    return transform_prepare(s, t, MAP_RECORDS, buf_c(&sql), err);
}

/* The number of the record of a row, or one past all. */
static int64_t record_of(const struct job *j, size_t row) {
    const struct rows *rows = j->in->rows;
    return row < rows->count ? j->in->first_record + (int64_t)rows->pos[row] : INT64_MAX;
}

static enum err_code fill(struct job *j, struct range r, int64_t *rows, int64_t *records,
                          struct err *err) {
    struct store_statement *st = j->t->statements[MAP_ROWS];
    const int64_t numbers[] = {j->in->batch, j->in->first_record, record_of(j, r.low),
                               record_of(j, r.high)};
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        store_bind_i64(st, (int)i + 1, numbers[i]);
    }
    enum err_code code = store_run(st, rows, err);
    *records = *rows;
    if (code == ERR_NONE && j->t->tracked) {
        store_bind_i64(j->t->statements[MAP_RECORDS], 1, numbers[2]);
        store_bind_i64(j->t->statements[MAP_RECORDS], 2, numbers[3]);
        code = transform_query_i64(j->t, MAP_RECORDS, records, err);
    }
    return code;
}

enum err_code map_postgres_rows(struct job *j, struct range r, int64_t *rows, int64_t *records,
                                struct err *err) {
    const struct store_rows all = {j->in->rows, 0, j->in->rows->count, j->in->batch,
                                   j->in->first_record};
    enum err_code code = store_present(j->store, j->t->def->stream, &all, err);
    return code == ERR_NONE ? fill(j, r, rows, records, err) : code;
}
