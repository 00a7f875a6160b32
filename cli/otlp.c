/* The engine's thread copies spans into `queue` under a lock that is never held across I/O. The sender
 * takes up to OTLP_SPANS_SENT of them aside, and tries those OTLP_TRIES times before it lets them go. */
#include "cli/otlp.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "net/http.h"

struct otlp {
    char *traces_url, *metrics_url; /* owned */
    struct http_client *client;     /* the sender's, once it runs */
    pthread_t thread;
    uint64_t seed[2], ids; /* of the engine's thread */
    pthread_mutex_t lock;  /* guards what follows */
    pthread_cond_t changed;
    bool stopping;
    struct otlp_span *queue; /* [OTLP_SPANS_MAX] */
    size_t queued;
    struct otlp_counts counts;
    /* the sender's own */
    struct otlp_span *taken; /* [OTLP_SPANS_SENT] */
    size_t taken_count;
    int tries;
    bool told; /* the last request failed: the next waits for its time */
};

/* ---- the engine's side ---- */

static void new_id(struct otlp *o, size_t digits, char *out) {
    char hex[HASH128_HEX_BYTES];
    const uint64_t parts[] = {o->seed[0], o->seed[1], ++o->ids};
    hash128_to_hex(hash128_of(parts, sizeof parts), hex);
    memcpy(out, hex, digits);
    out[digits] = '\0';
}

/* Under the lock. */
static void add(struct otlp *o, const struct otlp_span *span) {
    if (o->queued == OTLP_SPANS_MAX) {
        o->counts.dropped++;
        return;
    }
    o->queue[o->queued++] = *span;
}

static void add_step(struct otlp *o, const struct otlp_span *turn, const struct turn_step *step) {
    struct otlp_span s = *turn;
    memcpy(s.parent, turn->id, sizeof s.parent);
    new_id(o, 16, s.id);
    (void)snprintf(s.name, sizeof s.name, "%s %s", step->source != NULL ? "extract" : "transform",
                   step->source != NULL ? step->source : step->stage);
    (void)snprintf(s.source, sizeof s.source, "%s", step->source != NULL ? step->source : "");
    (void)snprintf(s.stage, sizeof s.stage, "%s", step->stage != NULL ? step->stage : "");
    s.batch = step->batch;
    s.started_us = step->started_us;
    s.ended_us = step->started_us + step->duration_us;
    s.records = step->records;
    s.rejected = step->rejected;
    s.code = step->code;
    add(o, &s);
}

static void count(struct otlp_counts *c, const struct turn_facts *facts) {
    c->turns += facts->code == ERR_NONE;
    c->failed_turns += facts->code != ERR_NONE;
    c->dropped += (int64_t)facts->steps_left_out;
    for (size_t i = 0; i < facts->step_count; i++) {
        const struct turn_step *step = &facts->steps[i];
        c->stage_failures += step->stage != NULL && step->code != ERR_NONE;
        if (facts->code == ERR_NONE && step->source != NULL) {
            c->batches++;
            c->records += step->records;
            c->rejected += step->rejected;
        }
    }
}

void otlp_turn(struct otlp *o, const struct flow *flow, const struct turn_facts *facts) {
    struct otlp_span turn = {.name = "turn",
                             .started_us = facts->started_us,
                             .ended_us = facts->started_us + facts->duration_us,
                             .code = facts->code};
    new_id(o, 32, turn.trace);
    new_id(o, 16, turn.id);
    (void)snprintf(turn.flow, sizeof turn.flow, "%s", flow->name);
    (void)pthread_mutex_lock(&o->lock);
    add(o, &turn);
    for (size_t i = 0; i < facts->step_count; i++) {
        add_step(o, &turn, &facts->steps[i]);
    }
    count(&o->counts, facts);
    if (o->queued >= OTLP_SPANS_SENT) {
        (void)pthread_cond_signal(&o->changed);
    }
    (void)pthread_mutex_unlock(&o->lock);
}

/* ---- the sender ---- */

static bool post(struct otlp *o, const char *url, struct buf *body) {
    struct err err = ERR_INIT;
    struct http_call *call = NULL;
    struct http_response *response = NULL;
    const struct http_request request = {
        .url = url, .body = body, .deadline_us = OTLP_DEADLINE_US, .connect_us = OTLP_DEADLINE_US};
    enum err_code code = http_send(o->client, &request, &call, &err);
    if (code == ERR_NONE) {
        while (!http_call_done(call)) {
            (void)http_wait(o->client, OTLP_DEADLINE_US);
        }
        code = http_call_result(call, &response, &err);
    }
    if (code == ERR_NONE && response->status / 100 != 2) {
        code =
            err_set(&err, ERR_UNAVAILABLE, "telemetry was answered with HTTP %d", response->status);
    }
    http_call_free(call);
    if (code != ERR_NONE && !o->told) { /* once, until it works again */
        log_error("otlp", &err);
    }
    o->told = code != ERR_NONE;
    return code == ERR_NONE;
}

static void take(struct otlp *o, struct otlp_counts *counts) {
    (void)pthread_mutex_lock(&o->lock);
    if (o->taken_count == 0) {
        o->taken_count = o->queued < OTLP_SPANS_SENT ? o->queued : OTLP_SPANS_SENT;
        o->queued -= o->taken_count;
        memcpy(o->taken, o->queue, o->taken_count * sizeof(*o->taken));
        memmove(o->queue, o->queue + o->taken_count, o->queued * sizeof(*o->queue));
        o->tries = 0;
    }
    o->counts.now_us = clock_now_us();
    *counts = o->counts;
    (void)pthread_mutex_unlock(&o->lock);
}

/* True when spans went out. */
static bool send_spans(struct otlp *o) {
    AUTO_BUF body = BUF_INIT(OTLP_BODY_BYTES);
    struct otlp_counts counts;
    take(o, &counts);
    if (o->taken_count == 0) {
        return false;
    }
    otlp_traces(o->taken, o->taken_count, &body);
    const bool sent = post(o, o->traces_url, &body);
    if (!sent && ++o->tries >= OTLP_TRIES) {
        (void)pthread_mutex_lock(&o->lock);
        o->counts.dropped += (int64_t)o->taken_count;
        (void)pthread_mutex_unlock(&o->lock);
    }
    if (sent || o->tries >= OTLP_TRIES) {
        o->taken_count = 0;
    }
    return sent;
}

static void send_all(struct otlp *o) {
    AUTO_BUF body = BUF_INIT(OTLP_BODY_BYTES);
    struct otlp_counts counts;
    for (int i = 0; i <= OTLP_SPANS_MAX / OTLP_SPANS_SENT && send_spans(o); i++) {
    }
    take(o, &counts);
    otlp_metrics(&counts, &body);
    (void)post(o, o->metrics_url, &body);
}

/* False when it is to end. */
static bool wait_for_work(struct otlp *o) {
    struct timespec until = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(OTLP_EVERY_US / 1000000);
    (void)pthread_mutex_lock(&o->lock);
    int rc = 0;
    while (!o->stopping && (o->told || o->queued < OTLP_SPANS_SENT) && rc == 0) {
        rc = pthread_cond_timedwait(&o->changed, &o->lock, &until);
    }
    const bool goes_on = !o->stopping;
    (void)pthread_mutex_unlock(&o->lock);
    return goes_on;
}

static void *send_main(void *argument) {
    struct otlp *o = argument;
    while (wait_for_work(o)) {
        send_all(o);
    }
    send_all(o);
    return NULL;
}

static void release(struct otlp *o) {
    http_client_free(o->client);
    (void)pthread_cond_destroy(&o->changed);
    (void)pthread_mutex_destroy(&o->lock);
    mem_free(o->queue);
    mem_free(o->taken);
    mem_free(o->traces_url);
    mem_free(o->metrics_url);
    mem_free(o);
}

enum err_code otlp_start(const struct invocation *call, struct otlp **out, struct err *err) {
    const char *url = invocation_option(call, "otlp");
    *out = NULL;
    if (url == NULL) { /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it */
        url = getenv("OTEL_EXPORTER_OTLP_ENDPOINT");
    }
    if (url == NULL || url[0] == '\0') {
        return ERR_NONE;
    }
    if (http_url_check(url, err) != ERR_NONE) {
        return err_wrap(err, "--otlp");
    }
    struct otlp *o = mem_alloc(sizeof(*o));
    *o = (struct otlp){.counts = {.since_us = clock_now_us()}};
    const size_t len = strlen(url) - (url[strlen(url) - 1] == '/' ? 1 : 0);
    o->traces_url = mem_printf("%.*s/v1/traces", (int)len, url);
    o->metrics_url = mem_printf("%.*s/v1/metrics", (int)len, url);
    o->queue = mem_alloc_array(OTLP_SPANS_MAX, sizeof(*o->queue));
    o->taken = mem_alloc_array(OTLP_SPANS_SENT, sizeof(*o->taken));
    if (getrandom(o->seed, sizeof o->seed, 0) != (ssize_t)sizeof o->seed) {
        o->seed[0] = (uint64_t)clock_now_us();
    }
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&o->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&o->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    enum err_code code = http_client_new(&(struct http_options){0}, &o->client, err);
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

void otlp_stop(struct otlp *o) {
    if (o == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&o->lock);
    o->stopping = true;
    (void)pthread_cond_signal(&o->changed);
    (void)pthread_mutex_unlock(&o->lock);
    (void)pthread_join(o->thread, NULL);
    release(o);
}
