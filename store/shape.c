/* Three statements of plain SQL, each with both tables in it: what is gone, what changed, what came. */
#include "store/shape.h"

void shape_add(struct shape *p, struct str name, bool is_key) {
    ASSERT(p->count < SHAPE_COLUMNS_MAX);
    p->columns[p->count] = mem_strndup(name.ptr, name.len);
    p->is_key[p->count++] = is_key;
}

void shape_release(struct shape *p) {
    for (size_t i = 0; i < p->count; i++) {
        mem_free(p->columns[i]);
    }
    p->count = 0;
}

void shape_names(struct buf *out, const struct shape *p) {
    for (size_t i = 0; i < p->count; i++) {
        buf_addf(out, "%s\"%s\"", i > 0 ? ", " : "", p->columns[i]);
    }
}

void shape_compare(struct buf *out, const struct shape *p, bool key) {
    const char *between = "";
    for (size_t i = 0; i < p->count; i++) {
        if (p->is_key[i] == key) {
            buf_addf(out, "%sm.\"%s\" %s a.\"%s\"", between, p->columns[i],
                     key ? "=" : "IS DISTINCT FROM", p->columns[i]);
            between = key ? " AND " : " OR ";
        }
    }
    buf_adds(out, between[0] == '\0' ? "false" : "");
}

static void assignments(struct buf *out, const struct shape *p) {
    for (size_t i = 0; i < p->count; i++) {
        if (!p->is_key[i]) {
            buf_addf(out, "%s\"%s\" = a.\"%s\"", out->len == 0 ? "" : ", ", p->columns[i],
                     p->columns[i]);
        }
    }
}

enum err_code shape_run(struct store *s, char *sql, int64_t *changes, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(s, sql, &st, err);
    if (code == ERR_NONE) {
        code = store_run(st, changes, err);
    }
    store_statement_free(st);
    mem_free(sql);
    return code;
}

enum err_code shape_write(struct store *s, const struct shape *p, const struct shape_place *at,
                          struct swap_table *out, struct err *err) {
    AUTO_BUF keys = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF rest = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF set = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF names = BUF_INIT(BUF_TEXT_MAX);
    shape_compare(&keys, p, true);
    shape_compare(&rest, p, false);
    assignments(&set, p);
    shape_names(&names, p);
    char *here = mem_printf("\"%s\".\"%s\"", at->here, at->table);
    char *aside = mem_printf("\"%s\".\"%s\"", at->aside, at->table);
    enum err_code code =
        shape_run(s,
                  mem_printf("DELETE FROM %s AS m WHERE NOT EXISTS (SELECT 1 FROM %s a WHERE %s)",
                             here, aside, buf_c(&keys)),
                  &out->deleted, err);
    if (code == ERR_NONE && set.len > 0) {
        code = shape_run(s,
                         mem_printf("UPDATE %s AS m SET %s FROM %s a WHERE %s AND (%s)", here,
                                    buf_c(&set), aside, buf_c(&keys), buf_c(&rest)),
                         &out->updated, err);
    }
    if (code == ERR_NONE) {
        code = shape_run(s,
                         mem_printf("INSERT INTO %s(%s) SELECT %s FROM %s a WHERE NOT EXISTS "
                                    "(SELECT 1 FROM %s m WHERE %s)",
                                    here, buf_c(&names), buf_c(&names), aside, here, buf_c(&keys)),
                         &out->inserted, err);
    }
    mem_free(here);
    mem_free(aside);
    return code;
}
