/* How it works: each check marks the stages it looks at; what these are made from is marked in rounds
 * until nothing new is. A check explains another when it looks at something that the other's stages
 * are made from: that nothing comes explains everything below, and what is wrong with the content
 * explains what is wrong with the content below, but not that something stands still. Of the same
 * stage only kinds that say that nothing comes at all explain the others. */
#include "watch/roots.h"

#include <stdio.h>
#include <string.h>

static size_t of_source(const struct roots *r, const struct flow_source *s) {
    return (size_t)(s - r->flow->sources);
}

static size_t of_transform(const struct roots *r, const struct flow_transform *t) {
    return r->flow->source_count + (size_t)(t - r->flow->transforms);
}

static size_t of_table(const struct roots *r, const struct flow_table *t) {
    return r->flow->source_count + r->flow->transform_count + (size_t)(t - r->flow->tables);
}

void roots_init(struct roots *r, const struct flow *flow) {
    *r = (struct roots){.flow = flow,
                        .stage_count =
                            flow->source_count + flow->transform_count + flow->table_count};
    r->own = mem_alloc_array(flow->check_count * r->stage_count + 1, sizeof(bool));
    r->above = mem_alloc_array(flow->check_count * r->stage_count + 1, sizeof(bool));
    for (size_t i = 0; i < flow->check_count; i++) {
        const struct flow_check *c = &flow->checks[i];
        bool *own = &r->own[i * r->stage_count];
        if (c->source != NULL) {
            own[of_source(r, c->source)] = true;
        }
        if (c->transform != NULL) {
            own[of_transform(r, c->transform)] = true;
        }
        if (c->table != NULL) {
            own[of_table(r, c->table)] = true;
        }
    }
}

void roots_release(struct roots *r) {
    mem_free(r->own);
    mem_free(r->above);
    r->own = NULL;
    r->above = NULL;
}

void roots_add_table(struct roots *r, size_t check, const char *table) {
    const struct flow_table *t = flow_find_table(r->flow, table);
    if (t != NULL) {
        r->own[check * r->stage_count + of_table(r, t)] = true;
    }
}

static bool mark(bool *stages, size_t at) {
    const bool is_new = !stages[at];
    stages[at] = true;
    return is_new;
}

/* One round: the inputs of marked transforms, the writers of marked tables. */
static bool spread(const struct roots *r, bool *stages) {
    bool changed = false;
    for (size_t i = 0; i < r->flow->transform_count; i++) {
        const struct flow_transform *t = &r->flow->transforms[i];
        const size_t self = of_transform(r, t);
        if (stages[of_table(r, t->into)]) {
            changed |= mark(stages, self);
        }
        if (!stages[self]) {
            continue;
        }
        changed |= t->source != NULL && mark(stages, of_source(r, t->source));
        changed |= t->from != NULL && mark(stages, of_table(r, t->from));
        for (size_t k = 0; k < t->on_count; k++) {
            changed |= mark(stages, of_table(r, t->on[k].table));
        }
    }
    return changed;
}

void roots_close(struct roots *r) {
    const size_t all = r->flow->check_count * r->stage_count;
    memcpy(r->above, r->own, all * sizeof(bool));
    for (size_t i = 0; i < r->flow->check_count; i++) {
        while (spread(r, &r->above[i * r->stage_count])) {
        }
    }
}

/* Whether it says that nothing comes, or too late: that explains everything below. */
static bool is_about_flow(enum check_kind kind) {
    switch (kind) {
    case CHECK_HEARTBEAT:
    case CHECK_LATENCY:
    case CHECK_ERRORS:
    case CHECK_ROWS:
    case CHECK_FRESHNESS:
    case CHECK_GAP:
    case CHECK_HTTP_STATUS:
    case CHECK_VOLUME:
        return true;
    case CHECK_REJECTS:
    case CHECK_DUPLICATES:
    case CHECK_NULLS:
    case CHECK_RANGE:
    case CHECK_UNIQUE:
    case CHECK_SCHEMA_CHANGE:
    case CHECK_SQL:
        return false;
    }
    return false;
}

/* Of the same stage, these say that nothing comes at all. */
static bool is_standstill(enum check_kind kind) {
    return kind == CHECK_HEARTBEAT || kind == CHECK_ERRORS || kind == CHECK_HTTP_STATUS;
}

bool roots_explains(const struct roots *r, size_t upper, size_t lower) {
    if (upper == lower) {
        return false;
    }
    const bool *upper_own = &r->own[upper * r->stage_count];
    const bool *lower_own = &r->own[lower * r->stage_count];
    const bool *lower_above = &r->above[lower * r->stage_count];
    bool same = false;
    bool below = false;
    for (size_t i = 0; i < r->stage_count; i++) {
        below |= upper_own[i] && lower_above[i] && !lower_own[i];
        same |= upper_own[i] && lower_own[i];
    }
    const enum check_kind cause = r->flow->checks[upper].kind;
    return (below && (is_about_flow(cause) || !is_about_flow(r->flow->checks[lower].kind))) ||
           (same && is_standstill(cause));
}

size_t roots_depth(const struct roots *r, size_t check) {
    size_t depth = 0;
    for (size_t i = 0; i < r->stage_count; i++) {
        depth += r->above[check * r->stage_count + i];
    }
    return depth;
}

void roots_name(const struct roots *r, size_t check, char out[ROOT_NAME_BYTES]) {
    const struct flow_check *c = &r->flow->checks[check];
    const char *kind = c->source != NULL      ? "source"
                       : c->transform != NULL ? "transform"
                       : c->table != NULL     ? "table"
                                              : "check";
    const char *name = c->source != NULL      ? c->source->name
                       : c->transform != NULL ? c->transform->name
                       : c->table != NULL     ? c->table->name
                                              : c->name;
    (void)snprintf(out, ROOT_NAME_BYTES, "%s %s", kind, name);
}
