/* Derives: a SELECT re-evaluated for just the keys whose inputs changed.
 *
 * The queue holds each changed key once. A pass takes up to DERIVE_KEYS_MAX of them into a
 * temporary table (`changed`), puts the SELECT's rows into another (the result), checks that every
 * row belongs to a changed key, upserts what differs and deletes rows of changed keys that have no
 * result any more. When the SELECT fails, the keys are halved until the one that fails is alone; its
 * rows are deleted, and it stays in the queue, marked with its error, until it changes again or
 * plumb restarts.
 *
 * In PostgreSQL a queue has no key, others add to it meanwhile, and a key may wait several times: so
 * `changed` remembers the rows that named a key, and exactly these are deleted. Several workers may be
 * at one derive there, each with other buckets of its keys: the same key is always in the same bucket,
 * so it is evaluated by one at a time. */
#include <inttypes.h>

#include "transform/internal.h"

enum slot {
    DERIVE_CHANGED,
    DERIVE_RESULT,
    DERIVE_STRAY,
    DERIVE_UPSERT,
    DERIVE_DELETE,
    DERIVE_TAKEN,
    DERIVE_MENDED,
    DERIVE_FAILED,
    DERIVE_MAPPED /* and following: one per mapping given as SQL, then one that empties its raw
                     queue */
};
_Static_assert(DERIVE_MAPPED + 5 < TRANSFORM_STATEMENTS_MAX,
               "room for at least three SQL mappings");

static void changed_names(struct buf *out, const struct transform *t, const char *prefix) {
    sql_names(out, &t->def->into->schema, t->def->changed, t->def->changed_count, prefix);
}

static enum err_code prepare_format(struct store *s, struct transform *t, int slot, struct buf *sql,
                                    struct err *err) {
    enum err_code code = transform_prepare(s, t, slot, buf_c(sql), err);
    buf_clear(sql);
    return code;
}

static enum err_code temp_tables(struct store *s, const struct transform *t, struct err *err) {
    const struct flow_table *into = t->def->into;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < t->def->changed_count; i++) {
        const struct column *c = &into->schema.columns[t->def->changed[i]];
        buf_addf(&sql, "\"%s\" %s, ", c->name, store_sql_type(s, c->type));
    }
    buf_adds(&sql, t->dialect == STORE_SQLITE ? "PRIMARY KEY(" : "\"_ids\" bigint[], PRIMARY KEY(");
    changed_names(&sql, t, "");
    buf_adds(&sql, ")");
    enum err_code code = transform_work_make(s, t, "changed", buf_c(&sql), true, err);
    buf_clear(&sql);
    sql_column_types(&sql, s, &into->schema);
    buf_adds(&sql, ", PRIMARY KEY(");
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    buf_adds(&sql, ")");
    return code == ERR_NONE ? transform_work_make(s, t, "result", buf_c(&sql), true, err) : code;
}

/* "(a, b) IN (SELECT a, b FROM changed)" */
static void in_changed(struct buf *out, const struct transform *t) {
    buf_adds(out, "(");
    changed_names(out, t, "");
    buf_adds(out, ") IN (SELECT ");
    changed_names(out, t, "");
    buf_addf(out, " FROM \"_plumb_changed_%s\")", t->def->name);
}

static enum err_code sqlite_keys(struct store *s, struct transform *t, struct err *err) {
    const char *name = t->def->name;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "INSERT INTO \"_plumb_changed_%s\" SELECT ", name);
    changed_names(&sql, t, "");
    buf_addf(&sql, " FROM \"_plumb_q_%s\" WHERE \"_failed\" = 0 ORDER BY ", name);
    changed_names(&sql, t, "");
    buf_adds(&sql, " LIMIT ?1");
    enum err_code code = prepare_format(s, t, DERIVE_CHANGED, &sql, err);
    if (code != ERR_NONE) {
        return code;
    }
    static const struct {
        enum slot slot;
        const char *before, *after;
    } queue[] = {
        {DERIVE_TAKEN, "DELETE FROM", "WHERE \"_failed\" = 0 AND"},
        {DERIVE_FAILED, "UPDATE OR REPLACE",
         "SET \"_failed\" = 1, \"_error\" = ?1 WHERE \"_failed\" = 0 AND"},
    };
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(queue); i++) {
        buf_addf(&sql, "%s \"_plumb_q_%s\" %s ", queue[i].before, name, queue[i].after);
        in_changed(&sql, t);
        code = prepare_format(s, t, queue[i].slot, &sql, err);
    }
    return code;
}

/* A bit of DERIVE_BUCKETS, by what the key is. */
static void bucket_bit(struct buf *out, const struct transform *t) {
    buf_adds(out, "(CAST(1 AS bigint) << CAST(hashtextextended(CAST(ROW(");
    changed_names(out, t, "");
    buf_addf(out, ") AS text), 0) & %d AS int))", DERIVE_BUCKETS - 1);
}

/* The rows of the queue that `changed` came from. */
static void taken_delete(struct buf *out, const struct transform *t) {
    buf_addf(out,
             "DELETE FROM \"_plumb_q_%s\" AS q USING (SELECT unnest(\"_ids\") AS \"_id\" FROM "
             "\"_plumb_changed_%s\") AS w WHERE q.\"_id\" = w.\"_id\"",
             t->def->name, t->def->name);
}

static enum err_code postgres_keys(struct store *s, struct transform *t, struct err *err) {
    const char *name = t->def->name;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "INSERT INTO \"_plumb_changed_%s\" SELECT ", name);
    changed_names(&sql, t, "");
    buf_adds(&sql, ", array_agg(\"_id\") FROM (SELECT ");
    changed_names(&sql, t, "");
    buf_addf(&sql,
             ", \"_id\" FROM \"_plumb_q_%s\" WHERE \"_failed\" = 0 AND (?2 = %" PRIu64 " OR ?2 & ",
             name, DERIVE_BUCKETS_ALL);
    bucket_bit(&sql, t);
    buf_adds(&sql, " <> 0) ORDER BY \"_id\" LIMIT ?1) AS w GROUP BY ");
    changed_names(&sql, t, "");
    enum err_code code = prepare_format(s, t, DERIVE_CHANGED, &sql, err);
    if (code != ERR_NONE) {
        return code;
    }
    taken_delete(&sql, t);
    code = prepare_format(s, t, DERIVE_TAKEN, &sql, err);
    if (code != ERR_NONE) {
        return code;
    }
    buf_addf(&sql, "WITH older AS (DELETE FROM \"_plumb_q_%s\" WHERE \"_failed\" = 1 AND ", name);
    in_changed(&sql, t);
    buf_adds(&sql, "), taken AS (");
    taken_delete(&sql, t);
    buf_addf(&sql, ") INSERT INTO \"_plumb_q_%s\"(", name);
    changed_names(&sql, t, "");
    buf_adds(&sql, ", \"_failed\", \"_error\") SELECT ");
    changed_names(&sql, t, "");
    buf_addf(&sql, ", 1, ?1 FROM \"_plumb_changed_%s\"", name);
    return prepare_format(s, t, DERIVE_FAILED, &sql, err);
}

static enum err_code keys_prepare(struct store *s, struct transform *t, struct err *err) {
    enum err_code code =
        t->dialect == STORE_SQLITE ? sqlite_keys(s, t, err) : postgres_keys(s, t, err);
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "DELETE FROM \"_plumb_q_%s\" WHERE \"_failed\" = 1 AND ", t->def->name);
    in_changed(&sql, t);
    if (code == ERR_NONE) {
        code = prepare_format(s, t, DERIVE_MENDED, &sql, err);
    }
    return code;
}

static enum err_code result_prepare(struct store *s, struct transform *t, struct err *err) {
    const char *name = t->def->name;
    const struct flow_table *into = t->def->into;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF body = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&body, "SELECT ");
    changed_names(&body, t, "");
    buf_addf(&body, " FROM \"_plumb_changed_%s\"", name);
    buf_addf(&sql, "INSERT INTO \"_plumb_result_%s\" SELECT ", name);
    for (size_t i = 0; i < into->schema.count; i++) {
        buf_adds(&sql, i > 0 ? ", " : "");
        sql_cell(&sql, t, i);
    }
    buf_adds(&sql, " FROM (");
    sql_wrap(&sql, "changed", buf_c(&body), t->sql);
    buf_adds(&sql, ") AS s");
    enum err_code code = prepare_format(s, t, DERIVE_RESULT, &sql, err);
    if (code != ERR_NONE) {
        return code;
    }
    buf_addf(&sql, "SELECT count(*) FROM \"_plumb_result_%s\" WHERE (", name);
    changed_names(&sql, t, "");
    buf_adds(&sql, ") NOT IN (SELECT ");
    changed_names(&sql, t, "");
    buf_addf(&sql, " FROM \"_plumb_changed_%s\")", name);
    return prepare_format(s, t, DERIVE_STRAY, &sql, err);
}

static enum err_code merge_prepare(struct store *s, struct transform *t, struct err *err) {
    const char *name = t->def->name;
    const struct flow_table *into = t->def->into;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "INSERT INTO \"%s\" AS t (", into->name);
    sql_all_names(&sql, &into->schema, "");
    buf_adds(&sql, ") SELECT ");
    sql_all_names(&sql, &into->schema, "s.");
    buf_addf(&sql, " FROM \"_plumb_result_%s\" AS s WHERE true", name);
    sql_conflict(&sql, into);
    sql_set_excluded(&sql, into);
    buf_adds(&sql, " WHERE NOT (");
    sql_same(&sql, into, "t", "excluded");
    buf_adds(&sql, ")");
    enum err_code code = prepare_format(s, t, DERIVE_UPSERT, &sql, err);
    if (code != ERR_NONE) {
        return code;
    }
    buf_addf(&sql, "DELETE FROM \"%s\" WHERE (", into->name);
    changed_names(&sql, t, "");
    buf_adds(&sql, ") IN (SELECT ");
    changed_names(&sql, t, "");
    buf_addf(&sql, " FROM \"_plumb_changed_%s\") AND (", name);
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    buf_adds(&sql, ") NOT IN (SELECT ");
    sql_names(&sql, &into->schema, into->key, into->key_count, "");
    buf_addf(&sql, " FROM \"_plumb_result_%s\")", name);
    return prepare_format(s, t, DERIVE_DELETE, &sql, err);
}

/* Changes of a table whose keys are given by SQL wait as rows in a raw queue; here they become
 * keys. */
static enum err_code mappings_prepare(struct store *s, struct transform *t, struct err *err) {
    int slot = DERIVE_MAPPED;
    for (size_t i = 0; i < t->def->on_count; i++) {
        const struct flow_on *on = &t->def->on[i];
        if (on->sql == NULL) {
            continue;
        }
        if (slot + 2 > TRANSFORM_STATEMENTS_MAX) {
            return node_error(on->node, err, "more than %d mappings given as SQL",
                              (TRANSFORM_STATEMENTS_MAX - DERIVE_MAPPED) / 2);
        }
        AUTO_BUF body = BUF_INIT(BUF_TEXT_MAX);
        AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
        const bool is_sqlite = t->dialect == STORE_SQLITE;
        buf_adds(&body, "SELECT ");
        sql_all_names(&body, &on->table->schema, "");
        if (is_sqlite) {
            buf_addf(&body, " FROM \"_plumb_q_%s.%s\"", t->def->name, on->table->name);
        } else { /* exactly what is read is deleted */
            buf_adds(&body, " FROM taken");
            buf_addf(&sql, "WITH taken AS (DELETE FROM \"_plumb_q_%s.%s\" RETURNING *) ",
                     t->def->name, on->table->name);
        }
        buf_addf(&sql, "INSERT INTO \"_plumb_q_%s\"(", t->def->name);
        changed_names(&sql, t, "");
        buf_adds(&sql, ") SELECT ");
        changed_names(&sql, t, "s.");
        buf_adds(&sql, " FROM (");
        sql_wrap(&sql, "change", buf_c(&body), t->on_sql[i]);
        buf_adds(&sql, ") AS s WHERE ");
        for (size_t k = 0; k < t->def->changed_count; k++) {
            buf_addf(&sql, "%ss.\"%s\" IS NOT NULL", k > 0 ? " AND " : "",
                     t->def->into->schema.columns[t->def->changed[k]].name);
        }
        buf_adds(&sql, is_sqlite ? " ON CONFLICT DO NOTHING" : "");
        enum err_code code = prepare_format(s, t, slot++, &sql, err);
        buf_addf(&sql, "DELETE FROM \"_plumb_q_%s.%s\"", t->def->name, on->table->name);
        if (code == ERR_NONE && is_sqlite) {
            code = prepare_format(s, t, slot++, &sql, err);
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

enum err_code derive_prepare(struct store *s, struct transform *t, struct err *err) {
    enum err_code code = temp_tables(s, t, err);
    if (code == ERR_NONE) {
        code = keys_prepare(s, t, err);
    }
    if (code == ERR_NONE) {
        code = result_prepare(s, t, err);
    }
    if (code == ERR_NONE) {
        code = merge_prepare(s, t, err);
    }
    return code == ERR_NONE ? mappings_prepare(s, t, err) : code;
}

/* The first `limit` waiting keys; *taken how many there were. */
static enum err_code take_keys(struct store *s, struct transform *t, int64_t limit, int64_t *taken,
                               struct err *err) {
    enum err_code code = transform_work_empty(s, t, "changed", err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_i64(t->statements[DERIVE_CHANGED], 1, limit);
    if (t->dialect == STORE_POSTGRES) {
        store_bind_i64(t->statements[DERIVE_CHANGED], 2, (int64_t)t->buckets);
    }
    return store_run(t->statements[DERIVE_CHANGED], taken, err);
}

static enum err_code apply_keys(struct store *s, struct transform *t, struct err *err) {
    enum err_code code = transform_work_empty(s, t, "result", err);
    if (code == ERR_NONE) {
        code = store_run(t->statements[DERIVE_RESULT], NULL, err);
    }
    int64_t stray = 0;
    if (code == ERR_NONE) {
        code = transform_query_i64(t, DERIVE_STRAY, &stray, err);
    }
    if (code == ERR_NONE && stray > 0) {
        return err_set(err, ERR_INPUT,
                       "the SELECT gives %lld rows whose key is not in `changed`; join `changed` "
                       "on all its columns",
                       (long long)stray);
    }
    static const enum slot rest[] = {DERIVE_UPSERT, DERIVE_DELETE, DERIVE_TAKEN, DERIVE_MENDED};
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(rest); i++) {
        code = store_run(t->statements[rest[i]], NULL, err);
    }
    return code;
}

/* The key has no result, so its rows go: kept, they would tell how records were batched. */
static enum err_code mark_failed(struct store *s, struct transform *t, const struct err *why,
                                 struct err *err) {
    enum err_code code = transform_work_empty(s, t, "result", err);
    if (code == ERR_NONE) {
        code = store_run(t->statements[DERIVE_DELETE], NULL, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(t->statements[DERIVE_FAILED], 1, str_of(why->message));
    return store_run(t->statements[DERIVE_FAILED], NULL, err);
}

/* Fewer keys after each failure, until one alone fails; the size recovers by doubling. */
static enum err_code apply_bisecting(struct store *s, struct transform *t, struct err *err) {
    int64_t limit = DERIVE_KEYS_MAX;
    int64_t done = 0;
    while (done < DERIVE_KEYS_MAX) {
        int64_t taken = 0;
        enum err_code code = take_keys(s, t, limit, &taken, err);
        if (code != ERR_NONE || taken == 0) {
            return code;
        }
        code = store_savepoint(s, err);
        if (code != ERR_NONE) {
            return code;
        }
        struct err why = ERR_INIT;
        code = apply_keys(s, t, &why);
        sql_explain(t->def, &why);
        if (code == ERR_NONE) {
            code = store_release(s, err);
            done += taken;
            limit = limit < DERIVE_KEYS_MAX / 2 ? limit * 2 : DERIVE_KEYS_MAX;
        } else {
            enum err_code undone = store_undo(s, err);
            if (undone != ERR_NONE) {
                return undone;
            }
            if (code != ERR_INPUT) {
                *err = why;
                return code;
            }
            code = taken == 1 ? mark_failed(s, t, &why, err) : ERR_NONE;
            done += taken == 1;
            limit = taken > 1 ? taken / 2 : 1;
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

static enum err_code apply_mappings(struct transform *t, struct err *err) {
    enum err_code code = ERR_NONE;
    for (int slot = DERIVE_MAPPED; code == ERR_NONE && slot < TRANSFORM_STATEMENTS_MAX; slot++) {
        code = t->statements[slot] != NULL ? store_run(t->statements[slot], NULL, err) : ERR_NONE;
    }
    return code;
}

enum err_code derive_apply(struct store *s, struct transform *t, uint64_t buckets,
                           struct err *err) {
    t->buckets = buckets;
    /* Changed rows are in no bucket yet: whoever has the first one makes keys of them. */
    enum err_code code = (buckets & 1) != 0 ? apply_mappings(t, err) : ERR_NONE;
    return code == ERR_NONE ? apply_bisecting(s, t, err) : code;
}
