#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/evm/decoder.h"

#include "base/fault.h"
#include "rows/int256.h"

#include <stdio.h>
#include <string.h>

#define ARENA_MAX   ((size_t)64 << 20)
#define RECORDS_MAX 16
#define RECORD_MAX  8192

/* ---- what a log is made of ---- */

#define TRANSFER_TOPIC "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
#define ALICE          "00000000000000000000000000000000000000000000000000000000000a11ce"
#define BOB            "0000000000000000000000000000000000000000000000000000000000000b0b"
#define DIRTY          "0000000000000000000000010000000000000000000000000000000000000b0b"
#define ONE            "0000000000000000000000000000000000000000000000000000000000000001"
#define WORD_32        "0000000000000000000000000000000000000000000000000000000000000020"
#define WORD_64        "0000000000000000000000000000000000000000000000000000000000000040"
#define ALL            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define TOKEN          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER          "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HASH_1         "1111111111111111111111111111111111111111111111111111111111111111"
#define HASH_2         "2222222222222222222222222222222222222222222222222222222222222222"

#define ERC20  "Transfer(address indexed from, address indexed to, uint256 value)"
#define ERC721 "Transfer(address indexed from, address indexed to, uint256 indexed id)"
#define OLD    "Transfer(address from, address to, uint256 value)"

#define BLOCK_5                                                                                    \
    "{\"block\":{\"number\":\"0x5\",\"hash\":\"0x" HASH_1 "\",\"parentHash\":\"0x" HASH_2          \
    "\",\"timestamp\":\"0x3e8\",\"miner\":\"0x" TOKEN                                              \
    "\",\"gasUsed\":\"0x5208\",\"gasLimit\":\"0xffff\",\"baseFeePerGas\":\"0x7\","                 \
    "\"transactionCount\""                                                                         \
    ":2,\"logs\":1}}"

struct test {
    struct arena flow; /* events */
    struct arena arena;
    struct evm_event events[8];
    size_t event_count;
    struct stream *streams;
    size_t stream_count;
    struct decoder *decoder;
    struct batch batch;
    struct str records[RECORDS_MAX];
    size_t record_count;
    struct decoded out;
};

static struct test t;

static int setup(void **state) {
    (void)state;
    memset(&t, 0, sizeof(t));
    arena_init(&t.flow, ARENA_MAX);
    arena_init(&t.arena, ARENA_MAX);
    batch_init(&t.batch);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    decoder_free(t.decoder);
    batch_release(&t.batch);
    arena_release(&t.arena);
    arena_release(&t.flow);
    return 0;
}

static struct evm_event *declare(const char *name, const char *signature) {
    struct err err = ERR_INIT;
    struct evm_event *event = &t.events[t.event_count++];
    event->name = name;
    assert_int_equal(abi_event_parse(str_of(signature), &t.flow, &event->abi, &err), ERR_NONE);
    return event;
}

static void restrict_to(struct evm_event *event, const uint8_t (*addresses)[EVM_ADDRESS_BYTES],
                        size_t count) {
    event->addresses = addresses;
    event->address_count = count;
}

static void record(const char *text) {
    assert_true(t.record_count < RECORDS_MAX);
    t.records[t.record_count++] = str_of(arena_strdup(&t.flow, text));
}

/* A log of block 5: topics are words without 0x, separated by spaces. */
static void log_of(const char *address, const char *topics, const char *data) {
    char list[RECORD_MAX] = "";
    size_t len = 0;
    for (struct str rest = str_of(topics); rest.len > 0;) {
        size_t end = str_find(rest, ' ');
        len += (size_t)snprintf(list + len, sizeof(list) - len, "%s\"0x%.*s\"", len > 0 ? "," : "",
                                (int)end, rest.ptr);
        end += end < rest.len;
        rest = (struct str){rest.ptr + end, rest.len - end};
    }
    record(arena_printf(&t.flow,
                        "{\"address\":\"0x%s\",\"topics\":[%s],\"data\":\"0x%s\",\"blockNumber\":"
                        "\"0x5\",\"transactionHash\":\"0x" HASH_2
                        "\",\"transactionIndex\":\"0x3\",\"blockHash\":\"0x" HASH_1
                        "\",\"logIndex\":\"0x9\",\"removed\":false}",
                        address, list, data));
}

static void run_meta(const char *meta, enum err_code expected) {
    struct err err = ERR_INIT;
    if (t.decoder == NULL) {
        assert_int_equal(
            evm_streams(t.events, t.event_count, &t.flow, &t.streams, &t.stream_count, &err),
            ERR_NONE);
        assert_int_equal(
            evm_decoder_new(t.events, t.event_count, t.streams, t.stream_count, &t.decoder, &err),
            ERR_NONE);
    }
    assert_int_equal(batch_begin(&t.batch, str_of(meta), &err), ERR_NONE);
    for (size_t i = 0; i < t.record_count; i++) {
        assert_int_equal(batch_add(&t.batch, t.records[i], RECORD_WHOLE, &err), ERR_NONE);
    }
    assert_int_equal(batch_seal(&t.batch, 1, &err), ERR_NONE);
    assert_int_equal(decoder_run(t.decoder, &t.batch, &t.arena, &t.out, &err), expected);
}

static void run(void) {
    run_meta("1", ERR_NONE);
    assert_int_equal(t.out.stream_count, t.event_count + 1);
    assert_int_equal(decoded_rows(&t.out) + t.out.rejects.count, t.record_count);
}

/* A cell as text: numbers, 0x and hex digits, text in quotes, or null. */
static const char *cell(size_t stream, size_t row, const char *column) {
    const struct rows *rows = &t.out.streams[stream];
    int index = schema_find(rows->schema, str_of(column));
    assert_true(index >= 0 && row < rows->count);
    struct value v;
    struct buf out = BUF_INIT(BUF_TEXT_MAX);
    rows_get(rows, row, (size_t)index, &v);
    if (v.is_null) {
        return "null";
    }
    if (v.type == TYPE_INT256) {
        struct int256 big;
        char text[INT256_TEXT_BYTES];
        assert_true(int256_decode(v.bytes, &big));
        (void)int256_format(&big, text);
        return arena_strdup(&t.flow, text);
    }
    if (type_is_integer(v.type)) {
        return arena_printf(&t.flow, "%lld", (long long)v.integer);
    }
    if (v.type == TYPE_TEXT || v.type == TYPE_JSON) {
        return arena_strndup(&t.flow, v.bytes.ptr, v.bytes.len);
    }
    for (size_t i = 0; i < v.bytes.len; i++) {
        buf_addf(&out, "%02x", (unsigned char)v.bytes.ptr[i]);
    }
    const char *copy = arena_strdup(&t.flow, buf_c(&out));
    buf_release(&out);
    return copy;
}

static void expect_reject(size_t index, uint32_t pos, enum reject_reason reason, const char *text) {
    assert_true(index < t.out.rejects.count);
    const struct reject *r = &t.out.rejects.items[index];
    const char *message = arena_strndup(&t.flow, r->message.ptr, r->message.len);
    if (strstr(message, text) == NULL) {
        print_message("%s\n", message);
    }
    assert_non_null(strstr(message, text));
    assert_string_equal(reject_reason_name(r->reason), reject_reason_name(reason));
    assert_int_equal(r->pos, pos);
}

/* ---- tests ---- */

static void a_transfer_becomes_a_row_with_all_its_columns(void **state) {
    (void)state;
    declare("Transfer", ERC20);
    record(BLOCK_5);
    log_of(TOKEN, TRANSFER_TOPIC " " ALICE " " BOB, ALL);
    run();
    assert_int_equal(t.out.rejects.count, 0);
    assert_string_equal(cell(0, 0, "chain_id"), "1");
    assert_string_equal(cell(0, 0, "block_number"), "5");
    assert_string_equal(cell(0, 0, "block_hash"), HASH_1);
    assert_string_equal(cell(0, 0, "block_time"), "1000000000");
    assert_string_equal(cell(0, 0, "tx_hash"), HASH_2);
    assert_string_equal(cell(0, 0, "tx_index"), "3");
    assert_string_equal(cell(0, 0, "log_index"), "9");
    assert_string_equal(cell(0, 0, "address"), TOKEN);
    assert_string_equal(cell(0, 0, "from"), "00000000000000000000000000000000000a11ce");
    assert_string_equal(cell(0, 0, "to"), "0000000000000000000000000000000000000b0b");
    assert_string_equal(cell(0, 0, "value"),
                        "1157920892373161954235709850086879078532699846656405640394575840079131296"
                        "39935");
    assert_string_equal(cell(1, 0, "chain_id"), "1");
    assert_string_equal(cell(1, 0, "block_number"), "5");
    assert_string_equal(cell(1, 0, "block_hash"), HASH_1);
    assert_string_equal(cell(1, 0, "parent_hash"), HASH_2);
    assert_string_equal(cell(1, 0, "block_time"), "1000000000");
    assert_string_equal(cell(1, 0, "miner"), TOKEN);
    assert_string_equal(cell(1, 0, "gas_used"), "21000");
    assert_string_equal(cell(1, 0, "gas_limit"), "65535");
    assert_string_equal(cell(1, 0, "base_fee"), "7");
    assert_string_equal(cell(1, 0, "tx_count"), "2");
    assert_string_equal(cell(1, 0, "log_count"), "1");
    assert_int_equal(t.out.streams[1].pos[0], 0);
    assert_int_equal(t.out.streams[0].pos[0], 1);
}

static void variants_of_one_topic0_go_by_their_shape(void **state) {
    (void)state;
    declare("erc20", ERC20);
    declare("erc721", ERC721);
    declare("old", OLD);
    record(BLOCK_5);
    log_of(TOKEN, TRANSFER_TOPIC " " ALICE " " BOB " " ONE, "");
    log_of(TOKEN, TRANSFER_TOPIC, ALICE BOB ONE);
    log_of(TOKEN, TRANSFER_TOPIC " " ALICE " " BOB, ONE);
    run();
    assert_int_equal(t.out.rejects.count, 0);
    assert_int_equal(t.out.streams[0].count, 1);
    assert_int_equal(t.out.streams[0].pos[0], 3);
    assert_int_equal(t.out.streams[1].pos[0], 1);
    assert_string_equal(cell(1, 0, "id"), "1");
    assert_int_equal(t.out.streams[2].pos[0], 2);
    assert_string_equal(cell(2, 0, "to"), "0000000000000000000000000000000000000b0b");
    assert_string_equal(cell(2, 0, "value"), "1");
}

static void what_fits_no_shape_is_rejected_saying_what_came(void **state) {
    (void)state;
    declare("erc20", ERC20);
    record(BLOCK_5);
    log_of(TOKEN, TRANSFER_TOPIC " " ALICE " " BOB " " ONE, "");
    log_of(TOKEN, TRANSFER_TOPIC " " ALICE " " BOB, ONE ONE);
    log_of(TOKEN, TRANSFER_TOPIC " " ALICE " " BOB, "");
    log_of(TOKEN, HASH_1, ONE);
    log_of(TOKEN, "", ONE);
    run();
    const char *shape = "fits no event declared with its topic0; Transfer(address indexed,address "
                        "indexed,uint256) (3 topics, 32 bytes)";
    expect_reject(0, 1, REJECT_TYPE, "a log with 4 topics and 0 bytes of data");
    expect_reject(0, 1, REJECT_TYPE, shape);
    expect_reject(1, 2, REJECT_TYPE, "a log with 3 topics and 64 bytes of data");
    expect_reject(2, 3, REJECT_TYPE, "a log with 3 topics and 0 bytes of data");
    expect_reject(3, 4, REJECT_TYPE,
                  "no event is declared for a log with topic0 0x" HASH_1
                  ", 1 topics and 32 bytes of data");
    expect_reject(4, 5, REJECT_TYPE, "no event is declared for a log with topic0 (none)");
}

static void dirty_padding_is_rejected_with_its_argument(void **state) {
    (void)state;
    declare("erc20", ERC20);
    declare("E", "E(bool b, int24 tick)");
    record(BLOCK_5);
    log_of(TOKEN, TRANSFER_TOPIC " " ALICE " " DIRTY, ONE);
    run();
    expect_reject(0, 1, REJECT_TYPE,
                  "argument 'to' of Transfer(address,address,uint256): its word is no address");
    assert_string_equal(t.out.rejects.items[0].column, "to");
}

static const char *topic_of(const char *signature) {
    uint8_t hash[KECCAK256_BYTES];
    char text[2 * KECCAK256_BYTES + 1];
    keccak256(str_of(signature), hash);
    for (size_t i = 0; i < sizeof(hash); i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", hash[i]);
    }
    return arena_strdup(&t.flow, text);
}

static void every_type_of_argument_becomes_its_cell(void **state) {
    (void)state;
    declare("E", "E(bool b, int24 tick, int64 least, uint64 most, int256 big, bytes4 four)");
    record(BLOCK_5);
    log_of(TOKEN, topic_of("E(bool,int24,int64,uint64,int256,bytes4)"),
           ONE ALL "ffffffffffffffffffffffffffffffffffffffffffffffff8000000000000000"
                   "000000000000000000000000000000000000000000000000ffffffffffffffff" ALL
                   "6162636400000000000000000000000000000000000000000000000000000000");
    run();
    assert_int_equal(t.out.rejects.count, 0);
    assert_string_equal(cell(0, 0, "b"), "1");
    assert_string_equal(cell(0, 0, "tick"), "-1");
    assert_string_equal(cell(0, 0, "least"), "-9223372036854775808");
    assert_string_equal(cell(0, 0, "most"), "18446744073709551615");
    assert_string_equal(cell(0, 0, "big"), "-1");
    assert_string_equal(cell(0, 0, "four"), "61626364");
}

#define HELLO                                                                                      \
    "0000000000000000000000000000000000000000000000000000000000000005"                             \
    "68656c6c6f000000000000000000000000000000000000000000000000000000"

static void dynamic_arguments_and_their_hashes(void **state) {
    (void)state;
    declare("E",
            "E(string indexed key, string text, bytes raw, uint8[] list, (uint8 a,string b) t)");
    record(BLOCK_5);
    log_of(TOKEN,
           arena_printf(&t.flow, "%s %s", topic_of("E(string,string,bytes,uint8[],(uint8,string))"),
                        HASH_2),
           "0000000000000000000000000000000000000000000000000000000000000080"
           "0000000000000000000000000000000000000000000000000000000000000080"
           "00000000000000000000000000000000000000000000000000000000000000c0"
           "00000000000000000000000000000000000000000000000000000000000000e0" HELLO
           "0000000000000000000000000000000000000000000000000000000000000000"
           "0000000000000000000000000000000000000000000000000000000000000007"
           "0000000000000000000000000000000000000000000000000000000000000040" HELLO);
    run();
    assert_int_equal(t.out.rejects.count, 0);
    assert_string_equal(cell(0, 0, "key"), HASH_2);
    assert_string_equal(cell(0, 0, "text"), "hello");
    assert_string_equal(cell(0, 0, "raw"), "68656c6c6f");
    assert_string_equal(cell(0, 0, "list"), "[]");
    assert_string_equal(cell(0, 0, "t"), "{\"a\":7,\"b\":\"hello\"}");
}

static void hostile_text_does_not_lose_the_row(void **state) {
    (void)state;
    declare("E", "E(string name)");
    record(BLOCK_5);
    log_of(TOKEN, topic_of("E(string)"),
           WORD_32 "0000000000000000000000000000000000000000000000000000000000000005"
                   "61ff00c3a9000000000000000000000000000000000000000000000000000000");
    log_of(TOKEN, topic_of("E(string)"),
           WORD_32 "0000000000000000000000000000000000000000000000000000000000000000");
    run();
    assert_int_equal(t.out.rejects.count, 0);
    assert_string_equal(cell(0, 0, "name"), "a\xEF\xBF\xBD\xEF\xBF\xBD\xC3\xA9");
    assert_string_equal(cell(0, 1, "name"), "");
}

static void truncated_and_huge_data_is_rejected(void **state) {
    (void)state;
    declare("S", "S(string name)");
    declare("L", "L(uint256[] list)");
    record(BLOCK_5);
    log_of(TOKEN, topic_of("S(string)"), WORD_32 ONE);
    log_of(TOKEN, topic_of("S(string)"), WORD_32);
    log_of(TOKEN, topic_of("L(uint256[])"), WORD_32 ALL);
    log_of(TOKEN, topic_of("L(uint256[])"), ALL ALL);
    log_of(TOKEN, topic_of("L(uint256[])"),
           WORD_32 "zz"
                   "00000000000000000000000000000000000000000000"
                   "000000000000000000");
    run();
    expect_reject(0, 1, REJECT_TYPE, "argument 'name' of S(string): the length at byte 32");
    expect_reject(1, 2, REJECT_TYPE, "(1 topics, at least 64 bytes)");
    expect_reject(2, 3, REJECT_TYPE, "argument 'list' of L(uint256[]): the length at byte 32");
    expect_reject(3, 4, REJECT_TYPE, "argument 'list' of L(uint256[]): the offset at byte 0");
    expect_reject(4, 5, REJECT_TYPE, "'data' has a character that is no hex digit");
}

static void anonymous_events_take_what_has_no_known_topic0(void **state) {
    (void)state;
    declare("erc20", ERC20);
    declare("note", "Note(bytes32 indexed sig, address indexed who, uint256 wad) anonymous");
    declare("bare", "Bare(uint256 x) anonymous");
    record(BLOCK_5);
    log_of(TOKEN, HASH_1 " " ALICE, ONE);
    log_of(TOKEN, "", ONE);
    log_of(TOKEN, TRANSFER_TOPIC " " ALICE, ONE);
    log_of(TOKEN, HASH_1, ONE);
    run();
    assert_int_equal(t.out.streams[1].count, 1);
    assert_string_equal(cell(1, 0, "sig"), HASH_1);
    assert_string_equal(cell(1, 0, "wad"), "1");
    assert_int_equal(t.out.streams[2].count, 1);
    assert_string_equal(cell(2, 0, "x"), "1");
    expect_reject(0, 3, REJECT_TYPE, "a log with 2 topics and 32 bytes of data fits no event");
    expect_reject(1, 4, REJECT_TYPE,
                  "; anonymous ones:; Note(bytes32 indexed,address indexed,"
                  "uint256) anonymous (2 topics, 32 bytes)");
}

static void addresses_restrict_an_event_and_go_first(void **state) {
    (void)state;
    static const uint8_t two[][EVM_ADDRESS_BYTES] = {
        {0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC,
         0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC},
        {0xBB, 0xBB, 0xBB, 0xBB, 0xBB, 0xBB, 0xBB, 0xBB, 0xBB, 0xBB,
         0xBB, 0xBB, 0xBB, 0xBB, 0xBB, 0xBB, 0xBB, 0xBB, 0xBB, 0xBB}};
    declare("all", ERC20);
    restrict_to(declare("some", ERC20), two, 2);
    restrict_to(declare("id", ERC721), two, 1);
    record(BLOCK_5);
    log_of(TOKEN, TRANSFER_TOPIC " " ALICE " " BOB, ONE);
    log_of(OTHER, TRANSFER_TOPIC " " ALICE " " BOB, ONE);
    log_of(OTHER, TRANSFER_TOPIC " " ALICE " " BOB " " ONE, "");
    run();
    assert_int_equal(t.out.streams[0].count, 1);
    assert_int_equal(t.out.streams[0].pos[0], 1);
    assert_int_equal(t.out.streams[1].count, 1);
    assert_int_equal(t.out.streams[1].pos[0], 2);
    expect_reject(0, 3, REJECT_TYPE, "uint256 indexed) (4 topics, 0 bytes, of other addresses)");
}

static void expect_conflict(bool is_one, const char *text) {
    struct err err = ERR_INIT;
    enum err_code code =
        evm_streams(t.events, t.event_count, &t.flow, &t.streams, &t.stream_count, &err);
    assert_int_equal(code, is_one ? ERR_CONFIG : ERR_NONE);
    if (is_one && strstr(err.message, text) == NULL) {
        print_message("%s\n", err.message);
    }
    assert_true(!is_one || strstr(err.message, text) != NULL);
    t.event_count = 0;
}

static void events_that_take_the_same_logs_are_refused(void **state) {
    (void)state;
    static const uint8_t a[][EVM_ADDRESS_BYTES] = {{1}, {2}};
    static const uint8_t b[][EVM_ADDRESS_BYTES] = {{3}, {2}};
    declare("x", ERC20);
    declare("y", "Transfer(address indexed a, address b, uint256 indexed c)");
    expect_conflict(true, "events 'x' and 'y' cannot be told apart");
    restrict_to(declare("x", ERC20), a, 2);
    restrict_to(declare("y", ERC20), b, 1);
    expect_conflict(false, "");
    restrict_to(declare("x", ERC20), a, 2);
    restrict_to(declare("y", ERC20), b, 2);
    expect_conflict(true, "cannot be told apart");
    declare("x", "E(uint256 a) anonymous");
    declare("y", "F(int8 b) anonymous");
    expect_conflict(true, "cannot be told apart");
    declare("x", "E(string indexed a, uint8 b)");
    declare("y", "E(string a, uint8 indexed b)");
    expect_conflict(false, "");
    declare("blocks", ERC20);
    expect_conflict(true, "an event is named 'blocks'");
}

static void logs_stand_behind_their_block(void **state) {
    (void)state;
    declare("erc20", ERC20);
    const char *log =
        "{\"address\":\"0x" TOKEN "\",\"topics\":[\"0x" TRANSFER_TOPIC "\",\"0x" ALICE "\",\"0x" BOB
        "\"],\"data\":\"0x" ONE "\",\"blockNumber\":\"0x%d\",\"transactionHash\":\"0x" HASH_2
        "\",\"transactionIndex\":\"0x0\",\"logIndex\":\"0x0\"%s}";
    char text[RECORD_MAX];
    for (int i = 0; i < 5; i++) {
        static const char *const more[] = {"", "", ",\"blockHash\":\"0x" HASH_2 "\"",
                                           ",\"removed\":true", ""};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(text, sizeof(text), log, i == 4 ? 6 : 5, more[i]);
#pragma GCC diagnostic pop
        record(text);
        if (i == 0) {
            record(BLOCK_5);
        }
    }
    record("{\"block\":{\"number\":\"0x6\"}}");
    record(text);
    run();
    assert_int_equal(t.out.streams[0].count, 1);
    assert_int_equal(t.out.streams[0].pos[0], 2);
    expect_reject(0, 0, REJECT_MALFORMED, "a log of block 5 without a good block record before it");
    expect_reject(1, 3, REJECT_MALFORMED, "their hashes differ");
    expect_reject(2, 4, REJECT_MALFORMED, "the node says was removed");
    expect_reject(3, 5, REJECT_MALFORMED, "a log of block 6 behind the record of block 5");
    expect_reject(4, 6, REJECT_MISSING, "'hash' is absent");
    expect_reject(5, 7, REJECT_MALFORMED, "a log of block 6 without a good block record");
}

static void a_new_batch_knows_no_block(void **state) {
    (void)state;
    declare("erc20", ERC20);
    record(BLOCK_5);
    run();
    t.record_count = 0;
    log_of(TOKEN, TRANSFER_TOPIC " " ALICE " " BOB, ONE);
    run_meta("137", ERR_NONE);
    expect_reject(0, 0, REJECT_MALFORMED, "without a good block record before it");
}

static void times_come_from_the_block_or_else_the_log(void **state) {
    (void)state;
    declare("E", "E()");
    const char *topic = topic_of("E()");
    record("{\"block\":{\"number\":\"0x5\",\"hash\":\"0x" HASH_1 "\",\"parentHash\":\"0x" HASH_2
           "\",\"logs\":\"0x0\"}}");
    for (int i = 0; i < 2; i++) {
        record(arena_printf(&t.flow,
                            "{\"address\":\"0x" TOKEN "\",\"topics\":[\"0x%s\"],\"data\":\"0x\","
                            "\"blockNumber\":\"0x5\",\"transactionHash\":\"0x" HASH_2
                            "\",\"transactionIndex\":\"0x0\",\"logIndex\":\"0x%d\"%s}",
                            topic, i, i == 0 ? ",\"blockTimestamp\":\"0x7\"" : ""));
    }
    run();
    assert_string_equal(cell(0, 0, "block_time"), "7000000");
    assert_string_equal(cell(0, 1, "block_time"), "null");
    static const char *const nulls[] = {"block_time", "miner",    "gas_used",
                                        "gas_limit",  "base_fee", "tx_count"};
    for (size_t i = 0; i < ARRAY_COUNT(nulls); i++) {
        assert_string_equal(cell(1, 0, nulls[i]), "null");
    }
}

static void the_chain_id_is_the_batchs_meta(void **state) {
    (void)state;
    char meta[EVM_META_BYTES];
    declare("erc20", ERC20);
    record(BLOCK_5);
    evm_meta_format(INT64_MAX, meta);
    run_meta(meta, ERR_NONE);
    assert_string_equal(cell(1, 0, "chain_id"), "9223372036854775807");
    run_meta("", ERR_CORRUPT);
    run_meta("-1", ERR_CORRUPT);
    run_meta("mainnet", ERR_CORRUPT);
}

static void many_rows_of_several_streams_keep_their_numbers(void **state) {
    (void)state;
    declare("erc20", ERC20);
    declare("erc721", ERC721);
    struct err err = ERR_INIT;
    assert_int_equal(
        evm_streams(t.events, t.event_count, &t.flow, &t.streams, &t.stream_count, &err), ERR_NONE);
    assert_int_equal(
        evm_decoder_new(t.events, t.event_count, t.streams, t.stream_count, &t.decoder, &err),
        ERR_NONE);
    log_of(TOKEN, TRANSFER_TOPIC " " ALICE " " BOB, ONE);
    log_of(TOKEN, TRANSFER_TOPIC " " ALICE " " BOB " " ONE, "");
    assert_int_equal(batch_begin(&t.batch, STR("1"), &err), ERR_NONE);
    assert_int_equal(batch_add(&t.batch, STR(BLOCK_5), RECORD_WHOLE, &err), ERR_NONE);
    for (size_t i = 0; i < 3000; i++) {
        assert_int_equal(batch_add(&t.batch, t.records[i % 3 == 0], RECORD_WHOLE, &err), ERR_NONE);
    }
    assert_int_equal(batch_seal(&t.batch, 1, &err), ERR_NONE);
    assert_int_equal(decoder_run(t.decoder, &t.batch, &t.arena, &t.out, &err), ERR_NONE);
    assert_int_equal(t.out.streams[0].count, 2000);
    assert_int_equal(t.out.streams[1].count, 1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(t.out.streams[1].pos[i], 1 + 3 * i);
        assert_string_equal(i % 100 == 0 ? cell(1, i, "id") : "1", "1");
    }
}

static void memory_that_fails_anywhere_is_a_limit_and_no_more(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    int n = 0;
    declare("E", "E(string name, uint8[] list)");
    record(BLOCK_5);
    log_of(TOKEN, topic_of("E(string,uint8[])"), WORD_64 WORD_64 ONE ONE);
    run();
    assert_int_equal(t.out.streams[0].count, 1);
    for (enum err_code code = ERR_LIMIT; code != ERR_NONE; n++) {
        arena_reset(&t.arena);
        assert_int_equal(fault_arm(arena_printf(&t.flow, "alloc:%d", n + 1), &err), ERR_NONE);
        code = decoder_run(t.decoder, &t.batch, &t.arena, &t.out, &err);
        assert_int_equal(fault_arm(NULL, &err), ERR_NONE);
        assert_true(code == ERR_NONE || code == ERR_LIMIT);
    }
    assert_true(n > 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_transfer_becomes_a_row_with_all_its_columns),
        TEST(variants_of_one_topic0_go_by_their_shape),
        TEST(what_fits_no_shape_is_rejected_saying_what_came),
        TEST(dirty_padding_is_rejected_with_its_argument),
        TEST(every_type_of_argument_becomes_its_cell),
        TEST(dynamic_arguments_and_their_hashes),
        TEST(hostile_text_does_not_lose_the_row),
        TEST(truncated_and_huge_data_is_rejected),
        TEST(anonymous_events_take_what_has_no_known_topic0),
        TEST(addresses_restrict_an_event_and_go_first),
        TEST(events_that_take_the_same_logs_are_refused),
        TEST(logs_stand_behind_their_block),
        TEST(a_new_batch_knows_no_block),
        TEST(times_come_from_the_block_or_else_the_log),
        TEST(the_chain_id_is_the_batchs_meta),
        TEST(memory_that_fails_anywhere_is_a_limit_and_no_more),
        TEST(many_rows_of_several_streams_keep_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
