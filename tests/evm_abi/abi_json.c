/* Decodes ABI data from standard input for test_evm_abi.py: one case a line, "TYPES HEX", TYPES being a
 * tuple of the arguments' types without spaces. Prints one line for each: the arguments as a JSON array,
 * or "error: " and why not. For the word keccak256 instead of types, the hash of the data. How it works: reads all of it, then goes line by line. */
#include "source/evm/abi_type.h"
#include "source/evm/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INPUT_BYTES_MAX ((size_t)64 << 20)
#define READ_BYTES      65536

static void hash(struct str hex, uint8_t *data) {
    uint8_t out[KECCAK256_BYTES];
    bool is_hex = hex.len % 2 == 0 && evm_hex_decode(hex, data) == hex.len;
    keccak256((struct str){(const char *)data, is_hex ? hex.len / 2 : 0}, out);
    (void)printf("%s", is_hex ? "\"0x" : "error: not hex ");
    for (size_t i = 0; i < sizeof(out) && is_hex; i++) {
        (void)printf("%02x", out[i]);
    }
    (void)printf("\"\n");
}

static void decode(struct str types, struct str hex) {
    struct arena arena;
    struct err err = ERR_INIT;
    const struct abi_type *type = NULL;
    struct buf out = BUF_INIT(ABI_JSON_BYTES_MAX + 1);
    uint8_t *data = mem_alloc(hex.len / 2 + 1);
    arena_init(&arena, (size_t)4 << 20);
    if (str_equal_c(types, "keccak256")) {
        hash(hex, data);
        mem_free(data);
        return;
    }
    enum err_code code = abi_type_parse(types, &arena, &type, &err);
    if (code == ERR_NONE && (hex.len % 2 != 0 || evm_hex_decode(hex, data) != hex.len)) {
        code = err_set(&err, ERR_INPUT, "the data is not hex digits");
    }
    if (code == ERR_NONE && type->kind != ABI_TUPLE) {
        code = err_set(&err, ERR_CONFIG, "the types are not in parentheses");
    }
    if (code == ERR_NONE) {
        code = abi_decode_json(type, (struct str){(const char *)data, hex.len / 2}, &out, &err);
    }
    if (code == ERR_NONE) {
        (void)printf("%s\n", buf_c(&out));
    } else {
        (void)printf("error: %s\n", err.message);
    }
    mem_free(data);
    buf_release(&out);
    arena_release(&arena);
}

int main(void) {
    struct buf input = BUF_INIT(INPUT_BYTES_MAX);
    char part[READ_BYTES];
    struct err err = ERR_INIT;
    for (;;) {
        ssize_t got = read(STDIN_FILENO, part, sizeof(part));
        if (got <= 0) {
            break;
        }
        if (buf_add(&input, part, (size_t)got, &err) != ERR_NONE) {
            (void)fprintf(stderr, "%s\n", err.message);
            return 1;
        }
    }
    struct str rest = buf_str(&input);
    while (rest.len > 0) {
        size_t end = str_find(rest, '\n');
        struct str line = {rest.ptr, end};
        size_t space = str_find(line, ' ');
        size_t skip = space < line.len ? space + 1 : space;
        decode((struct str){line.ptr, space}, (struct str){line.ptr + skip, line.len - skip});
        size_t used = end < rest.len ? end + 1 : end;
        rest = (struct str){rest.ptr + used, rest.len - used};
    }
    buf_release(&input);
    return 0;
}
