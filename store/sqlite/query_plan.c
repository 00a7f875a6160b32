/* How a SELECT will run, as far as the laws care: does it work row by row on its relation?
 *
 * The relation is what `batch`, `change` and `changed` stand for, a temporary table; nothing else
 * is one. EXPLAIN QUERY PLAN gives a tree of steps: where the relation is scanned,
 * and what holds rows back above that scan. EXPLAIN gives the program: an aggregate that ends, or
 * a LIMIT that counts, inside the loop over the relation works within one row; outside of it, it
 * works over rows, and over as many as happen to come together. */
#include <stdio.h>
#include <string.h>

#include "store/sqlite/sqlite_store.h"

#define PLAN_STEPS_MAX 1000

enum step_kind {
    STEP_OTHER,
    STEP_LOOP,     /* over another table */
    STEP_RELATION, /* over the relation */
    STEP_SORTER,
    STEP_APART, /* rows put into a table of their own */
    STEP_COMPOUND,
    STEP_RECURSIVE, /* the start of a recursive query */
    STEP_SUBQUERY,  /* in an expression */
    STEP_ADDS       /* RIGHT JOIN: rows without a partner, in a pass of its own */
};

struct step {
    int id;
    int parent; /* index, -1 for the root */
    enum step_kind kind;
    bool may_be_missing; /* right side of a LEFT JOIN */
    bool holds;          /* the relation is scanned here or below */
};

struct plan_tree {
    struct step *steps;
    size_t count;
};

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_relation(const char *line) {
    const char *name = strchr(line, ' ') + 1;
    name += begins(name, "TABLE ") ? strlen("TABLE ") : 0;
    return begins(name, "temp.") || begins(name, "_plumb_") ||
           strstr(line, BATCH_TABLE_PLAN) != NULL;
}

static enum step_kind kind_of(const char *line) {
    static const struct {
        const char *begin;
        enum step_kind kind;
    } kinds[] = {
        {"MATERIALIZE", STEP_APART},        {"COMPOUND QUERY", STEP_COMPOUND},
        {"MERGE", STEP_COMPOUND},           {"SETUP", STEP_RECURSIVE},
        {"SCALAR SUBQUERY", STEP_SUBQUERY}, {"CORRELATED SCALAR SUBQUERY", STEP_SUBQUERY},
        {"LIST SUBQUERY", STEP_SUBQUERY},   {"CORRELATED LIST SUBQUERY", STEP_SUBQUERY},
        {"RIGHT-JOIN", STEP_ADDS},
    };
    if (strstr(line, "TEMP B-TREE") != NULL) {
        return STEP_SORTER;
    }
    if (begins(line, "SCAN ") || begins(line, "SEARCH ")) {
        return is_relation(line) ? STEP_RELATION : STEP_LOOP;
    }
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (begins(line, kinds[i].begin)) {
            return kinds[i].kind;
        }
    }
    return STEP_OTHER;
}

static enum err_code add_step(struct plan_tree *t, sqlite3_stmt *stmt, struct err *err) {
    if (t->count == PLAN_STEPS_MAX) {
        return err_set(err, ERR_CONFIG, "SQL: the plan has more than %d steps", PLAN_STEPS_MAX);
    }
    const char *line = (const char *)sqlite3_column_text(stmt, 3);
    struct step *s = &t->steps[t->count];
    *s = (struct step){sqlite3_column_int(stmt, 0), -1, kind_of(line), false, false};
    s->may_be_missing = strstr(line, " LEFT-JOIN") != NULL;
    for (size_t i = 0; i < t->count; i++) {
        if (t->steps[i].id == sqlite3_column_int(stmt, 1)) {
            s->parent = (int)i;
        }
    }
    t->count++;
    return ERR_NONE;
}

static enum err_code read_tree(struct store *s, const char *sql, struct plan_tree *t,
                               struct err *err) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&text, "EXPLAIN QUERY PLAN %s", sql);
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_prepare(s, buf_c(&text), &stmt, err);
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = sqlite_row(s, stmt, "explain", &has_row, err);
        if (code == ERR_NONE && has_row) {
            code = add_step(t, stmt, err);
        }
    }
    sqlite3_finalize(stmt);
    return code;
}

/* A scan of the relation: whether anything it stands in, or stands beside, breaks "row by row". */
static void note_scan(struct plan_tree *t, size_t scan, struct sql_facts *out) {
    const struct step *s = &t->steps[scan];
    out->batch_scans++;
    out->is_mixed = out->is_mixed || s->may_be_missing;
    bool first = true;
    for (size_t i = 0; i < t->count; i++) {
        bool loop = t->steps[i].kind == STEP_LOOP || t->steps[i].kind == STEP_RELATION;
        if (loop && i != scan && t->steps[i].parent == s->parent) {
            out->is_mixed = out->is_mixed || t->steps[i].kind == STEP_RELATION;
            first = first && i > scan;
        }
    }
    out->batch_is_outer = first;
    for (int at = s->parent; at >= 0; at = t->steps[at].parent) {
        enum step_kind kind = t->steps[at].kind;
        t->steps[at].holds = true;
        out->is_mixed = out->is_mixed || kind == STEP_SUBQUERY || kind == STEP_RECURSIVE;
        out->has_compound = out->has_compound || kind == STEP_COMPOUND || kind == STEP_APART ||
                            kind == STEP_RECURSIVE;
    }
}

static void judge_tree(struct plan_tree *t, struct sql_facts *out) {
    for (size_t i = 0; i < t->count; i++) {
        if (t->steps[i].kind == STEP_RELATION) {
            note_scan(t, i, out);
        }
        out->has_join = out->has_join || t->steps[i].kind == STEP_LOOP;
        out->is_mixed = out->is_mixed || t->steps[i].kind == STEP_ADDS;
    }
    for (size_t i = 0; i < t->count; i++) {
        const struct step *s = &t->steps[i];
        bool above = s->parent < 0 || t->steps[s->parent].holds;
        out->has_sorter = out->has_sorter || (s->kind == STEP_SORTER && above);
        /* A part of a compound that has rows of its own. */
        bool is_part = s->parent >= 0 && t->steps[s->parent].kind == STEP_COMPOUND;
        out->is_mixed = out->is_mixed || (is_part && above && !s->holds);
    }
}

/* ---- the program ---- */

struct instruction {
    char code[16];
    int p1, p2, p3;
};

struct program {
    struct instruction *items;
    size_t count, capacity;
};

static enum err_code read_program(struct store *s, const char *sql, struct program *p,
                                  struct err *err) {
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&text, "EXPLAIN %s", sql);
    sqlite3_stmt *stmt = NULL;
    enum err_code code = sqlite_prepare(s, buf_c(&text), &stmt, err);
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = sqlite_row(s, stmt, "explain", &has_row, err);
        if (code != ERR_NONE || !has_row) {
            break;
        }
        if (p->count == p->capacity) {
            size_t capacity = p->capacity == 0 ? 256 : p->capacity * 2;
            struct instruction *grown = mem_alloc_array(capacity, sizeof(*grown));
            if (p->count > 0) {
                memcpy(grown, p->items, p->count * sizeof(*grown));
            }
            mem_free(p->items);
            p->items = grown;
            p->capacity = capacity;
        }
        struct instruction *item = &p->items[p->count++];
        (void)snprintf(item->code, sizeof(item->code), "%s",
                       (const char *)sqlite3_column_text(stmt, 1));
        item->p1 = sqlite3_column_int(stmt, 2);
        item->p2 = sqlite3_column_int(stmt, 3);
        item->p3 = sqlite3_column_int(stmt, 4);
    }
    sqlite3_finalize(stmt);
    return code;
}

/* The temporary database holds nothing but relations; the batch is a virtual table. */
#define DATABASE_TEMP 1

static bool is_relation_loop(const struct program *p, size_t end) {
    const struct instruction *last = &p->items[end];
    if (strcmp(last->code, "VNext") == 0) {
        return true;
    }
    for (size_t i = 0; strcmp(last->code, "Next") == 0 && i < end; i++) {
        if (strcmp(p->items[i].code, "OpenRead") == 0 && p->items[i].p1 == last->p1 &&
            p->items[i].p3 == DATABASE_TEMP) {
            return true;
        }
    }
    return false;
}

/* Whether instruction `at` runs within one row of the relation. */
static bool is_within_row(const struct program *p, size_t at) {
    for (size_t end = at + 1; end < p->count; end++) {
        if ((size_t)p->items[end].p2 <= at && is_relation_loop(p, end)) {
            return true;
        }
    }
    return false;
}

/* Whether the counter of the LIMIT at `at` is set outside of a loop over the relation that counts. */
static bool counts_rows(const struct program *p, size_t at) {
    for (size_t end = at + 1; end < p->count; end++) {
        size_t start = (size_t)p->items[end].p2;
        if (start > at || !is_relation_loop(p, end)) {
            continue;
        }
        bool set_inside = false;
        for (size_t i = start; i < end; i++) {
            const struct instruction *item = &p->items[i];
            set_inside = set_inside ||
                         (strcmp(item->code, "Integer") == 0 && item->p2 == p->items[at].p1) ||
                         (strcmp(item->code, "MustBeInt") == 0 && item->p1 == p->items[at].p1);
        }
        if (!set_inside) {
            return true;
        }
    }
    return false;
}

static void judge_program(const struct program *p, struct sql_facts *out) {
    for (size_t i = 0; i < p->count; i++) {
        const char *code = p->items[i].code;
        if (strcmp(code, "AggFinal") == 0 || strcmp(code, "AggValue") == 0) {
            out->has_aggregate = out->has_aggregate || !is_within_row(p, i);
        } else if (strcmp(code, "DecrJumpZero") == 0) {
            out->has_limit = out->has_limit || counts_rows(p, i);
        }
    }
}

enum err_code query_plan_note(struct store *s, const char *sql, struct sql_facts *out,
                              struct err *err) {
    struct plan_tree tree = {mem_alloc_array(PLAN_STEPS_MAX, sizeof(struct step)), 0};
    struct program program = {NULL, 0, 0};
    enum err_code code = read_tree(s, sql, &tree, err);
    if (code == ERR_NONE) {
        code = read_program(s, sql, &program, err);
    }
    if (code == ERR_NONE) {
        judge_tree(&tree, out);
        judge_program(&program, out);
    }
    mem_free(program.items);
    mem_free(tree.steps);
    return code;
}
