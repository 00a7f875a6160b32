/* A flow's SQL, written for SQLite, as PostgreSQL shall run it.
 *
 * Both shall give the same rows. Most of SQL means the same; where it does not, words are replaced or
 * brackets are put around an operand, by what stands there and without knowing types. docs/postgres.md
 * has the table of what is replaced, and what stays different; schema `plumb` (store/postgres/
 * dialect.sql) has the functions and operators that the result calls. It is for SQL that SQLite has
 * compiled: what is malformed comes out malformed, and PostgreSQL tells of it.
 *
 *   SELECT a / b AS r, CAST(t AS INTEGER) AS n FROM batch WHERE x IS y AND s LIKE 'A%'
 *   SELECT a / nullif(b, 0) AS r, plumb._plumb_to_int(t     ) AS n FROM batch
 *       WHERE x IS NOT DISTINCT FROM y AND s ILIKE 'A%' ESCAPE ''
 *
 * Lines stay lines, so that a place PostgreSQL names is one in the user's text. X'..' and ?1 stay as they
 * are (store/postgres/sqltext.h).
 *
 * CONFIG for what PostgreSQL has nothing equal for; the message says what to write instead. LIMIT above
 * POSTGRES_SQL_TOKENS_MAX. Thread-safe. */
#ifndef PLUMB_TRANSFORM_POSTGRES_SQL_H
#define PLUMB_TRANSFORM_POSTGRES_SQL_H

#include "flow/flow.h"

#define POSTGRES_SQL_TOKENS_MAX 100000

/* Adds the translation of sql, a SELECT or an expression, to out. flow (may be NULL) has the names:
 * SQLite does not care for their case, and PostgreSQL does; and which columns are never NULL.
 * *offset, set on failure only: the place in sql. */
MUST_CHECK enum err_code postgres_sql(const struct flow *flow, const char *sql, struct buf *out,
                                      size_t *offset, struct err *err);
/* The same; the complaint has the place in the flow's files. node: where sql stands. */
MUST_CHECK enum err_code postgres_sql_at(const struct flow *flow, const char *sql,
                                         const struct node *node, struct buf *out, struct err *err);

#endif
