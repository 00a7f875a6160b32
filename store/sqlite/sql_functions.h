/* The SQL functions plumb adds to SQLite. All deterministic; a wrong argument is an SQL error that
 * names the function.
 *
 *   i256(x)               text (decimal or 0x) or integer -> int256 BLOB; NULL -> NULL; an int256
 * BLOB stays i256_text(x)          -> decimal text          i256_hex(x) -> 0x text i256_add(a,b)
 * i256_sub(a,b) i256_mul(a,b) i256_div(a,b) i256_mod(a,b) i256_neg(a) i256_abs(a) a, b: int256 BLOB
 * or INTEGER; NULL if any is NULL; overflow and division by zero are errors i256_cmp(a,b) -1, 0, 1
 *   i256_to_real(x)       nearest double           i256_to_int(x) -> INTEGER, error when it does
 * not fit i256_sum(x)           aggregate (also window); NULL skipped; no rows -> int256 0; order
 * cannot make it overflow _plumb_isum(x)        aggregate of INTEGERs with 128-bit intermediate:
 * REAL, TEXT, BLOB are errors; result must fit int64; NULL skipped; no rows -> 0 _plumb_iadd(a,b)
 * a + b as INTEGER, error on overflow or when one is not INTEGER; NULL counts as 0
 */
#ifndef PLUMB_STORE_SQLITE_SQL_FUNCTIONS_H
#define PLUMB_STORE_SQLITE_SQL_FUNCTIONS_H

#include <sqlite3.h>

#include "base/err.h"

MUST_CHECK enum err_code sql_functions_register(sqlite3 *db, struct err *err);

#endif
