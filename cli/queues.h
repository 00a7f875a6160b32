/* What waits before the sums and derives of a flow, and the keys on which a derive failed. Shared
 * by status, rejects and audit. */
#ifndef PLUMB_CLI_QUEUES_H
#define PLUMB_CLI_QUEUES_H

#include "cli/facts.h"
#include "cli/opened.h"

struct queue_state {
    int64_t waiting; /* changes or keys not yet looked at */
    int64_t failed;  /* keys of a derive that failed and wait for a change or a restart */
};
/* All zero for a map. */
MUST_CHECK enum err_code queue_state_get(const struct opened *o, const struct flow_transform *t,
                                         struct queue_state *out, struct err *err);

/* Columns of queues_failed: transform, key (JSON), message. */
extern const struct fact_column queue_failed_columns[3];
/* Adds up to limit failed keys of every derive; transform: NULL, or only that one. */
MUST_CHECK enum err_code queues_failed(const struct opened *o, const char *transform, int64_t limit,
                                       struct facts *out, struct err *err);

#endif
