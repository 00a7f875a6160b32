/* How it works: a round has two halves. Reading: one transaction over a read-only connection in which
 * the standing of all checks is read and each that is due is measured. Writing: one small transaction
 * over a second connection beside the engine's, which waits for the turn at work and holds up the
 * next one for a moment. A crash between the two loses a look, and the next one sees the same. */
#include "watch/watch.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "watch/book.h"

struct watch {
    const struct flow *flow;
    const struct flow_alerts *alerts;
    struct store *reads; /* opened when there is a store */
    struct store *writes;
    struct roots roots;
    bool has_roots;
    int64_t *rest_us; /* [check]: monotonic, not to be looked at before */
};

enum err_code watch_open(const struct flow *flow, const struct flow_alerts *alerts,
                         struct watch **out, struct err *err) {
    (void)err;
    struct watch *w = mem_alloc(sizeof(*w));
    w->flow = flow;
    w->alerts = alerts;
    w->rest_us = mem_alloc_array(flow->check_count + 1, sizeof(*w->rest_us));
    *out = w;
    return ERR_NONE;
}

void watch_close(struct watch *w) {
    if (w == NULL) {
        return;
    }
    store_close(w->reads);
    store_close(w->writes);
    roots_release(&w->roots);
    mem_free(w->rest_us);
    mem_free(w);
}

/* ---- SQL of checks ---- */

/* The SELECT with $now as a number of the same length, so that places stay. */
static char *sql_to_compile(const struct flow_check *c) {
    char *sql = mem_strdup(c->sql);
    for (char *at = strstr(sql, "$now"); at != NULL; at = strstr(at, "$now")) {
        for (size_t i = 0; i < 4; i++) {
            at[i] = i == 0 ? '0' : ' ';
        }
    }
    return sql;
}

static enum err_code analyse(const struct flow_check *c, struct store *s, struct sql_facts *facts,
                             struct err *err) {
    char *sql = sql_to_compile(c);
    int64_t offset = -1;
    enum err_code code = store_analyse(s, sql, facts, &offset, err);
    mem_free(sql);
    if (code == ERR_NONE && c->conf.counts == COUNTS_VALUE && facts->column_count != 1) {
        return node_error(c->sql_node, err,
                          "the SELECT gives %zu columns and one number is asked for; for rows that "
                          "are wrong write counts: rows",
                          facts->column_count);
    }
    if (code != ERR_NONE) {
        int line = c->sql_node->line;
        int column = c->sql_node->column;
        if (offset >= 0) {
            node_text_position(c->sql_node, (size_t)offset, &line, &column);
        }
        err_where(err, "%s:%d:%d", c->sql_node->file, line, column);
        (void)err_wrap(err, "check '%s'", c->name);
        err->code = ERR_CONFIG;
        return ERR_CONFIG;
    }
    return ERR_NONE;
}

enum err_code watch_compile(const struct flow *flow, struct store *s, struct err *err) {
    struct sql_facts *facts = mem_alloc(sizeof(*facts));
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < flow->check_count; i++) {
        if (flow->checks[i].kind == CHECK_SQL) {
            code = analyse(&flow->checks[i], s, facts, err);
        }
    }
    mem_free(facts);
    return code;
}

/* Which tables the SQL of checks reads is known by the store only. What does not compile any more
 * stands alone; measuring it says why. */
static void find_roots(struct watch *w) {
    if (w->has_roots) {
        return;
    }
    struct sql_facts *facts = mem_alloc(sizeof(*facts));
    roots_init(&w->roots, w->flow);
    for (size_t i = 0; i < w->flow->check_count; i++) {
        struct err ignored = ERR_INIT;
        const struct flow_check *c = &w->flow->checks[i];
        if (c->kind == CHECK_SQL && analyse(c, w->reads, facts, &ignored) == ERR_NONE) {
            for (size_t k = 0; k < facts->read_count; k++) {
                roots_add_table(&w->roots, i, facts->reads[k].table);
            }
        }
    }
    roots_close(&w->roots);
    w->has_roots = true;
    mem_free(facts);
}

/* ---- a round ---- */

static void measure_check(struct watch *w, struct round_check *r, int64_t now_us) {
    const int64_t worked = clock_thread_cpu_us();
    const struct measure_input in = {.store = w->reads,
                                     .flow = w->flow,
                                     .check = r->check,
                                     .now_us = now_us,
                                     .first_us = r->was.first_us,
                                     .memory = str_of(r->memory)};
    measure(&in, &r->m);
    r->is_due = true;
    const int64_t cost = clock_thread_cpu_us() - worked;
    const int64_t rest = cost * WATCH_COST * (int64_t)w->flow->check_count;
    w->rest_us[r->check - w->flow->checks] =
        clock_monotonic_us() + (rest < WATCH_REST_US_MAX ? rest : WATCH_REST_US_MAX);
    r->verdict = judge(r->check, &r->m, now_us, &r->is);
    if (r->m.what == MEASURED_NOTHING && r->old_message != NULL && r->is.open > LEVEL_FINE) {
        /* What is said of an open alert is why it is open. */
        (void)snprintf(r->m.message, sizeof(r->m.message), "%s", r->old_message);
        (void)snprintf(r->m.value_text, sizeof(r->m.value_text), "%s",
                       r->old_text != NULL ? r->old_text : "");
        r->m.value = r->old_value;
    }
}

/* What fails spoils a transaction in PostgreSQL, and says nothing of the other checks. */
static enum err_code measure_aside(struct watch *w, struct round_check *r, int64_t now_us,
                                   struct err *err) {
    enum err_code code = store_savepoint(w->reads, err);
    if (code == ERR_NONE) {
        measure_check(w, r, now_us);
        code = store_undo(w->reads, err);
    }
    return code;
}

static enum err_code look(struct watch *w, struct round_check *checks, int64_t now_us, bool all,
                          struct err *err) {
    enum err_code code = store_begin_read(w->reads, err);
    if (code == ERR_NONE) {
        code = book_read(w->reads, checks, w->flow->check_count, now_us, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < w->flow->check_count; i++) {
        if (all || clock_monotonic_us() >= w->rest_us[i]) {
            code = measure_aside(w, &checks[i], now_us, err);
        }
    }
    store_rollback(w->reads);
    return code;
}

/* When a round was last done: checks that rest tell nothing of that. */
static enum err_code note_round(struct store *s, int64_t now_us, struct err *err) {
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)now_us);
    return BOOK_RUN(s,
                    "INSERT INTO _plumb_meta(key, value) VALUES ('watched', ?1) ON CONFLICT (key) "
                    "DO UPDATE SET value = excluded.value",
                    err, V_C(text));
}

static enum err_code note(struct watch *w, struct round_check *checks, int64_t now_us,
                          struct watch_summary *out, struct err *err) {
    const struct book book = {.store = w->writes,
                              .flow = w->flow,
                              .alerts = w->alerts,
                              .roots = &w->roots,
                              .checks = checks,
                              .now_us = now_us,
                              .summary = out};
    enum err_code code = store_begin(w->writes, err);
    if (code != ERR_NONE) {
        return code;
    }
    code = book_write(&book, err);
    if (code == ERR_NONE) {
        code = note_round(w->writes, now_us, err);
    }
    if (code == ERR_NONE) {
        return store_commit(w->writes, err);
    }
    store_rollback(w->writes);
    return code;
}

static enum err_code open_stores(struct watch *w, struct err *err) {
    enum err_code code = ERR_NONE;
    if (w->reads == NULL) {
        code = store_open(w->flow, STORE_READ, &w->reads, err);
    }
    if (code == ERR_NONE && w->writes == NULL) {
        code = store_open(w->flow, STORE_NOTE, &w->writes, err);
    }
    return code;
}

enum err_code watch_round(struct watch *w, int64_t now_us, bool all, struct watch_summary *out,
                          struct err *err) {
    *out = (struct watch_summary){0};
    enum err_code code = open_stores(w, err);
    if (code != ERR_NONE) {
        return code;
    }
    find_roots(w);
    struct round_check *checks = mem_alloc_array(w->flow->check_count + 1, sizeof(*checks));
    for (size_t i = 0; i < w->flow->check_count; i++) {
        checks[i].check = &w->flow->checks[i];
        measurement_init(&checks[i].m);
    }
    code = look(w, checks, now_us, all, err);
    if (code == ERR_NONE) {
        code = note(w, checks, now_us, out, err);
    }
    for (size_t i = 0; i < w->flow->check_count; i++) {
        measurement_release(&checks[i].m);
        mem_free(checks[i].memory);
        mem_free(checks[i].old_text);
        mem_free(checks[i].old_message);
    }
    mem_free(checks);
    return code;
}

bool watch_is_needed(const struct flow *flow, struct store *s) {
    if (flow->check_count > 0) {
        return true;
    }
    int64_t one = 0;
    bool found = false;
    struct err ignored = ERR_INIT;
    return store_get_i64(s,
                         "SELECT 1 WHERE EXISTS (SELECT 1 FROM _plumb_checks) OR EXISTS (SELECT 1 "
                         "FROM _plumb_alerts WHERE state <> 'resolved') OR EXISTS (SELECT 1 FROM "
                         "_plumb_deliveries WHERE event = 'resolved' AND state = 'held')",
                         &one, &found, &ignored) == ERR_NONE &&
           found;
}
