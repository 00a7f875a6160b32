/* How it works: waypoints make every arrow a chain between neighbouring layers. Within a layer
 * nodes are ordered by the middle of their neighbours, sweeping right and left; of all orders seen
 * the one with the fewest crossings stays. Heights are found likewise: each node wants to stand
 * where its neighbours are on average, and what is pushed apart is pushed both ways evenly. */
#include "cli/graph.h"

#include <stdlib.h>
#include <string.h>

#include "transform/lineage.h"

#define NODE_HEIGHT     46
#define WAYPOINT_HEIGHT 10
#define NODE_GAP        16
#define LAYER_GAP       54
#define MARGIN          12
#define CHARACTER_WIDTH 8
#define NODE_WIDTH_MIN  96
#define ORDER_SWEEPS    16
#define PLACE_SWEEPS    24
#define CROSSINGS_MAX   4000 /* arrows between two layers above which crossings are not counted */

static int add_node(struct graph *g, struct graph_node node) {
    if (g->node_count == g->node_capacity) {
        g->node_capacity = g->node_capacity > 0 ? g->node_capacity * 2 : 64;
        g->nodes = mem_realloc(g->nodes, (size_t)g->node_capacity * sizeof *g->nodes);
    }
    g->nodes[g->node_count] = node;
    return g->node_count++;
}

static void add_arrow(struct graph *g, int from, int to) {
    if (g->arrow_count == g->arrow_capacity) {
        g->arrow_capacity = g->arrow_capacity > 0 ? g->arrow_capacity * 2 : 64;
        g->arrows = mem_realloc(g->arrows, (size_t)g->arrow_capacity * sizeof *g->arrows);
    }
    g->arrows[g->arrow_count++] = (struct graph_arrow){.from = from, .to = to};
}

static void add_way(struct graph *g, int node) {
    if (g->way_count == g->way_capacity) {
        g->way_capacity = g->way_capacity > 0 ? g->way_capacity * 2 : 128;
        g->ways = mem_realloc(g->ways, g->way_capacity * sizeof *g->ways);
    }
    g->ways[g->way_count++] = node;
}

void graph_release(struct graph *g) {
    mem_free(g->nodes);
    mem_free(g->arrows);
    mem_free(g->ways);
}

bool graph_reads(const struct flow_transform *t, const struct flow_table *table) {
    if (!table->is_reference) {
        return false;
    }
    bool reads = lineage_names(t->sql, table->name);
    for (size_t i = 0; i < t->on_count; i++) {
        reads = reads || t->on[i].table == table ||
                (t->on[i].sql != NULL && lineage_names(t->on[i].sql, table->name));
    }
    return reads;
}

/* ---- nodes and arrows; the order of nodes: sources, tables, transforms ---- */

static void link_transform(struct graph *g, const struct flow *flow, size_t index) {
    const struct flow_transform *t = &flow->transforms[index];
    const int tables = (int)flow->source_count;
    const int self = tables + (int)flow->table_count + (int)index;
    if (t->source != NULL) {
        add_arrow(g, (int)(t->source - flow->sources), self);
    }
    if (t->from != NULL) {
        add_arrow(g, tables + (int)(t->from - flow->tables), self);
    }
    for (size_t i = 0; i < t->on_count; i++) {
        if (!t->on[i].table->is_reference) {
            add_arrow(g, tables + (int)(t->on[i].table - flow->tables), self);
        }
    }
    for (size_t i = 0; i < flow->table_count; i++) {
        if (graph_reads(t, &flow->tables[i])) {
            add_arrow(g, tables + (int)i, self);
        }
    }
    add_arrow(g, self, tables + (int)(t->into - flow->tables));
}

void graph_of(const struct flow *flow, struct graph *g) {
    static const enum graph_kind kinds[] = {[TRANSFORM_MAP] = GRAPH_MAP,
                                            [TRANSFORM_SUM] = GRAPH_SUM,
                                            [TRANSFORM_DERIVE] = GRAPH_DERIVE};
    static const char *const details[] = {
        [TRANSFORM_MAP] = "map", [TRANSFORM_SUM] = "sum", [TRANSFORM_DERIVE] = "derive"};
    *g = (struct graph){0};
    for (size_t i = 0; i < flow->source_count; i++) {
        (void)add_node(g, (struct graph_node){.kind = GRAPH_SOURCE,
                                              .name = flow->sources[i].name,
                                              .detail = flow->sources[i].component->name});
    }
    for (size_t i = 0; i < flow->table_count; i++) {
        const bool reference = flow->tables[i].is_reference;
        (void)add_node(g, (struct graph_node){.kind = reference ? GRAPH_REFERENCE : GRAPH_TABLE,
                                              .name = flow->tables[i].name,
                                              .detail = reference ? "reference" : "table"});
    }
    for (size_t i = 0; i < flow->transform_count; i++) {
        const struct flow_transform *t = &flow->transforms[i];
        (void)add_node(g, (struct graph_node){
                              .kind = kinds[t->kind], .name = t->name, .detail = details[t->kind]});
    }
    for (size_t i = 0; i < flow->transform_count; i++) {
        link_transform(g, flow, i);
    }
}

/* ---- layers ---- */

/* The longest way to each node. Without cycles it is settled after as many rounds as there are
 * layers. */
static void set_layers(struct graph *g) {
    bool moved = true;
    for (int round = 0; moved && round <= g->node_count; round++) {
        moved = false;
        for (int i = 0; i < g->arrow_count; i++) {
            const int least = g->nodes[g->arrows[i].from].layer + 1;
            if (g->nodes[g->arrows[i].to].layer < least) {
                g->nodes[g->arrows[i].to].layer = least;
                moved = true;
            }
        }
    }
    /* A reference table stands right before the first that reads it. */
    for (int n = 0; n < g->node_count; n++) {
        int first = -1;
        for (int i = 0; g->nodes[n].kind == GRAPH_REFERENCE && i < g->arrow_count; i++) {
            const int layer = g->nodes[g->arrows[i].to].layer;
            if (g->arrows[i].from == n && (first < 0 || layer < first)) {
                first = layer;
            }
        }
        g->nodes[n].layer = first > 0 ? first - 1 : g->nodes[n].layer;
    }
    for (int n = 0; n < g->node_count; n++) {
        g->layer_count =
            g->nodes[n].layer + 1 > g->layer_count ? g->nodes[n].layer + 1 : g->layer_count;
    }
}

static void add_waypoints(struct graph *g) {
    int needed = 0;
    for (int i = 0; i < g->arrow_count && needed <= GRAPH_WAYPOINTS_MAX; i++) {
        needed += g->nodes[g->arrows[i].to].layer - g->nodes[g->arrows[i].from].layer - 1;
    }
    for (int i = 0; i < g->arrow_count; i++) {
        struct graph_arrow *a = &g->arrows[i];
        const int low = g->nodes[a->from].layer;
        const int high = g->nodes[a->to].layer;
        a->first = g->way_count;
        add_way(g, a->from);
        for (int layer = low + 1; needed <= GRAPH_WAYPOINTS_MAX && layer < high; layer++) {
            add_way(g, add_node(g, (struct graph_node){.kind = GRAPH_WAYPOINT, .layer = layer}));
        }
        add_way(g, a->to);
        a->count = g->way_count - a->first;
    }
}

/* ---- order within layers ---- */

/* The nodes of each layer: members[starts[l] .. starts[l + 1]). */
struct layers {
    int *starts, *members;
    int *best; /* members in the order with the fewest crossings */
    int64_t *wish;
};

static void layers_fill(const struct graph *g, struct layers *l) {
    l->starts = mem_alloc_array((size_t)g->layer_count + 1, sizeof(int));
    l->members = mem_alloc_array((size_t)g->node_count + 1, sizeof(int));
    l->best = mem_alloc_array((size_t)g->node_count + 1, sizeof(int));
    l->wish = mem_alloc_array((size_t)g->node_count + 1, sizeof(int64_t));
    int at = 0;
    for (int layer = 0; layer < g->layer_count; layer++) {
        l->starts[layer] = at;
        for (int n = 0; n < g->node_count; n++) {
            if (g->nodes[n].layer == layer) {
                g->nodes[n].order = at - l->starts[layer];
                l->members[at++] = n;
            }
        }
    }
    l->starts[g->layer_count] = at;
    memcpy(l->best, l->members, (size_t)at * sizeof(int));
}

static void layers_release(struct layers *l) {
    mem_free(l->starts);
    mem_free(l->members);
    mem_free(l->best);
    mem_free(l->wish);
}

/* Wishes of a layer's nodes: the middle of `value` of their neighbours on one side; without
 * neighbours, their own. */
static void wish_for(const struct graph *g, struct layers *l, int layer, bool from_left,
                     bool by_order) {
    int64_t *sum = mem_alloc_array((size_t)g->node_count + 1, sizeof(int64_t));
    int64_t *count = mem_alloc_array((size_t)g->node_count + 1, sizeof(int64_t));
    for (int i = 0; i < g->arrow_count; i++) {
        const struct graph_arrow *a = &g->arrows[i];
        for (size_t k = 0; k + 1 < a->count; k++) {
            const int left = g->ways[a->first + k];
            const int right = g->ways[a->first + k + 1];
            const int node = from_left ? right : left;
            const struct graph_node *other = &g->nodes[from_left ? left : right];
            if (g->nodes[node].layer == layer) {
                sum[node] += by_order ? other->order * INT64_C(1000) : other->y;
                count[node]++;
            }
        }
    }
    for (int k = l->starts[layer]; k < l->starts[layer + 1]; k++) {
        const int n = l->members[k];
        const int64_t own = by_order ? g->nodes[n].order * INT64_C(1000) : g->nodes[n].y;
        l->wish[n] = count[n] > 0 ? sum[n] / count[n] : own;
    }
    mem_free(sum);
    mem_free(count);
}

/* Few nodes, nearly in order already: insertion keeps equal ones as they are. */
static void sort_layer(struct graph *g, struct layers *l, int layer) {
    const int start = l->starts[layer];
    for (int i = start + 1; i < l->starts[layer + 1]; i++) {
        const int n = l->members[i];
        int at = i;
        while (at > start && l->wish[l->members[at - 1]] > l->wish[n]) {
            l->members[at] = l->members[at - 1];
            at--;
        }
        l->members[at] = n;
    }
    for (int i = start; i < l->starts[layer + 1]; i++) {
        g->nodes[l->members[i]].order = i - start;
    }
}

/* Pairs of pieces between the same layers that cross; -1: too many to count. */
static int64_t crossings(const struct graph *g) {
    int64_t count = 0;
    if (g->way_count > CROSSINGS_MAX) {
        return -1;
    }
    for (size_t i = 0; i + 1 < g->way_count; i++) {
        for (size_t k = i + 1; k + 1 < g->way_count; k++) {
            const struct graph_node *a = &g->nodes[g->ways[i]];
            const struct graph_node *b = &g->nodes[g->ways[i + 1]];
            const struct graph_node *c = &g->nodes[g->ways[k]];
            const struct graph_node *d = &g->nodes[g->ways[k + 1]];
            if (a->layer == c->layer && b->layer == d->layer && b->layer == a->layer + 1) {
                count += (a->order < c->order && b->order > d->order) ||
                         (a->order > c->order && b->order < d->order);
            }
        }
    }
    return count;
}

static void set_orders(struct graph *g, struct layers *l) {
    int64_t fewest = crossings(g);
    for (int sweep = 0; sweep < ORDER_SWEEPS && fewest != 0; sweep++) {
        const bool right = sweep % 2 == 0;
        for (int i = 1; i < g->layer_count; i++) {
            const int layer = right ? i : g->layer_count - 1 - i;
            wish_for(g, l, layer, right, true);
            sort_layer(g, l, layer);
        }
        const int64_t now = crossings(g);
        if (now < fewest || fewest < 0) {
            fewest = now;
            memcpy(l->best, l->members, (size_t)l->starts[g->layer_count] * sizeof(int));
        }
    }
    memcpy(l->members, l->best, (size_t)l->starts[g->layer_count] * sizeof(int));
    for (int layer = 0; layer < g->layer_count; layer++) {
        for (int i = l->starts[layer]; i < l->starts[layer + 1]; i++) {
            g->nodes[l->members[i]].order = i - l->starts[layer];
        }
    }
}

/* ---- places ---- */

static int apart(const struct graph_node *a, const struct graph_node *b) {
    return (a->height + b->height) / 2 + NODE_GAP;
}

/* Everybody as near to the wish as order and distance allow: once pushed down, once pushed up, and
 * the middle of both keeps the distances. */
static void place_layer(struct graph *g, struct layers *l, int layer) {
    const int start = l->starts[layer];
    const int end = l->starts[layer + 1];
    int64_t *down = mem_alloc_array((size_t)(end - start) + 1, sizeof(int64_t));
    for (int i = start; i < end; i++) {
        const struct graph_node *n = &g->nodes[l->members[i]];
        const int64_t wish = l->wish[l->members[i]];
        const int64_t least =
            i > start ? down[i - 1 - start] + apart(&g->nodes[l->members[i - 1]], n) : wish;
        down[i - start] = wish > least ? wish : least;
    }
    int64_t up = 0;
    for (int i = end - 1; i >= start; i--) {
        struct graph_node *n = &g->nodes[l->members[i]];
        const int64_t wish = l->wish[l->members[i]];
        const int64_t most = i + 1 < end ? up - apart(n, &g->nodes[l->members[i + 1]]) : wish;
        up = wish < most ? wish : most;
        n->y = (int)((down[i - start] + up) / 2);
    }
    mem_free(down);
}

static int label_width(const char *text) {
    const size_t length = text != NULL ? strlen(text) : 0;
    return (int)(length < GRAPH_LABEL_MAX ? length : GRAPH_LABEL_MAX) * CHARACTER_WIDTH + 34;
}

static void set_columns(struct graph *g) {
    int x = MARGIN;
    for (int layer = 0; layer < g->layer_count; layer++) {
        int width = 0;
        for (int n = 0; n < g->node_count; n++) {
            const struct graph_node *node = &g->nodes[n];
            const int wanted = node->kind == GRAPH_WAYPOINT ? 0 : label_width(node->name);
            width = node->layer == layer && wanted > width ? wanted : width;
        }
        width = width < NODE_WIDTH_MIN ? NODE_WIDTH_MIN : width;
        for (int n = 0; n < g->node_count; n++) {
            if (g->nodes[n].layer == layer) {
                g->nodes[n].x = x;
                g->nodes[n].width = width;
                g->nodes[n].height =
                    g->nodes[n].kind == GRAPH_WAYPOINT ? WAYPOINT_HEIGHT : NODE_HEIGHT;
            }
        }
        x += width + LAYER_GAP;
    }
    g->width = x - LAYER_GAP + MARGIN;
}

static void set_places(struct graph *g, struct layers *l) {
    set_columns(g);
    for (int n = 0; n < g->node_count; n++) {
        g->nodes[n].y = g->nodes[n].order * (NODE_HEIGHT + NODE_GAP);
    }
    for (int sweep = 0; sweep < PLACE_SWEEPS; sweep++) {
        const bool right = sweep % 2 == 0;
        for (int i = 0; i < g->layer_count; i++) {
            const int layer = right ? i : g->layer_count - 1 - i;
            wish_for(g, l, layer, right, false);
            place_layer(g, l, layer);
        }
    }
    int top = 0;
    int bottom = 0;
    for (int n = 0; n < g->node_count; n++) {
        const int half = g->nodes[n].height / 2;
        top = n == 0 || g->nodes[n].y - half < top ? g->nodes[n].y - half : top;
        bottom = n == 0 || g->nodes[n].y + half > bottom ? g->nodes[n].y + half : bottom;
    }
    for (int n = 0; n < g->node_count; n++) {
        g->nodes[n].y += MARGIN - top;
    }
    g->height = bottom - top + 2 * MARGIN;
}

void graph_layout(struct graph *g) {
    struct layers l = {0};
    set_layers(g);
    add_waypoints(g);
    layers_fill(g, &l);
    set_orders(g, &l);
    set_places(g, &l);
    layers_release(&l);
}
