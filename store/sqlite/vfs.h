/* A thin VFS over SQLite's default one, named "plumb".
 *
 * - Every xOpen, xWrite, xSync, xTruncate and xDelete passes the STORE fault point (SQLITE_IOERR_*, SQLITE_CANTOPEN;
 *   every third injected write fault is SQLITE_FULL) and, just before xWrite, xTruncate, xSync and xDelete do their work,
 *   fault_step("store.<op>"); a step whose turn it is to die on a write first writes half of the bytes.
 * - SQL's 'now' does not exist: xCurrentTime fails, so date('now') is NULL and cannot make a table depend on when it ran.
 *
 * Costs one indirect call per operation when unarmed. Thread-safe. */
#ifndef PLUMB_STORE_SQLITE_VFS_H
#define PLUMB_STORE_SQLITE_VFS_H

#include "base/err.h"

/* Registers the VFS once per process (not as default); later calls do nothing. */
MUST_CHECK enum err_code vfs_register(struct err *err);
#define VFS_NAME "plumb"

#endif
