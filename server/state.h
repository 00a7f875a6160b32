/* What the files of server/ share; nobody else includes it. */
#ifndef PLUMB_SERVER_STATE_H
#define PLUMB_SERVER_STATE_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "base/json.h"
#include "server/access.h"
#include "server/connections.h"
#include "server/readers.h"
#include "server/server.h"
#include "server/snapshot.h"
#include "server/table_query.h"

#define TURN_BUCKETS 14
extern const int64_t turn_bucket_us[TURN_BUCKETS]; /* upper bounds, the last one finite */

struct server {
    struct MHD_Daemon *daemon;
    struct address address;
    char url[ADDRESS_URL_BYTES];
    char *token;       /* NULL: none */
    char *write_token; /* NULL: only reading */
    const char *version;
    server_status status;
    server_trace trace;
    int64_t started_us; /* monotonic */
    atomic_bool stopping;
    _Atomic int64_t beat_us;     /* monotonic; 0: the engine has not begun */
    _Atomic int64_t turn_end_us; /* wall clock of the last commit; 0: none yet */
    _Atomic int64_t turns[TURN_BUCKETS + 1];
    _Atomic int64_t turn_sum_us;
    _Atomic int64_t requests;
    _Atomic int64_t requests_failed; /* answered with 500 or above */
    _Atomic int64_t streams;         /* open event streams */
    _Atomic int64_t answers_bytes;   /* of answers on their way */
    _Atomic int64_t traces;          /* that are being made */

    pthread_rwlock_t use; /* held for reading by each request while it looks at the flow */
    const struct flow *flow;
    struct readers readers;
    struct connections connections;
    struct snapshot_cache status_cache;
    struct snapshot_cache metrics_cache;
};

/* ---- requests and replies ---- */
#define PARAMETERS_MAX 64
struct request {
    struct server *server;
    struct MHD_Connection *connection;
    struct connection *place; /* of it, among the server's */
    struct str path;
    struct query_parameter parameters[PARAMETERS_MAX];
    size_t parameter_count;
    bool too_many;         /* parameters */
    bool is_known;         /* gave a token, or none is asked for */
    bool may_write;        /* gave the write token */
    bool counts;           /* Prefer: count=exact */
    bool int64_text;       /* Prefer: int64=text */
    struct str last_event; /* Last-Event-ID */
};
struct reply {
    const struct server *server;
    unsigned status; /* 0: by the error's class, or 200 */
    const char *type;
    const char *allow; /* methods the path takes, when another was used */
    struct buf body;
    char range[96]; /* Content-Range, or "" */
    int64_t as_of_us;
    bool may_cache; /* nothing of the store is in it */
};

/* The value of the last parameter of that name, or a view with NULL. */
struct str request_get(const struct request *r, const char *name);
/* A whole number from low to high; otherwise when it is not given. INPUT. */
MUST_CHECK enum err_code request_number(const struct request *r, const char *name, int64_t low,
                                        int64_t high, int64_t *value, struct err *err);
/* Sets another status than the class's and an INPUT error. */
enum err_code reply_refuse(struct reply *reply, unsigned status, struct err *err, const char *fmt,
                           ...) PRINTF_LIKE(4, 5);
/* LIMIT when the body would grow past what an answer may have with `more` bytes, or all answers on
 * their way past what they may. */
MUST_CHECK enum err_code reply_room(struct reply *reply, size_t more, struct err *err);

/* ---- how a reply leaves (reply.c) ---- */
/* The body, or the error when err says one; the body is given away. */
enum MHD_Result reply_send(struct request *r, struct reply *reply, const struct err *err);
enum MHD_Result reply_stream(struct request *r, struct reply *reply, struct MHD_Response *stream);
struct file_in_program;
enum MHD_Result reply_file(struct request *r, struct reply *reply,
                           const struct file_in_program *file);

/* ---- routes: fill the reply, or fail ---- */
typedef enum err_code (*route_fn)(struct request *r, struct reply *reply, struct err *err);
enum err_code route_health(struct request *r, struct reply *reply, struct err *err);
enum err_code route_ready(struct request *r, struct reply *reply, struct err *err);
enum err_code route_version(struct request *r, struct reply *reply, struct err *err);
enum err_code route_metrics(struct request *r, struct reply *reply, struct err *err);
enum err_code route_status(struct request *r, struct reply *reply, struct err *err);
enum err_code route_flow(struct request *r, struct reply *reply, struct err *err);
enum err_code route_tables(struct request *r, struct reply *reply, struct err *err);
enum err_code route_table(struct request *r, struct reply *reply, struct err *err);
/* Of a table: where one row came from. */
enum err_code reply_trace(struct request *r, const struct flow_table *t, struct reply *reply,
                          struct err *err);
enum err_code route_rejects(struct request *r, struct reply *reply, struct err *err);
enum err_code route_reject(struct request *r, struct reply *reply, struct err *err);
enum err_code route_batches(struct request *r, struct reply *reply, struct err *err);
enum err_code route_ledger(struct request *r, struct reply *reply, struct err *err);
enum err_code route_alerts(struct request *r, struct reply *reply, struct err *err);
enum err_code route_checks(struct request *r, struct reply *reply, struct err *err);
enum err_code route_silences(struct request *r, struct reply *reply, struct err *err);
enum err_code route_notices(struct request *r, struct reply *reply, struct err *err);
enum err_code route_history(struct request *r, struct reply *reply, struct err *err);
enum err_code route_coverage(struct request *r, struct reply *reply, struct err *err);
enum err_code route_openapi(struct request *r, struct reply *reply, struct err *err);
/* Begins an event stream; the response is MHD's and the caller queues it. NULL: refused, with err. */
struct MHD_Response *changes_open(struct request *r, struct reply *reply, struct err *err);

/* Text of the metrics that come from the store; the make of metrics_cache. */
enum err_code metrics_make(void *context, struct buf *out, struct err *err);
/* Of checks, alerts and notices (metrics_alerts.c). */
MUST_CHECK enum err_code metrics_add_alerts(const struct flow *flow, struct store *s,
                                            struct buf *out, struct err *err);

/* ---- pieces ---- */
struct file_in_program {
    const char *path; /* as asked for: "/style.css" */
    const char *type;
    const unsigned char *bytes;
    size_t len;
};
extern const struct file_in_program server_files[];
extern const size_t server_file_count;
/* The file at that path, or NULL. */
const struct file_in_program *server_file(struct str path);

const char *transform_kind_name(enum transform_kind kind);
void json_kv_time(struct json_writer *w, const char *key, int64_t us);

#endif
