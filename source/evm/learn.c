/* How it works: an array in the order of learning and a hash table of indexes into it, at most half full.
 * Forgetting is rare (a reorganisation), so it filters the array and builds the table anew. A note is
 * written and read by one fixed form; anything else is not ours. */
#include "source/evm/learn.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/parse.h"
#include "source/evm/log.h"

#define SLOTS_FIRST 1024

void learned_init(struct learned *l) {
    memset(l, 0, sizeof *l);
}

void learned_release(struct learned *l) {
    mem_free(l->items);
    mem_free(l->slots);
    learned_init(l);
}

/* The slot that holds the address, or the free one where it would be. */
static size_t find_slot(const struct learned *l, const uint8_t address[EVM_ADDRESS_BYTES]) {
    size_t slot = (size_t)hash64_of(address, EVM_ADDRESS_BYTES) & (l->slot_count - 1);
    while (l->slots[slot] != 0 &&
           memcmp(l->items[l->slots[slot] - 1].address, address, EVM_ADDRESS_BYTES) != 0) {
        slot = (slot + 1) & (l->slot_count - 1);
    }
    return slot;
}

static void build_slots(struct learned *l, size_t slot_count) {
    mem_free(l->slots);
    l->slots = mem_alloc_array(slot_count, sizeof l->slots[0]);
    l->slot_count = slot_count;
    for (size_t i = 0; i < l->count; i++) {
        l->slots[find_slot(l, l->items[i].address)] = (uint32_t)i + 1;
    }
}

static void make_room(struct learned *l) {
    if (l->count == l->capacity) {
        l->capacity = l->capacity > 0 ? l->capacity * 2 : 64;
        l->items = mem_realloc(l->items, l->capacity * sizeof l->items[0]);
    }
    if ((l->count + 1) * 2 > l->slot_count) {
        build_slots(l, l->slot_count > 0 ? l->slot_count * 2 : SLOTS_FIRST);
    }
}

enum err_code learned_add(struct learned *l, const uint8_t address[EVM_ADDRESS_BYTES],
                          int64_t block, bool *out_is_new, struct err *err) {
    *out_is_new = false;
    if (l->count >= LEARNED_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d learned addresses", LEARNED_MAX);
    }
    make_room(l);
    const size_t slot = find_slot(l, address);
    if (l->slots[slot] != 0) {
        struct learned_address *known = &l->items[l->slots[slot] - 1];
        *out_is_new = block < known->block;
        known->block = block < known->block ? block : known->block;
        return ERR_NONE;
    }
    struct learned_address *item = &l->items[l->count++];
    memcpy(item->address, address, EVM_ADDRESS_BYTES);
    item->key = bloom_key_of((struct str){(const char *)address, EVM_ADDRESS_BYTES});
    item->block = block;
    l->slots[slot] = (uint32_t)l->count;
    *out_is_new = true;
    return ERR_NONE;
}

bool learned_has(const struct learned *l, const uint8_t address[EVM_ADDRESS_BYTES], int64_t block) {
    if (l->count == 0) {
        return false;
    }
    const uint32_t index = l->slots[find_slot(l, address)];
    return index != 0 && l->items[index - 1].block <= block;
}

void learned_forget(struct learned *l, int64_t block) {
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (l->items[i].block < block) {
            l->items[kept++] = l->items[i];
        }
    }
    if (kept < l->count) {
        l->count = kept;
        build_slots(l, l->slot_count);
    }
}

size_t learned_note_write(const char *set, const uint8_t address[EVM_ADDRESS_BYTES], int64_t block,
                          char out[LEARNED_NOTE_BYTES]) {
    char hex[2 * EVM_ADDRESS_BYTES + 1];
    for (size_t i = 0; i < EVM_ADDRESS_BYTES; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", address[i]);
    }
    const int len = snprintf(out, LEARNED_NOTE_BYTES,
                             "{\"learned\":\"%s\",\"address\":\"0x%s\",\"block\":%" PRId64 "}", set,
                             hex, block);
    ASSERT(len > 0 && len < LEARNED_NOTE_BYTES);
    return (size_t)len;
}

static bool take(struct str *rest, struct str prefix) {
    if (!str_starts_with(*rest, prefix)) {
        return false;
    }
    rest->ptr += prefix.len;
    rest->len -= prefix.len;
    return true;
}

static struct str take_until(struct str *rest, char c) {
    const size_t len = str_find(*rest, c);
    const struct str taken = {rest->ptr, len};
    rest->ptr += len;
    rest->len -= len;
    return taken;
}

enum err_code learned_note_read(struct str text, struct str *set,
                                uint8_t address[EVM_ADDRESS_BYTES], int64_t *block,
                                struct err *err) {
    struct str rest = text;
    bool ok = take(&rest, STR("{\"learned\":\""));
    *set = take_until(&rest, '"');
    ok = ok && take(&rest, STR("\",\"address\":\"0x"));
    const struct str hex = take_until(&rest, '"');
    const size_t hex_len = (size_t)2 * EVM_ADDRESS_BYTES;
    ok = ok && hex.len == hex_len && evm_hex_decode(hex, address) == hex_len;
    ok = ok && take(&rest, STR("\",\"block\":"));
    ok = ok && parse_i64(take_until(&rest, '}'), block) && *block >= 0 && str_equal(rest, STR("}"));
    if (!ok) {
        char shown[80];
        str_printable(text, shown, sizeof shown);
        return err_set(err, ERR_CORRUPT, "a note of the source is not what it wrote: %s", shown);
    }
    return ERR_NONE;
}
