/* What errors mean: cases by hand, properties over random ones, and a corpus of real texts when it is
 * beside the checkout ($PLUMB_DATA/rpc-errors or shared/data/rpc-errors). */
#include "base/test_support.h"

#include "base/file.h"
#include "base/json.h"
#include "base/parse.h"
#include "source/evm/rpc_error.h"

struct example {
    int status;
    int64_t code; /* 0: none */
    const char *message;
    const char *data; /* NULL: none */
    int64_t from, to; /* both -1: no range */
    enum rpc_kind kind;
    enum rpc_action action;
    int64_t max_span, max_results, max_batch, suggested_to, retry_after_us;
};

static struct rpc_verdict judge(const struct example *e) {
    return rpc_error_classify(&(struct rpc_failure){.http_status = e->status,
                                                    .has_code = e->code != 0,
                                                    .code = e->code,
                                                    .message = str_of(e->message),
                                                    .data = str_of(e->data),
                                                    .has_range = e->from >= 0,
                                                    .from = e->from,
                                                    .to = e->to,
                                                    .retry_after_us = -1});
}

static void check(const struct example *e) {
    struct rpc_verdict v = judge(e);
    if (v.kind != e->kind || v.action != e->action || v.max_span != e->max_span ||
        v.max_results != e->max_results || v.max_batch != e->max_batch ||
        v.suggested_to != e->suggested_to || v.retry_after_us != e->retry_after_us) {
        fail_msg("'%s': %s action %d span %lld results %lld batch %lld to %lld retry %lld",
                 e->message, rpc_kind_name(v.kind), (int)v.action, (long long)v.max_span,
                 (long long)v.max_results, (long long)v.max_batch, (long long)v.suggested_to,
                 (long long)v.retry_after_us);
    }
}

#define NONE -1, -1, -1, -1, -1

static void caps_on_blocks_are_learned(void **state) {
    (void)state;
    static const struct example cases[] = {
        {400, -32600,
         "You can make eth_getLogs requests with up to a 10 block range. Based on your parameters, "
         "this block range should work: [0x64, 0x6d].",
         NULL, 100, 999, RPC_KIND_SPAN_CAP, RPC_ASK_LESS, 9, -1, -1, 109, -1},
        {413, -32614, "eth_getLogs is limited to a 10,000 range", NULL, 0, 20000, RPC_KIND_SPAN_CAP,
         RPC_ASK_LESS, 9999, -1, -1, -1, -1},
        {0, -32602, "range 20000 exceeds limit of 10000", NULL, 1, 20000, RPC_KIND_SPAN_CAP,
         RPC_ASK_LESS, 9999, -1, -1, -1, -1},
        {0, -32602, "eth_getLogs is limited to 0 - 50 blocks range", NULL, 1, 20000,
         RPC_KIND_SPAN_CAP, RPC_ASK_LESS, 49, -1, -1, -1, -1},
        {0, -32047,
         "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: 800", NULL,
         1, 20000, RPC_KIND_SPAN_CAP, RPC_ASK_LESS, 799, -1, -1, -1, -1},
        {0, -32602, "query exceeds range, retry smaller (max block range 5000, got 16777216)", NULL,
         1, 20000, RPC_KIND_SPAN_CAP, RPC_ASK_LESS, 4999, -1, -1, -1, -1},
        {0, -32000, "block range too large (2000), maximum allowed is 1000 blocks", NULL, 1, 2000,
         RPC_KIND_SPAN_CAP, RPC_ASK_LESS, 999, -1, -1, -1, -1},
        {0, 35, "ranges over 10000 blocks are not supported on freetier", NULL, 1, 20000,
         RPC_KIND_SPAN_CAP, RPC_ASK_LESS, 9999, -1, -1, -1, -1},
        {0, 0, "eth_getLogs range is too large, max is 1k blocks", NULL, 1, 20000,
         RPC_KIND_SPAN_CAP, RPC_ASK_LESS, 999, -1, -1, -1, -1},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        check(&cases[i]);
    }
}

static void numbers_that_do_not_tighten_are_dropped(void **state) {
    (void)state;
    static const struct example cases[] = {
        {0, 0, "eth_getLogs is limited to a 10,000 range", NULL, 1, 10000, RPC_KIND_SPAN_CAP,
         RPC_ASK_LESS, NONE},
        {0, 0, "eth_getLogs is limited to a 10,000 range", NULL, 1, 10001, RPC_KIND_SPAN_CAP,
         RPC_ASK_LESS, 9999, -1, -1, -1, -1},
        {0, 0, "eth_getLogs is limited to a 0 range", NULL, 1, 10000, RPC_KIND_SPAN_CAP,
         RPC_ASK_LESS, NONE},
        {0, 0, "eth_getLogs is limited to a 1 range", NULL, 1, 10000, RPC_KIND_SPAN_CAP,
         RPC_ASK_LESS, 0, -1, -1, -1, -1},
        {0, 0, "eth_getLogs is limited to a 5 range", NULL, 7, 7, RPC_KIND_SPAN_CAP, RPC_ASK_OTHER,
         NONE},
        {0, 0, "eth_getLogs is limited to a 99999999999999999999 range", NULL, 1, 100,
         RPC_KIND_UNKNOWN, RPC_ASK_LESS, NONE},
        {0, 0, "Block range limit exceeded. See docs", NULL, 1, 50000, RPC_KIND_SPAN_CAP,
         RPC_ASK_LESS, 9999, -1, -1, -1, -1},
        {0, 0, "Block range limit exceeded. See docs", NULL, 1, 5000, RPC_KIND_SPAN_CAP,
         RPC_ASK_LESS, 99, -1, -1, -1, -1},
        {0, 0, "Block range limit exceeded. See docs", NULL, 1, 50, RPC_KIND_SPAN_CAP, RPC_ASK_LESS,
         NONE},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        check(&cases[i]);
    }
}

static void suggestions_are_taken_only_when_they_shrink_from_the_same_start(void **state) {
    (void)state;
#define REST RPC_KIND_RESULT_CAP, RPC_ASK_LESS, -1
    static const struct example cases[] = {
        {0, 0, "query exceeds max results 20000, retry with the range 100-150", NULL, 100, 200,
         REST, 20000, -1, 150, -1},
        {0, 0, "query exceeds max results 20000, retry with the range 100-100", NULL, 100, 200,
         REST, 20000, -1, 100, -1},
        {0, 0, "query exceeds max results 20000, retry with the range 100-200", NULL, 100, 200,
         REST, 20000, -1, -1, -1},
        {0, 0, "query exceeds max results 20000, retry with the range 100-201", NULL, 100, 200,
         REST, 20000, -1, -1, -1},
        {0, 0, "query exceeds max results 20000, retry with the range 100-99", NULL, 100, 200, REST,
         20000, -1, -1, -1},
        {0, 0, "query exceeds max results 20000, retry with the range 101-150", NULL, 100, 200,
         REST, 20000, -1, -1, -1},
        {0, 0, "query exceeds max results 20000, retry with the range 99-150", NULL, 100, 200, REST,
         20000, -1, -1, -1},
        {0, -32005, "query returned more than 10000 results",
         "{\"from\":\"0x64\",\"limit\":10000,\"to\":\"0x96\"}", 100, 200, REST, 10000, -1, 150, -1},
        {0, -32005,
         "query returned more than 10000 results. Try with this block range [0x64, 0x6e].",
         "{\"from\":\"0x1\",\"limit\":10000,\"to\":\"0x96\"}", 100, 200, REST, 10000, -1, 110, -1},
        {0, -32602, "invalid params",
         "\"Query returned more than 20000 results. Try with this block range [0x64, 0x6e].\"", 100,
         200, REST, 20000, -1, 110, -1},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        check(&cases[i]);
    }
}

static void counts_of_logs_never_become_spans(void **state) {
    (void)state;
    static const struct example cases[] = {
        {0, -32000, "logs matched by query exceeds limit of 10000", NULL, 0, 99999, REST, 10000, -1,
         -1, -1},
        {0, -32602,
         "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block "
         "range and "
         "no limit on the response size, or you can request any block range with a cap of 10K logs "
         "in "
         "the response. Based on your parameters and the response size limit, this block range "
         "should "
         "work: [0x0, 0xd0]",
         NULL, 0, 99999, REST, 10000, -1, 0xd0, -1},
        {200, -32005, "limit exceeded", NULL, 0, 99999, REST, -1, -1, -1, -1},
        {200, 0, "Response is too big", NULL, 0, 99999, REST, -1, -1, -1, -1},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        check(&cases[i]);
    }
}

static void rates_wait_and_quotas_park(void **state) {
    (void)state;
    static const struct example cases[] = {
        {200, 429, "Your app has exceeded its compute units per second capacity.", NULL, 1, 9,
         RPC_KIND_RATE_LIMIT, RPC_SLOW_DOWN, NONE},
        {429, 0, "<html>nginx</html>", NULL, 1, 9, RPC_KIND_RATE_LIMIT, RPC_SLOW_DOWN, NONE},
        {200, 429, "something new", NULL, 1, 9, RPC_KIND_RATE_LIMIT, RPC_SLOW_DOWN, NONE},
        {429, -32005, "project ID request rate exceeded",
         "{\"rate\":{\"allowed_rps\":1,\"backoff_seconds\":2.5,\"current_rps\":3}}", 1, 9,
         RPC_KIND_RATE_LIMIT, RPC_SLOW_DOWN, -1, -1, -1, -1, 2500000},
        {429, 0, "call rate limit exhausted, retry in 10s", NULL, -1, -1, RPC_KIND_RATE_LIMIT,
         RPC_SLOW_DOWN, -1, -1, -1, -1, 10000000},
        {0, -32005, "limit exceeded", NULL, 5, 5, RPC_KIND_RATE_LIMIT, RPC_SLOW_DOWN, NONE},
        {429, -32005, "daily request count exceeded, request rate limited", NULL, 1, 9,
         RPC_KIND_QUOTA, RPC_PARK, NONE},
        {402, 0, "", NULL, 1, 9, RPC_KIND_QUOTA, RPC_PARK, NONE},
        {401, 0, "nope", NULL, 1, 9, RPC_KIND_AUTH, RPC_PARK, NONE},
        {200, -32600, "Must be authenticated!", NULL, 1, 9, RPC_KIND_AUTH, RPC_PARK, NONE},
        {429, 0, "rate limit exceeded", "{\"rate\":{\"backoff_seconds\":1e300}}", 1, 9,
         RPC_KIND_RATE_LIMIT, RPC_SLOW_DOWN, -1, -1, -1, -1, HTTP_RETRY_AFTER_US_MAX},
        {429, 0, "rate limit exceeded", "{\"rate\":{\"backoff_seconds\":-3}}", 1, 9,
         RPC_KIND_RATE_LIMIT, RPC_SLOW_DOWN, NONE},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        check(&cases[i]);
    }
}

static void what_a_node_has_not_is_told_apart(void **state) {
    (void)state;
    static const struct example cases[] = {
        {0, -32602, "block range extends beyond current head block", NULL, 1, 9,
         RPC_KIND_HEAD_BEHIND, RPC_WAIT_FOR_HEAD, NONE},
        {0, -32000, "header not found", NULL, 1, 9, RPC_KIND_HEAD_BEHIND, RPC_WAIT_FOR_HEAD, NONE},
        {0, -32000, "Unknown block", NULL, -1, -1, RPC_KIND_HEAD_BEHIND, RPC_WAIT_FOR_HEAD, NONE},
        {0, -32000, "requested to block 12 after last accepted block 10", NULL, 1, 12,
         RPC_KIND_HEAD_BEHIND, RPC_WAIT_FOR_HEAD, NONE},
        {0, -32000, "missing trie node e583 (path ) <nil>", NULL, 1, 9, RPC_KIND_PRUNED,
         RPC_ASK_OTHER, NONE},
        {0, 4444, "gone", NULL, 1, 9, RPC_KIND_PRUNED, RPC_ASK_OTHER, NONE},
        {0, -32602, "Archive requests require a personal token. Get one", NULL, 1, 9,
         RPC_KIND_ARCHIVE_GATED, RPC_ASK_OTHER, NONE},
        {0, -32603, "hash 6aeb is not currently canonical", NULL, 1, 9, RPC_KIND_REORGED,
         RPC_LOOK_AGAIN, NONE},
        {0, -32601, "the method eth_getBlockReceipts does not exist/is not available", NULL, -1, -1,
         RPC_KIND_UNSUPPORTED, RPC_ASK_OTHER, NONE},
        {0, -32601, "never heard of it", NULL, -1, -1, RPC_KIND_UNSUPPORTED, RPC_ASK_OTHER, NONE},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        check(&cases[i]);
    }
}

static void filters_and_batches_have_caps_of_their_own(void **state) {
    (void)state;
    static const struct example cases[] = {
        {0, 0, "exceed max addresses or topics per search position", NULL, 1, 9,
         RPC_KIND_SPLIT_ADDRESSES, RPC_ASK_FEWER_ADDRESSES, NONE},
        {0, 31, "Batch of more than 3 requests are not allowed on free tier", NULL, -1, -1,
         RPC_KIND_BATCH_CAP, RPC_ASK_SMALLER_BATCH, -1, -1, 3, -1, -1},
        {0, -32600, "batch too large", NULL, -1, -1, RPC_KIND_BATCH_CAP, RPC_ASK_SMALLER_BATCH,
         NONE},
        {0, -32014, "too many RPC calls in batch request", NULL, 1, 9, RPC_KIND_BATCH_CAP,
         RPC_ASK_SMALLER_BATCH, NONE},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        check(&cases[i]);
    }
}

static void what_is_down_is_tried_again(void **state) {
    (void)state;
    static const struct example cases[] = {
        {0, -32603, "service temporarily unavailable", NULL, 1, 9, RPC_KIND_RETRYABLE,
         RPC_TRY_AGAIN, NONE},
        {503, 0, "<html>", NULL, 1, 9, RPC_KIND_RETRYABLE, RPC_TRY_AGAIN, NONE},
        {200, 0, "", NULL, 1, 9, RPC_KIND_RETRYABLE, RPC_TRY_AGAIN, NONE},
        {504, 0, "<html>", NULL, 1, 9, RPC_KIND_TIMEOUT, RPC_ASK_LESS, NONE},
        {504, 0, "<html>", NULL, 9, 9, RPC_KIND_TIMEOUT, RPC_TRY_AGAIN, NONE},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        check(&cases[i]);
    }
}

static void what_nobody_knows_is_unknown_and_halved(void **state) {
    (void)state;
    static const char *const texts[] = {
        "execution reverted",
        "internal error",
        "invalid params",
        "nonce too low",
        "server error",
        "exceeded",
        "range",
        "the block limit is generous",
        "too large",
        "block",
        "10000",
        "[0x1, 0x2]",
        "log",
        "rate",
        "method",
        "header",
        "archive",
        "canonical",
        "insufficient funds for gas * price + value",
        "block gas limit exceeded",
        "replacement transaction underpriced",
        "Request body is too large",
        "method handler crashed",
        "transaction not found",
        "filter not found",
        "max fee per gas less than block base fee",
        "contract code size limit exceeded",
        "query failed",
        "the rate is 10000 blocks a second",
        "Missed `to` address",
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct example wide = {400, -32000,           texts[i],     NULL, 10,
                               20,  RPC_KIND_UNKNOWN, RPC_ASK_LESS, NONE};
        check(&wide);
        struct example narrow = {500, -32603,           texts[i],      NULL, 10,
                                 10,  RPC_KIND_UNKNOWN, RPC_ASK_OTHER, NONE};
        check(&narrow);
    }
}

static void an_end_without_an_answer_has_its_action(void **state) {
    (void)state;
    static const struct {
        enum http_end end;
        enum rpc_kind kind;
        enum rpc_action wide, narrow;
    } cases[] = {
        {HTTP_TOO_LARGE, RPC_KIND_RESULT_CAP, RPC_ASK_LESS, RPC_ASK_OTHER},
        {HTTP_TIMED_OUT, RPC_KIND_TIMEOUT, RPC_ASK_LESS, RPC_TRY_AGAIN},
        {HTTP_CUT, RPC_KIND_RETRYABLE, RPC_TRY_AGAIN, RPC_TRY_AGAIN},
        {HTTP_NO_HOST, RPC_KIND_RETRYABLE, RPC_TRY_AGAIN, RPC_TRY_AGAIN},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct rpc_verdict wide = rpc_error_of_end(cases[i].end, true, 1, 2);
        struct rpc_verdict narrow = rpc_error_of_end(cases[i].end, true, 2, 2);
        struct rpc_verdict none = rpc_error_of_end(cases[i].end, false, 0, 0);
        assert_true(wide.kind == cases[i].kind && narrow.kind == cases[i].kind);
        assert_true(wide.action == cases[i].wide && narrow.action == cases[i].narrow);
        assert_true(none.action == cases[i].narrow && none.max_span == -1);
    }
}

/* Any words in any order: whatever is concluded asks for less than what was asked, or does not ask for
 * less at all. */
static void no_verdict_ever_asks_for_as_much_again(void **state) {
    (void)state;
    static const char *const parts[] = {
        "block range",
        "exceeds limit of",
        "limited to a",
        "up to a",
        "query exceeds max results",
        "retry with the range",
        "this block range should work:",
        "[0x64,",
        "0xc8]",
        "100-150",
        "100-200",
        "150-100",
        "10000",
        "10",
        "1",
        "0",
        "99999999",
        "range",
        "max is",
        "blocks",
        "more than",
        "logs",
        "limit exceeded",
        "100-",
        "[0x64, 0x96]",
        "try with this block range",
    };
    uint64_t seed = 3;
    size_t suggested = 0;
    size_t capped = 0;
    for (size_t round = 0; round < 100000; round++) {
        char text[400] = "";
        size_t len = 0;
        unsigned a = (unsigned)(next_random(&seed) % 300);
        unsigned b = (unsigned)(next_random(&seed) % 300);
        if (round % 4 == 0) {
            len = (size_t)snprintf(text, sizeof text,
                                   "query exceeds max results 9, retry with the range %u-%u ",
                                   a < 100 ? 100 : a, b);
        } else if (round % 4 == 1) {
            len = (size_t)snprintf(text, sizeof text, "limited to a %u range ", a);
        }
        for (size_t left = next_random(&seed) % 7; left > 0; left--) {
            const char *part = parts[next_random(&seed) % ARRAY_COUNT(parts)];
            len += (size_t)snprintf(text + len, sizeof text - len, "%s ", part);
        }
        int64_t from = 100;
        int64_t to = from + (int64_t)(next_random(&seed) % 200);
        struct example e = {.code = -32005, .message = text, .from = from, .to = to};
        struct rpc_verdict v = judge(&e);
        assert_true(v.action != RPC_ASK_LESS || from < to);
        assert_true(v.suggested_to == -1 || (v.suggested_to >= from && v.suggested_to < to));
        assert_true(v.max_span == -1 || v.max_span < to - from);
        suggested += v.suggested_to >= 0;
        capped += v.max_span >= 0;
    }
    assert_true(suggested > 100 && capped > 100);
}

/* ---- the corpus ---- */

static const struct json_value *member(const struct json_value *object, const char *key) {
    const struct json_value *value = json_get(object, key);
    return value == NULL || value->kind == JSON_NULL ? NULL : value;
}

static int64_t block_of(const struct json_value *request, const char *key) {
    struct str text = STR("");
    int64_t value = 0;
    assert_true(json_get_str(request, key, &text));
    for (size_t i = 2; i < text.len; i++) {
        char c = text.ptr[i];
        value = value * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* The raw text of "data" in a line, which is flat enough: up to ", \"request\"". */
static struct str raw_data(const char *line) {
    const char *start = strstr(line, "\"data\": ");
    const char *end = strstr(line, ", \"request\"");
    assert_true(start != NULL && end != NULL);
    start += strlen("\"data\": ");
    struct str raw = {start, (size_t)(end - start)};
    return str_equal_c(raw, "null") ? STR("") : raw;
}

static void check_line(char *line, struct arena *arena) {
    const struct json_value *root = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(json_parse(str_of(line), arena, &root, &err), ERR_NONE);
    const struct json_value *expect = json_get(root, "expect");
    const struct json_value *range = member(expect, "range");
    struct str id = STR("");
    struct str kind = STR("");
    int64_t max_span = -1;
    int64_t status = 0;
    struct rpc_failure failure = {.data = raw_data(line), .has_range = true, .retry_after_us = -1};
    assert_true(json_get_str(root, "id", &id) && json_get_str(expect, "class", &kind));
    assert_true(json_get_str(root, "message", &failure.message));
    failure.has_code = json_get_i64(root, "code", &failure.code);
    failure.http_status = json_get_i64(root, "http", &status) ? (int)status : 0;
    failure.from = block_of(json_get(root, "request"), "fromBlock");
    failure.to = block_of(json_get(root, "request"), "toBlock");
    max_span = json_get_i64(expect, "max_span", &max_span) ? max_span : -1;
    struct rpc_verdict v = rpc_error_classify(&failure);
    int64_t to = -1;
    if (range != NULL) {
        int64_t from = -1;
        assert_true(parse_i64(range->first->text, &from) && from == failure.from);
        assert_true(parse_i64(range->first->next->text, &to));
    }
    if (!str_equal_c(kind, rpc_kind_name(v.kind)) || v.max_span != max_span ||
        v.suggested_to != to) {
        fail_msg("%.*s: %s, span %lld, to %lld", STR_FMT(id), rpc_kind_name(v.kind),
                 (long long)v.max_span, (long long)v.suggested_to);
    }
}

static void the_corpus_of_real_texts_is_judged_as_it_should_be(void **state) {
    (void)state;
    const char *folder = getenv("PLUMB_DATA");
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/rpc-errors/errors.jsonl",
                   folder != NULL ? folder : PLUMB_DATA_DEFAULT);
    if (!file_exists(path)) {
        print_message(
            "skipped: no rpc-errors/errors.jsonl in $PLUMB_DATA or beside the checkout\n");
        skip();
    }
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    struct err err = ERR_INIT;
    struct arena arena;
    arena_init(&arena, BUF_TEXT_MAX);
    assert_int_equal(file_read_all(path, &text, &err), ERR_NONE);
    size_t count = 0;
    for (char *line = text.data; *line != '\0'; count++) {
        char *end = strchr(line, '\n');
        *end = '\0';
        check_line(line, &arena);
        line = end + 1;
    }
    print_message("%zu texts\n", count);
    assert_true(count >= 60);
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caps_on_blocks_are_learned),
        cmocka_unit_test(numbers_that_do_not_tighten_are_dropped),
        cmocka_unit_test(suggestions_are_taken_only_when_they_shrink_from_the_same_start),
        cmocka_unit_test(counts_of_logs_never_become_spans),
        cmocka_unit_test(rates_wait_and_quotas_park),
        cmocka_unit_test(what_a_node_has_not_is_told_apart),
        cmocka_unit_test(filters_and_batches_have_caps_of_their_own),
        cmocka_unit_test(what_is_down_is_tried_again),
        cmocka_unit_test(what_nobody_knows_is_unknown_and_halved),
        cmocka_unit_test(an_end_without_an_answer_has_its_action),
        cmocka_unit_test(no_verdict_ever_asks_for_as_much_again),
        cmocka_unit_test(the_corpus_of_real_texts_is_judged_as_it_should_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
