/* Who is connected, so that nobody is kept out by those who hold connections open.
 *
 * There is room for SERVER_CONNECTIONS_MAX. When it is taken, whoever comes next is let in and the
 * connection that has waited longest for its request to be complete (idle, or sending it byte by
 * byte) is shut; when none waits, the answer that has been on its way longest and for more than
 * CONNECTIONS_SEND_US. When there is none of these either, the newcomer is shut. Event streams are
 * never shut for others: there are few of them. Any thread. */
#ifndef PLUMB_SERVER_CONNECTIONS_H
#define PLUMB_SERVER_CONNECTIONS_H

#include <pthread.h>

#include "base/mem.h"

#define CONNECTIONS_SEND_US INT64_C(30000000)

enum connection_state { CONNECTION_WAITS, CONNECTION_ANSWERS, CONNECTION_STREAMS };
struct connection;
struct connections {
    pthread_mutex_t lock; /* guards what follows */
    struct connection **items;
    size_t count, capacity;
    size_t room;
};

/* room: how many may be connected. */
void connections_init(struct connections *c, size_t room);
/* All must have been removed. */
void connections_release(struct connections *c);
/* A connection was accepted; now_us is monotonic. fd stays the caller's and open until
 * connections_remove. */
struct connection *connections_add(struct connections *c, int fd, int64_t now_us);
void connections_remove(struct connections *c, struct connection *item);
/* What it does from now on. */
void connections_set(struct connections *c, struct connection *item, enum connection_state state,
                     int64_t now_us);

#endif
