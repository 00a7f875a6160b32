/* How it works: of the staged batches that nothing has taken back, the newest whose cursor stands at
 * or before the wanted place is the one to return to. An empty batch with its cursor then takes back
 * every record behind it, in one turn like any other. Cursors of sources that take records back
 * say where they stand: `next`, on the source's own axis. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/run_state.h"

struct place {
    int64_t partition;
    int64_t next;   /* on the axis */
    int64_t record; /* the first that goes */
    char *cursor;
};

static enum err_code find_partition(struct run *r, const struct rewind *what, struct place *at,
                                    struct rewound *out, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code =
        store_prepare(r->store,
                      "SELECT id, name, count(*) OVER () FROM _plumb_partitions "
                      "WHERE source = ?1 AND (CAST(?2 AS TEXT) IS NULL OR name = ?2)",
                      &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_str(st, 1, str_of(what->source));
    if (what->partition != NULL) {
        store_bind_str(st, 2, str_of(what->partition));
    } else {
        store_bind_null(st, 2);
    }
    bool found = false;
    code = store_step(st, &found, err);
    if (code == ERR_NONE && !found) {
        err_set(err, ERR_CONFIG, "source '%s' has given nothing yet%s%s", what->source,
                what->partition != NULL ? " in partition " : "",
                what->partition != NULL ? what->partition : "");
        code = ERR_CONFIG;
    } else if (code == ERR_NONE && store_column_i64(st, 2) > 1) {
        err_set(err, ERR_CONFIG,
                "source '%s' has several partitions; say which one with --partition, for example "
                "--partition '%.*s'",
                what->source, STR_FMT(store_column_str(st, 1)));
        code = ERR_CONFIG;
    } else if (code == ERR_NONE) {
        at->partition = store_column_i64(st, 0);
        struct str name = store_column_str(st, 1);
        ASSERT(name.len < sizeof(out->partition));
        memcpy(out->partition, name.ptr, name.len);
    }
    store_statement_free(st);
    return code;
}

static enum err_code find_batch(struct run *r, const struct rewind *what, struct place *at,
                                struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        r->store,
        "SELECT b.next, b.ends, b.cursor FROM (SELECT seq, cursor, first_record + records AS ends, "
        "CAST(json_extract(cursor, '$.next') AS INTEGER) AS next, min(first_record) OVER (ORDER BY "
        "seq ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS later FROM _plumb_batches WHERE "
        "partition = ?1) b WHERE b.next <= ?2 + 1 AND (b.later IS NULL OR b.later >= b.ends) ORDER "
        "BY b.seq DESC LIMIT 1",
        &st, err);
    if (code != ERR_NONE) {
        return code;
    }
    store_bind_i64(st, 1, at->partition);
    store_bind_i64(st, 2, what->to);
    bool found = false;
    code = store_step(st, &found, err);
    if (code == ERR_NONE && found) {
        at->next = store_column_i64(st, 0);
        at->record = store_column_i64(st, 1);
        struct str cursor = store_column_str(st, 2);
        at->cursor = mem_strndup(cursor.ptr, cursor.len);
    } else if (code == ERR_NONE) {
        code = err_set(err, ERR_CONFIG,
                       "no staged batch of source '%s' ends at or before %lld; to begin again from "
                       "the first, name a new source or a new store",
                       what->source, (long long)what->to);
    }
    store_statement_free(st);
    return code;
}

/* The batch that holds nothing and takes back everything behind the place. */
static enum err_code fill_package(struct run *r, const struct place *at, const struct rewound *out,
                                  struct package *p, struct err *err) {
    p->kind = PACKAGE_BATCH;
    p->rewinds = true;
    (void)snprintf(p->out.partition, sizeof(p->out.partition), "%s", out->partition);
    buf_adds(&p->out.cursor, at->cursor);
    p->out.first_record = at->record;
    p->out.takes_back = true;
    p->out.settled = at->record;
    p->out.coverage =
        (struct source_coverage){.is_set = true, .low = at->next, .high = at->next - 1};
    enum err_code code = batch_begin(&p->out.batch, STR(""), err);
    if (code == ERR_NONE) {
        code = batch_seal(&p->out.batch, 1, err);
    }
    return code == ERR_NONE ? run_decode(r, p->source, &p->out.batch, &p->arena, &p->decoded, err)
                            : code;
}

static enum err_code count_rows(struct run *r, struct rewound *out, struct err *err) {
    bool found = false;
    enum err_code code =
        store_get_i64(r->store,
                      "SELECT coalesce(sum(taken_back), 0) FROM _plumb_ledger WHERE batch = "
                      "(SELECT max(id) FROM _plumb_batches)",
                      &out->rows, &found, err);
    return code == ERR_NONE
               ? store_get_i64(r->store,
                               "SELECT taken_back FROM _plumb_batches ORDER BY id DESC LIMIT 1",
                               &out->records, &found, err)
               : code;
}

static enum err_code take_back(struct run *r, const struct place *at, struct rewound *out,
                               const struct flow_source *source, struct err *err) {
    struct package p = {.source = source};
    source_output_init(&p.out);
    buf_init(&p.facts, FACTS_BYTES_MAX);
    arena_init(&p.arena, PACKAGE_ARENA_BYTES_MAX);
    enum err_code code = fill_package(r, at, out, &p, err);
    if (code == ERR_NONE) {
        struct turn_group group = {{&p}, 1, 0};
        code = turn_packages(r, &group, err);
    }
    bool more = code == ERR_NONE;
    while (more && code == ERR_NONE) {
        code = turn_cascade(r, &more, err);
    }
    source_output_release(&p.out);
    buf_release(&p.facts);
    arena_release(&p.arena);
    return code == ERR_NONE ? count_rows(r, out, err) : code;
}

/* Has the source given anything behind the place? Records or only the cursor: a chain's blocks without logs count as well. */
static enum err_code is_ahead_of(struct run *r, const struct place *at, bool *out,
                                 struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code =
        store_prepare(r->store,
                      "SELECT 1 FROM _plumb_partitions WHERE id = ?1 AND (records > ?2 OR "
                      "cursor <> ?3)",
                      &st, err);
    if (code == ERR_NONE) {
        store_bind_i64(st, 1, at->partition);
        store_bind_i64(st, 2, at->record);
        store_bind_str(st, 3, str_of(at->cursor));
        code = store_step(st, out, err);
    }
    store_statement_free(st);
    return code;
}

static enum err_code rewind_run(struct run *r, const struct rewind *what, struct rewound *out,
                                struct err *err) {
    const struct flow_source *source = flow_find_source(r->flow, what->source);
    struct place at = {.cursor = NULL};
    enum err_code code = run_open(r, err);
    if (code == ERR_NONE) {
        code = find_partition(r, what, &at, out, err);
    }
    if (code == ERR_NONE) {
        code = find_batch(r, what, &at, err);
    }
    bool is_ahead = false;
    if (code == ERR_NONE) {
        code = is_ahead_of(r, &at, &is_ahead, err);
    }
    out->from = at.next;
    if (code == ERR_NONE && is_ahead) {
        code = take_back(r, &at, out, source, err);
    }
    mem_free(at.cursor);
    return code;
}

enum err_code engine_rewind(const struct flow *flow, const struct rewind *what, struct rewound *out,
                            struct err *err) {
    *out = (struct rewound){.records = 0};
    const struct flow_source *source = flow_find_source(flow, what->source);
    if (source == NULL) {
        return err_set(err, ERR_CONFIG, "the flow has no source '%s'", what->source);
    }
    if ((source->component->caps & CAP_TAKES_BACK) == 0) {
        return err_set(err, ERR_CONFIG,
                       "source '%s' (%s) never takes records back, so it cannot be rewound; "
                       "correct its records with newer ones, or begin again under a new name",
                       source->name, source->component->name);
    }
    const struct run_options options = {.once = true};
    struct run r;
    run_init(&r, flow, &options, &out->run);
    enum err_code code = rewind_run(&r, what, out, err);
    run_close(&r);
    return code;
}
