/* How it works: a map must have a ledger line for each batch up to its mark and none beyond, and
 * its mark must be the partition's last batch; a sum or derive must have nothing left to do. */
#include "cli/audit.h"

#include <inttypes.h>

#include "cli/queues.h"

/* Of a source with several streams a map gets the rows of its own. */
static enum err_code check_stream(struct audit *a, const struct flow_transform *t,
                                  struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql,
             "SELECT p.source || ' ' || p.name || ', batch ' || b.seq || ', transform %s', "
             "l.rows_in || ' rows in, but the batch has ' || coalesce(s.records, 0) || ' of %s' "
             "FROM _plumb_ledger l JOIN _plumb_batches b ON b.id = l.batch JOIN _plumb_partitions "
             "p ON p.id = b.partition LEFT JOIN _plumb_streams s ON s.batch = l.batch AND s.stream "
             "= '%s' WHERE l.transform = '%s' AND l.rows_in <> coalesce(s.records, 0)",
             t->name, t->stream->name, t->stream->name, t->name);
    return audit_find_rows(a, buf_c(&sql), err);
}

static enum err_code check_map(struct audit *a, const struct flow_transform *t, struct err *err) {
    AUTO_BUF with = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&with,
             "WITH part AS (SELECT p.id, p.source || ' ' || p.name || ', transform %s' AS place, "
             "p.last_seq, coalesce(m.seq, 0) AS seq FROM _plumb_partitions p LEFT JOIN "
             "_plumb_marks m ON m.partition = p.id AND m.transform = '%s' WHERE p.source = '%s') ",
             t->name, t->name, t->source->name);
    static const char *const selects[] = {
        "SELECT place, (last_seq - seq) || ' of ' || last_seq || ' batches are not applied yet' "
        "FROM part WHERE seq < last_seq",
        "SELECT place, 'its mark is batch ' || seq || ', the last one staged is ' || last_seq FROM "
        "part WHERE seq > last_seq",
        "SELECT place || ', batch ' || b.seq, 'is applied by the mark, but has no ledger line' "
        "FROM part JOIN _plumb_batches b ON b.partition = part.id AND b.seq <= part.seq LEFT JOIN "
        "_plumb_ledger l ON l.batch = b.id AND l.transform = ",
        "SELECT place || ', batch ' || b.seq, 'has a ledger line, but is not applied by the mark' "
        "FROM part JOIN _plumb_batches b ON b.partition = part.id AND b.seq > part.seq JOIN "
        "_plumb_ledger l ON l.batch = b.id AND l.transform = "};
    static const size_t of_ledger = 2;
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(selects); i++) {
        AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
        buf_addf(&sql, "%s%s", buf_c(&with), selects[i]);
        if (i >= of_ledger) {
            buf_addf(&sql, "'%s'%s", t->name, i == of_ledger ? " WHERE l.batch IS NULL" : "");
        }
        code = audit_find_rows(a, buf_c(&sql), err);
    }
    if (code == ERR_NONE && t->source->stream_count > 1) {
        code = check_stream(a, t, err);
    }
    AUTO_BUF count = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&count, "SELECT count(*) FROM _plumb_partitions WHERE source = '%s'", t->source->name);
    return code == ERR_NONE ? audit_examine(a, buf_c(&count), err) : code;
}

static enum err_code audit_marks(struct audit *a, struct err *err) {
    const struct flow *flow = a->opened->flow;
    audit_begin(a, "marks",
                "every map has applied every batch of its source, with a ledger line for each");
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < flow->transform_count; i++) {
        if (flow->transforms[i].kind == TRANSFORM_MAP) {
            code = check_map(a, &flow->transforms[i], err);
        }
    }
    audit_end(a);
    return code;
}

static enum err_code audit_repairs(struct audit *a, struct err *err) {
    audit_begin(a, "repair", "no repair was begun and not ended");
    a->examined = 1;
    const enum err_code code = audit_find_rows(
        a,
        "SELECT 'repair', value || '; `plumb audit --repair --yes` goes on' FROM _plumb_meta "
        "WHERE key = 'repair'",
        err);
    audit_end(a);
    return code;
}

static enum err_code audit_queues(struct audit *a, struct err *err) {
    const struct flow *flow = a->opened->flow;
    audit_begin(a, "queues", "no sum or derive has changes waiting or keys that failed");
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < flow->transform_count; i++) {
        const struct flow_transform *t = &flow->transforms[i];
        struct queue_state state = {0};
        code = queue_state_get(a->opened, t, &state, err);
        if (code != ERR_NONE) {
            break;
        }
        a->examined += t->kind != TRANSFORM_MAP;
        if (state.waiting > 0) {
            audit_find(a, str_of(t->name),
                       "%" PRId64 " changes wait; `plumb run --once` applies them", state.waiting);
        }
        if (state.failed > 0) {
            audit_find(a, str_of(t->name), "%" PRId64 " keys failed; `plumb rejects` tells why",
                       state.failed);
        }
    }
    audit_end(a);
    return code;
}

static enum err_code check_state(struct audit *a, const struct flow_transform *t,
                                 struct store_statement *st, struct err *err) {
    store_bind_str(st, 1, str_of(t->name));
    bool known = false;
    enum err_code code = store_step(st, &known, err);
    if (code != ERR_NONE) {
        return code;
    }
    a->examined++;
    uint8_t definition[16];
    hash128_to_bytes(t->definition, definition);
    const struct str ours = {(const char *)definition, sizeof definition};
    if (!known) {
        audit_find(a, str_of(t->name), "has never run on this store");
    } else if (!str_equal(store_column_str(st, 0), ours)) {
        audit_find(a, str_of(t->name), "is not what made table '%s'; `plumb replay` makes it anew",
                   t->into->name);
    }
    if (known && store_column_i64(st, 1) > 0) {
        const struct str why = store_column_str(st, 2);
        audit_find(a, str_of(t->name), "waits with its input kept: %.*s", STR_FMT(why));
    }
    store_reset(st);
    return ERR_NONE;
}

static enum err_code audit_states(struct audit *a, struct err *err) {
    const struct flow *flow = a->opened->flow;
    audit_begin(a, "transforms", "every transform works, and made its table as the flow is now");
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        a->opened->store,
        "SELECT definition, attempts, message FROM _plumb_transforms WHERE name = ?1", &st, err);
    for (size_t i = 0; code == ERR_NONE && i < flow->transform_count; i++) {
        code = check_state(a, &flow->transforms[i], st, err);
    }
    store_statement_free(st);
    audit_end(a);
    return code;
}

enum err_code audit_progress(struct audit *a, struct err *err) {
    enum err_code code = audit_marks(a, err);
    if (code == ERR_NONE) {
        code = audit_queues(a, err);
    }
    if (code == ERR_NONE) {
        code = audit_states(a, err);
    }
    return code == ERR_NONE ? audit_repairs(a, err) : code;
}
