/* How decoding a batch works: for every whole record the format's record() sets cells of the row
 * being built, notes in kinds[] which declared columns it met, and keeps the first fault. Then
 * finish_record() here fills absent cells with NULL, checks `required`, notes drift, and either
 * commits the row or adds one reject. A row that turns out bad is simply not committed: the next
 * record overwrites its cells. */
#include "rows/decode_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STREAM_ROWS_START 256

/* ---- the common part of a decoder ---- */

static enum err_code rule_bound(const struct contract_column *col, const struct value *bound,
                                const char *name, bool *out, struct err *err) {
    *out = false;
    if (bound->is_null) {
        return ERR_NONE;
    }
    bool is_length = col->type == TYPE_TEXT || col->type == TYPE_BYTES;
    if (col->type == TYPE_JSON || col->type == TYPE_BOOL) {
        return err_set(err, ERR_CONFIG, "column '%s': a %s has no %s", col->name,
                       type_name(col->type), name);
    }
    if (is_length ? !type_is_integer(bound->type) : bound->type != col->type) {
        return err_set(err, ERR_CONFIG, "column '%s': %s is a %s, the column is %s", col->name,
                       name, type_name(bound->type), type_name(col->type));
    }
    *out = true;
    return ERR_NONE;
}

static enum err_code rule_one_of(struct arena *own, struct column_rule *rule, struct err *err) {
    const struct contract_column *col = rule->column;
    if (col->one_of == NULL) {
        return ERR_NONE;
    }
    rule->one_of = arena_new(own, (col->one_of_count + 1) * sizeof(struct value));
    rule->one_of_count = col->one_of_count;
    for (size_t i = 0; i < col->one_of_count; i++) {
        struct str text = str_of(col->one_of[i]);
        char *scratch = arena_new(own, text.len + 40);
        if (!value_parse(col->type, text, col->timestamp_unit_us, scratch, &rule->one_of[i])) {
            return err_set(err, ERR_CONFIG, "column '%s': one_of has '%s', which is not %s",
                           col->name, col->one_of[i], type_name(col->type));
        }
    }
    return ERR_NONE;
}

/* Paths in messages: a JSON pointer, or the name of the header or group. */
static char *rule_path(struct arena *own, const struct contract_column *col, bool is_json) {
    if (!is_json) {
        return arena_strdup(own, col->path[0]);
    }
    size_t len = 1;
    for (size_t i = 0; i < col->path_depth; i++) {
        len += 1 + 2 * strlen(col->path[i]);
    }
    char *path = arena_new(own, len);
    char *p = path;
    for (size_t i = 0; i < col->path_depth; i++) {
        *p++ = '/';
        for (const char *c = col->path[i]; *c != '\0'; c++) {
            if (*c == '~' || *c == '/') {
                *p++ = '~';
                *p++ = *c == '~' ? '0' : '1';
            } else {
                *p++ = *c;
            }
        }
    }
    return path;
}

static enum err_code rule_init(struct decoder *d, size_t i, struct err *err) {
    struct column_rule *rule = &d->rules[i];
    const struct contract_column *col = &d->contract->columns[i];
    ASSERT(col->path_depth >= 1 && col->path_depth <= CONTRACT_PATH_DEPTH_MAX);
    ASSERT(col->type == d->contract->schema.columns[i].type);
    rule->column = col;
    rule->type = col->type;
    rule->path = rule_path(&d->own, col, d->is_json);
    if (!d->is_json && col->path_depth != 1) {
        return err_set(err, ERR_CONFIG,
                       "column '%s': a path into records that are not JSON has one "
                       "part, this has %zu",
                       col->name, col->path_depth);
    }
    enum err_code code = rule_bound(col, &col->min, "min", &rule->has_min, err);
    if (code == ERR_NONE) {
        code = rule_bound(col, &col->max, "max", &rule->has_max, err);
    }
    if (code == ERR_NONE) {
        code = rule_one_of(&d->own, rule, err);
    }
    rule->has_checks = rule->has_min || rule->has_max || rule->one_of != NULL;
    return code;
}

enum err_code decode_base_init(struct decoder *d, const struct decoder_ops *ops,
                               const struct contract *c, bool is_json, struct err *err) {
    ASSERT(c->schema.count > 0 && c->schema.count <= SCHEMA_COLUMNS_MAX);
    d->ops = ops;
    d->contract = c;
    d->only = (struct stream){.name = "", .schema = c->schema};
    d->streams_of = &d->only;
    d->stream_count = 1;
    d->column_count = c->schema.count;
    d->is_json = is_json;
    arena_init(&d->own, DECODE_OWN_MAX);
    d->rules = arena_new(&d->own, d->column_count * sizeof(struct column_rule));
    d->kinds = arena_new(&d->own, d->column_count);
    for (size_t i = 0; i < d->column_count; i++) {
        enum err_code code = rule_init(d, i, err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

void decode_base_init_streams(struct decoder *d, const struct decoder_ops *ops,
                              const struct stream *streams, size_t count) {
    static const struct contract none;
    ASSERT(count > 0 && count <= STREAMS_MAX);
    d->ops = ops;
    d->contract = &none;
    d->streams_of = streams;
    d->stream_count = count;
    d->is_json = true;
    arena_init(&d->own, DECODE_OWN_MAX);
    d->kinds = arena_new(&d->own, 1);
}

enum err_code decode_choose(struct decoder *d, size_t index, struct err *err) {
    ASSERT(index < d->stream_count);
    d->rows = &d->streams[index];
    return d->rows->count < d->rows->capacity ? ERR_NONE
                                              : rows_grow(d->rows, 2 * d->rows->capacity, err);
}

void decoder_free(struct decoder *d) {
    if (d == NULL) {
        return;
    }
    d->ops->release(d);
    arena_release(&d->own);
    mem_free(d);
}

/* ---- faults ---- */

static void fault_set(struct decoder *d, enum reject_reason reason, const char *column,
                      int64_t offset) {
    d->fault.is_set = true;
    d->fault.reason = reason;
    d->fault.column = column;
    d->fault.offset = offset;
}

void decode_fault(struct decoder *d, enum reject_reason reason, int column, int64_t offset,
                  const char *fmt, ...) {
    if (d->fault.is_set) {
        return;
    }
    fault_set(d, reason, column < 0 ? NULL : d->rules[column].column->name, offset);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(d->fault.message, sizeof(d->fault.message), fmt, args); /* cut is fine */
    va_end(args);
}

void decode_malformed(struct decoder *d, int64_t offset, const char *fmt, ...) {
    fault_set(d, REJECT_MALFORMED, NULL, offset);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(d->fault.message, sizeof(d->fault.message), fmt, args); /* cut is fine */
    va_end(args);
}

void decode_cell_fault(struct decoder *d, enum reject_reason reason, size_t column,
                       const struct cell_origin *o, const char *fmt, ...) {
    if (d->fault.is_set) {
        return;
    }
    const struct column_rule *rule = &d->rules[column];
    fault_set(d, reason, rule->column->name, o->offset);
    char shown[DECODE_SHOWN_BYTES];
    str_printable(o->raw, shown, sizeof(shown));
    const char *quote = d->is_json ? "" : "\"";
    size_t room = sizeof(d->fault.message);
    int len = snprintf(d->fault.message, room, "column '%s' (%s): %s%s%s ", rule->column->name,
                       rule->path, quote, shown, quote);
    if (len < 0 || (size_t)len >= room) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(d->fault.message + len, room - (size_t)len, fmt, args); /* cut is fine */
    va_end(args);
}

/* ---- drift ---- */

enum err_code decode_note_field(struct decoder *d, struct str path, unsigned kinds, int *index,
                                struct err *err) {
    struct drift *drift = d->drift;
    if (*index < 0) {
        if (drift->field_count == DRIFT_FIELDS_MAX) {
            drift->overflow++;
            return ERR_NONE;
        }
        struct drift_field *field = &drift->fields[drift->field_count];
        path.len = path.len < DRIFT_NAME_BYTES_MAX ? path.len : DRIFT_NAME_BYTES_MAX;
        while (path.len > 0 && !str_is_utf8(path)) {
            path.len--; /* the cut fell into a character */
        }
        enum err_code code = arena_copy(d->arena, path, &field->path, err);
        if (code != ERR_NONE) {
            return code;
        }
        field->kinds = 0;
        field->records = 0;
        *index = (int)drift->field_count++;
    }
    drift->fields[*index].kinds |= kinds;
    drift->fields[*index].records++;
    return ERR_NONE;
}

/* Absent columns become NULL or, when required, a fault; kinds go to drift and are 0 again. */
static void finish_columns(struct decoder *d) {
    for (size_t i = 0; i < d->column_count; i++) {
        unsigned kind = d->kinds[i];
        d->kinds[i] = 0;
        d->drift->column_kinds[i] |= kind;
        d->drift->column_present[i] += kind != 0;
        if (LIKELY(kind != 0 && kind != FIELD_NULL)) {
            continue;
        }
        rows_set_null(d->rows, i);
        const struct column_rule *rule = &d->rules[i];
        if (rule->column->required) {
            decode_fault(d, REJECT_MISSING, (int)i, -1, "column '%s' (%s): required, but %s",
                         rule->column->name, rule->path, kind == 0 ? "absent" : "null");
        }
    }
}

static enum err_code finish_record(struct decoder *d, uint32_t pos, struct err *err) {
    bool is_malformed = d->fault.is_set && d->fault.reason == REJECT_MALFORMED;
    if (UNLIKELY(is_malformed)) {
        memset(d->kinds, 0, d->column_count);
    } else {
        d->drift->records++;
        finish_columns(d); /* none when there are several streams */
        if (d->ops->note != NULL) {
            enum err_code code = d->ops->note(d, err);
            if (code != ERR_NONE) {
                return code;
            }
        }
    }
    if (LIKELY(!d->fault.is_set)) {
        rows_commit(d->rows, pos);
        return ERR_NONE;
    }
    const struct decode_fault *f = &d->fault;
    return reject_list_add(d->rejects, pos, f->reason, f->column, f->offset, err, "%s", f->message);
}

/* ---- the batch ---- */

static enum err_code reject_unread(struct decoder *d, struct record r, uint32_t pos,
                                   struct err *err) {
    char shown[DECODE_SHOWN_BYTES];
    if (r.kind == RECORD_TOO_LARGE) {
        /* Behind the prefix the source says where the whole record is. */
        size_t cut = r.bytes.len < BATCH_PREFIX_BYTES ? r.bytes.len : BATCH_PREFIX_BYTES;
        str_printable((struct str){r.bytes.ptr + cut, r.bytes.len - cut}, shown, sizeof(shown));
        return reject_list_add(d->rejects, pos, REJECT_TOO_LARGE, NULL, -1, err,
                               "longer than the source's record limit;%s", shown);
    }
    str_printable(r.bytes, shown, sizeof(shown));
    return reject_list_add(d->rejects, pos, REJECT_MALFORMED, NULL, -1, err,
                           "no record could be cut out here: %s", shown);
}

static enum err_code decode_records(struct decoder *d, const struct batch *b, struct err *err) {
    for (uint32_t pos = 0; pos < b->count; pos++) {
        struct record r = batch_record(b, pos);
        enum err_code code = ERR_NONE;
        if (UNLIKELY(r.kind != RECORD_WHOLE)) {
            code = reject_unread(d, r, pos, err);
        } else {
            /* The scanners load whole words; the padding of a sealed batch makes that safe. */
            ASSERT(r.bytes.ptr + r.bytes.len + BATCH_PADDING <= b->raw.data + b->raw.len);
            d->fault.is_set = false;
            code = d->ops->record(d, r.bytes, err);
            if (code == ERR_NONE) {
                code = finish_record(d, pos, err);
            }
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

/* With one stream every record may become a row of it; of several, each grows as it is chosen. */
static enum err_code begin_streams(struct decoder *d, const struct batch *b, struct arena *arena,
                                   struct decoded *out, struct err *err) {
    void *streams = NULL;
    enum err_code code = arena_alloc(arena, d->stream_count * sizeof(struct rows), &streams, err);
    size_t all = b->count > 0 ? b->count : 1;
    size_t capacity = d->stream_count > 1 && all > STREAM_ROWS_START ? STREAM_ROWS_START : all;
    out->streams = streams;
    out->stream_count = d->stream_count;
    for (size_t i = 0; code == ERR_NONE && i < d->stream_count; i++) {
        code = rows_init(&out->streams[i], &d->streams_of[i].schema, arena, capacity, err);
    }
    return code;
}

size_t decoded_rows(const struct decoded *d) {
    size_t rows = 0;
    for (size_t i = 0; i < d->stream_count; i++) {
        rows += d->streams[i].count;
    }
    return rows;
}

enum err_code decoder_run(struct decoder *d, const struct batch *b, struct arena *arena,
                          struct decoded *out, struct err *err) {
    enum err_code code = begin_streams(d, b, arena, out, err);
    if (code != ERR_NONE) {
        return code;
    }
    reject_list_init(&out->rejects, arena);
    code = drift_init(&out->drift, d->contract, arena, err);
    if (code != ERR_NONE) {
        return code;
    }
    d->arena = arena;
    d->streams = out->streams;
    d->rows = &out->streams[0];
    d->rejects = &out->rejects;
    d->drift = &out->drift;
    memset(d->kinds, 0, d->column_count); /* a run that ended in an error left some */
    if (d->ops->begin != NULL) {
        code = d->ops->begin(d, b, err);
    }
    if (code == ERR_NONE) {
        code = decode_records(d, b, err);
    }
    ASSERT(code != ERR_NONE || decoded_rows(out) + out->rejects.count == b->count);
    return code;
}
