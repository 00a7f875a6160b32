/* How a record becomes a row: log.c reads it, decoder_match.c finds the event, and here its cells are
 * set. What a row needs in memory besides the raw record (hashes, topics, the data as bytes, encoded
 * int256) is taken from the batch's arena in one piece for each row. */
#include "source/evm/decoder.h"

#include "base/parse.h"
#include "rows/decode_internal.h"
#include "rows/int256.h"
#include "source/evm/decoder_match.h"
#include "source/evm/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX        (ABI_JSON_BYTES_MAX + ((size_t)1 << 20))
#define INT256_ROOM     ((size_t)40) /* INT256_ENCODED_MAX, rounded up */
#define ADDRESS_PADDING 12           /* before an address in its word */
/* What every row of an event needs: transaction hash, address and topics. */
#define ROW_BYTES (EVM_HASH_BYTES + EVM_ADDRESS_BYTES + (size_t)ABI_TOPICS_MAX * EVM_HASH_BYTES)

_Static_assert(INT256_ROOM >= INT256_ENCODED_MAX, "an encoded int256 has room");

struct evm_decoder {
    struct decoder base; /* first: the two are cast into each other */
    struct matcher matcher;
    size_t block_stream;
    struct buf text; /* json and repaired text, before they go to the arena */

    /* the present batch */
    int64_t chain_id;

    /* the present block */
    bool has_block;
    struct evm_block block;
    struct str block_hash; /* in the arena */

    struct evm_log log;
};

/* Where the row being built takes its memory from. */
struct row_memory {
    uint8_t *free;
    struct abi_data data;  /* the log's data as bytes */
    const uint8_t *topics; /* ABI_TOPICS_MAX words or fewer */
    const char *data_hex;  /* for offsets in messages */
    const char *record;
};

void evm_meta_format(int64_t chain_id, char out[EVM_META_BYTES]) {
    (void)snprintf(out, EVM_META_BYTES, "%" PRId64, chain_id);
}

/* ---- faults ---- */

/* A fault of the record as log.c found it. */
static void record_fault(struct decoder *d, const struct evm_fault *f) {
    if (f->reason == REJECT_MALFORMED) {
        decode_malformed(d, f->offset, "%s", f->what);
    } else {
        decode_fault(d, f->reason, -1, f->offset, "'%s' %s", f->field, f->what);
    }
}

/* "argument 'value' of Transfer(...): <what>" */
static void param_fault(struct evm_decoder *e, const struct variant *v, size_t place,
                        int64_t offset, const char *what) {
    const char *column = v->abi->schema.columns[EVM_COLUMN_COUNT + place].name;
    decode_fault(&e->base, REJECT_TYPE, -1, offset, "argument '%s' of %s: %s", column,
                 v->abi->signature, what);
    e->base.fault.column = column;
}

/* ---- logs no event takes ---- */

static void hex_text(const uint8_t *bytes, size_t count, char *out) {
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
}

/* No event takes the log: says what came and what would have fitted. */
static void reject_log(struct evm_decoder *e, bool is_known) {
    const struct evm_log *log = &e->log;
    char topic0[2 * EVM_HASH_BYTES + 3] = "(none)";
    if (log->topic_count > 0) {
        memcpy(topic0, "0x", 3);
        hex_text(log->topics[0], EVM_HASH_BYTES, topic0 + 2);
    }
    buf_clear(&e->text);
    matcher_add_shapes(&e->matcher, log, is_known, &e->text);
    const char *shapes = buf_c(&e->text);
    if (is_known) {
        decode_fault(&e->base, REJECT_TYPE, -1, -1,
                     "a log with %u topics and %zu bytes of data fits no event declared with its "
                     "topic0%s",
                     log->topic_count, log->data_hex.len / 2, shapes);
    } else {
        decode_fault(&e->base, REJECT_TYPE, -1, -1,
                     "no event is declared for a log with topic0 %s, %u topics and %zu bytes of "
                     "data%s%s",
                     topic0, log->topic_count, log->data_hex.len / 2,
                     shapes[0] != '\0' ? "; anonymous ones:" : "", shapes);
    }
}

/* ---- cells ---- */

static void set_hex_bytes(struct rows *rows, size_t column, const uint8_t *bytes, size_t len) {
    rows_set_bytes(rows, column, (struct str){(const char *)bytes, len});
}

/* Encoded as int256.h says; returns how many bytes of out are used. */
static size_t encode_word(const uint8_t word[ABI_WORD_BYTES], bool is_signed, uint8_t *out) {
    if (is_signed && word[0] >= 0x80) {
        struct int256 v;
        bool is_read = int256_from_be(word, ABI_WORD_BYTES, true, &v);
        ASSERT(is_read);
        return int256_encode(&v, out);
    }
    size_t zeros = 0;
    while (zeros < ABI_WORD_BYTES && word[zeros] == 0) {
        zeros++;
    }
    size_t len = ABI_WORD_BYTES - zeros;
    out[0] = (uint8_t)(0x80 + len);
    memcpy(out + 1, word + zeros, len);
    return 1 + len;
}

static int64_t word_i64(const uint8_t word[ABI_WORD_BYTES]) {
    uint64_t v = 0;
    for (size_t i = ABI_WORD_BYTES - sizeof(v); i < ABI_WORD_BYTES; i++) {
        v = v << 8 | word[i];
    }
    return (int64_t)v;
}

/* A clean word of a type that takes one. */
static void set_word(struct rows *rows, size_t column, const struct abi_param *param,
                     const uint8_t *word, struct row_memory *m) {
    if (param->column == TYPE_INT256) {
        size_t len = encode_word(word, param->type->kind == ABI_INT, m->free);
        set_hex_bytes(rows, column, m->free, len);
        m->free += INT256_ROOM;
    } else if (param->column != TYPE_BYTES) {
        rows_set_i64(rows, column, word_i64(word)); /* bool and integers up to 64 bits */
    } else if (param->type->kind == ABI_ADDRESS) {
        set_hex_bytes(rows, column, word + ADDRESS_PADDING, EVM_ADDRESS_BYTES);
    } else {
        set_hex_bytes(rows, column, word, param->type->bytes);
    }
}

/* What was put into e->text, as a cell. */
static enum err_code set_copied(struct evm_decoder *e, size_t column, struct err *err) {
    struct str copy;
    enum err_code code = arena_copy(e->base.arena, buf_str(&e->text), &copy, err);
    if (code == ERR_NONE) {
        rows_set_bytes(e->base.rows, column, copy);
    }
    return code;
}

static enum err_code set_text(struct evm_decoder *e, size_t column, struct str text,
                              struct err *err) {
    if (LIKELY(abi_text_is_clean(text))) {
        rows_set_bytes(e->base.rows, column, text);
        return ERR_NONE;
    }
    enum err_code code = abi_add_text(text, &e->text, err);
    return code == ERR_NONE ? set_copied(e, column, err) : code;
}

/* Dynamic and composite parameters. INPUT: the data is not of this type. */
static enum err_code set_part(struct evm_decoder *e, size_t column, const struct abi_param *param,
                              struct row_memory *m, struct err *err) {
    buf_clear(&e->text);
    if (param->column == TYPE_JSON) {
        enum err_code code = abi_write_json(param->type, &m->data, param->head, &e->text, err);
        return code == ERR_NONE ? set_copied(e, column, err) : code;
    }
    struct str bytes;
    enum err_code code = abi_read_bytes(&m->data, param->head, &bytes, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (param->column == TYPE_TEXT) {
        return set_text(e, column, bytes, err);
    }
    rows_set_bytes(e->base.rows, column, bytes);
    return ERR_NONE;
}

static enum err_code set_param(struct evm_decoder *e, const struct variant *v, size_t place,
                               struct row_memory *m, struct err *err) {
    const struct abi_param *param = &v->abi->params[place];
    size_t column = EVM_COLUMN_COUNT + place;
    int64_t offset = param->is_indexed ? -1 : m->data_hex - m->record + 2 * (int64_t)param->head;
    const uint8_t *word = param->is_indexed ? m->topics + (size_t)param->topic * EVM_HASH_BYTES
                                            : (const uint8_t *)m->data.bytes.ptr + param->head;
    if (param->is_hashed) {
        set_hex_bytes(e->base.rows, column, word, EVM_HASH_BYTES);
        return ERR_NONE;
    }
    if (param->type->kind >= ABI_BYTES) {
        struct err fault = ERR_INIT;
        enum err_code code = set_part(e, column, param, m, &fault);
        if (code == ERR_INPUT) {
            param_fault(e, v, place, offset, fault.message);
            return ERR_NONE;
        }
        if (code != ERR_NONE) {
            *err = fault;
        }
        return code;
    }
    const char *fault = abi_word_fault(param->type, word);
    if (UNLIKELY(fault != NULL)) {
        char what[128];
        (void)snprintf(what, sizeof(what), "its word %s", fault);
        param_fault(e, v, place, offset, what);
        return ERR_NONE;
    }
    set_word(e->base.rows, column, param, word, m);
    return ERR_NONE;
}

/* ---- logs ---- */

/* The memory of a row of v, with what every log has in it. */
static enum err_code take_memory(struct evm_decoder *e, const struct variant *v, struct str record,
                                 struct row_memory *m, struct err *err) {
    struct evm_log *log = &e->log;
    void *memory = NULL;
    size_t data_len = log->data_hex.len / 2;
    enum err_code code = arena_alloc(
        e->base.arena, ROW_BYTES + v->int256_count * INT256_ROOM + data_len, &memory, err);
    if (code != ERR_NONE) {
        return code;
    }
    uint8_t *at = memory;
    struct rows *rows = e->base.rows;
    size_t topic_bytes = (size_t)log->topic_count * EVM_HASH_BYTES;
    memcpy(at, log->tx_hash, EVM_HASH_BYTES);
    set_hex_bytes(rows, EVM_COLUMN_TX_HASH, at, EVM_HASH_BYTES);
    at += EVM_HASH_BYTES;
    memcpy(at, log->address, EVM_ADDRESS_BYTES);
    set_hex_bytes(rows, EVM_COLUMN_ADDRESS, at, EVM_ADDRESS_BYTES);
    at += EVM_ADDRESS_BYTES;
    memcpy(at, log->topics, topic_bytes);
    *m = (struct row_memory){.topics = at,
                             .free = at + topic_bytes + data_len,
                             .data_hex = log->data_hex.ptr,
                             .record = record.ptr};
    at += topic_bytes;
    abi_data_init(&m->data, (struct str){(const char *)at, data_len});
    size_t good = evm_hex_decode(log->data_hex, at);
    if (UNLIKELY(good < log->data_hex.len)) {
        decode_fault(&e->base, REJECT_TYPE, -1, m->data_hex - m->record + (int64_t)good,
                     "'data' has a character that is no hex digit");
    }
    return ERR_NONE;
}

static void set_common(struct evm_decoder *e) {
    struct rows *rows = e->base.rows;
    const struct evm_log *log = &e->log;
    rows_set_i64(rows, EVM_COLUMN_CHAIN_ID, e->chain_id);
    rows_set_i64(rows, EVM_COLUMN_BLOCK_NUMBER, log->block_number);
    rows_set_bytes(rows, EVM_COLUMN_BLOCK_HASH, e->block_hash);
    rows_set_i64(rows, EVM_COLUMN_TX_INDEX, log->tx_index);
    rows_set_i64(rows, EVM_COLUMN_LOG_INDEX, log->log_index);
    if (LIKELY(e->block.has_time)) {
        rows_set_i64(rows, EVM_COLUMN_BLOCK_TIME, e->block.time_us);
    } else if (log->has_block_time) {
        rows_set_i64(rows, EVM_COLUMN_BLOCK_TIME, log->block_time_us);
    } else {
        rows_set_null(rows, EVM_COLUMN_BLOCK_TIME);
    }
}

/* The log stands where it says it does. */
static bool log_is_of_block(struct evm_decoder *e) {
    const struct evm_log *log = &e->log;
    if (UNLIKELY(!e->has_block)) {
        decode_malformed(&e->base, -1,
                         "a log of block %" PRId64 " without a good block record before it",
                         log->block_number);
        return false;
    }
    if (UNLIKELY(log->block_number != e->block.number)) {
        decode_malformed(&e->base, -1,
                         "a log of block %" PRId64 " behind the record of block %" PRId64,
                         log->block_number, e->block.number);
        return false;
    }
    if (UNLIKELY(log->has_block_hash &&
                 memcmp(log->block_hash, e->block.hash, EVM_HASH_BYTES) != 0)) {
        decode_malformed(&e->base, -1,
                         "a log of another block %" PRId64 " than the one before it: their hashes "
                         "differ",
                         log->block_number);
        return false;
    }
    if (UNLIKELY(log->is_removed)) {
        decode_malformed(&e->base, -1, "a log that the node says was removed");
        return false;
    }
    return true;
}

static enum err_code log_record(struct evm_decoder *e, struct str record, struct err *err) {
    struct evm_fault fault;
    bool is_known = false;
    if (UNLIKELY(!evm_log_parse(record, &e->log, &fault))) {
        record_fault(&e->base, &fault);
        return ERR_NONE;
    }
    if (UNLIKELY(!log_is_of_block(e))) {
        return ERR_NONE;
    }
    const struct variant *v = matcher_find(&e->matcher, &e->log, &is_known);
    if (v == NULL) {
        reject_log(e, is_known);
        return ERR_NONE;
    }
    struct row_memory m;
    enum err_code code = decode_choose(&e->base, v->stream, err);
    if (code == ERR_NONE) {
        code = take_memory(e, v, record, &m, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    set_common(e);
    for (size_t i = 0; i < v->abi->param_count && code == ERR_NONE && !e->base.fault.is_set; i++) {
        code = set_param(e, v, i, &m, err);
    }
    return code;
}

/* ---- blocks ---- */

static void set_i64_if(struct rows *rows, size_t column, bool is_there, int64_t v) {
    if (is_there) {
        rows_set_i64(rows, column, v);
    } else {
        rows_set_null(rows, column);
    }
}

/* The cells that need memory: hash, parent hash, miner and base fee, one behind the other. */
static void set_block_bytes(struct evm_decoder *e, uint8_t *memory) {
    struct rows *rows = e->base.rows;
    const struct evm_block *b = &e->block;
    memcpy(memory, b->hash, EVM_HASH_BYTES);
    e->block_hash = (struct str){(const char *)memory, EVM_HASH_BYTES};
    rows_set_bytes(rows, EVM_BLOCK_COLUMN_BLOCK_HASH, e->block_hash);
    memory += EVM_HASH_BYTES;
    memcpy(memory, b->parent_hash, EVM_HASH_BYTES);
    set_hex_bytes(rows, EVM_BLOCK_COLUMN_PARENT_HASH, memory, EVM_HASH_BYTES);
    memory += EVM_HASH_BYTES;
    rows_set_null(rows, EVM_BLOCK_COLUMN_MINER);
    rows_set_null(rows, EVM_BLOCK_COLUMN_BASE_FEE);
    if (b->has_miner) {
        memcpy(memory, b->miner, EVM_ADDRESS_BYTES);
        set_hex_bytes(rows, EVM_BLOCK_COLUMN_MINER, memory, EVM_ADDRESS_BYTES);
    }
    memory += EVM_ADDRESS_BYTES;
    if (b->has_base_fee) {
        size_t len = encode_word(b->base_fee, false, memory);
        set_hex_bytes(rows, EVM_BLOCK_COLUMN_BASE_FEE, memory, len);
    }
}

static enum err_code block_record(struct evm_decoder *e, struct str record, struct err *err) {
    struct evm_fault fault;
    const struct evm_block *b = &e->block;
    e->has_block = false;
    if (!evm_block_parse(record, &e->block, &fault)) {
        record_fault(&e->base, &fault);
        return ERR_NONE;
    }
    void *memory = NULL;
    enum err_code code = decode_choose(&e->base, e->block_stream, err);
    if (code == ERR_NONE) {
        size_t bytes = 2 * EVM_HASH_BYTES + EVM_ADDRESS_BYTES + INT256_ROOM;
        code = arena_alloc(e->base.arena, bytes, &memory, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    set_block_bytes(e, memory);
    struct rows *rows = e->base.rows;
    rows_set_i64(rows, EVM_BLOCK_COLUMN_CHAIN_ID, e->chain_id);
    rows_set_i64(rows, EVM_BLOCK_COLUMN_BLOCK_NUMBER, b->number);
    rows_set_i64(rows, EVM_BLOCK_COLUMN_LOG_COUNT, b->log_count);
    set_i64_if(rows, EVM_BLOCK_COLUMN_BLOCK_TIME, b->has_time, b->time_us);
    set_i64_if(rows, EVM_BLOCK_COLUMN_GAS_USED, b->has_gas_used, b->gas_used);
    set_i64_if(rows, EVM_BLOCK_COLUMN_GAS_LIMIT, b->has_gas_limit, b->gas_limit);
    set_i64_if(rows, EVM_BLOCK_COLUMN_TX_COUNT, b->has_tx_count, b->tx_count);
    e->has_block = true;
    return ERR_NONE;
}

/* ---- the decoder ---- */

static enum err_code evm_begin(struct decoder *d, const struct batch *b, struct err *err) {
    struct evm_decoder *e = (struct evm_decoder *)d;
    struct str meta = batch_meta(b);
    e->has_block = false;
    if (b->count == 0) { /* of no chain: a rewind's, for one */
        return ERR_NONE;
    }
    if (!parse_i64(meta, &e->chain_id) || e->chain_id < 0) {
        char shown[DECODE_SHOWN_BYTES];
        str_printable(meta, shown, sizeof(shown));
        return err_set(err, ERR_CORRUPT, "a batch of the chain '%s', which is no chain id", shown);
    }
    return ERR_NONE;
}

static enum err_code evm_record(struct decoder *d, struct str record, struct err *err) {
    struct evm_decoder *e = (struct evm_decoder *)d;
    return evm_record_is_block(record) ? block_record(e, record, err) : log_record(e, record, err);
}

static void evm_release(struct decoder *d) {
    struct evm_decoder *e = (struct evm_decoder *)d;
    buf_release(&e->text);
}

enum err_code evm_decoder_new(const struct evm_event *events, size_t count,
                              const struct stream *streams, size_t stream_count,
                              struct decoder **out, struct err *err) {
    static const struct decoder_ops ops = {
        .begin = evm_begin, .record = evm_record, .note = NULL, .release = evm_release};
    (void)err; /* nothing can be wrong here: evm_streams looked at it */
    ASSERT(stream_count == count + 1);
    struct evm_decoder *e = mem_alloc(sizeof(*e));
    decode_base_init_streams(&e->base, &ops, streams, stream_count);
    buf_init(&e->text, TEXT_MAX);
    e->block_stream = count;
    matcher_init(&e->matcher, events, count, &e->base.own);
    *out = &e->base;
    return ERR_NONE;
}
