/* How it works: an output owns a batch under construction and the cursor after it; both keep their
 * memory from one turn to the next. */
#include "component/source.h"

#include <string.h>

void source_output_init(struct source_output *o) {
    memset(o, 0, sizeof *o);
    batch_init(&o->batch);
    buf_init(&o->cursor, BATCH_CURSOR_BYTES_MAX);
    o->lag_bytes = -1;
}

void source_output_release(struct source_output *o) {
    if (o == NULL) {
        return;
    }
    batch_release(&o->batch);
    buf_release(&o->cursor);
}
