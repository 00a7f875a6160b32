/* Taking records back: the staged batches that hold them are read again, newest first, and the rows
 * their records have in a map's table are deleted. Nothing is asked of the source. */
#include "engine/run_state.h"

enum err_code run_decode(struct run *r, const struct flow_source *source, const struct batch *b,
                         struct arena *arena, struct decoded *out, struct err *err) {
    size_t index = (size_t)(source - r->flow->sources);
    enum err_code code = ERR_NONE;
    if (r->decoders[index] == NULL) {
        code = flow_decoder(source, &r->decoders[index], err);
    }
    return code == ERR_NONE ? decoder_run(r->decoders[index], b, arena, out, err) : code;
}

/* The batch and its rows, unless they are those at hand. */
static enum err_code load(struct run *r, const struct turn_input *in, int64_t seq,
                          struct err *err) {
    struct undo *u = &r->undo;
    if (u->source == in->source && u->info.partition == in->batch->partition &&
        u->info.seq == seq) {
        return ERR_NONE;
    }
    u->source = NULL;
    enum err_code code = store_load(r->store, in->batch->partition, seq, &u->batch, &u->info, err);
    if (code == ERR_NONE) {
        arena_reset(&u->arena);
        code = run_decode(r, in->source, &u->batch, &u->arena, &u->decoded, err);
    }
    if (code == ERR_NONE) {
        u->source = in->source;
    }
    return code;
}

/* Of one earlier batch: those of its records that are to go. */
typedef enum err_code (*take_back_part)(struct run *r, const struct turn_input *in,
                                        const struct store_live *live, void *context,
                                        struct err *err);

/* Every earlier batch with records that the batch takes back, newest first. */
static enum err_code each_part(struct run *r, const struct turn_input *in, take_back_part take,
                               void *context, struct err *err) {
    struct store_live live = {.seq = in->batch->seq};
    int64_t high = INT64_MAX;
    for (;;) {
        bool found = false;
        enum err_code code = store_live_before(r->store, in->batch->partition, live.seq,
                                               in->batch->first_record, high, &live, &found, err);
        if (code != ERR_NONE || !found) {
            return code;
        }
        high = live.low;
        code = take(r, in, &live, context, err);
        if (code != ERR_NONE) {
            return code;
        }
    }
}

struct rows_back {
    size_t index; /* of the map */
    int64_t deleted;
};

static enum err_code take_rows(struct run *r, const struct turn_input *in,
                               const struct store_live *live, void *context, struct err *err) {
    struct rows_back *rows = context;
    const size_t stream = r->flow->transforms[rows->index].stream->index;
    bool gone = false;
    enum err_code code = ERR_NONE;
    if (r->options.lose) { /* it was passed by: its rows are not there */
        code = lost_is_gone(r, in->batch->partition, live->seq, &gone, err);
    }
    if (code != ERR_NONE || gone) {
        return code;
    }
    code = load(r, in, live->seq, err);
    if (code != ERR_NONE) {
        return err_wrap(err, "records to take back");
    }
    const struct store_batch *batch = &r->undo.info;
    const struct map_input map = {&r->undo.decoded.streams[stream], batch->id, batch->partition,
                                  batch->first_record};
    int64_t deleted = 0;
    code = map_take_back(r->plan, rows->index, &map, live->low - batch->first_record,
                         live->high - batch->first_record, &deleted, err);
    rows->deleted += deleted;
    return code;
}

enum err_code turn_take_back(struct run *r, size_t index, const struct turn_input *in,
                             int64_t *deleted, struct err *err) {
    struct rows_back rows = {.index = index};
    const enum err_code code = each_part(r, in, take_rows, &rows, err);
    *deleted = rows.deleted;
    return code;
}

static enum err_code take_rejects(struct run *r, const struct turn_input *in,
                                  const struct store_live *live, void *context, struct err *err) {
    (void)context;
    return store_rejects_take_back(r->store, in->batch->partition, live, in->batch->id, err);
}

enum err_code turn_take_rejects_back(struct run *r, const struct turn_input *in, struct err *err) {
    return each_part(r, in, take_rejects, NULL, err);
}

void undo_init(struct undo *u) {
    batch_init(&u->batch);
    arena_init(&u->arena, UNDO_ARENA_BYTES_MAX);
    u->source = NULL;
}

void undo_release(struct undo *u) {
    batch_release(&u->batch);
    arena_release(&u->arena);
}
