/* Names and types of columns, in order. Borrowed from the flow; const after it is validated. */
#ifndef PLUMB_ROWS_SCHEMA_H
#define PLUMB_ROWS_SCHEMA_H

#include "rows/type.h"

#define SCHEMA_COLUMNS_MAX 512

struct column {
    const char *name;
    enum column_type type;
};

struct schema {
    const struct column *columns;
    size_t count;
};

/* Index of the column, or -1. */
int schema_find(const struct schema *s, struct str name);

#endif
