/* What was built aside takes the place of what is there, in one transaction, behind the lock of the
 * store's writers. DDL is part of it.
 *
 * Rows are compared by key and only those that differ are written, so that readers, triggers of others
 * and the disk see no more than what really changed. A table whose columns are others now is made anew.
 * The triggers and queues of the affected transforms are dropped first and come back last, by the same
 * texts with the other schema's name: what they would catch has been followed aside already.
 *
 * Others may write to the store while a store aside is built, since nothing but a transaction locks it.
 * Whatever they staged is not aside; so it is looked whether they have, before anything is written. */
#include <string.h>

#include "base/json.h"
#include "store/postgres/catalog.h"
#include "store/postgres/driver.h"
#include "store/postgres/internal.h"
#include "store/shape.h"

#define QUEUE_PREFIX "_plumb_q_"
#define SHOWN_BYTES  60 /* of a value in a sample */

struct swap {
    struct store *store;
    struct pg *pg;
    const struct flow *built;
    char *names; /* 'a', 'b': the transforms, for IN (...) */
    const char *here;
    char aside[PG_IDENTIFIER_BYTES];
};

/* sql: given. */
static enum err_code execute_given(struct swap *w, char *sql, struct err *err) {
    const enum err_code code = store_execute(w->store, sql, err);
    mem_free(sql);
    return code;
}

/* ---- whether it still fits ---- */

static enum err_code refuse_other_batches(struct swap *w, struct err *err) {
    char *sql = mem_printf(
        "SELECT count(*) FROM \"%s\"._plumb_batches m FULL JOIN \"%s\"._plumb_batches a ON a.id = "
        "m.id WHERE a.id IS NULL OR m.id IS NULL",
        w->here, w->aside);
    int64_t count = 0;
    bool found = false;
    const enum err_code code = store_get_i64(w->store, sql, &count, &found, err);
    mem_free(sql);
    if (code == ERR_NONE && count > 0) {
        return err_set(err, ERR_CONFLICT,
                       "store %s: %lld batches were staged while the tables were built; nothing "
                       "was changed. Stop `plumb run` on this store, and replay again",
                       store_path(w->store), (long long)count);
    }
    return code;
}

/* ---- a table's SQL ---- */

/* All columns the table has aside, plumb's own among them, and which make its key. */
static enum err_code shape_read(struct swap *w, const char *table, struct shape *out,
                                struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        w->store,
        "SELECT a.attname::text, coalesce(a.attnum = ANY (i.indkey), false) FROM pg_class c JOIN "
        "pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND "
        "a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_index i ON i.indrelid = c.oid AND "
        "i.indisprimary WHERE n.nspname = ?1 AND c.relname = ?2 ORDER BY a.attnum",
        &st, err);
    bool has_row = code == ERR_NONE;
    if (has_row) {
        store_bind_str(st, 1, str_of(w->aside));
        store_bind_str(st, 2, str_of(table));
    }
    while (has_row && code == ERR_NONE) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            const struct str name = store_column_str(st, 0);
            shape_add(out, name, store_column_i64(st, 1) != 0);
        }
    }
    store_statement_free(st);
    return code;
}

/* ---- samples ---- */

static void shown(struct buf *out, struct store_statement *st, int column, enum column_type type) {
    struct value v = {.type = type, .is_null = store_column_is_null(st, column)};
    if (!v.is_null && type_is_integer(type)) {
        v.integer = store_column_i64(st, column);
    } else if (!v.is_null && type == TYPE_FLOAT64) {
        v.real = store_column_f64(st, column);
    } else if (!v.is_null) {
        v.bytes = store_column_str(st, column);
    }
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    struct json_writer w;
    json_writer_init(&w, &text);
    value_write_json(&w, &v);
    struct str shown = buf_str(&text);
    if (shown.len > 1 && shown.ptr[0] == '"') {
        shown = (struct str){shown.ptr + 1, shown.len - 2};
    }
    char cell[SHOWN_BYTES + 1];
    str_printable(shown, cell, sizeof(cell));
    buf_adds(out, cell);
}

static bool is_in_key(const struct flow_table *t, size_t column) {
    bool found = false;
    for (size_t k = 0; k < t->key_count; k++) {
        found = found || t->key[k] == column;
    }
    return found;
}

/* Of a few rows that change: the key, then the rest before and after, and whether it differs. */
static void sample_sql(struct swap *w, struct buf *sql, const struct flow_table *t,
                       const struct shape *p) {
    buf_adds(sql, "SELECT 0");
    for (size_t i = 0; i < t->schema.count; i++) {
        const char *name = t->schema.columns[i].name;
        if (is_in_key(t, i)) {
            buf_addf(sql, ", a.\"%s\"", name);
        } else {
            buf_addf(sql, ", m.\"%s\", a.\"%s\", m.\"%s\" IS DISTINCT FROM a.\"%s\"", name, name,
                     name, name);
        }
    }
    buf_addf(sql, " FROM \"%s\".\"%s\" a JOIN \"%s\".\"%s\" m ON ", w->aside, t->name, w->here,
             t->name);
    shape_compare(sql, p, true);
    buf_adds(sql, " WHERE ");
    shape_compare(sql, p, false);
    buf_addf(sql, " LIMIT %d", SWAP_SAMPLES_MAX);
}

/* "id=7  spent: 1200 -> 1300" */
static void sample_text(struct buf *out, const struct flow_table *t, struct store_statement *st) {
    AUTO_BUF rest = BUF_INIT(BUF_TEXT_MAX);
    int at = 1;
    for (size_t i = 0; i < t->schema.count; i++) {
        const struct column *c = &t->schema.columns[i];
        if (is_in_key(t, i)) {
            buf_addf(out, "%s=", c->name);
            shown(out, st, at++, c->type);
            buf_addc(out, ' ');
            continue;
        }
        if (store_column_i64(st, at + 2) != 0) {
            buf_addf(&rest, " %s: ", c->name);
            shown(&rest, st, at, c->type);
            buf_adds(&rest, " -> ");
            shown(&rest, st, at + 1, c->type);
        }
        at += 3;
    }
    buf_addstr(out, buf_str(&rest));
}

static enum err_code take_samples(struct swap *w, const struct flow_table *t, const struct shape *p,
                                  struct swap_table *out, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    sample_sql(w, &sql, t, p);
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(w->store, buf_c(&sql), &st, err);
    bool has_row = code == ERR_NONE;
    while (has_row && code == ERR_NONE && out->sample_count < SWAP_SAMPLES_MAX) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
            sample_text(&text, t, st);
            out->samples[out->sample_count++] = mem_strndup(buf_c(&text), text.len);
        }
    }
    store_statement_free(st);
    return code;
}

/* ---- a table ---- */

static enum err_code make_anew(struct swap *w, const struct flow_table *t, const struct shape *p,
                               struct swap_table *out, struct err *err) {
    out->made_anew = true;
    AUTO_BUF names = BUF_INIT(BUF_TEXT_MAX);
    shape_names(&names, p);
    enum err_code code =
        execute_given(w, mem_printf("DROP TABLE IF EXISTS \"%s\".\"%s\"", w->here, t->name), err);
    if (code == ERR_NONE) {
        code = pg_table_ensure(w->pg, w->built, t, err);
    }
    return code == ERR_NONE
               ? shape_run(w->store,
                           mem_printf("INSERT INTO \"%s\".\"%s\"(%s) SELECT %s FROM \"%s\".\"%s\"",
                                      w->here, t->name, buf_c(&names), buf_c(&names), w->aside,
                                      t->name),
                           &out->inserted, err)
               : code;
}

static enum err_code write_differences(struct swap *w, const struct flow_table *t,
                                       const struct shape *p, struct swap_table *out,
                                       struct err *err) {
    const struct shape_place at = {t->name, w->here, w->aside};
    enum err_code code = shape_write(w->store, p, &at, out, err);
    return code == ERR_NONE ? pg_table_ensure(w->pg, w->built, t, err) : code;
}

static enum err_code swap_table(struct swap *w, const struct flow_table *t, struct swap_table *out,
                                struct err *err) {
    struct shape *p = mem_alloc(sizeof(*p));
    AUTO_BUF differences = BUF_INIT(BUF_TEXT_MAX);
    bool exists = false;
    *out = (struct swap_table){.name = t->name};
    enum err_code code = pg_table_compare(w->pg, w->built, t, &exists, &differences, err);
    const bool same = exists && differences.len == 0;
    if (code == ERR_NONE) {
        code = shape_read(w, t->name, p, err);
    }
    if (code == ERR_NONE && same) {
        code = take_samples(w, t, p, out, err);
    }
    if (code == ERR_NONE) {
        code = same ? write_differences(w, t, p, out, err) : make_anew(w, t, p, out, err);
    }
    char *count = mem_printf("SELECT count(*) FROM \"%s\".\"%s\"", w->here, t->name);
    bool found = false;
    if (code == ERR_NONE) {
        code = store_get_i64(w->store, count, &out->rows, &found, err);
    }
    mem_free(count);
    shape_release(p);
    mem_free(p);
    return code == ERR_NONE ? ERR_NONE : err_wrap(err, "table '%s'", t->name);
}

/* ---- queues and triggers ---- */

static bool is_queue(const char *name) {
    return strncmp(name, QUEUE_PREFIX, strlen(QUEUE_PREFIX)) == 0;
}

struct object {
    char *name, *ddl;
};

struct objects {
    struct object *list;
    size_t count;
};

static void objects_release(struct objects *o) {
    for (size_t i = 0; i < o->count; i++) {
        mem_free(o->list[i].name);
        mem_free(o->list[i].ddl);
    }
    mem_free(o->list);
}
#define AUTO_OBJECTS CLEANUP(objects_release) struct objects

static char *text_dup(struct store_statement *st, int column) {
    const struct str text = store_column_str(st, column);
    return mem_strndup(text.ptr, text.len);
}

/* Queues come first: triggers write to them. */
static enum err_code objects_read(struct swap *w, const char *schema, struct objects *out,
                                  struct err *err) {
    struct store_statement *st = NULL;
    char *sql = mem_printf("SELECT name, ddl FROM \"%s\"._plumb_objects ORDER BY name", schema);
    enum err_code code = store_prepare(w->store, sql, &st, err);
    mem_free(sql);
    bool has_row = code == ERR_NONE;
    while (has_row && code == ERR_NONE) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            out->list = mem_realloc(out->list, (out->count + 1) * sizeof(out->list[0]));
            out->list[out->count++] = (struct object){text_dup(st, 0), text_dup(st, 1)};
        }
    }
    store_statement_free(st);
    return code;
}

static enum err_code drop_objects(struct swap *w, struct err *err) {
    AUTO_OBJECTS all = {.count = 0};
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = objects_read(w, w->here, &all, err);
    for (size_t i = all.count; code == ERR_NONE && i > 0; i--) {
        const struct object *o = &all.list[i - 1];
        if (!store_object_is_of(w->built, o->name)) {
            continue;
        }
        char known_as[PG_IDENTIFIER_BYTES];
        pg_short_name(str_of(o->name), known_as);
        buf_addf(&sql,
                 is_queue(o->name) ? "DROP TABLE IF EXISTS \"%s\".\"%s\";"
                                   : "DROP FUNCTION IF EXISTS \"%s\".\"%s\"() CASCADE;",
                 w->here, known_as);
        buf_addf(&sql, "DELETE FROM \"%s\"._plumb_objects WHERE name = '%s';", w->here, o->name);
    }
    return code == ERR_NONE && sql.len > 0 ? pg_execute(w->pg, buf_c(&sql), err) : code;
}

/* The text it was made by aside, for here: the schema's name stands in quotes before a dot. */
static void moved(const struct swap *w, const char *ddl, struct buf *out) {
    char *there = mem_printf("\"%s\".", w->aside);
    const char *rest = ddl;
    const char *at = strstr(rest, there);
    while (at != NULL) {
        buf_addstr(out, (struct str){rest, (size_t)(at - rest)});
        buf_addf(out, "\"%s\".", w->here);
        rest = at + strlen(there);
        at = strstr(rest, there);
    }
    buf_adds(out, rest);
    mem_free(there);
}

static enum err_code note_object(struct swap *w, const struct object *o, const struct buf *ddl,
                                 struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code =
        store_prepare(w->store, "INSERT INTO _plumb_objects(name, ddl) VALUES (?1, ?2)", &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(o->name));
        store_bind_str(st, 2, buf_str(ddl));
        code = store_run(st, NULL, err);
    }
    store_statement_free(st);
    return code;
}

/* What waits in a queue (keys that failed), in the order it came; numbers are given anew. Tombstones
 * have a key and no number. */
static enum err_code fill_queue(struct swap *w, const struct object *o, struct err *err) {
    CLEANUP(shape_release) struct shape p = {.count = 0};
    AUTO_BUF names = BUF_INIT(BUF_TEXT_MAX);
    char known_as[PG_IDENTIFIER_BYTES];
    pg_short_name(str_of(o->name), known_as);
    enum err_code code = shape_read(w, known_as, &p, err);
    const char *order = "";
    for (size_t i = 0; i < p.count; i++) {
        if (strcmp(p.columns[i], PG_QUEUE_ID) == 0) {
            order = " ORDER BY \"" PG_QUEUE_ID "\"";
        } else {
            buf_addf(&names, "%s\"%s\"", names.len > 0 ? ", " : "", p.columns[i]);
        }
    }
    if (code != ERR_NONE || names.len == 0) {
        return code;
    }
    return execute_given(w,
                         mem_printf("INSERT INTO \"%s\".\"%s\"(%s) SELECT %s FROM \"%s\".\"%s\"%s",
                                    w->here, known_as, buf_c(&names), buf_c(&names), w->aside,
                                    known_as, order),
                         err);
}

static enum err_code make_objects(struct swap *w, struct err *err) {
    AUTO_OBJECTS all = {.count = 0};
    enum err_code code = objects_read(w, w->aside, &all, err);
    for (size_t i = 0; code == ERR_NONE && i < all.count; i++) {
        const struct object *o = &all.list[i];
        AUTO_BUF ddl = BUF_INIT(BUF_TEXT_MAX);
        moved(w, o->ddl, &ddl);
        code = pg_execute(w->pg, buf_c(&ddl), err);
        if (code == ERR_NONE) {
            code = note_object(w, o, &ddl, err);
        }
        if (code == ERR_NONE && is_queue(o->name)) {
            code = fill_queue(w, o, err);
        }
    }
    return code;
}

/* ---- accounts ---- */

/* Transforms that the flow no longer has, whose rows went with the tables that were made anew. */
static enum err_code forget_gone(struct swap *w, struct err *err) {
    char *gone = mem_printf(
        "(SELECT m.name FROM \"%s\"._plumb_transforms m WHERE m.name NOT IN (%s) AND m.into_table "
        "IN (SELECT a.into_table FROM \"%s\"._plumb_transforms a))",
        w->here, w->names, w->aside);
    char *sql = mem_printf("DELETE FROM _plumb_marks WHERE transform IN %s;"
                           "DELETE FROM _plumb_ledger WHERE transform IN %s;"
                           "DELETE FROM _plumb_rejects WHERE transform IN %s;"
                           "DELETE FROM _plumb_transforms WHERE name IN %s",
                           gone, gone, gone, gone);
    mem_free(gone);
    return execute_given(w, sql, err);
}

static enum err_code swap_accounts(struct swap *w, struct err *err) {
    static const char *const keyed[][2] = {{"_plumb_marks", "transform"},
                                           {"_plumb_ledger", "transform"},
                                           {"_plumb_transforms", "name"}};
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(keyed); i++) {
        const char *table = keyed[i][0];
        const char *name = keyed[i][1];
        code = execute_given(w,
                             mem_printf("DELETE FROM \"%s\".%s WHERE %s IN (%s);"
                                        "INSERT INTO \"%s\".%s SELECT * FROM \"%s\".%s WHERE %s IN "
                                        "(%s)",
                                        w->here, table, name, w->names, w->here, table, w->aside,
                                        table, name, w->names),
                             err);
    }
    return code;
}

static void sources_of(const struct swap *w, struct buf *out) {
    for (size_t i = 0; i < w->built->transform_count; i++) {
        const struct flow_source *source = w->built->transforms[i].source;
        if (source != NULL) {
            buf_addf(out, "%s'%s'", out->len > 0 ? ", " : "", source->name);
        }
    }
    buf_adds(out, out->len == 0 ? "NULL" : "");
}

/* Rejects of the transforms; those of decoding for batches that were decoded again. */
static enum err_code swap_rejects(struct swap *w, struct err *err) {
    AUTO_BUF sources = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    sources_of(w, &sources);
    /* What a person discarded stays so while it is rejected again for the same reason. */
    buf_addf(&sql,
             "UPDATE \"%s\"._plumb_rejects AS a SET discarded_us = m.discarded_us, "
             "discarded_because = m.discarded_because, discarded_by = m.discarded_by FROM "
             "\"%s\"._plumb_rejects m WHERE m.batch = a.batch AND m.pos = a.pos AND m.transform = "
             "a.transform AND m.reason = a.reason AND m.discarded_us IS NOT NULL;",
             w->aside, w->here);
    buf_addf(&sql,
             "DELETE FROM \"%s\"._plumb_rejects WHERE transform IN (%s) OR (transform = '' AND "
             "batch IN (SELECT b.id FROM \"%s\"._plumb_batches b JOIN \"%s\"._plumb_partitions p "
             "ON p.id = b.partition WHERE p.source IN (%s)));",
             w->here, w->names, w->here, w->here, buf_c(&sources));
    buf_addf(&sql,
             "INSERT INTO \"%s\"._plumb_rejects(" POSTGRES_REJECT_COLUMNS
             ") SELECT " POSTGRES_REJECT_COLUMNS " FROM \"%s\"._plumb_rejects ORDER BY batch, pos;",
             w->here, w->aside);
    buf_addf(
        &sql,
        "UPDATE \"%s\"._plumb_batches AS m SET decoded = a.decoded, rejected = a.rejected FROM "
        "\"%s\"._plumb_batches a WHERE a.id = m.id AND (a.decoded <> m.decoded OR a.rejected "
        "<> m.rejected);",
        w->here, w->aside);
    buf_addf(&sql,
             "INSERT INTO \"%s\"._plumb_streams(batch, stream, records) SELECT batch, stream, "
             "records FROM \"%s\"._plumb_streams EXCEPT SELECT batch, stream, records FROM "
             "\"%s\"._plumb_streams ON CONFLICT (batch, stream) DO UPDATE SET records = "
             "excluded.records",
             w->here, w->aside, w->here);
    return store_execute(w->store, buf_c(&sql), err);
}

static enum err_code swap_all(struct swap *w, struct swap_report *report, struct err *err) {
    enum err_code code = refuse_other_batches(w, err);
    if (code == ERR_NONE) {
        code = drop_objects(w, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < w->built->table_count; i++) {
        const struct flow_table *t = &w->built->tables[i];
        if (flow_writes(w->built, t)) {
            code = swap_table(w, t, &report->tables[report->count], err);
            report->count++;
        }
    }
    if (code == ERR_NONE) {
        code = forget_gone(w, err);
    }
    if (code == ERR_NONE) {
        code = swap_accounts(w, err);
    }
    if (code == ERR_NONE) {
        code = swap_rejects(w, err);
    }
    return code == ERR_NONE ? make_objects(w, err) : code;
}

enum err_code postgres_swap(struct store *base, const struct flow *built,
                            struct swap_report *report, struct err *err) {
    *report = (struct swap_report){
        .tables = mem_alloc_array(built->table_count + 1, sizeof(struct swap_table))};
    struct postgres_store *s = postgres_of(base);
    AUTO_BUF names = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < built->transform_count; i++) {
        buf_addf(&names, "%s'%s'", i > 0 ? ", " : "", built->transforms[i].name);
    }
    struct swap w = {base, s->pg, built, names.data, s->pg->schema, ""};
    enum err_code code =
        pg_schema_name(pg_address_of(s->pg), base->flow, STORE_ASIDE, w.aside, err);
    if (code == ERR_NONE) {
        code = store_begin(base, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = swap_all(&w, report, err);
    if (code == ERR_NONE) {
        return store_commit(base, err);
    }
    store_rollback(base);
    return code;
}
