/* Rows of a query over the system's tables as a JSON array of objects. */
#ifndef PLUMB_SERVER_LISTING_H
#define PLUMB_SERVER_LISTING_H

#include "server/state.h"

#define LISTING_ROWS         100
#define LISTING_ROWS_MAX     5000
#define LISTING_BINDINGS_MAX 6

enum listing_kind {
    LISTING_TEXT,
    LISTING_NUMBER,
    LISTING_TIME,
    LISTING_JUDGED /* what the listing's `judge` says of a text: true or false */
};
struct listing_column {
    const char *key;
    enum listing_kind kind;
};
struct listing_binding {
    bool is_number;
    int64_t number;
    struct str text; /* NULL: binds NULL */
};
struct listing {
    const char *sql;
    const struct listing_column *columns;
    size_t column_count;
    struct listing_binding bindings[LISTING_BINDINGS_MAX];
    size_t binding_count;
    bool (*judge)(const void *context, const char *text);
    const void *context;
};
void listing_bind_number(struct listing *l, int64_t number);
void listing_bind_text(struct listing *l, struct str text);
/* limit= and before=, which every newest-first list has. */
MUST_CHECK enum err_code listing_page(const struct request *r, int64_t *limit, int64_t *before,
                                      struct err *err);
/* Writes the array to w, whose buffer is the reply's body. */
MUST_CHECK enum err_code listing_write(const struct listing *l, struct store *s,
                                       struct reply *reply, struct json_writer *w, struct err *err);
/* The whole answer, over a reader of its own. */
MUST_CHECK enum err_code listing_reply(const struct listing *l, struct request *r,
                                       struct reply *reply, struct err *err);

#endif
