/* Extraction: one thread per source that fills, seals and decodes batches and hands them to the
 * store's thread. */
#ifndef PLUMB_ENGINE_EXTRACT_H
#define PLUMB_ENGINE_EXTRACT_H

#include "engine/package.h"

/* Batches begin at BATCH_ROWS_START records, double while the source is behind, up to
 * batch_rows_max, and fall back to the start when it has caught up. Decoded cells of one batch stay
 * under DECODED_BYTES_MAX. */
#define BATCH_ROWS_START  1000
#define FACTS_EVERY_US    1000000
#define FACTS_BYTES_MAX   ((size_t)1 << 20)
#define DECODED_BYTES_MAX ((int64_t)64 << 20)

/* A source or map with a limit of rejects (engine/limits.c). */
struct hold {
    int64_t most; /* not more rejects than these count */
    bool held;
};

struct extractor {
    const struct flow_source *source;
    struct source_env env;
    struct channel *channel; /* borrowed */
    struct package *free;    /* guarded by channel->lock */
    struct package packages[PACKAGES_PER_SOURCE];
    int64_t rows_fixed; /* > 0: every batch has this many records */
    pthread_t thread;
    bool is_running;
    bool has_ended; /* store's thread only */
    /* store's thread only: came while the source was stopped by its rejects (engine/limits.c) */
    struct package *parked_first, *parked_last;
    struct hold hold; /* store's thread only */
    /* thread only */
    void *state;
    struct decoder *decoder;
    int64_t
        asked_us; /* wall clock: since when the source is asked for the next batch; 0: it is not */
    int64_t facts_us; /* monotonic, when the source was last asked for its facts */
    uint32_t rows_limit;
};

/* env's cursors are borrowed until extractor_stop. */
MUST_CHECK enum err_code extractor_start(struct extractor *x, struct err *err);
/* After channel_stop: waits for the thread and frees what it holds. */
void extractor_stop(struct extractor *x);
/* Records one batch may have, by columns and options. */
uint32_t extractor_rows_max(const struct flow_source *source);

#endif
