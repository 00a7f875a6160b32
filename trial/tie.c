/* How it works: each record is decoded alone, too. What then is another row, or none, needs what came
 * before it in its batch, as a log needs the record of its block; so does what is rejected, for
 * nobody can say where it belongs. Only sources that name their own streams have such records. */
#include "trial/cells.h"
#include "trial/sample.h"

#define TIE_ARENA_BYTES ((size_t)512 << 20)

struct tying {
    struct decoder *decoder;
    struct batch raw;
    struct arena arena;
};

static enum err_code decode(struct tying *t, const struct sample_batch *b, size_t low, size_t high,
                            struct decoded *out, struct err *err) {
    enum err_code code = batch_begin(&t->raw, b->meta, err);
    for (size_t i = low; code == ERR_NONE && i < high; i++) {
        code = batch_add(&t->raw, b->records[i].bytes, b->records[i].kind, err);
    }
    if (code == ERR_NONE) {
        code = batch_seal(&t->raw, 1, err);
    }
    return code == ERR_NONE ? decoder_run(t->decoder, &t->raw, &t->arena, out, err) : code;
}

/* Stream and cells of each record's row, as one text; empty when it was rejected. */
static void describe(struct tying *t, const struct decoded *d, struct str *out) {
    for (size_t s = 0; s < d->stream_count; s++) {
        const struct rows *rows = &d->streams[s];
        for (size_t r = 0; r < rows->count; r++) {
            AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
            buf_addf(&text, "%zu", s);
            for (size_t c = 0; c < rows->schema->count; c++) {
                struct value v;
                rows_get(rows, r, c, &v);
                buf_addc(&text, ' ');
                buf_addstr(&text, cell_text(&v, &t->arena));
            }
            out[rows->pos[r]] =
                (struct str){arena_strndup(&t->arena, buf_c(&text), text.len), text.len};
        }
    }
}

static enum err_code tie_batch(struct tying *t, struct sample *s, struct sample_batch *b,
                               struct err *err) {
    struct decoded decoded;
    arena_reset(&t->arena);
    enum err_code code = decode(t, b, 0, b->count, &decoded, err);
    if (code != ERR_NONE) {
        return code;
    }
    struct str *whole = arena_new(&t->arena, (b->count + 1) * sizeof *whole);
    describe(t, &decoded, whole);
    struct sample_record *records = arena_new(&s->arena, (b->count + 1) * sizeof *records);
    for (size_t i = 0; i < b->count; i++) {
        struct str alone = {.len = 0};
        records[i] = b->records[i];
        code = decode(t, b, i, i + 1, &decoded, err);
        if (code != ERR_NONE) {
            return code;
        }
        describe(t, &decoded, &alone);
        records[i].is_tied = i > 0 && (alone.len == 0 || !str_equal(alone, whole[i]));
    }
    b->records = records;
    return ERR_NONE;
}

enum err_code sample_tie(struct sample *s, struct err *err) {
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < s->count; i++) {
        struct sample_batch *b = &s->batches[i];
        if (b->source->component->streams == NULL) {
            continue;
        }
        struct tying t = {.decoder = NULL};
        batch_init(&t.raw);
        arena_init(&t.arena, TIE_ARENA_BYTES);
        code = flow_decoder(b->source, &t.decoder, err);
        if (code == ERR_NONE) {
            code = tie_batch(&t, s, b, err);
        }
        decoder_free(t.decoder);
        batch_release(&t.raw);
        arena_release(&t.arena);
    }
    return code;
}
