/* A flow's documentation, made from the flow itself: graph, sources, tables, transforms, and in
 * words what its keys, orders and rejects mean.
 *
 * Comments of the flow file that stand behind a key or above it describe what the key names. Values
 * that came from the environment are never shown. The same flow gives the same bytes. */
#ifndef PLUMB_CLI_DOCS_FLOW_H
#define PLUMB_CLI_DOCS_FLOW_H

#include "cli/page.h"
#include "flow/flow.h"

/* The whole of both documents. */
MUST_CHECK enum err_code docs_flow(const struct flow *flow, struct buf *md, struct buf *html,
                                   struct err *err);

/* ---- docs_flow.c, for docs_parts.c ---- */
struct docs {
    const struct flow *flow;
    struct page page;
    struct buf text; /* of the flow file: for its comments */
};
/* The comment at the node's key; nothing when there is none. True when there was one. */
bool docs_comment(struct docs *d, const struct node *n);
/* True when the node or what is in it has a value from the environment. */
bool docs_is_private(const struct node *n);

/* ---- docs_parts.c ---- */
void docs_source(struct docs *d, const struct flow_source *s);
void docs_table(struct docs *d, const struct flow_table *t);
void docs_transform(struct docs *d, const struct flow_transform *t);

/* ---- docs_checks.c: nothing where the flow has none ---- */
void docs_checks(struct docs *d);
void docs_alerts(struct docs *d);

#endif
