/* The HTTP server beside a running flow: health, metrics, API and dashboard.
 *
 *     struct server *server = NULL;
 *     server_start(&(struct server_options){.flow = flow, .listen = "127.0.0.1:8080", ...}, &server, err);
 *     ... server_beat(server) whenever the engine's loop comes round ...
 *     server_stop(server);
 *
 * It only reads, but for alerts and silences when there is a write token (writes.h). Each request is served by a thread of its own over one of READERS_MAX read-only
 * connections to the store; the engine's connection is never touched, and a slow query delays
 * nobody but who asked. Without a token it listens on loopback addresses only and answers only
 * requests that name one of them as their host. Everything but server_start and server_stop may be
 * called from any thread. */
#ifndef PLUMB_SERVER_SERVER_H
#define PLUMB_SERVER_SERVER_H

#include "store/store.h"

#define SERVER_CONNECTIONS_MAX   128
#define SERVER_CONNECTIONS_GOING 64               /* more, that were told to go (connections.h) */
#define SERVER_IDLE_S            30               /* a connection without traffic is closed */
#define SERVER_QUERY_US          INT64_C(5000000) /* the longest a request's SQL may take */
#define SERVER_TRACES_MAX        2 /* at a time; each may decode batches for as long as a query takes */
#define SERVER_READER_WAIT_US    INT64_C(2000000) /* for a connection to the store, then 503 */
#define SERVER_RESPONSE_BYTES    ((size_t)32 << 20)
#define SERVER_ANSWERS_BYTES                                                                       \
    (INT64_C(256) << 20) /* of all answers on their way; then 503, but for */
#define SERVER_ANSWER_SMALL      (INT64_C(64) << 10) /* those that are not larger */
#define SERVER_TOKEN_BYTES_MIN   16
#define SERVER_TOKEN_BYTES_MAX   256
#define SERVER_THREAD_STACK      ((size_t)1 << 20)
#define SERVER_CONNECTION_MEMORY ((size_t)32 << 10) /* request line and headers */

/* Writes what `plumb status --json` says, read through s, to out. */
typedef enum err_code (*server_status)(const struct flow *flow, struct store *s, struct buf *out,
                                       struct err *err);

/* Writes where the row with that key came from, as `plumb trace --json` does, in bounded time and memory.
 * CONFIG: that is no key of the table; INPUT: it has no such row. */
struct server_traced {
    const struct flow *flow;
    const struct flow_table *table;
    const char *const *key;
    size_t key_count;
    int64_t until_us; /* monotonic */
};
typedef enum err_code (*server_trace)(const struct server_traced *what, struct store *s,
                                      struct buf *out, struct err *err);

struct server_options {
    const struct flow *flow; /* borrowed until server_stop or server_use */
    const char *listen;      /* "127.0.0.1:8080", "[::1]:8080", "localhost:0" (0: any free port) */
    const char *token;       /* NULL: none is asked for, and only loopback may be listened on */
    const char *write_token; /* NULL: nothing can be changed; who knows it may read as well */
    const char *version;     /* of the program */
    server_status status;
    server_trace trace;
};

struct server;

/* CONFIG: the address cannot be read, or is not local and there is no token, or the token is too
 * short; UNAVAILABLE: it cannot be listened on. */
MUST_CHECK enum err_code server_start(const struct server_options *options, struct server **out,
                                      struct err *err);
/* Ends open requests and joins all threads. NULL is fine. */
void server_stop(struct server *s);
/* Where it listens, for people: "http://127.0.0.1:8080". */
const char *server_url(const struct server *s);

/* The engine's loop came round. */
void server_beat(struct server *s);
/* A turn has committed. */
void server_turned(struct server *s, int64_t duration_us);
/* Another flow from now on (after a reload); requests that run are waited for. */
void server_use(struct server *s, const struct flow *flow);

#endif
