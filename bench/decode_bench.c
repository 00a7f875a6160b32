/* Decodes a million JSON records with our decoder and with simdjson, into the same struct rows.
 *
 * Two sets of records: "declared" has six columns of about 150 bytes and nothing else; "wide" has
 * ten undeclared fields more, about 400 bytes. Two readers of simdjson: "whole" does the same work
 * as ours, "fields" only asks for the six fields (decode_bench_simdjson.cc). In each round every
 * reader goes over all records, in turns first and last; each has an arena of its own. CPU time
 * counts. Printed are the medians over the rounds, also of the ratio within a round, since the
 * machine's speed may change between rounds.
 *
 *     decode_bench [ROUNDS]                                                                      */
#include "bench/decode_bench.h"

#include "base/parse.h"
#include "rows/decode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BENCH_BATCHES    100
#define BENCH_RECORDS    10000 /* a batch */
#define BENCH_ARENA_MAX  ((size_t)1 << 30)
#define BENCH_ROUNDS     9
#define BENCH_ROUNDS_MAX 1000

enum reader { READER_OURS, READER_WHOLE, READER_FIELDS, READER_COUNT };
static const char *const reader_names[] = {"plumb", "simdjson, whole", "simdjson, fields"};

struct totals {
    int64_t us;
    uint64_t rows; /* a checksum of the cells */
    struct bench_drift drift;
};

struct bench {
    struct contract contract;
    struct contract_column columns[BENCH_COLUMNS];
    struct column schema[BENCH_COLUMNS];
    struct decoder *decoder;
    struct arena arenas[READER_COUNT];
    struct batch batches[BENCH_BATCHES];
    size_t bytes;
    double us[READER_COUNT][BENCH_ROUNDS_MAX];
    double ratios[READER_COUNT][BENCH_ROUNDS_MAX]; /* time of the reader to time of ours */
};

static const char *const paths[][2] = {{"id", NULL},     {"customer", "id"}, {"total_cents", NULL},
                                       {"status", NULL}, {"updated", NULL},  {"note", NULL}};

static void contract_init(struct bench *b) {
    static const char *const names[] = {"id", "customer", "total", "status", "updated", "note"};
    static const enum column_type types[] = {TYPE_INT64, TYPE_TEXT,      TYPE_INT64,
                                             TYPE_TEXT,  TYPE_TIMESTAMP, TYPE_TEXT};
    for (size_t i = 0; i < BENCH_COLUMNS; i++) {
        b->columns[i] = (struct contract_column){.name = names[i],
                                                 .type = types[i],
                                                 .required = i < 2,
                                                 .path = paths[i],
                                                 .path_depth = paths[i][1] != NULL ? 2 : 1,
                                                 .min = {.is_null = true},
                                                 .max = {.is_null = true}};
        b->schema[i] = (struct column){names[i], types[i]};
    }
    b->contract = (struct contract){.schema = {b->schema, BENCH_COLUMNS}, .columns = b->columns};
}

static void add_record(struct buf *text, int64_t i, uint64_t seed, bool is_wide) {
    static const char *const statuses[] = {"open", "paid", "void"};
    buf_addf(text,
             "{\"id\":%" PRId64 ",\"customer\":{\"id\":\"c-%" PRIu64 "\"},\"total_cents\":%" PRIu64
             ",\"status\":\"%s\",\"updated\":\"2026-01-%02d"
             "T12:%02d:%02dZ\",\"note\":\"thank you, see you again %" PRIu64 "\"",
             i, seed % 1000000, seed % 100000, statuses[seed % 3], (int)(seed % 28) + 1,
             (int)(seed % 60), (int)(seed / 60 % 60), seed % 100000);
    if (is_wide) {
        buf_addf(text,
                 ",\"channel\":\"web\",\"currency\":\"EUR\",\"discount\":%" PRIu64 ".%" PRIu64
                 ",\"is_gift\":%s,\"coupon\":null,\"weight_grams\":%" PRIu64
                 ",\"tags\":[\"new\",\"summer-%" PRIu64 "\",\"sale\"],\"shipping\":{\"method\":"
                 "\"parcel\",\"days\":%" PRIu64 ",\"address\":{\"city\":\"K\xC3\xB6ln\",\"zip\":"
                 "\"%05" PRIu64 "\"}},\"agent\":\"Mozilla/5.0 (X11; Linux x86_64) \\\"shop\\\"\","
                 "\"session\":\"%016" PRIx64 "\"",
                 seed % 50, seed % 10, seed % 5 == 0 ? "true" : "false", seed % 20000, seed % 100,
                 seed % 9, seed % 100000, seed);
    }
    buf_addc(text, '}');
}

static enum err_code fill(struct batch *b, uint64_t number, bool is_wide, struct err *err) {
    struct buf text = BUF_INIT(4096);
    enum err_code code = batch_begin(b, STR(""), err);
    uint64_t seed = UINT64_C(88172645463325252) + number;
    for (int64_t i = 0; i < BENCH_RECORDS && code == ERR_NONE; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        buf_clear(&text);
        add_record(&text, i, seed, is_wide);
        code = batch_add(b, buf_str(&text), RECORD_WHOLE, err);
    }
    buf_release(&text);
    return code == ERR_NONE ? batch_seal(b, 1, err) : code;
}

static uint64_t sum_cells(const struct rows *r) {
    uint64_t sum = r->count;
    for (size_t i = 0; i < r->count; i++) {
        sum = sum * 31 + (uint64_t)r->columns[0].integer[i] + (uint64_t)r->columns[2].integer[i] +
              r->columns[1].bytes[i].len + r->columns[3].bytes[i].len +
              (uint64_t)r->columns[4].integer[i] + r->columns[5].bytes[i].len;
        for (size_t column = 0; column < BENCH_COLUMNS; column++) {
            sum += r->columns[column].is_null[i];
        }
    }
    return sum;
}

static void sum_drift(const struct drift *d, struct bench_drift *out) {
    for (size_t i = 0; i < BENCH_COLUMNS; i++) {
        out->declared_kinds += d->column_kinds[i];
        out->declared_present += (uint64_t)d->column_present[i];
    }
    for (size_t i = 0; i < d->field_count; i++) {
        out->undeclared_fields++;
        out->undeclared_kinds += d->fields[i].kinds * (uint64_t)d->fields[i].records;
    }
}

static enum err_code read_batch(struct bench *b, enum reader reader, const struct batch *batch,
                                struct totals *t, struct err *err) {
    struct arena *arena = &b->arenas[reader];
    struct rows rows;
    struct decoded out = {.streams = &rows, .stream_count = 1};
    clock_t begin = clock();
    arena_reset(arena);
    enum err_code code = ERR_NONE;
    if (reader == READER_OURS) {
        code = decoder_run(b->decoder, batch, arena, &out, err);
    } else {
        code = rows_init(&out.streams[0], &b->contract.schema, arena, batch->count, err);
    }
    if (code != ERR_NONE) {
        return code;
    }
    if (reader == READER_WHOLE) {
        bench_simdjson_whole(batch, &out.streams[0], &t->drift);
    } else if (reader == READER_FIELDS) {
        bench_simdjson_fields(batch, &out.streams[0]);
    }
    t->us += (int64_t)(clock() - begin) * 1000000 / CLOCKS_PER_SEC;
    t->rows = t->rows * 31 + sum_cells(&out.streams[0]);
    if (reader == READER_OURS) {
        sum_drift(&out.drift, &t->drift);
    }
    return ERR_NONE;
}

static bool drift_is_equal(const struct bench_drift *a, const struct bench_drift *b) {
    return a->declared_kinds == b->declared_kinds && a->declared_present == b->declared_present &&
           a->undeclared_fields == b->undeclared_fields &&
           a->undeclared_kinds == b->undeclared_kinds;
}

static enum err_code round_of(struct bench *b, int64_t round, struct err *err) {
    struct totals totals[READER_COUNT] = {{0}};
    for (int i = 0; i < READER_COUNT; i++) {
        int reader = round % 2 == 0 ? i : READER_COUNT - 1 - i;
        for (size_t n = 0; n < BENCH_BATCHES; n++) {
            enum err_code code =
                read_batch(b, (enum reader)reader, &b->batches[n], &totals[reader], err);
            if (code != ERR_NONE) {
                return code;
            }
        }
    }
    const struct totals *ours = &totals[READER_OURS];
    for (int i = 0; i < READER_COUNT; i++) {
        b->us[i][round] = (double)totals[i].us;
        b->ratios[i][round] = (double)totals[i].us / (double)ours->us;
        if (totals[i].rows != ours->rows) {
            return err_set(err, ERR_INTERNAL, "%s read other rows than plumb", reader_names[i]);
        }
    }
    if (!drift_is_equal(&ours->drift, &totals[READER_WHOLE].drift)) {
        return err_set(err, ERR_INTERNAL, "%s noted other fields than plumb",
                       reader_names[READER_WHOLE]);
    }
    return ERR_NONE;
}

static int compare_doubles(const void *left, const void *right) {
    const double *a = left;
    const double *b = right;
    return (*a > *b) - (*a < *b);
}

static double median(double *values, int64_t count) {
    qsort(values, (size_t)count, sizeof(*values), compare_doubles);
    return values[count / 2];
}

static void report(struct bench *b, const char *name, int64_t rounds) {
    size_t records = (size_t)BENCH_BATCHES * BENCH_RECORDS;
    printf("%s: %zu records of %zu bytes\n", name, records, b->bytes / records);
    for (int i = 0; i < READER_COUNT; i++) {
        double seconds = median(b->us[i], rounds) / 1e6;
        printf("  %-18s %6.2f M records/s  %7.1f MB/s", reader_names[i],
               (double)records / seconds / 1e6, (double)b->bytes / seconds / 1e6);
        if (i != READER_OURS) {
            double ratio = median(b->ratios[i], rounds);
            printf("  plumb is %.2f times as fast (%.2f .. %.2f)", ratio, b->ratios[i][0],
                   b->ratios[i][rounds - 1]);
        }
        printf("\n");
    }
}

static enum err_code bench_set(struct bench *b, const char *name, bool is_wide, int64_t rounds,
                               struct err *err) {
    contract_init(b);
    enum err_code code = decoder_new_json(&b->contract, &b->decoder, err);
    for (size_t i = 0; i < READER_COUNT; i++) {
        arena_init(&b->arenas[i], BENCH_ARENA_MAX);
    }
    for (size_t i = 0; i < BENCH_BATCHES; i++) {
        batch_init(&b->batches[i]);
        if (code == ERR_NONE) {
            code = fill(&b->batches[i], i, is_wide, err);
            b->bytes += b->batches[i].raw.len;
        }
    }
    for (int64_t i = 0; i < rounds && code == ERR_NONE; i++) {
        code = round_of(b, i, err);
    }
    if (code == ERR_NONE) {
        report(b, name, rounds);
    }
    for (size_t i = 0; i < BENCH_BATCHES; i++) {
        batch_release(&b->batches[i]);
    }
    for (size_t i = 0; i < READER_COUNT; i++) {
        arena_release(&b->arenas[i]);
    }
    decoder_free(b->decoder);
    return code;
}

int main(int argc, char **argv) {
    struct err err = ERR_INIT;
    int64_t rounds = BENCH_ROUNDS;
    if (argc > 2 || (argc == 2 && (!parse_i64(str_of(argv[1]), &rounds) || rounds < 1 ||
                                   rounds > BENCH_ROUNDS_MAX))) {
        fprintf(stderr, "usage: decode_bench [ROUNDS]\n");
        return 2;
    }
    static struct bench declared;
    static struct bench wide;
    printf("simdjson runs its code for %s; medians of %" PRId64 " rounds\n", bench_simdjson_name(),
           rounds);
    if (bench_set(&declared, "declared", false, rounds, &err) != ERR_NONE ||
        bench_set(&wide, "wide", true, rounds, &err) != ERR_NONE) {
        fprintf(stderr, "decode_bench: %s\n", err.message);
        return 1;
    }
    return 0;
}
