/* What the files of transform/ share. */
#ifndef PLUMB_TRANSFORM_INTERNAL_H
#define PLUMB_TRANSFORM_INTERNAL_H

#include "transform/transform.h"

/* Slots of the counters that SQL bumps (_plumb_tick). */
enum tick {
    TICK_UPDATED = 0,
    TICK_UNCHANGED = 1,
    TICK_SUPERSEDED = 2,
    TICK_ROWS = 6,
    TICK_RECORDS = 7
};

#define TRANSFORM_STATEMENTS_MAX 24
#define SLOT_TAKE_BACK           (TRANSFORM_STATEMENTS_MAX - 1) /* of a map (take_back.c) */

struct transform {
    const struct flow_transform *def;
    enum store_dialect dialect;
    const char *sql;         /* the flow's, as the store's SQL has it */
    const char *delete_when; /* the same; NULL: none */
    const char **on_sql;     /* the same, [on_count]; NULL where a mapping is none */
    struct arena texts;      /* of those three, where they are not the flow's own */
    struct store_statement *statements[TRANSFORM_STATEMENTS_MAX];
    bool
        tracked; /* map: rows out are counted per record, since a join or many: may multiply them */
    bool staged; /* map into a table from which rows are deleted: through a temporary table */
    /* map: the one whose tombstones all maps into this table share, or NULL */
    const struct flow_transform *graves;
    /* map over a source that takes records back: [identity_count of its stream] the columns of into
     * that hold them */
    size_t *identity;
    bool fresh;     /* first time on this store */
    bool *computed; /* [into->schema.count] columns that are not a column of the same type, as is */
    bool *reads;    /* sum: [from->schema.count] columns its SQL reads */
    struct str failed_key;
    uint64_t buckets; /* derive: of its keys, those that are ours in this turn */
};

/* ---- SQL text (sqltext.c) ---- */
/* "a", "b" of the columns at the indexes; prefix like "t." or "". */
void sql_names(struct buf *out, const struct schema *s, const size_t *indexes, size_t count,
               const char *prefix);
void sql_all_names(struct buf *out, const struct schema *s, const char *prefix);
/* The columns of the table from the user's SELECT s, computed ones checked for what their SQLite type
 * does not say; one column, without a comma. */
void sql_cell(struct buf *out, const struct transform *t, size_t column);
/* True when column index is in the list. */
bool sql_is_in(const size_t *indexes, size_t count, size_t index);
/* The user's SELECT with `relation` (batch, change, changed) defined by `body`, as one SELECT. */
void sql_wrap(struct buf *out, const char *relation, const char *body, const char *user_sql);
/* The same to be analysed: the subquery has no name, which SQLite's plan would show; *prefix is where
 * the user's text begins. */
void sql_wrap_bare(struct buf *out, const char *relation, const char *body, const char *user_sql,
                   size_t *prefix);
/* " WHERE ..." term true when any non-key column of excluded differs from alias's; "0" when there
 * are none. */
void sql_same(struct buf *out, const struct flow_table *t, const char *left, const char *right);
/* "INSERT INTO t(...) ... ON CONFLICT(key) DO UPDATE SET non-key = excluded" pieces. */
void sql_conflict(struct buf *out, const struct flow_table *t);
void sql_set_excluded(struct buf *out, const struct flow_table *t);
/* CREATE TEMP TABLE columns: name TYPE, ... */
void sql_column_types(struct buf *out, const struct store *store, const struct schema *s);
/* Says in the user's words what a constraint of a temporary table means; else leaves the error. */
void sql_explain(const struct flow_transform *def, struct err *err);

/* ---- checking (check.c) ---- */
MUST_CHECK enum err_code check_map(struct store *s, const struct flow *flow, struct transform *t,
                                   struct err *err);
MUST_CHECK enum err_code check_sum(struct store *s, const struct flow *flow, struct transform *t,
                                   struct err *err);
MUST_CHECK enum err_code check_derive(struct store *s, const struct flow *flow, struct transform *t,
                                      struct err *err);
/* One SELECT and nothing after it (lint.c). */
MUST_CHECK enum err_code lint_statement(const char *sql, const struct node *node, struct err *err);
/* The first place where word stands in sql as a name: not in text or a comment, case aside. */
bool sql_find_word(const char *sql, struct str word, size_t *offset);
/* What a user's SQL may speak of. */
struct sql_scope {
    const char *sql;
    const char *relation;         /* batch, change or changed; NULL in a delete_when */
    const struct schema *columns; /* its columns; NULL when not known */
};
/* Says in the user's words what SQLite found wrong; *offset (within scope->sql, -1 when not known)
 * becomes the place (hint.c). */
void hint_sql(const struct flow *flow, const struct flow_transform *t,
              const struct sql_scope *scope, int64_t *offset, struct err *err);
/* Mistakes SQLite would not call mistakes (lint.c): 'now', LIMIT in a map, arithmetic on int256
 * with plain operators. */
MUST_CHECK enum err_code lint_sql(const struct flow *flow, const struct flow_transform *t,
                                  const char *sql, const struct node *node, struct err *err);

/* ---- capture (capture.c) ---- */
MUST_CHECK enum err_code capture_install(struct store *s, const struct transform *t,
                                         struct err *err);
/* The same for a store in PostgreSQL (capture_postgres.c). */
MUST_CHECK enum err_code capture_install_postgres(struct store *s, const struct transform *t,
                                                  struct err *err);
/* Puts all present rows of the input into the queue. */
MUST_CHECK enum err_code capture_backfill(struct store *s, const struct transform *t,
                                          const struct flow *flow, struct err *err);

/* ---- kinds ---- */
MUST_CHECK enum err_code map_prepare(struct store *s, struct transform *t, struct err *err);
/* Over a source that takes records back: the key of the map's table begins with what names a record;
 * fills t->identity (take_back.c). */
MUST_CHECK enum err_code take_back_check(const struct sql_facts *facts, const char *relation,
                                         struct transform *t, struct err *err);
MUST_CHECK enum err_code take_back_prepare(struct store *s, struct transform *t, struct err *err);
MUST_CHECK enum err_code sum_prepare(struct store *s, struct transform *t, struct err *err);
MUST_CHECK enum err_code derive_prepare(struct store *s, struct transform *t, struct err *err);
MUST_CHECK enum err_code sum_apply(struct store *s, struct transform *t, struct err *err);
MUST_CHECK enum err_code derive_apply(struct store *s, struct transform *t, uint64_t buckets,
                                      struct err *err);
/* Prepares sql into statements[slot]. */
MUST_CHECK enum err_code transform_prepare(struct store *s, struct transform *t, int slot,
                                           const char *sql, struct err *err);

/* The work table _plumb_KIND_TRANSFORM (store_work_make). */
MUST_CHECK enum err_code transform_work_make(struct store *s, const struct transform *t,
                                             const char *kind, const char *columns, bool keyed,
                                             struct err *err);
MUST_CHECK enum err_code transform_work_empty(struct store *s, const struct transform *t,
                                              const char *kind, struct err *err);

/* First column of the first row of statements[slot]; 0 when there is none. */
MUST_CHECK enum err_code transform_query_i64(struct transform *t, int slot, int64_t *out,
                                             struct err *err);

#endif
