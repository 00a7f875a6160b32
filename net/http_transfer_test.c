/* Servers that misbehave: each way of ending, sizes, encodings, deadlines, accounts of memory. */
#include "net/test_support.h"

#include "base/clock.h"
#include "base/hash.h"

#include <errno.h>
#include <time.h>
#include <zlib.h>

#define FLIGHT_BYTES_MAX ((size_t)1 << 20)
#define RESPONSE_MAX     ((size_t)256 << 10)
#define BOMB_BYTES       ((size_t)8 << 20) /* decompressed */
#define LARGE_BYTES      ((size_t)24 << 20)

/* bytes zeros, compressed; gzip or zlib's own format. Free it. */
static char *compressed_zeros(size_t bytes, bool is_gzip, size_t *out_len) {
    z_stream z = {.zalloc = NULL};
    static unsigned char zeros[65536];
    size_t room = bytes / 500 + 1024;
    char *out = malloc(room);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, is_gzip ? 31 : 15, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    z.next_out = (unsigned char *)out;
    z.avail_out = (unsigned)room;
    for (size_t left = bytes; left > 0; left -= z.avail_in == 0 ? sizeof zeros : 0) {
        z.next_in = zeros;
        z.avail_in = sizeof zeros;
        assert_int_equal(deflate(&z, Z_NO_FLUSH), Z_OK);
    }
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *out_len = z.total_out;
    (void)deflateEnd(&z);
    return out;
}

static bool reply_compressed(const struct test_request *request, size_t bytes, bool is_gzip,
                             size_t keep_percent) {
    size_t len = 0;
    char *body = compressed_zeros(bytes, is_gzip, &len);
    bool sent = test_server_reply(request,
                                  is_gzip ? "200 OK\r\nContent-Encoding: gzip"
                                          : "200 OK\r\nContent-Encoding: deflate",
                                  (struct str){body, len * keep_percent / 100});
    free(body);
    return sent;
}

/* The bytes of /large, from one place to another. */
static void fill_large(char *out, size_t len) {
    uint64_t state = 7;
    for (size_t i = 0; i + 8 <= len; i += 8) {
        uint64_t word = next_random(&state);
        memcpy(out + i, &word, 8);
    }
}

static bool reply_large(const struct test_request *request) {
    char *body = malloc(LARGE_BYTES);
    fill_large(body, LARGE_BYTES);
    bool sent = test_server_reply(request, "200 OK", (struct str){body, LARGE_BYTES});
    free(body);
    return sent;
}

static bool reply_endless_headers(int fd) {
    bool goes_on = test_server_say(fd, "HTTP/1.1 200 OK\r\n");
    while (goes_on) {
        goes_on =
            test_server_say(fd, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    }
    return false;
}

static bool reply_endless_chunks(int fd) {
    static char chunk[4 + 4096 + 3] = "1000\r\n";
    bool goes_on = test_server_say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (goes_on) {
        goes_on = test_server_say(fd, "1000\r\n") && test_server_send(fd, chunk, 4096) &&
                  test_server_say(fd, "\r\n");
    }
    return false;
}

static bool answer_raw(const struct test_request *request) {
    static const struct {
        const char *path;
        const char *text;
        bool is_kept;
    } raws[] = {
        {"/chunked",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n"
         "Trailer: x\r\n\r\n",
         true},
        {"/chunk-cut", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", false},
        {"/chunk-bad", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nab", false},
        {"/too-short", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", false},
        {"/until-close", "HTTP/1.1 200 OK\r\n\r\nabc", false},
        {"/head-cut", "HTTP/1.1 200 OK\r\nContent-Le", false},
        {"/no-http", "hello, this is not HTTP\r\n\r\n", false},
        {"/closed", "", false},
        {"/long-length", "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\nabc", false},
        {"/redirect", "HTTP/1.1 302 Found\r\nLocation: /chunked\r\nContent-Length: 0\r\n\r\n",
         true},
        {"/cookie", "HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n",
         true},
        {"/continue",
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Away\r\nContent-Length: 2\r\n\r\nno", true},
        {"/retry-5", "HTTP/1.1 429 Slow\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n", true},
        {"/retry-0", "HTTP/1.1 429 Slow\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", true},
        {"/retry-x", "HTTP/1.1 429 Slow\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", true},
        {"/retry-minus", "HTTP/1.1 429 Slow\r\nRetry-After: -5\r\nContent-Length: 0\r\n\r\n", true},
        {"/retry-past",
         "HTTP/1.1 429 Slow\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\nContent-Length: "
         "0\r\n\r\n",
         true},
        {"/retry-never",
         "HTTP/1.1 429 Slow\r\nRetry-After: 99999999999999999\r\nContent-Length: 0\r\n\r\n", true},
    };
    for (size_t i = 0; i < ARRAY_COUNT(raws); i++) {
        if (strcmp(request->path, raws[i].path) == 0) {
            return test_server_say(request->fd, raws[i].text) && raws[i].is_kept;
        }
    }
    return test_server_reply(request, "200 OK", str_of(request->head));
}

static bool reply_date(const struct test_request *request, int64_t seconds_ahead) {
    time_t at = (time_t)(clock_now_us() / 1000000 + seconds_ahead);
    struct tm parts;
    char head[128];
    (void)gmtime_r(&at, &parts);
    (void)strftime(head, sizeof head, "429 Slow\r\nRetry-After: %a, %d %b %Y %H:%M:%S GMT", &parts);
    return test_server_reply(request, head, STR(""));
}

static bool answer(const struct test_request *request) {
    const char *path = request->path;
    if (strcmp(path, "/gzip") == 0 || strcmp(path, "/deflate") == 0) {
        return reply_compressed(request, 131072, path[1] == 'g', 100);
    }
    if (strcmp(path, "/gzip-cut") == 0) {
        return reply_compressed(request, 131072, true, 50);
    }
    if (strcmp(path, "/gzip-bad") == 0) {
        return test_server_reply(request, "200 OK\r\nContent-Encoding: gzip",
                                 STR("not gzip at all"));
    }
    if (strcmp(path, "/bomb") == 0) {
        return reply_compressed(request, BOMB_BYTES, true, 100);
    }
    if (strcmp(path, "/large") == 0) {
        return reply_large(request);
    }
    if (strcmp(path, "/headers") == 0) {
        return reply_endless_headers(request->fd);
    }
    if (strcmp(path, "/chunks") == 0) {
        return reply_endless_chunks(request->fd);
    }
    if (strcmp(path, "/retry-date") == 0) {
        return reply_date(request, 100);
    }
    if (strcmp(path, "/secret-gate") == 0) { /* half a body, then silence */
        bool sent =
            test_server_say(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
        test_server_wait_at_gate(request->server);
        return sent && false;
    }
    return answer_raw(request);
}

static int start(void **state) {
    struct net_fixture *f = calloc(1, sizeof *f);
    net_start(f, answer, &(struct http_options){.flight_bytes_max = FLIGHT_BYTES_MAX});
    *state = f;
    return 0;
}

/* Whatever happened, all memory is back: an answer of nearly the whole account fits. */
static int stop(void **state) {
    struct net_fixture *f = *state;
    struct buf body = BUF_INIT(FLIGHT_BYTES_MAX);
    struct err err = ERR_INIT;
    assert_int_equal(buf_reserve(&body, FLIGHT_BYTES_MAX, &err), ERR_NONE);
    struct http_call *call = net_send(f, "/closed", (struct http_request){.body = &body});
    http_call_free(call);
    net_stop(f);
    free(f);
    return 0;
}

static const struct http_request small = {.response_bytes_max = RESPONSE_MAX};

static void bodies_come_however_they_are_framed(void **state) {
    struct net_fixture *f = *state;
    struct http_call *chunked = net_ask(f, "/chunked", small);
    assert_answer(chunked, 200, "abcdefg");
    struct http_call *until_close = net_ask(f, "/until-close", small);
    assert_answer(until_close, 200, "abc");
    struct http_call *interim = net_ask(f, "/continue", small);
    assert_answer(interim, 503, "no");
    http_call_free(chunked);
    http_call_free(until_close);
    http_call_free(interim);
}

static void a_body_that_is_cut_is_an_error(void **state) {
    struct net_fixture *f = *state;
    static const char *const cut[] = {"/too-short", "/chunk-cut", "/closed"};
    for (size_t i = 0; i < ARRAY_COUNT(cut); i++) {
        struct http_call *call = net_ask(f, cut[i], small);
        assert_end(call, HTTP_CUT, ERR_UNAVAILABLE, "connection ended inside the answer");
        http_call_free(call);
    }
}

static void what_is_not_http_is_an_error(void **state) {
    struct net_fixture *f = *state;
    static const char *const broken[] = {"/no-http", "/chunk-bad", "/gzip-bad"};
    for (size_t i = 0; i < ARRAY_COUNT(broken); i++) {
        struct http_call *call = net_ask(f, broken[i], small);
        struct http_response *response = NULL;
        struct err err = ERR_INIT;
        assert_int_equal(http_call_result(call, &response, &err), ERR_UNAVAILABLE);
        assert_true(http_call_end(call) == HTTP_BROKEN || http_call_end(call) == HTTP_CUT);
        http_call_free(call);
    }
}

static void compressed_bodies_come_decompressed(void **state) {
    struct net_fixture *f = *state;
    static const char *const paths[] = {"/gzip", "/deflate"};
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        struct http_call *call = net_ask(f, paths[i], small);
        struct http_response *response = net_answer(call);
        assert_int_equal(response->body.len, 131072);
        assert_true(response->wire_bytes < 1000);
        for (size_t k = 0; k < response->body.len; k++) {
            assert_int_equal(response->body.data[k], 0);
        }
        http_call_free(call);
    }
}

/* curl does not look for the end of a compressed body; http.h tells readers so. */
static void half_a_compressed_body_comes_as_what_it_holds(void **state) {
    struct net_fixture *f = *state;
    struct http_call *call = net_ask(f, "/gzip-cut", small);
    assert_true(http_call_end(call) != HTTP_ANSWERED || net_answer(call)->body.len < 131072);
    http_call_free(call);
}

static void an_answer_larger_than_allowed_is_a_limit(void **state) {
    struct net_fixture *f = *state;
    static const char *const large[] = {"/bomb", "/long-length", "/chunks", "/large"};
    for (size_t i = 0; i < ARRAY_COUNT(large); i++) {
        struct http_call *call = net_ask(f, large[i], small);
        assert_end(call, HTTP_TOO_LARGE, ERR_LIMIT, "larger than 262144 bytes");
        http_call_free(call);
    }
    struct http_call *call = net_ask(f, "/headers", small);
    assert_end(call, HTTP_TOO_LARGE, ERR_LIMIT, "headers are larger than");
    http_call_free(call);
}

static void an_answer_of_exactly_the_limit_fits(void **state) {
    struct net_fixture *f = *state;
    struct http_call *fits =
        net_ask(f, "/gzip", (struct http_request){.response_bytes_max = 131072});
    assert_int_equal(net_answer(fits)->body.len, 131072);
    struct http_call *over =
        net_ask(f, "/gzip", (struct http_request){.response_bytes_max = 131071});
    assert_end(over, HTTP_TOO_LARGE, ERR_LIMIT, "larger than 131071 bytes");
    http_call_free(fits);
    http_call_free(over);
}

static void calls_together_hold_no_more_than_the_account(void **state) {
    struct net_fixture *f = *state;
    struct http_call *held[16] = {NULL};
    size_t count = 0;
    bool is_full = false;
    while (count < ARRAY_COUNT(held) && !is_full) {
        held[count] = net_ask(f, "/gzip", small); /* 128 KiB each, of 1 MiB */
        is_full = http_call_end(held[count]) == HTTP_OUT_OF_FLIGHT_BYTES;
        count++;
    }
    assert_in_range(count, 5, 9);
    assert_end(held[count - 1], HTTP_OUT_OF_FLIGHT_BYTES, ERR_LIMIT, "may hold 1048576 bytes");
    http_call_free(held[0]);
    struct http_call *again = net_ask(f, "/gzip", small);
    assert_int_equal(net_answer(again)->body.len, 131072);
    http_call_free(again);
    for (size_t i = 1; i < count; i++) {
        http_call_free(held[i]);
    }
}

static void no_memory_for_a_body_ends_the_call(void **state) {
    struct net_fixture *f = *state;
    struct err err = ERR_INIT;
    assert_int_equal(fault_arm("alloc:1", &err), ERR_NONE);
    struct http_call *call = net_ask(f, "/chunked", small);
    int64_t allocations = fault_count(FAULT_ALLOC);
    assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
    assert_int_equal(allocations, 1);
    assert_end(call, HTTP_OUT_OF_FLIGHT_BYTES, ERR_LIMIT, "no memory for the answer");
    http_call_free(call);
}

static void a_request_larger_than_the_account_is_refused(void **state) {
    struct net_fixture *f = *state;
    struct buf body = BUF_INIT(2 * FLIGHT_BYTES_MAX);
    struct err err = ERR_INIT;
    assert_int_equal(buf_reserve(&body, FLIGHT_BYTES_MAX + 1, &err), ERR_NONE);
    struct http_call *call = NULL;
    struct http_request request = {.url = net_url(f, "/x"), .body = &body};
    assert_int_equal(http_send(f->client, &request, &call, &err), ERR_LIMIT);
    assert_non_null(body.data);
    buf_release(&body);
}

static void a_large_body_arrives_as_it_was_sent(void **state) {
    struct net_fixture *f = *state;
    http_client_free(f->client);
    struct err err = ERR_INIT;
    assert_int_equal(http_client_new(&(struct http_options){.calls_max = 8}, &f->client, &err),
                     ERR_NONE);
    char *expected = malloc(LARGE_BYTES);
    fill_large(expected, LARGE_BYTES);
    struct http_call *call = net_ask(f, "/large", (struct http_request){.tag = 1});
    struct http_response *response = net_answer(call);
    assert_int_equal(response->body.len, LARGE_BYTES);
    assert_memory_equal(response->body.data, expected, LARGE_BYTES);
    struct buf moved = response->body; /* it may be moved out */
    response->body = (struct buf){.max = moved.max};
    http_call_free(call);
    assert_memory_equal(moved.data, expected, LARGE_BYTES);
    buf_release(&moved);
    free(expected);
}

static void the_deadline_ends_a_slow_answer(void **state) {
    struct net_fixture *f = *state;
    struct http_request request = {.deadline_us = 50000};
    struct http_call *call = net_ask(f, "/secret-gate", request);
    assert_end(call, HTTP_TIMED_OUT, ERR_UNAVAILABLE, "no whole answer within 50 ms (");
    http_call_free(call);
}

static void a_call_waiting_for_a_connection_has_its_deadline_too(void **state) {
    struct net_fixture *f = *state;
    http_client_free(f->client);
    struct err err = ERR_INIT;
    assert_int_equal(
        http_client_new(&(struct http_options){.connections_max = 1}, &f->client, &err), ERR_NONE);
    struct http_call *first = net_send(f, "/secret-gate", (struct http_request){.tag = 1});
    test_server_await_waiting(&f->server, 1);
    struct http_call *second = net_send(f, "/chunked", (struct http_request){.deadline_us = 50000});
    assert_ptr_equal(http_wait(f->client, LONG_US), second);
    assert_end(second, HTTP_TIMED_OUT, ERR_UNAVAILABLE, "(0 bytes came)");
    http_call_free(first);
    http_call_free(second);
}

static void nobody_listening_is_unavailable(void **state) {
    struct net_fixture *f = *state;
    struct test_server gone;
    test_server_start(&gone, answer);
    uint16_t port = gone.port;
    test_server_stop(&gone);
    char url[100];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/secret", (unsigned)port);
    struct err err = ERR_INIT;
    struct http_call *call = NULL;
    assert_int_equal(http_send(f->client, &(struct http_request){.url = url}, &call, &err),
                     ERR_NONE);
    assert_ptr_equal(http_wait(f->client, LONG_US), call);
    assert_end(call, HTTP_NO_CONNECTION, ERR_UNAVAILABLE, "onnect");
    struct http_response *response = NULL;
    assert_int_equal(http_call_result(call, &response, &err), ERR_UNAVAILABLE);
    assert_int_equal(err.origin, ECONNREFUSED);
    http_call_free(call);
}

static void a_name_without_an_address_is_unavailable(void **state) {
    struct net_fixture *f = *state;
    struct err err = ERR_INIT;
    struct http_call *call = NULL;
    /* A label of more than 63 characters: no name server is asked. */
    struct http_request request = {
        .url = "http://"
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.invalid"
               "/secret"};
    assert_int_equal(http_send(f->client, &request, &call, &err), ERR_NONE);
    assert_ptr_equal(http_wait(f->client, LONG_US), call);
    assert_end(call, HTTP_NO_HOST, ERR_UNAVAILABLE, "is the name right");
    http_call_free(call);
}

static void https_to_a_server_without_tls_is_no_connection(void **state) {
    struct net_fixture *f = *state;
    char url[100];
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/secret", (unsigned)f->server.port);
    struct err err = ERR_INIT;
    struct http_call *call = NULL;
    assert_int_equal(http_send(f->client, &(struct http_request){.url = url}, &call, &err),
                     ERR_NONE);
    assert_ptr_equal(http_wait(f->client, LONG_US), call);
    assert_end(call, HTTP_NO_CONNECTION, ERR_UNAVAILABLE, "SSL");
    http_call_free(call);
}

static void retry_after_is_seconds_or_a_date(void **state) {
    struct net_fixture *f = *state;
    static const struct {
        const char *path;
        int64_t low, high;
    } cases[] = {
        {"/retry-5", 5000000, 5000000},
        {"/retry-date", 90000000, 100000000},
        {"/retry-0", -1, 0},
        {"/retry-x", -1, -1},
        {"/retry-minus", -1, -1},
        {"/retry-past", -1, 0},
        {"/retry-never", -1, HTTP_RETRY_AFTER_US_MAX},
        {"/chunked", -1, -1},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct http_call *call = net_ask(f, cases[i].path, small);
        int64_t said = net_answer(call)->retry_after_us;
        if (said < cases[i].low || said > cases[i].high) {
            fail_msg("%s: %lld", cases[i].path, (long long)said);
        }
        http_call_free(call);
    }
}

static void a_redirect_is_an_answer_and_not_followed(void **state) {
    struct net_fixture *f = *state;
    struct http_call *call = net_ask(f, "/redirect", small);
    assert_answer(call, 302, "");
    assert_int_equal(test_server_count(&f->server, &f->server.request_count), 1);
    http_call_free(call);
}

static void cookies_are_not_kept(void **state) {
    struct net_fixture *f = *state;
    http_call_free(net_ask(f, "/cookie", small));
    struct http_call *call = net_ask(f, "/other", small);
    assert_null(strcasestr(buf_c(&net_answer(call)->body), "cookie"));
    http_call_free(call);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(bodies_come_however_they_are_framed),
        TEST(a_body_that_is_cut_is_an_error),
        TEST(what_is_not_http_is_an_error),
        TEST(compressed_bodies_come_decompressed),
        TEST(half_a_compressed_body_comes_as_what_it_holds),
        TEST(an_answer_larger_than_allowed_is_a_limit),
        TEST(an_answer_of_exactly_the_limit_fits),
        TEST(calls_together_hold_no_more_than_the_account),
        TEST(no_memory_for_a_body_ends_the_call),
        TEST(a_request_larger_than_the_account_is_refused),
        TEST(a_large_body_arrives_as_it_was_sent),
        TEST(the_deadline_ends_a_slow_answer),
        TEST(a_call_waiting_for_a_connection_has_its_deadline_too),
        TEST(nobody_listening_is_unavailable),
        TEST(a_name_without_an_address_is_unavailable),
        TEST(https_to_a_server_without_tls_is_no_connection),
        TEST(retry_after_is_seconds_or_a_date),
        TEST(a_redirect_is_an_answer_and_not_followed),
        TEST(cookies_are_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
