/* The client as callers see it: requests and answers, many in flight, waiting, cancelling, limits. */
#include "net/test_support.h"

#include "base/clock.h"

#include <time.h>

/* /echo: the request's body. /what: method, path and head. /gate: after the gate. */
static bool answer(const struct test_request *request) {
    if (strcmp(request->path, "/echo") == 0) {
        return test_server_reply(request, "200 OK", request->body);
    }
    if (strcmp(request->path, "/what") == 0) {
        char text[4096];
        int len = snprintf(text, sizeof text, "%s %s", request->method, request->head);
        return test_server_reply(request, "200 OK", (struct str){text, (size_t)len});
    }
    if (strncmp(request->path, "/gate", 5) == 0) {
        test_server_wait_at_gate(request->server);
        return test_server_reply(request, "200 OK", str_of(request->path));
    }
    if (strcmp(request->path, "/half") == 0) { /* of the body, the rest after the gate */
        bool sent =
            test_server_say(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
        test_server_wait_at_gate(request->server);
        return sent && test_server_say(request->fd, "rest");
    }
    return test_server_reply(request, "404 Not Found", STR("no such path"));
}

static int start(void **state) {
    struct net_fixture *f = calloc(1, sizeof *f);
    net_start(f, answer, &(struct http_options){.user_agent = NULL});
    *state = f;
    return 0;
}

static int stop(void **state) {
    net_stop(*state);
    free(*state);
    return 0;
}

static void an_answer_has_status_body_tag_and_times(void **state) {
    struct net_fixture *f = *state;
    struct http_call *call = net_ask(f, "/nowhere", (struct http_request){.tag = 42});
    assert_answer(call, 404, "no such path");
    struct http_response *response = net_answer(call);
    assert_int_equal(http_call_tag(call), 42);
    assert_int_equal(response->retry_after_us, -1);
    assert_int_equal(response->wire_bytes, strlen("no such path"));
    assert_true(response->first_byte_us > 0 && response->elapsed_us >= response->first_byte_us);
    http_call_free(call);
}

static void a_body_is_taken_and_posted_as_json(void **state) {
    struct net_fixture *f = *state;
    struct buf body = BUF_INIT(1000);
    buf_adds(&body, "[1,2]");
    struct http_call *call = net_ask(f, "/echo", (struct http_request){.body = &body});
    assert_null(body.data);
    assert_answer(call, 200, "[1,2]");
    http_call_free(call);
    buf_adds(&body, "x");
    call = net_ask(f, "/what", (struct http_request){.body = &body});
    const char *what = buf_c(&net_answer(call)->body);
    assert_true(strncmp(what, "POST ", 5) == 0);
    assert_non_null(strstr(what, "Content-Type: application/json\r\n"));
    assert_null(strstr(what, "Expect"));
    http_call_free(call);
}

static void an_empty_body_is_a_post_of_nothing(void **state) {
    struct net_fixture *f = *state;
    struct buf body = BUF_INIT(10);
    struct http_call *call = net_ask(f, "/what", (struct http_request){.body = &body});
    const char *what = buf_c(&net_answer(call)->body);
    assert_true(strncmp(what, "POST ", 5) == 0);
    assert_non_null(strstr(what, "Content-Length: 0\r\n"));
    http_call_free(call);
}

static void headers_and_method_are_the_callers(void **state) {
    struct net_fixture *f = *state;
    const struct http_header headers[] = {
        {"X-Key", "a: b"}, {"content-type", "text/plain"}, {"X-Empty", ""}};
    struct buf body = BUF_INIT(10);
    buf_adds(&body, "x");
    struct http_call *call = net_ask(f, "/what",
                                     (struct http_request){.method = "PUT",
                                                           .headers = headers,
                                                           .header_count = ARRAY_COUNT(headers),
                                                           .body = &body});
    const char *what = buf_c(&net_answer(call)->body);
    assert_true(strncmp(what, "PUT ", 4) == 0);
    assert_non_null(strstr(what, "X-Key: a: b\r\n"));
    assert_non_null(strstr(what, "X-Empty:\r\n"));
    assert_non_null(strstr(what, "content-type: text/plain\r\n"));
    assert_null(strstr(what, "application/json"));
    assert_non_null(strstr(what, "User-Agent: plumb/"));
    assert_null(strstr(what, "gzip")); /* of this machine nothing is asked to be compressed */
    http_call_free(call);
}

static void calls_one_after_another_share_a_connection(void **state) {
    struct net_fixture *f = *state;
    for (size_t i = 0; i < 20; i++) {
        http_call_free(net_ask(f, "/echo", (struct http_request){.tag = i}));
    }
    assert_int_equal(test_server_count(&f->server, &f->server.request_count), 20);
    assert_int_equal(test_server_count(&f->server, &f->server.connection_count), 1);
}

static void a_kept_connection_that_was_closed_is_no_error(void **state) {
    struct net_fixture *f = *state;
    http_call_free(net_ask(f, "/echo", (struct http_request){.tag = 0}));
    pthread_mutex_lock(&f->server.mutex);
    (void)shutdown(f->server.fds[0], SHUT_RDWR);
    pthread_mutex_unlock(&f->server.mutex);
    struct buf body = BUF_INIT(10);
    buf_adds(&body, "again");
    struct http_call *call = net_ask(f, "/echo", (struct http_request){.body = &body});
    assert_answer(call, 200, "again");
    http_call_free(call);
}

static void twenty_are_in_flight_at_once_and_each_comes_once(void **state) {
    struct net_fixture *f = *state;
    http_client_free(f->client);
    struct err err = ERR_INIT;
    assert_int_equal(
        http_client_new(&(struct http_options){.connections_max = 20}, &f->client, &err), ERR_NONE);
    for (uint64_t i = 0; i < 20; i++) {
        char path[40];
        (void)snprintf(path, sizeof path, "/gate%llu", (unsigned long long)i);
        (void)net_send(f, path, (struct http_request){.tag = i});
    }
    test_server_await_waiting(&f->server, 20);
    assert_int_equal(http_in_flight(f->client), 20);
    assert_null(http_wait(f->client, 0));
    test_server_open_gate(&f->server);
    uint32_t seen = 0;
    for (size_t i = 0; i < 20; i++) {
        struct http_call *call = http_wait(f->client, LONG_US);
        char path[40];
        (void)snprintf(path, sizeof path, "/gate%llu", (unsigned long long)http_call_tag(call));
        assert_answer(call, 200, path);
        seen |= UINT32_C(1) << http_call_tag(call);
        http_call_free(call);
    }
    assert_int_equal(seen, 0xFFFFF);
    assert_null(http_wait(f->client, LONG_US));
    assert_int_equal(http_in_flight(f->client), 0);
}

static void more_calls_than_connections_wait_their_turn(void **state) {
    struct net_fixture *f = *state;
    http_client_free(f->client);
    struct err err = ERR_INIT;
    assert_int_equal(
        http_client_new(&(struct http_options){.connections_max = 2}, &f->client, &err), ERR_NONE);
    test_server_open_gate(&f->server);
    for (uint64_t i = 0; i < 30; i++) {
        (void)net_send(f, "/gate", (struct http_request){.tag = i});
    }
    for (size_t i = 0; i < 30; i++) {
        struct http_call *call = http_wait(f->client, LONG_US);
        assert_answer(call, 200, "/gate");
        http_call_free(call);
    }
    assert_true(test_server_count(&f->server, &f->server.connection_count) <= 2);
}

static int64_t cpu_us(void) {
    struct timespec at;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (int64_t)at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

static void waiting_ends_in_time_and_burns_nothing(void **state) {
    struct net_fixture *f = *state;
    struct http_call *call = net_send(f, "/gate", (struct http_request){.tag = 1});
    test_server_await_waiting(&f->server, 1);
    int64_t cpu_before = cpu_us();
    int64_t before = clock_monotonic_us();
    assert_null(http_wait(f->client, 200000));
    assert_true(clock_monotonic_us() - before >= 200000);
    assert_true(cpu_us() - cpu_before < 100000); /* one that spins needs 200000 */
    assert_false(http_call_done(call));
    test_server_open_gate(&f->server);
    assert_ptr_equal(http_wait(f->client, LONG_US), call);
    http_call_free(call);
}

static void a_call_cancelled_inside_its_body_ends_soon(void **state) {
    struct net_fixture *f = *state;
    struct http_call *call = net_send(f, "/half", (struct http_request){.tag = 1});
    test_server_await_waiting(&f->server, 1);
    http_call_cancel(call);
    http_call_cancel(call);
    assert_ptr_equal(http_wait(f->client, LONG_US), call);
    assert_end(call, HTTP_CANCELLED, ERR_CANCELLED, "cancelled");
    http_call_cancel(call); /* done already */
    assert_int_equal(http_call_end(call), HTTP_CANCELLED);
    http_call_free(call);
    struct http_call *next = net_ask(f, "/echo", (struct http_request){.tag = 2});
    assert_answer(next, 200, "");
    http_call_free(next);
}

static void a_call_freed_in_flight_is_never_seen(void **state) {
    struct net_fixture *f = *state;
    http_call_free(net_send(f, "/half", (struct http_request){.tag = 1}));
    struct http_call *second = net_send(f, "/gate", (struct http_request){.tag = 2});
    test_server_open_gate(&f->server);
    assert_ptr_equal(http_wait(f->client, LONG_US), second);
    assert_null(http_wait(f->client, LONG_US));
    http_call_free(second);
}

static void a_call_freed_when_done_but_not_waited_for_is_never_seen(void **state) {
    struct net_fixture *f = *state;
    struct http_call *calls[3];
    for (uint64_t i = 0; i < 3; i++) {
        calls[i] = net_send(f, "/echo", (struct http_request){.tag = i});
    }
    while (http_in_flight(f->client) > 0) {
        (void)sched_yield();
    }
    http_call_free(calls[1]);
    struct http_call *a = http_wait(f->client, LONG_US);
    struct http_call *b = http_wait(f->client, LONG_US);
    assert_true(a != b && a != calls[1] && b != calls[1]);
    assert_null(http_wait(f->client, LONG_US));
    http_call_free(a); /* the other is left to the client */
}

static void a_client_freed_with_calls_in_flight_ends_them(void **state) {
    struct net_fixture *f = *state;
    for (uint64_t i = 0; i < 10; i++) {
        (void)net_send(f, i % 2 == 0 ? "/half" : "/gate", (struct http_request){.tag = i});
    }
    test_server_await_waiting(&f->server, 3);
    /* stop() frees the client; the sanitizers tell what is left */
}

/* Calls sent, waited for, cancelled and freed in any order, by a fixed seed: what is given is given once,
 * and what was answered holds its own answer. */
static void a_storm_of_calls_loses_and_mixes_nothing(void **state) {
    struct net_fixture *f = *state;
    enum { OPEN_MAX = 32 };
    struct http_call *open[OPEN_MAX] = {NULL}; /* by slot; the tag is slot + OPEN_MAX * round */
    uint64_t seed = 11;
    size_t answered = 0;
    for (size_t round = 0; round < 3000; round++) {
        size_t slot = next_random(&seed) % OPEN_MAX;
        uint64_t action = next_random(&seed) % 64;
        if (open[slot] == NULL) {
            struct buf body = BUF_INIT(100);
            uint64_t tag = slot + OPEN_MAX * round;
            buf_addf(&body, "%llu", (unsigned long long)tag);
            open[slot] = net_send(f, "/echo", (struct http_request){.body = &body, .tag = tag});
        } else if (action < 4) {
            http_call_cancel(open[slot]);
        } else if (action < 8) {
            http_call_free(open[slot]);
            open[slot] = NULL;
        } else {
            struct http_call *call = http_wait(f->client, action < 16 ? 0 : 10000);
            size_t its = call == NULL ? slot : http_call_tag(call) % OPEN_MAX;
            assert_true(call == NULL || open[its] == call);
            if (call != NULL && http_call_end(call) == HTTP_ANSWERED) {
                char expected[24];
                (void)snprintf(expected, sizeof expected, "%llu",
                               (unsigned long long)http_call_tag(call));
                assert_answer(call, 200, expected);
                answered++;
            }
            http_call_free(call);
            open[its] = call == NULL ? open[its] : NULL;
        }
    }
    assert_true(answered > 500);
    assert_true(test_server_count(&f->server, &f->server.connection_count) <
                TEST_SERVER_CONNECTIONS_MAX);
}

static void nothing_of_a_refused_request_is_taken(void **state) {
    struct net_fixture *f = *state;
    struct buf body = BUF_INIT(10);
    buf_adds(&body, "mine");
    const struct http_header split = {"X", "a\r\nHost: b"};
    const struct http_header colon = {"X: y", "a"};
    const struct http_header nameless = {"", "a"};
    const struct http_request wrong[] = {
        {.url = "nothing", .body = &body},
        {.url = "ftp://a.example/", .body = &body},
        {.url = "http://a.example/", .body = &body, .headers = &split, .header_count = 1},
        {.url = "http://a.example/", .body = &body, .headers = &colon, .header_count = 1},
        {.url = "http://a.example/", .body = &body, .headers = &nameless, .header_count = 1},
        {.url = "http://a.example/", .body = &body, .method = "GET /x"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct err err = ERR_INIT;
        struct http_call *call = NULL;
        assert_int_equal(http_send(f->client, &wrong[i], &call, &err), ERR_CONFIG);
        assert_null(call);
        assert_string_equal(buf_c(&body), "mine");
    }
    assert_int_equal(http_in_flight(f->client), 0);
    buf_release(&body);
}

static void more_calls_than_allowed_are_refused_until_one_is_freed(void **state) {
    struct net_fixture *f = *state;
    http_client_free(f->client);
    struct err err = ERR_INIT;
    assert_int_equal(http_client_new(&(struct http_options){.calls_max = 2}, &f->client, &err),
                     ERR_NONE);
    struct http_call *first = net_ask(f, "/echo", (struct http_request){.tag = 1});
    struct http_call *second = net_ask(f, "/echo", (struct http_request){.tag = 2});
    struct http_call *third = NULL;
    struct http_request request = {.url = net_url(f, "/echo")};
    assert_int_equal(http_send(f->client, &request, &third, &err), ERR_LIMIT);
    assert_null(third);
    http_call_free(first);
    assert_int_equal(http_send(f->client, &request, &third, &err), ERR_NONE);
    assert_ptr_equal(http_wait(f->client, LONG_US), third);
    http_call_free(second);
    http_call_free(third);
}

static void the_fault_point_fails_the_call_it_is_armed_for(void **state) {
    struct net_fixture *f = *state;
    struct err err = ERR_INIT;
    assert_int_equal(fault_arm("net:2", &err), ERR_NONE);
    struct http_call *first = net_ask(f, "/echo", (struct http_request){.tag = 1});
    struct http_call *second = net_ask(f, "/echo", (struct http_request){.tag = 2});
    struct http_call *third = net_ask(f, "/echo", (struct http_request){.tag = 3});
    assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
    assert_answer(first, 200, "");
    assert_end(second, HTTP_FAULT, ERR_UNAVAILABLE, "fault point");
    assert_answer(third, 200, "");
    http_call_free(first);
    http_call_free(second);
    http_call_free(third);
}

static void a_proxy_of_the_environment_is_asked(void **state) {
    struct net_fixture *f = *state;
    assert_int_equal(setenv("http_proxy", net_url(f, ""), 1), 0);
    struct err err = ERR_INIT;
    struct http_call *call = NULL;
    struct http_request request = {.url = "http://node.invalid/what"};
    assert_int_equal(http_send(f->client, &request, &call, &err), ERR_NONE);
    assert_ptr_equal(http_wait(f->client, LONG_US), call);
    assert_answer(call, 404, "no such path"); /* its path is the whole URL */
    assert_int_equal(test_server_count(&f->server, &f->server.request_count), 1);
    assert_int_equal(unsetenv("http_proxy"), 0);
    http_call_free(call);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_has_status_body_tag_and_times, start, stop),
        cmocka_unit_test_setup_teardown(a_body_is_taken_and_posted_as_json, start, stop),
        cmocka_unit_test_setup_teardown(an_empty_body_is_a_post_of_nothing, start, stop),
        cmocka_unit_test_setup_teardown(headers_and_method_are_the_callers, start, stop),
        cmocka_unit_test_setup_teardown(calls_one_after_another_share_a_connection, start, stop),
        cmocka_unit_test_setup_teardown(a_kept_connection_that_was_closed_is_no_error, start, stop),
        cmocka_unit_test_setup_teardown(twenty_are_in_flight_at_once_and_each_comes_once, start,
                                        stop),
        cmocka_unit_test_setup_teardown(more_calls_than_connections_wait_their_turn, start, stop),
        cmocka_unit_test_setup_teardown(waiting_ends_in_time_and_burns_nothing, start, stop),
        cmocka_unit_test_setup_teardown(a_call_cancelled_inside_its_body_ends_soon, start, stop),
        cmocka_unit_test_setup_teardown(a_call_freed_in_flight_is_never_seen, start, stop),
        cmocka_unit_test_setup_teardown(a_call_freed_when_done_but_not_waited_for_is_never_seen,
                                        start, stop),
        cmocka_unit_test_setup_teardown(a_client_freed_with_calls_in_flight_ends_them, start, stop),
        cmocka_unit_test_setup_teardown(a_storm_of_calls_loses_and_mixes_nothing, start, stop),
        cmocka_unit_test_setup_teardown(nothing_of_a_refused_request_is_taken, start, stop),
        cmocka_unit_test_setup_teardown(more_calls_than_allowed_are_refused_until_one_is_freed,
                                        start, stop),
        cmocka_unit_test_setup_teardown(the_fault_point_fails_the_call_it_is_armed_for, start,
                                        stop),
        cmocka_unit_test_setup_teardown(a_proxy_of_the_environment_is_asked, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
