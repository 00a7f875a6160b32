/* Which checks stand below which: over the flow's graph of sources, transforms and tables. */
#ifndef PLUMB_WATCH_ROOTS_H
#define PLUMB_WATCH_ROOTS_H

#include "watch/watch.h"

/* Stages are numbered: sources, then transforms, then tables. */
struct roots {
    const struct flow *flow;
    size_t stage_count;
    bool *own;   /* [check][stage]: what the check looks at */
    bool *above; /* [check][stage]: that, and all it is made from */
};
void roots_init(struct roots *r, const struct flow *flow);
void roots_release(struct roots *r);
/* A SELECT of a sql check reads this table. */
void roots_add_table(struct roots *r, size_t check, const char *table);
/* After all were added. */
void roots_close(struct roots *r);
/* What an alert of check `upper` says explains one of `lower`. */
bool roots_explains(const struct roots *r, size_t upper, size_t lower);
/* How far up it stands: 0 for sources. For an order in which causes come first. */
size_t roots_depth(const struct roots *r, size_t check);
/* "source orders", "transform vips", "table people", or "check NAME". */
#define ROOT_NAME_BYTES 96
void roots_name(const struct roots *r, size_t check, char out[ROOT_NAME_BYTES]);

#endif
