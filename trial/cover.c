/* How it works: each transform gets SQL that counts which way it goes, and all of them are checked
 * together, as for a run. Should that not pass, each is tried alone: with its WHERE, without, or it
 * stays as it is and its ways are not known. */
#include "transform/transform.h"
#include "trial/cases_internal.h"

enum level { LEVEL_NONE, LEVEL_CASES, LEVEL_ALL };

static void add_ways(struct cover *c, const struct case_way *of, const struct branches *found) {
    for (size_t i = 0; i < found->count; i++) {
        c->ways = mem_realloc(c->ways, (c->count + 1) * sizeof(*c->ways));
        c->ways[c->count] = *of;
        c->ways[c->count++].branch = found->items[i];
    }
}

static void mark_transform(struct cover *c, const struct flow *flow, size_t index,
                           struct arena *arena) {
    const struct flow_transform *t = &flow->transforms[index];
    struct flow_transform *marked = &c->marked[index];
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    CLEANUP(branches_release) struct branches found = {.items = NULL};
    if (!branches_mark(t->sql, c->levels[index] == LEVEL_ALL, c->count, &sql, &found)) {
        c->levels[index] = LEVEL_NONE;
        return;
    }
    marked->sql = arena_strdup(arena, buf_c(&sql));
    add_ways(c, &(struct case_way){.transform = index, .node = t->sql_node, .sql = t->sql}, &found);
    if (t->delete_when != NULL && c->levels[index] == LEVEL_ALL) {
        found.count = 0;
        buf_clear(&sql);
        branches_mark_condition(t->delete_when, c->count, &sql, &found);
        marked->delete_when = arena_strdup(arena, buf_c(&sql));
        add_ways(c,
                 &(struct case_way){
                     .transform = index, .node = t->delete_when_node, .sql = t->delete_when},
                 &found);
    }
}

/* Makes everything anew as the levels say. */
static void mark(struct cover *c, const struct flow *flow, struct arena *arena) {
    c->count = 0;
    for (size_t i = 0; i < flow->transform_count; i++) {
        c->marked[i] = flow->transforms[i];
        if (c->levels[i] != LEVEL_NONE) {
            mark_transform(c, flow, i, arena);
        }
    }
    mem_free(c->counts);
    c->counts = mem_alloc_array(c->count + 1, sizeof(*c->counts));
}

static bool passes(const struct cover *c, const struct flow *flow, struct err *err) {
    struct flow counting = *flow;
    struct store *store = NULL;
    struct plan *plan = NULL;
    counting.transforms = c->marked;
    counting.ways = c->counts;
    counting.way_count = c->count;
    enum err_code code = store_open(&counting, STORE_SCRATCH, &store, err);
    if (code == ERR_NONE) {
        code = plan_open(store, &counting, &plan, err);
    }
    plan_close(plan);
    store_close(store);
    return code == ERR_NONE;
}

static void set_levels(struct cover *c, const struct flow *flow, int level) {
    for (size_t i = 0; i < flow->transform_count; i++) {
        c->levels[i] = level;
    }
}

/* The most of each that passes when it alone counts. */
static void try_each(struct cover *c, const struct flow *flow, struct arena *arena) {
    int *best = mem_alloc_array(flow->transform_count + 1, sizeof(*best));
    for (size_t i = 0; i < flow->transform_count; i++) {
        for (int level = LEVEL_ALL; level > LEVEL_NONE && best[i] == LEVEL_NONE; level--) {
            struct err refused = ERR_INIT;
            set_levels(c, flow, LEVEL_NONE);
            c->levels[i] = level;
            mark(c, flow, arena);
            best[i] = passes(c, flow, &refused) ? c->levels[i] : LEVEL_NONE;
        }
    }
    for (size_t i = 0; i < flow->transform_count; i++) {
        c->levels[i] = best[i];
    }
    mem_free(best);
    mark(c, flow, arena);
}

void cover_open(struct cover *c, const struct flow *flow, struct arena *arena) {
    *c = (struct cover){.count = 0};
    c->marked = mem_alloc_array(flow->transform_count + 1, sizeof(*c->marked));
    c->levels = mem_alloc_array(flow->transform_count + 1, sizeof(*c->levels));
    struct err refused = ERR_INIT;
    set_levels(c, flow, LEVEL_NONE);
    mark(c, flow, arena);
    if (!passes(c, flow, &refused)) { /* the flow itself is wrong: its tests will say so */
        return;
    }
    set_levels(c, flow, LEVEL_ALL);
    mark(c, flow, arena);
    if (!passes(c, flow, &refused)) {
        try_each(c, flow, arena);
    }
}

void cover_close(struct cover *c) {
    mem_free(c->marked);
    mem_free(c->levels);
    mem_free(c->ways);
    mem_free(c->counts);
    *c = (struct cover){.count = 0};
}

void case_run_count(struct case_run *r) {
    for (size_t i = 0; i < r->cover.count; i++) {
        r->cover.ways[i].reached = r->cover.counts[i];
    }
}

bool case_run_counts(const struct case_run *r, size_t transform) {
    return r->cover.levels[transform] != LEVEL_NONE;
}
