/* Which endpoint is asked, and what is learned of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "source/evm/endpoint.h"

#define S ((int64_t)1000000)

static struct pool *pool_of(size_t count) {
    static const char *const urls[] = {"http://a:1/x", "http://b:2/x", "http://c:3/x"};
    struct pool *p = mem_alloc(sizeof *p);
    pool_init(p, 2);
    for (size_t i = 0; i < count; i++) {
        pool_add(p, urls[i]);
        p->items[i].state = ENDPOINT_READY;
        p->items[i].head = 100;
    }
    return p;
}

static struct rpc_verdict verdict(enum rpc_kind kind, enum rpc_action action) {
    return (struct rpc_verdict){kind, action, -1, -1, -1, -1, -1};
}

static int choose(const struct pool *p, int64_t now, int64_t head, uint64_t avoid) {
    int64_t ready = 0;
    const struct pool_need need = {head, avoid, false, false};
    return pool_choose(p, now, &need, &ready);
}

static void the_quicker_one_is_asked_until_it_is_busy(void **state) {
    (void)state;
    struct pool *p = pool_of(2);
    p->items[1].latency_us = 1000;
    assert_int_equal(choose(p, S, 100, 0), 1);
    endpoint_sent(&p->items[1], S);
    endpoint_sent(&p->items[1], S);
    assert_int_equal(choose(p, S, 100, 0), 0);
    assert_int_equal(choose(p, S, 100, 1), -1);
    mem_free(p);
}

static void a_range_is_only_asked_of_who_has_it(void **state) {
    (void)state;
    struct pool *p = pool_of(2);
    p->items[0].head = 99;
    assert_int_equal(choose(p, S, 100, 0), 1);
    assert_int_equal(choose(p, S, 101, 0), -1);
    assert_int_equal(pool_head(p), 100);
    mem_free(p);
}

static void failures_back_off_longer_each_time_and_one_success_forgives(void **state) {
    (void)state;
    struct pool *p = pool_of(1);
    struct endpoint *e = &p->items[0];
    const struct rpc_verdict v = verdict(RPC_KIND_RETRYABLE, RPC_TRY_AGAIN);
    endpoint_failed(e, 0, &v, 1, 0, "gone");
    assert_int_equal(e->blocked_until_us, 0); /* one may be chance */
    int64_t last = 0;
    for (int i = 0; i < 12; i++) {
        endpoint_failed(e, 0, &v, 1, 0, "gone");
        assert_true(e->blocked_until_us >= last);
        last = e->blocked_until_us;
    }
    assert_int_equal(last, ENDPOINT_BACKOFF_US_MAX);
    assert_int_equal(choose(p, last - 1, -1, 0), -1);
    assert_int_equal(choose(p, last, -1, 0), 0);
    endpoint_sent(e, last);
    assert_int_equal(choose(p, last, -1, 0), -1); /* one at a time until it answers */
    endpoint_answered(e, last, 1000);
    assert_int_equal(e->failures, 0);
    assert_non_null(strstr(e->last_error, "gone"));
    mem_free(p);
}

static void told_to_slow_down_it_is_asked_at_half_the_rate_and_faster_again(void **state) {
    (void)state;
    struct pool *p = pool_of(1);
    struct endpoint *e = &p->items[0];
    for (int i = 0; i < 100; i++) {
        endpoint_sent(e, S + i * S / 100);
    }
    struct rpc_verdict v = verdict(RPC_KIND_RATE_LIMIT, RPC_SLOW_DOWN);
    v.retry_after_us = 3 * S;
    endpoint_failed(e, 2 * S - 1, &v, 1, 0, "slow");
    assert_true(e->rate > 49 && e->rate < 51);
    assert_int_equal(e->blocked_until_us, 5 * S - 1);
    endpoint_failed(e, 2 * S, &v, 1, 0, "slow"); /* what was under way is told the same */
    assert_true(e->rate > 49);
    int answers = 0;
    while (e->rate < 75) { /* near what was too much at once ... */
        endpoint_answered(e, 5 * S, 1000);
        answers++;
    }
    assert_true(answers < 8);
    while (e->rate > 0 && e->rate < 100) { /* ... and past it slowly */
        endpoint_answered(e, 5 * S, 1000);
        answers++;
    }
    assert_in_range(answers, 40, 60);
    while (e->rate > 0) { /* but not for ever */
        endpoint_answered(e, 2 * S + ENDPOINT_CALM_US, 1000);
        answers++;
    }
    assert_true(answers < 70);
    mem_free(p);
}

static void some_calls_that_fail_among_many_are_no_failure_of_the_endpoint(void **state) {
    (void)state;
    struct pool *p = pool_of(1);
    struct endpoint *e = &p->items[0];
    const struct rpc_verdict v = verdict(RPC_KIND_RETRYABLE, RPC_TRY_AGAIN);
    for (int i = 0; i < 20; i++) {
        endpoint_failed(e, S, &v, 100, 0.8, "some");
        assert_int_equal(choose(p, S, 100, 0), 0);
    }
    assert_int_equal(e->failures, 0);
    assert_int_equal(e->errors, 20);
    endpoint_failed(e, S, &v, 100, 0.4, "most");
    endpoint_failed(e, S, &v, 100, 0.4, "most");
    assert_int_equal(e->failures, 2);
    assert_int_equal(choose(p, S, 100, 0), -1);
    mem_free(p);
}

static void
told_to_slow_down_for_some_calls_the_pause_and_the_batch_are_in_proportion(void **state) {
    (void)state;
    struct pool *p = pool_of(1);
    struct endpoint *e = &p->items[0];
    const struct rpc_verdict v = verdict(RPC_KIND_RATE_LIMIT, RPC_SLOW_DOWN);
    assert_int_equal(endpoint_batch(e), ENDPOINT_BATCH_START);
    endpoint_failed(e, S, &v, 100, 0.9, "some");
    assert_in_range(e->blocked_until_us - S, ENDPOINT_BACKOFF_US / 10 - 1,
                    ENDPOINT_BACKOFF_US / 10 + 1);
    assert_int_equal(endpoint_batch(e), ENDPOINT_BATCH_START);
    endpoint_failed(e, S, &v, 100, 0.3, "most");
    assert_int_equal(endpoint_batch(e), 50);
    for (int i = 0; i < 20; i++) {
        endpoint_failed(e, S, &v, (int64_t)endpoint_batch(e), 0, "all");
    }
    assert_int_equal(endpoint_batch(e), 1);
    for (int i = 0; i < 40; i++) {
        endpoint_answered(e, 2 * S, 1000);
    }
    assert_int_equal(endpoint_batch(e), ENDPOINT_BATCH_START);
    mem_free(p);
}

static void who_asks_little_does_not_feel_the_limit(void **state) {
    (void)state;
    struct pool *p = pool_of(1);
    struct endpoint *e = &p->items[0];
    const struct rpc_verdict v = verdict(RPC_KIND_RATE_LIMIT, RPC_SLOW_DOWN);
    endpoint_failed(e, S, &v, 1, 0, "slow");
    assert_true(e->rate <= ENDPOINT_RATE_MIN);
    const int64_t then = S + ENDPOINT_BACKOFF_US;
    assert_int_equal(choose(p, then, 100, 0), 0);
    endpoint_sent(e, then); /* nothing was saved up right after it */
    endpoint_sent(e, then);
    e->in_flight = 0;
    assert_int_equal(choose(p, then, 100, 0), -1);
    int at_once = 0;
    while (choose(p, 10 * S, 100, 0) >= 0) {
        endpoint_sent(e, 10 * S);
        e->in_flight = 0;
        at_once++;
    }
    assert_in_range(at_once, 5, 6); /* half a second's, and one */
    mem_free(p);
}

static void caps_only_tighten_until_they_are_probed(void **state) {
    (void)state;
    struct pool *p = pool_of(1);
    struct endpoint *e = &p->items[0];
    struct rpc_verdict v = verdict(RPC_KIND_SPAN_CAP, RPC_ASK_LESS);
    v.max_span = 499;
    endpoint_failed(e, S, &v, 1000, 0, "500");
    v.max_span = 999;
    endpoint_failed(e, S, &v, 1000, 0, "1000");
    assert_int_equal(e->span_cap, 499);
    assert_int_equal(pool_span(p), 499);
    endpoint_answered(e, S + ENDPOINT_PROBE_US - 1, 1);
    assert_int_equal(e->span_cap, 499);
    endpoint_answered(e, S + ENDPOINT_PROBE_US, 1);
    assert_int_equal(e->span_cap, 999);
    v = verdict(RPC_KIND_BATCH_CAP, RPC_ASK_SMALLER_BATCH);
    for (int i = 0; i < 20; i++) {
        endpoint_failed(e, S, &v, e->batch_cap, 0, "batch");
    }
    assert_int_equal(e->batch_cap, 1);
    mem_free(p);
}

static void one_of_another_chain_is_out_for_good(void **state) {
    (void)state;
    struct pool *p = pool_of(2);
    endpoint_out(&p->items[0], "another chain");
    p->items[0].head = 1000;
    assert_int_equal(choose(p, S, 100, 0), 1);
    assert_int_equal(pool_in_use(p), 2);
    assert_int_equal(pool_head(p), 100);
    AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_array(&w);
    pool_write_facts(p, S, &w);
    json_end_array(&w);
    assert_non_null(strstr(buf_c(&text), "another chain"));
    assert_null(strstr(buf_c(&text), "/x"));
    mem_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_quicker_one_is_asked_until_it_is_busy),
        cmocka_unit_test(a_range_is_only_asked_of_who_has_it),
        cmocka_unit_test(failures_back_off_longer_each_time_and_one_success_forgives),
        cmocka_unit_test(told_to_slow_down_it_is_asked_at_half_the_rate_and_faster_again),
        cmocka_unit_test(some_calls_that_fail_among_many_are_no_failure_of_the_endpoint),
        cmocka_unit_test(
            told_to_slow_down_for_some_calls_the_pause_and_the_batch_are_in_proportion),
        cmocka_unit_test(who_asks_little_does_not_feel_the_limit),
        cmocka_unit_test(caps_only_tighten_until_they_are_probed),
        cmocka_unit_test(one_of_another_chain_is_out_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
