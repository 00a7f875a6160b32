/* What a test expects, held against what came: rows by their key or, without one, by likeness; and
 * rejects in groups. */
#include <string.h>

#include "trial/cases_internal.h"

/* ---- what failed ---- */

struct failure *case_fail(struct running *x, int line, const char *what) {
    static struct failure more; /* beyond FAILURES_MAX: counted nowhere, told by nobody */
    struct case_result *r = x->result;
    if (r->failure_count == FAILURES_MAX) {
        return &more;
    }
    r->failures = mem_realloc(r->failures, (r->failure_count + 1) * sizeof *r->failures);
    struct failure *f = &r->failures[r->failure_count++];
    *f = (struct failure){.line = line, .what = what};
    return f;
}

static const char *shown(const struct running *x, const struct column *c, struct str cell) {
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    cell_show(c, cell, &out);
    return arena_strndup(x->arena, buf_c(&out), out.len);
}

void case_add_cell(struct failure *f, const char *column, const char *expected, const char *got) {
    if (f->cell_count < FAILURE_CELLS_MAX) {
        f->cells[f->cell_count].column = column;
        f->cells[f->cell_count].expected = expected;
        f->cells[f->cell_count++].got = got;
    }
}

/* "orders, id 1" or, without a key, the cells that are named. */
static const char *row_name(const struct running *x, const struct case_rows *rows,
                            const struct str *cells, const char *what) {
    AUTO_BUF out = BUF_INIT(BUF_TEXT_MAX);
    const size_t keys = rows->table != NULL ? rows->table->key_count : 0;
    buf_addf(&out, "%s, ", rows->node->key);
    const size_t start = out.len;
    for (size_t k = 0; k < (keys > 0 ? keys : rows->schema->count); k++) {
        const size_t i = keys > 0 ? rows->table->key[k] : k;
        if (cells[i].ptr != NULL) {
            buf_addf(&out, "%s%s ", out.len > start ? ", " : "", rows->schema->columns[i].name);
            cell_show(&rows->schema->columns[i], cells[i], &out);
        }
    }
    buf_addf(&out, ": %s", what);
    return arena_strndup(x->arena, buf_c(&out), out.len);
}

/* ---- comparing ---- */

static bool row_matches(const struct schema *schema, const struct str *wanted,
                        const struct str *got) {
    for (size_t i = 0; i < schema->count; i++) {
        if (wanted[i].ptr != NULL && !str_equal(wanted[i], got[i])) {
            return false;
        }
    }
    return true;
}

static bool key_matches(const struct flow_table *t, const struct str *wanted,
                        const struct str *got) {
    for (size_t i = 0; i < t->key_count; i++) {
        if (!str_equal(wanted[t->key[i]], got[t->key[i]])) {
            return false;
        }
    }
    return true;
}

/* The row that belongs to the expected one: by key, or else one that is like it. NULL: none. */
static struct cell_row *partner(const struct case_rows *rows, struct cell_table *got,
                                const struct str *wanted) {
    const bool keyed = rows->table != NULL && rows->table->key_count > 0;
    for (size_t i = 0; i < got->count; i++) {
        struct cell_row *row = &got->rows[i];
        const bool taken = row->place < 0;
        if (!taken && (keyed ? key_matches(rows->table, wanted, row->cells)
                             : row_matches(rows->schema, wanted, row->cells))) {
            return row;
        }
    }
    return NULL;
}

static void compare_row(struct running *x, const struct case_rows *rows,
                        const struct case_row *wanted, const struct str *got) {
    if (row_matches(rows->schema, wanted->cells, got)) {
        return;
    }
    struct failure *f =
        case_fail(x, wanted->node->line, row_name(x, rows, wanted->cells, "is otherwise"));
    for (size_t i = 0; i < rows->schema->count; i++) {
        const struct column *c = &rows->schema->columns[i];
        if (wanted->cells[i].ptr != NULL && !str_equal(wanted->cells[i], got[i])) {
            case_add_cell(f, c->name, shown(x, c, wanted->cells[i]), shown(x, c, got[i]));
        }
    }
}

static void tell_unexpected(struct running *x, const struct case_rows *rows,
                            const struct cell_table *got) {
    for (size_t i = 0; i < got->count; i++) {
        const struct cell_row *row = &got->rows[i];
        if (row->place < 0) {
            continue;
        }
        struct failure *f = case_fail(x, rows->node->key_line,
                                      row_name(x, rows, row->cells, "is there, and not expected"));
        for (size_t k = 0; k < rows->schema->count; k++) {
            const struct column *c = &rows->schema->columns[k];
            if (!cells_is_key(got, k)) {
                case_add_cell(f, c->name, NULL, shown(x, c, row->cells[k]));
            }
        }
    }
}

void case_compare(struct running *x, const struct case_rows *rows, struct cell_table *got) {
    /* First, while no row is taken. */
    for (size_t i = 0; i < rows->absent_count; i++) {
        if (partner(rows, got, rows->absent[i].cells) != NULL) {
            (void)case_fail(x, rows->absent[i].node->line,
                            row_name(x, rows, rows->absent[i].cells, "is there, and must not be"));
        }
    }
    for (size_t i = 0; i < rows->count; i++) {
        struct cell_row *row = partner(rows, got, rows->rows[i].cells);
        if (row == NULL) {
            (void)case_fail(x, rows->rows[i].node->line,
                            row_name(x, rows, rows->rows[i].cells, "is missing"));
            continue;
        }
        compare_row(x, rows, &rows->rows[i], row->cells);
        row->place = -1;
    }
    if (!rows->some) {
        tell_unexpected(x, rows, got);
    }
}

/* ---- rejects ---- */

void case_groups_release(struct reject_groups *g) {
    mem_free(g->items);
}

void case_groups_add(struct reject_groups *g, struct reject_group one) {
    for (size_t i = 0; i < g->count; i++) {
        struct reject_group *had = &g->items[i];
        if (strcmp(had->source, one.source) == 0 && strcmp(had->transform, one.transform) == 0 &&
            strcmp(had->reason, one.reason) == 0 && strcmp(had->column, one.column) == 0) {
            had->count += one.count;
            return;
        }
    }
    g->items = mem_realloc(g->items, (g->count + 1) * sizeof *g->items);
    g->items[g->count++] = one;
}

static bool fits(const char *wanted, const char *got) {
    return wanted == NULL || strcmp(wanted, got) == 0;
}

static void compare_reject(struct running *x, const struct case_reject *wanted,
                           struct reject_groups *groups) {
    int64_t count = 0;
    for (size_t i = 0; i < groups->count; i++) {
        struct reject_group *g = &groups->items[i];
        if (fits(wanted->source, g->source) && fits(wanted->transform, g->transform) &&
            fits(wanted->reason, g->reason) && fits(wanted->column, g->column)) {
            g->expected = true;
            count += g->count;
        }
    }
    if (count != wanted->count) {
        struct failure *f = case_fail(x, wanted->node->line, "rejects: not as many as expected");
        case_add_cell(f, "records", arena_printf(x->arena, "%lld", (long long)wanted->count),
                      arena_printf(x->arena, "%lld", (long long)count));
    }
}

void case_compare_rejects(struct running *x, struct reject_groups *groups) {
    for (size_t i = 0; i < x->test->reject_count; i++) {
        compare_reject(x, &x->test->rejects[i], groups);
    }
    for (size_t i = 0; i < groups->count; i++) {
        const struct reject_group *g = &groups->items[i];
        if (g->expected) {
            continue;
        }
        const char *by = g->transform[0] != '\0' ? g->transform : "decoding";
        (void)case_fail(x, x->test->node->key_line,
                        arena_printf(x->arena,
                                     "%lld of %s rejected by %s (%s%s%s), and not expected: %s",
                                     (long long)g->count, g->source, by, g->reason,
                                     g->column[0] != '\0' ? " of " : "", g->column, g->message));
    }
}
