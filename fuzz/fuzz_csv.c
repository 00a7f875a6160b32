/* The CSV decoder on any header and record, the first NUL byte parting them: it ends in a row or a
 * reject, the same twice, and a text cell that is written again as CSV reads the same. */
#include "fuzz/decode_fuzz.h"

static void check_text_cell(const struct decoded *out, const struct csv_options *options,
                            const struct contract *contract, struct arena *arena) {
    struct value cell;
    rows_get(&out->streams[0], 0, TYPE_TEXT, &cell);
    if (cell.is_null) {
        return;
    }
    struct buf record = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&record, "\"");
    for (size_t i = 0; i < cell.bytes.len; i++) {
        if (cell.bytes.ptr[i] == '"') {
            buf_addc(&record, '"');
        }
        buf_addc(&record, cell.bytes.ptr[i]);
    }
    buf_adds(&record, "\"");
    struct decoder *d = NULL;
    struct decoded again;
    struct batch b;
    struct err err = ERR_INIT;
    decode_fuzz_batch(&b, STR("d"), buf_str(&record));
    ASSERT(decoder_new_csv(contract, options, &d, &err) == ERR_NONE);
    ASSERT(decoder_run(d, &b, arena, &again, &err) == ERR_NONE);
    ASSERT(again.streams[0].count == 2);
    struct value second;
    rows_get(&again.streams[0], 0, TYPE_TEXT, &second);
    ASSERT(!second.is_null && str_equal(cell.bytes, second.bytes));
    decoder_free(d);
    batch_release(&b);
    buf_release(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct csv_options options = {.delimiter = ',', .quote = '"'};
    struct str input = {size > 0 ? (const char *)data : "", size};
    size_t cut = str_find(input, '\0');
    struct str meta = {input.ptr, cut};
    struct str record = cut < input.len ? (struct str){input.ptr + cut + 1, input.len - cut - 1}
                                        : (struct str){input.ptr, 0};
    struct contract contract;
    struct decoder *d = NULL;
    struct decoded out;
    struct batch b;
    struct arena arena;
    struct err err = ERR_INIT;
    decode_fuzz_contract(&contract, false);
    arena_init(&arena, DECODE_FUZZ_ARENA_MAX);
    decode_fuzz_batch(&b, meta, record);
    ASSERT(decoder_new_csv(&contract, &options, &d, &err) == ERR_NONE);
    ASSERT(decoder_run(d, &b, &arena, &out, &err) == ERR_NONE);
    decode_fuzz_check(&out, record.len);
    if (out.streams[0].count > 0) {
        check_text_cell(&out, &options, &contract, &arena);
    }
    decoder_free(d);
    batch_release(&b);
    arena_release(&arena);
    return 0;
}
