/* Sums: linear aggregates kept up to date from differences.
 *
 * The queue holds the rows of the input table that came (+1) and went (-1). The flow's SELECT runs
 * over both sides; the signed amounts are added up per key into a temporary table (the delta),
 * which is then added to the table. `_n` counts the contributions to a key; when it reaches zero
 * nothing is left of the key and it is deleted. Where nothing went, as while events arrive, the
 * delta is left out: the amounts are added to the table as they are summed up.
 *
 * In SQLite one pass reads the queue up to a rowid and then deletes up to it. In PostgreSQL others
 * add to the queue meanwhile, in an order that is not that of their commits, so a pass moves rows
 * into a table of its own, and reads these. */
#include "transform/internal.h"

enum slot {
    SUM_TAKE, /* PostgreSQL: from the queue into _plumb_taken_ */
    SUM_DELTA,
    SUM_ADD,
    SUM_WENT,   /* whether anything went, or all came */
    SUM_DIRECT, /* all came: no delta is needed */
    SUM_NEGATIVE,
    SUM_DELETE,
    SUM_EMPTY, /* the whole queue: SQLite drops its pages at once */
    SUM_TAKEN, /* the part that was added */
    SUM_FIRST,
    SUM_LAST
};

static void amounts_signed(struct buf *out, const struct flow_table *into) {
    for (size_t i = 0; i < into->schema.count; i++) {
        if (sql_is_in(into->key, into->key_count, i)) {
            continue;
        }
        const struct column *c = &into->schema.columns[i];
        buf_addf(out, ", %s(\"%s\", \"_sign\")",
                 c->type == TYPE_INT256 ? "_plumb_i256_sum" : "_plumb_isum", c->name);
    }
}

static void side(struct buf *out, const struct transform *t, int sign) {
    AUTO_BUF body = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&body, "SELECT ");
    const char *comma = "";
    for (size_t i = 0; i < t->def->from->schema.count; i++) {
        if (t->reads[i]) {
            buf_addf(&body, "%s\"%s\"", comma, t->def->from->schema.columns[i].name);
            comma = ", ";
        }
    }
    const bool is_sqlite = t->dialect == STORE_SQLITE;
    buf_addf(&body, "%s FROM \"_plumb_%s_%s\" WHERE \"_sign\" = %d%s",
             comma[0] == '\0' ? "1 AS one" : "", is_sqlite ? "q" : "taken", t->def->name, sign,
             is_sqlite ? " AND rowid <= ?1" : "");
    buf_adds(out, "SELECT ");
    sql_all_names(out, &t->def->into->schema, "");
    buf_addf(out, ", %d AS \"_sign\" FROM (", sign);
    sql_wrap(out, "change", buf_c(&body), t->sql);
    buf_adds(out, ") AS s");
}

static enum err_code delta_prepare(struct store *s, struct transform *t, struct err *err) {
    const struct flow_table *into = t->def->into;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    sql_column_types(&sql, s, &into->schema);
    buf_adds(&sql, ", \"_n\" INTEGER NOT NULL, PRIMARY KEY(");
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    buf_adds(&sql, ")");
    enum err_code code = transform_work_make(s, t, "delta", buf_c(&sql), true, err);
    buf_clear(&sql);
    buf_addf(&sql, "INSERT INTO \"_plumb_delta_%s\"(", t->def->name);
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    for (size_t i = 0; i < into->schema.count; i++) {
        if (!sql_is_in(into->key, into->key_count, i)) {
            buf_addf(&sql, ", \"%s\"", into->schema.columns[i].name);
        }
    }
    buf_adds(&sql, ", \"_n\") SELECT ");
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    amounts_signed(&sql, into);
    buf_adds(&sql, ", sum(\"_sign\") FROM (");
    side(&sql, t, 1);
    buf_adds(&sql, " UNION ALL ");
    side(&sql, t, -1);
    buf_adds(&sql, ") AS a GROUP BY ");
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    return code == ERR_NONE ? transform_prepare(s, t, SUM_DELTA, buf_c(&sql), err) : code;
}

/* A delta that changes nothing is left out, so that it triggers nothing. */
static void delta_is_something(struct buf *out, const struct transform *t) {
    const struct flow_table *into = t->def->into;
    const char *zero = t->dialect == STORE_SQLITE ? "X'80'" : "0";
    buf_adds(out, "d.\"_n\" <> 0");
    for (size_t i = 0; i < into->schema.count; i++) {
        if (!sql_is_in(into->key, into->key_count, i)) {
            const struct column *c = &into->schema.columns[i];
            buf_addf(out, " OR d.\"%s\" <> %s", c->name, c->type == TYPE_INT256 ? zero : "0");
        }
    }
}

/* What is added to a key that is there already. */
static void sql_added(struct buf *out, const struct flow_table *into) {
    sql_conflict(out, into);
    for (size_t i = 0; i < into->schema.count; i++) {
        if (!sql_is_in(into->key, into->key_count, i)) {
            const struct column *c = &into->schema.columns[i];
            buf_addf(out, "\"%s\" = %s(t.\"%s\", excluded.\"%s\"), ", c->name,
                     c->type == TYPE_INT256 ? "i256_add" : "_plumb_iadd", c->name, c->name);
        }
    }
    buf_adds(out, "\"_n\" = t.\"_n\" + excluded.\"_n\"");
}

static enum err_code direct_prepare(struct store *s, struct transform *t, struct err *err) {
    const struct flow_table *into = t->def->into;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    const bool is_sqlite = t->dialect == STORE_SQLITE;
    buf_addf(&sql, "SELECT EXISTS (SELECT 1 FROM \"_plumb_%s_%s\" WHERE \"_sign\" < 0%s)",
             is_sqlite ? "q" : "taken", t->def->name, is_sqlite ? " AND rowid <= ?1" : "");
    enum err_code code = transform_prepare(s, t, SUM_WENT, buf_c(&sql), err);
    buf_clear(&sql);
    buf_addf(&sql, "INSERT INTO \"%s\" AS t (", into->name);
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    for (size_t i = 0; i < into->schema.count; i++) {
        if (!sql_is_in(into->key, into->key_count, i)) {
            buf_addf(&sql, ", \"%s\"", into->schema.columns[i].name);
        }
    }
    buf_adds(&sql, ", \"_n\") SELECT ");
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    amounts_signed(&sql, into);
    buf_adds(&sql, ", count(*) FROM (");
    side(&sql, t, 1);
    buf_adds(&sql, ") AS a WHERE true GROUP BY ");
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    sql_added(&sql, into);
    return code == ERR_NONE ? transform_prepare(s, t, SUM_DIRECT, buf_c(&sql), err) : code;
}

static enum err_code add_prepare(struct store *s, struct transform *t, struct err *err) {
    const struct flow_table *into = t->def->into;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "INSERT INTO \"%s\" AS t (", into->name);
    sql_all_names(&sql, &into->schema, "");
    buf_adds(&sql, ", \"_n\") SELECT ");
    sql_all_names(&sql, &into->schema, "d.");
    buf_addf(&sql, ", d.\"_n\" FROM \"_plumb_delta_%s\" AS d WHERE ", t->def->name);
    delta_is_something(&sql, t);
    sql_added(&sql, into);
    enum err_code code = transform_prepare(s, t, SUM_ADD, buf_c(&sql), err);
    if (code != ERR_NONE) {
        return code;
    }
    /* Keys that lost contributions are the only ones that can have none left. */
    buf_clear(&sql);
    buf_addf(&sql, "SELECT count(*) FROM \"_plumb_delta_%s\" AS d JOIN \"%s\" AS t USING (",
             t->def->name, into->name);
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    buf_adds(&sql, ") WHERE d.\"_n\" < 0 AND t.\"_n\" < 0");
    code = transform_prepare(s, t, SUM_NEGATIVE, buf_c(&sql), err);
    buf_clear(&sql);
    buf_addf(&sql, "DELETE FROM \"%s\" WHERE (", into->name);
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    buf_adds(&sql, ") IN (SELECT ");
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    buf_addf(&sql, " FROM \"_plumb_delta_%s\" WHERE \"_n\" < 0) AND \"_n\" = 0", t->def->name);
    if (code == ERR_NONE) {
        code = transform_prepare(s, t, SUM_DELETE, buf_c(&sql), err);
    }
    return code;
}

static enum err_code sqlite_queue(struct store *s, struct transform *t, struct err *err) {
    static const struct {
        enum slot slot;
        const char *before, *after;
    } queue[] = {{SUM_EMPTY, "DELETE FROM", ""},
                 {SUM_TAKEN, "DELETE FROM", " WHERE rowid <= ?1"},
                 {SUM_FIRST, "SELECT min(rowid) FROM", ""},
                 {SUM_LAST, "SELECT max(rowid) FROM", ""}};
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(queue); i++) {
        buf_clear(&sql);
        buf_addf(&sql, "%s \"_plumb_q_%s\"%s", queue[i].before, t->def->name, queue[i].after);
        code = transform_prepare(s, t, queue[i].slot, buf_c(&sql), err);
    }
    return code;
}

static void taken_names(struct buf *out, const struct transform *t, const struct store *types) {
    const struct schema *schema = &t->def->from->schema;
    buf_adds(out, types != NULL ? "\"_sign\" bigint NOT NULL" : "\"_sign\"");
    for (size_t i = 0; i < schema->count; i++) {
        if (t->reads[i]) {
            buf_addf(out, ", \"%s\" %s", schema->columns[i].name,
                     types != NULL ? store_sql_type(types, schema->columns[i].type) : "");
        }
    }
}

static enum err_code postgres_queue(struct store *s, struct transform *t, struct err *err) {
    const char *name = t->def->name;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    taken_names(&sql, t, s);
    enum err_code code = transform_work_make(s, t, "taken", buf_c(&sql), false, err);
    buf_clear(&sql);
    /* By place, not by a join: a queue that was empty when it was vacuumed last is planned as one of a
     * single row for ever, and a nested loop over thousands takes seconds. */
    buf_addf(&sql,
             "WITH gone AS (DELETE FROM \"_plumb_q_%s\" WHERE ctid = ANY (ARRAY(SELECT ctid FROM "
             "\"_plumb_q_%s\" ORDER BY \"_id\" LIMIT %d)) RETURNING ",
             name, name, SUM_ROWS_MAX);
    taken_names(&sql, t, NULL);
    buf_addf(&sql, ") INSERT INTO \"_plumb_taken_%s\" SELECT * FROM gone", name);
    return code == ERR_NONE ? transform_prepare(s, t, SUM_TAKE, buf_c(&sql), err) : code;
}

enum err_code sum_prepare(struct store *s, struct transform *t, struct err *err) {
    enum err_code code = delta_prepare(s, t, err);
    if (code == ERR_NONE) {
        code = direct_prepare(s, t, err);
    }
    if (code == ERR_NONE) {
        code = add_prepare(s, t, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    return t->dialect == STORE_SQLITE ? sqlite_queue(s, t, err) : postgres_queue(s, t, err);
}

/* Something went: contributions may run out. */
static enum err_code apply_delta(struct store *s, struct transform *t, struct err *err) {
    static const enum slot before[] = {SUM_DELTA, SUM_ADD};
    enum err_code code = transform_work_empty(s, t, "delta", err);
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(before); i++) {
        code = store_run(t->statements[before[i]], NULL, err);
    }
    int64_t negative = 0;
    if (code == ERR_NONE) {
        code = transform_query_i64(t, SUM_NEGATIVE, &negative, err);
    }
    if (code == ERR_NONE && negative > 0) {
        return err_set(err, ERR_CONFLICT,
                       "%lld keys of table '%s' would have fewer than no contributions: the table "
                       "was changed by "
                       "hand; rebuild it with `plumb replay`",
                       (long long)negative, t->def->into->name);
    }
    return code == ERR_NONE ? store_run(t->statements[SUM_DELETE], NULL, err) : code;
}

static enum err_code apply_taken(struct store *s, struct transform *t, struct err *err) {
    int64_t went = 0;
    enum err_code code = transform_query_i64(t, SUM_WENT, &went, err);
    if (code == ERR_NONE) {
        code = went != 0 ? apply_delta(s, t, err) : store_run(t->statements[SUM_DIRECT], NULL, err);
    }
    sql_explain(t->def, err);
    return code;
}

static enum err_code sqlite_apply(struct store *s, struct transform *t, struct err *err) {
    int64_t first = 0;
    int64_t last = 0;
    enum err_code code = transform_query_i64(t, SUM_FIRST, &first, err);
    if (code == ERR_NONE) {
        code = transform_query_i64(t, SUM_LAST, &last, err);
    }
    const bool more = last - first >= SUM_ROWS_MAX;
    const int64_t until = more ? first + SUM_ROWS_MAX - 1 : last;
    static const enum slot up_to[] = {SUM_WENT, SUM_DELTA, SUM_DIRECT, SUM_TAKEN};
    for (size_t i = 0; i < ARRAY_COUNT(up_to); i++) {
        store_bind_i64(t->statements[up_to[i]], 1, until);
    }
    if (code == ERR_NONE) {
        code = apply_taken(s, t, err);
    }
    return code == ERR_NONE ? store_run(t->statements[more ? SUM_TAKEN : SUM_EMPTY], NULL, err)
                            : code;
}

static enum err_code postgres_apply(struct store *s, struct transform *t, struct err *err) {
    int64_t taken = 0;
    enum err_code code = transform_work_empty(s, t, "taken", err);
    if (code == ERR_NONE) {
        code = store_run(t->statements[SUM_TAKE], &taken, err);
    }
    return code == ERR_NONE && taken > 0 ? apply_taken(s, t, err) : code;
}

enum err_code sum_apply(struct store *s, struct transform *t, struct err *err) {
    return t->dialect == STORE_SQLITE ? sqlite_apply(s, t, err) : postgres_apply(s, t, err);
}
