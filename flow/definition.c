/* How it works: everything that shapes a transform's results is written into one text, each field
 * as "name length:bytes", so that no two definitions give the same text; its hash is the
 * definition. SQL goes in folded: outside quotes, white space is one space and comments are gone,
 * so that laying a query out anew rebuilds nothing. */
#include "flow/read.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- SQL ---- */

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

/* True when the quote at `at` begins a PostgreSQL E'...' text, in which a backslash escapes. */
static bool has_escapes(struct str s, size_t at) {
    return s.ptr[at] == '\'' && at > 0 && (s.ptr[at - 1] == 'E' || s.ptr[at - 1] == 'e') &&
           (at == 1 || !is_word(s.ptr[at - 2]));
}

/* End of what is quoted at `at`: '..', "..", `..`; s.len when it is not closed. A doubled quote
 * closes and opens again, which comes to the same. */
static size_t quoted_end(struct str s, size_t at) {
    const char quote = s.ptr[at];
    const bool escapes = has_escapes(s, at);
    for (size_t i = at + 1; i < s.len; i++) {
        if (escapes && s.ptr[i] == '\\') {
            i++;
        } else if (s.ptr[i] == quote) {
            return i + 1;
        }
    }
    return s.len;
}

/* End of a PostgreSQL $tag$...$tag$ at `at`, or `at` if there is none. */
static size_t dollar_end(struct str s, size_t at) {
    size_t tag = at + 1;
    while (tag < s.len && is_word(s.ptr[tag])) {
        tag++;
    }
    if (tag == s.len || s.ptr[tag] != '$' || (at > 0 && is_word(s.ptr[at - 1]))) {
        return at;
    }
    tag++;
    const char *end = memmem(s.ptr + tag, s.len - tag, s.ptr + at, tag - at);
    return end != NULL ? (size_t)(end - s.ptr) + (tag - at) : at;
}

/* End of white space and comments at `at`, or `at` if there are none. */
static size_t blank_end(struct str s, size_t at) {
    size_t i = at;
    while (i < s.len) {
        if (is_space(s.ptr[i])) {
            i++;
        } else if (i + 1 < s.len && s.ptr[i] == '-' && s.ptr[i + 1] == '-') {
            i += str_find((struct str){s.ptr + i, s.len - i}, '\n');
        } else if (i + 1 < s.len && s.ptr[i] == '/' && s.ptr[i + 1] == '*') {
            const char *end = memmem(s.ptr + i + 2, s.len - i - 2, "*/", 2);
            i = end != NULL ? (size_t)(end - s.ptr) + 2 : s.len;
        } else {
            break;
        }
    }
    return i;
}

void definition_fold_sql(struct str sql, struct buf *out) {
    const size_t start = out->len;
    size_t at = 0;
    while (at < sql.len) {
        const size_t blank = blank_end(sql, at);
        if (blank > at) {
            if (out->len > start && blank < sql.len) {
                buf_addc(out, ' ');
            }
            at = blank;
            continue;
        }
        const char c = sql.ptr[at];
        size_t end = at + 1;
        if (c == '\'' || c == '"' || c == '`') {
            end = quoted_end(sql, at);
        } else if (c == '$') {
            const size_t dollar = dollar_end(sql, at);
            end = dollar > at ? dollar : end;
        }
        buf_addstr(out, (struct str){sql.ptr + at, end - at});
        at = end;
    }
    while (out->len > start && (out->data[out->len - 1] == ';' || out->data[out->len - 1] == ' ')) {
        out->data[--out->len] = '\0'; /* the end of a statement means nothing */
    }
}

/* ---- fields ---- */

static void add_text(struct buf *b, const char *field, struct str text) {
    buf_addf(b, "%s %zu:", field, text.len);
    buf_addstr(b, text);
    buf_addc(b, '\n');
}

static void add_c(struct buf *b, const char *field, const char *text) {
    add_text(b, field, str_of(text));
}

static void add_number(struct buf *b, const char *field, int64_t number) {
    buf_addf(b, "%s %" PRId64 "\n", field, number);
}

static void add_sql(struct buf *b, const char *field, const char *sql) {
    AUTO_BUF folded = BUF_INIT(BUF_TEXT_MAX);
    definition_fold_sql(str_of(sql), &folded);
    add_text(b, field, buf_str(&folded));
}

static void add_value(struct buf *b, const char *field, const struct value *v) {
    if (v->is_null) {
        return;
    }
    if (type_is_integer(v->type)) {
        add_number(b, field, v->integer);
    } else if (v->type == TYPE_FLOAT64) {
        buf_addf(b, "%s %.17g\n", field, v->real);
    } else {
        add_text(b, field, v->bytes);
    }
}

static void add_stream(struct buf *b, const struct flow_stream *s) {
    add_c(b, "stream", s->name);
    for (size_t i = 0; i < s->spec->schema.count; i++) {
        add_c(b, "column", s->spec->schema.columns[i].name);
        add_c(b, "type", type_name(s->spec->schema.columns[i].type));
    }
}

static void add_contract(struct buf *b, const struct flow_source *s) {
    add_c(b, "source", s->name);
    add_c(b, "component", s->component->name);
    options_shape(s->component->options, s->component->option_count, s->conf, b);
    add_number(b, "unknown", (int64_t)s->contract.unknown);
    for (size_t i = 0; i < s->contract.schema.count; i++) {
        const struct contract_column *c = &s->contract.columns[i];
        add_c(b, "column", c->name);
        add_c(b, "type", type_name(c->type));
        add_number(b, "required", c->required);
        for (size_t j = 0; j < c->path_depth; j++) {
            add_c(b, "path", c->path[j]);
        }
        add_value(b, "min", &c->min);
        add_value(b, "max", &c->max);
        for (size_t j = 0; j < c->one_of_count; j++) {
            add_c(b, "one_of", c->one_of[j]);
        }
        add_number(b, "unit", c->timestamp_unit_us);
    }
}

static void add_table(struct buf *b, const char *role, const struct flow_table *t) {
    add_c(b, role, t->name);
    for (size_t i = 0; i < t->schema.count; i++) {
        add_c(b, "column", t->schema.columns[i].name);
        add_c(b, "type", type_name(t->schema.columns[i].type));
    }
    add_number(b, "key_auto", t->key_auto);
    for (size_t i = 0; i < t->key_count; i++) {
        add_c(b, "key", t->schema.columns[t->key[i]].name);
    }
    add_number(b, "lineage", t->lineage);
}

static void add_on(struct buf *b, const struct flow_on *on) {
    add_table(b, "on", on->table);
    for (size_t i = 0; i < on->column_count; i++) {
        add_c(b, "by", on->columns[i]);
    }
    if (on->sql != NULL) {
        add_sql(b, "by_sql", on->sql);
    }
}

struct hash128 definition_of(const struct flow_transform *t) {
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    add_number(&b, "kind", (int64_t)t->kind);
    add_sql(&b, "sql", t->sql);
    if (t->source != NULL) {
        add_contract(&b, t->source);
        if (t->stream->name[0] != '\0') {
            add_stream(&b, t->stream);
        }
    }
    if (t->from != NULL) {
        add_table(&b, "from", t->from);
    }
    add_table(&b, "into", t->into);
    for (size_t i = 0; i < t->latest_by_count; i++) {
        add_c(&b, "latest_by", t->into->schema.columns[t->latest_by[i]].name);
    }
    if (t->delete_when != NULL) {
        add_sql(&b, "delete_when", t->delete_when);
    }
    add_number(&b, "many", t->many);
    for (size_t i = 0; i < t->on_count; i++) {
        add_on(&b, &t->on[i]);
    }
    add_number(&b, "changed", (int64_t)t->changed_count);
    return hash128_of(b.data, b.len);
}
