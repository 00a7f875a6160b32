/* How it works: a list under a lock, searched only when there is no room left. Shutting a socket wakes
 * the thread that serves it, which then closes it; the socket cannot have been closed and given to
 * another before, because it is taken off the list first. */
#include "server/connections.h"

#include <sys/socket.h>

#define CONNECTIONS_FIRST 64

struct connection {
    int fd;
    enum connection_state state;
    int64_t since_us;
    bool is_shut; /* told to go: no longer counted */
};

void connections_init(struct connections *c, size_t room) {
    *c = (struct connections){.capacity = CONNECTIONS_FIRST, .room = room};
    c->items = mem_alloc_array(c->capacity, sizeof(*c->items));
    (void)pthread_mutex_init(&c->lock, NULL);
}

void connections_release(struct connections *c) {
    ASSERT(c->count == 0);
    mem_free(c->items);
    (void)pthread_mutex_destroy(&c->lock);
}

static bool may_go(const struct connection *item, int64_t now_us) {
    return !item->is_shut &&
           (item->state == CONNECTION_WAITS ||
            (item->state == CONNECTION_ANSWERS && now_us - item->since_us > CONNECTIONS_SEND_US));
}

/* The one that goes: those who wait before those who are sent to, and of these the oldest. */
static struct connection *choose(const struct connections *c, int64_t now_us) {
    struct connection *chosen = NULL;
    for (size_t i = 0; i < c->count; i++) {
        struct connection *item = c->items[i];
        if (may_go(item, now_us) &&
            (chosen == NULL || item->state < chosen->state ||
             (item->state == chosen->state && item->since_us < chosen->since_us))) {
            chosen = item;
        }
    }
    return chosen;
}

static size_t present(const struct connections *c) {
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++) {
        count += c->items[i]->is_shut ? 0 : 1;
    }
    return count;
}

static void shut(struct connection *item) {
    item->is_shut = true;
    (void)shutdown(item->fd, SHUT_RDWR); /* it may have gone by itself */
}

struct connection *connections_add(struct connections *c, int fd, int64_t now_us) {
    struct connection *item = mem_alloc(sizeof(*item));
    *item = (struct connection){.fd = fd, .state = CONNECTION_WAITS, .since_us = now_us};
    (void)pthread_mutex_lock(&c->lock);
    if (present(c) >= c->room) {
        struct connection *goes = choose(c, now_us);
        shut(goes != NULL ? goes : item);
    }
    if (c->count == c->capacity) {
        c->capacity *= 2;
        c->items = mem_realloc(c->items, c->capacity * sizeof(*c->items));
    }
    c->items[c->count++] = item;
    (void)pthread_mutex_unlock(&c->lock);
    return item;
}

void connections_remove(struct connections *c, struct connection *item) {
    (void)pthread_mutex_lock(&c->lock);
    size_t at = 0;
    while (at < c->count && c->items[at] != item) {
        at++;
    }
    ASSERT(at < c->count);
    c->items[at] = c->items[--c->count];
    (void)pthread_mutex_unlock(&c->lock);
    mem_free(item);
}

void connections_set(struct connections *c, struct connection *item, enum connection_state state,
                     int64_t now_us) {
    (void)pthread_mutex_lock(&c->lock);
    item->state = state;
    item->since_us = now_us;
    (void)pthread_mutex_unlock(&c->lock);
}
