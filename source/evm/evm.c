/* Reads events of EVM chains from JSON-RPC nodes (eth_getLogs, block headers, receipts).
 *
 * Delivery: every log of the declared events once, in the order of the chain, with the header of its block;
 * what a reorganisation takes away is taken back in the transaction that brings the other branch. Each chain
 * is a partition; its cursor is the next block, the hashes of the blocks that are not final, and how many
 * records were given up to each (cursor.h).
 *
 * Limits: ENDPOINTS_MAX endpoints and CONF_CHAINS_MAX chains, WINDOW_BLOCKS_MAX unfinalized blocks,
 * EVM_EVENTS_MAX events. The guarantees and what their limits are: docs/evm.md. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "component/component.h"
#include "source/evm/conf.h"
#include "source/sources.h"

#define PARTS_MAX        (2 * CONF_CHAINS_MAX) /* chains, and what was before them */
#define ARENA_BYTES_MAX  ((size_t)256 << 20)
#define NEXT_US          ((int64_t)1000 * 1000)  /* how long `next` waits for a batch */
#define NEXT_TROUBLED_US ((int64_t)20 * 1000000) /* while something is wrong: for news of it */
#define WAIT_US          ((int64_t)50 * 1000)   /* at once, between looks at whether the run ends */
#define TELL_US          ((int64_t)5 * 1000000) /* between two tellings of one chain's trouble */

static const char *const verify_choices[] = {"bloom", "receipts", "none", NULL};
static const char *const block_choices[] = {"logs", "all", NULL};

static const struct option options[] = {
    CONF_CHAIN_OPTIONS,
    OPTION_NODE(
        struct evm_conf, chains,
        .doc = "Several chains: a list of maps with rpc, chain_id, from_block, to_block and "
               "finality, instead of these options beside it.",
        .example = "[{chain_id: 1, rpc: [${ETH_URL}]}, {chain_id: 137, rpc: [${POLYGON_URL}]}]"),
    OPTION_NODE(struct evm_conf, events, .flags = OPTION_SHAPES,
                .doc = "What to read: a map of names and event signatures. Each becomes a stream, "
                       "`from: source.Name`. `{event: SIGNATURE, address: ...}` takes only logs of "
                       "one address, a list of addresses, or those that another event tells: "
                       "`{learned: PairCreated.pair}`.",
                .example = "{Transfer: 'event Transfer(address indexed from, address indexed to, "
                           "uint256 value)'}"),
    OPTION_ENUM(struct evm_conf, blocks, .def = "logs", .choices = block_choices,
                .doc =
                    "Which blocks the stream `blocks` has: those with logs of the events, or all.",
                .example = "all"),
    OPTION_ENUM(
        struct evm_conf, verify, .def = "bloom", .choices = verify_choices,
        .doc = "How it is made sure that no log is missing: `bloom` asks for the receipts of "
               "blocks whose header says that there may be logs where none came; "
               "`receipts` compares all blocks with their receipts, which also finds logs that no "
               "bloom shows; `none` believes the node.",
        .example = "receipts"),
    OPTION_DURATION(struct evm_conf, poll, .def = "500ms", .min = 10000, .max = 3600000000,
                    .doc = "How often to ask for a new block.", .example = "2s"),
    OPTION_INT(struct evm_conf, span, .def = "25", .min = 1, .max = 100000,
               .flags = OPTION_ADVANCED,
               .doc = "How many blocks the first question for logs covers; it is adapted from then "
                      "on.",
               .example = "2000"),
    OPTION_INT(struct evm_conf, span_max, .def = "10000", .min = 1, .max = 100000,
               .flags = OPTION_ADVANCED, .doc = "How many blocks a question for logs may cover.",
               .example = "2000"),
    OPTION_INT(struct evm_conf, parallel, .def = "4", .min = 1, .max = 64, .flags = OPTION_ADVANCED,
               .doc = "Questions under way at once, for each endpoint.", .example = "16"),
    OPTION_DURATION(struct evm_conf, timeout, .def = "30s", .min = 100000, .max = 3600000000,
                    .flags = OPTION_ADVANCED, .doc = "How long an answer may take.",
                    .example = "10s"),
};

/* What came back of questions, as the facts count it. */
enum { ANSWER_2XX, ANSWER_3XX, ANSWER_429, ANSWER_4XX, ANSWER_5XX, ANSWER_NONE, ANSWER_SORTS };

struct evm_source {
    const struct evm_conf *conf;
    const struct source_env *env;
    struct arena arena; /* plan, chains' settings */
    struct chain_settings settings;
    struct wire wire;
    struct chain *parts[PARTS_MAX];
    int64_t told_us[PARTS_MAX];
    size_t part_count;
    size_t turn;
    int64_t opened_us;
    int64_t answers[ANSWER_SORTS]; /* since then */
};

static enum err_code evm_source_check(const void *conf, const struct contract *contract,
                                      const struct node *n, struct err *err);
static enum err_code evm_source_streams(const void *conf, const struct node *n, struct arena *arena,
                                        struct stream **out, size_t *count, struct err *err);
static enum err_code evm_source_open(const void *conf, const struct source_env *env, void **out,
                                     struct err *err);
static void evm_source_close(void *source);
static enum err_code evm_source_next(void *source, const struct source_limit *limit,
                                     struct source_output *out, enum source_state *state,
                                     struct err *err);
static enum err_code evm_source_decoder(const void *conf, const struct contract *contract,
                                        const struct stream *streams, size_t stream_count,
                                        struct decoder **out, struct err *err);
static void evm_source_facts(void *source, struct json_writer *w);

static const struct source_ops ops = {
    .open = evm_source_open,
    .close = evm_source_close,
    .next = evm_source_next,
    .decoder = evm_source_decoder,
    .facts = evm_source_facts,
};

const struct component source_evm = {
    .kind = COMPONENT_SOURCE,
    .name = "evm",
    .since = "0.2",
    .status = STATUS_BETA,
    .summary = "Read events of Ethereum and its like from JSON-RPC nodes, and follow the head.",
    .doc =
        "Each event is declared by its signature and is a stream of its own, `from: "
        "chain.Transfer`, "
        "with the columns chain_id, block_number, block_hash, block_time, tx_hash, tx_index, "
        "log_index, address and one for each argument; the stream `blocks` has the headers.\n\n"
        "Final blocks are read in large ranges, several at once; newer ones one by one as they "
        "come. "
        "When the chain is reorganised, the rows of the blocks that are gone are taken back in the "
        "transaction that brings the new ones, together with everything that was made of them.\n\n"
        "Nodes answer with less than there is: empty answers for blocks they have not indexed yet "
        "are "
        "the most common failure. So every block's header is asked for as well, and where its "
        "bloom "
        "filter says that there may be logs but none came, receipts or another endpoint decide "
        "(`verify`).",
    .example =
        "chain:\n"
        "  type: evm\n"
        "  rpc: [http://127.0.0.1:8545]\n"
        "  events:\n"
        "    Transfer: event Transfer(address indexed from, address indexed to, uint256 value)\n",
    COMPONENT_OPTIONS(options),
    .conf_size = sizeof(struct evm_conf),
    .caps = CAP_RESUMABLE | CAP_ORDERED | CAP_TAKES_BACK | CAP_COVERS | CAP_HTTP,
    .check = evm_source_check,
    .streams = evm_source_streams,
    .source = &ops,
};

/* ---- configuration ---- */

static enum err_code evm_source_check(const void *conf, const struct contract *contract,
                                      const struct node *n, struct err *err) {
    (void)contract;
    const struct evm_conf *c = conf;
    struct arena arena;
    struct chain_conf chains[CONF_CHAINS_MAX];
    size_t count = 0;
    arena_init(&arena, ARENA_BYTES_MAX);
    enum err_code code = conf_read_chains(c, n, &arena, chains, &count, err);
    if (code == ERR_NONE && c->events == NULL && c->blocks == 0) {
        code = node_error(n, err, "name the events to read in 'events', or say blocks: all");
    }
    if (code == ERR_NONE && c->span > c->span_max) {
        code = node_error(n, err, "span is above span_max");
    }
    arena_release(&arena);
    return code;
}

static enum err_code evm_source_streams(const void *conf, const struct node *n, struct arena *arena,
                                        struct stream **out, size_t *count, struct err *err) {
    (void)n;
    const struct evm_plan *plan = NULL;
    const enum err_code code =
        plan_make(((const struct evm_conf *)conf)->events, arena, &plan, err);
    if (code == ERR_NONE) {
        struct evm_plan *own = arena_new(arena, sizeof *own); /* streams are its beginning */
        *own = *plan;
        *out = own->streams;
        *count = own->stream_count;
    }
    return code;
}

static enum err_code evm_source_decoder(const void *conf, const struct contract *contract,
                                        const struct stream *streams, size_t stream_count,
                                        struct decoder **out, struct err *err) {
    (void)conf;
    (void)contract;
    const struct evm_plan *plan = (const struct evm_plan *)(const void *)streams;
    ASSERT(plan->stream_count == stream_count);
    return evm_decoder_new(plan->events, plan->event_count, streams, stream_count, out, err);
}

/* ---- opening ---- */

static enum err_code add_part(struct evm_source *s, const struct chain_conf *conf,
                              struct err *err) {
    if (s->part_count == PARTS_MAX) {
        return err_set(err, ERR_CONFIG, "more than %d partitions", PARTS_MAX);
    }
    struct chain_conf *own = arena_new(&s->arena, sizeof *own);
    *own = *conf;
    struct chain *c = mem_alloc(sizeof *c);
    s->parts[s->part_count] = c;
    const enum err_code code =
        chain_open(c, &s->settings, own, &s->wire, (unsigned)s->part_count, err);
    s->part_count++;
    return code;
}

/* "1" gives 1 and -1; "1.before-500" gives 1 and 500. */
static bool read_partition(const char *name, int64_t *chain_id, int64_t *before) {
    struct str rest = str_of(name);
    const size_t dot = str_find(rest, '.');
    *before = -1;
    if (!parse_i64((struct str){rest.ptr, dot}, chain_id)) {
        return false;
    }
    static const char marker[] = ".before-";
    return dot == rest.len ||
           (str_starts_with((struct str){rest.ptr + dot, rest.len - dot}, str_of(marker)) &&
            parse_i64((struct str){rest.ptr + dot + sizeof marker - 1,
                                   rest.len - dot - sizeof marker + 1},
                      before));
}

static enum err_code restore(struct evm_source *s, struct chain *c,
                             const struct source_cursor *from, struct cursor *cursor,
                             struct err *err) {
    (void)snprintf(c->partition, sizeof c->partition, "%s", from->partition);
    enum err_code code = chain_restore(c, cursor, err);
    for (size_t i = 0; i < s->env->note_count && code == ERR_NONE; i++) {
        if (strcmp(s->env->notes[i].partition, from->partition) == 0) {
            code = chain_note(c, s->env->notes[i].text, err);
        }
    }
    if (code != ERR_NONE) {
        return err_wrap(err, "chain %s", from->partition);
    }
    for (size_t i = 0; i < cursor->set_count; i++) {
        if (cursor->learned[i] != (int64_t)c->learned[i].count) {
            return err_set(err, ERR_CORRUPT,
                           "chain %s: %" PRId64 " addresses were learned, but %zu are remembered",
                           from->partition, cursor->learned[i], c->learned[i].count);
        }
    }
    return ERR_NONE;
}

/* What was read before `from_block` was lowered, and what must be read because it was. */
static enum err_code open_before(struct evm_source *s, const struct chain_conf *conf,
                                 const struct chain *main, struct cursor *cursor, struct err *err) {
    int64_t lowest = main->cursor.from;
    for (size_t i = 0; i < s->env->cursor_count; i++) {
        int64_t id = -1;
        int64_t before = -1;
        const struct source_cursor *from = &s->env->cursors[i];
        if (!read_partition(from->partition, &id, &before) || id != main->chain_id || before < 0) {
            continue;
        }
        struct chain_conf one = *conf;
        one.to = before - 1;
        enum err_code code = cursor_read(from->cursor, cursor, err);
        code = code == ERR_NONE ? add_part(s, &one, err) : code;
        code = code == ERR_NONE ? restore(s, s->parts[s->part_count - 1], from, cursor, err) : code;
        if (code != ERR_NONE) {
            return code;
        }
        lowest = cursor->from < lowest ? cursor->from : lowest;
    }
    if (conf->from >= lowest) {
        return ERR_NONE;
    }
    if (s->settings.plan->set_count > 0) {
        return err_set(
            err, ERR_CONFIG,
            "from_block was lowered from %" PRId64 " to %" PRId64 ", but with learned addresses "
            "the blocks after it would have to be read again; give the source another name",
            lowest, conf->from);
    }
    struct chain_conf one = *conf;
    one.to = lowest - 1;
    one.chain_id = main->chain_id;
    const enum err_code code = add_part(s, &one, err);
    if (code == ERR_NONE) {
        struct chain *c = s->parts[s->part_count - 1];
        (void)snprintf(c->partition, sizeof c->partition, "%" PRId64 ".before-%" PRId64,
                       main->chain_id, lowest);
    }
    return code;
}

static enum err_code open_chain(struct evm_source *s, const struct chain_conf *conf,
                                struct err *err) {
    enum err_code code = add_part(s, conf, err);
    struct chain *c = s->parts[s->part_count - 1];
    struct cursor *cursor = mem_alloc(sizeof *cursor);
    for (size_t i = 0; i < s->env->cursor_count && code == ERR_NONE; i++) {
        int64_t id = -1;
        int64_t before = -1;
        const struct source_cursor *from = &s->env->cursors[i];
        if (!read_partition(from->partition, &id, &before)) {
            code =
                err_set(err, ERR_CORRUPT, "'%s' is no partition of this source", from->partition);
        } else if (before < 0 && (conf->chain_id < 0 || id == conf->chain_id)) {
            code = cursor_read(from->cursor, cursor, err);
            code = code == ERR_NONE ? restore(s, c, from, cursor, err) : code;
            code = code == ERR_NONE ? open_before(s, conf, c, cursor, err) : code;
            break;
        }
    }
    mem_free(cursor);
    return code;
}

static enum err_code open_all(struct evm_source *s, struct err *err) {
    const struct evm_plan *plan = NULL;
    struct chain_conf chains[CONF_CHAINS_MAX];
    size_t count = 0;
    enum err_code code = plan_make(s->conf->events, &s->arena, &plan, err);
    code =
        code == ERR_NONE ? conf_read_chains(s->conf, NULL, &s->arena, chains, &count, err) : code;
    if (code != ERR_NONE) {
        return code;
    }
    s->settings = (struct chain_settings){
        .plan = plan,
        .verify = (enum verify)s->conf->verify,
        .blocks_all = s->conf->blocks == 1,
        .once = s->env->once,
        .poll_us = s->conf->poll,
        .span = s->conf->span,
        .span_max = s->conf->span_max,
        .timeout_us = s->conf->timeout,
        .parallel = (unsigned)s->conf->parallel,
    };
    s->opened_us = clock_now_us();
    code = wire_http_open(HTTP_CALLS_MAX, &s->wire, err);
    for (size_t i = 0; i < count && code == ERR_NONE; i++) {
        code = open_chain(s, &chains[i], err);
    }
    return code;
}

static enum err_code evm_source_open(const void *conf, const struct source_env *env, void **out,
                                     struct err *err) {
    struct evm_source *s = mem_alloc(sizeof *s);
    s->conf = conf;
    s->env = env;
    arena_init(&s->arena, ARENA_BYTES_MAX);
    const enum err_code code = open_all(s, err);
    if (code != ERR_NONE) {
        evm_source_close(s);
        return code;
    }
    *out = s;
    return ERR_NONE;
}

static void evm_source_close(void *source) {
    struct evm_source *s = source;
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->part_count; i++) {
        chain_close(s->parts[i]);
        mem_free(s->parts[i]);
    }
    if (s->wire.close != NULL) {
        s->wire.close(s->wire.context);
    }
    arena_release(&s->arena);
    mem_free(s);
}

/* ---- reading ---- */

#define TAG_PART_SHIFT 48

static size_t sort_of(const struct wire_answer *a) {
    if (a->end != HTTP_ANSWERED) {
        return ANSWER_NONE;
    }
    return a->status == 429   ? ANSWER_429
           : a->status >= 500 ? ANSWER_5XX
           : a->status >= 400 ? ANSWER_4XX
           : a->status >= 300 ? ANSWER_3XX
                              : ANSWER_2XX;
}

static void take_answers(struct evm_source *s, int64_t timeout_us) {
    struct wire_answer answer;
    while (s->wire.wait(s->wire.context, timeout_us, &answer)) {
        const size_t part = (size_t)(answer.tag >> TAG_PART_SHIFT);
        s->answers[sort_of(&answer)]++;
        if (part < s->part_count) {
            chain_answer(s->parts[part], &answer, clock_monotonic_us());
        }
        wire_answer_release(&answer);
        timeout_us = 0;
    }
}

static void name_partition(struct chain *c) {
    if (c->partition[0] == '\0' && c->chain_id >= 0) {
        (void)snprintf(c->partition, sizeof c->partition, "%" PRId64, c->chain_id);
    }
}

/* Whoever has something goes first, in turns. */
static enum err_code take_batch(struct evm_source *s, const struct source_limit *limit,
                                struct source_output *out, bool *gave, struct err *err) {
    *gave = false;
    for (size_t i = 0; i < s->part_count; i++) {
        const size_t part = (s->turn + i) % s->part_count;
        struct chain *c = s->parts[part];
        if (!chain_is_done(c)) {
            chain_pump(c, clock_monotonic_us());
        }
        name_partition(c);
        const enum err_code code = chain_take(c, limit, out, gave, err);
        if (code != ERR_NONE || *gave) {
            s->turn = (part + 1) % s->part_count;
            /* Questions for what comes next are on their way while this is stored. */
            chain_pump(c, clock_monotonic_us());
            return code;
        }
    }
    return ERR_NONE;
}

static size_t count_open(const struct evm_source *s) {
    size_t count = 0;
    for (size_t i = 0; i < s->part_count; i++) {
        count += chain_is_done(s->parts[i]) ? 0 : 1;
    }
    return count;
}

/* No chain goes on. */
static bool is_stuck(const struct evm_source *s) {
    for (size_t i = 0; i < s->part_count; i++) {
        if (!chain_is_done(s->parts[i]) && s->parts[i]->complaint.code == ERR_NONE) {
            return false;
        }
    }
    return true;
}

static bool is_for_good(enum err_code code) {
    return code == ERR_CONFIG || code == ERR_CONFLICT || code == ERR_CORRUPT;
}

/* An error of the source: of a chain that will not go on by itself only when none will. */
static bool is_error_of_all(const struct evm_source *s, const struct err *complaint) {
    if (!is_stuck(s)) {
        return false;
    }
    for (size_t i = 0; i < s->part_count && is_for_good(complaint->code); i++) {
        if (!chain_is_done(s->parts[i]) && !is_for_good(s->parts[i]->complaint.code)) {
            return false;
        }
    }
    return true;
}

static bool is_troubled(const struct evm_source *s) {
    for (size_t i = 0; i < s->part_count; i++) {
        if (s->parts[i]->complaint.code != ERR_NONE) {
            return true;
        }
    }
    return false;
}

/* A chain's trouble is an error of the source when no chain goes on, else trouble of its partition.
 * True when there is something to tell. */
static bool tell(struct evm_source *s, struct source_output *out, enum source_state *state,
                 struct err *err) {
    for (size_t i = 0; i < s->part_count; i++) {
        struct chain *c = s->parts[i];
        const bool is_of_all = is_error_of_all(s, &c->complaint);
        const bool is_news = c->news.code != ERR_NONE;
        const int64_t now_us = clock_monotonic_us();
        const bool is_due = s->told_us[i] == 0 || now_us - s->told_us[i] >= TELL_US;
        if (!is_news && !(c->complaint_is_new && (is_of_all || is_due))) {
            continue;
        }
        const struct err what = is_news ? c->news : c->complaint;
        c->complaint_is_new = is_news && c->complaint_is_new;
        err_clear(&c->news);
        if (!is_news && is_of_all) {
            *err = what;
            return true;
        }
        s->told_us[i] = is_news ? s->told_us[i] : now_us;
        out->trouble = what;
        (void)snprintf(out->partition, sizeof out->partition, "%s",
                       c->partition[0] != '\0' ? c->partition : "chain");
        *state = SOURCE_TROUBLE;
        return true;
    }
    return false;
}

static int64_t wake_us(const struct evm_source *s, int64_t now_us) {
    int64_t at = INT64_MAX;
    for (size_t i = 0; i < s->part_count; i++) {
        const int64_t own =
            chain_is_done(s->parts[i]) ? INT64_MAX : chain_wake_us(s->parts[i], now_us);
        at = own < at ? own : at;
    }
    return at;
}

static bool is_stopping(const struct evm_source *s) {
    return s->env->is_stopping != NULL && s->env->is_stopping(s->env->stop_context);
}

static enum err_code evm_source_next(void *source, const struct source_limit *limit,
                                     struct source_output *out, enum source_state *state,
                                     struct err *err) {
    struct evm_source *s = source;
    const int64_t begun_us = clock_monotonic_us();
    *state = SOURCE_IDLE;
    for (;;) {
        take_answers(s, 0);
        bool gave = false;
        const enum err_code code = take_batch(s, limit, out, &gave, err);
        if (code != ERR_NONE || gave) {
            *state = SOURCE_BATCH;
            return code;
        }
        if (tell(s, out, state, err)) {
            return err->code;
        }
        if (count_open(s) == 0) {
            *state = SOURCE_END;
            return ERR_NONE;
        }
        const int64_t now_us = clock_monotonic_us();
        const int64_t wait_us = wake_us(s, now_us) - now_us;
        const int64_t patience_us = is_troubled(s) ? NEXT_TROUBLED_US : NEXT_US;
        const bool is_asking = s->wire.in_flight(s->wire.context) > 0;
        if (is_stopping(s) || now_us - begun_us >= patience_us ||
            (!is_asking && !is_troubled(s) && wait_us > 0)) {
            out->wait_us = is_asking || wait_us < 0 ? 0 : wait_us;
            return ERR_NONE;
        }
        if (is_asking) {
            take_answers(s, wait_us < WAIT_US ? wait_us : WAIT_US);
        } else {
            clock_sleep_us(wait_us < WAIT_US ? wait_us : WAIT_US);
        }
    }
}

static void evm_source_facts(void *source, struct json_writer *w) {
    const struct evm_source *s = source;
    json_key(w, "chains");
    json_begin_array(w);
    for (size_t i = 0; i < s->part_count; i++) {
        chain_write_facts(s->parts[i], clock_monotonic_us(), w);
    }
    json_end_array(w);
    static const char *const sorts[ANSWER_SORTS] = {"2xx", "3xx", "429", "4xx", "5xx", "none"};
    json_key(w, "http");
    json_begin_object(w);
    json_kv_i64(w, "since", s->opened_us);
    for (size_t i = 0; i < ANSWER_SORTS; i++) {
        json_kv_i64(w, sorts[i], s->answers[i]);
    }
    json_end_object(w);
}
