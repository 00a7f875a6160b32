/* How it works: libmicrohttpd accepts, parses and answers, one thread a connection. A request is
 * checked (method, host, token), matched against the table of routes, and answered from a buffer
 * that is complete before its first byte is sent, so that no reader of the store is held while a
 * client is slow. Event streams are the exception; changes.c tells how. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "server/state.h"
#include "server/writes.h"

enum route_flags {
    ROUTE_OPEN = 1,   /* answers who gave no token, too */
    ROUTE_PREFIX = 2, /* everything below the path */
    ROUTE_STREAM = 4
};
static const struct route {
    const char *path;
    unsigned flags;
    route_fn run;
} routes[] = {
    {"/health", ROUTE_OPEN, route_health},
    {"/ready", ROUTE_OPEN, route_ready},
    {"/version", 0, route_version},
    {"/metrics", 0, route_metrics},
    {"/api/v1/status", 0, route_status},
    {"/api/v1/flow", 0, route_flow},
    {"/api/v1/tables", 0, route_tables},
    {"/api/v1/tables/", ROUTE_PREFIX, route_table},
    {"/api/v1/rejects", 0, route_rejects},
    {"/api/v1/rejects/", ROUTE_PREFIX, route_reject},
    {"/api/v1/batches", 0, route_batches},
    {"/api/v1/ledger", 0, route_ledger},
    {"/api/v1/history", 0, route_history},
    {"/api/v1/coverage", 0, route_coverage},
    {"/api/v1/alerts", 0, route_alerts},
    {"/api/v1/checks", 0, route_checks},
    {"/api/v1/silences", 0, route_silences},
    {"/api/v1/notices", 0, route_notices},
    {"/api/v1/openapi.json", 0, route_openapi},
    {"/api/v1/changes", ROUTE_STREAM, NULL},
};

static const struct route *find_route(struct str path) {
    for (size_t i = 0; i < ARRAY_COUNT(routes); i++) {
        const struct route *route = &routes[i];
        if ((route->flags & ROUTE_PREFIX) != 0 ? str_starts_with(path, str_of(route->path))
                                               : str_equal_c(path, route->path)) {
            return route;
        }
    }
    return NULL;
}

static bool gives(const struct request *r, const char *token) {
    const char *authorization =
        MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    return token != NULL && authorization != NULL && token_is_right(str_of(authorization), token);
}

/* Host and tokens: what holds for every path. */
static enum err_code check_access(struct request *r, struct reply *reply, struct err *err) {
    r->may_write = gives(r, r->server->write_token);
    r->is_known = r->server->token == NULL || gives(r, r->server->token) || r->may_write;
    const char *host =
        MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    if (r->server->token == NULL && (host == NULL || !host_is_local(str_of(host)))) {
        return reply_refuse(reply, MHD_HTTP_MISDIRECTED_REQUEST, err,
                            "without a token this server answers to localhost, 127.0.0.1 and [::1] "
                            "only");
    }
    return ERR_NONE;
}

static enum MHD_Result add_parameter(void *context, enum MHD_ValueKind kind, const char *key,
                                     size_t key_len, const char *value, size_t value_len) {
    struct request *r = context;
    (void)kind;
    if (r->parameter_count == PARAMETERS_MAX) {
        r->too_many = true;
        return MHD_NO;
    }
    r->parameters[r->parameter_count++] = (struct query_parameter){
        {key, key_len}, {value != NULL ? value : "", value != NULL ? value_len : 0}};
    return MHD_YES;
}

static enum err_code read_request(struct request *r, struct reply *reply, struct err *err) {
    (void)MHD_get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, add_parameter, r);
    if (r->too_many) {
        return reply_refuse(reply, MHD_HTTP_BAD_REQUEST, err, "more than %d parameters",
                            PARAMETERS_MAX);
    }
    const char *prefer = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Prefer");
    r->counts = prefer != NULL && strstr(prefer, "count=exact") != NULL;
    r->int64_text = prefer != NULL && strstr(prefer, "int64=text") != NULL;
    const char *last = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Last-Event-ID");
    r->last_event = str_of(last);
    return ERR_NONE;
}

/* Runs the route; *stream is set when it is one. */
static enum err_code run_route(struct request *r, const struct route *route, struct reply *reply,
                               struct MHD_Response **stream, struct err *err) {
    enum err_code code = read_request(r, reply, err);
    if (code != ERR_NONE) {
        return code;
    }
    (void)pthread_rwlock_rdlock(&r->server->use);
    if ((route->flags & ROUTE_STREAM) != 0) {
        *stream = changes_open(r, reply, err);
        code = err->code;
    } else {
        code = route->run(r, reply, err);
    }
    (void)pthread_rwlock_unlock(&r->server->use);
    return code;
}

static enum err_code unknown(struct reply *reply, struct err *err) {
    return reply_refuse(reply, MHD_HTTP_UNAUTHORIZED, err,
                        "give the token: Authorization: Bearer TOKEN");
}

static enum err_code find_and_run(struct request *r, struct reply *reply,
                                  struct MHD_Response **stream, struct err *err) {
    const struct route *route = find_route(r->path);
    if (!r->is_known && (route == NULL || (route->flags & ROUTE_OPEN) == 0)) {
        return unknown(reply, err);
    }
    if (route == NULL) {
        return reply_refuse(reply, MHD_HTTP_NOT_FOUND, err,
                            "there is nothing here; /api/v1/openapi.json tells what there is");
    }
    return run_route(r, route, reply, stream, err);
}

static enum MHD_Result answer_change(struct request *r, const char *method,
                                     const struct upload *upload) {
    struct reply reply = {
        .server = r->server, .type = "application/json", .body = BUF_INIT(BUF_TEXT_MAX)};
    struct err err = ERR_INIT;
    enum err_code code = check_access(r, &reply, &err);
    if (code == ERR_NONE) {
        code = r->is_known ? writes_run(r, method, upload, &reply, &err) : unknown(&reply, &err);
    }
    if (code != ERR_NONE && reply.status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        reply.allow = writes_allowed(r->path);
    }
    return reply_send(r, &reply, &err);
}

static enum MHD_Result answer(struct request *r) {
    struct reply reply = {
        .server = r->server, .type = "application/json", .body = BUF_INIT(BUF_TEXT_MAX)};
    struct err err = ERR_INIT;
    struct MHD_Response *stream = NULL;
    enum err_code code = check_access(r, &reply, &err);
    const struct file_in_program *file = code == ERR_NONE ? server_file(r->path) : NULL;
    if (file != NULL) {
        return reply_file(r, &reply, file);
    }
    if (code == ERR_NONE) {
        code = find_and_run(r, &reply, &stream, &err);
    }
    if (code == ERR_NONE && stream != NULL) {
        connections_set(&r->server->connections, r->place, CONNECTION_STREAMS,
                        clock_monotonic_us());
        return reply_stream(r, &reply, stream);
    }
    return reply_send(r, &reply, &err);
}

/* A path with a zero byte would be another path from there on. */
static void *request_began(void *context, const char *uri, struct MHD_Connection *connection) {
    (void)context;
    (void)connection;
    struct upload *upload = mem_alloc(sizeof(*upload));
    upload_init(upload);
    const struct str path = {uri, strcspn(uri, "?")};
    for (size_t i = 0; i + 2 < path.len; i++) {
        upload->odd_path = upload->odd_path || memcmp(path.ptr + i, "%00", 3) == 0;
    }
    return upload; /* freed when the request has ended */
}

static struct connection *place_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **request_context) {
    struct server *s = context;
    struct upload *upload = *request_context;
    struct connection *place = place_of(connection);
    (void)version;
    if (upload == NULL || place == NULL) {
        return MHD_NO; /* the library has told of neither */
    }
    if (!upload->began) { /* headers only */
        upload->began = true;
        return MHD_YES;
    }
    if (*upload_data_size > 0) {
        upload_add(upload, upload_data, *upload_data_size);
        *upload_data_size = 0;
        return MHD_YES;
    }
    connections_set(&s->connections, place, CONNECTION_ANSWERS, clock_monotonic_us());
    atomic_fetch_add(&s->requests, 1);
    struct request *r = mem_alloc(sizeof(*r));
    *r = (struct request){.server = s,
                          .connection = connection,
                          .place = place,
                          .path = upload->odd_path ? STR("%00") : str_of(url)};
    const bool reads =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    const enum MHD_Result result = reads ? answer(r) : answer_change(r, method, upload);
    mem_free(r);
    return result;
}

static void request_ended(void *context, struct MHD_Connection *connection, void **request_context,
                          enum MHD_RequestTerminationCode how) {
    struct server *s = context;
    struct upload *upload = *request_context;
    struct connection *place = place_of(connection);
    (void)how;
    if (place != NULL) {
        connections_set(&s->connections, place, CONNECTION_WAITS, clock_monotonic_us());
    }
    if (upload != NULL) {
        upload_release(upload);
        mem_free(upload);
        *request_context = NULL;
    }
}

static void connection_changed(void *context, struct MHD_Connection *connection,
                               void **socket_context, enum MHD_ConnectionNotificationCode what) {
    struct server *s = context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *socket_context =
            info != NULL ? connections_add(&s->connections, info->connect_fd, clock_monotonic_us())
                         : NULL;
    } else if (*socket_context != NULL) {
        connections_remove(&s->connections, *socket_context);
        *socket_context = NULL;
    }
}

/* ---- life ---- */

static enum err_code status_make(void *context, struct buf *out, struct err *err) {
    struct server *s = context;
    struct reader reader = {NULL, 0};
    enum err_code code = readers_lend_kept(&s->readers, SNAPSHOT_AGE_MAX_US / 2, &reader, err);
    if (code == ERR_NONE) {
        code = s->status(s->flow, reader.store, out, err);
    }
    readers_return(&s->readers, &reader);
    return code;
}

static bool is_token(const char *token) {
    return token == NULL ||
           (strlen(token) >= SERVER_TOKEN_BYTES_MIN && strlen(token) <= SERVER_TOKEN_BYTES_MAX);
}

static enum err_code check_options(const struct server_options *o, const struct address *a,
                                   struct err *err) {
    if (!is_token(o->token) || !is_token(o->write_token)) {
        return err_set(err, ERR_CONFIG, "a token has %d to %d characters", SERVER_TOKEN_BYTES_MIN,
                       SERVER_TOKEN_BYTES_MAX);
    }
    if (o->token == NULL && !a->is_loopback) {
        return err_set(err, ERR_CONFIG,
                       "'%s' is reachable from other machines: give --token-file, or listen on "
                       "127.0.0.1",
                       o->listen);
    }
    return ERR_NONE;
}

static void log_from_mhd(void *context, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

static void log_from_mhd(void *context, const char *fmt, va_list args) {
    char text[LOG_VALUE_BYTES];
    char quoted[LOG_VALUE_BYTES];
    (void)context;
    (void)vsnprintf(text, sizeof(text), fmt, args);
    log_debug("http", "message=%s", log_value(str_trim(str_of(text)), quoted));
}

static enum err_code listen_on(struct server *s, const char *text, struct err *err) {
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                     MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    flags |= s->address.is_v6 ? MHD_USE_IPv6 : 0U;
    s->daemon = MHD_start_daemon(
        flags, s->address.port, NULL, NULL, handle, s, MHD_OPTION_EXTERNAL_LOGGER, log_from_mhd,
        NULL, MHD_OPTION_SOCK_ADDR, &s->address.socket.any, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(SERVER_CONNECTIONS_MAX + SERVER_CONNECTIONS_GOING),
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SERVER_IDLE_S, MHD_OPTION_THREAD_STACK_SIZE,
        SERVER_THREAD_STACK, MHD_OPTION_CONNECTION_MEMORY_LIMIT, SERVER_CONNECTION_MEMORY,
        MHD_OPTION_NOTIFY_COMPLETED, request_ended, s, MHD_OPTION_NOTIFY_CONNECTION,
        connection_changed, s, MHD_OPTION_URI_LOG_CALLBACK, request_began, s,
        MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U, MHD_OPTION_END);
    if (s->daemon == NULL) {
        return err_set(err, ERR_UNAVAILABLE,
                       "cannot listen on '%s': is something else listening there, or is the port "
                       "below 1024?",
                       text);
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    address_url(&s->address, info != NULL ? info->port : s->address.port, s->url);
    return ERR_NONE;
}

enum err_code server_start(const struct server_options *options, struct server **out,
                           struct err *err) {
    struct address address;
    enum err_code code = address_parse(options->listen, &address, err);
    if (code == ERR_NONE) {
        code = check_options(options, &address, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct server *s = mem_alloc(sizeof(*s));
    s->address = address;
    s->token = options->token != NULL ? mem_strdup(options->token) : NULL;
    s->write_token = options->write_token != NULL ? mem_strdup(options->write_token) : NULL;
    s->version = options->version;
    s->status = options->status;
    s->trace = options->trace;
    s->flow = options->flow;
    s->started_us = clock_monotonic_us();
    pthread_rwlockattr_t attributes;
    (void)pthread_rwlockattr_init(&attributes);
    (void)pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)pthread_rwlock_init(&s->use, &attributes);
    (void)pthread_rwlockattr_destroy(&attributes);
    readers_init(&s->readers, s->flow);
    connections_init(&s->connections, SERVER_CONNECTIONS_MAX);
    snapshot_cache_init(&s->status_cache, status_make, s, true);
    snapshot_cache_init(&s->metrics_cache, metrics_make, s, false);
    code = listen_on(s, options->listen, err);
    if (code != ERR_NONE) {
        server_stop(s);
        return code;
    }
    *out = s;
    return ERR_NONE;
}

void server_stop(struct server *s) {
    if (s == NULL) {
        return;
    }
    atomic_store(&s->stopping, true);
    if (s->daemon != NULL) {
        MHD_stop_daemon(s->daemon);
    }
    snapshot_cache_release(&s->status_cache);
    snapshot_cache_release(&s->metrics_cache);
    readers_release(&s->readers);
    connections_release(&s->connections);
    (void)pthread_rwlock_destroy(&s->use);
    mem_free(s->token);
    mem_free(s->write_token);
    mem_free(s);
}

const char *server_url(const struct server *s) {
    return s->url;
}

void server_beat(struct server *s) {
    atomic_store(&s->beat_us, clock_monotonic_us());
}

void server_turned(struct server *s, int64_t duration_us) {
    size_t bucket = 0;
    while (bucket < TURN_BUCKETS && duration_us > turn_bucket_us[bucket]) {
        bucket++;
    }
    atomic_fetch_add(&s->turns[bucket], 1);
    atomic_fetch_add(&s->turn_sum_us, duration_us);
    atomic_store(&s->turn_end_us, clock_now_us());
}

void server_use(struct server *s, const struct flow *flow) {
    (void)pthread_rwlock_wrlock(&s->use);
    s->flow = flow;
    readers_use(&s->readers, flow);
    snapshot_cache_clear(&s->status_cache);
    snapshot_cache_clear(&s->metrics_cache);
    (void)pthread_rwlock_unlock(&s->use);
}
