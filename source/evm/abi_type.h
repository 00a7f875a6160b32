/* Types of the Ethereum contract ABI, and how values of them are read.
 *
 * Source: https://docs.soliditylang.org/en/latest/abi-spec.html. A type is a const tree in the arena it
 * was parsed into. Values are read strictly: every offset and length must stay inside the data, and
 * what pads a number, address, bool or bytesN to a word must be what the specification says; else the
 * data is not of that type. Not checked, as contracts on chains differ: bytes between or behind the
 * parts, and what pads `bytes` and `string`.
 *
 * Nothing recurses; the work is bounded by the size of the data, whatever its offsets say. */
#ifndef PLUMB_SOURCE_EVM_ABI_TYPE_H
#define PLUMB_SOURCE_EVM_ABI_TYPE_H

#include "base/mem.h"

#define ABI_WORD_BYTES     32
#define ABI_TEXT_BYTES_MAX 4096 /* of a signature or a type */
#define ABI_NAME_BYTES_MAX 64   /* of a parameter or an event */
#define ABI_TYPES_MAX      256  /* types inside one signature, arrays and tuples counting too */
#define ABI_DEPTH_MAX      16   /* arrays and tuples inside each other */
#define ABI_STATIC_MAX     ((uint64_t)64 << 10) /* bytes that a type without offsets takes */
/* Data whose offsets point to one place many times over says more than it holds. Values and bytes read
 * may be this many times what the data has room for. */
#define ABI_OVERLAP_MAX    2
#define ABI_JSON_BYTES_MAX ((size_t)64 << 20) /* of one value */

enum abi_kind {
    ABI_UINT,
    ABI_INT,
    ABI_ADDRESS,
    ABI_BOOL,
    ABI_BYTES_N, /* bytes1 .. bytes32 */
    ABI_BYTES,
    ABI_STRING,
    ABI_ARRAY, /* T[3] */
    ABI_LIST,  /* T[] */
    ABI_TUPLE
};

struct abi_type {
    enum abi_kind kind;
    bool is_dynamic;
    bool has_names;               /* TUPLE: every component has one, and no two the same */
    unsigned bits;                /* UINT, INT: 8 .. 256 */
    unsigned bytes;               /* BYTES_N: 1 .. 32 */
    unsigned depth;               /* arrays and tuples on the way down, itself included */
    uint64_t length;              /* ARRAY: items; TUPLE: components */
    uint64_t head_bytes;          /* what it takes in a head: a word for dynamic types */
    const struct abi_type *items; /* ARRAY, LIST: one; TUPLE: length of them */
    const char *const *names;     /* TUPLE with has_names: of its components */
};

/* A type as it stands in a signature: "uint256", "(address to, uint256)[3][]", "tuple(bytes,string)".
 * CONFIG with offset, what is wrong and what to write. */
MUST_CHECK enum err_code abi_type_parse(struct str text, struct arena *arena,
                                        const struct abi_type **out, struct err *err);

/* The data of a log or of a call, and how much may still be read of it. */
struct abi_data {
    struct str bytes;
    uint64_t values_left;
    uint64_t bytes_left;
};
void abi_data_init(struct abi_data *data, struct str bytes);

/* Adds the value whose head stands at byte `at` as JSON: numbers as they are when an int64 holds them and as decimal strings beyond;
 * bool; bytes, bytesN and addresses "0x" and hex digits; strings with U+FFFD for NUL and for each byte
 * that is not UTF-8; arrays; tuples as objects when has_names, else as arrays. INPUT when the data is
 * not of this type, saying why; LIMIT when out is full. On errors out holds what it held. */
MUST_CHECK enum err_code abi_write_json(const struct abi_type *type, struct abi_data *data,
                                        uint64_t at, struct buf *out, struct err *err);
/* Data encoded as the arguments of a call: the components of `tuple`, one behind the other. */
MUST_CHECK enum err_code abi_decode_json(const struct abi_type *tuple, struct str data,
                                         struct buf *out, struct err *err);

/* The word of a value of a type that takes one word: NULL when it is clean, else what is wrong. */
const char *abi_word_fault(const struct abi_type *type, const uint8_t word[ABI_WORD_BYTES]);
/* The bytes of the `bytes` or `string` whose head stands at byte `at`: a view into data. INPUT when they
 * are not all there. */
MUST_CHECK enum err_code abi_read_bytes(struct abi_data *data, uint64_t at, struct str *out,
                                        struct err *err);
/* True when text can be stored as it is: UTF-8 without NUL. */
bool abi_text_is_clean(struct str text);
/* Adds text with U+FFFD for each NUL and each byte that is not UTF-8. */
MUST_CHECK enum err_code abi_add_text(struct str text, struct buf *out, struct err *err);

#endif
