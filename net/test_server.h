/* An HTTP server for tests, on a port of its own of 127.0.0.1, one thread a connection. The test says
 * what each request is answered, byte by byte if it likes; gates let a test decide when. */
#ifndef PLUMB_NET_TEST_SERVER_H
#define PLUMB_NET_TEST_SERVER_H

#include "base/test_support.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define TEST_SERVER_CONNECTIONS_MAX 1024
#define TEST_SERVER_REQUEST_BYTES   ((size_t)1 << 20)

struct test_server;
struct test_request {
    int fd;
    struct test_server *server;
    const char *method;
    const char *path;
    const char *head; /* the whole head, for strstr */
    struct str body;
};

struct test_server {
    /* Answers one request; false closes the connection. */
    bool (*answer)(const struct test_request *request);
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int fds[TEST_SERVER_CONNECTIONS_MAX]; /* -1 once closed */
    pthread_t threads[TEST_SERVER_CONNECTIONS_MAX];
    size_t connection_count; /* ever */
    size_t request_count;
    size_t waiting; /* requests that stand before the gate */
    bool gate_is_open;
    bool is_stopping;
};

static inline bool test_server_send(int fd, const void *bytes, size_t len) {
    const char *p = bytes;
    while (len > 0) {
        ssize_t sent = send(fd, p, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        p += sent;
        len -= (size_t)sent;
    }
    return true;
}

static inline bool test_server_say(int fd, const char *text) {
    return test_server_send(fd, text, strlen(text));
}

static inline bool test_server_reply(const struct test_request *request,
                                     const char *status_and_headers, struct str body) {
    char head[1024];
    int len = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n",
                       status_and_headers, body.len);
    return test_server_send(request->fd, head, (size_t)len) &&
           test_server_send(request->fd, body.ptr, body.len);
}

/* Waits until the test opens the gate, or the server stops. */
static inline void test_server_wait_at_gate(struct test_server *server) {
    pthread_mutex_lock(&server->mutex);
    server->waiting++;
    pthread_cond_broadcast(&server->changed);
    while (!server->gate_is_open && !server->is_stopping) {
        pthread_cond_wait(&server->changed, &server->mutex);
    }
    server->waiting--;
    pthread_mutex_unlock(&server->mutex);
}

static inline void test_server_open_gate(struct test_server *server) {
    pthread_mutex_lock(&server->mutex);
    server->gate_is_open = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->mutex);
}

/* The test waits until so many requests stand before the gate. */
static inline void test_server_await_waiting(struct test_server *server, size_t count) {
    pthread_mutex_lock(&server->mutex);
    while (server->waiting < count) {
        pthread_cond_wait(&server->changed, &server->mutex);
    }
    pthread_mutex_unlock(&server->mutex);
}

/* The bytes of one request at the start of in, 0 while it is not whole. */
static inline size_t test_request_bytes(const char *in, size_t *head_bytes) {
    const char *head_end = strstr(in, "\r\n\r\n");
    if (head_end == NULL) {
        return 0;
    }
    *head_bytes = (size_t)(head_end + 4 - in);
    const char *length = strcasestr(in, "\r\nContent-Length:");
    size_t body = 0;
    if (length != NULL && length < head_end) {
        for (const char *p = length + strlen("\r\nContent-Length:"); *p != '\r'; p++) {
            body = *p == ' ' ? body : body * 10 + (size_t)(*p - '0');
        }
    }
    return *head_bytes + body;
}

/* in holds one whole request; its head is cut into strings. */
static inline bool test_server_answer(struct test_server *server, int fd, char *in,
                                      size_t head_bytes, size_t bytes) {
    struct test_request request = {.fd = fd, .server = server, .method = in};
    request.body = (struct str){in + head_bytes, bytes - head_bytes};
    char *space = strchr(in, ' ');
    *space = '\0';
    char *path = space + 1;
    space = strchr(path, ' ');
    *space = '\0';
    request.path = path;
    request.head = space + 1;
    in[head_bytes - 2] = '\0';
    pthread_mutex_lock(&server->mutex);
    server->request_count++;
    pthread_mutex_unlock(&server->mutex);
    return server->answer(&request);
}

struct test_connection {
    struct test_server *server;
    size_t index;
};

static inline void *test_server_serve(void *context) {
    struct test_connection *connection = context;
    struct test_server *server = connection->server;
    pthread_mutex_lock(&server->mutex);
    int fd = server->fds[connection->index];
    pthread_mutex_unlock(&server->mutex);
    char *in = malloc(TEST_SERVER_REQUEST_BYTES + 1);
    size_t used = 0;
    bool goes_on = in != NULL;
    while (goes_on && used < TEST_SERVER_REQUEST_BYTES) {
        ssize_t got = recv(fd, in + used, TEST_SERVER_REQUEST_BYTES - used, 0);
        if (got <= 0) {
            break;
        }
        used += (size_t)got;
        in[used] = '\0';
        if (in[0] == 0x16) { /* somebody speaks TLS */
            (void)test_server_say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
            break;
        }
        size_t head_bytes = 0;
        size_t bytes = test_request_bytes(in, &head_bytes);
        if (bytes > 0 && bytes <= used) { /* nobody pipelines */
            goes_on = test_server_answer(server, fd, in, head_bytes, bytes);
            used = 0;
        }
    }
    free(in);
    pthread_mutex_lock(&server->mutex);
    (void)close(fd);
    server->fds[connection->index] = -1;
    pthread_mutex_unlock(&server->mutex);
    free(connection);
    return NULL;
}

static inline void *test_server_accept(void *context) {
    struct test_server *server = context;
    for (;;) {
        int fd = accept(server->listener, NULL, NULL);
        pthread_mutex_lock(&server->mutex);
        size_t index = server->connection_count;
        if (fd < 0 || server->is_stopping || index == TEST_SERVER_CONNECTIONS_MAX) {
            pthread_mutex_unlock(&server->mutex);
            if (fd >= 0) {
                (void)close(fd);
            }
            return NULL;
        }
        struct test_connection *connection = malloc(sizeof *connection);
        *connection = (struct test_connection){server, index};
        server->fds[index] = fd;
        (void)pthread_create(&server->threads[index], NULL, test_server_serve, connection);
        server->connection_count++;
        pthread_mutex_unlock(&server->mutex);
    }
}

/* So many connections, and requests, came until now. */
static inline size_t test_server_count(struct test_server *server, const size_t *count) {
    pthread_mutex_lock(&server->mutex);
    const size_t now = *count;
    pthread_mutex_unlock(&server->mutex);
    return now;
}

static inline void test_server_start(struct test_server *server,
                                     bool (*answer)(const struct test_request *request)) {
    *server = (struct test_server){.answer = answer};
    assert_int_equal(pthread_mutex_init(&server->mutex, NULL), 0);
    assert_int_equal(pthread_cond_init(&server->changed, NULL), 0);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_bytes = sizeof at;
    assert_int_equal(bind(server->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(server->listener, 128), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&at, &at_bytes), 0);
    server->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, test_server_accept, server), 0);
}

static inline void test_server_stop(struct test_server *server) {
    pthread_mutex_lock(&server->mutex);
    server->is_stopping = true;
    pthread_cond_broadcast(&server->changed);
    for (size_t i = 0; i < server->connection_count; i++) {
        if (server->fds[i] >= 0) {
            (void)shutdown(server->fds[i], SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&server->mutex);
    (void)shutdown(server->listener, SHUT_RDWR); /* wakes accept */
    (void)pthread_join(server->thread, NULL);
    for (size_t i = 0; i < server->connection_count; i++) {
        (void)pthread_join(server->threads[i], NULL);
    }
    (void)close(server->listener);
    (void)pthread_cond_destroy(&server->changed);
    (void)pthread_mutex_destroy(&server->mutex);
}

#endif
