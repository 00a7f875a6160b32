/* How it works: what routes read of a request and write to a reply, and how a reply leaves: its headers,
 * its body, counted while it is on its way, or an error in place of it. */
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "server/state.h"

static const char content_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct str request_get(const struct request *r, const char *name) {
    for (size_t i = r->parameter_count; i > 0; i--) {
        if (str_equal_c(r->parameters[i - 1].name, name)) {
            return r->parameters[i - 1].value;
        }
    }
    return (struct str){NULL, 0};
}

enum err_code request_number(const struct request *r, const char *name, int64_t low, int64_t high,
                             int64_t *value, struct err *err) {
    const struct str text = request_get(r, name);
    int64_t number = 0;
    if (text.ptr == NULL) {
        return ERR_NONE;
    }
    if (!parse_i64(text, &number) || number < low || number > high) {
        return err_set(err, ERR_INPUT, "'%s' is a whole number from %lld to %lld", name,
                       (long long)low, (long long)high);
    }
    *value = number;
    return ERR_NONE;
}

enum err_code reply_refuse(struct reply *reply, unsigned status, struct err *err, const char *fmt,
                           ...) {
    char text[ERR_MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    reply->status = status;
    return err_set(err, ERR_INPUT, "%s", text);
}

enum err_code reply_room(struct reply *reply, size_t more, struct err *err) {
    if (more > SERVER_RESPONSE_BYTES || reply->body.len > SERVER_RESPONSE_BYTES - more) {
        reply->status = MHD_HTTP_BAD_REQUEST; /* asking again gives the same */
        return err_set(err, ERR_LIMIT,
                       "the answer is larger than %zu MiB: ask for fewer rows or columns",
                       SERVER_RESPONSE_BYTES >> 20);
    }
    const int64_t len = (int64_t)(reply->body.len + more);
    if (len > SERVER_ANSWER_SMALL &&
        len > SERVER_ANSWERS_BYTES - atomic_load(&reply->server->answers_bytes)) {
        return err_set(err, ERR_LIMIT, "too many large answers are on their way; try again");
    }
    return ERR_NONE;
}

const char *transform_kind_name(enum transform_kind kind) {
    switch (kind) {
    case TRANSFORM_MAP:
        return "map";
    case TRANSFORM_SUM:
        return "sum";
    case TRANSFORM_DERIVE:
        return "derive";
    }
    return "";
}

void json_kv_time(struct json_writer *w, const char *key, int64_t us) {
    char text[CLOCK_TEXT_BYTES];
    clock_format_us(us, text);
    json_kv_c(w, key, text);
}

const struct file_in_program *server_file(struct str path) {
    for (size_t i = 0; i < server_file_count; i++) {
        if (str_equal_c(path, server_files[i].path)) {
            return &server_files[i];
        }
    }
    return NULL;
}

/* ---- sending ---- */

static unsigned status_of(enum err_code code) {
    switch (code) {
    case ERR_NONE:
        return MHD_HTTP_OK;
    case ERR_INPUT:
        return MHD_HTTP_BAD_REQUEST;
    case ERR_LIMIT:
    case ERR_CONFIG: /* there is no store yet, or it is another flow's */
    case ERR_UNAVAILABLE:
    case ERR_CONFLICT:
    case ERR_CANCELLED:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    case ERR_CORRUPT:
    case ERR_INTERNAL:
        break;
    }
    return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

static void write_error(struct reply *reply, const struct err *err) {
    struct json_writer w;
    buf_clear(&reply->body);
    json_writer_init(&w, &reply->body);
    json_begin_object(&w);
    json_key(&w, "error");
    json_begin_object(&w);
    json_kv_c(&w, "class", err_class(err->code));
    json_kv_c(&w, "message",
              err->code == ERR_CANCELLED
                  ? "the query took too long and was ended: ask for less, or by indexed columns"
                  : err->message);
    json_end_object(&w);
    json_end_object(&w);
    buf_addc(&reply->body, '\n');
    reply->type = "application/json";
    reply->range[0] = '\0';
    if (reply->status == 0) {
        reply->status = status_of(err->code);
    }
}

/* A body on its way: how much of it the server holds is counted until it is gone. */
struct body {
    struct server *server;
    void *bytes;
    size_t len;
};

static void body_free(void *context) {
    struct body *body = context;
    atomic_fetch_sub(&body->server->answers_bytes, (int64_t)body->len);
    mem_free(body->bytes);
    mem_free(body);
}

static void add_headers(struct MHD_Response *response, const struct reply *reply) {
    const struct {
        const char *name, *value;
    } headers[] = {{"Content-Type", reply->type},
                   {"Content-Security-Policy", content_policy},
                   {"X-Content-Type-Options", "nosniff"},
                   {"X-Frame-Options", "DENY"},
                   {"Referrer-Policy", "no-referrer"},
                   {"Cross-Origin-Resource-Policy", "same-origin"},
                   {"Cache-Control", reply->may_cache ? "no-cache" : "no-store"},
                   {"Content-Range", reply->range},
                   {"WWW-Authenticate", reply->status == MHD_HTTP_UNAUTHORIZED ? "Bearer" : ""},
                   {"Allow", reply->allow != NULL ? reply->allow : ""},
                   {"Retry-After", reply->status == MHD_HTTP_SERVICE_UNAVAILABLE ? "1" : ""}};
    for (size_t i = 0; i < ARRAY_COUNT(headers); i++) {
        if (headers[i].value[0] != '\0') {
            (void)MHD_add_response_header(response, headers[i].name, headers[i].value);
        }
    }
    if (reply->as_of_us > 0) {
        char text[CLOCK_TEXT_BYTES];
        clock_format_us(reply->as_of_us, text);
        (void)MHD_add_response_header(response, "X-Plumb-As-Of", text);
    }
}

static enum MHD_Result send_response(struct request *r, struct reply *reply,
                                     struct MHD_Response *response) {
    if (response == NULL) {
        return MHD_NO;
    }
    if (reply->status >= MHD_HTTP_INTERNAL_SERVER_ERROR) {
        atomic_fetch_add(&r->server->requests_failed, 1);
    }
    add_headers(response, reply);
    const enum MHD_Result queued = MHD_queue_response(r->connection, reply->status, response);
    MHD_destroy_response(response);
    return queued;
}

/* Takes the answer back when too much is on its way already, to those who do not read. */
static void hold(struct request *r, struct reply *reply) {
    const int64_t len = (int64_t)reply->body.len;
    if (atomic_fetch_add(&r->server->answers_bytes, len) + len <= SERVER_ANSWERS_BYTES ||
        len <= SERVER_ANSWER_SMALL) {
        return;
    }
    struct err err = ERR_INIT;
    atomic_fetch_sub(&r->server->answers_bytes, len);
    reply->status = 0;
    (void)err_set(&err, ERR_LIMIT, "too many large answers are on their way; try again");
    buf_release(&reply->body);
    write_error(reply, &err);
    atomic_fetch_add(&r->server->answers_bytes, (int64_t)reply->body.len);
}

enum MHD_Result reply_send(struct request *r, struct reply *reply, const struct err *err) {
    if (err->code != ERR_NONE) {
        write_error(reply, err);
    } else if (reply->status == 0) {
        reply->status = MHD_HTTP_OK;
    }
    hold(r, reply);
    struct body *body = mem_alloc(sizeof(*body));
    *body = (struct body){r->server, reply->body.data, reply->body.len};
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        reply->body.len, reply->body.data, body_free, body);
    if (response == NULL) {
        body_free(body);
    }
    reply->body = (struct buf)BUF_INIT(BUF_TEXT_MAX); /* the response frees it */
    return send_response(r, reply, response);
}

enum MHD_Result reply_stream(struct request *r, struct reply *reply, struct MHD_Response *stream) {
    reply->status = MHD_HTTP_OK;
    return send_response(r, reply, stream);
}

enum MHD_Result reply_file(struct request *r, struct reply *reply,
                           const struct file_in_program *file) {
    reply->status = MHD_HTTP_OK;
    reply->type = file->type;
    reply->may_cache = true;
    union {
        const unsigned char *read;
        void *given; /* MHD only reads it, but its parameter is not const */
    } bytes = {.read = file->bytes};
    return send_response(
        r, reply, MHD_create_response_from_buffer(file->len, bytes.given, MHD_RESPMEM_PERSISTENT));
}
