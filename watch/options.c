/* What a flow says of its alerts, as rounds want it. */
#include "watch/watch.h"

void watch_options_of(const struct flow *flow, struct watch_options *out) {
    (void)flow; /* routes, reminders and quiet hours of its own come with `alerts:` */
    *out = (struct watch_options){.remind_us = WATCH_REMIND_US};
}
