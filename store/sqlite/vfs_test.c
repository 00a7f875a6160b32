/* The VFS: forwards everything, has no clock, and whatever goes wrong in it leaves a database that
 * is consistent and holds every transaction that was acknowledged. */
#include "store/sqlite/vfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"

#define PATH_BYTES 200

struct fixture {
    char dir[40];
    char db[PATH_BYTES];
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    /* In memory where there is such a place: thousands of fsyncs would take minutes, and what they
     * do is not what is tested here. */
    const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(f->dir, sizeof(f->dir), "%s/plumb-vfs-XXXXXX", root);
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->db, sizeof(f->db), "%s/store.db", f->dir);
    struct err err = ERR_INIT;
    assert_int_equal(vfs_register(&err), ERR_NONE);
    *state = f;
    return 0;
}

static void db_remove(const struct fixture *f) {
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < ARRAY_COUNT(suffixes); i++) {
        char path[PATH_BYTES + 10];
        (void)snprintf(path, sizeof(path), "%s%s", f->db, suffixes[i]);
        (void)unlink(path); /* most do not exist */
    }
}

static void arm(const char *spec) {
    struct err err = ERR_INIT;
    assert_int_equal(fault_arm(spec, &err), ERR_NONE);
}

static int teardown(void **state) {
    struct fixture *f = *state;
    arm(NULL);
    db_remove(f);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static sqlite3 *open_db(const char *path) {
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    assert_int_equal(sqlite3_open_v2(path, &db, flags, VFS_NAME), SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
}

static void assert_gives(sqlite3 *db, const char *sql, const char *expected) {
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    if (sqlite3_step(stmt) != SQLITE_ROW) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    assert_string_equal(text == NULL ? "NULL" : text, expected);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
}

/* ---- what it is ---- */

static void registering_twice_is_harmless_and_the_default_stays(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    assert_int_equal(vfs_register(&err), ERR_NONE);
    assert_non_null(sqlite3_vfs_find(VFS_NAME));
    assert_string_not_equal(sqlite3_vfs_find(NULL)->zName, VFS_NAME);
}

static void now_does_not_exist(void **state) {
    (void)state;
    sqlite3 *db = open_db(":memory:");
    static const char *const now[] = {"SELECT date('now')",       "SELECT datetime()",
                                      "SELECT julianday('now')",  "SELECT unixepoch()",
                                      "SELECT CURRENT_TIMESTAMP", "SELECT CURRENT_DATE",
                                      "SELECT strftime('%s')",    "SELECT date('now', '+1 day')"};
    for (size_t i = 0; i < ARRAY_COUNT(now); i++) {
        assert_gives(db, now[i], "NULL");
    }
    assert_gives(db, "SELECT date('2026-01-31', '+1 day')", "2026-02-01");
    assert_gives(db, "SELECT datetime(1700000000, 'unixepoch')", "2023-11-14 22:13:20");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    /* The default VFS keeps its clock. */
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_gives(db, "SELECT date('now') IS NULL", "0");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void it_names_itself_and_has_every_method_of_the_real_file(void **state) {
    const struct fixture *f = *state;
    sqlite3 *db = open_db(f->db);
    run(db, "CREATE TABLE t(a)");
    char *name = NULL;
    assert_int_equal(sqlite3_file_control(db, "main", SQLITE_FCNTL_VFSNAME, &name), SQLITE_OK);
    assert_memory_equal(name, VFS_NAME "/", sizeof(VFS_NAME "/") - 1);
    assert_string_equal(name + sizeof(VFS_NAME "/") - 1, sqlite3_vfs_find(NULL)->zName);
    sqlite3_free(name);
    sqlite3_file *file = NULL;
    assert_int_equal(sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file), SQLITE_OK);
    assert_int_equal(file->pMethods->iVersion, 3);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void wal_works_with_a_reader_beside_the_writer(void **state) {
    const struct fixture *f = *state;
    sqlite3 *writer = open_db(f->db);
    assert_gives(writer, "PRAGMA journal_mode = wal", "wal");
    run(writer, "CREATE TABLE t(a); INSERT INTO t VALUES (1)");
    sqlite3 *reader = open_db(f->db);
    run(reader, "BEGIN");
    assert_gives(reader, "SELECT count(*) FROM t", "1");
    run(writer, "INSERT INTO t VALUES (2)");
    assert_gives(reader, "SELECT count(*) FROM t", "1");
    run(reader, "COMMIT");
    assert_gives(reader, "SELECT count(*) FROM t", "2");
    run(writer, "BEGIN IMMEDIATE");
    assert_int_equal(sqlite3_exec(reader, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_BUSY);
    run(writer, "COMMIT");
    assert_gives(writer, "PRAGMA wal_checkpoint(TRUNCATE)", "0");
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    assert_int_equal(sqlite3_close(writer), SQLITE_OK);
}

static void memory_mapped_reads_and_vacuum_work(void **state) {
    const struct fixture *f = *state;
    sqlite3 *db = open_db(f->db);
    run(db,
        "PRAGMA mmap_size = 16777216; PRAGMA journal_mode = wal; CREATE TABLE t(a);"
        "INSERT INTO t SELECT randomblob(3000) FROM (WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL "
        "SELECT i + 1 FROM c WHERE i < 500) SELECT i FROM c); PRAGMA wal_checkpoint(TRUNCATE)");
    assert_gives(db, "SELECT sum(length(a)) FROM t", "1500000");
    run(db, "DELETE FROM t WHERE rowid > 10; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    assert_gives(db, "SELECT sum(length(a)) FROM t", "30000");
    assert_gives(db, "PRAGMA integrity_check", "ok");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void what_it_wrote_the_default_vfs_reads(void **state) {
    const struct fixture *f = *state;
    sqlite3 *db = open_db(f->db);
    run(db, "CREATE TABLE t(a); INSERT INTO t VALUES ('here')");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    assert_gives(db, "SELECT a FROM t", "here");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_directory_that_is_not_there_is_cantopen(void **state) {
    const struct fixture *f = *state;
    char path[PATH_BYTES + 20];
    (void)snprintf(path, sizeof(path), "%s/no/such.db", f->dir);
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    assert_int_equal(sqlite3_open_v2(path, &db, flags, VFS_NAME), SQLITE_CANTOPEN);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* ---- single operations ---- */

/* A file opened through the VFS itself, without SQLite's pager above. */
static sqlite3_file *raw_open(const struct fixture *f, int *out_rc) {
    sqlite3_vfs *vfs = sqlite3_vfs_find(VFS_NAME);
    sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
    assert_non_null(file);
    int flags = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    *out_rc = vfs->xOpen(vfs, f->db, file, flags, &flags);
    return file;
}

static void raw_close(sqlite3_file *file) {
    assert_int_equal(file->pMethods->xClose(file), SQLITE_OK);
    free(file);
}

static void every_operation_has_its_own_error(void **state) {
    const struct fixture *f = *state;
    sqlite3_vfs *vfs = sqlite3_vfs_find(VFS_NAME);
    int rc = SQLITE_OK;
    arm("store:1");
    sqlite3_file *refused = raw_open(f, &rc);
    assert_int_equal(rc, SQLITE_CANTOPEN);
    assert_null(refused->pMethods); /* or SQLite would close what was not opened */
    free(refused);
    arm(NULL);
    sqlite3_file *file = raw_open(f, &rc);
    assert_int_equal(rc, SQLITE_OK);
    arm("store:1");
    assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_IOERR_FSYNC);
    arm("store:1");
    assert_int_equal(file->pMethods->xTruncate(file, 0), SQLITE_IOERR_TRUNCATE);
    arm("store:1");
    assert_int_equal(vfs->xDelete(vfs, f->db, 0), SQLITE_IOERR_DELETE);
    assert_int_equal(access(f->db, F_OK), 0);
    arm("store:2"); /* one more operation: the fault was not spent on reading */
    char byte = 0;
    sqlite3_int64 size = -1;
    assert_int_equal(file->pMethods->xWrite(file, "ab", 2, 0), SQLITE_OK);
    assert_int_equal(file->pMethods->xRead(file, &byte, 1, 0), SQLITE_OK);
    assert_int_equal(file->pMethods->xFileSize(file, &size), SQLITE_OK);
    assert_int_equal(size, 2);
    assert_int_not_equal(file->pMethods->xWrite(file, "b", 1, 0), SQLITE_OK);
    assert_int_equal(file->pMethods->xRead(file, &byte, 1, 0), SQLITE_OK);
    assert_int_equal(byte, 'a');
    raw_close(file);
}

static void every_third_write_fault_is_a_full_disk(void **state) {
    const struct fixture *f = *state;
    int rc = SQLITE_OK;
    sqlite3_file *file = raw_open(f, &rc);
    assert_int_equal(rc, SQLITE_OK);
    arm("store:1+");
    int results[9] = {0};
    int full = 0;
    for (int i = 0; i < 9; i++) {
        results[i] = file->pMethods->xWrite(file, "a", 1, 0);
        assert_true(results[i] == SQLITE_FULL || results[i] == SQLITE_IOERR_WRITE);
        full += results[i] == SQLITE_FULL;
        assert_true(i < 3 || results[i] == results[i - 3]);
    }
    assert_int_equal(full, 3);
    arm(NULL);
    raw_close(file);
}

static void steps_are_taken_by_writing_operations_only(void **state) {
    const struct fixture *f = *state;
    sqlite3_vfs *vfs = sqlite3_vfs_find(VFS_NAME);
    int rc = SQLITE_OK;
    arm("store:1000"); /* not reached: this only counts */
    sqlite3_file *file = raw_open(f, &rc);
    assert_int_equal(rc, SQLITE_OK);
    assert_int_equal(fault_count(FAULT_STEP), 0);
    assert_int_equal(file->pMethods->xWrite(file, "ab", 2, 0), SQLITE_OK);
    assert_int_equal(fault_count(FAULT_STEP), 1);
    assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_int_equal(fault_count(FAULT_STEP), 2);
    assert_int_equal(file->pMethods->xTruncate(file, 1), SQLITE_OK);
    assert_int_equal(fault_count(FAULT_STEP), 3);
    char byte = 0;
    assert_int_equal(file->pMethods->xRead(file, &byte, 1, 0), SQLITE_OK);
    assert_int_equal(fault_count(FAULT_STEP), 3);
    raw_close(file);
    assert_int_equal(vfs->xDelete(vfs, f->db, 0), SQLITE_OK);
    assert_int_equal(fault_count(FAULT_STEP), 4);
    assert_int_equal(fault_count(FAULT_STORE), 5); /* and the open */
}

static void dying_on_a_write_leaves_half_of_it(void **state) {
    const struct fixture *f = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int rc = SQLITE_OK;
        sqlite3_file *file = raw_open(f, &rc);
        if (rc == SQLITE_OK) {
            char page[512];
            memset(page, 'n', sizeof(page));
            (void)file->pMethods->xWrite(file, page, sizeof(page), 0);
            arm("kill:2");
            memset(page, 'o', sizeof(page));
            (void)file->pMethods->xWrite(file, page, sizeof(page), 512);
            (void)file->pMethods->xWrite(file, page, sizeof(page), 1024); /* dies here */
        }
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    struct stat info;
    assert_int_equal(stat(f->db, &info), 0);
    assert_int_equal(info.st_size, 1024 + 256);
}

/* ---- a workload under faults ---- */

#define TRANSACTIONS 4
/* More points than the workload has; the loops stop when one was not reached. */
#define POINTS_MAX 2000

/* Which transactions were acknowledged; shared with a child that may die at any time. */
struct outcome {
    volatile bool acknowledged[TRANSACTIONS];
};

/* Each transaction writes to two tables and moves an index, so that a torn one would show. */
static bool transaction_run(sqlite3 *db, int number) {
    char sql[400];
    sqlite3_snprintf(sizeof(sql), sql,
                     "BEGIN IMMEDIATE; INSERT INTO a VALUES (%d, zeroblob(9000)); UPDATE b SET "
                     "total = total + %d, entries = entries + 1; UPDATE a SET pad = "
                     "zeroblob(100) WHERE id = %d - 1; COMMIT",
                     number, number, number);
    bool ok = sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
    if (!ok && sqlite3_get_autocommit(db) == 0) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* may fail under a lasting fault */
    }
    return ok;
}

static void workload_run(const char *path, struct outcome *out) {
    for (int number = 0; number < TRANSACTIONS; number++) {
        sqlite3 *db = NULL;
        int flags = SQLITE_OPEN_READWRITE;
        if (sqlite3_open_v2(path, &db, flags, VFS_NAME) == SQLITE_OK) {
            (void)sqlite3_exec(db, "PRAGMA synchronous = full", NULL, NULL, NULL);
            out->acknowledged[number] = transaction_run(db, number);
            if (number == TRANSACTIONS / 2) { /* also checkpoints and shrinking */
                (void)sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE); VACUUM", NULL, NULL, NULL);
            }
        }
        (void)sqlite3_close(db); /* the pager may report the fault again */
    }
}

static void store_make(const struct fixture *f, const char *journal) {
    db_remove(f);
    sqlite3 *db = open_db(f->db);
    char sql[100];
    sqlite3_snprintf(sizeof(sql), sql, "PRAGMA journal_mode = %s", journal);
    assert_gives(db, sql, journal);
    run(db,
        "CREATE TABLE a(id INTEGER PRIMARY KEY, pad BLOB); CREATE INDEX i ON a(length(pad), id);"
        "CREATE TABLE b(total INTEGER, entries INTEGER); INSERT INTO b VALUES (0, 0)");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Whatever happened: consistent, all or nothing, and nothing acknowledged is missing. */
static void store_check(const struct fixture *f, const struct outcome *outcome) {
    sqlite3 *db = open_db(f->db);
    assert_gives(db, "PRAGMA integrity_check", "ok");
    assert_gives(db,
                 "SELECT count(*) FROM b WHERE total = (SELECT coalesce(sum(id), 0) FROM a) AND "
                 "entries = (SELECT count(*) FROM a)",
                 "1");
    for (int number = 0; number < TRANSACTIONS; number++) {
        if (outcome->acknowledged[number]) {
            char sql[100];
            sqlite3_snprintf(sizeof(sql), sql, "SELECT count(*) FROM a WHERE id = %d", number);
            assert_gives(db, sql, "1");
        }
    }
    /* And it goes on working. */
    run(db, "INSERT INTO a VALUES (1000, x'00')");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int acknowledged_count(const struct outcome *outcome) {
    int count = 0;
    for (int number = 0; number < TRANSACTIONS; number++) {
        count += outcome->acknowledged[number] ? 1 : 0;
    }
    return count;
}

/* Fails the Nth operation, for every N; how many points there were. */
static int64_t fault_loop(const struct fixture *f, const char *journal, bool persistent) {
    for (int64_t point = 1; point < POINTS_MAX; point++) {
        store_make(f, journal);
        char spec[40];
        (void)snprintf(spec, sizeof(spec), "store:%lld%s", (long long)point, persistent ? "+" : "");
        struct outcome outcome = {{false}};
        arm(spec);
        workload_run(f->db, &outcome);
        bool reached = fault_count(FAULT_STORE) >= point;
        arm(NULL);
        store_check(f, &outcome);
        if (!reached) {
            assert_int_equal(acknowledged_count(&outcome), TRANSACTIONS);
            return point - 1;
        }
        /* One fault costs at most one transaction. */
        assert_true(persistent || acknowledged_count(&outcome) >= TRANSACTIONS - 1);
    }
    fail();
    return 0;
}

/* Kills a child at the Nth step, for every N, with torn writes. */
static int64_t kill_loop(const struct fixture *f, const char *journal) {
    struct outcome *outcome =
        mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(outcome != MAP_FAILED);
    int64_t point = 1;
    for (bool killed = true; killed; point++) {
        assert_true(point < POINTS_MAX);
        store_make(f, journal);
        memset(outcome, 0, sizeof(*outcome));
        char spec[40];
        (void)snprintf(spec, sizeof(spec), "kill:%lld", (long long)point);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            arm(spec);
            workload_run(f->db, outcome);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        assert_true(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
        store_check(f, outcome);
    }
    assert_int_equal(acknowledged_count(outcome), TRANSACTIONS);
    assert_int_equal(munmap(outcome, sizeof(*outcome)), 0);
    return point - 2;
}

/* Fewer points than this and the loop did not test what it should. */
#define POINTS_EXPECTED 50

static void a_transient_fault_leaves_a_wal_store_consistent(void **state) {
    assert_true(fault_loop(*state, "wal", false) > POINTS_EXPECTED);
}
static void a_lasting_fault_leaves_a_wal_store_consistent(void **state) {
    assert_true(fault_loop(*state, "wal", true) > POINTS_EXPECTED);
}
static void a_transient_fault_leaves_a_rollback_store_consistent(void **state) {
    assert_true(fault_loop(*state, "delete", false) > POINTS_EXPECTED);
}
static void a_lasting_fault_leaves_a_rollback_store_consistent(void **state) {
    assert_true(fault_loop(*state, "delete", true) > POINTS_EXPECTED);
}
static void dying_anywhere_leaves_a_wal_store_consistent(void **state) {
    assert_true(kill_loop(*state, "wal") > POINTS_EXPECTED);
}
static void dying_anywhere_leaves_a_rollback_store_consistent(void **state) {
    assert_true(kill_loop(*state, "delete") > POINTS_EXPECTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(registering_twice_is_harmless_and_the_default_stays),
        TEST(now_does_not_exist),
        TEST(it_names_itself_and_has_every_method_of_the_real_file),
        TEST(wal_works_with_a_reader_beside_the_writer),
        TEST(memory_mapped_reads_and_vacuum_work),
        TEST(what_it_wrote_the_default_vfs_reads),
        TEST(a_directory_that_is_not_there_is_cantopen),
        TEST(every_operation_has_its_own_error),
        TEST(every_third_write_fault_is_a_full_disk),
        TEST(steps_are_taken_by_writing_operations_only),
        TEST(dying_on_a_write_leaves_half_of_it),
        TEST(a_transient_fault_leaves_a_wal_store_consistent),
        TEST(a_lasting_fault_leaves_a_wal_store_consistent),
        TEST(a_transient_fault_leaves_a_rollback_store_consistent),
        TEST(a_lasting_fault_leaves_a_rollback_store_consistent),
        TEST(dying_anywhere_leaves_a_wal_store_consistent),
        TEST(dying_anywhere_leaves_a_rollback_store_consistent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
