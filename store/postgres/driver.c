/* PostgreSQL as a driver of the store: opening and closing, and the table of it all. */
#include "store/postgres/driver.h"

#include <string.h>

#include "store/digest.h"
#include "store/postgres/catalog.h"

/* ---- opening ---- */

/* Of these one at a time, from opening to closing. What stands aside is built beside a store that is
 * open so, or is the audit's. */
static bool guards(enum store_mode mode) {
    return mode == STORE_REBUILD || mode == STORE_AUDIT;
}

static enum err_code choose_schema(struct postgres_store *s, struct err *err) {
    const struct flow *flow = s->base.flow;
    const struct pg_address *address = pg_address_of(s->pg);
    char origin[PG_IDENTIFIER_BYTES];
    char name[PG_IDENTIFIER_BYTES];
    enum err_code code = pg_schema_name(address, flow, STORE_WRITE, origin, err);
    if (code == ERR_NONE) {
        code = pg_schema_name(address, flow, s->base.mode, name, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    if (store_is_aside(s->base.mode)) {
        pg_look_behind(s->pg, origin);
    }
    memcpy(s->schema, name, sizeof(s->schema)); /* who builds aside is in nobody's way */
    s->lock = pg_lock_key(name, "");
    pg_use_schema(s->pg, name);
    AUTO_BUF path = BUF_INIT(BUF_TEXT_MAX);
    pg_store_path(s->pg, &path);
    s->base.path = mem_strdup(buf_c(&path));
    return code == ERR_NONE && guards(s->base.mode) ? postgres_guard_take(s, origin, err) : code;
}

static enum err_code connect(const struct flow *flow, struct pg **out, struct err *err) {
    char *application = mem_printf("plumb %s", flow->name);
    enum err_code code = pg_open(flow->store, application, out, err);
    mem_free(application);
    return code;
}

static void store_free(struct store *base) {
    struct postgres_store *s = postgres_of(base);
    if (s->scratch != NULL) {
        store_close(s->scratch);
    }
    postgres_works_release(s);
    mem_free(s->presented);
    pg_close(s->pg);
    pg_close(s->guard);
    mem_free(s);
}

static enum err_code open_all(struct postgres_store *s, struct err *err) {
    enum err_code code = connect(s->base.flow, &s->pg, err);
    if (code != ERR_NONE) {
        return code;
    }
    code = choose_schema(s, err);
    if (code != ERR_NONE) {
        return code;
    }
    return pg_catalog_prepare(s->pg, s->base.flow, s->base.mode, err);
}

static enum err_code store_make(const struct flow *flow, enum store_mode mode, struct store **out,
                                struct err *err) {
    struct postgres_store *s = mem_alloc(sizeof(*s));
    s->base.driver = &postgres_driver;
    s->base.flow = flow;
    s->base.mode = mode;
    s->presented = mem_alloc_array(flow->stream_count + 1, sizeof(*s->presented));
    enum err_code code = open_all(s, err);
    if (code != ERR_NONE) {
        store_close(&s->base);
        return code;
    }
    *out = &s->base;
    return ERR_NONE;
}

static enum err_code is_there(struct pg *pg, const char *schema, bool *out, struct err *err) {
    struct pg_statement *st = NULL;
    bool has_row = false;
    enum err_code code =
        pg_prepare(pg, "SELECT to_regclass(format('%I._plumb_meta', ?1)) IS NOT NULL", &st, err);
    if (code == ERR_NONE) {
        pg_bind_str(st, 1, str_of(schema));
        code = pg_step(st, &has_row, err);
    }
    *out = code == ERR_NONE && has_row && pg_column_i64(st, 0) != 0;
    pg_statement_free(st);
    return code;
}

static enum err_code exists(const struct flow *flow, bool *out, struct err *err) {
    struct pg *pg = NULL;
    char name[PG_IDENTIFIER_BYTES];
    enum err_code code = connect(flow, &pg, err);
    if (code == ERR_NONE) {
        code = pg_schema_name(pg_address_of(pg), flow, STORE_READ, name, err);
    }
    if (code == ERR_NONE) {
        code = is_there(pg, name, out, err);
    }
    pg_close(pg);
    return code;
}

static void aside_remove(const struct flow *flow, enum store_mode mode) {
    struct pg *pg = NULL;
    struct err ignored = ERR_INIT;
    char name[PG_IDENTIFIER_BYTES];
    if (connect(flow, &pg, &ignored) == ERR_NONE &&
        pg_schema_name(pg_address_of(pg), flow, mode, name, &ignored) == ERR_NONE) {
        char *sql = mem_printf("DROP SCHEMA IF EXISTS \"%s\" CASCADE", name);
        (void)!pg_execute(pg, sql, &ignored);
        mem_free(sql);
    }
    pg_close(pg);
}

static void deadline(struct store *s, int64_t monotonic_us) {
    pg_deadline(postgres_of(s)->pg, monotonic_us);
}

/* ---- what only SQLite can do so far ---- */

static enum err_code not_yet(const char *what, struct err *err) {
    return err_set(err, ERR_CONFIG, "%s: not yet with a store in PostgreSQL", what);
}

static enum err_code read_reversed(struct store *s, struct err *err) {
    (void)s;
    return not_yet("reading in reverse", err);
}

static size_t present_at(const struct store *s, const struct flow_stream *stream) {
    (void)s;
    (void)stream;
    return SIZE_MAX; /* it does not tell */
}

static int64_t *ticks(struct store *s) {
    return postgres_of(s)->ticks;
}

static void ticks_reset(struct store *s) {
    (void)s;
}

/* The flow's SQL is compiled by SQLite: what it does there it does here, or it does not compile. */
static enum err_code analyse(struct store *base, const char *sql, struct sql_facts *out,
                             int64_t *offset, struct err *err) {
    struct postgres_store *s = postgres_of(base);
    enum err_code code =
        s->scratch == NULL ? store_open(base->flow, STORE_SCRATCH, &s->scratch, err) : ERR_NONE;
    return code == ERR_NONE ? store_analyse(s->scratch, sql, out, offset, err) : code;
}

/* ---- digests ---- */

struct digesting {
    const struct flow_table *table;
    struct digest digest;
    struct buf sql;
};

static enum err_code digest_row(void *context, const struct value *values, struct err *err) {
    struct digesting *d = context;
    for (size_t i = 0; i < d->table->schema.count; i++) {
        enum err_code code = digest_value(&d->digest, &values[i], err);
        if (code != ERR_NONE) {
            return err_wrap(err, "column '%s'", d->table->schema.columns[i].name);
        }
    }
    digest_end_row(&d->digest);
    return ERR_NONE;
}

static enum err_code digest_work(struct postgres_store *s, void *context, struct err *err) {
    struct digesting *d = context;
    return pg_copy_out(s->pg, buf_c(&d->sql), &d->table->schema, digest_row, d, err);
}

static enum err_code table_digest(struct store *s, const struct flow_table *t, char *out,
                                  struct err *err) {
    struct digesting d = {.table = t, .sql = BUF_INIT(BUF_TEXT_MAX)};
    buf_adds(&d.sql, "COPY (SELECT ");
    for (size_t i = 0; i < t->schema.count; i++) {
        buf_addf(&d.sql, "%s\"%s\"", i > 0 ? ", " : "", t->schema.columns[i].name);
    }
    buf_addf(&d.sql, " FROM \"%s\") TO STDOUT (FORMAT binary)", t->name);
    digest_init(&d.digest);
    enum err_code code = postgres_within(postgres_of(s), digest_work, &d, err);
    if (code == ERR_NONE) {
        digest_text(&d.digest, out);
    }
    digest_release(&d.digest);
    buf_release(&d.sql);
    return code == ERR_NONE ? ERR_NONE : err_wrap(err, "table '%s'", t->name);
}

/* ---- schema objects ---- */

struct object_context {
    const char *name, *ddl;
    const struct flow_table *table;
    size_t index;
    bool *exists;
    struct buf *text;
};

static enum err_code ensure_work(struct postgres_store *s, void *context, struct err *err) {
    const struct object_context *o = context;
    return pg_object_ensure(s->pg, o->name, o->ddl, err);
}

static enum err_code object_ensure(struct store *s, const char *name, const char *ddl,
                                   struct err *err) {
    struct object_context o = {.name = name, .ddl = ddl};
    return postgres_within(postgres_of(s), ensure_work, &o, err);
}

static enum err_code forget_work(struct postgres_store *s, void *context, struct err *err) {
    (void)context;
    return pg_objects_forget(s->pg, s->base.flow, err);
}

static enum err_code objects_forget(struct store *s, struct err *err) {
    return postgres_within(postgres_of(s), forget_work, NULL, err);
}

static enum err_code compare_work(struct postgres_store *s, void *context, struct err *err) {
    const struct object_context *o = context;
    return pg_table_compare(s->pg, s->base.flow, o->table, o->exists, o->text, err);
}

static enum err_code table_compare(struct store *s, const struct flow_table *t, bool *exists,
                                   struct buf *out, struct err *err) {
    struct object_context o = {.table = t, .exists = exists, .text = out};
    return postgres_within(postgres_of(s), compare_work, &o, err);
}

static enum err_code index_work(struct postgres_store *s, void *context, struct err *err) {
    const struct object_context *o = context;
    return pg_index_exists(s->pg, o->table, o->index, o->exists, err);
}

static enum err_code index_exists(struct store *s, const struct flow_table *t, size_t index,
                                  bool *exists, struct err *err) {
    struct object_context o = {.table = t, .index = index, .exists = exists};
    return postgres_within(postgres_of(s), index_work, &o, err);
}

const struct store_driver postgres_driver = {
    .name = "postgres",
    .scheme = "postgres",
    .dialect = STORE_POSTGRES,
    .open = store_make,
    .close = store_free,
    .exists = exists,
    .aside_remove = aside_remove,
    .begin = postgres_begin,
    .begin_read = postgres_begin_read,
    .begin_shared = postgres_begin_shared,
    .claim = postgres_claim,
    .claim_parts = postgres_claim_parts,
    .commit = postgres_commit,
    .rollback = postgres_rollback,
    .savepoint = postgres_savepoint,
    .release = postgres_release,
    .undo = postgres_undo,
    .deadline = deadline,
    .read_reversed = read_reversed,
    .prepare = postgres_prepare,
    .statement_free = postgres_statement_free,
    .bind_i64 = postgres_bind_i64,
    .bind_str = postgres_bind_str,
    .bind_blob = postgres_bind_blob,
    .bind_f64 = postgres_bind_f64,
    .bind_null = postgres_bind_null,
    .clear = postgres_clear,
    .run = postgres_run,
    .step = postgres_step,
    .reset = postgres_reset,
    .chunks = postgres_chunks,
    .column_count = postgres_column_count,
    .column_name = postgres_column_name,
    .column_i64 = postgres_column_i64,
    .column_f64 = postgres_column_f64,
    .column_str = postgres_column_str,
    .column_is_null = postgres_column_is_null,
    .execute = postgres_execute,
    .present = postgres_present,
    .present_at = present_at,
    .ticks = ticks,
    .ticks_reset = ticks_reset,
    .work_make = postgres_work_make,
    .work_empty = postgres_work_empty,
    .object_ensure = object_ensure,
    .objects_forget = objects_forget,
    .table_compare = table_compare,
    .index_exists = index_exists,
    .table_digest = table_digest,
    .sql_type = pg_sql_type,
    .analyse = analyse,
    .health = postgres_health,
    .aside_continues = postgres_aside_continues,
    .aside_begin = postgres_aside_begin,
    .aside_keep_rejects = postgres_aside_keep_rejects,
    .swap = postgres_swap,
};
