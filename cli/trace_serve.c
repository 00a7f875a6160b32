/* How it works: as `plumb trace --json`, over a reader of the server's, with bounds that keep it short:
 * fewer batches are searched, less memory is used, and the search ends in time. */
#include "cli/trace.h"

static enum err_code trace_one(struct trace *t, const struct server_traced *what, struct err *err) {
    AUTO_BUF condition = BUF_INIT(BUF_TEXT_MAX);
    bool found = false;
    enum err_code code =
        trace_key_condition(what->table, what->key, what->key_count, &condition, err);
    if (code == ERR_NONE) {
        code = trace_find(t, what->table, buf_c(&condition), &found, err);
    }
    if (code == ERR_NONE && !found) {
        return err_set(err, ERR_INPUT, "table '%s' has no row with that key", what->table->name);
    }
    if (code == ERR_NONE) {
        code = trace_walk(t, err);
    }
    return code == ERR_NONE ? trace_records(t, err) : code;
}

enum err_code trace_document(const struct server_traced *what, struct store *store, struct buf *out,
                             struct err *err) {
    union {
        const struct flow *given;
        struct flow *borrowed; /* tracing reads it */
    } both = {.given = what->flow};
    const struct opened opened = {both.borrowed, store};
    CLEANUP(trace_release) struct trace t;
    trace_init(&t, &opened);
    t.batches_max = TRACE_SERVED_BATCHES;
    t.until_us = what->until_us;
    trace_bound(&t, TRACE_SERVED_BYTES, TRACE_SERVED_BATCH_BYTES);
    enum err_code code = trace_one(&t, what, err);
    if (code == ERR_LIMIT) {
        return err_wrap(err, "this trace is too large for an answer; 'plumb trace' has more room");
    }
    if (code == ERR_NONE) {
        struct json_writer w;
        json_writer_init(&w, out);
        trace_json(&t, &w);
        buf_addc(out, '\n');
    }
    return code;
}
