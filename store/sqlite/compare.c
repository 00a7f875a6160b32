/* How a table in the store differs from what the flow declares: both lists of columns, as SQLite
 * gives them, side by side. The declared one stands in a temporary table, which a reader may make
 * too. */
#include "store/sqlite/sqlite_store.h"

static const char differences[] =
    "SELECT e.name, h.name, e.type <> h.type, e.pk <> h.pk, h.type, e.type "
    "FROM pragma_table_xinfo('_plumb_compared', 'temp') e LEFT JOIN "
    "pragma_table_xinfo('%s', 'main') h ON h.name = e.name COLLATE NOCASE WHERE h.name IS NULL OR "
    "(e.type, e.pk, e.\"notnull\") IS NOT (h.type, h.pk, h.\"notnull\") UNION ALL "
    "SELECT NULL, h.name, 0, 0, h.type, NULL FROM pragma_table_xinfo('%s', 'main') h WHERE NOT "
    "EXISTS (SELECT 1 FROM pragma_table_xinfo('_plumb_compared', 'temp') e WHERE e.name = h.name "
    "COLLATE NOCASE)";

static void tell(struct store_statement *st, struct buf *out) {
    const struct str declared = store_column_str(st, 0);
    const struct str found = store_column_str(st, 1);
    buf_adds(out, out->len > 0 ? "; " : "");
    if (store_column_is_null(st, 1)) {
        buf_addf(out, "column %.*s is new", STR_FMT(declared));
    } else if (store_column_is_null(st, 0)) {
        buf_addf(out, "column %.*s goes", STR_FMT(found));
    } else if (store_column_i64(st, 2) != 0) {
        buf_addf(out, "column %.*s becomes %.*s, it is %.*s", STR_FMT(declared),
                 STR_FMT(store_column_str(st, 5)), STR_FMT(store_column_str(st, 4)));
    } else {
        buf_addf(out, "column %.*s has another place in the key", STR_FMT(declared));
    }
}

static enum err_code compare(struct store *s, const struct flow_table *t, struct buf *out,
                             struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql, "CREATE TEMP TABLE _plumb_compared(");
    catalog_table_columns(s->flow, t, &sql);
    buf_adds(&sql, ") STRICT, WITHOUT ROWID");
    enum err_code code = store_execute(s, buf_c(&sql), err);
    if (code != ERR_NONE) {
        return code;
    }
    struct store_statement *st = NULL;
    bool has_row = true;
    buf_clear(&sql);
    buf_addf(&sql, differences, t->name, t->name);
    code = store_prepare(s, buf_c(&sql), &st, err);
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            tell(st, out);
        }
    }
    store_statement_free(st);
    return code == ERR_NONE ? store_execute(s, "DROP TABLE temp._plumb_compared", err) : code;
}

enum err_code sqlite_table_compare(struct store *s, const struct flow_table *t, bool *exists,
                                   struct buf *out, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        s, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE", &st,
        err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(t->name));
        code = store_step(st, exists, err);
    }
    store_statement_free(st);
    return code == ERR_NONE && *exists ? compare(s, t, out, err) : code;
}

enum err_code sqlite_index_exists(struct store *s, const struct flow_table *t, size_t index,
                                  bool *exists, struct err *err) {
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    flow_index_name(t, index, &name);
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        s, "SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?1", &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, buf_str(&name));
        code = store_step(st, exists, err);
    }
    store_statement_free(st);
    return code;
}
