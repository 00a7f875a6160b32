/* How it works: a trial makes a list of deliveries of the sample, stages it in a new store, and runs
 * it in its way. Store names: the caller's, and "copy" for what is recomputed. */
#include <string.h>

#include "base/file.h"
#include "trial/prove.h"

#define COPY           "copy"
#define COPY_BYTES_MAX ((size_t)2 << 30)
#define OTHER_ZONE     "ZZZ-11:30" /* no place has it, so it is never the one the run is in */

const struct trial trials[] = {
    {TRIAL_AGAIN, "again", "run a second time", 0, 0},
    {TRIAL_APART, "apart", "every batch committed by itself", 0, 0},
    {TRIAL_JOINED, "joined", "batches joined", 0, 0},
    {TRIAL_SPLIT, "split-1", "split into batches of 1 record", 1, 0},
    {TRIAL_SPLIT, "split-7", "split into batches of 7 records", 7, 0},
    {TRIAL_SPLIT, "split-1000", "split into batches of 1,000 records", 1000, 0},
    {TRIAL_TWICE, "twice", "each batch delivered twice", 0, 0},
    {TRIAL_ALL_TWICE, "all-twice", "everything delivered twice", 0, 0},
    {TRIAL_PARTITIONS, "partitions", "partitions in reverse order", 0, 0},
    {TRIAL_ALTERNATE, "alternate", "partitions in turns", 0, 0},
    {TRIAL_LATE, "late", "old batches delivered again after newer ones", 0, 0},
    {TRIAL_KILL, "kill", "killed, and run on", 0, 0},
    {TRIAL_REPLAY, "replay", "replayed", 0, 0},
    {TRIAL_RECOMPUTE, "recompute", "sums and derives computed from scratch", 0, 0},
    {TRIAL_RETRACT, "retract", "rows taken out by hand, and put back", 0, 0},
    {TRIAL_REVERSED, "reversed", "rows read in reverse where no ORDER BY says how", 0, 0},
    {TRIAL_ZONE, "zone", "in another time zone", 0, 0},
};
const size_t trial_count = ARRAY_COUNT(trials);
_Static_assert(ARRAY_COUNT(trials) <= PROVE_TRIALS_MAX, "room for every result");

/* ---- what may be delivered twice ---- */

/* A record that comes twice is two rows where its place is its identity; a source that takes
 * records back gives each of them once. */
static bool may_repeat(const struct flow *flow, const struct flow_source *source) {
    if ((source->component->caps & CAP_TAKES_BACK) != 0) {
        return false;
    }
    for (size_t i = 0; i < flow->transform_count; i++) {
        const struct flow_transform *t = &flow->transforms[i];
        if (t->kind == TRANSFORM_MAP && t->source == source && t->into->key_auto) {
            return false;
        }
    }
    return true;
}

static bool any_may_repeat(const struct flow *flow, const struct sample *sample) {
    for (size_t i = 0; i < sample->count; i++) {
        if (may_repeat(flow, sample->batches[i].source)) {
            return true;
        }
    }
    return false;
}

/* Above every batch's group. */
static size_t groups_in(const struct sample *s) {
    size_t most = 0;
    for (size_t i = 0; i < s->count; i++) {
        most = s->batches[i].group >= most ? s->batches[i].group + 1 : most;
    }
    return most;
}

static bool has_partitions(const struct sample *s) {
    for (size_t i = 1; i < s->count; i++) {
        if (s->batches[i].group != s->batches[0].group) {
            return true;
        }
    }
    return false;
}

static bool has_followers(const struct flow *flow) {
    for (size_t i = 0; i < flow->transform_count; i++) {
        if (flow->transforms[i].kind != TRANSFORM_MAP) {
            return true;
        }
    }
    return false;
}

const char *trial_skips(const struct trial *t, const struct flow *flow, const struct sample *sample,
                        bool late) {
    switch (t->kind) {
    case TRIAL_LATE:
        if (!late) {
            return "only with --late: not every source does that";
        }
        return any_may_repeat(flow, sample) ? NULL : "a record that comes twice is two rows here";
    case TRIAL_TWICE:
    case TRIAL_ALL_TWICE:
        return any_may_repeat(flow, sample) ? NULL : "a record that comes twice is two rows here";
    case TRIAL_PARTITIONS:
    case TRIAL_ALTERNATE:
        return has_partitions(sample) ? NULL : "the sample has one partition";
    case TRIAL_RECOMPUTE:
    case TRIAL_RETRACT:
        return has_followers(flow) ? NULL : "the flow has no sums or derives";
    case TRIAL_AGAIN:
    case TRIAL_APART:
    case TRIAL_JOINED:
    case TRIAL_SPLIT:
    case TRIAL_KILL:
    case TRIAL_REPLAY:
    case TRIAL_REVERSED:
    case TRIAL_ZONE:
        break;
    }
    return NULL;
}

/* ---- deliveries ---- */

static void deliver_all(const struct sample *s, struct deliveries *d) {
    for (size_t i = 0; i < s->count; i++) {
        deliveries_add(d, &s->batches[i], 0, s->batches[i].count);
    }
}

static void deliver_split(const struct sample *s, size_t rows, struct deliveries *d) {
    for (size_t i = 0; i < s->count; i++) {
        const struct sample_batch *b = &s->batches[i];
        size_t low = 0;
        do {
            size_t high = b->count - low > rows ? low + rows : b->count;
            while (high < b->count && b->records[high].is_tied) {
                high++;
            }
            deliveries_add(d, b, low, high);
            low = high;
        } while (low < b->count);
    }
}

static void deliver_twice(const struct flow *flow, const struct sample *s, struct deliveries *d) {
    for (size_t i = 0; i < s->count; i++) {
        const struct sample_batch *b = &s->batches[i];
        for (int times = may_repeat(flow, b->source) ? 2 : 1; times > 0; times--) {
            deliveries_add(d, b, 0, b->count);
        }
    }
}

static void deliver_again(const struct flow *flow, const struct sample *s, size_t count,
                          struct deliveries *d) {
    deliver_all(s, d);
    for (size_t i = 0; i < count; i++) {
        if (may_repeat(flow, s->batches[i].source)) {
            deliveries_add(d, &s->batches[i], 0, s->batches[i].count);
        }
    }
}

static void deliver_partitions(const struct sample *s, struct deliveries *d) {
    for (size_t number = groups_in(s); number > 0; number--) {
        for (size_t i = 0; i < s->count; i++) {
            if (s->batches[i].group == number - 1) {
                deliveries_add(d, &s->batches[i], 0, s->batches[i].count);
            }
        }
    }
}

/* One batch of each partition, the last partition first, until none is left. */
static void deliver_alternate(const struct sample *s, struct deliveries *d) {
    const size_t partitions = groups_in(s);
    size_t *next = mem_alloc_array(partitions + 1, sizeof *next);
    while (d->count < s->count) {
        for (size_t number = partitions; number > 0; number--) {
            size_t i = next[number - 1];
            while (i < s->count && s->batches[i].group != number - 1) {
                i++;
            }
            if (i < s->count) {
                deliveries_add(d, &s->batches[i], 0, s->batches[i].count);
            }
            next[number - 1] = i + 1;
        }
    }
    mem_free(next);
}

static void deliver(const struct trial *t, const struct flow *flow, const struct sample *s,
                    struct deliveries *d) {
    switch (t->kind) {
    case TRIAL_SPLIT:
        deliver_split(s, t->rows, d);
        return;
    case TRIAL_TWICE:
        deliver_twice(flow, s, d);
        return;
    case TRIAL_ALL_TWICE:
        deliver_again(flow, s, s->count, d);
        return;
    case TRIAL_LATE:
        deliver_again(flow, s, (s->count + 1) / 2, d);
        return;
    case TRIAL_PARTITIONS:
        deliver_partitions(s, d);
        return;
    case TRIAL_ALTERNATE:
        deliver_alternate(s, d);
        return;
    case TRIAL_AGAIN:
    case TRIAL_APART:
    case TRIAL_JOINED:
    case TRIAL_KILL:
    case TRIAL_REPLAY:
    case TRIAL_RECOMPUTE:
    case TRIAL_RETRACT:
    case TRIAL_REVERSED:
    case TRIAL_ZONE:
        break;
    }
    deliver_all(s, d);
}

/* Batches of one partition that follow each other, as one; those that take back begin anew. */
static void join(const struct sample *s, struct sample *out, struct arena *arena) {
    out->batches = mem_alloc_array(s->count + 1, sizeof *out->batches);
    for (size_t i = 0; i < s->count; i++) {
        const struct sample_batch *b = &s->batches[i];
        struct sample_batch *last = out->count > 0 ? &out->batches[out->count - 1] : NULL;
        if (last == NULL || last->group != b->group || b->taken_back > 0 ||
            !str_equal(last->meta, b->meta)) {
            out->batches[out->count++] = *b;
            continue;
        }
        struct sample_record *records =
            arena_new(arena, (last->count + b->count) * sizeof *records);
        for (size_t k = 0; k < last->count + b->count; k++) {
            records[k] = k < last->count ? last->records[k] : b->records[k - last->count];
        }
        last->records = records;
        last->count += b->count;
    }
}

/* ---- running ---- */

static enum err_code fill(struct scratch *s, const char *name, const struct sample *sample,
                          const struct deliveries *d, struct err *err) {
    scratch_use(s, name);
    scratch_clear(s);
    return scratch_stage(s, sample, d, err);
}

enum err_code trial_baseline(struct scratch *s, const char *name, const struct sample *sample,
                             struct err *err) {
    AUTO_DELIVERIES d = {.count = 0};
    deliver_all(sample, &d);
    const struct scratch_run plain = {.turn_rows = 0};
    enum err_code code = fill(s, name, sample, &d, err);
    return code == ERR_NONE ? scratch_run(s, &plain, NULL, err) : code;
}

static int64_t turn_rows(const struct sample *s) {
    return s->records / PROVE_TURNS_MAX + 1;
}

static enum err_code run_plain(struct scratch *s, int64_t rows, struct err *err) {
    const struct scratch_run how = {.turn_rows = rows};
    return scratch_run(s, &how, NULL, err);
}

static enum err_code run_kind(const struct trial *t, struct scratch *s, const struct sample *sample,
                              struct err *err) {
    struct scratch_run how = {.turn_rows = 0};
    enum err_code code = ERR_NONE;
    bool killed = false;
    switch (t->kind) {
    case TRIAL_APART:
    case TRIAL_RECOMPUTE:
        return run_plain(s, 1, err);
    case TRIAL_SPLIT:
    case TRIAL_RETRACT:
        return run_plain(s, turn_rows(sample), err);
    case TRIAL_AGAIN:
        code = run_plain(s, 0, err);
        return code == ERR_NONE ? run_plain(s, 0, err) : code;
    case TRIAL_REPLAY:
        code = run_plain(s, 1, err);
        how.replay = true;
        break;
    case TRIAL_KILL:
        how.turn_rows = 1;
        how.kill_at = t->kill_at;
        code = scratch_run(s, &how, &killed, err);
        how = (struct scratch_run){.turn_rows = 1};
        break;
    case TRIAL_REVERSED:
        how.reversed = true;
        break;
    case TRIAL_ZONE:
        how.zone = OTHER_ZONE;
        break;
    case TRIAL_JOINED:
    case TRIAL_TWICE:
    case TRIAL_ALL_TWICE:
    case TRIAL_PARTITIONS:
    case TRIAL_ALTERNATE:
    case TRIAL_LATE:
        break;
    }
    return code == ERR_NONE ? scratch_run(s, &how, NULL, err) : code;
}

/* ---- from scratch: sums and derives are forgotten with their queues, and filled anew ---- */

static enum err_code add_drops(struct scratch *s, struct buf *sql, struct err *err) {
    struct store *store = NULL;
    struct store_statement *st = NULL;
    enum err_code code = store_open(&s->flow, STORE_READ, &store, err);
    if (code == ERR_NONE) {
        code = store_prepare(
            store,
            "SELECT 'DROP ' || type || ' \"' || name || '\";' FROM sqlite_schema WHERE (type = "
            "'trigger' AND name GLOB '_plumb_t_*') OR (type = 'table' AND name GLOB '_plumb_q_*' "
            "AND name NOT GLOB '*.gone') ORDER BY type DESC",
            &st, err);
    }
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            buf_addstr(sql, store_column_str(st, 0));
        }
    }
    store_statement_free(st);
    store_close(store);
    return code;
}

static enum err_code recompute(struct scratch *s, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = add_drops(s, &sql, err);
    if (code != ERR_NONE) {
        return code;
    }
    for (size_t i = 0; i < s->flow.transform_count; i++) {
        if (s->flow.transforms[i].kind != TRANSFORM_MAP) {
            buf_addf(&sql, "DROP TABLE \"%s\";", s->flow.transforms[i].into->name);
        }
    }
    buf_adds(&sql, "DELETE FROM _plumb_transforms WHERE kind <> 'map'");
    code = scratch_execute(s, buf_c(&sql), err);
    return code == ERR_NONE ? run_plain(s, 0, err) : code;
}

static enum err_code copy_store(struct scratch *s, const char *from, const char *to,
                                struct err *err) {
    AUTO_BUF bytes = BUF_INIT(COPY_BYTES_MAX);
    scratch_use(s, from);
    enum err_code code = file_read_all(s->store + strlen("sqlite:"), &bytes, err);
    scratch_use(s, to);
    scratch_clear(s);
    return code == ERR_NONE ? file_write_atomic(s->store + strlen("sqlite:"), buf_str(&bytes), err)
                            : code;
}

/* ---- by hand ---- */

/* Every second row of the table as statements that take it out and put it back. */
static enum err_code add_rows_by_hand(struct store *store, const struct flow_table *t,
                                      struct buf *out, struct buf *back, struct err *err) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(
        &sql,
        "SELECT 'SELECT ''INSERT INTO \"%s\" VALUES('' || ' || group_concat('quote(\"' || name "
        "|| '\")', ' || '','' || ') || ' || '');'', ''DELETE FROM \"%s\" WHERE '' || ' || "
        "group_concat(CASE WHEN pk > 0 THEN '''\"' || name || '\" = '' || quote(\"' || name "
        "|| '\")' END, ' || '' AND '' || ') || ' || '';'' FROM \"%s\"' FROM "
        "pragma_table_info('%s')",
        t->name, t->name, t->name, t->name);
    struct store_statement *st = NULL;
    bool has_row = false;
    enum err_code code = store_prepare(store, buf_c(&sql), &st, err);
    if (code == ERR_NONE) {
        code = store_step(st, &has_row, err);
    }
    buf_clear(&sql);
    if (code == ERR_NONE && has_row) {
        buf_addstr(&sql, store_column_str(st, 0));
    }
    store_statement_free(st);
    st = NULL;
    if (code == ERR_NONE && has_row) {
        code = store_prepare(store, buf_c(&sql), &st, err);
    }
    for (int64_t row = 0; code == ERR_NONE && has_row; row++) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row && row % 2 == 0) {
            buf_addstr(back, store_column_str(st, 0));
            buf_addstr(out, store_column_str(st, 1));
        }
    }
    store_statement_free(st);
    return code;
}

static enum err_code rows_by_hand(struct scratch *s, struct buf *out, struct buf *back,
                                  struct err *err) {
    struct store *store = NULL;
    enum err_code code = store_open(&s->flow, STORE_READ, &store, err);
    for (size_t i = 0; code == ERR_NONE && i < s->flow.transform_count; i++) {
        bool first = s->flow.transforms[i].kind == TRANSFORM_MAP;
        for (size_t k = 0; k < i; k++) {
            first = first && s->flow.transforms[k].into != s->flow.transforms[i].into;
        }
        if (first) {
            code = add_rows_by_hand(store, s->flow.transforms[i].into, out, back, err);
        }
    }
    store_close(store);
    return code;
}

/* Without those rows, sums and derives are what they are from scratch; with them again, as before. */
static enum err_code retract(struct scratch *s, const char *name, struct arena *arena,
                             struct difference *out, struct err *err) {
    AUTO_BUF take = BUF_INIT(COPY_BYTES_MAX);
    AUTO_BUF back = BUF_INIT(COPY_BYTES_MAX);
    enum err_code code = rows_by_hand(s, &take, &back, err);
    if (code != ERR_NONE || take.len == 0) {
        return code;
    }
    code = scratch_execute(s, buf_c(&take), err);
    if (code == ERR_NONE) {
        code = run_plain(s, 0, err);
    }
    if (code == ERR_NONE) {
        code = copy_store(s, name, COPY, err);
    }
    if (code == ERR_NONE) {
        code = recompute(s, err);
    }
    if (code == ERR_NONE) {
        code = compare_stores(s, COPY, name, false, arena, out, err);
    }
    scratch_use(s, name);
    if (code == ERR_NONE && !out->found) {
        code = scratch_execute(s, buf_c(&back), err);
        code = code == ERR_NONE ? run_plain(s, 0, err) : code;
    }
    return code;
}

static bool keeps_rejects(const struct trial *t) {
    return t->kind != TRIAL_TWICE && t->kind != TRIAL_ALL_TWICE && t->kind != TRIAL_LATE;
}

static enum err_code finish(const struct trial *t, struct scratch *s, const char *base,
                            const char *name, struct arena *arena, struct difference *out,
                            struct err *err) {
    enum err_code code = ERR_NONE;
    if (t->kind == TRIAL_RETRACT) {
        code = retract(s, name, arena, out, err);
    } else if (t->kind == TRIAL_RECOMPUTE) {
        code = copy_store(s, name, COPY, err);
        if (code == ERR_NONE) {
            code = recompute(s, err);
        }
        if (code == ERR_NONE) {
            code = compare_stores(s, COPY, name, false, arena, out, err);
        }
    }
    return code == ERR_NONE && !out->found
               ? compare_stores(s, base, name, keeps_rejects(t), arena, out, err)
               : code;
}

static void free_batches(struct sample *s) {
    mem_free(s->batches);
}

enum err_code trial_do(const struct trial *t, struct scratch *s, const struct sample *sample,
                       const char *base, const char *name, struct arena *arena,
                       struct difference *out, struct err *err) {
    *out = (struct difference){.found = false};
    AUTO_DELIVERIES d = {.count = 0};
    CLEANUP(free_batches) struct sample joined = {.count = 0};
    if (t->kind == TRIAL_JOINED) {
        join(sample, &joined, arena);
        deliver_all(&joined, &d);
    } else {
        deliver(t, &s->flow, sample, &d);
    }
    enum err_code code = fill(s, name, sample, &d, err);
    if (code != ERR_NONE) {
        return code;
    }
    struct err why = ERR_INIT;
    code = run_kind(t, s, sample, &why);
    if (code == ERR_CANCELLED) {
        *err = why;
        return code;
    }
    if (code != ERR_NONE) {
        out->found = true;
        out->error = arena_strdup(arena, why.message);
        for (size_t i = 0; i < s->flow.transform_count; i++) {
            char *quoted = mem_printf("transform '%s'", s->flow.transforms[i].name);
            out->transform =
                strstr(why.message, quoted) != NULL ? &s->flow.transforms[i] : out->transform;
            mem_free(quoted);
        }
        return ERR_NONE;
    }
    return finish(t, s, base, name, arena, out, err);
}
