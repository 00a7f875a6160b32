/* The other side of decode_bench: the same columns through simdjson. */
#ifndef PLUMB_BENCH_DECODE_BENCH_H
#define PLUMB_BENCH_DECODE_BENCH_H

#ifdef __cplusplus
#include <cstddef>
#include <cstdint>
extern "C" {
struct batch;
struct rows;
#else
#include "rows/batch.h"
#include "rows/rows.h"
#endif

struct bench_text {
    const char *ptr;
    size_t len;
};
/* Fills the columns of rows (id, customer, total, status, updated, note) for every record of b.
 * walk_all: look at every member instead of asking for the six in order. */
void bench_simdjson(const struct batch *b, struct rows *rows, bool walk_all);
/* Glue in C, since the project's headers are C17. */
struct bench_text bench_record(const struct batch *b, uint32_t pos);
uint32_t bench_count(const struct batch *b);
void bench_row(struct rows *rows, uint32_t pos, int64_t id, struct bench_text customer,
               int64_t total, struct bench_text status, struct bench_text updated,
               struct bench_text note);

#ifdef __cplusplus
}
#endif
#endif
