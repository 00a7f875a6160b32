/* SQL as the store writes it, for PostgreSQL.
 *
 * The store's SQL is one text for both databases. Two spellings differ, and are put right here:
 *
 *   ?1 .. ?4096   a parameter            $1 .. $4096
 *   X'c0de'       bytes                  '\xc0de'::bytea  (in PostgreSQL X'..' would be bits)
 *   "long name"   a name > 63 bytes      "long na~0123456789abcdef"  (PostgreSQL would cut it off)
 *
 * Nothing else within '..', E'..', "..", $tag$..$tag$ or a comment is touched. No SQL is understood
 * beyond that: what is malformed stays so, and PostgreSQL tells of it. Thread-safe. */
#ifndef PLUMB_STORE_POSTGRES_SQLTEXT_H
#define PLUMB_STORE_POSTGRES_SQLTEXT_H

#include "base/str.h"

#define PG_PARAMETERS_MAX   4096
#define PG_IDENTIFIER_BYTES 64 /* with the NUL */

/* The name PostgreSQL knows something by: the name itself up to 63 bytes, else its beginning and 16
 * digits of its hash, always the same. Two long names differ in it unless XXH3's 64 bits collide. */
void pg_short_name(struct str name, char out[PG_IDENTIFIER_BYTES]);

/* Adds the translation to out and says how many parameters it has (the highest number). INPUT for a
 * parameter without a number or above PG_PARAMETERS_MAX, or X'..' that is not pairs of hex digits. */
MUST_CHECK enum err_code pg_sql_translate(struct str sql, struct buf *out, size_t *parameters,
                                          struct err *err);
/* Where the character (not byte; from 1, as PostgreSQL counts) of the translation stands in sql:
 * line and column in characters, from 1. 0 and 0 when it is beyond the end. */
void pg_sql_place(struct str sql, size_t character, size_t *line, size_t *column);

#endif
