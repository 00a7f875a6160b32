/* How it works: one pass over the tokens, copying the text and putting calls around what follows
 * THEN and ELSE, and around the condition of the outermost WHERE. Open CASEs are a stack; brackets
 * tell which WHEN, ELSE and END are whose. A keyword after a dot, or in quotes, is a name. */
#include "transform/branches.h"

#include <string.h>

#include "transform/tokens.h"

struct open_case {
    int depth; /* of brackets around it */
    size_t offset, when;
    bool is_wrapped; /* a call is open around the present THEN or ELSE */
    bool has_else;
};

struct marking {
    const char *sql;
    struct buf *out;
    struct branches *ways;
    size_t first;    /* number of the first counter */
    size_t before;   /* ways there were already */
    size_t copied;   /* of sql, up to here */
    size_t last_end; /* behind the token before */
    struct open_case open[BRANCHES_NESTED_MAX];
    size_t open_count;
    int depth;
    bool in_where;
    size_t where;
    bool is_lost; /* it is not as it should be */
};

void branches_release(struct branches *b) {
    mem_free(b->items);
    *b = (struct branches){.items = NULL};
}

static size_t add_way(struct marking *m, enum branch_kind kind, size_t offset, size_t end) {
    struct branches *b = m->ways;
    if (b->count == b->capacity) {
        b->capacity = b->capacity > 0 ? 2 * b->capacity : 16;
        b->items = mem_realloc(b->items, b->capacity * sizeof(*b->items));
    }
    b->items[b->count] = (struct branch){kind, offset, end};
    return m->first + b->count++ - m->before;
}

static void copy_to(struct marking *m, size_t offset) {
    buf_addstr(m->out, (struct str){m->sql + m->copied, offset - m->copied});
    m->copied = offset;
}

/* Behind the token before: a comment that follows it stays where it is. */
static void close_wrap(struct marking *m, struct open_case *c) {
    if (c->is_wrapped) {
        copy_to(m, m->last_end);
        buf_adds(m->out, "))");
        c->is_wrapped = false;
    }
}

static void open_wrap(struct marking *m, struct open_case *c, size_t way, size_t token_end) {
    copy_to(m, token_end);
    buf_addf(m->out, " plumb_reached(%zu, (", way);
    c->is_wrapped = true;
}

static void end_case(struct marking *m, struct open_case *c, size_t end) {
    close_wrap(m, c);
    if (!c->has_else) {
        const size_t way = add_way(m, BRANCH_NO_ELSE, c->offset, end);
        copy_to(m, m->last_end);
        buf_addf(m->out, " ELSE plumb_reached(%zu, NULL) ", way);
    }
    m->open_count--;
}

static void close_where(struct marking *m) {
    if (m->in_where) {
        const size_t way = add_way(m, BRANCH_KEEPS, m->where, m->last_end);
        (void)add_way(m, BRANCH_LEAVES, m->where, m->last_end);
        copy_to(m, m->last_end);
        buf_addf(m->out, "), %zu)", way);
        m->in_where = false;
    }
}

/* A word of a CASE that is open, at its own depth. */
static void follow_case(struct marking *m, const struct sql_token *t, size_t end) {
    struct open_case *c = &m->open[m->open_count - 1];
    if (sql_is_word(t, "when")) {
        m->is_lost = m->is_lost || c->has_else;
        close_wrap(m, c);
        c->when = t->offset;
    } else if (sql_is_word(t, "then")) {
        m->is_lost = m->is_lost || c->when == 0;
        open_wrap(m, c, add_way(m, BRANCH_WHEN, c->when, m->last_end), end);
    } else if (sql_is_word(t, "else")) {
        m->is_lost = m->is_lost || c->when == 0 || c->has_else;
        close_wrap(m, c);
        c->has_else = true;
        open_wrap(m, c, add_way(m, BRANCH_ELSE, t->offset, end), end);
    } else if (sql_is_word(t, "end")) {
        m->is_lost = m->is_lost || c->when == 0;
        end_case(m, c, end);
    }
}

static void open_case(struct marking *m, const struct sql_token *t) {
    if (m->open_count == BRANCHES_NESTED_MAX) {
        m->is_lost = true;
        return;
    }
    m->open[m->open_count++] = (struct open_case){.depth = m->depth, .offset = t->offset};
}

static bool ends_where(const struct sql_token *t) {
    static const char *const words[] = {"group", "having", "window",    "order",
                                        "limit", "union",  "intersect", "except"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (sql_is_word(t, words[i])) {
            return true;
        }
    }
    return false;
}

static void follow_word(struct marking *m, const struct sql_token *t, size_t end, bool with_where) {
    if (sql_is_word(t, "case")) {
        open_case(m, t);
    } else if (m->open_count > 0 && m->open[m->open_count - 1].depth == m->depth) {
        follow_case(m, t, end);
    } else if (m->depth == 0 && m->open_count == 0 && with_where && sql_is_word(t, "where")) {
        copy_to(m, end);
        m->in_where = true;
        m->where = t->offset;
        /* Its two ways get their numbers when it ends, behind those of the CASEs in it. */
        buf_adds(m->out, " plumb_decided((");
    } else if (m->depth == 0 && ends_where(t)) {
        close_where(m);
    }
}

static void follow_operator(struct marking *m, char c) {
    if (c == '(') {
        m->depth++;
    } else if (c == ')') {
        m->depth--;
        m->is_lost = m->is_lost || m->depth < 0 ||
                     (m->open_count > 0 && m->open[m->open_count - 1].depth > m->depth);
    } else if (c == ';' && m->depth == 0) {
        close_where(m);
    }
}

bool branches_mark(const char *sql, bool with_where, size_t first, struct buf *out,
                   struct branches *out_ways) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    struct marking m = {
        .sql = sql, .out = &text, .ways = out_ways, .first = first, .before = out_ways->count};
    bool after_dot = false;
    size_t at = 0;
    for (struct sql_token t = sql_next_token(sql, &at); t.kind != SQL_TOKEN_END && !m.is_lost;
         t = sql_next_token(sql, &at)) {
        if (t.kind == SQL_TOKEN_OPERATOR) {
            follow_operator(&m, t.text.ptr[0]);
        } else if (t.kind == SQL_TOKEN_WORD && !t.is_quoted && !after_dot) {
            follow_word(&m, &t, at, with_where);
        }
        after_dot = t.kind == SQL_TOKEN_OPERATOR && t.text.ptr[0] == '.';
        m.last_end = at;
    }
    if (m.is_lost || m.open_count > 0 || m.depth != 0) {
        out_ways->count = m.before;
        return false;
    }
    close_where(&m);
    copy_to(&m, strlen(sql));
    buf_addstr(out, buf_str(&text));
    return true;
}

void branches_mark_condition(const char *sql, size_t first, struct buf *out,
                             struct branches *out_ways) {
    struct marking m = {.sql = sql, .ways = out_ways, .first = first, .before = out_ways->count};
    const size_t way = add_way(&m, BRANCH_KEEPS, 0, strlen(sql));
    (void)add_way(&m, BRANCH_LEAVES, 0, strlen(sql));
    buf_addf(out, "plumb_decided((%s\n), %zu)", sql, way);
}

const char *branch_kind_name(enum branch_kind kind) {
    static const char *const names[] = {[BRANCH_WHEN] = "when",
                                        [BRANCH_ELSE] = "else",
                                        [BRANCH_NO_ELSE] = "no else",
                                        [BRANCH_KEEPS] = "where keeps",
                                        [BRANCH_LEAVES] = "where leaves out"};
    return names[kind];
}
