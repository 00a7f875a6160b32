/* The loop of one source's thread. Errors of the source are posted as packages: the store's thread
 * records them, this one waits and tries again, or gives up when that makes no sense. */
#include "engine/extract.h"

#include "base/clock.h"
#include "base/json.h"
#include "engine/policy.h"

#define SEAL_LEVEL 1

uint32_t extractor_rows_max(const struct flow_source *source) {
    size_t columns = 0; /* of the widest stream */
    for (size_t i = 0; i < source->stream_count; i++) {
        size_t count = source->streams[i].spec->schema.count;
        columns = count > columns ? count : columns;
    }
    int64_t cell_bytes = (int64_t)(columns * (sizeof(struct str) + 1) + sizeof(uint32_t));
    int64_t by_memory = DECODED_BYTES_MAX / cell_bytes;
    int64_t rows = source->common.batch_rows_max;
    rows = rows < by_memory ? rows : by_memory;
    return rows > 0 ? (uint32_t)rows : 1;
}

static void adapt(struct extractor *x, bool behind) {
    if (x->rows_fixed > 0) {
        x->rows_limit = (uint32_t)x->rows_fixed;
        return;
    }
    uint32_t max = extractor_rows_max(x->source);
    uint32_t next = behind ? x->rows_limit * 2 : BATCH_ROWS_START;
    x->rows_limit = next < max ? next : max;
}

static enum err_code open_source(struct extractor *x, struct err *err) {
    if (x->state != NULL) {
        return ERR_NONE;
    }
    const struct source_ops *ops = x->source->component->source;
    enum err_code code = ERR_NONE;
    if (x->decoder == NULL) {
        code = flow_decoder(x->source, &x->decoder, err);
    }
    if (code == ERR_NONE) {
        code = ops->open(x->source->conf, &x->env, &x->state, err);
    }
    return code;
}

static enum err_code finish_batch(struct extractor *x, struct package *p, struct err *err) {
    /* Sealed already when decoding failed the last time. */
    enum err_code code =
        p->out.batch.sealed.len > 0 ? ERR_NONE : batch_seal(&p->out.batch, SEAL_LEVEL, err);
    if (code != ERR_NONE) {
        return code;
    }
    arena_reset(&p->arena);
    return decoder_run(x->decoder, &p->out.batch, &p->arena, &p->decoded, err);
}

/* The source has moved past these records, so sealing and decoding are tried again until they
 * succeed. */
static enum err_code finish_batch_surely(struct extractor *x, struct package *p, struct err *err) {
    for (int64_t attempt = 1;; attempt++) {
        err_clear(err);
        enum err_code code = finish_batch(x, p, err);
        if (code == ERR_NONE) {
            return ERR_NONE;
        }
        bool give_up =
            policy_source(code) == ACTION_STOP || (x->env.once && attempt >= ATTEMPTS_ONCE);
        if (give_up || !channel_pause(x->channel, policy_backoff_us(attempt))) {
            err->code = ERR_INTERNAL; /* the thread must not go on behind the lost batch */
            return err->code;
        }
    }
}

static enum err_code acknowledge(struct extractor *x, struct package *p, struct err *err) {
    const struct source_ops *ops = x->source->component->source;
    bool due = p->committed && ops->ack != NULL && x->state != NULL;
    p->committed = false;
    return due ? ops->ack(x->state, p->out.partition, buf_str(&p->out.cursor), err) : ERR_NONE;
}

/* With a batch now and then; always with trouble and at the end, which say what it came to. */
static void ask_facts(struct extractor *x, struct package *p, bool is_batch) {
    const struct source_ops *ops = x->source->component->source;
    const int64_t now = clock_monotonic_us();
    if (ops->facts == NULL || (is_batch && x->facts_us > 0 && now - x->facts_us < FACTS_EVERY_US)) {
        return;
    }
    x->facts_us = now;
    struct json_writer w;
    json_writer_init(&w, &p->facts);
    json_begin_object(&w);
    ops->facts(x->state, &w);
    json_end_object(&w);
}

static enum err_code next_batch(struct extractor *x, struct package *p, enum source_state *state,
                                struct err *err) {
    enum err_code code = open_source(x, err);
    if (code == ERR_NONE) {
        code = acknowledge(x, p, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct source_limit limit = {.rows_max = x->rows_limit,
                                 .bytes_max = (size_t)x->source->common.batch_bytes_max};
    p->attempted_seq = 0;
    source_output_clear(&p->out);
    buf_clear(&p->facts);
    x->asked_us = x->asked_us > 0 ? x->asked_us : clock_now_us();
    code = x->source->component->source->next(x->state, &limit, &p->out, state, err);
    p->asked_us = x->asked_us;
    if (code == ERR_NONE && (*state == SOURCE_BATCH || p->out.wait_us > 0)) {
        x->asked_us = 0; /* it has given what it had, or there was nothing to be had */
    }
    if (code != ERR_NONE || *state != SOURCE_IDLE) { /* they are stored with what is posted */
        ask_facts(x, p, code == ERR_NONE && *state == SOURCE_BATCH);
    }
    return code == ERR_NONE && *state == SOURCE_BATCH ? finish_batch_surely(x, p, err) : code;
}

/* A source that failed is opened anew: its cursors in memory may be ahead of what was committed
 * only by what it has handed over already, and those packages are still on their way, so the state
 * is kept unless nothing was opened. */
static bool post_error(struct extractor *x, struct package *p, const struct err *why,
                       int64_t attempts) {
    bool give_up =
        policy_source(why->code) == ACTION_STOP || (x->env.once && attempts >= ATTEMPTS_ONCE);
    p->kind = give_up ? PACKAGE_FAILED : PACKAGE_ERROR;
    p->out.trouble = *why;
    channel_put(x->channel, p);
    return !give_up && channel_pause(x->channel, policy_backoff_us(attempts));
}

static bool go_idle(struct extractor *x, struct package *p, bool well_again) {
    int64_t wait_us = p->out.wait_us;
    if (well_again) {
        p->kind = PACKAGE_WELL;
        channel_put(x->channel, p);
    } else {
        channel_give_back(x->channel, &x->free, p);
    }
    return channel_pause(x->channel, wait_us);
}

/* One step; false when the thread is done. */
static bool step(struct extractor *x, struct package *p, int64_t *attempts) {
    enum source_state state = SOURCE_END;
    struct err err = ERR_INIT;
    enum err_code code = next_batch(x, p, &state, &err);
    if (code != ERR_NONE) {
        (*attempts)++;
        return post_error(x, p, &err, *attempts);
    }
    bool well_again = *attempts > 0;
    *attempts = 0;
    switch (state) {
    case SOURCE_BATCH:
        p->kind = PACKAGE_BATCH;
        adapt(x, p->out.behind);
        channel_put(x->channel, p);
        return true;
    case SOURCE_TROUBLE:
        p->kind = PACKAGE_TROUBLE;
        channel_put(x->channel, p);
        return true;
    case SOURCE_IDLE:
        adapt(x, false);
        return go_idle(x, p, well_again);
    case SOURCE_END:
        p->kind = PACKAGE_END;
        channel_put(x->channel, p);
        return false;
    }
    return false;
}

static void *extract_main(void *argument) {
    struct extractor *x = argument;
    int64_t attempts = 0;
    adapt(x, false);
    for (;;) {
        struct package *p = channel_take_free(x->channel, &x->free);
        if (p == NULL || !step(x, p, &attempts)) {
            return NULL;
        }
    }
}

enum err_code extractor_start(struct extractor *x, struct err *err) {
    for (size_t i = 0; i < PACKAGES_PER_SOURCE; i++) {
        struct package *p = &x->packages[i];
        p->source = x->source;
        source_output_init(&p->out);
        buf_init(&p->facts, FACTS_BYTES_MAX);
        arena_init(&p->arena, PACKAGE_ARENA_BYTES_MAX);
        channel_give_back(x->channel, &x->free, p);
    }
    int rc = pthread_create(&x->thread, NULL, extract_main, x);
    if (rc != 0) {
        return err_set_errno(err, ERR_UNAVAILABLE, rc, "start thread of source '%s'",
                             x->source->name);
    }
    x->is_running = true;
    return ERR_NONE;
}

/* What was committed after the source was last asked. A source that cannot take it any more will
 * give those records again, and the tables' keys meet them. */
static void acknowledge_rest(struct extractor *x) {
    for (struct package *p = x->free; p != NULL; p = p->next) {
        struct err err = ERR_INIT;
        if (acknowledge(x, p, &err) != ERR_NONE) {
            return;
        }
    }
}

void extractor_stop(struct extractor *x) {
    if (x->is_running) {
        (void)pthread_join(x->thread, NULL);
        x->is_running = false;
    }
    if (x->state != NULL) {
        acknowledge_rest(x);
        x->source->component->source->close(x->state);
        x->state = NULL;
    }
    decoder_free(x->decoder);
    x->decoder = NULL;
    for (size_t i = 0; i < PACKAGES_PER_SOURCE; i++) {
        if (x->packages[i].source != NULL) {
            source_output_release(&x->packages[i].out);
            buf_release(&x->packages[i].facts);
            arena_release(&x->packages[i].arena);
        }
    }
}
