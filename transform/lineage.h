/* SQL that asks where rows come from: the flow's own SELECTs, run over tables instead of changes.
 *
 * Texts only; whoever runs them needs a connection that may read. Conditions are SQL text over the
 * aliases named here. Nothing writes but lineage_wanted, which makes a temporary table. */
#ifndef PLUMB_TRANSFORM_LINEAGE_H
#define PLUMB_TRANSFORM_LINEAGE_H

#include "store/store.h"

/* Adds the value as an SQL literal. */
void lineage_literal(struct buf *out, const struct value *v);
/* The names by which a row of the table is found: its key, or _partition and _record. "a", "b",
 * each with the prefix. */
void lineage_identity(struct buf *out, const struct flow_table *t, const char *prefix);

/* SELECT of a sum or of an `on` mapping with the rows of `from` AS "_plumb_u" that `where` allows
 * as `change` ("": all). */
void lineage_over(struct buf *out, const struct flow_table *from, const char *where,
                  const char *sql);
/* `FROM from AS "_plumb_t" WHERE ...`: the rows of `from` of which the SELECT gives a row AS s that
 * `keys` allows. `only` narrows "_plumb_t" before the SELECT is asked ("": nothing). */
void lineage_givers(struct buf *out, const struct flow_table *from, const char *sql,
                    const char *keys, const char *only);
/* For each key column of a sum's table, the column of its input it is a copy of (index into
 * from->schema). False when one is computed, or the SELECT reads anything else. */
MUST_CHECK enum err_code lineage_plain_keys(struct store *s, const struct flow_transform *sum,
                                            size_t *columns, bool *plain, struct err *err);
/* count(*) and the amounts of a sum's table added up, of rows AS s: what follows SELECT. */
void lineage_amounts(struct buf *out, const struct flow_table *into);

/* The SQL names the table outside of text and comments. */
bool lineage_names(const char *sql, const char *table);

/* temp."_plumb_wanted_TABLE": the table's columns and _node, for rows whose records are searched. */
void lineage_wanted(struct buf *out, const struct store *s, const struct flow_table *into);
/* _node and the position in the presented batch of each record that the map makes a wanted row of,
 * in all columns just so. */
void lineage_search(struct buf *out, const struct flow_transform *map);

#endif
