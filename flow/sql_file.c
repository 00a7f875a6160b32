/* How it works: a text of one word that ends in .sql is the name of a file below the flow's
 * directory. Its SQL gets a node of its own, whose file is that file, so that a message about the
 * SQL points there. */
#include "flow/read.h"

#include <string.h>

#include "base/file.h"

static bool is_file_name(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] <= ' ') {
            return false;
        }
    }
    return text.len > 4 && str_ends_with(text, STR(".sql"));
}

static enum err_code read_file(struct loader *l, const struct node *n, const char *path,
                               struct str *out, struct err *err) {
    AUTO_BUF content = BUF_INIT(FLOW_FILE_BYTES_MAX);
    if (file_read_all(path, &content, err) != ERR_NONE) {
        err->code = ERR_CONFIG;
        err_where(err, "%s:%d:%d", n->file, n->line, n->column);
        return ERR_CONFIG;
    }
    const struct str text = buf_str(&content);
    if (!str_is_utf8(text) || str_find(text, '\0') < text.len) {
        return node_error(n, err, "the file %s is not UTF-8 text", path);
    }
    if (str_trim(text).len == 0) {
        return node_error(n, err, "the file %s is empty", path);
    }
    const struct hash128 hash = hash128_of(text.ptr, text.len);
    uint8_t bytes[16];
    hash128_to_bytes(hash, bytes);
    const enum err_code code = buf_add(&l->version, bytes, sizeof bytes, err);
    return code != ERR_NONE ? code : arena_copy(l->arena, text, out, err);
}

enum err_code sql_load(struct loader *l, const struct node *n, const char **out,
                       const struct node **out_node, struct err *err) {
    enum err_code code = read_text(n, out, err);
    if (code != ERR_NONE) {
        return code;
    }
    *out_node = n;
    if (!is_file_name(n->text)) {
        return ERR_NONE;
    }
    if (n->text.ptr[0] == '/' || memmem(n->text.ptr, n->text.len, "..", 2) != NULL) {
        return node_error(n, err, "SQL files lie in the flow's directory or below it");
    }
    char *joined = file_join(l->flow->directory, n->text.ptr);
    const char *path = arena_strdup(l->arena, joined);
    mem_free(joined);
    struct str text = {NULL, 0};
    code = read_file(l, n, path, &text, err);
    if (code != ERR_NONE) {
        return code;
    }
    struct node *own = arena_new(l->arena, sizeof *own);
    *own = (struct node){.kind = NODE_SCALAR,
                         .file = path,
                         .line = 1,
                         .column = 1,
                         .key = n->key,
                         .text = text,
                         .is_quoted = true,
                         .text_line = 1,
                         .text_column = 1};
    *out = text.ptr;
    *out_node = own;
    return ERR_NONE;
}
