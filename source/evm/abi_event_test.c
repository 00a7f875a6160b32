#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/evm/abi_event.h"

#include <stdio.h>
#include <string.h>

#define ARENA_MAX ((size_t)4 << 20)

static struct arena arena;

static int setup(void **state) {
    (void)state;
    arena_init(&arena, ARENA_MAX);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static const struct abi_event *parse(const char *text) {
    struct err err = ERR_INIT;
    const struct abi_event *event = NULL;
    enum err_code code = abi_event_parse(str_of(text), &arena, &event, &err);
    if (code != ERR_NONE) {
        print_message("%s: %s\n", text, err.message);
    }
    assert_int_equal(code, ERR_NONE);
    return event;
}

static void expect_refused(const char *text, const char *message) {
    struct err err = ERR_INIT;
    const struct abi_event *event = NULL;
    assert_int_equal(abi_event_parse(str_of(text), &arena, &event, &err), ERR_CONFIG);
    if (strstr(err.message, message) == NULL) {
        print_message("%s: %s\n", text, err.message);
    }
    assert_non_null(strstr(err.message, message));
    assert_null(event);
}

/* "name type, name type" of the columns behind the common ones. */
static void expect_columns(const char *text, const char *expected) {
    const struct abi_event *event = parse(text);
    struct buf columns = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = EVM_COLUMN_COUNT; i < event->schema.count; i++) {
        buf_addf(&columns, "%s%s %s", i > EVM_COLUMN_COUNT ? ", " : "",
                 event->schema.columns[i].name, type_name(event->schema.columns[i].type));
    }
    assert_string_equal(buf_c(&columns), expected);
    buf_release(&columns);
}

/* topic0 of these is in every explorer and in the sources of the contracts' libraries. */
static void known_events_get_their_known_topic0(void **state) {
    (void)state;
    static const struct {
        const char *text, *signature, *topic0;
    } cases[] = {
        {"event Transfer(address indexed from, address indexed to, uint256 value)",
         "Transfer(address,address,uint256)",
         "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"},
        {"PairCreated(address indexed token0, address indexed token1, address pair, uint);",
         "PairCreated(address,address,address,uint256)",
         "0d3648bd0f6ba80134a33ba9275ac585d9d315f0ad8355cddefde31afa28d0e9"},
        {"  event  Swap ( address indexed sender , uint amount0In , uint amount1In , uint "
         "amount0Out,"
         "\n uint amount1Out , address indexed to ) ; ",
         "Swap(address,uint256,uint256,uint256,uint256,address)",
         "d78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822"},
        {"OwnershipTransferred(address indexed, address indexed)",
         "OwnershipTransferred(address,address)",
         "8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e0"},
        {"event TransferBatch(address indexed operator, address indexed from, address indexed to, "
         "uint256[] ids, uint256[] values)",
         "TransferBatch(address,address,address,uint256[],uint256[])",
         "4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb"},
        {"event OrderFulfilled(bytes32 orderHash, address indexed offerer, address indexed zone, "
         "address recipient, (uint8 itemType, address token, uint256 identifier, uint256 amount)[] "
         "offer, tuple(uint8 itemType, address token, uint256 identifier, uint256 amount, address "
         "payable recipient)[] consideration)",
         "OrderFulfilled(bytes32,address,address,address,(uint8,address,uint256,uint256)[],(uint8,"
         "address,uint256,uint256,address)[])",
         "9d9af8e38d66c62e2c12f0225249fd9d721c54b83f48d9352c97c6cacdcb6f31"},
        {"Paused()", "Paused()",
         "9e87fac88ff661f02d44f95383c817fece4bce600a3dab7a54406878b965e752"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct abi_event *event = parse(cases[i].text);
        char topic0[2 * EVM_HASH_BYTES + 1];
        for (size_t j = 0; j < EVM_HASH_BYTES; j++) {
            (void)snprintf(topic0 + 2 * j, 3, "%02x", event->topic0[j]);
        }
        assert_string_equal(event->signature, cases[i].signature);
        assert_string_equal(topic0, cases[i].topic0);
    }
}

static void parameters_stand_in_topics_or_in_the_data(void **state) {
    (void)state;
    const struct abi_event *event =
        parse("E(uint8 a, string indexed b, uint256[2] c, bytes d, bool indexed e) anonymous");
    assert_string_equal(event->name, "E");
    assert_string_equal(event->shape, "E(uint8,string indexed,uint256[2],bytes,bool indexed) "
                                      "anonymous");
    assert_true(event->is_anonymous);
    assert_int_equal(event->topic_count, 2);
    assert_true(event->is_dynamic);
    assert_int_equal(event->data_bytes, 32 + 64 + 32 + 32);
    assert_int_equal(event->params[0].head, 0);
    assert_int_equal(event->params[1].topic, 0);
    assert_true(event->params[1].is_hashed);
    assert_int_equal(event->params[2].head, 32);
    assert_int_equal(event->params[3].head, 96);
    assert_int_equal(event->params[4].topic, 1);
    assert_false(event->params[4].is_hashed);
    event = parse("E(uint8 indexed a, uint8 b)");
    assert_int_equal(event->topic_count, 2);
    assert_int_equal(event->params[0].topic, 1);
    assert_int_equal(event->data_bytes, 32);
    assert_false(event->is_dynamic);
}

static void each_type_has_its_column_type(void **state) {
    (void)state;
    expect_columns("E(address a, bool b, uint8 c, uint56 d, uint64 e, int64 f, int72 g, uint256 h)",
                   "a bytes, b bool, c int64, d int64, e int256, f int64, g int256, h int256");
    expect_columns("E(bytes4 a, bytes b, string c, uint8[2] d, (uint8,bool) e, int[] f)",
                   "a bytes, b bytes, c text, d json, e json, f json");
    expect_columns("E(string indexed a, uint8[2] indexed b, (uint8,bool) indexed c)",
                   "a bytes, b bytes, c bytes");
    expect_columns("E(bytes32 indexed a, int8 indexed b, uint indexed c)",
                   "a bytes, b int64, c int256");
}

static void names_that_clash_get_underscores(void **state) {
    (void)state;
    expect_columns("E(uint8, uint8 x, uint8)", "arg0 int64, x int64, arg2 int64");
    expect_columns("E(address address, uint8 block_number, uint8 Chain_ID)",
                   "address_ bytes, block_number_ int64, Chain_ID_ int64");
    expect_columns("E(uint8 value, uint8 Value, uint8 VALUE)",
                   "value int64, Value_ int64, VALUE__ int64");
    expect_columns("E(uint8, uint8 arg0)", "arg0 int64, arg0_ int64");
    expect_columns("E(uint8 address_, address address)", "address_ int64, address__ bytes");
    expect_columns("E(uint8 _pos, uint8 _batch, uint8 _partition, uint8 _record, uint8 _from)",
                   "_pos_ int64, _batch_ int64, _partition_ int64, _record_ int64, _from int64");
    expect_columns("E(uint8 select, uint8 $a)", "select int64, $a int64");
}

static void streams_begin_with_the_common_columns(void **state) {
    (void)state;
    struct stream s = evm_event_stream(parse("E(uint8 a)"), "e");
    static const char *const names[] = {"chain_id",   "block_number", "block_hash",
                                        "block_time", "tx_hash",      "tx_index",
                                        "log_index",  "address",      "a"};
    assert_string_equal(s.name, "e");
    assert_int_equal(s.schema.count, ARRAY_COUNT(names));
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        assert_string_equal(s.schema.columns[i].name, names[i]);
    }
    assert_int_equal(s.schema.columns[EVM_COLUMN_BLOCK_TIME].type, TYPE_TIMESTAMP);
    assert_int_equal(s.identity_count, 3);
    assert_string_equal(s.schema.columns[s.identity[0]].name, "chain_id");
    assert_string_equal(s.schema.columns[s.identity[1]].name, "block_number");
    assert_string_equal(s.schema.columns[s.identity[2]].name, "log_index");
    struct stream blocks = evm_block_stream();
    assert_string_equal(blocks.name, "blocks");
    assert_int_equal(blocks.schema.count, EVM_BLOCK_COLUMN_COUNT);
    assert_int_equal(blocks.identity_count, 2);
    assert_string_equal(blocks.schema.columns[blocks.identity[1]].name, "block_number");
    assert_int_equal(schema_find(&blocks.schema, STR("base_fee")), EVM_BLOCK_COLUMN_BASE_FEE);
}

static void what_is_no_event_is_refused_with_what_to_write(void **state) {
    (void)state;
    expect_refused("", "the name of an event is missing");
    expect_refused("event", "at the end of the signature: the name of an event is missing");
    expect_refused("event (uint8)", "the name of an event is missing");
    expect_refused("Transfer", "'(' and the types");
    expect_refused("1Transfer()", "a name begins with a letter");
    expect_refused("Transfer(address indexed from, addres to)",
                   "at byte 31 of the signature ('addres to)'): 'addres' is no type; did you mean "
                   "address?");
    expect_refused("Transfer(address from to)", "at byte 22");
    expect_refused("Transfer(address indexed indexed)", "leave 'indexed' out");
    expect_refused("Transfer((uint8 indexed a) b)", "only whole parameters");
    expect_refused("Transfer(address) anonymus", "only 'anonymous' may stand behind");
    expect_refused("Transfer(address) anonymous x", "more text behind the event");
    expect_refused("Transfer(address);;", "more text behind the event");
    expect_refused("Transfer(address", "',' or ')' is missing");
    expect_refused("Transfer(uint8 indexed,uint8 indexed,uint8 indexed,uint8 indexed)",
                   "4 indexed parameters; an event has at most 3");
    expect_refused("T(int indexed,int indexed,int indexed,int indexed,int indexed) anonymous",
                   "5 indexed parameters; an anonymous event has at most 4");
    expect_refused("T(uint8[2000] a, uint8[2000] b)", "more than 64 KiB");
    expect_refused("event event(uint8)e", "only 'anonymous'");
}

static void there_may_be_sixty_four_parameters(void **state) {
    (void)state;
    struct buf text = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&text, "E(bool");
    for (int i = 1; i < ABI_PARAMS_MAX; i++) {
        buf_adds(&text, ",bool");
    }
    struct buf more = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&more, "%s,bool)", buf_c(&text));
    buf_adds(&text, ")");
    assert_int_equal(parse(buf_c(&text))->param_count, ABI_PARAMS_MAX);
    expect_refused(buf_c(&more), "65 parameters; 64 is the most");
    buf_release(&text);
    buf_release(&more);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(known_events_get_their_known_topic0, setup, teardown),
        cmocka_unit_test_setup_teardown(parameters_stand_in_topics_or_in_the_data, setup, teardown),
        cmocka_unit_test_setup_teardown(each_type_has_its_column_type, setup, teardown),
        cmocka_unit_test_setup_teardown(names_that_clash_get_underscores, setup, teardown),
        cmocka_unit_test_setup_teardown(streams_begin_with_the_common_columns, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_event_is_refused_with_what_to_write, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(there_may_be_sixty_four_parameters, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
