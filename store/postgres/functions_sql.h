/* functions.sql as bytes of the program; made by cmake/text.cmake. */
#ifndef PLUMB_STORE_POSTGRES_FUNCTIONS_SQL_H
#define PLUMB_STORE_POSTGRES_FUNCTIONS_SQL_H

#include <stddef.h>

extern const unsigned char pg_functions_sql[];
extern const size_t pg_functions_sql_size;

#endif
