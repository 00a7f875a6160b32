/* One request to a receiver, and what its answer means by OTLP's rules: 429, 502, 503, 504 and a
 * receiver that is not there may be asked again; anything else but 2xx never with the same data. A
 * partial success is a success. gzip is zlib's fastest: most of the gain for a fraction of the time. */
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/parse.h"
#include "cli/otlp.h"
#include "net/http.h"

#define LOOK_US          INT64_C(50000) /* between looks whether it is to end */
#define ANSWER_ARENA     ((size_t)16 << 20)
#define GZIP_LEVEL       1
#define GZIP_WINDOW_BITS (15 + 16) /* zlib's word for a gzip frame */
#define GZIP_MEMORY      8

/* *body in a gzip frame. False when there is no memory: then it stays as it is. */
static bool compress_body(struct buf *body) {
    AUTO_BUF out = BUF_INIT(OTLP_BODY_BYTES);
    struct err ignored = ERR_INIT;
    z_stream z = {.next_in = (Bytef *)body->data, .avail_in = (uInt)body->len};
    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return false;
    }
    const size_t most = deflateBound(&z, body->len);
    bool done = buf_reserve(&out, most, &ignored) == ERR_NONE;
    if (done) {
        z.next_out = (Bytef *)out.data;
        z.avail_out = (uInt)most;
        done = deflate(&z, Z_FINISH) == Z_STREAM_END;
    }
    const size_t len = z.total_out;
    (void)deflateEnd(&z);
    if (done) {
        out.len = len;
        const struct buf plain = *body;
        *body = out;
        out = plain;
    }
    return done;
}

/* int64 in JSON is a text, and a number is fine too. */
static int64_t number_of(const struct json_value *v) {
    int64_t n = 0;
    return v != NULL && (v->kind == JSON_STRING || v->kind == JSON_NUMBER) &&
                   parse_i64(v->text, &n) && n > 0
               ? n
               : 0;
}

/* An answer that cannot be read said 2xx all the same: it was taken. */
static void read_answer(const struct otlp_post *p, const struct http_response *response,
                        struct otlp_answer *a, struct err *err) {
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, ANSWER_ARENA);
    const struct json_value *root = NULL;
    struct err ignored = ERR_INIT;
    if (response->body.len == 0 ||
        json_parse(buf_str(&response->body), &arena, &root, &ignored) != ERR_NONE) {
        return;
    }
    const struct json_value *partly = json_get(root, "partialSuccess");
    if (partly == NULL || partly->kind != JSON_OBJECT) {
        return;
    }
    const char *what = p->of_metrics ? "rejectedDataPoints" : "rejectedSpans";
    struct str message = STR("");
    a->rejected = number_of(json_get(partly, what));
    if (!json_get_str(partly, "errorMessage", &message)) {
        message = STR("");
    }
    if (a->rejected > 0 || message.len > 0) {
        char shown[160];
        str_printable(message, shown, sizeof shown);
        a->end = OTLP_PARTLY;
        (void)err_set(err, ERR_INPUT, "the receiver of telemetry refused %" PRId64 " %s: %s",
                      a->rejected, p->of_metrics ? "data points" : "spans",
                      shown[0] != '\0' ? shown : "it does not say why");
    }
}

static bool may_be_repeated(int status) {
    return status == 429 || status == 502 || status == 503 || status == 504;
}

static void read_status(const struct otlp_post *p, const struct http_response *response,
                        struct otlp_answer *a, struct err *err) {
    if (response->status / 100 == 2) {
        a->end = OTLP_ACCEPTED;
        read_answer(p, response, a, err);
        return;
    }
    a->end = may_be_repeated(response->status) ? OTLP_TO_RETRY : OTLP_TURNED_DOWN;
    a->pause_us = a->end == OTLP_TO_RETRY ? response->retry_after_us : -1;
    (void)err_set(err, ERR_UNAVAILABLE, "telemetry was answered with HTTP %d%s", response->status,
                  a->end == OTLP_TO_RETRY ? "" : ", which means not to send it again");
}

static void wait_for(struct http_client *client, struct http_call *call,
                     const struct otlp_post *p) {
    bool cancelled = false;
    while (!http_call_done(call)) {
        (void)http_wait(client, LOOK_US);
        int64_t until = INT64_MAX;
        if (!cancelled && p->hurry(p->context, &until) && clock_monotonic_us() >= until) {
            http_call_cancel(call);
            cancelled = true;
        }
    }
}

struct otlp_answer otlp_send(struct http_client *client, const struct otlp_target *t,
                             const struct otlp_post *p, struct buf *body, struct err *err) {
    struct otlp_answer a = {.end = OTLP_TURNED_DOWN, .pause_us = -1};
    struct http_header headers[OTLP_HEADERS_ALL];
    size_t count = 0;
    for (; count < t->header_count; count++) {
        headers[count] = (struct http_header){t->headers[count].name, t->headers[count].value};
    }
    if (t->gzip && compress_body(body)) {
        headers[count++] = (struct http_header){"Content-Encoding", "gzip"};
    }
    const int64_t left = p->until_us - clock_monotonic_us();
    const int64_t deadline = left < t->timeout_us ? left : t->timeout_us;
    if (deadline <= 0) {
        a.end = OTLP_TO_RETRY;
        (void)err_set(err, ERR_UNAVAILABLE, "no time is left to send telemetry");
        return a;
    }
    struct http_call *call = NULL;
    struct http_response *response = NULL;
    const struct http_request request = {.url = p->url,
                                         .headers = headers,
                                         .header_count = count,
                                         .body = body,
                                         .deadline_us = deadline,
                                         .connect_us = deadline,
                                         .response_bytes_max = OTLP_ANSWER_BYTES};
    if (http_send(client, &request, &call, err) != ERR_NONE) {
        return a;
    }
    wait_for(client, call, p);
    if (http_call_result(call, &response, err) == ERR_NONE) {
        read_status(p, response, &a, err);
    } else if (http_call_end(call) != HTTP_TOO_LARGE) { /* which the protocol calls final */
        a.end = OTLP_TO_RETRY;
    }
    http_call_free(call);
    return a;
}
