/* The SQL functions plumb adds to SQLite. All deterministic; a wrong argument is an SQL error that
 * names the function.
 *
 *   i256(x)              text (decimal or 0x) or INTEGER -> int256 BLOB; an int256 stays as it is
 *   i256_text(x)         -> decimal text
 *   i256_hex(x)          -> 0x text, "-0x" when negative
 *   i256_to_real(x)      -> nearest double
 *   i256_to_int(x)       -> INTEGER; error when it does not fit
 *   i256_neg(a) i256_abs(a) i256_add(a, b) i256_sub(a, b) i256_mul(a, b) i256_div(a, b)
 *   i256_mod(a, b)       error on overflow and division by zero
 *   i256_cmp(a, b)       -> -1, 0, 1
 *   i256_sum(x)          aggregate, also a window function; NULL skipped; no rows: int256 0; the
 *                        order of rows cannot make it overflow
 *   _plumb_isum(x)       the same over INTEGERs, to an INTEGER: the result must fit 64 bits, sums
 *                        on the way need not; no rows: 0
 *   _plumb_isum(x, sign) x is taken away when sign is negative
 *   _plumb_i256_sum(x, sign) i256_sum of what i256(x) takes; x is taken away when sign is negative
 *   _plumb_iadd(a, b)    a + b as INTEGER; error on overflow; NULL counts as 0
 *
 * Arguments of the i256_ functions are an int256 BLOB or an INTEGER; NULL if any is NULL. REAL, and
 * TEXT but for i256(), are errors. */
#ifndef PLUMB_STORE_SQLITE_SQL_FUNCTIONS_H
#define PLUMB_STORE_SQLITE_SQL_FUNCTIONS_H

#include <sqlite3.h>

#include "base/err.h"

MUST_CHECK enum err_code sql_functions_register(sqlite3 *db, struct err *err);

#endif
