/* The flow's tables. What is declared and what is there are both lists of columns, the latter from
 * the server's catalog; a table is made from the one and compared column by column, by name, since
 * ALTER TABLE may have left another order.
 *
 * Rows of tables with a key are written again and again in place: fillfactor leaves room on the page
 * for the new version, so that indexes need no new entry where no indexed column changed. */
#include <string.h>

#include "store/postgres/binary.h"
#include "store/postgres/catalog.h"
#include "store/postgres/internal.h"

#define UPSERTED_STORAGE " WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05)"
#define OWN_COLUMNS_MAX  5 /* _partition, _record, _batch, _pos, _n */
#define COLUMN_TEXT_MAX  ((size_t)1 << 20)

struct table_column {
    const char *name;
    const char *type;
    bool required;
    int64_t key; /* 1, 2, ... place in the key; 0: none */
};

struct table_columns {
    struct arena arena;
    struct table_column *list;
    size_t count;
};

static void table_columns_release(struct table_columns *c) {
    arena_release(&c->arena);
    mem_free(c->list);
}
#define AUTO_COLUMNS CLEANUP(table_columns_release) struct table_columns

const char *pg_sql_type(enum column_type type) {
    return type == TYPE_TEXT || type == TYPE_JSON ? "text COLLATE \"C\"" : pg_type_name(type);
}

/* ---- what is declared ---- */

static void declare(struct table_columns *c, const char *name, const char *type, bool required,
                    int64_t key) {
    c->list[c->count++] = (struct table_column){name, type, required || key > 0, key};
}

static void declared_columns(const struct flow *flow, const struct flow_table *t,
                             struct table_columns *out) {
    out->list = mem_alloc_array(t->schema.count + OWN_COLUMNS_MAX, sizeof(out->list[0]));
    if (t->key_auto) {
        declare(out, "_partition", "bigint", true, 1);
        declare(out, "_record", "bigint", true, 2);
    }
    for (size_t i = 0; i < t->schema.count; i++) {
        int64_t key = 0;
        for (size_t k = 0; k < t->key_count; k++) {
            key = t->key[k] == i ? (int64_t)k + 1 : key;
        }
        declare(out, t->schema.columns[i].name, pg_sql_type(t->schema.columns[i].type), false, key);
    }
    if (t->lineage) {
        declare(out, "_batch", "bigint", false, 0);
        declare(out, "_pos", "bigint", false, 0);
    }
    if (flow_sums_into(flow, t)) {
        declare(out, "_n", "bigint", true, 0);
    }
}

static const struct table_column *column_find(const struct table_columns *c, const char *name) {
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->list[i].name, name) == 0) {
            return &c->list[i];
        }
    }
    return NULL;
}

static const struct table_column *key_column(const struct table_columns *c, int64_t key) {
    for (size_t i = 0; i < c->count; i++) {
        if (c->list[i].key == key) {
            return &c->list[i];
        }
    }
    return NULL;
}

/* CREATE TABLE that makes it. */
static void columns_ddl(const char *table, const struct table_columns *c, struct buf *out) {
    buf_addf(out, "CREATE TABLE \"%s\"(", table);
    for (size_t i = 0; i < c->count; i++) {
        const struct table_column *column = &c->list[i];
        buf_addf(out, "%s\"%s\" %s%s", i > 0 ? ", " : "", column->name, column->type,
                 column->required && column->key == 0 ? " NOT NULL" : "");
    }
    const struct table_column *column = key_column(c, 1);
    buf_adds(out, column != NULL ? ", PRIMARY KEY(" : "");
    for (int64_t key = 1; column != NULL; column = key_column(c, ++key)) {
        buf_addf(out, "%s\"%s\"", key > 1 ? ", " : "", column->name);
    }
    buf_adds(out, key_column(c, 1) != NULL ? "))" : ")");
}

/* ---- what is there ---- */

/* A default collation that is C by another name is C. */
static const char columns_sql[] =
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod) || CASE WHEN l.collname IS NULL THEN "
    "'' "
    "WHEN l.collname IN ('C', 'POSIX') OR (l.collname = 'default' AND d.datcollate IN ('C', "
    "'POSIX') "
    "AND coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') = 'c') THEN ' COLLATE \"C\"' WHEN "
    "l.collname = 'default' THEN '' ELSE ' COLLATE ' || quote_ident(l.collname) END || CASE WHEN "
    "a.attgenerated <> '' THEN ' GENERATED' ELSE '' END, a.attnotnull, "
    "coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0)::bigint FROM pg_class c JOIN "
    "pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND "
    "a.attnum > 0 AND NOT a.attisdropped JOIN pg_database d ON d.datname = current_database() LEFT "
    "JOIN pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_index i ON i.indrelid = c.oid AND "
    "i.indisprimary WHERE n.nspname = ?1 AND c.relname = ?2 ORDER BY a.attnum";

static enum err_code row_take(struct pg_statement *st, struct table_columns *out, struct err *err) {
    struct str name = {NULL, 0};
    struct str type = {NULL, 0};
    enum err_code code = arena_copy(&out->arena, pg_column_str(st, 0), &name, err);
    if (code == ERR_NONE) {
        code = arena_copy(&out->arena, pg_column_str(st, 1), &type, err);
    }
    if (code == ERR_NONE) {
        out->list = mem_realloc(out->list, (out->count + 1) * sizeof(out->list[0]));
        out->list[out->count++] = (struct table_column){
            name.ptr, type.ptr, pg_column_i64(st, 2) != 0, pg_column_i64(st, 3)};
    }
    return code;
}

static enum err_code found_columns(struct pg *pg, const char *table, struct table_columns *out,
                                   struct err *err) {
    struct pg_statement *st = NULL;
    arena_init(&out->arena, COLUMN_TEXT_MAX);
    enum err_code code = pg_prepare(pg, columns_sql, &st, err);
    if (code == ERR_NONE) {
        pg_bind_str(st, 1, str_of(pg->schema));
        pg_bind_str(st, 2, str_of(table));
    }
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = pg_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            code = row_take(st, out, err);
        }
    }
    pg_statement_free(st);
    return code;
}

/* relkind of the relation, '\0' when there is none. */
static enum err_code relation_kind(struct pg *pg, const char *name, char *kind, struct err *err) {
    char known_as[PG_IDENTIFIER_BYTES];
    pg_short_name(str_of(name), known_as);
    struct pg_statement *st = NULL;
    bool has_row = false;
    *kind = '\0';
    enum err_code code = pg_prepare(
        pg,
        "SELECT c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = ?1 AND c.relname = ?2",
        &st, err);
    if (code == ERR_NONE) {
        pg_bind_str(st, 1, str_of(pg->schema));
        pg_bind_str(st, 2, str_of(known_as));
        code = pg_step(st, &has_row, err);
    }
    if (code == ERR_NONE && has_row) {
        *kind = pg_column_str(st, 0).ptr[0];
    }
    pg_statement_free(st);
    return code;
}

static enum err_code table_exists(struct pg *pg, const struct flow_table *t, bool *exists,
                                  struct err *err) {
    char kind = '\0';
    enum err_code code = relation_kind(pg, t->name, &kind, err);
    *exists = kind != '\0';
    if (code == ERR_NONE && *exists && kind != 'r' && kind != 'p') {
        return node_error(t->node, err,
                          "'%s' in schema '%s' is there already and is no table: give the table "
                          "another name, or the store another schema (?schema=...)",
                          t->name, pg->schema);
    }
    return code;
}

/* ---- comparing ---- */

/* found: the column of the same name, or NULL. */
static void tell(const struct table_column *declared, const struct table_column *found,
                 struct buf *out) {
    const char *semicolon = out->len > 0 ? "; " : "";
    if (found == NULL) {
        buf_addf(out, "%scolumn %s is new", semicolon, declared->name);
    } else if (strcmp(declared->type, found->type) != 0) {
        buf_addf(out, "%scolumn %s becomes %s, it is %s", semicolon, declared->name, declared->type,
                 found->type);
    } else if (declared->key != found->key) {
        buf_addf(out, "%scolumn %s has another place in the key", semicolon, declared->name);
    } else if (declared->required != found->required) {
        buf_addf(out, "%scolumn %s %s", semicolon, declared->name,
                 found->required ? "may be NULL" : "is never NULL");
    }
}

static void compare(const struct table_columns *declared, const struct table_columns *found,
                    struct buf *out) {
    for (size_t i = 0; i < declared->count; i++) {
        tell(&declared->list[i], column_find(found, declared->list[i].name), out);
    }
    for (size_t i = 0; i < found->count; i++) {
        if (column_find(declared, found->list[i].name) == NULL) {
            buf_addf(out, "%scolumn %s goes", out->len > 0 ? "; " : "", found->list[i].name);
        }
    }
}

enum err_code pg_table_compare(struct pg *pg, const struct flow *flow, const struct flow_table *t,
                               bool *exists, struct buf *out, struct err *err) {
    AUTO_COLUMNS declared = {.count = 0};
    AUTO_COLUMNS found = {.count = 0};
    enum err_code code = table_exists(pg, t, exists, err);
    if (code != ERR_NONE || !*exists) {
        return code;
    }
    declared_columns(flow, t, &declared);
    code = found_columns(pg, t->name, &found, err);
    if (code == ERR_NONE) {
        compare(&declared, &found, out);
    }
    return code;
}

enum err_code pg_index_exists(struct pg *pg, const struct flow_table *t, size_t index, bool *exists,
                              struct err *err) {
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    flow_index_name(t, index, &name);
    char kind = '\0';
    enum err_code code = relation_kind(pg, buf_c(&name), &kind, err);
    *exists = kind == 'i' || kind == 'I';
    return code;
}

/* ---- making ---- */

static bool has_column(const struct flow_table *t, size_t index, size_t column) {
    for (size_t k = 0; k < t->indexes[index].count; k++) {
        if (t->indexes[index].columns[k] == column) {
            return true;
        }
    }
    return false;
}

/* An index ends with the table's key, as SQLite's do: "the next of this pool" is one step in it. Up to
 * the first column whose values may be too long for an index. */
static void index_key(const struct flow_table *t, size_t index, struct buf *out) {
    if (t->key_auto) {
        buf_adds(out, ", \"_partition\", \"_record\"");
    }
    for (size_t i = 0; i < t->key_count; i++) {
        const struct column *c = &t->schema.columns[t->key[i]];
        if (c->type == TYPE_TEXT || c->type == TYPE_JSON || c->type == TYPE_BYTES) {
            return;
        }
        if (!has_column(t, index, t->key[i])) {
            buf_addf(out, ", \"%s\"", c->name);
        }
    }
}

/* Asked first: CREATE INDEX IF NOT EXISTS waits for everybody who writes to the table. */
static enum err_code index_ensure(struct pg *pg, const struct flow_table *t, size_t index,
                                  struct err *err) {
    bool exists = false;
    enum err_code code = pg_index_exists(pg, t, index, &exists, err);
    if (code != ERR_NONE || exists) {
        return code;
    }
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    char known_as[PG_IDENTIFIER_BYTES];
    flow_index_name(t, index, &name);
    pg_short_name(buf_str(&name), known_as);
    buf_addf(&sql, "CREATE INDEX \"%s\" ON \"%s\"(", known_as, t->name);
    for (size_t k = 0; k < t->indexes[index].count; k++) {
        buf_addf(&sql, "%s\"%s\"", k > 0 ? ", " : "",
                 t->schema.columns[t->indexes[index].columns[k]].name);
    }
    index_key(t, index, &sql);
    buf_adds(&sql, ")");
    return pg_execute(pg, buf_c(&sql), err);
}

static enum err_code table_matches(struct pg *pg, const struct flow_table *t,
                                   const struct table_columns *declared, struct err *err) {
    AUTO_COLUMNS found = {.count = 0};
    AUTO_BUF differences = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = found_columns(pg, t->name, &found, err);
    if (code == ERR_NONE) {
        compare(declared, &found, &differences);
    }
    if (code != ERR_NONE || differences.len == 0) {
        return code;
    }
    AUTO_BUF ddl = BUF_INIT(BUF_TEXT_MAX);
    columns_ddl(t->name, &found, &ddl);
    const char *way = t->is_reference
                          ? "change the table with ALTER TABLE, or put the declaration back"
                          : "rebuild it from the staged raw data with `plumb replay`, or put the "
                            "declaration back";
    return node_error(
        t->node, err,
        "table '%s' is declared otherwise than it was made (%s): %s. The store has %s", t->name,
        buf_c(&differences), way, buf_c(&ddl));
}

enum err_code pg_table_ensure(struct pg *pg, const struct flow *flow, const struct flow_table *t,
                              struct err *err) {
    AUTO_COLUMNS declared = {.count = 0};
    bool exists = false;
    ASSERT(pg_in_transaction(pg));
    enum err_code code = table_exists(pg, t, &exists, err);
    if (code == ERR_NONE) {
        declared_columns(flow, t, &declared);
    }
    if (code == ERR_NONE && exists) {
        code = table_matches(pg, t, &declared, err);
    } else if (code == ERR_NONE) {
        AUTO_BUF ddl = BUF_INIT(BUF_TEXT_MAX);
        columns_ddl(t->name, &declared, &ddl);
        buf_adds(&ddl, t->key_auto || t->is_reference ? "" : UPSERTED_STORAGE);
        code = pg_execute(pg, buf_c(&ddl), err);
    }
    for (size_t i = 0; code == ERR_NONE && i < t->index_count; i++) {
        code = index_ensure(pg, t, i, err);
    }
    return code != ERR_NONE ? err_wrap(err, "table '%s'", t->name) : ERR_NONE;
}
