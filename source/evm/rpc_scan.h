/* Finding the end of a JSON value without looking at most of its bytes. Private to rpc_json.c.
 *
 * Strings, escapes and brackets are what decides where a value ends, and 64 bytes at a time are asked
 * for these four alone. Nothing is read past `end`. */
#ifndef PLUMB_SOURCE_EVM_RPC_SCAN_H
#define PLUMB_SOURCE_EVM_RPC_SCAN_H

#include "source/evm/rpc_json.h"

/* p at '{' or '['. One past the bracket that closes it; NULL with what is wrong in *fault: not closed, a
 * bracket of the other kind, or deeper than RPC_DEPTH_MAX - depth. */
const char *rpc_scan_container(const char *p, const char *end, unsigned depth, const char **fault);
/* p behind the opening quote. One past the closing one; NULL: not closed. */
const char *rpc_scan_string(const char *p, const char *end);
/* p at the first byte of any value inside `depth` containers. One past its last; NULL with *fault. */
const char *rpc_scan_value(const char *p, const char *end, unsigned depth, const char **fault);

static inline const char *rpc_skip_space(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
    }
    return p;
}

/* p where a member of an object may begin: behind '{', or behind a ','. Sets key (without quotes, as it
 * was written) and value; returns one past the value. NULL with *fault. */
const char *rpc_scan_member(const char *p, const char *end, unsigned depth, struct str *key,
                            struct str *value, const char **fault);

#endif
