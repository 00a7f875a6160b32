/* How a record is read: one pass over the object. Each key is looked up in a table of fields, beginning
 * with the one behind the last that was found, as nodes write them in one order. A field's value goes
 * straight from its hex digits into the struct; values of other keys are walked over. Whether the text
 * is JSON at all is the scanner's business (rows/decode_json_scan.h). */
#include "source/evm/log.h"

#include "rows/decode_json_scan.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SECOND_US           1000000
#define QUANTITY_DIGITS_MAX ((size_t)2 * EVM_HASH_BYTES)

/* ---- hex ---- */

static int nibble(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* hex_step(p, out): HEX_STEP digits at p to half as many bytes; false when one is no digit. */
#ifdef __SSE2__
#define HEX_STEP 16
static inline bool hex_step(const char *p, uint8_t *out) {
    __m128i text = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i digit = _mm_sub_epi8(text, _mm_set1_epi8('0'));
    __m128i letter = _mm_sub_epi8(_mm_or_si128(text, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
    __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
    if (UNLIKELY(_mm_movemask_epi8(_mm_or_si128(is_digit, is_letter)) != 0xFFFF)) {
        return false;
    }
    letter = _mm_add_epi8(letter, _mm_set1_epi8(10));
    __m128i nibbles =
        _mm_or_si128(_mm_and_si128(digit, is_digit), _mm_and_si128(letter, is_letter));
    /* In each pair the first digit is the low byte: it belongs into the high nibble. */
    __m128i pairs = _mm_or_si128(_mm_slli_epi16(nibbles, 4), _mm_srli_epi16(nibbles, 8));
    pairs = _mm_and_si128(pairs, _mm_set1_epi16(0xFF));
    _mm_storel_epi64((__m128i *)(void *)out, _mm_packus_epi16(pairs, pairs));
    return true;
}
#else
#define HEX_STEP 2
static inline bool hex_step(const char *p, uint8_t *out) {
    int high = nibble(p[0]);
    int low = nibble(p[1]);
    *out = (uint8_t)(high << 4 | low);
    return (high | low) >= 0;
}
#endif

size_t evm_hex_decode(struct str hex, uint8_t *out) {
    size_t at = 0;
    while (hex.len - at >= HEX_STEP && hex_step(hex.ptr + at, out + at / 2)) {
        at += HEX_STEP;
    }
    for (; at + 1 < hex.len; at += 2) {
        int high = nibble(hex.ptr[at]);
        int low = nibble(hex.ptr[at + 1]);
        if (high < 0 || low < 0) {
            return high < 0 ? at : at + 1;
        }
        out[at / 2] = (uint8_t)(high << 4 | low);
    }
    return at;
}

/* ---- fields ---- */

enum field_type {
    FIELD_HASH,
    FIELD_ADDRESS,
    FIELD_QUANTITY, /* int64_t */
    FIELD_SECONDS,  /* a quantity; int64_t, in us */
    FIELD_WORD,     /* a quantity of up to 32 bytes, big-endian */
    FIELD_FLAG,     /* bool */
    FIELD_TOPICS,
    FIELD_DATA,
    FIELD_COUNTED /* int64_t: how many values an array has */
};

struct field {
    const char *name;
    size_t name_len;
    enum field_type type;
    bool is_optional; /* absent or null is fine */
    size_t offset;    /* of its member */
};

#define FIELD(kind, key, what, member)                                                             \
    { key, sizeof(key) - 1, FIELD_##what, false, offsetof(struct kind, member) }
#define OPTIONAL(kind, key, what, member)                                                          \
    { key, sizeof(key) - 1, FIELD_##what, true, offsetof(struct kind, member) }

/* In the order in which most nodes write them. */
static const struct field log_fields[] = {
    FIELD(evm_log, "address", ADDRESS, address),
    FIELD(evm_log, "topics", TOPICS, topics),
    FIELD(evm_log, "data", DATA, data_hex),
    FIELD(evm_log, "blockNumber", QUANTITY, block_number),
    FIELD(evm_log, "transactionHash", HASH, tx_hash),
    FIELD(evm_log, "transactionIndex", QUANTITY, tx_index),
    OPTIONAL(evm_log, "blockHash", HASH, block_hash),
    OPTIONAL(evm_log, "blockTimestamp", SECONDS, block_time_us),
    FIELD(evm_log, "logIndex", QUANTITY, log_index),
    OPTIONAL(evm_log, "removed", FLAG, is_removed),
};
enum { LOG_BLOCK_HASH = 6, LOG_BLOCK_TIME = 7 };

static const struct field block_fields[] = {
    FIELD(evm_block, "number", QUANTITY, number),
    FIELD(evm_block, "hash", HASH, hash),
    FIELD(evm_block, "parentHash", HASH, parent_hash),
    OPTIONAL(evm_block, "timestamp", SECONDS, time_us),
    OPTIONAL(evm_block, "miner", ADDRESS, miner),
    OPTIONAL(evm_block, "gasUsed", QUANTITY, gas_used),
    OPTIONAL(evm_block, "gasLimit", QUANTITY, gas_limit),
    OPTIONAL(evm_block, "baseFeePerGas", WORD, base_fee),
    OPTIONAL(evm_block, "transactionCount", QUANTITY, tx_count),
    OPTIONAL(evm_block, "transactions", COUNTED, tx_count),
    FIELD(evm_block, "logs", QUANTITY, log_count),
};
enum {
    BLOCK_TIME = 3,
    BLOCK_MINER,
    BLOCK_GAS_USED,
    BLOCK_GAS_LIMIT,
    BLOCK_BASE_FEE,
    BLOCK_TX_COUNT,
    BLOCK_TXS
};

struct reader {
    struct json_scan scan;
    struct evm_fault *fault; /* what is NULL until there is one; or scan.fault is set */
    const struct field *fields;
    size_t field_count;
    const struct field *field; /* whose value is read */
    char *out;
    unsigned seen; /* bits of fields that have a value */
    unsigned met;  /* bits of fields whose key was there */
    unsigned depth;
};

static const char *field_fault(struct reader *r, enum reject_reason reason, const char *at,
                               const char *what) {
    *r->fault = (struct evm_fault){.reason = reason,
                                   .field = r->field != NULL ? r->field->name : NULL,
                                   .what = what,
                                   .offset = at != NULL ? at - r->scan.begin : -1};
    return NULL;
}

/* Exactly `bytes` bytes of hex in quotes at p. */
static const char *read_fixed(struct reader *r, const char *p, uint8_t *out, size_t bytes) {
    size_t digits = 2 * bytes;
    bool is_hex = (size_t)(r->scan.end - p) >= digits + 4 && p[0] == '"' && p[1] == '0' &&
                  (p[2] | 0x20) == 'x' && p[3 + digits] == '"' &&
                  evm_hex_decode((struct str){p + 3, digits}, out) == digits;
    if (UNLIKELY(!is_hex)) {
        return field_fault(r, REJECT_TYPE, p,
                           bytes == EVM_HASH_BYTES ? "is not \"0x\" and 64 hex digits"
                                                   : "is not \"0x\" and 40 hex digits");
    }
    return p + digits + 4;
}

/* The text of a string at p, without quotes; TYPE when p is at something else. */
static const char *read_text(struct reader *r, const char *p, struct str *out) {
    bool has_escape = false;
    if (json_peek(&r->scan, p) != '"') {
        return field_fault(r, REJECT_TYPE, p, "is not a string of \"0x\" and hex digits");
    }
    const char *end = json_scan_string(&r->scan, p + 1, &has_escape);
    if (end != NULL) {
        *out = (struct str){p + 1, (size_t)(end - p) - 2};
    }
    return end;
}

static bool has_hex_prefix(struct str text) {
    return text.len >= 2 && text.ptr[0] == '0' && (text.ptr[1] | 0x20) == 'x';
}

/* The digits of a quantity in a string, without leading zeros. */
static const char *read_digits(struct reader *r, const char *p, struct str *out) {
    struct str text;
    const char *end = read_text(r, p, &text);
    if (end == NULL) {
        return NULL;
    }
    if (!has_hex_prefix(text)) {
        return field_fault(r, REJECT_TYPE, p, "is not \"0x\" and hex digits");
    }
    size_t from = 2;
    while (from < text.len && text.ptr[from] == '0') {
        from++;
    }
    *out = (struct str){text.ptr + from, text.len - from};
    for (size_t i = 0; i < out->len; i++) {
        if (nibble(out->ptr[i]) < 0) {
            return field_fault(r, REJECT_TYPE, out->ptr + i, "is not \"0x\" and hex digits");
        }
    }
    return end;
}

static const char *read_number(struct reader *r, const char *p, int64_t *out) {
    struct json_number number;
    const char *end = json_scan_number(&r->scan, p, &number);
    if (end == NULL) {
        return NULL;
    }
    if (number.has_fraction || number.has_exponent || (number.fits && number.integer < 0)) {
        return field_fault(r, REJECT_TYPE, p, "is not a whole number from 0");
    }
    if (!number.fits) {
        return field_fault(r, REJECT_RANGE, p, "is beyond what an int64 holds");
    }
    *out = number.integer;
    return end;
}

static const char *read_quantity(struct reader *r, const char *p, int64_t *out) {
    struct str digits;
    char first = json_peek(&r->scan, p);
    if (first == '-' || (first >= '0' && first <= '9')) {
        return read_number(r, p, out);
    }
    const char *end = read_digits(r, p, &digits);
    if (end == NULL) {
        return NULL;
    }
    if (digits.len > 16 || (digits.len == 16 && nibble(digits.ptr[0]) >= 8)) {
        return field_fault(r, REJECT_RANGE, p, "is beyond what an int64 holds");
    }
    uint64_t v = 0;
    for (size_t i = 0; i < digits.len; i++) {
        v = v << 4 | (unsigned)nibble(digits.ptr[i]);
    }
    *out = (int64_t)v;
    return end;
}

static const char *read_seconds(struct reader *r, const char *p, int64_t *out) {
    int64_t seconds = 0;
    const char *end = read_quantity(r, p, &seconds);
    if (end == NULL) {
        return NULL;
    }
    if (seconds > TIMESTAMP_US_MAX / SECOND_US) {
        return field_fault(r, REJECT_RANGE, p, "is seconds behind the year 9999");
    }
    *out = seconds * SECOND_US;
    return end;
}

static const char *read_word(struct reader *r, const char *p, uint8_t *out) {
    struct str digits;
    const char *end = read_digits(r, p, &digits);
    if (end == NULL) {
        return NULL;
    }
    if (digits.len > QUANTITY_DIGITS_MAX) {
        return field_fault(r, REJECT_RANGE, p, "is beyond 256 bits");
    }
    memset(out, 0, EVM_HASH_BYTES);
    for (size_t i = 0; i < digits.len; i++) {
        size_t place = digits.len - 1 - i; /* from the right */
        unsigned shift = place % 2 == 0 ? 0 : 4;
        out[EVM_HASH_BYTES - 1 - place / 2] |= (uint8_t)(nibble(digits.ptr[i]) << shift);
    }
    return end;
}

static const char *read_flag(struct reader *r, const char *p, bool *out) {
    char first = json_peek(&r->scan, p);
    if (first != 't' && first != 'f') {
        return field_fault(r, REJECT_TYPE, p, "is not true or false");
    }
    *out = first == 't';
    return json_scan_literal(&r->scan, p);
}

/* p behind a value of an array: at the next, or *is_end and behind the array. */
static const char *next_value(struct reader *r, const char *p, bool *is_end) {
    p = json_skip_space(&r->scan, p);
    char c = json_peek(&r->scan, p);
    if (c != ',' && c != ']') {
        return json_scan_fault(&r->scan, p, "',' or ']' is missing");
    }
    *is_end = c == ']';
    return *is_end ? p + 1 : json_skip_space(&r->scan, p + 1);
}

/* p at '['; at its first value, or *is_end and behind the array. */
static const char *first_value(struct reader *r, const char *p, bool *is_end) {
    if (json_peek(&r->scan, p) != '[') {
        return field_fault(r, REJECT_TYPE, p, "is not an array");
    }
    p = json_skip_space(&r->scan, p + 1);
    *is_end = json_peek(&r->scan, p) == ']';
    return *is_end ? p + 1 : p;
}

static const char *read_topics(struct reader *r, const char *p, struct evm_log *log) {
    bool is_end = false;
    p = first_value(r, p, &is_end);
    log->topic_count = 0;
    while (p != NULL && !is_end) {
        if (log->topic_count == ABI_TOPICS_MAX) {
            return field_fault(r, REJECT_TYPE, p, "has more than 4 topics");
        }
        p = read_fixed(r, p, log->topics[log->topic_count++], EVM_HASH_BYTES);
        p = p != NULL ? next_value(r, p, &is_end) : NULL;
    }
    return p;
}

static const char *read_counted(struct reader *r, const char *p, int64_t *out) {
    bool is_end = false;
    int64_t count = 0;
    p = first_value(r, p, &is_end);
    while (p != NULL && !is_end) {
        count++;
        p = json_scan_value(&r->scan, p, r->depth + 1);
        p = p != NULL ? next_value(r, p, &is_end) : NULL;
    }
    *out = count;
    return p;
}

static const char *read_data(struct reader *r, const char *p, struct str *out) {
    struct str text;
    const char *end = read_text(r, p, &text);
    if (end == NULL) {
        return NULL;
    }
    if (!has_hex_prefix(text)) {
        return field_fault(r, REJECT_TYPE, p, "is not \"0x\" and hex digits");
    }
    if (text.len % 2 != 0) {
        return field_fault(r, REJECT_TYPE, p, "has an odd number of hex digits");
    }
    *out = (struct str){text.ptr + 2, text.len - 2};
    return end;
}

static const char *read_value(struct reader *r, const struct field *f, const char *p) {
    void *member = r->out + f->offset;
    switch (f->type) {
    case FIELD_HASH:
        return read_fixed(r, p, member, EVM_HASH_BYTES);
    case FIELD_ADDRESS:
        return read_fixed(r, p, member, EVM_ADDRESS_BYTES);
    case FIELD_QUANTITY:
        return read_quantity(r, p, member);
    case FIELD_SECONDS:
        return read_seconds(r, p, member);
    case FIELD_WORD:
        return read_word(r, p, member);
    case FIELD_FLAG:
        return read_flag(r, p, member);
    case FIELD_TOPICS:
        return read_topics(r, p, (struct evm_log *)(void *)r->out);
    case FIELD_DATA:
        return read_data(r, p, member);
    case FIELD_COUNTED:
        return read_counted(r, p, member);
    }
    ASSERT(false);
}

/* ---- objects ---- */

static bool is_field(const struct field *f, struct str key) {
    return f->name_len == key.len && memcmp(f->name, key.ptr, key.len) == 0;
}

/* Which field a key is, beginning at guess; field_count for none. */
static size_t find_field(const struct reader *r, struct str key, size_t guess) {
    if (LIKELY(guess < r->field_count && is_field(&r->fields[guess], key))) {
        return guess;
    }
    size_t i = 0;
    while (i < r->field_count && !is_field(&r->fields[i], key)) {
        i++;
    }
    return i;
}

/* p where a key should be; at its value. */
static const char *read_key(struct reader *r, const char *p, struct str *key) {
    bool has_escape = false;
    if (json_peek(&r->scan, p) != '"') {
        return json_scan_fault(&r->scan, p, "a key in double quotes is missing");
    }
    const char *end = json_scan_string(&r->scan, p + 1, &has_escape);
    if (end == NULL) {
        return NULL;
    }
    *key = (struct str){p + 1, (size_t)(end - p) - 2};
    p = json_skip_space(&r->scan, end);
    if (json_peek(&r->scan, p) != ':') {
        return json_scan_fault(&r->scan, p, "':' is missing after a key");
    }
    return json_skip_space(&r->scan, p + 1);
}

/* p at the value of fields[index]. */
static const char *read_field(struct reader *r, size_t index, const char *p) {
    unsigned bit = 1U << index;
    r->field = &r->fields[index];
    if (UNLIKELY((r->met & bit) != 0)) {
        return field_fault(r, REJECT_DUPLICATE_KEY, p, "comes twice");
    }
    r->met |= bit;
    if (UNLIKELY(json_peek(&r->scan, p) == 'n')) {
        return json_scan_literal(&r->scan, p); /* null is as good as absent */
    }
    r->seen |= bit;
    return read_value(r, r->field, p);
}

/* p at '{'; behind the object. */
static const char *read_object(struct reader *r, const char *p) {
    size_t guess = 0;
    if (json_peek(&r->scan, p) != '{') {
        return json_scan_fault(&r->scan, p, "an object is missing");
    }
    p = json_skip_space(&r->scan, p + 1);
    if (json_peek(&r->scan, p) == '}') {
        return p + 1;
    }
    for (;;) {
        struct str key = STR("");
        p = read_key(r, p, &key);
        if (p == NULL) {
            return NULL;
        }
        size_t index = find_field(r, key, guess);
        if (index < r->field_count) {
            p = read_field(r, index, p);
            guess = index + 1;
        } else {
            p = json_scan_value(&r->scan, p, r->depth);
        }
        if (p == NULL) {
            return NULL;
        }
        p = json_skip_space(&r->scan, p);
        char c = json_peek(&r->scan, p);
        if (c == '}') {
            return p + 1;
        }
        if (c != ',') {
            return json_scan_fault(&r->scan, p, "',' or '}' is missing");
        }
        p = json_skip_space(&r->scan, p + 1);
    }
}

static bool has_field(const struct reader *r, size_t index) {
    return (r->seen & 1U << index) != 0;
}

/* Nothing may follow, and nothing that is needed may be missing. */
static const char *end_record(struct reader *r, const char *p) {
    p = json_skip_space(&r->scan, p);
    if (p != r->scan.end) {
        return json_scan_fault(&r->scan, p, "more text after the object");
    }
    for (size_t i = 0; i < r->field_count; i++) {
        if (UNLIKELY(!has_field(r, i) && !r->fields[i].is_optional)) {
            r->field = &r->fields[i];
            return field_fault(r, REJECT_MISSING, NULL,
                               (r->met & 1U << i) != 0 ? "is null" : "is absent");
        }
    }
    return p;
}

static void reader_init(struct reader *r, struct str record, struct evm_fault *fault) {
    memset(r, 0, sizeof(*r));
    *fault = (struct evm_fault){.what = NULL};
    r->scan.begin = record.ptr;
    r->scan.end = record.ptr + record.len;
    r->scan.is_exact = true;
    r->fault = fault;
}

/* The scanner's own fault, unless a field has one. */
static bool finish(struct reader *r, const char *p) {
    if (p == NULL && r->fault->what == NULL) {
        *r->fault = (struct evm_fault){.reason = REJECT_MALFORMED,
                                       .what = r->scan.fault,
                                       .offset = r->scan.fault_at - r->scan.begin};
    }
    return p != NULL;
}

bool evm_log_parse(struct str record, struct evm_log *out, struct evm_fault *fault) {
    struct reader r;
    reader_init(&r, record, fault);
    r.fields = log_fields;
    r.field_count = ARRAY_COUNT(log_fields);
    r.out = (char *)out;
    r.depth = 1;
    out->is_removed = false;
    const char *p = read_object(&r, json_skip_space(&r.scan, r.scan.begin));
    p = p != NULL ? end_record(&r, p) : NULL;
    out->has_block_hash = has_field(&r, LOG_BLOCK_HASH);
    out->has_block_time = has_field(&r, LOG_BLOCK_TIME);
    return finish(&r, p);
}

/* ---- blocks ---- */

/* The value of the key "block", which is the first; NULL when it is not. */
static const char *enter_block(struct reader *r) {
    struct str key = STR("");
    const char *p = json_skip_space(&r->scan, r->scan.begin);
    if (json_peek(&r->scan, p) != '{') {
        return json_scan_fault(&r->scan, p, "an object is missing");
    }
    p = read_key(r, json_skip_space(&r->scan, p + 1), &key);
    if (p != NULL && !str_equal_c(key, "block")) {
        return json_scan_fault(&r->scan, key.ptr, "the key is not \"block\"");
    }
    return p;
}

bool evm_record_is_block(struct str record) {
    struct json_scan s = {.begin = record.ptr, .end = record.ptr + record.len};
    static const char key[] = "\"block\"";
    const char *p = json_skip_space(&s, s.begin);
    if (json_peek(&s, p) != '{') {
        return false;
    }
    p = json_skip_space(&s, p + 1);
    return (size_t)(s.end - p) >= sizeof(key) - 1 && memcmp(p, key, sizeof(key) - 1) == 0;
}

bool evm_block_parse(struct str record, struct evm_block *out, struct evm_fault *fault) {
    struct reader r;
    reader_init(&r, record, fault);
    r.fields = block_fields;
    r.field_count = ARRAY_COUNT(block_fields);
    r.out = (char *)out;
    r.depth = 2;
    const char *p = enter_block(&r);
    p = p != NULL ? read_object(&r, p) : NULL;
    if (p != NULL) {
        p = json_skip_space(&r.scan, p);
        p = json_peek(&r.scan, p) == '}'
                ? p + 1
                : json_scan_fault(&r.scan, p, "'}' is missing behind the block");
    }
    p = p != NULL ? end_record(&r, p) : NULL;
    out->has_time = has_field(&r, BLOCK_TIME);
    out->has_miner = has_field(&r, BLOCK_MINER);
    out->has_gas_used = has_field(&r, BLOCK_GAS_USED);
    out->has_gas_limit = has_field(&r, BLOCK_GAS_LIMIT);
    out->has_base_fee = has_field(&r, BLOCK_BASE_FEE);
    out->has_tx_count = has_field(&r, BLOCK_TX_COUNT) || has_field(&r, BLOCK_TXS);
    return finish(&r, p);
}
