/* Reads a chunk of lines into a batch that is never sealed, and decodes it into an arena that is
 * reset for the next. Only the decoding is timed, reading included. */
#include "bench/limit_decode.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define ARENA_MAX      ((size_t)1 << 30)
#define LINE_BYTES_MAX 4096

static const char *const names[] = {"block", "log_index", "token", "sender", "receiver", "amount"};
static const enum column_type types[] = {TYPE_INT64, TYPE_INT64, TYPE_TEXT,
                                         TYPE_TEXT,  TYPE_TEXT,  TYPE_INT256};
#define COLUMN_COUNT ARRAY_COUNT(names)

void limit_check(bool ok, const char *what) {
    if (!ok) {
        (void)fprintf(stderr, "limit: %s\n", what);
        _Exit(EXIT_FAILURE);
    }
}

static void decoder_make(struct limit_input *input) {
    static struct column schema[COLUMN_COUNT];
    static struct contract_column columns[COLUMN_COUNT];
    static struct contract contract;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        schema[i] = (struct column){names[i], types[i]};
        columns[i] = (struct contract_column){.name = names[i],
                                              .type = types[i],
                                              .required = true,
                                              .path = &names[i],
                                              .path_depth = 1,
                                              .min = {.is_null = true},
                                              .max = {.is_null = true}};
    }
    contract = (struct contract){.schema = {schema, COLUMN_COUNT}, .columns = columns};
    struct err err = ERR_INIT;
    limit_check(decoder_new_json(&contract, &input->decoder, &err) == ERR_NONE, err.message);
}

void limit_open(struct limit_input *input, const char *path) {
    *input = (struct limit_input){.in = fopen(path, "re")};
    limit_check(input->in != NULL, path);
    decoder_make(input);
    batch_init(&input->batch);
    arena_init(&input->arena, ARENA_MAX);
}

/* False at the end of the file. */
static bool chunk_read(struct limit_input *input) {
    struct err err = ERR_INIT;
    struct batch *batch = &input->batch;
    limit_check(batch_begin(batch, (struct str){NULL, 0}, &err) == ERR_NONE, err.message);
    char line[LINE_BYTES_MAX];
    while (batch->count < CHUNK_ROWS && fgets(line, sizeof(line), input->in) != NULL) {
        struct str record = {line, strcspn(line, "\n")};
        limit_check(batch_add(batch, record, RECORD_WHOLE, &err) == ERR_NONE, err.message);
    }
    /* What sealing would end the batch with, so that the decoder may read past the last record. */
    static const char padding[BATCH_PADDING];
    limit_check(buf_add(&batch->raw, padding, sizeof(padding), &err) == ERR_NONE, err.message);
    return batch->count > 0;
}

const struct rows *limit_next(struct limit_input *input) {
    struct err err = ERR_INIT;
    const int64_t started = clock_monotonic_us();
    if (!chunk_read(input)) {
        return NULL;
    }
    arena_reset(&input->arena);
    limit_check(decoder_run(input->decoder, &input->batch, &input->arena, &input->decoded, &err) ==
                    ERR_NONE,
                err.message);
    limit_check(input->decoded.rejects.count == 0, "a record was rejected");
    input->decode_us += clock_monotonic_us() - started;
    return &input->decoded.streams[0];
}

void limit_close(struct limit_input *input) {
    decoder_free(input->decoder);
    batch_release(&input->batch);
    arena_release(&input->arena);
    limit_check(fclose(input->in) == 0, "close");
}
