/* How it works: orphans first, by a table of conditions, then the partitions one by one. Planned, the
 * store is only read; applied, the same code writes, in one transaction that also notes whether tables
 * have to be rebuilt, so that a kill before the rebuild does not make that forgotten. */
#include "engine/repair.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "engine/repair_state.h"

const char *repair_way_name(enum repair_way way) {
    static const char *const names[] = {"move", "recount", "again", "rewind", "write off", "lost"};
    return names[way];
}

void repair_report_release(struct repair_report *r) {
    mem_free(r->steps);
    swap_report_release(&r->swapped);
    *r = (struct repair_report){.count = 0};
}

bool repair_note(struct repair *r, enum repair_way way, const char *where, const char *fmt, ...) {
    struct repair_report *out = r->report;
    if (out->count == REPAIR_STEPS_MAX) {
        return false;
    }
    if (out->count == out->capacity) {
        out->capacity = out->capacity > 0 ? out->capacity * 2 : 16;
        out->steps = mem_realloc(out->steps, out->capacity * sizeof(*out->steps));
    }
    struct repair_step *step = &out->steps[out->count++];
    *step = (struct repair_step){.way = way};
    (void)snprintf(step->where, sizeof(step->where), "%s", where);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(step->text, sizeof(step->text), fmt, args);
    va_end(args);
    out->lost += way == REPAIR_LOST;
    return true;
}

enum err_code repair_move(struct repair *r, const char *table, const char *where,
                          const char *reason, struct err *err) {
    int64_t moved = 0;
    return r->options->apply ? quarantine_move(&r->quarantine, table, where, reason, &moved, err)
                             : ERR_NONE;
}

enum err_code repair_execute(struct repair *r, const char *sql, struct err *err) {
    return r->options->apply ? store_execute(r->store, sql, err) : ERR_NONE;
}

/* ---- what points nowhere ---- */

#define NO_PARTITION "partition NOT IN (SELECT id FROM _plumb_partitions)"
#define NO_BATCH                                                                                   \
    "batch NOT IN (SELECT id FROM _plumb_batches WHERE partition IN (SELECT id FROM "              \
    "_plumb_partitions))"
#define NO_TRANSFORM "transform NOT IN (SELECT name FROM _plumb_transforms)"

static const struct {
    const char *table;
    const char *where;
    const char *reason;
    bool rebuilds; /* tables hold what came of them, and the source gives it again */
} orphans[] = {
    {"_plumb_batches", NO_PARTITION, "its partition is not there", true},
    {"_plumb_frames", NO_BATCH, "its batch is not there", false},
    {"_plumb_ledger", NO_BATCH, "its batch is not there", false},
    {"_plumb_ledger", NO_TRANSFORM " AND NOT (" NO_BATCH ")", "its transform is not there", false},
    {"_plumb_rejects", NO_BATCH, "its batch is not there", false},
    {"_plumb_rejects", "transform <> '' AND " NO_TRANSFORM " AND NOT (" NO_BATCH ")",
     "its transform is not there", false},
    {"_plumb_marks", NO_PARTITION, "its partition is not there", false},
    {"_plumb_marks", NO_TRANSFORM " AND NOT (" NO_PARTITION ")", "its transform is not there",
     false},
    {"_plumb_streams", NO_BATCH, "its batch is not there", false},
    {"_plumb_coverage", NO_PARTITION, "its partition is not there", false},
    {"_plumb_notes", NO_PARTITION, "its partition is not there", false},
};

static enum err_code move_orphans(struct repair *r, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(orphans); i++) {
        char *sql =
            mem_printf("SELECT count(*) FROM %s WHERE %s", orphans[i].table, orphans[i].where);
        int64_t count = 0;
        bool found = false;
        code = store_get_i64(r->store, sql, &count, &found, err);
        mem_free(sql);
        if (code == ERR_NONE && count > 0 &&
            repair_note(r, REPAIR_MOVE, orphans[i].table, "%lld row%s: %s", (long long)count,
                        count == 1 ? "" : "s", orphans[i].reason)) {
            r->report->rebuilds = r->report->rebuilds || orphans[i].rebuilds;
            r->report->extracts = r->report->extracts || orphans[i].rebuilds;
            code = repair_move(r, orphans[i].table, orphans[i].where, orphans[i].reason, err);
        }
    }
    return code;
}

/* A record is taken back by a batch, or it is not. */
static enum err_code mend_taken_back(struct repair *r, struct err *err) {
#define TAKEN_BY_NONE                                                                              \
    "taken_back_by IS NOT NULL AND taken_back_by NOT IN (SELECT id FROM _plumb_batches)"
    int64_t count = 0;
    bool found = false;
    enum err_code code = store_get_i64(
        r->store, "SELECT count(*) FROM _plumb_rejects WHERE " TAKEN_BY_NONE, &count, &found, err);
    if (code != ERR_NONE || count == 0) {
        return code;
    }
    repair_note(r, REPAIR_RECOUNT, "_plumb_rejects",
                "%lld of them taken back by a batch that is not there", (long long)count);
    r->report->rebuilds = true;
    return repair_execute(r, "UPDATE _plumb_rejects SET taken_back_by = NULL WHERE " TAKEN_BY_NONE,
                          err);
}

/* Queues are named after their transform, perhaps with ".rest" behind it. */
static enum err_code find_queue(struct repair *r, struct buf *out, struct err *err) {
    struct store_statement *st = NULL;
    bool found = false;
    char *sql = mem_printf(
        "SELECT q.name FROM (SELECT name, substr(name, 10) || '.' AS rest FROM %s AS n WHERE name "
        "> ?1) q LEFT JOIN _plumb_transforms t ON t.name = substr(q.rest, 1, CAST(instr(q.rest, "
        "'.') AS INTEGER) - 1) WHERE t.name IS NULL ORDER BY q.name LIMIT 1",
        store_queues_sql(r->store));
    enum err_code code = store_prepare(r->store, sql, &st, err);
    mem_free(sql);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, buf_str(out));
        code = store_step(st, &found, err);
    }
    const struct str name = found ? store_column_str(st, 0) : STR("");
    AUTO_BUF next = BUF_INIT(BUF_TEXT_MAX);
    buf_addstr(&next, name);
    buf_clear(out);
    buf_addstr(out, buf_str(&next));
    store_statement_free(st);
    return code;
}

static enum err_code move_queues(struct repair *r, struct err *err) {
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = find_queue(r, &name, err);
    while (code == ERR_NONE && name.len > 0 &&
           repair_note(r, REPAIR_MOVE, buf_c(&name), "a queue whose transform is not there")) {
        code = repair_move(r, buf_c(&name), "1 = 1", "its transform is not there", err);
        char *sql = mem_printf("DROP TABLE \"%s\"", buf_c(&name));
        if (code == ERR_NONE) {
            code = repair_execute(r, sql, err);
        }
        mem_free(sql);
        if (code == ERR_NONE) {
            code = find_queue(r, &name, err);
        }
    }
    return code;
}

/* ---- the whole ---- */

static enum err_code find_flag(struct repair *r, struct err *err) {
    int64_t one = 0;
    return store_get_i64(r->store, "SELECT 1 FROM _plumb_meta WHERE key = 'repair'", &one,
                         &r->report->goes_on, err);
}

static enum err_code walk(struct repair *r, struct err *err) {
    if (store_dialect(r->store) == STORE_POSTGRES) {
        return err_set(err, ERR_CONFIG,
                       "a repair mends a store in SQLite only, so far: restore this one from a "
                       "backup, or `plumb copy-store` it, and repair the copy");
    }
    enum err_code code = find_flag(r, err);
    if (code == ERR_NONE) {
        code = move_orphans(r, err);
    }
    if (code == ERR_NONE) {
        code = mend_taken_back(r, err);
    }
    if (code == ERR_NONE) {
        code = move_queues(r, err);
    }
    if (code == ERR_NONE) {
        code = repair_staging(r, err);
    }
    struct repair_report *out = r->report;
    out->rebuilds = out->rebuilds || out->goes_on || r->options->rebuild;
    out->is_unable = out->rebuilds && out->lost > 0;
    if (code == ERR_NONE && out->rebuilds) {
        code = repair_execute(
            r,
            "INSERT INTO _plumb_meta(key, value) VALUES ('repair', 'tables are to be rebuilt') "
            "ON CONFLICT DO NOTHING",
            err);
    }
    return code;
}

static enum err_code plan(struct repair *r, struct err *err) {
    enum err_code code = store_open(r->flow, STORE_READ, &r->store, err);
    if (code == ERR_NONE) {
        code = store_begin_read(r->store, err);
    }
    return code == ERR_NONE ? walk(r, err) : code;
}

static enum err_code apply(struct repair *r, struct err *err) {
    enum err_code code = store_open(r->flow, STORE_REBUILD, &r->store, err);
    r->quarantine = (struct quarantine){.store = r->store, .at_us = clock_now_us()};
    if (code == ERR_NONE) {
        code = store_begin(r->store, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = walk(r, err);
    fault_step("repair.walked");
    if (code == ERR_NONE) {
        /* What an interrupted replay has left knows the batches as they were. */
        store_aside_remove(r->flow, STORE_ASIDE);
        code = store_commit(r->store, err);
    } else {
        store_rollback(r->store);
    }
    fault_step("repair.committed");
    return code;
}

static enum err_code forget_flag(const struct flow *flow, struct err *err) {
    struct store *store = NULL;
    enum err_code code = store_open(flow, STORE_REBUILD, &store, err);
    if (code == ERR_NONE) {
        code = store_execute(store, "DELETE FROM _plumb_meta WHERE key = 'repair'", err);
    }
    store_close(store);
    return code;
}

enum err_code engine_repair(const struct flow *flow, const struct repair_options *options,
                            struct repair_report *out, struct err *err) {
    *out = (struct repair_report){.count = 0};
    struct repair r = {.flow = flow, .options = options, .report = out};
    enum err_code code = options->apply ? apply(&r, err) : plan(&r, err);
    if (r.store != NULL) {
        store_rollback(r.store);
        store_close(r.store);
    }
    if (code != ERR_NONE || !options->apply || !out->rebuilds || out->is_unable) {
        return code;
    }
    code = engine_replay(flow, NULL, 0, options->run, &out->summary, &out->swapped, err);
    fault_step("repair.rebuilt");
    return code == ERR_NONE ? forget_flag(flow, err) : code;
}
