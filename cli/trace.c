/* `plumb trace`: a row, the rows and raw records it came from, and what depends on it.
 *
 * How it works: trace_key.c reads the key by the types of its columns; trace_walk.c finds the rows around it,
 * trace_records.c the records, and the other files show them. */
#include "cli/trace.h"

#include <string.h>

#include "base/parse.h"
#include "cli/commands.h"

static const struct command_option options[] = {
    {"batches", "N", "Staged batches to search for records, newest first (default: 1000)."},
    {"limit", "N", "Rows a step names (default: 20); it counts all of them."},
    {"graph", "FORM", "As a graph: mermaid or dot."},
    {"json", NULL, "As JSON, with whole raw records."},
    {NULL, NULL, NULL}};

/* Which column an argument is for, and its value. False for one too many or twice. */
static bool place(const struct flow_table *t, const char **values, const char *text) {
    const size_t end = strcspn(text, "=");
    for (size_t n = 0; text[end] == '=' && trace_key_name(t, n) != NULL; n++) {
        if (str_equal_c((struct str){text, end}, trace_key_name(t, n))) {
            const bool first = values[n] == NULL;
            values[n] = text + end + 1;
            return first;
        }
    }
    for (size_t n = 0; trace_key_name(t, n) != NULL; n++) {
        if (values[n] == NULL) {
            values[n] = text;
            return true;
        }
    }
    return false;
}

/* Arguments in the order of the key's columns, then the condition. */
static enum err_code read_key(const struct invocation *call, const struct flow_table *t,
                              struct buf *condition, struct err *err) {
    const char *texts[COMMAND_ARGUMENTS_MAX] = {NULL};
    size_t count = 0;
    while (trace_key_name(t, count) != NULL) {
        count++;
    }
    if (count > COMMAND_ARGUMENTS_MAX - 2) {
        return err_set(err, ERR_LIMIT, "the key of table '%s' has more than %d columns", t->name,
                       COMMAND_ARGUMENTS_MAX - 2);
    }
    bool placed = call->argument_count - 2 == count;
    for (size_t i = 2; placed && i < call->argument_count; i++) {
        placed = place(t, texts, call->arguments[i]);
    }
    return trace_key_condition(t, texts, placed ? count : 0, condition, err);
}

static enum err_code find_table(const struct opened *o, const char *name,
                                const struct flow_table **out, struct err *err) {
    *out = flow_find_table(o->flow, name);
    if (*out != NULL) {
        return ERR_NONE;
    }
    const char *names[FLOW_ITEMS_MAX];
    for (size_t i = 0; i < o->flow->table_count; i++) {
        names[i] = o->flow->tables[i].name;
    }
    char shown[64];
    str_printable(str_of(name), shown, sizeof shown);
    const char *near = parse_nearest(str_of(name), names, o->flow->table_count);
    return err_set(err, ERR_CONFIG, "flow '%s' has no table '%s'%s%s%s", o->flow->name, shown,
                   near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                   near != NULL ? "'?" : "");
}

static int print(const struct invocation *call, const struct trace *t) {
    const char *form = invocation_option(call, "graph");
    if (invocation_has(call, "json")) {
        struct json_output o;
        json_output_begin(&o);
        trace_json(t, &o.json);
        return json_output_end(&o, EXIT_DONE);
    }
    AUTO_OUTPUT out;
    output_init(&out);
    if (form != NULL) {
        trace_graph(t, form, &out.text);
    } else {
        trace_text(t, &out);
    }
    return output_flush(&out, EXIT_DONE);
}

static enum err_code read_options(const struct invocation *call, struct trace *t, struct err *err) {
    static const struct range_i64 batches = {0, TRACE_BATCHES_MAX};
    static const struct range_i64 limit = {0, TRACE_ROWS_MAX};
    const char *form = invocation_option(call, "graph");
    if (form != NULL && strcmp(form, "mermaid") != 0 && strcmp(form, "dot") != 0) {
        return err_set(err, ERR_CONFIG, "option '--graph' must be mermaid or dot");
    }
    enum err_code code =
        invocation_number(call, "batches", batches, TRACE_BATCHES, &t->batches_max, err);
    return code == ERR_NONE ? invocation_number(call, "limit", limit, TRACE_LISTED, &t->limit, err)
                            : code;
}

static int trace_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    AUTO_OPENED opened = {.flow = NULL};
    CLEANUP(trace_release) struct trace t;
    trace_init(&t, &opened);
    if (read_options(call, &t, &err) != ERR_NONE) {
        return command_misused(call, &err);
    }
    if (opened_open(&opened, call, call->arguments[0], STORE_READ, &err) != ERR_NONE) {
        return command_failed(&err);
    }
    const struct flow_table *table = NULL;
    AUTO_BUF condition = BUF_INIT(BUF_TEXT_MAX);
    enum err_code code = find_table(&opened, call->arguments[1], &table, &err);
    if (code == ERR_NONE) {
        code = read_key(call, table, &condition, &err);
    }
    if (code != ERR_NONE) {
        return command_misused(call, &err);
    }
    bool found = false;
    code = trace_find(&t, table, buf_c(&condition), &found, &err);
    if (code == ERR_NONE && !found) {
        code = err_set(&err, ERR_INPUT, "table '%s' has no row with that key", table->name);
    }
    if (code == ERR_NONE) {
        code = trace_walk(&t, &err);
    }
    if (code == ERR_NONE) {
        code = trace_records(&t, &err);
    }
    return code == ERR_NONE ? print(call, &t) : command_failed(&err);
}

const struct command command_trace = {
    .name = "trace",
    .usage = "FLOW TABLE KEY... [--limit N] [--batches N] [--graph FORM] [--json]",
    .summary = "where a row came from, and what depends on it",
    .doc =
        "KEY is the row's key: values in the order of the key's columns, or COLUMN=VALUE; bytes "
        "as\n"
        "0x..., int256 as decimal. Up through sums and derives to the rows of maps and the raw\n"
        "records these were made from; down to every row that depends on it. Rows of a table with\n"
        "`lineage: true` know their record; for others staged batches are decoded again, newest\n"
        "first, until one makes the row. Reads as of one moment; `plumb run` goes on beside it.",
    .options = options,
    .arguments_min = 3,
    .arguments_max = COMMAND_ARGUMENTS_MAX,
    .run = trace_run,
};
