/* What SQLite says of a user's SQL, in the user's words: where the word stands, what was probably
 * meant, and nothing of the text the engine puts around it.
 *
 * SQLite's messages are read, and its own wording stays whole: a message this file does not know
 * passes as it is. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "transform/internal.h"

#define CANDIDATES_MAX    (SCHEMA_COLUMNS_MAX * 4)
#define COLUMNS_SHOWN_MAX 12

static const char no_table[] = "SQL: no such table: ";
static const char no_column[] = "SQL: no such column: ";
static const char no_token[] = "SQL: unrecognized token: ";
static const char at_end[] = "SQL: near \")\": syntax error";
static const char too_short[] = "SQL: incomplete input";

/* What follows prefix in the message, or NULL. */
static const char *rest_of(const struct err *err, const char *prefix) {
    return strncmp(err->message, prefix, strlen(prefix)) == 0 ? err->message + strlen(prefix)
                                                              : NULL;
}

static void add(struct err *err, const char *text) {
    char before[ERR_MESSAGE_BYTES];
    (void)snprintf(before, sizeof(before), "%s", err->message);
    err_set(err, err->code, "%s; %s", before, text);
}

static const char *relation_of(const struct sql_scope *scope) {
    return scope->relation != NULL ? scope->relation : "batch";
}

/* True for what is no table of the SQL, but a name of the rows it is given. */
static bool is_input_name(const struct flow *flow, const struct flow_transform *t,
                          const char *name) {
    static const char *const relations[] = {"batch", "change", "changed"};
    for (size_t i = 0; i < ARRAY_COUNT(relations); i++) {
        if (strcasecmp(name, relations[i]) == 0) {
            return true;
        }
    }
    if (t->kind == TRANSFORM_MAP) {
        for (size_t i = 0; i < flow->source_count; i++) {
            if (strcasecmp(name, flow->sources[i].name) == 0) {
                return true;
            }
        }
    }
    return t->from != NULL && strcasecmp(name, t->from->name) == 0;
}

static void hint_table(const struct flow *flow, const struct flow_transform *t,
                       const struct sql_scope *scope, int64_t *offset, struct err *err) {
    char whole[ERR_MESSAGE_BYTES];
    (void)snprintf(whole, sizeof(whole), "%s", rest_of(err, no_table));
    const char *dot = strrchr(whole, '.');
    const char *name = dot != NULL ? dot + 1 : whole;
    size_t at = 0;
    if (sql_find_word(scope->sql, str_of(name), &at)) {
        *offset = (int64_t)at;
    }
    const char *names[CANDIDATES_MAX + 1];
    size_t count = 0;
    names[count++] = relation_of(scope);
    for (size_t i = 0; i < flow->table_count && count < CANDIDATES_MAX; i++) {
        names[count++] = flow->tables[i].name;
    }
    const char *near = parse_nearest(str_of(name), names, count);
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    if (is_input_name(flow, t, name)) {
        const char *what = t->kind == TRANSFORM_MAP                    ? "the records are"
                           : strcmp(relation_of(scope), "change") == 0 ? "the rows that changed are"
                                                                       : "the keys to compute are";
        buf_addf(&text, "%s called `%s` here", what, relation_of(scope));
    } else if (near != NULL) {
        buf_addf(&text, "did you mean '%s'?", near);
    } else {
        return;
    }
    add(err, buf_c(&text));
}

static void add_columns(const struct schema *s, const char **names, size_t *count) {
    for (size_t i = 0; s != NULL && i < s->count && *count < CANDIDATES_MAX; i++) {
        names[(*count)++] = s->columns[i].name;
    }
}

/* Columns of what the SQL speaks of: its rows and each table it names. */
static size_t columns_in_reach(const struct flow *flow, const struct sql_scope *scope,
                               const char **names) {
    size_t count = 0;
    add_columns(scope->columns, names, &count);
    for (size_t i = 0; i < flow->table_count; i++) {
        size_t at = 0;
        if (sql_find_word(scope->sql, str_of(flow->tables[i].name), &at)) {
            add_columns(&flow->tables[i].schema, names, &count);
        }
    }
    return count;
}

static void hint_column(const struct flow *flow, const struct sql_scope *scope, int64_t *offset,
                        struct err *err) {
    char whole[ERR_MESSAGE_BYTES];
    (void)snprintf(whole, sizeof(whole), "%s", rest_of(err, no_column));
    const char *dot = strrchr(whole, '.');
    const char *name = dot != NULL ? dot + 1 : whole;
    size_t at = 0;
    if (*offset < 0 && sql_find_word(scope->sql, str_of(name), &at)) {
        *offset = (int64_t)at;
    }
    const char *names[CANDIDATES_MAX];
    const size_t count = columns_in_reach(flow, scope, names);
    const char *near = parse_nearest(str_of(name), names, count);
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    if (near != NULL) {
        buf_addf(&text, "did you mean '%s'?", near);
    } else if (dot == NULL && *offset >= 0 && scope->sql[*offset] == '"') {
        buf_addf(&text, "text stands in single quotes: '%s'", name);
    } else if (dot == NULL && scope->relation != NULL && scope->columns != NULL) {
        buf_addf(&text, "`%s` has ", scope->relation);
        for (size_t i = 0; i < scope->columns->count && i < COLUMNS_SHOWN_MAX; i++) {
            buf_addf(&text, "%s%s", i > 0 ? ", " : "", scope->columns->columns[i].name);
        }
        buf_adds(&text, scope->columns->count > COLUMNS_SHOWN_MAX ? ", ..." : "");
    } else {
        return;
    }
    add(err, buf_c(&text));
}

/* What was not understood may reach into the text around the user's: only the user's is shown. */
static void hint_token(const struct sql_scope *scope, int64_t *offset, struct err *err) {
    char token[ERR_MESSAGE_BYTES];
    (void)snprintf(token, sizeof(token), "%s", rest_of(err, no_token));
    const size_t length = strlen(scope->sql);
    const char *told = token + (token[0] == '"');
    if (*offset < 0) {
        char first[] = {told[0], '\0'};
        const char *found = strstr(scope->sql, first);
        *offset = found != NULL ? found - scope->sql : -1;
    }
    if (*offset < 0 || (size_t)*offset >= length) {
        return;
    }
    const char *at = scope->sql + *offset;
    size_t same = 0;
    while (at[same] != '\0' && at[same] == told[same] && at[same] != '\n') {
        same++;
    }
    if (same == 0) {
        return;
    }
    const bool quote = strchr("'\"`[", at[0]) != NULL;
    err_set(err, err->code, "SQL: unrecognized token: %.*s%s", (int)same, at,
            quote ? "; the quote that begins here has no end" : "");
}

void hint_sql(const struct flow *flow, const struct flow_transform *t,
              const struct sql_scope *scope, int64_t *offset, struct err *err) {
    const int64_t length = (int64_t)strlen(scope->sql);
    if (rest_of(err, no_table) != NULL) {
        hint_table(flow, t, scope, offset, err);
    } else if (rest_of(err, no_column) != NULL) {
        hint_column(flow, scope, offset, err);
    } else if (rest_of(err, no_token) != NULL) {
        hint_token(scope, offset, err);
    } else if (rest_of(err, too_short) != NULL ||
               (rest_of(err, at_end) != NULL && *offset >= length)) {
        *offset = length;
        err_set(err, err->code, "SQL: it ends where something more is expected");
    }
}
