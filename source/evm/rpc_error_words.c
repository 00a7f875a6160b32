/* The table is searched from above, so what is more specific stands first: "log response size exceeded"
 * begins Alchemy's cap of logs and thirdweb's cap of blocks, "range is too wide" comes with a number and
 * without one. A wording earns its line by having been seen; general phrases ("exceeded", "too large"
 * alone) are left out on purpose, since an unknown text is asked again for less anyway. */
#include "source/evm/rpc_error_words.h"

#include <string.h>

#define SPAN    RPC_KIND_SPAN_CAP
#define RESULT  RPC_KIND_RESULT_CAP
#define RATE    RPC_KIND_RATE_LIMIT
#define QUOTA   RPC_KIND_QUOTA
#define AUTH    RPC_KIND_AUTH
#define ARCHIVE RPC_KIND_ARCHIVE_GATED
#define HEAD    RPC_KIND_HEAD_BEHIND
#define PRUNED  RPC_KIND_PRUNED
#define BATCH   RPC_KIND_BATCH_CAP
#define AWAY    RPC_KIND_RETRYABLE

static const struct rpc_wording wordings[] = {
    /* too many blocks, with a number */
    {"maximum allowed number of requested blocks is #", SPAN, RPC_BLOCKS, {0}},

    /* too much of an answer; before "up to a # block range", which these texts only offer */
    {"log response size exceeded*cap of # logs", RESULT, RPC_LOGS, {0}},
    {"log response size exceeded", RESULT, RPC_NO_NUMBER, {0}},
    {"response size is larger than %", RESULT, RPC_NO_NUMBER, {0}},
    {"response size should not greater than %", RESULT, RPC_NO_NUMBER, {0}},
    {"backend response too large", RESULT, RPC_NO_NUMBER, {0}},
    {"^response is too big", RESULT, RPC_NO_NUMBER, {0}},
    {"^response too large", RESULT, RPC_NO_NUMBER, {0}},
    {"query timeout exceeded", RESULT, RPC_NO_NUMBER, {0}},
    {"execution aborted (timeout", RESULT, RPC_NO_NUMBER, {0}},
    {"query returned more than # results", RESULT, RPC_LOGS, {0}},
    {"query exceeds max results #", RESULT, RPC_LOGS, {0}},
    {"logs matched by query exceeds limit of #", RESULT, RPC_LOGS, {0}},
    {"query returns too many logs", RESULT, RPC_NO_NUMBER, {0}},
    {"more than # logs", RESULT, RPC_LOGS, {0}},

    /* the filter, the batch */
    {"exceed max addresses", RPC_KIND_SPLIT_ADDRESSES, RPC_NO_NUMBER, {0}},
    {"exceed max topics", RPC_KIND_SPLIT_ADDRESSES, RPC_NO_NUMBER, {0}},
    {"too many addresses", RPC_KIND_SPLIT_ADDRESSES, RPC_NO_NUMBER, {0}},
    {"batch of more than # requests", BATCH, RPC_CALLS, {0}},
    {"too many rpc calls in batch", BATCH, RPC_NO_NUMBER, {0}},
    {"batch size limit exceeded", BATCH, RPC_NO_NUMBER, {0}},
    {"batch size too large", BATCH, RPC_NO_NUMBER, {0}},
    {"^batch too large", BATCH, RPC_NO_NUMBER, {0}},
    {"batch requests are not supported", BATCH, RPC_NO_NUMBER, {0}},
    {"batch requests are not allowed", BATCH, RPC_NO_NUMBER, {0}},
    {"batch requests are disabled", BATCH, RPC_NO_NUMBER, {0}},

    /* too many blocks */
    {"block range extends beyond current head block", HEAD, RPC_NO_NUMBER, {0}},
    {"up to a # block range", SPAN, RPC_BLOCKS, {0}},
    {"range % exceeds limit of #", SPAN, RPC_BLOCKS, {0}},
    {"limited to a # range", SPAN, RPC_BLOCKS, {0}},
    {"limited to a # block range", SPAN, RPC_BLOCKS, {0}},
    {"limited to a # blocks range", SPAN, RPC_BLOCKS, {0}},
    {"limited to # block range", SPAN, RPC_BLOCKS, {0}},
    {"limited to # blocks range", SPAN, RPC_BLOCKS, {0}},
    {"limited to % - # blocks range", SPAN, RPC_BLOCKS, {0}},
    {"block range is too wide (maximum #)", SPAN, RPC_BLOCKS, {0}},
    {"maximum [from, to] blocks distance: #", SPAN, RPC_BLOCKS, {0}},
    {"block range greater than # max", SPAN, RPC_BLOCKS, {0}},
    {"query exceeds max block range #", SPAN, RPC_BLOCKS, {0}},
    {"query exceeds range*max block range #", SPAN, RPC_BLOCKS, {0}},
    {"exceeded maximum block range: #", SPAN, RPC_BLOCKS, {0}},
    {"exceed maximum block range: #", SPAN, RPC_BLOCKS, {0}},
    {"requested too many blocks from % to %, maximum is set to #", SPAN, RPC_BLOCKS, {0}},
    {"range too large, max range: #", SPAN, RPC_BLOCKS, {0}},
    {"range too large. max range: #", SPAN, RPC_BLOCKS, {0}},
    {"range is too large, max is # blocks", SPAN, RPC_BLOCKS, {0}},
    {"block range = %, max block range = #", SPAN, RPC_BLOCKS, {0}},
    {"exceeds the range allowed for your plan (% > #)", SPAN, RPC_BLOCKS, {0}},
    {"ranges over # blocks are not supported", SPAN, RPC_BLOCKS, {0}},
    {"block range too large (%), maximum allowed is # blocks", SPAN, RPC_BLOCKS, {0}},
    {"block range limit exceeded", SPAN, RPC_NO_NUMBER, {9999, 99}},
    {"block range is too wide", SPAN, RPC_NO_NUMBER, {3000, 0}},
    {"block range is too large", SPAN, RPC_NO_NUMBER, {0}},
    {"block range too large", SPAN, RPC_NO_NUMBER, {2000, 0}},
    {"block range threshold exceeded", SPAN, RPC_NO_NUMBER, {0}},

    /* what this endpoint will not give for this money; the day before the second */
    {"monthly capacity limit exceeded", QUOTA, RPC_NO_NUMBER, {0}},
    {"daily request count exceeded", QUOTA, RPC_NO_NUMBER, {0}},
    {"daily request limit", QUOTA, RPC_NO_NUMBER, {0}},
    {"monthly request limit", QUOTA, RPC_NO_NUMBER, {0}},
    {"daily quota", QUOTA, RPC_NO_NUMBER, {0}},
    {"monthly quota", QUOTA, RPC_NO_NUMBER, {0}},
    {"compute units per second", RATE, RPC_NO_NUMBER, {0}},
    {"request rate exceeded", RATE, RPC_NO_NUMBER, {0}},
    {"rate limit exceeded", RATE, RPC_NO_NUMBER, {0}},
    {"rate limit exhausted", RATE, RPC_NO_NUMBER, {0}},
    {"over rate limit", RATE, RPC_NO_NUMBER, {0}},
    {"exceeded its throughput limit", RATE, RPC_NO_NUMBER, {0}},
    {"too many requests", RATE, RPC_NO_NUMBER, {0}},
    {"archive requests require", ARCHIVE, RPC_NO_NUMBER, {0}},
    {"not have access to archive", ARCHIVE, RPC_NO_NUMBER, {0}},
    {"archive, debug and trace requests are not available", ARCHIVE, RPC_NO_NUMBER, {0}},
    {"must be authenticated", AUTH, RPC_NO_NUMBER, {0}},
    {"invalid api key", AUTH, RPC_NO_NUMBER, {0}},
    {"invalid project id", AUTH, RPC_NO_NUMBER, {0}},
    {"api key disabled", AUTH, RPC_NO_NUMBER, {0}},

    /* what this node has not */
    {"^header not found", HEAD, RPC_NO_NUMBER, {0}},
    {"^block not found$", HEAD, RPC_NO_NUMBER, {0}},
    {"^unknown block$", HEAD, RPC_NO_NUMBER, {0}},
    {"blocks specified in filter * cannot be found", HEAD, RPC_NO_NUMBER, {0}},
    {"after last accepted block %", HEAD, RPC_NO_NUMBER, {0}},
    {"cannot query unfinalized data", HEAD, RPC_NO_NUMBER, {0}},
    {"missing trie node", PRUNED, RPC_NO_NUMBER, {0}},
    {"no historical rpc is available", PRUNED, RPC_NO_NUMBER, {0}},
    {"pruned history unavailable", PRUNED, RPC_NO_NUMBER, {0}},
    {"history has been pruned", PRUNED, RPC_NO_NUMBER, {0}},
    {"required historical state unavailable", PRUNED, RPC_NO_NUMBER, {0}},
    {"height % is not available, lowest height is %", PRUNED, RPC_NO_NUMBER, {0}},
    {"not currently canonical", RPC_KIND_REORGED, RPC_NO_NUMBER, {0}},

    /* what it does not understand */
    {"^method not found", RPC_KIND_UNSUPPORTED, RPC_NO_NUMBER, {0}},
    {"^method not supported", RPC_KIND_UNSUPPORTED, RPC_NO_NUMBER, {0}},
    {"^unsupported method", RPC_KIND_UNSUPPORTED, RPC_NO_NUMBER, {0}},
    {"^the method * does not exist", RPC_KIND_UNSUPPORTED, RPC_NO_NUMBER, {0}},
    {"^rpc method is not whitelisted", RPC_KIND_UNSUPPORTED, RPC_NO_NUMBER, {0}},
    {"^invalid block range params", RPC_KIND_BAD_REQUEST, RPC_NO_NUMBER, {0}},
    {"^invalid argument %: ", RPC_KIND_BAD_REQUEST, RPC_NO_NUMBER, {0}},

    /* what is away for now */
    {"^request timed out$", RPC_KIND_TIMEOUT, RPC_NO_NUMBER, {0}},
    {"no backend is currently healthy", AWAY, RPC_NO_NUMBER, {0}},
    {"service temporarily unavailable", AWAY, RPC_NO_NUMBER, {0}},
    {"^service unavailable$", AWAY, RPC_NO_NUMBER, {0}},
    {"^bad gateway$", AWAY, RPC_NO_NUMBER, {0}},
};

/* ---- texts ---- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A comma at `at` between a digit and exactly three. */
static bool is_thousands_comma(struct str text, size_t at) {
    if (text.ptr[at] != ',' || at == 0 || !is_digit(text.ptr[at - 1]) || text.len - at < 4) {
        return false;
    }
    for (size_t i = 1; i <= 3; i++) {
        if (!is_digit(text.ptr[at + i])) {
            return false;
        }
    }
    return text.len - at == 4 || !is_digit(text.ptr[at + 4]);
}

void rpc_words_init(struct rpc_words *words, struct str text) {
    words->len = 0;
    text = str_trim(text);
    for (size_t i = 0; i < text.len && words->len < sizeof words->text; i++) {
        char c = text.ptr[i];
        if (is_thousands_comma(text, i)) {
            continue;
        }
        if (is_space(c)) {
            c = ' ';
            if (words->text[words->len - 1] == ' ') { /* the text begins with none */
                continue;
            }
        }
        words->text[words->len++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
}

/* ---- patterns ---- */

/* Decimal digits at `at`; how many bytes they take with a 'k', 0 when there are none or too many. */
static size_t number_at(const struct rpc_words *words, size_t at, int64_t *out) {
    int64_t value = 0;
    size_t i = at;
    while (i < words->len && is_digit(words->text[i])) {
        if (i - at == 15) {
            return 0; /* nobody counts so far */
        }
        value = value * 10 + (words->text[i] - '0');
        i++;
    }
    if (i == at) {
        return 0;
    }
    bool has_k = i < words->len && words->text[i] == 'k' &&
                 (i + 1 == words->len || words->text[i + 1] < '0' || words->text[i + 1] > 'z');
    *out = has_k ? value * 1000 : value;
    return i - at + (has_k ? 1 : 0);
}

/* One piece of a pattern at `at`: how much of the text it takes; SIZE_MAX when it does not fit. */
static size_t piece_at(const struct rpc_words *words, size_t at, char piece, int64_t *number) {
    if (piece == '$') {
        return at == words->len ? 0 : SIZE_MAX;
    }
    if (piece == '#' || piece == '%') {
        int64_t value = 0;
        size_t taken = number_at(words, at, &value);
        if (taken > 0 && piece == '#') {
            *number = value;
        }
        return taken > 0 ? taken : SIZE_MAX;
    }
    return at < words->len && words->text[at] == piece ? 1 : SIZE_MAX;
}

/* The pattern from here on; a '*' is tried again one byte later each time what follows it fails. */
static bool matches_at(const struct rpc_words *words, size_t at, const char *pattern,
                       int64_t *number) {
    const char *star = NULL; /* the pattern behind the last '*' */
    size_t star_at = 0;
    size_t star_end = 0;
    while (*pattern != '\0') {
        if (*pattern == '*') {
            pattern++;
            star = pattern;
            star_at = at;
            star_end = at + RPC_GAP_BYTES;
            continue;
        }
        size_t taken = piece_at(words, at, *pattern, number);
        if (taken != SIZE_MAX) {
            at += taken;
            pattern++;
            continue;
        }
        if (star == NULL || star_at == star_end || star_at == words->len) {
            return false;
        }
        star_at++;
        at = star_at;
        pattern = star;
    }
    return true;
}

static bool is_literal(char piece) {
    return piece != '\0' && strchr("#%*$", piece) == NULL;
}

bool rpc_words_match(const struct rpc_words *words, const char *pattern, int64_t *number) {
    bool is_at_start = pattern[0] == '^';
    pattern += is_at_start;
    size_t last = is_at_start ? 0 : words->len;
    for (size_t at = 0; at <= last; at++) {
        if (is_literal(*pattern)) { /* most of a text is not even looked at */
            const char *next = memchr(words->text + at, *pattern, words->len - at);
            at = next == NULL ? words->len : (size_t)(next - words->text);
            if (at == words->len || at > last) {
                return false;
            }
        }
        int64_t value = -1;
        /* A number is not entered in its middle. */
        bool is_inside =
            at > 0 && (*pattern == '#' || *pattern == '%') && is_digit(words->text[at - 1]);
        if (!is_inside && matches_at(words, at, pattern, &value)) {
            *number = value;
            return true;
        }
    }
    return false;
}

const struct rpc_wording *rpc_words_find(const struct rpc_words *words, int64_t *number) {
    for (size_t i = 0; i < ARRAY_COUNT(wordings); i++) {
        if (rpc_words_match(words, wordings[i].pattern, number)) {
            return &wordings[i];
        }
    }
    return NULL;
}

/* ---- suggested ranges ---- */

/* A number of up to 15 digits, "0x" and hexadecimal or decimal. Its length, or 0. */
static size_t block_at(const struct rpc_words *words, size_t at, uint64_t *out) {
    bool is_hex = at + 1 < words->len && words->text[at] == '0' && words->text[at + 1] == 'x';
    size_t start = is_hex ? at + 2 : at;
    uint64_t value = 0;
    size_t i = start;
    while (i < words->len) {
        char c = words->text[i];
        unsigned digit = is_digit(c)                      ? (unsigned)(c - '0')
                         : is_hex && c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                                          : 16;
        if (digit == 16) {
            break;
        }
        if (i - start == 15) {
            return 0;
        }
        value = value * (is_hex ? 16 : 10) + digit;
        i++;
    }
    *out = value;
    return i == start ? 0 : i - at;
}

/* "[A, B]", "[A,B]" or "A-B" at `at`. */
static bool range_at(const struct rpc_words *words, size_t at, uint64_t *from, uint64_t *to) {
    bool is_bracketed = at < words->len && words->text[at] == '[';
    at += is_bracketed;
    size_t taken = block_at(words, at, from);
    at += taken;
    if (taken == 0 || at == words->len || words->text[at] != (is_bracketed ? ',' : '-')) {
        return false;
    }
    at++;
    at += at < words->len && words->text[at] == ' ';
    taken = block_at(words, at, to);
    at += taken;
    return taken > 0 && (!is_bracketed || (at < words->len && words->text[at] == ']'));
}

bool rpc_words_range(const struct rpc_words *words, uint64_t *from, uint64_t *to) {
    static const char *const announced[] = {"range should work: ", "try with this block range ",
                                            "retry with the range "};
    for (size_t i = 0; i < ARRAY_COUNT(announced); i++) {
        size_t len = strlen(announced[i]);
        for (size_t at = 0; at + len <= words->len; at++) {
            if (memcmp(words->text + at, announced[i], len) == 0) {
                return range_at(words, at + len, from, to);
            }
        }
    }
    return false;
}
