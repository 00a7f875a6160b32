/* What to ask for: the declared events, compiled.
 *
 *     Transfer: event Transfer(address indexed from, address indexed to, uint256 value)
 *     Created:  {event: "PairCreated(address indexed token0, ...)", address: 0x5C69...}
 *     Sync:     {event: "Sync(uint112 reserve0, uint112 reserve1)", address: {learned: Created.pair}}
 *
 * Events fall into two groups. The first are those whose addresses are known beforehand (all, or a list);
 * the second those of learned addresses, which can be asked only after the first group's logs of the same
 * blocks. A group is one filter: any of its topic0s, at any of its addresses. That is more than what was
 * declared, so each log is matched again here. Const once made; lives in the arena it was made in. */
#ifndef PLUMB_SOURCE_EVM_PLAN_H
#define PLUMB_SOURCE_EVM_PLAN_H

#include "base/hash.h"
#include "component/node.h"
#include "source/evm/decoder.h"
#include "source/evm/learn.h"
#include "source/evm/log.h"

#define PLAN_ADDRESSES_MAX    100000 /* of one event's list */
#define PLAN_SETS_MAX         32     /* parameters that teach addresses */
#define PLAN_GROUPS           2      /* asked for one after the other */
#define PLAN_GROUP_LEARNED    1      /* events of learned addresses; the first are all others */
#define PLAN_FILTER_MAX       5000   /* more addresses than this: ask for all and choose here */
#define PLAN_FILTER_ADDRESSES 500    /* in one question */

enum plan_address { PLAN_ALL, PLAN_LIST, PLAN_LEARNED };

struct plan_event {
    enum plan_address address;
    unsigned set; /* PLAN_LEARNED: which */
};

/* A parameter that teaches addresses: "Created.pair". */
struct plan_set {
    const char *name;
    size_t event;
    const struct abi_param *param;
};

struct plan_group {
    bool is_used;
    bool any_topic; /* has an anonymous event */
    uint8_t (*topics)[EVM_HASH_BYTES];
    struct bloom_key *topic_keys;
    size_t topic_count;
    /* The first group only: the union of the lists, unless an event has none. */
    bool has_addresses;
    uint8_t (*addresses)[EVM_ADDRESS_BYTES];
    struct bloom_key *address_keys;
    size_t address_count;
};

struct evm_plan {
    struct stream streams[STREAMS_MAX]; /* first: whoever has these has the plan */
    size_t stream_count;
    struct evm_event events[EVM_EVENTS_MAX];
    struct plan_event rules[EVM_EVENTS_MAX];
    size_t event_count;
    struct plan_set sets[PLAN_SETS_MAX];
    size_t set_count;
    struct plan_group groups[PLAN_GROUPS];
    char fingerprint[HASH128_HEX_BYTES]; /* changes with what is asked for */
};

/* events: the map of the option (NULL: none). CONFIG at the place in the file. */
MUST_CHECK enum err_code plan_make(const struct node *events, struct arena *arena,
                                   const struct evm_plan **out, struct err *err);

/* What a log is to the plan. */
struct plan_match {
    bool is_wanted; /* whatever has been learned */
    uint32_t sets;  /* wanted if its address is in one of these sets by then */
    uint32_t teaches;
};
struct plan_match plan_match(const struct evm_plan *plan, const struct evm_log *log);
/* The address that a log which teaches `set` gives; false when the log is too short for it. */
MUST_CHECK bool plan_taught(const struct plan_set *set, const struct evm_log *log,
                            uint8_t address[EVM_ADDRESS_BYTES]);
/* True when the header's bloom does not rule out a wanted log of the group. learned: plan->set_count
 * sets. */
bool plan_group_may_match(const struct evm_plan *plan, size_t group, const struct learned *learned,
                          const uint8_t bloom[BLOOM_BYTES]);
/* Adds the members "topics" and, of count > 0 addresses, "address" of a filter, each with a comma before. */
void plan_write_filter(const struct plan_group *group,
                       const uint8_t (*addresses)[EVM_ADDRESS_BYTES], size_t count,
                       struct buf *out);
void plan_write_hex(const uint8_t *bytes, size_t count, struct buf *out);

#endif
