/* batch_open on anything: it may say CORRUPT and nothing worse, and what it opens must hold
 * together.
 *
 * The first byte picks what the rest is: a frame as it is; the content of a frame that is made of
 * it (so that the layout behind hash and size is reached); records to seal and open again; or
 * changes to a real frame. */
#include "fuzz/fuzz.h"

#include "rows/batch.h"

#include <string.h>
#include <zstd.h>

static void check_opened(const struct batch *b) {
    size_t bytes = 12 + batch_meta(b).len;
    ASSERT(b->raw.len <= BATCH_RAW_BYTES_MAX && b->count <= BATCH_RECORDS_MAX);
    for (uint32_t i = 0; i < b->count; i++) {
        struct record r = batch_record(b, i);
        ASSERT(r.kind <= RECORD_UNFRAMED);
        ASSERT(r.bytes.ptr == b->raw.data + bytes + 4);
        bytes += 4 + r.bytes.len;
    }
    ASSERT(bytes + BATCH_PADDING == b->raw.len);
    for (size_t i = bytes; i < b->raw.len; i++) {
        ASSERT(b->raw.data[i] == 0);
    }
}

/* Opens frame; true when it was taken. */
static bool try_open(struct str frame, int64_t raw_bytes, struct hash128 hash) {
    struct batch b;
    struct err err = ERR_INIT;
    batch_init(&b);
    enum err_code code = batch_open(&b, frame, raw_bytes, hash, &err);
    ASSERT(code == ERR_NONE || code == ERR_CORRUPT);
    if (code == ERR_NONE) {
        check_opened(&b);
        ASSERT(b.raw.len == (size_t)raw_bytes);
    } else {
        ASSERT(b.count == 0 && err.message[0] != '\0');
    }
    batch_release(&b);
    return code == ERR_NONE;
}

static void open_as_frame(struct str input) {
    unsigned long long size = ZSTD_getFrameContentSize(input.ptr, input.len);
    (void)try_open(input, size < ((unsigned long long)1 << 24) ? (int64_t)size : 1000,
                   (struct hash128){0, 0});
}

static void open_as_content(struct str input) {
    size_t bound = ZSTD_compressBound(input.len);
    char *frame = mem_alloc(bound);
    size_t len = ZSTD_compress(frame, bound, input.ptr, input.len, 1);
    ASSERT(!ZSTD_isError(len));
    struct hash128 hash = hash128_of(input.ptr, input.len);
    (void)try_open((struct str){frame, len}, (int64_t)input.len, hash);
    hash.low ^= 1;
    ASSERT(!try_open((struct str){frame, len}, (int64_t)input.len, hash));
    mem_free(frame);
}

/* Lines become records, of kinds that their first byte picks; the first line is the meta. */
static void seal_lines(struct batch *b, struct str input) {
    struct err err = ERR_INIT;
    size_t end = str_find(input, '\n');
    ASSERT(batch_begin(b, (struct str){input.ptr, end}, &err) == ERR_NONE);
    while (end < input.len) {
        input = (struct str){input.ptr + end + 1, input.len - end - 1};
        end = str_find(input, '\n');
        unsigned kind = end > 0 ? (unsigned char)input.ptr[0] % 3u : 0;
        ASSERT(batch_add(b, (struct str){input.ptr, end}, (enum record_kind)kind, &err) ==
               ERR_NONE);
    }
    ASSERT(batch_seal(b, 1, &err) == ERR_NONE);
    check_opened(b);
}

static void seal_and_open(struct str input) {
    struct batch b;
    batch_init(&b);
    seal_lines(&b, input);
    ASSERT(try_open(buf_str(&b.sealed), (int64_t)b.raw.len, b.hash));
    batch_release(&b);
}

/* Three bytes a change: position, position, what to add. */
static void change_and_open(struct str input) {
    struct batch b;
    struct batch opened;
    struct err err = ERR_INIT;
    batch_init(&b);
    batch_init(&opened);
    seal_lines(&b, STR("id,name\n1,one\n2,two two two two two two\n\n3,three\n40000000000,four"));
    for (size_t i = 0; i + 2 < input.len; i += 3) {
        size_t at = (size_t)(unsigned char)input.ptr[i] << 8 | (unsigned char)input.ptr[i + 1];
        b.sealed.data[at % b.sealed.len] ^= input.ptr[i + 2];
    }
    enum err_code code = batch_open(&opened, buf_str(&b.sealed), (int64_t)b.raw.len, b.hash, &err);
    ASSERT(code == ERR_NONE || code == ERR_CORRUPT);
    if (code == ERR_NONE) {
        ASSERT(str_equal(buf_str(&opened.raw), buf_str(&b.raw)));
    }
    batch_release(&b);
    batch_release(&opened);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) {
        return 0;
    }
    const struct str input = {(const char *)data + 1, size - 1};
    switch (data[0] % 4u) {
    case 0:
        open_as_frame(input);
        break;
    case 1:
        open_as_content(input);
        break;
    case 2:
        seal_and_open(input);
        break;
    default:
        change_and_open(input);
        break;
    }
    return 0;
}
