/* Transactions and statements of a store in PostgreSQL.
 *
 * A statement outside of a transaction has one of its own, as in SQLite: unqualified names find the
 * store's schema only within one. Its rows are taken whole before that one ends. */
#include "base/clock.h"
#include "store/postgres/catalog.h"
#include "store/postgres/driver.h"
#include "store/postgres/sqltext.h"

struct postgres_statement {
    struct store_statement base; /* first */
    struct pg_statement *st;
    int parameters;
};

static struct pg_statement *pg_of(const struct store_statement *st) {
    return ((const struct postgres_statement *)st)->st;
}

/* ---- transactions ---- */

static enum err_code begin(struct postgres_store *s, bool reads, struct err *err) {
    enum err_code code = pg_is_broken(s->pg) ? pg_reopen(s->pg, err) : ERR_NONE;
    if (code == ERR_NONE) {
        code = reads ? pg_begin_read(s->pg, err) : pg_begin(s->pg, err);
    }
    if (code == ERR_NONE) {
        s->transaction++;
        s->depth = 0;
    }
    return code;
}

enum err_code postgres_begin_read(struct store *s, struct err *err) {
    return begin(postgres_of(s), true, err);
}

/* The lock is a statement of its own: what follows it sees what its last holder committed. */
typedef enum err_code lock_fn(struct pg *pg, int64_t key, struct err *err);
static enum err_code begin_locked(struct postgres_store *s, lock_fn *lock, struct err *err) {
    enum err_code code = begin(s, false, err);
    if (code != ERR_NONE) {
        return code;
    }
    code = lock(s->pg, s->lock, err);
    if (code != ERR_NONE) {
        pg_rollback(s->pg);
    }
    return code;
}

enum err_code postgres_begin(struct store *s, struct err *err) {
    return begin_locked(postgres_of(s), pg_lock, err);
}

enum err_code postgres_begin_shared(struct store *s, struct err *err) {
    return begin_locked(postgres_of(s), pg_lock_shared, err);
}

enum err_code postgres_claim(struct store *base, const char *unit, bool wait, bool *got,
                             struct err *err) {
    struct postgres_store *s = postgres_of(base);
    const int64_t key = pg_lock_key(s->schema, unit);
    if (!wait) {
        return pg_try_lock(s->pg, key, got, err);
    }
    enum err_code code = pg_lock(s->pg, key, err);
    *got = code == ERR_NONE;
    return code;
}

enum err_code postgres_claim_parts(struct store *base, const char *unit, struct store_parts wanted,
                                   uint64_t *parts, struct err *err) {
    struct postgres_store *s = postgres_of(base);
    return pg_try_locks(s->pg, pg_lock_key(s->schema, unit), wanted, parts, err);
}

/* Autovacuum comes by every minute, and a backlog grows a table from nothing in less: until then the
 * planner takes it for a small one. So after the first rows, and each time they are twice as many. */
#define ANALYSE_ROWS_FIRST 5000

static void analyse_tables(struct postgres_store *s) {
    const struct flow *flow = s->base.flow;
    const bool writes = s->base.mode == STORE_WRITE || s->base.mode == STORE_ASIDE;
    if (!writes || s->changed < (s->analyse_at > 0 ? s->analyse_at : ANALYSE_ROWS_FIRST)) {
        return;
    }
    s->analyse_at = s->changed * 2;
    struct err ignored = ERR_INIT; /* the tables are right without */
    for (size_t i = 0; i < flow->table_count; i++) {
        if (!store_table_is_elsewhere(&s->base, &flow->tables[i])) {
            char *sql = mem_printf("ANALYZE \"%s\"", flow->tables[i].name);
            (void)!postgres_execute(&s->base, sql, &ignored);
            mem_free(sql);
        }
    }
}

enum err_code postgres_commit(struct store *base, struct err *err) {
    struct postgres_store *s = postgres_of(base);
    bool unknown = false; /* the engine reads back what it wrote */
    enum err_code code = pg_commit(s->pg, &unknown, err);
    if (code == ERR_NONE) {
        analyse_tables(s);
    }
    return code;
}

void postgres_rollback(struct store *base) {
    pg_rollback(postgres_of(base)->pg);
}

enum err_code postgres_savepoint(struct store *base, struct err *err) {
    struct postgres_store *s = postgres_of(base);
    enum err_code code = pg_execute(s->pg, "SAVEPOINT stage", err);
    s->depth += code == ERR_NONE ? 1 : 0;
    return code;
}

/* What was made within stays, and belongs to the savepoint around it. */
static void made_leave(const struct postgres_store *s, struct postgres_made *made, bool undone) {
    if (made->depth >= s->depth) {
        made->transaction = undone ? 0 : made->transaction;
        made->depth = s->depth - 1;
    }
}

static void savepoint_ends(struct postgres_store *s, bool undone) {
    for (size_t i = 0; i < s->work_count; i++) {
        made_leave(s, &s->works[i].made, undone);
    }
    for (size_t i = 0; i < s->base.flow->stream_count; i++) {
        made_leave(s, &s->presented[i].made, undone);
        made_leave(s, &s->presented[i].filled, undone);
    }
    s->depth--;
}

enum err_code postgres_release(struct store *base, struct err *err) {
    struct postgres_store *s = postgres_of(base);
    enum err_code code = pg_execute(s->pg, "RELEASE SAVEPOINT stage", err);
    if (code == ERR_NONE) {
        savepoint_ends(s, false);
    }
    return code;
}

enum err_code postgres_undo(struct store *base, struct err *err) {
    struct postgres_store *s = postgres_of(base);
    if (!pg_in_transaction(s->pg)) {
        return err_set(err, ERR_UNAVAILABLE, "store %s: the transaction was lost", s->base.path);
    }
    enum err_code code =
        pg_execute(s->pg, "ROLLBACK TO SAVEPOINT stage; RELEASE SAVEPOINT stage", err);
    if (code == ERR_NONE) {
        savepoint_ends(s, true);
    }
    return code;
}

enum err_code postgres_within(struct postgres_store *s, postgres_work_fn *work, void *context,
                              struct err *err) {
    if (pg_in_transaction(s->pg)) {
        return work(s, context, err);
    }
    const bool reads = s->base.mode == STORE_READ;
    enum err_code code = begin(s, reads, err);
    if (code != ERR_NONE) {
        return code;
    }
    code = work(s, context, err);
    if (code != ERR_NONE) {
        pg_rollback(s->pg);
        return code;
    }
    bool unknown = false;
    return pg_commit(s->pg, &unknown, err);
}

/* ---- statements ---- */

enum err_code postgres_send(struct postgres_store *s, const char *sql, struct err *err) {
    AUTO_BUF translated = BUF_INIT(BUF_TEXT_MAX);
    size_t parameters = 0;
    enum err_code code = pg_sql_translate(str_of(sql), &translated, &parameters, err);
    return code == ERR_NONE ? pg_execute(s->pg, buf_c(&translated), err) : code;
}

static enum err_code execute_work(struct postgres_store *s, void *context, struct err *err) {
    return postgres_send(s, context, err);
}

enum err_code postgres_execute(struct store *s, const char *sql, struct err *err) {
    return postgres_within(postgres_of(s), execute_work, (void *)(uintptr_t)sql, err);
}

enum err_code postgres_prepare(struct store *s, const char *sql, struct store_statement **out,
                               struct err *err) {
    struct pg_statement *st = NULL;
    enum err_code code = pg_prepare(postgres_of(s)->pg, sql, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    struct postgres_statement *made = mem_alloc(sizeof(*made));
    made->base.store = s;
    made->st = st;
    *out = &made->base;
    return ERR_NONE;
}

void postgres_statement_free(struct store_statement *st) {
    pg_statement_free(pg_of(st));
    mem_free(st);
}

/* As in SQLite, what a text does not mention may be bound all the same. */
static bool has_parameter(const struct store_statement *st, int index) {
    return index <= pg_parameters(pg_of(st));
}

void postgres_bind_i64(struct store_statement *st, int index, int64_t v) {
    if (has_parameter(st, index)) {
        pg_bind_i64(pg_of(st), index, v);
    }
}

void postgres_bind_str(struct store_statement *st, int index, struct str v) {
    if (has_parameter(st, index)) {
        pg_bind_str(pg_of(st), index, v);
    }
}

void postgres_bind_blob(struct store_statement *st, int index, struct str v) {
    if (has_parameter(st, index)) {
        pg_bind_blob(pg_of(st), index, v);
    }
}

void postgres_bind_f64(struct store_statement *st, int index, double v) {
    if (has_parameter(st, index)) {
        pg_bind_f64(pg_of(st), index, v);
    }
}

void postgres_bind_null(struct store_statement *st, int index) {
    if (has_parameter(st, index)) {
        pg_bind_null(pg_of(st), index);
    }
}

void postgres_clear(struct store_statement *st) {
    pg_clear(pg_of(st));
}

struct run_context {
    struct pg_statement *st;
    int64_t *changes;
    bool *has_row;
};

static enum err_code run_work(struct postgres_store *s, void *context, struct err *err) {
    (void)s;
    const struct run_context *c = context;
    return pg_run(c->st, c->changes, err);
}

enum err_code postgres_run(struct store_statement *st, int64_t *changes, struct err *err) {
    int64_t rows = 0;
    struct run_context c = {pg_of(st), &rows, NULL};
    struct postgres_store *s = postgres_of(st->store);
    enum err_code code = postgres_within(s, run_work, &c, err);
    s->changed += rows;
    if (code == ERR_NONE && changes != NULL) {
        *changes = rows;
    }
    return code;
}

static enum err_code step_work(struct postgres_store *s, void *context, struct err *err) {
    (void)s;
    const struct run_context *c = context;
    return pg_step(c->st, c->has_row, err);
}

enum err_code postgres_step(struct store_statement *st, bool *has_row, struct err *err) {
    struct run_context c = {pg_of(st), NULL, has_row};
    return pg_is_running(c.st) ? pg_step(c.st, has_row, err)
                               : postgres_within(postgres_of(st->store), step_work, &c, err);
}

void postgres_reset(struct store_statement *st) {
    pg_reset(pg_of(st));
}

void postgres_chunks(struct store_statement *st, int rows) {
    pg_statement_chunks(pg_of(st), rows);
}

int postgres_column_count(const struct store_statement *st) {
    return pg_column_count(pg_of(st));
}

const char *postgres_column_name(const struct store_statement *st, int column) {
    return pg_column_name(pg_of(st), column);
}

int64_t postgres_column_i64(struct store_statement *st, int column) {
    return pg_column_i64(pg_of(st), column);
}

double postgres_column_f64(struct store_statement *st, int column) {
    return pg_column_f64(pg_of(st), column);
}

struct str postgres_column_str(struct store_statement *st, int column) {
    return pg_column_str(pg_of(st), column);
}

bool postgres_column_is_null(struct store_statement *st, int column) {
    return pg_column_is_null(pg_of(st), column);
}
