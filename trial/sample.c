/* How it works: records are views into copies in the arena. Staging seals each delivery as a batch
 * of its own; what number a record gets follows from the records that are live in its partition
 * then, so that any part of a sample, in any order, is a history a source could have had.
 *
 * Reference rows are kept as SQL literals (quote() gives them exactly), which any number of scratch
 * stores can run. */
#include "trial/sample.h"

#include <inttypes.h>
#include <string.h>

#include "base/parse.h"

#define CURSOR_TEXT "trial"

void sample_init(struct sample *s) {
    *s = (struct sample){.count = 0};
    arena_init(&s->arena, SAMPLE_ARENA_BYTES);
    buf_init(&s->references, REFERENCE_BYTES_MAX);
}

void sample_release(struct sample *s) {
    arena_release(&s->arena);
    buf_release(&s->references);
    mem_free(s->batches);
    s->batches = NULL;
    s->count = 0;
}

static struct sample_batch *batch_new(struct sample *s) {
    if (s->count == s->capacity) {
        s->capacity += SAMPLE_BATCHES_CHUNK;
        s->batches = mem_realloc(s->batches, s->capacity * sizeof *s->batches);
    }
    struct sample_batch *b = &s->batches[s->count++];
    *b = (struct sample_batch){.count = 0};
    return b;
}

/* ---- from a store ---- */

static const struct flow_source *source_named(const struct flow *flow, struct str name) {
    for (size_t i = 0; i < flow->source_count; i++) {
        if (str_equal_c(name, flow->sources[i].name)) {
            return &flow->sources[i];
        }
    }
    return NULL;
}

static enum err_code copy_records(struct sample *s, const struct batch *b, struct sample_batch *out,
                                  struct err *err) {
    struct str raw;
    enum err_code code = arena_copy(&s->arena, batch_meta(b), &out->meta, err);
    void *room = NULL;
    if (code == ERR_NONE) {
        code = arena_alloc(&s->arena, (b->count + 1) * sizeof(struct sample_record), &room, err);
    }
    struct sample_record *records = room;
    for (uint32_t i = 0; code == ERR_NONE && i < b->count; i++) {
        const struct record r = batch_record(b, i);
        code = arena_copy(&s->arena, r.bytes, &raw, err);
        records[i] = (struct sample_record){raw, r.kind, out->first_record + i, false};
    }
    out->records = records;
    out->count = b->count;
    return code;
}

static enum err_code load_batch(struct sample *s, struct store *store, const struct flow *flow,
                                struct store_statement *st, struct err *err) {
    const struct flow_source *source = source_named(flow, store_column_str(st, 0));
    if (source == NULL || s->is_cut) {
        return ERR_NONE; /* of a source the flow no longer has */
    }
    struct str name = store_column_str(st, 1);
    const char *partition = arena_strndup(&s->arena, name.ptr, name.len);
    const int64_t records = store_column_i64(st, 4);
    const int64_t bytes = store_column_i64(st, 5);
    if (s->count > 0 && (s->records + records > SAMPLE_RECORDS_MAX ||
                         s->bytes + (size_t)bytes > SAMPLE_BYTES_MAX)) {
        s->is_cut = true;
        return ERR_NONE;
    }
    struct batch raw;
    struct store_batch info;
    batch_init(&raw);
    enum err_code code =
        store_load(store, store_column_i64(st, 2), store_column_i64(st, 3), &raw, &info, err);
    if (code == ERR_NONE) {
        struct sample_batch *b = batch_new(s);
        *b = (struct sample_batch){.source = source,
                                   .partition = partition,
                                   .id = info.id,
                                   .seq = info.seq,
                                   .first_record = info.first_record,
                                   .taken_back = info.taken_back};
        code = copy_records(s, &raw, b, err);
        s->records += records;
        s->bytes += (size_t)bytes;
    }
    batch_release(&raw);
    return code;
}

static void reverse(struct sample *s) {
    for (size_t i = 0; i < s->count / 2; i++) {
        struct sample_batch kept = s->batches[i];
        s->batches[i] = s->batches[s->count - 1 - i];
        s->batches[s->count - 1 - i] = kept;
    }
}

enum err_code sample_read(struct sample *s, struct store *store, const struct flow *flow,
                          int64_t most, bool oldest, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql,
             "SELECT p.source, p.name, b.partition, b.seq, b.records, b.raw_bytes FROM "
             "_plumb_batches b JOIN _plumb_partitions p ON p.id = b.partition JOIN _plumb_frames f "
             "ON f.batch = b.id ORDER BY b.id %s LIMIT ?1",
             oldest ? "ASC" : "DESC");
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(store, buf_c(&sql), &st, err);
    bool has_row = true;
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, most);
    }
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            code = load_batch(s, store, flow, st, err);
        }
    }
    store_statement_free(st);
    if (!oldest) {
        reverse(s);
    }
    return code == ERR_NONE ? sample_read_references(s, store, flow, err) : code;
}

/* ---- reference tables ---- */

/* The cell as a literal of SQLite, where references go. */
static void add_literal(struct store_statement *st, int column, enum column_type type,
                        struct buf *out) {
    char number[PARSE_F64_TEXT_BYTES];
    struct str text = {"", 0};
    if (store_column_is_null(st, column)) {
        buf_adds(out, "NULL");
        return;
    }
    switch (type) {
    case TYPE_INT64:
    case TYPE_BOOL:
    case TYPE_TIMESTAMP:
        buf_addf(out, "%" PRId64, store_column_i64(st, column));
        break;
    case TYPE_FLOAT64:
        parse_print_f64(store_column_f64(st, column), number);
        buf_adds(out, number);
        break;
    case TYPE_TEXT:
    case TYPE_JSON:
        text = store_column_str(st, column);
        buf_addc(out, '\'');
        for (size_t i = 0; i < text.len; i++) {
            buf_adds(out, text.ptr[i] == '\'' ? "'" : "");
            buf_addc(out, text.ptr[i]);
        }
        buf_addc(out, '\'');
        break;
    case TYPE_BYTES:
    case TYPE_INT256:
        text = store_column_str(st, column);
        buf_adds(out, "X'");
        for (size_t i = 0; i < text.len; i++) {
            buf_addf(out, "%02X", (unsigned)(unsigned char)text.ptr[i]);
        }
        buf_addc(out, '\'');
        break;
    }
}

static enum err_code add_reference(struct sample *s, struct store *store,
                                   const struct flow_table *t, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&sql, "SELECT ");
    for (size_t i = 0; i < t->schema.count; i++) {
        buf_addf(&sql, "%s\"%s\"", i > 0 ? ", " : "", t->schema.columns[i].name);
    }
    buf_addf(&sql, " FROM \"%s\"", t->name);
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(store, buf_c(&sql), &st, err);
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            AUTO_BUF row = BUF_INIT(BUF_TEXT_MAX);
            buf_addf(&row, "INSERT INTO \"%s\" VALUES(", t->name);
            for (size_t i = 0; i < t->schema.count; i++) {
                buf_adds(&row, i > 0 ? "," : "");
                add_literal(st, (int)i, t->schema.columns[i].type, &row);
            }
            buf_adds(&row, ");");
            code = buf_add(&s->references, buf_c(&row), row.len, err);
        }
    }
    store_statement_free(st);
    return code == ERR_NONE ? ERR_NONE : err_wrap(err, "reference table '%s'", t->name);
}

enum err_code sample_read_references(struct sample *s, struct store *store, const struct flow *flow,
                                     struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < flow->table_count; i++) {
        bool exists = false;
        if (flow->tables[i].is_reference) {
            code = store_has_table(store, flow->tables[i].name, &exists, err);
        }
        if (code == ERR_NONE && exists) {
            code = add_reference(s, store, &flow->tables[i], err);
        }
    }
    return code;
}

/* ---- from texts ---- */

static size_t count_records(struct str text, bool csv, size_t at) {
    size_t n = 0;
    struct str record;
    while (frame_next(text, csv, &at, &record)) {
        n++;
    }
    return n;
}

static int64_t records_in(const struct sample *s, const struct flow_source *source,
                          const char *partition, int64_t *seq) {
    int64_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct sample_batch *b = &s->batches[i];
        if (b->source == source && strcmp(b->partition, partition) == 0) {
            n = b->first_record + (int64_t)b->count;
            *seq = b->seq;
        }
    }
    return n;
}

enum err_code sample_add_text(struct sample *s, const struct flow_source *source,
                              const char *partition, struct str meta, struct str text,
                              struct err *err) {
    struct str kept;
    struct str kept_meta = {.len = 0};
    enum err_code code = arena_copy(&s->arena, text, &kept, err);
    if (code == ERR_NONE) {
        code = arena_copy(&s->arena, meta, &kept_meta, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    const bool csv = frame_is_csv(source);
    size_t at = 0;
    int64_t seq = 0;
    const int64_t first = records_in(s, source, partition, &seq);
    struct sample_batch b = {.source = source,
                             .partition = arena_strdup(&s->arena, partition),
                             .id = (int64_t)s->count + 1,
                             .seq = seq + 1,
                             .first_record = first,
                             .meta = kept_meta};
    if (csv && meta.ptr == NULL && !frame_next(kept, true, &at, &b.meta)) {
        return err_set(err, ERR_CONFIG, "no header: the first line of CSV names the columns");
    }
    b.count = count_records(kept, csv, at);
    void *room = NULL;
    code = arena_alloc(&s->arena, (b.count + 1) * sizeof(struct sample_record), &room, err);
    if (code != ERR_NONE) {
        return code;
    }
    struct sample_record *records = room;
    struct str record;
    for (size_t i = 0; frame_next(kept, csv, &at, &record); i++) {
        records[i] =
            (struct sample_record){record, RECORD_WHOLE, b.first_record + (int64_t)i, false};
    }
    b.records = records;
    *batch_new(s) = b;
    s->records += (int64_t)b.count;
    s->bytes += text.len;
    return ERR_NONE;
}

void sample_cut(struct sample *s, size_t rows) {
    struct sample cut = {.count = 0};
    for (size_t i = 0; i < s->count; i++) {
        const struct sample_batch *b = &s->batches[i];
        for (size_t low = 0; low < b->count; low += rows) {
            struct sample_batch *part = batch_new(&cut);
            *part = *b;
            part->id = (int64_t)cut.count;
            part->seq = (int64_t)(low / rows) + 1;
            part->records = b->records + low;
            part->first_record = b->first_record + (int64_t)low;
            part->count = b->count - low < rows ? b->count - low : rows;
        }
    }
    mem_free(s->batches);
    s->batches = cut.batches;
    s->count = cut.count;
    s->capacity = cut.capacity;
}

size_t sample_group(struct sample *s) {
    size_t *firsts = mem_alloc_array(s->count + 1, sizeof *firsts); /* of each group, its first */
    size_t groups = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct sample_batch *b = &s->batches[i];
        size_t group = 0;
        while (group < groups && (s->batches[firsts[group]].source != b->source ||
                                  strcmp(s->batches[firsts[group]].partition, b->partition) != 0)) {
            group++;
        }
        if (group == groups) {
            firsts[groups++] = i;
        }
        b->group = group;
    }
    mem_free(firsts);
    return groups;
}

/* ---- deliveries ---- */

void deliveries_add(struct deliveries *d, const struct sample_batch *b, size_t low, size_t high) {
    if (d->count == d->capacity) {
        d->capacity = d->capacity > 0 ? d->capacity * 2 : SAMPLE_BATCHES_CHUNK;
        d->items = mem_realloc(d->items, d->capacity * sizeof *d->items);
    }
    d->items[d->count++] = (struct delivery){b, low, high};
}

void deliveries_release(struct deliveries *d) {
    mem_free(d->items);
    *d = (struct deliveries){.count = 0};
}

/* The records that are live in a partition, by the numbers they had in the sample. */
struct live {
    int64_t partition;
    int64_t *numbers; /* owned */
    size_t count, capacity;
};

struct live_list {
    struct live *items; /* owned */
    size_t count;
};

static void live_release(struct live_list *l) {
    for (size_t i = 0; i < l->count; i++) {
        mem_free(l->items[i].numbers);
    }
    mem_free(l->items);
}

static struct live *live_of(struct live_list *l, int64_t partition) {
    for (size_t i = 0; i < l->count; i++) {
        if (l->items[i].partition == partition) {
            return &l->items[i];
        }
    }
    l->items = mem_realloc(l->items, (l->count + 1) * sizeof *l->items);
    l->items[l->count] = (struct live){.partition = partition};
    return &l->items[l->count++];
}

static void live_add(struct live *l, int64_t number) {
    if (l->count == l->capacity) {
        l->capacity = l->capacity > 0 ? l->capacity * 2 : SAMPLE_BATCHES_CHUNK;
        l->numbers = mem_realloc(l->numbers, l->capacity * sizeof *l->numbers);
    }
    l->numbers[l->count++] = number;
}

static enum err_code stage_one(const struct delivery *d, struct store *store, struct batch *b,
                               struct live_list *lives, struct err *err) {
    struct store_partition at;
    enum err_code code =
        store_partition_get(store, d->batch->source->name, d->batch->partition, &at, err);
    if (code == ERR_NONE) {
        code = batch_begin(b, d->batch->meta, err);
    }
    for (size_t i = d->low; code == ERR_NONE && i < d->high; i++) {
        code = batch_add(b, d->batch->records[i].bytes, d->batch->records[i].kind, err);
    }
    if (code == ERR_NONE) {
        code = batch_seal(b, 1, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct live *live = live_of(lives, at.id);
    const size_t before = live->count;
    while (d->batch->taken_back > 0 && d->low == 0 && live->count > 0 &&
           live->numbers[live->count - 1] >= d->batch->first_record) {
        live->count--;
    }
    struct store_batch info = {.partition = at.id,
                               .seq = at.last_batch_seq + 1,
                               .first_record = (int64_t)live->count,
                               .taken_back = (int64_t)(before - live->count)};
    for (size_t i = d->low; i < d->high; i++) {
        live_add(live, d->batch->records[i].number);
    }
    struct source_coverage none = {.is_set = false};
    struct buf notes = BUF_INIT(1);
    const struct store_extras extras = {STR(CURSOR_TEXT), -1, &none, &notes};
    return store_stage(store, b, &extras, &info, err);
}

enum err_code deliveries_stage(const struct deliveries *d, struct store *store, struct err *err) {
    struct batch b;
    batch_init(&b);
    CLEANUP(live_release) struct live_list lives = {.count = 0};
    enum err_code code = store_begin(store, err);
    for (size_t i = 0; code == ERR_NONE && i < d->count; i++) {
        code = stage_one(&d->items[i], store, &b, &lives, err);
    }
    batch_release(&b);
    if (code == ERR_NONE) {
        return store_commit(store, err);
    }
    store_rollback(store);
    return code;
}
