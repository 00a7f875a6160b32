/* What a map counts and rejects: each kind of outcome alone, then all of them in random batches, held against
 * a count made here. */
#include "transform/test_support.h"

#define MEMORY_MAX  ((size_t)16 << 20)
#define RECORDS_MAX 64

static const char yaml[] =
    "flow: t\n"
    "store: sqlite:t.db\n"
    "sources:\n"
    "  s:\n"
    "    type: test\n"
    "    columns: {id: int64, v: int64, at: int64, txt: text, js: json}\n"
    "tables:\n"
    "  ref: {key: [name, n], columns: {name: text, n: int64}}\n"
    "  last: {key: [id], columns: {id: int64, v: int64}}\n"
    "  newest: {key: [id], columns: {id: int64, v: int64, at: int64}}\n"
    "  gone: {key: [id], columns: {id: int64, v: int64, at: int64}}\n"
    "  log: {key: auto, lineage: true, columns: {id: int64}}\n"
    "  parsed: {key: [id], columns: {id: int64, w: int256}}\n"
    "  many: {key: [id, n], columns: {id: int64, n: int64}}\n"
    "  joined: {key: [id], columns: {id: int64, n: int64}}\n"
    "transforms:\n"
    "  last: {from: sources.s, into: last, sql: 'SELECT id, v FROM batch WHERE v >= 0'}\n"
    "  newest: {from: sources.s, into: newest, latest_by: at, sql: 'SELECT id, v, at FROM batch'}\n"
    "  gone: {from: sources.s, into: gone, latest_by: at, delete_when: v < 0, sql: 'SELECT id, v, "
    "at FROM batch'}\n"
    "  log: {from: sources.s, into: log, sql: 'SELECT id FROM batch'}\n"
    "  parsed: {from: sources.s, into: parsed, sql: 'SELECT id, i256(txt) AS w FROM batch'}\n"
    "  many: {from: sources.s, into: many, many: true, sql: 'SELECT b.id, j.value AS n FROM batch "
    "b CROSS JOIN json_each(b.js) j'}\n"
    "  joined: {from: sources.s, into: joined, sql: 'SELECT b.id, r.n FROM batch b CROSS JOIN ref "
    "r WHERE r.name = b.txt'}\n";

struct fixture {
    struct flow *flow;
    struct store *store;
    struct plan *plan;
    struct arena arena;
    struct rows rows;
    struct ledger_line line;
    struct reject_list rejects;
    int64_t batches;
    int64_t records;
};

static int setup(void **state) {
    struct fixture *f = mem_alloc(sizeof(*f));
    struct err err = ERR_INIT;
    f->flow = test_flow(yaml);
    assert_int_equal(store_open(f->flow, STORE_SCRATCH, &f->store, &err), ERR_NONE);
    if (plan_open(f->store, f->flow, &f->plan, &err) != ERR_NONE) {
        fail_msg("%s: %s", err.where, err.message);
    }
    assert_int_equal(
        store_execute(f->store, "INSERT INTO ref VALUES ('one', 1), ('two', 1), ('two', 2)", &err),
        ERR_NONE);
    arena_init(&f->arena, MEMORY_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    plan_close(f->plan);
    store_close(f->store);
    flow_free(f->flow);
    arena_release(&f->arena);
    mem_free(f);
    return 0;
}

static void begin(struct fixture *f) {
    struct err err = ERR_INIT;
    arena_reset(&f->arena);
    assert_int_equal(
        rows_init(&f->rows, &f->flow->sources[0].contract.schema, &f->arena, RECORDS_MAX, &err),
        ERR_NONE);
}

static void add(struct fixture *f, int64_t id, int64_t v, int64_t at) {
    rows_set_i64(&f->rows, 0, id);
    rows_set_i64(&f->rows, 1, v);
    rows_set_i64(&f->rows, 2, at);
    rows_set_bytes(&f->rows, 3, STR("7"));
    rows_set_bytes(&f->rows, 4, STR("[]"));
    rows_commit(&f->rows, (uint32_t)f->rows.count);
}

static void add_text(struct fixture *f, int64_t id, const char *txt, const char *js) {
    rows_set_i64(&f->rows, 0, id);
    rows_set_i64(&f->rows, 1, 1);
    rows_set_i64(&f->rows, 2, 1);
    rows_set_bytes(&f->rows, 3, str_of(txt));
    rows_set_bytes(&f->rows, 4, str_of(js));
    rows_commit(&f->rows, (uint32_t)f->rows.count);
}

static size_t index_of(const struct fixture *f, const char *transform) {
    return (size_t)(flow_find_transform(f->flow, transform) - f->flow->transforms);
}

static void apply(struct fixture *f, const char *transform) {
    struct err err = ERR_INIT;
    f->batches++;
    struct map_input in = {&f->rows, f->batches, 1, f->records};
    f->records += (int64_t)f->rows.count;
    reject_list_init(&f->rejects, &f->arena);
    assert_int_equal(store_begin(f->store, &err), ERR_NONE);
    if (map_apply(f->plan, index_of(f, transform), &in, &f->line, &f->rejects, &err) != ERR_NONE) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(store_commit(f->store, &err), ERR_NONE);
    const struct ledger_line *l = &f->line;
    assert_int_equal(l->rows_in, f->rows.count);
    assert_int_equal(l->rows_in, l->records_out + l->filtered + l->rejected);
    assert_int_equal(l->rows_out,
                     l->inserted + l->updated + l->unchanged + l->deleted + l->superseded);
    assert_int_equal(l->rejected, f->rejects.count);
}

static int64_t number(struct fixture *f, const char *sql) {
    struct err err = ERR_INIT;
    int64_t out = 0;
    bool found = false;
    assert_int_equal(store_get_i64(f->store, sql, &out, &found, &err), ERR_NONE);
    return found ? out : -1;
}

static void test_new_rows_are_inserted_and_others_filtered(void **state) {
    struct fixture *f = *state;
    begin(f);
    add(f, 1, 10, 0);
    add(f, 2, -1, 0);
    add(f, 3, 30, 0);
    apply(f, "last");
    assert_int_equal(f->line.inserted, 2);
    assert_int_equal(f->line.filtered, 1);
    assert_int_equal(f->line.records_out, 2);
}

static void test_the_last_of_a_key_wins_within_a_batch(void **state) {
    struct fixture *f = *state;
    begin(f);
    add(f, 1, 10, 0);
    add(f, 1, 20, 0);
    add(f, 1, 20, 0);
    add(f, 1, 30, 0);
    apply(f, "last");
    assert_int_equal(f->line.inserted, 1);
    assert_int_equal(f->line.updated, 2);
    assert_int_equal(f->line.unchanged, 1);
    assert_int_equal(number(f, "SELECT v FROM last WHERE id = 1"), 30);
}

static void test_an_older_record_is_superseded_and_a_tie_is_not(void **state) {
    struct fixture *f = *state;
    begin(f);
    add(f, 1, 10, 5);
    add(f, 1, 20, 4);
    add(f, 1, 30, 5);
    apply(f, "newest");
    assert_int_equal(f->line.superseded, 1);
    assert_int_equal(f->line.updated, 1);
    assert_int_equal(number(f, "SELECT v FROM newest WHERE id = 1"), 30);
}

static void test_a_deletion_counts_when_there_was_a_row(void **state) {
    struct fixture *f = *state;
    begin(f);
    add(f, 1, 10, 5);
    apply(f, "gone");
    begin(f);
    add(f, 1, -1, 6);
    add(f, 2, -1, 6);
    apply(f, "gone");
    assert_int_equal(f->line.deleted, 1);
    assert_int_equal(f->line.unchanged, 1);
    assert_int_equal(number(f, "SELECT count(*) FROM gone"), 0);
}

static void test_an_old_record_does_not_bring_a_deleted_row_back(void **state) {
    struct fixture *f = *state;
    begin(f);
    add(f, 1, -1, 6);
    apply(f, "gone");
    begin(f);
    add(f, 1, 10, 5);
    apply(f, "gone");
    assert_int_equal(f->line.superseded, 1);
    assert_int_equal(number(f, "SELECT count(*) FROM gone"), 0);
    begin(f);
    add(f, 1, 10, 7);
    apply(f, "gone");
    assert_int_equal(f->line.inserted, 1);
}

static void test_a_log_has_one_row_a_record_however_often_it_is_applied(void **state) {
    struct fixture *f = *state;
    begin(f);
    add(f, 4, 0, 0);
    add(f, 4, 0, 0);
    apply(f, "log");
    assert_int_equal(f->line.inserted, 2);
    f->records = 0;
    apply(f, "log");
    assert_int_equal(f->line.unchanged, 2);
    assert_int_equal(number(f, "SELECT count(*) FROM log"), 2);
    assert_int_equal(number(f, "SELECT sum(_record * 10 + _pos) FROM log"), 11);
}

static void test_rows_that_fail_are_rejected_alone_with_their_place(void **state) {
    struct fixture *f = *state;
    begin(f);
    for (int64_t i = 0; i < 40; i++) {
        add_text(f, i, i % 7 == 3 ? "bad" : "12", "[]");
    }
    apply(f, "parsed");
    assert_int_equal(f->line.rejected, 6);
    assert_int_equal(f->line.inserted, 34);
    for (size_t i = 0; i < f->rejects.count; i++) {
        assert_int_equal(f->rejects.items[i].pos, 7 * i + 3);
        assert_int_equal(f->rejects.items[i].reason, REJECT_TRANSFORM);
    }
}

static void test_every_row_may_fail(void **state) {
    struct fixture *f = *state;
    begin(f);
    for (int64_t i = 0; i < RECORDS_MAX; i++) {
        add_text(f, i, "bad", "[]");
    }
    apply(f, "parsed");
    assert_int_equal(f->line.rejected, RECORDS_MAX);
}

static void test_many_counts_records_and_rows(void **state) {
    struct fixture *f = *state;
    begin(f);
    add_text(f, 1, "7", "[1, 2, 3]");
    add_text(f, 2, "7", "[]");
    add_text(f, 3, "7", "[5]");
    apply(f, "many");
    assert_int_equal(f->line.records_out, 2);
    assert_int_equal(f->line.rows_out, 4);
    assert_int_equal(f->line.filtered, 1);
}

static void test_a_join_that_multiplies_rejects_that_record_only(void **state) {
    struct fixture *f = *state;
    begin(f);
    add_text(f, 1, "one", "[]");
    add_text(f, 2, "two", "[]");
    add_text(f, 3, "none", "[]");
    add_text(f, 4, "one", "[]");
    apply(f, "joined");
    assert_int_equal(f->line.rejected, 1);
    assert_int_equal(f->rejects.items[0].pos, 1);
    assert_int_equal(f->line.inserted, 2);
    assert_int_equal(f->line.filtered, 1);
    assert_int_equal(number(f, "SELECT sum(id) FROM joined"), 5);
}

static void test_an_empty_batch_is_applied(void **state) {
    struct fixture *f = *state;
    begin(f);
    apply(f, "last");
    apply(f, "gone");
    assert_int_equal(f->line.rows_in, 0);
}

/* The staged form and the direct one agree with a plain count, batch after batch. */
static void test_random_batches_count_what_a_plain_count_says(void **state) {
    struct fixture *f = *state;
    uint64_t seed = 7;
    int64_t value[8] = {0};
    int64_t at[8] = {0};
    bool here[8] = {false};
    for (int round = 0; round < 300; round++) {
        begin(f);
        int64_t superseded = 0;
        size_t count = (size_t)(next_random(&seed) % 12);
        for (size_t i = 0; i < count; i++) {
            int64_t id = (int64_t)(next_random(&seed) % 8);
            int64_t v = (int64_t)(next_random(&seed) % 4);
            int64_t when = round / 10 + (int64_t)(next_random(&seed) % 5);
            add(f, id, v, when);
            if (here[id] && when < at[id]) {
                superseded++;
            } else {
                here[id] = true;
                value[id] = v;
                at[id] = when;
            }
        }
        apply(f, "newest");
        assert_int_equal(f->line.superseded, superseded);
        apply(f, "gone"); /* no v is negative: the same rows by the other form */
    }
    int64_t sum = 0;
    for (int64_t i = 0; i < 8; i++) {
        assert_true(here[i]);
        sum += (i + 1) * (value[i] * 1000 + at[i]);
    }
    assert_int_equal(number(f, "SELECT sum((id + 1) * (v * 1000 + at)) FROM newest"), sum);
    assert_int_equal(number(f, "SELECT sum((id + 1) * (v * 1000 + at)) FROM gone"), sum);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_new_rows_are_inserted_and_others_filtered),
        TEST(test_the_last_of_a_key_wins_within_a_batch),
        TEST(test_an_older_record_is_superseded_and_a_tie_is_not),
        TEST(test_a_deletion_counts_when_there_was_a_row),
        TEST(test_an_old_record_does_not_bring_a_deleted_row_back),
        TEST(test_a_log_has_one_row_a_record_however_often_it_is_applied),
        TEST(test_rows_that_fail_are_rejected_alone_with_their_place),
        TEST(test_every_row_may_fail),
        TEST(test_many_counts_records_and_rows),
        TEST(test_a_join_that_multiplies_rejects_that_record_only),
        TEST(test_an_empty_batch_is_applied),
        TEST(test_random_batches_count_what_a_plain_count_says),
    };
    return cmocka_run_group_tests_name("transform_map", tests, NULL, NULL);
}
