/* `plumb test`: the flow's own tests. trial/ reads and runs them; here it is chosen which, and told
 * how they went. */
#include <inttypes.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/facts.h"
#include "cli/stop.h"
#include "cli/test.h"

static const struct command_option options[] = {
    {"junit", "FILE", "Also write the results as JUnit XML, for CI systems."},
    {"json", NULL, "As JSON."},
    {NULL, NULL, NULL}};

static const struct fact_column coverage_columns[] = {{"transform", "transform", FACT_TEXT},
                                                      {"kind", "kind", FACT_TEXT},
                                                      {"tests", "tests", FACT_COUNT},
                                                      {"rows", "rows", FACT_COUNT},
                                                      {"looked_at", "looked at", FACT_COUNT},
                                                      {"branches", "branches", FACT_COUNT},
                                                      {"branches_reached", "reached", FACT_COUNT}};

static const struct fact_column branch_columns[] = {{"transform", "transform", FACT_TEXT},
                                                    {"where", "where", FACT_TEXT},
                                                    {"kind", NULL, FACT_TEXT},
                                                    {"branch", "branch", FACT_TEXT}};
#define BRANCHES_SHOWN 20 /* on a terminal; --json has all */

static void release(struct test_session *s) {
    for (size_t i = 0; i < s->count; i++) {
        case_result_release(&s->results[i]);
    }
    mem_free(s->results);
    case_run_close(&s->run);
    cases_free(&s->cases);
    flow_free(s->flow);
}

size_t test_failed(const struct test_session *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        n += s->results[i].failure_count > 0;
    }
    return n;
}

/* ---- choosing and running ---- */

static bool chosen(const struct invocation *call, const struct test_case *t) {
    for (size_t i = 1; i < call->argument_count; i++) {
        if (strstr(t->name, call->arguments[i]) != NULL) {
            return true;
        }
    }
    return call->argument_count <= 1;
}

static enum err_code check_names(const struct invocation *call, const struct case_list *cases,
                                 struct err *err) {
    for (size_t i = 1; i < call->argument_count; i++) {
        bool found = false;
        for (size_t k = 0; k < cases->count && !found; k++) {
            found = strstr(cases->items[k].name, call->arguments[i]) != NULL;
        }
        if (!found) {
            char shown[64];
            str_printable(str_of(call->arguments[i]), shown, sizeof shown);
            return err_set(err, ERR_CONFIG, "no test has '%s' in its name", shown);
        }
    }
    return ERR_NONE;
}

static enum err_code run_all(struct test_session *s, const struct invocation *call,
                             struct err *err) {
    enum err_code code = flow_load(call->arguments[0], call->registry, &s->flow, err);
    if (code == ERR_NONE) {
        code = cases_read(&s->cases, s->flow, err);
    }
    if (code == ERR_NONE && s->cases.count == 0) {
        return err_set(err, ERR_CONFIG,
                       "there are no tests in '%s/tests/*.yaml'; `plumb help test` shows one",
                       s->flow->directory);
    }
    if (code == ERR_NONE) {
        code = check_names(call, &s->cases, err);
    }
    if (code == ERR_NONE) {
        stop_catch_signals();
        code = case_run_open(&s->run, s->flow, &s->cases.arena, err);
        s->run.scratch.stop = stop_is_asked;
    }
    s->results = mem_alloc_array(s->cases.count + 1, sizeof *s->results);
    for (size_t i = 0; code == ERR_NONE && i < s->cases.count; i++) {
        if (chosen(call, &s->cases.items[i])) {
            code = case_run_one(&s->run, &s->cases.items[i], &s->results[s->count++], err);
        }
    }
    return code;
}

/* ---- coverage ---- */

static void add_branch_count(const struct test_session *s, size_t transform, struct facts *f) {
    if (!case_run_counts(&s->run, transform)) { /* its SQL was not followed */
        facts_null(f);
        facts_null(f);
        return;
    }
    int64_t count = 0;
    int64_t reached = 0;
    for (size_t i = 0; i < s->run.cover.count; i++) {
        const bool own = s->run.cover.ways[i].transform == transform;
        count += own;
        reached += own && s->run.cover.ways[i].reached > 0;
    }
    facts_number(f, count);
    facts_number(f, reached);
    facts_style(f, reached < count ? STYLE_WARN : STYLE_PLAIN);
}

static void add_coverage(const struct test_session *s, struct facts *f) {
    static const char *const kinds[] = {"map", "sum", "derive"};
    for (size_t i = 0; i < s->flow->transform_count; i++) {
        const struct covered *c = &s->run.covered[i];
        const enum style style = c->tests > 0 ? STYLE_PLAIN : STYLE_WARN;
        facts_c(f, s->flow->transforms[i].name);
        facts_style(f, style);
        facts_c(f, kinds[s->flow->transforms[i].kind]);
        facts_number(f, c->tests);
        facts_style(f, style);
        facts_number(f, c->rows);
        facts_style(f, style);
        facts_number(f, c->looked_at);
        facts_style(f, c->looked_at > 0 ? STYLE_PLAIN : STYLE_WARN);
        add_branch_count(s, i, f);
    }
}

/* "WHEN a > 1", in one line; of a WHERE also what is missing. */
static void add_excerpt(const struct case_way *way, struct buf *out) {
    static const char *const words[] = {[BRANCH_WHEN] = "",
                                        [BRANCH_ELSE] = "",
                                        [BRANCH_NO_ELSE] = "no WHEN is true in ",
                                        [BRANCH_KEEPS] = "no row for which it is true: ",
                                        [BRANCH_LEAVES] = "no row for which it is not true: "};
    const struct branch *b = &way->branch;
    buf_adds(out, words[b->kind]);
    bool blank = false;
    for (size_t i = b->offset; i < b->end; i++) {
        const bool space = strchr(" \t\r\n", way->sql[i]) != NULL;
        if (!space) {
            buf_adds(out, blank ? " " : "");
            buf_addc(out, way->sql[i]);
        }
        blank = space;
    }
}

static void add_branches(const struct test_session *s, struct facts *f) {
    for (size_t i = 0; i < s->run.cover.count; i++) {
        const struct case_way *way = &s->run.cover.ways[i];
        if (way->reached > 0) {
            continue;
        }
        AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
        int line = way->node->line;
        int column = way->node->column;
        node_text_position(way->node, way->branch.offset, &line, &column);
        facts_c(f, s->flow->transforms[way->transform].name);
        buf_addf(&text, "%s:%d:%d", way->node->file, line, column);
        facts_text(f, buf_str(&text));
        facts_c(f, branch_kind_name(way->branch.kind));
        buf_clear(&text);
        add_excerpt(way, &text);
        facts_text(f, buf_str(&text));
    }
}

/* ---- text ---- */

static void show_failure(const struct failure *f, struct output *o) {
    output_add(o, "      line %d: ", f->line);
    output_data(o, str_of(f->what));
    output_add(o, "\n");
    size_t name = 0;
    size_t left = 0;
    for (size_t i = 0; i < f->cell_count; i++) {
        const char *expected = f->cells[i].expected;
        const size_t width = output_width(f->cells[i].column);
        const size_t wide = expected != NULL ? output_width(expected) : 0;
        name = width > name ? width : name;
        left = wide > left ? wide : left;
    }
    for (size_t i = 0; i < f->cell_count; i++) {
        const char *expected = f->cells[i].expected;
        output_add(o, "          %-*s  ", (int)name, f->cells[i].column);
        if (expected != NULL) {
            output_add(o, "expected ");
            output_data(o, str_of(expected));
            output_add(o, "%*s  got ", (int)(left - output_width(expected)), "");
        }
        output_style(o, STYLE_BAD);
        output_data(o, str_of(f->cells[i].got));
        output_style(o, STYLE_PLAIN);
        output_add(o, "\n");
    }
}

static void show_result(const struct case_result *r, int columns, struct output *o) {
    char duration[OUTPUT_NUMBER_BYTES];
    output_duration(r->duration_us, duration);
    if (r->failure_count == 0) {
        output_styled(o, STYLE_GOOD, "  passed  ");
        output_add(o, "%-*s  ", columns, r->test->name);
        output_styled(o, STYLE_DIM, "%s\n", duration);
        return;
    }
    output_styled(o, STYLE_BAD, "  FAILED  ");
    output_styled(o, STYLE_STRONG, "%-*s", columns, r->test->name);
    output_add(o, "  ");
    output_data(o, str_of(r->test->node->file));
    output_add(o, ":%d\n", r->test->node->key_line);
    for (size_t i = 0; i < r->failure_count; i++) {
        show_failure(&r->failures[i], o);
    }
}

/* What the tests went through: by transform, and the branches that none reached. */
struct coverage {
    struct facts transforms, branches;
};

static void coverage_release(struct coverage *c) {
    facts_release(&c->transforms);
    facts_release(&c->branches);
}

static void show_branches(const struct coverage *c, struct output *o) {
    const size_t missed = facts_rows(&c->branches);
    if (missed > 0) {
        output_add(o, "\n");
        output_styled(o, STYLE_STRONG, "No test reached\n");
        facts_show(&c->branches, o, BRANCHES_SHOWN);
    }
}

static int print_text(const struct test_session *s, const struct coverage *coverage,
                      int exit_code) {
    AUTO_OUTPUT out;
    output_init(&out);
    size_t columns = 0;
    for (size_t i = 0; i < s->count; i++) {
        const size_t width = strlen(s->results[i].test->name);
        columns = width > columns ? width : columns;
    }
    for (size_t i = 0; i < s->count; i++) {
        show_result(&s->results[i], (int)columns, &out);
    }
    output_add(&out, "\n");
    facts_show(&coverage->transforms, &out, FACTS_ROWS_MAX);
    show_branches(coverage, &out);
    size_t ran = 0;
    for (size_t i = 0; i < s->flow->transform_count; i++) {
        ran += s->run.covered[i].tests > 0;
    }
    const size_t failed = test_failed(s);
    output_add(&out, "\n");
    output_styled(&out, failed == 0 ? STYLE_GOOD : STYLE_BAD, "%zu of %zu tests passed",
                  s->count - failed, s->count);
    output_add(&out,
               "; %zu of %zu transforms gave rows in them, %zu of %zu branches were reached.\n",
               ran, s->flow->transform_count, s->run.cover.count - facts_rows(&coverage->branches),
               s->run.cover.count);
    return output_flush(&out, exit_code);
}

/* ---- JSON ---- */

static void write_failure(const struct failure *f, struct json_writer *w) {
    json_begin_object(w);
    json_kv_i64(w, "line", f->line);
    json_kv_c(w, "what", f->what);
    json_key(w, "cells");
    json_begin_array(w);
    for (size_t i = 0; i < f->cell_count; i++) {
        json_begin_object(w);
        json_kv_c(w, "column", f->cells[i].column);
        json_kv_c(w, "expected", f->cells[i].expected);
        json_kv_c(w, "got", f->cells[i].got);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static int print_json(const struct test_session *s, const struct coverage *coverage,
                      int exit_code) {
    struct json_output o;
    json_output_begin(&o);
    json_begin_object(&o.json);
    json_kv_bool(&o.json, "ok", exit_code == EXIT_DONE);
    json_kv_c(&o.json, "flow", s->flow->name);
    json_kv_i64(&o.json, "passed", (int64_t)(s->count - test_failed(s)));
    json_kv_i64(&o.json, "failed", (int64_t)test_failed(s));
    json_key(&o.json, "tests");
    json_begin_array(&o.json);
    for (size_t i = 0; i < s->count; i++) {
        const struct case_result *r = &s->results[i];
        json_begin_object(&o.json);
        json_kv_c(&o.json, "name", r->test->name);
        json_kv_c(&o.json, "file", r->test->node->file);
        json_kv_i64(&o.json, "line", r->test->node->key_line);
        json_kv_bool(&o.json, "ok", r->failure_count == 0);
        json_kv_i64(&o.json, "duration_us", r->duration_us);
        json_key(&o.json, "failures");
        json_begin_array(&o.json);
        for (size_t k = 0; k < r->failure_count; k++) {
            write_failure(&r->failures[k], &o.json);
        }
        json_end_array(&o.json);
        json_end_object(&o.json);
    }
    json_end_array(&o.json);
    json_key(&o.json, "coverage");
    facts_json(&coverage->transforms, &o.json);
    json_key(&o.json, "branches_missed");
    facts_json(&coverage->branches, &o.json);
    json_end_object(&o.json);
    return json_output_end(&o, exit_code);
}

/* ---- the command ---- */

static int test_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    CLEANUP(release) struct test_session s = {.count = 0};
    cases_init(&s.cases);
    enum err_code code = run_all(&s, call, &err);
    case_run_count(&s.run);
    const char *junit = invocation_option(call, "junit");
    if (code == ERR_NONE && junit != NULL) {
        code = test_write_junit(&s, junit, &err);
    }
    if (code != ERR_NONE) {
        return command_failed(&err);
    }
    CLEANUP(coverage_release)
    struct coverage coverage = {FACTS_INIT(coverage_columns), FACTS_INIT(branch_columns)};
    add_coverage(&s, &coverage.transforms);
    add_branches(&s, &coverage.branches);
    const int exit_code = test_failed(&s) > 0 ? EXIT_FINDINGS : EXIT_DONE;
    return invocation_has(call, "json") ? print_json(&s, &coverage, exit_code)
                                        : print_text(&s, &coverage, exit_code);
}

const struct command command_test = {
    .name = "test",
    .usage = "FLOW [NAME...] [--junit FILE] [--json]",
    .summary = "run the flow's own tests",
    .doc =
        "Reads tests/*.yaml beside the flow: given records or rows, what the tables must hold\n"
        "then. Each runs in a scratch store; no source is asked, no clock or network used. NAME:\n"
        "only tests with that in their name. Ends with 3 when one fails. Told at the end is which\n"
        "branches of a CASE and which side of a WHERE no test reached.\n\n"
        "  tests:\n"
        "    a-later-state-wins:\n"
        "      records:\n"
        "        orders: |\n"
        "          {\"id\": 1, \"status\": \"open\", \"updated\": \"2026-01-05T09:00:00Z\"}\n"
        "          {\"id\": 1, \"status\": \"paid\", \"updated\": \"2026-01-05T09:10:00Z\"}\n"
        "      expect:\n"
        "        orders: [{id: 1, status: paid}]",
    .options = options,
    .arguments_min = 1,
    .arguments_max = COMMAND_ARGUMENTS_MAX,
    .run = test_run,
};
