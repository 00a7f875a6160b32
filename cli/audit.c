/* `plumb audit`: law 4 proved. Every check reads what the engine wrote for another purpose, so that
 * one wrong number has to contradict another one. */
#include "cli/audit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"

static const struct command_option options[] = {
    {"deep", NULL, "Make every table again from the staged batches, aside, and compare."},
    {"repair", NULL, "Say what would mend the store's own tables."},
    {"yes", NULL, "Do it."},
    {"write-off", NULL, "Batches that no source has any more become rejects."},
    {"json", NULL, "As JSON."},
    {NULL, NULL, NULL}};

static const struct fact_column check_columns[] = {{"check", "check", FACT_TEXT},
                                                   {"examined", "looked at", FACT_COUNT},
                                                   {"findings", "found", FACT_COUNT},
                                                   {"claim", "what must hold", FACT_TEXT}};
static const struct fact_column finding_columns[] = {{"check", "check", FACT_TEXT},
                                                     {"where", "where", FACT_TEXT},
                                                     {"message", "what is off", FACT_TEXT}};
static const struct fact_column deep_columns[] = {
    {"table", "table", FACT_TEXT},          {"rows", "rows", FACT_COUNT},
    {"missing", "missing", FACT_COUNT},     {"extra", "too much", FACT_COUNT},
    {"differing", "different", FACT_COUNT}, {"result", "recomputed", FACT_TEXT}};
static const struct fact_column table_columns[] = {{"table", "table", FACT_TEXT},
                                                   {"made_by", "made by", FACT_TEXT},
                                                   {"rows", "rows", FACT_COUNT},
                                                   {"digest", "digest", FACT_TEXT}};

void audit_init(struct audit *a, const struct opened *opened) {
    *a = (struct audit){.opened = opened,
                        .checks = FACTS_INIT(check_columns),
                        .findings = FACTS_INIT(finding_columns),
                        .tables = FACTS_INIT(table_columns),
                        .deep = FACTS_INIT(deep_columns)};
}

void audit_release(struct audit *a) {
    facts_release(&a->checks);
    facts_release(&a->findings);
    facts_release(&a->tables);
    facts_release(&a->deep);
}

void audit_begin(struct audit *a, const char *check, const char *claim) {
    a->check = check;
    a->claim = claim;
    a->examined = 0;
    a->found = 0;
}

void audit_end(struct audit *a) {
    facts_c(&a->checks, a->check);
    facts_number(&a->checks, a->examined);
    facts_number(&a->checks, (int64_t)a->found);
    facts_style(&a->checks, a->found > 0 ? STYLE_BAD : STYLE_GOOD);
    facts_c(&a->checks, a->claim);
}

static void keep_finding(struct audit *a, struct str where, struct str message) {
    a->found++;
    if (a->found > AUDIT_FINDINGS_MAX) {
        return;
    }
    facts_c(&a->findings, a->check);
    facts_style(&a->findings, STYLE_BAD);
    facts_text(&a->findings, where);
    facts_text(&a->findings, message);
}

void audit_find(struct audit *a, struct str where, const char *fmt, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    const int len = vasprintf(&text, fmt, args);
    va_end(args);
    ASSERT(len >= 0);
    keep_finding(a, where, (struct str){text, (size_t)len});
    free(text);
}

enum err_code audit_find_rows(struct audit *a, const char *sql, struct err *err) {
    struct store_statement *st = NULL;
    enum err_code code = store_prepare(a->opened->store, sql, &st, err);
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        if (code == ERR_NONE && has_row) {
            /* The second value may move the first: each is copied before the next is asked for. */
            const struct str where = store_column_str(st, 0);
            char *copy = mem_strndup(where.ptr != NULL ? where.ptr : "", where.len);
            const struct str kept = {copy, where.len};
            keep_finding(a, kept, store_column_str(st, 1));
            mem_free(copy);
        }
    }
    store_statement_free(st);
    return code != ERR_NONE ? err_wrap(err, "audit '%s'", a->check) : ERR_NONE;
}

enum err_code audit_examine(struct audit *a, const char *sql, struct err *err) {
    int64_t n = 0;
    bool found = false;
    enum err_code code = store_get_i64(a->opened->store, sql, &n, &found, err);
    a->examined += found ? n : 0;
    return code;
}

int64_t audit_findings(const struct audit *a) {
    int64_t total = 0;
    for (size_t i = 0; i < facts_rows(&a->checks); i++) {
        total += a->checks.cells[i * a->checks.column_count + 2].number;
    }
    return total;
}

static int print_json(const struct audit *a, int exit_code) {
    struct json_output o;
    json_output_begin(&o);
    json_begin_object(&o.json);
    json_kv_bool(&o.json, "ok", exit_code == EXIT_DONE);
    json_kv_c(&o.json, "flow", a->opened->flow->name);
    json_kv_c(&o.json, "store", store_path(a->opened->store));
    json_key(&o.json, "checks");
    facts_json(&a->checks, &o.json);
    json_key(&o.json, "findings");
    facts_json(&a->findings, &o.json);
    if (facts_rows(&a->deep) > 0) {
        json_key(&o.json, "recomputed");
        facts_json(&a->deep, &o.json);
    }
    json_key(&o.json, "tables");
    json_begin_object(&o.json);
    for (size_t i = 0; i < facts_rows(&a->tables); i++) {
        const struct fact *row = &a->tables.cells[i * a->tables.column_count];
        json_key(&o.json, row[0].text);
        json_begin_object(&o.json);
        json_kv_c(&o.json, "made_by", row[1].text);
        json_kv_i64(&o.json, "rows", row[2].number);
        json_kv_c(&o.json, "digest", row[3].text);
        json_end_object(&o.json);
    }
    json_end_object(&o.json);
    json_end_object(&o.json);
    return json_output_end(&o, exit_code);
}

static int print_text(const struct audit *a, int exit_code) {
    AUTO_OUTPUT out;
    output_init(&out);
    output_styled(&out, STYLE_STRONG, "%s", a->opened->flow->name);
    output_add(&out, "  ");
    output_data(&out, str_of(store_path(a->opened->store)));
    output_add(&out, "\n\n");
    facts_show(&a->checks, &out, FACTS_ROWS_MAX);
    if (facts_rows(&a->tables) > 0) {
        output_add(&out, "\n");
        facts_show(&a->tables, &out, FACTS_ROWS_MAX);
    }
    if (facts_rows(&a->deep) > 0) {
        output_add(&out, "\n");
        facts_show(&a->deep, &out, FACTS_ROWS_MAX);
    }
    const int64_t total = audit_findings(a);
    output_add(&out, "\n");
    if (total == 0) {
        output_styled(&out, STYLE_GOOD, "Every row is accounted for.\n");
        return output_flush(&out, exit_code);
    }
    out.columns = 0; /* findings are never cut */
    facts_show(&a->findings, &out, FACTS_ROWS_MAX);
    if ((size_t)total > facts_rows(&a->findings)) {
        output_add(&out, "  (the first %d of each check)\n", AUDIT_FINDINGS_MAX);
    }
    AUTO_BUF count = BUF_INIT(BUF_TEXT_MAX);
    output_count(&count, (size_t)total, "finding");
    output_add(&out, "\n");
    output_styled(&out, STYLE_BAD, "%s.\n", buf_c(&count));
    return output_flush(&out, exit_code);
}

static enum err_code audit_database(struct audit *a, struct err *err) {
    if (store_dialect(a->opened->store) != STORE_SQLITE) {
        return ERR_NONE; /* the server looks after its pages (data_checksums) */
    }
    audit_begin(a, "database", "SQLite finds every page and every row of the file in order");
    enum err_code code = audit_examine(a, "PRAGMA main.page_count", err);
    struct store_statement *st = NULL;
    if (code == ERR_NONE) {
        code = store_prepare(a->opened->store, "PRAGMA main.quick_check", &st, err);
    }
    bool has_row = true;
    while (code == ERR_NONE && has_row) {
        code = store_step(st, &has_row, err);
        const struct str said = code == ERR_NONE && has_row ? store_column_str(st, 0) : STR("ok");
        if (!str_equal_c(said, "ok")) {
            audit_find(a, str_of(store_path(a->opened->store)), "%.*s", STR_FMT(said));
        }
    }
    store_statement_free(st);
    if (code == ERR_NONE) {
        audit_end(a);
    }
    return code;
}

enum err_code audit_all(struct audit *a, const struct invocation *call, struct err *err) {
    static enum err_code (*const parts[])(struct audit *, struct err *) = {
        audit_database, audit_ledger, audit_staging, audit_progress, audit_tables};
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < ARRAY_COUNT(parts); i++) {
        code = parts[i](a, err);
    }
    if (code == ERR_NONE && invocation_has(call, "deep")) {
        code = audit_deep(a, invocation_has(call, "json"), err);
    }
    if (code == ERR_CORRUPT && a->check != NULL) {
        /* What cannot be read is what an audit is there to tell; with it the other checks end. */
        audit_find(a, str_of(store_path(a->opened->store)), "%s", err->message);
        audit_end(a);
        err_clear(err);
        code = ERR_NONE;
    }
    return code;
}

static int audit_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    if (invocation_has(call, "repair")) {
        return audit_repair_run(call);
    }
    if (invocation_has(call, "yes") || invocation_has(call, "write-off")) {
        (void)err_set(&err, ERR_CONFIG, "--yes and --write-off go with --repair");
        return command_misused(call, &err);
    }
    AUTO_OPENED opened = {.flow = NULL};
    enum err_code code = opened_open(&opened, call, call->arguments[0], STORE_READ, &err);
    CLEANUP(audit_release) struct audit audit;
    audit_init(&audit, &opened);
    if (code == ERR_NONE) {
        code = audit_all(&audit, call, &err);
    }
    if (code != ERR_NONE) {
        return command_failed(&err);
    }
    const int exit_code = audit_findings(&audit) > 0 ? EXIT_FINDINGS : EXIT_DONE;
    return invocation_has(call, "json") ? print_json(&audit, exit_code)
                                        : print_text(&audit, exit_code);
}

const struct command command_audit = {
    .name = "audit",
    .usage = "FLOW [--deep] [--repair [--write-off] [--yes]] [--json]",
    .summary = "prove that every row is accounted for; print the tables' digests",
    .doc =
        "Lets SQLite check its file, opens every staged batch and checks its checksum, holds\n"
        "records, rejects, ledger and tables against each other, and looks for gaps and for\n"
        "work not done. Ends with 3 when anything is off. Changes nothing, and may run beside\n"
        "`plumb run`.\n\n"
        "With --deep every table that transforms make is made again from the staged batches, in a\n"
        "database aside (STORE-audit, removed afterwards), and every sum and derive is evaluated\n"
        "once over its whole input. Rows that are missing, too many or different are told with\n"
        "the transform that is at fault, or the hand.\n\n"
        "Two stores with equal digests hold the same rows: see docs/digest.md.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = audit_run,
};
