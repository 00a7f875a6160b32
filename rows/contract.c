/* Lists of rejects and notes of drift, all in the batch's arena.
 *
 * The list doubles by taking a new array: the old one stays in the arena until the turn ends, which
 * costs at most as much again and happens only to bad batches. */
#include "rows/contract.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define REJECT_LIST_FIRST 16

static const char *const reason_names[] = {
#define X(name, text) [REJECT_##name] = (text),
    REJECT_REASONS(X)
#undef X
};

const char *reject_reason_name(enum reject_reason reason) {
    ASSERT((size_t)reason < ARRAY_COUNT(reason_names));
    return reason_names[reason];
}

void reject_list_init(struct reject_list *l, struct arena *arena) {
    *l = (struct reject_list){.arena = arena};
}

static enum err_code list_grow(struct reject_list *l, struct err *err) {
    size_t capacity = l->capacity > 0 ? l->capacity * 2 : REJECT_LIST_FIRST;
    size_t bytes = 0;
    void *items = NULL;
    if (!size_mul(capacity, sizeof(struct reject), &bytes)) {
        return err_set(err, ERR_LIMIT, "%zu rejects are more than memory can address", capacity);
    }
    if (arena_alloc(l->arena, bytes, &items, err) != ERR_NONE) {
        return err_wrap(err, "rejects");
    }
    if (l->count > 0) {
        memcpy(items, l->items, l->count * sizeof(struct reject));
    }
    l->items = items;
    l->capacity = capacity;
    return ERR_NONE;
}

/* Length of text without a UTF-8 sequence that the cut at its end tore apart. */
static size_t whole_characters(const char *text, size_t len) {
    size_t start = len;
    size_t tail = 0;
    while (start > 0 && tail < 3 && ((unsigned char)text[start - 1] & 0xC0u) == 0x80u) {
        start--;
        tail++;
    }
    if (start == 0) {
        return len;
    }
    unsigned char lead = (unsigned char)text[start - 1];
    size_t follow = lead >= 0xF0u ? 3 : lead >= 0xE0u ? 2 : lead >= 0xC0u ? 1 : 0;
    return follow > tail ? start - 1 : len;
}

enum err_code reject_list_add(struct reject_list *l, uint32_t pos, enum reject_reason reason,
                              const char *column, int64_t offset, struct err *err, const char *fmt,
                              ...) {
    if (l->count == l->capacity && list_grow(l, err) != ERR_NONE) {
        return err->code;
    }
    char text[REJECT_MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    size_t len = wanted < 0 ? 0 : (size_t)wanted;
    if (len >= sizeof(text)) {
        len = whole_characters(text, sizeof(text) - 1);
    }
    struct str message = {0};
    if (arena_copy(l->arena, (struct str){text, len}, &message, err) != ERR_NONE) {
        return err_wrap(err, "rejects");
    }
    l->items[l->count] = (struct reject){
        .pos = pos, .reason = reason, .column = column, .offset = offset, .message = message};
    l->count++;
    return ERR_NONE;
}

enum err_code drift_init(struct drift *d, const struct contract *c, struct arena *arena,
                         struct err *err) {
    size_t columns = c->schema.count > 0 ? c->schema.count : 1;
    ASSERT(columns <= SCHEMA_COLUMNS_MAX);
    void *kinds = NULL;
    void *present = NULL;
    if (arena_alloc(arena, columns * sizeof(unsigned), &kinds, err) != ERR_NONE ||
        arena_alloc(arena, columns * sizeof(int64_t), &present, err) != ERR_NONE) {
        return err_wrap(err, "drift");
    }
    memset(d, 0, sizeof(*d));
    memset(kinds, 0, columns * sizeof(unsigned));
    memset(present, 0, columns * sizeof(int64_t));
    d->column_kinds = kinds;
    d->column_present = present;
    return ERR_NONE;
}
