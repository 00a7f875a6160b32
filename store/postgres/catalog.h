/* The tables of a store in PostgreSQL: the system's, the flow's, queues and what fills them.
 *
 * A store is a schema: `?schema=` of its URL, else the flow's name. A store aside is another one,
 * "<schema>_aside" or "<schema>_audit", which looks into the first for what it has not itself.
 *
 *     pg_schema_name(pg_address_of(pg), flow, mode, name, err);
 *     pg_use_schema(pg, name); pg_look_behind(pg, ...);     then
 *     pg_catalog_prepare(pg, flow, mode, err);
 *
 * All functions speak of the schema that pg_use_schema named. Those that say "within a transaction"
 * need one, begun by pg_begin. Names of up to 63 bytes are PostgreSQL's, longer ones get a short form
 * (pg_short_name). Errors: CONFIG when what is there is not what is declared, or this user may not
 * make it; else as postgres.h says. */
#ifndef PLUMB_STORE_POSTGRES_CATALOG_H
#define PLUMB_STORE_POSTGRES_CATALOG_H

#include "store/postgres/postgres.h"
#include "store/postgres/sqltext.h"
#include "store/store.h"

/* ---- where ---- */
/* CONFIG when the flow's name can be no schema's, or the name is too long for what stands aside. */
MUST_CHECK enum err_code pg_schema_name(const struct pg_address *address, const struct flow *flow,
                                        enum store_mode mode, char out[PG_IDENTIFIER_BYTES],
                                        struct err *err);
/* What people and messages call the store: "postgres://user@host/db?schema=shop". */
void pg_store_path(const struct pg *pg, struct buf *out);
/* The number behind which everybody takes turns who does this: an advisory lock is taken with
 * pg_advisory_xact_lock(pg_lock_key(...)). */
int64_t pg_lock_key(const char *schema, const char *unit);

/* ---- the store ---- */
/* Brings the schema up to date, in one transaction of its own; several may do so at once. Reading
 * and noting only look whether it is a store of this version. */
MUST_CHECK enum err_code pg_catalog_prepare(struct pg *pg, const struct flow *flow,
                                            enum store_mode mode, struct err *err);

/* ---- tables ---- */
/* "bigint", "text COLLATE \"C\"", ... */
const char *pg_sql_type(enum column_type type);
/* Within a transaction. As store_table_compare and store_index_exists of store.h. */
MUST_CHECK enum err_code pg_table_compare(struct pg *pg, const struct flow *flow,
                                          const struct flow_table *t, bool *exists, struct buf *out,
                                          struct err *err);
MUST_CHECK enum err_code pg_index_exists(struct pg *pg, const struct flow_table *t, size_t index,
                                         bool *exists, struct err *err);
/* Within a transaction: makes the table and its indexes, or sees to it that it is as declared. */
MUST_CHECK enum err_code pg_table_ensure(struct pg *pg, const struct flow *flow,
                                         const struct flow_table *t, struct err *err);

/* ---- queues and what fills them ---- */
/* In a queue's columns; the flow's tables cannot have it. */
#define PG_QUEUE_ID "_id"
/* How the names of tables must end that are queues: WITH (...) of CREATE TABLE. */
#define PG_QUEUE_STORAGE                                                                           \
    "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, "                     \
    "autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0"

/* Within a transaction. Makes the queue `_plumb_q_...` (a table) or the trigger `_plumb_t_...` (with a
 * function of the same name) by ddl, unless it is there and was made by the same: then it stays. One
 * that was made otherwise is dropped before; a queue with changes in it is not, CONFIG. In ddl the
 * word {schema} becomes the schema's name in quotes, and names in quotes that are too long their
 * short form, within function bodies too; it holds no other text with double quotes or braces. */
MUST_CHECK enum err_code pg_object_ensure(struct pg *pg, const char *name, const char *ddl,
                                          struct err *err);
/* Within a transaction: drops those of transforms that the flow no longer has. */
MUST_CHECK enum err_code pg_objects_forget(struct pg *pg, const struct flow *flow, struct err *err);

#endif
