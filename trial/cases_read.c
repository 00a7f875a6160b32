/* How it works: the tree of yaml.c, read key by key as flow/ reads a flow: what is not known is an
 * error with its place. Cells are turned into values by the column's type at once, and kept as the
 * text that a cell of the store with the same value has, so comparing is comparing texts. */
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/parse.h"
#include "flow/read.h"
#include "flow/yaml.h"
#include "trial/cases.h"

static const char *const case_keys[] = {"at",     "records", "rows",    "transform",
                                        "decode", "expect",  "rejects", "error"};

struct reader {
    struct case_list *list;
    const struct flow *flow;
    struct arena *arena;
};

/* ---- names ---- */

/* Told at the key when the name is one. */
static enum err_code unknown_name(const struct node *n, const char *kind, struct str name,
                                  const char *const *names, size_t count, struct err *err) {
    struct node at = *n;
    if (n->key != NULL && str_equal_c(name, n->key)) {
        at.line = n->key_line;
        at.column = n->key_column;
    }
    return read_unknown(&at, kind, name, names, count, err);
}

static enum err_code find_table(const struct reader *r, const struct node *n,
                                const struct flow_table **out, struct err *err) {
    const char *names[FLOW_ITEMS_MAX];
    *out = flow_find_table(r->flow, n->key);
    for (size_t i = 0; i < r->flow->table_count; i++) {
        names[i] = r->flow->tables[i].name;
    }
    return *out != NULL
               ? ERR_NONE
               : unknown_name(n, "table", str_of(n->key), names, r->flow->table_count, err);
}

static enum err_code find_source(const struct reader *r, const struct node *n, const char *name,
                                 const struct flow_source **out, struct err *err) {
    const char *names[FLOW_ITEMS_MAX];
    *out = flow_find_source(r->flow, name);
    for (size_t i = 0; i < r->flow->source_count; i++) {
        names[i] = r->flow->sources[i].name;
    }
    return *out != NULL
               ? ERR_NONE
               : unknown_name(n, "source", str_of(name), names, r->flow->source_count, err);
}

static enum err_code find_transform(const struct reader *r, const struct node *n,
                                    const struct flow_transform **out, struct err *err) {
    const char *names[FLOW_ITEMS_MAX];
    const char *name = NULL;
    const enum err_code code = read_text(n, &name, err);
    if (code != ERR_NONE) {
        return code;
    }
    *out = flow_find_transform(r->flow, name);
    for (size_t i = 0; i < r->flow->transform_count; i++) {
        names[i] = r->flow->transforms[i].name;
    }
    return *out != NULL
               ? ERR_NONE
               : unknown_name(n, "transform", n->text, names, r->flow->transform_count, err);
}

/* ---- cells ---- */

/* JSON without white space between its tokens, as stored cells are. */
static struct str json_folded(struct str text, struct arena *arena) {
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (quoted || strchr(" \t\r\n", c) == NULL) {
            buf_addc(&out, c);
        }
        if (quoted && c == '\\' && i + 1 < text.len) {
            buf_addc(&out, text.ptr[++i]);
        } else if (c == '"') {
            quoted = !quoted;
        }
    }
    return (struct str){arena_strndup(arena, buf_c(&out), out.len), out.len};
}

static void add_hex(struct buf *out, struct str bytes) {
    static const char digits[] = "0123456789abcdef";
    buf_adds(out, "X'");
    for (size_t i = 0; i < bytes.len; i++) {
        const unsigned char c = (unsigned char)bytes.ptr[i];
        buf_addc(out, digits[c >> 4]);
        buf_addc(out, digits[c & 15u]);
    }
    buf_adds(out, "'");
}

static struct str sql_literal(const struct value *v, struct str cell, struct arena *arena) {
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    if (v->is_null) {
        buf_adds(&out, "NULL");
    } else if (type_is_integer(v->type)) {
        buf_addf(&out, "%lld", (long long)v->integer);
    } else if (v->type == TYPE_FLOAT64) {
        buf_addstr(&out, cell);
    } else if (v->type == TYPE_TEXT || v->type == TYPE_JSON) {
        buf_adds(&out, "'");
        for (size_t i = 0; i < v->bytes.len; i++) {
            buf_adds(&out, v->bytes.ptr[i] == '\'' ? "'" : "");
            buf_addc(&out, v->bytes.ptr[i]);
        }
        buf_adds(&out, "'");
    } else {
        add_hex(&out, v->bytes);
    }
    return (struct str){arena_strndup(arena, buf_c(&out), out.len), out.len};
}

static enum err_code check_json(const struct node *n, struct str text, struct err *err) {
    struct arena scratch;
    const struct json_value *value = NULL;
    struct err why = ERR_INIT;
    arena_init(&scratch, CASES_FILE_BYTES_MAX);
    const enum err_code code = json_parse(text, &scratch, &value, &why);
    arena_release(&scratch);
    return code == ERR_NONE ? ERR_NONE
                            : node_error(n, err, "'%s' is not JSON: %s", n->key, why.message);
}

static enum err_code read_cell(const struct reader *r, const struct node *n, const struct column *c,
                               struct str *cell, struct str *sql, struct err *err) {
    struct value v = {.type = c->type, .is_null = true};
    if (n->kind != NODE_SCALAR) {
        return node_error(n, err, "'%s' must be a single value, not %s; JSON is written as text",
                          c->name, node_kind_name(n));
    }
    if (!n->is_null) {
        char *scratch = arena_new(r->arena, n->text.len + 64);
        struct str text = n->text;
        if (c->type == TYPE_JSON) {
            const enum err_code code = check_json(n, text, err);
            if (code != ERR_NONE) {
                return code;
            }
            text = json_folded(text, r->arena);
        }
        if (!value_parse(c->type, text, 0, scratch, &v)) {
            char shown[NODE_SHOW_BYTES];
            node_show(n, false, shown, sizeof shown);
            return node_error(n, err, "'%s' is not the %s that column '%s' holds", shown,
                              type_name(c->type), c->name);
        }
    }
    *cell = cell_text(&v, r->arena);
    *sql = sql_literal(&v, *cell, r->arena);
    return ERR_NONE;
}

static enum err_code read_row(const struct reader *r, const struct case_rows *rows,
                              const struct node *n, struct case_row *out, struct err *err) {
    const struct schema *schema = rows->schema;
    if (n->kind != NODE_MAP) {
        return node_error(n, err, "a row must be a map of columns, not %s", node_kind_name(n));
    }
    struct str *cells = arena_new(r->arena, (schema->count + 1) * sizeof *cells);
    struct str *sql = arena_new(r->arena, (schema->count + 1) * sizeof *sql);
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        const int column = schema_find(schema, str_of(item->key));
        if (column < 0) {
            const char *names[SCHEMA_COLUMNS_MAX];
            for (size_t i = 0; i < schema->count; i++) {
                names[i] = schema->columns[i].name;
            }
            return unknown_name(item, "column", str_of(item->key), names, schema->count, err);
        }
        const enum err_code code =
            read_cell(r, item, &schema->columns[column], &cells[column], &sql[column], err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    *out = (struct case_row){n, cells, sql};
    return ERR_NONE;
}

/* Rows are told apart by their key, which has to be there. */
static enum err_code check_key(const struct case_rows *rows, const struct case_row *row,
                               struct err *err) {
    for (size_t i = 0; rows->table != NULL && i < rows->table->key_count; i++) {
        if (row->cells[rows->table->key[i]].ptr == NULL) {
            return node_error(row->node, err,
                              "the row does not name '%s', which is of the key of '%s'",
                              rows->schema->columns[rows->table->key[i]].name, rows->table->name);
        }
    }
    return ERR_NONE;
}

static enum err_code read_rows(const struct reader *r, struct case_rows *rows, const struct node *n,
                               struct case_row **out, size_t *count, struct err *err) {
    if (n->kind != NODE_LIST) {
        return node_error(n, err, "'%s' must be a list of rows, not %s", n->key, node_kind_name(n));
    }
    *out = arena_new(r->arena, (n->count + 1) * sizeof **out);
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        struct case_row *row = &(*out)[(*count)++];
        enum err_code code = read_row(r, rows, item, row, err);
        if (code == ERR_NONE) {
            code = check_key(rows, row, err);
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

/* ---- sections ---- */

static enum err_code read_given(const struct reader *r, struct test_case *t, const struct node *n,
                                struct err *err) {
    if (n->kind != NODE_MAP) {
        return node_error(n, err, "'rows' must be a map of tables, not %s", node_kind_name(n));
    }
    t->given = arena_new(r->arena, (n->count + 1) * sizeof *t->given);
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        struct case_rows *rows = &t->given[t->given_count++];
        *rows = (struct case_rows){.node = item};
        enum err_code code = find_table(r, item, &rows->table, err);
        if (code == ERR_NONE) {
            rows->schema = &rows->table->schema;
            code = read_rows(r, rows, item, &rows->rows, &rows->count, err);
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

static enum err_code find_stream(const struct reader *r, const struct test_case *t,
                                 const struct node *n, const struct flow_stream **out,
                                 struct err *err) {
    const char *names[FLOW_ITEMS_MAX];
    size_t count = 0;
    (void)r;
    for (size_t i = 0; i < t->decode->stream_count && count < FLOW_ITEMS_MAX; i++) {
        const struct flow_stream *s = &t->decode->streams[i];
        if (strcmp(s->full_name, n->key) == 0 || strcmp(s->name, n->key) == 0) {
            *out = s;
            return ERR_NONE;
        }
        names[count++] = s->full_name;
    }
    return unknown_name(n, "stream", str_of(n->key), names, count, err);
}

static enum err_code read_expected(const struct reader *r, const struct test_case *t,
                                   struct case_rows *rows, const struct node *n, struct err *err) {
    static const char *const known[] = {"has", "absent"};
    enum err_code code = ERR_NONE;
    if (t->decode != NULL) {
        code = find_stream(r, t, n, &rows->stream, err);
        rows->schema = code == ERR_NONE ? &rows->stream->spec->schema : NULL;
    } else {
        code = find_table(r, n, &rows->table, err);
        rows->schema = code == ERR_NONE ? &rows->table->schema : NULL;
    }
    if (code != ERR_NONE || n->kind != NODE_MAP) {
        return code == ERR_NONE ? read_rows(r, rows, n, &rows->rows, &rows->count, err) : code;
    }
    rows->some = true;
    code = read_map(n, n->key, known, ARRAY_COUNT(known), err);
    const struct node *has = node_get(n, "has");
    const struct node *absent = node_get(n, "absent");
    if (code == ERR_NONE && has != NULL) {
        code = read_rows(r, rows, has, &rows->rows, &rows->count, err);
    }
    if (code == ERR_NONE && absent != NULL) {
        code = read_rows(r, rows, absent, &rows->absent, &rows->absent_count, err);
    }
    return code;
}

static enum err_code read_expect(const struct reader *r, struct test_case *t, const struct node *n,
                                 struct err *err) {
    if (n->kind != NODE_MAP) {
        return node_error(n, err, "'expect' must be a map of tables, not %s", node_kind_name(n));
    }
    t->expect = arena_new(r->arena, (n->count + 1) * sizeof *t->expect);
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        struct case_rows *rows = &t->expect[t->expect_count++];
        *rows = (struct case_rows){.node = item};
        const enum err_code code = read_expected(r, t, rows, item, err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

/* A text, or with what the source keeps beside it. */
static enum err_code check_batch(const struct node *n, struct err *err) {
    static const char *const known[] = {"meta", "text"};
    const char *text = NULL;
    if (n->kind != NODE_MAP) {
        return read_text(n, &text, err);
    }
    enum err_code code = read_map(n, "a batch", known, ARRAY_COUNT(known), err);
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(known); i++) {
        const struct node *part = node_get(n, known[i]);
        code = part != NULL ? read_text(part, &text, err)
                            : node_error(n, err, "the batch has no '%s'", known[i]);
    }
    return code;
}

static enum err_code check_batches(const struct node *n, struct err *err) {
    if (n->kind != NODE_LIST) {
        return check_batch(n, err);
    }
    enum err_code code = read_list(n, err);
    for (const struct node *item = n->first; code == ERR_NONE && item != NULL; item = item->next) {
        code = check_batch(item, err);
    }
    return code;
}

static enum err_code read_records(const struct reader *r, struct test_case *t, const struct node *n,
                                  struct err *err) {
    if (n->kind != NODE_MAP) {
        return node_error(n, err, "'records' must be a map of sources, not %s", node_kind_name(n));
    }
    t->records = arena_new(r->arena, (n->count + 1) * sizeof *t->records);
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        struct case_records *records = &t->records[t->records_count++];
        records->batches = item;
        enum err_code code = find_source(r, item, item->key, &records->source, err);
        if (code == ERR_NONE) {
            code = check_batches(item, err);
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

static enum err_code read_reason(const struct node *n, const char **out, struct err *err) {
    static const char *const reasons[] = {
#define X(name, text) text,
        REJECT_REASONS(X)
#undef X
    };
    enum err_code code = read_text(n, out, err);
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(reasons); i++) {
        if (strcmp(reasons[i], *out) == 0) {
            return ERR_NONE;
        }
    }
    return code == ERR_NONE ? unknown_name(n, "reason", n->text, reasons, ARRAY_COUNT(reasons), err)
                            : code;
}

static enum err_code read_reject(const struct reader *r, const struct node *n,
                                 struct case_reject *out, struct err *err) {
    static const char *const known[] = {"source", "transform", "reason", "column", "count"};
    *out = (struct case_reject){.node = n, .count = 1};
    enum err_code code = read_map(n, "a reject", known, ARRAY_COUNT(known), err);
    const struct flow_source *source = NULL;
    const struct flow_transform *transform = NULL;
    const struct node *item = NULL;
    if (code == ERR_NONE && (item = node_get(n, "source")) != NULL) {
        code = read_text(item, &out->source, err);
        code = code == ERR_NONE ? find_source(r, item, out->source, &source, err) : code;
    }
    if (code == ERR_NONE && (item = node_get(n, "transform")) != NULL) {
        code = find_transform(r, item, &transform, err);
        out->transform = code == ERR_NONE ? transform->name : NULL;
    }
    if (code == ERR_NONE && (item = node_get(n, "reason")) != NULL) {
        code = read_reason(item, &out->reason, err);
    }
    if (code == ERR_NONE && (item = node_get(n, "column")) != NULL) {
        code = read_text(item, &out->column, err);
    }
    if (code == ERR_NONE && (item = node_get(n, "count")) != NULL &&
        (item->kind != NODE_SCALAR || !parse_i64(item->text, &out->count) || out->count < 1)) {
        code = node_error(item, err, "'count' must be a number from 1 on");
    }
    return code;
}

static enum err_code read_rejects(const struct reader *r, struct test_case *t, const struct node *n,
                                  struct err *err) {
    if (n->kind != NODE_LIST) {
        return node_error(n, err, "'rejects' must be a list, not %s", node_kind_name(n));
    }
    t->rejects = arena_new(r->arena, (n->count + 1) * sizeof *t->rejects);
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        const enum err_code code = read_reject(r, item, &t->rejects[t->reject_count++], err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

static enum err_code read_stage(const struct reader *r, struct test_case *t, const struct node *n,
                                struct err *err) {
    const struct node *transform = node_get(n, "transform");
    const struct node *decode = node_get(n, "decode");
    const char *name = NULL;
    if (transform != NULL && decode != NULL) {
        return node_key_error(decode, err, "a test is of 'transform' or of 'decode', not of both");
    }
    if (transform != NULL) {
        return find_transform(r, transform, &t->transform, err);
    }
    if (decode == NULL) {
        return ERR_NONE;
    }
    const enum err_code code = read_text(decode, &name, err);
    return code == ERR_NONE ? find_source(r, decode, name, &t->decode, err) : code;
}

/* ---- one test ---- */

static enum err_code read_at(struct test_case *t, const struct node *n, struct err *err) {
    if (n->kind != NODE_SCALAR || !clock_parse(n->text, &t->at_us)) {
        return node_error(n, err, "'at' must be a time such as 2026-01-05T10:00:00Z");
    }
    t->has_at = true;
    return ERR_NONE;
}

static enum err_code check_whole(const struct test_case *t, const struct node *n, struct err *err) {
    if (t->records_count == 0 && t->given_count == 0) {
        return node_key_error(n, err, "the test gives nothing: write records: or rows:");
    }
    if (t->expect_count == 0 && t->reject_count == 0 && t->error == NULL) {
        return node_key_error(n, err,
                              "the test expects nothing: write expect:, rejects: or error:");
    }
    if (t->decode != NULL && t->given_count > 0) {
        return node_key_error(n, err, "decoding reads records, no rows");
    }
    for (size_t i = 0; t->decode != NULL && i < t->records_count; i++) {
        if (t->records[i].source != t->decode) {
            return node_key_error(t->records[i].batches, err, "the test decodes '%s' alone",
                                  t->decode->name);
        }
    }
    return ERR_NONE;
}

typedef enum err_code (*part_reader)(const struct reader *r, struct test_case *t,
                                     const struct node *n, struct err *err);

static enum err_code read_case(const struct reader *r, const struct node *n, struct test_case *t,
                               struct err *err) {
    static const struct {
        const char *key;
        part_reader read;
    } parts[] = {{"records", read_records},
                 {"rows", read_given},
                 {"expect", read_expect},
                 {"rejects", read_rejects}};
    *t = (struct test_case){.name = n->key, .node = n};
    enum err_code code = read_map(n, n->key, case_keys, ARRAY_COUNT(case_keys), err);
    if (code == ERR_NONE) {
        code = read_stage(r, t, n, err);
    }
    const struct node *at = code == ERR_NONE ? node_get(n, "at") : NULL;
    if (at != NULL) {
        code = read_at(t, at, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(parts); i++) {
        const struct node *part = node_get(n, parts[i].key);
        code = part != NULL ? parts[i].read(r, t, part, err) : ERR_NONE;
    }
    const struct node *error = code == ERR_NONE ? node_get(n, "error") : NULL;
    if (error != NULL) {
        code = read_text(error, &t->error, err);
    }
    return code == ERR_NONE ? check_whole(t, n, err) : code;
}

/* ---- files ---- */

void cases_init(struct case_list *l) {
    *l = (struct case_list){.count = 0};
    arena_init(&l->arena, CASES_ARENA_BYTES);
}

void cases_free(struct case_list *l) {
    mem_free(l->items);
    arena_release(&l->arena);
    *l = (struct case_list){.count = 0};
}

enum err_code cases_read_text(struct case_list *l, const struct flow *flow, struct str text,
                              const char *path, struct err *err) {
    static const char *const known[] = {"tests"};
    const struct reader r = {l, flow, &l->arena};
    const struct node *root = NULL;
    const char *file = arena_strdup(&l->arena, path);
    enum err_code code = yaml_parse(text, file, &l->arena, NULL, NULL, &root, err);
    if (code == ERR_NONE) {
        code = read_map(root, "a test file", known, ARRAY_COUNT(known), err);
    }
    const struct node *tests = code == ERR_NONE ? node_get(root, "tests") : NULL;
    if (code == ERR_NONE && (tests == NULL || tests->kind != NODE_MAP)) {
        return node_error(tests != NULL ? tests : root, err, "'tests' must be a map of tests");
    }
    for (const struct node *n = tests != NULL ? tests->first : NULL; code == ERR_NONE && n != NULL;
         n = n->next) {
        if (l->count == CASES_MAX) {
            return node_key_error(n, err, "more than %d tests", CASES_MAX);
        }
        if (l->count == l->capacity) {
            l->capacity = l->capacity > 0 ? l->capacity * 2 : 32;
            l->items = mem_realloc(l->items, l->capacity * sizeof *l->items);
        }
        code = read_case(&r, n, &l->items[l->count], err);
        l->count += code == ERR_NONE;
    }
    l->files += code == ERR_NONE;
    return code;
}

enum err_code cases_read(struct case_list *l, const struct flow *flow, struct err *err) {
    char *pattern = file_join(flow->directory, "tests/*.yaml");
    struct file_list files = {.count = 0};
    enum err_code code = file_glob(pattern, &files, err);
    mem_free(pattern);
    for (size_t i = 0; code == ERR_NONE && i < files.count; i++) {
        AUTO_BUF text = BUF_INIT(CASES_FILE_BYTES_MAX);
        code = file_read_all(files.paths[i], &text, err);
        if (code == ERR_NONE) {
            code = cases_read_text(l, flow, buf_str(&text), files.paths[i], err);
        }
    }
    file_list_release(&files);
    return code;
}
