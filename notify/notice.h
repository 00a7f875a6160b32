/* A notice: what happened to an alert, for one route. */
#ifndef PLUMB_NOTIFY_NOTICE_H
#define PLUMB_NOTIFY_NOTICE_H

#include "flow/alerts.h"
#include "store/store.h"

/* Texts are the arena's of the list it is in. Times are microseconds since 1970. */
struct notice {
    int64_t id;    /* of the delivery: the same when it is sent again */
    int64_t alert; /* its number in the store */
    int64_t attempts, created_us, next_us;
    int64_t opened_us, resolved_us; /* resolved_us 0: it is not over */
    bool is_end;                    /* event is 'resolved' */
    const char *route, *event;
    const char *check, *severity, *root, *summary, *detail, *value, *note;
    const char *kind, *subject;     /* of the check; "" when the store has it no more */
    const char *flow, *description; /* the flow's; description: of the check, or "" */
};

#define NOTICES_MAX       1024 /* read at once */
#define NOTICES_BYTES_MAX ((size_t)16 << 20)
struct notices {
    struct arena arena;
    struct notice *items; /* owned */
    size_t count;
};
void notices_release(struct notices *n);

/* The oldest notice of each route that waits to be sent, due or not. */
MUST_CHECK enum err_code notices_first(struct store *s, const struct flow *flow,
                                       struct notices *out, struct err *err);
/* Alerts that the route was told of and that are open or ended after since_us: as notices of event
 * 'firing' or 'resolved', id 0. */
MUST_CHECK enum err_code notices_standing(struct store *s, const struct flow *flow,
                                          const char *route, int64_t since_us, struct notices *out,
                                          struct err *err);

/* What became of one. */
enum outcome {
    OUTCOME_SENT,
    OUTCOME_LATER, /* try again at next_us */
    OUTCOME_FAILED /* never */
};
struct notice_result {
    enum outcome outcome;
    int64_t next_us;   /* LATER */
    const char *error; /* LATER and FAILED */
};
MUST_CHECK enum err_code notice_record(struct store *s, const struct notice *n,
                                       const struct notice_result *r, int64_t now_us,
                                       struct err *err);

#endif
