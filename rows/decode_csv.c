/* How CSV is decoded: the batch's meta, the header record, is split once per batch (it is kept and
 * compared, so equal headers cost nothing) and gives each cell number its columns. A record is then
 * split with the same splitter. Cells are views into the record unless they hold doubled quotes.
 *
 * RFC 4180, strictly: a quote may stand only around a whole cell or doubled inside a quoted one,
 * and a line end only inside quotes or once at the record's end. An unquoted cell equal to
 * null_text is NULL; a quoted one never is. */
#include "rows/decode_internal.h"

#include <string.h>

#define CSV_CELLS_MAX        4096
#define CSV_HEADER_BYTES_MAX ((size_t)1 << 20)

struct csv_cell {
    struct str raw; /* as it stands in the record, quotes included */
    bool is_quoted;
    bool has_doubled;
};

struct csv_field {
    struct str name;
    int column; /* first declared column, or -1 */
    int drift_index;
};

struct csv_decoder {
    struct decoder base;
    struct csv_options options;
    struct buf header;       /* the meta that fields describe */
    struct arena header_own; /* names */
    bool has_header;
    char header_fault[REJECT_MESSAGE_BYTES]; /* every record is malformed for this; empty if none */
    struct csv_field *fields;
    size_t field_count;
    int *same_name;      /* [columns] next column of the same header, or -1 */
    uint8_t *cell_kinds; /* [field_count] of the present record */
};

/* Walks over the cells of one record. */
struct csv_split {
    const char *p;
    const char *begin;
    const char *end;
    char delimiter;
    char quote;
    bool is_done;
    const char *fault;
    const char *fault_at;
};

static bool split_fault(struct csv_split *s, const char *at, const char *what) {
    s->fault = what;
    s->fault_at = at;
    return false;
}

static void split_begin(struct csv_split *s, const struct csv_options *options, struct str record) {
    /* A cell that ends in a line end would be quoted, so these belong to the framing. */
    if (record.len > 0 && record.ptr[record.len - 1] == '\n') {
        record.len--;
    }
    if (record.len > 0 && record.ptr[record.len - 1] == '\r') {
        record.len--;
    }
    *s = (struct csv_split){.p = record.ptr,
                            .begin = record.ptr,
                            .end = record.ptr + record.len,
                            .delimiter = options->delimiter,
                            .quote = options->quote};
}

/* s->p at the opening quote. */
static bool split_quoted(struct csv_split *s, struct csv_cell *out) {
    const char *begin = s->p++;
    out->is_quoted = true;
    for (;;) {
        const char *quote = memchr(s->p, s->quote, (size_t)(s->end - s->p));
        if (quote == NULL) {
            return split_fault(s, begin, "a quoted cell is not closed");
        }
        s->p = quote + 1;
        if (s->p == s->end || *s->p != s->quote) {
            break;
        }
        out->has_doubled = true;
        s->p++;
    }
    if (s->p < s->end && *s->p != s->delimiter) {
        return split_fault(s, s->p, "text behind a closing quote");
    }
    out->raw = (struct str){begin, (size_t)(s->p - begin)};
    return true;
}

static bool split_bare(struct csv_split *s, struct csv_cell *out) {
    const char *begin = s->p;
    for (; s->p < s->end && *s->p != s->delimiter; s->p++) {
        if (*s->p == s->quote) {
            return split_fault(s, s->p, "a quote in a cell that is not quoted");
        }
        if (*s->p == '\n' || *s->p == '\r') {
            return split_fault(s, s->p, "a line end outside quotes");
        }
    }
    out->raw = (struct str){begin, (size_t)(s->p - begin)};
    return true;
}

/* The next cell. False at the end, or with s->fault set. */
static bool split_next(struct csv_split *s, struct csv_cell *out) {
    if (s->is_done) {
        return false;
    }
    *out = (struct csv_cell){0};
    bool is_quoted = s->p < s->end && *s->p == s->quote;
    if (!(is_quoted ? split_quoted(s, out) : split_bare(s, out))) {
        return false;
    }
    if (s->p == s->end) {
        s->is_done = true;
    } else {
        s->p++; /* the delimiter */
    }
    return true;
}

/* The cell's text: inside the quotes, doubled quotes made single. */
static enum err_code cell_text(const struct csv_decoder *v, const struct csv_cell *cell,
                               struct arena *arena, struct str *out, struct err *err) {
    *out = cell->raw;
    if (!cell->is_quoted) {
        return ERR_NONE;
    }
    struct str inside = {cell->raw.ptr + 1, cell->raw.len - 2};
    *out = inside;
    if (!cell->has_doubled) {
        return ERR_NONE;
    }
    void *copy = NULL;
    enum err_code code = arena_alloc(arena, inside.len, &copy, err);
    if (code != ERR_NONE) {
        return code;
    }
    char *text = copy;
    size_t len = 0;
    for (size_t i = 0; i < inside.len; i++) {
        text[len++] = inside.ptr[i];
        i += inside.ptr[i] == v->options.quote;
    }
    *out = (struct str){text, len};
    return ERR_NONE;
}

/* ---- the header ---- */

static void header_fault(struct csv_decoder *v, const char *what, struct str shown_text) {
    char shown[DECODE_SHOWN_BYTES];
    str_printable(shown_text, shown, sizeof(shown));
    struct buf text = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&text, "the header record is not usable: %s: '%s'", what, shown);
    size_t len = text.len < sizeof(v->header_fault) - 1 ? text.len : sizeof(v->header_fault) - 1;
    memcpy(v->header_fault, text.data, len);
    v->header_fault[len] = '\0';
    buf_release(&text);
}

static void bind_columns(struct csv_decoder *v, struct csv_field *field) {
    const struct contract *c = v->base.contract;
    field->column = -1;
    for (size_t i = c->schema.count; i > 0; i--) {
        if (str_equal_c(field->name, c->columns[i - 1].path[0])) {
            v->same_name[i - 1] = field->column;
            field->column = (int)(i - 1);
        }
    }
}

static bool header_has(const struct csv_decoder *v, struct str name) {
    for (size_t i = 0; i < v->field_count; i++) {
        if (str_equal(v->fields[i].name, name)) {
            return true;
        }
    }
    return false;
}

static enum err_code read_header(struct csv_decoder *v, struct str meta, struct err *err) {
    v->header_fault[0] = '\0';
    v->field_count = 0;
    arena_reset(&v->header_own);
    if (str_starts_with(meta, STR("\xEF\xBB\xBF"))) {
        meta = (struct str){meta.ptr + 3, meta.len - 3};
    }
    if (!str_is_utf8(meta)) {
        header_fault(v, "not UTF-8", meta);
        return ERR_NONE;
    }
    struct csv_split s;
    struct csv_cell cell;
    split_begin(&s, &v->options, meta);
    while (split_next(&s, &cell)) {
        struct str name;
        enum err_code code = cell_text(v, &cell, &v->header_own, &name, err);
        if (code != ERR_NONE) {
            return code;
        }
        if (v->field_count == CSV_CELLS_MAX) {
            header_fault(v, "more than 4096 cells, at", name);
            return ERR_NONE;
        }
        if (header_has(v, name)) {
            header_fault(v, "two cells have the same name", name);
            return ERR_NONE;
        }
        v->fields[v->field_count] = (struct csv_field){.name = name};
        bind_columns(v, &v->fields[v->field_count]);
        v->field_count++;
    }
    if (s.fault != NULL) {
        header_fault(v, s.fault, (struct str){s.fault_at, (size_t)(s.end - s.fault_at)});
    }
    return ERR_NONE;
}

static enum err_code begin_csv(struct decoder *d, const struct batch *b, struct err *err) {
    struct csv_decoder *v = (struct csv_decoder *)d;
    struct str meta = batch_meta(b);
    if (!v->has_header || !str_equal(buf_str(&v->header), meta)) {
        v->has_header = false;
        buf_clear(&v->header);
        enum err_code code = buf_add(&v->header, meta.ptr, meta.len, err);
        if (code == ERR_NONE) {
            code = read_header(v, buf_str(&v->header), err);
        }
        if (code != ERR_NONE) {
            return err_wrap(err, "the CSV header record");
        }
        v->has_header = true;
    }
    for (size_t i = 0; i < v->field_count; i++) {
        v->fields[i].drift_index = -1;
    }
    return ERR_NONE;
}

/* ---- records ---- */

static enum err_code take_cell(struct csv_decoder *v, size_t number, const struct csv_cell *cell,
                               int64_t offset, struct err *err) {
    struct decoder *d = &v->base;
    const struct csv_field *field = &v->fields[number];
    bool is_null = !cell->is_quoted && str_equal(cell->raw, v->options.null_text);
    uint8_t kind = is_null ? FIELD_NULL : FIELD_STRING;
    v->cell_kinds[number] = kind;
    if (field->column < 0) {
        if (d->contract->unknown == UNKNOWN_REJECT && !d->fault.is_set) {
            char shown[DECODE_SHOWN_BYTES];
            str_printable(field->name, shown, sizeof(shown));
            decode_fault(d, REJECT_UNKNOWN_FIELD, -1, offset, "the field '%s' is not declared",
                         shown);
        }
        return ERR_NONE;
    }
    struct str text = {0};
    enum err_code code = cell_text(v, cell, d->arena, &text, err);
    for (int i = field->column; i >= 0 && code == ERR_NONE; i = v->same_name[i]) {
        d->kinds[i] = kind;
        if (!is_null && !d->fault.is_set) {
            struct cell_origin o = {text, offset};
            code = cell_set_from_text(d, (size_t)i, text, &o, err);
        }
    }
    return code;
}

static enum err_code record_csv(struct decoder *d, struct str record, struct err *err) {
    struct csv_decoder *v = (struct csv_decoder *)d;
    if (v->header_fault[0] != '\0') {
        decode_malformed(d, -1, "%s", v->header_fault);
        return ERR_NONE;
    }
    if (!str_is_utf8(record)) {
        decode_malformed(d, (int64_t)text_utf8_prefix(record), "not CSV: not UTF-8");
        return ERR_NONE;
    }
    struct csv_split s;
    struct csv_cell cell;
    size_t count = 0;
    split_begin(&s, &v->options, record);
    for (; split_next(&s, &cell); count++) {
        if (count < v->field_count) {
            enum err_code code = take_cell(v, count, &cell, cell.raw.ptr - s.begin, err);
            if (code != ERR_NONE) {
                return code;
            }
        }
    }
    if (s.fault != NULL) {
        char shown[DECODE_SHOWN_BYTES];
        str_printable((struct str){s.fault_at, (size_t)(s.end - s.fault_at)}, shown, sizeof(shown));
        decode_malformed(d, s.fault_at - s.begin, "not CSV: %s, at byte %lld: %s", s.fault,
                         (long long)(s.fault_at - s.begin), shown);
    } else if (count != v->field_count) {
        decode_malformed(d, -1, "the record has %zu cells, the header has %zu", count,
                         v->field_count);
    }
    return ERR_NONE;
}

static enum err_code note_csv(struct decoder *d, struct err *err) {
    struct csv_decoder *v = (struct csv_decoder *)d;
    for (size_t i = 0; i < v->field_count && d->contract->unknown == UNKNOWN_NOTE; i++) {
        if (v->fields[i].column >= 0) {
            continue;
        }
        enum err_code code = decode_note_field(d, v->fields[i].name, v->cell_kinds[i],
                                               &v->fields[i].drift_index, err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

static void release_csv(struct decoder *d) {
    struct csv_decoder *v = (struct csv_decoder *)d;
    buf_release(&v->header);
    arena_release(&v->header_own);
}

static const struct decoder_ops csv_ops = {
    .begin = begin_csv, .record = record_csv, .note = note_csv, .release = release_csv};

enum err_code decoder_new_csv(const struct contract *c, const struct csv_options *options,
                              struct decoder **out, struct err *err) {
    char delimiter = options->delimiter;
    char quote = options->quote;
    struct csv_decoder *v = mem_alloc(sizeof(*v));
    buf_init(&v->header, CSV_HEADER_BYTES_MAX);
    arena_init(&v->header_own, CSV_HEADER_BYTES_MAX * 4);
    enum err_code code = decode_base_init(&v->base, &csv_ops, c, false, err);
    if (code == ERR_NONE && (delimiter == quote || delimiter == '\0' || delimiter == '\n' ||
                             delimiter == '\r' || quote == '\n' || quote == '\r' ||
                             ((unsigned char)delimiter | (unsigned char)quote) >= 0x80)) {
        code = err_set(err, ERR_CONFIG,
                       "delimiter and quote must be two different ASCII characters, neither of "
                       "them a line end");
    }
    if (code != ERR_NONE) {
        decoder_free(&v->base);
        return code;
    }
    v->options = *options;
    if (options->null_text.len > 0) {
        char *copy = arena_strndup(&v->base.own, options->null_text.ptr, options->null_text.len);
        v->options.null_text.ptr = copy;
    }
    v->fields = arena_new(&v->base.own, CSV_CELLS_MAX * sizeof(struct csv_field));
    v->cell_kinds = arena_new(&v->base.own, CSV_CELLS_MAX);
    v->same_name = arena_new(&v->base.own, c->schema.count * sizeof(int));
    *out = &v->base;
    return ERR_NONE;
}
