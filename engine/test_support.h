/* For the tests of this folder: cmocka with what it needs before it, and a source that does what a
 * script says. */
#ifndef PLUMB_ENGINE_TEST_SUPPORT_H
#define PLUMB_ENGINE_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parse.h"
#include "component/component.h"
#include "component/source.h"
#include "flow/flow.h"

struct script_conf {
    const char *path;
};

static const struct option script_options[] = {OPTION_STR(
    struct script_conf, path, .def = "nowhere", .doc = "Not looked at.", .example = "a")};

/* What the source does: one letter a call of next.
 *   b  a batch of one record {"id": N}, N counting from 0 over the source's life
 *   i  idle for 1 ms             t  trouble of partition "p"
 *   u  UNAVAILABLE               c  CONFIG
 *   .  the end, also past the last letter */
struct script {
    const char *steps;
    size_t at;
    int64_t given;                /* records */
    int64_t acked;                /* records the last acknowledgement speaks of */
    int64_t acks;                 /* how many there were */
    bool out_of_order;            /* one spoke of less than the one before */
    int64_t opened;               /* times */
    int64_t (*committed)(void *); /* asked at each ack; NULL: not asked */
    void *context;
    bool too_early; /* an ack came before its commit */
};
static struct script script; /* one thread of the engine's uses it; read after it has ended */

static enum err_code script_open(const void *conf, const struct source_env *env, void **out,
                                 struct err *err) {
    (void)conf;
    (void)err;
    script.opened++;
    for (size_t i = 0; i < env->cursor_count; i++) {
        assert_true(parse_i64(env->cursors[i].cursor, &script.given));
    }
    *out = &script;
    return ERR_NONE;
}

static void script_close(void *source) {
    (void)source;
}

static enum err_code script_batch(struct source_output *out, enum source_state *state,
                                  struct err *err) {
    char text[64];
    int len = snprintf(text, sizeof(text), "{\"id\": %lld}", (long long)script.given);
    (void)snprintf(out->partition, sizeof(out->partition), "p");
    out->first_record = script.given;
    enum err_code code = batch_begin(&out->batch, STR(""), err);
    if (code == ERR_NONE) {
        code = batch_add(&out->batch, (struct str){text, (size_t)len}, RECORD_WHOLE, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    script.given++;
    buf_clear(&out->cursor);
    buf_addf(&out->cursor, "%lld", (long long)script.given);
    *state = SOURCE_BATCH;
    return ERR_NONE;
}

static enum err_code script_next(void *source, const struct source_limit *limit,
                                 struct source_output *out, enum source_state *state,
                                 struct err *err) {
    (void)source;
    assert_true(limit->rows_max > 0);
    char step = script.steps[script.at];
    script.at += step != '\0';
    switch (step) {
    case 'b':
        return script_batch(out, state, err);
    case 'i':
        out->wait_us = 1000;
        *state = SOURCE_IDLE;
        return ERR_NONE;
    case 't':
        (void)snprintf(out->partition, sizeof(out->partition), "p");
        (void)err_set(&out->trouble, ERR_UNAVAILABLE, "the partition is away");
        *state = SOURCE_TROUBLE;
        return ERR_NONE;
    case 'u':
        return err_set(err, ERR_UNAVAILABLE, "not now");
    case 'c':
        return err_set(err, ERR_CONFIG, "never");
    default:
        *state = SOURCE_END;
        return ERR_NONE;
    }
}

static enum err_code script_ack(void *source, const char *partition, struct str cursor,
                                struct err *err) {
    (void)source;
    (void)err;
    assert_string_equal(partition, "p");
    int64_t records = 0;
    assert_true(parse_i64(cursor, &records));
    script.out_of_order = script.out_of_order || records < script.acked;
    script.acked = records;
    script.acks++;
    if (script.committed != NULL) {
        script.too_early = script.too_early || script.committed(script.context) < records;
    }
    return ERR_NONE;
}

static enum err_code script_decoder(const void *conf, const struct contract *contract,
                                    const struct stream *streams, size_t stream_count,
                                    struct decoder **out, struct err *err) {
    (void)conf;
    (void)streams;
    (void)stream_count;
    return decoder_new_json(contract, out, err);
}

static const struct source_ops script_ops = {.open = script_open,
                                             .close = script_close,
                                             .next = script_next,
                                             .ack = script_ack,
                                             .decoder = script_decoder};
static const struct component script_source = {
    .kind = COMPONENT_SOURCE,
    .name = "script",
    .since = "0.1",
    .summary = "Does what a test says.",
    .doc = "Nothing.",
    .example = "s:\n  type: script\n  columns: {id: int64}\n",
    COMPONENT_OPTIONS(script_options),
    .conf_size = sizeof(struct script_conf),
    .caps = CAP_RESUMABLE | CAP_ACKS,
    .source = &script_ops,
};
static const struct component *const script_components[] = {&script_source};
static const struct registry script_registry = {script_components, 1};

static const char script_yaml[] =
    "flow: t\n"
    "store: sqlite:t.db\n"
    "sources:\n"
    "  s: {type: script, columns: {id: {type: int64, required: true}}}\n"
    "tables:\n"
    "  rows: {key: [id], columns: {id: int64}}\n"
    "  counts: {key: [digit], columns: {digit: int64, n: int64}}\n"
    "transforms:\n"
    "  rows: {from: sources.s, into: rows, sql: 'SELECT id FROM batch'}\n"
    "  counts: {from: tables.rows, into: counts, sum: 'SELECT id % 10 AS digit, 1 AS n FROM "
    "change'}\n";

/* A flow over that source in a new directory, whose path is written to directory. */
static inline struct flow *script_flow(char directory[64]) {
    (void)snprintf(directory, 64, "/tmp/plumb-engine-XXXXXX");
    assert_non_null(mkdtemp(directory));
    struct err err = ERR_INIT;
    struct flow *flow = NULL;
    char *path = mem_printf("%s/flow.yaml", directory);
    assert_int_equal(file_write_atomic(path, str_of(script_yaml), &err), ERR_NONE);
    if (flow_load(path, &script_registry, &flow, &err) != ERR_NONE) {
        fail_msg("%s: %s", err.where, err.message);
    }
    mem_free(path);
    return flow;
}

static inline void script_remove(const char *directory) {
    static const char *const names[] = {"flow.yaml", "t.db", "t.db-wal", "t.db-shm", "t.db-lock"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char *path = mem_printf("%s/%s", directory, names[i]);
        (void)unlink(path);
        mem_free(path);
    }
    assert_int_equal(rmdir(directory), 0);
}

#endif
