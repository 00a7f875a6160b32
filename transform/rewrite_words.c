/* Words, one at a time: calls by a table of functions, names by the flow's spelling, numbers by what
 * they are in SQLite: 64 bits wide, or a float. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "transform/rewrite.h"

/* ---- functions ---- */

struct function {
    const char *name;
    const char *instead; /* what is called; NULL: it means the same there */
    const char *refused; /* why not */
};

#define NO_EQUAL "has no equal there"
#define SAME     NULL, NULL

/* What SQLite has and this does not name is refused; what SQLite has not did not get this far, but for
 * the i256 functions. By name. */
static const struct function functions[] = {
    {"abs", SAME},
    {"acos", SAME},
    {"acosh", SAME},
    {"asin", SAME},
    {"asinh", SAME},
    {"atan", SAME},
    {"atan2", SAME},
    {"atanh", SAME},
    {"avg", "plumb.avg", NULL},
    {"ceil", "plumb.ceil", NULL},
    {"ceiling", "plumb.ceil", NULL},
    {"char", NULL, NO_EQUAL},
    {"coalesce", SAME},
    {"cos", SAME},
    {"cosh", SAME},
    {"count", SAME},
    {"cume_dist", SAME},
    {"date", "plumb.date", NULL},
    {"datetime", "plumb.datetime", NULL},
    {"degrees", SAME},
    {"dense_rank", SAME},
    {"exp", SAME},
    {"first_value", SAME},
    {"floor", "plumb.floor", NULL},
    {"format", NULL, "has no equal there: put texts together with ||"},
    {"glob", NULL, "as a function has no equal there: write a GLOB b"},
    {"hex", "plumb.hex", NULL},
    {"ifnull", "plumb.ifnull", NULL},
    {"iif", "plumb.iif", NULL},
    {"instr", "plumb.instr", NULL},
    {"json", "plumb.json", NULL},
    {"json_array", NULL, NO_EQUAL},
    {"json_array_length", "plumb.json_array_length", NULL},
    {"json_each", "plumb.json_each", NULL},
    {"json_extract", "plumb.json_extract", NULL},
    {"json_insert", NULL, NO_EQUAL},
    {"json_object", NULL, NO_EQUAL},
    {"json_patch", NULL, NO_EQUAL},
    {"json_quote", NULL, NO_EQUAL},
    {"json_remove", NULL, NO_EQUAL},
    {"json_replace", NULL, NO_EQUAL},
    {"json_set", NULL, NO_EQUAL},
    {"json_tree", NULL, NO_EQUAL},
    {"json_type", "plumb.json_type", NULL},
    {"json_valid", "plumb.json_valid", NULL},
    {"julianday", NULL, "has no equal there: times are integers here, microseconds since 1970"},
    {"lag", SAME},
    {"last_value", SAME},
    {"lead", SAME},
    {"length", "plumb.length", NULL},
    {"like", NULL, "as a function has no equal there: write a LIKE b"},
    {"likelihood", NULL, NO_EQUAL},
    {"likely", "plumb.likely", NULL},
    {"ln", SAME},
    {"log", NULL, "means other things there: write log10() or ln()"},
    {"log10", SAME},
    {"log2", NULL, "has no equal there: write ln(x) / ln(2.0)"},
    {"lower", "plumb.lower", NULL},
    {"ltrim", SAME},
    {"max", SAME},
    {"min", SAME},
    {"mod", NULL, "has no equal there: write a % b of integers"},
    {"nth_value", SAME},
    {"ntile", SAME},
    {"nullif", SAME},
    {"percent_rank", SAME},
    {"pi", SAME},
    {"pow", SAME},
    {"power", SAME},
    {"printf", NULL, "has no equal there: put texts together with ||"},
    {"quote", NULL, NO_EQUAL},
    {"radians", SAME},
    {"rank", SAME},
    {"replace", "plumb.replace", NULL},
    {"round", "plumb.round", NULL},
    {"row_number", SAME},
    {"rtrim", SAME},
    {"sign", "plumb.sign", NULL},
    {"sin", SAME},
    {"sinh", SAME},
    {"soundex", NULL, NO_EQUAL},
    {"sqrt", "plumb.sqrt", NULL},
    {"strftime", "plumb.strftime", NULL},
    {"substr", "plumb.substr", NULL},
    {"substring", "plumb.substr", NULL},
    {"sum", "plumb.sum", NULL},
    {"tan", SAME},
    {"tanh", SAME},
    {"time", "plumb.time", NULL},
    {"total", "plumb.total", NULL},
    {"trim", "plumb.trim", NULL},
    {"trunc", "plumb.trunc", NULL},
    {"typeof", "plumb.typeof", NULL},
    {"unicode", "plumb.unicode", NULL},
    {"unixepoch", "plumb.unixepoch", NULL},
    {"unlikely", "plumb.unlikely", NULL},
    {"zeroblob", NULL, NO_EQUAL},
};

static const struct function *find_function(const struct sql_token *t) {
    for (size_t i = 0; i < ARRAY_COUNT(functions); i++) {
        if (sql_is_word(t, functions[i].name)) {
            return &functions[i];
        }
    }
    return NULL;
}

/* name(...) AS (: a common table expression and its columns. */
static bool is_cte(const struct rewrite *r, size_t at) {
    const size_t after = r->pieces[at + 1].match + 1;
    return r->pieces[at].clause == CLAUSE_OTHER && piece_is(r, after, "as") &&
           (piece_is(r, after + 1, "(") || piece_is(r, after + 1, "not") ||
            piece_is(r, after + 1, "materialized"));
}

static bool has_comma(const struct rewrite *r, size_t opener) {
    for (size_t i = opener + 1; i < r->pieces[opener].match; i = piece_next(r, i)) {
        if (piece_is(r, i, ",")) {
            return true;
        }
    }
    return false;
}

/* Of a name before brackets. */
static enum err_code rewrite_call(struct rewrite *r, size_t at, size_t *offset, struct err *err) {
    const struct function *f = find_function(&r->pieces[at].t);
    if (f == NULL) {
        return ERR_NONE;
    }
    if (f->refused != NULL) {
        return rewrite_refuse(r, at, offset, err, f->refused);
    }
    const bool of_several = has_comma(r, at + 1);
    if (of_several && piece_is(r, at, "max")) {
        piece_replace(r, at, "plumb.max");
    } else if (of_several && piece_is(r, at, "min")) {
        piece_replace(r, at, "plumb.min");
    } else {
        piece_replace(r, at, f->instead);
    }
    return ERR_NONE;
}

/* ---- names ---- */

/* The spelling of a name; as_is: one is spelled so; other: another one, which is not the only one when
 * ambiguous. */
struct spelling {
    struct str word;
    bool as_is;
    const char *other;
    bool ambiguous;
};

static void note_name(struct spelling *s, const char *name) {
    if (strlen(name) != s->word.len || strncasecmp(name, s->word.ptr, s->word.len) != 0) {
        return;
    }
    if (memcmp(name, s->word.ptr, s->word.len) == 0) {
        s->as_is = true;
    } else {
        s->ambiguous = s->ambiguous || (s->other != NULL && strcmp(s->other, name) != 0);
        s->other = name;
    }
}

static void note_schema(struct spelling *s, const struct schema *schema) {
    for (size_t i = 0; i < schema->count; i++) {
        note_name(s, schema->columns[i].name);
    }
}

static struct spelling find_spelling(const struct flow *flow, struct str word) {
    struct spelling s = {.word = word};
    for (size_t i = 0; flow != NULL && i < flow->table_count; i++) {
        note_name(&s, flow->tables[i].name);
        note_schema(&s, &flow->tables[i].schema);
    }
    for (size_t i = 0; flow != NULL && i < flow->source_count; i++) {
        for (size_t k = 0; k < flow->sources[i].stream_count; k++) {
            note_schema(&s, &flow->sources[i].streams[k].spec->schema);
        }
    }
    return s;
}

/* Names in SQLite without quotes, and words of PostgreSQL. */
static const char *const words_there[] = {"analyse",      "analyze",        "any",
                                          "array",        "asymmetric",     "authorization",
                                          "binary",       "both",           "collation",
                                          "column",       "concurrently",   "current_catalog",
                                          "current_role", "current_schema", "current_user",
                                          "do",           "fetch",          "for",
                                          "freeze",       "grant",          "ilike",
                                          "initially",    "lateral",        "leading",
                                          "localtime",    "localtimestamp", "only",
                                          "overlaps",     "placing",        "session_user",
                                          "similar",      "some",           "symmetric",
                                          "tablesample",  "trailing",       "user",
                                          "variadic",     "verbose"};

static bool is_plain(struct str word, bool is_quoted) {
    for (size_t i = 0; i < word.len; i++) {
        const char c = word.ptr[i];
        if ((c >= 'A' && c <= 'Z') || (is_quoted && c == '"')) {
            return false;
        }
    }
    return true;
}

/* In quotes and small letters, as PostgreSQL takes a word without quotes. */
static const char *quoted(struct rewrite *r, struct str word) {
    char *text = arena_printf(&r->arena, "\"%.*s\"", (int)word.len, word.ptr);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + ('a' - 'A')) : *c;
    }
    return text;
}

static const char *in_quotes(struct rewrite *r, struct str name) {
    return arena_printf(&r->arena, "\"%.*s\"", STR_FMT(name));
}

/* NULL: it may stay. */
static const char *new_spelling(struct rewrite *r, size_t at, const struct spelling *s) {
    const struct sql_token *t = &r->pieces[at].t;
    const bool is_double = r->sql[t->offset] == '"';
    if (!s->as_is && s->other != NULL && (t->is_quoted || !is_plain(str_of(s->other), false))) {
        return in_quotes(r, str_of(s->other));
    }
    if (s->as_is && (t->is_quoted ? !is_double : !is_plain(t->text, false))) {
        return in_quotes(r, t->text);
    }
    const bool is_odd = t->is_quoted && !s->as_is && (!is_double || !is_plain(t->text, false));
    const bool is_word_there =
        !t->is_quoted && piece_is_one_of(r, at, words_there, ARRAY_COUNT(words_there));
    return is_odd || is_word_there ? quoted(r, t->text) : NULL;
}

static enum err_code rewrite_name(struct rewrite *r, size_t at, size_t *offset, struct err *err) {
    const struct spelling s = find_spelling(r->flow, r->pieces[at].t.text);
    if (!s.as_is && s.ambiguous) {
        return rewrite_refuse(r, at, offset, err,
                              "is spelled in several ways in this flow, and names are told apart "
                              "by case there: write it as its table does");
    }
    piece_replace(r, at, new_spelling(r, at, &s));
    return ERR_NONE;
}

enum err_code rewrite_words(struct rewrite *r, size_t *offset, struct err *err) {
    for (size_t i = 1; i <= r->count; i++) {
        if (!piece_is_name(r, i)) {
            continue;
        }
        const bool called = piece_is(r, i + 1, "(") && !r->pieces[i].t.is_quoted &&
                            r->pieces[i + 1].match != 0 && !piece_is(r, i - 1, ".") &&
                            !is_cte(r, i);
        enum err_code code = called && find_function(&r->pieces[i].t) != NULL
                                 ? rewrite_call(r, i, offset, err)
                                 : rewrite_name(r, i, offset, err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

/* ---- numbers ---- */

/* A position in ORDER BY or GROUP BY, a limit, a frame's size, an offset of lag(): PostgreSQL wants the
 * plain number. */
static bool is_plain_number(const struct rewrite *r, size_t at) {
    static const char *const before[] = {"by", ",", "limit", "offset"};
    static const char *const after[] = {",", ")", ";"};
    static const char *const windows[] = {"lag", "lead", "ntile", "nth_value"};
    const struct piece *p = &r->pieces[at];
    const bool alone = piece_is_one_of(r, at - 1, before, ARRAY_COUNT(before)) &&
                       (r->pieces[at + 1].t.kind != SQL_TOKEN_OPERATOR ||
                        piece_is_one_of(r, at + 1, after, ARRAY_COUNT(after)));
    if (p->clause == CLAUSE_ORDER || p->clause == CLAUSE_GROUP || p->clause == CLAUSE_LIMIT) {
        return alone;
    }
    const bool in_call = p->opener > 1 && piece_is(r, p->opener, "(");
    if (in_call && piece_is_one_of(r, p->opener - 1, windows, ARRAY_COUNT(windows))) {
        return piece_is(r, at - 1, ",") || piece_is(r, p->opener - 1, "ntile");
    }
    return piece_is(r, at + 1, "preceding") || piece_is(r, at + 1, "following");
}

/* False for what is no whole number of 64 bits. */
static bool read_number(struct str text, uint64_t *out) {
    const bool is_hex = text.len > 2 && text.ptr[0] == '0' && (text.ptr[1] | 0x20) == 'x';
    if (!is_hex) {
        return parse_u64(text, out);
    }
    *out = 0;
    for (size_t i = 2; i < text.len; i++) {
        const int digit = isxdigit((unsigned char)text.ptr[i]) == 0 ? -1
                          : text.ptr[i] <= '9'                      ? text.ptr[i] - '0'
                                               : (text.ptr[i] | 0x20) - 'a' + 10;
        if (digit < 0 || *out >> 60 != 0) {
            return false;
        }
        *out = *out << 4 | (uint64_t)digit;
    }
    return true;
}

static void rewrite_number(struct rewrite *r, size_t at) {
    const struct str text = r->pieces[at].t.text;
    const char *copy = arena_strndup(&r->arena, text.ptr, text.len);
    uint64_t n = 0;
    const bool is_whole = read_number(text, &n);
    if (is_whole && (copy[1] | 0x20) == 'x') {
        piece_replace(r, at, arena_printf(&r->arena, "(%lld)::bigint", (long long)(int64_t)n));
    } else if (is_whole && n <= INT64_MAX) {
        piece_replace(r, at, arena_printf(&r->arena, "%s::bigint", copy));
    } else if (is_whole && n == (uint64_t)INT64_MAX + 1 && piece_is(r, at - 1, "-") &&
               !piece_ends_operand(r, at - 2)) {
        piece_replace(r, at - 1, "");
        piece_replace(r, at, "(-9223372036854775808)::bigint");
    } else {
        piece_replace(r, at, arena_printf(&r->arena, "%s::double precision", copy));
    }
}

void rewrite_numbers(struct rewrite *r) {
    for (size_t i = 1; i <= r->count; i++) {
        if (r->pieces[i].t.kind == SQL_TOKEN_NUMBER && !is_plain_number(r, i)) {
            rewrite_number(r, i);
        }
    }
}
