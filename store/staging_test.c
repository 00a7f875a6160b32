/* Batches, cursors, marks, ledger, rejects, drift and troubles: what is written is what is read,
 * what is damaged is refused, and retention takes only what it may. */
#include "store/sqlite/test_support.h"

#include "store/digest.h"

#define MEMORY_MAX ((size_t)1 << 20)
#define HEAD       "flow: t\nstore: sqlite:t.db\n"
#define REST                                                                                       \
    "sources:\n"                                                                                   \
    "  s: {type: test, columns: {id: int64, name: text}}\n"                                        \
    "tables:\n"                                                                                    \
    "  a: {key: [id], columns: {id: int64, name: text}}\n"                                         \
    "  all: {key: [i], columns: {i: int64, f: float64, b: bool, t: text, y: bytes, at: "           \
    "timestamp, "                                                                                  \
    "j: json, w: int256}}\n"                                                                       \
    "transforms:\n"                                                                                \
    "  a: {from: sources.s, into: a, sql: 'SELECT id, name FROM batch'}\n"

struct fixture {
    struct test_place *place;
    struct flow *flow;
    struct store *s;
    struct batch batch;
    struct store_partition partition;
    struct err err;
};

static void reopen(struct fixture *f, const char *yaml) {
    if (f->s != NULL) {
        store_close(f->s);
        flow_free(f->flow);
    }
    f->flow = place_flow(f->place, yaml);
    f->s = store_of(f->flow, STORE_WRITE);
}

static int setup(void **state) {
    void *place = NULL;
    (void)place_make(&place);
    struct fixture *f = mem_alloc(sizeof(*f));
    f->place = place;
    reopen(f, HEAD REST);
    batch_init(&f->batch);
    assert_int_equal(store_partition_get(f->s, "s", "p", &f->partition, &f->err), ERR_NONE);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    batch_release(&f->batch);
    store_close(f->s);
    flow_free(f->flow);
    void *place = f->place;
    (void)place_remove(&place);
    mem_free(f);
    return 0;
}

static struct str record_of(int64_t seq, int i, char text[64]) {
    int len = snprintf(text, 64, "{\"id\": %d, \"name\": \"batch %lld\"}", i, (long long)seq);
    return (struct str){text, (size_t)len};
}

static enum err_code stage_with(struct fixture *f, struct str cursor, struct store_batch *info) {
    const struct source_coverage coverage = {.is_set = false};
    const struct buf notes = BUF_INIT(1);
    const struct store_extras extras = {cursor, -1, &coverage, &notes};
    return store_stage(f->s, &f->batch, &extras, info, &f->err);
}

/* The next batch of the partition, of so many records. */
static struct store_batch stage(struct fixture *f, int records) {
    struct store_batch info = {.partition = f->partition.id,
                               .seq = f->partition.last_batch_seq + 1,
                               .first_record = f->partition.records,
                               .decoded = records};
    char text[64];
    assert_int_equal(batch_begin(&f->batch, STR("meta"), &f->err), ERR_NONE);
    for (int i = 0; i < records; i++) {
        assert_int_equal(batch_add(&f->batch, record_of(info.seq, i, text), RECORD_WHOLE, &f->err),
                         ERR_NONE);
    }
    assert_int_equal(batch_seal(&f->batch, 1, &f->err), ERR_NONE);
    int len = snprintf(text, sizeof(text), "after %lld", (long long)info.seq);
    assert_int_equal(stage_with(f, (struct str){text, (size_t)len}, &info), ERR_NONE);
    f->partition.last_batch_seq = info.seq;
    f->partition.records += records;
    return info;
}

static enum err_code load(struct fixture *f, int64_t seq, struct store_batch *info) {
    f->err = (struct err)ERR_INIT;
    struct batch read;
    batch_init(&read);
    enum err_code code = store_load(f->s, f->partition.id, seq, &read, info, &f->err);
    if (code == ERR_NONE) {
        char text[64];
        assert_true(str_equal(batch_meta(&read), STR("meta")));
        for (uint32_t i = 0; i < read.count; i++) {
            assert_true(str_equal(batch_record(&read, i).bytes, record_of(seq, (int)i, text)));
        }
    }
    batch_release(&read);
    return code;
}

static void a_batch_is_read_as_it_was_staged(void **state) {
    struct fixture *f = *state;
    struct store_batch first = stage(f, 3);
    struct store_batch second = stage(f, 2);
    struct store_batch info;
    assert_int_equal(load(f, 1, &info), ERR_NONE);
    assert_int_equal(info.id, first.id);
    assert_int_equal(info.first_record, 0);
    assert_int_equal(info.decoded, 3);
    assert_int_equal(load(f, 2, &info), ERR_NONE);
    assert_int_equal(info.id, second.id);
    assert_int_equal(info.first_record, 3);
    assert_int_equal(load(f, 3, &info), ERR_CORRUPT);
    assert_says(&f->err, ERR_CORRUPT, "batch 3 of partition 1 is not in the store");
}

static void the_partition_is_at_its_last_batch_after_opening_again(void **state) {
    struct fixture *f = *state;
    (void)stage(f, 3);
    (void)stage(f, 2);
    reopen(f, HEAD REST);
    struct store_partition p = {0};
    assert_int_equal(store_partition_get(f->s, "s", "p", &p, &f->err), ERR_NONE);
    assert_int_equal(p.id, f->partition.id);
    assert_int_equal(p.last_batch_seq, 2);
    assert_int_equal(p.records, 5);
    bool staged = false;
    assert_int_equal(store_batch_staged(f->s, p.id, 2, &staged, &f->err), ERR_NONE);
    assert_true(staged);
    assert_int_equal(store_batch_staged(f->s, p.id, 3, &staged, &f->err), ERR_NONE);
    assert_false(staged);
}

static void cursors_are_those_of_the_source_in_order_and_only_where_there_is_one(void **state) {
    struct fixture *f = *state;
    struct store_partition other = {0};
    struct arena arena;
    struct source_cursor *cursors = NULL;
    size_t count = 9;
    arena_init(&arena, MEMORY_MAX);
    assert_int_equal(store_cursors(f->s, "s", &arena, &cursors, &count, &f->err), ERR_NONE);
    assert_int_equal(count, 0);
    assert_int_equal(store_partition_get(f->s, "s", "q", &other, &f->err), ERR_NONE);
    assert_int_equal(store_partition_get(f->s, "elsewhere", "p", &other, &f->err), ERR_NONE);
    (void)stage(f, 1);
    (void)stage(f, 1);
    assert_int_equal(store_cursors(f->s, "s", &arena, &cursors, &count, &f->err), ERR_NONE);
    assert_int_equal(count, 1);
    assert_string_equal(cursors[0].partition, "p");
    assert_true(str_equal(cursors[0].cursor, STR("after 2")));
    arena_release(&arena);
}

static void a_batch_without_records_moves_only_the_cursor(void **state) {
    struct fixture *f = *state;
    (void)stage(f, 1);
    struct store_batch info = {.partition = f->partition.id, .seq = 2, .first_record = 1, .id = 7};
    assert_int_equal(batch_begin(&f->batch, STR(""), &f->err), ERR_NONE);
    assert_int_equal(stage_with(f, STR("further"), &info), ERR_NONE);
    assert_int_equal(info.id, 0);
    assert_int_equal(number(f->s, "SELECT count(*) FROM _plumb_batches"), 1);
    assert_int_equal(number(f->s, "SELECT last_seq FROM _plumb_partitions WHERE cursor = 'further' "
                                  "AND records = 1"),
                     1);
}

static void what_is_damaged_is_refused_with_the_batch(void **state) {
    struct fixture *f = *state;
    (void)stage(f, 3);
    (void)stage(f, 3);
    struct store_batch info;
    sql(f->s, "UPDATE _plumb_batches SET hash = zeroblob(16) WHERE seq = 1");
    assert_int_equal(load(f, 1, &info), ERR_CORRUPT);
    assert_says(&f->err, ERR_CORRUPT, "batch 1");
    sql(f->s, "UPDATE _plumb_batches SET hash = zeroblob(3) WHERE seq = 1");
    assert_int_equal(load(f, 1, &info), ERR_CORRUPT);
    assert_says(&f->err, ERR_CORRUPT, "a hash of 3 bytes");
    sql(f->s, "UPDATE _plumb_frames SET frame = substr(frame, 1, 9) WHERE batch = 2");
    assert_int_equal(load(f, 2, &info), ERR_CORRUPT);
    assert_says(&f->err, ERR_CORRUPT, "batch 2");
}

static void retention_by_size_keeps_the_newest_and_what_is_not_applied(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 6; i++) {
        (void)stage(f, 4);
    }
    int64_t dropped = 9;
    assert_int_equal(store_retain(f->s, 100, &dropped, &f->err), ERR_NONE);
    assert_int_equal(dropped, 0); /* keep: forever */
    char yaml[sizeof(HEAD REST) + 64];
    int64_t two = number(f->s, "SELECT sum(length(frame)) FROM _plumb_frames WHERE batch > 4");
    (void)snprintf(yaml, sizeof(yaml), HEAD "staging: {keep: %lldB}\n" REST, (long long)two);
    reopen(f, yaml);
    assert_int_equal(store_retain(f->s, 100, &dropped, &f->err), ERR_NONE);
    assert_int_equal(dropped, 0); /* no map has applied any */
    assert_int_equal(store_mark_set(f->s, "a", f->partition.id, 3, &f->err), ERR_NONE);
    assert_int_equal(store_retain(f->s, 2, &dropped, &f->err), ERR_NONE);
    assert_int_equal(dropped, 2);
    assert_int_equal(number(f->s, "SELECT min(batch) FROM _plumb_frames"), 3);
    assert_int_equal(store_retain(f->s, 100, &dropped, &f->err), ERR_NONE);
    assert_int_equal(dropped, 1);
    assert_int_equal(store_mark_set(f->s, "a", f->partition.id, 6, &f->err), ERR_NONE);
    assert_int_equal(store_retain(f->s, 100, &dropped, &f->err), ERR_NONE);
    assert_int_equal(number(f->s, "SELECT min(batch) FROM _plumb_frames"), 5);
    struct store_batch info;
    assert_int_equal(load(f, 1, &info), ERR_CONFIG);
    assert_says(&f->err, ERR_CONFIG, "retention (staging: keep) dropped them");
    assert_int_equal(load(f, 5, &info), ERR_NONE);
}

static void retention_by_age_takes_what_is_older(void **state) {
    struct fixture *f = *state;
    (void)stage(f, 1);
    (void)stage(f, 1);
    sql(f->s, "UPDATE _plumb_batches SET staged_us = staged_us - 3700000000 WHERE seq = 1");
    assert_int_equal(store_mark_set(f->s, "a", f->partition.id, 2, &f->err), ERR_NONE);
    reopen(f, HEAD "staging: {keep: 1h}\n" REST);
    int64_t dropped = 0;
    assert_int_equal(store_retain(f->s, 100, &dropped, &f->err), ERR_NONE);
    assert_int_equal(dropped, 1);
    assert_int_equal(number(f->s, "SELECT batch FROM _plumb_frames"), 2);
}

/* ---- marks, ledger, rejects ---- */

static void a_mark_is_0_until_it_is_set(void **state) {
    struct fixture *f = *state;
    int64_t seq = 9;
    assert_int_equal(store_mark_get(f->s, "a", 1, &seq, &f->err), ERR_NONE);
    assert_int_equal(seq, 0);
    assert_int_equal(store_mark_set(f->s, "a", 1, 4, &f->err), ERR_NONE);
    assert_int_equal(store_mark_set(f->s, "a", 1, 5, &f->err), ERR_NONE);
    assert_int_equal(store_mark_set(f->s, "a", 2, 8, &f->err), ERR_NONE);
    assert_int_equal(store_mark_get(f->s, "a", 1, &seq, &f->err), ERR_NONE);
    assert_int_equal(seq, 5);
}

static void every_number_of_a_ledger_line_is_in_its_column(void **state) {
    struct fixture *f = *state;
    const struct ledger_line line = {.rows_in = 1,
                                     .records_out = 2,
                                     .rows_out = 3,
                                     .filtered = 4,
                                     .rejected = 5,
                                     .inserted = 6,
                                     .updated = 7,
                                     .unchanged = 8,
                                     .deleted = 9,
                                     .superseded = 10,
                                     .duration_us = 11};
    assert_int_equal(store_ledger_add(f->s, 3, "a", &line, &f->err), ERR_NONE);
    assert_int_equal(
        number(f->s, "SELECT count(*) FROM _plumb_ledger WHERE batch = 3 AND transform = 'a' AND "
                     "(rows_in, records_out, rows_out, filtered, rejected, inserted, updated, "
                     "unchanged, deleted, superseded, duration_us) = (1, 2, 3, 4, 5, 6, 7, 8, 9, "
                     "10, 11) AND length(version) = 32 AND applied_us > 0"),
        1);
}

static void a_reject_replaces_that_of_the_same_record_and_transform(void **state) {
    struct fixture *f = *state;
    struct reject r = {
        .pos = 4, .reason = REJECT_TYPE, .column = "id", .offset = 7, .message = STR("first")};
    assert_int_equal(store_reject_add(f->s, 1, "", &r, &f->err), ERR_NONE);
    r = (struct reject){
        .pos = 4, .reason = REJECT_RANGE, .column = NULL, .offset = -1, .message = STR("second")};
    assert_int_equal(store_reject_add(f->s, 1, "", &r, &f->err), ERR_NONE);
    assert_int_equal(store_reject_add(f->s, 1, "a", &r, &f->err), ERR_NONE);
    assert_int_equal(number(f->s, "SELECT count(*) FROM _plumb_rejects"), 2);
    assert_int_equal(
        number(f->s,
               "SELECT count(*) FROM _plumb_rejects WHERE transform = '' AND reason = "
               "'range' AND message = 'second' AND column_name IS NULL AND byte_offset IS NULL"),
        1);
}

/* ---- drift and troubles ---- */

/* A batch in which `id` came so often as kinds, and "/extra" as an integer when it came. */
static void note(struct fixture *f, int64_t batch, int64_t present, unsigned kinds, int64_t extra) {
    unsigned column_kinds[] = {kinds, FIELD_STRING};
    int64_t column_present[] = {present, 2};
    struct drift d = {.column_kinds = column_kinds, .column_present = column_present, .records = 2};
    if (extra > 0) {
        d.field_count = 1;
        d.fields[0].path = STR("/extra");
        d.fields[0].kinds = FIELD_INTEGER;
        d.fields[0].records = extra;
    }
    assert_int_equal(store_drift_add(f->s, &f->flow->sources[0], batch, &d, &f->err), ERR_NONE);
}

static int64_t events(struct fixture *f, const char *event) {
    char text[128];
    (void)snprintf(text, sizeof(text),
                   "SELECT count(*) FROM _plumb_schema_events WHERE event = '%s'", event);
    return number(f->s, text);
}

static void each_change_of_the_schema_is_told_once(void **state) {
    struct fixture *f = *state;
    note(f, 1, 2, FIELD_INTEGER, 0);
    assert_int_equal(number(f->s, "SELECT count(*) FROM _plumb_schema_events"), 0);
    note(f, 2, 2, FIELD_INTEGER, 1);
    note(f, 3, 2, FIELD_INTEGER, 2);
    assert_int_equal(events(f, "new_field"), 1);
    note(f, 4, 0, 0, 0);
    note(f, 5, 0, 0, 0);
    assert_int_equal(events(f, "missing_field"), 1);
    note(f, 6, 2, FIELD_INTEGER, 0);
    note(f, 7, 0, 0, 0);
    assert_int_equal(events(f, "missing_field"), 2); /* it had come back */
    note(f, 8, 2, FIELD_INTEGER, 0);
    assert_int_equal(events(f, "changed_type"), 0);
    note(f, 9, 2, FIELD_STRING, 0);
    assert_int_equal(events(f, "changed_type"), 1);
    assert_int_equal(number(f->s, "SELECT batch FROM _plumb_schema_events WHERE detail = "
                                  "'string, was integer' AND path = '/id'"),
                     9);
}

static void trouble_counts_attempts_until_it_is_over(void **state) {
    struct fixture *f = *state;
    struct err trouble = ERR_INIT;
    (void)err_set(&trouble, ERR_UNAVAILABLE, "no answer");
    err_where(&trouble, "file a");
    assert_int_equal(store_trouble_set(f->s, "s", "p", &trouble, &f->err), ERR_NONE);
    assert_int_equal(store_trouble_set(f->s, "s", "p", &trouble, &f->err), ERR_NONE);
    assert_int_equal(number(f->s, "SELECT attempts FROM _plumb_troubles WHERE message = 'no "
                                  "answer' AND place = 'file a'"),
                     2);
    const struct err fine = ERR_INIT;
    assert_int_equal(store_trouble_set(f->s, "s", "q", &fine, &f->err), ERR_NONE);
    assert_int_equal(number(f->s, "SELECT count(*) FROM _plumb_troubles"), 1);
    assert_int_equal(store_trouble_set(f->s, "s", "p", &fine, &f->err), ERR_NONE);
    assert_int_equal(number(f->s, "SELECT count(*) FROM _plumb_troubles"), 0);
}

static void a_definition_that_changed_is_refused(void **state) {
    struct fixture *f = *state;
    bool fresh = false;
    assert_int_equal(store_definition_claim(f->s, &f->flow->transforms[0], &fresh, &f->err),
                     ERR_NONE);
    assert_true(fresh);
    assert_int_equal(store_definition_claim(f->s, &f->flow->transforms[0], &fresh, &f->err),
                     ERR_NONE);
    assert_false(fresh);
    struct flow_transform other = f->flow->transforms[0];
    other.definition.low ^= 1;
    assert_int_equal(store_definition_claim(f->s, &other, &fresh, &f->err), ERR_CONFIG);
    assert_says(&f->err, ERR_CONFIG, "transform 'a' changed since it last ran on this store");
}

static void a_transforms_state_counts_its_failures(void **state) {
    struct fixture *f = *state;
    struct err failure = ERR_INIT;
    bool fresh = false;
    assert_int_equal(store_definition_claim(f->s, &f->flow->transforms[0], &fresh, &f->err),
                     ERR_NONE);
    (void)err_set(&failure, ERR_INPUT, "overflow");
    assert_int_equal(store_transform_state(f->s, "a", &failure, &f->err), ERR_NONE);
    assert_int_equal(store_transform_state(f->s, "a", &failure, &f->err), ERR_NONE);
    assert_int_equal(
        number(f->s, "SELECT attempts FROM _plumb_transforms WHERE message = 'overflow'"), 2);
    assert_int_equal(store_transform_state(f->s, "a", NULL, &f->err), ERR_NONE);
    assert_int_equal(number(f->s, "SELECT attempts FROM _plumb_transforms WHERE message IS NULL"),
                     0);
}

/* ---- the digest of a table ---- */

static void digest_of(struct fixture *f, char out[DIGEST_TEXT_BYTES]) {
    if (store_table_digest(f->s, flow_find_table(f->flow, "all"), out, &f->err) != ERR_NONE) {
        fail_msg("%s", f->err.message);
    }
}

static void a_tables_digest_is_that_of_its_values(void **state) {
    struct fixture *f = *state;
    const struct value cells[] = {
        {.type = TYPE_INT64, .integer = -1},        {.type = TYPE_FLOAT64, .real = 0.25},
        {.type = TYPE_BOOL, .integer = 1},          {.type = TYPE_TEXT, .bytes = STR("x")},
        {.type = TYPE_BYTES, .bytes = STR("\xff")}, {.type = TYPE_TIMESTAMP, .integer = 7},
        {.type = TYPE_JSON, .is_null = true},       {.type = TYPE_INT256, .bytes = STR("\x81\x07")},
    };
    struct digest d;
    char want[DIGEST_TEXT_BYTES];
    char got[DIGEST_TEXT_BYTES];
    digest_init(&d);
    for (size_t i = 0; i < ARRAY_COUNT(cells); i++) {
        assert_int_equal(digest_value(&d, &cells[i], &f->err), ERR_NONE);
    }
    digest_end_row(&d);
    digest_text(&d, want);
    digest_release(&d);
    sql(f->s, "INSERT INTO \"all\" VALUES (-1, 0.25, 1, 'x', x'ff', 7, NULL, x'8107')");
    digest_of(f, got);
    assert_string_equal(got, want);
    sql(f->s, "UPDATE \"all\" SET j = 'null'");
    digest_of(f, got);
    assert_string_not_equal(got, want);
}

static void bytes_that_are_no_int256_are_told_with_table_and_column(void **state) {
    struct fixture *f = *state;
    char got[DIGEST_TEXT_BYTES];
    sql(f->s, "INSERT INTO \"all\" (i, w) VALUES (1, x'00')");
    assert_int_equal(store_table_digest(f->s, flow_find_table(f->flow, "all"), got, &f->err),
                     ERR_CORRUPT);
    assert_says(&f->err, ERR_CORRUPT, "table 'all', column 'w'");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_batch_is_read_as_it_was_staged),
        TEST(the_partition_is_at_its_last_batch_after_opening_again),
        TEST(cursors_are_those_of_the_source_in_order_and_only_where_there_is_one),
        TEST(a_batch_without_records_moves_only_the_cursor),
        TEST(what_is_damaged_is_refused_with_the_batch),
        TEST(retention_by_size_keeps_the_newest_and_what_is_not_applied),
        TEST(retention_by_age_takes_what_is_older),
        TEST(a_mark_is_0_until_it_is_set),
        TEST(every_number_of_a_ledger_line_is_in_its_column),
        TEST(a_reject_replaces_that_of_the_same_record_and_transform),
        TEST(each_change_of_the_schema_is_told_once),
        TEST(trouble_counts_attempts_until_it_is_over),
        TEST(a_definition_that_changed_is_refused),
        TEST(a_transforms_state_counts_its_failures),
        TEST(a_tables_digest_is_that_of_its_values),
        TEST(bytes_that_are_no_int256_are_told_with_table_and_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
