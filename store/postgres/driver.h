/* A store in PostgreSQL, as the files that make it one share it; nobody else includes this.
 *
 * Every transaction of a writer holds the store's advisory lock, alone or shared with others, and
 * those who share it claim units of work (docs/adr/0010). Temporary tables (batches, work tables) live as long as a transaction: a pool may hand the
 * next one to another session. */
#ifndef PLUMB_STORE_POSTGRES_DRIVER_H
#define PLUMB_STORE_POSTGRES_DRIVER_H

#include "store/driver.h"
#include "store/postgres/postgres.h"
#include "store/postgres/sqltext.h"

/* Since when a temporary table is there: gone with the transaction, or when a savepoint at or below
 * depth is undone. */
struct postgres_made {
    int64_t transaction; /* 0: never */
    int depth;
};

struct postgres_work {
    char *name, *columns; /* owned */
    struct postgres_made made;
};

/* A stream's rows, as they are in its temporary table. */
struct postgres_presented {
    struct postgres_made made;   /* the table */
    struct postgres_made filled; /* and the rows in it */
    struct store_rows rows;
};

struct postgres_store {
    struct store base; /* first */
    struct pg *pg;
    char schema[PG_IDENTIFIER_BYTES];
    int64_t lock;        /* of the store's writers */
    int64_t transaction; /* number of the one that runs or ran last */
    int depth;           /* savepoints that are open */
    struct postgres_work *works;
    size_t work_count, work_capacity;
    struct postgres_presented *presented; /* [flow->stream_count] */
    struct pg *guard;                     /* of who builds aside (aside.c); or NULL */
    struct store *scratch;                /* in SQLite, where the flow's SQL is analysed; or NULL */
    int64_t changed;                      /* rows, since it was opened, by about */
    int64_t analyse_at;                   /* when it reaches this, tables are analysed */
    int64_t ticks[STORE_TICKS];           /* nothing counts here */
};

static inline struct postgres_store *postgres_of(struct store *s) {
    return (struct postgres_store *)s;
}

bool postgres_is_made(const struct postgres_store *s, const struct postgres_made *made);

/* ---- temporary.c ---- */
MUST_CHECK enum err_code postgres_present(struct store *s, const struct flow_stream *stream,
                                          const struct store_rows *rows, struct err *err);
MUST_CHECK enum err_code postgres_work_make(struct store *s, const char *name, const char *columns,
                                            bool keyed, struct err *err);
MUST_CHECK enum err_code postgres_work_empty(struct store *s, const char *name, struct err *err);
void postgres_works_release(struct postgres_store *s);

/* ---- aside.c, swap.c ---- */
#define POSTGRES_REJECT_COLUMNS                                                                    \
    "batch, pos, transform, reason, column_name, byte_offset, message, version, created_us, "      \
    "taken_back_by, discarded_us, discarded_because, discarded_by"
/* CONFLICT while another process builds aside in the same way; until the store is closed. schema: the
 * flow's. */
MUST_CHECK enum err_code postgres_guard_take(struct postgres_store *s, const char *schema,
                                             struct err *err);
MUST_CHECK enum err_code postgres_aside_continues(struct store *s, const char *purpose, bool *out,
                                                  struct err *err);
MUST_CHECK enum err_code postgres_aside_begin(struct store *s, const char *purpose,
                                              struct err *err);
MUST_CHECK enum err_code postgres_aside_keep_rejects(struct store *s, int64_t batch,
                                                     struct err *err);
MUST_CHECK enum err_code postgres_swap(struct store *s, const struct flow *built,
                                       struct swap_report *report, struct err *err);

/* ---- findings.c ---- */
MUST_CHECK enum err_code postgres_health(struct store *s, struct store_finding *out, size_t *count,
                                         struct err *err);

/* ---- statements.c: the driver's functions over postgres.h ---- */
MUST_CHECK enum err_code postgres_begin(struct store *s, struct err *err);
MUST_CHECK enum err_code postgres_begin_shared(struct store *s, struct err *err);
MUST_CHECK enum err_code postgres_claim(struct store *s, const char *unit, bool wait, bool *got,
                                        struct err *err);
MUST_CHECK enum err_code postgres_begin_read(struct store *s, struct err *err);
MUST_CHECK enum err_code postgres_claim_parts(struct store *base, const char *unit,
                                              struct store_parts wanted, uint64_t *parts,
                                              struct err *err);
MUST_CHECK enum err_code postgres_commit(struct store *s, struct err *err);
void postgres_rollback(struct store *base);
MUST_CHECK enum err_code postgres_savepoint(struct store *s, struct err *err);
MUST_CHECK enum err_code postgres_release(struct store *s, struct err *err);
MUST_CHECK enum err_code postgres_undo(struct store *s, struct err *err);
MUST_CHECK enum err_code postgres_execute(struct store *s, const char *sql, struct err *err);
MUST_CHECK enum err_code postgres_prepare(struct store *s, const char *sql,
                                          struct store_statement **out, struct err *err);
void postgres_statement_free(struct store_statement *st);
void postgres_bind_i64(struct store_statement *st, int index, int64_t v);
void postgres_bind_str(struct store_statement *st, int index, struct str v);
void postgres_bind_blob(struct store_statement *st, int index, struct str v);
void postgres_bind_f64(struct store_statement *st, int index, double v);
void postgres_bind_null(struct store_statement *st, int index);
void postgres_clear(struct store_statement *st);
MUST_CHECK enum err_code postgres_run(struct store_statement *st, int64_t *changes,
                                      struct err *err);
MUST_CHECK enum err_code postgres_step(struct store_statement *st, bool *has_row, struct err *err);
void postgres_reset(struct store_statement *st);
void postgres_chunks(struct store_statement *st, int rows);
int postgres_column_count(const struct store_statement *st);
const char *postgres_column_name(const struct store_statement *st, int column);
int64_t postgres_column_i64(struct store_statement *st, int column);
double postgres_column_f64(struct store_statement *st, int column);
struct str postgres_column_str(struct store_statement *st, int column);
bool postgres_column_is_null(struct store_statement *st, int column);
/* Within a transaction: our SQL, translated. */
MUST_CHECK enum err_code postgres_send(struct postgres_store *s, const char *sql, struct err *err);
/* Within a transaction of its own when none is open, which is ended with what the work gave. */
typedef enum err_code postgres_work_fn(struct postgres_store *s, void *context, struct err *err);
MUST_CHECK enum err_code postgres_within(struct postgres_store *s, postgres_work_fn *work,
                                         void *context, struct err *err);

#endif
