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

/* id, customer (/customer/id), total (/total_cents), status, updated, note */
#define BENCH_COLUMNS 6

struct bench_text {
    const char *ptr;
    size_t len;
};
/* The columns of a struct rows, by their kind. */
struct bench_cells {
    uint8_t *is_null[BENCH_COLUMNS];
    int64_t *integers[BENCH_COLUMNS];
    struct bench_text *texts[BENCH_COLUMNS];
    uint32_t *pos;
};
/* What was noted about the fields, in sums that both sides must agree on. */
struct bench_drift {
    uint64_t declared_kinds;
    uint64_t declared_present;
    uint64_t undeclared_fields;
    uint64_t undeclared_kinds; /* of each field times its records */
};

/* The six fields, asked for in the order they come; nothing else is looked at. */
void bench_simdjson_fields(const struct batch *b, struct rows *rows);
/* The work of our decoder: decode_bench_simdjson.cc says what that is. */
void bench_simdjson_whole(const struct batch *b, struct rows *rows, struct bench_drift *drift);
const char *bench_simdjson_name(void);

/* Glue in C, since the project's headers are C17. */
struct bench_text bench_record(const struct batch *b, uint32_t pos);
uint32_t bench_count(const struct batch *b);
void bench_cells_of(struct rows *rows, struct bench_cells *out);
void bench_set_count(struct rows *rows, uint32_t count);
bool bench_timestamp(struct bench_text text, int64_t *out_us);

#ifdef __cplusplus
}
#endif
#endif
