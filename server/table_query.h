/* A request for rows of a table, in PostgREST's manner, as one SELECT.
 *
 *     ?spent=gte.100&status=in.(paid,open)&select=customer,spent&order=spent.desc&limit=50&offset=100
 *
 *   NAME=OP.VALUE   eq neq gt gte lt lte; like ilike (% or * is any text, _ one character);
 *                   in.(a,b,"c,d"); is.null is.not_null is.true is.false; not. before any of them
 *   filter.NAME=    the same, for a column that is called like a word below
 *   select=a,b      these columns; all otherwise
 *   order=a.desc,b  .asc .desc, then .nullsfirst .nullslast; by the key otherwise
 *   limit, offset   0 to QUERY_ROWS_MAX rows (QUERY_ROWS otherwise), from there
 *   key=V           once for each column of the key, in its order: that one row
 *
 * Names are looked up among the table's columns and written from the flow, never from the request;
 * values are bound. Comparing is done by the column's type, so numbers compare as numbers. */
#ifndef PLUMB_SERVER_TABLE_QUERY_H
#define PLUMB_SERVER_TABLE_QUERY_H

#include "store/store.h"

#define QUERY_ROWS          100
#define QUERY_ROWS_MAX      10000
#define QUERY_OFFSET_MAX    INT64_C(1000000000)
#define QUERY_FILTERS_MAX   32
#define QUERY_LIST_MAX      100 /* values of one in.(...) */
#define QUERY_ORDER_MAX     8
#define QUERY_PATTERN_BYTES 200
#define QUERY_WILDCARDS_MAX 5 /* more could make matching slow beyond any deadline */
#define QUERY_COLUMNS_MAX   (SCHEMA_COLUMNS_MAX + 4)

struct query_parameter {
    struct str name, value;
};

/* The columns a table shows: _partition and _record of key: auto, the flow's, _batch and _pos. */
struct table_columns {
    struct column items[QUERY_COLUMNS_MAX];
    size_t count;
    size_t key[QUERY_COLUMNS_MAX]; /* indexes of the key's */
    size_t key_count;
};
void table_columns_of(const struct flow_table *t, struct table_columns *out);

enum query_op {
    QUERY_EQ,
    QUERY_NEQ,
    QUERY_GT,
    QUERY_GTE,
    QUERY_LT,
    QUERY_LTE,
    QUERY_LIKE,
    QUERY_ILIKE,
    QUERY_IN,
    QUERY_IS
};
struct query_filter {
    size_t column;
    enum query_op op;
    bool negated;
    const char *is;       /* of QUERY_IS: "NULL", "NOT NULL", "1", "0" */
    struct value *values; /* in the arena; of QUERY_LIKE the pattern for GLOB, behind it for LIKE */
    size_t count;
};
struct table_query {
    const struct flow_table *table;
    struct table_columns columns;
    size_t selected[QUERY_COLUMNS_MAX];
    size_t selected_count;
    struct query_filter filters[QUERY_FILTERS_MAX];
    size_t filter_count;
    struct {
        size_t column;
        bool descends;
        int nulls; /* -1 first, 1 last, 0: first when ascending */
    } order[QUERY_ORDER_MAX];
    size_t order_count;
    int64_t limit, offset;
    bool is_one; /* asked by key */
    struct arena *arena;
    enum store_dialect dialect; /* set it before the SELECT is asked for; SQLite's otherwise */
};

/* Reads the parameters; values live in the arena. INPUT with what is wrong and what there is. */
MUST_CHECK enum err_code table_query_parse(const struct flow_table *t,
                                           const struct query_parameter *parameters, size_t count,
                                           struct arena *arena, struct table_query *out,
                                           struct err *err);
/* The SELECT of rows, or of their number. */
void table_query_sql(const struct table_query *q, bool counts, struct buf *out);
/* Binds the values to a statement of table_query_sql. */
void table_query_bind(const struct table_query *q, bool counts, struct store_statement *st);

#endif
