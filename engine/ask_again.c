/* How it works: batches of other partitions that come by are not looked at. Those of the partition are
 * cut anew to the number of records wanted, since a source may cut them elsewhere this time: what is
 * hashed is the records and the meta bytes before them. */
#include "engine/ask_again.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define ASK_ARENA_BYTES_MAX ((size_t)1 << 30)
#define SEAL_LEVEL          1

struct asking {
    const struct ask_again *what;
    struct batch *batch;
    struct asked *out;
    struct source_output output;
    void *source;
    int64_t until_us; /* monotonic */
    bool differs;     /* it goes on elsewhere than it did */
};

static bool is_late(void *context) {
    const struct asking *a = context;
    return clock_monotonic_us() >= a->until_us;
}

/* The cursors of the source, ours as it was then. */
static enum err_code cursors_then(struct store *s, const struct ask_again *what,
                                  struct arena *arena, struct source_env *env, struct err *err) {
    struct source_cursor *all = NULL;
    size_t count = 0;
    enum err_code code = store_cursors(s, what->source->name, arena, &all, &count, err);
    size_t kept = 0;
    bool found = false;
    for (size_t i = 0; code == ERR_NONE && i < count; i++) {
        const bool ours = strcmp(all[i].partition, what->partition_name) == 0;
        found = found || ours;
        if (!ours || what->cursor != NULL) {
            all[kept] = all[i];
            all[kept++].cursor = ours ? str_of(what->cursor) : all[i].cursor;
        }
    }
    env->cursors = all;
    env->cursor_count = kept;
    return code;
}

static enum err_code notes_then(struct store *s, const struct ask_again *what, struct arena *arena,
                                struct source_env *env, struct err *err) {
    struct store_statement *st = NULL;
    AUTO_BUF sql = BUF_INIT(BUF_TEXT_MAX);
    int64_t count = 0;
    bool has_row = false;
    buf_addf(&sql,
             "SELECT p.name, n.note FROM _plumb_notes n JOIN _plumb_partitions p ON p.id = "
             "n.partition WHERE p.source = '%s' AND (n.partition <> %lld OR n.record < %lld)",
             what->source->name, (long long)what->partition, (long long)what->first_record);
    char *counting = mem_printf("SELECT count(*) FROM (%s) AS x", buf_c(&sql));
    enum err_code code = store_get_i64(s, counting, &count, &has_row, err);
    mem_free(counting);
    buf_adds(&sql, " ORDER BY n.id");
    if (code == ERR_NONE) {
        code = store_prepare(s, buf_c(&sql), &st, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct source_note *notes = arena_new(arena, ((size_t)count + 1) * sizeof(*notes));
    size_t n = 0;
    while ((code = store_step(st, &has_row, err)) == ERR_NONE && has_row && (int64_t)n < count) {
        const struct str name = store_column_str(st, 0);
        notes[n].partition = arena_strndup(arena, name.ptr, name.len);
        const struct str text = store_column_str(st, 1);
        notes[n++].text = (struct str){arena_strndup(arena, text.ptr, text.len), text.len};
    }
    store_statement_free(st);
    env->notes = notes;
    env->note_count = n;
    return code;
}

/* Records of one output go to the batch until it has what is wanted. */
static enum err_code take(struct asking *a, struct err *err) {
    const struct batch *given = &a->output.batch;
    if (a->output.takes_back || a->output.first_record != a->what->first_record + a->out->given) {
        a->differs = true;
        return ERR_NONE;
    }
    enum err_code code = ERR_NONE;
    if (a->out->given == 0) {
        code = batch_begin(a->batch, batch_meta(given), err);
    }
    for (uint32_t i = 0; code == ERR_NONE && i < given->count; i++) {
        const struct record r = batch_record(given, i);
        if (a->out->given < a->what->count) {
            code = batch_add(a->batch, r.bytes, r.kind, err);
        }
        a->out->given++;
    }
    if (code == ERR_NONE && a->out->given == a->what->count && a->out->cursor == NULL) {
        a->out->cursor = mem_strndup(buf_c(&a->output.cursor), a->output.cursor.len);
    }
    return code;
}

/* One answer of the source; *more false when there is nothing more to ask. */
static enum err_code ask(struct asking *a, bool *more, struct err *err) {
    enum source_state state = SOURCE_END;
    const int64_t left = a->what->count - a->out->given;
    const struct source_limit limit = {
        .rows_max = left > 0 ? (uint32_t)left : (uint32_t)a->what->source->common.batch_rows_max,
        .bytes_max = BATCH_BYTES_MAX / 2};
    source_output_clear(&a->output);
    enum err_code code =
        a->what->source->component->source->next(a->source, &limit, &a->output, &state, err);
    const bool ours = strcmp(a->output.partition, a->what->partition_name) == 0;
    if (code == ERR_NONE && state == SOURCE_BATCH && ours) {
        code = take(a, err);
    } else if (code == ERR_NONE && state == SOURCE_TROUBLE && ours) {
        code = err_set(err, a->output.trouble.code, "%s", a->output.trouble.message);
    } else if (code == ERR_NONE && state == SOURCE_IDLE) {
        clock_sleep_us(a->output.wait_us < 100000 ? a->output.wait_us : 100000);
    }
    *more = code == ERR_NONE && state != SOURCE_END && !a->differs &&
            a->out->given < a->what->rest && !is_late(a);
    return code;
}

/* What the source says is not an error of the repair. */
static void listen_to(struct asking *a, struct source_env *env) {
    struct err said = ERR_INIT;
    const struct source_ops *ops = a->what->source->component->source;
    enum err_code code = ops->open(a->what->source->conf, env, &a->source, &said);
    bool more = code == ERR_NONE;
    while (more) {
        code = ask(a, &more, &said);
    }
    if (a->source != NULL) {
        ops->close(a->source);
    }
    if (code == ERR_NONE && a->out->given >= a->what->count) {
        code = batch_seal(a->batch, SEAL_LEVEL, &said);
        a->out->is_whole = code == ERR_NONE;
    }
    if (code != ERR_NONE) {
        (void)snprintf(a->out->why, sizeof(a->out->why), "%.190s", said.message);
    } else if (a->differs && !a->out->is_whole) {
        (void)snprintf(a->out->why, sizeof(a->out->why), "the source goes on elsewhere now");
    } else if (!a->out->is_whole) {
        const char *late = is_late(a) ? " within a minute" : "";
        if (a->out->given == 0) {
            (void)snprintf(a->out->why, sizeof(a->out->why), "the source gives none of them%s",
                           late);
        } else {
            (void)snprintf(a->out->why, sizeof(a->out->why),
                           "the source gives only %lld of its %lld records%s",
                           (long long)a->out->given, (long long)a->what->count, late);
        }
    }
}

enum err_code ask_source_again(struct store *s, const struct ask_again *what, struct batch *b,
                               struct asked *out, struct err *err) {
    *out = (struct asked){.given = 0};
    struct asking a = {
        .what = what, .batch = b, .out = out, .until_us = clock_monotonic_us() + ASK_AGAIN_US};
    struct arena arena;
    arena_init(&arena, ASK_ARENA_BYTES_MAX);
    source_output_init(&a.output);
    struct source_env env = {.name = what->source->name,
                             .directory = what->directory,
                             .once = true,
                             .record_bytes_max = what->source->common.record_bytes_max,
                             .is_stopping = is_late,
                             .stop_context = &a};
    enum err_code code = cursors_then(s, what, &arena, &env, err);
    if (code == ERR_NONE) {
        code = notes_then(s, what, &arena, &env, err);
    }
    if (code == ERR_NONE) {
        listen_to(&a, &env);
    }
    source_output_release(&a.output);
    arena_release(&arena);
    return code;
}
