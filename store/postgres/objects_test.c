/* Queues and triggers with a real server: as their text says, and forgotten. */
#include "store/postgres/catalog_test_support.h"

#define QUEUE   "CREATE TABLE \"_plumb_q_sums\"(a bigint)"
#define TRIGGER "_plumb_t_sums.all.INSERT"
#define BODY(what)                                                                                 \
    "CREATE FUNCTION {schema}.\"" TRIGGER                                                          \
    "\"() RETURNS trigger LANGUAGE plpgsql AS $plumb$ BEGIN "                                      \
    "INSERT INTO {schema}.\"_plumb_q_sums\" VALUES (" what "); RETURN NULL; END $plumb$; CREATE "  \
    "TRIGGER \"" TRIGGER                                                                           \
    "\" AFTER INSERT ON {schema}.\"all\" FOR EACH STATEMENT EXECUTE FUNCTION "                     \
    "{schema}.\"" TRIGGER "\"()"

static void ensure(struct pg *pg, const char *name, const char *ddl) {
    struct err err = ERR_INIT;
    begin(pg);
    assert_ok(pg_object_ensure(pg, name, ddl, &err), err);
    commit(pg);
}

/* Rows in the queue after one insert. */
static int64_t queued_by_insert(struct pg *pg) {
    begin(pg);
    test_execute(pg, "DELETE FROM \"_plumb_q_sums\"; DELETE FROM \"all\";"
                     "INSERT INTO \"all\"(a, b) VALUES (1, 'x')");
    const int64_t v = number(pg, "SELECT coalesce(sum(a), -1)::bigint FROM \"_plumb_q_sums\"");
    test_execute(pg, "DELETE FROM \"_plumb_q_sums\"");
    commit(pg);
    return v;
}

static void objects_are_as_their_text_says(void **state) {
    (void)state;
    struct pg *pg = open_in("objects");
    struct flow *flow = test_flow(HEAD TABLES TRANSFORMS);
    struct err err = ERR_INIT;
    prepare(pg, flow, STORE_WRITE);
    ensure(pg, "_plumb_q_sums", QUEUE);
    const int64_t made = number(pg, "SELECT 'objects._plumb_q_sums'::regclass::oid");
    ensure(pg, "_plumb_q_sums", QUEUE);
    assert_int_equal(number(pg, "SELECT 'objects._plumb_q_sums'::regclass::oid"), made);
    assert_int_equal(queued_by_insert(pg), -1);
    ensure(pg, TRIGGER, BODY("5"));
    assert_int_equal(queued_by_insert(pg), 5);
    ensure(pg, TRIGGER, BODY("6"));
    assert_int_equal(queued_by_insert(pg), 6);
    static const char *const harms[] = {
        "DROP TRIGGER \"" TRIGGER "\" ON objects.\"all\"",
        "ALTER TABLE objects.\"all\" DISABLE TRIGGER ALL",
        "DROP FUNCTION objects.\"" TRIGGER "\"() CASCADE",
        "DELETE FROM objects._plumb_objects",
    };
    for (size_t i = 0; i < ARRAY_COUNT(harms); i++) {
        test_execute(pg, harms[i]);
        ensure(pg, TRIGGER, BODY("6"));
        assert_int_equal(queued_by_insert(pg), 6);
    }
    /* A queue is replaced, but not with something in it. */
    test_execute(pg, "INSERT INTO objects._plumb_q_sums VALUES (1)");
    begin(pg);
    assert_int_equal(pg_object_ensure(pg, "_plumb_q_sums",
                                      "CREATE TABLE \"_plumb_q_sums\"(a bigint, b bigint)", &err),
                     ERR_CONFIG);
    assert_non_null(strstr(err.message, "still holds changes"));
    pg_rollback(pg);
    test_execute(pg, "DELETE FROM objects._plumb_q_sums");
    ensure(pg, "_plumb_q_sums", "CREATE TABLE \"_plumb_q_sums\"(a bigint, b bigint)");
    assert_columns(pg, "objects", "_plumb_q_sums", "a bigint; b bigint");
    test_execute(pg, "DROP SCHEMA objects CASCADE");
    flow_free(flow);
    pg_close(pg);
}

/* As the engine does it: a store of the flow is opened, and forgets. */
static enum err_code forget(const struct flow *flow, struct err *err) {
    struct store *s = NULL;
    enum err_code code = store_open(flow, STORE_REBUILD, &s, err);
    if (code == ERR_NONE) {
        code = store_begin(s, err);
    }
    if (code == ERR_NONE) {
        code = store_forget_absent(s, err);
        if (code == ERR_NONE) {
            code = store_commit(s, err);
        } else {
            store_rollback(s);
        }
    }
    store_close(s);
    return code;
}

/* The flow with its store in the schema `forget` of the server. */
static struct flow *served(const char *rest) {
    char *yaml = mem_printf("flow: shop\nstore: %s?schema=forget\n" SOURCES "%s", test_url(), rest);
    struct flow *flow = test_flow(yaml);
    mem_free(yaml);
    return flow;
}

static void what_the_flow_has_no_more_is_forgotten(void **state) {
    (void)state;
    struct pg *pg = open_in("forget");
    struct flow *flow = served(TABLES TRANSFORMS);
    struct flow *less = served(TABLES "transforms:\n"
                                      "  all: {from: sources.s, into: all, sql: 'SELECT 1'}\n"
                                      "  log: {from: sources.s, into: log, sql: 'SELECT 1'}\n");
    struct err err = ERR_INIT;
    prepare(pg, flow, STORE_WRITE);
    ensure(pg, "_plumb_q_sums", QUEUE);
    ensure(pg, TRIGGER, BODY("5"));
    ensure(pg, "_plumb_q_all", "CREATE TABLE \"_plumb_q_all\"(a bigint)");
    begin(pg);
    test_execute(pg, "INSERT INTO _plumb_transforms SELECT n, 'map', n, '', '', 0, 0, NULL, NULL, "
                     "NULL FROM unnest(ARRAY['all', 'log', 'sums']) n;"
                     "INSERT INTO _plumb_marks SELECT n, 1, 1, 1 FROM unnest(ARRAY['all', 'log', "
                     "'sums']) n");
    commit(pg);
    assert_ok(forget(flow, &err), err);
    assert_int_equal(number(pg, "SELECT count(*) FROM forget._plumb_objects"), 3);
    assert_ok(forget(less, &err), err);
    assert_int_equal(number(pg, "SELECT count(*) FROM forget._plumb_objects"), 1);
    assert_int_equal(number(pg, "SELECT count(*) FROM forget._plumb_marks"), 2);
    assert_int_equal(number(pg, "SELECT count(*) FROM pg_tables WHERE schemaname = 'forget' AND "
                                "tablename LIKE '\\_plumb\\_q\\_%'"),
                     1);
    assert_int_equal(number(pg, "SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = "
                                "p.pronamespace WHERE n.nspname = 'forget'"),
                     0);
    /* One of two maps into a table is gone, and its rows are not to be told apart. */
    test_execute(pg, "INSERT INTO forget._plumb_transforms VALUES ('old', 'map', 'all', '', '', 0, "
                     "0, NULL, NULL, NULL)");
    assert_ok(forget(less, &err), err); /* none are there */
    test_execute(pg, "INSERT INTO forget._plumb_transforms VALUES ('old', 'map', 'all', '', '', 0, "
                     "0, NULL, NULL, NULL)");
    test_execute(pg, "INSERT INTO forget.\"all\"(a, b) VALUES (1, 'x')");
    assert_int_equal(forget(less, &err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "transform 'old' is gone, but its rows are still in"));
    test_execute(pg, "DROP SCHEMA forget CASCADE");
    flow_free(flow);
    flow_free(less);
    pg_close(pg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_as_their_text_says),
        cmocka_unit_test(what_the_flow_has_no_more_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
