/* How it works: lines end with LF, a CR before it goes; in CSV an odd number of quotes so far means
 * that the line goes on. Empty lines are none, as the file source has it. */
#include <string.h>

#include "trial/sample.h"

static bool ends_as_csv(struct str path) {
    static const struct str packed[] = {{".gz", 3}, {".zst", 4}};
    for (size_t i = 0; i < ARRAY_COUNT(packed); i++) {
        if (str_ends_with(path, packed[i])) {
            path.len -= packed[i].len;
        }
    }
    return str_ends_with(path, STR(".csv")) || str_ends_with(path, STR(".tsv"));
}

bool frame_is_csv(const struct flow_source *source) {
    const struct node *format = source->node != NULL ? node_get(source->node, "format") : NULL;
    if (format != NULL && format->kind == NODE_SCALAR && !str_equal_c(format->text, "auto")) {
        return str_equal_c(format->text, "csv");
    }
    const struct node *path = source->node != NULL ? node_get(source->node, "path") : NULL;
    return path != NULL && path->kind == NODE_SCALAR && ends_as_csv(path->text);
}

static size_t line_end(struct str text, bool csv, size_t at) {
    bool quoted = false;
    while (at < text.len && (text.ptr[at] != '\n' || quoted)) {
        quoted = quoted != (csv && text.ptr[at] == '"');
        at++;
    }
    return at;
}

bool frame_next(struct str text, bool csv, size_t *at, struct str *out) {
    while (*at < text.len) {
        const size_t end = line_end(text, csv, *at);
        *out = (struct str){text.ptr + *at, end - *at};
        *at = end + 1;
        if (out->len > 0 && out->ptr[out->len - 1] == '\r') {
            out->len--;
        }
        if (out->len > 0) {
            return true;
        }
    }
    return false;
}
