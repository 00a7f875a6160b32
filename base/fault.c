/* Fault points: one atomic counter a kind, one place at which it fails. What fails is fixed while
 * armed, so the counter alone decides, and each operation asks exactly once. A kind that is not
 * named in the specification is still counted. */
#include "base/fault.h"
#include "base/parse.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fault_plan {
    int64_t at; /* 0: never */
    bool persistent;
};

bool fault_armed = false;
bool fault_hurry = false;
static struct fault_plan plans[FAULT_KIND_COUNT];
static _Atomic int64_t counts[FAULT_KIND_COUNT];
static const char *const names[FAULT_KIND_COUNT] = {
    [FAULT_ALLOC] = "alloc", [FAULT_FILE] = "file", [FAULT_STORE] = "store",
    [FAULT_NET] = "net",     [FAULT_STEP] = "kill",
};

bool fault_fails_armed(enum fault_kind kind) {
    ASSERT(kind < FAULT_KIND_COUNT);
    int64_t now = atomic_fetch_add(&counts[kind], 1) + 1;
    const struct fault_plan *plan = &plans[kind];
    return plan->at != 0 && (now == plan->at || (plan->persistent && now > plan->at));
}

void fault_step_armed(const char *name) {
    (void)name; /* for the reader of a debugger's stack */
    if (fault_fails_armed(FAULT_STEP)) {
        (void)kill(getpid(), SIGKILL);
    }
}

bool fault_step_is_next(void) {
    return fault_armed && plans[FAULT_STEP].at != 0 &&
           atomic_load(&counts[FAULT_STEP]) + 1 == plans[FAULT_STEP].at;
}

int64_t fault_count(enum fault_kind kind) {
    ASSERT(kind < FAULT_KIND_COUNT);
    return atomic_load(&counts[kind]);
}

static void print_counts(void) {
    (void)fprintf(stderr, "fault: alloc=%lld file=%lld store=%lld net=%lld step=%lld\n",
                  (long long)fault_count(FAULT_ALLOC), (long long)fault_count(FAULT_FILE),
                  (long long)fault_count(FAULT_STORE), (long long)fault_count(FAULT_NET),
                  (long long)fault_count(FAULT_STEP));
}

/* One "kind:N" or "kind:N+". */
static bool parse_item(struct str item, struct fault_plan out[FAULT_KIND_COUNT]) {
    size_t colon = str_find(item, ':');
    if (colon == item.len) {
        return false;
    }
    struct str name = {item.ptr, colon};
    struct str number = {item.ptr + colon + 1, item.len - colon - 1};
    struct fault_plan plan = {.persistent = str_ends_with(number, STR("+"))};
    number.len -= plan.persistent ? 1 : 0;
    if (!parse_i64(number, &plan.at) || plan.at < 1) {
        return false;
    }
    for (size_t kind = 0; kind < FAULT_KIND_COUNT; kind++) {
        if (str_equal_c(name, names[kind])) {
            out[kind] = plan;
            return kind != FAULT_STEP || !plan.persistent; /* nobody is killed twice */
        }
    }
    return false;
}

static void arm(const struct fault_plan wanted[FAULT_KIND_COUNT], bool armed, bool print) {
    static bool printing = false;
    fault_hurry = false;
    for (size_t kind = 0; kind < FAULT_KIND_COUNT; kind++) {
        plans[kind] = wanted[kind];
        atomic_store(&counts[kind], 0);
    }
    fault_armed = armed;
    if (print && !printing) {
        printing = atexit(print_counts) == 0;
    }
}

enum err_code fault_arm(const char *spec, struct err *err) {
    struct fault_plan wanted[FAULT_KIND_COUNT] = {{0, false}};
    if (spec == NULL) {
        arm(wanted, false, false);
        return ERR_NONE;
    }
    struct str rest = str_of(spec);
    bool print = false;
    bool hurry = false;
    bool more = true;
    while (more) {
        size_t comma = str_find(rest, ',');
        struct str item = {rest.ptr, comma};
        if (str_equal_c(item, "count")) {
            print = true;
        } else if (str_equal_c(item, "hurry")) {
            hurry = true;
        } else if (!parse_item(item, wanted)) {
            char shown[64];
            str_printable(item, shown, sizeof shown);
            return err_set(err, ERR_CONFIG,
                           "fault point '%s' is not understood; write alloc:N, file:N, store:N, "
                           "net:N (N+ for every later one too), kill:N, hurry or count",
                           shown);
        }
        more = comma < rest.len;
        rest = more ? (struct str){rest.ptr + comma + 1, rest.len - comma - 1} : rest;
    }
    arm(wanted, true, print);
    fault_hurry = hurry;
    return ERR_NONE;
}

enum err_code fault_arm_from_environment(struct err *err) {
    const char *spec = getenv("PLUMB_FAULT");
    if (spec == NULL || spec[0] == '\0') {
        return ERR_NONE;
    }
    enum err_code code = fault_arm(spec, err);
    return code == ERR_NONE ? code : err_wrap(err, "PLUMB_FAULT");
}
