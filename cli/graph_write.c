/* How it works: an arrow is a chain of curves through its waypoints, level at each of them. Colours
 * are the page's: classes here, rules in docs_html.c. */
#include "cli/graph.h"

#include <string.h>

#define SHRINK_PERCENT 68 /* smaller than that it is scrolled instead: its text stays readable */
#define TIP            7  /* how far before a node an arrow ends */

static const char *const kinds[] = {"source", "map",       "sum",     "derive",
                                    "table",  "reference", "waypoint"};

void html_escape(struct buf *out, struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        const char *as = c == '<'    ? "&lt;"
                         : c == '>'  ? "&gt;"
                         : c == '&'  ? "&amp;"
                         : c == '"'  ? "&quot;"
                         : c == '\'' ? "&#39;"
                                     : NULL;
        if (as != NULL) {
            buf_adds(out, as);
        } else if ((unsigned char)c >= 0x20 || c == '\n' || c == '\t') {
            buf_addc(out, c);
        }
    }
}

void graph_anchor(const struct graph_node *n, struct buf *out) {
    const bool table = n->kind == GRAPH_TABLE || n->kind == GRAPH_REFERENCE;
    buf_addf(out, "%s-", n->kind == GRAPH_SOURCE ? "source" : table ? "table" : "transform");
    html_escape(out, str_of(n->name));
}

static void svg_arrow(const struct graph *g, const struct graph_arrow *a, struct buf *out) {
    const struct graph_node *from = &g->nodes[g->ways[a->first]];
    int x = from->x + from->width;
    int y = from->y;
    buf_addf(out, "<path class=\"arrow\" marker-end=\"url(#tip)\" d=\"M%d %d", x, y);
    for (size_t k = 1; k < a->count; k++) {
        const struct graph_node *to = &g->nodes[g->ways[a->first + k]];
        const bool last = k + 1 == a->count;
        const int next = to->x - (last ? TIP : 0);
        const int middle = (x + next) / 2;
        buf_addf(out, " C%d %d %d %d %d %d", middle, y, middle, to->y, next, to->y);
        x = next;
        y = to->y;
        if (!last) {
            x += to->width;
            buf_addf(out, " L%d %d", x, y);
        }
    }
    buf_adds(out, "\"/>\n");
}

static void svg_node(const struct graph_node *n, struct buf *out) {
    const int left = n->x;
    const int top = n->y - n->height / 2;
    const size_t length = strlen(n->name);
    buf_adds(out, "<a href=\"#");
    graph_anchor(n, out);
    buf_addf(out, "\" class=\"node %s\"><title>", kinds[n->kind]);
    html_escape(out, str_of(n->name));
    buf_addf(out, "</title><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\"/>", left,
             top, n->width, n->height, n->kind == GRAPH_SOURCE ? n->height / 2 : 8);
    buf_addf(out, "<text class=\"name\" x=\"%d\" y=\"%d\">", left + n->width / 2, n->y - 2);
    html_escape(out,
                (struct str){n->name, length > GRAPH_LABEL_MAX ? GRAPH_LABEL_MAX - 1 : length});
    buf_adds(out, length > GRAPH_LABEL_MAX ? "…" : "");
    buf_addf(out, "</text><text class=\"kind\" x=\"%d\" y=\"%d\">", left + n->width / 2, n->y + 14);
    html_escape(out, str_of(n->detail));
    buf_adds(out, "</text></a>\n");
}

void graph_svg(const struct graph *g, struct buf *out) {
    buf_addf(out,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"The flow as a "
             "graph\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
             "style=\"min-width:%dpx\">\n<defs><marker id=\"tip\" "
             "viewBox=\"0 0 8 8\" refX=\"1\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" "
             "orient=\"auto\"><path class=\"tip\" d=\"M0 0L8 4L0 8z\"/></marker></defs>\n",
             g->width, g->height, g->width, g->height, g->width * SHRINK_PERCENT / 100);
    for (int i = 0; i < g->arrow_count; i++) {
        svg_arrow(g, &g->arrows[i], out);
    }
    for (int n = 0; n < g->node_count; n++) {
        if (g->nodes[n].kind != GRAPH_WAYPOINT) {
            svg_node(&g->nodes[n], out);
        }
    }
    buf_adds(out, "</svg>\n");
}

void graph_mermaid(const struct graph *g, struct buf *out) {
    static const char *const shapes[][2] = {{"([\"", "\"])"}, {"[\"", "\"]"},   {"[\"", "\"]"},
                                            {"[\"", "\"]"},   {"[(\"", "\")]"}, {"[(\"", "\")]"}};
    buf_adds(out, "flowchart LR\n");
    for (int n = 0; n < g->node_count; n++) {
        const struct graph_node *node = &g->nodes[n];
        if (node->kind != GRAPH_WAYPOINT) { /* names of a flow hold nothing that is markup */
            buf_addf(
                out, "  n%d%s%s%s", n, shapes[node->kind][0],
                node->kind == GRAPH_MAP || node->kind == GRAPH_SUM || node->kind == GRAPH_DERIVE
                    ? node->detail
                    : "",
                node->kind == GRAPH_MAP || node->kind == GRAPH_SUM || node->kind == GRAPH_DERIVE
                    ? " "
                    : "");
            buf_addf(out, "%s%s\n", node->name, shapes[node->kind][1]);
        }
    }
    for (int i = 0; i < g->arrow_count; i++) {
        buf_addf(out, "  n%d --> n%d\n", g->arrows[i].from, g->arrows[i].to);
    }
}
