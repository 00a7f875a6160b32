/* Asking a source once more for records it has given before: for a raw batch that is damaged.
 *
 * The source is opened with the cursor that stood before the batch, and with what it had asked to be
 * remembered up to there; what it gives is only looked at, never staged or acknowledged. */
#ifndef PLUMB_ENGINE_ASK_AGAIN_H
#define PLUMB_ENGINE_ASK_AGAIN_H

#include "flow/flow.h"
#include "store/store.h"

#define ASK_AGAIN_US                                                                               \
    ((int64_t)60 * 1000000) /* the longest a source is listened to, for one batch */

struct ask_again {
    const struct flow_source *source;
    const char *directory; /* of the flow */
    int64_t partition;
    const char *partition_name;
    const char *cursor; /* NULL: from the partition's beginning */
    int64_t first_record;
    int64_t count; /* records wanted, at least one */
    int64_t rest;  /* records that are staged from first_record on, count among them */
};

struct asked {
    int64_t given; /* records the source gave from there on; it is not asked beyond `rest` */
    bool is_whole; /* the batch holds `count` of them, and is sealed */
    char *cursor;  /* owned: where the source stood after them; NULL: it did not stop there */
    char why[200]; /* what kept it from giving them; "" when it did */
};

/* Fills and seals b. An error is one of the store's, not of the source. */
MUST_CHECK enum err_code ask_source_again(struct store *s, const struct ask_again *what,
                                          struct batch *b, struct asked *out, struct err *err);

#endif
