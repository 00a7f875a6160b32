/* How it works: a table that only maps write has as many rows as its ledger lines inserted less
 * what they deleted and what was taken back; it is counted, and its digest is taken. The hidden count of a sum's rows is
 * never below one: at zero the row is gone. */
#include "cli/audit.h"

#include <inttypes.h>

#include "store/digest.h"

/* "a, b": the transforms that write the table; *maps_only when all of them are maps. */
static void writers_of(const struct flow *flow, const struct flow_table *table, struct buf *out,
                       struct buf *quoted, bool *maps_only) {
    *maps_only = true;
    for (size_t i = 0; i < flow->transform_count; i++) {
        const struct flow_transform *t = &flow->transforms[i];
        if (t->into != table) {
            continue;
        }
        buf_addf(out, "%s%s", out->len > 0 ? ", " : "", t->name);
        buf_addf(quoted, "%s'%s'", quoted->len > 0 ? ", " : "", t->name);
        *maps_only = *maps_only && t->kind == TRANSFORM_MAP;
    }
}

static enum err_code check_rows(struct audit *a, const struct flow_table *table,
                                const char *writers, int64_t rows, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql,
             "SELECT coalesce(sum(inserted - deleted - taken_back), 0) FROM _plumb_ledger WHERE "
             "transform "
             "IN (%s)",
             writers);
    int64_t expected = 0;
    bool found = false;
    enum err_code code = store_get_i64(a->opened->store, buf_c(&sql), &expected, &found, err);
    if (code == ERR_NONE && expected != rows) {
        audit_find(a, str_of(table->name),
                   "has %" PRId64 " rows, the ledger's inserts less its deletes are %" PRId64
                   ": changed by hand?",
                   rows, expected);
    }
    return code;
}

static enum err_code check_counts(struct audit *a, const struct flow_table *table,
                                  struct err *err) {
    const struct flow *flow = a->opened->flow;
    for (size_t i = 0; i < flow->transform_count; i++) {
        if (flow->transforms[i].into == table && flow->transforms[i].kind == TRANSFORM_SUM) {
            int64_t rows = 0;
            enum err_code code =
                opened_count(a->opened, table->name, " WHERE \"_n\" < 1", &rows, err);
            if (code == ERR_NONE && rows > 0) {
                audit_find(a, str_of(table->name),
                           "%" PRId64 " rows of the sum count no contribution (_n < 1)", rows);
            }
            return code;
        }
    }
    return ERR_NONE;
}

static enum err_code check_table(struct audit *a, const struct flow_table *table, struct err *err) {
    bool exists = false;
    bool maps_only = false;
    AUTO_BUF names = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF quoted = BUF_INIT(BUF_TEXT_MAX);
    writers_of(a->opened->flow, table, &names, &quoted, &maps_only);
    enum err_code code = store_has_table(a->opened->store, table->name, &exists, err);
    if (code != ERR_NONE) {
        return code;
    }
    a->examined++;
    if (!exists) {
        audit_find(a, str_of(table->name), "is not in the store; `plumb run` makes it");
        return ERR_NONE;
    }
    char digest[DIGEST_TEXT_BYTES];
    int64_t rows = 0;
    code = opened_count(a->opened, table->name, "", &rows, err);
    if (code == ERR_NONE) {
        code = store_table_digest(a->opened->store, table, digest, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    facts_c(&a->tables, table->name);
    facts_c(&a->tables, names.len > 0 ? buf_c(&names) : NULL);
    facts_number(&a->tables, rows);
    facts_c(&a->tables, digest);
    if (maps_only && names.len > 0) {
        code = check_rows(a, table, buf_c(&quoted), rows, err);
    }
    return code == ERR_NONE ? check_counts(a, table, err) : code;
}

enum err_code audit_tables(struct audit *a, struct err *err) {
    const struct flow *flow = a->opened->flow;
    audit_begin(a, "tables", "tables written by maps have the rows their ledger says");
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < flow->table_count; i++) {
        code = check_table(a, &flow->tables[i], err);
    }
    audit_end(a);
    return code;
}
