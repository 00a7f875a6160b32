/* How it works: an item of `chains` is read with the options table of one chain, so both forms mean the
 * same. */
#include "source/evm/conf.h"

#include <inttypes.h>
#include <string.h>

#include "base/parse.h"

static const struct option chain_options[] = {CONF_CHAIN_OPTIONS};

static enum err_code read_finality(const char *text, int64_t *out, const struct node *n,
                                   struct err *err) {
    *out = -1;
    if (strcmp(text, "auto") == 0 || (parse_i64(str_of(text), out) && *out >= 0)) {
        return ERR_NONE;
    }
    const struct node *at = n != NULL ? node_get(n, "finality") : NULL;
    return at != NULL ? node_error(at, err,
                                   "'finality' must be auto or a number of blocks, not '%s'", text)
                      : err_set(err, ERR_CONFIG, "finality must be auto or a number of blocks");
}

/* One chain's options, of the source or of an item of `chains`. */
static enum err_code read_chain(const struct evm_conf *c, const struct node *n,
                                struct chain_conf *out, struct err *err) {
    if (c->rpc.count == 0 || c->rpc.count > ENDPOINTS_MAX) {
        return node_error(
            n, err, "'rpc' must name from 1 to %d endpoints, such as rpc: [http://127.0.0.1:8545]",
            ENDPOINTS_MAX);
    }
    for (size_t i = 0; i < c->rpc.count; i++) {
        if (http_url_check(c->rpc.items[i], err) != ERR_NONE) {
            const struct err cause = *err;
            const struct node *at = node_get(n, "rpc");
            return node_error(at != NULL ? at : n, err, "%s", cause.message);
        }
    }
    if (c->to_block >= 0 && c->to_block < c->from_block) {
        return node_error(n, err, "to_block is below from_block");
    }
    *out = (struct chain_conf){
        .chain_id = c->chain_id,
        .urls = c->rpc.items,
        .url_count = c->rpc.count,
        .from = c->from_block,
        .to = c->to_block >= 0 ? c->to_block : INT64_MAX,
    };
    return read_finality(c->finality, &out->finality, n, err);
}

static enum err_code read_chains(const struct evm_conf *conf, struct arena *arena,
                                 struct chain_conf *out, size_t *count, struct err *err) {
    const struct node *list = conf->chains;
    if (list->kind != NODE_LIST || list->count == 0 || list->count > CONF_CHAINS_MAX) {
        return node_error(list, err, "'chains' must be a list of 1 to %d maps", CONF_CHAINS_MAX);
    }
    *count = 0;
    for (const struct node *n = list->first; n != NULL; n = n->next) {
        struct evm_conf one;
        memset(&one, 0, sizeof one);
        enum err_code code =
            options_parse(chain_options, ARRAY_COUNT(chain_options), n, NULL, arena, &one, err);
        if (code == ERR_NONE && one.chain_id < 0) {
            code = node_error(n, err, "each of several chains needs its chain_id");
        }
        if (code == ERR_NONE) {
            code = read_chain(&one, n, &out[*count], err);
        }
        for (size_t i = 0; code == ERR_NONE && i < *count; i++) {
            if (out[i].chain_id == one.chain_id) {
                code = node_error(n, err, "chain_id %" PRId64 " is there twice", one.chain_id);
            }
        }
        if (code != ERR_NONE) {
            return code;
        }
        (*count)++;
    }
    return ERR_NONE;
}

enum err_code conf_read_chains(const struct evm_conf *conf, const struct node *n,
                               struct arena *arena, struct chain_conf out[CONF_CHAINS_MAX],
                               size_t *count, struct err *err) {
    static const struct node nowhere = {.kind = NODE_MAP, .file = "flow"};
    const struct node *at = n != NULL ? n : &nowhere;
    if (conf->chains == NULL) {
        *count = 1;
        return read_chain(conf, at, out, err);
    }
    static const char *const others[] = {"rpc", "chain_id", "from_block", "to_block", "finality"};
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        const struct node *other = node_get(at, others[i]);
        if (other != NULL) {
            return node_key_error(other, err, "'%s' belongs into the items of 'chains'", others[i]);
        }
    }
    return read_chains(conf, arena, out, count, err);
}
