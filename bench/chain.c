/* How it works: a hash is the block's number and fork, mixed, so a hash given back tells its block by
 * looking near the head. Logs are text put together from a template; the header's bloom filter has
 * every bit set, which is allowed: it may contain anything. Every block but the first has logs. */
#include "bench/chain.h"

#include <inttypes.h>
#include <string.h>

#define ACCOUNTS    20000
#define FULL_WORD   "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define EMPTY_WORD  "0000000000000000000000000000000000000000000000000000000000000000"
#define BLOOM_WORDS 8
#define GENESIS_S   INT64_C(1700000000)

static const char *const topics[CHAIN_KINDS] = {
    [CHAIN_TRANSFER] = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
    [CHAIN_SYNC] = "0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1",
    [CHAIN_SWAP] = "0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822",
    [CHAIN_PAIR_CREATED] = "0x0d3648bd0f6ba80134a33ba9275ac585d9d315f0ad8355cddefde31afa28d0e9"};

/* splitmix64. */
static uint64_t mix(uint64_t x) {
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

static void add_hex(struct buf *out, uint64_t value, int digits) {
    char text[16];
    for (int i = digits - 1; i >= 0; i--) {
        text[i] = "0123456789abcdef"[value & 15U];
        value >>= 4;
    }
    buf_addstr(out, (struct str){text, (size_t)digits});
}

static void add_hash(struct buf *out, uint64_t kind, uint64_t n) {
    uint64_t x = mix(kind << 56 ^ n);
    for (int i = 0; i < 4; i++) {
        add_hex(out, x, 16);
        x = mix(x);
    }
}

static void add_address(struct buf *out, uint64_t kind, uint64_t n) {
    uint64_t x = mix(kind << 56 ^ n);
    add_hex(out, x, 16);
    add_hex(out, mix(x), 16);
    add_hex(out, mix(x + 1) & 0xffffffffU, 8);
}

enum name {
    NAME_TOKEN = 1,
    NAME_POOL,
    NAME_ACCOUNT,
    NAME_FACTORY,
    NAME_QUOTE,
    NAME_BLOCK,
    NAME_TX
};

static void add_word(struct buf *out, enum name kind, uint64_t n) {
    buf_adds(out, "000000000000000000000000");
    add_address(out, kind, n);
}

static void add_number(struct buf *out, uint64_t n) {
    buf_adds(out, "000000000000000000000000000000000000000000000000");
    add_hex(out, n, 16);
}

void chain_init(struct chain *c, int64_t blocks, int64_t logs, int64_t finality) {
    *c = (struct chain){.head = blocks, .logs = logs, .finality = finality};
    c->fork_count = 1;
}

void chain_fork(struct chain *c, int64_t depth) {
    ASSERT(c->fork_count < CHAIN_FORKS_MAX && depth <= c->head);
    c->forks[c->fork_count].from = c->head - depth + 1;
    c->forks[c->fork_count].id = c->fork_count;
    c->fork_count++;
    c->head++;
}

static uint64_t fork_of(const struct chain *c, int64_t number) {
    for (size_t i = c->fork_count; i > 0; i--) {
        if (number >= c->forks[i - 1].from) {
            return c->forks[i - 1].id;
        }
    }
    return 0;
}

static uint64_t seed_of(const struct chain *c, int64_t number) {
    return (uint64_t)number << 8 | fork_of(c, number);
}

int64_t chain_find(const struct chain *c, struct str hash) {
    for (int64_t n = c->head; n >= 0; n--) {
        AUTO_BUF want = BUF_INIT(BUF_TEXT_MAX);
        buf_adds(&want, "0x");
        add_hash(&want, NAME_BLOCK, seed_of(c, n));
        if (str_equal(hash, buf_str(&want))) {
            return n;
        }
    }
    return -1;
}

/* ---- filters ---- */

void chain_filter_all(struct chain_filter *f) {
    memset(f, 1, sizeof(*f));
}

static bool is_among(const struct buf *name, const struct str *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (str_equal(buf_str(name), list[i])) {
            return true;
        }
    }
    return false;
}

void chain_filter_topics(struct chain_filter *f, const struct str *names, size_t count) {
    for (size_t k = 0; k < CHAIN_KINDS; k++) {
        AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
        buf_adds(&name, topics[k]);
        f->kinds[k] = is_among(&name, names, count);
    }
}

static bool wants(enum name kind, uint64_t n, const struct str *list, size_t count) {
    AUTO_BUF name = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&name, "0x");
    add_address(&name, kind, n);
    return is_among(&name, list, count);
}

void chain_filter_addresses(struct chain_filter *f, const struct str *names, size_t count) {
    f->factory = wants(NAME_FACTORY, 0, names, count);
    for (size_t i = 0; i < CHAIN_POOLS; i++) {
        f->tokens[i] = wants(NAME_TOKEN, i, names, count);
        f->pools[i] = wants(NAME_POOL, i, names, count);
    }
}

/* ---- blocks ---- */

void chain_add_block(const struct chain *c, int64_t number, struct buf *out) {
    buf_addf(out, "{\"number\":\"0x%" PRIx64 "\",\"hash\":\"0x", (uint64_t)number);
    add_hash(out, NAME_BLOCK, seed_of(c, number));
    buf_adds(out, "\",\"parentHash\":\"0x");
    if (number > 0) {
        add_hash(out, NAME_BLOCK, seed_of(c, number - 1));
    } else {
        add_number(out, 0);
    }
    buf_addf(
        out,
        "\",\"timestamp\":\"0x%" PRIx64
        "\",\"miner\":\"0x0000000000000000000000000000000000000000\",\"gasUsed\":\"0x1c9c380\","
        "\"gasLimit\":\"0x1c9c380\",\"baseFeePerGas\":\"0x7\",\"difficulty\":\"0x0\","
        "\"extraData\":\"0x\",\"nonce\":\"0x0000000000000000\",\"size\":\"0x400\","
        "\"logsBloom\":\"0x",
        (uint64_t)(GENESIS_S + number * 12));
    for (int i = 0; i < BLOOM_WORDS; i++) {
        buf_adds(out, number > 0 ? FULL_WORD : EMPTY_WORD);
    }
    buf_adds(out, "\",\"transactions\":[\"0x");
    add_hash(out, NAME_TX, seed_of(c, number));
    buf_adds(out, "\"],\"uncles\":[]}");
}

/* ---- logs ---- */

struct log {
    enum chain_kind kind;
    uint64_t at;   /* which token or pool */
    uint64_t seed; /* of its numbers */
};

static struct log log_of(const struct chain *c, int64_t number, int64_t index) {
    if (number == 1 && index < CHAIN_POOLS) {
        return (struct log){CHAIN_PAIR_CREATED, (uint64_t)index, 0};
    }
    uint64_t r = mix(seed_of(c, number) << 20 ^ (uint64_t)index);
    const enum chain_kind kind = index % 10 == 8   ? CHAIN_SYNC
                                 : index % 10 == 9 ? CHAIN_SWAP
                                                   : CHAIN_TRANSFER;
    return (struct log){kind, r % CHAIN_POOLS, mix(r)};
}

static void add_topics_and_data(const struct log *l, struct buf *out) {
    uint64_t from = l->seed % ACCOUNTS;
    uint64_t to = mix(l->seed) % ACCOUNTS;
    buf_addf(out, "\",\"topics\":[\"%s\"", topics[l->kind]);
    if (l->kind == CHAIN_PAIR_CREATED) {
        buf_adds(out, ",\"0x");
        add_word(out, NAME_TOKEN, l->at);
        buf_adds(out, "\",\"0x");
        add_word(out, NAME_QUOTE, 0);
        buf_adds(out, "\"],\"data\":\"0x");
        add_word(out, NAME_POOL, l->at);
        add_number(out, l->at + 1);
        return;
    }
    if (l->kind != CHAIN_SYNC) {
        buf_adds(out, ",\"0x");
        add_word(out, NAME_ACCOUNT, from);
        buf_adds(out, "\",\"0x");
        add_word(out, NAME_ACCOUNT, to);
        buf_adds(out, "\"");
    }
    buf_adds(out, "],\"data\":\"0x");
    bool buys = (l->seed & 1U) != 0;
    uint64_t amount = 1 + l->seed % UINT64_C(1000000000000);
    switch (l->kind) {
    case CHAIN_TRANSFER:
        add_number(out, amount);
        break;
    case CHAIN_SYNC:
        add_number(out, UINT64_C(1000000000000000) + amount);
        add_number(out, UINT64_C(2000000000000000) - amount);
        break;
    case CHAIN_SWAP:
        add_number(out, buys ? 0 : amount);
        add_number(out, buys ? amount : 0);
        add_number(out, buys ? amount : 0);
        add_number(out, buys ? 0 : amount);
        break;
    case CHAIN_PAIR_CREATED:
        break;
    }
}

static bool is_wanted(const struct log *l, const struct chain_filter *f) {
    if (!f->kinds[l->kind]) {
        return false;
    }
    return l->kind == CHAIN_TRANSFER       ? f->tokens[l->at]
           : l->kind == CHAIN_PAIR_CREATED ? f->factory
                                           : f->pools[l->at];
}

void chain_add_logs(const struct chain *c, int64_t number, const struct chain_filter *f, bool *any,
                    struct buf *out) {
    for (int64_t i = 0; number > 0 && i < c->logs; i++) {
        const struct log l = log_of(c, number, i);
        if (!is_wanted(&l, f)) {
            continue;
        }
        buf_adds(out, *any ? ",{\"address\":\"0x" : "{\"address\":\"0x");
        *any = true;
        add_address(out,
                    l.kind == CHAIN_TRANSFER       ? NAME_TOKEN
                    : l.kind == CHAIN_PAIR_CREATED ? NAME_FACTORY
                                                   : NAME_POOL,
                    l.kind == CHAIN_PAIR_CREATED ? 0 : l.at);
        add_topics_and_data(&l, out);
        buf_addf(out, "\",\"blockNumber\":\"0x%" PRIx64 "\",\"blockHash\":\"0x", (uint64_t)number);
        add_hash(out, NAME_BLOCK, seed_of(c, number));
        buf_adds(out, "\",\"transactionHash\":\"0x");
        add_hash(out, NAME_TX, seed_of(c, number));
        buf_addf(out,
                 "\",\"transactionIndex\":\"0x0\",\"logIndex\":\"0x%" PRIx64
                 "\",\"removed\":false}",
                 (uint64_t)i);
    }
}
