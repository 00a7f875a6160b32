/* A fixed array, filled while the turn is at work and told once at its end: nothing is allocated, and
 * nothing is noted when nobody asked. */
#include "base/clock.h"
#include "engine/run_state.h"

void facts_begin(struct run *r) {
    r->facts = (struct turn_facts){.started_us = clock_now_us(), .steps = r->steps};
    r->facts_began_us = clock_monotonic_us();
}

void facts_step(struct run *r, const struct turn_step *step) {
    if (r->options.traced == NULL) {
        return;
    }
    if (r->facts.step_count == TURN_STEPS_MAX) {
        r->facts.steps_left_out++;
        return;
    }
    r->steps[r->facts.step_count++] = *step;
}

void facts_end(struct run *r, enum err_code code) {
    if (r->options.traced == NULL) {
        return;
    }
    r->facts.code = code;
    r->facts.duration_us = clock_monotonic_us() - r->facts_began_us;
    r->options.traced(r->options.context, &r->facts);
}
