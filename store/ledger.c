/* Marks, ledger, rejects, drift, troubles and the state of transforms. */
#include <stdio.h>

#include "base/clock.h"
#include "store/driver.h"

static void bind_version(struct store *s, struct store_statement *st, int index) {
    if (s->version[0] == '\0') {
        hash128_to_hex(s->flow->version, s->version);
    }
    store_bind_str(st, index, str_of(s->version));
}

enum err_code store_mark_get(struct store *s, const char *transform, int64_t partition,
                             int64_t *seq, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, FIXED_MARK_GET, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(transform));
    store_bind_i64(st, 2, partition);
    bool found = false;
    code = store_step(st, &found, err);
    if (code == ERR_NONE) {
        *seq = found ? store_column_i64(st, 0) : 0;
    }
    store_reset(st);
    return code;
}

enum err_code store_mark_set(struct store *s, const char *transform, int64_t partition, int64_t seq,
                             struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, FIXED_MARK_SET, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(transform));
    store_bind_i64(st, 2, partition);
    store_bind_i64(st, 3, seq);
    store_bind_i64(st, 4, clock_now_us());
    return store_run(st, NULL, err);
}

enum err_code store_ledger_add(struct store *s, int64_t batch, const char *transform,
                               const struct ledger_line *line, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, FIXED_LEDGER_ADD, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    const int64_t numbers[] = {line->rows_in,    line->records_out, line->rows_out,
                               line->filtered,   line->rejected,    line->inserted,
                               line->updated,    line->unchanged,   line->deleted,
                               line->superseded, line->taken_back,  line->duration_us};
    store_bind_i64(st, 1, batch);
    store_bind_str(st, 2, str_of(transform));
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        store_bind_i64(st, (int)i + 3, numbers[i]);
    }
    bind_version(s, st, 15);
    store_bind_i64(st, 16, clock_now_us());
    return store_run(st, NULL, err);
}

enum err_code store_reject_add(struct store *s, int64_t batch, const char *transform,
                               const struct reject *r, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, FIXED_REJECT_ADD, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_i64(st, 1, batch);
    store_bind_i64(st, 2, r->pos);
    store_bind_str(st, 3, str_of(transform));
    store_bind_str(st, 4, str_of(reject_reason_name(r->reason)));
    if (r->column != NULL) {
        store_bind_str(st, 5, str_of(r->column));
    }
    if (r->offset >= 0) {
        store_bind_i64(st, 6, r->offset);
    }
    store_bind_str(st, 7, r->message);
    bind_version(s, st, 8);
    store_bind_i64(st, 9, clock_now_us());
    return store_run(st, NULL, err);
}

enum err_code store_rejects_take_back(struct store *s, int64_t partition,
                                      const struct store_live *live, int64_t by, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, FIXED_REJECTS_TAKE_BACK, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    const int64_t numbers[] = {partition, live->seq, live->low, live->high, by};
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        store_bind_i64(st, (int)i + 1, numbers[i]);
    }
    return store_run(st, NULL, err);
}

/* ---- drift ---- */

struct field {
    const struct flow_source *source;
    struct str path;
    bool declared;
    unsigned kinds;
    int64_t records;
    int64_t batch;
};

static void kinds_text(unsigned kinds, char *out, size_t size) {
    static const char *const names[] = {"string", "integer", "number", "boolean",
                                        "object", "array",   "null"};
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if ((kinds & (1u << i)) != 0) {
            int n = snprintf(out + used, size - used, "%s%s", used > 0 ? ", " : "", names[i]);
            used += n > 0 ? (size_t)n : 0;
        }
    }
}

static enum err_code event_add(struct store *s, const struct field *f, const char *event,
                               const char *detail, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, FIXED_EVENT_ADD, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(f->source->name));
    store_bind_str(st, 2, f->path);
    store_bind_str(st, 3, str_of(event));
    store_bind_str(st, 4, str_of(detail));
    store_bind_i64(st, 5, f->batch);
    store_bind_i64(st, 6, clock_now_us());
    return store_run(st, NULL, err);
}

static enum err_code field_known(struct store *s, const struct field *f, bool *known,
                                 unsigned *kinds, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, FIXED_FIELD_GET, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(f->source->name));
    store_bind_str(st, 2, f->path);
    code = store_step(st, known, err);
    *kinds = code == ERR_NONE && *known ? (unsigned)store_column_i64(st, 0) : 0;
    store_reset(st);
    return code;
}

static enum err_code field_store(struct store *s, const struct field *f, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, FIXED_FIELD_SET, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(f->source->name));
    store_bind_str(st, 2, f->path);
    store_bind_i64(st, 3, f->declared);
    store_bind_i64(st, 4, f->kinds);
    store_bind_i64(st, 5, f->records);
    store_bind_i64(st, 6, f->batch);
    return store_run(st, NULL, err);
}

/* One event for a field not seen before, for kinds not seen before, for a field that stopped
 * coming. `missing` is a bit of its own in kinds, so that the event is recorded once until the
 * field comes back. */
#define FIELD_MISSING 128u

static enum err_code field_note(struct store *s, struct field *f, struct err *err) {
    bool known = false;
    unsigned before = 0;
    enum err_code code = field_known(s, f, &known, &before, err);
    if (code != ERR_NONE) {
        return code;
    }
    char detail[160];
    unsigned fresh = f->kinds & ~before & ~(unsigned)FIELD_NULL;
    if (f->records == 0) {
        if (!known || (before & FIELD_MISSING) != 0) {
            return ERR_NONE;
        }
        f->kinds = FIELD_MISSING;
        code = event_add(s, f, "missing_field",
                         "declared, came before, and in no record of this batch", err);
    } else if (!known && !f->declared) {
        kinds_text(f->kinds, detail, sizeof(detail));
        code = event_add(s, f, "new_field", detail, err);
    } else if (known && fresh != 0 && (before & ~(FIELD_MISSING | (unsigned)FIELD_NULL)) != 0) {
        char was[160];
        kinds_text(before & ~FIELD_MISSING, was, sizeof(was));
        kinds_text(fresh, detail, sizeof(detail));
        char both[340];
        (void)snprintf(both, sizeof(both), "%s, was %s", detail, was);
        code = event_add(s, f, "changed_type", both, err);
    }
    return code == ERR_NONE ? field_store(s, f, err) : code;
}

enum err_code store_drift_add(struct store *s, const struct flow_source *source, int64_t batch,
                              const struct drift *d, struct err *err) {
    enum err_code code = ERR_NONE;
    if (d->records == 0) {
        return ERR_NONE;
    }
    const struct contract *c = &source->contract;
    for (size_t i = 0; code == ERR_NONE && i < c->schema.count; i++) {
        AUTO_BUF path = BUF_INIT(BUF_TEXT_MAX);
        for (size_t k = 0; k < c->columns[i].path_depth; k++) {
            buf_addf(&path, "/%s", c->columns[i].path[k]);
        }
        struct field f = {source, buf_str(&path), true, d->column_kinds[i], d->column_present[i],
                          batch};
        code = field_note(s, &f, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < d->field_count; i++) {
        struct field f = {
            source, d->fields[i].path, false, d->fields[i].kinds, d->fields[i].records, batch};
        code = field_note(s, &f, err);
    }
    return code;
}

/* ---- troubles and transforms ---- */

enum err_code store_trouble_set(struct store *s, const char *source, const char *partition,
                                const struct err *trouble, struct err *err) {
    bool clear = trouble->code == ERR_NONE;
    struct store_statement *st = NULL;
    enum err_code code = store_fixed(s, clear ? FIXED_TROUBLE_CLEAR : FIXED_TROUBLE_SET, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(source));
    store_bind_str(st, 2, str_of(partition));
    if (!clear) {
        store_bind_str(st, 3, str_of(err_class(trouble->code)));
        store_bind_str(st, 4, str_of(trouble->where));
        store_bind_str(st, 5, str_of(trouble->message));
        store_bind_i64(st, 6, clock_now_us());
    }
    return store_run(st, NULL, err);
}

static const char *const kind_names[] = {
    [TRANSFORM_MAP] = "map", [TRANSFORM_SUM] = "sum", [TRANSFORM_DERIVE] = "derive"};

static enum err_code definition_record(struct store *s, const struct flow_transform *t,
                                       const uint8_t definition[16], struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(s,
                                       "INSERT INTO _plumb_transforms(name, kind, into_table, "
                                       "definition, version, since_version_us, attempts) "
                                       "VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
                                       &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(t->name));
    store_bind_str(st, 2, str_of(kind_names[t->kind]));
    store_bind_str(st, 3, str_of(t->into->name));
    store_bind_blob(st, 4, (struct str){(const char *)definition, 16});
    bind_version(s, st, 5);
    store_bind_i64(st, 6, clock_now_us());
    code = store_run(st, NULL, err);
    store_statement_free(st);
    return code;
}

enum err_code store_definition_claim(struct store *s, const struct flow_transform *t, bool *fresh,
                                     struct err *err) {
    uint8_t definition[16];
    hash128_to_bytes(t->definition, definition);
    struct store_statement *st = NULL;
    enum err_code code =
        store_prepare(s, "SELECT definition FROM _plumb_transforms WHERE name = ?1", &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(t->name));
    bool known = false;
    code = store_step(st, &known, err);
    bool same = code == ERR_NONE && known &&
                str_equal(store_column_str(st, 0),
                          (struct str){(const char *)definition, sizeof(definition)});
    store_statement_free(st);
    if (code != ERR_NONE) {
        return code;
    }
    if (known && !same) {
        return node_error(
            t->node, err,
            "transform '%s' changed since it last ran on this store, so table '%s' holds rows made "
            "by "
            "the old definition. Rebuild from the staged raw data with `plumb replay %s`, or put "
            "the old definition back",
            t->name, t->into->name, s->flow->path);
    }
    *fresh = !known;
    return known ? ERR_NONE : definition_record(s, t, definition, err);
}

enum err_code store_transform_state(struct store *s, const char *transform,
                                    const struct err *failure, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code =
        store_fixed(s, failure == NULL ? FIXED_STATE_OK : FIXED_STATE_FAILED, &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(transform));
    if (failure != NULL) {
        store_bind_str(st, 2, str_of(err_class(failure->code)));
        store_bind_str(st, 3, str_of(failure->message));
        store_bind_i64(st, 4, clock_now_us());
    }
    return store_run(st, NULL, err);
}
