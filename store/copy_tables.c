/* The system's tables are read from the text that makes them, so that none can be forgotten; the
 * flow's from the flow; of queues it is asked whether they are there. */
#include "store/copy_tables.h"

#include <string.h>

#include "store/driver.h"
#include "store/words.h"

static const struct store_word words[] = {{"id", "id"},     {"int", "int"},   {"real", "real"},
                                          {"text", "text"}, {"blob", "blob"}, {"table", ""},
                                          {"keyed", ""}};
static const char create[] = "CREATE TABLE IF NOT EXISTS ";

static struct copy_table *add_table(struct copy_tables *out, struct str name) {
    out->list = mem_realloc(out->list, (out->count + 1) * sizeof(out->list[0]));
    struct copy_table *t = &out->list[out->count++];
    *t = (struct copy_table){.name = mem_strndup(name.ptr, name.len), .where = "", .rest = ""};
    return t;
}

static void add_column(struct copy_table *t, struct str name, enum column_type type) {
    t->columns = mem_realloc(t->columns, (t->count + 1) * sizeof(t->columns[0]));
    t->columns[t->count++] = (struct copy_column){mem_strndup(name.ptr, name.len), type};
}

void copy_tables_release(struct copy_tables *t) {
    for (size_t i = 0; i < t->count; i++) {
        for (size_t k = 0; k < t->list[i].count; k++) {
            mem_free(t->list[i].columns[k].name);
        }
        mem_free(t->list[i].columns);
        mem_free(t->list[i].name);
    }
    mem_free(t->list);
    *t = (struct copy_tables){.count = 0};
}

/* ---- the system's ---- */

static enum column_type type_of(struct str word) {
    if (str_equal_c(word, "text")) {
        return TYPE_TEXT;
    }
    if (str_equal_c(word, "blob")) {
        return TYPE_BYTES;
    }
    if (str_equal_c(word, "real")) {
        return TYPE_FLOAT64;
    }
    ASSERT(str_equal_c(word, "int") || str_equal_c(word, "id"));
    return TYPE_INT64;
}

/* `name type ...`; constraints of the table begin with a word in capitals. */
static void parse_column(struct copy_table *t, const char *text) {
    if (text[0] >= 'A' && text[0] <= 'Z') {
        return;
    }
    const bool quoted = text[0] == '"';
    const char *name = text + quoted;
    const size_t len = strcspn(name, quoted ? "\"" : " ");
    const char *type = name + len + quoted + 1;
    const struct str word = {type, strcspn(type, " ,)")};
    add_column(t, (struct str){name, len}, type_of(word));
    t->has_id = t->has_id || str_equal_c(word, "id");
}

/* From `name(` to the bracket that ends it; a comma outside of brackets ends a column. */
static const char *parse_table(struct copy_tables *out, const char *text) {
    const size_t len = strcspn(text, "(");
    struct copy_table *t = add_table(out, (struct str){text, len});
    const char *at = text + len + 1;
    int depth = 0;
    parse_column(t, at);
    for (; depth >= 0; at++) {
        ASSERT(*at != '\0');
        depth += *at == '(' ? 1 : *at == ')' ? -1 : 0;
        if (depth == 0 && *at == ',') {
            parse_column(t, at + 2);
        }
    }
    t->holds_frames = strcmp(t->name, "_plumb_frames") == 0;
    t->is_made_by_opening = strcmp(t->name, "_plumb_transforms") == 0;
    if (strcmp(t->name, "_plumb_meta") == 0) {
        /* These say what the store is; the rest, what is to be done with it. */
        t->where = " WHERE key NOT IN ('version', 'flow', 'tables')";
        t->rest = t->where;
        t->is_made_by_opening = true;
    }
    return at;
}

static void list_system(struct copy_tables *out) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    store_system_tables(words, ARRAY_COUNT(words), &text);
    const char *at = strstr(buf_c(&text), create);
    while (at != NULL) {
        at = strstr(parse_table(out, at + strlen(create)), create);
    }
}

/* ---- the flow's ---- */

static void add_flow_table(const struct flow *flow, const struct flow_table *t,
                           struct copy_tables *out) {
    struct copy_table *c = add_table(out, str_of(t->name));
    c->is_users = true;
    if (t->key_auto) {
        add_column(c, STR("_partition"), TYPE_INT64);
        add_column(c, STR("_record"), TYPE_INT64);
    }
    for (size_t i = 0; i < t->schema.count; i++) {
        add_column(c, str_of(t->schema.columns[i].name), t->schema.columns[i].type);
    }
    if (t->lineage) {
        add_column(c, STR("_batch"), TYPE_INT64);
        add_column(c, STR("_pos"), TYPE_INT64);
    }
    if (flow_sums_into(flow, t)) {
        add_column(c, STR("_n"), TYPE_INT64);
    }
}

static enum err_code list_flow(struct store *s, const struct flow *flow, struct copy_tables *out,
                               struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < flow->table_count; i++) {
        const struct flow_table *t = &flow->tables[i];
        AUTO_BUF differences = BUF_INIT(BUF_TEXT_MAX);
        bool exists = false;
        code = store_table_compare(s, t, &exists, &differences, err);
        if (code == ERR_NONE && exists && differences.len > 0) {
            return node_error(t->node, err,
                              "table '%s' of the store is not as it is declared (%s): `plumb "
                              "replay` first, or put the declaration back",
                              t->name, buf_c(&differences));
        }
        if (code == ERR_NONE && exists) {
            add_flow_table(flow, t, out);
        }
    }
    return code;
}

/* ---- queues ---- */

/* The type of a queue's column: its own ones, or a table's. */
static enum column_type queue_type(const struct schema *schema, struct str name) {
    const int at = schema_find(schema, name);
    if (at >= 0) {
        return schema->columns[at].type;
    }
    return str_equal_c(name, "_error") ? TYPE_TEXT : TYPE_INT64;
}

/* Adds it unless there is none. Rows are looked at so that the columns are known; a table that is not
 * there must not spoil the transaction. */
static enum err_code list_queue(struct store *s, const char *name, const struct schema *schema,
                                struct copy_tables *out, struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = false;
    char *sql = mem_printf("SELECT * FROM \"%s\" LIMIT 1", name);
    enum err_code code = store_savepoint(s, err);
    if (code != ERR_NONE) {
        mem_free(sql);
        return code;
    }
    code = store_prepare(s, sql, &st, err);
    mem_free(sql);
    if (code == ERR_NONE) {
        code = store_step(st, &has_row, err);
    }
    if (code == ERR_NONE && has_row) {
        struct copy_table *t = add_table(out, str_of(name));
        t->is_queue = true;
        for (int i = 0; i < store_column_count(st); i++) {
            const struct str column = str_of(store_column_name(st, i));
            if (!str_equal_c(column, "_id")) { /* PostgreSQL's: given anew */
                add_column(t, column, queue_type(schema, column));
            }
            t->rest = str_equal_c(column, "_failed") ? " ORDER BY \"_failed\"" : t->rest;
        }
    }
    store_statement_free(st);
    if (code != ERR_NONE && code != ERR_INPUT && code != ERR_CONFIG) {
        return code;
    }
    err_clear(err);
    return store_undo(s, err);
}

static enum err_code list_queues_of(struct store *s, const struct flow_transform *t,
                                    struct copy_tables *out, struct err *err) {
    const struct schema *schema = t->kind == TRANSFORM_SUM ? &t->from->schema : &t->into->schema;
    char *name = mem_printf("_plumb_q_%s%s", t->name, t->kind == TRANSFORM_MAP ? ".gone" : "");
    enum err_code code = list_queue(s, name, schema, out, err);
    mem_free(name);
    for (size_t i = 0; code == ERR_NONE && i < t->on_count; i++) {
        name = mem_printf("_plumb_q_%s.%s", t->name, t->on[i].table->name);
        code = list_queue(s, name, &t->on[i].table->schema, out, err);
        mem_free(name);
    }
    return code;
}

enum err_code copy_tables_list(struct store *s, struct copy_tables *out, struct err *err) {
    const struct flow *flow = s->flow;
    *out = (struct copy_tables){.count = 0};
    list_system(out);
    enum err_code code = list_flow(s, flow, out, err);
    for (size_t i = 0; code == ERR_NONE && i < flow->transform_count; i++) {
        code = list_queues_of(s, &flow->transforms[i], out, err);
    }
    return code;
}
