/* What the parts of `plumb rejects` share: showing one (rejects_show.c), replaying (rejects_replay.c). */
#ifndef PLUMB_CLI_REJECTS_H
#define PLUMB_CLI_REJECTS_H

#include "cli/opened.h"
#include "cli/output.h"

/* `plumb rejects show`: prints and tells the exit code. */
int rejects_show(const struct invocation *call, const struct opened *opened, int64_t id);

struct rejects_filter {
    const char *source;    /* NULL: any */
    const char *reason;    /* NULL: any */
    const char *transform; /* NULL: any; "": decoding */
    bool all;              /* discarded ones and those taken back as well */
    int64_t limit;
};
/* CONFIG for a reason or transform that cannot be. */
MUST_CHECK enum err_code rejects_filter_check(const struct opened *o,
                                              const struct rejects_filter *f, struct err *err);
/* `plumb rejects discard`: notes, prints and tells the exit code. */
int rejects_discard_run(const struct invocation *call, const char *path);
/* `plumb rejects replay`: loads, rebuilds, prints and tells the exit code. */
int rejects_replay_run(const struct invocation *call, const char *path);

/* The part of a record around a byte, as a terminal may show it: what is not printable becomes \n,
 * \t, \x1b ... , and what is left out at either end is "...". *caret is the column under which the
 * byte stands, or -1 when offset is. columns: the most the text may take. */
#define EXCERPT_COLUMNS 100
void excerpt_of(struct str record, int64_t offset, size_t columns, struct buf *out, int64_t *caret);

#endif
