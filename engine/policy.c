/* The table of engine.md's last house rule, and the backoff. */
#include "engine/policy.h"

#include "base/clock.h"
#include "base/fault.h"

enum action policy_source(enum err_code code) {
    switch (code) {
    case ERR_NONE:
        return ACTION_GO_ON;
    case ERR_UNAVAILABLE:
    case ERR_LIMIT:
    case ERR_INPUT:
        return ACTION_RETRY;
    case ERR_CONFIG:
    case ERR_CONFLICT: /* what is stored and what is there now exclude each other: a person decides */
    case ERR_CORRUPT:
    case ERR_CANCELLED:
    case ERR_INTERNAL:
        return ACTION_STOP;
    }
    return ACTION_STOP;
}

enum action policy_transform(enum err_code code) {
    switch (code) {
    case ERR_NONE:
        return ACTION_GO_ON;
    case ERR_INPUT:
    case ERR_CONFIG:
    case ERR_CONFLICT:
    case ERR_INTERNAL:
        return ACTION_HOLD_STAGE;
    case ERR_UNAVAILABLE: /* of the store itself: SQLite may have rolled back everything */
    case ERR_LIMIT:
    case ERR_CANCELLED:
        return ACTION_RETRY;
    case ERR_CORRUPT:
        return ACTION_STOP;
    }
    return ACTION_STOP;
}

enum action policy_turn(enum err_code code) {
    switch (code) {
    case ERR_NONE:
        return ACTION_GO_ON;
    case ERR_UNAVAILABLE:
    case ERR_LIMIT:
        return ACTION_RETRY;
    case ERR_CONFIG:
    case ERR_INPUT:
    case ERR_CONFLICT:
    case ERR_CORRUPT:
    case ERR_CANCELLED:
    case ERR_INTERNAL:
        return ACTION_STOP;
    }
    return ACTION_STOP;
}

int64_t policy_backoff_us(int64_t attempts) {
    int64_t us = fault_hurry ? BACKOFF_FIRST_US / 100 : BACKOFF_FIRST_US;
    for (int64_t i = 1; i < attempts && us < BACKOFF_MAX_US; i++) {
        us *= 2;
    }
    us = us < BACKOFF_MAX_US ? us : BACKOFF_MAX_US;
    /* Spread, so that many processes do not come back at once; the clock's low digits are random
     * enough. */
    int64_t fifth = us / 5;
    return us - fifth + clock_monotonic_us() * 7919 % (2 * fifth + 1);
}
