/* A small table of facts in memory, shown as an aligned table or written as JSON.
 *
 * Columns are declared once with the kind of their values; rows come from SQL (facts_query) or cell
 * by cell (facts_text, facts_number, facts_null in column order). Both outputs come from the same
 * cells, so what --json says is what the terminal shows. Limit: FACTS_ROWS_MAX rows. */
#ifndef PLUMB_CLI_FACTS_H
#define PLUMB_CLI_FACTS_H

#include "cli/output.h"
#include "store/store.h"

#define FACTS_ROWS_MAX    200000
#define FACTS_COLUMNS_MAX 16

enum fact_kind {
    FACT_TEXT,
    FACT_COUNT,
    FACT_PLACE, /* a number that names a place and is no count: without separators */
    FACT_BYTES,
    FACT_TIME, /* microseconds since 1970; shown as "3 m ago", in JSON RFC 3339 */
    FACT_FLAG  /* 0, 1; shown as "yes" or nothing */
};

struct fact_column {
    const char *key;   /* in JSON */
    const char *title; /* on the terminal; NULL: only in JSON */
    enum fact_kind kind;
};

struct fact {
    char *text; /* owned; NULL for numbers and NULL */
    size_t len;
    int64_t number;
    bool is_null;
    enum style style;
};

struct facts {
    const struct fact_column *columns;
    size_t column_count;
    struct fact *cells;
    size_t count, capacity; /* in cells */
};

void facts_init(struct facts *f, const struct fact_column *columns, size_t column_count);
void facts_release(struct facts *f);
#define AUTO_FACTS CLEANUP(facts_release) struct facts
#define FACTS_INIT(table)                                                                          \
    { .columns = (table), .column_count = ARRAY_COUNT(table) }

size_t facts_rows(const struct facts *f);
void facts_text(struct facts *f, struct str text);
void facts_c(struct facts *f, const char *text); /* NULL adds a null */
void facts_number(struct facts *f, int64_t number);
void facts_null(struct facts *f);
/* Style of the cell added last. */
void facts_style(struct facts *f, enum style style);

/* Adds the rows of a SELECT; its columns are those of the facts, by position. */
MUST_CHECK enum err_code facts_query(struct facts *f, struct store *s, const char *sql,
                                     struct err *err);
MUST_CHECK enum err_code facts_from(struct facts *f, struct store_statement *st, struct err *err);

/* An aligned table, indented by two; at most rows_max rows and then how many more there are. The
 * last column is cut at the terminal's edge. */
void facts_show(const struct facts *f, struct output *o, size_t rows_max);
/* An array of objects. */
void facts_json(const struct facts *f, struct json_writer *w);

#endif
