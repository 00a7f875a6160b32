/* A store is a driver and what all drivers share: this file hands each call on. */
#include <string.h>

#include "store/driver.h"
#include "store/health.h"

static const struct store_driver *const drivers[] = {&sqlite_driver, &postgres_driver};

/* The password in an address stays there. */
static enum err_code refuse_address(const struct flow *flow, struct err *err) {
    (void)node_error(flow->store_node, err,
                     "store %.*s: no such kind of store; write sqlite:%s.db, or "
                     "postgres://USER@HOST/DATABASE",
                     (int)strcspn(flow->store, ":"), flow->store, flow->name);
    err->code = ERR_CONFIG;
    return ERR_CONFIG;
}

static enum err_code find_driver(const struct flow *flow, const struct store_driver **out,
                                 struct err *err) {
    for (size_t i = 0; i < ARRAY_COUNT(drivers); i++) {
        if (str_starts_with(str_of(flow->store), str_of(drivers[i]->scheme))) {
            *out = drivers[i];
            return ERR_NONE;
        }
    }
    return refuse_address(flow, err);
}

enum err_code store_open(const struct flow *flow, enum store_mode mode, struct store **out,
                         struct err *err) {
    const struct store_driver *driver = NULL;
    enum err_code code = find_driver(flow, &driver, err); /* also what is only checked */
    if (code != ERR_NONE) {
        return code;
    }
    return mode == STORE_SCRATCH ? sqlite_driver.open(flow, mode, out, err)
                                 : driver->open(flow, mode, out, err);
}

bool store_is_remote(const struct flow *flow) {
    return str_starts_with(str_of(flow->store), str_of(postgres_driver.scheme));
}

enum err_code store_exists(const struct flow *flow, bool *exists, struct err *err) {
    const struct store_driver *driver = NULL;
    *exists = false;
    enum err_code code = find_driver(flow, &driver, err);
    return code == ERR_NONE ? driver->exists(flow, exists, err) : code;
}

void store_aside_remove(const struct flow *flow, enum store_mode mode) {
    const struct store_driver *driver = NULL;
    struct err ignored = ERR_INIT;
    if (find_driver(flow, &driver, &ignored) == ERR_NONE) {
        driver->aside_remove(flow, mode);
    }
}

void store_close(struct store *s) {
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < FIXED_COUNT; i++) {
        store_statement_free(s->fixed[i]);
    }
    mem_free(s->path);
    s->driver->close(s);
}

const char *store_path(const struct store *s) {
    return s->path;
}

enum store_dialect store_dialect(const struct store *s) {
    return s->driver->dialect;
}

bool store_is_aside(enum store_mode mode) {
    return mode == STORE_ASIDE || mode == STORE_AUDIT;
}

bool store_table_is_elsewhere(const struct store *s, const struct flow_table *t) {
    return store_is_aside(s->mode) && !flow_writes(s->flow, t);
}

enum err_code store_read_reversed(struct store *s, struct err *err) {
    return s->driver->read_reversed(s, err);
}

/* ---- transactions ---- */

enum err_code store_begin(struct store *s, struct err *err) {
    return s->driver->begin(s, err);
}

enum err_code store_begin_read(struct store *s, struct err *err) {
    return s->driver->begin_read(s, err);
}

enum err_code store_begin_shared(struct store *s, struct err *err) {
    return s->driver->begin_shared(s, err);
}

enum err_code store_claim(struct store *s, const char *unit, bool wait, bool *got,
                          struct err *err) {
    return s->driver->claim(s, unit, wait, got, err);
}

enum err_code store_claim_parts(struct store *s, const char *unit, struct store_parts wanted,
                                uint64_t *parts, struct err *err) {
    ASSERT(wanted.count > 0 && wanted.count <= 64 && wanted.most > 0);
    ASSERT(wanted.from >= 0 && wanted.from < wanted.count);
    return s->driver->claim_parts(s, unit, wanted, parts, err);
}

enum err_code store_commit(struct store *s, struct err *err) {
    return s->driver->commit(s, err);
}

void store_rollback(struct store *s) {
    s->driver->rollback(s);
}

enum err_code store_savepoint(struct store *s, struct err *err) {
    return s->driver->savepoint(s, err);
}

enum err_code store_release(struct store *s, struct err *err) {
    return s->driver->release(s, err);
}

enum err_code store_undo(struct store *s, struct err *err) {
    return s->driver->undo(s, err);
}

void store_deadline(struct store *s, int64_t monotonic_us) {
    s->driver->deadline(s, monotonic_us);
}

/* ---- statements ---- */

enum err_code store_prepare(struct store *s, const char *sql, struct store_statement **out,
                            struct err *err) {
    return s->driver->prepare(s, sql, out, err);
}

void store_statement_free(struct store_statement *st) {
    if (st != NULL) {
        st->store->driver->statement_free(st);
    }
}

void store_bind_i64(struct store_statement *st, int index, int64_t v) {
    st->store->driver->bind_i64(st, index, v);
}

void store_bind_str(struct store_statement *st, int index, struct str v) {
    st->store->driver->bind_str(st, index, v);
}

void store_bind_blob(struct store_statement *st, int index, struct str v) {
    st->store->driver->bind_blob(st, index, v);
}

void store_bind_f64(struct store_statement *st, int index, double v) {
    st->store->driver->bind_f64(st, index, v);
}

void store_bind_null(struct store_statement *st, int index) {
    st->store->driver->bind_null(st, index);
}

void store_clear(struct store_statement *st) {
    st->store->driver->clear(st);
}

enum err_code store_run(struct store_statement *st, int64_t *changes, struct err *err) {
    return st->store->driver->run(st, changes, err);
}

enum err_code store_step(struct store_statement *st, bool *has_row, struct err *err) {
    return st->store->driver->step(st, has_row, err);
}

void store_reset(struct store_statement *st) {
    st->store->driver->reset(st);
}

void store_statement_chunks(struct store_statement *st, int rows) {
    st->store->driver->chunks(st, rows);
}

int store_column_count(const struct store_statement *st) {
    return st->store->driver->column_count(st);
}

const char *store_column_name(const struct store_statement *st, int column) {
    return st->store->driver->column_name(st, column);
}

int64_t store_column_i64(struct store_statement *st, int column) {
    return st->store->driver->column_i64(st, column);
}

double store_column_f64(struct store_statement *st, int column) {
    return st->store->driver->column_f64(st, column);
}

struct str store_column_str(struct store_statement *st, int column) {
    return st->store->driver->column_str(st, column);
}

bool store_column_is_null(struct store_statement *st, int column) {
    return st->store->driver->column_is_null(st, column);
}

enum err_code store_execute(struct store *s, const char *sql, struct err *err) {
    return s->driver->execute(s, sql, err);
}

enum err_code store_get_i64(struct store *s, const char *sql, int64_t *out, bool *found,
                            struct err *err) {
    struct store_statement *st = NULL;
    *found = false;
    enum err_code code = store_prepare(s, sql, &st, err);
    if (code == ERR_NONE) {
        code = store_step(st, found, err);
    }
    if (code == ERR_NONE && *found) {
        *found = !store_column_is_null(st, 0);
        *out = store_column_i64(st, 0);
    }
    store_statement_free(st);
    return code;
}

/* ---- batches and work tables ---- */

enum err_code store_present(struct store *s, const struct flow_stream *stream,
                            const struct store_rows *rows, struct err *err) {
    return s->driver->present(s, stream, rows, err);
}

void store_present_nothing(struct store *s, const struct flow_stream *stream) {
    struct err ignored = ERR_INIT; /* nothing is sent anywhere */
    (void)!s->driver->present(s, stream, NULL, &ignored);
}

size_t store_present_at(const struct store *s, const struct flow_stream *stream) {
    return s->driver->present_at(s, stream);
}

int64_t *store_ticks(struct store *s) {
    return s->driver->ticks(s);
}

void store_ticks_reset(struct store *s) {
    s->driver->ticks_reset(s);
}

enum err_code store_work_make(struct store *s, const char *name, const char *columns, bool keyed,
                              struct err *err) {
    return s->driver->work_make(s, name, columns, keyed, err);
}

enum err_code store_work_empty(struct store *s, const char *name, struct err *err) {
    return s->driver->work_empty(s, name, err);
}

/* ---- schema ---- */

enum err_code store_object_ensure(struct store *s, const char *name, const char *ddl,
                                  struct err *err) {
    ASSERT(strncmp(name, "_plumb_q_", 9) == 0 || strncmp(name, "_plumb_t_", 9) == 0);
    return s->driver->object_ensure(s, name, ddl, err);
}

enum err_code store_table_compare(struct store *s, const struct flow_table *t, bool *exists,
                                  struct buf *out, struct err *err) {
    return s->driver->table_compare(s, t, exists, out, err);
}

enum err_code store_index_exists(struct store *s, const struct flow_table *t, size_t index,
                                 bool *exists, struct err *err) {
    return s->driver->index_exists(s, t, index, exists, err);
}

enum err_code store_table_digest(struct store *s, const struct flow_table *t, char *out,
                                 struct err *err) {
    return s->driver->table_digest(s, t, out, err);
}

const char *store_queues_sql(const struct store *s) {
    return store_dialect(s) == STORE_SQLITE
               ? "(SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB '_plumb_q_*')"
               : "(SELECT name FROM _plumb_objects WHERE substr(name, 1, 9) = '_plumb_q_')";
}

const char *store_least(const struct store *s) {
    return store_dialect(s) == STORE_SQLITE ? "min" : "least";
}

const char *store_sql_type(const struct store *s, enum column_type type) {
    return s->driver->sql_type(type);
}

enum err_code store_analyse(struct store *s, const char *sql, struct sql_facts *out,
                            int64_t *offset, struct err *err) {
    return s->driver->analyse(s, sql, out, offset, err);
}

/* ---- building aside ---- */

enum err_code store_aside_continues(struct store *s, const char *purpose, bool *out,
                                    struct err *err) {
    return s->driver->aside_continues(s, purpose, out, err);
}

enum err_code store_aside_begin(struct store *s, const char *purpose, struct err *err) {
    return s->driver->aside_begin(s, purpose, err);
}

enum err_code store_aside_keep_rejects(struct store *s, int64_t batch, struct err *err) {
    return s->driver->aside_keep_rejects(s, batch, err);
}

enum err_code store_swap(struct store *s, const struct flow *built, struct swap_report *report,
                         struct err *err) {
    return s->driver->swap(s, built, report, err);
}

void swap_report_release(struct swap_report *r) {
    for (size_t i = 0; i < r->count; i++) {
        for (size_t k = 0; k < r->tables[i].sample_count; k++) {
            mem_free(r->tables[i].samples[k]);
        }
    }
    mem_free(r->tables);
    *r = (struct swap_report){.count = 0};
}

enum err_code store_health(struct store *s, struct store_finding out[STORE_FINDINGS_MAX],
                           size_t *count, struct err *err) {
    *count = 0;
    return s->driver->health != NULL ? s->driver->health(s, out, count, err) : ERR_NONE;
}
