/* A sum or mapping sees one row of its input through a correlated subquery: `change` is then the
 * row of "_plumb_u" that has the identity of "_plumb_t", with the affinity its columns have. When
 * the keys are copies of columns, these narrow the rows first, so that an index can be used. */
#include "transform/lineage.h"

#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "transform/internal.h"

void lineage_literal(struct buf *out, const struct value *v) {
    if (v->is_null) {
        buf_adds(out, "NULL");
    } else if (type_is_integer(v->type)) {
        buf_addf(out, "%lld", (long long)v->integer);
    } else if (v->type == TYPE_FLOAT64) {
        char text[PARSE_F64_TEXT_BYTES];
        parse_print_f64(v->real, text);
        buf_adds(out, text);
    } else if (v->type == TYPE_TEXT || v->type == TYPE_JSON) {
        buf_addc(out, '\'');
        for (size_t i = 0; i < v->bytes.len; i++) {
            if (v->bytes.ptr[i] == '\'') {
                buf_addc(out, '\'');
            }
            buf_addc(out, v->bytes.ptr[i]);
        }
        buf_addc(out, '\'');
    } else {
        buf_adds(out, "X'");
        for (size_t i = 0; i < v->bytes.len; i++) {
            buf_addf(out, "%02x", (unsigned)(unsigned char)v->bytes.ptr[i]);
        }
        buf_addc(out, '\'');
    }
}

void lineage_identity(struct buf *out, const struct flow_table *t, const char *prefix) {
    if (t->key_auto) {
        buf_addf(out, "%s\"_partition\", %s\"_record\"", prefix, prefix);
    } else {
        sql_names(out, &t->schema, t->key, t->key_count, prefix);
    }
}

void lineage_over(struct buf *out, const struct flow_table *from, const char *where,
                  const char *sql) {
    AUTO_BUF body = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&body, "SELECT ");
    sql_all_names(&body, &from->schema, "\"_plumb_u\".");
    buf_addf(&body, " FROM \"%s\" AS \"_plumb_u\"%s%s", from->name,
             where[0] != '\0' ? " WHERE " : "", where);
    sql_wrap(out, "change", buf_c(&body), sql);
}

void lineage_givers(struct buf *out, const struct flow_table *from, const char *sql,
                    const char *keys, const char *only) {
    AUTO_BUF same = BUF_INIT(BUF_TEXT_MAX);
    buf_addc(&same, '(');
    lineage_identity(&same, from, "\"_plumb_u\".");
    buf_adds(&same, ") = (");
    lineage_identity(&same, from, "\"_plumb_t\".");
    buf_addc(&same, ')');
    buf_addf(out, " FROM \"%s\" AS \"_plumb_t\" WHERE %s%sEXISTS (SELECT 1 FROM (", from->name,
             only, only[0] != '\0' ? " AND " : "");
    lineage_over(out, from, buf_c(&same), sql);
    buf_addf(out, ") AS s WHERE %s)", keys);
}

static bool reads_only(const struct sql_facts *facts, const char *table) {
    for (size_t i = 0; i < facts->read_count; i++) {
        if (strcmp(facts->reads[i].table, table) != 0) {
            return false;
        }
    }
    return true;
}

/* Columns of a compound have the origin of one side only. */
static bool is_compound(const char *sql) {
    size_t offset = 0;
    return sql_find_word(sql, STR("union"), &offset) ||
           sql_find_word(sql, STR("except"), &offset) ||
           sql_find_word(sql, STR("intersect"), &offset);
}

static bool plain_key(const struct sql_facts *facts, const struct flow_transform *sum, size_t k,
                      size_t *column) {
    const char *name = sum->into->schema.columns[sum->into->key[k]].name;
    for (size_t i = 0; i < facts->column_count; i++) {
        if (strcasecmp(facts->columns[i], name) == 0 &&
            strcmp(facts->origins[i].table, sum->from->name) == 0) {
            const int at = schema_find(&sum->from->schema, str_of(facts->origins[i].column));
            *column = at >= 0 ? (size_t)at : 0;
            return at >= 0;
        }
    }
    return false;
}

enum err_code lineage_plain_keys(struct store *s, const struct flow_transform *sum, size_t *columns,
                                 bool *plain, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    struct sql_facts *facts = mem_alloc(sizeof(*facts));
    int64_t offset = -1;
    lineage_over(&sql, sum->from, "", sum->sql);
    enum err_code code = store_analyse(s, buf_c(&sql), facts, &offset, err);
    if (code == ERR_CONFIG) { /* what is not understood is not narrowed */
        err_clear(err);
        code = ERR_NONE;
        facts->read_count = 0;
        facts->column_count = 0;
    }
    *plain = code == ERR_NONE && reads_only(facts, sum->from->name) && !is_compound(sum->sql);
    for (size_t k = 0; *plain && k < sum->into->key_count; k++) {
        *plain = plain_key(facts, sum, k, &columns[k]);
    }
    mem_free(facts);
    return code;
}

void lineage_amounts(struct buf *out, const struct flow_table *into) {
    buf_adds(out, "count(*)");
    for (size_t i = 0; i < into->schema.count; i++) {
        const struct column *c = &into->schema.columns[i];
        if (sql_is_in(into->key, into->key_count, i)) {
            continue;
        }
        buf_addf(out,
                 c->type == TYPE_INT256 ? ", i256_sum(i256(s.\"%s\"))"
                                        : ", _plumb_isum(s.\"%s\", 1)",
                 c->name);
    }
}

bool lineage_names(const char *sql, const char *table) {
    size_t offset = 0;
    return sql_find_word(sql, str_of(table), &offset);
}

void lineage_wanted(struct buf *out, const struct store *s, const struct flow_table *into) {
    buf_addf(out, "CREATE TEMP TABLE \"_plumb_wanted_%s\"(\"_node\" INTEGER NOT NULL, ",
             into->name);
    sql_column_types(out, s, &into->schema);
    buf_adds(out, ", PRIMARY KEY(");
    lineage_identity(out, into, "");
    buf_adds(out, ")) STRICT, WITHOUT ROWID");
}

void lineage_search(struct buf *out, const struct flow_transform *map) {
    const struct flow_table *into = map->into;
    AUTO_BUF body = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&body, "SELECT * FROM temp.\"%s\"", map->stream->relation);
    buf_addf(out,
             "SELECT w.\"_node\", s.\"_plumb_at\" FROM (SELECT s.*, coalesce((%s\n), 0) <> 0 AS "
             "\"_plumb_gone\", _plumb_pos() AS \"_plumb_at\" FROM (",
             map->delete_when != NULL ? map->delete_when : "0");
    sql_wrap(out, "batch", buf_c(&body), map->sql);
    buf_addf(out, ") AS s) AS s CROSS JOIN temp.\"_plumb_wanted_%s\" AS w WHERE ", into->name);
    for (size_t i = 0; i < into->schema.count; i++) {
        const char *name = into->schema.columns[i].name;
        const bool in_key = sql_is_in(into->key, into->key_count, i);
        buf_addf(out, "s.\"%s\" %s w.\"%s\" AND ", name, in_key ? "=" : "IS", name);
    }
    buf_adds(out, "NOT s.\"_plumb_gone\"");
}
