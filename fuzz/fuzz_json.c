/* The JSON decoder on any record: it ends in a row or a reject, the same twice (the second time by
 * the keys learned from the first), and agrees with the reader of base/json on what JSON is. */
#include "fuzz/decode_fuzz.h"

#include "base/json.h"

#include <string.h>

/* base/json refuses duplicates everywhere and depth above JSON_DEPTH_MAX; nothing else may differ.
 */
static void check_against_reader(const struct decoded *out, struct str record,
                                 struct arena *arena) {
    const struct json_value *value = NULL;
    struct err err = ERR_INIT;
    bool is_json = json_parse(record, arena, &value, &err) == ERR_NONE;
    bool is_malformed = out->rejects.count > 0 && out->rejects.items[0].reason == REJECT_MALFORMED;
    if (is_json) {
        ASSERT(is_malformed == (value->kind != JSON_OBJECT));
    } else {
        ASSERT(is_malformed || err.code == ERR_LIMIT ||
               strstr(err.message, " is twice in ") != NULL ||
               strstr(err.message, "nested deeper") != NULL);
    }
}

/* A json cell is JSON, and minified: decoding it again gives the same bytes. */
static void check_json_cell(const struct decoded *out, struct arena *arena) {
    struct value cell;
    rows_get(&out->streams[0], 0, TYPE_JSON, &cell);
    if (cell.is_null) {
        return;
    }
    struct buf record = BUF_INIT(BUF_TEXT_MAX);
    buf_adds(&record, "{\"g\":");
    buf_addstr(&record, cell.bytes);
    buf_adds(&record, "}");
    struct contract contract;
    struct decoder *d = NULL;
    struct decoded again;
    struct batch b;
    struct err err = ERR_INIT;
    decode_fuzz_contract(&contract, false);
    decode_fuzz_batch(&b, STR(""), buf_str(&record));
    ASSERT(decoder_new_json(&contract, &d, &err) == ERR_NONE);
    ASSERT(decoder_run(d, &b, arena, &again, &err) == ERR_NONE);
    ASSERT(again.streams[0].count == 2);
    struct value second;
    rows_get(&again.streams[0], 0, TYPE_JSON, &second);
    ASSERT(str_equal(cell.bytes, second.bytes));
    decoder_free(d);
    batch_release(&b);
    buf_release(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str record = {size > 0 ? (const char *)data : "", size};
    struct contract contract;
    struct decoder *d = NULL;
    struct decoded out;
    struct batch b;
    struct arena arena;
    struct err err = ERR_INIT;
    decode_fuzz_contract(&contract, true);
    arena_init(&arena, DECODE_FUZZ_ARENA_MAX);
    decode_fuzz_batch(&b, STR(""), record);
    ASSERT(decoder_new_json(&contract, &d, &err) == ERR_NONE);
    ASSERT(decoder_run(d, &b, &arena, &out, &err) == ERR_NONE);
    decode_fuzz_check(&out, size);
    check_against_reader(&out, record, &arena);
    if (out.streams[0].count > 0) {
        check_json_cell(&out, &arena);
    }
    decoder_free(d);
    batch_release(&b);
    arena_release(&arena);
    return 0;
}
