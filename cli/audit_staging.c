/* How it works: every batch is read back as the engine would (size, XXH3-128 and framing are
 * checked by opening it), and its records are counted. */
#include "cli/audit.h"

#include <inttypes.h>

struct line {
    int64_t partition, seq, records;
    bool has_frame;
};

static enum err_code check_batch(struct audit *a, const struct line *line, struct str name,
                                 struct batch *b, struct err *err) {
    struct store_batch info;
    struct err why = ERR_INIT;
    const enum err_code code =
        store_load(a->opened->store, line->partition, line->seq, b, &info, &why);
    if (code == ERR_CORRUPT) {
        audit_find(a, name, "%s", why.message);
        return ERR_NONE;
    }
    if (code != ERR_NONE) {
        *err = why;
        return code;
    }
    if (b->count != line->records) {
        audit_find(a, name, "holds %" PRIu32 " records, the store says %" PRId64, b->count,
                   line->records);
    }
    return ERR_NONE;
}

static enum err_code check_batches(struct audit *a, struct store_statement *st, struct batch *b,
                                   struct err *err) {
    const bool keep_all = a->opened->flow->keep == KEEP_FOREVER;
    bool has_row = true;
    for (;;) {
        enum err_code code = store_step(st, &has_row, err);
        if (code != ERR_NONE || !has_row) {
            return code;
        }
        const struct line line = {store_column_i64(st, 0), store_column_i64(st, 1),
                                  store_column_i64(st, 2), store_column_i64(st, 3) != 0};
        const struct str name = store_column_str(st, 4);
        if (line.has_frame) {
            a->examined++;
            code = check_batch(a, &line, name, b, err);
        } else if (keep_all) {
            audit_find(a, name, "its raw records are gone, though staging keeps them forever");
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
}

enum err_code audit_staging(struct audit *a, struct err *err) {
    audit_begin(a, "staging",
                "every kept raw batch opens, its checksum is right, and it holds its records");
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        a->opened->store,
        "SELECT b.partition, b.seq, b.records, f.batch IS NOT NULL, coalesce(p.source || ' ' || "
        "p.name, 'partition ' || b.partition) || ', batch ' || b.seq FROM _plumb_batches b LEFT "
        "JOIN _plumb_frames f ON f.batch = b.id LEFT JOIN _plumb_partitions p ON p.id = "
        "b.partition ORDER BY b.id",
        &st, err);
    struct batch b;
    batch_init(&b);
    if (code == ERR_NONE) {
        code = check_batches(a, st, &b, err);
    }
    batch_release(&b);
    store_statement_free(st);
    if (code == ERR_NONE) {
        code = audit_find_rows(
            a,
            "SELECT 'frame ' || f.batch, 'its batch is not there' FROM _plumb_frames f LEFT JOIN "
            "_plumb_batches b ON b.id = f.batch WHERE b.id IS NULL",
            err);
    }
    audit_end(a);
    return code;
}
