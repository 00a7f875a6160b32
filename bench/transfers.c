/* Prints token transfers as JSON lines, the same ones every time:
 *
 *     transfers ROWS [random]
 *
 * A record has about 230 bytes. One in twenty is a record of the last thousand delivered again,
 * byte for byte. Tokens and accounts are skewed, as they are on a chain: a few take part in most
 * transfers. Keys (block, log_index) ascend, or with "random" are spread over all of int64's
 * positive half. Number i is computed from i alone. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

#define REPEATED_ONE_IN 20
#define REPEATED_WITHIN 1000
#define BLOCK_FIRST     18000000
#define BLOCK_TRANSFERS 150
#define TOKENS          500
#define ACCOUNTS        100000
#define STREAM_BYTES    ((size_t)1 << 20)

/* splitmix64: a bijection whose output looks random. */
static uint64_t mix(uint64_t x) {
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* One of n by Zipf's law: the second comes half as often as the first, and so on. */
static uint64_t skewed(uint64_t random, uint64_t n) {
    double u = (double)(random >> 11) / 9007199254740992.0;
    double rank = exp(u * log((double)n + 1.0));
    return (uint64_t)rank - 1;
}

struct address {
    char text[43];
};

static struct address address_of(uint64_t kind, uint64_t number) {
    struct address a;
    uint64_t first = mix(kind << 32 | number);
    uint64_t second = mix(first);
    (void)snprintf(a.text, sizeof(a.text), "0x%016" PRIx64 "%016" PRIx64 "%08" PRIx32, first,
                   second, (uint32_t)mix(second));
    return a;
}

static bool print_transfer(uint64_t i, bool random_keys) {
    uint64_t r = mix(i * 8);
    uint64_t block = random_keys ? mix(i * 8 + 1) >> 1 : BLOCK_FIRST + i / BLOCK_TRANSFERS;
    struct address token = address_of(1, skewed(mix(i * 8 + 2), TOKENS));
    struct address sender = address_of(2, skewed(mix(i * 8 + 3), ACCOUNTS));
    struct address receiver = address_of(2, skewed(mix(i * 8 + 4), ACCOUNTS));
    return printf("{\"block\":%" PRIu64 ",\"log_index\":%" PRIu64
                  ",\"token\":\"%s\",\"sender\":\"%s\",\"receiver\":\"%s\",\"amount\":\"%" PRIu64
                  "%06" PRIu64 "\"}\n",
                  block, i % BLOCK_TRANSFERS, token.text, sender.text, receiver.text, (r >> 4) + 1,
                  r % 1000000) > 0;
}

int main(int argc, char **argv) {
    int64_t rows = 0;
    if (argc < 2 || !parse_i64(str_of(argv[1]), &rows) || rows < 1) {
        (void)fprintf(stderr, "usage: transfers ROWS [random]\n");
        return 2;
    }
    bool random_keys = argc > 2 && strcmp(argv[2], "random") == 0;
    if (setvbuf(stdout, NULL, _IOFBF, STREAM_BYTES) != 0) {
        return 1;
    }
    for (uint64_t i = 0; i < (uint64_t)rows; i++) {
        uint64_t r = mix(i * 8 + 5);
        bool repeated = i >= REPEATED_WITHIN && r % REPEATED_ONE_IN == 0;
        /* What stood there may itself be a repetition by its place; the record is the place's own,
         * which then comes for the first time. */
        uint64_t which = repeated ? i - 1 - (r >> 8) % (REPEATED_WITHIN - 1) : i;
        if (!print_transfer(which, random_keys)) {
            return 1;
        }
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
