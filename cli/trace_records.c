/* How it works: a row that knows its record (lineage: true, key: auto) leads to the batch at once.
 * Of the others the columns are put into a temporary table for each table, and staged batches are
 * decoded again, newest first, until each row was made once more by its map, the same in all
 * columns. Only batches by which the ledger says a row came or changed are looked at, so records
 * that said again what was known are not named, and batches no map has applied yet are not either.
 * Records that the source has taken back are nobody's origin.
 *
 * A record on which the map's SQL fails is stepped over, as the map did. */
#include <inttypes.h>

#include "base/clock.h"
#include "cli/trace.h"
#include "transform/lineage.h"

struct candidate {
    int64_t id, partition, seq, first_record, staged_us;
    const struct flow_source *source;
};

struct search {
    struct trace *t;
    struct store_statement **maps;    /* [flow->transform_count], NULL: nothing wanted of it */
    struct store_statement **forgets; /* [flow->table_count] */
    struct decoder **decoders;        /* [flow->source_count] */
    struct batch batch;
    struct arena arena;
    int64_t *best; /* [TRACE_ROWS_MAX] position in the present batch, -1: none */
    int64_t left;
};

static void search_init(struct search *s, struct trace *t) {
    const struct flow *flow = t->opened->flow;
    *s = (struct search){.t = t};
    s->maps = mem_alloc_array(flow->transform_count + 1, sizeof(struct store_statement *));
    s->forgets = mem_alloc_array(flow->table_count + 1, sizeof(struct store_statement *));
    s->decoders = mem_alloc_array(flow->source_count + 1, sizeof(struct decoder *));
    s->best = mem_alloc_array(TRACE_ROWS_MAX, sizeof *s->best);
    batch_init(&s->batch);
    arena_init(&s->arena, t->batch_bytes_max);
}

static void search_release(struct search *s) {
    const struct flow *flow = s->t->opened->flow;
    for (size_t i = 0; i < flow->transform_count; i++) {
        store_statement_free(s->maps[i]);
    }
    for (size_t i = 0; i < flow->table_count; i++) {
        store_statement_free(s->forgets[i]);
    }
    for (size_t i = 0; i < flow->source_count; i++) {
        decoder_free(s->decoders[i]);
    }
    mem_free(s->maps);
    mem_free(s->forgets);
    mem_free(s->decoders);
    mem_free(s->best);
    batch_release(&s->batch);
    arena_release(&s->arena);
}

/* ---- a known record ---- */

static char *copy_column(struct trace *t, struct store_statement *st, int column) {
    const struct str text = store_column_str(st, column);
    return arena_strndup(&t->arena, text.ptr != NULL ? text.ptr : "", text.len);
}

/* The map that made a row of the table from that source; NULL when there are several. */
static const char *map_of(const struct trace *t, const struct flow_table *into,
                          const char *source) {
    const struct flow *flow = t->opened->flow;
    const char *name = NULL;
    for (size_t i = 0; i < flow->transform_count; i++) {
        const struct flow_transform *f = &flow->transforms[i];
        if (f->kind == TRANSFORM_MAP && f->into == into &&
            str_equal_c(str_of(source), f->source->name)) {
            if (name != NULL) {
                return NULL;
            }
            name = f->name;
        }
    }
    return name;
}

/* Fills the record's batch; by number the newest batch that has it: an older one was taken back. */
static enum err_code locate(struct trace *t, struct trace_row *row, bool by_number,
                            struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        t->opened->store,
        by_number ? "SELECT b.id, b.seq, ?2 - b.first_record, ?2, b.staged_us, p.source, p.name "
                    "FROM _plumb_batches b JOIN _plumb_partitions p ON p.id = b.partition WHERE "
                    "b.partition = ?1 AND b.first_record <= ?2 AND b.first_record + b.records > ?2 "
                    "ORDER BY b.seq DESC LIMIT 1"
                  : "SELECT b.id, b.seq, ?2, b.first_record + ?2, b.staged_us, p.source, p.name "
                    "FROM _plumb_batches b JOIN _plumb_partitions p ON p.id = b.partition WHERE "
                    "b.id = ?1 AND ?2 BETWEEN 0 AND b.records - 1",
        &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_i64(st, 1, by_number ? row->partition : row->batch);
    store_bind_i64(st, 2, by_number ? row->record : row->pos);
    bool found = false;
    code = store_step(st, &found, err);
    if (code == ERR_NONE && found) {
        row->origin = (struct trace_record){.found = true,
                                            .batch = store_column_i64(st, 0),
                                            .seq = store_column_i64(st, 1),
                                            .pos = store_column_i64(st, 2),
                                            .number = store_column_i64(st, 3),
                                            .staged_us = store_column_i64(st, 4),
                                            .source = copy_column(t, st, 5),
                                            .partition = copy_column(t, st, 6)};
        row->origin.transform = map_of(t, row->table, row->origin.source);
    }
    store_statement_free(st);
    return code;
}

static enum err_code copy_raw(struct trace *t, struct trace_record *r, const struct batch *b,
                              struct err *err) {
    if (r->pos < 0 || r->pos >= (int64_t)b->count) {
        return ERR_NONE;
    }
    const struct record record = batch_record(b, (uint32_t)r->pos);
    r->kept = true;
    r->whole = record.kind == RECORD_WHOLE;
    return arena_copy(&t->arena, record.bytes, &r->raw, err);
}

static bool is_late(struct trace *t) {
    const bool late = t->until_us > 0 && clock_monotonic_us() >= t->until_us;
    t->stopped = t->stopped || late;
    return late;
}

/* The raw records of rows that were located; rows of one batch come together often enough. */
static enum err_code read_raws(struct search *s, struct err *err) {
    struct trace *t = s->t;
    int64_t loaded = -1;
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < t->row_count && !is_late(t); i++) {
        struct trace_record *r = &t->rows[i].origin;
        if (!r->found || r->kept) {
            continue;
        }
        if (loaded != r->batch) {
            struct store_statement *st = NULL;
            struct store_batch info;
            bool has_row = false;
            code =
                store_prepare(t->opened->store,
                              "SELECT partition, seq FROM _plumb_batches WHERE id = ?1", &st, err);
            if (code == ERR_NONE) {
                store_bind_i64(st, 1, r->batch);
                code = store_step(st, &has_row, err);
            }
            if (code == ERR_NONE && has_row) {
                code = store_load(t->opened->store, store_column_i64(st, 0),
                                  store_column_i64(st, 1), &s->batch, &info, err);
            }
            store_statement_free(st);
            if (code == ERR_CONFIG || code == ERR_CORRUPT) { /* dropped, or damaged: said so */
                err_clear(err);
                code = ERR_NONE;
                continue;
            }
            loaded = r->batch;
        }
        if (code == ERR_NONE) {
            code = copy_raw(t, r, &s->batch, err);
        }
    }
    return code;
}

/* ---- the search ---- */

static enum err_code want(struct search *s, size_t index, struct err *err) {
    const struct trace_row *row = &s->t->rows[index];
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "INSERT INTO temp.\"_plumb_wanted_%s\" VALUES (%zu", row->table->name, index);
    for (size_t i = 0; i < row->table->schema.count; i++) {
        buf_adds(&sql, ", ");
        lineage_literal(&sql, &row->values[i]);
    }
    buf_adds(&sql, ")");
    s->left++;
    s->t->wanted++;
    return store_execute(s->t->opened->store, buf_c(&sql), err);
}

/* The wanted rows of one table, and the statements of the maps that write it. */
static enum err_code want_table(struct search *s, size_t table, struct err *err) {
    const struct flow *flow = s->t->opened->flow;
    const struct flow_table *into = &flow->tables[table];
    const int64_t before = s->left;
    if (store_dialect(s->t->opened->store) == STORE_POSTGRES) {
        return err_set(err, ERR_CONFIG,
                       "rows of table '%s' do not say which record they came from, and a store in "
                       "PostgreSQL is not searched for it so far: declare `lineage: true` and "
                       "replay",
                       into->name);
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    lineage_wanted(&sql, s->t->opened->store, into);
    enum err_code code = store_execute(s->t->opened->store, buf_c(&sql), err);
    for (size_t i = 0; code == ERR_NONE && i < s->t->row_count; i++) {
        const struct trace_row *row = &s->t->rows[i];
        if (row->table == into && row->from_map && !row->origin.found) {
            code = want(s, i, err);
        }
    }
    if (code != ERR_NONE || s->left == before) {
        return code;
    }
    buf_clear(&sql);
    buf_addf(&sql, "DELETE FROM temp.\"_plumb_wanted_%s\" WHERE \"_node\" = ?1", into->name);
    code = store_prepare(s->t->opened->store, buf_c(&sql), &s->forgets[table], err);
    for (size_t i = 0; code == ERR_NONE && i < flow->transform_count; i++) {
        if (flow->transforms[i].kind == TRANSFORM_MAP && flow->transforms[i].into == into) {
            buf_clear(&sql);
            lineage_search(&sql, &flow->transforms[i]);
            code = store_prepare(s->t->opened->store, buf_c(&sql), &s->maps[i], err);
        }
    }
    return code;
}

/* Runs the map's statement over rows [low, high); positions found go to best. */
static enum err_code search_range(struct search *s, size_t map, const struct rows *rows, size_t low,
                                  size_t high, const struct candidate *c, struct err *err) {
    struct store *store = s->t->opened->store;
    struct store_statement *st = s->maps[map];
    bool has_row = true;
    enum err_code code =
        store_present(store, s->t->opened->flow->transforms[map].stream,
                      &(struct store_rows){rows, low, high, c->id, c->first_record}, err);
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            const int64_t node = store_column_i64(st, 0);
            const int64_t pos = store_column_i64(st, 1);
            ASSERT(node >= 0 && node < TRACE_ROWS_MAX);
            s->best[node] = pos > s->best[node] ? pos : s->best[node];
        }
    }
    if (code != ERR_NONE) {
        store_reset(st);
    }
    return code;
}

static enum err_code search_rows(struct search *s, size_t map, const struct rows *rows,
                                 const struct candidate *c, struct err *err) {
    const struct flow_stream *stream = s->t->opened->flow->transforms[map].stream;
    enum err_code code = ERR_NONE;
    bool singly = false; /* which row it failed on is not known */
    for (size_t low = 0; code == ERR_NONE && low < rows->count;) {
        const size_t high = singly ? low + 1 : rows->count;
        code = search_range(s, map, rows, low, high, c, err);
        const size_t at = store_present_at(s->t->opened->store, stream);
        if (code != ERR_INPUT) {
            low = high;
            continue;
        }
        err_clear(err);
        code = ERR_NONE;
        singly = singly || at < low || at >= high;
        low = at >= low && at < high ? at + 1 : low + (high == low + 1);
    }
    store_present_nothing(s->t->opened->store, stream);
    return code;
}

/* Records of the batch numbered from *limit on were taken back by a later one. */
static enum err_code taken_back_from(struct search *s, const struct candidate *c, int64_t *limit,
                                     struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    bool found = false;
    buf_addf(&sql,
             "SELECT coalesce(min(first_record), %" PRId64 ") FROM _plumb_batches WHERE partition "
             "= %" PRId64 " AND seq > %" PRId64 " AND taken_back > 0",
             INT64_MAX, c->partition, c->seq);
    return store_get_i64(s->t->opened->store, buf_c(&sql), limit, &found, err);
}

static enum err_code partition_name(struct trace *t, int64_t id, const char **out,
                                    struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = false;
    enum err_code code = store_prepare(
        t->opened->store, "SELECT name FROM _plumb_partitions WHERE id = ?1", &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, id);
        code = store_step(st, &has_row, err);
    }
    *out = code == ERR_NONE && has_row ? copy_column(t, st, 0) : "";
    store_statement_free(st);
    return code;
}

/* Rows the map made again from the batch are found, and wanted no more. */
static enum err_code take_found(struct search *s, size_t map, const struct candidate *c,
                                struct err *err) {
    struct trace *t = s->t;
    const struct flow_transform *f = &t->opened->flow->transforms[map];
    struct store_statement *forget = s->forgets[f->into - t->opened->flow->tables];
    int64_t limit = -1;
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < t->row_count; i++) {
        const int64_t pos = s->best[i];
        s->best[i] = -1;
        if (pos < 0 || t->rows[i].origin.found) {
            continue;
        }
        if (limit < 0) {
            code = taken_back_from(s, c, &limit, err);
        }
        if (code != ERR_NONE || c->first_record + pos >= limit) {
            continue;
        }
        struct trace_record *r = &t->rows[i].origin;
        *r = (struct trace_record){.found = true,
                                   .batch = c->id,
                                   .seq = c->seq,
                                   .pos = pos,
                                   .number = c->first_record + pos,
                                   .staged_us = c->staged_us,
                                   .source = c->source->name,
                                   .transform = f->name};
        code = partition_name(t, c->partition, &r->partition, err);
        if (code == ERR_NONE) {
            code = copy_raw(t, r, &s->batch, err);
        }
        if (code == ERR_NONE) {
            store_bind_i64(forget, 1, (int64_t)i);
            code = store_run(forget, NULL, err);
        }
        s->left--;
    }
    return code;
}

static enum err_code search_batch(struct search *s, const struct candidate *c, struct err *err) {
    struct trace *t = s->t;
    const struct flow *flow = t->opened->flow;
    struct store_batch info;
    struct decoded decoded;
    const size_t source = (size_t)(c->source - flow->sources);
    enum err_code code = store_load(t->opened->store, c->partition, c->seq, &s->batch, &info, err);
    if (code == ERR_CONFIG || code == ERR_CORRUPT) {
        t->dropped += code == ERR_CONFIG;
        t->unread += code == ERR_CORRUPT;
        err_clear(err);
        return ERR_NONE;
    }
    if (code == ERR_NONE && s->decoders[source] == NULL) {
        code = flow_decoder(c->source, &s->decoders[source], err);
    }
    arena_reset(&s->arena);
    if (code == ERR_NONE) {
        code = decoder_run(s->decoders[source], &s->batch, &s->arena, &decoded, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < flow->transform_count; i++) {
        if (s->maps[i] != NULL && flow->transforms[i].source == c->source) {
            code = search_rows(s, i, &decoded.streams[flow->transforms[i].stream->index], c, err);
            if (code == ERR_NONE) {
                code = take_found(s, i, c, err);
            }
        }
    }
    t->searched++;
    t->oldest_us = c->staged_us;
    return code;
}

static enum err_code search_batches(struct search *s, struct err *err) {
    struct trace *t = s->t;
    const struct flow *flow = t->opened->flow;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql,
             "SELECT b.id, b.partition, b.seq, b.first_record, b.staged_us, p.source FROM "
             "_plumb_batches b JOIN _plumb_partitions p ON p.id = b.partition WHERE EXISTS (SELECT "
             "1 FROM _plumb_ledger l WHERE l.batch = b.id AND l.inserted + l.updated > 0 AND "
             "l.transform IN (''");
    for (size_t i = 0; i < flow->transform_count; i++) {
        if (s->maps[i] != NULL) {
            buf_addf(&sql, ", '%s'", flow->transforms[i].name);
        }
    }
    buf_adds(&sql, ")) ORDER BY b.id DESC");
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(t->opened->store, buf_c(&sql), &st, err);
    bool has_row = true;
    while (code == ERR_NONE && s->left > 0 && !is_late(t)) {
        code = store_step(st, &has_row, err);
        if (code != ERR_NONE || !has_row) {
            break;
        }
        if (t->searched + t->dropped + t->unread == t->batches_max) {
            t->stopped = true;
            break;
        }
        char *name = mem_strndup(store_column_str(st, 5).ptr, store_column_str(st, 5).len);
        struct candidate c = {store_column_i64(st, 0), store_column_i64(st, 1),
                              store_column_i64(st, 2), store_column_i64(st, 3),
                              store_column_i64(st, 4), flow_find_source(flow, name)};
        mem_free(name);
        code = c.source != NULL ? search_batch(s, &c, err) : ERR_NONE;
    }
    store_statement_free(st);
    return code;
}

static enum err_code read_hashes(struct trace *t, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code =
        store_prepare(t->opened->store, "SELECT hash FROM _plumb_batches WHERE id = ?1", &st, err);
    for (size_t i = 0; code == ERR_NONE && i < t->row_count; i++) {
        struct trace_record *r = &t->rows[i].origin;
        bool has_row = false;
        if (r->found) {
            store_bind_i64(st, 1, r->batch);
            code = store_step(st, &has_row, err);
        }
        if (has_row && store_column_str(st, 0).len == 16) {
            r->hash = hash128_from_bytes((const uint8_t *)store_column_str(st, 0).ptr);
        }
        store_reset(st);
    }
    store_statement_free(st);
    return code;
}

enum err_code trace_records(struct trace *t, struct err *err) {
    CLEANUP(search_release) struct search s;
    search_init(&s, t);
    for (size_t i = 0; i < TRACE_ROWS_MAX; i++) {
        s.best[i] = -1;
    }
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < t->row_count; i++) {
        struct trace_row *row = &t->rows[i];
        if (row->from_map && (row->table->key_auto || (row->batch >= 0 && row->pos >= 0))) {
            code = locate(t, row, row->table->key_auto, err);
        }
    }
    for (size_t i = 0; code == ERR_NONE && i < t->opened->flow->table_count; i++) {
        bool any = false;
        for (size_t k = 0; k < t->row_count; k++) {
            any = any || (t->rows[k].table == &t->opened->flow->tables[i] && t->rows[k].from_map &&
                          !t->rows[k].origin.found && !t->rows[k].table->key_auto);
        }
        code = any ? want_table(&s, i, err) : ERR_NONE;
    }
    if (code == ERR_NONE && s.left > 0) {
        code = search_batches(&s, err);
    }
    t->missing = s.left;
    if (code == ERR_NONE) {
        code = read_hashes(t, err);
    }
    return code == ERR_NONE ? read_raws(&s, err) : code;
}
