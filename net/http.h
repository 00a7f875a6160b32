/* An HTTP client for connectors: many requests in flight, one thread that moves the bytes.
 *
 * The client's own thread drives every transfer (libcurl's multi interface), so answers arrive while
 * the caller works on earlier ones. One thread calls a client; its calls belong to that thread too.
 *
 *     struct http_client *client = NULL;
 *     http_client_new(&(struct http_options){0}, &client, err);
 *     http_send(client, &(struct http_request){.url = url, .body = &body, ...}, &call, err);
 *     ... send more, work ...
 *     while ((call = http_wait(client, 100000)) != NULL) {
 *         if (http_call_result(call, &response, err) == ERR_NONE) { use(response->body); }
 *         http_call_free(call);
 *     }
 *     http_client_free(client);
 *
 * HTTP/1.1 with keep-alive, HTTP/2 where TLS negotiates it (RFC 9110, 9112, 9113). Redirects are not
 * followed: a 3xx is an answer like any other. No cookies. TLS certificates are verified. A proxy is
 * taken from the environment (http_proxy, HTTPS_PROXY, ALL_PROXY, NO_PROXY) as curl does. gzip and
 * deflate are asked for, except from this machine itself, where they cost more than they save.
 *
 * A compressed body that ends early inside right framing is given as far as it goes: whoever reads it must
 * notice by its syntax, as a JSON reader does.
 *
 * URLs hold keys: nothing here puts one into a message but through http_url_show.
 *
 * Fault point NET: asked once by each http_send; the call then ends as UNAVAILABLE. */
#ifndef PLUMB_NET_HTTP_H
#define PLUMB_NET_HTTP_H

#include "base/str.h"

struct http_client;
struct http_call;

#define HTTP_CALLS_DEFAULT          64
#define HTTP_CALLS_MAX              1024
#define HTTP_CONNECTIONS_DEFAULT    16 /* to one host */
#define HTTP_FLIGHT_BYTES_DEFAULT   ((size_t)96 << 20)
#define HTTP_RESPONSE_BYTES_DEFAULT ((size_t)64 << 20)
#define HTTP_HEADER_BYTES_MAX       ((size_t)256 << 10) /* of one answer */
#define HTTP_URL_BYTES_MAX          ((size_t)8 << 10)
#define HTTP_REQUEST_HEADERS_MAX    64
#define HTTP_DEADLINE_US_DEFAULT    ((int64_t)60 * 1000000)
#define HTTP_DEADLINE_US_MAX        ((int64_t)3600 * 1000000)
#define HTTP_CONNECT_US_DEFAULT     ((int64_t)10 * 1000000)
#define HTTP_RETRY_AFTER_US_MAX     ((int64_t)86400 * 1000000) /* what a server may ask for at most */

struct http_options {
    const char *user_agent;   /* NULL: plumb/VERSION */
    uint32_t calls_max;       /* not yet freed; 0: HTTP_CALLS_DEFAULT; http_send beyond is LIMIT */
    uint32_t connections_max; /* to one host, others wait; 0: HTTP_CONNECTIONS_DEFAULT */
    /* Request and response bodies of all calls not yet freed; 0: HTTP_FLIGHT_BYTES_DEFAULT. A
     * response that does not fit any more ends as HTTP_OUT_OF_FLIGHT_BYTES; free calls, send fewer
     * or ask for less. */
    size_t flight_bytes_max;
};

struct http_header {
    const char *name;
    const char *value;
};

struct http_request {
    const char *method;                /* NULL: POST with a body, GET without */
    const char *url;                   /* http or https */
    const struct http_header *headers; /* copied */
    size_t header_count;       /* Content-Type is application/json for a body unless one is named */
    struct buf *body;          /* NULL for none; given: *body is empty after http_send succeeded */
    int64_t deadline_us;       /* for the whole call, from http_send; 0: HTTP_DEADLINE_US_DEFAULT */
    int64_t connect_us;        /* to be connected; 0: HTTP_CONNECT_US_DEFAULT */
    size_t response_bytes_max; /* decompressed; 0: HTTP_RESPONSE_BYTES_DEFAULT */
    uint64_t tag;              /* the caller's, given back by http_call_tag */
};

/* How a call ended. Anything but HTTP_ANSWERED is an error of http_call_result. */
#define HTTP_ENDS(X)                                                                               \
    X(ANSWERED, ERR_NONE)             /* with any status */                                        \
    X(NO_HOST, ERR_UNAVAILABLE)       /* the name has no address */                                \
    X(NO_CONNECTION, ERR_UNAVAILABLE) /* refused, unreachable, connect timeout, TLS handshake */   \
    X(TIMED_OUT, ERR_UNAVAILABLE)     /* the deadline passed */                                    \
    X(CUT, ERR_UNAVAILABLE)           /* the connection ended inside the answer */                 \
    X(BROKEN, ERR_UNAVAILABLE)        /* not HTTP, or a broken encoding of the body */             \
    X(NOT_TRUSTED, ERR_UNAVAILABLE)   /* the TLS certificate is not valid for this host */         \
    X(TOO_LARGE, ERR_LIMIT)           /* response_bytes_max or HTTP_HEADER_BYTES_MAX */            \
    X(OUT_OF_FLIGHT_BYTES, ERR_LIMIT) /* flight_bytes_max, or no memory */                         \
    X(CANCELLED, ERR_CANCELLED)       /* http_call_cancel */                                       \
    X(FAULT, ERR_UNAVAILABLE)         /* the fault point */

enum http_end {
#define X(name, code) HTTP_##name,
    HTTP_ENDS(X)
#undef X
};

struct http_response {
    int status;      /* 200, 429, ... */
    struct buf body; /* decompressed; owned by the call, the caller may move it out */
    int64_t
        retry_after_us; /* from now, of seconds or a date, at most HTTP_RETRY_AFTER_US_MAX; -1: none */
    int64_t first_byte_us; /* from http_send to the first byte of the answer; 0: none came */
    int64_t elapsed_us;    /* from http_send to the end */
    size_t wire_bytes;     /* of the body as it came */
};

/* Starts the thread. UNAVAILABLE when the system gives none. */
MUST_CHECK enum err_code http_client_new(const struct http_options *options,
                                         struct http_client **out, struct err *err);
/* Cancels what is in flight, ends the thread, and frees every call that is left. NULL is fine. */
void http_client_free(struct http_client *client);

/* Starts a call and returns at once. CONFIG: a URL that is none (or not http, https), a header with
 * a line break; LIMIT: calls_max or flight_bytes_max. Nothing is taken on an error. *out is the
 * caller's: free it, or leave it to http_client_free. */
MUST_CHECK enum err_code http_send(struct http_client *client, const struct http_request *request,
                                   struct http_call **out, struct err *err);

/* The next call that has ended and was not given by http_wait before, in the order they ended. NULL
 * when none ended for timeout_us (0: just looks), and at once when nothing is in flight. */
struct http_call *http_wait(struct http_client *client, int64_t timeout_us);
/* Calls sent that have not ended. */
size_t http_in_flight(struct http_client *client);

bool http_call_done(const struct http_call *call);
uint64_t http_call_tag(const struct http_call *call);
/* Only of calls that are done. */
enum http_end http_call_end(const struct http_call *call);
/* Of a call that is done: the status that came, also when the answer did not end well; 0: none. */
int http_call_status(const struct http_call *call);
/* Of a call that is done: how it ended. On an error the message says where (http_url_show) and what
 * to do; err->origin is the errno if one is known. *out lives as long as the call. */
MUST_CHECK enum err_code http_call_result(struct http_call *call, struct http_response **out,
                                          struct err *err);
/* Ends it as HTTP_CANCELLED, soon; http_wait gives it like any other. Done already: nothing. */
void http_call_cancel(struct http_call *call);
/* Of any call, in flight too: it then ends unseen. NULL is fine. */
void http_call_free(struct http_call *call);

/* ---- URLs ---- */

#define HTTP_URL_SHOW_BYTES 256
/* The URL for people: scheme://host[:port]/path without user, query and fragment, and with *** for
 * every part of the path that might be a key (all but words like v3, rpc, mainnet). Text that is no
 * URL becomes "(not a URL)". Returns out. */
const char *http_url_show(const char *url, char out[HTTP_URL_SHOW_BYTES]);
/* host[:port] alone, for coverage and status. Returns out. */
const char *http_url_host(const char *url, char out[HTTP_URL_SHOW_BYTES]);
/* CONFIG with what is wrong unless http_send would take this URL. */
MUST_CHECK enum err_code http_url_check(const char *url, struct err *err);

#endif
