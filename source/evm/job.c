/* How it works: blocks are an array by number, logs an array that is sorted once when all have come. What
 * is wanted of the text is read once, when it comes; the text itself stays in the answer's body. */
#include "source/evm/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/evm/rpc_json.h"

#define TEXT_BYTES_MAX ((size_t)256 << 20)

struct job *job_new(enum job_kind kind, int64_t low, int64_t high) {
    ASSERT(low >= 0 && low <= high);
    struct job *j = mem_alloc(sizeof *j);
    j->kind = kind;
    j->low = low;
    j->high = high;
    j->origin = -1;
    buf_init(&j->text, TEXT_BYTES_MAX);
    return j;
}

void job_reset(struct job *j) {
    for (size_t i = 0; i < j->body_count; i++) {
        buf_release(&j->bodies[i]);
    }
    mem_free(j->bodies);
    mem_free(j->logs);
    mem_free(j->blocks);
    mem_free(j->addresses);
    buf_release(&j->text);
    j->bodies = NULL;
    j->logs = NULL;
    j->blocks = NULL;
    j->addresses = NULL;
    j->body_count = j->body_capacity = j->log_count = j->log_capacity = 0;
    j->block_count = j->address_count = j->bytes = j->logs_bytes = 0;
    j->is_past_gate = false;
    j->is_weak = false;
    j->is_unproved = false;
    j->is_distrusted = false;
    j->log_origins = 0;
    j->origin = -1;
    j->phase = PHASE_START;
}

void job_free(struct job *j) {
    if (j == NULL) {
        return;
    }
    ASSERT(j->tasks == NULL);
    job_reset(j);
    mem_free(j);
}

void job_make_blocks(struct job *j) {
    if (j->blocks == NULL) {
        j->block_count = (size_t)(j->high - j->low + 1);
        j->blocks = mem_alloc_array(j->block_count, sizeof j->blocks[0]);
        j->bytes += j->block_count * sizeof j->blocks[0];
    }
}

struct block *job_block(const struct job *j, int64_t number) {
    ASSERT(j->blocks != NULL && number >= j->low && number <= j->high);
    return &j->blocks[number - j->low];
}

/* ---- headers ---- */

/* What a block's record keeps of the header, in this order, as the node said it. */
static const char *const header_names[] = {
    "number",  "hash",     "parentHash",    "timestamp", "miner",
    "gasUsed", "gasLimit", "baseFeePerGas", "logsBloom", "transactions",
};
enum { H_NUMBER, H_HASH, H_PARENT, H_KEPT = 8, H_BLOOM = 8, H_TRANSACTIONS, H_COUNT };

static int64_t count_items(struct str raw) {
    struct rpc_items items;
    struct str item;
    int64_t count = 0;
    rpc_items_init(&items, raw);
    while (rpc_items_next(&items, &item)) {
        count++;
    }
    return items.is_well_formed ? count : -1;
}

static void write_header(const struct str *raw, int64_t tx_count, struct buf *text) {
    buf_adds(text, "{\"block\":{");
    bool is_first = true;
    for (size_t i = 0; i < H_KEPT; i++) {
        if (raw[i].len > 0 && !rpc_is_null(raw[i])) {
            buf_addf(text, "%s\"%s\":", is_first ? "" : ",", header_names[i]);
            buf_addstr(text, raw[i]);
            is_first = false;
        }
    }
    if (tx_count >= 0) {
        buf_addf(text, ",\"transactionCount\":%" PRId64, tx_count);
    }
}

enum err_code header_read(struct str raw, int64_t *number, struct block *out, struct buf *text,
                          struct err *err) {
    struct str v[H_COUNT];
    uint64_t n = 0;
    memset(out, 0, sizeof *out);
    if (!rpc_members(raw, header_names, H_COUNT, v) || !rpc_quantity(v[H_NUMBER], INT64_MAX, &n) ||
        !rpc_bytes(v[H_HASH], out->hash, sizeof out->hash) ||
        !rpc_bytes(v[H_PARENT], out->parent, sizeof out->parent)) {
        char shown[RPC_SHOWN_BYTES];
        str_printable(raw, shown, sizeof shown);
        return err_set(err, ERR_INPUT, "no block header with number, hash and parentHash: %s",
                       shown);
    }
    *number = (int64_t)n;
    out->has_header = true;
    out->has_bloom = rpc_bytes(v[H_BLOOM], out->bloom, sizeof out->bloom);
    out->tx_count = v[H_TRANSACTIONS].len > 0 ? count_items(v[H_TRANSACTIONS]) : -1;
    out->text_at = text->len;
    write_header(v, out->tx_count, text);
    out->text_len = text->len - out->text_at;
    return ERR_NONE;
}

enum err_code job_take_header(struct job *j, int64_t number, struct str raw, struct err *err) {
    struct block came;
    int64_t said = -1;
    const size_t text_len = j->text.len;
    const enum err_code code = header_read(raw, &said, &came, &j->text, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (said != number) {
        j->text.len = text_len;
        return err_set(err, ERR_INPUT, "asked for block %" PRId64 ", block %" PRId64 " came",
                       number, said);
    }
    *job_block(j, number) = came;
    j->bytes += came.text_len;
    return ERR_NONE;
}

/* ---- logs ---- */

static void add_log(struct job *j, const struct evm_plan *plan, const struct evm_log *log,
                    struct str text) {
    if (j->log_count == j->log_capacity) {
        j->log_capacity = j->log_capacity > 0 ? j->log_capacity * 2 : 256;
        j->logs = mem_realloc(j->logs, j->log_capacity * sizeof j->logs[0]);
    }
    struct job_log *out = &j->logs[j->log_count++];
    out->block = log->block_number;
    out->index = log->log_index;
    out->text = text;
    out->has_hash = log->has_block_hash;
    memcpy(out->hash, log->block_hash, sizeof out->hash);
    memcpy(out->address, log->address, sizeof out->address);
    out->match = plan_match(plan, log);
}

static enum err_code read_log(struct str text, struct evm_log *log, struct err *err) {
    struct evm_fault fault = {.offset = -1};
    if (evm_log_parse(text, log, &fault)) {
        return ERR_NONE;
    }
    return err_set(err, ERR_INPUT, "a log whose %s %s", fault.field != NULL ? fault.field : "text",
                   fault.what);
}

enum err_code job_take_logs(struct job *j, const struct evm_plan *plan, struct str raw,
                            size_t *strange, struct err *err) {
    struct rpc_items items;
    struct str item;
    *strange = 0;
    const size_t before = j->log_count;
    rpc_items_init(&items, raw);
    while (rpc_items_next(&items, &item)) {
        struct evm_log log;
        const enum err_code code = read_log(item, &log, err);
        if (code != ERR_NONE) {
            j->log_count = before;
            return code;
        }
        if (log.is_removed || log.block_number < j->low || log.block_number > j->high) {
            (*strange)++;
        } else {
            add_log(j, plan, &log, item);
        }
    }
    if (!items.is_well_formed) {
        j->log_count = before;
        return err_set(err, ERR_INPUT, "an answer that is no array of logs");
    }
    return ERR_NONE;
}

enum err_code job_take_block_logs(struct job *j, const struct evm_plan *plan, int64_t number,
                                  struct str raw, struct err *err) {
    const size_t before = j->log_count;
    const struct block *b = job_block(j, number);
    size_t strange = 0;
    const enum err_code code = job_take_logs(j, plan, raw, &strange, err);
    if (code != ERR_NONE) {
        return code;
    }
    for (size_t i = before; i < j->log_count; i++) {
        const struct job_log *log = &j->logs[i];
        if (log->block != number ||
            (log->has_hash && memcmp(log->hash, b->hash, EVM_HASH_BYTES) != 0)) {
            strange++;
        }
    }
    if (strange > 0) {
        j->log_count = before;
        return err_set(err, ERR_INPUT, "asked for the logs of block %" PRId64 ", others came too",
                       number);
    }
    return ERR_NONE;
}

void job_keep(struct job *j, struct buf *body) {
    if (j->body_count == j->body_capacity) {
        j->body_capacity = j->body_capacity > 0 ? j->body_capacity * 2 : 4;
        j->bodies = mem_realloc(j->bodies, j->body_capacity * sizeof j->bodies[0]);
    }
    j->bytes += body->capacity;
    j->bodies[j->body_count++] = *body;
    buf_init(body, 0);
}

void job_drop_logs(struct job *j, int64_t number) {
    size_t kept = 0;
    for (size_t i = 0; i < j->log_count; i++) {
        if (j->logs[i].block != number) {
            j->logs[kept++] = j->logs[i];
        }
    }
    j->log_count = kept;
}

void job_cut_logs(struct job *j) {
    size_t kept = 0;
    for (size_t i = 0; i < j->log_count; i++) {
        if (j->logs[i].block <= j->high) {
            j->logs[kept++] = j->logs[i];
        }
    }
    j->log_count = kept;
}

/* ---- receipts ---- */

enum err_code job_read_transactions(const struct job *j, int64_t number, struct str raw,
                                    uint8_t (**out)[EVM_HASH_BYTES], size_t *count,
                                    struct err *err) {
    static const char *const names[] = {"hash", "transactions"};
    struct str v[2];
    uint8_t hash[EVM_HASH_BYTES];
    *out = NULL;
    *count = 0;
    if (!rpc_members(raw, names, 2, v) || !rpc_bytes(v[0], hash, sizeof hash) ||
        memcmp(hash, job_block(j, number)->hash, sizeof hash) != 0) {
        return err_set(err, ERR_INPUT, "asked for block %" PRId64 " by its hash, another came",
                       number);
    }
    const int64_t all = count_items(v[1]);
    if (all < 0) {
        return err_set(err, ERR_INPUT, "block %" PRId64 " without a list of transactions", number);
    }
    uint8_t(*txs)[EVM_HASH_BYTES] = mem_alloc_array((size_t)all + 1, sizeof *txs);
    struct rpc_items items;
    struct str item;
    rpc_items_init(&items, v[1]);
    while (rpc_items_next(&items, &item)) {
        if (!rpc_bytes(item, txs[*count], sizeof *txs)) {
            mem_free(txs);
            *count = 0;
            return err_set(err, ERR_INPUT, "block %" PRId64 " with a transaction without a hash",
                           number);
        }
        (*count)++;
    }
    *out = txs;
    return ERR_NONE;
}

static bool is_wanted(const struct plan_match *m) {
    return m->is_wanted || m->sets != 0;
}

static size_t count_wanted(const struct job *j, int64_t number) {
    size_t count = 0;
    for (size_t i = 0; i < j->log_count; i++) {
        count += j->logs[i].block == number && is_wanted(&j->logs[i].match) ? 1 : 0;
    }
    return count;
}

/* False: the header's bloom does not show the log. */
static bool add_to_bloom(const struct evm_log *log, uint8_t bloom[BLOOM_BYTES],
                         const uint8_t header[BLOOM_BYTES]) {
    struct bloom_key key =
        bloom_key_of((struct str){(const char *)log->address, EVM_ADDRESS_BYTES});
    bloom_add(bloom, &key);
    bool is_shown = bloom_has(header, &key);
    for (unsigned i = 0; i < log->topic_count; i++) {
        key = bloom_key_of((struct str){(const char *)log->topics[i], EVM_HASH_BYTES});
        bloom_add(bloom, &key);
        is_shown = is_shown && bloom_has(header, &key);
    }
    return is_shown;
}

struct receipts {
    struct job *job;
    const struct evm_plan *plan;
    int64_t number;
    uint8_t bloom[BLOOM_BYTES];
    int64_t count;
    bool has_outside; /* a wanted log that the header's bloom does not show */
};

static enum err_code take_receipt_logs(struct receipts *r, struct str raw, struct err *err) {
    struct rpc_items items;
    struct str item;
    const struct block *b = job_block(r->job, r->number);
    rpc_items_init(&items, raw);
    while (rpc_items_next(&items, &item)) {
        struct evm_log log;
        const enum err_code code = read_log(item, &log, err);
        if (code != ERR_NONE) {
            return code;
        }
        if (log.block_number != r->number ||
            (log.has_block_hash && memcmp(log.block_hash, b->hash, EVM_HASH_BYTES) != 0)) {
            return err_set(err, ERR_INPUT, "a receipt with a log of another block");
        }
        const bool is_shown = add_to_bloom(&log, r->bloom, b->bloom);
        const struct plan_match match = plan_match(r->plan, &log);
        if (is_wanted(&match)) {
            r->has_outside = r->has_outside || (b->has_bloom && !is_shown);
            add_log(r->job, r->plan, &log, item);
        }
    }
    return items.is_well_formed ? ERR_NONE
                                : err_set(err, ERR_INPUT, "a receipt without an array of logs");
}

static enum err_code take_receipt(struct receipts *r, struct str raw, struct err *err) {
    static const char *const names[] = {"blockHash", "logs"};
    struct str v[2];
    uint8_t hash[EVM_HASH_BYTES];
    if (!rpc_members(raw, names, 2, v) || !rpc_bytes(v[0], hash, sizeof hash)) {
        return err_set(err, ERR_INPUT, "a receipt without blockHash");
    }
    if (memcmp(hash, job_block(r->job, r->number)->hash, sizeof hash) != 0) {
        return err_set(err, ERR_INPUT, "a receipt of another block");
    }
    r->count++;
    return take_receipt_logs(r, v[1], err);
}

enum err_code job_take_receipts(struct job *j, const struct evm_plan *plan, int64_t number,
                                struct str raw, size_t *missed, struct err *err) {
    const struct block *b = job_block(j, number);
    const size_t before = j->log_count;
    const size_t had = count_wanted(j, number);
    struct receipts r = {.job = j, .plan = plan, .number = number};
    struct rpc_items items;
    struct str item;
    enum err_code code = ERR_NONE;
    rpc_items_init(&items, raw);
    while (code == ERR_NONE && rpc_items_next(&items, &item)) {
        code = take_receipt(&r, item, err);
    }
    if (code == ERR_NONE && !items.is_well_formed) {
        code = err_set(err, rpc_is_null(raw) ? ERR_UNAVAILABLE : ERR_INPUT,
                       "no receipts of block %" PRId64, number);
    }
    /* All of them, or their logs set exactly the header's bits: both would be proof. */
    const bool is_exact = b->has_bloom && memcmp(r.bloom, b->bloom, BLOOM_BYTES) == 0;
    if (code == ERR_NONE && !is_exact && (b->tx_count < 0 ? r.count == 0 : r.count < b->tx_count)) {
        code = err_set(err, ERR_UNAVAILABLE,
                       "%" PRId64 " of %" PRId64 " receipts of block %" PRId64 " are there",
                       r.count, b->tx_count, number);
    }
    if (code != ERR_NONE) {
        j->log_count = before;
        return code;
    }
    job_block(j, number)->is_outside = r.has_outside;
    const size_t came = j->log_count - before;
    *missed = came > had ? came - had : 0;
    size_t kept = 0; /* the new ones stand behind all others */
    for (size_t i = 0; i < j->log_count; i++) {
        if (i >= before || j->logs[i].block != number) {
            j->logs[kept++] = j->logs[i];
        }
    }
    j->log_count = kept;
    return ERR_NONE;
}
