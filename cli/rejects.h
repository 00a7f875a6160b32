/* Showing one reject: the raw record with its fault marked (rejects_show.c). */
#ifndef PLUMB_CLI_REJECTS_H
#define PLUMB_CLI_REJECTS_H

#include "cli/opened.h"
#include "cli/output.h"

/* `plumb rejects show`: prints and tells the exit code. */
int rejects_show(const struct invocation *call, const struct opened *opened, int64_t id);

/* The part of a record around a byte, as a terminal may show it: what is not printable becomes \n,
 * \t, \x1b ... , and what is left out at either end is "...". *caret is the column under which the
 * byte stands, or -1 when offset is. columns: the most the text may take. */
#define EXCERPT_COLUMNS 100
void excerpt_of(struct str record, int64_t offset, size_t columns, struct buf *out, int64_t *caret);

#endif
