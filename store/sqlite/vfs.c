/* How it works: our file object is a head followed in the same allocation by the default VFS's own
 * file object; every method forwards to that. Three method tables exist because SQLite looks at
 * iVersion to learn what a file can do: ours always claims exactly what the real one has.
 *
 * Order in the writing methods: the fault point first (the call fails, nothing happened), then the
 * step (the process dies, nothing happened, or for a write half of it), then the work. */
#include "store/sqlite/vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "base/fault.h"

struct plumb_file {
    sqlite3_file base; /* must be first: SQLite sees this */
    sqlite3_file *real;
};

/* Where the real file object starts; its alignment must suit any type. */
#define REAL_OFFSET                                                                                \
    ((sizeof(struct plumb_file) + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) *             \
     _Alignof(max_align_t))

/* Every how many injected write faults is a full disk instead of an I/O error. */
#define FULL_EVERY 3

/* Counted over the process, for the choice above only. */
static atomic_uint write_faults;

static sqlite3_file *real_of(sqlite3_file *file) {
    return ((struct plumb_file *)(void *)file)->real;
}

static sqlite3_vfs *real_vfs(const sqlite3_vfs *vfs) {
    return vfs->pAppData;
}

/* ---- files ---- */

static int file_close_real(sqlite3_file *file) {
    sqlite3_file *real = real_of(file);
    return real->pMethods->xClose(real);
}

static int file_read(sqlite3_file *file, void *out, int bytes, sqlite3_int64 offset) {
    sqlite3_file *real = real_of(file);
    return real->pMethods->xRead(real, out, bytes, offset);
}

static int file_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 offset) {
    if (fault_fails(FAULT_STORE)) {
        unsigned number = atomic_fetch_add(&write_faults, 1U) + 1U;
        return number % FULL_EVERY == 0 ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    }
    sqlite3_file *real = real_of(file);
    if (fault_step_is_next()) {
        /* We are about to die here: leave a torn write behind, whether it worked or not. */
        (void)real->pMethods->xWrite(real, from, bytes / 2, offset);
    }
    fault_step("store.write");
    return real->pMethods->xWrite(real, from, bytes, offset);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
    if (fault_fails(FAULT_STORE)) {
        return SQLITE_IOERR_TRUNCATE;
    }
    fault_step("store.truncate");
    sqlite3_file *real = real_of(file);
    return real->pMethods->xTruncate(real, size);
}

static int file_sync(sqlite3_file *file, int flags) {
    if (fault_fails(FAULT_STORE)) {
        return SQLITE_IOERR_FSYNC;
    }
    fault_step("store.sync");
    sqlite3_file *real = real_of(file);
    return real->pMethods->xSync(real, flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *out) {
    sqlite3_file *real = real_of(file);
    return real->pMethods->xFileSize(real, out);
}

static int file_lock(sqlite3_file *file, int level) {
    sqlite3_file *real = real_of(file);
    return real->pMethods->xLock(real, level);
}

static int file_unlock(sqlite3_file *file, int level) {
    sqlite3_file *real = real_of(file);
    return real->pMethods->xUnlock(real, level);
}

static int file_check_reserved(sqlite3_file *file, int *out) {
    sqlite3_file *real = real_of(file);
    return real->pMethods->xCheckReservedLock(real, out);
}

static int file_control(sqlite3_file *file, int operation, void *argument) {
    sqlite3_file *real = real_of(file);
    int rc = real->pMethods->xFileControl(real, operation, argument);
    if (operation == SQLITE_FCNTL_VFSNAME && rc == SQLITE_OK) {
        char **name = argument;
        *name = sqlite3_mprintf(VFS_NAME "/%z", *name);
    }
    return rc;
}

static int file_sector_size(sqlite3_file *file) {
    sqlite3_file *real = real_of(file);
    return real->pMethods->xSectorSize(real);
}

static int file_characteristics(sqlite3_file *file) {
    sqlite3_file *real = real_of(file);
    return real->pMethods->xDeviceCharacteristics(real);
}

static int file_shm_map(sqlite3_file *file, int page, int bytes, int extend, void volatile **out) {
    sqlite3_file *real = real_of(file);
    return real->pMethods->xShmMap(real, page, bytes, extend, out);
}

static int file_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    sqlite3_file *real = real_of(file);
    return real->pMethods->xShmLock(real, offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *file) {
    sqlite3_file *real = real_of(file);
    real->pMethods->xShmBarrier(real);
}

static int file_shm_unmap(sqlite3_file *file, int delete_it) {
    sqlite3_file *real = real_of(file);
    return real->pMethods->xShmUnmap(real, delete_it);
}

static int file_fetch(sqlite3_file *file, sqlite3_int64 offset, int bytes, void **out) {
    sqlite3_file *real = real_of(file);
    return real->pMethods->xFetch(real, offset, bytes, out);
}

static int file_unfetch(sqlite3_file *file, sqlite3_int64 offset, void *page) {
    sqlite3_file *real = real_of(file);
    return real->pMethods->xUnfetch(real, offset, page);
}

#define METHODS_V1                                                                                 \
    .xClose = file_close_real, .xRead = file_read, .xWrite = file_write,                           \
    .xTruncate = file_truncate, .xSync = file_sync, .xFileSize = file_size, .xLock = file_lock,    \
    .xUnlock = file_unlock, .xCheckReservedLock = file_check_reserved,                             \
    .xFileControl = file_control, .xSectorSize = file_sector_size,                                 \
    .xDeviceCharacteristics = file_characteristics
#define METHODS_V2                                                                                 \
    METHODS_V1, .xShmMap = file_shm_map, .xShmLock = file_shm_lock,                                \
                .xShmBarrier = file_shm_barrier, .xShmUnmap = file_shm_unmap

static const sqlite3_io_methods methods_v1 = {.iVersion = 1, METHODS_V1};
static const sqlite3_io_methods methods_v2 = {.iVersion = 2, METHODS_V2};
static const sqlite3_io_methods methods_v3 = {
    .iVersion = 3, METHODS_V2, .xFetch = file_fetch, .xUnfetch = file_unfetch};

static const sqlite3_io_methods *methods_like(const sqlite3_io_methods *real) {
    if (real->iVersion >= 3 && real->xFetch != NULL) {
        return &methods_v3;
    }
    return real->iVersion >= 2 && real->xShmMap != NULL ? &methods_v2 : &methods_v1;
}

/* ---- the file system ---- */

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                    int *out_flags) {
    struct plumb_file *ours = (struct plumb_file *)(void *)file;
    ours->base.pMethods = NULL; /* SQLite does not close a file without methods */
    ours->real = (sqlite3_file *)(void *)((char *)file + REAL_OFFSET);
    ours->real->pMethods = NULL;
    if (fault_fails(FAULT_STORE)) {
        return SQLITE_CANTOPEN;
    }
    sqlite3_vfs *real = real_vfs(vfs);
    int rc = real->xOpen(real, name, ours->real, flags, out_flags);
    if (ours->real->pMethods != NULL) { /* even after a failure SQLite will close it */
        ours->base.pMethods = methods_like(ours->real->pMethods);
    }
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_directory) {
    if (fault_fails(FAULT_STORE)) {
        return SQLITE_IOERR_DELETE;
    }
    fault_step("store.delete");
    sqlite3_vfs *real = real_vfs(vfs);
    return real->xDelete(real, name, sync_directory);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out) {
    sqlite3_vfs *real = real_vfs(vfs);
    return real->xAccess(real, name, flags, out);
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int bytes, char *out) {
    sqlite3_vfs *real = real_vfs(vfs);
    return real->xFullPathname(real, name, bytes, out);
}

static void *vfs_dl_open(sqlite3_vfs *vfs, const char *name) {
    sqlite3_vfs *real = real_vfs(vfs);
    return real->xDlOpen(real, name);
}

static void vfs_dl_error(sqlite3_vfs *vfs, int bytes, char *out) {
    sqlite3_vfs *real = real_vfs(vfs);
    real->xDlError(real, bytes, out);
}

static void (*vfs_dl_symbol(sqlite3_vfs *vfs, void *library, const char *symbol))(void) {
    sqlite3_vfs *real = real_vfs(vfs);
    return real->xDlSym(real, library, symbol);
}

static void vfs_dl_close(sqlite3_vfs *vfs, void *library) {
    sqlite3_vfs *real = real_vfs(vfs);
    real->xDlClose(real, library);
}

static int vfs_randomness(sqlite3_vfs *vfs, int bytes, char *out) {
    sqlite3_vfs *real = real_vfs(vfs);
    return real->xRandomness(real, bytes, out);
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds) {
    sqlite3_vfs *real = real_vfs(vfs);
    return real->xSleep(real, microseconds);
}

static int vfs_last_error(sqlite3_vfs *vfs, int bytes, char *out) {
    sqlite3_vfs *real = real_vfs(vfs);
    return real->xGetLastError(real, bytes, out);
}

/* A table must not depend on when it was computed: SQLite turns this failure into NULL. */
static int vfs_no_time(sqlite3_vfs *vfs, double *out) {
    (void)vfs;
    *out = 0;
    return SQLITE_ERROR;
}

static int vfs_no_time_int64(sqlite3_vfs *vfs, sqlite3_int64 *out) {
    (void)vfs;
    *out = 0;
    return SQLITE_ERROR;
}

/* SQLite links it into its list of VFSs, so it cannot be const. Written once, before it is known
 * to anybody. */
static sqlite3_vfs plumb_vfs = {
    .iVersion = 2,
    .zName = VFS_NAME,
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_path,
    .xDlOpen = vfs_dl_open,
    .xDlError = vfs_dl_error,
    .xDlSym = vfs_dl_symbol,
    .xDlClose = vfs_dl_close,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_no_time,
    .xGetLastError = vfs_last_error,
    .xCurrentTimeInt64 = vfs_no_time_int64,
};
static int register_result = SQLITE_ERROR;
static pthread_once_t register_once = PTHREAD_ONCE_INIT;

static void register_it(void) {
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    if (real == NULL) {
        return;
    }
    plumb_vfs.szOsFile = (int)REAL_OFFSET + real->szOsFile;
    plumb_vfs.mxPathname = real->mxPathname;
    plumb_vfs.pAppData = real;
    register_result = sqlite3_vfs_register(&plumb_vfs, 0);
}

enum err_code vfs_register(struct err *err) {
    if (pthread_once(&register_once, register_it) != 0 || register_result != SQLITE_OK) {
        return err_set(err, ERR_INTERNAL, "SQLite: cannot register the VFS '%s': %s", VFS_NAME,
                       sqlite3_errstr(register_result));
    }
    return ERR_NONE;
}
