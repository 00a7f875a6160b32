/* The document of `plumb status --json`, for who serves it otherwise. */
#ifndef PLUMB_CLI_STATUS_H
#define PLUMB_CLI_STATUS_H

#include "store/store.h"

/* Adds it to out. The store is in a read transaction. */
MUST_CHECK enum err_code status_document(const struct flow *flow, struct store *s, struct buf *out,
                                         struct err *err);

#endif
