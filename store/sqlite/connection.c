/* Opening a store: lock file, connection, pragmas, batch tables, catalog.
 *
 * The lock is flock() on "<database>-lock", held by the one process that writes; the kernel lets go
 * of it when the process dies, so there is nothing to clean up after SIGKILL. Durability: WAL with
 * synchronous=FULL, so a commit that returned is on disk. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/sqlite/sql_functions.h"
#include "store/sqlite/sqlite_store.h"
#include "store/sqlite/vfs.h"

#define TRIM_BYTES (128 << 20)
#define MMAP_BYTES (1 << 20)
/* Instructions of SQLite's between two looks at the clock: a millisecond or so. */
#define DEADLINE_STEPS 20000

static const char pragmas_write[] = "PRAGMA journal_mode = WAL;"
                                    "PRAGMA synchronous = FULL;"
                                    "PRAGMA secure_delete = OFF;"
                                    "PRAGMA wal_autocheckpoint = 16000;"
                                    "PRAGMA journal_size_limit = 67108864;"
                                    "PRAGMA recursive_triggers = ON;";

/* Lost in a power cut it is built again, so that only the order of writes matters. */
static const char pragmas_aside[] = "PRAGMA journal_mode = WAL;"
                                    "PRAGMA synchronous = NORMAL;"
                                    "PRAGMA wal_autocheckpoint = 16000;"
                                    "PRAGMA journal_size_limit = 67108864;"
                                    "PRAGMA recursive_triggers = ON;";

static enum err_code store_locate(const struct flow *flow, char **out, struct err *err) {
    const char *file = flow->store + strlen("sqlite:");
    if (file[0] == '\0') {
        node_error(flow->store_node, err, "store 'sqlite:' names no file; write sqlite:%s.db",
                   flow->name);
        err->code = ERR_CONFIG;
        return ERR_CONFIG;
    }
    *out = file_join(flow->directory, file);
    return ERR_NONE;
}

enum err_code sqlite_exists(const struct flow *flow, bool *exists, struct err *err) {
    char *path = NULL;
    enum err_code code = store_locate(flow, &path, err);
    *exists = code == ERR_NONE && file_exists(path);
    mem_free(path);
    return code;
}

static enum err_code lock_take(struct store *s, struct err *err) {
    char *path = mem_printf("%s-lock", s->path);
    sqlite_of(s)->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (sqlite_of(s)->lock_fd < 0) {
        err_set_errno(
            err, ERR_UNAVAILABLE, errno,
            "store '%s' (is its directory there, and may this user write to both?): lock file",
            s->path);
        mem_free(path);
        return err->code;
    }
    if (flock(sqlite_of(s)->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        char owner[32] = "";
        ssize_t got = pread(sqlite_of(s)->lock_fd, owner, sizeof(owner) - 1, 0);
        owner[got > 0 ? (size_t)got : 0] = '\0';
        err_set(err, ERR_CONFLICT,
                "store '%s' is in use by another plumb (process %s); stop it first, or read with "
                "`plumb status`",
                s->path, owner[0] != '\0' ? owner : "unknown");
        mem_free(path);
        return err->code;
    }
    mem_free(path);
    char text[32];
    int len = snprintf(text, sizeof(text), "%ld", (long)getpid());
    /* The number only helps a message; the lock is what counts. */
    if (ftruncate(sqlite_of(s)->lock_fd, 0) != 0 ||
        pwrite(sqlite_of(s)->lock_fd, text, (size_t)len, 0) != len) {
        return ERR_NONE;
    }
    return ERR_NONE;
}

/* Once in a process, before SQLite is first used. Counting memory takes a lock at every allocation
 * and nobody reads the counts. What SQLite frees after one statement (page images of its statement
 * journal, a few MiB) it wants again for the next: given back to the kernel it costs a page fault
 * for every 4 KiB. */
static void process_prepare(void) {
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* MISUSE if something was faster: harmless */
    /* pthread_once: no other thread is in here. */
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES); /* NOLINT(concurrency-mt-unsafe) */
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_BYTES); /* NOLINT(concurrency-mt-unsafe) */
}

static enum err_code connect(struct store *s, struct err *err) {
    static pthread_once_t prepared = PTHREAD_ONCE_INIT;
    (void)pthread_once(&prepared, process_prepare);
    enum err_code code = vfs_register(err);
    if (code != ERR_NONE) {
        return code;
    }
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    flags |= s->mode == STORE_READ   ? SQLITE_OPEN_READONLY
             : s->mode == STORE_NOTE ? SQLITE_OPEN_READWRITE
                                     : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    const char *name = s->mode == STORE_SCRATCH ? ":memory:" : s->path;
    int rc = sqlite3_open_v2(name, &sqlite_of(s)->db, flags, VFS_NAME);
    if (rc != SQLITE_OK) {
        return sqlite_error(s, err, "open store");
    }
    sqlite3_extended_result_codes(sqlite_of(s)->db, 1);
    /* A misspelled "column" is an error, and not the string it looks like. */
    (void)sqlite3_db_config(sqlite_of(s)->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(sqlite_of(s)->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_busy_timeout(sqlite_of(s)->db, STORE_BUSY_TIMEOUT_MS);
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&sql,
             "PRAGMA cache_size = -%lld; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF;"
             "PRAGMA trusted_schema = ON;",
             (long long)(STORE_CACHE_BYTES / 1024));
    code = store_execute(s, buf_c(&sql), err);
    if (code == ERR_NONE && s->mode == STORE_NOTE) {
        code = store_execute(s, "PRAGMA synchronous = FULL", err);
    }
    if (code == ERR_NONE && s->mode == STORE_REBUILD) {
        code = store_execute(s, "PRAGMA temp_store = FILE", err); /* a swap may hold many rows */
    }
    if (code == ERR_NONE && (s->mode == STORE_WRITE || s->mode == STORE_REBUILD)) {
        code = store_execute(s, pragmas_write, err);
    }
    if (code == ERR_NONE && store_is_aside(s->mode)) {
        code = store_execute(s, pragmas_aside, err);
    }
    if (code == ERR_NONE && store_is_aside(s->mode)) {
        char *origin = NULL;
        code = store_locate(s->flow, &origin, err);
        if (code == ERR_NONE) {
            code = store_attach(s, origin, STORE_ORIGIN, err);
        }
        mem_free(origin);
    }
    return code;
}

static enum err_code batch_tables_create(struct store *s, struct err *err) {
    enum err_code code = batch_tables_new(sqlite_of(s)->db, &sqlite_of(s)->batch_tables, err);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite_of(s)->presented =
        mem_alloc_array(s->flow->stream_count + 1, sizeof(*sqlite_of(s)->presented));
    for (size_t i = 0; i < s->flow->source_count; i++) {
        const struct flow_source *source = &s->flow->sources[i];
        for (size_t k = 0; k < source->stream_count; k++) {
            const struct flow_stream *stream = &source->streams[k];
            struct presented *p = &sqlite_of(s)->presented[stream->number];
            p->stream = stream;
            code = batch_table_create(sqlite_of(s)->batch_tables, stream->relation,
                                      &stream->spec->schema, &p->table, err);
            if (code != ERR_NONE) {
                return err_wrap(err, "source '%s'", stream->full_name);
            }
        }
    }
    return ERR_NONE;
}

static enum err_code open_all(struct store *s, struct err *err) {
    enum err_code code = ERR_NONE;
    if ((s->mode == STORE_READ || s->mode == STORE_NOTE) && !file_exists(s->path)) {
        return err_set(err, ERR_CONFIG, "there is no store at '%s' yet; `plumb run` creates it",
                       s->path);
    }
    if (s->mode == STORE_WRITE || s->mode == STORE_REBUILD || s->mode == STORE_AUDIT) {
        code = lock_take(s, err);
    }
    if (code == ERR_NONE) {
        code = connect(s, err);
    }
    if (code == ERR_NONE) {
        code = sql_functions_register(sqlite_of(s)->db, err);
    }
    if (code == ERR_NONE) {
        code = cover_register(s, err);
    }
    if (code == ERR_NONE) {
        code = batch_tables_create(s, err);
    }
    if (code == ERR_NONE) {
        code = catalog_prepare(s, err);
    }
    if (code == ERR_NONE) {
        code = analyse_install(s, err);
    }
    return code;
}

enum err_code store_attach(struct store *s, const char *path, const char *schema, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    char *sql = mem_printf("ATTACH ?1 AS \"%s\"", schema);
    enum err_code code = sqlite_prepare(s, sql, &stmt, err);
    mem_free(sql);
    if (code == ERR_NONE) {
        sqlite_bind(stmt, 1, str_of(path));
        code = sqlite_finish(s, stmt, "attach", err);
    }
    sqlite3_finalize(stmt);
    return code;
}

static const char *aside_ending(enum store_mode mode) {
    return mode == STORE_AUDIT ? "-audit" : "-aside";
}

void sqlite_aside_remove(const struct flow *flow, enum store_mode mode) {
    char *path = NULL;
    struct err ignored = ERR_INIT;
    if (store_locate(flow, &path, &ignored) == ERR_NONE) {
        static const char *const endings[] = {"", "-wal", "-shm", "-lock"};
        for (size_t i = 0; i < ARRAY_COUNT(endings); i++) {
            char *name = mem_printf("%s%s%s", path, aside_ending(mode), endings[i]);
            (void)unlink(name); /* it may not be there */
            mem_free(name);
        }
    }
    mem_free(path);
}

enum err_code sqlite_store_open(const struct flow *flow, enum store_mode mode, struct store **out,
                                struct err *err) {
    struct sqlite_store *made = mem_alloc(sizeof(*made));
    struct store *s = &made->base;
    s->driver = &sqlite_driver;
    s->flow = flow;
    s->mode = mode;
    made->lock_fd = -1;
    enum err_code code = store_locate(flow, &s->path, err); /* also what is only checked */
    if (code == ERR_NONE && store_is_aside(mode)) {
        char *origin = s->path;
        s->path = mem_printf("%s%s", origin, aside_ending(mode));
        mem_free(origin);
    }
    if (code == ERR_NONE && mode == STORE_SCRATCH) {
        mem_free(s->path);
        s->path = mem_strdup("");
    }
    if (code == ERR_NONE) {
        code = open_all(s, err);
    }
    if (code != ERR_NONE) {
        store_close(s);
        return code;
    }
    *out = s;
    return ERR_NONE;
}

void sqlite_store_close(struct store *s) {
    for (size_t i = 0; i < CONTROL_COUNT; i++) {
        sqlite3_finalize(sqlite_of(s)->control[i]);
    }
    if (sqlite_of(s)->db != NULL) {
        int rc = sqlite3_close(sqlite_of(s)->db);
        ASSERT(rc == SQLITE_OK); /* a statement somebody forgot */
    }
    batch_tables_free(sqlite_of(s)->batch_tables);
    mem_free(sqlite_of(s)->presented);
    file_close(&sqlite_of(s)->lock_fd);
    mem_free(s);
}

static int is_late(void *context) {
    const struct sqlite_store *s = context;
    return clock_monotonic_us() >= s->deadline_us ? 1 : 0;
}

void sqlite_deadline(struct store *s, int64_t monotonic_us) {
    sqlite_of(s)->deadline_us = monotonic_us;
    sqlite3_progress_handler(sqlite_of(s)->db, monotonic_us > 0 ? DEADLINE_STEPS : 0, is_late, s);
}

enum err_code sqlite_present(struct store *s, const struct flow_stream *stream,
                             const struct store_rows *rows, struct err *err) {
    (void)err;
    struct presented *p = &sqlite_of(s)->presented[stream->number];
    ASSERT(p->stream == stream);
    p->rows = rows != NULL ? rows->rows : NULL;
    p->first_record = rows != NULL ? rows->first_record : 0;
    batch_table_present(p->table, p->rows, rows != NULL ? rows->low : 0,
                        rows != NULL ? rows->high : 0);
    sqlite_of(s)->current = rows != NULL ? p : NULL;
    return ERR_NONE;
}

size_t sqlite_present_at(const struct store *s, const struct flow_stream *stream) {
    return batch_table_at(((const struct sqlite_store *)s)->presented[stream->number].table);
}

int64_t *sqlite_ticks(struct store *s) {
    return batch_tables_ticks(sqlite_of(s)->batch_tables);
}

void sqlite_ticks_reset(struct store *s) {
    batch_tables_reset_ticks(sqlite_of(s)->batch_tables);
}
