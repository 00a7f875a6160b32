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

static struct str view(struct bench_text t) {
    return (struct str){t.ptr, t.len};
}

void bench_row(struct rows *rows, uint32_t pos, int64_t id, struct bench_text customer,
               int64_t total, struct bench_text status, struct bench_text updated,
               struct bench_text note) {
    int64_t us = 0;
    if (pos == 0) {
        rows->count = 0;
    }
    if (!clock_parse(view(updated), &us)) {
        return;
    }
    rows_set_i64(rows, 0, id);
    rows_set_bytes(rows, 1, view(customer));
    rows_set_i64(rows, 2, total);
    rows_set_bytes(rows, 3, view(status));
    rows_set_i64(rows, 4, us);
    rows_set_bytes(rows, 5, view(note));
    rows_commit(rows, pos);
}
