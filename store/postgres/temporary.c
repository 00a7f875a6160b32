/* Temporary tables: the rows of a batch, and the work tables of transforms.
 *
 * They are made when a transaction first needs them and dropped when it ends. A savepoint that is
 * undone takes with it what was made since; so for each it is kept in which transaction, and under
 * how many savepoints, it was made. */
#include "store/postgres/catalog.h"
#include "store/postgres/driver.h"

bool postgres_is_made(const struct postgres_store *s, const struct postgres_made *made) {
    return made->transaction == s->transaction && made->transaction != 0;
}

static void note_made(const struct postgres_store *s, struct postgres_made *made) {
    *made = (struct postgres_made){s->transaction, s->depth};
}

/* ---- batches ---- */

static void table_sql(const struct flow_stream *stream, struct buf *out) {
    const struct schema *schema = &stream->spec->schema;
    buf_addf(out, "CREATE TEMP TABLE \"%s\"(\"_record\" bigint", stream->relation);
    for (size_t i = 0; i < schema->count; i++) {
        buf_addf(out, ", \"%s\" %s", schema->columns[i].name, pg_sql_type(schema->columns[i].type));
    }
    buf_adds(out, ") ON COMMIT DROP");
}

static enum err_code table_ready(struct postgres_store *s, const struct flow_stream *stream,
                                 struct postgres_presented *p, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    const bool is_there = postgres_is_made(s, &p->made);
    if (is_there) {
        buf_addf(&sql, "TRUNCATE pg_temp.\"%s\"", stream->relation);
    } else {
        table_sql(stream, &sql);
    }
    enum err_code code = postgres_send(s, buf_c(&sql), err);
    if (code == ERR_NONE && !is_there) {
        note_made(s, &p->made);
    }
    return code;
}

static bool is_same(const struct store_rows *a, const struct store_rows *b) {
    return a->rows == b->rows && a->low == b->low && a->high == b->high && a->batch == b->batch &&
           a->first_record == b->first_record;
}

/* Several maps of a turn read the same rows: they are copied once. */
enum err_code postgres_present(struct store *base, const struct flow_stream *stream,
                               const struct store_rows *rows, struct err *err) {
    struct postgres_store *s = postgres_of(base);
    struct postgres_presented *p = &s->presented[stream->number];
    if (rows == NULL || (postgres_is_made(s, &p->filled) && is_same(&p->rows, rows))) {
        return ERR_NONE;
    }
    p->filled = (struct postgres_made){0, 0};
    enum err_code code = table_ready(s, stream, p, err);
    if (code != ERR_NONE) {
        return code;
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "COPY pg_temp.\"%s\" FROM STDIN (FORMAT binary)", stream->relation);
    code = pg_copy_table(s->pg, buf_c(&sql), rows->rows, rows->low, rows->high, &rows->first_record,
                         err);
    if (code == ERR_NONE) {
        note_made(s, &p->filled);
        p->rows = *rows;
    }
    return code;
}

/* ---- work tables ---- */

enum err_code postgres_work_make(struct store *base, const char *name, const char *columns,
                                 bool keyed, struct err *err) {
    (void)keyed;
    (void)err;
    struct postgres_store *s = postgres_of(base);
    if (s->work_count == s->work_capacity) {
        s->work_capacity = s->work_capacity > 0 ? s->work_capacity * 2 : 16;
        s->works = mem_realloc(s->works, s->work_capacity * sizeof(*s->works));
    }
    s->works[s->work_count++] =
        (struct postgres_work){mem_strdup(name), mem_strdup(columns), {0, 0}};
    return ERR_NONE;
}

enum err_code postgres_work_empty(struct store *base, const char *name, struct err *err) {
    struct postgres_store *s = postgres_of(base);
    struct postgres_work *w = NULL;
    for (size_t i = 0; i < s->work_count && w == NULL; i++) {
        w = str_equal_c(str_of(name), s->works[i].name) ? &s->works[i] : NULL;
    }
    ASSERT(w != NULL);
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    const bool is_there = postgres_is_made(s, &w->made);
    if (is_there) {
        buf_addf(&sql, "TRUNCATE pg_temp.\"%s\"", w->name);
    } else {
        buf_addf(&sql, "CREATE TEMP TABLE \"%s\"(%s) ON COMMIT DROP", w->name, w->columns);
    }
    enum err_code code = postgres_send(s, buf_c(&sql), err);
    if (code == ERR_NONE && !is_there) {
        note_made(s, &w->made);
    }
    return code;
}

void postgres_works_release(struct postgres_store *s) {
    for (size_t i = 0; i < s->work_count; i++) {
        mem_free(s->works[i].name);
        mem_free(s->works[i].columns);
    }
    mem_free(s->works);
}
