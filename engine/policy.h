/* What each class of error leads to: the one table. */
#ifndef PLUMB_ENGINE_POLICY_H
#define PLUMB_ENGINE_POLICY_H

#include "base/err.h"

enum action {
    ACTION_GO_ON,
    ACTION_RETRY,      /* the whole unit again, after a backoff */
    ACTION_HOLD_STAGE, /* this transform waits with its input kept; everything else goes on */
    ACTION_STOP        /* the run ends; a person is needed */
};

/* When reading from a source fails. */
enum action policy_source(enum err_code code);
/* When applying one transform fails (rows at fault are rejected before this is asked). */
enum action policy_transform(enum err_code code);
/* When the turn as a whole fails: begin, staging, commit. */
enum action policy_turn(enum err_code code);

#define BACKOFF_FIRST_US 50000
#define BACKOFF_MAX_US   30000000
#define ATTEMPTS_ONCE                                                                              \
    6 /* with run --once: after this many failures in a row, give up and say so                    \
       */
/* Doubles from BACKOFF_FIRST_US to BACKOFF_MAX_US, plus or minus a fifth. attempts from 1. */
int64_t policy_backoff_us(int64_t attempts);

#endif
