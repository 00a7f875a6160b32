/* A flow and its store, opened for a command. */
#ifndef PLUMB_CLI_OPENED_H
#define PLUMB_CLI_OPENED_H

#include "cli/command.h"
#include "store/store.h"

struct opened {
    struct flow *flow;
    struct store *store;
};

/* Loads the flow at path and opens its store. Reading, everything is seen as of one moment: a run
 * beside it changes nothing until opened_close. */
MUST_CHECK enum err_code opened_open(struct opened *o, const struct invocation *call,
                                     const char *path, enum store_mode mode, struct err *err);
void opened_close(struct opened *o); /* for AUTO_OPENED */
#define AUTO_OPENED CLEANUP(opened_close) struct opened
/* Rows of a table; 0 when it is not there. `where`: "" or " WHERE ...". */
MUST_CHECK enum err_code opened_count(const struct opened *o, const char *table, const char *where,
                                      int64_t *out, struct err *err);
/* What a source promises about its records, in words. */
const char *source_guarantee(const struct flow_source *s);

#endif
