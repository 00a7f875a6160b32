/* JSON lines of transfers, decoded by the project's own decoder: what the limits (limit_sqlite,
 * limit_postgres) load. One thread. Ends the program with a message when anything is wrong. */
#ifndef PLUMB_BENCH_LIMIT_DECODE_H
#define PLUMB_BENCH_LIMIT_DECODE_H

#include <stdio.h>

#include "rows/decode.h"

#define CHUNK_ROWS 100000

struct limit_input {
    FILE *in;
    struct decoder *decoder;
    struct batch batch;
    struct arena arena;
    struct decoded decoded;
    int64_t decode_us;
};

void limit_check(bool ok, const char *what);
void limit_open(struct limit_input *input, const char *path);
/* The next CHUNK_ROWS; NULL at the end. Valid until the next call. */
const struct rows *limit_next(struct limit_input *input);
void limit_close(struct limit_input *input);

#endif
