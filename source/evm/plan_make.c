/* Makes a plan of the option `events`. How it works: every entry is read for itself (signature, addresses),
 * then references to other entries (learned) are resolved, then the groups' filters are put together. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "source/evm/plan.h"

struct maker {
    struct arena *arena;
    struct evm_plan *plan;
    const struct node *nodes[EVM_EVENTS_MAX];
    const struct node *learned[EVM_EVENTS_MAX]; /* the text "Created.pair", or NULL */
    struct err *err;
};

static int compare_addresses(const void *a, const void *b) {
    return memcmp(a, b, EVM_ADDRESS_BYTES);
}

static enum err_code read_address(struct maker *m, const struct node *n, uint8_t *out) {
    const size_t digits = (size_t)2 * EVM_ADDRESS_BYTES;
    if (n->kind != NODE_SCALAR) {
        return node_error(n, m->err, "an address must be 0x and 40 hex digits, not %s",
                          node_kind_name(n));
    }
    const struct str text = n->text;
    const bool has_prefix = str_starts_with(text, STR("0x")) || str_starts_with(text, STR("0X"));
    if (!has_prefix || text.len != digits + 2 ||
        evm_hex_decode((struct str){text.ptr + 2, digits}, out) != digits) {
        char shown[NODE_SHOW_BYTES];
        node_show(n, false, shown, sizeof shown);
        return node_error(n, m->err, "an address must be 0x and 40 hex digits, not '%s'", shown);
    }
    return ERR_NONE;
}

static enum err_code read_addresses(struct maker *m, size_t index, const struct node *n) {
    struct evm_event *event = &m->plan->events[index];
    const bool is_list = n->kind == NODE_LIST;
    const size_t count = is_list ? n->count : 1;
    if (count == 0 || count > PLAN_ADDRESSES_MAX) {
        return node_error(n, m->err, "'address' must name from 1 to %d addresses",
                          PLAN_ADDRESSES_MAX);
    }
    uint8_t(*addresses)[EVM_ADDRESS_BYTES] = arena_new(m->arena, count * sizeof *addresses);
    const struct node *item = is_list ? n->first : n;
    for (size_t i = 0; i < count; i++) {
        const enum err_code code = read_address(m, item, addresses[i]);
        if (code != ERR_NONE) {
            return code;
        }
        item = item->next;
    }
    qsort(addresses, count, sizeof *addresses, compare_addresses);
    event->addresses = (const uint8_t(*)[EVM_ADDRESS_BYTES])addresses;
    event->address_count = count;
    m->plan->rules[index].address = PLAN_LIST;
    return ERR_NONE;
}

static enum err_code read_where(struct maker *m, size_t index, const struct node *n) {
    if (n->kind != NODE_MAP) {
        return read_addresses(m, index, n);
    }
    static const char *const known[] = {"learned"};
    for (const struct node *key = n->first; key != NULL; key = key->next) {
        if (strcmp(key->key, known[0]) != 0) {
            return node_unknown_key(key, "address", known, 1, m->err);
        }
    }
    const struct node *learned = node_get(n, "learned");
    if (learned == NULL || learned->kind != NODE_SCALAR) {
        return node_error(n, m->err,
                          "'address' must be an address, a list of addresses, or {learned: "
                          "Event.parameter}");
    }
    m->plan->rules[index].address = PLAN_LEARNED;
    m->learned[index] = learned;
    return ERR_NONE;
}

static enum err_code read_signature(struct maker *m, size_t index, const struct node *n) {
    if (n->kind != NODE_SCALAR || n->is_null) {
        return node_error(n, m->err,
                          "an event must be its signature, such as 'event Transfer(address indexed "
                          "from, address indexed to, uint256 value)', not %s",
                          node_kind_name(n));
    }
    const enum err_code code =
        abi_event_parse(n->text, m->arena, &m->plan->events[index].abi, m->err);
    if (code != ERR_CONFIG) {
        return code;
    }
    const struct err cause = *m->err;
    return node_error(n, m->err, "%s", cause.message);
}

static enum err_code read_event(struct maker *m, size_t index, const struct node *n) {
    m->plan->events[index].name = arena_strdup(m->arena, n->key);
    m->nodes[index] = n;
    if (n->kind != NODE_MAP) {
        return read_signature(m, index, n);
    }
    static const char *const known[] = {"event", "address"};
    for (const struct node *key = n->first; key != NULL; key = key->next) {
        if (strcmp(key->key, "event") != 0 && strcmp(key->key, "address") != 0) {
            return node_unknown_key(key, n->key, known, ARRAY_COUNT(known), m->err);
        }
    }
    const struct node *signature = node_get(n, "event");
    if (signature == NULL) {
        return node_error(n, m->err, "'event' is missing: the signature of the event");
    }
    const struct node *address = node_get(n, "address");
    const enum err_code code = read_signature(m, index, signature);
    return code == ERR_NONE && address != NULL ? read_where(m, index, address) : code;
}

static enum err_code find_parameter(struct maker *m, const struct node *n, struct plan_set *out) {
    const size_t dot = str_find(n->text, '.');
    const struct str event = {n->text.ptr, dot};
    for (size_t i = 0; i < m->plan->event_count && dot < n->text.len; i++) {
        if (!str_equal_c(event, m->plan->events[i].name)) {
            continue;
        }
        const struct abi_event *abi = m->plan->events[i].abi;
        const struct str name = {n->text.ptr + dot + 1, n->text.len - dot - 1};
        for (size_t p = 0; p < abi->param_count; p++) {
            const struct column *column = &abi->schema.columns[EVM_COLUMN_COUNT + p];
            if (!str_equal_c(name, abi->params[p].name) && !str_equal_c(name, column->name)) {
                continue;
            }
            *out = (struct plan_set){arena_strndup(m->arena, n->text.ptr, n->text.len), i,
                                     &abi->params[p]};
            return ERR_NONE;
        }
        return node_error(n, m->err, "the event '%s' has no parameter '%.*s'",
                          m->plan->events[i].name, STR_FMT(name));
    }
    return node_error(n, m->err,
                      "'learned' must be the name of an event in 'events' and of one of its "
                      "parameters, such as PairCreated.pair");
}

static enum err_code resolve(struct maker *m, size_t index) {
    const struct node *n = m->learned[index];
    struct plan_set set = {NULL, 0, NULL};
    enum err_code code = find_parameter(m, n, &set);
    if (code != ERR_NONE || set.param == NULL) {
        return code;
    }
    if (set.param->type->kind != ABI_ADDRESS) {
        return node_error(n, m->err, "'%s' is not an address, so nothing is learned from it",
                          set.name);
    }
    if (m->learned[set.event] != NULL) {
        return node_error(
            n, m->err, "'%s' is of an event whose own addresses are learned; one step is the most",
            set.name);
    }
    struct evm_plan *plan = m->plan;
    size_t at = 0;
    while (at < plan->set_count && plan->sets[at].param != set.param) {
        at++;
    }
    if (at == PLAN_SETS_MAX) {
        return node_error(n, m->err, "at most %d parameters can be learned from", PLAN_SETS_MAX);
    }
    if (at == plan->set_count) {
        plan->sets[plan->set_count++] = set;
    }
    plan->rules[index].set = (unsigned)at;
    return ERR_NONE;
}

static void add_topic(struct plan_group *group, const struct abi_event *abi) {
    if (abi->is_anonymous) {
        group->any_topic = true;
        return;
    }
    for (size_t i = 0; i < group->topic_count; i++) {
        if (memcmp(group->topics[i], abi->topic0, EVM_HASH_BYTES) == 0) {
            return;
        }
    }
    memcpy(group->topics[group->topic_count], abi->topic0, EVM_HASH_BYTES);
    group->topic_keys[group->topic_count++] =
        bloom_key_of((struct str){(const char *)abi->topic0, EVM_HASH_BYTES});
}

static void add_addresses(struct maker *m, struct plan_group *group) {
    size_t count = 0;
    for (size_t i = 0; i < m->plan->event_count; i++) {
        count += m->plan->events[i].address_count;
    }
    group->addresses = arena_new(m->arena, (count + 1) * sizeof *group->addresses);
    group->address_keys = arena_new(m->arena, (count + 1) * sizeof *group->address_keys);
    size_t n = 0;
    for (size_t i = 0; i < m->plan->event_count; i++) {
        const struct evm_event *event = &m->plan->events[i];
        if (event->address_count > 0) {
            memcpy(group->addresses[n], event->addresses, event->address_count * EVM_ADDRESS_BYTES);
            n += event->address_count;
        }
    }
    qsort(group->addresses, n, sizeof *group->addresses, compare_addresses);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && memcmp(group->addresses[i - 1], group->addresses[i], EVM_ADDRESS_BYTES) == 0) {
            continue;
        }
        const size_t at = group->address_count++;
        memmove(group->addresses[at], group->addresses[i], EVM_ADDRESS_BYTES);
        group->address_keys[at] =
            bloom_key_of((struct str){(const char *)group->addresses[at], EVM_ADDRESS_BYTES});
    }
}

static void make_groups(struct maker *m) {
    struct evm_plan *plan = m->plan;
    plan->groups[0].has_addresses = true;
    for (size_t g = 0; g < PLAN_GROUPS; g++) {
        struct plan_group *group = &plan->groups[g];
        group->topics = arena_new(m->arena, (plan->event_count + 1) * sizeof *group->topics);
        group->topic_keys =
            arena_new(m->arena, (plan->event_count + 1) * sizeof *group->topic_keys);
    }
    for (size_t i = 0; i < plan->event_count; i++) {
        struct plan_group *group = &plan->groups[plan->rules[i].address == PLAN_LEARNED ? 1 : 0];
        group->is_used = true;
        add_topic(group, plan->events[i].abi);
        if (plan->rules[i].address == PLAN_ALL) {
            group->has_addresses = false;
        }
    }
    if (plan->groups[0].has_addresses) {
        add_addresses(m, &plan->groups[0]);
    }
}

static int compare_lines(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One line an event, sorted: their order does not matter, nor do their names. */
static void make_fingerprint(struct maker *m) {
    const char *lines[EVM_EVENTS_MAX] = {NULL};
    struct evm_plan *plan = m->plan;
    for (size_t i = 0; i < plan->event_count; i++) {
        AUTO_BUF line = BUF_INIT(BUF_TEXT_MAX);
        buf_addf(&line, "%s%s at", plan->events[i].abi->shape,
                 plan->events[i].abi->is_anonymous ? " anonymous" : "");
        for (size_t a = 0; a < plan->events[i].address_count; a++) {
            plan_write_hex(plan->events[i].addresses[a], EVM_ADDRESS_BYTES, &line);
        }
        if (m->learned[i] != NULL) {
            const struct plan_set *set = &plan->sets[plan->rules[i].set];
            buf_addf(&line, " %s.%zu", plan->events[set->event].abi->signature,
                     (size_t)(set->param - plan->events[set->event].abi->params));
        }
        lines[i] = arena_strdup(m->arena, buf_c(&line));
    }
    qsort(lines, plan->event_count, sizeof lines[0], compare_lines);
    AUTO_BUF all = BUF_INIT(BUF_TEXT_MAX);
    for (size_t i = 0; i < plan->event_count; i++) {
        buf_addf(&all, "%s\n", lines[i]);
    }
    hash128_to_hex(hash128_of(buf_c(&all), all.len), plan->fingerprint);
}

static enum err_code make_streams(struct maker *m, const struct node *events) {
    struct stream *streams = NULL;
    size_t count = 0;
    const enum err_code code =
        evm_streams(m->plan->events, m->plan->event_count, m->arena, &streams, &count, m->err);
    if (code == ERR_CONFIG && events != NULL) {
        const struct err cause = *m->err;
        return node_error(events, m->err, "%s", cause.message);
    }
    if (code == ERR_NONE) {
        ASSERT(count <= STREAMS_MAX);
        memcpy(m->plan->streams, streams, count * sizeof *streams);
        m->plan->stream_count = count;
    }
    return code;
}

enum err_code plan_make(const struct node *events, struct arena *arena, const struct evm_plan **out,
                        struct err *err) {
    struct maker m = {.arena = arena, .plan = arena_new(arena, sizeof *m.plan), .err = err};
    if (events != NULL && events->kind != NODE_MAP) {
        return node_error(events, err, "'events' must be a map of names and signatures, not %s",
                          node_kind_name(events));
    }
    enum err_code code = ERR_NONE;
    for (const struct node *n = events != NULL ? events->first : NULL; n != NULL; n = n->next) {
        if (m.plan->event_count == EVM_EVENTS_MAX) {
            return node_error(n, err, "at most %d events", EVM_EVENTS_MAX);
        }
        code = read_event(&m, m.plan->event_count++, n);
        if (code != ERR_NONE) {
            return code;
        }
    }
    for (size_t i = 0; i < m.plan->event_count && code == ERR_NONE; i++) {
        code = m.learned[i] != NULL ? resolve(&m, i) : ERR_NONE;
    }
    if (code == ERR_NONE) {
        code = make_streams(&m, events);
    }
    if (code != ERR_NONE) {
        return code;
    }
    make_groups(&m);
    make_fingerprint(&m);
    *out = m.plan;
    return ERR_NONE;
}
