/* How it works: the flow's SELECT runs once over the whole input instead of over what changed. A sum
 * is grouped by plain aggregates, without the queue, the signs and the hidden counts it is kept up
 * with; a derive gets every key that its `on` makes of the rows that are there now, kept apart for
 * each table of `on`, so that it can be told which of them does not lead to a key. */
#include "transform/whole.h"

#include "transform/internal.h"

void whole_name(const struct flow_transform *t, struct buf *out) {
    buf_addf(out, "temp.\"_plumb_whole_%s\"", t->name);
}

void whole_keys_name(const struct flow_transform *t, size_t on, struct buf *out) {
    buf_addf(out, "temp.\"_plumb_keys_%s.%s\"", t->name, t->on[on].table->name);
}

static enum err_code make_table(struct store *s, const struct flow_transform *t, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    whole_name(t, &name);
    buf_addf(&sql, "CREATE TEMP TABLE \"_plumb_whole_%s\"(", t->name);
    sql_column_types(&sql, s, &t->into->schema);
    buf_addf(&sql, "%s, PRIMARY KEY(", t->kind == TRANSFORM_SUM ? ", \"_n\" INTEGER NOT NULL" : "");
    sql_names(&sql, &t->into->schema, t->into->key, t->into->key_count, "");
    buf_adds(&sql, ")) STRICT, WITHOUT ROWID");
    return store_execute(s, buf_c(&sql), err);
}

static void add_body(struct buf *body, const struct flow_table *table) {
    buf_adds(body, "SELECT ");
    sql_all_names(body, &table->schema, "");
    buf_addf(body, " FROM \"%s\"", table->name);
}

/* ---- sums ---- */

static enum err_code evaluate_sum(struct store *s, const struct flow_transform *t,
                                  struct err *err) {
    const struct flow_table *into = t->into;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF body = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    whole_name(t, &name);
    add_body(&body, t->from);
    buf_addf(&sql, "INSERT INTO %s SELECT ", buf_c(&name));
    for (size_t i = 0; i < into->schema.count; i++) {
        const struct column *c = &into->schema.columns[i];
        const bool is_key = sql_is_in(into->key, into->key_count, i);
        const char *before = is_key ? "(" : c->type == TYPE_INT256 ? "i256_sum(i256(" : "sum((";
        buf_addf(&sql, "%s%s\"%s\"%s", i > 0 ? ", " : "", before, c->name, is_key ? ")" : "))");
    }
    buf_adds(&sql, ", count(*) FROM (");
    sql_wrap(&sql, "change", buf_c(&body), t->sql);
    buf_adds(&sql, ") AS s GROUP BY ");
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    return store_execute(s, buf_c(&sql), err);
}

/* ---- derives ---- */

static enum err_code gather_keys(struct store *s, const struct flow_transform *t, size_t index,
                                 struct err *err) {
    const struct flow_on *on = &t->on[index];
    const struct schema *schema = &t->into->schema;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF body = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    whole_keys_name(t, index, &name);
    buf_addf(&sql, "CREATE TEMP TABLE \"_plumb_keys_%s.%s\"(", t->name, on->table->name);
    for (size_t i = 0; i < t->changed_count; i++) {
        const struct column *c = &schema->columns[t->changed[i]];
        buf_addf(&sql, "\"%s\" %s NOT NULL, ", c->name, store_sql_type(s, c->type));
    }
    buf_adds(&sql, "PRIMARY KEY(");
    sql_names(&sql, schema, t->changed, t->changed_count, "");
    buf_addf(&sql, ")) STRICT, WITHOUT ROWID; INSERT INTO %s SELECT ", buf_c(&name));
    if (on->sql != NULL) {
        add_body(&body, on->table);
        sql_names(&sql, schema, t->changed, t->changed_count, "s.");
        buf_adds(&sql, " FROM (");
        sql_wrap(&sql, "change", buf_c(&body), on->sql);
        buf_adds(&sql, ") AS s WHERE ");
    } else {
        for (size_t i = 0; i < on->column_count; i++) {
            buf_addf(&sql, "%ss.\"%s\"", i > 0 ? ", " : "", on->columns[i]);
        }
        buf_addf(&sql, " FROM \"%s\" AS s WHERE ", on->table->name);
    }
    for (size_t i = 0; i < t->changed_count; i++) {
        const char *column = on->sql != NULL ? schema->columns[t->changed[i]].name : on->columns[i];
        buf_addf(&sql, "%ss.\"%s\" IS NOT NULL", i > 0 ? " AND " : "", column);
    }
    buf_adds(&sql, " ON CONFLICT DO NOTHING");
    return store_execute(s, buf_c(&sql), err);
}

static enum err_code evaluate_derive(struct store *s, const struct flow_transform *t,
                                     struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF body = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < t->on_count; i++) {
        code = gather_keys(s, t, i, err);
        buf_clear(&name);
        whole_keys_name(t, i, &name);
        buf_addf(&body, "%sSELECT ", i > 0 ? " UNION " : "");
        sql_names(&body, &t->into->schema, t->changed, t->changed_count, "");
        buf_addf(&body, " FROM %s", buf_c(&name));
    }
    if (code != ERR_NONE) {
        return code;
    }
    buf_clear(&name);
    whole_name(t, &name);
    buf_addf(&sql, "INSERT INTO %s SELECT ", buf_c(&name));
    sql_all_names(&sql, &t->into->schema, "s.");
    buf_adds(&sql, " FROM (");
    sql_wrap(&sql, "changed", buf_c(&body), t->sql);
    buf_adds(&sql, ") AS s");
    return store_execute(s, buf_c(&sql), err);
}

enum err_code whole_evaluate(struct store *s, const struct flow_transform *t, struct err *err) {
    ASSERT(t->kind != TRANSFORM_MAP);
    enum err_code code = make_table(s, t, err);
    if (code == ERR_NONE) {
        code = t->kind == TRANSFORM_SUM ? evaluate_sum(s, t, err) : evaluate_derive(s, t, err);
    }
    sql_explain(t, err);
    return code == ERR_NONE ? ERR_NONE : err_wrap(err, "transform '%s'", t->name);
}

enum err_code whole_forget(struct store *s, const struct flow_transform *t, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    whole_name(t, &name);
    buf_addf(&sql, "DROP TABLE IF EXISTS %s;", buf_c(&name));
    for (size_t i = 0; i < t->on_count; i++) {
        buf_clear(&name);
        whole_keys_name(t, i, &name);
        buf_addf(&sql, "DROP TABLE IF EXISTS %s;", buf_c(&name));
    }
    return store_execute(s, buf_c(&sql), err);
}

/* Which of the stale rows' keys the present rows of on[index] lead to: their changes were seen. */
enum err_code whole_is_blind(struct store *s, const struct flow_transform *t, size_t index,
                             bool *blind, struct err *err) {
    const struct flow_table *into = t->into;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF keys = BUF_INIT(BUF_TEXT_MAX);
    whole_name(t, &name);
    whole_keys_name(t, index, &keys);
    buf_adds(&sql, "SELECT count(*) FROM (SELECT ");
    sql_all_names(&sql, &into->schema, "");
    buf_addf(&sql, " FROM main.\"%s\" EXCEPT SELECT ", into->name);
    sql_all_names(&sql, &into->schema, "");
    buf_addf(&sql, " FROM %s) AS x WHERE (", buf_c(&name));
    sql_names(&sql, &into->schema, t->changed, t->changed_count, "x.");
    buf_adds(&sql, ") NOT IN (SELECT ");
    sql_names(&sql, &into->schema, t->changed, t->changed_count, "");
    buf_addf(&sql, " FROM %s)", buf_c(&keys));
    int64_t unseen = 0;
    bool found = false;
    enum err_code code = store_get_i64(s, buf_c(&sql), &unseen, &found, err);
    *blind = unseen > 0;
    return code;
}
