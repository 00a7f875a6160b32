/* How questions travel: the only I/O of the source, behind an interface so that tests can answer.
 *
 * A question is one HTTP request with a JSON-RPC body. Many may be under way; answers come in any order,
 * each with the tag of its question. One thread. */
#ifndef PLUMB_SOURCE_EVM_WIRE_H
#define PLUMB_SOURCE_EVM_WIRE_H

#include "net/http.h"

#define WIRE_ANSWER_BYTES_MAX ((size_t)64 << 20)
#define WIRE_FLIGHT_BYTES_MAX ((size_t)96 << 20)

struct wire_answer {
    uint64_t tag;
    enum http_end end;
    struct err err; /* unless HTTP_ANSWERED */
    int status;
    struct buf body; /* the receiver's to release; 32 bytes behind its text may be read */
    int64_t retry_after_us;
    int64_t elapsed_us;
};
void wire_answer_release(struct wire_answer *a);

struct wire {
    void *context;
    /* Starts a question; the body is taken (empty afterwards) when it succeeds. LIMIT: too many. */
    enum err_code (*send)(void *context, const char *url, struct buf *body, int64_t deadline_us,
                          uint64_t tag, struct err *err);
    /* The next answer within timeout_us; false: none came. */
    bool (*wait)(void *context, int64_t timeout_us, struct wire_answer *out);
    size_t (*in_flight)(void *context);
    void (*close)(void *context);
};

/* Over HTTP. calls_max: questions under way at once. */
MUST_CHECK enum err_code wire_http_open(uint32_t calls_max, struct wire *out, struct err *err);

#endif
