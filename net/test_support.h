/* For the tests of this folder: a client with one call at a time, or many. */
#ifndef PLUMB_NET_TEST_SUPPORT_H
#define PLUMB_NET_TEST_SUPPORT_H

#include "net/test_server.h"

#include "base/fault.h"
#include "base/mem.h"
#include "net/http.h"

#define LONG_US ((int64_t)60 * 1000000) /* never reached unless something hangs */

struct net_fixture {
    struct test_server server;
    struct http_client *client;
    char url[128];
};

static inline void net_start(struct net_fixture *f, bool (*answer)(const struct test_request *),
                             const struct http_options *options) {
    static const char *const proxies[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                          "ALL_PROXY"};
    for (size_t i = 0; i < ARRAY_COUNT(proxies); i++) {
        (void)unsetenv(proxies[i]);
    }
    test_server_start(&f->server, answer);
    struct err err = ERR_INIT;
    assert_int_equal(http_client_new(options, &f->client, &err), ERR_NONE);
}

static inline void net_stop(struct net_fixture *f) {
    http_client_free(f->client);
    test_server_stop(&f->server);
}

static inline const char *net_url(struct net_fixture *f, const char *path) {
    (void)snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u%s", (unsigned)f->server.port, path);
    return f->url;
}

/* Sends a request that must be taken. The URL is set to `path` of the test's server. */
static inline struct http_call *net_send(struct net_fixture *f, const char *path,
                                         struct http_request request) {
    struct err err = ERR_INIT;
    struct http_call *call = NULL;
    request.url = net_url(f, path);
    assert_int_equal(http_send(f->client, &request, &call, &err), ERR_NONE);
    return call;
}

/* Sends it and waits; the call is done. */
static inline struct http_call *net_ask(struct net_fixture *f, const char *path,
                                        struct http_request request) {
    struct http_call *call = net_send(f, path, request);
    assert_ptr_equal(http_wait(f->client, LONG_US), call);
    assert_true(http_call_done(call));
    return call;
}

static inline struct http_response *net_answer(struct http_call *call) {
    struct err err = ERR_INIT;
    struct http_response *response = NULL;
    if (http_call_result(call, &response, &err) != ERR_NONE) {
        fail_msg("%s", err.message);
    }
    return response;
}

static inline void assert_answer(struct http_call *call, int status, const char *body) {
    struct http_response *response = net_answer(call);
    assert_int_equal(response->status, status);
    assert_string_equal(buf_c(&response->body), body);
}

/* Ended as `end`; the message holds `words` and never the path. */
static inline void assert_end(struct http_call *call, enum http_end end, enum err_code code,
                              const char *words) {
    struct err err = ERR_INIT;
    struct http_response *response = NULL;
    assert_int_equal(http_call_end(call), end);
    assert_int_equal(http_call_result(call, &response, &err), code);
    assert_null(response);
    if (strstr(err.message, words) == NULL || strstr(err.message, "secret") != NULL) {
        fail_msg("'%s' should say '%s' and nothing secret", err.message, words);
    }
}

#endif
