/* How it works: the first key of a check that is the name of a kind decides it; the kind's options
 * are read by their table, limits by the kind's unit, and then what the kind is about is found among
 * sources, transforms and tables, so that a name that is none is a mistake at its place and never a
 * check that is always content. */
#include "flow/checks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "flow/checks_read.h"

static enum err_code find_kind(const struct node *n, enum check_kind *out,
                               const struct node **subject, struct err *err) {
    const char *names[CHECK_KINDS];
    for (size_t i = 0; i < CHECK_KINDS; i++) {
        names[i] = check_kinds[i].name;
    }
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        for (size_t i = 0; i < CHECK_KINDS; i++) {
            if (strcmp(item->key, names[i]) == 0 && *subject == NULL) {
                *subject = item;
                *out = (enum check_kind)i;
            } else if (strcmp(item->key, names[i]) == 0) {
                return node_key_error(item, err,
                                      "check '%s' has '%s' and '%s'; it looks at one thing only",
                                      n->key, (*subject)->key, item->key);
            }
        }
    }
    if (*subject != NULL) {
        return ERR_NONE;
    }
    const struct node *first = n->first != NULL ? n->first : n;
    const char *near = parse_nearest(str_of(first->key), names, CHECK_KINDS);
    if (near != NULL) {
        return node_key_error(first, err, "unknown kind of check '%s'; did you mean '%s'?",
                              first->key, near);
    }
    return node_key_error(n, err,
                          "check '%s' needs its kind, such as {heartbeat: SOURCE, within: 1h}; "
                          "docs/reference/checks.md has all",
                          n->key);
}

/* ---- limits ---- */

static bool parse_limit(enum check_unit unit, struct str text, double *out) {
    int64_t us = 0;
    switch (unit) {
    case UNIT_TIME:
        if (!clock_parse_duration(text, &us)) {
            return false;
        }
        *out = (double)us;
        return true;
    case UNIT_SHARE:
        if (str_ends_with(text, STR("%"))) {
            if (!parse_f64(str_trim((struct str){text.ptr, text.len - 1}), out)) {
                return false;
            }
            *out /= 100;
        } else if (!parse_f64(text, out)) {
            return false;
        }
        return *out >= 0 && *out <= 1;
    case UNIT_SCORE:
        return parse_f64(text, out) && *out >= 0;
    case UNIT_COUNT:
        return parse_f64(text, out);
    }
    return false;
}

static enum err_code read_limit(const struct flow_check *c, const char *key, const char *text,
                                double *out, struct err *err) {
    static const char *const words[] = {[UNIT_SHARE] = "a share from 0% to 100%, such as 1%",
                                        [UNIT_TIME] = "a duration such as 10s or 1h",
                                        [UNIT_COUNT] = "a number",
                                        [UNIT_SCORE] = "a number from 0 on"};
    const enum check_unit unit = check_kinds[c->kind].unit;
    if (text == NULL || parse_limit(unit, str_of(text), out)) {
        return ERR_NONE;
    }
    const struct node *n = node_get(c->node, key);
    char shown[NODE_SHOW_BYTES];
    node_show(n, false, shown, sizeof shown);
    return node_error(n, err, "'%s' must be %s, not '%s'", key, words[unit], shown);
}

/* The one limit, by any of its names. */
static enum err_code read_one_limit(struct flow_check *c, struct err *err) {
    const char *key = c->conf.within != NULL ? "within" : "max";
    const char *text = c->conf.within != NULL ? c->conf.within : c->conf.max;
    const bool has_levels = c->conf.warn != NULL || c->conf.error != NULL;
    if (text != NULL && has_levels) {
        return node_key_error(node_get(c->node, key), err,
                              "'%s' is one limit and 'warn' and 'error' are two; give either", key);
    }
    const bool has_floor = c->kind == CHECK_SQL && c->conf.low != NULL;
    if (text == NULL && !has_levels && !has_floor) {
        text = check_kinds[c->kind].limit;
    }
    const bool has_runtime = c->kind == CHECK_HEARTBEAT && c->conf.max_runtime_us > 0;
    if (text == NULL && !has_levels && !has_floor && !has_runtime) {
        const bool is_time = check_kinds[c->kind].unit == UNIT_TIME;
        return node_key_error(c->node, err, "check '%s' has no limit; give %s, or warn and error",
                              c->name,
                              !is_time                   ? "max: 1%"
                              : c->kind == CHECK_LATENCY ? "max: 10s"
                                                         : "within: 1h");
    }
    return read_limit(c, key, text, c->conf.severity == 0 ? &c->warn : &c->error, err);
}

static enum err_code check_order(const struct flow_check *c, double lowest, struct err *err) {
    if (!isnan(c->warn) && !isnan(c->error) && c->warn > c->error) {
        return node_error(node_get(c->node, "warn"), err,
                          "'warn' is above 'error': it would never be a warning");
    }
    if (c->conf.resolve_at != NULL && c->clear > lowest) {
        return node_error(node_get(c->node, "resolve_at"), err,
                          "'resolve_at' is above the lowest limit: the alert would end while it is "
                          "passed");
    }
    return ERR_NONE;
}

static enum err_code read_limits(struct flow_check *c, struct err *err) {
    c->warn = (double)NAN;
    c->error = (double)NAN;
    c->floor = (double)NAN;
    enum err_code code = read_limit(c, "warn", c->conf.warn, &c->warn, err);
    if (code == ERR_NONE) {
        code = read_limit(c, "error", c->conf.error, &c->error, err);
    }
    if (code == ERR_NONE && c->kind == CHECK_SQL) {
        code = read_limit(c, "min", c->conf.low, &c->floor, err);
    }
    if (code == ERR_NONE) {
        code = read_one_limit(c, err);
    }
    const double lowest = !isnan(c->warn) ? c->warn : c->error;
    c->clear = lowest;
    if (code == ERR_NONE) {
        code = read_limit(c, "resolve_at", c->conf.resolve_at, &c->clear, err);
    }
    c->severity = !isnan(c->error)  ? LEVEL_ERROR
                  : !isnan(c->warn) ? LEVEL_WARN
                                    : (enum check_level)(c->conf.severity + 1);
    return code == ERR_NONE ? check_order(c, lowest, err) : code;
}

/* ---- one check ---- */

static const char *const *handled(struct loader *l, const char *key) {
    const char **names = arena_new(l->arena, 2 * sizeof *names);
    names[0] = key;
    return names;
}

/* What is measured: another one begins anew. */
static struct hash128 definition_of_check(const struct flow_check *c) {
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&b, "%d\n%s\n%s\n%d %d %d %d %d\n", (int)c->kind, c->subject,
             c->sql != NULL ? c->sql : "", (int)c->conf.stage, (int)c->conf.answers,
             (int)c->conf.direction, (int)c->conf.counts, (int)c->conf.percentile);
    for (size_t i = 0; i < c->column_count; i++) {
        buf_addf(&b, "%s\n", c->table->schema.columns[c->columns[i]].name);
    }
    buf_addf(&b, "%s %s\n", c->low_sql != NULL ? c->low_sql : "",
             c->high_sql != NULL ? c->high_sql : "");
    return hash128_of(b.data, b.len);
}

static enum err_code read_check(struct loader *l, const struct node *n, struct flow_check *c,
                                struct err *err) {
    enum err_code code = read_name(n, "check", true, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (n->kind != NODE_MAP) {
        return node_error(n, err,
                          "a check is a map such as {heartbeat: SOURCE, within: 1h}, not %s",
                          node_kind_name(n));
    }
    *c = (struct flow_check){.name = n->key, .node = n, .subject = ""};
    const struct node *subject = NULL;
    code = find_kind(n, &c->kind, &subject, err);
    if (code != ERR_NONE) {
        return code;
    }
    const struct check_kind_facts *facts = &check_kinds[c->kind];
    code = options_parse(facts->options, facts->option_count, n, handled(l, facts->name), l->arena,
                         &c->conf, err);
    if (code == ERR_NONE) {
        code = read_limits(c, err);
    }
    if (code == ERR_NONE) {
        code = check_find_subject(l, c, subject, err);
    }
    c->definition = code == ERR_NONE ? definition_of_check(c) : c->definition;
    return code;
}

static enum err_code read_every(struct loader *l, const struct node *n, struct err *err) {
    int64_t us = 0;
    if (!clock_parse_duration(n->text, &us) || us < CHECKS_EVERY_US_MIN ||
        us > CHECKS_EVERY_US_MAX) {
        return node_error(n, err, "'every' must be a duration from 1s to 1h, such as 10s");
    }
    l->flow->checks_every_us = us;
    return ERR_NONE;
}

enum err_code checks_load(struct loader *l, const struct node *section, struct err *err) {
    struct flow_check *checks = arena_new(l->arena, (section->count + 1) * sizeof *checks);
    size_t count = 0;
    enum err_code code = ERR_NONE;
    for (const struct node *n = section->first; code == ERR_NONE && n != NULL; n = n->next) {
        if (strcmp(n->key, "every") == 0 && n->kind == NODE_SCALAR) {
            code = read_every(l, n, err);
        } else {
            code = read_check(l, n, &checks[count++], err);
        }
    }
    l->flow->checks = checks;
    l->flow->check_count = count;
    return code;
}

const struct flow_check *flow_find_check(const struct flow *f, const char *name) {
    for (size_t i = 0; i < f->check_count; i++) {
        if (strcmp(f->checks[i].name, name) == 0) {
            return &f->checks[i];
        }
    }
    return NULL;
}
