/* Marks, ledger, rejects, drift, troubles and the state of transforms. */
#include <stdio.h>

#include "base/clock.h"
#include "store/sqlite/sqlite_store.h"

#define VERSION_HEX_BYTES HASH128_HEX_BYTES

static void bind_version(struct store *s, sqlite3_stmt *stmt, int index) {
    char hex[VERSION_HEX_BYTES];
    hash128_to_hex(s->flow->version, hex);
    sqlite3_bind_text(stmt, index, hex, -1, SQLITE_TRANSIENT);
}

enum err_code store_mark_get(struct store *s, const char *transform, int64_t partition,
                             int64_t *seq, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, FIXED_MARK_GET, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(transform));
    sqlite3_bind_int64(stmt, 2, partition);
    bool found = false;
    code = sqlite_row(s, stmt, "read mark", &found, err);
    if (code == ERR_NONE) {
        *seq = found ? sqlite3_column_int64(stmt, 0) : 0;
    }
    sqlite3_reset(stmt);
    return code;
}

enum err_code store_mark_set(struct store *s, const char *transform, int64_t partition, int64_t seq,
                             struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, FIXED_MARK_SET, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(transform));
    sqlite3_bind_int64(stmt, 2, partition);
    sqlite3_bind_int64(stmt, 3, seq);
    sqlite3_bind_int64(stmt, 4, clock_now_us());
    return sqlite_finish(s, stmt, "set mark", err);
}

enum err_code store_ledger_add(struct store *s, int64_t batch, const char *transform,
                               const struct ledger_line *line, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, FIXED_LEDGER_ADD, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    const int64_t numbers[] = {line->rows_in,    line->records_out, line->rows_out,
                               line->filtered,   line->rejected,    line->inserted,
                               line->updated,    line->unchanged,   line->deleted,
                               line->superseded, line->taken_back,  line->duration_us};
    sqlite3_bind_int64(stmt, 1, batch);
    sqlite_bind(stmt, 2, str_of(transform));
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        sqlite3_bind_int64(stmt, (int)i + 3, numbers[i]);
    }
    bind_version(s, stmt, 15);
    sqlite3_bind_int64(stmt, 16, clock_now_us());
    return sqlite_finish(s, stmt, "add ledger line", err);
}

enum err_code store_reject_add(struct store *s, int64_t batch, const char *transform,
                               const struct reject *r, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, FIXED_REJECT_ADD, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite3_bind_int64(stmt, 1, batch);
    sqlite3_bind_int64(stmt, 2, r->pos);
    sqlite_bind(stmt, 3, str_of(transform));
    sqlite_bind(stmt, 4, str_of(reject_reason_name(r->reason)));
    if (r->column != NULL) {
        sqlite_bind(stmt, 5, str_of(r->column));
    }
    if (r->offset >= 0) {
        sqlite3_bind_int64(stmt, 6, r->offset);
    }
    sqlite_bind(stmt, 7, r->message);
    bind_version(s, stmt, 8);
    sqlite3_bind_int64(stmt, 9, clock_now_us());
    return sqlite_finish(s, stmt, "add reject", err);
}

enum err_code store_rejects_take_back(struct store *s, int64_t partition,
                                      const struct store_live *live, int64_t by, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, FIXED_REJECTS_TAKE_BACK, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    const int64_t numbers[] = {partition, live->seq, live->low, live->high, by};
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        sqlite3_bind_int64(stmt, (int)i + 1, numbers[i]);
    }
    return sqlite_finish(s, stmt, "take rejects back", err);
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
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, FIXED_EVENT_ADD, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(f->source->name));
    sqlite_bind(stmt, 2, f->path);
    sqlite_bind(stmt, 3, str_of(event));
    sqlite_bind(stmt, 4, str_of(detail));
    sqlite3_bind_int64(stmt, 5, f->batch);
    sqlite3_bind_int64(stmt, 6, clock_now_us());
    return sqlite_finish(s, stmt, "add schema event", err);
}

static enum err_code field_known(struct store *s, const struct field *f, bool *known,
                                 unsigned *kinds, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, FIXED_FIELD_GET, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(f->source->name));
    sqlite_bind(stmt, 2, f->path);
    code = sqlite_row(s, stmt, "read field", known, err);
    *kinds = code == ERR_NONE && *known ? (unsigned)sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return code;
}

static enum err_code field_store(struct store *s, const struct field *f, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_fixed(s, FIXED_FIELD_SET, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(f->source->name));
    sqlite_bind(stmt, 2, f->path);
    sqlite3_bind_int64(stmt, 3, f->declared);
    sqlite3_bind_int64(stmt, 4, f->kinds);
    sqlite3_bind_int64(stmt, 5, f->records);
    sqlite3_bind_int64(stmt, 6, f->batch);
    return sqlite_finish(s, stmt, "note field", err);
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
    sqlite3_stmt *stmt = NULL;
    enum err_code code =
        sqlite_fixed(s, clear ? FIXED_TROUBLE_CLEAR : FIXED_TROUBLE_SET, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(source));
    sqlite_bind(stmt, 2, str_of(partition));
    if (!clear) {
        sqlite_bind(stmt, 3, str_of(err_class(trouble->code)));
        sqlite_bind(stmt, 4, str_of(trouble->where));
        sqlite_bind(stmt, 5, str_of(trouble->message));
        sqlite3_bind_int64(stmt, 6, clock_now_us());
    }
    return sqlite_finish(s, stmt, "record trouble", err);
}

static const char *const kind_names[] = {
    [TRANSFORM_MAP] = "map", [TRANSFORM_SUM] = "sum", [TRANSFORM_DERIVE] = "derive"};

static enum err_code definition_record(struct store *s, const struct flow_transform *t,
                                       const uint8_t definition[16], struct err *err) {
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_prepare(s,
                                        "INSERT INTO _plumb_transforms(name, kind, into_table, "
                                        "definition, version, since_version_us, attempts) "
                                        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
                                        &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(t->name));
    sqlite_bind(stmt, 2, str_of(kind_names[t->kind]));
    sqlite_bind(stmt, 3, str_of(t->into->name));
    sqlite3_bind_blob(stmt, 4, definition, 16, SQLITE_STATIC);
    bind_version(s, stmt, 5);
    sqlite3_bind_int64(stmt, 6, clock_now_us());
    code = sqlite_finish(s, stmt, "record definition", err);
    sqlite3_finalize(stmt);
    return code;
}

enum err_code store_definition_claim(struct store *s, const struct flow_transform *t, bool *fresh,
                                     struct err *err) {
    uint8_t definition[16];
    hash128_to_bytes(t->definition, definition);
    sqlite3_stmt *stmt = NULL;
    enum err_code code =
        sqlite_prepare(s, "SELECT definition FROM _plumb_transforms WHERE name = ?1", &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(t->name));
    bool known = false;
    code = sqlite_row(s, stmt, "read definition", &known, err);
    bool same =
        code == ERR_NONE && known &&
        str_equal(sqlite_text(stmt, 0), (struct str){(const char *)definition, sizeof(definition)});
    sqlite3_finalize(stmt);
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
    sqlite3_stmt *stmt = NULL;
    enum err_code code =
        sqlite_fixed(s, failure == NULL ? FIXED_STATE_OK : FIXED_STATE_FAILED, &stmt, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_bind(stmt, 1, str_of(transform));
    if (failure != NULL) {
        sqlite_bind(stmt, 2, str_of(err_class(failure->code)));
        sqlite_bind(stmt, 3, str_of(failure->message));
        sqlite3_bind_int64(stmt, 4, clock_now_us());
    }
    return sqlite_finish(s, stmt, "record state", err);
}
