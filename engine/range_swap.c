/* How it works: a row made aside takes the place of the one the store has unless that one was made by
 * a batch outside the range and wins: it came later or, with latest_by, is newer. What would leave a
 * place to a batch that was not read is looked for first. A ledger line of the range is the one made
 * aside, with the rows inserted corrected by what really came and went, so that the lines still add up
 * to the table's rows. */
#include <stdio.h>

#include "engine/range_state.h"
#include "store/difference.h"

#define OF_RANGE "(SELECT id FROM " RANGE_SCHEMA "._plumb_batches)"

struct range_table {
    struct store *store;
    const struct flow_transform *map;
    const char *name;
    struct buf keys;  /* m and a have the same key */
    struct buf made;  /* m was made by the range */
    struct buf keeps; /* m stays although a is there */
    struct buf batch; /* the batch that made a */
};

static void add_older(struct buf *out, const struct flow_transform *t, const char *left,
                      const char *right) {
    for (size_t i = 0; i < t->latest_by_count; i++) {
        const char *name = t->into->schema.columns[t->latest_by[i]].name;
        buf_addf(out, "(%s.\"%s\" < %s.\"%s\" OR (%s.\"%s\" IS NULL AND %s.\"%s\" IS NOT NULL)",
                 left, name, right, name, left, name, right, name);
        if (i + 1 < t->latest_by_count) {
            buf_addf(out, " OR (%s.\"%s\" IS %s.\"%s\" AND ", left, name, right, name);
        }
    }
    for (size_t i = 0; i < t->latest_by_count; i++) {
        buf_adds(out, i == 0 ? ")" : "))");
    }
}

static void add_batch(struct buf *out, const struct flow_table *t, const char *row) {
    if (!t->key_auto) {
        buf_addf(out, "%s.\"_batch\"", row);
        return;
    }
    buf_addf(out,
             "(SELECT b.id FROM " RANGE_SCHEMA "._plumb_batches b WHERE b.partition = "
             "%s.\"_partition\" AND %s.\"_record\" >= b.first_record AND %s.\"_record\" < "
             "b.first_record + b.records)",
             row, row, row);
}

static void range_table_init(struct range_table *r, struct store *s,
                             const struct flow_transform *t) {
    *r = (struct range_table){.store = s, .map = t, .name = t->into->name};
    buf_init(&r->keys, BUF_TEXT_MAX);
    buf_init(&r->made, BUF_TEXT_MAX);
    buf_init(&r->keeps, BUF_TEXT_MAX);
    buf_init(&r->batch, BUF_TEXT_MAX);
    table_difference_keys(t->into, "m", "a", &r->keys);
    add_batch(&r->batch, t->into, "a");
    if (t->into->key_auto) {
        add_batch(&r->made, t->into, "m");
        buf_adds(&r->made, " IS NOT NULL");
    } else { /* a row that a hand wrote knows no batch: nothing made it, and anything comes later */
        buf_adds(&r->made, "coalesce(m.\"_batch\" IN " OF_RANGE ", 0)");
    }
    if (t->into->key_auto) {
        buf_adds(&r->keeps, "1 = 0"); /* each row is its record's own */
    } else if (t->latest_by_count == 0) {
        buf_addf(&r->keeps, "(NOT (%s) AND coalesce(m.\"_batch\", 0) > a.\"_batch\")",
                 buf_c(&r->made));
    } else {
        buf_addf(&r->keeps, "(NOT (%s) AND (", buf_c(&r->made));
        add_older(&r->keeps, t, "a", "m");
        buf_adds(&r->keeps, " OR (NOT ");
        add_older(&r->keeps, t, "m", "a");
        buf_adds(&r->keeps, " AND coalesce(m.\"_batch\", 0) > a.\"_batch\")))");
    }
}

static void range_table_release(struct range_table *r) {
    buf_release(&r->keys);
    buf_release(&r->made);
    buf_release(&r->keeps);
    buf_release(&r->batch);
}

/* ---- exact or not at all ---- */

static enum err_code refuse(const struct range_table *r, const struct buf *from_where,
                            const char *what, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    int64_t count = 0;
    bool found = false;
    buf_addf(&sql, "SELECT count(*) FROM %s", buf_c(from_where));
    const enum err_code code = store_get_i64(r->store, buf_c(&sql), &count, &found, err);
    if (code == ERR_NONE && count > 0) {
        return err_set(
            err, ERR_CONFIG,
            "%lld rows of table '%s' %s: what stands there then, only earlier batches "
            "can tell. Nothing was changed; `plumb replay --transform %s` reads them all",
            (long long)count, r->name, what, r->map->name);
    }
    return code;
}

static enum err_code refuse_ghosts(const struct range_table *r, struct err *err) {
    if (r->map->into->key_auto) {
        return ERR_NONE;
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql,
             "main.\"%s\" m WHERE %s AND NOT EXISTS (SELECT 1 FROM " RANGE_SCHEMA
             ".\"%s\" a WHERE %s)",
             r->name, buf_c(&r->made), r->name, buf_c(&r->keys));
    enum err_code code = refuse(r, &sql, "were made by the range and are not any more", err);
    if (code == ERR_NONE && r->map->latest_by_count > 0) {
        buf_clear(&sql);
        buf_addf(&sql, "main.\"%s\" m JOIN " RANGE_SCHEMA ".\"%s\" a ON %s WHERE %s AND ", r->name,
                 r->name, buf_c(&r->keys), buf_c(&r->made));
        add_older(&sql, r->map, "a", "m");
        code = refuse(r, &sql, "get older by latest_by", err);
    }
    return code;
}

/* ---- rows ---- */

static void add_columns(struct buf *out, const struct flow_table *t, bool keys, const char *form) {
    size_t added = 0;
    for (size_t i = 0; i < t->schema.count; i++) {
        bool is_key = false;
        for (size_t k = 0; k < t->key_count; k++) {
            is_key = is_key || t->key[k] == i;
        }
        if (is_key == keys) {
            const char *name = t->schema.columns[i].name;
            buf_addf(out, "%s\"%s\" = a.\"%s\"", added++ > 0 ? form : "", name, name);
        }
    }
    if (!keys && t->lineage) {
        buf_addf(out, "%s\"_batch\" = a.\"_batch\", \"_pos\" = a.\"_pos\"", added > 0 ? form : "");
    }
}

static enum err_code changes_of(struct store *s, const char *sql, int64_t *changes,
                                struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(s, sql, &st, err);
    if (code == ERR_NONE) {
        code = store_run(st, changes, err);
    }
    store_statement_free(st);
    return code;
}

/* How many rows each batch of the range adds to the table. Those that a hand had deleted, by the
 * ledger, are in it already. */
static enum err_code note_balance(const struct range_table *r, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    int64_t away = 0;
    bool found = false;
    buf_addf(&sql,
             "SELECT coalesce(sum(inserted - deleted - taken_back), 0) - (SELECT count(*) FROM "
             "main.\"%s\") FROM main._plumb_ledger WHERE transform = '%s'",
             r->name, r->map->name);
    enum err_code code = store_get_i64(r->store, buf_c(&sql), &away, &found, err);
    buf_clear(&sql);
    buf_addf(&sql,
             "DELETE FROM temp._plumb_range_balance;"
             "INSERT INTO temp._plumb_range_balance SELECT %s, count(*) FROM " RANGE_SCHEMA
             ".\"%s\" a WHERE NOT EXISTS (SELECT 1 FROM main.\"%s\" m WHERE %s) GROUP BY 1;",
             buf_c(&r->batch), r->name, r->name, buf_c(&r->keys));
    if (away > 0) {
        buf_addf(&sql,
                 "UPDATE temp._plumb_range_balance AS d SET n = CASE WHEN c.before + d.n <= %lld "
                 "THEN 0 WHEN c.before >= %lld THEN d.n ELSE d.n - (%lld - c.before) END FROM "
                 "(SELECT batch, sum(n) OVER (ORDER BY batch) - n AS before FROM "
                 "temp._plumb_range_balance) AS c WHERE c.batch = d.batch;",
                 (long long)away, (long long)away, (long long)away);
    }
    return code == ERR_NONE ? store_execute(r->store, buf_c(&sql), err) : code;
}

static enum err_code write_rows(const struct range_table *r, struct swap_table *out,
                                struct err *err) {
    const struct flow_table *t = r->map->into;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF set = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = ERR_NONE;
    if (t->key_auto) {
        buf_addf(&sql,
                 "DELETE FROM main.\"%s\" AS m WHERE %s AND NOT EXISTS (SELECT 1 FROM " RANGE_SCHEMA
                 ".\"%s\" a WHERE %s)",
                 r->name, buf_c(&r->made), r->name, buf_c(&r->keys));
        code = changes_of(r->store, buf_c(&sql), &out->deleted, err);
    }
    add_columns(&set, t, false, ", ");
    buf_clear(&sql);
    buf_addf(&sql,
             "UPDATE main.\"%s\" AS m SET %s FROM " RANGE_SCHEMA ".\"%s\" a WHERE %s AND NOT %s",
             r->name, buf_c(&set), r->name, buf_c(&r->keys), buf_c(&r->keeps));
    if (code == ERR_NONE && set.len > 0) {
        code = changes_of(r->store, buf_c(&sql), NULL, err);
    }
    buf_clear(&sql);
    buf_addf(&sql,
             "INSERT INTO main.\"%s\" SELECT * FROM " RANGE_SCHEMA
             ".\"%s\" a WHERE NOT EXISTS (SELECT 1 FROM main.\"%s\" m WHERE %s)",
             r->name, r->name, r->name, buf_c(&r->keys));
    return code == ERR_NONE ? changes_of(r->store, buf_c(&sql), &out->inserted, err) : code;
}

/* What will change, counted and sampled before it does. */
static enum err_code foresee(const struct range_table *r, struct swap_table *out, struct err *err) {
    AUTO_BUF wanted = BUF_INIT(BUF_TEXT_MAX);
    struct table_difference found = {.missing = 0};
    buf_addf(&wanted,
             "(SELECT a.* FROM " RANGE_SCHEMA ".\"%s\" a LEFT JOIN main.\"%s\" m ON %s WHERE NOT "
             "coalesce(%s, 0))",
             r->name, r->name, buf_c(&r->keys), buf_c(&r->keeps));
    const struct difference_of what = {.table = r->map->into,
                                       .part = true,
                                       .past = true,
                                       .schema = "main",
                                       .wanted = buf_c(&wanted)};
    const enum err_code code = table_difference_find(r->store, &what, &found, err);
    out->updated = found.differing;
    for (size_t i = 0; i < found.sample_count && i < SWAP_SAMPLES_MAX; i++) {
        out->samples[out->sample_count++] = found.samples[i];
        found.samples[i] = NULL;
    }
    table_difference_release(&found);
    return code;
}

/* ---- accounts ---- */

static enum err_code swap_ledger(const struct range_table *r, struct err *err) {
    const char *name = r->map->name;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    /* What was inserted then, and is now; the rest of the rows out counts as updated. */
    enum err_code code = ERR_NONE;
    if (!r->map->into->key_auto) { /* there each record has inserted its own row, as aside */
        buf_addf(
            &sql,
            "UPDATE " RANGE_SCHEMA "._plumb_ledger AS a SET inserted = l.inserted - l.deleted + "
            "coalesce((SELECT d.n FROM temp._plumb_range_balance d WHERE d.batch = a.batch), 0), "
            "deleted = 0, unchanged = 0, updated = 0, superseded = 0 FROM main._plumb_ledger l "
            "WHERE l.batch = a.batch AND l.transform = a.transform AND a.transform = '%s';",
            name);
        buf_addf(&sql,
                 "UPDATE " RANGE_SCHEMA "._plumb_ledger SET updated = rows_out - inserted WHERE "
                 "transform = '%s';",
                 name);
        code = store_execute(r->store, buf_c(&sql), err);
    }
    int64_t negative = 0;
    bool found = false;
    buf_clear(&sql);
    buf_addf(&sql,
             "SELECT count(*) FROM " RANGE_SCHEMA "._plumb_ledger WHERE transform = '%s' AND "
             "(updated < 0 OR inserted < 0)",
             name);
    if (code == ERR_NONE) {
        code = store_get_i64(r->store, buf_c(&sql), &negative, &found, err);
    }
    if (code == ERR_NONE && negative > 0) {
        return err_set(err, ERR_CONFIG,
                       "%lld batches of the range give fewer rows than they added to table '%s' "
                       "then, and later batches have those rows now: only a whole `plumb replay "
                       "--transform %s` can account for them. Nothing was changed",
                       (long long)negative, r->name, name);
    }
    buf_clear(&sql);
    buf_addf(&sql,
             "DELETE FROM main._plumb_ledger WHERE transform = '%s' AND batch IN " OF_RANGE ";"
             "INSERT INTO main._plumb_ledger SELECT * FROM " RANGE_SCHEMA
             "._plumb_ledger WHERE transform = '%s'",
             name, name);
    return code == ERR_NONE ? store_execute(r->store, buf_c(&sql), err) : code;
}

/* Those of decoding are as they were: the contract is part of what made the tables. */
static enum err_code swap_rejects(struct store *s, const struct flow *built, struct err *err) {
#define REJECT_COLUMNS                                                                             \
    "batch, pos, transform, reason, column_name, byte_offset, message, version, created_us, "      \
    "taken_back_by, discarded_us, discarded_because, discarded_by"
    AUTO_BUF names = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < built->transform_count; i++) {
        buf_addf(&names, "%s'%s'", i > 0 ? ", " : "", built->transforms[i].name);
    }
    buf_addf(&sql,
             "UPDATE " RANGE_SCHEMA "._plumb_rejects AS a SET discarded_us = m.discarded_us, "
             "discarded_because = m.discarded_because, discarded_by = m.discarded_by FROM "
             "main._plumb_rejects m WHERE m.batch = a.batch AND m.pos = a.pos AND m.transform = "
             "a.transform AND m.reason = a.reason AND m.discarded_us IS NOT NULL;"
             "DELETE FROM main._plumb_rejects WHERE batch IN " OF_RANGE " AND transform IN (%s);"
             "INSERT INTO main._plumb_rejects(" REJECT_COLUMNS ") SELECT " REJECT_COLUMNS
             " FROM " RANGE_SCHEMA "._plumb_rejects WHERE transform <> '' ORDER BY batch, pos",
             buf_c(&names));
    return store_execute(s, buf_c(&sql), err);
}

static enum err_code swap_table(struct store *s, const struct flow_transform *t,
                                struct swap_table *out, struct err *err) {
    CLEANUP(range_table_release) struct range_table r;
    range_table_init(&r, s, t);
    *out = (struct swap_table){.name = t->into->name};
    enum err_code code = refuse_ghosts(&r, err);
    if (code == ERR_NONE) {
        code = note_balance(&r, err);
    }
    if (code == ERR_NONE) {
        code = foresee(&r, out, err);
    }
    if (code == ERR_NONE) {
        code = swap_ledger(&r, err);
    }
    if (code == ERR_NONE) {
        code = write_rows(&r, out, err);
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    bool found = false;
    buf_addf(&sql, "SELECT count(*) FROM main.\"%s\"", t->into->name);
    return code == ERR_NONE ? store_get_i64(s, buf_c(&sql), &out->rows, &found, err) : code;
}

enum err_code range_swap(struct store *s, const struct flow *built, struct swap_report *report,
                         struct err *err) {
    *report = (struct swap_report){
        .tables = mem_alloc_array(built->transform_count + 1, sizeof(struct swap_table))};
    enum err_code code =
        store_execute(s, "CREATE TEMP TABLE _plumb_range_balance(batch INTEGER, n INTEGER)", err);
    for (size_t i = 0; code == ERR_NONE && i < built->transform_count; i++) {
        code = swap_table(s, &built->transforms[i], &report->tables[report->count], err);
        report->count++;
    }
    return code == ERR_NONE ? swap_rejects(s, built, err) : code;
}
