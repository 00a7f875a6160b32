/* The engine's thread writes spans into a ring under a lock that is never held across I/O. The sender
 * takes up to OTLP_SPANS_SENT of them aside, and tries those OTLP_TRIES times before it lets them go;
 * while a receiver wants a pause nothing is sent at all. */
#include "cli/otlp.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/policy.h"
#include "net/http.h"

struct otlp {
    struct http_client *client; /* the sender's, once it runs */
    pthread_t thread;
    char flow[FLOW_NAME_BYTES_MAX + 1]; /* this and the next are the engine's thread's */
    uint64_t seed[2], ids;
    char instance[37];
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool stopping;
    int64_t until_us; /* monotonic, once it is stopping */
    struct otlp_target *next_target;
    struct otlp_span *queue; /* [OTLP_SPANS_MAX], a ring */
    size_t first, queued;
    struct otlp_counts *counts;
    /* the sender's own */
    struct otlp_target *target;
    struct otlp_span *taken; /* [OTLP_SPANS_SENT] */
    size_t taken_count;
    struct otlp_counts *told_counts; /* as of the last look */
    int64_t tries;
    int64_t resume_us;  /* monotonic: nothing is sent before */
    int64_t metrics_us; /* monotonic: when they are due */
    bool troubled;      /* the last request was not taken, and that was logged */
};

/* ---- the engine's side ---- */

static void new_id(struct otlp *o, uint8_t *out, size_t len) {
    uint8_t bytes[16];
    const uint64_t parts[] = {o->seed[0], o->seed[1], ++o->ids};
    hash128_to_bytes(hash128_of(parts, sizeof parts), bytes);
    memcpy(out, bytes, len);
}

/* Under the lock. The next place of the queue, cleared; NULL when it is full, which is counted. */
static struct otlp_span *add(struct otlp *o) {
    if (o->queued == OTLP_SPANS_MAX) {
        o->counts->dropped[OTLP_QUEUE_FULL]++;
        return NULL;
    }
    struct otlp_span *s = &o->queue[(o->first + o->queued++) % OTLP_SPANS_MAX];
    *s = (struct otlp_span){.name = ""};
    return s;
}

static void add_batch(struct otlp *o, const struct otlp_context *turn, int64_t turn_ended_us,
                      const struct turn_step *step) {
    const struct otlp_context context = otlp_batch_context(o->flow, step->batch, step->hash);
    struct otlp_span *batch = add(o);
    if (batch != NULL) {
        batch->self = context;
        batch->kind = OTLP_BATCH;
        (void)snprintf(batch->name, sizeof batch->name, "%s", step->source);
        batch->batch = step->batch;
        batch->started_us = step->started_us;
        batch->ended_us = turn_ended_us > step->started_us ? turn_ended_us : step->started_us;
        batch->records = step->records;
        batch->rejected = step->rejected;
        batch->links[batch->link_count++] = *turn;
    }
    struct otlp_span *extract = add(o);
    if (extract != NULL) {
        extract->self = context;
        new_id(o, extract->self.span, sizeof extract->self.span);
        extract->has_parent = true;
        memcpy(extract->parent, context.span, sizeof extract->parent);
        extract->kind = OTLP_EXTRACT;
        (void)snprintf(extract->name, sizeof extract->name, "%s", step->source);
        extract->batch = step->batch;
        extract->started_us = step->started_us;
        extract->ended_us = step->started_us + step->duration_us;
    }
}

static void add_transform(struct otlp *o, const struct otlp_context *turn,
                          const struct turn_step *step) {
    struct otlp_span *s = add(o);
    if (s == NULL) {
        return;
    }
    s->self = *turn;
    new_id(o, s->self.span, sizeof s->self.span);
    s->has_parent = true;
    memcpy(s->parent, turn->span, sizeof s->parent);
    s->kind = OTLP_TRANSFORM;
    (void)snprintf(s->name, sizeof s->name, "%s", step->stage);
    s->batch = step->batch;
    s->started_us = step->started_us;
    s->ended_us = step->started_us + step->duration_us;
    s->code = step->code;
    if (step->batch > 0) {
        s->links[s->link_count++] = otlp_batch_context(o->flow, step->batch, step->hash);
    }
}

static void add_turn(struct otlp *o, const struct otlp_context *turn,
                     const struct turn_facts *facts) {
    struct otlp_span *s = add(o);
    if (s == NULL) {
        return;
    }
    s->self = *turn;
    s->kind = OTLP_TURN;
    s->started_us = facts->started_us;
    s->ended_us = facts->started_us + facts->duration_us;
    s->code = facts->code;
    int64_t last = 0;
    for (size_t i = 0; i < facts->step_count; i++) { /* steps of a batch stand together */
        const struct turn_step *step = &facts->steps[i];
        if (step->batch == 0 || step->batch == last) {
            continue;
        }
        last = step->batch;
        if (s->link_count == OTLP_LINKS_MAX) {
            s->links_left_out++;
        } else {
            s->links[s->link_count++] = otlp_batch_context(o->flow, step->batch, step->hash);
        }
    }
}

/* Under the lock. The numbers of a source or transform; of all that have no place, together. */
static struct otlp_series *series_of(struct otlp_counts *c, const char *name, bool is_stage) {
    size_t other = OTLP_SERIES_MAX;
    for (size_t i = 0; i < c->series_count; i++) {
        if (c->series[i].is_stage == is_stage && strcmp(c->series[i].name, name) == 0) {
            return &c->series[i];
        }
    }
    if (c->series_count >= OTLP_SERIES_MAX) {
        for (; other < c->series_count && c->series[other].is_stage != is_stage; other++) {
        }
        if (other < c->series_count) {
            return &c->series[other];
        }
        name = "(other)";
    }
    struct otlp_series *s = &c->series[c->series_count++];
    *s = (struct otlp_series){.is_stage = is_stage};
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

static void count_turn(struct otlp_counts *c, const struct turn_facts *facts) {
    size_t bucket = 0;
    const double seconds = (double)facts->duration_us / 1e6;
    for (; bucket < OTLP_BOUNDS && seconds > otlp_bounds[bucket]; bucket++) {
    }
    c->turn_buckets[bucket]++;
    c->turn_us += facts->duration_us;
    c->committed += facts->code == ERR_NONE;
    c->failed += facts->code != ERR_NONE;
    c->dropped[OTLP_QUEUE_FULL] += (int64_t)facts->steps_left_out;
}

static void count_step(struct otlp_counts *c, const struct turn_step *step, bool committed) {
    if (step->stage != NULL) {
        struct otlp_series *s = series_of(c, step->stage, true);
        s->done += step->code == ERR_NONE;
        s->failed += step->code != ERR_NONE;
        s->busy_us += step->duration_us;
    } else if (committed) {
        struct otlp_series *s = series_of(c, step->source, false);
        s->batches++;
        s->decoded += step->records - step->rejected;
        s->rejected += step->rejected;
    }
}

void otlp_turn(struct otlp *o, const struct turn_facts *facts) {
    struct otlp_context turn = {{0}, {0}};
    const int64_t ended_us = facts->started_us + facts->duration_us;
    const bool committed = facts->code == ERR_NONE;
    new_id(o, turn.trace, sizeof turn.trace);
    new_id(o, turn.span, sizeof turn.span);
    (void)pthread_mutex_lock(&o->lock);
    add_turn(o, &turn, facts);
    for (size_t i = 0; i < facts->step_count; i++) {
        const struct turn_step *step = &facts->steps[i];
        count_step(o->counts, step, committed);
        if (step->stage != NULL) {
            add_transform(o, &turn, step);
        } else if (committed) { /* or it comes again, as the same batch */
            add_batch(o, &turn, ended_us, step);
        }
    }
    count_turn(o->counts, facts);
    if (o->queued >= OTLP_SPANS_SENT) {
        (void)pthread_cond_signal(&o->changed);
    }
    (void)pthread_mutex_unlock(&o->lock);
}

/* ---- the sender ---- */

static bool is_hurried(void *context, int64_t *until_us) {
    struct otlp *o = context;
    (void)pthread_mutex_lock(&o->lock);
    const bool stopping = o->stopping;
    *until_us = o->until_us;
    (void)pthread_mutex_unlock(&o->lock);
    return stopping;
}

/* What there is to send, a new address, and the numbers as they are. */
static void look(struct otlp *o) {
    (void)pthread_mutex_lock(&o->lock);
    if (o->next_target != NULL) {
        otlp_target_free(o->target);
        o->target = o->next_target;
        o->next_target = NULL;
        o->resume_us = 0;
    }
    if (o->taken_count == 0) {
        o->tries = 0;
        while (o->queued > 0 && o->taken_count < OTLP_SPANS_SENT) {
            o->taken[o->taken_count++] = o->queue[o->first];
            o->first = (o->first + 1) % OTLP_SPANS_MAX;
            o->queued--;
        }
    }
    o->counts->queued = (int64_t)(o->queued + o->taken_count);
    o->counts->now_us = clock_now_us();
    *o->told_counts = *o->counts;
    (void)pthread_mutex_unlock(&o->lock);
}

static void note(struct otlp *o, bool of_metrics, const struct otlp_answer *a,
                 const struct err *err) {
    if (a->end != OTLP_ACCEPTED && !o->troubled) { /* once, until it works again */
        log_error("otlp", err);
    }
    o->troubled = a->end != OTLP_ACCEPTED;
    (void)pthread_mutex_lock(&o->lock);
    o->counts->requests[of_metrics ? 1 : 0][a->end]++;
    (void)pthread_mutex_unlock(&o->lock);
    if (a->end == OTLP_TO_RETRY) {
        o->tries += !of_metrics;
        const int64_t backoff = policy_backoff_us(o->tries + OTLP_BACKOFF);
        const int64_t pause = a->pause_us < OTLP_PAUSE_US_MAX ? a->pause_us : OTLP_PAUSE_US_MAX;
        o->resume_us = clock_monotonic_us() + (a->pause_us >= 0 ? pause : backoff);
    }
}

static void let_go(struct otlp *o, enum otlp_loss why, int64_t sent, int64_t lost) {
    (void)pthread_mutex_lock(&o->lock);
    o->counts->sent += sent;
    o->counts->dropped[why] += lost;
    (void)pthread_mutex_unlock(&o->lock);
    o->taken_count = 0;
}

/* False when it has to wait. */
static bool send_spans(struct otlp *o, int64_t until_us) {
    AUTO_BUF body = BUF_INIT(OTLP_BODY_BYTES);
    struct err err = ERR_INIT;
    const int64_t count = (int64_t)o->taken_count;
    const struct otlp_post post = {o->target->traces_url, false, until_us, is_hurried, o};
    otlp_traces(o->target, o->taken, o->taken_count, &body);
    const struct otlp_answer a = otlp_send(o->client, o->target, &post, &body, &err);
    note(o, false, &a, &err);
    if (a.end == OTLP_TO_RETRY) {
        if (o->tries >= OTLP_TRIES) {
            let_go(o, OTLP_NOT_TAKEN, 0, count);
        }
        return false;
    }
    const int64_t rejected = a.rejected < count ? a.rejected : count;
    const int64_t lost = a.end == OTLP_TURNED_DOWN ? count : rejected;
    let_go(o, OTLP_REFUSED, count - lost, lost);
    return true;
}

static bool send_metrics(struct otlp *o, int64_t until_us) {
    AUTO_BUF body = BUF_INIT(OTLP_BODY_BYTES);
    struct err err = ERR_INIT;
    const struct otlp_post post = {o->target->metrics_url, true, until_us, is_hurried, o};
    look(o);
    otlp_metrics(o->target, o->told_counts, &body);
    const struct otlp_answer a = otlp_send(o->client, o->target, &post, &body, &err);
    note(o, true, &a, &err);
    return a.end != OTLP_TO_RETRY;
}

/* False when it has to wait. */
static bool send_all(struct otlp *o, int64_t until_us, bool with_metrics) {
    for (size_t i = 0; i <= OTLP_SPANS_MAX / OTLP_SPANS_SENT; i++) {
        look(o);
        if (o->taken_count > 0 && !send_spans(o, until_us)) {
            return false;
        }
    }
    return !with_metrics || send_metrics(o, until_us);
}

static struct timespec timespec_of(int64_t us) {
    return (struct timespec){.tv_sec = (time_t)(us / 1000000), .tv_nsec = us % 1000000 * 1000};
}

/* False when it is to end. */
static bool wait_for_work(struct otlp *o) {
    (void)pthread_mutex_lock(&o->lock);
    for (;;) {
        const int64_t now = clock_monotonic_us();
        const bool many =
            o->queued >= OTLP_SPANS_SENT || o->taken_count > 0 || o->next_target != NULL;
        const int64_t due = many || o->metrics_us < o->resume_us ? o->resume_us : o->metrics_us;
        if (o->stopping || now >= due) {
            break;
        }
        const struct timespec until = timespec_of(due);
        (void)pthread_cond_timedwait(&o->changed, &o->lock, &until);
    }
    const bool goes_on = !o->stopping;
    (void)pthread_mutex_unlock(&o->lock);
    return goes_on;
}

/* Everything that is left, or what the time is enough for. */
static void flush(struct otlp *o) {
    int64_t until_us = 0;
    (void)is_hurried(o, &until_us);
    bool done = false;
    while (!done && o->resume_us < until_us) {
        const int64_t wait = o->resume_us - clock_monotonic_us();
        if (wait > 0) {
            clock_sleep_us(wait);
        } else {
            done = send_all(o, until_us, true);
        }
    }
    (void)pthread_mutex_lock(&o->lock);
    o->counts->dropped[OTLP_AT_END] += (int64_t)(o->queued + o->taken_count);
    const struct otlp_counts *c = o->counts;
    int64_t lost = 0;
    for (size_t i = 0; i < OTLP_LOSSES; i++) {
        lost += c->dropped[i];
    }
    (void)pthread_mutex_unlock(&o->lock);
    if (lost > 0) {
        log_warn("otlp", "flow=%s spans_dropped=%lld at_end=%lld", o->flow, (long long)lost,
                 (long long)c->dropped[OTLP_AT_END]);
    }
}

static void *send_main(void *argument) {
    struct otlp *o = argument;
    while (wait_for_work(o)) {
        const bool due = clock_monotonic_us() >= o->metrics_us;
        if (due) {
            o->metrics_us = clock_monotonic_us() + o->target->interval_us;
        }
        (void)send_all(o, INT64_MAX, due);
    }
    flush(o);
    return NULL;
}

/* ---- beginning and end ---- */

static void release(struct otlp *o) {
    http_client_free(o->client);
    (void)pthread_cond_destroy(&o->changed);
    (void)pthread_mutex_destroy(&o->lock);
    otlp_target_free(o->target);
    otlp_target_free(o->next_target);
    mem_free(o->queue);
    mem_free(o->taken);
    mem_free(o->counts);
    mem_free(o->told_counts);
    mem_free(o);
}

/* A UUID of version 4, as service.instance.id wants it. */
static void name_instance(struct otlp *o) {
    uint8_t b[16];
    char hex[OTLP_TRACE_HEX_BYTES];
    struct otlp_context c = {{0}, {0}};
    new_id(o, b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
    memcpy(c.trace, b, sizeof c.trace);
    otlp_trace_hex(&c, hex);
    (void)snprintf(o->instance, sizeof o->instance, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8,
                   hex + 12, hex + 16, hex + 20);
}

static struct otlp *make(const struct flow *flow) {
    struct otlp *o = mem_alloc(sizeof(*o));
    o->queue = mem_alloc_array(OTLP_SPANS_MAX, sizeof(*o->queue));
    o->taken = mem_alloc_array(OTLP_SPANS_SENT, sizeof(*o->taken));
    o->counts = mem_alloc(sizeof(*o->counts));
    o->told_counts = mem_alloc(sizeof(*o->told_counts));
    o->counts->since_us = clock_now_us();
    (void)snprintf(o->flow, sizeof o->flow, "%s", flow->name);
    if (getrandom(o->seed, sizeof o->seed, 0) != (ssize_t)sizeof o->seed) {
        o->seed[0] = (uint64_t)clock_now_us();
    }
    name_instance(o);
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&o->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&o->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return o;
}

enum err_code otlp_start(const struct invocation *call, const struct flow *flow, struct otlp **out,
                         struct err *err) {
    *out = NULL;
    struct otlp *o = make(flow);
    enum err_code code = otlp_target_of(call, flow, o->instance, &o->target, err);
    if (code != ERR_NONE || o->target == NULL) {
        release(o);
        return code;
    }
    o->metrics_us = clock_monotonic_us() + o->target->interval_us;
    code = http_client_new(&(struct http_options){0}, &o->client, err);
    if (code == ERR_NONE && pthread_create(&o->thread, NULL, send_main, o) != 0) {
        code = err_set(err, ERR_UNAVAILABLE, "no thread for telemetry");
    }
    if (code != ERR_NONE) {
        release(o);
        return code;
    }
    *out = o;
    return ERR_NONE;
}

void otlp_use(struct otlp **o, const struct invocation *call, const struct flow *flow) {
    struct err err = ERR_INIT;
    if (*o == NULL) {
        if (otlp_start(call, flow, o, &err) != ERR_NONE) {
            log_error("otlp", &err);
        }
        return;
    }
    struct otlp_target *target = NULL;
    if (otlp_target_of(call, flow, (*o)->instance, &target, &err) != ERR_NONE) {
        log_error("otlp", &err);
        return;
    }
    if (target == NULL) {
        otlp_stop(*o);
        *o = NULL;
        return;
    }
    (void)snprintf((*o)->flow, sizeof(*o)->flow, "%s", flow->name);
    (void)pthread_mutex_lock(&(*o)->lock);
    otlp_target_free((*o)->next_target);
    (*o)->next_target = target;
    (void)pthread_cond_signal(&(*o)->changed);
    (void)pthread_mutex_unlock(&(*o)->lock);
}

void otlp_stop(struct otlp *o) {
    if (o == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&o->lock);
    o->stopping = true;
    o->until_us = clock_monotonic_us() + OTLP_FLUSH_US;
    (void)pthread_cond_signal(&o->changed);
    (void)pthread_mutex_unlock(&o->lock);
    (void)pthread_join(o->thread, NULL);
    release(o);
}
