/* What http.c (the caller's side), http_transfer.c (the thread's side) and http_url.c share.
 *
 * A call is first the caller's (being made), then in `queued`, then the thread's alone, then in
 * `done` until http_wait gives it. What the mutex guards is said at each member; everything else of
 * a call belongs to whose turn it is, and changes hands under the mutex. */
#ifndef PLUMB_NET_HTTP_INTERNAL_H
#define PLUMB_NET_HTTP_INTERNAL_H

#include "base/clock.h"
#include "base/mem.h"
#include "net/http.h"

#include <curl/curl.h>
#include <pthread.h>

enum call_state { CALL_QUEUED, CALL_ACTIVE, CALL_DONE };

struct http_call {
    struct http_client *client;
    struct http_call *next;  /* in queued, the thread's active list, or done */
    struct http_call *newer; /* in client->newest: all calls, guarded by the mutex */
    struct http_call *older;

    CURL *easy; /* NULL once done */
    struct curl_slist *headers;
    struct buf request_body;
    uint64_t tag;
    int64_t sent_us;
    int64_t deadline_at_us;
    int64_t deadline_us;
    size_t response_bytes_max;
    size_t header_bytes;
    enum http_end write_end; /* why a callback stopped the transfer; HTTP_ANSWERED: none did */

    enum http_end end;
    struct http_response response;
    struct err err;

    /* guarded by client->mutex */
    enum call_state state;
    bool is_given; /* by http_wait */
    bool is_cancelled;
    bool is_freed;  /* by the caller, while in flight */
    size_t charged; /* of client->flight_bytes */

    char shown[HTTP_URL_SHOW_BYTES];
    char curl_text[CURL_ERROR_SIZE];
};

/* Bodies of freed calls, kept for the next: fresh memory costs a page fault for every 4 KiB, which
 * is more than all else that is done to a byte. Smaller ones are not worth it, larger ones too much
 * to keep. */
#define HTTP_SPARES_MAX      8
#define HTTP_SPARE_BYTES_MIN ((size_t)64 << 10)
#define HTTP_SPARE_BYTES_MAX ((size_t)4 << 20)

struct http_client {
    CURLM *multi;
    pthread_t thread;
    char *user_agent;
    uint32_t calls_max;
    size_t flight_bytes_max;

    pthread_mutex_t mutex;
    pthread_cond_t ended;
    /* guarded by the mutex */
    bool is_stopping;
    bool has_cancelled; /* the thread is to look for calls with is_cancelled */
    struct http_call *queued, *queued_last;
    struct http_call *done, *done_last;
    struct http_call *newest;
    uint32_t call_count; /* not yet freed */
    uint32_t in_flight;  /* queued or active */
    size_t flight_bytes;
    struct buf spares[HTTP_SPARES_MAX]; /* empty ones have no data */

    struct http_call *active; /* the thread's own */
};

/* The thread. */
void *http_transfer_run(void *context); /* the client */
/* Sets what curl needs of a call whose members are set. LIMIT when curl has no memory. */
MUST_CHECK enum err_code http_transfer_prepare(struct http_call *call,
                                               const struct http_request *request, struct err *err);
/* Frees all a call holds; not in any list any more but client->newest; the mutex is not held. */
void http_call_destroy(struct http_call *call);
/* Sets end and err, with where it was. */
void http_call_set_end(struct http_call *call, enum http_end end, const char *what);
/* More of the client's memory for this call; false when there is no more. */
MUST_CHECK bool http_charge(struct http_call *call, size_t bytes);
void http_discharge(struct http_call *call, size_t bytes);

/* A spare body for a call that has none, when there is one that fits; charged. */
void http_spare_take(struct http_call *call);

/* True when the URL's host is this machine. The URL was checked. */
bool http_url_is_local(const char *url);

#endif
