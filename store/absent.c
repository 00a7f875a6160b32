/* Transforms that the flow no longer has: what is known of them goes, and the objects made for them. */
#include <string.h>

#include "store/driver.h"

#define PREFIX_BYTES strlen("_plumb_q_")

bool store_object_is_of(const struct flow *flow, const char *object) {
    const char *rest = object + PREFIX_BYTES;
    char *transform = mem_strndup(rest, strcspn(rest, "."));
    const bool found = flow_find_transform(flow, transform) != NULL;
    mem_free(transform);
    return found;
}

/* One that is gone, its table, and one that still fills it: all as they were noted. */
struct leaving {
    char *gone, *table, *kept;
};

static enum err_code refuse_rows(struct store *s, const struct leaving *l, struct err *err) {
    const struct flow_transform *t = flow_find_transform(s->flow, l->kept);
    if (t == NULL || flow_find_transform(s->flow, l->gone) != NULL ||
        strcmp(t->into->name, l->table) != 0) {
        return ERR_NONE;
    }
    int64_t one = 0;
    bool found = false;
    char *sql = mem_printf("SELECT 1 FROM \"%s\" LIMIT 1", l->table);
    enum err_code code = store_get_i64(s, sql, &one, &found, err);
    mem_free(sql);
    if (code == ERR_NONE && found) {
        code = node_error(t->node, err,
                          "transform '%s' is gone, but its rows are still in table '%s', which "
                          "'%s' fills as well. Rebuild with `plumb replay %s`, or put it back",
                          l->gone, l->table, l->kept, s->flow->path);
    }
    return code;
}

static char *column_dup(struct store_statement *st, int column) {
    const struct str text = store_column_str(st, column);
    return mem_strndup(text.ptr, text.len);
}

/* Rows cannot be told from those of the maps that still fill the table. */
static enum err_code refuse_rows_left(struct store *s, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        s,
        "SELECT gone.name, gone.into_table, kept.name FROM _plumb_transforms gone JOIN "
        "_plumb_transforms kept ON kept.into_table = gone.into_table AND kept.name <> gone.name",
        &st, err);
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            const struct leaving l = {column_dup(st, 0), column_dup(st, 1), column_dup(st, 2)};
            code = refuse_rows(s, &l, err);
            mem_free(l.gone);
            mem_free(l.table);
            mem_free(l.kept);
        }
    }
    store_statement_free(st);
    return code;
}

/* The statements that forget one; names are checked by the flow to need no quoting beyond "". */
static void forget_sql(const char *name, struct buf *out) {
    static const char *const keyed[][2] = {{"_plumb_transforms", "name"},
                                           {"_plumb_marks", "transform"},
                                           {"_plumb_ledger", "transform"},
                                           {"_plumb_rejects", "transform"}};
    for (size_t i = 0; i < ARRAY_COUNT(keyed); i++) {
        buf_addf(out, "DELETE FROM %s WHERE %s = '%s';", keyed[i][0], keyed[i][1], name);
    }
}

static enum err_code forget_known(struct store *s, struct err *err) {
    struct store_statement *st = NULL;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = store_prepare(s, "SELECT name FROM _plumb_transforms", &st, err);
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            char *name = column_dup(st, 0);
            if (flow_find_transform(s->flow, name) == NULL) {
                forget_sql(name, &sql);
            }
            mem_free(name);
        }
    }
    store_statement_free(st);
    return code == ERR_NONE && sql.len > 0 ? store_execute(s, buf_c(&sql), err) : code;
}

enum err_code store_forget_absent(struct store *s, struct err *err) {
    enum err_code code = refuse_rows_left(s, err);
    if (code == ERR_NONE) {
        code = forget_known(s, err);
    }
    return code == ERR_NONE ? s->driver->objects_forget(s, err) : code;
}
