/* A connection to PostgreSQL, its transactions, statements and COPY.
 *
 * What the store's driver stands on; nothing here knows of flows. One connection belongs to one
 * thread. Nothing relies on a session: settings are made with SET LOCAL at the beginning of every
 * transaction and statements have no names, so it works through pgbouncer in transaction mode.
 *
 *     struct pg *pg = NULL;
 *     if (pg_open("postgres://plumb@db/shop?schema=shop", "plumb", &pg, err) == ERR_NONE) {
 *         pg_begin(pg, err); pg_execute(pg, "INSERT ...", err); pg_commit(pg, &unknown, err);
 *     }
 *     pg_close(pg);
 *
 * Errors: as pg_class_of says of the SQLSTATE, which is in err->origin (pg_sqlstate gives its text).
 * A connection that broke says so with UNAVAILABLE from then on until pg_reopen. Messages never
 * hold a password. Every wait ends at the deadline or when asked to stop, with CANCELLED: the
 * statement is cancelled on the server, and if that does not answer the connection is given up. */
#ifndef PLUMB_STORE_POSTGRES_POSTGRES_H
#define PLUMB_STORE_POSTGRES_POSTGRES_H

#include "rows/int256.h"
#include "rows/rows.h"
#include "store/store.h"

#define PG_CONNECT_SECONDS      10 /* for each address; the URL's connect_timeout comes first */
#define PG_CANCEL_WAIT_US       5000000
#define PG_IDLE_MS              60000 /* a transaction in which nothing happens is ended by the server */
#define PG_NAME_BYTES_MAX       63 /* of an identifier */
#define PG_COPY_CHUNK_BYTES     ((size_t)256 << 10)
#define PG_STATEMENT_CHUNK_ROWS 1000

/* ---- addresses: postgres://[user[:password]@][host][:port][/database][?name=value&...] ---- */
/* `schema` among the parameters is ours, the rest is libpq's. The password may be in the URL, in
 * PGPASSWORD or in ~/.pgpass. */
struct pg_address {
    char *conninfo; /* the URL without schema: holds the password */
    char *schema;   /* NULL: not named */
    char *shown;    /* what messages may show: postgres://user@host:port/database */
};
/* CONFIG when it is none. Release with pg_address_release. */
MUST_CHECK enum err_code pg_address_parse(const char *url, struct pg_address *out, struct err *err);
void pg_address_release(struct pg_address *a);

/* ---- what an error of the server means ---- */
/* sqlstate: five characters. */
enum err_code pg_class_of(const char *sqlstate);
/* SQLSTATE as the number in err->origin, and back. 0 for what is none. */
int pg_sqlstate_number(const char *sqlstate);
void pg_sqlstate(int number, char out[6]);

/* ---- the connection ---- */
struct pg;
MUST_CHECK enum err_code pg_open(const char *url, const char *application, struct pg **out,
                                 struct err *err);
/* Closes and connects anew. An open transaction is lost, statements go on to work. */
MUST_CHECK enum err_code pg_reopen(struct pg *pg, struct err *err);
void pg_close(struct pg *pg);
const struct pg_address *pg_address_of(const struct pg *pg);
/* Statements that still run at this monotonic time are cancelled; 0: they may take for ever. */
void pg_deadline(struct pg *pg, int64_t monotonic_us);
/* Asked several times a second while waiting; NULL: never. */
void pg_stop_when(struct pg *pg, bool (*is_stopping)(void *context), void *context);
bool pg_is_broken(const struct pg *pg);
int pg_backend(const struct pg *pg);        /* process id of the server's side */
int pg_server_version(const struct pg *pg); /* 150004 */

/* Unqualified names mean this schema, then `plumb` (functions.sql), from the next transaction on. */
void pg_use_schema(struct pg *pg, const char *schema);
/* And this one after it; NULL, as at first: none. What is made is made in the first. */
void pg_look_behind(struct pg *pg, const char *schema);

/* ---- transactions ---- */
MUST_CHECK enum err_code pg_begin(struct pg *pg, struct err *err); /* READ COMMITTED */
/* One snapshot for all of it, and nothing can be written. */
MUST_CHECK enum err_code pg_begin_read(struct pg *pg, struct err *err);
/* *unknown (only set on failure): the connection broke with the answer outstanding. Then what the
 * transaction wrote may be there or not, and has to be read back. */
MUST_CHECK enum err_code pg_commit(struct pg *pg, bool *unknown, struct err *err);
void pg_rollback(struct pg *pg); /* nothing happens outside a transaction */
bool pg_in_transaction(const struct pg *pg);

/* Advisory locks, within a transaction and until it ends. The first two wait; several hold a shared
 * one, and nobody another beside it. *got false: somebody else has it. */
MUST_CHECK enum err_code pg_lock(struct pg *pg, int64_t key, struct err *err);
MUST_CHECK enum err_code pg_lock_shared(struct pg *pg, int64_t key, struct err *err);
MUST_CHECK enum err_code pg_try_lock(struct pg *pg, int64_t key, bool *got, struct err *err);
/* Of the locks key ^ 0 .. key ^ (count - 1), as store_claim_parts says. */
MUST_CHECK enum err_code pg_try_locks(struct pg *pg, int64_t key, struct store_parts wanted,
                                      uint64_t *parts, struct err *err);

/* Several statements at once, whose rows are ignored. Not translated. */
MUST_CHECK enum err_code pg_execute(struct pg *pg, const char *sql, struct err *err);

/* ---- statements ---- */
/* SQL as in sqltext.h. Nothing is sent before it runs. Bindings stay until they are changed. */
struct pg_statement;
MUST_CHECK enum err_code pg_prepare(struct pg *pg, const char *sql, struct pg_statement **out,
                                    struct err *err);
void pg_statement_free(struct pg_statement *st);
/* Rows come this many at a time, through a cursor, so that memory stays bounded; only within a
 * transaction, which must outlast the reading. 0, as at first: all at once, which is for statements
 * that give few rows. */
void pg_statement_chunks(struct pg_statement *st, int rows);
/* Asks the server for the columns without running the statement; parameters may be unbound. */
MUST_CHECK enum err_code pg_describe(struct pg_statement *st, struct err *err);
/* Index from 1. Text and bytes are borrowed until the run ends. */
void pg_bind_i64(struct pg_statement *st, int index, int64_t v);
void pg_bind_f64(struct pg_statement *st, int index, double v);
void pg_bind_bool(struct pg_statement *st, int index, bool v);
void pg_bind_str(struct pg_statement *st, int index, struct str v);
void pg_bind_blob(struct pg_statement *st, int index, struct str v);
void pg_bind_int256(struct pg_statement *st, int index, const struct int256 *v);
void pg_bind_null(struct pg_statement *st, int index);
int pg_parameters(const struct pg_statement *st); /* how many it has */
void pg_clear(struct pg_statement *st);           /* all parameters are NULL */
/* Rows are being stepped through. */
bool pg_is_running(const struct pg_statement *st);
/* Runs to the end; changes may be NULL. */
MUST_CHECK enum err_code pg_run(struct pg_statement *st, int64_t *changes, struct err *err);
/* Next row; *has_row false at the end, and the next step runs it again. INPUT when a column is of a
 * type that is none of ours, or a numeric that is no int256. */
MUST_CHECK enum err_code pg_step(struct pg_statement *st, bool *has_row, struct err *err);
void pg_reset(struct pg_statement *st);
int pg_column_count(const struct pg_statement *st);
const char *pg_column_name(const struct pg_statement *st, int column);
unsigned pg_column_oid(const struct pg_statement *st, int column);
bool pg_column_is_null(const struct pg_statement *st, int column);
/* Whole numbers of any type, and bool; a numeric beyond 64 bits gives the nearest; others give 0. */
int64_t pg_column_i64(const struct pg_statement *st, int column);
double pg_column_f64(const struct pg_statement *st, int column);
/* Text and bytes as they are; a numeric as an encoded int256 (rows/int256.h); other numbers as
 * text. Valid until the next step. */
struct str pg_column_str(struct pg_statement *st, int column);

/* ---- COPY ---- */
/* "COPY t(a, b) FROM STDIN (FORMAT binary)"; then pg_copy_send as often as wished, which sends and
 * clears what binary.h put into bytes; then pg_copy_done. After a failure the COPY is over, and so
 * is the transaction. */
MUST_CHECK enum err_code pg_copy_in(struct pg *pg, const char *sql, struct err *err);
MUST_CHECK enum err_code pg_copy_send(struct pg *pg, struct buf *bytes, struct err *err);
MUST_CHECK enum err_code pg_copy_done(struct pg *pg, int64_t *rows, struct err *err);
/* Rows [low, high), in chunks of PG_COPY_CHUNK_BYTES. place as in binary.h. */
MUST_CHECK enum err_code pg_copy_table(struct pg *pg, const char *sql, const struct rows *rows,
                                       size_t low, size_t high, const int64_t *place,
                                       struct err *err);
/* "COPY (SELECT ...) TO STDOUT (FORMAT binary)", whose columns are of the schema's types: each row
 * is given to row(), which may end it with an error. Memory holds one row. */
typedef enum err_code pg_row_fn(void *context, const struct value *values, struct err *err);
MUST_CHECK enum err_code pg_copy_out(struct pg *pg, const char *sql, const struct schema *schema,
                                     pg_row_fn *row, void *context, struct err *err);

/* ---- the functions a flow's SQL has in both stores ---- */
#define PG_FUNCTIONS_VERSION 3 /* raised with every change of the .sql files */
/* Makes or renews the schema `plumb` where it is missing or older; several may do so at once. Not
 * within a transaction. CONFIG when this user may not and somebody has to. */
MUST_CHECK enum err_code pg_functions_install(struct pg *pg, struct err *err);

#endif
