/* How it works: the bytes of one row are collected in digest.row, hashed when the row ends, and the
 * hash is added to a 128-bit sum. Addition does not care about order and, unlike exclusive or, two
 * equal rows do not cancel each other. docs/digest.md gives the definition to people. */
#include "store/digest.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rows/int256.h"

#define TAG_BYTES    1
#define LENGTH_BYTES 4
#define NUMBER_BYTES 8

/* The one pattern every not-a-number gets; decoding refuses them, other databases may hold one. */
#define NAN_BITS UINT64_C(0x7ff8000000000000)

void digest_init(struct digest *d) {
    d->sum = (struct hash128){0, 0};
    d->rows = 0;
    buf_init(&d->row, DIGEST_ROW_BYTES_MAX);
}

void digest_release(struct digest *d) {
    buf_release(&d->row);
}

static void big_endian_put(uint8_t *out, uint64_t v, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
    }
}

static enum err_code number_add(struct digest *d, char tag, uint64_t bits, struct err *err) {
    uint8_t bytes[TAG_BYTES + NUMBER_BYTES] = {(uint8_t)tag};
    big_endian_put(bytes + TAG_BYTES, bits, NUMBER_BYTES);
    return buf_add(&d->row, bytes, sizeof(bytes), err);
}

static enum err_code float_add(struct digest *d, double v, struct err *err) {
    double normal = v + 0.0; /* -0.0 + 0.0 is 0.0; everything else stays as it is */
    uint64_t bits = NAN_BITS;
    if (!isnan(normal)) {
        memcpy(&bits, &normal, sizeof(bits));
    }
    return number_add(d, 'f', bits, err);
}

static enum err_code bytes_add(struct digest *d, char tag, struct str content, struct err *err) {
    if (content.len > UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "digest: a cell of %zu bytes, at most %" PRIu32 " can be",
                       content.len, UINT32_MAX);
    }
    uint8_t head[TAG_BYTES + LENGTH_BYTES] = {(uint8_t)tag};
    big_endian_put(head + TAG_BYTES, content.len, LENGTH_BYTES);
    enum err_code code = buf_reserve(&d->row, sizeof(head) + content.len, err);
    if (code == ERR_NONE) {
        code = buf_add(&d->row, head, sizeof(head), err);
    }
    if (code == ERR_NONE && content.len > 0) {
        code = buf_add(&d->row, content.ptr, content.len, err);
    }
    return code;
}

static enum err_code int256_add_text(struct digest *d, struct str encoded, struct err *err) {
    struct int256 number;
    if (!int256_decode(encoded, &number)) {
        return err_set(err, ERR_CORRUPT,
                       "digest: a cell of %zu bytes in an int256 column is no int256", encoded.len);
    }
    char text[INT256_TEXT_BYTES];
    size_t len = int256_format(&number, text);
    return bytes_add(d, 'I', (struct str){text, len}, err);
}

enum err_code digest_value(struct digest *d, const struct value *v, struct err *err) {
    if (v->is_null) {
        return buf_add(&d->row, "n", TAG_BYTES, err);
    }
    switch (v->type) {
    case TYPE_INT64:
        return number_add(d, 'i', (uint64_t)v->integer, err);
    case TYPE_TIMESTAMP:
        return number_add(d, 'T', (uint64_t)v->integer, err);
    case TYPE_FLOAT64:
        return float_add(d, v->real, err);
    case TYPE_BOOL: {
        uint8_t bytes[2] = {'b', v->integer != 0};
        return buf_add(&d->row, bytes, sizeof(bytes), err);
    }
    case TYPE_TEXT:
        return bytes_add(d, 't', v->bytes, err);
    case TYPE_JSON:
        return bytes_add(d, 'j', v->bytes, err);
    case TYPE_BYTES:
        return bytes_add(d, 'x', v->bytes, err);
    case TYPE_INT256:
        return int256_add_text(d, v->bytes, err);
    }
    return err_set(err, ERR_INTERNAL, "digest: a value of unknown type %d", (int)v->type);
}

void digest_end_row(struct digest *d) {
    struct hash128 h = hash128_of(buf_c(&d->row), d->row.len);
    d->sum.low += h.low;
    d->sum.high += h.high + (d->sum.low < h.low ? 1 : 0);
    d->rows++;
    /* One giant row must not keep its memory for the rest of the scan. */
    if (d->row.capacity > DIGEST_ROW_BYTES_KEPT) {
        buf_release(&d->row);
    }
    buf_clear(&d->row);
}

void digest_text(const struct digest *d, char out[DIGEST_TEXT_BYTES]) {
    char hex[HASH128_HEX_BYTES];
    hash128_to_hex(d->sum, hex);
    (void)snprintf(out, DIGEST_TEXT_BYTES, "%" PRId64 "-%s", d->rows, hex); /* always fits */
}
