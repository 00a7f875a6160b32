/* How it works: states are written as they are now, alerts only when a verdict changes them. Who
 * explains whom is decided anew in each round for alerts nobody was told of: causes first, by how
 * far up they stand. An alert that was told keeps its place, as its end must be told as well. */
#include "watch/book.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void bind_values(struct store_statement *st, const struct binding *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const int at = (int)i + 1;
        switch (values[i].kind) {
        case VALUE_NULL:
            store_bind_null(st, at);
            break;
        case VALUE_NUMBER:
            store_bind_i64(st, at, values[i].number);
            break;
        case VALUE_REAL:
            store_bind_f64(st, at, values[i].real);
            break;
        case VALUE_TEXT:
            store_bind_str(st, at, values[i].text);
            break;
        }
    }
}

enum err_code book_run(struct store *s, const char *sql, const struct binding *values, size_t count,
                       struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(s, sql, &st, err);
    if (code == ERR_NONE) {
        bind_values(st, values, count);
        code = store_run(st, NULL, err);
    }
    store_statement_free(st);
    return code;
}

enum err_code book_number(struct store *s, const char *sql, const struct binding *values,
                          size_t count, int64_t *out, bool *found, struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = false;
    enum err_code code = store_prepare(s, sql, &st, err);
    if (code == ERR_NONE) {
        bind_values(st, values, count);
        code = store_step(st, &has_row, err);
    }
    *found = code == ERR_NONE && has_row && !store_column_is_null(st, 0);
    if (*found) {
        *out = store_column_i64(st, 0);
    }
    store_statement_free(st);
    return code;
}

/* ---- reading ---- */

static char *text_at(struct store_statement *st, int column) {
    const struct str text = store_column_str(st, column);
    return store_column_is_null(st, column) ? NULL : mem_strndup(text.ptr, text.len);
}

static bool is_same_definition(const struct flow_check *c, struct str stored) {
    char hex[HASH128_HEX_BYTES];
    hash128_to_hex(c->definition, hex);
    return str_equal_c(stored, hex);
}

static void take_row(struct store_statement *st, struct round_check *r) {
    r->is_known = is_same_definition(r->check, store_column_str(st, 5));
    if (!r->is_known) {
        return; /* another thing is measured now: it begins anew */
    }
    struct standing *w = &r->was;
    if (!check_state_parse(store_column_str(st, 0), &w->state)) {
        w->state = STATE_UNKNOWN;
    }
    w->state_since_us = store_column_i64(st, 1);
    w->pending_since_us = store_column_is_null(st, 2) ? 0 : store_column_i64(st, 2);
    w->bad_us = store_column_is_null(st, 3) ? 0 : store_column_i64(st, 3);
    w->first_us = store_column_i64(st, 4);
    r->memory = text_at(st, 6);
    r->old_value = store_column_is_null(st, 7) ? (double)NAN : store_column_f64(st, 7);
    r->old_text = text_at(st, 8);
    r->old_message = text_at(st, 9);
}

static enum err_code read_alert(struct store *s, struct round_check *r, struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = false;
    enum err_code code = store_prepare(
        s,
        "SELECT a.id, a.severity, a.parent, (SELECT count(*) FROM _plumb_deliveries d WHERE "
        "d.alert "
        "= a.id AND d.state <> 'held') FROM _plumb_alerts a WHERE a.check_name = ?1 AND a.state <> "
        "'resolved'",
        &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(r->check->name));
        code = store_step(st, &has_row, err);
    }
    if (code == ERR_NONE && has_row) {
        r->alert = store_column_i64(st, 0);
        r->was.open = str_equal_c(store_column_str(st, 1), "error") ? LEVEL_ERROR : LEVEL_WARN;
        r->parent = store_column_is_null(st, 2) ? 0 : store_column_i64(st, 2);
        r->is_told = store_column_i64(st, 3) > 0;
    }
    store_statement_free(st);
    return code;
}

enum err_code book_read(struct store *s, struct round_check *checks, size_t count, int64_t now_us,
                        struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < count; i++) {
        struct store_statement *st = NULL;
        bool has_row = false;
        checks[i].was = (struct standing){.state = STATE_LEARNING, .first_us = now_us};
        code = store_prepare(s,
                             "SELECT state, state_since_us, pending_since_us, bad_us, first_us, "
                             "definition, memory, value, value_text, message FROM _plumb_checks "
                             "WHERE name = ?1",
                             &st, err);
        if (code == ERR_NONE) {
            store_bind_str(st, 1, str_of(checks[i].check->name));
            code = store_step(st, &has_row, err);
        }
        if (code == ERR_NONE && has_row) {
            take_row(st, &checks[i]);
        }
        store_statement_free(st);
        if (code == ERR_NONE) {
            code = read_alert(s, &checks[i], err);
        }
        checks[i].is = checks[i].was;
    }
    return code;
}

/* ---- states ---- */

static enum err_code write_state(const struct book *b, const struct round_check *r,
                                 struct err *err) {
    static const char sql[] =
        "INSERT INTO _plumb_checks(name, kind, subject, severity, state, value, value_text, "
        "message, state_since_us, pending_since_us, bad_us, first_us, evaluated_us, definition, "
        "memory) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON "
        "CONFLICT(name) DO UPDATE SET kind = excluded.kind, subject = excluded.subject, severity = "
        "excluded.severity, state = excluded.state, value = excluded.value, value_text = "
        "excluded.value_text, message = excluded.message, state_since_us = "
        "excluded.state_since_us, pending_since_us = excluded.pending_since_us, bad_us = "
        "excluded.bad_us, first_us = excluded.first_us, evaluated_us = excluded.evaluated_us, "
        "definition = excluded.definition, memory = excluded.memory";
    char hex[HASH128_HEX_BYTES];
    hash128_to_hex(r->check->definition, hex);
    const struct standing *s = &r->is;
    const struct measurement *m = &r->m;
    const char *memory = m->memory.len > 0   ? buf_c(&m->memory)
                         : r->memory != NULL ? r->memory
                                             : "{}";
    return BOOK_RUN(b->store, sql, err, V_C(r->check->name), V_C(check_kinds[r->check->kind].name),
                    V_C(r->check->subject), V_C(check_level_name(r->check->severity)),
                    V_C(check_state_name(s->state)), isnan(m->value) ? V_NULL : V_REAL(m->value),
                    m->value_text[0] == '\0' ? V_NULL : V_C(m->value_text), V_C(m->message),
                    V_NUMBER(s->state_since_us),
                    s->pending_since_us == 0 ? V_NULL : V_NUMBER(s->pending_since_us),
                    s->bad_us == 0 ? V_NULL : V_NUMBER(s->bad_us), V_NUMBER(s->first_us),
                    V_NUMBER(b->now_us), V_C(hex), V_C(memory));
}

/* ---- alerts ---- */

static void summary_of(const struct round_check *r, struct buf *out) {
    buf_addf(out, "%s: ", r->check->name);
    if (r->m.value_text[0] != '\0') {
        buf_addf(out, "%s, ", r->m.value_text);
    }
    buf_adds(out, r->m.message);
}

static enum err_code open_alert(const struct book *b, struct round_check *r, size_t index,
                                struct err *err) {
    AUTO_BUF summary = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF detail = BUF_INIT(BUF_TEXT_MAX);
    char root[ROOT_NAME_BYTES];
    bool found = false;
    int64_t last = 0;
    summary_of(r, &summary);
    check_describe(r->check, &detail);
    roots_name(b->roots, index, root);
    enum err_code code =
        book_number(b->store, "SELECT max(id) FROM _plumb_alerts", NULL, 0, &last, &found, err);
    r->alert = found ? last + 1 : 1;
    b->summary->opened++;
    return code != ERR_NONE
               ? code
               : BOOK_RUN(b->store,
                          "INSERT INTO _plumb_alerts(id, check_name, severity, state, root, "
                          "summary, detail, value_text, opened_us, changed_us) VALUES (?1, ?2, ?3, "
                          "'firing', ?4, ?5, ?6, ?7, ?8, ?8)",
                          err, V_NUMBER(r->alert), V_C(r->check->name),
                          V_C(check_level_name(r->is.open)), V_C(root), V_C(buf_c(&summary)),
                          V_C(buf_c(&detail)),
                          r->m.value_text[0] == '\0' ? V_NULL : V_C(r->m.value_text),
                          V_NUMBER(b->now_us));
}

/* Somebody may have taken it on as a warning: an error is told again. */
static enum err_code worsen_alert(const struct book *b, const struct round_check *r,
                                  struct err *err) {
    AUTO_BUF summary = BUF_INIT(BUF_TEXT_MAX);
    summary_of(r, &summary);
    return BOOK_RUN(b->store,
                    "UPDATE _plumb_alerts SET severity = ?2, state = 'firing', changed_us = ?3, "
                    "value_text = ?4, summary = ?5 WHERE id = ?1",
                    err, V_NUMBER(r->alert), V_C(check_level_name(r->is.open)), V_NUMBER(b->now_us),
                    r->m.value_text[0] == '\0' ? V_NULL : V_C(r->m.value_text),
                    V_C(buf_c(&summary)));
}

static enum err_code resolve_alert(const struct book *b, int64_t alert, const char *why,
                                   struct err *err) {
    b->summary->resolved++;
    return BOOK_RUN(b->store,
                    "UPDATE _plumb_alerts SET state = 'resolved', resolved_us = ?2, changed_us = "
                    "?2, detail = ?3 || detail WHERE id = ?1",
                    err, V_NUMBER(alert), V_NUMBER(b->now_us), V_C(why));
}

static enum err_code apply_verdict(const struct book *b, struct round_check *r, size_t index,
                                   struct err *err) {
    AUTO_BUF why = BUF_INIT(BUF_TEXT_MAX);
    switch (r->verdict) {
    case VERDICT_NOTHING:
        return ERR_NONE;
    case VERDICT_OPEN:
        return open_alert(b, r, index, err);
    case VERDICT_WORSE:
        return worsen_alert(b, r, err);
    case VERDICT_RESOLVE:
        buf_addf(&why, "fine again: %s\n", r->m.message);
        return resolve_alert(b, r->alert, buf_c(&why), err);
    }
    return ERR_NONE;
}

/* ---- who explains whom ---- */

struct place {
    size_t depth;
    size_t check;
};

static int by_depth(const void *a, const void *b) {
    const struct place *x = a;
    const struct place *y = b;
    return x->depth != y->depth ? (x->depth > y->depth) - (x->depth < y->depth)
                                : (x->check > y->check) - (x->check < y->check);
}

/* The alert that stands for r's, among those of higher places; 0: none. */
static int64_t parent_of(const struct book *b, const struct place *places, size_t at) {
    const size_t lower = places[at].check;
    for (size_t i = 0; i < at; i++) {
        const struct round_check *upper = &b->checks[places[i].check];
        if (upper->is.open >= b->checks[lower].is.open && upper->parent == 0 &&
            roots_explains(b->roots, places[i].check, lower)) {
            return upper->alert;
        }
    }
    return 0;
}

static enum err_code group(const struct book *b, struct err *err) {
    struct place *places = mem_alloc_array(b->flow->check_count + 1, sizeof(*places));
    size_t count = 0;
    for (size_t i = 0; i < b->flow->check_count; i++) {
        if (b->checks[i].is.open > LEVEL_FINE) {
            places[count++] = (struct place){roots_depth(b->roots, i), i};
        }
    }
    qsort(places, count, sizeof(*places), by_depth);
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < count; i++) {
        struct round_check *r = &b->checks[places[i].check];
        const int64_t parent = r->is_told ? 0 : parent_of(b, places, i);
        if (parent != r->parent) {
            r->parent = parent;
            code = BOOK_RUN(b->store,
                            "UPDATE _plumb_alerts SET parent = ?2, root = coalesce((SELECT p.root "
                            "FROM _plumb_alerts p WHERE p.id = ?2), root) WHERE id = ?1",
                            err, V_NUMBER(r->alert), parent == 0 ? V_NULL : V_NUMBER(parent));
        }
    }
    mem_free(places);
    return code;
}

/* ---- all of it ---- */

static void count_state(struct watch_summary *s, enum check_state state) {
    switch (state) {
    case STATE_OK:
        s->fine++;
        break;
    case STATE_LEARNING:
        s->learning++;
        break;
    case STATE_PENDING:
        s->pending++;
        break;
    case STATE_WARN:
    case STATE_ERROR:
        s->firing++;
        break;
    case STATE_UNKNOWN:
        s->unknown++;
        break;
    }
}

enum err_code book_write(const struct book *b, struct err *err) {
    enum err_code code = book_forget_absent(b, err);
    for (size_t i = 0; code == ERR_NONE && i < b->flow->check_count; i++) {
        struct round_check *r = &b->checks[i];
        count_state(b->summary, r->is.state);
        if (r->is_due) {
            code = write_state(b, r, err);
        }
        if (code == ERR_NONE) {
            code = apply_verdict(b, r, i, err);
        }
    }
    if (code == ERR_NONE) {
        code = group(b, err);
    }
    return code == ERR_NONE ? notices_write(b, err) : code;
}

enum err_code book_forget_absent(const struct book *b, struct err *err) {
    AUTO_BUF absent = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&absent, "NOT IN (''");
    for (size_t i = 0; i < b->flow->check_count; i++) { /* names have no quotes, see read_name */
        buf_addf(&absent, ", '%s'", b->flow->checks[i].name);
    }
    buf_adds(&absent, ")");
    buf_addf(&sql, "DELETE FROM _plumb_checks WHERE name %s", buf_c(&absent));
    enum err_code code = store_execute(b->store, buf_c(&sql), err);
    buf_clear(&sql);
    buf_addf(&sql,
             "UPDATE _plumb_alerts SET state = 'resolved', resolved_us = ?1, changed_us = ?1, "
             "detail = ?2 || detail WHERE state <> 'resolved' AND check_name %s",
             buf_c(&absent));
    return code != ERR_NONE ? code
                            : BOOK_RUN(b->store, buf_c(&sql), err, V_NUMBER(b->now_us),
                                       V_C("the check was removed from the flow\n"));
}
