/* One pass over the text, a token at a time; what it does not know is an operator of one character. */
#include "transform/tokens.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static size_t skip_space(const char *sql, size_t at) {
    for (;;) {
        while (isspace((unsigned char)sql[at])) {
            at++;
        }
        if (sql[at] == '-' && sql[at + 1] == '-') {
            at += strcspn(sql + at, "\n");
        } else if (sql[at] == '/' && sql[at + 1] == '*') {
            const char *end = strstr(sql + at + 2, "*/");
            at = end != NULL ? (size_t)(end - sql) + 2 : strlen(sql);
        } else {
            return at;
        }
    }
}

static size_t quoted_end(const char *sql, size_t at, char quote) {
    for (at++; sql[at] != '\0'; at++) {
        if (sql[at] == quote && sql[at + 1] == quote) {
            at++;
        } else if (sql[at] == quote) {
            return at + 1;
        }
    }
    return at;
}

/* 12, 0x1f, 1.5, .5, 1e-3; letters that do not belong there go along. */
static size_t number_end(const char *sql, size_t at) {
    const bool is_hex = sql[at] == '0' && (sql[at + 1] == 'x' || sql[at + 1] == 'X');
    for (;; at++) {
        const bool exponent = !is_hex && (sql[at] == 'e' || sql[at] == 'E');
        if (exponent && (sql[at + 1] == '-' || sql[at + 1] == '+') &&
            isdigit((unsigned char)sql[at + 2])) {
            at++;
        } else if (!isalnum((unsigned char)sql[at]) && sql[at] != '.') {
            return at;
        }
    }
}

struct sql_token sql_next_token(const char *sql, size_t *at) {
    size_t start = skip_space(sql, *at);
    size_t end = start;
    struct sql_token t = {SQL_TOKEN_END, {sql + start, 0}, start, false};
    char c = sql[start];
    if (c == '\0') {
        *at = start;
        return t;
    }
    if (isalpha((unsigned char)c) || c == '_') {
        while (isalnum((unsigned char)sql[end]) || sql[end] == '_' || sql[end] == '$') {
            end++;
        }
        t.kind = SQL_TOKEN_WORD;
        t.text.len = end - start;
    } else if (c == '"' || c == '`' || c == '[') {
        end = quoted_end(sql, start, c == '[' ? ']' : c);
        t.kind = SQL_TOKEN_WORD;
        t.is_quoted = true;
        t.text = (struct str){sql + start + 1, end - start >= 2 ? end - start - 2 : 0};
    } else if (c == '\'') {
        end = quoted_end(sql, start, '\'');
        t.kind = SQL_TOKEN_STRING;
        t.text = (struct str){sql + start + 1, end - start >= 2 ? end - start - 2 : 0};
    } else if (isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)sql[start + 1]))) {
        end = number_end(sql, start);
        t.kind = SQL_TOKEN_NUMBER;
        t.text.len = end - start;
    } else {
        end = start + 1;
        if (strchr("<>=!|", c) != NULL && strchr("<>=|", sql[end]) != NULL && sql[end] != '\0') {
            end++;
        } else if (c == '-' && sql[end] == '>') {
            end += sql[end + 1] == '>' ? 2 : 1;
        }
        t.kind = SQL_TOKEN_OPERATOR;
        t.text.len = end - start;
    }
    *at = end;
    return t;
}

bool sql_is_word(const struct sql_token *t, const char *word) {
    return t->kind == SQL_TOKEN_WORD && t->text.len == strlen(word) &&
           strncasecmp(t->text.ptr, word, t->text.len) == 0;
}
