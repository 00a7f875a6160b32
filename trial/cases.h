/* A flow's own tests: tests/NAME.yaml beside the flow, read strictly and run in scratch stores.
 *
 *     tests:
 *       a-later-state-wins:
 *         at: 2026-01-05T10:00:00Z        what the clock says (nothing in SQL can ask it)
 *         records:                        raw records of a source: one text is one batch
 *           orders: |                  (or {meta: what the source keeps beside them, text: ...})
 *             {"id": 1, "status": "open"}
 *         rows: {regions: [{country: AT, region: east}]}     rows that are there before
 *         transform: orders               this one alone; without it the whole flow
 *         decode: orders                  or only what records become, before any transform
 *         expect:
 *           orders: [{id: 1, status: open}]                  all rows; columns not named may be any
 *           people: {has: [{id: ada}], absent: [{id: bob}]}  or some, by key
 *         rejects: [{reason: type, column: total, count: 1}] all of them; none without
 *         error: integer overflow         what the run must fail with
 *
 * Values are written as in a CSV file: int256 as decimal, bytes as 0x, timestamps as RFC 3339. A
 * table with a key is matched by it, so expected rows name its columns. */
#ifndef PLUMB_TRIAL_CASES_H
#define PLUMB_TRIAL_CASES_H

#include "transform/branches.h"
#include "trial/cells.h"
#include "trial/scratch.h"

#define CASES_FILE_BYTES_MAX ((size_t)4 << 20)
#define CASES_MAX            10000
#define CASES_ARENA_BYTES    ((size_t)1 << 30)

/* ---- as read ---- */
struct case_row {
    const struct node *node;
    const struct str *cells; /* [schema->count] as cell_text; ptr NULL: not named */
    const struct str *sql; /* [schema->count] the same as SQL literals, when they are given rows */
};

struct case_rows {
    const struct flow_table *table;   /* NULL when it is about a stream */
    const struct flow_stream *stream; /* of decode */
    const struct schema *schema;
    const struct node *node;
    bool some;                      /* only those with the given keys are looked at */
    struct case_row *rows, *absent; /* in the arena */
    size_t count, absent_count;
};

struct case_records {
    const struct flow_source *source;
    const struct node *batches; /* a text, or a list of texts */
};

struct case_reject {
    const struct node *node;
    const char *source, *transform, *reason, *column; /* NULL: any; transform "decode": decoding */
    int64_t count;
};

struct test_case {
    const char *name;
    const struct node *node; /* its name stands at the key */
    bool has_at;
    int64_t at_us;
    const struct flow_transform *transform;
    const struct flow_source *decode;
    struct case_records *records;
    size_t records_count;
    struct case_rows *given, *expect;
    size_t given_count, expect_count;
    struct case_reject *rejects;
    size_t reject_count;
    const char *error; /* NULL: none */
};

struct case_list {
    struct arena arena;
    struct test_case *items; /* owned */
    size_t count, capacity;
    size_t files;
};
/* Every test of tests/ *.yaml beside the flow, in the order of files and lines. */
MUST_CHECK enum err_code cases_read(struct case_list *l, const struct flow *flow, struct err *err);
/* One file's. path is what messages call it. */
MUST_CHECK enum err_code cases_read_text(struct case_list *l, const struct flow *flow,
                                         struct str text, const char *path, struct err *err);
void cases_init(struct case_list *l);
void cases_free(struct case_list *l); /* for CLEANUP */

/* The JSON Schema of such a file. */
void cases_json_schema(struct buf *out);

/* ---- as run ---- */
#define FAILURE_CELLS_MAX 32
#define FAILURES_MAX      200 /* told of one test */
struct failure {
    int line;         /* in the test's file */
    const char *what; /* "orders, id 1: is missing" */
    struct {
        const char *column, *expected, *got;
    } cells[FAILURE_CELLS_MAX];
    size_t cell_count;
};

struct case_result {
    const struct test_case *test;
    struct failure *failures; /* owned */
    size_t failure_count;
    int64_t duration_us;
};

struct covered {
    int64_t tests;     /* in which it gave at least one row */
    int64_t rows;      /* of all tests together */
    int64_t looked_at; /* tests that say what its table must hold */
};

/* One way that SQL of the flow may go, and how often it did. */
struct case_way {
    size_t transform;        /* index in the flow */
    const struct node *node; /* of its SQL or delete_when; branch.offset is in its text */
    const char *sql;
    struct branch branch;
    int64_t reached;
};

/* The flow with SQL that counts (trial/cover.c). */
struct cover {
    struct flow_transform *marked; /* owned: [flow->transform_count] */
    int *levels;                   /* owned: what of each transform's SQL could be made to count */
    struct case_way *ways;         /* owned, in the order of transforms and their SQL */
    int64_t *counts;               /* owned: as SQL counts */
    size_t count;
};

struct case_run {
    const struct flow *flow;
    struct arena *arena;
    struct scratch scratch;
    struct covered *covered; /* owned: [flow->transform_count] */
    struct cover cover;
};
MUST_CHECK enum err_code case_run_open(struct case_run *r, const struct flow *flow,
                                       struct arena *arena, struct err *err);
void case_run_close(struct case_run *r); /* for CLEANUP */
/* Errors are about us; a test that fails has failures. */
MUST_CHECK enum err_code case_run_one(struct case_run *r, const struct test_case *test,
                                      struct case_result *out, struct err *err);
void case_result_release(struct case_result *r);
/* Fills `reached` of r->cover.ways, after the tests. */
void case_run_count(struct case_run *r);
/* False when the SQL was not followed, so that its ways are not known. */
bool case_run_counts(const struct case_run *r, size_t transform);

#endif
