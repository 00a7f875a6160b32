/* Records that are taken back. A source tells the story of a chain that forks: heights with a few
 * records each, of two streams, and again and again the last heights are replaced. Whatever the
 * story, the tables, the rejects and the record numbers must be those of a run that was only told
 * how it ended. The truth is kept by the test itself, as the list of records that are left. */
#include "engine/engine.h"

#include <sqlite3.h>

#include "base/fault.h"
#include "engine/fork_source.h"
#include "store/digest.h"
#include "transform/transform.h"

/* b's map fails on values that end in 3; a's filters those that 7 divides. */
static const char head_yaml[] =
    "flow: t\n"
    "store: sqlite:t.db\n"
    "sources: {s: {type: fork}}\n"
    "tables:\n"
    "  a: {key: [n, i], columns: {n: int64, i: int64, v: int64}}\n"
    "  b: {key: [n, i], columns: {n: int64, i: int64, v: int256}}\n"
    "  log: {key: auto, columns: {v: int64}}\n"
    "  pairs: {key: [n, i, side], columns: {n: int64, i: int64, side: int64, v: int64}}\n"
    "  groups: {key: [g], columns: {g: int64, c: int64, total: int64}}\n"
    "  means: {key: [g], columns: {g: int64, mean: int64}}\n"
    "transforms:\n"
    "  a: {from: s.a, into: a, sql: 'SELECT n, i, v FROM batch WHERE v % 7 <> 0'}\n"
    "  b: {from: s.b, into: b, sql: \"SELECT n, i, i256(CASE WHEN v % 10 = 3 THEN 'x' ELSE v END) "
    "AS v FROM batch\"}\n"
    "  log: {from: s.a, into: log, sql: 'SELECT v FROM batch'}\n"
    "  groups: {from: tables.a, into: groups, sum: 'SELECT v % 5 AS g, 1 AS c, v AS total FROM "
    "change'}\n"
    "  means: {on: [groups], into: means, derive: 'SELECT g.g, g.total / g.c AS mean FROM changed "
    "k "
    "JOIN groups g ON g.g = k.g'}\n";
static const char late_yaml[] = "  pairs: {from: s.b, into: pairs, many: true, sql: 'SELECT n, i, "
                                "side, v FROM batch CROSS JOIN "
                                "(SELECT 0 AS side UNION ALL SELECT 1)'}\n";

/* ---- stories ---- */

struct truth {
    size_t left[STORY_RECORDS_MAX]; /* indexes into texts */
    int64_t heights[STORY_RECORDS_MAX];
    size_t count;
    int64_t height; /* the next */
};

static uint64_t seed;

static size_t below(size_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % n);
}

/* Records of the next height, at the end of the truth. */
static void add_height(struct story *s, struct truth *t) {
    size_t records = below(4);
    for (size_t i = 0; i < records; i++) {
        char *text = s->texts[s->text_count];
        if (below(12) == 0) {
            (void)snprintf(text, RECORD_BYTES, "bad %lld", (long long)t->height);
        } else {
            (void)snprintf(text, RECORD_BYTES, "%c %lld %zu %zu", below(2) == 0 ? 'a' : 'b',
                           (long long)t->height, i, below(1000));
        }
        t->heights[t->count] = t->height;
        t->left[t->count++] = s->text_count++;
    }
    t->height++;
}

static struct told *add_batch(struct story *s, const struct truth *t, size_t from, int64_t low) {
    struct told *b = &s->batches[s->batch_count++];
    *b = (struct told){.first = from < t->count ? t->left[from] : s->text_count,
                       .count = t->count - from,
                       .number = (int64_t)from,
                       .low = low,
                       .high = t->height - 1,
                       .settled = -1};
    return b;
}

/* Heights come, and now and then the last up to `depth` go; *t is what is left. */
static void invent(struct story *s, struct truth *t, size_t batches, size_t depth) {
    *s = (struct story){.at = 0};
    *t = (struct truth){.count = 0};
    while (s->batch_count < batches) {
        int64_t low = t->height;
        bool takes_back = t->height > 0 && below(3) == 0;
        if (takes_back) {
            size_t back = 1 + below(depth);
            low = (size_t)t->height > back ? t->height - (int64_t)back : 0;
            while (t->count > 0 && t->heights[t->count - 1] >= low) {
                t->count--;
            }
            t->height = low;
        }
        size_t from = t->count;
        size_t heights = below(4);
        for (size_t i = 0; i < heights; i++) {
            add_height(s, t);
        }
        add_batch(s, t, from, low)->takes_back = takes_back;
    }
}

/* The same end, told straight, in batches of other sizes. */
static void retell(const struct story *from, const struct truth *t, size_t size,
                   struct story *out) {
    *out = (struct story){.at = 0};
    for (size_t i = 0; i < t->count; i++) {
        memcpy(out->texts[out->text_count++], from->texts[t->left[i]], RECORD_BYTES);
    }
    for (size_t i = 0; i < t->count; i += size) {
        size_t count = t->count - i < size ? t->count - i : size;
        out->batches[out->batch_count++] = (struct told){.first = i,
                                                         .count = count,
                                                         .number = (int64_t)i,
                                                         .low = (int64_t)i,
                                                         .high = (int64_t)(i + count) - 1,
                                                         .settled = -1};
    }
}

/* ---- runs ---- */

struct place {
    char directory[64];
    struct flow *flow;
};

static void load(struct place *p, bool late) {
    struct err err = ERR_INIT;
    char *path = mem_printf("%s/flow.yaml", p->directory);
    char *text = mem_printf("%s%s", head_yaml, late ? late_yaml : "");
    assert_int_equal(file_write_atomic(path, str_of(text), &err), ERR_NONE);
    flow_free(p->flow);
    p->flow = NULL;
    if (flow_load(path, &fork_registry, &p->flow, &err) != ERR_NONE) {
        fail_msg("%s: %s", err.where, err.message);
    }
    mem_free(text);
    mem_free(path);
}

static void open_place(struct place *p) {
    (void)snprintf(p->directory, sizeof(p->directory), "/tmp/plumb-fork-XXXXXX");
    assert_non_null(mkdtemp(p->directory));
    p->flow = NULL;
    load(p, false);
}

static void close_place(struct place *p) {
    flow_free(p->flow);
    script_remove(p->directory);
}

static void run_until(struct place *p, const struct story *s, size_t end_at, bool replay) {
    story = *s;
    story.end_at = end_at;
    struct run_summary summary;
    struct err err = ERR_INIT;
    const struct run_options options = {.once = true};
    struct swap_report report = {.count = 0};
    enum err_code code = replay ? engine_replay(p->flow, NULL, 0, &options, &summary, &report, &err)
                                : engine_run(p->flow, &options, &summary, &err);
    swap_report_release(&report);
    if (code != ERR_NONE) {
        fail_msg("%s", err.message);
    }
}

static int64_t ask(const struct place *p, const char *sql) {
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    char *path = mem_printf("%s/t.db", p->directory);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    mem_free(path);
    return n;
}

/* Digests of all tables, and what else must not depend on the story. */
static char *state_of(struct place *p) {
    struct err err = ERR_INIT;
    struct store *store = NULL;
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    assert_int_equal(store_open(p->flow, STORE_READ, &store, &err), ERR_NONE);
    for (size_t i = 0; i < p->flow->table_count; i++) {
        char digest[DIGEST_TEXT_BYTES];
        const struct flow_table *t = &p->flow->tables[i];
        assert_int_equal(store_table_digest(store, t, digest, &err), ERR_NONE);
        buf_addf(&out, "%s %s\n", t->name, digest);
    }
    store_close(store);
    static const char *const questions[] = {
        "SELECT coalesce(sum(records), 0) FROM _plumb_partitions",
        "SELECT count(*) FROM _plumb_rejects WHERE taken_back_by IS NULL AND transform = ''",
        "SELECT count(*) FROM _plumb_rejects WHERE taken_back_by IS NULL AND transform = 'b'",
        "SELECT coalesce(sum(_record * (v + 1)), 0) FROM log",
        "SELECT count(*) + coalesce(sum(record), 0) FROM _plumb_notes"};
    for (size_t i = 0; i < ARRAY_COUNT(questions); i++) {
        buf_addf(&out, "%zu: %lld\n", i, (long long)ask(p, questions[i]));
    }
    return mem_strdup(buf_c(&out));
}

/* What the ledger says must be there, for tables that maps fill. */
static void assert_accounts(const struct place *p) {
    static const char *const maps[] = {"a", "b", "log"};
    for (size_t i = 0; i < ARRAY_COUNT(maps); i++) {
        char *sql = mem_printf(
            "SELECT (SELECT coalesce(sum(inserted - deleted - taken_back), 0) FROM _plumb_ledger "
            "WHERE transform = '%s') - (SELECT count(*) FROM \"%s\")",
            maps[i], maps[i]);
        assert_int_equal(ask(p, sql), 0);
        mem_free(sql);
    }
    assert_int_equal(ask(p, "SELECT count(*) FROM _plumb_batches b WHERE decoded <> (SELECT "
                            "sum(records) FROM _plumb_streams s WHERE s.batch = b.id)"),
                     0);
}

static char *straight(const struct story *s, const struct truth *t, size_t size, bool late) {
    static struct story plain;
    retell(s, t, size, &plain);
    struct place p = {.flow = NULL};
    open_place(&p);
    load(&p, late);
    run_until(&p, &plain, plain.batch_count, false);
    char *state = state_of(&p);
    close_place(&p);
    return state;
}

static struct story told;
static struct truth truth;

static void assert_same(char *got, char *want, uint64_t at_seed) {
    if (strcmp(got, want) != 0) {
        fail_msg("seed %llu:\n%sinstead of\n%s", (unsigned long long)at_seed, got, want);
    }
    mem_free(got);
    mem_free(want);
}

/* Records that are left after the last batch. */
static size_t truth_at(const struct story *s) {
    const struct told *last = &s->batches[s->batch_count - 1];
    return (size_t)last->number + last->count;
}

/* ---- tests ---- */

static void test_a_story_with_forks_ends_as_if_it_had_been_told_straight(void **state) {
    (void)state;
    for (uint64_t i = 1; i <= 60; i++) {
        seed = i * 0x9E3779B97F4A7C15u;
        invent(&told, &truth, 30, 1 + i % 20);
        struct place p = {.flow = NULL};
        open_place(&p);
        run_until(&p, &told, told.batch_count, false);
        assert_accounts(&p);
        assert_same(state_of(&p), straight(&told, &truth, 1 + i % 9, false), i);
        close_place(&p);
    }
}

static void test_it_may_be_cut_anywhere_and_replayed(void **state) {
    (void)state;
    for (uint64_t i = 1; i <= 20; i++) {
        seed = i * 0xD1342543DE82EF95u;
        invent(&told, &truth, 20, 6);
        struct place p = {.flow = NULL};
        open_place(&p);
        for (size_t end = 1; end < told.batch_count; end += 1 + below(5)) {
            run_until(&p, &told, end, false);
        }
        run_until(&p, &told, told.batch_count, false);
        run_until(&p, &told, told.batch_count, true);
        assert_accounts(&p);
        assert_same(state_of(&p), straight(&told, &truth, 100, false), i);
        close_place(&p);
    }
}

static void test_a_map_that_comes_later_catches_up_through_the_forks(void **state) {
    (void)state;
    for (uint64_t i = 1; i <= 20; i++) {
        seed = i * 0xA0761D6478BD642Fu;
        invent(&told, &truth, 20, 6);
        struct place p = {.flow = NULL};
        open_place(&p);
        run_until(&p, &told, told.batch_count / 2, false);
        load(&p, true);
        run_until(&p, &told, told.batch_count, false);
        assert_same(state_of(&p), straight(&told, &truth, 3, true), i);
        close_place(&p);
    }
}

static void test_any_store_fault_on_the_way_changes_nothing(void **state) {
    (void)state;
    seed = 0xE7037ED1A0B428DBu;
    invent(&told, &truth, 12, 5);
    char *want = straight(&told, &truth, 4, false);
    size_t failures = 0;
    for (int64_t point = 1; point < 400; point += 7) {
        struct err err = ERR_INIT;
        struct place p = {.flow = NULL};
        open_place(&p);
        char *spec = mem_printf("store:%lld,hurry", (long long)point);
        assert_int_equal(fault_arm(spec, &err), ERR_NONE);
        story = told;
        story.end_at = told.batch_count;
        struct run_summary summary;
        const struct run_options options = {.once = true};
        failures += engine_run(p.flow, &options, &summary, &err) != ERR_NONE; /* gave up */
        assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
        run_until(&p, &told, told.batch_count, false);
        assert_same(state_of(&p), mem_strdup(want), (uint64_t)point);
        close_place(&p);
        mem_free(spec);
    }
    mem_free(want);
    assert_true(failures > 0); /* else no fault was met */
}

static void test_a_rewound_source_tells_the_rest_again(void **state) {
    (void)state;
    for (uint64_t i = 1; i <= 20; i++) {
        seed = i * 0x8EBC6AF09C88C6E3u;
        invent(&told, &truth, 20, 6);
        told.batches[10].settled = told.batches[10].number; /* a person may go behind that */
        for (size_t k = 11; k < told.batch_count; k++) {
            told.batches[k].takes_back = false; /* ... the source may not */
        }
        told.batch_count = 11;
        struct place p = {.flow = NULL};
        open_place(&p);
        run_until(&p, &told, told.batch_count, false);
        char *want = state_of(&p);
        struct rewound done;
        struct err err = ERR_INIT;
        const struct rewind what = {.source = "s", .to = (int64_t)below(8)};
        const int64_t stood = ask(&p, "SELECT max(high) FROM _plumb_coverage");
        enum err_code code = engine_rewind(p.flow, &what, &done, &err);
        if (code == ERR_CONFIG) { /* nothing ends so early */
            mem_free(want);
            close_place(&p);
            continue;
        }
        assert_int_equal(code, ERR_NONE);
        assert_true(done.from <= what.to + 1);
        assert_int_equal(ask(&p, "SELECT records FROM _plumb_partitions") + done.records,
                         (int64_t)truth_at(&told));
        assert_true(ask(&p, "SELECT coalesce(max(n), -1) FROM a") < done.from || done.records == 0);
        assert_accounts(&p);
        run_until(&p, &told, told.batch_count, false);
        assert_int_equal(ask(&p, "SELECT max(high) FROM _plumb_coverage"), stood);
        assert_same(state_of(&p), want, i);
        close_place(&p);
    }
}

static void change(const struct place *p, const char *sql) {
    sqlite3 *db = NULL;
    char *path = mem_printf("%s/t.db", p->directory);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    mem_free(path);
}

/* What is left of a story without the records of some batches, counted by the test itself. */
struct remains {
    int64_t a, a_sum, log, log_sum, decoding_rejects, b_rejects;
};

static bool is_lost(const struct story *s, size_t text, const bool *lost) {
    for (size_t i = 0; i < s->batch_count; i++) {
        if (text >= s->batches[i].first && text < s->batches[i].first + s->batches[i].count) {
            return lost[i];
        }
    }
    fail_msg("a record of no batch");
    return false;
}

/* Rejects of decoding stay, those of maps go with the rows. */
static struct remains remains_of(const struct story *s, const struct truth *t, const bool *lost) {
    struct remains out = {.a = 0};
    for (size_t i = 0; i < t->count; i++) {
        char stream = '\0';
        long long n = 0;
        long long k = 0;
        long long v = 0;
        const char *text = s->texts[t->left[i]];
        if (sscanf(text, "%c %lld %lld %lld", &stream, &n, &k, &v) != 4) {
            out.decoding_rejects++;
        } else if (!is_lost(s, t->left[i], lost) && stream == 'b') {
            out.b_rejects += v % 10 == 3;
        } else if (!is_lost(s, t->left[i], lost)) {
            out.log++;
            out.log_sum += v * ((int64_t)i + 1);
            out.a += v % 7 != 0;
            out.a_sum += v % 7 != 0 ? v * (n + 1) * (k + 1) : 0;
        }
    }
    return out;
}

static void assert_remains(const struct place *p, const struct remains *want, uint64_t at_seed) {
    const struct remains got = {
        ask(p, "SELECT count(*) FROM a"),
        ask(p, "SELECT coalesce(sum(v * (n + 1) * (i + 1)), 0) FROM a"),
        ask(p, "SELECT count(*) FROM log"),
        ask(p, "SELECT coalesce(sum(v * (_record + 1)), 0) FROM log"),
        ask(p, "SELECT count(*) FROM _plumb_rejects WHERE taken_back_by IS NULL AND transform = "
               "''"),
        ask(p, "SELECT count(*) FROM _plumb_rejects WHERE taken_back_by IS NULL AND transform = "
               "'b'")};
    if (memcmp(&got, want, sizeof got) != 0) {
        fail_msg("seed %llu: a %lld (%lld), log %lld (%lld), rejects %lld and %lld instead of a "
                 "%lld (%lld), log %lld (%lld), rejects %lld and %lld",
                 (unsigned long long)at_seed, (long long)got.a, (long long)got.a_sum,
                 (long long)got.log, (long long)got.log_sum, (long long)got.decoding_rejects,
                 (long long)got.b_rejects, (long long)want->a, (long long)want->a_sum,
                 (long long)want->log, (long long)want->log_sum, (long long)want->decoding_rejects,
                 (long long)want->b_rejects);
    }
}

/* Raw records go; those who take back theirs stay, and the other way round. */
static void lose_some(struct place *p, const struct story *s, bool *lost) {
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    int64_t id = 0;
    for (size_t i = 0; i < s->batch_count; i++) {
        const bool is_staged = s->batches[i].count > 0 || s->batches[i].takes_back;
        lost[i] = below(3) == 0;
        /* Taking back what is not there stages nothing. */
        AUTO_BUF find = BUF_INIT(BUF_TEXT_MAX);
        buf_addf(&find,
                 "SELECT coalesce(min(id), 0) FROM _plumb_batches WHERE id > %lld AND cursor LIKE "
                 "'{\"at\": %zu,%%'",
                 (long long)id, i + 1);
        const int64_t found = is_staged ? ask(p, buf_c(&find)) : 0;
        if (found > 0) {
            id = found;
        }
        if (found > 0 && lost[i]) {
            buf_addf(&sql, "DELETE FROM _plumb_frames WHERE batch = %lld;", (long long)found);
        }
    }
    buf_adds(&sql, "SELECT 1;");
    change(p, buf_c(&sql));
}

static void test_what_is_lost_is_lost_alone_however_it_was_taken_back(void **state) {
    (void)state;
    for (uint64_t i = 1; i <= 40; i++) {
        seed = i * 0x9FB21C651E98DF25u;
        invent(&told, &truth, 20, 6);
        bool lost[STORY_BATCHES_MAX] = {false};
        struct place p = {.flow = NULL};
        open_place(&p);
        run_until(&p, &told, told.batch_count, false);
        struct remains want = remains_of(&told, &truth, lost);
        assert_remains(&p, &want, i);
        lose_some(&p, &told, lost);
        want = remains_of(&told, &truth, lost);
        struct run_summary summary;
        struct err err = ERR_INIT;
        struct swap_report report = {.count = 0};
        const struct run_options options = {.once = true, .lose = true};
        if (engine_replay(p.flow, NULL, 0, &options, &summary, &report, &err) != ERR_NONE) {
            fail_msg("seed %llu: %s", (unsigned long long)i, err.message);
        }
        swap_report_release(&report);
        assert_remains(&p, &want, i);
        assert_accounts(&p);
        close_place(&p);
    }
}

static void test_what_is_settled_cannot_be_taken_back(void **state) {
    (void)state;
    told = (struct story){.text_count = 3, .batch_count = 2};
    (void)snprintf(told.texts[0], RECORD_BYTES, "a 0 0 1");
    (void)snprintf(told.texts[1], RECORD_BYTES, "a 1 0 2");
    (void)snprintf(told.texts[2], RECORD_BYTES, "a 1 0 9");
    told.batches[0] = (struct told){.count = 2, .high = 1, .settled = 1};
    told.batches[1] = (struct told){.first = 2, .count = 1, .takes_back = true, .settled = -1};
    struct place p = {.flow = NULL};
    open_place(&p);
    run_until(&p, &told, 1, false);
    story = told;
    story.end_at = 2;
    struct run_summary summary;
    struct err err = ERR_INIT;
    const struct run_options options = {.once = true};
    assert_int_equal(engine_run(p.flow, &options, &summary, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.message, "settled"));
    assert_int_equal(ask(&p, "SELECT sum(v) FROM a"), 3);
    told.batches[1].number = 1; /* the unsettled one may go */
    told.batches[1].low = 1;
    run_until(&p, &told, 2, false);
    assert_int_equal(ask(&p, "SELECT count(*) * 100 + sum(v) FROM a"), 210);
    assert_int_equal(ask(&p, "SELECT count(*) * 100 + max(high) FROM _plumb_coverage"), 100);
    close_place(&p);
}

static void refuse(const char *yaml, const char *message) {
    struct place p = {.flow = NULL};
    open_place(&p);
    struct err err = ERR_INIT;
    struct store *store = NULL;
    struct plan *plan = NULL;
    char *path = mem_printf("%s/flow.yaml", p.directory);
    assert_int_equal(file_write_atomic(path, str_of(yaml), &err), ERR_NONE);
    flow_free(p.flow);
    p.flow = NULL;
    enum err_code code = flow_load(path, &fork_registry, &p.flow, &err);
    if (code == ERR_NONE) {
        assert_int_equal(store_open(p.flow, STORE_SCRATCH, &store, &err), ERR_NONE);
        code = plan_open(store, p.flow, &plan, &err);
        plan_close(plan);
        store_close(store);
    }
    assert_int_equal(code, ERR_CONFIG);
    if (strstr(err.message, message) == NULL) {
        fail_msg("'%s' is not in '%s'", message, err.message);
    }
    mem_free(path);
    close_place(&p);
}

#define FLOW_OF(key, rest)                                                                         \
    "flow: t\nstore: sqlite:t.db\nsources: {s: {type: fork}}\ntables:\n  a: {key: " key            \
    ", columns: {n: int64, i: int64, v: int64}}\ntransforms:\n  a: {into: a, " rest "}\n"

static void test_maps_must_keep_to_what_names_a_record(void **state) {
    (void)state;
    refuse(FLOW_OF("[v]", "from: s.a, sql: 'SELECT n, i, v FROM batch'"), "must begin with");
    refuse(FLOW_OF("[v, n, i]", "from: s.a, sql: 'SELECT n, i, v FROM batch'"), "must begin with");
    refuse(FLOW_OF("[n, i]", "from: s.a, sql: 'SELECT n + 0 AS n, i, v FROM batch'"),
           "'n' is not there");
    refuse(FLOW_OF("[n, i]", "from: s.a, latest_by: v, sql: 'SELECT n, i, v FROM batch'"),
           "latest_by has no place here");
    refuse(FLOW_OF("[n, i]", "from: s.a, delete_when: v = 1, sql: 'SELECT n, i, v FROM batch'"),
           "delete_when has no place here");
    refuse(FLOW_OF("[n, i]", "from: s, sql: 'SELECT n, i, v FROM batch'"), "several streams");
    refuse(FLOW_OF("[n, i]", "from: s.c, sql: 'SELECT n, i, v FROM batch'"), "stream");
    refuse("flow: t\nsources: {s: {type: fork, columns: {a: int64}}}\ntables: {}\ntransforms: {}\n",
           "has no 'columns'");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_story_with_forks_ends_as_if_it_had_been_told_straight),
        cmocka_unit_test(test_it_may_be_cut_anywhere_and_replayed),
        cmocka_unit_test(test_a_map_that_comes_later_catches_up_through_the_forks),
        cmocka_unit_test(test_any_store_fault_on_the_way_changes_nothing),
        cmocka_unit_test(test_a_rewound_source_tells_the_rest_again),
        cmocka_unit_test(test_what_is_lost_is_lost_alone_however_it_was_taken_back),
        cmocka_unit_test(test_what_is_settled_cannot_be_taken_back),
        cmocka_unit_test(test_maps_must_keep_to_what_names_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
