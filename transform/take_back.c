/* Rows of records that their source has taken back.
 *
 * The map's SQL is not run again: the table's key begins with the columns that name a record, so the
 * rows are found by these, whatever the SQL made of the rest and also when it had rejected the
 * record. The delete goes row by row through the same triggers as any other, so everything below
 * follows by itself. */
#include "transform/internal.h"

#include <string.h>
#include <strings.h>

/* ---- checking ---- */

/* The result column that is the stream's column as it is, or -1. */
static int result_of(const struct sql_facts *facts, const char *relation, const char *column) {
    for (size_t i = 0; i < facts->column_count; i++) {
        if (strcmp(facts->origins[i].table, relation) == 0 &&
            strcasecmp(facts->origins[i].column, column) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static void identity_names(struct buf *out, const struct stream *spec) {
    for (size_t i = 0; i < spec->identity_count; i++) {
        buf_addf(out, "%s%s", i > 0 ? ", " : "", spec->schema.columns[spec->identity[i]].name);
    }
}

/* Rows of a record that is taken back are found by the record's identity, which the table's key
 * begins with; nothing that an older record had written may hide behind them. */
enum err_code take_back_check(const struct sql_facts *facts, const char *relation,
                              struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    const struct stream *spec = def->stream->spec;
    AUTO_BUF names = BUF_INIT(BUF_TEXT_MAX);
    identity_names(&names, spec);
    if (def->latest_by_count > 0 || def->delete_when != NULL) {
        return node_error(def->node, err,
                          "source '%s' takes records back after a reorganisation, and a map over "
                          "it keeps a row for each record: %s has no place here. Keep the records "
                          "in one table, and derive the newest state of a key from it",
                          def->source->name,
                          def->delete_when != NULL ? "delete_when" : "latest_by");
    }
    t->identity = mem_alloc_array(spec->identity_count + 1, sizeof(*t->identity));
    if (def->into->key_auto) {
        return ERR_NONE;
    }
    for (size_t i = 0; i < spec->identity_count; i++) {
        const char *name = spec->schema.columns[spec->identity[i]].name;
        const int result = result_of(facts, relation, name);
        const int column =
            result >= 0 ? schema_find(&def->into->schema, str_of(facts->columns[result])) : -1;
        bool leads = false;
        for (size_t k = 0; k < def->into->key_count && k < spec->identity_count; k++) {
            leads = leads || (int)def->into->key[k] == column;
        }
        if (!leads) {
            return node_error(
                def->into->node, err,
                "table '%s' is filled from '%s', which takes records back after a reorganisation: "
                "its key must begin with what names a record, %s, so that their rows are found "
                "again; '%s' is not there. Keep the records in such a table, and sum or derive "
                "from it",
                def->into->name, def->stream->full_name, buf_c(&names), name);
        }
        t->identity[i] = (size_t)column;
    }
    return ERR_NONE;
}

/* ---- deleting ---- */

/* With key: auto the record's number is its name. */
static void delete_by_number(struct buf *out, const struct flow_transform *def) {
    buf_addf(out,
             "DELETE FROM \"%s\" WHERE \"_partition\" = ?1 AND \"_record\" IN (SELECT "
             "_plumb_record() FROM \"%s\")",
             def->into->name, def->stream->relation);
}

static void delete_by_identity(struct buf *out, const struct transform *t) {
    const struct flow_transform *def = t->def;
    const struct stream *spec = def->stream->spec;
    buf_addf(out, "DELETE FROM \"%s\" WHERE (", def->into->name);
    for (size_t i = 0; i < spec->identity_count; i++) {
        buf_addf(out, "%s\"%s\"", i > 0 ? ", " : "",
                 def->into->schema.columns[t->identity[i]].name);
    }
    buf_adds(out, ") IN (SELECT ");
    for (size_t i = 0; i < spec->identity_count; i++) {
        buf_addf(out, "%s\"%s\"", i > 0 ? ", " : "", spec->schema.columns[spec->identity[i]].name);
    }
    buf_addf(out, " FROM \"%s\")", def->stream->relation);
}

enum err_code take_back_prepare(struct store *s, struct transform *t, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    if (t->def->into->key_auto) {
        delete_by_number(&sql, t->def);
    } else {
        delete_by_identity(&sql, t);
    }
    return transform_prepare(s, t, SLOT_TAKE_BACK, buf_c(&sql), err);
}

/* Index of the first row whose record is not before pos. */
static size_t row_at(const struct rows *rows, int64_t pos) {
    size_t low = 0;
    size_t high = rows->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((int64_t)rows->pos[middle] < pos) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

enum err_code map_take_back(struct plan *p, size_t index, const struct map_input *in, int64_t low,
                            int64_t high, int64_t *deleted, struct err *err) {
    struct transform *t = p->items[index];
    *deleted = 0;
    const size_t first = row_at(in->rows, low);
    const size_t end = row_at(in->rows, high);
    if (first == end) {
        return ERR_NONE;
    }
    ASSERT(t->statements[SLOT_TAKE_BACK] != NULL);
    if (t->def->into->key_auto) {
        store_bind_i64(t->statements[SLOT_TAKE_BACK], 1, in->partition);
    }
    enum err_code code =
        store_present(p->store, t->def->stream,
                      &(struct store_rows){in->rows, first, end, in->batch, in->first_record}, err);
    if (code == ERR_NONE) {
        code = store_run(t->statements[SLOT_TAKE_BACK], deleted, err);
    }
    store_present_nothing(p->store, t->def->stream);
    return code;
}
