/* Operators. SQLite's || -> ->> bind most tightly, in PostgreSQL less than + and *: where they stand
 * beside such a one, brackets go around them, and around ~x always. = and IS and LIKE bind alike in SQLite, and differently
 * there: several of them without brackets are refused. */
#include "transform/rewrite.h"

static const char *const joins[] = {"||", "->", "->>"};
static const char *const others[] = {"+", "-", "*", "/", "%", "&", "|", "<<", ">>"};

static bool is_other(const struct rewrite *r, size_t at) {
    return piece_is_one_of(r, at, others, ARRAY_COUNT(others));
}

/* a || b beside a + is in brackets. at: the first operator of the chain. */
static void bracket_join(struct rewrite *r, size_t first, size_t at) {
    size_t last = operand_end(r, at + 1);
    while (last + 2 <= r->count && piece_is_one_of(r, last + 1, joins, ARRAY_COUNT(joins))) {
        last = operand_end(r, last + 2);
    }
    const bool binary_before = is_other(r, first - 1) && piece_ends_operand(r, first - 2);
    if (binary_before || is_other(r, last + 1)) {
        wrap_add(r, first, last, "(", ")");
    }
}

static bool begins_operand(const struct rewrite *r, size_t at) {
    static const char *const words[] = {"(", "case", "cast", "exists", "null", "-", "+", "~"};
    const enum sql_token_kind kind = r->pieces[at].t.kind;
    return !piece_ends_operand(r, at - 1) &&
           (kind == SQL_TOKEN_NUMBER || kind == SQL_TOKEN_STRING || piece_is_name(r, at) ||
            piece_is_one_of(r, at, words, ARRAY_COUNT(words)));
}

/* A literal beside || is of no type yet, and might become what stands on the other side. */
static void type_literal(struct rewrite *r, size_t at) {
    const bool joined = piece_is_one_of(r, at - 1, joins, ARRAY_COUNT(joins)) ||
                        piece_is_one_of(r, at + 1, joins, ARRAY_COUNT(joins));
    if (joined && r->pieces[at].t.kind == SQL_TOKEN_STRING &&
        r->sql[r->pieces[at].t.offset] == '\'') {
        wrap_add(r, at, at, "", "::text");
    }
}

static void bracket_joins(struct rewrite *r) {
    for (size_t i = 1; i <= r->count; i++) {
        type_literal(r, i);
        if (!begins_operand(r, i) || piece_is_one_of(r, i - 1, joins, ARRAY_COUNT(joins))) {
            continue;
        }
        const size_t end = operand_end(r, i);
        if (end + 2 <= r->count && piece_is_one_of(r, end + 1, joins, ARRAY_COUNT(joins))) {
            bracket_join(r, i, end + 1);
        }
    }
}

/* What is divided by: a number that is not 0, or anything. */
static bool may_be_zero(const struct rewrite *r, size_t at) {
    while (piece_is(r, at, "-") || piece_is(r, at, "+")) {
        at++;
    }
    if (r->pieces[at].t.kind != SQL_TOKEN_NUMBER) {
        return true;
    }
    const struct str digits = r->pieces[at].t.text;
    for (size_t i = 0; i < digits.len && digits.ptr[i] != 'e' && digits.ptr[i] != 'E'; i++) {
        if (digits.ptr[i] >= '1' && digits.ptr[i] <= '9') {
            return false;
        }
    }
    return true;
}

static void guard_division(struct rewrite *r, size_t at) {
    size_t last = operand_end(r, at + 1);
    while (last + 2 <= r->count && piece_is_one_of(r, last + 1, joins, ARRAY_COUNT(joins))) {
        last = operand_end(r, last + 2);
    }
    if (at < r->count && may_be_zero(r, at + 1)) {
        wrap_add(r, at + 1, last, "nullif(", ", 0)");
    }
}

static void rewrite_is(struct rewrite *r, size_t at) {
    static const char *const plain[] = {"null", "true", "false", "distinct"};
    const bool negated = piece_is(r, at + 1, "not");
    if (piece_is_one_of(r, at + (negated ? 2 : 1), plain, ARRAY_COUNT(plain))) {
        return;
    }
    piece_replace(r, at, negated ? "IS DISTINCT FROM" : "IS NOT DISTINCT FROM");
    if (negated) {
        piece_replace(r, at + 1, "");
    }
}

static void rewrite_like(struct rewrite *r, size_t at) {
    const size_t last = term_end(r, at + 1);
    piece_replace(r, at, "ILIKE");
    if (!piece_is(r, last + 1, "escape")) {
        wrap_add(r, at + 1, last, "", " ESCAPE ''");
    }
}

static void rewrite_glob(struct rewrite *r, size_t at) {
    const bool negated = piece_is(r, at - 1, "not");
    piece_replace(r, at, negated ? "" : "~");
    if (negated) {
        piece_replace(r, at - 1, "!~");
    }
    wrap_add(r, at + 1, term_end(r, at + 1), "plumb._plumb_glob(", ")");
}

/* ---- = IS LIKE IN BETWEEN without brackets ---- */

/* Whether the level goes on with something that these are not an operand of. */
static bool ends_comparison(const struct rewrite *r, size_t at) {
    static const char *const words[] = {"and",       "or",    "not",   ",",      ";",      "when",
                                        "then",      "else",  "as",    "select", "where",  "having",
                                        "on",        "from",  "by",    "limit",  "union",  "except",
                                        "intersect", "order", "group", "case",   "window", "join"};
    return piece_is_one_of(r, at, words, ARRAY_COUNT(words));
}

static bool compares(const struct rewrite *r, size_t at) {
    static const char *const words[] = {"=",  "==", "<>",   "!=",   "<",  ">",
                                        "<=", ">=", "like", "glob", "in", "between"};
    if (piece_is_one_of(r, at, words, ARRAY_COUNT(words))) {
        return true;
    }
    const size_t value = at + (piece_is(r, at + 1, "not") ? 2 : 1);
    return piece_is(r, at, "is") && !piece_is(r, value, "null");
}

/* From here to the end of the comparison, at this level. 0, or a second one. */
static size_t second_comparison(const struct rewrite *r, size_t at) {
    for (size_t i = piece_next(r, at); i <= r->count && r->pieces[i].opener == r->pieces[at].opener;
         i = piece_next(r, i)) {
        const bool negation = piece_is(r, i, "not") && compares(r, i + 1);
        const bool of_is = piece_is(r, i, "not") && piece_is(r, i - 1, "is");
        if (piece_is(r, i, ")") || piece_is(r, i, "end") ||
            (ends_comparison(r, i) && !negation && !of_is)) {
            return 0;
        }
        if (compares(r, i)) {
            return i;
        }
    }
    return 0;
}

enum err_code rewrite_operators(struct rewrite *r, size_t *offset, struct err *err) {
    for (size_t i = 1; i <= r->count; i++) {
        if (compares(r, i) && second_comparison(r, i) != 0) {
            return rewrite_refuse(r, second_comparison(r, i), offset, err,
                                  "binds otherwise beside another comparison: put brackets around "
                                  "the one that is meant first");
        }
        if (piece_is(r, i, "==")) {
            piece_replace(r, i, "=");
        } else if ((piece_is(r, i, "/") || piece_is(r, i, "%")) && i < r->count) {
            guard_division(r, i);
        } else if (piece_is(r, i, "~")) {
            wrap_add(r, i, operand_end(r, i), "(", ")");
        } else if (piece_is(r, i, "is")) {
            rewrite_is(r, i);
        } else if (piece_is(r, i, "like")) {
            rewrite_like(r, i);
        } else if (piece_is(r, i, "glob")) {
            rewrite_glob(r, i);
        }
    }
    bracket_joins(r);
    return ERR_NONE;
}
