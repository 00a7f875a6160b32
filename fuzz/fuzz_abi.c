/* Event signatures and logs of any content. The first line is a signature; what follows is taken three
 * times: as a raw log record, as a block record, and as topics and data of a log of that event.
 *
 * A signature that is read says the same when its canonical form and its shape are read again; every
 * record ends in a row or a reject, the same twice; cells hold what their types promise. */
#include "fuzz/fuzz.h"

#include "base/json.h"
#include "rows/int256.h"
#include "source/evm/decoder.h"
#include "source/evm/log.h"

#include <string.h>

#define ARENA_MAX ((size_t)512 << 20)

static const char block[] =
    "{\"block\":{\"number\":\"0x5\",\"hash\":"
    "\"0x1111111111111111111111111111111111111111111111111111111111111111\",\"parentHash\":"
    "\"0x2222222222222222222222222222222222222222222222222222222222222222\",\"timestamp\":\"0x5\","
    "\"logs\":1}}";

static void add_hex(struct buf *out, const uint8_t *bytes, size_t count) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        buf_addc(out, digits[bytes[i] >> 4]);
        buf_addc(out, digits[bytes[i] & 15]);
    }
}

/* A log of the event: the indexed arguments' topics from the beginning of rest, the data behind. */
static void add_log(struct buf *out, const struct abi_event *event, struct str rest) {
    static const uint8_t none[EVM_HASH_BYTES];
    const uint8_t *bytes = (const uint8_t *)rest.ptr;
    size_t at = 0;
    buf_adds(out, "{\"address\":\"0x1111111111111111111111111111111111111111\",\"topics\":[");
    for (unsigned i = 0; i < event->topic_count; i++) {
        const uint8_t *topic = none;
        if (i == 0 && !event->is_anonymous) {
            topic = event->topic0;
        } else if (rest.len - at >= EVM_HASH_BYTES) {
            topic = bytes + at;
            at += EVM_HASH_BYTES;
        }
        buf_adds(out, i == 0 ? "\"0x" : ",\"0x");
        add_hex(out, topic, EVM_HASH_BYTES);
        buf_adds(out, "\"");
    }
    buf_adds(out, "],\"data\":\"0x");
    add_hex(out, bytes + at, rest.len - at);
    buf_adds(out, "\",\"blockNumber\":\"0x5\",\"transactionHash\":"
                  "\"0x3333333333333333333333333333333333333333333333333333333333333333\","
                  "\"transactionIndex\":\"0x0\",\"logIndex\":\"0x0\"}");
}

static void check_cell(const struct value *v, struct arena *arena) {
    struct err err = ERR_INIT;
    struct int256 big;
    const struct json_value *json = NULL;
    if (v->is_null) {
        return;
    }
    if (v->type == TYPE_TEXT) {
        ASSERT(str_is_utf8(v->bytes) && str_find(v->bytes, '\0') == v->bytes.len);
    } else if (v->type == TYPE_JSON) {
        ASSERT(json_parse(v->bytes, arena, &json, &err) == ERR_NONE || err.code == ERR_LIMIT);
    } else if (v->type == TYPE_INT256) {
        ASSERT(int256_decode(v->bytes, &big));
    } else if (v->type == TYPE_BOOL) {
        ASSERT(v->integer == 0 || v->integer == 1);
    }
}

static void check_rows(const struct rows *rows, struct arena *arena) {
    for (size_t i = 0; i < rows->count; i++) {
        for (size_t column = 0; column < rows->schema->count; column++) {
            struct value v;
            rows_get(rows, i, column, &v);
            check_cell(&v, arena);
        }
    }
}

static void check_decoded(const struct decoded *out, size_t count, struct arena *arena) {
    ASSERT(decoded_rows(out) + out->rejects.count == count);
    for (size_t i = 0; i < out->stream_count; i++) {
        check_rows(&out->streams[i], arena);
    }
    for (size_t i = 0; i < out->rejects.count; i++) {
        ASSERT(out->rejects.items[i].offset >= -1 && out->rejects.items[i].message.len > 0);
    }
}

/* The record twice behind a block, so that both must come to the same end. */
static void decode(struct decoder *d, struct str record) {
    struct batch b;
    struct arena arena;
    struct decoded out;
    struct err err = ERR_INIT;
    batch_init(&b);
    arena_init(&arena, ARENA_MAX);
    ASSERT(batch_begin(&b, STR("1"), &err) == ERR_NONE);
    ASSERT(batch_add(&b, STR(block), RECORD_WHOLE, &err) == ERR_NONE);
    for (int i = 0; i < 2; i++) {
        ASSERT(batch_add(&b, record, RECORD_WHOLE, &err) == ERR_NONE);
    }
    ASSERT(batch_seal(&b, 1, &err) == ERR_NONE);
    ASSERT(decoder_run(d, &b, &arena, &out, &err) == ERR_NONE);
    ASSERT(out.rejects.count == 0 || out.rejects.count == 2);
    check_decoded(&out, 3, &arena);
    batch_release(&b);
    arena_release(&arena);
}

/* What an event says of itself is a signature of the same event. */
static void check_event(const struct abi_event *event, struct arena *flow) {
    struct err err = ERR_INIT;
    const struct abi_event *again = NULL;
    ASSERT(event->schema.count == EVM_COLUMN_COUNT + event->param_count);
    if (strlen(event->shape) <= ABI_TEXT_BYTES_MAX) {
        ASSERT(abi_event_parse(str_of(event->shape), flow, &again, &err) == ERR_NONE);
        ASSERT(strcmp(again->shape, event->shape) == 0);
        ASSERT(strcmp(again->signature, event->signature) == 0);
        ASSERT(again->topic_count == event->topic_count && again->data_bytes == event->data_bytes);
    }
    for (size_t i = 0; i < event->schema.count; i++) {
        ASSERT(schema_find(&event->schema, str_of(event->schema.columns[i].name)) == (int)i);
    }
}

static void decode_all(const struct abi_event *abi, struct str rest, struct arena *flow) {
    struct err err = ERR_INIT;
    struct evm_event event = {.name = "e", .abi = abi};
    struct stream *streams = NULL;
    size_t stream_count = 0;
    struct decoder *d = NULL;
    struct buf log = BUF_INIT(BUF_TEXT_MAX);
    ASSERT(evm_streams(&event, 1, flow, &streams, &stream_count, &err) == ERR_NONE);
    ASSERT(evm_decoder_new(&event, 1, streams, stream_count, &d, &err) == ERR_NONE);
    decode(d, rest);
    buf_adds(&log, "{\"block\":");
    buf_addstr(&log, rest);
    buf_adds(&log, "}");
    decode(d, buf_str(&log));
    buf_clear(&log);
    add_log(&log, abi, rest);
    decode(d, buf_str(&log));
    decoder_free(d);
    buf_release(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str input = {size > 0 ? (const char *)data : "", size};
    size_t line = str_find(input, '\n');
    size_t skip = line < size ? line + 1 : line;
    struct str rest = {input.ptr + skip, size - skip};
    struct arena flow;
    struct err err = ERR_INIT;
    const struct abi_event *event = NULL;
    arena_init(&flow, ARENA_MAX);
    if (abi_event_parse((struct str){input.ptr, line}, &flow, &event, &err) == ERR_NONE) {
        check_event(event, &flow);
        decode_all(event, rest, &flow);
    } else {
        ASSERT(err.code == ERR_CONFIG && err.message[0] != '\0');
    }
    arena_release(&flow);
    return 0;
}
