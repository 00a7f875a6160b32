/* How an error is judged: the message is looked up among the wordings, then the text inside `data`
 * (nodes behind a proxy hide theirs there), then codes and HTTP statuses that mean one thing only. What
 * the wording's number counts decides which limit it becomes; then every number and every suggestion is
 * held against the range that was asked, and dropped when it would not make it smaller. */
#include "source/evm/rpc_error.h"

#include "base/parse.h"
#include "source/evm/rpc_error_words.h"
#include "source/evm/rpc_json.h"

#define BLOCK_MAX       INT64_MAX
#define BACKOFF_US_MAX  HTTP_RETRY_AFTER_US_MAX
#define CODE_NO_METHOD  (-32601)
#define CODE_LIMIT      (-32005) /* EIP-1474: limit exceeded */
#define CODE_PRUNED     4444     /* EIP-4444: history that is gone */
#define STATUS_TOO_MANY 429

static const char *const kind_names[] = {
#define X(name, text) [RPC_KIND_##name] = (text),
    RPC_KINDS(X)
#undef X
};

const char *rpc_kind_name(enum rpc_kind kind) {
    ASSERT((size_t)kind < ARRAY_COUNT(kind_names));
    return kind_names[kind];
}

/* What data holds that is of use. */
struct hints {
    struct rpc_words words; /* of its text, or of its member `message` */
    bool has_range;
    uint64_t from, to;
    int64_t limit;      /* Infura: how many logs; -1: not said */
    int64_t backoff_us; /* -1: not said */
};

/* A JSON number of seconds, perhaps with a fraction. */
static int64_t seconds_to_us(struct str raw) {
    double seconds = 0;
    if (!parse_f64(raw, &seconds) || !(seconds > 0)) {
        return -1;
    }
    double us = seconds * 1e6;
    return us > (double)BACKOFF_US_MAX ? BACKOFF_US_MAX : (int64_t)us;
}

static void read_data(struct str data, struct hints *out) {
    static const char *const names[] = {"message", "from", "to", "limit", "rate"};
    static const char *const rate_names[] = {"backoff_seconds"};
    struct str found[ARRAY_COUNT(names)];
    struct str backoff;
    char room[RPC_ERROR_TEXT_BYTES];
    struct str text = STR("");
    out->words.len = 0;
    out->has_range = false;
    out->limit = -1;
    out->backoff_us = -1;
    if (rpc_text(data, room, sizeof room, &text)) {
        rpc_words_init(&out->words, text);
        return;
    }
    if (!rpc_members(data, names, ARRAY_COUNT(names), found)) {
        return;
    }
    if (rpc_text(found[0], room, sizeof room, &text)) {
        rpc_words_init(&out->words, text);
    }
    out->has_range = rpc_quantity(found[1], BLOCK_MAX, &out->from) &&
                     rpc_quantity(found[2], BLOCK_MAX, &out->to);
    if (!parse_i64(found[3], &out->limit) || out->limit <= 0) {
        out->limit = -1;
    }
    if (rpc_members(found[4], rate_names, 1, &backoff)) {
        out->backoff_us = seconds_to_us(backoff);
    }
}

/* ---- which kind ---- */

static enum rpc_kind kind_of_status(int status) {
    switch (status) {
    case STATUS_TOO_MANY:
        return RPC_KIND_RATE_LIMIT;
    case 401:
    case 403:
        return RPC_KIND_AUTH;
    case 402:
        return RPC_KIND_QUOTA;
    case 408:
    case 504:
    case 524: /* Cloudflare: the origin did not answer in time */
        return RPC_KIND_TIMEOUT;
    case 502:
    case 503:
    case 520:
    case 521:
    case 522:
    case 523:
        return RPC_KIND_RETRYABLE;
    default:
        return RPC_KIND_UNKNOWN;
    }
}

/* Without a wording: what cannot be meant otherwise. */
static enum rpc_kind kind_without_words(const struct rpc_failure *failure,
                                        const struct rpc_words *words) {
    if (failure->has_code && failure->code == CODE_NO_METHOD) {
        return RPC_KIND_UNSUPPORTED;
    }
    if (failure->has_code && failure->code == CODE_PRUNED) {
        return RPC_KIND_PRUNED;
    }
    if (failure->has_code && failure->code == STATUS_TOO_MANY) {
        return RPC_KIND_RATE_LIMIT;
    }
    int64_t number = 0;
    if (failure->has_code && failure->code == CODE_LIMIT &&
        rpc_words_match(words, "^limit exceeded$", &number)) {
        /* Said by caps and by throttles alike: less is asked as long as there is less to ask. */
        bool is_wide = failure->has_range && failure->from < failure->to;
        return is_wide ? RPC_KIND_RESULT_CAP : RPC_KIND_RATE_LIMIT;
    }
    enum rpc_kind kind = kind_of_status(failure->http_status);
    bool is_empty = words->len == 0 && failure->data.len == 0 && !failure->has_code;
    bool is_success = failure->http_status == 0 || failure->http_status / 100 == 2;
    return kind == RPC_KIND_UNKNOWN && is_empty && is_success ? RPC_KIND_RETRYABLE : kind;
}

/* ---- numbers ---- */

static void set_number(struct rpc_verdict *out, enum rpc_number what, int64_t number) {
    if (number <= 0) {
        return;
    }
    switch (what) {
    case RPC_BLOCKS:
        out->max_span = number - 1; /* they count blocks, both ends included */
        return;
    case RPC_LOGS:
        out->max_results = number;
        return;
    case RPC_CALLS:
        out->max_batch = number;
        return;
    case RPC_NO_NUMBER:
        return;
    }
}

/* Only what makes the range that failed smaller is a limit. */
static bool tightens(const struct rpc_failure *failure, int64_t span) {
    return !failure->has_range || span < failure->to - failure->from;
}

static void set_usual(const struct rpc_failure *failure, const struct rpc_wording *wording,
                      struct rpc_verdict *out) {
    for (size_t i = 0; i < ARRAY_COUNT(wording->usual); i++) {
        if (wording->usual[i] > 0 && tightens(failure, wording->usual[i])) {
            out->max_span = wording->usual[i];
            return;
        }
    }
}

static bool is_shorter(const struct rpc_failure *failure, uint64_t from, uint64_t to) {
    return from == (uint64_t)failure->from && from <= to && to < (uint64_t)failure->to;
}

static void set_suggestion(const struct rpc_failure *failure, const struct rpc_words *message,
                           const struct hints *hints, struct rpc_verdict *out) {
    bool is_cap = out->kind == RPC_KIND_SPAN_CAP || out->kind == RPC_KIND_RESULT_CAP;
    if (!failure->has_range || !is_cap) {
        return;
    }
    uint64_t from = hints->from;
    uint64_t to = hints->to;
    if ((hints->has_range && is_shorter(failure, from, to)) ||
        (rpc_words_range(message, &from, &to) && is_shorter(failure, from, to)) ||
        (rpc_words_range(&hints->words, &from, &to) && is_shorter(failure, from, to))) {
        out->suggested_to = (int64_t)to;
    }
}

/* ---- what to do ---- */

static enum rpc_action action_of(enum rpc_kind kind, bool is_wide) {
    switch (kind) {
    case RPC_KIND_SPAN_CAP:
    case RPC_KIND_RESULT_CAP:
    case RPC_KIND_UNKNOWN:
        return is_wide ? RPC_ASK_LESS : RPC_ASK_OTHER;
    case RPC_KIND_TIMEOUT:
        return is_wide ? RPC_ASK_LESS : RPC_TRY_AGAIN;
    case RPC_KIND_SPLIT_ADDRESSES:
        return RPC_ASK_FEWER_ADDRESSES;
    case RPC_KIND_BATCH_CAP:
        return RPC_ASK_SMALLER_BATCH;
    case RPC_KIND_RATE_LIMIT:
        return RPC_SLOW_DOWN;
    case RPC_KIND_QUOTA:
    case RPC_KIND_AUTH:
        return RPC_PARK;
    case RPC_KIND_ARCHIVE_GATED:
    case RPC_KIND_PRUNED:
    case RPC_KIND_UNSUPPORTED:
    case RPC_KIND_BAD_REQUEST:
        return RPC_ASK_OTHER;
    case RPC_KIND_HEAD_BEHIND:
        return RPC_WAIT_FOR_HEAD;
    case RPC_KIND_REORGED:
        return RPC_LOOK_AGAIN;
    case RPC_KIND_RETRYABLE:
        return RPC_TRY_AGAIN;
    }
    ASSERT(false);
    return RPC_ASK_OTHER;
}

static struct rpc_verdict no_verdict(void) {
    return (struct rpc_verdict){.kind = RPC_KIND_UNKNOWN,
                                .max_span = -1,
                                .max_results = -1,
                                .max_batch = -1,
                                .suggested_to = -1,
                                .retry_after_us = -1};
}

/* "retry in 10s", "try again in 2 seconds": of limits that say it in words only. */
static int64_t retry_in_us(const struct rpc_words *words) {
    int64_t seconds = 0;
    if (!rpc_words_match(words, "retry in #s", &seconds) &&
        !rpc_words_match(words, "try again in # second", &seconds)) {
        return -1;
    }
    return seconds > BACKOFF_US_MAX / 1000000 ? BACKOFF_US_MAX : seconds * 1000000;
}

struct rpc_verdict rpc_error_classify(const struct rpc_failure *failure) {
    struct rpc_verdict out = no_verdict();
    struct rpc_words message;
    struct hints hints = {.from = 0};
    rpc_words_init(&message, failure->message);
    read_data(failure->data, &hints);

    int64_t number = -1;
    const struct rpc_wording *wording = rpc_words_find(&message, &number);
    if (wording != NULL) {
        set_usual(failure, wording, &out);
    } else {
        wording = rpc_words_find(&hints.words, &number); /* what is usual is only so in messages */
    }
    out.kind = wording != NULL ? wording->kind : kind_without_words(failure, &message);
    if (wording != NULL) {
        set_number(&out, wording->number, number);
    }
    if (out.kind == RPC_KIND_RESULT_CAP && out.max_results < 0) {
        out.max_results = hints.limit;
    }
    if (!tightens(failure, out.max_span)) {
        out.max_span = -1;
    }
    set_suggestion(failure, &message, &hints, &out);
    out.retry_after_us = failure->retry_after_us;
    bool is_limit = out.kind == RPC_KIND_RATE_LIMIT || out.kind == RPC_KIND_QUOTA;
    if (is_limit && out.retry_after_us < 0) {
        out.retry_after_us = hints.backoff_us >= 0 ? hints.backoff_us : retry_in_us(&message);
    }
    out.action = action_of(out.kind, failure->has_range && failure->from < failure->to);
    return out;
}

struct rpc_verdict rpc_error_of_end(enum http_end end, bool has_range, int64_t from, int64_t to) {
    struct rpc_verdict out = no_verdict();
    switch (end) {
    case HTTP_TOO_LARGE:
        out.kind = RPC_KIND_RESULT_CAP;
        break;
    case HTTP_TIMED_OUT:
        out.kind = RPC_KIND_TIMEOUT;
        break;
    case HTTP_NO_HOST:
    case HTTP_NO_CONNECTION:
    case HTTP_CUT:
    case HTTP_BROKEN:
    case HTTP_NOT_TRUSTED:
    case HTTP_FAULT:
    case HTTP_OUT_OF_FLIGHT_BYTES: /* ours, not the node's: when others are done it fits */
    case HTTP_ANSWERED:
    case HTTP_CANCELLED:
        out.kind = RPC_KIND_RETRYABLE;
        break;
    }
    out.action = action_of(out.kind, has_range && from < to);
    return out;
}
