/* Read into pieces, let each rule mark what it changes, and write all out in one pass. The rules are in
 * rewrite_words.c, rewrite_operators.c and rewrite_clauses.c; none looks at what another changed. */
#include "transform/postgres_sql.h"

#include <stdlib.h>
#include <string.h>

#include "transform/rewrite.h"

/* ---- pieces ---- */

/* The token at *at, X'..' taken as one. */
static struct sql_token next_token(const char *sql, size_t *at) {
    struct sql_token t = sql_next_token(sql, at);
    if (t.kind == SQL_TOKEN_WORD && !t.is_quoted && t.text.len == 1 &&
        (t.text.ptr[0] == 'x' || t.text.ptr[0] == 'X') && sql[*at] == '\'') {
        const struct sql_token bytes = sql_next_token(sql, at);
        t.kind = SQL_TOKEN_STRING;
        t.text = bytes.text;
    }
    return t;
}

static enum err_code read_pieces(struct rewrite *r, struct err *err) {
    size_t at = 0;
    size_t count = 0;
    while (next_token(r->sql, &at).kind != SQL_TOKEN_END) {
        count++;
    }
    if (count > POSTGRES_SQL_TOKENS_MAX) {
        return err_set(err, ERR_LIMIT, "SQL: more than %d words and signs",
                       POSTGRES_SQL_TOKENS_MAX);
    }
    r->pieces = mem_alloc_array(count + 3, sizeof(*r->pieces)); /* two may be looked ahead */
    r->count = count;
    at = 0;
    for (size_t i = 1; i <= count; i++) {
        r->pieces[i].t = next_token(r->sql, &at);
        r->pieces[i].end = at;
    }
    return ERR_NONE;
}

/* ---- levels and clauses ---- */

static void match_pieces(struct rewrite *r) {
    size_t opener = 0;
    for (size_t i = 1; i <= r->count; i++) {
        struct piece *p = &r->pieces[i];
        const bool closes = piece_is(r, i, ")") || piece_is(r, i, "end");
        if (closes && opener != 0 && piece_is(r, opener, "(") == piece_is(r, i, ")")) {
            p->match = opener;
            r->pieces[opener].match = i;
            opener = r->pieces[opener].opener;
        }
        p->opener = opener;
        if (piece_is(r, i, "(") || piece_is(r, i, "case")) {
            opener = i;
        }
    }
    for (size_t i = 1; i <= r->count; i++) { /* what is never closed opens nothing */
        while (r->pieces[i].opener != 0 && r->pieces[r->pieces[i].opener].match == 0) {
            r->pieces[i].opener = r->pieces[r->pieces[i].opener].opener;
        }
    }
}

static enum clause clause_begun(const struct rewrite *r, size_t at, enum clause before) {
    static const struct {
        const char *word, *next;
        enum clause clause;
    } words[] = {
        {"select", NULL, CLAUSE_SELECT},   {"where", NULL, CLAUSE_WHERE},
        {"group", "by", CLAUSE_GROUP},     {"having", NULL, CLAUSE_OTHER},
        {"order", "by", CLAUSE_ORDER},     {"limit", NULL, CLAUSE_LIMIT},
        {"offset", NULL, CLAUSE_LIMIT},    {"union", NULL, CLAUSE_NONE},
        {"except", NULL, CLAUSE_NONE},     {"intersect", NULL, CLAUSE_NONE},
        {"window", NULL, CLAUSE_OTHER},    {"with", NULL, CLAUSE_OTHER},
        {"partition", "by", CLAUSE_OTHER}, {"values", NULL, CLAUSE_SELECT},
    };
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (piece_is(r, at, words[i].word) &&
            (words[i].next == NULL || piece_is(r, at + 1, words[i].next))) {
            return words[i].clause;
        }
    }
    static const char *const frames[] = {"rows", "range", "groups"};
    static const char *const begins[] = {"between", "unbounded", "current"};
    if (before == CLAUSE_ORDER && piece_is_one_of(r, at, frames, ARRAY_COUNT(frames)) &&
        (r->pieces[at + 1].t.kind == SQL_TOKEN_NUMBER ||
         piece_is_one_of(r, at + 1, begins, ARRAY_COUNT(begins)))) {
        return CLAUSE_OTHER;
    }
    /* IS DISTINCT FROM begins nothing. */
    return piece_is(r, at, "from") && !piece_is(r, at - 1, "distinct") ? CLAUSE_FROM : before;
}

/* The clause a level begins in: brackets around a join are of FROM. */
static enum clause clause_within(const struct rewrite *r, size_t opener) {
    static const char *const before[] = {"from", "join", ","};
    return r->pieces[opener].clause == CLAUSE_FROM &&
                   piece_is_one_of(r, opener - 1, before, ARRAY_COUNT(before))
               ? CLAUSE_FROM
               : CLAUSE_NONE;
}

static void find_clauses(struct rewrite *r) {
    /* The level's last piece so far has the level's clause; it is kept with the opener. */
    enum clause *now = mem_alloc_array(r->count + 1, sizeof(*now));
    for (size_t i = 1; i <= r->count; i++) {
        const size_t level = r->pieces[i].opener;
        now[level] = clause_begun(r, i, now[level]);
        r->pieces[i].clause = now[level];
        if (r->pieces[i].match > i) {
            now[i] = clause_within(r, i);
        }
    }
    mem_free(now);
}

/* ---- writing ---- */

static int by_first(const void *a, const void *b) {
    const struct wrap *x = a;
    const struct wrap *y = b;
    if (x->first != y->first) {
        return x->first < y->first ? -1 : 1;
    }
    if (x->last != y->last) {
        return x->last > y->last ? -1 : 1;
    }
    return x->number > y->number ? -1 : 1;
}

static int by_last(const void *a, const void *b) {
    const struct wrap *x = a;
    const struct wrap *y = b;
    if (x->last != y->last) {
        return x->last < y->last ? -1 : 1;
    }
    if (x->first != y->first) {
        return x->first > y->first ? -1 : 1;
    }
    return x->number < y->number ? -1 : 1;
}

/* What stands between two pieces: comments are left out, since PostgreSQL's nest. */
static void write_gap(struct buf *out, const char *sql, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        const bool comment =
            (sql[i] == '-' && sql[i + 1] == '-') || (sql[i] == '/' && sql[i + 1] == '*');
        if (comment) {
            const bool line = sql[i] == '-';
            buf_adds(out, " ");
            for (; i < to && !(line ? sql[i] == '\n' : sql[i] == '*' && sql[i + 1] == '/'); i++) {
                buf_adds(out, !line && sql[i] == '\n' ? "\n" : "");
            }
            i += line || i >= to ? 0 : 1;
            buf_adds(out, line && i < to ? "\n" : "");
        } else {
            buf_addstr(out, (struct str){sql + i, 1});
        }
    }
}

static void write_pieces(struct rewrite *r, struct buf *out) {
    struct wrap *ends = mem_alloc_array(r->wrap_count + 1, sizeof(*ends));
    if (r->wrap_count > 0) {
        qsort(r->wraps, r->wrap_count, sizeof(*r->wraps), by_first);
        memcpy(ends, r->wraps, r->wrap_count * sizeof(*ends));
        qsort(ends, r->wrap_count, sizeof(*ends), by_last);
    }
    size_t first = 0;
    size_t last = 0;
    size_t at = 0;
    for (size_t i = 1; i <= r->count; i++) {
        const struct piece *p = &r->pieces[i];
        write_gap(out, r->sql, at, p->t.offset);
        for (; first < r->wrap_count && r->wraps[first].first == i; first++) {
            buf_adds(out, r->wraps[first].before);
        }
        if (p->text != NULL) {
            buf_adds(out, p->text);
        } else {
            buf_addstr(out, (struct str){r->sql + p->t.offset, p->end - p->t.offset});
        }
        for (; last < r->wrap_count && ends[last].last == i; last++) {
            buf_adds(out, ends[last].after);
        }
        at = p->end;
    }
    write_gap(out, r->sql, at, strlen(r->sql));
    mem_free(ends);
}

/* ---- all of it ---- */

static enum err_code rewrite(struct rewrite *r, struct buf *out, size_t *offset, struct err *err) {
    enum err_code code = read_pieces(r, err);
    if (code != ERR_NONE) {
        return code;
    }
    match_pieces(r);
    find_clauses(r);
    rewrite_numbers(r);
    code = rewrite_words(r, offset, err);
    if (code == ERR_NONE) {
        code = rewrite_operators(r, offset, err);
    }
    if (code == ERR_NONE) {
        code = rewrite_clauses(r, offset, err);
    }
    if (code == ERR_NONE) {
        AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
        write_pieces(r, &text);
        rewrite_rows(buf_c(&text), out);
    }
    return code;
}

enum err_code postgres_sql(const struct flow *flow, const char *sql, struct buf *out,
                           size_t *offset, struct err *err) {
    struct rewrite r = {.flow = flow, .sql = sql};
    arena_init(&r.arena, BUF_TEXT_MAX);
    size_t place = 0;
    const enum err_code code = rewrite(&r, out, &place, err);
    if (code != ERR_NONE) {
        *offset = place;
    }
    mem_free(r.pieces);
    mem_free(r.wraps);
    arena_release(&r.arena);
    return code;
}

enum err_code postgres_sql_at(const struct flow *flow, const char *sql, const struct node *node,
                              struct buf *out, struct err *err) {
    size_t offset = 0;
    const enum err_code code = postgres_sql(flow, sql, out, &offset, err);
    if (code != ERR_NONE) {
        int line = node->line;
        int column = node->column;
        node_text_position(node, offset, &line, &column);
        err_where(err, "%s:%d:%d", node->file, line, column);
    }
    return code;
}
