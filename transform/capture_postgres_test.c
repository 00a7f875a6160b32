/* What the triggers of a store in PostgreSQL put into the queues, with a real server: after each of
 * many random statements it is held against what differs between a copy of the tables made before and
 * the tables, found by joining rows and counting images, not by EXCEPT. */
#include "base/clock.h"
#include "store/driver.h"
#include "store/postgres/catalog.h"
#include "transform/internal.h"
#include "transform/test_support.h"

#include "store/postgres/test_support.h"

#define LONG "a2345678901234567890123456789012345678901234567890" /* with the prefix too long */
#define OTHER                                                                                      \
    "b2345678901234567890123456789012345678901234567890" /* and the two of them even more so */

static const char yaml[] =
    "flow: t\n"
    "store: sqlite:t.db\n"
    "sources:\n"
    "  s: {type: test, columns: {id: int64, v: int64, found: text, w: int256, f: float64}}\n"
    "tables:\n"
    "  rows: {key: [id], columns: {id: int64, v: int64, found: text, w: int256, f: float64}}\n"
    "  " OTHER ": {key: [id], columns: {id: int64, tag: text}}\n"
    "  sums: {key: [v], columns: {v: int64, wei: int256}}\n"
    "  count: {key: [one], columns: {one: int64, n: int64}}\n"
    "  keys: {key: [v, found], columns: {v: int64, found: text, n: int64}}\n"
    "  raws: {key: [tag], columns: {tag: text, n: int64}}\n"
    "transforms:\n"
    "  rows: {from: sources.s, into: rows, sql: 'SELECT id, v, found, w, f FROM batch'}\n"
    "  others: {from: sources.s, into: " OTHER ", sql: 'SELECT id, found AS tag FROM batch'}\n"
    "  sums: {from: tables.rows, into: sums, sum: 'SELECT v, w AS wei FROM change WHERE v IS NOT "
    "NULL AND w IS NOT NULL'}\n"
    "  count: {from: tables.rows, into: count, sum: 'SELECT 1 AS one, 1 AS n FROM change'}\n"
    "  keys: {on: {rows: [v, found]}, into: keys, derive: 'SELECT k.v, k.found, count(*) AS n "
    "FROM changed k JOIN rows r ON r.v = k.v AND r.found = k.found GROUP BY k.v, k.found'}\n"
    "  " LONG ":\n"
    "    on: {" OTHER ": 'SELECT tag FROM change WHERE tag IS NOT NULL', rows: 'SELECT found AS "
    "tag FROM change WHERE found IS NOT NULL'}\n"
    "    into: raws\n"
    "    derive: 'SELECT k.tag, count(*) AS n FROM changed k JOIN " OTHER " o ON o.tag = k.tag "
    "JOIN rows r ON r.found = k.tag GROUP BY k.tag'\n";

/* ---- a store of which there is only what capture asks for ---- */

struct fake_store {
    struct store base;
    struct pg *pg;
};

static enum err_code fake_object_ensure(struct store *s, const char *name, const char *ddl,
                                        struct err *err) {
    return pg_object_ensure(((struct fake_store *)s)->pg, name, ddl, err);
}

static const struct store_driver fake_driver = {.name = "test",
                                                .dialect = STORE_POSTGRES,
                                                .object_ensure = fake_object_ensure,
                                                .sql_type = pg_sql_type};

struct fixture {
    struct flow *flow;
    struct store *scratch;
    struct plan *plan; /* over the scratch store: which columns are read */
    struct fake_store store;
    struct pg *pg;
};

static void install(struct fixture *f) {
    struct err err = ERR_INIT;
    bool unknown = false;
    assert_ok(pg_begin(f->pg, &err), err);
    for (size_t i = 0; i < f->flow->transform_count; i++) {
        assert_ok(capture_install(&f->store.base, f->plan->items[i], &err), err);
    }
    assert_ok(pg_commit(f->pg, &unknown, &err), err);
}

static int setup(void **state) {
    struct fixture *f = mem_alloc(sizeof(*f));
    struct err err = ERR_INIT;
    if (test_url() == NULL) {
        *state = f;
        return 0;
    }
    f->flow = test_flow(yaml);
    assert_ok(store_open(f->flow, STORE_SCRATCH, &f->scratch, &err), err);
    assert_ok(plan_open(f->scratch, f->flow, &f->plan, &err), err);
    assert_ok(pg_open(test_url(), "plumb test", &f->pg, &err), err);
    pg_use_schema(f->pg, "Shop");
    assert_ok(pg_catalog_prepare(f->pg, f->flow, STORE_WRITE, &err), err);
    f->store = (struct fake_store){
        .base = {.driver = &fake_driver, .flow = f->flow, .mode = STORE_WRITE}, .pg = f->pg};
    install(f);
    install(f);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    if (f->pg != NULL) {
        test_execute(f->pg, "DROP SCHEMA IF EXISTS \"Shop\" CASCADE; DROP SCHEMA IF EXISTS t_aside "
                            "CASCADE");
    }
    pg_close(f->pg);
    plan_close(f->plan);
    store_close(f->scratch);
    flow_free(f->flow);
    mem_free(f);
    return 0;
}

static struct fixture *with_server(void **state) {
    struct fixture *f = *state;
    if (f->pg == NULL) {
        print_message("skipped: PLUMB_TEST_POSTGRES names no server (tests/postgres/server.py "
                      "PROGRAM)\n");
        skip();
    }
    return f;
}

/* ---- what should be queued ---- */

/* Each gives how many rows are wrong. before_* are the tables as they were. */
static const struct {
    const char *what, *sql;
    bool of_update; /* holds where nothing but one UPDATE happened */
} checks[] = {
    {"images of the sum",
     "SELECT count(*) FROM (SELECT sum(n) FROM (SELECT v, w, _sign AS n FROM _plumb_q_sums UNION "
     "ALL SELECT v, w, 1 FROM before_rows UNION ALL SELECT v, w, -1 FROM rows) u GROUP BY v, w "
     "HAVING sum(n) <> 0) d",
     false},
    {"no more images than differ",
     "SELECT (SELECT count(*) FROM _plumb_q_sums) - (SELECT coalesce(sum(abs(n)), 0) FROM (SELECT "
     "sum(n) AS n FROM (SELECT v, w, 1 AS n FROM before_rows UNION ALL SELECT v, w, -1 FROM rows) "
     "u GROUP BY v, w) d)",
     true},
    {"what went comes first",
     "SELECT count(*) FROM _plumb_q_sums a, _plumb_q_sums b WHERE a._sign < b._sign AND a._id > "
     "b._id",
     true},
    {"rows of a sum that reads no column",
     "SELECT (SELECT count(*) FROM rows) - (SELECT count(*) FROM before_rows) - (SELECT "
     "coalesce(sum(_sign), 0) FROM _plumb_q_count)",
     false},
    {"keys",
     "WITH d AS (SELECT a.v AS av, a.found AS afound, b.v AS bv, b.found AS bfound FROM rows a "
     "FULL JOIN before_rows b ON a.id = b.id WHERE (a.id, a.v, a.found, a.w, a.f) IS DISTINCT "
     "FROM (b.id, b.v, b.found, b.w, b.f)), k AS (SELECT av AS v, afound AS found FROM d UNION "
     "SELECT bv, bfound FROM d) SELECT count(*) FROM (SELECT v, found FROM k WHERE v IS NOT NULL "
     "AND found IS NOT NULL) k FULL JOIN (SELECT v, found FROM _plumb_q_keys WHERE _failed = 0 AND "
     "_error IS NULL) q ON k.v = q.v AND k.found = q.found WHERE k.v IS NULL OR q.v IS NULL",
     false},
    {"no key twice by one statement",
     "SELECT count(*) - count(DISTINCT (v, found)) FROM _plumb_q_keys", true},
    {"whole rows",
     "WITH d AS (SELECT a AS came, b AS went FROM rows a FULL JOIN before_rows b ON a.id = b.id "
     "WHERE (a.id, a.v, a.found, a.w, a.f) IS DISTINCT FROM (b.id, b.v, b.found, b.w, b.f)), w AS "
     "(SELECT (d.came).* FROM d WHERE (d.came).id IS NOT NULL UNION ALL "
     "SELECT (d.went).* FROM d WHERE (d.went).id IS NOT NULL) SELECT count(*) FROM (SELECT sum(n) "
     "FROM (SELECT id, v, found, w, f, 1 AS n FROM w UNION ALL SELECT id, v, found, w, f, -1 FROM "
     "\"_plumb_q_" LONG ".rows\") u GROUP BY id, v, found, w, f HAVING sum(n) <> 0) x",
     false},
};

static int64_t ask(struct pg *pg, const char *sql) {
    struct err err = ERR_INIT;
    struct pg_statement *st = NULL;
    bool has_row = false;
    assert_ok(pg_prepare(pg, sql, &st, &err), err);
    if (pg_step(st, &has_row, &err) != ERR_NONE || !has_row) {
        fail_msg("%s: %s", sql, err.message);
    }
    const int64_t v = pg_column_i64(st, 0);
    pg_statement_free(st);
    return v;
}

static void run(struct pg *pg, const char *sql) {
    struct err err = ERR_INIT;
    struct pg_statement *st = NULL;
    assert_ok(pg_prepare(pg, sql, &st, &err), err);
    if (pg_run(st, NULL, &err) != ERR_NONE) {
        fail_msg("%s: %s", sql, err.message);
    }
    pg_statement_free(st);
}

static void begin(struct pg *pg) {
    struct err err = ERR_INIT;
    assert_ok(pg_begin(pg, &err), err);
}

static void commit(struct pg *pg) {
    struct err err = ERR_INIT;
    bool unknown = false;
    assert_ok(pg_commit(pg, &unknown, &err), err);
}

/* Remembers the table and empties the queues. Within a transaction. */
static void remember(struct pg *pg) {
    test_execute(pg, "DROP TABLE IF EXISTS before_rows; CREATE TABLE before_rows AS SELECT * FROM "
                     "rows; DELETE FROM _plumb_q_sums; DELETE FROM _plumb_q_count; DELETE FROM "
                     "_plumb_q_keys");
    run(pg, "DELETE FROM \"_plumb_q_" LONG ".rows\"");
    run(pg, "DELETE FROM \"_plumb_q_" LONG "." OTHER "\"");
}

/* Names the first check that fails; NULL: none. */
static const char *wrong(struct pg *pg, bool is_update) {
    for (size_t i = 0; i < ARRAY_COUNT(checks); i++) {
        if ((is_update || !checks[i].of_update) && ask(pg, checks[i].sql) != 0) {
            return checks[i].what;
        }
    }
    return NULL;
}

/* ---- random statements ---- */

static const char *const kinds[] = {
    "INSERT INTO rows SELECT i, i % 7, CASE WHEN i % 5 > 0 THEN 't' || i % 3 END, i * 1e30, i / "
    "3.0 FROM generate_series(?1, ?2) i ON CONFLICT (id) DO NOTHING",
    "INSERT INTO rows SELECT i, i % 4, 't' || i % 3, NULL, 0 FROM generate_series(?1, ?2) i ON "
    "CONFLICT (id) DO UPDATE SET v = excluded.v, w = coalesce(rows.w, 0) + 1",
    "INSERT INTO rows SELECT id, v, found, w, f FROM rows WHERE id BETWEEN ?1 AND ?2 ON CONFLICT "
    "(id) DO UPDATE SET v = excluded.v, found = excluded.found, w = excluded.w, f = excluded.f",
    "UPDATE rows SET v = v + 1 WHERE id BETWEEN ?1 AND ?2",
    "UPDATE rows SET f = f + 1 WHERE id BETWEEN ?1 AND ?2",
    "UPDATE rows SET found = CASE WHEN found IS NULL THEN 'new' END WHERE id BETWEEN ?1 AND ?2",
    "UPDATE rows SET v = NULL, w = -w WHERE id BETWEEN ?1 AND ?2",
    "UPDATE rows a SET v = b.v, found = b.found, w = b.w, f = b.f FROM rows b WHERE (a.id, b.id) "
    "IN ((?1, ?2), (?2, ?1))", /* two trade places */
    "DELETE FROM rows WHERE id BETWEEN ?1 AND ?2",
    "WITH gone AS (DELETE FROM rows WHERE id BETWEEN ?1 AND ?2 RETURNING *) INSERT INTO rows "
    "SELECT id + 1000, v, found, w, f FROM gone ON CONFLICT DO NOTHING",
    "UPDATE rows SET id = id + (SELECT max(id) + 1 FROM rows) WHERE id BETWEEN ?1 AND ?2",
};

/* Whether it was an UPDATE. */
static bool random_statement(struct pg *pg, uint64_t *seed) {
    const uint64_t r = next_random(seed);
    const int64_t low = (int64_t)(r % 40);
    const size_t kind = (size_t)((r >> 16) % ARRAY_COUNT(kinds));
    if ((r >> 32) % 50 == 0) {
        test_execute(pg, "TRUNCATE rows");
        return false;
    }
    struct err err = ERR_INIT;
    struct pg_statement *st = NULL;
    assert_ok(pg_prepare(pg, kinds[kind], &st, &err), err);
    pg_bind_i64(st, 1, low);
    pg_bind_i64(st, 2, low + (int64_t)((r >> 8) % 10));
    if (pg_run(st, NULL, &err) != ERR_NONE) {
        fail_msg("%s: %s", kinds[kind], err.message);
    }
    pg_statement_free(st);
    return str_starts_with(str_of(kinds[kind]), STR("UPDATE"));
}

static void queues_hold_what_differs(void **state) {
    struct fixture *f = with_server(state);
    uint64_t seed = 7;
    for (int i = 0; i < 400; i++) {
        begin(f->pg);
        remember(f->pg);
        const bool is_update = random_statement(f->pg, &seed);
        const char *which = wrong(f->pg, is_update);
        if (which != NULL) {
            fail_msg("statement %d: %s", i, which);
        }
        commit(f->pg);
    }
    begin(f->pg);
    assert_true(ask(f->pg, "SELECT count(*) FROM rows") > 0);
    pg_rollback(f->pg);
}

/* The checks can fail: without a trigger they do. */
static void without_a_trigger_they_do_not(void **state) {
    struct fixture *f = with_server(state);
    static const struct {
        const char *harm, *statement, *which;
    } harms[] = {
        {"DROP TRIGGER \"_plumb_t_sums.rows.UPDATE\" ON rows", "UPDATE rows SET v = 8 WHERE id < 4",
         "images of the sum"},
        {"DROP TRIGGER \"_plumb_t_count.rows.INSERT\" ON rows",
         "INSERT INTO rows VALUES (20, 20, 't', 20, 20)", "rows of a sum that reads no column"},
        {"DROP TRIGGER \"_plumb_t_count.rows.TRUNCATE\" ON rows", "TRUNCATE rows",
         "rows of a sum that reads no column"},
        {"DROP TRIGGER \"_plumb_t_keys.rows.DELETE\" ON rows", "DELETE FROM rows WHERE id > 7",
         "keys"},
        {"DROP TRIGGER \"_plumb_t_" LONG ".rows.UPDATE\" ON rows",
         "UPDATE rows SET f = 8 WHERE id < 4", "whole rows"},
        {"CREATE TRIGGER again AFTER INSERT ON rows REFERENCING NEW TABLE AS came FOR EACH "
         "STATEMENT EXECUTE FUNCTION \"_plumb_t_sums.rows.INSERT\"()",
         "INSERT INTO rows VALUES (20, 20, 't', 20, 20)", "images of the sum"},
        {"CREATE TRIGGER again AFTER UPDATE ON rows REFERENCING OLD TABLE AS went NEW TABLE AS "
         "came FOR EACH STATEMENT EXECUTE FUNCTION \"_plumb_t_keys.rows.UPDATE\"()",
         "UPDATE rows SET f = 8 WHERE id < 4", "no key twice by one statement"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(harms); i++) {
        for (int harmed = 0; harmed < 2; harmed++) {
            begin(f->pg);
            test_execute(f->pg, "TRUNCATE rows; INSERT INTO rows SELECT i, i, 't', i, 0 FROM "
                                "generate_series(1, 9) i");
            remember(f->pg);
            if (harmed != 0) {
                run(f->pg, harms[i].harm);
            }
            test_execute(f->pg, harms[i].statement);
            const char *which = wrong(f->pg, harms[i].statement[0] == 'U');
            pg_rollback(f->pg);
            assert_string_equal(which != NULL ? which : "", harmed != 0 ? harms[i].which : "");
        }
    }
}

/* ---- people and others ---- */

static struct pg *connect_as(const char *user) {
    struct err err = ERR_INIT;
    struct pg *pg = NULL;
    char *url = mem_printf("postgres://%s%s", user, strchr(test_url(), '@'));
    assert_ok(pg_open(url, "psql", &pg, &err), err);
    mem_free(url);
    return pg;
}

static void a_correction_by_hand_flows_through(void **state) {
    struct fixture *f = with_server(state);
    struct err err = ERR_INIT;
    struct pg *super = connect_as("postgres");
    test_execute(super, "CREATE ROLE clerk LOGIN");
    struct pg *clerk = connect_as("clerk"); /* with a search path of its own */
    test_execute(f->pg, "GRANT USAGE ON SCHEMA \"Shop\" TO clerk; GRANT SELECT, INSERT, UPDATE, "
                        "DELETE, TRUNCATE ON \"Shop\".rows TO clerk");
    begin(f->pg);
    test_execute(f->pg, "INSERT INTO rows VALUES (1, 1, 't', 1, 1), (2, 2, 't', 2, 2) ON CONFLICT "
                        "(id) DO UPDATE SET v = excluded.v, w = excluded.w");
    remember(f->pg);
    commit(f->pg);
    /* Names of the session's own do not mislead, and the queues stay closed. */
    test_execute(clerk, "CREATE TEMP TABLE rows(id int); CREATE TEMP TABLE _plumb_q_sums(a int)");
    test_execute(clerk, "UPDATE \"Shop\".rows SET v = 5 WHERE id = 1; DELETE FROM \"Shop\".rows "
                        "WHERE id = 2; INSERT INTO \"Shop\".rows VALUES (77, 7, 'x', 7, 7)");
    assert_int_equal(pg_execute(clerk, "DELETE FROM \"Shop\"._plumb_q_sums", &err), ERR_CONFIG);
    test_execute(clerk, "CREATE TEMP TABLE mine(v int, w int)");
    assert_int_equal(pg_execute(clerk,
                                "CREATE TRIGGER t AFTER INSERT ON mine REFERENCING NEW TABLE AS "
                                "came FOR EACH STATEMENT EXECUTE FUNCTION "
                                "\"Shop\".\"_plumb_t_sums.rows.INSERT\"()",
                                &err),
                     ERR_CONFIG);
    begin(f->pg);
    assert_null(wrong(f->pg, false));
    remember(f->pg);
    commit(f->pg);
    test_execute(clerk, "TRUNCATE \"Shop\".rows");
    begin(f->pg);
    assert_null(wrong(f->pg, false));
    assert_true(ask(f->pg, "SELECT count(*) FROM _plumb_q_sums WHERE _sign = -1") > 0);
    commit(f->pg);
    /* What it would not see it must not take away. */
    assert_int_equal(
        pg_execute(clerk, "BEGIN ISOLATION LEVEL REPEATABLE READ; TRUNCATE \"Shop\".rows", &err),
        ERR_INPUT);
    assert_non_null(strstr(err.message, "READ COMMITTED"));
    pg_close(clerk);
    test_execute(super, "DROP OWNED BY clerk; DROP ROLE clerk");
    pg_close(super);
}

/* Two transactions at once: each queues its own, also when one waits for the other's row. */
static void two_at_once_queue_both(void **state) {
    struct fixture *f = with_server(state);
    struct pg *other = test_open();
    pg_use_schema(other, "Shop");
    begin(f->pg);
    test_execute(f->pg, "TRUNCATE rows; INSERT INTO rows SELECT i, i, 't', i, 0 FROM "
                        "generate_series(1, 20) i");
    remember(f->pg);
    commit(f->pg);
    begin(f->pg);
    begin(other);
    test_execute(f->pg, "UPDATE rows SET v = v + 100 WHERE id <= 5");
    test_execute(other, "DELETE FROM rows WHERE id > 15; INSERT INTO rows VALUES (30, 1, 'y', 1, "
                        "1)");
    test_execute(f->pg, "INSERT INTO rows VALUES (31, 1, 'y', 1, 1)");
    commit(other);
    commit(f->pg);
    begin(f->pg);
    assert_null(wrong(f->pg, false));
    commit(f->pg);
    /* A key that waits is queued again. */
    begin(f->pg);
    test_execute(f->pg, "DELETE FROM _plumb_q_keys");
    test_execute(f->pg, "UPDATE rows SET f = f + 1 WHERE id = 6");
    test_execute(f->pg, "UPDATE rows SET f = f + 1 WHERE id = 6");
    assert_int_equal(ask(f->pg, "SELECT count(*) FROM _plumb_q_keys"), 2);
    pg_rollback(f->pg);
    pg_close(other);
}

/* Both tables of the derive, one behind a name that is too long for PostgreSQL. */
static void long_names_lead_to_their_queues(void **state) {
    struct fixture *f = with_server(state);
    begin(f->pg);
    remember(f->pg);
    run(f->pg, "INSERT INTO \"" OTHER "\" VALUES (1, 'a'), (2, NULL)");
    run(f->pg, "UPDATE \"" OTHER "\" SET tag = 'b' WHERE id = 1");
    assert_int_equal(ask(f->pg, "SELECT count(*) FROM \"_plumb_q_" LONG "." OTHER "\""), 4);
    assert_int_equal(ask(f->pg, "SELECT count(*) FROM \"_plumb_q_" LONG ".rows\""), 0);
    assert_int_equal(ask(f->pg, "SELECT count(*) FROM \"_plumb_q_" LONG "\""), 0);
    pg_rollback(f->pg);
}

/* Aside, a table that stands still has no triggers; queues are there all the same. */
static void tables_that_are_elsewhere_get_none(void **state) {
    struct fixture *f = with_server(state);
    struct err err = ERR_INIT;
    pg_use_schema(f->pg, "t_aside");
    pg_look_behind(f->pg, "Shop");
    f->store.base.mode = STORE_ASIDE;
    struct flow some = *f->flow;
    some.transform_count = 0; /* none of its tables is written to */
    f->store.base.flow = &some;
    assert_ok(pg_catalog_prepare(f->pg, &some, STORE_ASIDE, &err), err);
    install(f);
    static const char in_aside[] = "pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = "
                                   "'t_aside'::regnamespace";
    char *sql = mem_printf("SELECT count(*) FROM pg_trigger t JOIN %s", in_aside);
    assert_int_equal(ask(f->pg, sql), 0);
    mem_free(sql);
    assert_int_equal(ask(f->pg, "SELECT count(*) FROM t_aside._plumb_q_sums"), 0);
    f->store.base.flow = f->flow;
    f->store.base.mode = STORE_WRITE;
    pg_use_schema(f->pg, "Shop");
    pg_look_behind(f->pg, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queues_hold_what_differs),
        cmocka_unit_test(without_a_trigger_they_do_not),
        cmocka_unit_test(a_correction_by_hand_flows_through),
        cmocka_unit_test(two_at_once_queue_both),
        cmocka_unit_test(long_names_lead_to_their_queues),
        cmocka_unit_test(tables_that_are_elsewhere_get_none),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
