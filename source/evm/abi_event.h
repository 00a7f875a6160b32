/* Events by their signature as people write it, and the stream of rows they become.
 *
 *     event Transfer(address indexed from, address indexed to, uint256 value)
 *     Swap((uint128 amount, bytes path) route, string[] indexed tags) anonymous
 *
 * `event`, a semicolon at the end and names of parameters may be left out; uint is uint256, int int256;
 * tuple(...) is (...). An event is const and lives in the arena it was parsed into.
 *
 * Columns of the stream: those that every stream of events has (EVM_COLUMNS), then one for each
 * parameter, by its name; a parameter without a name is arg0, arg1, ... by its place. A name that is
 * taken (common columns, the engine's own, another parameter whatever the case of its letters) gets
 * underscores behind until it is free.
 *
 *   parameter                        column
 *   address                          bytes, 20
 *   bool                             bool
 *   uint8 .. uint56, int8 .. int64   int64
 *   larger integers                  int256
 *   bytes1 .. bytes32                bytes
 *   bytes                            bytes
 *   string                           text, with U+FFFD for NUL and what is not UTF-8
 *   arrays, tuples                   json (abi_type.h says how)
 *   indexed string, bytes, arrays    bytes, 32: all that the chain keeps is their hash
 *   and tuples
 */
#ifndef PLUMB_SOURCE_EVM_ABI_EVENT_H
#define PLUMB_SOURCE_EVM_ABI_EVENT_H

#include "rows/stream.h"
#include "source/evm/abi_type.h"
#include "source/evm/keccak.h"

#define ABI_PARAMS_MAX    64
#define ABI_TOPICS_MAX    4 /* of a log, topic0 included */
#define EVM_ADDRESS_BYTES 20
#define EVM_HASH_BYTES    32

/* The columns every stream of events begins with. */
#define EVM_COLUMNS(X)                                                                             \
    X(CHAIN_ID, "chain_id", INT64)                                                                 \
    X(BLOCK_NUMBER, "block_number", INT64)                                                         \
    X(BLOCK_HASH, "block_hash", BYTES)                                                             \
    X(BLOCK_TIME, "block_time", TIMESTAMP)                                                         \
    X(TX_HASH, "tx_hash", BYTES)                                                                   \
    X(TX_INDEX, "tx_index", INT64)                                                                 \
    X(LOG_INDEX, "log_index", INT64)                                                               \
    X(ADDRESS, "address", BYTES)
enum evm_column {
#define X(id, name, type) EVM_COLUMN_##id,
    EVM_COLUMNS(X)
#undef X
        EVM_COLUMN_COUNT /* the first parameter's */
};

/* The columns of the stream `blocks`. base_fee is NULL before London, tx_count when the node did not
 * say. */
#define EVM_BLOCK_COLUMNS(X)                                                                       \
    X(CHAIN_ID, "chain_id", INT64)                                                                 \
    X(BLOCK_NUMBER, "block_number", INT64)                                                         \
    X(BLOCK_HASH, "block_hash", BYTES)                                                             \
    X(PARENT_HASH, "parent_hash", BYTES)                                                           \
    X(BLOCK_TIME, "block_time", TIMESTAMP)                                                         \
    X(MINER, "miner", BYTES)                                                                       \
    X(GAS_USED, "gas_used", INT64)                                                                 \
    X(GAS_LIMIT, "gas_limit", INT64)                                                               \
    X(BASE_FEE, "base_fee", INT256)                                                                \
    X(TX_COUNT, "tx_count", INT64)                                                                 \
    X(LOG_COUNT, "log_count", INT64)
enum evm_block_column {
#define X(id, name, type) EVM_BLOCK_COLUMN_##id,
    EVM_BLOCK_COLUMNS(X)
#undef X
        EVM_BLOCK_COLUMN_COUNT
};

struct abi_param {
    const char *name; /* "" when it has none */
    const struct abi_type *type;
    bool is_indexed;
    bool is_hashed;          /* indexed, and of a type of which only the hash is kept */
    enum column_type column; /* the type of its column, EVM_COLUMN_COUNT + its place */
    unsigned topic;          /* indexed: which topic of the log */
    uint64_t head;           /* else: where its head begins in the data */
};

struct abi_event {
    const char *name;
    const char *signature; /* canonical: "Transfer(address,address,uint256)" */
    const char *shape;     /* for messages: "Transfer(address indexed,address indexed,uint256)" */
    bool is_anonymous;
    uint8_t topic0[EVM_HASH_BYTES]; /* hash of signature; logs of anonymous events do not have it */
    const struct abi_param *params;
    size_t param_count;
    unsigned topic_count; /* of its logs: the indexed parameters, and topic0 unless anonymous */
    bool is_dynamic;      /* the data has offsets: data_bytes is the least there can be */
    uint64_t data_bytes;
    struct schema schema;
};

/* CONFIG when the text is no event: the offset, what is wrong there and what to write. */
MUST_CHECK enum err_code abi_event_parse(struct str text, struct arena *arena,
                                         const struct abi_event **out, struct err *err);
/* The stream of an event; name is borrowed. */
struct stream evm_event_stream(const struct abi_event *event, const char *name);
/* The stream "blocks". */
struct stream evm_block_stream(void);

#endif
