/* How a log finds its event: the events are kept in one array with the first bytes of their topic0 beside
 * them; those of the log's topic0 are looked at one by one, restricted ones first. evm_streams makes
 * sure that no two of a kind would both take it. */
#include "source/evm/decoder_match.h"

#include "rows/contract.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static uint64_t key_of(const uint8_t topic0[EVM_HASH_BYTES]) {
    uint64_t key = 0;
    memcpy(&key, topic0, sizeof(key));
    return key;
}

/* ---- streams ---- */

static bool share_address(const struct evm_event *a, const struct evm_event *b) {
    if (a->address_count == 0 || b->address_count == 0) {
        return a->address_count == b->address_count; /* a restricted one goes before */
    }
    for (size_t i = 0; i < a->address_count; i++) {
        for (size_t j = 0; j < b->address_count; j++) {
            if (memcmp(a->addresses[i], b->addresses[j], EVM_ADDRESS_BYTES) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Whether there is a log that fits both. */
static bool share_shape(const struct abi_event *a, const struct abi_event *b) {
    if (a->is_anonymous != b->is_anonymous || a->topic_count != b->topic_count ||
        (!a->is_anonymous && memcmp(a->topic0, b->topic0, EVM_HASH_BYTES) != 0)) {
        return false;
    }
    if (a->is_dynamic && b->is_dynamic) {
        return true;
    }
    return a->is_dynamic   ? b->data_bytes >= a->data_bytes
           : b->is_dynamic ? a->data_bytes >= b->data_bytes
                           : a->data_bytes == b->data_bytes;
}

enum err_code evm_streams(const struct evm_event *events, size_t count, struct arena *arena,
                          struct stream **out, size_t *out_count, struct err *err) {
    if (count > EVM_EVENTS_MAX) {
        return err_set(err, ERR_CONFIG, "%zu events; %d is the most", count, EVM_EVENTS_MAX);
    }
    struct stream *streams = arena_new(arena, (count + 1) * sizeof(*streams));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(events[i].name, EVM_BLOCKS_STREAM) == 0) {
            return err_set(err, ERR_CONFIG,
                           "an event is named '" EVM_BLOCKS_STREAM
                           "', which is the stream of the blocks; name it otherwise");
        }
        for (size_t j = 0; j < i; j++) {
            if (share_shape(events[i].abi, events[j].abi) &&
                share_address(&events[i], &events[j])) {
                return err_set(err, ERR_CONFIG,
                               "events '%s' and '%s' cannot be told apart: both take logs like %s "
                               "of the same contracts; leave one out, or give each its own list "
                               "of addresses (learned ones do not count)",
                               events[j].name, events[i].name, events[i].abi->shape);
            }
        }
        streams[i] = evm_event_stream(events[i].abi, events[i].name);
    }
    streams[count] = evm_block_stream();
    *out = streams;
    *out_count = count + 1;
    return ERR_NONE;
}

/* ---- matching ---- */

static int compare_addresses(const void *a, const void *b) {
    return memcmp(a, b, EVM_ADDRESS_BYTES);
}

static bool takes_address(const struct variant *v, const uint8_t address[EVM_ADDRESS_BYTES]) {
    return v->address_count == 0 || bsearch(address, v->addresses, v->address_count,
                                            EVM_ADDRESS_BYTES, compare_addresses) != NULL;
}

static bool takes_shape(const struct variant *v, const struct evm_log *log) {
    size_t bytes = log->data_hex.len / 2;
    return v->abi->topic_count == log->topic_count &&
           (v->abi->is_dynamic ? bytes >= v->abi->data_bytes : bytes == v->abi->data_bytes);
}

static bool is_of(const struct variant *v, const struct evm_log *log, uint64_t key) {
    return !v->abi->is_anonymous && v->key == key &&
           memcmp(v->abi->topic0, log->topics[0], EVM_HASH_BYTES) == 0;
}

const struct variant *matcher_find(const struct matcher *m, const struct evm_log *log,
                                   bool *is_known) {
    uint64_t key = key_of(log->topics[0]);
    *is_known = false;
    for (size_t i = 0; i < m->count && log->topic_count > 0; i++) {
        const struct variant *v = &m->variants[i];
        if (is_of(v, log, key)) {
            *is_known = true;
            if (takes_shape(v, log) && takes_address(v, log->address)) {
                return v;
            }
        }
    }
    for (size_t i = 0; i < m->count && !*is_known; i++) {
        const struct variant *v = &m->variants[i];
        if (v->abi->is_anonymous && takes_shape(v, log) && takes_address(v, log->address)) {
            return v;
        }
    }
    return NULL;
}

void matcher_add_shapes(const struct matcher *m, const struct evm_log *log, bool is_known,
                        struct buf *out) {
    uint64_t key = key_of(log->topics[0]);
    for (size_t i = 0; i < m->count && out->len < REJECT_MESSAGE_BYTES; i++) {
        const struct variant *v = &m->variants[i];
        if (is_known ? is_of(v, log, key) : v->abi->is_anonymous) {
            bool is_elsewhere = takes_shape(v, log); /* so the address did not fit */
            buf_addf(out, "; %s (%u topics, %s%" PRIu64 " bytes%s)", v->abi->shape,
                     v->abi->topic_count, v->abi->is_dynamic ? "at least " : "", v->abi->data_bytes,
                     is_elsewhere ? ", of other addresses" : "");
        }
    }
}

static void variant_init(struct variant *v, const struct evm_event *event, size_t stream,
                         struct arena *own) {
    size_t bytes = event->address_count * EVM_ADDRESS_BYTES;
    *v = (struct variant){.abi = event->abi, .key = key_of(event->abi->topic0), .stream = stream};
    if (bytes > 0) {
        void *copy = arena_new(own, bytes);
        memcpy(copy, event->addresses, bytes);
        qsort(copy, event->address_count, EVM_ADDRESS_BYTES, compare_addresses);
        v->addresses = copy;
        v->address_count = event->address_count;
    }
    for (size_t i = 0; i < event->abi->param_count; i++) {
        v->int256_count += event->abi->params[i].column == TYPE_INT256;
    }
}

void matcher_init(struct matcher *m, const struct evm_event *events, size_t count,
                  struct arena *arena) {
    *m = (struct matcher){.variants = arena_new(arena, (count + 1) * sizeof(*m->variants))};
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < count; i++) {
            if ((events[i].address_count == 0) == (pass == 1)) {
                variant_init(&m->variants[m->count++], &events[i], i, arena);
            }
        }
    }
}
