/* Change capture: queue tables, and the triggers that fill them; here SQLite's.
 *
 * The triggers use nothing but plain SQL, so a correction made by hand with the sqlite3 shell flows
 * through as well. A trigger on update fires only when a column its consumer reads has changed. */
#include <string.h>

#include "transform/internal.h"

static void reads_list(struct buf *out, const struct transform *t, const char *prefix) {
    const struct schema *schema = &t->def->from->schema;
    for (size_t i = 0; i < schema->count; i++) {
        if (t->reads[i]) {
            buf_addf(out, ", %s\"%s\"", prefix, schema->columns[i].name);
        }
    }
}

static void any_differs(struct buf *out, const struct schema *schema, const bool *reads) {
    const char * or = "";
    for (size_t i = 0; i < schema->count; i++) {
        if (reads == NULL || reads[i]) {
            buf_addf(out, "%sOLD.\"%s\" IS NOT NEW.\"%s\"", or, schema->columns[i].name,
                     schema->columns[i].name);
            or = " OR ";
        }
    }
    if (or [0] == '\0') {
        buf_adds(out, "0");
    }
}

static enum err_code trigger_ensure(struct store *s, const struct transform *t,
                                    const struct flow_table *on, const char *event,
                                    const char *when, const char *body, struct err *err) {
    if (store_table_is_elsewhere(s, on)) {
        return ERR_NONE; /* it stands still while this store is built */
    }
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF ddl = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&name, "_plumb_t_%s.%s.%s", t->def->name, on->name, event);
    buf_addf(&ddl, "CREATE TRIGGER \"%s\" AFTER %s ON \"%s\"%s BEGIN %s END", buf_c(&name), event,
             on->name, when, body);
    return store_object_ensure(s, buf_c(&name), buf_c(&ddl), err);
}

static enum err_code queue_ensure(struct store *s, const char *name, const char *columns,
                                  struct err *err) {
    AUTO_BUF ddl = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&ddl, "CREATE TABLE \"%s\"(%s", name, columns);
    return store_object_ensure(s, name, buf_c(&ddl), err);
}

/* ---- sums: signed images ---- */

static void image_insert(struct buf *out, const struct transform *t, int sign, const char *prefix) {
    buf_addf(out, "INSERT INTO \"_plumb_q_%s\"(\"_sign\"", t->def->name);
    reads_list(out, t, "");
    buf_addf(out, ") VALUES (%d", sign);
    reads_list(out, t, prefix);
    buf_adds(out, ");");
}

static enum err_code capture_sum(struct store *s, const struct transform *t, struct err *err) {
    const struct flow_table *from = t->def->from;
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF columns = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF came = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF went = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF both = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF when = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&name, "_plumb_q_%s", t->def->name);
    buf_adds(&columns, "\"_sign\" INTEGER NOT NULL");
    for (size_t i = 0; i < from->schema.count; i++) {
        if (t->reads[i]) {
            buf_addf(&columns, ", \"%s\" %s", from->schema.columns[i].name,
                     store_sql_type(s, from->schema.columns[i].type));
        }
    }
    buf_adds(&columns, ") STRICT");
    image_insert(&came, t, 1, "NEW.");
    image_insert(&went, t, -1, "OLD.");
    buf_addf(&both, "%s %s", buf_c(&went), buf_c(&came));
    buf_adds(&when, " WHEN ");
    any_differs(&when, &from->schema, t->reads);
    enum err_code code = queue_ensure(s, buf_c(&name), buf_c(&columns), err);
    if (code == ERR_NONE) {
        code = trigger_ensure(s, t, from, "INSERT", "", buf_c(&came), err);
    }
    if (code == ERR_NONE) {
        code = trigger_ensure(s, t, from, "DELETE", "", buf_c(&went), err);
    }
    return code == ERR_NONE ? trigger_ensure(s, t, from, "UPDATE", buf_c(&when), buf_c(&both), err)
                            : code;
}

/* ---- derives: distinct keys ---- */

/* INSERT of one key from OLD or NEW, or from a table ("" prefix) for the backfill. */
static void key_insert(struct buf *out, const struct transform *t, const struct flow_on *on,
                       const char *prefix, const char *from, bool distinct) {
    const struct flow_transform *def = t->def;
    buf_addf(out, "INSERT INTO \"_plumb_q_%s\"(", def->name);
    sql_names(out, &def->into->schema, def->changed, def->changed_count, "");
    buf_adds(out, distinct ? ") SELECT DISTINCT " : ") SELECT ");
    for (size_t i = 0; i < on->column_count; i++) {
        buf_addf(out, "%s%s\"%s\"", i > 0 ? ", " : "", prefix, on->columns[i]);
    }
    buf_addf(out, "%s WHERE ", from);
    for (size_t i = 0; i < on->column_count; i++) {
        buf_addf(out, "%s%s\"%s\" IS NOT NULL", i > 0 ? " AND " : "", prefix, on->columns[i]);
    }
    buf_adds(out, " ON CONFLICT DO NOTHING;");
}

static void row_insert(struct buf *out, const struct transform *t, const struct flow_on *on,
                       const char *prefix) {
    buf_addf(out, "INSERT INTO \"_plumb_q_%s.%s\" VALUES (", t->def->name, on->table->name);
    sql_all_names(out, &on->table->schema, prefix);
    buf_adds(out, ");");
}

static enum err_code capture_on(struct store *s, const struct transform *t,
                                const struct flow_on *on, struct err *err) {
    AUTO_BUF came = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF went = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF both = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF when = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = ERR_NONE;
    if (on->sql != NULL) {
        AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
        AUTO_BUF columns = BUF_INIT(BUF_TEXT_MAX);
        buf_addf(&name, "_plumb_q_%s.%s", t->def->name, on->table->name);
        sql_column_types(&columns, s, &on->table->schema);
        buf_adds(&columns, ") STRICT");
        code = queue_ensure(s, buf_c(&name), buf_c(&columns), err);
        row_insert(&came, t, on, "NEW.");
        row_insert(&went, t, on, "OLD.");
    } else {
        key_insert(&came, t, on, "NEW.", "", false);
        key_insert(&went, t, on, "OLD.", "", false);
    }
    buf_addf(&both, "%s %s", buf_c(&went), buf_c(&came));
    buf_adds(&when, " WHEN ");
    any_differs(&when, &on->table->schema, NULL);
    if (code == ERR_NONE) {
        code = trigger_ensure(s, t, on->table, "INSERT", "", buf_c(&came), err);
    }
    if (code == ERR_NONE) {
        code = trigger_ensure(s, t, on->table, "DELETE", "", buf_c(&went), err);
    }
    return code == ERR_NONE
               ? trigger_ensure(s, t, on->table, "UPDATE", buf_c(&when), buf_c(&both), err)
               : code;
}

static enum err_code capture_derive(struct store *s, const struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF columns = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&name, "_plumb_q_%s", def->name);
    /* _failed comes first in the key, so that however many keys failed, those that wait are found
     * at once. A key that failed and changed again is there twice until it was tried. */
    for (size_t i = 0; i < def->changed_count; i++) {
        const struct column *c = &def->into->schema.columns[def->changed[i]];
        buf_addf(&columns, "\"%s\" %s, ", c->name, store_sql_type(s, c->type));
    }
    buf_adds(&columns, "\"_failed\" INTEGER NOT NULL DEFAULT 0, \"_error\" TEXT, "
                       "PRIMARY KEY(\"_failed\", ");
    sql_names(&columns, &def->into->schema, def->changed, def->changed_count, "");
    buf_adds(&columns, ")) STRICT, WITHOUT ROWID");
    enum err_code code = queue_ensure(s, buf_c(&name), buf_c(&columns), err);
    for (size_t i = 0; code == ERR_NONE && i < def->on_count; i++) {
        code = capture_on(s, t, &def->on[i], err);
    }
    return code;
}

enum err_code capture_install(struct store *s, const struct transform *t, struct err *err) {
    if (store_dialect(s) == STORE_POSTGRES) {
        return capture_install_postgres(s, t, err);
    }
    switch (t->def->kind) {
    case TRANSFORM_MAP:
        return ERR_NONE;
    case TRANSFORM_SUM:
        return capture_sum(s, t, err);
    case TRANSFORM_DERIVE:
        return capture_derive(s, t, err);
    }
    return ERR_NONE;
}

/* ---- backfill ---- */

bool transform_in_any_order(const struct flow_transform *a, const struct flow_transform *b) {
    if (a->into->key_auto) {
        return true; /* each row has a place of its own */
    }
    return a->latest_by_count > 0 && a->latest_by_count == b->latest_by_count &&
           memcmp(a->latest_by, b->latest_by, a->latest_by_count * sizeof(a->latest_by[0])) == 0;
}

/* A new transform starts from an empty table, unless other maps fill it too and the order does not
 * matter: otherwise its old records would come after their newer ones. */
static enum err_code refuse_foreign_rows(struct store *s, const struct transform *t,
                                         const struct flow *flow, struct err *err) {
    bool shared = false;
    bool ordered = false;
    for (size_t i = 0; i < flow->transform_count; i++) {
        if (flow->transforms[i].into == t->def->into && &flow->transforms[i] != t->def) {
            shared = true;
            ordered = ordered || !transform_in_any_order(t->def, &flow->transforms[i]);
        }
    }
    if (shared && !ordered) {
        return ERR_NONE;
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "SELECT 1 FROM \"%s\" LIMIT 1", t->def->into->name);
    int64_t one = 0;
    bool found = false;
    enum err_code code = store_get_i64(s, buf_c(&sql), &one, &found, err);
    if (code == ERR_NONE && found) {
        return node_error(t->def->node, err,
                          "transform '%s' is new, but table '%s' holds rows already, made by hand, "
                          "by another map or "
                          "by a transform that is gone. Rebuild with `plumb replay %s`, or empty "
                          "the table, or name another one in `into`",
                          t->def->name, t->def->into->name, flow->path);
    }
    return code;
}

/* A map needs none: its mark is 0, so it reads the staged batches from the first. */
enum err_code capture_backfill(struct store *s, const struct transform *t, const struct flow *flow,
                               struct err *err) {
    const struct flow_transform *def = t->def;
    enum err_code code = refuse_foreign_rows(s, t, flow, err);
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    if (def->kind == TRANSFORM_SUM) {
        buf_addf(&sql, "INSERT INTO \"_plumb_q_%s\"(\"_sign\"", def->name);
        reads_list(&sql, t, "");
        buf_adds(&sql, ") SELECT 1");
        reads_list(&sql, t, "");
        buf_addf(&sql, " FROM \"%s\"", def->from->name);
    }
    for (size_t i = 0; def->kind == TRANSFORM_DERIVE && i < def->on_count; i++) {
        const struct flow_on *on = &def->on[i];
        if (on->sql != NULL) {
            buf_addf(&sql, "INSERT INTO \"_plumb_q_%s.%s\" SELECT ", def->name, on->table->name);
            sql_all_names(&sql, &on->table->schema, "");
            buf_addf(&sql, " FROM \"%s\";", on->table->name);
        } else {
            AUTO_BUF from = BUF_INIT(BUF_TEXT_MAX);
            buf_addf(&from, " FROM \"%s\"", on->table->name);
            /* only in SQLite has the queue a key that keeps it small */
            key_insert(&sql, t, on, "", buf_c(&from), store_dialect(s) == STORE_POSTGRES);
        }
    }
    return code == ERR_NONE ? store_execute(s, buf_c(&sql), err) : code;
}
