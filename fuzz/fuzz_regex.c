/* The regex decoder on any line, with a pattern of one named group a column: it ends in a row or a
 * reject, the same twice, and text cells are views of the line where their groups matched. */
#include "fuzz/decode_fuzz.h"

/* Commas part the fields but the last, which may be absent with its comma. */
static const char pattern[] =
    "^(?<a>[^,]*),(?<b>[^,]*),(?<c>[^,]*),(?<d>[^,]*),(?<e>[^,]*),(?<f>[^,]*),(?<g>[^;]*);"
    "(?<h>(?:[^,]|(?<=0),)*)(?:,(?<i>.*))?\\z";

/* The cell of a text column is a part of the line, as it stands there. */
static void check_text_cells(const struct decoded *out, const struct batch *b) {
    static const size_t text_columns[] = {TYPE_TEXT, DECODE_FUZZ_COLUMNS - 1};
    for (uint32_t row = 0; row < 2; row++) {
        struct str line = batch_record(b, row).bytes;
        for (size_t i = 0; i < ARRAY_COUNT(text_columns); i++) {
            struct value cell;
            rows_get(&out->streams[0], row, text_columns[i], &cell);
            if (cell.is_null) {
                continue;
            }
            ASSERT(cell.bytes.ptr >= line.ptr &&
                   cell.bytes.ptr + cell.bytes.len <= line.ptr + line.len);
            bool is_last = i == 1;
            ASSERT(is_last || str_find(cell.bytes, ',') == cell.bytes.len);
            ASSERT(!is_last || cell.bytes.ptr + cell.bytes.len == line.ptr + line.len);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str line = {size > 0 ? (const char *)data : "", size};
    struct contract contract;
    struct decoder *d = NULL;
    struct decoded out;
    struct batch b;
    struct arena arena;
    struct err err = ERR_INIT;
    decode_fuzz_contract(&contract, false);
    arena_init(&arena, DECODE_FUZZ_ARENA_MAX);
    decode_fuzz_batch(&b, STR(""), line);
    ASSERT(decoder_new_regex(&contract, pattern, &d, &err) == ERR_NONE);
    ASSERT(decoder_run(d, &b, &arena, &out, &err) == ERR_NONE);
    decode_fuzz_check(&out, size);
    ASSERT(out.rejects.count == 0 || str_is_utf8(line) ||
           out.rejects.items[0].reason == REJECT_MALFORMED);
    if (out.streams[0].count > 0) {
        check_text_cells(&out, &b);
    }
    decoder_free(d);
    batch_release(&b);
    arena_release(&arena);
    return 0;
}
