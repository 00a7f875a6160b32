#include "engine/workers.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/parse.h"

#define HOST_BYTES  64
#define PLACE_BYTES (2 * HOST_BYTES + 3)
#define HURRY       10 /* so much faster in tests */

static int64_t hurried(int64_t us) {
    return fault_hurry ? us / HURRY : us;
}

/* Where a process number means the same process: the host, and within it the namespace of numbers. */
static void place_name(char place[PLACE_BYTES]) {
    char host[HOST_BYTES] = "";
    char space[HOST_BYTES] = ""; /* "pid:[4026531836]" */
    if (gethostname(host, sizeof(host) - 1) != 0) {
        host[0] = '\0';
    }
    if (readlink("/proc/self/ns/pid", space, sizeof(space) - 1) < 0) {
        space[0] = '\0';
    }
    (void)snprintf(place, PLACE_BYTES, "%s %s ", host, space);
}

void workers_name(char name[WORKER_NAME_BYTES]) {
    char place[PLACE_BYTES];
    place_name(place);
    (void)snprintf(name, WORKER_NAME_BYTES, "%s%ld %llx", place, (long)getpid(),
                   (unsigned long long)clock_now_us());
}

bool workers_is_gone(const char *name) {
    char place[PLACE_BYTES];
    place_name(place);
    const size_t len = strlen(place);
    if (strncmp(name, place, len) != 0) {
        return false;
    }
    const struct str rest = str_of(name + len);
    int64_t pid = 0;
    return parse_i64((struct str){rest.ptr, str_find(rest, ' ')}, &pid) && pid > 0 &&
           pid <= INT_MAX && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static enum err_code take(const struct workers *w, struct store *s, const char *kind,
                          const char *name, bool *got, struct err *err) {
    char *unit = mem_printf("%s:%s", kind, name);
    const struct store_lease lease = {unit, w->name, hurried(WORKERS_LEASE_US)};
    enum err_code code = store_lease_take(s, &lease, got, err);
    mem_free(unit);
    return code;
}

static void leave(const struct workers *w, struct store *s, const char *kind, const char *name) {
    struct err ignored = ERR_INIT; /* it ends by itself */
    char *unit = mem_printf("%s:%s", kind, name);
    (void)!store_lease_leave(s, &(struct store_lease){unit, w->name, 0}, &ignored);
    mem_free(unit);
}

static enum err_code say_alive(struct workers *w, struct store *s, struct err *err) {
    bool got = false;
    enum err_code code = store_leases_drop(s, workers_is_gone, err);
    if (code == ERR_NONE) {
        code = take(w, s, "worker", w->name, &got, err);
    }
    return code == ERR_NONE ? store_lease_count(s, "worker:", &w->count, err) : code;
}

static enum err_code take_source(const struct workers *w, struct store *s, size_t index, bool *got,
                                 struct err *err) {
    return take(w, s, "source", w->flow->sources[index].name, got, err);
}

int workers_share(const struct workers *w, int parts) {
    const int64_t count = w->count > 0 ? w->count : 1;
    return (int)((parts + count - 1) / count);
}

static size_t fair_share(const struct workers *w) {
    return (size_t)workers_share(w, (int)w->flow->source_count);
}

static size_t held_count(const struct workers *w) {
    size_t held = 0;
    for (size_t i = 0; i < w->flow->source_count; i++) {
        held += w->held[i] ? 1 : 0;
    }
    return held;
}

enum err_code workers_begin(struct workers *w, struct store *s, const struct flow *flow,
                            const char *name, struct err *err) {
    *w = (struct workers){.flow = flow, .count = 1, .looked_us = clock_monotonic_us()};
    w->held = mem_alloc_array(flow->source_count + 1, sizeof(*w->held));
    enum err_code code = ERR_NONE;
    if (store_dialect(s) != STORE_SQLITE) {
        (void)snprintf(w->name, sizeof(w->name), "%s", name);
        code = say_alive(w, s, err);
    }
    for (size_t i = 0; code == ERR_NONE && i < flow->source_count; i++) {
        if (held_count(w) < fair_share(w)) {
            code = take_source(w, s, i, &w->held[i], err);
        } else {
            leave(w, s, "source", flow->sources[i].name); /* if it was ours until now */
        }
    }
    return code;
}

enum err_code workers_look(struct workers *w, struct store *s, struct err *err) {
    const int64_t now = clock_monotonic_us();
    if (w->name[0] == '\0' || now - w->looked_us < hurried(WORKERS_LOOK_US)) {
        return ERR_NONE;
    }
    w->looked_us = now;
    enum err_code code = say_alive(w, s, err);
    for (size_t i = 0; code == ERR_NONE && i < w->flow->source_count; i++) {
        bool got = false;
        if (w->held[i]) {
            code = take_source(w, s, i, &got, err);
            w->changed = w->changed || (code == ERR_NONE && !got);
        } else if (held_count(w) < fair_share(w)) {
            code = take_source(w, s, i, &got, err);
            w->changed = w->changed || got;
        }
    }
    w->changed = w->changed || held_count(w) > fair_share(w);
    return code;
}

bool workers_may_inherit(const struct workers *w, int64_t since_us) {
    return w->name[0] != '\0' && held_count(w) < w->flow->source_count &&
           clock_monotonic_us() - since_us < hurried(WORKERS_LEASE_US + WORKERS_LOOK_US);
}

void workers_leave(const struct workers *w, struct store *s) {
    if (w->name[0] == '\0' || s == NULL) {
        return;
    }
    for (size_t i = 0; i < w->flow->source_count; i++) {
        leave(w, s, "source", w->flow->sources[i].name);
    }
    leave(w, s, "worker", w->name);
}

void workers_release(struct workers *w) {
    mem_free(w->held);
    w->held = NULL;
}

bool workers_are_many(const struct workers *w) {
    return w->flow != NULL && w->count > (int64_t)w->flow->source_count;
}
