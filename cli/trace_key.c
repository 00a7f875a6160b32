/* How it works: each text is read by the type of its column and written into the SQL as a literal. */
#include <inttypes.h>
#include <string.h>

#include "cli/trace.h"
#include "transform/lineage.h"

const char *trace_key_name(const struct flow_table *t, size_t n) {
    static const char *const own[] = {"_partition", "_record"};
    if (t->key_auto) {
        return n < ARRAY_COUNT(own) ? own[n] : NULL;
    }
    return n < t->key_count ? t->schema.columns[t->key[n]].name : NULL;
}

static enum column_type key_type(const struct flow_table *t, size_t n) {
    return t->key_auto ? TYPE_INT64 : t->schema.columns[t->key[n]].type;
}

static enum err_code misread(const struct flow_table *t, struct err *err) {
    AUTO_BUF names = BUF_INIT(BUF_TEXT_MAX);
    for (size_t n = 0; trace_key_name(t, n) != NULL; n++) {
        buf_addf(&names, "%s%s (%s)", n > 0 ? ", " : "", trace_key_name(t, n),
                 type_name(key_type(t, n)));
    }
    return err_set(err, ERR_CONFIG,
                   "the key of table '%s' is %s: give its values in this order, or as COLUMN=VALUE",
                   t->name, buf_c(&names));
}

enum err_code trace_key_condition(const struct flow_table *t, const char *const *texts,
                                  size_t count, struct buf *condition, struct err *err) {
    if (count == 0 || trace_key_name(t, count - 1) == NULL || trace_key_name(t, count) != NULL) {
        return misread(t, err);
    }
    for (size_t n = 0; n < count; n++) {
        const struct str text = str_of(texts[n]);
        char *scratch = mem_alloc(text.len + 64);
        struct value v;
        if (!str_is_utf8(text) || !value_parse(key_type(t, n), text, 1, scratch, &v) || v.is_null) {
            char *shown = output_printable(text);
            (void)err_set(err, ERR_CONFIG, "'%s' is no %s, which '%s' of table '%s' is", shown,
                          type_name(key_type(t, n)), trace_key_name(t, n), t->name);
            mem_free(shown);
            mem_free(scratch);
            return err->code;
        }
        buf_addf(condition, "%s\"%s\" = ", n > 0 ? " AND " : "", trace_key_name(t, n));
        lineage_literal(condition, &v);
        mem_free(scratch);
    }
    return ERR_NONE;
}
