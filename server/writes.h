/* The few requests that change something: taking an alert on, silencing a check, ending a silence.
 *
 * The server only reads unless it was given a write token, which is another than the one for
 * reading. Each change is what `plumb alerts` does, over a connection of its own opened with
 * STORE_NOTE; nothing of a flow's data can be changed. A page of another site cannot send one: no
 * cookie says who asks, an Origin must be this server's own, and the body must be JSON. Any thread. */
#ifndef PLUMB_SERVER_WRITES_H
#define PLUMB_SERVER_WRITES_H

#include "server/state.h"

#define WRITE_BODY_BYTES_MAX ((size_t)16 << 10)
#define WRITE_BY_BYTES_MAX   100
#define WRITE_TEXT_BYTES_MAX 2000 /* a note, a reason */
#define WRITE_NAME_BYTES_MAX 200  /* a check's name or pattern */

/* A request's body while it comes in; one for each request. */
struct upload {
    struct buf body;
    bool began;     /* the headers are there */
    bool odd_path;  /* with a zero byte in it */
    bool too_large; /* what came is no longer kept */
};
void upload_init(struct upload *u);
void upload_release(struct upload *u);
/* More of it came. */
void upload_add(struct upload *u, const char *bytes, size_t len);

/* Methods the path takes, as an Allow header says it. */
const char *writes_allowed(struct str path);
/* Answers a request whose method is neither GET nor HEAD: looks at method, tokens, origin and body, and
 * does it. */
MUST_CHECK enum err_code writes_run(struct request *r, const char *method,
                                    const struct upload *upload, struct reply *reply,
                                    struct err *err);

#endif
