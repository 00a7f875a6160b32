/* Records are appended behind a header whose count is filled in when the batch is sealed; `offsets`
 * remembers where each length word stands, so that any record is found in one step.
 *
 * Opening trusts nothing: the size promised by the frame must be the size asked for before a byte
 * is decompressed into memory of exactly that size, then the hash must match, and then the layout
 * is walked once. So a frame can neither grow beyond raw_bytes nor make us read outside of it. */
#include "rows/batch.h"

#include <string.h>
#include <zstd.h>

#define HEADER_BYTES  12
#define LENGTH_BYTES  4
#define KIND_BITS     2
#define KIND_MASK     3u
#define OFFSETS_FIRST 1024
#define RAW_BYTES_MIN (HEADER_BYTES + BATCH_PADDING)
#define LEVEL_MIN     1
#define LEVEL_MAX     19
#define BUF_SLACK     64 /* for the NUL that a buf keeps behind its bytes */

static const char magic[4] = {'P', 'L', 'B', '1'};

_Static_assert(BATCH_RAW_BYTES_MAX <= UINT32_MAX >> KIND_BITS, "a length word holds any length");

static void put_u32(char *p, uint32_t v) {
    const char bytes[4] = {(char)(v & 0xFF), (char)(v >> 8 & 0xFF), (char)(v >> 16 & 0xFF),
                           (char)(v >> 24)};
    memcpy(p, bytes, sizeof(bytes));
}

static uint32_t get_u32(const char *p) {
    unsigned char bytes[4];
    memcpy(bytes, p, sizeof(bytes));
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

void batch_init(struct batch *b) {
    *b = (struct batch){0};
    buf_init(&b->raw, BATCH_RAW_BYTES_MAX + BUF_SLACK);
    buf_init(&b->sealed, ZSTD_COMPRESSBOUND(BATCH_RAW_BYTES_MAX) + BUF_SLACK);
}

void batch_release(struct batch *b) {
    if (b == NULL) {
        return;
    }
    buf_release(&b->raw);
    buf_release(&b->sealed);
    mem_free(b->offsets);
    (void)ZSTD_freeCCtx(b->compressor);   /* cannot fail for a context that is not in use */
    (void)ZSTD_freeDCtx(b->decompressor); /* likewise */
    b->offsets = NULL;
    b->offset_capacity = 0;
    b->count = 0;
    b->compressor = NULL;
    b->decompressor = NULL;
}

static void batch_empty(struct batch *b) {
    buf_clear(&b->raw);
    buf_clear(&b->sealed);
    b->hash = (struct hash128){0};
    b->count = 0;
}

/* Room for offsets[0 .. records]. */
static enum err_code offsets_reserve(struct batch *b, size_t records, struct err *err) {
    if (records < b->offset_capacity) {
        return ERR_NONE;
    }
    size_t capacity = b->offset_capacity > 0 ? b->offset_capacity : OFFSETS_FIRST;
    while (capacity <= records) {
        capacity *= 2;
    }
    void *grown = NULL;
    if (mem_alloc_data(capacity * sizeof(uint32_t), &grown, err) != ERR_NONE) {
        return err_wrap(err, "batch of %zu records", records);
    }
    if (b->offset_capacity > 0) {
        memcpy(grown, b->offsets, b->offset_capacity * sizeof(uint32_t));
        mem_free(b->offsets);
    }
    b->offsets = grown;
    b->offset_capacity = capacity;
    return ERR_NONE;
}

enum err_code batch_begin(struct batch *b, struct str meta, struct err *err) {
    if (meta.len > BATCH_BYTES_MAX - HEADER_BYTES) {
        return err_set(err, ERR_LIMIT, "batch meta of %zu bytes is longer than a batch may be",
                       meta.len);
    }
    batch_empty(b);
    if (offsets_reserve(b, 0, err) != ERR_NONE ||
        buf_reserve(&b->raw, HEADER_BYTES + meta.len + BATCH_PADDING, err) != ERR_NONE) {
        return err_wrap(err, "batch");
    }
    char header[HEADER_BYTES];
    memcpy(header, magic, sizeof(magic));
    put_u32(header + 4, 0);
    put_u32(header + 8, (uint32_t)meta.len);
    if (buf_add(&b->raw, header, sizeof(header), err) != ERR_NONE ||
        (meta.len > 0 && buf_add(&b->raw, meta.ptr, meta.len, err) != ERR_NONE)) {
        return err_wrap(err, "batch");
    }
    b->offsets[0] = (uint32_t)b->raw.len;
    return ERR_NONE;
}

/* Appends a length word and len bytes to be filled by the caller. */
static enum err_code append(struct batch *b, size_t len, enum record_kind kind, char **out,
                            struct err *err) {
    ASSERT(b->raw.len >= HEADER_BYTES && b->sealed.len == 0);
    if (b->count >= BATCH_RECORDS_MAX) {
        return err_set(err, ERR_LIMIT, "batch is full: %d records", BATCH_RECORDS_MAX);
    }
    if (len > BATCH_BYTES_MAX || b->raw.len + LENGTH_BYTES + len > BATCH_BYTES_MAX) {
        return err_set(err, ERR_LIMIT,
                       "batch is full: %zu bytes and a record of %zu are more than %zu", b->raw.len,
                       len, BATCH_BYTES_MAX);
    }
    bool has_room = b->raw.capacity - b->raw.len >= LENGTH_BYTES + len;
    if (offsets_reserve(b, (size_t)b->count + 1, err) != ERR_NONE ||
        (!has_room && buf_reserve(&b->raw, LENGTH_BYTES + len, err) != ERR_NONE)) {
        return err_wrap(err, "batch");
    }
    char *at = b->raw.data + b->raw.len;
    put_u32(at, (uint32_t)len << KIND_BITS | (uint32_t)kind);
    b->raw.len += LENGTH_BYTES + len;
    b->raw.data[b->raw.len] = '\0';
    b->count++;
    b->offsets[b->count] = (uint32_t)b->raw.len;
    *out = at + LENGTH_BYTES;
    return ERR_NONE;
}

enum err_code batch_add(struct batch *b, struct str record, enum record_kind kind,
                        struct err *err) {
    char *at = NULL;
    if (append(b, record.len, kind, &at, err) != ERR_NONE) {
        return err->code;
    }
    ASSERT(at != NULL);
    if (record.len > 0) {
        memcpy(at, record.ptr, record.len);
    }
    return ERR_NONE;
}

enum err_code batch_add_space(struct batch *b, size_t len, char **out, struct err *err) {
    return append(b, len, RECORD_WHOLE, out, err);
}

static enum err_code compress(struct batch *b, int level, struct err *err) {
    if (b->compressor == NULL) {
        b->compressor = ZSTD_createCCtx();
        if (b->compressor == NULL) {
            return err_set(err, ERR_LIMIT, "out of memory for a zstd context");
        }
    }
    size_t len = ZSTD_compressCCtx(b->compressor, b->sealed.data, b->sealed.capacity, b->raw.data,
                                   b->raw.len, level);
    if (ZSTD_isError(len)) {
        return err_set(err, ERR_LIMIT, "zstd level %d over %zu bytes: %s", level, b->raw.len,
                       ZSTD_getErrorName(len));
    }
    ASSERT(len < b->sealed.capacity);
    b->sealed.len = len;
    b->sealed.data[len] = '\0';
    return ERR_NONE;
}

enum err_code batch_seal(struct batch *b, int level, struct err *err) {
    ASSERT(b->raw.len >= HEADER_BYTES && b->sealed.len == 0);
    ASSERT(level >= LEVEL_MIN && level <= LEVEL_MAX);
    static const char padding[BATCH_PADDING];
    size_t records_end = b->raw.len;
    put_u32(b->raw.data + 4, b->count);
    if (buf_add(&b->raw, padding, sizeof(padding), err) != ERR_NONE ||
        buf_reserve(&b->sealed, ZSTD_compressBound(b->raw.len) + 1, err) != ERR_NONE ||
        compress(b, level, err) != ERR_NONE) {
        b->raw.len = records_end; /* as before, so that sealing may be tried again */
        return err_wrap(err, "batch of %u records", b->count);
    }
    b->hash = hash128_of(b->raw.data, b->raw.len);
    return ERR_NONE;
}

static enum err_code corrupt_at(size_t at, const char *what, struct err *err) {
    return err_set(err, ERR_CORRUPT, "batch layout: %s at byte %zu", what, at);
}

/* Walks the records between the meta and the padding and notes their offsets. */
static enum err_code walk(struct batch *b, size_t at, uint32_t count, struct err *err) {
    const char *raw = b->raw.data;
    size_t end = b->raw.len - BATCH_PADDING;
    for (uint32_t i = 0; i < count; i++) {
        if (end - at < LENGTH_BYTES) {
            return corrupt_at(at, "records end too early", err);
        }
        uint32_t word = get_u32(raw + at);
        if ((word & KIND_MASK) > RECORD_UNFRAMED) {
            return corrupt_at(at, "unknown kind of record", err);
        }
        if ((size_t)(word >> KIND_BITS) > end - at - LENGTH_BYTES) {
            return corrupt_at(at, "a record reaches beyond the end", err);
        }
        b->offsets[i] = (uint32_t)at;
        at += LENGTH_BYTES + (word >> KIND_BITS);
    }
    if (at != end) {
        return corrupt_at(at, "bytes that belong to no record", err);
    }
    for (size_t i = end; i < b->raw.len; i++) {
        if (raw[i] != 0) {
            return corrupt_at(i, "padding is not zero", err);
        }
    }
    b->offsets[count] = (uint32_t)end;
    b->count = count;
    return ERR_NONE;
}

static enum err_code index_records(struct batch *b, struct err *err) {
    const char *raw = b->raw.data;
    if (memcmp(raw, magic, sizeof(magic)) != 0) {
        return corrupt_at(0, "no magic 'PLB1'", err);
    }
    uint32_t count = get_u32(raw + 4);
    uint32_t meta = get_u32(raw + 8);
    size_t room = b->raw.len - RAW_BYTES_MIN;
    if (meta > room) {
        return corrupt_at(8, "meta reaches beyond the end", err);
    }
    if (count > BATCH_RECORDS_MAX || count > (room - meta) / LENGTH_BYTES) {
        return corrupt_at(4, "more records than there is room for", err);
    }
    if (offsets_reserve(b, count, err) != ERR_NONE) {
        return err->code;
    }
    return walk(b, HEADER_BYTES + (size_t)meta, count, err);
}

/* Only what batch_seal writes is accepted: one frame of known size and nothing behind it. */
static enum err_code check_frame(struct str frame, int64_t raw_bytes, struct err *err) {
    if (raw_bytes < RAW_BYTES_MIN || raw_bytes > (int64_t)BATCH_RAW_BYTES_MAX) {
        return err_set(err, ERR_CORRUPT, "batch size %lld is outside %d .. %zu",
                       (long long)raw_bytes, RAW_BYTES_MIN, (size_t)BATCH_RAW_BYTES_MAX);
    }
    unsigned long long promised = ZSTD_getFrameContentSize(frame.ptr, frame.len);
    if (promised == ZSTD_CONTENTSIZE_ERROR || promised == ZSTD_CONTENTSIZE_UNKNOWN) {
        return err_set(err, ERR_CORRUPT, "batch frame of %zu bytes is not a zstd frame of ours",
                       frame.len);
    }
    if (promised != (unsigned long long)raw_bytes) {
        return err_set(err, ERR_CORRUPT, "batch frame holds %llu bytes, %lld were stored", promised,
                       (long long)raw_bytes);
    }
    size_t used = ZSTD_findFrameCompressedSize(frame.ptr, frame.len);
    if (ZSTD_isError(used) || used != frame.len) {
        return err_set(err, ERR_CORRUPT, "batch frame of %zu bytes is cut or has bytes behind it",
                       frame.len);
    }
    return ERR_NONE;
}

static enum err_code decompress(struct batch *b, struct str frame, size_t raw_bytes,
                                struct err *err) {
    if (b->decompressor == NULL) {
        b->decompressor = ZSTD_createDCtx();
        if (b->decompressor == NULL) {
            return err_set(err, ERR_LIMIT, "out of memory for a zstd context");
        }
    }
    if (buf_reserve(&b->raw, raw_bytes + 1, err) != ERR_NONE) {
        return err_wrap(err, "batch");
    }
    size_t len = ZSTD_decompressDCtx(b->decompressor, b->raw.data, raw_bytes, frame.ptr, frame.len);
    if (ZSTD_isError(len)) {
        return err_set(err, ERR_CORRUPT, "batch frame: %s", ZSTD_getErrorName(len));
    }
    if (len != raw_bytes) {
        return err_set(err, ERR_CORRUPT, "batch frame gave %zu bytes of %zu", len, raw_bytes);
    }
    b->raw.len = len;
    b->raw.data[len] = '\0';
    return ERR_NONE;
}

static enum err_code open_frame(struct batch *b, struct str frame, int64_t raw_bytes,
                                struct hash128 hash, struct err *err) {
    if (check_frame(frame, raw_bytes, err) != ERR_NONE ||
        decompress(b, frame, (size_t)raw_bytes, err) != ERR_NONE) {
        return err->code;
    }
    struct hash128 found = hash128_of(b->raw.data, b->raw.len);
    if (!hash128_equal(found, hash)) {
        char expected_hex[HASH128_HEX_BYTES];
        char found_hex[HASH128_HEX_BYTES];
        hash128_to_hex(hash, expected_hex);
        hash128_to_hex(found, found_hex);
        return err_set(err, ERR_CORRUPT, "batch hash is %s, %s was stored", found_hex,
                       expected_hex);
    }
    return index_records(b, err);
}

enum err_code batch_open(struct batch *b, struct str frame, int64_t raw_bytes, struct hash128 hash,
                         struct err *err) {
    batch_empty(b);
    enum err_code code = open_frame(b, frame, raw_bytes, hash, err);
    if (code != ERR_NONE) {
        batch_empty(b);
        return code;
    }
    b->hash = hash;
    return ERR_NONE;
}

struct str batch_meta(const struct batch *b) {
    ASSERT(b->raw.len >= HEADER_BYTES);
    return (struct str){b->raw.data + HEADER_BYTES, get_u32(b->raw.data + 8)};
}

struct record batch_record(const struct batch *b, uint32_t pos) {
    ASSERT(pos < b->count);
    const char *at = b->raw.data + b->offsets[pos];
    uint32_t word = get_u32(at);
    return (struct record){.bytes = {at + LENGTH_BYTES, word >> KIND_BITS},
                           .kind = (enum record_kind)(word & KIND_MASK)};
}
