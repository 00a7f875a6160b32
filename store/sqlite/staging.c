/* Staged batches and the cursors that go with them.
 *
 * A batch is a line in _plumb_batches (kept for ever, about 100 bytes) and a zstd frame in
 * _plumb_frames (dropped by retention). The partition's row holds the cursor, so batch and cursor
 * commit together. */
#include "base/clock.h"
#include "base/fault.h"
#include "store/sqlite/sqlite_store.h"

enum err_code store_partition_get(struct store *s, const char *source, const char *name,
                                  struct store_partition *out, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, FIXED_PARTITION_GET, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(source));
    sqlite_bind(stmt, 2, str_of(name));
    bool found = false;
    code = sqlite_row(s, stmt, "find partition", &found, err);
    if (code == ERR_NONE && found) {
        out->id = sqlite3_column_int64(stmt, 0);
        out->last_batch_seq = sqlite3_column_int64(stmt, 1);
        out->records = sqlite3_column_int64(stmt, 2);
        out->settled = sqlite3_column_int64(stmt, 3);
    }
    sqlite3_reset(stmt);
    if (code != ERR_NONE || found) {
        return code;
    }
    code = sqlite_fixed(s, FIXED_PARTITION_ADD, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(source));
    sqlite_bind(stmt, 2, str_of(name));
    sqlite3_bind_int64(stmt, 3, clock_now_us());
    code = sqlite_finish(s, stmt, "add partition", err);
    if (code == ERR_NONE) {
        *out = (struct store_partition){.id = sqlite3_last_insert_rowid(s->db)};
    }
    return code;
}

enum err_code store_cursors(struct store *s, const char *source, struct arena *arena,
                            struct source_cursor **out, size_t *count, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code =
        sqlite_prepare(s,
                       "SELECT name, cursor, count(*) OVER () FROM _plumb_partitions WHERE source "
                       "= ?1 AND cursor IS NOT NULL "
                       "ORDER BY id",
                       &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(source));
    struct source_cursor *cursors = NULL;
    size_t n = 0;
    bool has_row = false;
    while ((code = sqlite_row(s, stmt, "read cursors", &has_row, err)) == ERR_NONE && has_row) {
        if (cursors == NULL) {
            size_t bytes = (size_t)sqlite3_column_int64(stmt, 2) * sizeof(*cursors);
            cursors = arena_new(arena, bytes);
        }
        struct str name = sqlite_text(stmt, 0);
        struct str cursor = sqlite_text(stmt, 1);
        cursors[n].partition = arena_strndup(arena, name.ptr, name.len);
        cursors[n].cursor = (struct str){arena_strndup(arena, cursor.ptr, cursor.len), cursor.len};
        n++;
    }
    sqlite3_finalize(stmt);
    if (code == ERR_NONE) {
        *out = cursors;
        *count = n;
    }
    return code;
}

/* ---- what goes with a batch ---- */

enum err_code store_notes(struct store *s, const char *source, struct arena *arena,
                          struct source_note **out, size_t *count, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_prepare(
        s,
        "SELECT p.name, n.note, count(*) OVER () FROM _plumb_notes n JOIN _plumb_partitions p ON "
        "p.id = n.partition WHERE p.source = ?1 ORDER BY n.id",
        &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(source));
    struct source_note *notes = NULL;
    size_t n = 0;
    bool has_row = false;
    while ((code = sqlite_row(s, stmt, "read notes", &has_row, err)) == ERR_NONE && has_row) {
        if (notes == NULL) {
            notes = arena_new(arena, (size_t)sqlite3_column_int64(stmt, 2) * sizeof(*notes));
        }
        struct str name = sqlite_text(stmt, 0);
        struct str text = sqlite_text(stmt, 1);
        bool same = n > 0 && str_equal_c(name, notes[n - 1].partition);
        notes[n].partition =
            same ? notes[n - 1].partition : arena_strndup(arena, name.ptr, name.len);
        notes[n].text = (struct str){arena_strndup(arena, text.ptr, text.len), text.len};
        n++;
    }
    sqlite3_finalize(stmt);
    if (code == ERR_NONE) {
        *out = notes;
        *count = n;
    }
    return code;
}

static enum err_code run_numbers(struct store *s, enum fixed_statement which,
                                 const int64_t *numbers, size_t count, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, which, &stmt, err);
    for (size_t i = 0; code == ERR_NONE && i < count; i++) {
        sqlite3_bind_int64(stmt, (int)i + 1, numbers[i]);
    }
    return code == ERR_NONE ? sqlite_finish(s, stmt, "batch", err) : code;
}

static enum err_code add_notes(struct store *s, const struct buf *notes, int64_t partition,
                               struct err *err) {
    size_t offset = 0;
    int64_t record = 0;
    struct str text;
    while (source_note_next(notes, &offset, &record, &text)) {
        sqlite3_stmt *stmt = NULL;
        enum err_code code = sqlite_fixed(s, FIXED_NOTE_ADD, &stmt, err);
        if (code != ERR_NONE) {
            return code;
        }
        sqlite3_bind_int64(stmt, 1, partition);
        sqlite3_bind_int64(stmt, 2, record);
        sqlite_bind(stmt, 3, text);
        code = sqlite_finish(s, stmt, "add note", err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

/* Rows of coverage grow up to this many steps of the axis, so that following a head does not add
 * one for each. */
#define COVERAGE_SPAN_MAX 10000

static enum err_code add_coverage(struct store *s, const struct source_coverage *c,
                                  const struct store_batch *info, struct err *err) {
    static const enum fixed_statement ways[] = {FIXED_COVERAGE_EXTEND, FIXED_COVERAGE_ADD};
    for (size_t i = 0; i < ARRAY_COUNT(ways); i++) {
        sqlite3_stmt *stmt = NULL;
        enum err_code code = sqlite_fixed(s, ways[i], &stmt, err);
        if (code != ERR_NONE) {
            return code;
        }
        const int64_t numbers[] = {info->partition, c->low, c->high, info->count};
        for (size_t k = 0; k < ARRAY_COUNT(numbers); k++) {
            sqlite3_bind_int64(stmt, (int)k + 1, numbers[k]);
        }
        sqlite_bind(stmt, 5, str_of(c->how));
        sqlite_bind(stmt, 6, str_of(c->origin));
        sqlite3_bind_int64(stmt, 7, info->seq);
        sqlite3_bind_int64(stmt, 8, clock_now_us());
        sqlite3_bind_int64(
            stmt, 9, ways[i] == FIXED_COVERAGE_EXTEND ? COVERAGE_SPAN_MAX : info->first_record);
        code = sqlite_finish(s, stmt, "add coverage", err);
        if (code != ERR_NONE || sqlite3_changes64(s->db) > 0) {
            return code;
        }
    }
    return ERR_NONE;
}

/* What hung on the records that are taken back. */
static enum err_code cut_extras(struct store *s, const struct source_coverage *c,
                                const struct store_batch *info, struct err *err) {
    const int64_t from_record[] = {info->partition, info->first_record};
    const int64_t from_low[] = {info->partition, c->low, info->first_record};
    enum err_code code = run_numbers(s, FIXED_NOTES_CUT, from_record, 2, err);
    if (code == ERR_NONE && c->is_set) {
        code = run_numbers(s, FIXED_COVERAGE_CUT, from_low, 2, err);
    }
    return code == ERR_NONE && c->is_set ? run_numbers(s, FIXED_COVERAGE_TRIM, from_low, 3, err)
                                         : code;
}

static enum err_code stage_extras(struct store *s, const struct store_extras *extras,
                                  const struct store_batch *info, bool takes_back,
                                  struct err *err) {
    /* Blocks without records are covered too, and may be taken back with nothing else. */
    enum err_code code = takes_back || extras->coverage->is_set
                             ? cut_extras(s, extras->coverage, info, err)
                             : ERR_NONE;
    if (code == ERR_NONE && extras->coverage->is_set &&
        extras->coverage->low <= extras->coverage->high) {
        code = add_coverage(s, extras->coverage, info, err);
    }
    return code == ERR_NONE ? add_notes(s, extras->notes, info->partition, err) : code;
}

enum err_code store_facts_set(struct store *s, const char *source, struct str json,
                              struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, FIXED_FACTS_SET, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(source));
    sqlite_bind(stmt, 2, json);
    sqlite3_bind_int64(stmt, 3, clock_now_us());
    return sqlite_finish(s, stmt, "set facts", err);
}

enum err_code store_streams_set(struct store *s, const struct flow_source *source, int64_t batch,
                                const struct decoded *d, struct err *err) {
    ASSERT(d->stream_count == source->stream_count);
    for (size_t i = 0; source->stream_count > 1 && i < d->stream_count; i++) {
        sqlite3_stmt *stmt = NULL;
        enum err_code code = sqlite_fixed(s, FIXED_STREAM_SET, &stmt, err);
        if (code != ERR_NONE) {
            return code;
        }
        sqlite3_bind_int64(stmt, 1, batch);
        sqlite_bind(stmt, 2, str_of(source->streams[i].name));
        sqlite3_bind_int64(stmt, 3, (int64_t)d->streams[i].count);
        code = sqlite_finish(s, stmt, "note streams", err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

/* Every batch ends what earlier ones may still hold at its first record: it follows them there, or
 * takes back what is beyond. */
enum err_code store_live_before(struct store *s, int64_t partition, int64_t seq, int64_t low,
                                int64_t high, struct store_live *out, bool *found,
                                struct err *err) {
    *found = false;
    while (--seq > 0 && high > low && !*found) {
        sqlite3_stmt *stmt = NULL;
        enum err_code code = sqlite_fixed(s, FIXED_LIVE_BEFORE, &stmt, err);
        if (code != ERR_NONE) {
            return code;
        }
        sqlite3_bind_int64(stmt, 1, partition);
        sqlite3_bind_int64(stmt, 2, seq);
        bool has_row = false;
        code = sqlite_row(s, stmt, "find records", &has_row, err);
        if (code == ERR_NONE && !has_row) {
            code = err_set(err, ERR_CORRUPT, "batch %lld of partition %lld is not in the store",
                           (long long)seq, (long long)partition);
        }
        if (code != ERR_NONE) {
            return code;
        }
        int64_t first = sqlite3_column_int64(stmt, 1);
        int64_t end = first + sqlite3_column_int64(stmt, 2);
        sqlite3_reset(stmt);
        *out = (struct store_live){seq, first > low ? first : low, end < high ? end : high};
        *found = out->low < out->high;
        high = first < high ? first : high;
    }
    return ERR_NONE;
}

/* ---- batches ---- */

static enum err_code batch_add_row(struct store *s, const struct batch *b, struct str cursor,
                                   struct store_batch *info, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, FIXED_BATCH_ADD, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    uint8_t hash[16];
    hash128_to_bytes(b->hash, hash);
    sqlite3_bind_int64(stmt, 1, info->partition);
    sqlite3_bind_int64(stmt, 2, info->seq);
    sqlite3_bind_int64(stmt, 3, info->first_record);
    sqlite3_bind_int64(stmt, 4, b->count);
    sqlite3_bind_int64(stmt, 5, info->decoded);
    sqlite3_bind_int64(stmt, 6, info->rejected);
    sqlite3_bind_int64(stmt, 7, (int64_t)b->raw.len);
    sqlite3_bind_blob(stmt, 8, hash, sizeof(hash), SQLITE_STATIC);
    sqlite_bind(stmt, 9, cursor);
    sqlite3_bind_int64(stmt, 10, clock_now_us());
    sqlite3_bind_int64(stmt, 11, info->taken_back);
    code = sqlite_finish(s, stmt, "stage batch", err);
    if (code != ERR_NONE) {
        return code;
    }
    info->id = sqlite3_last_insert_rowid(s->db);
    code = sqlite_fixed(s, FIXED_FRAME_ADD, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite3_bind_int64(stmt, 1, info->id);
    sqlite3_bind_blob64(stmt, 2, b->sealed.data, b->sealed.len, SQLITE_STATIC);
    return sqlite_finish(s, stmt, "stage batch body", err);
}

static enum err_code move_cursor(struct store *s, const struct store_extras *extras,
                                 const struct store_batch *info, int64_t seq, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, FIXED_PARTITION_MOVE, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite3_bind_int64(stmt, 1, info->partition);
    sqlite_bind(stmt, 2, extras->cursor);
    sqlite3_bind_int64(stmt, 3, seq);
    sqlite3_bind_int64(stmt, 4, info->first_record + info->count);
    sqlite3_bind_int64(stmt, 5, clock_now_us());
    if (extras->settled >= 0) {
        sqlite3_bind_int64(stmt, 6, extras->settled);
    }
    return sqlite_finish(s, stmt, "move cursor", err);
}

enum err_code store_stage(struct store *s, const struct batch *b, const struct store_extras *extras,
                          struct store_batch *info, struct err *err) {
    info->id = 0;
    info->count = b->count;
    enum err_code code = ERR_NONE;
    bool is_kept = b->count > 0 || info->taken_back > 0;
    ASSERT(!is_kept || b->sealed.len > 0);
    int64_t seq = is_kept ? info->seq : info->seq - 1;
    if (is_kept) {
        code = batch_add_row(s, b, extras->cursor, info, err);
    }
    if (code == ERR_NONE) {
        code = stage_extras(s, extras, info, info->taken_back > 0, err);
    }
    if (code == ERR_NONE) {
        code = move_cursor(s, extras, info, seq, err);
    }
    fault_step("turn.staged");
    return code;
}

enum err_code store_batch_staged(struct store *s, int64_t partition, int64_t seq, bool *out,
                                 struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_prepare(
        s, "SELECT 1 FROM _plumb_batches WHERE partition = ?1 AND seq = ?2", &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite3_bind_int64(stmt, 1, partition);
    sqlite3_bind_int64(stmt, 2, seq);
    code = sqlite_row(s, stmt, "read back batch", out, err);
    sqlite3_finalize(stmt);
    return code;
}

static enum err_code open_frame(sqlite3_stmt *stmt, int64_t partition, int64_t seq, struct batch *b,
                                struct store_batch *info, struct err *err) {
    info->id = sqlite3_column_int64(stmt, 0);
    info->partition = partition;
    info->seq = seq;
    info->first_record = sqlite3_column_int64(stmt, 1);
    info->decoded = sqlite3_column_int64(stmt, 2);
    info->rejected = sqlite3_column_int64(stmt, 3);
    info->count = sqlite3_column_int64(stmt, 7);
    info->taken_back = sqlite3_column_int64(stmt, 8);
    if (sqlite3_column_type(stmt, 6) == SQLITE_NULL) {
        return err_set(
            err, ERR_CONFIG,
            "the raw records of batch %lld are gone: retention (staging: keep) dropped them",
            (long long)info->id);
    }
    struct str hash = sqlite_text(stmt, 5);
    if (hash.len != 16) {
        return err_set(err, ERR_CORRUPT, "batch %lld has a hash of %zu bytes", (long long)info->id,
                       hash.len);
    }
    uint8_t bytes[16];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)hash.ptr[i];
    }
    enum err_code code = batch_open(b, sqlite_text(stmt, 6), sqlite3_column_int64(stmt, 4),
                                    hash128_from_bytes(bytes), err);
    return code != ERR_NONE ? err_wrap(err, "batch %lld", (long long)info->id) : ERR_NONE;
}

enum err_code store_load(struct store *s, int64_t partition, int64_t seq, struct batch *b,
                         struct store_batch *info, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, FIXED_BATCH_GET, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite3_bind_int64(stmt, 1, partition);
    sqlite3_bind_int64(stmt, 2, seq);
    bool found = false;
    code = sqlite_row(s, stmt, "load batch", &found, err);
    if (code == ERR_NONE && !found) {
        code = err_set(err, ERR_CORRUPT, "batch %lld of partition %lld is not in the store",
                       (long long)seq, (long long)partition);
    }
    if (code == ERR_NONE) {
        code = open_frame(stmt, partition, seq, b, info, err);
    }
    sqlite3_reset(stmt);
    return code;
}

/* Batches that every map of their source has applied, and that hold nothing that may be taken back. */
static void retain_candidates(const struct flow *flow, struct buf *sql) {
    buf_adds(sql, "DELETE FROM _plumb_frames WHERE batch IN (SELECT f.batch FROM _plumb_frames f "
                  "JOIN _plumb_batches b ON b.id = f.batch JOIN _plumb_partitions p ON p.id = "
                  "b.partition WHERE true");
    for (size_t i = 0; i < flow->source_count; i++) {
        if ((flow->sources[i].component->caps & CAP_TAKES_BACK) != 0) {
            buf_addf(sql, " AND (p.source <> '%s' OR b.first_record + b.records <= p.settled)",
                     flow->sources[i].name);
        }
    }
    for (size_t i = 0; i < flow->transform_count; i++) {
        const struct flow_transform *t = &flow->transforms[i];
        if (t->kind == TRANSFORM_MAP) {
            buf_addf(sql,
                     " AND (p.source <> '%s' OR EXISTS (SELECT 1 FROM _plumb_marks m WHERE "
                     "m.transform = '%s' "
                     "AND m.partition = b.partition AND m.seq >= b.seq))",
                     t->source->name, t->name);
        }
    }
}

enum err_code store_retain(struct store *s, int64_t most, int64_t *dropped, struct err *err) {
    *dropped = 0;
    const struct flow *flow = s->flow;
    if (flow->keep == KEEP_FOREVER) {
        return ERR_NONE;
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    retain_candidates(flow, &sql);
    buf_adds(&sql, flow->keep == KEEP_AGE ? " AND b.staged_us < ?1 ORDER BY f.batch LIMIT ?2)"
                                          : " AND (SELECT sum(length(g.frame)) FROM _plumb_frames "
                                            "g WHERE g.batch >= f.batch) > ?1 "
                                            "ORDER BY f.batch LIMIT ?2)");
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_prepare(s, buf_c(&sql), &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite3_bind_int64(
        stmt, 1, flow->keep == KEEP_AGE ? clock_now_us() - flow->keep_amount : flow->keep_amount);
    sqlite3_bind_int64(stmt, 2, most);
    code = sqlite_finish(s, stmt, "retention", err);
    if (code == ERR_NONE) {
        *dropped = sqlite3_changes64(s->db);
    }
    sqlite3_finalize(stmt);
    return code;
}
