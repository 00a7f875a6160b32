/* Opening a store: who may, what is made, what is refused because it was made otherwise, and the
 * queues and triggers that come and go with a flow's transforms. */
#include "base/clock.h"
#include "store/sqlite/test_support.h"

#define HEAD                                                                                       \
    "flow: t\n"                                                                                    \
    "store: sqlite:t.db\n"                                                                         \
    "sources:\n"                                                                                   \
    "  s: {type: test, columns: {id: int64, v: int64}}\n"                                          \
    "tables:\n"
#define ORDERS  "  orders: {key: [id], columns: {id: int64, v: int64}, indexes: [[v, id]]}\n"
#define SUMS    "  sums: {key: [v], columns: {v: int64, n: int64}}\n"
#define REGIONS "  regions: {key: [name], columns: {name: text, size: float64}}\n"
#define MAPS                                                                                       \
    "transforms:\n  orders: {from: sources.s, into: orders, sql: 'SELECT id, v FROM batch'}\n"
#define SUM "  sums: {from: tables.orders, into: sums, sum: 'SELECT v, 1 AS n FROM change'}\n"

static const char whole[] = HEAD ORDERS SUMS REGIONS MAPS SUM;

static void refuse(const struct flow *flow, enum store_mode mode, enum err_code code,
                   const char *words) {
    struct err err = ERR_INIT;
    struct store *s = NULL;
    assert_int_equal(store_open(flow, mode, &s, &err), code);
    assert_null(s);
    assert_says(&err, code, words);
}

static void the_first_opening_makes_what_the_flow_declares(void **state) {
    struct flow *flow = place_flow(*state, whole);
    struct store *s = store_of(flow, STORE_WRITE);
    assert_int_equal(number(s, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name "
                               "IN ('orders', 'sums', 'regions', '_plumb_batches')"),
                     4);
    assert_int_equal(number(s, "SELECT count(*) FROM pragma_index_info('orders_v_id_index')"), 2);
    assert_int_equal(number(s, "SELECT count(*) FROM pragma_table_xinfo('sums')"), 3); /* and _n */
    assert_int_equal(number(s, "SELECT value FROM _plumb_meta WHERE key = 'version'"),
                     STORE_VERSION);
    assert_int_equal(number(s, "PRAGMA synchronous"), 2);
    store_close(s);
    flow_free(flow);
}

static void opening_again_changes_nothing(void **state) {
    struct flow *flow = place_flow(*state, whole);
    struct store *s = store_of(flow, STORE_WRITE);
    sql(s, "INSERT INTO orders VALUES (1, 2)");
    int64_t version = number(s, "PRAGMA schema_version");
    store_close(s);
    s = store_of(flow, STORE_WRITE);
    assert_int_equal(number(s, "PRAGMA schema_version"), version);
    assert_int_equal(number(s, "SELECT v FROM orders WHERE id = 1"), 2);
    store_close(s);
    flow_free(flow);
}

static void a_second_writer_is_refused_and_readers_are_not(void **state) {
    struct flow *flow = place_flow(*state, whole);
    struct store *writer = store_of(flow, STORE_WRITE);
    char pid[32];
    (void)snprintf(pid, sizeof(pid), "(process %ld)", (long)getpid());
    refuse(flow, STORE_WRITE, ERR_CONFLICT, pid);
    sql(writer, "INSERT INTO orders VALUES (1, 2)");
    struct store *reader = store_of(flow, STORE_READ);
    assert_int_equal(number(reader, "SELECT v FROM orders"), 2);
    struct err err = ERR_INIT;
    assert_int_not_equal(store_execute(reader, "DELETE FROM orders", &err), ERR_NONE);
    store_close(reader);
    store_close(writer);
    writer = store_of(flow, STORE_WRITE);
    store_close(writer);
    flow_free(flow);
}

static void reading_makes_no_store(void **state) {
    const struct test_place *p = *state;
    struct flow *flow = place_flow(p, whole);
    refuse(flow, STORE_READ, ERR_CONFIG, "there is no store at");
    char *path = mem_printf("%s/t.db", p->directory);
    assert_false(file_exists(path));
    mem_free(path);
    flow_free(flow);
}

static void a_database_that_is_no_store_and_one_of_another_version_are_refused(void **state) {
    const struct test_place *p = *state;
    struct flow *flow = place_flow(p, whole);
    char *path = mem_printf("%s/t.db", p->directory);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE other(a)", NULL, NULL, NULL), SQLITE_OK);
    refuse(flow, STORE_READ, ERR_CONFIG, "is not a plumb store");
    struct store *s = store_of(flow, STORE_WRITE);
    sql(s, "UPDATE _plumb_meta SET value = '9' WHERE key = 'version'");
    store_close(s);
    refuse(flow, STORE_READ, ERR_CONFIG, "has version 9");
    refuse(flow, STORE_WRITE, ERR_CONFIG, "has version 9");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    mem_free(path);
    flow_free(flow);
}

static void a_table_declared_otherwise_is_refused_unless_it_is_to_be_rebuilt(void **state) {
    struct flow *flow = place_flow(*state, whole);
    store_close(store_of(flow, STORE_WRITE));
    flow_free(flow);
    flow = place_flow(*state, HEAD "  orders: {key: [id], columns: {id: int64, v: text}}\n" MAPS);
    refuse(flow, STORE_WRITE, ERR_CONFIG,
           "rebuild it from the staged raw data with `plumb replay`");
    store_close(store_of(flow, STORE_REBUILD));
    flow_free(flow);
    flow = place_flow(*state, HEAD ORDERS "  regions: {key: [name], columns: {name: text}}\n" MAPS);
    refuse(flow, STORE_WRITE, ERR_CONFIG, "change the table with ALTER TABLE");
    flow_free(flow);
}

static void a_column_added_by_hand_may_be_declared(void **state) {
    struct flow *flow = place_flow(*state, whole);
    struct store *s = store_of(flow, STORE_WRITE);
    sql(s, "ALTER TABLE regions ADD COLUMN code TEXT");
    store_close(s);
    flow_free(flow);
    flow = place_flow(
        *state, HEAD ORDERS
        "  regions: {key: [name], columns: {name: text, code: text, size: float64}}\n" MAPS);
    store_close(store_of(flow, STORE_WRITE));
    flow_free(flow);
}

static void what_is_undone_and_what_is_committed(void **state) {
    struct flow *flow = place_flow(*state, whole);
    struct store *s = store_of(flow, STORE_WRITE);
    struct err err = ERR_INIT;
    assert_int_equal(store_begin(s, &err), ERR_NONE);
    sql(s, "INSERT INTO orders VALUES (1, 1)");
    assert_int_equal(store_savepoint(s, &err), ERR_NONE);
    sql(s, "INSERT INTO orders VALUES (2, 2)");
    assert_int_equal(store_undo(s, &err), ERR_NONE);
    assert_int_equal(store_savepoint(s, &err), ERR_NONE);
    sql(s, "INSERT INTO orders VALUES (4, 4)");
    assert_int_equal(store_release(s, &err), ERR_NONE);
    assert_int_equal(store_commit(s, &err), ERR_NONE);
    assert_int_equal(store_begin(s, &err), ERR_NONE);
    sql(s, "INSERT INTO orders VALUES (8, 8)");
    store_rollback(s);
    assert_int_equal(number(s, "SELECT sum(id) FROM orders"), 1 + 4);
    store_close(s);
    flow_free(flow);
}

/* ---- queues and triggers ---- */

static enum err_code ensure(struct store *s, const char *name, const char *ddl, struct err *err) {
    *err = (struct err)ERR_INIT;
    return store_object_ensure(s, name, ddl, err);
}

static void a_queue_is_made_again_only_when_it_is_empty(void **state) {
    static const char before[] = "CREATE TABLE \"_plumb_q_sums\"(v INTEGER)";
    static const char after[] = "CREATE TABLE \"_plumb_q_sums\"(v INTEGER, w INTEGER)";
    struct flow *flow = place_flow(*state, whole);
    struct store *s = store_of(flow, STORE_WRITE);
    struct err err = ERR_INIT;
    assert_int_equal(ensure(s, "_plumb_q_sums", before, &err), ERR_NONE);
    sql(s, "INSERT INTO _plumb_q_sums VALUES (1)");
    assert_int_equal(ensure(s, "_plumb_q_sums", before, &err), ERR_NONE);
    assert_int_equal(number(s, "SELECT count(*) FROM _plumb_q_sums"), 1);
    assert_int_equal(ensure(s, "_plumb_q_sums", after, &err), ERR_CONFIG);
    assert_says(&err, ERR_CONFIG, "still holds changes");
    assert_int_equal(number(s, "SELECT count(*) FROM _plumb_q_sums"), 1);
    sql(s, "DELETE FROM _plumb_q_sums");
    assert_int_equal(ensure(s, "_plumb_q_sums", after, &err), ERR_NONE);
    assert_int_equal(number(s, "SELECT count(*) FROM pragma_table_info('_plumb_q_sums')"), 2);
    store_close(s);
    flow_free(flow);
}

static void fill(struct store *s) {
    sql(s, "CREATE TABLE \"_plumb_q_sums\"(v INTEGER);"
           "CREATE TRIGGER \"_plumb_t_sums.orders\" AFTER INSERT ON orders BEGIN INSERT INTO "
           "_plumb_q_sums VALUES (new.v); END;"
           "INSERT INTO regions VALUES ('north', 1.5); INSERT INTO orders VALUES (1, 2);"
           "INSERT INTO _plumb_marks VALUES ('sums', 1, 1, 0), ('orders', 1, 1, 0);");
}

static void a_transform_that_is_gone_is_forgotten_with_its_queue(void **state) {
    struct flow *flow = place_flow(*state, whole);
    struct store *s = store_of(flow, STORE_WRITE);
    struct err err = ERR_INIT;
    bool fresh = false;
    for (size_t i = 0; i < flow->transform_count; i++) {
        assert_int_equal(store_definition_claim(s, &flow->transforms[i], &fresh, &err), ERR_NONE);
        assert_true(fresh);
    }
    fill(s);
    assert_int_equal(store_forget_absent(s, &err), ERR_NONE); /* nothing is absent */
    assert_int_equal(number(s, "SELECT count(*) FROM _plumb_transforms"), 2);
    assert_int_equal(number(s, "SELECT count(*) FROM _plumb_q_sums"), 1);
    store_close(s);
    flow_free(flow);
    flow = place_flow(*state, HEAD ORDERS REGIONS MAPS);
    s = store_of(flow, STORE_WRITE);
    assert_int_equal(store_forget_absent(s, &err), ERR_NONE);
    assert_int_equal(number(s, "SELECT count(*) FROM _plumb_transforms"), 1);
    assert_int_equal(number(s, "SELECT count(*) FROM _plumb_marks"), 1);
    assert_int_equal(number(s, "SELECT count(*) FROM sqlite_schema WHERE name GLOB '_plumb_q_*' "
                               "OR name = '_plumb_t_sums.orders'"),
                     0);
    sql(s, "INSERT INTO orders VALUES (2, 2)");
    store_close(s);
    flow_free(flow);
}

static void a_statement_ends_at_its_deadline_and_the_next_one_does_not(void **state) {
    struct flow *flow = place_flow(*state, whole);
    struct store *s = store_of(flow, STORE_WRITE);
    static const char endless[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                                  "SELECT max(i) FROM n";
    struct err err = ERR_INIT;
    int64_t out = 0;
    bool found = false;
    store_deadline(s, clock_monotonic_us() + 20000);
    assert_int_equal(store_get_i64(s, endless, &out, &found, &err), ERR_CANCELLED);
    store_deadline(s, 0);
    err_clear(&err);
    assert_int_equal(store_get_i64(s,
                                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                                   "LIMIT 100000) SELECT max(i) FROM n",
                                   &out, &found, &err),
                     ERR_NONE);
    assert_int_equal(out, 100000);
    store_close(s);
    flow_free(flow);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_remove)
    const struct CMUnitTest tests[] = {
        TEST(the_first_opening_makes_what_the_flow_declares),
        TEST(opening_again_changes_nothing),
        TEST(a_second_writer_is_refused_and_readers_are_not),
        TEST(reading_makes_no_store),
        TEST(a_database_that_is_no_store_and_one_of_another_version_are_refused),
        TEST(a_table_declared_otherwise_is_refused_unless_it_is_to_be_rebuilt),
        TEST(a_column_added_by_hand_may_be_declared),
        TEST(what_is_undone_and_what_is_committed),
        TEST(a_queue_is_made_again_only_when_it_is_empty),
        TEST(a_transform_that_is_gone_is_forgotten_with_its_queue),
        TEST(a_statement_ends_at_its_deadline_and_the_next_one_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
