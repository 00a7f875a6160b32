/* How it works:
 *
 *     fine --wrong--> pending --for `for`--> firing --fine for `keep`--> fine
 *
 * An alert's level only grows while it is open, and it ends when the value has not been above
 * `resolve_at` for `keep`: a value that comes and goes is one alert. Nothing to judge changes
 * nothing, so an alert never ends because its source fell silent; what cannot be told is wrong. */
#include "watch/judge.h"

#include <math.h>
#include <string.h>

static const char *const state_names[] = {
#define X(name, text) [STATE_##name] = (text),
    CHECK_STATES(X)
#undef X
};

const char *check_state_name(enum check_state state) {
    return state_names[state];
}

bool check_state_parse(struct str text, enum check_state *out) {
    for (size_t i = 0; i < ARRAY_COUNT(state_names); i++) {
        if (str_equal_c(text, state_names[i])) {
            *out = (enum check_state)i;
            return true;
        }
    }
    return false;
}

const char *check_level_name(enum check_level level) {
    return level == LEVEL_ERROR ? "error" : "warn";
}

enum check_level judge_level(const struct flow_check *c, const struct measurement *m) {
    switch (m->what) {
    case MEASURED_NOTHING:
    case MEASURED_LEARNING:
        return LEVEL_FINE;
    case MEASURED_UNKNOWN:
        return c->severity;
    case MEASURED_VALUE:
        break;
    }
    if (isnan(m->value)) {
        return c->severity;
    }
    const enum check_level ruled = m->is_wrong ? m->wrong : LEVEL_FINE;
    if (!isnan(c->floor) && m->value < c->floor) {
        return (enum check_level)(c->conf.severity + 1);
    }
    if (!isnan(c->error) && m->value > c->error) {
        return LEVEL_ERROR;
    }
    const bool warns = !isnan(c->warn) && m->value > c->warn;
    return warns && ruled < LEVEL_WARN ? LEVEL_WARN : ruled;
}

static void enter(struct standing *s, enum check_state state, int64_t now_us) {
    if (s->state != state || s->state_since_us == 0) {
        s->state = state;
        s->state_since_us = now_us;
    }
}

static enum check_state state_of(const struct measurement *m, enum check_level level) {
    return m->what == MEASURED_UNKNOWN ? STATE_UNKNOWN
           : level == LEVEL_ERROR      ? STATE_ERROR
                                       : STATE_WARN;
}

/* Whether an open alert has still a reason. */
static bool holds_on(const struct flow_check *c, const struct measurement *m,
                     enum check_level level) {
    return level > LEVEL_FINE ||
           (m->what == MEASURED_VALUE && !isnan(c->clear) && m->value > c->clear);
}

static enum verdict judge_open(const struct flow_check *c, const struct measurement *m,
                               int64_t now_us, struct standing *s) {
    const enum check_level level = judge_level(c, m);
    if (holds_on(c, m, level)) {
        const bool worse = level > s->open;
        s->bad_us = now_us;
        s->open = worse ? level : s->open;
        enter(s, state_of(m, s->open), now_us);
        return worse ? VERDICT_WORSE : VERDICT_NOTHING;
    }
    if (now_us - s->bad_us < c->conf.keep_us) {
        return VERDICT_NOTHING;
    }
    s->open = LEVEL_FINE;
    s->pending_since_us = 0;
    enter(s, STATE_OK, now_us);
    return VERDICT_RESOLVE;
}

enum verdict judge(const struct flow_check *c, const struct measurement *m, int64_t now_us,
                   struct standing *s) {
    const bool tells = m->what == MEASURED_VALUE || m->what == MEASURED_UNKNOWN;
    if (!tells) {
        const bool waits = s->open > LEVEL_FINE || s->state == STATE_PENDING;
        const bool was_fine = s->state == STATE_OK && m->what == MEASURED_NOTHING;
        if (!waits && !(was_fine && s->state_since_us > 0)) {
            enter(s, STATE_LEARNING, now_us);
        }
        s->bad_us = s->open > LEVEL_FINE ? now_us : s->bad_us; /* it goes on being so */
        return VERDICT_NOTHING;
    }
    if (s->open > LEVEL_FINE) {
        return judge_open(c, m, now_us, s);
    }
    const enum check_level level = judge_level(c, m);
    if (level == LEVEL_FINE) {
        s->pending_since_us = 0;
        enter(s, STATE_OK, now_us);
        return VERDICT_NOTHING;
    }
    s->bad_us = now_us;
    s->pending_since_us = s->pending_since_us > 0 ? s->pending_since_us : now_us;
    if (now_us - s->pending_since_us < c->conf.for_us) {
        enter(s, STATE_PENDING, now_us);
        return VERDICT_NOTHING;
    }
    s->open = level;
    enter(s, state_of(m, level), now_us);
    return VERDICT_OPEN;
}
