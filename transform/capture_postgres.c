/* Change capture in PostgreSQL: queue tables, and one trigger for each statement, whatever it touched.
 *
 * The rows a statement changed are in two transition tables, `went` and `came`. Of an update only what
 * differs between them is queued, as multisets: rows that trade places differ in nothing. An upsert
 * fires the triggers of insert and of update, each with its rows. TRUNCATE shows no rows, so they are
 * queued before it.
 *
 * Somebody who corrects a row by hand has another search path and perhaps no rights to the queues: the
 * functions name everything in full, see nothing of the caller's, and run with the rights of who made
 * them; nobody else can attach them to a table.
 *
 * Queues have no key but a number in the order of arrival (docs/adr/0010, rule 3): a key that waits
 * already is queued again, since whoever works on the first may not have seen the second change. */
#include "store/postgres/catalog.h"
#include "transform/internal.h"

/* One table that one transform listens to. */
struct listener {
    const struct transform *t;
    const struct flow_table *table;
    const struct flow_on *on; /* of a derive; NULL: it is a sum */
};

enum event { EVENT_INSERT, EVENT_DELETE, EVENT_UPDATE, EVENT_TRUNCATE, EVENT_COUNT };
static const struct {
    const char *name, *when, *tables;
} events[EVENT_COUNT] = {
    [EVENT_INSERT] = {"INSERT", "AFTER INSERT", " REFERENCING NEW TABLE AS came"},
    [EVENT_DELETE] = {"DELETE", "AFTER DELETE", " REFERENCING OLD TABLE AS went"},
    [EVENT_UPDATE] = {"UPDATE", "AFTER UPDATE", " REFERENCING OLD TABLE AS went NEW TABLE AS came"},
    [EVENT_TRUNCATE] = {"TRUNCATE", "BEFORE TRUNCATE", ""},
};

/* TRUNCATE takes away what this transaction's snapshot may not show. */
static const char only_what_is_seen[] =
    "IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN RAISE "
    "EXCEPTION 'TRUNCATE at this isolation level takes away rows it does not see, and plumb could "
    "not follow: DELETE them, or use READ COMMITTED'; END IF; ";

/* ---- what goes into the queue ---- */

static bool is_raw(const struct listener *l) {
    return l->on != NULL && l->on->sql != NULL;
}

static void queue_name(const struct listener *l, struct buf *out) {
    buf_addf(out, "_plumb_q_%s", l->t->def->name);
    if (is_raw(l)) {
        buf_addf(out, ".%s", l->table->name);
    }
}

/* "a", "b" of the columns in which rows are told apart. */
static void read_names(struct buf *out, const struct listener *l, const char *prefix) {
    const char *comma = "";
    for (size_t i = 0; i < l->table->schema.count; i++) {
        if (l->on != NULL || l->t->reads[i]) {
            buf_addf(out, "%s%s\"%s\"", comma, prefix, l->table->schema.columns[i].name);
            comma = ", ";
        }
    }
}

static bool reads_any(const struct listener *l) {
    AUTO_BUF names = BUF_INIT(BUF_TEXT_MAX);
    read_names(&names, l, "");
    return names.len > 0;
}

static void insert_into(struct buf *out, const struct listener *l) {
    buf_adds(out, "INSERT INTO {schema}.\"");
    queue_name(l, out);
    buf_adds(out, "\"(");
    if (l->on == NULL) {
        buf_adds(out, reads_any(l) ? "\"_sign\", " : "\"_sign\"");
    }
    if (l->on == NULL || is_raw(l)) {
        read_names(out, l, "");
    } else {
        const struct flow_transform *def = l->t->def;
        sql_names(out, &def->into->schema, def->changed, def->changed_count, "");
    }
    buf_adds(out, ") ");
}

/* A row without a key leads to none. */
static void select_keys(struct buf *out, const struct flow_on *on, const char *from) {
    buf_adds(out, "SELECT DISTINCT ");
    for (size_t i = 0; i < on->column_count; i++) {
        buf_addf(out, "%sr.\"%s\"", i > 0 ? ", " : "", on->columns[i]);
    }
    buf_addf(out, " FROM %s r WHERE ", from);
    for (size_t i = 0; i < on->column_count; i++) {
        buf_addf(out, "%sr.\"%s\" IS NOT NULL", i > 0 ? " AND " : "", on->columns[i]);
    }
}

static void select_from(struct buf *out, const struct listener *l, const char *from, int sign) {
    if (l->on != NULL && !is_raw(l)) {
        select_keys(out, l->on, from);
        return;
    }
    buf_adds(out, "SELECT ");
    if (l->on == NULL) {
        buf_addf(out, "%d%s", sign, reads_any(l) ? ", " : "");
    }
    read_names(out, l, "r.");
    buf_addf(out, " FROM %s r", from);
}

/* Rows of a that are not in b, as often as there are more of them. */
static void select_difference(struct buf *out, const struct listener *l, const char *a,
                              const char *b, int sign) {
    AUTO_BUF from = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&from, "(SELECT ");
    read_names(&from, l, "a.");
    buf_addf(&from, " FROM %s a EXCEPT ALL SELECT ", a);
    read_names(&from, l, "b.");
    buf_addf(&from, " FROM %s b)", b);
    select_from(out, l, buf_c(&from), sign);
}

static void body_of(struct buf *out, const struct listener *l, enum event event) {
    AUTO_BUF table = BUF_INIT(BUF_TEXT_MAX);
    switch (event) {
    case EVENT_INSERT:
        insert_into(out, l);
        select_from(out, l, "came", 1);
        break;
    case EVENT_DELETE:
        insert_into(out, l);
        select_from(out, l, "went", -1);
        break;
    case EVENT_UPDATE:
        if (!reads_any(l)) {
            return; /* nothing that could differ */
        }
        insert_into(out, l);
        select_difference(out, l, "went", "came", -1); /* first what went */
        buf_adds(out, l->on == NULL || is_raw(l) ? " UNION ALL " : " UNION ");
        select_difference(out, l, "came", "went", 1);
        break;
    case EVENT_TRUNCATE:
        buf_adds(out, only_what_is_seen);
        insert_into(out, l);
        buf_addf(&table, "{schema}.\"%s\"", l->table->name);
        select_from(out, l, buf_c(&table), -1);
        break;
    case EVENT_COUNT:
        break;
    }
    buf_adds(out, ";");
}

/* ---- objects ---- */

static enum err_code triggers_ensure(struct store *s, const struct listener *l, struct err *err) {
    enum err_code code = ERR_NONE;
    if (store_table_is_elsewhere(s, l->table)) {
        return ERR_NONE; /* it stands still while this store is built */
    }
    for (size_t i = 0; code == ERR_NONE && i < EVENT_COUNT; i++) {
        AUTO_BUF body = BUF_INIT(BUF_TEXT_MAX);
        AUTO_BUF ddl = BUF_INIT(BUF_TEXT_MAX);
        char *name =
            mem_printf("_plumb_t_%s.%s.%s", l->t->def->name, l->table->name, events[i].name);
        body_of(&body, l, (enum event)i);
        buf_addf(&ddl,
                 "CREATE FUNCTION {schema}.\"%s\"() RETURNS trigger LANGUAGE plpgsql SECURITY "
                 "DEFINER SET search_path = pg_catalog, pg_temp AS $plumb$ BEGIN %s RETURN NULL; "
                 "END $plumb$; REVOKE ALL ON FUNCTION {schema}.\"%s\"() FROM PUBLIC; ",
                 name, buf_c(&body), name);
        buf_addf(&ddl,
                 "CREATE TRIGGER \"%s\" %s ON {schema}.\"%s\"%s FOR EACH STATEMENT EXECUTE "
                 "FUNCTION {schema}.\"%s\"()",
                 name, events[i].when, l->table->name, events[i].tables, name);
        code = store_object_ensure(s, name, buf_c(&ddl), err);
        mem_free(name);
    }
    return code;
}

/* columns: each with its type and a comma after it. The number comes last, so that rows may be put in
 * without naming columns. Keys that failed are passed over on the way to those that wait: an index
 * without them would cost every key more than they do. */
static enum err_code queue_ensure(struct store *s, const char *name, const char *columns,
                                  struct err *err) {
    AUTO_BUF ddl = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&ddl,
             "CREATE TABLE {schema}.\"%s\"(%s\"" PG_QUEUE_ID
             "\" bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY) WITH (" PG_QUEUE_STORAGE ")",
             name, columns);
    return store_object_ensure(s, name, buf_c(&ddl), err);
}

static void column_add(struct buf *out, const struct store *s, const struct column *c) {
    buf_addf(out, "\"%s\" %s, ", c->name, store_sql_type(s, c->type));
}

static enum err_code rows_queue_ensure(struct store *s, const struct listener *l, struct err *err) {
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF columns = BUF_INIT(BUF_TEXT_MAX);
    queue_name(l, &name);
    buf_adds(&columns, l->on == NULL ? "\"_sign\" bigint NOT NULL, " : "");
    for (size_t i = 0; i < l->table->schema.count; i++) {
        if (l->on != NULL || l->t->reads[i]) {
            column_add(&columns, s, &l->table->schema.columns[i]);
        }
    }
    return queue_ensure(s, buf_c(&name), buf_c(&columns), err);
}

static enum err_code install_sum(struct store *s, const struct transform *t, struct err *err) {
    const struct listener l = {t, t->def->from, NULL};
    enum err_code code = rows_queue_ensure(s, &l, err);
    return code == ERR_NONE ? triggers_ensure(s, &l, err) : code;
}

static enum err_code install_derive(struct store *s, const struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    AUTO_BUF columns = BUF_INIT(BUF_TEXT_MAX);
    char *name = mem_printf("_plumb_q_%s", def->name);
    for (size_t i = 0; i < def->changed_count; i++) {
        column_add(&columns, s, &def->into->schema.columns[def->changed[i]]);
    }
    buf_adds(&columns, "\"_failed\" bigint NOT NULL DEFAULT 0, \"_error\" text, ");
    enum err_code code = queue_ensure(s, name, buf_c(&columns), err);
    mem_free(name);
    for (size_t i = 0; code == ERR_NONE && i < def->on_count; i++) {
        const struct listener l = {t, def->on[i].table, &def->on[i]};
        code = is_raw(&l) ? rows_queue_ensure(s, &l, err) : ERR_NONE;
        if (code == ERR_NONE) {
            code = triggers_ensure(s, &l, err);
        }
    }
    return code;
}

enum err_code capture_install_postgres(struct store *s, const struct transform *t,
                                       struct err *err) {
    switch (t->def->kind) {
    case TRANSFORM_MAP:
        return ERR_NONE;
    case TRANSFORM_SUM:
        return install_sum(s, t, err);
    case TRANSFORM_DERIVE:
        return install_derive(s, t, err);
    }
    return ERR_NONE;
}
