/* For tests: a source that tells a story of a chain that forks, batch by batch, with two streams. */
#ifndef PLUMB_ENGINE_FORK_SOURCE_H
#define PLUMB_ENGINE_FORK_SOURCE_H

#include "engine/test_support.h"
#include "rows/decode_internal.h"

#define STORY_BATCHES_MAX 400
#define STORY_RECORDS_MAX 4000
#define RECORD_BYTES      72

/* One batch: the records [first, first + count) of story.texts, numbered from number on. */
struct told {
    size_t first, count;
    int64_t number;
    bool takes_back;
    int64_t low, high; /* coverage */
    int64_t settled;
};

struct story {
    char texts[STORY_RECORDS_MAX][RECORD_BYTES];
    size_t text_count;
    struct told batches[STORY_BATCHES_MAX];
    size_t batch_count;
    size_t at;     /* the next batch to give */
    size_t end_at; /* this run ends before it */
    int64_t notes; /* seen at open */
    int64_t acks;
};
static struct story story; /* of the run at hand */

/* ---- the source ---- */

static enum err_code fork_open(const void *conf, const struct source_env *env, void **out,
                               struct err *err) {
    (void)conf;
    (void)err;
    for (size_t i = 0; i < env->cursor_count; i++) {
        assert_int_equal(sscanf(env->cursors[i].cursor.ptr, "{\"at\": %zu", &story.at), 1);
    }
    story.notes = (int64_t)env->note_count;
    assert_false(env->is_stopping(env->stop_context));
    *out = &story;
    return ERR_NONE;
}

static void fork_close(void *source) {
    (void)source;
}

static enum err_code fork_next(void *source, const struct source_limit *limit,
                               struct source_output *out, enum source_state *state,
                               struct err *err) {
    (void)source;
    (void)limit;
    if (story.at >= story.end_at) {
        *state = SOURCE_END;
        return ERR_NONE;
    }
    const struct told *t = &story.batches[story.at++];
    (void)snprintf(out->partition, sizeof(out->partition), "p");
    out->first_record = t->number;
    out->takes_back = t->takes_back;
    out->settled = t->settled;
    out->coverage = (struct source_coverage){
        .is_set = true, .low = t->low, .high = t->high, .how = "told", .origin = "story"};
    enum err_code code = batch_begin(&out->batch, STR(""), err);
    for (size_t i = 0; code == ERR_NONE && i < t->count; i++) {
        const char *text = story.texts[t->first + i];
        code = batch_add(&out->batch, str_of(text), RECORD_WHOLE, err);
        if (text[0] == 'b') {
            source_output_note(out, t->number + (int64_t)i, str_of(text));
        }
    }
    buf_addf(&out->cursor, "{\"at\": %zu, \"next\": %lld}", story.at, (long long)t->high + 1);
    *state = SOURCE_BATCH;
    return code;
}

static enum err_code fork_ack(void *source, const char *partition, struct str cursor,
                              struct err *err) {
    (void)source;
    (void)partition;
    (void)cursor;
    (void)err;
    story.acks++;
    return ERR_NONE;
}

/* "a 12 0 77": stream, height, place in it, value. Anything else is malformed. */
static enum err_code fork_record(struct decoder *d, struct str record, struct err *err) {
    char text[RECORD_BYTES];
    assert_true(record.len < sizeof(text));
    memcpy(text, record.ptr, record.len);
    text[record.len] = '\0';
    char stream = 0;
    long long height = 0;
    long long place = 0;
    long long value = 0;
    if (sscanf(text, "%c %lld %lld %lld", &stream, &height, &place, &value) != 4) {
        decode_malformed(d, 0, "not a record");
        return ERR_NONE;
    }
    enum err_code code = decode_choose(d, stream == 'a' ? 0 : 1, err);
    if (code == ERR_NONE) {
        rows_set_i64(d->rows, 0, height);
        rows_set_i64(d->rows, 1, place);
        rows_set_i64(d->rows, 2, value);
    }
    return code;
}

static void fork_release(struct decoder *d) {
    (void)d;
}

static const struct decoder_ops fork_decoder_ops = {.record = fork_record, .release = fork_release};

static enum err_code fork_decoder(const void *conf, const struct contract *contract,
                                  const struct stream *streams, size_t stream_count,
                                  struct decoder **out, struct err *err) {
    (void)conf;
    (void)contract;
    (void)err;
    struct decoder *d = mem_alloc(sizeof(*d));
    decode_base_init_streams(d, &fork_decoder_ops, streams, stream_count);
    *out = d;
    return ERR_NONE;
}

static enum err_code fork_streams(const void *conf, const struct node *n, struct arena *arena,
                                  struct stream **out, size_t *count, struct err *err) {
    static const struct column columns[] = {
        {"n", TYPE_INT64}, {"i", TYPE_INT64}, {"v", TYPE_INT64}};
    static const size_t identity[] = {0, 1};
    static const char *const names[] = {"a", "b"};
    (void)conf;
    (void)n;
    (void)err;
    *count = ARRAY_COUNT(names);
    *out = arena_new(arena, *count * sizeof(**out));
    for (size_t i = 0; i < *count; i++) {
        (*out)[i] = (struct stream){names[i], {columns, 3}, identity, 2};
    }
    return ERR_NONE;
}

static const struct source_ops fork_ops = {.open = fork_open,
                                           .close = fork_close,
                                           .next = fork_next,
                                           .ack = fork_ack,
                                           .decoder = fork_decoder};
static const struct component fork_source = {.kind = COMPONENT_SOURCE,
                                             .name = "fork",
                                             .since = "0.1",
                                             .summary = "Tells a story.",
                                             .doc = "Nothing.",
                                             .example = "s:\n  type: fork\n",
                                             COMPONENT_OPTIONS(script_options),
                                             .conf_size = sizeof(struct script_conf),
                                             .caps = CAP_RESUMABLE | CAP_ACKS | CAP_TAKES_BACK,
                                             .streams = fork_streams,
                                             .source = &fork_ops};
static const struct component *const fork_components[] = {&fork_source};
static const struct registry fork_registry = {fork_components, 1};

#endif
