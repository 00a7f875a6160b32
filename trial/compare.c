/* How it works: digests first, which is all that happens when tables are equal; then both tables as
 * sorted text, walked together. */
#include <string.h>

#include "store/digest.h"
#include "trial/prove.h"

struct pair {
    struct flow flow_b;
    struct store *a, *b;
};

static void close_pair(struct pair *p) {
    store_close(p->a);
    store_close(p->b);
}

static const char *shown(const struct column *c, struct str text, struct arena *arena) {
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    cell_show(c, text, &out);
    return arena_strndup(arena, buf_c(&out), out.len);
}

static void describe_row(const struct cell_table *t, const struct cell_row *a,
                         const struct cell_row *b, struct arena *arena, struct difference *out) {
    AUTO_BUF key = BUF_INIT(BUF_TEXT_MAX);
    cells_show_key(t, a != NULL ? a : b, &key);
    out->key = arena_strndup(arena, buf_c(&key), key.len);
    out->in_a = a != NULL;
    out->in_b = b != NULL;
    for (size_t i = 0; i < t->schema->count && out->cell_count < PROVE_CELLS_MAX; i++) {
        const bool both = a != NULL && b != NULL;
        if ((both && str_equal(a->cells[i], b->cells[i])) || (!both && cells_is_key(t, i))) {
            continue;
        }
        const struct column *c = &t->schema->columns[i];
        out->cells[out->cell_count].column = c->name;
        out->cells[out->cell_count].a = a != NULL ? shown(c, a->cells[i], arena) : NULL;
        out->cells[out->cell_count].b = b != NULL ? shown(c, b->cells[i], arena) : NULL;
        out->cell_count++;
    }
}

static void walk(struct cell_table *a, struct cell_table *b, struct arena *arena,
                 struct difference *out) {
    cells_sort(a);
    cells_sort(b);
    struct cell_walk w = {a, b, 0, 0};
    const struct cell_row *left = NULL;
    const struct cell_row *right = NULL;
    while (cells_next(&w, &left, &right)) {
        if (left != NULL && right != NULL && cells_same(a, left, right)) {
            continue;
        }
        if (out->rows++ == 0) {
            describe_row(a, left, right, arena, out);
        }
    }
    out->found = out->rows > 0;
}

static enum err_code compare_table(const struct pair *p, const struct flow_table *table,
                                   struct arena *arena, struct difference *out, struct err *err) {
    char digests[2][DIGEST_TEXT_BYTES];
    enum err_code code = store_table_digest(p->a, table, digests[0], err);
    if (code == ERR_NONE) {
        code = store_table_digest(p->b, table, digests[1], err);
    }
    if (code != ERR_NONE || strcmp(digests[0], digests[1]) == 0) {
        return code;
    }
    AUTO_CELLS a;
    AUTO_CELLS b;
    cells_init(&a, &table->schema, table->key, table->key_count, arena);
    cells_init(&b, &table->schema, table->key, table->key_count, arena);
    code = cells_read(&a, p->a, table, err);
    if (code == ERR_NONE) {
        code = cells_read(&b, p->b, table, err);
    }
    if (code == ERR_NONE) {
        out->table = table->name;
        walk(&a, &b, arena, out);
    }
    return code;
}

static const struct column reject_columns[] = {{"source", TYPE_TEXT},
                                               {"partition", TYPE_TEXT},
                                               {"record", TYPE_INT64},
                                               {"transform", TYPE_TEXT},
                                               {"reason", TYPE_TEXT}};
static const struct schema reject_schema = {reject_columns, ARRAY_COUNT(reject_columns)};
static const char reject_sql[] =
    "SELECT p.source, p.name, b.first_record + r.pos, r.transform, r.reason FROM _plumb_rejects r "
    "JOIN _plumb_batches b ON b.id = r.batch JOIN _plumb_partitions p ON p.id = b.partition";

static enum err_code compare_rejects(const struct pair *p, const struct flow *flow,
                                     struct arena *arena, struct difference *out, struct err *err) {
    AUTO_CELLS a;
    AUTO_CELLS b;
    cells_init(&a, &reject_schema, NULL, 0, arena);
    cells_init(&b, &reject_schema, NULL, 0, arena);
    enum err_code code = cells_query(&a, p->a, reject_sql, err);
    if (code == ERR_NONE) {
        code = cells_query(&b, p->b, reject_sql, err);
    }
    if (code == ERR_NONE) {
        walk(&a, &b, arena, out);
    }
    if (code == ERR_NONE && out->found) {
        out->table = "_plumb_rejects";
        for (size_t i = 0; i < flow->transform_count && out->transform == NULL; i++) {
            char *name = mem_printf("transform %s,", flow->transforms[i].name);
            out->transform = strstr(out->key, name) != NULL ? &flow->transforms[i] : NULL;
            mem_free(name);
        }
    }
    return code;
}

static enum err_code open_pair(struct pair *p, struct scratch *s, const char *a, const char *b,
                               struct err *err) {
    scratch_use(s, b);
    p->flow_b = s->flow;
    char *store = mem_strdup(s->store);
    p->flow_b.store = store;
    scratch_use(s, a);
    enum err_code code = store_open(&s->flow, STORE_READ, &p->a, err);
    if (code == ERR_NONE) {
        code = store_open(&p->flow_b, STORE_READ, &p->b, err);
    }
    mem_free(store); /* only opening reads it */
    return code;
}

enum err_code compare_stores(struct scratch *s, const char *a, const char *b, bool with_rejects,
                             struct arena *arena, struct difference *out, struct err *err) {
    *out = (struct difference){.found = false};
    CLEANUP(close_pair) struct pair p = {.a = NULL};
    enum err_code code = open_pair(&p, s, a, b, err);
    for (size_t i = 0; code == ERR_NONE && !out->found && i < s->flow.transform_count; i++) {
        code = compare_table(&p, s->flow.transforms[i].into, arena, out, err);
        out->transform = out->found ? &s->flow.transforms[i] : NULL;
    }
    if (code == ERR_NONE && !out->found && with_rejects) {
        code = compare_rejects(&p, &s->flow, arena, out, err);
    }
    return code;
}
