/* Each kind of rot that can be made in a second, found, named, and gone when it is mended. */
#include "store/postgres/health.h"

#include "store/postgres/test_support.h"

/* Nothing but what the test makes. */
static const struct pg_health_limits calm = {INT64_C(1) << 50, INT64_C(1) << 50, 0, 2000000000};

/* The finding of this kind about that subject (a part of it), or NULL. */
static const struct pg_finding *find(struct pg *pg, const struct pg_health_limits *limits,
                                     const char *kind, const char *subject) {
    static struct pg_finding findings[PG_HEALTH_FINDINGS_MAX];
    size_t count = 99;
    struct err err = ERR_INIT;
    assert_ok(pg_health(pg, "rot", limits, findings, &count, &err), err);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(findings[i].kind, kind) == 0 && strstr(findings[i].subject, subject) != NULL) {
            return &findings[i];
        }
    }
    return NULL;
}

static void a_sound_database_has_no_findings(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct pg_finding findings[PG_HEALTH_FINDINGS_MAX];
    size_t count = 99;
    struct err err = ERR_INIT;
    assert_ok(pg_health(pg, "rot", &pg_health_defaults, findings, &count, &err), err);
    assert_int_equal(count, 0);
    pg_close(pg);
}

static void an_old_transaction_is_named(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct pg *other = test_open();
    struct err err = ERR_INIT;
    struct pg_health_limits limits = calm;
    limits.transaction_us = 0;
    char subject[64];
    (void)snprintf(subject, sizeof(subject), "backend %d of plumb (plumb test)", pg_backend(other));
    assert_null(find(pg, &limits, "transaction", subject));
    assert_ok(pg_begin(other, &err), err);
    const struct pg_finding *found = find(pg, &limits, "transaction", subject);
    assert_non_null(found);
    assert_true(found->number > 0);
    assert_non_null(strstr(found->advice, "idle in transaction with a transaction open"));
    assert_null(find(pg, &calm, "transaction", subject)); /* not old enough */
    pg_rollback(other);
    assert_null(find(pg, &limits, "transaction", subject));
    pg_close(other);
    pg_close(pg);
}

static void dead_rows_and_a_switched_off_vacuum_are_told(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct pg_health_limits limits = calm;
    limits.dead_rows = 500;
    limits.dead_percent = 50;
    test_execute(pg, "CREATE SCHEMA rot");
    test_execute(
        pg,
        "CREATE TABLE rot.t(a int) WITH (autovacuum_enabled = off); CREATE TABLE rot.other(a int)");
    test_execute(pg, "INSERT INTO rot.t SELECT generate_series(1, 1000)");
    test_execute(pg, "DELETE FROM rot.t WHERE a <= 600");
    test_execute(pg, "SELECT pg_stat_force_next_flush()");
    const struct pg_finding *found = find(pg, &limits, "dead", "t");
    assert_non_null(found);
    assert_int_equal(found->number, 600);
    assert_non_null(strstr(found->advice, "600 dead rows beside 400 live ones, never vacuumed"));
    limits.dead_percent = 200;
    assert_null(find(pg, &limits, "dead", "t"));
    assert_non_null(find(pg, &calm, "autovacuum", "t"));
    assert_null(find(pg, &calm, "autovacuum", "other"));
    test_execute(pg, "VACUUM rot.t");
    test_execute(pg, "ALTER TABLE rot.t RESET (autovacuum_enabled)");
    test_execute(pg, "SELECT pg_stat_force_next_flush()");
    limits.dead_percent = 50;
    assert_null(find(pg, &limits, "dead", "t"));
    assert_null(find(pg, &calm, "autovacuum", "t"));
    test_execute(pg, "DROP SCHEMA rot CASCADE");
    pg_close(pg);
}

static void the_distance_to_wraparound_is_told(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct pg_health_limits limits = calm;
    limits.wraparound = 0;
    assert_non_null(find(pg, &limits, "wraparound", ""));
    assert_null(find(pg, &calm, "wraparound", ""));
    pg_close(pg);
}

static void more_than_fit_are_cut_off(void **state) {
    (void)state;
    struct pg *pg = test_open();
    struct pg_finding findings[PG_HEALTH_FINDINGS_MAX];
    size_t count = 0;
    struct err err = ERR_INIT;
    test_execute(
        pg,
        "CREATE SCHEMA rot; DO $$ BEGIN FOR i IN 1..30 LOOP EXECUTE 'CREATE TABLE rot.t' || i || "
        "'(a int) WITH (autovacuum_enabled = off)'; END LOOP; END $$");
    assert_ok(pg_health(pg, "rot", &calm, findings, &count, &err), err);
    assert_int_equal(count, PG_HEALTH_FINDINGS_MAX);
    test_execute(pg, "DROP SCHEMA rot CASCADE");
    pg_close(pg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_database_has_no_findings),
        cmocka_unit_test(an_old_transaction_is_named),
        cmocka_unit_test(dead_rows_and_a_switched_off_vacuum_are_told),
        cmocka_unit_test(the_distance_to_wraparound_is_told),
        cmocka_unit_test(more_than_fit_are_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
