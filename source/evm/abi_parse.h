/* The reader of types in signatures. Private to abi_*.c.
 *
 * Reads a list of parameters, or one type, into items; canonical gets the text that is hashed. */
#ifndef PLUMB_SOURCE_EVM_ABI_PARSE_H
#define PLUMB_SOURCE_EVM_ABI_PARSE_H

#include "source/evm/abi_type.h"

#define ABI_SHOWN_BYTES 40 /* of the text, in a message */

struct abi_item {
    const struct abi_type *type;
    const char *name; /* "" when it has none */
    bool is_indexed;
    size_t canonical_from, canonical_to; /* its type in canonical */
};

struct abi_open {
    size_t first_item;
    size_t canonical_from;
};

struct abi_parse {
    struct str text;
    size_t at;
    bool is_event; /* the outermost parentheses are a list of parameters, which may be indexed */
    struct arena *arena;
    struct err *err;
    struct buf canonical;
    size_t type_count;
    struct abi_item items[ABI_TYPES_MAX]; /* done, and not yet part of a tuple */
    size_t item_count;
    struct abi_open open[ABI_DEPTH_MAX + 1]; /* parentheses */
    size_t open_count;
};

/* CONFIG when the text is too long. Release also after errors. */
MUST_CHECK enum err_code abi_parse_init(struct abi_parse *p, struct str text, struct arena *arena,
                                        struct err *err);
void abi_parse_release(struct abi_parse *p);
/* is_event: p->at is at '('; reads up to behind its ')'. Else one type. */
MUST_CHECK enum err_code abi_parse_items(struct abi_parse *p);

void abi_skip_space(struct abi_parse *p);
/* Letters, digits, _ and $ from p->at on, which moves behind them; empty when there are none. */
struct str abi_take_word(struct abi_parse *p);
char abi_peek(const struct abi_parse *p); /* NUL at the end */
/* An identifier of at most ABI_NAME_BYTES_MAX that begins with no digit, copied. */
MUST_CHECK enum err_code abi_copy_name(struct abi_parse *p, struct str word, const char **out);
/* CONFIG: "byte 12 (at 'addres from'): ..." */
enum err_code abi_parse_fail(struct abi_parse *p, size_t at, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#endif
