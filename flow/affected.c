/* How it works: what is affected spreads until a round over all transforms adds nothing. */
#include <string.h>

#include "base/parse.h"
#include "flow/flow.h"

bool flow_writes(const struct flow *f, const struct flow_table *t) {
    for (size_t i = 0; i < f->transform_count; i++) {
        if (f->transforms[i].into == t) {
            return true;
        }
    }
    return false;
}

bool flow_sums_into(const struct flow *f, const struct flow_table *t) {
    for (size_t i = 0; i < f->transform_count; i++) {
        if (f->transforms[i].kind == TRANSFORM_SUM && f->transforms[i].into == t) {
            return true;
        }
    }
    return false;
}

static bool reads(const struct flow_transform *t, const struct flow_table *table) {
    bool found = t->from == table;
    for (size_t i = 0; i < t->on_count; i++) {
        found = found || t->on[i].table == table;
    }
    return found;
}

/* True when something was added. */
static bool spread(const struct flow *f, bool *affected) {
    bool more = false;
    for (size_t i = 0; i < f->transform_count; i++) {
        for (size_t k = 0; affected[i] && k < f->transform_count; k++) {
            const struct flow_table *into = f->transforms[i].into;
            bool follows = f->transforms[k].into == into || reads(&f->transforms[k], into);
            more = more || (follows && !affected[k]);
            affected[k] = affected[k] || follows;
        }
    }
    return more;
}

static enum err_code no_such(const struct flow *f, const char *name, struct err *err) {
    const char **names = mem_alloc_array(f->transform_count + 1, sizeof *names);
    for (size_t i = 0; i < f->transform_count; i++) {
        names[i] = f->transforms[i].name;
    }
    const char *near = parse_nearest(str_of(name), names, f->transform_count);
    const enum err_code code = err_set(err, ERR_CONFIG, "the flow has no transform '%s'%s%s%s",
                                       name, near != NULL ? "; did you mean '" : "",
                                       near != NULL ? near : "", near != NULL ? "'?" : "");
    mem_free(names);
    return code;
}

enum err_code flow_affected(const struct flow *f, const char *const *names, size_t count,
                            bool *affected, struct err *err) {
    for (size_t i = 0; i < f->transform_count; i++) {
        affected[i] = count == 0;
    }
    for (size_t i = 0; i < count; i++) {
        const struct flow_transform *t = flow_find_transform(f, names[i]);
        if (t == NULL) {
            return no_such(f, names[i], err);
        }
        affected[t - f->transforms] = true;
    }
    while (spread(f, affected)) {
    }
    return ERR_NONE;
}
