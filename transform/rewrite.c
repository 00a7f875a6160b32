/* Pieces are looked up by walking: SQL is short, and an operand shorter. */
#include "transform/rewrite.h"

#include <string.h>
#include <strings.h>

/* Words that are no names unless they are quoted, of those a SELECT may have. */
static const char *const reserved[] = {
    "all",      "and",   "as",     "between", "case",    "cast",      "collate", "cross",
    "distinct", "else",  "end",    "escape",  "except",  "exists",    "from",    "full",
    "glob",     "group", "having", "in",      "inner",   "intersect", "is",      "isnull",
    "join",     "left",  "like",   "limit",   "natural", "not",       "notnull", "null",
    "offset",   "on",    "or",     "order",   "outer",   "over",      "right",   "select",
    "then",     "union", "using",  "values",  "when",    "where",     "window",  "with"};

bool piece_is(const struct rewrite *r, size_t at, const char *text) {
    const struct sql_token *t = &r->pieces[at].t;
    if (t->kind == SQL_TOKEN_OPERATOR) {
        return str_equal_c(t->text, text);
    }
    return !t->is_quoted && sql_is_word(t, text);
}

bool piece_is_one_of(const struct rewrite *r, size_t at, const char *const *texts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (piece_is(r, at, texts[i])) {
            return true;
        }
    }
    return false;
}

bool piece_is_name(const struct rewrite *r, size_t at) {
    const struct sql_token *t = &r->pieces[at].t;
    return t->kind == SQL_TOKEN_WORD &&
           (t->is_quoted || !piece_is_one_of(r, at, reserved, ARRAY_COUNT(reserved)));
}

bool piece_ends_operand(const struct rewrite *r, size_t at) {
    static const char *const words[] = {"null", "end", ")"};
    const enum sql_token_kind kind = r->pieces[at].t.kind;
    return kind == SQL_TOKEN_NUMBER || kind == SQL_TOKEN_STRING || piece_is_name(r, at) ||
           piece_is_one_of(r, at, words, ARRAY_COUNT(words));
}

static bool opens(const struct rewrite *r, size_t at) {
    return r->pieces[at].match > at;
}

size_t piece_next(const struct rewrite *r, size_t at) {
    const size_t last = opens(r, at) ? r->pieces[at].match : at;
    return last < r->count ? last + 1 : r->count + 1;
}

/* What may follow the brackets of a call: FILTER (...) OVER (...), OVER name. */
static size_t call_end(const struct rewrite *r, size_t at) {
    if (piece_is(r, at + 1, "filter") && opens(r, at + 2)) {
        at = r->pieces[at + 2].match;
    }
    if (piece_is(r, at + 1, "over") && at + 2 <= r->count) {
        at = opens(r, at + 2) ? r->pieces[at + 2].match : at + 2;
    }
    return at;
}

size_t operand_end(const struct rewrite *r, size_t at) {
    static const char *const signs[] = {"-", "+", "~"};
    while (at < r->count && piece_is_one_of(r, at, signs, ARRAY_COUNT(signs))) {
        at++;
    }
    if (piece_is(r, at, "exists") && opens(r, at + 1)) {
        at++;
    }
    if (opens(r, at)) {
        at = r->pieces[at].match;
    } else if (r->pieces[at].t.kind == SQL_TOKEN_WORD) {
        while (piece_is(r, at + 1, ".") && at + 2 <= r->count) {
            at += 2;
        }
        if (piece_is(r, at + 1, "(") && opens(r, at + 1)) {
            at = call_end(r, r->pieces[at + 1].match);
        }
    }
    if (piece_is(r, at + 1, "collate") && at + 2 <= r->count) {
        at += 2;
    }
    return at;
}

size_t term_end(const struct rewrite *r, size_t at) {
    static const char *const tight[] = {"+",  "-",   "*", "/", "%",  "||",
                                        "->", "->>", "&", "|", "<<", ">>"};
    size_t end = operand_end(r, at);
    while (end + 2 <= r->count && piece_is_one_of(r, end + 1, tight, ARRAY_COUNT(tight))) {
        end = operand_end(r, end + 2);
    }
    return end;
}

void piece_replace(struct rewrite *r, size_t at, const char *text) {
    r->pieces[at].text = text;
}

void wrap_add(struct rewrite *r, size_t first, size_t last, const char *before, const char *after) {
    if (r->wrap_count == r->wraps_max) {
        r->wraps_max = r->wraps_max * 2 + 16;
        r->wraps = mem_realloc(r->wraps, r->wraps_max * sizeof(*r->wraps));
    }
    r->wraps[r->wrap_count] = (struct wrap){first, last, before, after, r->wrap_count};
    r->wrap_count++;
}

enum err_code rewrite_refuse(const struct rewrite *r, size_t at, size_t *offset, struct err *err,
                             const char *why) {
    const struct piece *p = &r->pieces[at];
    char shown[FLOW_NAME_BYTES_MAX + 8];
    str_printable((struct str){r->sql + p->t.offset, p->end - p->t.offset}, shown, sizeof(shown));
    *offset = p->t.offset;
    return err_set(err, ERR_CONFIG, "on PostgreSQL '%s' %s", shown, why);
}
