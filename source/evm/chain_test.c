/* A chain against a node made up here, over a wire that is a queue: forks, lag, empty answers, errors. Whatever
 * happens, what was given minus what was taken back is the chain as it ends, for a thousand seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "source/evm/chain.h"

#define SEEDS      1000
#define BLOCKS_MAX 220
#define LAST       120
#define ANSWERS    256
#define STEPS_MAX  60000
#define ADDRESS    "0x1111111111111111111111111111111111111111"
#define TOPIC      "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
#define TX         "0x2222222222222222222222222222222222222222222222222222222222222222"

/* ---- a node ---- */

struct node_under_test {
    uint64_t random;
    unsigned branch[BLOCKS_MAX]; /* which branch each block is of */
    unsigned branches;
    int64_t head;
    int64_t highest; /* forks reach down to a fixed depth below this */
    int forks;
    int trouble;  /* percent of calls that go wrong */
    int64_t lag;  /* of the second endpoint */
    bool is_calm; /* nothing goes wrong any more */
    struct wire_answer answers[ANSWERS];
    size_t waiting;
};

static uint64_t draw(struct node_under_test *n) {
    n->random += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = n->random;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static bool happens(struct node_under_test *n, int percent) {
    return !n->is_calm && (int)(draw(n) % 100) < percent;
}

static void write_hash(const struct node_under_test *n, int64_t number, struct buf *out) {
    const unsigned branch = number < 0 ? 0 : n->branch[number];
    buf_addf(out, "\"0x%056x%08" PRIx64 "\"", branch + 1, (uint64_t)(number + 1));
}

static unsigned logs_of(const struct node_under_test *n, int64_t number) {
    const uint64_t mixed = (uint64_t)number * 7919 + (uint64_t)n->branch[number] * 104729;
    return mixed % 3 == 0 ? (unsigned)(mixed / 3 % 4) : 0;
}

static void write_log(const struct node_under_test *n, int64_t number, unsigned index,
                      struct buf *out) {
    buf_addf(out,
             "{\"address\":\"" ADDRESS "\",\"topics\":[\"" TOPIC "\"],\"data\":\"0x%064x\","
             "\"blockNumber\":\"0x%" PRIx64 "\",\"transactionHash\":\"" TX
             "\",\"transactionIndex\":\"0x0\",\"logIndex\":\"0x%x\",\"blockHash\":",
             index, (uint64_t)number, index);
    write_hash(n, number, out);
    buf_addc(out, '}');
}

static void write_logs(const struct node_under_test *n, int64_t number, bool *is_first,
                       struct buf *out) {
    for (unsigned i = 0; i < logs_of(n, number); i++) {
        buf_adds(out, *is_first ? "" : ",");
        write_log(n, number, i, out);
        *is_first = false;
    }
}

static void write_header(const struct node_under_test *n, int64_t number, struct buf *out) {
    uint8_t bloom[BLOOM_BYTES] = {0};
    uint8_t topic[EVM_HASH_BYTES];
    if (logs_of(n, number) > 0 || number % 11 == 0) { /* now and then it says too much */
        (void)evm_hex_decode(str_of(&TOPIC[2]), topic);
        const struct bloom_key key = bloom_key_of((struct str){(char *)topic, sizeof topic});
        bloom_add(bloom, &key);
    }
    buf_addf(out, "{\"number\":\"0x%" PRIx64 "\",\"hash\":", (uint64_t)number);
    write_hash(n, number, out);
    buf_adds(out, ",\"parentHash\":");
    write_hash(n, number - 1, out);
    buf_adds(out, ",\"timestamp\":\"0x5\",\"transactions\":[\"" TX "\"],\"logsBloom\":\"0x");
    for (size_t i = 0; i < BLOOM_BYTES; i++) {
        buf_addf(out, "%02x", bloom[i]);
    }
    buf_adds(out, "\"}");
}

static void write_receipts(const struct node_under_test *n, int64_t number, struct buf *out) {
    bool is_first = true;
    buf_adds(out, "[{\"blockHash\":");
    write_hash(n, number, out);
    buf_adds(out, ",\"logs\":[");
    write_logs(n, number, &is_first, out);
    buf_adds(out, "]}]");
}

static int64_t read_number(struct str text) {
    uint64_t value = 0;
    for (size_t i = 2; i < text.len; i++) {
        const char c = text.ptr[i];
        value = value * 16 + (uint64_t)(c >= 'a' ? c - 'a' + 10 : c - '0');
    }
    return (int64_t)value;
}

/* The canonical block with this hash; -1: there is none any more. */
static int64_t block_of_hash(const struct node_under_test *n, struct str hash) {
    const struct str low = {hash.ptr + 58 - 2, 10};
    const int64_t number = read_number(low) - 1;
    AUTO_BUF now = BUF_INIT(200);
    if (number < 0 || number > n->head) {
        return -1;
    }
    write_hash(n, number, &now);
    return memcmp(now.data + 1, hash.ptr, hash.len) == 0 ? number : -1;
}

static void answer_logs(struct node_under_test *n, const struct json_value *filter, int64_t head,
                        struct buf *out) {
    struct str hash;
    struct str from = {NULL, 0};
    struct str to = {NULL, 0};
    if (json_get_str(filter, "blockHash", &hash)) {
        const int64_t number = block_of_hash(n, hash);
        if (number < 0 || number > head) {
            buf_adds(out, "\"error\":{\"code\":-32000,\"message\":\"unknown block\"}");
            return;
        }
        bool is_first = true;
        buf_adds(out, "\"result\":[");
        if (!happens(n, n->trouble)) {
            write_logs(n, number, &is_first, out);
        }
        buf_addc(out, ']');
        return;
    }
    assert_true(json_get_str(filter, "fromBlock", &from) && json_get_str(filter, "toBlock", &to));
    const int64_t low = read_number(from);
    const int64_t high = read_number(to);
    if (high - low > 16) {
        buf_adds(out, "\"error\":{\"code\":-32099,\"message\":\"that is a bit much, is it not\"}");
        return;
    }
    bool is_first = true;
    buf_adds(out, "\"result\":[");
    for (int64_t b = low; b <= high && b <= head; b++) {
        if (!happens(n, n->trouble)) {
            write_logs(n, b, &is_first, out);
        }
    }
    buf_addc(out, ']');
}

static void answer_block(const struct node_under_test *n, struct str which, int64_t head,
                         struct buf *out) {
    int64_t number = 0;
    if (str_equal_c(which, "latest")) {
        number = head;
    } else if (str_equal_c(which, "finalized")) {
        number = head > 32 ? head - 32 : 0;
    } else {
        number = read_number(which);
    }
    buf_adds(out, "\"result\":");
    if (number > head) {
        buf_adds(out, "null");
    } else {
        write_header(n, number, out);
    }
}

static void answer_call(struct node_under_test *n, const struct json_value *call, int64_t head,
                        struct buf *out) {
    struct str method = {NULL, 0};
    int64_t id = 0;
    assert_true(json_get_i64(call, "id", &id) && json_get_str(call, "method", &method));
    const struct json_value *first = json_get(call, "params")->first;
    buf_addf(out, "{\"jsonrpc\":\"2.0\",\"id\":%" PRId64 ",", id);
    if (happens(n, n->trouble / 4)) {
        buf_adds(out, "\"error\":{\"code\":-32603,\"message\":\"something unheard of\"}");
    } else if (str_equal_c(method, "eth_chainId")) {
        buf_adds(out, "\"result\":\"0x1\"");
    } else if (str_equal_c(method, "eth_blockNumber")) {
        buf_addf(out, "\"result\":\"0x%" PRIx64 "\"", (uint64_t)head);
    } else if (str_equal_c(method, "eth_getBlockByNumber")) {
        answer_block(n, first->text, head, out);
    } else if (str_equal_c(method, "eth_getLogs")) {
        answer_logs(n, first, head, out);
    } else {
        const int64_t number = block_of_hash(n, first->text);
        buf_adds(out, "\"result\":");
        if (number < 0 || number > head || happens(n, n->trouble)) {
            buf_adds(out, "null");
        } else {
            write_receipts(n, number, out);
        }
    }
    buf_addc(out, '}');
}

/* The chain goes on when its head is asked for; sometimes another way. */
static void grow(struct node_under_test *n) {
    n->is_calm = n->is_calm || n->head >= LAST;
    if (n->is_calm) {
        return;
    }
    if (n->forks > 0 && draw(n) % 100 < 20) {
        n->forks--;
        n->branches++;
        const int64_t depth = (int64_t)(draw(n) % 20);
        const int64_t from = n->head - depth > n->highest - 24 ? n->head - depth : n->highest - 24;
        for (int64_t b = from > 1 ? from : 1; b < BLOCKS_MAX; b++) {
            n->branch[b] = n->branches;
        }
        n->head -= (int64_t)(draw(n) % 3);
    } else {
        n->head += (int64_t)(draw(n) % 4);
    }
    n->head = n->head < 1 ? 1 : n->head;
    n->highest = n->head > n->highest ? n->head : n->highest;
}

static void answer_body(struct node_under_test *n, struct str body, int64_t head, struct buf *out) {
    struct arena arena;
    arena_init(&arena, (size_t)8 << 20);
    const struct json_value *v = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(json_parse(body, &arena, &v, &err), ERR_NONE);
    if (v->kind == JSON_ARRAY) {
        buf_addc(out, '[');
        for (const struct json_value *call = v->first; call != NULL; call = call->next) {
            answer_call(n, call, head, out);
            buf_adds(out, call->next != NULL ? "," : "");
        }
        buf_addc(out, ']');
    } else {
        answer_call(n, v, head, out);
    }
    arena_release(&arena);
}

/* ---- the wire ---- */

static enum err_code wire_send(void *context, const char *url, struct buf *body,
                               int64_t deadline_us, uint64_t tag, struct err *err) {
    (void)deadline_us;
    struct node_under_test *n = context;
    if (n->waiting == ANSWERS) {
        return err_set(err, ERR_LIMIT, "too many");
    }
    if (strstr(buf_c(body), "latest") != NULL) {
        grow(n);
    }
    struct wire_answer *a = &n->answers[n->waiting++];
    memset(a, 0, sizeof *a);
    a->tag = tag;
    a->status = 200;
    a->retry_after_us = -1;
    a->elapsed_us = 1000;
    buf_init(&a->body, (size_t)8 << 20);
    const bool is_second = strstr(url, "second") != NULL;
    const int64_t lag = is_second && !n->is_calm ? n->lag : 0;
    if (happens(n, n->trouble / 4)) {
        a->end = HTTP_TIMED_OUT;
        (void)err_set(&a->err, ERR_UNAVAILABLE, "timed out");
    } else if (happens(n, n->trouble / 4)) {
        a->status = 429;
        buf_adds(&a->body, "slow down");
    } else {
        answer_body(n, buf_str(body), n->head > lag ? n->head - lag : 0, &a->body);
        if (happens(n, n->trouble / 4)) {
            a->body.len /= 2;
        }
    }
    buf_release(body);
    struct err ignored = ERR_INIT;
    assert_int_equal(buf_reserve(&a->body, 64, &ignored), ERR_NONE);
    return ERR_NONE;
}

/* ---- time ---- */

static int64_t now_us;
static int64_t simulated_now(void *context) {
    (void)context;
    return now_us;
}
static void simulated_sleep(void *context, int64_t us) {
    (void)context;
    now_us += us;
}

/* ---- what was given ---- */

struct given {
    char **records;
    int64_t count;
    int64_t low_water; /* settled */
    int takes_back;
};

static uint64_t the_seed;
static void take_records(struct given *g, const struct source_output *out) {
    assert_true(out->takes_back ? out->first_record <= g->count : out->first_record == g->count);
    if (out->first_record < g->low_water || getenv("TRACE") != NULL) {
        print_error("seed %d: coverage %d..%d first %d low water %d settled %d takes back %d\n",
                    (int)the_seed, (int)out->coverage.low, (int)out->coverage.high,
                    (int)out->first_record, (int)g->low_water, (int)out->settled, out->takes_back);
    }
    assert_true(out->first_record >= g->low_water);
    assert_true(out->settled >= g->low_water || out->settled < 0);
    g->low_water = out->settled > g->low_water ? out->settled : g->low_water;
    g->takes_back += out->takes_back ? 1 : 0;
    for (int64_t i = out->first_record; i < g->count; i++) {
        mem_free(g->records[i]);
    }
    g->count = out->first_record;
    for (uint32_t i = 0; i < out->batch.count; i++) {
        const struct record r = batch_record(&out->batch, i);
        g->records = mem_realloc(g->records, (size_t)(g->count + 1) * sizeof g->records[0]);
        g->records[g->count++] = mem_strndup(r.bytes.ptr, r.bytes.len);
    }
}

static void compare_with_truth(const struct node_under_test *n, const struct given *g) {
    int64_t at = 0;
    for (int64_t b = 0; b <= n->head; b++) {
        const unsigned logs = logs_of(n, b);
        if (logs == 0) {
            continue;
        }
        AUTO_BUF hash = BUF_INIT(200);
        write_hash(n, b, &hash);
        assert_true(at < g->count);
        assert_true(strncmp(g->records[at], "{\"block\":", 9) == 0);
        assert_non_null(strstr(g->records[at++], buf_c(&hash)));
        for (unsigned i = 0; i < logs; i++) {
            AUTO_BUF log = BUF_INIT(2000);
            write_log(n, b, i, &log);
            assert_true(at < g->count);
            assert_string_equal(g->records[at++], buf_c(&log));
        }
    }
    assert_int_equal(at, g->count);
}

/* ---- runs ---- */

struct runner {
    struct arena arena;
    struct chain_settings settings;
    struct chain_conf conf;
    struct chain *chain;
    struct wire wire;
    struct source_output out;
    struct given given;
};

static const char *const urls[] = {"http://first:1", "http://second:2"};

static void open_chain(struct runner *r) {
    struct err err = ERR_INIT;
    r->chain = mem_alloc(sizeof *r->chain);
    assert_int_equal(chain_open(r->chain, &r->settings, &r->conf, &r->wire, 0, &err), ERR_NONE);
}

static struct runner *start(struct node_under_test *n, enum verify verify, size_t endpoints) {
    struct runner *r = mem_alloc(sizeof *r);
    arena_init(&r->arena, (size_t)8 << 20);
    static const struct node transfer = {.kind = NODE_SCALAR,
                                         .key = "Transfer",
                                         .file = "t",
                                         .text = {"event Transfer(address,address,uint256)", 39}};
    static const struct node events = {
        .kind = NODE_MAP, .file = "t", .first = &transfer, .count = 1};
    struct err err = ERR_INIT;
    assert_int_equal(plan_make(&events, &r->arena, &r->settings.plan, &err), ERR_NONE);
    r->settings.verify = verify;
    r->settings.poll_us = 50000;
    r->settings.span = 30;
    r->settings.span_max = 100;
    r->settings.timeout_us = 1000000;
    r->settings.parallel = 3;
    r->conf = (struct chain_conf){
        .chain_id = 1, .urls = urls, .url_count = endpoints, .to = INT64_MAX, .finality = -1};
    r->wire = (struct wire){.context = n, .send = wire_send};
    source_output_init(&r->out);
    open_chain(r);
    return r;
}

static void stop(struct runner *r, struct node_under_test *n) {
    chain_close(r->chain);
    mem_free(r->chain);
    for (size_t i = 0; i < n->waiting; i++) {
        wire_answer_release(&n->answers[i]);
    }
    for (int64_t i = 0; i < r->given.count; i++) {
        mem_free(r->given.records[i]);
    }
    mem_free(r->given.records);
    source_output_release(&r->out);
    arena_release(&r->arena);
    mem_free(r);
}

/* The process dies after a batch and another one goes on from its cursor. */
static void open_again(struct runner *r, struct node_under_test *n) {
    struct cursor *cursor = mem_alloc(sizeof *cursor);
    struct err err = ERR_INIT;
    assert_int_equal(cursor_read(buf_str(&r->out.cursor), cursor, &err), ERR_NONE);
    chain_close(r->chain);
    mem_free(r->chain);
    for (size_t i = 0; i < n->waiting; i++) {
        wire_answer_release(&n->answers[i]);
    }
    n->waiting = 0;
    open_chain(r);
    assert_int_equal(chain_restore(r->chain, cursor, &err), ERR_NONE);
    mem_free(cursor);
}

static bool is_at_end(const struct runner *r, const struct node_under_test *n) {
    const struct window_block *tip = window_tip(&r->chain->cursor.window);
    AUTO_BUF hash = BUF_INIT(200);
    AUTO_BUF ours = BUF_INIT(200);
    if (!n->is_calm || tip->number != n->head) {
        return false;
    }
    write_hash(n, n->head, &hash);
    plan_write_hex(tip->hash, EVM_HASH_BYTES, &ours);
    return str_equal(buf_str(&hash), buf_str(&ours));
}

static void run(struct runner *r, struct node_under_test *n, int restarts) {
    const struct source_limit limit = {.rows_max = 7, .bytes_max = 100000};
    for (int step = 0; step < STEPS_MAX && !is_at_end(r, n); step++) {
        now_us += 5000;
        chain_pump(r->chain, now_us);
        if (n->waiting > 0) { /* any of them */
            const size_t i = (size_t)(draw(n) % n->waiting);
            struct wire_answer a = n->answers[i];
            n->answers[i] = n->answers[--n->waiting];
            chain_answer(r->chain, &a, now_us);
            wire_answer_release(&a);
        }
        bool gave = false;
        struct err err = ERR_INIT;
        source_output_clear(&r->out);
        assert_int_equal(chain_take(r->chain, &limit, &r->out, &gave, &err), ERR_NONE);
        if (gave) {
            take_records(&r->given, &r->out);
            if (restarts > 0 && draw(n) % 10 == 0) {
                restarts--;
                open_again(r, n);
            }
        }
    }
    if (!is_at_end(r, n)) {
        print_error("stuck: next %d of %d, final %d, jobs %zu phase %d, complaint %s, last %s\n",
                    (int)cursor_next(&r->chain->cursor), (int)n->head, (int)r->chain->final,
                    r->chain->job_count, r->chain->jobs != NULL ? (int)r->chain->jobs->phase : -1,
                    r->chain->complaint.message, r->chain->last_failure);
    }
    assert_true(is_at_end(r, n));
}

static void one_seed(uint64_t seed, enum verify verify, int trouble, int *reorgs) {
    struct node_under_test *n = mem_alloc(sizeof *n);
    the_seed = seed;
    n->random = seed * 1000003;
    n->head = (int64_t)(draw(n) % 60);
    n->highest = n->head;
    n->forks = (int)(draw(n) % 5);
    n->trouble = trouble;
    n->lag = (int64_t)(draw(n) % 12);
    struct runner *r = start(n, verify, 1 + seed % 2);
    run(r, n, (int)(seed % 4));
    compare_with_truth(n, &r->given);
    *reorgs += r->given.takes_back;
    stop(r, n);
    mem_free(n);
}

static const struct clock_source simulated = {simulated_now, simulated_now, simulated_sleep, NULL};

static void a_good_node_with_forks_is_followed(void **state) {
    (void)state;
    clock_install(&simulated);
    int reorgs = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        one_seed(seed, VERIFY_NONE, 0, &reorgs);
    }
    clock_install(NULL);
    assert_true(reorgs > 20);
}

static void whatever_a_node_does_the_end_is_the_truth(void **state) {
    (void)state;
    clock_install(&simulated);
    int reorgs = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        one_seed(seed, seed % 3 == 0 ? VERIFY_RECEIPTS : VERIFY_BLOOM, (int)(seed % 5) * 6,
                 &reorgs);
    }
    clock_install(NULL);
    assert_true(reorgs > 200);
}

static void many_wrong_logs_of_a_block_are_one_reason_to_ask_again(void **state) {
    (void)state;
    struct job *j = job_new(JOB_RANGE, 5, 6);
    job_make_blocks(j);
    for (int64_t n = 5; n <= 6; n++) {
        struct block *b = job_block(j, n);
        b->has_header = true;
        b->hash[0] = (uint8_t)n;
        b->parent[0] = (uint8_t)(n - 1);
    }
    j->logs = mem_alloc_array(9, sizeof j->logs[0]);
    j->log_capacity = 9;
    for (int pass = 1; pass <= 2; pass++) {
        j->log_count = 9;
        for (size_t i = 0; i < 9; i++) { /* of block 5, but with another hash; one of block 6 */
            j->logs[i] =
                (struct job_log){.block = i < 8 ? 5 : 6, .index = (int64_t)i, .has_hash = true};
            j->logs[i].hash[0] = i < 8 ? 99 : 6;
        }
        struct err err = ERR_INIT;
        size_t suspects = 0;
        assert_int_equal(job_check(j, &suspects, &err), ERR_NONE);
        assert_int_equal(suspects, 1);
        assert_int_equal(job_block(j, 5)->asks, pass);
        assert_true(job_block(j, 5)->is_suspect);
        assert_int_equal(job_block(j, 5)->log_count, 0);
        assert_int_equal(job_block(j, 6)->asks, 0);
        assert_int_equal(job_block(j, 6)->log_count, 1);
    }
    job_free(j);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_node_with_forks_is_followed),
        cmocka_unit_test(many_wrong_logs_of_a_block_are_one_reason_to_ask_again),
        cmocka_unit_test(whatever_a_node_does_the_end_is_the_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
