/* Mistakes that SQL accepts and users regret: 'now', LIMIT in a map, plain arithmetic on int256
 * columns.
 *
 * Works on tokens: words, numbers, strings, operators; comments are skipped. It looks at neighbours
 * only, so it never refuses what it does not recognise. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "transform/internal.h"

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_NUMBER, TOKEN_STRING, TOKEN_OPERATOR };

struct token {
    enum token_kind kind;
    struct str text; /* words without quotes */
    size_t offset;
};

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

static struct token next_token(const char *sql, size_t *at) {
    size_t start = skip_space(sql, *at);
    size_t end = start;
    struct token t = {TOKEN_END, {sql + start, 0}, start};
    char c = sql[start];
    if (c == '\0') {
        *at = start;
        return t;
    }
    if (isalpha((unsigned char)c) || c == '_') {
        while (isalnum((unsigned char)sql[end]) || sql[end] == '_' || sql[end] == '$') {
            end++;
        }
        t.kind = TOKEN_WORD;
        t.text.len = end - start;
    } else if (c == '"' || c == '`') {
        end = quoted_end(sql, start, c);
        t.kind = TOKEN_WORD;
        t.text = (struct str){sql + start + 1, end - start >= 2 ? end - start - 2 : 0};
    } else if (c == '\'') {
        end = quoted_end(sql, start, '\'');
        t.kind = TOKEN_STRING;
        t.text = (struct str){sql + start + 1, end - start >= 2 ? end - start - 2 : 0};
    } else if (isdigit((unsigned char)c)) {
        while (isalnum((unsigned char)sql[end]) || sql[end] == '.') {
            end++;
        }
        t.kind = TOKEN_NUMBER;
        t.text.len = end - start;
    } else {
        end = start + 1;
        if (strchr("<>=!|", c) != NULL && strchr("<>=|", sql[end]) != NULL && sql[end] != '\0') {
            end++;
        }
        t.kind = TOKEN_OPERATOR;
        t.text.len = end - start;
    }
    *at = end;
    return t;
}

static bool is_word(const struct token *t, const char *word) {
    return t->kind == TOKEN_WORD && t->text.len == strlen(word) &&
           strncasecmp(t->text.ptr, word, t->text.len) == 0;
}

static bool is_one_of(const struct token *t, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (t->kind == TOKEN_OPERATOR ? str_equal_c(t->text, words[i]) : is_word(t, words[i])) {
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
                         const struct token *word) {
    bool big = false;
    bool other = false;
    if (word->kind != TOKEN_WORD) {
        return false;
    }
    if (t->source != NULL) {
        note_type(&t->source->contract.schema, word->text, &big, &other);
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

enum err_code lint_sql(const struct flow *flow, const struct flow_transform *t, const char *sql,
                       const struct node *node, struct err *err) {
    struct token last[4] = {{.kind = TOKEN_END}}; /* [0] is the newest */
    size_t at = 0;
    int depth = 0;
    bool dates = false;
    for (;;) {
        struct token now = next_token(sql, &at);
        if (now.kind == TOKEN_END) {
            return ERR_NONE;
        }
        depth += str_equal_c(now.text, "(") && now.kind == TOKEN_OPERATOR ? 1 : 0;
        depth -= str_equal_c(now.text, ")") && now.kind == TOKEN_OPERATOR ? 1 : 0;
        dates = dates || is_one_of(&now, date_words, ARRAY_COUNT(date_words));
        if (now.kind == TOKEN_STRING && dates && str_equal_c(str_trim(now.text), "now")) {
            return complain(node, now.offset, err,
                            "depends on when it runs; take the time from the data", now.text);
        }
        if (str_equal_c(now.text, ")") && last[0].kind == TOKEN_OPERATOR &&
            str_equal_c(last[0].text, "(") && last[1].kind == TOKEN_WORD &&
            is_one_of(&last[1], date_words, ARRAY_COUNT(date_words))) {
            return complain(node, last[1].offset, err,
                            "without arguments is the present time; take the time from the data",
                            last[1].text);
        }
        if (t->kind == TRANSFORM_MAP && depth == 0 &&
            (is_word(&now, "limit") || is_word(&now, "offset"))) {
            return complain(node, now.offset, err, "in a map would depend on where a batch ends",
                            now.text);
        }
        if (now.kind == TOKEN_NUMBER && last[0].kind == TOKEN_OPERATOR &&
            names_int256(flow, t, &last[1]) &&
            is_one_of(&last[0], plain_operators, ARRAY_COUNT(plain_operators))) {
            return complain(
                node, last[1].offset, err,
                "is an int256: compare and compute with i256('...'), i256_add, i256_cmp ...",
                last[1].text);
        }
        struct token *before =
            last[0].kind == TOKEN_OPERATOR && str_equal_c(last[0].text, ".") ? &last[2] : &last[0];
        struct token *function = before == &last[0] ? &last[1] : &last[3];
        if (names_int256(flow, t, &now) && before->kind == TOKEN_OPERATOR &&
            str_equal_c(before->text, "(") &&
            is_one_of(function, plain_aggregates, ARRAY_COUNT(plain_aggregates)) &&
            function->kind == TOKEN_WORD) {
            return complain(node, now.offset, err,
                            "is an int256: use i256_sum, i256_abs or i256_to_real", now.text);
        }
        last[3] = last[2];
        last[2] = last[1];
        last[1] = last[0];
        last[0] = now;
    }
}
