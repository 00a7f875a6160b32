/* A node for measuring: JSON-RPC over HTTP/1.1 on 127.0.0.1, over a computed chain.
 *
 *     node BLOCKS LOGS_PER_BLOCK [FINALITY]      prints its port, ends with its standard input
 *
 * eth_chainId, eth_blockNumber, eth_getBlockByNumber, eth_getBlockByHash, eth_getLogs (a range or a
 * block's hash), batches of them; bench_mine(n) and bench_fork(depth) move the chain, and
 * bench_answered(block) says when its logs were last answered, in microseconds since 1970. It is
 * meant to cost as little as a node can, a thread a connection. It is not for strangers: requests
 * are believed. */
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "bench/chain.h"

#define REQUEST_BYTES_MAX ((size_t)4 << 20)
#define ANSWER_BYTES_MAX  ((size_t)512 << 20)
#define ANSWERED_BLOCKS   65536
#define LIST_MAX          4096

static struct chain chain;
static pthread_rwlock_t chain_lock = PTHREAD_RWLOCK_INITIALIZER;
static int64_t answered_us[ANSWERED_BLOCKS]; /* written under the read lock: one client a block */

static bool equals(const struct json_value *v, const char *text) {
    return v != NULL && v->kind == JSON_STRING && str_equal_c(v->text, text);
}

static int64_t quantity(const struct json_value *v) {
    int64_t n = 0;
    if (v == NULL || v->kind != JSON_STRING || v->text.len < 3 || v->text.len > 18) {
        return -1;
    }
    for (size_t i = 2; i < v->text.len; i++) {
        const char *digit = strchr("0123456789abcdef", v->text.ptr[i]);
        n = digit == NULL ? n : n * 16 + (digit - "0123456789abcdef");
    }
    return n;
}

/* A block's number by tag or quantity. */
static int64_t block_of(const struct json_value *v) {
    int64_t finalized = chain.head > chain.finality ? chain.head - chain.finality : 0;
    if (equals(v, "latest") || equals(v, "pending")) {
        return chain.head;
    }
    if (equals(v, "finalized") || equals(v, "safe")) {
        return finalized;
    }
    return equals(v, "earliest") ? 0 : quantity(v);
}

static size_t list_of(const struct json_value *v, struct str out[LIST_MAX]) {
    size_t count = 0;
    if (v != NULL && v->kind == JSON_STRING) {
        out[count++] = v->text;
    }
    for (const struct json_value *item = v != NULL && v->kind == JSON_ARRAY ? v->first : NULL;
         item != NULL && count < LIST_MAX; item = item->next) {
        if (item->kind == JSON_STRING) {
            out[count++] = item->text;
        }
    }
    return count;
}

static void add_logs(const struct json_value *ask, struct buf *out) {
    struct chain_filter filter;
    chain_filter_all(&filter);
    struct str list[LIST_MAX];
    const struct json_value *topics = json_get(ask, "topics");
    size_t count = topics != NULL ? list_of(topics->first, list) : 0;
    if (count > 0) {
        chain_filter_topics(&filter, list, count);
    }
    count = list_of(json_get(ask, "address"), list);
    if (count > 0) {
        chain_filter_addresses(&filter, list, count);
    }
    const struct json_value *hash = json_get(ask, "blockHash");
    int64_t from =
        hash != NULL ? chain_find(&chain, hash->text) : block_of(json_get(ask, "fromBlock"));
    int64_t to = hash != NULL ? from : block_of(json_get(ask, "toBlock"));
    bool any = false;
    buf_addc(out, '[');
    for (int64_t n = from; n >= 0 && n <= to && n <= chain.head; n++) {
        chain_add_logs(&chain, n, &filter, &any, out);
        answered_us[n % ANSWERED_BLOCKS] = clock_now_us();
    }
    buf_addc(out, ']');
}

static void add_block(int64_t number, struct buf *out) {
    if (number < 0 || number > chain.head) {
        buf_adds(out, "null");
    } else {
        chain_add_block(&chain, number, out);
    }
}

/* False when there is no such method. */
static bool add_result(struct str method, const struct json_value *params, struct buf *out) {
    const struct json_value *first = params != NULL ? params->first : NULL;
    if (str_equal_c(method, "eth_chainId")) {
        buf_adds(out, "\"0x539\"");
    } else if (str_equal_c(method, "eth_blockNumber")) {
        buf_addf(out, "\"0x%" PRIx64 "\"", (uint64_t)chain.head);
    } else if (str_equal_c(method, "eth_getBlockByNumber")) {
        add_block(block_of(first), out);
    } else if (str_equal_c(method, "eth_getBlockByHash")) {
        add_block(first != NULL ? chain_find(&chain, first->text) : -1, out);
    } else if (str_equal_c(method, "eth_getLogs")) {
        add_logs(first, out);
    } else if (str_equal_c(method, "bench_answered")) {
        buf_addf(out, "%" PRId64, answered_us[quantity(first) % ANSWERED_BLOCKS]);
    } else {
        return false;
    }
    return true;
}

/* Moves the chain; false when the method asks only. */
static bool moves(struct str method, const struct json_value *params) {
    const int64_t n = quantity(params != NULL ? params->first : NULL);
    bool forks = str_equal_c(method, "bench_fork");
    if (!forks && !str_equal_c(method, "bench_mine")) {
        return false;
    }
    (void)pthread_rwlock_wrlock(&chain_lock);
    if (forks) {
        chain_fork(&chain, n);
    } else {
        chain.head += n;
    }
    (void)pthread_rwlock_unlock(&chain_lock);
    return true;
}

static void answer_one(const struct json_value *call, struct buf *out) {
    struct str method = STR("");
    int64_t id = 0;
    (void)!json_get_str(call, "method", &method);
    (void)!json_get_i64(call, "id", &id);
    const struct json_value *params = json_get(call, "params");
    const bool moved = moves(method, params);
    (void)pthread_rwlock_rdlock(&chain_lock);
    buf_addf(out, "{\"jsonrpc\":\"2.0\",\"id\":%" PRId64 ",\"result\":", id);
    if (!add_result(method, params, out)) {
        buf_adds(out, moved ? "true"
                            : "null,\"error\":{\"code\":-32601,\"message\":\"the method does not "
                              "exist\"}");
    }
    buf_addc(out, '}');
    (void)pthread_rwlock_unlock(&chain_lock);
}

static void answer(struct str body, struct buf *out) {
    struct arena arena;
    arena_init(&arena, (size_t)64 << 20);
    struct err err = ERR_INIT;
    const struct json_value *root = NULL;
    if (json_parse(body, &arena, &root, &err) != ERR_NONE) {
        buf_adds(out, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":"
                      "\"not JSON\"}}");
    } else if (root->kind == JSON_ARRAY) {
        char before = '[';
        for (const struct json_value *call = root->first; call != NULL; call = call->next) {
            buf_addc(out, before);
            answer_one(call, out);
            before = ',';
        }
        buf_addc(out, ']');
    } else {
        answer_one(root, out);
    }
    arena_release(&arena);
}

/* ---- HTTP ---- */

static bool send_all(int fd, struct str text) {
    while (text.len > 0) {
        ssize_t n = send(fd, text.ptr, text.len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        text = (struct str){text.ptr + n, text.len - (size_t)n};
    }
    return true;
}

/* Bytes of the head up to and with the empty line, and what its Content-Length says; 0: not whole. */
static size_t head_of(const char *text, size_t len, size_t *body) {
    const char *end = len > 0 ? memmem(text, len, "\r\n\r\n", 4) : NULL;
    if (end == NULL) {
        return 0;
    }
    *body = 0;
    for (const char *at = text; at < end; at++) {
        static const char name[] = "\r\ncontent-length:";
        if ((size_t)(end - at) > sizeof(name) && strncasecmp(at, name, sizeof(name) - 1) == 0) {
            for (const char *d = at + sizeof(name) - 1; *d == ' ' || (*d >= '0' && *d <= '9');
                 d++) {
                *body = *d == ' ' ? *body : *body * 10 + (size_t)(*d - '0');
            }
        }
    }
    return (size_t)(end - text) + 4;
}

static void *serve(void *argument) {
    const int fd = *(int *)argument;
    mem_free(argument);
    char *request = mem_alloc(REQUEST_BYTES_MAX);
    struct buf out = BUF_INIT(ANSWER_BYTES_MAX);
    size_t len = 0;
    for (;;) {
        size_t body = 0;
        const size_t head = head_of(request, len, &body);
        if (head == 0 || len < head + body) {
            ssize_t n =
                len < REQUEST_BYTES_MAX ? recv(fd, request + len, REQUEST_BYTES_MAX - len, 0) : 0;
            if (n <= 0) {
                break;
            }
            len += (size_t)n;
            continue;
        }
        buf_clear(&out);
        answer((struct str){request + head, body}, &out);
        char line[128];
        int size = snprintf(line, sizeof(line),
                            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                            "%zu\r\n\r\n",
                            out.len);
        if (!send_all(fd, (struct str){line, (size_t)size}) || !send_all(fd, buf_str(&out))) {
            break;
        }
        memmove(request, request + head + body, len - head - body);
        len -= head + body;
    }
    buf_release(&out);
    mem_free(request);
    (void)close(fd);
    return NULL;
}

static void *accept_all(void *argument) {
    const int listener = *(const int *)argument;
    for (;;) {
        int *fd = mem_alloc(sizeof(*fd));
        *fd = accept(listener, NULL, NULL);
        const int on = 1;
        (void)setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        pthread_t thread;
        if (*fd < 0 || pthread_create(&thread, NULL, serve, fd) != 0) {
            _exit(1);
        }
        (void)pthread_detach(thread);
    }
    return NULL;
}

int main(int argc, char **argv) {
    int64_t blocks = 0;
    int64_t logs = 0;
    int64_t finality = 64;
    if (argc < 3 || !parse_i64(str_of(argv[1]), &blocks) || !parse_i64(str_of(argv[2]), &logs) ||
        (argc > 3 && !parse_i64(str_of(argv[3]), &finality))) {
        (void)fputs("usage: node BLOCKS LOGS_PER_BLOCK [FINALITY]\n", stderr);
        return 2;
    }
    chain_init(&chain, blocks, logs, finality);
    static int listener;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(listener, 64) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &size) != 0) {
        perror("node");
        return 1;
    }
    printf("%d\n", ntohs(at.sin_port));
    (void)fflush(stdout);
    pthread_t thread;
    if (pthread_create(&thread, NULL, accept_all, &listener) != 0) {
        return 1;
    }
    while (getchar() != EOF) {
    }
    return 0;
}
