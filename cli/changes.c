/* How it works: one pass over tables, transforms and sources each. A transform is changed when the
 * store's hash of its definition is another one, and below when an input of it is changed or below;
 * transforms come in an order in which inputs are first, so one pass is enough. What a rebuild
 * reads and makes is counted for the smallest replay that does it all: of one transform and what is
 * below it, or of everything. */
#include "cli/changes.h"

#include <inttypes.h>
#include <string.h>

#include "transform/transform.h"

const char *const effect_names[EFFECTS] = {"stays", "run", "rebuild", "by_hand", "lost"};

static const struct fact_column columns[] = {
    {"change", "change", FACT_TEXT},    {"kind", "", FACT_TEXT},
    {"name", "name", FACT_TEXT},        {"rows", "rows", FACT_COUNT},
    {"batches", "batches", FACT_COUNT}, {"estimate_us", NULL, FACT_COUNT},
    {"effect", NULL, FACT_TEXT},        {"what", "what happens", FACT_TEXT}};

void changes_init(struct changes *c) {
    *c = (struct changes){.estimate_us = -1};
    facts_init(&c->lines, columns, ARRAY_COUNT(columns));
}

void changes_release(struct changes *c) {
    facts_release(&c->lines);
}

bool changes_refused(const struct changes *c) {
    return c->count[EFFECT_REBUILD] + c->count[EFFECT_HAND] + c->count[EFFECT_LOST] > 0;
}

struct line {
    const char *change, *kind, *name;
    int64_t rows, batches, estimate_us; /* -1: nothing to say */
    enum effect effect;
    const char *what;
};
#define LINE_NOTHING .rows = -1, .batches = -1, .estimate_us = -1

static void number_or_null(struct facts *f, int64_t n) {
    if (n < 0) {
        facts_null(f);
    } else {
        facts_number(f, n);
    }
}

static void add_line(struct changes *c, const struct line *l) {
    static const enum style styles[EFFECTS] = {STYLE_DIM, STYLE_GOOD, STYLE_WARN, STYLE_BAD,
                                               STYLE_BAD};
    facts_c(&c->lines, l->change);
    facts_style(&c->lines, styles[l->effect]);
    facts_c(&c->lines, l->kind);
    facts_c(&c->lines, l->name);
    number_or_null(&c->lines, l->rows);
    number_or_null(&c->lines, l->batches);
    number_or_null(&c->lines, l->estimate_us);
    facts_c(&c->lines, effect_names[l->effect]);
    facts_c(&c->lines, l->what);
    c->count[l->effect]++;
}

/* What is known of a transform of the flow. */
struct state {
    bool known;   /* it has run on this store */
    bool changed; /* by another definition */
    bool below;   /* an input of it is rebuilt */
    bool rebuilt; /* its table must be made again */
    int64_t rows; /* in its table */
};

struct look {
    struct changes *c;
    const struct opened *o;
    struct state *states; /* [flow->transform_count] */
    int64_t rate;         /* rows a map reads in a second; 0: not known */
    bool all;             /* a rebuild is of everything */
};

static const char *const kinds[] = {
    [TRANSFORM_MAP] = "map", [TRANSFORM_SUM] = "sum", [TRANSFORM_DERIVE] = "derive"};

static int64_t time_for(const struct look *l, int64_t rows) {
    return l->rate > 0 ? rows * 1000000 / l->rate : -1;
}

/* First column of a query with one text parameter. */
static enum err_code ask(const struct look *l, const char *sql, const char *parameter, int64_t *out,
                         struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = false;
    enum err_code code = store_prepare(l->o->store, sql, &st, err);
    if (code == ERR_NONE) {
        if (parameter != NULL) {
            store_bind_str(st, 1, str_of(parameter));
        }
        code = store_step(st, &has_row, err);
    }
    *out = code == ERR_NONE && has_row ? store_column_i64(st, 0) : 0;
    store_statement_free(st);
    return code;
}

/* ---- tables ---- */

static bool is_filled(const struct flow *flow, const char *table) {
    for (size_t i = 0; i < flow->transform_count; i++) {
        if (strcmp(flow->transforms[i].into->name, table) == 0) {
            return true;
        }
    }
    return false;
}

/* A transform of the store made its rows, so a replay makes the table anew. */
static enum err_code is_made(const struct look *l, const char *table, bool *made, struct err *err) {
    int64_t count = 0;
    enum err_code code =
        ask(l, "SELECT count(*) FROM _plumb_transforms WHERE into_table = ?1", table, &count, err);
    *made = count > 0;
    return code;
}

static enum err_code look_at_table(struct look *l, const struct flow_table *t, struct err *err) {
    AUTO_BUF differs = BUF_INIT(BUF_TEXT_MAX);
    bool exists = false;
    bool made = false;
    int64_t rows = 0;
    enum err_code code = store_table_compare(l->o->store, t, &exists, &differs, err);
    if (code == ERR_NONE) {
        code = is_made(l, t->name, &made, err);
    }
    if (code == ERR_NONE && exists) {
        code = opened_count(l->o, t->name, "", &rows, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    if (!exists) {
        add_line(l->c, &(struct line){"new", "table", t->name, LINE_NOTHING, EFFECT_RUN,
                                      "is made, empty"});
    } else if (differs.len > 0) {
        const bool rebuilt = made && is_filled(l->o->flow, t->name);
        buf_adds(&differs,
                 rebuilt ? "; the table is made again"
                         : "; no transform fills it: change it yourself with ALTER TABLE, or take "
                           "it out of the flow");
        add_line(l->c, &(struct line){"changed", "table", t->name, rows, -1, -1,
                                      rebuilt ? EFFECT_REBUILD : EFFECT_HAND, buf_c(&differs)});
    }
    for (size_t i = 0; code == ERR_NONE && i < t->index_count; i++) {
        bool there = false;
        code = store_index_exists(l->o->store, t, i, &there, err);
        AUTO_BUF what = BUF_INIT(BUF_TEXT_MAX);
        for (size_t k = 0; k < t->indexes[i].count; k++) {
            buf_addf(&what, "%s%s", k > 0 ? ", " : "is made over ",
                     t->schema.columns[t->indexes[i].columns[k]].name);
        }
        if (code == ERR_NONE && exists && !there) {
            add_line(l->c, &(struct line){"new", "index", t->name, rows, -1, -1, EFFECT_RUN,
                                          buf_c(&what)});
        }
    }
    return code;
}

/* ---- transforms ---- */

static enum err_code look_up(struct look *l, size_t index, struct err *err) {
    const struct flow_transform *t = &l->o->flow->transforms[index];
    struct state *state = &l->states[index];
    struct store_statement *st = NULL;
    uint8_t definition[16];
    hash128_to_bytes(t->definition, definition);
    enum err_code code = store_prepare(
        l->o->store, "SELECT definition FROM _plumb_transforms WHERE name = ?1", &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(t->name));
        code = store_step(st, &state->known, err);
    }
    if (code == ERR_NONE && state->known) {
        state->changed = !str_equal(store_column_str(st, 0),
                                    (struct str){(const char *)definition, sizeof definition});
    }
    store_statement_free(st);
    for (size_t i = 0; i < index; i++) {
        const struct flow_transform *above = &l->o->flow->transforms[i];
        bool reads = t->from == above->into;
        for (size_t k = 0; k < t->on_count; k++) {
            reads = reads || t->on[k].table == above->into;
        }
        state->below =
            state->below ||
            (reads && (l->states[i].below || (l->states[i].known && l->states[i].changed)));
    }
    return code == ERR_NONE ? opened_count(l->o, t->into->name, "", &state->rows, err) : code;
}

/* Rows of the tables a new sum or derive begins with. */
static enum err_code input_rows(const struct look *l, const struct flow_transform *t, int64_t *rows,
                                struct err *err) {
    *rows = 0;
    enum err_code code =
        t->from != NULL ? opened_count(l->o, t->from->name, "", rows, err) : ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < t->on_count; i++) {
        int64_t more = 0;
        code = opened_count(l->o, t->on[i].table->name, "", &more, err);
        *rows += more;
    }
    return code;
}

/* Whether `run` lets a new transform fill a table that has rows. */
static bool may_join(const struct look *l, const struct flow_transform *t) {
    bool shared = false;
    bool ordered = false;
    for (size_t i = 0; i < l->o->flow->transform_count; i++) {
        const struct flow_transform *other = &l->o->flow->transforms[i];
        if (other != t && other->into == t->into) {
            shared = true;
            ordered = ordered || !transform_in_any_order(t, other);
        }
    }
    return shared && !ordered;
}

static enum err_code new_map(struct look *l, const struct flow_transform *t, struct err *err) {
    int64_t batches = 0;
    int64_t gone = 0;
    int64_t rows = 0;
    enum err_code code =
        ask(l,
            "SELECT count(*) FROM _plumb_batches b JOIN _plumb_partitions p ON p.id = b.partition "
            "WHERE p.source = ?1",
            t->source->name, &batches, err);
    if (code == ERR_NONE) {
        code = ask(l,
                   "SELECT count(*) FROM _plumb_batches b JOIN _plumb_partitions p ON p.id = "
                   "b.partition WHERE p.source = ?1 AND NOT EXISTS (SELECT 1 FROM _plumb_frames f "
                   "WHERE f.batch = b.id)",
                   t->source->name, &gone, err);
    }
    if (code == ERR_NONE) {
        code = ask(l,
                   "SELECT coalesce(sum(b.decoded), 0) FROM _plumb_batches b JOIN "
                   "_plumb_partitions p ON p.id = b.partition WHERE p.source = ?1",
                   t->source->name, &rows, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    AUTO_BUF what = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&what, batches > 0 ? "reads what '%s' has staged" : "begins with what '%s' gives",
             t->source->name);
    if (gone > 0) {
        buf_addf(&what, ", but %" PRId64 " of these batches are no longer kept", gone);
    }
    add_line(l->c, &(struct line){"new", "map", t->name, rows, batches, time_for(l, rows),
                                  gone > 0 ? EFFECT_LOST : EFFECT_RUN, buf_c(&what)});
    return ERR_NONE;
}

static enum err_code new_transform(struct look *l, size_t index, struct err *err) {
    const struct flow_transform *t = &l->o->flow->transforms[index];
    bool made = false;
    int64_t rows = 0;
    enum err_code code = is_made(l, t->into->name, &made, err);
    if (code == ERR_NONE && l->states[index].rows > 0 && !may_join(l, t)) {
        AUTO_BUF what = BUF_INIT(BUF_TEXT_MAX);
        buf_addf(&what,
                 made ? "table '%s' has rows of another transform and is made again"
                      : "table '%s' has rows that no transform made: empty it, or name "
                        "another one in `into`",
                 t->into->name);
        add_line(l->c, &(struct line){"new", kinds[t->kind], t->name, l->states[index].rows, -1, -1,
                                      made ? EFFECT_REBUILD : EFFECT_HAND, buf_c(&what)});
        l->states[index].below = true; /* and so are those that read it */
        l->states[index].rebuilt = made;
        return ERR_NONE;
    }
    if (code == ERR_NONE && t->kind == TRANSFORM_MAP) {
        return new_map(l, t, err);
    }
    if (code == ERR_NONE) {
        code = input_rows(l, t, &rows, err);
    }
    if (code == ERR_NONE) {
        add_line(l->c, &(struct line){"new", kinds[t->kind], t->name, rows, -1, -1, EFFECT_RUN,
                                      "begins with the rows its inputs have"});
    }
    return code;
}

static enum err_code look_at_transforms(struct look *l, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < l->o->flow->transform_count; i++) {
        const struct flow_transform *t = &l->o->flow->transforms[i];
        const struct state *state = &l->states[i];
        AUTO_BUF what = BUF_INIT(BUF_TEXT_MAX);
        code = look_up(l, i, err);
        if (code == ERR_NONE && !state->known) {
            code = new_transform(l, i, err);
        } else if (code == ERR_NONE && (state->changed || state->below)) {
            l->states[i].rebuilt = true;
            buf_addf(&what, "table '%s' is made again%s", t->into->name,
                     state->changed ? "" : ", since its input is");
            add_line(l->c,
                     &(struct line){state->changed ? "changed" : "below", kinds[t->kind], t->name,
                                    state->rows, -1, -1, EFFECT_REBUILD, buf_c(&what)});
        }
    }
    return code;
}

/* A transform that is gone: one of the flow may be it under another name. */
static const char *same_definition(const struct look *l, struct str definition) {
    for (size_t i = 0; i < l->o->flow->transform_count; i++) {
        uint8_t ours[16];
        hash128_to_bytes(l->o->flow->transforms[i].definition, ours);
        if (!l->states[i].known &&
            str_equal(definition, (struct str){(const char *)ours, sizeof ours})) {
            return l->o->flow->transforms[i].name;
        }
    }
    return NULL;
}

static enum err_code gone_transform(struct look *l, struct store_statement *st, struct err *err) {
    const char *name = store_column_str(st, 0).ptr;
    const char *table = store_column_str(st, 2).ptr;
    const char *renamed = same_definition(l, store_column_str(st, 3));
    const bool filled = is_filled(l->o->flow, table);
    int64_t rows = 0;
    enum err_code code = opened_count(l->o, table, "", &rows, err);
    if (code != ERR_NONE) {
        return code;
    }
    AUTO_BUF what = BUF_INIT(BUF_TEXT_MAX);
    l->all = l->all || (filled && rows > 0);
    if (renamed != NULL) {
        buf_addf(&what, "looks renamed to '%s'; under its old name nothing would have to be done",
                 renamed);
    } else if (filled && rows > 0) {
        buf_addf(&what, "its rows are among those of table '%s', which others fill", table);
    } else {
        buf_addf(&what, "is forgotten; table '%s' stays, and nobody writes it any more", table);
    }
    add_line(l->c,
             &(struct line){"removed", store_column_str(st, 1).ptr, name, rows, -1, -1,
                            filled && rows > 0 ? EFFECT_REBUILD : EFFECT_STAYS, buf_c(&what)});
    return ERR_NONE;
}

static enum err_code look_for_gone(struct look *l, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(
        l->o->store, "SELECT name, kind, into_table, definition FROM _plumb_transforms ORDER BY 1",
        &st, err);
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row &&
            flow_find_transform(l->o->flow, store_column_str(st, 0).ptr) == NULL) {
            code = gone_transform(l, st, err);
        }
    }
    store_statement_free(st);
    return code;
}

/* ---- sources ---- */

static enum err_code look_at_sources(struct look *l, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < l->o->flow->source_count; i++) {
        const struct flow_source *s = &l->o->flow->sources[i];
        int64_t known = 0;
        code = ask(l, "SELECT count(*) FROM _plumb_partitions WHERE source = ?1", s->name, &known,
                   err);
        if (code == ERR_NONE && known == 0) {
            add_line(l->c,
                     &(struct line){"new", "source", s->name, LINE_NOTHING, EFFECT_RUN,
                                    "nothing of it is staged yet; it is read from its start"});
        }
    }
    struct store_statement *st = NULL;
    if (code == ERR_NONE) {
        code = store_prepare(l->o->store,
                             "SELECT p.source, count(b.id), coalesce(sum(b.records), 0) FROM "
                             "_plumb_partitions p LEFT JOIN _plumb_batches b ON b.partition = p.id "
                             "GROUP BY 1 ORDER BY 1",
                             &st, err);
    }
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row &&
            flow_find_source(l->o->flow, store_column_str(st, 0).ptr) == NULL) {
            add_line(l->c, &(struct line){
                               "removed", "source", store_column_str(st, 0).ptr,
                               store_column_i64(st, 2), store_column_i64(st, 1), -1, EFFECT_STAYS,
                               "what it staged stays; a new name reads everything again"});
        }
    }
    store_statement_free(st);
    return code;
}

/* ---- what a rebuild means ---- */

/* The one transform whose replay takes everything along that must be made again; NULL: replay all.
 * *affected is what its replay makes. */
static enum err_code choose_scope(struct look *l, bool *affected, const char **name,
                                  struct err *err) {
    const struct flow *flow = l->o->flow;
    enum err_code code = ERR_NONE;
    *name = NULL;
    for (size_t i = 0; code == ERR_NONE && i < flow->transform_count && !l->all; i++) {
        bool covers = l->states[i].rebuilt;
        if (!covers) {
            continue;
        }
        code = flow_affected(flow, &flow->transforms[i].name, 1, affected, err);
        for (size_t k = 0; code == ERR_NONE && k < flow->transform_count; k++) {
            covers = covers && (affected[k] || !l->states[k].rebuilt);
        }
        if (code == ERR_NONE && covers) {
            *name = flow->transforms[i].name;
            return ERR_NONE;
        }
    }
    return code == ERR_NONE ? flow_affected(flow, NULL, 0, affected, err) : code;
}

/* Batches of the sources that the rebuild reads again: how many, how many records, and how many of
 * both are gone. */
struct reading {
    int64_t batches, records, decoded, gone, lost;
};

static enum err_code read_source(const struct look *l, const char *source, struct reading *out,
                                 struct err *err) {
    struct store_statement *st = NULL;
    bool has_row = false;
    enum err_code code = store_prepare(
        l->o->store,
        "SELECT count(*), coalesce(sum(b.records), 0), coalesce(sum(b.decoded), 0), "
        "count(*) FILTER (WHERE g), coalesce(sum(CASE WHEN g THEN b.decoded ELSE 0 END), 0) FROM "
        "(SELECT *, NOT EXISTS (SELECT 1 FROM "
        "_plumb_frames f WHERE f.batch = id) AS g FROM _plumb_batches) b JOIN _plumb_partitions p "
        "ON p.id = b.partition WHERE p.source = ?1",
        &st, err);
    if (code == ERR_NONE) {
        store_bind_str(st, 1, str_of(source));
        code = store_step(st, &has_row, err);
    }
    if (code == ERR_NONE && has_row) {
        *out = (struct reading){store_column_i64(st, 0), store_column_i64(st, 1),
                                store_column_i64(st, 2), store_column_i64(st, 3),
                                store_column_i64(st, 4)};
    }
    store_statement_free(st);
    return code;
}

static enum err_code count_sources(struct look *l, const bool *affected, struct reading *all,
                                   struct err *err) {
    const struct flow *flow = l->o->flow;
    enum err_code code = ERR_NONE;
    for (size_t s = 0; code == ERR_NONE && s < flow->source_count; s++) {
        struct reading one = {0};
        int64_t maps = 0;
        for (size_t i = 0; i < flow->transform_count; i++) {
            maps += affected[i] && flow->transforms[i].source == &flow->sources[s];
        }
        if (maps > 0) {
            code = read_source(l, flow->sources[s].name, &one, err);
        }
        all->batches += one.batches;
        all->records += one.records;
        all->decoded += one.decoded * maps;
        all->gone += one.gone;
        all->lost += one.lost;
    }
    return code;
}

static enum err_code count_rebuild(struct look *l, struct err *err) {
    struct changes *c = l->c;
    const struct flow *flow = l->o->flow;
    struct reading all = {0};
    bool *affected = mem_alloc_array(flow->transform_count + 1, sizeof(*affected));
    enum err_code code = choose_scope(l, affected, &c->scope, err);
    if (code == ERR_NONE) {
        code = count_sources(l, affected, &all, err);
    }
    for (size_t i = 0; i < flow->transform_count; i++) {
        c->rows += affected[i] && l->states[i].known ? l->states[i].rows : 0;
    }
    mem_free(affected);
    c->batches = all.batches;
    c->records = all.records;
    c->estimate_us = all.batches > 0 ? time_for(l, all.decoded) : -1;
    if (code == ERR_NONE && all.gone > 0) {
        add_line(c, &(struct line){"lost", "batches", "", all.lost, all.gone, -1, EFFECT_LOST,
                                   "their raw records are no longer kept (staging: keep): a "
                                   "rebuild would lose their rows, and is refused without --lose"});
    }
    return code;
}

enum err_code changes_find(struct changes *c, const struct opened *o, struct err *err) {
    struct look l = {.c = c, .o = o};
    l.states = mem_alloc_array(o->flow->transform_count + 1, sizeof *l.states);
    enum err_code code =
        ask(&l,
            "SELECT CAST(coalesce(sum(rows_in) * 1000000 / nullif(sum(duration_us), "
            "0), 0) AS bigint) FROM _plumb_ledger",
            NULL, &l.rate, err);
    for (size_t i = 0; code == ERR_NONE && i < o->flow->table_count; i++) {
        code = look_at_table(&l, &o->flow->tables[i], err);
    }
    if (code == ERR_NONE) {
        code = look_at_transforms(&l, err);
    }
    if (code == ERR_NONE) {
        code = look_for_gone(&l, err);
    }
    if (code == ERR_NONE) {
        code = look_at_sources(&l, err);
    }
    if (code == ERR_NONE && c->count[EFFECT_REBUILD] > 0) {
        code = count_rebuild(&l, err);
    }
    mem_free(l.states);
    return code;
}
