/* The two raw records of the evm source, read without allocating.
 *
 * A log is the node's own JSON object (an item of what eth_getLogs answers), unchanged; fields in any
 * order, unknown ones ignored. blockHash and blockTimestamp may be absent or null.
 *
 *     {"address":"0x..","topics":["0x.."],"data":"0x..","blockNumber":"0x1","transactionHash":"0x..",
 *      "transactionIndex":"0x0","logIndex":"0x0","blockHash":"0x..","removed":false}
 *
 * A block is an object with the one member "block": the fields of the header as the node said them
 * (what eth_getBlockByNumber answers), and of the source's own "logs", the number of logs of our filter
 * in that block. tx_count is "transactionCount", or the length of "transactions".
 *
 *     {"block":{"number":"0x1","hash":"0x..","parentHash":"0x..","timestamp":"0x5","miner":"0x..",
 *      "gasUsed":"0x0","gasLimit":"0x0","baseFeePerGas":"0x7","transactionCount":2,"logs":1}}
 *
 * Quantities are "0x" and hex digits in any case, leading zeros allowed, or whole JSON numbers. Hashes,
 * addresses and data have exactly the digits they need. A record with a key twice is refused.
 *
 * Nothing behind the record is read: it may be a view into anything. */
#ifndef PLUMB_SOURCE_EVM_LOG_H
#define PLUMB_SOURCE_EVM_LOG_H

#include "rows/contract.h"
#include "source/evm/abi_event.h"

struct evm_log {
    uint8_t address[EVM_ADDRESS_BYTES];
    uint8_t topics[ABI_TOPICS_MAX][EVM_HASH_BYTES];
    unsigned topic_count;
    struct str
        data_hex; /* view into the record: the digits behind 0x; an even number, not looked at */
    bool has_block_hash;
    bool has_block_time;
    bool is_removed; /* the node says that a reorganisation took it away */
    uint8_t block_hash[EVM_HASH_BYTES];
    uint8_t tx_hash[EVM_HASH_BYTES];
    int64_t block_number;
    int64_t block_time_us;
    int64_t tx_index;
    int64_t log_index;
};

/* Only number, hash, parentHash and logs must be there. */
struct evm_block {
    int64_t number;
    int64_t time_us;
    int64_t gas_used;
    int64_t gas_limit;
    int64_t tx_count;
    int64_t log_count;
    uint8_t hash[EVM_HASH_BYTES];
    uint8_t parent_hash[EVM_HASH_BYTES];
    uint8_t miner[EVM_ADDRESS_BYTES];
    uint8_t base_fee[EVM_HASH_BYTES]; /* big-endian */
    bool has_time;
    bool has_gas_used;
    bool has_gas_limit;
    bool has_tx_count;
    bool has_miner;
    bool has_base_fee;
};

/* Why a record could not be read. */
struct evm_fault {
    enum reject_reason reason; /* MALFORMED, DUPLICATE_KEY, MISSING, TYPE or RANGE */
    const char *field;         /* which one, or NULL: static text */
    const char *what;          /* static text: "is not 0x and 64 hex digits" */
    int64_t offset;            /* in the record, or -1 */
};

/* True when the record is a block: its first key is "block". */
bool evm_record_is_block(struct str record);
MUST_CHECK bool evm_log_parse(struct str record, struct evm_log *out, struct evm_fault *fault);
MUST_CHECK bool evm_block_parse(struct str record, struct evm_block *out, struct evm_fault *fault);

/* hex.len / 2 bytes to out; returns the index of the first character that is no hex digit, hex.len when
 * all are. hex.len is even. */
size_t evm_hex_decode(struct str hex, uint8_t *out);

#endif
