/* How it works: matching and asking. A log is held against every declared event; there are few, and the
 * first word of topic0 tells most of them apart. Making a plan is in plan_make.c. */
#include "source/evm/plan.h"

#include <string.h>

static bool topic_is(const struct evm_log *log, const uint8_t topic[EVM_HASH_BYTES]) {
    return log->topic_count > 0 && memcmp(log->topics[0], topic, EVM_HASH_BYTES) == 0;
}

static bool is_declared(const struct evm_plan *plan, const struct evm_log *log) {
    for (size_t i = 0; i < plan->event_count; i++) {
        if (!plan->events[i].abi->is_anonymous && topic_is(log, plan->events[i].abi->topic0)) {
            return true;
        }
    }
    return false;
}

static bool has_address(const struct evm_event *event, const struct evm_log *log) {
    size_t low = 0;
    size_t high = event->address_count;
    while (low < high) { /* sorted by plan_make */
        const size_t middle = low + (high - low) / 2;
        const int order = memcmp(event->addresses[middle], log->address, EVM_ADDRESS_BYTES);
        if (order == 0) {
            return true;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return false;
}

static uint32_t sets_of(const struct evm_plan *plan, size_t event) {
    uint32_t sets = 0;
    for (size_t i = 0; i < plan->set_count; i++) {
        sets |= plan->sets[i].event == event ? UINT32_C(1) << i : 0;
    }
    return sets;
}

struct plan_match plan_match(const struct evm_plan *plan, const struct evm_log *log) {
    struct plan_match match = {false, 0, 0};
    for (size_t i = 0; i < plan->event_count; i++) {
        const struct abi_event *abi = plan->events[i].abi;
        const bool is_of_event =
            abi->is_anonymous ? log->topic_count == abi->topic_count && !is_declared(plan, log)
                              : topic_is(log, abi->topic0);
        if (!is_of_event) {
            continue;
        }
        switch (plan->rules[i].address) {
        case PLAN_LEARNED:
            match.sets |= UINT32_C(1) << plan->rules[i].set;
            break;
        case PLAN_LIST:
            if (!has_address(&plan->events[i], log)) {
                break;
            }
            match.is_wanted = true;
            match.teaches |= log->topic_count == abi->topic_count ? sets_of(plan, i) : 0;
            break;
        case PLAN_ALL:
            match.is_wanted = true;
            match.teaches |= log->topic_count == abi->topic_count ? sets_of(plan, i) : 0;
            break;
        }
    }
    return match;
}

bool plan_taught(const struct plan_set *set, const struct evm_log *log,
                 uint8_t address[EVM_ADDRESS_BYTES]) {
    uint8_t word[EVM_HASH_BYTES] = {0};
    if (set->param->is_indexed) {
        if (set->param->topic >= log->topic_count) {
            return false;
        }
        memcpy(word, log->topics[set->param->topic], sizeof word);
    } else {
        const uint64_t from = set->param->head * 2;
        const size_t digits = 2 * sizeof word;
        if (log->data_hex.len < digits || from > log->data_hex.len - digits ||
            evm_hex_decode((struct str){log->data_hex.ptr + from, digits}, word) != digits) {
            return false;
        }
    }
    static const uint8_t zeros[EVM_HASH_BYTES - EVM_ADDRESS_BYTES];
    memcpy(address, word + sizeof zeros, EVM_ADDRESS_BYTES);
    return memcmp(word, zeros, sizeof zeros) == 0;
}

static bool any_key(const struct bloom_key *keys, size_t count, const uint8_t *bloom) {
    for (size_t i = 0; i < count; i++) {
        if (bloom_has(bloom, &keys[i])) {
            return true;
        }
    }
    return false;
}

static bool any_learned(const struct evm_plan *plan, const struct learned *learned,
                        const uint8_t *bloom) {
    for (size_t s = 0; s < plan->set_count; s++) {
        if (learned[s].count > PLAN_FILTER_MAX) {
            return true;
        }
        for (size_t i = 0; i < learned[s].count; i++) {
            if (bloom_has(bloom, &learned[s].items[i].key)) {
                return true;
            }
        }
    }
    return false;
}

/* A filter without a single bit has nothing to say: there was no log at all, or the chain has none. */
static bool is_bloom_empty(const uint8_t bloom[BLOOM_BYTES]) {
    static const uint8_t none[BLOOM_BYTES];
    return memcmp(bloom, none, BLOOM_BYTES) == 0;
}

bool plan_group_may_match(const struct evm_plan *plan, size_t g, const struct learned *learned,
                          const uint8_t bloom[BLOOM_BYTES]) {
    const struct plan_group *group = &plan->groups[g];
    if (!group->is_used || is_bloom_empty(bloom) ||
        (!group->any_topic && !any_key(group->topic_keys, group->topic_count, bloom))) {
        return false;
    }
    return g == PLAN_GROUP_LEARNED
               ? any_learned(plan, learned, bloom)
               : !group->has_addresses || any_key(group->address_keys, group->address_count, bloom);
}

void plan_write_hex(const uint8_t *bytes, size_t count, struct buf *out) {
    static const char digits[] = "0123456789abcdef";
    char text[2 * EVM_HASH_BYTES];
    ASSERT(count <= EVM_HASH_BYTES);
    for (size_t i = 0; i < count; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    buf_adds(out, "\"0x");
    buf_addstr(out, (struct str){text, 2 * count});
    buf_addc(out, '"');
}

void plan_write_filter(const struct plan_group *group,
                       const uint8_t (*addresses)[EVM_ADDRESS_BYTES], size_t count,
                       struct buf *out) {
    if (!group->any_topic) {
        buf_adds(out, ",\"topics\":[[");
        for (size_t i = 0; i < group->topic_count; i++) {
            buf_adds(out, i > 0 ? "," : "");
            plan_write_hex(group->topics[i], EVM_HASH_BYTES, out);
        }
        buf_adds(out, "]]");
    }
    if (count > 0) {
        buf_adds(out, ",\"address\":[");
        for (size_t i = 0; i < count; i++) {
            buf_adds(out, i > 0 ? "," : "");
            plan_write_hex(addresses[i], EVM_ADDRESS_BYTES, out);
        }
        buf_addc(out, ']');
    }
}
