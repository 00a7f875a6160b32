/* What is said when SQLite cannot go on: the file, and what to do about it. */
#include "store/sqlite/sqlite_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static char store_file[] = "/where/it/is.db";

static int setup(void **state) {
    struct sqlite_store *made = mem_alloc(sizeof(*made));
    struct store *s = &made->base;
    s->driver = &sqlite_driver;
    s->path = store_file;
    assert_int_equal(sqlite3_open(":memory:", &sqlite_of(s)->db), SQLITE_OK);
    *state = s;
    return 0;
}

static int teardown(void **state) {
    struct store *s = *state;
    assert_int_equal(sqlite3_close(sqlite_of(s)->db), SQLITE_OK);
    mem_free(s);
    return 0;
}

/* Runs sql to its first error and tells that. */
static void fail_at(struct store *s, const char *sql, const char *what, struct err *err) {
    assert_int_not_equal(sqlite3_exec(sqlite_of(s)->db, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite_error(s, err, what);
}

static void a_full_disk_is_told_with_the_store_and_what_to_do(void **state) {
    struct err err = ERR_INIT;
    fail_at(*state,
            "PRAGMA max_page_count = 3; CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(100000))",
            "commit", &err);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(err.origin, SQLITE_FULL);
    assert_string_equal(err.message,
                        "store '/where/it/is.db': its disk is full (commit: database or disk is "
                        "full): free space and run again; nothing is lost");
}

static void what_is_no_database_is_told_so(void **state) {
    struct store *s = *state;
    struct err err = ERR_INIT;
    char *bytes = sqlite3_malloc(4096);
    memset(bytes, 'x', 4096);
    assert_int_equal(sqlite3_deserialize(sqlite_of(s)->db, "main", (unsigned char *)bytes, 4096,
                                         4096, SQLITE_DESERIALIZE_FREEONCLOSE),
                     SQLITE_OK);
    fail_at(s, "SELECT * FROM sqlite_schema", "query", &err);
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_non_null(strstr(err.message, "store '/where/it/is.db' is not a SQLite database"));
}

static void a_database_that_may_not_be_written_is_named(void **state) {
    struct store *s = *state;
    struct err err = ERR_INIT;
    fail_at(s, "PRAGMA query_only = 1; CREATE TABLE t(a)", "execute", &err);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "store '/where/it/is.db' (execute: "));
    assert_non_null(strstr(err.message, "may this user write to both?"));
}

static void an_error_of_the_users_statement_is_told_as_it_is(void **state) {
    struct err err = ERR_INIT;
    fail_at(*state, "SELECT abs(-9223372036854775807 - 1)", NULL, &err);
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(err.message, "integer overflow");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk_is_told_with_the_store_and_what_to_do),
        TEST(what_is_no_database_is_told_so),
        TEST(a_database_that_may_not_be_written_is_named),
        TEST(an_error_of_the_users_statement_is_told_as_it_is),
    };
    return cmocka_run_group_tests_name("store_sqlite_statement", tests, NULL, NULL);
}
