/* The thread's side: one loop that takes new calls from the queue, lets curl move bytes, ends what is
 * finished, cancelled or overdue, and then sleeps in curl_multi_poll until a socket, curl's own
 * timers, the next deadline or curl_multi_wakeup wakes it. Deadlines are kept here and not by curl,
 * since they also cover the time a call waits for a connection to become free. The body grows by
 * doubling and every growth is charged to the client's account before it happens. */
#include "net/http_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BODY_FIRST_BYTES     ((size_t)16 << 10)
#define RECEIVE_BUFFER_BYTES 131072L
#define HTTP_SPARE_NEED      ((size_t)4 << 10) /* a first piece that promises more */
#define POLL_MS_MAX          3600000

/* ---- what curl calls ---- */

/* What the buffer is to hold next: twice as much, or only what is needed when memory is short. */
static bool grow_body(struct http_call *call, size_t need) {
    struct buf *body = &call->response.body;
    if (body->data == NULL && need >= HTTP_SPARE_NEED) {
        http_spare_take(call);
    }
    if (need <= body->capacity) {
        return true;
    }
    size_t want = body->capacity > call->response_bytes_max / 2 ? call->response_bytes_max
                                                                : body->capacity * 2;
    want = want < BODY_FIRST_BYTES ? BODY_FIRST_BYTES : want;
    want = want < need ? need : want;
    want = want > call->response_bytes_max ? call->response_bytes_max : want;
    if (!http_charge(call, want - body->capacity)) {
        want = need;
        if (!http_charge(call, want - body->capacity)) {
            return false;
        }
    }
    struct err ignored = ERR_INIT; /* the call's own message says it */
    body->max = want;
    enum err_code code = buf_reserve(body, want - body->len, &ignored);
    body->max = call->response_bytes_max;
    return code == ERR_NONE;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context) {
    struct http_call *call = context;
    struct buf *body = &call->response.body;
    size_t len = size * count; /* of a buffer that exists */
    if (len > call->response_bytes_max - body->len) {
        call->write_end = HTTP_TOO_LARGE;
        return 0;
    }
    if (!grow_body(call, body->len + len)) {
        call->write_end = HTTP_OUT_OF_FLIGHT_BYTES;
        return 0;
    }
    memcpy(body->data + body->len, bytes, len);
    body->len += len;
    body->data[body->len] = '\0';
    return len;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context) {
    (void)bytes;
    struct http_call *call = context;
    size_t len = size * count;
    if (call->response.first_byte_us == 0) {
        call->response.first_byte_us = clock_monotonic_us() - call->sent_us;
    }
    call->header_bytes += len;
    if (call->header_bytes > HTTP_HEADER_BYTES_MAX) {
        call->write_end = HTTP_TOO_LARGE;
        return 0;
    }
    return len;
}

/* ---- making a call ready ---- */

#define SET(call, option, value) (curl_easy_setopt((call)->easy, (option), (value)) == CURLE_OK)

static bool add_header(struct http_call *call, const char *line) {
    struct curl_slist *longer = curl_slist_append(call->headers, line);
    call->headers = longer == NULL ? call->headers : longer;
    return longer != NULL;
}

static bool set_headers(struct http_call *call, const struct http_request *request) {
    bool has_type = request->body == NULL;
    bool is_set = add_header(call, "Expect:"); /* no round trip before the body */
    for (size_t i = 0; is_set && i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        has_type = has_type || strcasecmp(header->name, "Content-Type") == 0;
        /* curl takes "Name:" for "do not send it" and "Name;" for an empty value. */
        char *line = header->value[0] == '\0' ? mem_printf("%s;", header->name)
                                              : mem_printf("%s: %s", header->name, header->value);
        is_set = add_header(call, line);
        mem_free(line);
    }
    is_set = is_set && (has_type || add_header(call, "Content-Type: application/json"));
    return is_set && SET(call, CURLOPT_HTTPHEADER, call->headers);
}

static bool set_method(struct http_call *call, const struct http_request *request) {
    const char *method = request->method != NULL ? request->method
                         : request->body != NULL ? "POST"
                                                 : "GET";
    bool is_set = true;
    if (request->body != NULL) {
        struct str body = buf_str(request->body);
        is_set = SET(call, CURLOPT_POST, 1L) && SET(call, CURLOPT_POSTFIELDS, body.ptr) &&
                 SET(call, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    } else if (strcmp(method, "HEAD") == 0) {
        return SET(call, CURLOPT_NOBODY, 1L);
    }
    return is_set && SET(call, CURLOPT_CUSTOMREQUEST, method);
}

static bool set_transfer(struct http_call *call, const struct http_request *request) {
    int64_t connect_us = request->connect_us == 0 ? HTTP_CONNECT_US_DEFAULT : request->connect_us;
    const char *encodings = http_url_is_local(request->url) ? "identity" : "gzip, deflate";
    return SET(call, CURLOPT_URL, request->url) && SET(call, CURLOPT_PRIVATE, call) &&
           SET(call, CURLOPT_PROTOCOLS_STR, "http,https") && SET(call, CURLOPT_NOSIGNAL, 1L) &&
           SET(call, CURLOPT_CONNECTTIMEOUT_MS, (long)((connect_us + 999) / 1000)) &&
           SET(call, CURLOPT_ACCEPT_ENCODING, encodings) && SET(call, CURLOPT_TCP_NODELAY, 1L) &&
           SET(call, CURLOPT_TCP_KEEPALIVE, 1L) && SET(call, CURLOPT_FOLLOWLOCATION, 0L) &&
           SET(call, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) &&
           SET(call, CURLOPT_USERAGENT, call->client->user_agent) &&
           SET(call, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_BYTES) &&
           SET(call, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)call->response_bytes_max) &&
           SET(call, CURLOPT_ERRORBUFFER, call->curl_text) &&
           SET(call, CURLOPT_WRITEFUNCTION, on_body) && SET(call, CURLOPT_WRITEDATA, call) &&
           SET(call, CURLOPT_HEADERFUNCTION, on_header) && SET(call, CURLOPT_HEADERDATA, call);
}

enum err_code http_transfer_prepare(struct http_call *call, const struct http_request *request,
                                    struct err *err) {
    call->easy = curl_easy_init();
    if (call->easy == NULL || !set_transfer(call, request) || !set_method(call, request) ||
        !set_headers(call, request)) {
        return err_set(err, ERR_LIMIT, "%s: libcurl has no memory for another call", call->shown);
    }
    return ERR_NONE;
}

/* ---- how it ended ---- */

static enum http_end end_of(const struct http_call *call, CURLcode code) {
    if (call->write_end != HTTP_ANSWERED) {
        return call->write_end;
    }
    switch ((int)code) { /* most of some ninety do not occur */
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return HTTP_NO_HOST;
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PROXY:
    case CURLE_OPERATION_TIMEDOUT: /* of connecting: curl knows no other timeout of ours */
        return HTTP_NO_CONNECTION;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CACERT_BADFILE:
        return HTTP_NOT_TRUSTED;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return HTTP_CUT;
    case CURLE_FILESIZE_EXCEEDED:
        return HTTP_TOO_LARGE;
    case CURLE_OUT_OF_MEMORY:
        return HTTP_OUT_OF_FLIGHT_BYTES;
    default:
        return HTTP_BROKEN;
    }
}

/* What happened, and what the reader can do. `curl_says` may be empty. */
static void describe(const struct http_call *call, enum http_end end, const char *curl_says,
                     char *out, size_t out_bytes) {
    switch (end) {
    case HTTP_NO_HOST:
        (void)snprintf(out, out_bytes, "%s; is the name right, and the network up?", curl_says);
        return;
    case HTTP_TIMED_OUT:
        (void)snprintf(out, out_bytes, "no whole answer within %lld ms (%zu bytes came)",
                       (long long)(call->deadline_us / 1000), call->response.body.len);
        return;
    case HTTP_TOO_LARGE:
        if (call->header_bytes > HTTP_HEADER_BYTES_MAX) {
            (void)snprintf(out, out_bytes, "the answer's headers are larger than %zu bytes",
                           HTTP_HEADER_BYTES_MAX);
        } else {
            (void)snprintf(out, out_bytes, "the answer is larger than %zu bytes",
                           call->response_bytes_max);
        }
        return;
    case HTTP_OUT_OF_FLIGHT_BYTES:
        (void)snprintf(out, out_bytes,
                       "no memory for the answer: the calls in flight may hold %zu bytes",
                       call->client->flight_bytes_max);
        return;
    case HTTP_CUT:
        (void)snprintf(out, out_bytes, "the connection ended inside the answer: %s", curl_says);
        return;
    case HTTP_CANCELLED:
        (void)snprintf(out, out_bytes, "cancelled");
        return;
    case HTTP_NO_CONNECTION:
    case HTTP_NOT_TRUSTED:
    case HTTP_BROKEN:
    case HTTP_FAULT:
    case HTTP_ANSWERED:
        (void)snprintf(out, out_bytes, "%s", curl_says);
        return;
    }
}

static int64_t retry_after_us(CURL *easy) {
    curl_off_t seconds = 0; /* curl gives 0 for "not said" too */
    if (curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) != CURLE_OK || seconds <= 0) {
        return -1;
    }
    return seconds > HTTP_RETRY_AFTER_US_MAX / 1000000 ? HTTP_RETRY_AFTER_US_MAX
                                                       : (int64_t)seconds * 1000000;
}

static void fill_response(struct http_call *call) {
    struct http_response *response = &call->response;
    long status = 0;
    curl_off_t wire_bytes = 0;
    long origin = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status); /* stays 0 */
    (void)curl_easy_getinfo(call->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire_bytes);
    (void)curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &origin);
    response->status = (int)status;
    response->wire_bytes = (size_t)wire_bytes;
    response->retry_after_us = retry_after_us(call->easy);
    response->elapsed_us = clock_monotonic_us() - call->sent_us;
    call->err.origin = (int)origin;
}

/* Hands the call to the caller, or frees it when the caller wants it no more. */
static void give(struct http_call *call) {
    struct http_client *client = call->client;
    int failed = pthread_mutex_lock(&client->mutex);
    call->state = CALL_DONE;
    client->in_flight--;
    bool is_freed = call->is_freed;
    if (!is_freed) {
        call->next = NULL;
        if (client->done == NULL) {
            client->done = call;
        } else {
            client->done_last->next = call;
        }
        client->done_last = call;
    }
    failed |= pthread_cond_signal(&client->ended);
    failed |= pthread_mutex_unlock(&client->mutex);
    ASSERT(failed == 0);
    if (is_freed) {
        http_call_destroy(call);
    }
}

/* The call is out of the active list. */
static void finish(struct http_call *call, enum http_end end, CURLcode code) {
    (void)curl_multi_remove_handle(call->client->multi, call->easy); /* fine when it never was in */
    fill_response(call);
    char text[2 * CURL_ERROR_SIZE];
    const char *curl_says = call->curl_text[0] != '\0' ? call->curl_text : curl_easy_strerror(code);
    describe(call, end, curl_says, text, sizeof text);
    int origin = call->err.origin;
    http_call_set_end(call, end, text);
    call->err.origin = origin;
    curl_easy_cleanup(call->easy);
    call->easy = NULL;
    curl_slist_free_all(call->headers);
    call->headers = NULL;
    http_discharge(call, call->request_body.capacity);
    buf_release(&call->request_body);
    if (end != HTTP_ANSWERED) {
        buf_release(&call->response.body);
        http_discharge(call, call->charged);
    }
    give(call);
}

/* ---- the loop ---- */

static void take_out(struct http_client *client, struct http_call *call) {
    struct http_call **link = &client->active;
    while (*link != call) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = call->next;
}

/* True when the thread is to end. */
static bool take_queue(struct http_client *client, bool *has_cancelled) {
    int failed = pthread_mutex_lock(&client->mutex);
    struct http_call *first = client->queued;
    client->queued = NULL;
    client->queued_last = NULL;
    for (struct http_call *c = first; c != NULL; c = c->next) {
        c->state = CALL_ACTIVE;
    }
    *has_cancelled = client->has_cancelled;
    client->has_cancelled = false;
    bool is_stopping = client->is_stopping;
    failed |= pthread_mutex_unlock(&client->mutex);
    ASSERT(failed == 0);
    while (first != NULL) {
        struct http_call *call = first;
        first = call->next;
        CURLMcode code = curl_multi_add_handle(client->multi, call->easy);
        if (code == CURLM_OK) {
            call->next = client->active;
            client->active = call;
        } else {
            finish(call, HTTP_OUT_OF_FLIGHT_BYTES, CURLE_OUT_OF_MEMORY);
        }
    }
    return is_stopping;
}

static bool is_cancelled(struct http_call *call) {
    int failed = pthread_mutex_lock(&call->client->mutex);
    bool answer = call->is_cancelled;
    failed |= pthread_mutex_unlock(&call->client->mutex);
    ASSERT(failed == 0);
    return answer;
}

/* Ends what is cancelled or overdue; returns when the next deadline is, from now. */
static int64_t end_overdue(struct http_client *client, bool has_cancelled, bool is_stopping) {
    int64_t now = clock_monotonic_us();
    int64_t next = (int64_t)POLL_MS_MAX * 1000;
    struct http_call **link = &client->active;
    while (*link != NULL) {
        struct http_call *call = *link;
        bool is_ended = is_stopping || (has_cancelled && is_cancelled(call));
        if (is_ended || call->deadline_at_us <= now) {
            *link = call->next;
            finish(call, is_ended ? HTTP_CANCELLED : HTTP_TIMED_OUT, CURLE_OK);
            continue;
        }
        next = call->deadline_at_us - now < next ? call->deadline_at_us - now : next;
        link = &call->next;
    }
    return next;
}

static void end_finished(struct http_client *client) {
    int left = 0;
    for (;;) {
        const CURLMsg *message = curl_multi_info_read(client->multi, &left);
        if (message == NULL) {
            return;
        }
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = message->data.result; /* the message dies with the handle */
        char *private = NULL;
        CURLcode got = curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        ASSERT(got == CURLE_OK && private != NULL);
        struct http_call *call = (struct http_call *)(void *)private;
        take_out(client, call);
        finish(call, end_of(call, code), code);
    }
}

void *http_transfer_run(void *context) {
    struct http_client *client = context;
    for (;;) {
        bool has_cancelled = false;
        bool is_stopping = take_queue(client, &has_cancelled);
        int64_t next_us = end_overdue(client, has_cancelled, is_stopping);
        if (is_stopping) {
            return NULL;
        }
        int running = 0;
        CURLMcode code = curl_multi_perform(client->multi, &running);
        ASSERT(code == CURLM_OK);
        end_finished(client);
        code = curl_multi_poll(client->multi, NULL, 0, (int)((next_us + 999) / 1000), NULL);
        ASSERT(code == CURLM_OK);
    }
}
