/* Staged batches and the cursors that go with them.
 *
 * A batch is a line in _plumb_batches (kept for ever, about 100 bytes) and a zstd frame in
 * _plumb_frames (dropped by retention). The partition's row holds the cursor, so batch and cursor
 * commit together. */
#include "base/clock.h"
#include "base/fault.h"
#include "store/driver.h"

/* An INSERT ... RETURNING id. */
static enum err_code insert_for_id(struct store_statement *st, int64_t *id, struct err *err) {
    bool has_row = false;
    enum err_code code = store_step(st, &has_row, err);
    ASSERT(code != ERR_NONE || has_row);
    *id = code == ERR_NONE ? store_column_i64(st, 0) : 0;
    if (code == ERR_NONE) {
        code = store_step(st, &has_row, err); /* to the end */
    }
    return code;
}

enum err_code store_partition_get(struct store *s, const char *source, const char *name,
                                  struct store_partition *out, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, FIXED_PARTITION_GET, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(source));
    store_bind_str(st, 2, str_of(name));
    bool found = false;
    code = store_step(st, &found, err);
    if (code == ERR_NONE && found) {
        out->id = store_column_i64(st, 0);
        out->last_batch_seq = store_column_i64(st, 1);
        out->records = store_column_i64(st, 2);
        out->settled = store_column_i64(st, 3);
    }
    store_reset(st);
    if (code != ERR_NONE || found) {
        return code;
    }
    code = store_fixed(s, FIXED_PARTITION_ADD, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(source));
    store_bind_str(st, 2, str_of(name));
    store_bind_i64(st, 3, clock_now_us());
    *out = (struct store_partition){.id = 0};
    return insert_for_id(st, &out->id, err);
}

enum err_code store_cursors(struct store *s, const char *source, struct arena *arena,
                            struct source_cursor **out, size_t *count, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code =
        store_prepare(s,
                      "SELECT name, cursor, count(*) OVER () FROM _plumb_partitions WHERE source "
                      "= ?1 AND cursor IS NOT NULL "
                      "ORDER BY id",
                      &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(source));
    struct source_cursor *cursors = NULL;
    size_t n = 0;
    bool has_row = false;
    while ((code = store_step(st, &has_row, err)) == ERR_NONE && has_row) {
        if (cursors == NULL) {
            size_t bytes = (size_t)store_column_i64(st, 2) * sizeof(*cursors);
            cursors = arena_new(arena, bytes);
        }
        struct str name = store_column_str(st, 0);
        struct str cursor = store_column_str(st, 1);
        cursors[n].partition = arena_strndup(arena, name.ptr, name.len);
        cursors[n].cursor = (struct str){arena_strndup(arena, cursor.ptr, cursor.len), cursor.len};
        n++;
    }
    store_statement_free(st);
    if (code == ERR_NONE) {
        *out = cursors;
        *count = n;
    }
    return code;
}

/* ---- what goes with a batch ---- */

enum err_code store_notes(struct store *s, const char *source, struct arena *arena,
                          struct source_note **out, size_t *count, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        s,
        "SELECT p.name, n.note, count(*) OVER () FROM _plumb_notes n JOIN _plumb_partitions p ON "
        "p.id = n.partition WHERE p.source = ?1 ORDER BY n.id",
        &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(source));
    struct source_note *notes = NULL;
    size_t n = 0;
    bool has_row = false;
    while ((code = store_step(st, &has_row, err)) == ERR_NONE && has_row) {
        if (notes == NULL) {
            notes = arena_new(arena, (size_t)store_column_i64(st, 2) * sizeof(*notes));
        }
        struct str name = store_column_str(st, 0);
        struct str text = store_column_str(st, 1);
        bool same = n > 0 && str_equal_c(name, notes[n - 1].partition);
        notes[n].partition =
            same ? notes[n - 1].partition : arena_strndup(arena, name.ptr, name.len);
        notes[n].text = (struct str){arena_strndup(arena, text.ptr, text.len), text.len};
        n++;
    }
    store_statement_free(st);
    if (code == ERR_NONE) {
        *out = notes;
        *count = n;
    }
    return code;
}

static enum err_code run_numbers(struct store *s, enum fixed_statement which,
                                 const int64_t *numbers, size_t count, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, which, &st, err);
    for (size_t i = 0; code == ERR_NONE && i < count; i++) {
        store_bind_i64(st, (int)i + 1, numbers[i]);
    }
    return code == ERR_NONE ? store_run(st, NULL, err) : code;
}

static enum err_code add_notes(struct store *s, const struct buf *notes, int64_t partition,
                               struct err *err) {
    size_t offset = 0;
    int64_t record = 0;
    struct str text;
    while (source_note_next(notes, &offset, &record, &text)) {
        struct store_statement *st = NULL;
        enum err_code code = store_fixed(s, FIXED_NOTE_ADD, &st, err);
        if (code != ERR_NONE) {
            return code;
        }
        store_bind_i64(st, 1, partition);
        store_bind_i64(st, 2, record);
        store_bind_str(st, 3, text);
        code = store_run(st, NULL, err);
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
        struct store_statement *st = NULL;
        enum err_code code = store_fixed(s, ways[i], &st, err);
        if (code != ERR_NONE) {
            return code;
        }
        const int64_t numbers[] = {info->partition, c->low, c->high, info->count};
        for (size_t k = 0; k < ARRAY_COUNT(numbers); k++) {
            store_bind_i64(st, (int)k + 1, numbers[k]);
        }
        store_bind_str(st, 5, str_of(c->how));
        store_bind_str(st, 6, str_of(c->origin));
        store_bind_i64(st, 7, info->seq);
        store_bind_i64(st, 8, clock_now_us());
        store_bind_i64(st, 9,
                       ways[i] == FIXED_COVERAGE_EXTEND ? COVERAGE_SPAN_MAX : info->first_record);
        int64_t changes = 0;
        code = store_run(st, &changes, err);
        if (code != ERR_NONE || changes > 0) {
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
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, FIXED_FACTS_SET, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(source));
    store_bind_str(st, 2, json);
    store_bind_i64(st, 3, clock_now_us());
    return store_run(st, NULL, err);
}

enum err_code store_streams_set(struct store *s, const struct flow_source *source, int64_t batch,
                                const struct decoded *d, struct err *err) {
    ASSERT(d->stream_count == source->stream_count);
    for (size_t i = 0; source->stream_count > 1 && i < d->stream_count; i++) {
        struct store_statement *st = NULL;
        enum err_code code = store_fixed(s, FIXED_STREAM_SET, &st, err);
        if (code != ERR_NONE) {
            return code;
        }
        store_bind_i64(st, 1, batch);
        store_bind_str(st, 2, str_of(source->streams[i].name));
        store_bind_i64(st, 3, (int64_t)d->streams[i].count);
        code = store_run(st, NULL, err);
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
        struct store_statement *st = NULL;
        enum err_code code = store_fixed(s, FIXED_LIVE_BEFORE, &st, err);
        if (code != ERR_NONE) {
            return code;
        }
        store_bind_i64(st, 1, partition);
        store_bind_i64(st, 2, seq);
        bool has_row = false;
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && !has_row) {
            code = err_set(err, ERR_CORRUPT, "batch %lld of partition %lld is not in the store",
                           (long long)seq, (long long)partition);
        }
        if (code != ERR_NONE) {
            return code;
        }
        int64_t first = store_column_i64(st, 1);
        int64_t end = first + store_column_i64(st, 2);
        store_reset(st);
        *out = (struct store_live){seq, first > low ? first : low, end < high ? end : high};
        *found = out->low < out->high;
        high = first < high ? first : high;
    }
    return ERR_NONE;
}

/* ---- batches ---- */

static enum err_code batch_add_row(struct store *s, const struct batch *b, struct str cursor,
                                   struct store_batch *info, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, FIXED_BATCH_ADD, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    uint8_t hash[16];
    hash128_to_bytes(b->hash, hash);
    store_bind_i64(st, 1, info->partition);
    store_bind_i64(st, 2, info->seq);
    store_bind_i64(st, 3, info->first_record);
    store_bind_i64(st, 4, b->count);
    store_bind_i64(st, 5, info->decoded);
    store_bind_i64(st, 6, info->rejected);
    store_bind_i64(st, 7, (int64_t)b->raw.len);
    store_bind_blob(st, 8, (struct str){(const char *)hash, sizeof(hash)});
    store_bind_str(st, 9, cursor);
    store_bind_i64(st, 10, clock_now_us());
    store_bind_i64(st, 11, info->taken_back);
    code = insert_for_id(st, &info->id, err);
    if (code != ERR_NONE) {
        return code;
    }
    code = store_fixed(s, FIXED_FRAME_ADD, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_i64(st, 1, info->id);
    store_bind_blob(st, 2, buf_str(&b->sealed));
    return store_run(st, NULL, err);
}

static enum err_code move_cursor(struct store *s, const struct store_extras *extras,
                                 const struct store_batch *info, int64_t seq, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, FIXED_PARTITION_MOVE, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_i64(st, 1, info->partition);
    store_bind_str(st, 2, extras->cursor);
    store_bind_i64(st, 3, seq);
    store_bind_i64(st, 4, info->first_record + info->count);
    store_bind_i64(st, 5, clock_now_us());
    if (extras->settled >= 0) {
        store_bind_i64(st, 6, extras->settled);
    }
    return store_run(st, NULL, err);
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
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        s, "SELECT 1 FROM _plumb_batches WHERE partition = ?1 AND seq = ?2", &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_i64(st, 1, partition);
    store_bind_i64(st, 2, seq);
    code = store_step(st, out, err);
    store_statement_free(st);
    return code;
}

static enum err_code read_hash(struct store_statement *st, int column, struct hash128 *out,
                               struct err *err) {
    const struct str hash = store_column_str(st, column);
    if (hash.len != 16) {
        return err_set(err, ERR_CORRUPT, "a hash of %zu bytes", hash.len);
    }
    uint8_t bytes[16];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)hash.ptr[i];
    }
    *out = hash128_from_bytes(bytes);
    return ERR_NONE;
}

enum err_code store_batch_hash(struct store *s, int64_t partition, int64_t seq, struct hash128 *out,
                               bool *found, struct err *err) {
    struct store_statement *st = NULL;
    *found = false;
    enum err_code code = store_prepare(
        s, "SELECT hash FROM _plumb_batches WHERE partition = ?1 AND seq = ?2", &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, partition);
        store_bind_i64(st, 2, seq);
        code = store_step(st, found, err);
    }
    if (code == ERR_NONE && *found) {
        code = read_hash(st, 0, out, err);
    }
    store_statement_free(st);
    return code;
}

static enum err_code open_frame(struct store_statement *st, int64_t partition, int64_t seq,
                                struct batch *b, struct store_batch *info, struct err *err) {
    info->id = store_column_i64(st, 0);
    info->partition = partition;
    info->seq = seq;
    info->first_record = store_column_i64(st, 1);
    info->decoded = store_column_i64(st, 2);
    info->rejected = store_column_i64(st, 3);
    info->count = store_column_i64(st, 7);
    info->taken_back = store_column_i64(st, 8);
    if (store_column_is_null(st, 6)) {
        return err_set(
            err, ERR_CONFIG,
            "the raw records of batch %lld are gone: retention (staging: keep) dropped them",
            (long long)info->id);
    }
    struct hash128 hash = {0};
    enum err_code code = read_hash(st, 5, &hash, err);
    if (code == ERR_NONE) {
        code = batch_open(b, store_column_str(st, 6), store_column_i64(st, 4), hash, err);
    }
    return code != ERR_NONE ? err_wrap(err, "batch %lld", (long long)info->id) : ERR_NONE;
}

enum err_code store_load(struct store *s, int64_t partition, int64_t seq, struct batch *b,
                         struct store_batch *info, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, FIXED_BATCH_GET, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_i64(st, 1, partition);
    store_bind_i64(st, 2, seq);
    bool found = false;
    code = store_step(st, &found, err);
    if (code == ERR_NONE && !found) {
        code = err_set(err, ERR_CORRUPT, "batch %lld of partition %lld is not in the store",
                       (long long)seq, (long long)partition);
    }
    if (code == ERR_NONE) {
        code = open_frame(st, partition, seq, b, info, err);
    }
    store_reset(st);
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
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(s, buf_c(&sql), &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_i64(st, 1,
                   flow->keep == KEEP_AGE ? clock_now_us() - flow->keep_amount : flow->keep_amount);
    store_bind_i64(st, 2, most);
    code = store_run(st, dropped, err);
    store_statement_free(st);
    return code;
}
