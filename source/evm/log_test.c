#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/evm/log.h"

#include <stdio.h>
#include <string.h>

#define RECORD_MAX 8192

#define HASH_A  "0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HASH_B  "0xFFeeddccBBaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define ADDRESS "0x000102030405060708090a0b0c0d0e0f10111213"

/* Parts of a log in the order of most nodes, to be left out or replaced. */
#define L_ADDRESS "\"address\":\"" ADDRESS "\""
#define L_TOPICS  "\"topics\":[\"" HASH_A "\",\"" HASH_B "\"]"
#define L_DATA    "\"data\":\"0x00ff\""
#define L_NUMBER  "\"blockNumber\":\"0x1b4\""
#define L_TX      "\"transactionHash\":\"" HASH_B "\""
#define L_INDEX   "\"transactionIndex\":\"0x0\""
#define L_LOG     "\"logIndex\":\"0x7\""
#define LOG       "{" L_ADDRESS "," L_TOPICS "," L_DATA "," L_NUMBER "," L_TX "," L_INDEX "," L_LOG "}"

/* The record ends where the memory does, so that sanitizers see what reads behind it. */
static struct str at_end_of(const char *text, char room[RECORD_MAX]) {
    size_t len = strlen(text);
    assert_true(len <= RECORD_MAX);
    const size_t at = RECORD_MAX - len;
    memcpy(&room[at], text, len);
    return (struct str){&room[at], len};
}

static struct evm_log parse_log(const char *text) {
    char room[RECORD_MAX];
    struct evm_log log;
    struct evm_fault fault;
    struct str record = at_end_of(text, room);
    bool is_read = evm_log_parse(record, &log, &fault);
    if (!is_read) {
        print_message("%s: '%s' %s\n", text, fault.field, fault.what);
    }
    assert_true(is_read);
    assert_false(evm_record_is_block(record));
    return log;
}

static void expect_fault(const char *text, enum reject_reason reason, const char *field,
                         int64_t offset, const char *what) {
    char room[RECORD_MAX];
    struct evm_log log;
    struct evm_block block;
    struct evm_fault fault;
    struct str record = at_end_of(text, room);
    bool is_read = evm_record_is_block(record) ? evm_block_parse(record, &block, &fault)
                                               : evm_log_parse(record, &log, &fault);
    assert_false(is_read);
    if (strstr(fault.what, what) == NULL || fault.offset != offset) {
        print_message("%s: '%s' %s at %d\n", text, fault.field, fault.what, (int)fault.offset);
    }
    assert_non_null(strstr(fault.what, what));
    assert_string_equal(reject_reason_name(fault.reason), reject_reason_name(reason));
    assert_int_equal(fault.offset, offset);
    if (field == NULL) {
        assert_null(fault.field);
    } else {
        assert_string_equal(fault.field, field);
    }
}

static void a_log_is_read_field_by_field(void **state) {
    (void)state;
    struct evm_log log = parse_log(LOG);
    for (unsigned i = 0; i < EVM_ADDRESS_BYTES; i++) {
        assert_int_equal(log.address[i], i);
    }
    assert_int_equal(log.topic_count, 2);
    assert_int_equal(log.topics[0][1], 0x11);
    assert_int_equal(log.topics[0][31], 0xFF);
    assert_int_equal(log.topics[1][0], 0xFF);
    assert_int_equal(log.topics[1][4], 0xBB);
    assert_int_equal(log.tx_hash[0], 0xFF);
    assert_int_equal(log.data_hex.len, 4);
    assert_int_equal(log.block_number, 0x1B4);
    assert_int_equal(log.tx_index, 0);
    assert_int_equal(log.log_index, 7);
    assert_false(log.has_block_hash);
    assert_false(log.has_block_time);
    assert_false(log.is_removed);
}

static void order_space_and_unknown_fields_do_not_matter(void **state) {
    (void)state;
    struct evm_log log =
        parse_log(" {\t\"removed\" : false , \"x\":{\"data\":[\"0xzz\",{}]}, " L_LOG ",\r\n" L_INDEX
                  " ," L_TX ", \"blockHash\":\"" HASH_A "\", \"logIndexes\":1e5," L_NUMBER
                  "," L_DATA ",\"topics\" : [ \"" HASH_A
                  "\" ] , \"blockTimestamp\":\"0x5\", \"dat\":null," L_ADDRESS " } \n");
    assert_int_equal(log.topic_count, 1);
    assert_true(log.has_block_hash);
    assert_int_equal(log.block_hash[31], 0xFF);
    assert_true(log.has_block_time);
    assert_int_equal(log.block_time_us, 5000000);
    assert_int_equal(log.log_index, 7);
}

static void null_is_as_good_as_absent(void **state) {
    (void)state;
    struct evm_log log =
        parse_log("{" L_ADDRESS "," L_TOPICS "," L_DATA "," L_NUMBER "," L_TX "," L_INDEX
                  ",\"blockHash\":null,\"blockTimestamp\":null," L_LOG ",\"removed\":null}");
    assert_false(log.has_block_hash);
    assert_false(log.has_block_time);
    expect_fault("{" L_ADDRESS "," L_TOPICS "," L_DATA ",\"blockNumber\":null," L_TX "," L_INDEX
                 "," L_LOG "}",
                 REJECT_MISSING, "blockNumber", -1, "is null");
}

static void quantities_come_in_many_spellings(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {{"\"0x0\"", 0},
                 {"\"0x\"", 0},
                 {"\"0x000000000000000000000000000000000007\"", 7},
                 {"\"0xAbC\"", 0xABC},
                 {"\"0X1f\"", 0x1F},
                 {"\"0x7fffffffffffffff\"", INT64_MAX},
                 {"0", 0},
                 {"9223372036854775807", INT64_MAX}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[RECORD_MAX];
        (void)snprintf(text, sizeof(text),
                       "{" L_ADDRESS ",\"topics\":[]," L_DATA "," L_NUMBER "," L_TX "," L_INDEX
                       ",\"logIndex\":%s}",
                       cases[i].text);
        struct evm_log log = parse_log(text);
        assert_int_equal(log.log_index, cases[i].value);
        assert_int_equal(log.topic_count, 0);
    }
}

static void quantities_that_are_none_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum reject_reason reason;
        const char *what;
        int64_t offset; /* in the value */
    } cases[] = {{"\"7\"", REJECT_TYPE, "is not \"0x\" and hex digits", 0},
                 {"\"\"", REJECT_TYPE, "is not \"0x\" and hex digits", 0},
                 {"\"0x1g\"", REJECT_TYPE, "is not \"0x\" and hex digits", 4},
                 {"\"0x-1\"", REJECT_TYPE, "is not \"0x\" and hex digits", 3},
                 {"true", REJECT_TYPE, "is not a string", 0},
                 {"[]", REJECT_TYPE, "is not a string", 0},
                 {"-1", REJECT_TYPE, "is not a whole number from 0", 0},
                 {"1.0", REJECT_TYPE, "is not a whole number from 0", 0},
                 {"1e3", REJECT_TYPE, "is not a whole number from 0", 0},
                 {"9223372036854775808", REJECT_RANGE, "is beyond what an int64 holds", 0},
                 {"\"0x8000000000000000\"", REJECT_RANGE, "is beyond what an int64 holds", 0},
                 {"\"0x10000000000000000\"", REJECT_RANGE, "is beyond what an int64 holds", 0}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[RECORD_MAX];
        (void)snprintf(text, sizeof(text), "{\"logIndex\":%s}", cases[i].text);
        expect_fault(text, cases[i].reason, "logIndex", 12 + cases[i].offset, cases[i].what);
    }
    expect_fault("{\"blockTimestamp\":\"0x3afff44180\"}", REJECT_RANGE, "blockTimestamp", 18,
                 "behind the year 9999");
}

static void hashes_addresses_and_data_have_their_digits(void **state) {
    (void)state;
    const char *hash = "is not \"0x\" and 64 hex digits";
    const char *address = "is not \"0x\" and 40 hex digits";
    expect_fault("{\"address\":\"0x0011\"}", REJECT_TYPE, "address", 11, address);
    expect_fault("{\"address\":\"" HASH_A "\"}", REJECT_TYPE, "address", 11, address);
    expect_fault("{\"address\":\"0x00010203040506070809_a0b0c0d0e0f10111213\"}", REJECT_TYPE,
                 "address", 11, address);
    expect_fault("{\"address\":5}", REJECT_TYPE, "address", 11, address);
    expect_fault("{\"address\":\"0x00", REJECT_TYPE, "address", 11, address);
    expect_fault("{\"transactionHash\":\"" ADDRESS "\"}", REJECT_TYPE, "transactionHash", 19, hash);
    expect_fault("{\"topics\":[\"0x00\"]}", REJECT_TYPE, "topics", 11, hash);
    expect_fault("{\"topics\":[null]}", REJECT_TYPE, "topics", 11, hash);
    expect_fault("{\"topics\":{}}", REJECT_TYPE, "topics", 10, "is not an array");
    expect_fault("{\"topics\":[\"" HASH_A "\",\"" HASH_A "\",\"" HASH_A "\",\"" HASH_A
                 "\",\"" HASH_A "\"]}",
                 REJECT_TYPE, "topics", 287, "has more than 4 topics");
    expect_fault("{\"data\":\"0x123\"}", REJECT_TYPE, "data", 8, "an odd number of hex digits");
    expect_fault("{\"data\":\"1234\"}", REJECT_TYPE, "data", 8, "is not \"0x\" and hex digits");
    expect_fault("{\"data\":12}", REJECT_TYPE, "data", 8, "is not a string");
    expect_fault("{\"removed\":\"yes\"}", REJECT_TYPE, "removed", 11, "is not true or false");
}

static void what_is_no_object_is_malformed(void **state) {
    (void)state;
    expect_fault("", REJECT_MALFORMED, NULL, 0, "an object is missing");
    expect_fault("[]", REJECT_MALFORMED, NULL, 0, "an object is missing");
    expect_fault("{", REJECT_MALFORMED, NULL, 1, "a key in double quotes is missing");
    expect_fault("{\"a\"", REJECT_MALFORMED, NULL, 4, "':' is missing");
    expect_fault("{\"a\":", REJECT_MALFORMED, NULL, 5, "the record ends");
    expect_fault("{\"a\":1", REJECT_MALFORMED, NULL, 6, "',' or '}' is missing");
    expect_fault("{\"a\":1,}", REJECT_MALFORMED, NULL, 7, "a key in double quotes is missing");
    expect_fault("{\"data\":\"0x12", REJECT_MALFORMED, NULL, 13, "a string is not closed");
    expect_fault("{\"topics\":[", REJECT_TYPE, "topics", 11, "64 hex digits");
    expect_fault("{\"topics\":[\"" HASH_A "\"", REJECT_MALFORMED, NULL, 79,
                 "',' or ']' is missing");
    expect_fault(LOG "x", REJECT_MALFORMED, NULL, (int64_t)strlen(LOG),
                 "more text after the object");
}

/* Every prefix of a good log is refused, and none is read behind its end. */
static void a_log_cut_anywhere_is_refused(void **state) {
    (void)state;
    static const char whole[] = LOG;
    for (size_t len = 0; len + 1 < sizeof(whole); len++) {
        struct evm_log log;
        struct evm_fault fault;
        char *copy = mem_alloc_array(len > 0 ? len : 1, 1);
        memcpy(copy, whole, len);
        assert_false(evm_log_parse((struct str){copy, len}, &log, &fault));
        assert_true(fault.what != NULL && fault.offset <= (int64_t)len);
        mem_free(copy);
    }
}

static void a_key_may_not_come_twice_nor_be_absent(void **state) {
    (void)state;
    expect_fault("{" L_DATA "," L_DATA "}", REJECT_DUPLICATE_KEY, "data", 24, "comes twice");
    expect_fault("{\"data\":null," L_DATA "}", REJECT_DUPLICATE_KEY, "data", 20, "comes twice");
    expect_fault("{" L_ADDRESS "," L_TOPICS "," L_NUMBER "," L_TX "," L_INDEX "," L_LOG "}",
                 REJECT_MISSING, "data", -1, "is absent");
    expect_fault("{}", REJECT_MISSING, "address", -1, "is absent");
    /* a key with escapes is none of ours: nodes never write one */
    expect_fault("{\"addr\\u0065ss\":\"" ADDRESS "\"}", REJECT_MISSING, "address", -1, "is absent");
}

#define B_NUMBER "\"number\":\"0x10\""
#define B_HASH   "\"hash\":\"" HASH_A "\""
#define B_PARENT "\"parentHash\":\"" HASH_B "\""
#define B_LOGS   "\"logs\":2"

static struct evm_block parse_block(const char *text) {
    char room[RECORD_MAX];
    struct evm_block block;
    struct evm_fault fault;
    struct str record = at_end_of(text, room);
    assert_true(evm_record_is_block(record));
    bool is_read = evm_block_parse(record, &block, &fault);
    if (!is_read) {
        print_message("%s: '%s' %s\n", text, fault.field, fault.what);
    }
    assert_true(is_read);
    return block;
}

static void a_block_is_read_field_by_field(void **state) {
    (void)state;
    struct evm_block b = parse_block(
        "{\"block\":{" B_NUMBER "," B_HASH "," B_PARENT
        ",\"timestamp\":\"0x61cf9980\",\"miner\":\"" ADDRESS
        "\",\"gasUsed\":\"0x5208\",\"gasLimit\":\"0x1c9c380\",\"baseFeePerGas\":\"0x123456789"
        "abcdef0123\",\"transactionCount\":3,\"uncles\":[]," B_LOGS "}}");
    assert_int_equal(b.number, 16);
    assert_int_equal(b.hash[31], 0xFF);
    assert_int_equal(b.parent_hash[0], 0xFF);
    assert_true(b.has_time);
    assert_int_equal(b.time_us, INT64_C(1640995200) * 1000000);
    assert_true(b.has_miner);
    assert_int_equal(b.miner[19], 0x13);
    assert_int_equal(b.gas_used, 21000);
    assert_int_equal(b.gas_limit, 30000000);
    assert_true(b.has_base_fee);
    assert_int_equal(b.base_fee[21], 0);
    assert_int_equal(b.base_fee[22], 0x01);
    assert_int_equal(b.base_fee[31], 0x23);
    assert_true(b.has_tx_count);
    assert_int_equal(b.tx_count, 3);
    assert_int_equal(b.log_count, 2);
}

static void a_block_may_say_little(void **state) {
    (void)state;
    struct evm_block b = parse_block(" { \"block\" : {" B_LOGS "," B_PARENT "," B_HASH "," B_NUMBER
                                     ",\"baseFeePerGas\":null}} ");
    assert_false(b.has_time || b.has_gas_used || b.has_gas_limit || b.has_tx_count || b.has_miner ||
                 b.has_base_fee);
    b = parse_block("{\"block\":{" B_LOGS "," B_PARENT "," B_HASH "," B_NUMBER
                    ",\"transactions\":[\"0x1\", {\"hash\":[1,2]} ,3]}}");
    assert_true(b.has_tx_count);
    assert_int_equal(b.tx_count, 3);
    b = parse_block("{\"block\":{" B_LOGS "," B_PARENT "," B_HASH "," B_NUMBER
                    ",\"transactions\":[ ]}}");
    assert_int_equal(b.tx_count, 0);
    b = parse_block("{\"block\":{" B_LOGS "," B_PARENT "," B_HASH "," B_NUMBER
                    ",\"baseFeePerGas\":\"0x0\"}}");
    assert_true(b.has_base_fee);
    assert_int_equal(b.base_fee[31], 0);
}

static void what_is_no_block_is_refused(void **state) {
    (void)state;
    expect_fault("{\"block\":5}", REJECT_MALFORMED, NULL, 9, "an object is missing");
    expect_fault("{\"block\":{}}", REJECT_MISSING, "number", -1, "is absent");
    expect_fault("{\"block\":{" B_LOGS "," B_PARENT "," B_HASH "," B_NUMBER "},\"x\":1}",
                 REJECT_MALFORMED, NULL, 193, "'}' is missing behind the block");
    expect_fault("{\"block\":{" B_LOGS "," B_PARENT "," B_HASH "," B_NUMBER "}", REJECT_MALFORMED,
                 NULL, 193, "'}' is missing behind the block");
    expect_fault("{\"block\":{\"baseFeePerGas\":\"0x1"
                 "0000000000000000000000000000000000000000"
                 "000000000000000000000000\"}}",
                 REJECT_RANGE, "baseFeePerGas", 26, "is beyond 256 bits");
    expect_fault("{\"block\":{\"baseFeePerGas\":7}}", REJECT_TYPE, "baseFeePerGas", 26,
                 "is not a string");
    expect_fault("{\"blocks\":{}}", REJECT_MISSING, "address", -1, "is absent");
}

/* Against a plain loop, for every byte value at every place. */
static void hex_digits_are_told_from_all_other_bytes(void **state) {
    (void)state;
    static const char digits[] = "0123456789abcdefABCDEF";
    char text[38];
    uint8_t out[19];
    for (unsigned c = 0; c < 256; c++) {
        bool is_digit = c != 0 && strchr(digits, (int)c) != NULL;
        for (size_t at = 0; at < sizeof(text); at++) {
            memset(text, '7', sizeof(text));
            text[at] = (char)c;
            size_t good = evm_hex_decode((struct str){text, sizeof(text)}, out);
            assert_int_equal(good, is_digit ? sizeof(text) : at);
            if (is_digit) {
                unsigned place = (unsigned)(strchr(digits, (int)c) - digits);
                unsigned value = place < 16 ? place : place - 6;
                assert_int_equal(out[at / 2], at % 2 == 0 ? value << 4 | 7 : 0x70 | value);
            }
        }
    }
    assert_int_equal(evm_hex_decode((struct str){text, 0}, out), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_is_read_field_by_field),
        cmocka_unit_test(order_space_and_unknown_fields_do_not_matter),
        cmocka_unit_test(null_is_as_good_as_absent),
        cmocka_unit_test(quantities_come_in_many_spellings),
        cmocka_unit_test(quantities_that_are_none_are_refused),
        cmocka_unit_test(hashes_addresses_and_data_have_their_digits),
        cmocka_unit_test(what_is_no_object_is_malformed),
        cmocka_unit_test(a_log_cut_anywhere_is_refused),
        cmocka_unit_test(a_key_may_not_come_twice_nor_be_absent),
        cmocka_unit_test(a_block_is_read_field_by_field),
        cmocka_unit_test(a_block_may_say_little),
        cmocka_unit_test(what_is_no_block_is_refused),
        cmocka_unit_test(hex_digits_are_told_from_all_other_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
