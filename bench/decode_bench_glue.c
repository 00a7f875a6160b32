/* What decode_bench_simdjson.cc needs of the project's C headers. */
#include "bench/decode_bench.h"

#include "base/clock.h"

struct bench_text bench_record(const struct batch *b, uint32_t pos) {
    struct record r = batch_record(b, pos);
    return (struct bench_text){r.bytes.ptr, r.bytes.len};
}

uint32_t bench_count(const struct batch *b) {
    return b->count;
}

_Static_assert(sizeof(struct bench_text) == sizeof(struct str) &&
                   offsetof(struct bench_text, len) == offsetof(struct str, len),
               "text cells are views");

void bench_cells_of(struct rows *rows, struct bench_cells *out) {
    ASSERT(rows->schema->count == BENCH_COLUMNS);
    for (size_t i = 0; i < BENCH_COLUMNS; i++) {
        struct rows_column *column = &rows->columns[i];
        bool is_integer = type_is_integer(column->type);
        out->is_null[i] = column->is_null;
        out->integers[i] = is_integer ? column->integer : NULL;
        out->texts[i] = is_integer ? NULL : (struct bench_text *)(void *)column->bytes;
    }
    out->pos = rows->pos;
}

void bench_set_count(struct rows *rows, uint32_t count) {
    ASSERT(count <= rows->capacity);
    rows->count = count;
}

bool bench_timestamp(struct bench_text text, int64_t *out_us) {
    return clock_parse((struct str){text.ptr, text.len}, out_us);
}
