/* How it works: every piece of SQL that a repair of staging runs. Planned, none of them does anything:
 * repair_execute and repair_move see to it. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/repair_state.h"

/* ---- a batch ---- */

static enum err_code put_frame(struct repair_walk *w, int64_t batch, struct err *err) {
    if (!w->r->options->apply) {
        return ERR_NONE;
    }
    AUTO_BUF where = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&where, "batch = %" PRId64, batch);
    enum err_code code =
        repair_move(w->r, "_plumb_frames", buf_c(&where), "its checksum is not right", err);
    struct store_statement *st = NULL;
    if (code == ERR_NONE) {
        code = store_prepare(w->r->store, "INSERT INTO _plumb_frames(batch, frame) VALUES (?1, ?2)",
                             &st, err);
    }
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, batch);
        store_bind_blob(st, 2, buf_str(&w->batch.sealed));
        code = store_run(st, NULL, err);
    }
    store_statement_free(st);
    return code;
}

/* The batch's row says what the batch at hand is. */
static enum err_code set_row(struct repair_walk *w, int64_t batch, bool written_off,
                             struct err *err) {
    if (!w->r->options->apply) {
        return ERR_NONE;
    }
    struct store_statement *st = NULL;
    uint8_t hash[16];
    hash128_to_bytes(w->batch.hash, hash);
    enum err_code code =
        store_prepare(w->r->store,
                      "UPDATE _plumb_batches SET hash = ?2, raw_bytes = ?3, records = ?4, rejected "
                      "= CASE WHEN ?5 THEN ?4 ELSE rejected END, decoded = CASE WHEN ?5 THEN 0 "
                      "ELSE decoded END WHERE id = ?1",
                      &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, batch);
        store_bind_blob(st, 2, (struct str){(const char *)hash, sizeof(hash)});
        store_bind_i64(st, 3, (int64_t)w->batch.raw.len);
        store_bind_i64(st, 4, w->batch.count);
        store_bind_i64(st, 5, written_off ? 1 : 0);
        code = store_run(st, NULL, err);
    }
    store_statement_free(st);
    return code;
}

/* Records that say they are lost, in the batch at hand. Meta bytes are those of a batch before it:
 * they tell how to decode, and nothing is decoded here. */
enum err_code repair_placeholders(struct repair_walk *w, int64_t count, struct err *err) {
    struct batch other;
    struct store_batch info;
    struct err ignored = ERR_INIT;
    batch_init(&other);
    const bool has_meta = w->before.seq > 0 && store_load(w->r->store, w->part->id, w->before.seq,
                                                          &other, &info, &ignored) == ERR_NONE;
    enum err_code code = batch_begin(&w->batch, has_meta ? batch_meta(&other) : STR(""), err);
    for (int64_t i = 0; code == ERR_NONE && i < count; i++) {
        code = batch_add(&w->batch, STR("lost: its raw batch was damaged, and written off"),
                         RECORD_UNFRAMED, err);
    }
    batch_release(&other);
    return code == ERR_NONE ? batch_seal(&w->batch, 1, err) : code;
}

/* Puts a row where one is missing, under a number between those of its neighbours that is free. */
static enum err_code insert_row(struct repair_walk *w, const struct repair_damage *d, int64_t *id,
                                struct err *err) {
    struct store_statement *st = NULL;
    bool found = false;
    enum err_code code = store_prepare(
        w->r->store,
        "SELECT min(n) FROM (SELECT ?1 + 1 AS n UNION ALL SELECT id + 1 FROM _plumb_batches WHERE "
        "id > ?1) AS c WHERE n NOT IN (SELECT id FROM _plumb_batches)",
        &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, w->before.id);
        code = store_step(st, &found, err);
    }
    *id = code == ERR_NONE && found ? store_column_i64(st, 0) : 0;
    store_statement_free(st);
    st = NULL;
    if (code == ERR_NONE) {
        code = store_prepare(
            w->r->store,
            "INSERT INTO _plumb_batches(id, partition, seq, first_record, records, taken_back, "
            "decoded, rejected, raw_bytes, hash, cursor, staged_us) SELECT ?1, p.id, ?3, ?4, 0, 0, "
            "0, 0, 0, ?5, coalesce(?6, CASE WHEN p.last_seq = ?3 THEN p.cursor END, ''), "
            "p.updated_us FROM _plumb_partitions p WHERE p.id = ?2",
            &st, err);
    }
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, *id);
        store_bind_i64(st, 2, w->part->id);
        store_bind_i64(st, 3, d->seq);
        store_bind_i64(st, 4, repair_end_of(&w->before));
        store_bind_blob(st, 5, STR(""));
        if (d->cursor != NULL) {
            store_bind_str(st, 6, str_of(d->cursor));
        } else {
            store_bind_null(st, 6);
        }
        code = store_run(st, NULL, err);
    }
    store_statement_free(st);
    return code;
}

/* The batch at hand takes its place. */
enum err_code repair_put(struct repair_walk *w, struct repair_damage *d, bool written_off,
                         struct err *err) {
    enum err_code code = ERR_NONE;
    if (d->id == 0 && w->r->options->apply) {
        code = insert_row(w, d, &d->id, err);
    }
    if (code == ERR_NONE) {
        code = put_frame(w, d->id, err);
    }
    return code == ERR_NONE ? set_row(w, d->id, written_off, err) : code;
}

/* ---- cutting a partition ---- */

static enum err_code cut_tables(struct repair_walk *w, struct err *err) {
    const long long partition = w->part->id;
    const long long seq = w->before.seq;
    static const char *const of_batch[] = {"_plumb_frames", "_plumb_ledger", "_plumb_rejects",
                                           "_plumb_streams"};
    static const char reason[] = "its partition was rewound to before it";
    char where[256];
    enum err_code code = ERR_NONE;
    (void)snprintf(where, sizeof(where),
                   "batch IN (SELECT id FROM _plumb_batches WHERE partition = %lld AND seq > %lld)",
                   partition, seq);
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(of_batch); i++) {
        code = repair_move(w->r, of_batch[i], where, reason, err);
    }
    (void)snprintf(where, sizeof(where), "partition = %lld AND seq > %lld", partition, seq);
    if (code == ERR_NONE) {
        code = repair_move(w->r, "_plumb_batches", where, reason, err);
    }
    (void)snprintf(where, sizeof(where), "partition = %lld AND record >= %lld", partition,
                   (long long)repair_end_of(&w->before));
    if (code == ERR_NONE) {
        code = repair_move(w->r, "_plumb_notes", where, reason, err);
    }
    (void)snprintf(where, sizeof(where), "partition = %lld AND first_record >= %lld", partition,
                   (long long)repair_end_of(&w->before));
    return code == ERR_NONE ? repair_move(w->r, "_plumb_coverage", where, reason, err) : code;
}

/* The partition stands where the last batch that stays left it. */
enum err_code repair_cut(struct repair_walk *w, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    const long long partition = w->part->id;
    const long long end = repair_end_of(&w->before);
    enum err_code code = cut_tables(w, err);
    buf_addf(&sql,
             "UPDATE _plumb_partitions SET cursor = (SELECT b.cursor FROM _plumb_batches b WHERE "
             "b.id = %lld), last_seq = %lld, records = %lld, settled = CASE WHEN settled > %lld "
             "THEN %lld ELSE settled END WHERE id = %lld;",
             (long long)w->before.id, (long long)w->before.seq, end, end, end, partition);
    buf_addf(&sql, "UPDATE _plumb_marks SET seq = %lld WHERE partition = %lld AND seq > %lld;",
             (long long)w->before.seq, partition, (long long)w->before.seq);
    /* What is covered ends where the cursor stands, on the source's own axis. */
    buf_addf(&sql,
             "UPDATE _plumb_coverage SET records = %lld - first_record, high = (SELECT "
             "CAST(json_extract(p.cursor, '$.next') AS INTEGER) - 1 FROM _plumb_partitions p WHERE "
             "p.id = %lld) WHERE partition = %lld AND high >= (SELECT CAST(json_extract(p.cursor, "
             "'$.next') AS INTEGER) FROM _plumb_partitions p WHERE p.id = %lld)",
             end, partition, partition, partition);
    w->cut = true;
    w->r->report->rebuilds = true;
    w->r->report->extracts = true;
    return code == ERR_NONE ? repair_execute(w->r, buf_c(&sql), err) : code;
}
