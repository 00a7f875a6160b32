/* A raw batch: the records of one source partition as they came, immutable once sealed.
 *
 * Bytes that are hashed and compressed (docs/staging-format.md describes the same):
 *
 *   offset  size  meaning
 *   0       4     magic "PLB1"
 *   4       4     record count, little-endian
 *   8       4     meta length m, little-endian
 *   12      m     meta: what decoding needs besides the records (CSV header line), source-defined
 *   12+m    ...   records: u32 little-endian (length << 2 | kind), then the bytes
 *   end     64    zero bytes, so that a vectorised parser may read past the last record
 *
 * kind 0: a record. kind 1: a record longer than the source's limit: its first BATCH_PREFIX_BYTES
 * bytes, then text " offset=<n> length=<n>" telling where the rest is. kind 2: bytes at which
 * framing failed (unterminated CSV quote at the end of the file, for example).
 *
 * Sealing computes XXH3-128 over those bytes and a zstd frame of them. Opening checks size and
 * hash: CORRUPT if they differ. A batch under construction belongs to one thread; a sealed one may
 * be handed on whole. */
#ifndef PLUMB_ROWS_BATCH_H
#define PLUMB_ROWS_BATCH_H

#include "base/hash.h"
#include "base/mem.h"

#define BATCH_RECORDS_MAX         1000000
#define BATCH_BYTES_MAX           ((size_t)256 << 20) /* uncompressed */
#define BATCH_PREFIX_BYTES        4096
#define BATCH_PADDING             64
#define BATCH_RAW_BYTES_MAX       (BATCH_BYTES_MAX + BATCH_PADDING) /* a sealed one */
#define BATCH_CURSOR_BYTES_MAX    ((size_t)256 << 10)
#define BATCH_PARTITION_BYTES_MAX 1024

enum record_kind { RECORD_WHOLE = 0, RECORD_TOO_LARGE = 1, RECORD_UNFRAMED = 2 };

struct record {
    struct str bytes; /* view into the batch */
    enum record_kind kind;
};

struct batch {
    struct buf raw;      /* the bytes above, owned */
    struct buf sealed;   /* zstd frame, owned; empty until sealed */
    struct hash128 hash; /* of raw; set by seal and open */
    uint32_t count;
    uint32_t *offsets; /* [count+1] where each record's length word stands in raw, owned */
    size_t offset_capacity;
    struct ZSTD_CCtx_s *compressor; /* private: kept from batch to batch, they cost more to make */
    struct ZSTD_DCtx_s *decompressor; /* than to use */
};

void batch_init(struct batch *b);
void batch_release(struct batch *b);
/* Starts a new batch in the same memory. */
MUST_CHECK enum err_code batch_begin(struct batch *b, struct str meta, struct err *err);
/* LIMIT when the batch is at BATCH_RECORDS_MAX or BATCH_BYTES_MAX; the record is not added then. */
MUST_CHECK enum err_code batch_add(struct batch *b, struct str record, enum record_kind kind,
                                   struct err *err);
/* Room for one record of len bytes to be filled by the caller at once; kind RECORD_WHOLE. */
MUST_CHECK enum err_code batch_add_space(struct batch *b, size_t len, char **out, struct err *err);
/* Ends the batch: padding, hash, compression (zstd level 1..19; 1 is the default everywhere). */
MUST_CHECK enum err_code batch_seal(struct batch *b, int level, struct err *err);
/* Rebuilds b from a sealed frame, checking that it holds raw_bytes bytes with this hash. Any bytes
 * may come in: CORRUPT with a reason is the worst that happens. */
MUST_CHECK enum err_code batch_open(struct batch *b, struct str frame, int64_t raw_bytes,
                                    struct hash128 hash, struct err *err);
struct str batch_meta(const struct batch *b);
struct record batch_record(const struct batch *b, uint32_t pos);

#endif
