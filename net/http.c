/* The caller's side: calls are made here, put into the queue of the thread (http_transfer.c) and
 * taken from its done list. One mutex guards the lists and the accounts of memory; it is held for
 * some instructions only, never while bytes move. A call that is freed in flight is marked and freed
 * by the thread. */
#include "base/fault.h"
#include "net/http_internal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const enum err_code end_codes[] = {
#define X(name, code) [HTTP_##name] = (code),
    HTTP_ENDS(X)
#undef X
};

/* ---- the client ---- */

static bool curl_is_ready;
static void init_curl(void) {
    curl_is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static void init_locks(struct http_client *client) {
    pthread_condattr_t monotonic;
    int failed = pthread_mutex_init(&client->mutex, NULL);
    failed |= pthread_condattr_init(&monotonic);
    failed |= pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    failed |= pthread_cond_init(&client->ended, &monotonic);
    failed |= pthread_condattr_destroy(&monotonic);
    ASSERT(failed == 0);
}

static void release_client(struct http_client *client) {
    (void)curl_multi_cleanup(client->multi);
    (void)pthread_cond_destroy(&client->ended);
    (void)pthread_mutex_destroy(&client->mutex);
    mem_free(client->user_agent);
    mem_free(client);
}

/* With every signal blocked: they are for the program's own threads, and a SIGPIPE of a TLS
 * connection for nobody. */
static int start_thread(struct http_client *client) {
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    int failed = pthread_sigmask(SIG_SETMASK, &all, &before);
    ASSERT(failed == 0);
    int code = pthread_create(&client->thread, NULL, http_transfer_run, client);
    failed = pthread_sigmask(SIG_SETMASK, &before, NULL);
    ASSERT(failed == 0);
    return code;
}

enum err_code http_client_new(const struct http_options *options, struct http_client **out,
                              struct err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_curl);
    ASSERT(options->calls_max <= HTTP_CALLS_MAX);
    struct http_client *client = mem_alloc(sizeof *client);
    init_locks(client);
    client->multi = curl_is_ready ? curl_multi_init() : NULL;
    client->user_agent =
        mem_strdup(options->user_agent != NULL ? options->user_agent : "plumb/" PLUMB_VERSION);
    client->calls_max = options->calls_max == 0 ? HTTP_CALLS_DEFAULT : options->calls_max;
    client->flight_bytes_max =
        options->flight_bytes_max == 0 ? HTTP_FLIGHT_BYTES_DEFAULT : options->flight_bytes_max;
    long connections =
        options->connections_max == 0 ? HTTP_CONNECTIONS_DEFAULT : (long)options->connections_max;
    if (client->multi == NULL ||
        curl_multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections) != CURLM_OK) {
        release_client(client);
        return err_set(err, ERR_UNAVAILABLE, "HTTP client: libcurl does not start");
    }
    int code = start_thread(client);
    if (code != 0) {
        release_client(client);
        return err_set_errno(err, ERR_UNAVAILABLE, code, "HTTP client: no thread");
    }
    *out = client;
    return ERR_NONE;
}

static void lock(struct http_client *client) {
    int failed = pthread_mutex_lock(&client->mutex);
    ASSERT(failed == 0);
}

static void unlock(struct http_client *client) {
    int failed = pthread_mutex_unlock(&client->mutex);
    ASSERT(failed == 0);
}

void http_client_free(struct http_client *client) {
    if (client == NULL) {
        return;
    }
    lock(client);
    client->is_stopping = true;
    unlock(client);
    (void)curl_multi_wakeup(client->multi);
    int failed = pthread_join(client->thread, NULL);
    ASSERT(failed == 0);
    while (client->newest != NULL) {
        http_call_destroy(client->newest);
    }
    for (size_t i = 0; i < HTTP_SPARES_MAX; i++) {
        buf_release(&client->spares[i]);
    }
    release_client(client);
}

/* ---- accounts ---- */

bool http_charge(struct http_call *call, size_t bytes) {
    struct http_client *client = call->client;
    lock(client);
    bool fits = client->flight_bytes <= client->flight_bytes_max &&
                bytes <= client->flight_bytes_max - client->flight_bytes;
    if (fits) {
        client->flight_bytes += bytes;
        call->charged += bytes;
    }
    unlock(client);
    return fits;
}

void http_discharge(struct http_call *call, size_t bytes) {
    lock(call->client);
    ASSERT(bytes <= call->charged && bytes <= call->client->flight_bytes);
    call->charged -= bytes;
    call->client->flight_bytes -= bytes;
    unlock(call->client);
}

/* With the mutex held. Takes the body, if there is room for it. */
static void spare_keep(struct http_client *client, struct buf *body) {
    for (size_t i = 0; i < HTTP_SPARES_MAX && !client->is_stopping; i++) {
        struct buf *spare = &client->spares[i];
        if (spare->data == NULL && body->capacity >= HTTP_SPARE_BYTES_MIN &&
            body->capacity <= HTTP_SPARE_BYTES_MAX) {
            *spare = *body;
            *body = (struct buf){.max = body->max};
        }
    }
}

void http_spare_take(struct http_call *call) {
    struct http_client *client = call->client;
    struct buf *body = &call->response.body;
    lock(client);
    const size_t room = client->flight_bytes_max - client->flight_bytes;
    for (size_t i = 0; i < HTTP_SPARES_MAX && body->data == NULL; i++) {
        struct buf *spare = &client->spares[i];
        if (spare->data != NULL && client->flight_bytes <= client->flight_bytes_max &&
            spare->capacity <= room && spare->capacity <= call->response_bytes_max) {
            *body = *spare;
            body->max = call->response_bytes_max;
            buf_clear(body);
            *spare = (struct buf){.max = 0};
            client->flight_bytes += body->capacity;
            call->charged += body->capacity;
        }
    }
    unlock(client);
}

void http_call_destroy(struct http_call *call) {
    struct http_client *client = call->client;
    lock(client);
    client->flight_bytes -= call->charged;
    client->call_count--;
    if (call->newer != NULL) {
        call->newer->older = call->older;
    } else {
        client->newest = call->older;
    }
    if (call->older != NULL) {
        call->older->newer = call->newer;
    }
    spare_keep(client, &call->response.body);
    unlock(client);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    buf_release(&call->request_body);
    buf_release(&call->response.body);
    mem_free(call);
}

/* ---- sending ---- */

static bool is_header_text(const char *text, bool is_name) {
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7F || (is_name && (*p == ':' || *p == ' '))) {
            return false;
        }
    }
    return text[0] != '\0' || !is_name;
}

static enum err_code check_request(const struct http_request *request, struct err *err) {
    if (http_url_check(request->url, err) != ERR_NONE) {
        return err->code;
    }
    if (request->header_count > HTTP_REQUEST_HEADERS_MAX) {
        return err_set(err, ERR_CONFIG, "%zu request headers; %d is the most",
                       request->header_count, HTTP_REQUEST_HEADERS_MAX);
    }
    for (const char *p = request->method; p != NULL && *p != '\0'; p++) {
        if (*p < 'A' || *p > 'Z') {
            return err_set(err, ERR_CONFIG, "a request method in capital letters is expected");
        }
    }
    for (size_t i = 0; i < request->header_count; i++) {
        if (!is_header_text(request->headers[i].name, true) ||
            !is_header_text(request->headers[i].value, false)) {
            return err_set(err, ERR_CONFIG,
                           "request header %zu: a name without spaces and ':', and a value without "
                           "control characters, is expected",
                           i + 1);
        }
    }
    return ERR_NONE;
}

/* Takes a place among the calls; false when all are taken. */
static bool enlist(struct http_call *call) {
    struct http_client *client = call->client;
    lock(client);
    bool has_room = client->call_count < client->calls_max;
    if (has_room) {
        client->call_count++;
        call->older = client->newest;
        if (client->newest != NULL) {
            client->newest->newer = call;
        }
        client->newest = call;
    }
    unlock(client);
    return has_room;
}

static void push(struct http_call **first, struct http_call **last, struct http_call *call) {
    call->next = NULL;
    if (*first == NULL) {
        *first = call;
    } else {
        (*last)->next = call;
    }
    *last = call;
}

static void enqueue(struct http_call *call) {
    struct http_client *client = call->client;
    lock(client);
    call->state = CALL_QUEUED;
    push(&client->queued, &client->queued_last, call);
    client->in_flight++;
    unlock(client);
    (void)curl_multi_wakeup(client->multi);
}

/* The fault point struck: done before it began. */
static void end_by_fault(struct http_call *call) {
    http_call_set_end(call, HTTP_FAULT, "the fault point 'net' struck");
    lock(call->client);
    call->state = CALL_DONE;
    push(&call->client->done, &call->client->done_last, call);
    unlock(call->client);
}

static void set_times(struct http_call *call, const struct http_request *request) {
    int64_t deadline = request->deadline_us == 0 ? HTTP_DEADLINE_US_DEFAULT : request->deadline_us;
    ASSERT(deadline > 0 && deadline <= HTTP_DEADLINE_US_MAX);
    call->deadline_us = deadline;
    call->sent_us = clock_monotonic_us();
    call->deadline_at_us = call->sent_us + deadline;
}

enum err_code http_send(struct http_client *client, const struct http_request *request,
                        struct http_call **out, struct err *err) {
    if (check_request(request, err) != ERR_NONE) {
        return err->code;
    }
    struct http_call *call = mem_alloc(sizeof *call);
    call->client = client;
    if (!enlist(call)) {
        mem_free(call);
        return err_set(err, ERR_LIMIT, "%u HTTP calls are open, no more at once",
                       client->calls_max);
    }
    call->tag = request->tag;
    call->response_bytes_max = request->response_bytes_max == 0 ? HTTP_RESPONSE_BYTES_DEFAULT
                                                                : request->response_bytes_max;
    buf_init(&call->response.body, call->response_bytes_max);
    call->response.retry_after_us = -1;
    (void)http_url_show(request->url, call->shown);
    set_times(call, request);
    size_t body_bytes = request->body == NULL ? 0 : request->body->capacity;
    enum err_code code =
        http_charge(call, body_bytes)
            ? http_transfer_prepare(call, request, err)
            : err_set(err, ERR_LIMIT,
                      "the HTTP calls in flight hold %zu bytes, the most there may be",
                      client->flight_bytes_max);
    if (code != ERR_NONE) {
        http_call_destroy(call);
        return code;
    }
    if (request->body != NULL) { /* the bytes stay where they are: curl already points to them */
        call->request_body = *request->body;
        buf_init(request->body, request->body->max);
    }
    if (fault_fails(FAULT_NET)) {
        end_by_fault(call);
    } else {
        enqueue(call);
    }
    *out = call;
    return ERR_NONE;
}

/* ---- waiting ---- */

static struct timespec after_us(int64_t us) {
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at); /* of the system, as the condition's waits are */
    int64_t ns = at.tv_nsec + us % 1000000 * 1000;
    at.tv_sec += us / 1000000 + ns / 1000000000;
    at.tv_nsec = ns % 1000000000;
    return at;
}

struct http_call *http_wait(struct http_client *client, int64_t timeout_us) {
    struct timespec until = after_us(timeout_us < 0 ? 0 : timeout_us);
    lock(client);
    int waited = 0;
    while (client->done == NULL && client->in_flight > 0 && waited == 0 && timeout_us > 0) {
        waited = pthread_cond_timedwait(&client->ended, &client->mutex, &until);
    }
    struct http_call *call = client->done;
    if (call != NULL) {
        client->done = call->next;
        call->is_given = true;
    }
    unlock(client);
    return call;
}

size_t http_in_flight(struct http_client *client) {
    lock(client);
    size_t count = client->in_flight;
    unlock(client);
    return count;
}

/* ---- calls ---- */

bool http_call_done(const struct http_call *call) {
    lock(call->client);
    bool is_done = call->state == CALL_DONE;
    unlock(call->client);
    return is_done;
}

uint64_t http_call_tag(const struct http_call *call) {
    return call->tag;
}

enum http_end http_call_end(const struct http_call *call) {
    ASSERT(http_call_done(call));
    return call->end;
}

int http_call_status(const struct http_call *call) {
    ASSERT(http_call_done(call));
    return call->response.status;
}

enum err_code http_call_result(struct http_call *call, struct http_response **out,
                               struct err *err) {
    ASSERT(http_call_done(call));
    if (call->end != HTTP_ANSWERED) {
        *err = call->err;
        return err->code;
    }
    *out = &call->response;
    return ERR_NONE;
}

void http_call_set_end(struct http_call *call, enum http_end end, const char *what) {
    call->end = end;
    if (end != HTTP_ANSWERED) {
        char shown[CURL_ERROR_SIZE + 64];
        str_printable(str_of(what), shown, sizeof shown);
        enum err_code code = err_set(&call->err, end_codes[end], "%s: %s", call->shown, shown);
        ASSERT(code != ERR_NONE);
    }
}

/* True when the thread is to be told. */
static bool mark_cancelled(struct http_call *call, bool is_freed) {
    if (call->state == CALL_DONE) {
        return false;
    }
    call->is_cancelled = true;
    call->is_freed = call->is_freed || is_freed;
    call->client->has_cancelled = true;
    return true;
}

void http_call_cancel(struct http_call *call) {
    struct http_client *client = call->client;
    lock(client);
    bool is_in_flight = mark_cancelled(call, false);
    unlock(client);
    if (is_in_flight) {
        (void)curl_multi_wakeup(client->multi);
    }
}

static void remove_done(struct http_call *call) {
    struct http_client *client = call->client;
    struct http_call *before = NULL;
    for (struct http_call *c = client->done; c != call; c = c->next) {
        ASSERT(c != NULL);
        before = c;
    }
    if (before == NULL) {
        client->done = call->next;
    } else {
        before->next = call->next;
    }
    if (client->done_last == call) {
        client->done_last = before;
    }
}

void http_call_free(struct http_call *call) {
    if (call == NULL) {
        return;
    }
    struct http_client *client = call->client;
    lock(client);
    bool is_in_flight = mark_cancelled(call, true);
    if (!is_in_flight && !call->is_given) {
        remove_done(call);
    }
    unlock(client);
    if (is_in_flight) {
        (void)curl_multi_wakeup(client->multi);
    } else {
        http_call_destroy(call);
    }
}
