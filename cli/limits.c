/* How it works: the same count that the engine stops by (store/limits.c), asked of the store as it
 * is, so that it is right whether a run is at work or not. */
#include "cli/limits.h"

#include "cli/queues.h"

const struct fact_column limit_columns[LIMIT_COLUMNS] = {
    {"stage", "stage", FACT_TEXT},     {"kind", "kind", FACT_TEXT},
    {"open", "rejects", FACT_COUNT},   {"max", "limit", FACT_COUNT},
    {"of", "of the last", FACT_COUNT}, {"share", NULL, FACT_TEXT},
    {"stopped", "stopped", FACT_FLAG}, {"way", NULL, FACT_TEXT}};
#define COLUMN_STOPPED 6
#define COLUMN_WAY     7

enum err_code limits_count_open(const struct opened *o, const struct flow_source *source,
                                const struct flow_transform *t, int64_t *open, struct err *err) {
    if (t == NULL || t->kind != TRANSFORM_DERIVE) {
        return store_limit_count(o->store, source, t, open, err);
    }
    struct queue_state queue = {0}; /* its queue may not be there yet */
    enum err_code code = queue_state_get(o, t, &queue, err);
    *open = queue.failed < t->rejects.max ? queue.failed : t->rejects.max;
    return code;
}

static enum err_code add(const struct opened *o, const struct flow_source *source,
                         const struct flow_transform *t, struct facts *out, struct err *err) {
    const struct flow_limit *limit = t != NULL ? &t->rejects : &source->rejects;
    if (limit->max == 0) {
        return ERR_NONE;
    }
    const char *name = t != NULL ? t->name : source->name;
    const char *kind = t != NULL ? "transform" : "source";
    int64_t open = 0;
    enum err_code code = limits_count_open(o, source, t, &open, err);
    if (code != ERR_NONE) {
        return code;
    }
    const bool is_derive = t != NULL && t->kind == TRANSFORM_DERIVE;
    const bool stopped = open >= limit->max;
    facts_c(out, name);
    facts_style(out, STYLE_STRONG);
    facts_c(out, is_derive ? "derive" : t != NULL ? "map" : "source");
    facts_number(out, open);
    facts_style(out, stopped ? STYLE_BAD : STYLE_PLAIN);
    facts_number(out, limit->max);
    if (limit->of > 0) {
        facts_number(out, limit->of);
    } else {
        facts_null(out);
    }
    facts_c(out, limit->percent);
    facts_number(out, stopped);
    facts_style(out, stopped ? STYLE_BAD : STYLE_PLAIN);
    char *way = is_derive ? mem_printf("mend it and 'plumb rejects replay %s'", o->flow->path)
                          : mem_printf("mend it and 'plumb rejects replay %s', or 'plumb rejects "
                                       "discard %s --%s %s --because TEXT'",
                                       o->flow->path, o->flow->path, kind, name);
    facts_c(out, stopped ? way : NULL);
    mem_free(way);
    return ERR_NONE;
}

enum err_code limits_collect(const struct opened *o, struct facts *out, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < o->flow->source_count; i++) {
        code = add(o, &o->flow->sources[i], NULL, out, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < o->flow->transform_count; i++) {
        code = add(o, o->flow->transforms[i].source, &o->flow->transforms[i], out, err);
    }
    return code;
}

void limits_show(const struct facts *f, struct output *o) {
    bool any = false;
    for (size_t row = 0; row < facts_rows(f); row++) {
        any = any || f->cells[row * LIMIT_COLUMNS + COLUMN_STOPPED].number != 0;
    }
    if (!any) {
        return;
    }
    output_add(o, "\n");
    output_styled(o, STYLE_STRONG, "Limits of rejects\n");
    facts_show(f, o, FACTS_ROWS_MAX);
    for (size_t row = 0; row < facts_rows(f); row++) {
        const struct fact *cells = &f->cells[row * LIMIT_COLUMNS];
        if (cells[COLUMN_STOPPED].number != 0) {
            output_add(o, "  ");
            output_styled(o, STYLE_STRONG, "%s", cells[0].text);
            output_add(o, " goes on when you ");
            output_data(o, (struct str){cells[COLUMN_WAY].text, cells[COLUMN_WAY].len});
            output_add(o, "\n");
        }
    }
}
