/* Where a transform's SQL goes one way or another, and SQL that counts which way it went.
 *
 * Ways are: each THEN and the ELSE of every CASE, the end of a CASE without an ELSE, and for the WHERE
 * of the SELECT itself (not of a subquery) that it keeps a row and that it leaves one out. The SQL
 * that counts gives the same rows, more slowly; it calls functions that only a store of a flow with
 * `ways` has (flow/flow.h). Tokens are looked at, no grammar: SQL it does not follow is left as it
 * is, with no ways. Limits: BRANCHES_NESTED_MAX CASEs within each other. */
#ifndef PLUMB_TRANSFORM_BRANCHES_H
#define PLUMB_TRANSFORM_BRANCHES_H

#include "flow/flow.h"

#define BRANCHES_NESTED_MAX 32

enum branch_kind {
    BRANCH_WHEN,    /* the THEN of a WHEN */
    BRANCH_ELSE,    /* an ELSE */
    BRANCH_NO_ELSE, /* no WHEN was true, and there is no ELSE */
    BRANCH_KEEPS,   /* WHERE: a row it keeps */
    BRANCH_LEAVES   /* WHERE: a row it leaves out */
};

struct branch {
    enum branch_kind kind;
    size_t offset,
        end; /* in the SQL: WHEN and its condition, ELSE, CASE, WHERE and its condition */
};

struct branches {
    struct branch *items; /* owned */
    size_t count, capacity;
};
void branches_release(struct branches *b);

/* Adds the SQL that counts to out, and its ways, counted by first, first + 1, ... False, and nothing added
 * to either, when the SQL is not followed to its end. */
bool branches_mark(const char *sql, bool with_where, size_t first, struct buf *out,
                   struct branches *out_ways);
/* The same of a condition alone, a delete_when: that it is true, and that it is not. */
void branches_mark_condition(const char *sql, size_t first, struct buf *out,
                             struct branches *out_ways);
/* "when", "else", "no else", "where keeps", "where leaves out" */
const char *branch_kind_name(enum branch_kind kind);

#endif
