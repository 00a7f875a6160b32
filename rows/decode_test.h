/* What the decoder tests share: one batch from text records, decoded at once, everything in one
 * arena. */
#ifndef PLUMB_ROWS_DECODE_TEST_H
#define PLUMB_ROWS_DECODE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rows/decode.h"

#include <string.h>

#define TEST_ARENA_MAX ((size_t)256 << 20)

struct run {
    struct batch batch;
    struct arena arena;
    struct decoded out;
};

static inline void run_records(struct run *r, struct decoder *d, struct str meta,
                               const struct str *records, size_t count) {
    struct err err = ERR_INIT;
    batch_init(&r->batch);
    arena_init(&r->arena, TEST_ARENA_MAX);
    assert_int_equal(batch_begin(&r->batch, meta, &err), ERR_NONE);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(batch_add(&r->batch, records[i], RECORD_WHOLE, &err), ERR_NONE);
    }
    assert_int_equal(batch_seal(&r->batch, 1, &err), ERR_NONE);
    assert_int_equal(decoder_run(d, &r->batch, &r->arena, &r->out, &err), ERR_NONE);
    assert_int_equal(r->out.streams[0].count + r->out.rejects.count, count);
}

static inline void run_one(struct run *r, struct decoder *d, struct str meta, struct str record) {
    run_records(r, d, meta, &record, 1);
}

static inline void run_release(struct run *r) {
    batch_release(&r->batch);
    arena_release(&r->arena);
}

static inline void expect_reject(const struct run *r, enum reject_reason reason, int64_t offset,
                                 const char *text) {
    assert_int_equal(r->out.rejects.count, 1);
    const struct reject *reject = &r->out.rejects.items[0];
    char message[REJECT_MESSAGE_BYTES + 1] = "";
    memcpy(message, reject->message.ptr, reject->message.len);
    if (strstr(message, text) == NULL) {
        print_message("%s\n", message);
    }
    assert_non_null(strstr(message, text));
    assert_string_equal(reject_reason_name(reject->reason), reject_reason_name(reason));
    assert_int_equal(reject->offset, offset);
}

/* A contract of up to eight columns, the path being the name unless given. */
#define TEST_COLUMNS_MAX 8
struct test_contract {
    struct contract contract;
    struct contract_column columns[TEST_COLUMNS_MAX];
    struct column schema[TEST_COLUMNS_MAX];
    const char *names[TEST_COLUMNS_MAX];
};

static inline const struct contract *
test_contract_of(struct test_contract *t, const struct contract_column *columns, size_t count) {
    assert_true(count <= TEST_COLUMNS_MAX);
    memset(t, 0, sizeof(*t));
    for (size_t i = 0; i < count; i++) {
        t->columns[i] = columns[i];
        t->names[i] = columns[i].name;
        if (columns[i].path == NULL) {
            t->columns[i].path = &t->names[i];
            t->columns[i].path_depth = 1;
        }
        t->schema[i] = (struct column){columns[i].name, columns[i].type};
    }
    t->contract.schema = (struct schema){t->schema, count};
    t->contract.columns = t->columns;
    return &t->contract;
}

#define NO_BOUND                                                                                   \
    { .is_null = true }
#define INT_BOUND(v)                                                                               \
    { .type = TYPE_INT64, .integer = (v) }
/* Columns without bounds; COLUMN takes more members. */
#define PLAIN(n, t)                                                                                \
    { .name = (n), .type = TYPE_##t, .min = NO_BOUND, .max = NO_BOUND }
#define COLUMN(n, t, ...)                                                                          \
    { .name = (n), .type = TYPE_##t, .min = NO_BOUND, .max = NO_BOUND, __VA_ARGS__ }

#endif
