/* What the decoder targets share: one batch of the input twice, decoded by a contract with a column
 * of every type, and what must hold for any input. */
#ifndef PLUMB_FUZZ_DECODE_FUZZ_H
#define PLUMB_FUZZ_DECODE_FUZZ_H

#include "fuzz/fuzz.h"

#include "rows/decode.h"

#define DECODE_FUZZ_ARENA_MAX ((size_t)256 << 20)
#define DECODE_FUZZ_COLUMNS   9

/* Columns a..h, one a type in the order of COLUMN_TYPES, and i at /g/i (JSON) or "i". */
static inline void decode_fuzz_contract(struct contract *c, bool nested) {
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    static const char *const below[] = {"g", "i"};
    static struct contract_column columns[DECODE_FUZZ_COLUMNS];
    static struct column schema[DECODE_FUZZ_COLUMNS];
    for (size_t i = 0; i < DECODE_FUZZ_COLUMNS; i++) {
        enum column_type type = i < COLUMN_TYPE_COUNT ? (enum column_type)i : TYPE_TEXT;
        columns[i] = (struct contract_column){.name = names[i],
                                              .type = type,
                                              .path = &names[i],
                                              .path_depth = 1,
                                              .min = {.is_null = true},
                                              .max = {.is_null = true},
                                              .timestamp_unit_us = 1000};
        schema[i] = (struct column){names[i], type};
    }
    columns[8].path = nested ? below : &names[8];
    columns[8].path_depth = nested ? 2 : 1;
    columns[0].max = (struct value){.type = TYPE_INT64, .integer = 1000000};
    columns[3].min = (struct value){.type = TYPE_INT64, .integer = 1};
    *c = (struct contract){.schema = {schema, DECODE_FUZZ_COLUMNS}, .columns = columns};
}

static inline void decode_fuzz_batch(struct batch *b, struct str meta, struct str record) {
    struct err err = ERR_INIT;
    batch_init(b);
    ASSERT(batch_begin(b, meta, &err) == ERR_NONE);
    for (int i = 0; i < 2; i++) {
        ASSERT(batch_add(b, record, RECORD_WHOLE, &err) == ERR_NONE);
    }
    ASSERT(batch_seal(b, 1, &err) == ERR_NONE);
}

static inline void decode_fuzz_cell(const struct value *v) {
    if (v->is_null) {
        return;
    }
    if (v->type == TYPE_TEXT || v->type == TYPE_JSON) {
        ASSERT(str_is_utf8(v->bytes) && str_find(v->bytes, '\0') == v->bytes.len);
    }
    ASSERT(v->type != TYPE_BOOL || v->integer == 0 || v->integer == 1);
}

/* Both records came to the same end, with offsets inside the record. */
static inline void decode_fuzz_check(const struct decoded *out, size_t record_bytes) {
    ASSERT(out->streams[0].count == 2 || out->rejects.count == 2);
    for (size_t i = 0; i < out->rejects.count; i++) {
        const struct reject *r = &out->rejects.items[i];
        ASSERT(r->offset >= -1 && r->offset <= (int64_t)record_bytes && r->message.len > 0);
        ASSERT(r->reason == out->rejects.items[0].reason &&
               r->offset == out->rejects.items[0].offset &&
               str_equal(r->message, out->rejects.items[0].message));
    }
    for (size_t i = 0; i < DECODE_FUZZ_COLUMNS && out->streams[0].count == 2; i++) {
        struct value first;
        struct value second;
        rows_get(&out->streams[0], 0, i, &first);
        rows_get(&out->streams[0], 1, i, &second);
        decode_fuzz_cell(&first);
        ASSERT(first.is_null == second.is_null);
        ASSERT(first.is_null || value_compare(&first, &second) == 0);
    }
}

#endif
