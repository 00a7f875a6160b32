/* SQL as tokens: words, numbers, texts, operators; comments and blanks between them are skipped.
 *
 * A token borrows from the text. It never fails: what is left open ends with the text. */
#ifndef PLUMB_TRANSFORM_TOKENS_H
#define PLUMB_TRANSFORM_TOKENS_H

#include "base/str.h"

enum sql_token_kind {
    SQL_TOKEN_END,
    SQL_TOKEN_WORD,
    SQL_TOKEN_NUMBER,
    SQL_TOKEN_STRING,
    SQL_TOKEN_OPERATOR
};

struct sql_token {
    enum sql_token_kind kind;
    struct str text; /* words and texts without their quotes */
    size_t offset;   /* of its first byte, a quote included */
    bool is_quoted;  /* a word in quotes: a name, whatever it says */
};

/* The token at or after *at, which becomes the offset behind it. */
struct sql_token sql_next_token(const char *sql, size_t *at);
/* A word, quoted or not, case aside. */
bool sql_is_word(const struct sql_token *t, const char *word);

#endif
