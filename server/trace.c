/* How it works: the key is given on to the command line's function, which reads it by the types of
 * the key's columns and writes the document. */
#include "server/state.h"

#include <string.h>

#include "base/clock.h"

static void key_free(char **key, size_t count) {
    for (size_t i = 0; i < count; i++) {
        mem_free(key[i]);
    }
}

static enum err_code read_key(const struct request *r, char **key, size_t *count, struct err *err) {
    for (size_t i = 0; i < r->parameter_count; i++) {
        const struct query_parameter *p = &r->parameters[i];
        if (!str_equal_c(p->name, "key")) {
            return err_set(err, ERR_INPUT,
                           "a trace takes key=VALUE, once for each column of the "
                           "key in its order, and nothing else");
        }
        if (memchr(p->value.ptr, 0, p->value.len) != NULL) {
            return err_set(err, ERR_INPUT, "a value of a key has a zero byte");
        }
        key[(*count)++] = mem_strndup(p->value.ptr, p->value.len);
    }
    return ERR_NONE;
}

static enum err_code make(struct request *r, struct server_traced *what, struct reply *reply,
                          struct err *err) {
    struct reader reader = {NULL, 0};
    enum err_code code = readers_lend(&r->server->readers, SERVER_QUERY_US, &reader, err);
    if (code == ERR_NONE) {
        what->until_us = clock_monotonic_us() + SERVER_QUERY_US;
        code = r->server->trace(what, reader.store, &reply->body, err);
        reply->status = code == ERR_CONFIG || code == ERR_LIMIT ? 400 : code == ERR_INPUT ? 404 : 0;
    }
    readers_return(&r->server->readers, &reader);
    return code == ERR_NONE ? reply_room(reply, 0, err) : code;
}

enum err_code reply_trace(struct request *r, const struct flow_table *t, struct reply *reply,
                          struct err *err) {
    char *key[PARAMETERS_MAX] = {NULL};
    struct server_traced what = {.flow = r->server->flow, .table = t};
    enum err_code code = read_key(r, key, &what.key_count, err);
    if (code == ERR_NONE && atomic_fetch_add(&r->server->traces, 1) >= SERVER_TRACES_MAX) {
        code = err_set(err, ERR_LIMIT, "%d traces are being made already; try again",
                       SERVER_TRACES_MAX);
        atomic_fetch_sub(&r->server->traces, 1);
    } else if (code == ERR_NONE) {
        const char *texts[PARAMETERS_MAX] = {NULL};
        for (size_t i = 0; i < what.key_count; i++) {
            texts[i] = key[i];
        }
        what.key = texts;
        code = make(r, &what, reply, err);
        atomic_fetch_sub(&r->server->traces, 1);
    }
    key_free(key, what.key_count);
    return code;
}
