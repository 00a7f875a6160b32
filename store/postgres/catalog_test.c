/* The tables of a store with a real server: made, found again, refused with words. */
#include "base/clock.h"
#include "store/postgres/catalog_test_support.h"

/* ---- the store ---- */

static void a_fresh_schema_gets_all_tables(void **state) {
    (void)state;
    struct pg *pg = open_in("fresh");
    struct flow *flow = test_flow(HEAD TABLES TRANSFORMS);
    refused(pg, flow, STORE_READ, "there is no store at 'postgres://plumb@127.0.0.1");
    refused(pg, flow, STORE_NOTE, "?schema=fresh' yet; `plumb run` creates it");
    prepare(pg, flow, STORE_WRITE);
    prepare(pg, flow, STORE_READ);
    prepare(pg, flow, STORE_NOTE);
    assert_columns(pg, "fresh", "all",
                   "_batch bigint; _pos bigint; a bigint! 2; b text C! 1; c double precision; d "
                   "boolean; e bigint; f text C; g bytea; h numeric");
    assert_columns(pg, "fresh", "log", "_partition bigint! 1; _record bigint! 2; id bigint");
    assert_columns(pg, "fresh", "sums", "_n bigint!; a bigint! 1; n bigint");
    assert_columns(pg, "fresh", "ref", "id bigint! 1; name text C");
    assert_columns(pg, "fresh", "_plumb_meta", "key text C! 1; value text C!");
    assert_int_equal(number(pg, "SELECT count(*) FROM pg_indexes WHERE schemaname = 'fresh' AND "
                                "indexname = 'all_h_a_index' AND indexdef LIKE '%(h, a)'"),
                     1);
    assert_int_equal(number(pg, "SELECT count(*) FROM information_schema.columns WHERE "
                                "table_schema = 'fresh' AND column_name = 'id' AND is_identity = "
                                "'YES' AND table_name LIKE '\\_plumb%'"),
                     8);
    assert_int_equal(number(pg, "SELECT count(*) FROM information_schema.columns WHERE "
                                "table_schema = 'fresh' AND data_type NOT IN ('bigint', 'text', "
                                "'bytea', 'boolean', 'numeric', 'double precision')"),
                     0);
    test_execute(pg, "DROP SCHEMA fresh CASCADE");
    flow_free(flow);
    pg_close(pg);
}

/* Whoever finds all in order waits for nobody who writes. */
static void a_second_start_takes_no_locks(void **state) {
    (void)state;
    struct pg *pg = open_in("twice");
    struct pg *writer = open_in("twice");
    struct flow *flow = test_flow(HEAD TABLES TRANSFORMS);
    struct err err = ERR_INIT;
    prepare(pg, flow, STORE_WRITE);
    begin(writer);
    test_execute(writer, "INSERT INTO _plumb_notes(partition, record, note) VALUES (1, 1, 'x');"
                         "INSERT INTO \"all\"(a, b) VALUES (1, 'x')");
    prepare(pg, flow, STORE_WRITE);
    /* The twin: a store made by another text has to be looked at, and waits. */
    test_execute(pg, "UPDATE twice._plumb_meta SET value = 'other' WHERE key = 'tables'");
    pg_deadline(pg, clock_monotonic_us() + 300000);
    assert_int_equal(pg_catalog_prepare(pg, flow, STORE_WRITE, &err), ERR_CANCELLED);
    pg_deadline(pg, 0);
    commit(writer);
    prepare(pg, flow, STORE_WRITE);
    assert_int_equal(number(pg, "SELECT count(*) FROM twice._plumb_notes"), 1);
    assert_int_equal(number(pg, "SELECT length(value) FROM twice._plumb_meta WHERE key = 'tables'"),
                     32);
    test_execute(pg, "DROP SCHEMA twice CASCADE");
    flow_free(flow);
    pg_close(writer);
    pg_close(pg);
}

static void several_may_start_at_once(void **state) {
    (void)state;
    pg_close(test_open()); /* skips without a server */
    struct flow *flow = test_flow(HEAD TABLES TRANSFORMS);
    pid_t children[6];
    for (size_t i = 0; i < ARRAY_COUNT(children); i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            struct err err = ERR_INIT;
            struct pg *pg = NULL;
            enum err_code code = pg_open(test_url(), "plumb test", &pg, &err);
            if (code == ERR_NONE) {
                pg_use_schema(pg, "race");
                code = pg_catalog_prepare(pg, flow, STORE_WRITE, &err);
            }
            if (code != ERR_NONE) {
                (void)fprintf(stderr, "%s\n", err.message);
            }
            _exit((int)code);
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(children); i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    struct pg *pg = open_in("race");
    prepare(pg, flow, STORE_READ);
    test_execute(pg, "DROP SCHEMA race CASCADE");
    pg_close(pg);
    flow_free(flow);
}

static void what_is_no_store_of_this_flow_is_refused(void **state) {
    (void)state;
    struct pg *pg = open_in("other");
    struct flow *flow = test_flow(HEAD TABLES TRANSFORMS);
    test_execute(pg, "CREATE SCHEMA other; CREATE TABLE other.mine(a int)");
    refused(pg, flow, STORE_READ, "is not a plumb store (no table _plumb_meta)");
    test_execute(pg, "CREATE TABLE other._plumb_frames(a int)");
    refused(pg, flow, STORE_WRITE, "holds '_plumb_frames', but no _plumb_meta");
    test_execute(pg, "DROP TABLE other._plumb_frames");
    prepare(pg, flow, STORE_WRITE); /* what is there besides may stay */
    assert_int_equal(number(pg, "SELECT count(*) FROM other.mine"), 0);
    test_execute(pg, "UPDATE other._plumb_meta SET value = '3' WHERE key = 'version'");
    refused(pg, flow, STORE_WRITE, "has version 3, this plumb reads version 4");
    refused(pg, flow, STORE_READ, "has version 3, this plumb reads version 4");
    test_execute(pg, "UPDATE other._plumb_meta SET value = '4' WHERE key = 'version';"
                     "UPDATE other._plumb_meta SET value = 'bank' WHERE key = 'flow'");
    refused(pg, flow, STORE_NOTE, "is that of flow 'bank'");
    refused(pg, flow, STORE_REBUILD, "SET value = 'shop' WHERE key = 'flow'");
    test_execute(pg, "DROP SCHEMA other CASCADE");
    flow_free(flow);
    pg_close(pg);
}

static void who_may_not_is_told_what_to_ask_for(void **state) {
    (void)state;
    struct pg *owner = open_in("closed");
    struct flow *flow = test_flow(HEAD TABLES TRANSFORMS);
    struct err err = ERR_INIT;
    const char *at = strchr(test_url(), '@');
    char *super_url = mem_printf("postgres://postgres%s", at);
    char *guest_url = mem_printf("postgres://guest%s", at);
    struct pg *super = NULL;
    struct pg *guest = NULL;
    assert_ok(pg_open(super_url, "plumb test", &super, &err), err);
    test_execute(super, "CREATE ROLE guest LOGIN");
    assert_ok(pg_open(guest_url, "plumb test", &guest, &err), err);
    pg_use_schema(guest, "closed");
    assert_ok(pg_functions_install(owner, &err), err);
    refused(guest, flow, STORE_WRITE,
            "user 'guest' may not make it: ask for CREATE SCHEMA \"closed\" AUTHORIZATION "
            "\"guest\"");
    test_execute(owner, "CREATE SCHEMA closed");
    refused(guest, flow, STORE_WRITE, "GRANT CREATE, USAGE ON SCHEMA \"closed\" TO \"guest\"");
    test_execute(owner, "GRANT CREATE ON SCHEMA closed TO guest");
    refused(guest, flow, STORE_WRITE, "GRANT CREATE, USAGE ON SCHEMA \"closed\" TO \"guest\"");
    test_execute(owner, "GRANT USAGE ON SCHEMA closed TO guest");
    prepare(guest, flow, STORE_WRITE);
    pg_close(guest);
    test_execute(owner, "DROP SCHEMA closed CASCADE");
    test_execute(super, "DROP OWNED BY guest; DROP ROLE guest");
    pg_close(super);
    pg_close(owner);
    mem_free(super_url);
    mem_free(guest_url);
    flow_free(flow);
}

static void assert_schema(const char *url_schema, const char *flow_name, enum store_mode mode,
                          const char *wanted) {
    struct err err = ERR_INIT;
    struct flow flow = {.name = flow_name};
    char *given = url_schema != NULL ? mem_strdup(url_schema) : NULL;
    const struct pg_address address = {.schema = given};
    char name[PG_IDENTIFIER_BYTES] = "";
    enum err_code code = pg_schema_name(&address, &flow, mode, name, &err);
    assert_int_equal(code, wanted != NULL ? ERR_NONE : ERR_CONFIG);
    assert_string_equal(name, wanted != NULL ? wanted : "");
    mem_free(given);
}

static void a_schema_has_a_name(void **state) {
    (void)state;
    assert_schema(NULL, "shop", STORE_WRITE, "shop");
    assert_schema("Mine", "shop", STORE_READ, "Mine");
    assert_schema(NULL, "my-shop", STORE_ASIDE, "my-shop_aside");
    assert_schema("mine", "shop", STORE_AUDIT, "mine_audit");
    assert_schema(NULL, "public", STORE_WRITE, NULL);
    assert_schema(NULL, "PLUMB", STORE_WRITE, NULL);
    assert_schema(NULL, "pg_x", STORE_WRITE, NULL);
    assert_schema("mine", "public", STORE_WRITE, "mine");
    static const char longest[] = "a23456789012345678901234567890123456789012345678901234567";
    assert_int_equal(strlen(longest), 57);
    assert_schema(longest, "shop", STORE_WRITE, longest);
    assert_schema("a234567890123456789012345678901234567890123456789012345678", "shop", STORE_WRITE,
                  NULL);
    assert_true(pg_lock_key("a", "b") != pg_lock_key("a", "c"));
    assert_true(pg_lock_key("a", "b") == pg_lock_key("a", "b"));
}

static void a_store_aside_has_what_it_writes(void **state) {
    (void)state;
    struct pg *pg = open_in("base");
    struct flow *flow = test_flow(HEAD TABLES TRANSFORMS);
    prepare(pg, flow, STORE_WRITE);
    test_execute(pg, "INSERT INTO base._plumb_frames VALUES (1, 'x'); INSERT INTO base.ref VALUES "
                     "(1, 'one')");
    pg_use_schema(pg, "base_aside");
    pg_look_behind(pg, "base");
    prepare(pg, flow, STORE_ASIDE);
    prepare(pg, flow, STORE_ASIDE);
    begin(pg);
    assert_int_equal(number(pg, "SELECT count(*) FROM _plumb_frames"), 1); /* the origin's */
    assert_int_equal(number(pg, "SELECT count(*) FROM ref"), 1);
    test_execute(pg, "INSERT INTO log VALUES (1, 1, 1)");
    assert_int_equal(number(pg, "SELECT count(*) FROM base.log"), 0);
    commit(pg);
    assert_int_equal(number(pg, "SELECT count(*) FROM pg_tables WHERE schemaname = 'base_aside' "
                                "AND tablename IN ('all', 'log', 'sums', 'ref', '_plumb_frames')"),
                     3);
    pg_use_schema(pg, "base");
    pg_look_behind(pg, NULL);
    begin(pg);
    assert_int_equal(number(pg, "SELECT count(*) FROM log"), 0);
    commit(pg);
    test_execute(pg, "DROP SCHEMA base CASCADE; DROP SCHEMA base_aside CASCADE");
    flow_free(flow);
    pg_close(pg);
}

/* ---- tables ---- */

static void assert_compared(struct pg *pg, const struct flow *flow, const char *ddl,
                            const char *words) {
    struct err err = ERR_INIT;
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    bool exists = false;
    begin(pg);
    test_execute(pg, ddl);
    assert_ok(pg_table_compare(pg, flow, flow_find_table(flow, "all"), &exists, &out, &err), err);
    assert_true(exists);
    assert_string_equal(buf_c(&out), words);
    const enum err_code code = pg_table_ensure(pg, flow, flow_find_table(flow, "all"), &err);
    assert_int_equal(code, words[0] != '\0' ? ERR_CONFIG : ERR_NONE);
    if (code != ERR_NONE) {
        assert_non_null(strstr(err.message, words));
        assert_non_null(strstr(err.message, "is declared otherwise than it was made"));
        assert_non_null(strstr(err.message, "CREATE TABLE \"all\"("));
    }
    pg_rollback(pg);
}

static void what_was_made_otherwise_is_said(void **state) {
    (void)state;
    struct pg *pg = open_in("differ");
    struct flow *flow = test_flow(HEAD TABLES TRANSFORMS);
    prepare(pg, flow, STORE_WRITE);
    static const char *const cases[][2] = {
        {"ALTER TABLE \"all\" DROP COLUMN c", "column c is new"},
        {"ALTER TABLE \"all\" ADD z int", "column z goes"},
        {"ALTER TABLE \"all\" ALTER a TYPE int", "column a becomes bigint, it is integer"},
        {"ALTER TABLE \"all\" ALTER b TYPE varchar(9)",
         "column b becomes text COLLATE \"C\", it is character varying(9) COLLATE \"C\""},
        {"ALTER TABLE \"all\" ALTER f TYPE text COLLATE ucs_basic",
         "column f becomes text COLLATE \"C\", it is text COLLATE ucs_basic"},
        {"ALTER TABLE \"all\" ALTER h TYPE numeric(40,2)",
         "column h becomes numeric, it is numeric(40,2)"},
        {"ALTER TABLE \"all\" ALTER h SET NOT NULL", "column h may be NULL"},
        {"ALTER TABLE \"all\" DROP CONSTRAINT all_pkey, ADD PRIMARY KEY (a, b)",
         "column a has another place in the key; column b has another place in the key"},
        {"ALTER TABLE \"all\" DROP CONSTRAINT all_pkey",
         "column a has another place in the key; column b has another place in the key"},
        {"ALTER TABLE \"all\" DROP g, ADD g bigint GENERATED ALWAYS AS (a + 1) STORED, DROP d",
         "column d is new; column g becomes bytea, it is bigint GENERATED"},
        /* what does not matter: the order, another index, a database whose order is C anyway */
        {"ALTER TABLE \"all\" DROP c, ADD c double precision", ""},
        {"ALTER TABLE \"all\" ALTER f TYPE text COLLATE \"default\"", ""},
        {"CREATE INDEX ON \"all\"(c); ALTER TABLE \"all\" SET (fillfactor = 70)", ""},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_compared(pg, flow, cases[i][0], cases[i][1]);
    }
    test_execute(pg, "DROP TABLE differ.sums; CREATE VIEW differ.sums AS SELECT 1");
    refused(pg, flow, STORE_WRITE, "'sums' in schema 'differ' is there already and is no table");
    prepare(pg, flow, STORE_REBUILD); /* which makes the tables itself */
    test_execute(pg, "DROP SCHEMA differ CASCADE");
    flow_free(flow);
    pg_close(pg);
}

static void a_missing_index_is_made(void **state) {
    (void)state;
    struct pg *pg = open_in("indexed");
    struct flow *flow = test_flow(HEAD TABLES TRANSFORMS);
    struct err err = ERR_INIT;
    prepare(pg, flow, STORE_WRITE);
    const struct flow_table *t = flow_find_table(flow, "all");
    bool exists = false;
    begin(pg);
    assert_ok(pg_index_exists(pg, t, 0, &exists, &err), err);
    assert_true(exists);
    test_execute(pg, "DROP INDEX all_h_a_index");
    assert_ok(pg_index_exists(pg, t, 0, &exists, &err), err);
    assert_false(exists);
    assert_ok(pg_table_ensure(pg, flow, t, &err), err);
    assert_ok(pg_index_exists(pg, t, 0, &exists, &err), err);
    assert_true(exists);
    pg_rollback(pg);
    test_execute(pg, "DROP SCHEMA indexed CASCADE");
    flow_free(flow);
    pg_close(pg);
}

#define LONG "a23456789012345678901234567890123456789012345678901234567890123" /* 63 */

static void names_may_be_as_long_as_the_flow_allows(void **state) {
    (void)state;
    struct pg *pg = open_in("long");
    struct flow *flow =
        test_flow(HEAD "tables: {" LONG ": {key: [id], columns: {id: int64, " LONG
                       ": int64}, indexes: [[" LONG "], [" LONG ", id]]}}\ntransforms: {t: {from: "
                       "sources.s, into: " LONG ", sql: 'SELECT 1'}}\n");
    struct err err = ERR_INIT;
    prepare(pg, flow, STORE_WRITE);
    prepare(pg, flow, STORE_WRITE);
    assert_int_equal(number(pg, "SELECT count(*) FROM pg_indexes WHERE schemaname = 'long' AND "
                                "tablename = '" LONG "'"),
                     3);
    begin(pg);
    for (int i = 0; i < 2; i++) {
        assert_ok(pg_object_ensure(pg, "_plumb_q_" LONG,
                                   "CREATE TABLE \"_plumb_q_" LONG "\"(a bigint)", &err),
                  err);
        assert_ok(pg_object_ensure(pg, "_plumb_q_" LONG "." LONG,
                                   "CREATE TABLE \"_plumb_q_" LONG "." LONG "\"(a bigint)", &err),
                  err);
    }
    struct pg_statement *st = NULL;
    assert_ok(pg_prepare(pg, "INSERT INTO \"_plumb_q_" LONG "." LONG "\" VALUES (1)", &st, &err),
              err);
    assert_ok(pg_run(st, NULL, &err), err);
    pg_statement_free(st);
    assert_int_equal(number(pg, "SELECT count(*) FROM \"_plumb_q_" LONG "\""), 0);
    assert_int_equal(number(pg, "SELECT count(*) FROM \"_plumb_q_" LONG "." LONG "\""), 1);
    commit(pg);
    test_execute(pg, "DROP SCHEMA long CASCADE");
    flow_free(flow);
    pg_close(pg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_schema_gets_all_tables),
        cmocka_unit_test(a_second_start_takes_no_locks),
        cmocka_unit_test(several_may_start_at_once),
        cmocka_unit_test(what_is_no_store_of_this_flow_is_refused),
        cmocka_unit_test(who_may_not_is_told_what_to_ask_for),
        cmocka_unit_test(a_schema_has_a_name),
        cmocka_unit_test(a_store_aside_has_what_it_writes),
        cmocka_unit_test(what_was_made_otherwise_is_said),
        cmocka_unit_test(a_missing_index_is_made),
        cmocka_unit_test(names_may_be_as_long_as_the_flow_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
