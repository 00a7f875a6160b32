/* Decodes a million JSON records of about 150 bytes and 6 columns with our decoder, and reads the
 * same six fields with simdjson's on-demand API (which does not validate what it skips), into the
 * same kind of columns. Prints records/s and MB/s of both; the best of several rounds counts.
 *
 *     decode_bench [ROUNDS]                                                                      */
#include "bench/decode_bench.h"

#include "base/clock.h"
#include "base/parse.h"
#include "rows/decode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BENCH_BATCHES   100
#define BENCH_RECORDS   10000 /* a batch */
#define BENCH_ARENA_MAX ((size_t)1 << 30)
#define BENCH_ROUNDS    5

static const char *const paths[][2] = {{"id", NULL},     {"customer", "id"}, {"total_cents", NULL},
                                       {"status", NULL}, {"updated", NULL},  {"note", NULL}};

static void add_column(struct contract_column *columns, struct column *schema, size_t i,
                       const char *name, enum column_type type) {
    columns[i] = (struct contract_column){.name = name,
                                          .type = type,
                                          .required = i < 2,
                                          .path = paths[i],
                                          .path_depth = paths[i][1] != NULL ? 2 : 1,
                                          .min = {.is_null = true},
                                          .max = {.is_null = true}};
    schema[i] = (struct column){name, type};
}

static enum err_code fill(struct batch *b, int64_t number, struct err *err) {
    static const char *const statuses[] = {"open", "paid", "void"};
    struct buf text = BUF_INIT(4096);
    enum err_code code = batch_begin(b, STR(""), err);
    uint64_t seed = 88172645463325252u + (uint64_t)number;
    for (int64_t i = 0; i < BENCH_RECORDS && code == ERR_NONE; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        buf_clear(&text);
        buf_addf(&text,
                 "{\"id\":%" PRId64 ",\"customer\":{\"id\":\"c-%" PRIu64
                 "\"},\"total_cents\":%" PRIu64 ",\"status\":\"%s\",\"updated\":\"2026-01-%02d"
                 "T12:%02d:%02dZ\",\"note\":\"thank you, see you again %" PRIu64 "\"}",
                 i, seed % 1000000, seed % 100000, statuses[seed % 3], (int)(seed % 28) + 1,
                 (int)(seed % 60), (int)(seed / 60 % 60), seed % 100000);
        code = batch_add(b, buf_str(&text), RECORD_WHOLE, err);
    }
    buf_release(&text);
    return code == ERR_NONE ? batch_seal(b, 1, err) : code;
}

static void report(const char *name, int64_t us, size_t bytes, uint64_t check) {
    double seconds = (double)us / 1e6;
    printf("%-20s %6.2f M records/s  %7.1f MB/s  check %016" PRIx64 "\n", name,
           BENCH_BATCHES * BENCH_RECORDS / seconds / 1e6, (double)bytes / seconds / 1e6, check);
}

/* Both must have read the same. */
static uint64_t check_rows(const struct rows *r) {
    uint64_t sum = r->count;
    for (size_t i = 0; i < r->count; i++) {
        sum = sum * 31 + (uint64_t)r->columns[0].integer[i] + (uint64_t)r->columns[2].integer[i] +
              r->columns[1].bytes[i].len + r->columns[3].bytes[i].len +
              (uint64_t)r->columns[4].integer[i] + r->columns[5].bytes[i].len;
    }
    return sum;
}

struct side {
    int64_t us;
    uint64_t check;
};

static void bench_side(const struct batch *b, struct rows *rows, bool walk_all, struct side *s) {
    int64_t begin = clock_monotonic_us();
    bench_simdjson(b, rows, walk_all);
    s->us += clock_monotonic_us() - begin;
    s->check += check_rows(rows);
}

static enum err_code round_of(struct decoder *d, const struct batch *batches, struct arena *arena,
                              size_t bytes, struct err *err) {
    struct side ours = {0};
    struct side in_order = {0};
    struct side walked = {0};
    for (size_t i = 0; i < BENCH_BATCHES; i++) {
        struct decoded out;
        arena_reset(arena);
        int64_t begin = clock_monotonic_us();
        enum err_code code = decoder_run(d, &batches[i], arena, &out, err);
        if (code != ERR_NONE) {
            return code;
        }
        ours.us += clock_monotonic_us() - begin;
        ours.check += check_rows(&out.rows);
        bench_side(&batches[i], &out.rows, false, &in_order);
        bench_side(&batches[i], &out.rows, true, &walked);
    }
    report("plumb", ours.us, bytes, ours.check);
    report("simdjson, in order", in_order.us, bytes, in_order.check);
    report("simdjson, walked", walked.us, bytes, walked.check);
    return ERR_NONE;
}

static enum err_code bench(int64_t rounds, struct err *err) {
    static struct batch batches[BENCH_BATCHES];
    struct contract_column columns[6];
    struct column schema[6];
    add_column(columns, schema, 0, "id", TYPE_INT64);
    add_column(columns, schema, 1, "customer", TYPE_TEXT);
    add_column(columns, schema, 2, "total", TYPE_INT64);
    add_column(columns, schema, 3, "status", TYPE_TEXT);
    add_column(columns, schema, 4, "updated", TYPE_TIMESTAMP);
    add_column(columns, schema, 5, "note", TYPE_TEXT);
    struct contract contract = {.schema = {schema, 6}, .columns = columns};
    struct arena arena;
    struct decoder *d = NULL;
    size_t bytes = 0;
    arena_init(&arena, BENCH_ARENA_MAX);
    enum err_code code = decoder_new_json(&contract, &d, err);
    for (size_t i = 0; i < BENCH_BATCHES; i++) {
        batch_init(&batches[i]);
        if (code == ERR_NONE) {
            code = fill(&batches[i], (int64_t)i, err);
            bytes += batches[i].raw.len;
        }
    }
    for (int64_t i = 0; i < rounds && code == ERR_NONE; i++) {
        code = round_of(d, batches, &arena, bytes, err);
    }
    for (size_t i = 0; i < BENCH_BATCHES; i++) {
        batch_release(&batches[i]);
    }
    decoder_free(d);
    arena_release(&arena);
    return code;
}

int main(int argc, char **argv) {
    struct err err = ERR_INIT;
    int64_t rounds = BENCH_ROUNDS;
    if (argc > 2 || (argc == 2 && (!parse_i64(str_of(argv[1]), &rounds) || rounds < 1))) {
        fprintf(stderr, "usage: decode_bench [ROUNDS]\n");
        return 2;
    }
    if (bench(rounds, &err) != ERR_NONE) {
        fprintf(stderr, "decode_bench: %s\n", err.message);
        return 1;
    }
    return 0;
}
