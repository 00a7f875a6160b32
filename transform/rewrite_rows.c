/* (a, b) = (SELECT x, y FROM ...) as a = (SELECT x FROM ...) AND b = (SELECT y FROM ...).
 *
 * Both mean the same where the subquery is the same each time, as a flow's SQL must be; but PostgreSQL
 * finds a row by an index for the second alone, and compares the first with every row there is. It
 * goes over what the other rules have made: no comments, and lines stay lines, since what is written
 * twice is on one line the second time. What it does not follow stays as it is. */
#include <string.h>

#include "base/mem.h"
#include "transform/rewrite.h"

#define ROW_COLUMNS_MAX 8

struct mark {
    struct sql_token t;
    size_t end, match;
};

struct marks {
    const char *sql;
    struct mark *items;
    size_t count;
};

static bool is_operator(const struct marks *m, size_t at, char c) {
    const struct sql_token *t = &m->items[at].t;
    return at < m->count && t->kind == SQL_TOKEN_OPERATOR && t->text.len == 1 &&
           t->text.ptr[0] == c;
}

static bool is_word(const struct marks *m, size_t at, const char *word) {
    return at < m->count && !m->items[at].t.is_quoted && sql_is_word(&m->items[at].t, word);
}

static void read_marks(struct marks *m) {
    size_t capacity = 0;
    size_t open[64];
    size_t depth = 0;
    for (size_t at = 0;;) {
        struct sql_token t = sql_next_token(m->sql, &at);
        if (t.kind == SQL_TOKEN_END) {
            return;
        }
        if (m->count == capacity) {
            capacity = capacity > 0 ? capacity * 2 : 64;
            m->items = mem_realloc(m->items, capacity * sizeof(*m->items));
        }
        m->items[m->count++] = (struct mark){t, at, 0};
        const size_t last = m->count - 1;
        if (is_operator(m, last, '(')) {
            if (depth < ARRAY_COUNT(open)) {
                open[depth] = last;
            }
            depth++;
        } else if (is_operator(m, last, ')') && depth > 0) {
            depth--;
            if (depth < ARRAY_COUNT(open)) {
                m->items[open[depth]].match = last;
            }
        }
    }
}

/* Items between marks first and end, parted by commas of their level; 0 when there are too many. */
struct item {
    size_t first, end;
};

static size_t split(const struct marks *m, size_t first, size_t end, struct item *items) {
    size_t count = 0;
    size_t from = first;
    for (size_t i = first; i <= end; i++) {
        if (i == end || is_operator(m, i, ',')) {
            if (count == ROW_COLUMNS_MAX || i == from) {
                return 0;
            }
            items[count++] = (struct item){from, i};
            from = i + 1;
        } else if (m->items[i].match > 0) {
            i = m->items[i].match;
        }
    }
    return count;
}

struct comparison {
    struct item left[ROW_COLUMNS_MAX], right[ROW_COLUMNS_MAX];
    size_t count;
    struct item rest; /* from FROM on */
    size_t end;       /* the last bracket */
};

/* Words before a condition; before anything else brackets may be a call's or a list's. */
static bool begins_condition(const struct marks *m, size_t at) {
    static const char *const words[] = {"and", "or", "on", "where", "when", "having"};
    for (size_t i = 0; at > 0 && i < ARRAY_COUNT(words); i++) {
        if (is_word(m, at - 1, words[i])) {
            return true;
        }
    }
    return false;
}

/* What names a column of its list, or joins two lists, cannot be taken apart. */
static bool can_be_parted(const struct marks *m, size_t first, size_t end, size_t *from) {
    static const char *const joins[] = {"as", "union", "except", "intersect", "distinct", "all"};
    *from = 0;
    for (size_t i = first; i < end; i++) {
        const struct sql_token *t = &m->items[i].t;
        if (t->kind == SQL_TOKEN_STRING && memchr(t->text.ptr, '\n', t->text.len) != NULL) {
            return false;
        }
        if (m->items[i].match > 0) {
            i = m->items[i].match;
            continue;
        }
        for (size_t k = 0; k < ARRAY_COUNT(joins); k++) {
            if (is_word(m, i, joins[k]) && (*from == 0 || k > 0)) {
                return false;
            }
        }
        if (is_word(m, i, "by") && i + 1 < end && m->items[i + 1].t.kind == SQL_TOKEN_NUMBER) {
            return false;
        }
        *from = *from == 0 && is_word(m, i, "from") ? i : *from;
    }
    return *from > 0;
}

static bool read_comparison(const struct marks *m, size_t at, struct comparison *c) {
    const size_t left_end = m->items[at].match;
    const size_t open = left_end + 2;
    if (left_end == 0 || !begins_condition(m, at) || !is_operator(m, left_end + 1, '=') ||
        !is_operator(m, open, '(') || !is_word(m, open + 1, "select")) {
        return false;
    }
    c->end = m->items[open].match;
    size_t from = 0;
    if (c->end == 0 || !can_be_parted(m, open + 2, c->end, &from)) {
        return false;
    }
    c->count = split(m, at + 1, left_end, c->left);
    c->rest = (struct item){from, c->end};
    return c->count > 1 && split(m, open + 2, from, c->right) == c->count;
}

static void write_item(const struct marks *m, struct item item, bool one_line, struct buf *out) {
    const size_t from = m->items[item.first].t.offset;
    const size_t to = m->items[item.end - 1].end;
    for (size_t i = from; i < to; i++) {
        buf_addc(out, one_line && m->sql[i] == '\n' ? ' ' : m->sql[i]);
    }
}

static void write_comparison(const struct marks *m, const struct comparison *c, struct buf *out) {
    for (size_t i = 0; i < c->count; i++) {
        buf_adds(out, i == 0 ? "(" : " AND ");
        write_item(m, c->left[i], true, out);
        buf_adds(out, " = (SELECT ");
        write_item(m, c->right[i], i > 0, out);
        buf_adds(out, " ");
        write_item(m, c->rest, i > 0, out);
        buf_adds(out, ")");
    }
    buf_adds(out, ")");
}

void rewrite_rows(const char *sql, struct buf *out) {
    struct marks m = {.sql = sql};
    read_marks(&m);
    size_t written = 0;
    for (size_t i = 0; i < m.count; i++) {
        struct comparison c;
        if (is_operator(&m, i, '(') && read_comparison(&m, i, &c)) {
            const size_t offset = m.items[i].t.offset;
            buf_addstr(out, (struct str){sql + written, offset - written});
            write_comparison(&m, &c, out);
            written = m.items[c.end].end;
            i = c.end;
        }
    }
    buf_adds(out, sql + written);
    mem_free(m.items);
}
