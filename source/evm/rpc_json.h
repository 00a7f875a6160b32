/* Reading JSON-RPC 2.0 answers (https://www.jsonrpc.org/specification) of Ethereum nodes in place.
 *
 * Nothing is copied: every struct str is a view into the body and lives as long as it. "Raw" means
 * JSON text as the node wrote it, quotes included.
 *
 *     struct rpc_answer answers[3];             // for the calls sent with ids 7, 8, 9
 *     struct rpc_reading reading;
 *     rpc_read(body, 7, answers, 3, &reading, err);
 *     if (answers[0].kind == RPC_RESULT) {
 *         struct rpc_items logs;
 *         rpc_items_init(&logs, answers[0].raw);
 *         while (rpc_items_next(&logs, &log)) { ... }
 *         if (!logs.is_well_formed) ...
 *     }
 *
 * What is checked: strings are closed, brackets match in kind and depth, objects and the array of a batch
 * are written by the grammar, nothing is cut off. What is inside a result beyond that (numbers, UTF-8,
 * commas of deeper levels) is left to who reads it. No allocation, no recursion. */
#ifndef PLUMB_SOURCE_EVM_RPC_JSON_H
#define PLUMB_SOURCE_EVM_RPC_JSON_H

#include "base/str.h"

#define RPC_DEPTH_MAX      64 /* nested objects and arrays of a body */
#define RPC_SHOWN_BYTES    80 /* of a body that is no JSON-RPC, in a message */
#define RPC_TEXT_BYTES_MAX 2048
#define RPC_MEMBERS_MAX    32 /* asked for at once by rpc_members */

enum rpc_answer_kind {
    RPC_MISSING, /* no item has this id */
    RPC_RESULT,  /* raw: the result, which may be null */
    RPC_ERROR,   /* raw: the error, an object or a string */
    RPC_NEITHER /* an item with neither result nor error; raw: the item, which rpc_read_error can read */
};

struct rpc_answer {
    enum rpc_answer_kind kind;
    struct str raw;
};

struct rpc_reading {
    bool is_batch; /* the body is an array */
    /* One error for all that was asked (a batch that was refused, an id that is null): the same raw is
     * in every answer that has none of its own. */
    bool is_refused;
    size_t duplicates; /* items whose id had an answer already; the first counts */
    size_t extras;     /* items with an id nobody asked for */
};

/* For the calls with the ids first_id .. first_id + count - 1 (numbers, or numbers in strings),
 * answers[i] is that of first_id + i. A single call is answered by a single object even when its id is
 * null or missing, and by an array of one. UNAVAILABLE: not a JSON-RPC body (empty, truncated, a
 * proxy's page; the message shows its beginning), nothing is set then. */
MUST_CHECK enum err_code rpc_read(struct str body, int64_t first_id, struct rpc_answer *answers,
                                  size_t count, struct rpc_reading *out, struct err *err);

/* The text of an error: code, message and data, whatever shape it came in. */
struct rpc_error_text {
    bool has_code;
    int64_t code;
    struct str message; /* unescaped, in text; cut at its room */
    struct str data;    /* raw; empty when there is none */
    char text[RPC_TEXT_BYTES_MAX];
};
/* raw as in RPC_ERROR. What is missing or of another type is left empty. */
void rpc_read_error(struct str raw, struct rpc_error_text *out);

/* ---- parts of a result ---- */

/* The elements of a raw array, in order. */
struct rpc_items {
    const char *at;
    const char *end;
    bool is_well_formed; /* false: not an array, or not to its end; no more items come then */
};
void rpc_items_init(struct rpc_items *items, struct str raw);
MUST_CHECK bool rpc_items_next(struct rpc_items *items, struct str *out);

/* Raw values of the members names[0 .. count - 1] of a raw object; empty views for those it has not (the
 * first counts when one is twice). False: not an object. */
MUST_CHECK bool rpc_members(struct str raw, const char *const *names, size_t count,
                            struct str *out);

bool rpc_is_null(struct str raw);
/* A quantity: "0x1f" in any case, leading zeros and "0x" (0) tolerated; 0 .. max. */
MUST_CHECK bool rpc_quantity(struct str raw, uint64_t max, uint64_t *out);
/* Exactly bytes * 2 hex digits after 0x, in quotes. */
MUST_CHECK bool rpc_bytes(struct str raw, uint8_t *out, size_t bytes);
/* The text of a raw string, unescaped (what is no escape stays as it is), cut at room. False: not a
 * string. */
MUST_CHECK bool rpc_text(struct str raw, char *room, size_t room_bytes, struct str *out);

#endif
