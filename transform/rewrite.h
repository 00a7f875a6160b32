/* What the files of postgres_sql share: SQL as pieces with what shall become of them.
 *
 * A piece is a token (tokens.h), X'..' being one. Brackets, and CASE .. END, are levels: a piece knows
 * the piece that opened its level, and the one that matches it. Within a level it knows the clause it
 * stands in. Texts are replaced or left; wraps put something before one piece and after another. */
#ifndef PLUMB_TRANSFORM_REWRITE_H
#define PLUMB_TRANSFORM_REWRITE_H

#include "flow/flow.h"
#include "transform/tokens.h"

/* Pieces begin at 1; 0 is none. */
enum clause { /* by the last word at the level that begins one */
              CLAUSE_NONE,
              CLAUSE_SELECT,
              CLAUSE_FROM,
              CLAUSE_WHERE,
              CLAUSE_GROUP,
              CLAUSE_ORDER,
              CLAUSE_LIMIT,
              CLAUSE_OTHER
};

struct piece {
    struct sql_token t;
    size_t end;    /* offset behind it */
    size_t opener; /* of its level; 0: the outermost */
    size_t match;  /* of ( ) CASE END; 0: none */
    enum clause clause;
    const char *text; /* instead of it; NULL: as it is */
};

struct wrap {
    size_t first, last;
    const char *before, *after;
    size_t number;
};

struct rewrite {
    const struct flow *flow; /* or NULL */
    const char *sql;
    struct arena arena;
    struct piece *pieces; /* [count + 2]: 0 and count + 1 are SQL_TOKEN_END */
    size_t count;
    struct wrap *wraps;
    size_t wrap_count, wraps_max;
};

/* ---- asking (rewrite.c) ---- */
/* An unquoted word, case aside; an operator or bracket. */
bool piece_is(const struct rewrite *r, size_t at, const char *text);
bool piece_is_one_of(const struct rewrite *r, size_t at, const char *const *texts, size_t count);
/* A word that is a name: quoted, or none of SQL's. */
bool piece_is_name(const struct rewrite *r, size_t at);
/* A binary operator may follow it. */
bool piece_ends_operand(const struct rewrite *r, size_t at);
/* The next piece at the level of `at`: behind the match of one that opens. */
size_t piece_next(const struct rewrite *r, size_t at);
/* The last piece of the operand that begins at `at`: signs, a name, a call, a literal, brackets. */
size_t operand_end(const struct rewrite *r, size_t at);
/* As operand_end, for all that binds more tightly than comparisons do. */
size_t term_end(const struct rewrite *r, size_t at);

/* ---- changing (rewrite.c) ---- */
void piece_replace(struct rewrite *r, size_t at, const char *text);
/* Of wraps that begin or end at the same piece, the longer is outside; of equal ones, the later. */
void wrap_add(struct rewrite *r, size_t first, size_t last, const char *before, const char *after);
MUST_CHECK enum err_code rewrite_refuse(const struct rewrite *r, size_t at, size_t *offset,
                                        struct err *err, const char *why);

/* ---- the rules: each goes over all pieces ---- */
MUST_CHECK enum err_code rewrite_words(struct rewrite *r, size_t *offset, struct err *err);
void rewrite_numbers(struct rewrite *r);
MUST_CHECK enum err_code rewrite_operators(struct rewrite *r, size_t *offset, struct err *err);
MUST_CHECK enum err_code rewrite_clauses(struct rewrite *r, size_t *offset, struct err *err);
/* Over the text that came of it: rows that are compared with subqueries (rewrite_rows.c). */
void rewrite_rows(const char *sql, struct buf *out);

#endif
