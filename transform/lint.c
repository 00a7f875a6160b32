/* Mistakes that SQL accepts and users regret: 'now', LIMIT over rows that happen to come together,
 * plain arithmetic on int256 columns.
 *
 * Works on tokens: words, numbers, strings, operators; comments are skipped. It looks at neighbours
 * only, so it never refuses what it does not recognise. */
#include <string.h>
#include <strings.h>

#include "transform/internal.h"
#include "transform/tokens.h"

static bool is_one_of(const struct sql_token *t, const char *const *words, size_t count) {
    if (t->kind != SQL_TOKEN_OPERATOR && t->kind != SQL_TOKEN_WORD) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (t->kind == SQL_TOKEN_OPERATOR ? str_equal_c(t->text, words[i])
                                          : sql_is_word(t, words[i])) {
            return true;
        }
    }
    return false;
}

static void note_type(const struct schema *s, struct str name, bool *is_int256, bool *is_other) {
    int index = schema_find(s, name);
    if (index >= 0) {
        bool big = s->columns[index].type == TYPE_INT256;
        *is_int256 = *is_int256 || big;
        *is_other = *is_other || !big;
    }
}

/* True when every column of that name in reach of the transform is an int256. */
static bool names_int256(const struct flow *flow, const struct flow_transform *t,
                         const struct sql_token *word) {
    bool big = false;
    bool other = false;
    if (word->kind != SQL_TOKEN_WORD) {
        return false;
    }
    if (t->source != NULL) {
        note_type(&t->stream->spec->schema, word->text, &big, &other);
        return big && !other;
    }
    if (t->from != NULL) {
        note_type(&t->from->schema, word->text, &big, &other);
        return big && !other;
    }
    for (size_t i = 0; i < flow->table_count; i++) {
        note_type(&flow->tables[i].schema, word->text, &big, &other);
    }
    return big && !other;
}

static enum err_code complain(const struct node *node, size_t offset, struct err *err,
                              const char *fmt, struct str text) {
    int line = node->line;
    int column = node->column;
    node_text_position(node, offset, &line, &column);
    AUTO_BUF message = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&message, fmt);
    char shown[FLOW_NAME_BYTES_MAX + 8];
    str_printable(text, shown, sizeof(shown));
    err_set(err, ERR_CONFIG, "'%s' %s", shown, buf_c(&message));
    err_where(err, "%s:%d:%d", node->file, line, column);
    return ERR_CONFIG;
}

static const char *const date_words[] = {"date",      "time",     "datetime",
                                         "julianday", "strftime", "unixepoch"};
static const char *const plain_aggregates[] = {"sum", "total", "avg", "abs", "round"};
static const char *const plain_operators[] = {"<",  ">", "<=", ">=", "=", "==", "<>",
                                              "!=", "+", "-",  "*",  "/", "%"};

/* Brackets deeper than this are not looked into. */
#define DEPTH_MAX 200

struct bracket {
    struct sql_token function; /* the word before it */
    bool is_date;              /* it, or one around it, holds a date function's arguments */
    int commas;
};

struct lint {
    const struct flow *flow;
    const struct flow_transform *t;
    const struct node *node;
    struct sql_token last[4]; /* [0] is the newest */
    struct bracket open[DEPTH_MAX + 1];
    int depth;
};

static bool is_operator(const struct sql_token *t, const char *text) {
    return t->kind == SQL_TOKEN_OPERATOR && str_equal_c(t->text, text);
}

static bool says(const struct sql_token *t, const char *text) {
    return (t->kind == SQL_TOKEN_STRING || t->is_quoted) && t->text.len == strlen(text) &&
           strncasecmp(t->text.ptr, text, t->text.len) == 0;
}

static enum err_code lint_dates(const struct lint *l, const struct sql_token *now,
                                struct err *err) {
    const struct bracket *b = &l->open[l->depth];
    if (b->is_date && says(now, "now")) {
        return complain(l->node, now->offset, err,
                        "depends on when it runs; take the time from the data", now->text);
    }
    if (b->is_date && (says(now, "localtime") || says(now, "utc"))) {
        return complain(l->node, now->offset, err,
                        "depends on the time zone of the machine; times here are UTC", now->text);
    }
    bool is_call = is_operator(now, ")") && l->depth > 0 &&
                   is_one_of(&b->function, date_words, ARRAY_COUNT(date_words));
    bool empty = is_operator(&l->last[0], "(");
    if (is_call && (empty || (sql_is_word(&b->function, "strftime") && b->commas == 0))) {
        return complain(l->node, b->function.offset, err,
                        empty ? "without arguments is the present time; take the time from the data"
                              : "without a time is the present time; take the time from the data",
                        b->function.text);
    }
    return ERR_NONE;
}

/* What depends on which rows come together. */
static enum err_code lint_rows(const struct lint *l, const struct sql_token *now, struct err *err) {
    enum transform_kind kind = l->t->kind;
    if (l->depth == 0 && !now->is_quoted && sql_is_word(now, "limit")) {
        return complain(l->node, now->offset, err,
                        kind == TRANSFORM_MAP ? "in a map would depend on where a batch ends"
                        : kind == TRANSFORM_SUM
                            ? "in a sum would depend on which rows change together"
                            : "would count over all keys that change together; put it into a "
                              "subquery that looks at one key",
                        now->text);
    }
    bool window =
        !l->last[0].is_quoted && sql_is_word(&l->last[0], "over") && is_operator(&l->last[1], ")");
    if (window && kind != TRANSFORM_DERIVE) {
        return complain(
            l->node, l->last[0].offset, err,
            "aggregates rows that come together by chance; use a `sum` or a `derive` over "
            "the table",
            l->last[0].text);
    }
    if (l->depth == 1 && kind == TRANSFORM_DERIVE && is_operator(&l->last[0], "(") &&
        sql_is_word(&l->last[1], "over") && is_operator(&l->last[2], ")") &&
        !sql_is_word(now, "partition")) {
        return complain(l->node, l->last[1].offset, err,
                        "would look at all keys that change together; begin the window with "
                        "PARTITION BY the columns of `changed`",
                        l->last[1].text);
    }
    return ERR_NONE;
}

static enum err_code lint_int256(const struct lint *l, const struct sql_token *now,
                                 struct err *err) {
    const struct sql_token *last = l->last;
    if (now->kind == SQL_TOKEN_NUMBER && last[0].kind == SQL_TOKEN_OPERATOR &&
        names_int256(l->flow, l->t, &last[1]) &&
        is_one_of(&last[0], plain_operators, ARRAY_COUNT(plain_operators))) {
        return complain(l->node, last[1].offset, err,
                        "is an int256: compare and compute with i256('...'), i256_add, i256_cmp "
                        "...",
                        last[1].text);
    }
    const struct sql_token *before = is_operator(&last[0], ".") ? &last[2] : &last[0];
    const struct sql_token *function = before == &last[0] ? &last[1] : &last[3];
    if (names_int256(l->flow, l->t, now) && is_operator(before, "(") &&
        is_one_of(function, plain_aggregates, ARRAY_COUNT(plain_aggregates)) &&
        function->kind == SQL_TOKEN_WORD) {
        return complain(l->node, now->offset, err,
                        "is an int256: use i256_sum, i256_abs or i256_to_real", now->text);
    }
    return ERR_NONE;
}

static void follow_brackets(struct lint *l, const struct sql_token *now) {
    if (is_operator(now, "(") && l->depth < DEPTH_MAX) {
        const struct sql_token *function = &l->last[0];
        bool date =
            l->open[l->depth].is_date || is_one_of(function, date_words, ARRAY_COUNT(date_words));
        l->open[++l->depth] = (struct bracket){*function, date, 0};
    } else if (is_operator(now, ")") && l->depth > 0) {
        l->depth--;
    } else if (is_operator(now, ",")) {
        l->open[l->depth].commas++;
    }
}

static bool is_call_of_now(const struct lint *l, const struct sql_token *now) {
    static const char *const words[] = {"now", "getdate", "sysdate", "clock_timestamp"};
    return is_operator(now, "(") && !l->last[0].is_quoted &&
           is_one_of(&l->last[0], words, ARRAY_COUNT(words));
}

bool sql_find_word(const char *sql, struct str word, size_t *offset) {
    size_t at = 0;
    for (struct sql_token t = sql_next_token(sql, &at); t.kind != SQL_TOKEN_END;
         t = sql_next_token(sql, &at)) {
        if (t.kind == SQL_TOKEN_WORD && t.text.len == word.len &&
            strncasecmp(t.text.ptr, word.ptr, word.len) == 0) {
            *offset = t.offset;
            return true;
        }
    }
    return false;
}

enum err_code lint_statement(const char *sql, const struct node *node, struct err *err) {
    static const char *const begins[] = {"select", "with", "values"};
    size_t at = 0;
    struct sql_token t = sql_next_token(sql, &at);
    if (t.kind == SQL_TOKEN_WORD && !is_one_of(&t, begins, ARRAY_COUNT(begins))) {
        return complain(node, t.offset, err, "begins no SELECT: one SELECT is expected here",
                        t.text);
    }
    size_t end = 0;
    bool has_ended = false;
    for (; t.kind != SQL_TOKEN_END; t = sql_next_token(sql, &at)) {
        bool ends = is_operator(&t, ";");
        if (has_ended && !ends) {
            return complain(node, end, err,
                            "ends the SELECT and more follows: one SELECT is expected here",
                            STR(";"));
        }
        end = ends && !has_ended ? t.offset : end;
        has_ended = has_ended || ends;
    }
    return ERR_NONE;
}

enum err_code lint_sql(const struct flow *flow, const struct flow_transform *t, const char *sql,
                       const struct node *node, struct err *err) {
    struct lint l = {.flow = flow, .t = t, .node = node};
    size_t at = 0;
    for (;;) {
        struct sql_token now = sql_next_token(sql, &at);
        if (now.kind == SQL_TOKEN_END) {
            return ERR_NONE;
        }
        if (now.kind == SQL_TOKEN_WORD && now.text.len >= 6 &&
            strncasecmp(now.text.ptr, "_plumb", 6) == 0) {
            return complain(node, now.offset, err, "belongs to the engine", now.text);
        }
        if (is_call_of_now(&l, &now)) {
            return complain(node, l.last[0].offset, err,
                            "depends on when it runs; take the time from the data", l.last[0].text);
        }
        enum err_code code = lint_dates(&l, &now, err);
        if (code == ERR_NONE) {
            code = lint_rows(&l, &now, err);
        }
        if (code == ERR_NONE) {
            code = lint_int256(&l, &now, err);
        }
        if (code != ERR_NONE) {
            return code;
        }
        follow_brackets(&l, &now);
        memmove(&l.last[1], &l.last[0], 3 * sizeof(l.last[0]));
        l.last[0] = now;
    }
}
