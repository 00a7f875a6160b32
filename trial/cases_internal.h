/* What the files that run tests share; nobody else includes it. */
#ifndef PLUMB_TRIAL_CASES_INTERNAL_H
#define PLUMB_TRIAL_CASES_INTERNAL_H

#include "trial/cases.h"

struct running {
    struct case_run *run;
    const struct test_case *test;
    struct case_result *result;
    struct arena *arena;
    struct buf trouble; /* what the run failed with, "" if it did not */
};

/* SQL that counts, for every transform where it compiles (cover.c). */
void cover_open(struct cover *c, const struct flow *flow, struct arena *arena);
void cover_close(struct cover *c);

/* One more failure of the test; what is borrowed. */
struct failure *case_fail(struct running *x, int line, const char *what);
void case_add_cell(struct failure *f, const char *column, const char *expected, const char *got);
/* Expected rows against those that are there; rows that found their partner get a place below 0. */
void case_compare(struct running *x, const struct case_rows *rows, struct cell_table *got);

/* Rejects that are alike. */
struct reject_group {
    const char *source, *transform, *reason, *column;
    const char *message; /* of one of them */
    int64_t count;
    bool expected;
};

struct reject_groups {
    struct reject_group *items; /* owned */
    size_t count;
};

void case_groups_release(struct reject_groups *g); /* for CLEANUP */
void case_groups_add(struct reject_groups *g, struct reject_group one);
void case_compare_rejects(struct running *x, struct reject_groups *groups);

#endif
