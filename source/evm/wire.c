/* How it works: one HTTP client; an answer's body is moved out of its call, so nothing is copied. */
#include "source/evm/wire.h"

#include <string.h>

#define READABLE_BEHIND 32

void wire_answer_release(struct wire_answer *a) {
    if (a != NULL) {
        buf_release(&a->body);
    }
}

static enum err_code send_http(void *context, const char *url, struct buf *body,
                               int64_t deadline_us, uint64_t tag, struct err *err) {
    const struct http_request request = {
        .url = url,
        .body = body,
        .deadline_us = deadline_us,
        .response_bytes_max = WIRE_ANSWER_BYTES_MAX,
        .tag = tag,
    };
    struct http_call *call = NULL;
    return http_send(context, &request, &call, err);
}

static bool wait_http(void *context, int64_t timeout_us, struct wire_answer *out) {
    struct http_call *call = http_wait(context, timeout_us);
    if (call == NULL) {
        return false;
    }
    memset(out, 0, sizeof *out);
    out->tag = http_call_tag(call);
    out->end = http_call_end(call);
    out->retry_after_us = -1;
    struct http_response *response = NULL;
    if (http_call_result(call, &response, &out->err) == ERR_NONE) {
        out->status = response->status;
        out->retry_after_us = response->retry_after_us;
        out->elapsed_us = response->elapsed_us;
        out->body = response->body;
        buf_init(&response->body, 0);
        out->body.max += READABLE_BEHIND;
        if (buf_reserve(&out->body, READABLE_BEHIND, &out->err) != ERR_NONE) {
            out->end = HTTP_OUT_OF_FLIGHT_BYTES;
        }
    }
    http_call_free(call);
    return true;
}

static size_t in_flight_http(void *context) {
    return http_in_flight(context);
}

static void close_http(void *context) {
    http_client_free(context);
}

enum err_code wire_http_open(uint32_t calls_max, struct wire *out, struct err *err) {
    const struct http_options options = {
        .calls_max = calls_max,
        .connections_max = calls_max,
        .flight_bytes_max = WIRE_FLIGHT_BYTES_MAX,
    };
    struct http_client *client = NULL;
    const enum err_code code = http_client_new(&options, &client, err);
    if (code == ERR_NONE) {
        *out = (struct wire){client, send_http, wait_http, in_flight_http, close_http};
    }
    return code;
}
