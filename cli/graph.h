/* The flow as a picture: sources, transforms and tables in layers from left to right.
 *
 * graph_of makes nodes and arrows; graph_layout gives them places; graph_svg and graph_mermaid
 * write them. A flow has no cycle, so a node's layer is the longest way to it. Arrows that pass
 * layers have a waypoint in each, unless there would be more than GRAPH_WAYPOINTS_MAX of them;
 * then they go straight. */
#ifndef PLUMB_CLI_GRAPH_H
#define PLUMB_CLI_GRAPH_H

#include "flow/flow.h"

#define GRAPH_WAYPOINTS_MAX 20000
#define GRAPH_LABEL_MAX     26 /* characters of a name; the rest is in its tooltip */

enum graph_kind {
    GRAPH_SOURCE,
    GRAPH_MAP,
    GRAPH_SUM,
    GRAPH_DERIVE,
    GRAPH_TABLE,
    GRAPH_REFERENCE,
    GRAPH_WAYPOINT
};

struct graph_node {
    enum graph_kind kind;
    const char *name;   /* borrowed from the flow */
    const char *detail; /* second line; borrowed or static */
    int layer, order;
    int x, y, width, height; /* y: its middle */
};

struct graph_arrow {
    int from, to;
    size_t first, count; /* nodes it passes, ends included, in graph.ways */
};

struct graph {
    struct graph_node *nodes;
    int node_count, node_capacity;
    struct graph_arrow *arrows;
    int arrow_count, arrow_capacity;
    int *ways;
    size_t way_count, way_capacity;
    int layer_count;
    int width, height;
};

void graph_of(const struct flow *flow, struct graph *g);
void graph_release(struct graph *g); /* for CLEANUP */
void graph_layout(struct graph *g);
void graph_svg(const struct graph *g, struct buf *out);
void graph_mermaid(const struct graph *g, struct buf *out);
/* "source-orders", "table-orders", "transform-orders": what a node is called in the page. */
void graph_anchor(const struct graph_node *n, struct buf *out);
/* Whether a transform reads a reference table. */
bool graph_reads(const struct flow_transform *t, const struct flow_table *table);
/* Text with what HTML and SVG would take as markup escaped; also between double quotes. */
void html_escape(struct buf *out, struct str text);

#endif
