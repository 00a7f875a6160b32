/* How it works: an output owns a batch under construction and the cursor after it; both keep their
 * memory from one turn to the next. */
#include "component/source.h"

#include <string.h>

void source_output_init(struct source_output *o) {
    memset(o, 0, sizeof *o);
    batch_init(&o->batch);
    buf_init(&o->cursor, BATCH_CURSOR_BYTES_MAX);
    buf_init(&o->notes, SOURCE_NOTES_BYTES_MAX);
    o->lag_bytes = -1;
    o->settled = -1;
}

void source_output_clear(struct source_output *o) {
    buf_clear(&o->cursor);
    buf_clear(&o->notes);
    o->takes_back = false;
    o->settled = -1;
    o->coverage = (struct source_coverage){.is_set = false};
    o->behind = false;
    o->wait_us = 0;
    o->trouble = (struct err)ERR_INIT;
}

/* Each note: number of its record, length, text. */
struct note_head {
    int64_t record;
    int64_t length;
};

void source_output_note(struct source_output *o, int64_t record, struct str text) {
    const struct note_head head = {record, (int64_t)text.len};
    buf_addstr(&o->notes, (struct str){(const char *)&head, sizeof head});
    buf_addstr(&o->notes, text);
}

bool source_note_next(const struct buf *notes, size_t *offset, int64_t *record, struct str *text) {
    if (*offset == notes->len) {
        return false;
    }
    struct note_head head;
    ASSERT(notes->len - *offset >= sizeof head);
    memcpy(&head, notes->data + *offset, sizeof head);
    *record = head.record;
    *text = (struct str){notes->data + *offset + sizeof head, (size_t)head.length};
    *offset += sizeof head + (size_t)head.length;
    return true;
}

void source_output_release(struct source_output *o) {
    if (o == NULL) {
        return;
    }
    batch_release(&o->batch);
    buf_release(&o->cursor);
    buf_release(&o->notes);
}
