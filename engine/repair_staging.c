/* How it works: a partition's batches are walked in their order. What a batch should begin with
 * follows from the one before it, and what it holds from its frame; a frame that is not right, or a
 * batch that is missing, is asked of the source again. Same bytes, by the checksum, go back to their
 * place. Other bytes, if the source has at least as many records as are staged from there on, mean
 * that the partition is cut before this batch: its cursor goes back, and the next run extracts. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "component/source.h"
#include "engine/ask_again.h"
#include "engine/repair_state.h"

static void part_release(struct repair_part *p) {
    mem_free(p->source);
    mem_free(p->name);
    mem_free(p->batches);
}

static void place(const struct repair_walk *w, int64_t seq, char out[REPAIR_TEXT_BYTES]) {
    (void)snprintf(out, REPAIR_TEXT_BYTES, "%s %.300s, batch %" PRId64, w->part->source,
                   w->part->name, seq);
}

/* Which records the step noted last is about. */
static void about(struct repair_walk *w, int64_t first, int64_t count) {
    struct repair_report *out = w->r->report;
    if (out->count > 0) {
        out->steps[out->count - 1].first_record = first;
        out->steps[out->count - 1].records = count;
    }
}

/* ---- asking the source ---- */

static enum err_code cursor_of(struct repair_walk *w, int64_t batch, char **out, struct err *err) {
    struct store_statement *st = NULL;
    bool found = false;
    *out = NULL;
    enum err_code code =
        store_prepare(w->r->store, "SELECT cursor FROM _plumb_batches WHERE id = ?1", &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, batch);
        code = store_step(st, &found, err);
    }
    if (code == ERR_NONE && found) {
        const struct str cursor = store_column_str(st, 0);
        *out = mem_strndup(cursor.ptr, cursor.len);
    }
    store_statement_free(st);
    return code;
}

static enum err_code ask(struct repair_walk *w, int64_t count, struct asked *out, struct err *err) {
    *out = (struct asked){.given = 0};
    if (w->part->def == NULL) {
        (void)snprintf(out->why, sizeof(out->why), "the flow has no source '%.60s' any more",
                       w->part->source);
        return ERR_NONE;
    }
    if ((w->part->def->component->caps & CAP_RESUMABLE) == 0) {
        (void)snprintf(out->why, sizeof(out->why), "source '%.60s' cannot be asked again",
                       w->part->source);
        return ERR_NONE;
    }
    char *cursor = NULL;
    enum err_code code = cursor_of(w, w->before.id, &cursor, err);
    const struct ask_again what = {.source = w->part->def,
                                   .directory = w->r->flow->directory,
                                   .partition = w->part->id,
                                   .partition_name = w->part->name,
                                   .cursor = cursor,
                                   .first_record = repair_end_of(&w->before),
                                   .count = count,
                                   .rest = w->part->records - repair_end_of(&w->before)};
    if (code == ERR_NONE) {
        code = ask_source_again(w->r->store, &what, &w->batch, out, err);
    }
    mem_free(cursor);
    return code;
}

/* ---- a batch that is damaged ---- */

/* True when the batch's row names the checksum of the batch at hand. */
static enum err_code same_hash(struct repair_walk *w, const struct repair_damage *d, bool *out,
                               struct err *err) {
    struct store_statement *st = NULL;
    bool found = false;
    uint8_t hash[16];
    hash128_to_bytes(w->batch.hash, hash);
    enum err_code code =
        store_prepare(w->r->store,
                      "SELECT b.hash, f.frame FROM _plumb_batches b LEFT JOIN _plumb_frames f ON "
                      "f.batch = b.id WHERE b.id = ?1",
                      &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, d->id);
        code = store_step(st, &found, err);
    }
    /* Nothing tells otherwise, unless it may have taken records back. */
    *out = d->id == 0 && d->missing == 1 && (w->part->def->component->caps & CAP_TAKES_BACK) == 0;
    if (code == ERR_NONE && found) {
        *out = str_equal(store_column_str(st, 0), (struct str){(const char *)hash, sizeof(hash)});
        struct batch kept;
        struct err ignored = ERR_INIT;
        batch_init(&kept);
        /* Or it was the checksum that went bad, and the bytes are these. */
        *out = *out || (!store_column_is_null(st, 1) &&
                        batch_open(&kept, store_column_str(st, 1), (int64_t)w->batch.raw.len,
                                   w->batch.hash, &ignored) == ERR_NONE);
        batch_release(&kept);
    }
    store_statement_free(st);
    return code;
}

static enum err_code give_up(struct repair_walk *w, struct repair_damage *d,
                             const struct asked *asked, struct err *err) {
    char where[REPAIR_TEXT_BYTES];
    place(w, d->seq, where);
    const bool takes_back =
        w->part->def == NULL || (w->part->def->component->caps & CAP_TAKES_BACK) != 0;
    const bool may = w->r->options->write_off && !takes_back && d->missing <= 1;
    const char *why = asked->why[0] != '\0' ? asked->why : "the source gives other records now";
    enum err_code code = ERR_NONE;
    if (!may) {
        repair_note(w->r, REPAIR_LOST, where, "%.150s, and %.190s", d->what, why);
        about(w, repair_end_of(&w->before), d->records);
        return ERR_NONE;
    }
    repair_note(w->r, REPAIR_WRITE_OFF, where, "%.150s, and %.190s: rejected as lost", d->what,
                why);
    about(w, repair_end_of(&w->before), d->records);
    w->r->report->rebuilds = true;
    code = repair_placeholders(w, d->records, err);
    return code == ERR_NONE ? repair_put(w, d, true, err) : code;
}

static enum err_code decide(struct repair_walk *w, struct repair_damage *d,
                            const struct asked *asked, struct err *err) {
    char where[REPAIR_TEXT_BYTES];
    bool same = false;
    place(w, d->seq, where);
    if (asked->is_whole) {
        const enum err_code code = same_hash(w, d, &same, err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    if (same) {
        repair_note(w->r, REPAIR_AGAIN, where, "%.180s; the source has given it again", d->what);
        w->r->report->rebuilds = w->r->report->rebuilds || d->id == 0;
        d->cursor = asked->cursor;
        return repair_put(w, d, false, err);
    }
    if (asked->is_whole && asked->given >= w->part->records - repair_end_of(&w->before)) {
        repair_note(w->r, REPAIR_REWIND, where,
                    "%.150s, and its source gives other records from there on: these batches and "
                    "all behind them are extracted anew by the next run",
                    d->what);
        about(w, repair_end_of(&w->before), w->part->records - repair_end_of(&w->before));
        return repair_cut(w, err);
    }
    return give_up(w, d, asked, err);
}

static enum err_code mend(struct repair_walk *w, struct repair_damage *d, struct err *err) {
    struct asked asked;
    enum err_code code = ask(w, d->records, &asked, err);
    if (code == ERR_NONE) {
        code = decide(w, d, &asked, err);
    }
    d->cursor = NULL;
    mem_free(asked.cursor);
    return code;
}

/* ---- one batch ---- */

static enum err_code mend_gap(struct repair_walk *w, int64_t next_seq, int64_t next_record,
                              struct err *err) {
    struct repair_damage d = {.seq = w->before.seq + 1,
                              .missing = next_seq - w->before.seq - 1,
                              .records = next_record - repair_end_of(&w->before)};
    (void)snprintf(d.what, sizeof(d.what), d.missing == 1 ? "it is missing" : "%lld are missing",
                   (long long)d.missing);
    const enum err_code code = d.records > 0
                                   ? mend(w, &d, err)
                                   : give_up(w, &d,
                                             &(struct asked){.why = "which records it held is not "
                                                                    "known"},
                                             err);
    w->before.seq = next_seq - 1;
    w->before.id = d.id > 0 ? d.id : w->before.id;
    w->before.records = next_record - w->before.first_record;
    return code;
}

static enum err_code recount(struct repair_walk *w, struct repair_staged *b, struct err *err) {
    char where[REPAIR_TEXT_BYTES];
    char sql[160];
    place(w, b->seq, where);
    const int64_t first = repair_end_of(&w->before) - b->taken_back;
    if (w->batch.count == b->records && b->first_record == first) {
        return ERR_NONE;
    }
    w->r->report->rebuilds = true;
    if (w->batch.count != b->records) {
        repair_note(w->r, REPAIR_RECOUNT, where, "its row counts %" PRId64 " records, it holds %u",
                    b->records, w->batch.count);
        b->records = w->batch.count;
    }
    if (b->first_record != first) {
        repair_note(w->r, REPAIR_RECOUNT, where,
                    "its row says that it begins with record %" PRId64 ", it begins with %" PRId64,
                    b->first_record, first);
        b->first_record = first;
    }
    (void)snprintf(sql, sizeof(sql),
                   "UPDATE _plumb_batches SET records = %" PRId64 ", first_record = %" PRId64
                   " WHERE id = %" PRId64,
                   b->records, b->first_record, b->id);
    return repair_execute(w->r, sql, err);
}

static enum err_code mend_batch(struct repair_walk *w, struct repair_staged *b, struct err *err) {
    struct store_batch info;
    struct err why = ERR_INIT;
    const int64_t first = repair_end_of(&w->before) - b->taken_back;
    const enum err_code opened =
        store_load(w->r->store, w->part->id, b->seq, &w->batch, &info, &why);
    if (opened == ERR_NONE) {
        return recount(w, b, err);
    }
    if (opened == ERR_CONFIG && w->r->flow->keep != KEEP_FOREVER) {
        return ERR_NONE; /* retention */
    }
    if (opened != ERR_CORRUPT && opened != ERR_CONFIG) {
        *err = why;
        return opened;
    }
    struct repair_damage d = {.id = b->id, .seq = b->seq, .records = b->records};
    (void)snprintf(d.what, sizeof(d.what), "%.190s",
                   opened == ERR_CONFIG ? "its raw records are gone" : why.message);
    if (b->taken_back > 0 || b->records <= 0) {
        struct asked none = {.why = "it takes records back"};
        return give_up(w, &d, &none, err);
    }
    b->first_record = first;
    return mend(w, &d, err);
}

/* ---- one partition ---- */

static enum err_code settle_counts(struct repair_walk *w, struct err *err) {
    const struct repair_part *p = w->part;
    char where[REPAIR_TEXT_BYTES];
    (void)snprintf(where, sizeof(where), "%s %.300s", p->source, p->name);
    if (p->last_seq != w->before.seq || p->records != repair_end_of(&w->before)) {
        repair_note(w->r, REPAIR_RECOUNT, where,
                    "it counts %" PRId64 " batches and %" PRId64 " records, staged are %" PRId64
                    " and %" PRId64,
                    p->last_seq, p->records, w->before.seq, repair_end_of(&w->before));
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql,
             "UPDATE _plumb_partitions SET last_seq = %" PRId64 ", records = %" PRId64
             " WHERE id = %" PRId64,
             w->before.seq, repair_end_of(&w->before), p->id);
    return repair_execute(w->r, buf_c(&sql), err);
}

/* A cursor that counts records and stands elsewhere than the last batch left it. */
static enum err_code settle_cursor(struct repair_walk *w, struct err *err) {
    char *rest = mem_printf(
        " FROM _plumb_batches b WHERE b.id = %" PRId64 " AND _plumb_partitions.id = %" PRId64
        " AND json_valid(b.cursor) AND json_extract(b.cursor, '$.records') = %" PRId64
        " AND coalesce(CASE WHEN json_valid(_plumb_partitions.cursor) THEN "
        "json_extract(_plumb_partitions.cursor, '$.records') END, -1) <> %" PRId64,
        w->before.id, w->part->id, repair_end_of(&w->before), repair_end_of(&w->before));
    char *ask_sql = mem_printf("SELECT 1 FROM _plumb_partitions, (SELECT 1) AS one WHERE EXISTS "
                               "(SELECT 1%s)",
                               rest);
    char *set = mem_printf("UPDATE _plumb_partitions SET cursor = b.cursor%s", rest);
    int64_t one = 0;
    bool found = false;
    enum err_code code = store_get_i64(w->r->store, ask_sql, &one, &found, err);
    if (code == ERR_NONE && found) {
        char where[REPAIR_TEXT_BYTES];
        (void)snprintf(where, sizeof(where), "%s %.300s", w->part->source, w->part->name);
        repair_note(w->r, REPAIR_RECOUNT, where,
                    "its cursor stands elsewhere than its last batch left it");
        code = repair_execute(w->r, set, err);
    }
    mem_free(rest);
    mem_free(ask_sql);
    mem_free(set);
    return code;
}

static enum err_code walk_part(struct repair *r, struct repair_part *p, struct err *err) {
    struct repair_walk w = {.r = r, .part = p};
    batch_init(&w.batch);
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < p->count && !w.cut; i++) {
        struct repair_staged *b = &p->batches[i];
        if (b->seq != w.before.seq + 1) {
            code = mend_gap(&w, b->seq, b->first_record + b->taken_back, err);
        }
        if (code == ERR_NONE && !w.cut) {
            code = mend_batch(&w, b, err);
            w.before = w.cut ? w.before : *b;
        }
    }
    /* The newest are missing: by what the partition counts, or not there at all. */
    if (code == ERR_NONE && !w.cut && p->last_seq > w.before.seq &&
        p->records > repair_end_of(&w.before)) {
        code = mend_gap(&w, p->last_seq + 1, p->records, err);
    }
    if (code == ERR_NONE && !w.cut) {
        code = settle_counts(&w, err);
    }
    if (code == ERR_NONE && !w.cut && w.before.id > 0) {
        code = settle_cursor(&w, err);
    }
    batch_release(&w.batch);
    return code;
}

static enum err_code read_part(struct repair *r, int64_t after, struct repair_part *out,
                               bool *found, struct err *err) {
    struct store_statement *st = NULL;
    *out = (struct repair_part){.id = 0};
    enum err_code code = store_prepare(r->store,
                                       "SELECT id, source, name, last_seq, records, (SELECT "
                                       "count(*) FROM _plumb_batches b WHERE b.partition = p.id) "
                                       "FROM _plumb_partitions p WHERE id > ?1 ORDER BY id LIMIT 1",
                                       &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, after);
        code = store_step(st, found, err);
    }
    if (code == ERR_NONE && *found) {
        out->id = store_column_i64(st, 0);
        const struct str source = store_column_str(st, 1);
        out->source = mem_strndup(source.ptr, source.len);
        const struct str name = store_column_str(st, 2);
        out->name = mem_strndup(name.ptr, name.len);
        out->last_seq = store_column_i64(st, 3);
        out->records = store_column_i64(st, 4);
        out->def = flow_find_source(r->flow, out->source);
        out->batches =
            mem_alloc_array((size_t)store_column_i64(st, 5) + 1, sizeof(struct repair_staged));
        out->count = (size_t)store_column_i64(st, 5);
    }
    store_statement_free(st);
    return code;
}

static enum err_code read_batches(struct repair *r, struct repair_part *p, struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = false;
    size_t n = 0;
    enum err_code code =
        store_prepare(r->store,
                      "SELECT id, seq, first_record, records, taken_back FROM _plumb_batches WHERE "
                      "partition = ?1 ORDER BY seq",
                      &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, p->id);
    }
    while (code == ERR_NONE && n < p->count) {
        code = store_step(st, &has_row, err);
        if (code != ERR_NONE || !has_row) {
            break;
        }
        p->batches[n++] = (struct repair_staged){store_column_i64(st, 0), store_column_i64(st, 1),
                                                 store_column_i64(st, 2), store_column_i64(st, 3),
                                                 store_column_i64(st, 4)};
    }
    p->count = n;
    store_statement_free(st);
    return code;
}

enum err_code repair_staging(struct repair *r, struct err *err) {
    bool found = true;
    int64_t after = INT64_MIN;
    enum err_code code = ERR_NONE;
    while (code == ERR_NONE && found) {
        struct repair_part part;
        code = read_part(r, after, &part, &found, err);
        if (code == ERR_NONE && found) {
            after = part.id;
            code = read_batches(r, &part, err);
        }
        if (code == ERR_NONE && found) {
            code = walk_part(r, &part, err);
        }
        part_release(&part);
    }
    return code;
}
