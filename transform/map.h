/* What the files of a map share; nobody else includes it. */
#ifndef PLUMB_TRANSFORM_MAP_H
#define PLUMB_TRANSFORM_MAP_H

#include "transform/internal.h"

enum map_slot {
    MAP_ROWS,    /* the flow's SELECT over the batch */
    MAP_RECORDS, /* how many records gave rows (PostgreSQL) */
    MAP_WINNERS,
    MAP_TOMBED,
    MAP_OLDER,
    MAP_DELETE,
    MAP_DELETES,
    MAP_TOMB,
    MAP_UNTOMB,
    MAP_UPSERT
};

struct range {
    size_t low, high; /* rows [low, high) */
};

struct job {
    struct store *store;
    struct transform *t;
    const struct map_input *in;
    struct ledger_line *line;
    struct reject_list *rejects;
};

/* "INSERT INTO t AS t (...) SELECT " */
void map_insert_head(struct buf *out, const struct flow_table *t);
/* The columns of the SELECT s, without a comma before or behind. */
void map_columns(struct buf *out, const struct transform *t);
/* "(SELECT ...) AS s" (SQLite) */
void map_user_select(struct buf *out, const struct transform *t);
/* " WHERE CASE ... END": whether to update the row t, and counts that (SQLite). older: rows may come
 * that are older than t. */
void map_verdict(struct buf *out, const struct flow_transform *def, bool older);
/* Lexicographic "left is older than right" over latest_by; NULL is older than anything. */
void map_older(struct buf *out, const struct flow_transform *def, const char *left,
               const char *right);

/* ---- the staged form (map_staged.c) ---- */
MUST_CHECK enum err_code map_staged_prepare(struct store *s, struct transform *t, struct err *err);
/* From the temporary table into the table; adds to the job's line. */
MUST_CHECK enum err_code map_staged_merge(struct job *j, struct err *err);

/* ---- rows on PostgreSQL (map_postgres.c) ---- */
MUST_CHECK enum err_code map_postgres_fill(struct store *s, struct transform *t, struct err *err);
/* All of the rows or nothing, within a savepoint; *rows and *records: given, and by how many. */
MUST_CHECK enum err_code map_postgres_rows(struct job *j, struct range r, int64_t *rows,
                                           int64_t *records, struct err *err);

#endif
