/* Compiles all transforms of a flow for a store: check, claim the definition, capture changes,
 * prepare statements. */
#include "transform/internal.h"

#include <string.h>

#include "transform/postgres_sql.h"

enum err_code transform_prepare(struct store *s, struct transform *t, int slot, const char *sql,
                                struct err *err) {
    ASSERT(slot < TRANSFORM_STATEMENTS_MAX && t->statements[slot] == NULL);
    enum err_code code = store_prepare(s, sql, &t->statements[slot], err);
    if (code != ERR_NONE) {
        err->code = err->code == ERR_INPUT ? ERR_CONFIG : err->code;
        return err_wrap(err, "transform '%s'", t->def->name);
    }
    return ERR_NONE;
}

enum err_code transform_work_make(struct store *s, const struct transform *t, const char *kind,
                                  const char *columns, bool keyed, struct err *err) {
    char *name = mem_printf("_plumb_%s_%s", kind, t->def->name);
    enum err_code code = store_work_make(s, name, columns, keyed, err);
    mem_free(name);
    return code;
}

enum err_code transform_work_empty(struct store *s, const struct transform *t, const char *kind,
                                   struct err *err) {
    char *name = mem_printf("_plumb_%s_%s", kind, t->def->name);
    enum err_code code = store_work_empty(s, name, err);
    mem_free(name);
    return code;
}

enum err_code transform_query_i64(struct transform *t, int slot, int64_t *out, struct err *err) {
    bool has_row = false;
    enum err_code code = store_step(t->statements[slot], &has_row, err);
    *out = code == ERR_NONE && has_row ? store_column_i64(t->statements[slot], 0) : 0;
    store_reset(t->statements[slot]);
    return code;
}

static enum err_code check_kind(struct store *s, const struct flow *flow, struct transform *t,
                                struct err *err) {
    switch (t->def->kind) {
    case TRANSFORM_MAP:
        return check_map(s, flow, t, err);
    case TRANSFORM_SUM:
        return check_sum(s, flow, t, err);
    case TRANSFORM_DERIVE:
        return check_derive(s, flow, t, err);
    }
    return ERR_NONE;
}

static enum err_code prepare_kind(struct store *s, struct transform *t, struct err *err) {
    switch (t->def->kind) {
    case TRANSFORM_MAP:
        return map_prepare(s, t, err);
    case TRANSFORM_SUM:
        return sum_prepare(s, t, err);
    case TRANSFORM_DERIVE:
        return derive_prepare(s, t, err);
    }
    return ERR_NONE;
}

/* *sql as the store's, NULL staying NULL. Without such a store it is only looked at. */
static enum err_code translate_sql(const struct flow *flow, struct transform *t, const char **sql,
                                   const struct node *node, struct err *err) {
    if (*sql == NULL) {
        return ERR_NONE;
    }
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = postgres_sql_at(flow, *sql, node, &text, err);
    if (code == ERR_NONE && t->dialect == STORE_POSTGRES) {
        *sql = arena_strdup(&t->texts, buf_c(&text));
    }
    return code;
}

/* For a flow whose store is PostgreSQL, also when only a scratch store is at hand. */
static enum err_code translate(const struct flow *flow, struct transform *t, struct err *err) {
    const struct flow_transform *def = t->def;
    if (strncmp(flow->store, "postgres", strlen("postgres")) != 0) {
        return ERR_NONE;
    }
    enum err_code code = translate_sql(flow, t, &t->sql, def->sql_node, err);
    if (code == ERR_NONE) {
        code = translate_sql(flow, t, &t->delete_when, def->delete_when_node, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < def->on_count; i++) {
        code = translate_sql(flow, t, &t->on_sql[i], def->on[i].node, err);
    }
    return code;
}

static enum err_code check_in(struct store *s, struct plan *p, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < p->flow->transform_count; i++) {
        code = check_kind(s, p->flow, p->items[i], err);
        if (code == ERR_NONE) {
            code = translate(p->flow, p->items[i], err);
        }
    }
    return code;
}

/* What SQL does is asked of SQLite, whatever the store: one answer for all. */
static enum err_code check_all(struct plan *p, struct err *err) {
    if (store_dialect(p->store) == STORE_SQLITE) {
        return check_in(p->store, p, err);
    }
    struct store *scratch = NULL;
    enum err_code code = store_open(p->flow, STORE_SCRATCH, &scratch, err);
    if (code == ERR_NONE) {
        code = check_in(scratch, p, err);
    }
    store_close(scratch);
    return code;
}

static enum err_code open_all(struct plan *p, struct err *err) {
    struct store *s = p->store;
    enum err_code code = check_all(p, err);
    if (code == ERR_NONE) {
        code = store_forget_absent(s, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < p->flow->transform_count; i++) {
        code = store_definition_claim(s, p->items[i]->def, &p->items[i]->fresh, err);
        if (code == ERR_NONE) {
            code = capture_install(s, p->items[i], err);
        }
    }
    /* Only now, when every trigger stands: a backfill of one must be seen by those below it. */
    for (size_t i = 0; code == ERR_NONE && i < p->flow->transform_count; i++) {
        if (p->items[i]->fresh) {
            code = capture_backfill(s, p->items[i], p->flow, err);
        }
    }
    for (size_t i = 0; code == ERR_NONE && i < p->flow->transform_count; i++) {
        code = prepare_kind(s, p->items[i], err);
    }
    return code;
}

enum err_code plan_open(struct store *s, const struct flow *flow, struct plan **out,
                        struct err *err) {
    struct plan *p = mem_alloc(sizeof(*p));
    p->store = s;
    p->flow = flow;
    p->items = mem_alloc_array(flow->transform_count + 1, sizeof(struct transform *));
    for (size_t i = 0; i < flow->transform_count; i++) {
        p->items[i] = mem_alloc(sizeof(struct transform));
        p->items[i]->def = &flow->transforms[i];
        p->items[i]->dialect = store_dialect(s);
        arena_init(&p->items[i]->texts, BUF_TEXT_MAX);
        p->items[i]->sql = flow->transforms[i].sql;
        p->items[i]->delete_when = flow->transforms[i].delete_when;
        p->items[i]->on_sql =
            mem_alloc_array(flow->transforms[i].on_count + 1, sizeof(*p->items[i]->on_sql));
        for (size_t k = 0; k < flow->transforms[i].on_count; k++) {
            p->items[i]->on_sql[k] = flow->transforms[i].on[k].sql;
        }
    }
    enum err_code code = store_begin(s, err);
    if (code == ERR_NONE) {
        code = open_all(p, err);
        if (code == ERR_NONE) {
            code = store_commit(s, err);
        } else {
            store_rollback(s);
        }
    }
    if (code != ERR_NONE) {
        plan_close(p);
        return code;
    }
    *out = p;
    return ERR_NONE;
}

void plan_close(struct plan *p) {
    if (p == NULL) {
        return;
    }
    for (size_t i = 0; i < p->flow->transform_count; i++) {
        struct transform *t = p->items[i];
        for (size_t k = 0; k < TRANSFORM_STATEMENTS_MAX; k++) {
            store_statement_free(t->statements[k]);
        }
        arena_release(&t->texts);
        mem_free(t->on_sql);
        mem_free(t->computed);
        mem_free(t->identity);
        mem_free(t->reads);
        mem_free(t);
    }
    mem_free(p->items);
    mem_free(p);
}

enum err_code cascade_apply(struct plan *p, size_t index, uint64_t buckets, struct err *err) {
    struct transform *t = p->items[index];
    switch (t->def->kind) {
    case TRANSFORM_MAP:
        return ERR_NONE;
    case TRANSFORM_SUM:
        return sum_apply(p->store, t, err);
    case TRANSFORM_DERIVE:
        return derive_apply(p->store, t, buckets, err);
    }
    return ERR_NONE;
}

static enum err_code queue_has(struct plan *p, const char *sql, bool *waits, struct err *err) {
    int64_t one = 0;
    bool found = false;
    enum err_code code = store_get_i64(p->store, sql, &one, &found, err);
    *waits = *waits || (code == ERR_NONE && found);
    return code;
}

enum err_code cascade_waits(struct plan *p, size_t index, bool *waits, struct err *err) {
    const struct flow_transform *def = p->items[index]->def;
    *waits = false;
    if (def->kind == TRANSFORM_MAP) {
        return ERR_NONE;
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql, "SELECT 1 FROM \"_plumb_q_%s\"%s LIMIT 1", def->name,
             def->kind == TRANSFORM_DERIVE ? " WHERE \"_failed\" = 0" : "");
    enum err_code code = queue_has(p, buf_c(&sql), waits, err);
    for (size_t i = 0; code == ERR_NONE && !*waits && i < def->on_count; i++) {
        if (def->on[i].sql != NULL) {
            buf_clear(&sql);
            buf_addf(&sql, "SELECT 1 FROM \"_plumb_q_%s.%s\" LIMIT 1", def->name,
                     def->on[i].table->name);
            code = queue_has(p, buf_c(&sql), waits, err);
        }
    }
    return code;
}

enum err_code cascade_retry_failed(struct plan *p, size_t index, struct err *err) {
    const struct flow_transform *def = p->items[index]->def;
    if (def->kind != TRANSFORM_DERIVE) {
        return ERR_NONE;
    }
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    /* In SQLite a key may wait only once; one that failed and changed since does already. */
    buf_addf(&sql,
             "UPDATE %s\"_plumb_q_%s\" SET \"_failed\" = 0, \"_error\" = NULL WHERE \"_failed\" = "
             "1",
             store_dialect(p->store) == STORE_SQLITE ? "OR IGNORE " : "", def->name);
    return store_execute(p->store, buf_c(&sql), err);
}
