/* What a store says of its database: nothing where all is well, and nothing of SQLite's. */
#include "base/clock.h"
#include "store/health.h"
#include "store/postgres/catalog_test_support.h"

static const struct flow *flow_at(struct flow *flow, const char *address) {
    flow->store = address; /* instead of what the text says; the flow is the test's own */
    return flow;
}

static size_t findings(struct store *s, struct store_finding out[STORE_FINDINGS_MAX]) {
    struct err err = ERR_INIT;
    size_t count = 99;
    assert_ok(store_health(s, out, &count, &err), err);
    return count;
}

static void a_table_that_nobody_cleans_is_told(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct flow *flow = test_flow(HEAD TABLES TRANSFORMS);
    struct err err = ERR_INIT;
    struct store *s = NULL;
    struct store_finding found[STORE_FINDINGS_MAX];
    assert_ok(store_open(flow_at(flow, test_url()), STORE_WRITE, &s, &err), err);
    assert_int_equal(findings(s, found), 0);
    test_execute(pg, "ALTER TABLE shop._plumb_marks SET (autovacuum_enabled = false)");
    assert_int_equal(findings(s, found), 1);
    assert_string_equal(found[0].kind, "autovacuum");
    assert_string_equal(found[0].subject, "_plumb_marks");
    assert_int_equal(found[0].since_us, 0);
    assert_non_null(strstr(found[0].advice, "ALTER TABLE ... RESET"));
    store_close(s);
    assert_ok(store_open(flow, STORE_READ, &s, &err), err); /* readers may ask */
    assert_ok(store_begin_read(s, &err), err);
    assert_int_equal(findings(s, found), 1);
    store_rollback(s);
    store_close(s);
    test_execute(pg, "DROP SCHEMA shop CASCADE");
    flow_free(flow);
    pg_close(pg);
}

static void a_transaction_left_open_has_an_age(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct flow *flow = test_flow(HEAD TABLES TRANSFORMS);
    struct err err = ERR_INIT;
    struct store *s = NULL;
    struct store_finding found[STORE_FINDINGS_MAX];
    assert_ok(store_open(flow_at(flow, test_url()), STORE_WRITE, &s, &err), err);
    /* One that began long ago cannot be had: the clock of the statistics is, for this session. */
    test_execute(pg, "CREATE SCHEMA late; CREATE VIEW late.pg_stat_activity AS SELECT 4242 AS pid, "
                     "'bob'::name AS usename, 'psql'::text AS application_name, "
                     "current_database()::name AS datname, 'client backend'::text AS backend_type, "
                     "'idle in transaction'::text AS state, now() - interval '7 minutes' AS "
                     "xact_start");
    assert_ok(store_begin(s, &err), err);
    assert_ok(store_execute(s, "SET LOCAL search_path = late, pg_catalog, plumb", &err), err);
    assert_int_equal(findings(s, found), 1);
    store_rollback(s);
    assert_string_equal(found[0].kind, "transaction");
    assert_non_null(strstr(found[0].subject, "backend 4242 of bob (psql)"));
    assert_true(found[0].since_us > 0);
    assert_true(found[0].since_us <= clock_now_us() - 7 * INT64_C(60000000));
    assert_true(found[0].since_us > clock_now_us() - 9 * INT64_C(60000000));
    store_close(s);
    test_execute(pg, "DROP SCHEMA shop, late CASCADE");
    flow_free(flow);
    pg_close(pg);
}

static void sqlite_has_nothing_to_say(void **state) {
    (void)state;
    struct flow *flow = test_flow(HEAD TABLES TRANSFORMS);
    struct err err = ERR_INIT;
    struct store *s = NULL;
    struct store_finding found[STORE_FINDINGS_MAX];
    assert_ok(store_open(flow, STORE_SCRATCH, &s, &err), err);
    assert_int_equal(findings(s, found), 0);
    store_close(s);
    flow_free(flow);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_that_nobody_cleans_is_told),
        cmocka_unit_test(a_transaction_left_open_has_an_age),
        cmocka_unit_test(sqlite_has_nothing_to_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
