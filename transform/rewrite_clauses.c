/* CAST, joins, subqueries without a name, and where NULL stands in an order: in SQLite before all
 * else, in PostgreSQL after it. An order by columns that are never NULL is left alone, so that an
 * index of the primary key serves it. */
#include <string.h>
#include <strings.h>

#include "transform/rewrite.h"

/* ---- CAST ---- */

static bool contains(struct str text, const char *word) {
    const size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++) {
        if (strncasecmp(text.ptr + i, word, len) == 0) {
            return true;
        }
    }
    return false;
}

/* By SQLite's rules of affinity. NULL: NUMERIC, which has no equal. */
static const char *cast_function(struct str type) {
    static const char *const rules[][2] = {
        {"int", "plumb._plumb_to_int"},   {"char", "plumb._plumb_to_text"},
        {"clob", "plumb._plumb_to_text"}, {"text", "plumb._plumb_to_text"},
        {"blob", "plumb._plumb_to_blob"}, {"real", "plumb._plumb_to_real"},
        {"floa", "plumb._plumb_to_real"}, {"double", "plumb._plumb_to_real"}};
    for (size_t i = 0; i < ARRAY_COUNT(rules); i++) {
        if (contains(type, rules[i][0])) {
            return rules[i][1];
        }
    }
    return NULL;
}

static enum err_code rewrite_cast(struct rewrite *r, size_t at, size_t *offset, struct err *err) {
    const size_t close = r->pieces[at + 1].match;
    size_t as = 0;
    for (size_t i = at + 2; i < close; i = piece_next(r, i)) {
        as = piece_is(r, i, "as") ? i : as;
    }
    if (as == 0) {
        return ERR_NONE;
    }
    const size_t from = r->pieces[as].end;
    const char *function =
        cast_function((struct str){r->sql + from, r->pieces[close].t.offset - from});
    if (function == NULL) {
        return rewrite_refuse(r, at, offset, err,
                              "takes INTEGER, REAL, TEXT or BLOB: other types have no equal there");
    }
    piece_replace(r, at, function);
    for (size_t i = as; i < close; i++) {
        piece_replace(r, i, "");
    }
    return ERR_NONE;
}

/* ---- joins and subqueries ---- */

/* The last piece of a table in FROM, its alias included. */
static size_t table_end(const struct rewrite *r, size_t at) {
    size_t end = operand_end(r, at);
    if (piece_is(r, end + 1, "as")) {
        return end + 2 <= r->count ? end + 2 : end;
    }
    return end < r->count && piece_is_name(r, end + 1) ? end + 1 : end;
}

static bool has_condition(const struct rewrite *r, size_t join) {
    const size_t end = table_end(r, join + 1);
    return piece_is(r, end + 1, "on") || piece_is(r, end + 1, "using");
}

/* CROSS JOIN has no ON there, and JOIN has one. */
static void rewrite_join(struct rewrite *r, size_t at) {
    static const char *const wanted[] = {"left", "right", "full", "outer", "natural"};
    const bool crossed = piece_is(r, at - 1, "cross");
    if (at == r->count || piece_is_one_of(r, at - 1, wanted, ARRAY_COUNT(wanted)) ||
        (piece_is(r, at - 1, "inner") && piece_is(r, at - 2, "natural"))) {
        return;
    }
    if (crossed && has_condition(r, at)) {
        piece_replace(r, at - 1, "INNER");
    } else if (!crossed && !has_condition(r, at)) {
        piece_replace(r, at, "CROSS JOIN");
        if (piece_is(r, at - 1, "inner")) {
            piece_replace(r, at - 1, "");
        }
    }
}

/* FROM (SELECT ...) needs a name. at: its opening bracket. */
static void name_subquery(struct rewrite *r, size_t at) {
    static const char *const before[] = {"from", "join", ","};
    static const char *const begins[] = {"select", "with", "values"};
    const size_t close = r->pieces[at].match;
    if (close > at && r->pieces[at].clause == CLAUSE_FROM &&
        piece_is_one_of(r, at - 1, before, ARRAY_COUNT(before)) &&
        piece_is_one_of(r, at + 1, begins, ARRAY_COUNT(begins)) && !piece_is(r, close + 1, "as") &&
        !(close < r->count && piece_is_name(r, close + 1))) {
        wrap_add(r, at, close, "", arena_printf(&r->arena, " AS _s%zu", at));
    }
}

/* ---- what is never NULL ---- */

struct order_column {
    const struct rewrite *r;
    struct str table; /* or alias; empty: any */
    struct str name;
};

static bool same(struct str a, const struct sql_token *b) {
    return a.len == b->text.len && strncasecmp(a.ptr, b->text.ptr, a.len) == 0;
}

static const struct flow_table *flow_table_of(const struct rewrite *r, const struct sql_token *t) {
    for (size_t i = 0; r->flow != NULL && i < r->flow->table_count; i++) {
        if (same(str_of(r->flow->tables[i].name), t)) {
            return &r->flow->tables[i];
        }
    }
    return NULL;
}

static bool is_key(const struct flow_table *t, struct str name, bool *exists) {
    for (size_t i = 0; i < t->schema.count; i++) {
        const char *column = t->schema.columns[i].name;
        if (strlen(column) != name.len || strncasecmp(column, name.ptr, name.len) != 0) {
            continue;
        }
        *exists = true;
        for (size_t k = 0; k < t->key_count; k++) {
            if (t->key[k] == i) {
                return true;
            }
        }
    }
    return false;
}

/* The table that begins at `at` has the column: 1 as a key, -1 otherwise; 0: it has not, as far as is
 * known. */
static int column_of_table(const struct order_column *c, size_t at) {
    const struct rewrite *r = c->r;
    const size_t end = table_end(r, at);
    const struct flow_table *t = flow_table_of(r, &r->pieces[at].t);
    if (c->table.len > 0 && !same(c->table, &r->pieces[end].t)) {
        return 0;
    }
    bool exists = false;
    const bool in_key = t != NULL && operand_end(r, at) == at && is_key(t, c->name, &exists);
    const bool optional = piece_is(r, at - 1, "join") &&
                          (piece_is(r, at - 2, "left") || piece_is(r, at - 2, "outer"));
    if (t != NULL && !exists) {
        return c->table.len > 0 ? -1 : 0;
    }
    return in_key && !optional ? 1 : -1;
}

/* Whether the column of an ORDER BY at `at` is one of a table's key, by the FROM before it. */
static bool is_never_null(const struct order_column *c, size_t at) {
    static const char *const before[] = {"from", "join", ","};
    static const char *const unclear[] = {"right", "full", "union", "except", "intersect"};
    const struct rewrite *r = c->r;
    int found = 0;
    const size_t opener = r->pieces[at].opener;
    for (size_t i = opener + 1; i < at; i = piece_next(r, i)) {
        if (piece_is_one_of(r, i, unclear, ARRAY_COUNT(unclear))) {
            return false;
        }
        if (r->pieces[i].clause == CLAUSE_FROM &&
            piece_is_one_of(r, i, before, ARRAY_COUNT(before))) {
            const int has = column_of_table(c, i + 1);
            if (has < 0) {
                return false;
            }
            found += has;
        }
    }
    return found > 0;
}

/* ---- ORDER BY ---- */

static size_t order_term_end(const struct rewrite *r, size_t at) {
    const size_t opener = r->pieces[at].opener;
    size_t last = at;
    for (size_t i = at; i <= r->count && r->pieces[i].opener == opener; i = piece_next(r, i)) {
        if (r->pieces[i].clause != CLAUSE_ORDER || piece_is(r, i, ",") || piece_is(r, i, ")") ||
            piece_is(r, i, ";")) {
            break;
        }
        last = r->pieces[i].match > i ? r->pieces[i].match : i;
    }
    return last;
}

static void order_term(struct rewrite *r, size_t first) {
    const size_t last = order_term_end(r, first);
    const bool descends = piece_is(r, last, "desc");
    const size_t value_last = descends || piece_is(r, last, "asc") ? last - 1 : last;
    if (piece_is(r, last - 1, "nulls") || value_last < first) {
        return;
    }
    struct order_column c = {.r = r, .name = r->pieces[value_last].t.text};
    const bool qualified = value_last == first + 2 && piece_is(r, first + 1, ".");
    if (qualified) {
        c.table = r->pieces[first].t.text;
    }
    const bool is_column = (qualified || value_last == first) && piece_is_name(r, first);
    if (is_column && is_never_null(&c, first)) {
        return;
    }
    wrap_add(r, first, last, "", descends ? " NULLS LAST" : " NULLS FIRST");
}

static void rewrite_order(struct rewrite *r, size_t by) {
    size_t at = by + 1;
    while (at <= r->count && r->pieces[at].clause == CLAUSE_ORDER &&
           r->pieces[at].opener == r->pieces[by].opener) {
        order_term(r, at);
        const size_t comma = order_term_end(r, at) + 1;
        if (!piece_is(r, comma, ",")) {
            return;
        }
        at = comma + 1;
    }
}

/* ---- all ---- */

static const char *clause_refused(const struct rewrite *r, size_t at) {
    if (r->pieces[at].clause == CLAUSE_LIMIT && piece_is(r, at, "limit") &&
        piece_is(r, at + 1, "-")) {
        return "takes no negative number: leave it out";
    }
    if (r->pieces[at].clause == CLAUSE_LIMIT && piece_is(r, at, ",")) {
        return "in LIMIT has no equal there: write LIMIT number OFFSET number";
    }
    if (piece_is(r, at, "collate") && !piece_is(r, at + 1, "binary")) {
        return "has no equal there: compare lower(...) or rtrim(...)";
    }
    if (piece_is(r, at, "indexed") && (piece_is(r, at + 1, "by") || piece_is(r, at - 1, "not"))) {
        return "has no equal there: leave it out";
    }
    return NULL;
}

enum err_code rewrite_clauses(struct rewrite *r, size_t *offset, struct err *err) {
    for (size_t i = 1; i <= r->count; i++) {
        const char *refused = clause_refused(r, i);
        enum err_code code =
            refused != NULL ? rewrite_refuse(r, i, offset, err, refused) : ERR_NONE;
        if (code == ERR_NONE && piece_is(r, i, "cast") && r->pieces[i + 1].match > i) {
            code = rewrite_cast(r, i, offset, err);
        }
        if (code != ERR_NONE) {
            return code;
        }
        if (piece_is(r, i, "collate")) {
            piece_replace(r, i + 1, "\"C\"");
        } else if (piece_is(r, i, "join")) {
            rewrite_join(r, i);
        } else if (piece_is(r, i, "(")) {
            name_subquery(r, i);
        } else if (piece_is(r, i, "order") && piece_is(r, i + 1, "by")) {
            rewrite_order(r, i + 1);
        }
    }
    return ERR_NONE;
}
