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

enum err_code store_stage(struct store *s, const struct batch *b, struct str cursor,
                          struct store_batch *info, struct err *err) {
    ASSERT(b->count == 0 || b->sealed.len > 0);
    info->id = 0;
    enum err_code code = ERR_NONE;
    int64_t seq = info->seq - 1;
    if (b->count > 0) {
        seq = info->seq;
        code = batch_add_row(s, b, cursor, info, err);
    }
    sqlite3_stmt *stmt = NULL;
    if (code == ERR_NONE) {
        code = sqlite_fixed(s, FIXED_PARTITION_MOVE, &stmt, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    sqlite3_bind_int64(stmt, 1, info->partition);
    sqlite_bind(stmt, 2, cursor);
    sqlite3_bind_int64(stmt, 3, seq);
    sqlite3_bind_int64(stmt, 4, info->first_record + b->count);
    sqlite3_bind_int64(stmt, 5, clock_now_us());
    code = sqlite_finish(s, stmt, "move cursor", err);
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

/* Batches that every map of their source has applied. */
static void retain_candidates(const struct flow *flow, struct buf *sql) {
    buf_adds(sql, "DELETE FROM _plumb_frames WHERE batch IN (SELECT f.batch FROM _plumb_frames f "
                  "JOIN _plumb_batches b ON b.id = f.batch JOIN _plumb_partitions p ON p.id = "
                  "b.partition WHERE true");
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
