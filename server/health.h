/* Health judged by progress: marks that move, troubles that last, an engine whose loop comes round. */
#ifndef PLUMB_SERVER_HEALTH_H
#define PLUMB_SERVER_HEALTH_H

#include "base/json.h"

#define HEALTH_GRACE_US   INT64_C(60000000)  /* what is wrong for less is being dealt with */
#define HEALTH_SILENCE_US INT64_C(120000000) /* without a round of the engine's loop */
#define HEALTH_FINDINGS   32
#define HEALTH_TEXT_BYTES 512

struct finding {
    char subject[96]; /* "engine", "source orders", "transform vips" */
    char text[HEALTH_TEXT_BYTES];
};
struct health {
    struct finding findings[HEALTH_FINDINGS];
    size_t count; /* of findings kept */
    size_t total;
};

/* What the engine's own process says. */
struct pulse {
    int64_t beat_us; /* monotonic time of its last round; 0: none yet */
    int64_t started_us;
    int64_t monotonic_us; /* now */
    int64_t now_us;
};

/* status: the tree of `plumb status --json`, NULL when the store could not be read. */
void health_judge(const struct json_value *status, const struct pulse *pulse, struct health *out);

#endif
