/* How it works: copy_tables.c lists what there is, with the types of columns; then rows are read here
 * and put there one by one. Bools and int256 are spelled otherwise in each database, which is the
 * insert's business. Triggers of the target would queue what comes in; they are switched off where
 * that can be done, and the queues are emptied before what really waits is put into them. */
#include "store/copy.h"

#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "rows/int256.h"
#include "store/copy_tables.h"

struct copying {
    struct store *from, *to;
    struct copy_tables tables;
    struct store_copy_report *report;
};

void store_copy_report_release(struct store_copy_report *r) {
    for (size_t i = 0; i < r->count; i++) {
        mem_free(r->tables[i].name);
    }
    mem_free(r->tables);
    *r = (struct store_copy_report){.count = 0};
}

/* ---- reading ---- */

static struct value value_at(struct store_statement *st, int column, enum column_type type) {
    struct value v = {.type = type, .is_null = store_column_is_null(st, column)};
    if (!v.is_null && type_is_integer(type)) {
        v.integer = store_column_i64(st, column);
    } else if (!v.is_null && type == TYPE_FLOAT64) {
        v.real = store_column_f64(st, column);
    } else if (!v.is_null) {
        v.bytes = store_column_str(st, column);
        v.bytes.ptr = v.bytes.ptr != NULL ? v.bytes.ptr : ""; /* empty is not NULL */
    }
    return v;
}

static void add_names(struct buf *sql, const struct copy_table *t) {
    for (size_t i = 0; i < t->count; i++) {
        buf_addf(sql, "%s\"%s\"", i > 0 ? ", " : "", t->columns[i].name);
    }
}

static enum err_code select_rows(struct store *s, const struct copy_table *t,
                                 struct store_statement **out, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql, "SELECT ");
    add_names(&sql, t);
    buf_addf(&sql, " FROM \"%s\"%s", t->name, t->rest);
    const enum err_code code = store_prepare(s, buf_c(&sql), out, err);
    if (code == ERR_NONE) {
        store_statement_chunks(*out,
                               t->holds_frames ? STORE_COPY_CHUNK_FRAMES : STORE_COPY_CHUNK_ROWS);
    }
    return code;
}

/* ---- writing ---- */

/* What stands for a value: bools are numbers to us, and int256 comes as text where it is numeric. */
static void add_place(struct buf *sql, const struct store *s, size_t index, enum column_type type) {
    if (type == TYPE_BOOL) {
        buf_addf(sql, "(?%zu <> 0)", index);
    } else if (type == TYPE_INT256 && store_dialect(s) == STORE_POSTGRES) {
        buf_addf(sql, "CAST(?%zu AS numeric)", index);
    } else {
        buf_addf(sql, "?%zu", index);
    }
}

static enum err_code insert_row(struct store *s, const struct copy_table *t,
                                struct store_statement **out, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "INSERT INTO \"%s\"(", t->name);
    add_names(&sql, t);
    buf_adds(&sql, ") VALUES (");
    for (size_t i = 0; i < t->count; i++) {
        buf_adds(&sql, i > 0 ? ", " : "");
        add_place(&sql, s, i + 1, t->columns[i].type);
    }
    /* A queue may name a key several times in one database, and once in the other. */
    buf_adds(&sql, t->is_queue ? ") ON CONFLICT DO NOTHING" : ")");
    return store_prepare(s, buf_c(&sql), out, err);
}

static enum err_code bind_bytes(const struct store *s, struct store_statement *st, int index,
                                const struct value *v, struct buf *text, struct err *err) {
    if (v->type == TYPE_BYTES || (v->type == TYPE_INT256 && store_dialect(s) != STORE_POSTGRES)) {
        store_bind_blob(st, index, v->bytes);
        return ERR_NONE;
    }
    if (v->type != TYPE_INT256) {
        store_bind_str(st, index, v->bytes);
        return ERR_NONE;
    }
    struct int256 number;
    char decimal[INT256_TEXT_BYTES];
    if (!int256_decode(v->bytes, &number)) {
        return err_set(err, ERR_CORRUPT, "an int256 that is none");
    }
    const size_t len = int256_format(&number, decimal);
    buf_clear(text);
    buf_addstr(text, (struct str){decimal, len});
    store_bind_str(st, index, buf_str(text));
    return ERR_NONE;
}

static enum err_code bind(const struct store *s, struct store_statement *st, int index,
                          const struct value *v, struct buf *text, struct err *err) {
    if (v->is_null) {
        store_bind_null(st, index);
    } else if (type_is_integer(v->type)) {
        store_bind_i64(st, index, v->integer);
    } else if (v->type == TYPE_FLOAT64) {
        store_bind_f64(st, index, v->real);
    } else {
        return bind_bytes(s, st, index, v, text, err);
    }
    return ERR_NONE;
}

/* ---- a table ---- */

/* A way through the rows of a table. */
struct pass {
    struct store_statement *row;
    struct store_statement *put; /* into the target; NULL: only read */
    struct digest *digest;
    struct buf *texts; /* one for each column: bound text is borrowed */
};

static enum err_code take_row(const struct copying *c, const struct copy_table *t,
                              const struct pass *p, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < t->count; i++) {
        const struct value v = value_at(p->row, (int)i, t->columns[i].type);
        code = digest_value(p->digest, &v, err);
        if (code == ERR_NONE && p->put != NULL) {
            code = bind(c->to, p->put, (int)i + 1, &v, &p->texts[i], err);
        }
        if (code != ERR_NONE) {
            return err_wrap(err, "column '%s'", t->columns[i].name);
        }
    }
    digest_end_row(p->digest);
    return p->put != NULL ? store_run(p->put, NULL, err) : ERR_NONE;
}

/* Reads the table of s, and copies it if into. */
static enum err_code walk(const struct copying *c, struct store *s, const struct copy_table *t,
                          bool into, struct digest *digest, struct err *err) {
    struct pass p = {.digest = digest, .texts = mem_alloc_array(t->count, sizeof(*p.texts))};
    for (size_t i = 0; i < t->count; i++) {
        buf_init(&p.texts[i], BUF_TEXT_MAX);
    }
    enum err_code code = select_rows(s, t, &p.row, err);
    if (code == ERR_NONE && into) {
        code = insert_row(c->to, t, &p.put, err);
    }
    bool has_row = code == ERR_NONE;
    while (has_row && code == ERR_NONE) {
        code = store_step(p.row, &has_row, err);
        if (code == ERR_NONE && has_row) {
            code = take_row(c, t, &p, err);
        }
    }
    store_statement_free(p.row);
    store_statement_free(p.put);
    for (size_t i = 0; i < t->count; i++) {
        buf_release(&p.texts[i]);
    }
    mem_free(p.texts);
    return code == ERR_NONE ? ERR_NONE : err_wrap(err, "table '%s'", t->name);
}

static enum err_code digest_of(const struct copying *c, struct store *s, const struct copy_table *t,
                               bool into, struct store_copied *out, struct err *err) {
    struct digest digest;
    digest_init(&digest);
    const enum err_code code = walk(c, s, t, into, &digest, err);
    digest_text(&digest, out->digest);
    out->rows = digest.rows;
    digest_release(&digest);
    return code;
}

static enum err_code execute_given(struct store *s, char *sql, struct err *err) {
    const enum err_code code = store_execute(s, sql, err);
    mem_free(sql);
    return code;
}

static enum err_code triggers_switch(struct copying *c, const struct copy_table *t, bool on,
                                     struct err *err) {
    if (!t->is_users || store_dialect(c->to) != STORE_POSTGRES) {
        return ERR_NONE;
    }
    return execute_given(
        c->to, mem_printf("ALTER TABLE \"%s\" %s TRIGGER USER", t->name, on ? "ENABLE" : "DISABLE"),
        err);
}

/* The next number is one that no row has. */
static enum err_code numbers_go_on(struct copying *c, const struct copy_table *t, struct err *err) {
    if (!t->has_id || store_dialect(c->to) != STORE_POSTGRES) {
        return ERR_NONE;
    }
    return execute_given(c->to,
                         mem_printf("SELECT setval(pg_get_serial_sequence('%s', 'id'), "
                                    "(SELECT coalesce(max(id), 0) + 1 FROM %s), false)",
                                    t->name, t->name),
                         err);
}

static void keep(struct copying *c, const struct copy_table *t, const struct store_copied *found) {
    struct store_copied *out = &c->report->tables[c->report->count++];
    *out = *found;
    out->name = mem_strdup(t->name);
}

/* A queue's keys may come together: only what was written can be told of it. */
static enum err_code copy_table(struct copying *c, const struct copy_table *t, struct err *err) {
    struct store_copied read = {.rows = 0};
    struct store_copied written = {.rows = 0};
    enum err_code code =
        execute_given(c->to, mem_printf("DELETE FROM \"%s\"%s", t->name, t->where), err);
    if (code == ERR_NONE) {
        code = triggers_switch(c, t, false, err);
    }
    if (code == ERR_NONE) {
        code = digest_of(c, c->from, t, true, &read, err);
    }
    if (code == ERR_NONE) {
        code = triggers_switch(c, t, true, err);
    }
    if (code == ERR_NONE) {
        code = numbers_go_on(c, t, err);
    }
    if (code == ERR_NONE) {
        code = digest_of(c, c->to, t, false, &written, err);
    }
    fault_step("copy.table");
    if (code == ERR_NONE && !t->is_queue && strcmp(read.digest, written.digest) != 0) {
        return err_set(err, ERR_CORRUPT,
                       "table '%s' reads back otherwise than it was written (%s, and not %s); "
                       "nothing was kept",
                       t->name, written.digest, read.digest);
    }
    if (code == ERR_NONE && written.rows > 0) {
        keep(c, t, &written);
    }
    return code;
}

/* ---- the target ---- */

static enum err_code compare_table(struct copying *c, const struct copy_table *t, bool *same,
                                   struct err *err) {
    struct store_copied here = {.rows = 0};
    struct store_copied there = {.rows = 0};
    enum err_code code = digest_of(c, c->from, t, false, &here, err);
    if (code == ERR_NONE) {
        code = digest_of(c, c->to, t, false, &there, err);
    }
    here.differs = strcmp(here.digest, there.digest) != 0;
    *same = *same && !here.differs;
    if (code == ERR_NONE && (here.rows > 0 || there.rows > 0)) {
        keep(c, t, &here);
    }
    return code;
}

static enum err_code is_empty(struct copying *c, bool *out, struct err *err) {
    enum err_code code = ERR_NONE;
    *out = true;
    for (size_t i = 0; *out && code == ERR_NONE && i < c->tables.count; i++) {
        const struct copy_table *t = &c->tables.list[i];
        if (t->is_made_by_opening || t->is_queue) {
            continue;
        }
        char *sql = mem_printf("SELECT 1 FROM \"%s\" LIMIT 1", t->name);
        int64_t one = 0;
        bool found = false;
        code = store_get_i64(c->to, sql, &one, &found, err);
        mem_free(sql);
        *out = !found;
    }
    return code;
}

static enum err_code compare_all(struct copying *c, struct err *err) {
    bool same = true;
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < c->tables.count; i++) {
        if (!c->tables.list[i].is_queue) {
            code = compare_table(c, &c->tables.list[i], &same, err);
        }
    }
    c->report->was_there = code == ERR_NONE && same;
    if (code == ERR_NONE && !same) {
        return err_set(err, ERR_CONFIG,
                       "store %s is not empty, and holds something else than %s: name an empty one",
                       store_path(c->to), store_path(c->from));
    }
    return code;
}

static enum err_code copy_all(struct copying *c, struct err *err) {
    bool empty = false;
    enum err_code code = is_empty(c, &empty, err);
    if (code != ERR_NONE || !empty) {
        return code == ERR_NONE ? compare_all(c, err) : code;
    }
    for (size_t i = 0; code == ERR_NONE && i < c->tables.count; i++) {
        code = copy_table(c, &c->tables.list[i], err);
    }
    return code;
}

/* ---- the whole ---- */

/* Nobody waits for ever: the target may be the origin under another name. */
static enum err_code begin(struct copying *c, struct err *err) {
    enum err_code code = store_begin(c->from, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_deadline(c->to, clock_monotonic_us() + STORE_COPY_WAIT_US);
    code = store_begin(c->to, err);
    store_deadline(c->to, 0);
    if (code == ERR_CANCELLED) {
        code = err_set(err, ERR_CONFLICT, "store %s is in use: is it the same as %s?",
                       store_path(c->to), store_path(c->from));
    }
    if (code != ERR_NONE) {
        store_rollback(c->from);
    }
    return code;
}

enum err_code store_copy(struct store *from, struct store *to, struct store_copy_report *out,
                         struct err *err) {
    struct copying c = {.from = from, .to = to, .report = out};
    *out = (struct store_copy_report){.count = 0};
    enum err_code code = begin(&c, err);
    if (code != ERR_NONE) {
        return code;
    }
    code = copy_tables_list(from, &c.tables, err);
    out->tables = mem_alloc_array(c.tables.count + 1, sizeof(*out->tables));
    if (code == ERR_NONE) {
        code = copy_all(&c, err);
    }
    fault_step("copy.written");
    if (code == ERR_NONE) {
        code = store_commit(to, err);
    } else {
        store_rollback(to);
    }
    store_rollback(from);
    copy_tables_release(&c.tables);
    return code;
}
