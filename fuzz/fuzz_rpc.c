/* JSON-RPC answers of any bytes: what is read lies inside the body, JSON is never refused, items are whole,
 * and no verdict on an error asks for as much again. */
#include "fuzz/fuzz.h"

#include "base/json.h"
#include "base/mem.h"
#include "source/evm/rpc_error.h"
#include "source/evm/rpc_json.h"

#define CALLS      3
#define FIRST_ID   7
#define ARENA_MAX  ((size_t)64 << 20)
#define RANGE_FROM 100

static void check_inside(struct str part, struct str whole) {
    ASSERT(part.len == 0 ||
           (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len));
}

/* At most what was asked for less one block, from the same start. */
static void check_verdict(const struct rpc_error_text *text, int64_t to, int status) {
    struct rpc_failure failure = {.http_status = status,
                                  .has_code = text->has_code,
                                  .code = text->code,
                                  .message = text->message,
                                  .data = text->data,
                                  .has_range = true,
                                  .from = RANGE_FROM,
                                  .to = to,
                                  .retry_after_us = -1};
    struct rpc_verdict v = rpc_error_classify(&failure);
    int64_t span = to - RANGE_FROM;
    ASSERT(rpc_kind_name(v.kind) != NULL);
    ASSERT(v.action != RPC_ASK_LESS || span > 0);
    ASSERT(v.max_span == -1 || (v.max_span >= 0 && v.max_span < span));
    ASSERT(v.suggested_to == -1 || (v.suggested_to >= RANGE_FROM && v.suggested_to < to));
    ASSERT(v.max_results == -1 || v.max_results > 0);
    ASSERT(v.retry_after_us >= -1 && v.retry_after_us <= HTTP_RETRY_AFTER_US_MAX);
}

static void check_error(struct str raw) {
    struct rpc_error_text text;
    rpc_read_error(raw, &text);
    ASSERT(text.message.len <= RPC_TEXT_BYTES_MAX);
    check_inside(text.data, raw);
    check_verdict(&text, RANGE_FROM, 0);
    check_verdict(&text, RANGE_FROM + 1, 429);
    check_verdict(&text, RANGE_FROM + 5000, 200);
}

static void check_log(struct str log) {
    static const char *const names[] = {"blockNumber", "blockHash", "topics"};
    struct str found[ARRAY_COUNT(names)];
    uint64_t number = 0;
    uint8_t hash[32];
    if (!rpc_members(log, names, ARRAY_COUNT(names), found)) {
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        check_inside(found[i], log);
    }
    if (rpc_quantity(found[0], 1000, &number)) {
        ASSERT(number <= 1000);
    }
    bool is_hash = rpc_bytes(found[1], hash, sizeof hash);
    ASSERT(!is_hash || found[1].len == 2 * sizeof hash + 4);
}

/* Items follow each other and do not overlap. */
static void check_result(struct str raw) {
    struct rpc_items items;
    struct str item;
    const char *last = raw.ptr;
    rpc_items_init(&items, raw);
    while (rpc_items_next(&items, &item)) {
        ASSERT(item.len > 0 && item.ptr > last);
        check_inside(item, raw);
        last = item.ptr + item.len - 1;
        check_log(item);
    }
}

/* Whether base/json takes the text, as an object or an array. */
static bool is_json(struct str text) {
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    const struct json_value *value = NULL;
    struct err err = ERR_INIT;
    bool parsed = json_parse(text, &arena, &value, &err) == ERR_NONE &&
                  (value->kind == JSON_OBJECT || value->kind == JSON_ARRAY);
    arena_release(&arena);
    return parsed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str body = {size == 0 ? "" : (const char *)data, size};
    struct rpc_answer answers[CALLS];
    struct rpc_reading reading;
    struct err err = ERR_INIT;
    size_t count = 1 + size % CALLS;
    if (rpc_read(body, FIRST_ID, answers, count, &reading, &err) == ERR_NONE) {
        for (size_t i = 0; i < count; i++) {
            check_inside(answers[i].raw, body);
            ASSERT((answers[i].kind == RPC_MISSING) == (answers[i].raw.len == 0));
            check_error(answers[i].raw);
            check_result(answers[i].raw);
        }
    } else {
        ASSERT(err.code == ERR_UNAVAILABLE && err.message[0] != '\0');
        ASSERT(!is_json(body));
    }
    check_error(body);
    check_result(body);
    struct rpc_error_text text = {.message = body}; /* as the body of a 429 that is no JSON */
    check_verdict(&text, RANGE_FROM + 5000, 429);
    return 0;
}
