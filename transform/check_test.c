/* Every refusal of check.c, lint.c and the store's analysis, with the place it names. A case is the
 * text of one transform in which ^ stands where the message must point to; without the mistake it
 * passes, which the last group of cases shows. */
#include "transform/test_support.h"

static const char head[] =
    "flow: t\n"
    "store: sqlite:t.db\n"
    "sources:\n"
    "  s:\n"
    "    type: test\n"
    "    columns: {id: int64, v: int64, txt: text, f: float64, w: int256, js: json}\n"
    "tables:\n"
    "  ref:  {key: [id], columns: {id: int64, name: text}}\n"
    "  rows: {key: [id], columns: {id: int64, v: int64}}\n"
    "  big:  {key: [id], columns: {id: int64, w: int256, f: float64}}\n"
    "  log:  {key: auto, lineage: true, columns: {id: int64}}\n"
    "  out:  {key: [id], columns: {id: int64, x: int64}}\n"
    "  wide: {key: [id], columns: {id: int64, w: int256}}\n"
    "transforms:\n"
    "  rows: {from: sources.s, into: rows, sql: 'SELECT id, v FROM batch'}\n"
    "  big: {from: sources.s, into: big, sql: 'SELECT id, w, f FROM batch'}\n"
    "  log: {from: sources.s, into: log, sql: 'SELECT id FROM batch'}\n";

#define MAP    "  t:\n    from: sources.s\n    into: out\n    sql: "
#define SUM    "  t:\n    from: tables.rows\n    into: out\n    sum: "
#define SUMBIG "  t:\n    from: tables.big\n    into: out\n    sum: "
#define DERIVE "  t:\n    on: [rows]\n    into: out\n    derive: "
#define WIDE   "  t:\n    on: [big]\n    into: wide\n    derive: "

struct refusal {
    const char *name; /* of the behaviour */
    const char *transform;
    const char *message; /* what it says, in part; NULL: it passes */
};

static const struct refusal refusals[] = {
    /* what the SELECT gives */
    {"a column the table does not have", MAP "^SELECT id, v AS x, v AS y FROM batch\n",
     "gives a column 'y' that table 'out' does not have"},
    {"a text where the table has an integer", MAP "^SELECT id, txt AS x FROM batch\n",
     "column 'x' of table 'out' is int64"},
    {"an int256 where the table has an int64", MAP "^SELECT id, w AS x FROM batch\n",
     "i256_to_int(...)"},
    {"a text that is converted", MAP "^SELECT id, CAST(txt AS INTEGER) AS x FROM batch\n", NULL},
    {"a column nearly right is suggested", MAP "^SELECT id, v AS xx FROM batch\n",
     "did you mean 'x'?"},
    {"a column given twice", MAP "^SELECT id, v AS x, v AS x FROM batch\n",
     "gives column 'x' twice"},
    {"a column that is missing", MAP "^SELECT id FROM batch\n",
     "gives no column 'x', which table 'out' has; write `... AS x`"},
    /* what it reads */
    {"a changing table in a map",
     MAP "^SELECT b.id, r.v AS x FROM batch b CROSS JOIN rows r WHERE r.id = b.id\n",
     "reads table 'rows', which changes"},
    {"a changing table in a sum",
     SUM "^SELECT c.id, b.id AS x FROM change c JOIN big b ON b.id = c.id\n",
     "reads table 'big', which changes"},
    {"a table that `on` does not name",
     DERIVE "^SELECT k.id, b.id AS x FROM changed k JOIN big b ON b.id = k.id\n",
     "`on` does not name it"},
    {"its own table", DERIVE "^SELECT k.id, o.x FROM changed k JOIN out o ON o.id = k.id\n",
     "reads its own table 'out'"},
    {"an engine's table",
     DERIVE "SELECT k.id, m.seq AS x FROM changed k JOIN ^_plumb_marks m ON m.partition = k.id\n",
     "'_plumb_marks' belongs to the engine"},
    {"the schema", DERIVE "^SELECT k.id, s.rootpage AS x FROM changed k, sqlite_schema s\n",
     "belongs to the engine"},
    {"a column that depends on batches",
     "  t:\n    on: {log: [id]}\n    into: out\n    derive: "
     "^SELECT k.id, l._pos AS x FROM changed k JOIN log l ON l.id = k.id\n",
     "'log._pos' depends on how records were batched"},
    {"a derive that does not read changed", DERIVE "^SELECT id, v AS x FROM rows\n",
     "does not read `changed`"},
    /* row by row */
    {"an aggregate in a map", MAP "^SELECT id, count(*) AS x FROM batch GROUP BY id\n",
     "aggregates rows"},
    {"a window in a map", MAP "SELECT id, row_number() ^OVER () AS x FROM batch\n",
     "a `derive` over the table"},
    {"DISTINCT in a map", MAP "^SELECT DISTINCT id, v AS x FROM batch\n", "row by row"},
    {"ORDER BY in a map", MAP "^SELECT id, v AS x FROM batch ORDER BY v\n", "row by row"},
    {"UNION ALL in a map",
     MAP "^SELECT id, v AS x FROM batch UNION ALL SELECT id + 1, v FROM batch\n",
     "where a batch ends"},
    {"the batch joined with itself",
     MAP "^SELECT a.id, b.v AS x FROM batch a JOIN batch b ON b.id = a.id + 1\n",
     "reads `batch` more than once"},
    {"a map without batch", MAP "^SELECT id, 1 AS x FROM ref\n", "does not read `batch`"},
    {"a join whose outer loop is another table",
     MAP "^SELECT b.id, 1 AS x FROM ref r CROSS JOIN batch b ON b.id = r.id\n",
     "does not read `batch` first"},
    {"LIMIT in a map", MAP "SELECT id, v AS x FROM batch ^LIMIT 5\n", "'LIMIT' in a map"},
    {"OFFSET in a map, in lower case", MAP "SELECT id, v AS x FROM batch ^limit 5 offset 2\n",
     "'limit' in a map"},
    /* sums */
    {"a float amount", SUMBIG "^SELECT id, f AS x FROM change\n", "is a float64"},
    {"an aggregate in a sum", SUM "^SELECT id, sum(v) AS x FROM change GROUP BY id\n",
     "groups or aggregates"},
    {"DISTINCT in a sum", SUM "^SELECT DISTINCT id, v AS x FROM change\n", "groups or aggregates"},
    /* not the same twice */
    {"random()", MAP "SELECT id, ^random() AS x FROM batch\n", "random: gives another value"},
    {"group_concat", DERIVE "SELECT id, length(^group_concat(id)) AS x FROM changed GROUP BY id\n",
     "group_concat: joins in an order"},
    {"CURRENT_TIMESTAMP", MAP "SELECT id, ^CURRENT_TIMESTAMP AS x FROM batch\n",
     "depends on when it runs"},
    {"a date of now", MAP "SELECT id, unixepoch(^'now') AS x FROM batch\n",
     "'now' depends on when it runs"},
    {"a date without arguments", MAP "SELECT id, ^julianday() AS x FROM batch\n",
     "without arguments is the present time"},
    {"last_insert_rowid()", MAP "SELECT id, ^last_insert_rowid() AS x FROM batch\n",
     "depends on what ran before"},
    {"an engine's function", MAP "SELECT id, ^_plumb_pos() AS x FROM batch\n",
     "belongs to the engine"},
    {"loading code", MAP "SELECT id, ^load_extension('x') AS x FROM batch\n", "not allowed"},
    /* int256 */
    {"an int256 compared with a number", MAP "SELECT id, ^w > 5 AS x FROM batch\n",
     "'w' is an int256"},
    {"an int256 in an addition", MAP "SELECT id, ^w + 1 AS x FROM batch\n", "'w' is an int256"},
    {"sum() over an int256",
     WIDE "SELECT k.id, sum(b.^w) AS w FROM changed k JOIN big b ON b.id = k.id GROUP BY k.id\n",
     "use i256_sum"},
    {"abs() of an int256", MAP "SELECT id, abs(^w) AS x FROM batch\n", "use i256_sum, i256_abs"},
    /* not a SELECT, not SQL */
    {"a statement that writes", MAP "^DELETE FROM rows\n",
     "'DELETE' begins no SELECT: one SELECT is expected here"},
    {"two statements", MAP "SELECT id, v AS x FROM batch^; SELECT 1\n",
     "';' ends the SELECT and more follows: one SELECT is expected here"},
    {"a SELECT that ends too early", MAP "SELECT id, v AS x FROM^\n",
     "it ends where something more is expected"},
    {"a quote without an end", MAP "\"SELECT id, ^'abc AS x FROM batch\"\n",
     "unrecognized token: 'abc AS x FROM batch; the quote that begins here has no end"},
    {"a character SQL does not know", MAP "SELECT id, v ^! AS x FROM batch\n",
     "unrecognized token: !"},
    {"now()", MAP "SELECT id, ^now() AS x FROM batch\n", "'now' depends on when it runs"},
    {"a name that does not exist", MAP "SELECT id, ^w2 AS x FROM batch\n",
     "no such column: w2; did you mean 'w'?"},
    {"a column nothing is like", MAP "SELECT id, ^zzzzz AS x FROM batch\n",
     "no such column: zzzzz; `batch` has id, v, txt, f, w, js"},
    {"text in double quotes", MAP "SELECT id, v AS x FROM batch WHERE txt = ^\"paid up\"\n",
     "text stands in single quotes: 'paid up'"},
    {"a column of a joined table nearly right",
     MAP "SELECT b.id, ^r.nmae AS x FROM batch b CROSS JOIN ref r WHERE r.id = b.id\n",
     "no such column: r.nmae; did you mean 'name'?"},
    {"a table that does not exist", MAP "SELECT id, 'batches' AS x FROM ^batches\n",
     "no such table: batches; did you mean 'batch'?"},
    {"the source's name in a map", MAP "SELECT id, v AS x FROM ^s\n",
     "no such table: s; the records are called `batch` here"},
    {"the source's whole name in a map", MAP "SELECT id, v AS x FROM sources.^s\n",
     "the records are called `batch` here"},
    {"batch in a sum", SUM "SELECT id, v AS x FROM ^batch\n",
     "the rows that changed are called `change` here"},
    {"the table's name in a sum", SUM "^SELECT id, v AS x FROM rows\n",
     "reads table 'rows' itself; its rows that changed are called `change` here"},
    {"change in a derive", DERIVE "SELECT id, 1 AS x FROM ^change\n",
     "the keys to compute are called `changed` here"},
    {"changed in a mapping",
     "  t:\n    on: {rows: [id], big: \"SELECT id FROM ^changed\"}\n    into: out\n"
     "    derive: SELECT k.id, r.v AS x FROM changed k JOIN rows r ON r.id = k.id\n",
     "the rows that changed are called `change` here"},
    {"a table nearly right in a derive",
     DERIVE "SELECT k.id, r.v AS x FROM changed k JOIN ^rwos r ON r.id = k.id\n",
     "no such table: rwos; did you mean 'rows'?"},
    {"a key column that is missing", MAP "^SELECT v AS x FROM batch\n",
     "gives no column 'id', which table 'out' has in its key; write `... AS id`"},
    {"a mistake on the third line of a block",
     MAP
     "|\n      SELECT id,\n             -- a comment\n             ^w3 AS x\n      FROM batch\n",
     "no such column: w3"},
    /* delete_when and mappings */
    {"a mistake in delete_when",
     "  t:\n    from: sources.s\n    into: out\n    delete_when: ^gone\n"
     "    sql: SELECT id, v AS x FROM batch\n",
     "no such column: gone"},
    {"a mapping with other columns",
     "  t:\n    on: {rows: [id], big: \"^SELECT f FROM change\"}\n    into: out\n"
     "    derive: SELECT k.id, r.v AS x FROM changed k JOIN rows r ON r.id = k.id\n",
     "`changed`"},
    {"a mapping that reads what `on` does not name",
     "  t:\n    on: {rows: \"^SELECT b.id FROM change c JOIN big b ON b.id = c.id\"}\n"
     "    into: out\n    derive: SELECT id, 1 AS x FROM changed\n",
     "`on` does not name it"},
    /* what looks alike and is right */
    {"a reference table may be joined",
     MAP "SELECT b.id, r.id AS x FROM batch b CROSS JOIN ref r WHERE r.id = b.id\n", NULL},
    {"json_each may be joined",
     MAP "SELECT b.id, j.value AS x FROM batch b CROSS JOIN json_each(b.js) j\n", NULL},
    {"'now' as plain text is text", MAP "SELECT id, v AS x FROM batch WHERE txt <> 'now'\n", NULL},
    {"a date of the data is a date", MAP "SELECT id, unixepoch(txt) AS x FROM batch\n", NULL},
    {"a LIMIT inside a subquery over a reference table",
     MAP "SELECT id, (SELECT id FROM ref WHERE id > b.id ORDER BY id LIMIT 1) AS x FROM batch b\n",
     NULL},
    {"a comment at the end and a semicolon", MAP "\"SELECT id, v AS x FROM batch; -- done\"\n",
     NULL},
    {"ORDER BY inside a derive",
     DERIVE "SELECT id, (SELECT v FROM rows r ORDER BY v LIMIT 1) AS x FROM changed\n", NULL},
    {"UNION ALL in a sum",
     SUM "SELECT id, v AS x FROM change UNION ALL SELECT id + 1, v FROM change\n", NULL},
    {"a name as long as names may be",
     "  a23456789012345678901234567890123456789012345678901234567890123:\n    on: {rows: 'SELECT "
     "id "
     "FROM change'}\n    into: out\n    derive: SELECT id, 1 AS x FROM changed\n",
     NULL},
    {"int256 functions", MAP "SELECT id, i256_cmp(w, 5) AS x FROM batch WHERE w > i256('5')\n",
     NULL},
};

/* Takes ^ out of text and tells where it stood; false when there was none. */
static bool take_marker(char *text, int *line, int *column) {
    char *at = strchr(text, '^');
    if (at == NULL) {
        return false;
    }
    *line = 1;
    *column = 1;
    for (const char *c = text; c < at; c++) {
        *line += *c == '\n';
        *column = *c == '\n' ? 1 : *column + 1;
    }
    memmove(at, at + 1, strlen(at));
    return true;
}

static void test_case(void **state) {
    const struct refusal *r = *state;
    char *yaml = mem_printf("%s%s", head, r->transform);
    int line = 0;
    int column = 0;
    bool marked = take_marker(yaml, &line, &column);
    struct flow *flow = test_flow(yaml);
    struct err err = ERR_INIT;
    struct store *store = NULL;
    struct plan *plan = NULL;
    assert_int_equal(store_open(flow, STORE_SCRATCH, &store, &err), ERR_NONE);
    enum err_code code = plan_open(store, flow, &plan, &err);
    if (r->message == NULL) {
        if (code != ERR_NONE) {
            fail_msg("%s: %s", err.where, err.message);
        }
    } else {
        assert_int_equal(code, ERR_CONFIG);
        if (strstr(err.message, r->message) == NULL || strstr(err.message, "'t'") == NULL) {
            fail_msg("'%s' and 't' are not in: %s", r->message, err.message);
        }
        char *place = mem_printf("flow.yaml:%d:%d", line, column);
        size_t len = strlen(err.where);
        size_t want = strlen(place);
        if (marked && (len < want || strcmp(err.where + len - want, place) != 0)) {
            fail_msg("%s is not at %s: %s", err.where, place, err.message);
        }
        mem_free(place);
    }
    plan_close(plan);
    store_close(store);
    flow_free(flow);
    mem_free(yaml);
}

int main(void) {
    struct CMUnitTest tests[ARRAY_COUNT(refusals)] = {{0}};
    for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
        tests[i] = (struct CMUnitTest){.name = refusals[i].name,
                                       .test_func = test_case,
                                       .initial_state = (void *)(uintptr_t)&refusals[i]};
    }
    return cmocka_run_group_tests_name("transform_check", tests, NULL, NULL);
}
