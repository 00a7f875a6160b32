/* What a source's records become: rows of one stream, or of one of several.
 *
 * Most sources have one stream without a name. A source whose records differ in kind (events of a
 * chain) has one for each, and a flow names it: `from: chain.Transfer`. Const; lives as long as the
 * flow. */
#ifndef PLUMB_ROWS_STREAM_H
#define PLUMB_ROWS_STREAM_H

#include "rows/schema.h"

#define STREAMS_MAX 64 /* of one source */

struct stream {
    const char *name; /* "" for the only one */
    struct schema schema;
    /* Columns that name a record for ever, as indexes into schema: what the rows made from it are
     * found by when the source takes it back. Empty for sources that never do. */
    const size_t *identity;
    size_t identity_count;
};

#endif
