/* Limits of rejects: a source or a map that has reached its own stops, and goes on by itself when
 * rejects were mended or discarded.
 *
 * Nothing is written down: whether a limit is reached follows from the rejects in the store. In
 * memory stands, for each limit, a number that the count cannot exceed: the count when it was last
 * asked for plus what was rejected since. Only when that reaches the limit the store is asked.
 *
 * A source that is stopped is not told so. Its packages are parked here, so that its thread finds
 * none free and waits, as it does when the store is slow. A map that is stopped is behind, and catches
 * up from the staged batches. What is built aside, or in a scratch store, knows no limits. */
#include "base/clock.h"
#include "base/log.h"
#include "engine/run_state.h"

static bool applies(const struct run *r, const struct flow_limit *limit) {
    return limit->max > 0 && !r->replays && !r->options.staged;
}

static struct hold *hold_of(const struct run *r, const struct flow_source *source,
                            const struct flow_transform *t) {
    return t != NULL ? &r->stages[t - r->flow->transforms].hold
                     : &r->extractors[source - r->flow->sources].hold;
}

static const struct flow_limit *limit_of(const struct flow_source *source,
                                         const struct flow_transform *t) {
    return t != NULL ? &t->rejects : &source->rejects;
}

static void tell(const struct run *r, const struct flow_source *source,
                 const struct flow_transform *t, bool held) {
    const char *kind = t != NULL ? "stage" : "source";
    const char *name = t != NULL ? t->name : source->name;
    if (r->options.once) { /* the end of such a run tells it */
        return;
    }
    if (held) {
        struct err why = ERR_INIT;
        limits_explain(r->flow, source, t, &why);
        char message[LOG_VALUE_BYTES];
        log_warn("limit", "flow=%s %s=%s held=true error=%s", r->flow->name, kind, name,
                 log_value(str_of(why.message), message));
    } else {
        log_info("limit", "flow=%s %s=%s held=false", r->flow->name, kind, name);
    }
}

/* Asks the store. */
static enum err_code look(struct run *r, const struct flow_source *source,
                          const struct flow_transform *t, struct err *err) {
    struct hold *hold = hold_of(r, source, t);
    enum err_code code = store_limit_count(r->store, source, t, &hold->most, err);
    if (code != ERR_NONE) {
        return code;
    }
    const bool held = hold->most >= limit_of(source, t)->max;
    if (held != hold->held) {
        hold->held = held;
        tell(r, source, t, held);
    }
    return ERR_NONE;
}

void limits_explain(const struct flow *flow, const struct flow_source *source,
                    const struct flow_transform *t, struct err *out) {
    const struct flow_limit *limit = limit_of(source, t);
    if (t != NULL && t->kind == TRANSFORM_DERIVE) {
        err_set(out, ERR_INPUT,
                "transform '%s' has stopped at its limit of %lld keys on which it fails, with its "
                "input kept. Mend it and `plumb rejects replay %s`; then it goes on",
                t->name, (long long)limit->max, flow->path);
        err_where(out, "%s:%d:%d", limit->node->file, limit->node->key_line,
                  limit->node->key_column);
        return;
    }
    AUTO_BUF among = BUF_INIT(BUF_TEXT_MAX);
    if (limit->of > 0) {
        buf_addf(&among, " among the last %lld records", (long long)limit->of);
    }
    err_set(out, ERR_INPUT,
            "%s '%s' has stopped at its limit of %lld open rejects%s%s. Mend it and `plumb rejects "
            "replay %s`, or `plumb rejects discard %s --%s %s --because TEXT`; then it goes on",
            t != NULL ? "transform" : "source", t != NULL ? t->name : source->name,
            (long long)limit->max, buf_c(&among), t != NULL ? ", with its input kept" : "",
            flow->path, flow->path, t != NULL ? "transform" : "source",
            t != NULL ? t->name : source->name);
    err_where(out, "%s:%d:%d", limit->node->file, limit->node->key_line, limit->node->key_column);
}

enum err_code limits_begin(struct run *r, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < r->flow->source_count; i++) {
        if (applies(r, &r->flow->sources[i].rejects)) {
            code = look(r, &r->flow->sources[i], NULL, err);
        }
    }
    for (size_t i = 0; code == ERR_NONE && i < r->flow->transform_count; i++) {
        const struct flow_transform *t = &r->flow->transforms[i];
        if (applies(r, &t->rejects)) {
            code = look(r, t->source, t, err);
        }
    }
    return code;
}

enum err_code limits_count(struct run *r, const struct flow_source *source,
                           const struct flow_transform *t, int64_t rejected, struct err *err) {
    const struct flow_limit *limit = limit_of(source, t);
    struct hold *hold = hold_of(r, source, t);
    if (rejected == 0 || !applies(r, limit)) {
        return ERR_NONE;
    }
    hold->most += rejected;
    return hold->most >= limit->max ? look(r, source, t, err) : ERR_NONE;
}

enum err_code limits_look(struct run *r, struct err *err) {
    const int64_t now = clock_monotonic_us();
    if (now - r->limits_us < LIMITS_LOOK_US) {
        return ERR_NONE;
    }
    r->limits_us = now;
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < r->flow->source_count; i++) {
        if (r->extractors[i].hold.held) {
            code = look(r, &r->flow->sources[i], NULL, err);
        }
    }
    for (size_t i = 0; code == ERR_NONE && i < r->flow->transform_count; i++) {
        const struct flow_transform *t = &r->flow->transforms[i];
        if (r->stages[i].hold.held) {
            code = look(r, t->source, t, err);
        }
    }
    return code;
}

/* ---- packages of sources that have stopped ---- */

static void park(struct extractor *x, struct package *p) {
    p->next = NULL;
    if (x->parked_last != NULL) {
        x->parked_last->next = p;
    } else {
        x->parked_first = p;
    }
    x->parked_last = p;
}

/* The first parked package of a source that goes on. */
static struct package *unpark(struct run *r) {
    for (size_t i = 0; i < r->flow->source_count; i++) {
        struct extractor *x = &r->extractors[i];
        struct package *p = x->parked_first;
        if (p != NULL && !x->hold.held) {
            x->parked_first = p->next;
            x->parked_last = p->next != NULL ? x->parked_last : NULL;
            p->next = NULL;
            return p;
        }
    }
    return NULL;
}

struct package *limits_next_package(struct run *r, int64_t wait_us) {
    for (;;) {
        struct package *p = r->aside;
        r->aside = NULL;
        p = p != NULL ? p : unpark(r);
        p = p != NULL ? p : channel_take(&r->channel, wait_us);
        if (p == NULL) {
            return NULL;
        }
        struct extractor *x = &r->extractors[p->source - r->flow->sources];
        if (!x->hold.held) {
            return p;
        }
        park(x, p);
        wait_us = 0;
    }
}
