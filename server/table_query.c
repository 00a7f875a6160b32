/* How it works: a parameter is cut at its dots from the left; the operator comes from a table, the
 * value is parsed as the column's type. The SELECT is written from indexes into the columns alone. */
#include "server/table_query.h"

#include <string.h>

#include "base/parse.h"
#include "rows/int256.h"

static const struct {
    const char *word, *sql;
} ops[] = {
    [QUERY_EQ] = {"eq", "="},        [QUERY_NEQ] = {"neq", "<>"},       [QUERY_GT] = {"gt", ">"},
    [QUERY_GTE] = {"gte", ">="},     [QUERY_LT] = {"lt", "<"},          [QUERY_LTE] = {"lte", "<="},
    [QUERY_LIKE] = {"like", "GLOB"}, [QUERY_ILIKE] = {"ilike", "LIKE"}, [QUERY_IN] = {"in", "IN"},
    [QUERY_IS] = {"is", "IS"}};

void table_columns_of(const struct flow_table *t, struct table_columns *out) {
    out->count = 0;
    out->key_count = 0;
    if (t->key_auto) {
        out->items[out->count++] = (struct column){.name = "_partition", .type = TYPE_INT64};
        out->items[out->count++] = (struct column){.name = "_record", .type = TYPE_INT64};
        out->key[out->key_count++] = 0;
        out->key[out->key_count++] = 1;
    }
    for (size_t i = 0; i < t->key_count; i++) {
        out->key[out->key_count++] = out->count + t->key[i];
    }
    for (size_t i = 0; i < t->schema.count; i++) {
        out->items[out->count++] = t->schema.columns[i];
    }
    if (t->lineage) {
        out->items[out->count++] = (struct column){.name = "_batch", .type = TYPE_INT64};
        out->items[out->count++] = (struct column){.name = "_pos", .type = TYPE_INT64};
    }
}

static enum err_code find_column(const struct table_query *q, struct str name, size_t *out,
                                 struct err *err) {
    const char *names[QUERY_COLUMNS_MAX];
    char shown[FLOW_NAME_BYTES_MAX + 1];
    for (size_t i = 0; i < q->columns.count; i++) {
        names[i] = q->columns.items[i].name;
        if (str_equal_c(name, names[i])) {
            *out = i;
            return ERR_NONE;
        }
    }
    str_printable(name, shown, sizeof(shown));
    const char *near = parse_nearest(name, names, q->columns.count);
    return err_set(err, ERR_INPUT, "table '%s' has no column '%s'%s%s%s", q->table->name, shown,
                   near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                   near != NULL ? "'?" : "");
}

/* Cuts text before the first c: head is what stood before it. False without one. */
static bool cut(struct str *text, char c, struct str *head) {
    const size_t at = str_find(*text, c);
    *head = (struct str){text->ptr, at};
    if (at == text->len) {
        *text = (struct str){text->ptr + at, 0};
        return false;
    }
    text->ptr += at + 1;
    text->len -= at + 1;
    return true;
}

/* ---- values ---- */

static enum err_code parse_value(struct table_query *q, size_t column, struct str text,
                                 struct value *out, struct err *err) {
    const struct column *c = &q->columns.items[column];
    void *scratch = NULL;
    struct str kept = {"", 0};
    enum err_code code = arena_alloc(q->arena, text.len + 40, &scratch, err);
    if (code == ERR_NONE) {
        code = arena_copy(q->arena, text, &kept, err);
    }
    if (code == ERR_NONE && !value_parse(c->type, kept, 0, scratch, out)) {
        char shown[80];
        str_printable(text, shown, sizeof(shown));
        return err_set(err, ERR_INPUT, "'%s' is no %s, which column '%s' holds", shown,
                       type_name(c->type), c->name);
    }
    return code;
}

/* A pattern of the request as GLOB (like) or LIKE (ilike) wants it. */
static enum err_code parse_pattern(struct table_query *q, struct query_filter *f, struct str text,
                                   struct err *err) {
    const enum column_type type = q->columns.items[f->column].type;
    size_t wildcards = 0;
    AUTO_BUF out = BUF_INIT(8 * QUERY_PATTERN_BYTES + 8);
    if (type != TYPE_TEXT && type != TYPE_JSON) {
        return err_set(err, ERR_INPUT, "like and ilike are for text; column '%s' holds %s",
                       q->columns.items[f->column].name, type_name(type));
    }
    for (size_t i = 0; i < text.len && text.len <= QUERY_PATTERN_BYTES; i++) {
        const char c = text.ptr[i];
        if (c == '%' || c == '*') {
            wildcards++;
            buf_addc(&out, f->op == QUERY_LIKE ? '*' : '%');
        } else if (c == '_') {
            buf_addc(&out, f->op == QUERY_LIKE ? '?' : '_');
        } else if (f->op == QUERY_LIKE && (c == '?' || c == '[')) {
            buf_addf(&out, "[%c]", c);
        } else {
            buf_addc(&out, c);
        }
    }
    if (wildcards > QUERY_WILDCARDS_MAX || text.len > QUERY_PATTERN_BYTES) {
        return err_set(err, ERR_INPUT, "a pattern has at most %d bytes and %d of %% or *",
                       QUERY_PATTERN_BYTES, QUERY_WILDCARDS_MAX);
    }
    f->values[0] = (struct value){.type = TYPE_TEXT};
    f->count = 1;
    enum err_code code = arena_copy(q->arena, buf_str(&out), &f->values[0].bytes, err);
    if (code != ERR_NONE || f->op != QUERY_LIKE) {
        return code;
    }
    buf_clear(&out);
    for (size_t i = 0; i < text.len; i++) {
        buf_addc(&out, text.ptr[i] == '*' ? '%' : text.ptr[i]);
    }
    return arena_copy(q->arena, buf_str(&out), &f->values[1].bytes, err);
}

/* The next item of "a,b,"c,d"" into item (unquoted); text moves behind its comma. */
static bool next_item(struct str *text, struct buf *item, bool *more) {
    buf_clear(item);
    size_t i = 0;
    if (text->len > 0 && text->ptr[0] == '"') {
        for (i = 1; i < text->len && text->ptr[i] != '"'; i++) {
            i += text->ptr[i] == '\\' && i + 1 < text->len;
            buf_addc(item, text->ptr[i]);
        }
        if (i++ >= text->len) {
            return false;
        }
    } else {
        i = str_find(*text, ',');
        buf_addstr(item, (struct str){text->ptr, i});
    }
    *more = i < text->len;
    if (*more && text->ptr[i] != ',') {
        return false;
    }
    i += *more;
    *text = (struct str){text->ptr + i, text->len - i};
    return true;
}

static enum err_code parse_list(struct table_query *q, struct query_filter *f, struct str text,
                                struct err *err) {
    AUTO_BUF item = BUF_INIT(BUF_TEXT_MAX);
    if (text.len < 2 || text.ptr[0] != '(' || text.ptr[text.len - 1] != ')') {
        return err_set(err, ERR_INPUT, "write in.(a,b,c)");
    }
    text = (struct str){text.ptr + 1, text.len - 2};
    bool more = text.len > 0;
    while (more) {
        if (f->count == QUERY_LIST_MAX) {
            return err_set(err, ERR_INPUT, "in.(...) takes at most %d values", QUERY_LIST_MAX);
        }
        if (!next_item(&text, &item, &more)) {
            return err_set(err, ERR_INPUT,
                           "in.(...): a quote is not closed, or not before a comma");
        }
        enum err_code code = parse_value(q, f->column, buf_str(&item), &f->values[f->count++], err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

static enum err_code parse_is(struct query_filter *f, struct str text, struct err *err) {
    static const char *const words[][2] = {
        {"null", "NULL"}, {"not_null", "NOT NULL"}, {"true", "1"}, {"false", "0"}};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (str_equal_c(text, words[i][0])) {
            f->is = words[i][1];
            return ERR_NONE;
        }
    }
    return err_set(err, ERR_INPUT, "write is.null, is.not_null, is.true or is.false");
}

/* ---- parameters ---- */

static struct query_filter *filter_new(struct table_query *q, size_t column, struct err *err) {
    void *values = NULL;
    if (q->filter_count == QUERY_FILTERS_MAX) {
        (void)err_set(err, ERR_INPUT, "more than %d filters", QUERY_FILTERS_MAX);
        return NULL;
    }
    if (arena_alloc(q->arena, QUERY_LIST_MAX * sizeof(struct value), &values, err) != ERR_NONE) {
        return NULL;
    }
    struct query_filter *f = &q->filters[q->filter_count++];
    *f = (struct query_filter){.column = column, .values = values};
    return f;
}

static enum err_code parse_filter(struct table_query *q, struct str name, struct str text,
                                  struct err *err) {
    size_t column = 0;
    struct str word;
    enum err_code code = find_column(q, name, &column, err);
    struct query_filter *f = code == ERR_NONE ? filter_new(q, column, err) : NULL;
    if (f == NULL) {
        return err->code;
    }
    bool has_value = cut(&text, '.', &word);
    if (has_value && str_equal_c(word, "not")) {
        f->negated = true;
        has_value = cut(&text, '.', &word);
    }
    size_t op = 0;
    while (op < ARRAY_COUNT(ops) && !str_equal_c(word, ops[op].word)) {
        op++;
    }
    if (!has_value || op == ARRAY_COUNT(ops)) {
        return err_set(err, ERR_INPUT,
                       "column '%s': write OP.VALUE, with OP one of eq neq gt gte lt lte like "
                       "ilike in is, or not.OP.VALUE",
                       q->columns.items[column].name);
    }
    f->op = (enum query_op)op;
    switch (f->op) {
    case QUERY_IS:
        return parse_is(f, text, err);
    case QUERY_IN:
        return parse_list(q, f, text, err);
    case QUERY_LIKE:
    case QUERY_ILIKE:
        return parse_pattern(q, f, text, err);
    case QUERY_EQ:
    case QUERY_NEQ:
    case QUERY_GT:
    case QUERY_GTE:
    case QUERY_LT:
    case QUERY_LTE:
        break;
    }
    f->count = 1;
    return parse_value(q, column, text, &f->values[0], err);
}

static enum err_code parse_key(struct table_query *q, struct str text, size_t *given,
                               struct err *err) {
    if (*given == q->columns.key_count) {
        return err_set(err, ERR_INPUT, "the key of '%s' has %zu columns", q->table->name,
                       q->columns.key_count);
    }
    const size_t column = q->columns.key[(*given)++];
    struct query_filter *f = filter_new(q, column, err);
    if (f == NULL) {
        return err->code;
    }
    f->op = QUERY_EQ;
    f->count = 1;
    return parse_value(q, column, text, &f->values[0], err);
}

static enum err_code parse_select(struct table_query *q, struct str text, struct err *err) {
    q->selected_count = 0;
    bool more = true;
    while (more) {
        struct str name;
        more = cut(&text, ',', &name);
        if (q->selected_count == QUERY_COLUMNS_MAX) {
            return err_set(err, ERR_INPUT, "select: more columns than there are");
        }
        enum err_code code = find_column(q, name, &q->selected[q->selected_count], err);
        if (code != ERR_NONE) {
            return code;
        }
        for (size_t i = 0; i < q->selected_count; i++) {
            if (q->selected[i] == q->selected[q->selected_count]) {
                return err_set(err, ERR_INPUT, "select: column '%s' twice",
                               q->columns.items[q->selected[i]].name);
            }
        }
        q->selected_count++;
    }
    return ERR_NONE;
}

static enum err_code parse_order_item(struct table_query *q, struct str text, struct err *err) {
    struct str word;
    if (q->order_count == QUERY_ORDER_MAX) {
        return err_set(err, ERR_INPUT, "order: at most %d columns", QUERY_ORDER_MAX);
    }
    bool more = cut(&text, '.', &word);
    enum err_code code = find_column(q, word, &q->order[q->order_count].column, err);
    if (code != ERR_NONE) {
        return code;
    }
    q->order[q->order_count].descends = false;
    q->order[q->order_count].nulls = 0;
    while (more) {
        more = cut(&text, '.', &word);
        if (str_equal_c(word, "desc") || str_equal_c(word, "asc")) {
            q->order[q->order_count].descends = str_equal_c(word, "desc");
        } else if (str_equal_c(word, "nullsfirst") || str_equal_c(word, "nullslast")) {
            q->order[q->order_count].nulls = str_equal_c(word, "nullsfirst") ? -1 : 1;
        } else {
            return err_set(err, ERR_INPUT,
                           "order: write COLUMN.asc or COLUMN.desc, then "
                           ".nullsfirst or .nullslast");
        }
    }
    q->order_count++;
    return ERR_NONE;
}

static enum err_code parse_order(struct table_query *q, struct str text, struct err *err) {
    bool more = true;
    enum err_code code = ERR_NONE;
    while (more && code == ERR_NONE) {
        struct str item;
        more = cut(&text, ',', &item);
        code = parse_order_item(q, item, err);
    }
    return code;
}

static enum err_code parse_number(const char *name, struct str text, int64_t high, int64_t *out,
                                  struct err *err) {
    if (!parse_i64(text, out) || *out < 0 || *out > high) {
        return err_set(err, ERR_INPUT, "'%s' is a whole number from 0 to %lld", name,
                       (long long)high);
    }
    return ERR_NONE;
}

static enum err_code parse_parameter(struct table_query *q, const struct query_parameter *p,
                                     size_t *keys, struct err *err) {
    static const struct str prefix = {"filter.", 7};
    if (str_equal_c(p->name, "select")) {
        return parse_select(q, p->value, err);
    }
    if (str_equal_c(p->name, "order")) {
        return parse_order(q, p->value, err);
    }
    if (str_equal_c(p->name, "limit")) {
        return parse_number("limit", p->value, QUERY_ROWS_MAX, &q->limit, err);
    }
    if (str_equal_c(p->name, "offset")) {
        return parse_number("offset", p->value, QUERY_OFFSET_MAX, &q->offset, err);
    }
    if (str_equal_c(p->name, "key")) {
        return parse_key(q, p->value, keys, err);
    }
    struct str name = p->name;
    if (str_starts_with(name, prefix)) {
        name = (struct str){name.ptr + prefix.len, name.len - prefix.len};
    }
    return parse_filter(q, name, p->value, err);
}

enum err_code table_query_parse(const struct flow_table *t,
                                const struct query_parameter *parameters, size_t count,
                                struct arena *arena, struct table_query *out, struct err *err) {
    size_t keys = 0;
    memset(out, 0, sizeof(*out));
    out->table = t;
    out->arena = arena;
    out->limit = QUERY_ROWS;
    table_columns_of(t, &out->columns);
    for (size_t i = 0; i < out->columns.count; i++) {
        out->selected[out->selected_count++] = i;
    }
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < count; i++) {
        code = parse_parameter(out, &parameters[i], &keys, err);
    }
    if (code == ERR_NONE && keys > 0 && keys < out->columns.key_count) {
        return err_set(err, ERR_INPUT, "give key= %zu times: once for each column of the key",
                       out->columns.key_count);
    }
    out->is_one = keys > 0;
    return code;
}

/* ---- SQL ---- */

/* A parameter as a value of the column; PostgreSQL compares nothing with another type. */
static void add_parameter(const struct table_query *q, const struct query_filter *f, int number,
                          struct buf *out) {
    const enum column_type type = q->columns.items[f->column].type;
    const bool is_postgres = q->dialect == STORE_POSTGRES;
    const bool is_flag = is_postgres && type == TYPE_BOOL;
    const bool is_big = is_postgres && type == TYPE_INT256;
    buf_addf(out, "%s?%d%s",
             is_flag  ? "("
             : is_big ? "CAST("
                      : "",
             number,
             is_flag  ? " <> 0)"
             : is_big ? " AS numeric)"
                      : "");
    buf_adds(out, is_postgres && (f->op == QUERY_LIKE || f->op == QUERY_ILIKE) ? " ESCAPE ''" : "");
}

static const char *op_sql(const struct table_query *q, const struct query_filter *f) {
    if (q->dialect == STORE_POSTGRES) {
        if (f->op == QUERY_LIKE || f->op == QUERY_ILIKE) {
            return f->op == QUERY_LIKE ? "LIKE" : "ILIKE";
        }
        if (f->op == QUERY_IS && f->is[0] != 'N') { /* 1, 0: of whatever type the column is */
            return f->is[0] == '1' ? "IS NOT DISTINCT FROM '1'" : "IS NOT DISTINCT FROM '0'";
        }
        if (f->op == QUERY_IN && f->count == 0) { /* a list is never empty there */
            return "IS NULL AND FALSE";
        }
    }
    return ops[f->op].sql;
}

static void add_filter(const struct table_query *q, const struct query_filter *f, int *parameter,
                       struct buf *out) {
    const char *name = q->columns.items[f->column].name;
    const char *op = op_sql(q, f);
    buf_addf(out, "%s(\"%s\" %s ", f->negated ? "NOT " : "", name, op);
    if ((f->op == QUERY_IS || f->op == QUERY_IN) && op != ops[f->op].sql) {
        /* all is said */
    } else if (f->op == QUERY_IS) {
        buf_adds(out, f->is);
    } else if (f->op == QUERY_IN) {
        buf_addc(out, '(');
        for (size_t i = 0; i < f->count; i++) {
            buf_adds(out, i > 0 ? ", " : "");
            add_parameter(q, f, ++*parameter, out);
        }
        buf_addc(out, ')');
    } else {
        add_parameter(q, f, ++*parameter, out);
    }
    buf_addc(out, ')');
}

static void add_order(const struct table_query *q, struct buf *out) {
    buf_adds(out, " ORDER BY ");
    for (size_t i = 0; i < q->order_count; i++) {
        const int nulls = q->order[i].nulls;
        const bool first = nulls < 0 || (nulls == 0 && !q->order[i].descends);
        buf_addf(out, "\"%s\"%s NULLS %s, ", q->columns.items[q->order[i].column].name,
                 q->order[i].descends ? " DESC" : "", first ? "FIRST" : "LAST");
    }
    for (size_t i = 0; i < q->columns.key_count; i++) { /* so that pages do not overlap */
        buf_addf(out, "%s\"%s\"", i > 0 ? ", " : "", q->columns.items[q->columns.key[i]].name);
    }
}

void table_query_sql(const struct table_query *q, bool counts, struct buf *out) {
    int parameter = 0;
    buf_adds(out, counts ? "SELECT count(*)" : "SELECT ");
    for (size_t i = 0; !counts && i < q->selected_count; i++) {
        buf_addf(out, "%s\"%s\"", i > 0 ? ", " : "", q->columns.items[q->selected[i]].name);
    }
    buf_addf(out, " FROM \"%s\"", q->table->name);
    for (size_t i = 0; i < q->filter_count; i++) {
        buf_adds(out, i == 0 ? " WHERE " : " AND ");
        add_filter(q, &q->filters[i], &parameter, out);
    }
    if (!counts) {
        add_order(q, out);
        buf_addf(out, " LIMIT ?%d OFFSET ?%d", parameter + 1, parameter + 2);
    }
}

/* As text: that of an int256, which is its encoding otherwise; bytes of the arena. */
static void bind_number(const struct table_query *q, struct store_statement *st, int index,
                        const struct value *v) {
    struct err err = ERR_INIT;
    struct int256 number;
    char text[INT256_TEXT_BYTES] = "";
    struct str kept = {"", 0};
    if (int256_decode(v->bytes, &number)) {
        (void)int256_format(&number, text);
    }
    if (arena_copy(q->arena, str_of(text), &kept, &err) != ERR_NONE) {
        kept = STR("NaN"); /* equals no int256 */
    }
    store_bind_str(st, index, kept);
}

static void bind_value(struct store_statement *st, int index, const struct value *v) {
    switch (v->type) {
    case TYPE_INT64:
    case TYPE_BOOL:
    case TYPE_TIMESTAMP:
        store_bind_i64(st, index, v->integer);
        break;
    case TYPE_FLOAT64:
        store_bind_f64(st, index, v->real);
        break;
    case TYPE_TEXT:
    case TYPE_JSON:
        store_bind_str(st, index, v->bytes);
        break;
    case TYPE_BYTES:
    case TYPE_INT256:
        store_bind_blob(st, index, v->bytes);
        break;
    }
}

static void bind_one(const struct table_query *q, const struct query_filter *f, size_t value,
                     struct store_statement *st, int index) {
    const struct value *v = &f->values[value];
    if (q->dialect == STORE_POSTGRES && f->op == QUERY_LIKE) {
        store_bind_str(st, index, f->values[1].bytes);
    } else if (q->dialect == STORE_POSTGRES && v->type == TYPE_INT256) {
        bind_number(q, st, index, v);
    } else {
        bind_value(st, index, v);
    }
}

void table_query_bind(const struct table_query *q, bool counts, struct store_statement *st) {
    int parameter = 0;
    for (size_t i = 0; i < q->filter_count; i++) {
        for (size_t k = 0; k < q->filters[i].count; k++) {
            bind_one(q, &q->filters[i], k, st, ++parameter);
        }
    }
    if (!counts) {
        store_bind_i64(st, parameter + 1, q->limit);
        store_bind_i64(st, parameter + 2, q->offset);
    }
}
