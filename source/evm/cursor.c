/* How it works: written by hand, since it is written once a batch and the window is most of it; read with
 * the strict reader of base/json.h and checked member by member. */
#include "source/evm/cursor.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"

#define READ_BYTES_MAX ((size_t)16 << 20)

int64_t cursor_next(const struct cursor *c) {
    return window_tip(&c->window)->number + 1;
}

void cursor_write(const struct cursor *c, struct buf *out) {
    const struct window *w = &c->window;
    buf_addf(out, "{\"version\":%d,\"chain\":%" PRId64 ",\"from\":%" PRId64 ",\"next\":%" PRId64,
             CURSOR_VERSION, c->chain_id, c->from, cursor_next(c));
    buf_addf(out,
             ",\"records\":%" PRId64 ",\"finalized\":%" PRId64 ",\"filter\":\"%s\",\"learned\":[",
             window_tip(w)->records, c->finalized, c->filter);
    for (size_t i = 0; i < c->set_count; i++) {
        buf_addf(out, "%s%" PRId64, i > 0 ? "," : "", c->learned[i]);
    }
    buf_addf(out, "],\"base\":{\"number\":%" PRId64 ",\"hash\":", w->base.number);
    if (w->base.has_hash) {
        plan_write_hex(w->base.hash, KECCAK256_BYTES, out);
    } else {
        buf_adds(out, "null");
    }
    buf_addf(out, ",\"records\":%" PRId64 "},\"window\":[", w->base.records);
    for (size_t i = 0; i < w->count; i++) {
        buf_adds(out, i > 0 ? "," : "");
        plan_write_hex(w->blocks[i].hash, KECCAK256_BYTES, out);
        buf_addf(out, ",%" PRId64, w->blocks[i].records);
    }
    buf_adds(out, "]}");
}

static bool read_hash(const struct json_value *v, uint8_t out[KECCAK256_BYTES]) {
    const size_t digits = (size_t)2 * KECCAK256_BYTES;
    return v != NULL && v->kind == JSON_STRING && v->text.len == digits + 2 &&
           str_starts_with(v->text, STR("0x")) &&
           evm_hex_decode((struct str){v->text.ptr + 2, digits}, out) == digits;
}

static bool read_count(const struct json_value *v, int64_t least, int64_t *out) {
    return v != NULL && v->kind == JSON_NUMBER && parse_i64(v->text, out) && *out >= least;
}

static bool read_base(const struct json_value *v, struct window_block *out) {
    const struct json_value *hash = v != NULL ? json_get(v, "hash") : NULL;
    if (hash == NULL || !read_count(json_get(v, "number"), -1, &out->number) ||
        !read_count(json_get(v, "records"), 0, &out->records)) {
        return false;
    }
    out->has_hash = hash->kind != JSON_NULL;
    return !out->has_hash || read_hash(hash, out->hash);
}

static bool read_window(const struct json_value *v, struct window *w) {
    if (v == NULL || v->kind != JSON_ARRAY) {
        return false;
    }
    for (const struct json_value *item = v->first; item != NULL; item = item->next->next) {
        struct window_block block = {.number = window_tip(w)->number + 1, .has_hash = true};
        if (w->count == WINDOW_BLOCKS_MAX || item->next == NULL || !read_hash(item, block.hash) ||
            !read_count(item->next, window_tip(w)->records, &block.records)) {
            return false;
        }
        window_push(w, &block);
    }
    return true;
}

static bool read_learned(const struct json_value *v, struct cursor *out) {
    if (v == NULL || v->kind != JSON_ARRAY) {
        return false;
    }
    for (const struct json_value *item = v->first; item != NULL; item = item->next) {
        if (out->set_count == PLAN_SETS_MAX ||
            !read_count(item, 0, &out->learned[out->set_count++])) {
            return false;
        }
    }
    return true;
}

static bool read_all(const struct json_value *v, struct cursor *out) {
    int64_t version = 0;
    int64_t next = 0;
    int64_t records = 0;
    struct str filter = {NULL, 0};
    struct window_block base = {.number = -1};
    if (v->kind != JSON_OBJECT || !json_get_i64(v, "version", &version) ||
        version != CURSOR_VERSION || !read_count(json_get(v, "chain"), 0, &out->chain_id) ||
        !read_count(json_get(v, "from"), 0, &out->from) ||
        !read_count(json_get(v, "finalized"), -1, &out->finalized) ||
        !json_get_str(v, "filter", &filter) || filter.len != sizeof out->filter - 1 ||
        !read_base(json_get(v, "base"), &base)) {
        return false;
    }
    memcpy(out->filter, filter.ptr, filter.len);
    window_init(&out->window, &base);
    return read_window(json_get(v, "window"), &out->window) &&
           read_learned(json_get(v, "learned"), out) && read_count(json_get(v, "next"), 0, &next) &&
           next == cursor_next(out) && read_count(json_get(v, "records"), 0, &records) &&
           records == window_tip(&out->window)->records && out->from <= next;
}

enum err_code cursor_read(struct str text, struct cursor *out, struct err *err) {
    memset(out, 0, sizeof *out);
    struct arena arena;
    arena_init(&arena, READ_BYTES_MAX);
    const struct json_value *value = NULL;
    const bool ok = json_parse(text, &arena, &value, err) == ERR_NONE && read_all(value, out);
    arena_release(&arena);
    if (ok) {
        return ERR_NONE;
    }
    char shown[160];
    str_printable(text, shown, sizeof shown);
    return err_set(err, ERR_CORRUPT, "the cursor of the chain is not what the source wrote: %s",
                   shown);
}
